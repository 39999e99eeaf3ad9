//! Peers that have vanished without a word while something is on its way to them.
//!
//! The kernel would end such connections after a time of our choice (TCP_USER_TIMEOUT), but it also ends those whose peer
//! answers and reads slowly, and cannot be told to tell the two apart. So it is asked: some connections a second, in the order
//! of their slots, of those that were sent something and have not been seen to have everything since. A room in which nothing
//! is said is not looked at, and a member costs one bit.

use std::time::Instant;

use super::Server;
use crate::connection::CloseReason;
use crate::io::Io;
use crate::limits::SILENCE_LOOK;
use crate::outlet::Outlet;
use crate::token::ConnectionId;

#[derive(Debug, Default)]
pub struct Silence {
    /// Connections that were sent something and have not been seen to have everything since.
    unanswered: usize,
    /// Where the next look goes on.
    slot: usize,
    /// Set exactly while there are such connections: when to look.
    due: Option<Instant>,
}

impl Silence {
    /// When the next look is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// A connection that was sent something is gone, or has everything.
    pub fn answered(&mut self) {
        self.unanswered -= 1;
        if self.unanswered == 0 {
            self.due = None;
        }
    }

    #[cfg(any(test, feature = "sim"))]
    pub fn unanswered(&self) -> usize {
        self.unanswered
    }
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// A connection was sent something.
    pub(super) fn note_sent(&mut self, id: ConnectionId) {
        let connection = self.connections.at_mut(id);
        if connection.member.is_some() && !std::mem::replace(&mut connection.unanswered, true) {
            self.silence.unanswered += 1;
            self.silence.due.get_or_insert(self.now + SILENCE_LOOK);
        }
    }

    /// Looks at some of those who were sent something, and closes those whose peers answer nothing any more.
    pub(super) fn cut_silent(&mut self) {
        if self.silence.due.is_none_or(|due| due > self.now) {
            return;
        }
        self.silence.due = Some(self.now + SILENCE_LOOK);
        let slots = self.connections.slots();
        let looks = 2.0 * slots as f64 * SILENCE_LOOK.as_secs_f64() / self.config.dead_after.as_secs_f64();
        for _ in 0..(looks.ceil() as usize).min(slots) {
            self.silence.slot = (self.silence.slot + 1) % slots;
            let Some((id, connection)) = self.connections.in_slot(self.silence.slot) else { continue };
            if !connection.unanswered {
                continue;
            }
            let uptake = self.io.uptake(&connection.socket);
            if uptake.outstanding == 0 {
                connection.unanswered = false;
                self.silence.answered();
            } else if uptake.silent_for.is_some_and(|time| time >= self.config.dead_after) {
                self.close(id, CloseReason::Broken);
                self.release(id);
            }
        }
    }
}
