//! The folder of a sweep: what it holds, and everything in it that is drawn from the rest.
//!
//! `rungs.json` says what was measured; each run has a folder of its own. Tables, rows and pictures are made from those files
//! alone, after a sweep as well as at any time later, so that they can be drawn anew and come out the same.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Rung, rows};
use crate::error::{Context, Result};
use crate::report::plot::{self, Spectrum};
use crate::report::summary::Summary;
use crate::report::{self, hgrm, table};

/// One entry of `rungs.json`, in the order in which they were measured.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    server: String,
    members: u64,
    /// Runs, and those that were measured again, each in a folder.
    runs: usize,
    set_aside: usize,
    not_run: Option<String>,
}

/// Where the `number`th run of a room is kept, from 1.
pub fn run_directory(folder: &Path, server: &str, members: u64, number: usize) -> PathBuf {
    folder.join(server).join(format!("c{members:07}")).join(format!("run{number}"))
}

/// Where the summary of the `number`th run that was set aside is kept, from 1.
pub fn set_aside_file(folder: &Path, server: &str, members: u64, number: usize) -> PathBuf {
    folder.join(server).join(format!("c{members:07}")).join(format!("set_aside{number}.json"))
}

/// Writes `rungs.json` for `rungs`, whose runs are in their folders.
pub fn write_index(folder: &Path, rungs: &[Rung]) -> Result<()> {
    let entry = |rung: &Rung| Entry {
        server: rung.server.clone(),
        members: rung.members,
        runs: rung.runs.len(),
        set_aside: rung.set_aside.len(),
        not_run: rung.not_run.clone(),
    };
    report::write_json(&folder.join("rungs.json"), &rungs.iter().map(entry).collect::<Vec<_>>())
}

/// What was measured into `folder`.
pub fn load(folder: &Path) -> Result<Vec<Rung>> {
    let entries: Vec<Entry> = read_json(&folder.join("rungs.json"))?;
    entries.into_iter().map(|entry| rung(folder, entry)).collect()
}

fn rung(folder: &Path, entry: Entry) -> Result<Rung> {
    let (server, members) = (&entry.server, entry.members);
    let run = |number| read_json(&run_directory(folder, server, members, number).join("summary.json"));
    let set_aside = |number| read_json(&set_aside_file(folder, server, members, number));
    Ok(Rung {
        runs: (1..=entry.runs).map(run).collect::<Result<_>>()?,
        set_aside: (1..=entry.set_aside).map(set_aside).collect::<Result<_>>()?,
        server: entry.server,
        members: entry.members,
        not_run: entry.not_run,
    })
}

/// Reads a file of JSON.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).context(|| format!("{} is not what it should be", path.display()))
}

/// Makes the tables, rows and pictures of `folder` from its runs, and returns them.
pub fn draw(folder: &Path) -> Result<Vec<Rung>> {
    let rungs = load(folder)?;
    let rows = rows::all(&rungs);
    report::write_file(&folder.join("sweep.csv"), &rows::csv(&rows)?)?;
    report::write_json(&folder.join("sweep.json"), &json!({ "schema": 1, "runs": rows }))?;
    report::write_file(&folder.join("table.md"), table::sweep_markdown(&rungs).as_bytes())?;
    report::write_file(&folder.join("room_vs_members.svg"), plot::room_vs_members(&rungs)?.as_bytes())?;
    let mut sizes: Vec<u64> = rungs.iter().map(|rung| rung.members).collect();
    sizes.dedup();
    for members in sizes {
        let of_size = rungs.iter().filter(|rung| rung.members == members);
        let spectra: Vec<Spectrum> =
            of_size.filter_map(|rung| spectrum(folder, rung).transpose()).collect::<Result<_>>()?;
        if !spectra.is_empty() {
            let svg = plot::spectrum(members, &spectra)?;
            report::write_file(&folder.join(format!("spectrum_{members:07}.svg")), svg.as_bytes())?;
        }
    }
    Ok(rungs)
}

/// The spectrum of the run whose median delivery latency is the median of all runs'.
fn spectrum(folder: &Path, rung: &Rung) -> Result<Option<Spectrum>> {
    let median_of = |run: &Summary| run.latency.delivery.p50_ns;
    let Some(median) = table::median(rung.runs.iter().map(median_of)) else { return Ok(None) };
    let number = 1 + rung.runs.iter().position(|run| median_of(run) == median).expect("the median is one of them");
    let directory = run_directory(folder, &rung.server, rung.members, number);
    let points = |file: &str| {
        let path = directory.join(file);
        let text = fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
        hgrm::parse(&text).context(|| format!("{} is no percentile spectrum", path.display()))
    };
    Ok(Some(Spectrum { server: rung.server.clone(), room: points("room.hgrm")?, delivery: points("delivery.hgrm")? }))
}
