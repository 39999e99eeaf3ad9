//! Options as typed: names, defaults, help, and what counts, rates and durations look like.
//!
//! What options mean together is checked where it is used; here each is right or wrong by itself.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::expect::{Expectation, Expectations};
use crate::peers::Part;
use crate::pinning::Pin;
use crate::plan::Arrival;
use crate::protocol::Protocol;
use crate::quantities::{parse_count, parse_rate};
use crate::reflect::Fault;

use crate::sweep::{NamedServer, parse_server};

/// Measures how long a chat room takes to hear a line.
///
/// Messages are due at times fixed beforehand, and latency counts from there, however the server fares. Every delivery is
/// recorded and proven: nothing lost, repeated, reordered, echoed or changed.
///
/// Exit codes: 0 good, 1 usage or a failure of the machine, 2 deliveries not as they should be, 3 run invalid (plan not
/// kept, client-bound, not all members joined), 4 an expectation did not hold.
#[derive(Debug, Parser)]
#[command(name = "bench-client", version, max_term_width = 120, args_override_self = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure one room
    ///
    /// `uproar serve` slows members that say much, by default above 10 lines a second after a burst of 50, all members of one
    /// address together above four times that. The plan of this command's defaults stays below it. To offer more, start the server
    /// with --flood-rate 0; a run whose publishers are slowed says so in its first line and is INVALID.
    Run(Box<RunArgs>),
    /// Measure rooms of growing size at the same deliveries a second, one server or several in turn
    Sweep(Box<SweepArgs>),
    /// Measure the same rooms on uproar and on message brokers, in turn, and search for what each keeps up with
    Peers(Box<PeersArgs>),
    /// Search for the highest rate that one server keeps up with, measure it several times, and leave a folder with the figures
    Headline(Box<HeadlineArgs>),
    /// Measure what a delivery, a line and a newcomer cost each server, in turn
    Costs(Box<CostsArgs>),
    /// Draw the tables, rows and pictures of a results folder anew, from its runs
    Report(ReportArgs),
    /// Compare two sweeps in ratios
    Check(CheckArgs),
    /// Say what on this machine stands in the way of a room of so many, and the command that mends it; change nothing
    Doctor(DoctorArgs),
    /// Measure what a bare loop of sends to as many sockets costs on this machine
    Floor(FloorArgs),
    #[command(hide = true)]
    FloorSender(FloorSenderArgs),
    /// Serve as the smallest chat server there is: what the tool measures when the server costs next to nothing
    Reflect(ReflectArgs),
}

