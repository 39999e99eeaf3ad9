//! Seeds played in the ordinary tests.

use std::time::Duration;

use super::comeback;
use super::commands;
use super::large_room;
use super::peers::address;
use super::run::{Outcome, Tables, check, check_commands, check_in, fuzz, run};
use super::service::Told;
use super::simulation::Simulation;
use crate::cli::Serve;
use crate::config::Config;
use crate::connection::Hold;
use crate::counters::{CloseReason, Counter};
use crate::io::Signal;
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::Kernel;
use crate::limits::{BUFFER_PATIENCE, log_bytes_min};
use crate::message::Event;

/// Seeds that failed once, each with the fault that it found. Every test run plays them.
const KEPT: &str = include_str!("seeds.txt");

/// Seeds of an ordinary test run, some 30 seconds of two cores. `just nightly` plays others for half an hour.
const SEEDS: u64 = 1200;

/// Runs with commands, beside those that these seeds have.
const COMMAND_SEEDS: u64 = 200;

/// Rounds in which members lose their connections, each with other faults.
const COMEBACK_ROUNDS: u64 = 20;

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
    let watched =
        |count: fn(Told) -> u64| outcomes.iter().filter_map(|outcome| outcome.watched).map(count).sum::<u64>();
    let happened = [
        ("left", total(|outcome| outcome.statistics.counters.closes(CloseReason::Left))),
        ("broken", total(|outcome| outcome.statistics.counters.closes(CloseReason::Broken))),
        ("slow", total(|outcome| outcome.statistics.counters.closes(CloseReason::Slow))),
        ("stalled", total(|outcome| outcome.statistics.counters.closes(CloseReason::Stalled))),
        ("line timeout", total(|outcome| outcome.statistics.counters.closes(CloseReason::LineTimeout))),
        ("foreign", total(|outcome| outcome.statistics.counters.closes(CloseReason::Foreign))),
        ("over its share", total(|outcome| outcome.statistics.counters.closes(CloseReason::Buffer))),
        ("buffer bytes spent", total(|outcome| outcome.statistics.counters[Counter::BufferSpent])),
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
        ("logged as objects", total(|outcome| outcome.log.objects)),
        ("logged without addresses", total(|outcome| outcome.log.without_addresses)),
        ("opened anew", total(|outcome| outcome.log.reopened)),
        ("not logged", total(|outcome| outcome.log.gaps)),
        ("transcript paused", total(|outcome| outcome.log.transcript_paused)),
        ("transcript resumed", total(|outcome| outcome.log.transcript_resumed)),
        ("told that it turns", watched(|told| told.beats)),
        ("told of reloads", watched(|told| told.reloads)),
        ("told of the stop", watched(|told| told.stops)),
        ("not taken", watched(|told| told.refused)),
    ];
    println!("{happened:?}");
    assert!(happened.iter().all(|(_, count)| *count > 0), "something never happens: {happened:?}");
}

/// Each thing that commands do has happened in some run.
#[test]
fn commands_of_seeds() {
    let outcomes: Vec<commands::Outcome> = (0..COMMAND_SEEDS)
        .map(|seed| {
            let replay = || format!("replay it: just sim-replay '{seed} --commands'");
            check_commands(seed).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}; {}", replay()))
        })
        .collect();
    let total = |count: fn(&commands::Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    let happened = [
        ("rooms", total(|outcome| outcome.rooms.saturating_sub(1))),
        ("lines", total(|outcome| outcome.lines)),
        ("JSON", total(|outcome| outcome.json_lines)),
        ("of the past", total(|outcome| outcome.past_lines)),
        ("missed", total(|outcome| outcome.missed)),
        ("renamed", total(|outcome| outcome.renamed)),
        ("private", total(|outcome| outcome.private)),
        ("came back", total(|outcome| outcome.resumed)),
        ("could not come back", total(|outcome| outcome.refused)),
        ("to a room made anew", total(|outcome| outcome.anew)),
        ("replaced", total(|outcome| outcome.replaced)),
    ];
    println!("{happened:?}");
    assert!(happened.iter().all(|(_, count)| *count > 0), "something never happens: {happened:?}");
    let torn = total(|outcome| outcome.torn);
    assert!(torn * 20 < total(|outcome| outcome.rooms), "the lines of {torn} rooms are not known");
}

