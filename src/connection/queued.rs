//! Which queues of the schedule have an entry of a connection, so that no queue has two.

/// A queue of the schedule. A connection may have an entry in several of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Connections with an operation that the kernel had no memory for.
    Retry = 1,
    /// Connections whose sockets are, or were, full.
    Stall = 2,
    /// Connections that have, or had, received bytes that are not used: they have begun a line, or are held.
    Line = 4,
    /// Connections whose last chunk ended, or had ended, with bytes that could become another protocol's beginning.
    Opening = 8,
    /// Connections that are, or were, greeting.
    Handshake = 16,
}

/// The queues that have an entry of a connection. It is stored in the connection, and the schedule keeps it up to date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued(u8);

impl Queued {
    pub fn contains(self, queue: Queue) -> bool {
        self.0 & queue as u8 != 0
    }

    /// The entry was taken out of its queue.
    pub fn remove(&mut self, queue: Queue) {
        self.0 &= !(queue as u8);
    }

    /// An entry is to be put into its queue. False when it has one already.
    pub fn insert(&mut self, queue: Queue) -> bool {
        let is_new = !self.contains(queue);
        self.0 |= queue as u8;
        is_new
    }
}
