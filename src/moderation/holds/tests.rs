//! Tests of the table of holds.

use proptest::prelude::*;

use super::*;
use crate::limits::MEMBER_NAME_BYTES_MAX;

const NOW: u64 = 1_000_000;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn name(text: &str) -> MemberName {
    MemberName::parse(text).unwrap()
}

fn network(text: &str) -> Network {
    Network::parse(text).unwrap()
}

/// What a member at an address, perhaps with a name, is under at [`NOW`].
fn found(holds: &Holds, address: &str, name: Option<&str>) -> Option<String> {
    holds.find(ip(address), name.and_then(MemberName::parse), None, NOW).map(Hold::to_string)
}

#[test]
fn a_member_is_found_by_its_name_in_any_case_and_by_its_address() {
    let mut holds = Holds::default();
    holds.insert(Hold::of_member(Some(name("Bob")), ip("192.0.2.7"), 1, None, "alice"), NOW).unwrap();
    holds.insert(Hold::of_member(None, ip("2001:db8::1"), 2, None, "alice"), NOW).unwrap();
    holds.insert(Hold::of_network(network("10.0.0.0/8"), None, "alice"), NOW).unwrap();
    for (address, name, expected) in [
        ("198.51.100.1", Some("bOB"), Some("Bob, 192.0.2.7")),
        ("192.0.2.7", None, Some("Bob, 192.0.2.7")),
        ("192.0.2.7", Some("carol"), Some("Bob, 192.0.2.7")),
        ("::ffff:192.0.2.7", None, Some("Bob, 192.0.2.7")),
        ("192.0.2.8", Some("carol"), None),
        ("192.0.2.8", Some("not a name"), None),
        ("2001:db8::ffff", None, Some("2001:db8::/64")),
        ("2001:db8:0:1::1", None, None),
        ("10.255.0.1", None, Some("10.0.0.0/8")),
    ] {
        assert_eq!(found(&holds, address, name).as_deref(), expected, "{address} {name:?}");
    }
}

#[test]
fn of_a_member_on_loopback_the_connection_and_the_name_are_held() {
    let mut holds = Holds::default();
    holds.insert(Hold::of_member(Some(name("bob")), ip("127.0.0.1"), 7, None, "alice"), NOW).unwrap();
    holds.insert(Hold::of_member(None, ip("::1"), 8, None, "alice"), NOW).unwrap();
    let is_held = |holds: &Holds, address: &str, name: Option<&str>, serial: Option<u64>| {
        holds.find(ip(address), name.and_then(MemberName::parse), serial, NOW).is_some()
    };
    assert!(is_held(&holds, "127.0.0.1", None, Some(7)) && is_held(&holds, "::1", None, Some(8)));
    assert!(is_held(&holds, "127.0.0.1", Some("bob"), Some(9)));
    assert!(!is_held(&holds, "127.0.0.1", None, Some(9)) && !is_held(&holds, "127.0.0.1", None, None));
    holds.forget_connection(7);
    holds.forget_connection(8);
    assert!(!is_held(&holds, "127.0.0.1", None, Some(7)));
    assert!(is_held(&holds, "127.0.0.1", Some("bob"), Some(9)), "the name stays held");
    assert_eq!(holds.len(), 1, "what held a connection alone has gone");
}

#[test]
fn the_hold_that_ends_last_is_the_one_that_counts() {
    let mut holds = Holds::default();
    for (name, until) in [("bob", Some(NOW + 5)), ("carol", Some(NOW + 9)), ("dave", Some(NOW + 1))] {
        holds.insert(Hold::of_member(MemberName::parse(name), ip("192.0.2.7"), 1, until, "alice"), NOW).unwrap();
    }
    assert_eq!(found(&holds, "192.0.2.7", None).as_deref(), Some("carol, 192.0.2.7"));
    assert_eq!(found(&holds, "192.0.2.7", Some("dave")).as_deref(), Some("carol, 192.0.2.7"));
    assert_eq!(found(&holds, "192.0.2.8", Some("dave")).as_deref(), Some("dave, 192.0.2.7"));
    assert_eq!(holds.remove_name("CAROL").len(), 1);
    assert_eq!(found(&holds, "192.0.2.7", None).as_deref(), Some("bob, 192.0.2.7"));
    holds.insert(Hold::of_network(network("192.0.0.0/16"), None, "alice"), NOW).unwrap();
    assert_eq!(found(&holds, "192.0.2.7", None).as_deref(), Some("192.0.0.0/16"), "without end is last of all");
}

