//! Finds peers that have vanished without an end or a reset while bytes are on their way to them.
//!
//! The kernel could end such connections after a time of our choice (TCP_USER_TIMEOUT). But it would also end
//! connections whose peers answer and read slowly. So the server asks the kernel about some connections every second,
//! in the order of their slots. It asks only about connections that were sent bytes since their peers were last seen to
//! have acknowledged everything. So a silent room costs nothing, and a member costs one bit.

use std::time::Instant;

use super::Server;
use super::schedule::{Moment, Schedule};
use crate::connection::Uptake;
use crate::counters::CloseReason;
use crate::io::Io;
use crate::limits::SILENCE_LOOK;
use crate::outlet::Outlet;

#[derive(Debug, Default)]
pub struct Silence {
    /// Connections that were sent bytes since their peers were last seen to have acknowledged everything. The moment of
    /// the next look is set exactly while there are any.
    unanswered: usize,
    /// The slot that was looked at last.
    slot: usize,
}

impl Silence {
    /// An open connection was sent bytes. To be called before its [`Uptake`] is told.
    pub fn on_sent(&mut self, socket: Uptake, schedule: &mut Schedule, now: Instant) {
        if !socket.is_unanswered() {
            self.unanswered += 1;
            if self.unanswered == 1 {
                schedule.set(Moment::Silence, Some(now + SILENCE_LOOK));
            }
        }
    }

    /// A connection is closing, or its peer has acknowledged everything.
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
    /// Looks at some of the unanswered connections, and closes those whose peers no longer answer.
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
