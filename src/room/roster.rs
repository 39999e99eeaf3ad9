//! Where the members of a feed stand: each is in exactly one place, and to move it costs the same in any room.
//!
//! A batch has members of one table, so the members that batches are taken from stand in the lists of their `Table`s.
//! Parked members are in no batch, and stand together in the lists of `Slow`.
//!
//! 1. A member is in the list that its place names, once, or in the batch and in no list.
//! 2. A member that is level has been sent everything.
//! 3. The member that has been behind for the longest comes next, whatever table it is in. Tables whose first members
//!    are equally far behind take turns.
//! 4. Returning members take at most a part of what is sent while others are behind, and those of every table have
//!    their turn.
//! 5. A parked member costs nothing: no sweep looks at it until it is unparked. Once it is skipped, it is not looked at
//!    either when more of the log is forgotten.
//! 6. No call looks at all members, or at all slow ones, unless they are few.

use super::log::{Log, Position};
use super::member::Member;
use super::members::{MemberId, Members, Place};
use super::slow::Slow;
use super::table::{Table, Turn};
use crate::limits::{SEND_BATCH_MEMBERS, SEND_BATCH_RETURNING};
use crate::token::{ConnectionId, RoomId, TableId};
use crate::wire::Encoding;

#[derive(Debug, Default)]
pub struct Roster {
    /// Those that a member was in since there was none, in the order in which they came.
    tables: Vec<Table>,
    /// By number, up to the last of them: where each stands in `tables`.
    places: Vec<TablePlace>,
    slow: Slow,
    /// Tables that may have level members, each once: those that a message has to be told to.
    with_level: Vec<TableId>,
    /// The place of the table from which members that were behind were taken last, and of that from which returning
    /// ones were.
    swept_last: TablePlace,
    returned_last: TablePlace,
    /// True when returning members of another table than the next one of the sweep have the next batch.
    returning_next: bool,
    /// True once members were skipped before the log had to forget their place, until it forgets it. Then returning
    /// members that were looked at are in the later part of their lists.
    ahead: bool,
    /// Members in all places, those in the batch, the parked and the returning ones.
    len: u32,
    in_batch: u32,
    parked: u32,
    returning: u32,
}

/// An index in the tables of a roster. A number that has no table there has [`NO_TABLE`].
type TablePlace = u16;
const NO_TABLE: TablePlace = TablePlace::MAX;

impl Roster {
    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Members taken by a batch.
    pub fn in_batch(&self) -> usize {
        self.in_batch as usize
    }

    /// Members that no sweep looks at.
    pub fn parked(&self) -> usize {
        self.parked as usize
    }

    /// The lists of a table that a member is in.
    fn table_mut(&mut self, table: TableId) -> &mut Table {
        &mut self.tables[usize::from(self.places[table.index()])]
    }

    /// Has lists for a table.
    fn add_table(&mut self, table: TableId) {
        if self.places.len() <= table.index() {
            self.places.reserve_exact(table.index() + 1 - self.places.len());
            self.places.resize(table.index() + 1, NO_TABLE);
        }
        if self.places[table.index()] == NO_TABLE {
            self.places[table.index()] =
                TablePlace::try_from(self.tables.len()).expect("tables have numbers of 16 bits");
            // Most rooms are small, and their members in one table.
            self.tables.reserve_exact(usize::from(self.tables.is_empty()));
            self.tables.push(Table::new(table));
        }
    }

    /// True when a batch has members to take.
    pub fn has_due(&self) -> bool {
        self.returning > 0 || self.tables.iter().any(|table| table.behind_from().is_some())
    }

    /// Adds a member that is level.
    pub fn insert(
        &mut self,
        members: &mut Members,
        log: &Log,
        member: Member,
        (room, encoding, table): (RoomId, Encoding, TableId),
    ) -> MemberId {
        self.add_table(table);
        let id = members.insert(member, room, encoding, table);
        self.len += 1;
        self.in_batch += 1;
        self.put_level(members, log, id);
        id
    }

