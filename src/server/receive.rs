//! From received bytes to messages of the room, and the reasons for which a line has to wait.
//!
//! Lines are taken from a [`Speaker`], which has what each of them needs of its connection. Each
//! line is first admitted and then published. A connection whose next line has to wait is held: its bytes stay in
//! `received` and no more are asked for, so TCP slows the peer and nothing is lost. It is not looked at again before
//! the reason has passed.
//!
//! With `--framing line` nothing is said before its line feed. With `--framing chunk` the end of a chunk ends a line
//! too. If a chunk ends with bytes that could still become another protocol's beginning, such as `GET`, these are kept
//! for [`OPENING_HOLD`], and bytes that arrive meanwhile continue them. That time does not end in a turn that receives
//! nothing, because the rest of a request may be waiting in the socket.

use std::mem;
use std::time::Duration;

use rustix::io::Errno;

use super::Server;
use super::held::{Resume, Turn};
use super::speaker::{Done, Speaker};
use crate::connection::{Greeting, Hold, Queue, Received, State};
use crate::counters::{CloseReason, Counter};
use crate::door::Door;
use crate::io::{Chunk, Io, Scratch};
use crate::limits::{BUFFER_PATIENCE, FULL_LOOKS_MAX, OPENING_HOLD, SPARE_BUFFERS_MAX};
use crate::message::{Body, Notice};
use crate::outlet::Outlet;
use crate::room::{Author, Blocked};
use crate::token::{ConnectionId, PublicId, RoomId};
use crate::wire::{Encoding, Foreign, Framing, Item, Verdict};

/// A piece of the received bytes, as it is admitted.
#[derive(Clone, Copy)]
enum Piece<'a> {
    /// Something to be said.
    Said(&'a Body<'a>),
    Command,
    /// A line that is too long, as far as it has arrived.
    TooLong,
    /// A further chunk of a line that is too long, or one of frames without payload. It is charged like a line.
    MoreOfTooLong,
}

/// How far the lines of a speaker were taken.
enum Taken {
    /// All whole lines.
    All,
    /// All lines before one that has to wait.
    Held(Blocked),
    /// No line: the first connection in a queue of its room has to wait on, and stays the first.
    StillFirst(Blocked),
    /// The peer speaks another protocol.
    Foreign(Foreign),
    /// The member leaves.
    Leaves,
}

/// Empty buffers, kept for received bytes that are not used at once, so that the steady state allocates nothing.
#[derive(Debug, Default)]
pub struct SpareBuffers(Vec<Vec<u8>>);

impl SpareBuffers {
    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    fn put_back(&mut self, buffer: Vec<u8>) {
        if self.0.len() < SPARE_BUFFERS_MAX {
            self.0.push(buffer);
        }
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.0.iter().map(Vec::capacity).sum()
    }

    /// Panics when there are too many, or one holds something.
    pub fn invariants(&self) {
        assert!(self.0.len() <= SPARE_BUFFERS_MAX && self.0.iter().all(Vec::is_empty));
    }
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// A receive has completed.
    pub(super) fn on_received(&mut self, id: ConnectionId, outcome: Result<Chunk, Errno>, scratch: &Scratch) {
        let found = self.connections.find_with_serial(id);
        let Some((serial, connection)) = found.filter(|(_, connection)| connection.inbound.receiving) else {
            self.counters.add(Counter::Stale, 1);
            return;
        };
        connection.inbound.receiving = false;
        if connection.is_closing() {
            return self.free_if_idle(id);
        }
        let bytes = match outcome {
            Ok(chunk) => scratch.bytes(&chunk),
            Err(Errno::NOBUFS | Errno::NOMEM) => return self.retry_later(id),
            Err(_) => return self.on_end(id, CloseReason::Broken),
        };
        // Lines that arrive once the server was told to stop are not said.
        if self.phase.is_stopping() && connection.inbound.door != Door::Admin {
            return;
        }
        if bytes.is_empty() {
            return self.on_end(id, CloseReason::Left);
        }
        self.counters.add(Counter::ReceivedBytes, bytes.len() as u64);
        let public_id = || PublicId(self.numbers.apply(serial.0, PublicId::HALF_BITS));
        let before = connection.inbound.before;
        let received =
            connection.inbound.received.get_or_insert_with(|| Box::new(Received::new(public_id(), before, self.now)));
        received.last_at = self.now;
        if matches!(connection.state, State::Greeting(_)) {
            self.budget.change_input(received, bytes);
            self.on_greeting_chunk(id);
        } else if connection.inbound.encoding == Encoding::WebSocket {
            self.on_frames(id, bytes);
        } else {
            self.on_lines(id, bytes);
        }
    }

