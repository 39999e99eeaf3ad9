//! The pictures of a sweep, as SVG: room latency against members, and the spectrum of each room's latencies.
//!
//! Axes are logarithmic and drawn by hand on linear ones, so that their labels are the figures a reader looks for: powers
//! of ten and the rooms of the sweep, and on the spectrum the nines. A line ends where its samples do.

use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::error::{Context, Result};
use crate::figures::figure;
use crate::quantities::{count, time};
use crate::recorder::latency::samples_needed;
use crate::report::hgrm;
use crate::results::rung::Rung;
use crate::results::summary::{Quantiles, Summary};

const SIZE: (u32, u32) = (900, 600);
/// The most descriptors that a server with select() can have: the size of its descriptor set.
pub const SELECT_MAX: f64 = 1024.0;
/// Distinct also for people who see colours differently, on light and dark pages.
pub const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];
pub const GRID: RGBColor = RGBColor(225, 225, 225);
pub const INK: RGBColor = RGBColor(60, 60, 60);
/// The colour of captions.
pub const CAPTION: RGBColor = RGBColor(110, 110, 110);
/// The colour of servers as they are shipped.
pub const PALE: RGBColor = RGBColor(160, 190, 215);
/// Space around a picture. Its ground is white, so that it can be read on dark pages too.
pub const MARGIN: i32 = 16;
/// Height of a line of the caption.
const CAPTION_HEIGHT: i32 = 17;

/// Latencies of one server's room, of the run in the middle.
#[derive(Debug)]
pub struct RoomSpectrum {
    pub server: String,
    pub is_good: bool,
    pub room: hgrm::Spectrum,
    pub delivery: hgrm::Spectrum,
}

/// One line of a picture, in the units of its axes' logarithms.
struct Line {
    label: String,
    colour: RGBColor,
    style: Stroke,
    /// Each point is a room of its own, and has a mark.
    marked: bool,
    points: Vec<(f64, f64)>,
    /// Least and largest of the runs at the same places, where there were several.
    ranges: Vec<(f64, f64, f64)>,
    /// Points of runs that are not good, drawn hollow.
    hollow: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stroke {
    Solid,
    Dashed,
    /// Marks alone.
    Points,
}

/// A figure of the room latency.
type Mark = fn(&Quantiles) -> Option<u64>;

/// An axis: where it begins and ends, and what stands at which place.
#[derive(Clone)]
pub struct Axis {
    pub from: f64,
    pub to: f64,
    pub ticks: Vec<(f64, String)>,
    pub title: &'static str,
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let share = (value - self.from) / (self.to - self.from);
        first + (share * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|tick| tick.0).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(at, _)| (at - value).abs() < 1e-9);
        tick.map_or(String::new(), |(_, label)| label.clone())
    }
}

/// Median, p99 and maximum of the room latency of every server, against the members of the room; the medians with the range
/// of the runs. `captions` stand under the picture: where and under which load.
pub fn room_vs_members(rungs: &[Rung], captions: &[&str]) -> Result<String> {
    let mut lines = Vec::new();
    let mut servers: Vec<&str> = Vec::new();
    for rung in rungs {
        if !servers.contains(&rung.server.as_str()) {
            servers.push(&rung.server);
        }
    }
    for (&server, colour) in servers.iter().zip(COLOURS.into_iter().cycle()) {
        let marks: [(&str, Stroke, Mark); 3] = [
            ("median", Stroke::Solid, |room| room.p50_ns),
            ("p99", Stroke::Dashed, |room| room.p99_ns),
            ("largest", Stroke::Points, |room| room.max_ns),
        ];
        for (name, style, mark) in marks {
            let point = |rung: &Rung| {
                let value = figure(&rung.runs, |run: &Summary| mark(&run.latency.room).map(|ns| ns as f64))?;
                Some(((rung.members as f64).log10(), (value / 1e6).log10()))
            };
            let of_server = || rungs.iter().filter(|rung| rung.server == server);
            let points: Vec<_> = of_server().filter_map(point).collect();
            let range = |rung: &Rung| {
                let values =
                    rung.runs.iter().filter_map(|run| mark(&run.latency.room)).map(|ns| (ns as f64 / 1e6).log10());
                let (least, largest) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, largest), value| {
                    (least.min(value), largest.max(value))
                });
                (rung.runs.len() > 1 && least < largest).then_some(((rung.members as f64).log10(), least, largest))
            };
            let ranges = if style == Stroke::Solid { of_server().filter_map(range).collect() } else { Vec::new() };
            let is_bad = |rung: &&Rung| !rung.runs.iter().all(Summary::is_good);
            let hollow = of_server().filter(is_bad).filter_map(point).collect();
            if !points.is_empty() {
                let label = format!("{server}, {name}");
                lines.push(Line { label, colour, style, marked: true, points, ranges, hollow });
            }
        }
    }
    let mut sizes: Vec<u64> = rungs.iter().map(|rung| rung.members).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let x = Axis {
        from: sizes.first().map_or(0.0, |size| (*size as f64).log10() - 0.1),
        to: sizes.last().map_or(1.0, |size| (*size as f64).log10() + 0.1),
        ticks: spaced(sizes.iter().map(|size| ((*size as f64).log10(), count(*size))), 0.08),
        title: "members of the room",
    };
    let y = milliseconds(&lines, "until the whole room has a message");
    let mark = Some((SELECT_MAX.log10(), "1,024: select() ends"));
    let title = match lines.iter().any(|line| !line.hollow.is_empty()) {
        true => "Room latency against members (hollow: INVALID, not to be quoted)",
        false => "Room latency against members",
    };
    draw(title, x, y, &lines, mark, SeriesLabelPosition::UpperLeft, captions)
}

