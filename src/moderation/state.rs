//! What survives a restart, as data and as the bytes of its file: a line of JSON each. The first line says what the
//! file is, the last that nothing is missing behind it.
//!
//! ```text
//! {"kind":"state","version":1}
//! {"kind":"ban","name":"bob","network":"192.0.2.7","until":1732448000123,"by":"alice"}
//! {"kind":"mute","name":"carol","by":"alice"}
//! {"kind":"room","name":"den","topic":{"text":"cats","by":"bob","at":1732448000123},"slow":5,"only_operators":true}
//! {"kind":"end"}
//! ```
//!
//! A line that is not exactly right is an error, so that nothing is lost which somebody wrote, or cut off.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{
    HOLDS_MAX, MEMBER_NAME_BYTES_MAX, PREFIX_BYTES_MAX, ROOM_NAME_BYTES_MAX, SLOW_MAX, STATE_BYTES_MAX,
    STATE_ROOMS_MAX, STATE_WRITES_MAX, TOPIC_BYTES_MAX, UNTIL_MAX_MS,
};
use crate::moderation::hold::Hold;
use crate::moderation::network::Network;
use crate::names::{MemberName, RoomName};
use crate::time::UnixTime;
use crate::wire::sanitise;

/// Of files that this program reads and writes.
const VERSION: u32 = 1;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// At most [`HOLDS_MAX`], and so are the mutes.
    pub bans: Vec<Hold>,
    pub mutes: Vec<Hold>,
    /// At most [`STATE_ROOMS_MAX`], no two with names that differ in case alone.
    pub rooms: Vec<RoomState>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomState {
    pub name: RoomName,
    pub topic: Option<Topic>,
    pub modes: Modes,
}

/// What operators have set for a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// How many seconds lie between two lines of a member, at most [`SLOW_MAX`]; 0 for no bound.
    pub slow_seconds: u64,
    /// True when only operators may speak.
    pub only_operators: bool,
}

/// What a room is about, and who set it when.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Sanitised, never empty, and at most [`TOPIC_BYTES_MAX`].
    pub text: Box<str>,
    /// Who set it, as a member reads it: at most [`PREFIX_BYTES_MAX`] bytes.
    pub by: Box<str>,
    pub time: UnixTime,
}

/// Why a file holds no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateError {
    /// Counted from 1.
    pub line: usize,
    pub what: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Line<'a> {
    State { version: u32 },
    Ban(HoldLine<'a>),
    Mute(HoldLine<'a>),
    Room(RoomLine<'a>),
    End {},
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldLine<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    by: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomLine<'a> {
    name: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<TopicLine<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slow: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    only_operators: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicLine<'a> {
    text: Cow<'a, str>,
    by: Cow<'a, str>,
    at: u64,
}

impl State {
    /// Most memory of the states that wait for the disk and of the file that is made of one, in bytes.
    pub const FOOTPRINT_MAX: usize = STATE_WRITES_MAX
        * (2 * HOLDS_MAX * (size_of::<Hold>() + PREFIX_BYTES_MAX)
            + STATE_ROOMS_MAX
                * (size_of::<RoomState>() + ROOM_NAME_BYTES_MAX + TOPIC_BYTES_MAX + 2 * PREFIX_BYTES_MAX))
        + STATE_BYTES_MAX;

    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut write = |line: &Line<'_>| {
            serde_json::to_writer(&mut bytes, line).expect("texts and numbers are JSON, and a Vec takes all");
            bytes.push(b'\n');
        };
        write(&Line::State { version: VERSION });
        self.bans.iter().for_each(|hold| write(&Line::Ban(HoldLine::of(hold))));
        self.mutes.iter().for_each(|hold| write(&Line::Mute(HoldLine::of(hold))));
        self.rooms.iter().for_each(|room| write(&Line::Room(RoomLine::of(room))));
        write(&Line::End {});
        bytes
    }

    /// Reads the bytes of a file.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let mut state = Self::default();
        let mut rooms = BTreeSet::new();
        let mut lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n').peekable();
        let mut index = 0;
        while let Some(text) = lines.next() {
            let at = |what: String| StateError { line: index + 1, what };
            let line: Line<'_> = serde_json::from_slice(text).map_err(|error| at(shown(&error)))?;
            match (index, line) {
                (0, Line::State { version: VERSION }) => {}
                (0, Line::State { version }) => {
                    return Err(at(format!("version {version} of the state, and this program reads {VERSION}")));
                }
                (0, _) => return Err(at("the first line of a state is {\"kind\":\"state\",\"version\":1}".to_owned())),
                (_, Line::End {}) if lines.peek().is_none() => return Ok(state),
                (_, Line::End {}) => {
                    return Err(StateError { line: index + 2, what: "this is behind the end".to_owned() });
                }
                (_, other) => state.add(other, &mut rooms).map_err(at)?,
            }
            index += 1;
        }
        Err(StateError { line: index + 1, what: "the end is missing: {\"kind\":\"end\"}".to_owned() })
    }

    /// Adds what a line in the middle of a file says. `rooms` has the names of rooms so far.
    fn add(&mut self, line: Line<'_>, rooms: &mut BTreeSet<RoomName>) -> Result<(), String> {
        match line {
            Line::Ban(line) => push(&mut self.bans, line.read()?, HOLDS_MAX, "bans"),
            Line::Mute(line) => push(&mut self.mutes, line.read()?, HOLDS_MAX, "mutes"),
            Line::Room(line) => {
                let room = line.read()?;
                if !rooms.insert(room.name) {
                    return Err(format!("a second room {}", room.name));
                }
                push(&mut self.rooms, room, STATE_ROOMS_MAX, "rooms")
            }
            Line::State { .. } => Err("a second beginning".to_owned()),
            Line::End {} => unreachable!("the end is not in the middle"),
        }
    }
}