    /// Takes the lines of a chunk, or has them wait behind others.
    pub(super) fn on_lines(&mut self, id: ConnectionId, bytes: &[u8]) {
        let connection = self.connections.at_mut(id);
        let is_held = connection.inbound.held.is_some();
        let received = connection.inbound.received.as_mut().expect("it has sent something");
        let is_first = received.input.is_empty() && !is_held;
        if !is_first {
            self.budget.change_input(received, bytes);
        }
        // If the connection is held, this receive was asked for before that, and the bytes wait behind the others.
        if !is_held && let Some(speaker) = Speaker::of(id, connection, None) {
            if is_first { self.take_chunk(speaker, bytes) } else { self.take_input(speaker) }
        }
    }

    /// Asks for a chunk of a connection, unless it is held or a receive is in flight already.
    pub(super) fn ask_for_chunk(&mut self, id: ConnectionId) {
        let connection = self.connections.at_mut(id);
        let inbound = &mut connection.inbound;
        let is_listened_to = !self.phase.is_stopping() || inbound.door == Door::Admin;
        if inbound.held.is_none() && !inbound.receiving && is_listened_to {
            inbound.receiving = true;
            self.io.receive(&connection.socket, id);
        }
    }

    /// Takes lines of held connections whose reason has passed.
    pub(super) fn resume_held(&mut self) {
        while let Some(room) = self.room_with_space() {
            self.schedule.held.on_space(room);
        }
        while let Some(next) = self.schedule.held.next(self.now) {
            let (id, turn) = match next {
                Resume::All(id) => (id, None),
                Resume::First(id, turn) => (id, Some(turn)),
            };
            self.resume(id, turn);
        }
    }

    /// Takes lines of a connection, if it is still held: as the first in a queue of its room, or all that it has waiting.
    pub(super) fn resume(&mut self, id: ConnectionId, turn: Option<Turn>) {
        let held = self.connections.find(id).filter(|connection| connection.inbound.held.is_some());
        if let Some(speaker) = held.and_then(|connection| Speaker::of(id, connection, turn)) {
            self.take_input(speaker);
        }
    }

    /// Takes lines from the bytes that a connection sent before it joined.
    pub(super) fn take_greeted(&mut self, id: ConnectionId) {
        if let Some(speaker) = Speaker::of(id, self.connections.at_mut(id), None) {
            self.take_input(speaker);
        }
    }

    /// A room whose log was full and has space again, of as many as a call looks at; the next one looks at others.
    pub(super) fn room_with_space(&mut self) -> Option<RoomId> {
        let (held, rooms) = (&mut self.schedule.held, &mut self.rooms);
        let looks = held.full_rooms().len().min(FULL_LOOKS_MAX);
        (0..looks).find_map(|_| held.next_full().filter(|room| rooms.has_space(*room)))
    }

    /// Takes lines from a chunk of a connection that has nothing else waiting.
    pub(super) fn take_chunk(&mut self, mut speaker: Speaker, bytes: &[u8]) {
        let mut rest = bytes;
        let taken = self.take_lines(&mut speaker, &mut rest);
        if !rest.is_empty() {
            speaker.received.input = self.spare.take();
            speaker.received.input.extend_from_slice(rest);
        }
        self.on_taken(speaker, taken);
    }

    /// Takes lines from the bytes that a connection has waiting.
    pub(super) fn take_input(&mut self, mut speaker: Speaker) {
        let mut input = mem::take(&mut speaker.received.input);
        let mut rest = input.as_slice();
        let taken = self.take_lines(&mut speaker, &mut rest);
        let used = input.len() - rest.len();
        input.drain(..used);
        if input.is_empty() {
            self.spare.put_back(input);
        } else {
            speaker.received.input = input;
        }
        self.on_taken(speaker, taken);
    }

