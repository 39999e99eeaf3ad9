//! What members have said and the stream is not known to have: for each room one batch under way, and in the next one
//! everything that was accepted meanwhile. So the lines of an author, and of a node, keep their order without any
//! counting of windows, however often a batch has to be published again.
//!
//! A batch is done once the stream has given it back: an acknowledgement alone may be of what a leader had and its
//! successor has not. Until then it is published again, with the same number, by which the stream knows what it has: soon
//! where that is not known, and after a longer while, or once the stream has given what comes behind it, where the stream
//! has acknowledged it. It forgets numbers after a while: a batch that is older than
//! that is published again only after the stream was read to its end and did not have it. Where the connection stands all
//! the while, and nothing else comes back that was published later, that end is found by a *look*: a batch without
//! records, whose number in its head is 0, so that nobody takes it for a new one. Reads no clock.
//!
//! What the stream had and has forgotten before it gave it back is done too: it was said, elsewhere.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::link::{BatchId, NodeId, Order, Published};
use super::record::{self, Record};
use crate::limits::{
    CLUSTER_BATCH_BYTES_MAX, CLUSTER_BATCH_RECORDS_MAX, CLUSTER_GIVE_BACK_WAIT, CLUSTER_HELD_BYTES_MAX,
    CLUSTER_RETRY_PAUSE, CLUSTER_WINDOW_MARGIN,
};
use crate::metrics::histogram::Histogram;
use crate::names::RoomName;

/// A batch that the stream is not known to have.
#[derive(Debug)]
struct Batch {
    id: BatchId,
    bytes: Vec<u8>,
    /// When it was published first.
    since: Instant,
    state: State,
    /// Where the stream has it, by its last acknowledgement.
    acknowledged: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An answer is awaited.
    Asked,
    /// It is not known whether the stream has it, or that was acknowledged and has still to come true. It is published
    /// again from this moment on.
    Unknown { again: Instant },
}

/// What the next batch of a room waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    No,
    Until(Instant),
    /// Until the stream was read to its end.
    Reading,
}

/// How far the stream has to be read until everything is that it had at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// It is not looked for, before this moment if there is one.
    Off {
        again: Option<Instant>,
    },
    Asked {
        id: BatchId,
        since: Instant,
    },
    To {
        sequence: u64,
        since: Instant,
    },
}

/// The records of a room.
#[derive(Debug, Default)]
struct Queue {
    under_way: Option<Batch>,
    /// The next batch, without its head.
    records: Vec<u8>,
    count: usize,
}

#[derive(Debug)]
pub struct Outgoing {
    node: NodeId,
    /// Rooms of which something is under way or waits.
    rooms: BTreeMap<RoomName, Queue>,
    /// Those of them in which a batch can be published now, if its time has come.
    ready: BTreeSet<RoomName>,
    /// Bytes of all records and batches.
    bytes: usize,
    /// The number of the last batch.
    batches: u64,
    /// When everything was read that the stream had.
    caught_up: Option<Instant>,
    /// Rooms whose batch is acknowledged and was not given back, by its sequence.
    acknowledged: BTreeMap<u64, RoomName>,
    /// The last sequence that was read, or is lost.
    read_to: u64,
    /// The last sequence that is lost.
    lost_to: u64,
    /// What is to tell how far the stream has to be read.
    look: Look,
    /// For how long the stream knows batches again.
    window: Duration,
    /// From when a batch was published first until the stream gave it back.
    latency: Histogram,
}

