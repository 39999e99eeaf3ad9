//! One member of a feed: a cursor into the log, and more state for those members that need it.
//!
//! A member receives every message of the log from where it joined, except its own: it keeps the ranges of its own
//! messages that its cursor has not reached, and its cursor jumps over them. When the log has to forget messages that a
//! slow member has not been sent, the member is skipped. A copy finishes the message that it was in the middle of, the
//! messages that it missed are counted exactly, and it goes on from the oldest message kept. A member does no I/O.

use std::collections::VecDeque;

use super::log::{Log, Position};
use crate::limits::{OWN_RANGES_KEPT, OWN_RANGES_MAX};
use crate::token::ConnectionId;

#[derive(Debug)]
pub struct Member {
    pub connection: ConnectionId,
    /// Everything before it was sent, or is the member's own. While the member is skipped it stays where it was then.
    cursor: Position,
    /// The messages of the room up to this number are settled: counted as delivered, its own, missed, or said before it
    /// joined. Only numbered messages are counted.
    counted: u64,
    /// Present once the member was skipped, or has spoken while it was behind. Most members of a large room only
    /// listen.
    aside: Option<Box<Aside>>,
}

#[derive(Debug, Default)]
struct Aside {
    /// Its own messages at or ahead of the cursor, in order, adjacent ones merged, at most [`OWN_RANGES_MAX`] + 1.
    own: VecDeque<OwnRange>,
    /// The part still to be sent of the message that the member was in the middle of when it was skipped.
    unfinished: Vec<u8>,
    /// The number of the last message before the first one missed. Set exactly while the member is skipped: from when the log
    /// forgot the bytes at its cursor, or somewhat earlier, until it goes on.
    missed_from: Option<u64>,
}

/// Messages that a member missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// How many, without its own and those that have no number.
    pub messages: u64,
    /// The numbers of the first and of the last that it has not been sent, its own among them; meaningless when none
    /// are missed.
    pub first: u64,
    pub last: u64,
}

impl Gap {
    /// The numbers of the first and of the last, where both are known.
    pub fn range(&self) -> Option<(u64, u64)> {
        (self.first > 0 && self.last > 0).then_some((self.first, self.last))
    }
}

#[derive(Debug)]
struct OwnRange {
    start: Position,
    end: Position,
    /// The number of the last message before `start`.
    messages_before: u64,
    /// Its numbered messages.
    messages: u64,
}

impl Member {
    /// Sizes for the memory bound: one range of own messages, and the state that only some members need.
    pub const OWN_RANGE_BYTES: usize = size_of::<OwnRange>();
    pub const ASIDE_BYTES: usize = size_of::<Aside>();

    /// A member that will be sent what is appended to `log` from now on.
    pub fn new(connection: ConnectionId, log: &Log) -> Self {
        Self { connection, cursor: log.head(), counted: log.messages(), aside: None }
    }

    /// The bytes that are to be sent to this member next, in one piece; empty exactly when there are none.
    pub fn due<'a>(&'a self, log: &'a Log) -> &'a [u8] {
        let Some(aside) = self.aside.as_deref() else {
            return log.bytes_from(self.cursor);
        };
        assert!(aside.missed_from.is_none(), "a skipped member goes on before it is sent anything");
        if !aside.unfinished.is_empty() {
            return &aside.unfinished;
        }
        let bytes = log.bytes_from(self.cursor);
        match aside.own.front() {
            Some(own) => {
                let ahead = usize::try_from(own.start - self.cursor).unwrap_or(usize::MAX);
                &bytes[..bytes.len().min(ahead)]
            }
            None => bytes,
        }
    }

    /// True when the member has been sent no part of its next message, so that private bytes may be sent before it.
    pub fn is_between_messages(&self, log: &Log) -> bool {
        let unfinished = self.aside.as_deref().is_some_and(|aside| !aside.unfinished.is_empty());
        !unfinished && log.is_message_start(self.cursor)
    }

    /// The rest of the message that the member is in the middle of; `None` while it is skipped.
    pub fn rest_of_message<'a>(&'a self, log: &'a Log) -> Option<&'a [u8]> {
        match self.aside.as_deref() {
            Some(aside) if aside.missed_from.is_some() => None,
            Some(aside) if !aside.unfinished.is_empty() => Some(&aside.unfinished),
            _ => Some(log.rest_of_message(self.cursor)),
        }
    }

