//! The recorder, played through: who is in the room, what is sent, what each member reads and when.

use std::time::Duration;

use proptest::prelude::*;

use super::test_lines::{START_NS, authors, line};
use super::*;
use crate::plan::{Arrival, Length, Pace};
use crate::recorder::latency::Latency;
use crate::recorder::proven::Problems;
use crate::recorder::times::{MARK_PERCENT, WHOLE, mark_rank};
use crate::results::summary::Quantiles;

const MS: u64 = 1_000_000;

fn plan(publishers: u32, messages: u64, warmup_s: u64) -> Plan {
    Plan::new(&Pace {
        rate_per_s: 10.0,
        publishers,
        rooms: 1,
        warmup: Duration::from_secs(warmup_s),
        length: Length::Messages(messages),
        arrival: Arrival::Fixed,
        seed: 0,
    })
    .unwrap()
}

/// A room of verified members and what they read.
struct Room<'p> {
    plan: &'p Plan,
    recorder: Recorder<'p>,
    publishers_of_members: Vec<Option<u32>>,
}

impl<'p> Room<'p> {
    fn new(plan: &'p Plan, publishers_of_members: &[Option<u32>]) -> Self {
        let mut recorder = Recorder::new(plan, Format::new(64), publishers_of_members);
        recorder.start(START_NS, authors(plan));
        Self { plan, recorder, publishers_of_members: publishers_of_members.to_vec() }
    }

    fn listeners(plan: &'p Plan, count: usize) -> Self {
        Self::new(plan, &vec![None; count])
    }

    fn line(&self, index: usize) -> Vec<u8> {
        line(self.plan, index)
    }

    /// Sends message `index` on time to everybody but its author.
    fn send(&mut self, index: usize) {
        let author = Some(self.plan.publisher_of(index));
        let expected = self.publishers_of_members.iter().filter(|publisher| **publisher != author).count();
        self.recorder.on_sent(index, START_NS + self.plan.due_ns(index), expected as u32);
    }

    fn send_all(&mut self) {
        for index in 0..self.plan.len() {
            self.send(index);
        }
    }

    /// `member` reads message `index`, `after_ms` after it was due.
    fn read(&mut self, member: usize, index: usize, after_ms: u64) {
        let line = self.line(index);
        self.recorder.on_line(member, &line, START_NS + self.plan.due_ns(index) + after_ms * MS);
    }

    fn finish(self) -> Record {
        let ended_ns = START_NS + self.plan.window_end_ns() + 10_000 * MS;
        self.recorder.finish(ended_ns)
    }
}

fn near(value_ns: Option<u64>, expected_ms: u64) -> bool {
    value_ns.is_some_and(|ns| ns.abs_diff(expected_ms * MS) <= expected_ms * MS / 500)
}

#[test]
fn marks_are_passed_at_the_rounded_up_share_of_the_room() {
    let ranks = |expected| MARK_PERCENT.map(|percent| mark_rank(expected, percent));
    assert_eq!(ranks(1), [1, 1, 1, 1, 1]);
    assert_eq!(ranks(2), [1, 1, 2, 2, 2]);
    assert_eq!(ranks(100), [1, 50, 90, 99, 100]);
    assert_eq!(ranks(999), [1, 500, 900, 990, 999]);
    assert_eq!(ranks(u32::MAX)[WHOLE], u32::MAX);
}

#[test]
fn a_message_is_as_slow_as_its_slowest_member() {
    let plan = plan(1, 1, 0);
    let mut room = Room::listeners(&plan, 100);
    room.send(0);
    for member in 0..100 {
        room.read(member, 0, member as u64 + 1);
    }
    let record = room.finish();
    let marks: Vec<u64> = record.messages[0].marks_ns.iter().map(|at| (at - record.messages[0].due_ns) / MS).collect();
    assert_eq!(marks, [1, 50, 90, 99, 100]);
    assert_eq!((record.messages[0].received, record.messages[0].expected), (100, 100));
    assert!(near(record.figures.room.max_ns(), 100));
    assert!(near(record.figures.spread.max_ns(), 99));
    assert!(near(record.figures.delivery.quantile_ns(0.5), 50));
    assert_eq!(record.figures.delivery.quantile_ns(0.999), None, "100 samples say nothing of p99.9");
    assert!(record.proven.problems.is_clean());
    assert_eq!((record.proven.hashes_equal, record.proven.members), (100, 100));
}

