//! The simulated kernel keeps the contract of the seam, like the others.

use std::net::SocketAddr;

use super::Sim;
use super::draw::Draw;
use super::kernel::Kernel;
use crate::io::Signal;
use crate::io::contract::{World, check};

/// What a socket takes ahead of being read.
const ROOM: usize = 200_000;

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

    fn connect(&mut self) -> u32 {
        self.try_connect().expect("the listener listens")
    }

    fn try_connect(&mut self) -> Option<u32> {
        let mut kernel = self.io.kernel.borrow_mut();
        let peer = kernel.is_listening().then(|| kernel.connect(address(self.connected), ROOM, true))?;
        self.connected += 1;
        kernel.peer_listens(peer, false);
        Some(peer)
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
        assert!(!read.is_empty() || kernel.pairs()[*peer as usize].shut, "something arrives, or the end");
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
}

#[test]
fn the_simulated_kernel_keeps_the_contract() {
    check(|| {
        let io = Sim::new(Kernel::new(Draw::seeded(1), false));
        io.kernel.borrow_mut().strict = false;
        Simulated { io, connected: 0 }
    });
}
