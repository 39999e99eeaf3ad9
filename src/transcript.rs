//! What the room says, on the server's own terminal or in a file: one more reader of the log, bounded like any other.
//!
//! The transcript is never waited for. What it cannot take stays in the log, and when the log has moved past it, it is
//! told how many messages it missed, like any member. It opens its own description of a terminal or pipe, so that
//! writing to it without waiting does not change it for other programs.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use crate::limits::{TRANSCRIPT_RETRY, TRANSCRIPT_WRITE_BYTES};
use crate::line::ServerLine;
use crate::room::log::{Log, Position};

#[derive(Debug)]
pub struct Transcript<W> {
    sink: W,
    cursor: Position,
    /// Messages in the log before the cursor, counting the one it may be in the middle of.
    messages: u64,
    /// Written before anything else: lines that are not in the log, and the rest of a line that may be forgotten there.
    pending: Vec<u8>,
    /// Set exactly while the sink is full: when to try again.
    retry: Option<Instant>,
}

/// Opens `path` for a transcript; `-` is the standard output.
pub fn open(path: &str) -> io::Result<File> {
    let flags = (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits();
    let mut options = OpenOptions::new();
    options.append(true).custom_flags(i32::try_from(flags).expect("open flags fit an int"));
    if path == "-" { options.open("/proc/self/fd/1") } else { options.create(true).open(path) }
}

impl<W: Write> Transcript<W> {
    /// A transcript of what is said in `log` from now on.
    pub fn new(sink: W, log: &Log) -> Self {
        Self { sink, cursor: log.head(), messages: log.messages(), pending: Vec::new(), retry: None }
    }

    /// Writes a line that no member sees, after what has been written so far.
    pub fn note(&mut self, line: &str) {
        self.pending.extend_from_slice(line.as_bytes());
        self.pending.push(b'\n');
    }

    /// When [`Transcript::write`] is worth another call although nothing was said; the past when there is work now.
    pub fn deadline(&self, log: &Log, now: Instant) -> Option<Instant> {
        self.retry.or_else(|| (!self.pending.is_empty() || self.cursor < log.head()).then_some(now))
    }

    /// Writes some of what it has not written yet, as much as the sink takes without waiting. An error ends it.
    pub fn write(&mut self, log: &Log, now: Instant) -> io::Result<()> {
        if self.retry.is_some_and(|retry| now < retry) {
            return Ok(());
        }
        self.retry = None;
        let mut budget = TRANSCRIPT_WRITE_BYTES;
        while budget > 0 {
            if self.cursor < log.tail() {
                let messages = log.messages_before(log.tail()) - self.messages;
                ServerLine::Missed { messages }.render(&mut self.pending);
                self.cursor = log.tail();
                self.messages += messages;
            }
            let from_log = self.pending.is_empty();
            let bytes = if from_log { log.bytes_from(self.cursor) } else { &self.pending };
            let bytes = &bytes[..bytes.len().min(budget)];
            if bytes.is_empty() {
                break;
            }
            let written = match self.sink.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.retry = Some(now + TRANSCRIPT_RETRY);
                    break;
                }
                Err(error) => return Err(error),
            };
            budget -= written;
            if from_log {
                // Written whole, whatever becomes of the log meanwhile: the rest of a line is kept aside.
                self.cursor = self.cursor + written;
                let rest = log.rest_of_line(self.cursor);
                self.pending.extend_from_slice(rest);
                self.cursor = self.cursor + rest.len();
                self.messages = log.messages_before(self.cursor);
            } else {
                self.pending.drain(..written);
            }
        }
        Ok(())
    }

    /// True when everything was written.
    pub fn is_quiet(&self, log: &Log) -> bool {
        self.pending.is_empty() && self.cursor == log.head()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Takes so many bytes, then would block.
    #[derive(Debug, Default)]
    struct Sink {
        room: usize,
        taken: Vec<u8>,
    }

    impl Write for &mut Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.room -= count;
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say(log: &mut Log, line: &str) {
        while log.tail_needed(line.len()).is_some() {
            log.retire();
        }
        log.append(line.as_bytes());
    }

    #[test]
    fn a_transcript_that_lags_finishes_its_line_and_is_told() {
        let mut log = Log::new(40, 10);
        let mut sink = Sink { room: 9, ..Sink::default() };
        let start = Instant::now();
        let mut transcript = Transcript::new(&mut sink, &log);
        transcript.note("hi");
        say(&mut log, "1 aaaa\n");
        say(&mut log, "2 aaaa\n");
        transcript.write(&log, start).unwrap();
        assert_eq!(transcript.deadline(&log, start), Some(start + TRANSCRIPT_RETRY));
        for number in 3..10 {
            say(&mut log, &format!("{number} aaaa\n"));
        }
        transcript.sink.room = 1000;
        transcript.write(&log, start).unwrap();
        assert!(!transcript.is_quiet(&log), "it is not tried again at once");
        transcript.write(&log, start + Duration::from_secs(1)).unwrap();
        assert!(transcript.is_quiet(&log));
        let expected = "hi\n1 aaaa\n! you missed 4 messages\n6 aaaa\n7 aaaa\n8 aaaa\n9 aaaa\n";
        assert_eq!(String::from_utf8(sink.taken).unwrap(), expected);
    }

    #[test]
    fn a_line_cut_by_a_full_sink_is_completed_from_a_copy() {
        let mut log = Log::new(40, 10);
        let mut sink = Sink { room: 3, ..Sink::default() };
        let start = Instant::now();
        let mut transcript = Transcript::new(&mut sink, &log);
        for number in 1..10 {
            say(&mut log, &format!("{number} aaaa\n"));
            transcript.write(&log, start).unwrap();
        }
        transcript.sink.room = 1000;
        transcript.write(&log, start + Duration::from_secs(1)).unwrap();
        let expected = "1 aaaa\n! you missed 4 messages\n6 aaaa\n7 aaaa\n8 aaaa\n9 aaaa\n";
        assert_eq!(String::from_utf8(sink.taken).unwrap(), expected);
    }
}
