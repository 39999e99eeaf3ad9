//! What a member has asked for by the bytes that it typed, and which answers may come: a second reading of the commands in
//! `docs/PROTOCOL.md`.

use super::shown::shown;

/// What a member has typed with one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is said, as an action or not.
    Say { action: bool, text: String },
    Nick(String),
    Join(String),
    History(u64),
    Who,
    Rooms,
    Help,
    Msg { name: String, text: String },
    Format { json: bool },
    Token,
    Resume { token: String, number: u64 },
    Quit,
    /// It is answered by one of these beginnings of a notice.
    Answered(&'static [&'static str]),
}

/// A thing asked, and the turn in which the server was handed the end of its line.
#[derive(Clone, Debug)]
pub struct Item {
    pub asked: Asked,
    pub turn: usize,
}

/// The things that `heard`, of which the chunks end where `chunk_ends` says, asks for. Also returns the number of lines
/// that are too long.
pub fn items(heard: &[u8], chunk_ends: &[(usize, usize)], line_bytes: usize) -> (Vec<Item>, u64) {
    let (mut items, mut too_long, mut start) = (Vec::new(), 0, 0);
    for line in heard.split_inclusive(|byte| *byte == b'\n') {
        let end = start + line.len();
        start = end;
        let chunk = chunk_ends.partition_point(|(chunk_end, _)| *chunk_end < end);
        let whole = line.strip_suffix(b"\n");
        let bytes = whole.unwrap_or(line);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if bytes.len() > line_bytes {
            too_long += 1;
        } else if whole.is_some()
            && let Some(asked) = ask(bytes)
        {
            items.push(Item { asked, turn: chunk_ends[chunk].1 });
        }
    }
    (items, too_long)
}

/// `None` for a line of which nothing is seen.
fn ask(line: &[u8]) -> Option<Asked> {
    let text = String::from_utf8(shown(line)?).expect("what is shown is text");
    if let Some(rest) = text.strip_prefix('/') {
        return Some(if rest.starts_with('/') { say(rest, false) } else { command(rest) });
    }
    if text.trim_start().to_ascii_lowercase().starts_with("/op") {
        return Some(Asked::Answered(&["a command begins with / and nothing before it"]));
    }
    Some(say(&text, false))
}

fn say(text: &str, action: bool) -> Asked {
    Asked::Say { action, text: text.to_owned() }
}

fn command(text: &str) -> Asked {
    let (command, rest) = text.split_once(' ').unwrap_or((text, ""));
    let usage = Asked::Answered(&["usage: /"]);
    let words: Vec<&str> = rest.split_whitespace().collect();
    let number = |default: u64| match words[..] {
        [] => Some(default),
        [word] if word.bytes().all(|byte| byte.is_ascii_digit()) => word.parse().ok().filter(|number| *number > 0),
        _ => None,
    };
    let allowed = |name: &str, most: usize| {
        name.len() <= most
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
            && !name.bytes().all(|byte| byte.is_ascii_digit())
    };
    match (command, &words[..]) {
        ("help", []) => Asked::Help,
        ("nick", [name]) => {
            let lower = name.to_ascii_lowercase();
            let reserved = ["server", "uproar", "you", "everyone"].contains(&&*lower) || lower.starts_with("guest-");
            if allowed(name, 24) && !reserved {
                Asked::Nick((*name).to_owned())
            } else {
                Asked::Answered(&["a name is 1 to 24 letters"])
            }
        }
        ("join", [room]) if allowed(room, 32) => Asked::Join((*room).to_owned()),
        ("join", [_]) => Asked::Answered(&["a room's name is 1 to 32 letters"]),
        ("rooms", _) => number(1).map_or(usage, |_| Asked::Rooms),
        ("who", _) => number(1).map_or(usage, |_| Asked::Who),
        ("history", _) => number(20).map_or(usage, Asked::History),
        ("me", [_, ..]) => say(rest, true),
        ("msg", [_, _, ..]) => {
            let (name, text) = rest.split_once(' ').expect("there are two words");
            Asked::Msg { name: name.to_owned(), text: text.to_owned() }
        }
        ("format", ["json"]) => Asked::Format { json: true },
        ("format", ["text"]) => Asked::Format { json: false },
        ("token", []) => Asked::Token,
        ("resume", [token, number]) => match number.parse() {
            Ok(number) => Asked::Resume { token: (*token).to_owned(), number },
            Err(_) => usage,
        },
        ("topic", []) => Asked::Answered(&["there is no topic"]),
        ("topic", _) | ("op", [_, ..]) => Asked::Answered(&["this command is for operators"]),
        ("kick" | "mute", [_]) | ("announce", [_, ..]) => Asked::Answered(&["this command is for operators"]),
        ("quit", _) => Asked::Quit,
        (
            "help" | "nick" | "join" | "me" | "msg" | "format" | "token" | "resume" | "op" | "kick" | "mute"
            | "announce",
            _,
        ) => usage,
        _ => Asked::Answered(&["there is no command /"]),
    }
}
