//! The contract of the seam as tests, the same for every back end: each is a function over [`World`], a kernel with two
//! listeners and peers that connect to them. Other tests run the program for what needs a whole process: descriptors
//! that run out, a refused ring.

mod real;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Completion, Completions, Io, Receiving, Send, Sent, Signal, Until};
use crate::limits::{RECEIVE_CHUNK_BYTES, RECEIVES_PER_TURN_MAX};
use crate::token::{ConnectionId, Generation, ListenerId, Serial, Slot};

/// Long enough for any machine; a test that fails takes this long to do so.
const PATIENCE: Duration = Duration::from_secs(20);
/// Short, and long enough for something that should not happen to happen.
const MOMENT: Duration = Duration::from_millis(20);
/// The second listener, which most tests do not use.
pub const SECOND: ListenerId = ListenerId(1);

/// A kernel under test, and the peers at the other ends of its sockets.
pub trait World {
    type Io: Io;
    type Peer;

    fn io(&mut self) -> &mut Self::Io;
    /// `None` when the newcomer is refused.
    fn try_connect(&mut self, listener: ListenerId) -> Option<Self::Peer>;
    fn connect(&mut self, listener: ListenerId) -> Self::Peer {
        self.try_connect(listener).expect("the listener listens")
    }
    /// Has accepting on a listener end with an error.
    fn break_listener(&mut self, listener: ListenerId);
    fn address(&self, peer: &Self::Peer) -> SocketAddr;
    /// Sends all of `bytes`.
    fn peer_sends(&mut self, peer: &mut Self::Peer, bytes: &[u8]);
    /// What has arrived, at least one byte; empty at the end of the stream.
    fn peer_reads(&mut self, peer: &mut Self::Peer) -> Vec<u8>;
    /// Sends no more, and still reads.
    fn peer_finishes(&mut self, peer: &mut Self::Peer);
    fn peer_resets(&mut self, peer: Self::Peer);
    fn signal(&mut self, signal: Signal);
    /// Has the back end watch the cluster's link.
    fn watch_link(&mut self);
    /// Has the link be readable, until [`World::take_news`].
    fn give_news(&mut self);
    fn take_news(&mut self);
}

type Socket<W> = <<W as World>::Io as Io>::Socket;

/// A completion that a test has not looked at yet, with a chunk as bytes.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    NoMoreAccepted(ListenerId),
    Received(ConnectionId, Result<Vec<u8>, ()>),
    Writable(ConnectionId),
    Signal(Signal),
    Link,
}

/// A world, and the completions that it has given.
struct Harness<W: World> {
    world: W,
    completions: Completions<Socket<W>>,
    accepted: Vec<(ListenerId, Socket<W>, SocketAddr)>,
    seen: Vec<Seen>,
}

impl<W: World> Harness<W> {
    fn new(world: W) -> Self {
        let mut harness = Self { world, completions: Completions::new(), accepted: Vec::new(), seen: Vec::new() };
        harness.world.io().accept(ListenerId::FIRST);
        harness
    }

    fn io(&mut self) -> &mut W::Io {
        self.world.io()
    }

    fn wait(&mut self, until: Until, receiving: Receiving) {
        self.world.io().wait(until, receiving, &mut self.completions).expect("the kernel works");
        let Completions { list, scratch } = &mut self.completions;
        for completion in list.drain(..) {
            match completion {
                Completion::Accepted(listener, Ok((socket, address))) => {
                    self.accepted.push((listener, socket, address));
                }
                Completion::Accepted(listener, Err(_)) => self.seen.push(Seen::NoMoreAccepted(listener)),
                Completion::Unwatchable(..) => panic!("there are few descriptors"),
                Completion::Received(id, Ok(chunk)) => {
                    self.seen.push(Seen::Received(id, Ok(scratch.bytes(&chunk).to_vec())));
                }
                Completion::Received(id, Err(_)) => self.seen.push(Seen::Received(id, Err(()))),
                Completion::Writable(id) => self.seen.push(Seen::Writable(id)),
                Completion::Signal(signal) => self.seen.push(Seen::Signal(signal)),
                Completion::Link => self.seen.push(Seen::Link),
            }
        }
    }

