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
    CLUSTER_NEWS_BYTES_MAX, CLUSTER_NEWS_MAX, CLUSTER_ORDERS_BYTES_MAX, CLUSTER_ORDERS_MAX, CLUSTER_WORDS_BYTES_MAX,
    CLUSTER_WORDS_MAX,
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
    /// Bytes of `news`, words aside.
    bytes: usize,
    /// [`News::Told`] in `news`, and their bytes.
    words: usize,
    word_bytes: usize,
    /// Open orders, and their bytes.
    orders: usize,
    order_bytes: usize,
}

impl Inner {
    fn has_space(&self) -> bool {
        self.news.len() - self.words < CLUSTER_NEWS_MAX && self.bytes < CLUSTER_NEWS_BYTES_MAX
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
        let had_space = inner.has_space();
        let Some(news) = inner.news.pop_front() else {
            // It fails only when nothing was written, and then there is nothing to clear.
            let _ = rustix::io::read(&self.eventfd, &mut [0; 8]);
            return None;
        };
        inner.bytes -= news_bytes(&news);
        match news {
            News::Told { ref bytes } => {
                inner.words -= 1;
                inner.word_bytes -= bytes.len();
            }
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
        if inner.words < CLUSTER_WORDS_MAX && inner.word_bytes < CLUSTER_WORDS_BYTES_MAX {
            inner.words += 1;
            inner.word_bytes += bytes.len();
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
        News::Record { bytes, .. } => bytes.len(),
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

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;
    use crate::cluster::link::NodeId;
    use crate::limits::{CLUSTER_BATCH_BYTES_MAX, WORD_BYTES_MAX};
    use crate::names::RoomName;
    use crate::time::UnixTime;

    fn queue() -> Arc<Queue> {
        Arc::new(Queue::new().expect("eventfd(2) is there"))
    }

    fn is_readable(queue: &Queue) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&queue.descriptor(), PollFlags::IN)], Some(&now)).expect("it can be polled") == 1
    }

    fn record(sequence: u64, bytes: usize) -> News {
        let room = RoomName::parse("lobby").expect("it is a name");
        News::Record { sequence, time: UnixTime(0), room, bytes: vec![b'x'; bytes] }
    }

    fn publish(number: u64, bytes: usize) -> Order {
        let room = RoomName::parse("lobby").expect("it is a name");
        Order::Publish { room, id: BatchId { node: NodeId(1), number }, bytes: vec![b'x'; bytes] }
    }

    /// Whether there is space for news.
    fn has_space(queue: &Queue) -> bool {
        let space = std::pin::pin!(queue.space());
        matches!(space.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
    }

    #[test]
    fn the_descriptor_is_readable_until_no_news_were_found() {
        let queue = queue();
        assert!(!is_readable(&queue));
        for _ in 0..2 {
            queue.push(record(1, 1));
            queue.push(record(2, 1));
            assert!(is_readable(&queue));
            assert!(queue.next().is_some() && queue.next().is_some());
            assert!(is_readable(&queue), "nobody has found that there are none");
            assert_eq!(queue.next(), None);
            assert!(!is_readable(&queue));
        }
    }

    #[test]
    fn news_wait_for_space_in_number_and_in_bytes() {
        let queue = queue();
        (0..CLUSTER_NEWS_MAX as u64).for_each(|sequence| {
            assert!(has_space(&queue));
            queue.push(record(sequence, 1));
        });
        assert!(!has_space(&queue));
        queue.next();
        assert!(has_space(&queue));
        while queue.next().is_some() {}
        let count = CLUSTER_NEWS_BYTES_MAX / CLUSTER_BATCH_BYTES_MAX;
        (0..count as u64).for_each(|sequence| queue.push(record(sequence, CLUSTER_BATCH_BYTES_MAX)));
        assert!(!has_space(&queue));
        queue.next();
        assert!(has_space(&queue));
    }

    #[test]
    fn who_waits_for_space_is_told() {
        let queue = queue();
        (0..CLUSTER_NEWS_MAX as u64).for_each(|sequence| queue.push(record(sequence, 1)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let waits = Arc::clone(&queue);
        let waiter = std::thread::spawn(move || runtime.block_on(waits.space()));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!waiter.is_finished());
        queue.next();
        waiter.join().expect("it was told");
    }

    #[test]
    fn an_order_is_open_until_its_answer_was_taken() {
        let queue = queue();
        let mut open = Vec::new();
        for number in 0..CLUSTER_ORDERS_MAX as u64 {
            assert!(queue.has_room());
            let order = publish(number, 1);
            queue.open(&order);
            open.push(Open::of(&queue, &order));
        }
        assert!(!queue.has_room());
        open.pop().expect("it is open").published(Published::Stored { sequence: 7 });
        assert!(!queue.has_room(), "the loop does not know it");
        assert!(matches!(queue.next(), Some(News::Published { outcome: Published::Stored { sequence: 7 }, .. })));
        assert!(queue.has_room());
        // What ends without an answer has one.
        open.clear();
        let answers = std::iter::from_fn(|| queue.next());
        let unknown = |news: &News| matches!(news, News::Published { outcome: Published::Unknown, .. });
        assert_eq!(answers.filter(unknown).count(), CLUSTER_ORDERS_MAX - 1);
    }

    #[test]
    fn bytes_of_orders_are_bounded_and_a_word_has_no_answer() {
        let queue = queue();
        let order = publish(1, CLUSTER_ORDERS_BYTES_MAX);
        queue.open(&order);
        let open = Open::of(&queue, &order);
        assert!(!queue.has_room());
        drop(open);
        assert!(queue.has_room() && queue.next().is_some());
        let word = Order::Tell { bytes: vec![0; CLUSTER_ORDERS_BYTES_MAX] };
        queue.open(&word);
        let open = Open::of(&queue, &word);
        assert!(!queue.has_room());
        drop(open);
        assert!(queue.has_room());
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn words_are_dropped_when_many_wait_and_hold_back_nothing_else() {
        let queue = queue();
        (0..2 * CLUSTER_WORDS_MAX).for_each(|_| queue.push_word(vec![b'x']));
        assert_eq!(std::iter::from_fn(|| queue.next()).count(), CLUSTER_WORDS_MAX);
        (0..100).for_each(|_| queue.push_word(vec![b'x'; WORD_BYTES_MAX]));
        assert!(has_space(&queue), "the stream is read on");
        let taken = std::iter::from_fn(|| queue.next()).count();
        assert!((1..=CLUSTER_WORDS_BYTES_MAX / WORD_BYTES_MAX + 1).contains(&taken), "{taken}");
        queue.push_word(Vec::new());
        assert_eq!(queue.next(), Some(News::Told { bytes: Vec::new() }));
    }
}
