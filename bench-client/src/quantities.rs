//! Quantities as people write them: times, counts, rates and bytes, written and read.

/// A time in the unit that suits it, three digits: `812 ns`, `11.2 ms`.
pub fn time(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

fn three_digits(value: f64) -> String {
    match value {
        value if value >= 99.95 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// A whole number with its thousands apart: `200,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate: decimals below a hundred, thousands apart above.
pub fn rate(value: f64) -> String {
    if value < 99.95 { three_digits(value) } else { count(value.round() as u64) }
}

/// Bytes in the unit that suits them.
pub fn bytes(value: f64) -> String {
    match value {
        value if value < 1024.0 => format!("{value:.0} B"),
        value if value < 1024.0 * 1024.0 => format!("{} KiB", three_digits(value / 1024.0)),
        value => format!("{} MiB", three_digits(value / 1024.0 / 1024.0)),
    }
}

/// `1 run`, `2 runs`.
pub fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A count with a suffix: `100`, `10k`, `1.5m`.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let number = parse_scaled(text).ok_or_else(|| format!("{text:?} is no count; write for example 100, 10k or 1m"))?;
    if number < 1.0 || number.fract() != 0.0 || number > 1e15 {
        return Err(format!("{text:?} is no whole number above zero"));
    }
    Ok(number as u64)
}

/// A rate a second: `20`, `20/s`, `0.2/s`, `100k`.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    match parse_scaled(number) {
        Some(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        _ => Err(format!("{text:?} is no rate above zero; write for example 20/s, 0.2/s or 4k/s")),
    }
}

fn parse_scaled(text: &str) -> Option<f64> {
    let (number, scale) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1e3),
        b'm' | b'M' => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    // The product of a decimal like 1.1 and its scale is a whole number that floating point misses.
    let scaled = number.parse::<f64>().ok()? * scale;
    let rounded = scaled.round();
    Some(if (scaled - rounded).abs() < 1e-6 { rounded } else { scaled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_their_unit() {
        let written: Vec<String> =
            [0, 812, 1_000, 11_249, 999_400, 1_030_000, 14_900_000, 250_000_000, 60_000_000_000].map(time).into();
        assert_eq!(
            written,
            ["0 ns", "812 ns", "1.00 us", "11.2 us", "999 us", "1.03 ms", "14.9 ms", "250 ms", "60.0 s"]
        );
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!([0, 999, 1000, 200_000, 1_234_567].map(count), ["0", "999", "1,000", "200,000", "1,234,567"]);
        assert_eq!([0.2, 20.0, 5263.2].map(rate), ["0.20", "20.0", "5,263"]);
        assert_eq!([96.0, 2048.0, 3.5 * 1024.0 * 1024.0].map(bytes), ["96 B", "2.00 KiB", "3.50 MiB"]);
    }

    #[test]
    fn counts_take_suffixes() {
        assert_eq!(parse_count("100"), Ok(100));
        assert_eq!(parse_count("10k"), Ok(10_000));
        assert_eq!(parse_count("1.1k"), Ok(1100));
        assert_eq!(parse_count("1m"), Ok(1_000_000));
        for wrong in ["", "k", "0", "1.5", "-1", "1g", "1e99"] {
            assert!(parse_count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_are_a_second() {
        assert_eq!(parse_rate("20/s"), Ok(20.0));
        assert_eq!(parse_rate("0.2/s"), Ok(0.2));
        assert_eq!(parse_rate("100k"), Ok(100_000.0));
        for wrong in ["", "/s", "0", "-1/s", "nan", "inf", "20/m"] {
            assert!(parse_rate(wrong).is_err(), "{wrong}");
        }
    }
}
