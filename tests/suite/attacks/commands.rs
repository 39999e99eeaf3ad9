//! Attacks with commands: floods, answers that nobody reads, names of every kind, storms of rooms and names, tokens
//! that are guessed or used twice, and commands cut or glued together in every way.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{BACKENDS, Person, Server, expect_talk, latency, statistics};

/// How long a line may take to another member while somebody attacks, on a machine that does other things too.
pub(super) const LATENCY_MAX: Duration = Duration::from_millis(500);

/// What the server may need more because of an attack, in KiB. One connection's share of the memory for notices and
/// lines is far below it, and what an attack could make it keep is far above.
pub(super) const GROWTH_KIB_MAX: u64 = 16 * 1024;

fn start(backend: &str, options: &[&str]) -> Server {
    Server::start(&[&["--backend", backend, "--flood-rate", "0"], options].concat())
}

/// Sends `line` again and again, until the server takes no more of it.
fn send_until_refused(person: &Person, line: &str) {
    person.stream().set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let many = line.repeat(60_000 / line.len() + 1);
    // The kernel keeps some megabytes of answers for a peer that does not read.
    for _ in 0..1000 {
        if let Err(error) = person.stream().write_all(many.as_bytes()) {
            assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
            return;
        }
    }
    panic!("the server takes {} without end", &line[..10.min(line.len())]);
}

/// Since `start` members have sent more commands than they may: each has had carried out what its rate allows.
pub(super) fn expect_slowed(server: &Server, start: Instant, members: usize) {
    thread::sleep(Duration::from_secs(1));
    let (carried_out, members) = (statistics(server)["commands"], members as u64);
    let allowed = (50 + 10 * (start.elapsed().as_secs() + 1)) * members;
    assert!(carried_out <= allowed && carried_out >= 20 * members, "{carried_out} of {allowed}");
    expect_talk(server);
}

fn hex(number: u128) -> String {
    format!("{number:032x}")
}

