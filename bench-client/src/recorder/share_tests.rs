//! What several processes recorded of one room, joined, is what one process records of it.

use std::time::Duration;

use proptest::prelude::*;

use super::arrivals::read_message;
use super::join::{Join, SharePart, Stopped};
use super::record::Record;
use super::test_lines::{START_NS, authors, line};
use super::*;
use crate::plan::{Arrival, Length, Pace};

const GAP_NS: u64 = 100_000_000;

fn plan(publishers: u32, messages: u64) -> Plan {
    let length = Length::Messages(messages);
    let warmup = Duration::from_millis(300);
    Plan::new(&Pace { rate_per_s: 10.0, publishers, rooms: 1, warmup, length, arrival: Arrival::Fixed, seed: 0 })
        .unwrap()
}

/// Who reads which message when, all in the order of time; member `publisher` of the first members publishes.
type Reads = Vec<(u64, usize, usize)>;

/// The record of one process, and then what shares that end at `ends` make of the same.
fn records(plan: &Plan, members: usize, reads: &Reads, ends: &[usize]) -> (Record, Record) {
    let ended_ns = START_NS + plan.window_end_ns() + 10 * GAP_NS;
    let publisher_of = |member: usize| (member < plan.publishers() as usize).then_some(member as u32);
    let roles: Vec<Option<u32>> = (0..members).map(publisher_of).collect();
    let sent_ns = |index: usize| START_NS + plan.due_ns(index) + 1000;
    let mut alone = Recorder::new(plan, Format::new(64), &roles);
    alone.start(START_NS, authors(plan));
    (0..plan.len()).for_each(|index| alone.on_sent(index, sent_ns(index), members as u32 - 1));
    for &(at_ns, member, index) in reads {
        alone.on_line(member, &line(plan, index), at_ns);
    }
    let mut shares = Vec::new();
    let mut first = 0;
    for &end in ends {
        let here: Vec<u32> = roles[first..end].iter().flatten().copied().collect();
        let elsewhere = (0..plan.publishers()).map(|publisher| !here.contains(&publisher)).collect();
        let mut share = Recorder::new(plan, Format::new(64), &roles[first..end]).of_share(first, elsewhere);
        share.start(START_NS, authors(plan));
        for index in (0..plan.len()).filter(|&index| here.contains(&plan.publisher_of(index))) {
            share.on_sent(index, sent_ns(index), (end - first) as u32 - 1);
        }
        for &(at_ns, member, index) in reads.iter().filter(|(_, member, _)| (first..end).contains(member)) {
            share.on_line(member - first, &line(plan, index), at_ns);
        }
        shares.push(share);
        first = end;
    }
    let joined = join(plan, ended_ns, &mut shares);
    (alone.finish(ended_ns), joined)
}

