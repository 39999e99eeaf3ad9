//! The real server over real sockets: large rooms, full sockets, limits, signals, and its errors when it cannot start.

use std::io::Read;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    self, BACKENDS, BACKENDS_WITHOUT_CEILING, PATIENCE, Person, Server, TABLES, options, talk, uproar,
};

#[test]
fn two_thousand_members_all_hear_one_line_and_its_author_does_not() {
    support::raise_descriptor_limit();
    for backend in BACKENDS_WITHOUT_CEILING {
        let server = Server::start(&["--backend", backend]);
        let mut members: Vec<Person> = (0..2000).map(|_| Person::connect(server.address)).collect();
        for member in &mut members {
            member.expect_start("> Connected to the chat server (");
        }
        let mut author = members.swap_remove(1000);
        let said = format!("[{}] past the ceiling", author.name());
        author.send("past the ceiling\n");
        for member in &mut members {
            member.lines_until(|line| line == said);
        }
        members[0].send("and back\n");
        let answer = format!("[{}] and back", members[0].name());
        let heard = author.lines_until(|line| line == answer);
        assert!(!heard.contains(&said), "{backend}: an author hears nothing of its own");
    }
}

#[test]
fn a_member_that_reads_again_gets_every_byte_once() {
    for backend in BACKENDS {
        let server = Server::start(&["--backend", backend, "--log-bytes", "64MiB", "--flood-rate", "0"]);
        let mut slow = server.join();
        let mut author = server.join();
        let mut listener = server.join();
        let name = author.name();
        // Far more than two sockets hold, far less than the log does.
        let count = 5000;
        talk(&mut author, &mut listener, count);
        slow.expect_start("> New user ");
        slow.expect_start("> New user ");
        for number in 0..count {
            slow.expect(format!("[{name}] {number} {}", "x".repeat(4000)));
        }
    }
}

#[test]
fn a_member_that_does_not_read_is_skipped_and_told_and_hurts_nobody() {
    for backend in BACKENDS {
        let server = Server::start(&["--backend", backend, "--log-bytes", "1MiB", "--flood-rate", "0"]);
        let mut slow = server.join();
        let mut author = server.join();
        let mut healthy = server.join();
        let name = author.name();
        let count = 10_000;
        talk(&mut author, &mut healthy, count);
        // What it reads now is whole lines in order, and each gap is told exactly.
        let mut next = 0;
        let mut gaps = 0;
        slow.expect_start("> New user ");
        slow.expect_start("> New user ");
        while next < count {
            let line = slow.line().expect("it is not cut off");
            if let Some(missed) = line.strip_prefix("! you missed ") {
                next += missed.split(' ').next().unwrap().parse::<usize>().unwrap();
                gaps += 1;
            } else {
                assert_eq!(line, format!("[{name}] {next} {}", "x".repeat(4000)));
                next += 1;
            }
        }
        assert!(gaps > 0, "{backend}: 40 MB do not fit the log and two sockets");
    }
}

#[test]
fn a_full_server_says_so_and_accepts_again() {
    for backend in BACKENDS {
        let mut command = std::process::Command::new("sh");
        // Members in tables take no descriptors, and two tables have room for more than these.
        let (limit, members) = if backend == TABLES { (400, " --members 320") } else { (64, "") };
        let serve = format!(
            "ulimit -n {limit}; exec {} serve 127.0.0.1:0 --transcript off{members} {}",
            env!("CARGO_BIN_EXE_uproar"),
            options(&["--backend", backend]).join(" ")
        );
        command.args(["-c", &serve]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let server = Server::spawn(command);
        let places: usize = server
            .ready
            .split_once("up to ")
            .and_then(|(_, rest)| rest.split(' ').next())
            .and_then(|places| places.parse().ok())
            .expect("the ready line says how many");
        assert!(places < limit);
        let mut members: Vec<Person> = (0..places).map(|_| server.join()).collect();
        // Any number of newcomers are told, one after the other.
        for _ in 0..100 {
            let mut late = Person::connect(server.address);
            late.expect("! the house is full");
            late.expect_end();
        }
        let before = server.cpu();
        thread::sleep(Duration::from_millis(500));
        assert!(server.cpu() - before < Duration::from_millis(25), "{backend}: a full server does not spin");
        members.pop().unwrap().leave();
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let line = Person::connect(server.address).line().expect("an answer");
            if line.starts_with("> Connected") {
                break;
            }
            assert!(Instant::now() < deadline, "{backend}: a place was free");
        }
    }
}

#[test]
fn a_stop_signal_says_goodbye_flushes_and_exits_with_0() {
    for backend in BACKENDS {
        for signal in ["INT", "TERM"] {
            let mut server = Server::start(&["--backend", backend]);
            let mut a = server.join();
            let mut b = server.join();
            a.expect_start("> New user ");
            a.send("last words\n");
            b.expect(format!("[{}] last words", a.name()));
            server.signal(signal);
            for person in [&mut a, &mut b] {
                person.expect("! the server is stopping");
                person.expect_end();
            }
            assert_eq!(server.wait().code(), Some(0), "{backend}: {signal}");
        }
    }
}

#[test]
fn a_member_that_does_not_read_does_not_hold_up_a_stop_and_a_second_signal_exits_at_once() {
    for backend in BACKENDS {
        let options = ["--backend", backend, "--log-bytes", "64MiB", "--flood-rate", "0"];
        let mut server = Server::start(&options);
        let _deaf = server.join();
        let mut author = server.join();
        let flood = |author: &mut Person| (0..5000).for_each(|_| author.send("z".repeat(4000) + "\n"));
        flood(&mut author);
        server.signal("TERM");
        let stopped = Instant::now();
        assert_eq!(server.wait().code(), Some(0), "{backend}: the flush is bounded");
        assert!(stopped.elapsed() < PATIENCE);

        let mut server = Server::start(&options);
        let _deaf = server.join();
        let mut author = server.join();
        flood(&mut author);
        server.signal("TERM");
        author.lines_until(|line| line == "! the server is stopping");
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(1), "{backend}: a second signal cuts it short");
    }
}

