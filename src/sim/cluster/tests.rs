//! Seeds of several nodes, played in the ordinary tests.

use super::{Outcome, check, run};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 200;

#[test]
fn seeds() {
    let play = |seed| {
        check(seed).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}; replay it: just sim-replay --cluster {seed}"))
    };
    let outcomes: Vec<Outcome> = (0..SEEDS).map(play).collect();
    // Each thing that can happen has happened in some run.
    let total = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    let happened = [
        ("messages", total(|outcome| outcome.figures.messages)),
        ("deliveries", total(|outcome| outcome.figures.deliveries)),
    ];
    println!("{happened:?}, {} turns", total(|outcome| outcome.turns));
    assert!(happened.iter().all(|(_, count)| *count > 0), "something never happens: {happened:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..10 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