#[test]
fn the_last_word_on_a_name_counts_for_all_that_is_held_of_it() {
    let mut holds = Holds::default();
    let bob = |address, until, by| Hold::of_member(MemberName::parse("bob"), ip(address), 1, until, by);
    holds.insert(bob("192.0.2.7", None, "alice"), NOW).unwrap();
    holds.insert(bob("192.0.2.8", Some(NOW + 9), "dave"), NOW).unwrap();
    let listed: Vec<_> = holds.page(1, 20).map(|hold| (hold.to_string(), hold.until, hold.by.to_string())).collect();
    let both = |address: &str| (format!("bob, {address}"), Some(NOW + 9), "dave".to_owned());
    assert_eq!(listed, [both("192.0.2.7"), both("192.0.2.8")]);
    // An address by itself is held apart from the names there.
    holds.insert(Hold::of_network(network("192.0.2.7"), Some(NOW + 5), "alice"), NOW).unwrap();
    holds.insert(Hold::of_network(network("192.0.2.7"), Some(NOW + 7), "alice"), NOW).unwrap();
    assert_eq!(holds.len(), 3);
    assert_eq!(found(&holds, "192.0.2.7", None).as_deref(), Some("bob, 192.0.2.7"));
    assert_eq!(holds.remove_name("bob").len(), 2);
    assert_eq!(found(&holds, "192.0.2.7", None).as_deref(), Some("192.0.2.7"));
    assert_eq!(holds.remove_network(network("192.0.2.7")).len(), 1);
    assert!(holds.is_empty() && holds.lengths.iter().all(BTreeMap::is_empty) && holds.ends.is_empty());
}

#[test]
fn what_holds_less_has_no_entry_of_its_own() {
    let mut holds = Holds::default();
    let shown = |holds: &Holds| holds.page(1, 20).map(Hold::to_string).collect::<Vec<_>>();
    let at = |address: &str, serial| Hold::of_member(Some(name("bob")), ip(address), serial, None, "alice");
    let alone = || Hold::of_name(name("BOB"), Some(NOW + 5), "dave");
    holds.insert(alone(), NOW).unwrap();
    holds.insert(Hold::of_name(name("carol"), None, "alice"), NOW).unwrap();
    holds.insert(at("127.0.0.1", 7), NOW).unwrap();
    assert_eq!(shown(&holds), ["bob, one connection", "carol"], "it takes the place of the name alone");
    holds.forget_connection(7);
    holds.insert(at("192.0.2.7", 8), NOW).unwrap();
    holds.insert(at("192.0.2.8", 9), NOW).unwrap();
    holds.insert(alone(), NOW).unwrap();
    assert_eq!(shown(&holds), ["bob, 192.0.2.7", "carol", "bob, 192.0.2.8"], "the name is held already");
    assert!(holds.page(1, 20).filter(|hold| hold.name != Some(name("carol"))).all(|hold| hold.until == Some(NOW + 5)));
}

#[test]
fn what_is_over_holds_nobody_and_is_dropped_in_bounded_pieces() {
    let mut holds = Holds::default();
    let count = HOLDS_DROPPED_AT_ONCE + 10;
    for number in 0..count {
        holds.insert(Hold::of_name(name(&format!("n{number}")), Some(NOW + 1), "alice"), NOW).unwrap();
    }
    holds.insert(Hold::of_name(name("bob"), None, "alice"), NOW).unwrap();
    assert_eq!(holds.next_end(), Some(NOW + 1));
    assert!(holds.find(ip("192.0.2.7"), Some(name("n5")), None, NOW).is_some());
    assert!(holds.find(ip("192.0.2.7"), Some(name("n5")), None, NOW + 1).is_none());
    holds.drop_expired(NOW);
    assert_eq!(holds.len(), count + 1);
    holds.drop_expired(NOW + 1);
    assert_eq!(holds.len(), 11);
    holds.drop_expired(NOW + 1);
    assert_eq!((holds.len(), holds.next_end()), (1, None));
}

#[test]
fn a_table_is_bounded_and_takes_what_it_has_already() {
    let mut holds = Holds::default();
    for number in 0..HOLDS_MAX {
        holds.insert(Hold::of_name(name(&format!("n{number}")), Some(NOW + 5), "alice"), NOW).unwrap();
    }
    let bob = Hold::of_name(name("bob"), None, "alice");
    assert_eq!(holds.insert(bob.clone(), NOW), Err(HoldsFull));
    assert_eq!(holds.insert(Hold::of_name(name("N7"), Some(NOW + 9), "alice"), NOW), Ok(()));
    assert_eq!(holds.len(), HOLDS_MAX);
    assert_eq!(holds.insert(bob, NOW + 5), Ok(()), "those that are over make room");
    assert_eq!(Holds::of((0..=HOLDS_MAX).map(|_| Hold::of_name(name("bob"), None, ""))).len(), HOLDS_MAX);
}