impl Outgoing {
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            rooms: BTreeMap::new(),
            ready: BTreeSet::new(),
            bytes: 0,
            batches: 0,
            caught_up: None,
            acknowledged: BTreeMap::new(),
            read_to: 0,
            lost_to: 0,
            look: Look::Off { again: None },
            window: Duration::ZERO,
            latency: Histogram::default(),
        }
    }

    /// True when another record of a room is taken.
    pub fn has_room(&self, room: RoomName) -> bool {
        let queue = self.rooms.get(&room);
        let fits = queue.is_none_or(|queue| {
            queue.count < CLUSTER_BATCH_RECORDS_MAX && queue.records.len() < CLUSTER_BATCH_BYTES_MAX
        });
        fits && self.bytes < CLUSTER_HELD_BYTES_MAX
    }

    /// Takes a record, for which there is [room](Outgoing::has_room).
    pub fn push(&mut self, room: RoomName, record: &Record<'_>) {
        let queue = self.rooms.entry(room).or_default();
        let before = queue.records.len();
        record::write_record(record, &mut queue.records);
        queue.count += 1;
        self.bytes += queue.records.len() - before;
        if queue.under_way.is_none() {
            self.ready.insert(room);
        }
    }

    /// The stream knows batches again for so long.
    pub fn set_window(&mut self, window: Duration) {
        self.window = window.saturating_sub(CLUSTER_WINDOW_MARGIN);
    }

    /// Everything was read that the stream had at `since`.
    pub fn on_caught_up(&mut self, since: Instant) {
        self.caught_up = self.caught_up.max(Some(since));
    }

    /// The stream was read to this sequence. A batch that it said to have there, or before, it has not.
    pub fn on_read(&mut self, sequence: u64, now: Instant) {
        self.read_to = self.read_to.max(sequence);
        while let Some(entry) = self.acknowledged.first_entry()
            && *entry.key() <= sequence
        {
            let room = entry.remove();
            if let Some(batch) = self.rooms.get_mut(&room).and_then(|queue| queue.under_way.as_mut()) {
                batch.state = State::Unknown { again: now };
            }
        }
        if let Look::To { sequence, since } = self.look
            && sequence <= self.read_to
        {
            self.look = Look::Off { again: None };
            self.on_caught_up(since);
        }
    }

    /// What the stream had up to this sequence is lost: the batches of this node among that.
    pub fn on_lost(&mut self, last: u64, now: Instant) -> Vec<Vec<u8>> {
        self.lost_to = self.lost_to.max(last);
        let kept = self.acknowledged.split_off(&(last + 1));
        let lost = std::mem::replace(&mut self.acknowledged, kept);
        let lost = lost.into_values().map(|room| self.done(room, now).bytes).collect();
        self.on_read(last, now);
        lost
    }

    /// The next batch to be published now.
    pub fn next(&mut self, now: Instant) -> Option<Order> {
        let is_due = |room: &&RoomName| self.wait_of(room, now) == Wait::No;
        let Some(room) = self.ready.iter().find(is_due).copied() else { return self.next_look(now) };
        self.ready.remove(&room);
        let queue = self.rooms.get_mut(&room).expect("a room that is ready has something");
        let batch = match &mut queue.under_way {
            Some(batch) => batch,
            none => {
                self.batches += 1;
                let id = BatchId { node: self.node, number: self.batches };
                let mut bytes = Vec::with_capacity(queue.records.len() + 80);
                record::write_head(id, &mut bytes);
                self.bytes += bytes.len();
                bytes.append(&mut queue.records);
                queue.count = 0;
                none.insert(Batch { id, bytes, since: now, state: State::Asked, acknowledged: None })
            }
        };
        batch.state = State::Asked;
        Some(Order::Publish { room, id: batch.id, bytes: batch.bytes.clone() })
    }

    /// What the batch of a room that is ready waits for.
    fn wait_of(&self, room: &RoomName, now: Instant) -> Wait {
        let Some(batch) = &self.rooms[room].under_way else { return Wait::No };
        match batch.state {
            State::Unknown { again } if again > now => Wait::Until(again),
            State::Unknown { again } => {
                let is_known_again = now < batch.since + self.window;
                let was_read = self.caught_up.is_some_and(|caught_up| caught_up >= again);
                if is_known_again || was_read { Wait::No } else { Wait::Reading }
            }
            State::Asked => unreachable!("a room that waits for an answer is not ready"),
        }
    }

    /// A look, if a batch waits until the stream was read.
    fn next_look(&mut self, now: Instant) -> Option<Order> {
        let Look::Off { again } = self.look else { return None };
        let room = *self.ready.iter().find(|room| self.wait_of(room, now) == Wait::Reading)?;
        if again.is_some_and(|again| again > now) {
            return None;
        }
        self.batches += 1;
        let id = BatchId { node: self.node, number: self.batches };
        let mut bytes = Vec::new();
        record::write_head(BatchId { number: 0, ..id }, &mut bytes);
        self.look = Look::Asked { id, since: now };
        Some(Order::Publish { room, id, bytes })
    }

    /// What became of a batch. Its bytes when the stream had it and has lost it.
    pub fn on_published(&mut self, id: BatchId, outcome: &Published, now: Instant) -> Option<Vec<u8>> {
        if let Look::Asked { id: look, since } = self.look
            && look == id
        {
            self.look = match outcome {
                Published::Stored { sequence } => Look::To { sequence: *sequence, since },
                _ => Look::Off { again: Some(now + CLUSTER_RETRY_PAUSE) },
            };
            self.on_read(self.read_to, now);
            return None;
        }
        let room = self.room_of(id)?;
        let read_to = self.read_to;
        let queue = self.rooms.get_mut(&room).expect("it was found");
        let batch = queue.under_way.as_mut().expect("it was found");
        let pause = match outcome {
            Published::Stored { sequence } => {
                let is_said_again = batch.acknowledged == Some(*sequence) && *sequence <= read_to;
                if *sequence <= self.lost_to || is_said_again {
                    return Some(self.done(room, now).bytes);
                }
                batch.acknowledged = Some(*sequence);
                if *sequence > read_to {
                    self.acknowledged.insert(*sequence, room);
                    CLUSTER_GIVE_BACK_WAIT
                } else {
                    CLUSTER_RETRY_PAUSE
                }
            }
            Published::Unknown | Published::Refused { .. } => CLUSTER_RETRY_PAUSE,
        };
        batch.state = State::Unknown { again: now + pause };
        self.ready.insert(room);
        None
    }

    /// The stream has given a batch of this node back.
    pub fn on_given_back(&mut self, id: BatchId, now: Instant) {
        if let Some(room) = self.room_of(id) {
            let batch = self.done(room, now);
            // Others that wait until everything was read that was stored before are as good as read.
            self.on_caught_up(batch.since);
        }
    }

    /// The room whose batch under way this is.
    fn room_of(&self, id: BatchId) -> Option<RoomName> {
        // There are as many entries as rooms in which somebody speaks right now.
        let is = |queue: &Queue| queue.under_way.as_ref().is_some_and(|batch| batch.id == id);
        self.rooms.iter().find(|(_, queue)| is(queue)).map(|(room, _)| *room)
    }

    /// The stream has the batch of a room that is under way.
    fn done(&mut self, room: RoomName, now: Instant) -> Batch {
        let queue = self.rooms.get_mut(&room).expect("it was found");
        let batch = queue.under_way.take().expect("it is under way");
        batch.acknowledged.map(|sequence| self.acknowledged.remove(&sequence));
        self.bytes -= batch.bytes.len();
        self.latency.record(now.saturating_duration_since(batch.since));
        if queue.count > 0 {
            self.ready.insert(room);
        } else {
            self.ready.remove(&room);
            self.rooms.remove(&room);
        }
        batch
    }

    /// When [`Outgoing::next`] has something that it has not now; `None` when only news can change that.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let again = |room: &RoomName| match (self.wait_of(room, now), self.look) {
            (Wait::Until(again), _) => Some(again),
            (Wait::Reading, Look::Off { again }) => again,
            _ => None,
        };
        self.ready.iter().filter_map(again).min()
    }

    /// Bytes that the stream has not given back.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Batches under way.
    pub fn under_way(&self) -> usize {
        self.rooms.values().filter(|queue| queue.under_way.is_some()).count()
    }

    /// Records that wait for the batch before theirs.
    pub fn waiting(&self) -> usize {
        self.rooms.values().map(|queue| queue.count).sum()
    }

    /// From when batches were published first until the stream gave them back.
    pub fn latency(&self) -> &Histogram {
        &self.latency
    }

    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// Panics when bytes are counted wrong, or a room that has something to publish is not known to have.
    pub fn invariants(&self) {
        let bytes_of =
            |queue: &Queue| queue.records.len() + queue.under_way.as_ref().map_or(0, |batch| batch.bytes.len());
        assert_eq!(self.bytes, self.rooms.values().map(bytes_of).sum::<usize>(), "bytes are counted");
        for (sequence, room) in &self.acknowledged {
            let batch = self.rooms.get(room).and_then(|queue| queue.under_way.as_ref());
            assert!(batch.is_some_and(|batch| batch.acknowledged == Some(*sequence)), "what is awaited is under way");
            assert!(*sequence > self.read_to, "what was read is not awaited");
        }
        for (room, queue) in &self.rooms {
            assert!(queue.under_way.is_some() || queue.count > 0, "an idle room has no entry");
            let asked = queue.under_way.as_ref().is_some_and(|batch| batch.state == State::Asked);
            assert_eq!(!asked, self.ready.contains(room), "a room waits for an answer, or is ready");
        }
        assert!(self.ready.iter().all(|room| self.rooms.contains_key(room)));
    }
}
