//! What is said, as data: messages of a room and notices to one member. What they look like is the wire's affair.

use crate::names::Name;
use crate::wire::Foreign;

/// What the server says to a whole room.
#[derive(Clone, Copy, Debug)]
pub enum Announcement {
    /// To the others when a member has joined.
    Entered { name: Name, online: u64 },
    /// To those who stay when a member has left.
    Left { name: Name, online: u64 },
    /// Joins and leaves of a large room since its last presence line.
    Summary { entered: u64, left: u64, online: u64 },
    /// To everybody when the server was told to stop.
    Stopping,
}

/// What the server says to one member, or to a peer that is none.
#[derive(Clone, Copy, Debug)]
pub enum Notice {
    /// To a member that has joined.
    Connected { online: u64 },
    /// To a member whose line was discarded.
    LineTooLong { line_bytes_max: usize },
    /// To a member that did not read for so long that the log has moved on.
    Missed { messages: u64 },
    /// To a newcomer for whom there is no descriptor.
    HouseFull,
    /// To a newcomer whose address is here too often.
    TooManyConnections,
    /// To a newcomer whose address has joined too often.
    TooManyJoins,
    /// To a member that says more than it may, once.
    SlowDown,
    /// To a member that did not finish a line.
    LineTimeout,
    /// To a peer that speaks another protocol.
    Foreign(Foreign),
}
