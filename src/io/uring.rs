//! The back end that uproar exists for: io_uring, one thread, batches of submissions, exceptions-only sends.
//!
//! A connection with a receive in flight has a one-shot poll request. When it becomes readable its chunk is received by
//! a `RECV` that runs inside the submitting call, into scratch memory of the turn. A send runs inside the submitting
//! call too: with `MSG_DONTWAIT` it never waits, with `MSG_WAITALL` a short send counts as a failure, and with
//! `IOSQE_CQE_SKIP_SUCCESS` only failures post a completion. So no request that names memory of ours outlives the call
//! that submits it, and there are no buffers to give to the kernel, no zero copy, no links, no cancelling and no kernel
//! thread.
//!
//! Up to the descriptor limit connections have ordinary descriptors, and there is one ring. Beyond it they are in
//! [`Tables`], each of which has a ring; the main ring then has the listeners, the signals and the eventfd of the
//! tables, and always that of the cluster's link. With one ring each listener is armed once with a multishot accept. With tables a newcomer has an ordinary
//! descriptor only until it is moved, so newcomers are accepted one by one: a multishot accept would take a whole
//! backlog of descriptors at once.
//!
//! When a ring is made, a pair of sockets shows whether this kernel behaves like that. Needs Linux 6.1, and 6.13 for
//! tables.

mod refused;
mod ring;
mod socket;
mod tables;
mod trial;

use std::net::TcpListener;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use io_uring::cqueue;
use rustix::io::Errno;
use rustix::net::Shutdown;

use super::by_index::ByIndex;
use super::readable::Readable;
use super::signals::Signals;
use super::socket::{Socket as Ordinary, accept_some};
use super::{Chunk, Completion, Completions, Io, Receiving, Send, Until};
use crate::limits::RECEIVES_PER_TURN_MAX;
use crate::token::{ConnectionId, ListenerId, Op, TableId, Token};
pub use refused::Refused;
pub use ring::{Ring, Sandbox};
use ring::{Target, outcome};
pub use socket::Socket;
use socket::{Number, Route};
pub use tables::Tables;

/// Completions that one waiting call may collect. Since about Linux 6.14 such a call runs at most as many deferred
/// completions as it waits for, and at least 20, so a call that asks for one would return twenty at a time.
const HARVEST: usize = 4096;

#[derive(Debug)]
pub struct Uring {
    main: Ring,
    /// `None` where connections have ordinary descriptors.
    tables: Option<Tables>,
    /// True once the poll of the tables' eventfd has completed, until it is armed again.
    woken: bool,
    /// By [`ListenerId`].
    listeners: Vec<Listener>,
    signals: Signals,
    /// Another descriptor of the cluster's link, so that no other file ever has the number that is polled.
    link: Option<OwnedFd>,
    /// True once the poll of the link has completed, until it is armed again. That is in the next turn, because until
    /// then the server has not taken the news.
    link_reported: bool,
    /// Sockets by slot, for the receive that follows a poll. An entry is current while a receive is in flight.
    numbers: ByIndex<Number>,
    readable: Readable,
    /// Completions that arrived while a batch was submitted and belong to the next turn.
    stash: Vec<cqueue::Entry>,
}

/// A listener, and who else has it.
#[derive(Debug)]
struct Listener {
    /// `None` once accepting has ended for good.
    socket: Option<TcpListener>,
    /// True when other processes have it too.
    is_shared: bool,
}

impl Listener {
    fn own(socket: TcpListener) -> Self {
        Self { socket: Some(socket), is_shared: false }
    }
}

impl Uring {
    /// Connections have ordinary descriptors. Newcomers are not accepted before [`Io::accept`].
    pub fn new(ring: Ring, listeners: Vec<TcpListener>, signals: Signals) -> Self {
        let mut uring = Self {
            main: ring,
            tables: None,
            woken: false,
            listeners: listeners.into_iter().map(Listener::own).collect(),
            signals,
            link: None,
            link_reported: false,
            numbers: ByIndex::new(Number::NONE),
            readable: Readable::new(),
            stash: Vec::new(),
        };
        uring.arm_signals();
        uring
    }

