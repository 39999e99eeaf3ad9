//! The server's own lines, as far as they tell a client whether its lines were refused and whether the server said
//! goodbye.
//!
//! Such lines begin with `! `, and nothing that a member types can. A notice that this client does not know is
//! remembered only when it is the last line: it is then taken for the reason why the server closes.

use std::fmt;

use crate::message::{Event, Notice};

/// What the notices so far have told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Why the server did not let this client in: none of its lines was said.
    pub refused: Option<String>,
    /// True once the server has said that it stops.
    pub goodbye: bool,
    /// The limit that a line of this client was too long for.
    pub line_bytes_max: Option<usize>,
    /// The last line, when it is a notice that is not explained otherwise.
    pub last_words: Option<String>,
    /// Lines of this client that the server has refused one by one, as it says in JSON, and why the first was.
    pub refused_lines: u64,
    pub why_refused: Option<String>,
}

impl Heard {
    /// Takes in whole lines.
    pub fn add(&mut self, lines: &str) {
        lines.lines().for_each(|line| self.add_line(line));
    }

    /// A line of this client was refused.
    pub fn refuse_line(&mut self, why: &str) {
        self.refused_lines += 1;
        self.why_refused.get_or_insert_with(|| why.to_owned());
    }

    fn add_line(&mut self, line: &str) {
        self.last_words = None;
        let Some(words) = line.strip_prefix("! ") else { return };
        let is = |known: &dyn fmt::Display| line == known.to_string();
        let not_let_in = [Notice::ServerFull, Notice::TooManyConnections, Notice::TooManyJoins];
        if is(&Event::Stopping) {
            self.goodbye = true;
        } else if not_let_in.into_iter().any(|notice| is(&notice)) || words.starts_with("this is a ") {
            self.refused = Some(words.to_owned());
        } else if let Some(rest) = words.strip_prefix("line too long: ") {
            let limit = rest.split(' ').find_map(|word| word.parse().ok());
            self.line_bytes_max = limit.or(self.line_bytes_max);
        } else if !is(&Notice::SlowDown) && !words.starts_with("you missed ") {
            self.last_words = Some(words.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Foreign;

    fn heard(lines: &[&dyn fmt::Display]) -> Heard {
        let mut heard = Heard::default();
        for line in lines {
            heard.add(&format!("{line}\n"));
        }
        heard
    }

    #[test]
    fn each_line_of_the_server_is_understood() {
        let nothing = Heard::default();
        for line in [
            &Notice::Connected { online: 1 },
            &Notice::SlowDown,
            &Notice::Missed { messages: 1, range: None },
            &Notice::Missed { messages: 2, range: None },
        ] {
            assert_eq!(heard(&[line]), nothing, "{line}");
        }
        for line in [
            &Notice::ServerFull,
            &Notice::TooManyConnections,
            &Notice::TooManyJoins,
            &Notice::Foreign(Foreign::Tls),
            &Notice::Foreign(Foreign::Http),
        ] {
            assert_eq!(format!("! {}", heard(&[line]).refused.unwrap()), line.to_string());
        }
        assert!(heard(&[&Event::Stopping]).goodbye);
        let long = &Notice::LineTooLong { line_bytes_max: 4096 };
        assert_eq!(heard(&[long]), Heard { line_bytes_max: Some(4096), ..nothing });
    }

    #[test]
    fn a_notice_is_why_the_server_closed_when_it_was_its_last_line() {
        let cut = heard(&[&Notice::LineTimeout]);
        assert_eq!(cut.last_words.unwrap(), "your line was not finished in time");
        assert_eq!(heard(&[&Notice::LineTimeout, &Notice::Connected { online: 1 }]).last_words, None);
        let mut said = Heard::default();
        said.add("[127.0.0.1:2] ! the server is stopping\n");
        assert_eq!(said, Heard::default(), "what a member says is no notice");
    }
}
