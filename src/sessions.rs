//! Members that may come back: their tokens, and what is kept for them after their connections have ended.
//!
//! A token is good once. While its connection lives it stands for that; afterwards it has, for a while, the name and the
//! room that the member had, and nobody else may choose the name. Reads no clock.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::limits::{ALLOCATION_BYTES, SESSIONS_SLACK, TOKENS_MAX};
use crate::names::{MemberName, RoomName};
use crate::pieces::fifo::Fifo;
use crate::pieces::hashed::{self, Hashed};
use crate::token::{ConnectionId, PublicId};

/// 128 random bits, known to one member alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    pub fn new(secret: [u8; 16]) -> Self {
        Self(secret)
    }

    /// Its bits, for what only a node of the same cluster reads.
    pub fn secret(self) -> [u8; 16] {
        self.0
    }

    /// `None` for what no token looks like.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// It is a secret, so it is not shown.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// What a member had when its connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    pub name: Option<MemberName>,
    pub room: RoomName,
    /// That of the room.
    pub epoch: PublicId,
}

/// Whom a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The connection is still open.
    Open(ConnectionId),
    /// It has ended.
    Ended(Box<Session>),
}

/// Most tokens of a house.
fn keys_max(members_max: usize) -> usize {
    members_max.min(TOKENS_MAX) + SESSIONS_SLACK
}

#[derive(Debug)]
pub struct Sessions {
    holders: Hashed<(Key, Holder)>,
    /// Names of members that may come back.
    reserved: Hashed<MemberName>,
    hasher: RandomState,
    /// Tokens of connections that have ended, soonest first: when they are good no more. Some were used.
    ended: Fifo<(Instant, Key)>,
    /// How long a token is good after its connection has ended.
    resume_for: Duration,
    /// Most tokens at a time.
    keys_max: usize,
    /// Names that are reserved no longer, where somebody wants to know.
    freed: Option<Fifo<MemberName>>,
}

impl Sessions {
    /// Keeps a token for each of `members_max` members, and some more for members that have gone.
    pub fn new(resume_for: Duration, members_max: usize) -> Self {
        let keys_max = keys_max(members_max);
        Self {
            holders: Hashed::new(keys_max),
            reserved: Hashed::new(keys_max),
            hasher: RandomState::new(),
            ended: Fifo::new(),
            resume_for,
            keys_max,
            freed: None,
        }
    }

    /// Tells from now on which names are reserved no longer, by [`Sessions::next_freed`].
    pub fn tell_freed(&mut self) {
        self.freed.get_or_insert_default();
    }

    /// A name that is not reserved any more since it was last asked.
    pub fn next_freed(&mut self) -> Option<MemberName> {
        self.freed.as_mut()?.pop_front()
    }

    pub fn resume_for(&self) -> Duration {
        self.resume_for
    }

    /// A connection has a token from now on, instead of the one it had. When there are too many tokens the oldest one of
    /// a connection that has ended is good no more. False, and none is given, when there is no such.
    pub fn give(&mut self, key: Key, connection: ConnectionId, before: Option<Key>) -> bool {
        if let Some(before) = before {
            self.take(before);
        }
        while self.holders.len() >= self.keys_max {
            if !self.forget_oldest() {
                return false;
            }
        }
        let hasher = &self.hasher;
        self.holders.insert(hasher.hash_one(key), (key, Holder::Open(connection)), |(key, _)| hasher.hash_one(key));
        true
    }

    /// The connection of a token has ended.
    pub fn on_end(&mut self, key: Key, session: Session, now: Instant) {
        let hasher = &self.hasher;
        let Some((_, holder)) = self.holders.find_mut(hasher.hash_one(key), |(other, _)| *other == key) else { return };
        if let Some(name) = session.name {
            self.reserved.insert(hasher.hash_one(name), name, |name| hasher.hash_one(name));
        }
        *holder = Holder::Ended(Box::new(session));
        self.ended.push_back((now + self.resume_for, key));
    }

    /// Whom a token stands for, if it is good.
    pub fn find(&self, key: Key) -> Option<&Holder> {
        self.holders.find(self.hasher.hash_one(key), |(other, _)| *other == key).map(|(_, holder)| holder)
    }

    /// A token is used, and not good any more.
    pub fn take(&mut self, key: Key) {
        let hasher = &self.hasher;
        let taken =
            self.holders.remove(hasher.hash_one(key), |(other, _)| *other == key, |(key, _)| hasher.hash_one(key));
        let Some((_, Holder::Ended(session))) = taken else { return };
        if let Some(name) = session.name {
            let hash_of = |name: &MemberName| hasher.hash_one(name);
            self.reserved.remove(hasher.hash_one(name), |other| *other == name, hash_of).expect("it was reserved");
            if let Some(freed) = &mut self.freed {
                freed.push_back(name);
            }
        }
    }

