//! Held connections: each stands in the queue of its reason, and is not looked at before that reason has passed.
//!
//! A full log is a room's own: members of other rooms go on meanwhile. The ration is the server's: rooms whose members
//! wait for it take turns, one line each. A connection that waits for its own reading is in no queue: the sweep has it
//! go on once it has read.
//!
//! 1. A held connection has one entry here, and none while it waits for its own reading.
//! 2. The first connection in either queue of a room, for space or for the ration, stays first until a line of it is
//!    said. So does the room for the ration, unless its log is full.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Instant;

use crate::limits::PIECE_ENTRIES;
use crate::pieces::fifo::Fifo;
use crate::pieces::heap::Heap;
use crate::room::Blocked;
use crate::token::{ConnectionId, RoomId};

/// A held connection that may go on, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// With all lines that it has waiting.
    All(ConnectionId),
    /// As the first in a queue: it keeps its place there if its next line has to wait for the same again.
    First(ConnectionId, Turn),
}

/// The queues of a room in which the first stays the first until a line of it is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    #[default]
    /// For space in the log. All that it has waiting may be said.
    Space,
    /// For the ration. One line may be said, and then it is the turn of the next.
    Ration,
}

#[derive(Debug, Default)]
pub struct Held {
    /// Connections over their own rate, each with the moment from which it may go on, soonest first.
    delayed: Heap<(Instant, ConnectionId)>,
    /// Rooms that connections wait for, or whose logs are full.
    rooms: BTreeMap<RoomId, Waiting>,
    /// Those of them whose logs are full.
    full: BTreeSet<RoomId>,
    /// The room behind which the next of those is looked at.
    full_last: Option<RoomId>,
    /// Those of them in which connections may go on that waited for space.
    spaces: BTreeSet<RoomId>,
    /// Those of them in which connections wait for the ration, and not for space before it, in the order of their
    /// tickets.
    rations: BTreeSet<(u64, RoomId)>,
    /// From when on the first of the first of them may be tried; meaningless while there are none.
    rationed_until: Option<Instant>,
    /// The last ticket that a room was given.
    tickets: u64,
    /// Entries of all rooms.
    queued: usize,
    /// The room whose queues are looked at next for entries of freed connections; `None` for the first.
    looked_at: Option<RoomId>,
}

/// The ticket of a room whose first connection was tried and stays the first.
const TICKET_FIRST: u64 = 0;

/// The connections that wait for one room.
#[derive(Debug, Default)]
struct Waiting {
    /// True exactly from when a line found the log full until it has space again.
    log_full: bool,
    /// Connections whose lines found the log full, or came while it was full, in that order.
    for_space: Fifo<ConnectionId>,
    /// Connections that wait for the room's ration, in the order of their turns.
    rationed: Fifo<ConnectionId>,
    /// When it is the room's turn for the ration, among other rooms; meaningless while the queue is empty.
    ticket: u64,
    /// The queue of which a piece is looked at next for entries of freed connections.
    looked_at: Turn,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        !self.log_full && self.len() == 0
    }

    fn len(&self) -> usize {
        self.for_space.len() + self.rationed.len()
    }

    /// True when connections may go on that waited for space.
    fn has_space_for_some(&self) -> bool {
        !self.log_full && !self.for_space.is_empty()
    }

    /// The room's ticket for the ration; `None` while nobody waits for that, or while the log is full.
    fn ration_ticket(&self) -> Option<u64> {
        (!self.rationed.is_empty() && !self.log_full).then_some(self.ticket)
    }
}

impl Held {
    /// Holds a member of a room until a reason has passed.
    pub fn hold(&mut self, id: ConnectionId, room: RoomId, reason: Blocked) {
        match reason {
            Blocked::LogFull => self.change(room, |waiting| {
                waiting.log_full = true;
                waiting.for_space.push_back(id);
            }),
            Blocked::AuthorBehind | Blocked::Cluster => {}
            Blocked::OverRate(from) => self.delayed.push((from, id)),
            Blocked::Rationed(from) => {
                let before = self.rationed_until.filter(|_| !self.rations.is_empty());
                self.rationed_until = before.max(Some(from));
                let ticket = self.next_ticket();
                self.change(room, |waiting| {
                    if waiting.rationed.is_empty() {
                        waiting.ticket = ticket;
                    }
                    waiting.rationed.push_back(id);
                });
            }
        }
    }

