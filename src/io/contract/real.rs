//! The contract of the seam on real sockets: io_uring, epoll and select.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::{PATIENCE, World, check};
use crate::io::epoll::Epoll;
use crate::io::readiness::{Poller, Readiness};
use crate::io::select::Select;
use crate::io::signals::Signals;
use crate::io::socket;
use crate::io::uring::{Ring, Sandbox, Tables, Uring};
use crate::io::{Io, Signal};
use crate::token::ListenerId;

struct Real<I> {
    io: I,
    /// Where the listeners listen, by id.
    addresses: Vec<SocketAddr>,
    /// Descriptors of the listeners, by id.
    listeners: Vec<RawFd>,
    /// What stands for the cluster's link.
    link: OwnedFd,
}

impl<I: Io> Real<I> {
    fn new(open: impl FnOnce(Vec<TcpListener>, Signals) -> I) -> Self {
        let listen = |_| socket::listen(([127, 0, 0, 1], 0).into(), PATIENCE).expect("a port is free");
        let listeners = Vec::from([0, 1].map(listen));
        let addresses = listeners.iter().map(|listener| listener.local_addr().expect("it is bound")).collect();
        let descriptors = listeners.iter().map(AsRawFd::as_raw_fd).collect();
        let io = open(listeners, Signals::new().expect("signals can be blocked"));
        let link = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("eventfd(2) is there");
        Self { io, addresses, listeners: descriptors, link }
    }
}

impl<I: Io> World for Real<I> {
    type Io = I;
    type Peer = TcpStream;

    fn io(&mut self) -> &mut I {
        &mut self.io
    }

    fn try_connect(&mut self, listener: ListenerId) -> Option<TcpStream> {
        let peer = TcpStream::connect(self.addresses[listener.index()]).ok()?;
        peer.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        Some(peer)
    }

    fn break_listener(&mut self, listener: ListenerId) {
        // SAFETY: the back end has its listeners open until accepting ends for good, and then none is broken.
        let socket = unsafe { BorrowedFd::borrow_raw(self.listeners[listener.index()]) };
        // Accepting fails on a socket that no longer listens (accept(2): EINVAL). It is so already the second time.
        let shut = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
        assert!(matches!(shut, Ok(()) | Err(Errno::NOTCONN)), "{shut:?}");
    }

    fn address(&self, peer: &TcpStream) -> SocketAddr {
        peer.local_addr().expect("it is connected")
    }

    fn peer_sends(&mut self, peer: &mut TcpStream, bytes: &[u8]) {
        peer.write_all(bytes).expect("the connection stands");
    }

    fn peer_reads(&mut self, peer: &mut TcpStream) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 16];
        let length = peer.read(&mut buffer).expect("something arrives, or the end");
        buffer.truncate(length);
        buffer
    }

    fn peer_finishes(&mut self, peer: &mut TcpStream) {
        peer.shutdown(Shutdown::Write).expect("the connection stands");
    }

    fn peer_resets(&mut self, peer: TcpStream) {
        // A socket that lingers for no time is closed with a reset (socket(7)).
        sockopt::set_socket_linger(peer.as_fd(), Some(std::time::Duration::ZERO)).expect("a socket can linger");
    }

    fn signal(&mut self, signal: Signal) {
        use nix::sys::signal::{Signal as Number, raise};
        // To this thread alone, which has it blocked.
        let number = match signal {
            Signal::Interrupt => Number::SIGINT,
            Signal::Terminate => Number::SIGTERM,
            Signal::Statistics => Number::SIGUSR1,
            Signal::Hangup => Number::SIGHUP,
        };
        raise(number).expect("a signal can be sent to oneself");
    }

    fn watch_link(&mut self) {
        self.io.watch_link(self.link.as_fd());
    }

    fn give_news(&mut self) {
        rustix::io::write(&self.link, &1u64.to_ne_bytes()).expect("the count is far from its end");
    }

    fn take_news(&mut self) {
        rustix::io::read(&self.link, &mut [0; 8]).expect("something was written");
    }
}

fn ready<P: Poller>(poller: P) -> Real<Readiness<P>> {
    Real::new(|listeners, signals| Readiness::new(poller, listeners, signals).expect("listeners can be watched"))
}

#[test]
fn io_uring_keeps_the_contract() {
    let ring = || Ring::open(Sandbox::On).expect("io_uring is needed for this test");
    check(|| Real::new(|listeners, signals| Uring::new(ring(), listeners, signals)));
}

/// A back end with `count` tables of `slots` slots.
fn with_tables(count: usize, slots: u16) -> Real<Uring> {
    let ring = Ring::open(Sandbox::On).expect("io_uring is needed for this test");
    let (tables, refused) = Tables::open(count, slots, Sandbox::On).expect("Linux 6.13 is needed for this test");
    assert!(refused.is_none(), "{refused:?}");
    Real::new(|listeners, signals| {
        Uring::with_tables(ring, tables, 100, listeners, signals).expect("listeners can be set to not wait")
    })
}

#[test]
fn io_uring_with_one_table_keeps_the_contract() {
    check(|| with_tables(1, 100));
}

/// The sockets of a batch are in one table, and the tests send batches to four.
#[test]
fn io_uring_with_many_small_tables_keeps_the_contract() {
    check(|| with_tables(16, 5));
}

#[test]
fn epoll_keeps_the_contract() {
    check(|| ready(Epoll::new().expect("epoll is there")));
}

#[test]
fn select_keeps_the_contract() {
    check(|| ready(Select::new()));
}
