//! A server's configuration: everything that an operator may choose, within its range and in the units that the code
//! uses.
//!
//! `cli.rs` makes it from options; defaults and ranges stand in `limits.rs`.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::door::{Door, Doors};
use crate::flood::{AddressLimits, Rate};
use crate::limits::{
    GREETING_PART, IRC_INPUT_BYTES_MAX, KEEPALIVE_FREE_MEMBERS, KEEPALIVE_PAUSE_PER_MEMBER, PROXY_NETWORKS_MAX,
};
use crate::wire::Framing;
use crate::wire::http::Origins;

/// A server's configuration.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub doors: Doors,
    pub proxies: Proxies,
    /// Pages that may open WebSockets.
    pub web_origins: Origins,
    /// Most members at a time.
    pub members_max: usize,
    /// Most bytes of a typed line.
    pub line_bytes: usize,
    pub framing: Framing,
    /// Whether lines that begin with `/` are commands; asked by [`Config::has_commands`].
    pub commands: bool,
    /// Messages of a room that a newcomer is sent.
    pub history: u64,
    /// Most messages that a member may ask for again.
    pub history_max: u64,
    /// Most rooms at a time.
    pub rooms_max: usize,
    /// How long a member may come back after its connection has ended.
    pub resume_for: Duration,
    /// Whether members are shown by a number instead of their address.
    pub hide_addresses: bool,
    /// Lines that one member may say; `None` for no limit.
    pub flood: Option<Rate>,
    pub addresses: AddressLimits,
    /// Memory for received bytes that are not used, own ranges, notices and the messages copied for skipped members, of
    /// all members together.
    pub buffer_bytes: usize,
    /// How long a full socket may take no byte before its connection is closed.
    pub stall_timeout: Duration,
    /// How long a line that was begun may make no progress before its connection is closed.
    pub line_timeout: Duration,
    /// How long a peer may answer nothing before its connection is closed, see [`dead_after`].
    pub dead_after: Duration,
    /// How often the statistics line is written; `None` for only on SIGUSR1.
    pub stats_interval: Option<Duration>,
    pub room: RoomSettings,
}

impl Config {
    /// Most bytes of a line that a connection of a door may send.
    pub fn line_bytes_of(&self, door: Door) -> usize {
        if door == Door::Irc { IRC_INPUT_BYTES_MAX } else { self.line_bytes }
    }

    /// How bytes of a connection of a door are cut into lines.
    pub fn framing_of(&self, door: Door) -> Framing {
        if matches!(door, Door::Web | Door::Irc) { Framing::Line } else { self.framing }
    }

    /// Whether lines of a door that begin with `/` are commands. Without them a page could not come back: it would say what
    /// it asks for.
    pub fn has_commands(&self, door: Door) -> bool {
        door == Door::Web || self.commands
    }

    /// [`Config::line_bytes_of`] of all doors.
    pub fn line_bytes_max(&self) -> usize {
        self.doors.all().iter().map(|door| self.line_bytes_of(*door)).max().unwrap_or(self.line_bytes)
    }

    /// Most connections at a time that are no members yet.
    pub fn greeting_max(&self) -> usize {
        (self.members_max / GREETING_PART).max(1)
    }
}

/// The networks from which proxies come, which say whom they bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proxies([Option<IpNet>; PROXY_NETWORKS_MAX]);

impl Proxies {
    /// `None` when there are more than [`PROXY_NETWORKS_MAX`].
    pub fn new(networks: &[IpNet]) -> Option<Self> {
        let mut proxies = Self::default();
        for (place, network) in networks.iter().enumerate() {
            *proxies.0.get_mut(place)? = Some(*network);
        }
        Some(proxies)
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().map_while(Option::as_ref).any(|network| network.contains(&address.to_canonical()))
    }
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

/// How long a peer may answer nothing in a house of `members_max`: what the operator `wanted`, and in a large house
/// longer, because half of it passes in silence before the kernel probes a peer, and probes cost the core.
pub fn dead_after(wanted: Duration, members_max: usize) -> Duration {
    if members_max <= KEEPALIVE_FREE_MEMBERS {
        return wanted;
    }
    let members_max = u32::try_from(members_max).unwrap_or(u32::MAX);
    wanted.max(KEEPALIVE_PAUSE_PER_MEMBER.saturating_mul(members_max).saturating_mul(2))
}

/// A room's settings.
#[derive(Clone, Copy, Debug)]
pub struct RoomSettings {
    /// Most members at a time.
    pub members_max: usize,
    /// Cap of the log of each format that is read in it.
    pub log_bytes: usize,
    /// Memory of the logs of all rooms together.
    pub logs_bytes: usize,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DEAD_AFTER_DEFAULT;

    #[test]
    fn peers_of_a_large_house_are_probed_more_rarely() {
        let after = |members_max| dead_after(DEAD_AFTER_DEFAULT, members_max).as_secs();
        assert_eq!([2, 30_000, 100_000, 1_000_000].map(after), [60, 60, 200, 2000]);
        assert_eq!(dead_after(Duration::from_secs(5), 20_000).as_secs(), 5, "what was chosen for a small house stays");
        assert_eq!(dead_after(Duration::from_secs(3600), 1_000_000).as_secs(), 3600);
    }
}
