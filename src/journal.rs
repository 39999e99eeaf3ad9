//! The journal: the server's own log, one event a line, on the standard error or in a file.
//!
//! The server never waits for it. Lines that its outlet does not take are kept up to a bound; beyond it they are
//! dropped and counted, and a line with the count stands in their place: `uproar: 12 lines not logged`. What a line looks
//! like is `line`'s affair, and which events there are `event`'s. Reads no clock but its outlet's.

#[cfg(test)]
mod document;
pub mod event;
mod line;
mod whom;

use std::time::Instant;
use std::{fmt, io};

use crate::limits::{DISK_RETRY, JOURNAL_RETRY};
use crate::outlet::{Outlet, Unwritten};
pub use event::{Level, LogEvent, LogField};
pub use line::{Field, Format, Value};
pub use whom::{Held, Whom};

/// How the operator wants the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    pub format: Format,
    /// Whether lines have addresses of peers.
    pub addresses: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { format: Format::Text, addresses: true }
    }
}

#[derive(Debug)]
pub struct Journal<W> {
    outlet: W,
    style: Style,
    /// Most bytes of `pending` that are not written.
    bytes_max: usize,
    /// Lines to be written.
    pending: Vec<u8>,
    /// How many bytes of the first line in `pending` were written. It is kept whole until all of it was, because a file
    /// that is opened anew has it from its beginning; so these count too.
    written: usize,
    /// Lines dropped behind the last line of `pending`.
    lines_dropped: u64,
    /// Set exactly while the outlet takes nothing: when to try again.
    retry: Option<Instant>,
    /// True once the outlet takes nothing any more; only opening it anew helps.
    ended: bool,
    /// Events ever reported.
    reported: u64,
}

impl<W: Outlet> Journal<W> {
    /// A journal that keeps at most `bytes_max` bytes that `outlet` does not take.
    pub fn new(outlet: W, style: Style, bytes_max: usize) -> Self {
        Self {
            outlet,
            style,
            bytes_max,
            pending: Vec::new(),
            written: 0,
            lines_dropped: 0,
            retry: None,
            ended: false,
            reported: 0,
        }
    }

    /// Reports one event: writes it, keeps it to be written, or drops and counts it.
    pub fn report(&mut self, event: LogEvent, now: Instant, text: fmt::Arguments<'_>) {
        self.report_with(event, now, text, &[]);
    }

    /// As [`Journal::report`], with what of the event is data.
    pub fn report_with(&mut self, event: LogEvent, now: Instant, text: fmt::Arguments<'_>, fields: &[Field<'_>]) {
        self.reported += 1;
        let kept = self.pending.len();
        let dropped = self.lines_dropped;
        if !self.ended {
            self.tell_dropped();
            self.push(event, text, fields);
        }
        if self.ended || self.pending.len() > self.bytes_max {
            self.pending.truncate(kept);
            self.lines_dropped = dropped + 1;
        }
        self.write(now);
    }

    /// As [`Journal::report`], of something that went wrong.
    pub fn report_error(&mut self, event: LogEvent, now: Instant, text: fmt::Arguments<'_>, error: &impl fmt::Display) {
        self.report_with(event, now, text, &[(LogField::Error, Value::Text(error))]);
    }

    /// Writes the lines that were kept, as far as the outlet takes them.
    pub fn write(&mut self, now: Instant) {
        if self.ended || self.retry.is_some_and(|retry| now < retry) {
            return;
        }
        self.retry = None;
        loop {
            if self.pending.is_empty() {
                self.tell_dropped();
            }
            if self.pending.is_empty() {
                return;
            }
            match self.outlet.write(&self.pending[self.written..]) {
                Ok(count) => self.on_written(count),
                Err(Unwritten::Full) => return self.retry = Some(now + JOURNAL_RETRY),
                Err(Unwritten::Disk(_)) => return self.retry = Some(now + DISK_RETRY),
                Err(Unwritten::HungUp | Unwritten::Broken(_)) => return self.ended = true,
            }
        }
    }

    /// Goes on in the file at the same path, opened anew. `None` where there is no path; an error leaves all as it is.
    pub fn reopen(&mut self, now: Instant) -> Option<io::Result<()>> {
        // A line that was begun is finished in the old file. If that fails, the new file gets the whole line.
        while self.written > 0 && !self.ended {
            let end = memchr::memchr(b'\n', &self.pending).expect("lines that are kept are whole");
            match self.outlet.write(&self.pending[self.written..=end]) {
                Ok(count) => self.on_written(count),
                Err(_) => break,
            }
        }
        if self.written > 0 && !self.ended && self.outlet.is_at_its_path() {
            // There is no other file, in which a whole line would stand behind a part of it.
            self.retry = None;
            self.write(now);
            return Some(Ok(()));
        }
        self.outlet = match self.outlet.reopen()? {
            Ok(outlet) => outlet,
            Err(error) => return Some(Err(error)),
        };
        (self.written, self.retry, self.ended) = (0, None, false);
        self.write(now);
        Some(Ok(()))
    }

    /// When [`Journal::write`] is to be called although nothing was reported.
    pub fn deadline(&self) -> Option<Instant> {
        self.retry
    }

    /// True when there is nothing to be written, or the outlet takes nothing any more.
    pub fn is_quiet(&self) -> bool {
        self.ended || self.retry.is_none()
    }

    fn on_written(&mut self, count: usize) {
        self.written += count;
        let whole = memchr::memrchr(b'\n', &self.pending[..self.written]).map_or(0, |end| end + 1);
        self.pending.drain(..whole);
        self.written -= whole;
    }

    fn tell_dropped(&mut self) {
        let lines = std::mem::take(&mut self.lines_dropped);
        let noun = if lines == 1 { "line" } else { "lines" };
        if lines > 0 {
            let fields = [(LogField::Lines, Value::Number(lines))];
            self.push(LogEvent::Dropped, format_args!("{lines} {noun} not logged"), &fields);
        }
    }

    fn push(&mut self, event: LogEvent, text: fmt::Arguments<'_>, fields: &[Field<'_>]) {
        line::push(self.style.format, &self.outlet, event, text, fields, &mut self.pending);
    }
}

