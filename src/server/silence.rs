//! Peers that have vanished without a word while something is on its way to them.
//!
//! The kernel would end such connections after a time of our choice (TCP_USER_TIMEOUT), but it also ends those whose peer
//! answers and reads slowly, and cannot be told to tell the two apart. So it is asked: some connections a second, in the order
//! of their slots, of those that were sent something and have not been seen to have everything since. A room in which nothing
//! is said is not looked at, and a member costs one bit.

use std::time::Instant;

use super::Server;
use super::schedule::{Moment, Schedule};
use crate::connection::{CloseReason, Uptake};
use crate::io::Io;
use crate::limits::SILENCE_LOOK;
use crate::outlet::Outlet;

#[derive(Debug, Default)]
pub struct Silence {
    /// Connections that were sent something and have not been seen to have everything since. There is a moment for the next
    /// look exactly while there are any.
    unanswered: usize,
    /// Where the next look goes on.
    slot: usize,
}

impl Silence {
    /// An open connection is being sent something; its half of it is still to be told so.
    pub fn on_sent(&mut self, socket: Uptake, schedule: &mut Schedule, now: Instant) {
        if !socket.is_unanswered() {
            self.unanswered += 1;
            if self.unanswered == 1 {
                schedule.set(Moment::Silence, Some(now + SILENCE_LOOK));
            }
        }
    }

    /// A connection is going, or its peer has everything.
    pub fn on_answered(&mut self, socket: &mut Uptake, schedule: &mut Schedule) {
        if socket.is_unanswered() {
            socket.on_answered();
            self.unanswered -= 1;
            if self.unanswered == 0 {
                schedule.set(Moment::Silence, None);
            }
        }
    }

    pub fn unanswered(&self) -> usize {
        self.unanswered
    }
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// Looks at some of those who were sent something, and closes those whose peers answer nothing any more.
    pub(super) fn look_for_silent(&mut self) {
        self.schedule.set(Moment::Silence, Some(self.now + SILENCE_LOOK));
        let slots = self.connections.slots();
        let looks = 2.0 * slots as f64 * SILENCE_LOOK.as_secs_f64() / self.config.dead_after.as_secs_f64();
        for _ in 0..(looks.ceil() as usize).min(slots) {
            self.silence.slot = (self.silence.slot + 1) % slots;
            let Some((id, connection)) = self.connections.in_slot(self.silence.slot) else { continue };
            if !connection.outbound.socket.is_unanswered() {
                continue;
            }
            if self.io.outstanding(&connection.socket) == 0 {
                self.silence.on_answered(&mut connection.outbound.socket, &mut self.schedule);
            } else if self.io.silent_for(&connection.socket).is_some_and(|time| time >= self.config.dead_after) {
                self.close(id, CloseReason::Broken);
            }
        }
    }
}
