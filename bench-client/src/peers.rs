//! The `peers` command: uproar beside the servers that someone would otherwise choose, in the same rooms.
//!
//! Four parts. *Offered*: the same deliveries a second to all. *Idle*: now and then one line into a quiet room. *Busy*: thousands of
//! lines a second into a room of a thousand. *Ceiling*: the highest rate at which every message reaches everybody and 99 % of
//! the deliveries take less than a second, found by trial. In all but the last servers take turns and are restarted each
//! time. Whoever is not installed, ends or refuses members is a row with its reason.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::{LoadArgs, PeersArgs};
use crate::environment;
use crate::error::{Result, exit};
use crate::plan::Length;
use crate::report::summary::Summary;
use crate::report::{self, peers as peers_table};
use crate::run::{self, Room};
use crate::search::Search;
use crate::server_process::split_words;
use crate::sweep::folder::read_json;
use crate::sweep::{self, NamedServer, Rung, rows};

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
const BUSY_MEMBERS: usize = 1000;
const BUSY_RATE_PER_S: f64 = 4000.0;
/// Publishers, and members that verify every line, where there are many lines: the tool shall not be the limit.
const BUSY_PUBLISHERS: u32 = 10;
const BUSY_VERIFIED: u64 = 16;
/// Where the search begins, deliveries a second.
const CEILING_START: f64 = 1e6;
/// How close it comes: a step of a search is some seconds.
const CEILING_PRECISION: f64 = 1.15;
/// Runs at one rate, when the client spoiled the first.
const CEILING_ATTEMPTS: u32 = 2;
const CEILING_WINDOW: Duration = Duration::from_secs(3);
const CEILING_DRAIN: Duration = Duration::from_secs(3);
/// Keeping up means that 99 % of the deliveries take less than this.
const KEPT_UP_NS: u64 = 1_000_000_000;
/// How late messages may be sent, p99: next to nothing of that. Latency counts from when they were due in any case.
const CEILING_LAG: Duration = Duration::from_millis(10);

/// What the folder of a comparison holds, beside the tables: the folder of each part, what each server keeps up with, and what
/// the servers say they are.
const PARTS: [&str; 3] = ["offered", "idle", "busy"];
const CEILINGS: &str = "ceilings.json";
const VERSIONS: &str = "versions.json";

/// What was measured of all servers.
#[derive(Debug, Default)]
pub struct Comparison {
    pub offered: Vec<Rung>,
    pub idle: Vec<Rung>,
    pub busy: Vec<Rung>,
    pub ceilings: Vec<Ceiling>,
    /// By the server's name: what its program says it is.
    pub versions: BTreeMap<String, String>,
}

/// What a server keeps up with.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ceiling {
    pub server: String,
    pub members: u64,
    /// The best run that held; none if none did.
    pub run: Option<Summary>,
    /// Why the next rate up did not hold.
    pub end: String,
}

/// Measures all parts asked for; returns the exit code.
pub fn command(arguments: &PeersArgs) -> Result<u8> {
    let folder = sweep::dated_folder(&arguments.out);
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
    report::write_json(&folder.join("env.json"), &environment::describe())?;
    report::write_json(&folder.join(VERSIONS), &comparison.versions)?;
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
        write(&folder, &comparison)?;
    }
    let comparison = draw(&folder)?;
    print!("{}", peers_table::text(&comparison));
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
    sweep::rounds(servers, room, &busy_load(&arguments.load), arguments.repeat, &folder.join("busy"))
}

fn busy_load(load: &LoadArgs) -> LoadArgs {
    LoadArgs { publishers: BUSY_PUBLISHERS, verify: Some(BUSY_VERIFIED), ..load.clone() }
}

fn ceilings(
    arguments: &PeersArgs,
    servers: &[NamedServer],
    versions: &BTreeMap<String, String>,
    folder: &Path,
) -> Result<Vec<Ceiling>> {
    let load = LoadArgs {
        drain: CEILING_DRAIN,
        lag_limit: arguments.load.lag_limit.or(Some(CEILING_LAG)),
        ..busy_load(&arguments.load)
    };
    let mut found = Vec::new();
    for &members in &arguments.rungs {
        for server in servers {
            found.push(ceiling(server, members, &load, folder)?);
        }
    }
    for server in arguments.shipped.iter().filter(|server| versions.contains_key(&server.name)) {
        found.push(ceiling(server, BUSY_MEMBERS as u64, &load, folder)?);
    }
    Ok(found)
}

