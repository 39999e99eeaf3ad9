//! The tables that a document shows: at most six columns, and rows of at most 120 characters. The full tables are in the
//! results folders.

use comfy_table::{CellAlignment, Table};

use crate::figures::{MARK, MARK_MEANS, latency, marked, number};
use crate::quantities::{bytes, count, plural, rate, time};
use crate::report::layout::{self, align_right};
use crate::results::comparison::{BUSY_MEMBERS, BUSY_RATE_PER_S, Ceiling, Comparison};
use crate::results::rung::Rung;
use crate::results::summary::{Quantiles, Summary};

/// Servers of a sweep that its short table has room for.
const SERVERS_MAX: usize = 3;

/// Rooms against servers: the median room latency of each, and what the first costs.
pub fn rooms(rungs: &[Rung]) -> String {
    let mut servers: Vec<&str> = Vec::new();
    let mut sizes: Vec<u64> = Vec::new();
    for rung in rungs {
        if !servers.contains(&rung.server.as_str()) && servers.len() < SERVERS_MAX {
            servers.push(&rung.server);
        }
        if !sizes.contains(&rung.members) {
            sizes.push(rung.members);
        }
    }
    let Some(first) = servers.first() else { return String::new() };
    let mut table = Table::new();
    let latencies = servers.iter().map(|server| format!("room p50, {server}"));
    let costs = [format!("CPU a delivery, {first}"), format!("memory a member, {first}")];
    table.set_header(["members".to_string()].into_iter().chain(latencies).chain(costs));
    for members in sizes {
        let runs = |server: &str| {
            let rung = rungs.iter().find(|rung| rung.members == members && rung.server == server);
            rung.map_or(&[][..], |rung| &rung.runs)
        };
        let mut row = vec![count(members)];
        row.extend(servers.iter().map(|server| p50(runs(server), |run| &run.latency.room)));
        let cost = |of, show| marked(runs(first), number(runs(first), of, show));
        row.push(cost(|run| run.server.as_ref()?.cpu_per_delivery_ns, |ns| time(ns as u64)));
        row.push(cost(|run| Some(run.server.as_ref()?.memory_per_member_bytes), bytes));
        table.add_row(row);
    }
    align_right(&mut table);
    let repeat = rungs.iter().map(|rung| rung.runs.len()).max().unwrap_or(0);
    let runs: Vec<&Summary> = rungs.iter().flat_map(|rung| &rung.runs).collect();
    finish(table, &format!("Medians of {}; `-`: cannot serve that room.", plural(repeat as u64, "run")), &runs)
}

