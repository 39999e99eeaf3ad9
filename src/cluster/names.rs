//! Names that are unique in the cluster. A chosen name has an entry in the store, which says whose node it is at; who
//! stands there has it.
//!
//! For each name that this node wants or has there is what is **wanted** (somebody here has the name, or asks for it) and
//! what the store **has**. Where the two differ an order is given: the entry is made by compare-and-set, or taken away.
//! Its outcome, and every entry that comes from the store, changes what the store has. So whatever is lost on the way, an
//! entry that nobody here wants is taken away once it is seen, and a name whose entry is another node's is lost.
//!
//! A command that asks for a name waits, and is read again once the store has answered. Reads no clock.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use serde::{Deserialize, Serialize};

use super::link::{NodeId, Order, Stored};
use super::shown;
use super::to_do::ToDo;
use crate::limits::{NAME_CLAIMS_MAX, NAMES_ELSEWHERE_MAX, NAMES_FREED_PER_TURN, SESSIONS_SLACK};
use crate::names::MemberName;
use crate::pieces::fifo::Fifo;
use crate::pieces::hashed::{self, Hashed};
use crate::token::ConnectionId;

/// What stands before a name in the key of its entry.
pub const KEY: &str = "name.";

/// What became of asking for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This node has it.
    Yours,
    /// The store has not answered.
    Waits,
    /// Another member has it, or is about to have it.
    Taken,
    /// There is no connection to the store.
    CutOff,
    /// As many names are asked for as may be.
    Full,
}

/// What an entry has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A name that a member here had, or that was kept for one, is another node's now.
    Lost(MemberName),
    /// The store has answered, so the command of this connection goes on.
    GoesOn(ConnectionId),
}

#[derive(Debug)]
pub struct ClusterNames {
    node: NodeId,
    /// Names that this node wants, or has an entry of.
    own: Hashed<Own>,
    /// Entries of other nodes.
    others: Hashed<Other>,
    hasher: RandomState,
    /// Who asks for which name, and what the answer is.
    asked: BTreeMap<ConnectionId, (MemberName, Option<Claim>)>,
    /// Who asks for a name whose entry is not made yet.
    askers: BTreeMap<MemberName, ConnectionId>,
    /// Names of which what is wanted may differ from what the store has. Those of `own` are in it once.
    to_do: ToDo<MemberName>,
    /// Names of nodes that have gone, whose entries are to be taken away.
    freed: Fifo<MemberName>,
    /// Counts connections: an entry that did not come again by the end of one is not there any more.
    look: u16,
    /// Parts of the tables that were not looked at since the store was read.
    parts_left: usize,
}

#[derive(Clone, Copy, Debug)]
struct Own {
    name: MemberName,
    /// Somebody here has the name, or asks for it.
    wanted: bool,
    /// The entry in the store is this node's.
    ours: bool,
    order: Under,
    /// It is in one of the two queues.
    queued: bool,
    /// The connection whose entries last had it.
    seen: u16,
    /// That of the entry if it is this node's; else that which an order for it expects.
    revision: u64,
}

/// The order that is under way for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Under {
    None,
    /// Its entry is made.
    Making,
    /// Its entry is taken away.
    Removing,
}

#[derive(Clone, Copy, Debug)]
struct Other {
    name: MemberName,
    /// An order of this node to take it away is under way, because that node has gone.
    freed: bool,
    seen: u16,
    node: NodeId,
    revision: u64,
}

/// The value of an entry.
#[derive(Serialize, Deserialize)]
struct Value {
    #[serde(with = "shown")]
    node: NodeId,
}

/// The key of a name's entry.
pub fn key(name: MemberName) -> String {
    format!("{KEY}{}", name.as_str().to_ascii_lowercase())
}

/// The name of a key; `None` for a key of something else.
pub fn name_of(key: &str) -> Option<MemberName> {
    MemberName::parse(key.strip_prefix(KEY)?)
}

/// Most names that a node wants: of members, and of those that may come back.
fn own_max(members_max: usize) -> usize {
    members_max.saturating_mul(2).saturating_add(SESSIONS_SLACK)
}

