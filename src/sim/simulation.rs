//! A server on the simulated kernel, which tests have turn, and the assertions that must hold after every turn.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::memory_file::MemoryFile;
use super::service::Watcher;
use crate::cluster;
use crate::cluster::link::AnyLink;
use crate::config::Config;
use crate::connection::Hold;
use crate::counters::CloseReason;
use crate::io::Completions;
use crate::io::sim::kernel::Kernel;
use crate::io::sim::trace::Event;
use crate::io::sim::{Sim, Socket};
use crate::journal::{Journal, Style};
use crate::limits::JOURNAL_BYTES_MAX;
use crate::names::Name;
use crate::random::Random;
use crate::server::{Flow, Server};
use crate::token::{ConnectionId, ListenerId, RoomId};

/// Most turns until a room has settled once there are no faults.
const SETTLE_TURNS_MAX: usize = 200_000;

/// Most turns until a server that was told to stop has stopped.
const STOP_TURNS_MAX: usize = 200_000;

/// Turns after which invariants are asserted less often, because long runs repeat themselves.
const LONG_TURNS: usize = 3000;

/// Connections that were held between two turns, by [`Hold`]; those that go on are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    pub log_space: u64,
    pub reading: u64,
    pub rate: u64,
    pub ration: u64,
}

/// A server on a simulated kernel, and what a run keeps of it.
#[derive(Debug)]
pub struct Simulation {
    pub server: Server<Sim, MemoryFile>,
    pub kernel: Rc<RefCell<Kernel>>,
    /// What the server calls each member, by connection.
    pub names: HashMap<u32, Name>,
    /// The number under which members know each of them.
    pub ids: HashMap<u32, u64>,
    /// Where the server's own log goes.
    pub log: MemoryFile,
    completions: Completions<Socket>,
    /// Bytes of lines said so far, after each turn.
    pub said: Vec<u64>,
    /// Numbered messages said so far.
    messages: u64,
    /// When each turn was over.
    pub times: Vec<Duration>,
    /// Whether each turn received.
    pub receiving: Vec<bool>,
    pub holds: Holds,
    /// Turns at whose ends members had to be skipped ahead of need.
    pub skipping: u64,
    stall_timeout: Duration,
    /// Whether addresses have a rate, so that lines of it may be reserved.
    reserves: bool,
    /// Most lines at a time that may be said later than their rate allows: those of one turn, and reserved ones whose
    /// time has come.
    pub late_max: usize,
    /// The connections that wait for the ration, by room and in order, each with the bytes that it has waiting.
    rationed: Vec<(RoomId, ConnectionId, usize)>,
    /// The longest turn by the real clock, without the wait.
    pub turn_max: Duration,
    /// The invariants are asserted after every this many turns.
    pub invariants_every: usize,
    /// The service manager, if there is one.
    pub watcher: Option<Watcher>,
    /// Turns in a row after which nothing was to come but signs for the manager.
    quiet_turns: usize,
}

impl Simulation {
    pub fn new(kernel: Kernel, config: Config) -> Self {
        Self::with_log(kernel, config, MemoryFile::default(), Style::default(), JOURNAL_BYTES_MAX)
    }

    /// As [`Simulation::new`], with a journal that writes to `log` and keeps at most `log_bytes_max` bytes that it does
    /// not take.
    pub fn with_log(kernel: Kernel, config: Config, log: MemoryFile, style: Style, log_bytes_max: usize) -> Self {
        let sim = Sim::new(kernel);
        let kernel = Rc::clone(&sim.kernel);
        let server = Server::new(sim, config, Journal::new(log.clone(), style, log_bytes_max), Random::new([1; 32]));
        Self::of(server, kernel, &config, log)
    }

    /// As [`Simulation::new`], of a node of a cluster, which has random numbers of its own.
    pub fn in_cluster(
        kernel: Kernel,
        config: Config,
        seed: [u8; 32],
        link: AnyLink,
        settings: cluster::Settings,
    ) -> Self {
        let (sim, log) = (Sim::new(kernel), MemoryFile::default());
        let kernel = Rc::clone(&sim.kernel);
        // Half of the nodes have no addresses in their logs.
        let style = Style { addresses: seed[0].is_multiple_of(2), ..Style::default() };
        let journal = Journal::new(log.clone(), style, JOURNAL_BYTES_MAX);
        let server = Server::in_cluster(sim, config, journal, Random::new(seed), link, settings);
        Self::of(server, kernel, &config, log)
    }

    fn of(server: Server<Sim, MemoryFile>, kernel: Rc<RefCell<Kernel>>, config: &Config, log: MemoryFile) -> Self {
        Self {
            server,
            kernel,
            names: HashMap::new(),
            ids: HashMap::new(),
            log,
            completions: Completions::new(),
            said: vec![0],
            messages: 0,
            times: vec![Duration::ZERO],
            receiving: vec![false],
            holds: Holds::default(),
            skipping: 0,
            stall_timeout: config.stall_timeout,
            reserves: config.addresses.line_rate.is_some(),
            late_max: 0,
            rationed: Vec::new(),
            turn_max: Duration::ZERO,
            invariants_every: 1,
            watcher: None,
            quiet_turns: 0,
        }
    }

    /// Puts the server under a service manager that waits for a sign for `patience`.
    pub fn watch(&mut self, patience: Duration) -> &Watcher {
        let watcher = Watcher::new(&self.kernel, patience);
        self.server.serve_under(watcher.service());
        self.watcher.insert(watcher)
    }

    /// Takes the server from its manager, before time passes in which nothing happens but signs for it.
    pub fn unwatch(&mut self) {
        self.watcher = None;
        self.server.serve_alone();
    }

