//! Lines of a run's block that say what happens beside the deliveries: how fast members joined, what the kernel and this tool take, how
//! visitors fared, and what the server does when all have left.

use std::fmt::Write;

use crate::figures::{figure, marked, median};
use crate::quantities::{bytes, count, plural, rate, time};
use crate::recorder::proven::Problems;
use crate::results::doors::DoorPart;
use crate::results::summary::{AftermathPart, NuisancesPart, Summary, WatchdogPart};

/// Joins a second of each tenth of the room, the median of the runs.
pub fn tenths(text: &mut String, runs: &[Summary]) {
    let tenths = runs[0].connect.tenths_per_s.len();
    let rates: Option<Vec<f64>> =
        (0..tenths).map(|tenth| figure(runs, |run| run.connect.tenths_per_s.get(tenth).copied())).collect();
    if let Some(rates) = rates.filter(|rates| !rates.is_empty()) {
        let rates: Vec<String> = rates.into_iter().map(rate).collect();
        let _ = writeln!(text, "members/s while each tenth joined: {}", rates.join(", "));
    }
}

/// The proof and the latency by doors, of all runs.
pub fn doors(text: &mut String, runs: &[Summary]) {
    for (number, door) in runs[0].doors.iter().enumerate() {
        let all: Vec<&DoorPart> = runs.iter().filter_map(|run| run.doors.get(number)).collect();
        let mut problems = Problems::default();
        all.iter().for_each(|door| problems.add(&door.problems));
        let total = |of: fn(&DoorPart) -> u64| count(all.iter().map(|door| of(door)).sum());
        let latency = |of: fn(&DoorPart) -> Option<u64>| {
            median(all.iter().filter_map(|door| of(door))).map_or("-".to_string(), time)
        };
        let counts = problems.named().into_iter().take(4).map(|(name, number)| format!("{name} {}", count(number)));
        let _ = writeln!(
            text,
            "  {} {}: {}  told missed {}  order hash equal on {}/{}; delivery {} at p50, {} at p99, {} at most",
            count(door.members),
            entrance(door, &runs[0].doors),
            counts.collect::<Vec<_>>().join("  "),
            total(|door| door.told_missed),
            total(|door| door.order_hashes_equal),
            total(|door| door.members),
            marked(runs, latency(|door| door.delivery_p50_ns)),
            marked(runs, latency(|door| door.delivery_p99_ns)),
            marked(runs, latency(|door| door.delivery_max_ns)),
        );
    }
}

/// How the members of `door` came in, and where, if that tells it from another of `all`.
fn entrance(door: &DoorPart, all: &[DoorPart]) -> String {
    let is_alike = |other: &&DoorPart| other.protocol == door.protocol;
    match &door.address {
        Some(address) if all.iter().filter(is_alike).count() > 1 => format!("at {address}"),
        _ => format!("by {}", door.protocol.name()),
    }
}

/// Memory of the kernel and of this tool, beside the server's.
pub fn memory(text: &mut String, runs: &[Summary]) {
    let Some(kernel) = figure(runs, |run| Some(run.kernel.slab_per_member_bytes)) else { return };
    let tcp = figure(runs, |run| Some(run.kernel.tcp_settled_bytes as f64)).unwrap_or(0.0);
    let in_all = figure(runs, |run| Some(run.client.memory_settled_bytes as f64)).unwrap_or(0.0);
    let processes = figure(runs, |run| Some(run.client.processes as f64)).unwrap_or(1.0) as u64;
    let _ = writeln!(
        text,
        "beside it the kernel {} a member (both ends), TCP {} in all; this tool {} in {}",
        bytes(kernel),
        bytes(tcp),
        bytes(in_all),
        if processes == 1 { "one process".to_string() } else { format!("{processes} processes") },
    );
    if let Some(descriptors) = figure(runs, |run| Some(run.server.as_ref()?.descriptors? as f64)) {
        let _ = writeln!(text, "the server has {} open", plural(descriptors as u64, "descriptor"));
    }
}

/// Whether the server's manager ever waited too long, in all runs.
pub fn watchdog(text: &mut String, runs: &[Summary]) {
    let all: Vec<WatchdogPart> = runs.iter().filter_map(|run| run.watchdog).collect();
    let Some(first) = all.first() else { return };
    let missed: u64 = all.iter().map(|part| part.missed).sum();
    let longest_s = all.iter().map(|part| part.longest_pause_s).fold(0.0, f64::max);
    let _ = writeln!(
        text,
        "watchdog of {}: {} of the loop, {}, longest pause {}",
        time((first.patience_s * 1e9) as u64),
        plural(all.iter().map(|part| part.signs).sum(), "sign"),
        if missed == 0 { "none missed".to_string() } else { format!("{} MISSED", count(missed)) },
        time((longest_s * 1e9) as u64),
    );
}

/// How long visitors waited for their welcome.
pub fn visits(text: &mut String, runs: &[Summary]) {
    let visits: Option<Vec<&NuisancesPart>> = runs.iter().map(|run| run.nuisances.as_ref()).collect();
    let Some(visits) = visits.filter(|visits| visits.iter().any(|part| part.visits_welcome.samples > 0)) else {
        return;
    };
    let welcome = |mark: fn(&NuisancesPart) -> Option<u64>| {
        let of_run = |run: &'_ Summary| run.nuisances.as_ref().and_then(mark);
        marked(runs, median(runs.iter().filter_map(of_run)).map_or("-".to_string(), time))
    };
    let _ = writeln!(
        text,
        "visitors were welcomed after {} at p50, {} at most; {} were told a number of members that cannot be right",
        welcome(|part| part.visits_welcome.p50_ns),
        welcome(|part| part.visits_welcome.max_ns),
        count(visits.iter().map(|part| part.visits_told_wrong).sum()),
    );
}

/// The server after the members left.
pub fn aftermath(text: &mut String, runs: &[Summary]) {
    let aftermath = |of: fn(&AftermathPart) -> Option<f64>| figure(runs, |run| run.aftermath.as_ref().and_then(of));
    let Some(watched_s) = aftermath(|part| Some(part.watched_s)) else { return };
    let after = |seconds: Option<f64>| match seconds {
        Some(seconds) => format!("after {}", time((seconds * 1e9) as u64)),
        None => "not seen".to_string(),
    };
    let memory = |of: fn(&AftermathPart) -> Option<f64>| bytes(aftermath(of).unwrap_or(0.0));
    let share = |of: fn(&AftermathPart) -> Option<f64>| aftermath(of).unwrap_or(0.0) * 100.0;
    let _ = writeln!(
        text,
        "all left, {} watched: server empty {}, memory back {} ({} before, {} full, {} at the end), {} at the end, {:.2} % of a core, \
         the whole machine {:.1} %",
        time((watched_s * 1e9) as u64),
        after(aftermath(|part| part.empty_after_s)),
        after(aftermath(|part| part.memory_back_after_s)),
        memory(|part| Some(part.memory_before_bytes as f64)),
        memory(|part| Some(part.memory_full_bytes as f64)),
        memory(|part| Some(part.memory_end_bytes as f64)),
        plural(aftermath(|part| Some(part.descriptors_end as f64)).unwrap_or(0.0) as u64, "descriptor"),
        share(|part| Some(part.cpu_share)),
        share(|part| Some(part.machine_cpu_share)),
    );
}
