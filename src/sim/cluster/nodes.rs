//! The nodes of a run on one clock: which of them turns next, and when time goes on.
//!
//! Each node has a kernel of its own, and all share the simulated engine. A node whose server has something to do turns;
//! which of several is drawn. When none has, time goes on to the next moment at which something happens to one of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::incidents::Incident;
use super::talkers::{Habits, KEY, Talkers};
use crate::cluster::{self, link::NodeId};
use crate::config::Config;
use crate::io::Signal;
use crate::io::sim::UNIX_START;
use crate::io::sim::draw::Draw;
use crate::io::sim::faults::Faults;
use crate::io::sim::kernel::Kernel;
use crate::journal::Style;
use crate::limits::STOP_FLUSH;
use crate::moderation::{Kept, OperatorKey};
use crate::server::Flow;
use crate::sim::memory_file::MemoryFile;
use crate::sim::server_log;
use crate::sim::simulation::Simulation;
use crate::sim::stream::{MILLISECOND, Stream};

/// Most turns of all nodes in a run.
const TURNS_MAX: usize = 2_000_000;

/// Turns of all nodes at the same moment, but for the time that they take: something goes round in circles.
const BUSY_TURNS_MAX: usize = 200_000;

/// Within this time a node that was told to stop has stopped, in nanoseconds.
const STOPS_WITHIN: u64 = (STOP_FLUSH.as_secs() + 1) * 1000 * MILLISECOND;

/// How a run begins.
#[derive(Clone, Debug)]
pub struct Setting {
    pub config: Config,
    pub habits: Habits,
    /// Of the kernels.
    pub faults: Faults,
    /// For how long a node that is cut off takes lines.
    pub grace: Duration,
    /// The logs are so large that nobody is skipped.
    pub keeps_everything: bool,
    /// Rooms are freed to make place for others.
    pub few_rooms: bool,
    pub readable: bool,
}

#[derive(Debug)]
pub struct Node {
    /// Its number in the run, which is also its link's. It is never used again.
    pub number: usize,
    /// `None` once it has ended.
    simulation: Option<Simulation>,
    /// Its own log, and whether that has addresses.
    log: (MemoryFile, bool),
    pub kernel: Rc<RefCell<Kernel>>,
    talkers: Rc<RefCell<Talkers>>,
    /// It does not run before this moment.
    paused_until: u64,
    /// By turn of its kernel: the last sequence that its server had taken.
    pub taken: Vec<u64>,
    /// By turn of its kernel: when the turn had begun.
    pub times: Vec<u64>,
    /// When it was told to stop.
    stopping: Option<u64>,
}

impl Node {
    pub fn is_here(&self) -> bool {
        self.simulation.is_some()
    }
}

#[derive(Debug)]
pub struct Nodes {
    pub setting: Setting,
    pub stream: Rc<RefCell<Stream>>,
    /// All that there ever were.
    pub nodes: Vec<Node>,
    /// Nanoseconds since the start.
    now: u64,
    draw: Draw,
    faults: Faults,
    turns: usize,
}

impl Nodes {
    pub fn new(draw: Draw, stream: Rc<RefCell<Stream>>, setting: Setting) -> Self {
        let faults = setting.faults;
        Self { setting, stream, nodes: Vec::new(), now: 0, draw, faults, turns: 0 }
    }

    pub fn now(&self) -> u64 {
        self.now
    }

    pub fn turns(&self) -> usize {
        self.turns
    }

    /// What happened in all kernels, in the order of time.
    pub fn lines(&self) -> Vec<String> {
        let of = |node: &Node| {
            let kernel = node.kernel.borrow();
            kernel.trace.lines().iter().map(|line| (line.clone(), node.number)).collect::<Vec<_>>()
        };
        let mut lines: Vec<_> = self.nodes.iter().flat_map(of).collect();
        lines.sort_by(|(one, _), (other, _)| one[..14].cmp(&other[..14]));
        lines.into_iter().map(|(line, node)| format!("{} node {node}{}", &line[..14], &line[14..])).collect()
    }