impl ClusterNames {
    pub fn new(node: NodeId, members_max: usize) -> Self {
        Self {
            node,
            own: Hashed::new(own_max(members_max)),
            others: Hashed::new(NAMES_ELSEWHERE_MAX),
            hasher: RandomState::new(),
            asked: BTreeMap::new(),
            askers: BTreeMap::new(),
            to_do: ToDo::default(),
            freed: Fifo::new(),
            look: 0,
            parts_left: 0,
        }
    }

    /// Asks for a name, which nobody else here has, for a connection. It may be taken from a node of which `may_take` is
    /// true, or that said that its entry has the revision `known`. An answer other than [`Claim::Yours`] is given once.
    pub fn claim(
        &mut self,
        name: MemberName,
        asker: ConnectionId,
        known: Option<u64>,
        may_take: impl Fn(NodeId) -> bool,
    ) -> Claim {
        match self.asked.get(&asker) {
            Some((asked, answer)) if *asked == name => {
                let Some(answer) = *answer else { return Claim::Waits };
                self.asked.remove(&asker);
                return answer;
            }
            Some(_) => self.forget(asker),
            None => {}
        }
        let own = self.find(name).copied();
        if let Some(own) = own {
            if own.wanted && (self.askers.contains_key(&name) || !own.ours) {
                return Claim::Taken;
            }
            if own.ours && own.order == Under::None && (own.wanted || self.to_do.is_up()) {
                self.change(name, |own| own.wanted = true);
                return Claim::Yours;
            }
        }
        if !self.to_do.is_up() {
            return Claim::CutOff;
        }
        let other = self.find_other(name).copied();
        if other.is_some_and(|other| !may_take(other.node) && known.is_none_or(|known| known < other.revision)) {
            return Claim::Taken;
        }
        if self.asked.len() >= NAME_CLAIMS_MAX {
            return Claim::Full;
        }
        let revision = other.map_or(0, |other| other.revision).max(known.unwrap_or(0));
        match own {
            Some(own) if own.order != Under::None || own.ours => self.change(name, |own| own.wanted = true),
            Some(_) => self.change(name, |own| (own.wanted, own.revision) = (true, revision)),
            None => {
                // An entry of a node that has gone may be on its way out, which is to be over first.
                let is_freed = other.is_some_and(|other| other.freed);
                let order = if is_freed { Under::Removing } else { Under::None };
                self.insert(Own { wanted: true, order, revision, ..self.blank(name) });
            }
        }
        self.asked.insert(asker, (name, None));
        self.askers.insert(name, asker);
        self.queue(name);
        Claim::Waits
    }

    /// A member here has a name that another one here had, or that was kept. False when it is not this node's.
    pub fn keep(&mut self, name: MemberName) -> bool {
        let is_ours = self.find(name).is_some_and(|own| own.ours && own.order == Under::None);
        if is_ours {
            self.change(name, |own| own.wanted = true);
        }
        is_ours
    }

    /// Nobody here has a name any more, and it is kept for nobody.
    pub fn release(&mut self, name: MemberName) {
        if self.find(name).is_some() && !self.askers.contains_key(&name) {
            self.change(name, |own| own.wanted = false);
            self.queue(name);
        }
    }

    /// The revision of a name's entry, for another node that takes it over. Until that is done the name stays wanted
    /// here; if it is not done, the name is to be released.
    pub fn hand_over(&mut self, name: MemberName) -> u64 {
        self.find(name).filter(|own| own.ours).map_or(0, |own| own.revision)
    }

    /// The command of a connection does not go on, so it does not want what it has asked for.
    pub fn forget(&mut self, asker: ConnectionId) {
        let Some((name, answer)) = self.asked.remove(&asker) else { return };
        if self.askers.get(&name) == Some(&asker) {
            self.askers.remove(&name);
            self.release(name);
        } else if answer == Some(Claim::Yours) {
            self.release(name);
        }
    }

    /// Whether this node has a name, as far as it knows.
    pub fn has(&self, name: MemberName) -> bool {
        self.find(name).is_some_and(|own| own.wanted && own.ours)
    }

    /// The node that has a name, if it is another one that is known.
    pub fn holder(&self, name: MemberName) -> Option<NodeId> {
        self.find_other(name).map(|other| other.node)
    }

    /// There is a connection to the store, whose entries come.
    pub fn on_up(&mut self) {
        self.to_do.on_down();
        self.look = self.look.wrapping_add(1);
    }

