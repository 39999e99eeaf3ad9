//! What a member is sent by WebSocket: the objects of [`json`], each in a text frame of its own, without the line feed.
//!
//! The header comes before the payload and says how long it is, and messages are written straight into a log. So an
//! object is written twice, the first time only to be measured: that costs a fraction of a microsecond once a message,
//! whatever the number of members.

use std::io::{self, Write};

use super::{Opcode, header};
use crate::message::{Body, Kind, Message, Notice};
use crate::room::log::Entry;
use crate::wire::json;

/// A frame to everybody that asks for no answer and that no program sees, a pong that answers nothing (RFC 6455, section
/// 5.5.3): it keeps proxies from closing a connection in which nothing is said.
pub const HEARTBEAT: [u8; 2] = [0x8a, 0];

/// A close with the code of a server that goes away, 1001.
const CLOSE_GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xe9];

/// Most bytes of a message: the bound of objects has space for the header of a frame.
pub fn message_bytes_max(body: &Body<'_>) -> usize {
    json::message_bytes_max(body)
}

/// Writes a message whose text is sanitised. Behind the last one of a server that stops comes the close, the same for
/// all.
pub fn message(message: &Message<'_>, out: &mut impl Write) -> io::Result<()> {
    frame(out, |object| json::message(message, object))?;
    if message.body.kind() == Kind::Stopping {
        out.write_all(&CLOSE_GOING_AWAY)?;
    }
    Ok(())
}

/// Writes a numbered message of the past, of which the text format has `line`.
pub fn record(number: u64, entry: &Entry, line: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    frame(out, |object| json::record(number, entry, line, object))
}

/// Writes a notice.
pub fn notice(notice: Notice<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    frame(out, |object| json::notice(notice, object))
}

/// Writes what `write` writes as one frame.
fn frame<W: Write>(out: &mut W, write: impl Fn(&mut Object<'_, W>) -> io::Result<()>) -> io::Result<()> {
    let mut measured = Object { out: None, bytes: 0, bytes_max: 0 };
    write(&mut measured)?;
    // Its last byte is a line feed.
    let bytes_max = measured.bytes - 1;
    out.write_all(&header(Opcode::Text, bytes_max))?;
    write(&mut Object { out: Some(out), bytes: 0, bytes_max })
}

/// Takes an object, and hands on its first bytes.
struct Object<'a, W> {
    out: Option<&'a mut W>,
    /// Bytes taken so far.
    bytes: usize,
    /// How many of them are handed on.
    bytes_max: usize,
}

impl<W: Write> Write for Object<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(out) = &mut self.out {
            out.write_all(&bytes[..bytes.len().min(self.bytes_max - self.bytes.min(self.bytes_max))])?;
        }
        self.bytes += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddrV6;

    use crate::limits::MEMBER_NAME_BYTES_MAX;
    use crate::message::Event;
    use crate::names::{MemberName, Name, RoomName};
    use crate::time::UnixTime;
    use crate::token::PublicId;

    fn said(text: &str) -> Message<'_> {
        Message {
            number: 7,
            time: UnixTime(1_732_448_000_123),
            room: RoomName::parse("den").unwrap(),
            author: None,
            body: Body::Announcement { text: text.as_bytes() },
        }
    }

    /// The payload of a frame, which is all of `bytes`.
    #[track_caller]
    fn payload(bytes: &[u8]) -> &[u8] {
        let (length, start) = match bytes[1] {
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            127 => (usize::try_from(u64::from_be_bytes(bytes[2..10].try_into().unwrap())).unwrap(), 10),
            short => (short.into(), 2),
        };
        assert!(bytes[0] == 0x81 && bytes.len() == start + length, "one whole text frame");
        &bytes[start..]
    }

    #[test]
    fn a_frame_has_one_object_without_its_line_feed() {
        for length in [0, 10, 40, 41, 42, 60, 65_500, 70_000] {
            let text = "x".repeat(length);
            let (mut framed, mut line) = (Vec::new(), Vec::new());
            message(&said(&text), &mut framed).unwrap();
            json::message(&said(&text), &mut line).unwrap();
            assert_eq!([payload(&framed), b"\n"].concat(), line, "{length}");
            assert!(framed.len() <= message_bytes_max(&said(&text).body));
        }
        let mut framed = Vec::new();
        notice(Notice::SlowDown, &mut framed).unwrap();
        assert!(
            payload(&framed).starts_with(b"{\"kind\":\"error\"")
                || payload(&framed).starts_with(b"{\"kind\":\"notice\"")
        );
        framed.clear();
        let stopping = Message { body: Body::Event(Event::Stopping), ..said("") };
        message(&stopping, &mut framed).unwrap();
        assert!(framed.len() <= message_bytes_max(&stopping.body));
        let framed = framed.strip_suffix(&CLOSE_GOING_AWAY).expect("it is closed");
        assert!(payload(framed).ends_with(b"\"text\":\"the server is stopping\"}"));
    }

    #[test]
    fn the_longest_of_each_kind_is_within_its_bound() {
        let origin = SocketAddrV6::new([0xabcd; 8].into(), 65_535, 0, 0);
        let name = Name::first(origin.into());
        let chosen = MemberName::choose(&"x".repeat(MEMBER_NAME_BYTES_MAX)).unwrap();
        let tabs = [b'\t'; 40_000];
        let most = u64::MAX >> 11;
        let events = [
            Event::Entered { name, online: most },
            Event::Left { name, online: most },
            Event::Renamed { before: name, name: Name::Chosen(chosen), online: most },
            Event::Summary { entered: most, left: most, online: most },
            Event::Slow { name, seconds: most },
            Event::Only { name, operators: false },
            Event::Stopping,
        ];
        let texts = [&tabs[..0], &tabs[..10], &tabs].into_iter().flat_map(|text| {
            [
                Body::Line { name, text },
                Body::Action { name, text },
                Body::Topic { name, text },
                Body::Announcement { text },
            ]
        });
        for body in events.into_iter().map(Body::Event).chain(texts) {
            let mut out = Vec::new();
            let time = UnixTime((1 << 48) - 1);
            message(&Message { number: most, time, author: Some(PublicId(u64::MAX)), body, ..said("") }, &mut out)
                .unwrap();
            // An address with the longest scope and the highest number has so many bytes more.
            let longest = out.len() + 62 - name.to_string().len();
            assert!(longest <= message_bytes_max(&body), "{:?} may have {longest} bytes", body.kind());
        }
    }

    #[test]
    fn a_message_fits_the_space_that_it_is_given_and_no_less() {
        let text = "x".repeat(300);
        let mut expected = Vec::new();
        message(&said(&text), &mut expected).unwrap();
        let mut memory = vec![0; expected.len()];
        message(&said(&text), &mut memory.as_mut_slice()).expect("there is space for it");
        assert_eq!(memory, expected);
        let less = expected.len() - 1;
        message(&said(&text), &mut &mut memory[..less]).expect_err("there is no space for all of it");
    }
}
