//! What holds between turns, checked: for tests and the simulated kernel.

use std::collections::HashSet;
use std::time::Instant;

use super::Server;
use crate::connection::{CloseReason, Connection, Voice};
use crate::counters::Counter;
use crate::io::Io;
use crate::io::socket::Socket;
use crate::journal::Journal;
use crate::limits::{RECEIVE_CHUNK_BYTES, SPARE_BUFFERS_MAX};
use crate::memory::MemoryBound;
use crate::names::Name;
use crate::outlet::Outlet;
use crate::room::NotNow;
use crate::room::roster::Place;
use crate::token::{ConnectionId, Generation};
use crate::wire::Framing;

impl<I: Io, W: Outlet> Server<I, W> {
    /// What the server says of itself.
    pub fn journal(&self) -> &Journal<W> {
        &self.journal
    }

    /// Messages ever said.
    pub fn said(&self) -> u64 {
        self.lobby.messages()
    }

    /// The lines in the log from the `messages`th ever said on, as far as it is kept.
    pub fn lines_from(&self, messages: u64) -> Vec<Vec<u8>> {
        let log = self.lobby.log();
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
            .map(|(_, connection)| {
                let voice = connection.voice.as_ref().map_or(0, |voice| size_of::<Voice>() + voice.input.capacity());
                size_of::<Connection<Socket>>() + size_of::<Generation>() + voice
            })
            .sum();
        let held = self.resumable.capacity() + self.rationed.capacity();
        let timed = self.delayed.capacity() + self.starved.capacity() + self.openings.capacity();
        let spare: usize = self.spare.iter().map(Vec::capacity).sum();
        connections
            + self.lobby.footprint()
            + self.addresses.footprint()
            + self.names.footprint()
            + self.stall_timeouts.footprint()
            + self.line_timeouts.footprint()
            + held * size_of::<ConnectionId>()
            + timed * size_of::<(Instant, ConnectionId)>()
            + spare
    }

    /// Whether the next turn receives.
    pub fn is_receiving(&self) -> bool {
        self.resumable.is_empty()
    }

    /// Why connections are held, each once.
    pub fn reasons_held(&self) -> impl Iterator<Item = NotNow> {
        self.connections.iter().filter_map(|(_, connection)| connection.held)
    }

    /// Who waits for the room's ration, first come first, each with the bytes that it has waiting.
    pub fn rationed(&self) -> impl Iterator<Item = (ConnectionId, usize)> {
        let waits = |id: &&ConnectionId| {
            let connection = self.connections.iter().find(|(other, _)| other == *id).map(|(_, connection)| connection);
            connection.is_some_and(|connection| matches!(connection.held, Some(NotNow::Rationed(_))))
        };
        let bytes = |id: ConnectionId| self.connections.at(id).voice.as_ref().map_or(0, |voice| voice.input.len());
        self.rationed.iter().filter(waits).map(move |id| (*id, bytes(*id)))
    }

    /// Connections that have taken a line of what their address may say, and not said it although its time has come.
    pub fn late_reservations(&self) -> usize {
        let voices = self.connections.iter().filter_map(|(_, connection)| connection.voice.as_ref());
        voices.filter(|voice| voice.reserved.is_some_and(|from| from <= self.now)).count()
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
        self.lobby.log().footprint()
    }

