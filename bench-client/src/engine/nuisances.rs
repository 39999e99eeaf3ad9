//! Members that are a nuisance to a room, which it must bear beside those that are measured.
//!
//! - The silent read at first and stop, one after another in the first half of the warm-up, and read nothing more until the plan
//!   is over. What is sent to them meanwhile fills their sockets in the second half. Without warm-up all stop when the plan
//!   starts.
//! - The slow read only some bytes a second.
//! - Churners come and go.
//! - Flooders send lines as fast as the server takes them. Their lines have no visible byte, so they cost the server what others
//!   cost and nobody hears them.
//!
//! They are part of no latency. When the measured members have everything, the silent and the slow read what is left, and each proves
//! that nothing was torn and that every gap was told exactly: what it received and what it was told it missed is the whole
//! plan, in order.
//!
//! Their sockets are outside the epoll set: they are read at their own times, which costs the measured members little. Errors,
//! options and files call them the crowd.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::error::{Context, Error, Result};
use crate::message::{Format, Line, told_missed};
use crate::sys;

/// Receive buffers that nuisances ask for: small, so that they are full soon and take little kernel memory, and
/// of many sizes, so that not all are full at the same moment. The kernel probes a peer whose window is closed after
/// 0.2, 0.4, 0.8 s and so on. Thousands that stop at the same moment are all probed at the same moment, again and again, on the
/// core of the server. The silent stop one after another for the same reason. Buffers of less than some 8 KiB cannot even hold
/// what the kernel was told it may send: it drops segments, and sends them again when nobody waits for them any more.
const RECEIVE_BYTES_MIN: usize = 16 * 1024;
const RECEIVE_BYTES_MAX: usize = 48 * 1024;
/// The silent that have not stopped yet read this often.
const SILENT_TICK_NS: u64 = 100_000_000;
/// Slow members read this often.
const SLOW_TICK_NS: u64 = 100_000_000;
/// A churner stays this long.
const VISIT_NS: u64 = 500_000_000;
/// How long to wait for a byte when members have not been welcomed, or have not caught up.
const PATIENCE: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 64 * 1024;
/// Flooders send this often, each time until their sockets take no more.
const FLOOD_TICK_NS: u64 = 1_000_000;
/// Where flooders and churners come from.
const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
/// A line without a visible byte.
const FLOOD_LINE: &[u8] = b"\x1b\n";

/// How many of each kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shape {
    pub silent: usize,
    pub slow: usize,
    /// Bytes that each slow member reads a second.
    pub slow_bytes_per_s: u64,
    /// Members that come, and as many that go, a second.
    pub churn_per_s: f64,
    pub flooders: usize,
}

/// What the nuisances received and proved.
#[derive(Debug, Clone, Copy, Default)]
pub struct NuisancesOutcome {
    pub shape: Shape,
    /// Members whose lines and told gaps are the whole plan.
    pub exact: u64,
    /// Members that got a torn line or a line out of order, or lack something that they were not told of.
    pub inexact: u64,
    /// Members that the server closed.
    pub closed: u64,
    pub received: u64,
    /// Messages that members were told they missed.
    pub missed: u64,
    pub visits: u64,
    /// Churners that were not welcomed.
    pub turned_away: u64,
    /// Bytes that the flooders' sockets took.
    pub flood_bytes: u64,
}

pub struct Nuisances {
    shape: Shape,
    address: SocketAddr,
    sources: Vec<Ipv4Addr>,
    format: Format,
    messages: u64,
    publishers: usize,
    /// The silent, then the slow.
    listeners: Vec<Listener>,
    /// When the first of the silent stops, and when the last has.
    stopping_ns: (u64, u64),
    /// When the silent that have not stopped read next, once the plan has started.
    silent_ns: u64,
    /// When the slow read next, once the plan has started.
    slow_ns: u64,
    /// When the next churner comes, once the plan has started.
    churn_ns: u64,
    visitors: VecDeque<(u64, OwnedFd)>,
    flooders: Vec<OwnedFd>,
    /// When the flooders send next, once the plan has started.
    flood_ns: u64,
    /// Many of [`FLOOD_LINE`].
    flood: Vec<u8>,
    flood_bytes: u64,
    visits: u64,
    turned_away: u64,
    buffer: Vec<u8>,
}