    /// Waits again and again until `done`, which must happen.
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "{what} did not happen; seen {:?}", self.seen);
            let deadline = self.io().now() + MOMENT;
            self.wait(Until::Deadline(deadline), Receiving::On);
        }
    }

    /// Waits for a moment in which nothing may complete.
    fn nothing_happens(&mut self) {
        let deadline = self.io().now() + MOMENT;
        while self.io().now() < deadline {
            self.wait(Until::Deadline(deadline), Receiving::On);
        }
        assert_eq!(self.seen, []);
    }

    fn join(&mut self) -> (W::Peer, Socket<W>) {
        let peer = self.world.connect(ListenerId::FIRST);
        self.until("an accept", |harness| !harness.accepted.is_empty());
        let (listener, socket, address) = self.accepted.remove(0);
        assert_eq!((listener, address), (ListenerId::FIRST, self.world.address(&peer)));
        (peer, socket)
    }

    fn receive(&mut self, socket: &Socket<W>, id: ConnectionId) {
        self.io().receive(socket, id);
    }

    /// Asks for a chunk and waits for it.
    fn received(&mut self, socket: &Socket<W>, id: ConnectionId) -> Result<Vec<u8>, ()> {
        self.receive(socket, id);
        self.until("a receive", |harness| !harness.seen.is_empty());
        match self.seen.remove(0) {
            Seen::Received(of, chunk) if of == id => chunk,
            other => panic!("not what was asked for: {other:?}"),
        }
    }

    fn send(&mut self, socket: &Socket<W>, bytes: &[u8]) -> Sent {
        let mut sends = [Send::new(socket, bytes)];
        self.io().send_batch(&mut sends);
        sends[0].sent
    }

    /// Fills a socket whose peer does not read; returns the bytes that it took.
    fn fill(&mut self, socket: &Socket<W>) -> usize {
        let bytes = vec![b'x'; 1 << 20];
        let mut taken = 0;
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < PATIENCE, "a socket took {taken} bytes and is not full");
            match self.send(socket, &bytes) {
                Sent::Whole => taken += bytes.len(),
                Sent::Part(part) => {
                    assert!(part > 0 && part < bytes.len(), "a part is some and not all");
                    taken += part;
                }
                // Bytes that are still on their way may free space.
                Sent::Full if self.rests(socket, &bytes, &mut taken) => return taken,
                Sent::Full => {}
                other => panic!("a socket that nobody reads is full, not {other:?}"),
            }
        }
    }

    /// True when a full socket takes nothing more after a moment.
    fn rests(&mut self, socket: &Socket<W>, bytes: &[u8], taken: &mut usize) -> bool {
        self.nothing_happens();
        match self.send(socket, bytes) {
            Sent::Full => true,
            Sent::Part(part) => {
                *taken += part;
                false
            }
            other => panic!("a full socket has taken {other:?}"),
        }
    }
}

fn id(slot: u32) -> ConnectionId {
    ConnectionId { slot: Slot(slot), generation: Generation::FIRST }
}

/// Plays every test on worlds made by `new`.
pub fn check<W: World>(new: impl Fn() -> W) {
    accepting_stays_armed(Harness::new(new()));
    newcomers_carry_the_listener_that_they_came_by(Harness::new(new()));
    a_listener_accepts_once_it_is_armed(Harness::new(new()));
    an_error_ends_accepting_on_its_listener_alone(Harness::new(new()));
    no_newcomer_is_accepted_after_the_end(Harness::new(new()));
    a_chunk_comes_when_it_is_asked_for(Harness::new(new()));
    many_chunks_come_in_order(Harness::new(new()));
    a_turn_receives_from_a_bounded_number_and_from_none_while_receiving_is_off(Harness::new(new()));
    the_end_of_a_stream_is_an_empty_chunk(Harness::new(new()));
    a_reset_is_an_error(Harness::new(new()));
    a_full_socket_is_reported_once_it_is_writable(Harness::new(new()));
    bytes_that_a_peer_has_not_taken_are_outstanding(Harness::new(new()));
    each_send_of_a_batch_has_its_own_outcome(Harness::new(new()));
    shutting_down_completes_operations_in_flight(Harness::new(new()));
    bytes_sent_before_shutting_down_are_delivered(Harness::new(new()));
    closing_ends_the_connection(Harness::new(new()));
    a_slot_has_a_new_connection(Harness::new(new()));
    waiting_ends_when_it_was_told_to(Harness::new(new()));
    signals_arrive(Harness::new(new()));
    news_of_the_link_end_the_wait(Harness::new(new()));
    news_are_reported_while_there_is_no_time_to_wait(Harness::new(new()));
}

