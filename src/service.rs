//! What a service manager, such as systemd, is told of the server: that it accepts, reads its files anew or stops, how
//! many are here, and that its loop still turns (sd_notify(3)).
//!
//! This is the pure part: which message is to be sent, and when. It is asked once a turn, is given the time, and reads
//! no clock but the manager's for the moment of a reload. What the manager does not take is not queued: a message says
//! how the server is when the message is taken, so that there is at most one of each kind to be sent. `socket` is the
//! manager's socket. Nothing waits for it.
//!
//! The manager is told by the loop itself that the loop turns, and by nothing else: no thread and no timer could tell
//! that it is stuck.

pub mod socket;

use std::fmt::Write;
use std::time::{Duration, Instant};
use std::{fmt, io};

use sd_notify::NotifyState;

use crate::limits::{SERVICE_RETRY, SERVICE_STATUS_PAUSE};

/// Takes messages about the server.
pub trait Manager: fmt::Debug {
    /// Takes one message, lines of `NAME=value`, without waiting.
    fn take(&mut self, message: &str) -> Result<(), Untaken>;

    /// The kernel's monotonic clock in microseconds, which the manager knows moments by.
    fn clock(&self) -> i128;
}

/// Why a message was not taken.
#[derive(Debug)]
pub enum Untaken {
    /// There is no space now.
    Full,
    /// No message will ever be taken again.
    Gone(io::Error),
}

/// How the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// True while every door accepts.
    pub accepts: bool,
    pub status: Status,
}

/// What people read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// True from when it was told to stop.
    pub is_stopping: bool,
    /// Members in all rooms.
    pub members: usize,
    /// Rooms with members.
    pub rooms: usize,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        let Self { is_stopping, members, rooms } = *self;
        if is_stopping {
            f.write_str("stopping: ")?;
        }
        write!(f, "{members} member{} in {rooms} room{}", plural(members), plural(rooms))
    }
}

/// A service manager, and what it knows.
#[derive(Debug)]
pub struct Service {
    manager: Box<dyn Manager>,
    /// How often it is told that the loop turns; `None` when it does not watch.
    beat: Option<Duration>,
    /// When it is told so next.
    next_beat: Instant,
    /// When a changed status may be told.
    next_status: Instant,
    /// The status that it has.
    shown: Option<Status>,
    /// Set exactly while it takes nothing: when to try again.
    retry: Option<Instant>,
    /// True once it knows that the server accepts.
    knows_ready: bool,
    /// True once it knows that the server stops.
    knows_stopping: bool,
    /// True while the server reads its files anew.
    is_reloading: bool,
    /// When the last reload began, by the manager's clock, until the manager knows of it.
    reload_untold: Option<i128>,
    /// True while a reload is over of which the manager does not know that it is.
    reloaded_untold: bool,
}

impl Service {
    /// A manager that waits for a sign of the loop for `patience` at most, if it watches at all.
    pub fn new(manager: Box<dyn Manager>, patience: Option<Duration>, now: Instant) -> Self {
        Self {
            manager,
            // Half of what it waits for, so that a sign may be late by as much.
            beat: patience.map(|patience| patience / 2).filter(|beat| !beat.is_zero()),
            next_beat: now,
            next_status: now,
            shown: None,
            retry: None,
            knows_ready: false,
            knows_stopping: false,
            is_reloading: false,
            reload_untold: None,
            reloaded_untold: false,
        }
    }

    /// The server begins to read its files anew. The manager is told in this turn, before it is told that this is over.
    pub fn begin_reload(&mut self) {
        // A manager that still waits for the start, or for the end, waits for no reload.
        if self.knows_ready && !self.knows_stopping {
            self.is_reloading = true;
            self.reload_untold = Some(self.manager.clock());
            self.reloaded_untold = false;
        }
    }

    /// All files were read, or stay as they are.
    pub fn end_reload(&mut self) {
        self.reloaded_untold |= std::mem::take(&mut self.is_reloading);
    }

    /// Tells the manager what it does not know, as far as it takes that now. To be called once a turn. An error means
    /// that the manager will take nothing any more.
    pub fn tell(&mut self, now: Instant, state: State) -> io::Result<()> {
        if self.retry.is_some_and(|retry| now < retry) {
            return Ok(());
        }
        self.retry = None;
        match self.try_to_tell(now, state) {
            Ok(()) => Ok(()),
            Err(Untaken::Full) => {
                // A manager that watches must not miss a sign for such a pause.
                let pause = self.beat.map_or(SERVICE_RETRY, |beat| SERVICE_RETRY.min(beat / 4));
                self.retry = Some(now + pause);
                Ok(())
            }
            Err(Untaken::Gone(error)) => Err(error),
        }
    }

    /// When [`Service::tell`] is to be called although nothing else happens; a time that has passed for at once.
    pub fn deadline(&self, now: Instant, state: State) -> Option<Instant> {
        if self.retry.is_some() {
            return self.retry;
        }
        if self.has_news(state) {
            return Some(now);
        }
        let status = (self.shown != Some(state.status)).then_some(self.next_status);
        let beat = self.beat.map(|_| self.next_beat);
        status.into_iter().chain(beat).min()
    }

    /// True when there is something to be told beside the status.
    fn has_news(&self, state: State) -> bool {
        let is_reload_untold = self.reload_untold.is_some() || self.reloaded_untold;
        self.owes_ready(state) || self.owes_stopping(state) || is_reload_untold
    }

    fn owes_ready(&self, state: State) -> bool {
        state.accepts && !state.status.is_stopping && !self.knows_ready
    }

    fn owes_stopping(&self, state: State) -> bool {
        state.status.is_stopping && !self.knows_stopping
    }

    fn try_to_tell(&mut self, now: Instant, state: State) -> Result<(), Untaken> {
        // The manager takes a message as one change, so that each change has one of its own.
        if let Some(began) = self.reload_untold {
            self.send(&[NotifyState::Reloading, NotifyState::MonotonicUsec(began)])?;
            self.reload_untold = None;
        }
        if self.reloaded_untold {
            self.send(&[NotifyState::Ready])?;
            self.reloaded_untold = false;
        }
        if self.owes_ready(state) {
            self.send(&[NotifyState::Ready])?;
            self.knows_ready = true;
        }
        if self.owes_stopping(state) {
            self.send(&[NotifyState::Stopping])?;
            self.knows_stopping = true;
        }
        if self.beat.is_some() && self.next_beat <= now {
            self.send(&[NotifyState::Watchdog])?;
            self.next_beat = now + self.beat.expect("it was looked at");
        }
        if self.shown != Some(state.status) && self.next_status <= now {
            self.send(&[NotifyState::Status(&state.status.to_string())])?;
            self.shown = Some(state.status);
            self.next_status = now + SERVICE_STATUS_PAUSE;
        }
        Ok(())
    }

    fn send(&mut self, states: &[NotifyState<'_>]) -> Result<(), Untaken> {
        let mut message = String::new();
        for state in states {
            writeln!(message, "{state}").expect("writing to a string never fails");
        }
        self.manager.take(&message)
    }
}

impl Service {
    /// True when nothing but the sign of the loop is still to be told.
    #[cfg(any(test, feature = "sim"))]
    pub fn only_beats(&self, state: State) -> bool {
        self.retry.is_none() && !self.has_news(state) && self.shown == Some(state.status)
    }
}

#[cfg(test)]
mod tests;
