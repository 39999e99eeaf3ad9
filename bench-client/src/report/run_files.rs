//! The files that one run leaves: its summary, and its raw rows in several formats.

use std::path::Path;
use std::time::Duration;

use crate::engine::outcome::Outcome;
use crate::error::{Context, Result};
use crate::files::{write_file, write_json};
use crate::plan::Plan;
use crate::report::{hgrm, hlog, messages};
use crate::results::summary::Summary;

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
