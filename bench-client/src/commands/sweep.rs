//! The `sweep` command: the same number of deliveries a second into rooms of growing size, every server in turn.
//!
//! A room that cannot be measured is a row with its reason, not a gap. Everything goes into one dated folder.

use std::path::PathBuf;

use clap::Args;

use crate::commands::load_args::LoadArgs;
use crate::commands::values::parse_server;
use crate::error::{Result, exit};
use crate::load::Room;
use crate::plan::Length;
use crate::quantities::{parse_count, parse_rate};
use crate::report::{rooms, rooms_table};
use crate::results::folder;
use crate::results::rung::Rung;
use crate::rounds::rounds;
use crate::target::NamedServer;

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

    /// A server and the command that starts it, {addr} and {port} replaced; may be given several times
    #[arg(long = "server", required = true, value_name = "NAME[:PROTOCOL]=CMD", value_parser = parse_server)]
    pub servers: Vec<NamedServer>,

    #[command(flatten)]
    pub load: LoadArgs,

    /// The dated folder of the sweep is made in this one
    #[arg(short, long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
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
        rungs.extend(rounds(&arguments.servers, room, &arguments.load.load(), arguments.repeat, &folder)?);
    }
    folder::write_index(&folder, &rungs)?;
    let rungs = rooms::draw(&folder)?;
    print!("{}", rooms_table::text(&rungs));
    println!("\n{}", folder.display());
    Ok(exit_code(&rungs))
}

fn exit_code(rungs: &[Rung]) -> u8 {
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
