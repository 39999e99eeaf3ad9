//! Answers to WHO: those of RFC 2812, and those whose fields a client chooses (WHOX).

use super::reply::{Replies, Shown};
use super::{Nick, SERVER};
use crate::names::Name;

/// The letters of fields, in the order in which they are answered (WHOX specification, "354 RPL_WHOSPCRPL").
const FIELDS: &[u8] = b"tcuihsnfdlaor";

/// Most bytes of a client's own word that is repeated to it (WHOX: three digits).
const TOKEN_BYTES_MAX: usize = 3;

/// The user of all members.
const USER: &str = "~u";

/// What a client wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields<'a> {
    /// What RFC 2812 has.
    All,
    Chosen {
        fields: &'a [u8],
        token: &'a [u8],
    },
}

/// A member that is answered with.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// `#room`, or `*` where that is not told.
    pub channel: &'a str,
    pub name: Name,
    pub is_operator: bool,
}

impl<'a> Fields<'a> {
    /// Reads the second parameter of WHO.
    pub fn parse(options: Option<&'a [u8]>) -> Self {
        let Some(percent) = options.and_then(|options| Some(&options[memchr::memchr(b'%', options)? + 1..])) else {
            return Self::All;
        };
        let comma = memchr::memchr(b',', percent);
        let (fields, token) = comma.map_or((percent, &b""[..]), |comma| (&percent[..comma], &percent[comma + 1..]));
        let fits = (1..=TOKEN_BYTES_MAX).contains(&token.len()) && token.iter().all(u8::is_ascii_digit);
        Self::Chosen { fields, token: if fits { token } else { b"0" } }
    }

    /// Writes what a client wants to know of a member.
    pub fn write(self, found: &Found<'_>, replies: &mut Replies<'_>) {
        let (channel, nick) = (found.channel, Nick(found.name));
        let flags = match (found.is_operator, channel) {
            (true, "*") => "H*",
            (true, _) => "H*@",
            (false, _) => "H",
        };
        let Self::Chosen { fields, token } = self else {
            return replies.numeric(352, format_args!("{channel} {USER} {SERVER} {SERVER} {nick} {flags} :0 {nick}"));
        };
        let mut answer = String::new();
        for field in FIELDS.iter().filter(|field| fields.contains(field)) {
            answer += &match field {
                b't' => Shown(token).to_string(),
                b'c' => channel.to_owned(),
                b'u' => USER.to_owned(),
                b'i' => "255.255.255.255".to_owned(),
                b'h' | b's' => SERVER.to_owned(),
                b'n' => nick.to_string(),
                b'f' => flags.to_owned(),
                b'o' => "n/a".to_owned(),
                b'r' => format!(":{nick}"),
                // How far away it is, how long it was quiet, and what it has as an account: nothing of all that.
                _ => "0".to_owned(),
            };
            answer.push(' ');
        }
        replies.numeric(354, format_args!("{}", answer.trim_end()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::MemberName;

    fn answered(options: Option<&str>, channel: &str, is_operator: bool) -> String {
        let name = |name| Name::Chosen(MemberName::choose(name).expect("it may be chosen"));
        let mut out = Vec::new();
        let found = Found { channel, name: name("alice"), is_operator };
        Fields::parse(options.map(str::as_bytes)).write(&found, &mut Replies::new(&mut out, Some(name("bob"))));
        String::from_utf8(out).expect("lines are UTF-8")
    }

    #[test]
    fn a_client_is_answered_with_the_fields_that_it_asks_for() {
        for (options, channel, is_operator, expected) in [
            (None, "#den", false, ":uproar 352 bob #den ~u uproar uproar alice H :0 alice\r\n"),
            (Some("o"), "*", true, ":uproar 352 bob * ~u uproar uproar alice H* :0 alice\r\n"),
            (Some("%tcuhnf,42"), "#den", true, ":uproar 354 bob 42 #den ~u uproar alice H*@\r\n"),
            (Some("%nt,4242"), "#den", false, ":uproar 354 bob 0 alice\r\n"),
            (Some("%nt"), "#den", false, ":uproar 354 bob 0 alice\r\n"),
            (Some("%cuhsnfdar"), "#den", false, ":uproar 354 bob #den ~u uproar uproar alice H 0 0 :alice\r\n"),
        ] {
            assert_eq!(answered(options, channel, is_operator), expected, "{options:?}");
        }
    }
}
