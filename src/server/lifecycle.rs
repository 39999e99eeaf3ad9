//! Connections begin and end: accepting, refusing, greeting, joining, closing, and freeing a slot.

use std::{io, mem};

use rustix::io::Errno;

use super::Server;
use super::schedule::Moment;
use super::web::{CLOSE_NORMAL, Code};
use crate::connection::{Greeting, Private, Queue, State};
use crate::counters::{CloseReason, Counter};
use crate::door::{Door, Doors};
use crate::io::{Io, Send};
use crate::journal::LogEvent;
use crate::limits::ACCEPT_RETRY;
use crate::message::Notice;
use crate::outlet::Outlet;
use crate::room::{Newcomer, Who};
use crate::token::{ConnectionId, ListenerId, RoomId};
use crate::wire::{Encoding, websocket};

/// What the server remembers about accepting. The schedule has the moment at which it is armed again after an error.
#[derive(Debug, Default)]
pub struct Accepting {
    /// True exactly when newcomers were refused in this turn, which freed their descriptors.
    pub(super) refused: bool,
    /// True once a failure to accept was logged, until a newcomer is accepted.
    pub(super) reported: bool,
    /// By listener: true exactly while it waits to be armed again after an error.
    paused: [bool; Doors::MAX],
    /// True once newcomers were let in.
    has_begun: bool,
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// A connection that was let in becomes a member of a room.
    pub(super) fn join(&mut self, id: ConnectionId, room: RoomId) {
        let connection = self.connections.at(id);
        assert!(connection.state == State::Greeting(Greeting::Handshake), "a connection joins once");
        let who = Who { name: connection.name(), id: self.public_id(id) };
        let newcomer = self.newcomer(id, who);
        let member = self.rooms.join(room, newcomer, self.now);
        self.count_greeted(id);
        // Its socket may be full of bytes of the greeting.
        let parked = !self.connections.at(id).outbound.socket.may_take();
        self.become_member(id, member, parked);
        let connection = self.connections.at(id);
        self.by_door[connection.inbound.door.index()] += 1;
        if room == self.rooms.lobby() && connection.inbound.encoding == Encoding::Text {
            let online = self.rooms.room(room).online_everywhere();
            self.tell(id, Notice::Connected { online });
        } else if room != self.rooms.hall() {
            self.tell_arrival(id, member);
        }
        self.show_motd(id);
        if room != self.rooms.hall() {
            self.tell_topic(id, member, false);
            self.repeat_last(id, member, self.config.history);
            self.tell_cut_off(id);
        }
        // Lines behind the greeting are taken first: one of them may have to wait, and then no more is asked for.
        if self.connections.at(id).inbound.door == Door::Web || self.greeting_input(id).is_empty() {
            self.ask_for_chunk(id);
        }
    }

    /// A connection is about to be a member, or closed: it is greeting no more.
    pub(super) fn count_greeted(&mut self, id: ConnectionId) {
        let connection = self.connections.at(id);
        let is_greeting = matches!(connection.state, State::Greeting(_));
        let is_counted = connection.inbound.queued.contains(Queue::Handshake) && connection.inbound.door != Door::Admin;
        self.greeting -= usize::from(is_greeting && is_counted);
    }

    /// What a room has to know of a connection that joins it.
    pub(super) fn newcomer(&self, id: ConnectionId, who: Who) -> Newcomer {
        let connection = self.connections.at(id);
        let (table, encoding) = (self.io.table(&connection.socket), connection.inbound.encoding);
        Newcomer { connection: id, table, encoding, who }
    }

    /// Shows a newcomer the operator's greeting.
    fn show_motd(&mut self, id: ConnectionId) {
        if self.connections.at(id).inbound.encoding.is_irc() {
            return self.show_irc_motd(id);
        }
        if let Some(motd) = self.keeping.motd.take() {
            motd.lines().for_each(|line| self.tell_always(id, Notice::Motd { line }));
            self.keeping.motd = Some(motd);
        }
    }

    /// There is no descriptor for a newcomer.
    pub(super) fn on_server_full(&mut self, listener: ListenerId, socket: I::Socket) {
        self.counters.add(Counter::ServerFull, 1);
        self.refuse(self.config.doors.at(listener), socket, Notice::ServerFull);
    }

    /// Accepting on a listener has ended on an error.
    pub(super) fn on_accept_failed(&mut self, listener: ListenerId, errno: Errno) {
        self.accepting.paused[listener.index()] = true;
        if !mem::replace(&mut self.accepting.reported, true) {
            let error = io::Error::from(errno);
            self.report_error(LogEvent::AcceptingPaused, format_args!("accepting paused: {error}"), &error);
        }
        self.schedule.set(Moment::Accept, Some(self.now + ACCEPT_RETRY));
    }

    /// Accepting may have ended for want of a descriptor that a refusal in the same turn has freed.
    pub(super) fn accept_after_refusals(&mut self) {
        if mem::take(&mut self.accepting.refused) {
            self.resume_accepting();
        }
    }

    /// A descriptor is free again: accepting goes on at once if it had ended on an error.
    fn resume_accepting(&mut self) {
        if self.schedule.moment(Moment::Accept).is_some() {
            self.schedule.set(Moment::Accept, None);
            self.accept_again();
        }
    }

