//! The common part of the back ends that report readiness, epoll and select, behind the completion-style seam.
//!
//! A [`Poller`] reports which descriptors are ready. Everything else is here: a chunk is received when a receive is in
//! flight and the socket is readable, a full socket is reported when it is watched and writable, and a send is
//! `send(2)`. A poller may report readiness once per change or as long as it lasts, so this file remembers which
//! sockets are readable.

use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::by_index::ByIndex;
use super::readable::Readable;
use super::signals::Signals;
use super::socket::{self, Socket};
use super::{Chunk, Completion, Completions, Io, Receiving, Send, Sent, Until};
use crate::token::{ConnectionId, ListenerId, Op, TableId, Token};

/// A mechanism that tells which of many descriptors are ready.
pub trait Poller {
    /// The kernel's name for it, as in the ready line.
    const NAME: &'static str;

    /// Has `descriptor` watched for `interest` from now on, in place of what it was watched for. `token` comes back
    /// with its readiness.
    fn watch(&mut self, descriptor: BorrowedFd<'_>, token: Token, interest: Interest) -> Result<(), Errno>;

    /// Waits for readiness, at most for `timeout`, and appends it to `ready`.
    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<(Token, Ready)>) -> std::io::Result<()>;

    /// False for a descriptor that the mechanism cannot watch.
    fn takes(&self, descriptor: RawFd) -> bool;
}

/// What a descriptor is watched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    pub readable: bool,
    pub writable: bool,
}

/// What a descriptor is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    pub readable: bool,
    pub writable: bool,
    /// The peer has sent its last byte, or the connection is broken; receiving tells which.
    pub hung_up: bool,
}

/// The readiness of a connection, and its operations in flight.
#[derive(Clone, Copy, Debug)]
struct Watched {
    id: ConnectionId,
    descriptor: RawFd,
    /// True when there may be bytes to receive that the poller will not report again.
    readable: bool,
    wants_chunk: bool,
    wants_room: bool,
}

#[derive(Debug)]
struct Listener {
    /// `None` once accepting has ended for good.
    socket: Option<TcpListener>,
    /// True exactly while newcomers are to be accepted.
    accepting: bool,
}

#[derive(Debug)]
pub struct Readiness<P> {
    poller: P,
    /// By [`ListenerId`].
    listeners: Vec<Listener>,
    signals: Signals,
    /// Another descriptor of the link's, so that it is open as long as it is watched.
    link: Option<OwnedFd>,
    /// By slot.
    watched: ByIndex<Option<Watched>>,
    readable: Readable,
    /// Operations whose start the kernel refused.
    refused: Vec<(ConnectionId, Errno)>,
    ready: Vec<(Token, Ready)>,
}

impl<P: Poller> Readiness<P> {
    /// Newcomers are not accepted before [`Io::accept`].
    pub fn new(mut poller: P, listeners: Vec<TcpListener>, signals: Signals) -> std::io::Result<Self> {
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        let read = Interest { readable: true, writable: false };
        poller.watch(signals.as_fd(), Token::indexed(Op::Signal, 0), read)?;
        Ok(Self {
            poller,
            listeners: listeners
                .into_iter()
                .map(|socket| Listener { socket: Some(socket), accepting: false })
                .collect(),
            signals,
            link: None,
            watched: ByIndex::new(None),
            readable: Readable::new(),
            refused: Vec::new(),
            ready: Vec::new(),
        })
    }

    /// The slot's entry, a new one when the slot has a new connection.
    fn entry(&mut self, socket: &Socket, id: ConnectionId) -> &mut Watched {
        let entry = self.watched.at_mut(id.slot.index()).get_or_insert_with(|| Watched::new(socket, id));
        if entry.id != id {
            *entry = Watched::new(socket, id);
        }
        entry
    }

    /// Tells the poller what a connection waits for.
    fn watch(&mut self, socket: BorrowedFd<'_>, id: ConnectionId) {
        let Some(Some(entry)) = self.watched.find_mut(id.slot.index()) else { return };
        let interest = Interest { readable: entry.wants_chunk && !entry.readable, writable: entry.wants_room };
        if let Err(errno) = self.poller.watch(socket, Token::new(Op::Readable, id), interest) {
            self.refused.push((id, errno));
        }
    }

    fn on_ready(&mut self, token: Token, ready: Ready, completions: &mut Completions<Socket>) {
        match token.op {
            Op::Accept => self.accept_newcomers(token.listener(), completions),
            Op::Signal => {
                completions.list.extend(self.signals.arrived().map(Completion::Signal));
            }
            Op::Link => completions.list.push(Completion::Link),
            _ => {
                let entry = self.watched.find_mut(token.id.slot.index()).and_then(Option::as_mut);
                let Some(entry) = entry.filter(|entry| entry.id == token.id) else { return };
                if (ready.readable || ready.hung_up) && !entry.readable {
                    entry.readable = true;
                    if entry.wants_chunk {
                        self.readable.push(token.id);
                    }
                }
                if (ready.writable || ready.hung_up) && entry.wants_room {
                    entry.wants_room = false;
                    completions.list.push(Completion::Writable(token.id));
                }
            }
        }
    }