#[test]
fn a_server_that_cannot_start_says_why_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (address, code, words) in [
        (taken.as_str(), 1, "Address already in use"),
        ("127.0.0.1", 1, "an address is IP:PORT"),
        ("203.0.113.1:8888", 1, "Cannot assign requested address"),
        ("no-such-host.invalid:8888", 1, "cannot listen on no-such-host.invalid:8888"),
    ] {
        let output = uproar(&["serve", address]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{address}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.starts_with("uproar: ") && stderr.contains(words), "{stderr}");
    }
    for wrong in [&["serve", "--line-bytes", "0"][..], &["serve", "--no-such-option"], &["dance"]] {
        assert_eq!(uproar(wrong).output().unwrap().status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn every_interface_is_ipv4_and_ipv6() {
    let server = Server::spawn({
        let mut command = uproar(&["serve", ":0", "--transcript", "off"]);
        command.stderr(Stdio::piped());
        command
    });
    let port = server.address.port();
    let mut four = Person::connect(([127, 0, 0, 1], port).into());
    four.expect("> Connected to the chat server (1 user online)");
    if server.address.is_ipv6() {
        let mut six = Person::connect((std::net::Ipv6Addr::LOCALHOST, port).into());
        six.expect("> Connected to the chat server (2 users online)");
        four.expect(format!("> New user {} entered. (2 users online)", six.name()));
        four.send("hello\n");
        six.expect(format!("[127.0.0.1:{}] hello", four.name().port()));
    }
}

#[test]
fn the_transcript_is_as_the_original_printed_it() {
    let mut command = uproar(&["serve", "127.0.0.1:0", "--transcript", "-"]);
    command.stdout(Stdio::piped());
    let mut server = Server::spawn(command);
    let mut stdout = server.child().stdout.take().unwrap();
    let mut a = server.join();
    let mut b = server.join();
    a.expect_start("> New user ");
    a.send("hel\x1blo\n");
    b.expect(format!("[{}] hello", a.name()));
    let (a_name, b_name) = (a.name(), b.name());
    b.leave();
    a.expect_start("< The user ");
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(0));
    let mut transcript = String::new();
    stdout.read_to_string(&mut transcript).unwrap();
    let port = server.address.port();
    let expected = [
        format!("Chat Server started on port {port}."),
        format!("> New user {a_name} entered. (1 user online)"),
        format!("> New user {b_name} entered. (2 users online)"),
        format!("[{a_name}] hello"),
        format!("< The user {b_name} left (1 user online)"),
        "KeyboardInterrupt".to_owned(),
        "! the server is stopping".to_owned(),
    ];
    assert_eq!(transcript.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_transcript_that_is_not_read_holds_up_nobody() {
    let mut command =
        uproar(&["serve", "127.0.0.1:0", "--transcript", "-", "--log-bytes", "1MiB", "--flood-rate", "0"]);
    command.stdout(Stdio::piped());
    let mut server = Server::spawn(command);
    let mut stdout = server.child().stdout.take().unwrap();
    let mut author = server.join();
    let mut listener = server.join();
    talk(&mut author, &mut listener, 2000);
    let reader = thread::spawn(move || {
        let mut transcript = String::new();
        stdout.read_to_string(&mut transcript).unwrap();
        transcript
    });
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let transcript = reader.join().unwrap();
    let mut told = 0;
    for line in transcript.lines() {
        told += usize::from(line.starts_with("! you missed "));
        assert!(line.len() < 20 + 20 + 4000 + 8 || told > 0, "no line is torn: {line}");
    }
    assert!(told > 0, "8 MB do not fit a pipe and the log");
}

#[test]
fn check_names_what_prevents_serving_and_changes_nothing() {
    let output = uproar(&["check", "127.0.0.1:0", "--members", "10"]).stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("memory: at most "), "{text}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let options = ["check", &taken, "--members", "16M", "--descriptors", "normal"];
    let output = uproar(&options).stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let failures: Vec<&str> = text.lines().filter(|line| line.starts_with("fail  ")).collect();
    assert!(failures.iter().any(|line| line.contains("descriptor limit")), "{text}");
    assert!(failures.iter().any(|line| line.contains("Address already in use")), "{text}");
}

#[test]
fn select_serves_up_to_its_ceiling_and_says_so_beyond_it() {
    support::raise_descriptor_limit();
    let server = Server::start(&["--backend", "select"]);
    assert!(server.ready.ends_with("(select, up to 992 members)"), "{}", server.ready);
    let mut members: Vec<Person> = (0..992).map(|_| server.join()).collect();
    for _ in 0..200 {
        let mut late = Person::connect(server.address);
        late.expect("! the house is full");
        late.expect_end();
    }
    // Newcomers that connect at once are all told, although there are not descriptors for all of them.
    let start = Instant::now();
    let late: Vec<Person> = (0..400).map(|_| Person::connect(server.address)).collect();
    for mut late in late {
        late.expect("! the house is full");
        late.expect_end();
    }
    assert!(start.elapsed() < Duration::from_secs(3), "the last was told after {:?}", start.elapsed());
    let mut author = members.pop().unwrap();
    author.send("at the ceiling\n");
    let said = format!("[{}] at the ceiling", author.name());
    for member in &mut members {
        member.lines_until(|line| line == said);
    }
}
