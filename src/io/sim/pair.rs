//! One connection of the simulated kernel, both of its ends.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::kernel::tables::Place;
use crate::token::ConnectionId;

#[derive(Debug)]
pub struct Pair {
    pub address: SocketAddr,
    /// The server's id of it, once the server has asked for an operation.
    pub id: Option<ConnectionId>,
    /// Where the server's socket is; `None` while it is in no table.
    pub place: Option<Place>,
    /// Bytes on the way to the server.
    pub up: VecDeque<u8>,
    /// Bytes that the socket has taken and the peer has not read.
    pub unread: usize,
    /// When it last took some, or the peer last read some, in nanoseconds.
    pub moved_at: u64,
    /// The most bytes that the socket holds.
    capacity: usize,
    /// A hash of every byte sent since [`Pair::forget`].
    pub sent_hash: u64,
    pub sent_bytes: u64,
    pub record: Option<Box<Record>>,
    /// The turn in which the server was handed this connection.
    pub accepted_in: Option<usize>,
    /// True for a connection that no fault touches.
    pub calm: bool,
    /// The peer sends no more.
    pub fin: bool,
    /// The peer has closed: it reads no more either.
    pub peer_closed: bool,
    /// The connection is broken.
    pub reset: bool,
    /// The peer reads what arrives.
    pub reading: bool,
    /// It was never handed to the server.
    pub refused: bool,
    /// The server has shut it down.
    pub shut: bool,
    /// The server has closed it.
    pub closed: bool,
    /// True exactly when a receive is in flight, and when an event will complete it.
    pub receiving: bool,
    pub receive_scheduled: bool,
    /// The same for a watch for writability.
    pub watching: bool,
    pub watch_scheduled: bool,
    pub read_scheduled: bool,
}

/// Everything that went either way.
#[derive(Debug, Default)]
pub struct Record {
    pub sent: Vec<u8>,
    /// Where in `sent` the sends end, and the turn of each.
    pub sent_ends: Vec<(usize, usize)>,
    /// Bytes of `sent` that a test has looked at.
    pub looked_at: usize,
    /// What the server was handed while it had not shut the connection down.
    pub heard: Vec<u8>,
    /// Where in `heard` the chunks end, and the turn that each was handed over in.
    pub chunk_ends: Vec<(usize, usize)>,
    /// The server was handed the end of the stream.
    pub ended: bool,
}

impl Pair {
    pub fn new(address: SocketAddr, capacity: usize, recorded: bool) -> Self {
        Self {
            address,
            id: None,
            place: None,
            up: VecDeque::new(),
            unread: 0,
            moved_at: 0,
            capacity,
            sent_hash: 0,
            sent_bytes: 0,
            record: recorded.then(Box::default),
            accepted_in: None,
            calm: false,
            fin: false,
            peer_closed: false,
            reset: false,
            reading: true,
            refused: false,
            shut: false,
            closed: false,
            receiving: false,
            receive_scheduled: false,
            watching: false,
            watch_scheduled: false,
            read_scheduled: false,
        }
    }

    /// Bytes that the socket can take now.
    pub fn space(&self) -> usize {
        self.capacity.saturating_sub(self.unread)
    }

    /// From now on the socket takes at least `capacity` bytes before the peer reads.
    pub fn widen(&mut self, capacity: usize) {
        self.capacity = self.capacity.max(capacity);
    }

    /// Notes bytes that the socket takes in a turn.
    pub fn take(&mut self, bytes: &[u8], turn: usize) {
        self.unread += bytes.len();
        self.sent_bytes += bytes.len() as u64;
        match &mut self.record {
            Some(record) => {
                record.sent.extend_from_slice(bytes);
                record.sent_ends.push((record.sent.len(), turn));
            }
            None => self.sent_hash = bytes.iter().fold(self.sent_hash, |hash, byte| mix(hash, *byte)),
        }
    }

    /// Notes a chunk that the server is handed in a turn.
    pub fn heard(&mut self, chunk: &[u8], turn: usize) {
        let Some(record) = self.record.as_deref_mut().filter(|_| !self.shut) else { return };
        record.ended |= chunk.is_empty();
        record.heard.extend_from_slice(chunk);
        record.chunk_ends.push((record.heard.len(), turn));
    }

    /// What was sent since the last look.
    pub fn look(&mut self) -> Vec<u8> {
        let record = self.record.as_deref_mut().expect("it is recorded");
        let seen = record.sent[record.looked_at..].to_vec();
        record.looked_at = record.sent.len();
        seen
    }

    /// The next whole line since the last look, without its line feed.
    pub fn look_at_line(&mut self) -> Option<Vec<u8>> {
        let record = self.record.as_deref_mut().expect("it is recorded");
        let rest = &record.sent[record.looked_at..];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest[..end].to_vec();
        record.looked_at += end + 1;
        Some(line)
    }

    /// Forgets what was sent so far.
    pub fn forget(&mut self) {
        self.sent_hash = 0;
        self.sent_bytes = 0;
    }

    /// True while the peer could still say and hear something.
    pub fn is_alive(&self) -> bool {
        !(self.fin || self.peer_closed || self.reset || self.refused || self.shut || self.closed)
    }
}

/// One step of a hash of bytes (FNV-1a), the same however they were cut into pieces.
pub fn mix(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).wrapping_add(1)
}
