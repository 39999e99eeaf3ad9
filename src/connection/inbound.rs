//! The inbound half of a connection: what it has sent that was not used yet, and why not.

use std::net::IpAddr;
use std::time::Instant;

use super::CloseReason;
use super::queued::Queued;
use crate::flood::{Addresses, Bucket, Rate};
use crate::room::Blocked;
use crate::wire::{Encoding, Opening, Splitter, Verdict};

#[derive(Debug)]
pub struct Inbound {
    /// Present once the peer has sent something; most members of a large room only listen.
    pub received: Option<Box<Received>>,
    /// True exactly when a receive is in flight.
    pub receiving: bool,
    /// Set exactly while the next line has to wait, and no receive is asked for: what it waits for. The line and what
    /// follows it stay in `received`.
    pub held: Option<Hold>,
    /// The queues of the schedule that have an entry of this connection. This and the next stand here because they fill a gap:
    /// a connection that only listens is no larger for them.
    pub queued: Queued,
    /// What its peer is written to in.
    pub encoding: Encoding,
}

impl Inbound {
    pub fn new(encoding: Encoding) -> Self {
        Self { received: None, receiving: false, held: None, queued: Queued::default(), encoding }
    }
}

/// What a held connection waits for. From when on, and in which order, is the schedule's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Space in the room's log, or, when it has that or its other reason has passed, its turn to be tried again.
    Space,
    /// Its own reading: it has not been sent what was said before its own lines.
    Reading,
    /// Its own rate, or that of its address.
    Rate,
    /// The room's ration, in a queue.
    Ration,
}

impl From<Blocked> for Hold {
    fn from(reason: Blocked) -> Self {
        match reason {
            Blocked::LogFull => Self::Space,
            Blocked::Unread => Self::Reading,
            Blocked::Until(_) => Self::Rate,
            Blocked::Rationed(_) => Self::Ration,
        }
    }
}

/// What only a connection that has sent something needs.
#[derive(Debug)]
pub struct Received {
    pub splitter: Splitter,
    /// Received and not yet used: the start of a line, or whole lines while the connection is held. At most a line,
    /// its ending and a chunk; without a buffer when empty.
    pub input: Vec<u8>,
    /// When the last byte arrived.
    pub last_at: Instant,
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
    /// Set once the peer has sent its last byte and something of it is still to be said: why it is closed then.
    pub ended: Option<CloseReason>,
}

impl Received {
    pub fn new(now: Instant) -> Self {
        Self {
            splitter: Splitter::default(),
            input: Vec::new(),
            last_at: now,
            flood: Bucket::default(),
            reserved: None,
            slowed: false,
            opening: Some(Opening::default()),
            undecided_since: None,
            ended: None,
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
    /// taken at once and kept until [`Received::charge_line`], so that each connection that waits for it has its place.
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

    /// Counts a line that [`Received::allow_line`] allowed as said.
    pub fn charge_line(&mut self, member: Option<Rate>, now: Instant) {
        self.reserved = None;
        if let Some(rate) = member {
            self.flood.take(rate, 1.0, now);
        }
    }
}
