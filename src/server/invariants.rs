//! What must hold between two turns, asserted: for tests and the simulated kernel.

use std::collections::HashSet;

use super::Server;
use super::schedule::Moment;
use crate::connection::{
    Connection, Frames, Greeting, Hold, Inbound, Outbound, Profile, Queue, Received, State, Uptake, Waits,
};
use crate::counters::{CloseReason, Counter};
use crate::door::Door;
use crate::io::socket::Socket;
use crate::io::{Io, Receiving};
use crate::journal::Journal;
use crate::limits::RECEIVE_CHUNK_BYTES;
use crate::memory::MemoryBound;
use crate::names::Name;
use crate::outlet::Outlet;
use crate::room::log::Position;
use crate::room::members::Place;
use crate::room::{MemberId, Room};
use crate::token::{ConnectionId, PublicId, RoomId, Serial};
use crate::wire::Framing;

impl<I: Io, W: Outlet> Server<I, W> {
    /// The server's own log.
    pub fn journal(&self) -> &Journal<W> {
        &self.journal
    }

    /// Numbered messages ever said.
    pub fn messages(&self) -> u64 {
        self.rooms.messages()
    }

    /// Bytes of the lobby's lines ever said, and those of them that its log has forgotten.
    pub fn said_and_forgotten(&self) -> (u64, u64) {
        let log = self.rooms.log();
        (log.head() - Position::default(), log.tail() - Position::default())
    }

    /// The lines of the lobby's log behind the first `bytes` ever said, as far as the log keeps them.
    pub fn lines_from(&self, bytes: u64) -> Vec<Vec<u8>> {
        let log = self.rooms.log();
        let mut at = log.tail() - Position::default();
        let mut lines = Vec::new();
        for (_, _, line) in log.messages_from(log.tail()) {
            if at >= bytes {
                lines.push(line.to_vec());
            }
            at += line.len() as u64;
        }
        lines
    }

