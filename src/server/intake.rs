//! From received bytes to lines said in the room, and what holds a line back.
//!
//! A connection whose next line the room does not take yet is held: its bytes stay where they are and no more are asked
//! for, so TCP slows the peer and nothing is lost. It goes on when the reason has passed.

use std::cmp::Reverse;
use std::mem;

use super::Server;
use crate::connection::{CloseReason, Connection, Voice};
use crate::counters::Counter;
use crate::io::Io;
use crate::limits::SPARE_BUFFERS_MAX;
use crate::message::Notice;
use crate::outlet::Outlet;
use crate::room::NotNow;
use crate::timeouts::Standing;
use crate::token::ConnectionId;
use crate::wire::{Foreign, Framing, Item, Verdict};

/// How far the lines of a connection were taken.
enum Taken {
    /// All whole lines.
    All,
    /// Up to one that has to wait.
    Held(NotNow),
    /// None: the line that has waited longest for the room's ration has to wait on.
    StillFirst(NotNow),
    /// The peer takes this server for another.
    Foreign(Foreign),
}

impl<I: Io, W: Outlet> Server<I, W> {
    pub(super) fn on_received(&mut self, id: ConnectionId, bytes: &[u8]) {
        let connection = self.connections.at_mut(id);
        // What arrives after the goodbye is not said.
        if connection.member.is_none() || self.stopping.is_some() {
            return;
        }
        if bytes.is_empty() {
            self.end(id, CloseReason::Left);
            return;
        }
        self.counters.add(Counter::ReceivedBytes, bytes.len() as u64);
        let voice = connection.voice.get_or_insert_with(|| Box::new(Voice::new(self.now)));
        voice.heard_at = self.now;
        if connection.held.is_some() {
            // It was asked for before what it follows was said and held.
            voice.input.extend_from_slice(bytes);
            return;
        }
        if voice.input.is_empty() {
            let mut rest = bytes;
            let taken = self.take_lines(id, &mut rest, false);
            self.keep(id, None, rest);
            self.on_taken(id, taken);
        } else {
            voice.input.extend_from_slice(bytes);
            self.take_input(id, false);
        }
    }

    /// Lets held connections go on whose reason has passed.
    pub(super) fn resume_held(&mut self) {
        if self.stopping.is_some() {
            self.resumable.clear();
            self.delayed.clear();
            self.rationed.clear();
            return;
        }
        while let Some(Reverse((until, id))) = self.delayed.peek().copied()
            && until <= self.now
        {
            self.delayed.pop();
            // It may have been closed, or held for another reason, since.
            if self.held(id) == Some(NotNow::Until(until)) {
                self.resumable.push(id);
            }
        }
        let mut resumable = mem::take(&mut self.resumable);
        for id in resumable.drain(..) {
            if self.held(id).is_some() {
                self.take_input(id, false);
                self.release(id);
            }
        }
        if self.resumable.is_empty() {
            self.resumable = resumable;
        }
        while self.rationed_until <= self.now
            && let Some(id) = self.rationed.pop_front()
        {
            if matches!(self.held(id), Some(NotNow::Rationed(_))) {
                self.take_input(id, true);
                self.release(id);
                if self.rationed.front() == Some(&id) {
                    return;
                }
            }
        }
    }

    /// Why a connection that may be gone is held, if it is.
    fn held(&mut self, id: ConnectionId) -> Option<NotNow> {
        self.connections.find(id)?.held
    }

    /// Closes connections that have begun a line and not gone on with it.
    pub(super) fn cut_unfinished_lines(&mut self) {
        loop {
            let connections = &mut self.connections;
            let expired = self.line_timeouts.expired(self.now, |id| {
                let Some(connection) = connections.find(id) else { return Standing::Fine };
                let Some(voice) = &mut connection.voice else { return Standing::Fine };
                if voice.input.is_empty() || connection.held.is_some() || connection.member.is_none() {
                    voice.line_queued = false;
                    return Standing::Fine;
                }
                Standing::Since(voice.heard_at)
            });
            let Some(id) = expired else { return };
            self.dismiss(id, Notice::LineTimeout, CloseReason::LineTimeout);
            self.release(id);
        }
    }

    /// Takes lines from the bytes that a connection has waiting. `its_turn` when it has waited for the room's ration longest: for
    /// one line, after which others who wait come first.
    pub(super) fn take_input(&mut self, id: ConnectionId, its_turn: bool) {
        let voice = self.connections.at_mut(id).voice.as_mut().expect("what was received has a voice");
        let input = mem::take(&mut voice.input);
        let mut rest = input.as_slice();
        let taken = self.take_lines(id, &mut rest, its_turn);
        let consumed = input.len() - rest.len();
        self.keep(id, Some((input, consumed)), &[]);
        self.on_taken(id, taken);
    }

    /// Keeps what was not consumed: of a buffer that the connection had, or `rest` of a chunk.
    fn keep(&mut self, id: ConnectionId, buffer: Option<(Vec<u8>, usize)>, rest: &[u8]) {
        let mut input = match buffer {
            Some((mut input, consumed)) => {
                input.drain(..consumed);
                input
            }
            None if rest.is_empty() => return,
            None => self.spare.pop().unwrap_or_default(),
        };
        input.extend_from_slice(rest);
        if !input.is_empty() {
            let voice = self.connections.at_mut(id).voice.as_mut().expect("what was received has a voice");
            voice.input = input;
        } else if self.spare.len() < SPARE_BUFFERS_MAX {
            self.spare.push(input);
        }
    }

