//! Coming back with a token: the name, the room, and every message that was missed.

use super::Step::{Ends, Joins, Leaves, Vanishes};
use super::json::{TOKEN, answer, both_join, joins, message, said_object, steps, welcomed, with};
use super::{Case, Draft, about, case, reads, reads_until, sends};

const REFUSED: &str = r#"{"kind":"error","code":"resume_refused","text":"this token is not good, or not any more"}"#;
const REPLACED: &str = r#"{"kind":"replaced","text":"you have come back by another connection"}"#;

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let mut resume = resume();
    resume.extend(resume_refused());
    resume.extend(resume_elsewhere());
    [about("token", token()), about("resume", resume)].into_iter().flatten()
}

fn token() -> Vec<Draft> {
    vec![
        case(
            "a name is kept for who may come back",
            steps(vec![
                joins("a", "den", 0, 1),
                vec![
                    sends("a", "/token\n/nick {~ann}\n"),
                    reads("a", &[TOKEN, &answer("notice", "nick", "you are {~ann}")]),
                    Leaves("a"),
                    Joins("b"),
                    sends("b", "/nick {~ANN}\n"),
                    reads("b", &["! the name {~ANN} is taken"]),
                    sends("b", "/format json\n"),
                    sends("b", "/resume {?token} 0\n"),
                    reads_until("b", &welcomed("{~ann}", "den", 0, 1)),
                    Leaves("b"),
                    Joins("c"),
                    sends("c", "/nick {~ann}\n"),
                    reads("c", &["! you are {~ann}"]),
                ],
            ]),
        ),
        case(
            "another token makes the one before useless",
            steps(vec![
                joins("a", "den", 0, 1),
                vec![
                    sends("a", "/token\n/token\n"),
                    reads("a", &[TOKEN, &TOKEN.replace("?token", "?second")]),
                    Leaves("a"),
                ],
                joins("b", "two", 0, 1),
                vec![
                    sends("b", "/resume {?token} 0\n/resume {?second} 0\n"),
                    reads("b", &[REFUSED, &welcomed("{b}", "den", 0, 1)]),
                ],
            ]),
        ),
        case(
            "a token is of the name and the room that the connection has at its end",
            steps(vec![
                joins("a", "den", 0, 1),
                vec![
                    sends("a", "/nick {~ann}\n/token\n/nick {~eve}\n/join {~two}\n"),
                    reads("a", &[&answer("notice", "nick", "you are {~ann}"), TOKEN]),
                    reads("a", &[&answer("notice", "nick", "you are {~eve}"), &welcomed("{~eve}", "two", 0, 1)]),
                    Vanishes("a"),
                ],
                joins("b", "den", 0, 1),
                vec![
                    sends("b", "/nick {~ann}\n/resume {?token} 0\n"),
                    reads("b", &[&answer("notice", "nick", "you are {~ann}"), &welcomed("{~eve}", "two", 0, 1)]),
                ],
            ]),
        ),
    ]
}

