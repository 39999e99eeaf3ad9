//! A simulated kernel: sockets in memory, virtual time, and every choice drawn from one number.
//!
//! The real server runs on it unchanged. A seed decides which operations fail and in which order operations complete,
//! so any run can be played again from that number. A [`kernel::Script`] moves the peers; the one that plays seeds is
//! in `src/sim/`.
//!
//! Compiled for tests and with the feature `sim` only.

#[cfg(test)]
mod contract;
pub mod draw;
pub mod faults;
pub mod kernel;
pub mod pair;
pub mod trace;

use std::cell::RefCell;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Completions, Io, Receiving, Send, Sent, Until};
use crate::time::UnixTime;
use crate::token::{ConnectionId, ListenerId, TableId};
use kernel::Kernel;
use kernel::tables::Place;

/// The back end. It shares the kernel with the code that moves the peers.
#[derive(Debug)]
pub struct Sim {
    pub kernel: Rc<RefCell<Kernel>>,
}

impl Sim {
    pub fn new(kernel: Kernel) -> Self {
        Self { kernel: Rc::new(RefCell::new(kernel)) }
    }
}

/// The server's end of a connection. One that is dropped and was not closed is a breach of the contract.
pub struct Socket {
    kernel: Rc<RefCell<Kernel>>,
    peer: u32,
    /// The slot that it has; `None` when it could not be moved into a table.
    place: Option<Place>,
}

impl Socket {
    pub fn new(kernel: Rc<RefCell<Kernel>>, peer: u32, place: Option<Place>) -> Self {
        Self { kernel, peer, place }
    }

    /// The number of this socket, which is about to be used.
    fn used(&self) -> u32 {
        self.kernel.borrow().tables.check(self.place, self.peer);
        self.peer
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.peer)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // It is borrowed only where the kernel itself has panicked.
        if let Ok(mut kernel) = self.kernel.try_borrow_mut() {
            kernel.dropped(self.peer);
        }
    }
}

/// The time of day at which every run begins: 2026-01-01T00:00:00Z.
pub const UNIX_START: u64 = 1_767_225_600_000;

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

impl Io for Sim {
    type Socket = Socket;

    fn now(&self) -> Instant {
        self.kernel.borrow().now()
    }

    fn unix_time(&self) -> UnixTime {
        UnixTime(UNIX_START + u64::try_from(self.kernel.borrow().time().as_millis()).expect("runs are short"))
    }

    fn accept(&mut self, listener: ListenerId) {
        self.kernel.borrow_mut().accept(listener);
    }

    fn stop_accepting(&mut self, listener: ListenerId) {
        self.kernel.borrow_mut().stop_accepting(listener);
    }

    fn receive(&mut self, socket: &Socket, id: ConnectionId) {
        let peer = socket.used();
        self.kernel.borrow_mut().receive(peer, id);
    }

    fn watch_writable(&mut self, socket: &Socket, id: ConnectionId) {
        let peer = socket.used();
        self.kernel.borrow_mut().watch_writable(peer, id);
    }

    fn table(&self, socket: &Socket) -> TableId {
        socket.used();
        socket.place.expect("only a socket that is in a table is asked for it").table
    }

    fn send_batch(&mut self, sends: &mut [Send<'_, Socket>]) {
        let table = |send: &Send<'_, Socket>| send.socket.place.map(|place| place.table);
        assert!(sends.iter().all(|send| table(send) == table(&sends[0])), "a batch goes to one table");
        sends.iter().for_each(|send| _ = send.socket.used());
        let mut kernel = self.kernel.borrow_mut();
        let lent: Vec<u64> = sends.iter().map(|send| hash(send.bytes)).collect();
        for send in sends.iter_mut() {
            send.sent = Sent::from_result(kernel.send(send.socket.peer, send.bytes), send.bytes.len());
        }
        for (send, lent) in sends.iter().zip(lent) {
            assert_eq!(hash(send.bytes), lent, "bytes that are lent do not change");
        }
    }

    fn outstanding(&mut self, socket: &Socket) -> u32 {
        self.kernel.borrow().outstanding(socket.used())
    }

    /// A simulated peer never vanishes without an end or a reset.
    fn silent_for(&mut self, _socket: &Socket) -> Option<Duration> {
        None
    }

    fn shutdown(&mut self, socket: &Socket) {
        let peer = socket.used();
        self.kernel.borrow_mut().shutdown(peer);
    }

    fn close(&mut self, socket: Socket) {
        let peer = socket.used();
        self.kernel.borrow_mut().close(peer);
    }

    /// A simulated link has no descriptor. [`Kernel::link_after`] says when it has news.
    fn watch_link(&mut self, _descriptor: BorrowedFd<'_>) {}

    fn wait(
        &mut self,
        until: Until,
        receiving: Receiving,
        completions: &mut Completions<Socket>,
    ) -> std::io::Result<()> {
        completions.list.clear();
        let start = Instant::now();
        let mut kernel = self.kernel.borrow_mut();
        kernel.wait(&self.kernel, until, receiving, completions);
        kernel.wait_took = start.elapsed();
        Ok(())
    }
}
