//! Keeping order: what operators do, and what those read with whom it is done.

use super::Step::{Connects, Ends, Joins, Leaves};
use super::{Case, Draft, KEY, KEY_FILE, Step, about, case, reads, reads_until, sends, whole_case};

/// A server that has operators.
const OPERATORS: &[&str] = &["--operator-key", KEY_FILE];

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let with_key = |drafts: Vec<Draft>| {
        let add = |draft: Draft| if draft.options.is_empty() { draft.with(OPERATORS) } else { draft };
        drafts.into_iter().map(add).collect::<Vec<_>>()
    };
    let sections = [
        about("operators", vec![no_operators()]),
        about("operators", with_key(operators())),
        about("kick", with_key(kick())),
        about("mutes", with_key(mutes())),
        about("bans", with_key(bans())),
        about("modes", with_key(modes())),
        about("announce", with_key(announce())),
        about("topic", with_key(topic())),
        about("nodes", with_key(vec![nodes()])),
    ];
    sections.into_iter().flatten()
}

/// `who` comes and becomes an operator that is called `ann`.
fn operator(who: &'static str) -> Vec<Step> {
    vec![
        Joins(who),
        sends(who, format!("/op {KEY}\n/nick ann\n")),
        reads(who, &["! you are an operator", "! you are ann"]),
    ]
}

