//! Peers that speak another protocol: recognised by the first bytes of a line, before any of it is said.
//!
//! Any web page can make a browser send a request to this port, with lines that the page chooses in it. So a line is
//! judged by its beginning, at the first byte that decides: a target that is longer than any line, or that never ends,
//! cannot delay the decision. [`Opening`] is given bytes as they arrive, in pieces of any size. It stores its state and
//! no bytes except the start of a word.
//!
//! | What | Begins with |
//! | --- | --- |
//! | HTTP | a method, one space, and `/`, or `*` alone, or `scheme://` |
//! | HTTP | `CONNECT `, and `HOST:PORT` alone, or a word and ` HTTP/` |
//! | TLS | a record of any type (bytes 0x14 to 0x18) of major version 3, or a hello of SSL 2 |
//! | STUN | a header with its cookie (RFC 8489, section 5), bare or behind a length (RFC 4571) |
//! | PROXY | `PROXY TCP4`, `PROXY TCP6` or `PROXY UNKNOWN` alone, or the twelve bytes of version 2 |
//!
//! A method is a token (RFC 9110, section 5.6.2) with at least one capital and no small letter: before they send any
//! other, browsers ask the server (CORS). A decision is never changed. A line that is not said, because it is empty or
//! too long, decides nothing: the next line is looked at.

/// Another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    Tls,
    Http,
    Proxy,
    /// Sent by a browser that looks for a path to another browser. A web page chooses a part of it.
    Stun,
}

/// The decision on the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// None yet: there are no bytes, or they may still become another protocol's beginning.
    Undecided,
    /// A line of a person.
    Plain,
    Foreign(Foreign),
}

/// Longest word that has a meaning here.
const WORD_BYTES_MAX: usize = 8;

/// The fifth to eighth byte of a STUN message.
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Most digits of a port.
const PORT_DIGITS_MAX: u8 = 5;

/// The state that the bytes of a line so far have led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing but carriage returns.
    #[default]
    Start,
    /// A person's line: it can become no other protocol any more.
    Plain,
    Is(Foreign),
    /// A byte that is the type of a TLS record.
    RecordType,
    /// The number of bytes so far of a possible hello of SSL 2 (draft-hickman-netscape-ssl-00): length, length, 1,
    /// version.
    OldHello(u8),
    /// The part of PROXY version 2's signature behind its two line endings, up to and with its next line ending. As a
    /// line it has no visible byte, see `pass_over`.
    Nul,
    /// A length, or the first byte of one, and behind it the first byte of the type of a STUN message.
    Length,
    FramedType,
    FramedTypeEnd,
    /// The number of bytes so far of a STUN message's header, from its type on.
    Stun(u8),
    NulReturn,
    NulLine,
    /// A method; true once it has a capital.
    Method(bool),
    /// A method and a space.
    Target,
    /// A target of `*`, if it is one.
    Star,
    /// The letters of a scheme, or of a word that turns out to be none.
    Scheme,
    SchemeColon,
    SchemeSlash,
    /// The word after `PROXY `.
    Family,
    /// A host after `CONNECT `, or a word that turns out to be none.
    Host,
    /// A host, a colon, and this many digits.
    Port(u8),
    PortSlash,
    /// A word after `CONNECT `, a space, and this many bytes of `HTTP/`.
    Version(u8),
}

/// The beginning of a connection's bytes, until a line of it was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    state: State,
    /// The first bytes of the word that is being read.
    word: [u8; WORD_BYTES_MAX],
    /// Length of that word, up to one more than the bytes that are kept.
    word_bytes: u8,
    /// Bytes of the line that were looked at and are still kept by the caller.
    looked_at: usize,
    /// True exactly when the line before this was the middle of PROXY's binary signature.
    after_nul: bool,
}

