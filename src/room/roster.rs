//! Where the members of a feed stand: each is in exactly one of five places, and to move it costs the same in any room.
//!
//! Four of the places are doubly linked lists threaded through the slab of all members, so a member can leave a list
//! from its middle. The list of the sweep has two parts: members that are behind in front, members that are level at
//! the end, and a mark on the first level one. A sweep takes from the front and puts back at the end, so it can stop
//! and go on anywhere. When a message is appended the mark is cleared, and so all members are behind at once.
//!
//! 1. A member is in the list that its place names, once, or in the batch and in no list.
//! 2. A member that is level has been sent everything.
//! 3. Among members that are behind cursors never decrease from front to back. So no cursor lies before that of the
//!    first.
//! 4. A parked member costs nothing: no sweep looks at it until it is unparked. Once it is skipped, it is not looked at
//!    either when more of the log is forgotten.

use super::log::Log;
use super::member::Member;
use super::members::{Entry, Link, MemberId, Members, Place, link, target};
use crate::token::{ConnectionId, RoomId};
use crate::wire::Encoding;

#[derive(Clone, Copy, Debug, Default)]
struct List {
    first: Option<Link>,
    last: Option<Link>,
    len: usize,
}

/// The lists of a feed's members.
#[derive(Debug, Default)]
pub struct Roster {
    /// By [`Place`]; the batch has no list.
    lists: [List; 4],
    /// The first level member of the sweep; `None` when all members of the sweep are behind.
    level: Option<Link>,
    /// Members in all places.
    len: usize,
}

impl Roster {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Members in a place other than the batch.
    pub fn len_of(&self, place: Place) -> usize {
        self.lists[place as usize].len
    }

    /// Members taken by a batch.
    pub fn in_batch(&self) -> usize {
        self.len - self.lists.iter().map(|list| list.len).sum::<usize>()
    }

    /// Adds a member that is level.
    pub fn insert(&mut self, members: &mut Members, member: Member, room: RoomId, encoding: Encoding) -> MemberId {
        let id = members.insert(member, room, encoding);
        self.len += 1;
        self.put_level(members, id);
        id
    }

    pub fn remove(&mut self, members: &mut Members, id: MemberId) -> Member {
        self.take(members, id);
        self.len -= 1;
        members.remove(id)
    }

    /// The member that has been behind for the longest.
    pub fn first_behind(&self) -> Option<MemberId> {
        let first = self.lists[Place::InSweep as usize].first;
        first.filter(|_| first != self.level).map(target)
    }

    /// The member that came first to a place other than the batch.
    pub fn first(&self, place: Place) -> Option<MemberId> {
        self.lists[place as usize].first.map(target)
    }

    /// The one that came to its place after `id`.
    pub fn next(&self, members: &Members, id: MemberId) -> Option<MemberId> {
        members.entry(id).next.map(target)
    }

    /// Moves a member behind the last level one.
    pub fn put_level(&mut self, members: &mut Members, id: MemberId) {
        self.take(members, id);
        self.insert_before(members, id, None, Place::InSweep);
        if self.level.is_none() {
            self.level = link(id);
        }
    }

    /// Moves a member behind the last one that is behind. Its cursor must not be less than the cursors of those.
    pub fn put_behind(&mut self, members: &mut Members, id: MemberId) {
        self.take(members, id);
        self.insert_before(members, id, self.level, Place::InSweep);
    }

    /// Moves a member to the end of a list outside the sweep.
    pub fn put_outside_sweep(&mut self, members: &mut Members, id: MemberId, place: Place) {
        assert!(matches!(place, Place::Returning | Place::Parked | Place::Skipped));
        self.take(members, id);
        self.insert_before(members, id, None, place);
    }

    /// Takes a member for the batch.
    pub fn take(&mut self, members: &mut Members, id: MemberId) {
        let &Entry { place, previous, next, .. } = members.entry(id);
        if place == Place::InBatch {
            return;
        }
        if self.level == link(id) {
            self.level = next;
        }
        match previous {
            Some(previous) => members.entry_mut(target(previous)).next = next,
            None => self.lists[place as usize].first = next,
        }
        match next {
            Some(next) => members.entry_mut(target(next)).previous = previous,
            None => self.lists[place as usize].last = previous,
        }
        self.lists[place as usize].len -= 1;
        let entry = members.entry_mut(id);
        entry.place = Place::InBatch;
        entry.previous = None;
        entry.next = None;
    }

