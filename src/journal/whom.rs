//! How the log names members and what is held of them: with their addresses, or without any.

use std::fmt::{self, Display};

use crate::cluster::holds;
use crate::moderation::{Hold, Network};
use crate::names::{MemberName, Name};
use crate::token::PublicId;

/// Something as the log shows it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<T> {
    pub what: T,
    /// Whether lines have addresses of peers.
    pub addresses: bool,
}

/// A member, by its name and the number under which members know its connection, if this node knows that.
#[derive(Clone, Copy, Debug)]
pub struct Whom {
    pub name: Name,
    pub id: Option<PublicId>,
}

impl Display for Shown<Whom> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Whom { name, id } = self.what;
        match (name, id) {
            (Name::Address(_), Some(id)) if !self.addresses => write!(f, "guest {id}"),
            (Name::Address(_), None) if !self.addresses => f.write_str("a guest"),
            _ => name.fmt(f),
        }
    }
}

impl Display for Shown<&Hold> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hold { name, network, connection, .. } = self.what;
        held(f, self.addresses, (*name, *network, connection.is_some()), || self.what.fmt(f))
    }
}

impl Display for Shown<&holds::Whom> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holds::Whom { name, network, at, .. } = *self.what;
        held(f, self.addresses, (name, network, at.is_some() && network.is_none()), || self.what.fmt(f))
    }
}
