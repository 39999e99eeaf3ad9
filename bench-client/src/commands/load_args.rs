//! The options of a load, which all commands that measure a room have in common.

use std::time::Duration;

use clap::Args;

use crate::commands::values::{Slow, parse_path, parse_pin, parse_slow};
use crate::engine::shape::Shape;
use crate::load::Load;
use crate::pinning::Pin;
use crate::plan::Arrival;
use crate::quantities::{parse_count, parse_rate};
use crate::rooms::Rooms;

/// What a run of any size needs.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// Members that also send, of each room; at least one member must only listen
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    pub publishers: u32,

    /// Length of the measured part
    #[arg(short, long, default_value = "30s", value_name = "T", value_parser = humantime::parse_duration)]
    pub duration: Duration,

    /// Messages sent and verified before that, left out of every figure
    #[arg(short, long, default_value = "5s", value_name = "T", value_parser = humantime::parse_duration)]
    pub warmup: Duration,

    /// How long to wait for the last deliveries; what has not come by then counts as having taken this long
    #[arg(long, default_value = "10s", value_name = "T", value_parser = humantime::parse_duration)]
    pub drain: Duration,

    /// Watch the server for this long after the members have left: when it has given their places and memory back, and what that
    /// costs
    #[arg(long, value_name = "T", value_parser = humantime::parse_duration)]
    pub aftermath: Option<Duration>,

    /// Processes of this tool that the members are spread over, up to 100. By default one, or as many as the limit of descriptors asks
    /// for
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub processes: Option<u64>,

    /// Bytes of a line as sent, newline included; from 32, a few more for very long plans, to 60,000
    #[arg(short, long, default_value_t = 64, value_name = "BYTES")]
    pub size: usize,

    /// What members of a WebSocket ask for [default: /ws?room=ROOM of uproar, / of others]
    #[arg(long, value_name = "PATH", value_parser = parse_path)]
    pub path: Option<String>,

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

    /// No --probes: stamps make the kernel look at the clock for every packet
    #[arg(long)]
    pub no_kernel_stamps: bool,

    /// Members, of those connected, that read nothing while messages are sent; afterwards they read and prove that every
    /// gap was told exactly
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub silent: Option<u64>,

    /// N members, of those connected, that read BYTES a second each
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

impl LoadArgs {
    /// The load that these options ask for.
    pub fn load(&self) -> Load {
        Load {
            rooms: Rooms::First,
            publishers: self.publishers,
            warmup: self.warmup,
            drain: self.drain,
            aftermath: self.aftermath,
            watchdog: None,
            processes: self.processes.map(|processes| processes as usize),
            line_bytes: self.size,
            path: self.path.clone(),
            arrival: self.arrival,
            seed: self.seed,
            connect_rate: self.connect_rate,
            connect_window: self.connect_window as usize,
            settle: self.settle,
            idle: self.idle,
            spread: self.spread,
            verify: self.verify,
            probes: if self.no_kernel_stamps { 0 } else { self.probes as usize },
            nuisances: Shape {
                silent: self.silent.unwrap_or(0) as usize,
                slow: self.slow.map_or(0, |slow| slow.members as usize),
                slow_bytes_per_s: self.slow.map_or(0, |slow| slow.bytes_per_s),
                churn_per_s: self.churn.unwrap_or(0.0),
                flooders: self.flood.unwrap_or(0) as usize,
            },
            pin: self.pin,
            floor: self.floor,
            count_calls: self.count_calls,
            lag_limit: self.lag_limit,
            progress: !self.no_progress,
        }
    }
}
