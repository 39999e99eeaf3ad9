//! Messages of a room and notices to one member, as data. `wire` turns them into bytes.

use std::time::Duration;

use crate::cluster::link::NodeId;
use crate::names::{MemberName, Name, RoomName};
use crate::time::UnixTime;
use crate::token::PublicId;
use crate::wire::foreign::Foreign;

/// A message of a room to its members.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Counted by the room from 1. For a message that [is not counted](Kind::is_numbered) the number of the last one
    /// that is.
    pub number: u64,
    pub time: UnixTime,
    /// The room that it was said in.
    pub room: RoomName,
    /// The connection that said it, or that it is about; `None` for the server.
    pub author: Option<PublicId>,
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

impl Body<'_> {
    /// The same with another text; an event has none.
    pub fn with_text<'b>(&self, text: &'b [u8]) -> Body<'b> {
        match *self {
            Self::Line { name, .. } => Body::Line { name, text },
            Self::Action { name, .. } => Body::Action { name, text },
            Self::Topic { name, .. } => Body::Topic { name, text },
            Self::Announcement { .. } => Body::Announcement { text },
            Self::Event(event) => Body::Event(event),
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
    CutOff,
    Back,
    Lost,
}

impl Kind {
    const ALL: [Self; 14] = [
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
        Self::CutOff,
        Self::Back,
        Self::Lost,
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
    Renamed { before: Name, name: Name, online: u64 },
    /// Joins and leaves of a large room since its last presence line.
    Summary { entered: u64, left: u64, online: u64 },
    /// To everybody when an operator has set how many seconds lie between two lines of a member; 0 for no bound.
    Slow { name: Name, seconds: u64 },
    /// To everybody when an operator has set who may speak.
    Only { name: Name, operators: bool },
    /// To everybody when the server was told to stop.
    Stopping,
    /// To everybody when the server has not heard of its cluster for too long.
    CutOff,
    /// To everybody who was told so, when it hears of it again.
    Back,
    /// To everybody when the cluster does not have any more what was said while the server was cut off: the first and
    /// the last number that such a message may have.
    Lost { first: u64, last: u64 },
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
            Self::CutOff => Kind::CutOff,
            Self::Back => Kind::Back,
            Self::Lost { .. } => Kind::Lost,
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
            Self::Summary { .. } | Self::Stopping | Self::CutOff | Self::Back | Self::Lost { .. } => None,
        }
    }
}

/// What a member is told of the room that it has joined.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub room: RoomName,
    /// Tells this room from others that had its name before.
    pub epoch: PublicId,
    /// Members in the room, this one included.
    pub online: u64,
    pub id: PublicId,
    pub name: Name,
    /// The number of the room's last message.
    pub number: u64,
    pub time: UnixTime,
}

/// A line of the server to one member, or to a peer that is no member. Texts in it are sanitised.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// To a member that was just connected, and so is in the room that everybody joins first.
    Connected {
        online: u64,
    },
    /// To a member that has joined a room, or reads it in another format now.
    Joined(Arrival),
    /// To a member that reads JSON, about its own message.
    Said {
        number: u64,
        time: UnixTime,
    },
    /// To a member that was skipped because the log has forgotten messages that it was not sent: their number, and the
    /// numbers of the first and the last of them. Its own messages between these are not counted.
    Missed {
        messages: u64,
        range: Option<(u64, u64)>,
    },
    /// To a member that has come back to a room that was made anew: what it missed is gone, and nobody has counted it.
    RoomAnew,
    /// What another member says to this one alone.
    Private {
        from: Name,
        id: PublicId,
        time: UnixTime,
        text: &'a str,
    },
    /// To a member whose line was discarded.
    LineTooLong {
        line_bytes_max: usize,
    },
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
    /// A line of the list of commands.
    Help {
        line: &'a str,
    },
    /// A line of the operator's greeting.
    Motd {
        line: &'a str,
    },
    /// A command that does not exist.
    UnknownCommand {
        name: &'a str,
    },
    /// What a command looks like, to a member that typed it otherwise.
    Usage {
        usage: &'a str,
    },
    /// A key may stand in a line that begins with blanks.
    BlankBeforeCommand,
    /// The member has this name from now on.
    Named {
        name: MemberName,
    },
    NameTaken {
        name: &'a str,
    },
    /// Another node has the member's name, and it is called by its address again.
    NameLost {
        name: MemberName,
        now: Name,
    },
    NamesCutOff,
    NameRefused,
    RoomNameRefused,
    NoMoreRooms,
    /// To a member that has joined no room, and wants to do something in one.
    NoRoom,
    /// To a peer that did not do in time what its door wants first.
    HandshakeTimeout,
    /// To a peer that has sent so much for that as no client does.
    TooManyLines,
    /// An entry of the list of rooms.
    RoomListed {
        room: RoomName,
        online: u64,
    },
    /// An entry of the list of members.
    MemberListed {
        name: Name,
    },
    /// Behind the members that are listed: so many are in the room on other nodes of the cluster.
    Elsewhere {
        online: u64,
    },
    /// An entry of the list of nodes: how many members it has, how many batches of the stream it has still to read, and
    /// for how long it has run.
    NodeListed {
        name: &'a str,
        node: NodeId,
        members: u64,
        behind: u64,
        up: Duration,
    },
    NoCluster,
    /// Behind the entries of a list.
    Page {
        page: u64,
        pages: u64,
    },
    /// Nobody online has this name.
    Nobody {
        name: &'a str,
    },
    /// A private line has come to a member, or has not.
    Sent {
        name: Name,
    },
    NotReading {
        name: Name,
    },
    /// Messages of the past follow.
    History {
        count: u64,
    },
    Topic {
        text: &'a str,
    },
    NoTopic,
    Goodbye,
    /// The member is an operator, or is not.
    Operator,
    WrongKey,
    NoOperators,
    /// To a member that an operator closes.
    Kicked {
        by: Name,
        why: &'a str,
    },
    /// To a member that an operator mutes, and that speaks all the same, and that may speak again.
    MutedFor {
        time: Option<&'a str>,
    },
    Muted,
    Unmuted,
    /// To one that is banned: until when.
    Banned {
        end: &'a str,
    },
    /// To the operator: what became of it.
    KickedOther {
        name: Name,
    },
    MutedOther {
        held: &'a str,
        end: &'a str,
    },
    BannedOther {
        held: &'a str,
        end: &'a str,
    },
    Lifted {
        verb: &'a str,
        held: &'a str,
    },
    NothingHeld {
        name: &'a str,
    },
    HoldsFull,
    NoNetwork {
        why: &'a str,
    },
    BanListed {
        line: &'a str,
    },
    TopicTooLong {
        bytes_max: usize,
    },
    NoMoreKept,
    Announced {
        rooms: u64,
    },
    AnnouncementUnderWay,
    /// To a member whose line has to wait, once.
    SlowMode {
        seconds: u64,
    },
    OperatorsOnly,
    /// To a member whose line is not taken, and to a newcomer, while the server does not hear of its cluster.
    CutOff,
    /// The command is for operators alone.
    NotOperator,
    /// Commands for programs alone.
    JsonOnly,
    /// To a member that wants another format than that of its door.
    FormatFixed,
    Token {
        token: &'a str,
        seconds: u64,
    },
    /// There are as many tokens as there may be.
    NoMoreTokens,
    /// Another connection has resumed this one.
    Replaced,
    ResumeRefused,
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
