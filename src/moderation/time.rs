//! Times of holds: as an operator types them (`30s`, `10m`, `1h`, `2d`, `1w`), and as they are shown.
//!
//! A length of time is shown in the largest unit that divides it: `1h`, but `90s`. So it has one number and one unit,
//! and can be typed again as it is shown. A moment is shown in RFC 3339, in UTC, to the second.

use std::fmt::{self, Display};
use std::time::{Duration, SystemTime};

use crate::limits::{OPTION_TIME_MAX, UNTIL_MAX_MS};

/// Units in seconds, the largest first.
const UNITS: [(u64, char); 5] = [(7 * 24 * 3600, 'w'), (24 * 3600, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];

/// Why a text is no length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeError {
    Unreadable,
    Zero,
    TooLong,
}

/// Reads a length of time: a number and a unit.
pub fn parse(text: &str) -> Result<Duration, TimeError> {
    let unit = text.chars().next_back().ok_or(TimeError::Unreadable)?;
    let (seconds, _) = UNITS.into_iter().find(|(_, letter)| *letter == unit).ok_or(TimeError::Unreadable)?;
    let number = &text[..text.len() - unit.len_utf8()];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TimeError::Unreadable);
    }
    // Digits alone are a number, of which only the size can be wrong.
    let total = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)).ok_or(TimeError::TooLong)?;
    match Duration::from_secs(total) {
        Duration::ZERO => Err(TimeError::Zero),
        time if time > OPTION_TIME_MAX => Err(TimeError::TooLong),
        time => Ok(time),
    }
}

/// Shows a length of time. A begun second counts as a whole one.
pub fn spell(time: Duration) -> impl Display {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    fmt::from_fn(move |f| {
        let (size, letter) = UNITS.into_iter().find(|(size, _)| seconds.is_multiple_of(*size)).expect("1 divides all");
        // No time is no time in the smallest unit.
        let (size, letter) = if seconds == 0 { (1, 's') } else { (size, letter) };
        write!(f, "{}{letter}", seconds / size)
    })
}

/// Shows a length of time in its largest unit, less what is over: `3h` is up to four hours.
pub fn roughly(time: Duration) -> impl Display {
    let seconds = time.as_secs();
    let (size, letter) = UNITS.into_iter().find(|(size, _)| *size <= seconds).unwrap_or((1, 's'));
    fmt::from_fn(move |f| write!(f, "{}{letter}", seconds / size))
}

/// Shows a moment, in milliseconds of Unix time. A begun second counts as a whole one, so that what lasts until then is
/// over when a clock shows it.
pub fn moment(unix_ms: u64) -> impl Display {
    let shown = Duration::from_secs(unix_ms.min(UNTIL_MAX_MS).div_ceil(1000));
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + shown)
}

/// When a hold ends that is set at `now_ms` for `time`, in milliseconds of Unix time; `None` without end.
pub fn end(now_ms: u64, time: Option<Duration>) -> Option<u64> {
    time.map(|time| now_ms.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).min(UNTIL_MAX_MS))
}

impl Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => write!(f, "write a time as 30s, 10m, 1h, 2d or 1w"),
            Self::Zero => write!(f, "a time is at least 1s"),
            Self::TooLong => write!(f, "a time is at most {}", spell(OPTION_TIME_MAX)),
        }
    }
}

impl std::error::Error for TimeError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_with_one_unit() {
        for (text, seconds) in [
            ("30s", 30),
            ("10m", 600),
            ("1h", 3600),
            ("2d", 172_800),
            ("1w", 604_800),
            ("01h", 3600),
            ("365d", 365 * 86_400),
            ("31536000s", 365 * 86_400),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "1", "h", "1h30m", "1 h", " 1h", "+1h", "-1h", "1.5h", "1H", "1y", "1ms", "٣h", "1ħ", "1hh"]
        {
            assert_eq!(parse(text), Err(TimeError::Unreadable), "{text}");
        }
        for text in ["366d", "53w", "31536001s", "99999999999999999999s", "18446744073709551615w"] {
            assert_eq!(parse(text), Err(TimeError::TooLong), "{text}");
        }
        assert_eq!(parse("0h"), Err(TimeError::Zero));
    }

    #[test]
    fn a_time_is_shown_in_the_largest_unit_that_divides_it() {
        for (seconds, shown) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (90, "90s"),
            (3600, "1h"),
            (5400, "90m"),
            (86_400, "1d"),
            (604_800, "1w"),
            (691_200, "8d"),
        ] {
            assert_eq!(spell(Duration::from_secs(seconds)).to_string(), shown);
        }
        assert_eq!(spell(Duration::from_millis(59_001)).to_string(), "1m", "a begun second is a second");
        assert_eq!(TimeError::TooLong.to_string(), "a time is at most 365d");
    }

    #[test]
    fn a_moment_is_shown_to_the_second_and_not_before_it_is_over() {
        assert_eq!(moment(1_732_448_000_000).to_string(), "2024-11-24T11:33:20Z");
        assert_eq!(moment(1_732_448_000_001).to_string(), "2024-11-24T11:33:21Z");
        assert_eq!(moment(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(end(1000, Some(Duration::from_secs(2))), Some(3000));
        assert_eq!(end(u64::MAX, Some(Duration::from_secs(2))), Some(UNTIL_MAX_MS));
        assert_eq!(end(1000, None), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_typed(seconds in 1..=OPTION_TIME_MAX.as_secs()) {
            let time = Duration::from_secs(seconds);
            prop_assert_eq!(parse(&spell(time).to_string()), Ok(time));
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,12}") {
            let _ = parse(&text);
        }
    }
}
