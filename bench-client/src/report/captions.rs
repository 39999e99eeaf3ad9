//! What stands under a picture: under which load it was measured.

use crate::figures::median;
use crate::quantities::{count, plural, time};
use crate::results::summary::Summary;

/// The load of `runs` in a few words, for under a picture: `64-byte lines over loopback, 3 runs of 7 s`.
pub fn load_of(runs: &[&Summary]) -> String {
    let Some(run) = runs.first() else { return String::new() };
    let of_one =
        runs.iter().filter(|other| other.server_name == run.server_name && other.room.members == run.room.members);
    format!(
        "{}, {} of {}",
        lines_of(runs),
        plural(of_one.count() as u64, "run"),
        time((run.plan.window_s * 1e9) as u64).replace(".00 ", " ").replace(".0 ", " "),
    )
}

/// Which lines `runs` had, and where, in a few words.
pub fn lines_of(runs: &[&Summary]) -> String {
    let Some(run) = runs.first() else { return String::new() };
    let pinned = if run.client.pinned { ", a core each for server and load generator" } else { "" };
    format!("{}-byte lines over loopback{pinned}", run.room.line_bytes)
}

/// The deliveries a second that all rooms of a sweep were offered, in a few words.
pub fn deliveries_of(runs: &[&Summary]) -> String {
    let planned = median(runs.iter().map(|run| run.sent.deliveries_planned_per_s)).unwrap_or(0.0);
    // The author of a message does not hear it, so that small rooms have a little less than was asked for.
    format!("some {} deliveries/s in every room", count((planned / 1000.0).round() as u64 * 1000))
}
