//! The cases, as data: each a name, the section of `docs/PROTOCOL.md` that it holds a server to, and the steps of its people.

pub mod conversation;
pub mod foreign;
pub mod text;

/// What somebody does, or must see. People are called a, b, c; `{a}` in a line is the address of a.
#[derive(Debug)]
pub enum Step {
    /// Connects and is welcomed.
    Joins(&'static str),
    /// Connects, and reads nothing yet.
    Connects(&'static str),
    Sends(&'static str, Vec<u8>),
    /// One byte at a time.
    SendsSlowly(&'static str, Vec<u8>),
    /// Sends as much of this as the server takes before it closes, and reads what it is told; its last line is a dismissal.
    SendsUntilClosed(&'static str, Vec<u8>),
    /// Reads these lines next. Presence of others is passed over unless a line of it is expected, for which a sum may stand;
    /// the number of users reads `(# online)`.
    Reads(&'static str, Vec<String>),
    /// All of them read so many messages next, the same in the same order.
    Agree(Vec<&'static str>, usize),
    /// The server closes the connection, and has nothing more to say.
    Ends(&'static str),
    /// Says that it will send no more, and goes on reading.
    HalfCloses(&'static str),
    /// Goes in good order.
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
    pub steps: Vec<Step>,
}

/// A case that does not say yet which section it is about: [`about`] makes it one that does.
struct Draft {
    name: String,
    steps: Vec<Step>,
}

fn case(name: &str, steps: Vec<Step>) -> Draft {
    Draft { name: name.to_string(), steps }
}

/// `drafts` as cases of a section.
fn about(section: &'static str, drafts: Vec<Draft>) -> Vec<Case> {
    drafts.into_iter().map(|Draft { name, steps }| Case { name, section, steps }).collect()
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

/// Every case.
pub fn all() -> Vec<Case> {
    conversation::cases().chain(foreign::cases()).chain(text::cases()).collect()
}

/// Cases for a server that was started with `--framing chunk`.
pub fn chunk() -> Vec<Case> {
    foreign::chunk_cases()
}

/// Two who talk to each other: what a server that serves lets them do.
pub(crate) fn canary() -> Vec<Step> {
    vec![
        Step::Joins("p"),
        Step::Joins("q"),
        sends("p", b"are you there?\n"),
        reads("q", &["[{p}] are you there?"]),
        sends("q", b"yes\n"),
        reads("p", &["[{q}] yes"]),
        Step::Leaves("p"),
        Step::Leaves("q"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_many_and_no_name_stands_twice() {
        let mut names: Vec<String> = all().into_iter().chain(chunk()).map(|case| case.name).collect();
        assert!(names.len() >= 100, "{}", names.len());
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn everybody_comes_before_it_acts() {
        for case in all().into_iter().chain(chunk()) {
            let mut here = Vec::new();
            for step in &case.steps {
                match step {
                    Step::Joins(who) | Step::Connects(who) => here.push(*who),
                    Step::Agree(people, _) => assert!(people.iter().all(|who| here.contains(who)), "{}", case.name),
                    Step::Sends(who, _)
                    | Step::SendsSlowly(who, _)
                    | Step::SendsUntilClosed(who, _)
                    | Step::Reads(who, _)
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
