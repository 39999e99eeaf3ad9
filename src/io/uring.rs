//! The back end that uproar exists for: one io_uring, one thread, batches of submissions, exceptions-only sends.
//!
//! Each listener is armed once with a multishot accept. A connection with a receive in flight has a one-shot poll
//! request. When it becomes readable its chunk is received by a `RECV` that runs inside the submitting call, into
//! scratch memory of the turn. A send runs inside the submitting call too: with `MSG_DONTWAIT` it never waits, with
//! `MSG_WAITALL` a short send counts as a failure, and with `IOSQE_CQE_SKIP_SUCCESS` only failures post a completion.
//! So no request that names memory of ours outlives the call that submits it, and there are no buffers to give to the
//! kernel, no zero copy, no links, no cancelling and no kernel thread.
//!
//! When the ring is made, a pair of sockets shows whether this kernel behaves like that. Needs Linux 6.1.

use std::collections::VecDeque;
use std::fmt;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Instant;

use io_uring::register::Restriction;
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType};

use super::by_index::ByIndex;
use super::readable::Readable;
use super::signals::Signals;
use super::socket::Socket;
use super::{Chunk, Completion, Completions, Io, Receiving, Scratch, Send, Sent, Until};
use crate::limits::{RING_COMPLETIONS, RING_SUBMISSIONS, SEND_BATCH_MEMBERS};
use crate::token::{ConnectionId, ListenerId, Op, TableId, Token};

/// Completions that one waiting call may collect. Since about Linux 6.14 such a call runs at most as many deferred
/// completions as it waits for, and at least 20, so a call that asks for one would return twenty at a time.
const HARVEST: usize = 4096;

#[derive(Debug)]
pub struct Uring {
    ring: Ring,
    /// By [`ListenerId`]; none once accepting has ended for good.
    listeners: Vec<TcpListener>,
    signals: Signals,
    /// Descriptors by slot, for the receive that follows a poll. An entry is current while a receive is in flight.
    descriptors: ByIndex<RawFd>,
    readable: Readable,
    /// Completions that arrived while a batch was submitted and belong to the next turn.
    stash: Vec<cqueue::Entry>,
}

/// Whether the ring is restricted to the operations in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sandbox {
    On,
    /// For debugging.
    Off,
}

/// Why io_uring cannot be used here, and what would change that.
#[derive(Debug)]
pub struct Refused {
    what: String,
    errno: Option<Errno>,
}

impl Refused {
    fn call(what: &str, error: &std::io::Error) -> Self {
        Self { what: what.to_owned(), errno: error.raw_os_error().map(Errno::from_raw_os_error) }
    }

    fn behaviour(what: impl Into<String>) -> Self {
        Self { what: what.into(), errno: None }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(errno) = self.errno else {
            return write!(f, "{}; this kernel's io_uring cannot be trusted, Linux 6.1 or later is needed", self.what);
        };
        write!(f, "{}: {}; ", self.what, std::io::Error::from(errno))?;
        let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
        f.write_str(match (errno, disabled.trim()) {
            (Errno::PERM | Errno::ACCESS, "1" | "2") => "allow it with: sysctl -w kernel.io_uring_disabled=0",
            (Errno::PERM | Errno::ACCESS, _) => {
                "a seccomp filter forbids it (containers do): allow io_uring_setup, io_uring_enter, io_uring_register"
            }
            (Errno::NOSYS, _) => {
                "this kernel was built without io_uring, or a seccomp filter hides it: Linux 6.1 or later is needed"
            }
            (Errno::NOMEM, _) => "raise the limit on locked memory: ulimit -l 16384",
            (Errno::MFILE | Errno::NFILE, _) => "raise the descriptor limit: ulimit -n 20000",
            _ => "Linux 6.1 or later is needed",
        })
    }
}

impl std::error::Error for Refused {}

impl Uring {
    /// Newcomers are not accepted before [`Io::accept`].
    pub fn new(ring: Ring, listeners: Vec<TcpListener>, signals: Signals) -> Self {
        let mut uring = Self {
            ring,
            listeners,
            signals,
            descriptors: ByIndex::new(-1),
            readable: Readable::new(),
            stash: Vec::new(),
        };
        uring.arm_signals();
        uring
    }

