//! What a run speaks with its server: uproar's lines, or the protocol of a peer that it is measured beside.
//!
//! One file a protocol says how a member enters the room, how a message is published, and what the front of a received
//! stream is. Here is what they share: a delivery of a run has the same bytes around its payload every time, so it is
//! recognised by one comparison, and only what is something else goes to the protocol's own parser.
//!
//! The payload is the same everywhere: the line of `message.rs` without its newline, as a peer's framing ends it. Peers
//! name no author, so their deliveries are shorter than uproar's by that; the header says who published.
//!
//! Pure: no sockets and no clock. A parser is handed the stream from a boundary on and says what comes first and how long
//! it is, or that more bytes are needed; who keeps the bytes is the engine's business.

mod mqtt;
mod nats;
pub mod piece;
mod redis;
pub mod uproar;

use std::time::Duration;

use crate::message::{Format, Header};
use crate::protocol::piece::{Piece, ROOM};

/// What a server speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Lines, each behind its author.
    #[default]
    Uproar,
    /// Redis publish and subscribe; publishers in RESP3, which lets one connection do both.
    Redis,
    /// NATS core, without echo.
    Nats,
    /// MQTT 5, quality of service 0, no local.
    Mqtt,
}

impl Protocol {
    /// True where all members of a room are promised the messages of all publishers in the same order.
    pub fn keeps_one_order(self) -> bool {
        self != Self::Nats
    }

    /// True exactly when a publisher is sent its own messages too, which it then leaves out of account.
    pub fn echoes(self) -> bool {
        self == Self::Redis
    }
}

/// A protocol with the lengths of one run, in one room.
#[derive(Debug, Clone)]
pub struct Wire {
    pub protocol: Protocol,
    payload_bytes: usize,
    /// What members ask for to get into the room; None where they need not, or where it is the only one.
    room: Option<String>,
    /// What stands before and behind the payload of a delivery, as a listener receives it.
    delivery_head: Vec<u8>,
    delivery_end: &'static [u8],
    /// The same as a publisher sends it.
    publish_head: Vec<u8>,
    publish_end: &'static [u8],
}

impl Wire {
    /// For lines of `line_bytes`, newline included, in the room of that name.
    pub fn new(protocol: Protocol, line_bytes: usize, room: Option<String>) -> Self {
        let payload_bytes = line_bytes - 1;
        let name = room.as_deref().unwrap_or(ROOM);
        let (delivery_head, publish_head, end): (_, _, &'static [u8]) = match protocol {
            Protocol::Uproar => (Vec::new(), Vec::new(), b"\n"),
            Protocol::Redis => {
                (redis::delivery_head(name, payload_bytes), redis::publish_head(name, payload_bytes), b"\r\n")
            }
            Protocol::Nats => {
                (nats::delivery_head(name, payload_bytes), nats::publish_head(name, payload_bytes), b"\r\n")
            }
            Protocol::Mqtt => (mqtt::publish_head(name, payload_bytes), mqtt::publish_head(name, payload_bytes), b""),
        };
        Self { protocol, payload_bytes, room, delivery_head, delivery_end: end, publish_head, publish_end: end }
    }

    /// What member `member` sends as soon as it is connected; nothing where connecting is joining.
    pub fn hello(&self, member: usize, publishes: bool) -> Vec<u8> {
        match self.protocol {
            Protocol::Uproar => Vec::new(),
            Protocol::Redis => redis::hello(self.room(), publishes),
            Protocol::Nats => nats::hello(self.room()),
            Protocol::Mqtt => mqtt::hello(self.room(), member),
        }
    }

    /// The name of the room, where everything has one.
    fn room(&self) -> &str {
        self.room.as_deref().unwrap_or(ROOM)
    }

    /// What a member sends once it is welcomed, if that does not bring it into the room yet.
    pub fn join(&self) -> Option<Vec<u8>> {
        let room = self.room.as_deref().filter(|_| self.protocol == Protocol::Uproar)?;
        Some(uproar::join(room))
    }

    /// Where in `bytes`, which begin at a line, the server confirms that a member that sent [`Self::join`] is in the room.
    pub fn confirmation(&self, bytes: &[u8]) -> Option<usize> {
        uproar::confirmation_of(self.room(), bytes)
    }

    /// The answer to [`Piece::Ping`].
    pub fn pong(&self) -> &'static [u8] {
        match self.protocol {
            Protocol::Nats => nats::PONG,
            Protocol::Uproar | Protocol::Redis | Protocol::Mqtt => b"",
        }
    }

    /// See [`Protocol::echoes`].
    pub fn echoes(&self) -> bool {
        self.protocol.echoes()
    }

    /// The room is not quiet before this long after the last join, whatever was heard.
    pub fn settle_min(&self) -> Duration {
        match self.protocol {
            Protocol::Nats => nats::SETTLE_MIN,
            Protocol::Uproar | Protocol::Redis | Protocol::Mqtt => Duration::ZERO,
        }
    }

    /// Bytes of one delivery to a listener, an author's left out.
    pub fn delivery_bytes(&self) -> usize {
        self.delivery_head.len() + self.payload_bytes + self.delivery_end.len()
    }

    /// Appends to `out` what publishes the message of `header`.
    pub fn publish(&self, format: &Format, header: Header, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.publish_head);
        format.encode(header, out);
        if self.protocol != Protocol::Uproar {
            out.pop();
            out.extend_from_slice(self.publish_end);
        }
    }

    /// What `bytes`, which begin at a boundary, begin with, and how long that is; `None` until more bytes have come.
    /// Not for uproar, whose lines are cut out where they lie.
    pub fn next<'b>(&self, bytes: &'b [u8]) -> Option<(Piece<'b>, usize)> {
        let head = self.delivery_head.len();
        let length = self.delivery_bytes();
        if bytes.len() >= length
            && bytes[..head] == self.delivery_head[..]
            && bytes[head + self.payload_bytes..length] == *self.delivery_end
        {
            return Some((Piece::Message(&bytes[head..head + self.payload_bytes]), length));
        }
        match self.protocol {
            Protocol::Uproar => unreachable!("lines are cut out by the engine"),
            Protocol::Redis => redis::next(self.room(), bytes),
            Protocol::Nats => nats::next(self.room(), bytes),
            Protocol::Mqtt => mqtt::next(self.room(), bytes),
        }
    }
}

#[cfg(test)]
mod tests;
