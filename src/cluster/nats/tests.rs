//! The link against a real NATS server, which each test starts for itself. Where there is none installed, the tests say
//! that they did not run.

mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::server::Server;
use super::{NatsLink, preflight};
use crate::cluster::contract;
use crate::cluster::engine::{ClusterName, Engine, History, Seen, Url};
use crate::cluster::link::{BatchId, Link, News, NodeId, Order, Published, Stored, StreamState};
use crate::limits::{CLUSTER_BATCH_BYTES_MAX, CLUSTER_MESSAGE_BYTES_MAX, CLUSTER_NEWS_BYTES_MAX, CLUSTER_NEWS_MAX};
use crate::names::RoomName;

/// Long enough for any machine; a test that fails takes this long to do so.
const PATIENCE: Duration = Duration::from_secs(30);

fn engine(url: &str) -> Engine {
    Engine {
        servers: url.split(',').map(|url| Url::parse(url).unwrap()).collect(),
        name: ClusterName::parse("test").unwrap(),
        credentials: None,
        authority: None,
        replicas: 1,
        history: History::Bytes(64 << 20),
    }
}

/// A link, and what it has said.
struct Node {
    link: NatsLink,
    id: NodeId,
    batches: u64,
    seen: Vec<News>,
}

impl Node {
    fn start(id: u64, engine: Engine) -> Self {
        Self { link: NatsLink::start(engine).expect("it can be started"), id: NodeId(id), batches: 0, seen: Vec::new() }
    }

    /// One that is connected and has read everything.
    fn up(id: u64, engine: Engine) -> Self {
        let mut node = Self::start(id, engine);
        node.until("everything is read", |news| matches!(news, News::CaughtUp));
        node
    }

    /// Waits for news by the descriptor, at most until `end`.
    fn wait(&mut self, end: Instant) -> Option<News> {
        loop {
            if let Some(news) = self.link.news() {
                return Some(news);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let descriptor = self.link.descriptor().expect("this link has one");
            let timeout = Timespec::try_from(left).expect("it is short");
            let ready = poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&timeout));
            if ready.expect("a descriptor can be polled") == 0 {
                return None;
            }
        }
    }

    /// Takes news until one is `wanted`, which is the last that was seen then.
    fn until(&mut self, what: &str, wanted: impl Fn(&News) -> bool) -> News {
        let end = Instant::now() + PATIENCE;
        loop {
            let Some(news) = self.wait(end) else { panic!("{what} did not happen; seen {:?}", self.seen) };
            self.seen.push(news.clone());
            if wanted(&news) {
                return news;
            }
        }
    }

    fn is_quiet_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(news) = self.wait(end) {
            assert!(matches!(news, News::Lag { .. }), "nothing was to happen: {news:?}");
        }
    }

    fn publish(&mut self, room: &str, text: &str) -> BatchId {
        self.batches += 1;
        let id = BatchId { node: self.id, number: self.batches };
        self.publish_as(room, text, id);
        id
    }

    fn publish_as(&mut self, room: &str, text: &str, id: BatchId) {
        let room = RoomName::parse(room).unwrap();
        self.link.order(Order::Publish { room, id, bytes: text.as_bytes().to_vec() });
    }

    fn outcome(&mut self, of: BatchId) -> Published {
        let news = self.until("an outcome", |news| matches!(news, News::Published { id, .. } if *id == of));
        let News::Published { outcome, .. } = news else { unreachable!("it was asked for") };
        outcome
    }

    /// Publishes until it is stored, as the loop does.
    fn publish_surely(&mut self, room: &str, text: &str) -> u64 {
        let id = self.publish(room, text);
        let end = Instant::now() + PATIENCE;
        loop {
            match self.outcome(id) {
                Published::Stored { sequence } => return sequence,
                Published::Unknown => {}
                Published::Refused { why } => panic!("{why}"),
            }
            assert!(Instant::now() < end, "it is never stored");
            std::thread::sleep(Duration::from_millis(100));
            self.publish_as(room, text, id);
        }
    }

    fn store(&mut self, key: &str, value: Option<&str>, expected: u64) -> Stored {
        let bytes = value.map(|value| value.as_bytes().to_vec());
        self.link.order(Order::Store { key: key.to_owned(), bytes, expected });
        let news = self.until("a change", |news| matches!(news, News::Stored { key: of, .. } if of == key));
        let News::Stored { outcome, .. } = news else { unreachable!("it was asked for") };
        outcome
    }

    /// Takes news until this sequence was given.
    fn read_to(&mut self, last: u64) {
        if self.records().last().is_none_or(|(sequence, ..)| *sequence < last) {
            self.until("a record", |news| matches!(news, News::Record { sequence, .. } if *sequence >= last));
        }
    }

    /// All records that were given: sequence, room, text.
    fn records(&self) -> Vec<(u64, String, String)> {
        let record = |news: &News| match news {
            News::Record { sequence, room, bytes, .. } => {
                Some((*sequence, room.as_str().to_owned(), String::from_utf8_lossy(bytes).into_owned()))
            }
            _ => None,
        };
        self.seen.iter().filter_map(record).collect()
    }

    fn texts(&self) -> Vec<String> {
        self.records().into_iter().map(|(_, _, text)| text).collect()
    }

    /// The entries as they are now.
    fn entries(&self) -> BTreeMap<String, String> {
        let mut entries = BTreeMap::new();
        for news in &self.seen {
            match news {
                News::Entry { key, bytes: Some(bytes), .. } => {
                    entries.insert(key.clone(), String::from_utf8_lossy(bytes).into_owned());
                }
                News::Entry { key, bytes: None, .. } => _ = entries.remove(key),
                _ => {}
            }
        }
        entries
    }

    fn ups(&self) -> Vec<StreamState> {
        self.seen.iter().filter_map(|news| if let News::Up(state) = news { Some(*state) } else { None }).collect()
    }

    fn tell(&mut self, text: &str) {
        self.link.order(Order::Tell { bytes: text.as_bytes().to_vec() });
    }
}