    /// Accepts some newcomers. The poller reports the listener again for the rest.
    fn accept_newcomers(&mut self, id: ListenerId, completions: &mut Completions<Socket>) {
        let Listener { socket: Some(listener), accepting: true } = &self.listeners[id.index()] else { return };
        let accepted = socket::accept_some(listener, |socket| {
            if self.poller.takes(socket.as_raw_fd()) {
                let newcomer = Socket::accepted(socket);
                completions.list.extend(newcomer.map(|newcomer| Completion::Accepted(id, Ok(newcomer))));
            } else {
                completions.list.push(Completion::Unwatchable(id, Socket::new(socket)));
            }
        });
        if let Err(errno) = accepted {
            completions.list.push(Completion::Accepted(id, Err(errno)));
            self.set_accepting(id, false);
        }
    }

    fn set_accepting(&mut self, id: ListenerId, accepting: bool) {
        let listener = &mut self.listeners[id.index()];
        let Some(socket) = &listener.socket else { return };
        listener.accepting = accepting;
        let interest = Interest { readable: accepting, writable: false };
        let watched = self.poller.watch(socket.as_fd(), Token::accept(id), interest);
        watched.expect("a listener was watched before, or is among the first to be");
    }

    /// Receives one chunk from each of the first readable connections.
    fn receive_chunks(&mut self, receiving: Receiving, completions: &mut Completions<Socket>) {
        for piece in 0..self.readable.take(receiving) {
            let id = self.readable.taken(piece);
            let entry = self.watched.at_mut(id.slot.index()).as_mut().expect("a receive is in flight");
            // SAFETY: a receive is in flight on this connection, so the server has not closed its socket.
            let socket = unsafe { BorrowedFd::borrow_raw(entry.descriptor) };
            let outcome = match rustix::net::recv(socket, completions.scratch.piece(piece), RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    // Only `EAGAIN` says that there is no more: a receive also returns fewer bytes in front of urgent
                    // data.
                    entry.readable = length > 0;
                    Ok(Chunk::new(piece, length))
                }
                Err(Errno::AGAIN | Errno::INTR) => {
                    entry.readable = false;
                    self.watch(socket, id);
                    continue;
                }
                Err(errno) => Err(errno),
            };
            entry.wants_chunk = false;
            completions.list.push(Completion::Received(id, outcome));
        }
    }
}

impl Watched {
    fn new(socket: &Socket, id: ConnectionId) -> Self {
        let descriptor = socket.descriptor().as_raw_fd();
        Self { id, descriptor, readable: false, wants_chunk: false, wants_room: false }
    }
}

impl<P: Poller> Io for Readiness<P> {
    type Socket = Socket;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn accept(&mut self, listener: ListenerId) {
        self.set_accepting(listener, true);
    }

    fn stop_accepting(&mut self, listener: ListenerId) {
        self.set_accepting(listener, false);
        self.listeners[listener.index()].socket = None;
    }

    fn receive(&mut self, socket: &Socket, id: ConnectionId) {
        let entry = self.entry(socket, id);
        entry.wants_chunk = true;
        if entry.readable {
            self.readable.push(id);
        } else {
            self.watch(socket.descriptor(), id);
        }
    }

    fn watch_writable(&mut self, socket: &Socket, id: ConnectionId) {
        self.entry(socket, id).wants_room = true;
        self.watch(socket.descriptor(), id);
    }

    fn table(&self, _socket: &Socket) -> TableId {
        TableId::FIRST
    }

    fn send_batch(&mut self, sends: &mut [Send<'_, Socket>]) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        for send in sends {
            send.sent =
                Sent::from_result(rustix::net::send(send.socket.descriptor(), send.bytes, flags), send.bytes.len());
        }
    }

    fn outstanding(&mut self, socket: &Socket) -> u32 {
        socket.outstanding()
    }

    fn silent_for(&mut self, socket: &Socket) -> Option<Duration> {
        socket.silent_for()
    }

    fn shutdown(&mut self, socket: &Socket) {
        socket.shut_down();
    }

    fn close(&mut self, socket: Socket) {
        drop(socket);
    }

    fn watch_link(&mut self, descriptor: BorrowedFd<'_>) {
        let link = descriptor.try_clone_to_owned().expect("few descriptors are open yet");
        let read = Interest { readable: true, writable: false };
        let watched = self.poller.watch(link.as_fd(), Token::indexed(Op::Link, 0), read);
        watched.expect("the link is among the first to be watched");
        self.link = Some(link);
    }

    fn wait(
        &mut self,
        until: Until,
        receiving: Receiving,
        completions: &mut Completions<Socket>,
    ) -> std::io::Result<()> {
        completions.list.clear();
        for (id, errno) in self.refused.drain(..) {
            let entry = self.watched.at_mut(id.slot.index()).as_mut().expect("an operation was started");
            if std::mem::take(&mut entry.wants_chunk) {
                completions.list.push(Completion::Received(id, Err(errno)));
            }
            if std::mem::take(&mut entry.wants_room) {
                completions.list.push(Completion::Writable(id));
            }
        }
        let receives_ready = self.readable.due(receiving) > 0;
        let until = if receives_ready || !completions.list.is_empty() { Until::Now } else { until };
        let timeout = until.timeout(Instant::now());
        let mut ready = std::mem::take(&mut self.ready);
        let waited = self.poller.wait(timeout, &mut ready);
        for (token, ready) in ready.drain(..) {
            self.on_ready(token, ready, completions);
        }
        self.ready = ready;
        waited?;
        self.receive_chunks(receiving, completions);
        Ok(())
    }
}
