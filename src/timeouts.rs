//! Time-outs of one length for many connections, at the cost of a queue entry each.
//!
//! A connection is put at the end of the queue when its time starts. Progress does not move it: when its entry comes to
//! the front, the owner says since when it has really made none, and it is queued again or is over time. So a time-out
//! costs nothing while it is not reached, and is found at most one period late. Reads no clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::token::ConnectionId;

#[derive(Debug)]
pub struct Timeouts {
    period: Duration,
    /// When each entry's time started, as far as was known when it was queued.
    queue: VecDeque<(Instant, ConnectionId)>,
}

/// What the owner knows of a queued connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It no longer has to be watched, or is gone.
    Fine,
    /// Without progress since then.
    Since(Instant),
}

impl Timeouts {
    pub fn new(period: Duration) -> Self {
        Self { period, queue: VecDeque::new() }
    }

    /// Watches a connection that is not being watched.
    pub fn watch(&mut self, id: ConnectionId, since: Instant) {
        self.queue.push_back((since, id));
    }

    /// Entries, those of connections that are gone among them.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Drops the entries that are not to be kept.
    pub fn retain(&mut self, mut keep: impl FnMut(ConnectionId) -> bool) {
        self.queue.retain(|(_, id)| keep(*id));
    }

    /// When [`Timeouts::expired`] is next worth a call.
    pub fn deadline(&self) -> Option<Instant> {
        self.queue.front().map(|(since, _)| *since + self.period)
    }

    /// The next connection that is over time and no longer watched. `look` tells how a connection stands; one that is
    /// [`Standing::Fine`] is no longer watched either.
    pub fn expired(&mut self, now: Instant, mut look: impl FnMut(ConnectionId) -> Standing) -> Option<ConnectionId> {
        while let Some((since, id)) = self.queue.front().copied()
            && since + self.period <= now
        {
            self.queue.pop_front();
            match look(id) {
                Standing::Fine => {}
                Standing::Since(since) if since + self.period <= now => return Some(id),
                Standing::Since(since) => self.queue.push_back((since, id)),
            }
        }
        None
    }
}

impl Timeouts {
    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.queue.capacity() * size_of::<(Instant, ConnectionId)>()
    }

    /// Panics when a connection is queued twice.
    pub fn invariants(&self) {
        let mut ids: Vec<ConnectionId> = self.queue.iter().map(|(_, id)| *id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "a connection is watched once");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Generation, Slot};

    #[test]
    fn who_makes_progress_is_queued_again_and_who_makes_none_expires() {
        let id = |slot| ConnectionId { slot: Slot(slot), generation: Generation::FIRST };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timeouts = Timeouts::new(Duration::from_secs(10));
        for slot in 0..3 {
            timeouts.watch(id(slot), at(u64::from(slot)));
        }
        assert_eq!(timeouts.deadline(), Some(at(10)));
        let look = |which: ConnectionId| match which.slot.0 {
            0 => Standing::Since(at(8)),
            1 => Standing::Fine,
            _ => Standing::Since(at(2)),
        };
        assert_eq!(timeouts.expired(at(9), look), None);
        assert_eq!(timeouts.expired(at(12), look), Some(id(2)));
        assert_eq!(timeouts.expired(at(12), look), None);
        assert_eq!(timeouts.deadline(), Some(at(18)));
        assert_eq!(timeouts.expired(at(18), look), Some(id(0)));
        assert_eq!(timeouts.deadline(), None);
    }
}
