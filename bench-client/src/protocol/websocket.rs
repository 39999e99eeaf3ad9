//! WebSocket (RFC 6455): the upgrade, masked frames out, and frames in that carry either a message each or a stream.
//!
//! What is in the frames is the business of other files. A key and a mask protect caches and proxies, of which a run has none, so all
//! members send the same key, and all frames have the same mask. No extension is offered, so nothing is compressed.

use crate::protocol::piece::{Piece, take_line};

/// The key of the RFC's example, and what a server makes of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const HEAD_END: &[u8] = b"\r\n\r\n";

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
pub const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// Opcodes from here on are of control frames.
const CONTROL: u8 = 8;
/// The longest header of a frame that is not masked.
const HEADER_BYTES_MAX: usize = 10;

/// The request that a member begins with.
pub(super) fn request(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// What a server puts before a payload of `payload_bytes`.
pub fn header(opcode: u8, payload_bytes: usize) -> Vec<u8> {
    let mut header = vec![FIN | opcode];
    match payload_bytes {
        0..=125 => header.push(payload_bytes as u8),
        126..=0xffff => {
            header.push(126);
            header.extend_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            header.push(127);
            header.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
    header
}

/// The same of a client: with the mask. The payload behind it has to go through [`mask`].
pub(super) fn masked_header(opcode: u8, payload_bytes: usize) -> Vec<u8> {
    let mut header = header(opcode, payload_bytes);
    header[1] |= MASKED;
    header.extend_from_slice(&MASK);
    header
}

/// Masks a whole payload where it lies.
pub(super) fn mask(payload: &mut [u8]) {
    payload.iter_mut().zip(MASK.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

/// A whole frame of a client.
pub(super) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = masked_header(opcode, payload.len());
    let start = frame.len();
    frame.extend_from_slice(payload);
    mask(&mut frame[start..]);
    frame
}

/// The answer to a ping.
pub(super) fn pong(asked: &[u8]) -> Vec<u8> {
    masked(PONG, asked)
}

/// True for a stream that is still at the server's answer to the upgrade: no frame of a server begins with that byte.
fn is_head(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'H')
}

/// The server's answer to the upgrade, when it is whole; `welcome` is what it means if it agrees.
fn head<'b>(bytes: &'b [u8], welcome: Piece<'b>) -> Option<(Piece<'b>, usize)> {
    let end = memchr::memmem::find(bytes, HEAD_END)? + HEAD_END.len();
    let (status, mut at) = take_line(bytes)?;
    let mut has_accepted = false;
    while let Some((line, length)) = take_line(&bytes[at..end]) {
        at += length;
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        has_accepted |= name.eq_ignore_ascii_case(b"sec-websocket-accept") && line.trim_ascii_end().ends_with(ACCEPT);
    }
    let is_agreed = status.split(|byte| *byte == b' ').nth(1) == Some(b"101") && has_accepted;
    Some((if is_agreed { welcome } else { Piece::Notice(status) }, end))
}

#[derive(Debug, Clone, Copy)]
struct Header {
    opcode: u8,
    is_last: bool,
    payload_bytes: usize,
    bytes: usize,
}

/// The header that `bytes` begin with; `None` until it is whole, `Some(Err)` if no server may send it.
fn take_header(bytes: &[u8]) -> Option<Result<Header, ()>> {
    let &[first, second, ref rest @ ..] = bytes else { return None };
    let (payload_bytes, length_bytes) = match second {
        0..=125 => (u64::from(second), 0),
        126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
        127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
        _ => return Some(Err(())),
    };
    let opcode = first & OPCODE;
    let is_known = matches!(opcode, 0 | TEXT | BINARY | CLOSE | PING | PONG);
    let is_short = opcode < CONTROL || (first & FIN != 0 && payload_bytes <= 125);
    if first & RESERVED != 0 || !is_known || !is_short || payload_bytes > i64::MAX as u64 {
        return Some(Err(()));
    }
    let is_last = first & FIN != 0;
    Some(Ok(Header { opcode, is_last, payload_bytes: payload_bytes as usize, bytes: 2 + length_bytes }))
}

/// What a stream begins with in which each message is a frame: `content` says what the payload of one is, `welcome` what the end of
/// the upgrade means.
pub(super) fn next<'b>(
    bytes: &'b [u8],
    welcome: Piece<'b>,
    content: impl FnOnce(&'b [u8]) -> Piece<'b>,
) -> Option<(Piece<'b>, usize)> {
    if is_head(bytes) {
        return head(bytes, welcome);
    }
    let Ok(header) = take_header(bytes)? else { return Some((Piece::Strange(bytes), bytes.len())) };
    let end = header.bytes.saturating_add(header.payload_bytes);
    let payload = bytes.get(header.bytes..end)?;
    let piece = match header.opcode {
        TEXT | BINARY if header.is_last => content(payload),
        // A sign of life that nobody asked for, which all get.
        PONG => Piece::Presence,
        PING => Piece::Ping(payload),
        CLOSE => match payload.split_first_chunk() {
            Some((code, reason)) => Piece::Closed { code: Some(u16::from_be_bytes(*code)), reason },
            None => Piece::Closed { code: None, reason: b"" },
        },
        // Servers of one line a message have no reason to split it.
        _ => Piece::Strange(&bytes[..end]),
    };
    Some((piece, end))
}

/// The server's answer to the upgrade, in a stream whose frames were taken off by [`Frames`]; `None` where it is not that.
pub(super) fn upgraded(bytes: &[u8]) -> Option<Option<(Piece<'_>, usize)>> {
    bytes.starts_with(b"HTTP").then(|| head(bytes, Piece::Welcomed))
}

/// Takes frames off that carry a stream, in which what belongs together may lie in several frames, and several in one.
///
/// One a member, as long as it is connected.
#[derive(Debug, Clone, Copy, Default)]
pub struct Frames {
    /// Bytes of [`HEAD_END`] that the answer to the upgrade has come to; all of them once that is over.
    head_end: u8,
    /// Bytes of the payload that are still to come.
    left: usize,
    is_control: bool,
    /// The beginning of a header whose end has not come.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: u8,
    /// True once a header was none. What comes then is passed on as it is.
    is_broken: bool,
}

impl Frames {
    /// Moves what the frames carry to the front of `bytes`, which came next, and returns how much that is. What control frames carry
    /// is left out; the answer to the upgrade is not.
    pub fn take_off(&mut self, bytes: &mut [u8]) -> usize {
        let (mut at, mut out) = (0, 0);
        while at < bytes.len() && (self.head_end as usize) < HEAD_END.len() {
            let is_next = bytes[at] == HEAD_END[self.head_end as usize];
            self.head_end = if is_next { self.head_end + 1 } else { u8::from(bytes[at] == HEAD_END[0]) };
            at += 1;
            out = at;
        }
        while at < bytes.len() {
            if self.left == 0 && !self.is_broken {
                at += self.take_header(&bytes[at..]);
                continue;
            }
            let length = if self.is_broken { bytes.len() - at } else { self.left.min(bytes.len() - at) };
            if !self.is_control {
                bytes.copy_within(at..at + length, out);
                out += length;
            }
            at += length;
            self.left = self.left.saturating_sub(length);
        }
        out
    }

    /// Takes the header, or a part of it, that `bytes` begin with; returns how many bytes that is.
    fn take_header(&mut self, bytes: &[u8]) -> usize {
        let kept = self.header_bytes as usize;
        let more = bytes.len().min(HEADER_BYTES_MAX - kept);
        self.header[kept..kept + more].copy_from_slice(&bytes[..more]);
        match take_header(&self.header[..kept + more]) {
            None => {
                self.header_bytes += more as u8;
                more
            }
            Some(Err(())) => {
                (self.is_broken, self.is_control) = (true, false);
                0
            }
            Some(Ok(header)) => {
                self.header_bytes = 0;
                self.left = header.payload_bytes;
                self.is_control = header.opcode >= CONTROL;
                header.bytes - kept
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    fn first(bytes: &[u8]) -> Option<(Piece<'_>, usize)> {
        next(bytes, Piece::Welcomed, Piece::unsigned)
    }

    #[test]
    fn the_upgrade_is_agreed_to_with_the_right_key_alone() {
        assert_eq!(first(HEAD), Some((Piece::Welcomed, HEAD.len())));
        for cut in 0..HEAD.len() {
            assert_eq!(first(&HEAD[..cut]), None, "{cut}");
        }
        for wrong in [
            &b"HTTP/1.1 403 Forbidden\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"[..],
            b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ] {
            assert!(matches!(first(wrong), Some((Piece::Notice(_), length)) if length == wrong.len()));
        }
    }

    #[test]
    fn frames_of_every_length_are_what_they_should_be() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = vec![b'x'; length];
            let frame = [header(TEXT, length), payload.clone()].concat();
            assert_eq!(first(&frame), Some((Piece::unsigned(&payload), frame.len())), "{length}");
            for cut in [0, 1, 2, 3, 9, 10, frame.len() / 2, frame.len() - 1] {
                assert!(cut >= frame.len() || first(&frame[..cut]).is_none(), "{length} cut at {cut}");
            }
        }
        // The examples of the RFC, 5.7.
        assert_eq!(masked(TEXT, b"Hello"), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        assert_eq!(pong(b"Hello"), b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    }

    #[test]
    fn control_frames_are_told_apart() {
        assert_eq!(first(b"\x89\x02hi"), Some((Piece::Ping(b"hi"), 4)));
        assert_eq!(first(b"\x8a\x00"), Some((Piece::Presence, 2)));
        assert_eq!(first(b"\x88\x00"), Some((Piece::Closed { code: None, reason: b"" }, 2)));
        assert_eq!(first(b"\x88\x07\x03\xf0flood"), Some((Piece::Closed { code: Some(1008), reason: b"flood" }, 9)));
    }

    #[test]
    fn what_no_server_may_send_is_strange() {
        let wrong: [&[u8]; 6] =
            [b"\x81\x80\0\0\0\0", b"\xc1\x00", b"\x83\x00", b"\x09\x00", b"\x89\x7e\x00\x80", b"\x01\x01a"];
        for bytes in wrong {
            assert_eq!(first(bytes), Some((Piece::Strange(bytes), bytes.len())), "{}", bytes.escape_ascii());
        }
        assert_eq!(
            first(b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"),
            Some((Piece::Strange(b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), 10))
        );
    }

    /// What `frames` carry, when they arrive cut at `cuts`.
    fn carried(stream: &[u8], cuts: &[usize]) -> Vec<u8> {
        let mut frames = Frames::default();
        let mut out = Vec::new();
        let mut start = 0;
        for end in cuts.iter().copied().chain([stream.len()]) {
            let mut part = stream[start..end.max(start)].to_vec();
            start = end.max(start);
            let length = frames.take_off(&mut part);
            out.extend_from_slice(&part[..length]);
        }
        out
    }

    #[test]
    fn a_stream_is_what_its_frames_carry_however_they_are_cut() {
        let long = vec![b'y'; 300];
        let stream =
            [HEAD, &header(BINARY, 3), b"INF", b"\x8a\x01z", b"\x02\x02O ", &header(BINARY, 300), &long].concat();
        let expected = [HEAD, b"INFO ", &long].concat();
        for cut in 0..stream.len() {
            assert_eq!(carried(&stream, &[cut]), expected, "cut at {cut}");
        }
        assert_eq!(carried(&stream, &(0..stream.len()).collect::<Vec<_>>()), expected, "byte by byte");
        assert_eq!(carried(&[HEAD, b"\x83\x01a"].concat(), &[]), [HEAD, b"\x83\x01a"].concat());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_for_something(stream in proptest::collection::vec(any::<u8>(), 0..100), cut in 0usize..100) {
            if let Some((_, length)) = first(&stream) {
                prop_assert!(length > 0 && length <= stream.len());
            }
            let whole = [HEAD, &stream].concat();
            prop_assert_eq!(carried(&whole, &[]), carried(&whole, &[cut.min(whole.len())]));
        }
    }
}
