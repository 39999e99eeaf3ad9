//! What a run speaks with its server: uproar's lines, or the protocol of a peer that it is measured beside.
//!
//! One file a protocol says how a member enters the room, how a message is published, and what the front of a received
//! stream is. Here is what they share: a delivery of a run has the same bytes around its payload every time, so it is
//! recognised by one comparison, and only what is something else goes to the protocol's own parser.
//!
//! The payload is the same everywhere: the line of `message.rs` without its newline, as a peer's framing ends it. Most peers
//! name no author, so their deliveries are shorter than uproar's by that; the header says who published. Where the server writes
//! an author or a number before the payload a delivery has not the same bytes every time, and the protocol's parser finds it.
//!
//! WebSocket is a layer of its own: its frames carry uproar's objects, bare lines or a stream of NATS.
//!
//! Pure: no sockets and no clock. A parser is handed the stream from a boundary on and says what comes first and how long
//! it is, or that more bytes are needed; who keeps the bytes is the engine's business.

pub mod irc;
mod mqtt;
mod nats;
mod objects;
pub mod piece;
mod redis;
pub mod uproar;
pub mod websocket;

use std::time::Duration;

use crate::message::{Format, Header};
use crate::protocol::piece::{LOBBY, Piece, ROOM};

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
    /// Uproar's web door: a line a frame out, an object a frame in.
    Websocket,
    /// A bare line a frame, in both directions.
    WebsocketPlain,
    /// NATS core inside binary frames.
    WebsocketNats,
    /// IRC.
    Irc,
}

/// What carries the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carrier {
    /// The stream itself.
    Stream,
    /// A WebSocket frame for each, with this opcode.
    Frame(u8),
    /// A stream in WebSocket frames, however it is divided among them.
    StreamInFrames,
}

impl Protocol {
    pub const ALL: [Self; 8] = [
        Self::Uproar,
        Self::Redis,
        Self::Nats,
        Self::Mqtt,
        Self::Websocket,
        Self::WebsocketPlain,
        Self::WebsocketNats,
        Self::Irc,
    ];

    /// Its name in options and in what is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uproar => "uproar",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Mqtt => "mqtt",
            Self::Websocket => "websocket",
            Self::WebsocketPlain => "websocket-plain",
            Self::WebsocketNats => "websocket-nats",
            Self::Irc => "irc",
        }
    }

    /// True where all members of a room are promised the messages of all publishers in the same order.
    pub fn keeps_one_order(self) -> bool {
        !matches!(self, Self::Nats | Self::WebsocketNats)
    }

    /// True exactly when a publisher is sent its own messages too, which it then leaves out of account.
    pub fn echoes(self) -> bool {
        self == Self::Redis
    }

    /// True where every delivery of a run has as many bytes as the others of the same publisher, whatever its number is.
    pub fn has_one_length(self) -> bool {
        !matches!(self, Self::Websocket | Self::Irc)
    }

    /// True where the server calls a member by a name, and says it with what the member says.
    pub fn names_authors(self) -> bool {
        matches!(self, Self::Uproar | Self::Websocket | Self::Irc)
    }

    /// True where frames are to be taken off before there is a stream to be parsed.
    pub fn streams_in_frames(self) -> bool {
        self.carrier() == Carrier::StreamInFrames
    }

    fn carrier(self) -> Carrier {
        match self {
            Self::Websocket | Self::WebsocketPlain => Carrier::Frame(websocket::TEXT),
            Self::WebsocketNats => Carrier::StreamInFrames,
            Self::Uproar | Self::Redis | Self::Nats | Self::Mqtt | Self::Irc => Carrier::Stream,
        }
    }

    /// The room of a run in which members ask for none.
    fn first_room(self) -> &'static str {
        if matches!(self, Self::Websocket | Self::Irc) { LOBBY } else { ROOM }
    }
}

