//! The kernel in memory: sockets, a listener, a clock, and what may complete when.
//!
//! Time is virtual: it passes a little with every turn and jumps to the next event when the server waits. Whatever peers do
//! and whatever completes is an event with a time; two runs from one seed are the same run. The kernel also watches its
//! user: an operation started twice, a socket closed with something in flight, an accept armed again at once or a loop
//! that spins is a failure.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::Socket;
use super::crowd::Crowd;
use super::draw::Draw;
use super::faults::Faults;
use super::pair::Pair;
use super::trace::{Event, Trace};
use crate::io::{Chunk, Completion, Completions, Signal, Until};
use crate::limits::{ACCEPT_RETRY, RECEIVE_CHUNK_BYTES, RECEIVES_PER_TURN_MAX};
use crate::token::ConnectionId;

/// What a turn costs at most, in nanoseconds of virtual time.
const TURN_NANOSECONDS: u64 = 100_000;

/// Turns in a row in which the server does not wait and nothing moves: it spins.
const IDLE_TURNS_MAX: u32 = 300;

/// What freed scratch memory is filled with.
const POISON: u8 = 0xdb;

const LOST: [Errno; 4] = [Errno::CONNRESET, Errno::PIPE, Errno::TIMEDOUT, Errno::HOSTUNREACH];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Accept,
    Readable(u32),
    Writable(u32),
    Act(u32),
    Read(u32),
    Signal(u8),
}

#[derive(Debug, Default)]
struct Listener {
    armed: bool,
    closed: bool,
    /// True exactly while an event will look at the backlog.
    scheduled: bool,
    backlog: VecDeque<u32>,
    /// Set from when accepting failed until a descriptor is freed.
    failed_at: Option<u64>,
}

/// What the kernel counted, to be compared with what the server counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub accepted: u64,
    pub received_bytes: u64,
    pub stale: u64,
}

#[derive(Debug)]
pub struct Kernel {
    start: Instant,
    /// Nanoseconds since the start.
    now: u64,
    pub draw: Draw,
    pub faults: Faults,
    pub trace: Trace,
    pub counts: Counts,
    pub crowd: Option<Box<Crowd>>,
    /// Whether the user is held to the contract: tests of the seam end in the middle.
    pub strict: bool,
    /// True once nothing will happen any more.
    pub idle: bool,
    /// Waits so far.
    pub turn: usize,
    /// The first breach of the contract that could not be reported where it happened.
    pub breach: Option<&'static str>,
    events: BinaryHeap<Reverse<(u64, u64, What)>>,
    events_pushed: u64,
    pairs: Vec<Pair>,
    listener: Listener,
    /// Connections whose receive can complete.
    ready: VecDeque<u32>,
    writable: Vec<ConnectionId>,
    signals: Vec<Signal>,
    /// Identities of connections that are gone.
    gone: Vec<ConnectionId>,
    /// By slot: who has it.
    tenants: Vec<u32>,
    open: usize,
    /// Pieces of scratch memory in use since the last wait.
    pieces: usize,
    moved: bool,
    idle_turns: u32,
}

impl Kernel {
    pub fn new(draw: Draw, readable_trace: bool) -> Self {
        Self {
            start: Instant::now(),
            now: 0,
            draw,
            faults: Faults::default(),
            trace: Trace::new(readable_trace),
            counts: Counts::default(),
            crowd: None,
            strict: true,
            idle: false,
            turn: 0,
            breach: None,
            events: BinaryHeap::new(),
            events_pushed: 0,
            pairs: Vec::new(),
            listener: Listener::default(),
            ready: VecDeque::new(),
            writable: Vec::new(),
            signals: Vec::new(),
            gone: Vec::new(),
            tenants: Vec::new(),
            open: 0,
            pieces: 0,
            moved: true,
            idle_turns: 0,
        }
    }

    pub fn now(&self) -> Instant {
        self.start + Duration::from_nanos(self.now)
    }

    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    pub fn pair_mut(&mut self, peer: u32) -> &mut Pair {
        &mut self.pairs[peer as usize]
    }

    /// Sockets that the server has and has not closed.
    pub fn open_sockets(&self) -> usize {
        self.open
    }

    pub fn is_listening(&self) -> bool {
        !self.listener.closed
    }

    pub fn backlog(&self) -> usize {
        self.listener.backlog.len()
    }

    pub fn note(&mut self, event: Event) {
        self.trace.note(self.now, event);
    }

    fn schedule(&mut self, delay: u64, what: What) {
        let order = if self.faults.reorder { self.draw.below(1 << 32) } else { self.events_pushed };
        self.events_pushed += 1;
        self.events.push(Reverse((self.now + delay, order, what)));
    }

