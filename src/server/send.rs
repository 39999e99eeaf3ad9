//! The sweep: batches of sends that move members' cursors to the head, and what is done about a socket that is full.

use arrayvec::ArrayVec;

use super::Server;
use crate::connection::{Greeting, Hold, Outbound, Private, Queue, State, Waits};
use crate::connections::Connections;
use crate::counters::{CloseReason, Counter};
use crate::io::{Io, Send, Sent};
use crate::limits::SEND_BATCH_MEMBERS;
use crate::message::Notice;
use crate::outlet::Outlet;
use crate::room::{Batch, MemberId};
use crate::rooms::Rooms;
use crate::token::ConnectionId;
use crate::wire::Addressee;

/// Connections for which there is something to do after a batch.
#[derive(Debug, Default)]
struct Sweep {
    /// Their sockets are dead.
    dead: ArrayVec<ConnectionId, SEND_BATCH_MEMBERS>,
    /// They were held for their own reading, and have read.
    have_read: ArrayVec<ConnectionId, SEND_BATCH_MEMBERS>,
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// Sends one batch to members that are behind, to each as much as its socket takes.
    pub(super) fn sweep(&mut self) {
        self.send_greetings();
        let (connections, budget) = (&mut self.connections, &mut self.budget);
        let mut unsaid = ArrayVec::<MemberId, SEND_BATCH_MEMBERS>::new();
        let mut batch = self.rooms.take_batch(|member, id, gap| {
            if gap.messages == 0 {
                unsaid.push(member);
                return;
            }
            let connection = connections.at_mut(id);
            let to = connection.addressee();
            budget.change_private(&mut connection.outbound.private, |private| {
                private.tell_always(Notice::Missed { messages: gap.messages, range: gap.range() }, &to);
            });
        });
        let mut sweep = Sweep::default();
        self.put_level_unsaid(&unsaid, &mut batch, &mut sweep);
        // One round sends a member the bytes up to the end of a segment, which is usually the head of the log.
        while !batch.is_empty() {
            let mut sends: ArrayVec<Send<'_, I::Socket>, SEND_BATCH_MEMBERS> =
                batch.iter().map(|member| next_send(&self.connections, &self.rooms, *member)).collect();
            self.io.send_batch(&mut sends);
            let outcomes: ArrayVec<(usize, Sent), SEND_BATCH_MEMBERS> =
                sends.iter().map(|send| (send.bytes.len(), send.sent)).collect();
            drop(sends);
            self.counters.add(Counter::Sends, outcomes.len() as u64);
            let sent = batch.drain(..).zip(outcomes);
            batch = sent.filter_map(|(id, (bytes, sent))| self.on_sent(id, bytes, sent, &mut sweep)).collect();
        }
        for id in sweep.dead {
            self.close(id, CloseReason::Broken);
        }
        // They have been sent everything, and nothing is said between.
        for id in sweep.have_read {
            self.resume(id, None);
        }
    }

    /// Takes those members out of a batch that were skipped, missed nothing that they are told of, and have nothing to
    /// be sent any more: no more than joins and leaves, and messages of their own, came after what they were sent.
    fn put_level_unsaid(&mut self, unsaid: &[MemberId], batch: &mut Batch, sweep: &mut Sweep) {
        for member in unsaid {
            let id = self.rooms.connection(*member);
            if self.connections.at(id).outbound.private.is_empty() && self.rooms.try_level(*member) {
                batch.retain(|other| other != member);
                self.on_taken_whole(id, *member, true, sweep);
            }
        }
    }

    /// The socket of a member of the batch took the first `taken` bytes of what was handed to it.
    fn on_bytes_taken(&mut self, id: ConnectionId, member: MemberId, taken: usize) {
        self.counters.add(Counter::SentBytes, taken as u64);
        let private = is_private_next(&self.connections.at(id).outbound.private, &self.rooms, member);
        // Bytes go from the log to the socket unchanged, so each byte that the socket took is one byte of the log.
        let used = taken;
        if private {
            let private = &mut self.connections.at_mut(id).outbound.private;
            self.budget.change_private(private, |private| private.advance(used));
            self.fetch_past(id, member);
        } else {
            self.rooms.advance(member, used);
        }
    }

