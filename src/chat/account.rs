//! Which lines of a piped input were said, as far as a client can know. Pure: no I/O.
//!
//! A server does not say which lines it has read, so the client concludes it:
//!
//! - A notice says that this client was not let in: no line was said.
//! - A notice says that a line was too long, and for which limit: every line longer than it was not said. They are
//!   counted here, not by the notices, of which a server holds back those that are not read fast enough.
//! - An error says that a line was refused for another reason, for instance because its author is muted.
//! - The server closed after the end of the input had reached it, in order, without a reset and without a notice that
//!   explains why: it has read to the end, and the rest was said. A server that closes with bytes unread, because it
//!   was killed, for instance, resets the connection.
//! - Any other end, such as a server that is stopping or does not close at all: the last lines may not have been said,
//!   and their number is unknown.
//!
//! One case cannot be recognised: a server that is killed while it holds lines that it has read (`! slow down`) ends
//! the connection just as a server does that has said them.

use std::collections::BTreeMap;
use std::fmt;

use super::notices::Heard;
use crate::limits::LINE_BYTES_MAX;

/// The lines of an input, counted by their length.
#[derive(Debug, Default)]
pub struct Lines {
    /// How many have each length in bytes; those longer than any server takes are counted as one byte longer. Empty
    /// lines are left out: they say nothing.
    by_length: BTreeMap<usize, u64>,
    /// The bytes of the line whose end has not been read yet.
    begun: usize,
    /// True exactly when the last byte of that line is a carriage return.
    ends_in_return: bool,
}

impl Lines {
    /// Counts what was read.
    pub fn add(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.begin(&bytes[..end]);
            self.finish();
            bytes = &bytes[end + 1..];
        }
        self.begin(bytes);
    }

    /// The end of the input ends its last line.
    pub fn finish(&mut self) {
        let length = self.begun - usize::from(self.ends_in_return);
        if length > 0 {
            *self.by_length.entry(length.min(LINE_BYTES_MAX + 1)).or_default() += 1;
        }
        (self.begun, self.ends_in_return) = (0, false);
    }

    fn begin(&mut self, part: &[u8]) {
        if let Some(last) = part.last() {
            self.begun += part.len();
            self.ends_in_return = *last == b'\r';
        }
    }

    pub fn count(&self) -> u64 {
        self.by_length.values().sum::<u64>() + u64::from(self.begun > usize::from(self.ends_in_return))
    }

    fn longer_than(&self, bytes: usize) -> u64 {
        self.by_length.range(bytes + 1..).map(|(_, count)| count).sum()
    }
}

/// How a talk between pipes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All of the input was sent, and the server closed in order after it had read to the end.
    ReadWhole,
    /// The server closed before that.
    ClosedEarly,
    /// All of the input was sent, and the server has not closed in the time that it was given.
    NotClosed,
}

/// Lines that were not said, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaid {
    lines: u64,
    of: u64,
    is_certain: bool,
    why: Option<String>,
}

