//! The contract of [`super::link`] as tests, the same for the simulated engine and for a real one: links are made by
//! `new`, to an engine that nobody else uses and that works, and `step` lets some time pass.
//!
//! What must hold while things go wrong is asserted by [`Heard`], which reads all news of a link.

use std::collections::BTreeMap;

use super::link::{BatchId, Link, News, NodeId, Order, Published, Stored, StreamState};
use crate::names::RoomName;

/// Steps in which what is to happen must have happened.
const STEPS_MAX: usize = 30_000;

/// Steps in which something that must not happen would have happened.
const STEPS_OF_REST: usize = 200;

/// Everything that a link has said, which keeps the rules.
#[derive(Debug, Default)]
pub struct Heard {
    /// The connection, while there is one.
    pub up: Option<StreamState>,
    pub is_caught_up: bool,
    pub ups: usize,
    /// Batches in order: sequence, room, bytes.
    pub records: Vec<(u64, RoomName, Vec<u8>)>,
    /// The next sequence; 0 before the first connection.
    next: u64,
    pub lost: u64,
    /// The store as it is known.
    pub entries: BTreeMap<String, (Option<Vec<u8>>, u64)>,
    pub words: Vec<Vec<u8>>,
    /// Answers that nobody has looked at.
    pub published: Vec<(BatchId, Published)>,
    pub stored: Vec<(String, Stored)>,
}

impl Heard {
    /// Reads all news that there are.
    pub fn read(&mut self, link: &mut impl Link) {
        while let Some(news) = link.news() {
            self.hear(news);
        }
    }

    pub fn hear(&mut self, news: News) {
        match news {
            News::Up(state) => {
                assert!(self.up.is_none(), "a link that is up comes up");
                assert!(state.first <= state.last + 1);
                if self.next == 0 {
                    self.next = state.first.max(1);
                }
                assert!(state.last + 1 >= self.next, "the stream has all that was given");
                (self.up, self.is_caught_up) = (Some(state), false);
                self.ups += 1;
            }
            News::Down { .. } => assert!(self.up.take().is_some(), "a link that is down goes down"),
            News::Unfit { why } => panic!("the engine is as it should be: {why}"),
            News::Record { sequence, room, bytes, .. } => {
                assert!(self.up.is_some() && sequence == self.next, "{sequence} is given, {} is the next", self.next);
                self.next += 1;
                self.records.push((sequence, room, bytes));
            }
            News::Lost { first, last } => {
                assert!(self.up.is_some() && first == self.next && last >= first, "{first} to {last} are lost");
                self.lost += last + 1 - first;
                self.next = last + 1;
            }
            News::Entry { key, bytes, revision } => {
                assert!(self.up.is_some(), "entries come by a connection");
                let before = self.entries.insert(key, (bytes.clone(), revision));
                let is_newer = before.is_none_or(|(old, known)| known < revision || (known, old) == (revision, bytes));
                assert!(is_newer, "an entry does not become older");
            }
            News::CaughtUp => {
                let up = self.up.expect("only a link that is up catches up");
                assert!(!self.is_caught_up && self.next > up.last, "everything was given, once");
                self.is_caught_up = true;
            }
            News::Told { bytes } => self.words.push(bytes),
            News::Published { id, outcome } => self.published.push((id, outcome)),
            News::Stored { key, outcome } => self.stored.push((key, outcome)),
            News::Lag { .. } => {}
        }
    }

    /// What has a value in the store.
    fn values(&self) -> BTreeMap<&str, &[u8]> {
        let values = self.entries.iter().filter_map(|(key, (bytes, _))| Some((key.as_str(), bytes.as_deref()?)));
        values.collect()
    }
}

/// Links, and what they have said.
struct Harness<'a, L> {
    links: Vec<(L, Heard)>,
    step: &'a mut dyn FnMut(),
}

impl<L: Link> Harness<'_, L> {
    fn step(&mut self) {
        (self.step)();
        self.links.iter_mut().for_each(|(link, heard)| heard.read(link));
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..STEPS_MAX {
            if done(self) {
                return;
            }
            self.step();
        }
        let heard: Vec<_> = self.links.iter().map(|(_, heard)| heard).collect();
        panic!("{what} did not happen: {heard:?}");
    }

    fn rest(&mut self) {
        (0..STEPS_OF_REST).for_each(|_| self.step());
    }

    fn heard(&self, link: usize) -> &Heard {
        &self.links[link].1
    }

    fn add(&mut self, link: L) {
        self.links.push((link, Heard::default()));
        let added = self.links.len() - 1;
        self.until("catching up", |harness| harness.heard(added).is_caught_up);
    }

    fn order(&mut self, link: usize, order: Order) {
        self.until("room for an order", |harness| harness.links[link].0.has_room());
        self.links[link].0.order(order);
    }

    fn publish(&mut self, link: usize, order: Order) -> u64 {
        let Order::Publish { id, .. } = order else { panic!("{order:?} is no batch") };
        self.order(link, order);
        self.until("an answer", |harness| !harness.heard(link).published.is_empty());
        match self.links[link].1.published.remove(0) {
            (of, Published::Stored { sequence }) if of == id => sequence,
            other => panic!("{id} was published: {other:?}"),
        }
    }

    fn store(&mut self, link: usize, key: &str, bytes: Option<&[u8]>, expected: u64) -> Stored {
        self.order(link, Order::Store { key: key.to_owned(), bytes: bytes.map(<[u8]>::to_vec), expected });
        self.until("an answer", |harness| !harness.heard(link).stored.is_empty());
        let (of, outcome) = self.links[link].1.stored.remove(0);
        assert_eq!(of, key);
        outcome
    }
}