    /// The delay of a completion.
    fn latency(&mut self, peer: u32) -> u64 {
        let most = if self.pairs[peer as usize].calm { 0 } else { self.faults.latency };
        if most == 0 { 0 } else { self.draw.below(most + 1) >> self.draw.below(8) }
    }

    /// Has a peer's script go on after a pause.
    pub fn act_after(&mut self, pause: u64, peer: u32) {
        self.schedule(pause, What::Act(peer));
    }

    pub fn signal_after(&mut self, pause: u64, signal: Signal) {
        self.schedule(pause, What::Signal(signal as u8));
    }
}

/// What the server asks for.
impl Kernel {
    pub fn accept(&mut self) {
        if self.listener.closed {
            return;
        }
        if self.strict {
            assert!(!self.listener.armed, "accepting is armed twice");
            let soon = |failed_at| self.now < failed_at + ACCEPT_RETRY.as_nanos() as u64;
            assert!(!self.listener.failed_at.is_some_and(soon), "accepting again at once would spin");
        }
        self.listener.armed = true;
        self.listener.failed_at = None;
        self.look_at_backlog();
    }

    pub fn stop_accepting(&mut self) {
        self.listener.closed = true;
        self.listener.armed = false;
        for peer in std::mem::take(&mut self.listener.backlog) {
            self.pairs[peer as usize].refused = true;
        }
    }

    fn look_at_backlog(&mut self) {
        let listener = &mut self.listener;
        if listener.armed && !listener.scheduled && !listener.backlog.is_empty() {
            listener.scheduled = true;
            self.schedule(0, What::Accept);
        }
    }

    pub fn receive(&mut self, peer: u32, id: ConnectionId) {
        self.identify(peer, id);
        let pair = &mut self.pairs[peer as usize];
        assert!(!pair.closed && !pair.receiving, "at most one receive is in flight");
        pair.receiving = true;
        pair.receive_scheduled = false;
        self.poke_receive(peer);
    }

    pub fn watch_writable(&mut self, peer: u32, id: ConnectionId) {
        self.identify(peer, id);
        let pair = &mut self.pairs[peer as usize];
        assert!(!pair.closed && !pair.watching, "at most one watch is in flight");
        pair.watching = true;
        pair.watch_scheduled = false;
        self.poke_watch(peer);
    }

    fn identify(&mut self, peer: u32, id: ConnectionId) {
        let slot = id.slot.0 as usize;
        if self.tenants.len() <= slot {
            self.tenants.resize(slot + 1, u32::MAX);
        }
        let pair = &mut self.pairs[peer as usize];
        let known = pair.id.replace(id);
        if self.strict {
            assert!(known.is_none_or(|known| known == id), "a connection keeps its identity");
            let tenant = std::mem::replace(&mut self.tenants[slot], peer);
            let free = tenant == u32::MAX || tenant == peer || self.pairs[tenant as usize].closed;
            assert!(free, "a slot has one tenant at a time");
        }
    }

    pub fn shutdown(&mut self, peer: u32) {
        let pair = &mut self.pairs[peer as usize];
        assert!(!pair.closed, "what is closed is not shut down");
        pair.shut = true;
        self.note(Event::ShutDown { peer });
        self.poke_receive(peer);
        self.poke_watch(peer);
    }

    pub fn close(&mut self, peer: u32) {
        let pair = &mut self.pairs[peer as usize];
        if pair.closed {
            self.breach = Some("a socket is closed twice");
            return;
        }
        if self.strict && (pair.receiving || pair.watching) {
            self.breach = Some("a socket is closed with something in flight");
        }
        pair.closed = true;
        self.gone.extend(pair.id);
        self.open -= 1;
        self.listener.failed_at = None;
        self.moved = true;
        self.note(Event::Closed { peer });
    }

    /// Takes bytes for a peer, as many as its socket has room for. `Err` as the system call has it.
    pub fn send(&mut self, peer: u32, bytes: &[u8]) -> Result<usize, Errno> {
        let pair = &self.pairs[peer as usize];
        assert!(!pair.closed, "a closed socket is not sent to");
        assert!(!self.strict || !bytes.is_empty(), "there is something to send");
        let sent = if pair.shut {
            Err(Errno::PIPE)
        } else if pair.reset {
            Err(Errno::CONNRESET)
        } else {
            self.send_to_living(peer, bytes)
        };
        match sent {
            Ok(0) => Err(Errno::AGAIN),
            Ok(taken) => {
                self.moved = true;
                self.note(Event::Sent { peer, bytes: taken, of: bytes.len() });
                self.pairs[peer as usize].take(&bytes[..taken]);
                self.poke_read(peer);
                Ok(taken)
            }
            Err(errno) => {
                // An error that ends the connection is progress of a kind.
                self.moved |= !matches!(errno, Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM);
                self.note(Event::SendFailed { peer, errno: Event::errno(errno) });
                Err(errno)
            }
        }
    }

