//! What a server is made with: everything that an operator may choose, checked and in the units that the code uses.
//!
//! `cli.rs` makes it from options; defaults and ranges stand in `limits.rs`.

use std::time::Duration;

use crate::flood::{AddressLimits, Rate};
use crate::wire::Framing;

/// What a server is made with.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Most members at a time.
    pub members_max: usize,
    /// Most bytes of a typed line.
    pub line_bytes: usize,
    pub framing: Framing,
    /// Lines that one member may say; `None` for no limit.
    pub flood: Option<Rate>,
    pub addresses: AddressLimits,
    /// How long a member whose socket is full may take no byte.
    pub stall_timeout: Duration,
    /// How long a line that was begun may make no progress.
    pub line_timeout: Duration,
    /// How long a peer may answer nothing although it was asked.
    pub dead_after: Duration,
    /// How often the statistics line is written; `None` for only when asked.
    pub stats_interval: Option<Duration>,
    pub room: RoomSettings,
}

/// What a room is made with.
#[derive(Clone, Copy, Debug)]
pub struct RoomSettings {
    /// Most members at a time.
    pub members_max: usize,
    /// Cap of the log.
    pub log_bytes: usize,
    /// Most bytes of a typed line.
    pub line_bytes: usize,
    /// Most members up to which each join and leave has a line of its own.
    pub announce_max: usize,
    /// Lines of single joins and leaves; above it they are summed up too. `None` for no limit.
    pub announce_rate: Option<Rate>,
    pub slow: SlowPolicy,
    /// Bytes of fan-out that members may cause, together; `None` for no limit.
    pub rate: Option<Rate>,
}

/// What becomes of a member that falls off the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowPolicy {
    /// It is told how many messages it missed and goes on from the oldest line kept.
    Skip,
    /// It is closed.
    Close,
}
