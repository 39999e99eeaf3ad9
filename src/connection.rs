//! One connection: its socket, what is in flight on it, and what it has said that is not a message yet.

use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

pub use crate::counters::CloseReason;
use crate::flood::{Addresses, Bucket, Rate};
use crate::io::Io;
use crate::names::Name;
use crate::room::{MemberId, NotNow};
use crate::wire::{Opening, Splitter, Verdict};

#[derive(Debug)]
pub struct Connection<S> {
    pub socket: S,
    pub name: Name,
    /// Set exactly while the connection is open. Without it the connection only waits for its last completions.
    pub member: Option<MemberId>,
    /// Present once the peer has sent something; most members of a large room only listen.
    pub voice: Option<Box<Voice>>,
    /// Set from when its socket is full until it has been sent everything: when it last took a byte.
    pub full_since: Option<Instant>,
    /// Bytes that its peer had not acknowledged at `full_since`.
    pub outstanding: u32,
    /// True exactly when it was sent something since it was last seen that its peer had acknowledged everything.
    pub unanswered: bool,
    /// True exactly when its socket, once full, was reported to have room and has not been sent to since.
    pub drained: bool,
    /// True exactly when a receive is in flight.
    pub receiving: bool,
    /// True exactly when the socket is watched for room.
    pub watching: bool,
    /// Set exactly while received lines wait in `voice`, and no receive is asked for: why the room did not take them.
    pub held: Option<NotNow>,
    /// True exactly when it is in the queue of those that the kernel had no memory for.
    pub starved: bool,
    /// True exactly when it is in the queue of those whose sockets are full.
    pub stall_queued: bool,
}

/// What only a connection that has sent something needs.
#[derive(Debug)]
pub struct Voice {
    pub splitter: Splitter,
    /// Received and not yet consumed: the start of a line, or whole lines while the connection is held. At most a line,
    /// its ending and a chunk; without a buffer when empty.
    pub input: Vec<u8>,
    /// When the last byte arrived.
    pub heard_at: Instant,
    pub flood: Bucket,
    /// Set exactly while the next line is taken from what its address may say: from when on it may be said.
    pub reserved: Option<Instant>,
    /// True once the member was told that it is being slowed.
    pub slowed: bool,
    /// How it begins, until a line of it was said: what comes then is no other protocol's greeting.
    pub opening: Option<Opening>,
    /// Set exactly while the last chunk ended with what could still become another protocol's beginning, and the end of a
    /// chunk ends a line: when that line began.
    pub undecided_since: Option<Instant>,
    /// True exactly when it is in the queue of those.
    pub opening_queued: bool,
    /// Set once the peer has sent its last byte and something of it is still to be said: why it is closed then.
    pub ended: Option<CloseReason>,
    /// True exactly when it is in the queue of those who have begun a line.
    pub line_queued: bool,
}

impl Voice {
    pub fn new(now: Instant) -> Self {
        Self {
            splitter: Splitter::default(),
            input: Vec::new(),
            heard_at: now,
            flood: Bucket::default(),
            reserved: None,
            slowed: false,
            opening: Some(Opening::default()),
            undecided_since: None,
            opening_queued: false,
            ended: None,
            line_queued: false,
        }
    }

    /// Looks at what was received, as far as nothing was said.
    pub fn look(&mut self, rest: &[u8]) -> Verdict {
        let Some(opening) = &mut self.opening else { return Verdict::Plain };
        opening.look(rest)
    }

    /// True when the bytes received last could still become another protocol's beginning.
    pub fn is_undecided(&self) -> bool {
        self.opening.is_some_and(|opening| opening.is_undecided())
    }

    /// A line was taken, or passed over as far as it has come.
    pub fn line_taken(&mut self, said: bool) {
        let goes_on = self.splitter.is_discarding();
        if said {
            self.opening = None;
        } else if let Some(opening) = &mut self.opening {
            opening.pass_over(goes_on);
        }
        if !goes_on {
            self.undecided_since = None;
        }
    }

    /// What the last chunk ended with is a line of a person.
    pub fn end_opening(&mut self) {
        if self.splitter.is_discarding() {
            self.splitter.finish(&mut &[][..]);
            self.line_taken(false);
        } else if let Some(opening) = &mut self.opening {
            opening.settle();
            self.undecided_since = None;
            self.input.push(b'\n');
        }
    }

    /// `Ok` when one more line is within what the member and its address may say, otherwise when it is. The address's share is
    /// taken at once and kept until [`Voice::charge_line`], so that who waits for it has its place.
    pub fn allow_line(
        &mut self,
        member: Option<Rate>,
        addresses: &mut Addresses,
        address: IpAddr,
        now: Instant,
    ) -> Result<(), Instant> {
        if let Some(rate) = member {
            self.flood.check(rate, 1.0, now)?;
        }
        let from = *self.reserved.get_or_insert_with(|| addresses.reserve_line(address, now));
        if from <= now { Ok(()) } else { Err(from) }
    }

    /// Counts a line that [`Voice::allow_line`] allowed as said.
    pub fn charge_line(&mut self, member: Option<Rate>, now: Instant) {
        self.reserved = None;
        if let Some(rate) = member {
            self.flood.take(rate, 1.0, now);
        }
    }
}

impl<S: fmt::Debug> Connection<S> {
    /// Looks whether the peer of a full socket has taken bytes: then it has not stalled. That a socket has room again says
    /// too little: it is reported when a large part of the buffer is free, which a slow reader may need minutes for.
    pub fn note_uptake(&mut self, io: &impl Io<Socket = S>, now: Instant) {
        let Some(since) = &mut self.full_since else { return };
        let outstanding = io.outstanding(&self.socket);
        // Full with nothing outstanding is the kernel's lack of memory, not the peer's doing.
        let taken = outstanding < self.outstanding || outstanding == 0;
        if taken {
            *since = now;
        }
        self.outstanding = outstanding;
    }
}

impl<S> Connection<S> {
    pub fn new(socket: S, name: Name) -> Self {
        Self {
            socket,
            name,
            member: None,
            voice: None,
            full_since: None,
            outstanding: 0,
            unanswered: false,
            receiving: false,
            watching: false,
            drained: false,
            held: None,
            starved: false,
            stall_queued: false,
        }
    }

    /// True when nothing is in flight, so that the socket may be closed.
    pub fn is_idle(&self) -> bool {
        !self.receiving && !self.watching
    }
}
