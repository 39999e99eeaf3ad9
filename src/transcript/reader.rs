//! How far the transcript has read a log, and the lines that it copies from there.

use crate::message::Notice;
use crate::room::log::{Log, Position};
use crate::wire::{Addressee, Encoding};

#[derive(Debug, Default)]
pub(super) struct Reader {
    pub cursor: Position,
    /// The number of the last message before the cursor.
    pub messages: u64,
}

impl Reader {
    /// Reads what is appended from now on.
    pub fn at_head(log: &Log) -> Self {
        Self { cursor: log.head(), messages: log.messages() }
    }

    /// True when there is nothing left to read.
    pub fn is_done(&self, log: &Log) -> bool {
        self.cursor == log.head()
    }

    /// If the log has forgotten the bytes at the cursor, goes on behind them, and adds a line with the number of messages
    /// missed, if there were any that are numbered. `start` stands in front of it.
    pub fn skip_forgotten(&mut self, log: &Log, start: &str, out: &mut Vec<u8>) {
        if self.cursor < log.tail() {
            let messages = log.messages_before(log.tail()) - self.messages;
            if messages > 0 {
                out.extend_from_slice(start.as_bytes());
                Addressee::unknown(Encoding::Text).notice(Notice::Missed { messages, range: None }, out);
            }
            self.cursor = log.tail();
            self.messages += messages;
        }
    }

    /// Copies lines, each behind `start`, until `out` has `end` bytes or a little more.
    pub fn copy(&mut self, log: &Log, start: &str, end: usize, out: &mut Vec<u8>) {
        for (_, _, line) in log.messages_from(self.cursor) {
            if out.len() >= end {
                break;
            }
            out.extend_from_slice(start.as_bytes());
            out.extend_from_slice(line);
            self.cursor = self.cursor + line.len();
        }
        self.messages = log.messages_before(self.cursor);
    }
}
