//! The bytes that each peer must have been sent, computed without the server's code: a vector of lines, and for each
//! member the line from which it joined.
//!
//! The lines are those that the witness heard. A member's stream is its welcome and then every line from where it
//! joined, except its own. Notices for it alone stand between two lines. After `you missed N messages` it goes on
//! exactly N lines later, of which joins and leaves are not counted: those may be missing where the log has forgotten them. A member that is still connected has heard every line, and one that left has heard a prefix.
//! The messages of an author are computed from the bytes that the server was handed ([`typed`]); the lines of the log
//! are read in [`log`].

pub mod asked;
pub mod heard;
pub mod log;
mod moves;
pub mod outcome;
pub mod places;
pub mod reader;
pub mod rooms;
pub mod shown;
pub mod together;
pub mod typed;

use std::fmt;

use crate::io::sim::pair::{Pair, Record};
use crate::message::Notice;
use crate::names::Name;

pub type Line = Vec<u8>;

fn rendered(line: impl fmt::Display) -> Line {
    format!("{line}\n").into_bytes()
}

/// Whole lines with their line feeds, and what follows the last one.
pub fn lines(stream: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let end = stream.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    (stream[..end].split_inclusive(|byte| *byte == b'\n').collect(), &stream[end..])
}

/// True for the lines that a room numbers: those that members say, and no joins, leaves and summaries.
pub fn is_numbered(line: &[u8]) -> bool {
    line.starts_with(b"[")
}

/// Numbered lines among these.
pub fn numbered(lines: &[Line]) -> usize {
    lines.iter().filter(|line| is_numbered(line)).count()
}

/// The lines that one reader has heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// The line of the log that comes next.
    pub at: usize,
    /// Numbered lines of the log that were sent whole.
    pub delivered: u64,
    pub missed: u64,
    pub too_long: u64,
    pub slow_down: u64,
    /// It was told why it is closed.
    pub dismissed: bool,
    /// The stream ends in the middle of a line.
    pub torn: bool,
}

/// Reads lines against the log from line `at` on. `own` is how the reader's own lines start. The server's log has
/// forgotten the first `forgotten` lines by now. Those of them that are not numbered may be missing without a word.
pub fn follow(log: &[Line], mut at: usize, forgotten: usize, stream: &[u8], own: &[u8]) -> Result<Heard, String> {
    let mut heard = Heard::default();
    let (whole, rest) = lines(stream);
    let is_own = |at: usize| log.get(at).is_some_and(|line| line.starts_with(own));
    let may_pass = |at: usize| is_own(at) || (at < forgotten && log.get(at).is_some_and(|line| !is_numbered(line)));
    // The lines from `at` on of which one is next.
    let next = |at: usize| (at..).take(1 + (at..).take_while(|at| may_pass(*at)).count());
    // The lines of which one comes next. They are several where equal lines were said, and forgotten.
    let mut places = vec![at];
    for line in whole {
        let text = String::from_utf8_lossy(line);
        if heard.dismissed {
            return Err(format!("{text:?} follows the last line"));
        }
        if let Some(number) = text.strip_prefix("! you missed ") {
            let number = number.split(' ').next().and_then(|number| number.parse::<u64>().ok());
            let number = number.ok_or_else(|| format!("{text:?} tells no number"))?;
            at = places[0];
            places = places.iter().filter_map(|at| behind_gap(log, *at, forgotten, number, is_own)).collect();
            if number == 0 || places.is_empty() {
                return Err(format!("told of {number} messages missed, from line {at} on, with {forgotten} forgotten"));
            }
            heard.missed += number;
        } else if text.starts_with("! line too long") {
            heard.too_long += 1;
        } else if text.starts_with("! slow down") {
            heard.slow_down += 1;
        } else if text.starts_with("! your line was not finished") || text.starts_with("! this is a ") {
            heard.dismissed = true;
        } else {
            at = places[0];
            let found = places.iter().flat_map(|at| next(*at)).filter(|at| log.get(*at).is_some_and(|it| it == line));
            places = found.map(|at| at + 1).collect();
            if places.is_empty() {
                let expected = next(at).last().and_then(|at| log.get(at)).map(|line| String::from_utf8_lossy(line));
                return Err(format!("heard {text:?} where line {at} or later is {expected:?}"));
            }
            heard.delivered += u64::from(is_numbered(line));
        }
        places.sort_unstable();
        places.dedup();
    }
    heard.torn = !rest.is_empty();
    let mut last = places.iter().flat_map(|at| next(*at));
    let begun = |at: &usize| log.get(*at).is_some_and(|line| line.starts_with(rest));
    let end = if rest.is_empty() { last.max() } else { last.find(begun) };
    heard.at = match end {
        Some(end) => end,
        None if rest.starts_with(b"!") && !heard.dismissed => places[0],
        None => return Err(format!("the stream ends with {:?}", String::from_utf8_lossy(rest))),
    };
    Ok(heard)
}

/// The line behind a gap of so many messages that begins at line `at`; `None` when that many were not forgotten.
fn behind_gap(
    log: &[Line],
    mut at: usize,
    forgotten: usize,
    messages: u64,
    is_own: impl Fn(usize) -> bool,
) -> Option<usize> {
    let mut left = messages;
    while left > 0 {
        let line = log.get(at).filter(|_| at < forgotten)?;
        left -= u64::from(!is_own(at) && is_numbered(line));
        at += 1;
    }
    Some(at)
}

/// A member's whole stream: the welcome, then the log from one of the places where it may have joined.
pub fn follow_member(
    log: &[Line],
    places: std::ops::RangeInclusive<usize>,
    forgotten: usize,
    name: Name,
    stream: &[u8],
) -> Result<Heard, String> {
    let announcement = format!("> New user {name} entered. ");
    let start_of = |line: &&Line| line.starts_with(announcement.as_bytes());
    let Some(welcome_end) = stream.iter().position(|byte| *byte == b'\n') else {
        let welcome = b"> Connected to the chat server (";
        let shorter = stream.len().min(welcome.len());
        let begun = stream[..shorter] == welcome[..shorter];
        return if begun { Ok(Heard { torn: true, ..Heard::default() }) } else { Err("no welcome".to_owned()) };
    };
    let (welcome, rest) = stream.split_at(welcome_end + 1);
    if !welcome.starts_with(b"> Connected to the chat server (") {
        return Err(format!("welcomed with {:?}", String::from_utf8_lossy(welcome)));
    }
    let own = format!("[{name}] ").into_bytes();
    if let Some(index) = log.iter().position(|line| start_of(&line)) {
        if !(places.start() <= &index && &index < places.end()) {
            return Err(format!("line {index} says that it entered, outside {places:?}"));
        }
        let online = |line: &[u8]| line.iter().rposition(|byte| *byte == b'(').map(|at| line[at..].to_vec());
        if online(welcome) != online(&log[index]) {
            return Err("it was told another number online than the others".to_owned());
        }
        return follow(log, index + 1, forgotten, rest, &own);
    }
    let mut last = Err("it joined nowhere".to_owned());
    for place in places {
        last = follow(log, place, forgotten, rest, &own);
        if last.is_ok() {
            break;
        }
    }
    last
}

/// A newcomer that was not let in is told why, and nothing else.
pub fn is_refusal(stream: &[u8]) -> bool {
    [Notice::ServerFull, Notice::TooManyConnections, Notice::TooManyJoins]
        .into_iter()
        .any(|line| !stream.is_empty() && rendered(line).starts_with(stream))
}

pub fn record(pair: &Pair) -> &Record {
    pair.record.as_deref().expect("the peers of a seed are recorded")
}