/// Servers against what they do in the room that is compared most closely.
pub fn peers(comparison: &Comparison) -> String {
    let mut names: Vec<&str> = Vec::new();
    let of_room = |rungs: &'_ [Rung]| -> Vec<String> {
        rungs.iter().filter(|rung| rung.members == BUSY_MEMBERS as u64).map(|rung| rung.server.clone()).collect()
    };
    let ceilings: Vec<&Ceiling> =
        comparison.ceilings.iter().filter(|ceiling| ceiling.members == BUSY_MEMBERS as u64).collect();
    let offered = of_room(&comparison.offered);
    let busy = of_room(&comparison.busy);
    for name in ceilings.iter().map(|ceiling| &ceiling.server).chain(&offered).chain(&busy) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut table = Table::new();
    table.set_header([
        "server".to_string(),
        "lines/s".to_string(),
        "deliveries/s".to_string(),
        format!("p50 at {} lines/s", count(BUSY_RATE_PER_S as u64)),
        "line, quiet room".to_string(),
        "memory a member".to_string(),
    ]);
    let mut shown: Vec<&Summary> = Vec::new();
    for name in names {
        let runs = |rungs: &'_ [Rung]| -> Vec<Summary> {
            let rung = rungs.iter().find(|rung| rung.server == name && rung.members == BUSY_MEMBERS as u64);
            rung.map_or(Vec::new(), |rung| rung.runs.clone())
        };
        let kept_up = ceilings.iter().find(|ceiling| ceiling.server == name).map_or(&[][..], |ceiling| &ceiling.runs);
        let quiet = runs(&comparison.offered);
        table.add_row([
            name.to_string(),
            number(kept_up, |run| Some(run.plan.rate_per_s), rate),
            number(kept_up, |run| Some(run.sent.deliveries_per_s), rate),
            p50(&runs(&comparison.busy), |run| &run.latency.delivery),
            p50(&runs(&comparison.idle), |run| &run.latency.room),
            marked(&quiet, number(&quiet, |run| Some(run.server.as_ref()?.memory_per_member_bytes), bytes)),
        ]);
        let rungs = comparison.busy.iter().chain(&comparison.idle).chain(&comparison.offered);
        shown.extend(rungs.filter(|rung| rung.server == name).flat_map(|rung| &rung.runs));
    }
    align_right(&mut table);
    if let Some(column) = table.column_mut(0) {
        column.set_cell_alignment(CellAlignment::Left);
    }
    let limit = ceilings.first().map_or(0, |ceiling| ceiling.limit_ns);
    let text = format!(
        "A room of {}. First what each keeps up with: every line delivered to every member, 99 % of the deliveries in less than {}. \
         Then the median delivery when all are offered the same, and until the whole room has one line.",
        count(BUSY_MEMBERS as u64),
        time(limit)
    );
    finish(table, &text, &shown)
}

fn p50(runs: &[Summary], of: fn(&Summary) -> &Quantiles) -> String {
    marked(runs, latency(runs, |run| (of(run), of(run).p50_ns)))
}

/// The table as Markdown with what it means, and what the mark means if there is one.
fn finish(mut table: Table, meaning: &str, shown: &[&Summary]) -> String {
    let table = layout::markdown(&mut table);
    let mark = if table.contains(MARK) && shown.iter().any(|run| !run.is_good()) {
        format!(" {MARK_MEANS}")
    } else {
        String::new()
    };
    format!("{table}\n\n{meaning}{mark}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::peers_table::tests::comparison;

    /// At most six columns, and rows of at most 120 characters.
    fn is_small(text: &str) {
        for row in text.lines().filter(|line| line.starts_with('|')) {
            assert!(row.chars().count() <= 120 && row.matches('|').count() <= 7, "{row}");
        }
    }

    fn rung(server: &str, members: u64, is_good: bool) -> Rung {
        let mut rung = Rung::not_run(server, members, String::new());
        rung.not_run = None;
        let mut run = Summary { valid: is_good, clean: true, ..Summary::default() };
        run.latency.room = Quantiles { samples: 100, p50_ns: Some(152_000_000), ..Quantiles::default() };
        rung.runs = vec![run; 3];
        rung
    }

    #[test]
    fn a_sweep_becomes_a_row_a_room() {
        let mut rungs = vec![rung("uring", 19_000, true), rung("epoll", 19_000, false), rung("select", 100, true)];
        rungs.push(Rung::not_run("select", 19_000, "at most 992 members".to_string()));
        let text = rooms(&rungs);
        is_small(&text);
        let row = text.lines().find(|line| line.contains("19,000")).unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[1..5], ["19,000", "152 ms", "152 ms !", "-"]);
        assert!(text.contains("Medians of 3 runs") && text.contains("INVALID"), "{text}");
        assert!(!rooms(&rungs[..1]).contains("INVALID"));
    }

    #[test]
    fn a_comparison_becomes_a_row_a_server() {
        let text = peers(&comparison());
        is_small(&text);
        let row = text.lines().find(|line| line.starts_with("| uproar")).unwrap();
        assert!(row.contains("54,000") && row.contains("53,900,000") && row.contains("3.15 ms"), "{row}");
        let row = text.lines().find(|line| line.starts_with("| mosquitto")).unwrap();
        assert!(row.contains("11.5 s !"), "{row}");
    }
}
