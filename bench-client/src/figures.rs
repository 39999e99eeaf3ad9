//! One figure of several runs: their median, their range, and what a reader must be told of it.
//!
//! Over several runs every figure is the median of the runs' figures, with the least and the largest beside it; runs are
//! never pooled, because a mean over restarts hides what a restart changes.

use std::fmt::Write;

use crate::quantities::time;
use crate::results::rung::Rung;
use crate::results::summary::{Quantiles, Summary};

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

/// The least and the largest, if all are known.
pub fn range(values: impl Iterator<Item = Option<u64>>) -> String {
    let Some(values) = values.collect::<Option<Vec<u64>>>() else { return "-".to_string() };
    match (values.iter().min(), values.iter().max()) {
        (Some(least), Some(largest)) => format!("{}..{}", time(*least), time(*largest)),
        _ => "-".to_string(),
    }
}

/// A latency of one run, written.
pub fn latency_of(quantiles: &Quantiles, value: Option<u64>) -> String {
    match value {
        None => "-".to_string(),
        Some(value) => format!("{}{}", if quantiles.is_at_least(value) { ">= " } else { "" }, time(value)),
    }
}

/// A figure over all runs, written by `show`; `-` if any run lacks it.
pub fn number(runs: &[Summary], of: fn(&Summary) -> Option<f64>, show: fn(f64) -> String) -> String {
    figure(runs, of).map_or("-".to_string(), show)
}

/// What was lost, repeated or out of order, all runs together.
pub fn problem_counts(runs: &[Summary]) -> String {
    let total = |of: fn(&Summary) -> u64| runs.iter().map(of).sum::<u64>();
    let (lost, duplicate) = (total(|run| run.proof.lost), total(|run| run.proof.duplicate));
    format!("{lost}, {duplicate}, {}", total(|run| run.proof.out_of_order))
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
pub fn state(runs: &[Summary]) -> &'static str {
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

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median([3, 1, 2]), Some(2));
        assert_eq!(median([4, 1, 2, 3]), Some(2));
        assert_eq!(median(Vec::<u64>::new()), None);
        assert_eq!(range([Some(1), Some(3_000)].into_iter()), "1 ns..3.00 us");
        assert_eq!(range([Some(1), None].into_iter()), "-");
    }
}
