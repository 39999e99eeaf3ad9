//! The loop: wait for completions, handle each, then sweep. One thread, no locks, no callbacks.
//!
//! A turn collects what has completed, handles it, and sends one batch to members that are behind. A sweep of a large
//! room is many turns, so accepting and receiving go on in the middle of it. The server owns every connection and says
//! how each operation ended; what is said to whom is the room's affair. Bytes come in by `intake`, go out by `sweep`,
//! and connections come and go by `door`.
//!
//! 1. A connection has at most one receive and one watch for room in flight, and its slot is freed when it has none.
//! 2. A connection is received from only while the room takes its lines: held bytes are consumed first. One receive may be
//!    in flight already when what ended a chunk is held.
//! 3. Every accepted socket is a member, or is told why not and closed in the same turn.

mod door;
mod intake;
mod invariants;
mod opening;
mod silence;
mod sweep;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;
use std::{fmt, io};

use rustix::io::Errno;

pub use crate::config::Config;
use crate::connection::CloseReason;
use crate::connections::Connections;
use crate::counters::{Counter, Counters, Statistics};
use crate::flood::{Addresses, Bucket};
use crate::io::{Completion, Completions, Io, Receiving, Scratch, Signal, Until};
use crate::journal::Journal;
use crate::limits::{ACCEPT_RETRY, STOP_FLUSH};
use crate::message::Announcement;
use crate::names::Names;
use crate::outlet::Outlet;
use crate::rooms::Rooms;
use crate::timeouts::Timeouts;
use crate::token::{ConnectionId, ListenerId};
use crate::transcript::{Change, Transcript};
use silence::Silence;

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    On,
    /// Everything was said and sent, or the time for it is over.
    Stop,
    /// A second signal came before that.
    StopAtOnce,
}

#[derive(Debug)]
pub struct Server<I: Io, W> {
    io: I,
    config: Config,
    connections: Connections<I::Socket>,
    lobby: Rooms,
    addresses: Addresses,
    names: Names,
    transcript: Option<Transcript<W>>,
    journal: Journal<W>,
    counters: Counters,
    /// The time of this turn.
    now: Instant,
    /// Held connections whose lines the lobby may take now.
    resumable: Vec<ConnectionId>,
    /// Held connections whose lines may be taken from a moment on, soonest first.
    delayed: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
    /// Held connections in the order in which they wait for the room's ration of fan-out, and when there is more of it.
    rationed: VecDeque<ConnectionId>,
    rationed_until: Instant,
    /// Connections that have begun what could be another protocol, and until when that is held, soonest first. Those that are
    /// gone stay in it for their time at most.
    openings: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
    /// Connections that the kernel had no memory for, and when to try again.
    starved: VecDeque<(Instant, ConnectionId)>,
    /// Connections whose sockets are or were full.
    stall_timeouts: Timeouts,
    /// Connections that have or had begun a line.
    line_timeouts: Timeouts,
    /// The round of those who were sent something and may be gone.
    silence: Silence,
    /// Empty buffers for partial lines.
    spare: Vec<Vec<u8>>,
    /// Set exactly while accepting has ended on an error: when to arm it again.
    accept_paused: Option<Instant>,
    /// True exactly when newcomers were refused in this turn, whose descriptors are free again.
    refused: bool,
    /// True once a failure to accept was logged, until a newcomer is accepted.
    accept_reported: bool,
    /// What is left of the closes that may be logged.
    close_reports: Bucket,
    /// When the statistics line is due.
    stats_due: Option<Instant>,
    /// Set once the server was told to stop: when it stops whatever is left to send.
    stopping: Option<Instant>,
    /// True from then until the goodbye was said.
    goodbye_due: bool,
    stop_at_once: bool,
    /// Set once everything was said and sent, or the time for it was over, and the last line was reported: how it ended.
    ended: Option<Flow>,
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// A server that accepts from the next turn on.
    pub fn new(mut io: I, config: Config, journal: Journal<W>) -> Self {
        io.accept(ListenerId::FIRST);
        let now = io.now();
        Self {
            io,
            config,
            connections: Connections::new(config.members_max),
            lobby: Rooms::new(config.room, now),
            addresses: Addresses::new(config.addresses, config.members_max),
            names: Names::new(),
            transcript: None,
            journal,
            counters: Counters::default(),
            now,
            resumable: Vec::new(),
            delayed: BinaryHeap::new(),
            rationed: VecDeque::new(),
            rationed_until: now,
            openings: BinaryHeap::new(),
            starved: VecDeque::new(),
            stall_timeouts: Timeouts::new(config.stall_timeout),
            line_timeouts: Timeouts::new(config.line_timeout),
            silence: Silence::default(),
            spare: Vec::new(),
            accept_paused: None,
            refused: false,
            accept_reported: false,
            close_reports: Bucket::default(),
            stats_due: config.stats_interval.map(|interval| now + interval),
            stopping: None,
            goodbye_due: false,
            stop_at_once: false,
            ended: None,
        }
    }

