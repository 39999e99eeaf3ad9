//! The `sweep` command: the same number of deliveries a second into rooms of growing size, every server in turn.
//!
//! A room that cannot be measured is a row with its reason, not a gap. Everything goes into one dated folder.
//!
//! Rooms may be as large as a server holds, and tens of times as large as the descriptor limit. In a large room a line takes
//! seconds, so that a run there is as long as a number of lines takes, and is made once.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::commands::doctor;
use crate::commands::exit_code_of;
use crate::commands::load_args::LoadArgs;
use crate::commands::values::parse_server;
use crate::error::{Result, exit};
use crate::load::{Load, Room};
use crate::plan::Length;
use crate::quantities::{count, parse_count, parse_rate};
use crate::report::{million, million_table, rooms, rooms_table};
use crate::results::folder::{self, MILLION, ROOMS};
use crate::results::rung::Rung;
use crate::rounds::{offer, rounds};
use crate::target::NamedServer;

/// What a machine lacks for rooms of this many members is said before they are measured.
const LARGE: u64 = 100_000;
/// The time of a line to warm up, in those of a line: a share more, so that it fits.
const WARMUP_LINES: f64 = 1.05;

#[derive(Debug, Clone, Args)]
pub struct SweepArgs {
    /// Members of the rooms (100,1k,10k)
    #[arg(long, value_delimiter = ',', required = true, value_name = "LIST", value_parser = parse_count)]
    pub rungs: Vec<u64>,

    /// Deliveries a second in total: the rate of a room is this over its members
    #[arg(long, default_value = "100k/s", value_name = "R", value_parser = parse_rate)]
    pub deliveries: f64,

    /// Runs of each room, each with the server restarted; servers take turns
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub repeat: u32,

    /// Rooms of this many members or more are measured once
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub once_from: Option<u64>,

    /// Lines of a run at least, however long they take, after one or more to warm up
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub lines_min: Option<u64>,

    /// Warm up for this long for each member of the room besides: a server that says more rarely in a large room who came has said
    /// it by then
    #[arg(long, value_name = "T", value_parser = humantime::parse_duration)]
    pub warmup_per_member: Option<Duration>,

    /// When a room is larger than a server holds, measure the largest that it holds, and leave the server out of larger ones
    #[arg(long)]
    pub largest: bool,

    /// How the folder's name ends, and what is drawn of the runs
    #[arg(long, value_enum, default_value_t = Kind::Rooms)]
    pub kind: Kind,

    /// A server and the command that starts it, {addr} and {port} replaced, and {members} by those of the room and a reserve; may be
    /// given several times
    #[arg(long = "server", required = true, value_name = "NAME[:PROTOCOL]=CMD", value_parser = parse_server)]
    pub servers: Vec<NamedServer>,

    #[command(flatten)]
    pub load: LoadArgs,

    /// The dated folder of the sweep is made in this one
    #[arg(short, long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
}

/// What a sweep is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Servers beside each other, room by room
    Rooms,
    /// How far each server goes
    Million,
}

impl SweepArgs {
    fn room(&self, members: u64) -> Room {
        let rate_per_s = self.deliveries / members as f64;
        let duration = self.load.duration;
        let length = match self.lines_min {
            Some(lines) if duration.as_secs_f64() * rate_per_s < lines as f64 => Length::Messages(lines),
            _ => Length::Time(duration),
        };
        Room { members: members as usize, rate_per_s, length }
    }

    fn load(&self, room: Room) -> Load {
        let mut load = self.load.load();
        if self.lines_min.is_some() {
            load.warmup = load.warmup.max(Duration::from_secs_f64(WARMUP_LINES / room.rate_per_s));
        }
        if let Some(per_member) = self.warmup_per_member {
            load.warmup += per_member.saturating_mul(room.members as u32);
        }
        load
    }

    fn repeat(&self, members: u64) -> u32 {
        if self.once_from.is_some_and(|from| members >= from) { 1 } else { self.repeat }
    }

