//! Rooms in the order in which somebody last spoke in them, the quietest first. To move a room costs the same however
//! many there are.

use crate::token::RoomId;

/// The neighbours of a room.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    listed: bool,
    previous: Option<RoomId>,
    next: Option<RoomId>,
}

#[derive(Debug, Default)]
pub struct Quiet {
    /// By room.
    places: Vec<Place>,
    first: Option<RoomId>,
    last: Option<RoomId>,
}

impl Quiet {
    /// The room that was quiet for the longest.
    pub fn first(&self) -> Option<RoomId> {
        self.first
    }

    /// The one that was quiet for the next longest.
    pub fn next(&self, room: RoomId) -> Option<RoomId> {
        self.place(room).next
    }

    pub fn contains(&self, room: RoomId) -> bool {
        self.places.get(room.0 as usize).is_some_and(|place| place.listed)
    }

    /// Somebody spoke in a room, or it is new here: it is the last from now on.
    pub fn push_last(&mut self, room: RoomId) {
        if self.last == Some(room) {
            return;
        }
        self.remove(room);
        if self.places.len() <= room.0 as usize {
            self.places.resize(room.0 as usize + 1, Place::default());
        }
        let previous = self.last.replace(room);
        *self.place_mut(room) = Place { listed: true, previous, next: None };
        match previous {
            None => self.first = Some(room),
            Some(previous) => self.place_mut(previous).next = Some(room),
        }
    }

    /// Takes a room out, if it is in.
    pub fn remove(&mut self, room: RoomId) {
        if !self.contains(room) {
            return;
        }
        let Place { previous, next, .. } = std::mem::take(self.place_mut(room));
        match previous {
            None => self.first = next,
            Some(previous) => self.place_mut(previous).next = next,
        }
        match next {
            None => self.last = previous,
            Some(next) => self.place_mut(next).previous = previous,
        }
    }

    fn place(&self, room: RoomId) -> &Place {
        &self.places[room.0 as usize]
    }

    fn place_mut(&mut self, room: RoomId) -> &mut Place {
        &mut self.places[room.0 as usize]
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
    }

    /// All rooms in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = RoomId> {
        std::iter::successors(self.first, |room| self.next(*room))
    }

    /// Panics when it is not linked as it must be.
    pub fn invariants(&self) {
        let mut previous = None;
        for room in self.iter() {
            let place = self.place(room);
            assert!(place.listed && place.previous == previous, "rooms are linked both ways");
            previous = Some(room);
        }
        assert_eq!(self.last, previous, "the last is known");
        assert_eq!(self.iter().count(), self.places.iter().filter(|place| place.listed).count());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Compared with a plain vector.
        #[test]
        fn the_room_that_was_quiet_for_the_longest_comes_first(steps in prop::collection::vec((any::<bool>(), 0..6u32), 0..60)) {
            let (mut quiet, mut plain) = (Quiet::default(), Vec::new());
            for (speaks, room) in steps {
                let room = RoomId(room);
                plain.retain(|other| *other != room);
                if speaks {
                    quiet.push_last(room);
                    plain.push(room);
                } else {
                    quiet.remove(room);
                }
                quiet.invariants();
                prop_assert_eq!(quiet.iter().collect::<Vec<_>>(), plain.clone());
                prop_assert_eq!(quiet.contains(room), speaks);
            }
        }
    }
}
