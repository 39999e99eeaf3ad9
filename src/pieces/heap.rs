//! A heap: the smallest first. The first piece grows as a `Vec` does; the last is freed when the one before it is not
//! full either.

use crate::limits::PIECE_ENTRIES;

/// Entries are copied when they move, so they are small.
#[derive(Debug)]
pub struct Heap<T> {
    /// The entry with the number i stands in piece i / [`PIECE_ENTRIES`], and is not larger than those with the numbers
    /// 2 i + 1 and 2 i + 2. At most one piece, the last, is empty.
    pieces: Vec<Vec<T>>,
    len: usize,
    /// The entry that [`Heap::retain_some`] looks at next.
    looked_at: usize,
}

impl<T: Copy + Ord> Heap<T> {
    pub const fn new() -> Self {
        Self { pieces: Vec::new(), len: 0, looked_at: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The smallest entry.
    pub fn peek(&self) -> Option<&T> {
        self.pieces.first()?.first()
    }

    pub fn push(&mut self, entry: T) {
        let piece = self.len / PIECE_ENTRIES;
        if piece == self.pieces.len() {
            self.pieces.push(if piece == 0 { Vec::new() } else { Vec::with_capacity(PIECE_ENTRIES) });
        }
        self.pieces[piece].push(entry);
        self.len += 1;
        self.rise(self.len - 1);
    }

    /// Takes out the smallest entry.
    pub fn pop(&mut self) -> Option<T> {
        let smallest = *self.peek()?;
        self.remove(0);
        Some(smallest)
    }

    /// Looks at as many entries as a piece has, and next time at the next, and drops those for which `keep` is false.
    /// While there are such entries, looking at all of them drops at least one.
    pub fn retain_some(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for _ in 0..PIECE_ENTRIES.min(self.len) {
            if self.looked_at >= self.len {
                self.looked_at = 0;
            }
            if keep(&self.at(self.looked_at)) {
                self.looked_at += 1;
            } else {
                self.remove(self.looked_at);
            }
        }
    }

    /// Drops all entries.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        let entries: usize = self.pieces.iter().map(Vec::capacity).sum();
        entries * size_of::<T>() + self.pieces.capacity() * size_of::<Vec<T>>()
    }

    fn at(&self, number: usize) -> T {
        self.pieces[number / PIECE_ENTRIES][number % PIECE_ENTRIES]
    }

    fn set(&mut self, number: usize, entry: T) {
        self.pieces[number / PIECE_ENTRIES][number % PIECE_ENTRIES] = entry;
    }

    /// Removes the entry with a number: the last one takes its place.
    fn remove(&mut self, number: usize) {
        self.len -= 1;
        let piece = self.len / PIECE_ENTRIES;
        let last = self.pieces[piece].pop().expect("the last entry stands at the end of its piece");
        self.pieces.truncate(piece + if self.pieces[piece].is_empty() { 1 } else { 2 });
        if number < self.len {
            self.set(number, last);
            self.sink(number);
            self.rise(number);
        }
    }

    /// Moves an entry to the front as long as it is smaller than the one above it.
    fn rise(&mut self, mut number: usize) {
        let entry = self.at(number);
        while number > 0 && entry < self.at((number - 1) / 2) {
            let above = (number - 1) / 2;
            self.set(number, self.at(above));
            number = above;
        }
        self.set(number, entry);
    }

    /// Moves an entry to the back as long as it is larger than one of the two below it.
    fn sink(&mut self, mut number: usize) {
        let entry = self.at(number);
        loop {
            let below = 2 * number + 1..self.len.min(2 * number + 3);
            let Some(smaller) = below.min_by_key(|below| self.at(*below)) else { break };
            if entry <= self.at(smaller) {
                break;
            }
            self.set(number, self.at(smaller));
            number = smaller;
        }
        self.set(number, entry);
    }
}

impl<T: Copy + Ord> Default for Heap<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;

    /// Panics when the pieces are not as the fields of [`Heap`] say.
    fn check(heap: &Heap<u32>) {
        let [len, pieces] = [heap.len(), heap.pieces.len()];
        assert!((0..=1).contains(&(pieces - len.div_ceil(PIECE_ENTRIES))), "{len} in {pieces} pieces");
        assert!(heap.pieces.iter().all(|piece| piece.capacity() <= PIECE_ENTRIES));
        assert_eq!(heap.iter().count(), len);
    }

    proptest! {
        /// Compared with a `BinaryHeap`.
        #[test]
        fn a_heap_in_pieces_is_a_heap(
            steps in prop::collection::vec((0..3u8, 1..2 * PIECE_ENTRIES as u32), 0..20),
            factor in 1..10_000u32,
        ) {
            let (mut heap, mut plain) = (Heap::new(), BinaryHeap::new());
            let mut number = 0;
            for (kind, count) in steps {
                for _ in 0..count {
                    number += 1;
                    if kind == 0 {
                        let entry = number * factor % 9973;
                        heap.push(entry);
                        plain.push(Reverse(entry));
                    } else if kind == 1 {
                        prop_assert_eq!(heap.pop(), plain.pop().map(|Reverse(entry)| entry));
                    }
                }
                if kind == 2 {
                    // At most half of the entries go, and looking at all of them takes one away at least.
                    while heap.iter().any(|entry| entry % 2 == 0) {
                        let before = heap.len();
                        (0..heap.pieces.len()).for_each(|_| heap.retain_some(|entry| entry % 2 == 1));
                        prop_assert!(heap.len() < before);
                    }
                    plain.retain(|Reverse(entry)| entry % 2 == 1);
                }
                check(&heap);
                prop_assert_eq!((heap.len(), heap.peek()), (plain.len(), plain.peek().map(|Reverse(entry)| entry)));
            }
            let rest = std::iter::from_fn(|| heap.pop());
            prop_assert!(rest.eq(std::iter::from_fn(|| plain.pop()).map(|Reverse(entry)| entry)));
        }
    }

    #[test]
    fn one_call_looks_at_no_more_than_a_piece_and_an_empty_heap_keeps_one() {
        let mut heap = Heap::new();
        (0..10 * PIECE_ENTRIES as u32).for_each(|number| heap.push(number));
        let mut seen = 0;
        heap.retain_some(|_| {
            seen += 1;
            false
        });
        assert_eq!((seen, heap.len()), (PIECE_ENTRIES, 9 * PIECE_ENTRIES));
        while heap.pop().is_some() {}
        let pieces = heap.pieces.capacity() * size_of::<Vec<u32>>();
        assert_eq!(heap.footprint() - pieces, PIECE_ENTRIES * size_of::<u32>());
    }
}
