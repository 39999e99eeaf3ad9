//! Joining, talking and leaving, in every way a client can.

use super::Step::{Agree, Connects, Ends, HalfCloses, Joins, Leaves, Vanishes};
use super::{Case, Draft, about, case, reads, sends, whole_case};

/// More than any limit on a line can be, and not so much that discarding it is slowed as a flood.
const ENDLESS_BYTES: usize = 1 << 17;

const WELCOME: &str = "> Connected to the chat server (# online)";

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let sections = [
        about("welcome", welcome()),
        about("names", names()),
        about("presence", presence()),
        about("summaries", summaries()),
        about("leaving", leaving()),
        about("half-close", half_closing()),
        about("messages", talking()),
        about("own-lines", own_lines()),
        about("order", order()),
        about("empty-lines", empty_lines()),
        about("pieces", pieces()),
        about("unfinished-lines", unfinished_lines()),
        about("line-length", long_lines()),
    ];
    sections.into_iter().flatten()
}

fn welcome() -> Vec<Draft> {
    vec![
        case("the first line is the welcome", vec![Connects("a"), reads("a", &[WELCOME])]),
        case(
            "what was said before one came is not heard",
            vec![
                Joins("a"),
                Joins("b"),
                sends("a", b"before\n"),
                reads("b", &["[{a}] before"]),
                Joins("c"),
                sends("a", b"after\n"),
                reads("c", &["[{a}] after"]),
            ],
        ),
        case(
            "what one says at once on connecting is heard",
            vec![
                Joins("a"),
                Connects("b"),
                sends("b", b"first\n"),
                reads("b", &[WELCOME]),
                reads("a", &["[{b}] first"]),
            ],
        ),
    ]
}

fn presence() -> Vec<Draft> {
    vec![
        whole_case(
            "three members join, speak and leave, as in the original",
            vec![
                Connects("a"),
                reads("a", &["> Connected to the chat server (1 user online)"]),
                Connects("b"),
                reads("b", &["> Connected to the chat server (2 users online)"]),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                Connects("c"),
                reads("c", &["> Connected to the chat server (3 users online)"]),
                reads("a", &["> New user {c} entered. (3 users online)"]),
                reads("b", &["> New user {c} entered. (3 users online)"]),
                sends("a", b"Hello\n"),
                reads("b", &["[{a}] Hello"]),
                reads("c", &["[{a}] Hello"]),
                sends("b", b"World\n"),
                reads("a", &["[{b}] World"]),
                reads("c", &["[{b}] World"]),
                Leaves("c"),
                reads("a", &["< The user {c} left (2 users online)"]),
                reads("b", &["< The user {c} left (2 users online)"]),
                Leaves("b"),
                reads("a", &["< The user {b} left (1 user online)"]),
            ],
        ),
        case(
            "a newcomer is not told of itself",
            vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> New user {b} entered. (# online)"]),
                Joins("c"),
                reads("b", &["> New user {c} entered. (# online)"]),
            ],
        ),
    ]
}

fn summaries() -> Vec<Draft> {
    vec![
        whole_case(
            "above --announce-max joins and leaves are summed up",
            vec![
                Connects("a"),
                reads("a", &["> Connected to the chat server (1 user online)"]),
                Connects("b"),
                reads("b", &["> Connected to the chat server (2 users online)"]),
                Connects("c"),
                reads("c", &["> Connected to the chat server (3 users online)"]),
                Leaves("c"),
                reads("a", &["> 2 users entered, 1 left. (2 users online)"]),
                reads("b", &["> 2 users entered, 1 left. (2 users online)"]),
                Leaves("b"),
                reads("a", &["> 0 users entered, 1 left. (1 user online)"]),
            ],
        )
        .with(&["--announce-max", "1"]),
    ]
}

fn names() -> Vec<Draft> {
    vec![case(
        "who comes again is somebody else",
        vec![
            Joins("a"),
            Joins("b"),
            Leaves("b"),
            Joins("c"),
            reads(
                "a",
                &[
                    "> New user {b} entered. (# online)",
                    "< The user {b} left (# online)",
                    "> New user {c} entered. (# online)",
                ],
            ),
        ],
    )]
}

