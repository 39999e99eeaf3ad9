//! What is drawn from a node beside the same server alone: the table of their latencies, and how far they are apart.

use std::path::Path;

use comfy_table::{CellAlignment, Table};

use crate::error::Result;
use crate::figures::{MARK_MEANS, good_of, latency, marked, median, number, problem_counts, range};
use crate::files::write_file;
use crate::quantities::{count, rate, time};
use crate::report::layout::{self, align_right};
use crate::results::cluster_cost::{self, Round, differences_ns};
use crate::results::folder;
use crate::results::summary::Summary;

/// Makes the table of `folder` from its rounds, and returns the one for the terminal.
pub fn draw(folder: &Path) -> Result<String> {
    let rounds = cluster_cost::read(folder)?;
    let mut table = tabulate(&rounds);
    let text = format!("{}\n", layout::plain(&mut table));
    let environment = folder::environment_of(folder)?;
    let commands: Vec<String> = rounds
        .first()
        .iter()
        .flat_map(|round| [&round.alone, &round.node])
        .filter_map(|run| Some(format!("`{}`", run.server_command.as_ref()?)))
        .collect();
    let markdown = format!(
        "{}\n\nMedians of the rounds, and the range of the rounds. Whole room: from the due time of a line until the last member has it. \
         Difference: the median of the rounds' differences, and their range. The server as a node has a stream of its own, which is \
         started anew for each run. {MARK_MEANS} {}. Client and server on one machine, over loopback: {environment}.\n",
        layout::markdown(&mut table),
        commands.join(" and "),
    );
    write_file(&folder.join("table.md"), markdown.as_bytes())?;
    write_file(&folder.join(folder::SHORT), format!("{}\n", layout::markdown(&mut table)).as_bytes())?;
    Ok(text)
}

fn tabulate(rounds: &[Round]) -> Table {
    let mut table = Table::new();
    table.set_header([
        "server",
        "members",
        "lines/s",
        "whole room p50",
        "rounds: min..max",
        "whole room p99",
        "each delivery p50",
        "server, of a core",
        "lost, dup., order",
        "runs",
    ]);
    let runs = |of: fn(&Round) -> &Summary| rounds.iter().map(|round| of(round).clone()).collect::<Vec<Summary>>();
    let (alone, node) = (runs(|round| &round.alone), runs(|round| &round.node));
    for (name, runs) in [("alone", &alone), ("as a node", &node)] {
        let room = |of: fn(&Summary) -> Option<u64>| marked(runs, latency(runs, |run| (&run.latency.room, of(run))));
        let members = runs.first().map_or(0, |run| run.room.members);
        table.add_row([
            name.to_string(),
            count(members),
            marked(runs, number(runs, |run| Some(run.sent.rate_per_s), rate)),
            room(|run| run.latency.room.p50_ns),
            marked(runs, range(runs.iter().map(|run| run.latency.room.p50_ns))),
            room(|run| run.latency.room.p99_ns),
            marked(runs, latency(runs, |run| (&run.latency.delivery, run.latency.delivery.p50_ns))),
            number(runs, |run| Some(run.server.as_ref()?.cpu_share), |share| format!("{:.1} %", share * 100.0)),
            problem_counts(runs),
            good_of(runs),
        ]);
    }
    let differences = differences_ns(rounds);
    let both = [alone, node].concat();
    let middle = median(differences.iter().copied()).map_or("-".to_string(), signed);
    let spread = match (differences.iter().min(), differences.iter().max()) {
        (Some(least), Some(largest)) => format!("{}..{}", signed(*least), signed(*largest)),
        _ => "-".to_string(),
    };
    let mut row = vec!["difference".to_string(), String::new(), String::new()];
    row.extend([marked(&both, middle), marked(&both, spread)]);
    table.add_row(row);
    align_right(&mut table);
    if let Some(column) = table.column_mut(9) {
        column.set_cell_alignment(CellAlignment::Left);
    }
    table
}

fn signed(ns: i64) -> String {
    format!("{}{}", if ns < 0 { "-" } else { "" }, time(ns.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(number: u32, alone_ns: u64, node_ns: u64) -> Round {
        let run = |p50_ns| {
            let mut run = Summary { valid: true, clean: true, ..Summary::default() };
            run.room.members = 1000;
            run.latency.room.p50_ns = Some(p50_ns);
            run
        };
        Round { round: number, alone: run(alone_ns), node: run(node_ns) }
    }

    #[test]
    fn both_medians_and_their_difference_stand_in_the_table() {
        let mut rounds =
            vec![round(1, 3_000_000, 3_900_000), round(2, 3_100_000, 3_800_000), round(3, 2_900_000, 4_400_000)];
        let text = tabulate(&rounds).to_string();
        // Round by round 900, 700 and 1,500 us.
        for figure in ["1,000", "3.00 ms", "3.90 ms", "900 us", "700 us..1.50 ms"] {
            assert!(text.contains(figure), "{figure}: {text}");
        }
        assert!(!text.contains('!'), "{text}");
        rounds[0].node.clean = false;
        assert!(tabulate(&rounds).to_string().contains("900 us !"), "{rounds:?}");
    }
}
