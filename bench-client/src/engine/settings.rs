//! What the engine is told beside the plan: where the members connect to, how many there are and what they do.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::shape::Shape;
use crate::protocol::Protocol;
use crate::rooms::Rooms;

/// What the engine is to do beside the plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    pub address: SocketAddr,
    pub protocol: Protocol,
    /// Where members connect from, in turn; none leaves it to the kernel.
    pub sources: Vec<Ipv4Addr>,
    /// Verified members whose deliveries the kernel stamps, at most.
    pub probes: usize,
    /// The rooms that the members are in, in turn.
    pub rooms: Rooms,
    /// Members of all rooms that are measured; the nuisances come on top.
    pub members: usize,
    pub nuisances: Shape,
    /// Nuisances that are in the room all the time, of all processes together.
    pub nuisances_in_room: usize,
    /// Members that verify every line; all others count bytes. Publishers are verified only when all are, and of
    /// several rooms all members are.
    pub verified: usize,
    pub line_bytes: usize,
    /// Connects a second.
    pub connect_rate: f64,
    /// Members that have connected and not been welcomed yet.
    pub connect_window: usize,
    /// The room is quiet when no byte came for this long.
    pub settle: Duration,
    pub idle: Option<Duration>,
    pub drain: Duration,
    /// How long the server is watched after the members have left.
    pub aftermath: Option<Duration>,
    pub progress: bool,
}
