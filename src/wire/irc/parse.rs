//! A line of a client, as what it asks for. Nothing is copied, and no bytes are an error that is not a value.
//!
//! `[@TAGS ][:PREFIX ]COMMAND PARAMETER... [:LAST]`: tags and prefix are passed over, a command is known in any case, and
//! the last parameter may hold spaces (RFC 2812, section 2.3.1). Parameters are bytes as they were sent: whoever shows
//! one of them to a client sanitises it first.

use arrayvec::ArrayVec;

/// Most parameters of a line (RFC 2812, section 2.3). The last of them takes the rest.
const PARAMETERS_MAX: usize = 15;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    Cap {
        verb: &'a [u8],
        rest: Option<&'a [u8]>,
    },
    Pass,
    Nick {
        name: &'a [u8],
    },
    User,
    Ping {
        token: &'a [u8],
    },
    Pong,
    /// `#A` or `#A,#B`.
    Join {
        channels: &'a [u8],
    },
    /// `JOIN 0`: it leaves the channel in which it is.
    JoinNone,
    Part {
        channels: &'a [u8],
    },
    Privmsg {
        target: &'a [u8],
        text: &'a [u8],
    },
    /// Is never answered.
    Notice {
        target: &'a [u8],
        text: &'a [u8],
    },
    Names {
        channel: Option<&'a [u8]>,
    },
    Who {
        mask: Option<&'a [u8]>,
        options: Option<&'a [u8]>,
    },
    Mode {
        target: &'a [u8],
        change: Option<&'a [u8]>,
        argument: Option<&'a [u8]>,
    },
    Topic {
        channel: &'a [u8],
        text: Option<&'a [u8]>,
    },
    List {
        channels: Option<&'a [u8]>,
    },
    Whois {
        nick: &'a [u8],
    },
    Ison {
        nicks: ArrayVec<&'a [u8], PARAMETERS_MAX>,
    },
    Userhost {
        nicks: ArrayVec<&'a [u8], PARAMETERS_MAX>,
    },
    Away {
        text: Option<&'a [u8]>,
    },
    Lusers,
    Motd,
    Kick {
        channel: &'a [u8],
        nick: &'a [u8],
        why: &'a [u8],
    },
    Oper {
        key: &'a [u8],
    },
    Quit,
    Version,
    Time,
    /// A line without a command: nothing is answered.
    Nothing,
}

/// Why a line is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong<'a> {
    /// 421
    Unknown { command: &'a [u8] },
    /// 461
    NeedMoreParams { command: &'static str },
    /// 431
    NoNickname,
    /// 409
    NoOrigin,
    /// 411
    NoRecipient { command: &'static str },
    /// 412
    NoText,
}

/// A line in its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts<'a> {
    pub command: &'a [u8],
    pub parameters: ArrayVec<&'a [u8], PARAMETERS_MAX>,
}

/// Splits off what stands before the next blank, and the blanks.
fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b' ', bytes).unwrap_or(bytes.len());
    (&bytes[..end], without_blanks(&bytes[end..]))
}

fn without_blanks(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| **byte == b' ').count()..]
}

/// Takes a line apart.
pub fn parts(line: &[u8]) -> Parts<'_> {
    let mut rest = without_blanks(without_tags(line));
    if rest.first() == Some(&b':') {
        rest = word(rest).1;
    }
    let (command, mut rest) = word(rest);
    let mut parts = Parts { command, ..Parts::default() };
    while let Some(first) = rest.first() {
        let last = *first == b':';
        if last || parts.parameters.len() == PARAMETERS_MAX - 1 {
            parts.parameters.push(&rest[usize::from(last)..]);
            break;
        }
        let (parameter, others) = word(rest);
        parts.parameters.push(parameter);
        rest = others;
    }
    parts
}

/// A line behind its tags.
pub fn without_tags(line: &[u8]) -> &[u8] {
    if line.first() == Some(&b'@') { word(line).1 } else { line }
}

/// What a text asks for by CTCP: between two `\x01`, of which the second may be left out.
pub fn ctcp(text: &[u8]) -> Option<&[u8]> {
    let asked = text.strip_prefix(b"\x01")?;
    Some(asked.strip_suffix(b"\x01").unwrap_or(asked))
}

/// The text of a CTCP ACTION.
pub fn action(asked: &[u8]) -> Option<&[u8]> {
    let (name, text) = word(asked);
    (name == b"ACTION").then_some(text)
}

