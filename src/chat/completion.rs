//! What Tab completes: commands, and names that were heard. Pure: no I/O.
//!
//! Pressed again, Tab goes on to the next candidate, and behind the last one to what was typed.

use std::collections::VecDeque;

/// Names that are remembered. More than are seen on a screen, and few enough to go through with Tab.
const NAMES_MAX: usize = 200;

/// Longest name that is remembered: of an address with a number, and of other servers' names.
const NAME_BYTES_MAX: usize = 64;

/// The commands of a server, as `/help` lists them.
const COMMANDS: [&str; 23] = [
    "/announce",
    "/ban",
    "/bans",
    "/format",
    "/help",
    "/history",
    "/join",
    "/kick",
    "/me",
    "/msg",
    "/mute",
    "/nick",
    "/only",
    "/op",
    "/quit",
    "/resume",
    "/rooms",
    "/slow",
    "/token",
    "/topic",
    "/unban",
    "/unmute",
    "/who",
];

/// The names heard, most recent first.
#[derive(Debug, Default)]
pub struct Names(VecDeque<String>);

impl Names {
    /// A name was heard. One that cannot be completed (longer, or of other characters than those of words in ASCII) is
    /// not remembered.
    pub fn hear(&mut self, name: &str) {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return;
        }
        if self.0.front().is_some_and(|first| first == name) {
            return;
        }
        self.0.retain(|other| !other.eq_ignore_ascii_case(name));
        self.0.push_front(name.to_owned());
        self.0.truncate(NAMES_MAX);
    }

    /// What may stand for the word that ends the text before the cursor.
    fn candidates(&self, before: &str) -> Vec<String> {
        let word = word(before);
        let begins = |text: &str| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
        if word.len() == before.len() && word.starts_with('/') {
            return COMMANDS.iter().filter(|command| begins(command)).map(|command| format!("{command} ")).collect();
        }
        self.0.iter().filter(|name| !word.is_empty() && begins(name)).cloned().collect()
    }
}

/// The word that ends a text.
fn word(text: &str) -> &str {
    text.rsplit([' ', '\t', '\n']).next().expect("a split has a last part")
}

/// The completion that is going on.
#[derive(Debug, Default)]
pub struct Completion {
    /// The text before the cursor as it was left; what is typed since then ends this completion.
    left: String,
    /// What was typed, and what may stand for it.
    choices: Vec<String>,
    chosen: usize,
}

/// A change of the text before the cursor.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// Characters to remove, all of them ASCII.
    pub remove: usize,
    pub insert: String,
}

impl Completion {
    /// Tab was pressed behind `before`. `None` when nothing can be completed.
    pub fn press(&mut self, before: &str, names: &Names) -> Option<Change> {
        if self.choices.is_empty() || before != self.left {
            let candidates = names.candidates(before);
            let typed = word(before);
            if candidates.is_empty() || !typed.is_ascii() {
                *self = Self::default();
                return None;
            }
            self.choices = [typed.to_owned()].into_iter().chain(candidates).collect();
            self.chosen = 0;
        }
        let remove = self.choices[self.chosen].len();
        self.chosen = (self.chosen + 1) % self.choices.len();
        let insert = self.choices[self.chosen].clone();
        self.left = before[..before.len() - remove].to_owned() + &insert;
        Some(Change { remove, insert })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line after each press of Tab.
    fn pressed(typed: &str, names: &Names, times: usize) -> Vec<String> {
        let mut completion = Completion::default();
        let mut line = typed.to_owned();
        (0..times)
            .map(|_| {
                if let Some(change) = completion.press(&line, names) {
                    line.truncate(line.len() - change.remove);
                    line += &change.insert;
                }
                line.clone()
            })
            .collect()
    }

    fn heard(names: &[&str]) -> Names {
        let mut heard = Names::default();
        names.iter().for_each(|name| heard.hear(name));
        heard
    }

    #[test]
    fn commands_are_completed_at_the_beginning_of_a_line() {
        let nobody = Names::default();
        assert_eq!(pressed("/hi", &nobody, 2), ["/history ", "/hi"]);
        assert_eq!(pressed("/UNM", &nobody, 1), ["/unmute "]);
        assert_eq!(pressed("/m", &nobody, 5), ["/me ", "/msg ", "/mute ", "/m", "/me "]);
        assert_eq!(pressed("say /m", &nobody, 1), ["say /m"]);
        assert_eq!(pressed("", &nobody, 1), [""]);
    }

    #[test]
    fn names_are_completed_anywhere_the_latest_first() {
        let names = heard(&["bob", "carol", "Bert", "bob", "127.0.0.1:4"]);
        assert_eq!(pressed("b", &names, 4), ["bob", "Bert", "b", "bob"]);
        assert_eq!(pressed("/msg C", &names, 1), ["/msg carol"]);
        assert_eq!(pressed("é 12", &names, 1), ["é 127.0.0.1:4"]);
        assert_eq!(pressed("x", &names, 2), ["x", "x"]);
        assert_eq!(pressed("é", &names, 1), ["é"]);
    }

    #[test]
    fn what_is_typed_in_between_begins_anew() {
        let names = heard(&["bob", "bert"]);
        let mut completion = Completion::default();
        assert_eq!(completion.press("b", &names), Some(Change { remove: 1, insert: "bert".into() }));
        assert_eq!(completion.press("bert bo", &names), Some(Change { remove: 2, insert: "bob".into() }));
        assert_eq!(completion.press("bert bob", &names), Some(Change { remove: 3, insert: "bo".into() }));
    }

    #[test]
    fn the_names_are_bounded_and_those_that_no_word_is_are_left_out() {
        let mut names = heard(&["a b", "", "é", &"x".repeat(NAME_BYTES_MAX + 1)]);
        assert_eq!(names.0.len(), 0);
        (0..2 * NAMES_MAX).for_each(|number| names.hear(&format!("n{number}")));
        assert_eq!((names.0.len(), names.0[0].as_str()), (NAMES_MAX, "n399"));
    }

    #[test]
    fn the_commands_are_in_order() {
        assert!(COMMANDS.is_sorted());
    }
}