    pub fn remove(&mut self, members: &mut Members, log: &Log, id: MemberId) -> Member {
        self.take(members, log, id);
        self.len -= 1;
        self.in_batch -= 1;
        if self.len == 0 {
            // A feed that nobody reads has no lists.
            (self.tables, self.places, self.with_level) = (Vec::new(), Vec::new(), Vec::new());
            (self.swept_last, self.returned_last) = (0, 0);
        }
        members.remove(id)
    }

    /// The cursor of the member that has been behind for the longest.
    pub fn behind_from(&self) -> Option<Position> {
        self.tables.iter().filter_map(Table::behind_from).min()
    }

    /// Moves a member behind the last level one of its table.
    pub fn put_level(&mut self, members: &mut Members, log: &Log, id: MemberId) {
        let number = self.put(members, log, id, Place::InSweep);
        let table = self.table_mut(number);
        table.put_level(members, id);
        if !std::mem::replace(&mut table.listed, true) {
            self.with_level.reserve_exact(usize::from(self.with_level.is_empty()));
            self.with_level.push(number);
        }
    }

    /// Moves a member behind the last one of its table that is behind. Its cursor must not be less than theirs.
    pub fn put_behind(&mut self, members: &mut Members, log: &Log, id: MemberId) {
        let number = self.put(members, log, id, Place::InSweep);
        self.table_mut(number).put_behind(members, id);
    }

    /// Moves a member behind those of its table that have returned before it.
    pub fn put_returning(&mut self, members: &mut Members, log: &Log, id: MemberId) {
        let number = self.put(members, log, id, Place::Returning);
        let ahead = self.ahead && !members[id].needs_before(log.tail_after(1));
        let list = &mut self.table_mut(number).returning;
        if ahead {
            list.push_later(members, id);
        } else {
            list.push_earlier(members, id);
        }
        self.returning += 1;
        self.slow.group(members[id].cursor(), log).returning += 1;
    }

    /// Has no batch take a member.
    pub fn park(&mut self, members: &mut Members, log: &Log, id: MemberId) {
        self.put(members, log, id, Place::Parked);
        self.slow.group(members[id].cursor(), log).parked.push_earlier(members, id);
        self.parked += 1;
    }

    /// Takes a member from where it stands and gives it a place. Returns its table.
    fn put(&mut self, members: &mut Members, log: &Log, id: MemberId, place: Place) -> TableId {
        if members.place(id) != Place::InBatch {
            self.take(members, log, id);
        }
        self.in_batch -= 1;
        let entry = members.entry_mut(id);
        entry.place = place;
        entry.table
    }

    /// Takes a member for the batch.
    pub fn take(&mut self, members: &mut Members, log: &Log, id: MemberId) {
        let entry = members.entry_mut(id);
        let (place, table) = (std::mem::replace(&mut entry.place, Place::InBatch), entry.table);
        match place {
            Place::InBatch => return,
            Place::InSweep => self.table_mut(table).take(members, id),
            Place::Returning => {
                self.table_mut(table).returning.remove(members, id);
                self.returning -= 1;
                self.slow.group(members[id].cursor(), log).returning -= 1;
            }
            Place::Parked => {
                self.slow.group(members[id].cursor(), log).parked.remove(members, id);
                self.parked -= 1;
            }
        }
        self.in_batch += 1;
    }

    /// Which members the next batch takes; `None` when there are none.
    pub fn next_turn(&mut self) -> Option<Turn> {
        let (sweep, returning) = (self.next_of_sweep(), self.next_returning());
        let apart = sweep.is_some() && returning.is_some() && sweep != returning;
        // The tables take turns then: a whole batch of the sweep, and a part of one of returning members.
        self.returning_next = apart && !self.returning_next;
        let (table, returning_max, sweeps) = match (sweep, returning) {
            (None, None) => return None,
            (None, Some(table)) => (table, SEND_BATCH_MEMBERS, false),
            (Some(table), None) => (table, 0, true),
            (Some(_), Some(table)) if apart && !self.returning_next => (table, SEND_BATCH_RETURNING, false),
            (Some(table), Some(_)) if apart => (table, 0, true),
            (Some(table), Some(_)) => (table, SEND_BATCH_RETURNING, true),
        };
        if sweeps {
            self.swept_last = table;
        }
        if returning_max > 0 {
            self.returned_last = table;
        }
        let table = self.tables[usize::from(table)].id;
        Some(Turn { table, returning_max, sweeps })
    }

