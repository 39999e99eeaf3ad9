//! What is drawn from a headline: its table, its picture, and the sentence that a document quotes.
//!
//! The sentence stands in `table.md` too, so that its figures are those of the runs.

use std::fmt::Write;
use std::path::Path;

use comfy_table::Table;

use crate::error::Result;
use crate::figures::{figure, latency, marked, median, number, problem_counts, range};
use crate::files::write_file;
use crate::quantities::{bytes, count, plural, rate, time};
use crate::report::layout::{self, align_right};
use crate::report::{captions, plot, spectra};
use crate::results::comparison::Ceiling;
use crate::results::summary::{Quantiles, Summary};
use crate::results::{folder, headline};

/// Makes the tables and the picture of `folder` from its runs; returns the table, and the sentence for a document.
pub fn draw(folder: &Path) -> Result<(String, String)> {
    let found = headline::read(folder)?;
    let environment = folder::environment_of(folder)?;
    let sentence = sentence(&found);
    let mut text = format!("{sentence}.\n\n");
    let _ = writeln!(text, "{}\n", layout::markdown(&mut tabulate(&found)));
    let first = &found.runs[0];
    let _ = writeln!(
        text,
        "Medians of {}, each with the server restarted. Deliveries a second are those of the measured lines, from when the \
         first was due to the end of the plan, or to the last delivery if that came later. The highest rate at which all \
         runs kept up: every line delivered to every member, in order, 99 % of the deliveries in less than {}; of rates {} % \
         apart, rounded down to two digits. What ended the search: {}.\n",
        plural(found.runs.len() as u64, "run"),
        time(found.limit_ns),
        (headline::PRECISION * 100.0 - 100.0).round(),
        found.end
    );
    let _ = writeln!(
        text,
        "{} of the members, and no publisher, verify every byte of every line and give the latencies; the others count \
         bytes, which must come to the same.{} Client and server on one machine, over loopback: {environment}.\n",
        count(first.room.verified_members),
        if first.client.pinned { " Server and load generator have a core each." } else { "" }
    );
    if let Some(command) = &first.server_command {
        let _ = writeln!(text, "Started with `{command}`.");
    }
    write_file(&folder.join("table.md"), text.as_bytes())?;
    write_file(&folder.join(folder::SHORT), format!("{sentence}\n").as_bytes())?;
    if let Some(spectrum) = spectra::spectrum(folder, &found.server, found.members, &found.runs)? {
        let runs: Vec<&Summary> = found.runs.iter().collect();
        let load =
            format!("{}, {} lines/s, the run in the middle", captions::load_of(&runs), rate(first.plan.rate_per_s));
        let svg = plot::spectrum(found.members, &[spectrum], &[&environment, &load])?;
        write_file(&folder.join(format!("spectrum_{:07}.svg", found.members)), svg.as_bytes())?;
    }
    Ok((text, sentence))
}

/// What the runs come to, without the full stop.
fn sentence(found: &Ceiling) -> String {
    let runs = &found.runs;
    let first = &runs[0];
    let deliveries = figure(runs, |run| Some(run.sent.deliveries_per_s)).unwrap_or(0.0);
    let core = if first.client.pinned { ", on one core with the load generator on another" } else { "" };
    format!(
        "In a room of {}{core}, {} took {} lines/s of {} bytes and made {} deliveries/s of them, median delivery after {}, \
         99 % within {}, nothing lost, repeated or out of order",
        count(found.members),
        found.server,
        rate(first.plan.rate_per_s),
        first.room.line_bytes,
        millions(deliveries),
        latency(runs, |run| (&run.latency.delivery, run.latency.delivery.p50_ns)),
        latency(runs, |run| (&run.latency.delivery, run.latency.delivery.p99_ns)),
    )
}

/// A large number in words: `54.7 million`.
fn millions(value: f64) -> String {
    if value < 1e6 { count(value.round() as u64) } else { format!("{:.1} million", value / 1e6) }
}

/// A latency of a run, among the quantiles that it is one of.
type Latency = fn(&Summary) -> (&Quantiles, Option<u64>);