    fn arm_signals(&mut self) {
        let poll = opcode::PollAdd::new(Fd(self.signals.as_raw_fd()), libc::POLLIN as u32).build();
        self.ring.push(poll, Token::indexed(Op::Signal, 0));
    }

    fn arm_poll(&mut self, op: Op, id: ConnectionId, descriptor: RawFd, events: libc::c_short) {
        let poll = opcode::PollAdd::new(Fd(descriptor), events as u32).build();
        self.ring.push(poll, Token::new(op, id));
    }

    /// The descriptor of a connection with a receive in flight.
    fn descriptor(&self, id: ConnectionId) -> RawFd {
        let descriptor = self.descriptors.at(id.slot.index());
        assert!(descriptor >= 0, "it was noted when the receive was asked for");
        descriptor
    }

    fn arm_receive(&mut self, id: ConnectionId) {
        let descriptor = self.descriptor(id);
        self.arm_poll(Op::Readable, id, descriptor, libc::POLLIN | libc::POLLRDHUP);
    }

    /// Receives one chunk from each of the first readable connections.
    fn receive_chunks(&mut self, receiving: Receiving, completions: &mut Completions<Socket>) {
        let count = self.readable.take(receiving);
        if count == 0 {
            return;
        }
        self.ring.make_space(count);
        for piece in 0..count {
            let descriptor = self.descriptor(self.readable.taken(piece));
            self.ring.push_receive(piece, descriptor, &mut completions.scratch);
        }
        self.ring.submit();
        let mut resolved = 0;
        while let Some(entry) = self.ring.next_completion() {
            match Token::from_bits(entry.user_data()) {
                Some(token) if token.op == Op::Receive => {
                    resolved += 1;
                    self.on_chunk(token.index(), entry.result(), completions);
                }
                _ => self.stash.push(entry),
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
            Op::Receive | Op::Send => panic!("{:?} was resolved when it was submitted", token.op),
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
                if !self.listeners.is_empty()
                    && let Some(newcomer) = Socket::accepted(socket)
                {
                    completions.list.push(Completion::Accepted(listener, Ok(newcomer)));
                }
                // A multishot accept also ends when its completion overflowed the queue.
                if !armed {
                    self.accept(listener);
                }
            }
            Err(Errno::CONNABORTED | Errno::AGAIN | Errno::INTR | Errno::PROTO) => self.accept(listener),
            // Shutting a listener down ends the accept with EINVAL.
            Err(_) if self.listeners.is_empty() => {}
            Err(errno) => completions.list.push(Completion::Accepted(listener, Err(errno))),
        }
    }
}

/// The result of a completion: a count, or the error.
fn outcome(result: i32) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| Errno::from_raw_os_error(-result))
}

impl Io for Uring {
    type Socket = Socket;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn accept(&mut self, listener: ListenerId) {
        if self.listeners.is_empty() {
            return;
        }
        let descriptor = Fd(self.listeners[listener.index()].as_raw_fd());
        let accept = opcode::AcceptMulti::new(descriptor).flags(libc::SOCK_CLOEXEC).build();
        self.ring.push(accept, Token::accept(listener));
    }

    fn stop_accepting(&mut self) {
        for listener in self.listeners.drain(..) {
            // The armed accept holds the listener open, so closing it would not do; shutting it down ends both. It only
            // fails when accepting has ended already.
            let _ = rustix::net::shutdown(&listener, Shutdown::Both);
        }
    }

    fn receive(&mut self, socket: &Socket, id: ConnectionId) {
        *self.descriptors.at_mut(id.slot.index()) = socket.descriptor().as_raw_fd();
        self.arm_receive(id);
    }

    fn watch_writable(&mut self, socket: &Socket, id: ConnectionId) {
        self.arm_poll(Op::Writable, id, socket.descriptor().as_raw_fd(), libc::POLLOUT);
    }

    fn table(&self, _socket: &Socket) -> TableId {
        TableId::FIRST
    }

