//! What a run proved of the members of each door, or of each node of a cluster, where they came into one room by several.

use serde::{Deserialize, Serialize};

use crate::protocol::Protocol;
use crate::recorder::proven::Problems;

/// The members of one door or node.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DoorPart {
    pub protocol: Protocol,
    /// Where it listens; null in runs of before nodes.
    #[serde(default)]
    pub address: Option<String>,
    pub members: u64,
    pub problems: Problems,
    /// Members that lost nothing and whose hash is that of the room's one order.
    pub order_hashes_equal: u64,
    pub told_missed: u64,
    /// Measured deliveries from their due time; those that never came are left out.
    pub delivery_p50_ns: Option<u64>,
    pub delivery_p99_ns: Option<u64>,
    pub delivery_max_ns: Option<u64>,
}
