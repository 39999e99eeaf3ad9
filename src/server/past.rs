//! Messages of the past for one member: history that it asked for, or what it missed while it was away.
//!
//! They are fetched from the log a piece at a time, each piece once the one before was sent. Meanwhile the member stands
//! with those that are returning from a full socket: no room waits for it, and a batch is not longer because of it. What
//! the log has forgotten by then it is told of.

use super::Server;
use crate::connection::Past;
use crate::io::Io;
use crate::limits::PAST_PIECE_BYTES;
use crate::message::Notice;
use crate::outlet::Outlet;
use crate::room::MemberId;
use crate::token::ConnectionId;
use crate::wire::Addressee;

impl<I: Io, W: Outlet> Server<I, W> {
    /// A member is sent the last `count` messages of its room that the log has, behind what waits for it already.
    /// Returns how many those are.
    pub(super) fn repeat_last(&mut self, id: ConnectionId, member: MemberId, count: u64) -> u64 {
        let room = self.rooms.room_with(member);
        let last = room.messages();
        let first = room.text().first_number().max((last + 1).saturating_sub(count));
        self.repeat(id, member, first, last);
        last + 1 - first
    }

    /// A member is sent messages `first` to `last` of its room, behind what waits for it already.
    pub(super) fn repeat(&mut self, id: ConnectionId, member: MemberId, first: u64, last: u64) {
        if first > last {
            return;
        }
        self.connections.at_mut(id).outbound.private.repeat(first, last);
        self.fetch_past(id, member);
        self.rooms.wake(member);
    }

    /// Once all private bytes of a member were sent, fetches the next messages of the past that are to follow them.
    pub(super) fn fetch_past(&mut self, id: ConnectionId, member: MemberId) {
        let connection = self.connections.at_mut(id);
        let Some(Past { next, last }) = connection.outbound.private.past_due() else { return };
        let room = self.rooms.room_with(member);
        let (log, to) = (room.text(), Addressee { room: Some(room.name()), ..connection.addressee() });
        let first = log.first_number().min(last + 1).max(next);
        let mut bytes = Vec::new();
        if first > next {
            let range = room.number(next).zip(room.number(first - 1));
            let missed = Notice::Missed { messages: first - next, range };
            to.notice(missed, &mut bytes);
        }
        let mut past = Past { next: first, last };
        for (number, entry, line) in log.numbered_from(first) {
            if number > last || bytes.len() >= PAST_PIECE_BYTES {
                break;
            }
            // What is kept has a number.
            to.past_message(room.number(number).unwrap_or_default(), &entry, line, &mut bytes);
            past.next = number + 1;
        }
        let past = (past.next <= last).then_some(past);
        self.budget.change_private(&mut connection.outbound.private, |private| private.refill(past, bytes));
    }
}
