//! A connection that is in no room yet: it is sent a notice, answers and joins, or leaves before that.

use std::net::SocketAddr;

use super::peers::address;
use super::simulation::Simulation;
use crate::cli::Serve;
use crate::config::Config;
use crate::counters::CloseReason;
use crate::door::{Door, Doors};
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::Kernel;
use crate::message::Notice;
use crate::token::ListenerId;
use crate::wire::Foreign;

fn simulation() -> Simulation {
    let serve = Serve::with(&["--announce-max", "10"]).expect("the options are known");
    let config = Config { doors: Doors::only(Door::Asking), ..serve.config(100) };
    Simulation::new(Kernel::new(Draw::seeded(1), false), config)
}

/// A peer that reads everything.
fn connect(simulation: &mut Simulation, number: u32) -> u32 {
    simulation.connect(ListenerId::FIRST, address(number, false), 1 << 16)
}

/// A peer that reads nothing. Its socket takes ten bytes.
fn connect_full(simulation: &mut Simulation, number: u32) -> u32 {
    let peer = simulation.kernel.borrow_mut().connect(address(number, false), 10, true);
    simulation.kernel.borrow_mut().peer_listens(peer, false);
    simulation.rest();
    peer
}

#[test]
fn a_connection_gets_notices_before_it_joins_and_is_no_member_until_then() {
    let mut simulation = simulation();
    let question = format!("{}\n", Notice::LineTimeout);
    let peers = [0, 1].map(|number| connect(&mut simulation, number));
    assert_eq!(peers.map(|peer| simulation.heard_text(peer)), [question.clone(), question.clone()]);
    assert_eq!(simulation.server.statistics().members, 0);
    simulation.say(peers[0], b"one\ntwo");
    simulation.say(peers[1], b"three\n");
    simulation.say(peers[0], b"\n");
    let [first, second] = [0, 1].map(|number| address(number, false));
    assert_eq!(
        simulation.heard_text(peers[0]),
        format!(
            "> Connected to the chat server (1 user online)\n> New user {second} entered. (2 users online)\n[{second}] three\n"
        )
    );
    assert_eq!(
        simulation.heard_text(peers[1]),
        format!("> Connected to the chat server (2 users online)\n[{first}] two\n")
    );
}

#[test]
fn bytes_that_a_full_socket_has_not_taken_come_whole_and_before_any_message() {
    let mut simulation = simulation();
    let peers = [connect(&mut simulation, 0), connect_full(&mut simulation, 1)];
    simulation.say(peers[0], b"hello\n");
    assert_eq!(simulation.kernel.borrow().pairs()[peers[1] as usize].space(), 0, "the socket is full");
    // It answers before it has read the whole question, and joins.
    simulation.say(peers[1], b"yes\n");
    assert_eq!(simulation.server.statistics().members, 2);
    simulation.say(peers[0], b"again\n");
    simulation.kernel.borrow_mut().peer_listens(peers[1], true);
    simulation.rest();
    let first = address(0, false);
    let expected =
        format!("{}\n> Connected to the chat server (2 users online)\n[{first}] again\n", Notice::LineTimeout);
    assert_eq!(simulation.heard_text(peers[1]), expected);
}

#[test]
fn a_connection_that_ends_before_it_joins_is_not_announced_and_leaves_nothing() {
    let mut simulation = simulation();
    let member = connect(&mut simulation, 0);
    simulation.say(member, b"hello\n");
    let peers = [connect_full(&mut simulation, 1), connect(&mut simulation, 2)];
    simulation.heard_text(member);
    simulation.kernel.borrow_mut().peer_resets(peers[0]);
    simulation.kernel.borrow_mut().peer_finishes(peers[1]);
    simulation.rest();
    assert_eq!(simulation.heard_text(member), "");
    assert_eq!(simulation.kernel.borrow().open_sockets(), 1);
}

#[test]
fn what_the_kernel_had_no_memory_for_is_sent_again_before_the_connection_joins() {
    let mut simulation = simulation();
    simulation.kernel.borrow_mut().faults.send_memory = 255;
    let peer = connect(&mut simulation, 0);
    assert_eq!(simulation.heard_text(peer), "");
    simulation.kernel.borrow_mut().faults.send_memory = 0;
    simulation.settle();
    // It never answers.
    let expected = format!("{}\n{}\n", Notice::LineTimeout, Notice::HandshakeTimeout);
    assert_eq!(simulation.heard_text(peer), expected);
}

fn behind_proxies(members_max: usize, options: &[&str]) -> Simulation {
    let options = [&["--proxy-from", "10.0.0.0/8"], options].concat();
    let serve = Serve::with(&options).expect("the options are known");
    Simulation::new(Kernel::new(Draw::seeded(1), false), serve.config(members_max))
}