fn accepting_stays_armed<W: World>(mut harness: Harness<W>) {
    let peers: Vec<W::Peer> = (0..40).map(|_| harness.world.connect(ListenerId::FIRST)).collect();
    harness.until("all accepts", |harness| harness.accepted.len() == peers.len());
    let mut expected: Vec<SocketAddr> = peers.iter().map(|peer| harness.world.address(peer)).collect();
    let mut accepted: Vec<SocketAddr> = harness.accepted.iter().map(|(_, _, address)| *address).collect();
    expected.sort();
    accepted.sort();
    assert_eq!(accepted, expected);
}

fn newcomers_carry_the_listener_that_they_came_by<W: World>(mut harness: Harness<W>) {
    harness.io().accept(SECOND);
    let order = [SECOND, ListenerId::FIRST, ListenerId::FIRST, SECOND, SECOND];
    let peers = order.map(|listener| (listener, harness.world.connect(listener)));
    harness.until("all accepts", |harness| harness.accepted.len() == peers.len());
    let mut expected = peers.map(|(listener, peer)| (listener, harness.world.address(&peer)));
    let mut accepted: Vec<_> = harness.accepted.iter().map(|(listener, _, address)| (*listener, *address)).collect();
    expected.sort();
    accepted.sort();
    assert_eq!(accepted, expected);
}

fn a_listener_accepts_once_it_is_armed<W: World>(mut harness: Harness<W>) {
    let peer = harness.world.connect(SECOND);
    harness.join();
    harness.nothing_happens();
    assert!(harness.accepted.is_empty(), "the other listener is armed, and not this one");
    harness.io().accept(SECOND);
    harness.until("an accept", |harness| !harness.accepted.is_empty());
    let (listener, _, address) = &harness.accepted[0];
    assert_eq!((*listener, *address), (SECOND, harness.world.address(&peer)));
}

fn an_error_ends_accepting_on_its_listener_alone<W: World>(mut harness: Harness<W>) {
    harness.io().accept(SECOND);
    harness.nothing_happens();
    for _ in 0..2 {
        harness.world.break_listener(SECOND);
        harness.until("the error", |harness| !harness.seen.is_empty());
        assert_eq!(harness.seen, [Seen::NoMoreAccepted(SECOND)]);
        harness.seen.clear();
        // It is told once, until it is armed again.
        harness.nothing_happens();
        harness.join();
        harness.io().accept(SECOND);
    }
}

fn no_newcomer_is_accepted_after_the_end<W: World>(mut harness: Harness<W>) {
    let (mut peer, socket) = harness.join();
    harness.io().accept(SECOND);
    harness.io().stop_accepting(ListenerId::FIRST);
    harness.nothing_happens();
    assert!(harness.world.try_connect(ListenerId::FIRST).is_none(), "newcomers are refused");
    let _other = harness.world.connect(SECOND);
    harness.until("a newcomer by the other listener", |harness| !harness.accepted.is_empty());
    harness.accepted.clear();
    harness.io().stop_accepting(SECOND);
    // Back ends may end it only with the next wait.
    harness.nothing_happens();
    for listener in [ListenerId::FIRST, SECOND] {
        assert!(harness.world.try_connect(listener).is_none(), "newcomers are refused");
        harness.io().accept(listener);
    }
    harness.nothing_happens();
    assert!(harness.accepted.is_empty());
    harness.world.peer_sends(&mut peer, b"still here");
    assert_eq!(harness.received(&socket, id(0)), Ok(b"still here".to_vec()));
}

