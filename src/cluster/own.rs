//! What this node tells the others of its rooms, and when: totals of those that have changed, once a second, and every
//! few seconds those of all, in parts as large as a beat, so that what was lost on its way is right again. Pure: the time
//! is passed in.
//!
//! 1. Totals of a room grow as long as it is told of. One that nobody is in is forgotten a round after it
//!    was told: the span that it is in says then that nobody is there. If somebody comes again, its totals begin anew.
//! 2. Rooms that have changed take turns, in the order of their names: a busy one keeps no other from being told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Instant;

use super::beat::{Counts, Span, Totals};
use crate::limits::{BEAT_INTERVAL, BEAT_INTERVAL_QUIET, BEAT_PAUSE, BEAT_ROOMS_MAX, BEAT_ROUND, TOLD_EMPTY_MAX};
use crate::names::RoomName;

#[derive(Debug)]
pub struct Own {
    rooms: BTreeMap<RoomName, Entry>,
    /// Rooms whose totals have changed since they were told.
    changed: BTreeSet<RoomName>,
    /// Rooms of totals that nobody is in.
    empty: BTreeSet<RoomName>,
    /// The room of `changed` that was told last.
    told: Option<RoomName>,
    /// The count of the last beat.
    count: u64,
    /// When the next beat is looked for.
    due: Instant,
    /// When the last beat was said.
    said: Option<Instant>,
    round: Round,
    /// True when all rooms are to be told once more after this round.
    again: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    totals: Totals,
    /// True when it was told in a round that nobody was in it. The next one forgets it.
    is_idle: bool,
}

#[derive(Clone, Copy, Debug)]
enum Round {
    /// It began then, and is over.
    Over { began: Instant },
    /// It was asked for, or none began yet.
    Asked,
    /// It began then, and has told of all rooms up to this one.
    Goes { began: Instant, behind: Option<RoomName> },
}

impl Own {
    /// Totals of rooms that nobody has entered yet.
    pub fn new(now: Instant) -> Self {
        Self {
            rooms: BTreeMap::new(),
            changed: BTreeSet::new(),
            empty: BTreeSet::new(),
            told: None,
            count: 0,
            due: now,
            said: None,
            round: Round::Asked,
            again: false,
        }
    }

    pub fn entered(&mut self, room: RoomName) {
        let entry = self.rooms.entry(room).or_default();
        entry.totals.entered += 1;
        entry.is_idle = false;
        self.empty.remove(&room);
        self.changed.insert(room);
    }

    /// Somebody has left who has entered.
    pub fn left(&mut self, room: RoomName) {
        let entry = self.rooms.get_mut(&room).expect("somebody is in it");
        entry.totals.left += 1;
        assert!(entry.totals.left <= entry.totals.entered, "those that leave have entered");
        self.changed.insert(room);
        if entry.totals.online() == 0 {
            self.empty.insert(room);
            if self.empty.len() > TOLD_EMPTY_MAX
                && let Some(first) = self.empty.pop_first()
            {
                self.rooms.remove(&first);
                self.changed.remove(&first);
            }
        }
    }

    /// Tells of all rooms at once, since somebody asks. A round that goes on is told to its end first, so that nobody
    /// who asks all the time keeps the last rooms from being told.
    pub fn ask(&mut self, now: Instant) {
        if matches!(self.round, Round::Goes { .. }) {
            self.again = true;
        } else {
            self.round = Round::Asked;
        }
        let soon = self.said.map_or(now, |said| said + BEAT_PAUSE);
        self.due = self.due.min(soon.max(now));
    }

    /// How many are in a room here, as others are told it.
    pub fn online(&self, room: RoomName) -> u64 {
        self.rooms.get(&room).map_or(0, |entry| entry.totals.online())
    }

    /// When [`Own::next`] is to be called.
    pub fn deadline(&self) -> Instant {
        self.due
    }

    /// Nothing can be told now: it is looked again later.
    pub fn wait(&mut self, now: Instant) {
        self.due = now + BEAT_INTERVAL;
    }