struct Listener {
    /// None once the server has closed it.
    socket: Option<OwnedFd>,
    /// The beginning of a line whose end has not come.
    tail: Vec<u8>,
    welcomed: bool,
    /// Next sequence expected of each publisher at least.
    next: Vec<u64>,
    received: u64,
    missed: u64,
    /// Lines that are no whole message, presence or notice, or out of order.
    strange: u64,
}

impl Nuisances {
    pub fn new(shape: Shape, address: SocketAddr, sources: &[Ipv4Addr], format: Format, plan: (usize, u32)) -> Self {
        Self {
            shape,
            address,
            sources: sources.to_vec(),
            format,
            messages: plan.0 as u64,
            publishers: plan.1 as usize,
            listeners: Vec::new(),
            stopping_ns: (0, 0),
            silent_ns: u64::MAX,
            slow_ns: u64::MAX,
            churn_ns: u64::MAX,
            visitors: VecDeque::new(),
            flooders: Vec::new(),
            flood_ns: u64::MAX,
            flood: FLOOD_LINE.repeat(READ_BYTES / FLOOD_LINE.len()),
            flood_bytes: 0,
            visits: 0,
            turned_away: 0,
            buffer: vec![0; READ_BYTES],
        }
    }

    /// Connects the silent and the slow and returns when all are welcomed.
    pub fn connect(&mut self) -> Result<()> {
        for index in 0..self.shape.silent + self.shape.slow {
            let socket = self.connect_one(index)?;
            self.listeners.push(Listener {
                socket: Some(socket),
                tail: Vec::new(),
                welcomed: false,
                next: vec![0; self.publishers],
                received: 0,
                missed: 0,
                strange: 0,
            });
        }
        for index in 0..self.shape.flooders {
            self.flooders.push(self.connect_from_other_address(index)?);
        }
        self.read_until("be welcomed", |listener| listener.welcomed)
    }

    fn connect_one(&self, index: usize) -> Result<OwnedFd> {
        let source = self.sources.get(index % self.sources.len().max(1)).copied();
        sys::connect(self.address, source, Some(receive_bytes(index)))
            .context(|| format!("cannot connect member {index} of the crowd to {}", self.address))
    }