/// The spectrum of the room of `members` on every server: each delivery, and the whole room.
pub fn spectrum(members: u64, spectra: &[RoomSpectrum], captions: &[&str]) -> Result<String> {
    let mut lines = Vec::new();
    for (spectrum, colour) in spectra.iter().zip(COLOURS.into_iter().cycle()) {
        for (name, style, latency) in
            [("whole room", Stroke::Solid, &spectrum.room), ("each delivery", Stroke::Dashed, &spectrum.delivery)]
        {
            let points = points(latency);
            if !points.is_empty() {
                let state = if spectrum.is_good { "" } else { " (INVALID)" };
                let label = format!("{}, {name}{state}", spectrum.server);
                let (ranges, hollow) = (Vec::new(), Vec::new());
                lines.push(Line { label, colour, style, marked: false, points, ranges, hollow });
            }
        }
    }
    let last = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(1.0, f64::max);
    let ticks = [(0.0f64, "0 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")]
        .into_iter()
        .chain([(0.99999, "99.999 %"), (0.999999, "99.9999 %")])
        .map(|(quantile, label)| (-(1.0 - quantile).log10(), label.to_string()))
        .filter(|(at, _)| *at <= last + 1e-9)
        .collect();
    let x = Axis { from: 0.0, to: last, ticks, title: "share of the messages, or of the deliveries, at most so late" };
    let y = milliseconds(&lines, "latency from the due time");
    draw(
        &format!("Latency spectrum, room of {}", count(members)),
        x,
        y,
        &lines,
        None,
        SeriesLabelPosition::LowerRight,
        captions,
    )
}

/// Points of a spectrum up to the last quantile that its samples support.
fn points(spectrum: &hgrm::Spectrum) -> Vec<(f64, f64)> {
    let supported = spectrum.points.iter().filter(|(quantile, _)| samples_needed(*quantile) <= spectrum.samples);
    supported.map(|(quantile, ms)| (-(1.0 - quantile).log10(), ms.max(0.001).log10())).collect()
}

/// The axis of milliseconds that holds all `lines`.
fn milliseconds(lines: &[Line], title: &'static str) -> Axis {
    let points = || lines.iter().flat_map(|line| &line.points).map(|point| point.1);
    let values = || points().chain(lines.iter().flat_map(|line| &line.ranges).flat_map(|range| [range.1, range.2]));
    let from = values().fold(f64::INFINITY, f64::min).min(3.0) - 0.08;
    let to = values().fold(f64::NEG_INFINITY, f64::max).max(from + 0.5) + 0.08;
    let mut ticks = Vec::new();
    for decade in from.floor() as i32..=to.ceil() as i32 {
        for digit in [1.0, 2.0, 5.0] {
            let ms = digit * 10f64.powi(decade);
            ticks.push((ms.log10(), time((ms * 1e6).round() as u64).replace(".00", "").replace(".0 ", " ")));
        }
    }
    ticks.retain(|(at, _)| (from..=to).contains(at));
    Axis { from, to, ticks, title }
}

/// Ticks that are at least `apart` from the one before; the rest lose their label.
fn spaced(ticks: impl Iterator<Item = (f64, String)>, apart: f64) -> Vec<(f64, String)> {
    let mut kept: Vec<(f64, String)> = Vec::new();
    for tick in ticks {
        if kept.last().is_none_or(|last| tick.0 - last.0 >= apart) {
            kept.push(tick);
        }
    }
    kept
}

