//! Lines that were sent and not answered yet: after a break it matters whether they were said. Pure: no I/O.
//!
//! A server answers lines in their order: what is said with its number (`said`) or with an error, a command with a
//! notice, an object of its own, or an error. So one answer is also the answer to all that was sent before it. In doubt
//! a line counts as answered: then it may be missing, but it is not said twice.

use std::collections::VecDeque;
use std::mem;

use super::object::harmless;
use crate::limits::CHAT_QUEUE_BYTES_MAX;

/// What a server does with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The room hears it, as this text.
    Said(String),
    Command,
    /// Nothing in it can be seen, so it is not answered.
    Nothing,
}

impl Kind {
    pub fn of(line: &str) -> Self {
        let line = harmless(line);
        if line.trim().is_empty() {
            return Self::Nothing;
        }
        // Blanks before it are no way to say a key by accident: the server refuses that.
        if line.trim_start() != line && line.trim_start().starts_with("/op") {
            return Self::Command;
        }
        let Some(command) = line.strip_prefix('/') else { return Self::Said(line) };
        if command.starts_with('/') {
            return Self::Said(command.to_owned());
        }
        match command.split_once(' ') {
            Some(("me" | "topic", text)) if !text.trim().is_empty() => Self::Said(text.to_owned()),
            _ => Self::Command,
        }
    }
}

/// A line that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub line: String,
    pub kind: Kind,
}

/// Those without an answer, in the order in which they were sent.
#[derive(Debug, Default)]
pub struct UnderWay {
    lines: VecDeque<Sent>,
    bytes: usize,
}

impl UnderWay {
    /// A line is about to be sent. Of lines that a server never answers those sent first are forgotten.
    pub fn add(&mut self, line: &str) {
        let kind = Kind::of(line);
        if kind == Kind::Nothing {
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(Sent { line: line.to_owned(), kind });
        while self.bytes > CHAT_QUEUE_BYTES_MAX {
            self.answer(1);
        }
    }

    /// The first of those that are said was said or refused.
    pub fn said(&mut self) {
        if let Some(place) = self.lines.iter().position(|sent| matches!(sent.kind, Kind::Said(_))) {
            self.answer(place + 1);
        }
    }

    /// A command was answered: the first line, where that is one.
    pub fn answered(&mut self) {
        if self.lines.front().is_some_and(|sent| sent.kind == Kind::Command) {
            self.answer(1);
        }
    }

    /// A command was refused, be it one of those whose text is said.
    pub fn refused(&mut self) {
        match self.lines.iter().position(|sent| sent.line.starts_with('/') && !sent.line.starts_with("//")) {
            Some(place) => self.answer(place + 1),
            None => self.said(),
        }
    }

    /// After a break: the room has heard this text from a connection of this client.
    pub fn found(&mut self, text: &str) {
        match self.lines.iter().position(|sent| matches!(&sent.kind, Kind::Said(said) if said == text)) {
            Some(place) => self.answer(place + 1),
            // The server makes lines harmless in its own way.
            None => self.said(),
        }
    }

    /// True while a line whose beginning `is` is not answered.
    pub fn any(&self, is: impl Fn(&str) -> bool) -> bool {
        self.lines.iter().any(|sent| is(&sent.line))
    }

    /// All of them, which are under way no more.
    pub fn take(&mut self) -> Vec<Sent> {
        mem::take(self).lines.into()
    }

    fn answer(&mut self, count: usize) {
        self.bytes -= self.lines.drain(..count).map(|sent| sent.line.len()).sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under_way(lines: &[&str]) -> UnderWay {
        let mut under_way = UnderWay::default();
        lines.iter().for_each(|line| under_way.add(line));
        under_way
    }

    fn left(mut under_way: UnderWay) -> Vec<String> {
        under_way.take().into_iter().map(|sent| sent.line).collect()
    }

    #[test]
    fn a_line_is_said_or_is_a_command_or_is_nothing() {
        let said = |text: &str| Kind::Said(text.to_owned());
        for (line, kind) in [
            ("hi", said("hi")),
            ("//nick x", said("/nick x")),
            ("/me waves", said("waves")),
            ("/topic bridges", said("bridges")),
            (" /nick x", said(" /nick x")),
            ("a\x1b[2J", said("a[2J")),
            ("/me", Kind::Command),
            ("/topic  ", Kind::Command),
            ("/nick x", Kind::Command),
            (" \t/op key", Kind::Command),
            ("  ", Kind::Nothing),
            ("\u{200b}", Kind::Nothing),
        ] {
            assert_eq!(Kind::of(line), kind, "{line:?}");
        }
    }

    #[test]
    fn an_answer_answers_all_that_was_sent_before() {
        let mut lines = under_way(&["/nick bob", "one", " ", "/who", "two", "three"]);
        lines.said();
        assert_eq!(lines.lines[0].line, "/who");
        lines.answered();
        lines.answered();
        assert_eq!(left(lines), ["two", "three"]);
        let mut lines = under_way(&["/topic bridges", "//one", "two"]);
        lines.refused();
        assert_eq!(lines.lines[0].line, "//one");
        lines.refused();
        assert_eq!(left(lines), ["two"]);
    }

    #[test]
    fn a_text_that_was_heard_answers_its_line_and_another_one_the_first() {
        let mut lines = under_way(&["one", "two", "/me two", "three"]);
        lines.found("two");
        lines.found("two");
        assert_eq!(left(lines), ["three"]);
        let mut lines = under_way(&["/who", "one", "two"]);
        lines.found("as another server shows it");
        assert_eq!(left(lines), ["two"]);
        let mut none = under_way(&["/who"]);
        none.found("x");
        none.said();
        assert_eq!(left(none), ["/who"]);
    }

    #[test]
    fn lines_that_are_never_answered_are_bounded() {
        let line = "x".repeat(CHAT_QUEUE_BYTES_MAX / 4);
        let mut lines = under_way(&[line.as_str(); 9]);
        assert_eq!((lines.lines.len(), lines.bytes), (4, CHAT_QUEUE_BYTES_MAX));
        assert_eq!(lines.take().len(), 4);
        assert_eq!((lines.lines.len(), lines.bytes), (0, 0));
    }
}
