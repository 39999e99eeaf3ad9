//! The link to NATS JetStream: a thread of its own with NATS's client, a queue of orders to it, a queue of news from it,
//! and a descriptor that is readable while there are news.
//!
//! The client needs an async runtime, which the loop has not and does not wait for. One thread has it, and connects,
//! reads and publishes there; what goes between the two is bounded. It follows the contract of
//! [`Link`](super::link::Link) and decides nothing: whether a batch whose outcome is unknown is published again, and what
//! another stream means, is the loop's.

mod answer;
pub mod connection;
mod fit;
pub mod preflight;
mod queue;
mod reader;
mod session;
#[cfg(test)]
mod tests;

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc;

use self::queue::{Open, Queue};
use self::session::Sessions;
use super::engine::Engine;
use super::link::{Link, News, Order};
use crate::limits::CLUSTER_ORDERS_MAX;
use crate::random::Random;

#[derive(Debug)]
pub struct NatsLink {
    queue: Arc<Queue>,
    orders: mpsc::Sender<Order>,
}

impl NatsLink {
    /// Starts the thread, which connects. An error is what can be seen without a connection, such as a file that is not
    /// there.
    ///
    /// Signals that the server takes from a descriptor must be blocked already: the thread blocks those that its
    /// creator blocks.
    pub fn start(engine: Engine) -> Result<Self, String> {
        connection::check(&engine)?;
        let failed = |error: std::io::Error| format!("--cluster: {error}");
        let queue = Arc::new(Queue::new().map_err(failed)?);
        let random = Random::from_kernel().map_err(|error| format!("the kernel gave no random bytes: {error}"))?;
        let (orders, taken) = mpsc::channel(CLUSTER_ORDERS_MAX);
        let sessions = Sessions::new(Arc::new(engine), Arc::clone(&queue), taken, random);
        let end = Ended(Arc::clone(&queue));
        let thread = thread::Builder::new().name("uproar-cluster".to_owned());
        thread
            .spawn(move || {
                let _end = end;
                sessions.run();
            })
            .map_err(failed)?;
        Ok(Self { queue, orders })
    }
}

/// Has the loop told when the thread ends, whatever ends it.
struct Ended(Arc<Queue>);

impl Drop for Ended {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.push(News::Unfit { why: "the thread of the link has ended".to_owned() });
        }
    }
}

impl Link for NatsLink {
    fn has_room(&self) -> bool {
        self.queue.has_room()
    }

    fn order(&mut self, order: Order) {
        let has_room = self.has_room();
        self.queue.open(&order);
        let refused =
            if has_room { self.orders.try_send(order).err().map(|error| error.into_inner()) } else { Some(order) };
        if let Some(order) = refused {
            drop(Open::of(&self.queue, &order));
        }
    }

    fn news(&mut self) -> Option<News> {
        self.queue.next()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.queue.descriptor())
    }
}
