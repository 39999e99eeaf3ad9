//! What a terminal shows beside the text: colours of names, times, and lines that are dim. Pure: no I/O.
//!
//! A name has the same colour whenever and wherever it is seen, chosen by a hash of it. Of the 256 colours of most
//! terminals those were taken whose contrast with black and with white is at least 4 to 1, so a name can be read on a
//! dark background and on a light one; more than 4.5 is not possible for both. Rows are broken before colours are added, because escape
//! sequences take no columns.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::object::Shown;
use super::rows::Page;

/// Colours of the table that terminals with 256 of them share (6 levels each of red, green and blue from 16 on).
const PALETTE: [u8; 12] = [28, 30, 31, 62, 64, 97, 99, 129, 130, 131, 161, 163];

/// The foregrounds of a terminal with eight colours, without black and white. Their contrast is the terminal's choice.
const BASIC: [u8; 6] = [31, 32, 33, 34, 35, 36];

const DIM: &str = "\x1b[2m";
const NOT_DIM: &str = "\x1b[22m";
const DEFAULT_COLOUR: &str = "\x1b[39m";

/// The colours that a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    None,
    Eight,
    Many,
}

impl Colours {
    /// Those of the terminal that this program is on.
    pub fn of_terminal() -> Self {
        let has = |name: &str, is: fn(&OsStr) -> bool| env::var_os(name).is_some_and(|value| is(&value));
        let is_many = |value: &OsStr| value.to_str().is_some_and(|value| value.contains("256color"));
        if has("NO_COLOR", |value| !value.is_empty()) {
            Self::None
        } else if has("TERM", is_many) || has("COLORTERM", |value| !value.is_empty()) {
            Self::Many
        } else {
            Self::Eight
        }
    }
}

/// How lines are shown.
#[derive(Clone, Debug)]
pub struct Style {
    pub colours: Colours,
    /// Where the clocks are that times are told by; none when no times are told.
    pub times: Option<TimeZone>,
}

impl Style {
    /// The line with its time in front.
    pub fn text(&self, shown: &Shown, now: Timestamp) -> String {
        self.time(shown, now) + &shown.text
    }

    /// The rows of a line on a terminal, each with its line feed.
    pub fn rows(&self, shown: &Shown, page: Page, now: Timestamp) -> String {
        let time = self.time(shown, now);
        let rows = page.rows(&(time.clone() + &shown.text));
        if self.colours == Colours::None {
            return rows;
        }
        if shown.is_dim {
            return rows.lines().fold(String::new(), |out, row| out + DIM + row + NOT_DIM + "\n");
        }
        // A name is coloured where all before it, and all of it, stands in the first row as it is.
        let mut out = String::new();
        let mut rest = rows.as_str();
        if !time.is_empty() {
            let Some(behind) = rest.strip_prefix(time.as_str()) else { return rows };
            let _ = write!(out, "{DIM}{time}{NOT_DIM}");
            rest = behind;
        }
        let mut done = 0;
        for range in &shown.names {
            let (before, name) = (&shown.text[done..range.start], &shown.text[range.clone()]);
            let Some(behind) = rest.strip_prefix(before).and_then(|rest| rest.strip_prefix(name)) else { break };
            let _ = write!(out, "{before}{}{name}{DEFAULT_COLOUR}", self.colour(name));
            (rest, done) = (behind, range.end);
        }
        out + rest
    }

    /// A part of the prompt that is less than the line typed behind it.
    pub fn dim(&self, text: &str) -> String {
        if self.colours == Colours::None || text.is_empty() { text.to_owned() } else { format!("{DIM}{text}{NOT_DIM}") }
    }

    /// `14:03:05 `, and the date before it when it is not today's.
    fn time(&self, shown: &Shown, now: Timestamp) -> String {
        let moment = shown.time.and_then(|time| Timestamp::from_millisecond(i64::try_from(time).ok()?).ok());
        let (Some(zone), Some(moment)) = (&self.times, moment) else { return String::new() };
        let moment = moment.to_zoned(zone.clone());
        let is_today = moment.date() == now.to_zoned(zone.clone()).date();
        moment.strftime(if is_today { "%H:%M:%S " } else { "%Y-%m-%d %H:%M:%S " }).to_string()
    }

