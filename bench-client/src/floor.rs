//! The floor: what a bare loop of sends to the sockets of a room costs on this machine, one line each, nothing else done.
//!
//! A second process takes the server's place: it accepts, and then sends one line to each socket, pass after pass, at the
//! pace of the real run. This one reads the sockets as a run's members do, so that waking it costs the same. Every other pass
//! sends through io_uring in batches, so that what else the machine does affects both ways alike. Cost is the sending
//! thread's processor time around a pass; the pause between passes is not in it.

pub mod sender;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::message::author_of;
use crate::pinning::{self, Pin};
use crate::results::summary::SendCost;
use crate::sources::sources;
use crate::sys::{self, Epoll, Interest};

const READ_BYTES_MAX: usize = 128 * 1024;
const EVENTS_MAX: usize = 1024;
/// No byte for this long: the sender is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub sockets: usize,
    /// A line as a publisher sends it; what is sent here is that behind an author.
    pub line_bytes: usize,
    pub passes_per_s: f64,
    pub duration: Duration,
    pub pin: Option<Pin>,
}

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Floor {
    pub schema: u32,
    pub sockets: u64,
    /// Bytes of one send.
    pub send_bytes: u64,
    pub passes_per_s: f64,
    /// `send` with `MSG_DONTWAIT | MSG_NOSIGNAL`.
    pub send: SendCost,
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

/// Measures the floor of `shape`.
pub fn measure(shape: Shape) -> Result<Floor> {
    let mut sender = start_sender(shape)?;
    let stdout = sender.stdout.take().expect("stdout was asked to be a pipe");
    let mut said = BufReader::new(stdout);
    let mut first_line = String::new();
    said.read_line(&mut first_line).context(|| "the floor's sender said nothing".to_string())?;
    let result = first_line
        .trim()
        .parse::<SocketAddr>()
        .map_err(|_| Error::new(format!("the floor's sender could not listen: {}", first_line.trim())))
        .and_then(|address| read_all(address, shape.sockets));
    if let Err(error) = result {
        // By its own process id: it is a child of this process.
        let _ = sender.kill();
        let _ = sender.wait();
        return Err(error);
    }
    let mut report = String::new();
    said.read_to_string(&mut report).context(|| "cannot read the floor's result".to_string())?;
    sender.wait().context(|| "cannot wait for the floor's sender".to_string())?;
    serde_json::from_str(&report).context(|| format!("the floor's sender failed: {}", report.trim()))
}

fn start_sender(shape: Shape) -> Result<Child> {
    let program = std::env::current_exe().context(|| "cannot find this program".to_string())?;
    let mut command = Command::new(program);
    command.arg("floor-sender");
    command.args(["--connections", &shape.sockets.to_string()]);
    command.args(["--size", &shape.line_bytes.to_string()]);
    command.args(["--rate", &shape.passes_per_s.to_string()]);
    command.args(["--duration", &format!("{}ms", shape.duration.as_millis())]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    sys::stop_with_parent(&mut command);
    if let Some(pin) = shape.pin {
        pinning::pin_this_thread(pin.server)?;
    }
    let child = command.spawn();
    if let Some(pin) = shape.pin {
        pinning::pin_this_thread(Some(pin.client))?;
    }
    child.context(|| "cannot start the floor's sender".to_string())
}

/// Connects `sockets` times and reads until the sender closes.
fn read_all(address: SocketAddr, sockets: usize) -> Result<()> {
    sys::raise_descriptor_limit().context(|| "cannot raise the descriptor limit".to_string())?;
    let mut epoll = Epoll::new(EVENTS_MAX).context(|| "cannot make an epoll set".to_string())?;
    let sources = sources(address, sockets, None)?;
    let mut members: Vec<OwnedFd> = Vec::with_capacity(sockets);
    for index in 0..sockets {
        let source = sources.get(index % sources.len().max(1)).copied();
        // The sender accepts as fast as this connects; its queue holds thousands.
        let socket =
            sys::connect(address, source, None).context(|| format!("cannot connect socket {index} of the floor"))?;
        epoll.add(socket.as_fd(), index as u64, Interest::Read).context(|| "cannot watch a socket".to_string())?;
        members.push(socket);
    }
    let mut buffer = vec![0; READ_BYTES_MAX];
    let mut lines = 0u64;
    loop {
        let count = epoll.wait(SILENCE_MAX).context(|| "cannot wait for sockets".to_string())?;
        if count == 0 {
            return Err(Error::new("the floor's sender fell silent"));
        }
        for index in 0..count {
            let event = epoll.event(index);
            match sys::receive(members[event.token as usize].as_fd(), &mut buffer) {
                // A member of a run looks at the bytes and at the clock; so does this.
                Ok(bytes) if bytes > 0 => {
                    lines += memchr::memchr_iter(b'\n', &buffer[..bytes]).count() as u64;
                    std::hint::black_box((lines, sys::monotonic_ns()));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                // The sender resets everything when it is done.
                _ => return Ok(()),
            }
        }
    }
}

/// One floor from several of the same shape, measured at different times.
pub fn join(floors: &[Floor]) -> (SendCost, Option<SendCost>) {
    let send = join_costs(&floors.iter().map(|floor| floor.send).collect::<Vec<_>>());
    let uring: Option<Vec<SendCost>> = floors.iter().map(|floor| floor.uring).collect();
    (send, uring.map(|costs| join_costs(&costs)))
}

fn join_costs(costs: &[SendCost]) -> SendCost {
    let mean = |of: fn(&SendCost) -> f64| costs.iter().map(of).sum::<f64>() / costs.len() as f64;
    SendCost {
        passes: costs.iter().map(|cost| cost.passes).sum(),
        min_ns: costs.iter().map(|cost| cost.min_ns).fold(f64::INFINITY, f64::min),
        median_ns: mean(|cost| cost.median_ns),
        mean_ns: mean(|cost| cost.mean_ns),
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
        let cost = |mean_ns: f64| SendCost { passes: 10, min_ns: mean_ns / 2.0, median_ns: mean_ns, mean_ns };
        let joined = join_costs(&[cost(4.0), cost(6.0)]);
        assert_eq!(joined, SendCost { passes: 20, min_ns: 2.0, median_ns: 5.0, mean_ns: 5.0 });
    }
}
