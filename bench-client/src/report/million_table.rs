//! The tables of a sweep up to a million members: for the terminal, for `table.md`, and the short one of a document.

use std::fmt::Write;

use comfy_table::Table;

use crate::figures::{MARK_MEANS, figure, latency, number};
use crate::quantities::{bytes, count, rate, time};
use crate::ready_line;
use crate::report::layout::{self, align_right};
use crate::report::rung_columns::{Column, cell, tabulate};
use crate::results::rung::Rung;
use crate::results::summary::{SendCost, Summary};

const COLUMNS: [Column; 10] = [
    ("descriptors", true, descriptors),
    ("half of the room", false, |runs| latency(runs, |run| (&run.latency.room_50, run.latency.room_50.p50_ns))),
    ("whole room", true, whole_room),
    ("quickest..slowest line", true, range_of_lines),
    ("CPU a delivery", true, |runs| number(runs, |run| run.server.as_ref()?.cpu_per_delivery_ns, |ns| time(ns as u64))),
    ("over the floor", true, over_the_floor),
    ("whole room over N sends", false, over_sends),
    ("memory a member", true, user_memory),
    ("kernel memory", false, kernel_memory),
    ("joins/s", false, |runs| number(runs, |run| Some(run.connect.rate_per_s), rate)),
];
/// Servers that the short table has room for.
const SERVERS_MAX: usize = 3;

fn whole_room(runs: &[Summary]) -> String {
    latency(runs, |run| (&run.latency.room, run.latency.room.p50_ns))
}

fn descriptors(runs: &[Summary]) -> String {
    let mut kinds = runs.iter().filter_map(|run| run.server_ready_line.as_deref()).map(ready_line::descriptors);
    let Some(kind) = kinds.next_back() else { return "-".to_string() };
    let open = figure(runs, |run| Some(run.server.as_ref()?.descriptors? as f64));
    open.map_or(kind.name().to_string(), |open| format!("{}, {} open", kind.name(), count(open as u64)))
}

/// The least and the largest time that a line of any run took.
fn range_of_lines(runs: &[Summary]) -> String {
    let least = runs.iter().filter_map(|run| run.latency.room.min_ns).min();
    let largest = runs.iter().filter_map(|run| run.latency.room.max_ns).max();
    match (least, largest) {
        (Some(least), Some(largest)) => format!("{}..{}", time(least), time(largest)),
        _ => "-".to_string(),
    }
}

/// What the server's delivery costs over a send of the floor: through a ring, or where there is none a plain one.
fn over_the_floor(runs: &[Summary]) -> String {
    number(runs, |run| run.floor.as_ref()?.ratio_to_uring.or(run.floor.as_ref()?.ratio_to_send), two_digits)
}

/// How long the whole room takes over how long the floor takes to send to each.
fn over_sends(runs: &[Summary]) -> String {
    let ratio = |run: &Summary| {
        let floor = run.floor.as_ref()?;
        let cost: SendCost = floor.uring.or(floor.send)?;
        Some(run.latency.room.p50_ns? as f64 / cost.pass?.wall_median_ns)
    };
    number(runs, ratio, two_digits)
}

fn two_digits(ratio: f64) -> String {
    format!("{ratio:.2}")
}

fn user_memory(runs: &[Summary]) -> String {
    number(runs, |run| Some(run.server.as_ref()?.memory_per_member_bytes), bytes)
}

/// A member's share of what the kernel's slabs grew by, for both ends of its connection.
fn kernel_memory(runs: &[Summary]) -> String {
    number(runs, |run| Some(run.kernel.slab_per_member_bytes).filter(|bytes| *bytes > 0.0), bytes)
}

/// For the terminal: the columns that fit there.
pub fn text(rungs: &[Rung]) -> String {
    let mut table = tabulate(&COLUMNS, rungs, |(_, on_terminal, _)| *on_terminal);
    format!("{}\n", layout::plain(&mut table))
}

/// `table.md`: all columns, what their words mean, and where it was measured. `limit` is how many descriptors a process could have.
pub fn markdown(rungs: &[Rung], limit: Option<u64>, environment: &str) -> String {
    let mut table = tabulate(&COLUMNS, rungs, |_| true);
    let mut text = format!("{}\n\n{}\n", sentence(rungs, limit), layout::markdown(&mut table));
    let _ = write!(
        text,
        "\nMedians of the runs, never pooled; in rooms that were measured once, of its lines. Half of the room, whole room: from \
         the due time of a line until so many members have it; quickest and slowest are of all lines of all runs. Over the floor: \
         the server's processor time of a delivery over that of a send through a ring, 64 an enter, to as many sockets in the \
         same kind of descriptors, by a process that does nothing else. Over N sends: the same of the time that passes until each \
         has been sent to. Memory is the server's user memory a member, kernel \
         memory that of both ends of a connection; `-`: not measured. {} {MARK_MEANS} Client and server on one machine, over loopback: \
         {environment}.\n",
        ends(rungs),
    );
    text
}

