//! What a server keeps up with: the highest rate at which every message reaches everybody and 99 % of the deliveries come in
//! time, found by trial and then measured several times.
//!
//! A search ends at an edge, where one run holds and the next does not. So the rate that it finds is rounded down and measured
//! again, as often as asked for; while any of those runs does not hold, the rate is lowered a step. What is reported is
//! the first rate at which all of them held.

use std::path::Path;
use std::time::Duration;

use crate::error::Result;
use crate::files::write_json;
use crate::load::{Load, Room};
use crate::measure::{self, Run};
use crate::plan::Length;
use crate::quantities::{count, rate, time};
use crate::results::comparison::Ceiling;
use crate::results::summary::Summary;
use crate::search::Search;
use crate::summarise::verdict;
use crate::target::NamedServer;

/// 99 % of the deliveries take less than this in a room of up to [`LIMIT_MEMBERS`], and in proportion more in a larger one.
const LIMIT_NS: u64 = 100_000_000;
const LIMIT_MEMBERS: u64 = 1000;
/// Runs at one rate, when the client spoiled the first.
const ATTEMPTS_MAX: u32 = 2;
/// A run on the way to the rate, at most.
const TRIAL_WINDOW: Duration = Duration::from_secs(3);
/// Deliveries that come later than this are late in any room, so they are not waited for.
const DRAIN_MAX: Duration = Duration::from_secs(3);
/// How late messages may be sent, p99: a small part of the limit. Latency counts from when they were due in any case.
const LAG: Duration = Duration::from_millis(10);
/// Steps down from what the search found, at most.
const STEPS_MAX: u32 = 8;
/// Publishers, and members that verify every line, where there are many lines: the tool shall not be the limit.
const PUBLISHERS: u32 = 10;
/// Deliveries to members that verify, at least: some more than a p99 needs.
const SAMPLES: f64 = 4000.0;
const VERIFIED: u64 = 16;

/// How a ceiling is searched for.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Lines a second that the search begins at.
    pub start_per_s: f64,
    /// The search is over when the rate that fails is at most this much above the one that holds.
    pub precision: f64,
    /// Runs at the rate that was found, and how long each is.
    pub repeat: u32,
    pub window: Duration,
}

/// What 99 % of the deliveries in a room of `members` take less than, if the server keeps up.
pub fn limit_ns(members: u64) -> u64 {
    LIMIT_NS * members.max(LIMIT_MEMBERS) / LIMIT_MEMBERS
}

/// The load of a room with many lines a second: several publishers, and a sample of members that verify.
pub fn busy_load(load: &Load) -> Load {
    Load { publishers: PUBLISHERS, verify: Some(load.verify.unwrap_or(VERIFIED)), ..load.clone() }
}

/// Searches for what `server` keeps up with in a room of `members`. The figures of every run on the way go into `trials`,
/// and each of the runs that are reported is handed to `keep` with its number.
pub fn find(
    server: &NamedServer,
    members: u64,
    load: &Load,
    terms: Terms,
    trials: &Path,
    mut keep: impl FnMut(&Run, usize) -> Result<()>,
) -> Result<Ceiling> {
    let load = Load { drain: load.drain.min(DRAIN_MAX), lag_limit: load.lag_limit.or(Some(LAG)), ..busy_load(load) };
    let mut finder = Finder { server, members, load, trials, made: 0 };
    let mut ceiling =
        Ceiling { server: server.name.clone(), members, limit_ns: limit_ns(members), ..Ceiling::default() };
    let mut search = Search::new(terms.start_per_s, terms.precision);
    loop {
        let failure = finder.hold(search.rate(), terms.window.min(TRIAL_WINDOW))?.err();
        let held = failure.is_none();
        if let Some(failure) = failure {
            ceiling.end = failure;
        }
        if !search.tried(held) {
            break;
        }
    }
    let Some(mut rate) = search.held().map(round_down) else { return Ok(ceiling) };
    for _ in 0..STEPS_MAX {
        let mut runs = Vec::new();
        while runs.len() < terms.repeat.max(1) as usize {
            match finder.hold(rate, terms.window)? {
                Ok(run) => {
                    keep(&run, runs.len() + 1)?;
                    runs.push(run.summary);
                }
                Err(failure) => {
                    ceiling.end = failure;
                    break;
                }
            }
        }
        if runs.len() == terms.repeat.max(1) as usize {
            ceiling.runs = runs;
            break;
        }
        rate = round_down(rate / terms.precision);
    }
    Ok(ceiling)
}

struct Finder<'a> {
    server: &'a NamedServer,
    members: u64,
    load: Load,
    trials: &'a Path,
    made: u32,
}

