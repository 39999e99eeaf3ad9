//! The `sweep` command: the same number of deliveries a second into rooms of growing size, every server in turn.
//!
//! Each run restarts its server; servers take turns within each round, so that what the machine does meanwhile meets them
//! all alike. A room that cannot be measured is a row with its reason, not a gap. A run that the tool itself spoiled, by
//! sending late, is measured again; it stays in the files as set aside. Everything goes into one dated folder.

use std::path::Path;

use clap::ValueEnum;

use crate::cli::{LoadArgs, SweepArgs};
use crate::error::{Error, Result, exit};
use crate::files::write_json;
use crate::floor;
use crate::plan::Length;
use crate::protocol::Protocol;
use crate::quantities::count;
use crate::report::{block, rooms, rooms_table, run_files};
use crate::results::folder;
use crate::results::rung::Rung;
use crate::run::{self, Room, Run, Target};

/// Runs of one room in one round, at most: the first, and another when the client spoiled it.
const ATTEMPTS_MAX: u32 = 2;

/// A server of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedServer {
    pub name: String,
    pub protocol: Protocol,
    pub command: String,
}

/// Carries out the sweep; returns its exit code.
pub fn command(arguments: &SweepArgs) -> Result<u8> {
    let folder = folder::make(&arguments.out, "rooms")?;
    let mut rungs = Vec::new();
    for &members in &arguments.rungs {
        let room = Room {
            members: members as usize,
            rate_per_s: arguments.deliveries / members as f64,
            length: Length::Time(arguments.load.duration),
        };
        rungs.extend(rounds(&arguments.servers, room, &arguments.load, arguments.repeat, &folder)?);
    }
    folder::write_index(&folder, &rungs)?;
    let rungs = rooms::draw(&folder)?;
    print!("{}", rooms_table::text(&rungs));
    println!("\n{}", folder.display());
    Ok(verdict(&rungs))
}

/// Measures `room` on each of `servers` in turn, `repeat` times; what each run leaves goes into `folder`.
pub fn rounds(servers: &[NamedServer], room: Room, load: &LoadArgs, repeat: u32, folder: &Path) -> Result<Vec<Rung>> {
    let members = room.members as u64;
    let mut rungs: Vec<Rung> = servers.iter().map(|server| Rung::new(&server.name, members)).collect();
    let run_load = LoadArgs { floor: false, ..load.clone() };
    for _ in 0..repeat.max(1) {
        // The floor is the machine's and not a server's: one before and one after all of them.
        let before = load.floor.then(|| floor::measure(run::floor_shape(room, load))).transpose()?;
        let mut done = Vec::new();
        for (server, rung) in servers.iter().zip(&mut rungs).filter(|(_, rung)| rung.not_run.is_none()) {
            done.extend(measure(server, room, &run_load, rung, folder)?.map(|run| (rung, run)));
        }
        let after = load.floor.then(|| floor::measure(run::floor_shape(room, load))).transpose()?;
        for (rung, mut run) in done {
            if let (Some(before), Some(after)) = (&before, &after) {
                let (send, uring) = floor::join(&[before.clone(), after.clone()]);
                run.summary.set_floor(send, uring);
            }
            keep(run, rung, folder)?;
        }
    }
    Ok(rungs)
}

/// One run on `server`, again if the client spoiled it. A run that cannot be made leaves its reason in `rung`.
fn measure(server: &NamedServer, room: Room, load: &LoadArgs, rung: &mut Rung, folder: &Path) -> Result<Option<Run>> {
    let number = rung.runs.len() + 1;
    for attempt in 1.. {
        // Told at once too: a sweep takes minutes.
        match run::measure(&server.target(), room, load) {
            Ok(run) => {
                eprintln!("{}", block::run_line(&run.summary, number));
                eprint!("{}", block::problem_lines(&run.summary));
                if !run.summary.client_spoiled_it() || attempt == ATTEMPTS_MAX {
                    return Ok(Some(run));
                }
                eprintln!("set aside, and measured again");
                rung.set_aside.push(run.summary);
                let path = folder::set_aside_file(folder, &rung.server, rung.members, rung.set_aside.len());
                write_json(&path, rung.set_aside.last().expect("one was pushed"))?;
            }
            Err(error) => {
                eprintln!("{} members, {}: not run: {error}", count(rung.members), server.name);
                rung.not_run = Some(error.to_string());
                break;
            }
        }
    }
    Ok(None)
}

impl NamedServer {
    pub fn target(&self) -> Target {
        Target {
            name: self.name.clone(),
            protocol: self.protocol,
            command: Some(self.command.clone()),
            ..Target::default()
        }
    }
}

/// Writes what `run` left into `folder`, and adds it to `rung`.
fn keep(run: Run, rung: &mut Rung, folder: &Path) -> Result<()> {
    let (server, members, number) = (&rung.server, rung.members, rung.runs.len() + 1);
    run_files::write_summary(&folder::run_directory(folder, server, members, number), &run.summary)?;
    run_files::write_rows(&folder::rows_directory(folder, server, members, number), &run.plan, &run.outcome)?;
    rung.runs.push(run.summary);
    Ok(())
}

fn verdict(rungs: &[Rung]) -> u8 {
    let mut runs = rungs.iter().flat_map(|rung| &rung.runs).peekable();
    if runs.peek().is_none() {
        return exit::FAILED;
    }
    let (mut unclean, mut invalid) = (false, false);
    for run in runs {
        unclean |= !run.clean;
        invalid |= !run.valid;
    }
    match (unclean, invalid) {
        (true, _) => exit::UNCLEAN,
        (_, true) => exit::INVALID,
        _ => exit::GOOD,
    }
}

/// `NAME=COMMAND` or `NAME:PROTOCOL=COMMAND`; the name becomes a folder.
pub fn parse_server(text: &str) -> std::result::Result<NamedServer, String> {
    let wrong = || {
        Error::new(format!(
            "{text:?} is no NAME=COMMAND; write for example uproar='target/release/uproar serve {{addr}}'"
        ))
    };
    let (name, command) = text.split_once('=').ok_or_else(|| wrong().to_string())?;
    let (name, protocol) = match name.split_once(':') {
        None => (name, Protocol::Uproar),
        Some((name, protocol)) => (name, Protocol::from_str(protocol, false)?),
    };
    let is_plain =
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    if !is_plain || name.starts_with('.') || command.trim().is_empty() {
        return Err(wrong().to_string());
    }
    Ok(NamedServer { name: name.to_string(), protocol, command: command.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_name_that_can_be_a_folder() {
        let server = parse_server("uproar-uring=bin/uproar serve {addr} --x=y").unwrap();
        assert_eq!((server.name.as_str(), server.command.as_str()), ("uproar-uring", "bin/uproar serve {addr} --x=y"));
        let peer = parse_server("redis-7:redis=redis-server --port {port}").unwrap();
        assert_eq!((peer.name.as_str(), peer.protocol), ("redis-7", Protocol::Redis));
        for wrong in ["", "uproar", "a:b=x", "=x", "a/b=x", "..=x", "a= "] {
            assert!(parse_server(wrong).is_err(), "{wrong}");
        }
    }
}