/// Rows of latencies: what each is, and where it stands.
const LATENCIES: [(&str, Latency); 5] = [
    ("delivery p50", |run| (&run.latency.delivery, run.latency.delivery.p50_ns)),
    ("delivery p99", |run| (&run.latency.delivery, run.latency.delivery.p99_ns)),
    ("delivery p99.9", |run| (&run.latency.delivery, run.latency.delivery.p99_9_ns)),
    ("whole room p50", |run| (&run.latency.room, run.latency.room.p50_ns)),
    ("whole room p99", |run| (&run.latency.room, run.latency.room.p99_ns)),
];

fn tabulate(found: &Ceiling) -> Table {
    let runs = &found.runs;
    let first = &runs[0];
    let mut table = Table::new();
    table.set_header(["", "median", "runs: min..max"]);
    let span = |of: fn(&Summary) -> f64, show: fn(f64) -> String| {
        let values = || runs.iter().map(of);
        let (least, largest) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        let middle = median(values()).map_or("-".to_string(), show);
        [middle, format!("{}..{}", show(least), show(largest))]
    };
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mut row = |name: &str, [middle, spread]: [String; 2]| {
        table.add_row([name.to_string(), marked(runs, middle), spread]);
    };
    let same = |text: String| [text, String::new()];
    row("members", same(count(found.members)));
    row("publishers", same(count(first.room.publishers)));
    row(
        "bytes of a line, as sent and as received",
        same(format!("{}, {}", first.room.line_bytes, first.room.wire_line_bytes)),
    );
    row("lines/s offered", same(rate(first.plan.rate_per_s)));
    row("lines/s sent in time", span(|run| run.sent.rate_per_s, rate));
    row("deliveries/s", span(|run| run.sent.deliveries_per_s, rate));
    row("counted over", span(|run| run.sent.deliveries_over_s, |seconds| format!("{seconds:.2} s")));
    for (name, of) in LATENCIES {
        row(name, [latency(runs, of), range(runs.iter().map(|run| of(run).1))]);
    }
    let cpu = |run: &Summary| run.server.as_ref()?.cpu_per_delivery_ns;
    let middle = number(runs, cpu, |ns| time(ns as u64));
    row("server CPU a delivery", [middle, range(runs.iter().map(|run| cpu(run).map(|ns| ns as u64)))]);
    row("server CPU, of a core", span(|run| run.server.as_ref().map_or(0.0, |server| server.cpu_share), percent));
    row("load generator CPU, of a core", span(|run| run.client.cpu_share, percent));
    row("memory a member", span(|run| run.server.as_ref().map_or(0.0, |server| server.memory_per_member_bytes), bytes));
    row("lost, duplicate, out of order", same(problem_counts(runs)));
    align_right(&mut table);
    table
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Three runs that held.
    pub fn found() -> Ceiling {
        let run = |deliveries_per_s: f64| {
            let mut run = Summary { valid: true, clean: true, ..Summary::default() };
            (run.room.members, run.room.publishers, run.room.line_bytes, run.room.wire_line_bytes) = (1000, 10, 64, 82);
            (run.plan.rate_per_s, run.plan.window_s, run.client.pinned) = (54_000.0, 10.0, true);
            (run.sent.deliveries_per_s, run.sent.deliveries_over_s) = (deliveries_per_s, 10.02);
            run.latency.delivery.p50_ns = Some(5_400_000);
            run.latency.delivery.p99_ns = Some(18_000_000);
            run
        };
        Ceiling {
            server: "uproar".to_string(),
            members: 1000,
            limit_ns: 100_000_000,
            runs: [53_900_000.0, 53_940_000.0, 53_860_000.0].map(run).to_vec(),
            end: "at 57,000 lines/s: delivery p99 120 ms".to_string(),
        }
    }

    #[test]
    fn the_sentence_and_the_table_say_the_same() {
        let table = tabulate(&found()).to_string();
        assert_eq!(
            sentence(&found()),
            "In a room of 1,000, on one core with the load generator on another, uproar took 54,000 lines/s of 64 bytes and \
             made 53.9 million deliveries/s of them, median delivery after 5.40 ms, 99 % within 18.0 ms, nothing lost, \
             repeated or out of order"
        );
        for figure in ["1,000", "54,000", "53,900,000", "53,860,000..53,940,000", "5.40 ms", "18.0 ms", "10.02 s"] {
            assert!(table.contains(figure), "{figure}: {table}");
        }
    }
}