    /// Connects from an address that no measured member has, if the room is on the loopback address. The server limits what an
    /// address may say, and the publishers must not share that limit.
    fn connect_from_other_address(&self, index: usize) -> Result<OwnedFd> {
        match self.address.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => {
                sys::connect(self.address, Some(OTHER_ADDRESS), Some(receive_bytes(index)))
                    .context(|| format!("cannot connect from {OTHER_ADDRESS} to {}", self.address))
            }
            _ => self.connect_one(index),
        }
    }

    /// Reads what has come so far: the plan starts at `start_ns`, and is warm `warmup_ns` later.
    pub fn start(&mut self, start_ns: u64, warmup_ns: u64) {
        self.read_all();
        self.stopping_ns = (start_ns, start_ns + warmup_ns / 2);
        if self.shape.silent > 0 && warmup_ns > 0 {
            self.silent_ns = start_ns + SILENT_TICK_NS;
        }
        if self.shape.slow > 0 {
            self.slow_ns = start_ns + SLOW_TICK_NS;
        }
        if self.shape.churn_per_s > 0.0 {
            self.churn_ns = start_ns;
        }
        if self.shape.flooders > 0 {
            self.flood_ns = start_ns;
        }
    }

    /// When [`Nuisances::tick`] has something to do.
    pub fn due_ns(&self) -> u64 {
        let leaving = self.visitors.front().map_or(u64::MAX, |(leave_ns, _)| *leave_ns);
        self.silent_ns.min(self.slow_ns).min(self.churn_ns).min(self.flood_ns).min(leaving)
    }

    pub fn tick(&mut self, now_ns: u64) {
        if now_ns >= self.silent_ns {
            let stopped = stopped(self.shape.silent, self.stopping_ns, now_ns);
            self.silent_ns = if stopped < self.shape.silent { now_ns + SILENT_TICK_NS } else { u64::MAX };
            for listener in &mut self.listeners[stopped..self.shape.silent] {
                listener.read(&mut self.buffer, &self.format);
            }
        }
        if now_ns >= self.slow_ns {
            self.slow_ns += SLOW_TICK_NS;
            let bytes = (self.shape.slow_bytes_per_s * SLOW_TICK_NS / 1_000_000_000).max(1) as usize;
            for listener in &mut self.listeners[self.shape.silent..] {
                listener.read(&mut self.buffer[..bytes.min(READ_BYTES)], &self.format);
            }
        }
        if now_ns >= self.flood_ns {
            self.flood_ns = now_ns + FLOOD_TICK_NS;
            for flooder in &self.flooders {
                // A part of a line is followed by the start of another: its escape byte is as invisible.
                while let Ok(bytes) = sys::send(flooder.as_fd(), &self.flood) {
                    self.flood_bytes += bytes as u64;
                }
                // What others say is read, so that the server has no other reason to slow a flooder down.
                while matches!(sys::discard(flooder.as_fd(), READ_BYTES), Ok(bytes) if bytes > 0) {}
            }
        }
        while let Some((leave_ns, _)) = self.visitors.front()
            && *leave_ns <= now_ns
        {
            let (_, socket) = self.visitors.pop_front().expect("the front was looked at");
            self.end_visit(&socket);
        }
        if now_ns >= self.churn_ns {
            self.churn_ns += (1e9 / self.shape.churn_per_s) as u64;
            self.visits += 1;
            match self.connect_from_other_address(self.visits as usize) {
                // An empty line is not said, but is received and handled as others are.
                Ok(socket) => {
                    let _ = sys::send(socket.as_fd(), b"\n");
                    self.visitors.push_back((now_ns + VISIT_NS, socket));
                }
                Err(_) => self.turned_away += 1,
            }
        }
    }

    /// A churner leaves; it should have been welcomed.
    fn end_visit(&mut self, socket: &OwnedFd) {
        let welcomed =
            matches!(sys::receive(socket.as_fd(), &mut self.buffer), Ok(bytes) if bytes > 0) && self.buffer[0] == b'>';
        self.turned_away += u64::from(!welcomed);
        // A socket that cannot be set to reset is closed the ordinary way, which only costs a port for a minute.
        let _ = sys::reset_on_close(socket.as_fd());
    }

    /// The plan is over: the silent and the slow read what is left, all leave, and what each received is counted.
    pub fn finish(mut self) -> NuisancesOutcome {
        while let Some((_, socket)) = self.visitors.pop_front() {
            self.end_visit(&socket);
        }
        let messages = self.messages;
        // Members that cannot catch up are counted below; that is no reason to lose the measurement.
        let _ = self.read_until("catch up", |listener| listener.received + listener.missed >= messages);
        let mut outcome = NuisancesOutcome {
            shape: self.shape,
            visits: self.visits,
            turned_away: self.turned_away,
            flood_bytes: self.flood_bytes,
            ..NuisancesOutcome::default()
        };
        for listener in &self.listeners {
            let Some(socket) = &listener.socket else {
                outcome.closed += 1;
                continue;
            };
            // With churn, presence lines are among what was missed, and it is not known how many.
            let told = listener.received + listener.missed;
            let exact =
                listener.strange == 0 && if self.shape.churn_per_s > 0.0 { told >= messages } else { told == messages };
            outcome.exact += u64::from(exact);
            outcome.inexact += u64::from(!exact);
            outcome.received += listener.received;
            outcome.missed += listener.missed;
            let _ = sys::reset_on_close(socket.as_fd());
        }
        outcome
    }

    fn read_all(&mut self) -> usize {
        let mut total = 0;
        for listener in &mut self.listeners {
            total += listener.read(&mut self.buffer, &self.format);
        }
        total
    }

    /// Reads until every open listener is `done`.
    fn read_until(&mut self, what: &str, done: impl Fn(&Listener) -> bool) -> Result<()> {
        let mut heard_ns = sys::monotonic_ns();
        loop {
            let bytes = self.read_all();
            let left = self.listeners.iter().filter(|listener| listener.socket.is_some() && !done(listener)).count();
            if left == 0 {
                return Ok(());
            }
            let now_ns = sys::monotonic_ns();
            if bytes > 0 {
                heard_ns = now_ns;
            } else if now_ns - heard_ns > PATIENCE.as_nanos() as u64 {
                return Err(Error::invalid(format!("{left} members of the crowd did not {what}")));
            } else {
                sys::sleep_until(now_ns + 1_000_000);
            }
        }
    }
}

