//! The meaning of a peer's bytes: the messages that others must hear, and whether the peer speaks another protocol.
//!
//! The server decides byte by byte. This model looks at whole lines and at the chunks that the server was handed.

use std::time::Duration;

use super::Line;
use super::shown::shown;
use crate::io::sim::pair::Record;
use crate::limits::OPENING_HOLD;
use crate::wire::Framing;

/// The meaning of the bytes that the server was handed.
#[derive(Debug, Default)]
pub struct Typed {
    /// Messages as others must hear them, without their author.
    pub messages: Vec<Line>,
    pub too_long: u64,
    /// It speaks another protocol, and nothing of it is said.
    pub foreign: bool,
    /// The last message was kept when its author had sent its last byte: something else may have ended the connection
    /// first.
    pub last_unsure: bool,
    /// True when two chunks may be one message or two, which depends on when the room took the lines before them.
    pub cuts_unsure: bool,
}

/// When turns were over, and in which of them bytes were received from anybody.
#[derive(Clone, Copy, Debug)]
pub struct Turns<'a> {
    pub times: &'a [Duration],
    pub receiving: &'a [bool],
}

impl Turns<'_> {
    /// True when the time of a chunk end that was handed over in turn `first`, and continued in turn `next`, was over
    /// between.
    fn hold_ends_between(&self, first: usize, next: usize) -> bool {
        (first + 1..next).any(|turn| self.receiving[turn] && self.times[turn] >= self.times[first] + OPENING_HOLD)
    }
}

/// How a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    Open,
    Person,
    Foreign,
}

/// Reads a line as far as it has come, with its line feed if that has come.
fn beginning(line: &[u8], after_nul: bool) -> Beginning {
    use Beginning::{Foreign, Open, Person};
    let ended = line.ends_with(b"\n");
    let bare: Vec<u8> = line.iter().copied().skip_while(|byte| *byte == b'\r').collect();
    let Some(first) = bare.first() else { return Open };
    let starts = |bytes: &[u8]| bare.starts_with(bytes);
    let may_start = |bytes: &[u8]| bytes.starts_with(&bare);
    if (0x14..=0x18).contains(first) {
        return if bare.len() == 1 {
            Open
        } else if bare[1] == 3 {
            Foreign
        } else {
            Person
        };
    }
    if (0x80..0xc0).contains(first) {
        let wrong = bare.get(1) == Some(&b'\n') || bare.get(2).is_some_and(|byte| *byte != 1);
        return match bare.get(3) {
            _ if wrong => Person,
            None => Open,
            Some(0 | 3) => Foreign,
            Some(_) => Person,
        };
    }
    if *first == 0 {
        return if may_start(b"\0\r\n") { Open } else { Person };
    }
    if after_nul && starts(b"QUIT\n") {
        return Foreign;
    }
    let is_method = |word: &[u8]| {
        word.iter()
            .all(|byte| byte.is_ascii_graphic() && !b"abcdefghijklmnopqrstuvwxyz\"(),/:;<=>?@[\\]{}".contains(byte))
    };
    let Some(space) = bare.iter().position(|byte| *byte == b' ') else {
        return if is_method(&bare) { Open } else { Person };
    };
    let (method, target) = (&bare[..space], &bare[space + 1..]);
    if !is_method(method) || !method.iter().any(u8::is_ascii_uppercase) {
        return Person;
    }
    let word_end = target.iter().position(|byte| b" \r\n".contains(byte));
    let word = &target[..word_end.unwrap_or(target.len())];
    let whole = word_end.is_some();
    let text = String::from_utf8_lossy(word);
    if word.first() == Some(&b'/') || (whole && word == b"*") {
        return Foreign;
    }
    let connects = method == b"CONNECT";
    if connects && word.first().is_some_and(|byte| *byte != b'*') {
        if word[0] == b':' {
            return Person;
        }
        // Only what is printed can be a host; what is not ends it.
        let printed = word.iter().position(|byte| !byte.is_ascii_graphic());
        let shown = &text[..printed.unwrap_or(text.len())];
        if shown.contains("://") {
            return Foreign;
        }
        if printed.is_some() {
            return Person;
        }
        if !whole {
            return Open;
        }
        let port = shown.rsplit_once(':').map(|(_, port)| port);
        let digits = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
        if port.is_some_and(digits) {
            return Foreign;
        }
        let rest = &target[word.len()..];
        return if rest.starts_with(b" HTTP/") {
            Foreign
        } else if b" HTTP/".starts_with(rest) && !ended {
            Open
        } else {
            Person
        };
    }
    if method == b"PROXY" && whole && ["TCP4", "TCP6", "UNKNOWN"].contains(&&*text) {
        return Foreign;
    }
    let scheme = word.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(byte)));
    let letter = word.first().is_none_or(u8::is_ascii_alphabetic);
    let behind = scheme.map_or(&b""[..], |end| &word[end..]);
    if letter && scheme.is_some() && behind.starts_with(b"://") {
        return Foreign;
    }
    let may_be = word == b"*" || (letter && scheme != Some(0) && b"://".starts_with(behind));
    if may_be && !whole { Open } else { Person }
}

