//! Those members of a feed that batches are taken from, and whose sockets are in one table: the members of the sweep,
//! and those that are returning from a full socket.
//!
//! The list of the sweep has two parts: members that are behind in front, members that are level at the end. A sweep
//! takes from the front and puts back at the end, so it can stop and go on anywhere. When a message is appended all
//! members are in the front part at once. Among members that are behind cursors never decrease from front to back, so
//! no cursor lies before that of the first.

use super::list::List;
use super::log::{Log, Position};
use super::members::{Entry, MemberId, Members, Place};
use crate::token::{ConnectionId, TableId};

#[derive(Debug)]
pub(super) struct Table {
    pub id: TableId,
    /// Members that are behind, and then those that are level.
    sweep: List,
    /// Members that are returning. The later part is looked at no more when the oldest segment goes.
    pub returning: List,
    /// The cursor of the first member that is behind; `None` when none is.
    behind_from: Option<Position>,
    /// True exactly while the roster knows that members here may be level.
    pub listed: bool,
}

impl Table {
    /// The list of a table without members.
    pub fn new(id: TableId) -> Self {
        Self { id, sweep: List::default(), returning: List::default(), behind_from: None, listed: false }
    }

    /// Members in the sweep.
    pub fn in_sweep(&self) -> usize {
        self.sweep.len()
    }

    /// The cursor of the member that has been behind for the longest.
    pub fn behind_from(&self) -> Option<Position> {
        self.behind_from
    }

    /// The member that has been behind for the longest.
    pub fn first_behind(&self) -> Option<MemberId> {
        self.sweep.first_earlier()
    }

    pub fn put_level(&mut self, members: &mut Members, id: MemberId) {
        self.sweep.push_later(members, id);
    }

    /// Its cursor must not be less than the cursors of those that are behind.
    pub fn put_behind(&mut self, members: &mut Members, id: MemberId) {
        self.sweep.push_earlier(members, id);
        if self.behind_from.is_none() {
            self.note_first(members);
        }
    }

    /// Takes a member out of the sweep.
    pub fn take(&mut self, members: &mut Members, id: MemberId) {
        let was_first = self.sweep.remove(members, id);
        if was_first {
            self.note_first(members);
        }
    }

    /// Takes those that have been behind for the longest out of the sweep, `most` of them at most, and hands each to
    /// `take`.
    pub fn take_behind(&mut self, members: &mut Members, most: usize, take: impl FnMut(MemberId, &mut Entry)) {
        self.sweep.drain_earlier(members, most, take);
        self.note_first(members);
    }

    /// All level members are behind now. When no member was behind a new sweep begins, and the first `rotation` members
    /// of the last sweep come last in it, so that no member is always last.
    pub fn fall_behind(&mut self, members: &mut Members, rotation: usize) {
        if self.first_behind().is_none() {
            self.sweep.rotate(members, rotation.min(self.sweep.len() / 2));
        }
        self.sweep.clear_mark();
        self.note_first(members);
    }

    fn note_first(&mut self, members: &Members) {
        self.behind_from = self.first_behind().map(|id| members[id].cursor().expect("it is not skipped"));
    }

    /// Panics when the lists are not as they must be.
    pub fn invariants(&self, members: &Members, log: &Log, has_private: impl Fn(ConnectionId) -> bool) {
        let mut cursor = log.tail();
        for (id, later) in self.sweep.invariants(members) {
            let entry = members.entry(id);
            assert!(entry.place == Place::InSweep && entry.table == self.id, "a list has its own members");
            let is_level = entry.member.is_level(log) && !has_private(entry.member.connection);
            assert_eq!(later, is_level, "the later part of the sweep has the level members");
            let next_cursor = entry.member.cursor().expect("a member of the sweep is not skipped");
            assert!(cursor <= next_cursor, "in the sweep cursors never decrease");
            cursor = next_cursor;
        }
        let first = self.first_behind().and_then(|id| members[id].cursor());
        assert_eq!(self.behind_from, first, "the cursor of the first is known");
        assert!(self.listed || !self.sweep.has_later(), "a table with level members is listed");
        for (id, _) in self.returning.invariants(members) {
            let entry = members.entry(id);
            assert!(entry.place == Place::Returning && entry.table == self.id, "a list has its own members");
        }
    }
}

#[cfg(test)]
impl Table {
    /// The members of the sweep, in order.
    pub fn sweep(&self, members: &Members) -> Vec<MemberId> {
        self.sweep.iter(members).collect()
    }
}

/// A batch to be taken: from which table, and which of its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub table: TableId,
    /// Most members of it that are returning.
    pub returning_max: usize,
    /// Whether the rest of it are members that are behind.
    pub sweeps: bool,
}
