//! The text format: messages and notices as lines of UTF-8, each ended by a line feed, in the words of the original.
//!
//! Every line that a member says carries its author's prefix, so nothing that a member types can start like a line of
//! the server. docs/PROTOCOL.md has every text.

use std::fmt;
use std::io::{self, Write};

use super::foreign::Foreign;
use super::sanitise::sanitise;
use crate::limits::{EVENT_BYTES_MAX, PREFIX_BYTES_MAX, rendered_bytes_max};
use crate::message::{Arrival, Body, Event, Kind, Message, Notice};
use crate::moderation::time;
use crate::names::Name;
use crate::room::log::Entry;

/// Most bytes of a message, its line feed included.
pub fn message_bytes_max(body: &Body<'_>) -> usize {
    let text = body.text();
    match body {
        Body::Event(_) => EVENT_BYTES_MAX,
        // Sanitising never makes ASCII longer.
        _ if text.is_ascii() => PREFIX_BYTES_MAX + text.len() + 1,
        _ => rendered_bytes_max(text.len()),
    }
}

/// Bytes that a line will take if nothing of it is dropped or replaced.
pub fn line_bytes_expected(name: Name, text: &[u8]) -> usize {
    let mut length = Length(0);
    prefix(name, &mut length).expect("counting does not fail");
    length.0 + text.len() + 1
}

/// Writes what stands in front of a line: its author in brackets, and a space.
fn prefix(author: Name, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"[")?;
    author.write(out)?;
    out.write_all(b"] ")
}

/// Counts what is written to it.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a message. False, and nothing to send, when no byte of it is visible.
pub fn message(message: &Message<'_>, out: &mut impl Write) -> io::Result<bool> {
    match message.body {
        Body::Line { name, text } => line(name, text, out),
        Body::Action { name, text } => {
            out.write_all(b"* ")?;
            name.write(out)?;
            out.write_all(b" ")?;
            end(text, out)
        }
        Body::Topic { name, text } => {
            out.write_all(b"> ")?;
            name.write(out)?;
            out.write_all(b" set the topic: ")?;
            end(text, out).map(|_| true)
        }
        Body::Announcement { text } => {
            out.write_all(b"> announcement: ")?;
            end(text, out)
        }
        Body::Event(event) => writeln!(out, "{event}").map(|()| true),
    }
}

/// Writes a line as others receive it: `[IP:PORT] text` and a line feed. False, and nothing to send, when no byte of
/// `text` is visible.
pub fn line(author: Name, text: &[u8], out: &mut impl Write) -> io::Result<bool> {
    prefix(author, out)?;
    end(text, out)
}

/// Writes what a member typed, and a line feed. False when no byte of it is visible.
fn end(text: &[u8], out: &mut impl Write) -> io::Result<bool> {
    let visible = sanitise(text, out)?;
    out.write_all(b"\n")?;
    Ok(visible)
}

/// Writes a notice.
pub fn notice(notice: Notice<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{notice}")
}

/// A count of users in words: `1 user`, `2 users`.
#[derive(Clone, Copy, Debug)]
pub struct Users(pub u64);

