//! What holds between turns, checked: for tests and the simulated kernel.

use std::collections::HashSet;

use super::Server;
use super::schedule::Moment;
use crate::connection::{CloseReason, Connection, Hold, Inbound, Outbound, Queue, Received, State, Uptake, Waits};
use crate::counters::Counter;
use crate::io::socket::Socket;
use crate::io::{Io, Receiving};
use crate::journal::Journal;
use crate::limits::RECEIVE_CHUNK_BYTES;
use crate::memory::MemoryBound;
use crate::names::Name;
use crate::outlet::Outlet;
use crate::room::MemberId;
use crate::room::members::Place;
use crate::token::{ConnectionId, Generation};
use crate::wire::Framing;

impl<I: Io, W: Outlet> Server<I, W> {
    /// What the server says of itself.
    pub fn journal(&self) -> &Journal<W> {
        &self.journal
    }

    /// Messages ever said.
    pub fn said(&self) -> u64 {
        self.rooms.messages()
    }

    /// The lines in the log from the `messages`th ever said on, as far as it is kept.
    pub fn lines_from(&self, messages: u64) -> Vec<Vec<u8>> {
        let log = self.rooms.log();
        let mut at = log.tail();
        let mut lines = Vec::new();
        while let Some((_, line)) = log.message_at(at) {
            if log.messages_before(at) >= messages {
                lines.push(line.to_vec());
            }
            at = at + line.len();
        }
        lines
    }

    /// Memory in use, in bytes, as far as it depends on who is here and what is said; sockets are reckoned as real ones.
    pub fn footprint(&self) -> usize {
        let connections: usize = self
            .connections
            .iter()
            .map(|(_, connection)| size_of::<Connection<Socket>>() + size_of::<Generation>() + own_bytes(connection))
            .sum();
        connections
            + self.rooms.footprint()
            + self.addresses.footprint()
            + self.names.footprint()
            + self.schedule.footprint()
            + self.spare.footprint()
    }

    /// Whether the next turn receives.
    pub fn is_receiving(&self) -> bool {
        self.receiving() == Receiving::On
    }

    /// What connections that are held wait for, each once.
    pub fn holds(&self) -> impl Iterator<Item = Hold> {
        self.connections.iter().filter_map(|(_, connection)| connection.inbound.held)
    }

    /// Who waits for the room's ration, first come first, each with the bytes that it has waiting.
    pub fn rationed(&self) -> impl Iterator<Item = (ConnectionId, usize)> {
        self.schedule.held.rationed().filter_map(|id| {
            let connection =
                self.connections.iter().find(|(other, _)| *other == id).map(|(_, connection)| connection)?;
            let waits = connection.inbound.held == Some(Hold::Ration);
            waits.then(|| (id, connection.inbound.received.as_ref().map_or(0, |received| received.input.len())))
        })
    }

    /// Connections that have taken a line of what their address may say, and not said it although its time has come.
    pub fn late_reservations(&self) -> usize {
        let received = self.connections.iter().filter_map(|(_, connection)| connection.inbound.received.as_ref());
        received.filter(|received| received.reserved.is_some_and(|from| from <= self.now)).count()
    }

    /// Connections that were closed for `reason`.
    pub fn closes(&self, reason: CloseReason) -> u64 {
        self.counters.closes(reason)
    }

    /// What a connection that may be gone is called.
    pub fn name(&mut self, id: ConnectionId) -> Option<Name> {
        self.connections.find(id).map(|connection| connection.name)
    }

    /// Memory of the log, in bytes.
    pub fn log_footprint(&self) -> usize {
        self.rooms.log().footprint()
    }

    /// Panics when a structure is not as it must be between two turns. Looks at everything.
    pub fn invariants(&self) {
        self.rooms.invariants(|id| !self.connections.at(id).outbound.private.is_empty());
        self.addresses.invariants();
        self.schedule.invariants();
        self.spare.invariants();
        let (mut members, mut greeting, mut unanswered) = (0, 0, 0);
        let mut names = HashSet::new();
        for (id, connection) in self.connections.iter() {
            self.schedule.agrees(id, connection.inbound.queued);
            unanswered += usize::from(connection.outbound.socket.is_unanswered());
            match connection.state {
                State::Greeting => {
                    greeting += 1;
                    names.insert(connection.name);
                    let listens = connection.inbound.receiving || connection.inbound.queued.contains(Queue::Retry);
                    assert!(listens || self.phase.is_stopping(), "a connection that is greeted is listened to");
                    let Outbound { socket, private } = &connection.outbound;
                    let goes_out = !socket.may_take() || self.greetings.contains(&id);
                    assert!(private.is_empty() || goes_out, "what is meant for it alone is sent");
                }
                State::Joined(member) => {
                    members += 1;
                    names.insert(connection.name);
                    self.check_member(id, connection, member);
                }
                State::Closing(_) => {
                    assert!(!connection.is_idle(), "a closing connection is here only while something is in flight");
                    let Inbound { received, held, .. } = &connection.inbound;
                    assert!(received.is_none() && held.is_none(), "what it sent is gone");
                    assert!(!connection.outbound.socket.is_unanswered(), "nobody asks whether its peer is there");
                }
            }
        }
        assert_eq!(self.silence.unanswered(), unanswered, "those to be looked at are counted");
        let look = self.schedule.moment(Moment::Silence);
        assert_eq!(look.is_some(), unanswered > 0, "there is a look exactly while it has a reason");
        let open = members + greeting;
        let counted = self.addresses.connections();
        assert!(counted.is_none_or(|counted| counted == open), "connections are counted by address");
        assert_eq!((names.len(), self.names.len()), (open, open), "every connection has a name of its own");
        assert_eq!(self.rooms.online(), members, "members are the connections that have joined");
        assert!(self.connections.len() <= self.config.members_max, "the server is not overfull");
        let counters = &self.counters;
        let stayed = counters[Counter::Accepted] - counters.closes_all();
        assert_eq!(stayed, open as u64, "connections are those that came and did not go");
    }

