//! The recorder where members are in several rooms: each is judged by what was said in its own.

use std::time::Duration;

use super::test_lines::{START_NS, authors, line};
use super::*;
use crate::plan::{Arrival, Length, Pace};

const MS: u64 = 1_000_000;
const ROOMS: u32 = 2;
/// Members by room: even places are in the first room, odd ones in the second. In each the first two publish.
const MEMBERS: [Option<u32>; 8] = [Some(0), Some(1), Some(2), Some(3), None, None, None, None];
/// Deliveries of a message.
const OTHERS: u32 = 3;

fn plan(messages: u64) -> Plan {
    Plan::new(&Pace {
        rate_per_s: 10.0,
        publishers: 2,
        rooms: ROOMS,
        warmup: Duration::ZERO,
        length: Length::Messages(messages),
        arrival: Arrival::Fixed,
        seed: 0,
    })
    .unwrap()
}

/// A recorder to which all messages were sent.
fn started(plan: &Plan) -> Recorder<'_> {
    let mut recorder = Recorder::new(plan, Format::new(64), &MEMBERS);
    recorder.start(START_NS, authors(plan));
    (0..plan.len()).for_each(|index| recorder.on_sent(index, START_NS + plan.due_ns(index), OTHERS));
    recorder
}

/// `member` reads `messages`, in this order.
fn read(recorder: &mut Recorder<'_>, plan: &Plan, member: usize, messages: &[usize]) {
    for &index in messages {
        recorder.on_line(member, &line(plan, index), START_NS + plan.due_ns(index) + MS);
    }
}

/// The messages that `member` is to hear: those of its room but its own.
fn heard_by(plan: &Plan, member: usize) -> Vec<usize> {
    let is_for = |index: &usize| {
        let publisher = plan.publisher_of(*index);
        plan.room_of(publisher) == member % 2 && MEMBERS[member] != Some(publisher)
    };
    (0..plan.len()).filter(is_for).collect()
}

fn read_all_but(recorder: &mut Recorder<'_>, plan: &Plan, except: usize) {
    // Listeners first: they place messages.
    for member in (0..MEMBERS.len()).rev().filter(|&member| member != except) {
        read(recorder, plan, member, &heard_by(plan, member));
    }
}

fn finish(recorder: Recorder<'_>, plan: &Plan) -> Record {
    recorder.finish(START_NS + plan.window_end_ns() + 10_000 * MS)
}

#[test]
fn members_that_hear_their_own_room_alone_are_right() {
    let plan = plan(11);
    let mut recorder = started(&plan);
    read_all_but(&mut recorder, &plan, 7);
    assert!(!recorder.is_complete(), "the last member has nothing yet");
    read(&mut recorder, &plan, 7, &heard_by(&plan, 7));
    assert!(recorder.is_complete());
    assert_eq!(recorder.deliveries(), 11 * u64::from(OTHERS));
    let record = finish(recorder, &plan);
    assert!(record.proven.problems.is_clean(), "{:?}", record.proven);
    assert_eq!((record.proven.hashes_equal, record.proven.members), (8, 8));
    assert_eq!(record.figures.room.histogram.len(), 11, "a message has its whole room");
    assert_eq!(record.figures.room.censored, 0);
}

#[test]
fn a_line_of_another_room_is_foreign_and_stands_for_no_delivery() {
    let plan = plan(8);
    let mut recorder = started(&plan);
    read_all_but(&mut recorder, &plan, 7);
    // Message 0 is of the first room; the member of the second lacks the last that it is to hear.
    let heard = heard_by(&plan, 7);
    read(&mut recorder, &plan, 7, &heard[..heard.len() - 1]);
    read(&mut recorder, &plan, 7, &[0]);
    assert!(!recorder.is_complete(), "what is heard in the wrong room is not counted for the right one");
    let record = finish(recorder, &plan);
    let problems = record.proven.problems;
    assert_eq!((problems.foreign, problems.lost, problems.corrupt), (1, 1, 0));
    assert_eq!(record.words.other_lines.len(), 1);
    assert_eq!(record.proven.examples.len(), 1, "{:?}", record.proven.examples);
    assert!(record.proven.examples[0].starts_with("room 1: verified member 3: 1 lost"), "{:?}", record.proven.examples);
    assert_eq!(record.proven.hashes_equal, 7);
}

#[test]
fn order_is_judged_within_the_room() {
    let plan = plan(8);
    // The members of one room hear its messages in another order than the plan has, all in the same: no matter. One member of
    // the other room hears two of them the other way round.
    let mut recorder = started(&plan);
    for member in [6, 4] {
        read(&mut recorder, &plan, member, &[2, 0, 4, 6]);
    }
    read(&mut recorder, &plan, 0, &[2, 6]);
    read(&mut recorder, &plan, 2, &[0, 4]);
    read(&mut recorder, &plan, 5, &[1, 3, 5, 7]);
    read(&mut recorder, &plan, 7, &[3, 1, 5, 7]);
    read(&mut recorder, &plan, 1, &[3, 7]);
    read(&mut recorder, &plan, 3, &[1, 5]);
    let record = finish(recorder, &plan);
    assert_eq!(record.proven.problems, Problems { out_of_order: 1, ..Problems::default() });
    assert_eq!(record.proven.hashes_equal, 7, "{:?}", record.proven.examples);
}

#[test]
fn the_hash_of_the_rooms_depends_on_each_of_them() {
    let hash = |orders: [[usize; 2]; 2]| {
        let plan = plan(4);
        let mut recorder = started(&plan);
        for member in [4, 5, 6, 7] {
            read(&mut recorder, &plan, member, &orders[member % 2]);
        }
        finish(recorder, &plan).proven.hash
    };
    let hashes = [hash([[0, 2], [1, 3]]), hash([[2, 0], [1, 3]]), hash([[0, 2], [3, 1]])];
    assert!(hashes[0] != hashes[1] && hashes[0] != hashes[2] && hashes[1] != hashes[2], "{hashes:?}");
}

#[test]
fn what_a_member_was_told_it_missed_is_settled_within_its_room() {
    let plan = plan(8);
    let mut recorder = started(&plan);
    read_all_but(&mut recorder, &plan, 7);
    let heard = heard_by(&plan, 7);
    read(&mut recorder, &plan, 7, &heard[1..]);
    assert!(!recorder.is_complete());
    recorder.on_line(7, b"! you missed 1 message", START_NS + plan.window_end_ns());
    assert!(recorder.is_complete());
    let record = finish(recorder, &plan);
    assert_eq!((record.proven.told, record.proven.members_excused, record.proven.problems.lost), (1, 1, 0));
}

#[test]
fn a_publisher_that_is_slowed_is_that_of_its_room() {
    let plan = plan(8);
    let mut recorder = started(&plan);
    // Member 3 is the second publisher of the second room: number 3 of all.
    recorder.on_line(3, b"! slow down: your lines are delayed, not lost", START_NS);
    assert_eq!(recorder.slowed, [false, false, false, true]);
    assert_eq!(recorder.held_back(START_NS + plan.window_end_ns()), [0, 0, 0, 2]);
}
