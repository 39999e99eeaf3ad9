//! MQTT 5 at quality of service 0, which is at most once, as all others here.
//!
//! A member connects clean, without keep-alive, and subscribes with *no local*, so that its own messages are not sent back
//! to it; it is in when the subscription is acknowledged. Publishers use the same connection.
//!
//! The protocol: <https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html>.

use crate::protocol::piece::Piece;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
/// The lower bits are prescribed.
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PINGRESP: u8 = 0xd0;
const DISCONNECT: u8 = 0xe0;

const VERSION: u8 = 5;
const CLEAN_START: u8 = 0x02;
const NO_LOCAL: u8 = 0x04;
/// Reason codes from here on are failures.
const FAILURE: u8 = 0x80;

pub(super) fn hello(room: &str, member: usize) -> Vec<u8> {
    let mut connect = string("MQTT");
    // Version, flags, two bytes of keep-alive, no properties.
    connect.extend_from_slice(&[VERSION, CLEAN_START, 0, 0, 0]);
    connect.extend(string(&format!("m{member}")));
    // Packet 1, no properties.
    let mut subscribe = vec![0, 1, 0];
    subscribe.extend(string(room));
    subscribe.push(NO_LOCAL);
    [packet(CONNECT, &connect), packet(SUBSCRIBE, &subscribe)].concat()
}

/// The same in both directions: no properties, no packet number.
pub(super) fn publish_head(room: &str, payload_bytes: usize) -> Vec<u8> {
    let mut variable = string(room);
    variable.push(0);
    let mut head = vec![PUBLISH];
    push_length(variable.len() + payload_bytes, &mut head);
    head.extend(variable);
    head
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    push_length(body.len(), &mut packet);
    packet.extend_from_slice(body);
    packet
}

/// Seven bits a byte, the lowest first; the upper bit says that another follows.
fn push_length(mut length: usize, out: &mut Vec<u8>) {
    while length > 0x7f {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// A length of at most four bytes and how many they are; `None` if they are not all there, `Some(Err)` if there are more.
fn take_length(bytes: &[u8]) -> Option<Result<(usize, usize), ()>> {
    let mut length = 0;
    for (at, byte) in (0..4).zip(bytes) {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some(Ok((length, at + 1)));
        }
    }
    (bytes.len() >= 4).then_some(Err(()))
}

pub(super) fn next<'b>(room: &str, bytes: &'b [u8]) -> Option<(Piece<'b>, usize)> {
    let (&kind, rest) = bytes.split_first()?;
    let Ok((length, length_bytes)) = take_length(rest)? else { return Some((Piece::Strange(bytes), bytes.len())) };
    let end = 1 + length_bytes + length;
    let body = bytes.get(1 + length_bytes..end)?;
    let strange = Piece::Strange(&bytes[..end]);
    let piece = match kind {
        PUBLISH => payload(room, body).map_or(strange, Piece::unsigned),
        // Flags, then the reason.
        CONNACK => match body {
            [_, reason, ..] if *reason < FAILURE => Piece::Nothing,
            _ => Piece::Notice(&bytes[..end]),
        },
        SUBACK => match body.last() {
            Some(reason) if *reason < FAILURE => Piece::Joined,
            _ => Piece::Notice(&bytes[..end]),
        },
        DISCONNECT => Piece::Notice(&bytes[..end]),
        PINGRESP => Piece::Nothing,
        _ => strange,
    };
    Some((piece, end))
}

/// What stands behind the topic, if that is the room, and the properties.
fn payload<'b>(room: &str, body: &'b [u8]) -> Option<&'b [u8]> {
    let rest = body.strip_prefix(string(room).as_slice())?;
    let (properties, length_bytes) = take_length(rest)?.ok()?;
    rest.get(length_bytes + properties..)
}
