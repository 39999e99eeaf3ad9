//! One connection: its socket, how far it has come, and its two halves. What it has sent and is not used yet stands in
//! `inbound`, whether its socket takes bytes in `outbound`. No I/O, and no clock.

pub mod inbound;
pub mod outbound;

pub use crate::counters::CloseReason;
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

#[cfg(test)]
mod tests {
    use super::Connection;
    use crate::io::socket::Socket;

    /// Every member has one, and most of a large room only listen.
    #[test]
    fn a_connection_that_only_listens_is_small() {
        let bytes = size_of::<Connection<Socket>>();
        assert!(bytes <= 96, "{bytes} bytes");
    }
}
