//! Addresses and networks as an operator types them: `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/64`.
//!
//! Refused is what would hold a large part of everybody: more than a /8 of IPv4 or a /16 of IPv6, and a network that
//! covers all of loopback, which is everybody on this machine and whoever comes through a proxy on it. A part of
//! loopback may be held, and `::1` by itself.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::limits::{NETWORK_LENGTH_MIN_V4, NETWORK_LENGTH_MIN_V6};

/// The network of an IPv6 subscriber (RFC 6177).
const SUBSCRIBER_LENGTH_V6: u8 = 64;

/// Addresses with a common prefix; all bits behind it are 0. An address that is an IPv4 address mapped into IPv6
/// (`::ffff:192.0.2.7`) is that IPv4 address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpNet);

/// Why a text names no network that may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    Unreadable,
    /// The prefix of an IPv4 address is too short, or longer than the address.
    LengthV4,
    LengthV6,
    Loopback,
}

impl Network {
    /// Reads an address, or an address and the length of a prefix. Bits behind the prefix are cleared.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(parse_length(length)?)),
            None => (text, None),
        };
        let typed: IpAddr = address.parse().map_err(|_| NetworkError::Unreadable)?;
        let network = match (typed, typed.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(mapped)) => {
                let length = length.unwrap_or(128).checked_sub(96).ok_or(NetworkError::LengthV4)?;
                Self::of_length(mapped.into(), length)?
            }
            (IpAddr::V4(_), address) => Self::of_length(address, length.unwrap_or(32))?,
            (IpAddr::V6(_), address) => Self::of_length(address, length.unwrap_or(128))?,
        };
        if network.covers_loopback() { Err(NetworkError::Loopback) } else { Ok(network) }
    }

    fn of_length(address: IpAddr, length: u8) -> Result<Self, NetworkError> {
        let (shortest, wrong) = match address {
            IpAddr::V4(_) => (NETWORK_LENGTH_MIN_V4, NetworkError::LengthV4),
            IpAddr::V6(_) => (NETWORK_LENGTH_MIN_V6, NetworkError::LengthV6),
        };
        if length < shortest {
            return Err(wrong);
        }
        Ok(Self(IpNet::new(address, length).map_err(|_| wrong)?.trunc()))
    }

    /// What is held of a member at `address`: an IPv4 address, or an IPv6 network of 64 bits. `None` for loopback,
    /// where everybody on this machine, or behind a proxy on it, has the same address.
    pub fn of_subscriber(address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        let length = if address.is_ipv4() { 32 } else { SUBSCRIBER_LENGTH_V6 };
        (!address.is_loopback()).then(|| Self::around(address, length))
    }

    /// The network of `address` with a prefix of `length`, which is no longer than the address. The address is no
    /// mapped one.
    pub(super) fn around(address: IpAddr, length: u8) -> Self {
        Self(IpNet::new_assert(address, length).trunc())
    }

    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    pub fn is_ipv4(self) -> bool {
        matches!(self.0, IpNet::V4(_))
    }

    /// The length of the prefix, in bits.
    pub fn length(self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether it has one address alone.
    pub fn is_one_address(self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }

    /// Whether all loopback addresses of IPv4, or `::1` among others, are in it.
    fn covers_loopback(self) -> bool {
        match self.0 {
            IpNet::V4(network) => network.contains(&Ipv4Net::new_assert([127, 0, 0, 0].into(), 8)),
            IpNet::V6(network) => network.prefix_len() < 128 && network.contains(&Ipv6Net::from(Ipv6Addr::LOCALHOST)),
        }
    }
}

/// Reads the length of a prefix: digits alone.
fn parse_length(text: &str) -> Result<u8, NetworkError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(NetworkError::Unreadable);
    }
    // A number that does not fit is longer than any address, which is found out where the address is known.
    Ok(text.parse().unwrap_or(u8::MAX))
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_one_address() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => write!(f, "write an address or a network: 192.0.2.7, 192.0.2.0/24, 2001:db8::/64"),
            Self::LengthV4 => write!(f, "the prefix of an IPv4 network is from /{NETWORK_LENGTH_MIN_V4} to /32"),
            Self::LengthV6 => write!(f, "the prefix of an IPv6 network is from /{NETWORK_LENGTH_MIN_V6} to /128"),
            Self::Loopback => write!(f, "that is all of loopback, and so everybody on this machine"),
        }
    }
}

