//! The server's answers to one client: `:uproar NUMBER NICK ...`. None has more than 512 bytes: what does not fit is not
//! shown.

use std::fmt::{self, Arguments, Display};
use std::io::Write;

use super::{END, Nick, SERVER, USER_AND_HOST};
use crate::limits::{
    IRC_ANSWER_BYTES_MAX, IRC_LINE_BYTES_MAX, IRC_SHOWN_BYTES_MAX, IRC_TOPIC_BYTES, MEMBER_NAME_BYTES_MAX,
    ROOM_NAME_BYTES_MAX,
};
use crate::names::Name;
use crate::wire::sanitise;

/// What the server is able to do beyond RFC 2812, as clients read it.
pub fn features() -> String {
    let channel = 1 + ROOM_NAME_BYTES_MAX;
    format!(
        "CASEMAPPING=ascii CHANTYPES=# CHANLIMIT=#:1 CHANMODES=,,,mnt PREFIX=(ov)@+ NICKLEN={MEMBER_NAME_BYTES_MAX} \
         CHANNELLEN={channel} TOPICLEN={IRC_TOPIC_BYTES} MODES=1 TARGMAX=PRIVMSG:1,NOTICE:1,WHOIS:1 NETWORK={SERVER} \
         UTF8ONLY WHOX"
    )
}

/// The capabilities that a client may ask for (IRCv3).
pub const CAPABILITIES: &str = "echo-message no-implicit-names server-time";

/// Where answers to one client are written.
#[derive(Debug)]
pub struct Replies<'a> {
    out: &'a mut Vec<u8>,
    nick: Addressed,
}

/// How a client is addressed: by `*` when it has chosen no name yet.
#[derive(Clone, Copy, Debug)]
struct Addressed(Option<Nick>);

impl Display for Addressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nick) => nick.fmt(f),
            None => f.write_str("*"),
        }
    }
}

impl<'a> Replies<'a> {
    pub fn new(out: &'a mut Vec<u8>, name: Option<Name>) -> Self {
        Self { out, nick: Addressed(name.map(Nick)) }
    }

    /// True when no more is to be written for one request than the end.
    pub fn is_long(&self) -> bool {
        self.out.len() > IRC_ANSWER_BYTES_MAX - 2 * IRC_LINE_BYTES_MAX
    }

    /// Writes `:uproar NUMBER NICK REST`.
    pub fn numeric(&mut self, number: u16, rest: Arguments<'_>) {
        let nick = self.nick;
        self.line(format_args!(":{SERVER} {number:03} {nick} {rest}"));
    }

    /// Writes a line of the server without a number: `:uproar COMMAND ...`.
    pub fn server(&mut self, rest: Arguments<'_>) {
        self.line(format_args!(":{SERVER} {rest}"));
    }

    /// Writes `:uproar NOTICE NICK :TEXT`.
    pub fn notice(&mut self, text: Arguments<'_>) {
        let nick = self.nick;
        self.server(format_args!("NOTICE {nick} :{text}"));
    }

    /// Writes `:uproar CAP NICK VERB :WORDS`.
    pub fn cap(&mut self, verb: &str, words: &str) {
        let nick = self.nick;
        self.server(format_args!("CAP {nick} {verb} :{words}"));
    }

    /// Writes a line as if a member had sent it.
    pub fn of_member(&mut self, name: Name, rest: Arguments<'_>) {
        self.line(format_args!(":{}{USER_AND_HOST} {rest}", Nick(name)));
    }

    /// Writes the last line before the connection is closed.
    pub fn error(&mut self, why: impl Display) {
        self.line(format_args!("ERROR :{why}"));
    }

    /// Writes words, as many in a line as fit: `:uproar NUMBER NICK HEAD WORD WORD ...`. None where there are no words.
    pub fn list(&mut self, number: u16, head: Arguments<'_>, words: impl Iterator<Item = String>) {
        let mut start = None;
        for word in words {
            let fits =
                start.is_some_and(|start| self.out.len() - start + 1 + word.len() + END.len() <= IRC_LINE_BYTES_MAX);
            if fits {
                write!(self.out, " {word}").expect("writing to a Vec does not fail");
                continue;
            }
            if start.is_some() {
                self.out.extend_from_slice(END);
            }
            start = Some(self.out.len());
            write!(self.out, ":{SERVER} {number:03} {} {head}{word}", self.nick)
                .expect("writing to a Vec does not fail");
        }
        if start.is_some() {
            self.out.extend_from_slice(END);
        }
    }

