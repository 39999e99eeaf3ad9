//! Scenarios as data: who joins, who says what, and exactly what each of them reads. Played on every back end.
//!
//! In a transcript `{a}` stands for the address of the person called a. After each step everybody's transcript is read
//! as far as it goes, so a line that nobody expects fails the next comparison.

mod support;

use std::collections::BTreeMap;

use support::{BACKENDS, Person, Server};

enum Step {
    /// A person joins; the room's count is in everybody's lines.
    Joins(&'static str),
    /// Bytes as they go into the socket.
    Sends(&'static str, &'static [u8]),
    /// One byte at a time.
    SendsSlowly(&'static str, &'static [u8]),
    /// Goes in good order.
    Leaves(&'static str),
    /// Vanishes: the connection is reset.
    Vanishes(&'static str),
    /// A person reads these lines next.
    Reads(&'static str, &'static [&'static str]),
}

use Step::{Joins, Leaves, Reads, Sends, SendsSlowly, Vanishes};

struct Scenario {
    name: &'static str,
    options: &'static [&'static str],
    steps: &'static [Step],
}

const SCENARIOS: &[Scenario] = &[
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
            SendsSlowly("a", "grüße, 你好 🎉\r\nand more\n".as_bytes()),
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
                    "[{a}] \u{fffd}\u{fffd} caf\u{fffd} 1m",
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

#[test]
fn scenarios() {
    for backend in BACKENDS {
        for scenario in SCENARIOS {
            println!("{backend}: {}", scenario.name);
            play(backend, scenario);
        }
    }
}

fn play(backend: &str, scenario: &Scenario) {
    let mut options = vec!["--backend", backend];
    options.extend(scenario.options);
    let server = Server::start(&options);
    let mut people: BTreeMap<&str, Person> = BTreeMap::new();
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    for step in scenario.steps {
        match step {
            Joins(who) => {
                let mut person = Person::connect(server.address);
                names.insert(who, person.name().to_string());
                // Welcomed before the next step, so that the order of joins is the scenario's.
                person.wait_for_byte();
                people.insert(who, person);
            }
            Sends(who, bytes) => people.get_mut(who).unwrap().send(bytes),
            SendsSlowly(who, bytes) => {
                for byte in *bytes {
                    people.get_mut(who).unwrap().send([*byte]);
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
            Leaves(who) => people.remove(who).unwrap().leave(),
            Vanishes(who) => people.remove(who).unwrap().vanish(),
            Reads(who, lines) => {
                for line in *lines {
                    let expected = names.iter().fold((*line).to_owned(), |line, (name, address)| {
                        line.replace(&format!("{{{name}}}"), address)
                    });
                    assert_eq!(people.get_mut(who).unwrap().line(), Some(expected), "{}", scenario.name);
                }
            }
        }
    }
    for (who, person) in &mut people {
        let rest = person.rest_after(std::time::Duration::from_millis(20));
        let follows = scenario.steps.iter().any(|step| matches!(step, Reads(name, _) if name == who));
        assert!(!follows || rest.is_empty(), "{}: {who} reads {rest:?} too", scenario.name);
    }
}
