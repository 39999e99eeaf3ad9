//! Tables of sockets: a socket is a slot of a table, and no descriptor.
//!
//! A newcomer is moved into the first table that has room. A move may fail. A slot that is free again is the next that
//! is given away in its table, so that a mistake about whose it is would show.

use crate::io::sim::draw::Draw;
use crate::token::TableId;

/// Where a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub table: TableId,
    slot: usize,
}

#[derive(Debug, Default)]
struct Table {
    /// By slot: the peer whose socket is there.
    tenants: Vec<Option<u32>>,
    /// Slots that are free again.
    free: Vec<usize>,
}

#[derive(Debug)]
pub struct Tables {
    /// Slots of a table, and how many tables there may be.
    slots_max: usize,
    tables_max: usize,
    /// A sequence of its own, so that what else happens does not depend on the tables.
    draw: Draw,
    tables: Vec<Table>,
    /// Moves that failed.
    pub failed: u64,
}

impl Tables {
    /// One table with room for everybody.
    pub fn one() -> Self {
        Self::new(usize::MAX, 1, Draw::seeded(0))
    }

    pub fn new(slots_max: usize, tables_max: usize, draw: Draw) -> Self {
        Self { slots_max, tables_max, draw, tables: Vec::new(), failed: 0 }
    }

    /// Tables that sockets have been in so far.
    pub fn used(&self) -> usize {
        self.tables.len()
    }

    /// Moves a peer's socket into a table. `None` when that fails, as it does `fails` times of 256, or no table has
    /// room.
    pub fn put(&mut self, peer: u32, fails: u8) -> Option<Place> {
        let has_room = |table: &Table| !table.free.is_empty() || table.tenants.len() < self.slots_max;
        let number = self.tables.iter().position(has_room).unwrap_or(self.tables.len());
        if number == self.tables_max || self.draw.chance(fails) {
            self.failed += 1;
            return None;
        }
        if number == self.tables.len() {
            self.tables.push(Table::default());
        }
        let table = &mut self.tables[number];
        let slot = table.free.pop().unwrap_or(table.tenants.len());
        if slot == table.tenants.len() {
            table.tenants.push(None);
        }
        table.tenants[slot] = Some(peer);
        Some(Place { table: TableId(u16::try_from(number).expect("there are few tables")), slot })
    }

    /// A socket is used: its slot must not be another's.
    pub fn check(&self, place: Option<Place>, peer: u32) {
        let tenant = place.map(|place| self.tables[place.table.index()].tenants[place.slot]);
        assert!(tenant.is_none_or(|tenant| tenant == Some(peer)), "a slot is used by the socket that has it");
    }

    /// A socket is closed.
    pub fn free(&mut self, place: Place) {
        let table = &mut self.tables[place.table.index()];
        assert!(table.tenants[place.slot].take().is_some(), "a slot is freed once");
        table.free.push(place.slot);
    }
}
