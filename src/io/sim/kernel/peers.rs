//! What peers do, and which operations complete because of it.

use std::net::SocketAddr;

use super::{Kernel, What};
use crate::io::sim::pair::Pair;
use crate::io::sim::trace::Event;
use crate::token::ListenerId;

impl Kernel {
    /// A peer connects. Its socket takes `capacity` bytes before the peer reads.
    pub fn connect(&mut self, address: SocketAddr, capacity: usize, recorded: bool) -> u32 {
        self.connect_to(ListenerId::FIRST, address, capacity, recorded)
    }

    /// As [`Kernel::connect`], to one of several listeners.
    pub fn connect_to(&mut self, listener: ListenerId, address: SocketAddr, capacity: usize, recorded: bool) -> u32 {
        let peer = u32::try_from(self.pairs.len()).expect("a run has fewer than 2^32 connections");
        let mut pair = Pair::new(address, capacity, recorded);
        let closed = self.listeners[listener.index()].closed;
        pair.refused = closed;
        self.pairs.push(pair);
        self.note(Event::Connects { peer });
        if !closed {
            self.listeners[listener.index()].backlog.push_back(peer);
            self.look_at_backlog(listener);
        }
        peer
    }

    pub fn peer_writes(&mut self, peer: u32, bytes: &[u8]) {
        self.pairs[peer as usize].up.extend(bytes);
        self.note(Event::Writes { peer, bytes: bytes.len() });
        self.poke_receive(peer);
    }

    /// A peer reads bytes as soon as they arrive from now on, or stops reading.
    pub fn peer_listens(&mut self, peer: u32, listens: bool) {
        self.pairs[peer as usize].reading = listens;
        if listens {
            self.poke_read(peer);
        } else {
            self.note(Event::StopsReading { peer });
        }
    }

    pub fn peer_finishes(&mut self, peer: u32) {
        self.pairs[peer as usize].fin = true;
        self.note(Event::Finishes { peer });
        self.poke_receive(peer);
    }

    pub fn peer_resets(&mut self, peer: u32) {
        let lost = self.draw.chance(128);
        let pair = &mut self.pairs[peer as usize];
        pair.reset = true;
        if lost {
            pair.up.clear();
        }
        self.note(Event::Resets { peer });
        self.poke_receive(peer);
        self.poke_watch(peer);
    }

    /// A peer closes its socket: bytes that it has not read are lost, and its host answers further ones with a reset.
    pub fn peer_goes(&mut self, peer: u32) {
        let pair = &mut self.pairs[peer as usize];
        pair.fin = true;
        pair.peer_closed = true;
        pair.reset |= pair.unread > 0;
        self.note(Event::Goes { peer });
        self.poke_receive(peer);
        self.poke_watch(peer);
    }

    pub(super) fn poke_receive(&mut self, peer: u32) {
        let pair = &mut self.pairs[peer as usize];
        let complete = !pair.up.is_empty() || pair.fin || pair.reset || pair.shut;
        if pair.receiving && !pair.receive_scheduled && complete {
            pair.receive_scheduled = true;
            let delay = self.latency(peer);
            self.schedule(delay, What::Readable(peer));
        }
    }

    pub(super) fn poke_watch(&mut self, peer: u32) {
        let pair = &mut self.pairs[peer as usize];
        let (watching, complete) =
            (pair.watching && !pair.watch_scheduled, pair.space() > 0 || pair.reset || pair.shut);
        if watching && (complete || self.draw.chance(self.faults.false_writable)) {
            self.pairs[peer as usize].watch_scheduled = true;
            let delay = self.latency(peer);
            self.schedule(delay, What::Writable(peer));
        }
    }

    pub(super) fn poke_read(&mut self, peer: u32) {
        let pair = &mut self.pairs[peer as usize];
        if pair.reading && !pair.read_scheduled && pair.unread > 0 {
            pair.read_scheduled = true;
            let delay = self.latency(peer);
            self.schedule(delay, What::Read(peer));
        }
    }

    pub(super) fn on_read(&mut self, peer: u32) {
        let slow = self.faults.slow_reads;
        let pair = &mut self.pairs[peer as usize];
        pair.read_scheduled = false;
        if !pair.reading || pair.unread == 0 || pair.peer_closed {
            return;
        }
        let bytes = if slow { 1 + self.draw.below(pair.unread as u64) as usize } else { pair.unread };
        self.peer_has_read(peer, bytes);
        self.poke_read(peer);
    }

    /// A peer has read `bytes` bytes of those that its socket holds.
    pub fn peer_has_read(&mut self, peer: u32, bytes: usize) {
        self.pairs[peer as usize].unread -= bytes;
        self.pairs[peer as usize].moved_at = self.now;
        self.note(Event::Reads { peer, bytes });
        self.poke_watch(peer);
    }

    /// The faults have changed: looks at every operation in flight again.
    pub fn poke_all(&mut self) {
        for peer in 0..u32::try_from(self.pairs.len()).expect("counted when they began") {
            self.poke_receive(peer);
            self.poke_watch(peer);
            self.poke_read(peer);
        }
    }
}
