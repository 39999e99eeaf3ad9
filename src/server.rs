//! The loop: wait for completions, handle each, then sweep. One thread, no locks, no callbacks.
//!
//! A turn collects what has completed, handles it, and sends one batch to members that are behind. A sweep of a large
//! room is many turns, so accepting and receiving go on in the middle of it. The server owns every connection and says
//! how each operation ended; what is said to whom is the room's affair.
//!
//! 1. A connection has at most one receive and one watch for room in flight, and its slot is freed when it has none.
//! 2. A connection is received from only while the room takes its lines: held bytes are consumed first.
//! 3. Every accepted socket is a member, or is told that the house is full and closed in the same turn.

use std::net::SocketAddr;
use std::time::Instant;
use std::{fmt, io, mem};

use arrayvec::ArrayVec;

use crate::connection::{CloseReason, Connection};
use crate::connections::Connections;
use crate::io::{Completion, Completions, Io, Scratch, Send, Sent, Signal, Until};
use crate::limits::{ACCEPT_RETRY, RECEIVES_PER_TURN_MAX, SEND_BATCH_MEMBERS, SPARE_BUFFERS_MAX, STOP_FLUSH};
use crate::line::{Framing, Item, ServerLine};
use crate::report::report;
use crate::room::{self, MemberId, Pressed, Room};
use crate::token::ConnectionId;
use crate::transcript::Transcript;

/// What a server is made with.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Most members at a time.
    pub members_max: usize,
    /// Most bytes of a typed line.
    pub line_bytes: usize,
    pub framing: Framing,
    pub room: room::Settings,
}

/// What the server has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub accepted: u64,
    /// Newcomers who were told that the house is full.
    pub refused: u64,
    pub received_bytes: u64,
    /// Sends handed to the kernel, however they went.
    pub sends: u64,
    pub sent_bytes: u64,
    pub left: u64,
    pub broken: u64,
}

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
    lobby: Room,
    transcript: Option<Transcript<W>>,
    counters: Counters,
    /// The time of this turn.
    now: Instant,
    /// Connections whose received lines the lobby may take now.
    resumable: Vec<ConnectionId>,
    /// Empty buffers for partial lines.
    spare: Vec<Vec<u8>>,
    /// Set exactly while accepting has ended on an error: when to arm it again.
    accept_paused: Option<Instant>,
    /// Set once the server was told to stop: when it stops whatever is left to send.
    stopping: Option<Instant>,
    stop_at_once: bool,
}

impl<I: Io, W: io::Write> Server<I, W> {
    /// A server that accepts from the next turn on.
    pub fn new(mut io: I, config: Config) -> Self {
        io.accept();
        Self {
            now: io.now(),
            io,
            config,
            connections: Connections::new(),
            lobby: Room::new(config.room),
            transcript: None,
            counters: Counters::default(),
            resumable: Vec::new(),
            spare: Vec::new(),
            accept_paused: None,
            stopping: None,
            stop_at_once: false,
        }
    }

