//! Finds peers that have vanished without an end or a reset while bytes are on their way to them.
//!
//! The kernel could end such connections after a time of our choice (TCP_USER_TIMEOUT). But it would also end
//! connections whose peers answer and read slowly. So the server asks the kernel about some connections every second,
//! in the order of their slots. It asks only about connections that were sent bytes since their peers were last seen to
//! have acknowledged everything. So a silent room costs nothing, and a member costs one bit. One turn looks at a
//! bounded number: in a large house the looks of a second are spread over it. Who has answered and sent nothing for a
//! while has its received state freed, so that a member that spoke once takes no more than one that listens.

use std::time::{Duration, Instant};

use super::Server;
use super::schedule::{Moment, Schedule};
use crate::connection::Uptake;
use crate::counters::CloseReason;
use crate::io::Io;
use crate::limits::{RECEIVED_KEPT, SILENCE_LOOK, SILENCE_LOOKS_PER_TURN};
use crate::outlet::Outlet;
use crate::token::ConnectionId;

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

/// How many slots are looked at now, and the pause until the next look, so that each is looked at twice in
/// `dead_after`.
fn looks(slots: usize, dead_after: Duration) -> (usize, Duration) {
    let a_pause = 2.0 * slots as f64 * SILENCE_LOOK.as_secs_f64() / dead_after.as_secs_f64();
    let looks = (a_pause.ceil() as usize).min(slots);
    if looks <= SILENCE_LOOKS_PER_TURN {
        return (looks, SILENCE_LOOK);
    }
    (SILENCE_LOOKS_PER_TURN, SILENCE_LOOK.mul_f64(SILENCE_LOOKS_PER_TURN as f64 / a_pause))
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// Frees the received state of a peer, when nothing of it is needed.
    pub(super) fn free_received(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else { return };
        let Some(member) = connection.member().filter(|_| connection.inbound.held.is_none()) else { return };
        let inbound = &mut connection.inbound;
        let at_rest =
            inbound.received.as_ref().and_then(|received| Some((received.at_rest(self.now)?, received.spoke_at)));
        let Some((before, spoke_at)) = at_rest else { return };
        let slow = Duration::from_secs(self.rooms.room_with(member).modes().slow_seconds);
        if spoke_at.is_none_or(|spoke_at| spoke_at + slow <= self.now) {
            inbound.before = before;
            inbound.received = None;
        }
    }

    /// Looks at some of the unanswered connections, and closes those whose peers no longer answer.
    pub(super) fn look_for_silent(&mut self) {
        let slots = self.connections.slots();
        let (looks, pause) = looks(slots, self.config.dead_after);
        self.schedule.set(Moment::Silence, Some(self.now + pause));
        for _ in 0..looks {
            self.silence.slot = (self.silence.slot + 1) % slots;
            let Some((id, connection)) = self.connections.in_slot(self.silence.slot) else { continue };
            if !connection.outbound.socket.is_unanswered() {
                continue;
            }
            if self.io.outstanding(&connection.socket) == 0 {
                self.silence.on_answered(&mut connection.outbound.socket, &mut self.schedule);
                let received = connection.inbound.received.as_ref();
                if received.is_some_and(|received| received.last_at + RECEIVED_KEPT <= self.now) {
                    self.free_received(id);
                }
            } else if self.io.silent_for(&connection.socket).is_some_and(|time| time >= self.config.dead_after) {
                self.close(id, CloseReason::Broken);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::limits::{DEAD_AFTER_DEFAULT, DEAD_AFTER_MIN, KEEPALIVE_FREE_MEMBERS};

    #[test]
    fn each_slot_is_looked_at_twice_in_the_time_and_a_turn_looks_at_few() {
        for (slots, wanted) in [
            (1, DEAD_AFTER_MIN),
            (1000, DEAD_AFTER_DEFAULT),
            (19_000, DEAD_AFTER_DEFAULT),
            (65_536, DEAD_AFTER_MIN),
            (1_000_000, DEAD_AFTER_DEFAULT),
            (1 << 21, DEAD_AFTER_MIN),
        ] {
            let dead_after = config::dead_after(wanted, slots);
            let (looks, pause) = looks(slots, dead_after);
            assert!(
                (1..=SILENCE_LOOKS_PER_TURN).contains(&looks) && pause <= SILENCE_LOOK,
                "{slots}: {looks} {pause:?}"
            );
            let all = pause.mul_f64(slots as f64 / looks as f64);
            assert!(all <= dead_after / 2 + SILENCE_LOOK, "{slots}: all are looked at in {all:?} of {dead_after:?}");
            let a_second = looks as f64 / pause.as_secs_f64();
            assert!(slots <= KEEPALIVE_FREE_MEMBERS || a_second <= 1001.0, "{slots}: {a_second} looks a second");
        }
    }
}