/// A protocol with the lengths of one run, in one room.
#[derive(Debug, Clone)]
pub struct Wire {
    pub protocol: Protocol,
    payload_bytes: usize,
    /// What members ask for to get into the room; None where they need not, or where it is the only one.
    room: Option<String>,
    /// What members of WebSockets ask for; None for what uproar and most others have.
    path: Option<String>,
    /// Keeps names that members choose apart from those of other runs.
    salt: u16,
    /// What stands before and behind the payload of a delivery, as a listener receives it. Nothing stands there where it is not the
    /// same every time.
    delivery_head: Vec<u8>,
    delivery_end: &'static [u8],
    /// The same as a publisher sends it, without the header of a frame.
    publish_head: Vec<u8>,
    publish_end: &'static [u8],
    /// The header of a frame of a publisher.
    frame_head: Vec<u8>,
}

impl Wire {
    /// For lines of `line_bytes`, newline included, in the room of that name.
    pub fn new(protocol: Protocol, line_bytes: usize, room: Option<String>) -> Self {
        let payload_bytes = line_bytes - 1;
        let name = room.as_deref().unwrap_or(protocol.first_room());
        let (delivery_head, publish_head, end): (_, _, &'static [u8]) = match protocol {
            Protocol::Uproar => (Vec::new(), Vec::new(), b"\n"),
            Protocol::Redis => {
                (redis::delivery_head(name, payload_bytes), redis::publish_head(name, payload_bytes), b"\r\n")
            }
            Protocol::Nats | Protocol::WebsocketNats => {
                (nats::delivery_head(name, payload_bytes), nats::publish_head(name, payload_bytes), b"\r\n")
            }
            Protocol::Mqtt => (mqtt::publish_head(name, payload_bytes), mqtt::publish_head(name, payload_bytes), b""),
            Protocol::Websocket => (Vec::new(), Vec::new(), b""),
            Protocol::WebsocketPlain => (websocket::header(websocket::TEXT, payload_bytes), Vec::new(), b""),
            Protocol::Irc => (Vec::new(), irc::publish_head(name), b"\r\n"),
        };
        let published_bytes = publish_head.len() + payload_bytes + end.len();
        let frame_head = match protocol.carrier() {
            Carrier::Stream => Vec::new(),
            Carrier::Frame(opcode) => websocket::masked_header(opcode, published_bytes),
            Carrier::StreamInFrames => websocket::masked_header(websocket::BINARY, published_bytes),
        };
        Self {
            protocol,
            payload_bytes,
            room,
            path: None,
            salt: 0,
            delivery_head,
            delivery_end: end,
            publish_head,
            publish_end: end,
            frame_head,
        }
    }

    /// The same where members of WebSockets ask for `path`, and `salt` keeps names apart from those of other runs.
    pub fn with(self, path: Option<String>, salt: u16) -> Self {
        Self { path, salt, ..self }
    }

    /// What member `member` sends as soon as it is connected; nothing where connecting is joining.
    pub fn hello(&self, member: usize, publishes: bool) -> Vec<u8> {
        match self.protocol {
            Protocol::Uproar => Vec::new(),
            Protocol::Redis => redis::hello(self.room(), publishes),
            Protocol::Nats => nats::hello(self.room()),
            Protocol::Mqtt => mqtt::hello(self.room(), member),
            Protocol::Websocket | Protocol::WebsocketPlain | Protocol::WebsocketNats => {
                websocket::request(&self.path())
            }
            Protocol::Irc => irc::hello(&self.nick(member)),
        }
    }

    /// The name of the room, where everything has one.
    fn room(&self) -> &str {
        self.room.as_deref().unwrap_or(self.protocol.first_room())
    }

    fn path(&self) -> String {
        match (&self.path, self.protocol) {
            (Some(path), _) => path.clone(),
            (None, Protocol::Websocket) => format!("/ws?room={}", self.room()),
            (None, _) => "/".to_string(),
        }
    }

    /// The name that `member` chooses, where members choose one.
    pub fn nick(&self, member: usize) -> String {
        irc::nick(self.salt, member)
    }

