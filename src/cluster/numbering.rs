//! The numbers of a room's messages in a cluster. The room's log counts its messages from 1 without a gap, as this node
//! has them. In the cluster a message has the number that follows from its place in the stream, where other rooms have
//! theirs too. Messages of one batch have numbers without a gap, so a room keeps one entry for each batch of its log.

use std::collections::VecDeque;

use super::link::{BatchId, NodeId};
use crate::limits::{CLUSTER_RUNS_KEPT, CLUSTER_SPEAKERS_MAX};

/// From one message on the numbers of both kinds rise together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// The number in the log.
    local: u64,
    /// The number in the cluster.
    number: u64,
}

#[derive(Debug, Default)]
pub struct Numbering {
    /// Oldest first; both numbers rise.
    runs: VecDeque<Run>,
    /// Both numbers of the last message.
    last: (u64, u64),
    /// The number that the next message has.
    next: Option<u64>,
    /// The last batch of each node that spoke here, whoever spoke longest ago first: a batch that comes again has a
    /// number that is not higher.
    batches: VecDeque<BatchId>,
    /// Numbers up to this one are not known here: messages that have them may have been said before this node listened.
    unknown: u64,
}

impl Numbering {
    /// The next message has this number, which is higher than all before.
    pub fn set_next(&mut self, number: u64) {
        debug_assert!(number > self.last.1, "numbers rise");
        self.next = Some(number);
    }

    /// The number of a message that is being appended as the `local`th of the log.
    pub fn append(&mut self, local: u64) -> u64 {
        let number = self.next.take().unwrap_or(self.last.1 + 1);
        if self.last != (local.wrapping_sub(1), number.wrapping_sub(1)) || self.runs.is_empty() {
            self.runs.push_back(Run { local, number });
        }
        self.last = (local, number);
        number
    }

    /// The number of the last message, or what was last known to have been said.
    pub fn last(&self) -> u64 {
        self.last.1.max(self.unknown)
    }

    /// The number of a message of the log; `None` when it was forgotten for long.
    pub fn number(&self, local: u64) -> Option<u64> {
        let later = self.runs.partition_point(|run| run.local <= local);
        let run = self.runs.get(later.checked_sub(1)?)?;
        Some(run.number + (local - run.local))
    }

    /// The first message of the log with a higher number than this: its number there, which the next one will have where
    /// there is none yet.
    pub fn local_after(&self, number: u64) -> u64 {
        let later = self.runs.partition_point(|run| run.number <= number);
        let next = self.runs.get(later).map_or(self.last.0 + 1, |run| run.local);
        match later.checked_sub(1).map(|before| self.runs[before]) {
            None => self.runs.front().map_or(self.last.0 + 1, |run| run.local),
            Some(run) => (run.local + (number - run.number) + 1).min(next),
        }
    }

    /// The log has forgotten its messages before this one. Some of their numbers are kept, for those who are to be told
    /// what they missed.
    pub fn forget_before(&mut self, local: u64) {
        while self.runs.len() > CLUSTER_RUNS_KEPT && self.runs.get(1).is_some_and(|run| run.local <= local) {
            self.runs.pop_front();
        }
    }

    /// Nothing is known of messages with numbers up to this one, which were said where this node did not hear it.
    pub fn note_unknown(&mut self, number: u64) {
        self.unknown = self.unknown.max(number);
    }

    /// The number up to which messages may have been said that this node has never had.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Notes that a batch was said here. False when it was already.
    pub fn is_new(&mut self, batch: BatchId) -> bool {
        if let Some(at) = self.batches.iter().position(|known| known.node == batch.node) {
            if self.batches[at].number >= batch.number {
                return false;
            }
            self.batches.remove(at);
        }
        if self.batches.len() >= CLUSTER_SPEAKERS_MAX {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
        true
    }

    /// The last batch of a node that was said here.
    pub fn last_batch(&self, node: NodeId) -> Option<u64> {
        self.batches.iter().find(|batch| batch.node == node).map(|batch| batch.number)
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.runs.capacity() * size_of::<Run>() + self.batches.capacity() * size_of::<BatchId>()
    }

    /// Panics when numbers do not rise.
    pub fn invariants(&self) {
        let runs = self.runs.iter().zip(self.runs.iter().skip(1));
        let rising = |(one, next): (&Run, &Run)| {
            next.local > one.local && next.number > one.number + (next.local - one.local) - 1
        };
        assert!(runs.clone().all(rising), "numbers rise");
        assert!(self.batches.len() <= CLUSTER_SPEAKERS_MAX, "what is known of nodes is bounded");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_by_either_number() {
        let mut numbering = Numbering::default();
        let numbers = [4096, 4097, 8192, 8195, 8196, 20480];
        for (at, number) in numbers.into_iter().enumerate() {
            numbering.set_next(number);
            assert_eq!(numbering.append(at as u64 + 1), number);
            numbering.invariants();
        }
        assert_eq!(numbering.runs.len(), 4, "one for each stretch without a gap");
        for (at, number) in numbers.into_iter().enumerate() {
            let local = at as u64 + 1;
            assert_eq!(numbering.number(local), Some(number));
            assert_eq!(numbering.local_after(number), local + 1);
            assert_eq!(numbering.local_after(number - 1), local);
        }
        assert_eq!((numbering.local_after(0), numbering.local_after(5000), numbering.local_after(30_000)), (1, 3, 7));
        assert_eq!(numbering.last(), 20480);
    }

    #[test]
    fn numbers_of_messages_that_the_log_has_forgotten_for_long_are_forgotten() {
        let mut numbering = Numbering::default();
        let most = CLUSTER_RUNS_KEPT as u64;
        for local in 1..=most + 10 {
            numbering.set_next(local * 4096);
            numbering.append(local);
        }
        numbering.forget_before(8);
        assert_eq!((numbering.number(7), numbering.number(8)), (None, Some(8 * 4096)));
        numbering.forget_before(most);
        assert_eq!((numbering.number(10), numbering.number(11)), (None, Some(11 * 4096)), "some are kept");
        assert_eq!(numbering.local_after(0), 11);
        numbering.invariants();
    }

    #[test]
    fn a_batch_that_comes_again_is_known_again() {
        let mut numbering = Numbering::default();
        let batch = |node, number| BatchId { node: NodeId(node), number };
        assert!(numbering.is_new(batch(1, 5)) && numbering.is_new(batch(2, 1)) && numbering.is_new(batch(1, 7)));
        assert!(!numbering.is_new(batch(1, 7)) && !numbering.is_new(batch(1, 5)) && !numbering.is_new(batch(2, 1)));
        for node in 10..10 + CLUSTER_SPEAKERS_MAX as u64 {
            assert!(numbering.is_new(batch(node, 1)));
        }
        numbering.invariants();
        assert_eq!(numbering.last_batch(NodeId(1)), None, "who spoke longest ago is forgotten");
    }
}