    fn send_batch(&mut self, sends: &mut [Send<'_, Socket>]) {
        self.ring.send_batch(sends, &mut self.stash);
    }

    fn outstanding(&self, socket: &Socket) -> u32 {
        socket.outstanding()
    }

    fn silent_for(&self, socket: &Socket) -> Option<std::time::Duration> {
        socket.silent_for()
    }

    fn shutdown(&mut self, socket: &Socket) {
        socket.shut_down();
    }

    fn close(&mut self, socket: Socket) {
        drop(socket);
    }

    fn wait(
        &mut self,
        until: Until,
        receiving: Receiving,
        completions: &mut Completions<Socket>,
    ) -> std::io::Result<()> {
        completions.list.clear();
        let receives_ready = self.readable.due(receiving) > 0;
        let found = receives_ready || !self.stash.is_empty() || !self.ring.reaped.is_empty();
        if !found && until != Until::Now {
            self.ring.wait(until.timeout(Instant::now()))?;
        }
        self.ring.harvest()?;
        let mut stash = std::mem::take(&mut self.stash);
        for entry in stash.drain(..) {
            self.on_completion(&entry, completions);
        }
        self.stash = stash;
        while let Some(entry) = self.ring.next_completion() {
            self.on_completion(&entry, completions);
        }
        self.receive_chunks(receiving, completions);
        Ok(())
    }
}

/// The two queues shared with the kernel, and every call on them.
pub struct Ring {
    queues: IoUring,
    /// Completions taken off their queue to make room in it, older than those in it.
    reaped: VecDeque<cqueue::Entry>,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("descriptor", &self.queues.as_raw_fd()).finish_non_exhaustive()
    }
}

impl Ring {
    /// A ring that was tried out and may do only what this back end does.
    pub fn open(sandbox: Sandbox) -> Result<Self, Refused> {
        let mut ring = Self::new(sandbox)?.with_features()?;
        ring.try_out()?;
        Ok(ring)
    }

