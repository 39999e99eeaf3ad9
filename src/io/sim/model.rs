//! What everybody must have been sent, said without the server's means: a vector of lines, and for each member where it
//! joined.
//!
//! The lines are what the witness heard. A member's stream is its welcome and then every line from where it joined, but
//! its own; notices for it alone stand between two lines; after `you missed N messages` it goes on exactly N lines later.
//! Who is still there has heard everything, and whoever went has heard a prefix. What an author said is worked out again
//! from the bytes that the server was handed.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::pair::{Pair, Record};
use crate::limits::OPENING_HOLD;
use crate::message::Notice;
use crate::wire::Framing;

type Line = Vec<u8>;

fn rendered(line: impl fmt::Display) -> Line {
    format!("{line}\n").into_bytes()
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
    [Notice::HouseFull, Notice::TooManyConnections, Notice::TooManyJoins]
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
    /// The last message was held when its author had sent its last byte: something else may have ended it first.
    pub last_unsure: bool,
    /// Whether two chunks are one message depends on when the room took what was before them.
    pub cuts_unsure: bool,
}

/// When turns were over, and in which of them bytes were received from anybody.
#[derive(Clone, Copy, Debug)]
pub struct Turns<'a> {
    pub times: &'a [Duration],
    pub receiving: &'a [bool],
}

impl Turns<'_> {
    /// True when what was handed over in turn `first`, and not gone on with before turn `next`, was held for its time.
    fn hold_ends_between(&self, first: usize, next: usize) -> bool {
        (first + 1..next).any(|turn| self.receiving[turn] && self.times[turn] >= self.times[first] + OPENING_HOLD)
    }
}

/// How a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    Open,
    Person,
    Foreign,
}

/// Reads a line as far as it has come, with its line feed if that has come.
fn beginning(line: &[u8], after_nul: bool) -> Beginning {
    use Beginning::{Foreign, Open, Person};
    let ended = line.ends_with(b"\n");
    let bare: Vec<u8> = line.iter().copied().skip_while(|byte| *byte == b'\r').collect();
    let Some(first) = bare.first() else { return Open };
    let starts = |bytes: &[u8]| bare.starts_with(bytes);
    let may_start = |bytes: &[u8]| bytes.starts_with(&bare);
    if (0x14..=0x18).contains(first) {
        return if bare.len() == 1 {
            Open
        } else if bare[1] == 3 {
            Foreign
        } else {
            Person
        };
    }
    if (0x80..0xc0).contains(first) {
        let wrong = bare.get(1) == Some(&b'\n') || bare.get(2).is_some_and(|byte| *byte != 1);
        return match bare.get(3) {
            _ if wrong => Person,
            None => Open,
            Some(0 | 3) => Foreign,
            Some(_) => Person,
        };
    }
    if *first == 0 {
        return if may_start(b"\0\r\n") { Open } else { Person };
    }
    if after_nul && starts(b"QUIT\n") {
        return Foreign;
    }
    let is_method = |word: &[u8]| {
        word.iter()
            .all(|byte| byte.is_ascii_graphic() && !b"abcdefghijklmnopqrstuvwxyz\"(),/:;<=>?@[\\]{}".contains(byte))
    };
    let Some(space) = bare.iter().position(|byte| *byte == b' ') else {
        return if is_method(&bare) { Open } else { Person };
    };
    let (method, target) = (&bare[..space], &bare[space + 1..]);
    if !is_method(method) || !method.iter().any(u8::is_ascii_uppercase) {
        return Person;
    }
    let word_end = target.iter().position(|byte| b" \r\n".contains(byte));
    let word = &target[..word_end.unwrap_or(target.len())];
    let whole = word_end.is_some();
    let text = String::from_utf8_lossy(word);
    if word.first() == Some(&b'/') || (whole && word == b"*") {
        return Foreign;
    }
    let connects = method == b"CONNECT";
    if connects && word.first().is_some_and(|byte| *byte != b'*') {
        if word[0] == b':' {
            return Person;
        }
        // Only what is printed can be a host; what is not ends it.
        let printed = word.iter().position(|byte| !byte.is_ascii_graphic());
        let shown = &text[..printed.unwrap_or(text.len())];
        if shown.contains("://") {
            return Foreign;
        }
        if printed.is_some() {
            return Person;
        }
        if !whole {
            return Open;
        }
        let port = shown.rsplit_once(':').map(|(_, port)| port);
        let digits = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
        if port.is_some_and(digits) {
            return Foreign;
        }
        let rest = &target[word.len()..];
        return if rest.starts_with(b" HTTP/") {
            Foreign
        } else if b" HTTP/".starts_with(rest) && !ended {
            Open
        } else {
            Person
        };
    }
    if method == b"PROXY" && whole && ["TCP4", "TCP6", "UNKNOWN"].contains(&&*text) {
        return Foreign;
    }
    let scheme = word.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(byte)));
    let letter = word.first().is_none_or(u8::is_ascii_alphabetic);
    let behind = scheme.map_or(&b""[..], |end| &word[end..]);
    if letter && scheme.is_some() && behind.starts_with(b"://") {
        return Foreign;
    }
    let may_be = word == b"*" || (letter && scheme != Some(0) && b"://".starts_with(behind));
    if may_be && !whole { Open } else { Person }
}

