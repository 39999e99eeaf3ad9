//! The tables of a comparison with peers, for the terminal and for `table.md`.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table};

use crate::figures::{MARK_MEANS, latency, marked, number, problem_counts, range, runs_cell};
use crate::quantities::{bytes, count, rate, time};
use crate::report::layout::{self, align_right};
use crate::results::comparison::{Ceiling, Comparison};
use crate::results::rung::Rung;
use crate::results::summary::Summary;

/// For the terminal.
pub fn text(comparison: &Comparison) -> String {
    tables(comparison)
        .into_iter()
        .map(|(heading, mut table)| format!("{heading}\n{}\n\n", layout::plain(&mut table)))
        .collect()
}

/// `table.md`.
pub fn markdown(comparison: &Comparison, environment: &str) -> String {
    let mut text = String::new();
    for (heading, mut table) in tables(comparison) {
        let _ = write!(text, "{heading}:\n\n{}\n\n", layout::markdown(&mut table));
    }
    let _ = writeln!(
        text,
        "Medians of the runs, and the range of the runs' medians. `-`: not measured, or too few samples to speak of it. {MARK_MEANS} \
         A server that cannot take what is offered has such runs; what it does keep up with is in the last table.\n\n\
         Keeps up: every line delivered to every member, and 99 % of the deliveries in less than the limit, in each of the runs; \
         the rate is searched for in steps of 15 %, rounded down to two digits, and lowered until all runs hold.\n\n\
         Measured on: {environment}.\n"
    );
    versions(&mut text, comparison);
    text.push_str(OBJECTIONS);
    text
}

/// What each server says it is, and how it was started: the newest run knows the command.
fn versions(text: &mut String, comparison: &Comparison) {
    text.push_str("Versions and settings:\n\n");
    let rungs = [&comparison.offered, &comparison.idle, &comparison.busy].into_iter().flatten();
    let runs: Vec<&Summary> =
        rungs.flat_map(|rung| &rung.runs).chain(comparison.ceilings.iter().flat_map(|ceiling| &ceiling.runs)).collect();
    for (server, version) in &comparison.versions {
        let run = runs.iter().find(|run| run.server_name == *server);
        let command =
            run.and_then(|run| run.server_command.as_ref()).map_or(String::new(), |command| format!("; `{command}`"));
        let wire = run.map_or(String::new(), |run| format!("; {} bytes a delivery", run.room.wire_line_bytes));
        let _ = writeln!(text, "- {server}: {version}{command}{wire}");
    }
}

/// What stands under the tables: objections of people who know the other servers.
const OBJECTIONS: &str = "
What a friend of the others would object to:

- One core for a server that can use more. NATS spreads connections over all cores, redis and valkey have `io-threads`; here every
  server is kept to one core and the load generator to another, as a room of uproar uses no more than one. The rows `...-as-shipped`
  ran with the settings they come with and on any core; on a machine of two cores one of those is busy with the load generator.
- The limit of 100 ms is ours. With a longer one a server that queues is given a higher rate, and everybody hears it later.
- Loopback has no wire: the sender's core does the receiver's TCP work too, which weighs most on who sends most often.
- One client reads everything, on one core. Where it is the limit, the last column says client-bound, and the server can do more.
- The others do more. Redis and valkey are databases with many channels, patterns, persistence, replication and access lists; NATS has
  subjects with wildcards, queue groups, request and reply, accounts, TLS and clusters; mosquitto has topics, three qualities
  of service, retained messages, wills, TLS and access lists. uproar has one room, lines, and no encryption; it names the author
  of each line, keeps one order for all, and tells a slow member how many messages it missed.
- None of them was made for one channel of thousands. Many small channels are another test: `just bench-rooms`.
- A queue for each member costs memory and keeps what a slow reader has not read; uproar keeps one log for all, and who falls behind it
  misses messages. In runs that count, nobody missed any.
- Versions are those that the package registries had: see above. `original` is the `select()` server in Python that uproar descends
  from, written anew.
";

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
        tables.push(("What each keeps up with", ceilings(&comparison.ceilings)));
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
        "runs",
        "delivery p50",
        "delivery p99",
        "limit",
        "CPU",
        "what ended it",
    ]);
    for ceiling in ceilings {
        let runs = ceiling.runs.as_slice();
        let show = |of: Show| if runs.is_empty() { "-".to_string() } else { of(runs) };
        table.add_row(vec![
            count(ceiling.members),
            ceiling.server.clone(),
            show(|runs| number(runs, |run| Some(run.plan.rate_per_s), rate)),
            show(|runs| number(runs, |run| Some(run.sent.deliveries_per_s), rate)),
            show(|runs| {
                let values = || runs.iter().map(|run| run.sent.deliveries_per_s);
                let (least, largest) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
                format!("{}..{}", rate(least), rate(largest))
            }),
            show(DELIVERY),
            show(DELIVERY_99),
            time(ceiling.limit_ns),
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
pub mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::headline;
    use crate::results::comparison::{AS_SHIPPED, BUSY_MEMBERS};
    use crate::results::summary::Quantiles;

    /// uproar beside others, of which one does not keep up.
    pub fn comparison() -> Comparison {
        let rung = |server: &str, ns: u64, is_good: bool| {
            let mut rung = Rung::not_run(server, BUSY_MEMBERS as u64, String::new());
            let mut run =
                Summary { valid: is_good, clean: is_good, server_name: server.to_string(), ..Summary::default() };
            run.latency.delivery = Quantiles { samples: 9000, p50_ns: Some(ns), ..Quantiles::default() };
            run.server_command = Some(format!("{server} --port 1"));
            (rung.runs, rung.not_run) = (vec![run; 3], None);
            rung
        };
        let kept_up = headline::tests::found();
        let shipped = Ceiling { server: format!("nats{AS_SHIPPED}"), ..kept_up.clone() };
        let not_kept_up = Ceiling { server: "mosquitto".to_string(), runs: Vec::new(), ..kept_up.clone() };
        let versions = [("uproar", "uproar 0.1.0"), ("nats-as-shipped", "nats-server: v2.15.1")];
        Comparison {
            busy: vec![rung("uproar", 3_150_000, true), rung("mosquitto", 11_500_000_000, false)],
            ceilings: vec![not_kept_up, shipped, kept_up],
            versions: versions.map(|(name, said)| (name.to_string(), said.to_string())).into_iter().collect(),
            ..Comparison::default()
        }
    }

    #[test]
    fn versions_settings_and_objections_stand_under_the_tables() {
        let text = markdown(&comparison(), "AMD EPYC");
        for words in [
            "- uproar: uproar 0.1.0; `uproar --port 1`",
            "nats-server: v2.15.1",
            "One core for a server",
            "AMD EPYC",
            "11.5 s !",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(text.contains("INVALID: 0 of 3 good"), "{text}");
    }

    #[test]
    fn a_server_that_was_not_measured_is_a_row_with_its_reason() {
        let comparison = Comparison {
            offered: vec![Rung::not_run("redis", 1000, "not installed".to_string())],
            ceilings: vec![Ceiling {
                server: "nats".to_string(),
                members: 100,
                end: "it ended".to_string(),
                ..Ceiling::default()
            }],
            versions: BTreeMap::new(),
            ..Comparison::default()
        };
        let text = markdown(&comparison, "");
        assert!(text.contains("not run: not installed") && text.contains("it ended"), "{text}");
        assert!(!text.contains("quiet room"), "{text}");
    }
}
