//! Batches of records: what a node publishes to the stream, and what every node, also that one, does when the stream
//! gives it back.
//!
//! A batch is lines of JSON. The first is its head, `{"v":1,"node":"HEX16","batch":17}`; each of the others is a record,
//! such as `{"k":"line","from":"bob","id":"HEX","c":[3,812],"text":"hi"}`. `k` is its kind, `from` the name of whoever
//! said it and `id` the number under which members know it; `c` is its connection at its own node. A record of a kind
//! that is not known is passed over, and still has its place: so nodes of different versions count alike.
//!
//! The number of a message is [`number`]: the sequence of its batch in the stream, and its place there.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::holds::{Held, Whom};
use super::link::{BatchId, NodeId};
use super::shown::Shown;
use crate::limits::CLUSTER_BATCH_RECORDS_MAX;
use crate::names::Name;
use crate::token::{PublicId, Serial, Slot};

/// The version of what this program writes. It reads later ones as far as it knows their kinds.
const VERSION: u64 = 1;

/// Bits of a message's number that are its place in its batch.
const PLACE_BITS: u32 = 12;
const _: () = assert!(CLUSTER_BATCH_RECORDS_MAX == 1 << PLACE_BITS);

/// The number of the message in a place of a batch. It rises along the stream, and a number of JSON has it exactly as
/// long as the stream has had fewer than 2^41 batches.
pub fn number(sequence: u64, place: usize) -> u64 {
    (sequence << PLACE_BITS) | place as u64
}

/// The last number that a message of a batch may have.
pub fn last_number(sequence: u64) -> u64 {
    number(sequence, CLUSTER_BATCH_RECORDS_MAX - 1)
}

/// Who has said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Author {
    pub name: Name,
    pub id: PublicId,
    /// Its connection, as its own node knows it.
    pub slot: Slot,
    pub serial: Serial,
}

/// What becomes the same on every node. Texts are sanitised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    Line(Cow<'a, str>),
    Action(Cow<'a, str>),
    /// Empty: the topic is taken away.
    Topic(Cow<'a, str>),
    /// Said in every room.
    Announcement(Cow<'a, str>),
    /// Seconds between two lines of a member.
    Slow(u64),
    /// Whether only operators may speak.
    Only(bool),
    /// A ban or a mute.
    Hold(Held),
    /// What is held of somebody is held no longer, and what was typed for that.
    Lift(Whom, Cow<'a, str>),
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub author: Author,
    pub content: Content<'a>,
}

#[derive(Serialize, Deserialize)]
struct Head<'a> {
    v: u64,
    node: Cow<'a, str>,
    batch: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    k: Cow<'a, str>,
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    c: (u32, u64),
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operators: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<Held>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lift: Option<Whom>,
}

/// Writes the head of a batch.
pub fn write_head(id: BatchId, out: &mut Vec<u8>) {
    write(&Head { v: VERSION, node: id.node.to_string().into(), batch: id.number }, out);
}

/// Appends a record to those of a batch.
pub fn write_record(record: &Record<'_>, out: &mut Vec<u8>) {
    let Author { name, id, slot, serial } = record.author;
    let mut line =
        Line { from: name.to_string().into(), id: id.to_string().into(), c: (slot.0, serial.0), ..Line::default() };
    let (kind, text) = match &record.content {
        Content::Line(text) => ("line", Some(text)),
        Content::Action(text) => ("action", Some(text)),
        Content::Topic(text) => ("topic", Some(text)),
        Content::Announcement(text) => ("announcement", Some(text)),
        Content::Slow(seconds) => {
            line.seconds = Some(*seconds);
            ("slow", None)
        }
        Content::Only(operators) => {
            line.operators = Some(*operators);
            ("only", None)
        }
        Content::Hold(held) => {
            line.hold = Some(held.clone());
            ("hold", None)
        }
        Content::Lift(whom, typed) => {
            line.lift = Some(*whom);
            ("lift", Some(typed))
        }
    };
    line.k = kind.into();
    line.text = text.map(|text| Cow::Borrowed(&**text));
    write(&line, out);
}

fn write(line: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, line).expect("memory takes everything");
    out.push(b'\n');
}

/// A batch as it comes from the stream.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// `None` for a batch of somebody who is no node: its records count, and nothing of it can be known again.
    pub id: Option<BatchId>,
    rest: &'a [u8],
    place: usize,
    /// Bytes of the whole batch.
    bytes: usize,
}

/// A record at its place; `None` for one of a kind that is not known.
pub type Placed<'a> = (usize, Option<Record<'a>>);

