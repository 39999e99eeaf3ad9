//! What a node does when it starts: it waits for an engine that is not there, and ends at once where it does not fit.

use std::time::Duration;

use crate::member::Door;
use crate::nats::{Nats, with_each_version};
use crate::node::Cluster;
use crate::talk::Talk;

const CUT_OFF: &str = "this server is cut off from its cluster: nothing can be said until it is back";
const BACK: &str = "this server is back in its cluster";

#[test]
fn a_node_whose_engine_is_not_there_yet_is_read_only_and_becomes_live() {
    with_each_version(|version| {
        let mut nats = Nats::prepare_one(version);
        let cluster = Cluster::new(&nats, &["--cluster-grace", "1s"]);
        let nodes = [cluster.start_with(0, &[]), cluster.start_with(1, &[])];
        let mut talk = Talk::gather(&nodes);
        for seat in &talk.seats {
            let told = seat.member.wait_within(Duration::from_secs(10), |text| text.contains(CUT_OFF));
            assert!(told.is_some(), "a member on node {} is not told that nothing can be said", seat.node);
        }
        talk.say_in_vain(0, CUT_OFF);
        nats.start(0);
        nats.wait_until_ready();
        for seat in &talk.seats {
            let told = seat.member.wait_within(Duration::from_secs(20), |text| text.contains(BACK));
            assert!(told.is_some(), "a member on node {} is not told that its node is back", seat.node);
        }
        for author in 0..4 {
            talk.say(author, 10);
        }
        talk.expect_all_heard();
    });
}

#[test]
fn a_stream_that_does_not_fit_is_one_line_and_the_end() {
    with_each_version(|version| {
        let nats = Nats::one(version);
        let other = r#"{"name":"uproar-uproar","subjects":["something.else"],"storage":"file","num_replicas":1}"#;
        let made = nats.ask("STREAM.CREATE.uproar-uproar", other);
        assert!(made["config"].is_object(), "{made}");
        let (status, said) = Cluster::new(&nats, &[]).fail_to_start(0, &[]);
        assert_eq!(status.code(), Some(1), "{said}");
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("uproar-uproar")).collect();
        assert_eq!(lines.len(), 1, "one line says what does not fit: {said}");
    });
}

#[test]
fn a_node_with_other_options_than_the_others_is_refused_with_the_name_of_the_option() {
    with_each_version(|version| {
        let nats = Nats::one(version);
        let cluster = Cluster::new(&nats, &[]);
        let node = cluster.start(0);
        let mut listener = node.join(Door::Text);
        let (status, said) = cluster.fail_to_start(1, &["--line-bytes", "512"]);
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("--line-bytes"), "{said}");
        assert!(listener.say("still here") && !listener.is_over(), "the others go on");
        let nodes = [node, cluster.start(1)];
        let mut talk = Talk::gather(&nodes);
        talk.say(0, 5);
        talk.expect_all_heard();
    });
}
