//! What a run proved of the members of each door, where they came into one room by several.

use serde::{Deserialize, Serialize};

use crate::protocol::Protocol;
use crate::recorder::proven::Problems;

/// The members of one door.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DoorPart {
    pub protocol: Protocol,
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