    /// Puts back the connection of a [`Resume::First`] of which no line was said. It stays the first for the ration
    /// also when it now waits for another reason.
    pub fn hold_first(&mut self, id: ConnectionId, room: RoomId, turn: Turn, reason: Blocked) {
        if let Blocked::Rationed(from) = reason {
            self.rationed_until = Some(from);
        }
        self.change(room, |waiting| {
            waiting.log_full |= reason == Blocked::LogFull;
            match turn {
                Turn::Space => waiting.for_space.push_front(id),
                Turn::Ration => {
                    waiting.rationed.push_front(id);
                    waiting.ticket = TICKET_FIRST;
                }
            }
        });
    }

    fn next_ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Changes what waits for a room. What is known of all rooms together follows.
    fn change<T>(&mut self, room: RoomId, change: impl FnOnce(&mut Waiting) -> T) -> T {
        let waiting = self.rooms.entry(room).or_default();
        let before = (waiting.log_full, waiting.has_space_for_some(), waiting.ration_ticket(), waiting.len());
        let result = change(waiting);
        let after = (waiting.log_full, waiting.has_space_for_some(), waiting.ration_ticket(), waiting.len());
        if waiting.is_empty() {
            self.rooms.remove(&room);
        }
        set(&mut self.full, room, before.0, after.0);
        set(&mut self.spaces, room, before.1, after.1);
        if before.2 != after.2 {
            before.2.map(|ticket| self.rations.remove(&(ticket, room)));
            after.2.map(|ticket| self.rations.insert((ticket, room)));
        }
        self.queued = self.queued - before.3 + after.3;
        result
    }

    /// Why a new line in a room has to wait behind lines that came before it; `Ok` when there are none.
    pub fn queue_of(&self, room: RoomId) -> Result<(), Blocked> {
        if self.full.contains(&room) {
            return Err(Blocked::LogFull);
        }
        let own = self.rooms.get(&room).is_some_and(|waiting| !waiting.rationed.is_empty());
        let until = self.rationed_until.filter(|_| own || !self.rations.is_empty());
        until.map_or(Ok(()), |from| Err(Blocked::Rationed(from)))
    }

    /// A room is freed: nobody is in it, so nobody waits for it.
    pub fn forget_room(&mut self, room: RoomId) {
        if self.rooms.contains_key(&room) {
            self.change(room, |waiting| *waiting = Waiting::default());
        }
    }

    /// Rooms whose logs were full when they were last asked.
    pub fn full_rooms(&self) -> &BTreeSet<RoomId> {
        &self.full
    }

    /// The next of them in turn.
    pub fn next_full(&mut self) -> Option<RoomId> {
        let behind = self.full_last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.full.range((behind, Bound::Unbounded)).next().or_else(|| self.full.first());
        self.full_last = next.copied();
        self.full_last
    }

    /// The log of a room has space again: the connections that wait for it may go on.
    pub fn on_space(&mut self, room: RoomId) {
        self.change(room, |waiting| waiting.log_full = false);
    }

    /// Takes out the next connection that may go on: first those for whose lines there is space again, until the log is
    /// full again, and after all others the first in the queue for a room's ration.
    pub fn next(&mut self, now: Instant) -> Option<Resume> {
        if let Some(room) = self.spaces.first() {
            let id = self.change(*room, |waiting| waiting.for_space.pop_front())?;
            return Some(Resume::First(id, Turn::Space));
        }
        if self.delayed.peek().is_some_and(|(from, _)| *from <= now) {
            return self.delayed.pop().map(|(_, id)| Resume::All(id));
        }
        let (_, room) = *self.rations.first().filter(|_| self.rationed_until.is_none_or(|from| from <= now))?;
        // The others of the room come after those of other rooms.
        let ticket = self.next_ticket();
        let id = self.change(room, |waiting| {
            waiting.ticket = ticket;
            waiting.rationed.pop_front()
        })?;
        Some(Resume::First(id, Turn::Ration))
    }

    /// When the next connection may go on.
    pub fn deadline(&self) -> Option<Instant> {
        let delayed = self.delayed.peek().map(|(from, _)| *from);
        self.rationed_until.filter(|_| !self.rations.is_empty()).into_iter().chain(delayed).min()
    }

