//! Commands: what is one and what is said, names that members choose, actions, private lines, history, and the answers
//! to what is wrong.

use super::Step::{Ends, Joins, Leaves, Vanishes};
use super::{CHUNK_FRAMING, Case, Draft, about, case, reads, reads_until, sends, whole_case};

const NAME_REFUSED: &str = "! a name is 1 to 24 letters, digits, _ or -, not digits alone and not one of the server's";
const ROOM_NAME_REFUSED: &str = "! a room's name is 1 to 32 letters, digits, _ or -, and not digits alone";
const BLANK: &str = "! a command begins with / and nothing before it: this line was not said";
const FOR_OPERATORS: &str = "! this command is for operators";
const FOR_PROGRAMS: &str = "! this command is for programs: first /format json";

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let sections = [
        about("commands", commands()),
        about("answers", answers()),
        about("nick", nick()),
        about("names", names()),
        about("me", me()),
        about("msg", msg()),
        about("history", history()),
        about("topic", topic()),
        about("quit", quit()),
        about("forging", forging()),
    ];
    sections.into_iter().flatten()
}

/// What is typed, and what the others read of it; nothing of a command.
const TYPED: &[(&str, &str, &[&str])] = &[
    ("two slashes say one", "//help", &["/help"]),
    ("three slashes say two", "///", &["//"]),
    ("two slashes alone say one", "//", &["/"]),
    ("a slash in the middle is said", "and/or", &["and/or"]),
    ("a slash behind a blank is said", " /me waves", &[" /me waves"]),
    ("a slash behind a tab is said", "\t/nick bob", &["\t/nick bob"]),
    ("a slash behind a quote is said", "> /op key", &["> /op key"]),
    ("a slash behind control characters is first", "\x07\x1b/help\x00", &[]),
    ("a slash behind a zero-width space is first", "\u{200b}/help", &[]),
    ("a slash behind bytes that are no text is not first", "\u{fffd}/help", &["\u{fffd}/help"]),
    ("a slash of full width is no slash", "\u{ff0f}help", &["\u{ff0f}help"]),
];

fn commands() -> Vec<Draft> {
    let typed = |(name, line, heard): &(&str, &str, &[&str])| {
        let heard: Vec<String> = heard.iter().map(|line| format!("[{{a}}] {line}")).collect();
        let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
        let steps = vec![
            Joins("b"),
            Joins("a"),
            sends("a", format!("{line}\nend\n")),
            reads("b", &heard),
            reads("b", &["[{a}] end"]),
        ];
        case(&format!("typed: {name}"), steps)
    };
    let mut drafts: Vec<Draft> = TYPED.iter().map(typed).collect();
    drafts.extend([
        case(
            "the list of commands ends, and lines behind it are said",
            vec![
                Joins("a"),
                Joins("b"),
                sends("a", "/help\nhi\n"),
                reads("a", &["! /help: this list"]),
                reads_until("a", "! /op KEY: become an operator"),
                reads("b", &["[{a}] hi"]),
                sends("a", "/topic\n"),
                reads("a", &["! there is no topic"]),
            ],
        ),
        case(
            "blanks before /op are refused, in whatever letters, and nothing of it is heard",
            vec![
                Joins("b"),
                Joins("a"),
                sends("a", " /op key\n\t\u{3000}/OP key\n\u{200d}/op\nend\n"),
                reads("a", &[BLANK, BLANK, BLANK]),
                reads("b", &["[{a}] end"]),
            ],
        ),
        case(
            "a key behind /op is not heard, nor in other letters",
            vec![
                Joins("b"),
                Joins("a"),
                sends("a", "/OP key\n/ op key\nend\n"),
                reads("a", &["! there is no command /OP: /help lists them, //OP says it"]),
                reads("a", &["! there is no command /: /help lists them, // says it"]),
                reads("b", &["[{a}] end"]),
            ],
        ),
        whole_case(
            "commands keep their place among lines",
            vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                sends("b", "one\n/nick {~bob}\ntwo\n/me waves\n/nick {~bert}\n//three\n/nick {~bert}\nfour\n"),
                reads(
                    "a",
                    &[
                        "[{b}] one",
                        "> {b} is now known as {~bob}",
                        "[{~bob}] two",
                        "* {~bob} waves",
                        "> {~bob} is now known as {~bert}",
                        "[{~bert}] /three",
                        "[{~bert}] four",
                    ],
                ),
                reads("b", &["! you are {~bob}", "! you are {~bert}", "! you are {~bert}"]),
            ],
        )
        .alone(),
        whole_case(
            "without commands every line is said",
            vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                sends("b", "/nick bob\n//two\n /op key\n/quit\n"),
                reads("a", &["[{b}] /nick bob", "[{b}] //two", "[{b}]  /op key", "[{b}] /quit"]),
            ],
        )
        .with(&["--commands", "off"]),
        case(
            "chunk: there are no commands",
            vec![
                Joins("b"),
                Joins("a"),
                sends("a", "/nick bob\n"),
                reads("b", &["[{a}] /nick bob"]),
                sends("a", "//two"),
                reads("b", &["[{a}] //two"]),
            ],
        )
        .with(CHUNK_FRAMING),
        case(
            "who has given a command has spoken: what looks like a request then is talk",
            vec![
                Joins("b"),
                Joins("a"),
                sends("a", "/nick {~bob}\nGET / HTTP/1.1\r\n"),
                reads("a", &["! you are {~bob}"]),
                reads("b", &["[{~bob}] GET / HTTP/1.1"]),
            ],
        ),
    ]);
    drafts
}