    fn colour(&self, name: &str) -> String {
        let pick = |colours: &[u8]| colours[(hash(name) % colours.len() as u64) as usize];
        match self.colours {
            Colours::None => String::new(),
            Colours::Eight => format!("\x1b[{}m", pick(&BASIC)),
            Colours::Many => format!("\x1b[38;5;{}m", pick(&PALETTE)),
        }
    }
}

/// FNV-1a with 64 bits, of a name without regard to case. The same on every machine and in every version.
fn hash(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x100_0000_01b3);
    // The lower bits alone would choose by the last characters mostly.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const MANY: Style = Style { colours: Colours::Many, times: None };

    fn now() -> Timestamp {
        "2026-11-24T17:20:05Z".parse().unwrap()
    }

    /// Relative luminance, as the Web Content Accessibility Guidelines define it.
    fn luminance(colour: u8) -> f64 {
        let levels = [0.0, 95.0, 135.0, 175.0, 215.0, 255.0];
        let index = usize::from(colour - 16);
        let linear = |level: usize| {
            let part: f64 = levels[level] / 255.0;
            if part <= 0.03928 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(index / 36) + 0.7152 * linear(index / 6 % 6) + 0.0722 * linear(index % 6)
    }

    #[test]
    fn every_colour_can_be_read_on_black_and_on_white() {
        for colour in PALETTE {
            let luminance = luminance(colour);
            let (on_white, on_black) = (1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05);
            assert!(on_white >= 4.0 && on_black >= 4.0, "{colour}: {on_white} on white, {on_black} on black");
        }
    }

    #[test]
    fn a_name_has_one_colour_and_names_have_all_of_them() {
        assert_eq!(MANY.colour("bob"), MANY.colour("BOB"));
        assert_eq!(MANY.colour("bob"), "\x1b[38;5;131m", "the colour of a name does not change between versions");
        let used: BTreeSet<String> = (0..400).map(|port| MANY.colour(&format!("127.0.0.1:{port}"))).collect();
        assert_eq!(used.len(), PALETTE.len());
    }

    #[test]
    fn names_are_coloured_where_they_stand_whole_in_the_first_row() {
        let shown = Shown { text: "> ann is now known as bob".into(), names: vec![2..5, 22..25], ..Shown::default() };
        let (ann, bob) = (MANY.colour("ann"), MANY.colour("bob"));
        let rows = |columns| MANY.rows(&shown, Page::new(columns, false), now());
        assert_eq!(rows(80), format!("> {ann}ann\x1b[39m is now known as {bob}bob\x1b[39m\n"));
        assert_eq!(rows(22), format!("> {ann}ann\x1b[39m is now known as \n    bob\n"));
        assert_eq!(rows(3), MANY.rows(&Shown { names: vec![], ..shown.clone() }, Page::new(3, false), now()));
        let none = Style { colours: Colours::None, times: None };
        assert_eq!(none.rows(&shown, Page::new(80, false), now()), "> ann is now known as bob\n");
        assert_eq!(none.dim("x"), "x");
    }

    #[test]
    fn a_dim_line_is_dim_in_every_row() {
        let rows = MANY.rows(&Shown::dim("0123456789ab"), Page::new(10, false), now());
        assert_eq!(rows, "\x1b[2m0123456789\x1b[22m\n\x1b[2m    ab\x1b[22m\n");
    }

    #[test]
    fn a_time_stands_in_front_and_a_date_where_it_is_not_of_today() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let style = Style { colours: Colours::Many, times: Some(zone) };
        let at = |time: &str| {
            let time: Timestamp = time.parse().unwrap();
            let time = Some(u64::try_from(time.as_millisecond()).unwrap());
            Shown { time, ..Shown::plain("[bob] hi") }
        };
        let (today, before) = (at("2026-11-24T12:03:05.9Z"), at("2026-11-23T21:59:59Z"));
        assert_eq!(style.text(&today, now()), "14:03:05 [bob] hi");
        assert_eq!(style.text(&before, now()), "2026-11-23 23:59:59 [bob] hi");
        let expected = format!("\x1b[2m14:03:05 \x1b[22m[{}bob\x1b[39m] hi\n", style.colour("bob"));
        assert_eq!(style.rows(&today, Page::new(80, false), now()), expected);
        let never = Shown { time: Some(u64::MAX), ..today };
        assert_eq!(style.text(&never, now()), "[bob] hi");
        assert_eq!(style.text(&Shown::plain("> no time"), now()), "> no time");
    }
}
