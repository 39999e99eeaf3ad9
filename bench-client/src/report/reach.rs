//! The picture of how far each server goes: how long until half of a room and all of it have a line, from the smallest room
//! to the largest, both axes logarithmic.
//!
//! Where a server ends stands beside a vertical line, because that is what the picture is for: `select` takes 1,024 descriptors,
//! and a process with `epoll` as many as it may have. Lines of several servers lie on each other in small rooms: the first is
//! drawn wide, and the others on top of it.

use plotters::coord::ranged1d::Ranged;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::error::{Context, Result};
use crate::figures::figure;
use crate::quantities::{count, time};
use crate::report::plot::{Area, Axis, CAPTION, COLOURS, Drawn, GRID, INK, MARGIN, SELECT_MAX, caption, frame};
use crate::results::rung::Rung;
use crate::results::summary::{Quantiles, Summary};

/// Its name in the folder.
pub const REACH: &str = "reach.svg";

const SIZE: (u32, u32) = (960, 620);
const CAPTION_HEIGHT: i32 = 17;
/// Decades of rooms between two values that are written at their points.
const VALUES_APART: f64 = 0.9;
const VALUE_WIDTH: i32 = 60;
const LEGEND_ROW: i32 = 22;
const LEGEND_WIDTH: i32 = 226;
/// Descriptors of a process where a folder does not say: what many servers have.
const DESCRIPTORS: u64 = 20_000;

/// One server's rooms.
struct Line {
    server: String,
    colour: RGBColor,
    /// Room and time as logarithms to ten, of members and of nanoseconds; false for a room whose runs are not to be quoted.
    whole: Vec<(f64, f64, bool)>,
    half: Vec<(f64, f64)>,
    /// The quickest and the slowest line of a room.
    ranges: Vec<(f64, f64, f64)>,
}

/// The picture; `descriptors` is how many a process could have. `captions` stand under it.
pub fn reach(rungs: &[Rung], descriptors: Option<u64>, captions: &[&str]) -> Result<String> {
    let lines = lines(rungs);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let (upper, lower) = area.split_vertically(SIZE.1 as i32 - CAPTION_HEIGHT * captions.len() as i32 - MARGIN / 2);
        area.fill(&WHITE)
            .and_then(|()| caption(&lower, captions))
            .and_then(|()| draw(&upper, &lines, descriptors))
            .context(|| format!("cannot draw {REACH}"))?;
        area.present().context(|| format!("cannot draw {REACH}"))?;
    }
    Ok(svg)
}

fn lines(rungs: &[Rung]) -> Vec<Line> {
    let mut servers: Vec<&str> = Vec::new();
    for rung in rungs.iter().filter(|rung| !rung.runs.is_empty()) {
        if !servers.contains(&rung.server.as_str()) {
            servers.push(&rung.server);
        }
    }
    let line = |(&server, colour): (&&str, RGBColor)| {
        let mut rooms: Vec<&Rung> =
            rungs.iter().filter(|rung| rung.server == server && !rung.runs.is_empty()).collect();
        rooms.sort_by_key(|rung| rung.members);
        let median = |rung: &Rung, of: fn(&Summary) -> &Quantiles| {
            let ns = figure(&rung.runs, |run| of(run).p50_ns.map(|ns| ns as f64))?;
            Some(((rung.members as f64).log10(), ns.log10()))
        };
        let of_room = |rung: &&Rung| {
            let (members, ns) = median(rung, |run| &run.latency.room)?;
            Some((members, ns, rung.runs.iter().all(Summary::is_good)))
        };
        let range = |rung: &&Rung| {
            let least = rung.runs.iter().filter_map(|run| run.latency.room.min_ns).min()?;
            let largest = rung.runs.iter().filter_map(|run| run.latency.room.max_ns).max()?;
            Some(((rung.members as f64).log10(), (least as f64).log10(), (largest as f64).log10()))
        };
        Line {
            server: server.to_string(),
            colour,
            whole: rooms.iter().filter_map(of_room).collect(),
            half: rooms.iter().filter_map(|rung| median(rung, |run| &run.latency.room_50)).collect(),
            ranges: rooms.iter().filter_map(range).collect(),
        }
    };
    servers.iter().zip(COLOURS.into_iter().cycle()).map(line).collect()
}

/// An axis of powers of ten that holds all of `values` and begins at `from` at the latest; each power is labelled.
fn decades(values: impl Iterator<Item = f64>, from: f64, label: fn(u64) -> String, title: &'static str) -> Axis {
    let (mut from, mut to) = (from, from + 1.0);
    for value in values {
        (from, to) = (from.min(value), to.max(value));
    }
    let ticks =
        (from.floor() as i32..=to.ceil() as i32).map(|power| (f64::from(power), label(10u64.pow(power.max(0) as u32))));
    let (from, to) = (from - 0.12, to + 0.16);
    Axis { from, to, ticks: ticks.filter(|(at, _)| (from..=to).contains(at)).collect(), title }
}

