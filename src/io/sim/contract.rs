//! The simulated kernel keeps the contract of the seam, like the others.

use std::net::SocketAddr;

use super::draw::Draw;
use super::kernel::Kernel;
use super::kernel::tables::Tables;
use super::{Sim, Socket};
use crate::io::contract::{SECOND, World, check};
use crate::io::{Completion, Completions, Io, Receiving, Send, Signal, Until};
use crate::token::{ConnectionId, Generation, ListenerId, Slot, TableId};

/// Bytes that a socket takes before its peer reads.
const CAPACITY: usize = 200_000;

/// Where the peer of a number comes from.
fn address(number: u32) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 10_000 + u16::try_from(number).expect("a test has few peers")))
}

struct Simulated {
    io: Sim,
    connected: u32,
}

impl World for Simulated {
    type Io = Sim;
    type Peer = u32;

    fn io(&mut self) -> &mut Sim {
        &mut self.io
    }

    fn try_connect(&mut self, listener: ListenerId) -> Option<u32> {
        let mut kernel = self.io.kernel.borrow_mut();
        if !kernel.is_listening(listener) {
            return None;
        }
        let peer = kernel.connect_to(listener, address(self.connected), CAPACITY, true);
        self.connected += 1;
        kernel.peer_listens(peer, false);
        Some(peer)
    }

    fn break_listener(&mut self, listener: ListenerId) {
        self.io.kernel.borrow_mut().break_listener(listener);
    }

    fn address(&self, peer: &u32) -> SocketAddr {
        self.io.kernel.borrow().pairs()[*peer as usize].address
    }

    fn peer_sends(&mut self, peer: &mut u32, bytes: &[u8]) {
        self.io.kernel.borrow_mut().peer_writes(*peer, bytes);
    }

    fn peer_reads(&mut self, peer: &mut u32) -> Vec<u8> {
        let mut kernel = self.io.kernel.borrow_mut();
        let read = kernel.pair_mut(*peer).look();
        let pair = &kernel.pairs()[*peer as usize];
        assert!(!read.is_empty() || pair.shut || pair.closed, "something arrives, or the end");
        kernel.peer_has_read(*peer, read.len());
        read
    }

    fn peer_finishes(&mut self, peer: &mut u32) {
        self.io.kernel.borrow_mut().peer_finishes(*peer);
    }

    fn peer_resets(&mut self, peer: u32) {
        self.io.kernel.borrow_mut().peer_resets(peer);
    }

    fn signal(&mut self, signal: Signal) {
        self.io.kernel.borrow_mut().signal_after(0, signal);
    }

    /// A simulated link has no descriptor.
    fn watch_link(&mut self) {}

    fn give_news(&mut self) {
        self.io.kernel.borrow_mut().link_after(0);
    }

    /// News are reported once here, because a simulated link says so whenever it has some.
    fn take_news(&mut self) {}
}

fn world() -> Simulated {
    let io = Sim::new(Kernel::new(Draw::seeded(1), false));
    io.kernel.borrow_mut().strict = false;
    assert_eq!(io.kernel.borrow_mut().add_listener(), SECOND);
    Simulated { io, connected: 0 }
}

#[test]
fn the_simulated_kernel_keeps_the_contract() {
    check(world);
}

const ID: ConnectionId = ConnectionId { slot: Slot(0), generation: Generation::FIRST };

/// A world with one connection, both of its ends.
fn connected() -> (Simulated, Socket) {
    let mut world = world();
    world.io.accept(ListenerId::FIRST);
    match accepted(&mut world) {
        Completion::Accepted(_, Ok((socket, _))) => (world, socket),
        other => panic!("nobody was accepted: {other:?}"),
    }
}

/// Connects, and returns what the server is told of it.
fn accepted(world: &mut Simulated) -> Completion<Socket> {
    world.connect(ListenerId::FIRST);
    let mut completions = Completions::new();
    world.io.wait(Until::Now, Receiving::On, &mut completions).expect("a simulated kernel does not fail");
    completions.list.pop().expect("somebody was accepted")
}

/// A world with two tables of one slot, and a socket in each.
fn in_two_tables() -> (Simulated, [Socket; 2]) {
    let mut world = world();
    world.io.kernel.borrow_mut().tables = Tables::new(1, 2, Draw::seeded(1));
    world.io.accept(ListenerId::FIRST);
    let sockets = [(); 2].map(|()| match accepted(&mut world) {
        Completion::Accepted(_, Ok((socket, _))) => socket,
        other => panic!("nobody was accepted: {other:?}"),
    });
    assert_eq!(sockets.each_ref().map(|socket| world.io.table(socket)), [TableId(0), TableId(1)]);
    (world, sockets)
}

#[test]
#[should_panic(expected = "a batch goes to one table")]
fn a_batch_over_two_tables_is_found() {
    let (mut world, sockets) = in_two_tables();
    let mut sends = sockets.each_ref().map(|socket| Send::new(socket, b"hello"));
    world.io.send_batch(&mut sends);
}

#[test]
fn a_newcomer_has_the_slot_of_one_that_left_or_none() {
    let (mut world, [first, second]) = in_two_tables();
    let third = accepted(&mut world);
    assert!(matches!(third, Completion::Unwatchable(..)), "no table has room: {third:?}");
    world.io.close(first);
    match accepted(&mut world) {
        Completion::Accepted(_, Ok((socket, _))) => assert_eq!(world.io.table(&socket), TableId(0)),
        other => panic!("there is room: {other:?}"),
    }
    assert_eq!(world.io.table(&second), TableId(1));
    world.io.kernel.borrow_mut().faults.move_fails = 255;
    world.io.close(second);
    let failed = (0..10).map(|_| accepted(&mut world)).filter(|told| matches!(told, Completion::Unwatchable(..)));
    assert!(failed.count() >= 9, "a move fails although there is room");
}

#[test]
#[should_panic(expected = "nothing is in flight")]
fn closing_with_a_receive_in_flight_is_found() {
    let (mut world, socket) = connected();
    world.io.receive(&socket, ID);
    world.io.close(socket);
}

#[test]
#[should_panic(expected = "nothing is in flight")]
fn closing_while_a_watch_is_in_flight_is_found() {
    let (mut world, socket) = connected();
    world.io.watch_writable(&socket, ID);
    world.io.close(socket);
}

#[test]
fn a_socket_that_is_dropped_and_not_closed_is_found() {
    for (closes, breach) in [(true, None), (false, Some("a socket was dropped and not closed"))] {
        let (mut world, socket) = connected();
        world.io.kernel.borrow_mut().strict = true;
        if closes {
            world.io.close(socket)
        } else {
            drop(socket)
        }
        assert_eq!(world.io.kernel.borrow().breach, breach);
        assert_eq!(world.io.kernel.borrow().open_sockets(), 0);
    }
}
