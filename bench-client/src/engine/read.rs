//! One socket read once, and what is done with its bytes.
//!
//! A verified member's bytes are cut into lines where they lie; only the beginning of a line whose end has not come is
//! copied and kept. A counting member's bytes are dropped by the kernel.

use std::os::fd::AsFd;
use std::time::Duration;

use crate::engine::members::{Engine, ORDERS, READ_BYTES_MAX, TAIL_BYTES_MAX};
use crate::engine::visits::VISITORS;
use crate::error::{Context, Result};
use crate::protocol::{Protocol, uproar};
use crate::sys::{self, Event};

/// Bytes a counting member takes off its socket at once; bounded, so that a send that is due waits for no more.
const DISCARD_BYTES_MAX: usize = 1024 * 1024;

impl Engine<'_> {
    pub(super) fn read_for(&mut self, time: Duration) -> Result<()> {
        let until_ns = sys::monotonic_ns() + time.as_nanos() as u64;
        loop {
            let now_ns = sys::monotonic_ns();
            if now_ns >= until_ns {
                return Ok(());
            }
            self.read_round(Duration::from_nanos(until_ns - now_ns))?;
        }
    }

    /// Waits for bytes up to `timeout` and reads each socket that has some once.
    pub(super) fn read_round(&mut self, timeout: Duration) -> Result<()> {
        let count = self.epoll.wait(timeout).context(|| "cannot wait for sockets".to_string())?;
        for index in 0..count {
            let event = self.epoll.event(index);
            if self.is_of_no_member(event) {
                continue;
            }
            if event.writable {
                self.greet(event.token as usize)?;
            }
            if event.readable {
                self.on_readable(event.token as usize);
            }
        }
        Ok(())
    }

    /// True when `event` is not of a measured member, and is dealt with: orders have come, or something for a visitor.
    pub(super) fn is_of_no_member(&mut self, event: Event) -> bool {
        if event.token == ORDERS {
            self.has_orders = true;
        } else if event.token >= VISITORS {
            self.nuisances.on_visitor(&self.epoll, event.token);
        }
        event.token >= VISITORS
    }

    /// Reads the socket of `index` once; returns the time after that.
    pub(super) fn on_readable(&mut self, index: usize) -> u64 {
        let protocol = self.wire(index).protocol;
        let member = &mut self.members[index];
        let Some(socket) = &member.socket else { return sys::monotonic_ns() };
        // A publisher that only counts has its bytes looked at too: there may be a notice to it among them.
        let counting_publisher = member.publisher().filter(|_| protocol.names_authors() && member.verified().is_none());
        let is_dropped = member.joined && counting_publisher.is_none() && !protocol.streams_in_frames();
        if let Some(counting) = member.counting().filter(|_| is_dropped) {
            let result = sys::discard(socket.as_fd(), DISCARD_BYTES_MAX);
            let now_ns = sys::monotonic_ns();
            match result {
                Ok(bytes) if bytes > 0 => {
                    self.heard_ns = now_ns;
                    self.counting[counting] += bytes as u64;
                    self.counted_bytes += bytes as u64;
                }
                result => self.on_no_bytes(index, result, now_ns),
            }
            return now_ns;
        }
        let kept = member.tail.len();
        self.buffer[..kept].copy_from_slice(&member.tail);
        let space = &mut self.buffer[kept..kept + READ_BYTES_MAX];
        let (result, stamp_ns) = match member.probe {
            false => (sys::receive(socket.as_fd(), space), None),
            true => match sys::receive_stamped(socket.as_fd(), space) {
                Ok((bytes, stamp)) => (Ok(bytes), stamp),
                Err(error) => (Err(error), None),
            },
        };
        let now_ns = sys::monotonic_ns();
        self.recorder.begin_read(stamp_ns.map(|stamp_ns| stamp_ns.saturating_sub(self.real_time_offset_ns)));
        match result {
            Ok(bytes) if bytes > 0 => {
                self.heard_ns = now_ns;
                if protocol == Protocol::Uproar {
                    if !member.joined {
                        self.on_entering(index, kept + bytes, now_ns);
                    }
                    match counting_publisher.filter(|_| self.members[index].joined) {
                        Some(publisher) => self.on_counted_bytes(index, publisher, kept, bytes),
                        None => self.on_bytes(index, kept + bytes, now_ns),
                    }
                } else {
                    self.on_framed(index, (kept, bytes), counting_publisher, now_ns);
                }
            }
            result => self.on_no_bytes(index, result, now_ns),
        }
        self.recorder.end_read(now_ns);
        now_ns
    }

    /// A member that is not in its room yet has the first `filled` bytes of the buffer from the server.
    fn on_entering(&mut self, index: usize, filled: usize, now_ns: u64) {
        let filled = &self.buffer[..filled];
        let wire = self.wire(index);
        let has_asked = self.entering.get(&index).is_some_and(|entering| entering.has_asked);
        match wire.join() {
            None if uproar::is_welcome(filled) => self.on_joined(index, now_ns),
            Some(_) if has_asked && wire.confirmation(filled).is_some() => self.on_joined(index, now_ns),
            Some(join) if !has_asked && uproar::is_welcome(filled) => self.ask_for_room(index, &join),
            // A notice instead of a welcome is a refusal; the reason for the close that follows quotes it.
            _ => {}
        }
    }

    /// Hands the lines in the first `filled` bytes of the buffer to the recorder and keeps the rest.
    fn on_bytes(&mut self, index: usize, filled: usize, now_ns: u64) {
        let has_asked = || self.entering.get(&index).is_some_and(|entering| entering.has_asked);
        let member = &mut self.members[index];
        let filled = &self.buffer[..filled];
        let mut start = 0;
        if !member.joined && has_asked() {
            // What is said in the first room meanwhile is not of the run; the last of it is kept, to be quoted.
            start = uproar::last_line(filled).max(filled.len().saturating_sub(TAIL_BYTES_MAX));
        } else if !member.joined {
            // Not welcomed: kept whole, to be quoted when the server closes.
            start = filled.len().saturating_sub(TAIL_BYTES_MAX);
        } else if let Some(verified) = member.verified() {
            for end in memchr::memchr_iter(b'\n', filled) {
                self.recorder.on_line(verified as usize, &filled[start..end], now_ns);
                start = end + 1;
            }
            if filled.len() - start > TAIL_BYTES_MAX {
                self.recorder.on_line(verified as usize, &filled[start..], now_ns);
                start = filled.len();
            }
        } else {
            // The bytes that came with the welcome; from here on they are only counted.
            start = filled.len();
        }
        member.tail = filled[start..].into();
    }

    /// Counts `bytes` behind the `kept` of a publisher that verifies nothing, and finds the notices to it among them.
    fn on_counted_bytes(&mut self, index: usize, publisher: u32, kept: usize, bytes: usize) {
        let filled = &self.buffer[..kept + bytes];
        let whole = memchr::memrchr(b'\n', filled).map_or(0, |end| end + 1);
        let mut notice_bytes = 0;
        for notice in notices(&filled[..whole]) {
            notice_bytes += notice.len() as u64 + 1;
            self.recorder.on_notice_to_publisher(publisher, notice);
        }
        let member = &mut self.members[index];
        let counting = member.counting().expect("a publisher that verifies is not counted");
        let counted = &mut self.counting[counting];
        *counted = (*counted + bytes as u64).saturating_sub(notice_bytes);
        self.counted_bytes = (self.counted_bytes + bytes as u64).saturating_sub(notice_bytes);
        let rest = if filled.len() - whole > TAIL_BYTES_MAX { filled.len() } else { whole };
        member.tail = filled[rest..].into();
    }

    fn on_no_bytes(&mut self, index: usize, result: std::io::Result<usize>, now_ns: u64) {
        match result {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => self.on_closed(index, error.to_string(), now_ns),
            Ok(_) => self.on_closed(index, "the server closed the connection".to_string(), now_ns),
        }
    }
}

/// The notices among whole `lines`, without their newlines. No message begins as they do.
fn notices(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    let first = lines.starts_with(b"! ").then_some(0);
    let starts = first.into_iter().chain(memchr::memmem::find_iter(lines, b"\n! ").map(|at| at + 1));
    starts.map(|start| {
        let end = memchr::memchr(b'\n', &lines[start..]).map_or(lines.len(), |end| start + end);
        &lines[start..end]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_found_among_messages() {
        let found = |lines: &'static [u8]| notices(lines).collect::<Vec<_>>();
        assert_eq!(
            found(b"! slow down\n[a] ! no\n! you missed 2 messages\n"),
            [&b"! slow down"[..], b"! you missed 2 messages"]
        );
        assert!(found(b"[a] hello\n> Connected\n").is_empty() && found(b"").is_empty());
    }
}
