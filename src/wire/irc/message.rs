//! What a room says, as lines of IRC, each of at most 512 bytes. A long text is several lines.
//!
//! They are cut between two characters. A topic cannot be cut into several lines, so the end of a long one is not shown.

use std::io::{self, Write};

use arrayvec::ArrayVec;

use super::nick::{Nick, write_shown};
use super::{END, SERVER, USER_AND_HOST};
use crate::limits::{
    IRC_EVENT_BYTES_MAX, IRC_LINE_BYTES_MAX, IRC_PRIVATE_HEAD_BYTES_MAX, IRC_TIME_BYTES, PREFIX_BYTES_MAX,
    UNTIL_MAX_MS, irc_bytes_max, sanitised_bytes_max,
};
use crate::message::{Body, Event, Kind, Message};
use crate::names::{Name, RoomName};
use crate::room::log::Entry;
use crate::time::UnixTime;
use crate::wire::text;

/// Most bytes of a message, all its lines with their ends and times.
pub fn message_bytes_max(body: &Body<'_>) -> usize {
    let text = body.text();
    match body {
        Body::Event(_) => IRC_EVENT_BYTES_MAX,
        // Sanitising never makes ASCII longer.
        _ if text.is_ascii() => irc_bytes_max(text.len()),
        _ => irc_bytes_max(sanitised_bytes_max(text.len())),
    }
}

/// Bytes that a line will take if nothing of it is dropped or replaced.
pub fn line_bytes_expected(name: Name, text: &[u8], timed: bool) -> usize {
    // The name of the room is not known here, and is about as long as that of a member.
    let head = 1 + usize::from(name.length()) + USER_AND_HOST.len() + " PRIVMSG #lobby :".len() + END.len();
    head + text.len() + if timed { IRC_TIME_BYTES } else { 0 }
}

/// `@time=2026-11-28T12:00:00.000Z ` and nothing where lines have no time.
#[derive(Debug, Default)]
pub(super) struct TimeTag(ArrayVec<u8, IRC_TIME_BYTES>);

impl TimeTag {
    fn new(time: Option<UnixTime>) -> Self {
        let mut tag = Self::default();
        if let Some(time) = time {
            let since = std::time::Duration::from_millis(time.0.min(UNTIL_MAX_MS));
            let moment = humantime::format_rfc3339_millis(std::time::SystemTime::UNIX_EPOCH + since);
            write!(tag.0, "@time={moment} ").expect("it has this length");
        }
        tag
    }
}

/// What stands before and behind each piece of a text.
#[derive(Debug, Default)]
pub(super) struct Frame {
    time: TimeTag,
    head: ArrayVec<u8, IRC_PRIVATE_HEAD_BYTES_MAX>,
    tail: &'static [u8],
}

impl Frame {
    /// `:NICK!~u@uproar COMMAND TARGET :`
    pub(super) fn of_member(nick: Nick, command: &str, target: &dyn std::fmt::Display) -> Self {
        let mut frame = Self::default();
        write!(frame.head, ":{nick}{USER_AND_HOST} {command} {target} :").expect("names are short");
        frame
    }

    /// `:uproar NOTICE TARGET :`
    pub(super) fn of_server(target: &dyn std::fmt::Display) -> Self {
        let mut frame = Self::default();
        write!(frame.head, ":{SERVER} NOTICE {target} :").expect("names are short");
        frame
    }

    fn space(&self) -> usize {
        IRC_LINE_BYTES_MAX - END.len() - self.head.len() - self.tail.len()
    }

    /// Writes a text as so many lines as it needs.
    pub(super) fn write(&self, mut text: &str, out: &mut impl Write) -> io::Result<()> {
        loop {
            let piece = &text[..text.floor_char_boundary(self.space())];
            self.write_piece(piece, out)?;
            text = &text[piece.len()..];
            if text.is_empty() {
                return Ok(());
            }
        }
    }

    /// Writes a text as one line: as much of it as fits.
    fn write_one(&self, text: &str, out: &mut impl Write) -> io::Result<()> {
        self.write_piece(&text[..text.floor_char_boundary(self.space())], out)
    }

