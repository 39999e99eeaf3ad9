//! The loop: wait for completions, handle each, then sweep. One thread, no locks, no callbacks.
//!
//! A turn collects completions, handles them, and sends one batch to members that are behind. A sweep of a large room
//! takes many turns, so accepting and receiving go on in the middle of it. The server owns every connection and handles
//! the outcome of each operation; the rooms decide which messages there are and which member gets them. `lifecycle`
//! opens and closes connections, `receive` takes bytes in, `send` sends them, `schedule` has everything that waits,
//! `budget` the memory that all members share, and `shutdown` ends it all.
//!
//! 1. A connection has at most one receive and one watch for writability in flight. Once it is closed, its slot is
//!    freed as soon as it has neither.
//! 2. No receive is asked for while a connection is held: its held bytes are used first. One receive may be in flight
//!    already when the end of a chunk is held.
//! 3. Every accepted socket becomes a connection, or is told why not and closed in the same turn.

mod admin;
mod budget;
mod cluster;
mod comeback;
mod doors;
mod frames;
pub mod held;
mod invariants;
mod irc;
mod keeping;
mod lifecycle;
mod measures;
mod past;
mod receive;
mod reload;
mod reports;
mod requests;
pub mod schedule;
mod send;
mod service;
mod shutdown;
mod silence;
mod speaker;
mod web;

use std::io;
use std::time::Instant;

use crate::cluster::link::AnyLink;
use crate::cluster::{Cluster, Settings};
use crate::config::Config;
use crate::connections::Connections;
use crate::counters::{CloseReason, Counters, Statistics};
use crate::door::Door;
use crate::flood::{Addresses, Bucket};
use crate::io::{Completion, Completions, Io, Receiving, Scratch, Signal, Until, allocator};
use crate::journal::{Journal, LogEvent, LogField, Value};
use crate::limits::{CROWD_LEFT, CROWD_MIN, DUES_PER_TURN_MAX, FULL_LOOKS_MAX};
use crate::metrics::Build;
use crate::names::Names;
use crate::outlet::Outlet;
use crate::pieces::fifo::Fifo;
use crate::random::{Permutation, Random};
use crate::rooms::{Mark, Rooms};
use crate::service::Service;
use crate::sessions::Sessions;
use crate::token::{ConnectionId, RoomId};
use crate::transcript::{Change, Transcript};
use admin::Admin;
use budget::Budget;
use keeping::Keeping;
use lifecycle::Accepting;
use measures::Measures;
use receive::SpareBuffers;
use reload::Reload;
use schedule::{Due, Moment, Schedule};
use shutdown::Phase;
use silence::Silence;

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    On,
    /// Everything was said and sent, or the time for it is over.
    Stop,
    /// A second signal came before.
    StopAtOnce,
}

#[derive(Debug)]
pub struct Server<I: Io, W> {
    io: I,
    config: Config,
    connections: Connections<I::Socket>,
    rooms: Rooms,
    addresses: Addresses,
    names: Names,
    random: Random,
    sessions: Sessions,
    keeping: Keeping,
    reload: Reload,
    /// What makes numbers that members see of serial numbers.
    numbers: Permutation,
    transcript: Option<Transcript<W>>,
    journal: Journal<W>,
    counters: Counters,
    /// The time at which this turn's completions were collected.
    now: Instant,
    schedule: Schedule,
    phase: Phase,
    accepting: Accepting,
    /// Which connections have not acknowledged everything, and which of them is looked at next.
    silence: Silence,
    spare: SpareBuffers,
    /// Lines of the frames of a chunk, empty between two chunks.
    lines: Vec<u8>,
    budget: Budget,
    /// Connections that are in no room yet and have private bytes to be sent.
    greetings: Fifo<ConnectionId>,
    /// Connections that are greeting, and timed for it.
    greeting: usize,
    /// Members by [`Door::index`].
    by_door: [usize; Door::COUNT],
    admin: Admin,
    measures: Measures<Mark>,
    /// Present in a node of a cluster.
    cluster: Option<Cluster>,
    /// Present while a service manager takes word of the server.
    service: Option<Service>,
    /// Rooms that the goodbye was not said in yet.
    goodbyes: Fifo<RoomId>,
    /// Most connections that were open since the heap's free memory was given back.
    crowd: usize,
    /// How many closes may be logged now, and how many wrong keys.
    close_reports: Bucket,
    wrong_key_reports: Bucket,
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// A server that accepts from the next turn on.
    pub fn new(io: I, config: Config, journal: Journal<W>, random: Random) -> Self {
        let mut server = Self::closed(io, config, journal, random);
        server.begin_accepting();
        server
    }

    /// A node of a cluster. It accepts once it has what its rooms had before, or that takes too long.
    // A build without a cluster has no link, so that this is never called there.
    #[allow(unreachable_code)]
    pub fn in_cluster(
        io: I,
        config: Config,
        journal: Journal<W>,
        random: Random,
        link: AnyLink,
        settings: Settings,
    ) -> Self {
        let mut server = Self::closed(io, config, journal, random);
        server.join_cluster(link, settings);
        server
    }

