//! A node's link, and the engine's end of it: connections, what is handed on, and answers.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use super::engine::unknown;
use super::{Stream, What};
use crate::cluster::link::{Link, News, Order, Published, Stored};

/// News that a link has at most before it reads no more of the stream and the store.
const NEWS_MAX: usize = 50;

/// Most batches and entries that are handed on at the same time.
const FEED_MAX: u64 = 8;

/// The engine's end of a link, and what the link has for its server.
#[derive(Debug)]
pub struct Client {
    /// False once its server has ended.
    pub is_here: bool,
    pub is_reachable: bool,
    /// What the server was told.
    is_up: bool,
    is_connecting: bool,
    pub news: VecDeque<News>,
    /// Orders that were not answered.
    unanswered: usize,
    /// The sequence to be given next; `None` before the first connection.
    next: Option<u64>,
    /// The highest that was taken out of `news`.
    pub taken: u64,
    /// What was taken when the link had caught up for the first time.
    pub began: Option<u64>,
    /// Since when its server has not everything, by what it has taken; and when that was so before.
    pub out_since: Option<u64>,
    pub outs: Vec<Range<u64>>,
    /// The highest revision given since the connection stands.
    entries_to: u64,
    /// The sequence and the revision that are to be given before everything is.
    target: Option<(u64, u64)>,
    pub silent_until: u64,
    pub lost: Vec<RangeInclusive<u64>>,
    /// True exactly while an event will hand something on.
    is_fed: bool,
}

impl Client {
    /// Of a node that starts at a moment.
    pub fn new(start: u64) -> Self {
        Self {
            is_here: true,
            is_reachable: true,
            is_up: false,
            is_connecting: false,
            news: VecDeque::new(),
            unanswered: 0,
            next: None,
            taken: 0,
            began: None,
            out_since: Some(start),
            outs: Vec::new(),
            entries_to: 0,
            target: None,
            silent_until: 0,
            lost: Vec::new(),
            is_fed: false,
        }
    }
}

impl Stream {
    /// True while what is sent either way arrives.
    fn has_way(&self, client: usize) -> bool {
        let Client { is_here, is_reachable, .. } = self.clients[client];
        is_here && is_reachable && self.is_there
    }

    pub(super) fn is_connected(&self, client: usize) -> bool {
        self.clients[client].is_up && self.has_way(client)
    }

    /// What is there has changed: links will notice.
    pub(super) fn on_change(&mut self) {
        for client in 0..self.clients.len() {
            match (self.has_way(client), self.clients[client].is_up) {
                (true, true) => self.feed_soon(client),
                (true, false) if !std::mem::replace(&mut self.clients[client].is_connecting, true) => {
                    let delay = self.draw.below(self.faults.reconnect + 1);
                    self.schedule(delay, What::Connect(client));
                }
                (true, false) | (false, false) => {}
                (false, true) => {
                    let delay = self.draw.below(self.faults.notice + 1);
                    self.schedule(delay, What::NoticeLoss(client));
                }
            }
        }
    }

    pub(super) fn notice_loss(&mut self, client: usize) {
        if self.clients[client].is_here && self.clients[client].is_up && !self.has_way(client) {
            self.counts.downs += 1;
            let client = &mut self.clients[client];
            client.is_up = false;
            client.target = None;
            client.news.push_back(News::Down { why: "no answer".to_owned() });
        }
    }

    pub(super) fn connect(&mut self, client: usize) {
        self.clients[client].is_connecting = false;
        if !self.has_way(client) || self.clients[client].is_up {
            return;
        }
        let (state, revision) = (self.state(), self.revision);
        let link = &mut self.clients[client];
        link.is_up = true;
        link.next.get_or_insert(state.first);
        link.entries_to = 0;
        link.target = Some((state.last, revision));
        link.news.push_back(News::Up(state));
        self.feed_soon(client);
    }

    pub(super) fn feed_all(&mut self) {
        (0..self.clients.len()).for_each(|client| self.feed_soon(client));
    }

    fn feed_soon(&mut self, client: usize) {
        if self.clients[client].is_here && !std::mem::replace(&mut self.clients[client].is_fed, true) {
            let latency = self.latency();
            self.schedule(latency, What::Feed(client));
        }
    }

    /// Hands some of what there is on to a link.
    pub(super) fn feed(&mut self, client: usize) {
        self.clients[client].is_fed = false;
        if !self.is_connected(client) {
            return;
        }
        let silent_for = self.clients[client].silent_until.saturating_sub(self.now);
        if silent_for > 0 {
            self.clients[client].is_fed = true;
            return self.schedule(silent_for, What::Feed(client));
        }
        if self.draw.chance(self.faults.tell_lag) {
            let batches = self.last() + 1 - self.clients[client].next.expect("it was connected");
            self.clients[client].news.push_back(News::Lag { batches });
        }
        for _ in 0..=self.draw.below(FEED_MAX) {
            // A server that does not take its news is not sent more, and asks again once it does.
            if self.clients[client].news.len() >= NEWS_MAX {
                return;
            }
            if !self.feed_one(client) {
                return;
            }
        }
        self.feed_soon(client);
    }