    /// What every peer typed and was sent, and what the stream has.
    pub fn transcripts(&self) -> Vec<String> {
        let mut told = Vec::new();
        for node in &self.nodes {
            for (peer, pair) in node.kernel.borrow().pairs().iter().enumerate() {
                let record = pair.record.as_deref().expect("it is recorded");
                let [typed, sent] = [&record.heard, &record.sent].map(|bytes| String::from_utf8_lossy(bytes));
                told.push(format!("peer {peer} of node {} typed:\n{typed}and was sent:\n{sent}", node.number));
            }
        }
        told.extend(self.stream.borrow().batches().iter().map(|batch| {
            let (text, at) = (String::from_utf8_lossy(&batch.bytes), batch.time.0 - UNIX_START);
            format!("{} in {} at {:.3}: {text}", batch.sequence, batch.room.as_str(), at as f64 / 1e3)
        }));
        told
    }

    /// Panics when the log of a node has what a peer of any node has typed, or an address that it must not have.
    pub fn expect_quiet_logs(&self) {
        for Node { log: (log, addresses), .. } in &self.nodes {
            let text = String::from_utf8(log.written()).expect("the log is text");
            let style = Style { addresses: *addresses, ..Style::default() };
            self.nodes.iter().for_each(|node| server_log::expect_untold(&text, style, &node.kernel.borrow()));
        }
    }

    /// Starts a node, with peers.
    pub fn start(&mut self) {
        let number = self.nodes.len();
        let mut kernel = Kernel::new(Draw::seeded(self.draw.below(u64::MAX)), self.setting.readable);
        kernel.set_time(self.now);
        kernel.is_paced = true;
        kernel.faults = self.faults;
        let talkers = Rc::new(RefCell::new(Talkers::new(number, self.setting.habits)));
        talkers.borrow_mut().begin(&mut kernel);
        kernel.script = Some(Rc::<RefCell<Talkers>>::clone(&talkers));
        let seed = std::array::from_fn(|_| self.draw.below(256) as u8);
        let link = Stream::link(&self.stream);
        assert_eq!(link.number(), number);
        let settings = cluster::Settings {
            node: NodeId(self.draw.below(u64::MAX)),
            name: "uproar".to_owned(),
            grace: self.setting.grace,
            key: None,
            options: String::new(),
        };
        let config = self.setting.config;
        let mut simulation = Simulation::in_cluster(kernel, config, seed, Box::new(link), settings);
        let key = OperatorKey::of(KEY.as_bytes(), config.line_bytes).expect("it is a key");
        simulation.server.keep_order_with(Kept { operator_key: Some(key), ..Kept::default() }, None);
        let kernel = Rc::clone(&simulation.kernel);
        let log = (simulation.log.clone(), simulation.server.journal().has_addresses());
        self.nodes.push(Node {
            number,
            log,
            simulation: Some(simulation),
            kernel,
            talkers,
            paused_until: 0,
            taken: vec![0],
            times: vec![0],
            stopping: None,
        });
    }

