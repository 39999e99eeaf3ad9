//! What a room is asked to bear in a run, and how its members connect: settings that mean the same to every command.

use std::time::Duration;

use crate::engine::shape::Shape;
use crate::pinning::Pin;
use crate::plan::{Arrival, Length};
use crate::rooms::Rooms;

/// A room, or several together, and what is said there.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Members of all rooms.
    pub members: usize,
    /// Messages a second in all rooms.
    pub rate_per_s: f64,
    pub length: Length,
}

/// Everything about a run but its room and its server.
#[derive(Debug, Clone)]
pub struct Load {
    /// The rooms that the members are in.
    pub rooms: Rooms,
    /// Members of each room that also send.
    pub publishers: u32,
    /// Messages are sent and verified for this long before the measured part.
    pub warmup: Duration,
    /// How long to wait for the last deliveries.
    pub drain: Duration,
    /// How long the server is watched after the members have left, if it is.
    pub aftermath: Option<Duration>,
    /// How long the manager of a server that is started waits for a sign of its loop, if it is watched.
    pub watchdog: Option<Duration>,
    /// Processes that the members are spread over; None for as many as descriptors ask for.
    pub processes: Option<usize>,
    /// A line as sent, newline included.
    pub line_bytes: usize,
    /// What members of WebSockets ask for; None for what is usual.
    pub path: Option<String>,
    pub arrival: Arrival,
    /// Decides random due times.
    pub seed: u64,
    /// Connects a second.
    pub connect_rate: f64,
    /// Members that have connected and not been welcomed yet, at most.
    pub connect_window: usize,
    /// The room is quiet when no byte came for this long.
    pub settle: Duration,
    /// How long the server is measured with all members connected and nobody speaking, if it is.
    pub idle: Option<Duration>,
    /// Loopback addresses that members connect from; None for as many as the members need.
    pub spread: Option<u32>,
    /// Members that verify every line; None for all.
    pub verify: Option<u64>,
    /// Verified members whose deliveries the kernel stamps, at most.
    pub probes: usize,
    pub nuisances: Shape,
    pub pin: Option<Pin>,
    /// Measure before and after the run what a bare loop of sends costs.
    pub floor: bool,
    /// Count the server's system calls.
    pub count_calls: bool,
    /// How late messages may be sent, and read, before the run is invalid; None for what the room's own latencies allow.
    pub lag_limit: Option<Duration>,
    pub progress: bool,
}