impl Opening {
    /// Looks at a line as far as it has come. `rest` begins with the bytes of the line that the caller has kept: those
    /// of the last call, unless [`Opening::pass_over`] was called since. What follows a line feed is not looked at.
    pub fn look(&mut self, rest: &[u8]) -> Verdict {
        for byte in &rest[self.looked_at.min(rest.len())..] {
            if matches!(self.state, State::Plain | State::Is(_) | State::NulLine) {
                break;
            }
            self.looked_at += 1;
            self.state = self.after(*byte);
        }
        match self.state {
            State::Plain | State::NulLine => Verdict::Plain,
            State::Is(foreign) => Verdict::Foreign(foreign),
            _ => Verdict::Undecided,
        }
    }

    /// True when there are bytes that may still become another protocol's beginning.
    pub fn is_undecided(&self) -> bool {
        !matches!(self.state, State::Start | State::Plain | State::Is(_) | State::NulLine)
    }

    /// The line was not said, and the caller has dropped its bytes. `goes_on` is true when more of it is to come.
    pub fn pass_over(&mut self, goes_on: bool) {
        if goes_on {
            self.looked_at = 0;
        } else {
            *self = Self { after_nul: self.state == State::NulLine, ..Self::default() };
        }
    }

    /// No more bytes belong to this line, so it is a person's.
    pub fn settle(&mut self) {
        self.state = State::Plain;
    }

    fn after(&mut self, byte: u8) -> State {
        use State::{
            Family, FramedType, FramedTypeEnd, Host, Is, Length, Method, Nul, NulLine, NulReturn, OldHello, Plain,
            Port, PortSlash, RecordType, Scheme, SchemeColon, SchemeSlash, Star, Start, Stun, Target, Version,
        };
        let ends_word = matches!(byte, b' ' | b'\r' | b'\n');
        match (self.state, byte) {
            (Start, b'\r') => Start,
            (Start, 0x14..=0x18) => RecordType,
            (Start, 0x80..=0xbf) => OldHello(1),
            (Start, 0) => Nul,
            (Start, 1..=4) => Length,
            (Start | Method(_), b'a'..=b'z') => Plain,
            (Start, _) if is_token(byte) => self.begin_word(byte, Method(byte.is_ascii_uppercase())),

            (RecordType, 3) => Is(Foreign::Tls),
            (OldHello(1), _) if byte != b'\n' => OldHello(2),
            (OldHello(2), 1) => OldHello(3),
            (OldHello(3), 0 | 3) => Is(Foreign::Tls),

            (Nul, b'\r') => NulReturn,
            // A type, of a request or an indication; a message is longer than that.
            (Nul, 0x01 | 0x11) => Stun(2),
            (Nul | Length, _) if byte != b'\n' => FramedType,
            (FramedType, 0) => FramedTypeEnd,
            (FramedTypeEnd, 0x01 | 0x11) => Stun(2),
            // Its length is a multiple of 4, so it holds no line feed.
            (Stun(seen @ 2..4), _) if byte != b'\n' => Stun(seen + 1),
            (Stun(7), _) if byte == STUN_COOKIE[3] => Is(Foreign::Stun),
            (Stun(seen @ 4..7), _) if byte == STUN_COOKIE[usize::from(seen) - 4] => Stun(seen + 1),
            (NulReturn, b'\n') => NulLine,

            (Method(capital), _) if is_token(byte) => {
                self.add_to_word(byte);
                Method(capital || byte.is_ascii_uppercase())
            }
            (Method(true), b' ') => Target,
            (Method(_), b'\n') if self.after_nul && self.word() == b"QUIT" => Is(Foreign::Proxy),

            (Target, b'/') => Is(Foreign::Http),
            (Target, b'*') => Star,
            (Target, b'!'..=b'~') if byte != b':' && self.word() == b"CONNECT" => Host,
            (Target, _) if byte.is_ascii_alphabetic() => {
                let next = if self.word() == b"PROXY" { Family } else { Scheme };
                self.begin_word(byte, next)
            }

            (Star, _) if ends_word => Is(Foreign::Http),

            (Family, _) if ends_word && matches!(self.word(), b"TCP4" | b"TCP6" | b"UNKNOWN") => Is(Foreign::Proxy),
            (Family | Scheme, b':') => SchemeColon,
            (Family | Scheme, _) if byte.is_ascii_alphanumeric() || b"+-.".contains(&byte) => {
                self.add_to_word(byte);
                self.state
            }
            (SchemeColon, b'/') => SchemeSlash,
            (SchemeSlash | PortSlash, b'/') => Is(Foreign::Http),

            (Port(1..=PORT_DIGITS_MAX), _) if ends_word => Is(Foreign::Http),
            (Port(digits @ ..PORT_DIGITS_MAX), b'0'..=b'9') => Port(digits + 1),
            (Port(0), b'/') => PortSlash,
            (Host | Port(_) | PortSlash, b':') => Port(0),
            (Host | Port(_) | PortSlash, b'!'..=b'~') => Host,
            (Host | Port(_) | PortSlash, b' ') => Version(0),
            (Version(4), b'/') => Is(Foreign::Http),
            (Version(matched @ ..4), _) if byte == b"HTTP"[usize::from(matched)] => Version(matched + 1),
            _ => Plain,
        }
    }