    /// A message was appended: all level members are behind now. When no member was behind a new sweep begins, and the
    /// first `rotation` members of the last sweep come last in it, so that no member is always last.
    pub fn fall_behind(&mut self, members: &mut Members, rotation: usize) {
        if self.first_behind().is_none() {
            for _ in 0..rotation.min(self.len_of(Place::InSweep) / 2) {
                let first = self.first(Place::InSweep).expect("the list is not empty");
                self.put_level(members, first);
            }
        }
        self.level = None;
    }

    /// Links a member that is in no list in front of `next`, or at the end.
    fn insert_before(&mut self, members: &mut Members, id: MemberId, next: Option<Link>, place: Place) {
        let list = &mut self.lists[place as usize];
        list.len += 1;
        let previous = match next {
            None => std::mem::replace(&mut list.last, link(id)),
            Some(next) => std::mem::replace(&mut members.entry_mut(target(next)).previous, link(id)),
        };
        match previous {
            None => self.lists[place as usize].first = link(id),
            Some(previous) => members.entry_mut(target(previous)).next = link(id),
        }
        let entry = members.entry_mut(id);
        assert!(entry.place == Place::InBatch, "a member is in one place at a time");
        entry.place = place;
        entry.previous = previous;
        entry.next = next;
    }

    /// Panics when the lists are not the members, each once.
    pub fn invariants(&self, members: &Members, log: &Log, has_private: impl Fn(ConnectionId) -> bool) {
        let mut listed = 0;
        for place in Place::LISTED {
            let list = &self.lists[place as usize];
            let (mut previous, mut len, mut level, mut cursor) = (None, 0, false, log.tail());
            let mut next = list.first;
            while let Some(at) = next {
                let entry = members.entry(target(at));
                assert!(entry.place == place && entry.previous == previous, "a list is linked both ways");
                entry.member.invariants(log);
                let skipped = entry.member.cursor().is_none();
                assert!(
                    if place == Place::Skipped { skipped } else { place == Place::Returning || !skipped },
                    "skipped members have a list of their own"
                );
                if place == Place::InSweep {
                    level |= self.level == Some(at);
                    let is_level = entry.member.is_level(log) && !has_private(entry.member.connection);
                    assert_eq!(level, is_level, "the mark is on the first level member");
                    let next_cursor = entry.member.cursor().expect("a member of the sweep is not skipped");
                    assert!(cursor <= next_cursor, "in the sweep cursors never decrease");
                    cursor = next_cursor;
                }
                (previous, next, len) = (next, entry.next, len + 1);
            }
            assert!(list.last == previous && list.len == len, "a list knows its end");
            assert!(place != Place::InSweep || level == self.level.is_some(), "the mark is on a member of the sweep");
            listed += len;
        }
        assert_eq!(listed, self.len, "every member is in one place");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::token::{Generation, Slot};

    fn member() -> Member {
        let connection = ConnectionId { slot: Slot(0), generation: Generation::FIRST };
        Member::new(connection, &Log::new(400, 50, 0))
    }

    fn ids(roster: &Roster, members: &Members, place: Place) -> Vec<MemberId> {
        std::iter::successors(roster.first(place), |id| roster.next(members, *id)).collect()
    }

    #[test]
    fn a_sweep_takes_from_the_front_and_the_next_one_starts_elsewhere() {
        let mut members = Members::new(8);
        let mut roster = Roster::default();
        let all: Vec<MemberId> =
            (0..5).map(|_| roster.insert(&mut members, member(), RoomId(0), Encoding::Text)).collect();
        assert_eq!(roster.first_behind(), None);
        roster.fall_behind(&mut members, 64);
        let mut order = Vec::new();
        while let Some(id) = roster.first_behind() {
            roster.take(&mut members, id);
            order.push(id);
            roster.put_level(&mut members, id);
        }
        assert_eq!(order, [all[2], all[3], all[4], all[0], all[1]]);
        assert_eq!(ids(&roster, &members, Place::InSweep), order);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert,
        Remove(usize),
        Level(usize),
        Behind(usize),
        Returning(usize),
        Parked(usize),
        Skipped(usize),
        Take(usize),
        FallBehind,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Insert),
            1 => any::<usize>().prop_map(Step::Remove),
            2 => any::<usize>().prop_map(Step::Level),
            2 => any::<usize>().prop_map(Step::Behind),
            1 => any::<usize>().prop_map(Step::Returning),
            1 => any::<usize>().prop_map(Step::Parked),
            1 => any::<usize>().prop_map(Step::Skipped),
            1 => any::<usize>().prop_map(Step::Take),
            1 => Just(Step::FallBehind),
        ]
    }

    #[derive(Default)]
    struct Model {
        behind: VecDeque<MemberId>,
        level: VecDeque<MemberId>,
        returning: VecDeque<MemberId>,
        parked: VecDeque<MemberId>,
        skipped: VecDeque<MemberId>,
        all: Vec<MemberId>,
    }

    impl Model {
        fn forget(&mut self, id: MemberId) {
            for list in [&mut self.behind, &mut self.level, &mut self.returning, &mut self.parked, &mut self.skipped] {
                list.retain(|other| *other != id);
            }
        }
    }

    proptest! {
        /// The lists against plain queues.
        #[test]
        fn every_member_is_in_one_place(steps in prop::collection::vec(step(), 1..200)) {
            let mut members = Members::new(8);
        let mut roster = Roster::default();
            let mut model = Model::default();
            for step in steps {
                let pick = |model: &Model, at: usize| (!model.all.is_empty()).then(|| model.all[at % model.all.len()]);
                match step {
                    Step::Insert => {
                        let id = roster.insert(&mut members, member(), RoomId(0), Encoding::Text);
                        model.all.push(id);
                        model.level.push_back(id);
                    }
                    Step::FallBehind => {
                        roster.fall_behind(&mut members, 0);
                        let level = std::mem::take(&mut model.level);
                        model.behind.extend(level);
                    }
                    Step::Remove(at) => {
                        let Some(id) = pick(&model, at) else { continue };
                        roster.remove(&mut members, id);
                        model.forget(id);
                        model.all.retain(|other| *other != id);
                    }
                    Step::Level(at)
                    | Step::Behind(at)
                    | Step::Returning(at)
                    | Step::Parked(at)
                    | Step::Skipped(at)
                    | Step::Take(at) => {
                        let Some(id) = pick(&model, at) else { continue };
                        model.forget(id);
                        match step {
                            Step::Level(_) => {
                                roster.put_level(&mut members, id);
                                model.level.push_back(id);
                            }
                            Step::Behind(_) => {
                                roster.put_behind(&mut members, id);
                                model.behind.push_back(id);
                            }
                            Step::Returning(_) => {
                                roster.put_outside_sweep(&mut members, id, Place::Returning);
                                model.returning.push_back(id);
                            }
                            Step::Parked(_) => {
                                roster.put_outside_sweep(&mut members, id, Place::Parked);
                                model.parked.push_back(id);
                            }
                            Step::Skipped(_) => {
                                roster.put_outside_sweep(&mut members, id, Place::Skipped);
                                model.skipped.push_back(id);
                            }
                            _ => roster.take(&mut members, id),
                        }
                    }
                }
                let keeping: Vec<MemberId> = model.behind.iter().chain(&model.level).copied().collect();
                prop_assert_eq!(ids(&roster, &members, Place::InSweep), keeping);
                prop_assert_eq!(roster.first_behind(), model.behind.front().copied());
                prop_assert_eq!(ids(&roster, &members, Place::Returning), model.returning.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(ids(&roster, &members, Place::Parked), model.parked.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(ids(&roster, &members, Place::Skipped), model.skipped.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(roster.len(), model.all.len());
                for place in [Place::InSweep, Place::Returning, Place::Parked, Place::Skipped] {
                    prop_assert_eq!(roster.len_of(place), ids(&roster, &members, place).len());
                }
            }
        }
    }
}
