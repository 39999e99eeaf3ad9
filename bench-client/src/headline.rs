//! The `headline` command: the one figure that a first page names, and the runs behind it.
//!
//! The highest rate that one server keeps up with is searched for as in a comparison, more closely, and measured several times
//! over a longer window.

use crate::ceiling::{self, Terms};
use crate::cli::HeadlineArgs;
use crate::error::{Error, Result, exit};
use crate::report::{self, run_files};
use crate::results::folder;
use crate::results::headline::{self, PRECISION};

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
    let found = ceiling::find(server, members, &arguments.load, terms, &trials, |run, number| {
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