    /// A server that does not accept yet.
    fn closed(io: I, config: Config, journal: Journal<W>, mut random: Random) -> Self {
        let now = io.now();
        let numbers = Permutation::new(random.number());
        let mut schedule = Schedule::new(config.stall_timeout, config.line_timeout);
        schedule.set(Moment::Statistics, config.stats_interval.map(|interval| now + interval));
        Self {
            io,
            config,
            connections: Connections::new(config.members_max),
            rooms: Rooms::new(config.room, config.rooms_max, numbers),
            addresses: Addresses::new(config.addresses, config.members_max),
            names: Names::new(config.members_max),
            numbers,
            random,
            sessions: Sessions::new(config.resume_for, config.members_max),
            keeping: Keeping::default(),
            reload: Reload::default(),
            transcript: None,
            journal,
            counters: Counters::default(),
            now,
            schedule,
            phase: Phase::Running,
            accepting: Accepting::default(),
            silence: Silence::default(),
            spare: SpareBuffers::default(),
            lines: Vec::new(),
            budget: Budget::new(config.buffer_bytes, now),
            greetings: Fifo::new(),
            greeting: 0,
            by_door: [0; Door::COUNT],
            admin: Admin::new(Build::of(&config)),
            measures: Measures::default(),
            cluster: None,
            service: None,
            goodbyes: Fifo::new(),
            crowd: 0,
            close_reports: Bucket::default(),
            wrong_key_reports: Bucket::default(),
        }
    }

    /// Writes `heading` to `outlet`, and then every message from now on.
    pub fn keep_transcript(&mut self, outlet: W, heading: &str) {
        let mut transcript = Transcript::new(outlet, self.rooms.log());
        transcript.note(heading);
        self.rooms.note_spoken();
        self.transcript = Some(transcript);
    }

    /// Has at most `skips_max` members skipped in a turn.
    #[cfg(any(test, feature = "sim"))]
    pub fn limit_skips(&mut self, skips_max: usize) {
        self.rooms.limit_skips(skips_max);
    }

