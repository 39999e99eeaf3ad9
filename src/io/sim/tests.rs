//! Seeds played in the ordinary tests.

use super::run::{check, run};

/// Seeds that failed once, each with what it found. They are played for ever after.
const KEPT: &str = include_str!("seeds.txt");

/// Seeds of an ordinary test run.
const SEEDS: u64 = 2000;

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