#[test]
fn pages_are_in_the_order_of_setting() {
    let mut holds = Holds::default();
    assert_eq!((holds.pages(20), holds.page(1, 20).count()), (1, 0));
    for number in 0..41 {
        holds.insert(Hold::of_name(name(&format!("n{number}")), None, "alice"), NOW).unwrap();
    }
    let page = |holds: &Holds, page| holds.page(page, 20).map(Hold::to_string).collect::<Vec<_>>();
    assert_eq!((holds.pages(20), page(&holds, 1).len(), page(&holds, 2).len()), (3, 20, 20));
    assert_eq!((page(&holds, 3), page(&holds, 4)), (vec!["n40".to_owned()], vec![]));
    assert!(page(&holds, usize::MAX).is_empty());
    holds.insert(Hold::of_name(name("n5"), Some(NOW + 9), "dave"), NOW).unwrap();
    assert_eq!(page(&holds, 1)[5], "n5", "a hold keeps its place");
}

#[test]
fn what_is_kept_means_something_after_a_restart() {
    let mut holds = Holds::default();
    holds.insert(Hold::of_member(Some(name("bob")), ip("127.0.0.1"), 7, None, "alice"), NOW).unwrap();
    holds.insert(Hold::of_member(None, ip("127.0.0.1"), 8, None, "alice"), NOW).unwrap();
    holds.insert(Hold::of_name(name("carol"), Some(NOW + 5), "alice"), NOW).unwrap();
    assert_eq!(holds.to_keep(NOW + 5), [Hold::of_name(name("bob"), None, "alice")]);
    let again = Holds::of(holds.to_keep(NOW));
    assert!(again.find(ip("127.0.0.1"), None, Some(7), NOW).is_none(), "the serial number may be another's now");
    assert!(again.find(ip("127.0.0.1"), Some(name("BOB")), None, NOW).is_some());
}

#[test]
fn a_full_table_takes_no_more_memory_than_is_reckoned() {
    let by = "x".repeat(PREFIX_BYTES_MAX);
    let measured = allocation_counter::measure(|| {
        let mut holds = Holds::default();
        for number in 0..HOLDS_MAX {
            let name = name(&format!("n{number:0>width$}", width = MEMBER_NAME_BYTES_MAX - 1));
            let address = IpAddr::from((number as u128 + 0x2001).rotate_right(80).to_be_bytes());
            holds.insert(Hold::of_member(Some(name), address, 1, Some(NOW + number as u64 + 1), &by), NOW).unwrap();
        }
        assert_eq!((holds.len(), holds.footprint()), (HOLDS_MAX, Holds::FOOTPRINT_MAX));
    });
    println!("{} bytes a hold", measured.bytes_max / HOLDS_MAX as u64);
    assert!(measured.bytes_max <= Holds::FOOTPRINT_MAX as u64, "{measured:?}");
}

proptest! {
    /// Compared with a plain list.
    #[test]
    fn the_hold_found_is_the_one_of_a_plain_list_that_ends_last(
        steps in prop::collection::vec((0..4usize, 0..3usize, 0..6u64, 0..2u8), 1..40),
        now in NOW..NOW + 6,
    ) {
        const NAMES: [&str; 4] = ["ann", "bob", "carol", "dave"];
        const PLACES: [&str; 3] = ["10.0.0.1", "10.0.0.0/24", "10.0.0.0/8"];
        let mut holds = Holds::default();
        let mut plain: Vec<Hold> = Vec::new();
        for (who, place, end, kind) in steps {
            let until = (end > 0).then_some(NOW + end);
            if kind == 0 {
                let hold = Hold { network: Some(network(PLACES[place])), ..Hold::of_name(name(NAMES[who]), until, "") };
                for old in plain.iter_mut().filter(|old| old.name == hold.name) {
                    old.until = until;
                }
                if !plain.iter().any(|old| (old.name, old.network) == (hold.name, hold.network)) {
                    plain.push(hold.clone());
                }
                holds.insert(hold, NOW).unwrap();
            } else {
                plain.retain(|old| old.name != Some(name(NAMES[who])));
                holds.remove_name(NAMES[who]);
            }
        }
        for (address, place) in [("10.0.0.1", 0), ("10.0.0.2", 1), ("10.1.0.0", 2), ("11.0.0.0", 3)] {
            let is_under = |hold: &&Hold| {
                hold.name == Some(name("bob")) || PLACES[place.min(3)..].iter().any(|p| hold.network == Some(network(p)))
            };
            let expected = plain.iter().filter(is_under).map(Hold::end).max().filter(|end| *end > now);
            let got = holds.find(ip(address), Some(name("Bob")), None, now).map(Hold::end);
            prop_assert_eq!(got, expected, "{}", address);
        }
    }
}
