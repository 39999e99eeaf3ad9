//! The loopback addresses that members connect from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::error::{Error, Result};

/// Members that connect from one loopback address.
pub const MEMBERS_PER_SOURCE: usize = 10_000;
/// Loopback addresses that members connect from, at most.
pub const SOURCES_MAX: usize = 254;

/// Where members of a loopback room connect from: no address given, or as many as their number requires.
///
/// A pair of addresses has some 28,000 ports, and a connect searches them one by one: when most of the even ones are
/// taken it looks at thousands before it finds one, and joins become slow long before they fail.
pub fn sources(address: SocketAddr, members: usize, spread: Option<u32>) -> Result<Vec<Ipv4Addr>> {
    let needed = match spread {
        Some(spread) => spread.max(1) as usize,
        None => members.div_ceil(MEMBERS_PER_SOURCE),
    };
    match address.ip() {
        _ if needed == 1 => Ok(Vec::new()),
        IpAddr::V4(ip) if ip.is_loopback() && needed <= SOURCES_MAX => {
            Ok((1..=needed).map(|last| Ipv4Addr::new(127, 0, 0, last as u8)).collect())
        }
        // The kernel may still find ports for them all.
        _ if spread.is_none() => Ok(Vec::new()),
        _ => Err(Error::new(format!("--spread works for IPv4 loopback addresses and up to {SOURCES_MAX} of them"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 7))
    }

    #[test]
    fn no_pair_of_addresses_runs_short_of_ports_in_a_room_of_a_million() {
        // Linux gives connects 28,232 ports of each pair by default; at most half of them are asked for.
        let spread = sources(address(), 1_000_000, None).unwrap();
        assert!(1_000_000 / spread.len() <= 28_232 / 2, "{} addresses", spread.len());
    }

    #[test]
    fn a_large_room_connects_from_several_addresses() {
        assert!(sources(address(), 10_000, None).unwrap().is_empty());
        let spread = sources(address(), 19_000, None).unwrap();
        assert_eq!(spread, [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)]);
        assert_eq!(sources(address(), 10, Some(3)).unwrap().len(), 3);
        let elsewhere = "10.0.0.1:7".parse().unwrap();
        assert!(sources(elsewhere, 10, Some(2)).is_err());
        assert!(sources(elsewhere, 100_000, None).unwrap().is_empty());
    }
}
