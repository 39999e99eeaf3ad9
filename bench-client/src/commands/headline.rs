//! The `headline` command: the one figure that a first page names, and the runs behind it.
//!
//! The highest rate that one server keeps up with is searched for as in a comparison, but in smaller steps, and measured several
//! times over a longer window.

use std::path::PathBuf;

use clap::Args;

use crate::ceiling::{self, Terms};
use crate::commands::load_args::LoadArgs;
use crate::commands::values::parse_server;
use crate::error::{Error, Result, exit};
use crate::quantities::{parse_count, parse_rate};
use crate::report::{self, run_files};
use crate::results::folder;
use crate::results::headline::{self, PRECISION};
use crate::target::NamedServer;

#[derive(Debug, Clone, Args)]
pub struct HeadlineArgs {
    /// Members of the room
    #[arg(short, long, default_value = "1k", value_name = "N", value_parser = parse_count)]
    pub connections: u64,

    /// Runs at the rate that was found, each with the server restarted
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub repeat: u32,

    /// The server and the command that starts it, {addr} and {port} replaced
    #[arg(long, required = true, value_name = "NAME[:PROTOCOL]=CMD", value_parser = parse_server)]
    pub server: NamedServer,

    /// Lines a second that the search begins at
    #[arg(short, long, default_value = "20k/s", value_name = "R", value_parser = parse_rate)]
    pub rate: f64,

    #[command(flatten)]
    pub load: LoadArgs,

    /// The dated folder is made in this one
    #[arg(short, long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
}

/// Searches, measures, and leaves the folder; returns the exit code.
pub fn command(arguments: &HeadlineArgs) -> Result<u8> {
    let folder = folder::make(&arguments.out, "headline")?;
    let terms = Terms {
        start_per_s: arguments.rate,
        precision: PRECISION,
        repeat: arguments.repeat,
        window: arguments.load.duration,
    };
    let (server, members) = (&arguments.server, arguments.connections);
    let trials = folder.join(folder::RAW).join("trials");
    let found = ceiling::find(server, members, &arguments.load.load(), terms, &trials, |run, number| {
        let rows = folder::rows_directory(&folder, &server.name, members, number);
        run_files::write_rows(&rows, &run.plan, &run.outcome)
    })?;
    if found.runs.is_empty() {
        return Err(Error::invalid(format!("{} keeps up with no rate that was tried; {}", found.server, found.end)));
    }
    headline::write(&folder, &found)?;
    print!("{}", report::headline::draw(&folder)?.0);
    println!("\n{}", folder.display());
    Ok(exit::GOOD)
}
