//! The proof that every verified member got every message once and in the room's order.
//!
//! The order of the room is what its listeners saw: the first to receive a message places it, behind all earlier
//! messages of the same publisher. Every member has a place in that order, like a cursor in a log; a message at its
//! place moves it on, any other is a gap, a late arrival or a repeat. Beside it each member keeps a rolling hash of what
//! it received, in its order: equal hashes prove a second time, independently of the places, that all saw the same.
//!
//! Of several rooms each has a proof of its own, over the messages of that room alone.
//!
//! Publishers never hear themselves, so they cannot place messages: a publisher's place jumps over its own, and what it
//! hears before any listener did waits until it is placed.

use std::collections::BTreeSet;

use crate::plan::Turns;
use crate::recorder::proven::{DoorProven, EXAMPLES_MAX, Problems, Proven, mix};
use crate::recorder::times::Message;

const UNPLACED: u32 = u32::MAX;
const LISTENER: u32 = u32::MAX;
/// How a message came to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// For the first time.
    First,
    /// Again, or at its own author.
    Again,
}

/// Bytes that the proof keeps of a member of a clean run.
#[cfg(test)]
pub const MEMBER_BYTES: usize = size_of::<Member>();

#[derive(Debug)]
struct Member {
    /// Index in the room's order of what this member should receive next.
    place: u32,
    /// Its number among the publishers, or [`LISTENER`].
    publisher: u32,
    hash: u64,
    /// Messages received, repeats left out; a plan has fewer than fit.
    received: u32,
    presence_bytes: u32,
    trouble: Option<Box<Trouble>>,
}

/// What is kept only of members of an unclean run, and of publishers that are ahead of the order.
#[derive(Debug, Default)]
struct Trouble {
    /// Messages before its place that it has not received.
    missing: BTreeSet<u32>,
    /// Received by a publisher and not placed yet, in order of arrival.
    early: Vec<u32>,
    left_ns: Option<u64>,
    /// Messages that the server told it that it missed. Joins and leaves that it missed are among them.
    told: u64,
    problems: Problems,
}

impl Member {
    fn problems(&mut self) -> &mut Problems {
        &mut self.trouble.get_or_insert_default().problems
    }
}

/// The room's order and each member's place in it.
#[derive(Debug)]
pub struct Proof {
    /// Whose messages are in the room. Messages and publishers are counted among those of the room.
    turns: Turns,
    /// Messages in the order of the room.
    order: Vec<u32>,
    /// Place of each message in `order`, or [`UNPLACED`].
    places: Vec<u32>,
    /// Next sequence of each publisher to be placed.
    sequence_next: Vec<u64>,
    members: Vec<Member>,
    /// Verified members of the room whose proof another process has, and that joined before the first of these.
    members_before: usize,
    /// The door of each member; nothing where all have the same.
    doors: Vec<u8>,
}

impl Proof {
    /// One entry a verified member: its number if it publishes.
    pub fn new(turns: Turns, publishers_of_members: &[Option<u32>]) -> Self {
        let member = |publisher: &Option<u32>| Member {
            place: 0,
            publisher: publisher.unwrap_or(LISTENER),
            hash: 0,
            received: 0,
            presence_bytes: 0,
            trouble: None,
        };
        Self {
            turns,
            order: Vec::with_capacity(turns.messages()),
            places: vec![UNPLACED; turns.messages()],
            sequence_next: vec![0; turns.publishers() as usize],
            members: publishers_of_members.iter().map(member).collect(),
            members_before: 0,
            doors: Vec::new(),
        }
    }

    /// These are not the first verified members of the room: `members_before` are.
    pub fn number_from(&mut self, members_before: usize) {
        self.members_before = members_before;
    }

    /// These came in by several doors: the one of each.
    pub fn by_doors(&mut self, doors: Vec<u8>) {
        assert_eq!(doors.len(), self.members.len(), "every member has a door");
        self.doors = doors;
    }

    /// Counts presence, and what members are told they missed, from here on.
    pub fn forget_words(&mut self) {
        for member in &mut self.members {
            member.presence_bytes = 0;
            if let Some(trouble) = &mut member.trouble {
                trouble.told = 0;
            }
        }
    }

    pub fn on_presence(&mut self, member: usize, bytes: usize) {
        let counted = &mut self.members[member].presence_bytes;
        *counted = counted.saturating_add(bytes as u32);
    }

    pub fn presence_bytes(&self) -> u64 {
        self.members.iter().map(|member| u64::from(member.presence_bytes)).max().unwrap_or(0)
    }

    /// The number of `member` among the publishers, if it is one.
    pub fn publisher_of(&self, member: usize) -> Option<u32> {
        Some(self.members[member].publisher).filter(|publisher| *publisher != LISTENER)
    }

