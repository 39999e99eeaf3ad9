//! Peers that have vanished without a word while something is on its way to them.
//!
//! The kernel would end such connections after a time of our choice (TCP_USER_TIMEOUT), but it also ends those whose peer
//! answers and reads slowly, and cannot be told to tell the two apart. So it is asked: some connections a second, in the order
//! of their slots, of those that were sent something and have not been seen to have everything since. A room in which nothing
//! is said is not looked at, and a member costs one bit.

use std::time::Instant;

use super::Server;
use crate::connection::{CloseReason, Connection};
use crate::io::Io;
use crate::limits::SILENCE_LOOK;
use crate::outlet::Outlet;

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

    /// An open connection was sent something.
    pub fn on_sent<S>(&mut self, connection: &mut Connection<S>, now: Instant) {
        if !std::mem::replace(&mut connection.unanswered, true) {
            self.unanswered += 1;
            self.due.get_or_insert(now + SILENCE_LOOK);
        }
    }

    /// A connection is going, or its peer has everything.
    pub fn on_answered<S>(&mut self, connection: &mut Connection<S>) {
        if std::mem::take(&mut connection.unanswered) {
            self.unanswered -= 1;
            if self.unanswered == 0 {
                self.due = None;
            }
        }
    }

    pub fn unanswered(&self) -> usize {
        self.unanswered
    }
}

impl<I: Io, W: Outlet> Server<I, W> {
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
            if self.io.outstanding(&connection.socket) == 0 {
                self.silence.on_answered(connection);
            } else if self.io.silent_for(&connection.socket).is_some_and(|time| time >= self.config.dead_after) {
                self.close(id, CloseReason::Broken);
                self.release(id);
            }
        }
    }
}
