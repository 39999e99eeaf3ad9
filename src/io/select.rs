//! Readiness by select, as the original has it: a set of 1,024 descriptors, copied, searched and copied back at every
//! wait.
//!
//! It is kept so that its ceiling and its cost can be measured. A descriptor from 1,024 on is refused, never written
//! past the set's end.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{FdSetElement, FdSetIter, Timespec, fd_set_insert, fd_set_num_elements, fd_set_remove, select};
use rustix::io::Errno;

use super::readiness::{Interest, Poller, Ready};
use crate::limits::FD_SETSIZE;
use crate::token::{Op, Token};

pub struct Select {
    /// What is watched for reading and for writing, by descriptor.
    reading: Vec<FdSetElement>,
    writing: Vec<FdSetElement>,
    /// The same, as select overwrites them.
    readable: Vec<FdSetElement>,
    writable: Vec<FdSetElement>,
    /// By descriptor.
    tokens: Vec<Option<Token>>,
    /// One more than the highest descriptor ever watched.
    bound: RawFd,
}

impl fmt::Debug for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").field("bound", &self.bound).finish_non_exhaustive()
    }
}

impl Select {
    pub fn new() -> Self {
        let empty = vec![FdSetElement::default(); fd_set_num_elements(0, FD_SETSIZE)];
        Self {
            reading: empty.clone(),
            writing: empty.clone(),
            readable: empty.clone(),
            writable: empty,
            tokens: vec![None; FD_SETSIZE as usize],
            bound: 0,
        }
    }

    /// Watches `descriptor` no longer, neither for reading nor for writing.
    fn clear(&mut self, descriptor: RawFd) {
        fd_set_remove(&mut self.reading, descriptor);
        fd_set_remove(&mut self.writing, descriptor);
    }
}

impl Default for Select {
    fn default() -> Self {
        Self::new()
    }
}

impl Poller for Select {
    const NAME: &'static str = "select";

    fn watch(&mut self, descriptor: BorrowedFd<'_>, token: Token, interest: Interest) -> Result<(), Errno> {
        let descriptor = descriptor.as_raw_fd();
        if !self.takes(descriptor) {
            return Err(Errno::MFILE);
        }
        self.bound = self.bound.max(descriptor + 1);
        self.tokens[descriptor as usize] = Some(token);
        self.clear(descriptor);
        if interest.readable {
            fd_set_insert(&mut self.reading, descriptor);
        }
        if interest.writable {
            fd_set_insert(&mut self.writing, descriptor);
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<(Token, Ready)>) -> std::io::Result<()> {
        let timeout = timeout.map(|timeout| Timespec::try_from(timeout).expect("a deadline lies within centuries"));
        self.readable.copy_from_slice(&self.reading);
        self.writable.copy_from_slice(&self.writing);
        let (readable, writable) = (&mut self.readable, &mut self.writable);
        // SAFETY: a descriptor is in a set only while an operation is in flight on it, and until then the server does
        // not close it; the listener, the signals and the link are closed after they were taken out, or at the end.
        match unsafe { select(self.bound, Some(readable), Some(writable), None, timeout.as_ref()) } {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
        // A connection is reported once and then no longer watched, because its socket may be closed from now on.
        for descriptor in FdSetIter::new(&self.readable) {
            let token = self.tokens[descriptor as usize].expect("what is watched has a token");
            ready.push((token, Ready { readable: true, ..Ready::default() }));
            if token.op == Op::Readable {
                fd_set_remove(&mut self.reading, descriptor);
            }
        }
        for descriptor in FdSetIter::new(&self.writable) {
            let token = self.tokens[descriptor as usize].expect("what is watched has a token");
            ready.push((token, Ready { writable: true, ..Ready::default() }));
            fd_set_remove(&mut self.writing, descriptor);
        }
        Ok(())
    }

    fn takes(&self, descriptor: RawFd) -> bool {
        (0..FD_SETSIZE).contains(&descriptor)
    }
}
