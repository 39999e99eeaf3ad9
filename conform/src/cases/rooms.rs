//! Rooms: who hears whom, going from one to another, and the lists of rooms and of members.

use super::Step::{Connects, HalfCloses, Joins, Leaves, Vanishes};
use super::{Case, Draft, Step, about, case, reads, reads_until, sends, whole_case};

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let sections = [about("rooms", rooms()), about("join", join()), about("lists", lists())];
    sections.into_iter().flatten()
}

fn rooms() -> Vec<Draft> {
    vec![
        whole_case(
            "rooms do not hear each other",
            vec![
                Joins("a"),
                Joins("b"),
                Joins("c"),
                Joins("d"),
                sends("c", "/join {~den}\n"),
                reads_until("c", "> Joined {~den} (1 user online)"),
                sends("d", "/join {~den}\n"),
                reads_until("d", "> Joined {~den} (2 users online)"),
                reads("c", &["> New user {d} entered. (2 users online)"]),
                sends("a", "in the lobby\n"),
                sends("d", "in the den\n"),
                reads("c", &["[{d}] in the den"]),
                reads_until("b", "[{a}] in the lobby"),
                sends("c", "yes\n"),
                reads("d", &["[{c}] yes"]),
                sends("b", "no\n"),
                reads_until("a", "[{b}] no"),
            ],
        ),
        case(
            "a room has the spelling of whoever made it",
            vec![
                Joins("a"),
                Joins("b"),
                sends("a", "/join {~Den}\n"),
                reads("a", &["> Joined {~Den} (1 user online)"]),
                sends("b", "/join {~dEN}\nhi\n"),
                reads("b", &["> Joined {~Den} (2 users online)"]),
                reads("a", &["> New user {b} entered. (2 users online)", "[{b}] hi"]),
            ],
        ),
        case(
            "a room that all have left is made anew, without its messages",
            vec![
                Joins("a"),
                sends("a", "/join {~Den}\none\n/join {~two}\n/join {~den}\n/history\n"),
                reads("a", &["> Joined {~Den} (1 user online)", "> Joined {~two} (1 user online)"]),
                reads("a", &["> Joined {~den} (1 user online)", "! the last 0 messages:"]),
            ],
        ),
        whole_case(
            "there are no more rooms than --rooms-max",
            vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                sends("a", "/join {~den}\n"),
                reads("a", &["> Joined {~den} (1 user online)"]),
                reads("b", &["< The user {a} left (1 user online)"]),
                sends("b", "/join {~two}\n/join {~den}\n"),
                reads("b", &["! no more rooms", "> Joined {~den} (2 users online)"]),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                sends("a", "/join lobby\n"),
                reads("a", &["> Joined lobby (1 user online)"]),
                sends("b", "/join LOBBY\n/join {~two}\n"),
                reads("b", &["< The user {a} left (1 user online)"]),
                reads("b", &["> Joined lobby (2 users online)", "> Joined {~two} (1 user online)"]),
                reads("a", &["> New user {b} entered. (2 users online)", "< The user {b} left (1 user online)"]),
            ],
        )
        .with(&["--rooms-max", "2"]),
    ]
}

