//! The `floor` command: what a bare loop of sends costs on this machine. `floor-sender` is the other process of it.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::commands::values::parse_pin;
use crate::error::{Context, Result, exit};
use crate::floor::{self, Floor, Shape, sender};
use crate::pinning::Pin;
use crate::quantities::{count, parse_count, parse_rate, rate, time};
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

/// The `floor` command.
pub fn command(arguments: &FloorArgs) -> Result<u8> {
    let floor = floor::measure(Shape {
        sockets: arguments.connections as usize,
        line_bytes: arguments.size,
        passes_per_s: arguments.rate,
        duration: arguments.duration,
        pin: arguments.pin,
    })?;
    if arguments.format == FloorFormat::Json {
        println!("{}", serde_json::to_string(&floor).context(|| "cannot write the floor".to_string())?);
    } else {
        print!("{}", describe(&floor));
    }
    Ok(exit::GOOD)
}

/// The `floor-sender` command: the other process of the floor.
pub fn sender_command(arguments: &FloorSenderArgs) -> Result<u8> {
    sender::run(Shape {
        sockets: arguments.connections as usize,
        line_bytes: arguments.size,
        passes_per_s: arguments.rate,
        duration: arguments.duration,
        pin: None,
    })?;
    Ok(exit::GOOD)
}

fn describe(floor: &Floor) -> String {
    let mut text = format!(
        "floor of {} sockets  {} B a send  {} passes/s  (processor time of one send, over passes to all)\n",
        count(floor.sockets),
        floor.send_bytes,
        rate(floor.passes_per_s)
    );
    let mut row = |name: &str, cost: &SendCost| {
        let [min, median, mean] = [cost.min_ns, cost.median_ns, cost.mean_ns].map(|ns| time(ns as u64));
        text.push_str(&format!(
            "{name:<10} min {min:>8}   median {median:>8}   mean {mean:>8}   {} passes\n",
            cost.passes
        ));
    };
    row("send", &floor.send);
    if let Some(uring) = &floor.uring {
        row("io_uring", uring);
    }
    if let Some(reason) = &floor.uring_refused {
        text.push_str(&format!("io_uring   not measured: {reason}\n"));
    }
    if floor.not_taken > 0 {
        text.push_str(&format!("note: full sockets did not take {} sends; lower -r\n", count(floor.not_taken)));
    }
    if floor.late_passes > 0 {
        text.push_str(&format!("note: {} passes began late; lower -r\n", count(floor.late_passes)));
    }
    text
}
