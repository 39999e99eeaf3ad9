//! A room's log: the wire bytes of every line said in it, in order, in fixed-size segments up to a cap.
//!
//! Each line is appended once, whole, into one segment; nobody's copy of it is kept. A position counts bytes from the
//! first line ever appended, so it stays valid when older segments are retired. A segment knows how many messages came
//! before it, so the messages between two positions can be counted exactly. Retiring is the caller's decision: only the
//! room knows which members still read from the oldest segment. The log reads no clock and does no I/O.

use std::collections::VecDeque;
use std::ops::{Add, Sub};

use crate::limits::{LOG_MARK_BYTES, LOG_SEGMENT_BYTES_MAX, LOG_SEGMENTS_MIN};

/// A place in the log: bytes since the first line ever appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Add<usize> for Position {
    type Output = Self;

    fn add(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }
}

impl Sub for Position {
    type Output = u64;

    /// The distance in bytes. The right-hand side must not lie ahead.
    fn sub(self, earlier: Self) -> u64 {
        self.0 - earlier.0
    }
}

#[derive(Debug)]
struct Segment {
    /// Position of its first byte, always a line start.
    base: Position,
    /// Messages appended before its first byte.
    messages_before: u64,
    /// Whole lines. Its capacity is the log's segment size and is never exceeded.
    bytes: Vec<u8>,
    /// Line feeds in the first [`LOG_MARK_BYTES`], twice as many and so on, as far as the segment is written. With them the
    /// messages before a position are counted without reading the segment.
    marks: Vec<u32>,
}

impl Segment {
    fn new(segment_bytes: usize) -> Self {
        let marks = Vec::with_capacity(segment_bytes / LOG_MARK_BYTES);
        Self { base: Position::default(), messages_before: 0, bytes: Vec::with_capacity(segment_bytes), marks }
    }

    fn append(&mut self, line: &[u8], lines_before: u32) {
        self.bytes.extend_from_slice(line);
        let mut boundary = (self.marks.len() + 1) * LOG_MARK_BYTES;
        while boundary <= self.bytes.len() {
            // Its line feed is the last byte of a line.
            self.marks.push(lines_before + u32::from(boundary == self.bytes.len()));
            boundary += LOG_MARK_BYTES;
        }
    }

    /// Line feeds in the first `length` bytes.
    fn line_feeds(&self, length: usize) -> u64 {
        let marked = length / LOG_MARK_BYTES;
        let before = if marked == 0 { 0 } else { self.marks[marked - 1] };
        let after = memchr::memchr_iter(b'\n', &self.bytes[marked * LOG_MARK_BYTES..length]).count();
        u64::from(before) + after as u64
    }
}

/// The bytes of a room from [`Log::tail`], the oldest byte kept, to [`Log::head`], the end.
#[derive(Debug)]
pub struct Log {
    /// Oldest first, at least one. They adjoin: each base is its predecessor's end.
    segments: VecDeque<Segment>,
    /// The segment retired last, empty, to be the next one.
    spare: Option<Segment>,
    segment_bytes: usize,
    segments_max: usize,
    /// Messages ever appended.
    messages: u64,
}

impl Log {
    /// An empty log of at most `bytes_max` bytes whose lines are at most `line_bytes_max` long, both in bytes as they
    /// are appended.
    pub fn new(bytes_max: usize, line_bytes_max: usize) -> Self {
        let segment_bytes = LOG_SEGMENT_BYTES_MAX.min(bytes_max / LOG_SEGMENTS_MIN);
        assert!(segment_bytes >= line_bytes_max, "every line fits a segment");
        Self {
            segments: VecDeque::from([Segment::new(segment_bytes)]),
            spare: None,
            segment_bytes,
            segments_max: bytes_max / segment_bytes,
            messages: 0,
        }
    }

    pub fn head(&self) -> Position {
        let last = self.last();
        last.base + last.bytes.len()
    }

    pub fn tail(&self) -> Position {
        self.segments[0].base
    }

    /// Messages ever appended.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The most bytes that this log will ever hold.
    pub fn bytes_max(&self) -> usize {
        self.segments_max * self.segment_bytes
    }

    /// Where the tail would be after the retirement that appending `line_bytes` calls for; `None` when it calls for none.
    pub fn tail_needed(&self, line_bytes: usize) -> Option<Position> {
        let full = self.segments.len() == self.segments_max;
        (full && !self.last_fits(line_bytes)).then(|| self.segments[1].base)
    }

