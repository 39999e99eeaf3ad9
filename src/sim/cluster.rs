//! Several nodes in one run, on one clock, that share a simulated engine.
//!
//! [`run`] plays one seed. Peers at every node talk while nodes are cut off, killed and started, and while the engine
//! delays, loses and repeats what it can. Then the faults end, and everything has to become quiet and complete. What
//! each peer was sent is compared with the one order, which is that of the stream.

#[cfg(test)]
mod counts;
mod heard;
mod incidents;
mod nodes;
mod order;
#[cfg(test)]
mod people;
mod talkers;
#[cfg(test)]
mod tests;
mod verdict;

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use crate::cli::Serve;
use crate::io::sim::draw::Draw;
use crate::io::sim::faults::Faults as KernelFaults;
use crate::limits::log_bytes_min;
use crate::sim::run::caught;
use crate::sim::stream::{Counts, Faults, MILLISECOND, Settings, Stream};
use incidents::Incident;
use nodes::{Nodes, Setting};
use talkers::{Habits, Talkers};
use verdict::Figures;

/// Whether members are told the number of members at all nodes.
const COUNTS_ALL: bool = true;

/// How long everything has, once there are no faults, to become quiet: longer than all pauses and time-outs.
const QUIET: u64 = 60_000 * MILLISECOND;

/// The outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A hash of everything that happened.
    pub hash: u64,
    pub events: u64,
    pub turns: u64,
    pub nodes: u64,
    pub stream: Counts,
    pub figures: Figures,
}

/// Plays the run of a seed. Panics when anything is not as it must be.
pub fn run(seed: u64) -> Outcome {
    play(seed, false, &mut Vec::new())
}

/// Plays the run of a seed. `Err` says what was wrong.
pub fn check(seed: u64) -> Result<Outcome, String> {
    caught(|| run(seed))
}

/// Plays the run of a seed and tells what happened, also when it ends in a panic, which goes on.
pub fn replay(seed: u64, mut tell: impl FnMut(&str)) -> Outcome {
    let mut told = Vec::new();
    let played = catch_unwind(AssertUnwindSafe(|| play(seed, true, &mut told)));
    told.iter().for_each(|line| tell(line));
    played.unwrap_or_else(|panic| resume_unwind(panic))
}

fn setting(draw: &mut Draw, readable: bool) -> Setting {
    let line_bytes = 64;
    let segments = draw.pick(&[64, 64, 1]);
    let log_bytes = log_bytes_min(line_bytes) * segments;
    let (line_bytes, log_bytes) = (line_bytes.to_string(), log_bytes.to_string());
    let announce_max = draw.pick(&["200", "0", "3"]);
    let options = ["--flood-rate", "0", "--join-rate", "0", "--line-bytes", &line_bytes, "--log-bytes", &log_bytes];
    let few_rooms = draw.chance(40);
    let rooms_max = if few_rooms { "2" } else { "1000" };
    let serve = Serve::with(&[&options[..], &["--announce-max", announce_max, "--rooms-max", rooms_max]].concat())
        .expect("options are known");
    let mut faults = KernelFaults::draw(draw);
    let few = KernelFaults::default();
    faults = KernelFaults {
        short_send: faults.short_send,
        full_send: faults.full_send,
        small_chunk: faults.small_chunk,
        stale: faults.stale,
        false_writable: faults.false_writable,
        reorder: faults.reorder,
        latency: faults.latency.min(50 * MILLISECOND),
        slow_reads: faults.slow_reads,
        ..few
    };
    if draw.chance(100) {
        faults = few;
    }
    let mut habits = Habits::draw(draw);
    if segments == 1 {
        // Where the log forgets, a gap in the past cannot be told from one in what is live.
        habits.asks = 0;
    }
    let grace = Duration::from_millis(draw.pick(&[10_000, 2000, 100]));
    Setting { config: serve.config(100), habits, faults, grace, keeps_everything: segments > 1, few_rooms, readable }
}

fn play(seed: u64, readable: bool, told: &mut Vec<String>) -> Outcome {
    let mut draw = Draw::seeded(seed);
    let setting = setting(&mut draw, readable);
    let count = draw.pick(&[2, 2, 3, 5]);
    let span = draw.pick(&[3000, 1000, 20_000]) * MILLISECOND;
    let incidents = incidents::draw(&mut draw, count, span);
    let settings = Settings {
        duplicate_window: Duration::from_secs(draw.pick(&[120, 120, 30])),
        batches_max: if draw.chance(32) { 10 + draw.below(100) } else { u64::MAX },
        orders_max: draw.pick(&[64, 64, 3]),
    };
    let mut faults = Faults::draw(&mut draw);
    if draw.chance(64) {
        faults = Faults::default();
    }
    if setting.few_rooms {
        // A node that has freed a room does not know its batches again.
        (faults.twice, faults.late_order) = (0, 0);
    }
    let stream = Rc::new(RefCell::new(Stream::new(draw.apart(), settings)));
    stream.borrow_mut().faults = faults;
    if readable {
        told.push(format!("{count} nodes, {setting:?}, {settings:?}, {faults:?}, {incidents:?}"));
    }
    let mut nodes = Nodes::new(draw, stream, setting);
    let played = catch_unwind(AssertUnwindSafe(|| play_nodes(&mut nodes, count, span, incidents)));
    if readable {
        told.extend(nodes.lines());
        told.extend(nodes.transcripts());
    }
    let figures = played.unwrap_or_else(|panic| resume_unwind(panic));
    nodes.expect_quiet_logs();
    let mut hasher = DefaultHasher::new();
    let mut events = 0;
    for node in &nodes.nodes {
        let kernel = node.kernel.borrow();
        kernel.trace.hash().hash(&mut hasher);
        events += kernel.trace.events();
    }
    let stream = nodes.stream.borrow().counts;
    (stream, figures).hash(&mut hasher);
    let (turns, nodes) = (nodes.turns() as u64, nodes.nodes.len() as u64);
    Outcome { hash: hasher.finish(), events, turns, nodes, stream, figures }
}

fn play_nodes(nodes: &mut Nodes, count: usize, span: u64, incidents: Vec<(u64, Incident)>) -> Figures {
    (0..count).for_each(|_| nodes.start());
    let mut incidents = incidents.into_iter().peekable();
    while let Some((at, incident)) = incidents.next_if(|(at, _)| *at < span) {
        nodes.play_until(at);
        nodes.happen(incident);
    }
    nodes.play_until(span);
    // What lasts longer ends at its time, and meanwhile nobody talks.
    nodes.with_talkers(Talkers::settle);
    for (at, incident) in incidents {
        nodes.play_until(at);
        nodes.happen(incident);
    }
    nodes.stream.borrow_mut().faults = Faults::default();
    nodes.set_faults(KernelFaults::default());
    nodes.with_talkers(Talkers::settle);
    nodes.play_until(nodes.now() + QUIET);
    nodes.with_talkers(Talkers::latecomer);
    nodes.play_until(nodes.now() + QUIET / 6);
    let figures = verdict::compare(nodes);
    nodes.stop();
    figures
}
