//! Bytes to lines, and lines to what other members may see. Pure: no I/O, no clock, no state but the splitter's and that
//! of how a peer begins.
//!
//! A line is what lies before a line feed, without one carriage return before it. The splitter gives the same lines
//! however the bytes were cut into chunks. `sanitise` makes a line safe for any terminal, `foreign` knows peers that speak
//! another protocol. Every message carries its author's prefix, so nothing that a member types can start like a line of the
//! server.

pub mod foreign;
pub mod sanitise;

use std::fmt;
use std::io::Write;

use crate::names::Name;

pub use self::foreign::{Foreign, Opening, Verdict};
pub use self::sanitise::sanitise;

/// How received bytes are cut into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Framing {
    /// A line feed ends a message.
    Line,
    /// As `line`, and what a chunk has after its last line feed is a message too, for clients that send none.
    Chunk,
}

/// What the splitter found.
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
    /// Takes the next item off the front of `rest`. At `None`, what is left in `rest` is an incomplete line; the caller
    /// keeps it and calls again with it in front of the next bytes. It is never longer than `line_bytes_max + 1`.
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

    /// Takes what belongs to a line that was reported as too long off the front of `rest`.
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

    /// Takes what `rest` holds as one line, for [`Framing::Chunk`]. `None` when there is nothing.
    pub fn finish<'a>(&mut self, rest: &mut &'a [u8]) -> Option<Item<'a>> {
        let line = std::mem::take(rest);
        if std::mem::take(&mut self.discarding) || line.is_empty() {
            return None;
        }
        Some(Item::Line(line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

/// Replaces what `out` holds by the message that everybody but its author receives: `[IP:PORT] text` and a line feed.
/// False, and nothing to send, when nothing of `text` can be seen.
pub fn render_message(author: Name, text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    write!(out, "[{author}] ").expect("writing to a Vec does not fail");
    let visible = sanitise(text, out);
    out.push(b'\n');
    visible
}

/// A count of users as people say it: `1 user`, `2 users`.
#[derive(Clone, Copy, Debug)]
pub struct Users(pub u64);

impl fmt::Display for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} user{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// The lines that the server itself says.
#[derive(Clone, Copy, Debug)]
pub enum ServerLine {
    /// To a member that has joined.
    Connected { online: u64 },
    /// To the others when a member has joined.
    Entered { name: Name, online: u64 },
    /// To those who stay when a member has left.
    Left { name: Name, online: u64 },
    /// Joins and leaves of a large room since its last presence line.
    Summary { entered: u64, left: u64, online: u64 },
    /// To a member whose line was discarded.
    LineTooLong { line_bytes_max: usize },
    /// To a member that did not read for so long that the log has moved on.
    Missed { messages: u64 },
    /// To a newcomer for whom there is no descriptor.
    HouseFull,
    /// To a newcomer whose address is here too often.
    TooManyConnections,
    /// To a newcomer whose address has joined too often.
    TooManyJoins,
    /// To a member that says more than it may, once.
    SlowDown,
    /// To a member that did not finish a line.
    LineTimeout,
    /// To a peer that speaks another protocol.
    Foreign(Foreign),
    /// To everybody when the server was told to stop.
    Stopping,
}

impl fmt::Display for ServerLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Connected { online } => write!(f, "> Connected to the chat server ({} online)", Users(online)),
            Self::Entered { name, online } => write!(f, "> New user {name} entered. ({} online)", Users(online)),
            Self::Left { name, online } => write!(f, "< The user {name} left ({} online)", Users(online)),
            Self::Summary { entered, left, online } => {
                write!(f, "> {} entered, {left} left. ({} online)", Users(entered), Users(online))
            }
            Self::LineTooLong { line_bytes_max } => {
                write!(f, "! line too long: it was not sent, at most {line_bytes_max} bytes are")
            }
            Self::Missed { messages: 1 } => write!(f, "! you missed 1 message"),
            Self::Missed { messages } => write!(f, "! you missed {messages} messages"),
            Self::HouseFull => write!(f, "! the house is full"),
            Self::TooManyConnections => write!(f, "! too many connections from your address"),
            Self::TooManyJoins => write!(f, "! too many joins from your address: try again later"),
            Self::SlowDown => write!(f, "! slow down: your lines are delayed, not lost"),
            Self::LineTimeout => write!(f, "! your line was not finished in time"),
            Self::Foreign(Foreign::Tls) => write!(f, "! this is a plain chat server: it does not speak TLS"),
            Self::Foreign(Foreign::Http) => {
                write!(f, "! this is a chat server, not a web server: use nc, telnet or uproar chat")
            }
            Self::Foreign(Foreign::Proxy) => {
                write!(f, "! this is a plain chat server: it does not speak the PROXY protocol")
            }
            Self::Foreign(Foreign::Stun) => write!(f, "! this is a plain chat server: it does not speak STUN"),
            Self::Stopping => write!(f, "! the server is stopping"),
        }
    }
}

impl ServerLine {
    /// Appends the line and its line feed.
    pub fn render(&self, out: &mut Vec<u8>) {
        writeln!(out, "{self}").expect("writing to a Vec does not fail");
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Owned {
        Line(Vec<u8>),
        TooLong,
    }

    /// Splits `chunks` as a connection does: what is left of one goes in front of the next.
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
    fn chunk_framing_takes_what_has_no_line_feed() {
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

    #[test]
    fn a_message_without_a_visible_byte_is_none() {
        let author = Name::first(SocketAddr::from(([127, 0, 0, 1], 63155)));
        let mut out = b"left over".to_vec();
        assert!(render_message(author, b"World", &mut out));
        assert_eq!(out, b"[127.0.0.1:63155] World\n");
        assert!(!render_message(author, b"\x1b\x07", &mut out));
        assert!(!render_message(author, b"", &mut out));
        assert!(!render_message(author, " \u{200b}\u{3164}".as_bytes(), &mut out));
    }

    #[test]
    fn the_server_speaks_in_the_words_of_the_original() {
        let name = Name::first(SocketAddr::from(([127, 0, 0, 1], 63155)));
        for (line, expected) in [
            (ServerLine::Connected { online: 1 }, "> Connected to the chat server (1 user online)"),
            (ServerLine::Connected { online: 3 }, "> Connected to the chat server (3 users online)"),
            (ServerLine::Entered { name, online: 3 }, "> New user 127.0.0.1:63155 entered. (3 users online)"),
            (ServerLine::Left { name, online: 2 }, "< The user 127.0.0.1:63155 left (2 users online)"),
            (ServerLine::Left { name, online: 1 }, "< The user 127.0.0.1:63155 left (1 user online)"),
            (
                ServerLine::Summary { entered: 1204, left: 31, online: 19000 },
                "> 1204 users entered, 31 left. (19000 users online)",
            ),
            (ServerLine::Missed { messages: 1 }, "! you missed 1 message"),
            (ServerLine::Missed { messages: 1204 }, "! you missed 1204 messages"),
            (ServerLine::HouseFull, "! the house is full"),
        ] {
            assert_eq!(line.to_string(), expected);
        }
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