impl fmt::Display for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} user{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Entered { name, online } => write!(f, "> New user {name} entered. ({} online)", Users(online)),
            Self::Left { name, online } => write!(f, "< The user {name} left ({} online)", Users(online)),
            Self::Summary { entered, left, online } => {
                write!(f, "> {} entered, {left} left. ({} online)", Users(entered), Users(online))
            }
            Self::Renamed { before, name, .. } => write!(f, "> {before} is now known as {name}"),
            Self::Slow { name, seconds: 0 } => write!(f, "> {name} lifted the slow mode"),
            Self::Slow { name, seconds } => write!(f, "> {name} set the slow mode: one line in {seconds} s"),
            Self::Only { name, operators: true } => write!(f, "> {name} set the room to operators only"),
            Self::Only { name, operators: false } => write!(f, "> {name} opened the room to all"),
            Self::Stopping => write!(f, "! the server is stopping"),
            Self::CutOff => write!(f, "{}", Notice::CutOff),
            Self::Back => write!(f, "! this server is back in its cluster"),
            Self::Lost { .. } => write!(f, "! what was said meanwhile is lost: the cluster does not have it any more"),
        }
    }
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Connected { online } => {
                write!(f, "> Connected to the chat server ({} online)", Users(online))
            }
            Self::Joined(Arrival { room, online, .. }) => write!(f, "> Joined {room} ({} online)", Users(online)),
            Self::Said { number, .. } => write!(f, "! said as message {number}"),
            Self::RoomAnew => write!(f, "! the room was made anew: what was said before is gone"),
            Self::Missed { messages: 1, .. } => write!(f, "! you missed 1 message"),
            Self::Missed { messages, .. } => write!(f, "! you missed {messages} messages"),
            Self::Private { from, text, .. } => write!(f, "[{from} to you] {text}"),
            Self::LineTooLong { line_bytes_max } => {
                write!(f, "! line too long: it was not sent, at most {line_bytes_max} bytes are")
            }
            Self::ServerFull => write!(f, "! the house is full"),
            Self::TooManyConnections => write!(f, "! too many connections from your address"),
            Self::TooManyJoins => write!(f, "! too many joins from your address: try again later"),
            Self::SlowDown => write!(f, "! slow down: your lines are delayed, not lost"),
            Self::LineTimeout => write!(f, "! your line was not finished in time"),
            Self::Foreign(Foreign::Tls) => write!(f, "! this is a plain chat server: it does not speak TLS"),
            Self::Foreign(Foreign::Http) => {
                write!(f, "! this is a chat server, not a web server: use nc, telnet or uproar chat")
            }
            Self::Foreign(Foreign::Proxy) => {
                write!(f, "! this is a plain chat server: it does not speak the PROXY protocol")
            }
            Self::Foreign(Foreign::Stun) => write!(f, "! this is a plain chat server: it does not speak STUN"),
            Self::Help { line } | Self::Motd { line } => write!(f, "! {line}"),
            Self::UnknownCommand { name } => {
                write!(f, "! there is no command /{name}: /help lists them, //{name} says it")
            }
            Self::Usage { usage } => write!(f, "! usage: {usage}"),
            Self::BlankBeforeCommand => {
                write!(f, "! a command begins with / and nothing before it: this line was not said")
            }
            Self::Named { name } => write!(f, "! you are {name}"),
            Self::NameTaken { name } => write!(f, "! the name {name} is taken"),
            Self::NameLost { name, now } => {
                write!(f, "! the name {name} was given to somebody else while this server was cut off: you are {now}")
            }
            Self::NamesCutOff => write!(f, "! names cannot be chosen while this server is cut off from its cluster"),
            Self::NameRefused => {
                write!(f, "! a name is 1 to 24 letters, digits, _ or -, not digits alone and not one of the server's")
            }
            Self::RoomNameRefused => {
                write!(f, "! a room's name is 1 to 32 letters, digits, _ or -, and not digits alone")
            }
            Self::NoMoreRooms => write!(f, "! no more rooms"),
            Self::NoRoom => write!(f, "! you are in no room: /join ROOM"),
            Self::HandshakeTimeout => write!(f, "! you did not begin in time"),
            Self::TooManyLines => write!(f, "! you sent too many lines before you joined"),
            Self::RoomListed { room, online } => write!(f, "! {room} {online}"),
            Self::MemberListed { name } => write!(f, "! {name}"),
            Self::Elsewhere { online } => write!(f, "! and {online} more on other nodes"),
            Self::NodeListed { name, node, members, behind, up } => {
                write!(f, "! {name} {node}: {members} members, {behind} behind, up {}", time::roughly(up))
            }
            Self::NoCluster => write!(f, "! this server is in no cluster"),
            Self::Page { page, pages } => write!(f, "! page {page} of {pages}"),
            Self::Nobody { name } => write!(f, "! nobody is called {name}"),
            Self::Sent { name } => write!(f, "! sent to {name}"),
            Self::NotReading { name } => write!(f, "! {name} is not reading"),
            Self::History { count } => write!(f, "! the last {count} messages:"),
            Self::Topic { text } => write!(f, "! topic: {text}"),
            Self::NoTopic => write!(f, "! there is no topic"),
            Self::Operator => write!(f, "! you are an operator"),
            Self::WrongKey => write!(f, "! this is not the key"),
            Self::NoOperators => write!(f, "! there are no operators here"),
            Self::Kicked { by, why: "" } => write!(f, "! kicked by {by}"),
            Self::Kicked { by, why } => write!(f, "! kicked by {by}: {why}"),
            Self::MutedFor { time: Some(time) } => write!(f, "! muted for {time}"),
            Self::MutedFor { time: None } => write!(f, "! muted until an operator lifts it"),
            Self::Muted => write!(f, "! you are muted: this line was not said"),
            Self::Unmuted => write!(f, "! you may speak again"),
            Self::Banned { end } => write!(f, "! banned {end}"),
            Self::KickedOther { name } => write!(f, "! kicked {name}"),
            Self::MutedOther { held, end } => write!(f, "! muted {held} {end}"),
            Self::BannedOther { held, end } => write!(f, "! banned {held} {end}"),
            Self::Lifted { verb, held } => write!(f, "! {verb} {held}"),
            Self::NothingHeld { name } => write!(f, "! nothing is held of {name}"),
            Self::HoldsFull => write!(f, "! there are as many bans or mutes as there may be"),
            Self::NoNetwork { why } => write!(f, "! {why}"),
            Self::BanListed { line } => write!(f, "! {line}"),
            Self::TopicTooLong { bytes_max } => write!(f, "! a topic has at most {bytes_max} bytes"),
            Self::NoMoreKept => write!(f, "! no more rooms may have a topic or a mode"),
            Self::Announced { rooms: 1 } => write!(f, "! announced in 1 room"),
            Self::Announced { rooms } => write!(f, "! announced in {rooms} rooms"),
            Self::AnnouncementUnderWay => write!(f, "! an announcement is under way: try again later"),
            Self::SlowMode { seconds } => {
                write!(f, "! slow mode: one line in {seconds} s, yours waits and is not lost")
            }
            Self::OperatorsOnly => write!(f, "! only operators may speak here: this line was not said"),
            Self::CutOff => {
                write!(f, "! this server is cut off from its cluster: nothing can be said until it is back")
            }
            Self::NotOperator => write!(f, "! this command is for operators"),
            Self::Goodbye => write!(f, "! goodbye"),
            Self::JsonOnly => write!(f, "! this command is for programs: first /format json"),
            Self::FormatFixed => write!(f, "! what is sent by WebSocket is JSON, and stays so"),
            Self::Token { token, seconds } => write!(f, "! token {token}, good for {seconds} s"),
            Self::NoMoreTokens => write!(f, "! there are as many tokens as there may be"),
            Self::Replaced => write!(f, "! you have come back by another connection"),
            Self::ResumeRefused => write!(f, "! this token is not good, or not any more"),
        }
    }
}

