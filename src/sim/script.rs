//! What the scripts of peers have in common: who hears everything, and in which order a peer takes its steps.

use std::net::SocketAddr;

use crate::io::sim::kernel::Kernel;

/// The witness is the first connection of a run.
pub const WITNESS: u32 = 0;

/// Stands for a peer in a step in which a new one connects.
pub const ARRIVAL: u32 = u32::MAX;

/// Lets the witness in from `address`, before the others come. It has no faults, and reads nothing before the end.
pub fn let_witness_in(kernel: &mut Kernel, address: SocketAddr) {
    let witness = kernel.connect(address, usize::MAX, true);
    assert_eq!(witness, WITNESS);
    kernel.pair_mut(witness).calm = true;
    kernel.pair_mut(witness).reading = false;
}

/// A script that is drawn while it is played.
pub trait Steps {
    /// True once the scripts are over.
    fn is_over(&self) -> bool;

    /// A new peer connects.
    fn arrive(&mut self, kernel: &mut Kernel);

    /// A peer that left may be replaced by a new one.
    fn replace(&mut self, kernel: &mut Kernel);

    /// How many steps a peer has left.
    fn steps_left(&mut self, peer: u32) -> &mut usize;

    /// Longest pause between two steps, in nanoseconds.
    fn pause_max(&self) -> u64;

    /// A peer does something: it sends, stops reading, or leaves.
    fn step(&mut self, kernel: &mut Kernel, peer: u32);

    /// How much a new peer takes that it has not read, up to `most` where that is little.
    fn capacity(&self, kernel: &mut Kernel, most: usize) -> usize {
        if kernel.draw.chance(128) { 1 << 16 } else { 1 + kernel.draw.below(most as u64) as usize }
    }

    /// A peer leaves, in one of the ways in which peers do.
    fn leave(&self, kernel: &mut Kernel, peer: u32) {
        match kernel.draw.below(3) {
            0 => kernel.peer_goes(peer),
            1 => kernel.peer_finishes(peer),
            _ => kernel.peer_resets(peer),
        }
    }

    /// A peer that reads stops reading, and one that does not reads again.
    fn start_or_stop_reading(&self, kernel: &mut Kernel, peer: u32) {
        let listens = kernel.pairs()[peer as usize].reading;
        kernel.peer_listens(peer, !listens);
    }

    /// The next step of a peer is taken after a pause.
    fn pause(&self, kernel: &mut Kernel, peer: u32) {
        let pause = kernel.draw.below(self.pause_max() + 1);
        kernel.act_after(pause, peer);
    }

    /// Takes the next step of a peer, unless it has none left.
    fn take_step(&mut self, kernel: &mut Kernel, peer: u32) {
        if self.is_over() {
            return;
        }
        if peer == ARRIVAL {
            self.arrive(kernel);
            return;
        }
        let steps_left = self.steps_left(peer);
        if *steps_left == 0 {
            return;
        }
        *steps_left -= 1;
        if !kernel.pairs()[peer as usize].is_alive() {
            self.replace(kernel);
            return;
        }
        self.step(kernel, peer);
        if kernel.pairs()[peer as usize].is_alive() {
            self.pause(kernel, peer);
        } else {
            self.replace(kernel);
        }
    }
}
