//! The slab of connections. One is found by its slot in constant time, and is never mistaken for an earlier one in that
//! slot.

use crate::connection::Connection;
use crate::names::Name;
use crate::pieces::slots::Slots;
use crate::token::{ConnectionId, Generation, Slot};

#[derive(Debug)]
pub struct Connections<S> {
    slots: Slots<(Generation, Connection<S>)>,
    /// The generation of the next connection, in any slot.
    generation: Generation,
}

impl<S> Connections<S> {
    /// Memory is used only as connections come.
    pub fn new(connections_max: usize) -> Self {
        Self { slots: Slots::new(connections_max), generation: Generation::FIRST }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn insert(&mut self, connection: Connection<S>) -> ConnectionId {
        let generation = self.generation;
        self.generation = generation.next();
        ConnectionId { slot: Slot(self.slots.insert((generation, connection))), generation }
    }

    /// `None` when the connection was freed.
    pub fn find(&mut self, id: ConnectionId) -> Option<&mut Connection<S>> {
        let (generation, connection) = self.slots.find_mut(id.slot.0)?;
        (*generation == id.generation).then_some(connection)
    }

    /// A connection that is known to exist.
    pub fn at(&self, id: ConnectionId) -> &Connection<S> {
        let (generation, connection) = &self.slots[id.slot.0];
        assert!(*generation == id.generation, "the slot has not changed hands");
        connection
    }

    /// The name of the connection in a slot, which must be taken.
    pub fn name_in(&self, slot: Slot) -> Name {
        self.slots[slot.0].1.name
    }

    /// A connection that is known to exist.
    pub fn at_mut(&mut self, id: ConnectionId) -> &mut Connection<S> {
        self.find(id).expect("the slot has not changed hands")
    }

    /// One more than the highest slot that may be taken.
    pub fn slots(&self) -> usize {
        self.slots.bound() as usize
    }

    /// The connection that has a slot now.
    pub fn in_slot(&mut self, slot: usize) -> Option<(ConnectionId, &mut Connection<S>)> {
        let slot = Slot(u32::try_from(slot).expect("it is below the number of slots"));
        let (generation, connection) = self.slots.find_mut(slot.0)?;
        Some((ConnectionId { slot, generation: *generation }, connection))
    }

    /// All connections, in order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Connection<S>)> {
        self.slots.iter().map(|(slot, (generation, connection))| {
            (ConnectionId { slot: Slot(slot), generation: *generation }, connection)
        })
    }

    /// Places for connections that are memory in use, taken or not.
    pub fn places(&self) -> usize {
        self.slots.places()
    }

    pub fn remove(&mut self, id: ConnectionId) -> Connection<S> {
        let (generation, connection) = self.slots.remove(id.slot.0);
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
