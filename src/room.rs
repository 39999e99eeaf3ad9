//! A room: those who hear each other. A room is a log; a member is a cursor into it.
//!
//! A line is formatted once and appended once to the room's log; nothing is queued for anybody. To broadcast is to move
//! cursors to the head. The room knows who has bytes due and which; the server sends them and says how far it got. The
//! room does no I/O and reads no clock, so all of it can be driven by a test.
//!
//! When the log is at its cap its oldest segment must go. Members that keep up are never in it: a room does not take a
//! line ([`NotNow::Pressed`]) while a sweep has not yet visited one of them, so writers wait for the sweep. Members that wait for
//! their sockets, or have just drained, are skipped and told, and only they are looked at, once until their sockets drain.

pub mod log;
pub mod member;
pub mod presence;
pub mod roster;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Instant;

use arrayvec::ArrayVec;

pub use crate::config::{RoomSettings as Settings, SlowPolicy};
use crate::flood::Bucket;
use crate::limits::{SEND_BATCH_DRAINED, SEND_BATCH_MEMBERS, rendered_bytes_max};
use crate::message::{Announcement, Notice};
use crate::names::Name;
use crate::token::ConnectionId;
use crate::wire::text::{render_line, render_message};
use log::{Log, Position};
use member::Member;
use presence::Presence;
pub use roster::MemberId;
use roster::{Place, Roster};

/// The members of one batch of sends.
pub type Batch = ArrayVec<MemberId, SEND_BATCH_MEMBERS>;

/// Why a line is not taken yet. It is to be said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// The log is at its cap and members that keep up have yet to be sent its oldest lines: after a sweep.
    Pressed,
    /// Its author has not been sent what was said before so many lines of its own: after that.
    Unread,
    /// Its author said more than it may: from that moment on.
    Until(Instant),
    /// The room said more than it may: from that moment on, one after the other.
    Rationed(Instant),
}

#[derive(Debug)]
pub struct Room {
    log: Log,
    roster: Roster,
    presence: Presence,
    settings: Settings,
    /// What is left of [`Settings::rate`].
    fan_out: Bucket,
    /// Members to be closed because they fell off the log.
    fallen: VecDeque<ConnectionId>,
    /// The line being rendered; kept so that saying something allocates nothing.
    rendered: Vec<u8>,
    /// Messages that members were skipped over, all members together.
    skipped_messages: u64,
    /// Messages sent whole to members, as far as it is counted: whoever is behind is counted when it is level.
    deliveries: u64,
}

impl Room {
    pub fn new(settings: Settings) -> Self {
        let rendered_max = rendered_bytes_max(settings.line_bytes);
        Self {
            log: Log::new(settings.log_bytes, rendered_max),
            roster: Roster::new(settings.members_max),
            presence: Presence::new(settings.announce_max, settings.announce_rate),
            settings,
            fan_out: Bucket::default(),
            fallen: VecDeque::new(),
            rendered: Vec::with_capacity(rendered_max),
            skipped_messages: 0,
            deliveries: 0,
        }
    }

