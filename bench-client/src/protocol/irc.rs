//! IRC (RFC 2812): uproar's IRC door, or any other server.
//!
//! A member registers with a name that no other has, joins the channel once it is registered, and is in when the list of names has
//! ended. A server does not send members their own messages. It cuts lines of more than 512 bytes, its own prefix counted.

use crate::message::{is_slow_down, told_missed};
use crate::protocol::piece::{Piece, take_line};

/// The longest line of a run: with the longest prefix that a server may put before it, it stays below 512 bytes.
pub const LINE_BYTES_MAX: usize = 400;

/// Registered; the list of names has ended; there is no text for newcomers.
const WELCOME: &[u8] = b"001";
const END_OF_NAMES: &[u8] = b"366";
const NO_MOTD: &[u8] = b"422";

/// The name of member `member`, at most nine bytes, which is what some servers allow. `salt` keeps it apart from names of other runs.
pub fn nick(salt: u16, member: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let [high, low] = [salt / 36 % 36, salt % 36].map(|digit| DIGITS[digit as usize] as char);
    format!("b{high}{low}{member:06}")
}

pub(super) fn hello(nick: &str) -> Vec<u8> {
    format!("NICK {nick}\r\nUSER bench 0 * :bench\r\n").into_bytes()
}

pub(super) fn join(room: &str) -> Vec<u8> {
    format!("JOIN #{room}\r\n").into_bytes()
}

pub(super) fn publish_head(room: &str) -> Vec<u8> {
    format!("PRIVMSG #{room} :").into_bytes()
}

pub(super) fn pong(asked: &[u8]) -> Vec<u8> {
    [b"PONG :", asked, b"\r\n"].concat()
}

pub(super) fn next<'b>(room: &str, payload_bytes: usize, bytes: &'b [u8]) -> Option<(Piece<'b>, usize)> {
    let (line, line_bytes) = take_line(bytes)?;
    let piece = message(room, payload_bytes, line).unwrap_or_else(|| other(room, line));
    Some((piece, line_bytes))
}

/// A message whose text has `payload_bytes`: found from its end.
fn message<'b>(room: &str, payload_bytes: usize, line: &'b [u8]) -> Option<Piece<'b>> {
    let (head, payload) = line.split_at_checked(line.len().checked_sub(payload_bytes)?)?;
    let prefix = head.strip_prefix(b":")?.strip_suffix(b" :")?.strip_suffix(room.as_bytes())?;
    let prefix = prefix.strip_suffix(b" PRIVMSG #")?;
    memchr::memchr(b' ', prefix).is_none().then_some(Piece::Message { author: name(prefix), payload })
}

/// The name in a prefix `name!user@host`.
fn name(prefix: &[u8]) -> &[u8] {
    prefix.split(|byte| *byte == b'!').next().unwrap_or(prefix)
}

fn other<'b>(room: &str, line: &'b [u8]) -> Piece<'b> {
    let (prefix, rest) = match line.strip_prefix(b":") {
        Some(line) => word(line),
        None => (&b""[..], line),
    };
    let (command, rest) = word(rest);
    let (target, rest) = word(rest);
    let text = rest.strip_prefix(b":").unwrap_or(rest);
    let is_room = target.strip_prefix(b"#") == Some(room.as_bytes());
    match command {
        b"PING" => Piece::Ping(target.strip_prefix(b":").unwrap_or(target)),
        b"PRIVMSG" if is_room => Piece::Message { author: name(prefix), payload: text },
        b"NOTICE" => match told_missed(text) {
            Some(messages) => Piece::Missed(messages),
            // To this member alone, whatever it is addressed to.
            None if is_slow_down(text) => Piece::Word(text),
            None if is_room => Piece::Presence,
            None => Piece::Word(text),
        },
        b"JOIN" | b"PART" | b"QUIT" | b"NICK" | b"KICK" | b"TOPIC" => Piece::Presence,
        b"MODE" if is_room => Piece::Presence,
        b"MODE" | b"PONG" | b"CAP" => Piece::Nothing,
        b"ERROR" => Piece::Notice(line),
        WELCOME => Piece::Welcomed,
        END_OF_NAMES => Piece::Joined,
        NO_MOTD => Piece::Nothing,
        [b'4' | b'5', second, third] if second.is_ascii_digit() && third.is_ascii_digit() => Piece::Notice(line),
        [first, second, third] if [first, second, third].iter().all(|digit| digit.is_ascii_digit()) => Piece::Nothing,
        _ => Piece::Strange(line),
    }
}

/// The first word, and what stands behind the spaces after it.
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    (&line[..end], line[end..].trim_ascii_start())
}
