//! The tables of a comparison with peers, for the terminal and for `table.md`.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use crate::peers::{Ceiling, Comparison};
use crate::report::summary::Summary;
use crate::report::table::{
    align_right, bytes, count, latency, marked, number, problem_counts, range, rate, runs_cell,
};
use crate::sweep::Rung;

/// For the terminal.
pub fn text(comparison: &Comparison) -> String {
    tables(comparison)
        .into_iter()
        .map(|(heading, mut table)| {
            table.load_style(presets::NOTHING);
            format!("{heading}\n{}\n\n", table.trim_fmt())
        })
        .collect()
}

/// `table.md`.
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = String::new();
    for (heading, mut table) in tables(comparison) {
        table.load_style(presets::ASCII_MARKDOWN);
        let _ = write!(text, "{heading}:\n\n{}\n\n", table.trim_fmt());
    }
    text.push_str(
        "Medians of the runs, in brackets their range. `-`: not measured, or too few samples to speak of it.\n\n",
    );
    for (server, version) in &comparison.versions {
        let _ = writeln!(text, "- {server}: {version}");
    }
    text
}

fn tables(comparison: &Comparison) -> Vec<(&'static str, Table)> {
    let mut tables = Vec::new();
    if !comparison.offered.is_empty() {
        tables.push(("The same deliveries a second to all", offered(&comparison.offered)));
    }
    if !comparison.idle.is_empty() {
        tables.push(("One line now and then into a quiet room", idle(&comparison.idle)));
    }
    if !comparison.busy.is_empty() {
        tables.push(("4,000 lines a second into a room of 1,000", busy(&comparison.busy)));
    }
    if !comparison.ceilings.is_empty() {
        tables.push((
            "What each keeps up with: all delivered, 99 % in less than a second",
            ceilings(&comparison.ceilings),
        ));
    }
    tables
}

type Show = fn(&[Summary]) -> String;

const ROOM: Show = |runs| latency(runs, |run| (&run.latency.room, run.latency.room.p50_ns));
const ROOM_RANGE: Show = |runs| range(runs.iter().map(|run| run.latency.room.p50_ns));
const DELIVERY: Show = |runs| latency(runs, |run| (&run.latency.delivery, run.latency.delivery.p50_ns));
const DELIVERY_RANGE: Show = |runs| range(runs.iter().map(|run| run.latency.delivery.p50_ns));
const DELIVERY_99: Show = |runs| latency(runs, |run| (&run.latency.delivery, run.latency.delivery.p99_ns));
const PER_CPU: Show = |runs| number(runs, |run| run.server.as_ref()?.deliveries_per_cpu_s, rate);
const MEMORY: Show = |runs| number(runs, |run| Some(run.server.as_ref()?.memory_per_member_bytes), bytes);

fn offered(rungs: &[Rung]) -> Table {
    rows(
        rungs,
        &[
            ("room p50", ROOM),
            ("runs", ROOM_RANGE),
            ("delivery p50", DELIVERY),
            ("delivery p99", DELIVERY_99),
            ("deliveries per CPU second", PER_CPU),
            ("memory a member", MEMORY),
            ("lost, dup., order", problem_counts),
        ],
    )
}

fn idle(rungs: &[Rung]) -> Table {
    rows(rungs, &[("room p50", ROOM), ("runs", ROOM_RANGE), ("delivery p50", DELIVERY)])
}

fn busy(rungs: &[Rung]) -> Table {
    rows(
        rungs,
        &[
            ("deliveries/s", |runs| number(runs, |run| Some(run.sent.deliveries_per_s), rate)),
            ("delivery p50", DELIVERY),
            ("runs", DELIVERY_RANGE),
            ("delivery p99", DELIVERY_99),
            ("deliveries per CPU second", PER_CPU),
            ("lost, dup., order", problem_counts),
        ],
    )
}

fn rows(rungs: &[Rung], columns: &[(&str, Show)]) -> Table {
    let mut table = Table::new();
    table.set_header(
        ["members", "server"].into_iter().chain(columns.iter().map(|(name, _)| *name)).chain(["good runs"]),
    );
    for rung in rungs {
        let mut row = vec![count(rung.members), rung.server.clone()];
        row.extend(columns.iter().map(|(_, show)| match rung.runs.is_empty() {
            true => "-".to_string(),
            false => marked(&rung.runs, show(&rung.runs)),
        }));
        row.push(runs_cell(rung));
        table.add_row(row);
    }
    align(table)
}

fn ceilings(ceilings: &[Ceiling]) -> Table {
    let mut table = Table::new();
    table.set_header([
        "members",
        "server",
        "lines/s",
        "deliveries/s",
        "delivery p50",
        "delivery p99",
        "CPU",
        "what ended it",
    ]);
    for ceiling in ceilings {
        let runs = ceiling.run.as_slice();
        let show = |of: Show| if runs.is_empty() { "-".to_string() } else { of(runs) };
        table.add_row(vec![
            count(ceiling.members),
            ceiling.server.clone(),
            show(|runs| number(runs, |run| Some(run.sent.rate_per_s), rate)),
            show(|runs| number(runs, |run| Some(run.sent.deliveries_per_s), rate)),
            show(DELIVERY),
            show(DELIVERY_99),
            show(|runs| {
                number(runs, |run| Some(run.server.as_ref()?.cpu_share), |share| format!("{:.0} %", share * 100.0))
            }),
            ceiling.end.clone(),
        ]);
    }
    align(table)
}

/// Numbers to the right; names and the reasons at the end to the left.
fn align(mut table: Table) -> Table {
    align_right(&mut table);
    let last = table.column_count() - 1;
    for column in [1, last] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_not_measured_is_a_row_with_its_reason() {
        let comparison = Comparison {
            offered: vec![Rung::not_run("redis", 1000, "not installed".to_string())],
            ceilings: vec![Ceiling {
                server: "nats".to_string(),
                members: 100,
                run: None,
                end: "it ended".to_string(),
            }],
            ..Comparison::default()
        };
        let text = markdown(&comparison);
        assert!(text.contains("not run: not installed") && text.contains("it ended"), "{text}");
        assert!(!text.contains("quiet room"), "{text}");
    }
}
