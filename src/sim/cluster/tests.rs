//! Seeds of several nodes, played in the ordinary tests.

use super::{Outcome, check, run};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 300;

#[test]
fn seeds() {
    let play = |seed| {
        check(seed).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}; replay it: just sim-replay {seed} --cluster"))
    };
    let outcomes: Vec<Outcome> = (0..SEEDS).map(play).collect();
    // Each thing that can happen has happened in some run.
    let total = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    let happened = [
        ("messages", total(|outcome| outcome.figures.messages)),
        ("deliveries", total(|outcome| outcome.figures.deliveries)),
        ("JSON", total(|outcome| outcome.figures.json)),
        ("of the past", total(|outcome| outcome.figures.past)),
        ("topics", total(|outcome| outcome.figures.topics)),
        ("missed", total(|outcome| outcome.figures.missed)),
        ("cut off", total(|outcome| outcome.figures.cut_off)),
        ("refused", total(|outcome| outcome.figures.refused)),
        ("back", total(|outcome| outcome.figures.back)),
        ("lost", total(|outcome| outcome.figures.lost)),
        ("in the stream twice", total(|outcome| outcome.figures.repeats)),
        ("ended with their node", total(|outcome| outcome.figures.unsaid)),
        ("known again", total(|outcome| outcome.stream.known_again)),
        ("unknown", total(|outcome| outcome.stream.unknown)),
        ("downs", total(|outcome| outcome.stream.downs)),
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
