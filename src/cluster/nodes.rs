//! This node among the others: what it tells of itself, and what it knows of them. Pure.

use std::time::{Duration, Instant};

use super::alike::{self, Difference};
use super::beat::{About, PROTOCOL};
use super::link::NodeId;
use super::peers::Peers;
use crate::limits::{NODE_NAME_BYTES_MAX, NODE_NEW};
use crate::time::UnixTime;

#[derive(Debug)]
pub struct Nodes {
    pub peers: Peers,
    id: NodeId,
    name: String,
    options: String,
    started: UnixTime,
    since: Instant,
    /// When there was a connection for the first time.
    first_up: Option<Instant>,
    /// How often there was one.
    connections: u64,
    /// Batches that the stream has and this node has still to read.
    lag: u64,
    /// True once the others were told that it ends.
    has_left: bool,
}

impl Nodes {
    /// A node that is called by its number, and what it has to have alike with others.
    pub fn new(id: NodeId, options: String, now: Instant) -> Self {
        Self {
            peers: Peers::new(id, now),
            id,
            name: format!("node-{:08x}", id.0 >> 32),
            options,
            started: UnixTime::default(),
            since: now,
            first_up: None,
            connections: 0,
            lag: 0,
            has_left: false,
        }
    }

    /// It was started at this time of day.
    pub fn set_started(&mut self, started: UnixTime) {
        self.started = started;
    }

    /// People know it by this from now on; what of it cannot be seen is left out.
    pub fn set_name(&mut self, name: &str) {
        let visible = name.bytes().filter(u8::is_ascii_graphic).take(NODE_NAME_BYTES_MAX);
        self.name = visible.map(char::from).collect();
    }

    /// There is a connection.
    pub fn on_up(&mut self, now: Instant) {
        self.first_up.get_or_insert(now);
        self.connections += 1;
    }

    /// How often there was a connection again.
    pub fn reconnects(&self) -> u64 {
        self.connections.saturating_sub(1)
    }

    pub fn set_lag(&mut self, batches: u64) {
        self.lag = batches;
    }

    pub fn lag(&self) -> u64 {
        self.lag
    }

    /// The others are told that it ends, and nothing more. False when they were told.
    pub fn leave(&mut self) -> bool {
        !std::mem::replace(&mut self.has_left, true)
    }

    pub fn has_left(&self) -> bool {
        self.has_left
    }

    /// What it tells of itself, with so many members in all rooms. It has settled when it `has_begun` and all others have
    /// had the time to tell it their options.
    pub fn about(&self, members: u64, has_begun: bool, now: Instant) -> About {
        let is_new = self.first_up.is_none_or(|first_up| now < first_up + NODE_NEW);
        About {
            node: self.id,
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL,
            options: self.options.clone(),
            started: self.started,
            settled: has_begun && !is_new,
            members,
            lag: self.lag,
            up: self.up(now),
        }
    }

    fn up(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Why this node has to end, since another one is as it tells.
    pub fn conflict(&self, there: &About, has_begun: bool, now: Instant) -> Option<Difference> {
        alike::conflict(&self.about(0, has_begun, now), there)
    }

    /// Members of all nodes, of which this one has so many.
    pub fn members(&self, own: u64, now: Instant) -> u64 {
        own + self.peers.living(now).map(|node| node.about.members).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_settles_once_it_has_caught_up_and_has_heard_the_others() {
        let start = Instant::now();
        let mut nodes = Nodes::new(NodeId(1), String::new(), start);
        let settled = |nodes: &Nodes, has_begun, now| nodes.about(0, has_begun, now).settled;
        assert!(!settled(&nodes, false, start + 2 * NODE_NEW), "it has no connection");
        nodes.on_up(start + NODE_NEW);
        assert!(!settled(&nodes, true, start + NODE_NEW));
        assert!(!settled(&nodes, false, start + 2 * NODE_NEW));
        assert!(settled(&nodes, true, start + 2 * NODE_NEW));
        nodes.on_up(start + 2 * NODE_NEW);
        assert!(settled(&nodes, true, start + 2 * NODE_NEW), "it stays so");
        assert_eq!((nodes.reconnects(), nodes.leave(), nodes.leave()), (1, true, false));
    }

    #[test]
    fn a_name_can_be_seen_and_is_short() {
        let mut nodes = Nodes::new(NodeId(0x0102_0304_0506_0708), String::new(), Instant::now());
        assert_eq!(nodes.name, "node-01020304");
        nodes.set_name(&format!("b\u{e9}x 1\x1b{}", "a".repeat(NODE_NAME_BYTES_MAX)));
        assert_eq!(nodes.name, format!("bx1{}", "a".repeat(NODE_NAME_BYTES_MAX - 3)));
    }
}
