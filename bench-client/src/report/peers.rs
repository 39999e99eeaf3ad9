//! What is drawn from a comparison of servers: tables, rows and a picture.

use std::path::Path;

use crate::error::Result;
use crate::files::write_file;
use crate::report::{bars, peers_table, rows, short};
use crate::results::comparison::{self, Comparison};
use crate::results::folder;

/// Makes the rows and tables of `folder` from what was measured, and returns it.
pub fn draw(folder: &Path) -> Result<Comparison> {
    let comparison = comparison::read(folder)?;
    for (name, rungs) in comparison.parts() {
        write_file(&folder.join(format!("{name}.csv")), &rows::csv(&rows::all(rungs))?)?;
    }
    let environment = folder::environment_of(folder)?;
    write_file(&folder.join("table.md"), peers_table::markdown(&comparison, &environment).as_bytes())?;
    write_file(&folder.join(folder::SHORT), short::peers(&comparison).as_bytes())?;
    if let Some(svg) = bars::peers(&comparison, &environment)? {
        write_file(&folder.join(bars::PEERS), svg.as_bytes())?;
    }
    Ok(comparison)
}
