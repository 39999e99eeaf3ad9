//! A feed: one log, and the members that read it. It knows positions and bytes, and no word of chat.
//!
//! Nothing is queued for anybody: to broadcast is to move cursors to the head. When the log is at its cap its oldest segment must
//! go. Members of the sweep are never in it: [`Feed::fits`] is false while one of them has yet to be sent what would be forgotten,
//! so those who speak wait for the sweep. Parked members, and those that have just returned, are skipped, and only they are
//! looked at, once until they return.

use arrayvec::ArrayVec;

use super::log::{Entry, Log, Position};
use super::member::Member;
use super::members::{MemberId, Members, Place};
use super::roster::Roster;
use crate::limits::{SEND_BATCH_MEMBERS, SEND_BATCH_RETURNING};
use crate::message::{Body, Message};
use crate::token::{ConnectionId, RoomId};
use crate::wire::Encoding;

/// The members of one batch of sends.
pub type Batch = ArrayVec<MemberId, SEND_BATCH_MEMBERS>;

#[derive(Debug)]
pub struct Feed {
    encoding: Encoding,
    log: Log,
    roster: Roster,
    /// Most bytes of a message.
    message_bytes_max: usize,
    /// Messages that members were skipped over, all members together.
    skipped_messages: u64,
    /// Messages sent whole to members, as far as they are counted: a member that is behind is counted when it is level.
    deliveries: u64,
}

