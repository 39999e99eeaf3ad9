//! Tests of names that are one member's in the whole cluster.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::token::{Generation, Slot};

fn name(text: &str) -> MemberName {
    MemberName::parse(text).unwrap()
}

fn asker(slot: u32) -> ConnectionId {
    ConnectionId { slot: Slot(slot), generation: Generation::FIRST }
}

fn value(node: u64) -> Vec<u8> {
    format!("{{\"node\":\"{:016x}\"}}", node).into_bytes()
}

/// A node that has read the store, which is empty.
fn node() -> ClusterNames {
    let mut names = ClusterNames::new(NodeId(1), 100);
    names.on_up();
    names.on_caught_up();
    names
}

fn claim(names: &mut ClusterNames, text: &str, slot: u32) -> Claim {
    names.claim(name(text), asker(slot), None, |_| false)
}

fn makes(text: &str, expected: u64) -> Option<Order> {
    Some(Order::Store { key: key(name(text)), bytes: Some(value(1)), expected })
}

fn removes(text: &str, expected: u64) -> Option<Order> {
    Some(Order::Store { key: key(name(text)), bytes: None, expected })
}

#[test]
fn a_name_is_asked_for_once_and_had_once_the_store_has_it() {
    let mut names = node();
    assert_eq!(claim(&mut names, "Bob", 1), Claim::Waits);
    assert_eq!(claim(&mut names, "Bob", 1), Claim::Waits);
    assert_eq!(claim(&mut names, "bob", 2), Claim::Taken, "somebody here is about to have it");
    assert_eq!((names.next_order(), names.next_order()), (makes("Bob", 0), None));
    assert_eq!(key(name("Bob")), "name.bob");
    let change = names.on_stored(name("bob"), Stored::Done { revision: 5 });
    assert_eq!(change, Some(Change::GoesOn(asker(1))));
    assert_eq!((claim(&mut names, "Bob", 1), names.has(name("BOB"))), (Claim::Yours, true));
    names.release(name("bob"));
    assert_eq!(names.next_order(), removes("bob", 5));
    assert_eq!(names.on_stored(name("bob"), Stored::Done { revision: 6 }), None);
    assert_eq!((names.next_order(), names.has(name("bob"))), (None, false));
    names.invariants();
    assert_eq!(names.own.len(), 0, "nothing is kept of it");
}

#[test]
fn a_name_of_another_node_is_taken_until_that_has_gone() {
    let mut names = node();
    names.on_entry(name("bob"), Some(&value(2)), 7);
    assert_eq!(claim(&mut names, "bob", 1), Claim::Taken);
    assert_eq!(names.holder(name("bob")), Some(NodeId(2)));
    assert_eq!(names.claim(name("bob"), asker(1), None, |node| node == NodeId(2)), Claim::Waits);
    assert_eq!(names.next_order(), makes("bob", 7));
    assert_eq!(names.on_stored(name("bob"), Stored::Conflict), Some(Change::GoesOn(asker(1))));
    assert_eq!(claim(&mut names, "bob", 1), Claim::Taken);
    // A node that hands a name over says what its entry is.
    assert_eq!(names.claim(name("bob"), asker(1), Some(7), |_| false), Claim::Waits);
    assert_eq!(names.next_order(), makes("bob", 7));
    assert_eq!(names.on_stored(name("bob"), Stored::Done { revision: 8 }), Some(Change::GoesOn(asker(1))));
    names.invariants();
}

#[test]
fn who_stands_in_the_store_has_a_name() {
    let mut names = node();
    claim(&mut names, "bob", 1);
    names.next_order();
    names.on_stored(name("bob"), Stored::Done { revision: 5 });
    assert_eq!(claim(&mut names, "bob", 1), Claim::Yours);
    assert_eq!(names.on_entry(name("bob"), Some(&value(2)), 4), None, "an older entry says nothing");
    names.on_down();
    names.on_up();
    assert_eq!(names.on_entry(name("bob"), Some(&value(2)), 9), Some(Change::Lost(name("bob"))));
    names.on_caught_up();
    assert!(names.next_order().is_none() && !names.has(name("bob")));
    names.invariants();
}

