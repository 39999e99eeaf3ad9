//! Messages of a room and notices to one member, as data. `wire` turns them into bytes.

use std::time::Duration;

use crate::names::Name;
use crate::token::ConnectionId;
use crate::wire::foreign::Foreign;

/// A message of a room to its members.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Counted by the room from 1.
    pub number: u64,
    /// Time from the start of the room until it was said.
    pub time: Duration,
    /// The connection that said it; `None` for the server.
    pub author: Option<ConnectionId>,
    pub body: Body<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// What a member typed, as it was received.
    Line {
        name: Name,
        text: &'a [u8],
    },
    Announcement(Announcement),
}

impl Body<'_> {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Line { .. } => Kind::Line,
            Self::Announcement(Announcement::Entered { .. }) => Kind::Entered,
            Self::Announcement(Announcement::Left { .. }) => Kind::Left,
            Self::Announcement(Announcement::Summary { .. }) => Kind::Summary,
            Self::Announcement(Announcement::Stopping) => Kind::Stopping,
        }
    }
}

/// The kind of a message, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Line,
    Entered,
    Left,
    Summary,
    Stopping,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Line, Self::Entered, Self::Left, Self::Summary, Self::Stopping];

    /// The number that stands for it in a log.
    pub fn code(self) -> u8 {
        self as u8
    }

    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// A message of the server to a whole room.
#[derive(Clone, Copy, Debug)]
pub enum Announcement {
    /// To the others when a member has joined.
    Entered { name: Name, online: u64 },
    /// To the others when a member has left.
    Left { name: Name, online: u64 },
    /// Joins and leaves of a large room since its last presence line.
    Summary { entered: u64, left: u64, online: u64 },
    /// To everybody when the server was told to stop.
    Stopping,
}

/// A line of the server to one member, or to a peer that is no member.
#[derive(Clone, Copy, Debug)]
pub enum Notice {
    /// To a member that has joined.
    Connected { online: u64 },
    /// To a member whose line was discarded.
    LineTooLong { line_bytes_max: usize },
    /// To a member that was skipped because the log has forgotten messages that it was not sent.
    Missed { messages: u64 },
    /// To a newcomer for whom there is no descriptor.
    ServerFull,
    /// To a newcomer whose address has too many connections.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_code() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(Kind::from_code(Kind::ALL.len() as u8), None);
    }
}
