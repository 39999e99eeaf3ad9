//! One ring: the two queues shared with the kernel, and every call on them.
//!
//! The main ring names ordinary descriptors. The ring of a table names the files of its table, and no others. All rings
//! have the same flags, and each may do only what the back end does with it.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use io_uring::register::Restriction;
use io_uring::types::{Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::io::Errno;

use super::refused::{LINUX_FOR_RING, LINUX_FOR_TABLES, Refused};
use crate::io::{Scratch, Send, Sent};
use crate::limits::{RING_COMPLETIONS, RING_SUBMISSIONS, SEND_BATCH_MEMBERS, TABLE_COMPLETIONS, TABLE_SUBMISSIONS};
use crate::token::{Op, Token};

/// `IORING_REGISTER_FILES_UPDATE` (io_uring_register(2)), which the crate keeps to itself.
const REGISTER_FILES_UPDATE: u8 = 6;

/// Whether rings are restricted to the operations in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sandbox {
    On,
    /// For debugging.
    Off,
}

/// What a request is about: an ordinary descriptor, or a file of a ring's own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Descriptor(RawFd),
    File(u16),
}

impl Target {
    /// The number that a request names.
    fn number(self) -> Fd {
        match self {
            Self::Descriptor(descriptor) => Fd(descriptor),
            Self::File(slot) => Fd(slot.into()),
        }
    }

    /// What says which kind of number that is.
    fn flags(self) -> squeue::Flags {
        match self {
            Self::Descriptor(_) => squeue::Flags::empty(),
            Self::File(_) => squeue::Flags::FIXED_FILE,
        }
    }
}

/// What a ring is for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Main,
    /// A table of that many files. A ring that has something to collect writes to the eventfd.
    Table {
        slots: u16,
        eventfd: RawFd,
    },
}

impl Kind {
    fn submissions(self) -> u32 {
        match self {
            Self::Main => RING_SUBMISSIONS,
            Self::Table { .. } => TABLE_SUBMISSIONS,
        }
    }

    fn completions(self) -> u32 {
        match self {
            Self::Main => RING_COMPLETIONS,
            Self::Table { .. } => TABLE_COMPLETIONS,
        }
    }

