//! WebSocket frames (RFC 6455, section 5) as a server reads and writes them. Pure: bytes in, bytes out.
//!
//! [`Decoder`] is given received bytes in pieces of any size. It appends the payload of messages to a buffer of the
//! caller's, says where each message ends, and hands over control frames. What a peer does wrong is a [`Fault`], whose
//! code the peer is sent before the connection is closed. No extension is known: frames are neither compressed nor
//! multiplexed.

mod decoder;
pub mod object;
#[cfg(test)]
mod tests;
mod utf8;

use arrayvec::ArrayVec;

use crate::limits::FRAME_HEADER_BYTES_MAX;

pub use self::decoder::{Decoder, Event, Rules};

/// Most payload bytes of a control frame (RFC 6455, section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// The payload of a control frame.
pub type Control = ArrayVec<u8, CONTROL_BYTES_MAX>;

/// A message's payload: text is valid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
}

/// What a frame is. The numbers are those on the wire; all others are reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte & 0x0f {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What is wrong with what a peer sent. Nothing behind it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A frame that no client may send here.
    Protocol,
    /// A binary message, where only text is taken.
    Binary,
    /// Text, or the reason of a close, that is not UTF-8.
    Utf8,
    /// A message longer than the limit, by what its frames say of themselves.
    TooLong,
}

impl Fault {
    /// The code that the peer is sent (RFC 6455, section 7.4.1).
    pub fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Binary => 1003,
            Self::Utf8 => 1007,
            Self::TooLong => 1009,
        }
    }
}

/// True for codes that may stand in a close frame: those with a meaning that do not stand for a missing frame, and those
/// that libraries and programs choose (RFC 6455, section 7.4, and IANA's registry).
pub fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The header of a whole frame with a payload of `length` bytes.
pub fn header(opcode: Opcode, length: usize) -> ArrayVec<u8, FRAME_HEADER_BYTES_MAX> {
    const FIN: u8 = 0x80;
    let mut header = ArrayVec::new();
    header.push(FIN | opcode as u8);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => header.push(short),
        (_, Ok(medium)) => {
            header.push(126);
            header.extend(medium.to_be_bytes());
        }
        _ => {
            header.push(127);
            header.extend((length as u64).to_be_bytes());
        }
    }
    header
}

/// Appends the answer to a ping with this payload.
pub fn pong(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&header(Opcode::Pong, payload.len()));
    out.extend_from_slice(payload);
}

/// Appends a close frame, or one without a code.
pub fn close(code: Option<u16>, out: &mut Vec<u8>) {
    let code = code.map(u16::to_be_bytes);
    let payload = code.as_ref().map_or(&[][..], |code| code);
    out.extend_from_slice(&header(Opcode::Close, payload.len()));
    out.extend_from_slice(payload);
}
