//! What the engine is told beside the plan: where the members connect to, how many there are and what they do.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::engine::nuisances::Shape;
use crate::protocol::Protocol;

/// What the engine is to do beside the plan.
#[derive(Debug, Clone)]
pub struct Settings {
    pub address: SocketAddr,
    pub protocol: Protocol,
    /// Where members connect from, in turn; none leaves it to the kernel.
    pub sources: Vec<Ipv4Addr>,
    /// Verified members whose deliveries the kernel stamps, at most.
    pub probes: usize,
    /// Members that are measured; the nuisances come on top.
    pub members: usize,
    pub nuisances: Shape,
    /// Members that verify every line; all others count bytes. Publishers are verified only when all are.
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
    pub progress: bool,
}
