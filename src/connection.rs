//! One connection: its socket, how far it has come, and its two halves. What it has sent and is not used yet stands in
//! `inbound`, whether its socket takes bytes in `outbound`. No I/O, and no clock.

pub mod inbound;
pub mod outbound;

use std::fmt;

use crate::names::Name;
use crate::room::MemberId;
use crate::server::schedule::Queued;
pub use inbound::{Hold, Inbound, Received};
pub use outbound::{Outbound, Waits};

#[derive(Debug)]
pub struct Connection<S> {
    pub socket: S,
    pub name: Name,
    pub state: State,
    pub inbound: Inbound,
    pub outbound: Outbound,
    /// The queues of time-outs and retries that have an entry of this connection.
    pub queued: Queued,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was accepted, and is in no room yet.
    Greeting,
    /// It is a member of the room.
    Joined(MemberId),
    /// It was ended for a reason, and only waits for the last completions of what is in flight on its socket.
    Closing(CloseReason),
}

impl<S> Connection<S> {
    /// A connection that was just accepted.
    pub fn new(socket: S, name: Name) -> Self {
        Self {
            socket,
            name,
            state: State::Greeting,
            inbound: Inbound::default(),
            outbound: Outbound::default(),
            queued: Queued::default(),
        }
    }

    /// The member that it is, once it has joined and until it is ended.
    pub fn member(&self) -> Option<MemberId> {
        match self.state {
            State::Joined(member) => Some(member),
            State::Greeting | State::Closing(_) => None,
        }
    }

    pub fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing(_))
    }

    /// True when nothing is in flight, so that the socket may be closed.
    pub fn is_idle(&self) -> bool {
        !self.inbound.receiving && !self.outbound.is_watched()
    }
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer has sent its last byte.
    Left,
    /// The connection broke, or its peer no longer answers.
    Broken,
    /// It fell off the log, and members that do are closed here.
    Slow,
    /// Its full socket has taken no byte for too long.
    Stalled,
    /// A line was begun and not continued for too long.
    LineTimeout,
    /// The peer speaks another protocol.
    Foreign,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Left => "left",
            Self::Broken => "connection broken",
            Self::Slow => "fell off the log",
            Self::Stalled => "took no byte for too long",
            Self::LineTimeout => "did not finish a line in time",
            Self::Foreign => "speaks another protocol",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::CloseReason::{Broken, Foreign, Left, LineTimeout, Slow, Stalled};
    use super::Connection;

    /// Every member has one, and most of a large room only listen.
    #[test]
    fn a_connection_that_only_listens_is_small() {
        let bytes = size_of::<Connection<OwnedFd>>();
        assert!(bytes <= 96, "{bytes} bytes");
    }

    #[test]
    fn each_reason_has_words_of_its_own() {
        let words = [Left, Broken, Slow, Stalled, LineTimeout, Foreign].map(|reason| reason.to_string());
        for (place, word) in words.iter().enumerate() {
            assert!(!word.is_empty() && !words[..place].contains(word), "{words:?}");
        }
    }
}
