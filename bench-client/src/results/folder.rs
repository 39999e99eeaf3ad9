//! The folder of results: its name, what it says of the machine, and where in it each run is.
//!
//! `rungs.json` says what was measured; each run has a folder of its own. Tables, rows and pictures are made from those files
//! alone (`report/`), so that they can be drawn again at any time and come out the same. The raw rows of the runs, many times
//! as large as all the rest, are in `raw/`, which need not be kept: what the pictures need of them is copied to `spectra/`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::environment;
use crate::error::{Error, Result};
use crate::files::{read_json, write_json};
use crate::results::rung::Rung;

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

/// Kinds of folders that a sweep makes.
pub const ROOMS: &str = "rooms";
pub const MILLION: &str = "million";
/// The kind of many small rooms on several servers.
pub const MANY_ROOMS: &str = "many-rooms";

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
    write_json(&folder.join(ENVIRONMENT), &environment::describe(kind))?;
    Ok(folder)
}

const ENVIRONMENT: &str = "env.json";

/// Where and from which commit `folder` was measured, in a few words.
pub fn environment_of(folder: &Path) -> Result<String> {
    Ok(environment::in_short(&read_json(&folder.join(ENVIRONMENT))?))
}

/// What kind of folder it is.
pub fn kind_of(folder: &Path) -> Result<String> {
    let environment: serde_json::Value = read_json(&folder.join(ENVIRONMENT))?;
    Ok(environment["kind"].as_str().unwrap_or(ROOMS).to_string())
}

/// How many descriptors a process could have where `folder` was measured, if it says so.
pub fn descriptor_limit_of(folder: &Path) -> Result<Option<u64>> {
    let environment: serde_json::Value = read_json(&folder.join(ENVIRONMENT))?;
    Ok(environment["descriptor_limit"]["hard"].as_str().and_then(|limit| limit.parse().ok()))
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
    write_json(&folder.join("rungs.json"), &rungs.iter().map(entry).collect::<Vec<_>>())
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

/// What a document shows of a folder.
pub const SHORT: &str = "short.md";

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
