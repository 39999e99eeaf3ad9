//! How often something took how long, counted in buckets that are the same for all. Pure: reads no clock.
//!
//! To record is to find a bucket among few and to add to it, and allocates nothing, so it may be done in every turn.

use std::time::Duration;

/// The upper end of each bucket in nanoseconds, and in seconds as it is shown. What is longer than the last stands in
/// a bucket of its own. A turn takes some hundred microseconds, a sweep of a million members some seconds.
pub const BUCKETS: [(u64, &str); 18] = [
    (10_000, "0.00001"),
    (25_000, "0.000025"),
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (10_000_000_000, "10"),
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many fell into each bucket and no smaller one; those longer than all buckets last.
    counts: [u64; BUCKETS.len() + 1],
    nanos: u64,
}

impl Histogram {
    pub fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts[BUCKETS.partition_point(|(end, _)| *end < nanos)] += 1;
        self.nanos = self.nanos.saturating_add(nanos);
    }

    /// The end of each bucket, and how many took no longer. All of them are [`Histogram::count`].
    pub fn buckets(&self) -> impl Iterator<Item = (&'static str, u64)> {
        BUCKETS.iter().zip(self.counts).scan(0, |sum, ((_, end), count)| {
            *sum += count;
            Some((*end, *sum))
        })
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All times together, in nanoseconds.
    pub fn nanos(&self) -> u64 {
        self.nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stands_in_every_bucket_that_it_is_not_longer_than() {
        let mut histogram = Histogram::default();
        let times = [
            Duration::ZERO,
            Duration::from_micros(10),
            Duration::from_nanos(10_001),
            Duration::from_secs(1),
            Duration::from_secs(11),
        ];
        times.into_iter().for_each(|time| histogram.record(time));
        let buckets: Vec<(&str, u64)> = histogram.buckets().collect();
        assert_eq!(buckets[..2], [("0.00001", 2), ("0.000025", 3)]);
        assert_eq!(buckets[14..], [("0.5", 3), ("1", 4), ("2.5", 4), ("10", 4)]);
        assert_eq!((histogram.count(), histogram.nanos()), (5, 12_000_020_001));
    }

    #[test]
    fn buckets_rise_and_are_shown_as_what_they_are() {
        assert!(BUCKETS.is_sorted_by(|one, other| one.0 < other.0));
        for (nanos, seconds) in BUCKETS {
            let shown: f64 = seconds.parse().unwrap();
            assert!((shown * 1e9 - nanos as f64).abs() < 0.5, "{seconds}");
        }
    }

    #[test]
    fn the_longest_time_there_is_is_counted() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        histogram.record(Duration::MAX);
        assert_eq!((histogram.count(), histogram.nanos()), (2, u64::MAX));
    }
}
