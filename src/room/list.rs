//! A list of members, linked both ways through the slab of all members: a member can leave it from its middle, and two
//! lists become one at the cost of one link. A member that is in no list has no links.
//!
//! A mark divides a list into an earlier and a later part. What the parts mean is the owner's business.

use super::members::{Entry, Link, MemberId, Members, link, target};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct List {
    first: Option<Link>,
    last: Option<Link>,
    /// The first member of the later part; `None` when there is none.
    mark: Option<Link>,
    len: u32,
}

impl List {
    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn first(&self) -> Option<MemberId> {
        self.first.map(target)
    }

    /// The first member of the earlier part.
    pub fn first_earlier(&self) -> Option<MemberId> {
        self.first.filter(|_| self.first != self.mark).map(target)
    }

    /// The last member of the earlier part.
    pub fn last_earlier(&self, members: &Members) -> Option<MemberId> {
        self.mark.map_or(self.last, |mark| members.entry(target(mark)).previous).map(target)
    }

    pub fn has_later(&self) -> bool {
        self.mark.is_some()
    }

    /// Its members, in order.
    pub fn iter<'a>(&self, members: &'a Members) -> impl Iterator<Item = MemberId> + use<'a> {
        std::iter::successors(self.first.map(target), |id| members.entry(*id).next.map(target))
    }

    /// Adds a member that is in no list to the end of the earlier part.
    pub fn push_earlier(&mut self, members: &mut Members, id: MemberId) {
        self.insert_before(members, id, self.mark);
    }

    /// Adds a member that is in no list to the end of the later part.
    pub fn push_later(&mut self, members: &mut Members, id: MemberId) {
        self.len += 1;
        let previous = std::mem::replace(&mut self.last, link(id));
        match previous {
            None => self.first = link(id),
            Some(previous) => members.entry_mut(target(previous)).next = link(id),
        }
        members.entry_mut(id).previous = previous;
        if self.mark.is_none() {
            self.mark = link(id);
        }
    }

    /// Has the later part begin at a member of the earlier part.
    pub fn mark(&mut self, id: MemberId) {
        self.mark = link(id);
    }

    /// Has all members in the earlier part.
    pub fn clear_mark(&mut self) {
        self.mark = None;
    }

    /// Links a member that is in no list in front of `next`, or at the end.
    fn insert_before(&mut self, members: &mut Members, id: MemberId, next: Option<Link>) {
        self.len += 1;
        let previous = match next {
            None => std::mem::replace(&mut self.last, link(id)),
            Some(next) => std::mem::replace(&mut members.entry_mut(target(next)).previous, link(id)),
        };
        match previous {
            None => self.first = link(id),
            Some(previous) => members.entry_mut(target(previous)).next = link(id),
        }
        let entry = members.entry_mut(id);
        entry.previous = previous;
        entry.next = next;
    }

    /// Takes out a member of this list. Returns true when it was the first.
    pub fn remove(&mut self, members: &mut Members, id: MemberId) -> bool {
        let entry = members.entry_mut(id);
        let (previous, next) = (entry.previous.take(), entry.next.take());
        if self.mark == link(id) {
            self.mark = next;
        }
        match previous {
            Some(previous) => members.entry_mut(target(previous)).next = next,
            None => self.first = next,
        }
        match next {
            Some(next) => members.entry_mut(target(next)).previous = previous,
            None => self.last = previous,
        }
        self.len -= 1;
        previous.is_none()
    }

    /// Takes out the first members of the earlier part, `most` of them at most, and hands each to `take`.
    pub fn drain_earlier(&mut self, members: &mut Members, most: usize, mut take: impl FnMut(MemberId, &mut Entry)) {
        let mut next = self.first;
        let mut taken = 0;
        while (taken as usize) < most
            && let Some(first) = next.filter(|_| next != self.mark)
        {
            let entry = members.entry_mut(target(first));
            next = entry.next.take();
            entry.previous = None;
            take(target(first), entry);
            taken += 1;
        }
        self.first = next;
        self.len -= taken;
        match next {
            None => self.last = None,
            Some(next) => members.entry_mut(target(next)).previous = None,
        }
    }

    /// Moves the members of another list to the end of this one. Neither has a later part.
    pub fn append(&mut self, members: &mut Members, other: &mut Self) {
        let other = std::mem::take(other);
        assert!(self.mark.is_none() && other.mark.is_none(), "lists without parts become one");
        let Some(middle) = other.first else { return };
        match self.last {
            None => *self = other,
            Some(last) => {
                members.entry_mut(target(last)).next = Some(middle);
                members.entry_mut(target(middle)).previous = Some(last);
                self.last = other.last;
                self.len += other.len;
            }
        }
    }

    /// Moves the first `count` members to the end, in their order. The list then has no later part.
    pub fn rotate(&mut self, members: &mut Members, count: usize) {
        self.mark = None;
        if count == 0 || count >= self.len() {
            return;
        }
        let (first, last) = (self.first.expect("it has members"), self.last.expect("it has members"));
        let moved_last = self.iter(members).nth(count - 1).and_then(link).expect("it has more members");
        let new_first = members.entry_mut(target(moved_last)).next.take().expect("it has more members");
        members.entry_mut(target(new_first)).previous = None;
        members.entry_mut(target(last)).next = Some(first);
        members.entry_mut(target(first)).previous = Some(last);
        (self.first, self.last) = (Some(new_first), Some(moved_last));
    }

    /// Panics when it is not linked as it must be. Returns its members, each with whether it is in the later part.
    pub fn invariants(&self, members: &Members) -> Vec<(MemberId, bool)> {
        let (mut previous, mut later, mut listed) = (None, false, Vec::new());
        for id in self.iter(members) {
            assert!(members.entry(id).previous == previous, "a list is linked both ways");
            later |= self.mark == link(id);
            listed.push((id, later));
            previous = link(id);
        }
        assert!(self.last == previous && self.len() == listed.len(), "a list knows its end");
        assert_eq!(later, self.mark.is_some(), "the mark is on a member of the list");
        listed
    }
}
