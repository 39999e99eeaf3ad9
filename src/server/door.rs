//! Who comes in and who goes: accepting, turning away, closing, and freeing what a connection had.

use std::cmp::Reverse;
use std::net::SocketAddr;

use super::Server;
use crate::connection::{CloseReason, Connection};
use crate::counters::Counter;
use crate::flood::{Rate, Refusal};
use crate::io::{Io, Send};
use crate::limits::{CLOSE_REPORTS_PER_SECOND, TIMEOUT_SLACK};
use crate::message::Notice;
use crate::names::Name;
use crate::outlet::Outlet;
use crate::token::{ConnectionId, ListenerId};
use crate::wire::Encoding;

impl<I: Io, W: Outlet> Server<I, W> {
    pub(super) fn on_accepted(&mut self, socket: I::Socket, address: SocketAddr) {
        if self.connections.len() >= self.config.members_max {
            self.on_full_house(socket);
            return;
        }
        if let Err(refusal) = self.addresses.join(address.ip(), self.now) {
            self.counters.add(Counter::TurnedAway, 1);
            let notice = match refusal {
                Refusal::TooManyConnections => Notice::TooManyConnections,
                Refusal::TooManyJoins => Notice::TooManyJoins,
            };
            self.refuse(socket, notice);
            return;
        }
        let name_in = |slot| self.connections.name_in(slot);
        let Some(name) = self.names.find_free(address, name_in) else {
            self.addresses.leave(address.ip(), self.now);
            self.counters.add(Counter::TurnedAway, 1);
            self.refuse(socket, Notice::TooManyConnections);
            return;
        };
        self.counters.add(Counter::Accepted, 1);
        self.accept_reported = false;
        let id = self.connections.insert(Connection::new(socket, name));
        self.names.insert(name, id.slot, |slot| self.connections.name_in(slot));
        let member = self.lobby.join(id, name, self.now);
        self.connections.at_mut(id).member = Some(member);
        self.ask_for_chunk(id);
    }

    /// There is no place for a newcomer.
    pub(super) fn on_full_house(&mut self, socket: I::Socket) {
        self.counters.add(Counter::FullHouse, 1);
        self.refuse(socket, Notice::HouseFull);
    }

    /// Accepting may have ended because the descriptors of those who were then refused were not free yet.
    pub(super) fn accept_after_refusals(&mut self) {
        if std::mem::take(&mut self.refused) {
            self.resume_accepting();
        }
    }

    /// A descriptor is free again: accepting goes on, if it had ended for want of one.
    fn resume_accepting(&mut self) {
        if self.accept_paused.take().is_some() {
            self.io.accept(ListenerId::FIRST);
        }
    }

    /// Tells a newcomer why it is not let in.
    fn refuse(&mut self, socket: I::Socket, notice: Notice) {
        let mut bytes = Vec::new();
        Encoding::Text.notice(notice, &mut bytes);
        // A newcomer whose socket does not even take this is not told.
        self.io.send_batch(&mut [Send::new(&socket, &bytes)]);
        self.io.shutdown(&socket);
        self.io.close(socket);
        self.refused = true;
    }

    /// Closes a connection with a last line, if its socket takes one.
    pub(super) fn dismiss(&mut self, id: ConnectionId, notice: Notice, reason: CloseReason) {
        let connection = self.connections.at(id);
        if let Some(member) = connection.member
            && let Some(bytes) = self.lobby.farewell(member, notice)
        {
            self.io.send_batch(&mut [Send::new(&connection.socket, &bytes)]);
        }
        self.close(id, reason);
    }

    /// Ends a connection's membership. Its slot stays taken until nothing is in flight on it.
    pub(super) fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        let connection = self.connections.at_mut(id);
        let Some(member) = connection.member.take() else { return };
        let voice = connection.voice.take();
        self.silence.on_answered(connection);
        connection.held = None;
        let name = connection.name;
        if voice.is_some_and(|voice| voice.reserved.is_some()) {
            self.addresses.give_back_line(name.address.ip());
        }
        self.io.shutdown(&connection.socket);
        self.names.remove(name, id.slot);
        self.lobby.leave(member, name, self.now);
        self.addresses.leave(name.address.ip(), self.now);
        self.counters.closed(reason);
        if !matches!(reason, CloseReason::Left | CloseReason::Broken) {
            self.report_close(name, reason);
        }
    }

    /// Logs that a member was closed by us, so many a second; the statistics count them all.
    fn report_close(&mut self, name: Name, reason: CloseReason) {
        let rate = Rate::new(CLOSE_REPORTS_PER_SECOND, CLOSE_REPORTS_PER_SECOND).expect("it is not 0");
        if self.close_reports.check(rate, 1.0, self.now).is_ok() {
            self.close_reports.take(rate, 1.0, self.now);
            self.journal.report(self.now, format_args!("closed {name}: {reason}"));
        }
    }

    /// Drops what the queues of time-outs hold of connections that are gone, once that is most of them.
    pub(super) fn forget_the_gone(&mut self) {
        let connections = &mut self.connections;
        let queued_max = 2 * connections.len() + TIMEOUT_SLACK;
        for timeouts in [&mut self.stall_timeouts, &mut self.line_timeouts] {
            if timeouts.len() > queued_max {
                timeouts.retain(|id| connections.find(id).is_some());
            }
        }
        if self.openings.len() > queued_max {
            self.openings.retain(|Reverse((_, id))| connections.find(*id).is_some());
        }
    }

    /// Frees the slot of a closed connection that has nothing in flight.
    pub(super) fn release(&mut self, id: ConnectionId) {
        let connection = self.connections.at(id);
        if connection.member.is_none() && connection.is_idle() {
            let connection = self.connections.remove(id);
            self.io.close(connection.socket);
            self.resume_accepting();
        }
    }
}
