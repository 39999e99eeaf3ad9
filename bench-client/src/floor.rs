//! The floor: what a bare loop of sends to the sockets of a room costs on this machine, one line each, nothing else done.
//!
//! Another process takes the server's place: it accepts, and then sends one line to each socket, pass after pass, at the
//! pace of the real run. Others read the sockets as a run's members do, so that waking them costs the same; there are as many as
//! the descriptor limit requires. The sockets have the options of the server's and a poll request armed on each, and are in
//! the same kind of descriptors, so that both do the same work in the kernel. With ordinary descriptors every other pass sends
//! through io_uring in batches, so that what else the machine does affects both ways alike; with direct ones there is no other way. Cost is the sending
//! thread's processor time around a pass; the pause between passes is not in it.

pub mod reader;
mod rings;
pub mod sender;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::descriptors::Descriptors;
use crate::error::{Context, Error, Result};
use crate::load::{Load, Room};
use crate::message::author_of;
use crate::pinning::{self, Pin};
use crate::quantities::count;
use crate::results::summary::{PassTime, SendCost};
use crate::sys;

/// 2; before that `send` was never null.
pub const SCHEMA: u32 = 2;
/// Slots of a table, at most; fewer where a process may have fewer descriptors.
pub const TABLE_SLOTS_MAX: usize = 20_000;
/// Descriptors of a process that are not sockets of the floor.
const OWN_DESCRIPTORS: usize = 32;
/// Sends a second, at most: about half of a core, so that the receiver keeps up.
const SENDS_PER_S_MAX: f64 = 100_000.0;
/// Passes, of both ways together, if they fit into the time.
const PASSES: f64 = 24.0;
/// Passes in any case: one to warm up and one to measure, of each way.
pub const PASSES_MIN: usize = 4;
/// No byte for this long, beside the pause between passes and the time that connecting takes: the sender hangs.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Connects a second at the slowest.
const CONNECTS_PER_S_MIN: f64 = 2000.0;

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub sockets: usize,
    pub descriptors: Descriptors,
    pub table_slots: usize,
    /// A line as a publisher sends it; what is sent here is that behind an author.
    pub line_bytes: usize,
    pub passes_per_s: f64,
    pub passes: usize,
    pub pin: Option<Pin>,
}

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Floor {
    pub schema: u32,
    pub sockets: u64,
    pub descriptors: Descriptors,
    /// Rings that have the sockets in their tables; none with ordinary descriptors.
    pub tables: u64,
    /// Processes that read.
    pub readers: u64,
    /// Bytes of one send.
    pub send_bytes: u64,
    pub passes_per_s: f64,
    /// `send` with `MSG_DONTWAIT | MSG_NOSIGNAL`; null with direct descriptors, with the reason.
    pub send: Option<SendCost>,
    pub send_refused: Option<String>,
    /// io_uring sends, 64 an enter; null where io_uring is refused, with the reason.
    pub uring: Option<SendCost>,
    pub uring_refused: Option<String>,
    /// Sends that a full socket did not take whole; above zero the pace is too high for the figures to mean anything.
    pub not_taken: u64,
    /// Passes that began later than planned by more than a pass.
    pub late_passes: u64,
}

/// Bytes that a server sends for a line of `line_bytes` from a local publisher.
fn send_bytes(line_bytes: usize) -> usize {
    author_of(SocketAddr::from(([127, 0, 0, 1], 40_000))).len() + line_bytes
}

/// What a server of `sockets` would have them in if it were left to it: tables only where descriptors are too few.
pub fn fitting(sockets: usize) -> Result<Descriptors> {
    Ok(if sockets <= sockets_max()? { Descriptors::Normal } else { Descriptors::Direct })
}

/// Sockets that one process can have in ordinary descriptors.
fn sockets_max() -> Result<usize> {
    let limit = sys::raise_descriptor_limit().context(|| "cannot raise the descriptor limit".to_string())?;
    Ok((limit as usize).saturating_sub(OWN_DESCRIPTORS).max(1))
}

