//! The log of a feed: the wire bytes of every message said, in order, in segments up to a cap.
//!
//! Each message is rendered once, into the segment where it stays, and is copied for no reader. A position counts bytes
//! from the first message ever appended, so it stays valid when older segments are retired. Beside its bytes a message
//! has an entry: where it begins, when it was said, by whom, its kind, and how many numbered messages come before it in
//! its segment. So the log never looks at the bytes: they may be frames that hold line feeds. A segment is one piece of
//! memory with messages from its front and entries from its end, and both count towards the cap.
//!
//! Only messages of [some kinds](Kind::is_numbered) are numbered, from 1 without a gap. The others, such as joins, have
//! the number of the last numbered one before them.
//!
//! A log that nothing was said in has no memory. The first segments are small, and each later one takes a part of what
//! the log has already, so that the log of a small room is small and that of a large one has few segments. Where many
//! read it they are larger from the first on: bytes in two segments cost each reader two sends.
//!
//! The caller decides when the oldest segment is retired, because only the feed knows which members still read from it.
//! It may go also when it is the only one: then the log has no bytes and goes on at its head. The log reads no clock and
//! does no I/O.

use std::collections::VecDeque;
use std::ops::{Add, Sub};

use crate::limits::{
    LOG_ENTRY_BYTES, LOG_GROWTH_PART, LOG_READER_BYTES, LOG_SEGMENT_BYTES_MAX, LOG_SEGMENT_BYTES_MIN, LOG_SEGMENTS_MIN,
};
use crate::message::Kind;
use crate::time::UnixTime;
use crate::token::PublicId;

/// A place in the log: bytes since the first message ever appended.
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

/// What a log knows of a message beside its bytes and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub time: UnixTime,
    /// The connection that said it; `None` for the server.
    pub author: Option<PublicId>,
    pub kind: Kind,
    /// Length of its author's name as text; 0 where the message names nobody.
    pub name_bytes: u8,
}

/// An entry in a segment: `start:18 | numbered_before:14 | kind:8 | name_bytes:8 | time:48 | author:64`, each number
/// little-endian. The author 0 is the server.
type Encoded = [u8; LOG_ENTRY_BYTES];

/// Bits of `start`; the rest of 32 are those of `numbered_before`.
const START_BITS: u32 = 18;
const _: () = assert!(LOG_SEGMENT_BYTES_MAX <= 1 << START_BITS);
const _: () = assert!(LOG_SEGMENT_BYTES_MAX / LOG_ENTRY_BYTES < 1 << (u32::BITS - START_BITS));

impl Entry {
    /// The message begins `start` bytes into its segment, behind so many numbered ones.
    fn encode(self, start: usize, numbered_before: usize) -> Encoded {
        let place = (numbered_before << START_BITS) | start;
        let place = u32::try_from(place).expect("a segment is no larger than these bits can tell");
        let author = self.author.map_or(0, |author| author.0);
        let mut encoded = [0; LOG_ENTRY_BYTES];
        encoded[..4].copy_from_slice(&place.to_le_bytes());
        (encoded[4], encoded[5]) = (self.kind.code(), self.name_bytes);
        encoded[6..12].copy_from_slice(&self.time.0.to_le_bytes()[..6]);
        encoded[12..].copy_from_slice(&author.to_le_bytes());
        encoded
    }

    fn decode(encoded: &Encoded) -> Self {
        let mut time = [0; 8];
        time[..6].copy_from_slice(&encoded[6..12]);
        let author = u64::from_le_bytes(encoded[12..].try_into().expect("eight bytes"));
        Self {
            time: UnixTime(u64::from_le_bytes(time)),
            author: (author > 0).then_some(PublicId(author)),
            kind: kind_of(encoded),
            name_bytes: encoded[5],
        }
    }
}

fn place_of(encoded: &Encoded) -> usize {
    u32::from_le_bytes(encoded[..4].try_into().expect("four bytes")) as usize
}

