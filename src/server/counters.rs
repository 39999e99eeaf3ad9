//! What the server has counted since it started, and how it is said in one line.

use std::fmt;

use crate::connection::CloseReason;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub accepted: u64,
    /// Newcomers who were told that the house is full.
    pub full_house: u64,
    /// Newcomers who were told that their address has joined too often, or is here too often.
    pub turned_away: u64,
    pub received_bytes: u64,
    /// Sends handed to the kernel, however they went.
    pub sends: u64,
    pub sent_bytes: u64,
    /// Completions that nobody waited for, dropped.
    pub stale: u64,
    pub closes: Closes,
}

/// Closed connections by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closes {
    pub left: u64,
    pub broken: u64,
    pub slow: u64,
    pub stalled: u64,
    pub line_timeout: u64,
    pub foreign: u64,
}

impl Closes {
    pub fn count(&mut self, reason: CloseReason) {
        *match reason {
            CloseReason::Left => &mut self.left,
            CloseReason::Broken => &mut self.broken,
            CloseReason::Slow => &mut self.slow,
            CloseReason::Stalled => &mut self.stalled,
            CloseReason::LineTimeout => &mut self.line_timeout,
            CloseReason::Foreign => &mut self.foreign,
        } += 1;
    }
}

/// Everything that the statistics line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    pub members: u64,
    /// Lines accepted into the log, presence lines and the server's own among them.
    pub messages: u64,
    /// Messages handed whole to members' sockets.
    pub deliveries: u64,
    /// Messages that members were told they missed.
    pub skipped: u64,
    /// Members whose sockets are full.
    pub waiting: u64,
    /// Bytes that the member furthest behind has to be sent.
    pub lag_bytes_max: u64,
    pub counters: Counters,
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { members, messages, deliveries, skipped, waiting, lag_bytes_max, counters } = self;
        let Counters { accepted, full_house, turned_away, received_bytes, sends, sent_bytes, stale, closes } = counters;
        let Closes { left, broken, slow, stalled, line_timeout, foreign } = closes;
        write!(f, "members={members} messages={messages} deliveries={deliveries} sends={sends} ")?;
        write!(f, "sent_bytes={sent_bytes} received_bytes={received_bytes} skipped_messages={skipped} ")?;
        write!(f, "waiting={waiting} lag_bytes_max={lag_bytes_max} accepted={accepted} full_house={full_house} ")?;
        write!(f, "turned_away={turned_away} closed_left={left} closed_broken={broken} closed_slow={slow} ")?;
        write!(f, "closed_stalled={stalled} closed_line_timeout={line_timeout} closed_foreign={foreign} stale={stale}")
    }
}
