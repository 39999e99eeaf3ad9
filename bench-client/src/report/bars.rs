//! The picture of a comparison: what each server keeps up with, and how long a delivery takes where all are offered the same.
//!
//! Deliveries a second are bars from zero on a linear axis, because the length of a bar says how much; the latencies span
//! decades and are points on a logarithmic one. A thin line is the range of the runs. Where a server has
//! no point or no bar, words in its place say why.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::error::{Context, Result};
use crate::figures::{figure, median};
use crate::quantities::{count, plural, rate, time};
use crate::report::captions::load_of;
use crate::report::plot::{Area, CAPTION, COLOURS, Drawn, GRID, INK, MARGIN, PALE};
use crate::results::comparison::{AS_SHIPPED, BUSY_MEMBERS, BUSY_RATE_PER_S, Ceiling, Comparison};
use crate::results::summary::Summary;

/// Its name in the folder.
pub const PEERS: &str = "peers.svg";

const WIDTH: i32 = 960;
const ROW: i32 = 32;
/// Where the rows begin, below the title and the headings.
const TOP: i32 = 104;
/// Where names end, and where the two parts begin and end.
const NAMES_END: i32 = 168;
const BARS: (i32, i32) = (180, 470);
const POINTS: (i32, i32) = (640, 910);
/// Height below the rows: the axis of the points, and the caption.
const BOTTOM: i32 = 110;

/// One server of the picture.
#[derive(Debug, Default, PartialEq)]
struct Row {
    name: String,
    version: String,
    /// True exactly when it ran as it is shipped.
    as_shipped: bool,
    /// Least, median and largest deliveries a second that it keeps up with, and the lines a second of the median.
    kept_up: Option<(f64, f64, f64)>,
    lines_per_s: f64,
    /// Least, median and largest median latency, in nanoseconds, where all are offered the same.
    latency: Latency,
}

#[derive(Debug, Default, PartialEq)]
enum Latency {
    #[default]
    NotMeasured,
    /// This tool or the machine spoiled a run, and the server none.
    Spoiled,
    /// The server did not deliver everything in some run.
    NotKeptUp,
    Measured(u64, u64, u64),
}

/// The picture, if what each keeps up with in the room that is compared most closely was measured.
pub fn peers(comparison: &Comparison, environment: &str) -> Result<Option<String>> {
    let rows = rows(comparison);
    if rows.is_empty() {
        return Ok(None);
    }
    let runs: Vec<&Summary> = comparison.ceilings.iter().flat_map(|ceiling| &ceiling.runs).collect();
    let limit = comparison.ceilings.iter().find(|ceiling| ceiling.members == BUSY_MEMBERS as u64);
    let limit = time(limit.map_or(0, |ceiling| ceiling.limit_ns)).replace(".0 ", " ");
    let captions = [
        environment.to_string(),
        format!("{}; thin lines: least and largest of the runs; as shipped: on any core", load_of(&runs)),
        format!("keeps up: every line delivered to every member, 99 % of the deliveries in less than {limit}"),
    ];
    let cores = if runs.iter().any(|run| run.client.pinned) { ", one core each" } else { "" };
    let height = TOP + ROW * rows.len() as i32 + BOTTOM;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
        draw(&area, &rows, cores, &captions).context(|| format!("cannot draw {PEERS}"))?;
        area.present().context(|| format!("cannot draw {PEERS}"))?;
    }
    Ok(Some(svg))
}

/// The most deliveries a second first, of those with their limits lifted and then of those as shipped.
fn rows(comparison: &Comparison) -> Vec<Row> {
    let of_room = comparison.ceilings.iter().filter(|ceiling| ceiling.members == BUSY_MEMBERS as u64);
    let mut rows: Vec<Row> = of_room.map(|ceiling| row(comparison, ceiling)).collect();
    rows.sort_by(|a, b| {
        let most = |row: &Row| row.kept_up.map_or(0.0, |(_, middle, _)| middle);
        a.as_shipped.cmp(&b.as_shipped).then(most(b).total_cmp(&most(a)))
    });
    rows
}