/// A wrong command, and what would be right.
const WRONG: &[(&str, &str)] = &[
    ("/help me", "! usage: /help"),
    ("/nick", "! usage: /nick NAME"),
    ("/nick two words", "! usage: /nick NAME"),
    ("/nick \u{200d}", "! usage: /nick NAME"),
    ("/join", "! usage: /join ROOM"),
    ("/join two words", "! usage: /join ROOM"),
    ("/rooms 0", "! usage: /rooms [PAGE]"),
    ("/rooms -1", "! usage: /rooms [PAGE]"),
    ("/who 1.5", "! usage: /who [PAGE]"),
    ("/who 99999999999999999999", "! usage: /who [PAGE]"),
    ("/me", "! usage: /me TEXT"),
    ("/me  \t", "! usage: /me TEXT"),
    ("/msg", "! usage: /msg NAME TEXT"),
    ("/msg bob", "! usage: /msg NAME TEXT"),
    ("/msg bob  ", "! usage: /msg NAME TEXT"),
    ("/msg  bob hi", "! usage: /msg NAME TEXT"),
    ("/history 0", "! usage: /history [N]"),
    ("/history all", "! usage: /history [N]"),
    ("/format", "! usage: /format json|text"),
    ("/format JSON", "! usage: /format json|text"),
    ("/token now", "! usage: /token"),
    ("/resume", "! usage: /resume TOKEN N"),
    ("/resume abc", "! usage: /resume TOKEN N"),
    ("/resume abc -1", "! usage: /resume TOKEN N"),
    ("/op", "! usage: /op KEY"),
    ("/kick", "! usage: /kick NAME [WHY]"),
    ("/mute", "! usage: /mute NAME [TIME]"),
    ("/mute bob soon", "! usage: /mute NAME [TIME]"),
    ("/mute bob 0s", "! usage: /mute NAME [TIME]"),
    ("/unmute", "! usage: /unmute NAME"),
    ("/ban", "! usage: /ban NAME|ADDRESS[/PREFIX] [TIME]"),
    ("/ban bob 1y", "! usage: /ban NAME|ADDRESS[/PREFIX] [TIME]"),
    ("/unban", "! usage: /unban NAME|ADDRESS[/PREFIX]"),
    ("/bans 0", "! usage: /bans [PAGE]"),
    ("/slow", "! usage: /slow SECONDS"),
    ("/slow down", "! usage: /slow SECONDS"),
    ("/only", "! usage: /only operators|all"),
    ("/only me", "! usage: /only operators|all"),
    ("/announce", "! usage: /announce TEXT"),
    ("/tell bob hi", "! there is no command /tell: /help lists them, //tell says it"),
    ("/Quit", "! there is no command /Quit: /help lists them, //Quit says it"),
    ("/", "! there is no command /: /help lists them, // says it"),
    ("/ help", "! there is no command /: /help lists them, // says it"),
    ("/etc/passwd", "! there is no command /etc/passwd: /help lists them, //etc/passwd says it"),
    ("/nick 42", NAME_REFUSED),
    ("/nick server", NAME_REFUSED),
    ("/nick UPROAR", NAME_REFUSED),
    ("/nick You", NAME_REFUSED),
    ("/nick everyone", NAME_REFUSED),
    ("/nick guest-bob", NAME_REFUSED),
    ("/nick GUEST-", NAME_REFUSED),
    ("/nick b\u{f6}b", NAME_REFUSED),
    ("/nick [bob]", NAME_REFUSED),
    ("/nick 127.0.0.1:5", NAME_REFUSED),
    ("/nick abcdefghijklmnopqrstuvwxy", NAME_REFUSED),
    ("/join 42", ROOM_NAME_REFUSED),
    ("/join a.b", ROOM_NAME_REFUSED),
    ("/join d\u{e9}n", ROOM_NAME_REFUSED),
    ("/join abcdefghijklmnopqrstuvwxyz0123456", ROOM_NAME_REFUSED),
    ("/msg nobody-who-is-here hi", "! nobody is called nobody-who-is-here"),
    ("/msg 192.0.2.1:9 hi", "! nobody is called 192.0.2.1:9"),
    ("/msg guest-aaaaaaaa hi", "! nobody is called guest-aaaaaaaa"),
    ("/msg [bob] hi", "! nobody is called [bob]"),
    ("/topic of old", FOR_OPERATORS),
    ("/kick bob", FOR_OPERATORS),
    ("/mute bob 1h", FOR_OPERATORS),
    ("/unmute bob", FOR_OPERATORS),
    ("/ban 192.0.2.0/24 1d", FOR_OPERATORS),
    ("/unban bob", FOR_OPERATORS),
    ("/bans", FOR_OPERATORS),
    ("/slow 10", FOR_OPERATORS),
    ("/only operators", FOR_OPERATORS),
    ("/announce hi", FOR_OPERATORS),
    ("/nodes", FOR_OPERATORS),
    ("/token", FOR_PROGRAMS),
    ("/resume 00000000000000000000000000000000 0", FOR_PROGRAMS),
];

