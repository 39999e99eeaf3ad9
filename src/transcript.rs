//! The transcript: what is said in all rooms, on the server's own terminal or in a file. It reads the logs as members
//! do. Lines of the lobby are as they are; those of other rooms have the room's name in front (`others`).
//!
//! The server never waits for it. Messages that its outlet does not take stay in the log. When the log has forgotten
//! some of them, a line says how many messages are missing, as for any member. The same happens while a disk is full;
//! when the disk takes bytes again the line that was cut is finished first. When the file is opened anew, each line is
//! whole in one of the two files.

mod others;
mod reader;

use std::io;
use std::time::Instant;

use crate::limits::{DISK_RETRY, TRANSCRIPT_RETRY, TRANSCRIPT_WRITE_BYTES};
use crate::names::RoomName;
use crate::outlet::{Outlet, Unwritten, stamp};
use crate::room::log::Log;
use crate::token::RoomId;
use others::Others;
use reader::Reader;

#[derive(Debug)]
pub struct Transcript<W> {
    outlet: W,
    lobby: Reader,
    /// Bytes to be written before the log goes on at the cursor: lines that are not in the log, or that it may forget.
    /// Begins at the start of a line.
    pending: Vec<u8>,
    /// How many bytes of the first line in `pending` were written.
    written: usize,
    /// Set exactly while the outlet takes nothing: when to try again.
    retry: Option<Instant>,
    state: State,
    others: Others,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The disk takes no bytes.
    Paused,
    /// The outlet takes no bytes any more; only opening it anew helps.
    Ended,
}

/// A change of a transcript's state, to be logged.
#[derive(Debug)]
pub enum Change {
    Paused(io::Error),
    Resumed,
    Ended(io::Error),
}

impl<W: Outlet> Transcript<W> {
    /// A transcript of the messages that are appended to `log` from now on.
    pub fn new(outlet: W, log: &Log) -> Self {
        Self {
            outlet,
            lobby: Reader::at_head(log),
            pending: Vec::new(),
            written: 0,
            retry: None,
            state: State::Open,
            others: Others::default(),
        }
    }

    /// Something was said in a room that is not the lobby.
    pub fn on_spoken(&mut self, room: RoomId) {
        if self.state != State::Ended {
            self.others.on_spoken(room);
        }
    }

    /// A room that is not the lobby is freed.
    pub fn on_freed(&mut self, room: RoomId, name: RoomName, log: &Log) {
        let stamp = stamp(&self.outlet);
        self.others.on_freed(&stamp, room, name, log, &mut self.pending);
    }