    /// All entries have come.
    pub fn on_caught_up(&mut self) {
        self.parts_left = self.own.parts().max(self.others.parts());
        self.to_do.on_caught_up();
    }

    pub fn on_down(&mut self) {
        self.to_do.on_down();
        self.parts_left = 0;
    }

    /// Has orders given again whose outcome was not known. To be called now and then.
    pub fn try_again(&mut self) {
        self.to_do.try_again();
    }

    /// True while entries are to be looked at that may have gone during a break.
    pub fn has_work(&self) -> bool {
        self.parts_left > 0
    }

    /// Looks at a part of all names: those whose entries have gone during a break are wanted again, and entries of nodes
    /// of which `is_gone` is true are taken away. To be called now and then, and while there is work.
    pub fn look_at_a_part(&mut self, mut is_gone: impl FnMut(NodeId) -> bool) {
        if !self.to_do.is_up() {
            return;
        }
        self.parts_left = self.parts_left.saturating_sub(1);
        let (look, hasher, freed) = (self.look, &self.hasher, &mut self.freed);
        let mut left = NAMES_FREED_PER_TURN.saturating_sub(freed.len());
        let keep = |other: &Other| {
            if left > 0 && !other.freed && is_gone(other.node) {
                left -= 1;
                freed.push_back(other.name);
            }
            other.seen == look
        };
        self.others.retain_in_a_part(keep, |other| hasher.hash_one(other.name));
        let mut vanished = Vec::new();
        let look_at = |own: &Own| {
            if own.ours && own.seen != look && own.order == Under::None {
                vanished.push(own.name);
            }
            true
        };
        self.own.retain_in_a_part(look_at, |own| hasher.hash_one(own.name));
        for name in vanished {
            self.change(name, |own| (own.ours, own.revision) = (false, 0));
            self.queue(name);
        }
    }

    /// An entry as the store has it now.
    pub fn on_entry(&mut self, name: MemberName, bytes: Option<&[u8]>, revision: u64) -> Option<Change> {
        // What cannot be read is another version's, so another node's.
        let node = bytes.map(|bytes| serde_json::from_slice(bytes).map_or(NodeId(0), |value: Value| value.node));
        match node {
            Some(node) if node == self.node => self.on_own_entry(name, revision),
            Some(node) => self.on_other_entry(name, node, revision),
            None => {
                self.on_no_entry(name, revision);
                None
            }
        }
    }

    fn on_own_entry(&mut self, name: MemberName, revision: u64) -> Option<Change> {
        let look = self.look;
        self.remove_other(name, revision);
        if self.find_other(name).is_some() {
            return None;
        }
        match self.find(name).copied() {
            None => self.insert(Own { ours: true, revision, ..self.blank(name) }),
            Some(own) if own.ours && own.revision > revision => return None,
            Some(_) => self.change(name, |own| (own.ours, own.seen, own.revision) = (true, look, revision)),
        }
        self.queue(name);
        let is_settled = self.find(name).is_some_and(|own| own.wanted && own.order == Under::None);
        if is_settled { self.answer(name, Claim::Yours) } else { None }
    }

    fn on_other_entry(&mut self, name: MemberName, node: NodeId, revision: u64) -> Option<Change> {
        let own = self.find(name).copied();
        if own.is_some_and(|own| own.ours && own.revision > revision) {
            return None;
        }
        self.put_other(name, node, revision);
        let own = own?;
        self.change(name, |own| own.ours = false);
        if own.order != Under::None {
            // Its outcome says who has the name.
            return None;
        }
        self.give_up(name)
    }

    fn on_no_entry(&mut self, name: MemberName, revision: u64) {
        self.remove_other(name, revision);
        if self.find(name).is_some_and(|own| own.revision < revision && own.order != Under::Making) {
            self.change(name, |own| (own.ours, own.revision) = (false, 0));
            self.queue(name);
        }
    }