#[test]
fn a_message_that_not_all_got_counts_until_the_end_of_the_run() {
    let plan = plan(1, 3, 0);
    let mut room = Room::listeners(&plan, 4);
    room.send_all();
    for member in 0..4 {
        for index in 0..3 {
            if (member, index) != (2, 2) {
                room.read(member, index, 5);
            }
        }
    }
    assert!(!room.recorder.is_complete());
    let record = room.finish();
    assert_eq!(record.proven.problems, Problems { lost: 1, ..Problems::default() });
    // Message 2 is due 200 ms in, the plan ends at 300 ms, the drain 10 s later.
    assert!(near(record.figures.room.max_ns(), 10_100));
    assert_eq!(record.figures.room.histogram.len(), 3);
    assert_eq!(record.figures.room.censored, 1);
    let room = Quantiles::from(&record.figures.room);
    assert!(room.is_at_least(room.max_ns.unwrap()));
    assert!(!room.is_at_least(5 * MS));
    assert_eq!(record.figures.delivery.histogram.len(), 12, "the missing delivery is counted too");
    assert_eq!(record.figures.marks[2].censored, 1, "90 % of four members are four");
    assert_eq!(record.figures.marks[1].censored, 0, "half of them are two");
}

#[test]
fn a_message_never_sent_is_late_and_not_lost() {
    let plan = plan(1, 2, 0);
    let mut room = Room::listeners(&plan, 1);
    room.send(0);
    room.read(0, 0, 1);
    let record = room.finish();
    assert!(record.proven.problems.is_clean());
    assert_eq!((record.figures.lag.censored, record.figures.room.censored), (1, 1));
}

#[test]
fn warm_up_is_verified_and_left_out_of_the_figures() {
    let plan = plan(1, 2, 1);
    let mut room = Room::listeners(&plan, 1);
    room.send_all();
    for index in 1..12 {
        room.read(0, index, 2);
    }
    let record = room.finish();
    assert_eq!(record.warmup_messages, 10);
    assert_eq!(record.proven.problems.lost, 1, "message 0 of the warm-up");
    assert_eq!(record.figures.delivery.histogram.len(), 2);
    assert_eq!(record.figures.room.censored, 0);
}

#[test]
fn uncorrected_latency_counts_from_the_send_time() {
    let plan = plan(1, 1, 0);
    let mut room = Room::listeners(&plan, 1);
    room.recorder.on_sent(0, START_NS + 40 * MS, 1);
    room.read(0, 0, 50);
    let record = room.finish();
    assert!(near(record.figures.delivery.max_ns(), 50));
    assert!(near(record.figures.uncorrected.max_ns(), 10));
    assert!(near(record.figures.lag.max_ns(), 40));
}

