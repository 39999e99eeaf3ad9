//! The inbound half of a connection: bytes that the peer has sent and that are not used yet, and why they have to wait.

use std::net::IpAddr;
use std::time::Instant;

use super::frames::Frames;
use super::queued::Queued;
use crate::counters::CloseReason;
use crate::door::Door;
use crate::flood::{Addresses, Bucket, Rate};
use crate::room::Blocked;
use crate::token::PublicId;
use crate::wire::{Encoding, Opening, Splitter, Verdict};

#[derive(Debug)]
pub struct Inbound {
    /// Present once the peer has sent something, until it has been quiet for a while; most members of a large room only
    /// listen.
    pub received: Option<Box<Received>>,
    /// True exactly when a receive is in flight.
    pub receiving: bool,
    /// What the next line waits for; `None` when it does not have to wait. While it is set no receive is asked for. The
    /// line and the bytes behind it stay in `received`.
    pub held: Option<Hold>,
    /// The queues of the schedule that have an entry of this connection. This field and the next stand in this struct
    /// because they fit into its padding: they make no connection larger.
    pub queued: Queued,
    /// The door that it came by.
    pub door: Door,
    /// The format of everything that is sent to the peer.
    pub encoding: Encoding,
    /// What is remembered of a [`Received`] that was freed.
    pub before: Before,
}

/// What is remembered of the state of a peer that was quiet for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// True once a line of it was said.
    pub has_spoken: bool,
    /// See [`Received::slowed`] and [`Received::told_of_slow`].
    pub slowed: bool,
    pub told_of_slow: bool,
}

impl Inbound {
    pub fn new(door: Door) -> Self {
        Self {
            received: None,
            receiving: false,
            held: None,
            queued: Queued::default(),
            door,
            encoding: door.encoding(),
            before: Before::default(),
        }
    }
}

/// What a held connection waits for. The schedule decides when, and in which order, held connections go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Space in the room's log.
    LogSpace,
    /// Its own reading: it may not go on before it has been sent the messages between its own lines, or what it has asked
    /// for.
    Reading,
    /// Its own rate, or that of its address.
    Rate,
    /// The room's ration, for which connections stand in a queue.
    Ration,
    /// The cluster: an answer of it, or that it takes more.
    Cluster,
}

impl From<Blocked> for Hold {
    fn from(reason: Blocked) -> Self {
        match reason {
            Blocked::LogFull => Self::LogSpace,
            Blocked::AuthorBehind => Self::Reading,
            Blocked::OverRate(_) => Self::Rate,
            Blocked::Rationed(_) => Self::Ration,
            Blocked::Cluster => Self::Cluster,
        }
    }
}

/// The state that only a connection needs whose peer has sent something.
#[derive(Debug)]
pub struct Received {
    /// What members know the connection by. Kept, because making it takes as long as half of taking a line.
    pub public_id: PublicId,
    pub splitter: Splitter,
    /// Received and not used yet: the start of a line, or also whole lines while the connection is held. At most one
    /// line, its ending and one chunk. Has no buffer when it is empty.
    pub input: Vec<u8>,
    /// When the last byte arrived.
    pub last_at: Instant,
    pub flood: Bucket,
    /// Set exactly while a line of the address's rate is reserved for the next line: from when on that line may be
    /// said.
    pub reserved: Option<Instant>,
    /// True once the member was told that its lines are delayed.
    pub slowed: bool,
    /// Lines of it that the cluster has not given back; none where there is no cluster.
    pub under_way: u16,
    /// When it last said something.
    pub spoke_at: Option<Instant>,
    /// True once the member was told that it may speak only now and then.
    pub told_of_slow: bool,
    /// How its bytes begin; `None` once a line of it was said, because what follows is then no other protocol's
    /// greeting.
    pub opening: Option<Opening>,
    /// Used where the end of a chunk ends a line. Set exactly while the last chunk ended with bytes that could still
    /// become another protocol's beginning: when that line began.
    pub undecided_since: Option<Instant>,
    /// Set once the peer sends no more while lines of it still wait to be said: why it is closed after them.
    pub ended: Option<CloseReason>,
    /// What is kept of WebSocket frames. Present exactly while a frame or a message is under way, or one is to be
    /// charged or answered.
    pub frames: Option<Box<Frames>>,
}