    /// The outcome of an order.
    pub fn on_stored(&mut self, name: MemberName, outcome: Stored) -> Option<Change> {
        self.change_other(name, |other| other.freed = false);
        let Some(own) = self.find(name).copied() else {
            if let Stored::Done { revision } = outcome {
                self.remove_other(name, revision);
            }
            return None;
        };
        self.change(name, |own| own.order = Under::None);
        match (own.order, outcome) {
            (Under::Making, Stored::Done { revision }) => {
                self.remove_other(name, revision);
                if self.find_other(name).is_some() {
                    // It was taken over since.
                    return self.give_up(name);
                }
                let look = self.look;
                self.change(name, |own| {
                    (own.ours, own.seen, own.revision) = (true, look, revision.max(own.revision));
                });
                self.queue(name);
                self.answer(name, Claim::Yours)
            }
            (Under::Making, Stored::Conflict) if own.ours => {
                // An earlier attempt whose outcome was not known had made it.
                self.queue(name);
                self.answer(name, Claim::Yours)
            }
            (Under::Making, Stored::Conflict) => self.give_up(name),
            (Under::Making, Stored::Unknown) if own.ours => {
                // Its entry was seen.
                self.queue(name);
                self.answer(name, Claim::Yours)
            }
            (Under::Making | Under::Removing, Stored::Unknown) => {
                let change = self.answer(name, Claim::CutOff);
                if change.is_some() {
                    self.change(name, |own| own.wanted = false);
                }
                self.queue_later(name);
                change
            }
            (Under::Removing, Stored::Done { revision }) => {
                self.remove_other(name, revision);
                self.change(name, |own| (own.ours, own.revision) = (false, 0));
                self.queue(name);
                None
            }
            (Under::Removing, Stored::Conflict) => {
                let expected = self.find_other(name).map_or(0, |other| other.revision);
                self.change(name, |own| (own.ours, own.revision) = (false, expected));
                // Another node has it now, which is asked for no more.
                if expected > 0 {
                    return self.give_up(name);
                }
                self.queue(name);
                None
            }
            (Under::None, _) => None,
        }
    }

    /// The next order, if there is one to be given.
    pub fn next_order(&mut self) -> Option<Order> {
        while self.to_do.is_up() {
            let Some(name) = self.to_do.take() else { return self.next_freed() };
            self.change(name, |own| own.queued = false);
            let Some(own) = self.find(name).copied().filter(|own| own.order == Under::None) else { continue };
            match (own.wanted, own.ours) {
                (true, true) => {}
                (true, false) => {
                    self.change(name, |own| own.order = Under::Making);
                    let bytes = serde_json::to_vec(&Value { node: self.node }).expect("a text is JSON");
                    return Some(Order::Store { key: key(name), bytes: Some(bytes), expected: own.revision });
                }
                (false, true) => {
                    self.change(name, |own| own.order = Under::Removing);
                    return Some(Order::Store { key: key(name), bytes: None, expected: own.revision });
                }
                (false, false) => self.remove(name),
            }
        }
        None
    }

    /// The next order that takes away an entry of a node that has gone.
    fn next_freed(&mut self) -> Option<Order> {
        loop {
            let name = self.freed.pop_front()?;
            let Some(other) = self.find_other(name).copied().filter(|_| self.find(name).is_none()) else { continue };
            self.change_other(name, |other| other.freed = true);
            return Some(Order::Store { key: key(name), bytes: None, expected: other.revision });
        }
    }

    /// Another node has a name, which is not wanted here any more.
    fn give_up(&mut self, name: MemberName) -> Option<Change> {
        let was_wanted = self.find(name).is_some_and(|own| own.wanted);
        self.change(name, |own| own.wanted = false);
        self.queue(name);
        let change = self.answer(name, Claim::Taken);
        change.or_else(|| was_wanted.then_some(Change::Lost(name)))
    }

    /// Answers who has asked for a name, if somebody has.
    fn answer(&mut self, name: MemberName, answer: Claim) -> Option<Change> {
        let asker = self.askers.remove(&name)?;
        self.asked.insert(asker, (name, Some(answer)));
        Some(Change::GoesOn(asker))
    }

    fn blank(&self, name: MemberName) -> Own {
        let (look, order) = (self.look, Under::None);
        Own { name, wanted: false, ours: false, order, queued: false, seen: look, revision: 0 }
    }

    fn find(&self, name: MemberName) -> Option<&Own> {
        self.own.find(self.hasher.hash_one(name), |own| own.name == name)
    }

    /// An entry that did not come again after a break is not there.
    fn find_other(&self, name: MemberName) -> Option<&Other> {
        let other = self.others.find(self.hasher.hash_one(name), |other| other.name == name)?;
        (other.seen == self.look || !self.to_do.is_up()).then_some(other)
    }