    fn line(&mut self, line: Arguments<'_>) {
        let start = self.out.len();
        self.out.write_fmt(line).expect("writing to a Vec does not fail");
        let text = str::from_utf8(&self.out[start..]).expect("it was written as text");
        let end = text.floor_char_boundary(IRC_LINE_BYTES_MAX - END.len());
        self.out.truncate(start + end);
        self.out.extend_from_slice(END);
    }
}

/// A parameter of a client, as it may stand in the middle of a line for it: sanitised, one word, and short.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a [u8]);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut clean = Vec::new();
        let most = self.0.len().min(4 * IRC_SHOWN_BYTES_MAX);
        sanitise(&self.0[..most], &mut clean).expect("writing to a Vec does not fail");
        let text = str::from_utf8(&clean).expect("what is sanitised is UTF-8");
        let words = text.split_whitespace().map(|word| word.trim_start_matches(':'));
        let word = words.into_iter().find(|word| !word.is_empty()).unwrap_or("*");
        f.write_str(&word[..word.floor_char_boundary(IRC_SHOWN_BYTES_MAX)])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::names::MemberName;

    fn bob() -> Name {
        Name::Chosen(MemberName::choose("bob").expect("it may be chosen"))
    }

    fn written(name: Option<Name>, write: impl FnOnce(&mut Replies<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Replies::new(&mut out, name));
        String::from_utf8(out).expect("lines are UTF-8")
    }

    #[test]
    fn answers_name_the_server_and_the_client() {
        assert_eq!(written(Some(bob()), |to| to.numeric(1, format_args!(":hi"))), ":uproar 001 bob :hi\r\n");
        assert_eq!(written(None, |to| to.numeric(451, format_args!(":no"))), ":uproar 451 * :no\r\n");
        assert_eq!(written(None, |to| to.notice(format_args!("no"))), ":uproar NOTICE * :no\r\n");
        assert_eq!(written(None, |to| to.error("no")), "ERROR :no\r\n");
        let part = |to: &mut Replies<'_>| to.of_member(bob(), format_args!("PART #a"));
        assert_eq!(written(Some(bob()), part), ":bob!~u@uproar PART #a\r\n");
    }

    #[test]
    fn an_answer_that_is_too_long_is_cut_between_two_characters() {
        let long = "\u{1f3f4}".repeat(200);
        let line = written(Some(bob()), |to| to.numeric(332, format_args!("#a :{long}")));
        assert!((509..=512).contains(&line.len()) && line.ends_with("\u{1f3f4}\r\n"), "{}", line.len());
    }

    #[test]
    fn the_features_fit_into_one_line_of_thirteen() {
        let features = features();
        assert!(features.split(' ').count() <= 13, "RPL_ISUPPORT has at most 13 of them");
        let line = written(Some(bob()), |to| to.numeric(5, format_args!("{features} :are supported by this server")));
        assert!(line.ends_with(":are supported by this server\r\n"));
    }

    proptest! {
        #[test]
        fn a_list_has_every_word_once_and_its_lines_are_full(lengths in prop::collection::vec(1usize..63, 0..100)) {
            let words: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
            let lines = written(Some(bob()), |to| to.list(353, format_args!("= #a :"), words.clone().into_iter()));
            let mut read = Vec::new();
            for line in lines.split_terminator("\r\n") {
                prop_assert!(line.len() <= 510);
                read.extend(line.strip_prefix(":uproar 353 bob = #a :").expect("each begins so").split(' '));
            }
            prop_assert_eq!(&read, &words);
            prop_assert!(lines.matches("\r\n").count() <= 1 + lines.len() / 440);
        }

        #[test]
        fn what_a_client_sent_is_shown_as_one_word(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let shown = Shown(&bytes).to_string();
            prop_assert!(!shown.is_empty() && shown.len() <= IRC_SHOWN_BYTES_MAX && !shown.starts_with(':'));
            prop_assert!(!shown.contains(char::is_whitespace) && !shown.contains(char::is_control));
        }
    }
}
