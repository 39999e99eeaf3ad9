//! The admin door: figures for Prometheus, and whether the server is well, over HTTP.
//!
//! Its connections are no members. They count for nobody, do not take a member's place, have no name, and there are a few
//! of them at most: when one more comes, the first is closed. An answer is private output like any other, so it goes out
//! in turns, and a peer that reads it slowly has the time of a handshake for all of it.
//!
//! What all rooms show is looked at in pieces, one a turn. Peers that ask meanwhile are answered together.

use std::fmt::Write;
use std::mem;
use std::net::SocketAddr;

use arrayvec::ArrayVec;

use super::Server;
use crate::connection::{Greeting, State};
use crate::counters::{CloseReason, Statistics};
use crate::door::Door;
use crate::io::Io;
use crate::limits::{ADMIN_CONNECTIONS_MAX, SURVEY_ROOMS_PER_TURN};
use crate::message::Notice;
use crate::metrics::{Build, CONTENT_TYPE, MemoryUse, Metrics, ROOM_CLASSES, RoomCounts};
use crate::outlet::Outlet;
use crate::rooms::Found;
use crate::token::ConnectionId;
use crate::wire::http::{self, Method, Request, Response, Status};

#[derive(Debug)]
pub struct Admin {
    pub(super) build: Build,
    /// Connections of this door until they are freed, in the order in which they came.
    pub(super) connections: ArrayVec<ConnectionId, ADMIN_CONNECTIONS_MAX>,
    /// Those that wait for figures, and how they asked.
    asked: ArrayVec<(ConnectionId, Method), ADMIN_CONNECTIONS_MAX>,
}

impl Admin {
    pub fn new(build: Build) -> Self {
        Self { build, connections: ArrayVec::new(), asked: ArrayVec::new() }
    }

    /// True while figures are looked for.
    pub fn has_work(&self) -> bool {
        !self.asked.is_empty()
    }

    /// A connection was freed.
    pub fn on_freed(&mut self, id: ConnectionId) {
        self.connections.retain(|other| *other != id);
    }
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// Has figures say what program this is.
    pub fn describe(&mut self, build: Build) {
        self.admin.build = build;
    }

    /// A newcomer of this door: no limit of members counts it.
    pub(super) fn on_admin_accepted(&mut self, socket: I::Socket, address: SocketAddr) {
        if self.admin.connections.is_full() {
            let first = self.admin.connections.iter().copied().find(|id| !self.connections.at(*id).is_closing());
            if let Some(first) = first {
                self.close(first, CloseReason::HandshakesFull);
            }
        }
        // One that was closed is here until nothing is in flight on it.
        if self.admin.connections.is_full() {
            return self.refuse(Door::Admin, socket, Notice::ServerFull);
        }
        let id = self.open_unknown(socket, address, Door::Admin, Greeting::Handshake);
        self.admin.connections.push(id);
    }

    /// A connection of this door has sent some bytes of its request.
    pub(super) fn greet_admin(&mut self, id: ConnectionId) {
        let request = Request::read(self.greeting_input(id)).map(|request| request.map(|it| (it.method, it.path)));
        let (method, status) = match request {
            Ok(None) => return self.ask_for_chunk(id),
            Err(status) => (Method::Get, status),
            Ok(Some((method, path))) => match (method, path) {
                (Method::Other, _) => (method, Status::MethodNotAllowed),
                (_, "/metrics") => {
                    self.connections.at_mut(id).state = State::Greeting(Greeting::Leaving(CloseReason::Answered));
                    self.use_greeting_input(id, usize::MAX);
                    self.admin.asked.retain(|(other, _)| *other != id);
                    self.admin.asked.push((id, method));
                    return;
                }
                (_, "/healthz") if self.phase.is_stopping() => (method, Status::Unavailable),
                (_, "/healthz") => return self.answer_request(id, method, "text/plain; charset=utf-8", b"ok\n"),
                _ => (method, Status::NotFound),
            },
        };
        let mut response = Vec::new();
        http::refuse(status, method, &mut response);
        self.serve(id, response, &[], CloseReason::Answered);
    }

    fn answer_request(&mut self, id: ConnectionId, method: Method, media_type: &str, body: &[u8]) {
        let policy = Response::POLICY_NOTHING;
        let response = Response { status: Status::Ok, media_type, policy, etag: None, body };
        let mut bytes = Vec::new();
        response.write(method, &mut bytes);
        self.serve(id, bytes, &[], CloseReason::Answered);
    }

    /// Looks at some more rooms for those that have asked for figures, and answers them once all were looked at.
    pub(super) fn show_figures(&mut self) {
        if !self.admin.has_work() {
            return;
        }
        let Some(found) = self.rooms.survey(SURVEY_ROOMS_PER_TURN) else { return };
        let mut body = String::new();
        write!(body, "{}", self.metrics(found)).expect("writing to a String does not fail");
        for (id, method) in mem::take(&mut self.admin.asked) {
            if self.connections.find(id).is_some_and(|connection| !connection.is_closing()) {
                self.answer_request(id, method, CONTENT_TYPE, body.as_bytes());
            }
        }
    }

    fn metrics(&self, found: Found) -> Metrics<'_> {
        let Found { counts, parked, lag_bytes_max } = found;
        let statistics = Statistics {
            members: self.rooms.online() as u64,
            messages: counts.messages,
            deliveries: counts.deliveries,
            skipped: counts.skipped,
            waiting: parked as u64,
            lag_bytes_max,
            counters: self.counters,
        };
        let mut rooms = RoomCounts::default();
        let mut larger = 0;
        for (place, (members, _)) in ROOM_CLASSES.iter().enumerate().rev() {
            let these = self.rooms.of_at_least(*members);
            rooms[place] = these - larger;
            larger = these;
        }
        let doors = self.config.doors.all().iter().filter(|door| **door != Door::Admin);
        Metrics {
            build: self.admin.build,
            statistics,
            doors: doors.map(|door| (door.name(), self.by_door[door.index()])).collect(),
            in_no_room: self.rooms.outside(),
            greeting: self.greeting,
            rooms,
            memory: MemoryUse {
                logs: self.rooms.log_bytes(),
                rooms: self.rooms.rooms_bytes(),
                addresses: self.addresses.footprint(),
                members: self.connections.places_bytes() + self.rooms.members_bytes() + self.names.footprint(),
                buffers: self.buffer_bytes(),
            },
            is_running: !self.phase.is_stopping(),
            turns: &self.measures.turns,
            sweeps: &self.measures.sweeps,
            sweep_nanos: self.measures.sweep_nanos(self.now),
            cluster: self.cluster_metrics(),
        }
    }
}
