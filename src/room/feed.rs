//! A feed: one log, and the members that read it. It knows positions and bytes, and nothing of what they say.
//!
//! No member has a queue: to broadcast is to move cursors to the head. When the log is at its cap its oldest segment
//! must go. It never goes before all members of the sweep have been sent it: until then [`Feed::memory_needed`] is
//! `None`, so authors wait for the sweep. Members that are parked or returning are skipped instead, and only those that
//! the segment is needed by are looked at. Where they are more than may be skipped in a turn, some are skipped in each turn
//! from when the last segment is begun, so that they are done when it is full; if they are not, authors wait for that
//! too.

use std::io::{self, Write};
use std::time::Duration;

use arrayvec::ArrayVec;

use super::Counts;
use super::log::{Entry, Log, Position};
use super::member::{Gap, Member};
use super::members::{MemberId, Members, Place};
use super::roster::Roster;
use crate::limits::SEND_BATCH_MEMBERS;
use crate::message::{Body, Kind, Message};
use crate::names::Name;
use crate::time::UnixTime;
use crate::token::{ConnectionId, RoomId, TableId};
use crate::wire::Encoding;
use crate::wire::websocket::object::HEARTBEAT;

/// The members of one batch of sends.
pub type Batch = ArrayVec<MemberId, SEND_BATCH_MEMBERS>;

#[derive(Debug)]
pub struct Feed {
    encoding: Encoding,
    log: Log,
    roster: Roster,
    /// Most bytes of a message.
    message_bytes_max: usize,
    /// Numbered messages that members were told they missed, over all members.
    skipped_messages: u64,
    /// Numbered messages sent whole to members. Those sent to a member that is behind are added when it is level, skipped or
    /// leaves.
    deliveries: u64,
    /// True once a close frame was appended, behind which no frame may follow.
    has_ended: bool,
}

