//! The lines of a run: what a publisher sends, and what a line from the server turns out to be.
//!
//! A publisher sends `B <publisher> <sequence> <due> <padding>\n`, exactly `line_bytes` long with the newline; `due` is the
//! due time in nanoseconds of `CLOCK_MONOTONIC`. The others receive it behind its author, `[IP:PORT] `. As the length is
//! fixed, the payload is found from the end of the line and nothing is searched for.
//!
//! Pure. Whether a message was expected is the recorder's business; here a line is only well-formed or not.

/// The shortest line a run may ask for. Longer runs and more publishers need more, see [`Format::line_bytes_min`].
pub const LINE_BYTES_MIN: usize = 32;
/// The longest: with its author it fits into what a member keeps of an unfinished line.
pub const LINE_BYTES_MAX: usize = 60_000;

/// Digits of a due time: nanoseconds since the machine started, three years of them.
const DUE_DIGITS: usize = 17;

/// Digits of any number of a line.
const DIGITS_MAX: usize = 19;

/// What padding repeats: every byte differs from its neighbours, so a shifted line does not pass for a whole one.
const PADDING: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Names of one message, as the payload carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub publisher: u32,
    pub sequence: u64,
    pub due_ns: u64,
}

/// What a line from the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A well-formed message; `author` is all that stands before the payload.
    Message { author: &'a [u8], header: Header },
    /// A join, a leave, a welcome or a summary of them: `> ` or `< `.
    Presence,
    /// A word of the server to this member: `! `.
    Notice,
    /// Neither: someone else's message, or one of ours that was damaged.
    Other,
}

/// Renders and recognises the lines of one size.
#[derive(Debug, Clone)]
pub struct Format {
    /// Length without the newline.
    payload_bytes: usize,
    padding: Vec<u8>,
}

impl Format {
    /// Lines of `line_bytes`, newline included; at least [`Self::line_bytes_min`] of the plan.
    pub fn new(line_bytes: usize) -> Self {
        assert!(line_bytes >= LINE_BYTES_MIN, "a line of {line_bytes} bytes cannot hold its header");
        let padding = PADDING.iter().copied().cycle().take(line_bytes).collect();
        Self { payload_bytes: line_bytes - 1, padding }
    }

    /// The shortest line that holds the longest header of a plan: `B`, two numbers, the due time, their spaces, one byte
    /// of padding and the newline.
    pub fn line_bytes_min(publishers: u32, messages: usize) -> usize {
        let digits = |largest: usize| largest.to_string().len();
        let sequence_max = messages.div_ceil(publishers as usize);
        (2 + digits(publishers as usize) + 1 + digits(sequence_max) + 1 + DUE_DIGITS + 1 + 2).max(LINE_BYTES_MIN)
    }

    /// Appends the line of one message to `out`.
    pub fn encode(&self, header: Header, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"B ");
        push_number(out, u64::from(header.publisher));
        push_number(out, header.sequence);
        push_number(out, header.due_ns);
        let written = out.len() - start;
        out.extend_from_slice(&self.padding[..self.payload_bytes - written]);
        out.push(b'\n');
    }

    /// What `line` (without its newline) is.
    pub fn parse<'a>(&self, line: &'a [u8]) -> Line<'a> {
        match line {
            [b'[', ..] => self.parse_message(line).unwrap_or(Line::Other),
            [b'>' | b'<', b' ', ..] => Line::Presence,
            [b'!', b' ', ..] => Line::Notice,
            _ => Line::Other,
        }
    }

    fn parse_message<'a>(&self, line: &'a [u8]) -> Option<Line<'a>> {
        let (author, payload) = line.split_at_checked(line.len().checked_sub(self.payload_bytes)?)?;
        Some(Line::Message { author, header: self.parse_payload(payload)? })
    }

    /// The header of a payload that is whole and undamaged: what a publisher sends, without its newline.
    pub fn parse_payload(&self, payload: &[u8]) -> Option<Header> {
        if payload.len() != self.payload_bytes {
            return None;
        }
        let rest = payload.strip_prefix(b"B ")?;
        let (publisher, rest) = take_number(rest)?;
        let (sequence, rest) = take_number(rest)?;
        let (due_ns, rest) = take_number(rest)?;
        if rest != &self.padding[..rest.len()] {
            return None;
        }
        Some(Header { publisher: u32::try_from(publisher).ok()?, sequence, due_ns })
    }
}