impl std::error::Error for NetworkError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, NetworkError>) {
        let parsed = Network::parse(text).map(|network| network.to_string());
        assert_eq!(parsed.as_deref().map_err(|error| *error), expected, "{text}");
    }

    #[test]
    fn networks_are_read_and_shown_without_host_bits() {
        for (text, shown) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("192.0.2.255/31", "192.0.2.254/31"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("2001:DB8::1", "2001:db8::1"),
            ("2001:db8:0:1:2::/64", "2001:db8:0:1::/64"),
            ("2001:db8::/16", "2001::/16"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.1.0.0/16", "127.1.0.0/16"),
            ("::1", "::1"),
            ("::1/128", "::1"),
        ] {
            check(text, Ok(shown));
        }
    }

    #[test]
    fn what_holds_too_many_or_cannot_be_read_is_refused() {
        use NetworkError::{LengthV4, LengthV6, Loopback, Unreadable};
        for (text, error) in [
            ("127.0.0.0/8", Loopback),
            ("127.1.2.3/8", Loopback),
            ("::1/127", Loopback),
            ("::/64", Loopback),
            ("::/16", Loopback),
            ("126.0.0.0/7", LengthV4),
            ("0.0.0.0/0", LengthV4),
            ("192.0.2.7/33", LengthV4),
            ("192.0.2.7/256", LengthV4),
            ("192.0.2.7/99999999999999999999", LengthV4),
            ("::ffff:10.0.0.0/103", LengthV4),
            ("::ffff:10.0.0.0/95", LengthV4),
            ("::ffff:127.0.0.1/104", Loopback),
            ("2001:db8::/15", LengthV6),
            ("2001:db8::/0", LengthV6),
            ("2001:db8::/129", LengthV6),
            ("", Unreadable),
            ("/", Unreadable),
            ("/24", Unreadable),
            ("192.0.2.7/", Unreadable),
            ("192.0.2.7/+8", Unreadable),
            ("192.0.2.7/24/24", Unreadable),
            ("192.0.2/24", Unreadable),
            ("192.0.2.07", Unreadable),
            ("192.0.2.7:80", Unreadable),
            ("[2001:db8::1]", Unreadable),
            ("fe80::1%eth0", Unreadable),
            ("bob", Unreadable),
        ] {
            check(text, Err(error));
        }
    }

    #[test]
    fn of_a_member_its_address_or_its_64_bits_are_held_and_nothing_of_loopback() {
        let held = |address: &str| Network::of_subscriber(address.parse().unwrap()).map(|network| network.to_string());
        assert_eq!(held("192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(held("::ffff:192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(held("2001:db8::1:2:3:4").as_deref(), Some("2001:db8::/64"));
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(held(loopback), None);
        }
    }

    #[test]
    fn a_mapped_address_is_in_the_networks_of_its_ipv4_address() {
        let network = Network::parse("192.0.2.0/24").unwrap();
        assert!(network.contains("::ffff:192.0.2.200".parse().unwrap()));
        assert!(!network.contains("::ffff:192.0.3.1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(bits: u128, is_v4: bool, length in 0..=128u8) {
            let address = if is_v4 { IpAddr::V4((bits as u32).into()) } else { IpAddr::V6(bits.into()) };
            if let Ok(network) = Network::parse(&format!("{address}/{length}")) {
                prop_assert_eq!(Network::parse(&network.to_string()), Ok(network));
                prop_assert!(network.contains(address));
            }
        }

        #[test]
        fn no_text_is_a_panic(text in "[0-9a-f:./%]{0,40}") {
            let _ = Network::parse(&text);
        }
    }
}