    /// Forgets all held connections: none goes on any more.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Drops entries of freed connections when there are more than `entries_max` of a kind: looks at a piece of a queue
    /// of each such kind. True when there are too many entries left.
    pub fn forget_gone(&mut self, entries_max: usize, mut is_here: impl FnMut(ConnectionId) -> bool) -> bool {
        if self.delayed.len() > entries_max {
            self.delayed.retain_some(|(_, id)| is_here(*id));
        }
        // Queues may be short. At most a piece and what is still missing to one is looked at.
        let mut looks = 0;
        for _ in 0..PIECE_ENTRIES {
            if self.queued <= entries_max || looks >= PIECE_ENTRIES {
                break;
            }
            self.forget_some_queued(|id| {
                looks += 1;
                is_here(id)
            });
        }
        self.delayed.len() > entries_max || self.queued > entries_max
    }

    /// Looks at a piece of one room's queue.
    fn forget_some_queued(&mut self, mut is_here: impl FnMut(ConnectionId) -> bool) {
        let next = self.looked_at.and_then(|room| self.rooms.range(room..).next());
        let Some((room, _)) = next.or_else(|| self.rooms.first_key_value()) else { return };
        let room = *room;
        let is_over = self.change(room, |waiting| {
            let queue = match waiting.looked_at {
                Turn::Space => &mut waiting.for_space,
                Turn::Ration => &mut waiting.rationed,
            };
            let is_over = queue.retain_in_a_piece(|id| is_here(*id));
            match waiting.looked_at {
                _ if !is_over => false,
                Turn::Space => {
                    waiting.looked_at = Turn::Ration;
                    false
                }
                Turn::Ration => {
                    waiting.looked_at = Turn::Space;
                    true
                }
            }
        });
        self.looked_at = Some(if is_over { RoomId(room.0.wrapping_add(1)) } else { room });
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        let queues = self.rooms.values().map(|waiting| waiting.for_space.footprint() + waiting.rationed.footprint());
        self.delayed.footprint()
            + queues.sum::<usize>()
            + self.rooms.len() * size_of::<(RoomId, Waiting)>()
            + (self.full.len() + self.spaces.len()) * size_of::<RoomId>()
            + self.rations.len() * size_of::<(u64, RoomId)>()
    }

    /// The connections that wait for a room's ration, in the order of their turns. Some may have been freed.
    pub fn rationed(&self) -> impl Iterator<Item = ConnectionId> {
        self.rooms.values().flat_map(|waiting| waiting.rationed.iter().copied())
    }

    /// The entries of a connection: how many the queues for rations have, as the second number, and how many all others
    /// have.
    pub fn entries(&self, id: ConnectionId) -> (usize, usize) {
        let rooms = self.rooms.values();
        let spaces = rooms.flat_map(|waiting| waiting.for_space.iter());
        let others = spaces.filter(|held| **held == id).count();
        let delayed = self.delayed.iter().filter(|entry| entry.1 == id).count();
        (others + delayed, self.rationed().filter(|held| *held == id).count())
    }
}

