//! What a comparison of servers measured, and the files that hold it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::files::{read_json, write_json};
use crate::results::folder;
use crate::results::rung::Rung;
use crate::results::summary::Summary;

/// The room that is compared most closely, and shown in a picture.
pub const BUSY_MEMBERS: usize = 1000;
pub const BUSY_RATE_PER_S: f64 = 4000.0;
/// How names of servers end that are measured as they are shipped.
pub const AS_SHIPPED: &str = "-as-shipped";

/// What the folder of a comparison holds, beside the tables: the folder of each part, what each server keeps up with, and what
/// the servers say they are.
const PARTS: [&str; 3] = ["offered", "idle", "busy"];
const CEILINGS: &str = "ceilings.json";
const VERSIONS: &str = "versions.json";

/// What a server keeps up with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ceiling {
    pub server: String,
    pub members: u64,
    /// 99 % of the deliveries took less than this.
    pub limit_ns: u64,
    /// The runs at the highest rate that all of them held at; none if there is no such rate.
    pub runs: Vec<Summary>,
    /// Why the next rate up did not hold.
    pub end: String,
}

/// What was measured of all servers.
#[derive(Debug, Default)]
pub struct Comparison {
    pub offered: Vec<Rung>,
    pub idle: Vec<Rung>,
    pub busy: Vec<Rung>,
    pub ceilings: Vec<Ceiling>,
    /// By the server's name: what its program says it is.
    pub versions: BTreeMap<String, String>,
}

impl Comparison {
    /// What was measured with the same load on all servers, part by part, each with its name.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &[Rung])> {
        let parts = PARTS.into_iter().zip([&self.offered, &self.idle, &self.busy]);
        parts.map(|(name, rungs)| (name, rungs.as_slice())).filter(|(_, rungs)| !rungs.is_empty())
    }
}

/// Writes what the servers say they are.
pub fn write_versions(folder: &Path, comparison: &Comparison) -> Result<()> {
    write_json(&folder.join(VERSIONS), &comparison.versions)
}

/// Writes what was measured so far; the runs are in their folders already.
pub fn write(folder: &Path, comparison: &Comparison) -> Result<()> {
    for (name, rungs) in comparison.parts() {
        folder::write_index(&folder.join(name), rungs)?;
    }
    if !comparison.ceilings.is_empty() {
        write_json(&folder.join(CEILINGS), &comparison.ceilings)?;
    }
    Ok(())
}

/// True exactly when `folder` is one of a comparison.
pub fn is_folder(folder: &Path) -> bool {
    folder.join(VERSIONS).is_file()
}

/// What was measured into `folder`.
pub fn read(folder: &Path) -> Result<Comparison> {
    let part = |name: &str| {
        let part = folder.join(name);
        if part.is_dir() { folder::load(&part) } else { Ok(Vec::new()) }
    };
    let [offered, idle, busy] = PARTS.map(part);
    let ceilings = folder.join(CEILINGS);
    Ok(Comparison {
        offered: offered?,
        idle: idle?,
        busy: busy?,
        ceilings: if ceilings.is_file() { read_json(&ceilings)? } else { Vec::new() },
        versions: read_json(&folder.join(VERSIONS))?,
    })
}
