//! The wire: bytes to lines, and messages and notices to bytes. Pure: no I/O, no clock, and no state except that of the
//! splitter and of a connection's first bytes.
//!
//! A line is the bytes before a line feed, without one carriage return directly before it. The splitter gives the same
//! lines however the bytes were cut into chunks. `text` is the format of the original, `sanitise` makes a line safe for
//! any terminal, `foreign` recognises peers that speak another protocol.

pub mod command;
pub mod foreign;
#[cfg(test)]
pub mod framed;
pub mod http;
pub mod irc;
pub mod json;
pub mod proxy;
pub mod sanitise;
pub mod text;
pub mod websocket;

use std::io::{self, Write};

use crate::limits::{
    IRC_EVENT_BYTES_MAX, JSON_PREFIX_BYTES_MAX, irc_bytes_max, rendered_bytes_max, rendered_bytes_max_of_all,
    sanitised_bytes_max,
};
use crate::message::{Body, Message, Notice};
use crate::names::{Name, RoomName};
use crate::room::log::Entry;

pub use self::foreign::{Foreign, Opening, Verdict};
pub use self::sanitise::{is_hidden, sanitise};

/// A format of messages and notices. A room has one feed for each that its members read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Text,
    /// One object a line, for programs.
    Json,
    /// The same objects, each in a text frame.
    WebSocket,
    /// Lines of IRC.
    Irc,
    /// The same, each with its time in front.
    IrcTime,
    /// Frames with a header, whose bytes may be line feeds.
    #[cfg(test)]
    Framed,
}

impl Encoding {
    /// Writes a message, whose text must be sanitised for all encodings but the text format. False, and nothing to send,
    /// when no byte of it is visible.
    pub fn message(self, message: &Message<'_>, out: &mut impl Write) -> io::Result<bool> {
        match self {
            Self::Text => text::message(message, out),
            Self::Json => json::message(message, out).map(|()| true),
            Self::WebSocket => websocket::object::message(message, out).map(|()| true),
            Self::Irc => irc::message(message, false, out).map(|()| true),
            Self::IrcTime => irc::message(message, true, out).map(|()| true),
            #[cfg(test)]
            Self::Framed => framed::message(message, out),
        }
    }

    /// True for formats of objects, in which programs are told more than people.
    pub fn is_for_programs(self) -> bool {
        matches!(self, Self::Json | Self::WebSocket)
    }

    /// True for lines of IRC.
    pub fn is_irc(self) -> bool {
        matches!(self, Self::Irc | Self::IrcTime)
    }

    /// The most bytes that any message can take whose text has at most `line_bytes`.
    pub fn bytes_max(self, line_bytes: usize) -> usize {
        match self {
            Self::Text => rendered_bytes_max(line_bytes),
            Self::Json | Self::WebSocket => rendered_bytes_max_of_all(line_bytes),
            Self::Irc | Self::IrcTime => irc_bytes_max(sanitised_bytes_max(line_bytes)).max(IRC_EVENT_BYTES_MAX),
            #[cfg(test)]
            Self::Framed => rendered_bytes_max(line_bytes),
        }
    }

    /// The most bytes that a message can take.
    pub fn message_bytes_max(self, body: &Body<'_>) -> usize {
        match self {
            Self::Text => text::message_bytes_max(body),
            Self::Json => json::message_bytes_max(body),
            Self::WebSocket => websocket::object::message_bytes_max(body),
            Self::Irc | Self::IrcTime => irc::message_bytes_max(body),
            #[cfg(test)]
            Self::Framed => framed::message_bytes_max(body),
        }
    }

    /// Bytes that a line will take if nothing of it is dropped or replaced.
    pub fn line_bytes_expected(self, name: Name, text: &[u8]) -> usize {
        match self {
            Self::Text => text::line_bytes_expected(name, text),
            Self::Json | Self::WebSocket => JSON_PREFIX_BYTES_MAX + text.len(),
            Self::Irc => irc::line_bytes_expected(name, text, false),
            Self::IrcTime => irc::line_bytes_expected(name, text, true),
            #[cfg(test)]
            Self::Framed => framed::HEADER_BYTES + text.len(),
        }
    }
}