    /// Writes what is said from now on to `outlet`, after `heading`.
    pub fn keep_transcript(&mut self, outlet: W, heading: &str) {
        let mut transcript = Transcript::new(outlet, self.lobby.log());
        transcript.note(heading);
        self.transcript = Some(transcript);
    }

    /// Everything counted so far. Looks at every member that lags.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            members: self.lobby.online() as u64,
            messages: self.lobby.messages(),
            deliveries: self.lobby.deliveries(),
            skipped: self.lobby.skipped_messages(),
            waiting: self.lobby.parked() as u64,
            lag_bytes_max: self.lobby.lag_bytes_max(),
            counters: self.counters,
        }
    }

    /// True while members are behind whose sockets have room.
    pub fn has_due(&self) -> bool {
        self.lobby.has_due()
    }

    /// Reports an event in the server's own log.
    pub fn report(&mut self, event: fmt::Arguments<'_>) {
        self.journal.report(self.now, event);
    }

    /// Turns until the server has stopped. An error means that the kernel refuses what it granted before.
    pub fn run(&mut self) -> io::Result<Flow> {
        let mut completions = Completions::new();
        loop {
            match self.turn(&mut completions) {
                Ok(Flow::On) => {}
                Ok(flow) => return Ok(flow),
                Err(error) => {
                    self.report(format_args!("the kernel failed: {error}"));
                    return Err(error);
                }
            }
        }
    }

    /// One turn: wait, handle what has completed, sweep.
    pub fn turn(&mut self, completions: &mut Completions<I::Socket>) -> io::Result<Flow> {
        // While the room takes no lines, nobody's are received.
        let receiving = if self.resumable.is_empty() { Receiving::On } else { Receiving::Off };
        self.io.wait(self.until(), receiving, completions)?;
        self.now = self.io.now();
        for completion in completions.list.drain(..) {
            self.on_completion(completion, &completions.scratch);
        }
        self.accept_after_refusals();
        self.on_deadlines();
        if receiving == Receiving::On {
            self.say_held_openings();
        }
        self.resume_held();
        if self.goodbye_due {
            // A room that is pressed takes it after a sweep.
            self.goodbye_due = self.lobby.say(Announcement::Stopping, self.now).is_err();
        }
        self.cut_fallen();
        self.sweep();
        self.write_transcript();
        self.conclude();
        self.journal.write(self.now);
        Ok(self.flow())
    }

    fn on_completion(&mut self, completion: Completion<I::Socket>, scratch: &Scratch) {
        match completion {
            Completion::Accepted(_, Ok((socket, address))) => self.on_accepted(socket, address),
            Completion::Unwatchable(_, socket) => self.on_full_house(socket),
            Completion::Accepted(_, Err(errno)) => {
                if !std::mem::replace(&mut self.accept_reported, true) {
                    self.report(format_args!("accepting paused: {}", io::Error::from(errno)));
                }
                self.accept_paused = Some(self.now + ACCEPT_RETRY);
            }
            Completion::Received(id, outcome) => {
                let expected = self.connections.find(id).map(|connection| &mut connection.receiving);
                if !expected.is_some_and(std::mem::take) {
                    self.counters.add(Counter::Stale, 1);
                    return;
                }
                match outcome {
                    Ok(chunk) => self.on_received(id, scratch.bytes(&chunk)),
                    Err(Errno::NOBUFS | Errno::NOMEM) => self.starve(id),
                    Err(_) => self.end(id, CloseReason::Broken),
                }
                self.release(id);
            }
            Completion::Writable(id) => {
                let expected = self.connections.find(id).map(|connection| &mut connection.watching);
                if !expected.is_some_and(std::mem::take) {
                    self.counters.add(Counter::Stale, 1);
                    return;
                }
                self.on_writable(id);
                self.release(id);
            }
            Completion::Signal(signal) => self.on_signal(signal),
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        match signal {
            Signal::Statistics => {
                let statistics = self.statistics();
                self.report(format_args!("{statistics}"));
            }
            Signal::Hangup => match self.transcript.as_mut().and_then(Transcript::reopen) {
                None => self.report(format_args!("SIGHUP: there is no transcript file to open anew")),
                Some(Ok(())) => self.report(format_args!("SIGHUP: the transcript file was opened anew")),
                Some(Err(error)) => {
                    self.report(format_args!("SIGHUP: the transcript stays as it is, not opened anew: {error}"))
                }
            },
            Signal::Interrupt | Signal::Terminate if self.stopping.is_some() => self.stop_at_once = true,
            Signal::Interrupt | Signal::Terminate => {
                if let Some(transcript) = self.transcript.as_mut().filter(|_| signal == Signal::Interrupt) {
                    transcript.note("KeyboardInterrupt");
                }
                self.stopping = Some(self.now + STOP_FLUSH);
                self.accept_paused = None;
                self.io.stop_accepting();
                self.goodbye_due = true;
            }
        }
    }

    fn on_deadlines(&mut self) {
        if self.accept_paused.is_some_and(|retry| retry <= self.now) {
            self.accept_paused = None;
            self.io.accept(ListenerId::FIRST);
        }
        if self.stats_due.is_some_and(|due| due <= self.now) {
            self.stats_due = self.config.stats_interval.map(|interval| self.now + interval);
            let statistics = self.statistics();
            self.report(format_args!("{statistics}"));
        }
        self.lobby.on_deadline(self.now);
        self.retry_starved();
        self.cut_stalled();
        self.cut_unfinished_lines();
        self.cut_silent();
    }

    fn write_transcript(&mut self) {
        let Some(transcript) = &mut self.transcript else { return };
        match transcript.write(self.lobby.log(), self.now) {
            None => {}
            Some(Change::Paused(error)) => {
                self.report(format_args!("transcript paused, tried again every second: {error}"));
            }
            Some(Change::Resumed) => self.report(format_args!("transcript resumed")),
            Some(Change::Ended(error)) => self.report(format_args!("transcript ended: {error}")),
        }
    }

    /// How long the next turn may wait.
    fn until(&self) -> Until {
        if self.lobby.has_due() || !self.resumable.is_empty() {
            return Until::Now;
        }
        let deadlines = [
            self.accept_paused,
            self.stats_due,
            self.stopping,
            self.lobby.deadline(),
            self.delayed.peek().map(|Reverse((until, _))| *until),
            (!self.rationed.is_empty()).then_some(self.rationed_until),
            self.openings.peek().map(|Reverse((due, _))| *due),
            self.starved.front().map(|(retry, _)| *retry),
            self.stall_timeouts.deadline(),
            self.line_timeouts.deadline(),
            self.silence.deadline(),
            self.transcript.as_ref().and_then(|transcript| transcript.deadline(self.lobby.log(), self.now)),
            self.journal.deadline(),
        ];
        deadlines.into_iter().flatten().min().map_or(Until::Completion, Until::Deadline)
    }

    /// Reports the last line, once everything is said and sent or the time for it is over.
    fn conclude(&mut self) {
        let Some(deadline) = self.stopping.filter(|_| self.ended.is_none()) else { return };
        let written = self.transcript.as_ref().is_none_or(|transcript| transcript.is_quiet(self.lobby.log()));
        let (flow, how) = if self.stop_at_once {
            (Flow::StopAtOnce, "stopped at once, members cut off")
        } else if deadline <= self.now || (!self.goodbye_due && self.lobby.is_quiet() && written) {
            (Flow::Stop, "stopped")
        } else {
            return;
        };
        self.ended = Some(flow);
        let statistics = self.statistics();
        self.report(format_args!("{how}: {statistics}"));
    }

    /// The last line is tried to be written while there is time.
    fn flow(&self) -> Flow {
        let over = self.stop_at_once || self.stopping.is_some_and(|deadline| deadline <= self.now);
        self.ended.filter(|_| over || self.journal.is_quiet()).unwrap_or(Flow::On)
    }
}