fn leaving() -> Vec<Draft> {
    vec![
        case(
            "a connection that is reset is a leave",
            vec![
                Joins("a"),
                Joins("b"),
                Vanishes("b"),
                reads("a", &["> New user {b} entered. (# online)", "< The user {b} left (# online)"]),
            ],
        ),
        case(
            "reset at once, one hurts nobody",
            vec![Joins("a"), Connects("b"), Vanishes("b"), Joins("c"), sends("c", b"hi\n"), reads("a", &["[{c}] hi"])],
        ),
        case(
            "all leave but one, who can go on talking to the next",
            vec![
                Joins("a"),
                Joins("b"),
                Joins("c"),
                Leaves("b"),
                Vanishes("c"),
                Joins("d"),
                sends("a", b"hi\n"),
                reads("d", &["[{a}] hi"]),
                sends("d", b"oh\n"),
                reads("a", &["[{d}] oh"]),
            ],
        ),
        case(
            "what one says and then leaves is heard",
            vec![Joins("a"), Joins("b"), sends("b", b"bye\n"), Leaves("b"), reads("a", &["[{b}] bye"])],
        ),
    ]
}

fn half_closing() -> Vec<Draft> {
    vec![
        case(
            "a half-closed connection is a leave and is closed",
            vec![
                Joins("a"),
                Joins("b"),
                HalfCloses("b"),
                Ends("b"),
                reads("a", &["> New user {b} entered. (# online)", "< The user {b} left (# online)"]),
            ],
        ),
        case(
            "half-closed at once, one is still welcomed",
            vec![Connects("a"), HalfCloses("a"), reads("a", &[WELCOME]), Ends("a")],
        ),
        case(
            "what one says and then half-closes is heard before the leave",
            vec![
                Joins("a"),
                Joins("b"),
                sends("b", b"bye\n"),
                HalfCloses("b"),
                reads("a", &["> New user {b} entered. (# online)"]),
                reads("a", &["[{b}] bye"]),
                reads("a", &["< The user {b} left (# online)"]),
            ],
        ),
    ]
}

fn talking() -> Vec<Draft> {
    let long = "x".repeat(1000);
    vec![
        case(
            "a line reaches another",
            vec![Joins("a"), Joins("b"), sends("a", b"hello\n"), reads("b", &["[{a}] hello"])],
        ),
        case(
            "a line reaches all others",
            vec![
                Joins("a"),
                Joins("b"),
                Joins("c"),
                Joins("d"),
                sends("b", b"hello\n"),
                reads("a", &["[{b}] hello"]),
                reads("c", &["[{b}] hello"]),
                reads("d", &["[{b}] hello"]),
            ],
        ),
        case(
            "who only listens hears all",
            vec![
                Joins("a"),
                Joins("b"),
                Joins("c"),
                sends("a", b"1\n"),
                reads("c", &["[{a}] 1"]),
                sends("b", b"2\n"),
                reads("c", &["[{b}] 2"]),
            ],
        ),
        case(
            "a thousand letters arrive whole",
            vec![Joins("a"), Joins("b"), sends("a", format!("{long}\n")), reads("b", &[&format!("[{{a}}] {long}")])],
        ),
        case("thirty people hear one line", {
            const NAMES: [&str; 30] = [
                "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8",
                "b9", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "d1", "d2", "d3",
            ];
            let mut steps: Vec<_> = NAMES.into_iter().map(Joins).collect();
            steps.push(sends("a1", b"all of you\n"));
            steps.extend(NAMES[1..].iter().map(|name| reads(name, &["[{a1}] all of you"])));
            steps
        }),
    ]
}

fn own_lines() -> Vec<Draft> {
    vec![whole_case(
        "one's own line is not sent back",
        vec![
            Joins("a"),
            Joins("b"),
            reads("a", &["> New user {b} entered. (2 users online)"]),
            sends("a", b"one\ntwo\n"),
            reads("b", &["[{a}] one", "[{a}] two"]),
            sends("b", b"three\n"),
            reads("a", &["[{b}] three"]),
        ],
    )]
}

fn order() -> Vec<Draft> {
    let forty: String = (1..=40).map(|number| format!("line {number}\n")).collect();
    let heard: Vec<String> = (1..=40).map(|number| format!("[{{a}}] line {number}")).collect();
    let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
    vec![
        case(
            "forty lines in one go come in order",
            vec![Joins("a"), Joins("b"), sends("a", forty), reads("b", &heard)],
        ),
        case(
            "two authors are heard in one order by all",
            vec![
                Joins("a"),
                Joins("b"),
                Joins("c"),
                Joins("d"),
                Joins("e"),
                sends("a", b"1\n2\n3\n4\n"),
                sends("b", b"5\n6\n7\n8\n"),
                sends("a", b"9\n"),
                sends("b", b"10\n"),
                Agree(vec!["c", "d", "e"], 10),
            ],
        ),
        case(
            "authors hear each other in the order of all",
            vec![
                Joins("a"),
                Joins("b"),
                Joins("c"),
                sends("a", b"1\n"),
                reads("b", &["[{a}] 1"]),
                sends("b", b"2\n"),
                reads("c", &["[{a}] 1", "[{b}] 2"]),
                reads("a", &["[{b}] 2"]),
            ],
        ),
        case(
            "who reads late has missed nothing",
            vec![
                Joins("a"),
                Joins("b"),
                sends("a", b"1\n2\n"),
                sends("b", b"3\n"),
                reads("a", &["[{b}] 3"]),
                reads("b", &["[{a}] 1", "[{a}] 2"]),
            ],
        ),
    ]
}