fn answers() -> Vec<Draft> {
    let wrong = |(typed, answer): &(&str, &str)| {
        let steps = vec![
            Joins("b"),
            Joins("a"),
            sends("a", format!("{typed}\nend\n")),
            reads("a", &[answer]),
            reads("b", &["[{a}] end"]),
        ];
        case(&format!("wrong: {typed}"), steps)
    };
    let mut drafts: Vec<Draft> = WRONG.iter().map(wrong).collect();
    let long = format!("/{}", "x".repeat(1000));
    let cut = "x".repeat(32);
    drafts.push(case(
        "of a long name that no command has the beginning is shown",
        vec![
            Joins("a"),
            sends("a", format!("{long} y\n")),
            reads("a", &[&format!("! there is no command /{cut}: /help lists them, //{cut} says it")]),
        ],
    ));
    drafts
}

fn nick() -> Vec<Draft> {
    vec![
        whole_case(
            "a chosen name stands wherever the address stood",
            vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                sends("b", "/nick {~bob}\nhi\n"),
                reads("b", &["! you are {~bob}"]),
                reads("a", &["> {b} is now known as {~bob}", "[{~bob}] hi"]),
                sends("a", "/msg {~bob} psst\n/who\n"),
                reads("b", &["[{a} to you] psst"]),
                reads("a", &["! sent to {~bob}", "! {a}", "! {~bob}", "! page 1 of 1"]),
                Leaves("b"),
                reads("a", &["< The user {~bob} left (1 user online)"]),
            ],
        )
        .alone(),
        whole_case(
            "a name may be chosen again in other letters, and the same one tells nobody",
            vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                sends("b", "/nick {~bob}\n/nick {~bob}\n/nick {~BOB}\nhi\n"),
                reads("b", &["! you are {~bob}", "! you are {~bob}", "! you are {~BOB}"]),
                reads("a", &["> {b} is now known as {~bob}", "> {~bob} is now known as {~BOB}", "[{~BOB}] hi"]),
            ],
        )
        .alone(),
        whole_case(
            "blanks around a name do not count",
            vec![Joins("a"), sends("a", "/nick  {~bob} \n"), reads("a", &["! you are {~bob}"])],
        ),
        whole_case(
            "the longest name has 24 letters, and the shortest one",
            vec![
                Joins("a"),
                sends("a", "/nick ABCDEFGHIJKLMNOPQRSTUVWX\n/nick _\n/nick 4-2\n"),
                reads("a", &["! you are ABCDEFGHIJKLMNOPQRSTUVWX", "! you are _", "! you are 4-2"]),
            ],
        )
        .alone(),
        case(
            "no two have one name, without regard to case, until it is free again",
            vec![
                Joins("a"),
                Joins("b"),
                sends("b", "/nick {~bob}\n"),
                reads("b", &["! you are {~bob}"]),
                sends("a", "/nick {~BOB}\n"),
                reads("a", &["! the name {~BOB} is taken"]),
                sends("b", "/nick {~bert}\n"),
                reads("b", &["! you are {~bert}"]),
                sends("a", "/nick {~BOB}\n"),
                reads("a", &["! you are {~BOB}"]),
                Leaves("b"),
                Joins("c"),
                sends("c", "/nick {~bert}\n"),
                reads("c", &["! you are {~bert}"]),
            ],
        ),
        case(
            "no two have one name, in whatever rooms they are",
            vec![
                Joins("a"),
                Joins("b"),
                sends("b", "/nick {~bob}\n/join {~den}\n"),
                reads("b", &["! you are {~bob}", "> Joined {~den} (1 user online)"]),
                sends("a", "/nick {~bob}\n"),
                reads("a", &["! the name {~bob} is taken"]),
            ],
        ),
        whole_case(
            "above --announce-max nobody is told of a name",
            vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> 1 user entered, 0 left. (2 users online)"]),
                sends("b", "/nick {~bob}\nhi\n"),
                reads("b", &["> 1 user entered, 0 left. (2 users online)", "! you are {~bob}"]),
                reads("a", &["[{~bob}] hi"]),
            ],
        )
        .with(&["--announce-max", "1"]),
    ]
}

