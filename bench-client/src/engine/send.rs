//! What members send: what enters the room, what is due, and answers to pings.
//!
//! A message that is due is handed over at once, also while those before it still wait. What is due together for one
//! publisher goes in one send; a socket that is full keeps its bytes until it takes them, and the schedule lag shows it.

use std::os::fd::AsFd;

use crate::engine::members::Engine;
use crate::error::{Context, Result};
use crate::message::Header;
use crate::sys::{self, Interest};

/// Messages handed over before sockets are read again: when the plan fell behind, reading goes on while it catches up.
const DUE_AT_ONCE_MAX: usize = 64;

impl Engine<'_> {
    /// Member `index` is connected and says what its protocol asks of it to enter the room.
    pub(super) fn greet(&mut self, index: usize) -> Result<()> {
        let Some(entering) = self.entering.get_mut(&index).filter(|entering| !entering.hello.is_empty()) else {
            return Ok(());
        };
        let Some(socket) = &self.members[index].socket else { return Ok(()) };
        match sys::send(socket.as_fd(), &entering.hello) {
            Ok(bytes) => drop(entering.hello.drain(..bytes)),
            // A socket that failed says so when it is read.
            Err(_) => return Ok(()),
        }
        if entering.hello.is_empty() {
            self.epoll
                .modify(socket.as_fd(), index as u64, Interest::Read)
                .context(|| "cannot watch a member's socket".to_string())?;
        }
        Ok(())
    }

    /// Member `index` is welcomed, and asks for its room, if that is still to be done.
    pub(super) fn ask_for_room(&mut self, index: usize, join: &[u8]) {
        let entering = self.entering.get_mut(&index).expect("a member connects before it is welcomed");
        entering.has_asked = true;
        if let Some(socket) = &self.members[index].socket {
            // It has sent next to nothing yet, so its socket is not full. One that failed says so when it is read.
            let _ = sys::send(socket.as_fd(), join);
        }
    }

    /// When the next message is due; never, after the last.
    pub(super) fn next_due_ns(&self) -> u64 {
        if self.next < self.plan.len() { self.recorder.due_ns(self.next) } else { u64::MAX }
    }

    /// Hands over what is due at `now_ns`.
    pub(super) fn publish_due(&mut self, now_ns: u64) -> Result<()> {
        let first = self.next;
        while self.next - first < DUE_AT_ONCE_MAX && self.next_due_ns() <= now_ns {
            let publisher = self.plan.publisher_of(self.next);
            let header = Header {
                publisher,
                sequence: self.plan.sequence_of(self.next),
                due_ns: self.recorder.due_ns(self.next),
            };
            let member = self.publishers[publisher as usize].member.expect("those of other processes are passed");
            let wire = &self.wires[self.wire_of(member)];
            let sender = &mut self.publishers[publisher as usize];
            wire.publish(&self.format, header, &mut sender.out);
            sender.queued.push_back((sender.out.len(), self.next as u32));
            self.next += 1;
            self.skip_elsewhere();
        }
        // Due messages go round the publishers, so the first few of them name every publisher that has any.
        let end = self.next.min(first + self.plan.publishers() as usize);
        for index in first..end {
            let publisher = self.plan.publisher_of(index) as usize;
            if !self.publishers[publisher].blocked {
                self.flush(publisher)?;
            }
        }
        Ok(())
    }

    /// The socket of member `index`, a publisher's, takes bytes again.
    pub(super) fn on_writable(&mut self, index: usize) -> Result<()> {
        match self.members[index].publisher() {
            Some(publisher) if self.publishers[publisher as usize].blocked => self.flush(publisher as usize),
            _ => Ok(()),
        }
    }

    /// Sends `pong` as the answer to a ping of the server to member `index`. While the socket has taken a part of a message the answer would stand in
    /// the middle of it, so none is sent; the server asks again long before it closes a member.
    pub(super) fn pong(&self, index: usize, pong: &[u8]) {
        let member = &self.members[index];
        let is_blocked = member.publisher().is_some_and(|publisher| self.publishers[publisher as usize].blocked);
        if let Some(socket) = member.socket.as_ref().filter(|_| !is_blocked) {
            // A listener sends nothing else, so its socket is never full.
            let _ = sys::send(socket.as_fd(), pong);
        }
    }

    fn flush(&mut self, publisher: usize) -> Result<()> {
        let sender = &mut self.publishers[publisher];
        let Some(member) = sender.member else { return Ok(()) };
        // A publisher that was closed sends nothing more; its messages stay unsent, which the summary reports.
        let Some(socket) = &self.members[member].socket else { return Ok(()) };
        let now_ns = sys::monotonic_ns();
        match sys::send(socket.as_fd(), &sender.out[sender.out_start..]) {
            Ok(bytes) => sender.out_start += bytes,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => {
                self.on_closed(member, error.to_string(), now_ns);
                return Ok(());
            }
        }
        let author_is_verified = self.members[member].verified().is_some();
        let open = self.rooms[self.plan.room_of(publisher as u32)].verified_open;
        while let Some(&(end, index)) = sender.queued.front()
            && end <= sender.out_start
        {
            sender.queued.pop_front();
            sender.messages_sent += 1;
            self.recorder.on_sent(index as usize, now_ns, open - u32::from(author_is_verified));
        }
        let blocked = sender.out_start < sender.out.len();
        if !blocked {
            sender.out.clear();
            sender.out_start = 0;
        }
        if blocked != sender.blocked {
            sender.blocked = blocked;
            let interest = if blocked { Interest::ReadAndWrite } else { Interest::Read };
            self.epoll
                .modify(socket.as_fd(), member as u64, interest)
                .context(|| "cannot watch a publisher's socket".to_string())?;
        }
        Ok(())
    }
}
