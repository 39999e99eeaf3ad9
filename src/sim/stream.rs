//! A simulated engine: the stream, the store and the words that the nodes of one run share, in memory and in virtual time.
//!
//! [`SimLink`] keeps the contract of [`crate::cluster::link`] whatever happens here, and what happens is drawn from the
//! run's seed: orders and answers are late or lost, the stream has no leader for a while, nodes are cut off, consumers
//! fall silent, old batches are forgotten. The engine knows a batch again for as long as its duplicate window is, and
//! stores it a second time after that, as the real one does.
//!
//! Everything that is to happen is an event with a time. The code that plays a run has time go on with
//! [`Stream::advance`]; nothing here waits.

mod engine;
mod faults;
mod link;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::{Range, RangeInclusive};
use std::rc::Rc;
use std::time::Duration;

use crate::cluster::link::{BatchId, News, Order, StreamState};
use crate::io::sim::UNIX_START;
use crate::io::sim::draw::Draw;
use crate::names::RoomName;
use crate::time::UnixTime;
use engine::Entry;
pub use faults::Faults;
use link::Client;
pub use link::SimLink;

/// A millisecond, in nanoseconds.
pub const MILLISECOND: u64 = 1_000_000;

/// What the stream was made with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// For how long it knows a batch again.
    pub duplicate_window: Duration,
    /// Most batches that it keeps.
    pub batches_max: u64,
    /// Most orders of a link without an answer.
    pub orders_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { duplicate_window: Duration::from_secs(120), batches_max: u64::MAX, orders_max: 64 }
    }
}

/// A batch, also one that the stream has forgotten.
#[derive(Clone, Debug)]
pub struct Batch {
    pub sequence: u64,
    pub time: UnixTime,
    pub room: RoomName,
    pub id: BatchId,
    pub bytes: Vec<u8>,
}

/// How often what happened, so that tests see that it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Batches that came again: known again, and stored again.
    pub known_again: u64,
    pub stored_again: u64,
    /// Orders whose outcome their links did not learn.
    pub unknown: u64,
    pub conflicts: u64,
    /// Batches that a link could not be given.
    pub lost: u64,
    pub downs: u64,
    pub words: u64,
    pub words_lost: u64,
}

#[derive(Clone, Debug)]
enum What {
    /// A link tries to connect.
    Connect(usize),
    /// A link notices that it has no connection.
    NoticeLoss(usize),
    /// An order comes to the engine. One that came before, or whose answer was given already, is not answered.
    Arrive { client: usize, order: Order, is_answered: bool },
    /// A link is told, or tells itself, what became of an order.
    Answer { client: usize, news: News },
    /// The engine hands on to a link what there is.
    Feed(usize),
    /// A word comes to a link.
    Hear { client: usize, bytes: Vec<u8> },
}

/// The engine, and its ends of all links.
#[derive(Debug)]
pub struct Stream {
    /// Nanoseconds since the start of the run.
    now: u64,
    draw: Draw,
    pub faults: Faults,
    settings: Settings,
    pub counts: Counts,
    /// All that there ever were: the one with sequence `n` is at `n - 1`.
    batches: Vec<Batch>,
    /// The lowest sequence that is kept, or that the next batch will have.
    first: u64,
    /// By batch: its last sequence, and when it was stored.
    known: HashMap<BatchId, (u64, u64)>,
    entries: BTreeMap<String, Entry>,
    revision: u64,
    /// True while the engine runs and the stream has a leader.
    is_there: bool,
    clients: Vec<Client>,
    /// By time, and in the order in which they were scheduled.
    events: BTreeMap<(u64, u64), What>,
    scheduled: u64,
}

impl Stream {
    pub fn new(draw: Draw, settings: Settings) -> Self {
        Self {
            now: 0,
            draw,
            faults: Faults::default(),
            settings,
            counts: Counts::default(),
            batches: Vec::new(),
            first: 1,
            known: HashMap::new(),
            entries: BTreeMap::new(),
            revision: 0,
            is_there: true,
            clients: Vec::new(),
            events: BTreeMap::new(),
            scheduled: 0,
        }
    }

