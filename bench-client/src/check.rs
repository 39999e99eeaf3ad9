//! The `check` command: two sweeps compared, room by room, in ratios of medians.
//!
//! An absolute time drifts with the machine, and so does a ratio of two sweeps that were not made together. A figure is
//! therefore called worse, or better, only when its median moved by more than the ratio asked for and the runs of the two do not
//! overlap; everything else is within the spread.

use std::fmt::Write;

use comfy_table::{Table, presets};

use crate::cli::CheckArgs;
use crate::error::{Error, Result, exit};
use crate::report::summary::Summary;
use crate::report::table::{align_right, count, median};
use crate::sweep::{Rung, folder};

type Figure = fn(&Summary) -> Option<f64>;

/// What is compared; less is better in all of them.
const FIGURES: [(&str, Figure); 4] = [
    ("room p50", |run| run.latency.room.p50_ns.map(|ns| ns as f64)),
    ("delivery p50", |run| run.latency.delivery.p50_ns.map(|ns| ns as f64)),
    ("delivery p99", |run| run.latency.delivery.p99_ns.map(|ns| ns as f64)),
    ("CPU a delivery", |run| run.server.as_ref()?.cpu_per_delivery_ns),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Better,
    Worse,
    WithinSpread,
}

/// Compares the two; returns the exit code.
pub fn command(arguments: &CheckArgs) -> Result<u8> {
    let (before, after) = (folder::load(&arguments.before)?, folder::load(&arguments.after)?);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["members", "server"].into_iter().chain(FIGURES.map(|(name, _)| name)));
    let (mut compared, mut worse) = (0, 0);
    for new in &after {
        let old = before.iter().find(|old| (old.members, &old.server) == (new.members, &new.server));
        let Some(old) = old else { continue };
        let mut row = vec![count(new.members), new.server.clone()];
        for (_, figure) in FIGURES {
            let compared_to = compare(old, new, figure, arguments.worse);
            compared += usize::from(compared_to.is_some());
            worse += usize::from(compared_to.is_some_and(|(_, verdict)| verdict == Verdict::Worse));
            row.push(cell(compared_to));
        }
        table.add_row(row);
    }
    if compared == 0 {
        return Err(Error::new("the two have no room in common that both measured"));
    }
    align_right(&mut table);
    println!("{}", table.trim_fmt());
    println!(
        "\nafter / before, of medians; nothing said: within the spread of the runs, or less than {} apart",
        arguments.worse
    );
    Ok(if worse > 0 { exit::UNEXPECTED } else { exit::GOOD })
}

fn compare(old: &Rung, new: &Rung, figure: Figure, ratio_max: f64) -> Option<(f64, Verdict)> {
    let values = |rung: &Rung| rung.runs.iter().filter_map(figure).collect::<Vec<f64>>();
    judge(&values(old), &values(new), ratio_max)
}

/// The ratio of the medians of `new` and `old`, and what it says.
fn judge(old: &[f64], new: &[f64], ratio_max: f64) -> Option<(f64, Verdict)> {
    let ratio = median(new.iter().copied())? / median(old.iter().copied())?;
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let verdict = if ratio > ratio_max && least(new) > largest(old) {
        Verdict::Worse
    } else if ratio < 1.0 / ratio_max && largest(new) < least(old) {
        Verdict::Better
    } else {
        Verdict::WithinSpread
    };
    Some((ratio, verdict))
}

fn cell(compared: Option<(f64, Verdict)>) -> String {
    let Some((ratio, verdict)) = compared else { return "-".to_string() };
    let mut text = format!("{ratio:.2}");
    let _ = match verdict {
        Verdict::Better => write!(text, " better"),
        Verdict::Worse => write!(text, " WORSE"),
        Verdict::WithinSpread => Ok(()),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_moves_beyond_the_spread_is_judged() {
        type Case = (&'static [f64], &'static [f64], Option<(f64, Verdict)>);
        let cases: [Case; 6] = [
            (&[10.0, 11.0, 12.0], &[20.0, 22.0, 24.0], Some((2.0, Verdict::Worse))),
            (&[10.0, 11.0, 12.0], &[5.0, 5.5, 6.0], Some((0.5, Verdict::Better))),
            (&[10.0, 10.0, 30.0], &[20.0, 20.0, 20.0], Some((2.0, Verdict::WithinSpread))),
            (&[10.0, 10.0, 10.0], &[10.5, 10.5, 10.5], Some((1.05, Verdict::WithinSpread))),
            (&[], &[1.0], None),
            (&[1.0], &[], None),
        ];
        for (old, new, expected) in cases {
            assert_eq!(judge(old, new, 1.1), expected, "{old:?} {new:?}");
        }
        assert_eq!(cell(Some((1.5, Verdict::Worse))), "1.50 WORSE");
    }
}
