//! Which member comes in by which door, where a room has several. Pure.

/// The door of each of the members, of which each door has so many. Publishers use the doors in turn, and the others are spread evenly
/// over the order of joining.
pub(super) fn doors_of_members(of_doors: &[usize], publishers: &[(usize, u32)]) -> Vec<u8> {
    let members: usize = of_doors.iter().sum();
    let mut left = of_doors.to_vec();
    let mut doors: Vec<Option<u8>> = vec![None; members];
    for &(place, publisher) in publishers {
        let turn = publisher as usize % of_doors.len();
        let door = (0..of_doors.len()).map(|step| (turn + step) % of_doors.len()).find(|door| left[*door] > 0);
        let door = door.expect("there are no more publishers than members");
        left[door] -= 1;
        doors[place] = Some(door as u8);
    }
    // Each takes the door of which the largest part is still to be given out.
    let all = left.clone();
    let part_left = |left: &[usize], door: usize| left[door] as f64 / all[door].max(1) as f64;
    for door in doors.iter_mut().filter(|door| door.is_none()) {
        let next = (0..left.len()).max_by(|one, other| part_left(&left, *one).total_cmp(&part_left(&left, *other)));
        let next = next.expect("there is a door");
        left[next] -= 1;
        *door = Some(next as u8);
    }
    doors.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn publishers_use_the_doors_in_turn_and_the_others_are_spread() {
        let doors = doors_of_members(&[4, 4, 4], &[(2, 0), (6, 1), (10, 2)]);
        assert_eq!([doors[2], doors[6], doors[10]], [0, 1, 2]);
        for part in doors.chunks(6) {
            assert!((0..3).all(|door| part.contains(&door)), "{doors:?}");
        }
    }

    proptest! {
        #[test]
        fn every_door_has_its_members(of_doors in proptest::collection::vec(0usize..50, 1..5), publishers in 0usize..20) {
            let members: usize = of_doors.iter().sum();
            let publishers = publishers.min(members);
            let places: Vec<(usize, u32)> = (0..publishers).map(|number| (number * members / publishers, number as u32)).collect();
            let doors = doors_of_members(&of_doors, &places);
            for (door, expected) in of_doors.iter().enumerate() {
                prop_assert_eq!(doors.iter().filter(|of| **of as usize == door).count(), *expected);
            }
        }
    }
}