    /// Takes whole lines off the front of `rest` as long as they may be said.
    fn take_lines(&mut self, speaker: &mut Speaker, rest: &mut &[u8]) -> Taken {
        if speaker.received.splitter.is_discarding() {
            if let Err(reason) = self.admit(speaker, Piece::MoreOfTooLong) {
                return Taken::Held(reason);
            }
            // Charged now: if a line behind it has to wait, this chunk must not be charged again with that line.
            speaker.received.charge_line(self.config.flood, self.now);
            if let Verdict::Foreign(foreign) = speaker.received.look(rest) {
                return Taken::Foreign(foreign);
            }
            speaker.received.splitter.discard(rest);
            speaker.received.line_taken(false);
        }
        while speaker.received.owes() {
            if let Err(reason) = self.admit(speaker, Piece::MoreOfTooLong) {
                return Taken::Held(reason);
            }
            speaker.received.charge_line(self.config.flood, self.now);
            speaker.received.pay();
        }
        let door = self.connections.at(speaker.id).inbound.door;
        let (line_bytes_max, framing) = (self.config.line_bytes_of(door), self.config.framing_of(door));
        loop {
            let received = &mut speaker.received;
            if let Verdict::Foreign(foreign) = received.look(rest) {
                return Taken::Foreign(foreign);
            }
            let before = (received.splitter, *rest);
            let item = received.splitter.next(rest, line_bytes_max).or_else(|| match framing {
                Framing::Chunk if !received.is_undecided() => received.splitter.finish(rest),
                Framing::Line | Framing::Chunk => None,
            });
            let Some(item) = item else {
                if before.0.is_discarding() && !received.splitter.is_discarding() {
                    // The end of a chunk has ended a line that was too long.
                    received.line_taken(false);
                }
                return Taken::All;
            };
            let done = match self.take_item(speaker, item) {
                Ok(done) => done,
                Err(reason) => {
                    (speaker.received.splitter, *rest) = before;
                    return match (speaker.turn, reason) {
                        (Some(Turn::Ration), Blocked::Rationed(_) | Blocked::LogFull)
                        | (Some(Turn::Space), Blocked::LogFull) => Taken::StillFirst(reason),
                        _ => Taken::Held(reason),
                    };
                }
            };
            speaker.turn = None;
            if done == Done::Leaves {
                return Taken::Leaves;
            }
            speaker.received.line_taken(done == Done::Taken);
            speaker.received.charge_line(self.config.flood, self.now);
        }
    }

    /// Takes an item, or says why it has to wait.
    fn take_item(&mut self, speaker: &mut Speaker, item: Item<'_>) -> Result<Done, Blocked> {
        speaker.in_slow_mode = false;
        let taken = match item {
            Item::Line(line) => self.take_line(speaker, line),
            Item::TooLong => self.admit(speaker, Piece::TooLong).map(|()| {
                self.tell(speaker.id, Notice::LineTooLong { line_bytes_max: self.config.line_bytes });
                Done::Passed
            }),
        };
        let over_rate = matches!(taken, Err(Blocked::OverRate(_))) && !speaker.in_slow_mode;
        if over_rate && !mem::replace(&mut speaker.received.slowed, true) {
            self.tell(speaker.id, Notice::SlowDown);
        }
        taken
    }

    /// Says something, once it is admitted.
    pub(super) fn say(&mut self, speaker: &mut Speaker, body: Body<'_>) -> Result<Done, Blocked> {
        if let Some(notice) = self.outside(speaker).or_else(|| self.silenced(speaker)).or_else(|| self.cut_off()) {
            self.admit_command(speaker)?;
            self.tell(speaker.id, notice);
            return Ok(Done::Passed);
        }
        self.await_slow_mode(speaker)?;
        self.admit(speaker, Piece::Said(&body))?;
        if self.cluster.is_some() {
            let done = self.publish(speaker, &body)?;
            if done == Done::Taken {
                speaker.received.spoke_at = Some(self.now);
            }
            return Ok(done);
        }
        if !self.rooms.publish(self.author(speaker), body, self.now) {
            return Ok(Done::Passed);
        }
        speaker.received.spoke_at = Some(self.now);
        if self.connections.at(speaker.id).inbound.encoding.is_for_programs() {
            let number = self.rooms.room_with(speaker.member).messages();
            self.tell_always(speaker.id, Notice::Said { number, time: self.rooms.time() });
        }
        Ok(Done::Taken)
    }

    /// `Ok` when a member may speak again in a room that lets each speak only now and then.
    fn await_slow_mode(&mut self, speaker: &mut Speaker) -> Result<(), Blocked> {
        let seconds = self.rooms.room_with(speaker.member).modes().slow_seconds;
        if seconds == 0 || self.is_operator(speaker.id) {
            return Ok(());
        }
        let received = &mut speaker.received;
        let from = received.spoke_at.map(|spoke_at| spoke_at + Duration::from_secs(seconds));
        let Some(from) = from.filter(|from| *from > self.now) else { return Ok(()) };
        speaker.in_slow_mode = true;
        if !mem::replace(&mut received.told_of_slow, true) {
            self.tell(speaker.id, Notice::SlowMode { seconds });
        }
        Err(Blocked::OverRate(from))
    }

