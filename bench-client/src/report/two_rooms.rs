//! What is drawn from a few beside a large room: the table of their latencies, and how far they are apart.

use std::fmt::Write;
use std::path::Path;

use comfy_table::{CellAlignment, Table};

use crate::error::Result;
use crate::figures::{MARK_MEANS, figure, good_of, latency, marked, median, problem_counts, range};
use crate::files::write_file;
use crate::quantities::{count, rate, time};
use crate::report::layout::{self, align_right};
use crate::results::folder;
use crate::results::summary::Summary;
use crate::results::two_rooms::{self, Round};

/// Makes the tables of `folder` from its rounds, and returns the one for the terminal.
pub fn draw(folder: &Path) -> Result<String> {
    let rounds = two_rooms::read(folder)?;
    let mut table = tabulate(&rounds);
    let text = format!("{}\n{}", layout::plain(&mut table), large_rooms(&rounds));
    let environment = folder::environment_of(folder)?;
    let markdown = format!(
        "{}\n\n{}\nMedians of the rounds, and the range of the rounds. Delivery: from the due time of a line until a member has it. \
         Until the kernel has it: the part of that which is the server's, by the kernel's stamps. Difference: of the medians, and the \
         range of the rounds' differences. {MARK_MEANS} Client and server on one machine, over loopback: {environment}.\n",
        layout::markdown(&mut table),
        large_rooms(&rounds),
    );
    write_file(&folder.join("table.md"), markdown.as_bytes())?;
    write_file(&folder.join(folder::SHORT), format!("{}\n", layout::markdown(&mut table)).as_bytes())?;
    Ok(text)
}

/// The servers, in the order in which they were measured, each with its rounds.
fn servers(rounds: &[Round]) -> Vec<(&str, Vec<&Round>)> {
    let mut servers: Vec<(&str, Vec<&Round>)> = Vec::new();
    for round in rounds {
        match servers.iter_mut().find(|(server, _)| *server == round.server) {
            Some((_, rounds)) => rounds.push(round),
            None => servers.push((&round.server, vec![round])),
        }
    }
    servers
}

fn runs(rounds: &[&Round], of: fn(&Round) -> &Summary) -> Vec<Summary> {
    rounds.iter().map(|round| of(round).clone()).collect()
}

fn tabulate(rounds: &[Round]) -> Table {
    let mut table = Table::new();
    table.set_header([
        "server",
        "the few",
        "delivery p50",
        "delivery p99",
        "rounds: min..max",
        "max",
        "until the kernel has it p99",
        "lost, dup., order",
        "runs",
    ]);
    for (server, rounds) in servers(rounds) {
        let first = rounds[0];
        let few = count(first.beside.room.members);
        let many = count(first.many.room.members);
        let (alone, beside) = (runs(&rounds, |round| &round.alone), runs(&rounds, |round| &round.beside));
        for (case, runs) in [(format!("{few} alone"), &alone), (format!("{few} beside {many}"), &beside)] {
            let delivery =
                |of: fn(&Summary) -> Option<u64>| marked(runs, latency(runs, |run| (&run.latency.delivery, of(run))));
            table.add_row([
                server.to_string(),
                case,
                delivery(|run| run.latency.delivery.p50_ns),
                delivery(p99_ns),
                marked(runs, range(runs.iter().map(p99_ns))),
                delivery(|run| run.latency.delivery.max_ns),
                marked(runs, latency(runs, |run| (&run.latency.kernel_has_it, run.latency.kernel_has_it.p99_ns))),
                problem_counts(runs),
                good_of(runs),
            ]);
        }
        let [middle, spread] = difference(&rounds);
        let all = [alone, beside].concat();
        let mut row = vec![server.to_string(), "difference".to_string(), String::new()];
        row.extend([marked(&all, middle), marked(&all, spread)]);
        table.add_row(row);
    }
    align_right(&mut table);
    for column in [1, 8] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }
    table
}

fn p99_ns(run: &Summary) -> Option<u64> {
    run.latency.delivery.p99_ns
}

