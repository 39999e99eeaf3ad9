//! Messages of a room and notices to one member, as data. `wire` turns them into bytes.

use crate::names::Name;
use crate::time::UnixTime;
use crate::token::Serial;
use crate::wire::foreign::Foreign;

/// A message of a room to its members.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Counted by the room from 1. For a message that [is not counted](Kind::is_numbered) the number of the last one
    /// that is.
    pub number: u64,
    pub time: UnixTime,
    /// The connection that said it; `None` for the server.
    pub author: Option<Serial>,
    pub body: Body<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// What a member said. This and the texts below are as they were typed, or sanitised already.
    Line {
        name: Name,
        text: &'a [u8],
    },
    /// What a member does.
    Action {
        name: Name,
        text: &'a [u8],
    },
    /// A new topic of the room; an empty text takes it away.
    Topic {
        name: Name,
        text: &'a [u8],
    },
    /// What an operator says to every room.
    Announcement {
        text: &'a [u8],
    },
    Event(Event),
}

impl<'a> Body<'a> {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Line { .. } => Kind::Line,
            Self::Action { .. } => Kind::Action,
            Self::Topic { .. } => Kind::Topic,
            Self::Announcement { .. } => Kind::Announcement,
            Self::Event(event) => event.kind(),
        }
    }

    /// The member that it names first.
    pub fn name(&self) -> Option<Name> {
        match *self {
            Self::Line { name, .. } | Self::Action { name, .. } | Self::Topic { name, .. } => Some(name),
            Self::Announcement { .. } => None,
            Self::Event(event) => event.name(),
        }
    }

    /// What was typed of it; empty for an event.
    pub fn text(&self) -> &'a [u8] {
        match self {
            Self::Line { text, .. }
            | Self::Action { text, .. }
            | Self::Topic { text, .. }
            | Self::Announcement { text } => text,
            Self::Event(_) => &[],
        }
    }
}

/// The kind of a message, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Line,
    Action,
    Topic,
    Announcement,
    Entered,
    Left,
    Renamed,
    Summary,
    Slow,
    Only,
    Stopping,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Line,
        Self::Action,
        Self::Topic,
        Self::Announcement,
        Self::Entered,
        Self::Left,
        Self::Renamed,
        Self::Summary,
        Self::Slow,
        Self::Only,
        Self::Stopping,
    ];

    /// True when messages of this kind are counted by their room, told of when they are missed, and repeated as
    /// history.
    pub fn is_numbered(self) -> bool {
        matches!(self, Self::Line | Self::Action | Self::Topic | Self::Announcement)
    }

    /// The number that stands for it in a log.
    pub fn code(self) -> u8 {
        self as u8
    }

    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// Something that the server says to a whole room of its own accord. It has no number.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// To the others when a member has joined.
    Entered { name: Name, online: u64 },
    /// To the others when a member has left.
    Left { name: Name, online: u64 },
    /// To the others when a member has chosen a name.
    Renamed { before: Name, name: Name },
    /// Joins and leaves of a large room since its last presence line.
    Summary { entered: u64, left: u64, online: u64 },
    /// To everybody when an operator has set how many seconds lie between two lines of a member; 0 for no bound.
    Slow { name: Name, seconds: u64 },
    /// To everybody when an operator has set who may speak.
    Only { name: Name, operators: bool },
    /// To everybody when the server was told to stop.
    Stopping,
}

impl Event {
    fn kind(self) -> Kind {
        match self {
            Self::Entered { .. } => Kind::Entered,
            Self::Left { .. } => Kind::Left,
            Self::Renamed { .. } => Kind::Renamed,
            Self::Summary { .. } => Kind::Summary,
            Self::Slow { .. } => Kind::Slow,
            Self::Only { .. } => Kind::Only,
            Self::Stopping => Kind::Stopping,
        }
    }

    /// The member that it names first.
    fn name(self) -> Option<Name> {
        match self {
            Self::Entered { name, .. }
            | Self::Left { name, .. }
            | Self::Renamed { before: name, .. }
            | Self::Slow { name, .. }
            | Self::Only { name, .. } => Some(name),
            Self::Summary { .. } | Self::Stopping => None,
        }
    }
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
