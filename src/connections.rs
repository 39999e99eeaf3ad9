//! The slab of connections. One is found by its slot in constant time, and is never mistaken for an earlier one in that
//! slot.

use crate::connection::Connection;
use crate::names::Name;
use crate::pieces::slots::Slots;
use crate::token::{ConnectionId, Serial, Slot};

#[derive(Debug)]
pub struct Connections<S> {
    slots: Slots<(Serial, Connection<S>)>,
    /// That of the next connection, in any slot.
    serial: Serial,
}

impl<S> Connections<S> {
    /// Memory is used only as connections come.
    pub fn new(connections_max: usize) -> Self {
        Self { slots: Slots::new(connections_max), serial: Serial::FIRST }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn insert(&mut self, connection: Connection<S>) -> ConnectionId {
        let serial = self.serial;
        self.serial = serial.next();
        ConnectionId { slot: Slot(self.slots.insert((serial, connection))), generation: serial.generation() }
    }

    /// The number that the next connection gets.
    pub fn next_serial(&self) -> Serial {
        self.serial
    }

    /// `None` when the connection was freed.
    pub fn find(&mut self, id: ConnectionId) -> Option<&mut Connection<S>> {
        let (serial, connection) = self.slots.find_mut(id.slot.0)?;
        (serial.generation() == id.generation).then_some(connection)
    }

    /// As [`Connections::find`], with the number of the connection.
    pub fn find_with_serial(&mut self, id: ConnectionId) -> Option<(Serial, &mut Connection<S>)> {
        let (serial, connection) = self.slots.find_mut(id.slot.0)?;
        (serial.generation() == id.generation).then_some((*serial, connection))
    }

    /// A connection that is known to exist.
    pub fn at(&self, id: ConnectionId) -> &Connection<S> {
        self.entry(id).1
    }

    /// The number of a connection that is known to exist.
    pub fn serial(&self, id: ConnectionId) -> Serial {
        self.entry(id).0
    }

    fn entry(&self, id: ConnectionId) -> (Serial, &Connection<S>) {
        let (serial, connection) = &self.slots[id.slot.0];
        assert!(serial.generation() == id.generation, "the slot has not changed hands");
        (*serial, connection)
    }

    /// The name of the connection in a slot, which must be taken.
    pub fn name_in(&self, slot: Slot) -> Name {
        self.slots[slot.0].1.name()
    }

    /// A connection that is known to exist.
    pub fn at_mut(&mut self, id: ConnectionId) -> &mut Connection<S> {
        self.find(id).expect("the slot has not changed hands")
    }

    /// Memory in use, in bytes, without what some connections have beyond their entries.
    pub fn places_bytes(&self) -> usize {
        self.slots.places() * size_of::<(Serial, Connection<S>)>()
    }

    /// One more than the highest slot that may be taken.
    pub fn slots(&self) -> usize {
        self.slots.bound() as usize
    }

    /// The connection that has a slot now.
    pub fn in_slot(&mut self, slot: usize) -> Option<(ConnectionId, &mut Connection<S>)> {
        let slot = Slot(u32::try_from(slot).expect("it is below the number of slots"));
        let (serial, connection) = self.slots.find_mut(slot.0)?;
        Some((ConnectionId { slot, generation: serial.generation() }, connection))
    }

    /// All connections, in order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Connection<S>)> {
        self.slots.iter().map(|(slot, (serial, connection))| {
            (ConnectionId { slot: Slot(slot), generation: serial.generation() }, connection)
        })
    }

    /// Places for connections that are memory in use, taken or not.
    pub fn places(&self) -> usize {
        self.slots.places()
    }

    pub fn remove(&mut self, id: ConnectionId) -> Connection<S> {
        let (serial, connection) = self.slots.remove(id.slot.0);
        assert!(serial.generation() == id.generation, "the slot has not changed hands");
        connection
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::connection::Greeting;
    use crate::door::Door;
    use crate::names::{Address, Origin};

    #[test]
    fn an_earlier_connection_of_a_slot_is_not_found() {
        let origin = Origin::shown(Address::first(SocketAddr::from(([127, 0, 0, 1], 1))));
        let mut connections = Connections::new(2);
        let first = connections.insert(Connection::new("first", origin, Door::Text, Greeting::Handshake));
        connections.remove(first);
        let second = connections.insert(Connection::new("second", origin, Door::Text, Greeting::Handshake));
        assert_eq!(first.slot, second.slot);
        assert!(connections.find(first).is_none());
        assert_eq!(connections.at(second).socket, "second");
    }
}
