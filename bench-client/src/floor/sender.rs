//! The floor's sending process: accepts, sends pass after pass, prints what a send cost, resets everything.
//!
//! Its sockets have the options of the server's, and what the server's are in: a descriptor each, or tables of rings. Below the
//! descriptor limit passes are sent by `send` and through a ring in turn; with tables there are no descriptors to call `send` with.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::descriptors::Descriptors;
use crate::error::{Context, Error, Result};
use crate::floor::rings::Ring;
use crate::floor::{Floor, SCHEMA, Shape, send_bytes};
use crate::results::summary::{PassTime, SendCost};
use crate::sys::{self, monotonic_ns, thread_cpu_ns};

/// First passes of each way, left out: buffers of the kernel are made in them.
const WARMUP_PASSES: usize = 1;
const BACKLOG: i16 = 4096;
const WITHOUT_DESCRIPTORS: &str = "the sockets have no descriptors that send could be called with";

/// What `uproar serve` asks of its sockets (`src/io/socket.rs` and `src/limits.rs` there): buffers, bytes not sent yet, and
/// the pauses of keepalive that its `--dead-after` comes to by default, which are longer for many members.
const RECEIVE_BYTES: i32 = 32 * 1024;
const SEND_BYTES: i32 = 128 * 1024;
const UNSENT_BYTES: i32 = 16 * 1024;
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_IDLE_PER_SOCKET: Duration = Duration::from_millis(1);
const KEEPALIVE_PROBES: i32 = 3;

/// Sends as `shape` says, and prints the address first and the result at the end.
pub fn run(shape: Shape) -> Result<()> {
    let limit = sys::raise_descriptor_limit().context(|| "cannot raise the descriptor limit".to_string())?;
    sys::sharpen_timers();
    let listener = listen(shape.sockets).context(|| "cannot listen".to_string())?;
    println!("{}", listener.local_addr().context(|| "cannot tell the address".to_string())?);
    let mut sockets = match shape.descriptors {
        Descriptors::Normal => Sockets::in_descriptors(),
        Descriptors::Direct => Sockets::in_tables(shape.table_slots.min(limit as usize)),
    };
    for left in (1..=shape.sockets).rev() {
        let (socket, _) = listener.accept().context(|| "cannot accept".to_string())?;
        sockets.take(OwnedFd::from(socket), left)?;
    }
    let floor = send_passes(&shape, &mut sockets)?;
    let json = serde_json::to_string(&floor).context(|| "cannot write the floor".to_string())?;
    println!("{json}");
    std::io::stdout().flush().context(|| "cannot write the floor".to_string())
}

/// Listens on every loopback address, with the options that connections inherit.
fn listen(sockets: usize) -> std::io::Result<TcpListener> {
    let idle = KEEPALIVE_IDLE.max(KEEPALIVE_IDLE_PER_SOCKET.saturating_mul(sockets as u32));
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let (socket, tcp) = (libc::SOL_SOCKET, libc::IPPROTO_TCP);
    let seconds = |time: Duration| time.as_secs() as i32;
    for (level, option, value) in [
        (tcp, libc::TCP_NODELAY, 1),
        (socket, libc::SO_RCVBUF, RECEIVE_BYTES),
        (socket, libc::SO_SNDBUF, SEND_BYTES),
        (tcp, libc::TCP_NOTSENT_LOWAT, UNSENT_BYTES),
        (socket, libc::SO_KEEPALIVE, 1),
        (tcp, libc::TCP_KEEPIDLE, seconds(idle)),
        (tcp, libc::TCP_KEEPINTVL, seconds(idle / KEEPALIVE_PROBES as u32)),
        (tcp, libc::TCP_KEEPCNT, KEEPALIVE_PROBES),
    ] {
        sys::set_option(listener.as_fd(), level, option, value)?;
    }
    sys::reset_on_close(listener.as_fd())?;
    sys::listen(listener.as_fd(), BACKLOG)?;
    Ok(listener)
}

/// The sockets that are sent to.
enum Sockets {
    Descriptors { ring: std::result::Result<Box<Ring>, String>, alone: Vec<OwnedFd> },
    Tables { rings: Vec<Ring>, slots: usize },
}

