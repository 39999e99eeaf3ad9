//! `*.hgrm`: a percentile spectrum, in the text format of the HdrHistogram tools, in milliseconds.
//!
//! Four columns, of which viewers draw the first against the last; the row of the maximum has no fourth column and three
//! lines of trailer follow. The layout is that of `AbstractHistogram.outputPercentileDistribution` of the Java library.

use std::fmt::Write;

use hdrhistogram::Histogram;

use crate::error::{Error, Result};

const NS_PER_MS: f64 = 1e6;
/// Rows until the distance to 100 % has halved.
const TICKS_PER_HALF_DISTANCE: u32 = 5;

/// The spectrum of `histogram`, a histogram of nanoseconds.
pub fn render(histogram: &Histogram<u64>) -> String {
    let digits = usize::from(histogram.sigfig());
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        total += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / NS_PER_MS;
        let quantile = step.quantile_iterated_to();
        let _ = write!(text, "{value:>12.digits$} {quantile:>2.12} {total:>10}");
        if quantile < 1.0 {
            let _ = write!(text, " {:>14.2}", 1.0 / (1.0 - quantile));
        }
        text.push('\n');
    }
    let (mean, deviation) = (histogram.mean() / NS_PER_MS, histogram.stdev() / NS_PER_MS);
    let max = if histogram.is_empty() { 0.0 } else { histogram.max() as f64 / NS_PER_MS };
    let buckets = histogram.buckets();
    let sub_buckets = sub_buckets(histogram.sigfig());
    let _ = writeln!(text, "#[Mean    = {mean:>12.digits$}, StdDeviation   = {deviation:>12.digits$}]");
    let _ = writeln!(text, "#[Max     = {max:>12.digits$}, Total count    = {:>12}]", histogram.len());
    let _ = writeln!(text, "#[Buckets = {buckets:>12}, SubBuckets     = {sub_buckets:>12}]");
    text
}

/// A spectrum read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    pub samples: u64,
    /// Quantile, and milliseconds at it.
    pub points: Vec<(f64, f64)>,
}

/// Reads what [`render`] wrote, the row of the maximum left out. An error names the line that is none of a spectrum.
pub fn parse(text: &str) -> Result<Spectrum> {
    let mut spectrum = Spectrum { samples: 0, points: Vec::new() };
    for line in text.lines().skip(1).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<f64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
        let [ms, quantile, count, ..] = fields[..] else {
            return Err(Error::new(format!("no row of figures: {line:?}")));
        };
        spectrum.samples = count as u64;
        if quantile < 1.0 {
            spectrum.points.push((quantile, ms));
        }
    }
    Ok(spectrum)
}

/// Linear steps of a bucket: the power of two that tells two times ten to the `digits` values apart.
fn sub_buckets(digits: u8) -> u64 {
    (2 * 10u64.pow(u32::from(digits))).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::latency::histogram;

    #[test]
    fn the_spectrum_of_eight_values() {
        let mut values = histogram();
        for ms in 1..=8u64 {
            values.record(ms * 1_000_000).unwrap();
        }
        let expected = "       Value     Percentile TotalCount 1/(1-Percentile)

       1.000 0.000000000000          1           1.00
       1.000 0.100000000000          1           1.11
       2.001 0.200000000000          2           1.25
       3.000 0.300000000000          3           1.43
       4.002 0.400000000000          4           1.67
       4.002 0.500000000000          4           2.00
       5.001 0.550000000000          5           2.22
       5.001 0.600000000000          5           2.50
       6.001 0.650000000000          6           2.86
       6.001 0.700000000000          6           3.33
       7.000 0.750000000000          7           4.00
       7.000 0.775000000000          7           4.44
       7.000 0.800000000000          7           5.00
       7.000 0.825000000000          7           5.71
       7.000 0.850000000000          7           6.67
       8.004 0.875000000000          8           8.00
       8.004 1.000000000000          8
#[Mean    =        4.500, StdDeviation   =        2.291]
#[Max     =        8.004, Total count    =            8]
#[Buckets =           26, SubBuckets     =         2048]
";
        assert_eq!(render(&values), expected);
        let spectrum = parse(expected).unwrap();
        assert_eq!((spectrum.samples, spectrum.points.len()), (8, 16));
        assert_eq!((spectrum.points[0], spectrum.points[15]), ((0.0, 1.0), (0.875, 8.004)));
        assert!(parse("Value\n1.0 x\n").is_err());
    }

    #[test]
    fn viewers_find_four_fields_in_every_row_but_the_last() {
        let mut values = histogram();
        values.record_n(5_000, 100_000).unwrap();
        values.record_n(70_000_000, 3).unwrap();
        let text = render(&values);
        let rows: Vec<usize> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().count())
            .collect();
        assert!(rows[..rows.len() - 1].iter().all(|fields| *fields == 4), "{text}");
        assert_eq!(rows.last(), Some(&3));
    }

    #[test]
    fn an_empty_histogram_has_a_header_and_a_trailer() {
        let text = render(&histogram());
        assert_eq!(text.lines().count(), 5, "{text}");
    }
}