/// A newcomer that reads objects, with its token.
fn with_token(server: &Server) -> (Person, String) {
    let mut person = server.join();
    person.send("/format json\n/token\n");
    let lines = person.lines_until(|line| line.contains(r#""kind":"token""#));
    let token = lines.last().unwrap().split('"').rev().nth(1).unwrap().to_owned();
    assert_eq!(token.len(), 32, "{lines:?}");
    (person, token)
}

/// Every command, right and wrong. What it says and to whom does not matter here.
const COMMANDS: &[&str] = &[
    "/help",
    "/nick you",
    "/nick b",
    "/join lobby",
    "/rooms",
    "/who 3",
    "/msg x y",
    "/history 1",
    "/topic",
    "/topic x",
    "/format text",
    "/token",
    "/resume x 0",
    "/op x",
    "/kick x",
    "/mute x",
    "/unmute x",
    "/ban x",
    "/unban x",
    "/bans",
    "/nodes",
    "/slow 1",
    "/only all",
    "/announce x",
    "/",
    "/x",
    " /op x",
    "/who x",
];

#[test]
fn a_flood_of_each_command_is_slowed_as_one_of_lines_is() {
    let server = Server::start(&["--address-rate", "0", "--announce-max", "0"]);
    let start = Instant::now();
    let mut flooders: Vec<Person> = COMMANDS.iter().map(|_| server.join()).collect();
    for (flooder, command) in flooders.iter_mut().zip(COMMANDS) {
        flooder.send(format!("{command}\n").repeat(200));
    }
    expect_slowed(&server, start, COMMANDS.len());
}

#[test]
fn answers_that_nobody_reads_take_no_memory_and_hurt_nobody() {
    for backend in BACKENDS {
        let server = start(backend, &["--announce-max", "0"]);
        let (mut author, mut listener) = (server.join(), server.join());
        author.send("hello\n".repeat(600));
        listener.lines_until(|line| line.ends_with("hello"));
        let before = server.memory_kib("VmRSS");
        let long = format!("/x{}\n", "y".repeat(200));
        let commands = ["/help\n", "/who\n", "/rooms\n", "/history 9\n", "/join lobby\n", "/msg x y\n", "/x\n", &long];
        let deaf: Vec<Person> = commands.iter().map(|_| Person::connect_small(server.address)).collect();
        thread::scope(|scope| {
            for (person, command) in deaf.iter().zip(commands) {
                scope.spawn(move || send_until_refused(person, command));
            }
            let longest = latency(&mut author, &mut listener, 20);
            assert!(longest < LATENCY_MAX, "{longest:?} on {backend}");
        });
        let grown = server.memory_kib("VmRSS").saturating_sub(before);
        assert!(grown < GROWTH_KIB_MAX, "{grown} KiB on {backend}");
        drop(deaf);
        expect_talk(&server);
    }
}

#[test]
fn names_of_every_kind_are_taken_or_refused_and_never_more() {
    let server = start("epoll", &[]);
    let mut person = server.join();
    for character in (0x20..0x7f).chain(0xa0..0x180).filter_map(char::from_u32) {
        let allowed = character.is_ascii_alphanumeric() || character == '_' || character == '-';
        let name = format!("a{character}b");
        person.send(format!("/nick {name}\n"));
        let line = person.line().unwrap();
        match character {
            ' ' => assert_eq!(line, "! usage: /nick NAME"),
            // It is no character, so that what is left is a name.
            '\u{ad}' => assert_eq!(line, "! you are ab"),
            _ if allowed => assert_eq!(line, format!("! you are {name}")),
            _ => assert!(line.starts_with("! a name is "), "{character:?}: {line}"),
        }
        person.send(format!("/join {name}\n"));
        let line = person.line().unwrap();
        match character {
            ' ' => assert_eq!(line, "! usage: /join ROOM"),
            '\u{ad}' => assert_eq!(line, "> Joined ab (1 user online)"),
            _ if allowed => assert_eq!(line, format!("> Joined {name} (1 user online)")),
            _ => assert!(line.starts_with("! a room's name is "), "{character:?}: {line}"),
        }
    }
    for length in 1..60 {
        let name = format!("{}x", "1".repeat(length - 1));
        person.send(format!("/nick {name}\n/join {name}\n"));
        assert_eq!(person.line().unwrap() == format!("! you are {name}"), length <= 24, "{length}");
        assert_eq!(person.line().unwrap() == format!("> Joined {name} (1 user online)"), length <= 32, "{length}");
        person.send(format!("/nick {0}\n/join {0}\n", "1".repeat(length)));
        person.expect_start("! a name is ");
        person.expect_start("! a room's name is ");
    }
}

/// What a member types comes back in answers: never longer than a message may be, and in one line.
#[test]
fn no_answer_is_longer_than_the_longest_message() {
    for json in [false, true] {
        let server = start("epoll", &["--line-bytes", "1000"]);
        let mut person = server.join();
        if json {
            person.send("/format json\n");
            person.expect_start("{");
        }
        let longest = if json { 192 + 3 * 1000 } else { 80 + 3 * 1000 };
        for command in ["/", "/nick ", "/join ", "/msg ", "/history ", "/resume ", "/op ", " /op ", "/topic ", "/kick "]
        {
            for filling in [&b"\""[..], b"\\", b"\t", b"x", b"\xffx", "\u{1f389}".as_bytes(), b"\xff \""] {
                let mut line = command.as_bytes().to_vec();
                while line.len() + filling.len() <= 1000 {
                    line.extend_from_slice(filling);
                }
                line.push(b'\n');
                person.send(&line);
                let answer = person.line().unwrap();
                let shown = String::from_utf8_lossy(&line);
                assert!(answer.len() <= longest, "{} bytes of {shown}", answer.len());
                assert!(answer.starts_with(if json { "{" } else { "! " }), "{answer} of {shown}");
            }
        }
    }
}

#[test]
fn ten_thousand_rooms_made_and_left_leave_nothing() {
    for backend in BACKENDS {
        let server = start(backend, &[]);
        let mut person = server.join();
        let visit = |person: &mut Person, first: usize, count: usize| {
            for start in (first..first + count).step_by(100) {
                let joins: String = (start..start + 100).map(|number| format!("/join room-{number}\nhi\n")).collect();
                person.send(joins);
                let last = format!("> Joined room-{} (1 user online)", start + 99);
                person.lines_until(|line| line == last);
            }
        };
        visit(&mut person, 0, 1000);
        let before = server.memory_kib("VmRSS");
        visit(&mut person, 1000, 10_000);
        let grown = server.memory_kib("VmRSS").saturating_sub(before);
        assert!(grown < 1024, "{grown} KiB on {backend}");
        person.send("/join lobby\n/rooms\n");
        let lines = person.lines_until(|line| line.starts_with("! page "));
        assert_eq!(lines[lines.len() - 2..], ["! lobby 1", "! page 1 of 1"], "{backend}");
    }
}

#[test]
fn histories_of_many_at_once_delay_nobody() {
    for backend in BACKENDS {
        let server = start(backend, &["--announce-max", "0"]);
        let (mut author, mut listener) = (server.join(), server.join());
        let text = "x".repeat(200);
        author.send(format!("{text}\n").repeat(1000) + "filled\n");
        let filled = format!("[{}] filled", author.name());
        listener.lines_until(|line| line == filled);
        let mut askers: Vec<Person> = (0..40).map(|_| server.join()).collect();
        thread::scope(|scope| {
            for asker in &mut askers {
                scope.spawn(|| {
                    for _ in 0..10 {
                        asker.send("/history 500\n");
                        let start = asker.lines_until(|line| line == "! the last 500 messages:");
                        assert!(start.len() < 100);
                        let messages = (0..500).filter(|_| asker.line().unwrap().starts_with('[')).count();
                        assert_eq!(messages, 500);
                    }
                });
            }
            let longest = latency(&mut author, &mut listener, 30);
            assert!(longest < LATENCY_MAX, "{longest:?} on {backend}");
        });
    }
}

/// By default each message of the history is paid for like a line: asking is no amplifier.
#[test]
fn history_is_paid_for() {
    let server = Server::start(&["--address-rate", "0"]);
    let mut authors: Vec<Person> = (0..2).map(|_| server.join()).collect();
    for author in &mut authors {
        author.send("hi\n".repeat(40));
    }
    let mut asker = server.join();
    authors[0].send("/topic\n");
    authors[0].lines_until(|line| line == "! there is no topic");
    asker.send("/history 60\n/topic\n");
    let start = Instant::now();
    asker.lines_until(|line| line == "! there is no topic");
    // Of 61 lines 50 may come at once, and ten a second.
    assert!(start.elapsed() > Duration::from_millis(900), "{:?}", start.elapsed());
}

#[test]
fn a_private_line_to_one_that_does_not_read_is_refused_and_bounded() {
    for backend in BACKENDS {
        let server = start(backend, &["--announce-max", "0"]);
        let (mut author, mut listener) = (server.join(), server.join());
        let deaf = Person::connect_small(server.address);
        deaf.stream().write_all(b"/nick deaf\n").unwrap();
        let before = server.memory_kib("VmRSS");
        let text = "x".repeat(3000);
        let mut refused = 0;
        for _ in 0..400 {
            author.send(format!("/msg deaf {text}\n").repeat(10));
            for _ in 0..10 {
                match author.lines_until(|line| line.starts_with("! ")).last().unwrap().as_str() {
                    "! sent to deaf" => {}
                    "! deaf is not reading" => refused += 1,
                    "! nobody is called deaf" => {}
                    other => panic!("{other}"),
                }
            }
            if refused > 100 {
                break;
            }
        }
        assert!(refused > 100, "{refused} on {backend}");
        let grown = server.memory_kib("VmRSS").saturating_sub(before);
        assert!(grown < 1024, "{grown} KiB on {backend}");
        let longest = latency(&mut author, &mut listener, 5);
        assert!(longest < LATENCY_MAX, "{longest:?} on {backend}");
    }
}

#[test]
fn guessed_tokens_are_refused_and_spoil_nothing() {
    let server = start("epoll", &[]);
    let (_owner, token) = with_token(&server);
    let (mut thief, _) = with_token(&server);
    let number = u128::from_str_radix(&token, 16).unwrap();
    let changed = (0..128).map(|bit| hex(number ^ 1 << bit));
    let shapes = [&token[1..], &token[..31], "", "0", "-1", "../../etc", "+0000000000000000000000000000000", "\u{e9}"];
    let shapes = shapes.map(str::to_owned).into_iter().filter(|shape| !shape.is_empty());
    let longer = [format!("{token}0"), format!("0x{token}"), format!("{token}\u{200d}x"), hex(0), hex(u128::MAX)];
    for guess in changed.chain(shapes).chain(longer) {
        thief.send(format!("/resume {guess} 0\n"));
        let line = thief.line().unwrap();
        assert!(line.contains(r#""code":"resume_refused""#), "{guess}: {line}");
    }
    thief.send(format!("/resume {token} 0\n"));
    thief.lines_until(|line| line.contains(r#""kind":"welcome""#));
}

#[test]
fn of_two_that_use_a_token_at_the_same_time_one_comes_back() {
    for backend in BACKENDS {
        let server = start(backend, &["--announce-max", "0"]);
        for round in 0..20 {
            let (mut owner, token) = with_token(&server);
            owner.send(format!("/nick owner{round}\n"));
            owner.lines_until(|line| line.contains(r#""code":"nick""#));
            let owner = (round % 2 == 0).then_some(owner);
            let both: Vec<Person> = (0..2).map(|_| with_token(&server).0).collect();
            let came: Vec<bool> = thread::scope(|scope| {
                let asked = both.into_iter().map(|mut person| {
                    let token = &token;
                    scope.spawn(move || {
                        person.send(format!("/resume {token} 0\n/who 99\n"));
                        let lines = person.lines_until(|line| line.contains(r#""code":"page""#));
                        let refused = lines.iter().any(|line| line.contains(r#""code":"resume_refused""#));
                        let came = lines.iter().any(|line| {
                            line.contains(r#""kind":"welcome""#) && line.contains(&format!("owner{round}"))
                        });
                        assert!(refused != came, "{lines:?}");
                        came
                    })
                });
                let asked: Vec<_> = asked.collect();
                asked.into_iter().map(|asked| asked.join().unwrap()).collect()
            });
            assert_eq!(came.iter().filter(|came| **came).count(), 1, "{backend}");
            if let Some(mut owner) = owner {
                owner.lines_until(|line| line.contains(r#""kind":"replaced""#));
                owner.expect_end();
            }
        }
    }
}

#[test]
fn a_storm_of_names_is_told_slowly_and_gives_nobody_the_name_of_another() {
    for backend in BACKENDS {
        let server = start(backend, &["--announce-max", "1000"]);
        let mut listener = server.join();
        let mut people: Vec<Person> = (0..30).map(|_| server.join()).collect();
        thread::scope(|scope| {
            for (number, person) in people.iter_mut().enumerate() {
                scope.spawn(move || {
                    // All want the same ten names, in turns of their own.
                    let storm: String =
                        (0..200).map(|turn| format!("/nick name{}\n", (number + 3 * turn) % 10)).collect();
                    person.send(storm + "/topic\n");
                    person.lines_until(|line| line == "! there is no topic");
                });
            }
        });
        listener.send("/who\n/who 2\nend\n/topic\n");
        let heard = listener.lines_until(|line| line == "! there is no topic");
        let renamed = heard.iter().filter(|line| line.contains(" is now known as ")).count();
        assert!(renamed < 300, "{renamed} on {backend}");
        let start = heard.iter().rposition(|line| line.starts_with("! page 1")).unwrap();
        let names: Vec<&String> = heard[..start].iter().rev().take(20).chain(&heard[start + 1..]).collect();
        let names: Vec<&String> = names.into_iter().filter(|line| line.starts_with("! name")).collect();
        let different: BTreeSet<&String> = names.iter().copied().collect();
        assert!(names.len() == different.len() && names.len() <= 10, "{names:?} on {backend}");
    }
}

#[test]
fn commands_and_lines_in_one_packet_keep_their_order() {
    for backend in BACKENDS {
        let server = start(backend, &["--announce-rate", "0"]);
        let mut listener = server.join();
        let mut author = server.join();
        let address = author.name();
        listener.expect_start("> New user ");
        let (mut typed, mut heard, mut answers) = (String::new(), Vec::new(), Vec::new());
        let mut name = address.to_string();
        for number in 0..400 {
            match number % 7 {
                0 => {
                    typed += &format!("/nick bob{number}\n");
                    heard.push(format!("> {name} is now known as bob{number}"));
                    answers.push(format!("! you are bob{number}"));
                    name = format!("bob{number}");
                }
                1 => {
                    typed += &format!("/me waves {number}\n");
                    heard.push(format!("* {name} waves {number}"));
                }
                2 => {
                    typed += "/topic\n";
                    answers.push("! there is no topic".to_owned());
                }
                3 => {
                    typed += "/join other\n/join lobby\n";
                    heard.push(format!("< The user {name} left (1 user online)"));
                    heard.push(format!("> New user {name} entered. (2 users online)"));
                    answers.push("> Joined other (1 user online)".to_owned());
                    answers.push("> Joined lobby (2 users online)".to_owned());
                }
                4 => {
                    typed += "/history 1\n";
                    answers.push("! the last 1 messages:".to_owned());
                    let last = heard.iter().rev().find(|line| line.starts_with(['[', '*'])).unwrap();
                    answers.push(last.clone());
                }
                5 => {
                    typed += &format!("/wrong{number}\n//line {number}\n");
                    answers.push(format!(
                        "! there is no command /wrong{number}: /help lists them, //wrong{number} says it"
                    ));
                    heard.push(format!("[{name}] /line {number}"));
                }
                _ => {
                    typed += &format!("line {number}\n");
                    heard.push(format!("[{name}] line {number}"));
                }
            }
        }
        author.send(typed);
        for line in heard {
            assert_eq!(listener.line(), Some(line), "{backend}");
        }
        for line in answers {
            assert_eq!(author.line(), Some(line), "{backend}");
        }
    }
}

#[test]
fn a_command_is_the_same_wherever_its_bytes_are_cut() {
    let typed = "/me a\u{e9}b\r\n//x\n /op key\n/nick b\u{f6}b\n/msg nobody hi\n".as_bytes();
    for backend in BACKENDS {
        let server = start(backend, &["--announce-max", "0"]);
        let (mut listener, mut author) = (server.join(), server.join());
        let name = author.name();
        for cut in 0..=typed.len() {
            author.send(&typed[..cut]);
            thread::sleep(Duration::from_micros(200));
            author.send(&typed[cut..]);
            listener.expect(format!("* {name} a\u{e9}b"));
            listener.expect(format!("[{name}] /x"));
            author.expect("! a command begins with / and nothing before it: this line was not said");
            author.expect_start("! a name is ");
            author.expect("! nobody is called nobody");
        }
    }
}

/// Members that do not finish a command, or vanish in one, leave nothing behind.
#[test]
fn half_a_command_does_nothing() {
    for backend in BACKENDS {
        let server = start(backend, &["--announce-max", "0"]);
        let mut listener = server.join();
        for (number, half) in ["/nick taken", "/join taken", "/quit", "/me waves", "/msg x"].into_iter().enumerate() {
            for vanish in [false, true] {
                let mut person = server.join();
                person.send(half);
                if vanish {
                    person.vanish()
                } else {
                    person.leave()
                }
                let mut author = server.join();
                author.send(format!("{number}\n"));
                listener.expect(format!("[{}] {number}", author.name()));
            }
        }
        listener.send("/nick taken\n/rooms\n");
        listener.expect("! you are taken");
        listener.expect_start("! lobby ");
        listener.expect("! page 1 of 1");
    }
}
