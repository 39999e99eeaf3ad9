//! When the state is handed to its keeper: after a change, gathered with those that follow closely; and again after a
//! failure, until it succeeds. Reads no clock.

use std::io;
use std::time::Instant;

use crate::limits::{DISK_RETRY, STATE_WRITE_PAUSE};
use crate::moderation::state::State;
use crate::moderation::state_file::Keeper;

#[derive(Debug, Default)]
pub struct Upkeep {
    /// True when what is kept, or being kept, is not the state as it is now.
    changed: bool,
    /// States whose outcome is not known.
    awaited: usize,
    /// True from a failure that was reported until the next success.
    failing: bool,
    /// When to look again. It is `None` exactly when nothing has changed and nothing is awaited.
    next: Option<Instant>,
    /// No state is handed over before this.
    rested: Option<Instant>,
}

/// What is worth a line of the log.
#[derive(Debug)]
pub enum Report {
    /// The first failure since the last success.
    Failed(io::Error),
    /// The first success since a failure.
    Mended,
}

impl Upkeep {
    /// The state has changed.
    pub fn on_change(&mut self, now: Instant) {
        self.changed = true;
        self.next.get_or_insert(self.rested.map_or(now, |rested| rested.max(now)));
    }

    /// When [`Upkeep::turn`] has something to do next.
    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Whether there are changes that the keeper was not given, which a stop must not lose.
    pub fn has_changes(&self) -> bool {
        self.changed
    }

    /// Does what is due: asks for outcomes, and hands over the state, made by `snapshot`, if it has changed. Does
    /// nothing before the deadline.
    pub fn turn(&mut self, now: Instant, keeper: &mut impl Keeper, snapshot: impl FnOnce() -> State) -> Option<Report> {
        self.next.filter(|next| *next <= now)?;
        let mut report = None;
        while let Some(outcome) = keeper.outcome() {
            self.awaited = self.awaited.saturating_sub(1);
            match outcome {
                Ok(()) if std::mem::take(&mut self.failing) => report = Some(Report::Mended),
                Ok(()) => {}
                Err(error) => {
                    self.changed = true;
                    self.rested = Some(now + DISK_RETRY);
                    if !std::mem::replace(&mut self.failing, true) {
                        report = Some(Report::Failed(error));
                    }
                }
            }
        }
        let is_rested = self.rested.is_none_or(|rested| rested <= now);
        if self.changed && is_rested && keeper.has_room() && keeper.offer(snapshot()) {
            self.changed = false;
            self.awaited += 1;
            self.rested = Some(now + STATE_WRITE_PAUSE);
        }
        self.next = (self.changed || self.awaited > 0).then(|| now + STATE_WRITE_PAUSE);
        report
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::moderation::memory_keeper::MemoryKeeper;
    use crate::moderation::state::{Modes, RoomState};
    use crate::names::RoomName;

    fn state(name: &str) -> State {
        let name = RoomName::parse(name).unwrap();
        let room = RoomState { name, topic: None, modes: Modes { slow_seconds: 0, only_operators: true } };
        State { rooms: vec![room], ..State::default() }
    }

    #[test]
    fn a_change_is_handed_over_at_once_and_those_that_follow_together() {
        let (mut upkeep, mut keeper, start) = (Upkeep::default(), MemoryKeeper::default(), Instant::now());
        assert!(upkeep.deadline().is_none() && upkeep.turn(start, &mut keeper, || unreachable!()).is_none());
        upkeep.on_change(start);
        assert_eq!(upkeep.deadline(), Some(start));
        assert!(upkeep.turn(start, &mut keeper, || state("one")).is_none());
        assert!(!upkeep.has_changes() && keeper.work());
        assert_eq!(keeper.kept, state("one"));
        for after in 1..50 {
            upkeep.on_change(start + Duration::from_millis(after));
            upkeep.turn(start + Duration::from_millis(after), &mut keeper, || unreachable!("too early"));
        }
        assert_eq!(upkeep.deadline(), Some(start + STATE_WRITE_PAUSE));
        assert!(upkeep.turn(start + STATE_WRITE_PAUSE, &mut keeper, || state("two")).is_none());
        assert!(keeper.work() && !keeper.work());
        assert_eq!((keeper.taken, &keeper.kept), (2, &state("two")));
        upkeep.turn(start + 2 * STATE_WRITE_PAUSE, &mut keeper, || unreachable!());
        assert_eq!(upkeep.deadline(), None, "nothing is to be done");
        // Soon after a write that is over.
        upkeep.on_change(start + 2 * STATE_WRITE_PAUSE - Duration::from_millis(10));
        assert_eq!(upkeep.deadline(), Some(start + 2 * STATE_WRITE_PAUSE));
    }

    #[test]
    fn a_failure_is_reported_once_and_tried_again_until_it_is_mended() {
        let (mut upkeep, mut keeper, start) = (Upkeep::default(), MemoryKeeper::default(), Instant::now());
        let (mut failed, mut mended) = (0, 0);
        upkeep.on_change(start);
        while let Some(now) = upkeep.deadline() {
            assert!(now < start + 10 * DISK_RETRY, "it does not end");
            keeper.is_failing = now < start + 5 * DISK_RETRY;
            match upkeep.turn(now, &mut keeper, || state("one")) {
                Some(Report::Failed(_)) => failed += 1,
                Some(Report::Mended) => mended += 1,
                None => {}
            }
            keeper.work();
        }
        assert_eq!((failed, mended), (1, 1));
        assert!((5..=6).contains(&keeper.taken), "once a second: {}", keeper.taken);
        assert_eq!((upkeep.has_changes(), keeper.kept), (false, state("one")));
    }

    #[test]
    fn a_keeper_without_room_is_asked_again_and_no_state_is_made_for_it() {
        let (mut upkeep, mut keeper, start) = (Upkeep::default(), MemoryKeeper::default(), Instant::now());
        while keeper.offer(State::default()) {}
        upkeep.on_change(start);
        upkeep.turn(start, &mut keeper, || unreachable!());
        assert!(upkeep.has_changes() && upkeep.deadline() == Some(start + STATE_WRITE_PAUSE));
        while keeper.work() {}
        upkeep.turn(start + STATE_WRITE_PAUSE, &mut keeper, || state("one"));
        assert!(keeper.work());
        assert_eq!(keeper.kept, state("one"));
    }
}
