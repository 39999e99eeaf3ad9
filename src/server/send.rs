//! The sweep: batches of sends that move members' cursors to the head, and what becomes of a socket that is full.

use arrayvec::ArrayVec;

use super::Server;
use crate::connection::{CloseReason, Hold, Outbound, Private, Queue, State, Waits};
use crate::connections::Connections;
use crate::counters::Counter;
use crate::io::{Io, Send, Sent};
use crate::limits::SEND_BATCH_MEMBERS;
use crate::message::Notice;
use crate::outlet::Outlet;
use crate::room::MemberId;
use crate::rooms::Rooms;
use crate::token::ConnectionId;

type Dead = ArrayVec<ConnectionId, SEND_BATCH_MEMBERS>;

impl<I: Io, W: Outlet> Server<I, W> {
    /// Sends one batch to members that are behind, each as much as its socket takes.
    pub(super) fn sweep(&mut self) {
        self.send_greetings();
        let connections = &mut self.connections;
        let mut batch = self.rooms.take_batch(|id, messages| {
            let connection = connections.at_mut(id);
            connection.outbound.private.tell_always(Notice::Missed { messages }, connection.inbound.encoding);
        });
        let mut dead = Dead::new();
        // One round brings a member to the end of what lies in one piece: usually to the head of the log.
        while !batch.is_empty() {
            let mut sends: ArrayVec<Send<'_, I::Socket>, SEND_BATCH_MEMBERS> =
                batch.iter().map(|member| next_send(&self.connections, &self.rooms, *member)).collect();
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
    }

    /// The socket of a member of the batch took the first `taken` bytes of what was handed to it.
    fn on_bytes_taken(&mut self, id: ConnectionId, member: MemberId, taken: usize) {
        self.counters.add(Counter::SentBytes, taken as u64);
        let private = is_private_next(&self.connections.at(id).outbound.private, &self.rooms, member);
        // Nothing between the log and the socket changes a byte, so as many of the log were used as the socket has taken.
        let used = taken;
        if private {
            self.connections.at_mut(id).outbound.private.advance(used);
        } else {
            self.rooms.advance(member, used);
        }
    }

    /// Notes how a send to a member of the batch went. The member, when it is to be sent more at once.
    fn on_sent(&mut self, member: MemberId, bytes: usize, sent: Sent, dead: &mut Dead) -> Option<MemberId> {
        let id = self.rooms.connection(member);
        match sent {
            Sent::Whole => {
                self.on_bytes_taken(id, member, bytes);
                let level = self.connections.at(id).outbound.private.is_empty() && self.rooms.try_level(member);
                self.on_taken_whole(id, member, level);
                return (!level).then_some(member);
            }
            Sent::Part(_) | Sent::Full | Sent::NoMemory => {
                if let Sent::Part(taken) = sent {
                    self.on_bytes_taken(id, member, taken);
                }
                self.rooms.park(member);
                self.on_not_taken(id, sent);
            }
            Sent::Dead(_) => {
                // It leaves after the batch, and is out of it when the others are told so.
                self.rooms.park(member);
                dead.push(id);
            }
        }
        None
    }

    /// A socket did not take all that it was handed: it is watched for room, or tried again after a pause.
    fn on_not_taken(&mut self, id: ConnectionId, sent: Sent) {
        // A socket that had room a moment ago and takes nothing all the same: TCP is out of memory, and watching the socket
        // would spin.
        let had_room = self.connections.at(id).outbound.socket.had_room();
        if sent == Sent::NoMemory || (sent == Sent::Full && had_room) {
            self.on_no_memory(id);
        } else {
            self.on_full(id, Waits::ForRoom);
            self.io.watch_writable(&self.connections.at(id).socket, id);
        }
    }

    /// Tells a peer something that is meant for it alone. False when it is not told, because it has not read the last notices.
    pub(super) fn tell(&mut self, id: ConnectionId, notice: Notice) -> bool {
        let connection = self.connections.at_mut(id);
        let was_empty = connection.outbound.private.is_empty();
        let told = connection.outbound.private.tell(notice, connection.inbound.encoding);
        match connection.state {
            State::Joined(member) => self.rooms.wake(member),
            State::Greeting if was_empty => self.greetings.push_back(id),
            State::Greeting | State::Closing(_) => {}
        }
        told
    }

    /// Sends what is meant for peers that are in no room yet, up to a batch of them.
    fn send_greetings(&mut self) {
        for _ in 0..self.greetings.len().min(SEND_BATCH_MEMBERS) {
            let id = self.greetings.pop_front().expect("they were counted");
            let Some(connection) = self.connections.find(id) else { continue };
            let Outbound { socket, private } = &connection.outbound;
            // One that has joined meanwhile is sent to by the sweep.
            if connection.state != State::Greeting || socket.is_watched() || private.is_empty() {
                continue;
            }
            let mut sends = [Send::new(&connection.socket, connection.outbound.private.due())];
            self.io.send_batch(&mut sends);
            let [Send { bytes, sent, .. }] = sends;
            let taken = match sent {
                Sent::Whole => bytes.len(),
                Sent::Part(taken) => taken,
                Sent::Full | Sent::NoMemory | Sent::Dead(_) => 0,
            };
            connection.outbound.private.advance(taken);
            self.counters.add(Counter::Sends, 1);
            self.counters.add(Counter::SentBytes, taken as u64);
            match sent {
                Sent::Whole => {
                    self.silence.on_sent(connection.outbound.socket, &mut self.schedule, self.now);
                    connection.outbound.socket.on_whole();
                }
                Sent::Part(_) | Sent::Full | Sent::NoMemory => self.on_not_taken(id, sent),
                Sent::Dead(_) => self.close(id, CloseReason::Broken),
            }
        }
    }

    /// A send was taken whole. A member that is level and was held because it did not read has read now.
    fn on_taken_whole(&mut self, id: ConnectionId, member: MemberId, level: bool) {
        let connection = self.connections.at_mut(id);
        self.silence.on_sent(connection.outbound.socket, &mut self.schedule, self.now);
        connection.outbound.socket.on_whole();
        let held = connection.inbound.held;
        if level && held == Some(Hold::Reading) && self.rooms.may_speak(member) && !self.phase.is_stopping() {
            self.connections.at_mut(id).inbound.held = Some(Hold::Space);
            self.schedule.held.resume(id);
        }
    }

    /// A member's socket is full, after it took some bytes or for the first time.
    fn on_full(&mut self, id: ConnectionId, waits: Waits) {
        let connection = self.connections.at_mut(id);
        assert!(!connection.outbound.socket.is_watched(), "a watched member is not sent to");
        self.silence.on_sent(connection.outbound.socket, &mut self.schedule, self.now);
        connection.outbound.socket.on_full(waits, self.io.outstanding(&connection.socket), self.now);
        self.schedule.time_stall(id, &mut connection.inbound.queued, self.now);
    }

    /// The kernel had no memory for a send: it is tried again after a pause.
    fn on_no_memory(&mut self, id: ConnectionId) {
        let connection = self.connections.at_mut(id);
        if connection.outbound.socket.is_full() {
            connection.outbound.socket.on_no_memory();
            connection.outbound.socket.note_taken(self.io.outstanding(&connection.socket), self.now);
        } else {
            self.on_full(id, Waits::ForMemory { had_room: false });
        }
        self.retry_later(id);
    }

    /// Has what the kernel had no memory for tried again after a pause.
    pub(super) fn retry_later(&mut self, id: ConnectionId) {
        self.schedule.retry(id, &mut self.connections.at_mut(id).inbound.queued, self.now);
    }

    /// Tries again what the kernel had no memory for: a send, a receive, or both.
    pub(super) fn on_retry(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else { return };
        connection.inbound.queued.remove(Queue::Retry);
        let waits_for_memory = connection.outbound.socket.waits_for_memory();
        if !connection.is_closing() {
            if waits_for_memory {
                self.send_again(id);
            }
            self.ask_for_chunk(id);
        }
    }

    /// A watched socket has room, or is dead.
    pub(super) fn on_writable(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id).filter(|connection| connection.outbound.socket.is_watched())
        else {
            self.counters.add(Counter::Stale, 1);
            return;
        };
        connection.outbound.socket.on_writable();
        self.send_again(id);
    }

