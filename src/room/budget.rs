//! The memory that the logs of all rooms may take together, and how much of it they take.
//!
//! A feed takes memory when its log begins a segment, and gives it back when one is retired, or when the feed goes. Who
//! has to forget something when it is spent, `Rooms` decides.

#[derive(Clone, Copy, Debug)]
pub struct LogBudget {
    bytes_max: usize,
    /// The sum over all logs.
    bytes: usize,
}

impl LogBudget {
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0 }
    }

    /// Bytes that may still be taken.
    pub fn free(&self) -> usize {
        self.bytes_max - self.bytes
    }

    /// Bytes that logs have.
    pub fn taken(&self) -> usize {
        self.bytes
    }

    pub fn take(&mut self, bytes: usize) {
        assert!(bytes <= self.free(), "no more is taken than there is");
        self.bytes += bytes;
    }

    pub fn give(&mut self, bytes: usize) {
        self.bytes = self.bytes.checked_sub(bytes).expect("what is given back was taken");
    }
}
