//! What was said in each room: the lines of its log of text, read after each turn, with the numbers, times and authors
//! that the log has of them.
//!
//! A room is a name and an epoch. A line that was said and forgotten within one turn was sent to nobody; such an epoch is
//! marked, because its later lines cannot be told apart from those.

use std::collections::HashMap;

use super::Line;
use crate::io::Io;
use crate::message::Kind;
use crate::outlet::Outlet;
use crate::room::Room;
use crate::room::feed::Feed;
use crate::room::log::Position;
use crate::server::Server;

/// A line of a room.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its own number, or that of the last numbered line before it.
    pub number: u64,
    pub kind: Kind,
    pub author: Option<u64>,
    /// Unix time in milliseconds.
    pub time: u64,
    /// As the text format has it, with its line feed.
    pub line: Line,
}

impl Said {
    pub fn is_numbered(&self) -> bool {
        matches!(self.kind, Kind::Line | Kind::Action | Kind::Topic | Kind::Announcement)
    }
}

/// A room, from when it was made until it was freed.
#[derive(Clone, Debug)]
pub struct Epoch {
    pub name: String,
    pub id: u64,
    pub said: Vec<Said>,
    /// Where in `said` each numbered line is.
    pub numbered: Vec<usize>,
    /// The turns after which it was seen first and last.
    pub first: usize,
    pub last: usize,
    /// True when it was there at the end.
    pub is_open: bool,
    /// Lines that were said and forgotten within a turn.
    pub torn: bool,
    /// How many of `said` the logs of text and of JSON had forgotten in the end.
    pub forgotten: [usize; 2],
    /// Turns after which there were more lines than before, and how many.
    lengths: Vec<(usize, usize)>,
    /// Where each line began.
    starts: Vec<Position>,
    head: Position,
    /// The tail of the log of JSON, as it was seen last.
    json_tail: Option<Position>,
}

impl Epoch {
    fn new(room: &Room, turn: usize) -> Self {
        Self {
            name: room.name().to_string(),
            id: room.epoch().0,
            said: Vec::new(),
            numbered: Vec::new(),
            first: turn,
            last: turn,
            is_open: true,
            torn: false,
            forgotten: [0, 0],
            lengths: Vec::new(),
            starts: Vec::new(),
            head: Position::default(),
            json_tail: None,
        }
    }

    fn read(&mut self, room: &Room, turn: usize) {
        self.last = turn;
        let log = room.text();
        let before = self.said.len();
        if log.tail() > self.head {
            self.torn = true;
            self.head = log.tail();
        }
        if log.head() > self.head {
            for (number, entry, line) in log.messages_from(self.head) {
                let said = Said {
                    number,
                    kind: entry.kind,
                    author: entry.author.map(|author| author.0),
                    time: entry.time.0,
                    line: line.to_vec(),
                };
                if said.is_numbered() {
                    let next = self.numbered.len() as u64 + 1;
                    assert!(self.torn || number == next, "{} has number {number} where {next} is next", self.name);
                    self.numbered.push(self.said.len());
                }
                self.starts.push(self.head);
                self.head = self.head + line.len();
                self.said.push(said);
            }
        }
        if self.said.len() > before {
            self.lengths.push((turn, self.said.len()));
        }
        self.forgotten[0] = self.starts.partition_point(|start| *start < log.tail());
        let json = room.feeds().iter().map(Feed::log).nth(1);
        if let Some(json) = json.filter(|json| self.json_tail != Some(json.tail())) {
            self.json_tail = Some(json.tail());
            let is_empty = json.head() == json.tail();
            let kept = if is_empty { 0 } else { json.messages_from(json.tail()).count() };
            self.forgotten[1] = self.said.len().saturating_sub(kept);
        }
    }

    /// Lines said by the end of a turn.
    pub fn length_after(&self, turn: usize) -> usize {
        let seen = self.lengths.partition_point(|(at, _)| *at <= turn);
        seen.checked_sub(1).map_or(0, |last| self.lengths[last].1)
    }

    /// Numbered lines before line `at`.
    pub fn numbered_before(&self, at: usize) -> u64 {
        self.numbered.partition_point(|index| *index < at) as u64
    }

    /// False for a number that was given in the turn in which the room was freed, or later. Of a room some of whose lines
    /// were never seen it is not known.
    pub fn may_have(&self, number: u64) -> bool {
        self.is_open || self.torn || number <= self.numbered.len() as u64
    }

    /// The line with a number.
    pub fn with_number(&self, number: u64) -> Option<usize> {
        self.numbered.get(usize::try_from(number.checked_sub(1)?).ok()?).copied()
    }
}

/// All rooms that there ever were.
#[derive(Clone, Debug, Default)]
pub struct Rooms {
    pub epochs: Vec<Epoch>,
    by_id: HashMap<u64, usize>,
}

impl Rooms {
    /// Reads what was said in a turn.
    pub fn read<I: Io, W: Outlet>(&mut self, server: &Server<I, W>, turn: usize) {
        for epoch in &mut self.epochs {
            epoch.is_open = false;
        }
        for room in server.rooms() {
            let index = *self.by_id.entry(room.epoch().0).or_insert_with(|| {
                self.epochs.push(Epoch::new(room, turn));
                self.epochs.len() - 1
            });
            let epoch = &mut self.epochs[index];
            epoch.is_open = true;
            epoch.read(room, turn);
        }
    }

    /// There are no more turns. In the turn in which a room was freed it may have forgotten anything before that.
    pub fn end(&mut self) {
        for epoch in self.epochs.iter_mut().filter(|epoch| !epoch.is_open) {
            epoch.forgotten = [epoch.said.len(); 2];
        }
    }

    pub fn with_id(&self, id: u64) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// The presence lines of each room add up: those that entered, without those that left, are online. Returns how many
    /// are in the end, by epoch.
    pub fn add_up(&self) -> Result<Vec<u64>, String> {
        let mut in_the_end = Vec::new();
        for epoch in &self.epochs {
            let mut online = 0_i64;
            for said in &epoch.said {
                let text = String::from_utf8_lossy(&said.line);
                let words: Vec<&str> = text.split(' ').collect();
                let count = |word: usize| words.get(word).and_then(|word| word.parse::<i64>().ok());
                match said.kind {
                    Kind::Entered => online += 1,
                    Kind::Left => online -= 1,
                    Kind::Summary => {
                        let (Some(entered), Some(left)) = (count(1), count(4)) else {
                            return Err(format!("{text:?} counts nobody"));
                        };
                        online += entered - left;
                    }
                    _ => continue,
                }
                if online_in(&text) != u64::try_from(online).ok() && !epoch.torn {
                    return Err(format!("in {} {online} are online where {text:?} is said", epoch.name));
                }
            }
            in_the_end.push(u64::try_from(online).unwrap_or(0));
        }
        Ok(in_the_end)
    }
}

/// The number in `(3 users online)`.
pub fn online_in(text: &str) -> Option<u64> {
    text.rsplit_once('(').and_then(|(_, online)| online.split(' ').next()?.parse().ok())
}