fn draw<'a>(area: &Area<'a>, lines: &[Line], descriptors: Option<u64>) -> Drawn<'a> {
    let points = || lines.iter().flat_map(|line| &line.whole);
    let x = decades(points().map(|point| point.0), 2.0, count, "members of the room");
    let ranges = lines.first().into_iter().flat_map(|line| &line.ranges).flat_map(|range| [range.1, range.2]);
    let times = points().map(|point| point.1).chain(lines.iter().flat_map(|line| &line.half).map(|point| point.1));
    let plain = |ns: u64| time(ns).replace(".00", "").replace(".0 ", " ");
    let y = decades(times.chain(ranges), 6.0, plain, "time from when the line is due");
    let is_bad = points().any(|point| !point.2);
    let bad = if is_bad { " (hollow: INVALID, not to be quoted)" } else { "" };
    let title = format!("How long until a room has a line{bad}");
    let chart = frame(area, &title, &x, &y)?;
    let (across, down) = chart.plotting_area().get_pixel_range();
    let paper = Paper { area, x, y, across: (across.start, across.end), down: (down.start, down.end) };
    paper.ends(descriptors.unwrap_or(DESCRIPTORS), lines)?;
    for (index, line) in lines.iter().enumerate() {
        paper.line(line, index)?;
    }
    paper.values(lines)?;
    paper.legend(lines)
}

/// The plot as pixels.
struct Paper<'a, 'b> {
    area: &'b Area<'a>,
    x: Axis,
    y: Axis,
    across: (i32, i32),
    down: (i32, i32),
}

