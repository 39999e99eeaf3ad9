//! The members of all rooms, in one slab: a member can change rooms without moving in memory, and an empty room
//! reserves no memory. The lists of the feeds are threaded through the slab.

use std::num::NonZeroU32;

use super::budget::LogBudget;
use super::log::Log;
use super::member::Member;
use crate::limits::{LOGS_BYTES_DEFAULT, SKIPS_PER_TURN_MAX};
use crate::pieces::slots::Slots;
use crate::time::UnixTime;
use crate::token::{RoomId, TableId};
use crate::wire::Encoding;

/// Index of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberId(u32);

/// A [`MemberId`] plus one, so that an `Option` of it takes four bytes too.
pub(super) type Link = NonZeroU32;

pub(super) fn link(id: MemberId) -> Option<Link> {
    NonZeroU32::new(id.0 + 1)
}

pub(super) fn target(link: Link) -> MemberId {
    MemberId(link.get() - 1)
}

/// Where a member stands in its feed, which decides what the sweep does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is level, or it is behind and the sweep will visit it. The log forgets nothing that was not sent to it.
    InSweep,
    /// It was parked and its socket is writable again. A batch takes some of these first. The log does not wait for it.
    Returning,
    /// Its socket is full and nothing is sent to it. It may be skipped.
    Parked,
    /// The batch that is being sent has taken it.
    InBatch,
}

/// A member, and where it stands in the lists of its feed.
#[derive(Debug)]
pub(super) struct Entry {
    pub member: Member,
    pub room: RoomId,
    /// Which of the room's feeds it reads.
    pub encoding: Encoding,
    pub place: Place,
    /// The table that its socket is in.
    pub table: TableId,
    pub previous: Option<Link>,
    pub next: Option<Link>,
    /// Those that joined the room before and after it.
    pub joined: Neighbours,
}

/// The members that joined a room before and after one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Neighbours {
    pub before: Option<Link>,
    pub after: Option<Link>,
}

#[derive(Debug)]
pub struct Members {
    entries: Slots<Entry>,
    /// The sum of [`Member::buffer_bytes`].
    buffer_bytes: usize,
    /// No message is copied for a skipped member beyond this.
    buffer_bytes_max: usize,
    /// How many may be skipped in a turn, over all rooms, and how many more in this one.
    skips_max: usize,
    skips_left: usize,
    /// The time of day in this turn.
    time: UnixTime,
    /// The memory of the logs of all rooms.
    pub log_budget: LogBudget,
}

impl Members {
    /// Memory is used only as members join.
    pub fn new(members_max: usize) -> Self {
        Self {
            entries: Slots::new(members_max),
            buffer_bytes: 0,
            buffer_bytes_max: usize::MAX,
            skips_max: SKIPS_PER_TURN_MAX,
            skips_left: SKIPS_PER_TURN_MAX,
            time: UnixTime::default(),
            log_budget: LogBudget::new(LOGS_BYTES_DEFAULT),
        }
    }

    /// Has at most `skips_max` of them skipped in a turn.
    #[cfg(any(test, feature = "sim"))]
    pub fn limit_skips(&mut self, skips_max: usize) {
        (self.skips_max, self.skips_left) = (skips_max, skips_max);
    }

    /// How many may be skipped in a turn.
    pub fn skips_max(&self) -> usize {
        self.skips_max
    }

    /// How many more may be skipped in this turn.
    pub fn skips_left(&self) -> usize {
        self.skips_left
    }

    /// A turn begins.
    pub fn renew_skips(&mut self) {
        self.skips_left = self.skips_max;
    }

    /// The time of day in this turn.
    pub fn time(&self) -> UnixTime {
        self.time
    }

    pub fn set_time(&mut self, time: UnixTime) {
        self.time = time;
    }

    pub(super) fn spend_skips(&mut self, count: usize) {
        self.skips_left = self.skips_left.saturating_sub(count);
    }

    /// Members of all rooms.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where a member stands in its feed.
    pub fn place(&self, id: MemberId) -> Place {
        self.entry(id).place
    }

    /// The room that a member is in.
    pub fn room(&self, id: MemberId) -> RoomId {
        self.entry(id).room
    }

    /// The table that a member's socket is in.
    pub fn table(&self, id: MemberId) -> TableId {
        self.entry(id).table
    }

    /// The encoding that a member reads.
    pub fn encoding(&self, id: MemberId) -> Encoding {
        self.entry(id).encoding
    }

    pub(super) fn insert(&mut self, member: Member, room: RoomId, encoding: Encoding, table: TableId) -> MemberId {
        let entry = Entry {
            member,
            room,
            encoding,
            place: Place::InBatch,
            table,
            previous: None,
            next: None,
            joined: Neighbours::default(),
        };
        MemberId(self.entries.insert(entry))
    }

    pub(super) fn remove(&mut self, id: MemberId) -> Member {
        let member = self.entries.remove(id.0).member;
        self.buffer_bytes -= member.buffer_bytes();
        member
    }

    /// Memory of members that counts against the buffer bytes of all members.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    pub fn set_buffer_bytes_max(&mut self, bytes: usize) {
        self.buffer_bytes_max = bytes;
    }

    /// As [`Member::advance`].
    pub(super) fn advance(&mut self, id: MemberId, bytes: usize, log: &Log) {
        let freed = self.entry_mut(id).member.advance(bytes, log);
        self.buffer_bytes -= freed;
    }

    /// As [`Member::skip`].
    pub(super) fn skip(&mut self, id: MemberId, log: &Log) -> (u64, bool) {
        let copy_bytes_max = self.buffer_bytes_max.saturating_sub(self.buffer_bytes);
        self.change(id, |member| member.skip(log, copy_bytes_max))
    }

    /// Changes a member in a way that may change its [`Member::buffer_bytes`].
    pub(super) fn change<T>(&mut self, id: MemberId, change: impl FnOnce(&mut Member) -> T) -> T {
        let member = &mut self.entry_mut(id).member;
        let before = member.buffer_bytes();
        let result = change(member);
        let after = member.buffer_bytes();
        self.buffer_bytes = self.buffer_bytes + after - before;
        result
    }

    /// Panics when a change of a member's memory was not counted.
    pub fn invariants(&self) {
        let sum: usize = self.entries.iter().map(|(_, entry)| entry.member.buffer_bytes()).sum();
        assert_eq!(self.buffer_bytes, sum, "memory that members share is counted exactly");
    }

    pub(super) fn entry(&self, id: MemberId) -> &Entry {
        &self.entries[id.0]
    }

    pub(super) fn entry_mut(&mut self, id: MemberId) -> &mut Entry {
        &mut self.entries[id.0]
    }

    /// Memory of the members, in bytes.
    pub fn places_bytes(&self) -> usize {
        self.entries.places() * size_of::<Entry>()
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        let aside: usize = self.entries.iter().map(|(_, entry)| entry.member.aside_bytes()).sum();
        self.entries.places() * size_of::<Entry>() + aside
    }
}

impl std::ops::Index<MemberId> for Members {
    type Output = Member;

    fn index(&self, id: MemberId) -> &Member {
        &self.entry(id).member
    }
}

impl std::ops::IndexMut<MemberId> for Members {
    fn index_mut(&mut self, id: MemberId) -> &mut Member {
        &mut self.entry_mut(id).member
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_takes_56_bytes() {
        assert_eq!(size_of::<Entry>(), size_of::<Member>() + 24);
    }
}
