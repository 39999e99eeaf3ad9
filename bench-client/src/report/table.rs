//! Figures for people: how numbers are written, and the block that a run prints.
//!
//! Over several runs every figure is the median of the runs' figures, with the least and the largest beside it; runs are
//! never pooled, because a mean over restarts hides what a restart changes.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use crate::message::{is_slow_down, told_missed};
use crate::report::summary::{ProofPart, Quantiles, Summary};
use crate::sweep::Rung;

/// A time in the unit that suits it, three digits: `812 ns`, `11.2 ms`.
pub fn time(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

fn three_digits(value: f64) -> String {
    match value {
        value if value >= 99.95 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// A whole number with its thousands apart: `200,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate: decimals below a hundred, thousands apart above.
pub fn rate(value: f64) -> String {
    if value < 99.95 { three_digits(value) } else { count(value.round() as u64) }
}

/// Bytes in the unit that suits them.
pub fn bytes(value: f64) -> String {
    match value {
        value if value < 1024.0 => format!("{value:.0} B"),
        value if value < 1024.0 * 1024.0 => format!("{} KiB", three_digits(value / 1024.0)),
        value => format!("{} MiB", three_digits(value / 1024.0 / 1024.0)),
    }
}

/// The median of `values`, the lower of the middle two; none of none.
pub fn median<T: Copy + PartialOrd>(values: impl IntoIterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_by(|a, b| a.partial_cmp(b).expect("figures are numbers"));
    values.get(values.len().wrapping_sub(1) / 2).copied()
}

/// One figure over all runs, if every run has it.
pub fn figure(runs: &[Summary], of: impl Fn(&Summary) -> Option<f64>) -> Option<f64> {
    let values: Option<Vec<f64>> = runs.iter().map(of).collect();
    median(values?)
}

/// A latency figure over all runs, written: "at least" if any run's is, `-` if any run lacks it.
pub fn latency(runs: &[Summary], of: impl Fn(&Summary) -> (&Quantiles, Option<u64>)) -> String {
    let mut values = Vec::new();
    let mut at_least = false;
    for run in runs {
        let (quantiles, Some(value)) = of(run) else { return "-".to_string() };
        at_least |= quantiles.is_at_least(value);
        values.push(value);
    }
    match median(values) {
        None => "-".to_string(),
        Some(value) => format!("{}{}", if at_least { ">= " } else { "" }, time(value)),
    }
}

/// What stands behind each figure that is not to be quoted.
pub const MARK: &str = " !";
/// What it means, under a table.
pub const MARK_MEANS: &str = "`!`: a run behind this figure is INVALID or NOT CLEAN; it is not to be quoted.";

/// `figure` of `runs`, marked if one of them is not good.
pub fn marked(runs: &[Summary], figure: String) -> String {
    let marked = figure != "-" && runs.iter().any(|run| !run.is_good());
    figure + if marked { MARK } else { "" }
}

type Pick = fn(&Summary) -> &Quantiles;

const ROWS: [(&str, Pick); 9] = [
    ("whole room has it", |run| &run.latency.room),
    ("99 % of the room", |run| &run.latency.room_99),
    ("half of the room", |run| &run.latency.room_50),
    ("first to last member", |run| &run.latency.spread),
    ("each delivery", |run| &run.latency.delivery),
    ("  uncorrected", |run| &run.latency.delivery_uncorrected),
    ("  until the kernel has it", |run| &run.latency.kernel_has_it),
    ("  from there until read", |run| &run.latency.drain),
    ("sent late by", |run| &run.latency.schedule_lag),
];

/// The block for the runs of one room; at least one run.
pub fn block(runs: &[Summary]) -> String {
    let mut text = String::new();
    let first = &runs[0];
    for (number, run) in runs.iter().enumerate() {
        problems(&mut text, run, runs.len(), number + 1);
    }
    let room = &first.room;
    let median_rate = figure(runs, |run| Some(run.sent.rate_per_s)).unwrap_or(0.0);
    let deliveries = figure(runs, |run| Some(run.sent.deliveries_per_s)).unwrap_or(0.0);
    let over_s = figure(runs, |run| Some(run.sent.deliveries_over_s)).unwrap_or(0.0);
    let _ = writeln!(
        text,
        "room of {}  {}  {} B  {} messages/s offered, {} sent  ({} deliveries/s over {})  {}",
        count(room.members),
        first.server_name,
        room.line_bytes,
        rate(first.plan.rate_per_s),
        marked(runs, rate(median_rate)),
        marked(runs, rate(deliveries)),
        time((over_s * 1e9) as u64),
        plural(runs.len() as u64, "run"),
    );
    text.push_str(&latencies(runs));
    text.push('\n');
    proofs(&mut text, runs);
    crowds(&mut text, runs);
    costs(&mut text, runs);
    let connect_s = figure(runs, |run| Some(run.connect.elapsed_s)).unwrap_or(0.0);
    let connect_rate = figure(runs, |run| Some(run.connect.rate_per_s)).unwrap_or(0.0);
    let _ = writeln!(
        text,
        "connected in {}, {} members/s, welcome after {} at p50",
        time((connect_s * 1e9) as u64),
        rate(connect_rate),
        latency(runs, |run| (&run.connect.latency, run.connect.latency.p50_ns)),
    );
    text
}

/// `1 run`, `2 runs`.
pub fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// What is wrong with a run, a line each; empty for a good one.
pub fn problem_lines(run: &Summary) -> String {
    let mut text = String::new();
    problems(&mut text, run, 1, 1);
    text
}

/// What a reader must see before any figure.
fn problems(text: &mut String, run: &Summary, runs: usize, number: usize) {
    let which = if runs == 1 { String::new() } else { format!(" (run {number})") };
    for reason in &run.reasons {
        let _ = writeln!(text, "INVALID{which}: {reason}");
    }
    if !run.clean {
        let counts: Vec<String> = run
            .proof
            .problems()
            .named()
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, number)| format!("{name} {}", count(number)))
            .collect();
        let _ = writeln!(text, "NOT CLEAN{which}: {}", counts.join(", "));
        let lines = run.proof.strange_lines.iter().map(|line| format!("strange line: {line}"));
        for example in run.proof.examples.iter().cloned().chain(lines) {
            let _ = writeln!(text, "  {example}");
        }
    }
    for warning in &run.warnings {
        let _ = writeln!(text, "note{which}: {warning}");
    }
    // What the reasons say already is not said again.
    let said = |notice: &&String| {
        let notice = notice.as_bytes();
        (run.proof.publishers_slowed > 0 && is_slow_down(notice))
            || (run.proof.told_missed > 0 && told_missed(notice).is_some())
    };
    for notice in run.proof.notices.iter().filter(|notice| !said(notice)) {
        let _ = writeln!(text, "note{which}: the server said: {notice}");
    }
}

fn latencies(runs: &[Summary]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut header = vec!["", "p50", "p90", "p99", "p99.9", "max"];
    if runs.len() > 1 {
        header.push("runs: min..max of p50");
    }
    table.set_header(header);
    for (name, pick) in ROWS {
        if runs.iter().all(|run| pick(run).samples == 0) {
            continue;
        }
        let cell = |mark: &str| {
            let figure = latency(runs, |run| {
                let quantiles = pick(run);
                let value =
                    quantiles.named().into_iter().find(|(known, _)| *known == mark).and_then(|(_, value)| value);
                (quantiles, value)
            });
            marked(runs, figure)
        };
        let mut row = vec![name.to_string()];
        row.extend(["p50", "p90", "p99", "p99.9", "max"].map(cell));
        if runs.len() > 1 {
            row.push(marked(runs, range(runs.iter().map(|run| pick(run).p50_ns))));
        }
        table.add_row(row);
    }
    align_right(&mut table);
    table.trim_fmt()
}

/// All columns but the first to the right.
pub fn align_right(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// The least and the largest, if all are known.
pub fn range(values: impl Iterator<Item = Option<u64>>) -> String {
    let Some(values) = values.collect::<Option<Vec<u64>>>() else { return "-".to_string() };
    match (values.iter().min(), values.iter().max()) {
        (Some(least), Some(largest)) => format!("{}..{}", time(*least), time(*largest)),
        _ => "-".to_string(),
    }
}

type CountOf = fn(&ProofPart) -> u64;

/// Counts that are no problem of a delivery, and shown when there are any.
const BESIDE: [(&str, CountOf); 2] =
    [("told missed", |proof| proof.told_missed), ("held back", |proof| proof.held_back)];

fn proofs(text: &mut String, runs: &[Summary]) {
    let mut totals = [("", 0u64); 6];
    for run in runs {
        for (total, (name, count)) in totals.iter_mut().zip(run.proof.problems().named()) {
            *total = (name, total.1 + count);
        }
    }
    let mut counts: Vec<String> = totals.iter().map(|(name, number)| format!("{name} {}", count(*number))).collect();
    let equal: u64 = runs.iter().map(|run| run.proof.order_hashes_equal).sum();
    let verified: u64 = runs.iter().map(|run| run.room.verified_members).sum();
    let counting: u64 = runs.iter().map(|run| run.proof.counting_members).sum();
    let wrong: u64 = runs.iter().map(|run| run.proof.counting_members_wrong).sum();
    for (name, of) in BESIDE {
        let total: u64 = runs.iter().map(|run| of(&run.proof)).sum();
        if total > 0 {
            counts.push(format!("{name} {}", count(total)));
        }
    }
    let _ = write!(text, "{}   order hash equal on {}/{}", counts.join("  "), count(equal), count(verified));
    if counting > 0 {
        let _ = write!(text, "   byte count right on {}/{}", count(counting - wrong), count(counting));
    }
    text.push('\n');
}

/// What became of members that read nothing or little, all runs together.
fn crowds(text: &mut String, runs: &[Summary]) {
    let Some(first) = &runs[0].crowd else { return };
    let total = |of: fn(&crate::report::summary::CrowdPart) -> u64| -> String {
        count(runs.iter().filter_map(|run| run.crowd.as_ref()).map(of).sum())
    };
    let _ = writeln!(
        text,
        "beside them {} flooders, {} B taken of them, {} visits, {} turned away, {} silent, {} slow: {} exact, {} not \
         exact, {} closed; {} messages received, {} told missed",
        count(first.flooders),
        total(|crowd| crowd.flood_bytes),
        total(|crowd| crowd.visits),
        total(|crowd| crowd.visits_turned_away),
        count(first.silent_members),
        count(first.slow_members),
        total(|crowd| crowd.members_exact),
        total(|crowd| crowd.members_inexact),
        total(|crowd| crowd.members_closed),
        total(|crowd| crowd.messages_received),
        total(|crowd| crowd.messages_told_missed),
    );
    let memory = |of: fn(&crate::report::summary::ServerPart) -> u64| {
        figure(runs, |run| run.server.as_ref().map(|server| of(server) as f64))
    };
    if let (Some(start), Some(end)) =
        (memory(|server| server.memory_window_start_bytes), memory(|server| server.memory_window_end_bytes))
    {
        let _ =
            writeln!(text, "server memory {} at the first measured message, {} at the end", bytes(start), bytes(end));
    }
}

fn costs(text: &mut String, runs: &[Summary]) {
    let client = figure(runs, |run| Some(run.client.cpu_share)).unwrap_or(0.0) * 100.0;
    let server = |of: fn(&crate::report::summary::ServerPart) -> Option<f64>| {
        figure(runs, |run| run.server.as_ref().and_then(of))
    };
    let Some(share) = server(|server| Some(server.cpu_share)) else {
        let _ =
            writeln!(text, "server cost unknown (give --server-cmd or --server-pid)   client {client:.0} % of a core");
        return;
    };
    let user = server(|server| server.user_share).unwrap_or(0.0) * share * 100.0;
    let cost = server(|server| server.cpu_per_delivery_ns).unwrap_or(0.0);
    let per_cpu_s = server(|server| server.deliveries_per_cpu_s).unwrap_or(0.0);
    let _ = writeln!(
        text,
        "server {:.0} % of a core ({user:.0} % user)   {} a delivery   {} deliveries per CPU second   client {client:.0} %",
        share * 100.0,
        marked(runs, time(cost as u64)),
        marked(runs, count(per_cpu_s as u64)),
    );
    if let Some(floor) = floor(runs) {
        let _ = writeln!(text, "{floor}");
    }
    let memory = server(|server| Some(server.memory_per_member_bytes)).unwrap_or(0.0);
    let settled = server(|server| Some(server.memory_settled_bytes as f64)).unwrap_or(0.0);
    let _ = write!(text, "memory {} a member, {} in all", bytes(memory), bytes(settled));
    if let Some(idle) = server(|server| server.idle_cpu_share) {
        let _ = write!(text, "   idle {:.3} % of a core", idle * 100.0);
    }
    text.push('\n');
}

fn floor(runs: &[Summary]) -> Option<String> {
    let send = figure(runs, |run| Some(run.floor.as_ref()?.send.mean_ns))?;
    let mut text = format!("floor {} a bare send", time(send as u64));
    if let Some(ratio) = figure(runs, |run| run.floor.as_ref()?.ratio_to_send) {
        let _ = write!(text, ", the server's delivery costs {ratio:.2} of it");
    }
    if let Some(uring) = figure(runs, |run| Some(run.floor.as_ref()?.uring?.mean_ns)) {
        let _ = write!(text, "   {} through a ring", time(uring as u64));
    }
    if let Some(ratio) = figure(runs, |run| run.floor.as_ref()?.ratio_to_uring) {
        let _ = write!(text, ", {ratio:.2} of it");
    }
    Some(text)
}

/// One run of a sweep, in a line.
pub fn run_line(run: &Summary, number: usize) -> String {
    let room = &run.latency.room;
    let cost = run.server.as_ref().and_then(|server| server.cpu_per_delivery_ns);
    let state = if run.is_good() { String::new() } else { format!("{}: ", state(std::slice::from_ref(run))) };
    format!(
        "{} members, {}, run {number}, {} messages/s: {state}whole room p50 {} max {}, delivery p50 {}, {} a delivery",
        count(run.room.members),
        run.server_name,
        rate(run.plan.rate_per_s),
        latency_of(room, room.p50_ns),
        latency_of(room, room.max_ns),
        latency_of(&run.latency.delivery, run.latency.delivery.p50_ns),
        cost.map_or("-".to_string(), |ns| time(ns as u64)),
    )
}

fn latency_of(quantiles: &Quantiles, value: Option<u64>) -> String {
    match value {
        None => "-".to_string(),
        Some(value) => format!("{}{}", if quantiles.is_at_least(value) { ">= " } else { "" }, time(value)),
    }
}

/// A column of a sweep's table: its heading, whether the terminal has room for it, and what stands there for a room that
/// was measured.
type Column = (&'static str, bool, fn(&[Summary]) -> String);

const SWEEP_COLUMNS: [Column; 11] = [
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

pub fn number(runs: &[Summary], of: fn(&Summary) -> Option<f64>, show: fn(f64) -> String) -> String {
    figure(runs, of).map_or("-".to_string(), show)
}

pub fn problem_counts(runs: &[Summary]) -> String {
    let total = |of: fn(&Summary) -> u64| runs.iter().map(of).sum::<u64>();
    let (lost, duplicate) = (total(|run| run.proof.lost), total(|run| run.proof.duplicate));
    format!("{lost}, {duplicate}, {}", total(|run| run.proof.out_of_order))
}

/// A sweep for the terminal: the columns that fit there.
pub fn sweep(rungs: &[Rung]) -> String {
    let mut table = sweep_table(rungs, |(_, on_terminal, _)| *on_terminal);
    table.load_style(presets::NOTHING);
    format!("{}\n", table.trim_fmt())
}

/// `table.md`: all columns, what their words mean, and where it was measured.
pub fn sweep_markdown(rungs: &[Rung], environment: &str) -> String {
    let mut table = sweep_table(rungs, |_| true);
    table.load_style(presets::ASCII_MARKDOWN);
    let mut text = format!("{}\n", table.trim_fmt());
    let _ = write!(
        text,
        "\nMedians of the runs, never pooled; the range is of the runs' medians. Room: from the due time of a message until \
         the whole room has it, one sample a message. Delivery: the same until each member has it. `-`: too few samples \
         to speak of that quantile, or not measured. {MARK_MEANS} Client and server on one machine, over \
         loopback: {environment}.\n",
    );
    text
}

fn sweep_table(rungs: &[Rung], wanted: fn(&Column) -> bool) -> Table {
    let columns: Vec<&Column> = SWEEP_COLUMNS.iter().filter(|column| wanted(column)).collect();
    let mut table = Table::new();
    let headings = columns.iter().map(|(heading, _, _)| *heading);
    table.set_header(["members", "server"].into_iter().chain(headings).chain(["runs"]));
    for rung in rungs {
        let cell = |(_, _, show): &&Column| match rung.runs.is_empty() {
            true => "-".to_string(),
            false => marked(&rung.runs, show(&rung.runs)),
        };
        let mut row = vec![count(rung.members), rung.server.clone()];
        row.extend(columns.iter().map(cell));
        row.push(runs_cell(rung));
        table.add_row(row);
    }
    align_right(&mut table);
    // A reason may be long; to the right it would push everything else away.
    if let Some(column) = table.column_iter_mut().last() {
        column.set_cell_alignment(CellAlignment::Left);
    }
    table
}

/// Runs whose medians lie further apart than this share of their median say little.
const NOISE_MAX: f64 = 0.25;

fn is_noisy(runs: &[Summary]) -> bool {
    let medians = || runs.iter().filter_map(|run| run.latency.room.p50_ns);
    match (medians().min(), median(medians()), medians().max()) {
        (Some(least), Some(middle), Some(largest)) => (largest - least) as f64 > NOISE_MAX * middle as f64,
        _ => false,
    }
}

/// What is wrong with `runs`, in the word of a run's first line; empty when all are good.
fn state(runs: &[Summary]) -> &'static str {
    if runs.iter().any(|run| !run.valid) {
        "INVALID"
    } else if runs.iter().any(|run| !run.clean) {
        "NOT CLEAN"
    } else {
        ""
    }
}

/// How many of `runs` are good.
pub fn good_of(runs: &[Summary]) -> String {
    let good = runs.iter().filter(|run| run.is_good()).count();
    let state = state(runs);
    format!("{state}{}{good} of {} good", if state.is_empty() { "" } else { ": " }, runs.len())
}

/// How many runs are good, or why there are none.
pub fn runs_cell(rung: &Rung) -> String {
    let mut text = good_of(&rung.runs);
    if !rung.set_aside.is_empty() {
        let _ = write!(text, ", {} set aside", rung.set_aside.len());
    }
    if is_noisy(&rung.runs) {
        text.push_str(", NOISY");
    }
    match &rung.not_run {
        Some(reason) if rung.runs.is_empty() => format!("not run: {reason}"),
        Some(reason) => format!("{text}, then not run: {reason}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_their_unit() {
        let written: Vec<String> =
            [0, 812, 1_000, 11_249, 999_400, 1_030_000, 14_900_000, 250_000_000, 60_000_000_000].map(time).into();
        assert_eq!(
            written,
            ["0 ns", "812 ns", "1.00 us", "11.2 us", "999 us", "1.03 ms", "14.9 ms", "250 ms", "60.0 s"]
        );
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!([0, 999, 1000, 200_000, 1_234_567].map(count), ["0", "999", "1,000", "200,000", "1,234,567"]);
        assert_eq!([0.2, 20.0, 5263.2].map(rate), ["0.20", "20.0", "5,263"]);
        assert_eq!([96.0, 2048.0, 3.5 * 1024.0 * 1024.0].map(bytes), ["96 B", "2.00 KiB", "3.50 MiB"]);
    }

    #[test]
    fn runs_far_apart_are_noisy() {
        let runs = |medians: &[u64]| -> Vec<Summary> {
            let run = |ns: &u64| {
                let mut run = Summary::default();
                run.latency.room.p50_ns = Some(*ns);
                run
            };
            medians.iter().map(run).collect()
        };
        assert!(!is_noisy(&runs(&[100, 110, 125])));
        assert!(is_noisy(&runs(&[100, 100, 126])));
        assert!(!is_noisy(&runs(&[100])) && !is_noisy(&[]));
    }

    /// A run with figures, good or not.
    fn run(valid: bool, clean: bool) -> Summary {
        let mut run = Summary { valid, clean, server_name: "uproar".to_string(), ..Summary::default() };
        run.room.members = 100;
        run.latency.room = Quantiles { samples: 600, p50_ns: Some(5_000_000), ..Quantiles::default() };
        run.latency.delivery = run.latency.room.clone();
        (run.sent.rate_per_s, run.sent.deliveries_per_s) = (20.0, 1980.0);
        run
    }

    fn rung(runs: &[Summary]) -> Rung {
        let mut rung = Rung::not_run("uproar", 100, String::new());
        (rung.runs, rung.not_run) = (runs.to_vec(), None);
        rung
    }

    #[test]
    fn every_figure_of_a_run_that_is_not_good_is_marked() {
        for (bad, state) in
            [(run(false, true), "INVALID"), (run(true, false), "NOT CLEAN"), (run(false, false), "INVALID")]
        {
            let runs = [run(true, true), bad.clone()];
            for table in [sweep(&[rung(&runs)]), sweep_markdown(&[rung(&runs)], "")] {
                assert!(table.contains("5.00 ms !") && table.contains("20.0 !"), "{table}");
                assert!(table.contains(&format!("{state}: 1 of 2 good")), "{table}");
                assert_eq!(
                    table.matches("5.00 ms").count(),
                    table.matches("5.00 ms !").count() + table.matches("5.00 ms..").count()
                );
            }
            let block = block(&runs);
            assert!(block.contains("(1,980 ! deliveries/s") && block.contains("5.00 ms !"), "{block}");
            assert!(run_line(&bad, 1).contains(state));
        }
        let good = [run(true, true), run(true, true)];
        for text in [sweep(&[rung(&good)]), block(&good), run_line(&good[0], 1)] {
            assert!(!text.contains('!'), "{text}");
        }
        assert!(sweep_markdown(&[rung(&good)], "").contains("2 of 2 good"));
    }

    #[test]
    fn a_slowed_run_says_so_and_what_to_do_in_its_first_line_and_only_there() {
        let mut run = run(false, true);
        run.proof.publishers_slowed = 1;
        run.proof.notices = vec!["! slow down: your lines are delayed, not lost".to_string()];
        run.reasons = crate::report::summary::verdict::reasons(&run);
        let text = block(&[run]);
        let first = text.lines().next().unwrap();
        assert!(first.starts_with("INVALID: the server slows") && first.contains("--flood-rate 0"), "{text}");
        assert!(!text.contains("the server said"), "{text}");
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median([3, 1, 2]), Some(2));
        assert_eq!(median([4, 1, 2, 3]), Some(2));
        assert_eq!(median(Vec::<u64>::new()), None);
        assert_eq!(range([Some(1), Some(3_000)].into_iter()), "1 ns..3.00 us");
        assert_eq!(range([Some(1), None].into_iter()), "-");
    }
}