    /// Notes how a send to a member of the batch went. Returns the member when there is more to send to it at once.
    fn on_sent(&mut self, member: MemberId, bytes: usize, sent: Sent, sweep: &mut Sweep) -> Option<MemberId> {
        let id = self.rooms.connection(member);
        match sent {
            Sent::Whole => {
                self.on_bytes_taken(id, member, bytes);
                let private = &self.connections.at(id).outbound.private;
                let (has_past, level) = (private.has_past(), private.is_empty() && self.rooms.try_level(member));
                self.on_taken_whole(id, member, level, sweep);
                if has_past {
                    // The next piece goes with another batch: others have their turn.
                    self.rooms.put_back(member);
                    return None;
                }
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
                // It is closed after the batch. It must not be in the batch then, because its leaving is a message.
                self.rooms.park(member);
                sweep.dead.push(id);
            }
        }
        None
    }

    /// A socket did not take all that it was handed: it is watched until it is writable, or tried again after a pause.
    fn on_not_taken(&mut self, id: ConnectionId, sent: Sent) {
        // The socket was just reported writable and takes nothing all the same. Then TCP is out of memory, and a watch
        // would report the socket at once, again and again.
        let was_writable = self.connections.at(id).outbound.socket.was_writable();
        if sent == Sent::NoMemory || (sent == Sent::Full && was_writable) {
            self.on_no_memory(id);
        } else {
            self.on_full(id, Waits::ForWritable);
            self.io.watch_writable(&self.connections.at(id).socket, id);
        }
    }

    /// Tells a peer a notice. False when the notice is dropped because too many bytes of notices wait for it already,
    /// or any while the budget of memory is spent.
    pub(super) fn tell(&mut self, id: ConnectionId, notice: Notice<'_>) -> bool {
        let short = self.is_buffer_short();
        self.change_private(id, |private, to| private.tell(notice, to, short))
    }

    /// Tells a peer a notice that must not be dropped. The caller sees to it that they do not pile up.
    pub(super) fn tell_always(&mut self, id: ConnectionId, notice: Notice<'_>) {
        self.change_private(id, |private, to| private.tell_always(notice, to));
    }

    /// Whom a notice to a peer is for.
    pub(super) fn addressee(&self, id: ConnectionId) -> Addressee {
        let connection = self.connections.at(id);
        let member = connection.member().filter(|member| !self.is_outside(*member));
        let room = member.map(|member| self.rooms.room_with(member).name());
        Addressee { room, ..connection.addressee() }
    }

    /// Writes something to a peer alone that must not be dropped. The caller sees to it that it does not pile up.
    pub(super) fn write_always(&mut self, id: ConnectionId, write: impl FnOnce(&mut Vec<u8>)) {
        self.change_private(id, |private, _| private.add(write));
    }

    pub(super) fn change_private<T>(
        &mut self,
        id: ConnectionId,
        change: impl FnOnce(&mut Private, &Addressee) -> T,
    ) -> T {
        let to = self.addressee(id);
        let connection = self.connections.at_mut(id);
        let private = &mut connection.outbound.private;
        let was_empty = private.is_empty();
        let result = self.budget.change_private(private, |private| change(private, &to));
        if private.is_empty() {
            return result;
        }
        match connection.state {
            State::Joined(member) => self.rooms.wake(member),
            State::Greeting(_) if was_empty => self.greetings.push_back(id),
            State::Greeting(_) | State::Closing(_) => {}
        }
        result
    }