    /// True when a name is kept for a member that may come back.
    pub fn is_reserved(&self, name: MemberName) -> bool {
        self.reserved.find(self.hasher.hash_one(name), |other| *other == name).is_some()
    }

    /// When [`Sessions::forget_old`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.ended.front().map(|(until, _)| *until)
    }

    /// Forgets some of the tokens whose time is over, `most` of them at most.
    pub fn forget_old(&mut self, now: Instant, most: usize) {
        for _ in 0..most {
            if self.deadline().is_none_or(|until| until > now) || !self.forget_oldest() {
                break;
            }
        }
    }

    /// False when none is left of connections that have ended.
    fn forget_oldest(&mut self) -> bool {
        let Some((_, key)) = self.ended.pop_front() else { return false };
        self.take(key);
        true
    }

    /// Most memory of all tokens, in bytes.
    pub fn footprint_max(members_max: usize) -> usize {
        let keys_max = keys_max(members_max);
        let tables = hashed::footprint_max::<(Key, Holder)>(keys_max) + hashed::footprint_max::<MemberName>(keys_max);
        let ended = size_of::<Session>() + ALLOCATION_BYTES + size_of::<(Instant, Key)>();
        tables.saturating_add(keys_max.saturating_mul(ended))
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        let sessions = self.ended.len() * (size_of::<Session>() + ALLOCATION_BYTES);
        self.holders.footprint() + self.reserved.footprint() + self.ended.footprint() + sessions
    }

    /// Panics when names are reserved for nobody.
    pub fn invariants(&self) {
        let ended = self.holders.iter().filter_map(|(_, holder)| match holder {
            Holder::Ended(session) => session.name,
            Holder::Open(_) => None,
        });
        let names: Vec<MemberName> = ended.collect();
        let reserved = names.iter().all(|name| self.is_reserved(*name));
        assert!(reserved && names.len() == self.reserved.len(), "names are reserved for those that may come back");
        assert!(self.holders.len() <= self.keys_max, "tokens are bounded");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Generation, Slot};

    fn key(number: u8) -> Key {
        Key::new([number; 16])
    }

    fn session(name: &str) -> Session {
        Session {
            name: MemberName::choose(name),
            room: RoomName::parse("den").expect("it is a name"),
            epoch: PublicId(1),
        }
    }

    const CONNECTION: ConnectionId = ConnectionId { slot: Slot(1), generation: Generation::FIRST };

    #[test]
    fn a_token_is_good_once_and_for_a_while() {
        let start = Instant::now();
        let mut sessions = Sessions::new(Duration::from_secs(60), 10);
        assert!(sessions.give(key(1), CONNECTION, None));
        assert_eq!(sessions.find(key(1)), Some(&Holder::Open(CONNECTION)));
        assert!(sessions.give(key(2), CONNECTION, Some(key(1))));
        assert_eq!(sessions.find(key(1)), None, "the newer one replaces it");
        let bob = session("bob");
        sessions.on_end(key(2), bob, start);
        let name = bob.name.expect("it is a name");
        assert!(sessions.is_reserved(name));
        sessions.forget_old(start + Duration::from_secs(59), 10);
        assert_eq!(sessions.find(key(2)), Some(&Holder::Ended(Box::new(bob))));
        sessions.take(key(2));
        assert!(sessions.find(key(2)).is_none() && !sessions.is_reserved(name));
        assert!(sessions.give(key(3), CONNECTION, None));
        sessions.on_end(key(3), bob, start);
        assert_eq!(sessions.deadline(), Some(start + Duration::from_secs(60)));
        sessions.forget_old(start + Duration::from_secs(60), 10);
        assert!(sessions.find(key(3)).is_none() && !sessions.is_reserved(name));
        sessions.invariants();
    }

    #[test]
    fn tokens_are_bounded_and_the_oldest_goes_first() {
        let start = Instant::now();
        let mut sessions = Sessions::new(Duration::from_secs(60), 0);
        let most = SESSIONS_SLACK;
        let key = |number: usize| Key::new((number as u128).to_be_bytes());
        for number in 0..most + 5 {
            assert!(sessions.give(key(number), CONNECTION, None));
            sessions.on_end(key(number), session(&format!("a{number}")), start);
            sessions.invariants();
        }
        assert!(sessions.find(key(4)).is_none() && sessions.find(key(5)).is_some());
        let given = (most..3 * most).filter(|number| sessions.give(key(number + 10), CONNECTION, None)).count();
        assert_eq!(given, most, "those of connections that are open stay");
    }

    #[test]
    fn a_token_survives_being_written_down() {
        let token = Key::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 251, 252, 253, 254, 255]);
        assert_eq!(Key::parse(&token.to_string()), Some(token));
        for wrong in ["", "12", "0001020304050607080900fafbfcfdfeffff", "+0010203040506070809fafbfcfdfeff"] {
            assert_eq!(Key::parse(wrong), None);
        }
        assert_eq!(format!("{token:?}"), "Key");
    }
}