    /// `Ok` when a command may be taken now.
    pub(super) fn admit_command(&mut self, speaker: &mut Speaker) -> Result<(), Blocked> {
        self.admit(speaker, Piece::Command)
    }

    /// `Ok` when a piece may be taken now. All reasons to wait are looked at here, in order. Nothing is rendered.
    fn admit(&mut self, speaker: &mut Speaker, piece: Piece<'_>) -> Result<(), Blocked> {
        let may_speak = self.rooms.may_speak(speaker.member)
            && (self.rooms.speaks_in_place(speaker.member) || !self.is_buffer_short());
        // Answers, and what tells a program of its own lines, are not dropped: they need a place.
        let connection = self.connections.at(speaker.id);
        let private = &connection.outbound.private;
        let must_read = match piece {
            Piece::Said(_) => !may_speak || (connection.inbound.encoding.is_for_programs() && private.is_full()),
            Piece::Command => {
                private.is_full() || private.has_past() || (!private.is_empty() && self.is_buffer_short())
            }
            Piece::TooLong | Piece::MoreOfTooLong => false,
        };
        if must_read {
            return Err(Blocked::AuthorBehind);
        }
        if let Piece::Command = piece {
            self.await_lines(speaker)?;
        }
        let allowed = speaker.received.allow_line(self.config.flood, &mut self.addresses, speaker.ip, self.now);
        allowed.map_err(Blocked::OverRate)?;
        let Piece::Said(body) = piece else { return Ok(()) };
        if speaker.turn != Some(Turn::Ration) {
            self.schedule.held.queue_of(self.rooms.room_of(speaker.member))?;
        }
        if self.cluster.is_some() {
            return self.rooms.admit_to_cluster(self.author(speaker), body, self.now);
        }
        self.rooms.admit(self.author(speaker), body, self.now)
    }

    pub(super) fn author(&self, speaker: &Speaker) -> Author {
        let connection = self.connections.at(speaker.id);
        let has_private = !connection.outbound.private.is_empty();
        let hears_itself = connection.capabilities().echo_message;
        Author { member: speaker.member, who: speaker.who(), has_private, hears_itself }
    }

    /// Puts the received bytes back into a connection. Then asks for more, or has the connection held, or closes it.
    fn on_taken(&mut self, speaker: Speaker, taken: Taken) {
        let Speaker { id, member, received, counted, turn, .. } = speaker;
        self.budget.change(counted, received.input.capacity());
        let connection = self.connections.at_mut(id);
        connection.inbound.held = match taken {
            Taken::Held(reason) => Some(reason.into()),
            // It stays in that queue, also when it now waits for another reason.
            Taken::StillFirst(_) if turn == Some(Turn::Ration) => Some(Hold::Ration),
            Taken::StillFirst(_) => Some(Hold::LogSpace),
            Taken::All | Taken::Foreign(_) | Taken::Leaves => None,
        };
        let received = connection.inbound.received.insert(received);
        if received.has_begun() {
            self.schedule.time_line(id, &mut connection.inbound.queued, self.now);
        }
        match taken {
            Taken::All => {
                if let Some(reason) = received.ended {
                    if reason == CloseReason::Left && self.has_lines_under_way(id) {
                        self.connections.at_mut(id).inbound.held = Some(Hold::Cluster);
                        self.await_cluster(id);
                        return;
                    }
                    if !self.awaits_answers(id, reason) {
                        return self.close(id, reason);
                    }
                    self.connections.at_mut(id).inbound.held = Some(Hold::Reading);
                    return;
                }
                // While it was held it was not read, so the time of what it has begun counts from now.
                received.last_at = self.now;
                if self.config.framing == Framing::Chunk && received.is_undecided() {
                    let since = *received.undecided_since.get_or_insert(self.now);
                    self.schedule.time_opening(id, &mut connection.inbound.queued, since);
                }
                self.ask_for_chunk(id);
            }
            Taken::Held(Blocked::Cluster) => self.await_cluster(id),
            Taken::Held(reason) => self.schedule.held.hold(id, self.rooms.room_of(member), reason),
            Taken::StillFirst(reason) => {
                let turn = turn.expect("only the first in a queue stays the first");
                self.schedule.held.hold_first(id, self.rooms.room_of(member), turn, reason);
            }
            Taken::Foreign(foreign) => self.close_with(id, Notice::Foreign(foreign), CloseReason::Foreign),
            Taken::Leaves => self.close_with(id, Notice::Goodbye, CloseReason::Left),
        }
    }

