//! What the folder of a few beside a large room holds: the runs of each round.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::files::{read_json, write_json};
use crate::results::summary::Summary;

/// How such a folder's name ends.
pub const KIND: &str = "two-rooms";
const FILE: &str = "two_rooms.json";

/// One round on one server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Round {
    pub server: String,
    /// From 1.
    pub round: u32,
    /// The few with nobody else on the server.
    pub alone: Summary,
    /// The few while the large room was busy.
    pub beside: Summary,
    /// The large room meanwhile; what the server cost is of both rooms.
    pub many: Summary,
}

/// True exactly when `folder` is one of two rooms.
pub fn is_folder(folder: &Path) -> bool {
    folder.join(FILE).is_file()
}

/// Writes the rounds, of which all else in the folder is made.
pub fn write(folder: &Path, rounds: &[Round]) -> Result<()> {
    write_json(&folder.join(FILE), &rounds)
}

/// The rounds of `folder`.
pub fn read(folder: &Path) -> Result<Vec<Round>> {
    read_json(&folder.join(FILE))
}