impl Unsaid {
    /// The lines of `lines` that were not said, or may not have been; `None` when all were said.
    pub fn of(lines: &Lines, heard: &Heard, end: End) -> Option<Self> {
        let of = lines.count();
        let all = |is_certain, why: Option<&str>| {
            Some(Self { lines: of, of, is_certain, why: why.map(str::to_owned) }).filter(|_| of > 0)
        };
        if let Some(why) = &heard.refused {
            return all(true, Some(why));
        }
        let last_words = heard.last_words.as_deref();
        match end {
            End::ReadWhole if heard.goodbye => all(false, Some("the server was stopping")),
            End::ReadWhole if last_words.is_some() => all(false, last_words),
            End::ReadWhole => {
                let too_long = heard.line_bytes_max.map(|limit| (lines.longer_than(limit), limit));
                let why = match too_long {
                    Some((1.., limit)) => Some(format!("longer than {limit} bytes")),
                    _ => heard.why_refused.clone(),
                };
                let lines = too_long.map_or(0, |(lines, _)| lines) + heard.refused_lines;
                Some(Self { lines, of, is_certain: true, why }).filter(|unsaid| unsaid.lines > 0)
            }
            End::ClosedEarly | End::NotClosed => all(false, last_words),
        }
    }
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lines, of, is_certain, why } = self;
        match (is_certain, lines, of) {
            (true, 1, 1) => write!(f, "1 line was not said")?,
            (true, 1, of) => write!(f, "1 of {of} lines was not said")?,
            (true, lines, of) if lines == of => write!(f, "{lines} lines were not said")?,
            (true, lines, of) => write!(f, "{lines} of {of} lines were not said")?,
            (false, 1, _) => write!(f, "1 line was read from the input, it may not have been said")?,
            (false, lines, _) => {
                write!(f, "{lines} lines were read from the input, the last of them may not have been said")?;
            }
        }
        why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Lines {
        let mut lines = Lines::default();
        chunks.iter().for_each(|chunk| lines.add(chunk));
        lines
    }

    #[test]
    fn lines_are_counted_as_the_server_cuts_them() {
        for (text, count, longer_than_two) in [
            ("", 0, 0),
            ("\n\r\n", 0, 0),
            ("ab\r\nabc\nab", 3, 1),
            ("abc\r\r\n", 1, 1),
            ("abc\r", 1, 1),
            ("a\rb", 1, 1),
        ] {
            let bytes = text.as_bytes();
            for cut in 0..=bytes.len() {
                let mut lines = lines(&[&bytes[..cut], &bytes[cut..]]);
                assert_eq!(lines.count(), count, "{text:?} cut at {cut}");
                lines.finish();
                assert_eq!((lines.count(), lines.longer_than(2)), (count, longer_than_two), "{text:?} cut at {cut}");
            }
        }
        let huge = vec![b'x'; 10 * LINE_BYTES_MAX];
        let mut lines = lines(&[&huge, b"\n", &huge]);
        lines.finish();
        assert_eq!((lines.by_length.len(), lines.longer_than(LINE_BYTES_MAX)), (1, 2));
    }

    #[test]
    fn lines_that_were_not_said_are_counted_as_exactly_as_possible() {
        let nothing = Heard::default();
        let refused = Heard { refused: Some("the house is full".into()), ..nothing.clone() };
        let goodbye = Heard { goodbye: true, ..nothing.clone() };
        let long = Heard { line_bytes_max: Some(2), ..nothing.clone() };
        let cut = Heard { last_words: Some("your line was not finished in time".into()), ..nothing.clone() };
        let muted = Heard { refused_lines: 2, why_refused: Some("muted for 1h".into()), ..nothing.clone() };
        let may = "lines were read from the input, the last of them may not have been said";
        for (input, heard, end, expected) in [
            ("a\nb\n", &nothing, End::ReadWhole, String::new()),
            ("a\n", &refused, End::ReadWhole, "1 line was not said: the house is full".into()),
            ("a\nb\n", &refused, End::ClosedEarly, "2 lines were not said: the house is full".into()),
            ("", &refused, End::ClosedEarly, String::new()),
            ("abc\nab\n", &long, End::ReadWhole, "1 of 2 lines was not said: longer than 2 bytes".into()),
            ("ab\n", &long, End::ReadWhole, String::new()),
            ("a\nb\nc\n", &muted, End::ReadWhole, "2 of 3 lines were not said: muted for 1h".into()),
            ("a\nb\n", &nothing, End::ClosedEarly, format!("2 {may}")),
            ("a\n", &nothing, End::NotClosed, "1 line was read from the input, it may not have been said".into()),
            ("a\nb\n", &goodbye, End::ReadWhole, format!("2 {may}: the server was stopping")),
            ("a\nb\n", &cut, End::ReadWhole, format!("2 {may}: your line was not finished in time")),
        ] {
            let unsaid = Unsaid::of(&lines(&[input.as_bytes()]), heard, end);
            let text = unsaid.map(|unsaid| unsaid.to_string()).unwrap_or_default();
            assert_eq!(text, expected, "{input:?} {heard:?} {end:?}");
        }
    }
}
