//! Latencies of one kind: a histogram of nanoseconds, and which of its values are only lower bounds.

use hdrhistogram::Histogram;

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
