//! A connection that is in no room yet: it is sent a notice, answers and joins, or leaves before that.

use super::peers::address;
use super::simulation::Simulation;
use crate::cli::Serve;
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::Kernel;
use crate::message::Notice;
use crate::server::Door;

fn simulation() -> Simulation {
    let serve = Serve::with(&["--announce-max", "10"]).expect("the options are known");
    let mut simulation = Simulation::new(Kernel::new(Draw::seeded(1), false), serve.config(100));
    simulation.server.open_door(Door::Asking);
    simulation
}

/// A peer that reads everything.
fn connect(simulation: &mut Simulation, number: u32) -> u32 {
    let peer = simulation.kernel.borrow_mut().connect(address(number, false), 1 << 16, true);
    simulation.rest();
    peer
}

/// A peer that reads nothing. Its socket takes ten bytes.
fn connect_full(simulation: &mut Simulation, number: u32) -> u32 {
    let peer = simulation.kernel.borrow_mut().connect(address(number, false), 10, true);
    simulation.kernel.borrow_mut().peer_listens(peer, false);
    simulation.rest();
    peer
}

fn heard(simulation: &Simulation, peer: u32) -> String {
    String::from_utf8(simulation.kernel.borrow_mut().pair_mut(peer).look()).expect("it is text")
}

fn say(simulation: &mut Simulation, peer: u32, bytes: &[u8]) {
    simulation.kernel.borrow_mut().peer_writes(peer, bytes);
    simulation.rest();
}

#[test]
fn a_connection_gets_notices_before_it_joins_and_is_no_member_until_then() {
    let mut simulation = simulation();
    let question = format!("{}\n", Notice::LineTimeout);
    let peers = [0, 1].map(|number| connect(&mut simulation, number));
    assert_eq!(peers.map(|peer| heard(&simulation, peer)), [question.clone(), question.clone()]);
    assert_eq!(simulation.server.statistics().members, 0);
    say(&mut simulation, peers[0], b"one\ntwo");
    say(&mut simulation, peers[1], b"three\n");
    say(&mut simulation, peers[0], b"\n");
    let [first, second] = [0, 1].map(|number| address(number, false));
    assert_eq!(
        heard(&simulation, peers[0]),
        format!(
            "> Connected to the chat server (1 user online)\n> New user {second} entered. (2 users online)\n[{second}] three\n"
        )
    );
    assert_eq!(
        heard(&simulation, peers[1]),
        format!("> Connected to the chat server (2 users online)\n[{first}] two\n")
    );
}

#[test]
fn bytes_that_a_full_socket_has_not_taken_come_whole_and_before_any_message() {
    let mut simulation = simulation();
    let peers = [connect(&mut simulation, 0), connect_full(&mut simulation, 1)];
    say(&mut simulation, peers[0], b"hello\n");
    assert_eq!(simulation.kernel.borrow().pairs()[peers[1] as usize].space(), 0, "the socket is full");
    // It answers before it has read the whole question, and joins.
    say(&mut simulation, peers[1], b"yes\n");
    assert_eq!(simulation.server.statistics().members, 2);
    say(&mut simulation, peers[0], b"again\n");
    simulation.kernel.borrow_mut().peer_listens(peers[1], true);
    simulation.rest();
    let first = address(0, false);
    let expected =
        format!("{}\n> Connected to the chat server (2 users online)\n[{first}] again\n", Notice::LineTimeout);
    assert_eq!(heard(&simulation, peers[1]), expected);
}

#[test]
fn a_connection_that_ends_before_it_joins_is_not_announced_and_leaves_nothing() {
    let mut simulation = simulation();
    let member = connect(&mut simulation, 0);
    say(&mut simulation, member, b"hello\n");
    let peers = [connect_full(&mut simulation, 1), connect(&mut simulation, 2)];
    heard(&simulation, member);
    simulation.kernel.borrow_mut().peer_resets(peers[0]);
    simulation.kernel.borrow_mut().peer_finishes(peers[1]);
    simulation.rest();
    assert_eq!(heard(&simulation, member), "");
    assert_eq!(simulation.kernel.borrow().open_sockets(), 1);
}

#[test]
fn what_the_kernel_had_no_memory_for_is_sent_again_before_the_connection_joins() {
    let mut simulation = simulation();
    simulation.kernel.borrow_mut().faults.send_memory = 255;
    let peer = connect(&mut simulation, 0);
    assert_eq!(heard(&simulation, peer), "");
    simulation.kernel.borrow_mut().faults.send_memory = 0;
    simulation.settle();
    assert_eq!(heard(&simulation, peer), format!("{}\n", Notice::LineTimeout));
}