/// An error of a line, whose number the caller knows.
fn shown(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("{what} (byte {})", error.column())
}

fn push<T>(list: &mut Vec<T>, entry: T, count_max: usize, noun: &str) -> Result<(), String> {
    if list.len() == count_max {
        return Err(format!("more than {count_max} {noun}"));
    }
    list.push(entry);
    Ok(())
}

/// A text as others may see it, in one line of at most `bytes_max`.
fn plain(text: Cow<'_, str>, bytes_max: usize, noun: &str) -> Result<String, String> {
    let mut seen = Vec::new();
    sanitise(text.as_bytes(), &mut seen).expect("writing to a Vec does not fail");
    if seen != text.as_bytes() {
        return Err(format!("{noun} is not plain text"));
    }
    if text.len() > bytes_max {
        return Err(format!("{noun} has more than {bytes_max} bytes"));
    }
    Ok(text.into_owned())
}

fn moment(unix_ms: u64, noun: &str) -> Result<u64, String> {
    if unix_ms > UNTIL_MAX_MS { Err(format!("{noun} is after the year 9999")) } else { Ok(unix_ms) }
}

impl<'a> HoldLine<'a> {
    fn of(hold: &'a Hold) -> Self {
        Self {
            name: hold.name.as_ref().map(|name| name.as_str().into()),
            network: hold.network.map(|network| network.to_string().into()),
            until: hold.until,
            by: Cow::from(&*hold.by),
        }
    }

    fn read(self) -> Result<Hold, String> {
        let name =
            |name: Cow<'_, str>| MemberName::parse(&name).ok_or_else(|| wrong_name(&name, MEMBER_NAME_BYTES_MAX));
        let network = |text: Cow<'_, str>| Network::parse(&text).map_err(|error| error.to_string());
        let hold = Hold {
            name: self.name.map(name).transpose()?,
            network: self.network.map(network).transpose()?,
            connection: None,
            until: self.until.map(|until| moment(until, "until")).transpose()?,
            by: plain(self.by, PREFIX_BYTES_MAX, "by")?.into(),
        };
        if hold.outlives_restart() { Ok(hold) } else { Err("neither a name nor a network".to_owned()) }
    }
}

impl<'a> RoomLine<'a> {
    fn of(room: &'a RoomState) -> Self {
        let topic =
            |topic: &'a Topic| TopicLine { text: Cow::from(&*topic.text), by: Cow::from(&*topic.by), at: topic.time.0 };
        Self {
            name: Cow::from(room.name.as_str()),
            topic: room.topic.as_ref().map(topic),
            slow: Some(room.modes.slow_seconds).filter(|seconds| *seconds > 0),
            only_operators: room.modes.only_operators,
        }
    }

    fn read(self) -> Result<RoomState, String> {
        let name = RoomName::parse(&self.name).ok_or_else(|| wrong_name(&self.name, ROOM_NAME_BYTES_MAX))?;
        let topic = |topic: TopicLine<'_>| -> Result<Topic, String> {
            Ok(Topic {
                text: plain(topic.text, TOPIC_BYTES_MAX, "the topic")?.into(),
                by: plain(topic.by, PREFIX_BYTES_MAX, "by")?.into(),
                time: UnixTime(moment(topic.at, "at")?),
            })
        };
        let slow = |seconds: u64| {
            let is_right = (1..=SLOW_MAX.as_secs()).contains(&seconds);
            is_right.then_some(seconds).ok_or(format!("slow is from 1 to {}", SLOW_MAX.as_secs()))
        };
        Ok(RoomState {
            topic: self.topic.map(topic).transpose()?,
            modes: Modes {
                slow_seconds: self.slow.map(slow).transpose()?.unwrap_or(0),
                only_operators: self.only_operators,
            },
            name,
        })
    }
}

fn wrong_name(text: &str, bytes_max: usize) -> String {
    format!("{text:?} is no name: 1 to {bytes_max} ASCII letters, digits, _ and -")
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for StateError {}

#[cfg(test)]
mod tests;
