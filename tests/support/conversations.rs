//! Conversations as data: who joins, who says what, and exactly what each of them reads. Played on every back end and on
//! the simulated kernel, with what is sent cut into chunks in several ways.
//!
//! In a transcript `{a}` stands for the address of the person called a. After each step everybody's transcript is read
//! as far as it goes, so a line that nobody expects fails the next comparison.

pub enum Step {
    /// A person joins; the room's count is in everybody's lines.
    Joins(&'static str),
    /// Bytes as they go into the socket.
    Sends(&'static str, &'static [u8]),
    /// Goes in good order.
    Leaves(&'static str),
    /// Vanishes: the connection is reset.
    Vanishes(&'static str),
    /// A person reads these lines next.
    Reads(&'static str, &'static [&'static str]),
}

use Step::{Joins, Leaves, Reads, Sends, Vanishes};

/// Played with what is sent cut in every way of [`Scenario::cuts`].
pub struct Scenario {
    pub name: &'static str,
    pub options: &'static [&'static str],
    pub steps: &'static [Step],
}

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "three members join, speak and leave, as in the original",
        options: &[],
        steps: &[
            Joins("a"),
            Reads("a", &["> Connected to the chat server (1 user online)"]),
            Joins("b"),
            Reads("b", &["> Connected to the chat server (2 users online)"]),
            Reads("a", &["> New user {b} entered. (2 users online)"]),
            Joins("c"),
            Reads("c", &["> Connected to the chat server (3 users online)"]),
            Reads("a", &["> New user {c} entered. (3 users online)"]),
            Reads("b", &["> New user {c} entered. (3 users online)"]),
            Sends("a", b"Hello\n"),
            Reads("b", &["[{a}] Hello"]),
            Reads("c", &["[{a}] Hello"]),
            Sends("b", b"World\n"),
            Reads("a", &["[{b}] World"]),
            Reads("c", &["[{b}] World"]),
            Leaves("c"),
            Reads("a", &["< The user {c} left (2 users online)"]),
            Reads("b", &["< The user {c} left (2 users online)"]),
            Leaves("b"),
            Reads("a", &["< The user {b} left (1 user online)"]),
        ],
    },
    Scenario {
        name: "the author hears nothing of its own",
        options: &[],
        steps: &[
            Joins("a"),
            Joins("b"),
            Reads("a", &["> Connected to the chat server (1 user online)", "> New user {b} entered. (2 users online)"]),
            Reads("b", &["> Connected to the chat server (2 users online)"]),
            Sends("a", b"one\ntwo\n"),
            Reads("b", &["[{a}] one", "[{a}] two"]),
            Sends("b", b"three\n"),
            Reads("a", &["[{b}] three"]),
        ],
    },
    Scenario {
        name: "lines that arrive glued together are separate messages",
        options: &[],
        steps: &[
            Joins("a"),
            Joins("b"),
            Reads("b", &["> Connected to the chat server (2 users online)"]),
            Sends("a", b"one\ntwo\r\n\n\r\nthree\nfo"),
            Reads("b", &["[{a}] one", "[{a}] two", "[{a}] three"]),
            Sends("a", b"ur\n"),
            Reads("b", &["[{a}] four"]),
        ],
    },
    Scenario {
        name: "a line that arrives byte by byte is one message, its characters whole",
        options: &[],
        steps: &[
            Joins("a"),
            Joins("b"),
            Reads("b", &["> Connected to the chat server (2 users online)"]),
            Sends("a", "grüße, 你好 🎉\r\nand more\n".as_bytes()),
            Reads("b", &["[{a}] grüße, 你好 🎉", "[{a}] and more"]),
        ],
    },
    Scenario {
        name: "nothing that moves a terminal reaches another member, and no line of the server can be forged",
        options: &[],
        steps: &[
            Joins("a"),
            Joins("b"),
            Reads("b", &["> Connected to the chat server (2 users online)"]),
            Sends("a", b"\x1b[2Jgone\x07\n"),
            Sends("a", b"nice\r< The user 10.0.0.1:1 left (0 users online)\n"),
            Sends("a", b"\x00\x1b\x7f\n"),
            Sends("a", b"\xff\xfe caf\xe9 \xc2\x9b1m\n"),
            Sends("a", b"> Connected to the chat server (9 users online)\n"),
            Reads(
                "b",
                &[
                    "[{a}] [2Jgone",
                    "[{a}] nice< The user 10.0.0.1:1 left (0 users online)",
                    "[{a}] \u{fffd} caf\u{fffd} 1m",
                    "[{a}] > Connected to the chat server (9 users online)",
                ],
            ),
        ],
    },
    Scenario {
        name: "a line over the limit is discarded, its author told once",
        options: &["--line-bytes", "16"],
        steps: &[
            Joins("a"),
            Reads("a", &["> Connected to the chat server (1 user online)"]),
            Joins("b"),
            Reads("a", &["> New user {b} entered. (2 users online)"]),
            Reads("b", &["> Connected to the chat server (2 users online)"]),
            Sends("a", b"exactly16bytes!!\r\n"),
            Sends("a", b"seventeen bytes!!\n"),
            Sends("a", b"endlessly long endlessly long endlessly long "),
            Sends("a", b"still going on\nafter\n"),
            Reads("b", &["[{a}] exactly16bytes!!", "[{a}] after"]),
            Reads(
                "a",
                &[
                    "! line too long: it was not sent, at most 16 bytes are",
                    "! line too long: it was not sent, at most 16 bytes are",
                ],
            ),
        ],
    },
    Scenario {
        name: "a member that vanishes in the middle of a line has said nothing",
        options: &[],
        steps: &[
            Joins("a"),
            Reads("a", &["> Connected to the chat server (1 user online)"]),
            Joins("b"),
            Reads("a", &["> New user {b} entered. (2 users online)"]),
            Sends("b", b"whole\nhal"),
            Reads("a", &["[{b}] whole"]),
            Vanishes("b"),
            Reads("a", &["< The user {b} left (1 user online)"]),
            Joins("c"),
            Sends("c", b"whole\nhal"),
            Reads("a", &["> New user {c} entered. (2 users online)", "[{c}] whole"]),
            Leaves("c"),
            Reads("a", &["< The user {c} left (1 user online)"]),
        ],
    },
    Scenario {
        name: "a client that sends no line feed is understood with --framing chunk",
        options: &["--framing", "chunk"],
        steps: &[
            Joins("a"),
            Joins("b"),
            Reads("b", &["> Connected to the chat server (2 users online)"]),
            Sends("a", b"Hello"),
            Reads("b", &["[{a}] Hello"]),
            Sends("a", b"World"),
            Reads("b", &["[{a}] World"]),
            Sends("a", b"one\ntwo"),
            Reads("b", &["[{a}] one", "[{a}] two"]),
        ],
    },
    Scenario {
        name: "above --announce-max joins and leaves are summed up",
        options: &["--announce-max", "1"],
        steps: &[
            Joins("a"),
            Reads("a", &["> Connected to the chat server (1 user online)"]),
            Joins("b"),
            Reads("b", &["> Connected to the chat server (2 users online)"]),
            Joins("c"),
            Reads("c", &["> Connected to the chat server (3 users online)"]),
            Leaves("c"),
            Reads("a", &["> 2 users entered, 1 left. (2 users online)"]),
            Reads("b", &["> 2 users entered, 1 left. (2 users online)"]),
            Leaves("b"),
            Reads("a", &["> 0 users entered, 1 left. (1 user online)"]),
        ],
    },
];

/// How what is sent is cut into chunks.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    Whole,
    Halves,
    /// Pieces of three bytes: some characters are cut, and some line endings.
    Threes,
    Bytes,
}

impl Cut {
    pub fn chunks(self, bytes: &[u8]) -> std::slice::Chunks<'_, u8> {
        bytes.chunks(match self {
            Self::Whole => bytes.len(),
            Self::Halves => bytes.len().div_ceil(2),
            Self::Threes => 3,
            Self::Bytes => 1,
        })
    }
}

impl Scenario {
    /// Where a chunk is a message, another cut is another conversation.
    pub fn cuts(&self) -> &'static [Cut] {
        let chunked = self.options.contains(&"chunk");
        if chunked { &[Cut::Whole] } else { &[Cut::Whole, Cut::Halves, Cut::Threes, Cut::Bytes] }
    }

    /// `line` with the names of those who have one.
    pub fn named<'a>(line: &str, names: impl Iterator<Item = (&'a &'a str, &'a String)>) -> String {
        names.fold(line.to_owned(), |line, (name, address)| line.replace(&format!("{{{name}}}"), address))
    }

    /// True when the scenario says what this person reads: then it reads nothing else.
    pub fn follows(&self, who: &str) -> bool {
        self.steps.iter().any(|step| matches!(step, Reads(name, _) if *name == who))
    }
}
