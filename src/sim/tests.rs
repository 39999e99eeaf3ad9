//! Seeds played in the ordinary tests.

use std::time::Duration;

use super::large_room;
use super::peers::address;
use super::run::{Outcome, Tables, check, check_in, fuzz, run};
use super::simulation::Simulation;
use crate::cli::Serve;
use crate::connection::Hold;
use crate::counters::{CloseReason, Counter};
use crate::io::Signal;
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::Kernel;
use crate::limits::log_bytes_min;
use crate::message::Announcement;

/// Seeds that failed once, each with the fault that it found. Every test run plays them.
const KEPT: &str = include_str!("seeds.txt");

/// Seeds of an ordinary test run.
const SEEDS: u64 = 5000;

/// Inputs as a fuzzer would choose them.
const INPUTS: u64 = 500;

fn play(seeds: impl IntoIterator<Item = u64>) -> Vec<Outcome> {
    seeds.into_iter().map(|seed| passed(seed, check(seed))).collect()
}

fn passed(seed: u64, outcome: Result<Outcome, String>) -> Outcome {
    outcome.unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}; replay it: just sim-replay {seed}"))
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
        ("several tables", total(|outcome| u64::from(outcome.tables > 1))),
        ("moves failed", total(|outcome| outcome.moves_failed)),
        ("skipped ahead", total(|outcome| outcome.skipping)),
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
    for line in kept {
        let seed = line.split(' ').next().and_then(|seed| seed.parse().ok()).expect("a line begins with its seed");
        passed(seed, check(seed));
        passed(seed, check_in(seed, Tables::One));
    }
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
    let figures = large_room::play(20_000, 50, 1);
    println!("{figures:?}");
}

#[test]
fn a_room_in_fifty_tables() {
    let figures = large_room::play(20_000, 20, 50);
    println!("{figures:?}");
}

#[test]
fn a_room_of_two_hundred_thousand_that_all_leave() {
    let figures = large_room::play(200_000, 2, 10);
    println!("{figures:?}");
}

/// Longest line in the rooms with small logs.
const SMALL_LINE_BYTES: usize = 16;

/// A room with the smallest log, its first member, which will speak, and others that read everything.
fn room_with_small_log(options: &[&str], others: u32) -> (Simulation, u32, Vec<u32>) {
    let (line_bytes, log_bytes) = (SMALL_LINE_BYTES.to_string(), log_bytes_min(SMALL_LINE_BYTES).to_string());
    let small = ["--flood-rate", "0", "--line-bytes", &line_bytes, "--log-bytes", &log_bytes];
    let serve = Serve::with(&[&small, options].concat()).expect("the options are known");
    let mut simulation = Simulation::new(Kernel::new(Draw::seeded(1), false), serve.config(1000));
    let connect = |number| simulation.kernel.borrow_mut().connect(address(number, false), 1 << 16, true);
    let (author, others) = (connect(0), (1..=others).map(connect).collect());
    simulation.rest();
    (simulation, author, others)
}

/// The number of members' lines that a peer was sent since the last call.
fn lines(simulation: &Simulation, peer: u32) -> usize {
    let heard = simulation.kernel.borrow_mut().pair_mut(peer).look();
    heard.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"[")).count()
}

#[test]
fn what_waits_for_space_goes_on_as_soon_as_a_sweep_has_made_some() {
    let (mut simulation, author, others) = room_with_small_log(&[], 2);
    let start = simulation.kernel.borrow().time();
    simulation.kernel.borrow_mut().peer_writes(author, &b"hello\n".repeat(500));
    let mut said = 0;
    while said < 500 {
        simulation.turn();
        said += lines(&simulation, others[0]);
        let time = simulation.kernel.borrow().time() - start;
        assert!(time < Duration::from_millis(500), "{said} lines were said in {time:?}");
    }
}

#[test]
fn a_goodbye_that_waits_for_space_is_said_as_soon_as_a_sweep_has_made_some() {
    // The room needs several batches, so a sweep is going on when the server is told to stop.
    let (mut simulation, author, others) = room_with_small_log(&[], 130);
    simulation.kernel.borrow_mut().peer_writes(author, &b"hello\n".repeat(500));
    while !simulation.server.holds().any(|hold| hold == Hold::LogSpace) {
        simulation.turn();
    }
    let start = simulation.kernel.borrow().time();
    simulation.kernel.borrow_mut().signal_after(0, Signal::Terminate);
    simulation.stop();
    let time = simulation.kernel.borrow().time() - start;
    assert!(time < Duration::from_millis(500), "it took {time:?}");
    for peer in others {
        let heard = simulation.kernel.borrow_mut().pair_mut(peer).look();
        assert!(heard.ends_with(format!("{}\n", Announcement::Stopping).as_bytes()), "each is told goodbye");
    }
}

#[test]
fn a_line_that_cannot_be_seen_has_nobody_miss_a_message() {
    // How many of `said` lines a member misses that reads only after them.
    let missed = |said: usize, unseen: &[u8]| {
        let (mut simulation, author, _) = room_with_small_log(&[], 1);
        let slow = simulation.kernel.borrow_mut().connect(address(2, false), 10, true);
        simulation.kernel.borrow_mut().peer_listens(slow, false);
        simulation.rest();
        for line in std::iter::repeat_n(&b"hello\n"[..], said).chain([unseen]) {
            simulation.kernel.borrow_mut().peer_writes(author, line);
            simulation.rest();
        }
        simulation.kernel.borrow_mut().peer_listens(slow, true);
        simulation.rest();
        said - lines(&simulation, slow)
    };
    // It could take more space than the others.
    let unseen = "\u{200b}".repeat(SMALL_LINE_BYTES / 3) + "\n";
    let of_each = |unseen: &[u8]| (0..30).map(|said| missed(said, unseen)).collect::<Vec<_>>();
    assert_eq!(of_each(unseen.as_bytes()), of_each(b""));
}
