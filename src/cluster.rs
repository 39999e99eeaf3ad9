//! One room on several nodes: what members say is published to a stream, and is said to the room once the stream gives
//! it back. So the stream's order is the room's order on every node, and the log of a room is a copy of what the stream
//! has of it.
//!
//! The loop talks to the stream by a [`Link`]: it hands over orders and is given news, and waits for
//! neither. All decisions are made here and in `server::cluster`, which a simulated stream plays without a network.

pub mod alike;
pub mod ask;
pub mod beat;
#[cfg(test)]
pub mod contract;
pub mod engine;
pub mod holds;
pub mod link;
pub mod names;
#[cfg(feature = "cluster")]
pub mod nats;
pub mod nodes;
pub mod numbering;
pub mod outgoing;
pub mod own;
pub mod peers;
pub mod people;
pub mod record;
pub mod shown;
pub mod signature;
pub mod snapshots;
pub mod start;
pub mod to_do;
pub mod token;
pub mod told;
pub mod used;

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::limits::CLUSTER_START_WAIT;
use crate::message::Event;
use crate::names::RoomName;
use crate::pieces::fifo::Fifo;
use crate::time::UnixTime;
use crate::token::{ConnectionId, RoomId};
// In a build with links, those are trait objects, which need it not.
#[allow(unused_imports)]
use link::Link;
use link::{AnyLink, News, NodeId, Order, StreamState};
use nodes::Nodes;
use outgoing::Outgoing;
use people::People;

/// What a node is told of its cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Chosen anew at each start.
    pub node: NodeId,
    /// The name of the cluster.
    pub name: String,
    /// How long the node may not hear of the stream before its rooms are read-only.
    pub grace: Duration,
    /// What nodes sign tokens with, if they do.
    pub key: Option<[u8; 32]>,
    /// What all nodes must have alike, as text.
    pub options: String,
}

/// A batch of the stream of which records are still to be said here.
#[derive(Debug)]
pub struct Delivery {
    pub sequence: u64,
    pub time: UnixTime,
    pub room: RoomName,
    pub bytes: Vec<u8>,
    /// True once it was found to be new here, and its room to be one that it is said in.
    pub is_begun: bool,
    /// Where its next record begins, and the place of that.
    pub offset: usize,
    pub place: usize,
    /// Rooms in which the announcement that comes next is still to be said; `None` where none was begun.
    pub announcing: Option<Fifo<RoomId>>,
}

/// A server as a node of a cluster.
#[derive(Debug)]
pub struct Cluster {
    pub settings: Settings,
    link: AnyLink,
    pub outgoing: Outgoing,
    pub people: People,
    /// This node among the others.
    pub nodes: Nodes,
    /// The batch that is being said.
    pub delivery: Option<Delivery>,
    /// The link may have more news than a turn took.
    pub has_news: bool,
    /// Connections whose next line or command waits for the cluster. Some may have gone.
    pub waiting: BTreeSet<ConnectionId>,
    /// Rooms that are still to be told what has happened.
    pub to_tell: Fifo<(RoomId, Event)>,
    /// When the stream was made, once that is known.
    pub stream: Option<u64>,
    /// When the node began.
    since: Instant,
    /// When there was a connection last, if there is one now.
    up_since: Option<Instant>,
    /// From when on the node did not hear everything that the stream has; `None` while it does.
    out_since: Option<Instant>,
    /// True once it has heard everything, for the first time.
    has_begun: bool,
    /// True once rooms were told that they are cut off, until they are told that they are not.
    is_read_only: bool,
    /// True once it is known that the node cannot go on.
    has_failed: bool,
}

/// What follows from news of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Nothing,
    /// Rooms are read-only from now on, and are to be told.
    CutOff,
    /// They are not any more.
    Back,
}

impl Cluster {
    pub fn new(link: AnyLink, settings: Settings, people: People, now: Instant) -> Self {
        Self {
            outgoing: Outgoing::new(settings.node),
            people,
            nodes: Nodes::new(settings.node, settings.options.clone(), now),
            settings,
            link,
            delivery: None,
            has_news: true,
            waiting: BTreeSet::new(),
            to_tell: Fifo::new(),
            stream: None,
            since: now,
            up_since: None,
            out_since: Some(now),
            has_begun: false,
            is_read_only: false,
            has_failed: false,
        }
    }

