//! `intervals.hlog`: one histogram an interval, in the log format 1.3 of the HdrHistogram tools.
//!
//! Tags are `delivery` (by the time of the delivery), `room` and `lag` (by the due time of the message). Values are
//! nanoseconds; the maximum beside each histogram is in milliseconds, as the tools expect.

use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::error::{Error, Result};
use crate::recorder::figures::Figures;

const LEGEND: &str = "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";
const NS_PER_MS: f64 = 1e6;

/// The log of a run whose measured window began at `window_start`.
pub fn render(figures: &Figures, window_start: SystemTime) -> Result<Vec<u8>> {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(window_start)
        .with_base_time(window_start)
        .with_max_value_divisor(NS_PER_MS)
        .begin_log_with(&mut log, &mut serializer)
        .map_err(|error| Error::new(format!("cannot write the interval log: {error}")))?;
    let length = Duration::from_nanos(figures.interval_ns);
    for interval in &figures.intervals {
        let start = Duration::from_nanos(interval.start_ns);
        let tagged: [(&str, &Histogram<u64>); 3] =
            [("delivery", &interval.delivery), ("room", &interval.room), ("lag", &interval.lag)];
        for (tag, histogram) in tagged {
            let tag = Tag::new(tag).expect("the tags hold no comma, space or line break");
            writer
                .write_histogram(histogram, start, length, Some(tag))
                .map_err(|error| Error::new(format!("cannot write the interval log: {error}")))?;
        }
    }
    insert_legend(&mut log);
    Ok(log)
}

/// Puts the legend where the tools have it, between the comments and the first interval.
fn insert_legend(log: &mut Vec<u8>) {
    let comments: usize =
        log.split_inclusive(|&byte| byte == b'\n').take_while(|line| line.starts_with(b"#")).map(<[u8]>::len).sum();
    log.splice(comments..comments, LEGEND.bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::figures::{Figures, IntervalFigures};
    use crate::recorder::latency::histogram;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    fn figures() -> Figures {
        let mut figures = Figures::new(&[], Vec::new(), histogram(), 0, 1_000_000_000, 0);
        for second in 0..2 {
            let mut delivery = histogram();
            delivery.record_n(5_000_000, 10 + second).unwrap();
            figures.intervals.push(IntervalFigures {
                start_ns: second * 1_000_000_000,
                delivery,
                room: histogram(),
                lag: histogram(),
            });
        }
        figures
    }

    #[test]
    fn a_log_begins_with_its_version_and_its_legend() {
        let log = render(&figures(), SystemTime::UNIX_EPOCH + Duration::from_millis(1_500)).unwrap();
        let text = String::from_utf8(log).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "#[Histogram log format version 1.3]");
        assert_eq!(lines[1], "#[StartTime: 1.500 (seconds since epoch)]");
        assert_eq!(lines[2], "#[BaseTime: 1.500 (seconds since epoch)]");
        assert_eq!(lines[3], "#[MaxValueDivisor: 1000000.000]");
        assert_eq!(lines[4], LEGEND.trim());
        assert!(lines[5].starts_with("Tag=delivery,0.000,1.000,5.001,HISTF"), "{}", lines[5]);
        assert!(lines[6].starts_with("Tag=room,0.000,1.000,0.000,HISTF"), "{}", lines[6]);
        assert!(lines[7].starts_with("Tag=lag,0.000,1.000,0.000,HISTF"), "{}", lines[7]);
        assert!(lines[8].starts_with("Tag=delivery,1.000,1.000,5.001,HISTF"), "{}", lines[8]);
        assert_eq!(lines.len(), 11);
    }

    #[test]
    fn a_reader_finds_every_interval() {
        let log = render(&figures(), SystemTime::UNIX_EPOCH).unwrap();
        let text = String::from_utf8(log).unwrap().replace(LEGEND, "");
        let intervals = IntervalLogIterator::new(text.as_bytes())
            .filter_map(|entry| match entry {
                Ok(LogEntry::Interval(interval)) => Some(interval.tag().map(|tag| tag.as_str().to_string())),
                _ => None,
            })
            .flatten()
            .collect::<Vec<_>>();
        assert_eq!(intervals, ["delivery", "room", "lag", "delivery", "room", "lag"]);
    }
}
