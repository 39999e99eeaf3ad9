//! What a node tells the others of itself, as words: JSON, one object each. A **beat** says who it is and which rooms'
//! totals have changed, a **hello** asks for beats, and a **bye** says that it ends. Pure.
//!
//! Totals only grow as long as a node tells of a room: how many have entered it there, and how many have left. So a beat
//! that is lost costs nothing but time, and who is in the room is the difference. A beat may also tell of *all* rooms
//! between two names: those that it does not have in between have nobody. Whatever arrives is read without harm; what is not known in
//! a word is passed over, so that later versions may say more.

use std::fmt;
use std::ops::Bound;
use std::time::Duration;

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::link::NodeId;
use super::shown::Shown;
use crate::limits::{BEAT_BYTES_MAX, MEMBERS_MAX, NODE_NAME_BYTES_MAX, NODE_OPTIONS_BYTES_MAX, NODE_VERSION_BYTES_MAX};
use crate::names::RoomName;
use crate::time::UnixTime;

/// The version of words and records that this program writes.
pub const PROTOCOL: u64 = 1;

/// The largest total that is believed: programs that read JSON know no more.
const TOTAL_MAX: u64 = 1 << 53;

/// A node, as it tells others of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub node: NodeId,
    /// What people know it by.
    pub name: String,
    /// Of the program.
    pub version: String,
    pub protocol: u64,
    /// Options that all nodes must have alike: `name=value`, with a space between two.
    pub options: String,
    pub started: UnixTime,
    /// False until it has caught up with the stream and has had time to hear of the others.
    pub settled: bool,
    /// In all rooms.
    pub members: u64,
    /// Batches of the stream that it has still to read.
    pub lag: u64,
    pub up: Duration,
}

/// How many have entered a room of a node, and how many have left it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub entered: u64,
    pub left: u64,
}

impl Totals {
    pub fn online(self) -> u64 {
        self.entered - self.left
    }

    fn is_possible(self) -> bool {
        let members_max = MEMBERS_MAX as u64;
        self.entered <= TOTAL_MAX && self.entered.checked_sub(self.left).is_some_and(|online| online <= members_max)
    }
}

/// The names between which all rooms are told that somebody is in: those behind the first, up to the last and with it.
/// `None` is before all names, or behind them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub behind: Option<RoomName>,
    pub last: Option<RoomName>,
}

impl Span {
    /// The bounds of it; `None` when nothing is between them.
    pub fn bounds(self) -> Option<(Bound<RoomName>, Bound<RoomName>)> {
        if let (Some(behind), Some(last)) = (self.behind, self.last)
            && behind >= last
        {
            return None;
        }
        let behind = self.behind.map_or(Bound::Unbounded, Bound::Excluded);
        Some((behind, self.last.map_or(Bound::Unbounded, Bound::Included)))
    }
}

/// The counts that a beat has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rises from word to word of a node.
    pub count: u64,
    pub rooms: Vec<(RoomName, Totals)>,
    pub span: Option<Span>,
}

/// What nodes tell each other of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Beat(Box<About>, Counts),
    /// Asks all others to beat and to tell of all rooms, or the one node `to`.
    Hello {
        node: NodeId,
        to: Option<NodeId>,
    },
    /// The node ends.
    Bye {
        node: NodeId,
        count: u64,
    },
}

/// As it is written.
#[derive(Serialize)]
struct Written<'a> {
    k: &'a str,
    v: u64,
    node: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    about: Option<WrittenAbout<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rooms: Vec<(&'a str, u64, u64)>,
    /// An empty name is before all names, or behind them.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<[&'a str; 2]>,
}

#[derive(Serialize)]
struct WrittenAbout<'a> {
    name: &'a str,
    version: &'a str,
    options: &'a str,
    started: u64,
    settled: bool,
    members: u64,
    lag: u64,
    up: u64,
}

impl Word {
    pub fn write(&self) -> Vec<u8> {
        let empty = Written {
            k: "",
            v: PROTOCOL,
            node: String::new(),
            count: None,
            to: None,
            about: None,
            rooms: Vec::new(),
            all: None,
        };
        let written = match self {
            Self::Hello { node, to } => {
                Written { k: "hello", node: node.to_string(), to: to.map(|to| to.to_string()), ..empty }
            }
            Self::Bye { node, count } => Written { k: "bye", node: node.to_string(), count: Some(*count), ..empty },
            Self::Beat(about, counts) => Written {
                k: "beat",
                v: about.protocol,
                node: about.node.to_string(),
                count: Some(counts.count),
                about: Some(WrittenAbout {
                    name: &about.name,
                    version: &about.version,
                    options: &about.options,
                    started: about.started.0,
                    settled: about.settled,
                    members: about.members,
                    lag: about.lag,
                    up: about.up.as_secs(),
                }),
                rooms: counts.rooms.iter().map(|(room, it)| (room.as_str(), it.entered, it.left)).collect(),
                all: counts
                    .span
                    .as_ref()
                    .map(|span| [&span.behind, &span.last].map(|name| name.as_ref().map_or("", |name| name.as_str()))),
                ..empty
            },
        };
        serde_json::to_vec(&written).expect("it has nothing that JSON has not")
    }

