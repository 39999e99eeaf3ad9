//! What the loop asks of the engine that nodes share, and what it hears of it.
//!
//! The engine keeps one **stream** for all rooms of a cluster, each room a subject of it; a **store** of small values by
//! key, each with a revision, changed by compare-and-set; and it carries **words**, which the other nodes hear now or
//! never. A link is dumb on purpose: it retries nothing, decides nothing, and remembers nothing but its place in the
//! stream. What it says of the stream is in order and without gaps or repeats, whatever happens to connections.
//!
//! 1. No call waits. Orders that find the link's queue full are handed back by [`Link::has_room`] being false before
//!    they are given, and news stay in the link until they are taken: a link that is not asked for news reads no more.
//! 2. Each [`Order::Publish`] and each [`Order::Store`] is answered once, also when there is no connection.
//! 3. After [`News::Up`] come all entries of the store, also those that came before: what does not come is gone. With
//!    them come the records of the stream behind the last one that was given, and then [`News::CaughtUp`]. Records and
//!    entries that arrive later follow as they come.
//! 4. The first `Up` of a link is followed by everything that the stream has.
//! 5. Sequences rise, and one that is neither given nor lost is of no room: somebody else has put it there.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::names::RoomName;
use crate::time::UnixTime;

/// What the engine knows a batch by, so that it is stored once however often it is published: the node's number, which
/// each start chooses anew, and a count of the node's batches from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId {
    pub node: NodeId,
    pub number: u64,
}

/// A node, from its start to its end: a random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.node, self.number)
    }
}

/// What the loop asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Appends a batch to the stream, under the subject of its room. At most one for each room is under way.
    Publish { room: RoomName, id: BatchId, bytes: Vec<u8> },
    /// Changes the entry of a key, or with `None` takes it away, if its revision is `expected`: 0 when there must be
    /// none. Keys are ASCII letters, digits, `-`, `_`, `=` and `.`, with something between two dots.
    Store { key: String, bytes: Option<Vec<u8>>, expected: u64 },
    /// Tells all other nodes that are there.
    Tell { bytes: Vec<u8> },
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// The stream has it, under this sequence; perhaps from an earlier attempt.
    Stored { sequence: u64 },
    /// It is not known: there is no connection, no answer came in time, or the stream has no leader.
    Unknown,
    /// The stream does not take it, and will not: it is too large, or may not be written.
    Refused { why: String },
}

/// What became of a change of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is done, and the entry has this revision.
    Done { revision: u64 },
    /// Its revision was another one.
    Conflict,
    /// It is not known.
    Unknown,
}

/// The stream, as a connection found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// When the stream was made, in nanoseconds since 1970: another number is another stream, or one that has not what it
    /// gave.
    pub created: u64,
    /// The lowest sequence that it has, and the highest; 0 for `last` when it never had any.
    pub first: u64,
    pub last: u64,
    /// For how long it knows batches again that it has.
    pub duplicate_window: Duration,
}

/// What the loop hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// There is a connection, and the stream was looked at.
    Up(StreamState),
    /// The connection is gone, or the stream has no leader; or there is none yet, and now for another reason. The link
    /// goes on trying.
    Down {
        why: String,
    },
    /// It will never work: what is there does not fit. The server is to end.
    Unfit {
        why: String,
    },
    /// A batch of the stream, the next one in its order. `time` is when the stream took it.
    Record {
        sequence: u64,
        time: UnixTime,
        room: RoomName,
        bytes: Vec<u8>,
    },
    /// Batches that this node was not given and that the stream has no more.
    Lost {
        first: u64,
        last: u64,
    },
    /// An entry of the store as it is now; `None` when it was taken away.
    Entry {
        key: String,
        bytes: Option<Vec<u8>>,
        revision: u64,
    },
    /// Everything that stream and store had at the last [`News::Up`] was given.
    CaughtUp,
    /// What another node tells all.
    Told {
        bytes: Vec<u8>,
    },
    Published {
        id: BatchId,
        outcome: Published,
    },
    Stored {
        key: String,
        outcome: Stored,
    },
    /// How many batches the stream has behind the last one that was given, as far as is known.
    Lag {
        batches: u64,
    },
}

/// A connection to the engine that outlives its breaks.
pub trait Link: fmt::Debug {
    /// True when another order is taken.
    fn has_room(&self) -> bool;

    /// Takes an order. Where there was no [room](Link::has_room) for it, it is answered as one whose outcome is unknown,
    /// or, where it has no answer, is dropped.
    fn order(&mut self, order: Order);

    /// The next piece of news, if there is one.
    fn news(&mut self) -> Option<News>;

    /// What is readable while there may be news; `None` where the kernel's back end knows by itself.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
}

/// The link that a server has. A build without the feature `cluster` has none, and no code for it.
#[cfg(any(test, feature = "sim", feature = "cluster"))]
pub type AnyLink = Box<dyn Link>;
#[cfg(not(any(test, feature = "sim", feature = "cluster")))]
pub type AnyLink = NoLink;

/// Nothing has this type, so what is done with a link is left out of a build where this is the only one.
#[cfg(not(any(test, feature = "sim", feature = "cluster")))]
#[derive(Debug)]
pub enum NoLink {}

#[cfg(not(any(test, feature = "sim", feature = "cluster")))]
impl Link for NoLink {
    fn has_room(&self) -> bool {
        match *self {}
    }

    fn order(&mut self, _: Order) {
        match *self {}
    }

    fn news(&mut self) -> Option<News> {
        match *self {}
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match *self {}
    }
}
