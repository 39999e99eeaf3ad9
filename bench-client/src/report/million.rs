//! What is drawn from the runs of a sweep up to a million members: tables, rows, and the picture of how far each server goes.

use std::path::Path;

use crate::error::Result;
use crate::files::write_file;
use crate::report::captions::{deliveries_of, lines_of};
use crate::report::reach::{self, REACH};
use crate::report::{million_table, rows};
use crate::results::folder;
use crate::results::rung::Rung;
use crate::results::summary::Summary;

/// Makes the tables, rows and the picture of `folder` from its runs, and returns them.
pub fn draw(folder: &Path) -> Result<Vec<Rung>> {
    let rungs = folder::load(folder)?;
    rows::write_sweep(folder, &rungs)?;
    let environment = folder::environment_of(folder)?;
    let descriptors = folder::descriptor_limit_of(folder)?;
    write_file(&folder.join("table.md"), million_table::markdown(&rungs, descriptors, &environment).as_bytes())?;
    write_file(&folder.join(folder::SHORT), million_table::short(&rungs, descriptors).as_bytes())?;
    let runs: Vec<&Summary> = rungs.iter().flat_map(|rung| &rung.runs).collect();
    let first = rungs.iter().find(|rung| !rung.runs.is_empty()).map_or("", |rung| &rung.server);
    let load = format!("{}, {}", lines_of(&runs), deliveries_of(&runs));
    let bars = format!("pale bars: the quickest and the slowest line of {first}");
    let svg = reach::reach(&rungs, descriptors, &[&environment, &load, &bars])?;
    write_file(&folder.join(REACH), svg.as_bytes())?;
    Ok(rungs)
}
