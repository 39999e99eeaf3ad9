//! The `peers` command: uproar beside the servers that someone would otherwise choose, in the same rooms.
//!
//! Four parts. *Offered*: the same deliveries a second to all. *Idle*: now and then one line into a quiet room. *Busy*: thousands of
//! lines a second into a room of a thousand. *Ceiling*: the highest rate that each keeps up with, found by trial (`ceiling.rs`). In
//! all but the last servers take turns and are restarted each time. Whoever is not installed, ends or refuses members is a
//! row with its reason.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::ceiling::{self, Terms};
use crate::cli::{LoadArgs, PeersArgs};
use crate::error::{Result, exit};
use crate::pinning::Pin;
use crate::plan::Length;
use crate::report::{peers, peers_table};
use crate::results::comparison::{self, BUSY_MEMBERS, BUSY_RATE_PER_S, Ceiling, Comparison};
use crate::results::folder::{self, RAW};
use crate::results::rung::Rung;
use crate::run::Room;
use crate::server_process::split_words;
use crate::sweep::{self, NamedServer};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
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

/// Smallest room that a line now and then is measured in: in a smaller one it takes next to no time.
const IDLE_MEMBERS_MIN: u64 = 1000;
const IDLE_RATE_PER_S: f64 = 4.0;
/// As few as a median can be given for.
const IDLE_MESSAGES: u64 = 20;
/// Where the search begins, deliveries a second.
const CEILING_START: f64 = 1e6;
/// How close it comes: a step of a search is some seconds.
const CEILING_PRECISION: f64 = 1.15;
/// Measures all parts asked for; returns the exit code.
pub fn command(arguments: &PeersArgs) -> Result<u8> {
    let folder = folder::make(&arguments.out, "peers")?;
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
        // After each part, so that what is interrupted has left what it had.
        comparison::write(&folder, &comparison)?;
    }
    print!("{}", peers_table::text(&peers::draw(&folder)?));
    println!("\n{}", folder.display());
    Ok(exit::GOOD)
}

/// What the program of `server` says it is; `None` where it is not installed.
fn version(server: &NamedServer) -> Option<String> {
    let words = split_words(&server.command).ok()?;
    let program = words.first()?;
    let ask = |argument: &str| {
        let output = Command::new(program).arg(argument).output().ok()?;
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
        rungs.extend(sweep::rounds(servers, room, &arguments.load, arguments.repeat, &folder.join("offered"))?);
        rungs.extend(missing.iter().map(|name| Rung::not_run(name, members, "not installed".to_string())));
    }
    Ok(rungs)
}

fn idle(arguments: &PeersArgs, servers: &[NamedServer], folder: &Path) -> Result<Vec<Rung>> {
    let mut rungs = Vec::new();
    for &members in arguments.rungs.iter().filter(|members| **members >= IDLE_MEMBERS_MIN) {
        let room =
            Room { members: members as usize, rate_per_s: IDLE_RATE_PER_S, length: Length::Messages(IDLE_MESSAGES) };
        rungs.extend(sweep::rounds(servers, room, &arguments.load, arguments.repeat, &folder.join("idle"))?);
    }
    Ok(rungs)
}

fn busy(arguments: &PeersArgs, servers: &[NamedServer], folder: &Path) -> Result<Vec<Rung>> {
    let room =
        Room { members: BUSY_MEMBERS, rate_per_s: BUSY_RATE_PER_S, length: Length::Time(arguments.load.duration) };
    sweep::rounds(servers, room, &ceiling::busy_load(&arguments.load), arguments.repeat, &folder.join("busy"))
}

fn ceilings(
    arguments: &PeersArgs,
    servers: &[NamedServer],
    versions: &BTreeMap<String, String>,
    folder: &Path,
) -> Result<Vec<Ceiling>> {
    let find = |server: &NamedServer, members: u64, load: &LoadArgs| {
        let terms = Terms {
            start_per_s: CEILING_START / members as f64,
            precision: CEILING_PRECISION,
            repeat: arguments.repeat,
            window: load.duration,
        };
        let trials = folder.join(RAW).join("ceiling").join(&server.name).join(format!("c{members:07}"));
        ceiling::find(server, members, load, terms, &trials, |_, _| Ok(()))
    };
    let mut found = Vec::new();
    for &members in &arguments.rungs {
        for server in servers {
            found.push(find(server, members, &arguments.load)?);
        }
    }
    // As it is shipped a server may use every core that it finds, also the one that the load generator is on.
    let pin = arguments.load.pin.map(|pin| Pin { server: None, ..pin });
    let load = LoadArgs { pin, ..arguments.load.clone() };
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
    fn who_is_not_installed_has_no_version() {
        let server = |command: &str| NamedServer {
            name: "x".to_string(),
            protocol: Protocol::Uproar,
            command: command.to_string(),
        };
        assert_eq!(version(&server("/no/such/server --port {port}")), None);
        assert!(version(&server("cargo run")).is_some_and(|version| version.starts_with("cargo ")));
    }
}
