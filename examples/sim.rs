//! Plays seeds on the simulated kernel: many of them, one readably, or as many as a time allows.
//!
//! A seed that fails prints itself and the command that replays it, and the exit code is 1.

use std::panic;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use uproar::io::allocator;
use uproar::sim::large_room::{self, Figures};
use uproar::sim::run::{check, check_commands, replay, replay_commands};
use uproar::sim::{cluster, comeback};

/// Plays seeds on the simulated kernel.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play N seeds
    Run {
        /// How many
        seeds: u64,
        /// The first of them
        #[arg(long, default_value_t = 0)]
        first: u64,
        /// Threads, each with runs of its own
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// Start no more after this time
        #[arg(long)]
        time: Option<humantime::Duration>,
        /// Only runs with commands, one for each seed
        #[arg(long)]
        commands: bool,
        /// Runs of several nodes
        #[arg(long, conflicts_with = "commands")]
        cluster: bool,
    },
    /// Play one seed and print what happens
    Replay {
        seed: u64,
        /// Only the run with commands
        #[arg(long)]
        commands: bool,
        /// The run of several nodes
        #[arg(long, conflicts_with = "commands")]
        cluster: bool,
    },
    /// Have all members of a room lose their connections again and again, and come back
    Comeback {
        members: u32,
        rounds: u64,
        /// The first seed; each round has faults of its own
        #[arg(long, default_value_t = 0)]
        first: u64,
    },
    /// Fill a room with members, have messages said, and print what it took
    Room {
        members: u32,
        messages: u32,
        /// Tables that the members' sockets are in
        #[arg(long, default_value_t = 1)]
        tables: u16,
    },
}

/// Pause between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run { seeds, first, threads, time, commands, cluster } => {
            let end = time.map(|time| Instant::now() + *time);
            let (play, option): (Play, _) = match (commands, cluster) {
                (true, _) => (play_commands, " --commands"),
                (_, true) => (play_cluster, " --cluster"),
                _ => (play, ""),
            };
            run(first, seeds, threads, end, play, option)
        }
        Command::Replay { seed, cluster: true, .. } => {
            let outcome = cluster::replay(seed, |line| println!("{line}"));
            println!("{outcome:?}");
            ExitCode::SUCCESS
        }
        Command::Replay { seed, commands: true, .. } => {
            let outcome = replay_commands(seed, |line| println!("{line}"));
            println!("{outcome:?}");
            ExitCode::SUCCESS
        }
        Command::Replay { seed, .. } => {
            let outcome = replay(seed, |line| println!("{line}"));
            println!("{outcome:?}");
            ExitCode::SUCCESS
        }
        Command::Comeback { members, rounds, first } => {
            let start = Instant::now();
            (first..first + rounds).for_each(|seed| comeback::play(seed, members, 1));
            println!(
                "{members} members came back in {rounds} rounds, and nothing was lost or repeated: {:.1} s",
                start.elapsed().as_secs_f64()
            );
            ExitCode::SUCCESS
        }
        Command::Room { members, messages, tables } => {
            allocator::set_up();
            let start = Instant::now();
            let figures = large_room::play(members, messages, tables);
            let Figures { members, messages, deliveries, turns, footprint, footprint_per_member, bound, .. } = figures;
            println!("{members} members heard {messages} messages: {deliveries} deliveries, {turns} turns");
            println!("memory {footprint} bytes, {footprint_per_member} for each member; {bound}");
            let [joining, speaking, leaving] = figures.turn_max;
            println!(
                "longest turn {joining:.1?} while they joined, {speaking:.1?} in the room, {leaving:.1?} while all left"
            );
            println!("memory {} bytes without the log once all had left", figures.footprint_left);
            println!("{:.1} s", start.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
    }
}

/// The events, messages and deliveries of a seed.
type Counts = [u64; 3];

/// Plays a seed.
type Play = fn(u64) -> Result<Counts, String>;

fn play(seed: u64) -> Result<Counts, String> {
    let outcome = check(seed)?;
    Ok([outcome.events, outcome.statistics.messages, outcome.statistics.deliveries])
}

fn play_commands(seed: u64) -> Result<Counts, String> {
    let outcome = check_commands(seed)?;
    Ok([outcome.events, outcome.messages, outcome.lines])
}

fn play_cluster(seed: u64) -> Result<Counts, String> {
    let outcome = cluster::check(seed)?;
    Ok([outcome.events, outcome.figures.messages, outcome.figures.deliveries])
}

fn run(first: u64, seeds: u64, threads: usize, end: Option<Instant>, play: Play, option: &str) -> ExitCode {
    // Panics are printed with their seeds instead.
    panic::set_hook(Box::new(|_| {}));
    let start = Instant::now();
    let next = AtomicU64::new(first);
    let [played, events, messages, deliveries] = [(); 4].map(|()| AtomicU64::new(0));
    let failed = Mutex::new(Vec::new());
    let progress = Mutex::new(start);
    let told = || {
        let [played, events, messages, deliveries] =
            [&played, &events, &messages, &deliveries].map(|count| count.load(Ordering::Relaxed));
        format!(
            "{played} seeds from {first} on, {events} events, {messages} messages, {deliveries} deliveries in {:.1} s",
            start.elapsed().as_secs_f64()
        )
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while end.is_none_or(|end| Instant::now() < end) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed - first >= seeds {
                        return;
                    }
                    match play(seed) {
                        Ok(counts) => {
                            for (total, count) in [&events, &messages, &deliveries].into_iter().zip(counts) {
                                total.fetch_add(count, Ordering::Relaxed);
                            }
                        }
                        Err(wrong) => {
                            println!("seed {seed} failed: {wrong}\n  just sim-replay {seed}{option}");
                            failed.lock().expect("nobody panics with it").push(seed);
                        }
                    }
                    played.fetch_add(1, Ordering::Relaxed);
                    let mut last = progress.lock().expect("nobody panics with it");
                    if last.elapsed() >= PROGRESS {
                        *last = Instant::now();
                        eprintln!("{}", told());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("nobody panics with it");
    println!("{}: {} failed {failed:?}", told(), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
