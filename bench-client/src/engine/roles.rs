//! Which members publish, which verify and which are probes, by order of joining. Pure.

/// What a member does in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) publisher: Option<u32>,
    pub(super) verified: Option<u32>,
}

/// Who publishes and who verifies. Both are spread evenly over the order of joining, because a server that serves in
/// that order treats the first and the last very differently; publishers sit between the samples, not on them.
pub(super) fn roles(members: usize, publishers: usize, verified: usize) -> Vec<Role> {
    assert!(publishers < members && (1..=members).contains(&verified), "the command line checked the counts");
    let mut roles = vec![Role::default(); members];
    for publisher in 0..publishers {
        roles[(2 * publisher + 1) * members / (2 * publishers)].publisher = Some(publisher as u32);
    }
    let listeners: Vec<usize> = (0..members).filter(|&index| roles[index].publisher.is_none()).collect();
    let mut chosen = vec![verified == members; members];
    let sample = verified.min(listeners.len());
    for at in 0..sample {
        let listener = if sample == 1 { 0 } else { at * (listeners.len() - 1) / (sample - 1) };
        chosen[listeners[listener]] = true;
    }
    let verified_roles = roles.iter_mut().zip(chosen).filter(|(_, chosen)| *chosen);
    for (number, (role, _)) in verified_roles.enumerate() {
        role.verified = Some(number as u32);
    }
    roles
}

/// The same of each of `rooms`, which members join in turn. Where there are several, all members verify.
pub(super) fn roles_in_rooms(members: usize, rooms: usize, publishers: usize, verified: usize) -> Vec<Role> {
    if rooms == 1 {
        return roles(members, publishers, verified);
    }
    assert!(verified == members && publishers.is_multiple_of(rooms), "the command line checked the counts");
    let mut all = vec![Role::default(); members];
    for room in 0..rooms {
        let places = (room..members).step_by(rooms);
        let of_room = roles(places.len(), publishers / rooms, places.len());
        for (place, role) in places.zip(of_room) {
            let publisher = role.publisher.map(|number| number * rooms as u32 + room as u32);
            all[place] = Role { publisher, verified: Some(place as u32) };
        }
    }
    all
}

/// True when the `index`th of the `verified` members is one of the `probes`, which are spread evenly over them.
pub(super) fn is_probe(index: usize, probes: usize, verified: usize) -> bool {
    let probes_before = |index: usize| index * probes.min(verified) / verified;
    probes_before(index + 1) > probes_before(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sample_holds_the_first_and_the_last_listener() {
        let roles = roles(10, 1, 3);
        let verified: Vec<usize> = (0..10).filter(|&index| roles[index].verified.is_some()).collect();
        assert_eq!(verified, [0, 4, 9]);
        assert_eq!(roles.iter().position(|role| role.publisher.is_some()), Some(5));
    }

    #[test]
    fn every_room_has_its_publishers_in_the_middle() {
        let roles = roles_in_rooms(11, 2, 4, 11);
        let publishers: Vec<_> = (0..11).filter_map(|place| Some((place, roles[place].publisher?))).collect();
        // Of six and five members: places 1 and 4, and 1 and 3, of their rooms.
        assert_eq!(publishers, [(2, 0), (3, 1), (7, 3), (8, 2)]);
        assert!(publishers.iter().all(|&(place, publisher)| place % 2 == publisher as usize % 2));
        assert_eq!(roles[9].verified, Some(9));
    }

    proptest! {
        #[test]
        fn every_publisher_has_a_seat_and_a_sample_only_listens(members in 2usize..500, publishers in 1usize..20, verified in 1usize..500) {
            let publishers = publishers.min(members - 1);
            // Below all, at most the listeners can be sampled.
            let verified = if verified >= members { members } else { verified.min(members - publishers) };
            let roles = roles(members, publishers, verified);
            let numbers: Vec<u32> = roles.iter().filter_map(|role| role.publisher).collect();
            prop_assert_eq!(numbers, (0..publishers as u32).collect::<Vec<_>>());
            let sampled: Vec<u32> = roles.iter().filter_map(|role| role.verified).collect();
            prop_assert_eq!(sampled, (0..verified as u32).collect::<Vec<_>>());
            if verified < members {
                prop_assert!(roles.iter().all(|role| role.publisher.is_none() || role.verified.is_none()));
            }
        }
    }
}