#[test]
fn each_kind_of_problem_has_its_count() {
    type Play = fn(&mut Room<'_>);
    let cases: [(&str, Play, Problems); 7] = [
        ("clean", |room| [0, 1, 2].into_iter().for_each(|index| room.read(0, index, 1)), Problems::default()),
        (
            "a gap",
            |room| [0, 2].into_iter().for_each(|index| room.read(0, index, 1)),
            Problems { lost: 1, ..Problems::default() },
        ),
        (
            "a repeat",
            |room| [0, 1, 1, 2].into_iter().for_each(|index| room.read(0, index, 1)),
            Problems { duplicate: 1, ..Problems::default() },
        ),
        (
            "a swap",
            |room| [0, 2, 1].into_iter().for_each(|index| room.read(0, index, 1)),
            Problems { out_of_order: 1, ..Problems::default() },
        ),
        (
            "an echo",
            |room| {
                [0, 1, 2].into_iter().for_each(|index| room.read(0, index, 1));
                room.read(2, 1, 1);
            },
            Problems { echoed: 1, ..Problems::default() },
        ),
        (
            "a changed byte",
            |room| {
                room.read(0, 0, 1);
                let mut line = room.line(1);
                *line.last_mut().unwrap() ^= 1;
                room.recorder.on_line(0, &line, START_NS + 200 * MS);
                room.read(0, 2, 1);
            },
            Problems { lost: 1, corrupt: 1, ..Problems::default() },
        ),
        (
            "a stranger",
            |room| {
                [0, 1, 2].into_iter().for_each(|index| room.read(0, index, 1));
                room.recorder.on_line(0, b"[10.0.0.9:7] hello", START_NS + 300 * MS);
            },
            Problems { foreign: 1, ..Problems::default() },
        ),
    ];
    let plan = plan(1, 3, 0);
    for (name, play, expected) in cases {
        // Member 1 reads everything last, member 2 is the publisher.
        let mut room = Room::new(&plan, &[None, None, Some(0)]);
        room.send_all();
        play(&mut room);
        (0..3).for_each(|index| room.read(1, index, 5));
        let record = room.finish();
        assert_eq!(record.proven.problems, expected, "{name}");
        let hashes_wrong = record.proven.members - record.proven.hashes_equal;
        assert_eq!(hashes_wrong > 0, !expected.is_clean() && expected.foreign == 0, "{name}");
        assert_eq!(record.proven.examples.len() as u64, hashes_wrong, "{name}");
    }
}

#[test]
fn a_line_from_before_its_send_or_from_another_run_is_corrupt() {
    let plan = plan(1, 3, 0);
    let mut room = Room::listeners(&plan, 1);
    room.send(0);
    room.read(0, 1, 1);
    let mut stale = b"[10.0.0.1:0] ".to_vec();
    Format::new(64).encode(Header { publisher: 0, sequence: 0, due_ns: 7 }, &mut stale);
    stale.pop();
    room.recorder.on_line(0, &stale, START_NS + MS);
    room.read(0, 0, 1);
    let record = room.finish();
    assert_eq!(record.proven.problems, Problems { corrupt: 2, ..Problems::default() });
    assert_eq!(record.words.other_lines.len(), 2);
}

#[test]
fn two_members_that_disagree_about_two_publishers_are_found() {
    let plan = plan(2, 2, 0);
    let mut room = Room::listeners(&plan, 2);
    room.send_all();
    [1, 0].into_iter().for_each(|index| room.read(0, index, 1));
    [0, 1].into_iter().for_each(|index| room.read(1, index, 1));
    let record = room.finish();
    assert_eq!(record.proven.problems, Problems { out_of_order: 1, ..Problems::default() });
    assert_eq!(record.proven.hashes_equal, 1);
}

#[test]
fn publishers_may_hear_each_other_before_any_listener_does() {
    let plan = plan(2, 6, 0);
    let mut room = Room::new(&plan, &[Some(0), Some(1), None]);
    room.send_all();
    // Publisher 0 hears 1, 3, 5 and publisher 1 hears 0, 2, 4, before the listener hears any.
    [1, 3, 5].into_iter().for_each(|index| room.read(0, index, 1));
    [0, 2, 4].into_iter().for_each(|index| room.read(1, index, 1));
    (0..6).for_each(|index| room.read(2, index, 2));
    assert!(room.recorder.is_complete());
    let record = room.finish();
    assert!(record.proven.problems.is_clean(), "{:?}", record.proven);
    assert_eq!(record.proven.hashes_equal, 3);
}

#[test]
fn a_member_that_was_closed_lost_only_what_was_sent_before() {
    let plan = plan(1, 4, 0);
    let mut room = Room::listeners(&plan, 2);
    room.send(0);
    room.send(1);
    room.read(0, 0, 1);
    room.recorder.on_left(0, START_NS + 150 * MS);
    room.publishers_of_members.pop();
    room.send(2);
    room.send(3);
    (0..4).for_each(|index| room.read(1, index, 1));
    let record = room.finish();
    assert_eq!(record.proven.problems, Problems { lost: 1, ..Problems::default() });
    assert!(record.proven.examples[0].contains("closed by the server"), "{:?}", record.proven.examples);
}

#[test]
fn presence_and_notices_are_counted_and_quoted() {
    let plan = plan(1, 1, 0);
    let mut room = Room::listeners(&plan, 1);
    room.recorder.on_line(0, b"> New user 10.0.0.9:7 entered. (2 users online)", START_NS);
    room.recorder.on_line(0, b"! you missed 12 messages", START_NS);
    assert_eq!(room.recorder.presence_bytes(), 48);
    let record = room.finish();
    assert_eq!((record.words.presence_lines, record.words.notice_lines), (1, 1));
    assert_eq!(record.words.notices, ["! you missed 12 messages"]);
    assert!(record.proven.problems.is_clean());
}

#[test]
fn a_latency_beyond_the_histogram_is_counted() {
    let plan = plan(1, 1, 0);
    let mut room = Room::listeners(&plan, 1);
    room.send(0);
    room.read(0, 0, 61_000);
    let record = room.recorder.finish(START_NS + 70_000 * MS);
    assert_eq!(record.figures.delivery.saturated, 1);
    assert_eq!(record.figures.room.saturated, 1);
    let room = Quantiles::from(&record.figures.room);
    assert!(room.is_at_least(room.max_ns.unwrap()));
}

proptest! {
    /// Whatever order each listener reads in, with losses and repeats, every message is lost or received, once.
    #[test]
    fn every_delivery_is_in_exactly_one_class(
        reads in proptest::collection::vec((0usize..3, 0usize..12), 0..120),
        publishers in 1u32..4,
    ) {
        let plan = plan(publishers, 12, 0);
        let mut room = Room::listeners(&plan, 3);
        room.send_all();
        let mut seen = HashSet::new();
        let mut repeats = 0;
        for (member, index) in reads {
            repeats += u64::from(!seen.insert((member, index)));
            room.read(member, index, 1);
        }
        prop_assert_eq!(room.recorder.deliveries(), seen.len() as u64);
        let record = room.finish();
        prop_assert_eq!(record.proven.problems.lost, 36 - seen.len() as u64);
        prop_assert_eq!(record.proven.problems.duplicate, repeats);
        prop_assert_eq!(record.figures.delivery.histogram.len(), 36);
        prop_assert_eq!(record.figures.room.histogram.len(), 12);
    }

    #[test]
    fn marks_never_fall(expected in 1u32..3000) {
        let mut message = Message::default();
        message.expect(1, expected);
        (0..expected).for_each(|at| message.deliver(u64::from(at) + 10));
        prop_assert!(message.marks_ns.windows(2).all(|pair| pair[0] <= pair[1]));
        prop_assert!(message.marks_ns.iter().all(|at| *at > 0));
        prop_assert_eq!(message.marks_ns[WHOLE], u64::from(expected) + 9);
    }

    #[test]
    fn a_quantile_needs_ten_samples_beyond_it(samples in 0u64..2000) {
        let mut latency = Latency::default();
        latency.histogram.record_n(5, samples).unwrap();
        for quantile in [0.5, 0.9, 0.99, 0.999] {
            prop_assert_eq!(latency.quantile_ns(quantile).is_some(), samples as f64 * (1.0 - quantile) >= 10.0 - 1e-6);
        }
    }
}

/// Prints what a delivery costs the recorder: `cargo test --release recording -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn recording_speed() {
    const MEMBERS: usize = 1000;
    const LINES: usize = 25;
    let plan = plan(1, 4000, 0);
    let mut room = Room::listeners(&plan, MEMBERS);
    room.send_all();
    let started = std::time::Instant::now();
    let mut deliveries = 0u32;
    for chunk in 0..plan.len() / LINES {
        let mut bytes = Vec::new();
        for index in 0..LINES {
            bytes.extend_from_slice(&room.line(chunk * LINES + index));
            bytes.push(b'\n');
        }
        for member in 0..MEMBERS {
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', &bytes) {
                room.recorder.on_line(member, &bytes[start..end], START_NS + deliveries as u64 * 100);
                start = end + 1;
                deliveries += 1;
            }
        }
    }
    println!("{} ns a delivery", started.elapsed().as_nanos() / u128::from(deliveries));
    assert!(room.finish().proven.problems.is_clean());
}

