//! Bytes from a server to lines that are safe to show. Pure: no I/O.
//!
//! A client trusts no server: control characters are dropped. A line of any length takes bounded memory, because a line
//! longer than the bound is cut up. Only whole lines are shown, so a character that arrives in two pieces is shown as
//! one.

use std::mem;

use crate::limits::{LINE_BYTES_MAX, rendered_bytes_max};
use crate::wire::sanitise;

/// What an object has beside the text that is the longest line of an uproar server.
const OBJECT_BYTES: usize = 1024;

/// Longest line that is shown whole: the longest that an uproar server sends, which is an object whose text is all
/// quotation marks. Longer ones are cut up.
const SHOWN_LINE_BYTES_MAX: usize = 2 * rendered_bytes_max(LINE_BYTES_MAX) + OBJECT_BYTES;

// A cut leaves something on both sides, whatever character it falls into.
const _: () = assert!(SHOWN_LINE_BYTES_MAX > 4);

/// Cuts what arrives into lines.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// The line whose end has not arrived yet, as it was sent; at most [`SHOWN_LINE_BYTES_MAX`] bytes.
    kept: Vec<u8>,
    /// Lines that have not been taken yet: sanitised, each with its line feed.
    lines: Vec<u8>,
}

impl Arrivals {
    /// Takes in bytes that have arrived.
    pub fn add(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.keep(&bytes[..end]);
            self.end_line(self.kept.len());
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    /// Nothing more arrives: bytes without a line feed are the last line.
    pub fn finish(&mut self) {
        if !self.kept.is_empty() {
            self.end_line(self.kept.len());
        }
    }

    /// The lines so far. They are UTF-8 without control characters but tabs and their line feeds.
    pub fn take(&mut self) -> Vec<u8> {
        mem::take(&mut self.lines)
    }

    fn keep(&mut self, mut part: &[u8]) {
        while self.kept.len() + part.len() > SHOWN_LINE_BYTES_MAX {
            let (head, tail) = part.split_at(SHOWN_LINE_BYTES_MAX - self.kept.len());
            self.kept.extend_from_slice(head);
            self.end_line(whole_characters(&self.kept));
            part = tail;
        }
        self.kept.extend_from_slice(part);
    }

    fn end_line(&mut self, length: usize) {
        sanitise(&self.kept[..length], &mut self.lines).expect("writing to a Vec does not fail");
        self.lines.push(b'\n');
        self.kept.drain(..length);
    }
}

/// The length of `bytes` without a last character that is incomplete.
fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let length = match bytes[bytes.len() - back] {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            0x00..=0x7f => 1,
        };
        return if length > back { bytes.len() - back } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(chunks: &[&[u8]]) -> String {
        let mut arrivals = Arrivals::default();
        let mut all = Vec::new();
        for chunk in chunks {
            arrivals.add(chunk);
            assert!(arrivals.kept.len() <= SHOWN_LINE_BYTES_MAX);
            all.append(&mut arrivals.take());
        }
        arrivals.finish();
        all.append(&mut arrivals.take());
        String::from_utf8(all).expect("lines are UTF-8")
    }

    #[test]
    fn whole_lines_are_shown_and_made_harmless() {
        for (input, expected) in [
            (&b""[..], ""),
            (b"one\r\ntwo\n", "one\ntwo\n"),
            (b"no line feed", "no line feed\n"),
            (b"\n\n", "\n\n"),
            (b"\x1b]0;title\x07\x1b[31mred\x9b0m\n", "]0;title[31mred\u{fffd}0m\n"),
            ("é — 漢 🦀\n".as_bytes(), "é — 漢 🦀\n"),
        ] {
            assert_eq!(shown(&[input]), expected);
            let single: Vec<&[u8]> = input.chunks(1).collect();
            assert_eq!(shown(&single), expected, "byte by byte");
        }
    }

    #[test]
    fn a_line_without_end_is_cut_up_between_characters() {
        for character in ["a", "é", "漢", "🦀"] {
            for shift in 0..4 {
                let text = "x".repeat(shift) + &character.repeat(3 * SHOWN_LINE_BYTES_MAX / character.len());
                let lines = shown(&[text.as_bytes()]);
                assert!(lines.lines().all(|line| line.len() <= SHOWN_LINE_BYTES_MAX));
                assert_eq!(lines.replace('\n', ""), text, "nothing is lost");
            }
        }
        let exact = "x".repeat(SHOWN_LINE_BYTES_MAX) + "\n";
        assert_eq!(shown(&[exact.as_bytes()]), exact);
        let invalid = vec![0xbf; 2 * SHOWN_LINE_BYTES_MAX];
        assert!(shown(&[&invalid]).lines().all(|line| line == "\u{fffd}"));
    }

    proptest! {
        #[test]
        fn the_lines_are_the_same_wherever_the_bytes_are_cut(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(0xc3), Just(0xa9), any::<u8>()], 0..200),
            size in 1usize..20,
        ) {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(shown(&chunks), shown(&[&bytes]));
        }
    }
}
