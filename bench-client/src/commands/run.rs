//! The `run` command: one room on one server, once or several times, or the highest rate at which a condition holds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::commands::exit_code_of;
use crate::commands::load_args::LoadArgs;
use crate::commands::values::{parse_address, parse_also, parse_nodes, parse_rooms};
use crate::environment;
use crate::error::{Context, Error, Result, exit};
use crate::expect::{Expectation, Expectations};
use crate::files::write_json;
use crate::load::{Load, Room};
use crate::measure;
use crate::plan::Length;
use crate::processes::child;
use crate::protocol::Protocol;
use crate::quantities::{parse_count, parse_rate, rate};
use crate::report::{block, run_files};
use crate::results::summary::Summary;
use crate::rooms::Rooms;
use crate::search::{PRECISION, Search};
use crate::target::{Also, NODES_MAX, Nodes, Target};

#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Where the server listens, or is to listen [default: 127.0.0.1:8888, or a free port with --server-cmd]. Members, and those of them
    /// that publish, are spread evenly over several nodes of a cluster (ADDR,ADDR,...), and all of them prove one order
    #[arg(value_name = "ADDR", value_parser = parse_address, value_delimiter = ',')]
    pub addresses: Vec<SocketAddr>,

    /// Members of the room, or of all rooms together (100, 10k, 1.1k)
    #[arg(short, long, default_value = "100", value_name = "N", value_parser = parse_count)]
    pub connections: u64,

    /// Rooms that the members are spread over: member i is in room i mod N, and a line is heard in its room alone
    #[arg(long, default_value = "1", value_name = "N", value_parser = parse_rooms)]
    pub rooms: u32,

    /// Messages a second of all rooms together, which speak in turn (20, 20/s, 0.2/s, 4k/s); above 10 from
    /// each publisher, the server needs --flood-rate 0
    #[arg(short, long, default_value = "10/s", value_name = "R", value_parser = parse_rate)]
    pub rate: f64,

    /// Deliveries a second in total instead: the rate is this over the members of a room
    #[arg(long, value_name = "R", value_parser = parse_rate, conflicts_with = "rate")]
    pub deliveries: Option<f64>,

    /// Measured messages, instead of a duration
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_count, conflicts_with = "duration")]
    pub messages: Option<u64>,

    /// What the server speaks
    #[arg(long, value_enum, default_value_t = Protocol::Uproar)]
    pub protocol: Protocol,

    /// Members that come into the same room by another door of the server, beside those of -c; again for a third (irc=:6667:900,
    /// or irc:900 where the server's command names {irc})
    #[arg(long, value_name = "PROTOCOL[=ADDR]:N", value_parser = parse_also)]
    pub also: Vec<Also>,

    #[command(flatten)]
    pub load: LoadArgs,

    /// Start the server with this command for each run, {addr} and {port} replaced, and stop it after; {web} and {irc} are addresses of
    /// other doors
    #[arg(long, value_name = "CMD", conflicts_with = "server_pid")]
    pub server_cmd: Option<String>,

    /// Carry out the server's command this many times, each with an address of its own: the nodes of a cluster, over which the members
    /// are spread
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = parse_nodes, requires = "server_cmd")]
    pub nodes: u32,

    /// Start the server of the stream that nodes share with this command before them, {addr}, {port} and {folder} replaced, and stop it
    /// after them; {stream} in the server's command is its address, and {folder} is empty and removed afterwards
    #[arg(long, value_name = "CMD", requires = "server_cmd")]
    pub stream_cmd: Option<String>,

    /// Be the service manager of that server, which waits for a sign of its loop (WATCHDOG=1) this long at most: how many came, how far
    /// apart they were, and how often one came too late
    #[arg(long, value_name = "T", requires = "server_cmd", conflicts_with = "nodes", value_parser = humantime::parse_duration)]
    pub watchdog: Option<Duration>,

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// summary.json of each run, one a line
    Json,
    /// Problems alone
    Quiet,
}

/// The `run` command; returns its exit code.
pub fn command(arguments: &RunArgs) -> Result<u8> {
    let others: u64 = arguments.also.iter().map(|also| also.members).sum();
    let members = (arguments.connections + others) as usize;
    let room = Room {
        members,
        rate_per_s: arguments
            .deliveries
            .map_or(arguments.rate, |deliveries| deliveries / members as f64 * f64::from(arguments.rooms)),
        length: arguments.messages.map_or(Length::Time(arguments.load.duration), Length::Messages),
    };
    let target = Target {
        protocol: arguments.protocol,
        name: arguments.server_cmd.as_deref().map_or("server".to_string(), program_name),
        command: arguments.server_cmd.clone(),
        pid: arguments.server_pid,
        address: arguments.addresses.first().copied(),
        also: arguments.also.clone(),
        nodes: nodes(arguments)?,
        stream_command: arguments.stream_cmd.clone(),
    };
    if let Some(directory) = &arguments.out {
        write_json(&directory.join("env.json"), &environment::describe("run"))?;
    }
    if let Some(condition) = &arguments.search {
        return search(&target, room, &condition.0, arguments);
    }
    let mut summaries = Vec::new();
    for number in 1..=arguments.repeat.max(1) {
        summaries.push(measure_and_write(&target, room, number, arguments)?);
    }
    print(&summaries, arguments)?;
    Ok(judge(&summaries, arguments))
}

