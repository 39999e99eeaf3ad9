//! What operators do on one node holds on all, and on those that start later.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::member::{Door, Member};
use crate::nats::{Nats, with_each_version};
use crate::node::{Cluster, Node};

const KEY: &str = "a key of operators for tests";

fn operator(node: &Node) -> Member {
    let mut member = node.join(Door::Text);
    assert!(member.say(&format!("/op {KEY}")));
    member.wait_for(|text| text == "! you are an operator");
    assert!(member.say("/nick alice"));
    member.wait_for(|text| text == "! you are alice");
    member
}

fn named(node: &Node, name: &str) -> Member {
    let mut member = node.join(Door::Text);
    assert!(member.say(&format!("/nick {name}")));
    member.wait_for(|text| text == format!("! you are {name}"));
    member
}

#[test]
fn topics_announcements_kicks_mutes_and_bans_hold_on_every_node() {
    with_each_version(|version| {
        let nats = Nats::one(version);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("operators");
        fs::write(&file, format!("{KEY}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let cluster = Cluster::new(&nats, &["--operator-key", file.to_str().unwrap()]);
        let nodes = cluster.start_all(2);
        let mut alice = operator(&nodes[0]);
        let mut listener = nodes[1].join(Door::Text);

        assert!(alice.say("/topic bridges"));
        listener.wait_for(|text| text == "> alice set the topic: bridges");
        assert!(alice.say("/announce a break at noon"));
        listener.wait_for(|text| text == "> announcement: a break at noon");
        let newcomer = nodes[1].join(Door::Text);
        newcomer.wait_for(|text| text == "! topic: bridges");

        let bob = named(&nodes[1], "bob");
        assert!(alice.say("/kick bob away with you"));
        bob.wait_for(|text| text == "! kicked by alice: away with you");

        let mut carol = named(&nodes[1], "carol");
        assert!(alice.say("/mute carol 1h"));
        carol.wait_for(|text| text == "! muted for 1h");
        assert!(carol.say("can you hear me?"));
        carol.wait_for(|text| text == "! you are muted: this line was not said");
        assert!(alice.say("/unmute carol"));
        carol.wait_for(|text| text == "! you may speak again");

        let dave = named(&nodes[1], "dave");
        assert!(alice.say("/ban dave 1h"));
        dave.wait_for(|text| text.starts_with("! banned until "));
        assert!(listener.say("/nick dave"));
        listener.wait_for(|text| text == "! the name dave is taken");

        // One that starts later knows all of it.
        let late = cluster.start(2);
        let mut late_newcomer = late.join(Door::Text);
        late_newcomer.wait_for(|text| text == "! topic: bridges");
        assert!(late_newcomer.say("/nick dave"));
        late_newcomer.wait_for(|text| text == "! the name dave is taken");
        assert!(listener.others(|text| text.contains("can you hear me?")).is_empty());
    });
}
