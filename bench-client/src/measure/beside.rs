//! A small room beside a large one on one server, each with an engine of its own, so that what is recorded of the few is theirs alone.
//!
//! The few have a thread that goes before that of the many. On one processor it would else wait for the other to have read what came,
//! milliseconds at a time, and what it recorded would be this tool's and not the server's. Where the few are alone they are measured by
//! such a thread too, so that the two differ in nothing else.

use crate::engine;
use crate::engine::step::{OTHER_ENDED, Step};
use crate::error::{Error, Result};
use crate::load::{Load, Room};
use crate::measure::{Prepared, Run, Started, once};
use crate::summarise::summarise;
use crate::sys;
use crate::target::Target;
use crate::tcp_counters;
use crate::usage::Sampler;

/// Two runs at the same time.
#[derive(Debug)]
pub struct Both {
    pub few: Run,
    /// What the server cost is said here, for both together.
    pub many: Run,
}

/// Measures the few alone on `target`.
pub fn alone(target: &Target, (room, load): (Room, &Load)) -> Result<Run> {
    let of_few = || {
        let is_first = sys::go_first();
        let mut run = once(target, room, load)?;
        run.summary.warnings.extend(not_first(is_first));
        Ok(run)
    };
    std::thread::scope(|scope| scope.spawn(of_few).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// What a reader should know when the thread of the few could not be given its place.
fn not_first(is_first: std::io::Result<()>) -> Option<String> {
    let error = is_first.err()?;
    Some(format!("the thread of the few does not go before others ({error}); run it as root"))
}

/// Measures two loads on `target` at the same time, in rooms of their own. Their plans start together.
pub fn both(target: &Target, few: (Room, &Load), many: (Room, &Load)) -> Result<Both> {
    let prepared = [Prepared::new(target, few.0, few.1)?, Prepared::new(target, many.0, many.1)?];
    if prepared.iter().any(|prepared| prepared.processes > 1) {
        return Err(Error::new(
            "two rooms are measured in one process, and so many members need several; use fewer (-c)",
        ));
    }
    let all = Room { members: few.0.members + many.0.members, ..many.0 };
    let mut started = Started::new(target, all, many.1)?;
    let few_settings = prepared[0].settings_at(&started.addresses, few.0, few.1)?;
    let many_settings = prepared[1].settings_at(&started.addresses, many.0, many.1)?;
    let sampler = started.sampler(many.1)?;
    let counters = tcp_counters::read();
    let (first, second) = Step::pair();
    let [few_plan, many_plan] = [&prepared[0].plan, &prepared[1].plan];
    let (few_outcome, many_outcome) = std::thread::scope(|scope| {
        let of_few = scope.spawn(|| {
            let first = first;
            // Timers are set for each thread. One that cannot go first is late, which its schedule lag shows.
            sys::sharpen_timers();
            let is_first = sys::go_first();
            let mut outcome = engine::run(&few_settings, few_plan, &Sampler::new(Vec::new()), &first)?;
            outcome.warnings.extend(not_first(is_first));
            Ok(outcome)
        });
        let of_many = {
            // Dropped when it ends, so that the few do not wait for a run that has failed.
            let second = second;
            engine::run(&many_settings, many_plan, &sampler, &second)
        };
        let of_few = of_few.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        first_failure(of_few, of_many)
    })?;
    let rises = tcp_counters::rises(&counters, &tcp_counters::read());
    let few_setting = started.setting(target, few.0, few.1, rises.clone());
    let many_setting = started.setting(target, many.0, many.1, rises);
    started.stop();
    let [few, many] = prepared;
    Ok(Both {
        few: Run {
            summary: summarise(few_setting, &few_settings, &few.plan, &few_outcome),
            plan: few.plan,
            outcome: few_outcome,
        },
        many: Run {
            summary: summarise(many_setting, &many_settings, &many.plan, &many_outcome),
            plan: many.plan,
            outcome: many_outcome,
        },
    })
}

/// Both results, or the failure that came first: the other run then only says that it has no companion.
fn first_failure<A, B>(one: Result<A>, other: Result<B>) -> Result<(A, B)> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(one), Err(other)) => Err(if one.to_string() == OTHER_ENDED { other } else { one }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failure_is_told_and_not_what_followed_from_it() {
        let ended = || Err::<(), Error>(Error::new(OTHER_ENDED));
        let full = || Err::<(), Error>(Error::new("the server is full"));
        for pair in [first_failure(ended(), full()), first_failure(full(), ended()), first_failure(Ok(()), full())] {
            assert_eq!(pair.unwrap_err().to_string(), "the server is full");
        }
        assert!(first_failure(Ok(()), Ok(())).is_ok());
    }
}