/// N of `! you missed N messages`: what a member that fell behind is told. Some doors leave out what stands before a notice.
pub fn told_missed(notice: &[u8]) -> Option<u64> {
    let rest = without_mark(notice).strip_prefix(b"you missed ")?;
    let digits = rest.split(|byte| *byte == b' ').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// True exactly when the server tells a publisher that its lines wait for the limit on floods.
pub fn is_slow_down(notice: &[u8]) -> bool {
    without_mark(notice).starts_with(b"slow down")
}

fn without_mark(notice: &[u8]) -> &[u8] {
    notice.strip_prefix(b"! ").unwrap_or(notice)
}

/// Whether an author is one that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    Same,
    /// The name that the server gives to the second of two members that would have the same: `[IP:PORT|N] `.
    Second,
    Other,
}

/// What `author` is to `known`, which is as a line has it, `[NAME] `. Objects and IRC name the author without what stands around it, and
/// IRC has `|` for `:`.
pub fn likeness(author: &[u8], known: &[u8]) -> Likeness {
    // The common case by far. A peer names no author.
    if author == known {
        return Likeness::Same;
    }
    let Some(name) = known.strip_prefix(b"[").and_then(|known| known.strip_suffix(b"] ")) else {
        return Likeness::Other;
    };
    let author = author.strip_prefix(b"[").and_then(|author| author.strip_suffix(b"] ")).unwrap_or(author);
    let Some((same, more)) = author.split_at_checked(name.len()) else { return Likeness::Other };
    let is_same = same.iter().zip(name).all(|(one, other)| one == other || (*one, *other) == (b'|', b':'));
    match more {
        _ if !is_same => Likeness::Other,
        [] => Likeness::Same,
        [b'|', number @ ..] if !number.is_empty() && number.iter().all(u8::is_ascii_digit) => Likeness::Second,
        _ => Likeness::Other,
    }
}

/// The name that `author`, a [`Likeness::Second`] of `known`, has in lines.
pub fn with_number(author: &[u8], known: &[u8]) -> Vec<u8> {
    let author = author.strip_suffix(b"] ").unwrap_or(author);
    let number = author.rsplit(|byte| *byte == b'|').next().unwrap_or_default();
    let name = known.strip_suffix(b"] ").unwrap_or(known);
    [name, b"|", number, b"] "].concat()
}

/// What the server puts before the lines of a member called `name`, which is its address if it has chosen none.
pub fn author_of(name: impl std::fmt::Display) -> Vec<u8> {
    format!("[{name}] ").into_bytes()
}

/// Appends `number` and a space.
fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
    out.push(b' ');
}