    /// Connections are in tables, some `members_max` of them. Newcomers are not accepted before [`Io::accept`].
    pub fn with_tables(
        ring: Ring,
        tables: Tables,
        members_max: usize,
        listeners: Vec<TcpListener>,
        signals: Signals,
    ) -> std::io::Result<Self> {
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        let mut uring = Self::new(ring, listeners, signals);
        uring.main.push_poll(Target::Descriptor(tables.eventfd()), libc::POLLIN, Token::indexed(Op::Wake, 0));
        uring.tables = Some(tables);
        uring.numbers = ByIndex::with_space_for(members_max, Number::NONE);
        Ok(uring)
    }

    /// Other processes have this listener too, and it must go on listening for them when this one stops. To be called
    /// before newcomers are accepted.
    pub fn share_listener(&mut self, id: ListenerId) -> std::io::Result<()> {
        let listener = &mut self.listeners[id.index()];
        listener.is_shared = true;
        listener.socket.as_ref().expect("accepting has not ended").set_nonblocking(true)
    }

    fn arm_signals(&mut self) {
        let signals = Target::Descriptor(self.signals.as_raw_fd());
        self.main.push_poll(signals, libc::POLLIN, Token::indexed(Op::Signal, 0));
    }

    fn arm_link(&mut self) {
        if let Some(link) = &self.link {
            let link = Target::Descriptor(link.as_raw_fd());
            self.main.push_poll(link, libc::POLLIN, Token::indexed(Op::Link, 0));
        }
    }

    /// True where a poll says that newcomers wait, who are then accepted one by one.
    fn is_polled(&self, listener: ListenerId) -> bool {
        self.tables.is_some() || self.listeners[listener.index()].is_shared
    }

    /// The main ring, or that of a table.
    fn ring(&mut self, table: Option<TableId>) -> &mut Ring {
        ring(&mut self.main, &mut self.tables, table)
    }

    /// The route of a connection with a receive in flight.
    fn route(&self, id: ConnectionId) -> Route {
        self.numbers.at(id.slot.index()).route()
    }

    fn arm(&mut self, op: Op, id: ConnectionId, route: Route, events: libc::c_short) {
        self.ring(route.table()).push_poll(route.target(), events, Token::new(op, id));
    }

    fn arm_receive(&mut self, id: ConnectionId) {
        self.arm(Op::Readable, id, self.route(id), libc::POLLIN | libc::POLLRDHUP);
    }

    /// Calls `what` with a socket as one with an ordinary descriptor; `None` when there is none for it.
    fn with_descriptor<T>(&mut self, socket: &Socket, what: fn(&Ordinary) -> T) -> Option<T> {
        match socket.with_ordinary(what) {
            Ok(answer) => Some(answer),
            Err(place) => {
                let tables = self.tables.as_mut().expect("a socket of a table has one");
                tables.with_descriptor(place, &mut self.stash, what)
            }
        }
    }

    /// Receives one chunk from each of the first readable connections.
    fn receive_chunks(&mut self, receiving: Receiving, completions: &mut Completions<Socket>) {
        let count = self.readable.take(receiving);
        let mut rings: ArrayVec<Option<TableId>, RECEIVES_PER_TURN_MAX> = ArrayVec::new();
        for piece in 0..count {
            let route = self.route(self.readable.taken(piece));
            if !rings.contains(&route.table()) {
                rings.push(route.table());
                self.ring(route.table()).make_space(count);
            }
            self.ring(route.table()).push_receive(piece, route.target(), &mut completions.scratch);
        }
        let mut resolved = 0;
        for table in rings {
            self.ring(table).submit();
            while let Some(entry) = self.ring(table).next_completion() {
                match Token::from_bits(entry.user_data()) {
                    Some(token) if token.op == Op::Receive => {
                        resolved += 1;
                        self.on_chunk(token.index(), entry.result(), completions);
                    }
                    _ => self.stash.push(entry),
                }
            }
        }
        assert_eq!(resolved, count, "a receive that may not wait is resolved when it was submitted");
    }

