//! Tables of direct descriptors: sockets that are no descriptors of the process, so that its descriptor limit does not
//! bound them. A ring has one table, of at most as many files as the limit has descriptors; so there are many rings,
//! all used by one thread.
//!
//! A newcomer is moved into the first table with room. So a small crowd is in one table and costs one system call a
//! batch, and tables at the end empty when a crowd leaves. The ring of a table keeps the memory of its requests in the
//! kernel until it is closed, so a table that stays empty is closed, and opened again when it is needed.
//!
//! Polling a ring from another does not work where completions are deferred, because such a ring posts none before it
//! is entered. Instead all rings write to one eventfd, which the main ring polls. Which of them have something to
//! collect is a flag in memory that is shared with the kernel, so looking at fifty costs less than a system call.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Instant;

use io_uring::cqueue;
use rustix::event::EventfdFlags;
use rustix::io::Errno;

use super::refused::{LINUX_FOR_TABLES, Refused};
use super::ring::{Ring, Sandbox};
use super::trial;
use crate::io::socket::Socket;
use crate::limits::{TABLE_EMPTY_MAX, TABLE_HARVEST, TABLES_HARVEST};
use crate::token::TableId;

/// A file of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub table: TableId,
    pub slot: u16,
}

#[derive(Debug)]
struct Table {
    ring: Ring,
    /// Vacant slots, the next one to be used last.
    vacant: Vec<u16>,
    /// Since when all slots have been vacant; `None` while one is not.
    empty_since: Option<Instant>,
}

#[derive(Debug)]
pub struct Tables {
    /// By [`TableId`]; `None` for one that is closed.
    tables: Vec<Option<Table>>,
    /// Slots of a table.
    slots: u16,
    sandbox: Sandbox,
    eventfd: OwnedFd,
    /// The table whose completions are collected next.
    next: usize,
    /// When the table that has been empty for the longest is to be closed, as far as is known.
    closing_at: Option<Instant>,
}

pub(super) fn new_eventfd() -> rustix::io::Result<OwnedFd> {
    rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
}

impl Tables {
    /// Opens `count` tables of `slots` files each, at least two, and tries the first one out. Fewer are opened when the
    /// kernel refuses one, and then the second part of the answer says why.
    pub fn open(count: usize, slots: u16, sandbox: Sandbox) -> Result<(Self, Option<Refused>), Refused> {
        assert!(count > 0 && slots >= 2, "there is a table, and a trial needs two files");
        let refused = |errno: Errno| Refused::call("eventfd", &errno.into(), LINUX_FOR_TABLES);
        let eventfd = new_eventfd().map_err(refused)?;
        let mut tables = Self { tables: Vec::with_capacity(count), slots, sandbox, eventfd, next: 0, closing_at: None };
        let mut first = tables.open_table()?;
        trial::files_behave(&mut first.ring)?;
        tables.tables.push(Some(first));
        while tables.tables.len() < count {
            match tables.open_table() {
                Ok(table) => tables.tables.push(Some(table)),
                Err(refused) => return Ok((tables, Some(refused))),
            }
        }
        Ok((tables, None))
    }

    fn open_table(&mut self) -> Result<Table, Refused> {
        let ring = Ring::with_table(self.slots, self.eventfd.as_raw_fd(), self.sandbox)?;
        let now = Instant::now();
        self.note_empty(now);
        Ok(Table { ring, vacant: (0..self.slots).rev().collect(), empty_since: Some(now) })
    }

    /// How many there can be open.
    pub fn count(&self) -> usize {
        self.tables.len()
    }

    /// Sockets that fit.
    pub fn capacity(&self) -> usize {
        self.tables.len() * usize::from(self.slots)
    }