impl Feed {
    /// A feed without members and without memory. Its log holds at most `log_bytes`, and messages of at most `message_bytes_max`;
    /// `messages` were numbered before it began.
    pub fn new(encoding: Encoding, log_bytes: usize, message_bytes_max: usize, messages: u64) -> Self {
        let log = Log::new(log_bytes, message_bytes_max, messages);
        Self {
            encoding,
            roster: Roster::default(),
            log,
            message_bytes_max,
            skipped_messages: 0,
            deliveries: 0,
            has_ended: false,
        }
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Members that read it.
    pub fn len(&self) -> usize {
        self.roster.len()
    }

    pub fn is_empty(&self) -> bool {
        self.roster.is_empty()
    }

    /// Members that no sweep looks at.
    pub fn parked(&self) -> usize {
        self.roster.parked()
    }

    /// The cursor of the member that has been behind for the longest, of those that a sweep looks at.
    pub fn behind_from(&self) -> Option<Position> {
        self.roster.behind_from()
    }

    /// What was counted here, but for messages, which the room counts.
    pub fn counts(&self) -> Counts {
        Counts { messages: 0, deliveries: self.deliveries, skipped: self.skipped_messages }
    }

    /// Bytes that the member furthest behind has to be sent. Exact, but where that is a slow member and more than
    /// [`LAG_LOOKS_MAX`](crate::limits::LAG_LOOKS_MAX) have their cursors in the same segment: then it counts from the
    /// start of the segment. A skipped member lags by more than the whole log, and counts as lagging by that.
    pub fn lag_bytes_max(&self, members: &Members) -> u64 {
        self.roster.lowest_cursor(members, &self.log).map_or(0, |cursor| self.log.head() - cursor)
    }

    /// Adds a member, which will be sent every message from now on.
    pub fn join(&mut self, members: &mut Members, connection: ConnectionId, table: TableId, room: RoomId) -> MemberId {
        let member = Member::new(connection, &self.log);
        let id = self.roster.insert(members, &self.log, member, (room, self.encoding, table));
        self.log.set_readers(self.roster.len());
        id
    }

    pub fn leave(&mut self, members: &mut Members, id: MemberId) {
        self.deliveries += self.roster.remove(members, &self.log, id).count_delivered(&self.log);
        self.log.set_readers(self.roster.len());
    }

    /// Memory that the log would take for a message, less what it would give back, or more than that. `None` while a
    /// member of the sweep has not been sent what the log would forget for it, or more members would have to be skipped
    /// than may be in this turn.
    pub fn memory_needed(&self, members: &Members, body: &Body<'_>) -> Option<isize> {
        // Almost always the longest fits.
        if self.log.last_fits(self.message_bytes_max) {
            return Some(0);
        }
        self.memory_needed_of(members, self.encoding.message_bytes_max(body))
    }

    /// The same for the longest message.
    pub fn memory_needed_max(&self, members: &Members) -> Option<isize> {
        self.memory_needed_of(members, self.message_bytes_max)
    }

    fn memory_needed_of(&self, members: &Members, bytes: usize) -> Option<isize> {
        let retires = self.log.retires_needed(bytes);
        let free = retires == 0
            || (self.is_sent(self.log.tail_after(retires)) && self.roster.skips_due(retires) <= members.skips_left());
        let given_back = self.log.bytes_of_oldest(retires);
        free.then(|| self.log.growth(bytes).cast_signed() - given_back.cast_signed())
    }

    /// True when every member of the sweep has been sent all that is before a position.
    fn is_sent(&self, position: Position) -> bool {
        self.roster.behind_from().is_none_or(|cursor| cursor >= position)
    }

    /// Forgets the oldest segment, because the logs of all rooms have spent their memory. False when it cannot go yet: a
    /// member of the sweep has still to be sent it, or there are more members to be skipped than may be in this turn, of
    /// which some are skipped now. `on_skipped` is called for each.
    pub fn forget_oldest(&mut self, members: &mut Members, on_skipped: impl FnMut(ConnectionId, bool)) -> bool {
        let has_some = self.log.segments() > 0 && self.roster.in_batch() == 0;
        if !has_some || !self.is_sent(self.log.tail_after(1)) {
            return false;
        }
        self.skip_oldest(members, members.skips_left(), on_skipped);
        let is_done = self.roster.skips_due(1) == 0;
        if is_done {
            self.retire(members);
        }
        is_done
    }

    /// Gives all memory of the log back. It has no readers, and is not used any more.
    pub fn close(self, members: &mut Members) {
        assert!(self.is_empty(), "nobody reads it");
        members.log_budget.give(self.log.bytes());
    }

    /// Forgets the oldest segment. Returns its memory.
    fn retire(&mut self, members: &mut Members) -> Box<[u8]> {
        let memory = self.log.retire();
        members.log_budget.give(memory.len());
        self.roster.on_retire();
        memory
    }

    /// Renders a message, for which there is [memory](Feed::memory_needed), into the log. False, and nothing appended, when no byte of it is visible.
    /// It has at most `longest` bytes, for which there is memory. `on_skipped` is called for each member that is skipped to make space, with false when it must be closed because
    /// there was no memory for the rest of its message.
    pub fn append(
        &mut self,
        members: &mut Members,
        message: &Message<'_>,
        longest: usize,
        mut on_skipped: impl FnMut(ConnectionId, bool),
    ) -> bool {
        assert_eq!(self.roster.in_batch(), 0, "nothing is said while a batch is being sent");
        if self.has_ended {
            return true;
        }
        self.has_ended = self.encoding == Encoding::WebSocket && message.body.kind() == Kind::Stopping;
        let mut bytes_max = self.message_bytes_max;
        if !self.log.last_fits(bytes_max) {
            bytes_max = longest;
            if !self.log.last_fits(bytes_max) {
                // For a message without a visible byte no segment must be begun or retired, and no member skipped.
                if !self.encoding.message(message, &mut io::sink()).expect("a sink takes everything") {
                    return false;
                }
                let mut spare = None;
                for _ in 0..self.log.retires_needed(bytes_max) {
                    self.skip_oldest(members, usize::MAX, &mut on_skipped);
                    spare = Some(self.retire(members));
                }
                self.begin_segment(members, bytes_max, spare);
            }
        }
        let entry = Entry {
            time: message.time,
            author: message.author,
            kind: message.body.kind(),
            name_bytes: message.body.name().map_or(0, Name::length),
        };
        let encoding = self.encoding;
        let appended = self.log.append(entry, bytes_max, |space| {
            encoding.message(message, space).expect("there is space for the longest of its kind")
        });
        if appended {
            self.roster.on_append(members, SEND_BATCH_MEMBERS);
        }
        appended
    }

    fn begin_segment(&mut self, members: &mut Members, bytes: usize, spare: Option<Box<[u8]>>) {
        members.log_budget.take(self.log.growth(bytes));
        self.log.begin_segment(bytes, spare);
        self.roster.on_segment(&self.log);
    }

    /// Sends all readers a few bytes that mean nothing to them, so that their connections are not idle. Nothing is done
    /// while there is no memory for it: then bytes wait for some, and for the others the next time is soon enough. It
    /// must not take the place of what others may want to read again, so what was sent to everybody is forgotten for it:
    /// the past is told from the feed of text.
    pub fn beat(&mut self, members: &mut Members) {
        assert_eq!(self.roster.in_batch(), 0, "nothing is said while a batch is being sent");
        let length = HEARTBEAT.len();
        if !self.log.last_fits(length) {
            let mut spare = None;
            while self.log.segments() > 0 && self.is_sent(self.log.tail_after(1)) && self.roster.skips_due(1) == 0 {
                spare = Some(self.retire(members));
            }
            if self.log.retires_needed(length) > 0 || self.log.growth(length) > members.log_budget.free() {
                return;
            }
            self.begin_segment(members, length, spare);
        }
        // Nobody reads the entry: it is no numbered message, and no past is told from this feed.
        let entry = Entry { time: members.time(), author: None, kind: Kind::Summary, name_bytes: 0 };
        self.log.append(entry, length, |space| space.write_all(&HEARTBEAT).is_ok());
        self.roster.on_append(members, SEND_BATCH_MEMBERS);
    }

    /// How long nothing was appended, as far as the log tells; `None` when it has nothing.
    pub fn silence(&self, now: UnixTime) -> Option<Duration> {
        // A clock that was set back tells nothing.
        let since = self.log.last_message().map(|(entry, _)| entry.time)?;
        now.0.checked_sub(since.0).map(Duration::from_millis)
    }

    /// Has the message from `start` to the head not sent to its author. `has_private` is true when private bytes wait
    /// for the author.
    pub fn on_own_message(&mut self, members: &mut Members, author: MemberId, start: Position, has_private: bool) {
        if !members.change(author, |member| member.on_own_message(start, &self.log)) {
            return;
        }
        if members.place(author) != Place::InSweep {
            self.roster.on_moved(members, &self.log, author, start);
        } else if !has_private && members[author].is_level(&self.log) {
            self.roster.put_level(members, &self.log, author);
        } else {
            self.roster.put_behind(members, &self.log, author);
        }
    }

    /// Private bytes wait for a member: if it is level, a batch is to take it all the same. It stands with the
    /// returning members, because behind those of the sweep it would wait for all of them: a newcomer's welcome, for six
    /// seconds and more while a line is on its way to a million.
    pub fn wake(&mut self, members: &mut Members, id: MemberId) {
        if members.place(id) == Place::InSweep && members[id].lag(&self.log) == Some(0) {
            self.roster.put_returning(members, &self.log, id);
        }
    }

    /// True when a sweep has something to send.
    pub fn has_due(&self) -> bool {
        self.roster.has_due()
    }

    /// Takes the members of the next batch, all of one table. Before the next message each of them goes back by
    /// [`Feed::try_level`] or [`Feed::park`], or leaves. `on_resumed` is called for each member that was skipped and
    /// goes on, with what it missed. Where that is nothing there may be nothing to send to it.
    pub fn take_batch(
        &mut self,
        members: &mut Members,
        mut on_resumed: impl FnMut(MemberId, ConnectionId, Gap),
    ) -> Batch {
        let mut batch = Batch::new();
        let Some(turn) = self.roster.next_turn() else { return batch };
        while batch.len() < turn.returning_max
            && let Some(id) = self.roster.first_returning(turn.table)
        {
            self.roster.take(members, &self.log, id);
            if let Some(missed) = members.change(id, |member| member.resume(&self.log)) {
                self.skipped_messages += missed.messages;
                on_resumed(id, members[id].connection, missed);
            }
            batch.push(id);
        }
        if turn.sweeps {
            self.roster.take_behind(members, turn.table, batch.remaining_capacity(), |id| batch.push(id));
        }
        batch
    }

    /// The bytes that are next for a member of the batch; empty when it has been sent everything.
    pub fn due<'a>(&'a self, members: &'a Members, id: MemberId) -> &'a [u8] {
        members[id].due(&self.log)
    }

    /// A member of the batch was sent the first `bytes` of those due.
    pub fn advance(&self, members: &mut Members, id: MemberId, bytes: usize) {
        members.advance(id, bytes, &self.log);
    }

    /// When a member of the batch has been sent everything, makes it level, takes it out of the batch and returns true.
    pub fn try_level(&mut self, members: &mut Members, id: MemberId) -> bool {
        let member = &mut members[id];
        let level = member.is_level(&self.log);
        if level {
            self.deliveries += member.count_delivered(&self.log);
            self.roster.put_level(members, &self.log, id);
        }
        level
    }

    /// A member of the batch has private bytes to be sent, with a later batch.
    pub fn put_back(&mut self, members: &mut Members, id: MemberId) {
        self.roster.put_returning(members, &self.log, id);
    }

    /// Has nothing sent to a member until it is unparked.
    pub fn park(&mut self, members: &mut Members, id: MemberId) {
        self.roster.park(members, &self.log, id);
    }

    /// A parked member can be sent to again.
    pub fn unpark(&mut self, members: &mut Members, id: MemberId) {
        if members.place(id) == Place::Parked {
            self.roster.put_returning(members, &self.log, id);
        }
    }

    /// True when the members to be skipped for the next segment are more than may be skipped in a turn, so that
    /// [`Feed::skip_ahead`] is to be called.
    pub fn must_skip_ahead(&self, members: &Members) -> bool {
        self.roster.skips_due(self.log.retires_next()) > members.skips_max()
    }

    /// Skips some of the members whose place the log is going to forget next. `on_skipped` is called for each. Where
    /// several segments have to go, those that nobody needs any more go now.
    pub fn skip_ahead(&mut self, members: &mut Members, mut on_skipped: impl FnMut(ConnectionId, bool)) {
        while self.must_skip_ahead(members) && members.skips_left() > 0 {
            self.skip_oldest(members, members.skips_left(), &mut on_skipped);
            let several = self.log.retires_next() > 1;
            if !several || self.roster.skips_due(1) > 0 || !self.is_sent(self.log.tail_after(1)) {
                break;
            }
            self.retire(members);
        }
    }

    fn skip_oldest(&mut self, members: &mut Members, most: usize, mut on_skipped: impl FnMut(ConnectionId, bool)) {
        let (log, deliveries) = (&self.log, &mut self.deliveries);
        let looked_at = self.roster.skip_oldest(members, log, most, |members, id| {
            let (delivered, whole) = members.skip(id, log);
            *deliveries += delivered;
            on_skipped(members[id].connection, whole);
        });
        members.spend_skips(looked_at);
    }

    /// Memory in use, in bytes, without that of its members.
    pub fn footprint(&self) -> usize {
        self.log.footprint() + self.roster.footprint()
    }

    /// Panics when the feed is not as it must be between two batches. `has_private` tells whether private bytes wait
    /// for a member.
    pub fn invariants(&self, members: &Members, has_private: impl Fn(ConnectionId) -> bool) {
        assert_eq!(self.roster.in_batch(), 0, "between two batches no member is in one");
        self.log.invariants();
        self.roster.invariants(members, &self.log, has_private);
    }
}
