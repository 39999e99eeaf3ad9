//! What the engine does with an order that has come to it.

use super::{Batch, Stream, What};
use crate::cluster::link::{BatchId, News, Order, Published, Stored};
use crate::names::RoomName;

/// Largest batch, as of a real engine's default.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// A value of the store. One that was taken away has a revision too.
#[derive(Clone, Debug)]
pub struct Entry {
    pub bytes: Option<Vec<u8>>,
    pub revision: u64,
}

impl Stream {
    pub(super) fn arrive(&mut self, client: usize, order: Order, is_answered: bool) {
        // What a node sent before its end may still come.
        let is_here = self.clients[client].is_here;
        if !self.is_there || (is_here && !self.clients[client].is_reachable) {
            if is_answered {
                self.leave_unknown(client, &order);
            }
            return;
        }
        let news = match order {
            Order::Publish { room, id, bytes } => News::Published { id, outcome: self.publish(room, id, bytes) },
            Order::Store { key, bytes, expected } => {
                let outcome = self.store(&key, bytes, expected);
                News::Stored { key, outcome }
            }
            Order::Tell { bytes } => return self.tell(client, &bytes),
        };
        if is_answered {
            if self.draw.chance(self.faults.lose_answer) {
                let patience = self.patience();
                return self.schedule(patience, What::Answer { client, news: unknown(news) });
            }
            let latency = self.latency();
            self.schedule(latency, What::Answer { client, news });
        }
    }

    fn publish(&mut self, room: RoomName, id: BatchId, bytes: Vec<u8>) -> Published {
        if bytes.len() > BATCH_BYTES_MAX {
            return Published::Refused { why: "maximum payload exceeded".to_owned() };
        }
        let window = self.settings.duplicate_window.as_nanos() as u64;
        if let Some((sequence, at)) = self.known.get(&id) {
            if self.now - at < window {
                self.counts.known_again += 1;
                return Published::Stored { sequence: *sequence };
            }
            self.counts.stored_again += 1;
        }
        let sequence = self.last() + 1;
        self.known.insert(id, (sequence, self.now));
        self.batches.push(Batch { sequence, time: self.time(), room, id, bytes });
        let kept = sequence + 1 - self.first;
        self.forget(kept.saturating_sub(self.settings.batches_max));
        self.feed_all();
        Published::Stored { sequence }
    }

    fn store(&mut self, key: &str, bytes: Option<Vec<u8>>, expected: u64) -> Stored {
        // A key that was taken away has no value, and its revision is as good as none.
        let entry = self.entries.get(key);
        let revision = entry.map_or(0, |entry| entry.revision);
        let is_expected = expected == revision || (expected == 0 && entry.is_none_or(|entry| entry.bytes.is_none()));
        if !is_expected {
            self.counts.conflicts += 1;
            return Stored::Conflict;
        }
        self.revision += 1;
        self.entries.insert(key.to_owned(), Entry { bytes, revision: self.revision });
        self.feed_all();
        Stored::Done { revision: self.revision }
    }

    fn tell(&mut self, from: usize, bytes: &[u8]) {
        for client in 0..self.clients.len() {
            if client == from || !self.is_connected(client) {
                continue;
            }
            self.counts.words += 1;
            let times = 1 + usize::from(self.draw.chance(self.faults.repeat_word));
            for _ in 0..times {
                if self.draw.chance(self.faults.lose_word) {
                    self.counts.words_lost += 1;
                    continue;
                }
                let mut latency = self.latency();
                if self.draw.chance(self.faults.late_word) {
                    latency += self.patience();
                }
                self.schedule(latency, What::Hear { client, bytes: bytes.to_vec() });
            }
        }
    }
}

/// The same answer, of which only is known that there is none.
pub fn unknown(news: News) -> News {
    match news {
        News::Published { id, .. } => News::Published { id, outcome: Published::Unknown },
        News::Stored { key, .. } => News::Stored { key, outcome: Stored::Unknown },
        other => unreachable!("{other:?} is no answer"),
    }
}