/// Reads a line.
pub fn parse(line: &[u8]) -> Result<Request<'_>, Wrong<'_>> {
    let Parts { command, parameters } = parts(line);
    let at = |index: usize| parameters.get(index).copied();
    // An empty parameter is none, where one is needed.
    let some = |index: usize| at(index).filter(|parameter| !parameter.is_empty());
    let need = |index: usize, command: &'static str| some(index).ok_or(Wrong::NeedMoreParams { command });
    let mut upper = ArrayVec::<u8, 8>::new();
    if upper.try_extend_from_slice(command).is_err() {
        return Err(Wrong::Unknown { command });
    }
    upper.make_ascii_uppercase();
    Ok(match &upper[..] {
        b"" => Request::Nothing,
        b"CAP" => Request::Cap { verb: need(0, "CAP")?, rest: at(1) },
        b"PASS" => Request::Pass,
        b"NICK" => Request::Nick { name: some(0).ok_or(Wrong::NoNickname)? },
        b"USER" => {
            need(3, "USER")?;
            Request::User
        }
        b"PING" => Request::Ping { token: some(0).ok_or(Wrong::NoOrigin)? },
        b"PONG" => Request::Pong,
        b"JOIN" => match need(0, "JOIN")? {
            b"0" => Request::JoinNone,
            channels => Request::Join { channels },
        },
        b"PART" => Request::Part { channels: need(0, "PART")? },
        b"PRIVMSG" => {
            let target = some(0).ok_or(Wrong::NoRecipient { command: "PRIVMSG" })?;
            Request::Privmsg { target, text: some(1).ok_or(Wrong::NoText)? }
        }
        b"NOTICE" => match (some(0), some(1)) {
            (Some(target), Some(text)) => Request::Notice { target, text },
            _ => Request::Nothing,
        },
        b"NAMES" => Request::Names { channel: some(0) },
        b"WHO" => Request::Who { mask: some(0), options: some(1) },
        b"MODE" => Request::Mode { target: need(0, "MODE")?, change: some(1), argument: some(2) },
        b"TOPIC" => Request::Topic { channel: need(0, "TOPIC")?, text: at(1) },
        b"LIST" => Request::List { channels: some(0) },
        // With two parameters the first is the server that is to be asked.
        b"WHOIS" => Request::Whois { nick: some(1).or(some(0)).ok_or(Wrong::NoNickname)? },
        b"ISON" => {
            need(0, "ISON")?;
            Request::Ison { nicks: parameters }
        }
        b"USERHOST" => {
            need(0, "USERHOST")?;
            Request::Userhost { nicks: parameters }
        }
        b"AWAY" => Request::Away { text: some(0) },
        b"LUSERS" => Request::Lusers,
        b"MOTD" => Request::Motd,
        b"KICK" => Request::Kick { channel: need(0, "KICK")?, nick: need(1, "KICK")?, why: at(2).unwrap_or_default() },
        b"OPER" => Request::Oper { key: need(1, "OPER")? },
        b"QUIT" => Request::Quit,
        b"VERSION" => Request::Version,
        b"TIME" => Request::Time,
        _ => return Err(Wrong::Unknown { command }),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check_parts(line: &str, command: &str, parameters: &[&str]) {
        let parts = parts(line.as_bytes());
        let shown: Vec<String> = parts.parameters.iter().map(|bytes| String::from_utf8_lossy(bytes).into()).collect();
        assert_eq!(String::from_utf8_lossy(parts.command), command, "{line:?}");
        assert_eq!(shown, parameters, "{line:?}");
    }

    #[test]
    fn a_line_is_taken_apart() {
        check_parts("", "", &[]);
        check_parts("   ", "", &[]);
        check_parts("@a=b", "", &[]);
        check_parts(":me", "", &[]);
        check_parts("PING", "PING", &[]);
        check_parts("PING a", "PING", &["a"]);
        check_parts("PING  a  b  ", "PING", &["a", "b"]);
        check_parts("PRIVMSG #a :b  c :d ", "PRIVMSG", &["#a", "b  c :d "]);
        check_parts("PRIVMSG #a :", "PRIVMSG", &["#a", ""]);
        check_parts("JOIN :", "JOIN", &[""]);
        check_parts("@a=b;+c=d  :me!u@h PRIVMSG #a b:c", "PRIVMSG", &["#a", "b:c"]);
        check_parts("a\tb", "a\tb", &[]);
        let many: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let last = many[14..].join(" ");
        let mut expected: Vec<&str> = many[..14].iter().map(String::as_str).collect();
        expected.push(&last);
        check_parts(&format!("X {}", many.join(" ")), "X", &expected);
    }

    #[test]
    fn requests_are_read() {
        let need = |command| Err(Wrong::NeedMoreParams { command });
        for (line, expected) in [
            ("", Ok(Request::Nothing)),
            ("cap ls 302", Ok(Request::Cap { verb: b"ls", rest: Some(b"302") })),
            ("CAP", need("CAP")),
            ("PASS x", Ok(Request::Pass)),
            ("Nick bob", Ok(Request::Nick { name: b"bob" })),
            ("NICK", Err(Wrong::NoNickname)),
            ("NICK :", Err(Wrong::NoNickname)),
            ("USER a 0 * :A b", Ok(Request::User)),
            ("USER a 0 *", need("USER")),
            ("PING :a b", Ok(Request::Ping { token: b"a b" })),
            ("PING", Err(Wrong::NoOrigin)),
            ("JOIN #a", Ok(Request::Join { channels: b"#a" })),
            ("JOIN 0", Ok(Request::JoinNone)),
            ("JOIN :", need("JOIN")),
            ("PART #a :why", Ok(Request::Part { channels: b"#a" })),
            ("PRIVMSG #a :hi  you", Ok(Request::Privmsg { target: b"#a", text: b"hi  you" })),
            ("PRIVMSG", Err(Wrong::NoRecipient { command: "PRIVMSG" })),
            ("PRIVMSG #a", Err(Wrong::NoText)),
            ("PRIVMSG #a :", Err(Wrong::NoText)),
            ("NOTICE #a", Ok(Request::Nothing)),
            ("NOTICE #a x", Ok(Request::Notice { target: b"#a", text: b"x" })),
            ("NAMES", Ok(Request::Names { channel: None })),
            ("WHO #a %tcnf,42", Ok(Request::Who { mask: Some(b"#a"), options: Some(b"%tcnf,42") })),
            ("MODE #a +b", Ok(Request::Mode { target: b"#a", change: Some(b"+b"), argument: None })),
            ("TOPIC #a", Ok(Request::Topic { channel: b"#a", text: None })),
            ("TOPIC #a :", Ok(Request::Topic { channel: b"#a", text: Some(b"") })),
            ("WHOIS bob", Ok(Request::Whois { nick: b"bob" })),
            ("WHOIS uproar bob", Ok(Request::Whois { nick: b"bob" })),
            ("AWAY", Ok(Request::Away { text: None })),
            ("KICK #a bob :out  now", Ok(Request::Kick { channel: b"#a", nick: b"bob", why: b"out  now" })),
            ("KICK #a", need("KICK")),
            ("OPER bob", need("OPER")),
            ("OPER bob :a key", Ok(Request::Oper { key: b"a key" })),
            ("QUIT :bye", Ok(Request::Quit)),
            ("SUMMON", Err(Wrong::Unknown { command: b"SUMMON" })),
            ("ABCDEFGHI", Err(Wrong::Unknown { command: b"ABCDEFGHI" })),
        ] {
            assert_eq!(parse(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn what_is_asked_by_ctcp_is_told_from_a_text() {
        assert_eq!(ctcp(b"hi"), None);
        assert_eq!(ctcp(b"\x01ACTION waves\x01").and_then(action), Some(&b"waves"[..]));
        assert_eq!(ctcp(b"\x01ACTION waves").and_then(action), Some(&b"waves"[..]));
        assert_eq!(ctcp(b"\x01ACTION\x01").and_then(action), Some(&b""[..]));
        assert_eq!(ctcp(b"\x01VERSION\x01").map(action), Some(None));
        assert_eq!(ctcp(b"\x01"), Some(&b""[..]));
    }

    proptest! {
        #[test]
        fn any_line_is_read_and_made_of_parts_of_it(
            line in prop::collection::vec(
                prop_oneof![Just(b' '), Just(b':'), Just(b'@'), Just(b'\x01'), any::<u8>()],
                0..200,
            ),
        ) {
            let parts = parts(&line);
            prop_assert!(!parts.command.contains(&b' '));
            let bytes: usize = parts.parameters.iter().map(|parameter| parameter.len()).sum();
            prop_assert!(parts.command.len() + bytes <= line.len());
            let others = parts.parameters.split_last().map_or(&[][..], |(_, others)| others);
            prop_assert!(others.iter().all(|other| !other.is_empty() && !other.contains(&b' ')));
            // Whatever stands in front, the same is asked for.
            let marked = [b"@time=x :somebody ".as_slice(), &line].concat();
            if !matches!(line.first(), Some(b'@' | b':' | b' ')) {
                prop_assert_eq!(parse(&marked), parse(&line));
            }
        }
    }
}
