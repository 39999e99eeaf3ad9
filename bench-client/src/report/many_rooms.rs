//! What is drawn from many small rooms on several servers: what a delivered line costs each, and the first over the others.

use std::path::Path;

use comfy_table::{CellAlignment, Table};

use crate::error::Result;
use crate::figures::{MARK_MEANS, latency, marked, median, number, problem_counts, range, runs_cell};
use crate::files::write_file;
use crate::quantities::{bytes, count, rate, time};
use crate::report::layout::{self, align_right};
use crate::report::rows;
use crate::results::folder;
use crate::results::rung::Rung;
use crate::results::summary::Summary;

/// Makes the tables and rows of `folder` from its runs, and returns the table for the terminal.
pub fn draw(folder: &Path) -> Result<String> {
    let rungs = folder::load(folder)?;
    write_file(&folder.join("runs.csv"), &rows::csv(&rows::all(&rungs))?)?;
    let mut table = tabulate(&rungs);
    let rooms = what(&rungs);
    let text = format!("{rooms}\n{}\n", layout::plain(&mut table));
    let environment = folder::environment_of(folder)?;
    let markdown = format!(
        "{rooms}:\n\n{}\n\nMedians of the runs, and their range. CPU a line: processor time of the server over the lines that members \
         other than the author got. A copy sent: the same over all that the server sent; redis sends an author its own lines too. The \
         ratio is of the CPU a line, the median and the range of the rounds. {MARK_MEANS} Client and server on one machine, over \
         loopback: {environment}.\n",
        layout::markdown(&mut table),
    );
    write_file(&folder.join("table.md"), markdown.as_bytes())?;
    let short = format!("{}\n\n{rooms}; medians.\n", layout::markdown(&mut shortly(&rungs)));
    write_file(&folder.join(folder::SHORT), short.as_bytes())?;
    Ok(text)
}

/// What all servers were given.
fn what(rungs: &[Rung]) -> String {
    let Some(run) = rungs.iter().flat_map(|rung| &rung.runs).next() else { return "No room was measured".to_string() };
    let lines = run.plan.rate_per_s;
    format!(
        "{} rooms with {} members, {} lines/s of {} bytes in all, one every {} in each room",
        count(run.room.rooms),
        count(run.room.members),
        rate(lines),
        run.room.line_bytes,
        time((run.room.rooms as f64 / lines * 1e9) as u64),
    )
}

fn cpu_a_line(run: &Summary) -> Option<f64> {
    run.server.as_ref()?.cpu_per_delivery_ns
}

/// The same over what the server sent: the copies to authors are deliveries to nobody else.
fn cpu_a_copy(run: &Summary) -> Option<f64> {
    let others = run.room.members as f64 / run.room.rooms.max(1) as f64 - 1.0;
    let share = if run.protocol.echoes() { others / (others + 1.0) } else { 1.0 };
    Some(cpu_a_line(run)? * share)
}

/// The cost of a line of `first` over that of `other`, round by round: the median, and the range.
fn ratio(first: &Rung, other: &Rung) -> String {
    let of = |(first, other)| Some(cpu_a_line(first)? / cpu_a_line(other)?);
    let ratios: Option<Vec<f64>> = first.runs.iter().zip(&other.runs).map(of).collect();
    let Some(ratios) = ratios.filter(|ratios| !ratios.is_empty()) else { return "-".to_string() };
    let middle = median(ratios.iter().copied()).unwrap_or(0.0);
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = ratios.iter().copied().fold(0.0, f64::max);
    let runs: Vec<Summary> = first.runs.iter().chain(&other.runs).cloned().collect();
    marked(&runs, format!("{middle:.2} [{least:.2}..{largest:.2}]"))
}

fn cpu_cell(rung: &Rung, of: fn(&Summary) -> Option<f64>) -> String {
    marked(&rung.runs, number(&rung.runs, of, |ns| time(ns as u64)))
}

