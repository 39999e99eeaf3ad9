//! Where a server listens: at one address, or at one for each of its doors; and where the other nodes of its cluster do.
//!
//! The command that starts it has `{addr}` or `{port}` for the first, and `{web}` and `{irc}` for the others.

use std::net::SocketAddr;

use crate::error::Result;
use crate::protocol::Protocol;
use crate::server_process::free_addresses;

/// The doors that a command can name beside the first, and what is spoken there.
const OTHERS: [(&str, Protocol); 2] = [("{web}", Protocol::Websocket), ("{irc}", Protocol::Irc)];

/// The addresses of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    pub first: SocketAddr,
    /// Of the other nodes.
    pub nodes: Vec<SocketAddr>,
    others: Vec<(&'static str, Protocol, SocketAddr)>,
}

impl Addresses {
    /// Those of a server that has the first alone.
    pub fn only(first: SocketAddr) -> Self {
        Self { first, nodes: Vec::new(), others: Vec::new() }
    }

    /// Addresses for what `command` names on which nobody listens; the first may be given.
    pub fn for_command(command: &str, first: Option<SocketAddr>) -> Result<Self> {
        let named = OTHERS.into_iter().filter(|(place, _)| command.contains(place));
        let free = free_addresses(OTHERS.len() + 1)?;
        let others = named.zip(&free[1..]).map(|((place, protocol), address)| (place, protocol, *address));
        Ok(Self { first: first.unwrap_or(free[0]), nodes: Vec::new(), others: others.collect() })
    }

    /// `command` with every door but the first filled in.
    pub fn fill(&self, command: &str) -> String {
        let fill = |command: String, (place, _, address): &(&str, Protocol, SocketAddr)| {
            command.replace(place, &address.to_string())
        };
        self.others.iter().fold(command.to_string(), fill)
    }

    /// Where members go that speak `protocol`: to a door of theirs if the command named one, else to the first.
    pub fn of(&self, protocol: Protocol) -> SocketAddr {
        self.others.iter().find(|(_, spoken, _)| *spoken == protocol).map_or(self.first, |(.., address)| *address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_an_address_for_each_door_that_it_names() {
        let command = "uproar serve {addr} --irc {irc} --web {web}";
        let addresses = Addresses::for_command(command, None).unwrap();
        let (web, irc) = (addresses.of(Protocol::Websocket), addresses.of(Protocol::Irc));
        assert!(addresses.first != web && web != irc && irc != addresses.first);
        assert_eq!(addresses.of(Protocol::Uproar), addresses.first);
        assert_eq!(addresses.fill(command), format!("uproar serve {{addr}} --irc {irc} --web {web}"));
        let only = Addresses::for_command("ngircd {port}", Some("127.0.0.1:7".parse().unwrap())).unwrap();
        assert_eq!((only.of(Protocol::Irc), only.first), (only.first, "127.0.0.1:7".parse().unwrap()));
    }
}
