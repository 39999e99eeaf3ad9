//! What goes between the loop and the thread of the link: news, which the loop takes without waiting, and the count of
//! orders that are open. Both are bounded.
//!
//! 1. The descriptor is readable from the moment in which news are there until the loop has found none.
//! 2. What is read of the stream and the store waits for space, so that nothing more is read. Answers to orders never
//!    wait: there are no more of them than open orders.
//! 3. An order is open from when it is taken until the loop has taken its answer, or, where it has none, until the
//!    thread is done with it.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::Notify;

use crate::cluster::link::{BatchId, News, Order, Published, Stored};
use crate::limits::{
    CLUSTER_NEWS_BYTES_MAX, CLUSTER_NEWS_MAX, CLUSTER_ORDERS_BYTES_MAX, CLUSTER_ORDERS_MAX, CLUSTER_WORDS_MAX,
};

#[derive(Debug)]
pub struct Queue {
    inner: Mutex<Inner>,
    eventfd: OwnedFd,
    /// Those that wait until there is space for news.
    space: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    news: VecDeque<News>,
    /// Bytes of `news`.
    bytes: usize,
    /// [`News::Told`] in `news`.
    words: usize,
    /// Open orders, and their bytes.
    orders: usize,
    order_bytes: usize,
}

impl Inner {
    fn has_space(&self) -> bool {
        self.news.len() < CLUSTER_NEWS_MAX && self.bytes < CLUSTER_NEWS_BYTES_MAX
    }
}

impl Queue {
    pub fn new() -> std::io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { inner: Mutex::default(), eventfd, space: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no thread panics while it has the lock")
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }

    /// True when another order is taken.
    pub fn has_room(&self) -> bool {
        let inner = self.lock();
        inner.orders < CLUSTER_ORDERS_MAX && inner.order_bytes < CLUSTER_ORDERS_BYTES_MAX
    }

    /// Counts an order as open.
    pub fn open(&self, order: &Order) {
        let mut inner = self.lock();
        inner.orders += 1;
        inner.order_bytes += order_bytes(order);
    }

    /// Counts an order without an answer as done.
    fn close(&self, bytes: usize) {
        let mut inner = self.lock();
        inner.orders -= 1;
        inner.order_bytes -= bytes;
    }

    /// The next piece of news, for the loop.
    pub fn next(&self) -> Option<News> {
        let mut inner = self.lock();
        let Some(news) = inner.news.pop_front() else {
            // It fails only when nothing was written, and then there is nothing to clear.
            let _ = rustix::io::read(&self.eventfd, &mut [0; 8]);
            return None;
        };
        let had_space = inner.has_space() && inner.news.len() + 1 < CLUSTER_NEWS_MAX;
        inner.bytes -= news_bytes(&news);
        match news {
            News::Told { .. } => inner.words -= 1,
            News::Published { .. } | News::Stored { .. } => inner.orders -= 1,
            _ => {}
        }
        let has_space = inner.has_space();
        drop(inner);
        if has_space && !had_space {
            self.space.notify_waiters();
        }
        Some(news)
    }

    /// Adds a piece of news, also when there is no space.
    pub fn push(&self, news: News) {
        let mut inner = self.lock();
        self.push_to(&mut inner, news);
    }

    fn push_to(&self, inner: &mut Inner, news: News) {
        if inner.news.is_empty() {
            // It fails only when the count would overflow, and then the descriptor is readable.
            let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());
        }
        inner.bytes += news_bytes(&news);
        inner.news.push_back(news);
    }

    /// Adds a word, or drops it when many wait.
    pub fn push_word(&self, bytes: Vec<u8>) {
        let mut inner = self.lock();
        if inner.words < CLUSTER_WORDS_MAX {
            inner.words += 1;
            self.push_to(&mut inner, News::Told { bytes });
        }
    }

    /// Returns when there is space for news.
    pub async fn space(&self) {
        loop {
            let told = self.space.notified();
            if self.lock().has_space() {
                return;
            }
            told.await;
        }
    }
}

/// What an order has of the memory of the queue.
fn order_bytes(order: &Order) -> usize {
    match order {
        Order::Publish { bytes, .. } | Order::Tell { bytes } => bytes.len(),
        Order::Store { key, bytes, .. } => key.len() + bytes.as_ref().map_or(0, Vec::len),
    }
}

fn news_bytes(news: &News) -> usize {
    match news {
        News::Record { bytes, .. } | News::Told { bytes } => bytes.len(),
        News::Entry { key, bytes, .. } => key.len() + bytes.as_ref().map_or(0, Vec::len),
        _ => 0,
    }
}

/// An order that the thread has. Dropped before it was answered, it is answered as one whose outcome is unknown, so
/// whatever ends, each order has its answer.
#[derive(Debug)]
pub struct Open {
    queue: Arc<Queue>,
    bytes: usize,
    asked: Asked,
}

/// What is to be answered.
#[derive(Debug)]
enum Asked {
    Publish(BatchId),
    Store(String),
    /// It has no answer.
    Tell,
    Answered,
}

impl Open {
    pub fn of(queue: &Arc<Queue>, order: &Order) -> Self {
        let asked = match order {
            Order::Publish { id, .. } => Asked::Publish(*id),
            Order::Store { key, .. } => Asked::Store(key.clone()),
            Order::Tell { .. } => Asked::Tell,
        };
        Self { queue: Arc::clone(queue), bytes: order_bytes(order), asked }
    }

    pub fn published(mut self, outcome: Published) {
        self.answer(Some(outcome), None);
    }

    pub fn stored(mut self, outcome: Stored) {
        self.answer(None, Some(outcome));
    }

    fn answer(&mut self, published: Option<Published>, stored: Option<Stored>) {
        let news = match std::mem::replace(&mut self.asked, Asked::Answered) {
            Asked::Publish(id) => News::Published { id, outcome: published.unwrap_or(Published::Unknown) },
            Asked::Store(key) => News::Stored { key, outcome: stored.unwrap_or(Stored::Unknown) },
            Asked::Tell => return self.queue.close(self.bytes),
            Asked::Answered => return,
        };
        let mut inner = self.queue.lock();
        inner.order_bytes -= self.bytes;
        self.queue.push_to(&mut inner, news);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.answer(None, None);
    }
}
