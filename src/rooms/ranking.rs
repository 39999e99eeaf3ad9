//! The rooms in order of how many are in each, largest first. A join or leave changes a number by one, and so swaps two
//! rooms at most: it costs the same with any number of rooms, as does a page of the list. When members of another node
//! come and go at once, a room passes each size that is between.

use std::collections::HashMap;

use crate::token::RoomId;

#[derive(Debug, Default)]
pub(super) struct Ranking {
    /// Largest first; those of one size stand together.
    order: Vec<RoomId>,
    /// Where each room stands in it, by its index.
    places: Vec<Place>,
    /// By size: where the rooms of that size end, for sizes that a room has.
    ends: HashMap<u32, usize>,
    /// By size: where they begin.
    starts: HashMap<u32, usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    at: usize,
    size: u32,
}

impl Ranking {
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// A room that nobody is in.
    pub fn insert(&mut self, room: RoomId) {
        let at = self.order.len();
        self.order.push(room);
        if self.places.len() <= room.0 as usize {
            self.places.resize(room.0 as usize + 1, Place::default());
        }
        self.put(room, Place { at, size: 0 });
        self.starts.entry(0).or_insert(at);
        self.ends.insert(0, at + 1);
    }

    /// Takes out a room that nobody is in.
    pub fn remove(&mut self, room: RoomId) {
        let Place { at, size } = self.place(room);
        assert_eq!(size, 0, "nobody is in a room that is freed");
        let last = self.order.len() - 1;
        self.swap(at, last);
        self.order.pop();
        self.end_group(0, last);
    }

    /// Somebody has joined.
    pub fn grow(&mut self, room: RoomId) {
        self.set(room, self.place(room).size + 1);
    }

    /// Somebody has left.
    pub fn shrink(&mut self, room: RoomId) {
        self.set(room, self.place(room).size - 1);
    }

    /// So many are in a room now. It passes all sizes that rooms have between this one and the one before, a step each.
    pub fn set(&mut self, room: RoomId, size: u32) {
        while self.place(room).size < size {
            self.raise(room, size);
        }
        while self.place(room).size > size {
            self.lower(room, size);
        }
    }

    /// Gives a room the next larger size that a room has, or `size_max` if that is less.
    fn raise(&mut self, room: RoomId, size_max: u32) {
        let Place { at, size } = self.place(room);
        let first = self.starts[&size];
        self.swap(at, first);
        let larger = first.checked_sub(1).map(|before| self.place(self.order[before]).size);
        let next = larger.unwrap_or(size_max).min(size_max);
        // The first of its group is now the last of the group before.
        self.begin_group(size, first + 1);
        self.starts.entry(next).or_insert(first);
        self.ends.insert(next, first + 1);
        self.put(room, Place { at: first, size: next });
    }

    /// Gives a room the next smaller size that a room has, or `size_min` if that is more.
    fn lower(&mut self, room: RoomId, size_min: u32) {
        let Place { at, size } = self.place(room);
        let last = self.ends[&size] - 1;
        self.swap(at, last);
        let smaller = self.order.get(last + 1).map(|after| self.place(*after).size);
        let next = smaller.unwrap_or(size_min).max(size_min);
        self.end_group(size, last);
        self.starts.insert(next, last);
        self.ends.entry(next).or_insert(last + 1);
        self.put(room, Place { at: last, size: next });
    }

    /// The rooms from place `start` on, largest first.
    pub fn from(&self, start: usize) -> impl Iterator<Item = RoomId> {
        self.order.iter().copied().skip(start)
    }

    /// How many rooms have at least so many members. It takes a number of steps that grows with the logarithm of theirs.
    pub fn of_at_least(&self, members: usize) -> usize {
        self.order.partition_point(|room| self.place(*room).size as usize >= members)
    }

    fn place(&self, room: RoomId) -> Place {
        self.places[room.0 as usize]
    }

    fn put(&mut self, room: RoomId, place: Place) {
        self.places[room.0 as usize] = place;
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.order.swap(one, other);
        for at in [one, other] {
            self.places[self.order[at].0 as usize].at = at;
        }
    }

    /// The rooms of a size begin at `start` now; none may be left.
    fn begin_group(&mut self, size: u32, start: usize) {
        if self.ends[&size] == start {
            self.starts.remove(&size);
            self.ends.remove(&size);
        } else {
            self.starts.insert(size, start);
        }
    }

    /// The rooms of a size end at `end` now; none may be left.
    fn end_group(&mut self, size: u32, end: usize) {
        if self.starts[&size] == end {
            self.starts.remove(&size);
            self.ends.remove(&size);
        } else {
            self.ends.insert(size, end);
        }
    }

    /// Memory in use, in bytes, as exactly as hash tables tell.
    pub fn footprint(&self) -> usize {
        self.order.capacity() * size_of::<RoomId>()
            + self.places.capacity() * size_of::<Place>()
            + (self.starts.capacity() + self.ends.capacity()) * (size_of::<(u32, usize)>() + 1)
    }

    /// Panics when the order is not that of the sizes.
    pub fn invariants(&self, size_of: impl Fn(RoomId) -> usize) {
        assert!(self.order.is_sorted_by_key(|room| std::cmp::Reverse(self.place(*room).size)), "largest first");
        for (at, room) in self.order.iter().enumerate() {
            let place = self.place(*room);
            assert_eq!((place.at, place.size as usize), (at, size_of(*room)), "a room stands where it is thought to");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Compared with a plain map of sizes.
        #[test]
        fn rooms_stand_in_order_of_their_sizes(steps in prop::collection::vec((0..6u32, 0..12u8), 0..300)) {
            let mut ranking = Ranking::default();
            let mut sizes: HashMap<RoomId, usize> = HashMap::new();
            for (room, what) in steps {
                let room = RoomId(room);
                match (sizes.get(&room).copied(), what) {
                    (None, _) => {
                        ranking.insert(room);
                        sizes.insert(room, 0);
                    }
                    (Some(0), 0) => {
                        ranking.remove(room);
                        sizes.remove(&room);
                    }
                    (Some(_), size) if size > 3 => {
                        ranking.set(room, u32::from(size) - 4);
                        sizes.insert(room, usize::from(size) - 4);
                    }
                    (Some(size), 1) if size > 0 => {
                        ranking.shrink(room);
                        sizes.insert(room, size - 1);
                    }
                    (Some(size), _) => {
                        ranking.grow(room);
                        sizes.insert(room, size + 1);
                    }
                }
                ranking.invariants(|room| sizes[&room]);
                prop_assert_eq!(ranking.len(), sizes.len());
                for members in 0..9 {
                    let expected = sizes.values().filter(|size| **size >= members).count();
                    prop_assert_eq!(ranking.of_at_least(members), expected);
                }
                prop_assert_eq!(ranking.from(1).count(), sizes.len().saturating_sub(1));
            }
        }
    }
}