#[test]
fn what_a_member_was_told_it_missed_is_not_lost_and_not_waited_for() {
    let plan = plan(1, 6, 0);
    let mut room = Room::listeners(&plan, 3);
    room.send_all();
    for member in 0..3 {
        for index in [0, 1, 5] {
            room.read(member, index, 5);
            if index == 1 && member == 2 {
                assert!(!room.recorder.is_complete());
                room.recorder.on_line(2, b"! you missed 3 messages", START_NS);
            }
        }
        for index in (2..5).filter(|_| member != 2) {
            room.read(member, index, 5);
        }
    }
    // The first two heard 5 before 2 to 4: only the third was told anything, so only it is excused.
    assert!(room.recorder.is_complete());
    let record = room.finish();
    assert_eq!((record.proven.told, record.proven.problems.lost), (3, 0));
    assert_eq!((record.proven.hashes_equal, record.proven.members_excused), (0, 1));
    assert_eq!(record.figures.room.censored, 3, "their room latency is not known");
}

#[test]
fn more_than_was_missed_can_be_told_and_less_is_a_loss() {
    for (told, expected) in [("! you missed 9 messages", (2, 0)), ("! you missed 1 message", (1, 1))] {
        let plan = plan(1, 4, 0);
        let mut room = Room::listeners(&plan, 2);
        room.send_all();
        (0..4).for_each(|index| room.read(0, index, 5));
        room.read(1, 0, 5);
        room.recorder.on_line(1, told.as_bytes(), START_NS);
        room.read(1, 3, 5);
        assert_eq!(room.recorder.is_complete(), expected.1 == 0, "{told}");
        let proven = room.finish().proven;
        assert_eq!((proven.told, proven.problems.lost), expected, "{told}");
    }
}