/// Sequences of records rise by one.
fn assert_no_gaps(node: &Node) {
    let sequences: Vec<u64> = node.records().into_iter().map(|(sequence, ..)| sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");
}

#[test]
fn the_first_connection_makes_the_stream_and_gives_what_it_has() {
    let Some(server) = Server::start() else { return };
    let mut first = Node::start(1, engine(&server.url()));
    let News::Up(state) = first.until("the first news", |_| true) else { panic!("{:?}", first.seen) };
    assert_eq!((state.first, state.last, state.duplicate_window), (1, 0, Duration::from_secs(120)));
    assert!(state.created > 1_600_000_000_000_000_000, "{}", state.created);
    assert_eq!(first.until("the end", |_| true), News::CaughtUp);
    for number in 0..100 {
        first.publish_surely(if number % 2 == 0 { "lobby" } else { "cats" }, &format!("line {number}"));
    }
    assert_eq!(first.store("topic.cats", Some("paws"), 0), Stored::Done { revision: 1 });
    first.read_to(100);
    let second = Node::up(2, engine(&server.url()));
    assert_eq!(second.ups(), [StreamState { last: 100, ..state }]);
    assert_eq!(second.records(), first.records());
    assert_eq!(second.texts(), (0..100).map(|number| format!("line {number}")).collect::<Vec<_>>());
    assert_eq!(second.records()[1].1, "cats");
    // Entries come before everything is said to be read.
    assert_eq!(second.entries(), BTreeMap::from([("topic.cats".to_owned(), "paws".to_owned())]));
    assert_no_gaps(&second);
    let News::Record { time, .. } = &second.seen[second.seen.len() - 2] else { panic!("{:?}", second.seen) };
    assert!(crate::time::UnixTime::now().0.abs_diff(time.0) < 60_000);
}

#[test]
fn two_links_read_one_order() {
    let Some(server) = Server::start() else { return };
    let mut nodes = [1, 2].map(|id| Node::up(id, engine(&server.url())));
    for round in 0..50 {
        for node in &mut nodes {
            let room = ["a", "b", "c"][round % 3];
            node.publish(room, &format!("{round} of {}", node.id));
        }
    }
    for node in &mut nodes {
        node.read_to(100);
        assert_no_gaps(node);
    }
    assert_eq!(nodes[0].records(), nodes[1].records());
    assert_eq!(nodes[0].records().len(), 100);
}

#[test]
fn a_batch_that_is_published_twice_is_stored_once() {
    let Some(server) = Server::start() else { return };
    let mut node = Node::up(1, engine(&server.url()));
    let id = node.publish("lobby", "once");
    assert_eq!(node.outcome(id), Published::Stored { sequence: 1 });
    node.publish_as("lobby", "once", id);
    assert_eq!(node.outcome(id), Published::Stored { sequence: 1 });
    assert_eq!(node.publish_surely("lobby", "next"), 2);
    node.read_to(2);
    assert_eq!(node.texts(), ["once", "next"]);
}

#[test]
fn the_largest_batch_is_stored_and_a_larger_message_refused() {
    let Some(server) = Server::start() else { return };
    let mut node = Node::up(1, engine(&server.url()));
    let large = "x".repeat(CLUSTER_BATCH_BYTES_MAX + (64 << 10));
    node.publish_surely("lobby", &large);
    let id = node.publish("lobby", &"x".repeat(CLUSTER_MESSAGE_BYTES_MAX));
    assert!(matches!(node.outcome(id), Published::Refused { .. }));
    let id = node.publish("lobby", &"x".repeat(2 << 20));
    assert!(matches!(node.outcome(id), Published::Refused { .. }));
    assert_eq!(node.publish_surely("lobby", "next"), 2);
    node.read_to(2);
    assert_eq!(node.texts(), [large, "next".to_owned()]);
}

#[test]
fn an_entry_is_changed_by_the_one_who_knows_it() {
    let Some(server) = Server::start() else { return };
    let mut nodes = [1, 2].map(|id| Node::up(id, engine(&server.url())));
    let [first, second] = &mut nodes;
    assert_eq!(first.store("name.bob", Some("1"), 0), Stored::Done { revision: 1 });
    assert_eq!(second.store("name.bob", Some("2"), 0), Stored::Conflict);
    assert_eq!(second.store("name.bob", Some("2"), 7), Stored::Conflict);
    assert_eq!(second.store("name.bob", None, 2), Stored::Conflict);
    assert_eq!(second.store("name.bob", Some("2"), 1), Stored::Done { revision: 2 });
    assert_eq!(first.store("name.bob", None, 2), Stored::Done { revision: 3 });
    // Nobody has it now, so the one who expects none may have it.
    assert_eq!(second.store("name.bob", Some("3"), 0), Stored::Done { revision: 4 });
    assert_eq!(first.store("name.bob", Some("1"), 0), Stored::Conflict);
    for node in &mut nodes {
        let is_last = |news: &News| matches!(news, News::Entry { revision: 4, .. });
        if !node.seen.iter().any(is_last) {
            node.until("the last change", is_last);
        }
        let revisions = node.seen.iter().filter_map(|news| match news {
            News::Entry { revision, bytes, .. } => Some((*revision, bytes.is_some())),
            _ => None,
        });
        assert_eq!(revisions.collect::<Vec<_>>(), [(1, true), (2, true), (3, false), (4, true)]);
    }
}

#[test]
fn all_other_nodes_hear_a_word() {
    let Some(server) = Server::start() else { return };
    let mut nodes = [1, 2, 3].map(|id| Node::up(id, engine(&server.url())));
    nodes[0].tell("hello");
    nodes[0].tell("again");
    for node in &mut nodes[1..] {
        for text in ["hello", "again"] {
            let told = node.until("a word", |news| matches!(news, News::Told { .. }));
            assert_eq!(told, News::Told { bytes: text.as_bytes().to_vec() });
        }
    }
    nodes[0].is_quiet_for(Duration::from_millis(300));
}

#[test]
fn a_server_that_was_killed_and_started_again_is_found_and_nothing_is_missing() {
    let Some(mut server) = Server::start() else { return };
    let mut nodes = [1, 2].map(|id| Node::up(id, engine(&server.url())));
    nodes[0].publish_surely("lobby", "before");
    assert!(matches!(nodes[0].store("k", Some("1"), 0), Stored::Done { .. }));
    server.kill();
    for node in &mut nodes {
        node.until("the loss", |news| matches!(news, News::Down { .. }));
    }
    // Orders are answered also when there is no connection.
    let id = nodes[0].publish("lobby", "while it is away");
    assert_eq!(nodes[0].outcome(id), Published::Unknown);
    assert_eq!(nodes[0].store("k", Some("2"), 1), Stored::Unknown);
    server.start_again();
    nodes[0].publish_as("lobby", "while it is away", id);
    while nodes[0].outcome(id) == Published::Unknown {
        std::thread::sleep(Duration::from_millis(50));
        nodes[0].publish_as("lobby", "while it is away", id);
    }
    nodes[1].publish_surely("lobby", "after");
    for node in &mut nodes {
        node.read_to(3);
        assert_eq!(node.texts(), ["before", "while it is away", "after"]);
        assert_no_gaps(node);
        let ups = node.ups();
        assert!(ups.len() >= 2 && ups.iter().all(|state| state.created == ups[0].created), "{ups:?}");
        assert_eq!(node.entries(), BTreeMap::from([("k".to_owned(), "1".to_owned())]));
    }
    assert!(matches!(nodes[0].store("k", Some("3"), 1), Stored::Done { revision: 2 }));
}

#[test]
fn a_server_with_an_empty_store_has_another_stream() {
    let Some(mut server) = Server::start() else { return };
    let mut node = Node::up(1, engine(&server.url()));
    node.publish_surely("lobby", "old");
    node.publish_surely("lobby", "old too");
    node.store("k", Some("old"), 0);
    node.read_to(2);
    server.kill();
    server.forget();
    server.start_again();
    node.until("the new stream", |news| matches!(news, News::Up(_)));
    let ups = node.ups();
    assert_ne!(ups[0].created, ups[1].created);
    assert_eq!((ups[1].first, ups[1].last), (1, 0));
    assert_eq!(node.publish_surely("lobby", "new"), 1);
    assert!(matches!(node.store("k", Some("new"), 0), Stored::Done { revision: 1 }));
    if !node.texts().contains(&"new".to_owned()) {
        node.until("the new record", |news| matches!(news, News::Record { .. }));
    }
    assert_eq!(node.texts(), ["old", "old too", "new"]);
}

#[test]
fn a_stream_that_has_lost_its_end_counts_as_another() {
    let Some(mut server) = Server::start() else { return };
    let mut node = Node::up(1, engine(&server.url()));
    node.publish_surely("lobby", "kept");
    server.kill();
    server.keep_copy();
    server.start_again();
    node.publish_surely("lobby", "lost");
    node.read_to(2);
    server.kill();
    server.restore_copy();
    server.start_again();
    let before = node.ups();
    node.until("the stream", |news| matches!(news, News::Up(_)));
    let after = *node.ups().last().expect("it is up");
    assert!(before.iter().all(|state| state.created == before[0].created && state.created != after.created));
    assert_eq!(after.last, 1);
    node.until("everything", |news| matches!(news, News::CaughtUp));
    assert_eq!(node.texts(), ["kept", "lost", "kept"]);
}

#[test]
fn a_server_that_stands_still_is_down_and_comes_back() {
    let Some(server) = Server::start() else { return };
    let mut nodes = [1, 2].map(|id| Node::up(id, engine(&server.url())));
    nodes[0].publish_surely("lobby", "before");
    let start = Instant::now();
    server.stop();
    let id = nodes[0].publish("lobby", "in doubt");
    assert_eq!(nodes[0].outcome(id), Published::Unknown);
    for node in &mut nodes {
        // The one that asks for nothing finds out by the silence.
        node.until("the silence", |news| matches!(news, News::Down { .. }));
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    server.go_on();
    nodes[0].publish_as("lobby", "in doubt", id);
    while nodes[0].outcome(id) == Published::Unknown {
        std::thread::sleep(Duration::from_millis(50));
        nodes[0].publish_as("lobby", "in doubt", id);
    }
    nodes[1].publish_surely("lobby", "after");
    for node in &mut nodes {
        node.read_to(3);
        assert_eq!(node.texts(), ["before", "in doubt", "after"]);
        assert_no_gaps(node);
    }
}

#[test]
fn a_consumer_that_is_gone_is_made_anew() {
    let Some(server) = Server::start() else { return };
    let mut node = Node::up(1, engine(&server.url()));
    node.publish_surely("lobby", "one");
    for round in 0..3 {
        server.remove_consumers(&["uproar-test", "KV_uproar-test"]);
        let text = format!("round {round}");
        node.publish_surely("lobby", &text);
        node.store("k", Some(&text), round);
        node.read_to(2 + round);
        let is_entry = |news: &News| matches!(news, News::Entry { revision, .. } if *revision == round + 1);
        if !node.seen.iter().any(is_entry) {
            node.until("the entry", is_entry);
        }
    }
    assert_no_gaps(&node);
    assert_eq!(node.records().len(), 4);
    assert_eq!(node.ups().len(), 1, "the connection was never lost");
}

#[test]
fn what_the_stream_has_forgotten_is_told() {
    let Some(mut server) = Server::start() else { return };
    let mut node = Node::up(1, engine(&server.url()));
    for number in 1..=3 {
        node.publish_surely("lobby", &format!("{number}"));
    }
    node.read_to(3);
    let mut other = Node::up(2, engine(&server.url()));
    server.kill();
    node.until("the loss", |news| matches!(news, News::Down { .. }));
    drop(node.link);
    server.start_again();
    for number in 4..=9 {
        other.publish_surely("lobby", &format!("{number}"));
    }
    other.read_to(9);
    assert_no_gaps(&other);
    // A message that is removed while everybody has it is missing for nobody; for a newcomer the stream begins later.
    server.purge("uproar-test", 6);
    let newcomer = Node::up(3, engine(&server.url()));
    assert_eq!(newcomer.ups()[0].first, 6);
    assert_eq!(newcomer.texts(), ["6", "7", "8", "9"]);
    assert!(!newcomer.seen.iter().any(|news| matches!(news, News::Lost { .. })), "{:?}", newcomer.seen);
}

#[test]
fn a_node_that_was_away_is_told_what_it_has_missed_for_good() {
    let Some(server) = Server::start() else { return };
    let mut away = Node::up(1, engine(&server.url()));
    away.publish_surely("lobby", "1");
    away.read_to(1);
    let mut other = Node::up(2, engine(&server.url()));
    // It takes no news, so more is not read for it than fits the queue and was asked for.
    let large = "x".repeat(200 << 10);
    for _ in 0..100 {
        other.publish_surely("lobby", &large);
    }
    server.purge("uproar-test", 100);
    other.publish_surely("lobby", "last");
    away.read_to(102);
    let lost: Vec<(u64, u64)> = away
        .seen
        .iter()
        .filter_map(|news| if let News::Lost { first, last } = news { Some((*first, *last)) } else { None })
        .collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
    let given: Vec<u64> = away.records().into_iter().map(|(sequence, ..)| sequence).collect();
    let expected = (1..lost[0].0).chain(lost[0].1 + 1..=102);
    assert_eq!(given, expected.collect::<Vec<_>>());
    assert_eq!(lost[0].1, 99);
    // What was read ahead is bounded.
    assert!(lost[0].0 * (200 << 10) < (CLUSTER_NEWS_BYTES_MAX + 34 * (200 << 10)) as u64, "{lost:?}");
}

#[test]
fn a_loop_that_takes_no_news_holds_back_the_server_and_gets_everything_later() {
    let Some(server) = Server::start() else { return };
    let mut slow = Node::up(1, engine(&server.url()));
    let mut other = Node::up(2, engine(&server.url()));
    let count = 3 * CLUSTER_NEWS_MAX as u64;
    for number in 0..count {
        other.publish(["a", "b", "c", "d"][(number % 4) as usize], &format!("{number}"));
        if number % 64 == 63 {
            other.until("answers", |news| matches!(news, News::Published { id, .. } if id.number == number + 1));
        }
    }
    other.read_to(count);
    std::thread::sleep(Duration::from_secs(2));
    slow.read_to(count);
    assert_no_gaps(&slow);
    assert_eq!(slow.records().len() as u64, count);
    assert_eq!(slow.ups().len(), 1, "it was connected all the time");
}

#[test]
fn junk_of_others_is_no_harm() {
    let Some(server) = Server::start() else { return };
    let mut node = Node::up(1, engine(&server.url()));
    node.publish_surely("lobby", "1");
    let long = "x".repeat(100);
    for subject in
        ["uproar.test.room.!", "uproar.test.room.12345", &format!("uproar.test.room.{long}"), "uproar.test.room.ä"]
    {
        server.publish(subject, b"\xff\x00junk");
    }
    server.publish("uproar.test.room.lobby", b"\xff\x00{]");
    server.publish("uproar.test.nodes", &[b'x'; 100_000]);
    server.publish("uproar.test.nodes", b"");
    server.publish("$KV.uproar-test.odd key", b"x");
    server.publish("$KV.uproar-test.a.b.c", b"\xff");
    node.publish_surely("lobby", "7");
    node.read_to(7);
    let records = node.records();
    assert_eq!(records.iter().map(|(sequence, ..)| *sequence).collect::<Vec<_>>(), [1, 6, 7]);
    assert!(!node.seen.iter().any(|news| matches!(news, News::Lost { .. } | News::Down { .. })), "{:?}", node.seen);
}

#[test]
fn what_does_not_fit_is_said_with_what_mends_it() {
    let Some(server) = Server::start() else { return };
    server.make_stream(r#"{"name":"uproar-test","subjects":["uproar.test.room.*"],"storage":"memory","retention":"limits","discard":"old","num_replicas":1,"max_age":0}"#);
    let unfit = |engine: Engine| {
        let mut node = Node::start(1, engine);
        let News::Unfit { why } = node.until("it does not fit", |news| matches!(news, News::Unfit { .. })) else {
            unreachable!("it was asked for")
        };
        let id = node.publish("lobby", "x");
        assert_eq!(node.outcome(id), Published::Unknown, "orders are answered");
        why
    };
    let why = unfit(engine(&server.url()));
    assert!(why.contains("in memory") && why.contains("nats stream rm uproar-test"), "{why}");
    let other = Engine { name: ClusterName::parse("other").unwrap(), ..engine(&server.url()) };
    let why = unfit(Engine { replicas: 3, ..other.clone() });
    assert!(why.contains("--cluster-replicas 1"), "{why}");
    let why = unfit(Engine { history: History::Bytes(1 << 60), ..other.clone() });
    assert!(why.contains("--cluster-history"), "{why}");
    let Some(without) = Server::with(&[], false) else { return };
    let why = unfit(engine(&without.url()));
    assert!(why.contains("-js"), "{why}");
    let Some(small) = Server::with(&["max_payload: 65536"], true) else { return };
    let why = unfit(engine(&small.url()));
    assert!(why.contains("max_payload"), "{why}");
    let Some(closed) = Server::with(&["authorization { user: a, password: b }"], true) else { return };
    let why = unfit(engine(&closed.url()));
    assert!(why.contains("does not let us in"), "{why}");
    let rule = "authorization { users: [{ user: a, password: b, permissions: { publish: { deny: \"$JS.API.>\" } } }] }";
    let Some(strict) = Server::with(&[rule], true) else { return };
    let why = unfit(engine(&strict.url().replace("nats://", "nats://a:b@")));
    assert!(why.contains("does not allow what a node does"), "{why}");
    let with_password = closed.url().replace("nats://", "nats://a:b@");
    let node = Node::up(1, engine(&with_password));
    drop(node);
}

#[test]
fn a_node_waits_for_a_server_that_is_not_there_yet() {
    let Some(mut server) = Server::start() else { return };
    server.kill();
    let unused = "nats://127.0.0.1:1";
    let mut node = Node::start(1, engine(&format!("{unused},{}", server.url())));
    let News::Down { why } = node.until("no connection", |_| true) else { panic!("{:?}", node.seen) };
    assert!(why.contains("no connection to NATS"), "{why}");
    server.start_again();
    node.until("everything", |news| matches!(news, News::CaughtUp));
    node.publish_surely("lobby", "here");
}

#[test]
fn the_link_keeps_the_contract() {
    let Some(server) = Server::start() else { return };
    let new = || NatsLink::start(engine(&server.url())).expect("it can be started");
    contract::check(new, || std::thread::sleep(Duration::from_millis(1)));
}

#[test]
fn the_preflight_sees_what_a_node_would_meet_and_leaves_nothing() {
    let Some(server) = Server::start() else { return };
    let texts = |engine: Engine| {
        let text = |seen| match seen {
            Seen::Right(text) => format!("ok {text}"),
            Seen::Doubtful(text) => format!("warn {text}"),
            Seen::Wrong(text) => format!("fail {text}"),
        };
        preflight::look(&engine).into_iter().map(text).collect::<Vec<_>>()
    };
    let expect = |engine: Engine, starts: &[&str]| {
        let texts = texts(engine);
        assert_eq!(texts.len(), starts.len(), "{texts:?}");
        for (text, start) in texts.iter().zip(starts) {
            assert!(text.starts_with(start), "{text}: {start}");
        }
    };
    let made = [
        "ok NATS 2.",
        "ok JetStream is on, and takes messages of 1.0 MiB",
        "ok the stream uproar-test will be made by the first node: 1 replica, at most 64.0 MiB",
        "ok the stream KV_uproar-test will be made by the first node: 1 replica",
        "ok a message takes ",
    ];
    expect(engine(&server.url()), &made);
    // It has made nothing that stays.
    expect(engine(&server.url()), &made);
    let mut node = Node::up(1, engine(&server.url()));
    node.publish_surely("lobby", "one");
    let found = [
        made[0],
        made[1],
        "ok the stream uproar-test is there: 1 messages, 1 replica",
        "ok the stream KV_uproar-test is there: 0 messages",
        made[4],
    ];
    expect(engine(&server.url()), &found);
    expect(engine("nats://127.0.0.1:1"), &["fail no connection to NATS"]);
    let Some(without) = Server::with(&[], false) else { return };
    expect(engine(&without.url()), &["ok NATS 2.", "fail JetStream is off"]);
}

#[test]
fn a_server_with_a_certificate_is_trusted_by_its_authority() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(path("ca.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
    let own = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let signed = certificate.signed_by(&own, &Issuer::new(authority, key)).unwrap();
    std::fs::write(path("cert.pem"), signed.pem()).unwrap();
    std::fs::write(path("key.pem"), own.serialize_pem()).unwrap();
    let tls = format!("tls {{ cert_file: {:?}, key_file: {:?} }}", path("cert.pem"), path("key.pem"));
    let Some(server) = Server::with(&[&tls], true) else { return };
    let authority = Some(path("ca.pem"));
    for scheme in ["nats", "tls"] {
        let url = server.url().replace("nats", scheme);
        let mut node = Node::up(1, Engine { authority: authority.clone(), ..engine(&url) });
        node.publish_surely("lobby", scheme);
    }
    let mut node = Node::start(1, engine(&server.url()));
    let News::Down { why } = node.until("no trust", |_| true) else { panic!("{:?}", node.seen) };
    assert!(why.to_lowercase().contains("tls") || why.contains("certificate"), "{why}");
    // A server without TLS is none that was asked for.
    let Some(plain) = Server::start() else { return };
    let mut node = Node::start(1, Engine { authority, ..engine(&plain.url()) });
    assert!(matches!(node.until("no TLS", |_| true), News::Down { .. }));
}

#[test]
fn files_that_cannot_be_used_end_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "nothing of use").unwrap();
    let missing = folder.path().join("missing");
    for path in [&file, &missing] {
        let started = NatsLink::start(Engine { credentials: Some(path.clone()), ..engine("nats://127.0.0.1:1") });
        assert!(started.unwrap_err().starts_with("--cluster-creds "));
        let started = NatsLink::start(Engine { authority: Some(path.clone()), ..engine("nats://127.0.0.1:1") });
        assert!(started.unwrap_err().starts_with("--cluster-ca "));
    }
}
