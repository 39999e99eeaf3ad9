//! One room on several servers, in rounds.
//!
//! Each run restarts its server; servers take turns within each round, so that what the machine does meanwhile affects
//! them all alike. A run that the tool itself spoiled, by sending late, is measured again; it stays in the files as set aside.

use std::path::Path;

use crate::error::Result;
use crate::files::write_json;
use crate::floor;
use crate::load::{Load, Room};
use crate::measure::{self, Run};
use crate::quantities::count;
use crate::report::{block, run_files};
use crate::results::folder;
use crate::results::rung::Rung;
use crate::target::NamedServer;

/// Runs of one room in one round, at most: the first, and another when the client spoiled it.
const ATTEMPTS_MAX: u32 = 2;

/// Measures `room` on each of `servers` in turn, `repeat` times; what each run leaves goes into `folder`.
pub fn rounds(servers: &[NamedServer], room: Room, load: &Load, repeat: u32, folder: &Path) -> Result<Vec<Rung>> {
    let members = room.members as u64;
    let mut rungs: Vec<Rung> = servers.iter().map(|server| Rung::new(&server.name, members)).collect();
    let run_load = Load { floor: false, ..load.clone() };
    for _ in 0..repeat.max(1) {
        // The floor is the machine's and not a server's: one before and one after all of them.
        let before = load.floor.then(|| floor::measure(measure::floor_shape(room, load))).transpose()?;
        let mut done = Vec::new();
        for (server, rung) in servers.iter().zip(&mut rungs).filter(|(_, rung)| rung.not_run.is_none()) {
            done.extend(run(server, room, &run_load, rung, folder)?.map(|run| (rung, run)));
        }
        let after = load.floor.then(|| floor::measure(measure::floor_shape(room, load))).transpose()?;
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