fn row(comparison: &Comparison, ceiling: &Ceiling) -> Row {
    let runs = &ceiling.runs;
    let values = || runs.iter().map(|run| run.sent.deliveries_per_s);
    let kept_up = median(values())
        .map(|middle| (values().fold(f64::INFINITY, f64::min), middle, values().fold(f64::NEG_INFINITY, f64::max)));
    let busy = comparison.busy.iter().find(|rung| rung.server == ceiling.server);
    let latency = match busy {
        None => Latency::NotMeasured,
        Some(rung) if rung.runs.is_empty() => Latency::NotKeptUp,
        Some(rung) if !rung.runs.iter().all(Summary::is_good) => {
            let by_tool = |run: &&Summary| run.clean && run.client_spoiled_it();
            match rung.runs.iter().filter(|run| !run.is_good()).all(|run| by_tool(&run)) {
                true => Latency::Spoiled,
                false => Latency::NotKeptUp,
            }
        }
        Some(rung) => {
            let values: Option<Vec<u64>> = rung.runs.iter().map(|run| run.latency.delivery.p50_ns).collect();
            let mut values = values.unwrap_or_default();
            values.sort_unstable();
            match (values.first(), median(values.iter().copied()), values.last()) {
                (Some(&least), Some(middle), Some(&largest)) => Latency::Measured(least, middle, largest),
                _ => Latency::NotMeasured,
            }
        }
    };
    let shipped = ceiling.server.strip_suffix(AS_SHIPPED);
    Row {
        name: shipped.unwrap_or(&ceiling.server).to_string(),
        version: comparison.versions.get(&ceiling.server).map_or(String::new(), |said| version(said)),
        as_shipped: shipped.is_some(),
        kept_up,
        lines_per_s: figure(runs, |run| Some(run.plan.rate_per_s)).unwrap_or(0.0),
        latency,
    }
}

/// The number in what a program says it is, with the language's name if it is that of one.
fn version(said: &str) -> String {
    let is_number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.');
    let words: Vec<&str> = said.split_whitespace().map(|word| word.trim_start_matches(['v', '='])).collect();
    let Some(number) = words.iter().find(|word| is_number(word)) else { return String::new() };
    if words.contains(&"Python") { format!("Python {number}") } else { number.to_string() }
}