#[test]
fn a_name_whose_entry_has_gone_during_a_cut_is_asked_for_again() {
    let mut names = node();
    claim(&mut names, "bob", 1);
    names.next_order();
    names.on_stored(name("bob"), Stored::Done { revision: 5 });
    claim(&mut names, "bob", 1);
    names.on_down();
    assert_eq!((claim(&mut names, "eve", 2), names.next_order()), (Claim::CutOff, None));
    names.on_up();
    names.on_caught_up();
    while names.has_work() {
        names.look_at_a_part(|_| false);
    }
    assert_eq!(names.next_order(), makes("bob", 0));
    assert_eq!(names.on_stored(name("bob"), Stored::Conflict), Some(Change::Lost(name("bob"))));
    names.invariants();
}

#[test]
fn an_entry_that_nobody_here_wants_is_taken_away() {
    let mut names = node();
    claim(&mut names, "bob", 1);
    names.next_order();
    assert_eq!(names.on_stored(name("bob"), Stored::Unknown), Some(Change::GoesOn(asker(1))));
    assert_eq!(claim(&mut names, "bob", 1), Claim::CutOff);
    assert_eq!(names.on_entry(name("bob"), Some(&value(1)), 5), None, "it was made all the same");
    names.try_again();
    assert_eq!((names.next_order(), names.next_order()), (removes("bob", 5), None));
    names.on_stored(name("bob"), Stored::Done { revision: 6 });
    // And one whose asker has gone before the answer.
    claim(&mut names, "eve", 1);
    names.next_order();
    names.forget(asker(1));
    names.on_stored(name("eve"), Stored::Done { revision: 7 });
    assert_eq!(names.next_order(), removes("eve", 7));
    names.invariants();
}

#[test]
fn names_of_a_node_that_has_gone_are_given_free_a_few_at_a_time() {
    let mut names = node();
    let many = 3 * NAMES_FREED_PER_TURN as u64;
    (0..many).for_each(|number| {
        names.on_entry(name(&format!("a{number}")), Some(&value(2 + number % 2)), number + 1);
    });
    let mut freed = 0;
    for _ in 0..20 * names.others.parts() {
        names.look_at_a_part(|node| node == NodeId(2));
        let orders = std::iter::from_fn(|| names.next_order()).collect::<Vec<_>>();
        assert!(orders.len() <= NAMES_FREED_PER_TURN);
        for order in orders {
            let Order::Store { key, bytes: None, expected } = order else { panic!("it is taken away") };
            freed += 1;
            names.on_stored(name_of(&key).unwrap(), Stored::Done { revision: expected + 1000 });
        }
    }
    assert_eq!((freed, names.others.len() as u64), (many / 2, many / 2));
    // Who asks for a name while it is given free waits until that is over.
    names.look_at_a_part(|_| true);
    for _ in 0..names.others.parts() {
        names.look_at_a_part(|_| true);
    }
    let Some(Order::Store { key, .. }) = names.next_order() else { panic!("it is given free") };
    let name = name_of(&key).unwrap();
    assert_eq!(names.claim(name, asker(1), None, |_| true), Claim::Waits);
    let orders = std::iter::from_fn(|| names.next_order()).collect::<Vec<_>>();
    assert!(orders.iter().all(|order| !matches!(order, Order::Store { key: other, .. } if *other == key)));
    names.on_stored(name, Stored::Done { revision: 5000 });
    let Some(Order::Store { bytes: Some(_), expected: 0, .. }) = names.next_order() else { panic!("it is made") };
    names.invariants();
}

