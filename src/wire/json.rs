//! JSON for programs: messages and notices as one object a line (RFC 8259), each ended by a line feed.
//!
//! docs/PROTOCOL.md has every object, and docs/objects.schema.json the shapes. Texts are sanitised before they come
//! here. A message of the past is made from the line that the text format has of it, and what the log knows beside that.

use std::fmt;
use std::io::{self, Write};

use serde::{Serialize, Serializer};

use super::text;
use crate::limits::{JSON_EVENT_BYTES_MAX, JSON_PREFIX_BYTES_MAX, SANITISED_GROWTH_MAX};
use crate::message::{Arrival, Body, Event, Kind, Message, Notice};
use crate::room::log::Entry;
use crate::time::UnixTime;
use crate::token::PublicId;

/// Most bytes of a message, its line feed included.
pub fn message_bytes_max(body: &Body<'_>) -> usize {
    match body {
        Body::Event(_) => JSON_EVENT_BYTES_MAX,
        // What sanitising leaves of ASCII is no longer; quotation marks, backslashes and tabs become two characters.
        _ => JSON_PREFIX_BYTES_MAX + body.text().len() * SANITISED_GROWTH_MAX + 1,
    }
}

/// Something that is shown as its `Display` says.
struct Shown<'a>(&'a dyn fmt::Display);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

impl Serialize for PublicId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for UnixTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

/// An object in the order in which its members are written. Those that it has not are left out.
#[derive(Default, Serialize)]
struct Object<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    t: Option<UnixTime>,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<PublicId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<PublicId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entered: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operators: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

impl<'a> Object<'a> {
    fn new(kind: &'a str) -> Self {
        Self { kind, ..Self::default() }
    }

    fn write(&self, mut out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut out, self)?;
        out.write_all(b"\n")
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Line => "message",
        Kind::Action => "action",
        Kind::Topic => "topic",
        Kind::Announcement => "announcement",
        Kind::Entered => "entered",
        Kind::Left => "left",
        Kind::Renamed => "renamed",
        Kind::Summary => "summary",
        Kind::Slow => "slow",
        Kind::Only => "only",
        Kind::Stopping => "stopping",
        Kind::CutOff => "cut_off",
        Kind::Back => "back",
        Kind::Lost => "lost",
    }
}

/// Writes a message whose text is sanitised.
pub fn message(message: &Message<'_>, out: &mut impl Write) -> io::Result<()> {
    let name = message.body.name();
    let mut object =
        Object { t: Some(message.time), id: message.author, ..Object::new(kind_name(message.body.kind())) };
    object.from = name.as_ref().map(|name| Shown(name));
    let Body::Event(event) = message.body else {
        object.n = Some(message.number);
        object.text = Some(str::from_utf8(message.body.text()).expect("it is sanitised"));
        return object.write(out);
    };
    if let Event::Lost { first, last } = event {
        return missed("lost", None, Some((first, last)), out);
    }
    object.after = Some(message.number);
    match &event {
        Event::Entered { online, .. } | Event::Left { online, .. } => object.online = Some(*online),
        Event::Renamed { name, online, .. } => {
            object.to = Some(Shown(name));
            object.online = Some(*online);
        }
        Event::Summary { entered, left, online } => {
            (object.entered, object.left, object.online) = (Some(*entered), Some(*left), Some(*online));
        }
        Event::Slow { seconds, .. } => object.seconds = Some(*seconds),
        Event::Only { operators, .. } => object.operators = Some(*operators),
        Event::Stopping | Event::CutOff | Event::Back => {
            let text = event.to_string();
            return Object { text: Some(text.trim_start_matches("! ")), ..object }.write(out);
        }
        Event::Lost { .. } => {}
    }
    object.write(out)
}

/// Writes a numbered message of the past, of which the text format has `line`.
pub fn record(number: u64, entry: &Entry, line: &[u8], out: &mut impl Write) -> io::Result<()> {
    let text::Parts { name, text } = text::parts(entry, line);
    let object = Object {
        n: Some(number),
        t: Some(entry.time),
        from: name.as_ref().map(|name| Shown(name)),
        id: entry.author,
        text: Some(text),
        ..Object::new(kind_name(entry.kind))
    };
    object.write(out)
}

