//! The kernel in memory: sockets, listeners, a clock, and the events to come.
//!
//! Time is virtual: it passes a little with every turn and jumps to the next event when the server waits. Every act of
//! a peer and every completion is an event with a time, and two runs of one seed have the same events. The kernel also
//! checks that the server keeps the contract: an operation started twice, a socket closed with something in flight, an
//! accept armed again at once, or a loop that spins is a failure.

mod peers;
pub mod tables;
mod waiting;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::draw::Draw;
use super::faults::Faults;
use super::pair::Pair;
use super::trace::{Event, Trace};
use crate::io::Signal;
use crate::limits::ACCEPT_RETRY;
use crate::token::{ConnectionId, ListenerId};
use tables::Tables;

/// Longest turn, in nanoseconds of virtual time.
const TURN_NANOSECONDS: u64 = 100_000;

/// Turns in a row in which the server does not wait and nothing moves: it spins.
const IDLE_TURNS_MAX: u32 = 300;

/// The byte that freed scratch memory is filled with.
const POISON: u8 = 0xdb;

const LOST: [Errno; 4] = [Errno::CONNRESET, Errno::PIPE, Errno::TIMEDOUT, Errno::HOSTUNREACH];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Accept(ListenerId),
    Readable(u32),
    Writable(u32),
    Act(u32),
    Read(u32),
    Signal(u8),
    Link,
}