/// What a document shows: a sentence, and a row a room of the first server.
pub fn short(rungs: &[Rung], limit: Option<u64>) -> String {
    let servers = servers(rungs);
    let Some(first) = servers.first() else { return String::new() };
    let mut table = Table::new();
    let mut headings = vec!["members".to_string(), format!("whole room, {first}")];
    headings.extend(servers.iter().take(SERVERS_MAX).skip(1).map(ToString::to_string));
    headings.extend(["over the floor", "memory a member"].map(|heading| format!("{heading}, {first}")));
    table.set_header(headings);
    for rung in rungs.iter().filter(|rung| rung.server == *first) {
        let runs = |server: &str| {
            let of_server = rungs.iter().find(|other| other.members == rung.members && other.server == server);
            of_server.map_or(&[][..], |rung| &rung.runs)
        };
        let mut row = vec![count(rung.members)];
        row.extend(servers.iter().take(SERVERS_MAX).map(|server| cell(runs(server), whole_room)));
        row.extend([cell(&rung.runs, over_the_floor), cell(&rung.runs, user_memory)]);
        table.add_row(row);
    }
    align_right(&mut table);
    let mark = if rungs.iter().flat_map(|rung| &rung.runs).all(Summary::is_good) { "" } else { MARK_MEANS };
    let meaning = format!("From when a line is due until every member has it; medians. {} {mark}", ends(rungs));
    format!("{}\n\n{}\n\n{}\n", sentence(rungs, limit), layout::markdown(&mut table), meaning.trim_end())
}

/// Servers that were measured, in their order.
fn servers(rungs: &[Rung]) -> Vec<&str> {
    let mut servers: Vec<&str> = Vec::new();
    for rung in rungs.iter().filter(|rung| !rung.runs.is_empty()) {
        if !servers.contains(&rung.server.as_str()) {
            servers.push(&rung.server);
        }
    }
    servers
}

/// The largest room of a server that was measured.
fn largest<'a>(rungs: &'a [Rung], server: &str) -> Option<&'a Rung> {
    let measured = rungs.iter().filter(|rung| rung.server == server && !rung.runs.is_empty());
    measured.max_by_key(|rung| rung.members)
}

/// What the largest room of all says, in a sentence; empty when nothing was measured.
fn sentence(rungs: &[Rung], limit: Option<u64>) -> String {
    // Of several that hold as many, the first.
    let all = servers(rungs).into_iter().rev().filter_map(|server| largest(rungs, server));
    let Some(rung) = all.max_by_key(|rung| rung.members) else { return String::new() };
    let half = figure(&rung.runs, |run| run.latency.room_50.p50_ns.map(|ns| ns as f64));
    let half = half.map_or(String::new(), |ns| format!(", and half of them after {}", time(ns as u64)));
    let proof = match rung.runs.iter().all(Summary::is_good) {
        true => ", nothing lost, repeated or out of order",
        false => "; the run is INVALID or NOT CLEAN and not to be quoted",
    };
    let limit = match limit {
        Some(limit) if limit < rung.members => format!(", in a process that may have {} descriptors", count(limit)),
        _ => String::new(),
    };
    format!(
        "One thread with {} holds a room of {} members{limit}: all have a line {} after it was due{half}{proof}.",
        rung.server,
        count(rung.members),
        whole_room(&rung.runs),
    )
}