    /// True from when it was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.phase.is_stopping()
    }

    /// All rooms, in no order.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.ids().map(|id| self.rooms.room(id))
    }

    /// The number under which members know a connection; `None` when it was freed.
    pub fn known_as(&mut self, id: ConnectionId) -> Option<PublicId> {
        self.connections.find(id)?;
        Some(self.public_id(id))
    }

    /// Memory in use, in bytes, as far as it grows with connections and messages. Sockets count with the size of real
    /// ones.
    pub fn footprint(&self) -> usize {
        let own: usize = self.connections.iter().map(|(_, connection)| own_bytes(connection)).sum();
        let connections = self.connections.places() * (size_of::<Connection<Socket>>() + size_of::<Serial>());
        connections
            + own
            + self.rooms.footprint()
            + self.keeping.footprint()
            + self.sessions.footprint()
            + self.addresses.footprint()
            + self.names.footprint()
            + self.schedule.footprint()
            + self.spare.footprint()
            + self.greetings.footprint()
    }

    /// Whether the next turn receives.
    pub fn is_receiving(&self) -> bool {
        self.receiving() == Receiving::On
    }

    /// Whether members have to be skipped in the next turn, ahead of need.
    pub fn is_skipping(&self) -> bool {
        self.rooms.is_skipping()
    }

    /// For each held connection, what it waits for.
    pub fn holds(&self) -> impl Iterator<Item = Hold> {
        self.connections.iter().filter_map(|(_, connection)| connection.inbound.held)
    }

    /// The connections that wait for the ration, those of each room in their order, each with the number of bytes that
    /// it has waiting.
    pub fn rationed(&self) -> impl Iterator<Item = (RoomId, ConnectionId, usize)> {
        self.schedule.held.rationed().filter_map(|id| {
            let connection =
                self.connections.iter().find(|(other, _)| *other == id).map(|(_, connection)| connection)?;
            let waits = connection.inbound.held == Some(Hold::Ration);
            let room = self.rooms.room_of(connection.member()?);
            waits.then(|| (room, id, connection.inbound.received.as_ref().map_or(0, |received| received.input.len())))
        })
    }

    /// Connections that hold a reserved line of their address's rate whose time has come, where there are such rates.
    pub fn late_reservations(&self) -> usize {
        if self.config.flood.is_none() && self.config.addresses.line_rate.is_none() {
            return 0;
        }
        let received = self.connections.iter().filter_map(|(_, connection)| connection.inbound.received.as_ref());
        received.filter(|received| received.reserved.is_some_and(|from| from <= self.now)).count()
    }

    /// Connections that were closed for `reason`.
    pub fn closes(&self, reason: CloseReason) -> u64 {
        self.counters.closes(reason)
    }

    /// The name of a connection; `None` when it was freed.
    pub fn name(&mut self, id: ConnectionId) -> Option<Name> {
        self.connections.find(id).map(|connection| connection.name())
    }

    /// Memory of the log, in bytes.
    pub fn log_footprint(&self) -> usize {
        self.rooms.log().footprint()
    }

    /// Panics when a structure is not as it must be between two turns. Looks at everything.
    pub fn invariants(&self) {
        self.sessions.invariants();
        self.rooms.invariants(|id| !self.connections.at(id).outbound.private.is_empty());
        self.addresses.invariants();
        self.schedule.invariants();
        self.spare.invariants();
        let (mut members, mut greeting, mut operators, mut unknown, mut unanswered) = (0, 0, 0, 0, 0);
        self.budget.invariants(self.connections.iter().map(|(_, connection)| connection.buffer_bytes()).sum());
        let most = MemoryBound::of(&self.config).buffers;
        assert!(self.buffer_bytes() <= most, "members share {} bytes, at most {most}", self.buffer_bytes());
        let mut names = HashSet::new();
        for (id, connection) in self.connections.iter() {
            self.schedule.agrees(id, connection.inbound.queued);
            unanswered += usize::from(connection.outbound.socket.is_unanswered());
            match connection.state {
                State::Greeting(waits) => {
                    if connection.inbound.door == Door::Admin {
                        operators += 1;
                    } else {
                        greeting += 1;
                    }
                    if connection.is_known() {
                        names.insert(connection.name());
                    } else {
                        unknown += 1;
                    }
                    let listens = connection.inbound.receiving || connection.inbound.queued.contains(Queue::Retry);
                    let leaves = matches!(waits, Greeting::Leaving(_));
                    assert!(listens || leaves || self.phase.is_stopping(), "a connection that greets is received from");
                    assert!(connection.inbound.queued.contains(Queue::Handshake), "a greeting is timed");
                    let Outbound { socket, private } = &connection.outbound;
                    let goes_out = !socket.may_take() || self.greetings.iter().any(|other| *other == id);
                    assert!(private.is_empty() || goes_out, "private bytes are sent or wait for the socket");
                }
                State::Joined(member) => {
                    members += 1;
                    names.insert(connection.name());
                    self.member_invariants(id, connection, member);
                }
                State::Closing(_) => {
                    assert!(!connection.is_idle(), "a closing connection is here only while something is in flight");
                    let Inbound { received, held, .. } = &connection.inbound;
                    assert!(received.is_none() && held.is_none(), "received bytes of a closing connection are dropped");
                    assert!(
                        connection.outbound.private.is_empty(),
                        "private bytes of a closing connection are dropped"
                    );
                    assert!(
                        !connection.outbound.socket.is_unanswered(),
                        "a closing connection is not looked at for silence"
                    );
                }
            }
        }
        assert_eq!(self.silence.unanswered(), unanswered, "unanswered connections are counted");
        let look = self.schedule.moment(Moment::Silence);
        assert_eq!(look.is_some(), unanswered > 0, "a look is due exactly while a connection is unanswered");
        assert_eq!(self.greeting, greeting, "connections that are greeting are counted");
        assert!(greeting <= self.config.greeting_max(), "connections that are greeting are bounded");
        let open = members + greeting + operators;
        let known = open - unknown;
        let counted = self.addresses.connections();
        assert!(counted.is_none_or(|counted| counted == known), "open connections are counted by address");
        assert_eq!((names.len(), self.names.len()), (known, known), "every connection has a name of its own");
        assert_eq!(self.rooms.online() + self.rooms.outside(), members, "members are the connections that have joined");
        assert!(operators <= self.admin.connections.len(), "those of the admin door are listed");
        let counted = self.connections.len() - self.admin.connections.len();
        assert!(counted <= self.config.members_max, "connections are bounded");
        assert_eq!(self.by_door.iter().sum::<usize>(), members, "members are counted by their doors");
        let counters = &self.counters;
        let stayed = counters[Counter::Accepted] - counters.closes_all();
        assert_eq!(stayed, open as u64, "open connections are those accepted and not closed");
    }

    /// Panics when a member is not as it must be.
    fn member_invariants(&self, id: ConnectionId, connection: &Connection<I::Socket>, member: MemberId) {
        let Connection { inbound, outbound, .. } = connection;
        let queued = inbound.queued;
        assert_eq!(self.rooms.connection(member), id, "member and connection know each other");
        assert_eq!(self.rooms.table(member), self.io.table(&connection.socket), "a member's table is its socket's");
        let place = self.rooms.place(member);
        let waits = place == Place::Parked;
        match outbound.socket {
            Uptake::Open { .. } => assert!(!waits, "a parked member has a full socket"),
            Uptake::Full { waits: Waits::ForWritable, .. } => {
                assert!(waits, "a member whose socket is watched is parked")
            }
            Uptake::Full { waits: Waits::ForSweep, .. } => {
                assert!(!waits, "a member whose socket is writable is not parked")
            }
            // After its retry it waits for the sweep. It may then have another retry queued, for a receive.
            Uptake::Full { waits: Waits::ForMemory { .. }, .. } => {
                assert!(!waits || queued.contains(Queue::Retry), "a member that waits for memory has a retry queued");
            }
        }
        assert!(!outbound.socket.is_full() || queued.contains(Queue::Stall), "a full socket is timed");
        let own = MemoryBound::of(&self.config).member_idle + own_bytes(connection) + self.rooms.aside_bytes(member);
        let most = MemoryBound::of(&self.config).member_worst;
        assert!(own <= most, "a member takes {own} bytes, at most {most}");
        // Every member has a receive in flight, or something will ask for one. With chunk framing the end of a chunk
        // may be held when its time is over, and a receive is in flight by then.
        let may_be_both = self.config.framing == Framing::Chunk;
        assert!(
            may_be_both || !inbound.receiving || inbound.held.is_none(),
            "a held connection has no receive in flight"
        );
        let listens = inbound.receiving || queued.contains(Queue::Retry) || inbound.held.is_some();
        assert!(listens || self.phase.is_stopping(), "every member is received from");
        let Some(received) = &inbound.received else {
            assert!(inbound.held.is_none(), "a member that sent nothing is not held");
            return;
        };
        let line_bytes_max = self.config.line_bytes_of(inbound.door);
        assert!(received.input.len() <= line_bytes_max + 2 + RECEIVE_CHUNK_BYTES, "input is bounded");
        if self.phase.is_stopping() {
            return;
        }
        let entries = self.schedule.held.entries(id);
        match inbound.held {
            None => {
                assert!(
                    received.input.len() <= line_bytes_max + 1,
                    "a connection that is not held has no whole line waiting"
                );
                assert_eq!(entries, (0, 0), "a connection that is not held has no entry");
            }
            Some(Hold::Reading) => {
                assert_eq!(entries, (0, 0), "a member held for its reading has no entry: the sweep resumes it");
                let goes_on = !self.rooms.may_speak(member) || place != Place::InSweep || self.rooms.has_due();
                assert!(goes_on, "a member that has read everything goes on");
            }
            Some(Hold::Cluster) => {
                let waiting = self.cluster.as_ref().is_some_and(|cluster| cluster.waiting.contains(&id));
                assert!(
                    waiting && entries == (0, 0),
                    "a connection that waits for the cluster is looked at with its news"
                );
            }
            Some(Hold::LogSpace | Hold::Rate) => {
                assert_eq!(entries, (1, 0), "a held connection has one entry");
            }
            Some(Hold::Ration) => {
                assert_eq!(entries, (0, 1), "a connection that waits for the ration stands in its queue")
            }
        }
        assert!(received.input.is_empty() || queued.contains(Queue::Line), "bytes that are not used are timed");
        let undecided = received.undecided_since.is_some();
        let ends = queued.contains(Queue::Opening) || inbound.held.is_some();
        assert!(!undecided || ends, "what could be another protocol is timed");
    }
}

/// Memory for received bytes and private bytes of a connection, in bytes.
fn own_bytes<S>(connection: &Connection<S>) -> usize {
    let received = connection.inbound.received.as_ref();
    let received = received.map_or(0, |received| {
        let frames = received.frames.as_ref().map_or(0, |_| Frames::FOOTPRINT_MAX);
        size_of::<Received>() + received.input.capacity() + frames
    });
    let profile = connection.profile.as_ref().map_or(0, |_| size_of::<Profile>());
    received + profile + connection.outbound.private.footprint()
}
