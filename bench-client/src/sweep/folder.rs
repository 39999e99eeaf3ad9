//! The folder of a sweep: what it holds, and everything in it that is drawn from the rest.
//!
//! `rungs.json` says what was measured; each run has a folder of its own. Tables, rows and pictures are made from those files
//! alone, after a sweep as well as at any time later, so that they can be drawn anew and come out the same. The raw rows of the
//! runs, many times as large as all the rest, are in `raw/`, which need not be kept: what the pictures need of them is copied to
//! `spectra/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Rung, rows};
use crate::environment;
use crate::error::{Context, Error, Result};
use crate::report::plot::{self, Spectrum};
use crate::report::summary::Summary;
use crate::report::{self, hgrm, short, table};

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

/// What need not be kept, in any results folder.
pub const RAW: &str = "raw";
/// Folders of one day and kind, at most.
const FOLDERS_MAX: u32 = 1000;

/// Makes a folder of its own for what is measured now, `<date>-<kind>`, and says in it where and how that is done.
pub fn make(parent: &Path, kind: &str) -> Result<PathBuf> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let date = now.split('T').next().unwrap_or_default();
    let names = (1..FOLDERS_MAX).map(|number| match number {
        1 => format!("{date}-{kind}"),
        number => format!("{date}-{kind}-{number}"),
    });
    let folder = names.map(|name| parent.join(name)).find(|folder| !folder.exists());
    let folder = folder.ok_or_else(|| Error::new(format!("{} is full", parent.display())))?;
    report::write_json(&folder.join(ENVIRONMENT), &environment::describe(kind))?;
    Ok(folder)
}

const ENVIRONMENT: &str = "env.json";

/// Where and from which commit `folder` was measured, in a few words.
pub fn environment_of(folder: &Path) -> Result<String> {
    Ok(environment::in_short(&read_json(&folder.join(ENVIRONMENT))?))
}

/// Where the `number`th run of a room is kept, from 1.
pub fn run_directory(folder: &Path, server: &str, members: u64, number: usize) -> PathBuf {
    folder.join(server).join(format!("c{members:07}")).join(format!("run{number}"))
}

/// Where the raw rows of the `number`th run of a room are written, from 1.
pub fn rows_directory(folder: &Path, server: &str, members: u64, number: usize) -> PathBuf {
    run_directory(&folder.join(RAW), server, members, number)
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
    let environment = environment_of(folder)?;
    report::write_file(&folder.join("table.md"), table::sweep_markdown(&rungs, &environment).as_bytes())?;
    report::write_file(&folder.join(SHORT), short::rooms(&rungs).as_bytes())?;
    let runs: Vec<&Summary> = rungs.iter().flat_map(|rung| &rung.runs).collect();
    let load = format!("{}, {}", load_of(&runs), deliveries_of(&runs));
    let svg = plot::room_vs_members(&rungs, &[&environment, &load])?;
    report::write_file(&folder.join("room_vs_members.svg"), svg.as_bytes())?;
    let mut sizes: Vec<u64> = rungs.iter().map(|rung| rung.members).collect();
    sizes.dedup();
    for members in sizes {
        let of_size = rungs.iter().filter(|rung| rung.members == members);
        let runs: Vec<&Summary> = of_size.clone().flat_map(|rung| &rung.runs).collect();
        let spectra: Vec<Spectrum> = of_size
            .filter_map(|rung| spectrum(folder, &rung.server, members, &rung.runs).transpose())
            .collect::<Result<_>>()?;
        if !spectra.is_empty() {
            let rate = runs.first().map_or(0.0, |run| run.plan.rate_per_s);
            let load = format!("{}, {} lines/s, the run in the middle", load_of(&runs), table::rate(rate));
            let svg = plot::spectrum(members, &spectra, &[&environment, &load])?;
            report::write_file(&folder.join(format!("spectrum_{members:07}.svg")), svg.as_bytes())?;
        }
    }
    Ok(rungs)
}

/// What a document shows of a folder.
pub const SHORT: &str = "short.md";

/// The load of `runs` in a few words, for under a picture: `64-byte lines over loopback, 7 s a run, 3 runs each`.
pub fn load_of(runs: &[&Summary]) -> String {
    let Some(run) = runs.first() else { return String::new() };
    let of_one =
        runs.iter().filter(|other| other.server_name == run.server_name && other.room.members == run.room.members);
    let pinned = if run.client.pinned { ", a core each for server and load generator" } else { "" };
    format!(
        "{}-byte lines over loopback{pinned}, {} of {}",
        run.room.line_bytes,
        table::plural(of_one.count() as u64, "run"),
        table::time((run.plan.window_s * 1e9) as u64).replace(".00 ", " ").replace(".0 ", " "),
    )
}

fn deliveries_of(runs: &[&Summary]) -> String {
    let planned = table::median(runs.iter().map(|run| run.sent.deliveries_planned_per_s)).unwrap_or(0.0);
    // The author of a message does not hear it, so that small rooms have a little less than was asked for.
    format!("some {} deliveries/s in every room", table::count((planned / 1000.0).round() as u64 * 1000))
}

/// The spectrum of the run of a room whose median delivery latency is the median of all `runs`: from the raw rows where they
/// are, which are copied to where spectra are kept, else from there.
pub fn spectrum(folder: &Path, server: &str, members: u64, runs: &[Summary]) -> Result<Option<Spectrum>> {
    let median_of = |run: &Summary| run.latency.delivery.p50_ns;
    let Some(median) = table::median(runs.iter().map(median_of)) else { return Ok(None) };
    let number = 1 + runs.iter().position(|run| median_of(run) == median).expect("the median is one of them");
    let raw = rows_directory(folder, server, members, number);
    let points = |what: &str| {
        let path = folder.join("spectra").join(format!("{server}_c{members:07}_{what}.hgrm"));
        if let Ok(text) = fs::read(raw.join(format!("{what}.hgrm"))) {
            report::write_file(&path, &text)?;
        }
        let text = fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
        hgrm::parse(&text).context(|| format!("{} is no percentile spectrum", path.display()))
    };
    let is_good = runs[number - 1].is_good();
    Ok(Some(Spectrum { server: server.to_string(), is_good, room: points("room")?, delivery: points("delivery")? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_says_what_it_is_and_is_never_used_twice() {
        let parent = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..2)
            .map(|_| make(parent.path(), "rooms").unwrap().file_name().unwrap().to_str().unwrap().to_string())
            .collect();
        assert!(names[0].len() == "2026-11-24-rooms".len() && names[0].ends_with("-rooms"), "{names:?}");
        assert_eq!(names[1], format!("{}-2", names[0]));
    }
}
