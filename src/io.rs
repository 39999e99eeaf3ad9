//! The seam: what the loop asks of the kernel, in completion style.
//!
//! The server uses [`Io`] and knows no descriptor and no system call. Each back end keeps this contract:
//!
//! 1. Starting an operation never fails. Failure arrives as a completion. `EAGAIN` and `EINTR` never cross the seam,
//!    and a full submission queue is the back end's own problem.
//! 2. **Accept** is asked for by listener and stays armed: many completions, each a connected socket and its peer's
//!    address. An error ends it on that listener alone. The server arms it again after a pause or when a descriptor was
//!    freed. It does not do so at once, because that would spin.
//! 3. **Receive** is asked for one chunk at a time per connection. Its completion carries bytes that are valid until
//!    the turn ends. Not asking again is backpressure: TCP then slows the sender.
//! 4. **Send** is a batch that borrows its bytes for the call. Every send is resolved when the call returns: sent
//!    whole, sent in part, full, dead, or without memory for now. A full socket is then watched with one one-shot
//!    request.
//! 5. So between turns the kernel holds no pointer of ours. No buffer is pinned, and memory is reused without
//!    cancelling anything.
//! 6. Sockets are in tables. A batch goes to one table, because each table costs a system call. Most back ends have
//!    one.
//! 7. A socket is closed with [`Io::close`], and only when every operation on it has posted its last completion: shut
//!    down, wait, close. [`Io::shutdown`] makes what is in flight complete. A socket is dropped only when the server
//!    ends.
//! 8. The descriptor of the cluster's link is watched from [`Io::watch_link`] on. Each turn in which it is readable has
//!    one [`Completion::Link`], until the link has made it unreadable. A turn may have one although it no longer is.
//!
//! Completions are collected first and handled afterwards, so a handler never runs inside a back end.

pub mod allocator;
mod by_index;
#[cfg(test)]
mod contract;
pub mod epoll;
pub mod inherited;
#[cfg(test)]
pub mod raw;
mod readable;
pub mod readiness;
pub mod select;
pub mod signals;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub mod socket;
pub mod uring;

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::limits::{RECEIVE_CHUNK_BYTES, RECEIVES_PER_TURN_MAX};
use crate::time::UnixTime;
use crate::token::{ConnectionId, ListenerId, TableId};

/// A kernel, real or simulated. It is made with one listener or more.
pub trait Io {
    /// A connected socket, until it is closed. Only the back end knows its descriptor.
    type Socket: fmt::Debug;

    /// The time, by the clock of this kernel's deadlines.
    fn now(&self) -> Instant;

    /// The time of day.
    fn unix_time(&self) -> UnixTime {
        UnixTime::now()
    }

    /// Arms accepting on a listener. Completes many times with [`Completion::Accepted`], until one carries an error.
    fn accept(&mut self, listener: ListenerId);

    /// Ends accepting on a listener for good: newcomers are refused by the kernel. Nothing more is accepted there after it
    /// returns.
    fn stop_accepting(&mut self, listener: ListenerId);

    /// Asks for one chunk. Completes once with [`Completion::Received`]. At most one may be in flight per connection.
    fn receive(&mut self, socket: &Self::Socket, id: ConnectionId);

    /// Asks for a report when a full socket is writable, or dead. Completes once with [`Completion::Writable`]. At most
    /// one may be in flight per connection.
    fn watch_writable(&mut self, socket: &Self::Socket, id: ConnectionId);

    /// The table that a socket is in, as long as it is open.
    fn table(&self, socket: &Self::Socket) -> TableId;

    /// Sends each of `sends` without waiting and stores how it went in its `sent`. A socket may appear once, and all of
    /// them are in one table.
    fn send_batch(&mut self, sends: &mut [Send<'_, Self::Socket>]);

    /// Bytes that a socket has taken and its peer has not acknowledged. The number falls as the peer takes them, also
    /// slowly.
    fn outstanding(&mut self, socket: &Self::Socket) -> u32;

    /// For how long the peer has answered nothing, although it was asked more than once; `None` while it owes no
    /// answer.
    fn silent_for(&mut self, socket: &Self::Socket) -> Option<Duration>;

    /// Ends both directions, so that every operation in flight on the socket completes. Bytes sent before are still
    /// delivered.
    fn shutdown(&mut self, socket: &Self::Socket);

    /// Closes a socket that has nothing in flight. The peer still gets the bytes that the socket has taken, and then
    /// the end.
    fn close(&mut self, socket: Self::Socket);

    /// Watches the descriptor of the cluster's link until the end. Completes with [`Completion::Link`] as long as it is
    /// readable. It is called at most once, and before newcomers are waited for, so that a descriptor is free.
    fn watch_link(&mut self, descriptor: BorrowedFd<'_>);

    /// Submits the operations that were started, waits, and replaces the content of `completions` by those that have
    /// completed. `receiving` says whether chunks are among them. An error means that this kernel can no longer be
    /// used.
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
    /// At most until this moment.
    Deadline(Instant),
    /// Until something completes.
    Completion,
}

impl Until {
    /// The longest wait from `now` on; `None` for no limit.
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
    /// Up to [`RECEIVES_PER_TURN_MAX`] of them; readable connections wait in a queue.
    On,
    /// None. Receives that were asked for stay in flight.
    Off,
}

impl Receiving {
    /// From how many of `readable` connections chunks are received now.
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
    /// This many bytes, fewer than asked. The socket is full now.
    Part(usize),
    /// Nothing: the socket is full.
    Full,
    /// Nothing: the kernel is short of memory. The socket may still count as writable, so watching it could spin.
    NoMemory,
    /// Nothing: the connection is broken.
    Dead(Errno),
}

impl Sent {
    /// The meaning of the result of a send of `asked` bytes.
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

/// A completion.
#[derive(Debug)]
pub enum Completion<S> {
    /// A newcomer, or why accepting on this listener has ended.
    Accepted(ListenerId, Result<(S, SocketAddr), Errno>),
    /// A newcomer whose socket this back end cannot watch. The server can send to it and close it. Accepting goes on.
    Unwatchable(ListenerId, S),
    /// A chunk, empty when the peer has sent its last byte; or how the connection broke.
    Received(ConnectionId, Result<Chunk, Errno>),
    /// A watched socket is writable, or dead.
    Writable(ConnectionId),
    /// The process was signalled.
    Signal(Signal),
    /// The cluster's link may have news.
    Link,
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
    /// SIGHUP: files are to be opened anew, or the terminal was closed.
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

/// The completions of one turn, and the scratch memory with their chunks.
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
