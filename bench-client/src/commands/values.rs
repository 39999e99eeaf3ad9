//! Values of options that several commands take: addresses, processors, servers, slow members, and choices.

use std::net::{SocketAddr, ToSocketAddrs};

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::error::Error;
use crate::pinning::Pin;
use crate::plan::Arrival;
use crate::protocol::Protocol;
use crate::quantities::{parse_count, parse_rate};
use crate::reflector::Fault;
use crate::reflector::dialect::Dialect;
use crate::rooms::ROOMS_MAX;
use crate::target::{Also, NODES_MAX, NamedServer};

/// Members that read slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slow {
    pub members: u64,
    pub bytes_per_s: u64,
}

/// `N:BYTES/S`.
pub fn parse_slow(text: &str) -> Result<Slow, String> {
    let slow = text.split_once(':').and_then(|(members, rate)| {
        Some(Slow { members: parse_count(members).ok()?, bytes_per_s: parse_rate(rate).ok()? as u64 })
    });
    slow.ok_or_else(|| format!("{text:?} is no number of slow members; write for example 100:4k/s"))
}

/// How many rooms.
pub fn parse_rooms(text: &str) -> Result<u32, String> {
    let rooms = parse_count(text)?;
    match u32::try_from(rooms) {
        Ok(rooms) if rooms <= ROOMS_MAX => Ok(rooms),
        _ => Err(format!("at most {ROOMS_MAX} rooms")),
    }
}

/// `SERVER,CLIENT`.
pub fn parse_pin(text: &str) -> Result<Pin, String> {
    let processors = text.split_once(',').and_then(|(server, client)| {
        let server = match server.trim() {
            "all" => None,
            number => Some(number.parse().ok()?),
        };
        Some(Pin { server, client: client.trim().parse().ok()? })
    });
    processors.ok_or_else(|| format!("{text:?} are no two processors; write for example 0,1, or all,1"))
}

/// A word that can stand in the name of a folder.
pub fn parse_kind(text: &str) -> Result<String, String> {
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
        true => Ok(text.to_string()),
        false => Err(format!("{text:?} cannot be in the name of a folder: small letters and - can")),
    }
}

/// What is asked for in a request: a path, with what is behind it.
pub fn parse_path(text: &str) -> Result<String, String> {
    match text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_string()),
        false => Err(format!("{text:?} is no path; write for example /chat?room=lobby")),
    }
}

/// An address or a name, with a port; without a host, the loopback address.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let with_host = if text.starts_with(':') { format!("127.0.0.1{text}") } else { text.to_string() };
    let mut addresses = with_host.to_socket_addrs().map_err(|error| format!("{error}; write HOST:PORT"))?;
    addresses.next().ok_or_else(|| format!("{text:?} has no address"))
}

/// How many nodes.
pub fn parse_nodes(text: &str) -> Result<u32, String> {
    let nodes = parse_count(text)?;
    match u32::try_from(nodes) {
        Ok(nodes) if nodes as usize <= NODES_MAX => Ok(nodes),
        _ => Err(format!("at most {NODES_MAX} nodes")),
    }
}

/// `PROTOCOL:N` or `PROTOCOL=ADDR:N`.
pub fn parse_also(text: &str) -> Result<Also, String> {
    let wrong = || format!("{text:?} is no other door; write for example irc=127.0.0.1:6667:900");
    let (door, members) = text.rsplit_once(':').ok_or_else(wrong)?;
    let (protocol, address) = match door.split_once('=') {
        None => (door, None),
        Some((protocol, address)) => (protocol, Some(parse_address(address)?)),
    };
    Ok(Also { protocol: Protocol::from_str(protocol, false)?, address, members: parse_count(members)? })
}

/// `NAME=COMMAND` or `NAME:PROTOCOL=COMMAND`; the name becomes a folder.
pub fn parse_server(text: &str) -> Result<NamedServer, String> {
    let wrong = || {
        Error::new(format!(
            "{text:?} is no NAME=COMMAND; write for example uproar='target/release/uproar serve {{addr}}'"
        ))
    };
    let (name, command) = text.split_once('=').ok_or_else(|| wrong().to_string())?;
    let (name, protocol) = match name.split_once(':') {
        None => (name, Protocol::Uproar),
        Some((name, protocol)) => (name, Protocol::from_str(protocol, false)?),
    };
    let is_plain =
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    if !is_plain || name.starts_with('.') || command.trim().is_empty() {
        return Err(wrong().to_string());
    }
    Ok(NamedServer { name: name.to_string(), protocol, command: command.to_string(), stream_command: None })
}