fn a_chunk_comes_when_it_is_asked_for<W: World>(mut harness: Harness<W>) {
    let (mut peer, socket) = harness.join();
    harness.world.peer_sends(&mut peer, b"one");
    harness.nothing_happens();
    assert_eq!(harness.received(&socket, id(0)), Ok(b"one".to_vec()));
    // Not asking again is backpressure: nothing comes, and nothing is lost.
    harness.world.peer_sends(&mut peer, b"two");
    harness.nothing_happens();
    assert_eq!(harness.received(&socket, id(0)), Ok(b"two".to_vec()));
    // Asked first, said afterwards.
    harness.receive(&socket, id(0));
    harness.nothing_happens();
    harness.world.peer_sends(&mut peer, b"three");
    harness.until("the chunk", |harness| !harness.seen.is_empty());
    assert_eq!(harness.seen, [Seen::Received(id(0), Ok(b"three".to_vec()))]);
}

fn many_chunks_come_in_order<W: World>(mut harness: Harness<W>) {
    let (mut peer, socket) = harness.join();
    let said: Vec<u8> = (0..5 * RECEIVE_CHUNK_BYTES + 17).map(|index| (index % 251) as u8).collect();
    harness.world.peer_sends(&mut peer, &said);
    let mut heard = Vec::new();
    while heard.len() < said.len() {
        let chunk = harness.received(&socket, id(0)).unwrap();
        assert!(!chunk.is_empty() && chunk.len() <= RECEIVE_CHUNK_BYTES);
        heard.extend_from_slice(&chunk);
    }
    assert_eq!(heard, said);
}

fn a_turn_receives_from_a_bounded_number_and_from_none_while_receiving_is_off<W: World>(mut harness: Harness<W>) {
    let count = RECEIVES_PER_TURN_MAX + 5;
    let mut members: Vec<(W::Peer, Socket<W>)> = (0..count).map(|_| harness.join()).collect();
    for (slot, (_, socket)) in members.iter().enumerate() {
        harness.io().receive(socket, id(slot as u32));
    }
    for (peer, _) in &mut members {
        harness.world.peer_sends(peer, b"me");
    }
    let start = Instant::now();
    while harness.seen.len() < count {
        assert!(start.elapsed() < PATIENCE, "everybody's turn comes");
        let before = harness.seen.len();
        harness.wait(Until::Now, Receiving::Off);
        assert_eq!(harness.seen.len(), before, "no chunk is handed over while receiving is off");
        harness.wait(Until::Now, Receiving::On);
        assert!(harness.seen.len() - before <= RECEIVES_PER_TURN_MAX, "a turn is bounded");
    }
    let mut slots: Vec<u32> = Vec::new();
    for seen in &harness.seen {
        let Seen::Received(of, Ok(chunk)) = seen else { panic!("{seen:?}") };
        assert_eq!(chunk, b"me");
        slots.push(of.slot.0);
    }
    slots.sort_unstable();
    assert!(slots.into_iter().eq(0..count as u32), "each once");
}

fn the_end_of_a_stream_is_an_empty_chunk<W: World>(mut harness: Harness<W>) {
    let (mut peer, socket) = harness.join();
    harness.world.peer_sends(&mut peer, b"bye");
    harness.world.peer_finishes(&mut peer);
    assert_eq!(harness.received(&socket, id(0)), Ok(b"bye".to_vec()));
    assert_eq!(harness.received(&socket, id(0)), Ok(Vec::new()));
    // Half closed: it still reads.
    assert_eq!(harness.send(&socket, b"later"), Sent::Whole);
    assert_eq!(harness.world.peer_reads(&mut peer), b"later");
}

