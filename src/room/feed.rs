//! A feed: one log, and the members that read it. It knows positions and bytes, and nothing of what they say.
//!
//! No member has a queue: to broadcast is to move cursors to the head. When the log is at its cap its oldest segment
//! must go. It never goes before all members of the sweep have been sent it: until then [`Feed::fits`] is false, so
//! authors wait for the sweep. Members that are parked or returning are skipped instead. When a segment goes, only they
//! are looked at, and a parked one only once until it returns.

use std::io;

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
    /// Messages that members were told they missed, over all members.
    skipped_messages: u64,
    /// Messages sent whole to members. Those sent to a member that is behind are added when it is level, skipped or
    /// leaves.
    deliveries: u64,
}

impl Feed {
    /// A feed without members. Its log holds at most `log_bytes`, and messages of at most `message_bytes_max`;
    /// `messages` were said before it began.
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

    /// Messages handed whole to members' sockets. Those sent to a member that is behind are added when it is level,
    /// skipped or leaves.
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Bytes that the member furthest behind has to be sent. Looks at every member outside the sweep.
    pub fn lag_bytes_max(&self, members: &Members) -> u64 {
        let outside = [Place::Returning, Place::Parked, Place::Skipped];
        let slow = outside.into_iter().filter_map(|place| self.roster.first(place));
        let slow = slow.flat_map(|first| std::iter::successors(Some(first), |id| self.roster.next(members, *id)));
        let lags = slow.chain(self.roster.first_behind()).map(|id| {
            // A skipped member lags by more than the whole log.
            members[id].lag(&self.log).unwrap_or(self.log.head() - self.log.tail())
        });
        lags.max().unwrap_or(0)
    }

    /// Adds a member, which will be sent every message from now on.
    pub fn join(&mut self, members: &mut Members, connection: ConnectionId, room: RoomId) -> MemberId {
        self.roster.insert(members, Member::new(connection, &self.log), room, self.encoding)
    }

    pub fn leave(&mut self, members: &mut Members, id: MemberId) {
        self.deliveries += self.roster.remove(members, id).count_delivered(&self.log);
    }

    /// False while a member of the sweep has not been sent what the log would forget for this message.
    pub fn fits(&self, members: &Members, body: &Body<'_>) -> bool {
        // Almost always the longest fits.
        self.log.last_fits(self.message_bytes_max) || self.has_space_of(members, self.encoding.message_bytes_max(body))
    }

    /// True when the longest message fits.
    pub fn has_space(&self, members: &Members) -> bool {
        self.has_space_of(members, self.message_bytes_max)
    }

    fn has_space_of(&self, members: &Members, bytes: usize) -> bool {
        let Some(tail) = self.log.tail_needed(bytes) else { return true };
        !self.roster.first_behind().is_some_and(|id| members[id].needs_before(tail))
    }

    /// Renders a message that [`Feed::fits`] into the log. False, and nothing appended, when no byte of it is visible.
    /// `on_skipped` is called for each member that is skipped to make space, with false when it must be closed because
    /// there was no memory for the rest of its message.
    pub fn append(
        &mut self,
        members: &mut Members,
        message: &Message<'_>,
        on_skipped: impl FnMut(ConnectionId, bool),
    ) -> bool {
        assert_eq!(self.roster.in_batch(), 0, "nothing is said while a batch is being sent");
        let mut bytes_max = self.message_bytes_max;
        if !self.log.last_fits(bytes_max) {
            bytes_max = self.encoding.message_bytes_max(&message.body);
            if let Some(tail) = self.log.tail_needed(bytes_max) {
                // For a message without a visible byte no segment must be retired and no member skipped.
                if !self.encoding.message(message, &mut io::sink()).expect("a sink takes everything") {
                    return false;
                }
                self.skip_before(members, tail, on_skipped);
                self.log.retire();
            }
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

    /// Has the message from `start` to the head not sent to its author. `has_private` is true when private bytes wait
    /// for the author.
    pub fn on_own_message(&mut self, members: &mut Members, author: MemberId, start: Position, has_private: bool) {
        let at_head = members.change(author, |member| member.on_own_message(start, &self.log));
        if at_head && members.place(author) == Place::InSweep {
            if !has_private && members[author].is_level(&self.log) {
                self.roster.put_level(members, author);
            } else {
                self.roster.put_behind(members, author);
            }
        }
    }

    /// Private bytes wait for a member: if it is level, the sweep is to visit it all the same.
    pub fn wake(&mut self, members: &mut Members, id: MemberId) {
        if members.place(id) == Place::InSweep && members[id].lag(&self.log) == Some(0) {
            self.roster.put_behind(members, id);
        }
    }

    /// True when a sweep has something to send.
    pub fn has_due(&self) -> bool {
        self.roster.first_behind().is_some() || self.roster.first(Place::Returning).is_some()
    }

    /// Takes the members of the next batch. Before the next message each of them goes back by [`Feed::try_level`] or
    /// [`Feed::park`], or leaves. `on_missed` is called for each member that missed messages, with their number.
    pub fn take_batch(&mut self, members: &mut Members, mut on_missed: impl FnMut(ConnectionId, u64)) -> Batch {
        let mut batch = Batch::new();
        let returning_max =
            if self.roster.first_behind().is_some() { SEND_BATCH_RETURNING } else { SEND_BATCH_MEMBERS };
        while batch.len() < returning_max
            && let Some(id) = self.roster.first(Place::Returning)
        {
            self.roster.take(members, id);
            let missed = members.change(id, |member| member.resume(&self.log));
            if missed > 0 {
                self.skipped_messages += missed;
                on_missed(members[id].connection, missed);
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
            self.roster.put_level(members, id);
        }
        level
    }

    /// Has nothing sent to a member until it is unparked.
    pub fn park(&mut self, members: &mut Members, id: MemberId) {
        self.roster.put_outside_sweep(members, id, Place::Parked);
    }

    /// A parked member can be sent to again.
    pub fn unpark(&mut self, members: &mut Members, id: MemberId) {
        if members.place(id).is_parked() {
            self.roster.put_outside_sweep(members, id, Place::Returning);
        }
    }

    /// Skips the members outside the sweep whose cursors lie before `tail`.
    fn skip_before(&mut self, members: &mut Members, tail: Position, mut on_skipped: impl FnMut(ConnectionId, bool)) {
        for place in [Place::Parked, Place::Returning] {
            let mut next = self.roster.first(place);
            while let Some(id) = next {
                next = self.roster.next(members, id);
                if !members[id].needs_before(tail) {
                    continue;
                }
                let (delivered, whole) = members.skip(id, &self.log);
                self.deliveries += delivered;
                on_skipped(members[id].connection, whole);
                if place == Place::Parked {
                    self.roster.put_outside_sweep(members, id, Place::Skipped);
                }
            }
        }
    }

    /// Memory in use, in bytes, without that of its members.
    pub fn footprint(&self) -> usize {
        self.log.footprint()
    }

    /// Panics when the feed is not as it must be between two batches. `has_private` tells whether private bytes wait
    /// for a member.
    pub fn invariants(&self, members: &Members, has_private: impl Fn(ConnectionId) -> bool) {
        assert_eq!(self.roster.in_batch(), 0, "between two batches no member is in one");
        self.log.invariants();
        self.roster.invariants(members, &self.log, has_private);
    }
}
