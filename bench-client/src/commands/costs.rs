//! The `costs` command: what a delivery, a line and a newcomer cost each server in processor time, and a delivery in system
//! calls.
//!
//! Latency says how long people wait; these figures say how much a server works for it. Servers take turns, each restarted for every
//! figure. System calls are counted in runs of their own, because counting costs time at each.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::addresses::Addresses;
use crate::commands::load_args::LoadArgs;
use crate::commands::values::{parse_kind, parse_server};
use crate::error::{Context, Error, Result, exit};
use crate::figures::MARK;
use crate::load::{Load, Room};
use crate::measure::{self, Run};
use crate::message::LINE_BYTES_MIN;
use crate::pinning;
use crate::plan::Length;
use crate::protocol::Protocol;
use crate::quantities::parse_count;
use crate::report;
use crate::results::costs::{self, Figure, What};
use crate::results::folder;
use crate::server_process::ServerProcess;
use crate::sources::sources;
use crate::sys;
use crate::target::NamedServer;
use crate::usage::{Sample, Sampler};

/// A quiet room, and one in which each send carries many lines: lines a second, publishers, members that verify.
const QUIET: (f64, u32, Option<u64>) = (20.0, 1, None);
const BUSY: (f64, u32, Option<u64>) = (4000.0, 10, Some(16));
/// Lines a second, over all members in turn, and for how long.
const LINES_PER_S: u64 = 10_000;
const LINES: u64 = 20_000;
/// A line without a visible byte: read, split and looked at, and heard by nobody.
const LINE: &[u8] = b"\x1b\n";
const NEWCOMERS: u64 = 5_000;
/// How a server is asked what it puts around a line.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_LINE_BYTES: usize = 64;
/// How long to wait for the welcome of a newcomer.
const PATIENCE_NS: u64 = 10_000_000_000;
/// After this long the server has handled all that it was sent.
const SETTLE: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, Args)]
pub struct CostsArgs {
    /// Members of the room
    #[arg(short, long, default_value = "1k", value_name = "N", value_parser = parse_count)]
    pub connections: u64,

    /// Rounds; servers take turns in each
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub repeat: u32,

    /// A server and the command that starts it, {addr} and {port} replaced, {web} and {irc} by addresses of other doors
    #[arg(long = "server", required = true, value_name = "NAME[:PROTOCOL]=CMD", value_parser = parse_server)]
    pub servers: Vec<NamedServer>,

    /// Bytes of a delivery, the same whatever stands around a line in each protocol: lines are as much shorter
    #[arg(long, value_name = "BYTES", conflicts_with = "size")]
    pub wire_bytes: Option<usize>,

    /// Leave out lines, newcomers and system calls
    #[arg(long)]
    pub deliveries_alone: bool,

    #[command(flatten)]
    pub load: LoadArgs,

    /// What the dated folder is called
    #[arg(long, default_value = "costs", value_name = "NAME", value_parser = parse_kind)]
    pub kind: String,

    /// The dated folder is made in this one
    #[arg(short, long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
}

