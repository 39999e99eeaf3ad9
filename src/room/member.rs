//! One member of a feed: a cursor into its log, and the little that only some members need.
//!
//! A member receives every message of the log from where it joined on, except its own: it keeps the ranges of its own messages
//! that its cursor has not reached and jumps over them. When the log has to forget what a slow member has not read, the
//! member is skipped: the message it was in the middle of is finished from a copy, how many messages it missed is
//! counted exactly, and it goes on from the oldest message kept. A member does no I/O.

use std::collections::VecDeque;

use super::log::{Log, Position};
use crate::limits::OWN_RANGES_MAX;
use crate::token::ConnectionId;

#[derive(Debug)]
pub struct Member {
    pub connection: ConnectionId,
    /// Everything before it was sent, or was not for this member. Meaningless while the member is skipped.
    cursor: Position,
    /// Messages of the log that need not be counted as delivered any more: counted already, its own, or missed.
    counted: u64,
    /// Present once the member has spoken or was skipped; most members of a large room only listen.
    aside: Option<Box<Aside>>,
}

#[derive(Debug, Default)]
struct Aside {
    /// Its own messages at or ahead of the cursor, in order, adjacent ones merged, at most [`OWN_RANGES_MAX`] and one.
    own: VecDeque<OwnRange>,
    /// What is left to be sent of the message that the member was in the middle of when it was skipped.
    unfinished: Vec<u8>,
    /// The number of messages before the first one missed. Set exactly while the member is skipped: from when its place in
    /// the log was forgotten until it goes on.
    missed_from: Option<u64>,
}

#[derive(Debug)]
struct OwnRange {
    start: Position,
    end: Position,
    /// Messages in the log before `start`.
    messages_before: u64,
    messages: u64,
}

impl Member {
    /// What the memory bound reckons for one range of own lines, and for what is kept aside.
    pub const OWN_RANGE_BYTES: usize = size_of::<OwnRange>();
    pub const ASIDE_BYTES: usize = size_of::<Aside>();

    /// A member that will be sent what is appended to `log` from now on.
    pub fn new(connection: ConnectionId, log: &Log) -> Self {
        Self { connection, cursor: log.head(), counted: log.messages(), aside: None }
    }

    /// What is to be sent to this member next, in one piece; empty exactly when there is nothing.
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

    /// True when the member has been sent whole messages alone, so that something else may be sent before the next.
    pub fn is_between_messages(&self, log: &Log) -> bool {
        let unfinished = self.aside.as_deref().is_some_and(|aside| !aside.unfinished.is_empty());
        !unfinished && log.is_message_start(self.cursor)
    }

    /// What is left of the message that the member is in the middle of; `None` when it has lost its place.
    pub fn rest_of_message<'a>(&'a self, log: &'a Log) -> Option<&'a [u8]> {
        match self.aside.as_deref() {
            Some(aside) if aside.missed_from.is_some() => None,
            Some(aside) if !aside.unfinished.is_empty() => Some(&aside.unfinished),
            _ => Some(log.rest_of_message(self.cursor)),
        }
    }

    /// Notes that the first `bytes` of [`Member::due`] were sent.
    pub fn advance(&mut self, bytes: usize, log: &Log) {
        match self.aside.as_deref_mut() {
            Some(aside) if !aside.unfinished.is_empty() => {
                aside.unfinished.drain(..bytes);
                if aside.unfinished.is_empty() {
                    aside.unfinished = Vec::new();
                    self.free_aside();
                }
            }
            _ => {
                assert!(self.cursor + bytes <= log.head(), "no more is sent than there is");
                self.cursor = self.cursor + bytes;
                self.jump();
            }
        }
    }

