//! What a chunk ends with, as long as it could still become another protocol's beginning.
//!
//! Where a line feed ends a line nothing is said before it, so there is nothing to hold. With `--framing chunk` the end of a
//! chunk ends a line too: the first chunk of a peer that sends `GET` is kept for [`OPENING_HOLD`], and what arrives
//! meanwhile goes on with it. A turn in which nobody's bytes are received does not end that time, because the rest of a
//! request may be waiting in the socket.

use std::cmp::Reverse;
use std::mem;

use super::Server;
use crate::connection::CloseReason;
use crate::io::Io;
use crate::limits::OPENING_HOLD;
use crate::outlet::Outlet;
use crate::token::ConnectionId;

impl<I: Io, W: Outlet> Server<I, W> {
    /// Keeps what a chunk has ended with for its time, which begins with the line.
    pub(super) fn hold_opening(&mut self, id: ConnectionId) {
        let voice = self.connections.at_mut(id).voice.as_mut().expect("what was received has a voice");
        let since = *voice.undecided_since.get_or_insert(self.now);
        if !mem::replace(&mut voice.opening_queued, true) {
            self.openings.push(Reverse((since + OPENING_HOLD, id)));
            self.forget_the_gone();
        }
    }

    /// Says what was held for its time.
    pub(super) fn say_held_openings(&mut self) {
        while let Some(Reverse((due, id))) = self.openings.peek().copied()
            && due <= self.now
        {
            self.openings.pop();
            let Some(connection) = self.connections.find(id) else { continue };
            let Some(voice) = &mut connection.voice else { continue };
            voice.opening_queued = false;
            // While it is held for another reason its last bytes have not been looked at.
            let Some(since) = voice.undecided_since.filter(|_| connection.held.is_none()) else { continue };
            if since + OPENING_HOLD > self.now {
                self.hold_opening(id);
            } else if self.stopping.is_none() {
                self.take_opening(id);
                self.release(id);
            }
        }
    }

    /// The peer sends no more: what is held of it is said, and then it is closed.
    pub(super) fn end(&mut self, id: ConnectionId, reason: CloseReason) {
        let connection = self.connections.at_mut(id);
        let held = connection.held.is_some();
        match &mut connection.voice {
            Some(voice) if self.stopping.is_none() && (held || voice.undecided_since.is_some()) => {
                voice.ended = Some(reason);
                if !held {
                    self.take_opening(id);
                }
            }
            _ => self.close(id, reason),
        }
    }

    /// What was held is a line.
    fn take_opening(&mut self, id: ConnectionId) {
        let voice = self.connections.at_mut(id).voice.as_mut().expect("what was received has a voice");
        voice.end_opening();
        self.take_input(id, false);
    }
}
