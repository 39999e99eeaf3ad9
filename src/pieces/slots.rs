//! Entries by index, which is given out when they are inserted and may be given out again after they were removed.
//!
//! They stand in chunks, each a slab that never moves its entries. A newcomer goes into the lowest chunk that has room,
//! so that the chunks behind it empty as others go. The memory of an empty chunk goes back, but for one.

use slab::Slab;

use crate::limits::SLOTS_CHUNK;

/// The bits of an index that are the place in a chunk.
const PLACE_BITS: u32 = SLOTS_CHUNK.ilog2();
const _: () = assert!(SLOTS_CHUNK.is_power_of_two());

fn chunk_of(index: u32) -> usize {
    (index >> PLACE_BITS) as usize
}

fn place_of(index: u32) -> usize {
    index as usize & (SLOTS_CHUNK - 1)
}

fn index_of(chunk: usize, place: usize) -> u32 {
    u32::try_from(chunk << PLACE_BITS | place).expect("entries are bounded by connections")
}

#[derive(Debug)]
struct Chunk<T> {
    slab: Slab<T>,
    /// Places that were taken at any time, and so are memory in use.
    touched: usize,
}

impl<T> Chunk<T> {
    /// A chunk without memory.
    const NONE: Self = Self { slab: Slab::new(), touched: 0 };

    /// Reserves address space. Memory is used only as entries come.
    fn reserve(entries_max: usize) -> Self {
        Self { slab: Slab::with_capacity(entries_max), touched: 0 }
    }

    fn has_memory(&self) -> bool {
        self.slab.capacity() > 0
    }
}

#[derive(Debug)]
pub struct Slots<T> {
    /// Those in the middle that are empty have no memory. The last one is not empty, or is the only one.
    chunks: Vec<Chunk<T>>,
    /// An emptied chunk. It is kept so that entries that come and go where a chunk begins do not have one made and
    /// freed each time.
    spare: Option<Chunk<T>>,
    /// The chunks below this one are full.
    with_room: usize,
    len: usize,
}

impl<T> Slots<T> {
    /// Reserves address space for the first chunk, as far as `entries_max` needs it.
    pub fn new(entries_max: usize) -> Self {
        let spare = Some(Chunk::reserve(entries_max.min(SLOTS_CHUNK)));
        Self { chunks: Vec::new(), spare, with_room: 0, len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the index of the entry.
    pub fn insert(&mut self, entry: T) -> u32 {
        self.insert_with(|_| entry)
    }

    /// As [`Slots::insert`], with an entry that knows its index.
    pub fn insert_with(&mut self, entry: impl FnOnce(u32) -> T) -> u32 {
        while self.chunks.get(self.with_room).is_some_and(|chunk| chunk.slab.len() == SLOTS_CHUNK) {
            self.with_room += 1;
        }
        if self.with_room == self.chunks.len() {
            self.chunks.push(Chunk::NONE);
        }
        let chunk = &mut self.chunks[self.with_room];
        if !chunk.has_memory() {
            *chunk = self.spare.take().unwrap_or_else(|| Chunk::reserve(SLOTS_CHUNK));
        }
        let vacant = chunk.slab.vacant_entry();
        let place = vacant.key();
        let index = index_of(self.with_room, place);
        vacant.insert(entry(index));
        chunk.touched = chunk.touched.max(place + 1);
        self.len += 1;
        index
    }

    /// Panics when there is no entry.
    pub fn remove(&mut self, index: u32) -> T {
        let chunk = &mut self.chunks[chunk_of(index)];
        let entry = chunk.slab.remove(place_of(index));
        self.len -= 1;
        self.with_room = self.with_room.min(chunk_of(index));
        if chunk.slab.is_empty() {
            let emptied = std::mem::replace(chunk, Chunk::NONE);
            self.spare.get_or_insert(emptied);
            while self.chunks.pop_if(|last| last.slab.is_empty()).is_some() {}
        }
        entry
    }

    pub fn find(&self, index: u32) -> Option<&T> {
        self.chunks.get(chunk_of(index))?.slab.get(place_of(index))
    }

    pub fn find_mut(&mut self, index: u32) -> Option<&mut T> {
        self.chunks.get_mut(chunk_of(index))?.slab.get_mut(place_of(index))
    }

    /// One more than the highest index that may be in use.
    pub fn bound(&self) -> u32 {
        let last = self.chunks.last().map_or(0, |last| last.touched);
        index_of(self.chunks.len().saturating_sub(1), 0) + last as u32
    }

    /// All entries, in order of their indices.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let chunks = self.chunks.iter().enumerate();
        chunks.flat_map(|(chunk, it)| it.slab.iter().map(move |(place, entry)| (index_of(chunk, place), entry)))
    }

    /// Places that are memory in use, those of removed entries included.
    pub fn places(&self) -> usize {
        self.chunks.iter().chain(&self.spare).map(|chunk| chunk.touched).sum()
    }
}

/// Most places that are ever in use with at most `entries_max` entries at a time.
pub fn places_max(entries_max: usize) -> usize {
    if entries_max <= SLOTS_CHUNK { entries_max } else { entries_max.next_multiple_of(SLOTS_CHUNK) }
}

impl<T> std::ops::Index<u32> for Slots<T> {
    type Output = T;

