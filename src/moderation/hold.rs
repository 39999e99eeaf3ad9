//! One hold: what of a member is held, until when, and who set it.

use std::fmt::{self, Display};
use std::net::IpAddr;

use crate::limits::PREFIX_BYTES_MAX;
use crate::moderation::network::Network;
use crate::moderation::time;
use crate::names::MemberName;

/// A ban or a mute: it holds a member of this name, or at an address of this network, or on this connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub name: Option<MemberName>,
    pub network: Option<Network>,
    /// The serial number of a connection. It is not kept over a restart, after which it may be another's.
    pub connection: Option<u64>,
    /// Milliseconds of Unix time; `None` without end.
    pub until: Option<u64>,
    /// Who set it, as a member reads it: at most [`PREFIX_BYTES_MAX`] bytes.
    pub by: Box<str>,
}

impl Hold {
    /// Holds a member that is here: its name, if it chose one, and its address (IPv6: its /64). At a loopback address,
    /// which everybody on this machine has, it is the connection instead of the address.
    pub fn of_member(name: Option<MemberName>, address: IpAddr, serial: u64, until: Option<u64>, by: &str) -> Self {
        let network = Network::of_subscriber(address);
        let connection = network.is_none().then_some(serial);
        Self { name, network, connection, until, by: cut(by) }
    }

    /// Holds a name that nobody here has.
    pub fn of_name(name: MemberName, until: Option<u64>, by: &str) -> Self {
        Self { name: Some(name), network: None, connection: None, until, by: cut(by) }
    }

    pub fn of_network(network: Network, until: Option<u64>, by: &str) -> Self {
        Self { name: None, network: Some(network), connection: None, until, by: cut(by) }
    }

    /// Whether it holds the address and the connection that `other`, which is of the same name, does.
    pub(super) fn holds_all_of(&self, other: &Self) -> bool {
        (other.network.is_none() || other.network == self.network)
            && (other.connection.is_none() || other.connection == self.connection)
    }

    /// When it ends; the end of time without end.
    pub(super) fn end(&self) -> u64 {
        self.until.unwrap_or(u64::MAX)
    }

    pub fn is_over(&self, now_ms: u64) -> bool {
        self.end() <= now_ms
    }

    /// Whether it means anything after a restart.
    pub fn outlives_restart(&self) -> bool {
        self.name.is_some() || self.network.is_some()
    }

    /// The same, without what means nothing after a restart.
    pub(super) fn kept(&self) -> Self {
        Self { connection: None, ..self.clone() }
    }

    /// When it ends: `until 2026-11-24T17:20:05Z`, or `without end`.
    pub fn end_shown(&self) -> impl Display + use<> {
        let until = self.until;
        fmt::from_fn(move |f| match until {
            Some(until) => write!(f, "until {}", time::moment(until)),
            None => write!(f, "without end"),
        })
    }

    /// Its line in a list: `bob, 192.0.2.7 until 2026-11-24T17:20:05Z by alice`.
    pub fn listed(&self) -> impl Display + '_ {
        fmt::from_fn(move |f| write!(f, "{self} {} by {}", self.end_shown(), self.by))
    }
}

/// What of a name of an operator is kept. Every name that the server makes fits.
fn cut(by: &str) -> Box<str> {
    by[..by.floor_char_boundary(PREFIX_BYTES_MAX)].into()
}

/// What is held: `bob, 192.0.2.7`.
impl Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(name) = &self.name {
            f.write_str(name.as_str())?;
            separator = ", ";
        }
        if let Some(network) = self.network {
            write!(f, "{separator}{network}")?;
            separator = ", ";
        }
        if self.connection.is_some() {
            write!(f, "{separator}one connection")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_of_a_member_depends_on_its_address() {
        let bob = MemberName::parse("Bob");
        let held = |address: &str| Hold::of_member(bob, address.parse().unwrap(), 7, Some(1000), "alice").to_string();
        assert_eq!(held("192.0.2.7"), "Bob, 192.0.2.7");
        assert_eq!(held("2001:db8::1"), "Bob, 2001:db8::/64");
        assert_eq!(held("127.0.0.1"), "Bob, one connection");
        assert_eq!(held("::1"), "Bob, one connection");
        let nobody = Hold::of_member(None, "127.0.0.1".parse().unwrap(), 7, None, "alice");
        assert_eq!((nobody.to_string().as_str(), nobody.outlives_restart()), ("one connection", false));
    }

    #[test]
    fn a_hold_is_listed_with_its_end_and_who_set_it() {
        let network = Network::parse("10.0.0.0/8").unwrap();
        let hold = Hold::of_network(network, Some(1_732_448_000_000), "alice");
        assert_eq!(hold.listed().to_string(), "10.0.0.0/8 until 2024-11-24T11:33:20Z by alice");
        let name = MemberName::parse("bob").unwrap();
        assert_eq!(Hold::of_name(name, None, "alice").listed().to_string(), "bob without end by alice");
        assert_eq!(Hold::of_name(name, None, &"ä".repeat(100)).by.len(), PREFIX_BYTES_MAX);
    }

    #[test]
    fn a_hold_is_over_at_its_end() {
        let hold = Hold::of_name(MemberName::parse("bob").unwrap(), Some(1000), "alice");
        assert!(!hold.is_over(999) && hold.is_over(1000));
    }
}
