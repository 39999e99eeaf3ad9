//! The seam: what the loop asks of the kernel, in completion style.
//!
//! The server is written against [`Io`] and knows no descriptor and no system call. Each back end keeps this contract:
//!
//! 1. Starting an operation never fails. Failure arrives as a completion. `EAGAIN` and `EINTR` never cross the seam, and
//!    a full submission queue is the back end's own problem.
//! 2. **Accept** is asked for by listener and stays armed: many completions, each a connected socket and its peer's
//!    address. An error ends it on that listener alone; the server arms it again after a pause or when a descriptor was
//!    freed, never at once, for that would spin.
//! 3. **Receive** is asked for one chunk at a time per connection. Its completion carries bytes that are valid until the
//!    turn ends. Not asking again is backpressure: TCP then slows the sender.
//! 4. **Send** is a batch that borrows its bytes for the call. Every send is resolved when the call returns: sent whole,
//!    sent in part, full, dead, or without memory for now. A full socket is then watched with one one-shot request.
//! 5. So between turns the kernel holds no pointer of ours. No buffer is pinned, nothing is cancelled before memory is
//!    reused.
//! 6. A socket is closed with [`Io::close`], and only when every operation on it has posted its last completion: shut
//!    down, wait, close. [`Io::shutdown`] makes what is in flight complete. A socket is dropped only when the server ends.
//!
//! Completions are collected first and handled afterwards, so a handler never runs inside a back end.

#[cfg(test)]
mod contract;
pub mod epoll;
mod readable;
pub mod readiness;
pub mod select;
pub mod signals;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub mod socket;
mod table;
pub mod uring;

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::limits::{RECEIVE_CHUNK_BYTES, RECEIVES_PER_TURN_MAX};
use crate::token::{ConnectionId, ListenerId};

/// A kernel, real or simulated. It is made with one listener or more.
pub trait Io {
    /// A connected socket, until it is closed. What it is to the kernel is known to the back end alone.
    type Socket: fmt::Debug;

    /// The time by the clock that this kernel's deadlines are measured with.
    fn now(&self) -> Instant;

    /// Arms accepting on a listener. Completes many times with [`Completion::Accepted`], until one carries an error.
    fn accept(&mut self, listener: ListenerId);

    /// Ends accepting for good, on every listener: newcomers are refused by the kernel. Nothing more is accepted after it
    /// returns.
    fn stop_accepting(&mut self);

    /// Asks for one chunk. Completes once with [`Completion::Received`]. At most one may be in flight per connection.
    fn receive(&mut self, socket: &Self::Socket, id: ConnectionId);

    /// Asks to be told when a full socket has room, or is dead. Completes once with [`Completion::Writable`]. At most one
    /// may be in flight per connection.
    fn watch_writable(&mut self, socket: &Self::Socket, id: ConnectionId);

    /// Sends each of `sends` without waiting and stores how it went in its `sent`. A socket may appear once.
    fn send_batch(&mut self, sends: &mut [Send<'_, Self::Socket>]);

    /// Bytes that a socket has taken and its peer has not acknowledged. It falls as the peer takes them, however slowly.
    fn outstanding(&self, socket: &Self::Socket) -> u32;

    /// For how long the peer has answered nothing, although it was asked more than once; `None` while it owes no answer.
    fn silent_for(&self, socket: &Self::Socket) -> Option<Duration>;

    /// Ends both directions, so that whatever is in flight on the socket completes. What was sent is still delivered.
    fn shutdown(&mut self, socket: &Self::Socket);

    /// Closes a socket that has nothing in flight. Its peer is sent what is still on its way to it, and then the end.
    fn close(&mut self, socket: Self::Socket);

    /// Submits what was started, waits, and collects what has completed, replacing what `completions` held. Of the chunks
    /// that were asked for it collects what `receiving` says. An error means that this kernel can no longer be used.
    fn wait(
        &mut self,
        until: Until,
        receiving: Receiving,
        completions: &mut Completions<Self::Socket>,
    ) -> std::io::Result<()>;
}

/// How long [`Io::wait`] waits for a first completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Not at all: there are bytes to send.
    Now,
    /// At most until then.
    Deadline(Instant),
    /// As long as it takes.
    Completion,
}

impl Until {
    /// The longest wait from `now` on; `None` for as long as it takes.
    pub fn timeout(self, now: Instant) -> Option<Duration> {
        match self {
            Self::Now => Some(Duration::ZERO),
            Self::Deadline(deadline) => Some(deadline.saturating_duration_since(now)),
            Self::Completion => None,
        }
    }
}

/// Whether [`Io::wait`] hands over chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiving {
    /// Up to [`RECEIVES_PER_TURN_MAX`] of them, each connection in its turn.
    On,
    /// None. What was asked for stays asked for.
    Off,
}