    /// Forgets the oldest segment.
    pub fn retire(&mut self) {
        assert!(self.segments.len() > 1, "the segment being written is never retired");
        let mut retired = self.segments.pop_front().expect("a log has at least one segment");
        retired.bytes.clear();
        retired.marks.clear();
        self.spare = Some(retired);
    }

    /// Appends one whole line, line feed included. The caller has retired what [`Log::tail_needed`] asked for.
    pub fn append(&mut self, line: &[u8]) {
        assert!(line.ends_with(b"\n"), "a line ends with a line feed");
        if !self.last_fits(line.len()) {
            assert!(self.segments.len() < self.segments_max, "the oldest segment was retired first");
            let empty = self.spare.take().unwrap_or_else(|| Segment::new(self.segment_bytes));
            self.segments.push_back(Segment { base: self.head(), messages_before: self.messages, ..empty });
        }
        let last = self.segments.back_mut().expect("a log has at least one segment");
        let lines_before =
            u32::try_from(self.messages - last.messages_before).expect("a segment has fewer lines than bytes");
        last.append(line, lines_before);
        self.messages += 1;
    }

    /// The bytes from `position` on, up to the end of its segment; empty at the head.
    pub fn bytes_from(&self, position: Position) -> &[u8] {
        let segment = self.segment_of(position);
        let offset = usize::try_from(position - segment.base).expect("a position lies within its segment");
        &segment.bytes[offset..]
    }

    /// True when a line starts at `position`, or would start there at the head.
    pub fn is_line_start(&self, position: Position) -> bool {
        let segment = self.segment_of(position);
        match position - segment.base {
            0 => true,
            offset => segment.bytes[offset as usize - 1] == b'\n',
        }
    }

    /// The rest of the line that `position` lies in, with its line feed; empty at a line start.
    pub fn rest_of_line(&self, position: Position) -> &[u8] {
        if self.is_line_start(position) {
            return &[];
        }
        let rest = self.bytes_from(position);
        let end = memchr::memchr(b'\n', rest).expect("a segment ends with a whole line");
        &rest[..=end]
    }

    /// Messages that start before `position`.
    pub fn messages_before(&self, position: Position) -> u64 {
        let segment = self.segment_of(position);
        let offset = usize::try_from(position - segment.base).expect("a position lies within its segment");
        segment.messages_before + segment.line_feeds(offset) + u64::from(!self.is_line_start(position))
    }

    /// True exactly when `position` can be read from: neither retired nor past the head.
    pub fn contains(&self, position: Position) -> bool {
        self.tail() <= position && position <= self.head()
    }

    fn last(&self) -> &Segment {
        self.segments.back().expect("a log has at least one segment")
    }

    fn last_fits(&self, line_bytes: usize) -> bool {
        self.last().bytes.len() + line_bytes <= self.segment_bytes
    }

    fn segment_of(&self, position: Position) -> &Segment {
        assert!(self.contains(position), "a cursor lies in the log");
        let last = self.last();
        if position >= last.base {
            return last;
        }
        let after = self.segments.partition_point(|segment| segment.base <= position);
        &self.segments[after - 1]
    }
}

impl Log {
    /// Memory of the segments that have been written, in bytes.
    pub fn footprint(&self) -> usize {
        let segments = self.segments.iter().chain(&self.spare);
        segments.map(|segment| segment.bytes.capacity() + segment.marks.capacity() * size_of::<u32>()).sum()
    }

