//! Expectations on a run: `lost=0,room.p99<250ms`.
//!
//! Each names a figure of the summary, compares it, and either holds or says what it found instead. A quantile without
//! samples enough does not hold: nothing is known of it. Nor does an upper bound on a figure that is only "at least".

use std::fmt;
use std::str::FromStr;

use crate::quantities::time;
use crate::results::summary::{Quantiles, Summary};

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    figure: String,
    comparison: Comparison,
    /// In nanoseconds for a latency.
    bound: f64,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// A figure and whether it is more than that.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Found {
    value: f64,
    at_least: bool,
}

/// Figures that are counts, rates or costs.
const NUMBERS: [&str; 14] = [
    "lost",
    "duplicate",
    "out_of_order",
    "echoed",
    "corrupt",
    "foreign",
    "disconnected",
    "sent",
    "deliveries_per_s",
    "cost_ns",
    "memory_per_member",
    "idle",
    "floor_ratio",
    "signs_missed",
];
/// Figures that are latencies; one of [`MARKS`] follows behind a dot.
const LATENCIES: [&str; 9] =
    ["room", "room_first", "room_50", "room_90", "room_99", "spread", "delivery", "delivery_uncorrected", "lag"];
const MARKS: [&str; 7] = ["min", "p50", "p90", "p99", "p99.9", "p99.99", "max"];

/// Several expectations, separated by commas.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expectations(pub Vec<Expectation>);

impl FromStr for Expectations {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<Vec<Expectation>, String>>().map(Self)
    }
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let comparisons = [
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<", Comparison::Below),
            (">", Comparison::Above),
            ("=", Comparison::Equal),
        ];
        let found = comparisons.iter().find_map(|(sign, comparison)| Some((text.split_once(sign)?, *comparison)));
        let Some(((figure, bound), comparison)) = found else {
            return Err(format!("{text:?} compares nothing; write for example lost=0 or room.p99<250ms"));
        };
        let figure = figure.trim();
        let bound = bound.trim();
        let bound = if NUMBERS.contains(&figure) {
            bound.parse().map_err(|_| format!("{bound:?} in {text:?} is no number"))?
        } else {
            let known =
                figure.split_once('.').is_some_and(|(name, mark)| LATENCIES.contains(&name) && MARKS.contains(&mark));
            if !known {
                return Err(format!(
                    "{figure:?} is no figure; known are {} and {} with {} behind a dot",
                    NUMBERS.join(", "),
                    LATENCIES.join(", "),
                    MARKS.join(", ")
                ));
            }
            let parsed = humantime::parse_duration(bound);
            parsed.map_err(|_| format!("{bound:?} in {text:?} is no time; write for example 250ms"))?.as_nanos() as f64
        };
        Ok(Self { figure: figure.to_string(), comparison, bound, text: text.to_string() })
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expectation {
    /// Whether it holds for `summary`; if not, what was found.
    pub fn check(&self, summary: &Summary) -> Result<(), String> {
        let Some(found) = self.find(summary) else {
            return Err(format!("{self}: not known, {}", self.why_unknown(summary)));
        };
        let Found { value, at_least } = found;
        let holds = match self.comparison {
            Comparison::Equal => value == self.bound && !at_least,
            Comparison::Below => value < self.bound && !at_least,
            Comparison::AtMost => value <= self.bound && !at_least,
            Comparison::Above => value > self.bound,
            Comparison::AtLeast => value >= self.bound,
        };
        if holds {
            return Ok(());
        }
        let shown = if self.figure.contains('.') { time(value as u64) } else { plain(value) };
        Err(format!("{self}: it is {}{shown}", if at_least { "at least " } else { "" }))
    }

    /// True exactly when `summary` has the figure, with samples enough.
    pub fn is_known(&self, summary: &Summary) -> bool {
        self.find(summary).is_some()
    }

    fn find(&self, summary: &Summary) -> Option<Found> {
        let exact = |value: f64| Some(Found { value, at_least: false });
        let server = summary.server.as_ref();
        match self.figure.as_str() {
            "lost" => exact(summary.proof.lost as f64),
            "duplicate" => exact(summary.proof.duplicate as f64),
            "out_of_order" => exact(summary.proof.out_of_order as f64),
            "echoed" => exact(summary.proof.echoed as f64),
            "corrupt" => exact(summary.proof.corrupt as f64),
            "foreign" => exact(summary.proof.foreign as f64),
            "disconnected" => exact(summary.proof.disconnected as f64),
            "sent" => exact(summary.sent.messages_on_plan as f64),
            "deliveries_per_s" => exact(summary.sent.deliveries_per_s),
            "cost_ns" => exact(server?.cpu_per_delivery_ns?),
            "memory_per_member" => exact(server?.memory_per_member_bytes),
            "idle" => exact(server?.idle_cpu_share?),
            "signs_missed" => exact(summary.watchdog?.missed as f64),
            "floor_ratio" => exact(summary.floor.as_ref()?.ratio_to_send?),
            latency => {
                let (name, mark) = latency.split_once('.')?;
                let quantiles = quantiles(summary, name)?;
                let (_, value) = quantiles.named().into_iter().find(|(known, _)| *known == mark)?;
                let value = value?;
                Some(Found { value: value as f64, at_least: quantiles.is_at_least(value) })
            }
        }
    }

    fn why_unknown(&self, summary: &Summary) -> String {
        let samples = self.figure.split_once('.').and_then(|(name, _)| quantiles(summary, name));
        match samples {
            Some(quantiles) => format!("{} samples are too few", quantiles.samples),
            None if self.figure == "idle" => "give --idle".to_string(),
            None if self.figure == "signs_missed" => "give --watchdog".to_string(),
            None if self.figure == "floor_ratio" => "give --floor and a server process".to_string(),
            None => "give --server-cmd or --server-pid".to_string(),
        }
    }
}

