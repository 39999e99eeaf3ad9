//! Who is where: every member of a room is in exactly one of five places, and moving it costs the same in any room.
//!
//! The places are doubly linked lists threaded through the members' slab, so a member can leave its place from the
//! middle. The list of those who keep up is in two parts: in front those who are behind, at the end those who are level,
//! and a mark where the level begins. A sweep takes from the front and puts back at the end, so it can stop and go on
//! anywhere; when a line is appended everybody falls behind at once by clearing the mark.
//!
//! 1. A member is in the list that its place names, once, or in hand and in none.
//! 2. Who is level has been sent everything.
//! 3. Among the behind cursors never decrease from front to back: the front says what all of them have.
//! 4. Who waits costs nothing: no sweep looks there until the socket has drained, and whoever has lost its place in the log is
//!    not looked at again when more of the log is forgotten.

use std::num::NonZeroU32;

use slab::Slab;

use super::member::Member;
use crate::limits::SLAB_RESERVED_MAX;

/// Index of a member in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberId(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Level, or behind and due to be visited by the sweep.
    Keeping,
    /// Was slow, and its socket has room again.
    Drained,
    /// Its socket is full, and its place in the log is kept.
    Waiting,
    /// Its socket is full, and the log has forgotten its place.
    Lost,
    /// Taken by the batch that is being sent.
    InHand,
}

/// A [`MemberId`] plus one: four bytes even when there is none.
type Link = NonZeroU32;

fn link(id: MemberId) -> Option<Link> {
    NonZeroU32::new(id.0 + 1)
}

fn target(link: Link) -> MemberId {
    MemberId(link.get() - 1)
}

#[derive(Debug)]
struct Entry {
    member: Member,
    place: Place,
    previous: Option<Link>,
    next: Option<Link>,
}

#[derive(Clone, Copy, Debug, Default)]
struct List {
    first: Option<Link>,
    last: Option<Link>,
    len: usize,
}

/// The members of a room.
#[derive(Debug)]
pub struct Roster {
    entries: Slab<Entry>,
    /// By [`Place`], without the one in hand.
    lists: [List; 4],
    /// The first level member among those who keep up; `None` when all of them are behind.
    level: Option<Link>,
}

