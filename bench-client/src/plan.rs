//! The plan of a run: when each message is due, fixed before the first is sent.
//!
//! The load is open: due times come from the rate alone, however the server fares. While a server stalls, messages go on being
//! due, and each of them has the stall in its latency, which counts from here.
//!
//! Pure: offsets from a start that the engine chooses. Messages go round the publishers, so message `i` is publisher
//! `i mod p`, sequence `i div p`; both can be told from each other without a table.

use std::time::Duration;

/// How due times follow each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// Evenly, one interval apart.
    #[default]
    Fixed,
    /// At random, independent of each other, with the same mean.
    Poisson,
}

/// How long the measured part is.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Length {
    Time(Duration),
    Messages(u64),
}

/// What a plan is made from.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pace {
    /// Messages a second of the whole room, above zero.
    pub rate_per_s: f64,
    pub publishers: u32,
    pub warmup: Duration,
    pub length: Length,
    pub arrival: Arrival,
    /// Decides the gaps of a Poisson plan: the same seed is the same plan.
    pub seed: u64,
}

/// Due times of all messages, warm-up first.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Nanoseconds from the start of the plan, never falling.
    due_ns: Vec<u64>,
    /// The first this many messages are sent and verified like the rest, and left out of every figure.
    warmup_messages: usize,
    publishers: u32,
    /// When the measured part ends: the due time of the message after the last.
    end_ns: u64,
}

/// Messages a plan may hold: 24 bytes and more of memory each.
pub const MESSAGES_MAX: u64 = 50_000_000;

impl Plan {
    /// The plan for `pace`; there is at least one measured message.
    pub fn new(pace: &Pace) -> Result<Self, String> {
        if !(pace.rate_per_s.is_finite() && pace.rate_per_s > 0.0) {
            return Err("the rate must be above zero".to_string());
        }
        let warmup = (pace.warmup.as_secs_f64() * pace.rate_per_s).floor();
        let measured = match pace.length {
            Length::Time(time) => (time.as_secs_f64() * pace.rate_per_s).round().max(1.0),
            Length::Messages(count) => (count as f64).max(1.0),
        };
        if warmup + measured > MESSAGES_MAX as f64 {
            return Err(format!(
                "{:.0} messages are more than the {MESSAGES_MAX} a plan holds; lower -r or shorten -d",
                warmup + measured
            ));
        }
        let total = (warmup + measured) as usize;
        let gap_ns = 1e9 / pace.rate_per_s;
        let mut random = Random(pace.seed);
        let mut at = 0.0;
        let mut due_ns = Vec::with_capacity(total);
        for index in 0..total {
            due_ns.push(at as u64);
            at = match pace.arrival {
                // From the index, not from the last due time: a million additions would drift.
                Arrival::Fixed => (index + 1) as f64 * gap_ns,
                Arrival::Poisson => at - gap_ns * (1.0 - random.unit()).ln(),
            };
        }
        Ok(Self { due_ns, warmup_messages: warmup as usize, publishers: pace.publishers, end_ns: at as u64 })
    }

    /// Messages of the plan, warm-up included.
    pub fn len(&self) -> usize {
        self.due_ns.len()
    }

    /// Publishers that the messages go round.
    pub fn publishers(&self) -> u32 {
        self.publishers
    }

    /// Messages at the head of the plan that no figure counts.
    pub fn warmup_messages(&self) -> usize {
        self.warmup_messages
    }

    /// Messages that figures count.
    pub fn measured_messages(&self) -> usize {
        self.len() - self.warmup_messages
    }

    /// When message `index` is due, from the start of the plan.
    pub fn due_ns(&self, index: usize) -> u64 {
        self.due_ns[index]
    }

    /// When the first measured message is due.
    pub fn window_start_ns(&self) -> u64 {
        self.due_ns[self.warmup_messages]
    }

    /// When the message after the last would be due.
    pub fn window_end_ns(&self) -> u64 {
        self.end_ns
    }

    /// The publisher that sends message `index`.
    pub fn publisher_of(&self, index: usize) -> u32 {
        (index % self.publishers as usize) as u32
    }

    /// The number of message `index` among those of its publisher, from 0.
    pub fn sequence_of(&self, index: usize) -> u64 {
        (index / self.publishers as usize) as u64
    }