/// What a run of any size needs.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// Members that also send; at least one member must only listen
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    pub publishers: u32,

    /// Length of the measured part
    #[arg(short, long, default_value = "30s", value_name = "T", value_parser = humantime::parse_duration)]
    pub duration: Duration,

    /// Messages sent and verified before that, left out of every figure
    #[arg(short, long, default_value = "5s", value_name = "T", value_parser = humantime::parse_duration)]
    pub warmup: Duration,

    /// How long to wait for the last deliveries; what has not come by then counts as having taken so long
    #[arg(long, default_value = "10s", value_name = "T", value_parser = humantime::parse_duration)]
    pub drain: Duration,

    /// Bytes of a line as sent, newline included; from 32, a few more for very long plans, to 60,000
    #[arg(short, long, default_value_t = 64, value_name = "BYTES")]
    pub size: usize,

    /// Due times evenly spaced, or at random with the same mean
    #[arg(long, value_enum, default_value_t = Arrival::Fixed)]
    pub arrival: Arrival,

    /// Decides random due times: the same seed is the same plan
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,

    /// Connects a second
    #[arg(long, default_value = "20k/s", value_name = "R", value_parser = parse_rate)]
    pub connect_rate: f64,

    /// Members that have connected and not been welcomed yet, at most
    #[arg(long, default_value = "512", value_name = "N", value_parser = parse_count)]
    pub connect_window: u64,

    /// The room is quiet, and the run may begin, when no byte came for this long
    #[arg(long, default_value = "1200ms", value_name = "T", value_parser = humantime::parse_duration)]
    pub settle: Duration,

    /// Measure the server's use of its core for this long, with all members connected and nobody speaking
    #[arg(long, value_name = "T", value_parser = humantime::parse_duration)]
    pub idle: Option<Duration>,

    /// Connect from this many loopback addresses in turn, each of which has its own 28,000 ports. By default one for every
    /// 10,000 members
    #[arg(long, value_name = "N")]
    pub spread: Option<u32>,

    /// Members that verify every line, evenly spread over the order of joining; the others only count bytes, which is far
    /// cheaper. By default all
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub verify: Option<u64>,

    /// Verified members, evenly spread over the order of joining, on which the kernel's time stamps split delivery latency into
    /// the server's part and this tool's
    #[arg(long, default_value = "100", value_name = "N", value_parser = parse_count)]
    pub probes: u64,

    /// No such members: stamps make the kernel look at the clock for every packet
    #[arg(long)]
    pub no_kernel_stamps: bool,

    /// Members, of those connected, that read nothing while messages are sent; afterwards they read and prove that every
    /// gap was told exactly
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub silent: Option<u64>,

    /// Members, of those connected, that read so many bytes a second
    #[arg(long, value_name = "N:BYTES/S", value_parser = parse_slow)]
    pub slow: Option<Slow>,

    /// Members that come and go beside those connected, a second
    #[arg(long, value_name = "R", value_parser = parse_rate)]
    pub churn: Option<f64>,

    /// Members beside those connected that send lines which nobody hears, as fast as the server takes them
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub flood: Option<u64>,

    /// Processors of the server, which may be `all`, and of this tool; the server's pinning needs --server-cmd or --server-pid
    #[arg(long, value_name = "SERVER,CLIENT", value_parser = parse_pin)]
    pub pin: Option<Pin>,

    /// Measure before and after each run what a bare loop of sends costs, and print the server's cost over it
    #[arg(long)]
    pub floor: bool,

    /// Count the server's system calls too, which costs it some time at each
    #[arg(long)]
    pub count_calls: bool,

    /// How long messages may be sent late at p99, and deliveries wait to be read at p50, before a run is invalid; by default 200us,
    /// or if that is larger 1 % of the room's median, and half of the median delivery
    #[arg(long, value_name = "T", value_parser = humantime::parse_duration)]
    pub lag_limit: Option<Duration>,

    /// Show no progress; none is shown anyway when stderr is no terminal
    #[arg(long)]
    pub no_progress: bool,
}

#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Where the server listens, or is to listen [default: 127.0.0.1:8888, or a free port with --server-cmd]
    #[arg(value_name = "ADDR", value_parser = parse_address)]
    pub address: Option<SocketAddr>,

    /// Members of the room (100, 10k, 1.1k)
    #[arg(short, long, default_value = "100", value_name = "N", value_parser = parse_count)]
    pub connections: u64,

    /// Messages a second in total (20, 20/s, 0.2/s, 4k/s); above 10 from each publisher, the server needs --flood-rate 0
    #[arg(short, long, default_value = "10/s", value_name = "R", value_parser = parse_rate)]
    pub rate: f64,

    /// Deliveries a second in total instead: the rate is this over the members
    #[arg(long, value_name = "R", value_parser = parse_rate, conflicts_with = "rate")]
    pub deliveries: Option<f64>,

    /// Measured messages, instead of a duration
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_count, conflicts_with = "duration")]
    pub messages: Option<u64>,

    /// What the server speaks
    #[arg(long, value_enum, default_value_t = Protocol::Uproar)]
    pub protocol: Protocol,

    #[command(flatten)]
    pub load: LoadArgs,

    /// Start the server with this command for each run, {addr} and {port} replaced, and stop it after
    #[arg(long, value_name = "CMD", conflicts_with = "server_pid")]
    pub server_cmd: Option<String>,

    /// Process of the running server, to measure what it costs
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,

    /// Runs, each with the server restarted if this tool starts it
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub repeat: u32,

    /// What the result must be, or exit code 4 (lost=0,room.p99<250ms)
    #[arg(long, value_name = "LIST")]
    pub expect: Option<Expectations>,

    /// Find the highest rate at which this holds, from -r or --deliveries on; each trial is a run (room.p99<1s)
    #[arg(long, value_name = "LIST", conflicts_with = "repeat")]
    pub search: Option<Expectations>,

    /// Write env.json, and summary.json, *.hgrm, intervals.hlog and messages.csv of each run, into this folder
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// What to print on stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