fn batch(node: u64, number: u64, room: &str) -> Order {
    let id = BatchId { node: NodeId(node), number };
    let bytes = format!("batch {id} of {room}\n").into_bytes();
    Order::Publish { room: RoomName::parse(room).expect("it is a name"), id, bytes }
}

/// Plays every test.
pub fn check<L: Link>(mut new: impl FnMut() -> L, mut step: impl FnMut()) {
    let mut harness = Harness { links: Vec::new(), step: &mut step };
    harness.add(new());
    harness.add(new());
    batches_come_to_all_with_the_sequence_that_was_answered(&mut harness);
    a_batch_that_is_published_again_is_stored_once(&mut harness);
    all_hear_batches_of_several_nodes_in_one_order(&mut harness);
    an_entry_is_changed_only_by_the_one_that_knows_its_revision(&mut harness);
    words_come_to_all_others(&mut harness);
    a_node_that_comes_later_has_everything(&mut harness, new());
}

fn batches_come_to_all_with_the_sequence_that_was_answered<L: Link>(harness: &mut Harness<'_, L>) {
    for number in 1..=3 {
        let order = batch(1, number, "lobby");
        let Order::Publish { room, bytes, .. } = order.clone() else { unreachable!() };
        let sequence = harness.publish(0, order);
        for link in 0..2 {
            harness.until("the batch", |harness| harness.heard(link).next > sequence);
            assert_eq!(harness.heard(link).records.last(), Some(&(sequence, room, bytes.clone())));
        }
    }
}

fn a_batch_that_is_published_again_is_stored_once<L: Link>(harness: &mut Harness<'_, L>) {
    let first = harness.publish(0, batch(1, 4, "den"));
    let next = harness.publish(0, batch(1, 5, "den"));
    assert!(next > first);
    assert_eq!(harness.publish(0, batch(1, 4, "den")), first);
    // Also when another asks: the number stands for the batch.
    assert_eq!(harness.publish(1, batch(1, 4, "den")), first);
    harness.rest();
    assert_eq!(harness.heard(1).next, next + 1);
}

fn all_hear_batches_of_several_nodes_in_one_order<L: Link>(harness: &mut Harness<'_, L>) {
    let before = harness.heard(0).records.len();
    let rooms = ["lobby", "den"];
    let mut numbers = [100, 100];
    // Each node has one batch of each room under way.
    for _ in 0..20 {
        for (link, number) in numbers.iter_mut().enumerate() {
            for room in rooms {
                *number += 1;
                harness.order(link, batch(link as u64 + 1, *number, room));
            }
        }
        harness.until("all answers", |harness| (0..2).all(|link| harness.heard(link).published.len() == 2));
        for (_, heard) in &mut harness.links {
            for (id, outcome) in heard.published.drain(..) {
                assert!(matches!(outcome, Published::Stored { .. }), "{id}: {outcome:?}");
            }
        }
    }
    harness.until("all batches", |harness| (0..2).all(|link| harness.heard(link).records.len() == before + 80));
    assert_eq!(harness.heard(0).records[before..], harness.heard(1).records[before..]);
}

fn an_entry_is_changed_only_by_the_one_that_knows_its_revision<L: Link>(harness: &mut Harness<'_, L>) {
    let key = "name.bob-1_x";
    let done = |outcome: Stored| match outcome {
        Stored::Done { revision } => revision,
        other => panic!("it is changed: {other:?}"),
    };
    let first = done(harness.store(0, key, Some(b"one"), 0));
    assert_eq!(harness.store(1, key, Some(b"mine"), 0), Stored::Conflict);
    let second = done(harness.store(1, key, Some(b"two"), first));
    assert!(second > first);
    assert_eq!(harness.store(0, key, Some(b"three"), first), Stored::Conflict);
    harness
        .until("the value", |harness| (0..2).all(|link| harness.heard(link).values().get(key) == Some(&&b"two"[..])));
    let third = done(harness.store(0, key, None, second));
    harness.until("its end", |harness| (0..2).all(|link| !harness.heard(link).values().contains_key(key)));
    let fourth = done(harness.store(1, key, Some(b"four"), 0));
    assert!(fourth > third);
    done(harness.store(1, "topic.den", Some(b""), 0));
    for link in 0..2 {
        harness.until("the values", |harness| {
            let values = harness.heard(link).values();
            values.get(key) == Some(&&b"four"[..]) && values.get("topic.den") == Some(&&b""[..])
        });
    }
}

fn words_come_to_all_others<L: Link>(harness: &mut Harness<'_, L>) {
    for (from, to, word) in [(0, 1, "one"), (1, 0, "two")] {
        harness.order(from, Order::Tell { bytes: word.into() });
        harness.until("the word", |harness| !harness.heard(to).words.is_empty());
    }
    harness.rest();
    assert_eq!([harness.heard(0).words.len(), harness.heard(1).words.len()], [1, 1], "nobody hears itself");
}

fn a_node_that_comes_later_has_everything<L: Link>(harness: &mut Harness<'_, L>, link: L) {
    harness.add(link);
    let last = harness.links.len() - 1;
    assert_eq!(harness.heard(last).records, harness.heard(0).records);
    assert_eq!(harness.heard(last).values(), harness.heard(0).values());
    harness.links.pop();
    harness.publish(0, batch(1, 1000, "lobby"));
    harness.until("the batch", |harness| harness.heard(1).records.last() == harness.heard(0).records.last());
}
