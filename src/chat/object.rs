//! One line of a server as an object, and the line of the text format that says the same. Pure: no I/O.
//!
//! A client takes what it knows and ignores the rest: further members, and kinds that it does not know unless they have
//! a text. What is no object, or lacks a member that its kind has, is shown as the line that it is. No string of an
//! object reaches anybody before it is sanitised: JSON can name any character by its number, line feeds too.

use std::fmt;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::wire::sanitise;

/// An object that a server has sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Object(Map<String, Value>);

impl Object {
    /// The object that `line` is. `None` for any other line.
    pub fn parse(line: &str) -> Option<Self> {
        if !line.starts_with('{') {
            return None;
        }
        match serde_json::from_str(line) {
            Ok(Value::Object(members)) => Some(Self(members)),
            _ => None,
        }
    }

    pub fn kind(&self) -> &str {
        self.raw("kind").unwrap_or_default()
    }

    pub fn code(&self) -> &str {
        self.raw("code").unwrap_or_default()
    }

    pub fn number(&self, member: &str) -> Option<u64> {
        self.0.get(member)?.as_u64()
    }

    /// A string that is compared or sent back, and never shown.
    pub fn raw(&self, member: &str) -> Option<&str> {
        self.0.get(member)?.as_str()
    }

    /// A string as others may see it.
    pub fn text(&self, member: &str) -> Option<String> {
        self.raw(member).map(harmless)
    }

    /// What to show of it, as the text format says it. `None` when nothing is to be shown, an error when it lacks what
    /// its kind has.
    pub fn line(&self) -> Result<Option<Shown>, Malformed> {
        let text = || self.text("text").ok_or(Malformed);
        let from = || self.text("from").ok_or(Malformed);
        let number = |member| self.number(member).ok_or(Malformed);
        let online = || number("online").map(Users);
        let mut line = Builder::default();
        match self.kind() {
            "message" => line.add("[").name(&from()?).add("] ").add(&text()?),
            "action" => line.add("* ").name(&from()?).add(" ").add(&text()?),
            "topic" => line.add("> ").name(&from()?).add(" set the topic: ").add(&text()?),
            "announcement" => line.add("> announcement: ").add(&text()?),
            "entered" => line.add("> New user ").name(&from()?).add(&format!(" entered. ({} online)", online()?)),
            "left" => line.add("< The user ").name(&from()?).add(&format!(" left ({} online)", online()?)),
            "renamed" => {
                let to = self.text("to").ok_or(Malformed)?;
                line.add("> ").name(&from()?).add(" is now known as ").name(&to)
            }
            "summary" => {
                let (entered, left) = (Users(number("entered")?), number("left")?);
                line.add(&format!("> {entered} entered, {left} left. ({} online)", online()?))
            }
            "slow" => {
                line.add("> ").name(&from()?);
                match number("seconds")? {
                    0 => line.add(" lifted the slow mode"),
                    seconds => line.add(&format!(" set the slow mode: one line in {seconds} s")),
                }
            }
            "only" => {
                line.add("> ").name(&from()?);
                match self.0.get("operators").and_then(Value::as_bool).ok_or(Malformed)? {
                    true => line.add(" set the room to operators only"),
                    false => line.add(" opened the room to all"),
                }
            }
            "welcome" => {
                let room = self.text("room").ok_or(Malformed)?;
                line.add(&format!("> Joined {room} ({} online)", online()?))
            }
            "private" => line.add("[").name(&from()?).add(" to you] ").add(&text()?),
            "missed" => match self.number("count") {
                Some(count) => line.add(&missed(count)),
                None => line.add(ROOM_ANEW),
            },
            "notice" | "error" | "stopping" | "replaced" => line.add("! ").add(&text()?),
            "token" => line.add("! token: ").add(&self.text("token").ok_or(Malformed)?),
            "said" => return number("n").map(|_| None),
            _ => {
                let Some(text) = self.text("text") else { return Ok(None) };
                line.add(&text).dim()
            }
        };
        let mut line = line.0;
        line.time = self.number("t");
        Ok(Some(line))
    }
}

