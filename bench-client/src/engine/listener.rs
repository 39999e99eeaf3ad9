//! One of the silent or the slow: what it received, what it was told it missed, and whether that is the whole plan in order.

use std::os::fd::{AsFd, OwnedFd};

use crate::message::{Format, Header, Line, told_missed};
use crate::protocol::piece::Piece;
use crate::protocol::{Protocol, Wire};
use crate::sys;

pub(super) struct Listener {
    /// None once the server has closed it.
    pub(super) socket: Option<OwnedFd>,
    /// What it has still to send.
    out: Vec<u8>,
    /// The beginning of a line whose end has not come.
    tail: Vec<u8>,
    pub(super) welcomed: bool,
    /// Next sequence expected of each publisher at least.
    next: Vec<u64>,
    pub(super) received: u64,
    pub(super) missed: u64,
    /// Lines that are no whole message, presence or notice, or out of order.
    pub(super) strange: u64,
}

impl Listener {
    /// Begins to enter the room with `hello`.
    pub(super) fn new(socket: OwnedFd, hello: Vec<u8>, publishers: usize) -> Self {
        Self { socket: Some(socket), ..Self::unconnected(hello, publishers) }
    }

    fn unconnected(hello: Vec<u8>, publishers: usize) -> Self {
        Self {
            socket: None,
            out: hello,
            tail: Vec::new(),
            welcomed: false,
            next: vec![0; publishers],
            received: 0,
            missed: 0,
            strange: 0,
        }
    }

    /// Reads once, at most the length of `buffer`; returns the bytes.
    pub(super) fn read(&mut self, buffer: &mut [u8], format: &Format, wire: &Wire) -> usize {
        let Some(socket) = &self.socket else { return 0 };
        // A socket that is not connected yet takes nothing, and what it did not take is sent the next time.
        if let Ok(bytes) = if self.out.is_empty() { Ok(0) } else { sys::send(socket.as_fd(), &self.out) } {
            self.out.drain(..bytes);
        }
        match sys::receive(socket.as_fd(), buffer) {
            Ok(bytes) if bytes > 0 => {
                self.take(&buffer[..bytes], format, wire);
                bytes
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) => 0,
            _ => {
                self.socket = None;
                0
            }
        }
    }

    fn take(&mut self, bytes: &[u8], format: &Format, wire: &Wire) {
        self.tail.extend_from_slice(bytes);
        let mut tail = std::mem::take(&mut self.tail);
        let mut start = 0;
        if wire.protocol == Protocol::Uproar {
            for end in memchr::memchr_iter(b'\n', &tail) {
                self.on_line(&tail[start..end], format);
                start = end + 1;
            }
        } else {
            while let Some((piece, length)) = wire.next(&tail[start..]) {
                self.on_piece(piece, format, wire);
                start += length;
            }
        }
        tail.drain(..start);
        self.tail = tail;
    }

    fn on_piece(&mut self, piece: Piece<'_>, format: &Format, wire: &Wire) {
        match piece {
            Piece::Message { payload, .. } => match format.parse_payload(payload) {
                Some(header) => self.on_message(header),
                None => self.strange += 1,
            },
            Piece::Missed(messages) => self.missed += messages,
            Piece::Welcomed => match wire.join() {
                Some(join) => self.out.extend_from_slice(&join),
                None => self.welcomed = true,
            },
            Piece::Joined => self.welcomed = true,
            Piece::Ping(asked) => self.out.extend_from_slice(&wire.pong(asked)),
            Piece::Closed { .. } => self.socket = None,
            Piece::Presence | Piece::Word(_) | Piece::Notice(_) | Piece::Nothing => {}
            Piece::Strange(_) => self.strange += 1,
        }
    }

    fn on_line(&mut self, line: &[u8], format: &Format) {
        match format.parse(line) {
            Line::Presence => self.welcomed = true,
            Line::Message { header, .. } => self.on_message(header),
            Line::Notice => self.missed += told_missed(line).unwrap_or(0),
            Line::Other => self.strange += 1,
        }
    }

    fn on_message(&mut self, header: Header) {
        self.received += 1;
        match self.next.get_mut(header.publisher as usize) {
            Some(next) if header.sequence >= *next => *next = header.sequence + 1,
            _ => self.strange += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE_BYTES: usize = 64;

    /// What a listener made of `bytes`, one after the other: whether it is welcomed, received, missed, strange.
    fn heard(protocol: Protocol, bytes: &[u8]) -> (bool, u64, u64, u64) {
        let mut listener = Listener::unconnected(Vec::new(), 1);
        let wire = Wire::new(protocol, LINE_BYTES, None);
        for byte in bytes {
            listener.take(&[*byte], &Format::new(LINE_BYTES), &wire);
        }
        (listener.welcomed, listener.received, listener.missed, listener.strange)
    }

    fn payload(sequence: u64) -> String {
        let mut line = Vec::new();
        Format::new(LINE_BYTES).encode(Header { publisher: 0, sequence, due_ns: 5 }, &mut line);
        String::from_utf8_lossy(&line).trim_end().to_string()
    }

    fn line(sequence: u64) -> String {
        format!("[127.0.0.1:7] {}\n", payload(sequence))
    }

    #[test]
    fn gaps_that_are_told_add_up_and_torn_lines_show() {
        let told = format!(
            "> Connected to the chat server (1 user online)\n{}! you missed 41 messages\n{}",
            line(0),
            line(42)
        );
        assert_eq!(heard(Protocol::Uproar, told.as_bytes()), (true, 2, 41, 0));
        let repeated = format!("{told}{}", line(42));
        assert_eq!(heard(Protocol::Uproar, repeated.as_bytes()), (true, 3, 41, 1), "a message that came before");
        let torn = format!("{told}{}\n", &line(43)[..30]);
        assert_eq!(heard(Protocol::Uproar, torn.as_bytes()), (true, 2, 41, 1), "a torn line");
    }

    #[test]
    fn the_other_doors_tell_gaps_in_their_own_words() {
        let irc = |sequence| format!(":a!b@c PRIVMSG #lobby :{}\r\n", payload(sequence));
        let told = format!(
            ":s 001 a :Welcome\r\n:s 366 a #lobby :End\r\n{}:s NOTICE #lobby :you missed 41 messages\r\n{}",
            irc(0),
            irc(42)
        );
        assert_eq!(heard(Protocol::Irc, told.as_bytes()), (true, 2, 41, 0));
        let message = |n, sequence| {
            let text = payload(sequence);
            format!(r#"{{"n":{n},"t":1,"kind":"message","from":"a","id":"1","text":"{text}"}}"#)
        };
        let objects = [
            r#"{"n":0,"t":1,"kind":"welcome","id":"9","room":"lobby","name":"a"}"#.to_string(),
            message(1, 0),
            r#"{"kind":"missed","from":2,"to":42,"count":41}"#.to_string(),
            message(43, 42),
        ];
        let mut stream = b"HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n".to_vec();
        for object in &objects {
            let text = object.as_bytes();
            // A text frame, longer than 125 bytes or not.
            stream.push(0x81);
            match text.len() {
                length @ 0..=125 => stream.push(length as u8),
                length => stream.extend_from_slice(&[126, (length >> 8) as u8, length as u8]),
            }
            stream.extend_from_slice(text);
        }
        assert_eq!(heard(Protocol::Websocket, &stream), (true, 2, 41, 0));
    }
}