fn join() -> Vec<Draft> {
    vec![
        whole_case(
            "who goes to another room is told of to those left and those joined",
            vec![
                Joins("a"),
                Joins("b"),
                Joins("c"),
                reads("a", &["> New user {b} entered. (2 users online)", "> New user {c} entered. (3 users online)"]),
                reads("b", &["> New user {c} entered. (3 users online)"]),
                sends("c", "/join {~den}\n"),
                reads("c", &["> Joined {~den} (1 user online)"]),
                reads("a", &["< The user {c} left (2 users online)"]),
                reads("b", &["< The user {c} left (2 users online)"]),
                sends("b", "one\n/join {~den}\ntwo\n"),
                reads("a", &["[{b}] one", "< The user {b} left (1 user online)"]),
                reads("b", &["> Joined {~den} (2 users online)"]),
                reads("c", &["> New user {b} entered. (2 users online)", "[{b}] two"]),
                Vanishes("c"),
                reads("b", &["< The user {c} left (1 user online)"]),
                sends("b", "/join lobby\n"),
                reads("b", &["> Joined lobby (2 users online)"]),
                reads("a", &["> New user {b} entered. (2 users online)"]),
            ],
        )
        .alone(),
        whole_case(
            "going to the room where one is tells nobody",
            vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                sends("b", "/join lobby\n/join LOBBY\nhi\n"),
                reads("b", &["> Joined lobby (2 users online)", "> Joined lobby (2 users online)"]),
                reads("a", &["[{b}] hi"]),
            ],
        ),
        case(
            "what was said in the room that one leaves comes before the welcome of the other",
            vec![
                Joins("a"),
                Joins("b"),
                sends("b", "/join {~den}\n"),
                reads("b", &["> Joined {~den} (1 user online)"]),
                sends("a", "/join {~den}\n"),
                reads("a", &["> Joined {~den} (2 users online)"]),
                sends("b", "one\ntwo\n"),
                reads("a", &["[{b}] one"]),
                sends("a", "/join {~two}\n"),
                reads("a", &["[{b}] two", "> Joined {~two} (1 user online)"]),
                sends("b", "three\n/join {~two}\nfour\n"),
                reads("a", &["> New user {b} entered. (2 users online)", "[{b}] four"]),
            ],
        ),
        whole_case(
            "the longest name of a room has 32 letters",
            vec![
                Joins("a"),
                sends("a", "/join ABCDEFGHIJKLMNOPQRSTUVWXYZ-_2345\n"),
                reads("a", &["> Joined ABCDEFGHIJKLMNOPQRSTUVWXYZ-_2345 (1 user online)"]),
            ],
        )
        .alone(),
        case(
            "a room may be called as a member is not",
            vec![Joins("a"), sends("a", "/join server\n"), reads("a", &["> Joined server (1 user online)"])],
        )
        .alone(),
        case(
            "who leaves while it goes to a room leaves one",
            vec![
                Joins("a"),
                sends("a", "/join {~den}\n"),
                reads("a", &["> Joined {~den} (1 user online)"]),
                Connects("b"),
                sends("b", "/join {~den}\n"),
                HalfCloses("b"),
                reads("a", &["> New user {b} entered. (2 users online)", "< The user {b} left (1 user online)"]),
            ],
        ),
    ]
}

/// Enough members for a second page.
const CROWD: [&str; 22] = [
    "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "c1",
    "c2", "c3", "c4",
];

fn lists() -> Vec<Draft> {
    let who = |members: &[&str]| members.iter().map(|member| format!("! {{{member}}}")).collect::<Vec<_>>();
    let reads_all = |reader, lines: Vec<String>| Step::Reads(reader, lines);
    vec![
        case("members in the order of coming, twenty a page", {
            let mut steps: Vec<Step> = Vec::new();
            for member in CROWD {
                steps.extend([
                    Joins(member),
                    sends(member, "/join {~den}\n"),
                    reads_until(member, "> Joined {~den} (# online)"),
                ]);
            }
            steps.extend([
                sends("c4", "/who\n/who 2\n/who 3\n/who 18446744073709551615\n"),
                reads_all("c4", who(&CROWD[..20])),
                reads("c4", &["! page 1 of 2"]),
                reads_all("c4", who(&CROWD[20..])),
                reads("c4", &["! page 2 of 2", "! page 3 of 2", "! page 18446744073709551615 of 2"]),
                Leaves("a1"),
                // The others are told of the leave first.
                reads("c4", &["< The user {a1} left (# online)"]),
                sends("c4", "/who 2\n"),
                reads_all("c4", who(&CROWD[21..])),
                reads("c4", &["! page 2 of 2"]),
            ]);
            steps
        }),
        whole_case("above --announce-max the names of the first page alone", {
            let mut steps: Vec<Step> = CROWD.into_iter().map(Joins).collect();
            steps.extend([sends("c4", "/who\n/who 2\n"), reads_until("c4", "! {a1}")]);
            steps.push(reads_all("c4", who(&CROWD[1..20])));
            steps.push(reads("c4", &["! page 1 of 2", "! page 2 of 2"]));
            steps
        })
        .with(&["--announce-max", "5"]),
        case("rooms, largest first, twenty a page", {
            let mut steps = Vec::new();
            for member in CROWD {
                steps.push(Joins(member));
                let room = if matches!(member, "a1" | "a2" | "a3") { "den".to_string() } else { format!("r{member}") };
                if !matches!(member, "c3" | "c4") {
                    steps.extend([
                        sends(member, format!("/join {room}\n")),
                        reads_until(member, &format!("> Joined {room} (# online)")),
                    ]);
                }
            }
            steps.extend([
                sends("a1", "/rooms\n"),
                reads_until("a1", "! den 3"),
                reads("a1", &["! lobby 2"]),
                reads_until("a1", "! page 1 of 1"),
                sends("a1", "/rooms 7\n"),
                reads("a1", &["! page 7 of 1"]),
                sends("c3", "/join rc3\n"),
                sends("c4", "/join rc4\n"),
                reads_until("c3", "> Joined rc3 (1 user online)"),
                reads_until("c4", "> Joined rc4 (1 user online)"),
                sends("c4", "/rooms 2\n"),
                reads("c4", &["! lobby 0", "! page 2 of 2"]),
            ]);
            steps
        })
        .alone(),
    ]
}