impl Finder<'_> {
    /// A run at `rate_per_s` that held, or why it did not.
    fn hold(&mut self, rate_per_s: f64, window: Duration) -> Result<std::result::Result<Box<Run>, String>> {
        // A slow room has few messages in its window: more members verify then, so that the p99 has samples.
        let needed = (SAMPLES / (rate_per_s * window.as_secs_f64())).ceil() as u64;
        let verify = Some(self.load.verify.unwrap_or(VERIFIED).max(needed).min(self.members));
        let load = Load { verify, ..self.load.clone() };
        let room = Room { members: self.members as usize, rate_per_s, length: Length::Time(window) };
        let mut outcome = Err(String::new());
        for _ in 0..ATTEMPTS_MAX {
            outcome = match measure::once(&self.server.target(), room, &load) {
                Err(error) => Err(error.to_string()),
                Ok(run) => {
                    self.made += 1;
                    write_json(&self.trials.join(format!("trial{:02}.json", self.made)), &run.summary)?;
                    match not_kept_up(&run.summary, limit_ns(self.members)) {
                        None => Ok(Box::new(run)),
                        Some(failure) if run.summary.client_spoiled_it() => {
                            outcome = Err(failure);
                            continue;
                        }
                        Some(failure) => Err(failure),
                    }
                }
            };
            break;
        }
        eprintln!(
            "{} members, {}, {} lines/s: {}",
            count(self.members),
            self.server.name,
            rate(rate_per_s),
            outcome.as_ref().err().map_or("kept up", String::as_str)
        );
        Ok(outcome.map_err(|failure| format!("at {} lines/s: {failure}", rate(rate_per_s))))
    }
}

/// Why `run` is not one that its server kept up with.
fn not_kept_up(run: &Summary, limit_ns: u64) -> Option<String> {
    let delivery = &run.latency.delivery;
    match delivery.p99_ns {
        _ if !run.valid => run.reasons.first().map(|reason| verdict::without_cure(reason).to_string()),
        _ if !run.clean => {
            let counts = run.proof.problems().named().into_iter().filter(|(_, count)| *count > 0);
            Some(counts.map(|(name, number)| format!("{} {name}", count(number))).collect::<Vec<_>>().join(", "))
        }
        Some(ns) if ns < limit_ns && !delivery.is_at_least(ns) => None,
        Some(ns) => {
            let or_more = if delivery.is_at_least(ns) { " or more" } else { "" };
            Some(format!("delivery p99 {}{or_more}", time(ns)))
        }
        None => Some("too few deliveries".to_string()),
    }
}

/// `rate` with two digits that are not zero, never more than it.
fn round_down(rate: f64) -> f64 {
    let unit = 10f64.powf(rate.log10().floor() - 1.0);
    // A rate that has two digits already keeps them, whatever the division makes of it.
    ((rate / unit + 1e-9).floor() * unit * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(change: impl FnOnce(&mut Summary)) -> Summary {
        let mut run = Summary { valid: true, clean: true, ..Summary::default() };
        run.latency.delivery.p99_ns = Some(LIMIT_NS / 2);
        change(&mut run);
        run
    }

    #[test]
    fn keeping_up_is_all_of_it_in_time() {
        assert_eq!(not_kept_up(&run(|_| {}), LIMIT_NS), None);
        let failed = [
            run(|run| (run.valid, run.reasons) = (false, vec!["plan not kept: 3 %; offer fewer".to_string()])),
            run(|run| (run.clean, run.proof.lost) = (false, 7)),
            run(|run| run.latency.delivery.p99_ns = Some(LIMIT_NS)),
            run(|run| run.latency.delivery.at_least_from_ns = Some(0)),
            run(|run| run.latency.delivery.p99_ns = None),
        ];
        let reasons = [
            "plan not kept: 3 %",
            "7 lost",
            "delivery p99 100 ms",
            "delivery p99 50.0 ms or more",
            "too few deliveries",
        ];
        for (run, reason) in failed.iter().zip(reasons) {
            assert_eq!(not_kept_up(run, LIMIT_NS).as_deref(), Some(reason));
        }
    }

    #[test]
    fn a_larger_room_may_take_longer() {
        assert_eq!([100, 1000, 10_000].map(limit_ns), [100_000_000, 100_000_000, 1_000_000_000]);
    }

    #[test]
    fn rates_are_rounded_down_to_two_digits() {
        let rounded = [54_893.0, 55_000.0, 3364.0, 99.9, 168.2, 12.0, 0.25].map(round_down);
        assert_eq!(rounded, [54_000.0, 55_000.0, 3300.0, 99.0, 160.0, 12.0, 0.25]);
    }
}
