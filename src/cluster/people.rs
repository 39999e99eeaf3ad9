//! What a node knows of people at other nodes: their names, what was asked about them, and those that come back from
//! there. Reads no clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::ask::Questions;
use super::link::{NodeId, Order};
use super::names::ClusterNames;
use super::snapshots::Snapshots;
use super::token::Token;
use super::told::Had;
use super::used::Used;
use crate::limits::{CLUSTER_TICK, HAND_OVER_WAIT, NAME_PARTS_PER_TICK, NODE_SILENT, NODES_HEARD_MAX};
use crate::names::MemberName;
use crate::token::ConnectionId;

#[derive(Debug)]
pub struct People {
    pub names: ClusterNames,
    pub questions: Questions,
    pub used: Used,
    pub snapshots: Snapshots,
    /// Members that come back with tokens of other nodes, and how far they have come.
    coming_back: BTreeMap<ConnectionId, ComingBack>,
    /// Names that other nodes take over, each until when it is kept for that.
    handed_over: BTreeMap<MemberName, Instant>,
    heard: Heard,
    /// When something is next done that is done now and then.
    tick: Instant,
    /// For how long members may come back.
    resume_for: Duration,
}

/// When nodes were heard of.
#[derive(Debug, Default)]
struct Heard {
    nodes: BTreeMap<NodeId, Instant>,
    /// When everything that store and stream had was last heard; `None` before that.
    caught_up: Option<Instant>,
}

impl Heard {
    /// When a node was last heard of, as far as that can be said: what was told while this node did not listen counts as
    /// told until it did again. `None` before it has ever listened.
    fn last(&self, node: NodeId) -> Option<Instant> {
        let caught_up = self.caught_up?;
        Some(self.nodes.get(&node).map_or(caught_up, |at| (*at).max(caught_up)))
    }
}

/// How far a member has come that comes back with a token of another node. Each step is done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComingBack {
    /// Its token is recorded as used.
    Using,
    /// The node that gave it is asked what it had.
    Asking,
    /// It gets the name that it had, if it may.
    Naming(Had),
}

impl People {
    pub fn new(node: NodeId, members_max: usize, resume_for: Duration, now: Instant) -> Self {
        Self {
            names: ClusterNames::new(node, members_max),
            questions: Questions::new(node),
            used: Used::new(node),
            snapshots: Snapshots::default(),
            coming_back: BTreeMap::new(),
            handed_over: BTreeMap::new(),
            heard: Heard::default(),
            tick: now,
            resume_for,
        }
    }

    pub fn on_up(&mut self) {
        self.names.on_up();
    }

    pub fn on_caught_up(&mut self, now: Instant) {
        self.heard.caught_up = Some(now);
        self.names.on_caught_up();
        self.used.on_caught_up();
        self.snapshots.on_caught_up();
    }

    pub fn on_down(&mut self) {
        self.names.on_down();
        self.used.on_down();
        self.snapshots.on_down();
    }

    /// A node has told something.
    pub fn on_heard(&mut self, node: NodeId, now: Instant) {
        let nodes = &mut self.heard.nodes;
        if nodes.len() >= NODES_HEARD_MAX && !nodes.contains_key(&node) {
            let oldest = nodes.iter().min_by_key(|(_, at)| **at).map(|(node, _)| *node);
            oldest.and_then(|node| nodes.remove(&node));
        }
        nodes.insert(node, now);
    }

    /// For how long a node is silent that has gone for so long that none of its members may come back.
    fn gone_after(&self) -> Duration {
        self.resume_for + NODE_SILENT
    }

    /// True when a node has gone for so long that none of its members may come back.
    pub fn is_gone(&self, node: NodeId, now: Instant) -> bool {
        self.heard.last(node).is_some_and(|at| at + self.gone_after() <= now)
    }

    /// True when a node has been silent for a while, or never was heard of.
    pub fn is_silent(&self, node: NodeId, now: Instant) -> bool {
        let Heard { nodes, caught_up } = &self.heard;
        let is_past = |at: &Instant| *at + NODE_SILENT <= now;
        nodes.get(&node).is_none_or(is_past) && caught_up.as_ref().is_none_or(is_past)
    }

    /// True when there may be somebody to ask.
    pub fn has_others(&self, now: Instant) -> bool {
        self.heard.nodes.values().any(|at| *at + NODE_SILENT > now)
    }

    /// Whether a token says something that still counts, where its node cannot be asked.
    pub fn is_good(&self, token: &Token, now: Instant, now_ms: u64) -> bool {
        !self.is_gone(token.node, now) && now_ms < token.good_until()
    }

    pub fn coming_back(&self, id: ConnectionId) -> Option<ComingBack> {
        self.coming_back.get(&id).copied()
    }

    /// Remembers how far a member has come; `None` when it is there, or does not come.
    pub fn set_coming_back(&mut self, id: ConnectionId, step: Option<ComingBack>) {
        match step {
            Some(step) => self.coming_back.insert(id, step),
            None => self.coming_back.remove(&id),
        };
    }

    /// Another node takes a name over. Returns the revision of its entry.
    pub fn hand_over(&mut self, name: MemberName, now: Instant) -> u64 {
        self.handed_over.insert(name, now + HAND_OVER_WAIT);
        self.names.hand_over(name)
    }

