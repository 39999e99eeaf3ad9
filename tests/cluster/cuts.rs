//! A node that is cut off from its engine: what is said there waits, then nothing can be said, and when the network is back all
//! that was taken is said once.

use std::thread;
use std::time::{Duration, Instant};

use crate::nats::{Nats, Version, in_rounds};
use crate::node::{Cluster, Node};
use crate::relay::Relay;
use crate::talk::Talk;

const CUT_OFF: &str = "this server is cut off from its cluster: nothing can be said until it is back";
const BACK: &str = "this server is back in its cluster";

/// Two nodes, the second of which has a network of its own.
fn two_nodes(version: &Version, options: &[&str]) -> (Nats, Relay, [Node; 2]) {
    let nats = Nats::one(version);
    let relay = Relay::start(nats.address(0));
    let near = Cluster::new(&nats, options).start(0);
    let far = Cluster::at(&format!("nats://{}", relay.address), options).start(1);
    (nats, relay, [near, far])
}

/// Cuts the network, in one round with a word and in the next without one.
fn cut(relay: &Relay, round: usize) {
    if round.is_multiple_of(2) { relay.cut() } else { relay.stand_still() }
}

#[test]
fn a_connection_is_cut_and_healed_while_people_talk() {
    in_rounds(|version, round| {
        let (_nats, relay, nodes) = two_nodes(version, &[]);
        let mut talk = Talk::gather(&nodes);
        talk.during(Duration::from_millis(10), Duration::from_millis(500), || {
            for time in [300, 1500, 100] {
                thread::sleep(Duration::from_millis(300));
                cut(&relay, round);
                thread::sleep(Duration::from_millis(time));
                relay.heal();
            }
        });
        talk.expect_all_heard();
        for seat in &talk.seats {
            let told = seat.member.others(|text| text.contains(CUT_OFF));
            assert!(told.is_empty(), "the grace has not passed: {told:?}");
        }
    });
}

#[test]
fn a_cut_of_thirty_seconds_makes_the_rooms_of_a_node_read_only_and_loses_nothing() {
    in_rounds(|version, round| {
        let (_nats, relay, nodes) = two_nodes(version, &[]);
        let mut talk = Talk::gather(&nodes);
        let (near, far) = (talk.authors_on(0), talk.authors_on(1));
        for author in near.iter().chain(&far) {
            talk.say(*author, 5);
        }
        talk.expect_all_heard();
        cut(&relay, round);
        let cut_at = Instant::now();
        // They wait in the node.
        for author in &far {
            talk.say(*author, 50);
        }
        for member in talk.members_on(1) {
            let told = member.wait_within(Duration::from_secs(25), |text| text.contains(CUT_OFF));
            assert!(told.is_some(), "the room is not told that it is read-only");
        }
        let grace = cut_at.elapsed();
        assert!(grace > Duration::from_secs(9), "it was read-only after {grace:?}");
        for author in &far {
            talk.say_in_vain(*author, CUT_OFF);
            talk.say_in_vain(*author, CUT_OFF);
        }
        while cut_at.elapsed() < Duration::from_secs(30) {
            for author in &near {
                talk.say(*author, 1);
            }
            thread::sleep(Duration::from_millis(100));
        }
        for seat in talk.seats.iter().filter(|seat| seat.node == 1) {
            // Once to the room, and twice to an author that spoke nevertheless.
            let told = seat.member.others(|text| text.contains(CUT_OFF)).len();
            assert_eq!(told, if seat.author.is_some() { 3 } else { 1 }, "what {:?} was told", seat.author);
            assert!(!seat.member.is_over(), "members stay");
        }
        relay.heal();
        for member in talk.members_on(1) {
            let told = member.wait_within(Duration::from_secs(20), |text| text.contains(BACK));
            assert!(told.is_some(), "the room is not told that the node is back");
        }
        for author in &far {
            talk.say(*author, 5);
        }
        talk.expect_all_heard();
        for member in talk.members_on(0) {
            assert!(member.others(|text| text.contains("its cluster")).is_empty(), "the other node had no trouble");
        }
    });
}