    /// The place of the table of the member that has been behind for the longest. Of several such tables, the first
    /// behind the one of the last batch.
    fn next_of_sweep(&self) -> Option<TablePlace> {
        let behind_from = |place: &TablePlace| self.tables[usize::from(*place)].behind_from();
        cycle(self.swept_last, self.tables.len()).filter(|place| behind_from(place).is_some()).min_by_key(behind_from)
    }

    /// The place of the next table that has returning members.
    fn next_returning(&self) -> Option<TablePlace> {
        if self.returning == 0 {
            return None;
        }
        let has_some = |place: &TablePlace| self.tables[usize::from(*place)].returning.len() > 0;
        cycle(self.returned_last, self.tables.len()).find(has_some)
    }

    /// Takes members of a table for the batch that have been behind for the longest, `most` of them at most.
    pub fn take_behind(
        &mut self,
        members: &mut Members,
        table: TableId,
        most: usize,
        mut on_taken: impl FnMut(MemberId),
    ) {
        let in_batch = &mut self.in_batch;
        self.tables[usize::from(self.places[table.index()])].take_behind(members, most, |id, entry| {
            entry.place = Place::InBatch;
            *in_batch += 1;
            on_taken(id);
        });
    }

    /// The member of a table that has been returning for the longest.
    pub fn first_returning(&self, table: TableId) -> Option<MemberId> {
        self.tables[usize::from(self.places[table.index()])].returning.first()
    }

    /// The log may have begun a segment, also for a message that was not appended then.
    pub fn on_segment(&mut self, log: &Log) {
        self.slow.on_segment(log);
    }

    /// A message was appended: all level members are behind now. Where no member of a table was behind a new sweep of
    /// it begins, and the first `rotation` members of the last sweep come last in it.
    pub fn on_append(&mut self, members: &mut Members, rotation: usize) {
        self.slow.on_append(members);
        self.fall_behind(members, rotation);
    }

    fn fall_behind(&mut self, members: &mut Members, rotation: usize) {
        for table in self.with_level.drain(..) {
            let table = &mut self.tables[usize::from(self.places[table.index()])];
            table.listed = false;
            table.fall_behind(members, rotation);
        }
    }

    /// The cursor of a slow member, which was `before`, has moved to the head.
    pub fn on_moved(&mut self, members: &mut Members, log: &Log, id: MemberId, before: Position) {
        let after = members[id].cursor();
        match members.place(id) {
            Place::Returning => {
                self.slow.group(Some(before), log).returning -= 1;
                self.slow.group(after, log).returning += 1;
            }
            Place::Parked => {
                self.slow.group(Some(before), log).parked.remove(members, id);
                self.slow.group(after, log).parked.push_earlier(members, id);
            }
            Place::InSweep | Place::InBatch => {}
        }
    }

    /// How many members [`Roster::skip_oldest`] would look at, at most, if it were called for each of so many segments.
    pub fn skips_due(&self, segments: usize) -> usize {
        let returning = |count| if count == 0 { 0 } else { self.returning as usize };
        let oldest = self.slow.segments().take(segments);
        oldest.map(|group| group.parked.len() + returning(group.returning)).sum()
    }

