//! The `peers` command: uproar beside the servers that one would choose instead, in the same rooms.
//!
//! Four parts. *Offered*: the same deliveries a second to all. *Idle*: now and then one line into a quiet room. *Busy*: thousands of
//! lines a second into a room of a thousand. *Ceiling*: the highest rate that each keeps up with, found by trial (`ceiling.rs`). In
//! all but the last servers take turns and are restarted each time. A server that is not installed, ends or refuses members
//! has a row with the reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::ceiling::{self, Terms};
use crate::commands::load_args::LoadArgs;
use crate::commands::values::{parse_kind, parse_server};
use crate::error::{Result, exit};
use crate::load::{Load, Room};
use crate::pinning::Pin;
use crate::plan::Length;
use crate::quantities::{parse_count, parse_rate};
use crate::report::{peers, peers_table};
use crate::results::comparison::{self, BUSY_MEMBERS, BUSY_RATE_PER_S, Ceiling, Comparison};
use crate::results::folder::{self, RAW};
use crate::results::rung::Rung;
use crate::rounds::rounds;
use crate::server_process::split_words;
use crate::target::NamedServer;

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

    /// What the dated folder is called
    #[arg(long, default_value = "peers", value_name = "NAME", value_parser = parse_kind)]
    pub kind: String,

    /// The dated folder of the comparison is made in this one
    #[arg(short, long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Part {
    /// The same deliveries a second to all
    Offered,
    /// One line now and then into a quiet room
    Idle,
    /// Thousands of lines a second into a room of a thousand
    Busy,
    /// The highest rate that each keeps up with
    Ceiling,
}

/// The smallest room that a line now and then is measured in: in a smaller one a line takes next to no time.
const IDLE_MEMBERS_MIN: u64 = 1000;
const IDLE_RATE_PER_S: f64 = 4.0;
/// The fewest that a median is given for.
const IDLE_MESSAGES: u64 = 20;
/// Where the search begins, deliveries a second.
const CEILING_START: f64 = 1e6;
/// How close it comes to the edge; each step of a search takes some seconds.
const CEILING_PRECISION: f64 = 1.15;
/// Measures all parts asked for; returns the exit code.
pub fn command(arguments: &PeersArgs) -> Result<u8> {
    let folder = folder::make(&arguments.out, &arguments.kind)?;
    let mut comparison = Comparison::default();
    let mut installed = Vec::new();
    for server in arguments.servers.iter().chain(&arguments.shipped) {
        match version(server) {
            Some(version) => {
                comparison.versions.insert(server.name.clone(), version);
                if arguments.servers.contains(server) {
                    installed.push(server.clone());
                }
            }
            None => eprintln!("{}: not installed", server.name),
        }
    }
    comparison::write_versions(&folder, &comparison)?;
    let missing = || arguments.servers.iter().filter(|server| !comparison.versions.contains_key(&server.name));
    let missing: Vec<String> = missing().map(|server| server.name.clone()).collect();
    for part in &arguments.parts {
        match part {
            Part::Offered => comparison.offered = offered(arguments, &installed, &missing, &folder)?,
            Part::Idle => comparison.idle = idle(arguments, &installed, &folder)?,
            Part::Busy => comparison.busy = busy(arguments, &installed, &folder)?,
            Part::Ceiling => comparison.ceilings = ceilings(arguments, &installed, &comparison.versions, &folder)?,
        }
        // After each part, so that an interrupted comparison leaves the parts that are done.
        comparison::write(&folder, &comparison)?;
    }
    print!("{}", peers_table::text(&peers::draw(&folder)?));
    println!("\n{}", folder.display());
    Ok(exit::GOOD)
}

