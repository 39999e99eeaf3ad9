//! Memory that all members share, and what is done when it is spent.
//!
//! A member that listens takes some hundred bytes. One that has begun a line, is held, is behind with own lines, or
//! does not read its notices takes up to hundred times as many, and a house cannot have that for all. So these bytes
//! are counted where they change, and are bounded for all members together (`--buffer-bytes`).
//!
//! While they are spent no connection is received from, nobody gets memory for own ranges, and notices are told only to
//! peers for whom none wait. Lines that are held are said meanwhile, and members are sent what is said, so memory comes
//! back. If it does not, connections are closed that have more than their share, those with the oldest progress first,
//! until there is enough again. A share is what each has when all places of the house are taken and have the same. A
//! connection within its share is not closed because of others: its line has time again from when it is read again.
//!
//! 1. While more than what is enough is in use, a connection has more than its share. It is looked at: either bytes of
//!    it are not used ([`Queue::Line`]), or its socket is full ([`Queue::Stall`]), or the sweep sends to it.

use std::time::Instant;

use super::Server;
use crate::connection::{Connection, Private, Received};
use crate::counters::{CloseReason, Counter};
use crate::io::Io;
use crate::journal::LogEvent;
use crate::limits::{BUFFER_PATIENCE, BUFFER_REPORT, BUFFER_RESUME_EIGHTHS};
use crate::message::Notice;
use crate::outlet::Outlet;
use crate::token::ConnectionId;

#[derive(Debug)]
pub struct Budget {
    /// The sum of [`Connection::buffer_bytes`]. Members have the rest of what is in use.
    connections_bytes: usize,
    bytes_max: usize,
    /// True from when all of it was in use at the end of a turn, until [`Budget::enough`] is.
    is_spent: bool,
    /// When connections began to be read, for the first time or again.
    reading_since: Instant,
    /// From when on the log may say again that it is spent.
    report_from: Instant,
}

impl Budget {
    pub fn new(bytes_max: usize, now: Instant) -> Self {
        Self { connections_bytes: 0, bytes_max, is_spent: false, reading_since: now, report_from: now }
    }

    /// The [`Connection::buffer_bytes`] of a connection have changed.
    pub fn change(&mut self, before: usize, after: usize) {
        self.connections_bytes = self.connections_bytes + after - before;
    }

    /// Changes private bytes of a connection, and counts what that changes.
    pub fn change_private<T>(&mut self, private: &mut Private, change: impl FnOnce(&mut Private) -> T) -> T {
        let before = private.buffer_bytes();
        let result = change(private);
        self.change(before, private.buffer_bytes());
        result
    }

    /// Adds bytes that a connection received and that are not used at once, and counts what that changes.
    pub fn change_input(&mut self, received: &mut Received, bytes: &[u8]) {
        let before = received.input.capacity();
        received.input.extend_from_slice(bytes);
        self.change(before, received.input.capacity());
    }

    pub fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// When connections began to be read.
    pub fn reading_since(&self) -> Instant {
        self.reading_since
    }

    /// With no more in use than this, connections are read again.
    fn enough(&self) -> usize {
        self.bytes_max / 8 * BUFFER_RESUME_EIGHTHS
    }

    /// Panics when a change of a connection's memory was not counted. `connections_bytes` is the sum over all.
    pub fn invariants(&self, connections_bytes: usize) {
        assert_eq!(self.connections_bytes, connections_bytes, "memory that connections share is counted exactly");
    }
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// The memory that counts against the budget, of all members.
    pub fn buffer_bytes(&self) -> usize {
        self.budget.connections_bytes + self.rooms.buffer_bytes()
    }

    /// True while nothing that can wait gets memory of the budget.
    pub(super) fn is_buffer_short(&self) -> bool {
        self.budget.is_spent || self.buffer_bytes() >= self.budget.bytes_max
    }

    /// A turn begins: tells the rooms how much memory of the budget connections leave to members.
    pub(super) fn share_budget(&mut self) {
        self.rooms.set_buffer_bytes_max(self.budget.bytes_max.saturating_sub(self.budget.connections_bytes));
    }

    /// A turn is over: decides whether the next one receives.
    pub(super) fn check_budget(&mut self) {
        let used = self.buffer_bytes();
        if !self.budget.is_spent && used >= self.budget.bytes_max {
            self.budget.is_spent = true;
            self.schedule.hurry(Some(BUFFER_PATIENCE));
            self.counters.add(Counter::BufferSpent, 1);
            if self.budget.report_from <= self.now {
                self.budget.report_from = self.now + BUFFER_REPORT;
                self.report(
                    LogEvent::BufferSpent,
                    format_args!(
                        "members are not read for now: unfinished lines and notices take all of --buffer-bytes"
                    ),
                );
            }
        } else if self.budget.is_spent && used <= self.budget.enough() {
            self.budget.is_spent = false;
            self.budget.reading_since = self.now;
            self.schedule.hurry(None);
        }
    }

    /// Closes a connection that has had more than its share of the budget for a while, if not enough is left. True when
    /// it was closed.
    pub(super) fn close_over_share(&mut self, id: ConnectionId) -> bool {
        if !self.budget.is_spent || self.buffer_bytes() <= self.budget.enough() || !self.is_over_share(id) {
            return false;
        }
        let inbound = &self.connections.at(id).inbound;
        let has_begun = inbound.received.as_ref().is_some_and(|received| !received.input.is_empty());
        if has_begun && inbound.held.is_none() {
            self.close_with(id, Notice::LineTimeout, CloseReason::Buffer);
        } else {
            self.close(id, CloseReason::Buffer);
        }
        true
    }

    /// True when a connection has more than its share, also without the memory that it has and does not need.
    fn is_over_share(&mut self, id: ConnectionId) -> bool {
        let share = self.budget.enough() / self.config.members_max.max(1);
        let of_member = self.connections.at(id).member().map_or(0, |member| self.rooms.buffer_bytes_of(member));
        let connection = self.connections.at_mut(id);
        let before = connection.buffer_bytes();
        if before + of_member <= share {
            return false;
        }
        shrink(connection);
        let after = connection.buffer_bytes();
        self.budget.change(before, after);
        after + of_member > share
    }
}

/// Frees memory for received bytes that a connection has beyond them.
fn shrink<S>(connection: &mut Connection<S>) {
    if let Some(received) = &mut connection.inbound.received {
        received.input.shrink_to_fit();
    }
}
