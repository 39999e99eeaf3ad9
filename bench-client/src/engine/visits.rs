//! Members that come and go while the plan is carried out: how long each waits for its welcome, and whether the number of members
//! that the welcome tells can be right.
//!
//! A visitor is in the engine's epoll set until it is welcomed. How long that took is taken from the kernel's stamp of what came, so
//! that it matters little when it was read: only what comes before that, right behind the welcome, makes the stamp later.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::recorder::latency::{Cells, histogram};
use crate::sys::{self, Epoll, Interest};

/// A visitor stays this long, and until it is welcomed.
const VISIT_NS: u64 = 500_000_000;
/// One that is not welcomed by then was turned away.
const WELCOME_NS_MAX: u64 = 10_000_000_000;
/// Tokens of visitors in the epoll set: this, and the number of the visit.
pub const VISITORS: u64 = 1 << 62;
const RECEIVE_BYTES: i32 = 32 * 1024;
/// Visitors that the server may not have noticed leaving: those of this many seconds, and some.
const LEAVING_S: f64 = 2.0;
const LEAVING_MIN: f64 = 10.0;

/// What became of the visitors.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct VisitsOutcome {
    pub visits: u64,
    /// Visitors that were not welcomed.
    pub turned_away: u64,
    /// From the start of a connect until the kernel had the welcome.
    pub welcome: Cells,
    /// Visitors that were told a number of members which cannot be right.
    pub told_wrong: u64,
}

/// Visitors, and what became of those that left.
pub struct Visits {
    /// Members of the room that stay.
    standing: u64,
    churn_per_s: f64,
    /// In the order in which they came.
    visitors: Vec<Visitor>,
    /// When the first of them leaves, at the earliest.
    due_ns: u64,
    visits: u64,
    turned_away: u64,
    told_wrong: u64,
    welcome: Histogram<u64>,
}

struct Visitor {
    number: u64,
    connect_ns: u64,
    /// True once it has got something, or was closed.
    is_answered: bool,
    socket: OwnedFd,
}

impl Visits {
    /// None yet, in a room of `standing` others.
    pub fn new(churn_per_s: f64, standing: usize) -> Self {
        Self {
            standing: standing as u64,
            churn_per_s,
            visitors: Vec::new(),
            due_ns: u64::MAX,
            visits: 0,
            turned_away: 0,
            told_wrong: 0,
            welcome: histogram(),
        }
    }

    /// When [`Visits::tick`] has something to do.
    pub fn due_ns(&self) -> u64 {
        self.due_ns
    }

    /// One more comes.
    pub fn begin(&mut self, epoll: &Epoll, address: SocketAddr, source: Option<Ipv4Addr>) {
        let number = self.visits;
        self.visits += 1;
        let connect_ns = sys::monotonic_ns();
        let connected = sys::connect_stamped(address, source, RECEIVE_BYTES).and_then(|socket| {
            epoll.add(socket.as_fd(), VISITORS + number, Interest::Read)?;
            Ok(socket)
        });
        match connected {
            Ok(socket) => {
                // An empty line is not said, but is received and handled as others are.
                let _ = sys::send(socket.as_fd(), b"\n");
                self.visitors.push(Visitor { number, connect_ns, is_answered: false, socket });
                self.due_ns = self.due_ns.min(connect_ns + WELCOME_NS_MAX);
            }
            Err(_) => self.turned_away += 1,
        }
    }