    /// A link for another node. It connects by itself.
    pub fn link(this: &Rc<RefCell<Self>>) -> SimLink {
        let mut stream = this.borrow_mut();
        let number = stream.clients.len();
        let out_since = stream.now;
        stream.clients.push(Client::new(out_since));
        stream.on_change();
        SimLink::new(Rc::clone(this), number)
    }

    /// When the next event is due.
    pub fn next_event(&self) -> Option<u64> {
        self.events.first_key_value().map(|((time, _), _)| *time)
    }

    /// Time goes on.
    pub fn advance(&mut self, now: u64) {
        while let Some(event) = self.events.first_entry()
            && event.key().0 <= now
        {
            let ((time, _), what) = event.remove_entry();
            self.now = self.now.max(time);
            self.happen(what);
        }
        self.now = self.now.max(now);
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Connect(client) => self.connect(client),
            What::NoticeLoss(client) => self.notice_loss(client),
            What::Arrive { client, order, is_answered } => self.arrive(client, order, is_answered),
            What::Answer { client, news } => self.answer(client, news),
            What::Feed(client) => self.feed(client),
            What::Hear { client, bytes } => self.hear(client, bytes),
        }
    }

    fn schedule(&mut self, delay: u64, what: What) {
        self.events.insert((self.now + delay, self.scheduled), what);
        self.scheduled += 1;
    }

    /// How long something is under way.
    fn latency(&mut self) -> u64 {
        self.draw.below(self.faults.latency + 1) >> self.draw.below(4)
    }

    /// How long a link waits for an answer before it says that the outcome is unknown.
    fn patience(&mut self) -> u64 {
        self.faults.patience / 2 + self.draw.below(self.faults.patience / 2 + 1)
    }

    /// All batches that there ever were.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// The sequence of the last batch.
    pub fn last(&self) -> u64 {
        self.batches.len() as u64
    }

    /// The lowest sequence that it has not forgotten.
    pub fn first(&self) -> u64 {
        self.first
    }

    fn state(&self) -> StreamState {
        StreamState {
            created: UNIX_START * MILLISECOND,
            first: self.first,
            last: self.last(),
            duplicate_window: self.settings.duplicate_window,
        }
    }

    fn time(&self) -> UnixTime {
        UnixTime(UNIX_START + self.now / MILLISECOND)
    }
}

/// What may happen to the engine and to links, beside the faults of single orders.
impl Stream {
    /// The engine goes away, or comes back. It keeps what it has.
    pub fn set_there(&mut self, is_there: bool) {
        self.is_there = is_there;
        self.on_change();
    }

    /// The way between a link and the engine is cut, or healed.
    pub fn set_reachable(&mut self, link: usize, is_reachable: bool) {
        self.clients[link].is_reachable = is_reachable;
        self.on_change();
    }

    /// A link is given nothing for a while, and not told why.
    pub fn silence(&mut self, link: usize, nanoseconds: u64) {
        self.clients[link].silent_until = self.now + nanoseconds;
    }

    /// The oldest batches are forgotten.
    pub fn forget(&mut self, count: u64) {
        self.first = (self.first + count).min(self.last() + 1);
    }

    /// True while a link has news that were not taken.
    pub fn has_news(&self, link: usize) -> bool {
        !self.clients[link].news.is_empty()
    }

    /// The batches that a link could not be given.
    pub fn lost(&self, link: usize) -> &[RangeInclusive<u64>] {
        &self.clients[link].lost
    }

    /// When a link's server had not everything, as it knew.
    pub fn outs(&self, link: usize) -> Vec<Range<u64>> {
        let client = &self.clients[link];
        client.outs.iter().cloned().chain(client.out_since.map(|since| since..u64::MAX)).collect()
    }

    /// What a link's server had taken when it had everything for the first time, if it ever had.
    pub fn began(&self, link: usize) -> Option<u64> {
        self.clients[link].began
    }

    /// The sequence of the last batch that a link's server has taken, or was told is lost.
    pub fn taken(&self, link: usize) -> u64 {
        self.clients[link].taken
    }
}
