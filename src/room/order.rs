//! The members of a room in the order in which they joined it, threaded through the slab of members.

use super::members::{Link, MemberId, Members, Neighbours, link, target};

/// The ends of the list.
#[derive(Debug, Default)]
pub(super) struct Order {
    first: Option<Link>,
    last: Option<Link>,
}

impl Order {
    pub fn push(&mut self, members: &mut Members, id: MemberId) {
        let before = self.last.replace(link(id).expect("a link is one more than an index"));
        members.entry_mut(id).joined = Neighbours { before, after: None };
        match before {
            Some(before) => members.entry_mut(target(before)).joined.after = link(id),
            None => self.first = link(id),
        }
    }

    pub fn remove(&mut self, members: &mut Members, id: MemberId) {
        let Neighbours { before, after } = std::mem::take(&mut members.entry_mut(id).joined);
        match before {
            Some(before) => members.entry_mut(target(before)).joined.after = after,
            None => self.first = after,
        }
        match after {
            Some(after) => members.entry_mut(target(after)).joined.before = before,
            None => self.last = before,
        }
    }

    /// `new` stands where `old` stood.
    pub fn replace(&mut self, members: &mut Members, old: Neighbours, new: MemberId) {
        members.entry_mut(new).joined = old;
        match old.before {
            Some(before) => members.entry_mut(target(before)).joined.after = link(new),
            None => self.first = link(new),
        }
        match old.after {
            Some(after) => members.entry_mut(target(after)).joined.before = link(new),
            None => self.last = link(new),
        }
    }

    pub fn iter<'a>(&self, members: &'a Members) -> impl Iterator<Item = MemberId> + use<'a> {
        std::iter::successors(self.first.map(target), |id| members.entry(*id).joined.after.map(target))
    }
}
