//! What a peer was sent and what it typed, read as a client reads it.

use serde_json::Value;

use super::order::{EVERY_ROOM, Key};
use crate::io::sim::pair::{Pair, Record};

/// One thing that a peer was told.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// It is in a room now; by JSON, which message was the last.
    Came {
        room: String,
        last: Option<u64>,
        online: u64,
    },
    Message {
        key: Key,
        number: Option<u64>,
        kind: &'static str,
        text: String,
    },
    /// By JSON: its own line has this number.
    Said {
        number: u64,
    },
    Missed {
        count: u64,
    },
    /// The room that it wanted to go to is one too many.
    NoRoom,
    /// What the room is about.
    Topic {
        key: Key,
    },
    /// As many messages of the past follow.
    Past {
        count: u64,
    },
    Presence {
        change: i64,
        online: u64,
    },
    /// Nothing can be said: to the room, or as the answer to a line, which are the same as text.
    CutOff,
    /// The answer to a line by JSON.
    Refused,
    Back,
    /// The stream has no more what was said.
    Lost,
}

/// Everything that a peer was sent, each with the turn in which its last byte was sent.
pub fn items(pair: &Pair) -> Vec<(usize, Item)> {
    let record = pair.record.as_deref().expect("it is recorded");
    let mut items = Vec::new();
    let mut end = 0;
    for line in record.sent.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        let Some((b'\n', line)) = line.split_last() else { break };
        let line = str::from_utf8(line).expect("it is text");
        let turn = record.sent_ends.iter().find(|(sent, _)| *sent >= end).expect("it was sent").1;
        let item = if line.starts_with('{') { object(line) } else { text(line) };
        items.extend(item.map(|item| (turn, item)));
    }
    items
}

fn text(line: &str) -> Option<Item> {
    if let Some(rest) = line.strip_prefix('[') {
        let (_, text) = rest.split_once("] ").expect("a message has a name");
        return Some(message(text, None, "line"));
    }
    if let Some(rest) = line.strip_prefix("* ") {
        let (_, text) = rest.split_once(' ').expect("an action has a name");
        return Some(message(text, None, "action"));
    }
    match line {
        "! this server is cut off from its cluster: nothing can be said until it is back" => return Some(Item::CutOff),
        "! no more rooms" => return Some(Item::NoRoom),
        "! this server is back in its cluster" => return Some(Item::Back),
        "! what was said meanwhile is lost: the cluster does not have it any more" => return Some(Item::Lost),
        _ => {}
    }
    if let Some(rest) = line.strip_prefix("! you missed ") {
        return Some(Item::Missed { count: first_number(rest) });
    }
    if let Some(rest) = line.strip_prefix("! the last ") {
        return Some(Item::Past { count: first_number(rest) });
    }
    let online = || line.rsplit_once('(').map_or(0, |(_, rest)| first_number(rest));
    if let Some(text) = line.strip_prefix("> announcement: ") {
        return Some(message(text, None, "announcement"));
    }
    if let Some((_, text)) = line.strip_prefix("> ").and_then(|rest| rest.split_once(" set the topic: ")) {
        return Some(message(text, None, "topic"));
    }
    if let Some(text) = line.strip_prefix("! topic: ") {
        return Key::read(text).map(|key| Item::Topic { key });
    }
    if line.starts_with("> Connected ") {
        return Some(Item::Came { room: "lobby".to_owned(), last: None, online: online() });
    }
    if let Some(rest) = line.strip_prefix("> Joined ") {
        let room = rest.split(' ').next().expect("a room has a name").to_lowercase();
        return Some(Item::Came { room, last: None, online: online() });
    }
    if line.starts_with("> New user ") {
        return Some(Item::Presence { change: 1, online: online() });
    }
    if line.starts_with("< The user ") {
        return Some(Item::Presence { change: -1, online: online() });
    }
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        [">", entered, "user" | "users", "entered,", left, "left.", ..] => {
            let change = first_number(entered) as i64 - first_number(left) as i64;
            Some(Item::Presence { change, online: online() })
        }
        _ => {
            assert!(line.starts_with("! ") || line.contains(" is now known as "), "it was told {line:?}");
            None
        }
    }
}

