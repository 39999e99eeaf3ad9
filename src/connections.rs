//! The slab of connections. One is found by its slot in constant time, and is never mistaken for an earlier one in that
//! slot.

use slab::Slab;

use crate::connection::Connection;
use crate::limits::SLAB_RESERVED_MAX;
use crate::names::Name;
use crate::token::{ConnectionId, Generation, Slot};

#[derive(Debug)]
pub struct Connections<S> {
    slab: Slab<(Generation, Connection<S>)>,
    /// The generation of the next connection, in any slot.
    generation: Generation,
}

impl<S> Connections<S> {
    /// Reserves address space for `connections_max` connections. Memory is used only as they come.
    pub fn new(connections_max: usize) -> Self {
        Self { slab: Slab::with_capacity(connections_max.min(SLAB_RESERVED_MAX)), generation: Generation::FIRST }
    }

    pub fn len(&self) -> usize {
        self.slab.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    pub fn insert(&mut self, connection: Connection<S>) -> ConnectionId {
        let generation = self.generation;
        self.generation = generation.next();
        let slot = self.slab.insert((generation, connection));
        ConnectionId { slot: Slot(u32::try_from(slot).expect("connections are bounded by descriptors")), generation }
    }

    /// `None` when the connection was freed.
    pub fn find(&mut self, id: ConnectionId) -> Option<&mut Connection<S>> {
        let (generation, connection) = self.slab.get_mut(id.slot.0 as usize)?;
        (*generation == id.generation).then_some(connection)
    }

    /// A connection that is known to exist.
    pub fn at(&self, id: ConnectionId) -> &Connection<S> {
        let (generation, connection) = &self.slab[id.slot.0 as usize];
        assert!(*generation == id.generation, "the slot has not changed hands");
        connection
    }

    /// The name of the connection in a slot, which must be taken.
    pub fn name_in(&self, slot: Slot) -> Name {
        self.slab[slot.0 as usize].1.name
    }

    /// A connection that is known to exist.
    pub fn at_mut(&mut self, id: ConnectionId) -> &mut Connection<S> {
        self.find(id).expect("the slot has not changed hands")
    }

    /// One more than the highest slot that may be taken.
    pub fn slots(&self) -> usize {
        self.slab.capacity()
    }

    /// The connection that has a slot now.
    pub fn in_slot(&mut self, slot: usize) -> Option<(ConnectionId, &mut Connection<S>)> {
        let (generation, connection) = self.slab.get_mut(slot)?;
        let slot = Slot(u32::try_from(slot).expect("connections are bounded by descriptors"));
        Some((ConnectionId { slot, generation: *generation }, connection))
    }

    /// All connections, in order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Connection<S>)> {
        self.slab.iter().map(|(slot, (generation, connection))| {
            let slot = Slot(u32::try_from(slot).expect("connections are bounded by descriptors"));
            (ConnectionId { slot, generation: *generation }, connection)
        })
    }

    pub fn remove(&mut self, id: ConnectionId) -> Connection<S> {
        let (generation, connection) = self.slab.remove(id.slot.0 as usize);
        assert!(generation == id.generation, "the slot has not changed hands");
        connection
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::names::Name;
    use crate::wire::Encoding;

    #[test]
    fn an_earlier_connection_of_a_slot_is_not_found() {
        let name = Name::first(SocketAddr::from(([127, 0, 0, 1], 1)));
        let mut connections = Connections::new(2);
        let first = connections.insert(Connection::new("first", name, Encoding::Text));
        connections.remove(first);
        let second = connections.insert(Connection::new("second", name, Encoding::Text));
        assert_eq!(first.slot, second.slot);
        assert!(connections.find(first).is_none());
        assert_eq!(connections.at(second).socket, "second");
    }
}