/// The meaning of a peer's bytes. `may_wait` is true when also a line that is no message may have to wait.
pub fn typed(record: &Record, framing: Framing, line_bytes: usize, turns: Turns, may_wait: bool) -> Typed {
    let mut typed = Typed::default();
    let mut author = Author::default();
    match framing {
        Framing::Line => {
            author.take(&record.heard, false, line_bytes, &mut typed);
            let unfinished = author.open.strip_suffix(b"\r").unwrap_or(&author.open);
            typed.too_long += u64::from(!typed.foreign && unfinished.len() > line_bytes);
        }
        Framing::Chunk => {
            let (mut start, mut since) = (0, 0);
            for (end, turn) in &record.chunk_ends {
                let chunk = &record.heard[start..*end];
                start = *end;
                if !author.open.is_empty() && turns.hold_ends_between(since, *turn) {
                    author.end(line_bytes, &mut typed);
                }
                let (was_open, lines) = (!author.open.is_empty(), author.lines);
                author.take(chunk, true, line_bytes, &mut typed);
                if !was_open || author.lines > lines {
                    since = *turn;
                }
                let waited = author.lines > lines || author.open.len() > line_bytes;
                typed.cuts_unsure |= may_wait && !author.open.is_empty() && waited;
                if !chunk.is_empty() {
                    typed.last_unsure = !author.open.is_empty();
                }
            }
            author.end(line_bytes, &mut typed);
        }
    }
    typed
}

/// The state of an author after some of its bytes.
#[derive(Debug, Default)]
struct Author {
    has_spoken: bool,
    /// The line before was the middle of a signature.
    after_nul: bool,
    /// A line without its end.
    open: Vec<u8>,
    /// Lines that have ended.
    lines: usize,
}

impl Author {
    /// `chunked` when the end of `bytes` ends a line that is certainly a person's.
    fn take(&mut self, bytes: &[u8], chunked: bool, line_bytes: usize, typed: &mut Typed) {
        self.open.extend_from_slice(bytes);
        while !typed.foreign && !self.open.is_empty() {
            let end = self.open.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
            let line = self.open[..end.unwrap_or(self.open.len())].to_vec();
            let open = match beginning(&line, self.after_nul) {
                _ if self.has_spoken => false,
                Beginning::Foreign => {
                    typed.foreign = true;
                    return;
                }
                // Carriage returns alone become nothing.
                Beginning::Open => line.iter().any(|byte| *byte != b'\r'),
                Beginning::Person => false,
            };
            if end.is_none() && (open || !chunked) {
                return;
            }
            self.open.drain(..line.len());
            self.say(&line, line_bytes, typed);
        }
    }

    /// The open line ends.
    fn end(&mut self, line_bytes: usize, typed: &mut Typed) {
        let line = std::mem::take(&mut self.open);
        if !line.is_empty() && !typed.foreign {
            self.say(&line, line_bytes, typed);
        }
    }

    fn say(&mut self, line: &[u8], line_bytes: usize, typed: &mut Typed) {
        self.lines += 1;
        self.after_nul = line.ends_with(b"\0\r\n") && line[..line.len() - 3].iter().all(|byte| *byte == b'\r');
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > line_bytes {
            typed.too_long += 1;
        } else if let Some(line) = shown(line) {
            self.has_spoken = true;
            typed.messages.push(line);
        }
    }
}