    fn on_chunk(&mut self, index: usize, result: i32, completions: &mut Completions<Socket>) {
        let id = self.readable.taken(index);
        let outcome = match outcome(result) {
            Ok(length) => Ok(Chunk::new(index, length)),
            Err(Errno::AGAIN | Errno::INTR) => return self.arm_receive(id),
            Err(errno) => Err(errno),
        };
        completions.list.push(Completion::Received(id, outcome));
    }

    fn on_completion(&mut self, entry: &cqueue::Entry, completions: &mut Completions<Socket>) {
        let token = Token::from_bits(entry.user_data()).expect("every completion answers a submission of ours");
        match token.op {
            Op::Accept if self.is_polled(token.listener()) => self.accept_newcomers(token.listener(), completions),
            Op::Accept => {
                let armed = cqueue::more(entry.flags());
                self.on_accept(token.listener(), outcome(entry.result()), armed, completions);
            }
            Op::Readable => self.readable.push(token.id),
            Op::Writable => completions.list.push(Completion::Writable(token.id)),
            Op::Signal => {
                completions.list.extend(self.signals.arrived().map(Completion::Signal));
                self.arm_signals();
            }
            Op::Wake => self.woken = true,
            Op::Link => {
                self.link_reported = true;
                completions.list.push(Completion::Link);
            }
            Op::Receive | Op::Send | Op::Install => panic!("{:?} was resolved when it was submitted", token.op),
        }
    }

    fn on_accept(
        &mut self,
        listener: ListenerId,
        accepted: Result<usize, Errno>,
        armed: bool,
        completions: &mut Completions<Socket>,
    ) {
        match accepted {
            Ok(descriptor) => {
                let descriptor = RawFd::try_from(descriptor).expect("a descriptor is a small number");
                // SAFETY: the kernel has just made this descriptor for us, and it is named nowhere else.
                let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
                if self.listeners[listener.index()].socket.is_some()
                    && let Some((newcomer, address)) = Ordinary::accepted(socket)
                {
                    completions.list.push(Completion::Accepted(listener, Ok((Socket::ordinary(newcomer), address))));
                }
                // A multishot accept also ends when its completion overflowed the queue.
                if !armed {
                    self.accept(listener);
                }
            }
            Err(Errno::CONNABORTED | Errno::AGAIN | Errno::INTR | Errno::PROTO) => self.accept(listener),
            // Shutting a listener down ends the accept with EINVAL.
            Err(_) if self.listeners[listener.index()].socket.is_none() => {}
            Err(errno) => completions.list.push(Completion::Accepted(listener, Err(errno))),
        }
    }

    /// Accepts some newcomers into ordinary descriptors and moves each into a table, where there are tables. The poll that
    /// is armed again reports the rest.
    fn accept_newcomers(&mut self, id: ListenerId, completions: &mut Completions<Socket>) {
        let Some(listener) = &self.listeners[id.index()].socket else { return };
        let accepted = accept_some(listener, |newcomer| {
            let Some((newcomer, address)) = Ordinary::accepted(newcomer) else { return };
            let moved = match &mut self.tables {
                Some(tables) => tables.move_in(newcomer).map(Socket::in_table),
                None => Ok(Socket::ordinary(newcomer)),
            };
            completions.list.push(match moved {
                Ok(socket) => Completion::Accepted(id, Ok((socket, address))),
                Err(newcomer) => Completion::Unwatchable(id, Socket::ordinary(newcomer)),
            });
        });
        match accepted {
            Ok(()) => self.accept(id),
            Err(errno) => completions.list.push(Completion::Accepted(id, Err(errno))),
        }
    }

    /// Waits for a completion, unless a table has one already.
    fn sleep(&mut self, until: Until) -> std::io::Result<()> {
        let now = Instant::now();
        let mut timeout = until.timeout(now);
        if let Some(tables) = &mut self.tables {
            tables.flush();
            if self.woken {
                // Rings may have written since, and are looked at after this.
                tables.drain_eventfd();
                self.woken = false;
                self.main.push_poll(Target::Descriptor(tables.eventfd()), libc::POLLIN, Token::indexed(Op::Wake, 0));
            }
            if tables.have_completions() {
                return Ok(());
            }
            let closing = tables.deadline().map(|at| at.saturating_duration_since(now));
            timeout = [timeout, closing].into_iter().flatten().min();
        }
        self.main.wait(timeout)
    }
}