    fn send_to_living(&mut self, peer: u32, bytes: &[u8]) -> Result<usize, Errno> {
        let faults = self.faults;
        let calm = self.pairs[peer as usize].calm;
        if !calm && self.draw.chance(faults.send_breaks) {
            self.pairs[peer as usize].reset = true;
            self.poke_receive(peer);
            return Err(self.draw.pick(&LOST));
        }
        if self.pairs[peer as usize].gone {
            // The peer's host answers what it no longer wants with a reset.
            self.pairs[peer as usize].reset = true;
            self.poke_receive(peer);
            return Ok(bytes.len());
        }
        if !calm && self.draw.chance(faults.send_memory) {
            return Err(self.draw.pick(&[Errno::NOBUFS, Errno::NOMEM]));
        }
        if !calm && self.draw.chance(faults.full_send) {
            return Err(Errno::AGAIN);
        }
        let taken = bytes.len().min(self.pairs[peer as usize].room());
        if !calm && taken > 1 && self.draw.chance(faults.short_send) {
            return Ok(self.draw.between(1, taken - 1));
        }
        Ok(taken)
    }
}

/// What peers do.
impl Kernel {
    /// A peer begins a connection whose socket takes `room` bytes ahead of being read.
    pub fn connect(&mut self, address: SocketAddr, room: usize, recorded: bool) -> u32 {
        let peer = u32::try_from(self.pairs.len()).expect("a run has fewer than 2^32 connections");
        let mut pair = Pair::new(address, room, recorded);
        pair.refused = self.listener.closed;
        self.pairs.push(pair);
        self.note(Event::Connects { peer });
        if !self.listener.closed {
            self.listener.backlog.push_back(peer);
            self.look_at_backlog();
        }
        peer
    }

    pub fn peer_writes(&mut self, peer: u32, bytes: &[u8]) {
        self.pairs[peer as usize].up.extend(bytes);
        self.note(Event::Writes { peer, bytes: bytes.len() });
        self.poke_receive(peer);
    }

    /// A peer reads from now on, as soon as there is something, or no more.
    pub fn peer_listens(&mut self, peer: u32, listens: bool) {
        self.pairs[peer as usize].reading = listens;
        if listens {
            self.poke_read(peer);
        } else {
            self.note(Event::StopsReading { peer });
        }
    }

    pub fn peer_finishes(&mut self, peer: u32) {
        self.pairs[peer as usize].fin = true;
        self.note(Event::Finishes { peer });
        self.poke_receive(peer);
    }

    pub fn peer_resets(&mut self, peer: u32) {
        let lost = self.draw.chance(128);
        let pair = &mut self.pairs[peer as usize];
        pair.reset = true;
        if lost {
            pair.up.clear();
        }
        self.note(Event::Resets { peer });
        self.poke_receive(peer);
        self.poke_watch(peer);
    }

    /// Closes its socket: what it was sent and has not read is lost, and it answers more with a reset.
    pub fn peer_goes(&mut self, peer: u32) {
        let pair = &mut self.pairs[peer as usize];
        pair.fin = true;
        pair.gone = true;
        pair.reset |= pair.unread > 0;
        self.note(Event::Goes { peer });
        self.poke_receive(peer);
        self.poke_watch(peer);
    }

    fn poke_receive(&mut self, peer: u32) {
        let pair = &mut self.pairs[peer as usize];
        let complete = !pair.up.is_empty() || pair.fin || pair.reset || pair.shut;
        if pair.receiving && !pair.receive_scheduled && complete {
            pair.receive_scheduled = true;
            let delay = self.latency(peer);
            self.schedule(delay, What::Readable(peer));
        }
    }

    fn poke_watch(&mut self, peer: u32) {
        let pair = &mut self.pairs[peer as usize];
        let (watching, complete) = (pair.watching && !pair.watch_scheduled, pair.room() > 0 || pair.reset || pair.shut);
        if watching && (complete || self.draw.chance(self.faults.false_room)) {
            self.pairs[peer as usize].watch_scheduled = true;
            let delay = self.latency(peer);
            self.schedule(delay, What::Writable(peer));
        }
    }

