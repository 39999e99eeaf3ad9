//! How the log names members and what is held of them: with their addresses, or without any.

use std::fmt::{self, Display};

use crate::moderation::{Hold, Network};
use crate::names::{MemberName, Name};
use crate::token::PublicId;

/// A member, by its name and the number under which members know its connection, if this node knows that.
#[derive(Clone, Copy, Debug)]
pub struct Whom {
    pub name: Name,
    pub id: Option<PublicId>,
    /// Whether it is shown by its address.
    pub addresses: bool,
}

/// A member that has chosen no name is `guest` and its number where its address is not shown.
impl Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name, self.id) {
            (Name::Address(_), Some(id)) if !self.addresses => write!(f, "guest {id}"),
            (Name::Address(_), None) if !self.addresses => f.write_str("a guest"),
            _ => self.name.fmt(f),
        }
    }
}

/// What of a member is held.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub name: Option<MemberName>,
    pub network: Option<Network>,
    /// Whether one connection is held, whatever its name and address.
    pub connection: bool,
    /// Whether addresses are shown.
    pub addresses: bool,
}

impl Held {
    pub fn of(hold: &Hold, addresses: bool) -> Self {
        Self { name: hold.name, network: hold.network, connection: hold.connection.is_some(), addresses }
    }
}

impl Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(name) = self.name {
            write!(f, "{name}")?;
            separator = ", ";
        }
        if let Some(network) = self.network {
            f.write_str(separator)?;
            match network.is_one_address() {
                _ if self.addresses => write!(f, "{network}")?,
                true => f.write_str("an address")?,
                false => f.write_str("a network")?,
            }
            separator = ", ";
        }
        if self.connection {
            write!(f, "{separator}one connection")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_named_by_its_address_only_where_that_is_shown() {
        let address = Name::first("192.0.2.7:5".parse().unwrap());
        let bob = Name::Chosen(MemberName::parse("bob").unwrap());
        for (name, id, with, without) in [
            (address, Some(PublicId(0x1f)), "192.0.2.7:5", "guest 1f"),
            (address, None, "192.0.2.7:5", "a guest"),
            (bob, Some(PublicId(0x1f)), "bob", "bob"),
        ] {
            for (addresses, expected) in [(true, with), (false, without)] {
                assert_eq!(Whom { name, id, addresses }.to_string(), expected);
            }
        }
    }

    #[test]
    fn what_is_held_is_shown_as_members_read_it_or_without_addresses() {
        let bob = MemberName::parse("bob");
        for (hold, without) in [
            (Hold::of_member(bob, "192.0.2.7".parse().unwrap(), 7, None, ""), "bob, an address"),
            (Hold::of_member(None, "2001:db8::1".parse().unwrap(), 7, None, ""), "a network"),
            (Hold::of_member(bob, "127.0.0.1".parse().unwrap(), 7, None, ""), "bob, one connection"),
            (Hold::of_network(Network::parse("192.0.2.0/24").unwrap(), None, ""), "a network"),
            (Hold::of_network(Network::parse("2001:db8::1").unwrap(), None, ""), "an address"),
        ] {
            assert_eq!(Held::of(&hold, true).to_string(), hold.to_string());
            assert_eq!(Held::of(&hold, false).to_string(), without);
        }
    }
}