/// For whom something is written that one peer alone is sent.
#[derive(Clone, Copy, Debug)]
pub struct Addressee {
    pub encoding: Encoding,
    /// What it is called, where it is called something.
    pub name: Option<Name>,
    /// The room that it is in, where that matters.
    pub room: Option<RoomName>,
}

impl Addressee {
    /// Somebody of whom no more than the format is known.
    pub fn unknown(encoding: Encoding) -> Self {
        Self { encoding, name: None, room: None }
    }

    /// Writes a notice.
    pub fn notice(&self, notice: Notice<'_>, out: &mut Vec<u8>) {
        let written = match self.encoding {
            Encoding::Text => text::notice(notice, out),
            Encoding::Json => json::notice(notice, out),
            Encoding::WebSocket => websocket::object::notice(notice, out),
            Encoding::Irc | Encoding::IrcTime => {
                irc::notice(notice, self, out);
                Ok(())
            }
            #[cfg(test)]
            Encoding::Framed => framed::notice(notice, out),
        };
        written.expect("writing to a Vec does not fail");
    }

    /// Writes a numbered message of the past, of which the text format has `line`.
    pub fn past_message(&self, number: u64, entry: &Entry, line: &[u8], out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Text => out.extend_from_slice(line),
            Encoding::Json => json::record(number, entry, line, out).expect("writing to a Vec does not fail"),
            Encoding::WebSocket => {
                websocket::object::record(number, entry, line, out).expect("writing to a Vec does not fail");
            }
            Encoding::Irc | Encoding::IrcTime => {
                let room = self.room.expect("the past is that of a room");
                irc::record(entry, line, room, self.encoding == Encoding::IrcTime, out)
                    .expect("writing to a Vec does not fail");
            }
            #[cfg(test)]
            Encoding::Framed => framed::past_message(number, entry, line, out),
        }
    }
}

/// How received bytes are cut into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A line feed ends a message.
    Line,
    /// As `Line`, and bytes behind the last line feed of a chunk are a message too. For clients that send no line feed.
    Chunk,
}

/// A line as the splitter finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A whole line without its line ending, as it was sent.
    Line(&'a [u8]),
    /// A line longer than the limit. It is discarded up to its line feed and reported once.
    TooLong,
}

/// Cuts bytes into lines of at most a given length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Splitter {
    /// True exactly when the bytes to come belong to a line that was reported as too long.
    discarding: bool,
}

