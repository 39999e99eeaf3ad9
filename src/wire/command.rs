//! Commands: lines that begin with `/`, as requests. A line is looked at after it was sanitised, so what decides is what
//! people see. Nothing is guessed: a command that is not exactly right is answered by what would be right.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use super::sanitise::sanitise;
use crate::limits::{HISTORY_DEFAULT, OPTION_TIME_MAX, UNKNOWN_NAME_BYTES_MAX};
use crate::moderation::time;

/// What a member asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    Help,
    Nick {
        name: &'a str,
    },
    Join {
        room: &'a str,
    },
    /// Pages are counted from 1.
    Rooms {
        page: u64,
    },
    Who {
        page: u64,
    },
    Me {
        text: &'a str,
    },
    Msg {
        name: &'a str,
        text: &'a str,
    },
    History {
        count: u64,
    },
    /// `None` asks for it; an empty text takes it away.
    Topic {
        text: Option<&'a str>,
    },
    Quit,
    Format {
        json: bool,
    },
    Token,
    /// All after message `number`.
    Resume {
        token: &'a str,
        number: u64,
    },
    Op {
        key: &'a str,
    },
    Kick {
        name: &'a str,
        why: &'a str,
    },
    Mute {
        name: &'a str,
        time: Option<Duration>,
    },
    Unmute {
        name: &'a str,
    },
    /// `whom` is a name, an address or a network.
    Ban {
        whom: &'a str,
        time: Option<Duration>,
    },
    Unban {
        whom: &'a str,
    },
    Bans {
        page: u64,
    },
    Slow {
        seconds: u64,
    },
    Only {
        operators: bool,
    },
    Announce {
        text: &'a str,
    },
    Nodes {
        page: u64,
    },
}

impl Request<'_> {
    /// True when it is done in the room that its member is in, so that there must be one.
    pub fn is_about_a_room(&self) -> bool {
        matches!(
            self,
            Self::Who { .. }
                | Self::Me { .. }
                | Self::History { .. }
                | Self::Topic { .. }
                | Self::Token
                | Self::Slow { .. }
                | Self::Only { .. }
        )
    }
}

/// Why a line is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong<'a> {
    /// No command has this name, of which this is the beginning.
    Unknown { name: &'a str },
    /// The command looks like this.
    Usage { usage: &'static str },
}

/// What a line is, before it is looked at as a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed<'a> {
    /// It is said.
    Line(Cow<'a, [u8]>),
    /// A command, sanitised, without its `/`.
    Command(String),
    /// Blanks stand before `/op`: what follows may be a key, so it is not said.
    BlankBeforeCommand,
}

/// A command's name, what it looks like, and what it does. An empty explanation leaves it out of the list.
struct Command {
    name: &'static str,
    usage: &'static str,
    what: &'static str,
    for_operators: bool,
}

const fn command(name: &'static str, usage: &'static str, what: &'static str) -> Command {
    Command { name, usage, what, for_operators: false }
}

const fn operators(name: &'static str, usage: &'static str, what: &'static str) -> Command {
    Command { name, usage, what, for_operators: true }
}

const COMMANDS: &[Command] = &[
    command("help", "/help", "this list"),
    command("nick", "/nick NAME", "be called NAME: letters, digits, _ and -, at most 24"),
    command("join", "/join ROOM", "go to ROOM, which is made if there is none"),
    command("rooms", "/rooms [PAGE]", "rooms and how many are in each"),
    command("who", "/who [PAGE]", "who is in this room"),
    command("me", "/me TEXT", "say what you do"),
    command("msg", "/msg NAME TEXT", "say something to NAME alone"),
    command("history", "/history [N]", "the last N messages again"),
    command("topic", "/topic [TEXT]", "what this room is about; operators set it, - takes it away"),
    command("quit", "/quit [TEXT]", "leave"),
    command("format", "/format json|text", "how lines are sent to you"),
    command("token", "/token", ""),
    command("resume", "/resume TOKEN N", ""),
    command("op", "/op KEY", "become an operator"),
    operators("kick", "/kick NAME [WHY]", "close the connection of NAME"),
    operators("mute", "/mute NAME [TIME]", "say nothing of what NAME says; TIME such as 30s, 10m, 1h, 2d"),
    operators("unmute", "/unmute NAME", "let NAME speak again"),
    operators("ban", "/ban NAME|ADDRESS[/PREFIX] [TIME]", "let nobody in from there"),
    operators("unban", "/unban NAME|ADDRESS[/PREFIX]", "let them in again"),
    operators("bans", "/bans [PAGE]", "who is banned"),
    operators("slow", "/slow SECONDS", "one line of each in SECONDS; 0 for no bound"),
    operators("only", "/only operators|all", "who may speak in this room"),
    operators("announce", "/announce TEXT", "say something in every room"),
    operators("nodes", "/nodes [PAGE]", "the servers of this cluster, and how many members each has"),
];

/// The lines of the list of commands.
pub fn help(operator: bool) -> impl Iterator<Item = String> {
    let listed = move |command: &&Command| !command.what.is_empty() && (operator || !command.for_operators);
    COMMANDS.iter().filter(listed).map(|command| format!("{}: {}", command.usage, command.what))
}

/// Looks whether a line is a command, of one that a member typed.
pub fn look(line: &[u8]) -> Typed<'_> {
    let Some(slash) = memchr::memchr(b'/', line) else { return Typed::Line(Cow::Borrowed(line)) };
    if slash == 0 && line.get(1) == Some(&b'/') {
        return Typed::Line(Cow::Borrowed(&line[1..]));
    }
    // A slash is a character by itself, so what stands before it is sanitised alone.
    if slash > 0 && sanitise(&line[..slash], &mut io::sink()).expect("a sink takes everything") {
        return Typed::Line(Cow::Borrowed(line));
    }
    let (mut before, mut rest) = (Vec::new(), Vec::new());
    sanitise(&line[..slash], &mut before).expect("writing to a Vec does not fail");
    sanitise(&line[slash..], &mut rest).expect("writing to a Vec does not fail");
    let text = str::from_utf8(&rest[1..]).expect("what is sanitised is UTF-8");
    if !before.is_empty() {
        let key = text.get(..2).is_some_and(|name| name.eq_ignore_ascii_case("op"));
        return if key { Typed::BlankBeforeCommand } else { Typed::Line(Cow::Borrowed(line)) };
    }
    if text.starts_with('/') { Typed::Line(Cow::Owned(text.into())) } else { Typed::Command(text.to_owned()) }
}

