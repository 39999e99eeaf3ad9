//! The table of rooms of growing size, for the terminal and for `table.md`.

use std::fmt::Write;

use crate::figures::{MARK_MEANS, latency, number, problem_counts, range};
use crate::quantities::{bytes, rate, time};
use crate::report::layout;
use crate::report::rung_columns::{Column, tabulate};
use crate::results::rung::Rung;

const COLUMNS: [Column; 11] = [
    ("messages/s", true, |runs| number(runs, |run| Some(run.sent.rate_per_s), rate)),
    ("room p50", true, |runs| latency(runs, |run| (&run.latency.room, run.latency.room.p50_ns))),
    ("runs: min..max", false, |runs| range(runs.iter().map(|run| run.latency.room.p50_ns))),
    ("room p99", true, |runs| latency(runs, |run| (&run.latency.room, run.latency.room.p99_ns))),
    ("room max", true, |runs| latency(runs, |run| (&run.latency.room, run.latency.room.max_ns))),
    ("delivery p50", true, |runs| latency(runs, |run| (&run.latency.delivery, run.latency.delivery.p50_ns))),
    ("delivery p99", false, |runs| latency(runs, |run| (&run.latency.delivery, run.latency.delivery.p99_ns))),
    ("CPU a delivery", true, |runs| number(runs, |run| run.server.as_ref()?.cpu_per_delivery_ns, |ns| time(ns as u64))),
    ("over bare send", true, |runs| {
        number(runs, |run| run.floor.as_ref()?.ratio_to_send, |ratio| format!("{ratio:.2}"))
    }),
    ("memory a member", false, |runs| number(runs, |run| Some(run.server.as_ref()?.memory_per_member_bytes), bytes)),
    ("lost, dup., order", true, problem_counts),
];

/// For the terminal: the columns that fit there.
pub fn text(rungs: &[Rung]) -> String {
    let mut table = tabulate(&COLUMNS, rungs, |(_, on_terminal, _)| *on_terminal);
    format!("{}\n", layout::plain(&mut table))
}

/// `table.md`: all columns, what their words mean, and where it was measured.
pub fn markdown(rungs: &[Rung], environment: &str) -> String {
    let mut table = tabulate(&COLUMNS, rungs, |_| true);
    let mut text = format!("{}\n", layout::markdown(&mut table));
    let _ = write!(
        text,
        "\nMedians of the runs, never pooled; the range is of the runs' medians. Room: from the due time of a message until \
         the whole room has it, one sample a message. Delivery: the same until each member has it. `-`: too few samples \
         to speak of that quantile, or not measured. {MARK_MEANS} Client and server on one machine, over \
         loopback: {environment}.\n",
    );
    text
}