/// What the program of `server` says it is; `None` where it is not installed.
fn version(server: &NamedServer) -> Option<String> {
    let words = split_words(&server.command).ok()?;
    let is_environment = |word: &&String| word.as_str() == "env" || word.contains('=');
    let mut words = words.iter().skip_while(is_environment);
    let program = words.next()?;
    // What a script says is of more interest than what runs it.
    let script = words.next().filter(|word| word.ends_with(".py"));
    let ask = |argument: &str| {
        let output = Command::new(program).args(script).arg(argument).output().ok()?;
        let said = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&said).into_owned();
        text.lines().find(|line| line.contains(|letter: char| letter.is_ascii_digit())).map(str::to_string)
    };
    // mosquitto knows no --version.
    let version = match Path::new(program).file_name()?.to_str()? {
        "mosquitto" => ask("-h"),
        _ => ask("--version"),
    };
    version.map(|line| line.trim().to_string())
}

fn offered(arguments: &PeersArgs, servers: &[NamedServer], missing: &[String], folder: &Path) -> Result<Vec<Rung>> {
    let mut rungs = Vec::new();
    for &members in &arguments.rungs {
        let room = Room {
            members: members as usize,
            rate_per_s: arguments.deliveries / members as f64,
            length: Length::Time(arguments.load.duration),
        };
        rungs.extend(rounds(servers, room, &arguments.load.load(), arguments.repeat, &folder.join("offered"))?);
        rungs.extend(missing.iter().map(|name| Rung::not_run(name, members, "not installed".to_string())));
    }
    Ok(rungs)
}

fn idle(arguments: &PeersArgs, servers: &[NamedServer], folder: &Path) -> Result<Vec<Rung>> {
    let mut rungs = Vec::new();
    for &members in arguments.rungs.iter().filter(|members| **members >= IDLE_MEMBERS_MIN) {
        let room =
            Room { members: members as usize, rate_per_s: IDLE_RATE_PER_S, length: Length::Messages(IDLE_MESSAGES) };
        rungs.extend(rounds(servers, room, &arguments.load.load(), arguments.repeat, &folder.join("idle"))?);
    }
    Ok(rungs)
}

fn busy(arguments: &PeersArgs, servers: &[NamedServer], folder: &Path) -> Result<Vec<Rung>> {
    let room =
        Room { members: BUSY_MEMBERS, rate_per_s: BUSY_RATE_PER_S, length: Length::Time(arguments.load.duration) };
    rounds(servers, room, &ceiling::busy_load(&arguments.load.load()), arguments.repeat, &folder.join("busy"))
}

fn ceilings(
    arguments: &PeersArgs,
    servers: &[NamedServer],
    versions: &BTreeMap<String, String>,
    folder: &Path,
) -> Result<Vec<Ceiling>> {
    let find = |server: &NamedServer, members: u64, load: &Load| {
        let terms = Terms {
            start_per_s: CEILING_START / members as f64,
            precision: CEILING_PRECISION,
            repeat: arguments.repeat,
            window: arguments.load.duration,
        };
        let trials = folder.join(RAW).join("ceiling").join(&server.name).join(format!("c{members:07}"));
        ceiling::find(server, members, load, terms, &trials, |_, _| Ok(()))
    };
    let load = arguments.load.load();
    let mut found = Vec::new();
    for &members in &arguments.rungs {
        for server in servers {
            found.push(find(server, members, &load)?);
        }
    }
    // As it is shipped a server may use every core that it finds, also the one that the load generator is on.
    let pin = load.pin.map(|pin| Pin { server: None, ..pin });
    let load = Load { pin, ..load };
    for server in arguments.shipped.iter().filter(|server| versions.contains_key(&server.name)) {
        found.push(find(server, BUSY_MEMBERS as u64, &load)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;

    #[test]
    fn a_server_that_is_not_installed_has_no_version() {
        let server = |command: &str| NamedServer {
            name: "x".to_string(),
            protocol: Protocol::Uproar,
            command: command.to_string(),
            stream_command: None,
        };
        assert_eq!(version(&server("/no/such/server --port {port}")), None);
        assert!(version(&server("cargo run")).is_some_and(|version| version.starts_with("cargo ")));
    }
}