#[derive(Debug, Clone, Args)]
pub struct SweepArgs {
    /// Members of the rooms (100,1k,10k)
    #[arg(long, value_delimiter = ',', required = true, value_name = "LIST", value_parser = parse_count)]
    pub rungs: Vec<u64>,

    /// Deliveries a second in total: the rate of a room is this over its members
    #[arg(long, default_value = "100k/s", value_name = "R", value_parser = parse_rate)]
    pub deliveries: f64,

    /// Runs of each room, each with the server restarted; servers take turns
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub repeat: u32,

    /// A server and the command that starts it, {addr} and {port} replaced; may be given several times
    #[arg(long = "server", required = true, value_name = "NAME[:PROTOCOL]=CMD", value_parser = parse_server)]
    pub servers: Vec<NamedServer>,

    #[command(flatten)]
    pub load: LoadArgs,

    /// The dated folder of the sweep is made in this one
    #[arg(short, long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct PeersArgs {
    /// Members of the rooms
    #[arg(long, value_delimiter = ',', default_value = "100,1k,10k", value_name = "LIST", value_parser = parse_count)]
    pub rungs: Vec<u64>,

    /// Deliveries a second in total, where all are offered the same
    #[arg(long, default_value = "100k/s", value_name = "R", value_parser = parse_rate)]
    pub deliveries: f64,

    /// Runs of each room, each with the server restarted; servers take turns
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub repeat: u32,

    /// A server with its limits lifted, and the command that starts it, {addr} and {port} replaced
    #[arg(long = "server", required = true, value_name = "NAME[:PROTOCOL]=CMD", value_parser = parse_server)]
    pub servers: Vec<NamedServer>,

    /// A server as it is shipped: only what it keeps up with is searched for
    #[arg(long = "as-shipped", value_name = "NAME[:PROTOCOL]=CMD", value_parser = parse_server)]
    pub shipped: Vec<NamedServer>,

    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "offered,idle,busy,ceiling", value_name = "LIST")]
    pub parts: Vec<Part>,

    #[command(flatten)]
    pub load: LoadArgs,

    /// The dated folder of the comparison is made in this one
    #[arg(short, long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct HeadlineArgs {
    /// Members of the room
    #[arg(short, long, default_value = "1k", value_name = "N", value_parser = parse_count)]
    pub connections: u64,

    /// Runs at the rate that was found, each with the server restarted
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub repeat: u32,

    /// The server and the command that starts it, {addr} and {port} replaced
    #[arg(long, required = true, value_name = "NAME[:PROTOCOL]=CMD", value_parser = parse_server)]
    pub server: NamedServer,

    /// Lines a second that the search begins at
    #[arg(short, long, default_value = "20k/s", value_name = "R", value_parser = parse_rate)]
    pub rate: f64,

    #[command(flatten)]
    pub load: LoadArgs,

    /// The dated folder is made in this one
    #[arg(short, long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct CostsArgs {
    /// Members of the room
    #[arg(short, long, default_value = "1k", value_name = "N", value_parser = parse_count)]
    pub connections: u64,

    /// Rounds; servers take turns in each
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub repeat: u32,

    /// A server and the command that starts it, {addr} and {port} replaced
    #[arg(long = "server", required = true, value_name = "NAME=CMD", value_parser = parse_server)]
    pub servers: Vec<NamedServer>,

    #[command(flatten)]
    pub load: LoadArgs,

    /// The dated folder is made in this one
    #[arg(short, long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Folder of a sweep or a comparison
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,

    /// Put the short table, and the picture of a comparison, between their markers in this document too
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Folder of the sweep to compare with
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,

    /// Folder of the sweep in question
    #[arg(value_name = "AFTER")]
    pub after: PathBuf,

    /// A figure that is this much worse, and worse than every run before, fails
    #[arg(long, default_value_t = 1.1, value_name = "RATIO")]
    pub worse: f64,
}

#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Members of the room
    #[arg(short, long, default_value = "1k", value_name = "N", value_parser = parse_count)]
    pub connections: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// summary.json of each run, one a line
    Json,
    /// Problems alone
    Quiet,
}