/// Splits off the first word. Exactly one space stands behind it.
fn word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// Reads a command, sanitised and without its `/`.
pub fn parse(line: &str) -> Result<Request<'_>, Wrong<'_>> {
    let (name, rest) = word(line);
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Err(Wrong::Unknown { name: &name[..name.floor_char_boundary(UNKNOWN_NAME_BYTES_MAX)] });
    };
    arguments(name, rest).ok_or(Wrong::Usage { usage: command.usage })
}

fn arguments<'a>(name: &str, rest: &'a str) -> Option<Request<'a>> {
    let visible =
        |text: &'a str| sanitise(text.as_bytes(), &mut io::sink()).expect("a sink takes everything").then_some(text);
    let nothing = |request| rest.trim().is_empty().then_some(request);
    let one = || visible(rest.trim()).filter(|word| !word.contains(' '));
    let page = || if rest.trim().is_empty() { Some(1) } else { number(rest.trim()).filter(|page| *page > 0) };
    Some(match name {
        "help" => nothing(Request::Help)?,
        "nick" => Request::Nick { name: one()? },
        "join" => Request::Join { room: one()? },
        "rooms" => Request::Rooms { page: page()? },
        "who" => Request::Who { page: page()? },
        "me" => Request::Me { text: visible(rest)? },
        "msg" => {
            let (name, text) = rest.split_once(' ')?;
            Request::Msg { name: visible(name)?, text: visible(text)? }
        }
        "history" if rest.trim().is_empty() => Request::History { count: HISTORY_DEFAULT },
        "history" => Request::History { count: number(rest.trim()).filter(|count| *count > 0)? },
        "topic" => Request::Topic { text: visible(rest) },
        "quit" => Request::Quit,
        "format" => match rest.trim() {
            "json" => Request::Format { json: true },
            "text" => Request::Format { json: false },
            _ => return None,
        },
        "token" => nothing(Request::Token)?,
        "resume" => {
            let (token, count) = rest.trim().split_once(' ')?;
            Request::Resume { token, number: number(count)? }
        }
        "op" => Request::Op { key: visible(rest)? },
        "kick" => {
            let (name, why) = word(rest.trim_start());
            Request::Kick { name: visible(name)?, why }
        }
        "mute" => {
            let (name, time) = timed(rest)?;
            Request::Mute { name, time }
        }
        "unmute" => Request::Unmute { name: one()? },
        "ban" => {
            let (whom, time) = timed(rest)?;
            Request::Ban { whom, time }
        }
        "unban" => Request::Unban { whom: one()? },
        "bans" => Request::Bans { page: page()? },
        "slow" => {
            Request::Slow { seconds: number(rest.trim()).filter(|seconds| *seconds <= OPTION_TIME_MAX.as_secs())? }
        }
        "only" => match rest.trim() {
            "operators" => Request::Only { operators: true },
            "all" => Request::Only { operators: false },
            _ => return None,
        },
        "announce" => Request::Announce { text: visible(rest)? },
        "nodes" => Request::Nodes { page: page()? },
        _ => unreachable!("every command of the list is read"),
    })
}