/// Where the message of an entry begins, in bytes from the start of its segment.
fn start_of(encoded: &Encoded) -> usize {
    place_of(encoded) & ((1 << START_BITS) - 1)
}

/// Numbered messages before the message of an entry, in its segment.
fn numbered_before(encoded: &Encoded) -> usize {
    place_of(encoded) >> START_BITS
}

fn kind_of(encoded: &Encoded) -> Kind {
    Kind::from_code(encoded[4]).expect("an entry was encoded by this program")
}

#[derive(Debug)]
struct Segment {
    /// Position of its first byte, always the start of a message.
    base: Position,
    /// Numbered messages before its first byte.
    numbered_before: u64,
    /// Whole messages from the front, one behind the other; their entries from the end, the first entry last.
    memory: Box<[u8]>,
    /// Bytes of its messages.
    length: usize,
    /// Messages in it, of all kinds.
    messages: usize,
    /// Those of them that are numbered.
    numbered: usize,
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        &self.memory[..self.length]
    }

    /// Bytes that are neither messages nor entries.
    fn free(&self) -> usize {
        self.memory.len() - self.length - self.messages * LOG_ENTRY_BYTES
    }

    fn encoded(&self, index: usize) -> &Encoded {
        assert!(index < self.messages, "an entry belongs to a message");
        let end = self.memory.len() - index * LOG_ENTRY_BYTES;
        self.memory[end - LOG_ENTRY_BYTES..end].try_into().expect("it has this length")
    }

    /// Messages that start before `offset`, of all kinds: the index of the first that does not.
    fn index_at(&self, offset: usize) -> usize {
        // Most callers ask at the head.
        if offset == self.length { self.messages } else { self.partition_point(|it| start_of(it) < offset) }
    }

    /// The number of entries, from the first on, for which `is_before` is true.
    fn partition_point(&self, is_before: impl Fn(&Encoded) -> bool) -> usize {
        let (mut low, mut high) = (0, self.messages);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(self.encoded(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The number of the last numbered message before message `index`.
    fn number_before(&self, index: usize) -> u64 {
        let here = if index == self.messages { self.numbered } else { numbered_before(self.encoded(index)) };
        self.numbered_before + here as u64
    }

    /// Message `index`: its number, its entry and its bytes.
    fn message(&self, index: usize) -> (u64, Entry, &[u8]) {
        let entry = Entry::decode(self.encoded(index));
        let number = self.number_before(index) + u64::from(entry.kind.is_numbered());
        (number, entry, &self.memory[self.start(index)..self.start(index + 1)])
    }

    /// Where message `index` starts. The index behind the last message gives the end of that message.
    fn start(&self, index: usize) -> usize {
        if index == self.messages { self.length } else { start_of(self.encoded(index)) }
    }
}

/// The bytes of a feed from [`Log::tail`], the oldest byte kept, to [`Log::head`], the end.
#[derive(Debug)]
pub struct Log {
    /// Oldest first, none of them empty. Each begins at the position where the one before it ends, and the last one ends
    /// at the head.
    segments: VecDeque<Segment>,
    head: Position,
    /// The number of the last numbered message.
    messages: u64,
    /// Memory of the segments.
    bytes: usize,
    /// Most memory of the segments.
    bytes_max: usize,
    /// How many read it.
    readers: usize,
}

impl Log {
    /// An empty log of at most `bytes_max` bytes, entries included, for messages of at most `message_bytes_max` bytes.
    /// The room has numbered `messages` before this log began; they are not in it.
    pub fn new(bytes_max: usize, message_bytes_max: usize, messages: u64) -> Self {
        let log =
            Self { segments: VecDeque::new(), head: Position::default(), messages, bytes: 0, bytes_max, readers: 0 };
        assert!(log.segment_bytes_max() >= message_bytes_max + LOG_ENTRY_BYTES, "every message fits a segment");
        log
    }

    pub fn head(&self) -> Position {
        self.head
    }

    pub fn tail(&self) -> Position {
        self.segments.front().map_or(self.head, |oldest| oldest.base)
    }

    /// The number of the last numbered message, which is how many of them the room has said.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The lowest number of a message that is still kept; one more than [`Log::messages`] when there is none.
    pub fn first_number(&self) -> u64 {
        self.segments.front().map_or(self.messages, |oldest| oldest.numbered_before) + 1
    }

    /// Where the message with a number starts; `None` when it is not kept, or not said yet.
    pub fn find_number(&self, number: u64) -> Option<Position> {
        if !(self.first_number()..=self.messages()).contains(&number) {
            return None;
        }
        let later = self.segments.partition_point(|segment| segment.numbered_before < number);
        let segment = &self.segments[later - 1];
        // Of the messages that have as many numbered ones before them the last is numbered itself.
        let before = usize::try_from(number - 1 - segment.numbered_before).expect("a segment is small");
        let index = segment.partition_point(|it| numbered_before(it) <= before) - 1;
        Some(segment.base + segment.start(index))
    }

    /// The most bytes that this log will ever hold, entries included.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Memory of its segments.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// With more readers the segments that are begun are larger.
    pub fn set_readers(&mut self, readers: usize) {
        self.readers = readers;
    }

    /// The largest segment.
    fn segment_bytes_max(&self) -> usize {
        LOG_SEGMENT_BYTES_MAX.min(self.bytes_max / LOG_SEGMENTS_MIN)
    }

    /// The size of a segment that is begun now, for a message of at most `bytes`.
    fn next_segment_bytes(&self, bytes: usize) -> usize {
        let grown = (self.bytes / LOG_GROWTH_PART).max(self.readers.saturating_mul(LOG_READER_BYTES));
        grown.max(LOG_SEGMENT_BYTES_MIN).min(self.segment_bytes_max()).max(bytes + LOG_ENTRY_BYTES)
    }

    /// Memory that a message of at most `bytes` takes: that of a segment, or none.
    pub fn growth(&self, bytes: usize) -> usize {
        if self.last_fits(bytes) { 0 } else { self.next_segment_bytes(bytes) }
    }

    /// How many of the oldest segments are to be retired before a message of at most `bytes` is appended.
    pub fn retires_needed(&self, bytes: usize) -> usize {
        if self.last_fits(bytes) { 0 } else { self.retires_for(self.next_segment_bytes(bytes)) }
    }

    /// How many are to be retired before the next segment is begun. It is small messages that matter here: at its cap a
    /// log begins none but segments of the largest size.
    pub fn retires_next(&self) -> usize {
        self.retires_for(self.next_segment_bytes(0))
    }

    fn retires_for(&self, segment_bytes: usize) -> usize {
        let mut bytes = self.bytes + segment_bytes;
        let goes = |segment: &&Segment| {
            let goes = bytes > self.bytes_max;
            bytes -= if goes { segment.memory.len() } else { 0 };
            goes
        };
        self.segments.iter().take_while(goes).count()
    }

    /// Memory of so many of the oldest segments.
    pub fn bytes_of_oldest(&self, segments: usize) -> usize {
        self.segments.iter().take(segments).map(|segment| segment.memory.len()).sum()
    }

    /// Where the tail will be once so many of the oldest segments were retired.
    pub fn tail_after(&self, retires: usize) -> Position {
        self.segments.get(retires).map_or(self.head, |segment| segment.base)
    }

    /// True once the next segment would take it beyond its cap: before it begins the oldest has to go.
    pub fn is_at_cap(&self) -> bool {
        self.retires_next() > 0
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Where a segment begins. They are counted from the oldest.
    pub fn segment_base(&self, segment: usize) -> Position {
        self.segments[segment].base
    }

    /// The segment that `position` lies in, or ends with at the head; the later one between two. There is none where the
    /// log has no segments.
    pub fn segment_of(&self, position: Position) -> usize {
        assert!(self.contains(position), "a cursor lies in the log");
        self.segments.partition_point(|segment| segment.base <= position) - 1
    }

    /// Forgets the oldest segment. Returns its memory, which [`Log::begin_segment`] may use again.
    pub fn retire(&mut self) -> Box<[u8]> {
        let retired = self.segments.pop_front().expect("there is a segment to retire");
        self.bytes -= retired.memory.len();
        retired.memory
    }

    /// Begins a segment for a message of at most `bytes`, which is appended next. Returns its size. The caller has
    /// retired as many as [`Log::retires_needed`] asked for; `spare` is the memory of one of them.
    pub fn begin_segment(&mut self, bytes: usize, spare: Option<Box<[u8]>>) -> usize {
        let size = self.next_segment_bytes(bytes);
        // Where it is large the memory is mapped from the kernel, zeroed, and taken only as it is written.
        let memory = spare.filter(|spare| spare.len() == size).unwrap_or_else(|| vec![0; size].into_boxed_slice());
        self.bytes += size;
        assert!(self.bytes <= self.bytes_max, "the oldest segments were retired first");
        let (base, numbered_before) = (self.head, self.messages);
        self.segments.push_back(Segment { base, numbered_before, memory, length: 0, messages: 0, numbered: 0 });
        size
    }

    /// Gives `render` a space of `bytes_max` bytes in the last segment, which [fits](Log::last_fits) them, and appends
    /// what it writes as one message. Appends nothing when `render` returns false.
    pub fn append(&mut self, entry: Entry, bytes_max: usize, render: impl FnOnce(&mut &mut [u8]) -> bool) -> bool {
        assert!(self.last_fits(bytes_max), "a segment was begun first");
        let last = self.segments.back_mut().expect("it fits a segment");
        let start = last.length;
        let mut space = &mut last.memory[start..start + bytes_max];
        if !render(&mut space) {
            return false;
        }
        let length = bytes_max - space.len();
        assert!(length > 0, "a message has bytes");
        last.length += length;
        let end = last.memory.len() - last.messages * LOG_ENTRY_BYTES;
        last.memory[end - LOG_ENTRY_BYTES..end].copy_from_slice(&entry.encode(start, last.numbered));
        last.messages += 1;
        last.numbered += usize::from(entry.kind.is_numbered());
        self.messages = last.numbered_before + last.numbered as u64;
        self.head = last.base + last.length;
        true
    }

    /// The bytes from `position` on, up to the end of its segment; empty at the head.
    pub fn bytes_from(&self, position: Position) -> &[u8] {
        let Some((segment, offset)) = self.find(position) else { return &[] };
        &segment.bytes()[offset..]
    }

    /// True when a message starts at `position`, or would start there at the head.
    pub fn is_message_start(&self, position: Position) -> bool {
        self.find(position).is_none_or(|(segment, offset)| segment.start(segment.index_at(offset)) == offset)
    }

    /// The start of the message that `position` lies in, which is `position` itself where a message starts.
    pub fn message_start(&self, position: Position) -> Position {
        let Some((segment, offset)) = self.find(position) else { return position };
        let next = segment.index_at(offset);
        segment.base + if segment.start(next) == offset { offset } else { segment.start(next - 1) }
    }

    /// The rest of the message that `position` lies in; empty at the start of one.
    pub fn rest_of_message(&self, position: Position) -> &[u8] {
        let Some((segment, offset)) = self.find(position) else { return &[] };
        &segment.bytes()[offset..segment.start(segment.index_at(offset))]
    }

    /// The messages from `position` on, where one starts, each with its number and its entry.
    pub fn messages_from(&self, position: Position) -> impl Iterator<Item = (u64, Entry, &[u8])> {
        let first = self.find(position).map(|(segment, offset)| {
            let index = segment.index_at(offset);
            assert!(segment.start(index) == offset, "a message starts there");
            (segment, index)
        });
        let later = if first.is_some() { self.segment_of(position) + 1 } else { 0 };
        let later = self.segments.range(later..).map(|segment| (segment, 0));
        let segments = first.into_iter().chain(later);
        segments.flat_map(|(segment, first)| (first..segment.messages).map(|index| segment.message(index)))
    }

    /// The last message, of any kind; `None` where there is none.
    pub fn last_message(&self) -> Option<(Entry, &[u8])> {
        let segment = self.segments.back()?;
        let (_, entry, bytes) = segment.message(segment.messages.checked_sub(1)?);
        Some((entry, bytes))
    }

    /// The numbered messages from `number` on, which is kept or still to be said, each with its number.
    pub fn numbered_from(&self, number: u64) -> impl Iterator<Item = (u64, Entry, &[u8])> {
        let start = self.find_number(number).unwrap_or_else(|| self.head());
        self.messages_from(start).filter(|(_, entry, _)| entry.kind.is_numbered())
    }

    /// The number of the last numbered message that starts before `position`; where there is none, of the last one
    /// before this log.
    pub fn messages_before(&self, position: Position) -> u64 {
        let found = self.find(position);
        found.map_or(self.messages, |(segment, offset)| segment.number_before(segment.index_at(offset)))
    }

    /// The number of the last numbered message that ends at or before `position`.
    pub fn whole_messages_before(&self, position: Position) -> u64 {
        let Some((segment, offset)) = self.find(position) else { return self.messages };
        let next = segment.index_at(offset);
        let torn = segment.start(next) != offset;
        segment.number_before(next - usize::from(torn))
    }

    /// True exactly when the log has `position`: it is neither retired nor past the head.
    pub fn contains(&self, position: Position) -> bool {
        self.tail() <= position && position <= self.head()
    }

    /// True when a message of at most `bytes` fits the segment that is being written.
    pub fn last_fits(&self, bytes: usize) -> bool {
        self.segments.back().is_some_and(|last| last.free() >= bytes + LOG_ENTRY_BYTES)
    }

    /// The segment of `position`, and how far into it that is. A position between two segments is in the later one.
    /// `None` for the head of a log that has no segment.
    fn find(&self, position: Position) -> Option<(&Segment, usize)> {
        assert!(position <= self.head, "a cursor lies in the log");
        let last = self.segments.back();
        let segment = match last {
            None => {
                assert!(position == self.head, "a cursor lies in the log");
                return None;
            }
            Some(last) if position >= last.base => last,
            Some(_) => &self.segments[self.segment_of(position)],
        };
        Some((segment, usize::try_from(position - segment.base).expect("a position lies within its segment")))
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.bytes + self.segments.capacity() * size_of::<Segment>()
    }

    /// Panics when segments do not adjoin, are larger than they may be, or count their messages wrong.
    pub fn invariants(&self) {
        assert!(self.bytes <= self.bytes_max, "the cap holds");
        let sizes = self.segments.iter().map(|segment| segment.memory.len());
        assert_eq!(self.bytes, sizes.sum::<usize>(), "memory is counted");
        let end =
            self.segments.back().map(|last| (last.base + last.length, last.numbered_before + last.numbered as u64));
        assert!(end.is_none_or(|end| end == (self.head, self.messages)), "the head is the end of the last segment");
        let mut before: Option<&Segment> = None;
        for segment in &self.segments {
            assert!(segment.memory.len() <= self.segment_bytes_max(), "a segment is not too large");
            let entries = segment.messages * LOG_ENTRY_BYTES;
            assert!(segment.length + entries <= segment.memory.len(), "messages and entries do not meet");
            assert!(segment.length > 0 && segment.messages > 0, "a segment has messages");
            if let Some(before) = before {
                assert!(segment.base == before.base + before.length, "segments adjoin");
                let numbered = before.numbered_before + before.numbered as u64;
                assert_eq!(segment.numbered_before, numbered, "numbered messages are counted");
            }
            let starts: Vec<usize> = (0..=segment.messages).map(|index| segment.start(index)).collect();
            assert!(starts[0] == 0 && starts.is_sorted_by(|one, other| one < other), "messages adjoin");
            let mut numbered = 0;
            for index in 0..segment.messages {
                assert_eq!(numbered_before(segment.encoded(index)), numbered, "an entry tells the numbered before it");
                numbered += usize::from(kind_of(segment.encoded(index)).is_numbered());
            }
            assert_eq!(numbered, segment.numbered, "numbered messages are counted");
            before = Some(segment);
        }
    }
}

#[cfg(test)]
impl Log {
    /// The message that starts at `position`; `None` at the head.
    pub fn message_at(&self, position: Position) -> Option<(u64, Entry, &[u8])> {
        self.messages_from(position).next()
    }

    /// Retires what has to go before a message of so many bytes is appended.
    pub fn make_space(&mut self, bytes: usize) {
        for _ in 0..self.retires_needed(bytes) {
            self.retire();
        }
    }

    /// Appends `message` with an entry that says no more than that it is a line.
    pub fn append_bytes(&mut self, message: &[u8]) {
        self.append_as(Kind::Line, message);
    }

    pub fn append_as(&mut self, kind: Kind, message: &[u8]) {
        let entry = Entry { time: UnixTime(0), author: None, kind, name_bytes: 0 };
        if !self.last_fits(message.len()) {
            self.begin_segment(message.len(), None);
        }
        let appended = self.append(entry, message.len(), |space| {
            std::io::Write::write_all(space, message).expect("there is space for it");
            true
        });
        assert!(appended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(offset: u64) -> Position {
        Position(offset)
    }

    /// A log of four segments, each of `bytes` bytes of messages and `messages` entries.
    fn log(bytes: usize, messages: usize) -> Log {
        Log::new(LOG_SEGMENTS_MIN * (bytes + messages * LOG_ENTRY_BYTES), bytes, 0)
    }

    #[test]
    fn an_empty_log_starts_and_ends_at_0() {
        let log = Log::new(400, 50, 7);
        assert_eq!((log.tail(), log.head(), log.messages()), (at(0), at(0), 7));
        assert_eq!(log.bytes_from(at(0)), b"");
        assert!(log.is_message_start(at(0)));
        assert_eq!(log.message_at(at(0)), None);
        assert_eq!(log.bytes_max(), 400);
    }

    #[test]
    fn a_message_is_known_by_its_entry_and_not_by_its_bytes() {
        let mut log = log(24, 3);
        log.append_bytes(b"\n\n3\n");
        log.append_bytes(b"\n");
        log.append_bytes(b"abcdef");
        assert_eq!(log.bytes_from(at(0)), b"\n\n3\n\nabcdef");
        assert_eq!(log.rest_of_message(at(7)), b"cdef");
        assert_eq!(log.rest_of_message(at(5)), b"");
        assert_eq!(log.message_at(at(4)).unwrap().2, b"\n");
        assert_eq!(
            [at(0), at(3), at(4), at(8), at(11)].map(|position| log.message_start(position)),
            [0, 0, 4, 5, 11].map(at)
        );
        assert_eq!(
            [at(0), at(1), at(4), at(5), at(6), at(11)].map(|position| log.messages_before(position)),
            [0, 1, 1, 2, 3, 3]
        );
    }

    #[test]
    fn an_entry_says_the_author_the_time_and_the_kind() {
        let mut log = log(24, 3);
        let entries = [
            Entry {
                time: UnixTime(253_402_300_799_999),
                author: Some(PublicId(u64::MAX)),
                kind: Kind::Line,
                name_bytes: 255,
            },
            Entry { time: UnixTime(400), author: None, kind: Kind::Summary, name_bytes: 0 },
        ];
        log.begin_segment(2, None);
        for (entry, at) in entries.into_iter().zip([0, 1]) {
            let position = log.head();
            assert_eq!(position, Position(at));
            log.append(entry, 1, |space| {
                *space = &mut std::mem::take(space)[1..];
                true
            });
            assert_eq!(log.message_at(position).unwrap().1, entry);
        }
    }

    #[test]
    fn a_message_that_is_not_rendered_is_not_appended() {
        let mut log = log(10, 1);
        let entry = Entry { time: UnixTime(0), author: None, kind: Kind::Line, name_bytes: 0 };
        log.begin_segment(5, None);
        assert!(!log.append(entry, 5, |space| {
            space[0] = b'x';
            false
        }));
        assert_eq!((log.head(), log.messages()), (at(0), 0));
        log.append_bytes(b"y");
        assert_eq!(log.bytes_from(at(0)), b"y");
    }

    #[test]
    fn the_cap_holds_and_retiring_moves_the_tail() {
        let mut log = log(10, 1);
        for message in [b"111111\n", b"222222\n", b"333333\n", b"444444\n"] {
            assert_eq!(log.retires_needed(7), 0);
            log.append_bytes(message);
        }
        assert_eq!(log.retires_needed(1), 1, "its entry does not fit any more");
        assert_eq!(log.tail_after(1), at(7));
        log.retire();
        log.append_bytes(b"555555\n");
        assert_eq!((log.tail(), log.head(), log.messages()), (at(7), at(35), 5));
        assert!(!log.contains(at(6)) && log.contains(at(7)) && log.contains(at(35)) && !log.contains(at(36)));
        assert_eq!(log.messages_before(log.tail()), 1);
    }

    proptest! {
        /// The log compared with a plain vector of messages of random bytes.
        #[test]
        fn a_log_is_the_last_messages_said(
            messages in prop::collection::vec(
                (any::<bool>(), prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 1..20)),
                1..120,
            ),
        ) {
            let mut log = log(20, 2);
            let mut all = Vec::new();
            let mut starts = Vec::new();
            let mut numbers = vec![0];
            for (numbered, message) in &messages {
                let tail = log.tail_after(log.retires_needed(message.len()));
                log.make_space(message.len());
                prop_assert_eq!(log.tail(), tail);
                starts.push(all.len());
                all.extend_from_slice(message);
                log.append_as(if *numbered { Kind::Line } else { Kind::Entered }, message);
                numbers.push(numbers[numbers.len() - 1] + u64::from(*numbered));
                prop_assert_eq!(log.messages(), numbers[numbers.len() - 1]);
                prop_assert_eq!(log.head(), at(all.len() as u64));
                log.invariants();
            }
            let mut read = Vec::new();
            while log.tail() + read.len() < log.head() {
                read.extend_from_slice(log.bytes_from(log.tail() + read.len()));
            }
            let tail = all.len() - read.len();
            prop_assert_eq!(&all[tail..], &read[..]);
            prop_assert!(starts.contains(&tail));
            starts.push(all.len());
            for offset in tail..=all.len() {
                let position = at(offset as u64);
                let next = starts.partition_point(|start| *start < offset);
                prop_assert_eq!(log.is_message_start(position), starts[next] == offset);
                prop_assert_eq!(log.messages_before(position), numbers[next]);
                let whole = next - usize::from(starts[next] != offset);
                prop_assert_eq!(log.whole_messages_before(position), numbers[whole]);
                prop_assert_eq!(log.rest_of_message(position), &all[offset..starts[next]]);
            }
            let first = starts.partition_point(|start| *start < tail);
            prop_assert_eq!(log.first_number(), numbers[first] + 1);
            for (from, start) in starts.iter().enumerate().skip(first) {
                let kept = log.messages_from(at(*start as u64)).map(|(number, _, bytes)| (number, bytes.to_vec()));
                let expected = (from..messages.len()).map(|index| (numbers[index + 1], messages[index].1.clone()));
                prop_assert!(kept.eq(expected));
            }
            for number in 0..=log.messages() + 1 {
                let index = (first..messages.len()).find(|index| messages[*index].0 && numbers[index + 1] == number);
                prop_assert_eq!(log.find_number(number), index.map(|index| at(starts[index] as u64)));
            }
        }
    }
}
