//! What is drawn from the runs of rooms of growing size: tables, rows and pictures.

use std::path::Path;

use crate::error::Result;
use crate::files::write_file;
use crate::quantities::rate;
use crate::report::captions::{deliveries_of, load_of};
use crate::report::plot::{self, RoomSpectrum};
use crate::report::{rooms_table, rows, short, spectra};
use crate::results::folder;
use crate::results::rung::Rung;
use crate::results::summary::Summary;

/// Makes the tables, rows and pictures of `folder` from its runs, and returns them.
pub fn draw(folder: &Path) -> Result<Vec<Rung>> {
    let rungs = folder::load(folder)?;
    rows::write_sweep(folder, &rungs)?;
    let environment = folder::environment_of(folder)?;
    write_file(&folder.join("table.md"), rooms_table::markdown(&rungs, &environment).as_bytes())?;
    write_file(&folder.join(folder::SHORT), short::rooms(&rungs).as_bytes())?;
    let runs: Vec<&Summary> = rungs.iter().flat_map(|rung| &rung.runs).collect();
    let load = format!("{}, {}", load_of(&runs), deliveries_of(&runs));
    let svg = plot::room_vs_members(&rungs, &[&environment, &load])?;
    write_file(&folder.join("room_vs_members.svg"), svg.as_bytes())?;
    let mut sizes: Vec<u64> = rungs.iter().map(|rung| rung.members).collect();
    sizes.dedup();
    for members in sizes {
        let of_size = rungs.iter().filter(|rung| rung.members == members);
        let runs: Vec<&Summary> = of_size.clone().flat_map(|rung| &rung.runs).collect();
        let spectra: Vec<RoomSpectrum> = of_size
            .filter_map(|rung| spectra::spectrum(folder, &rung.server, members, &rung.runs).transpose())
            .collect::<Result<_>>()?;
        if !spectra.is_empty() {
            let rate_per_s = runs.first().map_or(0.0, |run| run.plan.rate_per_s);
            let load = format!("{}, {} lines/s, the run in the middle", load_of(&runs), rate(rate_per_s));
            let svg = plot::spectrum(members, &spectra, &[&environment, &load])?;
            write_file(&folder.join(format!("spectrum_{members:07}.svg")), svg.as_bytes())?;
        }
    }
    Ok(rungs)
}
