//! How the server stops: it accepts no more and says no more lines, says goodbye, and sends the rest while there is
//! time.

use std::time::{Duration, Instant};

use super::schedule::Moment;
use super::{Flow, Server};
use crate::cluster::Cluster;
use crate::door::Door;
use crate::io::{Io, Signal};
use crate::journal::{LogEvent, LogField, Value};
use crate::limits::{GOODBYES_PER_TURN, STOP_FLUSH, STOP_FLUSH_PER_MEMBER};
use crate::message::Event;
use crate::outlet::Outlet;

/// How long `members` are given to take the rest.
fn flush_time(members: usize) -> Duration {
    let members = u32::try_from(members).unwrap_or(u32::MAX);
    STOP_FLUSH + STOP_FLUSH_PER_MEMBER.saturating_mul(members)
}

/// Whether the server runs, is stopping, or has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Running,
    /// It was told to stop, and members are sent the rest.
    Stopping {
        /// When it stops even if there is more to send.
        until: Instant,
        /// False until the goodbye was said in every room. It has to wait for the sweep while a log is full.
        goodbye_said: bool,
        /// True once it was told to stop a second time: it stops in this turn.
        at_once: bool,
    },
    /// It has reported its last line, which is written while there is time, and does nothing else.
    Stopped {
        flow: Flow,
        until: Instant,
    },
}

impl Phase {
    /// True once the server was told to stop: lines that arrive from then on are not said.
    pub fn is_stopping(self) -> bool {
        self != Self::Running
    }

    /// True while the server is stopping and has not said goodbye.
    pub fn owes_goodbye(self) -> bool {
        matches!(self, Self::Stopping { goodbye_said: false, .. })
    }
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// The server is told to stop, perhaps not for the first time.
    pub(super) fn on_stop_signal(&mut self, signal: Signal) {
        match &mut self.phase {
            Phase::Running => {}
            Phase::Stopping { at_once, .. } => {
                *at_once = true;
                return;
            }
            Phase::Stopped { until, .. } => {
                *until = self.now;
                return;
            }
        }
        if let Some(transcript) = self.transcript.as_mut().filter(|_| signal == Signal::Interrupt) {
            transcript.note("KeyboardInterrupt");
        }
        self.leave_nodes();
        let until = self.now + flush_time(self.connections.len());
        self.phase = Phase::Stopping { until, goodbye_said: false, at_once: false };
        self.schedule.set(Moment::Stop, Some(until));
        self.schedule.set(Moment::Accept, None);
        self.schedule.held.forget();
        self.rooms.ids().chain([self.rooms.hall()]).for_each(|room| self.goodbyes.push_back(room));
        // Until the end an operator can ask whether the server is well, and how far it is.
        for listener in self.config.doors.listeners() {
            if self.config.doors.at(listener) != Door::Admin {
                self.io.stop_accepting(listener);
            }
        }
    }

    /// Says goodbye if the server is stopping and has not said it yet.
    pub(super) fn say_goodbye(&mut self) {
        if self.goodbye_waits_until().is_some() {
            return;
        }
        let Phase::Stopping { goodbye_said, .. } = &mut self.phase else { return };
        for _ in 0..self.goodbyes.len().min(GOODBYES_PER_TURN) {
            let room = self.goodbyes.pop_front().expect("they were counted");
            if self.rooms.exists(room) && self.rooms.announce(room, None, Event::Stopping).is_err() {
                self.goodbyes.push_back(room);
            }
        }
        *goodbye_said = self.goodbyes.is_empty();
    }

    /// Until when the goodbye waits for what was accepted and is still to be said, which comes first while there is time.
    pub(super) fn goodbye_waits_until(&self) -> Option<Instant> {
        let Phase::Stopping { goodbye_said: false, until, .. } = self.phase else { return None };
        let late = until - STOP_FLUSH / 2;
        (self.now < late && self.cluster.as_ref().is_some_and(Cluster::owes)).then_some(late)
    }

    /// Reports the last line, once everything is said and sent or the time for it is over.
    pub(super) fn conclude(&mut self) {
        let Phase::Stopping { until, goodbye_said, at_once } = self.phase else { return };
        let owes = self.cluster.as_ref().is_some_and(Cluster::owes);
        let written = self.transcript.as_ref().is_none_or(|transcript| transcript.is_quiet(self.rooms.log()));
        let (flow, event, how, until) = if at_once {
            (Flow::StopAtOnce, LogEvent::StoppedAtOnce, "stopped at once, members cut off", self.now)
        } else if until <= self.now || (goodbye_said && self.rooms.is_quiet() && written && !owes) {
            (self.flow_of_stop(), LogEvent::Stopped, "stopped", until)
        } else {
            return;
        };
        self.phase = Phase::Stopped { flow, until };
        let statistics = self.statistics();
        let fields = [(LogField::Statistics, Value::Statistics(&statistics))];
        self.report_with(event, format_args!("{how}: {statistics}"), &fields);
    }

    /// Whether the loop goes on: until the last line was written, or the time for it is over.
    pub(super) fn flow(&self) -> Flow {
        match self.phase {
            Phase::Stopped { flow, until } if until <= self.now || self.journal.is_quiet() => flow,
            _ => Flow::On,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_for_the_rest_grows_with_the_members() {
        assert_eq!(flush_time(0), Duration::from_secs(2));
        assert_eq!(flush_time(19_000), Duration::from_millis(2475));
        assert_eq!(flush_time(1_000_000), Duration::from_secs(27));
    }
}