impl Roster {
    /// Place for `members_max` members, most of it address space until they come.
    pub fn new(members_max: usize) -> Self {
        Self {
            entries: Slab::with_capacity(members_max.min(SLAB_RESERVED_MAX)),
            lists: [List::default(); 4],
            level: None,
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Members in a place other than in hand.
    pub fn len_of(&self, place: Place) -> usize {
        self.lists[place as usize].len
    }

    /// Members taken by a batch.
    pub fn in_hand(&self) -> usize {
        self.entries.len() - self.lists.iter().map(|list| list.len).sum::<usize>()
    }

    pub fn place(&self, id: MemberId) -> Place {
        self.entry(id).place
    }

    pub fn member(&self, id: MemberId) -> &Member {
        &self.entry(id).member
    }

    pub fn member_mut(&mut self, id: MemberId) -> &mut Member {
        &mut self.entry_mut(id).member
    }

    /// Adds a member that is level.
    pub fn insert(&mut self, member: Member) -> MemberId {
        let index = self.entries.insert(Entry { member, place: Place::InHand, previous: None, next: None });
        let id = MemberId(u32::try_from(index).expect("members are bounded by descriptors"));
        self.put_level(id);
        id
    }

    pub fn remove(&mut self, id: MemberId) -> Member {
        self.take(id);
        self.entries.remove(id.0 as usize).member
    }

    /// The member that has been behind for the longest.
    pub fn first_behind(&self) -> Option<MemberId> {
        let first = self.lists[Place::Keeping as usize].first;
        first.filter(|_| first != self.level).map(target)
    }

    /// The member that came first to a place other than in hand.
    pub fn first(&self, place: Place) -> Option<MemberId> {
        self.lists[place as usize].first.map(target)
    }

    /// The one that came to its place after `id`.
    pub fn next(&self, id: MemberId) -> Option<MemberId> {
        self.entry(id).next.map(target)
    }

    /// Puts a member, from wherever it is, at the end of the level.
    pub fn put_level(&mut self, id: MemberId) {
        self.take(id);
        self.insert_before(id, None, Place::Keeping);
        if self.level.is_none() {
            self.level = link(id);
        }
    }

    /// Puts a member, from wherever it is, at the end of the behind. Its cursor must not be less than theirs.
    pub fn put_behind(&mut self, id: MemberId) {
        self.take(id);
        self.insert_before(id, self.level, Place::Keeping);
    }

    /// Puts a member, from wherever it is, at the end of the drained, the waiting or the lost.
    pub fn put_aside(&mut self, id: MemberId, place: Place) {
        assert!(matches!(place, Place::Drained | Place::Waiting | Place::Lost));
        self.take(id);
        self.insert_before(id, None, place);
    }

    /// Takes a member in hand.
    pub fn take(&mut self, id: MemberId) {
        let Entry { place, previous, next, .. } = *self.entry(id);
        if place == Place::InHand {
            return;
        }
        if self.level == link(id) {
            self.level = next;
        }
        match previous {
            Some(previous) => self.entry_mut(target(previous)).next = next,
            None => self.lists[place as usize].first = next,
        }
        match next {
            Some(next) => self.entry_mut(target(next)).previous = previous,
            None => self.lists[place as usize].last = previous,
        }
        self.lists[place as usize].len -= 1;
        let entry = self.entry_mut(id);
        entry.place = Place::InHand;
        entry.previous = None;
        entry.next = None;
    }

    /// Everybody who is level falls behind: a line was appended. When nobody was behind a new sweep begins, and
    /// `rotation` members who were first in the last one come last, so that nobody is always last.
    pub fn fall_behind(&mut self, rotation: usize) {
        if self.first_behind().is_none() {
            for _ in 0..rotation.min(self.len_of(Place::Keeping) / 2) {
                let first = self.first(Place::Keeping).expect("the list is not empty");
                self.put_level(first);
            }
        }
        self.level = None;
    }

    /// Links a member that is in hand in front of `next`, or at the end.
    fn insert_before(&mut self, id: MemberId, next: Option<Link>, place: Place) {
        let list = &mut self.lists[place as usize];
        list.len += 1;
        let previous = match next {
            None => std::mem::replace(&mut list.last, link(id)),
            Some(next) => std::mem::replace(&mut self.entry_mut(target(next)).previous, link(id)),
        };
        match previous {
            None => self.lists[place as usize].first = link(id),
            Some(previous) => self.entry_mut(target(previous)).next = link(id),
        }
        let entry = self.entry_mut(id);
        assert!(entry.place == Place::InHand, "a member is in one place at a time");
        entry.place = place;
        entry.previous = previous;
        entry.next = next;
    }

    fn entry(&self, id: MemberId) -> &Entry {
        &self.entries[id.0 as usize]
    }

    fn entry_mut(&mut self, id: MemberId) -> &mut Entry {
        &mut self.entries[id.0 as usize]
    }
}

impl Roster {
    /// Memory of the members, in bytes.
    pub fn footprint(&self) -> usize {
        self.entries.iter().map(|(_, entry)| size_of::<Entry>() + entry.member.aside_bytes()).sum()
    }

    /// Panics when the lists are not the members, each once.
    pub fn invariants(&self, log: &super::log::Log) {
        let mut listed = 0;
        for place in [Place::Keeping, Place::Drained, Place::Waiting, Place::Lost] {
            let list = &self.lists[place as usize];
            let (mut previous, mut len, mut level, mut cursor) = (None, 0, false, log.tail());
            let mut next = list.first;
            while let Some(at) = next {
                let entry = self.entry(target(at));
                assert!(entry.place == place && entry.previous == previous, "a list is linked both ways");
                entry.member.invariants(log);
                let lost = entry.member.cursor().is_none();
                assert!(
                    if place == Place::Lost { lost } else { place == Place::Drained || !lost },
                    "the lost stand apart"
                );
                if place == Place::Keeping {
                    level |= self.level == Some(at);
                    assert_eq!(level, entry.member.is_level(log), "the mark is where the level begin");
                    let its = entry.member.cursor().expect("who keeps up has its place");
                    assert!(cursor <= its, "among those who keep up cursors never decrease");
                    cursor = its;
                }
                (previous, next, len) = (next, entry.next, len + 1);
            }
            assert!(list.last == previous && list.len == len, "a list knows its end");
            assert!(place != Place::Keeping || level == self.level.is_some(), "the mark is on a member who keeps up");
            listed += len;
        }
        assert_eq!(listed, self.entries.len(), "everybody is in one place");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::room::log::Log;
    use crate::token::{ConnectionId, Generation, Slot};

    fn member() -> Member {
        Member::new(ConnectionId { slot: Slot(0), generation: Generation::FIRST }, &Log::new(400, 50))
    }

    fn ids(roster: &Roster, place: Place) -> Vec<MemberId> {
        std::iter::successors(roster.first(place), |id| roster.next(*id)).collect()
    }

    #[test]
    fn a_sweep_takes_from_the_front_and_the_next_one_starts_elsewhere() {
        let mut roster = Roster::new(8);
        let all: Vec<MemberId> = (0..5).map(|_| roster.insert(member())).collect();
        assert_eq!(roster.first_behind(), None);
        roster.fall_behind(64);
        let mut order = Vec::new();
        while let Some(id) = roster.first_behind() {
            roster.take(id);
            order.push(id);
            roster.put_level(id);
        }
        assert_eq!(order, [all[2], all[3], all[4], all[0], all[1]]);
        assert_eq!(ids(&roster, Place::Keeping), order);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert,
        Remove(usize),
        Level(usize),
        Behind(usize),
        Drained(usize),
        Waiting(usize),
        Lost(usize),
        Take(usize),
        FallBehind,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Insert),
            1 => any::<usize>().prop_map(Step::Remove),
            2 => any::<usize>().prop_map(Step::Level),
            2 => any::<usize>().prop_map(Step::Behind),
            1 => any::<usize>().prop_map(Step::Drained),
            1 => any::<usize>().prop_map(Step::Waiting),
            1 => any::<usize>().prop_map(Step::Lost),
            1 => any::<usize>().prop_map(Step::Take),
            1 => Just(Step::FallBehind),
        ]
    }

    #[derive(Default)]
    struct Model {
        behind: VecDeque<MemberId>,
        level: VecDeque<MemberId>,
        drained: VecDeque<MemberId>,
        waiting: VecDeque<MemberId>,
        lost: VecDeque<MemberId>,
        all: Vec<MemberId>,
    }

    impl Model {
        fn forget(&mut self, id: MemberId) {
            for list in [&mut self.behind, &mut self.level, &mut self.drained, &mut self.waiting, &mut self.lost] {
                list.retain(|other| *other != id);
            }
        }
    }

    proptest! {
        /// The lists against plain queues.
        #[test]
        fn everybody_is_in_one_place(steps in prop::collection::vec(step(), 1..200)) {
            let mut roster = Roster::new(8);
            let mut model = Model::default();
            for step in steps {
                let pick = |model: &Model, at: usize| (!model.all.is_empty()).then(|| model.all[at % model.all.len()]);
                match step {
                    Step::Insert => {
                        let id = roster.insert(member());
                        model.all.push(id);
                        model.level.push_back(id);
                    }
                    Step::FallBehind => {
                        roster.fall_behind(0);
                        let level = std::mem::take(&mut model.level);
                        model.behind.extend(level);
                    }
                    Step::Remove(at) => {
                        let Some(id) = pick(&model, at) else { continue };
                        roster.remove(id);
                        model.forget(id);
                        model.all.retain(|other| *other != id);
                    }
                    Step::Level(at)
                    | Step::Behind(at)
                    | Step::Drained(at)
                    | Step::Waiting(at)
                    | Step::Lost(at)
                    | Step::Take(at) => {
                        let Some(id) = pick(&model, at) else { continue };
                        model.forget(id);
                        match step {
                            Step::Level(_) => {
                                roster.put_level(id);
                                model.level.push_back(id);
                            }
                            Step::Behind(_) => {
                                roster.put_behind(id);
                                model.behind.push_back(id);
                            }
                            Step::Drained(_) => {
                                roster.put_aside(id, Place::Drained);
                                model.drained.push_back(id);
                            }
                            Step::Waiting(_) => {
                                roster.put_aside(id, Place::Waiting);
                                model.waiting.push_back(id);
                            }
                            Step::Lost(_) => {
                                roster.put_aside(id, Place::Lost);
                                model.lost.push_back(id);
                            }
                            _ => roster.take(id),
                        }
                    }
                }
                let keeping: Vec<MemberId> = model.behind.iter().chain(&model.level).copied().collect();
                prop_assert_eq!(ids(&roster, Place::Keeping), keeping);
                prop_assert_eq!(roster.first_behind(), model.behind.front().copied());
                prop_assert_eq!(ids(&roster, Place::Drained), model.drained.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(ids(&roster, Place::Waiting), model.waiting.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(ids(&roster, Place::Lost), model.lost.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(roster.len(), model.all.len());
                for place in [Place::Keeping, Place::Drained, Place::Waiting, Place::Lost] {
                    prop_assert_eq!(roster.len_of(place), ids(&roster, place).len());
                }
            }
        }
    }
}
