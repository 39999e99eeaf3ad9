//! Seeds played in the ordinary tests.

use super::large_room;
use super::run::{Outcome, check, fuzz, run};
use crate::counters::{CloseReason, Counter};
use crate::io::sim::draw::Draw;

/// Seeds that failed once, each with the fault that it found. Every test run plays them.
const KEPT: &str = include_str!("seeds.txt");

/// Seeds of an ordinary test run.
const SEEDS: u64 = 5000;

/// Inputs as a fuzzer would choose them.
const INPUTS: u64 = 500;

fn play(seeds: impl IntoIterator<Item = u64>) -> Vec<Outcome> {
    let wrong = |seed, wrong| panic!("seed {seed}: {wrong}; replay it: just sim-replay {seed}");
    seeds.into_iter().map(|seed| check(seed).unwrap_or_else(|text| wrong(seed, text))).collect()
}

#[test]
fn seeds() {
    let outcomes = play(0..SEEDS);
    // Each thing that can happen to a connection and to a line has happened in some run.
    let total = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    let happened = [
        ("left", total(|outcome| outcome.statistics.counters.closes(CloseReason::Left))),
        ("broken", total(|outcome| outcome.statistics.counters.closes(CloseReason::Broken))),
        ("slow", total(|outcome| outcome.statistics.counters.closes(CloseReason::Slow))),
        ("stalled", total(|outcome| outcome.statistics.counters.closes(CloseReason::Stalled))),
        ("line timeout", total(|outcome| outcome.statistics.counters.closes(CloseReason::LineTimeout))),
        ("foreign", total(|outcome| outcome.statistics.counters.closes(CloseReason::Foreign))),
        ("server full", total(|outcome| outcome.statistics.counters[Counter::ServerFull])),
        ("turned away", total(|outcome| outcome.statistics.counters[Counter::TurnedAway])),
        ("stale", total(|outcome| outcome.statistics.counters[Counter::Stale])),
        ("skipped", total(|outcome| outcome.statistics.skipped)),
        ("waited for log space", total(|outcome| outcome.holds.log_space)),
        ("waited for its own reading", total(|outcome| outcome.holds.reading)),
        ("waited for its rate", total(|outcome| outcome.holds.rate)),
        ("waited for the ration", total(|outcome| outcome.holds.ration)),
        ("logged", total(|outcome| outcome.log.lines)),
        ("not logged", total(|outcome| outcome.log.gaps)),
        ("transcript paused", total(|outcome| outcome.log.transcript_paused)),
        ("transcript resumed", total(|outcome| outcome.log.transcript_resumed)),
    ];
    println!("{happened:?}");
    assert!(happened.iter().all(|(_, count)| *count > 0), "something never happens: {happened:?}");
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

/// Bytes instead of a seed, as a fuzzer chooses them: of any length, and with long stretches of one value.
#[test]
fn bytes_choose_a_run() {
    for seed in 0..INPUTS {
        let mut draw = Draw::seeded(seed);
        let mut bytes = Vec::new();
        for _ in 0..draw.below(40) {
            let (value, any) = (draw.below(256) as u8, draw.chance(200));
            bytes.extend((0..draw.below(30)).map(|_| if any { draw.below(256) as u8 } else { value }));
        }
        fuzz(&bytes);
    }
}

/// Inputs of the whole server that fuzzing found worth keeping.
#[test]
fn the_corpus_of_the_fuzzer_passes() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/server");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the target has a corpus") {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        fuzz(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 10, "{count} inputs");
}

#[test]
fn a_room_of_twenty_thousand() {
    let figures = large_room::play(20_000, 50);
    println!("{figures:?}");
}