impl Notice<'_> {
    /// What a program knows it by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connected { .. } | Self::Joined(_) => "joined",
            Self::Said { .. } => "said",
            Self::Missed { .. } | Self::RoomAnew => "missed",
            Self::Private { .. } => "private",
            Self::LineTooLong { .. } => "line_too_long",
            Self::ServerFull => "server_full",
            Self::TooManyConnections => "too_many_connections",
            Self::TooManyJoins => "too_many_joins",
            Self::SlowDown => "slow_down",
            Self::LineTimeout => "line_timeout",
            Self::Foreign(_) => "foreign",
            Self::Help { .. } => "help",
            Self::Motd { .. } => "motd",
            Self::UnknownCommand { .. } => "unknown_command",
            Self::Usage { .. } => "usage",
            Self::BlankBeforeCommand => "blank_before_command",
            Self::Named { .. } => "nick",
            Self::NameTaken { .. } => "name_taken",
            Self::NameLost { .. } => "name_lost",
            Self::NamesCutOff => "names_cut_off",
            Self::NameRefused => "name_refused",
            Self::RoomNameRefused => "room_name_refused",
            Self::NoMoreRooms => "no_more_rooms",
            Self::NoRoom => "no_room",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::TooManyLines => "too_many_lines",
            Self::RoomListed { .. } => "room",
            Self::MemberListed { .. } => "member",
            Self::Elsewhere { .. } => "elsewhere",
            Self::NodeListed { .. } => "node",
            Self::NoCluster => "no_cluster",
            Self::Page { .. } => "page",
            Self::Nobody { .. } => "nobody",
            Self::Sent { .. } => "sent",
            Self::NotReading { .. } => "not_reading",
            Self::History { .. } => "history",
            Self::Topic { .. } => "topic",
            Self::NoTopic => "no_topic",
            Self::Operator => "operator",
            Self::WrongKey => "wrong_key",
            Self::NoOperators => "no_operators",
            Self::Kicked { .. } => "kicked",
            Self::MutedFor { .. } => "muted",
            Self::Muted => "is_muted",
            Self::Unmuted => "unmuted",
            Self::Banned { .. } => "banned",
            Self::KickedOther { .. } => "has_kicked",
            Self::MutedOther { .. } => "has_muted",
            Self::BannedOther { .. } => "has_banned",
            Self::Lifted { .. } => "has_lifted",
            Self::NothingHeld { .. } => "nothing_held",
            Self::HoldsFull => "holds_full",
            Self::NoNetwork { .. } => "no_network",
            Self::BanListed { .. } => "ban",
            Self::TopicTooLong { .. } => "topic_too_long",
            Self::NoMoreKept => "no_more_kept",
            Self::Announced { .. } => "announced",
            Self::AnnouncementUnderWay => "announcement_under_way",
            Self::SlowMode { .. } => "slow_mode",
            Self::OperatorsOnly => "operators_only",
            Self::CutOff => "cut_off",
            Self::NotOperator => "not_operator",
            Self::Goodbye => "goodbye",
            Self::JsonOnly => "json_only",
            Self::FormatFixed => "format_fixed",
            Self::Token { .. } => "token",
            Self::NoMoreTokens => "no_more_tokens",
            Self::Replaced => "replaced",
            Self::ResumeRefused => "resume_refused",
        }
    }

    /// True when it says that what a member asked for, or sent, was not done.
    pub fn is_error(&self) -> bool {
        matches!(
            self,
            Self::LineTooLong { .. }
                | Self::ServerFull
                | Self::TooManyConnections
                | Self::TooManyJoins
                | Self::LineTimeout
                | Self::Foreign(_)
                | Self::UnknownCommand { .. }
                | Self::Usage { .. }
                | Self::BlankBeforeCommand
                | Self::NameTaken { .. }
                | Self::NameLost { .. }
                | Self::NamesCutOff
                | Self::NameRefused
                | Self::RoomNameRefused
                | Self::NoMoreRooms
                | Self::NoRoom
                | Self::HandshakeTimeout
                | Self::TooManyLines
                | Self::Nobody { .. }
                | Self::NotReading { .. }
                | Self::CutOff
                | Self::NoCluster
                | Self::NotOperator
                | Self::WrongKey
                | Self::NoOperators
                | Self::Kicked { .. }
                | Self::Muted
                | Self::Banned { .. }
                | Self::NothingHeld { .. }
                | Self::HoldsFull
                | Self::NoNetwork { .. }
                | Self::TopicTooLong { .. }
                | Self::NoMoreKept
                | Self::AnnouncementUnderWay
                | Self::OperatorsOnly
                | Self::JsonOnly
                | Self::FormatFixed
                | Self::NoMoreTokens
                | Self::ResumeRefused
        )
    }
}