    /// Writes what is said from now on to `sink`, after `heading`.
    pub fn keep_transcript(&mut self, sink: W, heading: &str) {
        let mut transcript = Transcript::new(sink, self.lobby.log());
        transcript.note(heading);
        self.transcript = Some(transcript);
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub fn members(&self) -> usize {
        self.lobby.online()
    }

    /// Messages said so far, presence lines among them.
    pub fn messages(&self) -> u64 {
        self.lobby.log().messages()
    }

    /// True while members are behind whose sockets have room.
    pub fn has_due(&self) -> bool {
        self.lobby.has_due()
    }

    /// Members whose sockets are full.
    pub fn members_waiting(&self) -> usize {
        self.lobby.waiting()
    }

    /// Turns until the server has stopped. An error means that the kernel refuses what it granted before.
    pub fn run(&mut self) -> io::Result<Flow> {
        let mut completions = Completions::new();
        loop {
            match self.turn(&mut completions)? {
                Flow::On => {}
                flow => return Ok(flow),
            }
        }
    }

    /// One turn: wait, handle what has completed, sweep.
    pub fn turn(&mut self, completions: &mut Completions<I::Socket>) -> io::Result<Flow> {
        let receives_max = if self.resumable.is_empty() { RECEIVES_PER_TURN_MAX } else { 0 };
        self.io.wait(self.until(), receives_max, completions)?;
        self.now = self.io.now();
        for completion in completions.list.drain(..) {
            self.on_completion(completion, &completions.scratch);
        }
        self.on_deadlines();
        self.resume_held();
        self.sweep();
        self.write_transcript();
        Ok(self.flow())
    }

    fn on_completion(&mut self, completion: Completion<I::Socket>, scratch: &Scratch) {
        match completion {
            Completion::Accepted(Ok((socket, address))) => self.on_accepted(socket, address),
            Completion::Accepted(Err(errno)) => {
                report(format_args!("accepting paused: {}", io::Error::from(errno)));
                self.accept_paused = Some(self.now + ACCEPT_RETRY);
            }
            Completion::Received(id, outcome) => {
                self.connections.at_mut(id).receiving = false;
                match outcome {
                    Ok(chunk) => self.on_received(id, scratch.bytes(&chunk)),
                    Err(_) => self.close(id, CloseReason::Broken),
                }
                self.release(id);
            }
            Completion::Writable(id) => {
                let connection = self.connections.at_mut(id);
                connection.watching = false;
                if let Some(member) = connection.member {
                    self.lobby.drained(member);
                }
                self.release(id);
            }
            Completion::Signal(signal) => self.on_signal(signal),
        }
    }

    fn on_accepted(&mut self, socket: I::Socket, address: SocketAddr) {
        if self.connections.len() >= self.config.members_max {
            self.refuse(&socket);
            return;
        }
        self.counters.accepted += 1;
        let id = self.connections.insert(Connection::new(socket, address));
        let member = self.lobby.join(id, address, self.now);
        self.connections.at_mut(id).member = Some(member);
        self.ask_for_chunk(id);
    }

    /// Tells a newcomer for whom there is no place; the socket is closed when the caller drops it.
    fn refuse(&mut self, socket: &I::Socket) {
        self.counters.refused += 1;
        let mut line = Vec::new();
        ServerLine::HouseFull.render(&mut line);
        // A newcomer whose socket does not even take this is not told.
        self.io.send_batch(&mut [Send::new(socket, &line)]);
        self.io.shutdown(socket);
    }

    fn on_received(&mut self, id: ConnectionId, bytes: &[u8]) {
        let connection = self.connections.at_mut(id);
        if connection.member.is_none() {
            return;
        }
        if bytes.is_empty() {
            self.close(id, CloseReason::Left);
            return;
        }
        self.counters.received_bytes += bytes.len() as u64;
        if connection.input.is_empty() {
            let mut rest = bytes;
            self.take_lines(id, &mut rest);
            if !rest.is_empty() {
                let mut input = self.spare.pop().unwrap_or_default();
                input.extend_from_slice(rest);
                self.connections.at_mut(id).input = input;
            }
        } else {
            connection.input.extend_from_slice(bytes);
            self.take_input(id);
        }
        self.ask_for_chunk(id);
    }

    /// Takes lines from the bytes that a connection has waiting.
    fn take_input(&mut self, id: ConnectionId) {
        let mut input = mem::take(&mut self.connections.at_mut(id).input);
        let mut rest = input.as_slice();
        self.take_lines(id, &mut rest);
        let taken = input.len() - rest.len();
        input.drain(..taken);
        if !input.is_empty() {
            self.connections.at_mut(id).input = input;
        } else if self.spare.len() < SPARE_BUFFERS_MAX {
            self.spare.push(input);
        }
    }

    /// Takes whole lines off the front of `rest` until the room takes no more; then the connection is held.
    fn take_lines(&mut self, id: ConnectionId, rest: &mut &[u8]) {
        let connection = self.connections.at_mut(id);
        let address = connection.address;
        let member = connection.member.expect("lines are taken from open connections");
        let mut splitter = connection.splitter;
        let mut held = false;
        loop {
            let before = (splitter, *rest);
            let item = splitter.next(rest, self.config.line_bytes).or_else(|| match self.config.framing {
                Framing::Line => None,
                Framing::Chunk => splitter.finish(rest),
            });
            let Some(item) = item else { break };
            let taken = match item {
                _ if !self.lobby.may_speak(member) => Err(Pressed),
                Item::Line(line) => self.lobby.publish(member, address, line),
                Item::TooLong => {
                    self.lobby.tell(member, ServerLine::LineTooLong { line_bytes_max: self.config.line_bytes });
                    Ok(())
                }
            };
            if taken.is_err() {
                (splitter, *rest) = before;
                held = true;
                break;
            }
        }
        let connection = self.connections.at_mut(id);
        connection.splitter = splitter;
        connection.held = held;
        if held && self.lobby.may_speak(member) {
            self.resumable.push(id);
        }
    }

    /// Lets held connections go on whose lines the lobby may take now.
    fn resume_held(&mut self) {
        let mut resumable = mem::take(&mut self.resumable);
        for id in resumable.drain(..) {
            // It may have been closed, or held again, since it was put on the list.
            if self.connections.find(id).is_some_and(|connection| connection.held && connection.member.is_some()) {
                self.take_input(id);
                self.ask_for_chunk(id);
            }
        }
        if self.resumable.is_empty() {
            self.resumable = resumable;
        }
    }

    fn ask_for_chunk(&mut self, id: ConnectionId) {
        let connection = self.connections.at_mut(id);
        if connection.member.is_some() && !connection.held && !connection.receiving && self.stopping.is_none() {
            connection.receiving = true;
            self.io.receive(&connection.socket, id);
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        if self.stopping.is_some() {
            self.stop_at_once = true;
            return;
        }
        if signal == Signal::Interrupt
            && let Some(transcript) = &mut self.transcript
        {
            transcript.note("KeyboardInterrupt");
        }
        self.stopping = Some(self.now + STOP_FLUSH);
        self.accept_paused = None;
        self.io.stop_accepting();
        // In a room that is pressed the line does not fit the log; its members see the end without a word.
        let _ = self.lobby.say(ServerLine::Stopping);
    }

    fn on_deadlines(&mut self) {
        if self.accept_paused.is_some_and(|retry| retry <= self.now) {
            self.accept_paused = None;
            self.io.accept();
        }
        self.lobby.on_deadline(self.now);
    }

    /// Sends one batch to members that are behind, each as much as its socket takes.
    fn sweep(&mut self) {
        let mut batch = self.lobby.take_batch();
        let mut dead = ArrayVec::<ConnectionId, SEND_BATCH_MEMBERS>::new();
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
            self.counters.sends += outcomes.len() as u64;
            let sent = batch.drain(..).zip(outcomes);
            batch = sent.filter_map(|(id, (bytes, sent))| self.on_sent(id, bytes, sent, &mut dead)).collect();
        }
        for id in dead {
            self.close(id, CloseReason::Broken);
            self.release(id);
        }
    }

    /// Notes how a send to a member in hand went. The member, when it is to be sent more at once.
    fn on_sent(
        &mut self,
        member: MemberId,
        bytes: usize,
        sent: Sent,
        dead: &mut ArrayVec<ConnectionId, SEND_BATCH_MEMBERS>,
    ) -> Option<MemberId> {
        let id = self.lobby.connection(member);
        let taken = match sent {
            Sent::Whole => bytes,
            Sent::Part(bytes) => bytes,
            Sent::Full | Sent::Dead(_) => 0,
        };
        self.counters.sent_bytes += taken as u64;
        match sent {
            Sent::Whole => {
                if !self.lobby.advance(member, bytes) {
                    return Some(member);
                }
                self.resume_when_heard(id, member);
            }
            Sent::Part(_) | Sent::Full => {
                self.lobby.wait(member, taken);
                let connection = self.connections.at_mut(id);
                assert!(!connection.watching, "a watched member is not sent to");
                connection.watching = true;
                self.io.watch_writable(&connection.socket, id);
            }
            Sent::Dead(_) => dead.push(id),
        }
        None
    }

    /// A member that was held because it did not read has read now.
    fn resume_when_heard(&mut self, id: ConnectionId, member: MemberId) {
        if self.connections.at(id).held && self.lobby.may_speak(member) {
            self.resumable.push(id);
        }
    }

    /// Ends a connection's membership. Its slot stays taken until nothing is in flight on it.
    fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        let connection = self.connections.at_mut(id);
        let Some(member) = connection.member.take() else { return };
        self.io.shutdown(&connection.socket);
        self.lobby.leave(member, connection.address, self.now);
        match reason {
            CloseReason::Left => self.counters.left += 1,
            CloseReason::Broken => self.counters.broken += 1,
        }
    }