fn a_reset_is_an_error<W: World>(mut harness: Harness<W>) {
    let (peer, socket) = harness.join();
    harness.receive(&socket, id(0));
    harness.nothing_happens();
    harness.world.peer_resets(peer);
    harness.until("the error", |harness| !harness.seen.is_empty());
    assert_eq!(harness.seen, [Seen::Received(id(0), Err(()))]);
    assert!(matches!(harness.send(&socket, b"anybody?"), Sent::Dead(_)));
}

fn a_full_socket_is_reported_once_it_is_writable<W: World>(mut harness: Harness<W>) {
    let (mut peer, socket) = harness.join();
    let taken = harness.fill(&socket);
    harness.io().watch_writable(&socket, id(0));
    harness.nothing_happens();
    let mut read = 0;
    while read < taken {
        read += harness.world.peer_reads(&mut peer).len();
    }
    assert_eq!(read, taken, "what was sent in part is what arrives");
    harness.until("a report that it is writable", |harness| !harness.seen.is_empty());
    assert_eq!(harness.seen, [Seen::Writable(id(0))]);
    harness.seen.clear();
    assert_eq!(harness.send(&socket, b"and on"), Sent::Whole);
    assert_eq!(harness.world.peer_reads(&mut peer), b"and on");
    // One-shot: it is not reported again.
    harness.nothing_happens();
}

fn bytes_that_a_peer_has_not_taken_are_outstanding<W: World>(mut harness: Harness<W>) {
    let (mut peer, socket) = harness.join();
    assert_eq!(harness.io().outstanding(&socket), 0);
    let taken = harness.fill(&socket);
    let outstanding = harness.io().outstanding(&socket) as usize;
    assert!((1..=taken).contains(&outstanding), "{outstanding} of {taken}");
    let mut read = 0;
    while read < taken {
        read += harness.world.peer_reads(&mut peer).len();
    }
    let start = Instant::now();
    while harness.io().outstanding(&socket) > 0 {
        assert!(start.elapsed() < PATIENCE, "everything was read and is outstanding");
        harness.nothing_happens();
    }
}

fn each_send_of_a_batch_has_its_own_outcome<W: World>(mut harness: Harness<W>) {
    let (mut first, healthy) = harness.join();
    let (_second, full) = harness.join();
    let (third, dead) = harness.join();
    let (mut fourth, last) = harness.join();
    harness.fill(&full);
    harness.receive(&dead, id(2));
    harness.world.peer_resets(third);
    harness.until("the reset", |harness| !harness.seen.is_empty());
    let mut sends = [Send::new(&healthy, b"a"), Send::new(&full, b"b"), Send::new(&dead, b"c"), Send::new(&last, b"d")];
    harness.world.io().send_batch(&mut sends);
    let outcomes = sends.map(|send| send.sent);
    assert!(matches!(outcomes, [Sent::Whole, Sent::Full, Sent::Dead(_), Sent::Whole]), "{outcomes:?}");
    assert_eq!(harness.world.peer_reads(&mut first), b"a");
    assert_eq!(harness.world.peer_reads(&mut fourth), b"d");
}

fn shutting_down_completes_operations_in_flight<W: World>(mut harness: Harness<W>) {
    let (_peer, socket) = harness.join();
    harness.fill(&socket);
    harness.receive(&socket, id(0));
    harness.io().watch_writable(&socket, id(0));
    harness.nothing_happens();
    harness.io().shutdown(&socket);
    harness.until("both completions", |harness| harness.seen.len() == 2);
    assert!(harness.seen.contains(&Seen::Writable(id(0))), "{:?}", harness.seen);
    assert!(harness.seen.iter().any(|seen| matches!(seen, Seen::Received(..))), "{:?}", harness.seen);
    harness.seen.clear();
    harness.io().close(socket);
    harness.nothing_happens();
}

fn bytes_sent_before_shutting_down_are_delivered<W: World>(mut harness: Harness<W>) {
    let (mut peer, socket) = harness.join();
    assert_eq!(harness.send(&socket, b"goodbye"), Sent::Whole);
    harness.io().shutdown(&socket);
    harness.io().close(socket);
    assert_eq!(harness.world.peer_reads(&mut peer), b"goodbye");
    assert_eq!(harness.world.peer_reads(&mut peer), b"");
}

