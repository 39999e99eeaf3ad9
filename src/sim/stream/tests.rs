//! The simulated engine keeps the contract, without faults and with them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::{Counts, Faults, MILLISECOND, Settings, SimLink, Stream};
use crate::cluster::contract::{Heard, check};
use crate::cluster::link::{BatchId, Link, NodeId, Order, Published, Stored};
use crate::io::sim::draw::Draw;
use crate::names::RoomName;

fn stream(seed: u64, settings: Settings) -> Rc<RefCell<Stream>> {
    Rc::new(RefCell::new(Stream::new(Draw::seeded(seed), settings)))
}

#[test]
fn the_simulated_engine_keeps_the_contract() {
    let stream = stream(1, Settings::default());
    let mut now = 0;
    check(
        || Stream::link(&stream),
        || {
            now += MILLISECOND;
            stream.borrow_mut().advance(now);
        },
    );
}

/// Runs with faults.
const SEEDS: u64 = 300;

/// Steps of a run with faults, and of the time after them, of up to 40 ms each.
const STEPS: usize = 400;

/// A node that publishes and stores, and asserts that each order is answered once.
struct Node {
    link: SimLink,
    heard: Heard,
    number: u64,
    /// Batches and keys under way.
    publishing: Option<BatchId>,
    storing: Option<String>,
    /// Batches that were stored, by what was answered.
    stored: BTreeMap<BatchId, u64>,
}

impl Node {
    fn new(stream: &Rc<RefCell<Stream>>) -> Self {
        Self {
            link: Stream::link(stream),
            heard: Heard::default(),
            number: 0,
            publishing: None,
            storing: None,
            stored: BTreeMap::new(),
        }
    }

    fn turn(&mut self, draw: &mut Draw) {
        if draw.chance(100) {
            return;
        }
        self.heard.read(&mut self.link);
        for (id, outcome) in self.heard.published.drain(..) {
            assert_eq!(self.publishing.take(), Some(id), "an answer comes once");
            if let Published::Stored { sequence } = outcome {
                assert_eq!(self.stored.insert(id, sequence), None);
            }
        }
        for (key, outcome) in self.heard.stored.drain(..) {
            assert_eq!(self.storing.take(), Some(key), "an answer comes once");
            assert!(!matches!(outcome, Stored::Done { revision: 0 }));
        }
        if self.publishing.is_none() && draw.chance(128) {
            self.number += 1;
            let id = BatchId { node: NodeId(self.link.number() as u64), number: self.number };
            self.publishing = Some(id);
            let room = RoomName::parse("lobby").unwrap();
            self.link.order(Order::Publish { room, id, bytes: id.to_string().into_bytes() });
        }
        if self.storing.is_none() && draw.chance(64) {
            let key = draw.pick(&["a", "b"]).to_owned();
            let known = self.heard.entries.get(&key).map_or(0, |(_, revision)| *revision);
            self.storing = Some(key.clone());
            self.link.order(Order::Store { key, bytes: draw.chance(200).then(Vec::new), expected: known });
        }
        if draw.chance(32) {
            self.link.order(Order::Tell { bytes: b"word".to_vec() });
        }
    }
}

fn incident(stream: &mut Stream, draw: &mut Draw, nodes: usize) {
    let link = draw.below(nodes as u64) as usize;
    match draw.below(60) {
        0 => stream.set_there(false),
        1..4 => stream.set_there(true),
        4..6 => stream.set_reachable(link, false),
        6..10 => stream.set_reachable(link, true),
        10 => stream.silence(link, draw.below(4000) * MILLISECOND),
        11 => stream.forget(draw.below(5)),
        _ => {}
    }
}

fn play(seed: u64) -> Counts {
    let mut draw = Draw::seeded(seed);
    let duplicate_window = Duration::from_secs(draw.pick(&[120, 1]));
    let settings = Settings { duplicate_window, ..Settings::default() };
    let stream = stream(seed, settings);
    stream.borrow_mut().faults = Faults::draw(&mut draw);
    stream.borrow_mut().set_there(draw.chance(128));
    let mut nodes: Vec<Node> = (0..3).map(|_| Node::new(&stream)).collect();
    let mut now = 0;
    for step in 0..2 * STEPS {
        if step == STEPS {
            let mut stream = stream.borrow_mut();
            stream.faults = Faults::default();
            stream.set_there(true);
            (0..nodes.len()).for_each(|link| stream.set_reachable(link, true));
        }
        now += draw.below(40 * MILLISECOND);
        stream.borrow_mut().advance(now);
        if step < STEPS {
            incident(&mut stream.borrow_mut(), &mut draw, nodes.len());
        }
        nodes.iter_mut().for_each(|node| node.turn(&mut draw));
    }
    for _ in 0..100 {
        now += 1000 * MILLISECOND;
        stream.borrow_mut().advance(now);
        nodes.iter_mut().for_each(|node| node.heard.read(&mut node.link));
    }
    let stream = stream.borrow();
    for node in &nodes {
        assert!(node.heard.is_caught_up, "seed {seed}: it has everything in the end");
        let given = node.heard.records.last().map(|(sequence, ..)| *sequence);
        assert!(given == Some(stream.last()) || stream.first > stream.last(), "seed {seed}");
        assert_eq!(stream.taken(node.link.number()), stream.last());
        assert!(node.publishing.is_none() || node.heard.published.len() == 1, "seed {seed}: each order is answered");
        for (sequence, _, bytes) in &node.heard.records {
            assert_eq!(stream.batches()[*sequence as usize - 1].bytes, *bytes);
        }
        for (id, sequence) in &node.stored {
            assert_eq!(stream.batches()[*sequence as usize - 1].id, *id, "what was answered is there");
        }
    }
    stream.counts
}

#[test]
fn with_faults_it_keeps_the_contract_too() {
    let counts: Vec<Counts> = (0..SEEDS).map(play).collect();
    let total = |count: fn(&Counts) -> u64| counts.iter().map(count).sum::<u64>();
    let happened = [
        ("known again", total(|counts| counts.known_again)),
        ("stored again", total(|counts| counts.stored_again)),
        ("unknown", total(|counts| counts.unknown)),
        ("conflicts", total(|counts| counts.conflicts)),
        ("lost", total(|counts| counts.lost)),
        ("downs", total(|counts| counts.downs)),
        ("words", total(|counts| counts.words)),
        ("words lost", total(|counts| counts.words_lost)),
    ];
    println!("{happened:?}");
    assert!(happened.iter().all(|(_, count)| *count > 0), "something never happens: {happened:?}");
}

#[test]
fn a_link_whose_news_are_not_taken_reads_no_more() {
    let stream = stream(1, Settings::default());
    let (mut author, reader) = (Node::new(&stream), Stream::link(&stream));
    let mut draw = Draw::seeded(1);
    for step in 0..3000 {
        stream.borrow_mut().advance(step * MILLISECOND);
        author.turn(&mut draw);
    }
    assert!(author.heard.records.len() > 300, "{} batches", author.heard.records.len());
    assert!(stream.borrow().clients[reader.number()].news.len() < 60, "its news do not pile up");
}