    /// Panics when a member is not as it must be.
    fn check_member(&self, id: ConnectionId, connection: &Connection<I::Socket>, member: MemberId) {
        let Connection { inbound, outbound, .. } = connection;
        let queued = inbound.queued;
        assert_eq!(self.rooms.connection(member), id, "member and connection know each other");
        let place = self.rooms.place(member);
        let waits = matches!(place, Place::Parked | Place::Skipped);
        match outbound.socket {
            Uptake::Open { .. } => assert!(!waits, "who waits for its socket has a full one"),
            Uptake::Full { waits: Waits::ForRoom, .. } => assert!(waits, "a watched member waits for its socket"),
            Uptake::Full { waits: Waits::ForSweep, .. } => assert!(!waits, "who has room is sent to"),
            // While it waits for the sweep after a retry, something else may have been queued to be tried again.
            Uptake::Full { waits: Waits::ForMemory { .. }, .. } => {
                assert!(!waits || queued.contains(Queue::Retry), "who waits for memory is tried again");
            }
        }
        assert!(!outbound.socket.is_full() || queued.contains(Queue::Stall), "a full socket is timed");
        let own = MemoryBound::of(&self.config).member_idle + own_bytes(connection) + self.rooms.aside_bytes(member);
        let most = MemoryBound::of(&self.config).member_worst;
        assert!(own <= most, "a member takes {own} bytes, at most {most}");
        // Every member is received from, or something will have it received from. What ended a chunk may be held when its
        // time is over; a receive is in flight by then.
        let may_be_both = self.config.framing == Framing::Chunk;
        assert!(may_be_both || !inbound.receiving || inbound.held.is_none(), "who is held is not received from");
        let listens = inbound.receiving || queued.contains(Queue::Retry) || inbound.held.is_some();
        assert!(listens || self.phase.is_stopping(), "every member is listened to");
        let Some(received) = &inbound.received else {
            assert!(inbound.held.is_none(), "who sent nothing is not held");
            return;
        };
        assert!(received.input.len() <= self.config.line_bytes + 2 + RECEIVE_CHUNK_BYTES, "input is bounded");
        if self.phase.is_stopping() {
            return;
        }
        let entries = self.schedule.held.entries(id);
        match inbound.held {
            None => {
                assert!(received.input.len() <= self.config.line_bytes + 1, "only the start of a line waits");
                assert_eq!(entries, (0, 0), "who is not held waits for nothing");
            }
            Some(Hold::Reading) => {
                assert_eq!(entries, (0, 0), "who has to read is brought back by the sweep");
                let goes_on = !self.rooms.may_speak(member) || place != Place::InSweep || self.rooms.has_due();
                assert!(goes_on, "who has read goes on");
            }
            Some(Hold::Space | Hold::Rate) => assert_eq!(entries, (1, 0), "who is held stands in one queue"),
            Some(Hold::Ration) => assert_eq!(entries, (0, 1), "who waits for the ration stands in its queue"),
        }
        let begun = !received.input.is_empty() && inbound.held.is_none();
        let timed = queued.contains(Queue::Line) || queued.contains(Queue::Opening);
        assert!(!begun || timed, "a begun line is timed");
        let undecided = received.undecided_since.is_some();
        let ends = queued.contains(Queue::Opening) || inbound.held.is_some();
        assert!(!undecided || ends, "what could be another protocol is timed");
    }
}

/// Memory for what a connection has sent and for what is meant for it alone, in bytes.
fn own_bytes<S>(connection: &Connection<S>) -> usize {
    let received = connection.inbound.received.as_ref();
    let received = received.map_or(0, |received| size_of::<Received>() + received.input.capacity());
    received + connection.outbound.private.footprint()
}
