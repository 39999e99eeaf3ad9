//! The spectrum of a room that a picture shows: that of the run in the middle.

use std::fs;
use std::path::Path;

use crate::error::{Context, Result};
use crate::figures::median;
use crate::files::write_file;
use crate::report::hgrm;
use crate::report::plot::RoomSpectrum;
use crate::results::folder::rows_directory;
use crate::results::summary::Summary;

/// The spectrum of the run of a room whose median delivery latency is the median of all `runs`: from the raw rows where they
/// are, which are copied to where spectra are kept, else from there.
pub fn spectrum(folder: &Path, server: &str, members: u64, runs: &[Summary]) -> Result<Option<RoomSpectrum>> {
    let median_of = |run: &Summary| run.latency.delivery.p50_ns;
    let Some(middle) = median(runs.iter().map(median_of)) else { return Ok(None) };
    let number = 1 + runs.iter().position(|run| median_of(run) == middle).expect("the median is one of them");
    let raw = rows_directory(folder, server, members, number);
    let points = |what: &str| {
        let path = folder.join("spectra").join(format!("{server}_c{members:07}_{what}.hgrm"));
        if let Ok(text) = fs::read(raw.join(format!("{what}.hgrm"))) {
            write_file(&path, &text)?;
        }
        let text = fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
        hgrm::parse(&text).context(|| format!("{} is no percentile spectrum", path.display()))
    };
    let is_good = runs[number - 1].is_good();
    Ok(Some(RoomSpectrum { server: server.to_string(), is_good, room: points("room")?, delivery: points("delivery")? }))
}