/// Makes a room stand in a set exactly when `after`; it did so exactly when `before`.
fn set(rooms: &mut BTreeSet<RoomId>, room: RoomId, before: bool, after: bool) {
    if before != after {
        if after {
            rooms.insert(room)
        } else {
            rooms.remove(&room)
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::token::{Generation, Slot};

    const ROOM: RoomId = RoomId(0);
    const OTHER: RoomId = RoomId(1);

    fn id(slot: u32) -> ConnectionId {
        ConnectionId { slot: Slot(slot), generation: Generation::FIRST }
    }

    fn clock() -> impl Fn(u64) -> Instant {
        let start = Instant::now();
        move |seconds| start + Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_in_the_ration_stays_first_until_its_line_is_said() {
        let (mut held, at) = (Held::default(), clock());
        for slot in 0..3 {
            held.hold(id(slot), ROOM, Blocked::Rationed(at(5)));
        }
        assert_eq!(held.queue_of(ROOM), Err(Blocked::Rationed(at(5))));
        assert_eq!((held.next(at(4)), held.deadline()), (None, Some(at(5))));
        assert_eq!(held.next(at(5)), Some(Resume::First(id(0), Turn::Ration)));
        // There is not enough of the ration yet for its line.
        held.hold_first(id(0), ROOM, Turn::Ration, Blocked::Rationed(at(7)));
        assert_eq!((held.next(at(6)), held.deadline()), (None, Some(at(7))));
        assert_eq!(held.next(at(7)), Some(Resume::First(id(0), Turn::Ration)));
        // There is no space for it in the log: the others do not overtake it meanwhile.
        held.hold_first(id(0), ROOM, Turn::Ration, Blocked::LogFull);
        assert_eq!((held.next(at(8)), held.deadline()), (None, None));
        held.on_space(ROOM);
        assert_eq!(held.next(at(8)), Some(Resume::First(id(0), Turn::Ration)));
        // It was said. The next line of the same connection comes after those of the others.
        held.hold(id(0), ROOM, Blocked::Rationed(at(9)));
        assert_eq!(held.rationed().collect::<Vec<_>>(), [1, 2, 0].map(id));
        assert_eq!((held.next(at(8)), held.next(at(9))), (None, Some(Resume::First(id(1), Turn::Ration))));
    }

    #[test]
    fn the_only_one_in_the_ration_goes_on_after_the_log_was_full() {
        let (mut held, at) = (Held::default(), clock());
        held.hold(id(0), ROOM, Blocked::Rationed(at(1)));
        assert_eq!(held.next(at(1)), Some(Resume::First(id(0), Turn::Ration)));
        held.hold_first(id(0), ROOM, Turn::Ration, Blocked::LogFull);
        assert_eq!((held.next(at(2)), held.queue_of(ROOM)), (None, Err(Blocked::LogFull)));
        held.on_space(ROOM);
        assert_eq!(held.deadline(), Some(at(1)));
        assert_eq!((held.next(at(2)), held.next(at(2))), (Some(Resume::First(id(0), Turn::Ration)), None));
    }

    #[test]
    fn rooms_take_turns_for_the_ration_and_a_full_one_is_passed_over() {
        let (mut held, at) = (Held::default(), clock());
        let [a, b, c, d] = [0, 1, 2, 3].map(id);
        for (id, room) in [(a, ROOM), (b, ROOM), (c, OTHER)] {
            held.hold(id, room, Blocked::Rationed(at(1)));
        }
        assert_eq!(held.queue_of(RoomId(9)), Err(Blocked::Rationed(at(1))), "a line in any room comes after them");
        let first = |id| Some(Resume::First(id, Turn::Ration));
        assert_eq!(held.next(at(1)), first(a));
        // There is not enough of the ration for it: nobody overtakes it.
        held.hold_first(a, ROOM, Turn::Ration, Blocked::Rationed(at(2)));
        assert_eq!((held.next(at(1)), held.next(at(2))), (None, first(a)));
        // A line of it was said, and another waits. Now it is the turn of the other room.
        held.hold(a, ROOM, Blocked::Rationed(at(2)));
        assert_eq!(held.next(at(2)), first(c));
        held.hold(d, OTHER, Blocked::Rationed(at(2)));
        assert_eq!(held.next(at(2)), first(b));
        held.hold_first(b, ROOM, Turn::Ration, Blocked::LogFull);
        assert_eq!(held.next(at(2)), first(d), "the log of the first one's room is full");
        held.on_space(ROOM);
        assert_eq!([held.next(at(2)), held.next(at(2)), held.next(at(2))], [first(b), first(a), None]);
    }

    #[test]
    fn a_connection_is_held_again_for_another_reason() {
        let (mut held, at) = (Held::default(), clock());
        held.hold(id(0), ROOM, Blocked::OverRate(at(2)));
        held.hold(id(1), ROOM, Blocked::OverRate(at(1)));
        assert_eq!((held.next(at(0)), held.deadline()), (None, Some(at(1))));
        assert_eq!(held.next(at(1)), Some(Resume::All(id(1))));
        held.hold(id(1), ROOM, Blocked::AuthorBehind);
        assert_eq!((held.next(at(1)), held.deadline()), (None, Some(at(2))));
        held.hold(id(1), ROOM, Blocked::Rationed(at(2)));
        assert_eq!(held.next(at(2)), Some(Resume::All(id(0))), "its own rate is over, and comes first");
        assert_eq!(held.next(at(2)), Some(Resume::First(id(1), Turn::Ration)));
        assert_eq!((held.entries(id(0)), held.entries(id(1))), ((0, 0), (0, 0)));
    }

    #[test]
    fn a_full_log_holds_its_own_room_alone_and_in_order() {
        let (mut held, at) = (Held::default(), clock());
        held.hold(id(0), ROOM, Blocked::LogFull);
        assert_eq!(held.queue_of(ROOM), Err(Blocked::LogFull), "the lines of others come after it");
        held.hold(id(1), ROOM, Blocked::LogFull);
        held.hold(id(2), ROOM, Blocked::Rationed(at(0)));
        held.hold(id(3), OTHER, Blocked::Rationed(at(0)));
        assert_eq!(held.queue_of(OTHER), Err(Blocked::Rationed(at(0))));
        assert_eq!(held.next(at(0)), Some(Resume::First(id(3), Turn::Ration)));
        assert_eq!((held.next(at(0)), held.queue_of(OTHER)), (None, Ok(())));
        assert!(held.full_rooms().iter().eq([&ROOM]));
        held.hold(id(4), RoomId(7), Blocked::LogFull);
        assert_eq!([(); 3].map(|()| held.next_full()), [Some(ROOM), Some(RoomId(7)), Some(ROOM)], "each has its turn");
        held.on_space(RoomId(7));
        assert_eq!(held.next(at(0)), Some(Resume::First(id(4), Turn::Space)));
        held.on_space(ROOM);
        assert_eq!(held.next(at(0)), Some(Resume::First(id(0), Turn::Space)));
        // The log is full again before a line of it was said: it stays the first, and the others are not tried.
        held.hold_first(id(0), ROOM, Turn::Space, Blocked::LogFull);
        assert_eq!(held.next(at(0)), None);
        held.on_space(ROOM);
        let resumed: Vec<Resume> = std::iter::from_fn(|| held.next(at(0))).collect();
        let spaces = [0, 1].map(|slot| Resume::First(id(slot), Turn::Space));
        assert_eq!(resumed, [&spaces[..], &[Resume::First(id(2), Turn::Ration)]].concat());
        assert_eq!((held.full_rooms().len(), held.queue_of(ROOM)), (0, Ok(())));
    }

    #[test]
    fn entries_of_freed_connections_are_dropped_beyond_a_bound() {
        let (mut held, at) = (Held::default(), clock());
        for slot in 0..1000 {
            held.hold(id(slot), ROOM, Blocked::Rationed(at(1)));
            held.hold(id(slot), ROOM, Blocked::OverRate(at(1)));
            held.hold(id(slot), ROOM, Blocked::LogFull);
        }
        let is_here = |id: ConnectionId| id.slot.0 >= 998;
        assert!(!held.forget_gone(2000, is_here));
        assert_eq!(held.entries(id(0)), (2, 1), "there are no more entries than there may be");
        while held.forget_gone(10, is_here) {}
        held.on_space(ROOM);
        let resumed: Vec<Resume> = std::iter::from_fn(|| held.next(at(1))).collect();
        let [first, second] = [998, 999].map(id);
        let first_of = |turn| [first, second].map(|id| Resume::First(id, turn));
        let all = [first, second].map(Resume::All);
        assert_eq!(resumed, [first_of(Turn::Space), all, first_of(Turn::Ration)].concat());
        assert_eq!(held.deadline(), None);
    }

    #[test]
    fn entries_of_freed_connections_are_dropped_a_piece_at_a_time_in_every_room() {
        let (mut held, at) = (Held::default(), clock());
        let rooms = 7;
        let entries = 20 * PIECE_ENTRIES as u32;
        for slot in 0..entries {
            let reason = if slot % 2 == 0 { Blocked::LogFull } else { Blocked::Rationed(at(1)) };
            held.hold(id(slot), RoomId(slot / 2 % rooms), reason);
        }
        let mut looks_max = 0;
        let turns = (1..1000).find(|_| {
            let mut looks = 0;
            let goes_on = held.forget_gone(100, |id| {
                looks += 1;
                id.slot.0 >= entries - 20
            });
            looks_max = looks_max.max(looks);
            !goes_on
        });
        assert!(turns.is_some() && looks_max < 2 * PIECE_ENTRIES, "{looks_max} in a turn, {turns:?} turns");
        let left = (0..entries).filter(|slot| held.entries(id(*slot)) != (0, 0)).count();
        assert!((20..=100).contains(&left), "{left} are left");
        assert!((entries - 20..entries).all(|slot| held.entries(id(slot)) != (0, 0)), "those that are here stay");
    }
}