/// The nodes that the members are spread over.
fn nodes(arguments: &RunArgs) -> Result<Nodes> {
    let others = arguments.addresses.get(1..).unwrap_or_default();
    match (arguments.nodes, others) {
        (1, []) => Ok(Nodes::One),
        (_, []) => Ok(Nodes::Started(arguments.nodes)),
        _ if arguments.server_cmd.is_some() => Err(Error::new(
            "nodes that --server-cmd starts get addresses by themselves: use --nodes N, and no more than one ADDR",
        )),
        (_, others) if others.len() < NODES_MAX => Ok(Nodes::Others(others.to_vec())),
        _ => Err(Error::new(format!("at most {NODES_MAX} nodes"))),
    }
}

/// The `members` command: a process that has some members of a room.
pub fn members_command() -> Result<u8> {
    child::serve()?;
    Ok(exit::GOOD)
}

fn measure_and_write(target: &Target, room: Room, number: u32, arguments: &RunArgs) -> Result<Summary> {
    let load = Load { rooms: Rooms::new(arguments.rooms), watchdog: arguments.watchdog, ..arguments.load.load() };
    let run = measure::once(target, room, &load)?;
    if let Some(directory) = &arguments.out {
        let directory = directory.join(format!("run{number}"));
        run_files::write_summary(&directory, &run.summary)?;
        run_files::write_rows(&directory, &run.plan, &run.outcome)?;
    }
    Ok(run.summary)
}

fn print(summaries: &[Summary], arguments: &RunArgs) -> Result<()> {
    match arguments.format {
        Format::Table => print!("{}", block::block(summaries)),
        Format::Quiet => {}
        Format::Json => {
            for summary in summaries {
                println!("{}", serde_json::to_string(summary).context(|| "cannot write the summary".to_string())?);
            }
        }
    }
    Ok(())
}

/// Finds the highest rate at which a run is good and `condition` holds, and prints the run at that rate.
fn search(target: &Target, mut room: Room, condition: &[Expectation], arguments: &RunArgs) -> Result<u8> {
    let mut search = Search::new(room.rate_per_s, PRECISION);
    let mut best = None;
    for number in 1.. {
        room.rate_per_s = search.rate();
        let summary = measure_and_write(target, room, number, arguments)?;
        let unknown = condition.iter().find(|expectation| summary.valid && !expectation.is_known(&summary));
        if let Some(expectation) = unknown {
            let failure = expectation.check(&summary).err().unwrap_or_default();
            return Err(Error::new(format!("cannot search by {failure}")));
        }
        let failures: Vec<String> =
            condition.iter().filter_map(|expectation| expectation.check(&summary).err()).collect();
        let held = summary.clean && summary.valid && failures.is_empty();
        eprintln!("{}: {}", block::run_line(&summary, number as usize), if held { "holds" } else { "does not hold" });
        eprint!("{}", block::problem_lines(&summary));
        failures.iter().for_each(|failure| eprintln!("  {failure}"));
        if held {
            best = Some(summary);
        }
        if !search.tried(held) {
            break;
        }
    }
    let (Some(rate_per_s), Some(summary)) = (search.held(), best) else {
        eprintln!("it holds at no rate that was tried");
        return Ok(exit::UNEXPECTED);
    };
    print(&[summary], arguments)?;
    eprintln!("highest rate: {} messages/s", rate(rate_per_s));
    Ok(exit::GOOD)
}

/// The exit code for `summaries`; failed expectations, and problems if nothing else is printed, go to stderr.
fn judge(summaries: &[Summary], arguments: &RunArgs) -> u8 {
    let mut failures = Vec::new();
    for summary in summaries {
        let expectations = expectations(&arguments.expect).iter();
        failures.extend(expectations.filter_map(|expectation| expectation.check(summary).err()));
    }
    if arguments.format != Format::Table {
        for summary in summaries {
            eprint!("{}", block::problem_lines(summary));
        }
    }
    for failure in &failures {
        eprintln!("expected {failure}");
    }
    match exit_code_of(summaries) {
        exit::GOOD if !failures.is_empty() => exit::UNEXPECTED,
        code => code,
    }
}

/// The expectations of an option, none if it was not given.
pub fn expectations(option: &Option<Expectations>) -> &[Expectation] {
    option.as_ref().map_or(&[], |expectations| &expectations.0)
}

/// The last part of the path of a command's program.
fn program_name(command: &str) -> String {
    let program = command.split_whitespace().next().unwrap_or_default();
    program.rsplit('/').next().unwrap_or(program).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_called_by_its_program() {
        assert_eq!(program_name("target/release/uproar serve {addr}"), "uproar");
    }
}
