//! The names of members: their addresses, made unique among the members online.
//!
//! Two members can have the same address and port: a client's port may be connected to two addresses of the server, and
//! a peer may connect again from a port before the server knows that the earlier connection has ended. The later one is
//! `IP:PORT|2`, with the lowest number that is free. The table here holds slots; the names themselves stand in the
//! connections.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::net::SocketAddr;

use crate::limits::NAMESAKES_MAX;
use crate::pieces::hashed::{self, Hashed};
use crate::token::Slot;

/// A member's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    pub address: SocketAddr,
    /// The number among members with this address, from 1.
    ordinal: u8,
}

impl Name {
    /// The name of the first member with this address.
    pub fn first(address: SocketAddr) -> Self {
        Self { address, ordinal: 1 }
    }
}

impl Name {
    /// Writes the name as it is displayed, several times as fast where the address is IPv4.
    pub fn write(self, out: &mut impl Write) -> io::Result<()> {
        let (SocketAddr::V4(address), 1) = (self.address, self.ordinal) else { return write!(out, "{self}") };
        let mut number = itoa::Buffer::new();
        for (octet, end) in address.ip().octets().into_iter().zip([b".", b".", b".", b":"]) {
            out.write_all(number.format(octet).as_bytes())?;
            out.write_all(end)?;
        }
        out.write_all(number.format(address.port()).as_bytes())
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

/// The names in use, as a table of the slots of their connections.
#[derive(Debug)]
pub struct Names {
    slots: Hashed<Slot>,
    hasher: RandomState,
}

impl Names {
    /// Memory is used only as names come: they are spread over the whole table, so a few would make all of it used.
    pub fn new(members_max: usize) -> Self {
        Self { slots: Hashed::new(members_max), hasher: RandomState::new() }
    }

    /// Most memory of the table, in bytes.
    pub fn footprint_max(members_max: usize) -> usize {
        hashed::footprint_max::<Slot>(members_max)
    }

    /// The name for a newcomer: the lowest number of its address that is free. `None` when all numbers are taken.
    pub fn find_free(&self, address: SocketAddr, name_of: impl Fn(Slot) -> Name) -> Option<Name> {
        (1..=NAMESAKES_MAX).map(|ordinal| Name { address, ordinal }).find(|name| {
            let taken = self.slots.find(self.hasher.hash_one(name), |slot| name_of(*slot) == *name);
            taken.is_none()
        })
    }

    /// The connection in `slot` has this name from now on.
    pub fn insert(&mut self, name: Name, slot: Slot, name_of: impl Fn(Slot) -> Name) {
        let hasher = &self.hasher;
        self.slots.insert(hasher.hash_one(name), slot, |slot| hasher.hash_one(name_of(*slot)));
    }

    /// The connection in `slot` gives up its name.
    pub fn remove(&mut self, name: Name, slot: Slot, name_of: impl Fn(Slot) -> Name) {
        let hasher = &self.hasher;
        let hash_of = |slot: &Slot| hasher.hash_one(name_of(*slot));
        self.slots.remove(hasher.hash_one(name), |other| *other == slot, hash_of).expect("its name is known");
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
        self.slots.footprint()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_written_as_it_is_displayed() {
        for address in ["127.0.0.1:63155", "0.0.0.0:0", "255.255.255.255:65535", "[2001:db8::1]:80"] {
            let address: SocketAddr = address.parse().unwrap();
            for ordinal in [1, 2, NAMESAKES_MAX] {
                let name = Name { address, ordinal };
                let mut written = Vec::new();
                name.write(&mut written).unwrap();
                assert_eq!(String::from_utf8(written).unwrap(), name.to_string());
            }
        }
    }

    #[test]
    fn a_name_is_an_address_and_the_later_ones_are_numbered() {
        let address = SocketAddr::from(([127, 0, 0, 1], 63155));
        assert_eq!(Name::first(address).to_string(), "127.0.0.1:63155");
        assert_eq!(Name { address, ordinal: 2 }.to_string(), "127.0.0.1:63155|2");
    }

    proptest! {
        /// Compared with a plain map: no two connections share a name, and each got the lowest number that was free.
        #[test]
        fn names_are_unique_and_numbered_from_the_lowest(steps in prop::collection::vec((0..3u16, 0..20u32), 0..200)) {
            let mut names = Names::new(20);
            let mut here: HashMap<Slot, Name> = HashMap::new();
            for (port, slot) in steps {
                let slot = Slot(slot);
                if let Some(name) = here.remove(&slot) {
                    names.remove(name, slot, |slot| here.get(&slot).copied().unwrap_or(name));
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
    fn members_with_the_same_address_and_port_are_bounded() {
        let address = SocketAddr::from(([10, 0, 0, 1], 5));
        let mut names = Names::new(NAMESAKES_MAX.into());
        let mut here = Vec::new();
        while let Some(name) = names.find_free(address, |slot| here[slot.0 as usize]) {
            let slot = Slot(u32::try_from(here.len()).unwrap());
            here.push(name);
            names.insert(name, slot, |slot| here[slot.0 as usize]);
        }
        assert_eq!(here.len(), usize::from(NAMESAKES_MAX));
    }
}