    /// Reads a word. `None` for what is none of these, whatever it is.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > BEAT_BYTES_MAX {
            return None;
        }
        let read: Read = serde_json::from_slice(bytes).ok()?;
        let node = NodeId::read(&read.node)?;
        match read.k.as_str() {
            "hello" => Some(Self::Hello {
                node,
                to: read.to.as_deref().map(|to| NodeId::read(to).ok_or(())).transpose().ok()?,
            }),
            "bye" => Some(Self::Bye { node, count: read.count? }),
            "beat" => {
                let about = About {
                    node,
                    name: visible(read.name, NODE_NAME_BYTES_MAX)?,
                    version: visible(read.version, NODE_VERSION_BYTES_MAX)?,
                    protocol: read.v,
                    options: visible(read.options, NODE_OPTIONS_BYTES_MAX)?,
                    started: UnixTime(read.started),
                    settled: read.settled,
                    members: read.members.min(MEMBERS_MAX as u64),
                    lag: read.lag,
                    up: Duration::from_secs(read.up.min(u32::MAX.into())),
                };
                let rooms = read.rooms.into_iter().filter_map(|room| room.0).collect();
                Some(Self::Beat(Box::new(about), Counts { count: read.count?, rooms, span: read.all.and_then(span) }))
            }
            _ => None,
        }
    }
}

/// As it is read.
#[derive(Deserialize)]
struct Read {
    k: String,
    v: u64,
    node: String,
    count: Option<u64>,
    to: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    options: String,
    #[serde(default)]
    started: u64,
    #[serde(default)]
    settled: bool,
    #[serde(default)]
    members: u64,
    #[serde(default)]
    lag: u64,
    #[serde(default)]
    up: u64,
    #[serde(default)]
    rooms: Vec<ReadRoom>,
    all: Option<[String; 2]>,
}

/// A room and its totals; `None` for what cannot be one.
struct ReadRoom(Option<(RoomName, Totals)>);

impl<'de> Deserialize<'de> for ReadRoom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = ReadRoom;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a room and its totals")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<ReadRoom, A::Error> {
                let name: Option<String> = parts.next_element()?;
                let (entered, left) = (parts.next_element()?, parts.next_element()?);
                while parts.next_element::<IgnoredAny>()?.is_some() {}
                let totals = entered.zip(left).map(|(entered, left)| Totals { entered, left });
                let totals = totals.filter(|totals| totals.is_possible());
                Ok(ReadRoom(name.and_then(|name| RoomName::parse(&name)).zip(totals)))
            }
        }
        deserializer.deserialize_seq(Parts)
    }
}

/// A text that may be shown to people: `None` for one that is longer, or has other characters than those of ASCII that
/// can be seen, and spaces.
fn visible(text: String, bytes_max: usize) -> Option<String> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    (text.len() <= bytes_max && is_visible).then_some(text)
}