    /// True while another node is to take a name over.
    pub fn is_handed_over(&self, name: MemberName) -> bool {
        self.handed_over.contains_key(&name)
    }

    /// A connection has ended: what it waits for is not waited for.
    pub fn forget(&mut self, id: ConnectionId) {
        self.names.forget(id);
        self.questions.forget(id);
        self.used.forget(id);
        self.coming_back.remove(&id);
    }

    /// True when the next turn has something to do although nothing happens.
    pub fn has_work(&self) -> bool {
        self.names.has_work()
    }

    pub fn deadline(&self) -> Instant {
        self.questions.deadline().map_or(self.tick, |late| late.min(self.tick))
    }

    /// What is done now and then. Returns names that no other node has taken over in time.
    pub fn on_time(&mut self, now: Instant, now_ms: u64) -> Vec<MemberName> {
        if self.names.has_work() {
            self.names.look_at_a_part(|_| false);
        }
        if now < self.tick {
            return Vec::new();
        }
        self.tick = now + CLUSTER_TICK;
        self.names.try_again();
        self.used.try_again();
        self.snapshots.try_again();
        self.used.drop_old(now_ms);
        self.snapshots.drop_old(now_ms);
        let (heard, gone_after) = (&self.heard, self.gone_after());
        for _ in 0..NAME_PARTS_PER_TICK {
            self.names.look_at_a_part(|node| heard.last(node).is_some_and(|at| at + gone_after <= now));
        }
        let late: Vec<MemberName> =
            self.handed_over.iter().filter(|(_, until)| **until <= now).map(|(name, _)| *name).collect();
        late.iter().for_each(|name| {
            self.handed_over.remove(name);
        });
        late
    }

    /// The next order, if there is one to be given.
    pub fn next_order(&mut self, now_ms: u64) -> Option<Order> {
        self.names.next_order().or_else(|| self.used.next_order()).or_else(|| self.snapshots.next_order(now_ms))
    }

    /// Most memory, in bytes.
    pub fn footprint_max(members_max: usize) -> usize {
        ClusterNames::footprint_max(members_max)
            .saturating_add(Questions::FOOTPRINT_MAX + Used::FOOTPRINT_MAX + Snapshots::FOOTPRINT_MAX)
            .saturating_add(NODES_HEARD_MAX * size_of::<(NodeId, Instant)>() * 3)
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.names.footprint() + self.questions.footprint() + self.used.footprint() + self.snapshots.footprint()
    }

    /// Panics when somebody waits for nothing.
    pub fn invariants(&self) {
        self.names.invariants();
        self.questions.invariants();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::RoomName;
    use crate::sessions::Key;
    use crate::time::UnixTime;
    use crate::token::{PublicId, Serial, Slot};

    const THERE: NodeId = NodeId(2);

    #[test]
    fn a_token_of_a_node_that_has_gone_is_good_for_a_while_after_that_was_heard_of() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut people = People::new(NodeId(1), 10, Duration::from_secs(60), start);
        let (node, slot, serial, epoch) = (THERE, Slot(1), Serial(1), PublicId(1));
        let (key, room, name) = (Key::new([1; 16]), RoomName::parse("den").unwrap(), None);
        let token = Token { node, key, slot, serial, issued: UnixTime(5000), name, room, epoch };
        assert!(people.is_good(&token, at(0), 5000), "this node has just begun");
        people.on_caught_up(at(100));
        assert!(people.is_silent(THERE, at(100) + NODE_SILENT) && !people.is_silent(THERE, at(101)));
        assert!(people.is_good(&token, at(160), 5000), "it was never heard of: as if it had gone then");
        let end = at(160) + NODE_SILENT;
        assert!(!people.is_good(&token, end, 5000) && people.is_gone(THERE, end));
        people.on_heard(THERE, at(200));
        assert!(people.is_good(&token, at(260), 5000) && !people.has_others(at(200) + NODE_SILENT));
        assert!(!people.is_good(&token, at(260), token.good_until()), "it was given too long ago");
        // What was told during a cut was not heard.
        people.on_down();
        people.on_caught_up(at(1000));
        assert!(!people.is_gone(THERE, at(1060)) && people.is_gone(THERE, at(1060) + NODE_SILENT));
    }

    #[test]
    fn nodes_that_were_heard_of_are_bounded() {
        let start = Instant::now();
        let mut people = People::new(NodeId(1), 10, Duration::from_secs(60), start);
        (0..NODES_HEARD_MAX as u64 + 9).for_each(|n| people.on_heard(NodeId(n), start + Duration::from_millis(n)));
        let nodes = &people.heard.nodes;
        assert!(nodes.len() == NODES_HEARD_MAX && !nodes.contains_key(&NodeId(0)));
    }

    #[test]
    fn a_name_that_no_node_takes_over_is_told() {
        let start = Instant::now();
        let mut people = People::new(NodeId(1), 10, Duration::from_secs(60), start);
        let bob = MemberName::parse("bob").unwrap();
        people.hand_over(bob, start);
        assert!(people.on_time(start, 0).is_empty() && people.is_handed_over(bob));
        assert_eq!(people.on_time(start + HAND_OVER_WAIT, 0), [bob]);
        assert!(!people.is_handed_over(bob));
    }
}
