//! What a run leaves for people and programs, one file a format.
//!
//! `summary` judges a run and holds its figures; `table` prints them; `hgrm`, `hlog` and `messages` write the raw record;
//! `plot` and `bars` draw, `peers` prints a comparison, `short` the tables that a document shows. Nothing here measures.

pub mod bars;
pub mod hgrm;
pub mod hlog;
pub mod messages;
pub mod peers;
pub mod plot;
pub mod short;
pub mod summary;
pub mod table;

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::engine::outcome::Outcome;
use crate::error::{Context, Result};
use crate::plan::Plan;
use crate::report::summary::Summary;

/// Writes the figures of one run into `directory`, which is made if need be.
pub fn write_summary(directory: &Path, summary: &Summary) -> Result<()> {
    write_json(&directory.join("summary.json"), summary)
}

/// Writes the raw rows of one run into `directory`.
pub fn write_rows(directory: &Path, plan: &Plan, outcome: &Outcome) -> Result<()> {
    let figures = &outcome.record.figures;
    write_file(&directory.join("delivery.hgrm"), hgrm::render(&figures.delivery.histogram).as_bytes())?;
    write_file(&directory.join("delivery_uncorrected.hgrm"), hgrm::render(&figures.uncorrected.histogram).as_bytes())?;
    write_file(&directory.join("room.hgrm"), hgrm::render(&figures.room.histogram).as_bytes())?;
    let window_start = outcome.started + Duration::from_nanos(plan.window_start_ns());
    write_file(&directory.join("intervals.hlog"), &hlog::render(figures, window_start)?)?;
    let mut rows = Vec::new();
    messages::write(&mut rows, plan, &outcome.record, outcome.start_ns)
        .context(|| "cannot write messages.csv".to_string())?;
    write_file(&directory.join("messages.csv"), &rows)
}

/// Writes `value` as indented JSON with a newline at its end.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).context(|| format!("cannot write {}", path.display()))?;
    text.push('\n');
    write_file(path, text.as_bytes())
}

/// Writes a file and the folders it needs.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).context(|| format!("cannot make {}", directory.display()))?;
    }
    fs::write(path, bytes).context(|| format!("cannot write {}", path.display()))
}
