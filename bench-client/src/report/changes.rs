//! Two folders of rooms compared, room by room, in ratios of medians.
//!
//! An absolute time drifts with the machine, and so does a ratio of two folders that were not measured together. A figure is
//! therefore called worse, or better, only when its median moved by more than the ratio asked for and the runs of the two do not
//! overlap; everything else is within the spread.

use std::fmt::Write;

use comfy_table::Table;

use crate::figures::median;
use crate::quantities::count;
use crate::report::layout::{self, align_right};
use crate::results::rung::Rung;
use crate::results::summary::Summary;

type Figure = fn(&Summary) -> Option<f64>;

/// What is compared; less is better in all of them.
const FIGURES: [(&str, Figure); 4] = [
    ("room p50", |run| run.latency.room.p50_ns.map(|ns| ns as f64)),
    ("delivery p50", |run| run.latency.delivery.p50_ns.map(|ns| ns as f64)),
    ("delivery p99", |run| run.latency.delivery.p99_ns.map(|ns| ns as f64)),
    ("CPU a delivery", |run| run.server.as_ref()?.cpu_per_delivery_ns),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Better,
    Worse,
    WithinSpread,
}

/// What two folders of rooms have in common, room by room.
pub struct Changes {
    /// The ratios as a table.
    pub text: String,
    /// Figures that both measured.
    pub compared: usize,
    /// Those that are worse.
    pub worse: usize,
}

/// Compares `after` with `before`; a figure changed when its median moved by more than `ratio_max`.
pub fn compare(before: &[Rung], after: &[Rung], ratio_max: f64) -> Changes {
    let mut table = Table::new();
    table.set_header(["members", "server"].into_iter().chain(FIGURES.map(|(name, _)| name)));
    let (mut compared, mut worse) = (0, 0);
    for new in after {
        let old = before.iter().find(|old| (old.members, &old.server) == (new.members, &new.server));
        let Some(old) = old else { continue };
        let mut row = vec![count(new.members), new.server.clone()];
        for (_, figure) in FIGURES {
            let change = change_of(old, new, figure, ratio_max);
            compared += usize::from(change.is_some());
            worse += usize::from(change.is_some_and(|(_, change)| change == Change::Worse));
            row.push(cell(change));
        }
        table.add_row(row);
    }
    align_right(&mut table);
    Changes { text: layout::plain(&mut table), compared, worse }
}

fn change_of(old: &Rung, new: &Rung, figure: Figure, ratio_max: f64) -> Option<(f64, Change)> {
    let values = |rung: &Rung| rung.runs.iter().filter_map(figure).collect::<Vec<f64>>();
    judge(&values(old), &values(new), ratio_max)
}

/// The ratio of the medians of `new` and `old`, and what it says.
fn judge(old: &[f64], new: &[f64], ratio_max: f64) -> Option<(f64, Change)> {
    let ratio = median(new.iter().copied())? / median(old.iter().copied())?;
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let change = if ratio > ratio_max && least(new) > largest(old) {
        Change::Worse
    } else if ratio < 1.0 / ratio_max && largest(new) < least(old) {
        Change::Better
    } else {
        Change::WithinSpread
    };
    Some((ratio, change))
}

fn cell(compared: Option<(f64, Change)>) -> String {
    let Some((ratio, change)) = compared else { return "-".to_string() };
    let mut text = format!("{ratio:.2}");
    let _ = match change {
        Change::Better => write!(text, " better"),
        Change::Worse => write!(text, " WORSE"),
        Change::WithinSpread => Ok(()),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_moves_beyond_the_spread_is_judged() {
        type Case = (&'static [f64], &'static [f64], Option<(f64, Change)>);
        let cases: [Case; 6] = [
            (&[10.0, 11.0, 12.0], &[20.0, 22.0, 24.0], Some((2.0, Change::Worse))),
            (&[10.0, 11.0, 12.0], &[5.0, 5.5, 6.0], Some((0.5, Change::Better))),
            (&[10.0, 10.0, 30.0], &[20.0, 20.0, 20.0], Some((2.0, Change::WithinSpread))),
            (&[10.0, 10.0, 10.0], &[10.5, 10.5, 10.5], Some((1.05, Change::WithinSpread))),
            (&[], &[1.0], None),
            (&[1.0], &[], None),
        ];
        for (old, new, expected) in cases {
            assert_eq!(judge(old, new, 1.1), expected, "{old:?} {new:?}");
        }
        assert_eq!(cell(Some((1.5, Change::Worse))), "1.50 WORSE");
    }
}