fn draw<'a>(area: &Area<'a>, rows: &[Row], cores: &str, captions: &[String]) -> Drawn<'a> {
    area.fill(&WHITE)?;
    let font = |size: i32, colour: &'static RGBColor| ("sans-serif", size, colour).into_text_style(area);
    let text = |words: &str, at: (i32, i32), size: i32, colour: &'static RGBColor, side: HPos| {
        area.draw(&Text::new(words.to_string(), at, font(size, colour).pos(Pos::new(side, VPos::Center))))
    };
    let title = format!("A room of {} members{cores}", count(BUSY_MEMBERS as u64));
    text(&title, (MARGIN, 28), 20, &INK, HPos::Left)?;
    text("deliveries a second that each keeps up with", (BARS.0, 62), 14, &INK, HPos::Left)?;
    text("median delivery, all offered the same", (POINTS.0, 62), 14, &INK, HPos::Left)?;
    let same = format!("{} lines/s into the room", count(BUSY_RATE_PER_S as u64));
    text(&same, (POINTS.0, 80), 12, &CAPTION, HPos::Left)?;
    let end = TOP + ROW * rows.len() as i32;
    let most = rows.iter().filter_map(|row| row.kept_up).map(|kept_up| kept_up.2).fold(1.0, f64::max);
    let bar_at = |value: f64| BARS.0 + (f64::from(BARS.1 - BARS.0) * value / most).round() as i32;
    let (decade_min, decade_max) = decades(rows);
    let point_at = |ns: u64| {
        let share = ((ns as f64).log10() - f64::from(decade_min)) / f64::from(decade_max - decade_min);
        POINTS.0 + (f64::from(POINTS.1 - POINTS.0) * share).round() as i32
    };
    for decade in decade_min..=decade_max {
        let ns = 10u64.pow(decade as u32);
        let x = point_at(ns);
        area.draw(&PathElement::new([(x, TOP - 8), (x, end)], GRID.stroke_width(1)))?;
        let label = time(ns).replace(".00", "").replace(".0 ", " ");
        text(&label, (x, end + 12), 12, &CAPTION, HPos::Center)?;
    }
    area.draw(&PathElement::new([(BARS.0, TOP - 8), (BARS.0, end)], GRID.stroke_width(1)))?;
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + ROW * index as i32 + ROW / 2;
        let colour = match (row.as_shipped, row.name == "uproar") {
            (true, _) => PALE,
            (false, true) => COLOURS[1],
            (false, false) => COLOURS[0],
        };
        let below = if row.as_shipped { format!("as shipped, {}", row.version) } else { row.version.clone() };
        text(&row.name, (NAMES_END, y - 6), 14, &INK, HPos::Right)?;
        text(&below, (NAMES_END, y + 8), 10, &CAPTION, HPos::Right)?;
        match row.kept_up {
            None => text("keeps up with no rate that was tried", (BARS.0 + 6, y), 12, &CAPTION, HPos::Left)?,
            Some((least, middle, largest)) => {
                area.draw(&Rectangle::new([(BARS.0, y - 9), (bar_at(middle), y + 9)], colour.filled()))?;
                area.draw(&PathElement::new([(bar_at(least), y), (bar_at(largest), y)], INK.stroke_width(1)))?;
                let label = (bar_at(largest.max(middle)) + 6, y);
                text(
                    &format!("{}, {} lines/s", short_count(middle), rate(row.lines_per_s)),
                    label,
                    12,
                    &INK,
                    HPos::Left,
                )?;
            }
        }
        match row.latency {
            Latency::NotMeasured => {}
            Latency::Spoiled => {
                let words = "not measured: the load generator was late";
                text(words, (POINTS.0 + 6, y), 12, &CAPTION, HPos::Left)?;
            }
            Latency::NotKeptUp => text("does not keep up", (POINTS.0 + 6, y), 12, &CAPTION, HPos::Left)?,
            Latency::Measured(least, middle, largest) => {
                area.draw(&PathElement::new([(point_at(least), y), (point_at(largest), y)], colour.stroke_width(2)))?;
                area.draw(&Circle::new((point_at(middle), y), 5, colour.filled()))?;
                // Where there is no room to the right of it, the label stands to the left.
                let (at, side) = match point_at(largest) + 70 < POINTS.1 {
                    true => ((point_at(largest) + 10, y), HPos::Left),
                    false => ((point_at(least) - 10, y), HPos::Right),
                };
                text(&time(middle), at, 12, &INK, side)?;
            }
        }
    }
    for (index, caption) in captions.iter().enumerate() {
        let y = end + 44 + 18 * index as i32;
        text(caption, (MARGIN, y), 12, &CAPTION, HPos::Left)?;
    }
    Ok(())
}

/// The powers of ten, in nanoseconds, that hold all latencies.
fn decades(rows: &[Row]) -> (i32, i32) {
    let mut range = (6, 8);
    for row in rows {
        if let Latency::Measured(least, _, largest) = row.latency {
            range.0 = range.0.min((least.max(1) as f64).log10().floor() as i32);
            range.1 = range.1.max((largest as f64).log10().ceil() as i32);
        }
    }
    range
}

/// `53.9 million`, `108 thousand`.
fn short_count(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1} million", value / 1e6),
        value if value >= 1e4 => format!("{:.0} thousand", value / 1e3),
        value => plural(value.round() as u64, "delivery").replace("deliverys", "deliveries"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::peers_table::tests::comparison;

    #[test]
    fn a_version_is_found_in_what_a_program_says() {
        let said = [
            "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64",
            "nats-server: v2.15.1",
            "mosquitto version 2.0.11",
            "uproar 0.1.0",
            "original.py on Python 3.11.7",
            "what",
        ];
        assert_eq!(said.map(version), ["7.0.15", "2.15.1", "2.0.11", "0.1.0", "Python 3.11.7", ""]);
    }

    #[test]
    fn the_picture_names_every_server_what_it_does_and_where() {
        let svg = peers(&comparison(), "AMD EPYC, Linux 6.18").unwrap().unwrap();
        for text in ["uproar", "53.9 million, 54,000 lines/s", "3.15 ms", "AMD EPYC, Linux 6.18", "as shipped, 2.15.1"]
        {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert!(svg.contains("does not keep up") && svg.contains("keeps up with no rate"), "{svg}");
        assert_eq!(peers(&Comparison::default(), "").unwrap(), None);
    }
}
