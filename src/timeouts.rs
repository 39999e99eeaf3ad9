//! Time-outs of one length for many connections, at the cost of a queue entry each.
//!
//! A connection is put at the end of the queue when its time starts. Progress does not move it. When its entry is due
//! it is taken out, and the caller, which knows when the last progress was, closes the connection or puts it back. So
//! progress costs nothing, and a time-out is found at most one period late. Reads no clock.

use std::time::{Duration, Instant};

use crate::pieces::fifo::Fifo;
use crate::token::ConnectionId;

#[derive(Debug)]
pub struct Timeouts {
    period: Duration,
    /// Set while entries are due after this time already.
    hurry: Option<Duration>,
    /// Each entry has when its time started, as known when it was queued.
    queue: Fifo<(Instant, ConnectionId)>,
}

impl Timeouts {
    pub fn new(period: Duration) -> Self {
        Self { period, hurry: None, queue: Fifo::new() }
    }

    /// Has entries be due after `hurry` if that is shorter than the period; with `None` after the period again.
    pub fn hurry(&mut self, hurry: Option<Duration>) {
        self.hurry = hurry;
    }

    /// Times a connection that is not being timed, from `since` on.
    pub fn watch(&mut self, id: ConnectionId, since: Instant) {
        self.queue.push_back((since, id));
    }

    /// Entries, including those of freed connections.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Drops the entries for which `keep` is false, of a piece of the queue: see [`Fifo::retain_in_a_piece`].
    pub fn retain_in_a_piece(&mut self, mut keep: impl FnMut(ConnectionId) -> bool) {
        self.queue.retain_in_a_piece(|(_, id)| keep(*id));
    }

    /// When the next entry is due.
    pub fn deadline(&self) -> Option<Instant> {
        let period = self.hurry.map_or(self.period, |hurry| hurry.min(self.period));
        self.queue.front().map(|(since, _)| *since + period)
    }

    /// Takes out the connection that was queued first, due or not.
    pub fn pop(&mut self) -> Option<ConnectionId> {
        self.queue.pop_front().map(|(_, id)| id)
    }

    /// Takes out the next connection that is due. It is over its time unless it has made progress since it was queued.
    pub fn due(&mut self, now: Instant) -> Option<ConnectionId> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        self.queue.pop_front().map(|(_, id)| id)
    }
}

impl Timeouts {
    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.queue.footprint()
    }

    /// Entries of a connection.
    pub fn entries(&self, id: ConnectionId) -> usize {
        self.queue.iter().filter(|(_, other)| *other == id).count()
    }

    /// Panics when a connection is queued twice.
    pub fn invariants(&self) {
        let mut ids: Vec<ConnectionId> = self.queue.iter().map(|(_, id)| *id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "a connection is timed once");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Generation, Slot};

    #[test]
    fn each_is_due_once_its_time_is_over_and_progress_puts_it_back() {
        let id = |slot| ConnectionId { slot: Slot(slot), generation: Generation::FIRST };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timeouts = Timeouts::new(Duration::from_secs(10));
        for slot in 0..2 {
            timeouts.watch(id(slot), at(u64::from(slot)));
        }
        assert_eq!(timeouts.deadline(), Some(at(10)));
        assert_eq!(timeouts.due(at(9)), None);
        assert_eq!(timeouts.due(at(10)), Some(id(0)));
        assert_eq!(timeouts.due(at(10)), None);
        // It made progress, and is queued behind the other.
        timeouts.watch(id(0), at(8));
        assert_eq!(timeouts.due(at(30)), Some(id(1)));
        assert_eq!(timeouts.deadline(), Some(at(18)));
        assert_eq!(timeouts.due(at(18)), Some(id(0)));
        assert_eq!(timeouts.deadline(), None);
    }

    #[test]
    fn in_a_hurry_entries_are_due_sooner_and_never_later() {
        let id = ConnectionId { slot: Slot(0), generation: Generation::FIRST };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timeouts = Timeouts::new(Duration::from_secs(10));
        timeouts.watch(id, at(0));
        for (hurry, due) in [(Some(3), 3), (Some(30), 10), (None, 10)] {
            timeouts.hurry(hurry.map(Duration::from_secs));
            assert_eq!(timeouts.deadline(), Some(at(due)), "{hurry:?}");
        }
    }
}