    /// True once nothing will happen any more, but for signs for the service manager.
    pub fn is_idle(&self) -> bool {
        // The moments that a turn goes by are known in the next one.
        self.kernel.borrow().idle || self.quiet_turns > 1
    }

    pub fn turn(&mut self) -> Flow {
        let stalled_before = self.server.closes(CloseReason::Stalled);
        self.receiving.push(self.server.is_receiving());
        let start = Instant::now();
        let flow = self.server.turn(&mut self.completions).expect("a simulated kernel does not fail");
        let took = start.elapsed().saturating_sub(self.kernel.borrow().wait_took);
        self.turn_max = self.turn_max.max(took);
        self.skipping += u64::from(self.server.is_skipping());
        let stalled = self.server.closes(CloseReason::Stalled) - stalled_before;
        let identified = std::mem::take(&mut self.kernel.borrow_mut().identified);
        for peer in identified {
            let id = self.kernel.borrow().pairs()[peer as usize].id.expect("it is identified");
            if let Some(name) = self.server.name(id) {
                self.names.insert(peer, name);
                self.ids.extend(self.server.known_as(id).map(|known| (peer, known.0)));
            }
        }
        let idle = std::mem::take(&mut self.kernel.borrow_mut().idle_when_shut);
        let idle = idle.iter().filter(|idle| **idle >= self.stall_timeout).count();
        assert!(stalled <= idle as u64, "a member closed as stalled has taken no byte for the whole time");
        let messages = self.server.messages();
        let messages_before = std::mem::replace(&mut self.messages, messages);
        self.said.push(self.server.said_and_forgotten().0);
        self.times.push(self.kernel.borrow().time());
        let long = self.said.len() > LONG_TURNS;
        if self.said.len().is_multiple_of(if long { self.invariants_every * 16 } else { self.invariants_every }) {
            self.server.invariants();
            self.server.journal().invariants(&self.log.written());
            for held in self.server.holds() {
                *match held {
                    Hold::LogSpace => &mut self.holds.log_space,
                    Hold::Reading => &mut self.holds.reading,
                    Hold::Rate => &mut self.holds.rate,
                    Hold::Ration => &mut self.holds.ration,
                    Hold::Cluster => continue,
                } += 1;
            }
        }
        if self.reserves {
            let said = (messages - messages_before) as usize;
            self.late_max = self.late_max.max(self.server.late_reservations() + said);
        }
        let mut rationed: Vec<_> = self.server.rationed().collect();
        // The queues of the rooms stand side by side.
        rationed.sort_by_key(|(room, ..)| *room);
        // Those of which a line was said, or that have received more, are left out; newcomers stand behind all others.
        let before = &self.rationed;
        let is_new = |id: ConnectionId| before.iter().all(|(_, other, _)| *other != id);
        let overtaken = rationed.chunk_by(|one, next| one.0 == next.0).any(|queue| {
            let waited = before.iter().filter(|waits| waits.0 == queue[0].0 && queue.contains(waits));
            let now = queue.iter().filter(|waits| before.contains(waits) || is_new(waits.1));
            waited.zip(now).any(|(before, now)| before != now)
        });
        assert!(!overtaken, "connections that wait for the room's ration keep their order until their lines are said");
        self.rationed = rationed;
        if let Some(watcher) = &self.watcher {
            watcher.check(&self.server);
            let is_quiet = self.kernel.borrow().is_alone && self.server.only_beats();
            self.quiet_turns = if is_quiet { self.quiet_turns + 1 } else { 0 };
        }
        let mut kernel = self.kernel.borrow_mut();
        kernel.note(Event::Turn { messages });
        if let Some(breach) = kernel.breach {
            panic!("{breach}");
        }
        flow
    }

    /// Turns until nothing moves, while time-outs are still to come.
    pub fn rest(&mut self) {
        self.kernel.borrow_mut().time_stands = true;
        while self.kernel.borrow().has_events() || self.server.has_due() {
            self.turn();
        }
        self.kernel.borrow_mut().time_stands = false;
    }

    /// A peer comes by a door. Its socket takes `space` bytes, and it reads them.
    pub fn connect(&mut self, door: ListenerId, address: SocketAddr, space: usize) -> u32 {
        let peer = self.kernel.borrow_mut().connect_to(door, address, space, true);
        self.rest();
        peer
    }

    /// A peer sends bytes, and everything comes to rest.
    pub fn say(&mut self, peer: u32, bytes: &[u8]) {
        self.kernel.borrow_mut().peer_writes(peer, bytes);
        self.rest();
        self.server.invariants();
    }

    /// What a peer has been sent since it was last asked.
    pub fn heard(&self, peer: u32) -> Vec<u8> {
        self.kernel.borrow_mut().pair_mut(peer).look()
    }

    /// The same as text.
    pub fn heard_text(&self, peer: u32) -> String {
        String::from_utf8(self.heard(peer)).expect("it is text")
    }

    pub fn is_closed(&self, peer: u32) -> bool {
        self.kernel.borrow().pairs()[peer as usize].closed
    }

    /// Turns until nothing will happen any more.
    pub fn settle(&mut self) {
        let start = self.said.len();
        self.kernel.borrow_mut().idle = false;
        self.quiet_turns = 0;
        while !self.is_idle() {
            assert_eq!(self.turn(), Flow::On, "it was not told to stop");
            assert!(self.said.len() - start < SETTLE_TURNS_MAX, "it does not settle");
        }
    }

    /// Turns until the server has stopped.
    pub fn stop(&mut self) -> Flow {
        for _ in 0..STOP_TURNS_MAX {
            match self.turn() {
                Flow::On => {}
                flow => return flow,
            }
        }
        panic!("it does not stop");
    }
}
