//! The outbound half of a connection: whether its socket takes bytes, and what is meant for its peer alone. This is the only
//! place that knows.
//!
//! A socket is open until it leaves some of what it is handed, and full until it has taken everything again. What will have
//! it tried again is part of that state, so a full socket that nothing will try again cannot be written down. The time-out
//! of a full socket runs from when its peer last took a byte, which [`Uptake::note_taken`] finds out.

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
    /// It took everything that it was last handed.
    Open { unanswered: bool },
    /// It left some of what it was handed, and has not taken everything since.
    Full {
        /// What will have it tried again.
        waits: Waits,
        /// When its peer last took a byte, as far as is known.
        since: Instant,
        /// Bytes that its peer had not acknowledged at `since` or when it was last looked at.
        outstanding: u32,
        unanswered: bool,
    },
}

/// What a full socket waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// The completion of the one-shot watch that is in flight.
    ForWritable,
    /// The sweep: it was reported to have room and has not been sent to since.
    ForSweep,
    /// A retry: the kernel had no memory for a send. `was_writable` is true exactly when the socket was reported to have room
    /// before that.
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

    /// True when a send may be tried: the socket is open, or was reported to have room.
    pub fn may_take(self) -> bool {
        matches!(self, Self::Open { .. } | Self::Full { waits: Waits::ForSweep, .. })
    }

    /// True exactly when the socket is watched for room.
    pub fn is_watched(self) -> bool {
        matches!(self, Self::Full { waits: Waits::ForWritable, .. })
    }

    /// True exactly when a retry is due because the kernel had no memory for a send.
    pub fn waits_for_memory(self) -> bool {
        matches!(self, Self::Full { waits: Waits::ForMemory { .. }, .. })
    }

    /// True when the socket was reported to have room since it was full, and has taken nothing since.
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

    /// True exactly when something was sent since it was last seen that the peer had acknowledged everything.
    pub fn is_unanswered(self) -> bool {
        let (Self::Open { unanswered } | Self::Full { unanswered, .. }) = self;
        unanswered
    }

    /// It was sent something and took all of it. There may be more to send: what it takes of that is found out then.
    pub fn on_whole(&mut self) {
        *self = Self::Open { unanswered: true };
    }

    /// It was sent something and did not take all of it.
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

    /// The watch for room has completed.
    pub fn on_writable(&mut self) {
        let Self::Full { waits, .. } = self else { return };
        assert!(*waits == Waits::ForWritable, "a watch completes once");
        *waits = Waits::ForSweep;
    }

    /// The peer has acknowledged everything, or nobody has to ask any more.
    pub fn on_answered(&mut self) {
        let (Self::Open { unanswered } | Self::Full { unanswered, .. }) = self;
        *unanswered = false;
    }

    /// Notes how many bytes the peer of a full socket has not acknowledged: when it took some, it has not stalled. That a
    /// socket has room again says too little: it is reported when a large part of the buffer is free, which a slow reader may
    /// need minutes for.
    pub fn note_taken(&mut self, outstanding_now: u32, now: Instant) {
        let Self::Full { since, outstanding, .. } = self else { return };
        // Full with nothing outstanding is the kernel's lack of memory, not the peer's doing.
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
    fn that_a_socket_had_room_is_known_until_it_takes_something() {
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
