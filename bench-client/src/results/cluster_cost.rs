//! What the folder of one node of a cluster beside the same server alone holds: the two runs of each round.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::files::{read_json, write_json};
use crate::results::summary::Summary;

/// How such a folder's name ends.
pub const KIND: &str = "cluster-cost";
const FILE: &str = "cluster_cost.json";

/// One round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Round {
    /// From 1.
    pub round: u32,
    /// The server by itself.
    pub alone: Summary,
    /// The same as the one node of a cluster.
    pub node: Summary,
}

/// True exactly when `folder` is one of such rounds.
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

/// How much later the median line was heard by the whole room in a cluster, in nanoseconds: of each round in which both runs know it.
pub fn differences_ns(rounds: &[Round]) -> Vec<i64> {
    let median = |run: &Summary| run.latency.room.p50_ns.map(|ns| ns as i64);
    rounds.iter().filter_map(|round| Some(median(&round.node)? - median(&round.alone)?)).collect()
}