    /// A ring that this thread alone submits to (`SINGLE_ISSUER`, 6.0) and whose completions run only when this thread
    /// asks for them (`DEFER_TASKRUN`, 6.1; `TASKRUN_FLAG` says when there are some). `SUBMIT_ALL` (5.18) lets the rest
    /// of a batch go out when one entry is bad. `NO_SQARRAY` (6.6) is taken where it is known.
    fn new(sandbox: Sandbox) -> Result<Self, Refused> {
        let mut submissions = RING_SUBMISSIONS;
        let mut without_array = true;
        loop {
            let mut builder = IoUring::builder();
            builder
                .setup_single_issuer()
                .setup_defer_taskrun()
                .setup_taskrun_flag()
                .setup_submit_all()
                .setup_clamp()
                .setup_cqsize(RING_COMPLETIONS.min(submissions * 16))
                .dontfork();
            if without_array {
                builder.setup_no_sqarray();
            }
            if sandbox == Sandbox::On {
                builder.setup_r_disabled();
            }
            match builder.build(submissions) {
                Ok(queues) => {
                    let ring = Self { queues, reaped: VecDeque::new() };
                    return if sandbox == Sandbox::On { ring.restrict() } else { Ok(ring) };
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINVAL) if without_array => without_array = false,
                    // Since 6.18 ring memory counts as locked memory again.
                    Some(libc::ENOMEM) if submissions > 2 * SEND_BATCH_MEMBERS as u32 => submissions /= 2,
                    _ => return Err(Refused::call("io_uring_setup", &error)),
                },
            }
        }
    }

    /// Allows the operations in use and no others, and no further registration: what is submitted cannot be seen by a
    /// seccomp filter, so the ring has its own gate (`IORING_REGISTER_RESTRICTIONS`, 5.10). The ring was made disabled.
    fn restrict(self) -> Result<Self, Refused> {
        let allowed = [opcode::AcceptMulti::CODE, opcode::PollAdd::CODE, opcode::Recv::CODE, opcode::Send::CODE];
        let mut restrictions = Vec::from(allowed.map(Restriction::sqe_op));
        restrictions.push(Restriction::sqe_flags_allowed(squeue::Flags::SKIP_SUCCESS.bits()));
        let submitter = self.queues.submitter();
        submitter
            .register_restrictions(&mut restrictions)
            .map_err(|error| Refused::call("restricting the ring", &error))?;
        submitter.register_enable_rings().map_err(|error| Refused::call("enabling the ring", &error))?;
        Ok(self)
    }

    fn with_features(self) -> Result<Self, Refused> {
        let parameters = self.queues.params();
        for (present, name) in [
            (parameters.is_feature_nodrop(), "NODROP"),
            (parameters.is_feature_submit_stable(), "SUBMIT_STABLE"),
            (parameters.is_feature_ext_arg(), "EXT_ARG"),
            (parameters.is_feature_skip_cqe_on_success(), "CQE_SKIP"),
        ] {
            if !present {
                return Err(Refused::behaviour(format!("io_uring lacks {name}")));
            }
        }
        Ok(self)
    }

    /// Tries out what the server relies on: a send that fits posts nothing, a short one posts the bytes taken, one to a
    /// full socket `EAGAIN`, one to a dead socket `EPIPE`.
    fn try_out(&mut self) -> Result<(), Refused> {
        let (socket, peer) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .map_err(|errno| Refused::call("socketpair", &errno.into()))?;
        let socket = Socket::new(socket);
        let much = vec![b'x'; 1 << 20];
        // A kernel that forbids io_uring_enter shows it here: the batch's own submission would take it for a fault.
        self.queues.submit().map_err(|error| Refused::call("io_uring_enter", &error))?;
        let mut try_send = |bytes: &[u8], expected: fn(Sent) -> bool, what: &str| {
            let mut sends = [Send::new(&socket, bytes)];
            let mut others = Vec::new();
            self.send_batch(&mut sends, &mut others);
            match sends[0].sent {
                sent if expected(sent) && others.is_empty() => Ok(()),
                sent => Err(Refused::behaviour(format!("io_uring answered {what} with {sent:?}"))),
            }
        };
        try_send(b"x", |sent| sent == Sent::Whole, "a send that fits")?;
        try_send(&much, |sent| matches!(sent, Sent::Part(bytes) if bytes > 0 && bytes < 1 << 20), "a short send")?;
        try_send(&much, |sent| sent == Sent::Full, "a send to a full socket")?;
        drop(peer);
        try_send(b"x", |sent| matches!(sent, Sent::Dead(_)), "a send to a dead socket")
    }

    /// Queues a submission that names no memory of ours; a full queue is submitted first.
    fn push(&mut self, entry: squeue::Entry, token: Token) {
        self.make_space(1);
        let entry = entry.user_data(token.to_bits());
        // SAFETY: polls and accepts name a descriptor and no memory. The server closes a descriptor only after its last
        // completion; were it not so, the operation would fail or watch another socket, and its token would be stale.
        unsafe { self.queues.submission().push(&entry) }.expect("there is space in the queue");
    }

    /// Queues a receive into the `index`th piece of scratch memory. The caller submits before it lets go of `scratch`.
    fn push_receive(&mut self, index: usize, descriptor: RawFd, scratch: &mut Scratch) {
        let piece = scratch.piece(index);
        let entry = opcode::Recv::new(Fd(descriptor), piece.as_mut_ptr(), piece.len() as u32)
            .flags(libc::MSG_DONTWAIT)
            .build()
            .user_data(Token::indexed(Op::Receive, index).to_bits());
        // SAFETY: `receive_chunks` holds the scratch memory until `submit` has returned, and by then the kernel has
        // consumed the entry and, because it may not wait, written its bytes.
        unsafe { self.queues.submission().push(&entry) }.expect("space was made for the batch");
    }

    /// Hands the batch over and resolves every send of it.
    fn send_batch(&mut self, sends: &mut [Send<'_, Socket>], others: &mut Vec<cqueue::Entry>) {
        assert!(sends.len() <= SEND_BATCH_MEMBERS, "a batch is bounded");
        self.make_space(sends.len());
        let mut queue = self.queues.submission();
        for (index, send) in sends.iter().enumerate() {
            let length = u32::try_from(send.bytes.len()).expect("a send lies within a segment of a log");
            let entry = opcode::Send::new(Fd(send.socket.descriptor().as_raw_fd()), send.bytes.as_ptr(), length)
                .flags(libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
                .build()
                .flags(squeue::Flags::SKIP_SUCCESS)
                .user_data(Token::indexed(Op::Send, index).to_bits());
            // SAFETY: `sends` borrows the bytes until this function returns. It returns after `submit`, and by then the
            // kernel has consumed the entry and, because it may not wait, is done with the bytes.
            unsafe { queue.push(&entry) }.expect("space was made for the batch");
        }
        drop(queue);
        self.submit();
        while let Some(entry) = self.next_completion() {
            let token = Token::from_bits(entry.user_data()).expect("every completion answers a submission of ours");
            if token.op != Op::Send {
                others.push(entry);
                continue;
            }
            let send = &mut sends[token.index()];
            send.sent = Sent::from_result(outcome(entry.result()), send.bytes.len());
        }
    }

    /// Sees to it that `count` submissions fit the queue.
    fn make_space(&mut self, count: usize) {
        let queue = self.queues.submission();
        if queue.capacity() - queue.len() < count {
            drop(queue);
            self.submit();
        }
    }

    /// Submits until the kernel has consumed the whole queue. What may not wait is resolved when it returns.
    fn submit(&mut self) {
        loop {
            match self.queues.submit() {
                Ok(_) if self.queues.submission().is_empty() => return,
                Ok(_) => {}
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    // Short of memory for requests, or of room for completions. The entries are still queued.
                    Some(libc::EAGAIN | libc::EBUSY) => {
                        self.reaped.extend(self.queues.completion());
                        std::thread::yield_now();
                    }
                    // Entries that name memory of ours may still be queued. They are never submitted: unwinding ends
                    // the ring.
                    _ => panic!("io_uring_enter failed on a ring that worked before: {error}"),
                },
            }
        }
    }

    /// Submits and waits for one completion, at most for `timeout`.
    fn wait(&mut self, timeout: Option<std::time::Duration>) -> std::io::Result<()> {
        let submitter = self.queues.submitter();
        let result = match timeout {
            Some(timeout) => {
                let timespec = Timespec::from(timeout);
                submitter.submit_with_args(1, &SubmitArgs::new().timespec(&timespec))
            }
            None => submitter.submit_and_wait(1),
        };
        ignore_interruptions(result)
    }

    /// Submits and lets every deferred completion post, without waiting. No system call when there is nothing to do.
    fn harvest(&mut self) -> std::io::Result<()> {
        loop {
            let queue = self.queues.submission();
            if queue.is_empty() && !queue.taskrun() && !queue.cq_overflow() {
                return Ok(());
            }
            let pending = queue.taskrun() || queue.cq_overflow();
            drop(queue);
            if !pending {
                // Nothing has completed yet. What is submitted now may complete at once, and is then found.
                self.submit();
                continue;
            }
            let timespec = Timespec::new();
            ignore_interruptions(
                self.queues.submitter().submit_with_args(HARVEST, &SubmitArgs::new().timespec(&timespec)),
            )?;
            return Ok(());
        }
    }

    fn next_completion(&mut self) -> Option<cqueue::Entry> {
        loop {
            if let Some(entry) = self.reaped.pop_front().or_else(|| self.queues.completion().next()) {
                return Some(entry);
            }
            // Completions that did not fit the queue are kept by the kernel until they are asked for.
            if !self.queues.submission().cq_overflow() {
                return None;
            }
            let timespec = Timespec::new();
            // An error here is met again, and handled, by the next wait.
            let _ = self.queues.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&timespec));
        }
    }
}

/// A call that was interrupted, timed out, or met a full completion queue has done no harm: its entries stay queued.
fn ignore_interruptions(result: std::io::Result<usize>) -> std::io::Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(error) => match error.raw_os_error() {
            Some(libc::EINTR | libc::ETIME | libc::EAGAIN | libc::EBUSY) => Ok(()),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_refuses_what_the_server_does_not_do() {
        for (sandbox, expected) in [(Sandbox::On, -libc::EACCES), (Sandbox::Off, 0)] {
            let mut ring = Ring::open(sandbox).expect("io_uring is needed for this test");
            ring.push(opcode::Nop::new().build(), Token::indexed(Op::Signal, 0));
            ring.submit();
            let entry = ring.next_completion().expect("what may not wait is resolved when it was submitted");
            assert_eq!(entry.result(), expected, "{sandbox:?}");
        }
    }
}