/// Works out what comes of a person's bytes. `may_wait` when a line of no message may have to wait all the same.
pub fn typed(record: &Record, framing: Framing, line_bytes: usize, turns: Turns, may_wait: bool) -> Typed {
    let mut typed = Typed::default();
    let mut author = Author::default();
    match framing {
        Framing::Line => {
            author.take(&record.heard, false, line_bytes, &mut typed);
            let unfinished = author.open.strip_suffix(b"\r").unwrap_or(&author.open);
            typed.too_long += u64::from(!typed.foreign && unfinished.len() > line_bytes);
        }
        Framing::Chunk => {
            let (mut start, mut since) = (0, 0);
            for (end, turn) in &record.chunk_ends {
                let chunk = &record.heard[start..*end];
                start = *end;
                if !author.open.is_empty() && turns.hold_ends_between(since, *turn) {
                    author.end(line_bytes, &mut typed);
                }
                let (was_open, lines) = (!author.open.is_empty(), author.lines);
                author.take(chunk, true, line_bytes, &mut typed);
                if !was_open || author.lines > lines {
                    since = *turn;
                }
                let waited = author.lines > lines || author.open.len() > line_bytes;
                typed.cuts_unsure |= may_wait && !author.open.is_empty() && waited;
                if !chunk.is_empty() {
                    typed.last_unsure = !author.open.is_empty();
                }
            }
            author.end(line_bytes, &mut typed);
        }
    }
    typed
}

/// One who types, up to some byte.
#[derive(Debug, Default)]
struct Author {
    has_spoken: bool,
    /// The line before was the middle of a signature.
    after_nul: bool,
    /// A line without its end.
    open: Vec<u8>,
    /// Lines that have ended.
    lines: usize,
}

impl Author {
    /// `chunked` when the end of `bytes` ends a line that is certainly a person's.
    fn take(&mut self, bytes: &[u8], chunked: bool, line_bytes: usize, typed: &mut Typed) {
        self.open.extend_from_slice(bytes);
        while !typed.foreign && !self.open.is_empty() {
            let end = self.open.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
            let line = self.open[..end.unwrap_or(self.open.len())].to_vec();
            let open = match beginning(&line, self.after_nul) {
                _ if self.has_spoken => false,
                Beginning::Foreign => {
                    typed.foreign = true;
                    return;
                }
                // Carriage returns alone become nothing.
                Beginning::Open => line.iter().any(|byte| *byte != b'\r'),
                Beginning::Person => false,
            };
            if end.is_none() && (open || !chunked) {
                return;
            }
            self.open.drain(..line.len());
            self.say(&line, line_bytes, typed);
        }
    }

    /// What is open is a line.
    fn end(&mut self, line_bytes: usize, typed: &mut Typed) {
        let line = std::mem::take(&mut self.open);
        if !line.is_empty() && !typed.foreign {
            self.say(&line, line_bytes, typed);
        }
    }

    fn say(&mut self, line: &[u8], line_bytes: usize, typed: &mut Typed) {
        self.lines += 1;
        self.after_nul = line.ends_with(b"\0\r\n") && line[..line.len() - 3].iter().all(|byte| *byte == b'\r');
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > line_bytes {
            typed.too_long += 1;
        } else if let Some(line) = shown(line) {
            self.has_spoken = true;
            typed.messages.push(line);
        }
    }
}

/// A line as others are shown it; `None` when nothing of it can be seen.
fn shown(line: &[u8]) -> Option<Line> {
    let mut text: Vec<char> = Vec::new();
    // One replacement for each run of invalid bytes.
    let mut valid = true;
    for chunk in line.utf8_chunks() {
        valid |= !chunk.valid().is_empty();
        text.extend(chunk.valid().chars());
        if !chunk.invalid().is_empty() && std::mem::replace(&mut valid, false) {
            text.push('\u{fffd}');
        }
    }
    text.retain(|character| !is_dropped(*character));
    let is_joiner = |character: char| matches!(character, '\u{200c}' | '\u{200d}');
    let mut kept: Vec<char> = Vec::new();
    for character in text {
        let row = kept.iter().rev().take_while(|before| is_mark(**before) || is_joiner(**before));
        let marks = row.filter(|before| is_mark(**before)).count();
        let tags = kept.iter().rev().take_while(|before| is_tag(**before)).count();
        let in_flag = kept.len() > tags && kept[kept.len() - tags - 1] == '\u{1f3f4}';
        if (is_mark(character) && marks >= 8) || (is_tag(character) && (tags >= 8 || !in_flag)) {
            continue;
        }
        kept.push(character);
    }
    let seen = |character: &char| {
        !(character.is_whitespace()
            || is_joiner(*character)
            || is_tag(*character)
            || ('\u{fe00}'..='\u{fe0f}').contains(character)
            || ('\u{e0100}'..='\u{e01ef}').contains(character)
            || "\u{34f}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180c}\u{180d}\u{180f}\u{2800}\u{3164}\u{ffa0}"
                .contains(*character))
    };
    let visible = kept.iter().any(seen);
    visible.then(|| String::from_iter(kept).into_bytes())
}

fn is_tag(character: char) -> bool {
    ('\u{e0020}'..='\u{e007f}').contains(&character)
}

fn is_mark(character: char) -> bool {
    use unicode_general_category::GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    let category = unicode_general_category::get_general_category(character);
    matches!(category, EnclosingMark | NonspacingMark | SpacingMark)
}

/// Control and format characters of Unicode 16, written down from its list, and code points kept for more of them.
fn is_dropped(character: char) -> bool {
    !is_tag(character)
        && !('\u{e0100}'..='\u{e01ef}').contains(&character)
        && match u32::from(character) {
            0x09 | 0x200c | 0x200d => false,
            0..0x20 | 0x7f..0xa0 | 0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890 | 0x891 | 0x8e2 | 0x180e => {
                true
            }
            0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff0..=0xfffb | 0x110bd | 0x110cd => true,
            0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff => true,
            _ => false,
        }
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
