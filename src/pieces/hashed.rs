//! A hash table in parts. Some bits of the hash say in which part an entry stands, and a part that is full or almost
//! empty is made anew without the others. The first part has twice as many entries as the last, and those between them
//! fewer and fewer: parts of the same size would all be full at about the same time.
//!
//! A part's size is a power of two, of which it uses seven of eight places (hashbrown). It doubles when it is full but
//! for places of removed entries that are few; otherwise it is made anew in its size. It shrinks when it has an eighth
//! of the entries that it has room for.

use std::mem;

use hashbrown::HashTable;

use crate::limits::HASHED_PART_ENTRIES;

/// A table of entries whose hashes are known to the caller.
#[derive(Debug)]
pub struct Hashed<T> {
    parts: Box<[HashTable<T>]>,
    len: usize,
    /// The part that [`Hashed::retain_in_a_part`] looks at next.
    looked_at: usize,
}

impl<T> Hashed<T> {
    /// For at most `entries_max` entries. Memory is used only as they come.
    pub fn new(entries_max: usize) -> Self {
        let parts = (0..parts(entries_max)).map(|_| HashTable::new()).collect();
        Self { parts, len: 0, looked_at: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of parts.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Some bits of the hash that hashbrown does not use. Taken as a number u from 0 to 1, they lead to the part at
    /// u (2 + u) / 3 of all parts, which rises half as steeply in front as at the end.
    fn part(&self, hash: u64) -> usize {
        const BITS: u32 = 24;
        let number = hash >> 32 & ((1 << BITS) - 1);
        let place = number * ((2 << BITS) + number) / 3;
        ((place * self.parts.len() as u64) >> (2 * BITS)) as usize
    }

    pub fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        self.parts[self.part(hash)].find(hash, is_it)
    }

    pub fn find_mut(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let part = self.part(hash);
        self.parts[part].find_mut(hash, is_it)
    }

    /// Inserts an entry that is not there yet. `hash_of` is called for no more than the entries of one part.
    pub fn insert(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) -> &mut T {
        let part = self.part(hash);
        let part = &mut self.parts[part];
        if part.len() == part.capacity() {
            let room = room(part.num_buckets());
            rebuild(part, if grows(part.len(), room) { room + 1 } else { room }, &hash_of);
        }
        self.len += 1;
        part.insert_unique(hash, entry, hash_of).into_mut()
    }

    /// Takes out an entry, if it is there. `hash_of` is called for no more than the entries of one part.
    pub fn remove(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool, hash_of: impl Fn(&T) -> u64) -> Option<T> {
        let part = self.part(hash);
        let part = &mut self.parts[part];
        let (entry, _) = part.find_entry(hash, is_it).ok()?.remove();
        self.len -= 1;
        shrink(part, hash_of);
        Some(entry)
    }

    /// Drops those entries of one part for which `keep` is false, and next time those of the next part.
    pub fn retain_in_a_part(&mut self, mut keep: impl FnMut(&T) -> bool, hash_of: impl Fn(&T) -> u64) {
        let part = &mut self.parts[self.looked_at];
        let before = part.len();
        part.retain(|entry| keep(entry));
        self.len -= before - part.len();
        shrink(part, hash_of);
        self.looked_at = (self.looked_at + 1) % self.parts.len();
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flatten()
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        let places: usize = self.parts.iter().filter(|part| part.capacity() > 0).map(HashTable::num_buckets).sum();
        places * place_bytes::<T>() + size_of_val::<[_]>(&self.parts)
    }
}

/// Most memory of a table of at most `entries_max` entries, in bytes, while none of its parts is made anew.
pub fn footprint_max<T>(entries_max: usize) -> usize {
    let parts = parts(entries_max);
    let places: usize = (0..parts).map(|part| part_places_max(part, entries_max)).sum();
    places * place_bytes::<T>() + parts * size_of::<HashTable<T>>()
}

/// Most memory that a part takes beyond that while it is made anew: the old one still exists while entries move.
pub fn rebuilding_bytes_max<T>(entries_max: usize) -> usize {
    part_places_max(0, entries_max) * place_bytes::<T>()
}

/// Size of a place: an entry, and a byte that says whether there is one.
const fn place_bytes<T>() -> usize {
    size_of::<T>() + 1
}

/// The number of parts for at most `entries_max` entries.
fn parts(entries_max: usize) -> usize {
    entries_max.div_ceil(HASHED_PART_ENTRIES).max(1)
}

/// Most places that a part has.
fn part_places_max(part: usize, entries_max: usize) -> usize {
    let parts = parts(entries_max);
    // See `Hashed::part`: the numbers that lead to this part.
    let number = |part: usize| f64::sqrt(1.0 + 3.0 * part as f64 / parts as f64) - 1.0;
    let mean = entries_max as f64 * (number(part + 1) - number(part));
    // Entries are spread at random, so the number in a part is more than eight standard deviations above the mean in one
    // of 10^15 cases.
    let most = entries_max.min((mean + 8.0 * mean.sqrt()).ceil() as usize);
    let mut places = if most == 0 { 0 } else { 4 };
    while places > 0 && (room(places) * 7).div_ceil(8) < most {
        places *= 2;
    }
    places
}

/// How many entries a part with this many places has room for.
fn room(places: usize) -> usize {
    if places < 8 { places - 1 } else { places / 8 * 7 }
}

/// Whether a full part doubles that has this many entries and this much room, some of which removed entries take.
fn grows(entries: usize, room: usize) -> bool {
    entries * 8 >= room * 7
}

/// Gives memory back when a part has few entries.
fn shrink<T>(part: &mut HashTable<T>, hash_of: impl Fn(&T) -> u64) {
    if part.is_empty() {
        *part = HashTable::new();
    } else if part.len() * 8 <= room(part.num_buckets()) {
        rebuild(part, part.len() * 2, hash_of);
    }
}

fn rebuild<T>(part: &mut HashTable<T>, room: usize, hash_of: impl Fn(&T) -> u64) {
    for entry in mem::replace(part, HashTable::with_capacity(room)) {
        part.insert_unique(hash_of(&entry), entry, &hash_of);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashSet;
    use std::hash::{BuildHasher, RandomState};

    use proptest::prelude::*;

    use super::*;

    /// A set of numbers that counts how many entries a call moves.
    struct Numbers {
        hashed: Hashed<u32>,
        hasher: RandomState,
        entries_max: usize,
        moved: usize,
        moved_max: usize,
    }

    impl Numbers {
        fn new(entries_max: usize) -> Self {
            Self { hashed: Hashed::new(entries_max), hasher: RandomState::new(), entries_max, moved: 0, moved_max: 0 }
        }

        fn change<R>(&mut self, change: impl FnOnce(&mut Hashed<u32>, &dyn Fn(&u32) -> u64) -> R) -> R {
            let moved = Cell::new(0);
            let hasher = &self.hasher;
            let result = change(&mut self.hashed, &|number| {
                moved.set(moved.get() + 1);
                hasher.hash_one(number)
            });
            self.moved += moved.get();
            self.moved_max = self.moved_max.max(moved.get());
            let most = footprint_max::<u32>(self.entries_max);
            assert!(self.hashed.footprint() <= most, "{} bytes, at most {most}", self.hashed.footprint());
            result
        }

        fn insert(&mut self, number: u32) {
            let hash = self.hasher.hash_one(number);
            self.change(|hashed, hash_of| *hashed.insert(hash, number, hash_of));
        }

        fn remove(&mut self, number: u32) -> Option<u32> {
            let hash = self.hasher.hash_one(number);
            self.change(|hashed, hash_of| hashed.remove(hash, |it| *it == number, hash_of))
        }

        fn has(&self, number: u32) -> bool {
            self.hashed.find(self.hasher.hash_one(number), |it| *it == number).is_some()
        }
    }

    proptest! {
        /// Compared with a plain set.
        #[test]
        fn a_table_in_parts_is_a_set(steps in prop::collection::vec(0..300u32, 0..2000), parts in 1..4usize) {
            let mut numbers = Numbers::new(300);
            numbers.hashed = Hashed::new(parts * HASHED_PART_ENTRIES);
            numbers.entries_max = parts * HASHED_PART_ENTRIES;
            let mut plain = HashSet::new();
            for number in steps {
                if plain.remove(&number) {
                    prop_assert_eq!(numbers.remove(number), Some(number));
                } else {
                    prop_assert_eq!(numbers.remove(number), None);
                    numbers.insert(number);
                    plain.insert(number);
                }
                prop_assert_eq!(numbers.has(number), plain.contains(&number));
            }
            prop_assert!(!numbers.has(300) && (0..300).all(|number| numbers.has(number) == plain.contains(&number)));
            prop_assert_eq!(numbers.hashed.len(), plain.len());
            prop_assert!(numbers.hashed.iter().all(|number| plain.contains(number)));
        }
    }

    #[test]
    fn no_call_moves_more_than_a_part_and_an_empty_table_has_no_memory() {
        let count = 50_000;
        let mut numbers = Numbers::new(count as usize);
        let empty = numbers.hashed.footprint();
        (0..count).for_each(|number| numbers.insert(number));
        assert!(numbers.hashed.footprint() <= 12 * count as usize, "{}", numbers.hashed.footprint());
        // Newcomers take the places of those that go.
        for number in 0..2 * count {
            assert_eq!(numbers.remove(number), Some(number));
            numbers.insert(number + count);
        }
        (2 * count..3 * count).for_each(|number| assert_eq!(numbers.remove(number), Some(number)));
        assert!((500..2 * HASHED_PART_ENTRIES).contains(&numbers.moved_max), "{} at a time", numbers.moved_max);
        assert_eq!(numbers.hashed.footprint(), empty);
    }

    #[test]
    fn parts_are_not_full_at_the_same_time() {
        let count = 200_000;
        let mut numbers = Numbers::new(count as usize);
        let mut moved = Vec::new();
        for first in (0..count).step_by(5000) {
            let before = numbers.moved;
            (first..first + 5000).for_each(|number| numbers.insert(number));
            moved.push(numbers.moved - before);
        }
        // In parts of the same size it is 50,000 when they are full.
        let most = moved[5..].iter().max().unwrap();
        assert!(*most < 30_000, "{most} entries were moved while 5,000 came: {moved:?}");
    }

    #[test]
    fn a_table_of_few_entries_that_were_many_is_small() {
        let count = 50_000;
        let mut numbers = Numbers::new(count as usize);
        (0..count).for_each(|number| numbers.insert(number));
        let full = numbers.hashed.footprint();
        (0..count)
            .filter(|number| number % 20 != 0)
            .for_each(|number| assert_eq!(numbers.remove(number), Some(number)));
        let left = numbers.hashed.footprint();
        assert!(left < full / 4, "{left} bytes, {full} before");
        assert!((0..count).all(|number| numbers.has(number) == (number % 20 == 0)));
    }

    #[test]
    fn one_call_looks_at_one_part() {
        let count = 50_000;
        let mut numbers = Numbers::new(count as usize);
        (0..count).for_each(|number| numbers.insert(number));
        let mut seen = HashSet::new();
        let parts = numbers.hashed.parts();
        for part in 0..parts {
            let before = seen.len();
            numbers.change(|hashed, hash_of| hashed.retain_in_a_part(|number| !seen.insert(*number), hash_of));
            let (looks, mean) = (seen.len() - before, count as usize / parts);
            assert!((mean / 2..mean * 2).contains(&looks), "{looks} in part {part}");
        }
        assert_eq!((seen.len(), numbers.hashed.len()), (count as usize, 0));
    }
}