    /// Says chunk ends that were kept because they could have become another protocol's beginning, once their time is
    /// over.
    pub(super) fn say_kept_openings(&mut self) {
        while let Some(id) = self.schedule.next_opening(self.now) {
            let Some(connection) = self.connections.find(id) else { continue };
            connection.inbound.queued.remove(Queue::Opening);
            // While the connection is held, lines in front of these bytes wait, so they have not been looked at yet.
            if connection.inbound.held.is_some() {
                continue;
            }
            let Some(since) = connection.inbound.received.as_ref().and_then(|received| received.undecided_since) else {
                continue;
            };
            if since + OPENING_HOLD > self.now {
                self.schedule.time_opening(id, &mut connection.inbound.queued, since);
            } else if !self.phase.is_stopping() {
                self.end_opening(id);
            }
        }
    }

    /// The peer sends no more: lines that wait are said, answers to them are sent, and then the connection is closed.
    fn on_end(&mut self, id: ConnectionId, reason: CloseReason) {
        let connection = self.connections.at(id);
        if matches!(connection.state, State::Greeting(Greeting::Leaving(_))) && !connection.outbound.private.is_empty()
        {
            // It is closed once it was sent its answer.
            return;
        }
        let awaits_answers = self.awaits_answers(id, reason);
        let is_done = reason != CloseReason::Left || self.phase.is_stopping();
        let has_lines_under_way = !is_done && self.has_lines_under_way(id);
        let inbound = &mut self.connections.at_mut(id).inbound;
        let is_held = inbound.held.is_some();
        match &mut inbound.received {
            Some(received) if !self.phase.is_stopping() && (is_held || received.undecided_since.is_some()) => {
                if reason != CloseReason::Left || received.ended.is_none() {
                    received.ended = Some(reason);
                }
                if !is_held {
                    self.end_opening(id);
                }
            }
            Some(received) if has_lines_under_way => {
                received.ended = Some(reason);
                // It goes on, to its end, once they were said.
                inbound.held = Some(Hold::Cluster);
                self.await_cluster(id);
            }
            Some(received) if awaits_answers => {
                received.ended = Some(reason);
                // It goes on, to its end, once it was sent everything.
                inbound.held = Some(Hold::Reading);
            }
            _ => self.close(id, reason),
        }
    }

    /// True when a peer that has sent all that it will send is still to be sent answers.
    fn awaits_answers(&self, id: ConnectionId, reason: CloseReason) -> bool {
        let has_private = !self.connections.at(id).outbound.private.is_empty();
        has_private && reason == CloseReason::Left && !self.phase.is_stopping()
    }

    /// The bytes that a chunk ended with are a line: takes it.
    fn end_opening(&mut self, id: ConnectionId) {
        let speaker = Speaker::of(id, self.connections.at_mut(id), None);
        let mut speaker = speaker.expect("kept bytes were received from a member");
        speaker.received.end_opening();
        self.take_input(speaker);
    }

    /// Looks at a connection that had received bytes that were not used one time-out ago. It is closed if it has begun
    /// a line and sent nothing since, or has more than its share of the budget.
    pub(super) fn on_line_timeout(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else { return };
        connection.inbound.queued.remove(Queue::Line);
        let Some(received) = connection.inbound.received.as_ref().filter(|received| received.has_begun()) else {
            return;
        };
        let waits = connection.inbound.held.is_some() || received.undecided_since.is_some();
        let last_at = received.last_at;
        let is_spent = self.budget.is_spent();
        if last_at + BUFFER_PATIENCE <= self.now && self.close_over_share(id) {
            return;
        }
        // While the budget is spent it is not read, so it cannot go on.
        let since = if waits || is_spent { self.now } else { last_at.max(self.budget.reading_since()) };
        if since + self.config.line_timeout <= self.now {
            self.close_with(id, Notice::LineTimeout, CloseReason::LineTimeout);
        } else {
            self.schedule.time_line(id, &mut self.connections.at_mut(id).inbound.queued, since);
        }
    }
}
