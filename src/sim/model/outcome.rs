//! What became of one connection, as its own bytes tell it: what it said, heard in private, was called, and where it is.

use std::collections::HashSet;

use super::heard::Welcome;
use super::places::Place;

/// A line that a member has typed to be said.
#[derive(Clone, Debug)]
pub struct Spoken {
    pub text: String,
    pub action: bool,
    /// The name that it had, and the epochs of the rooms that it may have been in; `None` where an answer that would tell
    /// was lost with the connection.
    pub told: Option<(String, Vec<Option<usize>>)>,
    /// The number that it was told.
    pub number: Option<u64>,
}

/// A private line that a member has typed, and the answer to it, if that came.
#[derive(Clone, Debug)]
pub struct Sent {
    pub text: String,
    pub name: String,
    /// Its author's name, where that is known.
    pub from: Option<String>,
    pub answer: Option<String>,
}

/// A `/resume` that was answered.
#[derive(Clone, Debug)]
pub struct Resumed {
    pub token: String,
    /// `None` when it was refused.
    pub welcome: Option<Welcome>,
    pub anew: bool,
}

/// What became of a connection.
#[derive(Debug)]
pub struct Outcome {
    pub spoken: Vec<Spoken>,
    pub sent: Vec<Sent>,
    /// Private lines that it heard: from whom, the text, and the name that it had itself.
    pub private: Vec<(String, String, String)>,
    pub tokens: Vec<String>,
    pub resumed: Vec<Resumed>,
    /// True when it may have been given another token in the end.
    pub token_lost: bool,
    /// Tokens that it typed, and was not answered.
    pub lost_tokens: Vec<String>,
    /// The names that it has had.
    pub names: HashSet<String>,
    pub name: String,
    /// Whether it reads JSON in the end.
    pub json: bool,
    /// Whether `name` was chosen.
    pub chosen: bool,
    pub places: Vec<Place>,
    /// False when an answer that tells name or room was lost.
    pub certain: bool,
    pub missed: u64,
    pub replaced: bool,
    pub too_long: u64,
    /// Things that were asked and not answered; those that need no answer are left out.
    pub unanswered: usize,
    /// By kind of line, for the test that everything happens.
    pub lines: u64,
    pub json_lines: u64,
    pub past_lines: u64,
}

impl Outcome {
    pub fn new(name: String) -> Self {
        Self {
            spoken: Vec::new(),
            sent: Vec::new(),
            private: Vec::new(),
            tokens: Vec::new(),
            resumed: Vec::new(),
            token_lost: false,
            lost_tokens: Vec::new(),
            names: HashSet::from([name.clone()]),
            name,
            json: false,
            chosen: false,
            places: Vec::new(),
            certain: true,
            missed: 0,
            replaced: false,
            too_long: 0,
            unanswered: 0,
            lines: 0,
            json_lines: 0,
            past_lines: 0,
        }
    }
}
