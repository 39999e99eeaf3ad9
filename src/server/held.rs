//! Held connections: each stands in the queue of its reason, and is not looked at before that reason has passed.
//!
//! A full log and a ration are a room's own: members of other rooms go on meanwhile. A connection that waits for its
//! own reading is in no queue: the sweep calls [`Held::resume`] once it has read.
//!
//! 1. A held connection has one entry here, and none while it waits for its own reading.
//! 2. The first connection in either queue of a room, for space or for the ration, stays first until a line of it is said.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Instant;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// For space in the log. All that it has waiting may be said.
    Space,
    /// For the ration. One line may be said, and then it is the turn of the next.
    Ration,
}

#[derive(Debug, Default)]
pub struct Held {
    /// Connections that may go on now.
    resumable: VecDeque<ConnectionId>,
    /// Connections over their own rate, each with the moment from which it may go on, soonest first.
    delayed: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
    /// Rooms that connections wait for, or whose logs are full.
    rooms: BTreeMap<RoomId, Waiting>,
}

/// The connections that wait for one room.
#[derive(Debug, Default)]
struct Waiting {
    /// True exactly from when a line found the log full until it has space again.
    log_full: bool,
    /// Connections whose lines found the log full, or came while it was full, in that order.
    for_space: VecDeque<ConnectionId>,
    /// Connections that wait for the room's ration, in the order of their turns.
    rationed: VecDeque<ConnectionId>,
    /// From when on the first of them may be tried; meaningless while the queue is empty.
    rationed_until: Option<Instant>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        !self.log_full && self.for_space.is_empty() && self.rationed.is_empty()
    }

    /// True when connections may go on that waited for space.
    fn has_space_for_some(&self) -> bool {
        !self.log_full && !self.for_space.is_empty()
    }

    /// From when on the first connection in the queue for the ration may be tried; `None` while there is none, or while
    /// the log is full.
    fn ration_from(&self) -> Option<Instant> {
        self.rationed_until.filter(|_| !self.rationed.is_empty() && !self.log_full)
    }
}

impl Held {
    /// Holds a member of a room until a reason has passed.
    pub fn hold(&mut self, id: ConnectionId, room: RoomId, reason: Blocked) {
        match reason {
            Blocked::LogFull => {
                let waiting = self.rooms.entry(room).or_default();
                waiting.log_full = true;
                waiting.for_space.push_back(id);
            }
            Blocked::AuthorBehind => {}
            Blocked::OverRate(from) => self.delayed.push(Reverse((from, id))),
            Blocked::Rationed(from) => {
                let waiting = self.rooms.entry(room).or_default();
                let before = waiting.rationed_until.filter(|_| !waiting.rationed.is_empty());
                waiting.rationed_until = before.max(Some(from));
                waiting.rationed.push_back(id);
            }
        }
    }

    /// Puts back the connection of a [`Resume::First`] of which no line was said. It stays the first for the ration also when it
    /// now waits for another reason.
    pub fn hold_first(&mut self, id: ConnectionId, room: RoomId, turn: Turn, reason: Blocked, now: Instant) {
        let waiting = self.rooms.entry(room).or_default();
        match reason {
            Blocked::Rationed(from) => waiting.rationed_until = Some(from),
            Blocked::LogFull => {
                waiting.log_full = true;
                // Nothing is remembered of a queue that it was alone in. There is enough of the ration by now.
                waiting.rationed_until.get_or_insert(now);
            }
            Blocked::AuthorBehind | Blocked::OverRate(_) => {}
        }
        match turn {
            Turn::Space => waiting.for_space.push_front(id),
            Turn::Ration => waiting.rationed.push_front(id),
        }
    }

    /// Why a new line in a room has to wait behind lines that came before it; `Ok` when there are none.
    pub fn queue_of(&self, room: RoomId) -> Result<(), Blocked> {
        let Some(waiting) = self.rooms.get(&room) else { return Ok(()) };
        if waiting.log_full {
            return Err(Blocked::LogFull);
        }
        waiting.ration_from().map_or(Ok(()), |from| Err(Blocked::Rationed(from)))
    }

    /// A held connection may go on.
    pub fn resume(&mut self, id: ConnectionId) {
        self.resumable.push_back(id);
    }

    /// True while a held connection may go on now.
    pub fn has_resumable(&self) -> bool {
        !self.resumable.is_empty()
    }

    /// Rooms whose logs were full when they were last asked.
    pub fn full_rooms(&self) -> impl Iterator<Item = RoomId> {
        self.rooms.iter().filter(|(_, waiting)| waiting.log_full).map(|(room, _)| *room)
    }

    /// The log of a room has space again: the connections that wait for it may go on.
    pub fn on_space(&mut self, room: RoomId) {
        if let Some(waiting) = self.rooms.get_mut(&room) {
            waiting.log_full = false;
        }
        self.forget_empty(room);
    }

    /// Takes out the next connection that may go on: first those for whose lines there is space again, until the log is full
    /// again, and after all others the first in the queue for a room's ration.
    pub fn next(&mut self, now: Instant) -> Option<Resume> {
        if let Some((room, waiting)) = self.rooms.iter_mut().find(|(_, waiting)| waiting.has_space_for_some()) {
            let (room, id) = (*room, waiting.for_space.pop_front()?);
            self.forget_empty(room);
            return Some(Resume::First(id, Turn::Space));
        }
        if let Some(id) = self.resumable.pop_front() {
            return Some(Resume::All(id));
        }
        if self.delayed.peek().is_some_and(|Reverse((from, _))| *from <= now) {
            return self.delayed.pop().map(|Reverse((_, id))| Resume::All(id));
        }
        let mut rooms = self.rooms.iter_mut();
        let (room, waiting) = rooms.find(|(_, waiting)| waiting.ration_from().is_some_and(|from| from <= now))?;
        let (room, id) = (*room, waiting.rationed.pop_front()?);
        self.forget_empty(room);
        Some(Resume::First(id, Turn::Ration))
    }