fn first_number(text: &str) -> u64 {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().expect("a number")
}

fn message(text: &str, number: Option<u64>, kind: &'static str) -> Item {
    let key = Key::read(text).unwrap_or_else(|| panic!("nobody says {text:?}"));
    Item::Message { key, number, kind, text: text.to_owned() }
}

fn object(line: &str) -> Option<Item> {
    let object: Value = serde_json::from_str(line).expect("a line is an object");
    let number = |member: &str| object[member].as_u64().unwrap_or_else(|| panic!("{line} has no {member}"));
    let words = |member: &str| object[member].as_str().unwrap_or_else(|| panic!("{line} has no {member}"));
    match words("kind") {
        "welcome" => {
            let room = words("room").to_lowercase();
            Some(Item::Came { room, last: Some(number("n")), online: number("online") })
        }
        "message" => Some(message(words("text"), Some(number("n")), "line")),
        "action" => Some(message(words("text"), Some(number("n")), "action")),
        "topic" => Some(message(words("text"), Some(number("n")), "topic")),
        "announcement" => Some(message(words("text"), Some(number("n")), "announcement")),
        "said" => Some(Item::Said { number: number("n") }),
        "missed" => Some(Item::Missed { count: number("count") }),
        "entered" => Some(Item::Presence { change: 1, online: number("online") }),
        "left" => Some(Item::Presence { change: -1, online: number("online") }),
        "summary" => {
            let change = number("entered") as i64 - number("left") as i64;
            Some(Item::Presence { change, online: number("online") })
        }
        "cut_off" => Some(Item::CutOff),
        "back" => Some(Item::Back),
        "lost" => Some(Item::Lost),
        "notice" if words("code") == "history" => Some(Item::Past { count: number("count") }),
        "notice" if words("code") == "topic" => {
            let text = words("text").strip_prefix("topic: ").expect("it is a topic");
            Key::read(text).map(|key| Item::Topic { key })
        }
        "error" if words("code") == "no_more_rooms" => Some(Item::NoRoom),
        "error" if words("code") == "cut_off" => Some(Item::Refused),
        _ => None,
    }
}

/// A line to be said that a server was handed whole.
#[derive(Clone, Debug)]
pub struct Typed {
    pub key: Key,
    /// Where its author was.
    pub room: String,
    /// The turn in which its end was handed over.
    pub turn: usize,
}

/// `items` are what the peer was sent.
pub fn typed(record: &Record, items: &[(usize, Item)]) -> Vec<Typed> {
    let mut room = "lobby".to_owned();
    // The answers to what may bring it to another room, behind its welcome.
    let mut answers = items.iter().filter(|(_, item)| matches!(item, Item::Came { .. } | Item::NoRoom)).skip(1);
    let (mut typed, mut end) = (Vec::new(), 0);
    for line in record.heard.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        let Some((b'\n', line)) = line.split_last() else { break };
        let line = str::from_utf8(line).expect("peers type text");
        if let Some(to) = line.strip_prefix("/join ") {
            let is_refused = matches!(answers.next(), Some((_, Item::NoRoom)));
            room = if is_refused { room } else { to.to_lowercase() };
        } else if line.starts_with("/format ") {
            answers.next();
        }
        let text =
            ["/me ", "/topic ", "/announce "].iter().find_map(|command| line.strip_prefix(command)).unwrap_or(line);
        let is_announcement = line.starts_with("/announce ");
        let turn = record.chunk_ends.iter().find(|(chunk, _)| *chunk >= end).expect("it was handed over").1;
        typed.extend(Key::read(text).map(|key| Typed {
            key,
            room: if is_announcement { EVERY_ROOM.to_owned() } else { room.clone() },
            turn,
        }));
    }
    typed
}