/// What a client is told when nobody knows how many messages it missed.
const ROOM_ANEW: &str = "! the room was made anew: what was said before is gone";

/// What a client is told in either format when messages did not reach it.
pub fn missed(count: u64) -> String {
    format!("! you missed {count} message{}", if count == 1 { "" } else { "s" })
}

/// An object that lacks what its kind has.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// A line to be shown: safe for any terminal, without a line feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    pub text: String,
    /// Where names of members stand in it.
    pub names: Vec<Range<usize>>,
    /// When it was said, in milliseconds of Unix time.
    pub time: Option<u64>,
    /// True when it is less than what people say: what happens to the connection.
    pub is_dim: bool,
}

impl Shown {
    /// A line of a server that speaks the text format, sanitised already. A name is coloured where the format has one
    /// in front.
    pub fn plain(line: &str) -> Self {
        let name = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map(|(name, _)| 1..1 + name.len());
        let names = name.into_iter().filter(|name| !line[name.clone()].contains(' ')).collect();
        Self { text: line.to_owned(), names, ..Self::default() }
    }

    /// What this program says of the connection.
    pub fn dim(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_dim: true, ..Self::default() }
    }
}

#[derive(Debug, Default)]
struct Builder(Shown);

impl Builder {
    fn add(&mut self, text: &str) -> &mut Self {
        self.0.text.push_str(text);
        self
    }

    fn name(&mut self, name: &str) -> &mut Self {
        let start = self.0.text.len();
        self.0.names.push(start..start + name.len());
        self.add(name)
    }

    fn dim(&mut self) -> &mut Self {
        self.0.is_dim = true;
        self
    }
}

struct Users(u64);

