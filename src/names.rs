//! What members are called: the address of each, made unique among those online.
//!
//! Two members can have one address: a port here may be connected to two addresses of the server, and a peer may come again
//! from a port before it is known that its last connection is gone. The later one is `IP:PORT|2`, or the lowest number that is
//! free. A table of slots knows who is called what; the names themselves stand with the connections.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use hashbrown::HashTable;

use crate::limits::NAMESAKES_MAX;
use crate::token::Slot;

/// A member's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    pub address: SocketAddr,
    /// Which of those with this address, from 1.
    ordinal: u8,
}

impl Name {
    /// The name of the first with this address.
    pub fn first(address: SocketAddr) -> Self {
        Self { address, ordinal: 1 }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ordinal {
            1 => write!(f, "{}", self.address),
            ordinal => write!(f, "{}|{ordinal}", self.address),
        }
    }
}

/// The names in use, by the slots of those who have them.
#[derive(Debug)]
pub struct Names {
    slots: HashTable<Slot>,
    hasher: RandomState,
}

impl Names {
    /// What a place of the table takes.
    const PLACE_BYTES: usize = size_of::<Slot>() + 1;

    /// Most memory that a name takes here, in bytes: a table doubles when seven of eight places are taken (hashbrown), and the
    /// one before is there meanwhile. It is not made large at the start, for names lie anywhere in it: a few would use all of it.
    pub const ENTRY_BYTES_MAX: usize = 2 * 2 * Self::PLACE_BYTES * 8 / 7;

    pub fn new() -> Self {
        Self { slots: HashTable::new(), hasher: RandomState::new() }
    }

    /// The name of a newcomer: the first of its address that nobody has. `None` when too many have it already.
    pub fn find_free(&self, address: SocketAddr, name_of: impl Fn(Slot) -> Name) -> Option<Name> {
        (1..=NAMESAKES_MAX).map(|ordinal| Name { address, ordinal }).find(|name| {
            let taken = self.slots.find(self.hasher.hash_one(name), |slot| name_of(*slot) == *name);
            taken.is_none()
        })
    }

    /// The connection in `slot` has this name from now on.
    pub fn insert(&mut self, name: Name, slot: Slot, name_of: impl Fn(Slot) -> Name) {
        let hasher = &self.hasher;
        self.slots.insert_unique(hasher.hash_one(name), slot, |slot| hasher.hash_one(name_of(*slot)));
    }

    /// The connection in `slot` gives up its name.
    pub fn remove(&mut self, name: Name, slot: Slot) {
        let entry = self.slots.find_entry(self.hasher.hash_one(name), |other| *other == slot);
        entry.expect("its name is known").remove();
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.slots.num_buckets() * Self::PLACE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_an_address_and_the_later_ones_are_numbered() {
        let address = SocketAddr::from(([127, 0, 0, 1], 63155));
        assert_eq!(Name::first(address).to_string(), "127.0.0.1:63155");
        assert_eq!(Name { address, ordinal: 2 }.to_string(), "127.0.0.1:63155|2");
    }

    proptest! {
        /// Against a plain map: nobody shares a name, and each has the lowest number that was free.
        #[test]
        fn names_are_unique_and_numbered_from_the_lowest(steps in prop::collection::vec((0..3u16, 0..20u32), 0..200)) {
            let mut names = Names::new();
            let mut here: HashMap<Slot, Name> = HashMap::new();
            for (port, slot) in steps {
                let slot = Slot(slot);
                if let Some(name) = here.remove(&slot) {
                    names.remove(name, slot);
                    continue;
                }
                let address = SocketAddr::from(([10, 0, 0, 1], port));
                let name = names.find_free(address, |slot| here[&slot]).expect("few have it");
                let lower = (1..name.ordinal).all(|ordinal| here.values().any(|it| *it == Name { address, ordinal }));
                prop_assert!(lower && !here.values().any(|it| *it == name));
                here.insert(slot, name);
                names.insert(name, slot, |slot| here[&slot]);
                prop_assert_eq!(names.len(), here.len());
            }
        }
    }

    #[test]
    fn those_with_one_address_are_bounded() {
        let address = SocketAddr::from(([10, 0, 0, 1], 5));
        let mut names = Names::new();
        let mut here = Vec::new();
        while let Some(name) = names.find_free(address, |slot| here[slot.0 as usize]) {
            let slot = Slot(u32::try_from(here.len()).unwrap());
            here.push(name);
            names.insert(name, slot, |slot| here[slot.0 as usize]);
        }
        assert_eq!(here.len(), NAMESAKES_MAX.into());
    }
}