/// The main ring, or that of a table.
fn ring<'a>(main: &'a mut Ring, tables: &'a mut Option<Tables>, table: Option<TableId>) -> &'a mut Ring {
    match table {
        None => main,
        Some(table) => tables.as_mut().expect("a socket of a table has one").ring(table),
    }
}

impl Io for Uring {
    type Socket = Socket;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn accept(&mut self, listener: ListenerId) {
        let Some(open) = &self.listeners[listener.index()].socket else { return };
        let descriptor = open.as_raw_fd();
        if self.is_polled(listener) {
            self.main.push_poll(Target::Descriptor(descriptor), libc::POLLIN, Token::accept(listener));
        } else {
            self.main.push_accept(descriptor, Token::accept(listener));
        }
    }

    fn stop_accepting(&mut self, listener: ListenerId) {
        let Listener { socket, is_shared } = &mut self.listeners[listener.index()];
        let Some(socket) = socket.take() else { return };
        // The armed accept holds the listener open, so closing it would not do; shutting it down ends both. It only fails
        // when accepting has ended already. Of a listener that is shared it would end the listening of all. There only a
        // poll is armed: newcomers wait for the process that listens next.
        if !*is_shared {
            let _ = rustix::net::shutdown(&socket, Shutdown::Both);
        }
    }

    fn receive(&mut self, socket: &Socket, id: ConnectionId) {
        *self.numbers.at_mut(id.slot.index()) = socket.number();
        self.arm_receive(id);
    }

    fn watch_writable(&mut self, socket: &Socket, id: ConnectionId) {
        self.arm(Op::Writable, id, socket.route(), libc::POLLOUT);
    }

    fn table(&self, socket: &Socket) -> TableId {
        socket.route().table().unwrap_or(TableId::FIRST)
    }

    fn send_batch(&mut self, sends: &mut [Send<'_, Socket>]) {
        let Some(first) = sends.first() else { return };
        let table = first.socket.route().table();
        let ring = ring(&mut self.main, &mut self.tables, table);
        let target = |socket: &Socket| {
            let route = socket.route();
            assert!(route.table() == table, "a batch goes to one table");
            route.target()
        };
        ring.send_batch(sends, target, &mut self.stash);
    }

    fn outstanding(&mut self, socket: &Socket) -> u32 {
        self.with_descriptor(socket, Ordinary::outstanding).unwrap_or(0)
    }

    fn silent_for(&mut self, socket: &Socket) -> Option<Duration> {
        self.with_descriptor(socket, Ordinary::silent_for).flatten()
    }

    fn shutdown(&mut self, socket: &Socket) {
        self.with_descriptor(socket, Ordinary::shut_down);
    }

    fn close(&mut self, socket: Socket) {
        match socket.route() {
            Route::Main(_) => drop(socket),
            Route::Table(place) => self.tables.as_mut().expect("a socket of a table has one").close(place),
        }
    }

    fn watch_link(&mut self, descriptor: BorrowedFd<'_>) {
        self.link = Some(descriptor.try_clone_to_owned().expect("few descriptors are open yet"));
        self.arm_link();
    }

    fn wait(
        &mut self,
        until: Until,
        receiving: Receiving,
        completions: &mut Completions<Socket>,
    ) -> std::io::Result<()> {
        completions.list.clear();
        if std::mem::take(&mut self.link_reported) {
            self.arm_link();
        }
        let receives_ready = self.readable.due(receiving) > 0;
        let found = receives_ready || !self.stash.is_empty() || self.main.has_reaped();
        if !found && until != Until::Now {
            self.sleep(until)?;
        }
        self.main.harvest(HARVEST)?;
        let mut stash = std::mem::take(&mut self.stash);
        if let Some(tables) = &mut self.tables {
            tables.harvest(&mut stash)?;
        }
        for entry in stash.drain(..) {
            self.on_completion(&entry, completions);
        }
        self.stash = stash;
        while let Some(entry) = self.main.next_completion() {
            self.on_completion(&entry, completions);
        }
        self.receive_chunks(receiving, completions);
        if let Some(tables) = &mut self.tables {
            tables.close_empty(Instant::now());
        }
        Ok(())
    }
}