impl Received {
    /// Begins anew, or goes on from what is remembered.
    pub fn new(public_id: PublicId, before: Before, now: Instant) -> Self {
        Self {
            public_id,
            splitter: Splitter::default(),
            input: Vec::new(),
            last_at: now,
            flood: Bucket::default(),
            reserved: None,
            slowed: before.slowed,
            under_way: 0,
            spoke_at: None,
            told_of_slow: before.told_of_slow,
            opening: (!before.has_spoken).then(Opening::default),
            undecided_since: None,
            ended: None,
            frames: None,
        }
    }

    /// What is to be remembered when it is freed. `None` when more than that would be lost.
    pub fn at_rest(&self, now: Instant) -> Option<Before> {
        let is_at_rest = self.input.is_empty()
            && self.splitter == Splitter::default()
            && self.flood.is_full(now)
            && self.reserved.is_none()
            && self.under_way == 0
            && self.undecided_since.is_none()
            && self.ended.is_none()
            && self.frames.is_none();
        let Self { slowed, told_of_slow, .. } = *self;
        (is_at_rest && self.opening.is_none()).then_some(Before { has_spoken: true, slowed, told_of_slow })
    }

    /// Looks whether `rest` begins like another protocol. Once a line was said it is not looked at any more.
    pub fn look(&mut self, rest: &[u8]) -> Verdict {
        let Some(opening) = &mut self.opening else { return Verdict::Plain };
        opening.look(rest)
    }

    /// True when the bytes received last could still become another protocol's beginning.
    pub fn is_undecided(&self) -> bool {
        self.opening.is_some_and(|opening| opening.is_undecided())
    }

    /// A line was said, or was passed over as far as it has arrived.
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

    /// The bytes that the last chunk ended with are a person's line.
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

    /// `Ok` when the member and its address may say one more line now, otherwise from when on they may. A line of the
    /// address's rate is reserved at once and kept until [`Received::charge_line`], so connections of one address take
    /// their turns.
    pub fn allow_line(
        &mut self,
        member: Option<Rate>,
        addresses: &mut Addresses,
        address: IpAddr,
        now: Instant,
    ) -> Result<(), Instant> {
        if let Some(rate) = member {
            self.flood.allows(rate, 1.0, now)?;
        }
        let from = *self.reserved.get_or_insert_with(|| addresses.reserve_line(address, now));
        if from <= now { Ok(()) } else { Err(from) }
    }

    /// Charges a line that [`Received::allow_line`] allowed.
    pub fn charge_line(&mut self, member: Option<Rate>, now: Instant) {
        self.reserved = None;
        if let Some(rate) = member {
            self.flood.take(rate, 1.0, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_state_of_a_quiet_peer_is_freed_once_nothing_of_it_is_needed() {
        let now = Instant::now();
        let rate = Rate::new(10, 5);
        let mut received = Received::new(PublicId(1), Before::default(), now);
        assert_eq!(received.at_rest(now), None, "it may still turn out to speak another protocol");
        received.line_taken(true);
        received.charge_line(rate, now);
        assert_eq!(received.at_rest(now), None, "its rate would be forgotten");
        let later = now + Duration::from_millis(100);
        let remembered = Before { has_spoken: true, ..Before::default() };
        assert_eq!(received.at_rest(later), Some(remembered));
        received.input.push(b'a');
        assert_eq!(received.at_rest(later), None, "it has begun a line");
        received.input.clear();
        received.slowed = true;
        let before = received.at_rest(later).expect("nothing else is needed");
        let again = Received::new(PublicId(1), before, later);
        assert!(again.slowed && again.opening.is_none(), "it is told once, and is no other protocol's");
    }
}