    /// What a member sends once it is welcomed, if that does not bring it into the room yet.
    pub fn join(&self) -> Option<Vec<u8>> {
        match self.protocol {
            Protocol::Uproar => self.room.as_deref().map(uproar::join),
            Protocol::WebsocketNats => Some(websocket::masked(websocket::BINARY, &nats::hello(self.room()))),
            Protocol::Irc => Some(irc::join(self.room())),
            Protocol::Redis | Protocol::Nats | Protocol::Mqtt | Protocol::Websocket | Protocol::WebsocketPlain => None,
        }
    }

    /// Where in `bytes`, which begin at a line, the server confirms that a member that sent [`Self::join`] is in the room.
    pub fn confirmation(&self, bytes: &[u8]) -> Option<usize> {
        uproar::confirmation_of(self.room(), bytes)
    }

    /// The answer to [`Piece::Ping`] with `asked` in it.
    pub fn pong(&self, asked: &[u8]) -> Vec<u8> {
        match self.protocol {
            Protocol::Nats => nats::PONG.to_vec(),
            Protocol::Websocket | Protocol::WebsocketPlain => websocket::pong(asked),
            Protocol::WebsocketNats => websocket::masked(websocket::BINARY, nats::PONG),
            Protocol::Irc => irc::pong(asked),
            Protocol::Uproar | Protocol::Redis | Protocol::Mqtt => Vec::new(),
        }
    }

    /// See [`Protocol::echoes`].
    pub fn echoes(&self) -> bool {
        self.protocol.echoes()
    }

    /// The room is not quiet before this long after the last join, whatever was heard.
    pub fn settle_min(&self) -> Duration {
        match self.protocol {
            Protocol::Nats | Protocol::WebsocketNats => nats::SETTLE_MIN,
            _ => Duration::ZERO,
        }
    }

    /// Bytes of one delivery to a listener, an author's left out. Of a stream in frames, without the headers of these, of which there is
    /// one for many deliveries; where a delivery has not the same bytes every time, only what is known.
    pub fn delivery_bytes(&self) -> usize {
        self.delivery_head.len() + self.payload_bytes + self.delivery_end.len()
    }

    /// Appends to `out` what publishes the message of `header`.
    pub fn publish(&self, format: &Format, header: Header, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.frame_head);
        let start = out.len();
        out.extend_from_slice(&self.publish_head);
        format.encode(header, out);
        if self.protocol != Protocol::Uproar {
            out.pop();
            out.extend_from_slice(self.publish_end);
        }
        if !self.frame_head.is_empty() {
            websocket::mask(&mut out[start..]);
        }
    }

    /// What `bytes`, which begin at a boundary, begin with, and how long that is; `None` until more bytes have come. Of a stream in
    /// frames, these were taken off. Not for uproar's lines, which are cut out where they lie.
    pub fn next<'b>(&self, bytes: &'b [u8]) -> Option<(Piece<'b>, usize)> {
        let head = self.delivery_head.len();
        let length = self.delivery_bytes();
        if head > 0
            && bytes.len() >= length
            && bytes[..head] == self.delivery_head[..]
            && bytes[head + self.payload_bytes..length] == *self.delivery_end
        {
            return Some((Piece::unsigned(&bytes[head..head + self.payload_bytes]), length));
        }
        match self.protocol {
            Protocol::Uproar => unreachable!("lines are cut out by the engine"),
            Protocol::Redis => redis::next(self.room(), bytes),
            Protocol::Nats => nats::next(self.room(), bytes),
            Protocol::Mqtt => mqtt::next(self.room(), bytes),
            Protocol::Websocket => {
                let content = |object: &'b [u8]| objects::piece(object, self.room(), self.payload_bytes);
                websocket::next(bytes, Piece::Nothing, content)
            }
            Protocol::WebsocketPlain => websocket::next(bytes, Piece::Welcomed, Piece::unsigned),
            Protocol::WebsocketNats => websocket::upgraded(bytes).unwrap_or_else(|| nats::next(self.room(), bytes)),
            Protocol::Irc => irc::next(self.room(), self.payload_bytes, bytes),
        }
    }
}

#[cfg(test)]
mod tests;