    /// The count of the last word. That of a word which is no beat is one more.
    pub fn next_count(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// What the next beat has, if it is due.
    pub fn next(&mut self, now: Instant) -> Option<Counts> {
        if self.due > now {
            return None;
        }
        let behind = match self.round {
            Round::Over { began } if now < began + BEAT_ROUND => None,
            Round::Over { .. } | Round::Asked => Some((now, None)),
            Round::Goes { began, behind } => Some((began, behind)),
        };
        let is_quiet = self.said.is_some_and(|said| now < said + BEAT_INTERVAL_QUIET);
        if behind.is_none() && self.changed.is_empty() && is_quiet {
            self.due = now + BEAT_INTERVAL;
            return None;
        }
        let mut rooms = Vec::new();
        self.tell_changed(&mut rooms);
        let span = behind.and_then(|(began, behind)| self.tell_all(began, behind, &mut rooms));
        let has_more = !self.changed.is_empty() || !matches!(self.round, Round::Over { .. });
        self.due = now + if has_more { BEAT_PAUSE } else { BEAT_INTERVAL };
        self.said = Some(now);
        Some(Counts { count: self.next_count(), rooms, span })
    }

    fn tell_changed(&mut self, rooms: &mut Vec<(RoomName, Totals)>) {
        while rooms.len() < BEAT_ROOMS_MAX {
            let after = self.told.map_or(Bound::Unbounded, Bound::Excluded);
            let next = self.changed.range((after, Bound::Unbounded)).next().or_else(|| self.changed.first());
            let Some(room) = next.copied() else { return };
            self.changed.remove(&room);
            self.told = Some(room);
            rooms.push((room, self.rooms[&room].totals));
        }
    }

    /// Goes on with the round, as far as the beat has room.
    fn tell_all(
        &mut self,
        began: Instant,
        behind: Option<RoomName>,
        rooms: &mut Vec<(RoomName, Totals)>,
    ) -> Option<Span> {
        let left = BEAT_ROOMS_MAX - rooms.len();
        self.round = Round::Goes { began, behind };
        if left == 0 {
            return None;
        }
        let after = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let mut part = self.rooms.range_mut((after, Bound::Unbounded));
        let (mut last, mut idle) = (None, Vec::new());
        for (room, entry) in part.by_ref().take(left) {
            last = Some(*room);
            if entry.totals.online() == 0 && std::mem::replace(&mut entry.is_idle, true) {
                idle.push(*room);
            } else {
                rooms.push((*room, entry.totals));
            }
            self.changed.remove(room);
        }
        let is_over = part.next().is_none();
        for room in idle {
            self.rooms.remove(&room);
            self.empty.remove(&room);
        }
        self.round = match is_over {
            false => Round::Goes { began, behind: last },
            true if std::mem::take(&mut self.again) => Round::Asked,
            true => Round::Over { began },
        };
        Some(Span { behind, last: last.filter(|_| !is_over) })
    }

    /// Panics when the lists do not belong together.
    pub fn invariants(&self) {
        assert!(self.changed.iter().all(|room| self.rooms.contains_key(room)), "what has changed has totals");
        let empty = self.rooms.iter().filter(|(_, entry)| entry.totals.online() == 0).map(|(room, _)| room);
        assert!(empty.eq(self.empty.iter()), "rooms that nobody is in are listed");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    fn totals(entered: u64, left: u64) -> Totals {
        Totals { entered, left }
    }

    #[test]
    fn a_change_is_told_within_a_second_and_silence_every_two() {
        let start = Instant::now();
        let mut own = Own::new(start);
        let at = |millis| start + Duration::from_millis(millis);
        own.entered(room("den"));
        let first = own.next(start).unwrap();
        assert_eq!(
            (first.count, first.rooms.len(), first.span),
            (1, 2, Some(Span::default())),
            "as a change, and with all"
        );
        own.entered(room("den"));
        own.left(room("den"));
        assert_eq!((own.next(at(999)), own.deadline()), (None, at(1000)));
        let second = own.next(at(1000)).unwrap();
        assert_eq!(second, Counts { count: 2, rooms: vec![(room("den"), totals(2, 1))], span: None });
        let said: Vec<(u64, bool)> = (2..9)
            .filter_map(|second| own.next(at(second * 1000)).map(|counts| (second, counts.span.is_some())))
            .collect();
        assert_eq!(said, [(3, false), (5, true), (7, false)]);
    }

    #[test]
    fn what_asks_is_told_of_all_rooms_at_once() {
        let start = Instant::now();
        let mut own = Own::new(start);
        own.entered(room("den"));
        own.next(start);
        let now = start + Duration::from_millis(300);
        own.ask(now);
        assert_eq!(own.deadline(), now);
        assert_eq!(own.next(now).unwrap().rooms, [(room("den"), totals(1, 0))]);
        own.ask(now);
        assert_eq!((own.deadline(), own.next(now)), (now + BEAT_PAUSE, None), "asking all the time costs no more");
    }

    #[test]
    fn who_asks_all_the_time_keeps_no_room_from_being_told() {
        let start = Instant::now();
        let mut own = Own::new(start);
        let rooms: Vec<RoomName> = (0..3 * BEAT_ROOMS_MAX).map(|number| room(&format!("r{number:05}"))).collect();
        rooms.iter().for_each(|room| own.entered(*room));
        let (mut ends, mut now) = (0, start);
        for _ in 0..20 {
            let counts = own.next(now).unwrap();
            ends += usize::from(counts.span.is_some_and(|span| span.last.is_none()));
            own.ask(now);
            now = own.deadline();
        }
        assert_eq!(ends, 5, "three beats of changes, and then a round in three");
    }

    #[test]
    fn many_rooms_are_told_in_parts_and_a_busy_one_keeps_none_from_being_told() {
        let start = Instant::now();
        let mut own = Own::new(start);
        assert_eq!(own.next(start).map(|counts| counts.rooms.len()), Some(0));
        let rooms: Vec<RoomName> = (0..2 * BEAT_ROOMS_MAX).map(|number| room(&format!("r{number:05}"))).collect();
        let mut heard = BTreeMap::new();
        let mut now = start;
        for _ in 0..4 {
            rooms.iter().take(BEAT_ROOMS_MAX).chain(rooms.last()).for_each(|room| own.entered(*room));
            now += BEAT_INTERVAL;
            let counts = own.next(now).unwrap();
            assert!(counts.rooms.len() <= BEAT_ROOMS_MAX);
            heard.extend(counts.rooms);
        }
        assert!(heard.contains_key(rooms.last().unwrap()), "the last in the order had its turn");
        rooms.iter().for_each(|room| own.entered(*room));
        // A round is told in as many beats as it needs, with a short pause between two, and the spans have no gap.
        now += BEAT_ROUND;
        let (mut behind, mut beats, mut told) = (None, 0, BTreeSet::new());
        loop {
            let counts = own.next(now).unwrap();
            now = own.deadline();
            beats += 1;
            told.extend(counts.rooms.iter().map(|(room, _)| *room));
            let Some(span) = counts.span else { continue };
            assert_eq!(span.behind, behind);
            behind = span.last;
            if behind.is_none() {
                break;
            }
        }
        assert_eq!((told.len(), beats), (rooms.len(), 4), "each twice: as a change, and with all");
        assert_eq!(now, own.deadline());
        own.invariants();
    }

    #[test]
    fn a_room_that_nobody_is_in_is_forgotten_after_it_was_told() {
        let start = Instant::now();
        let mut own = Own::new(start);
        let den = room("den");
        own.entered(den);
        own.left(den);
        let rounds: Vec<usize> =
            (0..3).map(|round| own.next(start + BEAT_ROUND * round).unwrap().rooms.len()).collect();
        assert_eq!(rounds, [2, 0, 0], "as a change, and with all");
        assert!(own.rooms.is_empty());
        own.entered(den);
        assert_eq!(own.rooms[&den].totals, totals(1, 0));
        for number in 0..2 * TOLD_EMPTY_MAX {
            let room = room(&format!("r{number}"));
            own.entered(room);
            own.left(room);
        }
        own.invariants();
        assert_eq!((own.rooms.len(), own.changed.len()), (TOLD_EMPTY_MAX + 1, TOLD_EMPTY_MAX + 1));
    }
}
