//! What everybody must have been sent, said without the server's means: a vector of lines, and for each member where it
//! joined.
//!
//! The lines are what the witness heard. A member's stream is its welcome and then every line from where it joined, but
//! its own; notices for it alone stand between two lines; after `you missed N messages` it goes on exactly N lines later.
//! Who is still there has heard everything, and whoever went has heard a prefix. What an author said is worked out again
//! from the bytes that the server was handed.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::pair::{Pair, Record};
use crate::line::{Foreign, Framing, ServerLine};

type Line = Vec<u8>;

fn rendered(line: ServerLine) -> Line {
    let mut bytes = Vec::new();
    line.render(&mut bytes);
    bytes
}

/// Whole lines with their line feeds, and what follows the last one.
pub fn lines(stream: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let end = stream.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    (stream[..end].split_inclusive(|byte| *byte == b'\n').collect(), &stream[end..])
}

/// What one reader has heard.
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
pub fn follow_member(log: &[Line], places: std::ops::RangeInclusive<usize>, pair: &Pair) -> Result<Heard, String> {
    let stream = &record(pair).sent;
    let name = pair.name;
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

/// A newcomer who was not let in is told why, and nothing else.
pub fn is_refusal(stream: &[u8]) -> bool {
    [ServerLine::HouseFull, ServerLine::TooManyConnections, ServerLine::TooManyJoins]
        .into_iter()
        .any(|line| !stream.is_empty() && rendered(line).starts_with(stream))
}

pub fn record(pair: &Pair) -> &Record {
    pair.record.as_deref().expect("a crowd is recorded")
}

/// What the bytes that the server was handed amount to.
#[derive(Debug, Default)]
pub struct Typed {
    /// Messages as others must hear them, without their author.
    pub messages: Vec<Line>,
    pub too_long: u64,
    /// It speaks another protocol, and nothing of it is said.
    pub foreign: bool,
}

pub fn typed(record: &Record, framing: Framing, line_bytes: usize) -> Typed {
    let mut typed = Typed::default();
    let mut pieces: Vec<&[u8]> = Vec::new();
    match framing {
        Framing::Line => pieces.push(&record.heard),
        Framing::Chunk => {
            let mut start = 0;
            for end in &record.chunk_ends {
                pieces.push(&record.heard[start..*end]);
                start = *end;
            }
        }
    }
    if pieces.iter().find(|piece| !piece.is_empty()).is_some_and(|piece| piece.starts_with(&[0x16, 0x03])) {
        typed.foreign = true;
        return typed;
    }
    let mut first = true;
    for piece in pieces {
        let (whole, rest) = lines(piece);
        let rest_ends = framing == Framing::Chunk && !rest.is_empty();
        for line in whole.iter().map(|line| &line[..line.len() - 1]).chain(rest_ends.then_some(rest)) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > line_bytes {
                typed.too_long += 1;
            } else if std::mem::take(&mut first) && Foreign::is_http_request(line) {
                typed.foreign = true;
                return typed;
            } else {
                typed.messages.extend(shown(line));
            }
            first = false;
        }
        let unfinished = rest.strip_suffix(b"\r").unwrap_or(rest);
        if framing == Framing::Line && unfinished.len() > line_bytes {
            typed.too_long += 1;
        }
    }
    typed
}

/// A line as others are shown it; `None` when nothing of it can be seen.
fn shown(line: &[u8]) -> Option<Line> {
    let text: String = String::from_utf8_lossy(line)
        .chars()
        .filter(|character| match u32::from(*character) {
            0x09 => true,
            0..0x20 | 0x7f..0xa0 | 0x2028 | 0x2029 => false,
            _ => true,
        })
        .collect();
    (!text.is_empty()).then(|| text.into_bytes())
}

/// What the log says about who said what and who came and went.
#[derive(Debug, Default)]
pub struct Said {
    /// By author: messages without the author's name.
    pub messages: HashMap<String, Vec<Line>>,
    pub entered: u64,
    pub left: u64,
    /// Which lines tell of a single join or leave.
    pub announced: Vec<usize>,
    /// Which lines are messages, and whose.
    pub spoken: Vec<(usize, String)>,
}

/// A name as it stands in a line: an address, and a number where others have the same.
fn parsed(name: &str) -> Option<String> {
    let (address, number) = name.split_once('|').map_or((name, None), |(address, number)| (address, Some(number)));
    let numbered = number.is_none_or(|number| number.parse::<u8>().is_ok_and(|number| number >= 2));
    (address.parse::<SocketAddr>().is_ok() && numbered).then(|| name.to_owned())
}

/// Reads the log: every line is well formed, the numbers of people add up, and nobody speaks before entering or after
/// leaving. `line_max` is the longest line that may be in it.
pub fn read_log(log: &[Line], line_max: usize) -> Result<Said, String> {
    let mut said = Said::default();
    let mut here: HashMap<String, bool> = HashMap::new();
    for (index, line) in log.iter().enumerate() {
        let wrong = |what: &str| Err(format!("line {index} {:?}: {what}", String::from_utf8_lossy(line)));
        let Ok(text) = str::from_utf8(line) else { return wrong("is not UTF-8") };
        let Some(text) = text.strip_suffix('\n') else { return wrong("has no end") };
        if line.len() > line_max || shown(text.as_bytes()).as_deref() != Some(text.as_bytes()) {
            return wrong("is too long or not to be shown");
        }
        if let Some((name, message)) = text.strip_prefix('[').and_then(|text| text.split_once("] ")) {
            let Some(name) = parsed(name) else { return wrong("has no author") };
            if here.get(&name) == Some(&false) {
                return wrong("is said by somebody who has left");
            }
            said.spoken.push((index, name.clone()));
            said.messages.entry(name).or_default().push(message.into());
            continue;
        }
        if text == "! the server is stopping" {
            continue;
        }
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            [">", "New", "user", name, "entered.", ..] => {
                let Some(name) = parsed(name) else { return wrong("names nobody") };
                if said.messages.contains_key(&name) || here.insert(name, true).is_some() {
                    return wrong("enters twice, or after speaking");
                }
                said.entered += 1;
                said.announced.push(index);
            }
            ["<", "The", "user", name, "left", ..] => {
                let Some(name) = parsed(name) else { return wrong("names nobody") };
                if here.insert(name, false) == Some(false) {
                    return wrong("leaves twice");
                }
                said.left += 1;
                said.announced.push(index);
            }
            [">", entered, _, "entered,", left, "left.", ..] => {
                let (Ok(entered), Ok(left)) = (entered.parse::<u64>(), left.parse::<u64>()) else {
                    return wrong("counts nobody");
                };
                said.entered += entered;
                said.left += left;
            }
            _ => return wrong("is no line of this server"),
        }
        let online = text.rsplit_once('(').and_then(|(_, online)| online.split(' ').next()?.parse().ok());
        if online != said.entered.checked_sub(said.left) {
            return wrong(&format!("{} entered and {} left so far", said.entered, said.left));
        }
    }
    Ok(said)
}