impl ValueEnum for Arrival {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Fixed, Self::Poisson]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Fixed => PossibleValue::new("fixed").help("Evenly, one interval apart"),
            Self::Poisson => {
                PossibleValue::new("poisson").help("At random, independent of each other, with the same mean")
            }
        })
    }
}

impl ValueEnum for Protocol {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Uproar => "Lines, each behind its author",
            Self::Redis => "Redis publish and subscribe; publishers in RESP3, which lets one connection do both",
            Self::Nats => "NATS core, without echo",
            Self::Mqtt => "MQTT 5, quality of service 0, no local",
            Self::Websocket => "Uproar's web door: a line a frame out, an object a frame in",
            Self::WebsocketPlain => "A bare line a WebSocket frame, in both directions",
            Self::WebsocketNats => "NATS core inside WebSocket frames",
            Self::Irc => "IRC, uproar's door or any other server",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

impl ValueEnum for Dialect {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Lines, Self::Objects, Self::Irc]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Lines => PossibleValue::new("lines").help("Uproar's lines"),
            Self::Objects => {
                PossibleValue::new("objects").help("The objects of uproar's web door, in WebSocket frames")
            }
            Self::Irc => PossibleValue::new("irc").help("IRC"),
        })
    }
}

impl ValueEnum for Fault {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Drop, Self::Duplicate, Self::Swap, Self::Echo, Self::Corrupt, Self::Stray, Self::Tell, Self::Slow]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Drop => "drop",
            Self::Duplicate => "duplicate",
            Self::Swap => "swap",
            Self::Echo => "echo",
            Self::Corrupt => "corrupt",
            Self::Stray => "stray",
            Self::Tell => "tell",
            Self::Slow => "slow",
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_processors() {
        assert_eq!(parse_address(":8888").unwrap().to_string(), "127.0.0.1:8888");
        assert_eq!(parse_address("[::1]:1").unwrap().to_string(), "[::1]:1");
        assert!(parse_address("127.0.0.1").is_err());
        assert_eq!(parse_pin("0,1"), Ok(Pin { server: Some(0), client: 1 }));
        assert_eq!(parse_pin("all,1"), Ok(Pin { server: None, client: 1 }));
        assert!(parse_pin("0").is_err());
    }

    #[test]
    fn another_door_has_members_and_perhaps_an_address() {
        let also = |protocol, address: Option<&str>, members| {
            Ok(Also { protocol, address: address.map(|address| address.parse().unwrap()), members })
        };
        assert_eq!(parse_also("irc=:6667:900"), also(Protocol::Irc, Some("127.0.0.1:6667"), 900));
        assert_eq!(parse_also("websocket:1k"), also(Protocol::Websocket, None, 1000));
        assert!(parse_also("irc").is_err() && parse_also("gopher:900").is_err() && parse_also("irc=:6667:").is_err());
    }

    #[test]
    fn a_kind_is_small_letters() {
        assert_eq!(parse_kind("costs-doors").unwrap(), "costs-doors");
        assert!(parse_kind("").is_err() && parse_kind("../x").is_err());
    }

    #[test]
    fn a_path_begins_with_a_slash() {
        assert_eq!(parse_path("/chat?room=a").unwrap(), "/chat?room=a");
        assert!(parse_path("chat").is_err() && parse_path("/a b").is_err());
    }

    #[test]
    fn a_server_has_a_name_that_can_be_a_folder() {
        let server = parse_server("uproar-uring=bin/uproar serve {addr} --x=y").unwrap();
        assert_eq!((server.name.as_str(), server.command.as_str()), ("uproar-uring", "bin/uproar serve {addr} --x=y"));
        let peer = parse_server("redis-7:redis=redis-server --port {port}").unwrap();
        assert_eq!((peer.name.as_str(), peer.protocol), ("redis-7", Protocol::Redis));
        for wrong in ["", "uproar", "a:b=x", "=x", "a/b=x", "..=x", "a= "] {
            assert!(parse_server(wrong).is_err(), "{wrong}");
        }
    }
}
