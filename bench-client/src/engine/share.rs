//! Which part of a room, or of all rooms together, one process has: its members, and which of them publish, verify and are probes. Pure.
//!
//! The members of a share join one after another, so that each share is a piece of the order of joining.

use serde::{Deserialize, Serialize};

use crate::engine::roles::{is_probe, roles_in_rooms};

/// A piece of the room. Places are counted from its first member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Members of the whole room, or of all rooms.
    pub room: usize,
    /// Members of the room that join before the first of this share.
    pub first: usize,
    pub members: usize,
    /// Verified members of the room before the first of this share.
    pub verified_before: usize,
    /// Places of publishers, each with its number.
    pub publishers: Vec<(usize, u32)>,
    /// Places of those that verify; None for all.
    pub verified: Option<Vec<usize>>,
    /// Places of verified members whose deliveries the kernel stamps.
    pub probes: Vec<usize>,
}

impl Share {
    /// `members` of `rooms` rooms in `processes` shares, of which none is larger than another by more than one member.
    pub fn of_rooms(
        (members, rooms): (usize, usize),
        publishers: usize,
        verified: usize,
        probes: usize,
        processes: usize,
    ) -> Vec<Self> {
        let roles = roles_in_rooms(members, rooms, publishers, verified);
        let ends = (1..=processes).map(|number| number * members / processes);
        let mut shares: Vec<Self> = Vec::with_capacity(processes);
        let mut verified_before = 0;
        for end in ends {
            let first = shares.last().map_or(0, |share: &Self| share.first + share.members);
            let of_share = &roles[first..end];
            let places = |verifies: &dyn Fn(u32) -> bool| -> Vec<usize> {
                (0..of_share.len()).filter(|&place| of_share[place].verified.is_some_and(verifies)).collect()
            };
            let all = places(&|_| true);
            let count = all.len();
            shares.push(Self {
                room: members,
                first,
                members: end - first,
                verified_before,
                publishers: (0..of_share.len()).filter_map(|place| Some((place, of_share[place].publisher?))).collect(),
                verified: (verified < members).then_some(all),
                probes: places(&|number| is_probe(number as usize, probes, verified)),
            });
            verified_before += count;
        }
        shares
    }

    /// Members that verify and do not publish: they see the order of the room.
    pub fn verified_listeners(&self) -> usize {
        match &self.verified {
            // A sample only listens.
            Some(places) => places.len(),
            None => self.members - self.publishers.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_processes_have_the_room_in_three_pieces() {
        let shares = Share::of_rooms((10, 1), 1, 10, 3, 3);
        let pieces: Vec<_> = shares.iter().map(|share| (share.first, share.members, share.verified_before)).collect();
        assert_eq!(pieces, [(0, 3, 0), (3, 3, 3), (6, 4, 6)]);
        assert_eq!(shares[1].publishers, [(2, 0)]);
        assert_eq!(shares.iter().map(|share| share.probes.len()).sum::<usize>(), 3);
    }

    proptest! {
        #[test]
        fn shares_are_the_room(members in 2usize..400, publishers in 1usize..10, verified in 1usize..400, probes in 0usize..50, processes in 1usize..8) {
            let publishers = publishers.min(members - 1);
            let verified = if verified >= members { members } else { verified.min(members - publishers) };
            let processes = processes.min(members);
            let whole = &Share::of_rooms((members, 1), publishers, verified, probes, 1)[0];
            let shares = Share::of_rooms((members, 1), publishers, verified, probes, processes);
            prop_assert_eq!(shares.len(), processes);
            let in_room = |of: &dyn Fn(&Share) -> Vec<usize>| -> Vec<usize> {
                shares.iter().flat_map(|share| of(share).into_iter().map(|place| share.first + place)).collect()
            };
            prop_assert_eq!(in_room(&|share| (0..share.members).collect()), (0..members).collect::<Vec<_>>());
            prop_assert_eq!(&in_room(&|share| share.probes.clone()), &whole.probes);
            let verified_of = |share: &Share| share.verified.clone().unwrap_or_else(|| (0..share.members).collect());
            prop_assert_eq!(in_room(&verified_of), verified_of(whole));
            let numbers: Vec<u32> = shares.iter().flat_map(|share| share.publishers.iter().map(|(_, number)| *number)).collect();
            prop_assert_eq!(numbers, (0..publishers as u32).collect::<Vec<_>>());
        }
    }
}