impl<'a> Batch<'a> {
    /// Begins to read a batch, of whatever bytes.
    pub fn read(bytes: &'a [u8]) -> Self {
        let bytes_in_all = bytes.len();
        let (head, rest) = split(bytes);
        let head: Option<Head<'_>> = serde_json::from_slice(head).ok();
        let id = head.and_then(|head| {
            let node = u64::from_str_radix(&head.node, 16).ok()?;
            Some(BatchId { node: NodeId(node), number: head.batch })
        });
        Self { id, rest: if id.is_some() { rest } else { &[] }, place: 0, bytes: bytes_in_all }
    }

    /// How many bytes were read, and the place of the record that comes next.
    pub fn position(&self) -> (usize, usize) {
        (self.bytes - self.rest.len(), self.place)
    }

    /// Goes on with the record in a place that was told by [`Batch::position`]; place 0 is where it begins.
    pub fn go_on_at(&mut self, bytes_read: usize, place: usize) {
        if place > 0 {
            let left = self.bytes.saturating_sub(bytes_read).min(self.rest.len());
            self.rest = &self.rest[self.rest.len() - left..];
            self.place = place;
        }
    }
}

impl<'a> Iterator for Batch<'a> {
    type Item = Placed<'a>;

    fn next(&mut self) -> Option<Placed<'a>> {
        if self.rest.is_empty() || self.place >= CLUSTER_BATCH_RECORDS_MAX {
            return None;
        }
        let (line, rest) = split(self.rest);
        self.rest = rest;
        let place = self.place;
        self.place += 1;
        Some((place, read_record(line)))
    }
}

/// The first line, without its line feed, and what comes behind it.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', bytes) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

fn read_record(line: &[u8]) -> Option<Record<'_>> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let author = Author {
        name: Name::parse(&line.from)?,
        id: PublicId::read(&line.id)?,
        slot: Slot(line.c.0),
        serial: Serial(line.c.1),
    };
    let content = match (&*line.k, line.text) {
        ("line", Some(text)) => Content::Line(text),
        ("action", Some(text)) => Content::Action(text),
        ("topic", Some(text)) => Content::Topic(text),
        ("announcement", Some(text)) => Content::Announcement(text),
        ("slow", _) => Content::Slow(line.seconds?),
        ("only", _) => Content::Only(line.operators?),
        ("hold", _) => Content::Hold(line.hold?),
        ("lift", Some(text)) => Content::Lift(line.lift?, text),
        _ => return None,
    };
    Some(Record { author, content })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: BatchId = BatchId { node: NodeId(0xfeed), number: 17 };

    fn author() -> Author {
        Author { name: Name::parse("bob").unwrap(), id: PublicId(0xab), slot: Slot(3), serial: Serial(812) }
    }

    fn records() -> Vec<Record<'static>> {
        let contents = [
            Content::Line("hi".into()),
            Content::Action("waves".into()),
            Content::Topic("\"quotes\" and ü".into()),
            Content::Announcement("x".into()),
            Content::Slow(3),
            Content::Only(true),
        ];
        contents.map(|content| Record { author: author(), content }).into()
    }

    #[test]
    fn a_batch_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        write_head(ID, &mut bytes);
        let first = r#"{"k":"line","from":"bob","id":"ab","c":[3,812],"text":"hi"}"#;
        for record in &records() {
            write_record(record, &mut bytes);
        }
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(
            text.starts_with(&format!("{{\"v\":1,\"node\":\"000000000000feed\",\"batch\":17}}\n{first}\n")),
            "{text}"
        );
        let batch = Batch::read(&bytes);
        assert_eq!(batch.id, Some(ID));
        for places in 0..records().len() {
            let mut begun = Batch::read(&bytes);
            begun.by_ref().take(places).for_each(drop);
            let (offset, place) = begun.position();
            let mut again = Batch::read(&bytes);
            again.go_on_at(offset, place);
            assert_eq!((again.next(), again.count()), (begun.next(), begun.count()));
        }
        let read: Vec<_> = batch.collect();
        let expected: Vec<_> = records().into_iter().map(Some).enumerate().collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn a_kind_that_is_not_known_keeps_its_place() {
        let bytes = b"{\"v\":2,\"node\":\"1\",\"batch\":1,\"new\":0}\n{\"k\":\"dance\",\"from\":\"bob\",\"id\":\"1\",\"c\":[0,0]}\njunk\n\
            {\"k\":\"line\",\"from\":\"127.0.0.1:80|2\",\"id\":\"1\",\"c\":[0,0],\"text\":\"x\",\"new\":[1]}\n";
        let read: Vec<_> = Batch::read(bytes).map(|(place, record)| (place, record.is_some())).collect();
        assert_eq!(read, [(0, false), (1, false), (2, true)]);
    }

    #[test]
    fn numbers_rise_and_are_exact_in_json() {
        assert!(number(1, 0) < last_number(1) && last_number(1) < number(2, 0));
        assert!(last_number((1 << 41) - 1) < 1 << 53);
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes: Vec<u8>) {
            assert!(Batch::read(&bytes).count() <= bytes.len());
        }
    }
}