    /// Descriptor of the eventfd that is readable when a table may have something to collect.
    pub fn eventfd(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    /// Moves a socket into the first table with room. It is handed back when there is none.
    pub fn move_in(&mut self, socket: Socket) -> Result<Place, Socket> {
        let is_open_with_room = |table: &Option<Table>| table.as_ref().is_some_and(|table| !table.vacant.is_empty());
        let (open, closed) =
            (self.tables.iter().position(is_open_with_room), self.tables.iter().position(Option::is_none));
        let index = match (open, closed) {
            (Some(open), _) => open,
            (None, Some(closed)) => {
                let Ok(table) = self.open_table() else { return Err(socket) };
                self.tables[closed] = Some(table);
                closed
            }
            (None, None) => return Err(socket),
        };
        let table = self.tables[index].as_mut().expect("it is open");
        let slot = table.vacant.pop().expect("it has room");
        if table.ring.set_file(slot, Some(socket.descriptor().as_raw_fd())).is_err() {
            table.vacant.push(slot);
            return Err(socket);
        }
        table.empty_since = None;
        Ok(Place { table: TableId(u16::try_from(index).expect("tables are bounded")), slot })
    }

    /// Removes a socket that has nothing in flight, which closes it.
    pub fn close(&mut self, place: Place) {
        let slots = usize::from(self.slots);
        let table = self.table(place.table);
        // The kernel frees memory here and takes none.
        table.ring.set_file(place.slot, None).expect("a file can be removed from a table");
        table.vacant.push(place.slot);
        if table.vacant.len() == slots {
            let now = Instant::now();
            table.empty_since = Some(now);
            self.note_empty(now);
        }
    }

    /// Calls `what` with a socket of a table as one with an ordinary descriptor. `None` when there is no descriptor for
    /// it.
    pub fn with_descriptor<T>(
        &mut self,
        place: Place,
        others: &mut Vec<cqueue::Entry>,
        what: impl FnOnce(&Socket) -> T,
    ) -> Option<T> {
        let descriptor = self.ring(place.table).install(place.slot, others).ok()?;
        Some(what(&Socket::new(descriptor)))
    }

    pub fn ring(&mut self, table: TableId) -> &mut Ring {
        &mut self.table(table).ring
    }

    fn table(&mut self, table: TableId) -> &mut Table {
        self.tables[table.index()].as_mut().expect("a table with a socket is open")
    }

    /// True when a table has completions to collect.
    pub fn have_completions(&mut self) -> bool {
        self.tables.iter_mut().flatten().any(|table| table.ring.has_completions())
    }

    /// Submits what is queued, so that it can complete while the main ring waits.
    pub fn flush(&mut self) {
        self.tables.iter_mut().flatten().for_each(|table| table.ring.flush());
    }

    /// Forgets that rings have written to the eventfd.
    pub fn drain_eventfd(&self) {
        let mut count = [0; 8];
        // It fails only when nothing was written, and then there is nothing to forget.
        let _ = rustix::io::read(&self.eventfd, &mut count);
    }

    /// Collects completions, a bounded number of them. Tables take turns, so that none is left out when there are more.
    pub fn harvest(&mut self, completions: &mut Vec<cqueue::Entry>) -> std::io::Result<()> {
        let count = self.tables.len();
        let most = completions.len() + TABLES_HARVEST;
        for index in (0..count).map(|step| (self.next + step) % count) {
            let Some(table) = &mut self.tables[index] else { continue };
            table.ring.harvest(TABLE_HARVEST)?;
            while let Some(entry) = table.ring.next_completion() {
                completions.push(entry);
            }
            if completions.len() >= most {
                self.next = (index + 1) % count;
                break;
            }
        }
        Ok(())
    }

    /// When [`Tables::close_empty`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.closing_at
    }

    fn note_empty(&mut self, since: Instant) {
        self.closing_at.get_or_insert(since + TABLE_EMPTY_MAX);
    }

    /// Closes a table that has been empty for [`TABLE_EMPTY_MAX`], the last ones first. The first stays open.
    pub fn close_empty(&mut self, now: Instant) {
        if self.closing_at.is_none_or(|at| at > now) {
            return;
        }
        let empty_since = |table: &Option<Table>| table.as_ref().and_then(|table| table.empty_since);
        let due = |since: Instant| since + TABLE_EMPTY_MAX <= now;
        if let Some(last) = self.tables.iter().skip(1).rposition(|table| empty_since(table).is_some_and(due)) {
            // One in a turn, because it takes the kernel a moment.
            self.tables[last + 1] = None;
        }
        let next = self.tables.iter().skip(1).filter_map(empty_since).min();
        self.closing_at = next.map(|since| since + TABLE_EMPTY_MAX);
    }
}