/// A connection of a proxy that has sent `bytes` so far.
fn connect_proxy(simulation: &mut Simulation, port: u16, bytes: &[u8]) -> u32 {
    let proxy = SocketAddr::from(([10, 0, 0, 1], port));
    let peer = simulation.connect(ListenerId::FIRST, proxy, 1 << 16);
    simulation.say(peer, bytes);
    peer
}

#[test]
fn whom_a_proxy_brings_is_known_by_its_own_address_wherever_the_header_is_cut() {
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 5 8888\r\nhello\n";
    for cut in 0..=header.len() {
        let mut simulation = behind_proxies(100, &[]);
        let other = connect(&mut simulation, 0);
        simulation.heard_text(other);
        let peer = connect_proxy(&mut simulation, 1, &header[..cut]);
        simulation.say(peer, &header[cut..]);
        assert_eq!(simulation.heard_text(peer), "> Connected to the chat server (2 users online)\n", "cut at {cut}");
        let expected = "> New user 192.0.2.7:5 entered. (2 users online)\n[192.0.2.7:5] hello\n";
        assert_eq!(simulation.heard_text(other), expected, "cut at {cut}");
        simulation.server.invariants();
    }
}

#[test]
fn what_a_proxy_does_not_begin_with_its_header_is_never_said_and_a_look_is_no_member() {
    let mut simulation = behind_proxies(100, &[]);
    let other = connect(&mut simulation, 0);
    simulation.heard_text(other);
    let silent = connect_proxy(&mut simulation, 1, b"");
    simulation.kernel.borrow_mut().peer_finishes(silent);
    let without = connect_proxy(&mut simulation, 2, b"hello\n");
    let looks = connect_proxy(&mut simulation, 3, b"PROXY UNKNOWN\r\n");
    simulation.rest();
    assert!([silent, without, looks].iter().all(|peer| simulation.is_closed(*peer)));
    assert_eq!((simulation.heard_text(without), simulation.heard_text(other)), (String::new(), String::new()));
    assert_eq!(simulation.server.closes(CloseReason::NoProxyHeader), 1);
    let elsewhere = SocketAddr::from(([192, 0, 2, 9], 4));
    let peer = simulation.kernel.borrow_mut().connect(elsewhere, 1 << 16, true);
    simulation.say(peer, b"PROXY TCP4 192.0.2.7 198.51.100.1 5 8888\r\nhello\n");
    assert!(simulation.heard_text(peer).ends_with(&format!("{}\n", Notice::Foreign(Foreign::Proxy))));
    assert!(!simulation.heard_text(other).contains("hello"), "nobody but a proxy says whom it brings");
}

#[test]
fn limits_count_whom_a_proxy_brings_and_not_the_proxy() {
    let mut simulation = behind_proxies(100, &["--connections-per-address", "1"]);
    let brought = |address: &str| format!("PROXY TCP4 {address} 198.51.100.1 5 8888\r\n");
    let peers: Vec<u32> = [(1, "192.0.2.7"), (2, "192.0.2.8"), (3, "192.0.2.7")]
        .into_iter()
        .map(|(port, address)| connect_proxy(&mut simulation, port, brought(address).as_bytes()))
        .collect();
    assert_eq!(simulation.server.statistics().members, 2);
    assert_eq!(simulation.heard_text(peers[2]), format!("{}\n", Notice::TooManyConnections));
    assert_eq!(simulation.server.closes(CloseReason::TurnedAway), 1);
    simulation.kernel.borrow_mut().peer_finishes(peers[0]);
    simulation.rest();
    connect_proxy(&mut simulation, 4, brought("192.0.2.7").as_bytes());
    assert_eq!(simulation.server.statistics().members, 2, "its place is free again");
}

#[test]
fn those_that_never_begin_hold_a_tenth_of_the_house_for_a_bounded_time() {
    let mut simulation = behind_proxies(40, &["--line-timeout", "5s"]);
    let peers: Vec<u32> = (0..10).map(|port| connect_proxy(&mut simulation, port, b"PROXY TCP4 ")).collect();
    let closed: Vec<bool> = peers.iter().map(|peer| simulation.is_closed(*peer)).collect();
    assert_eq!(closed, [[true; 6].as_slice(), &[false; 4]].concat(), "those that came first");
    assert_eq!(simulation.server.closes(CloseReason::HandshakesFull), 6);
    simulation.say(peers[9], b"192.0.2.7 198.51.100.1 5 8888\r\n");
    simulation.settle();
    assert_eq!(simulation.server.closes(CloseReason::HandshakeTimeout), 3);
    assert!(!simulation.is_closed(peers[9]), "a member stays");
    simulation.server.invariants();
}