/// A number of 1 to 19 digits and the space after it. Nineteen digits always fit, so nothing is checked for overflow:
/// this is the costliest part of a delivery.
fn take_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let digits = bytes.len() - rest.len();
            return (*byte == b' ' && (1..=DIGITS_MAX).contains(&digits)).then_some((number, after));
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: Header = Header { publisher: 3, sequence: 41, due_ns: 1_234_567_890_123 };

    fn wire(format: &Format, author: &[u8], header: Header) -> Vec<u8> {
        let mut line = author.to_vec();
        format.encode(header, &mut line);
        line
    }

    #[test]
    fn a_line_has_the_size_asked_for() {
        let line = wire(&Format::new(64), b"", HEADER);
        assert_eq!(line, b"B 3 41 1234567890123 abcdefghijklmnopqrstuvwxyz0123456789abcdef\n");
        for bytes in [32, 33, 64, 100, 4096] {
            assert_eq!(wire(&Format::new(bytes), b"", HEADER).len(), bytes);
        }
    }

    #[test]
    fn authors_are_those_of_the_server() {
        assert_eq!(author_of("127.0.0.1:63155"), b"[127.0.0.1:63155] ");
        assert_eq!(author_of("[::1]:63155"), b"[[::1]:63155] ");
    }

    #[test]
    fn a_second_member_of_the_same_name_has_a_number_behind_it() {
        let known = b"[127.0.0.1:5555] ";
        for same in ["[127.0.0.1:5555] ", "127.0.0.1:5555", "127.0.0.1|5555"] {
            assert_eq!(likeness(same.as_bytes(), known), Likeness::Same, "{same}");
        }
        for second in ["[127.0.0.1:5555|2] ", "[127.0.0.1:5555|17] ", "127.0.0.1:5555|2", "127.0.0.1|5555|2"] {
            assert_eq!(likeness(second.as_bytes(), known), Likeness::Second, "{second}");
        }
        for other in [
            "[127.0.0.1:5556] ",
            "[127.0.0.1:5555|] ",
            "[127.0.0.1:5555|x] ",
            "[127.0.0.1:55552] ",
            "",
            "127.0.0.1:555",
        ] {
            assert_eq!(likeness(other.as_bytes(), known), Likeness::Other, "{other}");
        }
        for second in ["[127.0.0.1:5555|17] ", "127.0.0.1|5555|17"] {
            assert_eq!(with_number(second.as_bytes(), known), b"[127.0.0.1:5555|17] ");
        }
        assert_eq!((likeness(b"", b""), likeness(b"a", b"")), (Likeness::Same, Likeness::Other));
    }

    #[test]
    fn notices_that_a_run_must_understand() {
        assert_eq!(told_missed(b"! you missed 1 message"), Some(1));
        assert_eq!(told_missed(b"! you missed 1204 messages"), Some(1204));
        assert_eq!(told_missed(b"! you missed the bus"), None);
        assert!(is_slow_down(b"! slow down: your lines are delayed, not lost"));
        assert!(!is_slow_down(b"! you missed 1 message"));
    }

    #[test]
    fn a_message_is_recognised_behind_any_author() {
        let format = Format::new(64);
        for author in ["[127.0.0.1:63155] ", "[[::1]:1] "] {
            let line = wire(&format, author.as_bytes(), HEADER);
            let parsed = format.parse(&line[..line.len() - 1]);
            assert_eq!(parsed, Line::Message { author: author.as_bytes(), header: HEADER });
        }
    }

    #[test]
    fn a_message_cut_anywhere_is_no_message() {
        let format = Format::new(64);
        let line = wire(&format, b"[127.0.0.1:63155] ", HEADER);
        for cut in 0..line.len() - 1 {
            let head = format.parse(&line[..cut]);
            assert!(!matches!(head, Line::Message { .. }), "cut at {cut}: {head:?}");
            if cut > 0 {
                let tail = format.parse(&line[cut..line.len() - 1]);
                assert!(!matches!(tail, Line::Message { .. }), "from {cut}: {tail:?}");
            }
        }
    }

    #[test]
    fn a_message_with_any_byte_of_its_padding_changed_is_no_message() {
        let format = Format::new(64);
        let line = wire(&format, b"[127.0.0.1:63155] ", HEADER);
        let padding_starts = line.iter().position(|&byte| byte == b'a').unwrap();
        for at in padding_starts..line.len() - 1 {
            let mut damaged = line.clone();
            damaged[at] ^= 1;
            assert_eq!(format.parse(&damaged[..line.len() - 1]), Line::Other, "byte {at}");
        }
    }

    #[test]
    fn the_servers_own_lines_are_told_apart() {
        let format = Format::new(64);
        let lines: [(&[u8], Line<'_>); 8] = [
            (b"> Connected to the chat server (3 users online)", Line::Presence),
            (b"> 1204 users entered, 31 left. (19000 users online)", Line::Presence),
            (b"< The user 127.0.0.1:63155 left (2 users online)", Line::Presence),
            (b"! you missed 12 messages", Line::Notice),
            (b"", Line::Other),
            (b">", Line::Other),
            (b"[127.0.0.1:63155] World", Line::Other),
            (b"hello", Line::Other),
        ];
        for (line, expected) in lines {
            assert_eq!(format.parse(line), expected, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn the_shortest_line_grows_with_the_plan() {
        assert_eq!(Format::line_bytes_min(1, 10_000), 32);
        assert!(Format::line_bytes_min(1000, 50_000_000) > 32);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_parsed(publisher in 0u32..1000, sequence in 0u64..1_000_000, due_ns in 0u64..100_000_000_000_000_000, extra in 0usize..200) {
            let header = Header { publisher, sequence, due_ns };
            let format = Format::new(Format::line_bytes_min(1000, 1_000_000_000) + extra);
            let line = wire(&format, b"[10.0.0.1:5] ", header);
            prop_assert_eq!(line.len(), format.payload_bytes + 1 + 13);
            prop_assert_eq!(format.parse(&line[..line.len() - 1]), Line::Message { author: b"[10.0.0.1:5] ", header });
        }

        #[test]
        fn no_bytes_make_the_parser_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            Format::new(64).parse(&line);
        }

        #[test]
        fn a_number_is_read_back(number in 0u64..10_000_000_000_000_000_000) {
            let mut out = Vec::new();
            push_number(&mut out, number);
            out.extend_from_slice(b"rest");
            prop_assert_eq!(take_number(&out), Some((number, b"rest".as_slice())));
        }
    }
}
