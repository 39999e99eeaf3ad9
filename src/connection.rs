//! One connection: its socket, what is in flight on it, and the bytes of a line that is not complete yet.

use std::net::SocketAddr;

use crate::line::Splitter;
use crate::room::MemberId;

#[derive(Debug)]
pub struct Connection<S> {
    pub socket: S,
    /// The peer's address, which is also its name.
    pub address: SocketAddr,
    /// Set exactly while the connection is open. Without it the connection only waits for its last completions.
    pub member: Option<MemberId>,
    /// True exactly when a receive is in flight.
    pub receiving: bool,
    /// True exactly when the socket is watched for room.
    pub watching: bool,
    /// True exactly when received bytes wait in `input` for the room to take them, and no receive is asked for.
    pub held: bool,
    pub splitter: Splitter,
    /// Received and not yet consumed: the start of a line, or whole lines while the connection is held. At most a line
    /// and a chunk; without a buffer when empty.
    pub input: Vec<u8>,
}

impl<S> Connection<S> {
    pub fn new(socket: S, address: SocketAddr) -> Self {
        Self {
            socket,
            address,
            member: None,
            receiving: false,
            watching: false,
            held: false,
            splitter: Splitter::default(),
            input: Vec::new(),
        }
    }

    /// True when nothing is in flight, so that the socket may be closed.
    pub fn is_idle(&self) -> bool {
        !self.receiving && !self.watching
    }
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer has sent its last byte.
    Left,
    /// The connection broke.
    Broken,
}
