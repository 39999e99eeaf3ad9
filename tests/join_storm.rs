//! A storm of joins, in a process of its own: it needs almost all descriptors that a process may have.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use support::{Person, Server, wait_for};

#[test]
fn nineteen_thousand_joins_are_said_in_a_dozen_lines() {
    support::raise_descriptor_limit();
    let announce_max: usize = 200;
    let server = Server::start(&["--backend", "uring"]);
    let count = 19_000;
    let started = Instant::now();
    let mut members: Vec<Person> = Vec::new();
    for number in 0..count {
        members.push(Person::connect_from([127, 0, 0, 1 + (number % 4) as u8], server.address));
        // Spread over ten seconds.
        let due = Duration::from_secs(10) * number as u32 / count as u32;
        thread::sleep(due.saturating_sub(started.elapsed()));
    }
    let statistics = wait_for(&server, "all are in", |statistics| statistics["members"] == count as u64);
    assert_eq!((statistics["accepted"], statistics["full_house"]), (count as u64, 0));
    // The last summary has been said when a line says the count of all.
    let all = format!("({count} users online)");
    for (number, member) in members.iter_mut().enumerate() {
        let mut online = None;
        let mut lines = 0;
        // The last member may have been welcomed with that count already, and then reads the summary of its own join.
        for line in member.lines_until(|line| line.ends_with(&all) && line.contains(" entered, ")) {
            let said = line.rsplit_once('(').and_then(|(_, rest)| rest.split(' ').next()).unwrap();
            let said: u64 = said.parse().unwrap();
            if line.starts_with("> Connected") {
                assert_eq!(said, number as u64 + 1, "members are counted in the order in which they come");
            } else {
                lines += 1;
                if let Some((entered, left)) = summary(&line)
                    && let Some(online) = online
                {
                    assert_eq!(online + entered - left, said, "entered minus left is the change in the count: {line}");
                }
                online = Some(said);
            }
        }
        // The first members hear each single join, as in the original.
        let dozen = 12 + announce_max.saturating_sub(number + 1);
        assert!(lines <= dozen, "member {number} heard {lines} presence lines");
    }
}

/// Entered and left of a presence summary.
fn summary(line: &str) -> Option<(u64, u64)> {
    let (entered, rest) = line.strip_prefix("> ")?.split_once(" entered, ")?;
    let left = rest.split_once(" left.")?.0;
    Some((entered.split(' ').next()?.parse().ok()?, left.parse().ok()?))
}
