//! Redis publish and subscribe, over RESP.
//!
//! A listener says `SUBSCRIBE room` in RESP2, as most clients do, and is in when that is confirmed. RESP2 forbids a
//! subscribed connection to publish; a publisher therefore speaks RESP3 (`HELLO 3`), so that a member that talks is one
//! connection here as it is with uproar, and not two. Redis sends it its own messages, one delivery more a message than
//! uproar makes, and that cannot be turned off; they are left out of account. `CLIENT REPLY OFF` spares redis the reply to
//! each `PUBLISH`, which nobody waits for.
//!
//! The protocol: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use crate::protocol::piece::{Piece, number, take_line};

/// Values nested deeper than this are no answer of redis to anything said here.
const DEPTH_MAX: usize = 4;

pub(super) fn hello(room: &str, publishes: bool) -> Vec<u8> {
    let subscribe = command(&["SUBSCRIBE", room]);
    match publishes {
        false => subscribe,
        true => [command(&["HELLO", "3"]), subscribe, command(&["CLIENT", "REPLY", "OFF"])].concat(),
    }
}

fn command(words: &[&str]) -> Vec<u8> {
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    let count = words.matches('$').count();
    format!("*{count}\r\n{words}").into_bytes()
}

pub(super) fn publish_head(room: &str, payload_bytes: usize) -> Vec<u8> {
    format!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{room}\r\n${payload_bytes}\r\n", room.len()).into_bytes()
}

pub(super) fn delivery_head(room: &str, payload_bytes: usize) -> Vec<u8> {
    format!("*3\r\n$7\r\nmessage\r\n${}\r\n{room}\r\n${payload_bytes}\r\n", room.len()).into_bytes()
}

pub(super) fn next<'b>(room: &str, bytes: &'b [u8]) -> Option<(Piece<'b>, usize)> {
    let Ok(length) = value_bytes(bytes, 0)? else { return Some((Piece::Strange(bytes), bytes.len())) };
    let value = &bytes[..length];
    let piece = match bytes[0] {
        b'-' => Piece::Notice(take_line(value)?.0),
        // An array to a listener, a push to a publisher.
        b'*' | b'>' => match strings(value).as_deref() {
            Some([b"message", channel, payload]) if *channel == room.as_bytes() => Piece::unsigned(payload),
            Some([b"subscribe", channel, ..]) if *channel == room.as_bytes() => Piece::Joined,
            _ => Piece::Strange(value),
        },
        _ => Piece::Nothing,
    };
    Some((piece, length))
}

/// Length of the value that `bytes` begin with; `None` if it is not all there, `Some(Err)` if it is no value.
fn value_bytes(bytes: &[u8], depth: usize) -> Option<Result<usize, ()>> {
    let (line, line_bytes) = take_line(bytes)?;
    let [kind, rest @ ..] = line else { return Some(Err(())) };
    let items = match kind {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => return Some(Ok(line_bytes)),
        b'$' | b'=' => {
            let Some(length) = number(rest) else {
                // A length of -1 is a null.
                return Some(if rest == b"-1" { Ok(line_bytes) } else { Err(()) });
            };
            let end = line_bytes + length + 2;
            return match bytes.get(end - 2..end) {
                Some(b"\r\n") => Some(Ok(end)),
                Some(_) => Some(Err(())),
                None => None,
            };
        }
        b'*' | b'>' | b'~' => number(rest),
        b'%' => number(rest).map(|pairs| 2 * pairs),
        _ => None,
    };
    let Some(items) = items.filter(|_| depth < DEPTH_MAX) else { return Some(Err(())) };
    let mut end = line_bytes;
    for _ in 0..items {
        match value_bytes(&bytes[end..], depth + 1)? {
            Ok(length) => end += length,
            Err(()) => return Some(Err(())),
        }
    }
    Some(Ok(end))
}

/// The items of a whole array or push as far as they are strings; the number behind a confirmation is none.
fn strings(value: &[u8]) -> Option<Vec<&[u8]>> {
    let (_, mut at) = take_line(value)?;
    let mut items = Vec::new();
    while at < value.len() {
        let (line, line_bytes) = take_line(&value[at..])?;
        let Some(length) = line.strip_prefix(b"$").and_then(number) else { break };
        at += line_bytes;
        items.push(value.get(at..at + length)?);
        at += length + 2;
    }
    Some(items)
}
