//! The cases, as data: each a name, the section of `docs/PROTOCOL.md` that it holds a server to, and the steps of its
//! members.

pub mod comeback;
pub mod commands;
pub mod conversation;
pub mod foreign;
pub mod irc;
pub mod json;
pub mod order;
pub mod rooms;
pub mod text;

use std::fmt;

/// What a member does, or must see. Members are called a, b, c. In what is sent and read,
///
/// - `{a}` is the address of a,
/// - `{~bob}` is a name, of a member or a room, that nobody else has: `bob`, or where strangers may be, something
///   longer that begins so,
/// - `{?x}` is a word, as short as it can be: whatever stands there the first time that it is read, and the same from
///   then on.
///
/// A line to be read that begins with `{"` is a JSON object: it has the members that are named and no others but
/// those of [`crate::objects::FREE`]. Strings may have placeholders, and `"{?x}"` may stand for a number.
#[derive(Debug)]
pub enum Step {
    /// Connects and is welcomed.
    Joins(&'static str),
    /// Connects, and reads nothing yet.
    Connects(&'static str),
    Sends(&'static str, Vec<u8>),
    /// One byte at a time.
    SendsSlowly(&'static str, Vec<u8>),
    /// Sends as much of this as the server takes before it closes, and reads until the end; the last line is the
    /// refusal.
    SendsUntilClosed(&'static str, Vec<u8>),
    /// Reads these lines next. Unless the case names every line, presence lines about others are skipped, except
    /// expected ones; a summary may stand for an expected one. `(# online)` is any number of users.
    Reads(&'static str, Vec<String>),
    /// Reads lines, whatever they are, until this one.
    ReadsUntil(&'static str, String),
    /// All of them read this many messages next, the same in the same order.
    Agree(Vec<&'static str>, usize),
    /// The server closes the connection, and has nothing more to say.
    Ends(&'static str),
    /// Says that it will send no more, and goes on reading.
    HalfCloses(&'static str),
    /// Leaves in good order.
    Leaves(&'static str),
    /// The connection is reset.
    Vanishes(&'static str),
}

/// A named case.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    /// The anchor of the section of `docs/PROTOCOL.md` that says what this case asks for.
    pub section: &'static str,
    /// The options that the server has to be started with; empty for its defaults. [`KEY_FILE`] among them is a file
    /// with [`KEY`].
    pub options: &'static [&'static str],
    /// True when the steps name every line, and with its number of users, that their readers read if the room is empty
    /// at the start. The runner holds a server of its own to that.
    pub says_everything: bool,
    /// True when strangers, or what they left, would be seen.
    pub needs_own_server: bool,
    pub steps: Vec<Step>,
}

/// Stands in options for the path of a file whose first line is [`KEY`].
pub const KEY_FILE: &str = "{key-file}";

/// The operators' key.
pub const KEY: &str = "correct horse battery";

/// Each received piece ends a line.
const CHUNK_FRAMING: &[&str] = &["--framing", "chunk"];

/// How what is sent is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Whole,
    Halves,
    /// Pieces of three bytes: some characters are cut, and some line endings.
    Threes,
    Bytes,
}

impl Cut {
    pub const ALL: &[Self] = &[Self::Whole, Self::Halves, Self::Threes, Self::Bytes];

    pub fn chunks(self, bytes: &[u8]) -> std::slice::Chunks<'_, u8> {
        bytes.chunks(match self {
            Self::Whole => bytes.len().max(1),
            Self::Halves => bytes.len().div_ceil(2).max(1),
            Self::Threes => 3,
            Self::Bytes => 1,
        })
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "one piece",
            Self::Halves => "halves",
            Self::Threes => "pieces of three bytes",
            Self::Bytes => "single bytes",
        })
    }
}

impl Case {
    /// True for any server that was started by its defaults.
    pub fn is_for_defaults(&self) -> bool {
        self.options.is_empty() && !self.needs_own_server
    }

    /// True for a server that was started with `--framing chunk` and nothing else.
    pub fn is_for_chunks(&self) -> bool {
        self.options == CHUNK_FRAMING
    }

    /// The cuts to play it in over sockets. Where a piece ends a line, another cut is another conversation.
    pub fn cuts(&self) -> &'static [Cut] {
        if self.says_everything && !self.is_for_chunks() { Cut::ALL } else { &[Cut::Whole] }
    }
}

/// A case that does not say yet which section it is about: [`about`] makes it one that does.
struct Draft {
    name: String,
    options: &'static [&'static str],
    says_everything: bool,
    needs_own_server: bool,
    steps: Vec<Step>,
}

impl Draft {
    /// For a server that was started with these.
    fn with(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    /// For a server that nobody else is or was connected to.
    fn alone(self) -> Self {
        Self { needs_own_server: true, ..self }
    }
}

fn case(name: &str, steps: Vec<Step>) -> Draft {
    Draft { name: name.to_string(), options: &[], says_everything: false, needs_own_server: false, steps }
}

/// A case that says everything that its readers read.
fn whole_case(name: &str, steps: Vec<Step>) -> Draft {
    Draft { says_everything: true, ..case(name, steps) }
}

/// `drafts` as cases of a section.
fn about(section: &'static str, drafts: Vec<Draft>) -> Vec<Case> {
    let case = |Draft { name, options, says_everything, needs_own_server, steps }| Case {
        name,
        section,
        options,
        says_everything,
        needs_own_server,
        steps,
    };
    drafts.into_iter().map(case).collect()
}

fn sends(who: &'static str, bytes: impl AsRef<[u8]>) -> Step {
    Step::Sends(who, bytes.as_ref().to_vec())
}

fn sends_slowly(who: &'static str, bytes: impl AsRef<[u8]>) -> Step {
    Step::SendsSlowly(who, bytes.as_ref().to_vec())
}

fn reads(who: &'static str, lines: &[&str]) -> Step {
    Step::Reads(who, lines.iter().map(ToString::to_string).collect())
}

fn reads_until(who: &'static str, line: &str) -> Step {
    Step::ReadsUntil(who, line.to_string())
}

/// Every case.
pub fn all() -> Vec<Case> {
    let cases = conversation::cases().chain(foreign::cases()).chain(text::cases());
    let cases = cases
        .chain(commands::cases())
        .chain(rooms::cases())
        .chain(json::cases())
        .chain(comeback::cases())
        .chain(order::cases());
    cases.chain(foreign::chunk_cases()).collect()
}

/// Two members that talk to each other, which shows that the server serves.
pub(crate) fn canary() -> Case {
    let steps = vec![
        Step::Joins("p"),
        Step::Joins("q"),
        sends("p", b"are you there?\n"),
        reads("q", &["[{p}] are you there?"]),
        sends("q", b"yes\n"),
        reads("p", &["[{q}] yes"]),
        Step::Leaves("p"),
        Step::Leaves("q"),
    ];
    about("messages", vec![case("canary", steps)]).pop().expect("it is one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_many_and_no_name_stands_twice() {
        let mut names: Vec<String> = all().into_iter().map(|case| case.name).collect();
        assert!(names.len() >= 100, "{}", names.len());
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn everybody_comes_before_it_acts() {
        for case in all().into_iter() {
            let mut here = Vec::new();
            for step in &case.steps {
                match step {
                    Step::Joins(who) | Step::Connects(who) => here.push(*who),
                    Step::Agree(members, _) => assert!(members.iter().all(|who| here.contains(who)), "{}", case.name),
                    Step::Sends(who, _)
                    | Step::SendsSlowly(who, _)
                    | Step::SendsUntilClosed(who, _)
                    | Step::Reads(who, _)
                    | Step::ReadsUntil(who, _)
                    | Step::Ends(who)
                    | Step::HalfCloses(who) => assert!(here.contains(who), "{}: {who}", case.name),
                    Step::Leaves(who) | Step::Vanishes(who) => {
                        assert!(here.contains(who), "{}: {who}", case.name);
                        here.retain(|other| other != who);
                    }
                }
            }
        }
    }
}
