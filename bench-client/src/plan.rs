//! The plan of a run: when each message is due, fixed before the first is sent.
//!
//! The load is open: due times come from the rate alone, however the server fares. While a server stalls, messages go on being
//! due, and each of them has the stall in its latency, which counts from here.
//!
//! Pure: offsets from a start that the engine chooses. Messages go round the publishers (`plan/turns.rs`), and publishers are in the
//! rooms in turn, so that of several rooms one speaks after the other.

mod turns;

use std::time::Duration;

pub use crate::plan::turns::Turns;

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
    /// Messages a second of all rooms together, above zero.
    pub rate_per_s: f64,
    /// Publishers of each room.
    pub publishers: u32,
    /// Rooms that the messages go to in turn.
    pub rooms: u32,
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
    turns: Turns,
    rooms: u32,
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
        let turns = Turns::new(pace.publishers * pace.rooms, total);
        Ok(Self { due_ns, warmup_messages: warmup as usize, turns, rooms: pace.rooms, end_ns: at as u64 })
    }

    /// Messages of the plan, warm-up included.
    pub fn len(&self) -> usize {
        self.due_ns.len()
    }

    /// Publishers that the messages go round, of all rooms.
    pub fn publishers(&self) -> u32 {
        self.turns.publishers()
    }

    /// Rooms that the messages go to.
    pub fn rooms(&self) -> usize {
        self.rooms as usize
    }

    /// The room that `publisher` is in, and its messages go to.
    pub fn room_of(&self, publisher: u32) -> usize {
        (publisher % self.rooms) as usize
    }

    /// The turns of one room. Its messages are every so many-th of the plan as there are rooms, and so are its publishers.
    pub fn turns_of_room(&self, room: usize) -> Turns {
        let messages = self.len().saturating_sub(room).div_ceil(self.rooms());
        Turns::new(self.publishers() / self.rooms, messages)
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
        self.turns.publisher_of(index)
    }

    /// The number of message `index` among those of its publisher, from 0.
    pub fn sequence_of(&self, index: usize) -> u64 {
        self.turns.sequence_of(index)
    }

    /// The message that is `sequence` of `publisher`, if the plan has it.
    pub fn index_of(&self, publisher: u32, sequence: u64) -> Option<usize> {
        self.turns.index_of(publisher, sequence)
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
            rooms: 1,
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

    #[test]
    fn rooms_speak_in_turn_and_each_at_its_part_of_the_rate() {
        // As 3,800 rooms with a line every 4 s each.
        let mut options = load(950.0, 0, Length::Time(Duration::from_secs(12)));
        options.rooms = 3800;
        let plan = Plan::new(&options).unwrap();
        let rooms = |from: usize, to: usize| {
            let mut rooms: Vec<usize> = (from..to).map(|index| plan.room_of(plan.publisher_of(index))).collect();
            rooms.sort_unstable();
            rooms
        };
        assert_eq!(rooms(0, 3800), (0..3800).collect::<Vec<_>>());
        let of_room: Vec<u64> = (17..plan.len()).step_by(3800).map(|index| plan.due_ns(index)).collect();
        assert!(of_room.windows(2).all(|pair| pair[1] - pair[0] == 4_000_000_000), "{of_room:?}");
    }

    proptest! {
        #[test]
        fn the_messages_of_a_room_are_a_plan_of_its_own(publishers in 1u32..5, rooms in 1u32..9, messages in 1u64..200) {
            let mut options = load(100.0, 0, Length::Messages(messages));
            (options.publishers, options.rooms) = (publishers, rooms);
            let plan = Plan::new(&options).unwrap();
            let mut of_rooms = 0;
            for room in 0..plan.rooms() {
                let turns = plan.turns_of_room(room);
                of_rooms += turns.messages();
                for index in 0..turns.messages() {
                    let whole = index * plan.rooms() + room;
                    prop_assert_eq!(plan.room_of(plan.publisher_of(whole)), room);
                    prop_assert_eq!(turns.publisher_of(index) * rooms + room as u32, plan.publisher_of(whole));
                    prop_assert_eq!(turns.sequence_of(index), plan.sequence_of(whole));
                }
            }
            prop_assert_eq!(of_rooms, plan.len());
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