    /// What is readable while there may be news, where the kernel's back end does not know by itself.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.link.descriptor()
    }

    /// True when other nodes can be told something.
    pub fn can_tell(&self) -> bool {
        self.is_up() && self.link.has_room()
    }

    /// Tells all other nodes, which hear it now or never; nobody while the link has no room.
    pub fn tell(&mut self, bytes: Vec<u8>) {
        self.link.order(Order::Tell { bytes });
    }

    /// True while nothing can be said, and members are told so.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// True once everything that the stream had at the start was said.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// True while there is a connection.
    pub fn is_up(&self) -> bool {
        self.up_since.is_some()
    }

    /// The next piece of news, as long as there may be some.
    pub fn next_news(&mut self) -> Option<News> {
        let news = if self.has_news { self.link.news() } else { None };
        self.has_news = news.is_some();
        news
    }

    /// Hands over what is due, as far as the link takes it: batches, one for each room, and what is to be stored.
    pub fn order_due(&mut self, now: Instant, now_ms: u64) {
        while self.is_up() && self.link.has_room() {
            let order = self.outgoing.next(now).or_else(|| self.people.next_order(now_ms));
            let Some(order) = order else { return };
            self.link.order(order);
        }
    }

    /// True once newcomers can be let in: what the rooms had before is there, or takes too long.
    pub fn is_open(&self, now: Instant) -> bool {
        self.has_begun || self.since + CLUSTER_START_WAIT <= now
    }

    /// There is a connection. False when its stream is another one than before: then the node cannot go on.
    pub fn on_up(&mut self, stream: &StreamState, now: Instant) -> bool {
        self.up_since = Some(now);
        self.out_since.get_or_insert(now);
        self.outgoing.set_window(stream.duplicate_window);
        *self.stream.get_or_insert(stream.created) == stream.created
    }

    pub fn on_down(&mut self, now: Instant) {
        self.up_since = None;
        self.out_since.get_or_insert(now);
    }

    /// Everything was said that the stream had when the connection was made.
    pub fn on_caught_up(&mut self) -> Turn {
        let Some(since) = self.up_since else { return Turn::Nothing };
        self.outgoing.on_caught_up(since);
        self.out_since = None;
        self.has_begun = true;
        if std::mem::take(&mut self.is_read_only) { Turn::Back } else { Turn::Nothing }
    }

    /// Looks at the time.
    pub fn on_time(&mut self, now: Instant) -> Turn {
        if self.read_only_from().is_some_and(|from| from <= now) {
            self.is_read_only = true;
            return Turn::CutOff;
        }
        Turn::Nothing
    }

    /// When rooms become read-only, if nothing is heard until then. At the start there is nothing to be held for members
    /// who were there before.
    fn read_only_from(&self) -> Option<Instant> {
        let out_since = self.out_since.filter(|_| !self.is_read_only)?;
        Some(out_since + if self.has_begun { self.settings.grace } else { CLUSTER_START_WAIT })
    }

    /// It will never work.
    pub fn fail(&mut self) {
        self.has_failed = true;
    }

    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// True while something accepted is still to be said, and can be.
    pub fn owes(&self) -> bool {
        self.is_up() && !self.has_failed && (!self.outgoing.is_empty() || self.delivery.is_some())
    }

    /// True when the next turn has something to do although nothing happens.
    pub fn has_work(&self) -> bool {
        let people = self.people.has_work() || self.nodes.peers.has_work();
        self.has_news || self.delivery.is_some() || !self.to_tell.is_empty() || people
    }

    /// When there is something to do although nothing happens.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let publish = self.outgoing.deadline(now).filter(|_| self.is_up());
        publish.into_iter().chain(self.read_only_from()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::link::{Link, News, Order};
    use super::*;

    #[derive(Debug)]
    struct Silent;

    impl Link for Silent {
        fn has_room(&self) -> bool {
            true
        }
        fn order(&mut self, _: Order) {}
        fn news(&mut self) -> Option<News> {
            None
        }
        fn descriptor(&self) -> Option<BorrowedFd<'_>> {
            None
        }
    }

    const STREAM: StreamState =
        StreamState { created: 5, first: 1, last: 0, duplicate_window: Duration::from_secs(120) };

    fn cluster(now: Instant) -> Cluster {
        let settings = Settings {
            node: NodeId(1),
            name: "uproar".into(),
            grace: Duration::from_secs(10),
            key: None,
            options: String::new(),
        };
        let people = People::new(settings.node, 10, Duration::from_secs(60), now);
        Cluster::new(Box::new(Silent), settings, people, now)
    }

    #[test]
    fn rooms_are_read_only_once_nothing_was_heard_for_the_grace() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut cluster = cluster(start);
        assert!(!cluster.is_open(at(1)));
        assert!(cluster.on_up(&STREAM, at(1)));
        assert_eq!(cluster.on_caught_up(), Turn::Nothing);
        assert!(cluster.is_open(at(1)) && cluster.deadline(at(1)).is_none());
        cluster.on_down(at(20));
        assert_eq!((cluster.deadline(at(20)), cluster.on_time(at(29))), (Some(at(30)), Turn::Nothing));
        assert!(cluster.on_up(&STREAM, at(29)), "a connection alone is not all that was missed");
        cluster.on_down(at(29));
        assert_eq!((cluster.on_time(at(30)), cluster.is_read_only()), (Turn::CutOff, true));
        assert_eq!(cluster.on_time(at(31)), Turn::Nothing, "it is told once");
        assert!(cluster.on_up(&STREAM, at(40)) && cluster.is_read_only());
        assert_eq!((cluster.on_caught_up(), cluster.is_read_only()), (Turn::Back, false));
        assert!(!cluster.on_up(&StreamState { created: 6, ..STREAM }, at(50)), "another stream");
    }

    #[test]
    fn at_the_start_newcomers_wait_a_moment_and_then_find_rooms_read_only() {
        let start = Instant::now();
        let mut cluster = cluster(start);
        let open = start + CLUSTER_START_WAIT;
        assert_eq!(cluster.deadline(start), Some(open));
        assert_eq!((cluster.on_time(open), cluster.is_open(open)), (Turn::CutOff, true));
    }
}
