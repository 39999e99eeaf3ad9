//! What members and operators of several nodes are told of all of them: counts of whole rooms, nodes that go and come
//! back, and a node that may not stay.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::cli::Serve;
use crate::cluster::{self, link::NodeId};
use crate::io::Signal;
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::Kernel;
use crate::limits::NODE_SILENCE_MAX;
use crate::moderation::{Kept, OperatorKey};
use crate::server::Flow;
use crate::sim::peers::address;
use crate::sim::simulation::Simulation;
use crate::sim::stream::{MILLISECOND, Settings, Stream};
use crate::token::ListenerId;

/// A node, and where it stands.
struct Node {
    /// `None` once it was killed.
    simulation: Option<Simulation>,
    /// How it ended by itself.
    flow: Flow,
    paused_until: u64,
    peers: u32,
}

/// Nodes on one clock, which nothing disturbs but the test.
pub(super) struct House {
    pub(super) stream: Rc<RefCell<Stream>>,
    nodes: Vec<Node>,
    now: u64,
}

impl House {
    /// Has a node for each list of options.
    pub(super) fn new(options: &[&[&str]]) -> Self {
        let stream = Rc::new(RefCell::new(Stream::new(Draw::seeded(1), Settings::default())));
        let mut house = Self { stream, nodes: Vec::new(), now: 0 };
        options.iter().for_each(|options| house.start(options));
        house.play(5000);
        house
    }

    pub(super) fn start(&mut self, options: &[&str]) {
        let number = self.nodes.len();
        let mut kernel = Kernel::new(Draw::seeded(number as u64), false);
        kernel.set_time(self.now);
        kernel.is_paced = true;
        let link = Stream::link(&self.stream);
        let config = Serve::with(options).expect("options are known").config(100);
        let settings = cluster::Settings {
            node: NodeId(0xa0 + number as u64),
            name: "uproar".to_owned(),
            grace: Duration::from_secs(10),
            key: Some([7; 32]),
            options: cluster::alike::text(&[("line-bytes", config.line_bytes.to_string())]),
        };
        let seed = [number as u8; 32];
        let mut simulation = Simulation::in_cluster(kernel, config, seed, Box::new(link), settings);
        simulation.server.name_node(&format!("box{number}"));
        let key = OperatorKey::of(b"the key of this house", config.line_bytes).expect("it is a key");
        simulation.server.keep_order_with(Kept { operator_key: Some(key), ..Kept::default() }, None);
        self.nodes.push(Node { simulation: Some(simulation), flow: Flow::On, paused_until: 0, peers: 0 });
    }

    /// Time goes on by so many milliseconds.
    pub(super) fn play(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds * MILLISECOND;
        while self.now < end {
            let wakes: Vec<u64> = (0..self.nodes.len()).map(|node| self.wakes_at(node)).collect();
            if let Some(node) = wakes.iter().position(|at| *at <= self.now) {
                self.turn(node);
                continue;
            }
            let event = self.stream.borrow().next_event().unwrap_or(u64::MAX);
            self.now = wakes.into_iter().chain([event, end]).min().expect("there is an end").max(self.now);
            self.stream.borrow_mut().advance(self.now);
        }
    }

    fn wakes_at(&self, node: usize) -> u64 {
        let Node { simulation, flow, paused_until, .. } = &self.nodes[node];
        let Some(simulation) = simulation.as_ref().filter(|_| *flow == Flow::On) else { return u64::MAX };
        let kernel = simulation.kernel.borrow();
        let waits_until = kernel.waits_until.unwrap_or(self.now).min(kernel.next_event().unwrap_or(u64::MAX));
        let news = if self.stream.borrow().has_news(node) { self.now } else { u64::MAX };
        waits_until.min(news).max(*paused_until)
    }

    fn turn(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        let simulation = node.simulation.as_mut().expect("it has something to do");
        {
            let mut kernel = simulation.kernel.borrow_mut();
            kernel.set_time(self.now);
            if self.stream.borrow().has_news(number) {
                kernel.link_after(0);
            }
        }
        node.flow = simulation.turn();
        self.now = simulation.kernel.borrow().time().as_nanos().try_into().expect("runs are short");
        self.stream.borrow_mut().advance(self.now);
    }

    fn kernel(&self, node: usize) -> Rc<RefCell<Kernel>> {
        let kernel = Rc::clone(&self.nodes[node].simulation.as_ref().expect("it is there").kernel);
        kernel.borrow_mut().set_time(self.now);
        kernel
    }

    /// Somebody joins a node, and has read its welcome.
    pub(super) fn join(&mut self, node: usize) -> u32 {
        let number = self.nodes[node].peers;
        self.nodes[node].peers += 1;
        let address = address(number * 4 + 1, false);
        let peer = self.kernel(node).borrow_mut().connect_to(ListenerId::FIRST, address, 1 << 16, true);
        self.play(100);
        peer
    }

    pub(super) fn say(&mut self, node: usize, peer: u32, text: &str) {
        self.kernel(node).borrow_mut().peer_writes(peer, text.as_bytes());
        self.play(100);
    }

