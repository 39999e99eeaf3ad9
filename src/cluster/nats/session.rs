//! The link from one connection to its end, and then the next: connect, look at what is there, read on, and carry out
//! orders.
//!
//! Whatever goes wrong ends the connection, also where only the stream has no leader: the next one looks at everything
//! anew, so there is one way back and not many. Each connection has a runtime of its own, and when that is dropped
//! nothing of it is left that could still be sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::client::Request;
use async_nats::{Client, HeaderMap};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::answer::{Appended, takes_away};
use super::connection::{Connection, Failure, Found, Troubles};
use super::queue::{Open, Queue};
use super::reader::{Behind, Reader, What};
use crate::cluster::engine::{ClusterName, Engine};
use crate::cluster::link::{News, Order, StreamState};
use crate::limits::{
    CLUSTER_ANSWER_WAIT, CLUSTER_PAUSE_MAX, CLUSTER_PAUSE_MIN, CLUSTER_SHORT_MAX, CLUSTER_STEADY_AFTER, WORD_BYTES_MAX,
};
use crate::random::Random;

/// What outlives a connection.
#[derive(Debug)]
pub struct Sessions {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    orders: mpsc::Receiver<Order>,
    random: Random,
    /// When the stream was made that was read last; `None` before the first.
    stream: Option<u64>,
    /// The last message of the stream that was given.
    last: Arc<AtomicU64>,
    /// Since when the stream has fewer messages than it gave.
    short_since: Option<Instant>,
    /// The pause before the next connection.
    pause: Duration,
    /// Why there is no connection, as the loop was told last.
    told: Option<String>,
}

/// How a connection ended.
#[derive(Debug)]
enum End {
    /// There is to be another. The time is that at which everything was found to fit, if it was.
    Failed(Failure, Option<Instant>),
    /// The link was dropped.
    Closed,
}

impl Sessions {
    pub fn new(engine: Arc<Engine>, queue: Arc<Queue>, orders: mpsc::Receiver<Order>, random: Random) -> Self {
        Self {
            engine,
            queue,
            orders,
            random,
            stream: None,
            last: Arc::default(),
            short_since: None,
            pause: Duration::ZERO,
            told: None,
        }
    }

    /// Connects again and again until the link is dropped.
    pub fn run(mut self) {
        loop {
            let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let end = match built {
                Ok(runtime) => {
                    let end = runtime.block_on(self.session());
                    // What is under way is answered as unknown. Look-ups of names may go on by themselves.
                    runtime.shutdown_background();
                    end
                }
                Err(error) => {
                    // Descriptors are short: orders wait for their answers meanwhile.
                    std::thread::sleep(CLUSTER_PAUSE_MAX);
                    End::Failed(Failure::Lost(format!("no runtime for a connection to NATS: {error}")), None)
                }
            };
            let (failure, since) = match end {
                End::Failed(failure, since) => (failure, since),
                End::Closed => return,
            };
            let why = match failure {
                Failure::Unfit(why) => return self.end(why),
                Failure::Denied(why) if self.stream.is_none() => return self.end(why),
                Failure::Denied(why) | Failure::Lost(why) => why,
            };
            if since.is_some() || self.told.as_ref() != Some(&why) {
                self.queue.push(News::Down { why: why.clone() });
                self.told = Some(why);
            }
            let is_steady = since.is_some_and(|since| since.elapsed() >= CLUSTER_STEADY_AFTER);
            self.pause = if is_steady { Duration::ZERO } else { next_pause(self.pause) };
        }
    }

    /// Says that it will never work, and answers orders until the link is dropped.
    fn end(mut self, why: String) {
        self.queue.push(News::Unfit { why });
        while let Some(order) = self.orders.blocking_recv() {
            drop(Open::of(&self.queue, &order));
        }
    }

