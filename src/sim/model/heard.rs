//! What one line to a member says, in the text format or as JSON: both are read to the same, so that they are held to the
//! same rules.

use serde_json::Value;

use super::rooms::online_in;

/// A line that a member was sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A line of the room, as the text format has it.
    Said { line: String, object: Option<Object> },
    /// To a newcomer.
    Connected { online: u64 },
    Welcome { room: String, online: u64, object: Option<Welcome> },
    /// One's own message got this number.
    Own { number: u64 },
    /// `range` is known to programs.
    Missed { count: u64, range: Option<(u64, u64)> },
    /// The room was made anew.
    Anew,
    Private { from: String, text: String },
    Token(String),
    Replaced,
    /// Any other notice, without `! `.
    Notice(String),
}

/// What an object has beside its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its number, or that of the last numbered one before it.
    pub number: u64,
    pub time: u64,
    pub id: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Welcome {
    pub epoch: u64,
    pub id: u64,
    pub name: String,
    pub number: u64,
}

/// Reads a line without its line feed.
pub fn read(line: &[u8], json: bool) -> Result<Heard, String> {
    let text = str::from_utf8(line).map_err(|_| "is not UTF-8".to_owned())?;
    if json { read_json(text) } else { Ok(read_text(text)) }
}

fn read_text(text: &str) -> Heard {
    let said = || Heard::Said { line: format!("{text}\n"), object: None };
    if let Some(rest) = text.strip_prefix("> Joined ") {
        let room = rest.split(' ').next().unwrap_or_default().to_owned();
        return Heard::Welcome { room, online: online_in(text).unwrap_or_default(), object: None };
    }
    if text.starts_with("> Connected to the chat server (") {
        return Heard::Connected { online: online_in(text).unwrap_or_default() };
    }
    if let Some((from, private)) = text.strip_prefix('[').and_then(|rest| rest.split_once("] "))
        && let Some(from) = from.strip_suffix(" to you")
    {
        return Heard::Private { from: from.to_owned(), text: private.to_owned() };
    }
    let Some(notice) = text.strip_prefix("! ").filter(|notice| *notice != "the server is stopping") else {
        return said();
    };
    if let Some(rest) = notice.strip_prefix("you missed ")
        && let Some(count) = rest.split(' ').next().and_then(|count| count.parse().ok())
    {
        return Heard::Missed { count, range: None };
    }
    match notice {
        "the room was made anew: what was said before is gone" => Heard::Anew,
        "you have come back by another connection" => Heard::Replaced,
        notice => Heard::Notice(notice.to_owned()),
    }
}

/// Codes of notices that are told as errors.
const ERRORS: [(&str, &str); 12] = [
    ("line_too_long", "line too long"),
    ("line_timeout", "your line was not finished"),
    ("unknown_command", "there is no command"),
    ("usage", "usage: "),
    ("blank_before_command", "a command begins with /"),
    ("name_taken", "the name "),
    ("name_refused", "a name is"),
    ("room_name_refused", "a room's name is"),
    ("no_more_rooms", "no more rooms"),
    ("nobody", "nobody is called "),
    ("not_operator", "this command is for operators"),
    ("resume_refused", "this token is not good"),
];

fn read_json(text: &str) -> Result<Heard, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let word = |key: &str| value[key].as_str().map(ToOwned::to_owned).ok_or_else(|| format!("has no {key}"));
    let number = |key: &str| value[key].as_u64().ok_or_else(|| format!("has no {key}"));
    let id = |key: &str| u64::from_str_radix(&word(key)?, 16).map_err(|_| format!("has no {key}"));
    let online = |text: String| {
        let count = number("online")?;
        Ok::<_, String>(format!("{text} ({count} {} online)", if count == 1 { "user" } else { "users" }))
    };
    let said = |line: String, key: &str| {
        let object = Object { number: number(key)?, time: number("t")?, id: id("id").ok() };
        Ok(Heard::Said { line: format!("{line}\n"), object: Some(object) })
    };
    match word("kind")?.as_str() {
        "message" => said(format!("[{}] {}", word("from")?, word("text")?), "n"),
        "action" => said(format!("* {} {}", word("from")?, word("text")?), "n"),
        "entered" => said(online(format!("> New user {} entered.", word("from")?))?, "after"),
        "left" => said(online(format!("< The user {} left", word("from")?))?, "after"),
        "renamed" => {
            number("online")?;
            said(format!("> {} is now known as {}", word("from")?, word("to")?), "after")
        }
        "summary" => {
            let (entered, left) = (number("entered")?, number("left")?);
            let users = if entered == 1 { "user" } else { "users" };
            said(online(format!("> {entered} {users} entered, {left} left."))?, "after")
        }
        "stopping" => said(format!("! {}", word("text")?), "after"),
        "welcome" => {
            let welcome = Welcome { epoch: id("epoch")?, id: id("id")?, name: word("name")?, number: number("n")? };
            number("t")?;
            Ok(Heard::Welcome { room: word("room")?, online: number("online")?, object: Some(welcome) })
        }
        "said" => Ok(Heard::Own { number: number("n")? }),
        "missed" if value.get("count").is_none() => Ok(Heard::Anew),
        "missed" => {
            Ok(Heard::Missed { count: number("count")?, range: Some((number("from")?, number("to")?)) })
        }
        "private" => {
            id("id")?;
            Ok(Heard::Private { from: word("from")?, text: word("text")? })
        }
        "token" => Ok(Heard::Token(word("token")?)),
        "replaced" => Ok(Heard::Replaced),
        kind @ ("notice" | "error") => {
            let (code, text) = (word("code")?, word("text")?);
            let is_error = ERRORS.iter().any(|(error, start)| *error == code && text.starts_with(start))
                || code == "not_reading"
                || code == "json_only"
                || code == "foreign";
            if is_error != (kind == "error") {
                return Err(format!("is of the kind {kind}"));
            }
            Ok(Heard::Notice(text))
        }
        kind => Err(format!("is of the kind {kind:?}")),
    }
}
