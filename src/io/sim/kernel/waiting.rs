//! Waiting: time passes, events happen, and completions are handed over.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::rc::Rc;

use rustix::io::Errno;

use super::{IDLE_TURNS_MAX, Kernel, LOST, POISON, TURN_NANOSECONDS, What};
use crate::io::sim::Socket;
use crate::io::sim::trace::Event;
use crate::io::{Chunk, Completion, Completions, Receiving, Signal, Until};
use crate::limits::{RECEIVE_CHUNK_BYTES, RECEIVES_PER_TURN_MAX};
use crate::token::ListenerId;

impl Kernel {
    /// As [`crate::io::Io::wait`]. `this` is where sockets find this kernel.
    pub fn wait(
        &mut self,
        this: &Rc<RefCell<Self>>,
        until: Until,
        receiving: Receiving,
        completions: &mut Completions<Socket>,
    ) {
        self.turn += 1;
        for index in 0..std::mem::take(&mut self.pieces) {
            completions.scratch.piece(index).fill(POISON);
        }
        self.now += 1 + self.draw.below(TURN_NANOSECONDS);
        if self.draw.chance(self.faults.clock_jump) {
            let nanoseconds = self.draw.below(120_000_000_000);
            self.now += nanoseconds;
            self.note(Event::ClockJumps { nanoseconds });
        }
        let deadline = match until {
            Until::Now => Some(self.now),
            Until::Deadline(deadline) => Some(deadline.saturating_duration_since(self.start).as_nanos() as u64),
            Until::Completion => None,
        };
        let mut waited = false;
        self.waits_until = None;
        self.is_alone = false;
        loop {
            self.run_due();
            self.collect(this, receiving, completions);
            if !completions.list.is_empty() || deadline.is_some_and(|deadline| deadline <= self.now) {
                break;
            }
            if self.is_paced {
                self.waits_until = Some(deadline.unwrap_or(u64::MAX));
                waited = true;
                break;
            }
            let next = self.events.peek().map(|Reverse((time, _, _))| *time);
            if next.is_none() && self.time_stands {
                break;
            }
            self.is_alone = next.is_none();
            self.now = match (next, deadline) {
                (Some(next), Some(deadline)) if next > deadline => deadline + self.lateness(),
                (Some(next), _) => next,
                (None, Some(deadline)) => deadline + self.lateness(),
                (None, None) => {
                    self.idle = true;
                    return;
                }
            };
            waited = true;
        }
        let idle = !waited && completions.list.is_empty() && !std::mem::take(&mut self.moved);
        self.idle_turns = if idle { self.idle_turns + 1 } else { 0 };
        assert!(self.idle_turns < IDLE_TURNS_MAX, "the loop spins: {IDLE_TURNS_MAX} turns without waiting or progress");
        if self.faults.reorder {
            for index in (1..completions.list.len()).rev() {
                completions.list.swap(index, self.draw.below(index as u64 + 1) as usize);
            }
        }
    }

    fn lateness(&mut self) -> u64 {
        if self.faults.lateness == 0 { 0 } else { self.draw.below(self.faults.lateness) }
    }

    fn run_due(&mut self) {
        while let Some(Reverse((time, _, what))) = self.events.peek().copied()
            && time <= self.now
        {
            self.events.pop();
            match what {
                What::Accept(listener) => self.listeners[listener.index()].scheduled = false,
                What::Readable(peer) => self.ready.push_back(peer),
                What::Writable(peer) => {
                    self.pairs[peer as usize].watching = false;
                    self.note(Event::Writable { peer });
                    self.writable.extend(self.pairs[peer as usize].id);
                }
                What::Act(peer) => {
                    let script = self.script.clone().expect("a kernel that is asked for pauses has a script");
                    script.borrow_mut().act(self, peer);
                }
                What::Read(peer) => self.on_read(peer),
                What::Signal(number) => {
                    let all = [Signal::Interrupt, Signal::Terminate, Signal::Statistics, Signal::Hangup];
                    let signal = all.into_iter().find(|signal| *signal as u8 == number).expect("it was scheduled");
                    self.note(Event::signalled(signal));
                    self.signals.push(signal);
                }
                What::Link => self.link_has_news = true,
            }
        }
    }

    fn collect(&mut self, this: &Rc<RefCell<Self>>, receiving: Receiving, completions: &mut Completions<Socket>) {
        for listener in ListenerId::first(self.listeners.len()) {
            self.collect_newcomers(this, listener, completions);
        }
        completions.list.extend(self.writable.drain(..).map(Completion::Writable));
        completions.list.extend(self.signals.drain(..).map(Completion::Signal));
        if std::mem::take(&mut self.link_has_news) {
            completions.list.push(Completion::Link);
        }
        for _ in 0..receiving.count(self.ready.len()) {
            let peer = self.ready.pop_front().expect("the queue is as long as was counted");
            self.collect_chunk(peer, completions);
        }
        if !self.closed_ids.is_empty() && self.draw.chance(self.faults.stale) {
            self.collect_stale(completions);
        }
    }

