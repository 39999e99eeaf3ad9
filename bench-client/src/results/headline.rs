//! What the folder of a headline holds: the runs at the highest rate that one server keeps up with.

use std::path::Path;

use crate::error::Result;
use crate::files::{read_json, write_json};
use crate::results::comparison::Ceiling;

const FILE: &str = "headline.json";
/// The search ends when the rate that fails is at most this much above the one that holds.
pub const PRECISION: f64 = 1.05;

/// True exactly when `folder` is one of a headline.
pub fn is_folder(folder: &Path) -> bool {
    folder.join(FILE).is_file()
}

/// Writes the runs, of which all else in the folder is made.
pub fn write(folder: &Path, found: &Ceiling) -> Result<()> {
    write_json(&folder.join(FILE), found)
}

/// The runs of `folder`.
pub fn read(folder: &Path) -> Result<Ceiling> {
    read_json(&folder.join(FILE))
}
