//! NATS core: text commands, no acknowledgements (`verbose:false`).
//!
//! A member connects with `echo:false`, so that its own messages are not sent back to it, subscribes, and asks with a
//! `PING` whether that is done: it is in when the `PONG` comes. Publishers use the same connection. NATS keeps the order of
//! each publisher and promises none between publishers.
//!
//! The protocol: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use std::time::Duration;

use crate::protocol::piece::{Piece, number, take_line};

pub(super) const PONG: &[u8] = b"PONG\r\n";
/// The server measures the round trip with a `PING` of its own some 2 s after a connect. It is waited for, so that it
/// falls into no measurement and into no count of bytes.
pub(super) const SETTLE_MIN: Duration = Duration::from_secs(3);

/// Number of the one subscription of a member.
const SUBSCRIPTION: &str = "1";

pub(super) fn hello(room: &str) -> Vec<u8> {
    let options = r#"{"verbose":false,"pedantic":false,"echo":false,"lang":"rust","version":"0","protocol":1}"#;
    format!("CONNECT {options}\r\nSUB {room} {SUBSCRIPTION}\r\nPING\r\n").into_bytes()
}

pub(super) fn publish_head(room: &str, payload_bytes: usize) -> Vec<u8> {
    format!("PUB {room} {payload_bytes}\r\n").into_bytes()
}

pub(super) fn delivery_head(room: &str, payload_bytes: usize) -> Vec<u8> {
    format!("MSG {room} {SUBSCRIPTION} {payload_bytes}\r\n").into_bytes()
}

pub(super) fn next<'b>(room: &str, bytes: &'b [u8]) -> Option<(Piece<'b>, usize)> {
    let (line, line_bytes) = take_line(bytes)?;
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let piece = match words.next().unwrap_or_default() {
        b"MSG" => return message(room, bytes, line_bytes, &words.collect::<Vec<_>>()),
        b"PONG" => Piece::Joined,
        b"PING" => Piece::Ping(b""),
        b"INFO" | b"+OK" => Piece::Nothing,
        b"-ERR" => Piece::Notice(line),
        _ => Piece::Strange(line),
    };
    Some((piece, line_bytes))
}

/// A `MSG` with `words` behind it: subject, subscription, a reply subject or none, length of the payload.
fn message<'a>(room: &str, bytes: &'a [u8], line_bytes: usize, words: &[&[u8]]) -> Option<(Piece<'a>, usize)> {
    let strange = Some((Piece::Strange(&bytes[..line_bytes]), line_bytes));
    let [subject, subscription, .., length] = words else { return strange };
    let Some(length) = number(length) else { return strange };
    let end = line_bytes + length + 2;
    let piece = &bytes.get(..end)?;
    let payload = &piece[line_bytes..end - 2];
    let known = *subject == room.as_bytes() && *subscription == SUBSCRIPTION.as_bytes() && piece.ends_with(b"\r\n");
    Some((if known { Piece::unsigned(payload) } else { Piece::Strange(piece) }, end))
}
