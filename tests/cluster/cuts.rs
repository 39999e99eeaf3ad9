//! A node that is cut off from its engine: what is said there waits, then nothing can be said, and when the network is back all
//! that was taken is said once.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::member::{Door, Line, Member};
use crate::nats::{Nats, in_rounds};
use crate::node::{Cluster, Node};
use crate::relay::Relay;
use crate::talk::{Seat, Talk};

const CUT_OFF: &str = "this server is cut off from its cluster: nothing can be said until it is back";
const BACK: &str = "this server is back in its cluster";

/// Two nodes, the second of which has a network of its own.
fn two_nodes(nats: &Nats, options: &[&str]) -> (Relay, [Node; 2]) {
    let relay = Relay::start(nats.address(0));
    let near = Cluster::new(nats, options).start(0);
    let far = Cluster::at(&format!("nats://{}", relay.address), options).start(1);
    (relay, [near, far])
}

/// Cuts the network, in one round with a word and in the next without one.
fn cut(relay: &Relay, round: usize) {
    if round.is_multiple_of(2) { relay.cut() } else { relay.stand_still() }
}

#[test]
fn a_connection_is_cut_and_healed_while_people_talk() {
    in_rounds(|version, round| {
        let nats = Nats::one(version);
        let (relay, nodes) = two_nodes(&nats, &[]);
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
        let nats = Nats::one(version);
        let (relay, nodes) = two_nodes(&nats, &[]);
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

/// Makes the stream as a node would, but for what `more` says.
fn make_stream(nats: &Nats, more: &str) {
    let made = nats.ask(
        "STREAM.CREATE.uproar-uproar",
        &format!(
            r#"{{"name":"uproar-uproar","subjects":["uproar.uproar.room.*"],"storage":"file","retention":"limits","discard":"old",
                "num_replicas":1,{more}}}"#
        ),
    );
    assert!(made["config"].is_object(), "{made}");
}

#[test]
fn a_cut_longer_than_the_stream_knows_batches_again_repeats_nothing() {
    in_rounds(|version, round| {
        let nats = Nats::one(version);
        make_stream(&nats, r#""duplicate_window":1000000000"#);
        let (relay, nodes) = two_nodes(&nats, &["--cluster-grace", "30s"]);
        let mut talk = Talk::gather(&nodes);
        talk.during(Duration::from_millis(2), Duration::from_millis(500), || {
            for _ in 0..3 {
                thread::sleep(Duration::from_millis(300));
                cut(&relay, round);
                thread::sleep(Duration::from_millis(2500));
                relay.heal();
            }
        });
        talk.expect_all_heard();
    });
}

/// The numbers between which a member that reads JSON was told that something is lost.
fn told_lost(member: &Member) -> Vec<(u64, u64)> {
    let lost = member.others(|text| text.contains(r#""kind":"lost""#));
    let range = |text: String| {
        let object: Value = serde_json::from_str(&text).unwrap();
        (object["from"].as_u64().expect("it says from where"), object["to"].as_u64().expect("it says up to where"))
    };
    lost.into_iter().map(range).collect()
}

#[test]
fn what_the_stream_has_forgotten_meanwhile_is_told_exactly() {
    in_rounds(|version, round| {
        let nats = Nats::one(version);
        make_stream(&nats, r#""max_msgs":20"#);
        let (relay, nodes) = two_nodes(&nats, &["--cluster-grace", "30s"]);
        let mut talk = Talk::gather(&nodes);
        talk.say(0, 5);
        talk.expect_all_heard();
        cut(&relay, round);
        thread::sleep(Duration::from_millis(200));
        for _ in 0..100 {
            talk.say(0, 1);
            thread::sleep(Duration::from_millis(10));
        }
        relay.heal();
        for member in talk.members_on(1) {
            let told = member.wait_within(Duration::from_secs(20), |text| {
                text.contains(r#""kind":"lost""#) || text.starts_with("! what was said meanwhile is lost")
            });
            assert!(told.is_some(), "nobody is told: {:?}", member.others(|_| true));
        }
        talk.say(0, 5);
        let last = Line { author: 0, number: 109 };
        let has_last = |member: &Member| member.lines().last().is_some_and(|(line, _)| *line == last);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !talk.seats.iter().filter(|seat| seat.author != Some(0)).all(|seat| has_last(&seat.member)) {
            assert!(Instant::now() < deadline, "what is said afterwards is not heard");
            thread::sleep(Duration::from_millis(20));
        }
        let listener = |node: usize, door: Door| {
            let is_it = |seat: &&Seat| seat.node == node && seat.member.door == door && seat.author.is_none();
            &talk.seats.iter().find(is_it).expect("there is a listener by each door").member
        };
        let (near, far) = (listener(0, Door::Json), listener(1, Door::Json));
        let lost = told_lost(far);
        let is_lost = |n: u64| lost.iter().any(|(from, to)| (*from..=*to).contains(&n));
        let expected: Vec<_> = near.lines().into_iter().filter(|(_, n)| !n.is_some_and(is_lost)).collect();
        assert_eq!(far.lines(), expected, "all but what is lost between {lost:?}");
        assert!(far.lines().len() < 110, "something was lost");
        let texts = |member: &Member| member.lines().into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(texts(listener(1, Door::Text)), texts(far));
        assert!(told_lost(near).is_empty());
    });
}
