//! The bytes that each peer must have been sent, computed without the server's code: a vector of lines, and for each
//! member the line from which it joined.
//!
//! The lines are those that the witness heard. A member's stream is its welcome and then every line from where it
//! joined, except its own. Notices for it alone stand between two lines. After `you missed N messages` it goes on
//! exactly N lines later. A member that is still connected has heard every line, and one that left has heard a prefix.
//! The messages of an author are computed from the bytes that the server was handed ([`typed`]); the lines of the log
//! are read in [`log`].

pub mod log;
pub mod shown;
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

/// The lines that one reader has heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// The line of the log that comes next.
    pub at: usize,
    /// Lines of the log that were sent whole.
    pub delivered: u64,
    pub missed: u64,
    pub too_long: u64,
    pub slow_down: u64,
    /// It was told why it is closed.
    pub dismissed: bool,
    /// The stream ends in the middle of a line.
    pub torn: bool,
}

/// Reads lines against the log from line `at` on. `own` is how the reader's own lines start.
pub fn follow(log: &[Line], mut at: usize, stream: &[u8], own: &[u8]) -> Result<Heard, String> {
    let mut heard = Heard::default();
    let (whole, rest) = lines(stream);
    let is_own = |at: usize| log.get(at).is_some_and(|line| line.starts_with(own));
    for line in whole {
        let text = String::from_utf8_lossy(line);
        if heard.dismissed {
            return Err(format!("{text:?} follows the last line"));
        }
        if let Some(number) = text.strip_prefix("! you missed ") {
            let number = number.split(' ').next().and_then(|number| number.parse::<u64>().ok());
            let number = number.ok_or_else(|| format!("{text:?} tells no number"))?;
            let mut left = number;
            while left > 0 {
                if at >= log.len() {
                    return Err(format!("told of {number} messages missed, {left} more than were said"));
                }
                left -= u64::from(!is_own(at));
                at += 1;
            }
            heard.missed += number;
        } else if text.starts_with("! line too long") {
            heard.too_long += 1;
        } else if text.starts_with("! slow down") {
            heard.slow_down += 1;
        } else if text.starts_with("! your line was not finished") || text.starts_with("! this is a ") {
            heard.dismissed = true;
        } else {
            while is_own(at) {
                at += 1;
            }
            let expected = log.get(at).map(|line| String::from_utf8_lossy(line));
            if expected.as_deref() != Some(&*text) {
                return Err(format!("heard {text:?} where line {at} is {expected:?}"));
            }
            at += 1;
            heard.delivered += 1;
        }
    }
    while is_own(at) {
        at += 1;
    }
    heard.at = at;
    heard.torn = !rest.is_empty();
    let next = log.get(at).is_some_and(|line| line.starts_with(rest));
    if !(rest.is_empty() || next || (rest.starts_with(b"!") && !heard.dismissed)) {
        return Err(format!("the stream ends with {:?}", String::from_utf8_lossy(rest)));
    }
    Ok(heard)
}

/// A member's whole stream: the welcome, then the log from one of the places where it may have joined.
pub fn follow_member(
    log: &[Line],
    places: std::ops::RangeInclusive<usize>,
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
        return follow(log, index + 1, rest, &own);
    }
    let mut last = Err("it joined nowhere".to_owned());
    for place in places {
        last = follow(log, place, rest, &own);
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