    /// Sends private bytes to peers that are in no room yet, to a batch of them at most.
    fn send_greetings(&mut self) {
        for _ in 0..self.greetings.len().min(SEND_BATCH_MEMBERS) {
            let id = self.greetings.pop_front().expect("they were counted");
            let Some(connection) = self.connections.find(id) else { continue };
            let Outbound { socket, private } = &connection.outbound;
            // The sweep sends to a connection that has joined meanwhile.
            if !matches!(connection.state, State::Greeting(_)) || socket.is_watched() || private.is_empty() {
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
            self.budget.change_private(&mut connection.outbound.private, |private| private.advance(taken));
            self.counters.add(Counter::Sends, 1);
            self.counters.add(Counter::SentBytes, taken as u64);
            match sent {
                Sent::Whole => {
                    self.on_whole(id);
                    if !self.connections.at(id).outbound.private.is_empty() {
                        // The page follows its head.
                        self.greetings.push_back(id);
                    }
                    self.close_answered(id);
                }
                Sent::Part(_) | Sent::Full | Sent::NoMemory => self.on_not_taken(id, sent),
                Sent::Dead(_) => self.close(id, CloseReason::Broken),
            }
        }
    }

    /// Closes a connection that has been sent its last answer.
    fn close_answered(&mut self, id: ConnectionId) {
        let connection = self.connections.at(id);
        if let State::Greeting(Greeting::Leaving(reason)) = connection.state
            && connection.outbound.private.is_empty()
        {
            self.close(id, reason);
        }
    }

    /// A send was taken whole. A member that is level now has been sent everything, so if it was held for its own
    /// reading it may go on.
    fn on_taken_whole(&mut self, id: ConnectionId, member: MemberId, level: bool, sweep: &mut Sweep) {
        self.on_whole(id);
        let held = self.connections.at(id).inbound.held;
        if level && held == Some(Hold::Reading) && self.rooms.may_speak(member) && !self.phase.is_stopping() {
            sweep.have_read.push(id);
        }
    }

    /// A socket took a send whole.
    fn on_whole(&mut self, id: ConnectionId) {
        let socket = &mut self.connections.at_mut(id).outbound.socket;
        self.silence.on_sent(*socket, &mut self.schedule, self.now);
        socket.on_whole();
    }

    /// A socket is full: for the first time, or again after it took some bytes.
    fn on_full(&mut self, id: ConnectionId, waits: Waits) {
        let connection = self.connections.at_mut(id);
        assert!(!connection.outbound.socket.is_watched(), "nothing is sent to a watched socket");
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
            self.on_full(id, Waits::ForMemory { was_writable: false });
        }
        self.retry_later(id);
    }

    /// Has an operation that the kernel had no memory for tried again after a pause.
    pub(super) fn retry_later(&mut self, id: ConnectionId) {
        self.schedule.retry(id, &mut self.connections.at_mut(id).inbound.queued, self.now);
    }

    /// Tries an operation again that the kernel had no memory for: a send, a receive, or both.
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

    /// A watched socket is writable, or dead.
    pub(super) fn on_writable(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id).filter(|connection| connection.outbound.socket.is_watched())
        else {
            self.counters.add(Counter::Stale, 1);
            return;
        };
        connection.outbound.socket.on_writable();
        self.send_again(id);
    }

    /// Looks at a connection whose socket was full one time-out ago. It is closed if its peer has taken no byte since,
    /// or if it has more than its share of the budget.
    pub(super) fn on_stall_timeout(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else { return };
        connection.inbound.queued.remove(Queue::Stall);
        if connection.is_closing() || !connection.outbound.socket.is_full() || self.close_over_share(id) {
            return;
        }
        let is_spent = self.budget.is_spent();
        let connection = self.connections.at_mut(id);
        connection.outbound.socket.note_taken(self.io.outstanding(&connection.socket), self.now);
        let since = connection.outbound.socket.full_since().expect("it is full");
        if since + self.config.stall_timeout <= self.now {
            self.close(id, CloseReason::Stalled);
        } else {
            // While the budget is spent it is looked at again soon, also if its peer takes no byte.
            let since = if is_spent { self.now } else { since };
            self.schedule.time_stall(id, &mut connection.inbound.queued, since);
        }
    }

    /// Closes members that fell off the log. Where such members are skipped and told, there are only those for the rest
    /// of whose message there was no memory.
    pub(super) fn close_fallen(&mut self) {
        while let Some(id) = self.rooms.next_fallen() {
            if self.connections.find(id).is_some() {
                self.close(id, CloseReason::Slow);
            }
        }
    }

    /// A socket may take bytes again: those that wait for it are sent.
    fn send_again(&mut self, id: ConnectionId) {
        match self.connections.at(id).state {
            State::Joined(member) => self.rooms.unpark(member),
            State::Greeting(_) => self.greetings.push_back(id),
            State::Closing(_) => self.free_if_idle(id),
        }
    }
}

/// The send that is next for a member of the batch.
fn next_send<'a, S>(connections: &'a Connections<S>, rooms: &'a Rooms, member: MemberId) -> Send<'a, S> {
    let connection = connections.at(rooms.connection(member));
    let private = &connection.outbound.private;
    let bytes = if is_private_next(private, rooms, member) { private.due() } else { rooms.due(member) };
    assert!(!bytes.is_empty(), "a member of the batch has something due");
    Send::new(&connection.socket, bytes)
}

/// True when a member's private bytes go out before the log: between two messages, or when a part of them was sent
/// already.
fn is_private_next(private: &Private, rooms: &Rooms, member: MemberId) -> bool {
    !private.is_empty() && (private.is_begun() || rooms.is_between_messages(member))
}