impl Splitter {
    /// Takes the next item off the front of `rest`. On `None` the bytes in `rest` are an incomplete line; the caller
    /// keeps them and calls again with them in front of the next bytes. They are never more than `line_bytes_max + 1`.
    pub fn next<'a>(&mut self, rest: &mut &'a [u8], line_bytes_max: usize) -> Option<Item<'a>> {
        loop {
            let bytes = *rest;
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                if self.discarding {
                    self.discard(rest);
                    return None;
                }
                // A carriage return at the very end may belong to a line ending whose line feed is still to come.
                let text = bytes.strip_suffix(b"\r").unwrap_or(bytes);
                if text.len() <= line_bytes_max {
                    return None;
                }
                *rest = &[];
                self.discarding = true;
                return Some(Item::TooLong);
            };
            let line = &bytes[..end];
            *rest = &bytes[end + 1..];
            if self.discarding {
                self.discarding = false;
                continue;
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            return Some(if line.len() <= line_bytes_max { Item::Line(line) } else { Item::TooLong });
        }
    }

    /// Takes bytes of a line that was reported as too long off the front of `rest`.
    pub fn discard(&mut self, rest: &mut &[u8]) {
        if self.discarding {
            let end = memchr::memchr(b'\n', rest);
            *rest = end.map_or(&[], |end| &rest[end + 1..]);
            self.discarding = end.is_none();
        }
    }

    /// True when the bytes to come belong to a line that was reported as too long.
    pub fn is_discarding(&self) -> bool {
        self.discarding
    }

    /// Takes all of `rest` as one line, for [`Framing::Chunk`]. `None` when it is empty, or ends a line that was too
    /// long.
    pub fn finish<'a>(&mut self, rest: &mut &'a [u8]) -> Option<Item<'a>> {
        let line = std::mem::take(rest);
        if std::mem::take(&mut self.discarding) || line.is_empty() {
            return None;
        }
        Some(Item::Line(line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Owned {
        Line(Vec<u8>),
        TooLong,
    }

    /// Splits `chunks` as a connection does: the rest of one chunk goes in front of the next.
    fn split(chunks: &[&[u8]], line_bytes_max: usize) -> Vec<Owned> {
        let mut splitter = Splitter::default();
        let mut kept = Vec::new();
        let mut items = Vec::new();
        for chunk in chunks {
            kept.extend_from_slice(chunk);
            let mut rest = kept.as_slice();
            while let Some(item) = splitter.next(&mut rest, line_bytes_max) {
                items.push(match item {
                    Item::Line(line) => Owned::Line(line.to_vec()),
                    Item::TooLong => Owned::TooLong,
                });
            }
            assert!(rest.len() <= line_bytes_max + 1, "an incomplete line stays within its bound");
            kept = rest.to_vec();
        }
        items
    }

    fn check_split(input: &str, expected: &[Result<&str, ()>]) {
        let expected: Vec<Owned> = expected
            .iter()
            .map(|item| item.map_or(Owned::TooLong, |line| Owned::Line(line.as_bytes().to_vec())))
            .collect();
        let bytes = input.as_bytes();
        assert_eq!(split(&[bytes], 5), expected, "{input:?} whole");
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(split(&[head, tail], 5), expected, "{input:?} cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(split(&single, 5), expected, "{input:?} byte by byte");
    }

    #[test]
    fn lines_are_the_same_wherever_the_bytes_are_cut() {
        check_split("", &[]);
        check_split("abc", &[]);
        check_split("abc\n", &[Ok("abc")]);
        check_split("abc\r\n", &[Ok("abc")]);
        check_split("a\nb\r\n\nc", &[Ok("a"), Ok("b"), Ok("")]);
        check_split("a\rb\n", &[Ok("a\rb")]);
        check_split("a\r\r\n", &[Ok("a\r")]);
        check_split("héé\n", &[Ok("héé")]);
    }

    #[test]
    fn a_line_over_the_limit_is_reported_once_and_discarded() {
        check_split("12345\n", &[Ok("12345")]);
        check_split("12345\r\n", &[Ok("12345")]);
        check_split("123456\na\n", &[Err(()), Ok("a")]);
        check_split("123456\r\na\n", &[Err(()), Ok("a")]);
        check_split("12345\r6\na\n", &[Err(()), Ok("a")]);
        check_split("12345\r\r\na\n", &[Err(()), Ok("a")]);
        check_split("123456789012345678901234567890\na\n", &[Err(()), Ok("a")]);
        check_split("123456789012345678901234567890", &[Err(())]);
    }

    #[test]
    fn chunk_framing_takes_bytes_without_a_line_feed() {
        let mut splitter = Splitter::default();
        let mut rest: &[u8] = b"one\ntwo";
        assert_eq!(splitter.next(&mut rest, 9), Some(Item::Line(b"one")));
        assert_eq!(splitter.next(&mut rest, 9), None);
        assert_eq!(splitter.finish(&mut rest), Some(Item::Line(b"two")));
        assert_eq!(splitter.finish(&mut rest), None);
        let mut rest: &[u8] = b"1234567890";
        assert_eq!(splitter.next(&mut rest, 9), Some(Item::TooLong));
        assert_eq!(splitter.finish(&mut rest), None);
        assert_eq!(splitter, Splitter::default());
    }

    proptest! {
        #[test]
        fn random_bytes_give_the_same_lines_in_any_chunks(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()], 0..200),
            size in 1usize..20,
        ) {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(split(&chunks, 7), split(&[&bytes], 7));
        }
    }
}
