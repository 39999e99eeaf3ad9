//! Attacks by the IRC door: floods of each command, registrations that never end, handshakes by the thousand, and
//! answers that nobody reads.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::commands::{GROWTH_KIB_MAX, LATENCY_MAX, expect_slowed};
use crate::support::{BACKENDS, PATIENCE, Person, Server, expect_talk, latency, raise_descriptor_limit, statistics};

/// What clients may ask for, right and wrong.
const COMMANDS: &[&str] = &[
    "NICK x1",
    "NICK you",
    "JOIN #lobby",
    "JOIN #lobby,#x,#y",
    "JOIN 0",
    "PART #lobby",
    "NAMES #lobby",
    "WHO #lobby",
    "WHO #lobby %tcuihsnfdlaor,1",
    "LIST",
    "MODE #lobby",
    "MODE #lobby +b x",
    "TOPIC #lobby :x",
    "WHOIS x",
    "ISON a b c d e f",
    "USERHOST a b",
    "LUSERS",
    "MOTD",
    "VERSION",
    "CAP LS",
    "CAP REQ :server-time",
    "PRIVMSG x :y",
    "PRIVMSG #lobby :\x01VERSION\x01",
    "NOTICE x :y",
    "OPER x y",
    "KICK #lobby x",
    "PING x",
    "FOO",
    "",
    ":",
    "@",
];

fn irc(backend: &str, options: &[&str]) -> Server {
    raise_descriptor_limit();
    Server::start(&[&["--backend", backend, "--irc", "127.0.0.1:0", "--join-rate", "0"], options].concat())
}

/// A client that was welcomed.
fn client(server: &Server, nick: &str) -> Person {
    let mut person = Person::connect(server.door("irc"));
    person.send(format!("NICK {nick}\r\nUSER x 0 * :x\r\n"));
    person.lines_until(|line| line.starts_with(&format!(":uproar 422 {nick} ")));
    person
}

#[test]
fn a_flood_of_each_irc_command_is_slowed_as_one_of_lines_is() {
    let server = irc("uring", &["--address-rate", "0"]);
    let start = Instant::now();
    let mut flooders: Vec<Person> =
        (0..COMMANDS.len()).map(|number| client(&server, &format!("flooder-{number}"))).collect();
    for (flooder, command) in flooders.iter_mut().zip(COMMANDS) {
        flooder.send(format!("JOIN #lobby\r\n{}", format!("{command}\r\n").repeat(200)));
    }
    expect_slowed(&server, start, COMMANDS.len());
}

#[test]
fn irc_answers_that_nobody_reads_take_no_memory_and_hurt_nobody() {
    for backend in BACKENDS {
        let server = irc(backend, &["--flood-rate", "0"]);
        let (mut author, mut listener) = (server.join(), server.join());
        let crowd: Vec<Person> = (0..150).map(|_| server.join()).collect();
        latency(&mut author, &mut listener, 1);
        let (before, door) = (server.memory_kib("VmRSS"), server.door("irc"));
        thread::scope(|scope| {
            for (number, command) in COMMANDS.iter().enumerate() {
                scope.spawn(move || {
                    let mut deaf = Person::connect_small(door);
                    deaf.send(format!("NICK deaf-{number}\r\nUSER x 0 * :x\r\nJOIN #lobby\r\n"));
                    deaf.stream().set_write_timeout(Some(Duration::from_millis(300))).unwrap();
                    let many = format!("{command}\r\n").repeat(2000);
                    // What has no answer is taken without end; the others wait before these are over.
                    for _ in 0..100 {
                        match deaf.stream().write_all(many.as_bytes()) {
                            Ok(()) => {}
                            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                            Err(error) => panic!("{command}: {error}"),
                        }
                    }
                });
            }
            let longest = latency(&mut author, &mut listener, 20);
            assert!(longest < LATENCY_MAX, "{longest:?} on {backend}");
        });
        let grown = server.memory_kib("VmRSS").saturating_sub(before);
        assert!(grown < GROWTH_KIB_MAX, "{grown} KiB on {backend}");
        drop(crowd);
        expect_talk(&server);
    }
}

#[test]
fn a_registration_that_never_ends_is_ended() {
    let server = irc("uring", &["--line-timeout", "1s"]);
    for begun in ["", "NICK x\r\n", "CAP LS\r\nNICK y\r\nUSER x 0 * :x\r\n", "USER", "@tags"] {
        let start = Instant::now();
        let mut person = Person::connect(server.door("irc"));
        person.send(begun);
        let last = person.lines_until(|line| line.starts_with("ERROR "));
        assert_eq!(last.last().unwrap(), "ERROR :you did not begin in time\r", "{begun:?}");
        person.expect_end();
        let took = start.elapsed();
        assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&took), "{begun:?} took {took:?}");
    }
    // A byte now and then does not make it longer.
    let mut slow = Person::connect(server.door("irc"));
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if slow.stream().write_all(b"P").is_err() || slow.line_within(Duration::from_millis(100)).is_some() {
            break;
        }
    }
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    // The name of a client that did not end its registration is free again.
    let mut person = server.join();
    person.send("/nick y\n");
    person.lines_until(|line| line == "! you are y");
}

#[test]
fn ten_thousand_handshakes_keep_nobody_out() {
    let server = irc("uring", &["--members", "2000"]);
    let (mut author, mut listener) = (server.join(), server.join());
    let mut open: Vec<TcpStream> = Vec::new();
    let mut longest = Duration::ZERO;
    for number in 0..10_000 {
        let mut stream = TcpStream::connect(server.door("irc")).unwrap();
        // Those that came first are closed, perhaps before they could say this.
        let _ = stream.write_all(format!("NICK half-{number}\r\n").as_bytes());
        open.push(stream);
        if number % 500 == 499 {
            // Those that the server has closed need no descriptor here.
            let keep = open.len().saturating_sub(250);
            open.drain(..keep);
            longest = longest.max(latency(&mut author, &mut listener, 3));
        }
    }
    assert!(longest < LATENCY_MAX, "{longest:?}");
    let statistics = statistics(&server);
    assert!(statistics["closed_handshakes_full"] >= 5000, "{statistics:?}");
    assert_eq!(statistics["full_house"], 0, "there is space for all others");
    let mut irma = client(&server, "irma");
    irma.send("JOIN #lobby\r\nPRIVMSG #lobby :here\r\n");
    listener.lines_until(|line| line == "[irma] here");
}
