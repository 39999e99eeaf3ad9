//! Reads a stream of NATS in its order, from a place on, without gaps and repeats: messages of the rooms, or entries of
//! the store.
//!
//! A consumer of NATS lives in the memory of one server, and may be gone without a word. So it is asked for some messages
//! at a time, says every second that it is alive, and is made anew behind the last message that was given when it is
//! silent, when it says that it is gone, and when its own count has a gap. What it was not asked for is not sent: a loop
//! that takes no news holds back the server, not this process's memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, Message};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::answer::{Arrival, takes_away};
use super::queue::Queue;
use crate::cluster::link::News;
use crate::limits::{
    CLUSTER_FETCH_MAX, CLUSTER_FETCH_WAIT, CLUSTER_HEARTBEAT, CLUSTER_LAG_INTERVAL, CLUSTER_PAUSE_MIN,
    CLUSTER_SILENCE_MAX,
};
use crate::names::RoomName;
use crate::time::UnixTime;

/// Consumers that are made one after the other without a word from any, before the connection counts as lost.
const SILENT_CONSUMERS_MAX: u32 = 2;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Batches of the rooms, each of which matters.
    Rooms,
    /// Entries of the store, of which the last one of a key matters.
    Store,
}

/// How many readers have not given everything that there was when they began.
#[derive(Debug)]
pub struct Behind(AtomicUsize);

impl Behind {
    pub fn readers(count: usize) -> Self {
        Self(AtomicUsize::new(count))
    }
}

#[derive(Debug)]
pub struct Reader {
    pub what: What,
    pub client: Client,
    pub context: Context,
    pub queue: Arc<Queue>,
    /// The stream's name, and what its subjects begin with.
    pub stream: String,
    pub prefix: String,
    /// The sequence of the last message that was given, or needs not be.
    pub last: Arc<AtomicU64>,
    /// The stream's last one when the connection was made.
    pub until: u64,
    pub behind: Arc<Behind>,
}

/// Why a consumer is not read on.
enum Stopped {
    /// Another one is made.
    Anew(String),
    Lost(String),
}

/// One consumer, as it is read.
struct Consumer {
    /// The number that its next message has with it.
    next: u64,
    /// Messages that it may send before it is asked again.
    owed: usize,
    /// False until it has said something.
    has_spoken: bool,
}

impl Reader {
    /// Reads until the connection is lost, or counts as lost, and says why.
    pub async fn run(mut self) -> String {
        let mut told = Lag::default();
        let mut is_behind = true;
        let mut silent = 0;
        loop {
            let mut consumer = Consumer { next: 1, owed: 0, has_spoken: false };
            let why = match self.read(&mut consumer, &mut is_behind, &mut told).await {
                Stopped::Lost(why) => return why,
                Stopped::Anew(why) => why,
            };
            silent = if consumer.has_spoken { 0 } else { silent + 1 };
            if silent >= SILENT_CONSUMERS_MAX {
                return why;
            }
            sleep(CLUSTER_PAUSE_MIN).await;
        }
    }

    async fn read(&mut self, consumer: &mut Consumer, is_behind: &mut bool, told: &mut Lag) -> Stopped {
        let (name, pending) = match self.make().await {
            Ok(made) => made,
            Err(why) => return Stopped::Lost(why),
        };
        if pending == 0 {
            self.caught_up(is_behind);
        }
        let inbox = self.client.new_inbox();
        let mut messages = match self.client.subscribe(inbox.clone()).await {
            Ok(messages) => messages,
            Err(error) => return Stopped::Lost(error.to_string()),
        };
        let stopped = loop {
            self.queue.space().await;
            if consumer.owed <= CLUSTER_FETCH_MAX / 2 {
                if let Err(error) = self.ask(&name, &inbox, CLUSTER_FETCH_MAX - consumer.owed).await {
                    break Stopped::Lost(error);
                }
                consumer.owed = CLUSTER_FETCH_MAX;
            }
            let message = match timeout(CLUSTER_SILENCE_MAX, messages.next()).await {
                Err(_) => break Stopped::Anew("NATS is silent".to_owned()),
                Ok(None) => break Stopped::Lost("the connection is gone".to_owned()),
                Ok(Some(message)) => message,
            };
            match Arrival::of(&message) {
                Arrival::Heartbeat => self.tell_lag(told, None),
                Arrival::Ended(left) => {
                    let left = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(consumer.owed);
                    consumer.owed = consumer.owed.saturating_sub(left);
                }
                Arrival::Gone(why) => break Stopped::Anew(format!("a consumer is gone: {why}")),
                Arrival::Message => {
                    consumer.owed = consumer.owed.saturating_sub(1);
                    let Some(pending) = self.take(consumer, message) else {
                        break Stopped::Anew("a message is missing".to_owned());
                    };
                    if pending == 0 || self.last.load(Ordering::Relaxed) >= self.until {
                        self.caught_up(is_behind);
                    }
                    self.tell_lag(told, Some(pending));
                }
            }
            consumer.has_spoken = true;
        };
        // Where this does not arrive the server removes it by itself after a while.
        let gone = format!("$JS.API.CONSUMER.DELETE.{}.{name}", self.stream);
        let _ = self.client.publish(gone, Default::default()).await;
        stopped
    }

