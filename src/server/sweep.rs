//! The sweep: batches of sends that move members' cursors to the head, and what becomes of a socket that is full.

use arrayvec::ArrayVec;

use super::Server;
use crate::connection::CloseReason;
use crate::counters::Counter;
use crate::io::{Io, Send, Sent};
use crate::limits::{MEMORY_RETRY, SEND_BATCH_MEMBERS};
use crate::outlet::Outlet;
use crate::room::{MemberId, NotNow};
use crate::timeouts::Standing;
use crate::token::ConnectionId;

type Dead = ArrayVec<ConnectionId, SEND_BATCH_MEMBERS>;

impl<I: Io, W: Outlet> Server<I, W> {
    /// Sends one batch to members that are behind, each as much as its socket takes.
    pub(super) fn sweep(&mut self) {
        let mut batch = self.lobby.take_batch();
        let mut dead = Dead::new();
        // One round brings a member to the end of what lies in one piece: usually to the head of the log.
        while !batch.is_empty() {
            let mut sends: ArrayVec<Send<'_, I::Socket>, SEND_BATCH_MEMBERS> = batch
                .iter()
                .map(|id| {
                    let socket = &self.connections.at(self.lobby.connection(*id)).socket;
                    Send::new(socket, self.lobby.due(*id))
                })
                .collect();
            self.io.send_batch(&mut sends);
            let outcomes: ArrayVec<(usize, Sent), SEND_BATCH_MEMBERS> =
                sends.iter().map(|send| (send.bytes.len(), send.sent)).collect();
            drop(sends);
            self.counters.add(Counter::Sends, outcomes.len() as u64);
            let sent = batch.drain(..).zip(outcomes);
            batch = sent.filter_map(|(id, (bytes, sent))| self.on_sent(id, bytes, sent, &mut dead)).collect();
        }
        for id in dead {
            self.close(id, CloseReason::Broken);
            self.release(id);
        }
    }

    /// Notes how a send to a member in hand went. The member, when it is to be sent more at once.
    fn on_sent(&mut self, member: MemberId, bytes: usize, sent: Sent, dead: &mut Dead) -> Option<MemberId> {
        let id = self.lobby.connection(member);
        let taken = match sent {
            Sent::Whole => bytes,
            Sent::Part(bytes) => bytes,
            Sent::Full | Sent::NoMemory | Sent::Dead(_) => 0,
        };
        self.counters.add(Counter::SentBytes, taken as u64);
        match sent {
            Sent::Whole => {
                let level = self.lobby.advance(member, bytes);
                self.on_taken_whole(id, member, level);
                return (!level).then_some(member);
            }
            // Its socket had room a moment ago and takes nothing all the same: TCP is out of memory, and watching the
            // socket would spin.
            Sent::Full if self.connections.at(id).drained => self.on_no_memory(id, member),
            Sent::NoMemory => self.on_no_memory(id, member),
            Sent::Part(_) | Sent::Full => {
                self.lobby.wait(member, taken);
                self.on_full(id);
                let connection = self.connections.at_mut(id);
                assert!(!connection.watching, "a watched member is not sent to");
                connection.watching = true;
                self.io.watch_writable(&connection.socket, id);
            }
            Sent::Dead(_) => {
                // Not in hand when the others are told that it left.
                self.lobby.wait(member, 0);
                dead.push(id);
            }
        }
        None
    }

    /// A send was taken whole. A member that is level and was held because it did not read has read now.
    fn on_taken_whole(&mut self, id: ConnectionId, member: MemberId, level: bool) {
        let connection = self.connections.at_mut(id);
        self.silence.on_sent(connection, self.now);
        connection.drained = false;
        if !level {
            // It may be full in the middle of what follows: these bytes count as taken now.
            connection.full_since = connection.full_since.map(|_| self.now);
            return;
        }
        connection.full_since = None;
        if connection.held == Some(NotNow::Unread) && self.lobby.may_speak(member) {
            self.resumable.push(id);
        }
    }

    /// A member's socket is full, after it took some bytes or for the first time.
    fn on_full(&mut self, id: ConnectionId) {
        let connection = self.connections.at_mut(id);
        self.silence.on_sent(connection, self.now);
        connection.full_since = Some(self.now);
        connection.outstanding = self.io.outstanding(&connection.socket);
        connection.drained = false;
        if !std::mem::replace(&mut connection.stall_queued, true) {
            self.stall_timeouts.watch(id, self.now);
            self.forget_the_gone();
        }
    }

    /// The kernel had no memory for a send: it is tried again after a pause.
    fn on_no_memory(&mut self, id: ConnectionId, member: MemberId) {
        self.lobby.wait(member, 0);
        if self.connections.at(id).full_since.is_none() {
            self.on_full(id);
        } else {
            self.connections.at_mut(id).note_uptake(&self.io, self.now);
        }
        self.starve(id);
    }

    /// Has an operation tried again that the kernel had no memory for.
    pub(super) fn starve(&mut self, id: ConnectionId) {
        let connection = self.connections.at_mut(id);
        if !std::mem::replace(&mut connection.starved, true) {
            self.starved.push_back((self.now + MEMORY_RETRY, id));
        }
    }

    /// A watched socket has room, or is dead.
    pub(super) fn on_writable(&mut self, id: ConnectionId) {
        let connection = self.connections.at_mut(id);
        connection.drained = true;
        if let Some(member) = connection.member {
            self.lobby.drained(member);
        }
    }

    /// Tries again what the kernel had no memory for.
    pub(super) fn retry_starved(&mut self) {
        while let Some((retry, id)) = self.starved.front().copied()
            && retry <= self.now
        {
            self.starved.pop_front();
            let Some(connection) = self.connections.find(id) else { continue };
            connection.starved = false;
            if let Some(member) = connection.member {
                if !connection.watching {
                    self.lobby.drained(member);
                }
                self.ask_for_chunk(id);
            }
        }
    }

    /// Closes connections whose full sockets have taken no byte for too long.
    pub(super) fn cut_stalled(&mut self) {
        loop {
            let (connections, io, now) = (&mut self.connections, &self.io, self.now);
            let expired = self.stall_timeouts.expired(now, |id| {
                let Some(connection) = connections.find(id) else { return Standing::Fine };
                if connection.member.is_some() {
                    connection.note_uptake(io, now);
                }
                match connection.full_since.filter(|_| connection.member.is_some()) {
                    Some(since) => Standing::Since(since),
                    None => {
                        connection.stall_queued = false;
                        Standing::Fine
                    }
                }
            });
            let Some(id) = expired else { return };
            self.close(id, CloseReason::Stalled);
            self.release(id);
        }
    }

    /// Closes members that fell off the log, where that is what is done with them.
    pub(super) fn cut_fallen(&mut self) {
        while let Some(id) = self.lobby.next_fallen() {
            if self.connections.find(id).is_some() {
                self.close(id, CloseReason::Slow);
                self.release(id);
            }
        }
    }
}