/// What others see of the text of a message, of which this format has `line`; nothing for an event.
pub fn shown<'a>(entry: &Entry, line: &'a [u8]) -> &'a [u8] {
    if entry.kind.is_numbered() { parts(entry, line).text.as_bytes() } else { &[] }
}

/// What the line of a numbered message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The author's name; `None` for the server.
    pub name: Option<&'a str>,
    pub text: &'a str,
}

/// Takes the line of a numbered message apart, which this format has written.
pub fn parts<'a>(entry: &Entry, line: &'a [u8]) -> Parts<'a> {
    let line = str::from_utf8(line).expect("a line of this server is UTF-8");
    let line = line.strip_suffix('\n').expect("a line ends");
    let (start, between) = match entry.kind {
        Kind::Action => ("* ", " "),
        Kind::Topic => ("> ", " set the topic: "),
        Kind::Announcement => return Parts { name: None, text: &line["> announcement: ".len()..] },
        _ => ("[", "] "),
    };
    let (name, rest) = line[start.len()..].split_at(entry.name_bytes.into());
    Parts { name: Some(name), text: &rest[between.len()..] }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn a_message_without_a_visible_byte_is_none() {
        let author = Name::first(SocketAddr::from(([127, 0, 0, 1], 63155)));
        let mut out = Vec::new();
        assert!(line(author, b"World", &mut out).unwrap());
        assert_eq!(out, b"[127.0.0.1:63155] World\n");
        assert!(!line(author, b"\x1b\x07", &mut out).unwrap());
        assert!(!line(author, b"", &mut out).unwrap());
        assert!(!line(author, " \u{200b}\u{3164}".as_bytes(), &mut out).unwrap());
    }

    #[test]
    fn the_server_speaks_in_the_words_of_the_original() {
        let name = Name::first(SocketAddr::from(([127, 0, 0, 1], 63155)));
        for (line, expected) in [
            (Notice::Connected { online: 1 }.to_string(), "> Connected to the chat server (1 user online)"),
            (Notice::Connected { online: 3 }.to_string(), "> Connected to the chat server (3 users online)"),
            (Event::Entered { name, online: 3 }.to_string(), "> New user 127.0.0.1:63155 entered. (3 users online)"),
            (Event::Left { name, online: 2 }.to_string(), "< The user 127.0.0.1:63155 left (2 users online)"),
            (Event::Left { name, online: 1 }.to_string(), "< The user 127.0.0.1:63155 left (1 user online)"),
            (
                Event::Summary { entered: 1204, left: 31, online: 19000 }.to_string(),
                "> 1204 users entered, 31 left. (19000 users online)",
            ),
            (Notice::Missed { messages: 1, range: None }.to_string(), "! you missed 1 message"),
            (Notice::Missed { messages: 1204, range: None }.to_string(), "! you missed 1204 messages"),
            (Notice::ServerFull.to_string(), "! the house is full"),
        ] {
            assert_eq!(line, expected);
        }
    }
}
