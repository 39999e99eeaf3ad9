//! The outbound half of a connection: whether its socket takes bytes, and bytes for its peer alone. No other place
//! knows whether a socket is full.
//!
//! A socket is open until it takes only a part of a send, and then full until it has taken a send whole. The state of a
//! full socket includes what will have it tried again, so none can be forgotten. The time-out of a full socket runs
//! from when its peer last took a byte, which [`Uptake::note_taken`] finds out.

use std::time::Instant;

use super::private::Private;

#[derive(Debug, Default)]
pub struct Outbound {
    pub socket: Uptake,
    pub private: Private,
}

/// Whether a socket takes bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uptake {
    /// It took its last send whole. `unanswered`: see [`Uptake::is_unanswered`].
    Open { unanswered: bool },
    /// It did not take a send whole, and has taken none whole since.
    Full {
        /// What will have it tried again.
        waits: Waits,
        /// When its peer last took a byte, as far as is known.
        since: Instant,
        /// Bytes that its peer had not acknowledged when it was last looked at.
        outstanding: u32,
        unanswered: bool,
    },
}

/// What a full socket waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// The completion of the one-shot watch that is in flight.
    ForWritable,
    /// The sweep: it was reported writable, and nothing has been sent to it since.
    ForSweep,
    /// A retry: the kernel had no memory for a send. `was_writable` is true exactly when the socket was reported
    /// writable before that send.
    ForMemory { was_writable: bool },
}

impl Default for Uptake {
    fn default() -> Self {
        Self::Open { unanswered: false }
    }
}

impl Uptake {
    pub fn is_full(self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// True when a send may be tried: the socket is open, or was reported writable.
    pub fn may_take(self) -> bool {
        matches!(self, Self::Open { .. } | Self::Full { waits: Waits::ForSweep, .. })
    }

    /// True exactly when a watch for writability is in flight.
    pub fn is_watched(self) -> bool {
        matches!(self, Self::Full { waits: Waits::ForWritable, .. })
    }

    /// True exactly when a retry is due because the kernel had no memory for a send.
    pub fn waits_for_memory(self) -> bool {
        matches!(self, Self::Full { waits: Waits::ForMemory { .. }, .. })
    }

    /// True when a full socket was reported writable and has taken nothing since.
    pub fn was_writable(self) -> bool {
        matches!(self, Self::Full { waits: Waits::ForSweep | Waits::ForMemory { was_writable: true }, .. })
    }

    /// When its peer last took a byte, for a full socket.
    pub fn full_since(self) -> Option<Instant> {
        match self {
            Self::Open { .. } => None,
            Self::Full { since, .. } => Some(since),
        }
    }

    /// True exactly when bytes were sent since the peer was last seen to have acknowledged everything.
    pub fn is_unanswered(self) -> bool {
        let (Self::Open { unanswered } | Self::Full { unanswered, .. }) = self;
        unanswered
    }

    /// It took a send whole. There may be more to send.
    pub fn on_whole(&mut self) {
        *self = Self::Open { unanswered: true };
    }

    /// It did not take a send whole.
    pub fn on_full(&mut self, waits: Waits, outstanding: u32, now: Instant) {
        *self = Self::Full { waits, since: now, outstanding, unanswered: true };
    }

    /// The kernel had no memory for a send to a socket that was full before.
    pub fn on_no_memory(&mut self) {
        let was_writable = self.was_writable();
        if let Self::Full { waits, .. } = self {
            *waits = Waits::ForMemory { was_writable };
        }
    }

    /// The watch for writability has completed.
    pub fn on_writable(&mut self) {
        let Self::Full { waits, .. } = self else { return };
        assert!(*waits == Waits::ForWritable, "a watch completes once");
        *waits = Waits::ForSweep;
    }

    /// The peer has acknowledged everything, or the connection is closing.
    pub fn on_answered(&mut self) {
        let (Self::Open { unanswered } | Self::Full { unanswered, .. }) = self;
        *unanswered = false;
    }

    /// Notes how many bytes the peer of a full socket has not acknowledged. If that is fewer than before, the peer took
    /// some and has not stalled. The report that a socket is writable would not do: it comes when a large part of the
    /// buffer is free, and a slow reader may need minutes for that.
    pub fn note_taken(&mut self, outstanding_now: u32, now: Instant) {
        let Self::Full { since, outstanding, .. } = self else { return };
        // A socket that is full with nothing outstanding lacks the kernel's memory: the peer has not stalled.
        if outstanding_now < *outstanding || outstanding_now == 0 {
            *since = now;
        }
        *outstanding = outstanding_now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_full_socket_is_timed_from_when_its_peer_last_took_a_byte() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut socket = Uptake::default();
        socket.note_taken(7, at(1));
        assert_eq!(socket, Uptake::default(), "an open socket has nothing to be timed");
        socket.on_full(Waits::ForWritable, 100, at(1));
        socket.note_taken(100, at(2));
        assert_eq!(socket.full_since(), Some(at(1)));
        socket.note_taken(99, at(3));
        assert_eq!(socket.full_since(), Some(at(3)));
        socket.on_writable();
        assert_eq!((socket.full_since(), socket.is_watched()), (Some(at(3)), false));
        socket.note_taken(0, at(4));
        assert_eq!(socket.full_since(), Some(at(4)));
        socket.on_whole();
        assert_eq!((socket.full_since(), socket.is_unanswered()), (None, true));
    }

    #[test]
    fn that_a_socket_was_writable_is_known_until_it_takes_bytes() {
        let now = Instant::now();
        let mut socket = Uptake::default();
        socket.on_full(Waits::ForMemory { was_writable: false }, 0, now);
        socket.on_no_memory();
        assert!(!socket.was_writable());
        socket.on_full(Waits::ForWritable, 5, now);
        socket.on_writable();
        socket.on_no_memory();
        socket.on_no_memory();
        assert!(socket.was_writable());
        socket.on_full(Waits::ForWritable, 5, now);
        assert!(!socket.was_writable());
    }
}
