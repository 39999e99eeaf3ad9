//! What was said before: nodes that start later have it, and it outlives all nodes.

use crate::member::{Door, Line, Member};
use crate::nats::{Nats, with_each_version};
use crate::node::{Cluster, Node};
use crate::talk::Talk;

/// What a member is sent that asks for the past of the lobby.
fn history(node: &Node, door: Door, count: usize) -> Vec<(Line, Option<u64>)> {
    let mut member: Member = node.join(door);
    assert!(member.say("/history 500"));
    member.wait_for(|text| text.contains(" messages:"));
    assert!(member.wait_for_lines(count, crate::support::PATIENCE), "the past is short: {:?}", member.lines().len());
    member.lines()
}

#[test]
fn a_node_that_starts_later_has_the_past_with_the_same_numbers() {
    with_each_version(|version| {
        let nats = Nats::one(version);
        let cluster = Cluster::new(&nats, &[]);
        let mut nodes = cluster.start_all(2);
        let mut talk = Talk::gather(&nodes);
        (0..4).for_each(|author| talk.say(author, 25));
        talk.expect_all_heard();
        let programs = talk.seats.iter().find(|seat| seat.author.is_none() && seat.member.door == Door::Json);
        let live = programs.expect("a program listens").member.lines();
        let late = cluster.start(2);
        assert_eq!(history(&late, Door::Json, live.len()), live);
        let texts: Vec<Line> = history(&late, Door::Text, live.len()).iter().map(|(line, _)| *line).collect();
        assert_eq!(texts, talk.order());
        // It takes part from there on.
        nodes.push(late);
        let mut talk = Talk::gather(&nodes);
        (0..6).for_each(|author| talk.say(author, 5));
        talk.expect_all_heard();
        let last = live.last().and_then(|(_, n)| *n).expect("a message has a number");
        let later = talk.seats.iter().flat_map(|seat| seat.member.lines()).filter_map(|(_, n)| n);
        assert_eq!(later.filter(|n| *n <= last).count(), 0, "numbers go on where they were");
    });
}

#[test]
fn a_room_outlives_its_servers() {
    with_each_version(|version| {
        let nats = Nats::one(version);
        let cluster = Cluster::new(&nats, &[]);
        let nodes = cluster.start_all(2);
        let mut talk = Talk::gather(&nodes);
        (0..4).for_each(|author| talk.say(author, 25));
        talk.expect_all_heard();
        let order = talk.order();
        let numbers = history(&nodes[0], Door::Json, order.len());
        drop((talk, nodes));
        let nodes = cluster.start_all(2);
        for node in &nodes {
            assert_eq!(history(node, Door::Json, order.len()), numbers);
        }
        let mut talk = Talk::gather(&nodes);
        (0..4).for_each(|author| talk.say(author, 5));
        talk.expect_all_heard();
        let last = numbers.last().and_then(|(_, n)| *n).expect("a message has a number");
        let lines = talk.seats[3].member.lines();
        assert!(lines.iter().all(|(_, n)| n.is_some_and(|n| n > last)), "numbers go on where they were: {lines:?}");
    });
}