/// Writes a notice.
pub fn notice(notice: Notice<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut object = Object::new("notice");
    match &notice {
        Notice::Joined(arrival) => return welcome(arrival, out),
        Notice::Said { number, time } => {
            let said = Object { n: Some(*number), t: Some(*time), ..Object::new("said") };
            return said.write(out);
        }
        Notice::Missed { messages, range } => return missed("missed", Some(*messages), *range, out),
        Notice::RoomAnew => return missed("missed", None, None, out),
        Notice::Private { from, id, time, text } => {
            let private = Object {
                t: Some(*time),
                from: Some(Shown(from)),
                id: Some(*id),
                text: Some(text),
                ..Object::new("private")
            };
            return private.write(out);
        }
        Notice::Token { token, seconds } => {
            let object = Object { token: Some(token), seconds: Some(*seconds), ..Object::new("token") };
            return object.write(out);
        }
        Notice::Replaced => object.kind = "replaced",
        Notice::RoomListed { room, online } => {
            object.room = Some(room.as_str());
            object.online = Some(*online);
        }
        Notice::MemberListed { name } => object.name = Some(Shown(name)),
        Notice::Elsewhere { online } => object.online = Some(*online),
        Notice::NodeListed { name, node, members, behind, up } => {
            let words = notice.to_string();
            let (id, seconds) = (node.to_string(), up.as_secs());
            let text = words.strip_prefix("! ").unwrap_or(&words);
            let (members, behind) = (*members, *behind);
            let (kind, code) = ("notice", notice.code());
            let node = NodeListed { kind, code, name, node: &id, members, behind, seconds, text };
            return node_listed(&node, out);
        }
        Notice::Page { page, pages } => (object.page, object.pages) = (Some(*page), Some(*pages)),
        Notice::History { count } => object.count = Some(*count),
        notice if notice.is_error() => object.kind = "error",
        _ => {}
    }
    let words = notice.to_string();
    object.code = (object.kind != "replaced").then(|| notice.code());
    object.text = Some(words.strip_prefix("! ").unwrap_or(&words));
    object.write(out)
}

fn welcome(arrival: &Arrival, out: &mut impl Write) -> io::Result<()> {
    let object = Object {
        n: Some(arrival.number),
        t: Some(arrival.time),
        id: Some(arrival.id),
        room: Some(arrival.room.as_str()),
        epoch: Some(arrival.epoch),
        name: Some(Shown(&arrival.name)),
        online: Some(arrival.online),
        ..Object::new("welcome")
    };
    object.write(out)
}

/// An entry of the list of nodes.
#[derive(Serialize)]
struct NodeListed<'a> {
    kind: &'a str,
    code: &'a str,
    name: &'a str,
    node: &'a str,
    members: u64,
    behind: u64,
    seconds: u64,
    text: &'a str,
}

fn node_listed(node: &NodeListed<'_>, mut out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut out, node)?;
    out.write_all(b"\n")
}