    /// Frees what is kept aside when nothing is. A member that speaks keeps the memory for its ranges.
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
    }

    /// Notes that the message from `start` to the head is this member's own. True when its cursor is at the head now.
    pub fn on_own_message(&mut self, start: Position, log: &Log) -> bool {
        let end = log.head();
        if self.cursor == start && !self.is_skipped() {
            self.cursor = end;
            self.counted += 1;
            return true;
        }
        let messages_before = log.messages() - 1;
        let own = &mut self.aside.get_or_insert_default().own;
        match own.back_mut() {
            Some(last) if last.end == start => {
                last.end = end;
                last.messages += 1;
            }
            _ => own.push_back(OwnRange { start, end, messages_before, messages: 1 }),
        }
        false
    }

    /// False when the most ranges of its own messages lie ahead of its cursor: then it may not speak before it has read.
    pub fn may_speak(&self) -> bool {
        self.aside.as_deref().is_none_or(|aside| aside.own.len() < OWN_RANGES_MAX)
    }

    /// True exactly when everything was sent.
    pub fn is_level(&self, log: &Log) -> bool {
        self.due(log).is_empty()
    }

    /// Bytes of the log ahead of the cursor, `None` for a skipped member, which has lost its place.
    pub fn lag(&self, log: &Log) -> Option<u64> {
        (!self.is_skipped()).then(|| log.head() - self.cursor)
    }

    /// True when the bytes before `tail` are still needed by this member.
    pub fn needs_before(&self, tail: Position) -> bool {
        !self.is_skipped() && self.cursor < tail
    }

    fn is_skipped(&self) -> bool {
        self.aside.as_deref().is_some_and(|aside| aside.missed_from.is_some())
    }

    /// Messages sent whole to this member since the last call.
    pub fn count_delivered(&mut self, log: &Log) -> u64 {
        if self.is_skipped() {
            return 0;
        }
        let sent = if self.cursor == log.head() {
            log.messages()
        } else {
            log.messages_before(self.cursor) - u64::from(!log.is_message_start(self.cursor))
        };
        let delivered = sent - self.counted;
        self.counted = sent;
        delivered
    }

    /// Takes what this member needs from a log that is about to forget its place: the rest of the message that it was
    /// in the middle of, which is counted as delivered. Returns the messages delivered since they were last counted.
    pub fn skip(&mut self, log: &Log) -> u64 {
        let aside = self.aside.get_or_insert_default();
        // One that was skipped before and has not been sent all of `unfinished` is at the start of a message.
        if aside.unfinished.is_empty() {
            aside.unfinished = log.rest_of_message(self.cursor).to_vec();
        }
        let missed_from = log.messages_before(self.cursor);
        aside.missed_from = Some(missed_from);
        missed_from - std::mem::replace(&mut self.counted, missed_from)
    }

    /// Puts a skipped member at the oldest message kept. Returns the number of messages that it missed, its own not counted, and 0
    /// for a member that was not skipped. It is to be told of them after what it was in the middle of.
    pub fn resume(&mut self, log: &Log) -> u64 {
        let Some(aside) = self.aside.as_deref_mut() else { return 0 };
        let Some(missed_from) = aside.missed_from.take() else { return 0 };
        let tail = log.tail();
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
        messages
    }
}

impl Member {
    /// Memory beyond the member itself, in bytes.
    pub fn aside_bytes(&self) -> usize {
        self.aside.as_deref().map_or(0, |aside| {
            Self::ASIDE_BYTES + aside.own.capacity() * Self::OWN_RANGE_BYTES + aside.unfinished.capacity()
        })
    }

    /// Where the member is, for comparing members that have not lost their place.
    pub fn cursor(&self) -> Option<Position> {
        (!self.is_skipped()).then_some(self.cursor)
    }

    /// Panics when the member could not be sent what is right.
    pub fn invariants(&self, log: &Log) {
        assert!(self.is_skipped() || log.contains(self.cursor), "a cursor lies in the log");
        assert!(self.counted <= log.messages(), "no more is counted than was said");
        let Some(aside) = self.aside.as_deref() else { return };
        assert!(aside.own.len() <= OWN_RANGES_MAX + 1, "own ranges are bounded");
        let mut end = if self.is_skipped() { Position::default() } else { self.cursor };
        for own in &aside.own {
            let first = end == self.cursor && !self.is_skipped();
            assert!(if first { own.start > end } else { own.start >= end }, "own ranges lie ahead, in order");
            assert!(own.start < own.end && own.end <= log.head() && own.messages > 0, "an own range is said");
            end = own.end;
        }
        let between = self.is_skipped() || aside.unfinished.is_empty() || log.is_message_start(self.cursor);
        assert!(between, "what is unfinished comes before whole messages");
    }
}