/// An operator `a`, and others.
fn with_operator(others: &[&'static str], steps: Vec<Step>) -> Vec<Step> {
    let mut all = operator("a");
    all.extend(others.iter().map(|who| Joins(who)));
    all.extend(steps);
    all
}

fn nodes() -> Draft {
    case(
        "a server by itself is in no cluster",
        with_operator(&[], vec![sends("a", "/nodes\n/nodes 0\n"), reads("a", &NO_NODES)]),
    )
}

const NO_NODES: [&str; 2] = ["! this server is in no cluster", "! usage: /nodes [PAGE]"];

fn no_operators() -> Draft {
    case(
        "where there is no key there are no operators",
        vec![Joins("a"), sends("a", "/op some key\n"), reads("a", &["! there are no operators here"])],
    )
}

fn operators() -> Vec<Draft> {
    vec![
        whole_case(
            "the key makes an operator, and neither it nor a wrong one is heard",
            vec![
                Joins("b"),
                Joins("a"),
                reads("b", &["> New user {a} entered. (2 users online)"]),
                sends("a", format!("/op wrong horse battery\n/bans\n/op {KEY}\n/bans\nhi\n")),
                reads("a", &["! this is not the key", "! this command is for operators", "! you are an operator"]),
                reads("a", &["! page 1 of 1"]),
                reads("b", &["[{a}] hi"]),
            ],
        ),
        case(
            "a key with something in front or behind is wrong",
            vec![
                Joins("a"),
                sends("a", format!("/op {KEY} \n/op  {KEY}\n")),
                reads("a", &["! this is not the key", "! this is not the key"]),
            ],
        ),
        case(
            "operators are told of their commands too",
            with_operator(
                &[],
                vec![
                    sends("a", "/help\n"),
                    reads_until("a", "! /nodes [PAGE]: the servers of this cluster, and how many members each has"),
                ],
            ),
        ),
    ]
}

fn kick() -> Vec<Draft> {
    vec![case(
        "who is kicked is told by whom and why, closed, and may come again",
        with_operator(
            &["b", "c"],
            vec![
                sends("b", "/nick bob\n"),
                reads_until("b", "! you are bob"),
                sends("a", "/kick BOB too loud\n/kick {c}\n/kick nobody-who-is-here\n"),
                reads_until("b", "! kicked by ann: too loud"),
                Ends("b"),
                reads_until("c", "! kicked by ann"),
                Ends("c"),
                reads("a", &["! kicked bob", "! kicked {c}", "! nobody is called nobody-who-is-here"]),
                Joins("d"),
                sends("d", "/nick bob\nhi\n"),
                reads_until("d", "! you are bob"),
                reads("a", &["[bob] hi"]),
            ],
        ),
    )]
}

fn mutes() -> Vec<Draft> {
    const MUTED: &str = "! you are muted: this line was not said";
    vec![
        case(
            "nothing of a muted member is heard, until it may speak again",
            with_operator(
                &["b", "other", "c"],
                vec![
                    sends("b", "/nick bob\n"),
                    reads_until("b", "! you are bob"),
                    sends("a", "/mute bob 1h\n/topic\n"),
                    reads("b", &["! muted for 1h"]),
                    // What is held depends on the address.
                    reads_until("a", "! there is no topic"),
                    sends("b", "one\n/me waves\n/msg {c} psst\n/join den\ntwo\n/join lobby\n"),
                    reads("b", &[MUTED, MUTED, MUTED]),
                    reads_until("b", "> Joined den (1 user online)"),
                    reads("b", &[MUTED, "> Joined lobby (4 users online)"]),
                    sends("c", "hears\n"),
                    reads("b", &["[{c}] hears"]),
                    sends("a", "/unmute bob\n/topic\n"),
                    reads("b", &["! you may speak again"]),
                    reads("a", &["[{c}] hears"]),
                    reads_until("a", "! there is no topic"),
                    sends("b", "three\n"),
                    reads("c", &["[bob] three"]),
                    sends("a", "/unmute bob\n/mute bob\n"),
                    reads("a", &["[bob] three", "! nothing is held of bob"]),
                    reads("b", &["! muted until an operator lifts it"]),
                ],
            ),
        ),
        case(
            "a name is muted that somebody chooses later",
            with_operator(
                &["b"],
                vec![
                    sends("a", "/mute bob 2d\n"),
                    reads("a", &["! muted bob until {?until}"]),
                    sends("b", "one\n/nick bob\ntwo\n/nick bert\nthree\n"),
                    reads_until("b", MUTED),
                    reads("a", &["[{b}] one", "[bert] three"]),
                ],
            ),
        ),
    ]
}

fn bans() -> Vec<Draft> {
    let refused = [
        ("127.0.0.0/8", "! that is all of loopback, and so everybody on this machine"),
        ("::/16", "! that is all of loopback, and so everybody on this machine"),
        ("10.0.0.0/7", "! the prefix of an IPv4 network is from /8 to /32"),
        ("192.0.2.0/33", "! the prefix of an IPv4 network is from /8 to /32"),
        ("2001::/15", "! the prefix of an IPv6 network is from /16 to /128"),
        ("a.b", "! write an address or a network: 192.0.2.7, 192.0.2.0/24, 2001:db8::/64"),
    ];
    vec![
        case(
            "who is banned is told until when and closed, and nobody else may have its name",
            with_operator(
                &["b", "other", "c"],
                vec![
                    sends("b", "/nick bob\n"),
                    reads_until("b", "! you are bob"),
                    sends("a", "/ban bob\n/topic\n"),
                    reads_until("b", "! banned without end"),
                    Ends("b"),
                    reads_until("a", "! there is no topic"),
                    sends("c", "/nick BOB\n"),
                    reads_until("c", "! the name BOB is taken"),
                    sends("a", "/unban bob\n/topic\n"),
                    reads_until("a", "! there is no topic"),
                    sends("c", "/nick BOB\n"),
                    reads("c", &["! you are BOB"]),
                ],
            ),
        ),
        case(
            "bans are listed with who set them, and lifted",
            with_operator(
                &[],
                vec![
                    sends("a", "/ban 192.0.2.9/24 1d\n/ban 2001:db8::/32\n/ban eve 1w\n/bans\n"),
                    reads("a", &["! banned 192.0.2.0/24 until {?one}", "! banned 2001:db8::/32 without end"]),
                    reads("a", &["! banned eve until {?two}", "! 192.0.2.0/24 until {?one} by ann"]),
                    reads("a", &["! 2001:db8::/32 without end by ann", "! eve until {?two} by ann", "! page 1 of 1"]),
                    sends("a", "/unban 192.0.2.0/24\n/unban 192.0.2.0/24\n/unban eve\n/bans\n"),
                    reads("a", &["! unbanned 192.0.2.0/24", "! nothing is held of 192.0.2.0/24", "! unbanned eve"]),
                    reads("a", &["! 2001:db8::/32 without end by ann", "! page 1 of 1"]),
                ],
            ),
        ),
        case("a network that is too large, or no network, is refused", {
            let mut steps = operator("a");
            for (network, answer) in refused {
                steps.extend([sends("a", format!("/ban {network}\n")), reads("a", &[answer])]);
            }
            steps
        }),
    ]
}

fn modes() -> Vec<Draft> {
    const SLOW: &str = "! slow mode: one line in 1 s, yours waits and is not lost";
    const ONLY: &str = "! only operators may speak here: this line was not said";
    vec![
        case(
            "in slow mode lines wait and are not lost, and operators' do not",
            with_operator(
                &["b", "c"],
                vec![
                    sends("a", "/slow 1\n"),
                    reads("a", &["> ann set the slow mode: one line in 1 s"]),
                    reads("b", &["> ann set the slow mode: one line in 1 s"]),
                    sends("b", "one\n\ntwo\n"),
                    reads("b", &[SLOW]),
                    sends("a", "1\n2\n3\n/slow 0\n"),
                    reads("c", &["> ann set the slow mode: one line in 1 s", "[{b}] one", "[ann] 1", "[ann] 2"]),
                    reads("c", &["[ann] 3", "> ann lifted the slow mode", "[{b}] two"]),
                ],
            ),
        ),
        case(
            "in slow mode a line that waits for another reason was not said",
            with_operator(
                &["b"],
                vec![
                    sends("b", "/topic\n".repeat(3)),
                    reads("b", &["! there is no topic", "! there is no topic", "! there is no topic"]),
                    sends("a", "/slow 3600\n"),
                    reads("a", &["> ann set the slow mode: one line in 3600 s"]),
                    sends("b", "4\n"),
                    reads("a", &["[{b}] 4"]),
                ],
            ),
        )
        .with(&["--operator-key", KEY_FILE, "--flood-rate", "2", "--flood-burst", "3"]),
        case(
            "in a room for operators others hear",
            with_operator(
                &["b", "c"],
                vec![
                    sends("a", "/only operators\nwe\n"),
                    reads("b", &["> ann set the room to operators only", "[ann] we"]),
                    sends("b", "one\n/me waves\n/msg ann psst\n"),
                    reads("b", &[ONLY, ONLY, "! sent to ann"]),
                    reads_until("a", "[{b} to you] psst"),
                    sends("a", "/only all\n"),
                    reads("b", &["> ann opened the room to all"]),
                    sends("b", "two\n"),
                    reads("c", &["> ann set the room to operators only", "[ann] we"]),
                    reads("c", &["> ann opened the room to all", "[{b}] two"]),
                ],
            ),
        ),
        case(
            "modes are objects for programs",
            with_operator(
                &["b"],
                vec![
                    sends("b", "/format json\n"),
                    reads_until("b", r#"{"kind":"welcome","n":0,"name":"{b}","online":2,"room":"lobby"}"#),
                    sends("a", "/slow 5\n/only operators\n/only all\n/slow 0\n"),
                    reads("b", &[r#"{"kind":"slow","after":0,"from":"ann","seconds":5}"#]),
                    reads("b", &[r#"{"kind":"only","after":0,"from":"ann","operators":true}"#]),
                    reads("b", &[r#"{"kind":"only","after":0,"from":"ann","operators":false}"#]),
                    reads("b", &[r#"{"kind":"slow","after":0,"from":"ann","seconds":0}"#]),
                ],
            ),
        ),
    ]
}

fn announce() -> Vec<Draft> {
    vec![case(
        "an announcement is a message in every room",
        with_operator(
            &["b", "c"],
            vec![
                sends("b", "/join den\n/format json\n"),
                reads_until("b", r#"{"kind":"welcome","n":0,"name":"{b}","online":1,"room":"den"}"#),
                sends("a", "/announce a  break\n"),
                reads("a", &["! announced in 2 rooms", "> announcement: a  break"]),
                reads("b", &[r#"{"kind":"announcement","n":1,"text":"a  break"}"#]),
                reads("c", &["> announcement: a  break"]),
                sends("c", "/history\n"),
                reads("c", &["! the last 1 messages:", "> announcement: a  break"]),
            ],
        ),
    )]
}

fn topic() -> Vec<Draft> {
    let long = "x".repeat(513);
    vec![
        case(
            "operators set the topic, others read it at once and on coming",
            with_operator(
                &["b"],
                vec![
                    sends("a", "/topic old bridges\n"),
                    reads("a", &["! topic: old bridges"]),
                    reads("b", &["> ann set the topic: old bridges"]),
                    Connects("c"),
                    reads("c", &["> Connected to the chat server (# online)", "! topic: old bridges"]),
                    sends("b", "/topic\n/join den\n/join lobby\n"),
                    reads("b", &["! topic: old bridges", "> Joined den (1 user online)"]),
                    reads("b", &["> Joined lobby (3 users online)", "! topic: old bridges"]),
                    sends("b", "/format json\n"),
                    reads_until("b", r#"{"kind":"welcome","n":1,"name":"{b}","online":3,"room":"lobby"}"#),
                    reads("b", &[r#"{"kind":"notice","code":"topic","text":"topic: old bridges"}"#]),
                    sends("a", "/topic ships\n/topic -\n/topic\n"),
                    reads_until("a", "! topic: ships"),
                    reads("a", &["! there is no topic", "! there is no topic"]),
                    reads("b", &[r#"{"kind":"topic","n":2,"from":"ann","text":"ships"}"#]),
                    reads("b", &[r#"{"kind":"topic","n":3,"from":"ann","text":""}"#]),
                    sends("c", "/history\n"),
                    reads_until("c", "! the last 3 messages:"),
                    reads("c", &["> ann set the topic: old bridges", "> ann set the topic: ships"]),
                    reads("c", &["> ann set the topic: "]),
                ],
            ),
        ),
        case(
            "a topic is no longer than its bound, and a room that has one stays",
            with_operator(
                &["b"],
                vec![
                    sends("a", format!("/topic {long}\n/join Den\n/topic here\n/join lobby\n")),
                    reads("a", &["! a topic has at most 512 bytes", "> Joined Den (1 user online)", "! topic: here"]),
                    reads("a", &["> Joined lobby (2 users online)"]),
                    sends("b", "/join den\n/history\n"),
                    reads_until("b", "> Joined Den (1 user online)"),
                    reads("b", &["! topic: here", "! the last 1 messages:", "> ann set the topic: here"]),
                    Leaves("b"),
                ],
            ),
        ),
    ]
}