    async fn session(&mut self) -> End {
        let third = u64::try_from(self.pause.as_millis() / 3).expect("pauses are short");
        let chance = Duration::from_millis(self.random.number() % (third + 1));
        let engine = Arc::clone(&self.engine);
        let pause = self.pause - chance;
        let connecting = async {
            sleep(pause).await;
            let (connection, mut troubles) = Connection::open(&engine).await?;
            // What is not allowed is not answered either, and is told here.
            let found = tokio::select! {
                found = connection.examine(&engine) => found?,
                trouble = next_trouble(&mut troubles) => return Err(trouble),
            };
            Ok((connection, troubles, found))
        };
        let (connection, troubles, found) = match self.answering_until(connecting).await {
            None => return End::Closed,
            Some(Err(failure)) => return End::Failed(failure, None),
            Some(Ok(connected)) => connected,
        };
        let queue = Arc::clone(&self.queue);
        if self.answering_until(queue.space()).await.is_none() {
            return End::Closed;
        }
        if self.is_short(&found.state()) {
            let why = "the stream has fewer messages than it had".to_owned();
            return End::Failed(Failure::Lost(why), None);
        }
        let since = Instant::now();
        match self.serve(connection, troubles, &found).await {
            None => End::Closed,
            Some(failure) => End::Failed(failure, Some(since)),
        }
    }

    /// Waits for something, and answers orders meanwhile as ones whose outcome is unknown. `None` when the link was
    /// dropped.
    async fn answering_until<T>(&mut self, something: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(something);
        loop {
            tokio::select! {
                done = &mut something => return Some(done),
                order = self.orders.recv() => drop(Open::of(&self.queue, &order?)),
            }
        }
    }

    /// Says what was found, and works until something fails. `None` when the link was dropped.
    async fn serve(&mut self, connection: Connection, mut troubles: Troubles, found: &Found) -> Option<Failure> {
        let mut words = match connection.client.subscribe(self.engine.name.words()).await {
            Ok(words) => words,
            Err(error) => return Some(Failure::Lost(error.to_string())),
        };
        self.take_up(found.state());
        let mut readers = self.start_readers(&connection, found);
        let mut requests = JoinSet::new();
        loop {
            tokio::select! {
                trouble = next_trouble(&mut troubles) => return Some(trouble),
                order = self.orders.recv() => {
                    let order = order?;
                    let open = Open::of(&self.queue, &order);
                    requests.spawn(carry_out(connection.client.clone(), self.engine.name.clone(), order, open));
                }
                Some(done) = requests.join_next() => {
                    if let Err(why) = done.unwrap_or_else(|error| Err(error.to_string())) {
                        return Some(Failure::Lost(why));
                    }
                }
                Some(ended) = readers.join_next() => {
                    return Some(Failure::Lost(ended.unwrap_or_else(|error| error.to_string())));
                }
                word = words.next() => match word {
                    None => return Some(Failure::Lost("the connection to NATS is lost".to_owned())),
                    Some(word) if word.payload.len() > WORD_BYTES_MAX => {}
                    Some(word) => self.queue.push_word(word.payload.into()),
                },
            }
        }
    }

    /// True when this is the stream of before and has not what it gave, which may still come back.
    fn is_short(&mut self, state: &StreamState) -> bool {
        if self.stream != Some(state.created) || state.last >= self.last.load(Ordering::Relaxed) {
            self.short_since = None;
            return false;
        }
        self.short_since.get_or_insert_with(Instant::now).elapsed() < CLUSTER_SHORT_MAX
    }

    /// Says that there is a connection, and goes on behind the last message that was given, if this is the stream of
    /// then, and otherwise from its start.
    fn take_up(&mut self, mut state: StreamState) {
        let created = self.stream.replace(state.created).unwrap_or_default();
        self.told = None;
        let before = state.first - 1;
        let last = self.last.load(Ordering::Relaxed);
        if created == state.created && last > state.last {
            // It has lost its end, and gives these numbers to other messages. So it is not the stream of then.
            state.created += 1;
        }
        self.queue.push(News::Up(state));
        if created != state.created {
            self.last.store(before, Ordering::Relaxed);
        } else if last < before {
            self.queue.push(News::Lost { first: last + 1, last: before });
            self.last.store(before, Ordering::Relaxed);
        }
    }

