//! Topics, modes and holds in the store, for nodes that start later than what the stream remembers. Reads no clock.
//!
//! What changes them is a record in the stream, whose order is one. The node of which the record is stores what is so
//! since, with the number `n` of the record; what has the higher number holds. What was taken away is stored as that, so
//! that an older state that comes late is not taken for the last word, and is removed after a while.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::link::{Order, Stored};
use super::to_do::ToDo;
use crate::limits::{SNAPSHOT_KEPT, SNAPSHOT_KEY_BYTES_MAX, SNAPSHOTS_DROPPED_PER_TURN, SNAPSHOTS_MAX};

#[derive(Debug, Default)]
pub struct Snapshots {
    /// At most [`SNAPSHOTS_MAX`].
    known: BTreeMap<String, Known>,
    to_do: ToDo<String>,
    /// The key that is looked at next for one that is over.
    looked_at: String,
}

#[derive(Debug, Default)]
struct Known {
    /// The number of what holds on this node.
    applied: u64,
    /// That of the entry, its revision, and when it is over.
    stored: u64,
    revision: u64,
    over: Option<u64>,
    /// What is to be stored, with its number.
    wanted: Option<(u64, Vec<u8>)>,
    ordered: bool,
}

/// What each value says of itself, beside what it is.
#[derive(Debug, Deserialize, Serialize)]
pub struct Head {
    pub n: u64,
    /// When nothing of it holds any more, in milliseconds of Unix time, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<u64>,
}

impl Snapshots {
    /// A record of this number has changed what a key is about, on this node too. False when something later has.
    pub fn apply(&mut self, key: &str, n: u64) -> bool {
        if !self.known.contains_key(key) {
            let has_room = self.known.len() < SNAPSHOTS_MAX && key.len() <= SNAPSHOT_KEY_BYTES_MAX;
            if !has_room {
                return true;
            }
            self.known.insert(key.to_owned(), Known::default());
        }
        let known = self.known.get_mut(key).expect("it was just looked for");
        let is_later = n > known.applied;
        known.applied = known.applied.max(n);
        is_later
    }

    /// Stores what holds since a record of this number. To be called by the node of which the record is, after
    /// [`Snapshots::apply`].
    pub fn store(&mut self, key: &str, n: u64, bytes: Vec<u8>) {
        let Some(known) = self.known.get_mut(key).filter(|known| known.applied <= n && known.stored < n) else {
            return;
        };
        known.wanted = Some((n, bytes));
        if !known.ordered {
            self.to_do.push(key.to_owned());
        }
    }

    /// An entry as the store has it now. True when what it says holds from now on.
    pub fn on_entry(&mut self, key: &str, bytes: Option<&[u8]>, revision: u64) -> bool {
        let head: Option<Head> = bytes.and_then(|bytes| serde_json::from_slice(bytes).ok());
        let Some(head) = head else {
            if let Some(known) = self.known.get_mut(key) {
                (known.revision, known.stored) = (0, 0);
            }
            return false;
        };
        let is_later = self.apply(key, head.n);
        let Some(known) = self.known.get_mut(key) else { return is_later };
        (known.revision, known.stored, known.over) = (revision, head.n, head.over);
        known.wanted.take_if(|(n, _)| *n <= head.n);
        if known.wanted.is_some() && !known.ordered {
            self.to_do.push(key.to_owned());
        }
        is_later
    }

    /// The outcome of an order.
    pub fn on_stored(&mut self, key: &str, outcome: Stored) {
        let Some(known) = self.known.get_mut(key) else { return };
        known.ordered = false;
        match outcome {
            Stored::Done { revision } => {
                match known.wanted.take() {
                    Some((n, _)) if n == known.applied => (known.revision, known.stored) = (revision, n),
                    // Something later is to be stored.
                    Some(wanted) => (known.revision, known.wanted) = (revision, Some(wanted)),
                    // It was removed.
                    None => (known.revision, known.stored) = (0, 0),
                }
                if known.wanted.is_some() {
                    self.to_do.push(key.to_owned());
                }
            }
            // The entry of another node comes, or has come.
            Stored::Conflict | Stored::Unknown => {
                if known.wanted.is_some() {
                    self.to_do.push_later(key.to_owned());
                }
            }
        }
    }

    pub fn on_caught_up(&mut self) {
        self.to_do.on_caught_up();
    }

    pub fn on_down(&mut self) {
        self.to_do.on_down();
    }

    /// Has orders given again. To be called now and then.
    pub fn try_again(&mut self) {
        self.to_do.try_again();
    }

    /// The next order, if there is one to be given.
    pub fn next_order(&mut self, now_ms: u64) -> Option<Order> {
        while let Some(key) = self.to_do.take() {
            let Some(known) = self.known.get_mut(&key).filter(|known| !known.ordered) else { continue };
            let bytes = match &known.wanted {
                Some((_, bytes)) => Some(bytes.clone()),
                None if known.revision > 0 && known.is_past(now_ms) => None,
                None => continue,
            };
            known.ordered = true;
            return Some(Order::Store { key, bytes, expected: known.revision });
        }
        None
    }