    /// Looks at a connection whose socket was full a time-out ago: it is closed when its peer took no byte since.
    pub(super) fn on_stall_timeout(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else { return };
        connection.inbound.queued.remove(Queue::Stall);
        if connection.is_closing() || !connection.outbound.socket.is_full() {
            return;
        }
        connection.outbound.socket.note_taken(self.io.outstanding(&connection.socket), self.now);
        let since = connection.outbound.socket.full_since().expect("it is full");
        if since + self.config.stall_timeout <= self.now {
            self.close(id, CloseReason::Stalled);
        } else {
            self.schedule.time_stall(id, &mut connection.inbound.queued, since);
        }
    }

    /// Closes members that fell off the log, where that is what is done with them.
    pub(super) fn close_fallen(&mut self) {
        while let Some(id) = self.rooms.next_fallen() {
            if self.connections.find(id).is_some() {
                self.close(id, CloseReason::Slow);
            }
        }
    }

    /// A socket may have room again: what waits for it is sent.
    fn send_again(&mut self, id: ConnectionId) {
        match self.connections.at(id).state {
            State::Joined(member) => self.rooms.unpark(member),
            State::Greeting => self.greetings.push_back(id),
            State::Closing(_) => self.free_if_idle(id),
        }
    }
}

/// What a member of the batch is to be sent next.
fn next_send<'a, S>(connections: &'a Connections<S>, rooms: &'a Rooms, member: MemberId) -> Send<'a, S> {
    let connection = connections.at(rooms.connection(member));
    let private = &connection.outbound.private;
    let bytes = if is_private_next(private, rooms, member) { private.due() } else { rooms.due(member) };
    assert!(!bytes.is_empty(), "a member of the batch has something due");
    Send::new(&connection.socket, bytes)
}

/// True when what is meant for a member alone goes out before what is said: between two messages, or once begun.
fn is_private_next(private: &Private, rooms: &Rooms, member: MemberId) -> bool {
    !private.is_empty() && (private.is_begun() || rooms.is_between_messages(member))
}
