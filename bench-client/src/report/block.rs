//! What a run prints: a block of lines for the runs of one room, and one line for a run among many.

use std::fmt::Write;

use comfy_table::Table;

use crate::figures::{figure, latency, latency_of, marked, range, state};
use crate::message::{is_slow_down, told_missed};
use crate::quantities::{bytes, count, plural, rate, time};
use crate::report::beside;
use crate::report::layout::{self, align_right};
use crate::results::summary::{FloorPart, NuisancesPart, ProofPart, Quantiles, RoomPart, ServerPart, Summary};

type Pick = fn(&Summary) -> &Quantiles;

const ROWS: [(&str, Pick); 9] = [
    ("whole room has it", |run| &run.latency.room),
    ("99 % of the room", |run| &run.latency.room_99),
    ("half of the room", |run| &run.latency.room_50),
    ("first to last member", |run| &run.latency.spread),
    ("each delivery", |run| &run.latency.delivery),
    ("  uncorrected", |run| &run.latency.delivery_uncorrected),
    ("  until the kernel has it", |run| &run.latency.kernel_has_it),
    ("  from there until read", |run| &run.latency.until_read),
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
        "{}  {}  {} B  {} messages/s offered, {} sent  ({} deliveries/s over {})  {}",
        rooms(room),
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
    beside::doors(&mut text, runs);
    nuisances(&mut text, runs);
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
    beside::tenths(&mut text, runs);
    beside::watchdog(&mut text, runs);
    beside::aftermath(&mut text, runs);
    text
}

/// The room, or the rooms, in a few words.
fn rooms(room: &RoomPart) -> String {
    match room.rooms {
        0 | 1 => format!("room of {}", count(room.members)),
        rooms => format!("{} rooms with {} members", count(rooms), count(room.members)),
    }
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
    layout::plain(&mut table)
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
fn nuisances(text: &mut String, runs: &[Summary]) {
    let Some(first) = &runs[0].nuisances else { return };
    let total = |of: fn(&NuisancesPart) -> u64| -> String {
        count(runs.iter().filter_map(|run| run.nuisances.as_ref()).map(of).sum())
    };
    let _ = writeln!(
        text,
        "beside them {} flooders, {} B taken of them, {} visits, {} turned away, {} silent, {} slow: {} exact, {} not \
         exact, {} closed; {} messages received, {} told missed",
        count(first.flooders),
        total(|part| part.flood_bytes),
        total(|part| part.visits),
        total(|part| part.visits_turned_away),
        count(first.silent_members),
        count(first.slow_members),
        total(|part| part.members_exact),
        total(|part| part.members_inexact),
        total(|part| part.members_closed),
        total(|part| part.messages_received),
        total(|part| part.messages_told_missed),
    );
    beside::visits(text, runs);
    let memory = |of: fn(&ServerPart) -> u64| figure(runs, |run| run.server.as_ref().map(|server| of(server) as f64));
    if let (Some(start), Some(end)) =
        (memory(|server| server.memory_window_start_bytes), memory(|server| server.memory_window_end_bytes))
    {
        let _ =
            writeln!(text, "server memory {} at the first measured message, {} at the end", bytes(start), bytes(end));
    }
}

fn costs(text: &mut String, runs: &[Summary]) {
    let client = figure(runs, |run| Some(run.client.cpu_share)).unwrap_or(0.0) * 100.0;
    let server = |of: fn(&ServerPart) -> Option<f64>| figure(runs, |run| run.server.as_ref().and_then(of));
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
        if let Some(machine) = server(|server| server.idle_machine_cpu_share) {
            let _ = write!(text, ", the whole machine {:.1} %", machine * 100.0);
        }
    }
    text.push('\n');
    beside::memory(text, runs);
}

fn floor(runs: &[Summary]) -> Option<String> {
    let of = |cost: fn(&FloorPart) -> Option<f64>| figure(runs, |run| cost(run.floor.as_ref()?));
    let ways = [
        ("a bare send", of(|floor| Some(floor.send?.mean_ns)), of(|floor| floor.ratio_to_send)),
        ("a send through a ring", of(|floor| Some(floor.uring?.mean_ns)), of(|floor| floor.ratio_to_uring)),
    ];
    let mut parts = Vec::new();
    for (way, cost, ratio) in ways {
        let Some(cost) = cost else { continue };
        let ratio = ratio.map_or(String::new(), |ratio| format!(", the server's delivery costs {ratio:.2} of it"));
        parts.push(format!("{} {way}{ratio}", time(cost as u64)));
    }
    let pass = of(|floor| Some(floor.uring.or(floor.send)?.pass?.wall_median_ns));
    parts.extend(pass.map(|ns| format!("{} for one to each", time(ns as u64))));
    (!parts.is_empty()).then(|| format!("floor {}", parts.join("   ")))
}

/// One run among many, in a line.
pub fn run_line(run: &Summary, number: usize) -> String {
    let room = &run.latency.room;
    let cost = run.server.as_ref().and_then(|server| server.cpu_per_delivery_ns);
    let state = if run.is_good() { String::new() } else { format!("{}: ", state(std::slice::from_ref(run))) };
    format!(
        "{} members{}, {}, run {number}, {} messages/s: {state}whole room p50 {} max {}, delivery p50 {}, {} a delivery",
        count(run.room.members),
        if run.room.rooms > 1 { format!(" in {} rooms", count(run.room.rooms)) } else { String::new() },
        run.server_name,
        rate(run.plan.rate_per_s),
        latency_of(room, room.p50_ns),
        latency_of(room, room.max_ns),
        latency_of(&run.latency.delivery, run.latency.delivery.p50_ns),
        cost.map_or("-".to_string(), |ns| time(ns as u64)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::rooms_table;
    use crate::results::rung::Rung;
    use crate::summarise::verdict;

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
            for table in [rooms_table::text(&[rung(&runs)]), rooms_table::markdown(&[rung(&runs)], "")] {
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
        for text in [rooms_table::text(&[rung(&good)]), block(&good), run_line(&good[0], 1)] {
            assert!(!text.contains('!'), "{text}");
        }
        assert!(rooms_table::markdown(&[rung(&good)], "").contains("2 of 2 good"));
    }

    #[test]
    fn a_slowed_run_says_so_and_what_to_do_in_its_first_line_and_only_there() {
        let mut run = run(false, true);
        run.proof.publishers_slowed = 1;
        run.proof.notices = vec!["! slow down: your lines are delayed, not lost".to_string()];
        run.reasons = verdict::reasons(&run);
        let text = block(&[run]);
        let first = text.lines().next().unwrap();
        assert!(first.starts_with("INVALID: the server slows") && first.contains("--flood-rate 0"), "{text}");
        assert!(!text.contains("the server said"), "{text}");
    }
}