/// Measures all figures; returns the exit code.
pub fn command(arguments: &CostsArgs) -> Result<u8> {
    let folder = folder::make(&arguments.out, &arguments.kind)?;
    let mut figures = Vec::new();
    let is_measured = |what: &What| !arguments.deliveries_alone || (what.is_of_deliveries() && !what.is_of_calls());
    let mut around = Around::default();
    for round in 1..=arguments.repeat.max(1) {
        for what in What::ALL.into_iter().filter(is_measured) {
            // What lines and newcomers cost is measured without a protocol.
            let is_for = |server: &&NamedServer| what.is_of_deliveries() || server.protocol == Protocol::Uproar;
            for server in arguments.servers.iter().filter(is_for) {
                let Measured { value, wire_bytes, valid } = match measure(what, server, arguments, &mut around) {
                    Ok(measured) => measured,
                    // Counting them needs root.
                    Err(error) if what.is_of_calls() => {
                        eprintln!("round {round}, {}, {}: {error}", server.name, what.title());
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let mark = if valid { "" } else { MARK };
                eprintln!("round {round}, {}, {}: {}{mark}", server.name, what.title(), what.show(value));
                figures.push(Figure {
                    what,
                    server: server.name.clone(),
                    members: arguments.connections,
                    round,
                    value,
                    wire_bytes,
                    valid,
                });
            }
        }
    }
    costs::write(&folder, &figures)?;
    println!("{}\n{}", report::costs::draw(&folder)?, folder.display());
    Ok(exit::GOOD)
}

/// A figure.
struct Measured {
    value: f64,
    wire_bytes: Option<u64>,
    /// Whether the run behind it was valid.
    valid: bool,
}

/// A kind of room: lines a second, publishers, members that verify.
type Shape = (f64, u32, Option<u64>);

/// What stands around a line in a delivery of each server, by its name and the rate, once it was looked at.
#[derive(Default)]
struct Around(HashMap<(String, u64), usize>);

impl Around {
    /// The length of a line with which a delivery has `wire_bytes`.
    fn line_bytes(
        &mut self,
        (wire_bytes, server, members): (usize, &NamedServer, u64),
        shape: Shape,
        load: &Load,
    ) -> Result<usize> {
        let key = (server.name.clone(), shape.0 as u64);
        let around = match self.0.get(&key) {
            Some(around) => *around,
            None => {
                let length = Length::Time(LOOK);
                let load = Load { line_bytes: LOOK_LINE_BYTES, warmup: Duration::ZERO, ..load.clone() };
                let run = deliver(server, members, shape, (&load, length))?;
                let around = (run.summary.room.wire_line_bytes as usize).saturating_sub(LOOK_LINE_BYTES);
                self.0.insert(key, around);
                around
            }
        };
        wire_bytes.checked_sub(around).filter(|bytes| *bytes >= LINE_BYTES_MIN).ok_or_else(|| {
            let least = around + LINE_BYTES_MIN;
            Error::new(format!("{}: {around} bytes stand around a line; use --wire-bytes {least} or more", server.name))
        })
    }
}

fn measure(what: What, server: &NamedServer, arguments: &CostsArgs, around: &mut Around) -> Result<Measured> {
    let (members, load) = (arguments.connections, &arguments.load.load());
    let window = Length::Time(arguments.load.duration);
    let mut room = |shape: Shape, count_calls| {
        let line_bytes = match arguments.wire_bytes {
            None => load.line_bytes,
            Some(wire_bytes) => around.line_bytes((wire_bytes, server, members), shape, load)?,
        };
        delivery(server, members, shape, (&Load { count_calls, line_bytes, ..load.clone() }, window))
    };
    let alone = |value| Measured { value, wire_bytes: None, valid: true };
    match what {
        What::QuietDeliveryNs => room(QUIET, false),
        What::BusyDeliveryNs => room(BUSY, false),
        What::LineNs => Ok(alone(lines(server, members, load)?)),
        What::NewcomerNs => Ok(alone(newcomers(server, load)?)),
        What::QuietDeliveryCalls => room(QUIET, true),
        What::BusyDeliveryCalls => room(BUSY, true),
    }
}

fn deliver(
    server: &NamedServer,
    members: u64,
    (rate_per_s, publishers, verify): Shape,
    (load, length): (&Load, Length),
) -> Result<Run> {
    let room = Room { members: members as usize, rate_per_s, length };
    let load = Load { publishers, verify, probes: 0, ..load.clone() };
    measure::once(&server.target(), room, &load)
}

fn delivery(server: &NamedServer, members: u64, shape: Shape, (load, length): (&Load, Length)) -> Result<Measured> {
    let run = deliver(server, members, shape, (load, length))?;
    if !run.summary.clean {
        return Err(Error::new(format!("{}: not every delivery was as it should be", server.name)));
    }
    let cost = run.summary.server.as_ref();
    let value = match load.count_calls {
        false => cost.and_then(|cost| cost.cpu_per_delivery_ns),
        true => cost.and_then(|cost| cost.calls_per_delivery),
    };
    let value = value.ok_or_else(|| Error::new(format!("{}: nothing was delivered", server.name)))?;
    Ok(Measured { value, wire_bytes: Some(run.summary.room.wire_line_bytes), valid: run.summary.valid })
}

/// Processor time of a line, from all members in turn, evenly.
fn lines(server: &NamedServer, members: u64, load: &Load) -> Result<f64> {
    let (process, address) = start(server, load)?;
    let sources = sources(address, members as usize, load.spread)?;
    let connect = |index: usize| {
        let source = sources.get(index % sources.len().max(1)).copied();
        let socket = sys::connect(address, source, None).context(|| format!("cannot connect to {address}"))?;
        wait_for_welcome(&socket)?;
        Ok(socket)
    };
    let sockets: Vec<OwnedFd> = (0..members as usize).map(connect).collect::<Result<_>>()?;
    std::thread::sleep(SETTLE);
    let sampler = Sampler::new(vec![process.pid()]);
    let before = sampler.sample();
    for line in 0..LINES {
        sys::sleep_until(before.at_ns + line * 1_000_000_000 / LINES_PER_S);
        let socket = &sockets[(line % members) as usize];
        sys::send(socket.as_fd(), LINE).context(|| "cannot send a line".to_string())?;
    }
    std::thread::sleep(SETTLE);
    per_item(&before, &sampler.sample(), LINES)
}

/// Processor time of one that comes, is welcomed and goes, one after the other into an empty room.
fn newcomers(server: &NamedServer, load: &Load) -> Result<f64> {
    let (process, address) = start(server, load)?;
    std::thread::sleep(SETTLE);
    let sampler = Sampler::new(vec![process.pid()]);
    let before = sampler.sample();
    for _ in 0..NEWCOMERS {
        let socket = sys::connect(address, None, None).context(|| format!("cannot connect to {address}"))?;
        wait_for_welcome(&socket)?;
        sys::reset_on_close(socket.as_fd()).context(|| "cannot set a socket to reset".to_string())?;
    }
    std::thread::sleep(SETTLE);
    per_item(&before, &sampler.sample(), NEWCOMERS)
}

fn start(server: &NamedServer, load: &Load) -> Result<(ServerProcess, std::net::SocketAddr)> {
    if let Some(pin) = load.pin {
        pinning::pin_this_thread(Some(pin.client))?;
    }
    sys::sharpen_timers();
    let addresses = Addresses::for_command(&server.command, None)?;
    let process = ServerProcess::start(&addresses.fill(&server.command), addresses.first, load.pin)?;
    Ok((process, addresses.first))
}

fn wait_for_welcome(socket: &OwnedFd) -> Result<()> {
    let since_ns = sys::monotonic_ns();
    let mut buffer = [0; 256];
    while sys::monotonic_ns() - since_ns < PATIENCE_NS {
        match sys::receive(socket.as_fd(), &mut buffer) {
            Ok(bytes) if bytes > 0 => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(_) => return Err(Error::new("the server closed a newcomer's connection")),
            Err(error) => return Err(Error::new(format!("a newcomer's connection broke: {error}"))),
        }
    }
    Err(Error::new("the server did not welcome a newcomer"))
}

fn per_item(before: &Sample, after: &Sample, items: u64) -> Result<f64> {
    let (Some(before), Some(after)) = (before.server, after.server) else {
        return Err(Error::new("the server ended"));
    };
    Ok((after.cpu_ns - before.cpu_ns) as f64 / items as f64)
}
