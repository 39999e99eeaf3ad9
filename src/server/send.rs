//! The sweep: batches of sends that move members' cursors to the head, and what becomes of a socket that is full.

use arrayvec::ArrayVec;

use super::Server;
use super::schedule::Queue;
use crate::connection::{CloseReason, Hold, Waits};
use crate::counters::Counter;
use crate::io::{Io, Send, Sent};
use crate::limits::SEND_BATCH_MEMBERS;
use crate::outlet::Outlet;
use crate::room::MemberId;
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
        }
        self.schedule.on_swept();
    }

    /// Notes how a send to a member of the batch went. The member, when it is to be sent more at once.
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
            Sent::Part(_) | Sent::Full | Sent::NoMemory => {
                self.wait_for_socket(member, taken);
                // A socket that had room a moment ago and takes nothing all the same: TCP is out of memory, and watching
                // the socket would spin.
                let had_room = self.connections.at(id).outbound.had_room();
                if sent == Sent::NoMemory || (sent == Sent::Full && had_room) {
                    self.on_no_memory(id);
                } else {
                    self.on_full(id, Waits::ForRoom);
                    self.io.watch_writable(&self.connections.at(id).socket, id);
                }
            }
            Sent::Dead(_) => {
                // It leaves after the batch, and is out of it when the others are told so.
                self.wait_for_socket(member, 0);
                dead.push(id);
            }
        }
        None
    }

    /// A send was taken whole. A member that is level and was held because it did not read has read now.
    fn on_taken_whole(&mut self, id: ConnectionId, member: MemberId, level: bool) {
        let connection = self.connections.at_mut(id);
        self.silence.on_sent(connection.outbound, &mut self.schedule, self.now);
        connection.outbound.on_whole();
        let held = connection.inbound.held;
        if level && held == Some(Hold::Reading) && self.has_read_enough(member) && !self.phase.is_stopping() {
            self.connections.at_mut(id).inbound.held = Some(Hold::Sweep);
            self.schedule.resume(id);
        }
    }

    /// A member's socket is full, after it took some bytes or for the first time.
    fn on_full(&mut self, id: ConnectionId, waits: Waits) {
        let connection = self.connections.at_mut(id);
        assert!(!connection.outbound.is_watched(), "a watched member is not sent to");
        self.silence.on_sent(connection.outbound, &mut self.schedule, self.now);
        connection.outbound.on_full(waits, self.io.outstanding(&connection.socket), self.now);
        self.schedule.time_stall(id, &mut connection.queued, self.now);
    }

    /// The kernel had no memory for a send: it is tried again after a pause.
    fn on_no_memory(&mut self, id: ConnectionId) {
        let connection = self.connections.at_mut(id);
        if connection.outbound.is_full() {
            connection.outbound.on_no_memory();
            connection.outbound.note_uptake(self.io.outstanding(&connection.socket), self.now);
        } else {
            self.on_full(id, Waits::ForMemory { had_room: false });
        }
        self.retry_later(id);
    }

    /// Has what the kernel had no memory for tried again after a pause.
    pub(super) fn retry_later(&mut self, id: ConnectionId) {
        self.schedule.retry(id, &mut self.connections.at_mut(id).queued, self.now);
    }

    /// Tries again what the kernel had no memory for: a send, a receive, or both.
    pub(super) fn on_retry(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else { return };
        connection.queued.remove(Queue::Retry);
        let waits_for_memory = connection.outbound.waits_for_memory();
        if let Some(member) = connection.member() {
            if waits_for_memory {
                self.send_again(member);
            }
            self.ask_for_chunk(id);
        }
    }

    /// A watched socket has room, or is dead.
    pub(super) fn on_writable(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id).filter(|connection| connection.outbound.is_watched()) else {
            self.counters.add(Counter::Stale, 1);
            return;
        };
        connection.outbound.on_writable();
        match connection.member() {
            Some(member) => self.send_again(member),
            None => self.free_if_idle(id),
        }
    }

    /// Looks at a connection whose socket was full a time-out ago: it is closed when its peer took no byte since.
    pub(super) fn on_stall_timeout(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else { return };
        connection.queued.remove(Queue::Stall);
        if connection.is_closing() || !connection.outbound.is_full() {
            return;
        }
        connection.outbound.note_uptake(self.io.outstanding(&connection.socket), self.now);
        let since = connection.outbound.full_since().expect("it is full");
        if since + self.config.stall_timeout <= self.now {
            self.close(id, CloseReason::Stalled);
        } else {
            self.schedule.time_stall(id, &mut connection.queued, since);
        }
    }

    /// Closes members that fell off the log, where that is what is done with them.
    pub(super) fn close_fallen(&mut self) {
        while let Some(id) = self.lobby.next_fallen() {
            if self.connections.find(id).is_some() {
                self.close(id, CloseReason::Slow);
            }
        }
    }

    /// A member's socket took `taken` bytes of what it was sent, and no more.
    fn wait_for_socket(&mut self, member: MemberId, taken: usize) {
        self.lobby.wait(member, taken);
    }

    /// A member's socket may have room again: what it waits for is sent by the sweep.
    fn send_again(&mut self, member: MemberId) {
        self.lobby.drained(member);
    }
}