impl fmt::Display for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} user{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// A text without anything that controls a terminal.
pub fn harmless(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    sanitise(text.as_bytes(), &mut out).expect("writing to a Vec does not fail");
    String::from_utf8(out).expect("sanitised lines are UTF-8")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{Event, Notice};

    fn line(object: &str) -> Result<Option<Shown>, Malformed> {
        Object::parse(object).expect("an object").line()
    }

    fn text(object: &str) -> String {
        line(object).expect("nothing lacks").expect("something to show").text
    }

    #[test]
    fn each_kind_is_the_line_that_the_text_format_has() {
        for (object, expected) in [
            (r#"{"n":1,"t":5,"kind":"message","from":"bob","id":"a","text":"hi"}"#, "[bob] hi"),
            (r#"{"n":1,"t":5,"kind":"action","from":"bob","id":"a","text":"waves"}"#, "* bob waves"),
            (r#"{"n":1,"kind":"topic","from":"bob","text":"bridges"}"#, "> bob set the topic: bridges"),
            (r#"{"n":1,"kind":"announcement","text":"a break"}"#, "> announcement: a break"),
            (r#"{"kind":"entered","from":"bob","online":3}"#, "> New user bob entered. (3 users online)"),
            (r#"{"kind":"left","from":"bob","online":1}"#, "< The user bob left (1 user online)"),
            (r#"{"kind":"renamed","from":"1.2.3.4:5","to":"bob","online":1}"#, "> 1.2.3.4:5 is now known as bob"),
            (
                r#"{"kind":"summary","entered":1204,"left":31,"online":19000}"#,
                "> 1204 users entered, 31 left. (19000 users online)",
            ),
            (r#"{"kind":"slow","from":"bob","seconds":10}"#, "> bob set the slow mode: one line in 10 s"),
            (r#"{"kind":"slow","from":"bob","seconds":0}"#, "> bob lifted the slow mode"),
            (r#"{"kind":"only","from":"bob","operators":true}"#, "> bob set the room to operators only"),
            (r#"{"kind":"only","from":"bob","operators":false}"#, "> bob opened the room to all"),
            (r#"{"kind":"welcome","room":"den","online":3}"#, "> Joined den (3 users online)"),
            (r#"{"kind":"private","from":"carol","text":"psst"}"#, "[carol to you] psst"),
            (r#"{"kind":"missed","from":2,"to":3,"count":2}"#, "! you missed 2 messages"),
            (r#"{"kind":"notice","code":"nick","text":"you are bob"}"#, "! you are bob"),
            (r#"{"kind":"error","code":"muted","text":"muted for 1h"}"#, "! muted for 1h"),
            (r#"{"kind":"stopping","text":"the server is stopping"}"#, "! the server is stopping"),
            (r#"{"kind":"replaced","text":"elsewhere"}"#, "! elsewhere"),
            (r#"{"kind":"token","token":"abc","seconds":60}"#, "! token: abc"),
            (r#"{"kind":"new","text":"what is to come"}"#, "what is to come"),
        ] {
            assert_eq!(text(object), expected);
        }
        assert_eq!(text(r#"{"kind":"stopping","text":"the server is stopping"}"#), Event::Stopping.to_string());
        assert_eq!(text(r#"{"kind":"missed"}"#), Notice::RoomAnew.to_string());
        for messages in [1, 2] {
            assert_eq!(missed(messages), Notice::Missed { messages, range: None }.to_string());
        }
    }

    #[test]
    fn names_and_times_are_known_and_a_new_kind_is_dim() {
        let renamed = line(r#"{"t":7,"kind":"renamed","from":"ann","to":"bob"}"#).unwrap().unwrap();
        assert_eq!((renamed.names, renamed.time), (vec![2..5, 22..25], Some(7)));
        assert!(line(r#"{"kind":"new","text":"x"}"#).unwrap().unwrap().is_dim);
        for (text, name) in [("[bob] hi", Some(1..4)), ("[bob to you] hi", None), ("> x", None), ("[", None)] {
            assert_eq!(Shown::plain(text).names.first(), name.as_ref(), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_ignored_and_what_lacks_a_member_is_malformed() {
        assert_eq!(line(r#"{"kind":"new","x":[{}]}"#), Ok(None));
        assert_eq!(line(r#"{"kind":"said","n":5}"#), Ok(None));
        assert_eq!(line("{}"), Ok(None));
        for object in [
            r#"{"kind":"message","from":"bob"}"#,
            r#"{"kind":"message","from":7,"text":"x"}"#,
            r#"{"kind":"entered","from":"bob","online":-1}"#,
            r#"{"kind":"entered","from":"bob","online":1e99}"#,
            r#"{"kind":"said"}"#,
            r#"{"kind":"welcome"}"#,
            r#"{"kind":"only","from":"bob","operators":"yes"}"#,
        ] {
            assert_eq!(line(object), Err(Malformed), "{object}");
        }
        for line in ["", "hi", "[1]", "{", "{\"kind\":\"said\",\"n\":1} x", &"{\"a\":".repeat(100_000)] {
            assert_eq!(Object::parse(line), None);
        }
    }

    #[test]
    fn characters_that_json_names_by_number_are_made_harmless_too() {
        let hostile = r#"{"kind":"message","from":"a\u001b[2J\n[bob","text":"x\r\n[carol] y\u202e\u0007"}"#;
        assert_eq!(text(hostile), "[a[2J[bob] x[carol] y");
    }

    proptest! {
        #[test]
        fn no_line_is_a_panic_or_more_than_one_line(
            kind in prop::sample::select(vec!["message", "entered", "only", "welcome", "private", "missed", "x", ""]),
            from: String, text: String, online: i64, rest in "[ -~]{0,20}",
        ) {
            let object = serde_json::json!({ "kind": kind, "from": from, "text": text, "online": online, "room": text });
            if let Ok(Some(shown)) = Object::parse(&object.to_string()).expect("an object").line() {
                prop_assert!(!shown.text.contains(char::is_control) || shown.text.contains('\t'));
                prop_assert!(shown.names.iter().all(|name| shown.text.get(name.clone()).is_some()));
            }
            let _ = Object::parse(&format!("{{{rest}")).map(|object| object.line());
        }
    }
}