impl Listener {
    /// Reads once, at most the length of `buffer`; returns the bytes.
    fn read(&mut self, buffer: &mut [u8], format: &Format) -> usize {
        let Some(socket) = &self.socket else { return 0 };
        match sys::receive(socket.as_fd(), buffer) {
            Ok(bytes) if bytes > 0 => {
                self.take(&buffer[..bytes], format);
                bytes
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) => 0,
            _ => {
                self.socket = None;
                0
            }
        }
    }

    fn take(&mut self, bytes: &[u8], format: &Format) {
        self.tail.extend_from_slice(bytes);
        let tail = std::mem::take(&mut self.tail);
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &tail) {
            self.on_line(&tail[start..end], format);
            start = end + 1;
        }
        self.tail = tail;
        self.tail.drain(..start);
    }

    fn on_line(&mut self, line: &[u8], format: &Format) {
        match format.parse(line) {
            Line::Presence => self.welcomed = true,
            Line::Message { header, .. } => {
                self.received += 1;
                match self.next.get_mut(header.publisher as usize) {
                    Some(next) if header.sequence >= *next => *next = header.sequence + 1,
                    _ => self.strange += 1,
                }
            }
            Line::Notice => self.missed += told_missed(line).unwrap_or(0),
            Line::Other => self.strange += 1,
        }
    }
}

/// The receive buffer that the `index`th nuisance asks for: a thousand sizes, in turn.
fn receive_bytes(index: usize) -> i32 {
    let bytes = RECEIVE_BYTES_MIN + (RECEIVE_BYTES_MAX - RECEIVE_BYTES_MIN) * (index % 1_000) / 1_000;
    i32::try_from(bytes).expect("the bound is small")
}

/// How many of `silent` have stopped at `now_ns`, when they stop evenly between the two times.
fn stopped(silent: usize, (first_ns, last_ns): (u64, u64), now_ns: u64) -> usize {
    match last_ns.saturating_sub(first_ns) {
        0 => silent,
        length_ns => silent * now_ns.saturating_sub(first_ns).min(length_ns) as usize / length_ns as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Header;

    fn listener() -> Listener {
        Listener {
            socket: None,
            tail: Vec::new(),
            welcomed: false,
            next: vec![0; 1],
            received: 0,
            missed: 0,
            strange: 0,
        }
    }

    fn line(format: &Format, sequence: u64) -> Vec<u8> {
        let mut line = b"[127.0.0.1:7] ".to_vec();
        format.encode(Header { publisher: 0, sequence, due_ns: 5 }, &mut line);
        line
    }

    #[test]
    fn the_silent_stop_evenly() {
        let at = |now_ns| stopped(9_000, (100, 1_100), now_ns);
        assert_eq!([at(0), at(100), at(101), at(600), at(1_100), at(u64::MAX)], [0, 0, 9, 4_500, 9_000, 9_000]);
        assert_eq!(stopped(9_000, (100, 100), 100), 9_000, "without warm-up all at once");
    }

    #[test]
    fn gaps_that_are_told_add_up_and_torn_lines_show() {
        let format = Format::new(64);
        let mut listener = listener();
        let mut bytes = b"> Connected to the chat server (1 user online)\n".to_vec();
        bytes.extend(line(&format, 0));
        bytes.extend_from_slice(b"! you missed 41 messages\n");
        bytes.extend(line(&format, 42));
        for byte in &bytes {
            listener.take(&[*byte], &format);
        }
        assert!(listener.welcomed);
        assert_eq!((listener.received, listener.missed, listener.strange), (2, 41, 0));
        listener.take(&line(&format, 42), &format);
        assert_eq!(listener.strange, 1, "a message that came before");
        listener.take(&line(&format, 43)[..30], &format);
        listener.take(b"\n", &format);
        assert_eq!(listener.strange, 2, "a torn line");
    }
}
