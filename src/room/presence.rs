//! Who came and went, said without the square: announcing each join of a large room to each member is N squared lines.
//!
//! Up to a number of members each join and leave has a line of its own. Above it they are counted, and the counts are
//! said together after a pause. What is counted is said before anything else about presence, so entered minus left is
//! always exactly the change since the last presence line. Reads no clock: the time is passed in.

use std::time::Instant;

use crate::limits::PRESENCE_SUMMARY_INTERVAL;
use crate::planted::Planted;

#[derive(Debug)]
pub struct Presence {
    announce_max: usize,
    entered: u64,
    left: u64,
    /// Set exactly while there are joins or leaves that no line has told of.
    due: Option<Instant>,
}

impl Presence {
    pub fn new(announce_max: usize) -> Self {
        Self { announce_max, entered: 0, left: 0, due: None }
    }

    /// True when a join or leave in a room of `online` members, the one in question included, has a line of its own.
    pub fn announces(&self, online: usize) -> bool {
        self.due.is_none() && online <= self.announce_max
    }

    pub fn count_entered(&mut self, now: Instant) {
        self.entered += 1;
        self.due.get_or_insert(now + PRESENCE_SUMMARY_INTERVAL);
    }

    pub fn count_left(&mut self, now: Instant) {
        self.left += if Planted::WrongPresenceCount.is_on() { 2 } else { 1 };
        self.due.get_or_insert(now + PRESENCE_SUMMARY_INTERVAL);
    }

    /// When a summary is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Entered and left since the last presence line, once they are due.
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

#[cfg(any(test, feature = "sim"))]
impl Presence {
    /// Panics when what was counted would not be said.
    pub fn invariants(&self) {
        assert_eq!(self.due.is_some(), self.entered + self.left > 0, "a summary is due exactly while there is one");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_bound_joins_and_leaves_are_counted_and_said_together() {
        let start = Instant::now();
        let mut presence = Presence::new(2);
        assert!(presence.announces(2));
        assert!(!presence.announces(3));
        presence.count_entered(start);
        presence.count_entered(start);
        presence.count_left(start);
        assert!(!presence.announces(2), "what was counted is said first");
        assert_eq!(presence.summary(start), None);
        let due = presence.deadline().unwrap();
        assert_eq!(due, start + PRESENCE_SUMMARY_INTERVAL);
        assert_eq!(presence.summary(due), Some((2, 1)));
        presence.said();
        assert_eq!((presence.deadline(), presence.summary(due)), (None, None));
        assert!(presence.announces(2));
    }
}