impl<W> Journal<W> {
    /// Whether lines have addresses of peers.
    pub fn has_addresses(&self) -> bool {
        self.style.addresses
    }

    /// Panics unless each event reported is in `written`, which are the bytes that the outlet took, or is kept, or was
    /// counted as dropped.
    pub fn invariants(&self, written: &[u8]) {
        assert!(self.pending.len() <= self.bytes_max, "what is kept is bounded");
        let text = [written, &self.pending[self.written..]].concat();
        assert!(text.is_empty() || text.ends_with(b"\n"), "a line is written or kept to its end");
        let mut accounted = self.lines_dropped;
        for line in String::from_utf8(text).expect("events are text").lines() {
            let dropped = match self.style.format {
                Format::Text => {
                    let dropped = line.strip_suffix(" lines not logged").or(line.strip_suffix(" line not logged"));
                    dropped.map(|line| line.rsplit([' ', '>']).next().expect("a split has a part").parse().ok())
                }
                Format::Json => {
                    // Whether other lines are objects is asked once, when a run is over: there are many of them.
                    line.contains("\"event\":\"dropped\"").then(|| {
                        let object = line.trim_start_matches(|prefix| prefix != '{');
                        let object: serde_json::Value = serde_json::from_str(object).expect("a line is an object");
                        object["lines"].as_u64()
                    })
                }
            };
            accounted += dropped.map_or(1, |lines| lines.expect("dropped lines are counted"));
        }
        assert_eq!(accounted, self.reported, "each event was written or kept, or counted as dropped");
    }

