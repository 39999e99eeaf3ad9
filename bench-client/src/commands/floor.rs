//! The `floor` command: what a bare loop of sends costs on this machine. `floor-sender` and `floor-reader` are its other processes.

use std::fmt::Write;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::commands::values::parse_pin;
use crate::descriptors::Descriptors;
use crate::error::{Context, Result, exit};
use crate::floor::reader::{self, Share};
use crate::floor::{self, Floor, PASSES_MIN, Shape, TABLE_SLOTS_MAX, sender};
use crate::pinning::Pin;
use crate::quantities::{count, parse_count, parse_rate, plural, rate, time};
use crate::results::summary::SendCost;

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

    /// Passes, instead of a duration
    #[arg(long, value_name = "N", value_parser = parse_count, conflicts_with = "duration")]
    pub passes: Option<u64>,

    /// What the sockets are in: a descriptor each, or tables of rings, as a server has them that holds more than the descriptor
    /// limit allows; `auto` for tables above that limit alone. With tables there is no plain send
    #[arg(long, value_enum, default_value_t = DescriptorsChoice::Auto, value_name = "KIND")]
    pub descriptors: DescriptorsChoice,

    /// Slots of a table, for tests
    #[arg(long, hide = true, default_value_t = TABLE_SLOTS_MAX)]
    pub table_slots: usize,

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
    #[arg(long, value_enum)]
    pub descriptors: DescriptorsChoice,
    #[arg(long)]
    pub table_slots: usize,
    #[arg(long)]
    pub size: usize,
    #[arg(long, value_parser = parse_rate)]
    pub rate: f64,
    #[arg(long)]
    pub passes: usize,
}

/// What this program tells a process that reads for it.
#[derive(Debug, Clone, Args)]
pub struct FloorReaderArgs {
    #[arg(long)]
    pub port: u16,
    #[arg(long)]
    pub first: usize,
    #[arg(long, value_parser = parse_count)]
    pub connections: u64,
    #[arg(long, value_parser = humantime::parse_duration)]
    pub silence: Duration,
}

/// What sockets are in, or whatever fits them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DescriptorsChoice {
    Auto,
    Normal,
    Direct,
}

impl DescriptorsChoice {
    fn of(self, sockets: usize) -> Result<Descriptors> {
        match self {
            Self::Auto => floor::fitting(sockets),
            Self::Normal => Ok(Descriptors::Normal),
            Self::Direct => Ok(Descriptors::Direct),
        }
    }
}

/// The `floor` command.
pub fn command(arguments: &FloorArgs) -> Result<u8> {
    let sockets = arguments.connections as usize;
    let passes = match arguments.passes {
        Some(passes) => passes as usize,
        None => ((arguments.duration.as_secs_f64() * arguments.rate).ceil() as usize).max(PASSES_MIN),
    };
    let floor = floor::measure(Shape {
        sockets,
        descriptors: arguments.descriptors.of(sockets)?,
        table_slots: arguments.table_slots,
        line_bytes: arguments.size,
        passes_per_s: arguments.rate,
        passes,
        pin: arguments.pin,
    })?;
    if arguments.format == FloorFormat::Json {
        println!("{}", serde_json::to_string(&floor).context(|| "cannot write the floor".to_string())?);
    } else {
        print!("{}", describe(&floor));
    }
    Ok(exit::GOOD)
}

/// The `floor-sender` command: the sending process of the floor.
pub fn sender_command(arguments: &FloorSenderArgs) -> Result<u8> {
    let sockets = arguments.connections as usize;
    sender::run(Shape {
        sockets,
        descriptors: arguments.descriptors.of(sockets)?,
        table_slots: arguments.table_slots,
        line_bytes: arguments.size,
        passes_per_s: arguments.rate,
        passes: arguments.passes,
        pin: None,
    })?;
    Ok(exit::GOOD)
}

/// The `floor-reader` command: a reading process of the floor.
pub fn reader_command(arguments: &FloorReaderArgs) -> Result<u8> {
    reader::run(Share {
        port: arguments.port,
        first: arguments.first,
        sockets: arguments.connections as usize,
        silence: arguments.silence,
    })?;
    Ok(exit::GOOD)
}

fn describe(floor: &Floor) -> String {
    let held = match floor.descriptors {
        Descriptors::Normal => "in descriptors".to_string(),
        Descriptors::Direct => format!("in {}", plural(floor.tables, "table")),
    };
    let mut text = format!(
        "floor of {} sockets {held}, read by {}  {} B a send  {} passes/s  (processor time of one send, over passes to all)\n",
        count(floor.sockets),
        if floor.readers == 1 { "1 process".to_string() } else { format!("{} processes", floor.readers) },
        floor.send_bytes,
        rate(floor.passes_per_s)
    );
    let mut row = |name: &str, cost: &Option<SendCost>, refused: &Option<String>| {
        if let Some(cost) = cost {
            let [min, median, mean] = [cost.min_ns, cost.median_ns, cost.mean_ns].map(|ns| time(ns as u64));
            let _ = writeln!(
                text,
                "{name:<10} min {min:>8}   median {median:>8}   mean {mean:>8}   {} passes",
                cost.passes
            );
            if let Some(pass) = cost.pass {
                let [wall, least] = [pass.wall_median_ns, pass.wall_min_ns].map(|ns| time(ns as u64));
                let [cpu, least_cpu] = [pass.cpu_median_ns, pass.cpu_min_ns].map(|ns| time(ns as u64));
                let _ = writeln!(
                    text,
                    "           a pass takes {wall} (min {least}), {cpu} (min {least_cpu}) of it processor time"
                );
            }
        } else if let Some(reason) = refused {
            let _ = writeln!(text, "{name:<10} not measured: {reason}");
        }
    };
    row("send", &floor.send, &floor.send_refused);
    row("io_uring", &floor.uring, &floor.uring_refused);
    if floor.not_taken > 0 {
        text.push_str(&format!("note: full sockets did not take {} sends; lower -r\n", count(floor.not_taken)));
    }
    if floor.late_passes > 0 {
        text.push_str(&format!("note: {} passes began late; lower -r\n", count(floor.late_passes)));
    }
    text
}
