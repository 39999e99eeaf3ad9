//! Tokens that were used, as the store has them: each is recorded once, by whoever is first. Reads no clock.
//!
//! A record is needed as long as some node may take the token for good. It has the time when that is over, and is taken
//! away then by the node that made it, and an hour later by any other.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::link::{NodeId, Order, Stored};
use super::shown;
use super::to_do::ToDo;
use super::token::{Mark, Token};
use crate::limits::{CLOCKS_APART_MAX, NAME_CLAIMS_MAX, TOKENS_USED_MAX, USED_DROPPED_PER_TURN};
use crate::token::{ConnectionId, Serial, Slot};

/// What stands before a mark in the key of its entry.
pub const KEY: &str = "used.";

/// What became of using a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Nobody has used it before.
    First,
    /// The store has not answered.
    Waits,
    /// It was used.
    Again,
    /// It is not known: there is no connection to the store.
    CutOff,
    /// As many are asked for as may be.
    Full,
}

#[derive(Debug)]
pub struct Used {
    node: NodeId,
    /// Entries of the store, at most [`TOKENS_USED_MAX`].
    known: BTreeMap<Mark, Known>,
    /// Of those, when they are taken away by this node.
    ends: BTreeSet<(u64, Mark)>,
    asked: BTreeMap<ConnectionId, (Mark, Option<Use>)>,
    /// Entries that are being made, for a connection or for nobody that waits.
    making: BTreeMap<Mark, (Value, Option<ConnectionId>)>,
    to_do: ToDo<Mark>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    end: u64,
    revision: u64,
}

/// The value of an entry.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Value {
    /// The node that has recorded it, and that which gave the token to a connection of its own.
    #[serde(with = "shown")]
    node: NodeId,
    #[serde(with = "shown")]
    at: NodeId,
    c: (u32, u64),
    /// Milliseconds of Unix time.
    until: u64,
}

/// The mark of a key; `None` for a key of something else.
pub fn mark_of(key: &str) -> Option<Mark> {
    Mark::parse(key.strip_prefix(KEY)?)
}

fn key(mark: Mark) -> String {
    format!("{KEY}{mark}")
}