    fn poke_read(&mut self, peer: u32) {
        let pair = &mut self.pairs[peer as usize];
        if pair.reading && !pair.read_scheduled && pair.unread > 0 {
            pair.read_scheduled = true;
            let delay = self.latency(peer);
            self.schedule(delay, What::Read(peer));
        }
    }

    fn on_read(&mut self, peer: u32) {
        let slow = self.faults.slow_reads;
        let pair = &mut self.pairs[peer as usize];
        pair.read_scheduled = false;
        if !pair.reading || pair.unread == 0 || pair.gone {
            return;
        }
        let bytes = if slow { 1 + self.draw.below(pair.unread as u64) as usize } else { pair.unread };
        pair.unread -= bytes;
        self.note(Event::Reads { peer, bytes });
        self.poke_watch(peer);
        self.poke_read(peer);
    }

    /// Looks again at everything that waits for something: the faults have changed.
    pub fn poke_all(&mut self) {
        for peer in 0..u32::try_from(self.pairs.len()).expect("counted when they began") {
            self.poke_receive(peer);
            self.poke_watch(peer);
            self.poke_read(peer);
        }
    }
}

/// Waiting.
impl Kernel {
    /// As [`crate::io::Io::wait`]. `this` is where sockets find this kernel.
    pub fn wait(
        &mut self,
        this: &Rc<RefCell<Self>>,
        until: Until,
        receives_max: usize,
        completions: &mut Completions<Socket>,
    ) {
        self.turn += 1;
        for index in 0..std::mem::take(&mut self.pieces) {
            completions.scratch.piece(index).fill(POISON);
        }
        self.now += 1 + self.draw.below(TURN_NANOSECONDS);
        if self.draw.chance(self.faults.clock_jump) {
            let nanoseconds = self.draw.below(120_000_000_000);
            self.now += nanoseconds;
            self.note(Event::ClockJumps { nanoseconds });
        }
        let deadline = match until {
            Until::Now => Some(self.now),
            Until::Deadline(deadline) => Some(deadline.saturating_duration_since(self.start).as_nanos() as u64),
            Until::Completion => None,
        };
        let mut waited = false;
        loop {
            self.run_due();
            self.collect(this, receives_max, completions);
            if !completions.list.is_empty() || deadline.is_some_and(|deadline| deadline <= self.now) {
                break;
            }
            let next = self.events.peek().map(|Reverse((time, _, _))| *time);
            self.now = match (next, deadline) {
                (Some(next), Some(deadline)) if next > deadline => deadline + self.lateness(),
                (Some(next), _) => next,
                (None, Some(deadline)) => deadline + self.lateness(),
                (None, None) => {
                    self.idle = true;
                    return;
                }
            };
            waited = true;
        }
        let idle = !waited && completions.list.is_empty() && !std::mem::take(&mut self.moved);
        self.idle_turns = if idle { self.idle_turns + 1 } else { 0 };
        assert!(self.idle_turns < IDLE_TURNS_MAX, "the loop spins: {IDLE_TURNS_MAX} turns without waiting or progress");
        if self.faults.reorder {
            for index in (1..completions.list.len()).rev() {
                completions.list.swap(index, self.draw.below(index as u64 + 1) as usize);
            }
        }
    }

    fn lateness(&mut self) -> u64 {
        if self.faults.lateness == 0 { 0 } else { self.draw.below(self.faults.lateness) }
    }

    fn run_due(&mut self) {
        while let Some(Reverse((time, _, what))) = self.events.peek().copied()
            && time <= self.now
        {
            self.events.pop();
            match what {
                What::Accept => self.listener.scheduled = false,
                What::Readable(peer) => self.ready.push_back(peer),
                What::Writable(peer) => {
                    self.pairs[peer as usize].watching = false;
                    self.note(Event::Writable { peer });
                    self.writable.extend(self.pairs[peer as usize].id);
                }
                What::Act(peer) => {
                    let mut crowd = self.crowd.take().expect("a crowd acts");
                    crowd.act(self, peer);
                    self.crowd = Some(crowd);
                }
                What::Read(peer) => self.on_read(peer),
                What::Signal(number) => {
                    let all = [Signal::Interrupt, Signal::Terminate, Signal::Statistics];
                    let signal = all.into_iter().find(|signal| *signal as u8 == number).expect("it was scheduled");
                    self.note(Event::signalled(signal));
                    self.signals.push(signal);
                }
            }
        }
    }

