//! Tests of a feed with many members, in several tables, and many of them slow.

use std::collections::BTreeSet;

use super::feed::{Batch, Feed};
use super::log::Position;
use super::members::{MemberId, Members};
use crate::limits::{LAG_LOOKS_MAX, LOBBY, LOG_ENTRY_BYTES, LOG_SEGMENTS_MIN, SEND_BATCH_MEMBERS};
use crate::message::{Body, Message};
use crate::names::RoomName;
use crate::time::UnixTime;
use crate::token::{ConnectionId, Generation, RoomId, Slot, TableId};
use crate::wire::Encoding;

/// Most bytes of a message, and how many of that length fit a segment.
const MESSAGE_BYTES: usize = 128;
const SEGMENT_MESSAGES: usize = 5;

struct World {
    feed: Feed,
    members: Members,
    /// Members that were skipped.
    skipped: usize,
}

impl World {
    fn new() -> Self {
        let log_bytes = LOG_SEGMENTS_MIN * SEGMENT_MESSAGES * (MESSAGE_BYTES + LOG_ENTRY_BYTES);
        let feed = Feed::new(Encoding::Text, log_bytes, MESSAGE_BYTES, 0);
        Self { feed, members: Members::new(8), skipped: 0 }
    }

    fn join(&mut self, table: u16) -> MemberId {
        let connection = ConnectionId { slot: Slot(0), generation: Generation::FIRST };
        self.feed.join(&mut self.members, connection, TableId(table), RoomId(0))
    }

    /// Says a message, if it fits. Returns whether it did.
    fn say(&mut self) -> bool {
        let body = Body::Announcement { text: b"the server is stopping" };
        let fits = self.feed.memory_needed(&self.members, &body).is_some();
        if fits {
            let (number, room) = (self.feed.log().messages() + 1, RoomName::parse(LOBBY).expect("it is a name"));
            let message = Message { number, time: UnixTime(0), room, author: None, body };
            assert!(self.feed.append(&mut self.members, &message, MESSAGE_BYTES, |_, _| self.skipped += 1));
        }
        fits
    }

    /// Sends one batch, whose sockets take everything. Returns it with the messages that its members missed.
    fn send(&mut self) -> (Batch, u64) {
        let mut missed = 0;
        let batch = self.feed.take_batch(&mut self.members, |_, _, gap| missed += gap.messages);
        for id in &batch {
            while !self.feed.try_level(&mut self.members, *id) {
                let due = self.feed.due(&self.members, *id).len();
                self.feed.advance(&mut self.members, *id, due);
            }
        }
        self.check();
        (batch, missed)
    }

    fn settle(&mut self) {
        while self.feed.has_due() {
            self.send();
        }
    }

    /// As many members, level, whose sockets are full.
    fn parked(&mut self, count: usize) -> Vec<MemberId> {
        let parked: Vec<MemberId> = (0..count).map(|number| self.join(number as u16 % 3)).collect();
        parked.iter().for_each(|id| self.feed.park(&mut self.members, *id));
        parked
    }

    fn begin_turn(&mut self) {
        self.members.renew_skips();
        self.feed.skip_ahead(&mut self.members, |_, _| self.skipped += 1);
    }

    /// Says messages until one does not fit.
    fn say_all(&mut self) {
        assert!((0..1000).any(|_| !self.say()), "a log without end");
    }

    fn fill(&mut self) {
        while !self.feed.log().is_at_cap() {
            assert!(self.say());
        }
    }

    fn check(&self) {
        self.feed.invariants(&self.members, |_| false);
    }
}

#[test]
fn a_member_of_a_small_table_is_not_sent_a_second_message_before_all_others_have_the_first() {
    let mut world = World::new();
    let large: Vec<MemberId> = (0..20 * SEND_BATCH_MEMBERS).map(|_| world.join(0)).collect();
    let small: Vec<MemberId> = (0..3).map(|_| world.join(1)).collect();
    let middle: Vec<MemberId> = (0..2 * SEND_BATCH_MEMBERS).map(|_| world.join(2)).collect();
    assert!(world.say());
    let mut sizes = Vec::new();
    let mut served = BTreeSet::new();
    while served.len() < large.len() + small.len() + middle.len() {
        let (batch, _) = world.send();
        sizes.push(batch.len());
        assert!(batch.iter().all(|id| served.insert(format!("{id:?}"))), "nobody is served twice");
        // There is always more to say.
        world.say();
    }
    assert!(sizes[..3].contains(&small.len()), "each table has the first message in one of the first three batches");
    let (batch, _) = world.send();
    assert!(!batch.is_empty(), "the second message follows");
}

