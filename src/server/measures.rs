//! How long turns take, and how long it takes until everybody has what was said. Pure: the time is handed in.
//!
//! One sweep is measured at a time, from the turn in which something was said until all members of that room have it
//! whose sockets take bytes. In a busy house the next one is measured from there.

use std::time::Instant;

use crate::metrics::histogram::Histogram;

#[derive(Debug)]
pub struct Measures<M> {
    /// Turns, from when their completions were collected.
    pub turns: Histogram,
    pub sweeps: Histogram,
    /// How far the sweep has to come that is measured, and when it began.
    sweep: Option<(M, Instant)>,
    /// What was put into logs until the last turn.
    appended: u64,
}

impl<M> Default for Measures<M> {
    fn default() -> Self {
        Self { turns: Histogram::default(), sweeps: Histogram::default(), sweep: None, appended: 0 }
    }
}

impl<M> Measures<M> {
    /// A turn is over, which began at `begun`. `appended` changes with each line that is put into a log, `is_past` tells
    /// whether a sweep has come so far, `mark` how far one has to come that goes on.
    pub fn on_turn(
        &mut self,
        (begun, end): (Instant, Instant),
        appended: u64,
        is_past: impl FnOnce(&M) -> bool,
        mark: impl FnOnce() -> Option<M>,
    ) {
        self.turns.record(end.saturating_duration_since(begun));
        let is_new = std::mem::replace(&mut self.appended, appended) != appended;
        if let Some((mark, since)) = &self.sweep {
            if !is_past(mark) {
                return;
            }
            self.sweeps.record(end.saturating_duration_since(*since));
            self.sweep = None;
        }
        match mark() {
            Some(mark) => self.sweep = Some((mark, begun)),
            // It was over within the turn.
            None if is_new => self.sweeps.record(end.saturating_duration_since(begun)),
            None => {}
        }
    }

    /// How long ago the sweep began that is not over, in nanoseconds.
    pub fn sweep_nanos(&self, now: Instant) -> u64 {
        let age = self.sweep.as_ref().map(|(_, since)| now.saturating_duration_since(*since)).unwrap_or_default();
        u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_sweep_lasts_until_its_mark_is_reached_also_where_there_is_always_something_to_send() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut measures = Measures::default();
        let mut turn = |begun, end, appended, reached: u64, mark: Option<u64>| {
            measures.on_turn((at(begun), at(end)), appended, |mark| reached >= *mark, || mark);
            (measures.sweeps.count(), measures.sweeps.nanos() / 1_000_000, measures.sweep_nanos(at(end)) / 1_000_000)
        };
        assert_eq!(turn(0, 1, 0, 0, None), (0, 0, 0), "nothing was said");
        assert_eq!(turn(10, 13, 1, 5, None), (1, 3, 0), "all in one turn");
        assert_eq!(turn(20, 21, 2, 0, Some(10)), (1, 3, 1));
        assert_eq!(turn(21, 22, 3, 9, Some(20)), (1, 3, 2), "more was said, and the mark stays");
        assert_eq!(turn(22, 24, 3, 10, Some(20)), (2, 7, 2), "the next is measured at once");
        assert_eq!(turn(24, 25, 3, 20, None), (3, 10, 0));
        assert_eq!(turn(30, 31, 3, 20, None), (3, 10, 0));
        assert_eq!(measures.turns.count(), 7);
    }
}