    fn collect(&mut self, this: &Rc<RefCell<Self>>, receives_max: usize, completions: &mut Completions<Socket>) {
        self.collect_newcomers(this, completions);
        completions.list.extend(self.writable.drain(..).map(Completion::Writable));
        completions.list.extend(self.signals.drain(..).map(Completion::Signal));
        for _ in 0..self.ready.len().min(receives_max).min(RECEIVES_PER_TURN_MAX) {
            let peer = self.ready.pop_front().expect("so many were counted");
            self.collect_chunk(peer, completions);
        }
        if !self.gone.is_empty() && self.draw.chance(self.faults.stale) {
            self.collect_stale(completions);
        }
    }

    fn collect_newcomers(&mut self, this: &Rc<RefCell<Self>>, completions: &mut Completions<Socket>) {
        while self.listener.armed && !self.listener.scheduled && !self.listener.backlog.is_empty() {
            let calm = self.pairs[self.listener.backlog[0] as usize].calm;
            let full = self.faults.descriptors > 0 && self.open >= self.faults.descriptors;
            if !calm && (full || self.draw.chance(self.faults.accept)) {
                let errors = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::CONNABORTED];
                let errno = if full { Errno::MFILE } else { self.draw.pick(&errors) };
                self.note(Event::AcceptFailed { errno: Event::errno(errno) });
                self.listener.armed = false;
                self.listener.failed_at = Some(self.now);
                completions.list.push(Completion::Accepted(Err(errno)));
                return;
            }
            let peer = self.listener.backlog.pop_front().expect("it is not empty");
            let pair = &mut self.pairs[peer as usize];
            if !calm && self.draw.chance(self.faults.accept_gone) {
                pair.reset = true;
            }
            // A peer that is already gone has no address any more, and may be no newcomer.
            if pair.reset && self.draw.chance(128) {
                pair.refused = true;
                continue;
            }
            pair.accepted_in = Some(self.turn);
            self.open += 1;
            self.counts.accepted += 1;
            let address = pair.address;
            self.note(Event::Accepted { peer });
            let socket = Socket::new(Rc::clone(this), peer);
            completions.list.push(Completion::Accepted(Ok((socket, address))));
        }
    }

    fn collect_chunk(&mut self, peer: u32, completions: &mut Completions<Socket>) {
        let faults = self.faults;
        let index = self.pieces;
        let pair = &mut self.pairs[peer as usize];
        let id = pair.id.expect("a receive was asked for");
        pair.receiving = false;
        let error = if pair.calm {
            None
        } else if self.draw.chance(faults.receive_memory) {
            Some(self.draw.pick(&[Errno::NOBUFS, Errno::NOMEM]))
        } else if self.draw.chance(faults.receive_breaks) || (pair.reset && pair.up.is_empty()) {
            pair.reset = true;
            Some(self.draw.pick(&LOST))
        } else {
            None
        };
        if let Some(errno) = error {
            self.note(Event::ReceiveFailed { peer, errno: Event::errno(errno) });
            completions.list.push(Completion::Received(id, Err(errno)));
            return;
        }
        let mut length = pair.up.len().min(RECEIVE_CHUNK_BYTES);
        if length > 1 && self.draw.chance(faults.small_chunk) {
            length = self.draw.between(1, length.min(40));
        }
        if pair.shut && self.draw.chance(128) {
            length = 0;
        }
        let piece = completions.scratch.piece(index);
        for (to, from) in piece.iter_mut().zip(pair.up.drain(..length)) {
            *to = from;
        }
        pair.heard(&piece[..length]);
        self.pieces += 1;
        self.counts.received_bytes += length as u64;
        self.note(Event::Received { peer, bytes: length });
        completions.list.push(Completion::Received(id, Ok(Chunk::new(index, length))));
    }

    /// A completion of a connection that is gone, with something to say.
    fn collect_stale(&mut self, completions: &mut Completions<Socket>) {
        let id = self.gone[self.draw.below(self.gone.len() as u64) as usize];
        self.counts.stale += 1;
        self.note(Event::Stale);
        let completion = match self.draw.below(4) {
            0 => Completion::Writable(id),
            1 => Completion::Received(id, Err(Errno::CONNRESET)),
            2 => Completion::Received(id, Ok(Chunk::new(0, 0))),
            _ if self.pieces == RECEIVES_PER_TURN_MAX => Completion::Writable(id),
            _ => {
                let said = b"\na ghost\n";
                completions.scratch.piece(self.pieces)[..said.len()].copy_from_slice(said);
                self.pieces += 1;
                Completion::Received(id, Ok(Chunk::new(self.pieces - 1, said.len())))
            }
        };
        completions.list.push(completion);
    }
}