    pub fn online(&self) -> usize {
        self.roster.len()
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Members whose sockets are full.
    pub fn waiting(&self) -> usize {
        self.roster.len_of(Place::Waiting) + self.roster.len_of(Place::Lost)
    }

    pub fn skipped_messages(&self) -> u64 {
        self.skipped_messages
    }

    /// Messages handed whole to members' sockets. Those who lag are counted when they are level, skipped or gone.
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Bytes that the member furthest behind has to be sent. Looks at everybody who is slow.
    pub fn lag_bytes_max(&self) -> u64 {
        let slow =
            [Place::Waiting, Place::Drained, Place::Lost].into_iter().filter_map(|place| self.roster.first(place));
        let slow = slow.flat_map(|first| std::iter::successors(Some(first), |id| self.roster.next(*id)));
        let lags = slow.chain(self.roster.first_behind()).map(|id| {
            // A member that has lost its place lags by more than the log.
            self.roster.member(id).lag(&self.log).unwrap_or(self.log.head() - self.log.tail())
        });
        lags.max().unwrap_or(0)
    }

    /// The next member to be closed because it fell off the log.
    pub fn next_fallen(&mut self) -> Option<ConnectionId> {
        self.fallen.pop_front()
    }

    pub fn connection(&self, id: MemberId) -> ConnectionId {
        self.roster.member(id).connection
    }

    /// A newcomer: the others are told, it is welcomed, and it will be sent what is said from now on.
    pub fn join(&mut self, connection: ConnectionId, name: Name, now: Instant) -> MemberId {
        let online = self.roster.len() + 1;
        let announced = self.presence.announces(online, now)
            && self.say(Announcement::Entered { name, online: online as u64 }).is_ok();
        if announced {
            self.presence.announced(now);
        } else {
            self.presence.count_entered(now);
        }
        let id = self.roster.insert(Member::new(connection, &self.log));
        self.tell(id, Notice::Connected { online: online as u64 });
        id
    }

    /// A member is gone: those who stay are told.
    pub fn leave(&mut self, id: MemberId, name: Name, now: Instant) {
        let before = self.roster.len();
        let d = self.roster.remove(id).count_delivered(&self.log);
        self.deliveries += d;
        let announced = self.presence.announces(before, now)
            && self.say(Announcement::Left { name, online: (before - 1) as u64 }).is_ok();
        if announced {
            self.presence.announced(now);
        } else {
            self.presence.count_left(now);
        }
    }

    /// Says `text`, a line as it was received, to everybody but its author. A line with nothing to see is no message, and
    /// false comes back.
    pub fn publish(&mut self, author: MemberId, name: Name, text: &[u8], now: Instant) -> Result<bool, NotNow> {
        if !self.may_speak(author) {
            return Err(NotNow::Unread);
        }
        let mut rendered = std::mem::take(&mut self.rendered);
        let visible = render_message(name, text, &mut rendered);
        let said = if visible { self.publish_rendered(author, &rendered, now) } else { Ok(()) };
        self.rendered = rendered;
        said.map(|()| visible)
    }

    fn publish_rendered(&mut self, author: MemberId, line: &[u8], now: Instant) -> Result<(), NotNow> {
        let fan_out_bytes = (line.len() * (self.roster.len() - 1)) as f64;
        if let Some(rate) = self.settings.rate {
            self.fan_out.check(rate, fan_out_bytes, now).map_err(NotNow::Rationed)?;
        }
        let start = self.log.head();
        self.append(line)?;
        self.spoke(author, start);
        if let Some(rate) = self.settings.rate {
            self.fan_out.take(rate, fan_out_bytes, now);
        }
        Ok(())
    }

    /// The line from `start` to the head is not sent back to its author.
    fn spoke(&mut self, author: MemberId, start: Position) {
        let member = self.roster.member_mut(author);
        let at_head = member.spoke(start, &self.log);
        if at_head && self.roster.place(author) == Place::Keeping {
            if self.roster.member(author).is_level(&self.log) {
                self.roster.put_level(author);
            } else {
                self.roster.put_behind(author);
            }
        }
    }

    /// False while the member has to read before it may be read from.
    pub fn may_speak(&self, id: MemberId) -> bool {
        self.roster.member(id).may_speak()
    }

    /// Says a line of the server to everybody.
    pub fn say(&mut self, announcement: Announcement) -> Result<(), NotNow> {
        let mut rendered = std::mem::take(&mut self.rendered);
        rendered.clear();
        render_line(announcement, &mut rendered);
        let appended = self.append(&rendered);
        self.rendered = rendered;
        appended
    }

    /// Says a line of the server to one member. False when it is not told, because it has not read the last ones.
    pub fn tell(&mut self, id: MemberId, notice: Notice) -> bool {
        let told = self.roster.member_mut(id).tell(notice);
        if self.roster.place(id) == Place::Keeping {
            let was_level = self.roster.member(id).lag(&self.log) == Some(0);
            if was_level {
                self.roster.put_behind(id);
            }
        }
        told
    }

    /// When [`Room::on_deadline`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.presence.deadline()
    }

    /// Says the presence summary when it is due.
    pub fn on_deadline(&mut self, now: Instant) {
        let Some((entered, left)) = self.presence.summary(now) else { return };
        let online = self.roster.len() as u64;
        match self.say(Announcement::Summary { entered, left, online }) {
            Ok(()) => self.presence.said(),
            Err(_) => self.presence.postpone(now),
        }
    }

    /// True when a sweep has something to send.
    pub fn has_due(&self) -> bool {
        self.roster.first_behind().is_some() || self.roster.first(Place::Drained).is_some()
    }

    /// True when everybody has been sent everything.
    pub fn is_quiet(&self) -> bool {
        !self.has_due() && self.waiting() == 0
    }