/// Where servers end: `select was measured up to 992 members, epoll up to 19,968.`
fn ends(rungs: &[Rung]) -> String {
    let all = servers(rungs);
    let most = all.iter().filter_map(|server| largest(rungs, server)).map(|rung| rung.members).max();
    let ended = all.iter().filter_map(|server| largest(rungs, server)).filter(|rung| Some(rung.members) != most);
    let parts: Vec<String> =
        ended.map(|rung| format!("{} ends at {} members", rung.server, count(rung.members))).collect();
    if parts.is_empty() { String::new() } else { format!("{}.", parts.join(", ")) }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::results::summary::{ConnectPart, PassTime, ServerPart};

    /// Room, microseconds until a whole small room has a line, and the kind of descriptors.
    const ROOMS: [(u64, f64); 9] = [
        (100, 0.5),
        (1_000, 5.5),
        (10_000, 65.0),
        (19_000, 152.0),
        (50_000, 470.0),
        (100_000, 1_050.0),
        (250_000, 2_900.0),
        (500_000, 6_100.0),
        (1_000_000, 12_900.0),
    ];

    fn run(server: &str, members: u64, ms: f64) -> Summary {
        let mut run = Summary { valid: true, clean: true, server_name: server.to_string(), ..Summary::default() };
        let tables = if members > 19_968 { ", 50 tables" } else { "" };
        run.server_ready_line = Some(format!("uproar: listening on :1 ({server}{tables}, up to 9 members)"));
        let ns = (ms * 1e6) as u64;
        let room = &mut run.latency.room;
        (room.samples, room.min_ns, room.p50_ns, room.max_ns) = (20, Some(ns * 9 / 10), Some(ns), Some(ns * 14 / 10));
        (run.latency.room_50.samples, run.latency.room_50.p50_ns) = (20, Some(ns / 2));
        let cost = 4000.0 + 1500.0 * (members as f64).log10();
        run.server = Some(ServerPart {
            cpu_per_delivery_ns: Some(cost),
            memory_per_member_bytes: 172.0,
            descriptors: Some(if members > 19_968 { 60 } else { members + 9 }),
            ..ServerPart::default()
        });
        run.connect = ConnectPart { rate_per_s: 18_500.0, ..ConnectPart::default() };
        run.kernel.slab_per_member_bytes = 6100.0;
        run.room.members = members;
        run.room.line_bytes = 64;
        run.client.pinned = true;
        (run.plan.window_s, run.sent.deliveries_planned_per_s) = (10.0, 50_000.0);
        let pass = PassTime { wall_median_ns: ns as f64 / 1.04, ..PassTime::default() };
        let send = SendCost { passes: 3, mean_ns: cost / 1.02, pass: Some(pass), ..SendCost::default() };
        run.set_floor((members < 20_000).then_some(send), Some(send));
        run
    }

    fn rung(server: &str, members: u64, ms: f64) -> Rung {
        let repeat = if members < 250_000 { 3 } else { 1 };
        Rung { runs: vec![run(server, members, ms); repeat], ..Rung::new(server, members) }
    }

    /// A sweep as it should come out: io_uring at each size, the others until they end.
    pub fn rungs() -> Vec<Rung> {
        let mut rungs = Vec::new();
        for (members, ms) in ROOMS {
            if members == 1_000 {
                rungs.push(rung("select", 992, 6.1));
                rungs.push(Rung::not_run("select", 1_000, "it ends at 992 members".to_string()));
            }
            if members == 50_000 {
                rungs.push(rung("epoll", 19_968, 168.0));
                rungs.push(Rung::not_run("epoll", 50_000, "it ends at 19,968 members".to_string()));
            }
            rungs.push(rung("uring", members, ms));
            if members < 20_000 {
                rungs.push(rung("epoll", members, ms * 1.06));
            }
            if members < 992 {
                rungs.push(rung("select", members, ms * 1.1));
            }
        }
        rungs
    }

    #[test]
    fn the_table_has_a_row_a_room_and_says_where_servers_end() {
        let text = markdown(&rungs(), Some(20_000), "AMD EPYC");
        let row = text.lines().find(|line| line.starts_with("| 1,000,000")).unwrap();
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let expected =
            ["1,000,000", "uring", "direct, 60 open", "6.45 s", "12.9 s", "11.6 s..18.1 s", "13.0 us", "1.02", "1.04"];
        assert_eq!(cells[..9], expected, "{row}");
        assert_eq!(cells[9..], ["172 B", "5.96 KiB", "18,500", "1 of 1 good"], "{row}");
        assert!(text.contains("not run: it ends at 992 members") && text.contains(" normal, 10,009 open |"), "{text}");
        assert!(text.contains("select ends at 992 members") && text.contains("AMD EPYC"), "{text}");
        assert!(super::text(&rungs()).contains("12.9 s"));
    }

    #[test]
    fn the_short_table_is_small_and_its_figures_stand_in_the_long_one() {
        let text = short(&rungs(), Some(20_000));
        for row in text.lines().filter(|line| line.starts_with('|')) {
            assert!(row.chars().count() <= 120 && row.matches('|').count() <= 7, "{row}");
        }
        let row = text.lines().find(|line| line.contains("| 10,000 ")).unwrap();
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells, ["10,000", "65.0 ms", "68.9 ms", "-", "1.02", "172 B"]);
        let sentence = text.lines().next().unwrap();
        assert_eq!(
            sentence,
            "One thread with uring holds a room of 1,000,000 members, in a process that may have 20,000 descriptors: all have a \
             line 12.9 s after it was due, and half of them after 6.45 s, nothing lost, repeated or out of order."
        );
        let long = markdown(&rungs(), Some(20_000), "");
        assert!(long.contains(sentence) && long.contains("epoll ends at 19,968 members"), "{long}");
        assert!(text.contains("select ends at 992 members"), "{text}");
        let small: Vec<Rung> = rungs().into_iter().filter(|rung| rung.members <= 100).collect();
        assert!(short(&small, Some(20_000)).starts_with("One thread with uring holds a room of 100 members: all"));
        assert_eq!(short(&[], None), "");
    }

    #[test]
    fn a_run_that_is_not_good_is_not_praised() {
        let mut rungs = rungs();
        rungs.last_mut().unwrap().runs[0].clean = false;
        let text = short(&rungs, Some(20_000));
        assert!(text.contains("not to be quoted") && text.contains("12.9 s !") && text.contains("`!`"), "{text}");
        assert!(!text.contains("nothing lost"), "{text}");
    }
}