#[derive(Debug, Default)]
struct Listener {
    armed: bool,
    closed: bool,
    /// Accepting fails from now on.
    broken: bool,
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

/// The code that moves the peers of a run.
pub trait Script: fmt::Debug {
    /// A pause that [`Kernel::act_after`] asked for is over: `peer` takes its next step.
    fn act(&mut self, kernel: &mut Kernel, peer: u32);
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
    /// Moves the peers.
    pub script: Option<Rc<RefCell<dyn Script>>>,
    /// Whether a breach of the contract is a failure. It is not in tests of the seam, which end with operations in
    /// flight.
    pub strict: bool,
    /// True once nothing will happen any more.
    pub idle: bool,
    /// True when the last wait has ended at its deadline, and nothing else is to come.
    pub is_alone: bool,
    /// While it is set no time passes in which nothing happens: a wait for a deadline ends at once.
    pub time_stands: bool,
    /// While it is set only the code that plays the run has time go on: a wait in which nothing has completed ends at once.
    pub is_paced: bool,
    /// What the last wait of a paced kernel would have waited for: a moment, or `u64::MAX` for ever. `None` when it
    /// would not have waited.
    pub waits_until: Option<u64>,
    /// Waits so far.
    pub turn: usize,
    /// How long the last wait took by the real clock.
    pub wait_took: Duration,
    /// The first breach of the contract that could not be reported where it happened.
    pub breach: Option<&'static str>,
    events: BinaryHeap<Reverse<(u64, u64, What)>>,
    events_pushed: u64,
    pairs: Vec<Pair>,
    listeners: Vec<Listener>,
    /// Connections whose receive can complete.
    ready: VecDeque<u32>,
    writable: Vec<ConnectionId>,
    signals: Vec<Signal>,
    /// True when the next turn is to say that the cluster's link may have news.
    link_has_news: bool,
    /// Ids of connections whose sockets were closed.
    closed_ids: Vec<ConnectionId>,
    /// By slot: the peer whose connection has it.
    tenants: Vec<u32>,
    open: usize,
    /// Where sockets are.
    pub tables: Tables,
    /// Pieces of scratch memory in use since the last wait.
    pieces: usize,
    moved: bool,
    idle_turns: u32,
    /// Connections that the server has named in this turn.
    pub identified: Vec<u32>,
    /// Of each connection shut down in this turn: how long its peer had taken no byte.
    pub idle_when_shut: Vec<Duration>,
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
            script: None,
            strict: true,
            idle: false,
            is_alone: false,
            time_stands: false,
            is_paced: false,
            waits_until: None,
            turn: 0,
            wait_took: Duration::ZERO,
            breach: None,
            events: BinaryHeap::new(),
            events_pushed: 0,
            pairs: Vec::new(),
            listeners: vec![Listener::default()],
            ready: VecDeque::new(),
            writable: Vec::new(),
            signals: Vec::new(),
            link_has_news: false,
            closed_ids: Vec::new(),
            tenants: Vec::new(),
            open: 0,
            tables: Tables::one(),
            pieces: 0,
            moved: true,
            idle_turns: 0,
            idle_when_shut: Vec::new(),
            identified: Vec::new(),
        }
    }

    pub fn now(&self) -> Instant {
        self.start + Duration::from_nanos(self.now)
    }

    /// Time since the start.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.now)
    }

    /// Has time go on to a moment, in nanoseconds since the start, which a kernel among several has from the others.
    pub fn set_time(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    /// When the next event is due, in nanoseconds since the start.
    pub fn next_event(&self) -> Option<u64> {
        self.events.peek().map(|Reverse((time, _, _))| *time)
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

    /// There is one listener to begin with; this is another.
    pub fn add_listener(&mut self) -> ListenerId {
        self.listeners.push(Listener::default());
        ListenerId::first(self.listeners.len()).last().expect("one was added")
    }

    pub fn is_listening(&self, listener: ListenerId) -> bool {
        !self.listeners[listener.index()].closed
    }

    /// True while every listener accepts.
    pub fn accepts(&self) -> bool {
        self.listeners.iter().all(|listener| listener.armed)
    }

    /// Has accepting on a listener end with an error whenever it is armed.
    pub fn break_listener(&mut self, listener: ListenerId) {
        self.listeners[listener.index()].broken = true;
    }

    /// True while something moves: an operation or what a peer does.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty() || !self.ready.is_empty()
    }

    pub fn backlog(&self) -> usize {
        self.listeners.iter().map(|listener| listener.backlog.len()).sum()
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

    /// Has the server told after a pause that the cluster's link may have news.
    pub fn link_after(&mut self, pause: u64) {
        self.schedule(pause, What::Link);
    }
}

/// The operations that the server asks for.
impl Kernel {
    pub fn accept(&mut self, id: ListenerId) {
        let listener = &mut self.listeners[id.index()];
        if listener.closed {
            return;
        }
        if self.strict {
            assert!(!listener.armed, "accepting is armed twice");
            let soon = |failed_at| self.now < failed_at + ACCEPT_RETRY.as_nanos() as u64;
            assert!(!listener.failed_at.is_some_and(soon), "accepting again at once would spin");
        }
        listener.armed = true;
        listener.failed_at = None;
        self.look_at_backlog(id);
    }

    pub fn stop_accepting(&mut self, listener: ListenerId) {
        let listener = &mut self.listeners[listener.index()];
        listener.closed = true;
        listener.armed = false;
        for peer in std::mem::take(&mut listener.backlog) {
            self.pairs[peer as usize].refused = true;
        }
    }

    fn look_at_backlog(&mut self, id: ListenerId) {
        let listener = &mut self.listeners[id.index()];
        if listener.armed && !listener.scheduled && !listener.backlog.is_empty() {
            listener.scheduled = true;
            self.schedule(0, What::Accept(id));
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
        if known.is_none() {
            self.identified.push(peer);
        }
        if self.strict {
            assert!(known.is_none_or(|known| known == id), "a connection keeps its identity");
            let tenant = std::mem::replace(&mut self.tenants[slot], peer);
            let free = tenant == u32::MAX || tenant == peer || self.pairs[tenant as usize].closed;
            assert!(free, "a slot has one connection at a time");
        }
    }

    pub fn outstanding(&self, peer: u32) -> u32 {
        let pair = &self.pairs[peer as usize];
        // A connection without faults, such as the witness, acknowledges at once.
        let unread = if pair.calm { 0 } else { pair.unread };
        u32::try_from(unread).expect("a socket holds less")
    }

    pub fn shutdown(&mut self, peer: u32) {
        let pair = &mut self.pairs[peer as usize];
        self.idle_when_shut.push(Duration::from_nanos(self.now - pair.moved_at));
        assert!(!pair.closed, "what is closed is not shut down");
        pair.shut = true;
        self.note(Event::ShutDown { peer });
        self.poke_receive(peer);
        self.poke_watch(peer);
    }

    pub fn close(&mut self, peer: u32) {
        let pair = &self.pairs[peer as usize];
        assert!(!pair.receiving && !pair.watching, "a socket is closed when nothing is in flight on it");
        self.forget(peer);
    }

    /// The server has dropped a socket, which it may have closed before.
    pub fn dropped(&mut self, peer: u32) {
        if self.pairs[peer as usize].closed {
            return;
        }
        if self.strict {
            self.breach = Some("a socket was dropped and not closed");
        }
        self.forget(peer);
    }

    fn forget(&mut self, peer: u32) {
        let pair = &mut self.pairs[peer as usize];
        assert!(!pair.closed, "a socket is closed once");
        pair.closed = true;
        self.closed_ids.extend(pair.id);
        if let Some(place) = pair.place.take() {
            self.tables.free(place);
        }
        self.open -= 1;
        self.listeners.iter_mut().for_each(|listener| listener.failed_at = None);
        self.moved = true;
        self.note(Event::Closed { peer });
    }

    /// Takes as many bytes for a peer as its socket has space for. `Err` as the system call returns it.
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
                let turn = self.turn;
                self.pairs[peer as usize].take(&bytes[..taken], turn);
                self.pairs[peer as usize].moved_at = self.now;
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
        if self.pairs[peer as usize].peer_closed {
            // The peer has closed its socket, so its host answers with a reset.
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
        let taken = bytes.len().min(self.pairs[peer as usize].space());
        if !calm && taken > 1 && self.draw.chance(faults.short_send) {
            return Ok(self.draw.between(1, taken - 1));
        }
        Ok(taken)
    }
}