/// A number in digits alone.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A word, and a time behind it if there is one.
fn timed(rest: &str) -> Option<(&str, Option<Duration>)> {
    let (name, time) = word(rest.trim());
    let time = time.trim();
    let time = if time.is_empty() { None } else { Some(time::parse(time).ok()?) };
    (!name.is_empty()).then_some((name, time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Typed<'_> {
        Typed::Command(text.to_owned())
    }

    #[test]
    fn what_begins_with_a_slash_is_a_command_once_it_is_sanitised() {
        for (typed, expected) in [
            (&b"hello"[..], Typed::Line(Cow::Borrowed(&b"hello"[..]))),
            (b"", Typed::Line(Cow::Borrowed(b""))),
            (b" /me waves", Typed::Line(Cow::Borrowed(b" /me waves"))),
            (b"//etc", Typed::Line(Cow::Borrowed(b"/etc"))),
            (b"///", Typed::Line(Cow::Borrowed(b"//"))),
            (b"/quit", command("quit")),
            (b"\x07/quit\x00", command("quit")),
            ("\u{200b}/nick bob".as_bytes(), command("nick bob")),
            (b"/", command("")),
            (b" /op secret", Typed::BlankBeforeCommand),
            ("\t\u{3000}\u{200d}/OP secret".as_bytes(), Typed::BlankBeforeCommand),
            (b"x /op secret", Typed::Line(Cow::Borrowed(b"x /op secret"))),
        ] {
            assert_eq!(look(typed), expected, "{:?}", String::from_utf8_lossy(typed));
        }
    }

    #[test]
    fn requests_are_read_and_nothing_is_guessed() {
        let usage = |usage| Err(Wrong::Usage { usage });
        for (line, expected) in [
            ("help", Ok(Request::Help)),
            ("help me", usage("/help")),
            ("nick bob", Ok(Request::Nick { name: "bob" })),
            ("nick", usage("/nick NAME")),
            ("nick bob b", usage("/nick NAME")),
            ("join den", Ok(Request::Join { room: "den" })),
            ("rooms", Ok(Request::Rooms { page: 1 })),
            ("rooms 3", Ok(Request::Rooms { page: 3 })),
            ("rooms 0", usage("/rooms [PAGE]")),
            ("rooms +1", usage("/rooms [PAGE]")),
            ("me waves  twice ", Ok(Request::Me { text: "waves  twice " })),
            ("me  ", usage("/me TEXT")),
            ("msg bob  hi", Ok(Request::Msg { name: "bob", text: " hi" })),
            ("msg bob", usage("/msg NAME TEXT")),
            ("history", Ok(Request::History { count: HISTORY_DEFAULT })),
            ("history 5", Ok(Request::History { count: 5 })),
            ("topic", Ok(Request::Topic { text: None })),
            ("topic of  old", Ok(Request::Topic { text: Some("of  old") })),
            ("quit bye", Ok(Request::Quit)),
            ("format json", Ok(Request::Format { json: true })),
            ("format xml", usage("/format json|text")),
            ("resume abc 7", Ok(Request::Resume { token: "abc", number: 7 })),
            ("resume abc", usage("/resume TOKEN N")),
            ("op a key of words ", Ok(Request::Op { key: "a key of words " })),
            ("kick bob for this", Ok(Request::Kick { name: "bob", why: "for this" })),
            ("mute bob 10m", Ok(Request::Mute { name: "bob", time: Some(Duration::from_secs(600)) })),
            ("mute bob for ever", usage("/mute NAME [TIME]")),
            ("ban 192.0.2.0/24", Ok(Request::Ban { whom: "192.0.2.0/24", time: None })),
            ("ban bob 1y", usage("/ban NAME|ADDRESS[/PREFIX] [TIME]")),
            ("ban bob s", usage("/ban NAME|ADDRESS[/PREFIX] [TIME]")),
            ("slow 10", Ok(Request::Slow { seconds: 10 })),
            ("only all", Ok(Request::Only { operators: false })),
            ("nodes", Ok(Request::Nodes { page: 1 })),
            ("nodes x", usage("/nodes [PAGE]")),
            ("Quit", Err(Wrong::Unknown { name: "Quit" })),
            ("", Err(Wrong::Unknown { name: "" })),
            ("tell bob", Err(Wrong::Unknown { name: "tell" })),
            (&"\u{e9}".repeat(3000), Err(Wrong::Unknown { name: &"\u{e9}".repeat(16) })),
            (
                &format!("x{}", "\u{e9}".repeat(3000)),
                Err(Wrong::Unknown { name: &format!("x{}", "\u{e9}".repeat(15)) }),
            ),
        ] {
            assert_eq!(parse(line), expected, "{line:?}");
        }
    }

    #[test]
    fn every_command_of_the_list_is_read() {
        for command in COMMANDS {
            assert!(
                arguments(command.name, "").is_some()
                    || arguments(command.name, "x 1").is_some()
                    || arguments(command.name, "1").is_some()
                    || arguments(command.name, "all").is_some()
                    || arguments(command.name, "json").is_some()
                    || arguments(command.name, "x").is_some(),
                "{}",
                command.name
            );
            assert!(command.usage.starts_with(&format!("/{}", command.name)));
        }
        assert!(help(true).count() > help(false).count());
        assert!(help(true).all(|line| line.len() < 80));
    }
}