    /// The same, and no time goes on.
    pub(super) fn write(&mut self, node: usize, peer: u32, text: &str) {
        self.kernel(node).borrow_mut().peer_writes(peer, text.as_bytes());
    }

    /// The lines that somebody was sent since it was last asked.
    pub(super) fn heard(&self, node: usize, peer: u32) -> Vec<String> {
        let bytes = self.kernel(node).borrow_mut().pair_mut(peer).look();
        String::from_utf8(bytes).expect("it is text").lines().map(str::to_owned).collect()
    }

    pub(super) fn kill(&mut self, node: usize) {
        self.kernel(node).borrow_mut().strict = false;
        self.nodes[node].simulation = None;
    }

    /// What a node has written in its own log.
    pub(super) fn log(&self, node: usize) -> String {
        let simulation = self.nodes[node].simulation.as_ref().expect("it was not killed");
        String::from_utf8(simulation.log.written()).expect("it is text")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].simulation.is_some() {
                self.kernel(node).borrow_mut().strict = false;
            }
        }
    }
}

const SILENCE: u64 = NODE_SILENCE_MAX.as_millis() as u64;

#[test]
fn counts_are_of_the_whole_room_on_every_node() {
    let mut house = House::new(&[&[], &[]]);
    let a = house.join(0);
    house.play(3000);
    house.heard(0, a);
    let b = house.join(1);
    assert_eq!(house.heard(1, b), ["> Connected to the chat server (2 users online)"]);
    house.play(3000);
    assert_eq!(house.heard(0, a), ["> 1 user entered, 0 left. (2 users online)"]);
    house.say(0, a, "/rooms\n/who\n");
    let who = ["! 192.0.2.1:10001", "! and 1 more on other nodes", "! page 1 of 1"];
    assert_eq!(house.heard(0, a), [&["! lobby 2", "! page 1 of 1"][..], &who].concat());
    house.say(1, b, "/join den\n");
    house.play(3000);
    assert_eq!(house.heard(0, a), ["> 0 users entered, 1 left. (1 user online)"]);
    house.say(0, a, "/rooms\n/join den\n");
    let heard = house.heard(0, a);
    assert_eq!(heard.last().map(String::as_str), Some("> Joined den (2 users online)"), "{heard:?}");
    let last = house.join(0);
    house.say(0, last, "/rooms\n");
    assert_eq!(house.heard(0, last)[1..3], ["! den 2", "! lobby 1"], "the largest first");
}

#[test]
fn members_of_a_node_that_goes_have_left_and_are_back_when_it_is() {
    let mut house = House::new(&[&[], &[], &[]]);
    let a = house.join(0);
    house.join(1);
    house.join(2);
    house.play(3000);
    house.heard(0, a);
    house.kill(1);
    house.play(SILENCE - 3000);
    assert_eq!(house.heard(0, a), [""; 0]);
    house.play(4900);
    assert_eq!(house.heard(0, a), ["> 0 users entered, 1 left. (2 users online)"], "within ten seconds");
    // One is stopped for ten seconds.
    house.nodes[2].paused_until = house.now + 10_000 * MILLISECOND;
    house.play(9900);
    assert_eq!(house.heard(0, a), ["> 0 users entered, 1 left. (1 user online)"]);
    house.play(3000);
    assert_eq!(house.heard(0, a), ["> 1 user entered, 0 left. (2 users online)"]);
    let c = house.join(2);
    assert_eq!(house.heard(2, c), ["> Connected to the chat server (3 users online)"], "it took nobody for silent");
}

#[test]
fn members_of_a_node_that_stops_in_order_leave_at_once() {
    let mut house = House::new(&[&[], &[]]);
    let a = house.join(0);
    house.join(1);
    house.play(3000);
    house.heard(0, a);
    house.kernel(1).borrow_mut().signal_after(0, Signal::Terminate);
    house.play(2000);
    assert_eq!(house.nodes[1].flow, Flow::Stop);
    assert_eq!(house.heard(0, a), ["> 0 users entered, 1 left. (1 user online)"]);
}

#[test]
fn a_node_with_other_options_ends_and_says_why_and_those_that_were_there_stay() {
    let mut house = House::new(&[&[], &[]]);
    let a = house.join(0);
    house.start(&["--line-bytes", "1KiB"]);
    house.start(&["--history", "3"]);
    house.play(10_000);
    assert_eq!(house.nodes[2].flow, Flow::StopAtOnce, "its exit code is not 0");
    let log = house.log(2);
    let why = "nodes of a cluster need the same --line-bytes: it is 1024 here and 4096 at box";
    assert!(log.contains(why), "{log}");
    assert!([0, 1, 3].iter().all(|node| house.nodes[*node].flow == Flow::On));
    house.say(0, a, "/op the key of this house\n/nodes\n");
    let heard = house.heard(0, a);
    let nodes: Vec<&str> = heard.iter().filter_map(|line| line.split_once(", up ").map(|(node, _)| node)).collect();
    let expected =
        ["box0 00000000000000a0: 1 members", "box1 00000000000000a1: 0 members", "box3 00000000000000a3: 0 members"];
    assert_eq!(nodes, expected.map(|node| format!("! {node}, 0 behind")));
}