#[derive(Debug, Clone, Args)]
pub struct FloorArgs {
    /// Sockets, each of which gets one line a pass
    #[arg(short, long, default_value = "1k", value_name = "N", value_parser = parse_count)]
    pub connections: u64,

    /// Bytes of a line as a publisher sends it; what is sent is that behind an author, as a server would
    #[arg(short, long, default_value_t = 64, value_name = "BYTES")]
    pub size: usize,

    /// Passes a second, plain and io_uring taking turns
    #[arg(short, long, default_value = "20/s", value_name = "R", value_parser = parse_rate)]
    pub rate: f64,

    /// How long to measure
    #[arg(short, long, default_value = "5s", value_name = "T", value_parser = humantime::parse_duration)]
    pub duration: Duration,

    /// Processors of the sender and of the receiver
    #[arg(long, value_name = "SENDER,RECEIVER", value_parser = parse_pin)]
    pub pin: Option<Pin>,

    /// What to print on stdout
    #[arg(long, value_enum, default_value_t = FloorFormat::Table)]
    pub format: FloorFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FloorFormat {
    Table,
    Json,
}

/// What this program tells the process that sends for it.
#[derive(Debug, Clone, Args)]
pub struct FloorSenderArgs {
    #[arg(long, value_parser = parse_count)]
    pub connections: u64,
    #[arg(long)]
    pub size: usize,
    #[arg(long, value_parser = parse_rate)]
    pub rate: f64,
    #[arg(long, value_parser = humantime::parse_duration)]
    pub duration: Duration,
}

#[derive(Debug, Clone, Args)]
pub struct ReflectArgs {
    /// Where to listen
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:8888", value_parser = parse_address)]
    pub address: SocketAddr,

    /// Spoil one delivery, for tests of the tool
    #[arg(long, value_enum, hide = true)]
    pub fault: Option<Fault>,

    /// The message whose delivery is spoilt
    #[arg(long, default_value_t = 0, hide = true)]
    pub fault_at: u64,

    /// Whose delivery of it
    #[arg(long, default_value_t = 0, hide = true)]
    pub fault_member: usize,
}

/// Members that read slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slow {
    pub members: u64,
    pub bytes_per_s: u64,
}

/// `N:BYTES/S`.
pub fn parse_slow(text: &str) -> Result<Slow, String> {
    let slow = text.split_once(':').and_then(|(members, rate)| {
        Some(Slow { members: parse_count(members).ok()?, bytes_per_s: parse_rate(rate).ok()? as u64 })
    });
    slow.ok_or_else(|| format!("{text:?} is no number of slow members; write for example 100:4k/s"))
}

/// `SERVER,CLIENT`.
pub fn parse_pin(text: &str) -> Result<Pin, String> {
    let processors = text.split_once(',').and_then(|(server, client)| {
        let server = match server.trim() {
            "all" => None,
            number => Some(number.parse().ok()?),
        };
        Some(Pin { server, client: client.trim().parse().ok()? })
    });
    processors.ok_or_else(|| format!("{text:?} are no two processors; write for example 0,1, or all,1"))
}

/// An address or a name, with a port; without a host, the loopback address.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let with_host = if text.starts_with(':') { format!("127.0.0.1{text}") } else { text.to_string() };
    let mut addresses = with_host.to_socket_addrs().map_err(|error| format!("{error}; write HOST:PORT"))?;
    addresses.next().ok_or_else(|| format!("{text:?} has no address"))
}

/// The expectations of an option, none if it was not given.
pub fn expectations(option: &Option<Expectations>) -> &[Expectation] {
    option.as_ref().map_or(&[], |expectations| &expectations.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn addresses_and_processors() {
        assert_eq!(parse_address(":8888").unwrap().to_string(), "127.0.0.1:8888");
        assert_eq!(parse_address("[::1]:1").unwrap().to_string(), "[::1]:1");
        assert!(parse_address("127.0.0.1").is_err());
        assert_eq!(parse_pin("0,1"), Ok(Pin { server: Some(0), client: 1 }));
        assert_eq!(parse_pin("all,1"), Ok(Pin { server: None, client: 1 }));
        assert!(parse_pin("0").is_err());
    }
}