/// The floor at the pace of the room, as long as it needs for some passes of each way.
pub fn shape(room: Room, load: &Load, descriptors: Descriptors) -> Shape {
    let passes_per_s = room.rate_per_s.min(SENDS_PER_S_MAX / room.members as f64);
    let seconds = (PASSES / passes_per_s).clamp(2.0, 8.0);
    Shape {
        sockets: room.members,
        descriptors,
        table_slots: TABLE_SLOTS_MAX,
        line_bytes: load.line_bytes,
        passes_per_s,
        passes: ((seconds * passes_per_s).ceil() as usize).max(PASSES_MIN),
        pin: load.pin,
    }
}

/// Measures the floor of `shape`.
pub fn measure(shape: Shape) -> Result<Floor> {
    let per_reader = sockets_max()?;
    if shape.descriptors == Descriptors::Normal && shape.sockets > per_reader {
        return Err(Error::new(format!(
            "{} sockets do not fit the descriptor limit: use --descriptors direct, or raise the limit",
            count(shape.sockets as u64)
        )));
    }
    let (mut sender, mut said) = start_sender(&shape)?;
    let mut first_line = String::new();
    said.read_line(&mut first_line).context(|| "the floor's sender said nothing".to_string())?;
    let address: SocketAddr =
        first_line.trim().parse().map_err(|_| Error::new("the floor's sender could not listen"))?;
    let mut readers = Vec::new();
    let count = shape.sockets.div_ceil(per_reader);
    for number in 0..count {
        let (first, end) = (number * shape.sockets / count, (number + 1) * shape.sockets / count);
        readers.push(start_reader(&shape, address.port(), first, end - first)?);
    }
    let mut report = String::new();
    said.read_to_string(&mut report).context(|| "cannot read the floor's result".to_string())?;
    sender.wait("sender")?;
    // They end when all their sockets are closed, so that nothing of this is left for what is measured next.
    for mut reader in readers {
        reader.wait("reader")?;
    }
    let floor: Floor = serde_json::from_str(&report)
        .map_err(|_| Error::new(format!("the floor's sender failed: {}", report.trim())))?;
    Ok(Floor { readers: count as u64, ..floor })
}

/// A process of the floor, ended by its own id if it still runs when it is dropped.
struct Part(Child);

