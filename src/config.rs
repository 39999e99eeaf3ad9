//! A server's configuration: everything that an operator may choose, within its range and in the units that the code
//! uses.
//!
//! `cli.rs` makes it from options; defaults and ranges stand in `limits.rs`.

use std::time::Duration;

use crate::flood::{AddressLimits, Rate};
use crate::wire::Framing;

/// A server's configuration.
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
    /// How long a full socket may take no byte before its connection is closed.
    pub stall_timeout: Duration,
    /// How long a line that was begun may make no progress before its connection is closed.
    pub line_timeout: Duration,
    /// How long a peer may answer nothing before its connection is closed.
    pub dead_after: Duration,
    /// How often the statistics line is written; `None` for only on SIGUSR1.
    pub stats_interval: Option<Duration>,
    pub room: RoomSettings,
}

/// How a server waits for the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackEnd {
    Uring,
    Epoll,
    Select,
}

/// Which descriptors connections have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptors {
    /// Ordinary ones up to the descriptor limit, direct ones beyond it.
    Auto,
    /// Ordinary ones.
    Normal,
    /// Direct ones, in tables of io_uring.
    Direct,
}

/// A room's settings.
#[derive(Clone, Copy, Debug)]
pub struct RoomSettings {
    /// Most members at a time.
    pub members_max: usize,
    /// Cap of the log.
    pub log_bytes: usize,
    /// Most bytes of a typed line.
    pub line_bytes: usize,
    /// Most members with which each join and leave has a line of its own.
    pub announce_max: usize,
    /// Rate of lines for single joins and leaves, above which they are summed up. `None` for no limit.
    pub announce_rate: Option<Rate>,
    pub slow: SlowPolicy,
    /// Bytes of fan-out that all members together may cause; `None` for no limit.
    pub rate: Option<Rate>,
}

/// What is done with a member that falls off the log: it has not been sent bytes that the log has to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowPolicy {
    /// It is told how many messages it missed and goes on from the oldest line kept.
    Skip,
    /// It is closed.
    Close,
}
