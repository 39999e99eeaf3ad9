//! The floor's rings: sends in batches, and what else a server does to a socket that a send then meets.
//!
//! A ring is set up, and its sends are flagged, as a server does that sends to thousands and is told of failures alone. No
//! send outlives its enter: `MSG_DONTWAIT` makes each succeed or fail inside it. Each socket has a one-shot poll request
//! armed, as a server has that waits for what a member says: it is memory that a send may find cold, and somebody on the
//! socket's list of those to be woken.
//!
//! A ring has a table of its own for files. A socket that is put into it (`register_files_update`) needs its descriptor no
//! longer. A table has at most as many slots as the process may have descriptors, but each ring has its own, so that several
//! rings hold any number of sockets.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use io_uring::{IoUring, cqueue, opcode, squeue, types};

/// Sends handed over in one enter.
const BATCH: usize = 64;
/// Entries of the queues: polls are armed this many at a time, and completions that nobody has read yet fit.
const SUBMISSIONS: u32 = 256;
const COMPLETIONS: u32 = 2048;

const SEND: u64 = 0;
const POLL: u64 = 1;

/// Where the kernel finds a socket.
#[derive(Debug, Clone, Copy)]
enum Place {
    Descriptor(i32),
    Slot(u32),
}

/// A ring, and the sockets that are sent to through it.
pub struct Ring {
    ring: IoUring,
    held: Held,
}

/// The sockets of a ring.
enum Held {
    /// In ordinary descriptors.
    Descriptors(Vec<OwnedFd>),
    /// In the first slots of the ring's table.
    Slots { used: u32, slots: u32 },
}

impl Ring {
    /// A ring for sockets that stay in their descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self { ring: make()?, held: Held::Descriptors(Vec::new()) })
    }

    /// A ring with a table of `slots`.
    pub fn with_table(slots: u32) -> io::Result<Self> {
        let ring = make()?;
        ring.submitter().register_files_sparse(slots)?;
        Ok(Self { ring, held: Held::Slots { used: 0, slots } })
    }

    /// True exactly when its table has no slot left.
    pub fn is_full(&self) -> bool {
        matches!(self.held, Held::Slots { used, slots } if used == slots)
    }

    /// The sockets that it has in descriptors.
    pub fn descriptors(&self) -> &[OwnedFd] {
        match &self.held {
            Held::Descriptors(sockets) => sockets,
            Held::Slots { .. } => &[],
        }
    }

    /// Takes `socket`, and has a poll request watch it for what a peer says.
    pub fn take(&mut self, socket: OwnedFd) -> io::Result<()> {
        let place = match &mut self.held {
            Held::Descriptors(sockets) => {
                let descriptor = socket.as_raw_fd();
                sockets.push(socket);
                Place::Descriptor(descriptor)
            }
            Held::Slots { used, slots } => {
                assert!(used < slots, "a full table takes no socket");
                let slot = *used;
                self.ring.submitter().register_files_update(slot, &[socket.as_fd().as_raw_fd()])?;
                *used += 1;
                Place::Slot(slot)
            }
        };
        let events = (libc::POLLIN | libc::POLLRDHUP) as u32;
        let poll = match place {
            Place::Descriptor(descriptor) => opcode::PollAdd::new(types::Fd(descriptor), events).build(),
            Place::Slot(slot) => opcode::PollAdd::new(types::Fixed(slot), events).build(),
        };
        if self.ring.submission().is_full() {
            self.submit()?;
        }
        // SAFETY: a poll request names a file and no memory; the ring, and with it the file, lives until the process ends.
        unsafe { self.ring.submission().push(&poll.user_data(POLL)) }.expect("there is space in the queue");
        Ok(())
    }

    /// Sends `line` to each socket, a batch an enter; returns how many were not taken whole.
    pub fn send_to_all(&mut self, line: &[u8]) -> io::Result<u64> {
        self.submit()?;
        let sockets = match &self.held {
            Held::Descriptors(sockets) => sockets.len(),
            Held::Slots { used, .. } => *used as usize,
        };
        let mut not_taken = 0;
        for first in (0..sockets).step_by(BATCH) {
            for index in first..sockets.min(first + BATCH) {
                let place = match &self.held {
                    Held::Descriptors(sockets) => Place::Descriptor(sockets[index].as_raw_fd()),
                    Held::Slots { .. } => Place::Slot(index as u32),
                };
                let entry = send(place, line);
                // SAFETY: the send is over when the enter below returns, and `line` outlives that.
                unsafe { self.ring.submission().push(&entry) }.expect("the queue is empty and larger than a batch");
            }
            self.submit()?;
            for completion in self.ring.completion().filter(|completion| completion.user_data() == SEND) {
                not_taken += u64::from(was_not_taken(&completion)?);
            }
        }
        Ok(not_taken)
    }

    fn submit(&mut self) -> io::Result<()> {
        while !self.ring.submission().is_empty() {
            self.ring.submit()?;
        }
        Ok(())
    }
}

/// A ring with the flags of the server's; `NO_SQARRAY` (6.6) is taken where it is known.
fn make() -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_cqsize(COMPLETIONS)
        .setup_no_sqarray();
    builder.build(SUBMISSIONS).or_else(|_| {
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag().setup_submit_all();
        builder.setup_cqsize(COMPLETIONS).build(SUBMISSIONS)
    })
}

/// Only a send that was not taken whole posts a completion.
fn send(place: Place, line: &[u8]) -> squeue::Entry {
    let (bytes, length) = (line.as_ptr(), line.len() as u32);
    let send = match place {
        Place::Descriptor(descriptor) => opcode::Send::new(types::Fd(descriptor), bytes, length),
        Place::Slot(slot) => opcode::Send::new(types::Fixed(slot), bytes, length),
    };
    let flags = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
    send.flags(flags).build().flags(squeue::Flags::SKIP_SUCCESS).user_data(SEND)
}

/// Whether the socket was full; an error when it is gone.
fn was_not_taken(completion: &cqueue::Entry) -> io::Result<bool> {
    match completion.result() {
        0.. => Ok(true),
        error if error == -libc::EAGAIN => Ok(true),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}