    /// Notes that the first `bytes` of [`Member::due`] were sent. Returns by how much that made
    /// [`Member::buffer_bytes`] smaller.
    pub fn advance(&mut self, bytes: usize, log: &Log) -> usize {
        if let Some(aside) = self.aside.as_deref_mut()
            && !aside.unfinished.is_empty()
        {
            aside.unfinished.drain(..bytes);
            if !aside.unfinished.is_empty() {
                return 0;
            }
            let freed = std::mem::take(&mut aside.unfinished).capacity();
            self.free_aside();
            return freed;
        }
        assert!(self.cursor + bytes <= log.head(), "no more is sent than there is");
        self.cursor = self.cursor + bytes;
        if self.aside.is_none() {
            return 0;
        }
        let before = self.buffer_bytes();
        self.jump();
        before - self.buffer_bytes()
    }

    /// Frees the extra state once it is empty. A member that has had ranges of own messages keeps the memory for
    /// [`OWN_RANGES_KEPT`] of them.
    fn free_aside(&mut self) {
        self.aside
            .take_if(|aside| aside.own.capacity() == 0 && aside.unfinished.is_empty() && aside.missed_from.is_none());
    }

    /// Moves the cursor over the member's own messages.
    fn jump(&mut self) {
        let Some(aside) = self.aside.as_deref_mut() else { return };
        while let Some(own) = aside.own.front()
            && own.start == self.cursor
        {
            self.cursor = own.end;
            self.counted += own.messages;
            aside.own.pop_front();
        }
        if aside.own.is_empty() {
            aside.own.shrink_to(OWN_RANGES_KEPT);
        }
    }

    /// Notes that the message from `start` to the head is this member's own. True when its cursor is at the head now.
    pub fn on_own_message(&mut self, start: Position, log: &Log) -> bool {
        let end = log.head();
        let messages_before = log.messages_before(start);
        let messages = log.messages() - messages_before;
        if self.cursor == start && !self.is_skipped() {
            self.cursor = end;
            self.counted += messages;
            return true;
        }
        let own = &mut self.aside.get_or_insert_default().own;
        match own.back_mut() {
            Some(last) if last.end == start => {
                last.end = end;
                last.messages += messages;
            }
            _ => own.push_back(OwnRange { start, end, messages_before, messages }),
        }
        false
    }

    /// Ranges of its own messages ahead of its cursor.
    pub fn own_ranges(&self) -> usize {
        self.aside.as_deref().map_or(0, |aside| aside.own.len())
    }

    /// False while [`OWN_RANGES_MAX`] ranges of its own messages lie ahead of its cursor. Then it may not speak before
    /// it has been sent the messages between them.
    pub fn may_speak(&self) -> bool {
        self.aside.as_deref().is_none_or(|aside| aside.own.len() < OWN_RANGES_MAX)
    }

    /// False when one more range of its own messages would take memory beyond what is reckoned for every member.
    pub fn speaks_in_place(&self) -> bool {
        self.aside.as_deref().is_none_or(|aside| aside.own.len() < aside.own.capacity().max(OWN_RANGES_KEPT))
    }

    /// True exactly when everything was sent.
    pub fn is_level(&self, log: &Log) -> bool {
        self.due(log).is_empty()
    }

    /// Bytes of the log ahead of the cursor, `None` for a skipped member, whose cursor means nothing.
    pub fn lag(&self, log: &Log) -> Option<u64> {
        (!self.is_skipped()).then(|| log.head() - self.cursor)
    }

    /// True when this member has still to be sent bytes before `tail`.
    pub fn needs_before(&self, tail: Position) -> bool {
        !self.is_skipped() && self.cursor < tail
    }

    pub fn is_skipped(&self) -> bool {
        self.aside.as_deref().is_some_and(|aside| aside.missed_from.is_some())
    }

    /// Numbered messages sent whole to this member since the last call.
    pub fn count_delivered(&mut self, log: &Log) -> u64 {
        if self.is_skipped() {
            return 0;
        }
        // Most members are counted at the head.
        let sent = if self.cursor == log.head() { log.messages() } else { log.whole_messages_before(self.cursor) };
        let delivered = sent - self.counted;
        self.counted = sent;
        delivered
    }