    fn insert(&mut self, own: Own) {
        let hasher = &self.hasher;
        self.own.insert(hasher.hash_one(own.name), own, |own| hasher.hash_one(own.name));
    }

    fn change(&mut self, name: MemberName, change: impl FnOnce(&mut Own)) {
        if let Some(own) = self.own.find_mut(self.hasher.hash_one(name), |own| own.name == name) {
            change(own);
        }
    }

    fn remove(&mut self, name: MemberName) {
        let hasher = &self.hasher;
        self.own.remove(hasher.hash_one(name), |own| own.name == name, |own| hasher.hash_one(own.name));
    }

    fn queue(&mut self, name: MemberName) {
        if self.mark_queued(name) {
            self.to_do.push(name);
        }
    }

    fn queue_later(&mut self, name: MemberName) {
        if self.mark_queued(name) {
            self.to_do.push_later(name);
        }
    }

    /// False when a name is queued already, or is not this node's.
    fn mark_queued(&mut self, name: MemberName) -> bool {
        let own = self.own.find_mut(self.hasher.hash_one(name), |own| own.name == name);
        own.is_some_and(|own| !std::mem::replace(&mut own.queued, true))
    }

    fn put_other(&mut self, name: MemberName, node: NodeId, revision: u64) {
        let (look, hasher) = (self.look, &self.hasher);
        let hash = hasher.hash_one(name);
        if let Some(other) = self.others.find_mut(hash, |other| other.name == name) {
            if other.revision <= revision {
                (other.node, other.revision, other.seen) = (node, revision, look);
            }
        } else if self.others.len() < NAMES_ELSEWHERE_MAX {
            let other = Other { name, freed: false, seen: look, node, revision };
            self.others.insert(hash, other, |other| hasher.hash_one(other.name));
        }
    }

    fn change_other(&mut self, name: MemberName, change: impl FnOnce(&mut Other)) {
        if let Some(other) = self.others.find_mut(self.hasher.hash_one(name), |other| other.name == name) {
            change(other);
        }
    }

    /// The entry of another node is not there, as of `revision`.
    fn remove_other(&mut self, name: MemberName, revision: u64) {
        let hasher = &self.hasher;
        let is_it = |other: &Other| other.name == name && other.revision <= revision;
        self.others.remove(hasher.hash_one(name), is_it, |other| hasher.hash_one(other.name));
    }

    /// Most memory, in bytes.
    pub fn footprint_max(members_max: usize) -> usize {
        let own_max = own_max(members_max);
        let tables = hashed::footprint_max::<Own>(own_max) + hashed::footprint_max::<Other>(NAMES_ELSEWHERE_MAX);
        tables.saturating_add(own_max.saturating_mul(size_of::<MemberName>()))
            + NAME_CLAIMS_MAX * Self::CLAIM_BYTES
            + NAMES_FREED_PER_TURN * size_of::<MemberName>()
    }

    /// What the entries of a claim take in nodes that are as empty as they may be.
    const CLAIM_BYTES: usize =
        (size_of::<(ConnectionId, (MemberName, Option<Claim>))>() + size_of::<(MemberName, ConnectionId)>()) * 11 / 5
            + 64;

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        let queues = self.to_do.footprint() + self.freed.footprint();
        self.own.footprint() + self.others.footprint() + queues + self.asked.len() * Self::CLAIM_BYTES
    }

    /// Panics when somebody waits for a name for which nothing is done.
    pub fn invariants(&self) {
        for (name, asker) in &self.askers {
            assert_eq!(self.asked.get(asker), Some(&(*name, None)), "who waits has asked");
            let own = self.find(*name).expect("what is asked for is wanted");
            let goes_on = own.queued || own.order != Under::None;
            assert!(own.wanted && goes_on, "what is asked for is wanted, and is got: {own:?}");
        }
        let waiting = self.asked.values().filter(|(_, answer)| answer.is_none()).count();
        assert_eq!(waiting, self.askers.len(), "who waits is answered");
        for own in self.own.iter() {
            let is_settled = own.wanted && own.ours;
            assert!(is_settled || own.queued || own.order != Under::None, "{own:?} is not forgotten");
        }
        let queued = self.own.iter().filter(|own| own.queued).count();
        assert_eq!(queued, self.to_do.len(), "a name is in one queue, once");
    }
}

#[cfg(test)]
mod tests;
