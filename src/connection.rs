//! One connection: its socket, its state, and its two halves. `inbound` has received bytes that are not used yet.
//! `outbound` has private bytes that are not sent yet, and whether the socket takes bytes. No I/O, and no clock.

pub mod frames;
pub mod inbound;
pub mod outbound;
pub mod private;
pub mod profile;
pub mod queued;

use crate::counters::CloseReason;
use crate::door::Door;
use crate::names::{Name, Origin};
use crate::room::MemberId;
use crate::wire::Addressee;
use crate::wire::irc::registration::Capabilities;
pub use frames::Frames;
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
    /// It was accepted, and is no member yet.
    Greeting(Greeting),
    /// It is a member of a room.
    Joined(MemberId),
    /// It was closed for a reason, and only waits for the completions of operations that are in flight on its socket.
    Closing(CloseReason),
}

/// What a connection that is no member yet waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// The header in which a proxy says whom it brings. Until then the connection counts for nobody: it has no name, and
    /// is not counted with those of an address.
    Proxy,
    /// What its door wants to be sent first.
    Handshake,
    /// Its last answer is being sent; it is closed after that.
    Leaving(CloseReason),
}

impl<S> Connection<S> {
    /// A connection that was just accepted by a door.
    pub fn new(socket: S, origin: Origin, door: Door, greeting: Greeting) -> Self {
        Self {
            socket,
            origin,
            profile: None,
            state: State::Greeting(greeting),
            inbound: Inbound::new(door),
            outbound: Outbound::default(),
        }
    }

    /// What only some members have, which it has from now on.
    pub fn profile_mut(&mut self) -> &mut Profile {
        self.profile.get_or_insert_default()
    }

    /// What an IRC client has asked for.
    pub fn capabilities(&self) -> Capabilities {
        self.profile.as_deref().map(|profile| profile.capabilities).unwrap_or_default()
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
            State::Greeting(_) | State::Closing(_) => None,
        }
    }

    /// Memory that counts against the buffer bytes of all members: received bytes that are not used yet, and private
    /// bytes beyond those reckoned for every member.
    pub fn buffer_bytes(&self) -> usize {
        let input = self.inbound.received.as_ref().map_or(0, |received| received.input.capacity());
        input + self.outbound.private.buffer_bytes()
    }

    /// Whom a notice to it is for, as far as its room does not matter.
    pub fn addressee(&self) -> Addressee {
        Addressee { name: Some(self.name()), ..Addressee::unknown(self.inbound.encoding) }
    }

    /// True while it counts for the address that it comes from, and has a name.
    pub fn is_known(&self) -> bool {
        self.state != State::Greeting(Greeting::Proxy) && self.inbound.door != Door::Admin
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
