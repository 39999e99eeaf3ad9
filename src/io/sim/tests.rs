//! Seeds played in the ordinary tests.

use super::big;
use super::run::{check, run};
use crate::planted::Planted;

/// Seeds that failed once, each with what it found. They are played for ever after.
const KEPT: &str = include_str!("seeds.txt");

/// Seeds of an ordinary test run.
const SEEDS: u64 = 2000;

/// Seeds within which a planted bug has to be found.
const SEEDS_TO_FIND: u64 = 500;

fn play(seeds: impl IntoIterator<Item = u64>) {
    for seed in seeds {
        if let Err(wrong) = check(seed) {
            panic!("seed {seed}: {wrong}; replay it: just sim-replay {seed}");
        }
    }
}

#[test]
fn seeds() {
    play(0..SEEDS);
}

#[test]
fn kept_seeds() {
    let kept = KEPT.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    play(
        kept.map(|line| {
            line.split(' ').next().and_then(|seed| seed.parse().ok()).expect("a line begins with its seed")
        }),
    );
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..50 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for bug in Planted::ALL {
        Planted::plant(Some(bug));
        let found = (0..SEEDS_TO_FIND).find_map(|seed| check(seed).err().map(|wrong| (seed, wrong)));
        Planted::plant(None);
        match found {
            Some((seed, wrong)) => println!("{bug:?}: seed {seed}: {wrong}"),
            None => missed.push(bug),
        }
    }
    assert_eq!(missed, [], "not found within {SEEDS_TO_FIND} seeds");
}

#[test]
fn a_room_of_twenty_thousand() {
    let figures = big::play(20_000, 50);
    println!("{figures:?}");
}
