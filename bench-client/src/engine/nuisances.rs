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
//! But for churners, their sockets are outside the epoll set: they are read at their own times, which costs the measured members
//! little. Errors, options and files call them the crowd.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::listener::Listener;
use crate::engine::settings::Settings;
use crate::engine::shape::Shape;
use crate::engine::visits::{Visits, VisitsOutcome};
use crate::error::{Context, Error, Result};
use crate::message::Format;
use crate::plan::Plan;
use crate::protocol::Wire;
use crate::sys::{self, Epoll};

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
/// How long to wait for a byte when members have not been welcomed, or have not caught up.
const PATIENCE: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 64 * 1024;
/// Flooders send this often, each time until their sockets take no more.
const FLOOD_TICK_NS: u64 = 1_000_000;
/// Where flooders and churners come from.
const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
/// A line without a visible byte.
const FLOOD_LINE: &[u8] = b"\x1b\n";

/// What the nuisances received and proved.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
    /// Of the churners.
    pub visits: VisitsOutcome,
    /// Bytes that the flooders' sockets took.
    pub flood_bytes: u64,
}

impl NuisancesOutcome {
    /// Adds what `other` has, of other nuisances of the same room.
    pub fn add(&mut self, other: &Self) {
        self.exact += other.exact;
        self.inexact += other.inexact;
        self.closed += other.closed;
        self.received += other.received;
        self.missed += other.missed;
        self.flood_bytes += other.flood_bytes;
        self.visits.add(&other.visits);
    }
}

pub struct Nuisances {
    shape: Shape,
    address: SocketAddr,
    sources: Vec<Ipv4Addr>,
    format: Format,
    messages: u64,
    publishers: usize,
    /// The number of the first of these as a member: the measured ones come before.
    first_number: usize,
    /// What is spoken at each door, and where that is; the silent and the slow use them in turn.
    doors: Vec<(Wire, SocketAddr)>,
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
    flooders: Vec<OwnedFd>,
    /// When the flooders send next, once the plan has started.
    flood_ns: u64,
    /// Many of [`FLOOD_LINE`].
    flood: Vec<u8>,
    flood_bytes: u64,
    visits: Visits,
    buffer: Vec<u8>,
}

impl Nuisances {
    pub fn new(settings: &Settings, format: Format, plan: &Plan) -> Self {
        let door = |number: usize| {
            let (protocol, address) = settings.door(number);
            let wire = Wire::new(protocol, settings.line_bytes, settings.rooms.name(0));
            (wire.with(settings.path.clone(), settings.salt), address)
        };
        Self {
            doors: (0..=settings.doors.len()).map(door).collect(),
            first_number: settings.members,
            shape: settings.nuisances,
            address: settings.address,
            sources: settings.sources.clone(),
            format,
            messages: plan.len() as u64,
            publishers: plan.publishers() as usize,
            visits: Visits::new(settings.nuisances.churn_per_s, settings.members + settings.nuisances_in_room),
            listeners: Vec::new(),
            stopping_ns: (0, 0),
            silent_ns: u64::MAX,
            slow_ns: u64::MAX,
            churn_ns: u64::MAX,
            flooders: Vec::new(),
            flood_ns: u64::MAX,
            flood: FLOOD_LINE.repeat(READ_BYTES / FLOOD_LINE.len()),
            flood_bytes: 0,
            buffer: vec![0; READ_BYTES],
        }
    }

    /// Connects the silent and the slow and returns when all are welcomed.
    pub fn connect(&mut self) -> Result<()> {
        for index in 0..self.shape.silent + self.shape.slow {
            let socket = self.connect_one(index)?;
            let (wire, _) = &self.doors[index % self.doors.len()];
            let hello = wire.hello(self.first_number + index, false);
            self.listeners.push(Listener::new(socket, hello, self.publishers));
        }
        for index in 0..self.shape.flooders {
            let socket = sys::connect(self.address, self.other_source(), Some(receive_bytes(index)));
            self.flooders.push(socket.context(|| format!("cannot connect flooder {index} to {}", self.address))?);
        }
        self.read_until("be welcomed", |listener| listener.welcomed)
    }

    fn connect_one(&self, index: usize) -> Result<OwnedFd> {
        let source = self.sources.get(index % self.sources.len().max(1)).copied();
        let (_, address) = self.doors[index % self.doors.len()];
        sys::connect(address, source, Some(receive_bytes(index)))
            .context(|| format!("cannot connect member {index} of the crowd to {address}"))
    }

    /// An address that no measured member has, if the room is on the loopback address. The server limits what an address may
    /// say, and the publishers must not share that limit.
    fn other_source(&self) -> Option<Ipv4Addr> {
        matches!(self.address.ip(), IpAddr::V4(ip) if ip.is_loopback()).then_some(OTHER_ADDRESS)
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
        self.silent_ns.min(self.slow_ns).min(self.churn_ns).min(self.flood_ns).min(self.visits.due_ns())
    }

    /// Something came for the visitor with `token` in `epoll`.
    pub fn on_visitor(&mut self, epoll: &Epoll, token: u64) {
        self.visits.on_readable(epoll, token, &mut self.buffer);
    }

    /// Does what is due at `now_ns`. Visitors are watched by `epoll`.
    pub fn tick(&mut self, now_ns: u64, epoll: &Epoll) {
        if now_ns >= self.silent_ns {
            let stopped = stopped(self.shape.silent, self.stopping_ns, now_ns);
            self.silent_ns = if stopped < self.shape.silent { now_ns + SILENT_TICK_NS } else { u64::MAX };
            for (index, listener) in self.listeners[stopped..self.shape.silent].iter_mut().enumerate() {
                let (wire, _) = &self.doors[(stopped + index) % self.doors.len()];
                listener.read(&mut self.buffer, &self.format, wire);
            }
        }
        if now_ns >= self.slow_ns {
            self.slow_ns += SLOW_TICK_NS;
            let bytes = (self.shape.slow_bytes_per_s * SLOW_TICK_NS / 1_000_000_000).max(1) as usize;
            for (index, listener) in self.listeners.iter_mut().enumerate().skip(self.shape.silent) {
                let (wire, _) = &self.doors[index % self.doors.len()];
                listener.read(&mut self.buffer[..bytes.min(READ_BYTES)], &self.format, wire);
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
        self.visits.tick(now_ns);
        if now_ns >= self.churn_ns {
            self.churn_ns += (1e9 / self.shape.churn_per_s) as u64;
            self.visits.begin(epoll, self.address, self.other_source());
        }
    }

    /// The plan is over: the silent and the slow read what is left, all leave, and what each received is counted.
    pub fn finish(mut self) -> NuisancesOutcome {
        let visits = self.visits.finish();
        let messages = self.messages;
        // Members that cannot catch up are counted below; that is no reason to lose the measurement.
        let _ = self.read_until("catch up", |listener| listener.received + listener.missed >= messages);
        let mut outcome = NuisancesOutcome {
            shape: self.shape,
            visits,
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
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            let (wire, _) = &self.doors[index % self.doors.len()];
            total += listener.read(&mut self.buffer, &self.format, wire);
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

    #[test]
    fn the_silent_stop_evenly() {
        let at = |now_ns| stopped(9_000, (100, 1_100), now_ns);
        assert_eq!([at(0), at(100), at(101), at(600), at(1_100), at(u64::MAX)], [0, 0, 9, 4_500, 9_000, 9_000]);
        assert_eq!(stopped(9_000, (100, 100), 100), 9_000, "without warm-up all at once");
    }
}