impl Feed {
    /// A feed without members. Its log holds at most `log_bytes`, and messages of at most `message_bytes_max`; `messages` were
    /// said before it began.
    pub fn new(encoding: Encoding, log_bytes: usize, message_bytes_max: usize, messages: u64) -> Self {
        Self {
            encoding,
            log: Log::new(log_bytes, message_bytes_max, messages),
            roster: Roster::default(),
            message_bytes_max,
            skipped_messages: 0,
            deliveries: 0,
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
        self.roster.len_of(Place::Parked) + self.roster.len_of(Place::Skipped)
    }

    pub fn skipped_messages(&self) -> u64 {
        self.skipped_messages
    }

    /// Messages handed whole to members' sockets. Those behind are counted when they are level, skipped or gone.
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Bytes that the member furthest behind has to be sent. Looks at every member outside the sweep.
    pub fn lag_bytes_max(&self, members: &Members) -> u64 {
        let outside = [Place::Returning, Place::Parked, Place::Skipped];
        let slow = outside.into_iter().filter_map(|place| self.roster.first(place));
        let slow = slow.flat_map(|first| std::iter::successors(Some(first), |id| self.roster.next(members, *id)));
        let lags = slow.chain(self.roster.first_behind()).map(|id| {
            // A member that has lost its place lags by more than the log.
            members[id].lag(&self.log).unwrap_or(self.log.head() - self.log.tail())
        });
        lags.max().unwrap_or(0)
    }

    /// A member that will be sent what is said from now on.
    pub fn join(&mut self, members: &mut Members, connection: ConnectionId, room: RoomId) -> MemberId {
        self.roster.insert(members, Member::new(connection, &self.log), room, self.encoding)
    }

    pub fn leave(&mut self, members: &mut Members, id: MemberId) {
        self.deliveries += self.roster.remove(members, id).count_delivered(&self.log);
    }

    /// False while a member of the sweep has yet to be sent what the log would forget for this message.
    pub fn fits(&self, members: &Members, body: &Body<'_>) -> bool {
        self.has_space_of(members, self.encoding.message_bytes_max(body))
    }

    /// True when the longest message fits.
    pub fn has_space(&self, members: &Members) -> bool {
        self.has_space_of(members, self.message_bytes_max)
    }

    fn has_space_of(&self, members: &Members, bytes: usize) -> bool {
        let Some(tail) = self.log.tail_needed(bytes) else { return true };
        !self.roster.first_behind().is_some_and(|id| members[id].needs_before(tail))
    }

    /// Appends a message that [`Feed::fits`], rendered in the log itself. False, and nothing appended, when nothing of it can be
    /// seen. Members that are skipped for it are told apart by `on_skipped`.
    pub fn append(
        &mut self,
        members: &mut Members,
        message: &Message<'_>,
        on_skipped: impl FnMut(ConnectionId),
    ) -> bool {
        assert_eq!(self.roster.in_batch(), 0, "nothing is said while a batch is being sent");
        let bytes_max = self.encoding.message_bytes_max(&message.body);
        if let Some(tail) = self.log.tail_needed(bytes_max) {
            self.skip_before(members, tail, on_skipped);
            self.log.retire();
        }
        let entry = Entry { time: message.time, author: message.author, kind: message.body.kind() };
        let encoding = self.encoding;
        let appended = self.log.append(entry, bytes_max, |space| {
            encoding.message(message, space).expect("there is space for the longest of its kind")
        });
        if appended {
            self.roster.fall_behind(members, SEND_BATCH_MEMBERS);
        }
        appended
    }

    /// The message from `start` to the head is not sent to its author. `has_private` is true when there is something for it alone.
    pub fn on_own_message(&mut self, members: &mut Members, author: MemberId, start: Position, has_private: bool) {
        let at_head = members[author].on_own_message(start, &self.log);
        if at_head && members.place(author) == Place::InSweep {
            if !has_private && members[author].is_level(&self.log) {
                self.roster.put_level(members, author);
            } else {
                self.roster.put_behind(members, author);
            }
        }
    }

    /// A member of the sweep that is level is to be visited all the same: there is something for it alone.
    pub fn wake(&mut self, members: &mut Members, id: MemberId) {
        if members.place(id) == Place::InSweep && members[id].lag(&self.log) == Some(0) {
            self.roster.put_behind(members, id);
        }
    }

    /// True when a sweep has something to send.
    pub fn has_due(&self) -> bool {
        self.roster.first_behind().is_some() || self.roster.first(Place::Returning).is_some()
    }

    /// Takes the members of the next batch. They are given back by [`Feed::try_level`] or [`Feed::park`], or they leave, before
    /// anything else is said. `on_missed` hears of those that missed messages, and how many.
    pub fn take_batch(&mut self, members: &mut Members, mut on_missed: impl FnMut(ConnectionId, u64)) -> Batch {
        let mut batch = Batch::new();
        let returning_max =
            if self.roster.first_behind().is_some() { SEND_BATCH_RETURNING } else { SEND_BATCH_MEMBERS };
        while batch.len() < returning_max
            && let Some(id) = self.roster.first(Place::Returning)
        {
            self.roster.take(members, id);
            let member = &mut members[id];
            let missed = member.resume(&self.log);
            if missed > 0 {
                self.skipped_messages += missed;
                on_missed(member.connection, missed);
            }
            batch.push(id);
        }
        while !batch.is_full()
            && let Some(id) = self.roster.first_behind()
        {
            self.roster.take(members, id);
            batch.push(id);
        }
        batch
    }

    /// What a member of the batch is to be sent next; empty when it has been sent everything.
    pub fn due<'a>(&'a self, members: &'a Members, id: MemberId) -> &'a [u8] {
        members[id].due(&self.log)
    }

    /// A member of the batch was sent `bytes` of what was due.
    pub fn advance(&self, members: &mut Members, id: MemberId, bytes: usize) {
        members[id].advance(bytes, &self.log);
    }

    /// True when a member of the batch has been sent everything: then it is level, and no longer in the batch.
    pub fn try_level(&mut self, members: &mut Members, id: MemberId) -> bool {
        let member = &mut members[id];
        let level = member.is_level(&self.log);
        if level {
            self.deliveries += member.count_delivered(&self.log);
            self.roster.put_level(members, id);
        }
        level
    }

    /// A member is not to be sent to until it is unparked.
    pub fn park(&mut self, members: &mut Members, id: MemberId) {
        self.roster.put_outside_sweep(members, id, Place::Parked);
    }

    /// A parked member can be sent to again.
    pub fn unpark(&mut self, members: &mut Members, id: MemberId) {
        if members.place(id).is_parked() {
            self.roster.put_outside_sweep(members, id, Place::Returning);
        }
    }

    /// Skips the members outside the sweep whose place lies before `tail`.
    fn skip_before(&mut self, members: &mut Members, tail: Position, mut on_skipped: impl FnMut(ConnectionId)) {
        for place in [Place::Parked, Place::Returning] {
            let mut next = self.roster.first(place);
            while let Some(id) = next {
                next = self.roster.next(members, id);
                let member = &mut members[id];
                if !member.needs_before(tail) {
                    continue;
                }
                self.deliveries += member.skip(&self.log);
                on_skipped(member.connection);
                if place == Place::Parked {
                    self.roster.put_outside_sweep(members, id, Place::Skipped);
                }
            }
        }
    }

    /// Memory in use, in bytes, that of its members not among it.
    pub fn footprint(&self) -> usize {
        self.log.footprint()
    }

    /// Panics when the feed is not as it must be between two batches. `has_private` tells whether there is something for a member
    /// alone.
    pub fn invariants(&self, members: &Members, has_private: impl Fn(ConnectionId) -> bool) {
        assert_eq!(self.roster.in_batch(), 0, "nobody is in a batch between two batches");
        self.log.invariants();
        self.roster.invariants(members, &self.log, has_private);
    }
}