impl Part {
    fn wait(&mut self, name: &str) -> Result<()> {
        let status = self.0.wait().context(|| format!("cannot wait for the floor's {name}"))?;
        if status.success() { Ok(()) } else { Err(Error::new(format!("the floor's {name} failed ({status})"))) }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// This program again, with another command, and what it prints.
fn start(arguments: &[(&str, String)]) -> Result<(Part, BufReader<ChildStdout>)> {
    let program = std::env::current_exe().context(|| "cannot find this program".to_string())?;
    let mut command = Command::new(program);
    for (name, value) in arguments {
        command.arg(name);
        if !value.is_empty() {
            command.arg(value);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    sys::stop_with_parent(&mut command);
    let mut child = command.spawn().context(|| "cannot start a process of the floor".to_string())?;
    let stdout = child.stdout.take().expect("stdout was asked to be a pipe");
    Ok((Part(child), BufReader::new(stdout)))
}

fn start_sender(shape: &Shape) -> Result<(Part, BufReader<ChildStdout>)> {
    if let Some(pin) = shape.pin {
        pinning::pin_this_thread(pin.server)?;
    }
    let started = start(&[
        ("floor-sender", String::new()),
        ("--connections", shape.sockets.to_string()),
        ("--descriptors", shape.descriptors.name().to_string()),
        ("--table-slots", shape.table_slots.to_string()),
        ("--size", shape.line_bytes.to_string()),
        ("--rate", shape.passes_per_s.to_string()),
        ("--passes", shape.passes.to_string()),
    ]);
    if let Some(pin) = shape.pin {
        pinning::pin_this_thread(Some(pin.client))?;
    }
    started
}

/// Starts a reader, and returns when it has connected its share: one after the other they never overrun the sender's queue.
fn start_reader(shape: &Shape, port: u16, first: usize, sockets: usize) -> Result<Part> {
    let connecting = Duration::from_secs_f64(shape.sockets as f64 / CONNECTS_PER_S_MIN);
    let silence = SILENCE_MAX + connecting + Duration::from_secs_f64(2.0 / shape.passes_per_s);
    let (reader, mut said) = start(&[
        ("floor-reader", String::new()),
        ("--port", port.to_string()),
        ("--first", first.to_string()),
        ("--connections", sockets.to_string()),
        ("--silence", format!("{}ms", silence.as_millis())),
    ])?;
    let mut line = String::new();
    said.read_line(&mut line).context(|| "a reader of the floor said nothing".to_string())?;
    if line.trim().is_empty() {
        return Err(Error::new("a reader of the floor could not connect"));
    }
    Ok(reader)
}

/// One floor from several of the same shape, measured at different times: each way's cost, if it was measured in all.
pub fn join(floors: &[Floor]) -> (Option<SendCost>, Option<SendCost>) {
    let joined = |of: fn(&Floor) -> Option<SendCost>| {
        let costs: Option<Vec<SendCost>> = floors.iter().map(of).collect();
        costs.filter(|costs| !costs.is_empty()).map(|costs| join_costs(&costs))
    };
    (joined(|floor| floor.send), joined(|floor| floor.uring))
}

fn join_costs(costs: &[SendCost]) -> SendCost {
    let mean = |of: fn(&SendCost) -> f64| costs.iter().map(of).sum::<f64>() / costs.len() as f64;
    let least = |of: fn(&SendCost) -> f64| costs.iter().map(of).fold(f64::INFINITY, f64::min);
    let time = |of: fn(&PassTime) -> f64, join: fn(&[f64]) -> f64| {
        let times: Option<Vec<f64>> = costs.iter().map(|cost| cost.pass.as_ref().map(of)).collect();
        times.map(|times| join(&times))
    };
    let least_of = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    let mean_of = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
    let pass = || {
        Some(PassTime {
            wall_min_ns: time(|pass| pass.wall_min_ns, least_of)?,
            wall_median_ns: time(|pass| pass.wall_median_ns, mean_of)?,
            cpu_min_ns: time(|pass| pass.cpu_min_ns, least_of)?,
            cpu_median_ns: time(|pass| pass.cpu_median_ns, mean_of)?,
        })
    };
    SendCost {
        passes: costs.iter().map(|cost| cost.passes).sum(),
        min_ns: least(|cost| cost.min_ns),
        median_ns: mean(|cost| cost.median_ns),
        mean_ns: mean(|cost| cost.mean_ns),
        pass: pass(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_the_line_behind_its_author() {
        assert_eq!(send_bytes(64), "[127.0.0.1:40000] ".len() + 64);
    }

    #[test]
    fn floors_before_and_after_are_averaged() {
        let cost = |mean_ns: f64| SendCost {
            passes: 10,
            min_ns: mean_ns / 2.0,
            median_ns: mean_ns,
            mean_ns,
            pass: Some(PassTime {
                wall_min_ns: mean_ns * 10.0,
                wall_median_ns: mean_ns * 20.0,
                cpu_min_ns: mean_ns * 5.0,
                cpu_median_ns: mean_ns * 10.0,
            }),
        };
        let joined = join_costs(&[cost(4.0), cost(6.0)]);
        assert_eq!((joined.passes, joined.min_ns, joined.median_ns, joined.mean_ns), (20, 2.0, 5.0, 5.0));
        let pass = joined.pass.unwrap();
        assert_eq!((pass.wall_min_ns, pass.wall_median_ns), (40.0, 100.0));
        assert_eq!((pass.cpu_min_ns, pass.cpu_median_ns), (20.0, 50.0));
        assert_eq!(join_costs(&[SendCost { pass: None, ..cost(4.0) }, cost(6.0)]).pass, None);
        assert_eq!(join(&[]), (None, None));
    }
}
