//! One connection: its socket, its state, and its two halves. `inbound` has received bytes that are not used yet.
//! `outbound` has private bytes that are not sent yet, and whether the socket takes bytes. No I/O, and no clock.

pub mod inbound;
pub mod outbound;
pub mod private;
pub mod profile;
pub mod queued;

use crate::counters::CloseReason;
use crate::names::{Name, Origin};
use crate::room::MemberId;
use crate::wire::Encoding;
pub use inbound::{Before, Hold, Inbound, Received};
pub use outbound::{Outbound, Uptake, Waits};
pub use private::{Past, Private};
pub use profile::Profile;
pub use queued::{Queue, Queued};

#[derive(Debug)]
pub struct Connection<S> {
    pub socket: S,
    pub origin: Origin,
    /// What only a member has that has chosen a name, or may do more than others.
    pub profile: Option<Box<Profile>>,
    pub state: State,
    pub inbound: Inbound,
    pub outbound: Outbound,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was accepted, and is in no room yet.
    Greeting,
    /// It is a member of the room.
    Joined(MemberId),
    /// It was closed for a reason, and only waits for the completions of operations that are in flight on its socket.
    Closing(CloseReason),
}

impl<S> Connection<S> {
    /// A connection that was just accepted.
    pub fn new(socket: S, origin: Origin, encoding: Encoding) -> Self {
        Self {
            socket,
            origin,
            profile: None,
            state: State::Greeting,
            inbound: Inbound::new(encoding),
            outbound: Outbound::default(),
        }
    }

    /// What only some members have, which it has from now on.
    pub fn profile_mut(&mut self) -> &mut Profile {
        self.profile.get_or_insert_default()
    }

    /// What the member is called now.
    pub fn name(&self) -> Name {
        let chosen = self.profile.as_deref().and_then(|profile| profile.name);
        chosen.map_or_else(|| self.origin.name(), Name::Chosen)
    }

    /// The member that it is, once it has joined and until it is ended.
    pub fn member(&self) -> Option<MemberId> {
        match self.state {
            State::Joined(member) => Some(member),
            State::Greeting | State::Closing(_) => None,
        }
    }

    /// Memory that counts against the buffer bytes of all members: received bytes that are not used yet, and private
    /// bytes beyond those reckoned for every member.
    pub fn buffer_bytes(&self) -> usize {
        let input = self.inbound.received.as_ref().map_or(0, |received| received.input.capacity());
        input + self.outbound.private.buffer_bytes()
    }

    pub fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing(_))
    }

    /// True when no operation is in flight, so that the socket may be closed.
    pub fn is_idle(&self) -> bool {
        !self.inbound.receiving && !self.outbound.socket.is_watched()
    }
}

#[cfg(test)]
mod tests {
    use super::Connection;
    use crate::io::{socket, uring};

    /// Every member has a connection, and most members of a large room only listen.
    #[test]
    fn a_connection_that_only_listens_is_small() {
        for bytes in [size_of::<Connection<socket::Socket>>(), size_of::<Connection<uring::Socket>>()] {
            assert!(bytes <= 96, "{bytes} bytes");
        }
    }
}