fn tabulate(rungs: &[Rung]) -> Table {
    let mut table = Table::new();
    let first = rungs.first().map_or("", |rung| rung.server.as_str());
    table.set_header([
        "server".to_string(),
        "CPU a line".to_string(),
        "runs: min..max".to_string(),
        format!("{first} / this"),
        "CPU a copy sent".to_string(),
        "delivery p50".to_string(),
        "delivery p99".to_string(),
        "server, of a core".to_string(),
        "memory a member".to_string(),
        "lost, dup., order".to_string(),
        "runs".to_string(),
    ]);
    for rung in rungs {
        let runs = &rung.runs;
        let delivery =
            |of: fn(&Summary) -> Option<u64>| marked(runs, latency(runs, |run| (&run.latency.delivery, of(run))));
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        table.add_row([
            rung.server.clone(),
            cpu_cell(rung, cpu_a_line),
            marked(runs, range(runs.iter().map(|run| cpu_a_line(run).map(|ns| ns as u64)))),
            ratio(&rungs[0], rung),
            cpu_cell(rung, cpu_a_copy),
            delivery(|run| run.latency.delivery.p50_ns),
            delivery(|run| run.latency.delivery.p99_ns),
            marked(runs, number(runs, |run| Some(run.server.as_ref()?.cpu_share), percent)),
            marked(runs, number(runs, |run| Some(run.server.as_ref()?.memory_per_member_bytes), bytes)),
            problem_counts(runs),
            runs_cell(rung),
        ]);
    }
    align_right(&mut table);
    if let Some(column) = table.column_iter_mut().last() {
        column.set_cell_alignment(CellAlignment::Left);
    }
    table
}

/// What a document has room for.
fn shortly(rungs: &[Rung]) -> Table {
    let mut table = Table::new();
    let first = rungs.first().map_or("", |rung| rung.server.as_str());
    table.set_header(["server", "CPU a line", &format!("{first} / this"), "delivery p50", "delivery p99"]);
    for rung in rungs {
        let runs = &rung.runs;
        let delivery =
            |of: fn(&Summary) -> Option<u64>| marked(runs, latency(runs, |run| (&run.latency.delivery, of(run))));
        table.add_row([
            rung.server.clone(),
            cpu_cell(rung, cpu_a_line),
            ratio(&rungs[0], rung),
            delivery(|run| run.latency.delivery.p50_ns),
            delivery(|run| run.latency.delivery.p99_ns),
        ]);
    }
    align_right(&mut table);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;
    use crate::results::summary::ServerPart;

    fn rung(server: &str, protocol: Protocol, costs_ns: &[f64]) -> Rung {
        let run = |cost_ns: &f64| {
            let mut run = Summary { valid: true, clean: true, protocol, ..Summary::default() };
            (run.room.members, run.room.rooms, run.plan.rate_per_s) = (19_000, 3800, 950.0);
            run.server = Some(ServerPart { cpu_per_delivery_ns: Some(*cost_ns), ..ServerPart::default() });
            run
        };
        Rung { runs: costs_ns.iter().map(run).collect(), ..Rung::new(server, 19_000) }
    }

    #[test]
    fn the_first_server_is_put_over_the_others_round_by_round() {
        let rungs = [
            rung("uproar", Protocol::Uproar, &[8000.0, 9000.0, 8500.0]),
            rung("redis", Protocol::Redis, &[10_000.0, 10_000.0, 10_000.0]),
        ];
        let text = format!("{}\n{}\n{}", what(&rungs), tabulate(&rungs), shortly(&rungs));
        for figure in
            ["uproar / this", "0.85 [0.80..0.90]", "1.00 [1.00..1.00]", "8.50 us", "10.0 us", "8.00 us..9.00 us"]
        {
            assert!(text.contains(figure), "{figure}: {text}");
        }
        assert!(text.contains("3,800 rooms with 19,000 members") && text.contains("one every 4.00 s"), "{text}");
        // Five copies for four that hear it.
        assert_eq!(cpu_a_copy(&rungs[1].runs[0]), Some(8000.0));
        assert_eq!(cpu_a_copy(&rungs[0].runs[0]), Some(8000.0));
    }

    #[test]
    fn a_server_that_was_not_measured_is_a_row_without_a_ratio() {
        let missing = Rung::not_run("redis", 19_000, "not installed".to_string());
        let rungs = [rung("uproar", Protocol::Uproar, &[8000.0]), missing];
        let text = tabulate(&rungs).to_string();
        assert!(text.contains("not run: not installed"), "{text}");
        assert_eq!(ratio(&rungs[0], &rungs[1]), "-");
    }

    #[test]
    fn a_ratio_to_runs_that_are_not_good_is_marked() {
        let mut rungs = [rung("uproar", Protocol::Uproar, &[8000.0]), rung("redis", Protocol::Redis, &[10_000.0])];
        rungs[1].runs[0].valid = false;
        assert_eq!(ratio(&rungs[0], &rungs[1]), "0.80 [0.80..0.80] !");
    }
}