    /// Looks at some keys for those that are over. To be called now and then.
    pub fn drop_old(&mut self, now_ms: u64) {
        let from = std::mem::take(&mut self.looked_at);
        let looked_at: Vec<String> =
            self.known.range(from..).take(SNAPSHOTS_DROPPED_PER_TURN).map(|(key, _)| key.clone()).collect();
        for key in looked_at {
            let known = &self.known[&key];
            if known.wanted.is_some() || known.ordered || !known.is_past(now_ms) {
                self.looked_at = key + "\0";
                continue;
            }
            if known.revision > 0 {
                self.looked_at = key.clone() + "\0";
                self.to_do.push(key);
            } else {
                // Its entry has gone.
                self.known.remove(&key);
            }
        }
    }

    /// The known keys that begin like this.
    pub fn keys(&self, prefix: &str) -> impl Iterator<Item = &str> {
        let is_one = move |key: &&String| key.starts_with(prefix);
        self.known.range(prefix.to_owned()..).map(|(key, _)| key).take_while(is_one).map(String::as_str)
    }

    /// What the entry of a key takes in nodes that are as empty as they may be, and its key twice.
    const BYTES: usize = size_of::<(String, Known)>() * 11 / 5 + 64 + 3 * SNAPSHOT_KEY_BYTES_MAX;

    /// Most memory, in bytes, without the values that are being stored, which are of records of this node.
    pub const FOOTPRINT_MAX: usize = SNAPSHOTS_MAX * Self::BYTES;

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.known.len() * Self::BYTES
    }
}

impl Known {
    fn is_past(&self, now_ms: u64) -> bool {
        let kept = u64::try_from(SNAPSHOT_KEPT.as_millis()).expect("it is a bound");
        self.over.is_some_and(|over| over.saturating_add(kept) <= now_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(n: u64, over: Option<u64>) -> Vec<u8> {
        serde_json::to_vec(&Head { n, over }).unwrap()
    }

    fn up() -> Snapshots {
        let mut snapshots = Snapshots::default();
        snapshots.on_caught_up();
        snapshots
    }

    #[test]
    fn what_has_the_higher_number_holds() {
        let mut snapshots = up();
        assert!(snapshots.on_entry("topic.den", Some(&value(5, None)), 1));
        assert!(
            !snapshots.apply("topic.den", 4) && !snapshots.apply("topic.den", 5) && snapshots.apply("topic.den", 6)
        );
        assert!(!snapshots.on_entry("topic.den", Some(&value(5, None)), 2), "an entry that comes late");
        assert!(snapshots.on_entry("topic.den", Some(&value(7, None)), 3));
    }

    #[test]
    fn an_entry_is_stored_until_a_later_one_is_there() {
        let mut snapshots = up();
        assert!(snapshots.apply("topic.den", 5));
        snapshots.store("topic.den", 5, value(5, None));
        let order = |bytes: &[u8], expected| {
            Some(Order::Store { key: "topic.den".into(), bytes: Some(bytes.into()), expected })
        };
        assert_eq!((snapshots.next_order(0), snapshots.next_order(0)), (order(&value(5, None), 0), None));
        snapshots.on_stored("topic.den", Stored::Conflict);
        assert_eq!(snapshots.next_order(0), None);
        snapshots.on_entry("topic.den", Some(&value(4, None)), 9);
        assert_eq!(snapshots.next_order(0), order(&value(5, None), 9), "the other was earlier");
        snapshots.on_stored("topic.den", Stored::Unknown);
        snapshots.try_again();
        assert_eq!(snapshots.next_order(0), order(&value(5, None), 9));
        snapshots.on_stored("topic.den", Stored::Conflict);
        snapshots.on_entry("topic.den", Some(&value(6, None)), 10);
        snapshots.try_again();
        assert_eq!(snapshots.next_order(0), None, "the other is later");
    }

    #[test]
    fn what_was_taken_away_is_removed_after_a_while() {
        let mut snapshots = up();
        let kept = SNAPSHOT_KEPT.as_millis() as u64;
        snapshots.on_entry("hold.ban.bob.=", Some(&value(5, Some(1000))), 7);
        snapshots.on_entry("topic.den", Some(&value(5, None)), 8);
        snapshots.drop_old(999 + kept);
        assert_eq!(snapshots.next_order(999 + kept), None);
        snapshots.drop_old(1000 + kept);
        snapshots.drop_old(1000 + kept);
        let removed = Order::Store { key: "hold.ban.bob.=".into(), bytes: None, expected: 7 };
        assert_eq!(snapshots.next_order(1000 + kept), Some(removed));
        snapshots.on_stored("hold.ban.bob.=", Stored::Done { revision: 9 });
        snapshots.on_entry("hold.ban.bob.=", None, 9);
        (0..3).for_each(|_| snapshots.drop_old(1000 + kept));
        assert_eq!(snapshots.known.keys().collect::<Vec<_>>(), ["topic.den"]);
        assert_eq!(snapshots.keys("topic.").count(), 1);
    }

    proptest! {
        #[test]
        fn what_is_known_is_bounded_and_no_entry_is_a_panic(
            entries in prop::collection::vec(("[a-z.]{0,120}", prop::option::of(prop::collection::vec(0u8.., 0..40)), 0u64..), 0..50)
        ) {
            let mut snapshots = up();
            for (key, bytes, revision) in entries {
                snapshots.on_entry(&key, bytes.as_deref(), revision);
                snapshots.on_stored(&key, Stored::Conflict);
            }
            snapshots.drop_old(u64::MAX);
            prop_assert!(snapshots.footprint() <= Snapshots::FOOTPRINT_MAX);
        }
    }
}