impl Sockets {
    fn in_descriptors() -> Self {
        Self::Descriptors { ring: Ring::new().map(Box::new).map_err(|error| error.to_string()), alone: Vec::new() }
    }

    fn in_tables(slots: usize) -> Self {
        Self::Tables { rings: Vec::new(), slots }
    }

    /// Takes the next socket, after which `left - 1` more come.
    fn take(&mut self, socket: OwnedFd, left: usize) -> Result<()> {
        let ring = match self {
            Self::Descriptors { ring: Err(_), alone } => {
                alone.push(socket);
                return Ok(());
            }
            Self::Descriptors { ring: Ok(ring), .. } => ring,
            Self::Tables { rings, slots } => {
                if rings.last().is_none_or(Ring::is_full) {
                    let slots = left.min(*slots) as u32;
                    let ring = Ring::with_table(slots).context(|| {
                        format!("no ring with a table of {slots}; `ulimit -l unlimited` if memory may not be locked")
                    })?;
                    rings.push(ring);
                }
                rings.last_mut().expect("there is one now")
            }
        };
        ring.take(socket).context(|| "io_uring does not take a socket".to_string())
    }

    /// Those that `send` can be called with.
    fn descriptors(&self) -> &[OwnedFd] {
        match self {
            Self::Descriptors { ring: Ok(ring), .. } => ring.descriptors(),
            Self::Descriptors { ring: Err(_), alone } => alone,
            Self::Tables { .. } => &[],
        }
    }

    fn rings(&mut self) -> &mut [Ring] {
        match self {
            Self::Descriptors { ring, .. } => ring.as_mut().map_or(&mut [], |ring| std::slice::from_mut(&mut **ring)),
            Self::Tables { rings, .. } => rings,
        }
    }
}

/// What one pass took.
#[derive(Debug, Clone, Copy)]
struct Pass {
    wall_ns: u64,
    cpu_ns: u64,
}

fn send_passes(shape: &Shape, sockets: &mut Sockets) -> Result<Floor> {
    let mut line = vec![b'.'; send_bytes(shape.line_bytes)];
    *line.last_mut().expect("a line has its newline") = b'\n';
    let (has_descriptors, has_rings) = (!sockets.descriptors().is_empty(), !sockets.rings().is_empty());
    let gap_ns = 1e9 / shape.passes_per_s;
    let start_ns = monotonic_ns() + 50_000_000;
    let (mut plain, mut batched) = (Vec::new(), Vec::new());
    let (mut not_taken, mut late_passes) = (0, 0);
    for pass in 0..shape.passes {
        let due_ns = start_ns + (pass as f64 * gap_ns) as u64;
        sys::sleep_until(due_ns);
        late_passes += u64::from(monotonic_ns() - due_ns > gap_ns as u64);
        let through_rings = has_rings && (!has_descriptors || pass % 2 == 1);
        let (wall_ns, cpu_ns) = (monotonic_ns(), thread_cpu_ns());
        not_taken += match through_rings {
            true => send_batched(sockets.rings(), &line)?,
            false => send_plain(sockets.descriptors(), &line)?,
        };
        let taken = Pass { wall_ns: monotonic_ns() - wall_ns, cpu_ns: thread_cpu_ns() - cpu_ns };
        if through_rings { &mut batched } else { &mut plain }.push(taken);
    }
    let refused = match sockets {
        Sockets::Descriptors { ring: Err(reason), .. } => Some(reason.clone()),
        _ => None,
    };
    let (send, uring) = (summarise(&plain, shape.sockets), summarise(&batched, shape.sockets));
    if (has_descriptors && send.is_none()) || (has_rings && uring.is_none()) {
        return Err(Error::new("too few passes; raise -d or --passes"));
    }
    Ok(Floor {
        schema: SCHEMA,
        sockets: shape.sockets as u64,
        descriptors: shape.descriptors,
        tables: if has_descriptors { 0 } else { sockets.rings().len() as u64 },
        readers: 0,
        send_bytes: line.len() as u64,
        passes_per_s: shape.passes_per_s,
        send,
        send_refused: (!has_descriptors).then(|| WITHOUT_DESCRIPTORS.to_string()),
        uring,
        uring_refused: refused,
        not_taken,
        late_passes,
    })
}