    /// Events ever reported.
    pub fn reported(&self) -> u64 {
        self.reported
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::*;
    use crate::outlet::Place;
    use crate::outlet::test_outlet::TestOutlet;

    const SECOND: Duration = Duration::from_secs(1);

    /// A journal of at most 100 bytes.
    fn journal() -> (Journal<TestOutlet>, Instant) {
        (Journal::new(TestOutlet::default(), Style::default(), 100), Instant::now())
    }

    fn text(journal: &Journal<TestOutlet>) -> String {
        journal.invariants(&journal.outlet.taken);
        String::from_utf8(journal.outlet.taken.clone()).unwrap()
    }

    #[test]
    fn lines_that_a_full_outlet_does_not_take_are_kept_then_dropped_and_counted() {
        let (mut journal, start) = journal();
        journal.outlet.space = 12;
        // Each is 16 bytes: twelve of the first are taken, and 100 bytes are kept, those among them.
        for number in 0..10 {
            journal.report(LogEvent::Hint, start, format_args!("event {number}"));
        }
        assert_eq!(text(&journal), "uproar: even");
        assert_eq!(journal.deadline(), Some(start + JOURNAL_RETRY));
        assert!(!journal.is_quiet());
        journal.outlet.space = usize::MAX;
        journal.write(start);
        assert_eq!(text(&journal), "uproar: even", "it is not tried again at once");
        journal.write(start + SECOND);
        let told: String = (0..6).map(|number| format!("uproar: event {number}\n")).collect();
        assert_eq!(text(&journal), told + "uproar: 4 lines not logged\n");
        assert!(journal.is_quiet() && journal.deadline().is_none());
    }

    #[test]
    fn dropped_lines_are_told_where_they_are_missing() {
        let (mut journal, start) = journal();
        for number in 0..8 {
            journal.report(LogEvent::Hint, start, format_args!("event {number}"));
        }
        // There is space for a line, but not for the count before it.
        journal.outlet.space = 16;
        journal.report(LogEvent::Hint, start + SECOND, format_args!("event 8"));
        journal.outlet.space = 48;
        journal.report(LogEvent::Hint, start + 2 * SECOND, format_args!("event 9"));
        journal.report(LogEvent::Hint, start + 3 * SECOND, format_args!("event 10"));
        journal.outlet.space = usize::MAX;
        journal.write(start + 4 * SECOND);
        let told: String = (0..6).map(|number| format!("uproar: event {number}\n")).collect();
        assert_eq!(text(&journal), told + "uproar: 4 lines not logged\nuproar: event 10\n");
    }

    #[test]
    fn a_full_disk_is_tried_again_and_a_broken_pipe_is_not() {
        let (mut journal, start) = journal();
        journal.outlet.failure = Some(|| Unwritten::Disk(io::ErrorKind::StorageFull.into()));
        journal.report(LogEvent::Hint, start, format_args!("one"));
        assert_eq!(journal.deadline(), Some(start + DISK_RETRY));
        for gone in
            [(|| Unwritten::Broken(io::ErrorKind::BrokenPipe.into())) as fn() -> Unwritten, || Unwritten::HungUp]
        {
            let (mut journal, start) = self::journal();
            journal.outlet.failure = Some(gone);
            journal.report(LogEvent::Hint, start, format_args!("one"));
            assert!(journal.is_quiet() && journal.deadline().is_none());
            journal.outlet.failure = None;
            journal.outlet.space = usize::MAX;
            journal.report(LogEvent::Hint, start + SECOND, format_args!("two"));
            assert_eq!(text(&journal), "");
        }
    }

    #[test]
    fn a_line_that_was_cut_is_finished_in_the_old_file_or_stands_whole_in_the_new_one() {
        for old_takes_it in [true, false] {
            let (mut journal, start) = journal();
            journal.outlet.space = 12;
            journal.report(LogEvent::Hint, start, format_args!("one"));
            journal.report(LogEvent::Hint, start, format_args!("two"));
            assert_eq!(text(&journal), "uproar: one\n");
            journal.outlet.space = 3;
            journal.write(start + SECOND);
            journal.outlet.space = if old_takes_it { usize::MAX } else { 0 };
            journal.report(LogEvent::Hint, start + SECOND, format_args!("three"));
            assert!(matches!(journal.reopen(start + SECOND), Some(Ok(()))) && journal.outlet.reopened);
            let cut = if old_takes_it { "" } else { "uproar: two\n" };
            let new = String::from_utf8(journal.outlet.taken.clone()).unwrap();
            assert_eq!(new, cut.to_owned() + "uproar: three\n");
            assert!(journal.is_quiet() && journal.pending.is_empty() && journal.written == 0);
        }
    }

    #[test]
    fn a_line_that_was_cut_is_finished_later_where_there_is_no_other_file() {
        let (mut journal, start) = journal();
        journal.outlet.stays = true;
        journal.outlet.space = 3;
        journal.report(LogEvent::Hint, start, format_args!("one"));
        assert!(matches!(journal.reopen(start), Some(Ok(()))) && !journal.outlet.reopened);
        journal.outlet.space = usize::MAX;
        journal.report(LogEvent::Hint, start + SECOND, format_args!("two"));
        journal.write(start + 2 * SECOND);
        assert_eq!(text(&journal), "uproar: one\nuproar: two\n");
        assert!(matches!(journal.reopen(start), Some(Ok(()))) && journal.outlet.reopened, "nothing is begun");
    }

    #[test]
    fn a_log_that_has_ended_goes_on_in_a_file_that_is_opened_anew_and_tells_what_is_missing() {
        let (mut journal, start) = journal();
        journal.outlet.failure = Some(|| Unwritten::HungUp);
        for number in 0..3 {
            journal.report(LogEvent::Hint, start, format_args!("event {number}"));
        }
        assert!(matches!(journal.reopen(start), Some(Ok(()))));
        journal.report(LogEvent::Hint, start, format_args!("event 3"));
        assert_eq!(text(&journal), "uproar: event 0\nuproar: 2 lines not logged\nuproar: event 3\n");
    }

    #[test]
    fn each_line_in_a_file_has_its_time_and_level() {
        let (mut journal, start) = journal();
        journal.outlet.space = usize::MAX;
        journal.outlet.place = Place::File;
        journal.report(LogEvent::Hint, start, format_args!("one"));
        assert_eq!(text(&journal), format!("{}info uproar: one\n", TestOutlet::STAMP));
    }
}