    /// Takes the members of the next batch in hand, each with something due. They are given back by [`Room::advance`] or
    /// [`Room::wait`], or they leave, before anything else is said in the room.
    pub fn take_batch(&mut self) -> Batch {
        let mut batch = Batch::new();
        let drained_max = if self.roster.first_behind().is_some() { SEND_BATCH_DRAINED } else { SEND_BATCH_MEMBERS };
        while batch.len() < drained_max
            && let Some(id) = self.roster.first(Place::Drained)
        {
            self.roster.take(id);
            self.skipped_messages += self.roster.member_mut(id).resume(&self.log);
            batch.push(id);
        }
        while !batch.is_full()
            && let Some(id) = self.roster.first_behind()
        {
            self.roster.take(id);
            batch.push(id);
        }
        batch
    }

    /// What a member in hand is to be sent next, never empty.
    pub fn due(&self, id: MemberId) -> &[u8] {
        self.roster.member(id).due(&self.log)
    }

    /// `bytes` of what was due were sent. True when the member is level and no longer in hand, false when more is due.
    pub fn advance(&mut self, id: MemberId, bytes: usize) -> bool {
        let member = self.roster.member_mut(id);
        member.advance(bytes, &self.log);
        let level = member.is_level(&self.log);
        if level {
            let d = member.count_delivered(&self.log);
            self.deliveries += d;
            self.roster.put_level(id);
        }
        level
    }

    /// The socket of a member in hand is full, after `bytes` of what was due.
    pub fn wait(&mut self, id: MemberId, bytes: usize) {
        if bytes > 0 {
            self.roster.member_mut(id).advance(bytes, &self.log);
        }
        self.roster.put_aside(id, Place::Waiting);
    }

    /// The socket of a waiting member has room again.
    pub fn drained(&mut self, id: MemberId) {
        if self.is_full(id) {
            self.roster.put_aside(id, Place::Drained);
        }
    }

    /// What ends a member's stream with `line`. `None` when its socket is full or it has lost its place.
    pub fn farewell(&self, id: MemberId, notice: Notice) -> Option<Vec<u8>> {
        if self.is_full(id) { None } else { self.roster.member(id).farewell(notice, &self.log) }
    }

    /// True while the member waits for its socket.
    fn is_full(&self, id: MemberId) -> bool {
        matches!(self.roster.place(id), Place::Waiting | Place::Lost)
    }

    fn append(&mut self, line: &[u8]) -> Result<(), NotNow> {
        assert_eq!(self.roster.in_hand(), 0, "nothing is said while a batch is in hand");
        if let Some(tail) = self.log.tail_needed(line.len()) {
            let longest_behind = self.roster.first_behind();
            if longest_behind.is_some_and(|id| self.roster.member(id).needs_before(tail)) {
                return Err(NotNow::Pressed);
            }
            self.skip_before(tail);
            self.log.retire();
        }
        self.roster.fall_behind(SEND_BATCH_MEMBERS);
        self.log.append(line);
        Ok(())
    }

    /// Skips the slow whose place lies before `tail`.
    fn skip_before(&mut self, tail: Position) {
        for place in [Place::Waiting, Place::Drained] {
            let mut next = self.roster.first(place);
            while let Some(id) = next {
                next = self.roster.next(id);
                let member = self.roster.member_mut(id);
                if !member.needs_before(tail) {
                    continue;
                }
                self.deliveries += member.skip(&self.log);
                if self.settings.slow == SlowPolicy::Close {
                    self.fallen.push_back(member.connection);
                }
                if place == Place::Waiting {
                    self.roster.put_aside(id, Place::Lost);
                }
            }
        }
    }
}

impl Room {
    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        let fallen = self.fallen.capacity() * size_of::<ConnectionId>();
        self.log.footprint() + self.roster.footprint() + self.rendered.capacity() + fallen
    }

    /// Memory that a member has beyond what every member has, in bytes.
    pub fn aside_bytes(&self, id: MemberId) -> usize {
        self.roster.member(id).aside_bytes()
    }

    pub fn place(&self, id: MemberId) -> Place {
        self.roster.place(id)
    }

    /// Panics when the room is not as it must be between two batches.
    pub fn invariants(&self) {
        assert_eq!(self.roster.in_hand(), 0, "nobody is in hand between two batches");
        self.log.invariants();
        self.roster.invariants(&self.log);
        self.presence.invariants();
    }
}