    /// Makes a consumer for what comes behind the last message that was given. Returns its name, and how many messages
    /// it has.
    async fn make(&self) -> Result<(String, u64), String> {
        let last = self.last.load(Ordering::Relaxed);
        let deliver_policy = match self.what {
            What::Store if last == 0 => DeliverPolicy::LastPerSubject,
            _ => DeliverPolicy::ByStartSequence { start_sequence: last + 1 },
        };
        let config = pull::Config {
            deliver_policy,
            ack_policy: AckPolicy::None,
            replay_policy: ReplayPolicy::Instant,
            inactive_threshold: CLUSTER_FETCH_WAIT,
            num_replicas: 1,
            memory_storage: true,
            filter_subject: format!("{}{}", self.prefix, if self.what == What::Rooms { "*" } else { ">" }),
            ..pull::Config::default()
        };
        let made = self.context.create_consumer_on_stream(config, &self.stream).await;
        let consumer = made.map_err(|error| format!("no consumer can be made: {error}"))?;
        let info = consumer.cached_info();
        Ok((info.name.clone(), info.num_pending))
    }

    /// Asks for `count` messages more.
    async fn ask(&self, name: &str, inbox: &str, count: usize) -> Result<(), String> {
        let request = serde_json::json!({
            "batch": count,
            "expires": CLUSTER_FETCH_WAIT.as_nanos() as u64,
            "idle_heartbeat": CLUSTER_HEARTBEAT.as_nanos() as u64,
        });
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{name}", self.stream);
        let sent = self.client.publish_with_reply(subject, inbox.to_owned(), request.to_string().into()).await;
        sent.map_err(|error| error.to_string())
    }

    /// Gives a message to the loop. Returns how many there are behind it; `None` when it is not the next one of its
    /// consumer.
    fn take(&self, consumer: &mut Consumer, message: Message) -> Option<u64> {
        let message = jetstream::Message { message, context: self.context.clone() };
        let info = message.info().ok()?;
        if info.consumer_sequence != consumer.next {
            return None;
        }
        consumer.next += 1;
        let (sequence, pending) = (info.stream_sequence, info.pending);
        let milliseconds = info.published.unix_timestamp_nanos() / 1_000_000;
        let time = UnixTime(u64::try_from(milliseconds).unwrap_or(0));
        let last = self.last.load(Ordering::Relaxed);
        if sequence <= last {
            return Some(pending);
        }
        let jetstream::Message { message, .. } = message;
        match self.what {
            What::Rooms => {
                // The consumer has missed nothing, so the stream does not have what is missing.
                if sequence > last + 1 {
                    self.queue.push(News::Lost { first: last + 1, last: sequence - 1 });
                }
                let room = message.subject.strip_prefix(&self.prefix).and_then(RoomName::parse);
                // What is not a room's was put there by somebody else.
                if let Some(room) = room {
                    self.queue.push(News::Record { sequence, time, room, bytes: message.payload.into() });
                }
            }
            What::Store => {
                let is_gone = takes_away(message.headers.as_ref());
                if let Some(key) = message.subject.strip_prefix(&self.prefix) {
                    let bytes = (!is_gone).then(|| message.payload.to_vec());
                    self.queue.push(News::Entry { key: key.to_owned(), bytes, revision: sequence });
                }
            }
        }
        self.last.store(sequence, Ordering::Relaxed);
        Some(pending)
    }

    /// Everything that there was when the connection was made is given.
    fn caught_up(&self, is_behind: &mut bool) {
        if std::mem::take(is_behind) && self.behind.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.queue.push(News::CaughtUp);
        }
    }

    /// Tells the loop now and then how far it is behind; `None` stands for not at all.
    fn tell_lag(&self, told: &mut Lag, pending: Option<u64>) {
        let now = Instant::now();
        let is_early = told.at.is_some_and(|at| now < at + CLUSTER_LAG_INTERVAL);
        let batches = pending.unwrap_or(0);
        if self.what == What::Rooms && !is_early && batches != told.batches {
            *told = Lag { batches, at: Some(now) };
            self.queue.push(News::Lag { batches });
        }
    }
}

/// What the loop was told of how far it is behind, and when.
#[derive(Default)]
struct Lag {
    batches: u64,
    at: Option<Instant>,
}
