//! The other nodes of a cluster: what each has told of itself, and what follows from it for the counts of rooms. Pure:
//! the time is passed in.
//!
//! 1. What a node tells with a count that is not higher than the last one is not heard: it was heard already, or is late.
//! 2. A node that was not heard of for a while has gone, and its members with it. When it is heard again they are back.
//! 3. What changes in a room is handed out as numbers of members that entered and left elsewhere. Of all that was ever handed
//!    out of a room, entered minus left is how many are in it elsewhere, as soon as nothing waits to be handed out.
//! 4. Nothing takes long: what a node has that is gone, and what has changed, is handed out in parts.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::beat::{About, Counts, Totals};
use super::link::NodeId;
use crate::limits::{
    NODE_REMEMBERED, NODE_SILENCE_MAX, NODE_STANDSTILL, NODES_CHANGES_PER_TURN, NODES_MAX, NODES_OMITTED_PER_BEAT,
    NODES_ROOM_BYTES, NODES_ROOMS_MAX,
};
use crate::names::RoomName;

#[derive(Debug)]
pub struct Peers {
    /// This node.
    own: NodeId,
    nodes: BTreeMap<NodeId, Node>,
    /// Rooms of all nodes.
    rooms: usize,
    rooms_max: usize,
    changes: BTreeMap<RoomName, Change>,
    /// When silence was looked for last.
    looked: Instant,
}

#[derive(Debug)]
struct Node {
    about: Option<About>,
    /// Of the last word that was heard of it.
    count: u64,
    heard: Instant,
    /// True while its members count as having left. Its rooms are taken out one after the other.
    is_gone: bool,
    rooms: BTreeMap<RoomName, Totals>,
}

/// Members of other nodes that entered a room, and that left it. One of both may stand for several nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub entered: u64,
    pub left: u64,
}

/// What a beat was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Of this node, late, heard before, or of one node too many.
    Ignored,
    /// Of a node that was not known, or had gone. It has told of rooms that changed alone, so it is to be asked for all.
    New,
    Known,
}

/// A node as operators see it.
#[derive(Clone, Copy, Debug)]
pub struct Living<'a> {
    pub about: &'a About,
    pub up: Duration,
}

impl Peers {
    pub fn new(own: NodeId, now: Instant) -> Self {
        Self {
            own,
            nodes: BTreeMap::new(),
            rooms: 0,
            rooms_max: NODES_ROOMS_MAX,
            changes: BTreeMap::new(),
            looked: now,
        }
    }

    /// Most memory that all of it takes.
    pub const FOOTPRINT_MAX: usize = NODES_ROOMS_MAX * NODES_ROOM_BYTES + NODES_MAX * size_of::<Node>() + (1 << 20);

    /// A node has told of itself.
    pub fn on_beat(&mut self, about: About, counts: &Counts, now: Instant) -> Heard {
        let id = about.node;
        if id == self.own {
            return Heard::Ignored;
        }
        let is_known = self.nodes.contains_key(&id);
        if !is_known && !self.make_place() {
            return Heard::Ignored;
        }
        let node = self.nodes.entry(id).or_insert(Node {
            about: None,
            count: 0,
            heard: now,
            is_gone: true,
            rooms: BTreeMap::new(),
        });
        if is_known && counts.count <= node.count {
            return Heard::Ignored;
        }
        let is_new = std::mem::replace(&mut node.is_gone, false);
        node.about = Some(about);
        node.count = counts.count;
        node.heard = now;
        for (room, totals) in &counts.rooms {
            self.on_totals(id, *room, *totals);
        }
        self.on_omitted(id, counts);
        if is_new { Heard::New } else { Heard::Known }
    }

    /// A node ends: its members have left.
    pub fn on_bye(&mut self, id: NodeId, count: u64) {
        if let Some(node) = self.nodes.get_mut(&id).filter(|node| node.count < count) {
            node.count = count;
            node.is_gone = true;
        }
    }

    fn on_totals(&mut self, id: NodeId, room: RoomName, totals: Totals) {
        let node = self.nodes.get_mut(&id).expect("it was heard");
        let change = match node.rooms.get_mut(&room) {
            Some(before) => {
                let before = std::mem::replace(before, totals);
                if before.entered <= totals.entered && before.left <= totals.left {
                    Change { entered: totals.entered - before.entered, left: totals.left - before.left }
                } else {
                    // The node had forgotten the room: all that were in it have left, and these have come.
                    Change { entered: totals.entered, left: totals.left + before.online() }
                }
            }
            None if totals.online() == 0 || self.rooms >= self.rooms_max => return,
            None => {
                node.rooms.insert(room, totals);
                self.rooms += 1;
                Change { entered: totals.online(), left: 0 }
            }
        };
        self.change(room, change);
    }