/// How much later the few have 99 % of their deliveries beside the large room: of the medians, and the range of the rounds.
fn difference(rounds: &[&Round]) -> [String; 2] {
    let of = |of: fn(&Round) -> &Summary| -> Option<Vec<i64>> {
        rounds.iter().map(|round| p99_ns(of(round)).map(|ns| ns as i64)).collect()
    };
    let (Some(alone), Some(beside)) = (of(|round| &round.alone), of(|round| &round.beside)) else {
        return ["-".to_string(), "-".to_string()];
    };
    let middle = |values: &[i64]| median(values.iter().copied()).unwrap_or(0);
    let differences = || alone.iter().zip(&beside).map(|(alone, beside)| beside - alone);
    let (least, largest) = (differences().min().unwrap_or(0), differences().max().unwrap_or(0));
    [signed(middle(&beside) - middle(&alone)), format!("{}..{}", signed(least), signed(largest))]
}

fn signed(ns: i64) -> String {
    format!("{}{}", if ns < 0 { "-" } else { "" }, time(ns.unsigned_abs()))
}

/// What the large room heard meanwhile, a line a server.
fn large_rooms(rounds: &[Round]) -> String {
    let mut text = String::new();
    for (server, rounds) in servers(rounds) {
        let many = runs(&rounds, |round| &round.many);
        let deliveries = figure(&many, |run| Some(run.sent.deliveries_per_s)).unwrap_or(0.0);
        let lines = figure(&many, |run| Some(run.sent.rate_per_s)).unwrap_or(0.0);
        let share = figure(&many, |run| Some(run.server.as_ref()?.cpu_share)).unwrap_or(0.0);
        let _ = writeln!(
            text,
            "{server}: the room of {} heard {} lines/s, {} deliveries/s, delivery p99 {}; server {:.0} % of a core; {}",
            count(rounds[0].many.room.members),
            marked(&many, rate(lines)),
            marked(&many, rate(deliveries)),
            marked(&many, latency(&many, |run| (&run.latency.delivery, p99_ns(run)))),
            share * 100.0,
            good_of(&many),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(number: u32, alone_ns: u64, beside_ns: u64) -> Round {
        let run = |members, p99_ns| {
            let mut run = Summary { valid: true, clean: true, ..Summary::default() };
            run.room.members = members;
            run.latency.delivery.p99_ns = Some(p99_ns);
            run
        };
        Round {
            server: "uproar".to_string(),
            round: number,
            alone: run(5, alone_ns),
            beside: run(5, beside_ns),
            many: run(19_000, 90_000_000),
        }
    }

    #[test]
    fn both_latencies_and_their_difference_stand_in_the_table() {
        let rounds = [round(1, 200_000, 1_200_000), round(2, 300_000, 1_100_000), round(3, 250_000, 1_300_000)];
        let text = format!("{}\n{}", tabulate(&rounds), large_rooms(&rounds));
        for figure in ["5 alone", "5 beside 19,000", "250 us", "200 us..300 us", "1.20 ms", "1.10 ms..1.30 ms"] {
            assert!(text.contains(figure), "{figure}: {text}");
        }
        // Of the medians 950 us; round by round 1,000, 800 and 1,050 us.
        assert!(text.contains("950 us") && text.contains("800 us..1.05 ms"), "{text}");
        assert!(text.contains("the room of 19,000 heard") && !text.contains('!'), "{text}");
    }

    #[test]
    fn a_difference_of_runs_that_are_not_good_is_marked() {
        let mut rounds = [round(1, 300_000, 200_000), round(2, 300_000, 200_000)];
        rounds[0].beside.valid = false;
        let text = tabulate(&rounds).to_string();
        assert!(text.contains("-100 us !") && text.contains("INVALID: 1 of 2 good"), "{text}");
        rounds[1].alone.latency.delivery.p99_ns = None;
        assert_eq!(difference(&rounds.iter().collect::<Vec<_>>()), ["-", "-"]);
    }
}
