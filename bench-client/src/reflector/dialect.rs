//! What the reflector speaks: uproar's lines, the objects of its web door, or IRC. As much of each as the load generator needs. Pure.

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::message::author_of;
use crate::protocol::websocket;

/// Bytes between an upgrade's head and what follows.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// What a member is called before it says.
const NOBODY: &[u8] = b"*";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    #[default]
    Lines,
    Objects,
    Irc,
}

/// What a member said.
#[derive(Debug, PartialEq, Eq)]
pub enum Said<'a> {
    Text(Cow<'a, [u8]>),
    /// It wants into this room, or into the only one.
    Join(&'a [u8]),
    /// It is called this.
    Name(&'a [u8]),
    /// It has said who it is and is to be told that it may go on.
    Hello,
    Nothing,
}

impl Dialect {
    /// What a member at `address` is called, in front of what it says.
    pub fn author(self, address: SocketAddr) -> Vec<u8> {
        match self {
            Self::Lines => author_of(address),
            Self::Objects => address.to_string().into_bytes(),
            Self::Irc => NOBODY.to_vec(),
        }
    }

    /// The first whole thing in `input`, and how long it is.
    pub fn next(self, input: &[u8]) -> Option<(Said<'_>, usize)> {
        if self == Self::Objects {
            return next_of_objects(input);
        }
        let end = memchr::memchr(b'\n', input)? + 1;
        let line = &input[..end];
        let said = match self {
            Self::Lines => match line.strip_prefix(b"/join ") {
                Some(room) => Said::Join(room.trim_ascii()),
                None => Said::Text(line.into()),
            },
            Self::Objects | Self::Irc => of_irc(line.trim_ascii_end()),
        };
        Some((said, end))
    }

    /// What a member is sent that has just connected, in a room of `online`.
    pub fn greeting(self, online: usize) -> Vec<u8> {
        let users = if online == 1 { "user" } else { "users" };
        match self {
            Self::Lines => format!("> Connected to the chat server ({online} {users} online)\n").into_bytes(),
            Self::Objects | Self::Irc => Vec::new(),
        }
    }

    /// The answer to [`Said::Hello`] of `author`.
    pub fn welcome(self, author: &[u8]) -> Vec<u8> {
        let name = String::from_utf8_lossy(author);
        match self {
            Self::Lines => Vec::new(),
            Self::Objects => {
                let head = [b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: ", websocket::ACCEPT, HEAD_END]
                    .concat();
                let welcome = format!(r#"{{"n":0,"t":1,"kind":"welcome","id":"1","room":"lobby","name":"{name}"}}"#);
                [head, frame(welcome.as_bytes())].concat()
            }
            Self::Irc => format!(":reflect 001 {name} :Welcome\r\n").into_bytes(),
        }
    }

    /// The answer to [`Said::Join`] of `author`, who is one of `online` in `room`.
    pub fn joined(self, author: &[u8], room: &[u8], online: usize) -> Vec<u8> {
        match self {
            Self::Lines => [b"> Joined ", room, format!(" ({online} users online)\n").as_bytes()].concat(),
            Self::Objects => Vec::new(),
            Self::Irc => [b":reflect 366 ", author, b" #lobby :End of list\r\n"].concat(),
        }
    }

    /// Message `number`, of `author`; `text` ends with a newline.
    pub fn message(self, number: u64, author: &[u8], text: &[u8]) -> Vec<u8> {
        let line = text.trim_ascii_end();
        match self {
            Self::Lines => [author, text].concat(),
            Self::Objects => {
                let (name, text) = (String::from_utf8_lossy(author), String::from_utf8_lossy(line));
                let object = format!(
                    r#"{{"n":{number},"t":1732448000123,"kind":"message","from":"{name}","id":"9f3a","text":"{text}"}}"#
                );
                frame(object.as_bytes())
            }
            Self::Irc => [b":", author, b"!u@127.0.0.1 PRIVMSG #lobby :", line, b"\r\n"].concat(),
        }
    }

    /// The last byte of what was said, in [`Self::message`].
    pub fn last_byte(self, message: &[u8]) -> usize {
        match self {
            Self::Lines => message.len() - 2,
            Self::Objects | Self::Irc => message.len() - 3,
        }
    }

    /// Tells a member that it missed a message.
    pub fn missed_one(self) -> Vec<u8> {
        match self {
            Self::Lines => b"! you missed 1 message\n".to_vec(),
            Self::Objects => frame(br#"{"kind":"missed","from":7,"to":7,"count":1}"#),
            Self::Irc => b":reflect NOTICE #lobby :you missed 1 message\r\n".to_vec(),
        }
    }

    /// Tells a member that what it says is delayed.
    pub fn slow_down(self) -> Vec<u8> {
        match self {
            Self::Lines => b"! slow down: your lines are delayed, not lost\n".to_vec(),
            Self::Objects => {
                frame(br#"{"kind":"notice","code":"slow_down","text":"slow down: your lines are delayed"}"#)
            }
            Self::Irc => b":reflect NOTICE #lobby :slow down: your lines are delayed, not lost\r\n".to_vec(),
        }
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    [&websocket::header(websocket::TEXT, payload.len())[..], payload].concat()
}

fn of_irc(line: &[u8]) -> Said<'_> {
    match line.split(|byte| *byte == b' ').next() {
        Some(b"NICK") => Said::Name(line[4..].trim_ascii()),
        Some(b"USER") => Said::Hello,
        Some(b"JOIN") => Said::Join(b""),
        Some(b"PRIVMSG") => {
            let text = memchr::memmem::find(line, b" :").map_or(&b""[..], |at| &line[at + 2..]);
            Said::Text([text, b"\n"].concat().into())
        }
        _ => Said::Nothing,
    }
}

/// A request, or a masked frame of at most 65,535 bytes.
fn next_of_objects(input: &[u8]) -> Option<(Said<'_>, usize)> {
    if input.starts_with(b"GET ") {
        let end = memchr::memmem::find(input, HEAD_END)? + HEAD_END.len();
        return Some((Said::Hello, end));
    }
    let (length, header) = match *input.get(1)? & 0x7f {
        126 => (usize::from(u16::from_be_bytes([*input.get(2)?, *input.get(3)?])), 4),
        length => (usize::from(length), 2),
    };
    let (start, end) = (header + 4, header + 4 + length);
    let mut text = input.get(start..end)?.to_vec();
    text.iter_mut().zip(input[header..start].iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    text.push(b'\n');
    Some((Said::Text(text.into()), end))
}