    fn collect_newcomers(&mut self, this: &Rc<RefCell<Self>>, id: ListenerId, completions: &mut Completions<Socket>) {
        if self.listeners[id.index()].broken && self.listeners[id.index()].armed {
            return self.fail_to_accept(id, Errno::INVAL, completions);
        }
        while let listener = &self.listeners[id.index()]
            && listener.armed
            && !listener.scheduled
            && let Some(peer) = listener.backlog.front().copied()
        {
            let calm = self.pairs[peer as usize].calm;
            let full = self.faults.descriptors > 0 && self.open >= self.faults.descriptors;
            if !calm && (full || self.draw.chance(self.faults.accept)) {
                let errors = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::CONNABORTED];
                let errno = if full { Errno::MFILE } else { self.draw.pick(&errors) };
                return self.fail_to_accept(id, errno, completions);
            }
            self.listeners[id.index()].backlog.pop_front();
            let pair = &mut self.pairs[peer as usize];
            if !calm && self.draw.chance(self.faults.accept_gone) {
                pair.reset = true;
            }
            // A peer that has already left has no address any more, so no back end hands it over.
            if pair.reset && self.draw.chance(128) {
                pair.refused = true;
                continue;
            }
            pair.accepted_in = Some(self.turn);
            self.open += 1;
            self.counts.accepted += 1;
            let address = pair.address;
            self.note(Event::Accepted { peer });
            let unwatchable = !calm && self.draw.chance(self.faults.unwatchable);
            let fails = if calm { 0 } else { self.faults.move_fails };
            let place = if unwatchable { None } else { self.tables.put(peer, fails) };
            self.pairs[peer as usize].place = place;
            let socket = Socket::new(Rc::clone(this), peer, place);
            completions.list.push(if place.is_none() {
                Completion::Unwatchable(id, socket)
            } else {
                Completion::Accepted(id, Ok((socket, address)))
            });
        }
    }

    fn fail_to_accept(&mut self, id: ListenerId, errno: Errno, completions: &mut Completions<Socket>) {
        self.note(Event::AcceptFailed { errno: Event::errno(errno) });
        self.listeners[id.index()].armed = false;
        self.listeners[id.index()].failed_at = Some(self.now);
        completions.list.push(Completion::Accepted(id, Err(errno)));
    }

    fn collect_chunk(&mut self, peer: u32, completions: &mut Completions<Socket>) {
        let faults = self.faults;
        let index = self.pieces;
        let pair = &mut self.pairs[peer as usize];
        let id = pair.id.expect("a receive was asked for");
        pair.receiving = false;
        let error = if pair.calm {
            None
        } else if self.draw.chance(faults.receive_memory) {
            Some(self.draw.pick(&[Errno::NOBUFS, Errno::NOMEM]))
        } else if self.draw.chance(faults.receive_breaks) || (pair.reset && pair.up.is_empty()) {
            pair.reset = true;
            Some(self.draw.pick(&LOST))
        } else {
            None
        };
        if let Some(errno) = error {
            self.note(Event::ReceiveFailed { peer, errno: Event::errno(errno) });
            completions.list.push(Completion::Received(id, Err(errno)));
            return;
        }
        let mut length = pair.up.len().min(RECEIVE_CHUNK_BYTES);
        if length > 1 && self.draw.chance(faults.small_chunk) {
            length = self.draw.between(1, length.min(40));
        }
        if pair.shut && self.draw.chance(128) {
            length = 0;
        }
        let piece = completions.scratch.piece(index);
        for (to, from) in piece.iter_mut().zip(pair.up.drain(..length)) {
            *to = from;
        }
        pair.heard(&piece[..length], self.turn);
        self.pieces += 1;
        self.counts.received_bytes += length as u64;
        self.note(Event::Received { peer, bytes: length });
        completions.list.push(Completion::Received(id, Ok(Chunk::new(index, length))));
    }

    /// Hands over a completion of a connection that was freed, with bytes.
    fn collect_stale(&mut self, completions: &mut Completions<Socket>) {
        let id = self.closed_ids[self.draw.below(self.closed_ids.len() as u64) as usize];
        self.counts.stale += 1;
        self.note(Event::Stale);
        let completion = match self.draw.below(4) {
            0 => Completion::Writable(id),
            1 => Completion::Received(id, Err(Errno::CONNRESET)),
            2 => Completion::Received(id, Ok(Chunk::new(0, 0))),
            _ if self.pieces == RECEIVES_PER_TURN_MAX => Completion::Writable(id),
            _ => {
                let said = b"\na ghost\n";
                completions.scratch.piece(self.pieces)[..said.len()].copy_from_slice(said);
                self.pieces += 1;
                Completion::Received(id, Ok(Chunk::new(self.pieces - 1, said.len())))
            }
        };
        completions.list.push(completion);
    }
}