    /// Everything counted so far.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            members: self.rooms.online() as u64,
            messages: self.rooms.messages(),
            deliveries: self.rooms.deliveries(),
            skipped: self.rooms.skipped_messages(),
            waiting: self.rooms.parked() as u64,
            lag_bytes_max: self.rooms.lag_bytes_max(),
            counters: self.counters,
        }
    }

    /// True while there is something to send to sockets that take it, a room has many members to skip, or figures are
    /// looked for.
    pub fn has_due(&self) -> bool {
        self.rooms.has_due() || self.rooms.is_skipping() || !self.greetings.is_empty() || self.admin.has_work()
    }

    /// Turns until the server has stopped. An error means that the kernel can no longer be used.
    pub fn run(&mut self) -> io::Result<Flow> {
        let mut completions = Completions::new();
        loop {
            match self.turn(&mut completions) {
                Ok(Flow::On) => {}
                Ok(flow) => return Ok(flow),
                Err(error) => {
                    self.report_error(LogEvent::KernelFailed, format_args!("the kernel failed: {error}"), &error);
                    return Err(error);
                }
            }
        }
    }

    /// One turn: wait, handle what has completed, sweep.
    pub fn turn(&mut self, completions: &mut Completions<I::Socket>) -> io::Result<Flow> {
        self.rooms.begin_turn();
        self.begin_accepting();
        let receiving = self.receiving();
        let until = self.until();
        self.io.wait(until, receiving, completions)?;
        self.now = self.io.now();
        self.rooms.set_time(self.io.unix_time());
        self.share_budget();
        for completion in completions.list.drain(..) {
            self.on_completion(completion, &completions.scratch);
        }
        self.accept_after_refusals();
        self.rooms.on_deadline(self.now);
        self.sessions.forget_old(self.now, DUES_PER_TURN_MAX);
        for _ in 0..DUES_PER_TURN_MAX {
            let Some(due) = self.schedule.due(self.now) else { break };
            self.on_due(due);
        }
        if receiving == Receiving::On {
            self.say_kept_openings();
        }
        self.resume_held();
        self.run_cluster();
        self.say_goodbye();
        self.close_fallen();
        self.take_files();
        self.keep_order();
        self.show_figures();
        self.sweep();
        self.check_budget();
        self.give_memory_back();
        self.write_transcript();
        self.conclude();
        self.tell_service();
        self.journal.write(self.now);
        self.measure_turn();
        Ok(self.flow())
    }

    fn measure_turn(&mut self) {
        if !self.config.doors.all().contains(&Door::Admin) {
            return;
        }
        let (times, rooms) = ((self.now, self.io.now()), &self.rooms);
        self.measures.on_turn(times, rooms.appended(), |mark| rooms.is_past(mark), || rooms.mark());
    }

    /// Drops entries of freed connections, and gives memory back to the system at a quiet moment after a crowd has
    /// left.
    fn give_memory_back(&mut self) {
        let connections = &mut self.connections;
        let open = connections.len();
        self.schedule.forget_gone(open, |id| connections.find(id).is_some());
        self.crowd = self.crowd.max(open);
        let is_over = self.crowd >= CROWD_MIN && open <= self.crowd / CROWD_LEFT;
        if is_over && !self.has_due() && !self.schedule.is_forgetting() {
            allocator::give_back();
            self.crowd = open;
        }
    }

    fn on_completion(&mut self, completion: Completion<I::Socket>, scratch: &Scratch) {
        match completion {
            Completion::Accepted(listener, Ok((socket, address))) => self.on_accepted(listener, socket, address),
            Completion::Accepted(listener, Err(errno)) => self.on_accept_failed(listener, errno),
            Completion::Unwatchable(listener, socket) => self.on_server_full(listener, socket),
            Completion::Received(id, outcome) => self.on_received(id, outcome, scratch),
            Completion::Writable(id) => self.on_writable(id),
            Completion::Signal(signal) => self.on_signal(signal),
            Completion::Link => self.on_link(),
        }
    }

    fn on_due(&mut self, due: Due) {
        match due {
            Due::Accept => self.accept_again(),
            Due::Statistics => {
                let next = self.config.stats_interval.map(|interval| self.now + interval);
                self.schedule.set(Moment::Statistics, next);
                self.report_statistics();
            }
            Due::Retry(id) => self.on_retry(id),
            Due::Stall(id) => self.on_stall_timeout(id),
            Due::Line(id) => self.on_line_timeout(id),
            Due::Handshake(id) => self.end_greeting(id, CloseReason::HandshakeTimeout),
            Due::Silence => self.look_for_silent(),
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        match signal {
            Signal::Statistics => self.report_statistics(),
            Signal::Hangup => self.reload(),
            Signal::Interrupt | Signal::Terminate => self.on_stop_signal(signal),
        }
    }

    fn report_statistics(&mut self) {
        let statistics = self.statistics();
        let fields = [(LogField::Statistics, Value::Statistics(&statistics))];
        self.report_with(LogEvent::Statistics, format_args!("{statistics}"), &fields);
    }

    fn write_transcript(&mut self) {
        let Some(transcript) = &mut self.transcript else { return };
        while let Some(room) = self.rooms.next_spoken() {
            transcript.on_spoken(room);
        }
        let rooms = &self.rooms;
        transcript.take_others(|id| rooms.exists(id).then(|| (rooms.room(id).name(), rooms.room(id).text())));
        match transcript.write(self.rooms.log(), self.now) {
            None => {}
            Some(Change::Paused(error)) => {
                let text = format_args!("transcript paused, tried again every second: {error}");
                self.report_error(LogEvent::TranscriptPaused, text, &error);
            }
            Some(Change::Resumed) => self.report(LogEvent::TranscriptResumed, format_args!("transcript resumed")),
            Some(Change::Ended(error)) => {
                self.report_error(LogEvent::TranscriptEnded, format_args!("transcript ended: {error}"), &error);
            }
        }
    }

    /// Whether chunks are received: not while the budget of memory is spent, or the logs of all rooms with members are
    /// full.
    pub(super) fn receiving(&self) -> Receiving {
        if self.budget.is_spent() {
            return Receiving::Off;
        }
        let full = self.schedule.held.full_rooms().len();
        if full > 0 && full == self.rooms.occupied() { Receiving::Off } else { Receiving::On }
    }

    /// True when a sweep has made space in a log that held lines, or the goodbye, wait for, or may have.
    fn has_space_to_use(&mut self) -> bool {
        let has_more = self.schedule.held.full_rooms().len() > FULL_LOOKS_MAX;
        let says_goodbye = self.phase.owes_goodbye() && self.goodbye_waits_until().is_none();
        says_goodbye || has_more || self.room_with_space().is_some()
    }

    /// How long the next turn may wait.
    fn until(&mut self) -> Until {
        // When members were skipped already, lines may wait that fit in the next turn.
        let is_busy = self.keeping.has_work() || self.cluster.as_ref().is_some_and(Cluster::has_work);
        let goes_on = self.has_due() || self.rooms.has_skipped() || is_busy;
        if goes_on || self.has_space_to_use() || self.schedule.is_forgetting() {
            return Until::Now;
        }
        self.schedule.set(Moment::Room, self.rooms.deadline());
        self.schedule.set(Moment::Session, self.sessions.deadline());
        self.schedule.set(Moment::State, self.keeping.deadline());
        self.schedule.set(Moment::Reload, self.reload.deadline());
        let transcript = self.transcript.as_ref();
        self.schedule
            .set(Moment::Transcript, transcript.and_then(|transcript| transcript.deadline(self.rooms.log(), self.now)));
        self.schedule.set(Moment::Journal, self.journal.deadline());
        self.set_cluster_moment();
        self.set_service_moment();
        self.schedule.next().map_or(Until::Completion, Until::Deadline)
    }
}