/// A gap, with the numbers of the first and the last message of it where they are known.
#[derive(Serialize)]
struct Missed {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

fn missed(
    kind: &'static str,
    count: Option<u64>,
    range: Option<(u64, u64)>,
    mut out: &mut impl Write,
) -> io::Result<()> {
    let missed = Missed { kind, from: range.map(|range| range.0), to: range.map(|range| range.1), count };
    serde_json::to_writer(&mut out, &missed)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;
    use crate::cluster::link::NodeId;
    use crate::names::{MemberName, Name, RoomName};

    const TIME: UnixTime = UnixTime(1_732_448_000_123);
    const ID: PublicId = PublicId(0x9f3a);

    fn den() -> RoomName {
        RoomName::parse("den").expect("it is a name")
    }

    fn bob() -> Name {
        Name::Chosen(MemberName::choose("bob").expect("it may be chosen"))
    }

    fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).expect("writing to a Vec does not fail");
        let line = String::from_utf8(out).expect("JSON is UTF-8");
        assert_eq!(line.find('\n'), Some(line.len() - 1), "an object is one line");
        line.trim_end().to_owned()
    }

    fn said(body: Body<'_>) -> String {
        written(|out| message(&Message { number: 48_212, time: TIME, room: den(), author: Some(ID), body }, out))
    }

    #[test]
    fn messages_have_a_number_and_events_the_one_before_them() {
        let name = bob();
        for (body, expected) in [
            (
                Body::Line { name, text: b"hi" },
                r#"{"n":48212,"t":1732448000123,"kind":"message","from":"bob","id":"9f3a","text":"hi"}"#,
            ),
            (
                Body::Action { name, text: "\"\\\t\u{e9}".as_bytes() },
                "{\"n\":48212,\"t\":1732448000123,\"kind\":\"action\",\"from\":\"bob\",\"id\":\"9f3a\",\"text\":\"\\\"\\\\\\t\u{e9}\"}",
            ),
            (
                Body::Event(Event::Entered { name, online: 3 }),
                r#"{"after":48212,"t":1732448000123,"kind":"entered","from":"bob","id":"9f3a","online":3}"#,
            ),
            (
                Body::Event(Event::Renamed {
                    before: Name::first(SocketAddr::from(([127, 0, 0, 1], 63155))),
                    name: Name::Chosen(MemberName::choose("bob").expect("it may be chosen")),
                    online: 3,
                }),
                r#"{"after":48212,"t":1732448000123,"kind":"renamed","from":"127.0.0.1:63155","to":"bob","id":"9f3a","online":3}"#,
            ),
        ] {
            assert_eq!(said(body), expected);
        }
        let summary = Event::Summary { entered: 1204, left: 31, online: 19_000 };
        let summary = Message { number: 7, time: TIME, room: den(), author: None, body: Body::Event(summary) };
        assert_eq!(
            written(|out| message(&summary, out)),
            r#"{"after":7,"t":1732448000123,"kind":"summary","entered":1204,"left":31,"online":19000}"#
        );
    }

    #[test]
    fn a_message_of_the_past_is_the_object_that_it_was() {
        let name = bob();
        let texts: [&[u8]; 3] = [b"hi", b"] [ \"", b" set the topic: x"];
        for text in texts {
            let bodies = [
                Body::Line { name, text },
                Body::Action { name, text },
                Body::Topic { name, text },
                Body::Announcement { text },
            ];
            for body in bodies {
                let author = body.name().map(|_| ID);
                let live = Message { number: 48_212, time: TIME, room: den(), author, body };
                let mut line = Vec::new();
                text::message(&live, &mut line).expect("writing to a Vec does not fail");
                let name_bytes = body.name().map_or(0, Name::length);
                let entry = Entry { time: TIME, author, kind: body.kind(), name_bytes };
                let past = written(|out| record(48_212, &entry, &line, out));
                assert_eq!(past, written(|out| message(&live, out)));
            }
        }
    }

    #[test]
    fn notices_have_a_code() {
        let name = MemberName::choose("bob").expect("it may be chosen");
        let room = RoomName::parse("den").expect("it is a name");
        for (told, expected) in [
            (Notice::Named { name }, r#"{"kind":"notice","code":"nick","text":"you are bob"}"#),
            (
                Notice::NameTaken { name: "bob" },
                r#"{"kind":"error","code":"name_taken","text":"the name bob is taken"}"#,
            ),
            (Notice::Said { number: 7, time: TIME }, r#"{"n":7,"t":1732448000123,"kind":"said"}"#),
            (
                Notice::Missed { messages: 87, range: Some((48_214, 48_300)) },
                r#"{"kind":"missed","from":48214,"to":48300,"count":87}"#,
            ),
            (Notice::RoomAnew, r#"{"kind":"missed"}"#),
            (
                Notice::Private { from: bob(), id: ID, time: TIME, text: "psst" },
                r#"{"t":1732448000123,"kind":"private","from":"bob","id":"9f3a","text":"psst"}"#,
            ),
            (Notice::Token { token: "ab", seconds: 60 }, r#"{"kind":"token","seconds":60,"token":"ab"}"#),
            (
                Notice::RoomListed { room, online: 3 },
                r#"{"kind":"notice","code":"room","room":"den","online":3,"text":"den 3"}"#,
            ),
            (
                Notice::Elsewhere { online: 12 },
                r#"{"kind":"notice","code":"elsewhere","online":12,"text":"and 12 more on other nodes"}"#,
            ),
            (
                Notice::NodeListed {
                    name: "box1:8888",
                    node: NodeId(0xaa),
                    members: 5000,
                    behind: 2,
                    up: Duration::from_secs(11_520),
                },
                r#"{"kind":"notice","code":"node","name":"box1:8888","node":"00000000000000aa","members":5000,"behind":2,"seconds":11520,"text":"box1:8888 00000000000000aa: 5000 members, 2 behind, up 3h"}"#,
            ),
            (
                Notice::Joined(Arrival {
                    room,
                    epoch: PublicId(255),
                    online: 3,
                    id: ID,
                    name: bob(),
                    number: 9,
                    time: TIME,
                }),
                r#"{"n":9,"t":1732448000123,"kind":"welcome","id":"9f3a","room":"den","epoch":"ff","name":"bob","online":3}"#,
            ),
        ] {
            assert_eq!(written(|out| notice(told, out)), expected);
        }
    }

    #[test]
    fn the_longest_objects_fit() {
        let v6 = SocketAddr::from(([0xffff; 8], 65_535));
        let name = Name::first(v6);
        let longest = MemberName::choose(&"x".repeat(24)).expect("it may be chosen");
        let id = PublicId(u64::MAX);
        let texts = ["\"".repeat(100), "\\".repeat(100), "\t".repeat(100) + "x", "\u{fffd}".repeat(100)];
        for text in &texts {
            let body = Body::Announcement { text: text.as_bytes() };
            let named = Body::Action { name, text: text.as_bytes() };
            for body in [body, named] {
                let message = Message { number: 1 << 53, time: UnixTime(1 << 48), room: den(), author: Some(id), body };
                let bytes = written(|out| self::message(&message, out)).len() + 1;
                // A replacement character stands for one byte or more of what was typed.
                let typed = Body::Announcement { text: &text.as_bytes()[..100] };
                assert!(bytes + 10 <= message_bytes_max(&typed), "{bytes} bytes");
            }
        }
        for event in [
            Event::Renamed { before: name, name: Name::Chosen(longest), online: u64::MAX },
            Event::Summary { entered: u64::MAX, left: u64::MAX, online: u64::MAX },
            Event::Slow { name, seconds: u64::MAX },
        ] {
            let body = Body::Event(event);
            let message = Message { number: 1 << 53, time: UnixTime(1 << 48), room: den(), author: Some(id), body };
            assert!(written(|out| self::message(&message, out)).len() < message_bytes_max(&body));
        }
    }
}