fn span([behind, last]: [String; 2]) -> Option<Span> {
    let name = |text: &str| if text.is_empty() { Some(None) } else { RoomName::parse(text).map(Some) };
    Some(Span { behind: name(&behind)?, last: name(&last)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::{BEAT_ROOMS_MAX, ROOM_NAME_BYTES_MAX};

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    fn about() -> About {
        About {
            node: NodeId(0x9f3a),
            name: "10.0.0.1:8888".to_owned(),
            version: "0.2.0".to_owned(),
            protocol: PROTOCOL,
            options: "line-bytes=4096 hide-addresses=no".to_owned(),
            started: UnixTime(1_732_448_000_123),
            settled: true,
            members: 5,
            lag: 2,
            up: Duration::from_secs(90),
        }
    }

    #[test]
    fn words_are_written_as_described_and_read_again() {
        let rooms =
            vec![(room("den"), Totals { entered: 7, left: 3 }), (room("lobby"), Totals { entered: 1, left: 0 })];
        let span = Some(Span { behind: None, last: Some(room("lobby")) });
        for (word, text) in [
            (
                Word::Beat(Box::new(about()), Counts { count: 3, rooms, span }),
                r#"{"k":"beat","v":1,"node":"0000000000009f3a","count":3,"name":"10.0.0.1:8888","version":"0.2.0","options":"line-bytes=4096 hide-addresses=no","started":1732448000123,"settled":true,"members":5,"lag":2,"up":90,"rooms":[["den",7,3],["lobby",1,0]],"all":["","lobby"]}"#,
            ),
            (Word::Hello { node: NodeId(1), to: None }, r#"{"k":"hello","v":1,"node":"0000000000000001"}"#),
            (
                Word::Hello { node: NodeId(1), to: Some(NodeId(u64::MAX)) },
                r#"{"k":"hello","v":1,"node":"0000000000000001","to":"ffffffffffffffff"}"#,
            ),
            (Word::Bye { node: NodeId(1), count: 9 }, r#"{"k":"bye","v":1,"node":"0000000000000001","count":9}"#),
        ] {
            assert_eq!(String::from_utf8(word.write()).unwrap(), text);
            assert_eq!(Word::read(text.as_bytes()), Some(word));
        }
    }

    #[test]
    fn what_a_later_version_may_say_is_passed_over() {
        let later = r#"{"k":"beat","v":2,"node":"0000000000000001","count":3,"zone":["x"],"rooms":[["den",7,3,"x",{}],["a room",1,0],["lobby",2,0]]}"#;
        let Some(Word::Beat(about, counts)) = Word::read(later.as_bytes()) else { panic!("it is a beat") };
        assert_eq!((about.protocol, about.members), (2, 0));
        let totals = |entered, left| Totals { entered, left };
        assert_eq!(counts.rooms, [(room("den"), totals(7, 3)), (room("lobby"), totals(2, 0))]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let beat = |more: &str| format!(r#"{{"k":"beat","v":1,"node":"0000000000000001","count":3,{more}}}"#);
        for text in [
            String::new(),
            "[]".to_owned(),
            r#"{"k":"ask","v":1,"node":"0000000000000001"}"#.to_owned(),
            r#"{"k":"hello","v":1,"node":"1"}"#.to_owned(),
            r#"{"k":"hello","v":1,"node":"0000000000000001","to":"all"}"#.to_owned(),
            r#"{"k":"hello","v":1,"node":"+000000000000001"}"#.to_owned(),
            r#"{"k":"bye","v":1,"node":"0000000000000001"}"#.to_owned(),
            beat(r#""name":"a\u001b[31m""#),
            beat(&format!(r#""name":"{}""#, "a".repeat(NODE_NAME_BYTES_MAX + 1))),
            beat(r#""rooms":[["den"]]"#).replace("[\"den\"]", "\"den\""),
            beat(&format!(r#""x":"{}""#, "a".repeat(BEAT_BYTES_MAX))),
        ] {
            assert_eq!(Word::read(text.as_bytes()), None, "{text:.200}");
        }
        // A room that cannot be is left out, and the others are heard.
        for totals in ["1,2", "16000001,0", "1", "18446744073709551615,18446744073709551615"] {
            let text = beat(&format!(r#""rooms":[["den",{totals}],["lobby",1,0]]"#));
            let Some(Word::Beat(_, counts)) = Word::read(text.as_bytes()) else { panic!("it is a beat") };
            assert_eq!(counts.rooms.len(), 1, "{totals}");
        }
    }

    #[test]
    fn the_longest_beat_has_a_bound() {
        let longest = |bytes| "a".repeat(bytes);
        let total = Totals { entered: TOTAL_MAX, left: TOTAL_MAX };
        let name = room(&longest(ROOM_NAME_BYTES_MAX));
        let about = About {
            node: NodeId(u64::MAX),
            name: longest(NODE_NAME_BYTES_MAX),
            version: longest(NODE_VERSION_BYTES_MAX),
            protocol: u64::MAX,
            options: longest(NODE_OPTIONS_BYTES_MAX),
            started: UnixTime(u64::MAX),
            settled: false,
            members: u64::MAX,
            lag: u64::MAX,
            up: Duration::from_secs(u64::MAX),
        };
        let span = Some(Span { behind: Some(name), last: Some(name) });
        let word =
            Word::Beat(Box::new(about), Counts { count: u64::MAX, rooms: vec![(name, total); BEAT_ROOMS_MAX], span });
        assert!(word.write().len() <= BEAT_BYTES_MAX, "{} bytes", word.write().len());
    }

    #[test]
    fn a_span_may_be_empty_or_the_wrong_way_round() {
        let span = |behind: Option<&str>, last: Option<&str>| Span { behind: behind.map(room), last: last.map(room) };
        assert!(span(None, None).bounds().is_some() && span(Some("a"), Some("b")).bounds().is_some());
        assert_eq!(span(Some("b"), Some("a")).bounds(), None);
        assert_eq!(span(Some("b"), Some("B")).bounds(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..400usize) {
            let _ = Word::read(&bytes);
            let rooms = vec![(room("den"), Totals { entered: 7, left: 3 })];
            let mut word = Word::Beat(Box::new(about()), Counts { count: 3, rooms, span: Some(Span::default()) }).write();
            let at = at.min(word.len());
            word.splice(at..(at + bytes.len()).min(word.len()), bytes);
            let _ = Word::read(&word);
        }
    }
}
