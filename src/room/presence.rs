//! Joins and leaves, announced at a bounded cost: a line for each join of N members to each member would be N squared
//! lines.
//!
//! Up to a number of members, and up to a number of lines a second, each join and leave has a line of its own. Above
//! either bound joins and leaves are counted, and a summary says both counts after a pause. So a peer that joins and
//! leaves all the time costs the others a bounded number of lines. While a summary is due no join or leave has a line
//! of its own, so entered minus left in a summary is exactly the change since the last presence line. Members of other
//! nodes have no lines of their own here: summaries alone tell of them. Reads no clock: the time is passed in.
//!
//! A summary costs a send for each member. So the pause grows with the room. What counts is its size when the room
//! looks whether the summary is due, which it does every second: a room that has become small says it at once, and one
//! that grows fast says it when it has grown.

use std::time::{Duration, Instant};

use crate::flood::{Bucket, Rate};
use crate::limits::{PRESENCE_SUMMARY_INTERVAL, PRESENCE_SUMMARY_PER_MEMBER};

#[derive(Debug)]
pub struct Presence {
    announce_max: usize,
    /// Lines of single joins and leaves; `None` for no limit.
    rate: Option<Rate>,
    /// What is left of it.
    lines: Bucket,
    entered: u64,
    left: u64,
    /// Set exactly while there are joins or leaves that no line has told of.
    untold: Option<Untold>,
}

/// Joins and leaves that no line has told of.
#[derive(Clone, Copy, Debug)]
struct Untold {
    /// When the first of them happened. The summary is due one pause later.
    since: Instant,
    /// When the room looks whether the summary is due.
    look: Instant,
}

/// From the first join or leave of a summary until it is said.
fn pause(online: u64) -> Duration {
    let online = u32::try_from(online).unwrap_or(u32::MAX);
    PRESENCE_SUMMARY_INTERVAL.max(PRESENCE_SUMMARY_PER_MEMBER.saturating_mul(online))
}

impl Presence {
    pub fn new(announce_max: usize, rate: Option<Rate>) -> Self {
        Self { announce_max, rate, lines: Bucket::default(), entered: 0, left: 0, untold: None }
    }

    /// True when a join or leave is to have a line of its own. `online` includes the member that joins or leaves.
    pub fn announces(&self, online: u64, now: Instant) -> bool {
        let within_rate = self.rate.is_none_or(|rate| self.lines.allows(rate, 1.0, now).is_ok());
        self.untold.is_none() && online <= self.announce_max as u64 && within_rate
    }

    /// A join or leave was said in a line of its own.
    pub fn announced(&mut self, now: Instant) {
        if let Some(rate) = self.rate {
            self.lines.take(rate, 1.0, now);
        }
    }

    pub fn count_entered(&mut self, now: Instant) {
        self.entered += 1;
        self.look_later(now);
    }

    pub fn count_left(&mut self, now: Instant) {
        self.left += 1;
        self.look_later(now);
    }

    /// On other nodes of the cluster so many have entered and left, of whom there is at least one.
    pub fn count_elsewhere(&mut self, entered: u64, left: u64, now: Instant) {
        self.entered = self.entered.saturating_add(entered);
        self.left = self.left.saturating_add(left);
        self.look_later(now);
    }

    /// True while there are joins or leaves that no line has told of.
    pub fn is_untold(&self) -> bool {
        self.untold.is_some()
    }

    fn look_later(&mut self, now: Instant) {
        self.untold.get_or_insert(Untold { since: now, look: now + PRESENCE_SUMMARY_INTERVAL });
    }

    /// When [`Presence::summary`] is to be asked.
    pub fn deadline(&self) -> Option<Instant> {
        self.untold.map(|untold| untold.look)
    }

    /// The numbers of joins and leaves since the last presence line, once the summary is due in a room of `online`
    /// members.
    pub fn summary(&mut self, now: Instant, online: u64) -> Option<(u64, u64)> {
        let untold = self.untold.as_mut().filter(|untold| untold.look <= now)?;
        let due = untold.since + pause(online);
        if due > now {
            untold.look = due.min(now + PRESENCE_SUMMARY_INTERVAL);
            return None;
        }
        Some((self.entered, self.left))
    }

    /// The summary was said.
    pub fn said(&mut self) {
        self.entered = 0;
        self.left = 0;
        self.untold = None;
    }

    /// The summary could not be said yet.
    pub fn postpone(&mut self, now: Instant) {
        if let Some(untold) = &mut self.untold {
            untold.look = now + PRESENCE_SUMMARY_INTERVAL;
        }
    }
}

impl Presence {
    /// Panics when joins or leaves were counted and no summary is due, or the other way round.
    pub fn invariants(&self) {
        assert_eq!(
            self.untold.is_some(),
            self.entered > 0 || self.left > 0,
            "a summary is due exactly while there is one"
        );
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
        assert_eq!(presence.summary(start, 3), None);
        let due = presence.deadline().unwrap();
        assert_eq!(due, start + PRESENCE_SUMMARY_INTERVAL);
        assert_eq!(presence.summary(due, 3), Some((2, 1)));
        presence.postpone(due);
        assert_eq!((presence.deadline(), presence.summary(due, 3)), (Some(due + PRESENCE_SUMMARY_INTERVAL), None));
        presence.said();
        assert_eq!((presence.deadline(), presence.summary(due, 3)), (None, None));
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
        assert_eq!(presence.summary(due, 3), Some((0, 1)));
        presence.said();
        for _ in 0..2 {
            assert!(presence.announces(9, due));
            presence.announced(due);
        }
        assert!(!presence.announces(9, due), "a second brings two lines");
    }

    #[test]
    fn summaries_become_rarer_as_the_room_grows() {
        let start = Instant::now();
        // How long it takes until a summary is said in a room whose size depends on the time.
        let said_after = |online: &dyn Fn(Duration) -> u64| {
            let mut presence = Presence::new(0, None);
            presence.count_entered(start);
            loop {
                let now = presence.deadline().unwrap();
                assert!(now <= start + Duration::from_secs(1000), "it is never said");
                if let Some(counts) = presence.summary(now, online(now - start)) {
                    assert_eq!(counts, (1, 0));
                    return now - start;
                }
            }
        };
        for (online, millis) in [(3, 1000), (4000, 1000), (4100, 1025), (19_000, 4750), (1_000_000, 250_000)] {
            assert_eq!(said_after(&|_| online), Duration::from_millis(millis), "{online} members");
        }
        // It is left by all but ten.
        let shrinks = |time: Duration| if time < Duration::from_secs(20) { 1_000_000 } else { 10 };
        assert_eq!(said_after(&shrinks), Duration::from_secs(20));
        // Twenty thousand come in a second.
        let grows = |time: Duration| ((time.as_secs_f64() * 20_000.0) as u64).min(1_000_000);
        assert_eq!(said_after(&grows), Duration::from_secs(250));
    }
}