    fn write_piece(&self, piece: &str, out: &mut impl Write) -> io::Result<()> {
        let parts: [&[u8]; 5] = [&self.time.0, &self.head, piece.as_bytes(), self.tail, END];
        parts.into_iter().try_for_each(|part| out.write_all(part))
    }
}

/// The channel of a room.
#[derive(Clone, Copy, Debug)]
pub struct Channel(pub RoomName);

impl std::fmt::Display for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Writes a message of a room whose text is sanitised. With its time where lines are `timed`.
pub fn message(message: &Message<'_>, timed: bool, out: &mut impl Write) -> io::Result<()> {
    let (time, room) = (TimeTag::new(timed.then_some(message.time)), message.room);
    let Body::Event(event) = message.body else {
        let mut name = ArrayVec::<u8, PREFIX_BYTES_MAX>::new();
        if let Some(author) = message.body.name() {
            Nick(author).write(&mut name)?;
        }
        let text = str::from_utf8(message.body.text()).expect("it is sanitised");
        return numbered(time, message.body.kind(), &name, room, text, out);
    };
    out.write_all(&time.0)?;
    let channel = Channel(room);
    match event {
        Event::Entered { name, .. } => write!(out, ":{}{USER_AND_HOST} JOIN {channel}\r\n", Nick(name)),
        Event::Left { name, .. } => write!(out, ":{}{USER_AND_HOST} PART {channel}\r\n", Nick(name)),
        Event::Renamed { before, name, .. } => write!(out, ":{}{USER_AND_HOST} NICK :{}\r\n", Nick(before), Nick(name)),
        Event::Only { name, operators } => {
            let sign = if operators { '+' } else { '-' };
            write!(out, ":{}{USER_AND_HOST} MODE {channel} {sign}m\r\n", Nick(name))
        }
        Event::Slow { .. } | Event::Summary { .. } | Event::CutOff | Event::Back | Event::Lost { .. } => {
            write!(out, ":{SERVER} NOTICE {channel} :{}\r\n", Plain(&event.to_string()))
        }
        // It is the last that is said, and all are closed after it.
        Event::Stopping => write!(out, "ERROR :{}\r\n", Plain(&event.to_string())),
    }
}

/// Writes a numbered message of the past, of which the text format has `line`.
pub fn record(entry: &Entry, line: &[u8], room: RoomName, timed: bool, out: &mut impl Write) -> io::Result<()> {
    let text::Parts { name, text } = text::parts(entry, line);
    let mut nick = ArrayVec::<u8, PREFIX_BYTES_MAX>::new();
    write_shown(name.unwrap_or_default().as_bytes(), &mut nick)?;
    numbered(TimeTag::new(timed.then_some(entry.time)), entry.kind, &nick, room, text, out)
}

fn numbered(
    time: TimeTag,
    kind: Kind,
    nick: &[u8],
    room: RoomName,
    text: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut frame = Frame { time, ..Frame::default() };
    let head = &mut frame.head;
    if kind == Kind::Announcement {
        write!(head, ":{SERVER} NOTICE #{room} :announcement: ")?;
        return frame.write(text, out);
    }
    head.try_extend_from_slice(b":").expect("it is empty");
    head.try_extend_from_slice(nick).expect("names are short");
    match kind {
        Kind::Topic => {
            write!(head, "{USER_AND_HOST} TOPIC #{room} :")?;
            return frame.write_one(text, out);
        }
        Kind::Action => {
            write!(head, "{USER_AND_HOST} PRIVMSG #{room} :\x01ACTION ")?;
            frame.tail = b"\x01";
        }
        _ => write!(head, "{USER_AND_HOST} PRIVMSG #{room} :")?,
    }
    frame.write(text, out)
}

/// A text of the text format without the mark in front of it.
#[derive(Debug)]
pub struct Plain<'a>(pub &'a str);

impl std::fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unmarked = ["! ", "> ", "< "].into_iter().find_map(|mark| self.0.strip_prefix(mark));
        f.write_str(unmarked.unwrap_or(self.0))
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
