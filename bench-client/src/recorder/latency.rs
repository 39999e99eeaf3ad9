//! Latencies of one kind: a histogram of nanoseconds, and which of its values are only lower bounds.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Latencies above this are recorded as this, and counted.
pub const LATENCY_NS_MAX: u64 = 60_000_000_000;
/// Significant decimal digits of every histogram.
pub const LATENCY_DIGITS: u8 = 3;

/// An empty histogram of nanoseconds.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, LATENCY_DIGITS).expect("the bounds are in order")
}

/// Samples that quantile `quantile` needs before it says anything: ten beyond it.
pub fn samples_needed(quantile: f64) -> u64 {
    (10.0 / (1.0 - quantile)).round() as u64
}

/// Latencies of one kind.
#[derive(Debug, Clone)]
pub struct Latency {
    pub histogram: Histogram<u64>,
    /// Values that are only known to be at least this long, see `at_least_from_ns`.
    pub censored: u64,
    /// The smallest censored value: a figure from here on is "at least". `u64::MAX` if none is censored.
    pub at_least_from_ns: u64,
    /// Values above [`LATENCY_NS_MAX`], recorded as that.
    pub saturated: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { histogram: histogram(), censored: 0, at_least_from_ns: u64::MAX, saturated: 0 }
    }
}

impl Latency {
    pub(super) fn record(&mut self, value_ns: u64) {
        if value_ns > LATENCY_NS_MAX {
            self.saturated += 1;
        }
        self.histogram.saturating_record(value_ns);
    }

    /// `count` values that are at least `value_ns`.
    pub(super) fn record_censored(&mut self, value_ns: u64, count: u64) {
        self.censored += count;
        self.at_least_from_ns = self.at_least_from_ns.min(value_ns);
        if value_ns > LATENCY_NS_MAX {
            self.saturated += count;
        }
        self.histogram.saturating_record_n(value_ns, count);
    }

    /// The value at `quantile`, if there are samples enough to speak of it.
    pub fn quantile_ns(&self, quantile: f64) -> Option<u64> {
        (self.histogram.len() >= samples_needed(quantile)).then(|| self.histogram.value_at_quantile(quantile))
    }

    /// The largest value, if there is any.
    pub fn max_ns(&self) -> Option<u64> {
        (!self.histogram.is_empty()).then(|| self.histogram.max())
    }
}

/// A histogram on its way from one process to another: a value of each cell that holds any, and how many. The histogram that is
/// filled from it has the same cells.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cells(Vec<(u64, u64)>);

impl From<&Histogram<u64>> for Cells {
    fn from(histogram: &Histogram<u64>) -> Self {
        Self(histogram.iter_recorded().map(|cell| (cell.value_iterated_to(), cell.count_at_value())).collect())
    }
}

impl Cells {
    /// Adds what `other` has.
    pub fn add(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// Values in all cells.
    pub fn samples(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    pub fn add_to(&self, histogram: &mut Histogram<u64>) {
        for &(value, count) in &self.0 {
            histogram.saturating_record_n(value, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_make_the_same_histogram_again() {
        let mut sent = histogram();
        for value in [1, 999, 1_000_003, 1_000_003, 12_345_678_901, LATENCY_NS_MAX] {
            sent.saturating_record(value);
        }
        let json = serde_json::to_string(&Cells::from(&sent)).unwrap();
        let cells: Cells = serde_json::from_str(&json).unwrap();
        let mut received = histogram();
        cells.add_to(&mut received);
        assert_eq!(received, sent);
        assert_eq!((received.min(), received.max(), received.len()), (sent.min(), sent.max(), 6));
    }
}