    /// The server told `member` that it missed `messages`.
    pub fn on_told(&mut self, member: usize, messages: u64) {
        let told = &mut self.members[member].trouble.get_or_insert_default().told;
        *told = told.saturating_add(messages);
    }

    /// True exactly when every member has got, or was told that it missed, all that the others sent: `sent` has the number
    /// for each publisher.
    pub fn is_accounted_for(&self, sent: &[u64]) -> bool {
        let all: u64 = sent.iter().sum();
        self.members.iter().all(|member| {
            let own = sent.get(member.publisher as usize).copied().unwrap_or(0);
            let told = member.trouble.as_deref().map_or(0, |trouble| trouble.told);
            let early = member.trouble.as_deref().map_or(0, |trouble| trouble.early.len() as u64);
            (u64::from(member.received) + early).saturating_add(told) >= all - own
        })
    }

    /// Verified members.
    pub fn members(&self) -> u64 {
        self.members.len() as u64
    }

    /// When members left, of those that did.
    pub fn left_ns(&self) -> Vec<u64> {
        self.members.iter().filter_map(|member| member.trouble.as_deref()?.left_ns).collect()
    }

    /// Messages in the order of the room, as far as these members know it.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    pub fn on_left(&mut self, member: usize, now_ns: u64) {
        self.members[member].trouble.get_or_insert_default().left_ns.get_or_insert(now_ns);
    }

    /// Message `index`, known to be genuine, came to `member`.
    pub fn on_message(&mut self, member: usize, index: u32) -> Arrived {
        let state = &mut self.members[member];
        state.hash = mix(state.hash, u64::from(index));
        if state.publisher == LISTENER {
            // In a clean run every message takes this branch.
            if self.order.get(state.place as usize) == Some(&index) {
                state.place += 1;
                state.received += 1;
                return Arrived::First;
            }
            if self.places[index as usize] == UNPLACED {
                self.place(index);
            }
            return self.settle(member, index);
        }
        if self.turns.publisher_of(index as usize) == state.publisher {
            state.problems().echoed += 1;
            return Arrived::Again;
        }
        self.on_message_of_publisher(member, index)
    }

    fn on_message_of_publisher(&mut self, member: usize, index: u32) -> Arrived {
        self.settle_early(member);
        let state = &mut self.members[member];
        let trouble = state.trouble.get_or_insert_default();
        let placed = self.places[index as usize] != UNPLACED;
        if placed && trouble.early.is_empty() {
            return self.settle(member, index);
        }
        let passed = placed && self.places[index as usize] < state.place && !trouble.missing.contains(&index);
        if passed || trouble.early.contains(&index) {
            trouble.problems.duplicate += 1;
            return Arrived::Again;
        }
        trouble.early.push(index);
        Arrived::First
    }

    /// Settles what a publisher heard early and listeners have placed since.
    fn settle_early(&mut self, member: usize) {
        loop {
            let Some(trouble) = &mut self.members[member].trouble else { return };
            match trouble.early.first() {
                Some(&index) if self.places[index as usize] != UNPLACED => {
                    trouble.early.remove(0);
                    self.settle(member, index);
                }
                _ => return,
            }
        }
    }

    /// Puts `index` at the end of the room's order, behind all earlier messages of its publisher.
    fn place(&mut self, index: u32) {
        let publisher = self.turns.publisher_of(index as usize);
        let next = &mut self.sequence_next[publisher as usize];
        while *next <= self.turns.sequence_of(index as usize) {
            let placed = self.turns.index_of(publisher, *next).expect("sequences up to a known one are in the plan");
            self.places[placed] = self.order.len() as u32;
            self.order.push(placed as u32);
            *next += 1;
        }
    }

    /// Moves `member` on by the placed message `index`.
    fn settle(&mut self, member: usize, index: u32) -> Arrived {
        let turns = self.turns;
        let state = &mut self.members[member];
        let publisher = state.publisher;
        let own = |message: u32| turns.publisher_of(message as usize) == publisher;
        let place = self.places[index as usize];
        if place < state.place {
            let was_missing = state.trouble.as_mut().is_some_and(|trouble| trouble.missing.remove(&index));
            if was_missing {
                state.problems().out_of_order += 1;
                state.received += 1;
                return Arrived::First;
            }
            state.problems().duplicate += 1;
            return Arrived::Again;
        }
        let gap = &self.order[state.place as usize..place as usize];
        if gap.iter().any(|&message| !own(message)) {
            let missing = gap.iter().copied().filter(|&message| !own(message));
            state.trouble.get_or_insert_default().missing.extend(missing);
        }
        state.place = place + 1;
        state.received += 1;
        Arrived::First
    }

    /// Counts what never came and compares the hashes. `messages` are those of the room; `is_held_back` says of one that was sent
    /// whether the server held it back until the end.
    pub fn finish<'m>(
        mut self,
        messages: impl Iterator<Item = &'m Message> + Clone,
        is_held_back: impl Fn(usize) -> bool,
    ) -> Proven {
        for member in 0..self.members.len() {
            self.settle_early(member);
        }
        let turns = self.turns;
        let mut sent_by_publisher = vec![0u64; turns.publishers() as usize];
        let mut held_by_publisher = sent_by_publisher.clone();
        for (index, message) in messages.clone().enumerate() {
            if message.sent_ns != 0 {
                let publisher = turns.publisher_of(index) as usize;
                sent_by_publisher[publisher] += 1;
                held_by_publisher[publisher] += u64::from(is_held_back(index));
            }
        }
        let sent: u64 = sent_by_publisher.iter().sum();
        let held: u64 = held_by_publisher.iter().sum();
        let (mut told_in_all, mut members_excused, mut held_back) = (0, 0, 0);
        let hash = self.order.iter().fold(0, |hash, &index| mix(hash, u64::from(index)));
        let mut problems = Problems::default();
        let mut doors = vec![DoorProven::default(); self.doors.iter().max().map_or(0, |last| *last as usize + 1)];
        let mut examples = Vec::new();
        let mut hashes_equal = 0;
        for (number, member) in self.members.iter().enumerate() {
            let own = sent_by_publisher.get(member.publisher as usize).copied().unwrap_or(0);
            let trouble = member.trouble.as_deref();
            let expected = match trouble.and_then(|trouble| trouble.left_ns) {
                None => sent - own,
                Some(left_ns) => sent_to_leaver(turns, messages.clone(), member.publisher, left_ns),
            };
            // Early messages that no listener ever placed count as received: that the listeners lost them is
            // counted already.
            let early = trouble.map_or(0, |trouble| trouble.early.len() as u64);
            let missing = expected.saturating_sub(u64::from(member.received) + early);
            let held = held - held_by_publisher.get(member.publisher as usize).copied().unwrap_or(0);
            let held = held.min(missing);
            let told = trouble.map_or(0, |trouble| trouble.told).min(missing - held);
            let lost = missing - held - told;
            held_back += held;
            told_in_all += told;
            let mut of_member = trouble.map_or(Problems::default(), |trouble| trouble.problems);
            of_member.lost = lost;
            problems.add(&of_member);
            let reference = if own == 0 { hash } else { hash_without(turns, &self.order, member.publisher) };
            let is_equal = member.hash == reference && lost == 0;
            if let Some(&door) = self.doors.get(number) {
                let door = &mut doors[door as usize];
                door.members += 1;
                door.problems.add(&of_member);
                door.hashes_equal += u64::from(is_equal);
                door.told += told;
            }
            if is_equal {
                hashes_equal += 1;
            } else if told + held > 0 && lost == 0 {
                members_excused += 1;
            } else if examples.len() < EXAMPLES_MAX {
                examples.push(self.describe(self.members_before + number, member, lost));
            }
        }
        Proven {
            problems,
            examples,
            hashes_equal,
            members: self.members.len() as u64,
            hash,
            told: told_in_all,
            members_excused,
            held_back,
            doors,
        }
    }

    fn describe(&self, number: usize, member: &Member, lost: u64) -> String {
        let first_missing = member
            .trouble
            .as_deref()
            .and_then(|trouble| trouble.missing.iter().min_by_key(|&&index| self.places[index as usize]).copied())
            .or_else(|| self.order.get(member.place as usize).copied());
        let left = if member.trouble.as_deref().is_some_and(|trouble| trouble.left_ns.is_some()) {
            ", connection closed by the server"
        } else {
            ""
        };
        match first_missing {
            Some(index) if lost > 0 => format!(
                "verified member {number}: {lost} lost, the first is publisher {} sequence {}{left}",
                self.turns.publisher_of(index as usize),
                self.turns.sequence_of(index as usize)
            ),
            _ => format!("verified member {number}: order differs from the room's{left}"),
        }
    }
}

/// Messages sent to a member before it left, its own left out.
fn sent_to_leaver<'m>(turns: Turns, messages: impl Iterator<Item = &'m Message>, publisher: u32, left_ns: u64) -> u64 {
    let mine = |index: usize| turns.publisher_of(index) == publisher;
    messages
        .enumerate()
        .filter(|(index, message)| message.sent_ns != 0 && message.sent_ns < left_ns && !mine(*index))
        .count() as u64
}

/// The hash of the room's order as `publisher` hears it.
fn hash_without(turns: Turns, order: &[u32], publisher: u32) -> u64 {
    order
        .iter()
        .filter(|&&index| turns.publisher_of(index as usize) != publisher)
        .fold(0, |hash, &index| mix(hash, u64::from(index)))
}