fn resume() -> Vec<Draft> {
    vec![
        case(
            "who comes back has its name, its room and all that was said, its own included",
            steps(vec![
                both_join(),
                vec![
                    sends("a", "/nick {~ann}\none\n/token\n"),
                    reads("a", &[&answer("notice", "nick", "you are {~ann}"), &said_object(1), TOKEN]),
                    reads("b", &[r#"{"kind":"renamed","after":0,"from":"{a}","id":"{?a}","to":"{~ann}","online":2}"#]),
                    reads("b", &[&with(&message(1, "{~ann}", "one"), r#""id":"{?a}""#)]),
                    Vanishes("a"),
                    reads("b", &[r#"{"kind":"left","after":1,"from":"{~ann}","id":"{?a}","online":1}"#]),
                    sends("b", "two\n/me waves\n"),
                    reads("b", &[&said_object(2), &said_object(3)]),
                ],
                joins("c", "two", 0, 1),
                vec![
                    sends("c", "/resume {?token} 0\n"),
                    reads("c", &[&with(&welcomed("{~ann}", "den", 3, 2), r#""id":"{?c}""#)]),
                    reads("c", &[&with(&message(1, "{~ann}", "one"), r#""id":"{?a}""#), &message(2, "{b}", "two")]),
                    reads("c", &[r#"{"kind":"action","n":3,"from":"{b}","text":"waves"}"#]),
                    reads("b", &[r#"{"kind":"entered","after":3,"from":"{~ann}","id":"{?c}","online":2}"#]),
                    sends("b", "four\n"),
                    reads("c", &[&message(4, "{b}", "four")]),
                    sends("c", "five\n"),
                    reads("b", &[&said_object(4), &with(&message(5, "{~ann}", "five"), r#""id":"{?c}""#)]),
                ],
            ]),
        ),
        case(
            "only what comes behind the number is sent",
            steps(vec![
                both_join(),
                vec![
                    sends("a", "one\ntwo\nthree\n/token\n"),
                    reads("a", &[&said_object(1), &said_object(2), &said_object(3), TOKEN]),
                    Leaves("a"),
                ],
                joins("c", "two", 0, 1),
                vec![
                    sends("c", "/resume {?token} 2\n/token\n"),
                    reads("c", &[&welcomed("{c}", "den", 3, 2), &message(3, "{a}", "three")]),
                    reads("c", &[&TOKEN.replace("?token", "?next")]),
                    Leaves("c"),
                ],
                joins("d", "two", 0, 1),
                vec![
                    sends("d", "/resume {?next} 18446744073709551615\n/topic\n"),
                    reads("d", &[&welcomed("{d}", "den", 3, 2)]),
                    reads("d", &[&answer("notice", "no_topic", "there is no topic")]),
                ],
            ]),
        ),
        case("what the log has forgotten is told with its numbers", {
            let lines: String = (1..=60).map(|number| format!("line {number}\n")).collect();
            steps(vec![
                both_join(),
                vec![
                    sends("a", "/token\n"),
                    reads("a", &[TOKEN]),
                    Vanishes("a"),
                    reads("b", &[r#"{"kind":"left","after":0,"from":"{a}","online":1}"#]),
                    sends("b", lines),
                    reads_until("b", &said_object(60)),
                ],
                joins("c", "two", 0, 1),
                vec![
                    sends("c", "/resume {?token} 0\n"),
                    reads("c", &[&welcomed("{c}", "den", 60, 2)]),
                    // All from the first one on are forgotten up to some number.
                    reads("c", &[r#"{"kind":"missed","from":1,"to":"{?gone}","count":"{?gone}"}"#]),
                    reads_until("c", &message(60, "{b}", "line 60")),
                    sends("b", "end\n"),
                    reads("c", &[&message(61, "{b}", "end")]),
                ],
            ])
        })
        .with(&["--line-bytes", "64", "--log-bytes", "2KiB", "--flood-rate", "0"]),
    ]
}

fn resume_refused() -> Vec<Draft> {
    vec![case(
        "a token is good once, for another connection, and one that never was is not",
        steps(vec![
            both_join(),
            vec![
                sends("a", "/token\n"),
                reads("a", &[TOKEN]),
                sends("a", "/resume {?token} 0\n"),
                reads("a", &[REFUSED]),
                Leaves("a"),
            ],
            joins("c", "two", 0, 1),
            vec![
                sends("c", "/resume {?token} 0\n/resume {?token} 0\n"),
                reads("c", &[&welcomed("{c}", "den", 0, 2), REFUSED]),
            ],
            joins("d", "three", 0, 1),
            vec![
                sends("d", "/resume {?token} 0\n"),
                sends("d", "/resume 00000000000000000000000000000000 0\n/resume x 0\n/resume {?token}0 0\n"),
                reads("d", &[REFUSED, REFUSED, REFUSED, REFUSED]),
                sends("d", "hi\n"),
                reads("d", &[&said_object(1)]),
            ],
        ]),
    )]
}

/// Where the old connection is still there, or the room is not.
fn resume_elsewhere() -> Vec<Draft> {
    vec![
        case(
            "a connection that is still there is told and closed",
            steps(vec![
                joins("a", "den", 0, 1),
                vec![
                    sends("a", "/nick {~ann}\n/token\none\n"),
                    reads("a", &[&answer("notice", "nick", "you are {~ann}"), TOKEN, &said_object(1)]),
                ],
                joins("b", "two", 0, 1),
                vec![
                    sends("b", "/resume {?token} 1\n"),
                    reads("a", &[REPLACED]),
                    Ends("a"),
                    // The room was not freed meanwhile: its numbers go on.
                    reads("b", &[&welcomed("{~ann}", "den", 1, 1)]),
                    sends("b", "two\n"),
                    reads("b", &[&said_object(2)]),
                ],
            ]),
        ),
        case(
            "a text member that asked for its token before is told in text",
            steps(vec![
                joins("a", "den", 0, 1),
                vec![sends("a", "/token\n/format text\n"), reads("a", &[TOKEN, "> Joined {~den} (1 user online)"])],
                joins("b", "two", 0, 1),
                vec![
                    sends("b", "/resume {?token} 1\n"),
                    reads("a", &["! you have come back by another connection"]),
                    Ends("a"),
                ],
            ]),
        ),
        case(
            "who comes back in the same room is told of by its name",
            steps(vec![
                joins("a", "den", 0, 1),
                joins("b", "den", 0, 2),
                joins("c", "den", 0, 3),
                vec![
                    reads("a", &[r#"{"kind":"entered","after":0,"from":"{b}","online":2}"#]),
                    reads("a", &[r#"{"kind":"entered","after":0,"from":"{c}","online":3}"#]),
                    reads("b", &[r#"{"kind":"entered","after":0,"from":"{c}","online":3}"#]),
                    sends("a", "/nick {~ann}\n/token\n"),
                    reads("a", &[&answer("notice", "nick", "you are {~ann}"), TOKEN]),
                    reads("b", &[r#"{"kind":"renamed","after":0,"from":"{a}","to":"{~ann}","online":3}"#]),
                    reads("c", &[r#"{"kind":"renamed","after":0,"from":"{a}","to":"{~ann}","online":3}"#]),
                    sends("b", "/resume {?token} 0\n"),
                    reads("a", &[REPLACED]),
                    Ends("a"),
                    reads("c", &[r#"{"kind":"left","after":0,"from":"{~ann}","online":2}"#]),
                    reads("c", &[r#"{"kind":"renamed","after":0,"from":"{b}","to":"{~ann}","online":2}"#]),
                    reads_until("b", &welcomed("{~ann}", "den", 0, 2)),
                ],
            ]),
        ),
        case(
            "a room that was made anew has other numbers, and what was missed is not known",
            steps(vec![
                joins("a", "den", 0, 1),
                vec![sends("a", "one\n/token\n"), reads("a", &[&said_object(1), TOKEN]), Leaves("a")],
                joins("b", "two", 0, 1),
                vec![
                    sends("b", "/resume {?token} 1\n"),
                    reads("b", &[&welcomed("{b}", "den", 0, 1), r#"{"kind":"missed"}"#]),
                    sends("b", "two\n"),
                    reads("b", &[&said_object(1)]),
                ],
            ]),
        ),
    ]
}