/// Searches for what `server` keeps up with in a room of `members`.
fn ceiling(server: &NamedServer, members: u64, load: &LoadArgs, folder: &Path) -> Result<Ceiling> {
    let mut search = Search::new(CEILING_START / members as f64, CEILING_PRECISION);
    let mut found = Ceiling { server: server.name.clone(), members, run: None, end: String::new() };
    let directory = folder.join("ceiling").join(&server.name).join(format!("c{members:07}"));
    for trial in 1.. {
        let room = Room { members: members as usize, rate_per_s: search.rate(), length: Length::Time(CEILING_WINDOW) };
        let mut failure = None;
        for attempt in 1..=CEILING_ATTEMPTS {
            match run::measure(&server.target(), room, load) {
                Err(error) => failure = Some(error.to_string()),
                Ok(run) => {
                    let path = directory.join(format!("trial{trial}_{attempt}.json"));
                    report::write_json(&path, &run.summary)?;
                    failure = not_kept_up(&run.summary);
                    if failure.is_none() {
                        found.run = Some(run.summary);
                    } else if run.summary.client_spoiled_it() {
                        continue;
                    }
                }
            }
            break;
        }
        let held = failure.is_none();
        eprintln!(
            "{} members, {}, {} deliveries/s: {}",
            report::table::count(members),
            server.name,
            report::table::rate(room.rate_per_s * members as f64),
            failure.as_deref().unwrap_or("kept up")
        );
        if let Some(failure) = failure {
            found.end = failure;
        }
        if !search.tried(held) {
            break;
        }
    }
    Ok(found)
}

/// Why `run` is not one that its server kept up with.
fn not_kept_up(run: &Summary) -> Option<String> {
    let delivery = &run.latency.delivery;
    match delivery.p99_ns {
        _ if !run.valid => run.reasons.first().cloned(),
        _ if !run.clean => Some(format!("{} deliveries lost", report::table::count(run.proof.lost))),
        Some(ns) if ns < KEPT_UP_NS && !delivery.is_at_least(ns) => None,
        Some(ns) => {
            let or_more = if delivery.is_at_least(ns) { " or more" } else { "" };
            Some(format!("delivery p99 {}{or_more}", report::table::time(ns)))
        }
        None => Some("too few deliveries".to_string()),
    }
}

fn write(folder: &Path, comparison: &Comparison) -> Result<()> {
    for (name, rungs) in PARTS.into_iter().zip([&comparison.offered, &comparison.idle, &comparison.busy]) {
        if !rungs.is_empty() {
            sweep::folder::write_index(&folder.join(name), rungs)?;
        }
    }
    if !comparison.ceilings.is_empty() {
        report::write_json(&folder.join(CEILINGS), &comparison.ceilings)?;
    }
    Ok(())
}

/// True exactly when `folder` is one of a comparison.
pub fn is_folder(folder: &Path) -> bool {
    folder.join(VERSIONS).is_file()
}

/// Makes the rows and tables of `folder` from what was measured, and returns it.
pub fn draw(folder: &Path) -> Result<Comparison> {
    let part = |name: &str| {
        let part = folder.join(name);
        if part.is_dir() { sweep::folder::load(&part) } else { Ok(Vec::new()) }
    };
    let [offered, idle, busy] = PARTS.map(part);
    let ceilings = folder.join(CEILINGS);
    let comparison = Comparison {
        offered: offered?,
        idle: idle?,
        busy: busy?,
        ceilings: if ceilings.is_file() { read_json(&ceilings)? } else { Vec::new() },
        versions: read_json(&folder.join(VERSIONS))?,
    };
    for (name, rungs) in PARTS.into_iter().zip([&comparison.offered, &comparison.idle, &comparison.busy]) {
        if !rungs.is_empty() {
            report::write_file(&folder.join(format!("{name}.csv")), &rows::csv(&rows::all(rungs))?)?;
        }
    }
    report::write_file(&folder.join("table.md"), peers_table::markdown(&comparison).as_bytes())?;
    Ok(comparison)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;

    fn run(change: impl FnOnce(&mut Summary)) -> Summary {
        let mut run = Summary { valid: true, clean: true, ..Summary::default() };
        run.latency.delivery.p99_ns = Some(KEPT_UP_NS / 2);
        change(&mut run);
        run
    }

    #[test]
    fn keeping_up_is_all_of_it_in_time() {
        assert_eq!(not_kept_up(&run(|_| {})), None);
        let failed = [
            run(|run| (run.valid, run.reasons) = (false, vec!["plan not kept".to_string()])),
            run(|run| (run.clean, run.proof.lost) = (false, 7)),
            run(|run| run.latency.delivery.p99_ns = Some(KEPT_UP_NS)),
            run(|run| run.latency.delivery.at_least_from_ns = Some(0)),
            run(|run| run.latency.delivery.p99_ns = None),
        ];
        let reasons = [
            "plan not kept",
            "7 deliveries lost",
            "delivery p99 1.00 s",
            "delivery p99 500 ms or more",
            "too few deliveries",
        ];
        for (run, reason) in failed.iter().zip(reasons) {
            assert_eq!(not_kept_up(run).as_deref(), Some(reason));
        }
    }

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
