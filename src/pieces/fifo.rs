//! A queue: first in, first out.
//!
//! A piece is full before the next is begun. The first grows as a `VecDeque` does, so a short queue takes little
//! memory. Pieces that were used up are freed but for one, as long as the queue is not empty, and so in its steady
//! state a queue allocates nothing.

use std::collections::VecDeque;
use std::mem;

use crate::limits::PIECE_ENTRIES;

#[derive(Debug)]
pub struct Fifo<T> {
    /// Empty only when the queue is.
    first: VecDeque<T>,
    /// The pieces behind it, none of them empty.
    others: VecDeque<VecDeque<T>>,
    /// Empty, with memory for a piece.
    spare: Option<VecDeque<T>>,
    len: usize,
    /// The piece that [`Fifo::retain_in_a_piece`] looks at next; 0 for the first.
    looked_at: usize,
}

impl<T> Fifo<T> {
    pub const fn new() -> Self {
        Self { first: VecDeque::new(), others: VecDeque::new(), spare: None, len: 0, looked_at: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn push_back(&mut self, entry: T) {
        if self.others.back().unwrap_or(&self.first).len() == PIECE_ENTRIES {
            let piece = self.piece();
            self.others.push_back(piece);
        }
        self.others.back_mut().unwrap_or(&mut self.first).push_back(entry);
        self.len += 1;
    }

    pub fn push_front(&mut self, entry: T) {
        if self.first.len() == PIECE_ENTRIES {
            let piece = self.piece();
            self.others.push_front(mem::replace(&mut self.first, piece));
            self.looked_at += 1;
        }
        self.first.push_front(entry);
        self.len += 1;
    }

    pub fn front(&self) -> Option<&T> {
        self.first.front()
    }

    pub fn pop_front(&mut self) -> Option<T> {
        let entry = self.first.pop_front()?;
        self.len -= 1;
        if self.first.is_empty() {
            self.end_first();
        }
        Some(entry)
    }

    /// An empty piece.
    fn piece(&mut self) -> VecDeque<T> {
        self.spare.take().unwrap_or_else(|| VecDeque::with_capacity(PIECE_ENTRIES))
    }

    /// The first piece is empty: the next takes its place.
    fn end_first(&mut self) {
        match self.others.pop_front() {
            Some(next) => {
                self.spare = Some(mem::replace(&mut self.first, next));
                self.looked_at = self.looked_at.saturating_sub(1);
            }
            None => {
                self.others = VecDeque::new();
                self.spare = None;
                self.looked_at = 0;
            }
        }
    }

    /// Drops those entries of one piece for which `keep` is false, and next time those of the next piece. What is left
    /// of a piece joins the one before it if it has room. True when that was the last piece.
    pub fn retain_in_a_piece(&mut self, mut keep: impl FnMut(&T) -> bool) -> bool {
        if self.looked_at > self.others.len() {
            self.looked_at = 0;
        }
        let Some(other) = self.looked_at.checked_sub(1) else {
            self.len -= retain(&mut self.first, keep);
            self.looked_at = 1;
            if self.first.is_empty() {
                self.end_first();
            }
            return self.is_empty() || self.looked_at > self.others.len();
        };
        let mut piece = mem::take(&mut self.others[other]);
        self.len -= retain(&mut piece, &mut keep);
        let before = if other == 0 { &mut self.first } else { &mut self.others[other - 1] };
        if before.len() + piece.len() <= PIECE_ENTRIES {
            before.append(&mut piece);
            self.others.remove(other);
            self.spare = Some(piece);
        } else {
            self.others[other] = piece;
            self.looked_at += 1;
        }
        self.looked_at > self.others.len()
    }

    /// Drops all entries.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(self.others.iter().flatten())
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        let pieces = self.others.iter().chain(&self.spare).map(VecDeque::capacity);
        (self.first.capacity() + pieces.sum::<usize>()) * size_of::<T>()
            + self.others.capacity() * size_of::<VecDeque<T>>()
    }
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Drops the entries for which `keep` is false, and returns their number.
fn retain<T>(piece: &mut VecDeque<T>, keep: impl FnMut(&T) -> bool) -> usize {
    let before = piece.len();
    piece.retain(keep);
    before - piece.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(count: usize) -> Fifo<usize> {
        let mut fifo = Fifo::new();
        (0..count).for_each(|number| fifo.push_back(number));
        fifo
    }

    /// Panics when the pieces are not as the fields of [`Fifo`] say.
    fn check(fifo: &Fifo<usize>) {
        let pieces: Vec<usize> = fifo.others.iter().map(VecDeque::len).collect();
        assert!(pieces.iter().all(|len| *len > 0) && (!fifo.first.is_empty() || pieces.is_empty()));
        let all = std::iter::once(&fifo.first).chain(&fifo.others).chain(&fifo.spare);
        assert!(all.clone().all(|piece| piece.capacity() <= PIECE_ENTRIES), "no piece has grown beyond its size");
        assert_eq!(all.map(VecDeque::len).sum::<usize>(), fifo.len());
        assert!(fifo.spare.as_ref().is_none_or(|spare| spare.is_empty() && !fifo.is_empty()));
    }

    proptest! {
        /// Compared with a `VecDeque`, in steps of about half a piece.
        #[test]
        fn a_queue_in_pieces_is_a_queue(steps in prop::collection::vec((0..4u8, 1..PIECE_ENTRIES), 0..30)) {
            let (mut fifo, mut plain) = (Fifo::new(), VecDeque::new());
            let mut number = 0;
            for (kind, count) in steps {
                for _ in 0..count {
                    number += 1;
                    match kind {
                        0 => {
                            fifo.push_back(number);
                            plain.push_back(number);
                        }
                        1 => {
                            fifo.push_front(number);
                            plain.push_front(number);
                        }
                        _ => prop_assert_eq!(fifo.pop_front(), plain.pop_front()),
                    }
                }
                if kind == 3 {
                    for _ in 0..fifo.others.len() + 1 {
                        fifo.retain_in_a_piece(|it| it % 3 != 0);
                        check(&fifo);
                    }
                    plain.retain(|it| it % 3 != 0);
                }
                check(&fifo);
                prop_assert_eq!((fifo.len(), fifo.front()), (plain.len(), plain.front()));
                prop_assert!(fifo.iter().eq(&plain));
            }
        }
    }

    #[test]
    fn one_call_looks_at_one_piece_and_the_next_call_at_the_next() {
        let mut fifo = filled(10 * PIECE_ENTRIES);
        for piece in 0..10 {
            let mut seen = Vec::new();
            fifo.retain_in_a_piece(|number| {
                seen.push(*number);
                true
            });
            assert!(seen.into_iter().eq(piece * PIECE_ENTRIES..(piece + 1) * PIECE_ENTRIES));
        }
        // Entries that go in front do not have a piece left out.
        fifo.retain_in_a_piece(|_| true);
        while fifo.pop_front() != Some(PIECE_ENTRIES) {}
        fifo.retain_in_a_piece(|number| *number > PIECE_ENTRIES + 1);
        assert_eq!(fifo.front(), Some(&(PIECE_ENTRIES + 2)));
    }

    #[test]
    fn the_few_that_are_left_take_few_pieces() {
        let mut fifo = filled(100 * PIECE_ENTRIES);
        for _ in 0..100 {
            fifo.retain_in_a_piece(|number| number % PIECE_ENTRIES == 0);
        }
        assert_eq!((fifo.len(), fifo.others.len()), (100, 0));
        assert!(fifo.footprint() < 3 * PIECE_ENTRIES * size_of::<usize>() + 10_000, "{}", fifo.footprint());
    }

    #[test]
    fn an_empty_queue_keeps_one_piece_and_a_steady_one_allocates_nothing() {
        let mut fifo = filled(10 * PIECE_ENTRIES);
        while fifo.len() > 100 {
            fifo.pop_front();
        }
        for number in 0..2 * PIECE_ENTRIES {
            fifo.push_back(number);
            fifo.pop_front();
        }
        let measured = allocation_counter::measure(|| {
            for number in 0..10 * PIECE_ENTRIES {
                fifo.push_back(number);
                fifo.pop_front();
            }
        });
        assert_eq!(measured.count_total, 0);
        while fifo.pop_front().is_some() {}
        assert_eq!(fifo.footprint(), PIECE_ENTRIES * size_of::<usize>());
        assert_eq!(filled(3).footprint(), 4 * size_of::<usize>(), "a short queue takes little");
    }
}
