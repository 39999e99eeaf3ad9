//! What may happen to the engine and to nodes while people talk: nothing is lost of what a node had accepted, and nothing
//! comes twice.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::nats::{Nats, in_rounds};
use crate::node::Cluster;
use crate::talk::Talk;

/// Each author says a line as often as this.
const EVERY: Duration = Duration::from_millis(10);
/// How long the talk goes on when the fault is over.
const AFTER: Duration = Duration::from_millis(500);
/// A dead node's members have left by then.
const LEFT_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn nats_is_killed_and_started_again() {
    in_rounds(|version, _| {
        let mut nats = Nats::one(version);
        let nodes = Cluster::new(&nats, &[]).start_all(2);
        let mut talk = Talk::gather(&nodes);
        talk.during(EVERY, AFTER, || {
            thread::sleep(Duration::from_millis(500));
            nats.kill(0);
            thread::sleep(Duration::from_secs(1));
            nats.start(0);
            nats.wait_until_ready();
        });
        talk.expect_all_heard();
    });
}

#[test]
fn the_leader_of_the_stream_is_killed() {
    in_rounds(|version, _| {
        let mut nats = Nats::three(version);
        // An election takes longer on a busy machine, and what is refused meanwhile is not what this is about.
        let nodes = Cluster::new(&nats, &["--cluster-replicas", "3", "--cluster-grace", "30s"]).start_all(3);
        let mut talk = Talk::gather(&nodes);
        let leader = nats.leader_of("uproar-uproar");
        talk.during(EVERY, AFTER, || {
            thread::sleep(Duration::from_millis(500));
            nats.kill(leader);
            // An election takes some five seconds.
            thread::sleep(Duration::from_secs(7));
            nats.start(leader);
            nats.wait_until_ready();
        });
        talk.expect_all_heard();
    });
}

#[test]
fn nats_stands_still_for_three_seconds() {
    in_rounds(|version, _| {
        let nats = Nats::one(version);
        let nodes = Cluster::new(&nats, &[]).start_all(2);
        let mut talk = Talk::gather(&nodes);
        talk.during(EVERY, AFTER, || {
            thread::sleep(Duration::from_millis(300));
            nats.signal(0, Signal::STOP);
            thread::sleep(Duration::from_secs(3));
            nats.signal(0, Signal::CONT);
        });
        talk.expect_all_heard();
    });
}

#[test]
fn a_node_is_killed_and_its_members_have_left_within_ten_seconds() {
    in_rounds(|version, _| {
        let nats = Nats::one(version);
        let nodes = Cluster::new(&nats, &[]).start_all(3);
        let mut talk = Talk::gather(&nodes);
        nodes[0].wait_for_members(12, LEFT_WITHIN);
        let killed = talk.during(EVERY, AFTER, || {
            thread::sleep(Duration::from_millis(500));
            nodes[2].server.signal("KILL");
            Instant::now()
        });
        talk.node_is_dead(2);
        for node in &nodes[..2] {
            node.wait_for_members(8, LEFT_WITHIN.saturating_sub(killed.elapsed()));
        }
        talk.expect_all_heard();
    });
}

#[test]
fn a_node_is_stopped_for_ten_seconds() {
    in_rounds(|version, _| {
        let nats = Nats::one(version);
        let nodes = Cluster::new(&nats, &[]).start_all(2);
        let mut talk = Talk::gather(&nodes);
        talk.during(EVERY, AFTER, || {
            thread::sleep(Duration::from_millis(300));
            nodes[1].server.signal("STOP");
            thread::sleep(Duration::from_secs(10));
            nodes[1].server.signal("CONT");
        });
        talk.expect_all_heard();
        // Those that were taken for dead are there again.
        nodes.iter().for_each(|node| node.wait_for_members(8, LEFT_WITHIN));
    });
}