    /// When the next connection may go on.
    pub fn deadline(&self) -> Option<Instant> {
        let delayed = self.delayed.peek().map(|Reverse((from, _))| *from);
        self.rooms.values().filter_map(Waiting::ration_from).chain(delayed).min()
    }

    /// Forgets all held connections: none goes on any more.
    pub fn forget(&mut self) {
        self.resumable.clear();
        self.delayed.clear();
        self.rooms.clear();
    }

    /// Drops the entries of freed connections from queues with more than `entries_max` entries.
    pub fn forget_gone(&mut self, entries_max: usize, mut is_here: impl FnMut(ConnectionId) -> bool) {
        if self.delayed.len() > entries_max {
            self.delayed.retain(|Reverse((_, id))| is_here(*id));
        }
        let rooms = self.rooms.values_mut();
        let queues = rooms.flat_map(|waiting| [&mut waiting.for_space, &mut waiting.rationed]);
        for queue in queues.chain([&mut self.resumable]) {
            if queue.len() > entries_max {
                queue.retain(|id| is_here(*id));
            }
        }
    }

    fn forget_empty(&mut self, room: RoomId) {
        if self.rooms.get(&room).is_some_and(Waiting::is_empty) {
            self.rooms.remove(&room);
        }
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        let rooms = self.rooms.values();
        let queued = rooms.clone().map(|waiting| waiting.for_space.capacity() + waiting.rationed.capacity());
        (self.resumable.capacity() + queued.sum::<usize>()) * size_of::<ConnectionId>()
            + self.delayed.capacity() * size_of::<(Instant, ConnectionId)>()
            + rooms.len() * size_of::<(RoomId, Waiting)>()
    }

    /// The connections that wait for a room's ration, in the order of their turns. Some may have been freed.
    pub fn rationed(&self) -> impl Iterator<Item = ConnectionId> {
        self.rooms.values().flat_map(|waiting| waiting.rationed.iter().copied())
    }

    /// The entries of a connection: how many the queues for rations have, as the second number, and how many all others
    /// have.
    pub fn entries(&self, id: ConnectionId) -> (usize, usize) {
        let rooms = self.rooms.values();
        let spaces = rooms.flat_map(|waiting| &waiting.for_space).chain(&self.resumable);
        let others = spaces.filter(|held| **held == id).count();
        let delayed = self.delayed.iter().filter(|entry| entry.0.1 == id).count();
        (others + delayed, self.rationed().filter(|held| *held == id).count())
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
        held.hold_first(id(0), ROOM, Turn::Ration, Blocked::Rationed(at(7)), at(5));
        assert_eq!((held.next(at(6)), held.deadline()), (None, Some(at(7))));
        assert_eq!(held.next(at(7)), Some(Resume::First(id(0), Turn::Ration)));
        // There is no space for it in the log: the others do not overtake it meanwhile.
        held.hold_first(id(0), ROOM, Turn::Ration, Blocked::LogFull, at(7));
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
        held.hold_first(id(0), ROOM, Turn::Ration, Blocked::LogFull, at(1));
        assert_eq!((held.next(at(2)), held.queue_of(ROOM)), (None, Err(Blocked::LogFull)));
        held.on_space(ROOM);
        assert_eq!(held.deadline(), Some(at(1)));
        assert_eq!((held.next(at(2)), held.next(at(2))), (Some(Resume::First(id(0), Turn::Ration)), None));
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
        held.resume(id(1));
        assert!(held.has_resumable());
        assert_eq!(held.next(at(2)), Some(Resume::All(id(1))));
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
        assert_eq!(held.full_rooms().collect::<Vec<_>>(), [ROOM]);
        held.on_space(ROOM);
        assert_eq!(held.next(at(0)), Some(Resume::First(id(0), Turn::Space)));
        // The log is full again before a line of it was said: it stays the first, and the others are not tried.
        held.hold_first(id(0), ROOM, Turn::Space, Blocked::LogFull, at(0));
        assert_eq!(held.next(at(0)), None);
        held.on_space(ROOM);
        let resumed: Vec<Resume> = std::iter::from_fn(|| held.next(at(0))).collect();
        let spaces = [0, 1].map(|slot| Resume::First(id(slot), Turn::Space));
        assert_eq!(resumed, [&spaces[..], &[Resume::First(id(2), Turn::Ration)]].concat());
        assert_eq!((held.full_rooms().count(), held.queue_of(ROOM)), (0, Ok(())));
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
        held.forget_gone(1000, is_here);
        assert_eq!(held.entries(id(0)), (2, 1), "no queue has more entries than it may");
        held.forget_gone(10, is_here);
        held.on_space(ROOM);
        let resumed: Vec<Resume> = std::iter::from_fn(|| held.next(at(1))).collect();
        let [first, second] = [998, 999].map(id);
        let first_of = |turn| [first, second].map(|id| Resume::First(id, turn));
        let all = [first, second].map(Resume::All);
        assert_eq!(resumed, [first_of(Turn::Space), all, first_of(Turn::Ration)].concat());
        assert_eq!(held.deadline(), None);
    }
}