    /// Measures the room of `members` on `servers`.
    fn measure(&self, servers: &[NamedServer], members: u64, folder: &std::path::Path) -> Result<Vec<Rung>> {
        if servers.is_empty() {
            return Ok(Vec::new());
        }
        let room = self.room(members);
        rounds(servers, room, &self.load(room), self.repeat(members), folder)
    }
}

/// Carries out the sweep; returns its exit code.
pub fn command(arguments: &SweepArgs) -> Result<u8> {
    let largest = arguments.rungs.iter().copied().max().unwrap_or(0);
    if largest >= LARGE {
        for finding in doctor::lacks(largest)? {
            eprintln!("{finding}");
        }
    }
    let kind = match arguments.kind {
        Kind::Rooms => ROOMS,
        Kind::Million => MILLION,
    };
    let folder = folder::make(&arguments.out, kind)?;
    let mut rungs: Vec<Rung> = Vec::new();
    let mut servers = arguments.servers.clone();
    for &members in &arguments.rungs {
        if arguments.largest {
            for (server, most) in ending(&mut servers, members, &arguments.load.load()) {
                if !rungs.iter().any(|rung| rung.server == server.name && rung.members == most) {
                    rungs.extend(arguments.measure(std::slice::from_ref(&server), most, &folder)?);
                }
                let reason = format!("it ends at {} members", count(most));
                eprintln!("{} members, {}: {reason}", count(members), server.name);
                rungs.push(Rung::not_run(&server.name, members, reason));
            }
        }
        rungs.extend(arguments.measure(&servers, members, &folder)?);
        // So that what was measured can be drawn if the sweep is ended before its end.
        folder::write_index(&folder, &rungs)?;
    }
    let text = match arguments.kind {
        Kind::Rooms => rooms_table::text(&rooms::draw(&folder)?),
        Kind::Million => million_table::text(&million::draw(&folder)?),
    };
    print!("{text}");
    println!("\n{}", folder.display());
    Ok(exit_code(&rungs))
}

/// Takes those out of `servers` that hold fewer than `members`, each with what it holds.
fn ending(servers: &mut Vec<NamedServer>, members: u64, load: &Load) -> Vec<(NamedServer, u64)> {
    let mut ended = Vec::new();
    servers.retain(|server| {
        // What cannot be started says so again when it is measured.
        let most = offer(server, members as usize, load).ok().and_then(|offer| offer.members_max);
        let ends = most.filter(|most| *most < members);
        ended.extend(ends.map(|most| (server.clone(), most)));
        ends.is_none()
    });
    ended
}

/// What the program ends with after `rungs`.
pub fn exit_code(rungs: &[Rung]) -> u8 {
    let mut runs = rungs.iter().flat_map(|rung| &rung.runs).peekable();
    if runs.peek().is_none() {
        return exit::FAILED;
    }
    exit_code_of(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn sweep(options: &str) -> SweepArgs {
        let words = format!("bench-client sweep --rungs 1k --server a=b --deliveries 50k -d 10s -w 1s {options}");
        match Cli::try_parse_from(words.split_whitespace()).unwrap().command {
            Command::Sweep(arguments) => *arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_run_in_a_large_room_is_as_long_as_its_lines_take_and_made_once() {
        let million = sweep("--lines-min 20 --once-from 250k --repeat 3");
        assert_eq!(million.room(1_000_000).length, Length::Messages(20));
        assert_eq!(million.room(10_000).length, Length::Time(Duration::from_secs(10)));
        assert_eq!((million.repeat(250_000), million.repeat(249_999)), (1, 3));
        let warmup = |members| million.load(million.room(members)).warmup.as_secs_f64() * 50_000.0 / members as f64;
        assert!((1.0..1.1).contains(&warmup(1_000_000)), "one line to warm up");
        assert_eq!(warmup(1000), 50.0);
        let long = sweep("--warmup-per-member 250us");
        assert_eq!(long.load(long.room(1_000_000)).warmup, Duration::from_secs(251));
        let plain = sweep("--repeat 3");
        assert_eq!(plain.room(1_000_000).length, Length::Time(Duration::from_secs(10)));
        assert_eq!(plain.load(plain.room(1_000_000)).warmup, Duration::from_secs(1));
        assert_eq!(plain.repeat(1_000_000), 3);
    }
}
