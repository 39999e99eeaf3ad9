//! One room on several servers, in rounds.
//!
//! Each run restarts its server; servers take turns within each round, so that what the machine does meanwhile affects
//! them all alike. A run that the tool itself spoiled, by sending late, is measured again; it stays in the files as set aside.
//!
//! The floor is of as many sockets in the same kind of descriptors as the servers have, which they say when they listen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::addresses::Addresses;
use crate::descriptors::Descriptors;
use crate::error::Result;
use crate::files::write_json;
use crate::floor::{self, Floor};
use crate::load::{Load, Room};
use crate::measure::{self, Run};
use crate::quantities::count;
use crate::ready_line;
use crate::report::{block, run_files};
use crate::results::folder;
use crate::results::rung::Rung;
use crate::server_process::ServerProcess;
use crate::target::{NamedServer, command_for};

/// Runs of one room in one round, at most: the first, and another when the client spoiled it.
const ATTEMPTS_MAX: u32 = 2;
/// From this many members on the floor is measured after the servers and not before them too: connecting takes longer then
/// than the passes.
const ONE_FLOOR_FROM: usize = 50_000;

/// What a server says of itself when it is started for a room.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offer {
    /// None: it does not say.
    pub members_max: Option<u64>,
    pub descriptors: Descriptors,
}

/// Starts `server` as for a room of `members`, and stops it when it has said what it offers.
pub fn offer(server: &NamedServer, members: usize, load: &Load) -> Result<Offer> {
    let command = command_for(&server.command, members);
    let addresses = Addresses::for_command(&command, None)?;
    let ready_line = ServerProcess::start(&addresses.fill(&command), addresses.first, load.pin)?.ready_line();
    let Some(line) = ready_line else { return Ok(Offer::default()) };
    Ok(Offer { members_max: ready_line::members_max(&line), descriptors: ready_line::descriptors(&line) })
}

/// The floor for each kind of descriptors that the servers have.
fn floors(kinds: &BTreeSet<Descriptors>, room: Room, load: &Load) -> Result<BTreeMap<Descriptors, Floor>> {
    kinds.iter().map(|kind| Ok((*kind, floor::measure(floor::shape(room, load, *kind))?))).collect()
}

/// Measures `room` on each of `servers` in turn, `repeat` times; what each run leaves goes into `folder`.
pub fn rounds(servers: &[NamedServer], room: Room, load: &Load, repeat: u32, folder: &Path) -> Result<Vec<Rung>> {
    let members = room.members as u64;
    let mut rungs: Vec<Rung> = servers.iter().map(|server| Rung::new(&server.name, members)).collect();
    let run_load = Load { floor: false, ..load.clone() };
    // What cannot be started says so again when it is measured.
    let kind = |server| offer(server, room.members, load).unwrap_or_default().descriptors;
    let kinds: Vec<Descriptors> = if load.floor { servers.iter().map(kind).collect() } else { Vec::new() };
    for _ in 0..repeat.max(1) {
        // The floor is the machine's and not a server's: one before and one after all of them.
        let here: BTreeSet<Descriptors> = kinds.iter().copied().collect();
        let before = if room.members < ONE_FLOOR_FROM { floors(&here, room, load)? } else { BTreeMap::new() };
        let mut done = Vec::new();
        for (index, (server, rung)) in servers.iter().zip(&mut rungs).enumerate() {
            if rung.not_run.is_none() {
                done.extend(run(server, room, &run_load, rung, folder)?.map(|run| (index, rung, run)));
            }
        }
        let used: BTreeSet<Descriptors> = done.iter().filter_map(|(index, _, _)| kinds.get(*index).copied()).collect();
        let after = floors(&used, room, load)?;
        for (index, rung, mut run) in done {
            let floors: Vec<Floor> = kinds.get(index).map_or(Vec::new(), |kind| {
                [&before, &after].into_iter().filter_map(|floors| floors.get(kind).cloned()).collect()
            });
            if !floors.is_empty() {
                let (send, uring) = floor::join(&floors);
                run.summary.set_floor(send, uring);
            }
            keep(run, rung, folder)?;
        }
    }
    Ok(rungs)
}

/// One run on `server`, again if the client spoiled it. A run that cannot be made leaves its reason in `rung`.
fn run(server: &NamedServer, room: Room, load: &Load, rung: &mut Rung, folder: &Path) -> Result<Option<Run>> {
    let number = rung.runs.len() + 1;
    for attempt in 1.. {
        // Printed at once too: all rounds together take minutes.
        match measure::once(&server.target(), room, load) {
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

/// Writes what `run` left into `folder`, and adds it to `rung`.
fn keep(run: Run, rung: &mut Rung, folder: &Path) -> Result<()> {
    let (server, members, number) = (&rung.server, rung.members, rung.runs.len() + 1);
    run_files::write_summary(&folder::run_directory(folder, server, members, number), &run.summary)?;
    run_files::write_rows(&folder::rows_directory(folder, server, members, number), &run.plan, &run.outcome)?;
    rung.runs.push(run.summary);
    Ok(())
}
