//! The connections that are received from: those with a receive in flight that are readable stand in a queue, and a
//! turn takes the first of them.

use std::iter;

use super::Receiving;
use crate::limits::RECEIVES_PER_TURN_MAX;
use crate::pieces::fifo::Fifo;
use crate::token::ConnectionId;

/// A connection stands in the queue at most once, and only while a receive is in flight on it.
#[derive(Debug)]
pub struct Readable {
    /// In the order in which they became readable.
    queue: Fifo<ConnectionId>,
    /// The connections of this turn, by piece of scratch memory.
    taken: Vec<ConnectionId>,
}

impl Readable {
    pub fn new() -> Self {
        Self { queue: Fifo::new(), taken: Vec::with_capacity(RECEIVES_PER_TURN_MAX) }
    }

    pub fn push(&mut self, id: ConnectionId) {
        self.queue.push_back(id);
    }

    /// How many [`Readable::take`] would take now.
    pub fn due(&self, receiving: Receiving) -> usize {
        receiving.count(self.queue.len())
    }

    /// Takes the connections of this turn and returns their number.
    pub fn take(&mut self, receiving: Receiving) -> usize {
        self.taken.clear();
        let count = receiving.count(self.queue.len());
        self.taken.extend(iter::from_fn(|| self.queue.pop_front()).take(count));
        self.taken.len()
    }

    /// The connection that was taken for the `piece`th piece of scratch memory.
    pub fn taken(&self, piece: usize) -> ConnectionId {
        self.taken[piece]
    }
}

impl Default for Readable {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Generation, Slot};

    fn id(slot: usize) -> ConnectionId {
        ConnectionId { slot: Slot(slot as u32), generation: Generation::FIRST }
    }

    #[test]
    fn a_turn_takes_the_first_and_leaves_the_others_in_their_order() {
        let mut readable = Readable::new();
        let count = RECEIVES_PER_TURN_MAX + 2;
        (0..count).for_each(|slot| readable.push(id(slot)));
        assert_eq!(readable.due(Receiving::On), RECEIVES_PER_TURN_MAX);
        assert_eq!(readable.take(Receiving::On), RECEIVES_PER_TURN_MAX);
        assert!((0..RECEIVES_PER_TURN_MAX).all(|piece| readable.taken(piece) == id(piece)));
        // A connection that is readable again stands behind those that have waited.
        readable.push(id(0));
        assert_eq!(readable.take(Receiving::On), 3);
        let taken = [0, 1, 2].map(|piece| readable.taken(piece));
        assert_eq!(taken, [id(count - 2), id(count - 1), id(0)]);
        assert_eq!((readable.due(Receiving::On), readable.take(Receiving::On)), (0, 0));
    }

    #[test]
    fn no_connection_is_taken_while_receiving_is_off() {
        let mut readable = Readable::new();
        readable.push(id(4));
        assert_eq!((readable.due(Receiving::Off), readable.take(Receiving::Off)), (0, 0));
        assert_eq!((readable.due(Receiving::On), readable.take(Receiving::On)), (1, 1));
        assert_eq!(readable.taken(0), id(4));
    }
}