/// A number without decimals that say nothing.
fn plain(value: f64) -> String {
    if value.fract() == 0.0 || value >= 1e4 { format!("{value:.0}") } else { format!("{value:.3}") }
}

fn quantiles<'a>(summary: &'a Summary, name: &str) -> Option<&'a Quantiles> {
    let latency = &summary.latency;
    match name {
        "room" => Some(&latency.room),
        "room_first" => Some(&latency.room_first),
        "room_50" => Some(&latency.room_50),
        "room_90" => Some(&latency.room_90),
        "room_99" => Some(&latency.room_99),
        "spread" => Some(&latency.spread),
        "delivery" => Some(&latency.delivery),
        "delivery_uncorrected" => Some(&latency.delivery_uncorrected),
        "lag" => Some(&latency.schedule_lag),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::summary::{ProofPart, ServerPart};

    const MS: u64 = 1_000_000;

    fn summary() -> Summary {
        let mut summary = Summary { proof: ProofPart { lost: 3, ..ProofPart::default() }, ..Summary::default() };
        summary.latency.room =
            Quantiles { samples: 60, p50_ns: Some(12 * MS), max_ns: Some(90 * MS), ..Quantiles::default() };
        summary.server = Some(ServerPart { cpu_per_delivery_ns: Some(4000.5), ..ServerPart::default() });
        summary
    }

    #[test]
    fn expectations_hold_or_say_what_they_found() {
        let cases = [
            ("lost=3", None),
            ("lost = 0", Some("lost = 0: it is 3")),
            ("lost>=4", Some("lost>=4: it is 3")),
            ("room.p50<13ms", None),
            ("room.p50<=12ms", None),
            ("room.p50>11ms 900us", None),
            ("room.p50<12ms", Some("room.p50<12ms: it is 12.0 ms")),
            ("room.max<0.05s", Some("room.max<0.05s: it is 90.0 ms")),
            ("room.p99<1s", Some("room.p99<1s: not known, 60 samples are too few")),
            ("cost_ns<5000", None),
            ("cost_ns<4000", Some("cost_ns<4000: it is 4000.500")),
            ("idle<0.01", Some("idle<0.01: not known, give --idle")),
            ("floor_ratio<1.1", Some("floor_ratio<1.1: not known, give --floor and a server process")),
        ];
        for (text, failure) in cases {
            let expectation: Expectation = text.parse().unwrap();
            assert_eq!(expectation.check(&summary()).err().as_deref(), failure, "{text}");
        }
    }

    #[test]
    fn a_lower_bound_is_not_below_anything() {
        let mut summary = summary();
        summary.latency.room.at_least_from_ns = Some(90 * MS);
        let check = |text: &str| text.parse::<Expectation>().unwrap().check(&summary);
        assert!(check("room.p50<13ms").is_ok());
        assert!(check("room.max>80ms").is_ok());
        assert_eq!(check("room.max<1s").unwrap_err(), "room.max<1s: it is at least 90.0 ms");
    }

    #[test]
    fn what_is_no_expectation_is_explained() {
        let cases = [
            ("lost", "compares nothing"),
            ("lost=none", "is no number"),
            ("room<1s", "is no figure"),
            ("room.p95<1s", "is no figure"),
            ("room.p99<1", "is no time"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Expectation>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert_eq!("lost=0, room.p50<1s,".parse::<Expectations>().unwrap().0.len(), 2);
    }
}
