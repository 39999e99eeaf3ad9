//! How long turns take, and how long it takes until everybody has what was said. Pure: the time is handed in.

use std::time::Instant;

use crate::metrics::histogram::Histogram;

#[derive(Debug, Default)]
pub struct Measures {
    /// Turns, from when their completions were collected.
    pub turns: Histogram,
    /// From when something was to be sent until everybody whose socket takes bytes had everything.
    pub sweeps: Histogram,
    /// When the sweep began that is not over.
    since: Option<Instant>,
    /// Sends until the last turn.
    sends: u64,
}

impl Measures {
    /// A turn is over, which began at `begun`. `sends` were made since the start, and something is still to be sent where
    /// it `has_due`.
    pub fn on_turn(&mut self, begun: Instant, end: Instant, sends: u64, has_due: bool) {
        self.turns.record(end.saturating_duration_since(begun));
        let has_sent = std::mem::replace(&mut self.sends, sends) != sends;
        if has_due {
            self.since.get_or_insert(begun);
        } else if let Some(since) = self.since.take().or(has_sent.then_some(begun)) {
            self.sweeps.record(end.saturating_duration_since(since));
        }
    }

    /// How long ago the sweep began that is not over, in nanoseconds.
    pub fn sweep_nanos(&self, now: Instant) -> u64 {
        let age = self.since.map(|since| now.saturating_duration_since(since)).unwrap_or_default();
        u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_sweep_lasts_until_nothing_is_to_be_sent() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut measures = Measures::default();
        measures.on_turn(at(0), at(1), 0, false);
        assert_eq!((measures.turns.count(), measures.sweeps.count()), (1, 0), "nothing was sent");
        measures.on_turn(at(10), at(13), 5, false);
        assert_eq!((measures.sweeps.count(), measures.sweeps.nanos()), (1, 3_000_000), "all in one turn");
        measures.on_turn(at(20), at(21), 64, true);
        measures.on_turn(at(21), at(22), 128, true);
        assert_eq!((measures.sweeps.count(), measures.sweep_nanos(at(25))), (1, 5_000_000), "it goes on");
        measures.on_turn(at(22), at(24), 130, false);
        assert_eq!((measures.sweeps.count(), measures.sweeps.nanos()), (2, 7_000_000));
        assert_eq!((measures.turns.count(), measures.sweep_nanos(at(30))), (5, 0));
    }
}