    /// Something came for the visitor with `token`: its welcome, if nothing came before.
    pub fn on_readable(&mut self, epoll: &Epoll, token: u64, buffer: &mut [u8]) {
        let number = token - VISITORS;
        let Some(visitor) = self.visitors.iter_mut().find(|visitor| visitor.number == number) else { return };
        let (bytes, stamp_ns) = match sys::receive_stamped(visitor.socket.as_fd(), buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            Err(_) => (0, None),
        };
        let now_ns = sys::monotonic_ns();
        visitor.is_answered = true;
        self.due_ns = self.due_ns.min(visitor.end_ns());
        // What comes from here on is not read.
        let _ = epoll.remove(visitor.socket.as_fd());
        if !buffer[..bytes].starts_with(b"> ") {
            self.turned_away += 1;
            return;
        }
        let welcomed_ns = stamp_ns.map_or(now_ns, |stamp_ns| stamp_ns.saturating_sub(sys::real_time_offset_ns()));
        self.welcome.saturating_record(welcomed_ns.saturating_sub(visitor.connect_ns).max(1));
        let told = told_online(&buffer[..bytes]);
        self.told_wrong += u64::from(!told.is_some_and(|told| self.may_be(told)));
    }

    /// Those whose time has come leave.
    pub fn tick(&mut self, now_ns: u64) {
        if now_ns < self.due_ns {
            return;
        }
        for visitor in self.visitors.extract_if(.., |visitor| visitor.end_ns() <= now_ns) {
            visitor.leave(&mut self.turned_away);
        }
        self.due_ns = self.visitors.iter().map(Visitor::end_ns).min().unwrap_or(u64::MAX);
    }

    /// Whether a visitor may be told that it is one of `members`.
    fn may_be(&self, members: u64) -> bool {
        let leaving = (self.churn_per_s * LEAVING_S).max(LEAVING_MIN) as u64;
        (self.standing + 1..=self.standing + 1 + self.visitors.len() as u64 + leaving).contains(&members)
    }

    /// All leave.
    pub fn finish(&mut self) -> VisitsOutcome {
        let now_ns = sys::monotonic_ns();
        for visitor in self.visitors.drain(..) {
            if visitor.is_answered || now_ns - visitor.connect_ns >= VISIT_NS {
                visitor.leave(&mut self.turned_away);
            } else {
                // It came too late to be welcomed before the end.
                self.visits -= 1;
            }
        }
        VisitsOutcome {
            visits: self.visits,
            turned_away: self.turned_away,
            welcome: (&self.welcome).into(),
            told_wrong: self.told_wrong,
        }
    }
}

impl Visitor {
    /// When it leaves: after its visit if it was answered, else when it has waited long enough.
    fn end_ns(&self) -> u64 {
        self.connect_ns + if self.is_answered { VISIT_NS } else { WELCOME_NS_MAX }
    }

    fn leave(self, turned_away: &mut u64) {
        *turned_away += u64::from(!self.is_answered);
        // A socket that cannot be set to reset is closed the ordinary way, which only costs a port for a minute.
        let _ = sys::reset_on_close(self.socket.as_fd());
    }
}

impl VisitsOutcome {
    /// Adds what `other` has.
    pub fn add(&mut self, other: &Self) {
        self.visits += other.visits;
        self.turned_away += other.turned_away;
        self.told_wrong += other.told_wrong;
        self.welcome.add(&other.welcome);
    }

    /// The welcomes as a histogram.
    pub fn welcomes(&self) -> Histogram<u64> {
        let mut welcomes = histogram();
        self.welcome.add_to(&mut welcomes);
        welcomes
    }
}

/// N of `... (N users online)` in the first line of `bytes`.
fn told_online(bytes: &[u8]) -> Option<u64> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let (_, rest) = line.rsplit_once('(')?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_welcome_is_read_and_doubted() {
        let told = |text: &str| told_online(text.as_bytes());
        assert_eq!(
            told("> Connected to the chat server (3 users online)\n> 4 users entered. (9 users online)"),
            Some(3)
        );
        assert_eq!((told("nonsense"), told("")), (None, None));
        let visits = Visits::new(10.0, 1000);
        assert!([1001, 1010, 1021].iter().all(|&members| visits.may_be(members)));
        assert!(![0, 1000, 1100].iter().any(|&members| visits.may_be(members)));
    }
}
