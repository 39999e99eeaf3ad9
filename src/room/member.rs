//! One member of a room: a cursor into its log, and the little that only some members need.
//!
//! A member receives every line of the log from where it joined on, except its own: it keeps the ranges of its own lines
//! that its cursor has not reached and jumps over them. Lines meant for it alone wait in its outbox until it is between
//! two lines of the log. When the log has to forget what a slow member has not read, the member is skipped: the line it
//! was in the middle of is finished from a copy, it is told exactly how many messages it missed, and it goes on from the
//! oldest line kept. A member does no I/O.

use std::collections::VecDeque;

use super::log::{Log, Position};
use crate::limits::{OUTBOX_BYTES_MAX, OWN_RANGES_MAX};
use crate::message::Notice;
use crate::token::ConnectionId;
use crate::wire::Encoding;

#[derive(Debug)]
pub struct Member {
    pub connection: ConnectionId,
    /// Everything before it was sent, or was not for this member. Meaningless while the member is skipped.
    cursor: Position,
    /// Messages of the log that need not be counted as delivered any more: counted already, its own, or missed.
    counted: u64,
    /// Present while the member is told something, and once it has spoken; most members of a large room only listen.
    aside: Option<Box<Aside>>,
}

#[derive(Debug, Default)]
struct Aside {
    /// Its own lines at or ahead of the cursor, in order, adjacent ones merged, at most [`OWN_RANGES_MAX`] and one.
    own: VecDeque<OwnRange>,
    /// Whole lines for this member alone; while `missed_from` is set its front may be the end of a torn line.
    outbox: Vec<u8>,
    /// Bytes of the outbox that were sent. Not zero only while the cursor is at a line start, or the member is skipped.
    outbox_sent: usize,
    /// The number of the first message missed. Set exactly while the member is skipped: from when its place in the log
    /// was forgotten until it is told.
    missed_from: Option<u64>,
}

impl Aside {
    /// True when the outbox goes out before what is at the cursor: between two lines, or once begun.
    fn outbox_is_due(&self, cursor: Position, log: &Log) -> bool {
        self.outbox_sent > 0 || (!self.outbox.is_empty() && log.is_message_start(cursor))
    }
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
        assert!(aside.missed_from.is_none(), "a skipped member is told before it is sent anything");
        if aside.outbox_is_due(self.cursor, log) {
            return &aside.outbox[aside.outbox_sent..];
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

    /// Notes that the first `bytes` of [`Member::due`] were sent.
    pub fn advance(&mut self, bytes: usize, log: &Log) {
        if let Some(aside) = self.aside.as_deref_mut()
            && aside.outbox_is_due(self.cursor, log)
        {
            aside.outbox_sent += bytes;
            if aside.outbox_sent == aside.outbox.len() {
                aside.outbox_sent = 0;
                aside.outbox = Vec::new();
                // Who has only been welcomed needs nothing aside; who speaks keeps the memory for its ranges.
                if aside.own.capacity() == 0 {
                    self.aside = None;
                }
            }
            return;
        }
        self.cursor = self.cursor + bytes;
        self.jump();
    }

    /// Moves the cursor over the member's own lines.
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

    /// Notes that the line from `start` to the head is this member's own. True when its cursor is at the head now.
    pub fn spoke(&mut self, start: Position, log: &Log) -> bool {
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

    /// False when so many of its own lines lie ahead of its cursor that the member may not speak before it has read.
    pub fn may_speak(&self) -> bool {
        self.aside.as_deref().is_none_or(|aside| aside.own.len() < OWN_RANGES_MAX)
    }

    /// Puts a line into the outbox. False, and nothing done, when too many notices wait there.
    pub fn tell(&mut self, notice: Notice, encoding: Encoding) -> bool {
        let outbox = &mut self.aside.get_or_insert_default().outbox;
        if outbox.len() >= OUTBOX_BYTES_MAX {
            return false;
        }
        encoding.notice(notice, outbox);
        true
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

    /// What ends this member's stream with `line`, at a line boundary. `None` for a member that has lost its place.
    pub fn farewell(&self, notice: Notice, encoding: Encoding, log: &Log) -> Option<Vec<u8>> {
        if self.is_skipped() {
            return None;
        }
        let mut bytes = log.rest_of_message(self.cursor).to_vec();
        if let Some(aside) = self.aside.as_deref() {
            bytes.extend_from_slice(&aside.outbox[aside.outbox_sent..]);
        }
        encoding.notice(notice, &mut bytes);
        Some(bytes)
    }

    /// Takes what this member needs from a log that is about to forget its place: the rest of the line that it was in
    /// the middle of, which is counted as delivered. Returns the messages delivered since they were last counted.
    pub fn skip(&mut self, log: &Log) -> u64 {
        let aside = self.aside.get_or_insert_default();
        let rest = log.rest_of_message(self.cursor);
        assert!(rest.is_empty() || aside.outbox_sent == 0, "the outbox goes out between two lines");
        aside.outbox.splice(0..0, rest.iter().copied());
        let missed_from = log.messages_before(self.cursor);
        aside.missed_from = Some(missed_from);
        missed_from - std::mem::replace(&mut self.counted, missed_from)
    }

    /// Tells a skipped member what it missed and puts it at the oldest line kept. Returns the number of messages that it
    /// missed, its own not counted, and 0 for a member that was not skipped.
    pub fn resume(&mut self, log: &Log, encoding: Encoding) -> u64 {
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
        if messages > 0 {
            encoding.notice(Notice::Missed { messages }, &mut aside.outbox);
        }
        self.cursor = tail;
        self.counted = tail_messages;
        self.jump();
        messages
    }
}

impl Member {
    /// Memory beyond the member itself, in bytes.
    pub fn aside_bytes(&self) -> usize {
        self.aside.as_deref().map_or(0, |aside| {
            Self::ASIDE_BYTES + aside.own.capacity() * Self::OWN_RANGE_BYTES + aside.outbox.capacity()
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
        assert!(aside.outbox_sent <= aside.outbox.len(), "no more is sent than there is");
        assert!(aside.outbox.is_empty() || aside.outbox_sent < aside.outbox.len(), "what was sent is gone");
        let between = self.is_skipped() || aside.outbox_sent == 0 || log.is_message_start(self.cursor);
        assert!(between, "notices stand between two lines");
    }
}
