//! Objects for programs. Almost everything happens in rooms that no stranger is in, so that numbers are known.

use super::Step::{Ends, Joins, Leaves};
use super::{Case, Draft, Step, about, case, reads, reads_until, sends, whole_case};

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let sections = [
        about("json", json()),
        about("objects", objects()),
        about("welcome-object", welcome()),
        about("said", said()),
        about("codes", codes()),
        about("own-lines", own_lines()),
    ];
    sections.into_iter().flatten()
}

/// `who` comes into a room that only this case has, and reads objects from then on.
pub(super) fn joins(who: &'static str, room: &str, n: u64, online: u64) -> Vec<Step> {
    vec![
        Joins(who),
        sends(who, format!("/join {{~{room}}}\n/format json\n")),
        reads(who, &[&format!("> Joined {{~{room}}} (# online)")]),
        reads(who, &[&welcomed(&format!("{{{who}}}"), room, n, online)]),
    ]
}

/// `a` and `b` come into such a room, one after the other.
pub(super) fn both_join() -> Vec<Step> {
    let entered = vec![reads("a", &[r#"{"kind":"entered","after":0,"from":"{b}","online":2}"#])];
    steps(vec![joins("a", "den", 0, 1), joins("b", "den", 0, 2), entered])
}

pub(super) fn welcomed(name: &str, room: &str, n: u64, online: u64) -> String {
    format!(r#"{{"kind":"welcome","n":{n},"name":"{name}","online":{online},"room":"{{~{room}}}"}}"#)
}

pub(super) fn message(n: u64, from: &str, text: &str) -> String {
    format!(r#"{{"kind":"message","n":{n},"from":"{from}","text":"{text}"}}"#)
}

pub(super) fn said_object(n: u64) -> String {
    format!(r#"{{"kind":"said","n":{n}}}"#)
}

/// An object with another member in front.
pub(super) fn with(object: &str, member: &str) -> String {
    object.replacen('{', &format!("{{{member},"), 1)
}

/// A notice or an error.
pub(super) fn answer(kind: &str, code: &str, text: &str) -> String {
    format!(r#"{{"kind":"{kind}","code":"{code}","text":"{text}"}}"#)
}

/// Steps of several pieces.
pub(super) fn steps(pieces: Vec<Vec<Step>>) -> Vec<Step> {
    pieces.into_iter().flatten().collect()
}

fn json() -> Vec<Draft> {
    vec![
        case(
            "a connection reads objects, and text again",
            steps(vec![
                joins("a", "den", 0, 1),
                vec![
                    Joins("b"),
                    sends("b", "/join {~den}\nhi\n"),
                    reads("b", &["> Joined {~den} (2 users online)"]),
                    reads("a", &[r#"{"kind":"entered","after":0,"from":"{b}","online":2}"#, &message(1, "{b}", "hi")]),
                    sends("a", "yes\n/format text\nno\n"),
                    reads("a", &[&said_object(2), "> Joined {~den} (2 users online)"]),
                    reads("b", &["[{a}] yes", "[{a}] no"]),
                    sends("b", "oh\n"),
                    reads("a", &["[{b}] oh"]),
                    sends("a", "/format text\n/format json\n"),
                    reads("a", &["> Joined {~den} (2 users online)", &welcomed("{a}", "den", 4, 2)]),
                    sends("a", "/format json\n"),
                    reads("a", &[&welcomed("{a}", "den", 4, 2)]),
                ],
            ]),
        ),
        case(
            "what was said before is read in the format of before",
            vec![
                Joins("a"),
                Joins("b"),
                sends("a", "/join {~den}\n"),
                reads("a", &["> Joined {~den} (1 user online)"]),
                sends("b", "/join {~den}\none\n/topic\n"),
                reads("b", &["> Joined {~den} (2 users online)", "! there is no topic"]),
                sends("a", "/format json\n"),
                reads("a", &["> New user {b} entered. (2 users online)", "[{b}] one", &welcomed("{a}", "den", 1, 2)]),
            ],
        ),
    ]
}

/// Texts, and how they stand in an object.
const TEXTS: &[(&[u8], &str)] = &[
    (b"\"quoted\" and \\ and /", r#"\"quoted\" and \\ and /"#),
    (b"a\ttab", r"a\ttab"),
    (b"\\u0041 \\n \\", r"\\u0041 \\n \\"),
    (b"{\"kind\":\"left\"}", r#"{\"kind\":\"left\"}"#),
    (b"\x00\x1b[2J\x7f\r", "[2J"),
    ("a\u{2028}b\u{2029}c\u{85}".as_bytes(), "abc"),
    (b"\xff\xfe\xc3", "\u{fffd}"),
    ("\u{fdd0}\u{ffff}\u{10ffff}".as_bytes(), "\u{fdd0}\u{ffff}\u{10ffff}"),
    ("\u{1f468}\u{200d}\u{1f469} \u{e9}".as_bytes(), "\u{1f468}\u{200d}\u{1f469} \u{e9}"),
];

fn objects() -> Vec<Draft> {
    vec![
        case(
            "messages are numbered, and joins, leaves and names have the number before them",
            steps(vec![
                joins("a", "den", 0, 1),
                vec![
                    Joins("b"),
                    sends("b", "/join {~den}\none\n/me waves\n/nick {~bob}\ntwo\n"),
                    reads("b", &["> Joined {~den} (2 users online)", "! you are {~bob}"]),
                    reads(
                        "a",
                        &[
                            r#"{"kind":"entered","after":0,"from":"{b}","id":"{?id}","online":2}"#,
                            r#"{"kind":"message","n":1,"from":"{b}","id":"{?id}","text":"one"}"#,
                            r#"{"kind":"action","n":2,"from":"{b}","id":"{?id}","text":"waves"}"#,
                            r#"{"kind":"renamed","after":2,"from":"{b}","id":"{?id}","to":"{~bob}","online":2}"#,
                            r#"{"kind":"message","n":3,"from":"{~bob}","id":"{?id}","text":"two"}"#,
                        ],
                    ),
                    Leaves("b"),
                    reads("a", &[r#"{"kind":"left","after":3,"from":"{~bob}","id":"{?id}","online":1}"#]),
                    sends("a", "three\n/history 2\n"),
                    reads(
                        "a",
                        &[
                            &said_object(4),
                            r#"{"kind":"notice","code":"history","count":2,"text":"the last 2 messages:"}"#,
                            r#"{"kind":"message","n":3,"from":"{~bob}","id":"{?id}","text":"two"}"#,
                            &message(4, "{a}", "three"),
                        ],
                    ),
                ],
            ]),
        ),
        case(
            "history of a room where nobody read objects is the same",
            vec![
                Joins("a"),
                sends("a", "/join {~den}\none\n/nick {~ann}\n/me waves\n] [ \"two\n/me  set the topic: x\n"),
                reads("a", &["> Joined {~den} (1 user online)", "! you are {~ann}"]),
                sends("a", "/format json\n/history\n"),
                reads("a", &[&with(&welcomed("{~ann}", "den", 4, 1), r#""id":"{?id}""#)]),
                reads(
                    "a",
                    &[
                        r#"{"kind":"notice","code":"history","count":4,"text":"the last 4 messages:"}"#,
                        r#"{"kind":"message","n":1,"from":"{a}","id":"{?id}","text":"one"}"#,
                        r#"{"kind":"action","n":2,"from":"{~ann}","id":"{?id}","text":"waves"}"#,
                        r#"{"kind":"message","n":3,"from":"{~ann}","id":"{?id}","text":"] [ \"two"}"#,
                        r#"{"kind":"action","n":4,"from":"{~ann}","id":"{?id}","text":" set the topic: x"}"#,
                    ],
                ),
            ],
        ),
        whole_case(
            "joins and leaves above --announce-max are a summary",
            vec![
                Joins("a"),
                sends("a", "/format json\n"),
                reads("a", &[r#"{"kind":"welcome","n":0,"name":"{a}","online":1,"room":"lobby"}"#]),
                Joins("b"),
                reads("a", &[r#"{"kind":"summary","after":0,"entered":1,"left":0,"online":2}"#]),
                Leaves("b"),
                reads("a", &[r#"{"kind":"summary","after":0,"entered":0,"left":1,"online":1}"#]),
            ],
        )
        .with(&["--announce-max", "1"]),
        case("every text is a string", {
            let mut steps = joins("a", "den", 0, 1);
            steps.extend([
                Joins("b"),
                sends("b", "/join {~den}\n"),
                reads("b", &["> Joined {~den} (2 users online)"]),
                reads("a", &[r#"{"kind":"entered","after":0,"from":"{b}","online":2}"#]),
            ]);
            for (number, (typed, quoted)) in (1..).zip(TEXTS) {
                steps
                    .extend([sends("b", [typed, &b"\n"[..]].concat()), reads("a", &[&message(number, "{b}", quoted)])]);
            }
            steps
        }),
    ]
}

fn welcome() -> Vec<Draft> {
    let of_epoch =
        |room, online, epoch: &str, name| with(&welcomed(name, room, 0, online), &format!(r#""epoch":"{{?{epoch}}}""#));
    vec![
        case(
            "a room has one epoch as long as it is there",
            steps(vec![
                joins("a", "two", 0, 1),
                joins("b", "den", 0, 1),
                vec![
                    sends("a", "/join {~den}\n/join {~two}\n/join {~den}\n"),
                    reads("a", &[&of_epoch("den", 2, "den", "{a}"), &of_epoch("two", 1, "two", "{a}")]),
                    reads("a", &[&of_epoch("den", 2, "den", "{a}")]),
                    sends("a", "one\n"),
                    reads("a", &[&said_object(1)]),
                    reads("b", &[r#"{"kind":"entered","after":0,"from":"{a}","online":2}"#]),
                ],
            ]),
        ),
        whole_case(
            "the welcome has a name, a room and the last number",
            vec![
                Joins("a"),
                sends("a", "one\n/me waves\n/nick {~ann}\n/format json\n"),
                reads("a", &["! you are {~ann}"]),
                reads("a", &[r#"{"kind":"welcome","n":2,"name":"{~ann}","online":1,"room":"lobby"}"#]),
                sends("a", "/join {~den}\nthree\n/join lobby\n"),
                reads("a", &[&welcomed("{~ann}", "den", 0, 1), &said_object(1)]),
                reads("a", &[r#"{"kind":"welcome","n":2,"name":"{~ann}","online":1,"room":"lobby"}"#]),
            ],
        )
        .alone(),
    ]
}

fn said() -> Vec<Draft> {
    vec![
        case(
            "one's own lines have their numbers told, in order, and what is none has not",
            steps(vec![
                joins("a", "den", 0, 1),
                vec![
                    sends("a", "one\n\n \x07\n/me waves\n//three\n/topic\n"),
                    reads("a", &[&said_object(1), &said_object(2), &said_object(3)]),
                    reads("a", &[&answer("notice", "no_topic", "there is no topic")]),
                ],
            ]),
        ),
        case(
            "private lines have no number",
            steps(vec![
                joins("a", "den", 0, 1),
                vec![
                    Joins("b"),
                    sends("b", "/nick {~bob}\n/msg {a} a \"b\"\n"),
                    reads("b", &["! you are {~bob}", "! sent to {a}"]),
                    reads("a", &[r#"{"kind":"private","from":"{~bob}","text":"a \"b\""}"#]),
                    sends("a", "/msg {~bob} yes\nhi\n"),
                    reads("a", &[&answer("notice", "sent", "sent to {~bob}"), &said_object(1)]),
                    reads("b", &["[{a} to you] yes"]),
                ],
            ]),
        ),
    ]
}

/// What is typed, and the error that comes of it.
const ERRORS: &[(&str, &str, &str)] = &[
    (
        "/nick you",
        "name_refused",
        "a name is 1 to 24 letters, digits, _ or -, not digits alone and not one of the server's",
    ),
    ("/nick", "usage", "usage: /nick NAME"),
    ("/nick {~bob}", "name_taken", "the name {~bob} is taken"),
    ("/join 42", "room_name_refused", "a room's name is 1 to 32 letters, digits, _ or -, and not digits alone"),
    ("/tell", "unknown_command", "there is no command /tell: /help lists them, //tell says it"),
    (" /op x", "blank_before_command", "a command begins with / and nothing before it: this line was not said"),
    ("/msg nobody-who-is-here x", "nobody", "nobody is called nobody-who-is-here"),
    ("/slow 1", "not_operator", "this command is for operators"),
    ("/resume 0 0", "resume_refused", "this token is not good, or not any more"),
];

fn codes() -> Vec<Draft> {
    let mut errors = vec![Joins("b"), sends("b", "/nick {~bob}\n"), reads("b", &["! you are {~bob}"])];
    errors.extend(joins("a", "den", 0, 1));
    for (typed, code, text) in ERRORS {
        errors.extend([sends("a", format!("{typed}\n")), reads("a", &[&answer("error", code, text)])]);
    }
    let page = r#"{"kind":"notice","code":"page","page":1,"pages":1,"text":"page 1 of 1"}"#;
    vec![
        case("what was not done is an error with a code", errors),
        case(
            "answers are notices with a code, some with more",
            steps(vec![
                joins("a", "den", 0, 1),
                vec![
                    sends("a", "/nick {~ann}\n/who\n/topic\n/history 1\n"),
                    reads("a", &[&answer("notice", "nick", "you are {~ann}")]),
                    reads("a", &[r#"{"kind":"notice","code":"member","name":"{~ann}","text":"{~ann}"}"#, page]),
                    reads("a", &[&answer("notice", "no_topic", "there is no topic")]),
                    reads("a", &[r#"{"kind":"notice","code":"history","count":0,"text":"the last 0 messages:"}"#]),
                    sends("a", "/help\n"),
                    reads("a", &[&answer("notice", "help", "/help: this list")]),
                    reads_until("a", &answer("notice", "help", "/op KEY: become an operator")),
                    sends("a", "/quit\n"),
                    reads("a", &[&answer("notice", "goodbye", "goodbye")]),
                    Ends("a"),
                ],
            ]),
        ),
        case(
            "an entry of the list of rooms has its name and its members",
            vec![
                Joins("a"),
                Joins("b"),
                sends("a", "/join den\n/format json\n"),
                reads_until("a", r#"{"kind":"welcome","n":0,"name":"{a}","online":1,"room":"den"}"#),
                sends("b", "/join den\n"),
                reads("a", &[r#"{"kind":"entered","after":0,"from":"{b}","online":2}"#]),
                sends("a", "/rooms\n"),
                reads("a", &[r#"{"kind":"notice","code":"room","room":"den","online":2,"text":"den 2"}"#]),
                reads("a", &[r#"{"kind":"notice","code":"room","room":"lobby","online":0,"text":"lobby 0"}"#, page]),
            ],
        )
        .alone(),
    ]
}

fn own_lines() -> Vec<Draft> {
    vec![case(
        "who reads objects is told the numbers of its lines, and not sent them",
        steps(vec![
            both_join(),
            vec![
                sends("a", "one\n"),
                reads("a", &[&said_object(1)]),
                reads("b", &[&message(1, "{a}", "one")]),
                sends("b", "two\n"),
                reads("b", &[&said_object(2)]),
                reads("a", &[&message(2, "{b}", "two")]),
            ],
        ]),
    )]
}

/// The answer to `/token`; the token is known from then on.
pub(super) const TOKEN: &str = r#"{"kind":"token","seconds":60,"token":"{?token}"}"#;