fn closing_ends_the_connection<W: World>(mut harness: Harness<W>) {
    let (mut peer, socket) = harness.join();
    let (mut other, other_socket) = harness.join();
    assert_eq!(harness.send(&socket, b"goodbye"), Sent::Whole);
    harness.io().close(socket);
    assert_eq!(harness.world.peer_reads(&mut peer), b"goodbye");
    assert_eq!(harness.world.peer_reads(&mut peer), b"");
    harness.nothing_happens();
    harness.world.peer_sends(&mut other, b"still here");
    assert_eq!(harness.received(&other_socket, id(1)), Ok(b"still here".to_vec()));
}

fn a_slot_has_a_new_connection<W: World>(mut harness: Harness<W>) {
    let mut tenant = id(3);
    let mut serial = Serial::FIRST;
    for round in 0..4u8 {
        let (mut peer, socket) = harness.join();
        harness.world.peer_sends(&mut peer, &[round]);
        assert_eq!(harness.received(&socket, tenant), Ok(vec![round]));
        harness.receive(&socket, tenant);
        harness.io().shutdown(&socket);
        harness.until("the last completion", |harness| !harness.seen.is_empty());
        assert!(matches!(harness.seen[..], [Seen::Received(of, _)] if of == tenant), "{:?}", harness.seen);
        harness.seen.clear();
        harness.io().close(socket);
        serial = serial.next();
        tenant.generation = serial.generation();
    }
}

fn waiting_ends_when_it_was_told_to<W: World>(mut harness: Harness<W>) {
    harness.wait(Until::Now, Receiving::On);
    let deadline = harness.io().now() + MOMENT;
    harness.wait(Until::Deadline(deadline), Receiving::On);
    assert!(harness.io().now() >= deadline, "nothing had completed");
    let past = harness.io().now();
    harness.wait(Until::Deadline(past), Receiving::On);
    assert_eq!(harness.seen, []);
}

fn signals_arrive<W: World>(mut harness: Harness<W>) {
    for signal in [Signal::Statistics, Signal::Hangup, Signal::Interrupt, Signal::Terminate] {
        harness.world.signal(signal);
        harness.until("the signal", |harness| !harness.seen.is_empty());
        assert_eq!(harness.seen, [Seen::Signal(signal)]);
        harness.seen.clear();
    }
}

fn news_of_the_link_end_the_wait<W: World>(mut harness: Harness<W>) {
    harness.world.watch_link();
    let (mut peer, socket) = harness.join();
    harness.nothing_happens();
    for round in 0..3 {
        harness.world.give_news();
        harness.wait(Until::Completion, Receiving::On);
        assert_eq!(harness.seen, [Seen::Link], "round {round}");
        harness.seen.clear();
        harness.world.take_news();
        // What comes from a member meanwhile submits too. One more report may be on its way.
        harness.world.peer_sends(&mut peer, b"hello");
        harness.receive(&socket, id(0));
        let is_chunk = |seen: &Seen| matches!(seen, Seen::Received(..));
        harness.until("the chunk", |harness| harness.seen.iter().any(is_chunk));
        assert!(harness.seen.iter().filter(|seen| **seen == Seen::Link).count() <= 1, "{:?}", harness.seen);
        harness.seen.clear();
        harness.nothing_happens();
    }
}

fn news_are_reported_while_there_is_no_time_to_wait<W: World>(mut harness: Harness<W>) {
    harness.world.watch_link();
    let start = Instant::now();
    for round in 0..3 {
        harness.world.give_news();
        while harness.seen.is_empty() {
            assert!(start.elapsed() < PATIENCE, "round {round}");
            harness.wait(Until::Now, Receiving::Off);
        }
        assert_eq!(harness.seen, [Seen::Link], "round {round}");
        harness.seen.clear();
        harness.world.take_news();
        harness.wait(Until::Now, Receiving::Off);
        harness.seen.clear();
    }
    harness.nothing_happens();
}
