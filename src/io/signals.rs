//! Signals read from a descriptor, so that a back end can wait for them. They are blocked and interrupt nothing.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::{io, mem, ptr};

use super::Signal;

/// SIGINT, SIGTERM, SIGHUP and SIGUSR1 of this process, from now until it ends. (signalfd(2), Linux 2.6.22.) A SIGHUP
/// that was ignored when the process started (`nohup`) arrives too, because it is blocked.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks the signals for this thread and the threads that it starts later, and opens the descriptor. Two others
    /// are ignored, which would end or stop the server for what it writes: SIGXFSZ, so that a file as large as it may
    /// be is an error (`EFBIG`), and SIGTTOU, which a terminal sends to a program in the background (`stty tostop`).
    pub fn new() -> io::Result<Self> {
        let mut set = mem::MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: ignoring a signal runs no code of ours, and only fails for a signal that there is not.
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            libc::signal(libc::SIGTTOU, libc::SIG_IGN);
        }
        // SAFETY: the set lives on this stack frame for all of the calls, and sigemptyset initialises it first. The
        // descriptor that signalfd returns is new and owned by nobody else.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGINT);
            libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
            libc::sigaddset(set.as_mut_ptr(), libc::SIGHUP);
            libc::sigaddset(set.as_mut_ptr(), libc::SIGUSR1);
            let error = libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
            if error != 0 {
                return Err(io::Error::from_raw_os_error(error));
            }
            let descriptor = libc::signalfd(-1, set.as_ptr(), libc::SFD_NONBLOCK | libc::SFD_CLOEXEC);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Self(OwnedFd::from_raw_fd(descriptor)))
        }
    }

    /// The signals that have arrived, each taken once.
    pub fn arrived(&self) -> impl Iterator<Item = Signal> {
        std::iter::from_fn(|| self.next())
    }

    fn next(&self) -> Option<Signal> {
        let mut record = [0u8; size_of::<libc::signalfd_siginfo>()];
        match rustix::io::read(&self.0, &mut record) {
            Ok(length) if length == record.len() => {}
            _ => return None,
        }
        // The signal's number is the first field, `ssi_signo` (signalfd(2)).
        let number = u32::from_ne_bytes([record[0], record[1], record[2], record[3]]);
        match libc::c_int::try_from(number) {
            Ok(libc::SIGINT) => Some(Signal::Interrupt),
            Ok(libc::SIGHUP) => Some(Signal::Hangup),
            Ok(libc::SIGUSR1) => Some(Signal::Statistics),
            _ => Some(Signal::Terminate),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