fn names() -> Vec<Draft> {
    vec![
        whole_case(
            "with --hide-addresses no address is seen",
            vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> New user guest-{?b} entered. (2 users online)"]),
                sends("b", "hi\n/me waves\n"),
                reads("a", &["[guest-{?b}] hi", "* guest-{?b} waves"]),
                sends("a", "/who\n/msg GUEST-{?b} psst\n"),
                reads("a", &["! guest-{?a}", "! guest-{?b}", "! page 1 of 1", "! sent to guest-{?b}"]),
                reads("b", &["[guest-{?a} to you] psst"]),
                sends("b", "/nick {~bob}\n"),
                reads("b", &["! you are {~bob}"]),
                reads("a", &["> guest-{?b} is now known as {~bob}"]),
                sends("a", "/msg {b} psst\n/msg guest-{?b} psst\n/format json\n"),
                reads("a", &["! nobody is called {b}", "! nobody is called guest-{?b}"]),
                reads("a", &[r#"{"kind":"welcome","n":2,"name":"guest-{?a}","online":2,"room":"lobby"}"#]),
                Leaves("b"),
                Joins("c"),
                reads("a", &[r#"{"kind":"left","after":2,"from":"{~bob}","online":1}"#]),
                reads("a", &[r#"{"kind":"entered","after":2,"from":"guest-{?c}","online":2}"#]),
            ],
        )
        .with(&["--hide-addresses"]),
        case(
            "who leaves a room keeps its name",
            vec![
                Joins("a"),
                Joins("b"),
                sends("a", "/nick {~ann}\n/join {~den}\n"),
                reads("a", &["! you are {~ann}", "> Joined {~den} (1 user online)"]),
                sends("b", "/join {~den}\n"),
                reads("b", &["> Joined {~den} (2 users online)"]),
                sends("a", "hi\n"),
                reads("b", &["[{~ann}] hi"]),
            ],
        ),
    ]
}

fn me() -> Vec<Draft> {
    vec![
        whole_case(
            "an action is heard by the others and not by its author",
            vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                sends("a", "/me  waves  twice \n"),
                reads("b", &["* {a}  waves  twice "]),
                sends("b", "/nick {~bob}\n/me laughs\n"),
                reads("b", &["! you are {~bob}"]),
                reads("a", &["> {b} is now known as {~bob}", "* {~bob} laughs"]),
            ],
        )
        .alone(),
        case(
            "the text of an action is sanitised as a line is",
            vec![
                Joins("b"),
                Joins("a"),
                sends("a", b"/me a\x1b[2Jb\xff\xfec\n"),
                reads("b", &["* {a} a[2Jb\u{fffd}c"]),
            ],
        ),
    ]
}

fn msg() -> Vec<Draft> {
    vec![
        whole_case(
            "a private line is read by one member alone, in whatever room",
            vec![
                Joins("a"),
                Joins("b"),
                Joins("c"),
                reads("a", &["> New user {b} entered. (2 users online)", "> New user {c} entered. (3 users online)"]),
                reads("b", &["> New user {c} entered. (3 users online)"]),
                sends("c", "/nick {~carol}\n/join {~den}\n"),
                reads("c", &["! you are {~carol}", "> Joined {~den} (1 user online)"]),
                reads("a", &["> {c} is now known as {~carol}", "< The user {~carol} left (2 users online)"]),
                reads("b", &["> {c} is now known as {~carol}", "< The user {~carol} left (2 users online)"]),
                sends("a", "/msg {~CAROL}  psst\x1b\n/msg {b} you too\n"),
                reads("a", &["! sent to {~carol}", "! sent to {b}"]),
                reads("c", &["[{a} to you]  psst"]),
                reads("b", &["[{a} to you] you too"]),
                sends("c", "/msg {a} yes\n/msg {~carol} note\n"),
                reads("a", &["[{~carol} to you] yes"]),
                reads("c", &["! sent to {a}", "[{~carol} to you] note", "! sent to {~carol}"]),
            ],
        )
        .alone(),
        case(
            "nobody has a name that was given up",
            vec![
                Joins("a"),
                Joins("b"),
                sends("b", "/nick {~bob}\n/nick {~bert}\n"),
                reads("b", &["! you are {~bob}", "! you are {~bert}"]),
                sends("a", "/msg {~bob} hi\n/msg {b} hi\n/msg {~bert} hi\n"),
                reads("a", &["! nobody is called {~bob}", "! nobody is called {b}", "! sent to {~bert}"]),
                Vanishes("b"),
            ],
        ),
        case(
            "a private line is no part of the history",
            vec![
                Joins("a"),
                Joins("b"),
                sends("a", "/join {~den}\n"),
                reads("a", &["> Joined {~den} (1 user online)"]),
                sends("b", "/join {~den}\n"),
                reads("b", &["> Joined {~den} (2 users online)"]),
                sends("a", "one\n/msg {b} psst\ntwo\n"),
                reads("a", &["! sent to {b}"]),
                // Private lines go before what was said and not sent yet.
                reads_until("b", "[{a}] two"),
                sends("b", "/history\n"),
                reads("b", &["! the last 2 messages:", "[{a}] one", "[{a}] two"]),
            ],
        ),
    ]
}

fn history() -> Vec<Draft> {
    let thirty: String = (1..=30).map(|number| format!("{number}\n")).collect();
    let said: Vec<String> = (1..=30).map(|number| format!("[{{b}}] {number}")).collect();
    let last = |count: usize| said[30 - count..].iter().map(String::as_str).collect::<Vec<_>>();
    vec![
        case(
            "the last messages again, of all kinds and one's own, and no joins and leaves",
            vec![
                Joins("a"),
                sends("a", "/join {~den}\n"),
                reads("a", &["> Joined {~den} (1 user online)"]),
                sends("a", "/history\n"),
                reads("a", &["! the last 0 messages:"]),
                Joins("b"),
                sends("b", "/join {~den}\none\n/me waves\n"),
                reads("b", &["> Joined {~den} (2 users online)"]),
                reads("a", &["> New user {b} entered. (# online)", "[{b}] one", "* {b} waves"]),
                sends("a", "two\n"),
                reads("b", &["[{a}] two"]),
                sends("b", "/nick {~bob}\nthree\n"),
                reads("a", &["> {b} is now known as {~bob}", "[{~bob}] three"]),
                sends("a", "/history 3\nfour\n"),
                reads("a", &["! the last 3 messages:", "* {b} waves", "[{a}] two", "[{~bob}] three"]),
                reads("b", &["! you are {~bob}", "[{a}] four"]),
                sends("b", "/history 99\n"),
                reads("b", &["! the last 5 messages:", "[{b}] one", "* {b} waves", "[{a}] two", "[{~bob}] three"]),
                reads("b", &["[{a}] four"]),
            ],
        ),
        case("twenty without a number", {
            let mut steps = vec![
                Joins("a"),
                Joins("b"),
                sends("b", "/join {~den}\n"),
                reads("b", &["> Joined {~den} (1 user online)"]),
                sends("b", &thirty),
                sends("b", "/topic\n"),
                reads("b", &["! there is no topic"]),
                sends("a", "/join {~den}\n/history\n/topic\n"),
                reads("a", &["> Joined {~den} (2 users online)", "! the last 20 messages:"]),
                reads("a", &last(20)),
            ];
            steps.push(reads("a", &["! there is no topic"]));
            steps
        }),
        whole_case("at most --history-max", {
            let mut steps = vec![
                Joins("a"),
                Joins("b"),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                sends("b", &thirty),
            ];
            steps.push(reads("a", &last(30)));
            steps.extend([sends("a", "/history 29\n"), reads("a", &["! the last 5 messages:"]), reads("a", &last(5))]);
            steps
        })
        .with(&["--history-max", "5"]),
        whole_case(
            "newcomers of the server and of a room are sent the last messages with --history",
            vec![
                Joins("a"),
                sends("a", "one\n/me waves\nthree\n/topic\n"),
                reads("a", &["! there is no topic"]),
                Joins("b"),
                reads("b", &["* {a} waves", "[{a}] three"]),
                reads("a", &["> New user {b} entered. (2 users online)"]),
                sends("b", "/join {~den}\nfour\n/join lobby\n"),
                reads("b", &["> Joined {~den} (1 user online)", "> Joined lobby (2 users online)"]),
                reads("b", &["* {a} waves", "[{a}] three"]),
                reads("a", &["< The user {b} left (1 user online)", "> New user {b} entered. (2 users online)"]),
                sends("b", "five\n"),
                reads("a", &["[{b}] five"]),
            ],
        )
        .with(&["--history", "2"]),
        case(
            "what is said behind the command comes behind the history",
            vec![
                Joins("a"),
                Joins("b"),
                sends("b", "/join {~den}\n1\n2\n3\n/topic\n"),
                reads("b", &["> Joined {~den} (1 user online)", "! there is no topic"]),
                sends("a", "/join {~den}\n/history 2\n"),
                reads("a", &["> Joined {~den} (2 users online)", "! the last 2 messages:"]),
                sends("b", "4\n"),
                reads("a", &["[{b}] 2", "[{b}] 3", "[{b}] 4"]),
                sends("a", "/history 2\n/history 1\n"),
                reads("a", &["! the last 2 messages:", "[{b}] 3", "[{b}] 4", "! the last 1 messages:", "[{b}] 4"]),
            ],
        ),
    ]
}

fn topic() -> Vec<Draft> {
    vec![case(
        "a new room has no topic",
        vec![
            Joins("a"),
            sends("a", "/join {~den}\n/topic\n"),
            reads("a", &["> Joined {~den} (1 user online)", "! there is no topic"]),
        ],
    )]
}

fn quit() -> Vec<Draft> {
    vec![
        case(
            "who quits is told goodbye and closed, and lines behind it are not heard",
            vec![
                Joins("a"),
                Joins("b"),
                sends("b", "one\n/quit so long\ntwo\n"),
                reads_until("b", "! goodbye"),
                Ends("b"),
                reads("a", &["> New user {b} entered. (# online)", "[{b}] one", "< The user {b} left (# online)"]),
                Joins("c"),
                sends("c", "three\n"),
                reads("a", &["[{c}] three"]),
            ],
        ),
        case(
            "who quits at once is welcomed first",
            vec![Joins("a"), sends("a", "/quit\n"), reads("a", &["! goodbye"]), Ends("a")],
        ),
    ]
}

/// Lines that look like those of the server, and what else is free behind a name.
fn forging() -> Vec<Draft> {
    const LINES: &[&str] = &[
        "* bob waves",
        "[bob to you] psst",
        "> bob set the topic: x",
        "> announcement: x",
        "> bob is now known as carol",
        "> Joined den (3 users online)",
        "{\"kind\":\"error\",\"code\":\"banned\",\"text\":\"x\"}",
    ];
    let mut drafts = vec![case("what a member says begins with its name, as line, as action and in private", {
        let mut steps = vec![Joins("b"), Joins("a"), sends("b", "/nick {~bob}\n"), reads("b", &["! you are {~bob}"])];
        for line in LINES {
            steps.extend([
                sends("a", format!("{line}\n")),
                reads("b", &[&format!("[{{a}}] {line}")]),
                sends("a", format!("/me {line}\n")),
                reads("b", &[&format!("* {{a}} {line}")]),
                sends("a", format!("/msg {{~bob}} {line}\n")),
                reads("b", &[&format!("[{{a}} to you] {line}")]),
                reads("a", &["! sent to {~bob}"]),
            ]);
        }
        steps
    })];
    drafts.push(
        whole_case("in the format for programs they are strings", {
            let mut steps = vec![
                Joins("b"),
                Joins("a"),
                reads("b", &["> New user {a} entered. (2 users online)"]),
                sends("b", "/format json\n"),
                reads("b", &[r#"{"kind":"welcome","n":0,"name":"{b}","online":2,"room":"lobby"}"#]),
            ];
            for (number, line) in (0..).zip(LINES) {
                let quoted = line.replace('"', "\\\"");
                let (first, second) = (2 * number + 1, 2 * number + 2);
                steps.extend([
                    sends("a", format!("{line}\n")),
                    reads("b", &[&format!(r#"{{"kind":"message","n":{first},"from":"{{a}}","text":"{quoted}"}}"#)]),
                    sends("a", format!("/me {line}\n")),
                    reads("b", &[&format!(r#"{{"kind":"action","n":{second},"from":"{{a}}","text":"{quoted}"}}"#)]),
                    sends("a", format!("/msg {{b}} {line}\n")),
                    reads("b", &[&format!(r#"{{"kind":"private","from":"{{a}}","text":"{quoted}"}}"#)]),
                    reads("a", &["! sent to {b}"]),
                ]);
            }
            steps
        })
        .alone(),
    );
    drafts
}
