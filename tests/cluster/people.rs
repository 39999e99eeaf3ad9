//! Names, private lines and coming back, over nodes.

use std::time::{Duration, Instant};

use crate::member::{Door, Member};
use crate::nats::{Nats, with_each_version};
use crate::node::{Cluster, Node};
use crate::support::PATIENCE;
use crate::talk::Talk;

#[test]
fn a_name_is_one_members_in_the_whole_cluster_and_free_when_it_has_left() {
    with_each_version(|version| {
        let nats = Nats::one(version);
        let nodes = Cluster::new(&nats, &[]).start_all(2);
        let (mut here, mut there) = (nodes[0].join(Door::Text), nodes[1].join(Door::Text));
        assert!(here.say("/nick bob"));
        here.wait_for(|text| text == "! you are bob");
        assert!(there.say("/nick Bob"));
        there.wait_for(|text| text == "! the name Bob is taken");
        assert!(there.say("/msg bob psst"));
        here.wait_for(|text| text.ends_with(" to you] psst"));
        there.wait_for(|text| text == "! sent to bob");
        drop(here);
        let deadline = Instant::now() + PATIENCE;
        while there.others(|text| text == "! you are bob").is_empty() {
            assert!(Instant::now() < deadline, "the name is not free again");
            assert!(there.say("/nick bob"));
            std::thread::sleep(Duration::from_millis(200));
        }
    });
}

#[test]
fn of_members_that_choose_a_name_at_the_same_time_one_has_it() {
    with_each_version(|version| {
        let nats = Nats::one(version);
        let nodes = Cluster::new(&nats, &[]).start_all(3);
        for number in 0..5 {
            let mut members: Vec<Member> = nodes.iter().map(|node| node.join(Door::Text)).collect();
            let name = format!("carol{number}");
            members.iter_mut().for_each(|member| assert!(member.say(&format!("/nick {name}"))));
            let (has, lacks) = (format!("! you are {name}"), format!("! the name {name} is taken"));
            let answers: Vec<String> =
                members.iter().map(|member| member.wait_for(|text| text == has || text == lacks)).collect();
            assert_eq!(answers.iter().filter(|answer| **answer == has).count(), 1, "{answers:?}");
        }
    });
}

#[test]
fn names_are_kept_while_the_store_is_away() {
    with_each_version(|version| {
        let mut nats = Nats::one(version);
        let nodes = Cluster::new(&nats, &["--cluster-grace", "1s"]).start_all(2);
        let (mut bob, mut carol) = (nodes[0].join(Door::Text), nodes[1].join(Door::Text));
        for (member, name) in [(&mut bob, "bob"), (&mut carol, "carol")] {
            assert!(member.say(&format!("/nick {name}")));
            member.wait_for(|text| text == format!("! you are {name}"));
        }
        nats.kill(0);
        for member in [&bob, &carol] {
            member.wait_for(|text| text.starts_with("! this server is cut off"));
        }
        nats.start(0);
        for member in [&bob, &carol] {
            member.wait_for(|text| text == "! this server is back in its cluster");
        }
        // What the store says of names is looked at a part at a time, soon after.
        std::thread::sleep(Duration::from_secs(2));
        assert!(bob.say("/msg carol psst"));
        carol.wait_for(|text| text == "[bob to you] psst");
        for member in [&bob, &carol] {
            assert!(member.others(|text| text.contains("was given to somebody else")).is_empty());
        }
    });
}

/// A program that has asked for a token.
fn with_token(node: &Node) -> (Member, String) {
    let mut member = node.join(Door::Json);
    assert!(member.say("/token"));
    let told = member.wait_for(|text| text.contains(r#""token":""#));
    let token = told.split_once(r#""token":""#).and_then(|(_, rest)| rest.split('"').next());
    (member, token.expect("a token ends").to_owned())
}

#[test]
fn a_program_comes_back_on_another_node_without_a_gap() {
    with_each_version(|version| {
        let nats = Nats::one(version);
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n").unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let nodes = Cluster::new(&nats, &["--cluster-key", key.to_str().unwrap()]).start_all(2);
        let mut talk = Talk::gather(&nodes);
        let (program, token) = with_token(&nodes[0]);
        (0..4).for_each(|author| talk.say(author, 10));
        assert!(program.wait_for_lines(40, PATIENCE));
        let mut heard = program.lines();
        let last = heard.last().and_then(|(_, n)| *n).expect("a message has a number");
        program.vanish();
        // What it misses.
        (0..4).for_each(|author| talk.say(author, 10));
        talk.expect_all_heard();
        let mut again = nodes[1].join(Door::Json);
        assert!(again.say(&format!("/resume {token} {last}")));
        assert!(again.wait_for_lines(40, PATIENCE), "what it missed comes: {:?}", again.others(|_| true));
        (0..4).for_each(|author| talk.say(author, 5));
        talk.expect_all_heard();
        assert!(again.wait_for_lines(60, PATIENCE));
        heard.extend(again.lines());
        let lines: Vec<_> = heard.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, talk.order());
        assert!(again.others(|text| text.contains(r#""kind":"missed""#)).is_empty());
        // A token is good once, on whatever node.
        let mut thief = nodes[0].join(Door::Json);
        assert!(thief.say(&format!("/resume {token} {last}")));
        thief.wait_for(|text| text.contains("resume_refused"));
    });
}