    /// Nobody is in the rooms that a node has not told of among all that it has between two names.
    fn on_omitted(&mut self, id: NodeId, counts: &Counts) {
        let Some(bounds) = counts.span.and_then(super::beat::Span::bounds) else { return };
        let told: BTreeSet<RoomName> = counts.rooms.iter().map(|(room, _)| *room).collect();
        let node = self.nodes.get_mut(&id).expect("it was heard");
        let omitted = node.rooms.range(bounds).map(|(room, _)| *room).filter(|room| !told.contains(room));
        let omitted: Vec<RoomName> = omitted.take(NODES_OMITTED_PER_BEAT).collect();
        omitted.into_iter().for_each(|room| self.take_out(id, room));
    }

    /// The members that a node has in a room have left.
    fn take_out(&mut self, id: NodeId, room: RoomName) {
        let node = self.nodes.get_mut(&id).expect("it has rooms");
        let totals = node.rooms.remove(&room).expect("it was found");
        self.rooms -= 1;
        self.change(room, Change { entered: 0, left: totals.online() });
    }

    fn change(&mut self, room: RoomName, change: Change) {
        if change == Change::default() {
            return;
        }
        let sum = self.changes.entry(room).or_default();
        // No more than totals may be: their difference is what counts.
        let [entered, left] = [sum.entered + change.entered, sum.left + change.left];
        let both = entered.min(left).saturating_sub(1 << 53);
        *sum = Change { entered: entered - both, left: left - both };
    }

    /// True when there is a place for another node; the one that has gone first gives way.
    fn make_place(&mut self) -> bool {
        if self.nodes.len() < NODES_MAX {
            return true;
        }
        let gone = self.nodes.iter().filter(|(_, node)| node.is_gone && node.rooms.is_empty());
        let first = gone.min_by_key(|(_, node)| node.heard).map(|(id, _)| *id);
        first.is_some_and(|id| self.nodes.remove(&id).is_some())
    }

    /// Looks which nodes are silent. To be called about once a second.
    pub fn look(&mut self, now: Instant) {
        let stood_still = now.saturating_duration_since(self.looked) > NODE_STANDSTILL;
        self.looked = now;
        for node in self.nodes.values_mut() {
            if stood_still && !node.is_gone {
                node.heard = now;
            }
            node.is_gone |= now.saturating_duration_since(node.heard) >= NODE_SILENCE_MAX;
        }
        let is_remembered = |node: &Node| now.saturating_duration_since(node.heard) < NODE_REMEMBERED;
        self.nodes.retain(|_, node| !node.is_gone || !node.rooms.is_empty() || is_remembered(node));
    }

    /// True while changes wait, or nodes that have gone are still in rooms.
    pub fn has_work(&self) -> bool {
        !self.changes.is_empty() || self.gone().is_some()
    }

    /// A node that has gone, and a room that it is still in.
    fn gone(&self) -> Option<(NodeId, RoomName)> {
        let mut gone = self.nodes.iter().filter(|(_, node)| node.is_gone);
        gone.find_map(|(id, node)| node.rooms.first_key_value().map(|(room, _)| (*id, *room)))
    }

    /// Takes those that have gone out of some more rooms.
    pub fn take_out_gone(&mut self) {
        for _ in 0..NODES_CHANGES_PER_TURN {
            let Some((id, room)) = self.gone() else { return };
            self.take_out(id, room);
        }
    }

    /// The next room in which something has changed.
    pub fn next_change(&mut self) -> Option<(RoomName, Change)> {
        self.changes.pop_first()
    }

    /// The nodes that are there, in the order of their numbers.
    pub fn living(&self, now: Instant) -> impl Iterator<Item = Living<'_>> {
        self.nodes.values().filter(|node| !node.is_gone).filter_map(move |node| {
            let about = node.about.as_ref()?;
            Some(Living { about, up: about.up + now.saturating_duration_since(node.heard) })
        })
    }

    /// True when the node is there.
    pub fn is_living(&self, id: NodeId) -> bool {
        self.nodes.get(&id).is_some_and(|node| !node.is_gone)
    }

    /// Panics when the rooms are not counted.
    pub fn invariants(&self) {
        assert_eq!(self.rooms, self.nodes.values().map(|node| node.rooms.len()).sum::<usize>(), "rooms are counted");
        assert!(self.rooms <= self.rooms_max && self.nodes.len() <= NODES_MAX, "what is known is bounded");
    }
}
