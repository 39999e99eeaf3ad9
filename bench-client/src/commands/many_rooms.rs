//! The `many-rooms` command: the same many small rooms on several servers, in turn, and what a delivered line costs each.
//!
//! Peers have a channel a room. All servers get the same plan.

use std::path::PathBuf;

use clap::Args;

use crate::commands::load_args::LoadArgs;
use crate::commands::sweep;
use crate::commands::values::{parse_rooms, parse_server};
use crate::error::Result;
use crate::load::{Load, Room};
use crate::plan::Length;
use crate::quantities::{parse_count, parse_rate};
use crate::report;
use crate::results::folder::{self, MANY_ROOMS};
use crate::rooms::Rooms;
use crate::rounds::rounds;
use crate::target::NamedServer;

#[derive(Debug, Clone, Args)]
pub struct ManyRoomsArgs {
    /// Members of all rooms together
    #[arg(short, long, default_value = "19k", value_name = "N", value_parser = parse_count)]
    pub connections: u64,

    /// Rooms that they are spread over: member i is in room i mod N
    #[arg(long, default_value = "3800", value_name = "N", value_parser = parse_rooms)]
    pub rooms: u32,

    /// Lines a second of all rooms together, which speak in turn: with 950 of 3,800 rooms each has one every 4 s
    #[arg(short, long, default_value = "950/s", value_name = "R", value_parser = parse_rate)]
    pub rate: f64,

    /// Runs, each with the server restarted; servers take turns
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub repeat: u32,

    /// A server and the command that starts it, {addr} and {port} replaced; the first is put over each of the others
    #[arg(long = "server", required = true, value_name = "NAME[:PROTOCOL]=CMD", value_parser = parse_server)]
    pub servers: Vec<NamedServer>,

    #[command(flatten)]
    pub load: LoadArgs,

    /// The dated folder is made in this one
    #[arg(short, long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
}

/// Measures all servers; returns the exit code.
pub fn command(arguments: &ManyRoomsArgs) -> Result<u8> {
    let folder = folder::make(&arguments.out, MANY_ROOMS)?;
    let room = Room {
        members: arguments.connections as usize,
        rate_per_s: arguments.rate,
        length: Length::Time(arguments.load.duration),
    };
    let load = Load { rooms: Rooms::new(arguments.rooms), ..arguments.load.load() };
    let rungs = rounds(&arguments.servers, room, &load, arguments.repeat, &folder)?;
    folder::write_index(&folder, &rungs)?;
    println!("{}\n{}", report::many_rooms::draw(&folder)?, folder.display());
    Ok(sweep::exit_code(&rungs))
}