#[test]
fn claims_are_bounded() {
    let mut names = ClusterNames::new(NodeId(1), 2 * NAME_CLAIMS_MAX);
    names.on_up();
    names.on_caught_up();
    for slot in 0..NAME_CLAIMS_MAX as u32 {
        assert_eq!(claim(&mut names, &format!("a{slot}"), slot), Claim::Waits);
    }
    assert_eq!(claim(&mut names, "bob", u32::MAX), Claim::Full);
    names.forget(asker(0));
    assert_eq!(claim(&mut names, "bob", u32::MAX), Claim::Waits);
    assert!(names.footprint() <= ClusterNames::footprint_max(2 * NAME_CLAIMS_MAX));
}

/// Some nodes on one store, whose connections break.
struct World {
    store: BTreeMap<String, (u64, Option<Vec<u8>>)>,
    revision: u64,
    nodes: Vec<Node>,
}

struct Node {
    names: ClusterNames,
    is_cut: bool,
    /// What comes next, in order.
    news: VecDeque<News>,
    /// The members that have names, by connection.
    members: BTreeMap<ConnectionId, MemberName>,
    asking: BTreeMap<ConnectionId, MemberName>,
}

enum News {
    Entry(String, Option<Vec<u8>>, u64),
    Stored(String, Stored),
    CaughtUp,
}

impl World {
    fn new(nodes: usize) -> Self {
        let node = |number| {
            let names = ClusterNames::new(NodeId(number), 100);
            let (members, asking) = (BTreeMap::new(), BTreeMap::new());
            Node { names, is_cut: true, news: VecDeque::new(), members, asking }
        };
        let nodes = (1..=nodes as u64).map(node).collect();
        let mut world = Self { store: BTreeMap::new(), revision: 0, nodes };
        (0..world.nodes.len()).for_each(|at| world.heal(at));
        world
    }

    fn cut(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.is_cut = true;
        // What is on its way is lost, and orders are answered all the same.
        let lost = std::mem::take(&mut node.news);
        let answered = |news| match news {
            News::Stored(key, outcome) => Some(News::Stored(key, outcome)),
            News::Entry(..) | News::CaughtUp => None,
        };
        node.news = lost.into_iter().filter_map(answered).collect();
        node.names.on_down();
    }

    fn heal(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if !node.is_cut {
            return;
        }
        node.is_cut = false;
        node.names.on_up();
        for (key, (revision, bytes)) in &self.store {
            if bytes.is_some() {
                node.news.push_back(News::Entry(key.clone(), bytes.clone(), *revision));
            }
        }
        node.news.push_back(News::CaughtUp);
    }

    fn ask(&mut self, at: usize, slot: u32, name: MemberName) {
        let node = &mut self.nodes[at];
        let id = asker(slot);
        if node.asking.contains_key(&id) || node.members.values().any(|other| *other == name) {
            return;
        }
        node.asking.insert(id, name);
        self.go_on(at, id);
    }

    /// The command of a connection is read.
    fn go_on(&mut self, at: usize, id: ConnectionId) {
        let node = &mut self.nodes[at];
        let Some(name) = node.asking.get(&id).copied() else { return };
        match node.names.claim(name, id, None, |_| false) {
            Claim::Waits => {}
            Claim::Yours => {
                node.asking.remove(&id);
                assert!(node.members.values().all(|other| *other != name), "two members here have {name}");
                if let Some(before) = node.members.insert(id, name) {
                    node.names.release(before);
                }
            }
            Claim::Taken | Claim::CutOff | Claim::Full => {
                node.asking.remove(&id);
            }
        }
    }

    fn leave(&mut self, at: usize, slot: u32) {
        let node = &mut self.nodes[at];
        node.asking.remove(&asker(slot));
        node.names.forget(asker(slot));
        if let Some(name) = node.members.remove(&asker(slot)) {
            node.names.release(name);
        }
    }