    /// Accepts newcomers from now on, if they may be let in.
    pub(super) fn begin_accepting(&mut self) {
        if !self.accepting.has_begun && self.is_open() && !self.phase.is_stopping() {
            self.accepting.has_begun = true;
            self.config.doors.listeners().for_each(|listener| self.io.accept(listener));
        }
    }

    /// True while every door accepts.
    pub(super) fn accepts(&self) -> bool {
        self.accepting.has_begun && !self.accepting.paused.contains(&true)
    }

    /// Accepts newcomers again where that had ended on an error.
    pub(super) fn accept_again(&mut self) {
        for listener in self.config.doors.listeners() {
            if mem::take(&mut self.accepting.paused[listener.index()]) {
                self.io.accept(listener);
            }
        }
    }

    /// Tells a newcomer why it is not let in.
    pub(super) fn refuse(&mut self, door: Door, socket: I::Socket, notice: Notice<'_>) {
        let mut bytes = Vec::new();
        door.refusal(notice, &mut bytes);
        // A newcomer is not told if its socket does not take these few bytes.
        self.io.send_batch(&mut [Send::new(&socket, &bytes)]);
        self.io.shutdown(&socket);
        self.io.close(socket);
        self.accepting.refused = true;
    }

    /// Closes a connection with a last line, if its socket takes one.
    pub(super) fn close_with(&mut self, id: ConnectionId, notice: Notice<'_>, reason: CloseReason) {
        let code = self.close_code(id, reason).or(Some(CLOSE_NORMAL));
        self.farewell(id, Some(notice), code);
        self.end(id, reason);
    }

    /// Closes a connection. One that speaks WebSocket is told why, if its socket takes it.
    pub(super) fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        if let Some(code) = self.close_code(id, reason) {
            self.farewell(id, None, Some(code));
        }
        self.end(id, reason);
    }

    /// Sends a connection what it is sent last, if its socket takes it: a notice, and by WebSocket the code of a close.
    fn farewell(&mut self, id: ConnectionId, notice: Option<Notice<'_>>, code: Option<Code>) {
        let connection = self.connections.at(id);
        // It must follow a whole message. A skipped member may lack the rest of one, so it is not told.
        let rest = match connection.state {
            State::Joined(member) => self.rooms.rest_of_message(member),
            State::Greeting(Greeting::Leaving(_)) | State::Closing(_) => None,
            State::Greeting(_) => Some(&[][..]),
        };
        let Some(rest) = rest.filter(|_| connection.outbound.socket.may_take()) else { return };
        let mut bytes = [rest, connection.outbound.private.due()].concat();
        if connection.member().is_none() {
            notice.into_iter().for_each(|notice| connection.inbound.door.refusal(notice, &mut bytes));
        } else {
            notice.into_iter().for_each(|notice| self.addressee(id).notice(notice, &mut bytes));
            if let Some(code) = code.filter(|_| connection.inbound.encoding == Encoding::WebSocket) {
                websocket::close(code, &mut bytes);
            }
        }
        self.io.send_batch(&mut [Send::new(&connection.socket, &bytes)]);
    }

    /// Ends a connection in any state; one that is closing already stays as it is. This is the only function that ends
    /// one. The slot is freed when nothing is in flight on it any more, which may be at once.
    fn end(&mut self, id: ConnectionId, reason: CloseReason) {
        let public_id = self.public_id(id);
        self.count_greeted(id);
        let connection = self.connections.at_mut(id);
        let is_known = connection.is_known();
        let member = match connection.state {
            State::Greeting(_) => None,
            State::Joined(member) => Some(member),
            State::Closing(_) => return,
        };
        connection.state = State::Closing(reason);
        self.budget.change(connection.buffer_bytes(), 0);
        connection.outbound.private = Private::default();
        let (name, ip) = (connection.name(), connection.origin.ip);
        connection.inbound.held = None;
        let received = connection.inbound.received.take();
        self.silence.on_answered(&mut connection.outbound.socket, &mut self.schedule);
        self.io.shutdown(&connection.socket);
        if received.is_some_and(|received| received.reserved.is_some()) {
            self.addresses.give_back_line(ip);
        }
        if is_known {
            self.names.remove(name, id.slot, |slot| self.connections.name_in(slot));
            self.addresses.leave(ip, self.now);
        }
        self.forget_holds_of(self.connections.serial(id).0);
        if let Some(member) = member {
            let door = self.connections.at(id).inbound.door;
            self.by_door[door.index()] -= 1;
            self.end_session(id, member);
            let room = self.rooms.leave(member, Who { name, id: public_id }, self.now);
            self.free_room_if_unused(room);
        }
        self.connections.at_mut(id).profile = None;
        self.forget_person(id, name);
        self.counters.closed(reason);
        if !matches!(reason, CloseReason::Left | CloseReason::Broken | CloseReason::Answered) {
            self.report_close(self.whom(name, Some(public_id)), ip, reason);
        }
        self.free_if_idle(id);
    }

    /// Frees the slot of a closing connection once nothing is in flight on it.
    pub(super) fn free_if_idle(&mut self, id: ConnectionId) {
        let connection = self.connections.at(id);
        if connection.is_closing() && connection.is_idle() {
            let connection = self.connections.remove(id);
            self.io.close(connection.socket);
            self.admin.on_freed(id);
            self.resume_accepting();
        }
    }
}