    fn start_readers(&self, connection: &Connection, found: &Found) -> JoinSet<String> {
        let behind = Arc::new(Behind::readers(2));
        let name = &self.engine.name;
        let mut readers = JoinSet::new();
        for (what, stream, prefix, last, info) in [
            // All entries come again with each connection: what does not is gone.
            (What::Store, name.store(), name.key_prefix(), Arc::default(), &found.store),
            (What::Rooms, name.stream(), name.room_prefix(), Arc::clone(&self.last), &found.stream),
        ] {
            let reader = Reader {
                what,
                client: connection.client.clone(),
                context: connection.context.clone(),
                queue: Arc::clone(&self.queue),
                stream,
                prefix,
                last,
                until: info.state.last_sequence,
                behind: Arc::clone(&behind),
            };
            readers.spawn(reader.run());
        }
        readers
    }
}

async fn next_trouble(troubles: &mut Troubles) -> Failure {
    troubles.recv().await.unwrap_or_else(|| Failure::Lost("the connection to NATS is lost".to_owned()))
}

/// Twice as long as the last one.
fn next_pause(pause: Duration) -> Duration {
    (pause * 2).clamp(CLUSTER_PAUSE_MIN, CLUSTER_PAUSE_MAX)
}

/// Carries out an order with one attempt. An error is why the connection, or the stream, does not do any more.
async fn carry_out(client: Client, name: ClusterName, order: Order, open: Open) -> Result<(), String> {
    match order {
        Order::Publish { room, id, bytes } => {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", id.to_string());
            headers.insert("Nats-Expected-Stream", name.stream());
            let subject = format!("{}{}", name.room_prefix(), room.as_str());
            let appended = append(&client, subject, headers, bytes).await;
            open.published(appended.published());
            not_unknown(appended)
        }
        Order::Store { key, bytes, expected } => {
            let appended = change(&client, &name, &key, bytes, expected).await;
            open.stored(appended.stored());
            not_unknown(appended)
        }
        Order::Tell { bytes } => {
            // It fails only when the connection ends, which is told elsewhere.
            let _ = client.publish(name.words(), bytes.into()).await;
            Ok(())
        }
    }
}

fn not_unknown(appended: Appended) -> Result<(), String> {
    match appended {
        Appended::Unknown(why) => Err(why),
        _ => Ok(()),
    }
}

/// Has a stream take a message.
async fn append(client: &Client, subject: String, headers: HeaderMap, bytes: Vec<u8>) -> Appended {
    let request = Request::new().headers(headers).payload(bytes.into()).timeout(Some(CLUSTER_ANSWER_WAIT));
    Appended::of(client.send_request(subject, request).await)
}

/// Changes an entry of the store if its revision is `expected`. An entry that was taken away has left a message, so that
/// others hear of it; for whoever expects none, that message's number is what is expected.
async fn change(client: &Client, name: &ClusterName, key: &str, bytes: Option<Vec<u8>>, expected: u64) -> Appended {
    let subject = format!("{}{key}", name.key_prefix());
    let headers = |expected: u64| {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", expected.to_string());
        headers.insert("Nats-Expected-Stream", name.store());
        if bytes.is_none() {
            headers.insert("KV-Operation", "DEL");
        }
        headers
    };
    let content = bytes.clone().unwrap_or_default();
    let appended = append(client, subject.clone(), headers(expected), content.clone()).await;
    if expected != 0 || !matches!(appended, Appended::Conflict) {
        return appended;
    }
    let store = async_nats::jetstream::new(client.clone()).get_stream_no_info(name.store()).await;
    let Ok(store) = store else { return appended };
    match store.get_last_raw_message_by_subject(&subject).await {
        Ok(last) if takes_away(Some(&last.headers)) => append(client, subject, headers(last.sequence), content).await,
        Ok(_) => appended,
        Err(error) => Appended::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest() {
        let mut pause = Duration::ZERO;
        let pauses: Vec<u128> = (0..7)
            .map(|_| {
                pause = next_pause(pause);
                pause.as_millis()
            })
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000]);
    }
}