    /// Panics when the segments do not adjoin, miscount or exceed their sizes.
    pub fn invariants(&self) {
        assert!((1..=self.segments_max).contains(&self.segments.len()), "the cap holds");
        let mut before: Option<&Segment> = None;
        for segment in &self.segments {
            assert!(segment.bytes.len() <= self.segment_bytes, "a segment has its size");
            assert!(segment.bytes.is_empty() || segment.bytes.ends_with(b"\n"), "a segment holds whole lines");
            if let Some(before) = before {
                assert!(segment.base == before.base + before.bytes.len(), "segments adjoin");
                let lines = memchr::memchr_iter(b'\n', &before.bytes).count() as u64;
                assert_eq!(segment.messages_before, before.messages_before + lines, "messages are counted");
            }
            for (index, mark) in segment.marks.iter().enumerate() {
                let boundary = (index + 1) * LOG_MARK_BYTES;
                let lines = memchr::memchr_iter(b'\n', &segment.bytes[..boundary]).count();
                assert_eq!(*mark as usize, lines, "marks count lines");
            }
            assert_eq!(segment.marks.len(), segment.bytes.len() / LOG_MARK_BYTES, "there is a mark at each boundary");
            before = Some(segment);
        }
        let last = self.last();
        let lines = memchr::memchr_iter(b'\n', &last.bytes).count() as u64;
        assert_eq!(self.messages, last.messages_before + lines, "messages are counted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(offset: u64) -> Position {
        Position(offset)
    }

    #[test]
    fn an_empty_log_starts_and_ends_at_nothing() {
        let log = Log::new(400, 50);
        assert_eq!((log.tail(), log.head(), log.messages()), (at(0), at(0), 0));
        assert_eq!(log.bytes_from(at(0)), b"");
        assert!(log.is_line_start(at(0)));
        assert_eq!(log.bytes_max(), 400);
    }

    #[test]
    fn a_line_that_does_not_fit_starts_a_segment() {
        let mut log = Log::new(40, 10);
        log.append(b"123456\n");
        log.append(b"abcdef\n");
        assert_eq!(log.bytes_from(at(0)), b"123456\n");
        assert_eq!(log.bytes_from(at(7)), b"abcdef\n");
        assert_eq!(log.bytes_from(at(9)), b"cdef\n");
        assert_eq!(log.rest_of_line(at(9)), b"cdef\n");
        assert_eq!(log.rest_of_line(at(7)), b"");
        assert_eq!([at(0), at(1), at(7), at(8), at(14)].map(|position| log.messages_before(position)), [0, 1, 1, 2, 2]);
    }

    #[test]
    fn the_cap_holds_and_retiring_moves_the_tail() {
        let mut log = Log::new(40, 10);
        for line in [b"111111\n", b"222222\n", b"333333\n", b"444444\n"] {
            assert_eq!(log.tail_needed(7), None);
            log.append(line);
        }
        assert_eq!(log.tail_needed(3), None);
        assert_eq!(log.tail_needed(4), Some(at(7)));
        log.retire();
        log.append(b"555555\n");
        assert_eq!((log.tail(), log.head(), log.messages()), (at(7), at(35), 5));
        assert!(!log.contains(at(6)) && log.contains(at(7)) && log.contains(at(35)) && !log.contains(at(36)));
        assert_eq!(log.messages_before(log.tail()), 1);
    }

    #[test]
    fn marks_count_the_lines_that_end_before_them() {
        let mut log = Log::new(8 * LOG_MARK_BYTES, LOG_MARK_BYTES);
        let mut starts = Vec::new();
        let mut length = 0;
        // Lines that end at, one before and one after a mark, among others.
        for line_bytes in [LOG_MARK_BYTES, LOG_MARK_BYTES - 1, 1, 2, 5, LOG_MARK_BYTES - 100, 93, 1] {
            starts.push(length);
            let mut line = vec![b'x'; line_bytes - 1];
            line.push(b'\n');
            log.append(&line);
            length += line_bytes;
        }
        for offset in 0..=length {
            let before = starts.iter().filter(|start| **start < offset).count();
            assert_eq!(log.messages_before(at(offset as u64)), before as u64, "{offset}");
        }
    }

    proptest! {
        /// The log against a plain vector of lines.
        #[test]
        fn a_log_is_the_last_lines_said(lengths in prop::collection::vec(1usize..20, 1..120)) {
            let mut log = Log::new(80, 20);
            let mut all = Vec::new();
            let mut starts = Vec::new();
            for (index, length) in lengths.iter().enumerate() {
                let mut line = vec![b'a' + (index % 26) as u8; length - 1];
                line.push(b'\n');
                while let Some(tail) = log.tail_needed(line.len()) {
                    log.retire();
                    prop_assert_eq!(log.tail(), tail);
                }
                starts.push(all.len());
                all.extend_from_slice(&line);
                log.append(&line);
                prop_assert_eq!(log.head(), at(all.len() as u64));
                prop_assert!(log.head() - log.tail() <= 80);
            }
            let mut read = Vec::new();
            while log.tail() + read.len() < log.head() {
                read.extend_from_slice(log.bytes_from(log.tail() + read.len()));
            }
            let tail = all.len() - read.len();
            prop_assert_eq!(&all[tail..], &read[..]);
            for offset in tail..=all.len() {
                let position = at(offset as u64);
                prop_assert_eq!(log.is_line_start(position), starts.contains(&offset) || offset == all.len());
                prop_assert_eq!(log.messages_before(position), starts.iter().filter(|start| **start < offset).count() as u64);
            }
        }
    }
}