    fn linux(self) -> &'static str {
        match self {
            Self::Main => LINUX_FOR_RING,
            Self::Table { .. } => LINUX_FOR_TABLES,
        }
    }

    fn restrictions(self) -> Vec<Restriction> {
        let both = [opcode::PollAdd::CODE, opcode::Recv::CODE, opcode::Send::CODE];
        let mut restrictions = Vec::from(both.map(Restriction::sqe_op));
        match self {
            Self::Main => {
                restrictions.push(Restriction::sqe_op(opcode::AcceptMulti::CODE));
                restrictions.push(Restriction::sqe_flags_allowed(squeue::Flags::SKIP_SUCCESS.bits()));
            }
            Self::Table { .. } => {
                let flags = squeue::Flags::SKIP_SUCCESS | squeue::Flags::FIXED_FILE;
                restrictions.push(Restriction::sqe_op(opcode::FixedFdInstall::CODE));
                restrictions.push(Restriction::sqe_flags_allowed(flags.bits()));
                restrictions.push(Restriction::sqe_flags_required(squeue::Flags::FIXED_FILE.bits()));
                restrictions.push(Restriction::register_op(REGISTER_FILES_UPDATE));
            }
        }
        restrictions
    }
}

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
    /// A ring for ordinary descriptors, not tried out.
    pub(super) fn for_descriptors(sandbox: Sandbox) -> Result<Self, Refused> {
        Self::new(Kind::Main, sandbox)
    }

    /// A ring with a table of `slots` files, all vacant, that writes to `eventfd` when it has something to collect.
    pub(super) fn with_table(slots: u16, eventfd: RawFd, sandbox: Sandbox) -> Result<Self, Refused> {
        Self::new(Kind::Table { slots, eventfd }, sandbox)
    }

    /// A ring that this thread alone submits to (`SINGLE_ISSUER`, 6.0) and whose completions run only when this thread
    /// asks for them (`DEFER_TASKRUN`, 6.1; `TASKRUN_FLAG` says when there are some). `SUBMIT_ALL` (5.18) lets the rest
    /// of a batch go out when one entry is bad. `NO_SQARRAY` (6.6) is taken where it is known.
    fn new(kind: Kind, sandbox: Sandbox) -> Result<Self, Refused> {
        let mut submissions = kind.submissions();
        let mut without_array = true;
        loop {
            let mut builder = IoUring::builder();
            builder
                .setup_single_issuer()
                .setup_defer_taskrun()
                .setup_taskrun_flag()
                .setup_submit_all()
                .setup_clamp()
                .setup_cqsize(kind.completions().min(submissions * 16))
                .dontfork();
            if without_array {
                builder.setup_no_sqarray();
            }
            if sandbox == Sandbox::On {
                builder.setup_r_disabled();
            }
            match builder.build(submissions) {
                Ok(queues) => {
                    return Self { queues, reaped: VecDeque::new() }.with_features(kind)?.registered(kind, sandbox);
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINVAL) if without_array => without_array = false,
                    // Since 6.18 ring memory counts as locked memory again.
                    Some(libc::ENOMEM) if submissions > 2 * SEND_BATCH_MEMBERS as u32 => submissions /= 2,
                    _ => return Err(Refused::call("io_uring_setup", &error, kind.linux())),
                },
            }
        }
    }

    fn with_features(self, kind: Kind) -> Result<Self, Refused> {
        let parameters = self.queues.params();
        for (present, name) in [
            (parameters.is_feature_nodrop(), "NODROP"),
            (parameters.is_feature_submit_stable(), "SUBMIT_STABLE"),
            (parameters.is_feature_ext_arg(), "EXT_ARG"),
            (parameters.is_feature_skip_cqe_on_success(), "CQE_SKIP"),
        ] {
            if !present {
                return Err(Refused::behaviour(format!("io_uring lacks {name}"), kind.linux()));
            }
        }
        Ok(self)
    }

    /// Makes the table, and then allows the operations in use and no others: what is submitted cannot be seen by a
    /// seccomp filter, so a ring has its own gate (`IORING_REGISTER_RESTRICTIONS`, 5.10). The ring was made disabled.
    fn registered(self, kind: Kind, sandbox: Sandbox) -> Result<Self, Refused> {
        let refused = |what| move |error| Refused::call(what, &error, kind.linux());
        let submitter = self.queues.submitter();
        if let Kind::Table { slots, eventfd } = kind {
            submitter.register_files_sparse(slots.into()).map_err(refused("making a table of files"))?;
            submitter.register_eventfd(eventfd).map_err(refused("giving a ring its eventfd"))?;
        }
        if sandbox == Sandbox::On {
            let mut restrictions = kind.restrictions();
            submitter.register_restrictions(&mut restrictions).map_err(refused("restricting the ring"))?;
            submitter.register_enable_rings().map_err(refused("enabling the ring"))?;
        }
        Ok(self)
    }

    /// Has a file of the table be the one of `descriptor`, or with `None` removes it from the table, which closes it
    /// where nothing else has it open.
    pub(super) fn set_file(&mut self, slot: u16, descriptor: Option<RawFd>) -> std::io::Result<()> {
        self.queues.submitter().register_files_update(slot.into(), &[descriptor.unwrap_or(-1)]).map(drop)
    }

    /// A new ordinary descriptor of a file of the table (`FIXED_FD_INSTALL`, 6.8).
    pub(super) fn install(&mut self, slot: u16, others: &mut Vec<cqueue::Entry>) -> Result<OwnedFd, Errno> {
        self.push(opcode::FixedFdInstall::new(Fixed(slot.into()), 0).build(), Token::indexed(Op::Install, 0));
        self.submit();
        let mut installed = None;
        while let Some(entry) = self.next_completion() {
            let token = Token::from_bits(entry.user_data()).expect("every completion answers a submission of ours");
            if token.op == Op::Install {
                installed = Some(outcome(entry.result()));
            } else {
                others.push(entry);
            }
        }
        let descriptor = installed.expect("what may not wait is resolved when it was submitted")?;
        let descriptor = RawFd::try_from(descriptor).expect("a descriptor is a small number");
        // SAFETY: the kernel has just made this descriptor for us, and it is named nowhere else.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }

    /// Queues a poll, or an accept, of a target.
    pub(super) fn push_poll(&mut self, target: Target, events: libc::c_short, token: Token) {
        self.push(opcode::PollAdd::new(target.number(), events as u32).build().flags(target.flags()), token);
    }

    /// Queues a multishot accept.
    pub(super) fn push_accept(&mut self, listener: RawFd, token: Token) {
        self.push(opcode::AcceptMulti::new(Fd(listener)).flags(libc::SOCK_CLOEXEC).build(), token);
    }

    /// Queues a submission that names no memory of ours; a full queue is submitted first.
    fn push(&mut self, entry: squeue::Entry, token: Token) {
        self.make_space(1);
        let entry = entry.user_data(token.to_bits());
        // SAFETY: polls, accepts and installs name a file and no memory. The server closes a file only after its last
        // completion; were it not so, the operation would fail or watch another socket, and its token would be stale.
        unsafe { self.queues.submission().push(&entry) }.expect("there is space in the queue");
    }

    /// Queues a receive into the `index`th piece of scratch memory. The caller has made space, and submits before it
    /// lets go of `scratch`.
    pub(super) fn push_receive(&mut self, index: usize, target: Target, scratch: &mut Scratch) {
        let piece = scratch.piece(index);
        let entry = opcode::Recv::new(target.number(), piece.as_mut_ptr(), piece.len() as u32)
            .flags(libc::MSG_DONTWAIT)
            .build()
            .flags(target.flags())
            .user_data(Token::indexed(Op::Receive, index).to_bits());
        // SAFETY: `receive_chunks` holds the scratch memory until `submit` has returned, and by then the kernel has
        // consumed the entry and, because it may not wait, written its bytes.
        unsafe { self.queues.submission().push(&entry) }.expect("space was made for the batch");
    }

    /// Hands the batch over and resolves every send of it. All targets are of this ring.
    pub(super) fn send_batch<S>(
        &mut self,
        sends: &mut [Send<'_, S>],
        target: impl Fn(&S) -> Target,
        others: &mut Vec<cqueue::Entry>,
    ) {
        assert!(sends.len() <= SEND_BATCH_MEMBERS, "a batch is bounded");
        self.make_space(sends.len());
        let mut queue = self.queues.submission();
        for (index, send) in sends.iter().enumerate() {
            let length = u32::try_from(send.bytes.len()).expect("a send lies within a segment of a log");
            let target = target(send.socket);
            let entry = opcode::Send::new(target.number(), send.bytes.as_ptr(), length)
                .flags(libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
                .build()
                .flags(squeue::Flags::SKIP_SUCCESS | target.flags())
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
    pub(super) fn make_space(&mut self, count: usize) {
        let queue = self.queues.submission();
        if queue.capacity() - queue.len() < count {
            drop(queue);
            self.submit();
        }
    }

    /// Submits until the kernel has consumed the whole queue. What may not wait is resolved when it returns.
    pub(super) fn submit(&mut self) {
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

    /// Enters the kernel once, so that a kernel that forbids it shows that here and not in a batch.
    pub(super) fn try_enter(&mut self) -> std::io::Result<()> {
        self.queues.submit().map(drop)
    }

    /// Submits and waits for one completion, at most for `timeout`.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> std::io::Result<()> {
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

    /// True when completions were taken off the queue and not handed out.
    pub(super) fn has_reaped(&self) -> bool {
        !self.reaped.is_empty()
    }

    /// True when there are completions, or deferred ones that [`Ring::harvest`] would post.
    pub(super) fn has_completions(&mut self) -> bool {
        if !self.reaped.is_empty() || !self.queues.completion().is_empty() {
            return true;
        }
        let queue = self.queues.submission();
        queue.taskrun() || queue.cq_overflow()
    }

    /// Submits what is queued. No system call when there is nothing.
    pub(super) fn flush(&mut self) {
        if !self.queues.submission().is_empty() {
            self.submit();
        }
    }

    /// Submits and lets deferred completions post, without waiting: some `most` of them, others stay deferred. No
    /// system call when there is nothing to do.
    pub(super) fn harvest(&mut self, most: usize) -> std::io::Result<()> {
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
                self.queues.submitter().submit_with_args(most, &SubmitArgs::new().timespec(&timespec)),
            )?;
            return Ok(());
        }
    }

    pub(super) fn next_completion(&mut self) -> Option<cqueue::Entry> {
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

/// The result of a completion: a count, or the error.
pub(super) fn outcome(result: i32) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| Errno::from_raw_os_error(-result))
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
    use crate::io::uring::tables::new_eventfd;

    /// The result of a request that only a ring without restrictions takes.
    fn refused_or_not(ring: &mut Ring, entry: squeue::Entry) -> i32 {
        ring.push(entry, Token::indexed(Op::Signal, 0));
        ring.submit();
        ring.next_completion().expect("what may not wait is resolved when it was submitted").result()
    }

    #[test]
    fn a_ring_refuses_what_the_server_does_not_do() {
        for (sandbox, expected) in [(Sandbox::On, -libc::EACCES), (Sandbox::Off, 0)] {
            let mut ring = Ring::open(sandbox).expect("io_uring is needed for this test");
            assert_eq!(refused_or_not(&mut ring, opcode::Nop::new().build()), expected, "{sandbox:?}");
        }
    }

    #[test]
    fn the_ring_of_a_table_refuses_ordinary_descriptors_and_other_operations() {
        let eventfd = new_eventfd().expect("eventfd(2) is there");
        for (sandbox, refused) in [(Sandbox::On, true), (Sandbox::Off, false)] {
            let mut ring = Ring::with_table(4, eventfd.as_raw_fd(), sandbox).expect("Linux 6.13 is needed");
            let poll = opcode::PollAdd::new(Fd(eventfd.as_raw_fd()), libc::POLLOUT as u32).build();
            assert_eq!(refused_or_not(&mut ring, poll) == -libc::EACCES, refused, "{sandbox:?}");
            assert_eq!(refused_or_not(&mut ring, opcode::Nop::new().build()) == -libc::EACCES, refused, "{sandbox:?}");
            let another = ring.queues.submitter().register_eventfd_async(eventfd.as_raw_fd());
            assert_eq!(another.unwrap_err().raw_os_error() == Some(libc::EACCES), refused, "{sandbox:?}");
            ring.set_file(3, Some(eventfd.as_raw_fd())).expect("files may be set");
            let poll = opcode::PollAdd::new(Fixed(3), libc::POLLOUT as u32).build();
            assert!(refused_or_not(&mut ring, poll) > 0, "{sandbox:?}");
        }
    }
}