    /// The log is going to forget the bytes at this member's cursor. Copies the rest of the message that it is in the
    /// middle of; that message counts as delivered. Returns the messages delivered since they were last counted, and
    /// false when the copy would take more than `copy_bytes_max`: then there is none, and the member must be closed.
    pub fn skip(&mut self, log: &Log, copy_bytes_max: usize) -> (u64, bool) {
        let aside = self.aside.get_or_insert_default();
        let mut whole = true;
        // After an earlier skip there may still be a part of `unfinished` to send. The cursor is at the start of a
        // message then.
        if aside.unfinished.is_empty() {
            let rest = log.rest_of_message(self.cursor);
            whole = rest.len() <= copy_bytes_max;
            if whole {
                aside.unfinished = rest.to_vec();
            }
        }
        let missed_from = log.messages_before(self.cursor);
        aside.missed_from = Some(missed_from);
        (missed_from - std::mem::replace(&mut self.counted, missed_from), whole)
    }

    /// Moves the cursor of a skipped member to the oldest message kept. Returns what it missed; `None` for a member that
    /// was not skipped. It is to be told of that, if it is any message, after its unfinished one.
    pub fn resume(&mut self, log: &Log) -> Option<Gap> {
        let aside = self.aside.as_deref_mut()?;
        let missed_from = aside.missed_from.take()?;
        let tail = log.tail();
        if self.cursor >= tail {
            // It was skipped ahead of need, and misses nothing. The message that it was in the middle of was copied.
            self.cursor = self.cursor + log.rest_of_message(self.cursor).len();
            self.jump();
            self.free_aside();
            return Some(Gap::default());
        }
        let tail_messages = log.messages_before(tail);
        let mut own_missed = 0;
        while let Some(own) = aside.own.front_mut()
            && own.start < tail
        {
            if own.end <= tail {
                own_missed += own.messages;
                aside.own.pop_front();
            } else {
                let before_tail = tail_messages - own.messages_before;
                own_missed += before_tail;
                own.start = tail;
                own.messages_before = tail_messages;
                own.messages -= before_tail;
            }
        }
        let messages = tail_messages - missed_from - own_missed;
        self.cursor = tail;
        self.counted = tail_messages;
        self.jump();
        self.free_aside();
        Some(Gap { messages, first: missed_from + 1, last: tail_messages })
    }
}

impl Member {
    /// Memory that counts against the buffer bytes of all members: that for own ranges beyond those that every member
    /// may keep, and the copy of an unfinished message.
    pub fn buffer_bytes(&self) -> usize {
        self.aside.as_deref().map_or(0, |aside| {
            let ranges = aside.own.capacity().saturating_sub(OWN_RANGES_KEPT);
            ranges * Self::OWN_RANGE_BYTES + aside.unfinished.capacity()
        })
    }

    /// Memory beyond the member itself, in bytes.
    pub fn aside_bytes(&self) -> usize {
        self.aside.as_deref().map_or(0, |aside| {
            Self::ASIDE_BYTES + aside.own.capacity() * Self::OWN_RANGE_BYTES + aside.unfinished.capacity()
        })
    }

    /// The cursor; `None` while the member is skipped.
    pub fn cursor(&self) -> Option<Position> {
        (!self.is_skipped()).then_some(self.cursor)
    }

    /// Panics when the member is not as it must be.
    pub fn invariants(&self, log: &Log) {
        assert!(self.is_skipped() || log.contains(self.cursor), "a cursor lies in the log");
        assert!(self.counted <= log.messages(), "no more messages are counted than were said");
        let Some(aside) = self.aside.as_deref() else { return };
        assert!(aside.own.len() <= OWN_RANGES_MAX + 1, "own ranges are bounded");
        let mut end = if self.is_skipped() { Position::default() } else { self.cursor };
        for own in &aside.own {
            let first = end == self.cursor && !self.is_skipped();
            assert!(if first { own.start > end } else { own.start >= end }, "own ranges lie ahead, in order");
            assert!(own.start < own.end && own.end <= log.head(), "an own range has messages of the log");
            end = own.end;
        }
        let between = self.is_skipped() || aside.unfinished.is_empty() || log.is_message_start(self.cursor);
        assert!(between, "an unfinished message is followed by whole messages");
    }
}