#[test]
fn private_bytes_do_not_wait_for_a_sweep() {
    let mut world = World::new();
    for _ in 0..100 * SEND_BATCH_MEMBERS {
        world.join(0);
    }
    for table in [0, 1] {
        assert!(world.say());
        world.send();
        let newcomer = world.join(table);
        world.feed.wake(&mut world.members, newcomer);
        let batches: Vec<Batch> = (0..2).map(|_| world.send().0).collect();
        assert!(batches.iter().any(|batch| batch.contains(&newcomer)), "table {table}");
        assert!(batches.iter().any(|batch| batch.len() > SEND_BATCH_MEMBERS / 2), "the sweep goes on");
        world.settle();
    }
}

#[test]
fn a_log_waits_for_the_members_of_every_table() {
    let mut world = World::new();
    let (one, other) = (world.join(0), world.join(3));
    world.fill();
    world.say_all();
    for id in [one, other] {
        assert!(!world.say(), "the one that is left has not been sent the oldest messages");
        assert_eq!(world.feed.lag_bytes_max(&world.members), world.feed.log().head() - Position::default());
        let (batch, _) = world.send();
        assert!(batch[..] == [one] || batch[..] == [other], "{id:?}");
    }
    assert!(world.say());
}

#[test]
fn many_members_are_skipped_some_in_each_turn_and_each_misses_exactly_what_it_is_told() {
    let mut world = World::new();
    world.members.limit_skips(10);
    let parked = world.parked(100);
    let listener = world.join(0);
    assert!(world.say());
    // A few come back before the log has to forget their place, and wait for their turn.
    let (returning, parked) = parked.split_at(30);
    returning.iter().for_each(|id| world.feed.unpark(&mut world.members, *id));
    world.fill();
    world.check();
    assert!(world.feed.must_skip_ahead(&world.members));
    let oldest = world.feed.log().tail();
    let mut turns = 0;
    while world.feed.must_skip_ahead(&world.members) {
        let before = world.skipped;
        world.begin_turn();
        assert!(world.skipped <= before + 10);
        world.check();
        turns += 1;
    }
    assert!(world.skipped == 100 && turns == 10, "{} skipped in {turns} turns", world.skipped);
    assert_eq!(world.feed.log().tail(), oldest, "all that was ahead of need");
    // One comes back in time, and misses nothing.
    world.feed.unpark(&mut world.members, parked[0]);
    while world.feed.has_due() {
        let (batch, missed) = world.send();
        assert_eq!(missed, 0, "{batch:?} miss nothing of what the log still has");
    }
    world.begin_turn();
    while world.feed.log().tail() == oldest {
        assert!(world.say(), "nobody has to be waited for");
        world.settle();
    }
    world.check();
    assert_eq!(world.skipped, 100, "each was skipped once");
    for id in &parked[1..] {
        world.feed.unpark(&mut world.members, *id);
    }
    let (mut missed, mut back) = (0, 0);
    while world.feed.has_due() {
        let (batch, of_batch) = world.send();
        (missed, back) = (missed + of_batch, back + batch.len());
    }
    let lost = world.feed.log().messages_before(world.feed.log().tail());
    assert_eq!((missed, back as u64), (lost * 69, 69));
    let expected = world.feed.log().messages() * 101 - missed;
    assert_eq!(world.feed.counts().deliveries, expected, "{listener:?} and all others were sent the rest");
}

#[test]
fn authors_wait_while_more_have_to_be_skipped_than_may_be_in_a_turn() {
    let mut world = World::new();
    world.members.limit_skips(3);
    world.parked(10);
    world.fill();
    world.say_all();
    assert_eq!(world.skipped, 0);
    let mut waited = 0;
    while !world.say() {
        world.begin_turn();
        waited += 1;
    }
    assert_eq!((world.skipped, waited), (10, 4), "three in each of three turns, and the last one when it is needed");
}

#[test]
fn the_lag_is_that_of_the_slowest_member_and_at_most_a_segment_more() {
    for (count, state) in [1, 3, LAG_LOOKS_MAX + 1].into_iter().flat_map(|count| [(count, 0), (count, 1)]) {
        let mut world = World::new();
        assert!(world.say());
        let at = world.feed.log().head();
        let parked = world.parked(count);
        assert_eq!(world.feed.lag_bytes_max(&world.members), 0);
        for _ in 0..2 * SEGMENT_MESSAGES {
            assert!(world.say());
            world.parked(1);
        }
        if state == 1 {
            parked.iter().for_each(|id| world.feed.unpark(&mut world.members, *id));
        }
        world.check();
        let (lag, exact) = (world.feed.lag_bytes_max(&world.members), world.feed.log().head() - at);
        let from = if count > LAG_LOOKS_MAX { Position::default() } else { at };
        assert_eq!(lag, world.feed.log().head() - from, "{count} members, the slowest lags by {exact}");
        parked.iter().for_each(|id| world.feed.leave(&mut world.members, *id));
        assert!(world.feed.lag_bytes_max(&world.members) < exact);
    }
}