impl Used {
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            known: BTreeMap::new(),
            ends: BTreeSet::new(),
            asked: BTreeMap::new(),
            making: BTreeMap::new(),
            to_do: ToDo::default(),
        }
    }

    /// Uses a token for a connection. An answer is given once.
    pub fn take(&mut self, token: &Token, asker: ConnectionId) -> Use {
        let mark = Mark::of(token.key);
        match self.asked.get(&asker) {
            Some((asked, answer)) if *asked == mark => {
                let Some(answer) = *answer else { return Use::Waits };
                self.asked.remove(&asker);
                return answer;
            }
            Some(_) => self.forget(asker),
            None => {}
        }
        if self.is_known(mark) || self.making.contains_key(&mark) {
            return Use::Again;
        }
        if !self.to_do.is_up() {
            return Use::CutOff;
        }
        if self.asked.len() >= NAME_CLAIMS_MAX {
            return Use::Full;
        }
        self.asked.insert(asker, (mark, None));
        self.make(token, Some(asker));
        Use::Waits
    }

    /// A token of this node was used here, which its own table says; others are to know. Nobody waits for that.
    pub fn record(&mut self, token: &Token) {
        let mark = Mark::of(token.key);
        if self.making.len() < TOKENS_USED_MAX && !self.is_known(mark) && !self.making.contains_key(&mark) {
            self.make(token, None);
        }
    }

    fn make(&mut self, token: &Token, asker: Option<ConnectionId>) {
        let mark = Mark::of(token.key);
        let c = (token.slot.0, token.serial.0);
        let value = Value { node: self.node, at: token.node, c, until: token.recorded_until() };
        self.making.insert(mark, (value, asker));
        self.to_do.push(mark);
    }

    /// Whether a token was used, as far as this node knows.
    pub fn is_known(&self, mark: Mark) -> bool {
        self.known.contains_key(&mark)
    }

    /// The command of a connection does not go on. What it has used stays so.
    pub fn forget(&mut self, asker: ConnectionId) {
        let Some((mark, _)) = self.asked.remove(&asker) else { return };
        if let Some((_, waiting)) = self.making.get_mut(&mark) {
            *waiting = None;
        }
    }

    pub fn on_caught_up(&mut self) {
        self.to_do.on_caught_up();
    }

    pub fn on_down(&mut self) {
        self.to_do.on_down();
    }

    /// Has orders given again whose outcome was not known. To be called now and then.
    pub fn try_again(&mut self) {
        self.to_do.try_again();
    }

    /// An entry as the store has it now. Returns the connection of this node whose token another node has used.
    pub fn on_entry(&mut self, mark: Mark, bytes: Option<&[u8]>, revision: u64) -> Option<(Slot, Serial)> {
        let value: Option<Value> = bytes.and_then(|bytes| serde_json::from_slice(bytes).ok());
        let Some(value) = value else {
            self.remove(mark);
            return None;
        };
        let grace = if value.node == self.node { 0 } else { CLOCKS_APART_MAX.as_millis() as u64 };
        self.put(mark, Known { end: value.until.saturating_add(grace), revision });
        let is_taken = value.at == self.node && value.node != self.node;
        is_taken.then_some((Slot(value.c.0), Serial(value.c.1)))
    }

    /// The outcome of an order. Returns who goes on.
    pub fn on_stored(&mut self, mark: Mark, outcome: Stored) -> Option<ConnectionId> {
        let Some((value, asker)) = self.making.get(&mark).copied() else {
            // It was to be taken away. If that is not known it is tried again when the entry comes again.
            if outcome != Stored::Unknown {
                self.remove(mark);
            }
            return None;
        };
        let answer = match outcome {
            Stored::Unknown if asker.is_none() => {
                self.to_do.push_later(mark);
                return None;
            }
            Stored::Unknown => Use::CutOff,
            Stored::Conflict => Use::Again,
            Stored::Done { revision } => {
                self.put(mark, Known { end: value.until, revision });
                Use::First
            }
        };
        self.making.remove(&mark);
        let asker = asker?;
        self.asked.insert(asker, (mark, Some(answer)));
        Some(asker)
    }

    /// The next order, if there is one to be given at `now_ms`.
    pub fn next_order(&mut self) -> Option<Order> {
        while let Some(mark) = self.to_do.take() {
            if let Some((value, _)) = self.making.get(&mark) {
                let bytes = serde_json::to_vec(value).expect("texts and numbers are JSON");
                return Some(Order::Store { key: key(mark), bytes: Some(bytes), expected: 0 });
            }
            if let Some(known) = self.known.get(&mark) {
                return Some(Order::Store { key: key(mark), bytes: None, expected: known.revision });
            }
        }
        None
    }

    /// Has some records taken away whose time is over. To be called now and then.
    pub fn drop_old(&mut self, now_ms: u64) {
        for _ in 0..USED_DROPPED_PER_TURN {
            let Some((_, mark)) = self.ends.first().copied().filter(|(end, _)| *end <= now_ms && self.to_do.is_up())
            else {
                return;
            };
            self.ends.pop_first();
            self.to_do.push(mark);
        }
    }

    fn put(&mut self, mark: Mark, known: Known) {
        self.remove(mark);
        if self.known.len() < TOKENS_USED_MAX {
            self.known.insert(mark, known);
            self.ends.insert((known.end, mark));
        }
    }

    fn remove(&mut self, mark: Mark) {
        if let Some(known) = self.known.remove(&mark) {
            self.ends.remove(&(known.end, mark));
        }
    }

    /// What an entry takes in nodes that are as empty as they may be, known and being made.
    const BYTES: usize = (size_of::<(Mark, Known)>() + size_of::<(u64, Mark)>()) * 11 / 5 + 64;
    const MAKING_BYTES: usize = size_of::<(Mark, (Value, Option<ConnectionId>))>() * 11 / 5 + size_of::<Mark>() + 64;
    const ASKED_BYTES: usize = size_of::<(ConnectionId, (Mark, Option<Use>))>() * 11 / 5 + 64;

    /// Most memory, in bytes.
    pub const FOOTPRINT_MAX: usize =
        TOKENS_USED_MAX * (Self::BYTES + Self::MAKING_BYTES) + NAME_CLAIMS_MAX * Self::ASKED_BYTES;

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.known.len() * Self::BYTES + self.making.len() * Self::MAKING_BYTES + self.asked.len() * Self::ASKED_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::RoomName;
    use crate::sessions::Key;
    use crate::time::UnixTime;
    use crate::token::{Generation, PublicId};

    const HERE: NodeId = NodeId(1);
    const THERE: NodeId = NodeId(2);

    fn token(node: NodeId, secret: u8) -> Token {
        Token {
            node,
            key: Key::new([secret; 16]),
            slot: Slot(5),
            serial: Serial(812),
            issued: UnixTime(1000),
            name: None,
            room: RoomName::parse("den").unwrap(),
            epoch: PublicId(1),
        }
    }

    fn asker(slot: u32) -> ConnectionId {
        ConnectionId { slot: Slot(slot), generation: Generation::FIRST }
    }

    fn up(node: NodeId) -> Used {
        let mut used = Used::new(node);
        used.on_caught_up();
        used
    }

    fn stored(order: Option<Order>) -> (Mark, Option<Vec<u8>>, u64) {
        let Some(Order::Store { key, bytes, expected }) = order else { panic!("it is stored") };
        (mark_of(&key).expect("it is a mark"), bytes, expected)
    }

    #[test]
    fn a_token_is_used_once() {
        let (mut used, first) = (up(HERE), token(THERE, 1));
        assert_eq!(used.take(&first, asker(1)), Use::Waits);
        assert_eq!(used.take(&first, asker(2)), Use::Again, "another is using it");
        let (mark, bytes, expected) = stored(used.next_order());
        assert_eq!((mark, expected, used.next_order()), (Mark::of(first.key), 0, None));
        assert_eq!(used.on_stored(mark, Stored::Done { revision: 3 }), Some(asker(1)));
        assert_eq!((used.take(&first, asker(1)), used.take(&first, asker(1))), (Use::First, Use::Again));
        // Another node that does not know it yet is told by the store.
        let mut other = up(NodeId(3));
        assert_eq!(other.take(&first, asker(9)), Use::Waits);
        other.next_order();
        assert_eq!(other.on_stored(mark, Stored::Conflict), Some(asker(9)));
        assert_eq!(other.take(&first, asker(9)), Use::Again);
        // The node that gave it learns whose connection it was.
        let mut giver = up(THERE);
        assert_eq!(giver.on_entry(mark, bytes.as_deref(), 3), Some((Slot(5), Serial(812))));
        assert!(giver.is_known(mark));
    }

    #[test]
    fn while_cut_off_no_token_of_another_node_is_good_and_own_ones_are_recorded_later() {
        let mut used = Used::new(HERE);
        assert_eq!(used.take(&token(THERE, 1), asker(1)), Use::CutOff);
        used.record(&token(HERE, 2));
        assert_eq!(used.next_order(), None);
        used.on_caught_up();
        let (mark, _, _) = stored(used.next_order());
        assert_eq!(used.on_stored(mark, Stored::Unknown), None);
        assert_eq!(used.next_order(), None, "after a while");
        used.try_again();
        let (again, _, expected) = stored(used.next_order());
        assert_eq!((again, expected), (mark, 0));
        used.on_stored(mark, Stored::Conflict);
        used.try_again();
        assert_eq!(used.next_order(), None, "an earlier attempt had made it");
    }

    #[test]
    fn a_record_is_taken_away_when_its_token_would_be_good_no_more() {
        let (mut maker, mut other, token) = (up(HERE), up(THERE), token(HERE, 1));
        maker.record(&token);
        let (mark, bytes, _) = stored(maker.next_order());
        maker.on_stored(mark, Stored::Done { revision: 3 });
        other.on_entry(mark, bytes.as_deref(), 3);
        let end = token.recorded_until();
        assert!(end > token.good_until());
        maker.drop_old(end - 1);
        other.drop_old(end);
        assert!(maker.next_order().is_none() && other.next_order().is_none());
        maker.drop_old(end);
        assert_eq!(stored(maker.next_order()), (mark, None, 3));
        maker.on_stored(mark, Stored::Done { revision: 4 });
        assert!(!maker.is_known(mark));
        // The other does it where the maker has gone.
        other.drop_old(end + CLOCKS_APART_MAX.as_millis() as u64);
        assert_eq!(stored(other.next_order()), (mark, None, 3));
        other.on_stored(mark, Stored::Conflict);
        assert_eq!(other.footprint(), 0);
    }

    #[test]
    fn what_is_known_is_bounded_and_no_entry_is_a_panic() {
        let mut used = up(HERE);
        for number in 0..TOKENS_USED_MAX as u32 + 10 {
            let mark = Mark::parse(&format!("{number:032x}")).unwrap();
            let value = format!(r#"{{"node":"{THERE}","at":"{HERE}","c":[1,2],"until":{number}}}"#);
            used.on_entry(mark, Some(value.as_bytes()), 1);
        }
        assert!(used.known.len() == TOKENS_USED_MAX && used.footprint() <= Used::FOOTPRINT_MAX);
        let mark = Mark::parse(&"f".repeat(32)).unwrap();
        for wrong in [&b""[..], b"{", b"null", br#"{"node":"x","at":"y","c":[],"until":-1}"#] {
            assert_eq!(used.on_entry(mark, Some(wrong), 1), None);
        }
        assert_eq!((mark_of("used."), mark_of("used.7"), mark_of("name.bob")), (None, None, None));
    }
}
