//! A second format, for tests alone: frames. A frame is the length of the bytes behind it (two bytes), the number of
//! the message (eight bytes, 0 for a notice), its kind (one byte), and its text.

use std::io::{self, Write};

use super::sanitise::sanitise;
use super::text;
use crate::limits::{EVENT_BYTES_MAX, SANITISED_GROWTH_MAX};
use crate::message::{Body, Message, Notice};
use crate::room::log::Entry;

pub const HEADER_BYTES: usize = 11;

/// The kind of a notice, which no message has.
const NOTICE: u8 = b'\n';

pub fn message_bytes_max(body: &Body<'_>) -> usize {
    match body {
        Body::Event(_) => HEADER_BYTES + EVENT_BYTES_MAX,
        _ => HEADER_BYTES + body.text().len() * SANITISED_GROWTH_MAX,
    }
}

pub fn message(message: &Message<'_>, out: &mut impl Write) -> io::Result<bool> {
    let mut text = Vec::new();
    let visible = match message.body {
        Body::Event(event) => write!(text, "{event}").map(|()| true)?,
        body => sanitise(body.text(), &mut text)?,
    };
    frame(message.number, message.body.kind().code(), &text, out)?;
    Ok(visible)
}

pub fn notice(notice: Notice<'_>, out: &mut impl Write) -> io::Result<()> {
    frame(0, NOTICE, notice.to_string().as_bytes(), out)
}

/// Writes a numbered message of the past, of which the text format has `line`.
pub fn past_message(number: u64, entry: &Entry, line: &[u8], out: &mut Vec<u8>) {
    frame(number, entry.kind.code(), text::shown(entry, line), out).expect("writing to a Vec does not fail");
}

fn frame(number: u64, kind: u8, text: &[u8], out: &mut impl Write) -> io::Result<()> {
    let length = u16::try_from(HEADER_BYTES - 2 + text.len()).expect("lines in tests are short");
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&number.to_be_bytes())?;
    out.write_all(&[kind])?;
    out.write_all(text)
}

/// The whole frames of what a member has received, each as number, kind and text.
pub fn frames(mut bytes: &[u8]) -> Vec<(u64, u8, String)> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let Some((frame, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))) else { break };
        let (number, frame) = frame.split_first_chunk().expect("a frame has a number");
        let text = String::from_utf8(frame[1..].to_vec()).expect("its text is UTF-8");
        frames.push((u64::from_be_bytes(*number), frame[0], text));
        bytes = rest;
    }
    frames
}
