//! What members hear that is no message of the run: who came and left, words to one member, gaps, and lines that are wrong.

use crate::message::{Likeness, is_slow_down, likeness};
use crate::recorder::Recorder;
use crate::recorder::record::QUOTES_MAX;

/// Bytes of a notice, or of a foreign or corrupt line, that a summary quotes.
const QUOTE_BYTES_MAX: usize = 100;

impl Recorder<'_> {
    /// Verified member `member` read `bytes` that said who came or left, or that the server is still there.
    pub fn on_presence(&mut self, member: usize, bytes: usize) {
        let (room, number) = self.place_of(member);
        self.words.presence_lines += 1;
        self.proofs[room].on_presence(number, bytes);
    }

    /// Verified member `member` was told that it missed `messages`.
    pub fn on_missed(&mut self, member: usize, messages: u64) {
        let (room, number) = self.place_of(member);
        self.told = self.told.saturating_add(messages);
        self.proofs[room].on_told(number, messages);
    }

    /// The server said `text` to verified member `member`.
    pub fn on_word(&mut self, member: usize, text: &[u8]) {
        let (room, number) = self.place_of(member);
        match self.proofs[room].publisher_of(number) {
            Some(publisher) => {
                let publisher = publisher * self.proofs.len() as u32 + room as u32;
                self.on_notice_to_publisher(publisher, text);
            }
            None => self.on_notice(text),
        }
    }

    /// The server said `text` to `publisher`.
    pub fn on_notice_to_publisher(&mut self, publisher: u32, text: &[u8]) {
        let slowed = &mut self.slowed[publisher as usize];
        if is_slow_down(text) && !*slowed {
            *slowed = true;
            self.words.publishers_slowed += 1;
        }
        self.on_notice(text);
    }

    /// The server said `text` to one member.
    pub fn on_notice(&mut self, text: &[u8]) {
        self.words.notice_lines += 1;
        quote(&mut self.words.notices, text);
    }

    /// A line that is no message of this run: corrupt if it begins with the author of one of our publishers, else foreign.
    pub fn on_other_line(&mut self, line: &[u8]) {
        let author_bytes = memchr::memmem::find(line, b"] ").map_or(0, |at| at + 2);
        if self.authors_known.contains(&line[..author_bytes]) {
            self.strange.corrupt += 1;
        } else {
            self.strange.foreign += 1;
        }
        quote(&mut self.words.other_lines, line);
    }

    /// A message that was said in another room.
    pub(super) fn on_foreign(&mut self, line: &[u8]) {
        self.strange.foreign += 1;
        quote(&mut self.words.other_lines, line);
    }

    /// The same of what a server said as a message of `author`, whom it names apart from the `text`.
    pub(super) fn on_other_payload(&mut self, author: &[u8], text: &[u8]) {
        if author.is_empty() || author.starts_with(b"[") {
            return self.on_other_line(text);
        }
        if self.authors.iter().any(|known| likeness(author, known) != Likeness::Other) {
            self.strange.corrupt += 1;
        } else {
            self.strange.foreign += 1;
        }
        quote(&mut self.words.other_lines, text);
    }
}

/// Keeps `line` if there is room, made printable.
fn quote(quotes: &mut Vec<String>, line: &[u8]) {
    if quotes.len() < QUOTES_MAX {
        let shown = &line[..line.len().min(QUOTE_BYTES_MAX)];
        quotes.push(shown.escape_ascii().to_string());
    }
}