    /// Hands on one thing. False when there is nothing more.
    fn feed_one(&mut self, client: usize) -> bool {
        let link = &mut self.clients[client];
        let next = link.next.expect("it was connected");
        if let Some((sequence, revision)) = link.target
            && next > sequence
            && link.entries_to >= revision
        {
            link.target = None;
            link.news.push_back(News::CaughtUp);
            return true;
        }
        let entries = self.entries.iter().filter(|(_, entry)| entry.revision > link.entries_to);
        let entry = entries.min_by_key(|(_, entry)| entry.revision);
        let has_batch = next <= self.batches.len() as u64;
        match entry {
            Some((key, entry)) if !has_batch || self.draw.chance(128) => {
                link.entries_to = entry.revision;
                link.news.push_back(News::Entry {
                    key: key.clone(),
                    bytes: entry.bytes.clone(),
                    revision: entry.revision,
                });
            }
            _ if has_batch && next < self.first => {
                link.news.push_back(News::Lost { first: next, last: self.first - 1 });
                link.next = Some(self.first);
                link.lost.push(next..=self.first - 1);
                self.counts.lost += self.first - next;
            }
            _ if has_batch => {
                let batch = &self.batches[next as usize - 1];
                link.news.push_back(News::Record {
                    sequence: next,
                    time: batch.time,
                    room: batch.room,
                    bytes: batch.bytes.clone(),
                });
                link.next = Some(next + 1);
            }
            _ => return false,
        }
        true
    }

    pub(super) fn hear(&mut self, client: usize, bytes: Vec<u8>) {
        if self.is_connected(client) && self.clients[client].news.len() < NEWS_MAX {
            self.clients[client].news.push_back(News::Told { bytes });
        }
    }

    /// The link will say that it does not know what became of an order.
    pub(super) fn leave_unknown(&mut self, client: usize, order: &Order) {
        let news = match order {
            Order::Publish { id, .. } => News::Published { id: *id, outcome: Published::Unknown },
            Order::Store { key, .. } => News::Stored { key: key.clone(), outcome: Stored::Unknown },
            Order::Tell { .. } => return,
        };
        // Without a connection it knows at once.
        let delay = if self.clients[client].is_up { self.patience() } else { self.latency() };
        self.schedule(delay, What::Answer { client, news });
    }

    pub(super) fn answer(&mut self, client: usize, news: News) {
        if !self.clients[client].is_here {
            return;
        }
        let is_unknown = matches!(
            news,
            News::Published { outcome: Published::Unknown, .. } | News::Stored { outcome: Stored::Unknown, .. }
        );
        if !is_unknown && !self.has_way(client) {
            let patience = self.patience();
            return self.schedule(patience, What::Answer { client, news: unknown(news) });
        }
        self.counts.unknown += u64::from(is_unknown);
        self.clients[client].unanswered -= 1;
        self.clients[client].news.push_back(news);
    }

    fn order(&mut self, client: usize, order: Order) {
        let has_room = self.has_room(client);
        let link = &mut self.clients[client];
        link.unanswered += usize::from(!matches!(order, Order::Tell { .. }));
        if !link.is_up || !has_room || self.draw.chance(self.faults.lose_order) {
            return self.leave_unknown(client, &order);
        }
        if matches!(order, Order::Tell { .. }) {
            let latency = self.latency();
            return self.schedule(latency, What::Arrive { client, order, is_answered: false });
        }
        let is_late = self.draw.chance(self.faults.late_order);
        if is_late || self.draw.chance(self.faults.twice) {
            let window = self.settings.duplicate_window.as_nanos() as u64;
            let most = if self.draw.chance(128) { 4 * self.faults.patience } else { 2 * window };
            let delay = self.faults.patience + self.draw.below(most + 1);
            self.schedule(delay, What::Arrive { client, order: order.clone(), is_answered: false });
        }
        if is_late {
            return self.leave_unknown(client, &order);
        }
        let latency = self.latency();
        self.schedule(latency, What::Arrive { client, order, is_answered: true });
    }

    fn has_room(&self, client: usize) -> bool {
        self.clients[client].unanswered < self.settings.orders_max
    }
}

/// A node's link to the simulated engine.
#[derive(Debug)]
pub struct SimLink {
    stream: Rc<RefCell<Stream>>,
    number: usize,
}

impl SimLink {
    pub fn new(stream: Rc<RefCell<Stream>>, number: usize) -> Self {
        Self { stream, number }
    }

    /// What the engine calls it. A number is never used again.
    pub fn number(&self) -> usize {
        self.number
    }
}

impl Link for SimLink {
    fn has_room(&self) -> bool {
        self.stream.borrow().has_room(self.number)
    }

    fn order(&mut self, order: Order) {
        self.stream.borrow_mut().order(self.number, order);
    }

    fn news(&mut self) -> Option<News> {
        let mut stream = self.stream.borrow_mut();
        let now = stream.now;
        let client = &mut stream.clients[self.number];
        let news = client.news.pop_front()?;
        match news {
            News::Record { sequence, .. } => client.taken = sequence,
            // What the stream had forgotten before the first connection is nothing to this link.
            News::Up(state) if client.began.is_none() => client.taken = client.taken.max(state.first - 1),
            News::Lost { last, .. } => client.taken = last,
            News::Down { .. } => _ = client.out_since.get_or_insert(now),
            News::CaughtUp => {
                client.began.get_or_insert(client.taken);
                client.outs.extend(client.out_since.take().map(|since| since..now));
            }
            _ => {}
        }
        stream.feed_soon(self.number);
        Some(news)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl Drop for SimLink {
    fn drop(&mut self) {
        // It is borrowed only where the engine itself has panicked.
        if let Ok(mut stream) = self.stream.try_borrow_mut() {
            let client = &mut stream.clients[self.number];
            client.is_here = false;
            client.is_up = false;
            client.news.clear();
        }
    }
}