    /// Takes lines of rooms that are not the lobby, if everything taken before was written. `find` has the name and the
    /// log of one.
    pub fn take_others<'a>(&mut self, find: impl Fn(RoomId) -> Option<(RoomName, &'a Log)>) {
        if self.pending.is_empty() && !self.others.is_quiet() && self.state != State::Ended {
            let stamp = stamp(&self.outlet);
            self.others.copy_next(&stamp, find, &mut self.pending);
        }
    }

    /// Adds a line that no member sees, behind the lines so far.
    pub fn note(&mut self, line: &str) {
        let stamp = stamp(&self.outlet);
        self.pending.extend_from_slice(stamp.as_bytes());
        self.pending.extend_from_slice(line.as_bytes());
        self.pending.push(b'\n');
    }

    /// When [`Transcript::write`] is to be called although no message was said; a time in the past when there is work
    /// now.
    pub fn deadline(&self, log: &Log, now: Instant) -> Option<Instant> {
        if self.is_quiet(log) { None } else { self.retry.or(Some(now)) }
    }

    /// Writes some of the bytes that are not written yet, as many as the outlet takes without waiting.
    pub fn write(&mut self, log: &Log, now: Instant) -> Option<Change> {
        if self.state == State::Ended || self.retry.is_some_and(|retry| now < retry) {
            return None;
        }
        self.retry = None;
        let mut budget = TRANSCRIPT_WRITE_BYTES;
        while budget > 0 {
            // Pending bytes are written first, so that there is one gap to tell of, however long they take.
            if self.pending.is_empty() && !self.lobby.is_done(log) {
                self.read_on(log);
            }
            let from_log = self.pending.is_empty();
            let bytes = if from_log { log.bytes_from(self.lobby.cursor) } else { &self.pending[self.written..] };
            let bytes = &bytes[..bytes.len().min(budget)];
            if bytes.is_empty() {
                break;
            }
            match self.outlet.write(bytes) {
                Ok(count) => {
                    budget -= count;
                    if from_log { self.on_written_from_log(count, log) } else { self.on_written(count) }
                }
                Err(Unwritten::Full) => {
                    self.retry = Some(now + TRANSCRIPT_RETRY);
                    break;
                }
                Err(Unwritten::Disk(error)) => {
                    self.retry = Some(now + DISK_RETRY);
                    let before = std::mem::replace(&mut self.state, State::Paused);
                    return (before == State::Open).then_some(Change::Paused(error));
                }
                Err(Unwritten::HungUp) => {
                    self.state = State::Ended;
                    return None;
                }
                Err(Unwritten::Broken(error)) => {
                    self.state = State::Ended;
                    return Some(Change::Ended(error));
                }
            }
        }
        let before = std::mem::replace(&mut self.state, State::Open);
        (before == State::Paused).then_some(Change::Resumed)
    }

    /// Goes on in the file at the same path, opened anew. `None` where there is no path; an error leaves all as it is.
    pub fn reopen(&mut self) -> Option<io::Result<()>> {
        // A line that was begun is finished in the old file. If that fails, the new file gets the whole line.
        while self.written > 0 && self.state != State::Ended {
            let end = memchr::memchr(b'\n', &self.pending).expect("lines that are kept are whole");
            match self.outlet.write(&self.pending[self.written..=end]) {
                Ok(count) => self.on_written(count),
                Err(_) => break,
            }
        }
        self.retry = None;
        if self.written > 0 && self.state != State::Ended && self.outlet.is_at_its_path() {
            // There is no other file, in which a whole line would stand behind a part of it.
            return Some(Ok(()));
        }
        self.outlet = match self.outlet.reopen()? {
            Ok(outlet) => outlet,
            Err(error) => return Some(Err(error)),
        };
        self.written = 0;
        if self.state == State::Ended {
            self.state = State::Open;
        }
        Some(Ok(()))
    }

    /// True when everything was written, or the outlet takes no bytes any more.
    pub fn is_quiet(&self, log: &Log) -> bool {
        self.state == State::Ended || (self.pending.is_empty() && self.lobby.is_done(log) && self.others.is_quiet())
    }

    /// Reads on in the lobby once all before was written: tells of what the log has forgotten, or, where lines are
    /// stamped, copies as many of them with their stamps as one turn may write.
    fn read_on(&mut self, log: &Log) {
        let stamp = stamp(&self.outlet);
        self.lobby.skip_forgotten(log, &stamp, &mut self.pending);
        if self.pending.is_empty() && !stamp.is_empty() {
            self.lobby.copy(log, &stamp, TRANSCRIPT_WRITE_BYTES, &mut self.pending);
        }
    }

    fn on_written_from_log(&mut self, count: usize, log: &Log) {
        let reader = &mut self.lobby;
        reader.cursor = reader.cursor + count;
        // The rest of a line that was cut is copied, because the log may forget it before the outlet takes more.
        let rest = log.rest_of_message(reader.cursor);
        if !rest.is_empty() {
            let start = log.message_start(reader.cursor);
            let begun = &log.bytes_from(start)[..usize::try_from(reader.cursor - start).expect("a message is small")];
            self.pending.extend_from_slice(begun);
            self.pending.extend_from_slice(rest);
            self.written = begun.len();
            reader.cursor = reader.cursor + rest.len();
        }
        reader.messages = log.messages_before(reader.cursor);
    }

    fn on_written(&mut self, count: usize) {
        self.written += count;
        let whole = memchr::memrchr(b'\n', &self.pending[..self.written]).map_or(0, |end| end + 1);
        self.pending.drain(..whole);
        self.written -= whole;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::{LOG_ENTRY_BYTES, LOG_SEGMENTS_MIN};
    use crate::outlet::Place;
    use crate::outlet::test_outlet::TestOutlet;

    const SECOND: Duration = Duration::from_secs(1);

    fn say(log: &mut Log, line: &str) {
        log.make_space(line.len());
        log.append_bytes(line.as_bytes());
    }

    /// A log of five lines, and a transcript of it whose outlet takes `space` bytes.
    fn set_up(space: usize) -> (Log, Transcript<TestOutlet>, Instant) {
        let log = Log::new(LOG_SEGMENTS_MIN * (10 + LOG_ENTRY_BYTES), 10, 0);
        let transcript = Transcript::new(TestOutlet { space, ..TestOutlet::default() }, &log);
        (log, transcript, Instant::now())
    }

    fn text(transcript: &Transcript<TestOutlet>) -> &str {
        std::str::from_utf8(&transcript.outlet.taken).unwrap()
    }

    fn disk_is_full() -> Unwritten {
        Unwritten::Disk(io::ErrorKind::StorageFull.into())
    }

    #[test]
    fn a_transcript_that_lags_finishes_its_line_and_is_told() {
        let (mut log, mut transcript, start) = set_up(9);
        transcript.note("hi");
        say(&mut log, "1 aaaa\n");
        say(&mut log, "2 aaaa\n");
        assert!(transcript.write(&log, start).is_none());
        assert_eq!(transcript.deadline(&log, start), Some(start + TRANSCRIPT_RETRY));
        for number in 3..10 {
            say(&mut log, &format!("{number} aaaa\n"));
        }
        transcript.outlet.space = 1000;
        transcript.write(&log, start);
        assert!(!transcript.is_quiet(&log), "it is not tried again at once");
        transcript.write(&log, start + SECOND);
        assert!(transcript.is_quiet(&log));
        let expected = "hi\n1 aaaa\n! you missed 4 messages\n6 aaaa\n7 aaaa\n8 aaaa\n9 aaaa\n";
        assert_eq!(text(&transcript), expected);
    }

    #[test]
    fn a_line_cut_by_a_full_outlet_is_completed_from_a_copy() {
        let (mut log, mut transcript, start) = set_up(3);
        for number in 1..10 {
            say(&mut log, &format!("{number} aaaa\n"));
            transcript.write(&log, start);
        }
        transcript.outlet.space = 1000;
        transcript.write(&log, start + SECOND);
        let expected = "1 aaaa\n! you missed 4 messages\n6 aaaa\n7 aaaa\n8 aaaa\n9 aaaa\n";
        assert_eq!(text(&transcript), expected);
    }

    #[test]
    fn each_line_in_a_file_has_its_time_also_the_one_that_was_cut_and_the_gap() {
        let (mut log, mut transcript, start) = set_up(3);
        transcript.outlet.place = Place::File;
        transcript.note("hi");
        for number in 1..10 {
            say(&mut log, &format!("{number} aaaa\n"));
            transcript.write(&log, start);
        }
        transcript.outlet.space = 30;
        transcript.write(&log, start + SECOND);
        transcript.outlet.space = 1000;
        transcript.write(&log, start + 2 * SECOND);
        assert!(transcript.is_quiet(&log));
        let lines = ["hi", "! you missed 5 messages", "6 aaaa", "7 aaaa", "8 aaaa", "9 aaaa"];
        let expected: String = lines.iter().map(|line| format!("{}{line}\n", TestOutlet::STAMP)).collect();
        assert_eq!(text(&transcript), expected);
    }

    #[test]
    fn a_full_disk_is_reported_once_and_the_transcript_goes_on_when_it_has_space() {
        let (mut log, mut transcript, start) = set_up(3);
        say(&mut log, "1 aaaa\n");
        transcript.write(&log, start);
        transcript.outlet.failure = Some(disk_is_full);
        assert!(matches!(transcript.write(&log, start + SECOND), Some(Change::Paused(_))));
        for number in 2..10 {
            say(&mut log, &format!("{number} aaaa\n"));
            assert!(transcript.write(&log, start + 2 * SECOND).is_none(), "it is told of once");
        }
        assert_eq!(transcript.deadline(&log, start), Some(start + 2 * SECOND + DISK_RETRY));
        transcript.outlet.failure = None;
        transcript.outlet.space = 1000;
        assert!(matches!(transcript.write(&log, start + 4 * SECOND), Some(Change::Resumed)));
        let expected = "1 aaaa\n! you missed 4 messages\n6 aaaa\n7 aaaa\n8 aaaa\n9 aaaa\n";
        assert_eq!(text(&transcript), expected);
    }

    #[test]
    fn a_line_is_whole_in_one_of_two_files() {
        // The old file takes the rest of the line.
        let (mut log, mut transcript, start) = set_up(3);
        say(&mut log, "1 aaaa\n");
        say(&mut log, "2 aaaa\n");
        transcript.write(&log, start);
        transcript.outlet.space = 1000;
        let old = transcript.outlet.taken.clone();
        assert_eq!(old, b"1 a");
        transcript.reopen().expect("it can be opened").unwrap();
        transcript.write(&log, start);
        assert!(transcript.outlet.reopened);
        assert_eq!(text(&transcript), "2 aaaa\n");
        // It does not, and the line is written again.
        let (mut log, mut transcript, start) = set_up(3);
        say(&mut log, "1 aaaa\n");
        transcript.write(&log, start);
        transcript.reopen().expect("it can be opened").unwrap();
        transcript.write(&log, start);
        assert_eq!(text(&transcript), "1 aaaa\n");
    }

    #[test]
    fn a_line_that_was_cut_is_finished_later_where_there_is_no_other_file() {
        let (mut log, mut transcript, start) = set_up(3);
        say(&mut log, "1 aaaa\n");
        transcript.write(&log, start);
        transcript.outlet.stays = true;
        transcript.reopen().expect("it can be opened").unwrap();
        assert!(!transcript.outlet.reopened);
        transcript.outlet.space = 1000;
        transcript.write(&log, start);
        assert_eq!(text(&transcript), "1 aaaa\n");
    }

    #[test]
    fn a_transcript_that_has_ended_goes_on_when_it_is_opened_anew() {
        let (mut log, mut transcript, start) = set_up(1000);
        transcript.outlet.failure = Some(|| Unwritten::HungUp);
        for number in 1..10 {
            say(&mut log, &format!("{number} aaaa\n"));
            assert!(transcript.write(&log, start).is_none(), "the end of a terminal is not reported");
        }
        assert!(transcript.is_quiet(&log) && transcript.deadline(&log, start).is_none());
        transcript.reopen().expect("it can be opened").unwrap();
        transcript.write(&log, start);
        assert_eq!(text(&transcript), "! you missed 5 messages\n6 aaaa\n7 aaaa\n8 aaaa\n9 aaaa\n");
    }
}