fn draw(
    title: &str,
    x: Axis,
    y: Axis,
    lines: &[Line],
    mark: Option<(f64, &str)>,
    legend: SeriesLabelPosition,
    captions: &[&str],
) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let (upper, lower) = area.split_vertically(SIZE.1 as i32 - CAPTION_HEIGHT * captions.len() as i32 - MARGIN / 2);
        area.fill(&WHITE).and_then(|()| caption(&lower, captions)).context(|| format!("cannot draw {title:?}"))?;
        draw_on(&upper, title, x, y, lines, mark, legend).context(|| format!("cannot draw {title:?}"))?;
        area.present().context(|| format!("cannot draw {title:?}"))?;
    }
    Ok(svg)
}

pub type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
pub type Chart<'b, 'a> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;
pub type Drawn<'a, T = ()> =
    std::result::Result<T, DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// What stands under a picture.
pub fn caption<'a>(area: &Area<'a>, lines: &[&str]) -> Drawn<'a> {
    for (index, line) in lines.iter().enumerate() {
        let style = ("sans-serif", 12, &CAPTION).into_text_style(area).pos(Pos::new(HPos::Left, VPos::Top));
        area.draw(&Text::new(line.to_string(), (MARGIN, CAPTION_HEIGHT * index as i32), style))?;
    }
    Ok(())
}

/// A chart with its axes and its grid, and nothing in it yet.
pub fn frame<'a, 'b>(area: &'b Area<'a>, title: &str, x: &Axis, y: &Axis) -> Drawn<'a, Chart<'b, 'a>> {
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20, &INK))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(76)
        .build_cartesian_2d(x.clone(), y.clone())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(("sans-serif", 13, &INK))
        .x_desc(x.title)
        .y_desc(y.title)
        .draw()?;
    Ok(chart)
}

fn draw_on<'a>(
    area: &Area<'a>,
    title: &str,
    x: Axis,
    y: Axis,
    lines: &[Line],
    mark: Option<(f64, &str)>,
    legend: SeriesLabelPosition,
) -> Drawn<'a> {
    let mut chart = frame(area, title, &x, &y)?;
    if let Some((at, text)) = mark.filter(|(at, _)| (x.from..x.to).contains(at)) {
        chart.draw_series(DashedLineSeries::new([(at, y.from), (at, y.to)], 4, 4, INK.stroke_width(1)))?;
        let style = ("sans-serif", 13, &INK).into_text_style(area).pos(Pos::new(HPos::Left, VPos::Bottom));
        chart.draw_series([EmptyElement::at((at, y.from)) + Text::new(text.to_string(), (6, -6), style)])?;
    }
    for line in lines {
        let (colour, style) = (line.colour, line.style);
        let points = line.points.iter().copied();
        let stroke = colour.stroke_width(2);
        let dash = move |x: i32, y: i32, from: i32, to: i32| PathElement::new([(x + from, y), (x + to, y)], stroke);
        match style {
            Stroke::Solid => chart
                .draw_series(LineSeries::new(points, stroke))?
                .label(&line.label)
                .legend(move |(x, y)| dash(x, y, 0, 28)),
            Stroke::Dashed => chart
                .draw_series(DashedLineSeries::new(points, 6, 4, stroke))?
                .label(&line.label)
                .legend(move |(x, y)| EmptyElement::at((0, 0)) + dash(x, y, 0, 11) + dash(x, y, 17, 28)),
            Stroke::Points => chart
                .draw_series(points.map(|point| TriangleMarker::new(point, 5, colour.filled())))?
                .label(&line.label)
                .legend(move |(x, y)| TriangleMarker::new((x + 14, y), 5, colour.filled())),
        };
        if line.marked && style != Stroke::Points {
            chart.draw_series(line.points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
        }
        // The median of all runs lies on its range; a wider stroke tells the two apart.
        let range = |&(x, least, largest): &(f64, f64, f64)| {
            PathElement::new([(x, least), (x, largest)], colour.mix(0.5).stroke_width(6))
        };
        chart.draw_series(line.ranges.iter().map(range))?;
        chart.draw_series(line.hollow.iter().map(|&point| Circle::new(point, 4, WHITE.filled())))?;
        chart.draw_series(line.hollow.iter().map(|&point| Circle::new(point, 4, stroke)))?;
    }
    chart
        .configure_series_labels()
        .position(legend)
        .margin(12)
        .legend_area_size(34)
        .label_font(("sans-serif", 13, &INK))
        .background_style(WHITE.mix(0.85))
        .border_style(GRID)
        .draw()?;
    Ok(())
}