/// One `send` a socket; returns how many were not taken whole.
fn send_plain(sockets: &[OwnedFd], line: &[u8]) -> Result<u64> {
    let mut not_taken = 0;
    for socket in sockets {
        match sys::send(socket.as_fd(), line) {
            Ok(bytes) => not_taken += u64::from(bytes < line.len()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => not_taken += 1,
            Err(error) => return Err(Error::new(format!("a socket of the floor was closed: {error}"))),
        }
    }
    Ok(not_taken)
}

/// The same through the rings, one after the other.
fn send_batched(rings: &mut [Ring], line: &[u8]) -> Result<u64> {
    let mut not_taken = 0;
    for ring in rings {
        not_taken += ring.send_to_all(line).context(|| "a send through a ring of the floor failed".to_string())?;
    }
    Ok(not_taken)
}

fn summarise(passes: &[Pass], sockets: usize) -> Option<SendCost> {
    let passes = passes.get(WARMUP_PASSES..).filter(|passes| !passes.is_empty())?;
    let sorted = |of: fn(&Pass) -> u64| {
        let mut values: Vec<u64> = passes.iter().map(of).collect();
        values.sort_unstable();
        (values[0] as f64, values[values.len() / 2] as f64, values.iter().sum::<u64>() as f64 / values.len() as f64)
    };
    let (wall_min, wall_median, _) = sorted(|pass| pass.wall_ns);
    let (cpu_min, cpu_median, cpu_mean) = sorted(|pass| pass.cpu_ns);
    let sends = sockets as f64;
    Some(SendCost {
        passes: passes.len() as u64,
        min_ns: cpu_min / sends,
        median_ns: cpu_median / sends,
        mean_ns: cpu_mean / sends,
        pass: Some(PassTime {
            wall_min_ns: wall_min,
            wall_median_ns: wall_median,
            cpu_min_ns: cpu_min,
            cpu_median_ns: cpu_median,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_cost_of_a_send_and_the_time_of_a_pass_leave_the_warm_up_out() {
        let pass = |wall_ns, cpu_ns| Pass { wall_ns, cpu_ns };
        let cost = summarise(&[pass(9000, 9000), pass(300, 200), pass(500, 400), pass(400, 300)], 100).unwrap();
        assert_eq!((cost.passes, cost.min_ns, cost.median_ns, cost.mean_ns), (3, 2.0, 3.0, 3.0));
        let times = cost.pass.unwrap();
        assert_eq!((times.wall_min_ns, times.wall_median_ns), (300.0, 400.0));
        assert_eq!((times.cpu_min_ns, times.cpu_median_ns), (200.0, 300.0));
        assert_eq!(summarise(&[pass(1, 1)], 1), None);
    }

    /// The value of a constant of the server, written as a product, as seconds or as milliseconds.
    fn limit(limits: &str, name: &str) -> i32 {
        let (_, rest) = limits.split_once(&format!("pub const {name}: ")).unwrap_or_else(|| panic!("{name} is gone"));
        let value = rest.split_once("= ").unwrap().1.split(';').next().unwrap();
        let value = value.trim_start_matches("Duration::from_secs(").trim_start_matches("Duration::from_millis(");
        let value = value.trim_end_matches(')');
        value.split('*').map(|factor| factor.trim().parse::<i32>().unwrap()).product()
    }

    #[test]
    fn sockets_have_the_options_of_the_server() {
        let limits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/limits.rs");
        let limits = fs::read_to_string(limits).unwrap();
        assert_eq!(RECEIVE_BYTES, limit(&limits, "SOCKET_RECEIVE_BYTES"));
        assert_eq!(SEND_BYTES, limit(&limits, "SOCKET_SEND_BYTES"));
        assert_eq!(UNSENT_BYTES, limit(&limits, "SOCKET_UNSENT_BYTES"));
        assert_eq!(KEEPALIVE_PROBES, limit(&limits, "KEEPALIVE_PROBES"));
        let dead_after = limit(&limits, "DEAD_AFTER_DEFAULT") as u64;
        assert_eq!(KEEPALIVE_IDLE.as_secs(), dead_after / 2);
        assert_eq!(KEEPALIVE_IDLE_PER_SOCKET.as_millis(), limit(&limits, "KEEPALIVE_PAUSE_PER_MEMBER") as u128);
    }
}
