//! What the stream says of each room: the one order, worked out without the server's code.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use super::talkers::ROOMS;
use crate::sim::stream::Stream;

/// Stands for the room of an announcement.
pub const EVERY_ROOM: &str = "*";

/// A line that is like no other of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its author, and the number of its line.
    pub author: Author,
    pub line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author {
    pub node: usize,
    pub peer: usize,
}

impl Key {
    /// Of a text that begins with a key.
    pub fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').next()?.split('.').map(|part| part.parse().ok());
        let (node, peer, line) = (numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(Self { author: Author { node, peer }, line })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.author.node, self.author.peer, self.line)
    }
}

/// A message of a room.
#[derive(Clone, Debug)]
pub struct Said {
    pub sequence: u64,
    /// Its number in the cluster.
    pub number: u64,
    pub key: Key,
    pub kind: String,
    pub text: String,
}

impl Said {
    /// An announcement is said in every room, and to its author too.
    pub fn is_announcement(&self) -> bool {
        self.kind == "announcement"
    }
}

/// The messages of all rooms, each in its order.
#[derive(Debug, Default)]
pub struct Order {
    rooms: HashMap<String, Vec<Said>>,
    /// Batches that the stream has twice.
    pub repeats: u64,
}

impl Order {
    pub fn of(stream: &Stream) -> Self {
        let mut order = Self::default();
        let mut last: HashMap<(String, String), u64> = HashMap::new();
        for batch in stream.batches() {
            let text = str::from_utf8(&batch.bytes).expect("a batch is text");
            let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is an object"));
            let head = lines.next().expect("a batch has a head");
            let node = head["node"].as_str().expect("it names its node");
            let number = head["batch"].as_u64().expect("it has a number");
            assert_eq!(node, batch.id.node.to_string(), "it is what it was published as");
            if number == 0 {
                assert_eq!(lines.count(), 0, "a look has no records");
                continue;
            }
            assert_eq!(number, batch.id.number, "it is what it was published as");
            let room = batch.room.as_str();
            assert_eq!(room, room.to_lowercase(), "a room's name in a cluster is in lower case");
            let last = last.entry((room.to_owned(), node.to_owned())).or_default();
            if number <= *last {
                order.repeats += 1;
                continue;
            }
            *last = number;
            let said = lines.enumerate().filter_map(|(place, record)| {
                let kind = record["k"].as_str().expect("a record has a kind").to_owned();
                let text = record["text"].as_str()?.to_owned();
                let key = Key::read(&text)?;
                Some(Said { sequence: batch.sequence, number: batch.sequence << 12 | place as u64, key, kind, text })
            });
            order.rooms.entry(room.to_owned()).or_default().extend(said);
        }
        // What is announced is said in every room.
        let everywhere = order.rooms.values().flatten().filter(|said| said.is_announcement()).cloned();
        let everywhere: Vec<Said> = everywhere.collect();
        for room in ROOMS {
            let said = order.rooms.entry(room.to_owned()).or_default();
            said.retain(|said| !said.is_announcement());
            said.extend(everywhere.iter().cloned());
            said.sort_by_key(|said| said.number);
        }
        order
    }

    pub fn room(&self, room: &str) -> &[Said] {
        self.rooms.get(room).map_or(&[], Vec::as_slice)
    }

    /// What an author has said, in the order of the stream, each with its room.
    pub fn by(&self, author: Author) -> Vec<(&str, &Said)> {
        let all = self.rooms.iter().flat_map(|(room, said)| said.iter().map(move |said| (room.as_str(), said)));
        let by = all.filter(|(_, said)| said.key.author == author);
        let room = |room, said: &Said| if said.is_announcement() { EVERY_ROOM } else { room };
        let mut by: Vec<_> = by.map(|(name, said)| (room(name, said), said)).collect();
        by.sort_by_key(|(_, said)| said.number);
        by.dedup_by_key(|(_, said)| said.number);
        by
    }

    pub fn messages(&self) -> usize {
        self.rooms.values().map(Vec::len).sum()
    }
}