    /// Panics when there is no entry.
    fn index(&self, index: u32) -> &T {
        &self.chunks[chunk_of(index)].slab[place_of(index)]
    }
}

impl<T> std::ops::IndexMut<u32> for Slots<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.chunks[chunk_of(index)].slab[place_of(index)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: u32 = SLOTS_CHUNK as u32;

    /// Entries that are their own indices.
    fn filled(count: u32) -> Slots<u32> {
        let mut slots = Slots::new(count as usize);
        for number in 0..count {
            assert_eq!(slots.insert(number), number);
        }
        slots
    }

    /// The memory of how many chunks is held.
    fn chunks(slots: &Slots<u32>) -> usize {
        slots.chunks.iter().chain(&slots.spare).filter(|chunk| chunk.has_memory()).count()
    }

    #[test]
    fn entries_are_found_by_their_indices_in_every_chunk() {
        let count = 2 * CHUNK + 10;
        let mut slots = filled(count);
        assert_eq!((slots.len(), slots.bound(), slots.places()), (count as usize, count, count as usize));
        assert!(slots.iter().eq((0..count).map(|index| (index, &slots[index]))));
        for index in [0, CHUNK - 1, CHUNK, 2 * CHUNK + 9] {
            assert_eq!((slots[index], slots.find(index)), (index, Some(&index)));
            assert_eq!(slots.find_mut(index).copied(), Some(index));
            slots[index] += 1;
            assert_eq!(slots.remove(index), index + 1);
            assert!(slots.find(index).is_none() && slots.find_mut(index).is_none());
        }
        assert_eq!((slots.find(count), slots.find(100 * CHUNK), slots.len()), (None, None, count as usize - 4));
    }

    #[test]
    fn a_newcomer_goes_into_the_lowest_chunk_with_room() {
        let mut slots = filled(3 * CHUNK);
        for index in [2 * CHUNK + 5, 7, CHUNK + 6] {
            slots.remove(index);
        }
        let found = [(); 4].map(|()| slots.insert(0));
        assert_eq!(found, [7, CHUNK + 6, 2 * CHUNK + 5, 3 * CHUNK]);
    }

    #[test]
    fn the_memory_of_empty_chunks_goes_back_but_for_one() {
        let mut slots = filled(4 * CHUNK);
        assert_eq!(chunks(&slots), 4);
        // One entry stays in the third.
        for index in (0..4 * CHUNK).filter(|index| *index != 2 * CHUNK) {
            slots.remove(index);
        }
        assert_eq!((chunks(&slots), slots.places(), slots.bound()), (2, 2 * SLOTS_CHUNK, 3 * CHUNK));
        assert_eq!((slots[2 * CHUNK], slots.iter().count()), (2 * CHUNK, 1));
        assert!(slots.insert(1) < CHUNK);
        assert_eq!(chunks(&slots), 2, "the spare one is used");
        slots.remove(2 * CHUNK);
        assert_eq!((chunks(&slots), slots.bound()), (2, CHUNK));
        slots.clear_for_test();
        assert_eq!((chunks(&slots), slots.places(), slots.bound(), slots.len()), (1, SLOTS_CHUNK, 0, 0));
    }

    #[test]
    fn a_crowd_where_a_chunk_begins_has_none_made_or_freed() {
        let mut slots = filled(CHUNK);
        let allocations = |slots: &mut Slots<u32>| {
            let measured = allocation_counter::measure(|| {
                let index = slots.insert(0);
                assert_eq!((index >= CHUNK, slots.remove(index)), (true, 0));
            });
            measured.count_total
        };
        assert!(allocations(&mut slots) > 0, "the second chunk is made");
        assert_eq!([(); 3].map(|()| allocations(&mut slots)), [0; 3]);
    }

    #[test]
    fn no_more_places_are_touched_than_the_bound_says() {
        for count in [1, 10, CHUNK, CHUNK + 1, 3 * CHUNK - 1] {
            let mut slots = filled(count);
            let most = places_max(count as usize);
            assert!(slots.places() <= most);
            // All but a few go, and as many come again.
            (10.min(count)..count).for_each(|index| assert_eq!(slots.remove(index), index));
            while slots.len() < count as usize {
                slots.insert(0);
            }
            assert!(slots.places() <= most, "{} places, at most {most}", slots.places());
        }
    }

    impl Slots<u32> {
        fn clear_for_test(&mut self) {
            let all: Vec<u32> = self.iter().map(|(index, _)| index).collect();
            for index in all {
                self.remove(index);
            }
        }
    }
}
