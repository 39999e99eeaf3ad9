//! The peers of one node: each says numbered lines, and may go to other rooms, ask for the past, set topics and make
//! announcements if it is an operator, stop reading for a while, or leave.
//!
//! Every line begins with the number of its node, of its peer and of the line, so no two of a run are the same.

use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::{Kernel, Script};
use crate::sim::peers::address;
use crate::sim::script::{ARRIVAL, Steps};

pub const ROOMS: [&str; 3] = ["lobby", "den", "attic"];

/// The operators' key of every node.
pub const KEY: &str = "the key of this house";

/// More peers than a node ever has: the address of a peer is its own in the whole run.
const PEERS_MAX: u32 = 1000;

/// The peers of all nodes of a run.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// At a node, and how many more may come after others.
    pub peers: usize,
    pub returns: usize,
    pub steps: usize,
    /// Longest pause between two steps, in nanoseconds.
    pub pause: u64,
    /// Most bytes that a socket takes before its peer reads.
    pub capacity: usize,
    /// Out of 256: how often a step is one of these.
    pub joins: u8,
    pub stops_reading: u8,
    pub leaves: u8,
    pub asks: u8,
    /// A step of an operator is a topic or an announcement.
    pub orders: u8,
    pub json: u8,
    /// Out of 256: how many peers are operators.
    pub operators: u8,
}

impl Habits {
    pub fn draw(draw: &mut Draw) -> Self {
        Self {
            peers: draw.pick(&[2, 1, 4]),
            returns: draw.pick(&[2, 0, 6]),
            steps: draw.pick(&[20, 8, 50]),
            pause: draw.pick(&[100_000_000, 1_000_000, 1_000_000_000]),
            capacity: draw.pick(&[1 << 16, 1 << 16, 300]),
            joins: draw.pick(&[0, 24, 80]),
            stops_reading: draw.pick(&[0, 0, 8]),
            leaves: draw.pick(&[0, 4, 24]),
            asks: draw.pick(&[0, 16]),
            orders: 60,
            json: draw.pick(&[128, 255, 0]),
            operators: draw.pick(&[0, 0, 100]),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Talker {
    steps_left: usize,
    lines: usize,
    is_operator: bool,
}

#[derive(Debug)]
pub struct Talkers {
    node: usize,
    habits: Habits,
    /// By connection of this node.
    talkers: Vec<Talker>,
    spare: usize,
    over: bool,
}

impl Talkers {
    pub fn new(node: usize, habits: Habits) -> Self {
        Self { node, habits, talkers: Vec::new(), spare: habits.returns, over: false }
    }

    pub fn begin(&mut self, kernel: &mut Kernel) {
        for _ in 0..self.habits.peers {
            self.pause(kernel, ARRIVAL);
        }
    }

    fn number(&self) -> u32 {
        u32::try_from(self.talkers.len()).expect("there are few peers")
    }

    fn line(&mut self, draw: &mut Draw, peer: u32) -> String {
        let talker = &mut self.talkers[peer as usize];
        talker.lines += 1;
        let action = if draw.chance(24) { "/me " } else { "" };
        format!("{action}{}.{peer}.{}{}\n", self.node, talker.lines, draw.pick(&["", " hello", " \"caf\u{e9}\""]))
    }

    /// The scripts are over: each peer reads from now on, and says one more line.
    pub fn settle(&mut self, kernel: &mut Kernel) {
        self.over = true;
        for peer in 0..self.number() {
            if kernel.pairs()[peer as usize].is_alive() {
                let line = self.line(&mut kernel.draw, peer);
                kernel.peer_writes(peer, line.as_bytes());
            }
            kernel.pair_mut(peer).widen(1 << 16);
            kernel.peer_listens(peer, true);
        }
    }

    /// A peer comes when everything is quiet, says a line, and stays.
    pub fn latecomer(&mut self, kernel: &mut Kernel) {
        let peer = self.connect(kernel, 1 << 16);
        let line = self.line(&mut kernel.draw, peer);
        kernel.peer_writes(peer, format!("/format json\n{line}").as_bytes());
    }

    fn connect(&mut self, kernel: &mut Kernel, capacity: usize) -> u32 {
        let number = self.number();
        assert!(number < PEERS_MAX, "there are few peers");
        let peer = kernel.connect(address(self.node as u32 * PEERS_MAX + number, false), capacity, true);
        assert_eq!(peer, number);
        let steps_left = kernel.draw.between(1, self.habits.steps);
        self.talkers.push(Talker { steps_left, lines: 0, is_operator: false });
        peer
    }
}

impl Script for Talkers {
    fn act(&mut self, kernel: &mut Kernel, peer: u32) {
        self.take_step(kernel, peer);
    }
}

impl Steps for Talkers {
    fn is_over(&self) -> bool {
        self.over
    }

    fn arrive(&mut self, kernel: &mut Kernel) {
        let capacity = self.capacity(kernel, self.habits.capacity);
        let reads_json = kernel.draw.chance(self.habits.json);
        let peer = self.connect(kernel, capacity);
        if reads_json {
            kernel.peer_writes(peer, b"/format json\n");
        }
        if kernel.draw.chance(self.habits.operators) {
            self.talkers[peer as usize].is_operator = true;
            kernel.peer_writes(peer, format!("/op {KEY}\n").as_bytes());
        }
        self.pause(kernel, peer);
    }

    fn replace(&mut self, kernel: &mut Kernel) {
        if self.spare > 0 {
            self.spare -= 1;
            self.pause(kernel, ARRIVAL);
        }
    }

    fn steps_left(&mut self, peer: u32) -> &mut usize {
        &mut self.talkers[peer as usize].steps_left
    }

    fn pause_max(&self) -> u64 {
        self.habits.pause
    }

    fn step(&mut self, kernel: &mut Kernel, peer: u32) {
        if kernel.draw.chance(self.habits.leaves) {
            self.leave(kernel, peer);
        } else if kernel.draw.chance(self.habits.stops_reading) {
            self.start_or_stop_reading(kernel, peer);
        } else if kernel.draw.chance(self.habits.joins) {
            let room = kernel.draw.pick(&ROOMS);
            kernel.peer_writes(peer, format!("/join {room}\n").as_bytes());
        } else if self.talkers[peer as usize].is_operator && kernel.draw.chance(self.habits.orders) {
            let order = kernel.draw.pick(&["/topic", "/announce"]);
            let line = self.line(&mut kernel.draw, peer);
            let text = line.strip_prefix("/me ").unwrap_or(&line);
            kernel.peer_writes(peer, format!("{order} {text}").as_bytes());
        } else if kernel.draw.chance(self.habits.asks) {
            let count = kernel.draw.between(1, 30);
            kernel.peer_writes(peer, format!("/history {count}\n").as_bytes());
        } else {
            let lines = if kernel.draw.chance(40) { kernel.draw.between(2, 12) } else { 1 };
            let text: String = (0..lines).map(|_| self.line(&mut kernel.draw, peer)).collect();
            kernel.peer_writes(peer, text.as_bytes());
        }
    }
}