#[test]
fn what_the_server_holds_back_of_a_slowed_publisher_is_not_lost() {
    let plan = plan(1, 4, 0);
    for slowed in [true, false] {
        let mut room = Room::new(&plan, &[None, Some(0), None]);
        room.send_all();
        if slowed {
            room.recorder.on_line(1, b"! slow down: your lines are delayed, not lost", START_NS);
        }
        for (member, index) in [(0, 0), (2, 0), (0, 1), (2, 1)] {
            room.read(member, index, 5);
        }
        let record = room.finish();
        let (held_back, lost) = if slowed { (4, 0) } else { (0, 4) };
        assert_eq!((record.proven.held_back, record.proven.problems.lost), (held_back, lost));
        assert_eq!(record.words.publishers_slowed, u64::from(slowed));
    }
}

#[test]
fn a_publisher_with_a_number_behind_its_name_is_recognised() {
    let plan = plan(1, 2, 0);
    let mut room = Room::listeners(&plan, 1);
    room.send_all();
    for index in 0..2 {
        let line = String::from_utf8(room.line(index)).unwrap().replace("10.0.0.1:0] ", "10.0.0.1:0|2] ");
        room.recorder.on_line(0, line.as_bytes(), START_NS + plan.due_ns(index) + MS);
    }
    assert_eq!(room.recorder.author_bytes(0), "[10.0.0.1:0|2] ".len() as u64);
    let record = room.finish();
    assert!(record.proven.problems.is_clean());
    assert_eq!(record.proven.hashes_equal, 1);
}
