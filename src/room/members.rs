//! The members of all rooms, in one slab: a member can change rooms without moving in memory, and an empty room
//! reserves no memory. The lists of the feeds are threaded through the slab.

use std::num::NonZeroU32;

use super::member::Member;
use crate::pieces::slots::Slots;
use crate::token::RoomId;
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
    /// Its socket is full and nothing is sent to it. Its cursor lies in the log.
    Parked,
    /// Its socket is full and nothing is sent to it. The log has forgotten the bytes at its cursor.
    Skipped,
    /// The batch that is being sent has taken it.
    InBatch,
}

impl Place {
    /// The places that have a list.
    pub const LISTED: [Self; 4] = [Self::InSweep, Self::Returning, Self::Parked, Self::Skipped];

    /// True while no sweep looks at the member.
    pub fn is_parked(self) -> bool {
        matches!(self, Self::Parked | Self::Skipped)
    }
}

/// A member, and where it stands in the lists of its feed.
#[derive(Debug)]
pub(super) struct Entry {
    pub member: Member,
    pub room: RoomId,
    /// Which of the room's feeds it reads.
    pub encoding: Encoding,
    pub place: Place,
    pub previous: Option<Link>,
    pub next: Option<Link>,
}

#[derive(Debug)]
pub struct Members {
    entries: Slots<Entry>,
}

impl Members {
    /// Memory is used only as members join.
    pub fn new(members_max: usize) -> Self {
        Self { entries: Slots::new(members_max) }
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

    /// The encoding that a member reads.
    pub fn encoding(&self, id: MemberId) -> Encoding {
        self.entry(id).encoding
    }

    pub(super) fn insert(&mut self, member: Member, room: RoomId, encoding: Encoding) -> MemberId {
        let entry = Entry { member, room, encoding, place: Place::InBatch, previous: None, next: None };
        MemberId(self.entries.insert(entry))
    }

    pub(super) fn remove(&mut self, id: MemberId) -> Member {
        self.entries.remove(id.0).member
    }

    pub(super) fn entry(&self, id: MemberId) -> &Entry {
        &self.entries[id.0]
    }

    pub(super) fn entry_mut(&mut self, id: MemberId) -> &mut Entry {
        &mut self.entries[id.0]
    }

    /// Memory of the members, in bytes.
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