#[test]
fn members_that_lose_their_connections_in_the_middle_of_talk_come_back_without_a_gap() {
    for seed in 0..COMEBACK_ROUNDS {
        comeback::play(seed, 50, 1);
    }
    comeback::play(COMEBACK_ROUNDS, 50, 3);
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
        assert!(heard.ends_with(format!("{}\n", Event::Stopping).as_bytes()), "each is told goodbye");
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

/// What a peer was sent since the last call.
fn heard(simulation: &Simulation, peer: u32) -> String {
    String::from_utf8(simulation.kernel.borrow_mut().pair_mut(peer).look()).expect("it is text")
}

#[test]
fn a_member_that_goes_to_another_room_while_its_retry_is_over_is_sent_what_waits_for_it() {
    let serve = Serve::with(&[]).expect("the options are known");
    let mut simulation = Simulation::new(Kernel::new(Draw::seeded(1), false), serve.config(100));
    // So many that a batch does not take all that are tried again at the same time.
    let connect = |number| simulation.kernel.borrow_mut().connect(address(number, false), 1 << 16, true);
    let peers: Vec<u32> = (0..60).map(connect).collect();
    simulation.rest();
    simulation.kernel.borrow_mut().faults.send_memory = 255;
    for turn in 0..300 {
        let room = if turn % 2 == 0 { "den" } else { "lobby" };
        let writes = peers.iter().filter(|peer| (**peer as usize + turn).is_multiple_of(15));
        for peer in writes {
            simulation.kernel.borrow_mut().peer_writes(*peer, format!("/join {room}\n").as_bytes());
        }
        simulation.turn();
    }
    simulation.kernel.borrow_mut().faults.send_memory = 0;
    simulation.settle();
    assert!(peers.iter().all(|peer| heard(&simulation, *peer).ends_with(" users online)\n")));
}

/// A server whose members share `buffer_bytes`, and its first two members.
fn room_with_small_budget(buffer_bytes: usize, options: &[&str]) -> (Simulation, u32, u32) {
    let serve = Serve::with(&[&["--announce-max", "0"], options].concat()).expect("the options are known");
    let config = Config { buffer_bytes, ..serve.config(100) };
    let mut simulation = Simulation::new(Kernel::new(Draw::seeded(1), false), config);
    let [author, listener] =
        [0, 1].map(|number| simulation.kernel.borrow_mut().connect(address(number, false), 1 << 16, true));
    simulation.rest();
    (simulation, author, listener)
}

/// A peer writes, and the server turns until it has taken the bytes or does not receive.
fn takes(simulation: &mut Simulation, peer: u32, bytes: &[u8]) {
    simulation.kernel.borrow_mut().peer_writes(peer, bytes);
    simulation.kernel.borrow_mut().time_stands = true;
    while simulation.server.is_receiving() && (simulation.kernel.borrow().has_events() || simulation.server.has_due()) {
        simulation.turn();
    }
    simulation.kernel.borrow_mut().time_stands = false;
}

/// Turns until `peer` has heard a member's line, which must not take longer than `most`.
fn hears_within(simulation: &mut Simulation, peer: u32, most: Duration) {
    let start = simulation.kernel.borrow().time();
    while lines(simulation, peer) == 0 {
        simulation.turn();
        let time = simulation.kernel.borrow().time() - start;
        assert!(time <= most, "nothing was said in {time:?}");
    }
}

#[test]
fn where_members_have_all_memory_those_over_their_share_are_closed_and_nobody_else() {
    let (mut simulation, author, listener) = room_with_small_budget(10_000, &["--line-timeout", "0s"]);
    takes(&mut simulation, author, b"I am ");
    let hoarders: Vec<u32> =
        (2..32).map(|number| simulation.kernel.borrow_mut().connect(address(number, false), 1 << 16, true)).collect();
    simulation.rest();
    for (number, hoarder) in hoarders.iter().enumerate() {
        if number == 15 {
            // Several have made no progress for long when memory is spent.
            let later = simulation.kernel.borrow().time() + 2 * BUFFER_PATIENCE;
            simulation.kernel.borrow_mut().signal_after(2 * BUFFER_PATIENCE.as_nanos() as u64, Signal::Statistics);
            while simulation.kernel.borrow().time() < later {
                simulation.turn();
            }
        }
        takes(&mut simulation, *hoarder, &[b'x'; 500]);
    }
    assert!(!simulation.server.is_receiving(), "memory is spent");
    let newcomer = simulation.kernel.borrow_mut().connect(address(99, false), 1 << 16, true);
    simulation.kernel.borrow_mut().peer_writes(author, b"here\n");
    hears_within(&mut simulation, listener, 2 * BUFFER_PATIENCE);
    let closed = simulation.server.closes(CloseReason::Buffer);
    assert!((1..10).contains(&closed), "{closed} were closed, no more than it takes");
    let is_here = |peer: u32| !simulation.kernel.borrow().pairs()[peer as usize].shut;
    assert!(!is_here(hoarders[0]), "the oldest progress goes first");
    assert!(is_here(author) && is_here(hoarders[29]));
    let heard = simulation.kernel.borrow_mut().pair_mut(newcomer).look();
    assert!(heard.starts_with(b"> Connected to the chat server ("), "newcomers are welcomed all the while");
}

#[test]
fn a_begun_line_has_its_time_again_when_it_is_read_again() {
    // The hoarders are closed after two seconds, so the author is not read for longer than its line may wait.
    let (mut simulation, author, listener) = room_with_small_budget(5000, &["--line-timeout", "1500ms"]);
    let hoarders: Vec<u32> =
        (2..20).map(|number| simulation.kernel.borrow_mut().connect(address(number, false), 1 << 16, true)).collect();
    simulation.rest();
    takes(&mut simulation, author, b"I am ");
    for hoarder in &hoarders {
        takes(&mut simulation, *hoarder, &[b'x'; 500]);
    }
    assert!(!simulation.server.is_receiving(), "memory is spent");
    simulation.kernel.borrow_mut().peer_writes(author, b"here\n");
    hears_within(&mut simulation, listener, 2 * BUFFER_PATIENCE);
}

#[test]
fn members_that_talk_and_do_not_read_give_their_memory_back_or_are_closed() {
    let (mut simulation, author, listener) =
        room_with_small_budget(10_000, &["--flood-rate", "0", "--stall-timeout", "0s"]);
    let hoarders: Vec<u32> =
        (2..12).map(|number| simulation.kernel.borrow_mut().connect(address(number, false), 300, true)).collect();
    simulation.rest();
    for hoarder in &hoarders {
        simulation.kernel.borrow_mut().peer_listens(*hoarder, false);
    }
    // They take turns, so that the lines of each are many ranges.
    let mut rounds = 0;
    while simulation.server.is_receiving() {
        for hoarder in &hoarders {
            takes(&mut simulation, *hoarder, b"and another line of mine\n");
        }
        rounds += 1;
        assert!(rounds < 200, "memory is never spent on own ranges");
    }
    simulation.kernel.borrow_mut().pair_mut(listener).look();
    simulation.kernel.borrow_mut().peer_writes(author, b"here\n");
    hears_within(&mut simulation, listener, 3 * BUFFER_PATIENCE);
    assert!(simulation.server.closes(CloseReason::Buffer) > 0);
    assert_eq!(simulation.server.closes(CloseReason::Stalled), 0);
}

#[test]
fn an_author_that_is_behind_gets_no_memory_while_there_is_none() {
    // Nothing is left over once the hoarders have begun their lines.
    let (mut simulation, author, _) = room_with_small_budget(10_000, &["--flood-rate", "50", "--flood-burst", "1"]);
    let behind = simulation.kernel.borrow_mut().connect(address(2, false), 300, true);
    let hoarders: Vec<u32> =
        (3..33).map(|number| simulation.kernel.borrow_mut().connect(address(number, false), 1 << 16, true)).collect();
    simulation.rest();
    simulation.kernel.borrow_mut().peer_listens(behind, false);
    // It has many lines waiting, between which others speak, and reads nothing.
    takes(&mut simulation, behind, &b"mine\n".repeat(60));
    takes(&mut simulation, author, &b"another's\n".repeat(60));
    for hoarder in &hoarders {
        takes(&mut simulation, *hoarder, &[b'x'; 500]);
    }
    assert!(!simulation.server.is_receiving(), "memory is spent");
    let most = simulation.server.buffer_bytes();
    let start = simulation.kernel.borrow().time();
    while !simulation.server.is_receiving() && simulation.kernel.borrow().time() - start < BUFFER_PATIENCE / 2 {
        simulation.turn();
        let bytes = simulation.server.buffer_bytes();
        assert!(bytes <= most, "{bytes} bytes, after {most}");
    }
    assert!(simulation.server.holds().any(|hold| hold == Hold::Reading), "its lines wait");
}