    /// Frees the slot of a closed connection that has nothing in flight.
    fn release(&mut self, id: ConnectionId) {
        let connection = self.connections.at(id);
        if connection.member.is_none() && connection.is_idle() {
            drop(self.connections.remove(id));
            // A descriptor is free again.
            if self.accept_paused.take().is_some() {
                self.io.accept();
            }
        }
    }

    fn write_transcript(&mut self) {
        if let Some(transcript) = &mut self.transcript
            && let Err(error) = transcript.write(self.lobby.log(), self.now)
        {
            report(format_args!("transcript ended: {error}"));
            self.transcript = None;
        }
    }

    /// How long the next turn may wait.
    fn until(&self) -> Until {
        if self.lobby.has_due() || !self.resumable.is_empty() {
            return Until::Now;
        }
        let transcript = self.transcript.as_ref().and_then(|it| it.deadline(self.lobby.log(), self.now));
        let deadlines = [self.accept_paused, self.stopping, self.lobby.deadline(), transcript];
        deadlines.into_iter().flatten().min().map_or(Until::Completion, Until::Deadline)
    }

    fn flow(&self) -> Flow {
        let Some(deadline) = self.stopping else { return Flow::On };
        let written = self.transcript.as_ref().is_none_or(|it| it.is_quiet(self.lobby.log()));
        if self.stop_at_once {
            Flow::StopAtOnce
        } else if deadline <= self.now || (self.lobby.is_quiet() && written) {
            Flow::Stop
        } else {
            Flow::On
        }
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, refused, received_bytes, sends, sent_bytes, left, broken } = self;
        write!(f, "accepted {accepted}, refused {refused}, received {received_bytes} B, sent {sent_bytes} B ")?;
        write!(f, "in {sends} sends, left {left}, broken {broken}")
    }
}