impl<'a> Paper<'a, '_> {
    fn at(&self, x: f64, y: f64) -> (i32, i32) {
        (self.x.map(&x, self.across), self.y.map(&y, (self.down.1, self.down.0)))
    }

    fn write(&self, words: &str, at: (i32, i32), colour: &'static RGBColor, across: HPos, down: VPos) -> Drawn<'a> {
        let style = ("sans-serif", 13, colour).into_text_style(self.area).pos(Pos::new(across, down));
        self.area.draw(&Text::new(words.to_string(), at, style))
    }

    /// A line of pieces of `dash` pixels, or a whole one.
    fn stroke(&self, points: &[(i32, i32)], colour: RGBColor, width: u32, dash: Option<i32>) -> Drawn<'a> {
        let style = colour.stroke_width(width);
        match dash {
            None => self.area.draw(&PathElement::new(points.to_vec(), style)),
            Some(dash) => self.area.draw(&DashedPathElement::new(points.to_vec(), dash, dash, style)),
        }
    }

    /// Where servers end. The words stand at the top, to the left of their lines: latencies are that high at the right alone.
    fn ends(&self, descriptors: u64, lines: &[Line]) -> Drawn<'a> {
        let ends = [
            (SELECT_MAX as u64, "select ends", "its set has 1,024 descriptors".to_string()),
            (descriptors, "epoll ends", format!("a process has {} descriptors", count(descriptors))),
        ];
        for (members, what, why) in ends {
            let at = (members as f64).log10();
            if !(self.x.from..self.x.to).contains(&at) {
                continue;
            }
            let (x, top) = self.at(at, self.y.to);
            self.stroke(&[(x, top), (x, self.down.1)], INK, 1, Some(5))?;
            self.write(what, (x - 8, top + 8), &INK, HPos::Right, VPos::Top)?;
            self.write(&why, (x - 8, top + 26), &CAPTION, HPos::Right, VPos::Top)?;
        }
        // What is beyond.
        let end = (descriptors as f64).log10();
        let beyond = lines.iter().find(|line| line.whole.last().is_some_and(|point| point.0 > end));
        if let Some(line) = beyond {
            let (x, top) = self.at(end, self.y.to);
            self.write(&format!("{} goes on", line.server), (x + 8, top + 8), &INK, HPos::Left, VPos::Top)?;
            self.write("sockets in tables of its rings", (x + 8, top + 26), &CAPTION, HPos::Left, VPos::Top)?;
        }
        Ok(())
    }

    fn line(&self, line: &Line, index: usize) -> Drawn<'a> {
        // The first lies below the others and is wider.
        let width = if index == 0 { 4 } else { 2 };
        let half: Vec<(i32, i32)> = line.half.iter().map(|point| self.at(point.0, point.1)).collect();
        let whole: Vec<(i32, i32)> = line.whole.iter().map(|point| self.at(point.0, point.1)).collect();
        if index == 0 {
            for &(x, least, largest) in &line.ranges {
                let ends = [self.at(x, least), self.at(x, largest)];
                self.area.draw(&PathElement::new(ends, line.colour.mix(0.3).stroke_width(7)))?;
            }
        }
        self.stroke(&half, line.colour, width / 2, Some(6))?;
        self.stroke(&whole, line.colour, width, None)?;
        for (at, &(_, _, is_good)) in whole.into_iter().zip(&line.whole) {
            self.mark(at, index, line.colour, is_good)?;
        }
        Ok(())
    }

    /// Marks differ also by their form: lines lie on each other, and some people see colours differently.
    fn mark(&self, at: (i32, i32), index: usize, colour: RGBColor, is_good: bool) -> Drawn<'a> {
        for style in [if is_good { colour.filled() } else { WHITE.filled() }, colour.stroke_width(2)] {
            match index {
                0 => self.area.draw(&Circle::new(at, 6, style))?,
                1 => self.area.draw(&Rectangle::new([(at.0 - 4, at.1 - 4), (at.0 + 4, at.1 + 4)], style))?,
                _ => self.area.draw(&TriangleMarker::new(at, 6, style))?,
            }
        }
        Ok(())
    }

    /// Times of the first server, from its largest room on where they do not meet.
    fn values(&self, lines: &[Line]) -> Drawn<'a> {
        let mut last = f64::INFINITY;
        for &(members, ns, _) in lines.first().into_iter().flat_map(|line| line.whole.iter().rev()) {
            if last - members >= VALUES_APART {
                last = members;
                let (x, y) = self.at(members, ns);
                // At the left edge the words would stand across the axis.
                let (across, at) = match x - VALUE_WIDTH < self.across.0 {
                    true => (HPos::Left, (x - 10, y - 14)),
                    false => (HPos::Right, (x - 10, y - 8)),
                };
                self.write(&time(10f64.powf(ns).round() as u64), at, &INK, across, VPos::Bottom)?;
            }
        }
        Ok(())
    }

    /// What lines and marks mean, at the lower right, where rooms are large and no latency is low.
    fn legend(&self, lines: &[Line]) -> Drawn<'a> {
        let rows = lines.len() as i32 + 2;
        let (left, top) = (self.across.1 - LEGEND_WIDTH - 14, self.down.1 - rows * LEGEND_ROW - 22);
        let frame = [(left, top), (self.across.1 - 14, self.down.1 - 12)];
        self.area.draw(&Rectangle::new(frame, WHITE.mix(0.9).filled()))?;
        self.area.draw(&Rectangle::new(frame, GRID.stroke_width(1)))?;
        let sample = |row: i32| {
            let y = top + 5 + LEGEND_ROW * row + LEGEND_ROW / 2;
            [(left + 12, y), (left + 52, y)]
        };
        let label =
            |row: i32, words: &str| self.write(words, (left + 62, sample(row)[0].1), &INK, HPos::Left, VPos::Center);
        for (row, line) in lines.iter().enumerate() {
            let points = sample(row as i32);
            self.stroke(&points, line.colour, if row == 0 { 4 } else { 2 }, None)?;
            self.mark(((points[0].0 + points[1].0) / 2, points[0].1), row, line.colour, true)?;
            label(row as i32, &line.server)?;
        }
        let row = lines.len() as i32;
        self.stroke(&sample(row), INK, 2, None)?;
        label(row, "the whole room has it")?;
        self.stroke(&sample(row + 1), INK, 2, Some(6))?;
        label(row + 1, "half of the room has it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::million_table::tests::rungs;

    #[test]
    fn the_picture_names_every_server_where_it_ends_and_how_long_a_million_takes() {
        let svg = reach(
            &rungs(),
            Some(20_000),
            &["AMD EPYC, 2 virtual processors, Linux 6.18.44, commit fc705dd", "64-byte lines", "pale bars"],
        )
        .unwrap();
        if let Ok(path) = std::env::var("REACH_SVG") {
            std::fs::write(path, &svg).unwrap();
        }
        for text in
            ["uring goes on", "epoll ends", "select ends", "1,024", "20,000", "12.9 s", "1,000,000", "half of the room"]
        {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert!(svg.contains("AMD EPYC, 2 virtual processors") && !svg.contains("INVALID"), "{svg}");
        let mut bad = rungs();
        bad[0].runs[0].valid = false;
        assert!(reach(&bad, None, &[]).unwrap().contains("INVALID"));
        assert!(reach(&[], None, &[]).is_ok(), "a folder without runs has an empty picture");
    }
}
