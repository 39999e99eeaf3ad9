//! Readiness by epoll, the fallback where io_uring is forbidden: a descriptor is registered once and tells of changes.
//!
//! Connections are edge-triggered (`EPOLLET`), so that after the registration no system call is needed for further
//! reports. The listeners, the signals and the cluster's link are level-triggered: they are few, and newcomers,
//! signals or news that are not taken at once must be reported again.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::by_index::ByIndex;
use super::readiness::{Interest, Poller, Ready};
use crate::limits::READY_PER_TURN_MAX;
use crate::token::{Op, Token};

pub struct Epoll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    /// By descriptor: the bits of the token it is registered with.
    registered: ByIndex<u64>,
}

impl fmt::Debug for Epoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epoll").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

impl Epoll {
    pub fn new() -> std::io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(READY_PER_TURN_MAX), registered: ByIndex::new(0) })
    }
}

impl Poller for Epoll {
    const NAME: &'static str = "epoll";

    fn watch(&mut self, descriptor: BorrowedFd<'_>, token: Token, interest: Interest) -> Result<(), Errno> {
        let data = epoll::EventData::new_u64(token.to_bits());
        if token.op != Op::Readable {
            let flags = if interest.readable { epoll::EventFlags::IN } else { epoll::EventFlags::empty() };
            return match epoll::modify(&self.epoll, descriptor, data, flags) {
                Err(Errno::NOENT) => epoll::add(&self.epoll, descriptor, data, flags),
                result => result,
            };
        }
        let index = usize::try_from(descriptor.as_raw_fd()).expect("a descriptor is not negative");
        if self.registered.at(index) == token.to_bits() {
            return Ok(());
        }
        // Closing a socket has ended the registration of the descriptor's earlier owner.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        epoll::add(&self.epoll, descriptor, data, flags)?;
        *self.registered.at_mut(index) = token.to_bits();
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<(Token, Ready)>) -> std::io::Result<()> {
        let timeout = timeout.map(|timeout| Timespec::try_from(timeout).expect("a deadline lies within centuries"));
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        for event in &self.events {
            let flags = event.flags;
            let hung_up = epoll::EventFlags::HUP | epoll::EventFlags::RDHUP | epoll::EventFlags::ERR;
            let token = Token::from_bits(event.data.u64()).expect("every registration has a token");
            let state = Ready {
                readable: flags.contains(epoll::EventFlags::IN),
                writable: flags.contains(epoll::EventFlags::OUT),
                hung_up: flags.intersects(hung_up),
            };
            ready.push((token, state));
        }
        Ok(())
    }

    fn takes(&self, _descriptor: RawFd) -> bool {
        true
    }
}
