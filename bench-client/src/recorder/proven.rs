//! What a proof comes to: how many deliveries were not as they should be, and how many members saw the order of the room.

use serde::{Deserialize, Serialize};

/// Members with problems that a summary describes.
pub const EXAMPLES_MAX: usize = 5;

/// Deliveries that were not as they should be, by kind. All zero in a clean run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problems {
    /// Sent while the member was in the room and never received by it. On members that only count bytes: the missing
    /// bytes in whole lines, rounded up.
    pub lost: u64,
    /// Received again. On members that only count bytes: the bytes too many, in whole lines, rounded up.
    pub duplicate: u64,
    /// Received after a later message of the room's order.
    pub out_of_order: u64,
    /// A member's own message, sent back to it.
    pub echoed: u64,
    /// A line with the author of a publisher that is no message it sent.
    pub corrupt: u64,
    /// A line that nobody in this run wrote, or that was said in another room.
    pub foreign: u64,
}

impl Problems {
    /// Adds what `other` has.
    pub fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.duplicate += other.duplicate;
        self.out_of_order += other.out_of_order;
        self.echoed += other.echoed;
        self.corrupt += other.corrupt;
        self.foreign += other.foreign;
    }

    /// True exactly when every count is zero.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    /// The counts with their names, in the order they are printed.
    pub fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("lost", self.lost),
            ("duplicate", self.duplicate),
            ("out of order", self.out_of_order),
            ("echoed", self.echoed),
            ("corrupt", self.corrupt),
            ("foreign", self.foreign),
        ]
    }
}

/// What the proof comes to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Proven {
    pub problems: Problems,
    /// The first few members with problems, described.
    pub examples: Vec<String>,
    /// Verified members that lost nothing and whose hash is that of the room's order.
    pub hashes_equal: u64,
    pub members: u64,
    /// Hash of the room's whole order.
    pub hash: u64,
    /// Messages that members did not get and were told they missed.
    pub told: u64,
    /// Members whose hash differs only because of what they were told they missed, or of what the server held back.
    pub members_excused: u64,
    /// Deliveries of messages that the server still held back when the run ended, because it slowed their publisher.
    pub held_back: u64,
    /// The same of the members of each door, if they came in by several.
    #[serde(default)]
    pub doors: Vec<DoorProven>,
}

/// What the proof of the members of one door comes to, who are in the same room as the others and have the same order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DoorProven {
    pub members: u64,
    /// Without lines that are no message of the plan, which no member is told by.
    pub problems: Problems,
    pub hashes_equal: u64,
    pub told: u64,
}

impl Proven {
    /// What the proofs of all rooms come to, the first first. The hash of several rooms is made of theirs.
    pub fn of_rooms(rooms: Vec<Self>) -> Self {
        if rooms.len() == 1 {
            return rooms.into_iter().next().expect("there is one");
        }
        let mut all = Self::default();
        for (number, room) in rooms.into_iter().enumerate() {
            all.problems.add(&room.problems);
            let left = EXAMPLES_MAX - all.examples.len();
            all.examples.extend(room.examples.into_iter().take(left).map(|text| format!("room {number}: {text}")));
            all.hashes_equal += room.hashes_equal;
            all.members += room.members;
            all.hash = mix(all.hash, room.hash);
            all.told += room.told;
            all.members_excused += room.members_excused;
            all.held_back += room.held_back;
        }
        all
    }
}

/// One step of the order hash: depends on every message, or hash of a room, before it and on their order.
pub(super) fn mix(hash: u64, item: u64) -> u64 {
    // The constant is 2^64 over the golden ratio; adding one keeps message 0 from vanishing.
    (hash.rotate_left(5) ^ item.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