    /// Takes whole lines off the front of `rest` as long as the room takes them.
    fn take_lines(&mut self, id: ConnectionId, rest: &mut &[u8], mut its_turn: bool) -> Taken {
        let Connection { name, member, voice, .. } = self.connections.at_mut(id);
        let member = member.expect("lines are taken from open connections");
        let voice = voice.as_mut().expect("what was received has a voice");
        let line_bytes = self.config.line_bytes;
        let (ip, now) = (name.address.ip(), self.now);
        // A chunk of a line that is discarded is charged like a line.
        if voice.splitter.is_discarding() {
            if let Err(until) = voice.allow_line(self.config.flood, &mut self.addresses, ip, now) {
                return Taken::Held(NotNow::Until(until));
            }
            voice.charge_line(self.config.flood, now);
        }
        // Paid for once: a line behind it that has to wait does not have it paid for again.
        if voice.splitter.is_discarding() {
            if let Verdict::Foreign(foreign) = voice.look(rest) {
                return Taken::Foreign(foreign);
            }
            voice.splitter.discard(rest);
            voice.line_taken(false);
        }
        loop {
            if let Verdict::Foreign(foreign) = voice.look(rest) {
                return Taken::Foreign(foreign);
            }
            let before = (voice.splitter, *rest);
            let item = voice.splitter.next(rest, line_bytes).or_else(|| match self.config.framing {
                Framing::Chunk if !voice.is_undecided() => voice.splitter.finish(rest),
                Framing::Line | Framing::Chunk => None,
            });
            let Some(item) = item else {
                if before.0.is_discarding() && !voice.splitter.is_discarding() {
                    // The end of a chunk has ended a line that is too long.
                    voice.line_taken(false);
                }
                return Taken::All;
            };
            if matches!(item, Item::Line(_)) && !self.lobby.may_speak(member) {
                (voice.splitter, *rest) = before;
                return Taken::Held(NotNow::Unread);
            }
            let allowed = voice.allow_line(self.config.flood, &mut self.addresses, ip, now);
            let taken = match (allowed, item) {
                (Err(until), _) => {
                    if !mem::replace(&mut voice.slowed, true) {
                        self.lobby.tell(member, Notice::SlowDown);
                    }
                    Err(NotNow::Until(until))
                }
                // Others wait for the room's ration, and were first.
                (Ok(()), Item::Line(_)) if !its_turn && !self.rationed.is_empty() => {
                    Err(NotNow::Rationed(self.rationed_until))
                }
                (Ok(()), Item::Line(line)) => self.lobby.publish(member, *name, line, self.now),
                (Ok(()), Item::TooLong) => {
                    self.lobby.tell(member, Notice::LineTooLong { line_bytes_max: line_bytes });
                    Ok(false)
                }
            };
            let said = match taken {
                Ok(said) => said,
                Err(reason) => {
                    (voice.splitter, *rest) = before;
                    let waits_on = its_turn && matches!(reason, NotNow::Rationed(_) | NotNow::Pressed);
                    return if waits_on { Taken::StillFirst(reason) } else { Taken::Held(reason) };
                }
            };
            its_turn = false;
            voice.line_taken(said);
            voice.charge_line(self.config.flood, now);
        }
    }

    /// Asks for more, or sees to it that a held connection goes on.
    fn on_taken(&mut self, id: ConnectionId, taken: Taken) {
        let connection = self.connections.at_mut(id);
        connection.held = match taken {
            Taken::Held(reason) => Some(reason),
            // Whatever keeps it waiting, its place is in that queue.
            Taken::StillFirst(_) => Some(NotNow::Rationed(self.rationed_until)),
            Taken::All | Taken::Foreign(_) => None,
        };
        match taken {
            Taken::All => {
                let voice = connection.voice.as_mut().expect("what was received has a voice");
                if let Some(reason) = voice.ended {
                    self.close(id, reason);
                    return;
                }
                if self.config.framing == Framing::Chunk && voice.is_undecided() {
                    self.hold_opening(id);
                } else if !voice.input.is_empty() && !mem::replace(&mut voice.line_queued, true) {
                    self.line_timeouts.watch(id, self.now);
                    self.forget_the_gone();
                }
                self.ask_for_chunk(id);
            }
            Taken::Held(NotNow::Pressed) => self.resumable.push(id),
            Taken::Held(NotNow::Until(until)) => self.delayed.push(Reverse((until, id))),
            Taken::Held(NotNow::Rationed(until)) => {
                self.rationed_until = self.rationed_until.max(until);
                self.rationed.push_back(id);
            }
            Taken::StillFirst(reason) => {
                if let NotNow::Rationed(until) = reason {
                    self.rationed_until = until;
                }
                self.rationed.push_front(id);
            }
            // It goes on when it has been sent what lies ahead of it: see `on_taken_whole`.
            Taken::Held(NotNow::Unread) => {}
            Taken::Foreign(foreign) => self.dismiss(id, Notice::Foreign(foreign), CloseReason::Foreign),
        }
    }

    pub(super) fn ask_for_chunk(&mut self, id: ConnectionId) {
        let connection = self.connections.at_mut(id);
        if connection.member.is_some() && connection.held.is_none() && !connection.receiving && self.stopping.is_none()
        {
            connection.receiving = true;
            self.io.receive(&connection.socket, id);
        }
    }
}