    /// Carries out the next order of a node; `luck` says whether its outcome is known.
    fn carry_out(&mut self, at: usize, luck: u8) -> bool {
        let Some(Order::Store { key, bytes, expected }) = self.nodes[at].names.next_order() else { return false };
        let done = luck != 1 && !self.nodes[at].is_cut;
        let mut outcome = Stored::Unknown;
        if done {
            let has = self.store.get(&key).and_then(|(revision, bytes)| bytes.as_ref().map(|_| *revision)).unwrap_or(0);
            if has == expected {
                self.revision += 1;
                self.store.insert(key.clone(), (self.revision, bytes.clone()));
                for other in self.nodes.iter_mut().filter(|other| !other.is_cut) {
                    other.news.push_back(News::Entry(key.clone(), bytes.clone(), self.revision));
                }
                outcome = Stored::Done { revision: self.revision };
            } else {
                outcome = Stored::Conflict;
            }
        }
        if luck == 2 {
            outcome = Stored::Unknown;
        }
        let news = News::Stored(key, outcome);
        if luck == 3 {
            self.nodes[at].news.push_front(news)
        } else {
            self.nodes[at].news.push_back(news)
        }
        true
    }

    fn hear(&mut self, at: usize) -> bool {
        let node = &mut self.nodes[at];
        let change = match node.news.pop_front() {
            None => return false,
            Some(News::CaughtUp) => {
                node.names.on_caught_up();
                None
            }
            Some(News::Entry(key, bytes, revision)) => {
                node.names.on_entry(name_of(&key).unwrap(), bytes.as_deref(), revision)
            }
            Some(News::Stored(key, outcome)) => node.names.on_stored(name_of(&key).unwrap(), outcome),
        };
        match change {
            None => {}
            Some(Change::GoesOn(id)) => self.go_on(at, id),
            Some(Change::Lost(name)) => node.members.retain(|_, other| *other != name),
        }
        true
    }

    /// Heals everything, and goes on until nothing is to be done.
    fn settle(&mut self) {
        (0..self.nodes.len()).for_each(|at| self.heal(at));
        for _ in 0..1000 {
            let mut goes_on = false;
            for at in 0..self.nodes.len() {
                while self.hear(at) || self.carry_out(at, 0) {
                    goes_on = true;
                }
                let names = &mut self.nodes[at].names;
                names.try_again();
                while names.has_work() {
                    names.look_at_a_part(|_| false);
                    goes_on = true;
                }
                names.invariants();
            }
            if !goes_on {
                return;
            }
        }
        panic!("it does not come to rest");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever breaks: in the end the members that have names are those that the store says, and the store has no
    /// entry of a name that nobody has.
    #[test]
    fn in_the_end_a_name_is_had_once_and_as_the_store_says(
        steps in prop::collection::vec((0..10u8, 0..3usize, 0..3u32, 0..3u8, 0..6u8), 1..120)
    ) {
        let mut world = World::new(3);
        for (what, at, slot, which, luck) in steps {
            let name = name(["bob", "carol", "dave"][usize::from(which)]);
            match what {
                0 | 1 => world.ask(at, slot, name),
                2 => world.leave(at, slot),
                3 => world.cut(at),
                4 => world.heal(at),
                5 | 6 => { world.carry_out(at, luck); }
                _ => { world.hear(at); }
            }
            world.nodes.iter().for_each(|node| node.names.invariants());
        }
        world.settle();
        let mut had = BTreeMap::new();
        for node in &world.nodes {
            prop_assert!(node.asking.is_empty(), "nobody waits for ever");
            for name in node.members.values() {
                prop_assert!(had.insert(key(*name), value(node.names.node.0)).is_none(), "{} is had twice", name);
            }
        }
        let stored: BTreeMap<String, Vec<u8>> =
            world.store.into_iter().filter_map(|(key, (_, bytes))| Some((key, bytes?))).collect();
        prop_assert_eq!(had, stored);
    }

    #[test]
    fn no_entry_is_a_panic(key in "(name\\.)?[a-zA-Z0-9._=-]{0,30}", bytes: Option<Vec<u8>>, revision: u64) {
        let mut names = node();
        if let Some(name) = name_of(&key) {
            let _ = names.on_entry(name, bytes.as_deref(), revision);
            names.invariants();
        }
    }
}
