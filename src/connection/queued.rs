//! Which queues of the schedule have an entry of a connection, so that none has two.

/// A queue that a connection may have an entry in, whatever else it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// An operation is tried again that the kernel had no memory for.
    Retry = 1,
    /// Its socket is or was full.
    Stall = 2,
    /// It has or had begun a line.
    Line = 4,
    /// It has or had begun what could be another protocol.
    Opening = 8,
}

/// Which queues have an entry of a connection. It stands with the connection, and the schedule keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued(u8);

impl Queued {
    pub fn contains(self, queue: Queue) -> bool {
        self.0 & queue as u8 != 0
    }

    /// An entry was handed out and is in its queue no more.
    pub fn remove(&mut self, queue: Queue) {
        self.0 &= !(queue as u8);
    }

    /// An entry is put into its queue. False when there is one already.
    pub fn insert(&mut self, queue: Queue) -> bool {
        let is_new = !self.contains(queue);
        self.0 |= queue as u8;
        is_new
    }
}
