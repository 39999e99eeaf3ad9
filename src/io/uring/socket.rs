//! A connected socket of this back end, in four bytes, because every member has one; and where requests about it go.

use std::fmt;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};

use super::ring::Target;
use super::tables::Place;
use crate::io::socket::Socket as Ordinary;
use crate::limits::{TABLE_SLOTS_MAX, TABLES_MAX};
use crate::token::TableId;

/// The bits of a place that are its slot.
const SLOT_BITS: u32 = (TABLE_SLOTS_MAX as u32).ilog2();
const _: () = assert!(TABLE_SLOTS_MAX.is_power_of_two() && TABLES_MAX <= 1 << (31 - SLOT_BITS));

/// An ordinary descriptor; or a place in a table, with all bits inverted, so that it is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(i32);

/// It owns its descriptor, where it has one.
pub struct Socket(Number);

/// Where requests about a socket go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Main(RawFd),
    Table(Place),
}

impl Route {
    /// The table whose ring it is; `None` for the main ring.
    pub fn table(self) -> Option<TableId> {
        match self {
            Self::Main(_) => None,
            Self::Table(place) => Some(place.table),
        }
    }

    /// What the requests name.
    pub fn target(self) -> Target {
        match self {
            Self::Main(descriptor) => Target::Descriptor(descriptor),
            Self::Table(place) => Target::File(place.slot),
        }
    }
}

impl Number {
    /// That of no socket.
    pub const NONE: Self = Self(i32::MIN);

    fn of(Place { table, slot }: Place) -> Self {
        Self(!(i32::from(table.0) << SLOT_BITS | i32::from(slot)))
    }

    pub fn route(self) -> Route {
        assert!(self != Self::NONE, "only the number of a socket says where its requests go");
        if self.0 >= 0 {
            return Route::Main(self.0);
        }
        let place = !self.0;
        // Both are smaller than 2^16: that is how the number was made.
        let (table, slot) = ((place >> SLOT_BITS) as u16, (place & ((1 << SLOT_BITS) - 1)) as u16);
        Route::Table(Place { table: TableId(table), slot })
    }
}

impl Socket {
    /// One with a descriptor of its own.
    pub(super) fn ordinary(socket: Ordinary) -> Self {
        Self(Number(socket.into_descriptor().into_raw_fd()))
    }

    pub(super) fn in_table(place: Place) -> Self {
        Self(Number::of(place))
    }

    pub(super) fn number(&self) -> Number {
        self.0
    }

    pub(super) fn route(&self) -> Route {
        self.0.route()
    }

    /// Calls `what` with a socket that has a descriptor of its own, or answers with its place in a table.
    pub(super) fn with_ordinary<T>(&self, what: impl FnOnce(&Ordinary) -> T) -> Result<T, Place> {
        match self.route() {
            Route::Table(place) => Err(place),
            Route::Main(descriptor) => {
                // SAFETY: this socket owns the descriptor and lives longer than what is made here, which closes nothing.
                let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
                Ok(what(&ManuallyDrop::new(Ordinary::new(descriptor))))
            }
        }
    }
}

impl Drop for Socket {
    /// Closes a descriptor of its own. A place in a table is given up by the back end.
    fn drop(&mut self) {
        if let Route::Main(descriptor) = self.route() {
            // SAFETY: this socket owns the descriptor, and it is used no more.
            drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.route()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_socket_takes_four_bytes_and_remembers_its_place() {
        assert_eq!(size_of::<Socket>(), 4);
        for table in [0, 1, 49, TABLES_MAX as u16 - 1] {
            for slot in [0, 1, 19_999, TABLE_SLOTS_MAX - 1] {
                let place = Place { table: TableId(table), slot };
                let socket = Socket::in_table(place);
                assert_eq!((socket.route(), socket.with_ordinary(|_| ())), (Route::Table(place), Err(place)));
            }
        }
    }

    #[test]
    fn a_descriptor_is_closed_once_when_its_socket_is_dropped() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let mut peer = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
        let (socket, _) = listener.accept().expect("a newcomer waits");
        let socket = Socket::ordinary(Ordinary::new(OwnedFd::from(socket)));
        assert_eq!(socket.with_ordinary(Ordinary::outstanding), Ok(0));
        assert_eq!(socket.with_ordinary(Ordinary::outstanding), Ok(0), "it is still open");
        drop(socket);
        assert_eq!(peer.read(&mut [0; 8]).expect("the end arrives"), 0);
    }
}
