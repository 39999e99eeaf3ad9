//! What the engine is told beside the plan: where the members connect to, how many there are and what they do.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::shape::Shape;
use crate::protocol::Protocol;
use crate::rooms::Rooms;

/// Another address of the same server, where some members of the room come in and speak another protocol; or of another node of its
/// cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    pub protocol: Protocol,
    pub address: SocketAddr,
    pub members: usize,
}

/// What the engine is to do beside the plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    pub address: SocketAddr,
    pub protocol: Protocol,
    /// Doors and nodes that some members use instead of `address` and `protocol`.
    pub doors: Vec<Door>,
    /// What members of WebSockets ask for; None for what is usual.
    pub path: Option<String>,
    /// Keeps names that members choose apart from those of other runs.
    pub salt: u16,
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

impl Settings {
    /// Protocol and address of door `number`, the first of which is that of everybody who has no other.
    pub fn door(&self, number: usize) -> (Protocol, SocketAddr) {
        match number.checked_sub(1) {
            None => (self.protocol, self.address),
            Some(other) => (self.doors[other].protocol, self.doors[other].address),
        }
    }

    /// Members of each door.
    pub fn members_of_doors(&self) -> Vec<usize> {
        let others: Vec<usize> = self.doors.iter().map(|door| door.members).collect();
        let first = self.members - others.iter().sum::<usize>();
        [vec![first], others].concat()
    }
}