impl Receiving {
    /// How many of the connections that are `readable` are received from now.
    pub fn count(self, readable: usize) -> usize {
        match self {
            Self::On => readable.min(RECEIVES_PER_TURN_MAX),
            Self::Off => 0,
        }
    }
}

/// One send of a batch.
#[derive(Debug)]
pub struct Send<'a, S> {
    pub socket: &'a S,
    pub bytes: &'a [u8],
    /// How it went. Back ends touch it only for exceptions, so it starts as [`Sent::Whole`].
    pub sent: Sent,
}

impl<'a, S> Send<'a, S> {
    pub fn new(socket: &'a S, bytes: &'a [u8]) -> Self {
        Self { socket, bytes, sent: Sent::Whole }
    }
}

/// How a send went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Whole,
    /// So many bytes, fewer than asked. The socket is full now.
    Part(usize),
    /// Nothing: the socket is full.
    Full,
    /// Nothing: the kernel is short of memory. The socket may be writable all the same, so watching it would spin.
    NoMemory,
    /// Nothing, and nothing ever again.
    Dead(Errno),
}

impl Sent {
    /// What the result of a send of `asked` bytes means for its socket.
    pub fn from_result(result: Result<usize, Errno>, asked: usize) -> Self {
        match result {
            Ok(bytes) if bytes == asked => Self::Whole,
            Ok(bytes) => Self::Part(bytes),
            Err(Errno::AGAIN | Errno::INTR) => Self::Full,
            Err(Errno::NOBUFS | Errno::NOMEM) => Self::NoMemory,
            Err(errno) => Self::Dead(errno),
        }
    }
}

/// What has completed.
#[derive(Debug)]
pub enum Completion<S> {
    /// A newcomer, or why accepting on this listener has ended.
    Accepted(ListenerId, Result<(S, SocketAddr), Errno>),
    /// A newcomer whose socket this back end cannot wait for: it can be told so, and closed. Accepting goes on.
    Unwatchable(ListenerId, S),
    /// A chunk, empty when the peer has sent its last byte; or how the connection broke.
    Received(ConnectionId, Result<Chunk, Errno>),
    /// A watched socket has room, or is dead.
    Writable(ConnectionId),
    /// The process was signalled.
    Signal(Signal),
}

/// Signals that the server reacts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, Ctrl-C on a terminal.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGUSR1, which asks for the statistics line.
    Statistics,
    /// SIGHUP: files are opened anew, or the terminal has gone away.
    Hangup,
}

/// Where in [`Scratch`] the bytes of a receive lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk(Range<usize>);

impl Chunk {
    /// The first `len` bytes of the `index`th piece of scratch memory.
    pub fn new(index: usize, len: usize) -> Self {
        assert!(len <= RECEIVE_CHUNK_BYTES, "a chunk fits its piece of scratch memory");
        let start = index * RECEIVE_CHUNK_BYTES;
        Self(start..start + len)
    }
}

/// Memory for the chunks of one turn.
#[derive(Debug)]
pub struct Scratch(Box<[u8]>);

impl Scratch {
    pub fn bytes(&self, chunk: &Chunk) -> &[u8] {
        &self.0[chunk.0.clone()]
    }

    /// The `index`th piece, for a back end to receive into.
    pub fn piece(&mut self, index: usize) -> &mut [u8] {
        let start = index * RECEIVE_CHUNK_BYTES;
        &mut self.0[start..start + RECEIVE_CHUNK_BYTES]
    }
}

/// What one turn has collected: completions, and the scratch memory that their chunks lie in.
#[derive(Debug)]
pub struct Completions<S> {
    pub list: Vec<Completion<S>>,
    pub scratch: Scratch,
}

impl<S> Completions<S> {
    pub fn new() -> Self {
        let scratch = vec![0; RECEIVES_PER_TURN_MAX * RECEIVE_CHUNK_BYTES];
        Self { list: Vec::new(), scratch: Scratch(scratch.into_boxed_slice()) }
    }
}

impl<S> Default for Completions<S> {
    fn default() -> Self {
        Self::new()
    }
}