impl Tables {
    /// Tables that are open.
    #[cfg(test)]
    pub fn open_count(&self) -> usize {
        self.tables.iter().flatten().count()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use super::*;
    use crate::io::uring::ring::Target;
    use crate::token::{Op, Token};

    /// Tables of two slots, and newcomers for them.
    struct World {
        tables: Tables,
        listener: TcpListener,
    }

    impl World {
        fn new(count: usize) -> Self {
            let (tables, refused) = Tables::open(count, 2, Sandbox::On).expect("Linux 6.13 is needed for this test");
            assert!(refused.is_none(), "{refused:?}");
            Self { tables, listener: TcpListener::bind("127.0.0.1:0").expect("a port is free") }
        }

        fn newcomer(&self) -> (TcpStream, Socket) {
            let peer = TcpStream::connect(self.listener.local_addr().expect("it is bound")).expect("it listens");
            let (socket, _) = self.listener.accept().expect("a newcomer waits");
            (peer, Socket::new(OwnedFd::from(socket)))
        }

        fn join(&mut self) -> (TcpStream, Place) {
            let (peer, socket) = self.newcomer();
            (peer, self.tables.move_in(socket).expect("there is room"))
        }
    }

    fn place(table: u16, slot: u16) -> Place {
        Place { table: TableId(table), slot }
    }

    #[test]
    fn the_first_table_with_room_takes_a_newcomer() {
        let mut world = World::new(3);
        let (peers, places): (Vec<TcpStream>, Vec<Place>) = (0..6).map(|_| world.join()).unzip();
        assert_eq!(places, [place(0, 0), place(0, 1), place(1, 0), place(1, 1), place(2, 0), place(2, 1)]);
        let (_peer, socket) = world.newcomer();
        assert!(world.tables.move_in(socket).is_err(), "there is no room");
        world.tables.close(places[4]);
        world.tables.close(places[1]);
        assert_eq!([world.join().1, world.join().1], [place(0, 1), place(2, 0)]);
        drop(peers);
    }

    #[test]
    fn closing_a_socket_beside_a_request_in_flight_sends_the_end() {
        let mut world = World::new(1);
        let (_waits, waiting) = world.join();
        let (mut leaves, leaving) = world.join();
        let ring = world.tables.ring(TableId(0));
        ring.push_poll(Target::File(waiting.slot), libc::POLLIN, Token::indexed(Op::Readable, 0));
        ring.submit();
        world.tables.close(leaving);
        leaves.set_read_timeout(Some(Duration::from_secs(20))).expect("it is not zero");
        assert_eq!(leaves.read(&mut [0; 8]).expect("the end arrives"), 0);
    }

    #[test]
    fn a_table_that_stays_empty_is_closed_and_opened_again() {
        let mut world = World::new(3);
        let start = Instant::now();
        assert_eq!(world.tables.open_count(), 3);
        let (_peers, places): (Vec<TcpStream>, Vec<Place>) = (0..3).map(|_| world.join()).unzip();
        assert!(world.tables.deadline().is_some(), "a table is empty");
        world.tables.close_empty(start);
        assert_eq!(world.tables.open_count(), 3, "it has not been empty for long");
        let later = Instant::now() + TABLE_EMPTY_MAX;
        (0..3).for_each(|_| world.tables.close_empty(later));
        assert_eq!((world.tables.open_count(), world.tables.deadline()), (2, None));
        world.tables.close(places[2]);
        assert!(world.tables.deadline().is_some());
        let later = Instant::now() + TABLE_EMPTY_MAX;
        world.tables.close_empty(later);
        assert_eq!(world.tables.open_count(), 1);
        let (peers, places): (Vec<TcpStream>, Vec<Place>) = (0..4).map(|_| world.join()).unzip();
        assert_eq!(places, [place(1, 0), place(1, 1), place(2, 0), place(2, 1)]);
        assert_eq!(world.tables.open_count(), 3);
        drop(peers);
    }

    #[test]
    fn a_table_that_is_used_in_time_stays_open() {
        let mut world = World::new(2);
        let (_peers, places): (Vec<TcpStream>, Vec<Place>) = (0..3).map(|_| world.join()).unzip();
        world.tables.close(places[2]);
        let (_peer, again) = world.join();
        assert_eq!(again, place(1, 0));
        let later = Instant::now() + TABLE_EMPTY_MAX;
        world.tables.close_empty(later);
        assert_eq!((world.tables.open_count(), world.tables.deadline()), (2, None));
    }
}