    /// Skips slow members whose cursors lie in the oldest segment of the log, and looks at `most` members for that at
    /// most. Returns the number of those that it has looked at. `skip` has each skipped.
    pub fn skip_oldest(
        &mut self,
        members: &mut Members,
        log: &Log,
        most: usize,
        mut skip: impl FnMut(&mut Members, MemberId),
    ) -> usize {
        self.ahead = true;
        let mut looked_at = 0;
        while looked_at < most
            && let Some(id) = self.slow.oldest().parked.first()
        {
            self.slow.oldest_mut().parked.remove(members, id);
            skip(members, id);
            self.slow.skipped().parked.push_earlier(members, id);
            looked_at += 1;
        }
        let tail = log.tail_after(1);
        for table in &mut self.tables {
            while looked_at < most
                && self.slow.oldest().returning > 0
                && let Some(id) = table.returning.last_earlier(members)
            {
                table.returning.mark(id);
                looked_at += 1;
                if members[id].needs_before(tail) {
                    skip(members, id);
                    self.slow.oldest_mut().returning -= 1;
                    self.slow.skipped().returning += 1;
                }
            }
        }
        looked_at
    }

    /// The log forgets its oldest segment.
    pub fn on_retire(&mut self) {
        self.slow.on_retire();
        if std::mem::take(&mut self.ahead) {
            self.tables.iter_mut().for_each(|table| table.returning.clear_mark());
        }
    }

    /// The lowest cursor of a member that is behind or slow, as exactly as `Slow::lowest_cursor` tells it.
    pub fn lowest_cursor(&self, members: &Members, log: &Log) -> Option<Position> {
        let returning = self.tables.iter().flat_map(|table| table.returning.iter(members));
        let slow = self.slow.lowest_cursor(members, log, returning, self.returning as usize);
        slow.into_iter().chain(self.behind_from()).min()
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        let tables = self.tables.capacity() * size_of::<Table>() + self.with_level.capacity() * size_of::<TableId>();
        let places = self.places.capacity() * size_of::<TablePlace>();
        tables + places + self.slow.footprint()
    }

    /// Panics when the lists are not the members, each once.
    pub fn invariants(&self, members: &Members, log: &Log, has_private: impl Fn(ConnectionId) -> bool) {
        let (mut in_sweep, mut returning) = (0, Vec::new());
        for (place, table) in self.tables.iter().enumerate() {
            table.invariants(members, log, &has_private);
            assert_eq!(usize::from(self.places[table.id.index()]), place, "a table is found by its number");
            in_sweep += table.in_sweep();
            returning.extend(table.returning.iter(members));
            let listed = self.with_level.iter().filter(|other| **other == table.id).count();
            assert_eq!(listed, usize::from(table.listed), "a table with level members is listed once");
        }
        for (id, later) in self.tables.iter().flat_map(|table| table.returning.invariants(members)) {
            let done = self.ahead && !members[id].needs_before(log.tail_after(1));
            assert!(!later || done, "returning members in the later part need nothing of the oldest segment");
        }
        assert_eq!(returning.len(), self.returning as usize, "returning members are counted");
        let parked = self.slow.invariants(members, log, returning.into_iter());
        assert_eq!(parked, self.parked(), "parked members are counted");
        let placed = in_sweep + self.returning as usize + parked + self.in_batch();
        assert_eq!(placed, self.len(), "every member is in one place");
    }
}

