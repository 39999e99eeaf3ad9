//! The journal: the server's own log, one event a line, on the standard error.
//!
//! The server never waits for it. Lines that its outlet does not take are kept up to a bound; beyond it they are
//! dropped and counted, and a line with the count stands in their place: `uproar: 12 lines not logged`. Reads no clock
//! but its outlet's.

pub mod event;

use std::fmt;
use std::io::Write;
use std::time::Instant;

use crate::limits::{DISK_RETRY, JOURNAL_RETRY};
use crate::outlet::{Outlet, Unwritten, stamp};
pub use event::{Level, LogEvent};

#[derive(Debug)]
pub struct Journal<W> {
    outlet: W,
    /// Most bytes of `pending`.
    bytes_max: usize,
    /// Lines to be written. A part of the first may have been written already.
    pending: Vec<u8>,
    /// Lines dropped behind the last line of `pending`.
    lines_dropped: u64,
    /// Set exactly while the outlet takes nothing: when to try again.
    retry: Option<Instant>,
    /// True once the outlet will never take anything again.
    ended: bool,
    /// Events ever reported.
    reported: u64,
}

impl<W: Outlet> Journal<W> {
    /// A journal that keeps at most `bytes_max` bytes that `outlet` does not take.
    pub fn new(outlet: W, bytes_max: usize) -> Self {
        Self { outlet, bytes_max, pending: Vec::new(), lines_dropped: 0, retry: None, ended: false, reported: 0 }
    }

    /// Reports one event: writes it, keeps it to be written, or drops and counts it.
    pub fn report(&mut self, event: LogEvent, now: Instant, text: fmt::Arguments<'_>) {
        self.reported += 1;
        let kept = self.pending.len();
        let dropped = self.lines_dropped;
        if !self.ended {
            self.tell_dropped();
            self.push(event, text);
        }
        if self.ended || self.pending.len() > self.bytes_max {
            self.pending.truncate(kept);
            self.lines_dropped = dropped + 1;
        }
        self.write(now);
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
            match self.outlet.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(Unwritten::Full) => return self.retry = Some(now + JOURNAL_RETRY),
                Err(Unwritten::Disk(_)) => return self.retry = Some(now + DISK_RETRY),
                Err(Unwritten::HungUp | Unwritten::Broken(_)) => return self.ended = true,
            }
        }
    }

    /// When [`Journal::write`] is to be called although nothing was reported.
    pub fn deadline(&self) -> Option<Instant> {
        self.retry
    }

    /// True when there is nothing to be written, or the outlet takes nothing any more.
    pub fn is_quiet(&self) -> bool {
        self.ended || self.retry.is_none()
    }

    fn tell_dropped(&mut self) {
        match std::mem::take(&mut self.lines_dropped) {
            0 => {}
            1 => self.push(LogEvent::Dropped, format_args!("1 line not logged")),
            lines => self.push(LogEvent::Dropped, format_args!("{lines} lines not logged")),
        }
    }

    fn push(&mut self, _event: LogEvent, text: fmt::Arguments<'_>) {
        let stamp = stamp(&self.outlet);
        writeln!(self.pending, "{stamp}uproar: {text}").expect("writing to a vector never fails");
    }
}

impl<W> Journal<W> {
    /// Panics unless each event reported is in `written`, which are the bytes that the outlet took, or is kept, or was
    /// counted as dropped.
    pub fn invariants(&self, written: &[u8]) {
        assert!(self.pending.len() <= self.bytes_max, "what is kept is bounded");
        let text = [written, &self.pending].concat();
        assert!(text.is_empty() || text.ends_with(b"\n"), "a line is written or kept to its end");
        let mut accounted = self.lines_dropped;
        for line in String::from_utf8(text).expect("events are text").lines() {
            let (_, event) = line.split_once("uproar: ").expect("a line has the prefix");
            let dropped = event.strip_suffix(" lines not logged").or(event.strip_suffix(" line not logged"));
            accounted += dropped.map_or(1, |lines| lines.parse().expect("dropped lines are counted"));
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
    use crate::outlet::test_outlet::TestOutlet;

    const SECOND: Duration = Duration::from_secs(1);

    /// A journal of at most 100 bytes.
    fn journal() -> (Journal<TestOutlet>, Instant) {
        (Journal::new(TestOutlet::default(), 100), Instant::now())
    }

    fn text(journal: &Journal<TestOutlet>) -> String {
        journal.invariants(&journal.outlet.taken);
        String::from_utf8(journal.outlet.taken.clone()).unwrap()
    }

    #[test]
    fn lines_that_a_full_outlet_does_not_take_are_kept_then_dropped_and_counted() {
        let (mut journal, start) = journal();
        journal.outlet.space = 12;
        // Each is 16 bytes: twelve of the first are taken, and 100 bytes are kept.
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
        let told: String = (0..7).map(|number| format!("uproar: event {number}\n")).collect();
        assert_eq!(text(&journal), told + "uproar: 3 lines not logged\n");
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
    fn each_line_in_a_file_has_its_time() {
        let (mut journal, start) = journal();
        journal.outlet.space = usize::MAX;
        journal.outlet.stamped = true;
        journal.report(LogEvent::Hint, start, format_args!("one"));
        assert_eq!(text(&journal), format!("{}uproar: one\n", TestOutlet::STAMP));
    }
}
