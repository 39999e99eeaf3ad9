//! Joins and leaves, announced at a bounded cost: a line for each join of N members to each member would be N squared
//! lines.
//!
//! Up to a number of members, and up to a number of lines a second, each join and leave has a line of its own. Above
//! either bound joins and leaves are counted, and a summary says both counts after a pause. So a peer that joins and
//! leaves all the time costs the others a bounded number of lines. While a summary is due no join or leave has a line
//! of its own, so entered minus left in a summary is exactly the change since the last presence line. Reads no clock:
//! the time is passed in.

use std::time::Instant;

use crate::flood::{Bucket, Rate};
use crate::limits::PRESENCE_SUMMARY_INTERVAL;

#[derive(Debug)]
pub struct Presence {
    announce_max: usize,
    /// Lines of single joins and leaves; `None` for no limit.
    rate: Option<Rate>,
    /// What is left of it.
    lines: Bucket,
    entered: u64,
    left: u64,
    /// When the summary is due. Set exactly while there are joins or leaves that no line has told of.
    due: Option<Instant>,
}

impl Presence {
    pub fn new(announce_max: usize, rate: Option<Rate>) -> Self {
        Self { announce_max, rate, lines: Bucket::default(), entered: 0, left: 0, due: None }
    }

    /// True when a join or leave is to have a line of its own. `online` includes the member that joins or leaves.
    pub fn announces(&self, online: usize, now: Instant) -> bool {
        let within_rate = self.rate.is_none_or(|rate| self.lines.allows(rate, 1.0, now).is_ok());
        self.due.is_none() && online <= self.announce_max && within_rate
    }

    /// A join or leave was said in a line of its own.
    pub fn announced(&mut self, now: Instant) {
        if let Some(rate) = self.rate {
            self.lines.take(rate, 1.0, now);
        }
    }

    pub fn count_entered(&mut self, now: Instant) {
        self.entered += 1;
        self.due.get_or_insert(now + PRESENCE_SUMMARY_INTERVAL);
    }

    pub fn count_left(&mut self, now: Instant) {
        self.left += 1;
        self.due.get_or_insert(now + PRESENCE_SUMMARY_INTERVAL);
    }

    /// When a summary is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// The numbers of joins and leaves since the last presence line, once the summary is due.
    pub fn summary(&self, now: Instant) -> Option<(u64, u64)> {
        self.due.filter(|due| *due <= now).map(|_| (self.entered, self.left))
    }

    /// The summary was said.
    pub fn said(&mut self) {
        self.entered = 0;
        self.left = 0;
        self.due = None;
    }

    /// The summary could not be said yet.
    pub fn postpone(&mut self, now: Instant) {
        self.due = Some(now + PRESENCE_SUMMARY_INTERVAL);
    }
}

impl Presence {
    /// Panics when joins or leaves were counted and no summary is due, or the other way round.
    pub fn invariants(&self) {
        assert_eq!(self.due.is_some(), self.entered + self.left > 0, "a summary is due exactly while there is one");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_bound_joins_and_leaves_are_summed_up() {
        let start = Instant::now();
        let mut presence = Presence::new(2, None);
        assert!(presence.announces(2, start));
        assert!(!presence.announces(3, start));
        presence.count_entered(start);
        presence.count_entered(start + PRESENCE_SUMMARY_INTERVAL / 2);
        presence.count_left(start);
        assert!(!presence.announces(2, start), "what was counted is said first");
        assert_eq!(presence.summary(start), None);
        let due = presence.deadline().unwrap();
        assert_eq!(due, start + PRESENCE_SUMMARY_INTERVAL);
        assert_eq!(presence.summary(due), Some((2, 1)));
        presence.postpone(due);
        assert_eq!((presence.deadline(), presence.summary(due)), (Some(due + PRESENCE_SUMMARY_INTERVAL), None));
        presence.said();
        assert_eq!((presence.deadline(), presence.summary(due)), (None, None));
        assert!(presence.announces(2, due));
    }

    #[test]
    fn above_their_rate_joins_and_leaves_are_summed_up() {
        let start = Instant::now();
        let mut presence = Presence::new(200, Rate::new(2, 3));
        for _ in 0..3 {
            assert!(presence.announces(9, start));
            presence.announced(start);
        }
        assert!(!presence.announces(9, start));
        presence.count_left(start);
        let due = presence.deadline().unwrap();
        assert!(!presence.announces(9, due), "what was counted is said first");
        assert_eq!(presence.summary(due), Some((0, 1)));
        presence.said();
        for _ in 0..2 {
            assert!(presence.announces(9, due));
            presence.announced(due);
        }
        assert!(!presence.announces(9, due), "a second brings two lines");
    }
}