fn empty_lines() -> Vec<Draft> {
    vec![case(
        "empty lines are not heard",
        vec![Joins("a"), Joins("b"), sends("a", b"\n\r\n\n\n"), sends("a", b"end\n"), reads("b", &["[{a}] end"])],
    )]
}

fn pieces() -> Vec<Draft> {
    vec![
        whole_case(
            "lines that arrive glued together are separate messages",
            vec![
                Joins("a"),
                Joins("b"),
                sends("a", b"one\ntwo\r\n\n\r\nthree\nfo"),
                reads("b", &["[{a}] one", "[{a}] two", "[{a}] three"]),
                sends("a", b"ur\n"),
                reads("b", &["[{a}] four"]),
            ],
        ),
        whole_case(
            "a line that arrives byte by byte is one message, its characters whole",
            vec![
                Joins("a"),
                Joins("b"),
                sends("a", "gr\u{fc}\u{df}e, \u{4f60}\u{597d} \u{1f389}\r\nand more\n"),
                reads("b", &["[{a}] gr\u{fc}\u{df}e, \u{4f60}\u{597d} \u{1f389}", "[{a}] and more"]),
            ],
        ),
        case(
            "others talk while a line is unfinished",
            vec![
                Joins("a"),
                Joins("b"),
                Joins("c"),
                sends("a", b"unfin"),
                sends("b", b"meanwhile\n"),
                reads("c", &["[{b}] meanwhile"]),
                sends("a", b"ished\n"),
                reads("c", &["[{a}] unfinished"]),
            ],
        ),
        case(
            "two unfinished lines do not mix",
            vec![
                Joins("a"),
                Joins("b"),
                Joins("c"),
                sends("a", b"aa"),
                sends("b", b"bb"),
                sends("a", b"aa\n"),
                reads("c", &["[{a}] aaaa"]),
                sends("b", b"bb\n"),
                reads("c", &["[{b}] bbbb"]),
            ],
        ),
        case(
            "a carriage return and its line feed come apart",
            vec![
                Joins("a"),
                Joins("b"),
                sends("a", b"one\r"),
                sends("a", b"\ntwo\r\n"),
                reads("b", &["[{a}] one", "[{a}] two"]),
            ],
        ),
    ]
}

fn unfinished_lines() -> Vec<Draft> {
    vec![
        whole_case(
            "a member that vanishes or leaves in the middle of a line has said nothing",
            vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                sends("b", b"whole\nhal"),
                reads("a", &["[{b}] whole"]),
                Vanishes("b"),
                reads("a", &["< The user {b} left (1 user online)"]),
                Joins("c"),
                sends("c", b"whole\nhal"),
                reads("a", &["> New user {c} entered. (2 users online)", "[{c}] whole"]),
                Leaves("c"),
                reads("a", &["< The user {c} left (1 user online)"]),
            ],
        ),
        case(
            "half a line of one who went is not the next one's",
            vec![
                Joins("a"),
                Joins("b"),
                sends("b", b"half"),
                HalfCloses("b"),
                Ends("b"),
                Joins("c"),
                sends("c", b"whole\n"),
                reads("a", &["[{c}] whole"]),
            ],
        ),
    ]
}

fn long_lines() -> Vec<Draft> {
    let endless = "x".repeat(ENDLESS_BYTES);
    vec![
        whole_case(
            "a line over the limit is discarded, its author told once",
            vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                sends("a", b"exactly16bytes!!\r\n"),
                sends("a", b"seventeen bytes!!\n"),
                sends("a", b"endlessly long endlessly long endlessly long "),
                sends("a", b"still going on\nafter\n"),
                reads("b", &["[{a}] exactly16bytes!!", "[{a}] after"]),
                reads(
                    "a",
                    &[
                        "! line too long: it was not sent, at most 16 bytes are",
                        "! line too long: it was not sent, at most 16 bytes are",
                    ],
                ),
            ],
        )
        .with(&["--line-bytes", "16"]),
        case(
            "a line without end is not heard, and the next one is",
            vec![Joins("a"), Joins("b"), sends("a", &endless), sends("a", b"\nafter\n"), reads("b", &["[{a}] after"])],
        ),
        case(
            "a line without end does not delay others",
            vec![
                Joins("a"),
                Joins("b"),
                Joins("c"),
                sends("a", &endless),
                sends("b", b"hi\n"),
                reads("c", &["[{b}] hi"]),
            ],
        ),
    ]
}