    /// Panics when a structure is not as it must be between two turns. Looks at everything.
    pub fn invariants(&self) {
        self.lobby.invariants();
        self.addresses.invariants();
        let counted = self.addresses.connections();
        assert!(counted.is_none_or(|counted| counted == self.lobby.online()), "who is here is counted by address");
        self.stall_timeouts.invariants();
        self.line_timeouts.invariants();
        let bound = MemoryBound::of(&self.config);
        let mut members = 0;
        for (id, connection) in self.connections.iter() {
            let Some(member) = connection.member else {
                assert!(!connection.is_idle(), "a closed connection is here only while something is in flight");
                assert!(connection.voice.is_none() && connection.held.is_none(), "what it said is gone");
                continue;
            };
            members += 1;
            assert_eq!(self.lobby.connection(member), id, "member and connection know each other");
            let place = self.lobby.place(member);
            let waits = matches!(place, Place::Parked | Place::Skipped);
            assert!(!connection.watching || waits, "a watched member waits for its socket");
            let will_drain = connection.watching || connection.starved;
            assert!(!waits || will_drain, "who waits for its socket will be told of it");
            assert!(!waits || connection.full_since.is_some(), "a full socket has been full since");
            assert!(connection.full_since.is_none() || connection.stall_queued, "a full socket is timed");
            let starved = self.starved.iter().filter(|(_, other)| *other == id).count();
            assert_eq!(usize::from(connection.starved), starved, "it stands among the starved once, or does not");
            // Nobody is deaf: every member is received from, or something will have it received from.
            // What ended a chunk may be held when its time is over; a receive is in flight by then.
            let may_be_both = self.config.framing == Framing::Chunk;
            assert!(
                may_be_both || !connection.receiving || connection.held.is_none(),
                "who is held is not received from"
            );
            let listens = connection.receiving || connection.starved || connection.held.is_some();
            assert!(listens || self.stopping.is_some(), "every member is listened to");
            let voice_bytes = connection.voice.as_ref().map_or(0, |voice| size_of::<Voice>() + voice.input.capacity());
            let own = bound.member_idle + voice_bytes + self.lobby.aside_bytes(member);
            assert!(own <= bound.member_worst, "a member takes {own} bytes, at most {}", bound.member_worst);
            let Some(voice) = &connection.voice else {
                assert!(connection.held.is_none(), "who said nothing is not held");
                continue;
            };
            assert!(voice.input.len() <= self.config.line_bytes + 2 + RECEIVE_CHUNK_BYTES, "input is bounded");
            if self.stopping.is_some() {
                continue;
            }
            match connection.held {
                None => assert!(voice.input.len() <= self.config.line_bytes + 1, "only the start of a line waits"),
                Some(NotNow::Pressed) => assert!(self.resumable.contains(&id), "the pressed go on after a sweep"),
                Some(NotNow::Until(_)) => {
                    assert!(self.delayed.iter().any(|entry| entry.0.1 == id), "the delayed have their time");
                }
                Some(NotNow::Rationed(_)) => assert!(self.rationed.contains(&id), "the rationed stand in line"),
                Some(NotNow::Unread) => {
                    let goes_on = !self.lobby.may_speak(member) || self.resumable.contains(&id);
                    assert!(goes_on || place != Place::InSweep || self.lobby.has_due(), "who has read goes on");
                }
            }
            let begun = !voice.input.is_empty() && connection.held.is_none();
            assert!(!begun || voice.line_queued || voice.opening_queued, "a begun line is timed");
            let queued = self.openings.iter().filter(|entry| entry.0.1 == id).count();
            assert_eq!(usize::from(voice.opening_queued), queued, "it stands among the undecided once, or does not");
            assert!(
                voice.undecided_since.is_none() || voice.opening_queued || connection.held.is_some(),
                "the undecided are timed"
            );
        }
        let unanswered = self.connections.iter().filter(|(_, connection)| connection.unanswered).count();
        assert_eq!(self.silence.unanswered(), unanswered, "those to be looked at are counted");
        assert_eq!(self.silence.deadline().is_some(), unanswered > 0, "there is a look exactly while it has a reason");
        let names: HashSet<Name> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.member.is_some())
            .map(|(_, connection)| connection.name)
            .collect();
        assert_eq!((names.len(), self.names.len()), (members, members), "every member has a name of its own");
        assert_eq!(self.lobby.online(), members, "members are the open connections");
        assert!(self.connections.len() <= self.config.members_max, "the house is not overfull");
        assert!(self.spare.len() <= SPARE_BUFFERS_MAX && self.spare.iter().all(Vec::is_empty));
        let counters = &self.counters;
        let stayed = counters[Counter::Accepted] - counters.closes_all();
        assert_eq!(stayed, members as u64, "members are those who came and did not go");
    }
}