fn join(plan: &Plan, ended_ns: u64, shares: &mut [Recorder<'_>]) -> Record {
    let stopped: Vec<Stopped> = shares.iter().map(Recorder::stopped).collect();
    let mut join = Join::new(plan, (START_NS, ended_ns), &stopped, true);
    let mut streams: Vec<_> = shares
        .iter()
        .map(|share| {
            let mut bytes = Vec::new();
            share.write_arrivals(&mut bytes).unwrap();
            bytes.into_iter()
        })
        .collect();
    for index in 0..plan.len() {
        let mut arrivals_ns = Vec::new();
        for stream in &mut streams {
            read_message(|| stream.next().ok_or(()), join.due_ns(index), &mut arrivals_ns).unwrap();
        }
        join.add(index, &mut arrivals_ns);
    }
    let sent = join.sent();
    let parts: Vec<(SharePart, Vec<u32>)> =
        shares.iter_mut().zip(stopped).map(|(share, stopped)| (share.prove_share(&sent), stopped.order)).collect();
    join.finish(&parts)
}

fn assert_same(one: &Record, other: &Record) {
    for (one, other) in one.messages.iter().zip(&other.messages) {
        assert_eq!(
            (one.due_ns, one.sent_ns, one.marks_ns, one.expected, one.received),
            (other.due_ns, other.sent_ns, other.marks_ns, other.expected, other.received)
        );
    }
    let latencies = |record: &Record| {
        let figures = &record.figures;
        let all = [&figures.room, &figures.spread, &figures.delivery, &figures.uncorrected, &figures.lag];
        let marks = figures.marks.iter();
        all.into_iter().chain(marks).map(|latency| (latency.histogram.clone(), latency.censored)).collect::<Vec<_>>()
    };
    assert_eq!(latencies(one), latencies(other));
    let intervals = |record: &Record| {
        let intervals = record.figures.intervals.iter();
        intervals.map(|interval| (interval.start_ns, interval.delivery.clone())).collect::<Vec<_>>()
    };
    assert_eq!(intervals(one), intervals(other));
    let (one, other) = (&one.proven, &other.proven);
    assert_eq!(
        (one.problems, one.hashes_equal, one.members, one.hash),
        (other.problems, other.hashes_equal, other.members, other.hash)
    );
}

proptest! {
    #[test]
    fn shares_joined_are_the_room(
        publishers in 1u32..4,
        messages in 1u64..12,
        sizes in proptest::collection::vec(1usize..6, 2..4),
        jitter in proptest::collection::vec(2_000u64..GAP_NS, 400),
        lost in proptest::collection::vec(0u8..20, 400),
        loses in any::<bool>(),
    ) {
        let plan = plan(publishers, messages);
        // Each share has the publishers that come to it, and a listener.
        let mut ends: Vec<usize> = sizes.iter().scan(publishers as usize, |end, size| { *end += size; Some(*end) }).collect();
        let members = *ends.last().unwrap();
        ends.dedup();
        let mut reads = Reads::new();
        for index in 0..plan.len() {
            for member in (0..members).filter(|&member| member as u32 != plan.publisher_of(index)) {
                let at = (index * members + member) % 400;
                // The last of each share gets everything: what none of a share got has no place in the order that it saw.
                if !loses || lost[at] != 0 || ends.contains(&(member + 1)) {
                    reads.push((START_NS + plan.due_ns(index) + jitter[at], member, index));
                }
            }
        }
        reads.sort();
        let (alone, joined) = records(&plan, members, &reads, &ends);
        prop_assert!(loses || joined.proven.problems.is_clean() && joined.proven.hashes_equal == members as u64);
        assert_same(&alone, &joined);
    }
}

#[test]
fn a_message_that_nobody_sent_or_only_later_is_foreign() {
    let plan = plan(1, 3);
    let last = plan.len() - 1;
    let due_ns = |index: usize| START_NS + plan.due_ns(index);
    let share = |first, elsewhere: bool, roles: &[Option<u32>]| {
        let mut share = Recorder::new(&plan, Format::new(64), roles).of_share(first, vec![elsewhere]);
        share.start(START_NS, authors(&plan));
        share
    };
    let mut with_publisher = share(0, false, &[Some(0), None]);
    let mut without = share(2, true, &[None]);
    (0..last).for_each(|index| with_publisher.on_sent(index, due_ns(index) + 5000, 1));
    for index in 0..last {
        with_publisher.on_line(1, &line(&plan, index), due_ns(index) + 6000);
        without.on_line(0, &line(&plan, index), due_ns(index) + if index == 0 { 4000 } else { 7000 });
    }
    without.on_line(0, &line(&plan, last), due_ns(last) - 1);
    assert_eq!(without.words.other_lines.len(), 1, "nothing comes before it is due");
    without.on_line(0, &line(&plan, last), due_ns(last) + 7000);
    let record = join(&plan, due_ns(last) + GAP_NS, &mut [with_publisher, without]);
    // One came before it was sent, one was not sent, and one came before it was due.
    let problems = record.proven.problems;
    assert_eq!((problems.foreign, problems.corrupt, problems.lost), (2, 1, 0), "{problems:?}");
}

#[test]
fn a_share_that_saw_another_order_has_no_hash_of_the_room() {
    let plan = plan(2, 2);
    let order = |swapped: bool| -> Vec<usize> {
        let mut order: Vec<usize> = (0..plan.len()).collect();
        if swapped {
            order.swap(0, 1);
        }
        order
    };
    let mut shares: Vec<Recorder<'_>> = [(0, 2, false), (2, 5, true)]
        .into_iter()
        .map(|(first, end, swapped)| {
            let roles = vec![None; end - first];
            let mut share = Recorder::new(&plan, Format::new(64), &roles).of_share(first, vec![true, true]);
            share.start(START_NS, authors(&plan));
            let late_ns = START_NS + plan.window_end_ns();
            for (at, index) in order(swapped).into_iter().enumerate() {
                (0..end - first).for_each(|member| share.on_line(member, &line(&plan, index), late_ns + at as u64));
            }
            share
        })
        .collect();
    // As if a third process had sent all of it.
    let stopped = Stopped {
        sent_ns: (0..2)
            .map(|publisher| {
                let own = (0..plan.len()).filter(|&index| plan.publisher_of(index) == publisher);
                (publisher, own.map(|index| START_NS + plan.due_ns(index)).collect())
            })
            .collect(),
        ..Stopped::default()
    };
    let mut all: Vec<Stopped> = shares.iter().map(Recorder::stopped).collect();
    all.push(stopped);
    let join = Join::new(&plan, (START_NS, START_NS + 100 * GAP_NS), &all, false);
    let sent = join.sent();
    let parts: Vec<(SharePart, Vec<u32>)> =
        shares.iter_mut().zip(all).map(|(share, stopped)| (share.prove_share(&sent), stopped.order)).collect();
    let proven = join.finish(&parts).proven;
    assert_eq!((proven.hashes_equal, proven.members), (3, 5), "the order of most members is the room's");
    assert_eq!(proven.problems.out_of_order, 2, "one message, at each of the two");
}