    fn begin_word(&mut self, byte: u8, state: State) -> State {
        self.word_bytes = 0;
        self.add_to_word(byte);
        state
    }

    fn add_to_word(&mut self, byte: u8) {
        if let Some(place) = self.word.get_mut(usize::from(self.word_bytes)) {
            *place = byte;
        }
        self.word_bytes = (self.word_bytes + 1).min(WORD_BYTES_MAX as u8 + 1);
    }

    /// The word that was read last; empty when it is too long to mean anything.
    fn word(&self) -> &[u8] {
        self.word.get(..usize::from(self.word_bytes)).unwrap_or_default()
    }
}

/// True for bytes of a token, except small letters.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Name;
    use crate::wire::text;
    use crate::wire::{Item, Splitter};
    use proptest::prelude::*;

    const LIMIT: usize = 20;

    /// Takes chunks as a connection does. Returns the decision, and the lines that were said.
    fn hear(chunks: &[&[u8]]) -> (Verdict, Vec<String>) {
        let (mut opening, mut splitter) = (Some(Opening::default()), Splitter::default());
        let (mut kept, mut said, mut rendered) = (Vec::new(), Vec::new(), Vec::new());
        for chunk in chunks {
            kept.extend_from_slice(chunk);
            let mut rest = kept.as_slice();
            loop {
                if let Some(opening) = &mut opening
                    && let verdict @ Verdict::Foreign(_) = opening.look(rest)
                {
                    return (verdict, said);
                }
                // A line that has to wait is looked at again.
                opening.iter_mut().for_each(|opening| {
                    opening.look(rest);
                });
                if splitter.is_discarding() {
                    splitter.discard(&mut rest);
                    opening.iter_mut().for_each(|opening| opening.pass_over(splitter.is_discarding()));
                    if splitter.is_discarding() {
                        break;
                    }
                    continue;
                }
                let Some(item) = splitter.next(&mut rest, LIMIT) else { break };
                rendered.clear();
                if let Item::Line(line) = item
                    && text::line(Name::first(([127, 0, 0, 1], 1).into()), line, &mut rendered).unwrap()
                {
                    opening = None;
                    said.push(String::from_utf8(rendered[14..rendered.len() - 1].to_vec()).unwrap());
                } else if let Some(opening) = &mut opening {
                    opening.pass_over(splitter.is_discarding());
                }
            }
            kept = rest.to_vec();
        }
        (opening.map_or(Verdict::Plain, |mut opening| opening.look(&kept)), said)
    }

    /// The same whole, cut in two at every place, and byte by byte.
    #[track_caller]
    fn check(bytes: &[u8], expected: Verdict, said: &[&str]) {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(hear(&[bytes]), (expected, said.iter().map(ToString::to_string).collect()), "{text:?}");
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(hear(&[head, tail]).0, expected, "{text:?} cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(hear(&single), (expected, said.iter().map(ToString::to_string).collect()), "{text:?} byte by byte");
    }

    #[test]
    fn other_protocols_are_recognised_and_nothing_of_them_is_said() {
        use Foreign::{Http, Proxy, Stun, Tls};
        let long = [b"POST /".as_slice(), &[b'a'; 500], b" HTTP/1.1\r\nCookie: a=b\r\n\r\nI resign\n"].concat();
        let long_method = [[b'A'; 100].as_slice(), b" / HTTP/1.1\r\nCookie: a=b\r\n"].concat();
        let after_long = [[b'x'; 100].as_slice(), b"\nGET / HTTP/1.1\r\nCookie: a=b\r\n"].concat();
        let long_host = [b"CONNECT ".as_slice(), &[b'a'; 500], b":443 HTTP/1.1\r\nHost: a\r\n"].concat();
        for (bytes, foreign) in [
            (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], Http),
            (b"GET /", Http),
            (b"GET /x\r\n", Http),
            (b"GET * HTTP/1.1\n", Http),
            (b"GET *\n", Http),
            (b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n", Http),
            (b"X_Y.Z!2 /\n", Http),
            (b"2GET /\n", Http),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Http),
            (b"GET http://example.org/ HTTP/1.1\r\n", Http),
            (b"GET view-source+x.1://a", Http),
            (b"CONNECT example.org:443 HTTP/1.1\r\n", Http),
            (b"CONNECT example.org:443\n", Http),
            (b"CONNECT [::1]:443 HTTP/1.1\r\n", Http),
            (b"CONNECT example.org HTTP/1.1\r\n", Http),
            (b"CONNECT http://example.org HTTP/1.1\r\n", Http),
            (b"CONNECT /x", Http),
            (b"PROXY https://example.org/ HTTP/1.1", Http),
            (b"\r\nGET / HTTP/1.1\r\n", Http),
            (b"\n\r\n\n\nGET / HTTP/1.1\r\n", Http),
            (b"\r\r\nGET / HTTP/1.1\r\n", Http),
            (b"\0\x1b\x07\nGET / HTTP/1.1\r\n", Http),
            ("\u{feff}\u{200b} \u{2800}\nGET / HTTP/1.1\r\n".as_bytes(), Http),
            (&long, Http),
            (&long_method, Http),
            (&long_host, Http),
            (&after_long, Http),
            (b"\x16\x03\x01\x02\x00\x01", Tls),
            (b"\x14\x03\x03\x00\x01\x01", Tls),
            (b"\x15\x03", Tls),
            (b"\x17\x03\x03", Tls),
            (b"\r\n\x16\x03\x01\n", Tls),
            (b"\x80\x2e\x01\x03\x01\x00", Tls),
            (b"\x81\x00\x01\x00\x02", Tls),
            (b"\x00\x01\x00\x50\x21\x12\xa4\x42abc\nIresign\n", Stun),
            (b"\x00\x64\x00\x01\x00\x50\x21\x12\xa4\x42abc\nIresign\n", Stun),
            (b"\x01\x10\x00\x01\x00\xfc\x21\x12\xa4\x42", Stun),
            (b"\r\n\x00\x64\x00\x11\x00\x50\x21\x12\xa4\x42", Stun),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\nGET / HTTP/1.1\r\n", Proxy),
            (b"PROXY TCP6 ::1 ::1 5 6\r\nhello\r\n", Proxy),
            (b"PROXY UNKNOWN\r\nhello\r\n", Proxy),
            (b"PROXY UNKNOWN ffff\r\n", Proxy),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01", Proxy),
        ] {
            check(bytes, Verdict::Foreign(foreign), &[]);
        }
    }

    #[test]
    fn people_are_heard() {
        for line in [
            "hello",
            "get well soon",
            "POST it please",
            "Host: that's me",
            "GET",
            "GET over here",
            "GET real HTTP/1.1",
            "get / HTTP/1.1",
            "Get / now",
            "HTTP/1.1",
            "try GET / now",
            " GET / now",
            "GET  / now",
            "GET\t/ now",
            "I *love* this",
            "OK: /me too",
            "OK... what?",
            "1 / 2",
            "+1 /me",
            "READ this: a/b",
            "SEE mailto:me",
            "SEE http:/x",
            "CONNECT me to x",
            "CONNECT",
            "CONNECT ",
            "CONNECT me: 5",
            "CONNECT at 5:30pm",
            "CONNECT a:123456",
            "CONNECT :80",
            "CONNECT either/or",
            "CONNECT me HTTPS",
            "PROXY is down",
            "PROXY TCP5",
            "PROXY UNKNOWNS",
            "PROXY tcp4 x",
            "QUIT",
            "gr\u{fc}\u{df}e",
            "\u{1f389}",
            "\u{c4}GET /",
        ] {
            check(format!("{line}\n").as_bytes(), Verdict::Plain, &[line]);
        }
        check(b"\xbfQu\xe9?\n", Verdict::Plain, &["\u{fffd}Qu\u{fffd}?"]);
        check(b"\x16hi\n\x16\x03\x01\n", Verdict::Plain, &["hi"]);
        check(b"\0\r\nQUIT it\n", Verdict::Plain, &["QUIT it"]);
        check(b"\0\r\n\r\nQUIT\n", Verdict::Plain, &["QUIT"]);
    }

    #[test]
    fn a_peer_that_has_spoken_may_say_anything() {
        check(b"hi\nGET / HTTP/1.1\n", Verdict::Plain, &["hi", "GET / HTTP/1.1"]);
        check(b"\nhi\nGET /\n\x16\x03\nPROXY TCP4\n", Verdict::Plain, &["hi", "GET /", "PROXY TCP4"]);
    }

    #[test]
    fn bytes_that_may_still_become_another_protocol_are_undecided() {
        for bytes in ["", "\r\n", "G", "GET", "GET ", "GET http:/", "CONNECT a:4", "GET *", "PROXY TCP", "\x16", "\0\r"]
        {
            check(bytes.as_bytes(), Verdict::Undecided, &[]);
        }
        let mut opening = Opening::default();
        assert!(!opening.is_undecided(), "nothing has come");
        opening.look(b"GET");
        assert!(opening.is_undecided());
        opening.settle();
        assert_eq!(opening.look(b"GET / HTTP/1.1"), Verdict::Plain);
    }

    /// Bytes of which many begin like something.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                &b"GET"[..],
                b"CONNECT",
                b"PROXY",
                b" ",
                b"/",
                b"*",
                b"http",
                b"://",
                b":",
                b"443",
                b"TCP4",
                b"UNKNOWN",
                b"\r\n",
                b"\n",
                b"\r",
                b"\0",
                b"QUIT",
                b"\x16",
                b"\x03",
                b"\x80",
                b"\x01",
                b"HTTP/1.1",
                b"hi",
                b"aaaaaaaaaaaaaaaaaaaaaaa",
            ])
            .prop_map(<[u8]>::to_vec),
            prop::collection::vec(any::<u8>(), 1..3),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn it_is_the_same_wherever_the_bytes_are_cut(bytes in bytes(), size in 1usize..9) {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            let (verdict, said) = hear(&[&bytes]);
            prop_assert_eq!(hear(&chunks), (verdict, said.clone()));
            if let Verdict::Foreign(_) = verdict {
                prop_assert!(said.is_empty(), "nothing of it is said: {:?}", said);
            }
        }

        #[test]
        fn no_request_gets_a_byte_through(
            before in prop::sample::select(vec!["", "\r\n", "\n\n", "xxxxxxxxxxxxxxxxxxxxxxxxxx\n", " \n"]),
            method in "[A-Z0-9!#$%&'*+.^_`|~-]{0,40}[A-Z][A-Z0-9_-]{0,40}",
            target in prop_oneof!["/[ -~]{0,60}", "[a-z]{1,30}://[ -~]{0,60}"],
            rest in "[ -~\r\n]{0,60}",
            size in 1usize..9,
        ) {
            let bytes = format!("{before}{method} {target}\r\n{rest}\n").into_bytes();
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(hear(&chunks), (Verdict::Foreign(Foreign::Http), Vec::new()));
        }

        #[test]
        fn a_line_that_begins_with_a_small_letter_is_a_persons(line in "[a-z][ -~]{0,15}") {
            prop_assert_eq!(hear(&[line.as_bytes(), b"\n"]), (Verdict::Plain, vec![line]));
        }
    }
}