/// The places below `len`, each once, beginning with the one behind `last`.
fn cycle(last: TablePlace, len: usize) -> impl Iterator<Item = TablePlace> {
    let len = TablePlace::try_from(len).expect("tables have numbers of 16 bits");
    (last + 1..len).chain(0..len.min(last + 1))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::token::{Generation, Slot};

    /// Members of a feed that nothing was said in.
    struct World {
        members: Members,
        log: Log,
        roster: Roster,
    }

    impl World {
        fn new() -> Self {
            let log = Log::new(400, 50, 0);
            Self { members: Members::new(8), roster: Roster::default(), log }
        }

        fn insert(&mut self, table: u16) -> MemberId {
            let connection = ConnectionId { slot: Slot(0), generation: Generation::FIRST };
            let place = (RoomId(0), Encoding::Text, TableId(table));
            self.roster.insert(&mut self.members, &self.log, Member::new(connection, &self.log), place)
        }

        fn put_level(&mut self, id: MemberId) {
            self.roster.put_level(&mut self.members, &self.log, id);
        }

        fn take(&mut self, id: MemberId) {
            self.roster.take(&mut self.members, &self.log, id);
        }

        fn fall_behind(&mut self, rotation: usize) {
            self.roster.fall_behind(&mut self.members, rotation);
        }

        /// Takes the members of a batch of at most `most` of the sweep.
        fn batch(&mut self, most: usize) -> Vec<MemberId> {
            let turn = self.roster.next_turn().expect("somebody has something due");
            let mut batch = Vec::new();
            while batch.len() < turn.returning_max
                && let Some(id) = self.roster.first_returning(turn.table)
            {
                self.take(id);
                batch.push(id);
            }
            if turn.sweeps {
                let most = most - batch.len();
                self.roster.take_behind(&mut self.members, turn.table, most, |id| batch.push(id));
            }
            batch
        }
    }

    #[test]
    fn a_sweep_takes_from_the_front_and_the_next_one_starts_elsewhere() {
        let mut world = World::new();
        let all: Vec<MemberId> = (0..5).map(|_| world.insert(0)).collect();
        assert_eq!(world.roster.behind_from(), None);
        world.fall_behind(64);
        let mut order = Vec::new();
        while world.roster.has_due() {
            let batch = world.batch(1);
            world.put_level(batch[0]);
            order.extend(batch);
        }
        assert_eq!(order, [all[2], all[3], all[4], all[0], all[1]]);
        assert_eq!(world.roster.tables[0].sweep(&world.members), order);
    }

    #[test]
    fn tables_whose_members_are_equally_far_behind_take_turns() {
        let mut world = World::new();
        let tables = [0, 0, 0, 2, 1, 1];
        let all: Vec<MemberId> = tables.iter().map(|table| world.insert(*table)).collect();
        for first in [[2, 1, 0], [2, 1, 0]] {
            world.fall_behind(0);
            let mut order = Vec::new();
            while world.roster.has_due() {
                let batch = world.batch(1);
                world.put_level(batch[0]);
                order.push(tables[all.iter().position(|id| *id == batch[0]).unwrap()]);
            }
            assert_eq!(order[..3], first);
            assert_eq!(order[3..], [1, 0, 0]);
        }
    }

    #[test]
    fn returning_members_of_every_table_have_their_turn_and_take_no_more_than_a_part() {
        let mut world = World::new();
        let behind: Vec<MemberId> = (0..1000).map(|_| world.insert(0)).collect();
        let returning: Vec<MemberId> = (0..90).map(|number| world.insert(number % 3)).collect();
        world.fall_behind(0);
        for id in &returning {
            world.roster.put_returning(&mut world.members, &world.log, *id);
        }
        let (mut taken, mut others) = (0, 0);
        let mut tables = Vec::new();
        while taken < returning.len() {
            let batch = world.batch(SEND_BATCH_MEMBERS);
            let back = batch.iter().filter(|id| returning.contains(id)).count();
            assert!(back <= SEND_BATCH_RETURNING);
            assert!(batch.iter().all(|id| world.members.entry(*id).table == world.members.entry(batch[0]).table));
            if back > 0 {
                tables.push(world.members.entry(batch[0]).table.index());
            }
            (taken, others) = (taken + back, others + batch.len() - back);
            assert!(taken <= SEND_BATCH_RETURNING + others / 3, "{taken} of them were taken, and {others} others");
        }
        assert_eq!(tables, [1, 2, 0, 1, 2, 0]);
        assert!(others < behind.len(), "they do not wait for the sweep to end");
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert(u16),
        Remove(usize),
        Level(usize),
        Behind(usize),
        Returning(usize),
        Parked(usize),
        Take(usize),
        FallBehind(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..TABLES).prop_map(Step::Insert),
            1 => any::<usize>().prop_map(Step::Remove),
            2 => any::<usize>().prop_map(Step::Level),
            2 => any::<usize>().prop_map(Step::Behind),
            1 => any::<usize>().prop_map(Step::Returning),
            1 => any::<usize>().prop_map(Step::Parked),
            1 => any::<usize>().prop_map(Step::Take),
            1 => (0..4usize).prop_map(Step::FallBehind),
        ]
    }

    const TABLES: u16 = 3;

    /// The lists of one table.
    #[derive(Default)]
    struct Lists {
        behind: VecDeque<MemberId>,
        level: VecDeque<MemberId>,
        returning: VecDeque<MemberId>,
    }

    #[derive(Default)]
    struct Model {
        tables: [Lists; TABLES as usize],
        parked: Vec<MemberId>,
        all: Vec<(MemberId, u16)>,
    }

    impl Model {
        fn forget(&mut self, id: MemberId) {
            for table in &mut self.tables {
                for list in [&mut table.behind, &mut table.level, &mut table.returning] {
                    list.retain(|other| *other != id);
                }
            }
            self.parked.retain(|other| *other != id);
        }
    }

    proptest! {
        /// The lists against plain queues.
        #[test]
        fn every_member_is_in_one_place(steps in prop::collection::vec(step(), 1..200)) {
            let mut world = World::new();
            let mut model = Model::default();
            for step in steps {
                let pick = |model: &Model, at: usize| (!model.all.is_empty()).then(|| model.all[at % model.all.len()]);
                match step {
                    Step::Insert(table) => {
                        let id = world.insert(table);
                        model.all.push((id, table));
                        model.tables[usize::from(table)].level.push_back(id);
                    }
                    Step::FallBehind(rotation) => {
                        world.fall_behind(rotation);
                        for table in &mut model.tables {
                            if table.behind.is_empty() {
                                table.level.rotate_left(rotation.min(table.level.len() / 2));
                            }
                            table.behind.append(&mut table.level);
                        }
                    }
                    Step::Remove(at) => {
                        let Some((id, _)) = pick(&model, at) else { continue };
                        world.roster.remove(&mut world.members, &world.log, id);
                        model.forget(id);
                        model.all.retain(|other| other.0 != id);
                    }
                    Step::Level(at)
                    | Step::Behind(at)
                    | Step::Returning(at)
                    | Step::Parked(at)
                    | Step::Take(at) => {
                        let Some((id, table)) = pick(&model, at) else { continue };
                        model.forget(id);
                        let World { members, log, roster } = &mut world;
                        let lists = &mut model.tables[usize::from(table)];
                        match step {
                            Step::Level(_) => {
                                roster.put_level(members, log, id);
                                lists.level.push_back(id);
                            }
                            Step::Behind(_) => {
                                roster.put_behind(members, log, id);
                                lists.behind.push_back(id);
                            }
                            Step::Returning(_) => {
                                roster.put_returning(members, log, id);
                                lists.returning.push_back(id);
                            }
                            Step::Parked(_) => {
                                roster.park(members, log, id);
                                model.parked.push(id);
                            }
                            _ => roster.take(members, log, id),
                        }
                    }
                }
                let World { members, log, roster } = &world;
                for table in &roster.tables {
                    let lists = &model.tables[table.id.index()];
                    let sweep: Vec<MemberId> = lists.behind.iter().chain(&lists.level).copied().collect();
                    prop_assert_eq!(table.sweep(members), sweep);
                    prop_assert_eq!(table.first_behind(), lists.behind.front().copied());
                    let returning: Vec<MemberId> = lists.returning.iter().copied().collect();
                    prop_assert_eq!(table.returning.iter(members).collect::<Vec<_>>(), returning);
                }
                for id in &model.parked {
                    prop_assert_eq!(members.place(*id), Place::Parked);
                }
                let due = model.tables.iter().any(|lists| !lists.behind.is_empty() || !lists.returning.is_empty());
                prop_assert_eq!(roster.has_due(), due);
                let returning: usize = model.tables.iter().map(|lists| lists.returning.len()).sum();
                let counts = (roster.len(), roster.parked(), roster.returning as usize);
                prop_assert_eq!(counts, (model.all.len(), model.parked.len(), returning));
                let parked = roster.slow.invariants(members, log, roster.tables.iter().flat_map(|table| table.returning.iter(members)));
                prop_assert_eq!(parked, model.parked.len());
            }
        }
    }
}
