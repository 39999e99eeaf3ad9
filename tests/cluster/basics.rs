//! Nodes without faults: lines cross, nobody hears itself, all have one order, and what is said on one cluster stays there.

use std::time::Duration;

use crate::member::Door;
use crate::nats::{Nats, with_each_version};
use crate::node::Cluster;
use crate::support::PATIENCE;
use crate::talk::Talk;

#[test]
fn a_line_crosses_from_node_to_node_and_does_not_come_back_to_its_author() {
    with_each_version(|version| {
        let nats = Nats::one(version);
        let nodes = Cluster::new(&nats, &[]).start_all(2);
        let mut talk = Talk::gather(&nodes);
        for author in 0..4 {
            talk.say(author, 3);
        }
        talk.expect_all_heard();
        nodes.iter().for_each(|node| node.wait_for_members(8, PATIENCE));
    });
}

#[test]
fn three_nodes_under_load_have_one_order() {
    with_each_version(|version| {
        let nats = Nats::one(version);
        let nodes = Cluster::new(&nats, &[]).start_all(3);
        let mut talk = Talk::gather(&nodes);
        // Bursts of all authors at once, and lines one by one.
        for _ in 0..5 {
            (0..6).for_each(|author| talk.say(author, 200));
        }
        talk.during(Duration::from_millis(1), Duration::from_secs(1), || ());
        talk.expect_all_heard();
        let order = talk.order();
        let changes = order.windows(2).filter(|two| two[0].author != two[1].author).count();
        assert!(changes > 6, "the authors have spoken one after another, which proves little");
    });
}

#[test]
fn three_servers_that_keep_each_line_three_times_have_one_order() {
    with_each_version(|version| {
        let nats = Nats::three(version);
        let nodes = Cluster::new(&nats, &["--cluster-replicas", "3"]).start_all(3);
        let mut talk = Talk::gather(&nodes);
        talk.during(Duration::from_millis(5), Duration::from_secs(1), || ());
        talk.expect_all_heard();
    });
}

#[test]
fn members_by_every_door_are_in_one_room_each_on_another_node() {
    with_each_version(|version| {
        let nats = Nats::one(version);
        let nodes = Cluster::new(&nats, &[]).start_all(4);
        let mut talk = Talk::default();
        for (number, door) in [Door::Text, Door::Json, Door::Web, Door::Irc].into_iter().enumerate() {
            talk.add(number, &nodes[number], door, true);
            talk.add((number + 1) % 4, &nodes[(number + 1) % 4], door, false);
        }
        talk.during(Duration::from_millis(5), Duration::from_secs(1), || ());
        talk.expect_all_heard();
    });
}

#[test]
fn rooms_are_apart_and_so_are_clusters_on_the_same_servers() {
    with_each_version(|version| {
        let nats = Nats::one(version);
        let here = Cluster::new(&nats, &["--cluster-name", "here"]).start_all(2);
        let elsewhere = Cluster::new(&nats, &["--cluster-name", "elsewhere"]);
        let elsewhere = [elsewhere.start(2), elsewhere.start(3)];
        let (mut talk, mut other) = (Talk::gather(&here), Talk::gather(&elsewhere));
        let mut den: Vec<_> = here.iter().map(|node| node.server.join()).collect();
        for member in &mut den {
            member.send("/join den\n");
            member.lines_until(|line| line.starts_with("> Joined den ("));
        }
        for author in 0..4 {
            talk.say(author, 20);
            other.say(author, 10);
        }
        let name = den[0].name();
        den[0].send("psst\n");
        let heard = den[1].lines_until(|line| line.ends_with("] psst"));
        assert_eq!(heard.last(), Some(&format!("[{name}] psst")));
        assert!(heard.iter().all(|line| !line.contains("author")), "{heard:?}");
        talk.expect_all_heard();
        other.expect_all_heard();
        assert_eq!((talk.order().len(), other.order().len()), (80, 40));
    });
}