    /// The message that is `sequence` of `publisher`, if the plan has it.
    pub fn index_of(&self, publisher: u32, sequence: u64) -> Option<usize> {
        if publisher >= self.publishers {
            return None;
        }
        let index = sequence.checked_mul(u64::from(self.publishers))?.checked_add(u64::from(publisher))?;
        (index < self.len() as u64).then_some(index as usize)
    }
}

/// SplitMix64: enough for gaps, and the same on every machine.
struct Random(u64);

impl Random {
    /// Uniform in `[0, 1)`.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(rate_per_s: f64, warmup_s: u64, length: Length) -> Pace {
        Pace {
            rate_per_s,
            publishers: 1,
            warmup: Duration::from_secs(warmup_s),
            length,
            arrival: Arrival::Fixed,
            seed: 1,
        }
    }

    #[test]
    fn a_fixed_plan_is_evenly_spaced_and_counts_its_warm_up_apart() {
        let plan = Plan::new(&load(4.0, 2, Length::Time(Duration::from_secs(3)))).unwrap();
        assert_eq!(plan.len(), 20);
        assert_eq!(plan.warmup_messages(), 8);
        assert_eq!(plan.measured_messages(), 12);
        assert_eq!(plan.due_ns(0), 0);
        assert_eq!(plan.due_ns(1), 250_000_000);
        assert_eq!(plan.window_start_ns(), 2_000_000_000);
        assert_eq!(plan.window_end_ns(), 5_000_000_000);
    }

    #[test]
    fn a_slow_plan_still_measures_one_message() {
        let plan = Plan::new(&load(0.2, 1, Length::Time(Duration::from_secs(1)))).unwrap();
        assert_eq!((plan.warmup_messages(), plan.measured_messages()), (0, 1));
    }

    #[test]
    fn the_millionth_due_time_has_not_drifted() {
        let plan = Plan::new(&load(3.0, 0, Length::Messages(1_000_001))).unwrap();
        assert_eq!(plan.due_ns(1_000_000), 333_333_333_333_333);
    }

    #[test]
    fn a_plan_too_large_or_without_a_rate_is_refused() {
        assert!(Plan::new(&load(0.0, 0, Length::Messages(1))).is_err());
        assert!(Plan::new(&load(f64::INFINITY, 0, Length::Messages(1))).is_err());
        let error = Plan::new(&load(1e9, 0, Length::Time(Duration::from_secs(60)))).unwrap_err();
        assert!(error.contains("shorten -d"), "{error}");
    }

    #[test]
    fn a_poisson_plan_keeps_the_mean_and_its_seed() {
        let mut options = load(1000.0, 0, Length::Messages(50_000));
        options.arrival = Arrival::Poisson;
        let plan = Plan::new(&options).unwrap();
        let mean_gap_ns = plan.window_end_ns() as f64 / 50_000.0;
        assert!((mean_gap_ns - 1e6).abs() < 2e4, "mean gap {mean_gap_ns} ns");
        assert_eq!(plan, Plan::new(&options).unwrap());
        options.seed = 2;
        assert_ne!(plan, Plan::new(&options).unwrap());
    }

    proptest! {
        #[test]
        fn publisher_and_sequence_name_each_message_once(publishers in 1u32..50, messages in 1u64..2000) {
            let mut options = load(100.0, 0, Length::Messages(messages));
            options.publishers = publishers;
            let plan = Plan::new(&options).unwrap();
            for index in 0..plan.len() {
                prop_assert_eq!(plan.index_of(plan.publisher_of(index), plan.sequence_of(index)), Some(index));
            }
            prop_assert_eq!(plan.index_of(publishers, 0), None);
            prop_assert_eq!(plan.index_of(0, u64::MAX), None);
        }

        #[test]
        fn due_times_never_fall(rate in 0.1f64..1e5, seed: u64, poisson: bool) {
            let mut options = load(rate, 1, Length::Messages(500));
            options.seed = seed;
            options.arrival = if poisson { Arrival::Poisson } else { Arrival::Fixed };
            // A warm-up of 100,000 messages is beside the point here.
            options.warmup = Duration::ZERO;
            let plan = Plan::new(&options).unwrap();
            for index in 1..plan.len() {
                prop_assert!(plan.due_ns(index) >= plan.due_ns(index - 1));
            }
            prop_assert!(plan.window_end_ns() >= plan.due_ns(plan.len() - 1));
        }
    }
}