    /// Other faults happen in the kernels from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
        for node in &self.nodes {
            let mut kernel = node.kernel.borrow_mut();
            kernel.faults = faults;
            kernel.poke_all();
        }
    }

    /// The peers of nodes that are here do something.
    pub fn with_talkers(&mut self, act: impl Fn(&mut Talkers, &mut Kernel)) {
        for node in self.nodes.iter().filter(|node| node.is_here()) {
            let mut kernel = node.kernel.borrow_mut();
            kernel.set_time(self.now);
            act(&mut node.talkers.borrow_mut(), &mut kernel);
        }
    }

    pub fn happen(&mut self, incident: Incident) {
        let is_here = |node: usize| self.nodes[node].is_here();
        match incident {
            Incident::Cut { node, is_cut } => self.stream.borrow_mut().set_reachable(node, !is_cut),
            Incident::Engine { is_there } => self.stream.borrow_mut().set_there(is_there),
            Incident::Silence { node, nanoseconds } => self.stream.borrow_mut().silence(node, nanoseconds),
            Incident::Pause { node, nanoseconds } => self.nodes[node].paused_until = self.now + nanoseconds,
            Incident::Kill { node } if is_here(node) => self.kill(node),
            Incident::Stop { node } if is_here(node) => self.tell_to_stop(node),
            Incident::Kill { .. } | Incident::Stop { .. } => {}
            Incident::Start => self.start(),
            Incident::Forget { batches } => self.stream.borrow_mut().forget(batches),
        }
    }

    fn kill(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.kernel.borrow_mut().strict = false;
        node.simulation = None;
        assert_eq!(node.kernel.borrow().open_sockets(), 0, "the end of a process closes its sockets");
    }

    /// When a node has something to do.
    fn wakes_at(&self, node: &Node) -> u64 {
        if !node.is_here() {
            return u64::MAX;
        }
        let kernel = node.kernel.borrow();
        let waits_until = kernel.waits_until.unwrap_or(self.now);
        let event = kernel.next_event().unwrap_or(u64::MAX);
        let news = if self.stream.borrow().has_news(node.number) { self.now } else { u64::MAX };
        waits_until.min(event).min(news).max(node.paused_until)
    }

    /// Plays until a moment.
    pub fn play_until(&mut self, end: u64) {
        let (mut busy, mut before) = (0, self.now);
        while self.now < end {
            let ready: Vec<usize> = (0..self.nodes.len()).filter(|node| self.is_ready(*node)).collect();
            if ready.is_empty() {
                self.pass_time(end);
                (busy, before) = (0, self.now);
                continue;
            }
            let next = self.draw_one(&ready);
            self.turn(next);
            busy += 1;
            assert!(busy < BUSY_TURNS_MAX, "nodes are busy since {before} without an end");
        }
    }

    fn draw_one(&mut self, ready: &[usize]) -> usize {
        ready[self.draw.below(ready.len() as u64) as usize]
    }

    fn is_ready(&self, node: usize) -> bool {
        self.wakes_at(&self.nodes[node]) <= self.now
    }

    /// Time goes on to the next moment at which something happens.
    fn pass_time(&mut self, end: u64) {
        let wakes = self.nodes.iter().map(|node| self.wakes_at(node)).min().unwrap_or(u64::MAX);
        let event = self.stream.borrow().next_event().unwrap_or(u64::MAX);
        self.now = wakes.min(event).min(end).max(self.now);
        self.stream.borrow_mut().advance(self.now);
    }

    fn turn(&mut self, index: usize) {
        self.turns += 1;
        assert!(self.turns < TURNS_MAX, "it takes too many turns");
        let node = &mut self.nodes[index];
        let simulation = node.simulation.as_mut().expect("only a node that is here turns");
        {
            let mut kernel = node.kernel.borrow_mut();
            kernel.set_time(self.now);
            if self.stream.borrow().has_news(node.number) {
                kernel.link_after(0);
            }
        }
        let flow = simulation.turn();
        let taken = self.stream.borrow().taken(node.number);
        let turn = node.kernel.borrow().turn;
        node.taken.resize(turn + 1, taken);
        node.times.resize(turn + 1, self.now);
        self.now = u64::try_from(node.kernel.borrow().time().as_nanos()).expect("runs are short");
        self.stream.borrow_mut().advance(self.now);
        let node = &mut self.nodes[index];
        let stopping = node.stopping.map(|since| since.max(node.paused_until));
        if let Some(since) = stopping {
            assert!(self.now < since + STOPS_WITHIN, "node {index} was told to stop at {since} and goes on");
        }
        if flow != Flow::On {
            assert!(stopping.is_some() && flow == Flow::Stop, "node {index} ends with {flow:?}");
            node.kernel.borrow_mut().strict = false;
            node.simulation = None;
            assert_eq!(node.kernel.borrow().open_sockets(), 0, "every socket is closed");
        }
    }

    fn tell_to_stop(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.stopping.get_or_insert(self.now);
        node.kernel.borrow_mut().set_time(self.now);
        node.kernel.borrow_mut().signal_after(0, Signal::Terminate);
    }

    /// Stops all nodes in good order.
    pub fn stop(&mut self) {
        let here: Vec<usize> = (0..self.nodes.len()).filter(|node| self.nodes[*node].is_here()).collect();
        here.into_iter().for_each(|node| self.tell_to_stop(node));
        self.play_until(self.now + STOPS_WITHIN);
        assert!(self.nodes.iter().all(|node| !node.is_here()), "a node that was told to stop goes on");
    }
}
