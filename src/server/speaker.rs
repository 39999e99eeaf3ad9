//! A connection while its lines are taken, and what becomes of them.

use std::net::IpAddr;

use super::held::Turn;
use crate::connection::{Connection, Received};
use crate::names::Name;
use crate::room::{MemberId, Who};
use crate::token::ConnectionId;

/// A connection while its lines are taken.
pub struct Speaker {
    pub id: ConnectionId,
    pub member: MemberId,
    pub name: Name,
    pub ip: IpAddr,
    /// Taken out of the connection meanwhile.
    pub received: Box<Received>,
    /// The memory for received bytes that the budget counts for it.
    pub counted: usize,
    /// The queue of its room in which it is the first, until a line of it is said.
    pub turn: Option<Turn>,
    /// True when its next line waits because the room lets each member speak only now and then.
    pub in_slow_mode: bool,
}

impl Speaker {
    /// Takes the received bytes out of a connection. `None` when it is no member, or has none.
    pub fn of<S>(id: ConnectionId, connection: &mut Connection<S>, turn: Option<Turn>) -> Option<Self> {
        let member = connection.member()?;
        let received = connection.inbound.received.take()?;
        let counted = received.input.capacity();
        let (name, ip) = (connection.name(), connection.origin.ip);
        Some(Self { id, member, name, ip, received, counted, turn, in_slow_mode: false })
    }

    /// The member, as others know it.
    pub fn who(&self) -> Who {
        Who { name: self.name, id: self.received.public_id }
    }
}

/// What became of a line or a command that did not have to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It became a message, or was carried out.
    Taken,
    /// Nothing of it was said.
    Passed,
    /// The member leaves.
    Leaves,
}
