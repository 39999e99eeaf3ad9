//! Members that misbehave do not hurt a room: slow ones, floods, unfinished lines, other protocols and dead peers.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    self, BACKENDS, BACKENDS_WITHOUT_CEILING, PATIENCE, Person, Server, TABLES, statistics, talk, wait_for,
};

#[test]
fn slow_members_are_closed_and_counted_with_the_option_for_it() {
    for backend in BACKENDS {
        let options = ["--backend", backend, "--slow", "close", "--log-bytes", "1MiB", "--flood-rate", "0"];
        let server = Server::start(&options);
        let slow = server.join();
        let mut author = server.join();
        let mut healthy = server.join();
        talk(&mut author, &mut healthy, 5000);
        author.lines_until(|line| line.starts_with(&format!("< The user {} left (2 ", slow.name())));
        let statistics = statistics(&server);
        assert_eq!((statistics["members"], statistics["closed_slow"], statistics["skipped_messages"]), (2, 1, 0));
    }
}

#[test]
fn a_member_that_takes_no_byte_is_closed_and_one_that_reads_slowly_is_not() {
    for backend in BACKENDS {
        let options = ["--backend", backend, "--stall-timeout", "1s", "--log-bytes", "64MiB", "--flood-rate", "0"];
        let server = Server::start(&options);
        let stalled = server.join();
        let mut slow = server.join();
        let mut author = server.join();
        let mut healthy = server.join();
        talk(&mut author, &mut healthy, 5000);
        let left = format!("< The user {} left", stalled.name());
        let reader = thread::spawn(move || {
            // Reads a little all the time, and far less than there is.
            let until = Instant::now() + Duration::from_secs(3);
            while Instant::now() < until {
                for _ in 0..100 {
                    slow.line().expect("a member that reads is not closed");
                }
                thread::sleep(Duration::from_millis(100));
            }
            slow
        });
        author.lines_until(|line| line.starts_with(&left));
        let slow = reader.join().expect("a member that reads is not closed");
        let statistics = statistics(&server);
        assert_eq!((statistics["members"], statistics["closed_stalled"]), (3, 1), "{backend}");
        drop(slow);
    }
}

#[test]
fn a_flooder_is_slowed_told_once_and_loses_nothing() {
    for backend in BACKENDS {
        let server = Server::start(&["--backend", backend, "--flood-rate", "100", "--flood-burst", "10"]);
        let mut flooder = server.join();
        let mut listener = server.join();
        flooder.expect_start("> New user ");
        let name = flooder.name();
        let started = Instant::now();
        for number in 0..110 {
            flooder.send(format!("{number}\n"));
        }
        for number in 0..110 {
            listener.expect(format!("[{name}] {number}"));
        }
        let elapsed = started.elapsed();
        assert!(elapsed >= Duration::from_millis(950), "{backend}: 100 lines over the burst took {elapsed:?}");
        flooder.expect("! slow down: your lines are delayed, not lost");
        listener.send("done\n");
        flooder.expect(format!("[{}] done", listener.name()));
    }
}

#[test]
fn lines_of_a_flooder_that_has_left_are_still_said() {
    for backend in BACKENDS {
        let server = Server::start(&["--backend", backend, "--flood-rate", "100", "--flood-burst", "1"]);
        let mut listener = server.join();
        let mut flooder = server.join();
        let name = flooder.name();
        listener.expect_start("> New user ");
        flooder.send("one\ntwo\nthree\n");
        flooder.leave();
        for word in ["one", "two", "three"] {
            listener.expect(format!("[{name}] {word}"));
        }
        listener.expect_start("< The user ");
    }
}

#[test]
fn a_room_says_no_more_than_its_rate_of_fan_out() {
    for backend in BACKENDS {
        let options = ["--backend", backend, "--flood-rate", "0", "--room-rate", "100KB"];
        let server = Server::start(&options);
        let mut author = server.join();
        let mut listeners: Vec<Person> = (0..10).map(|_| server.join()).collect();
        let name = author.name();
        let started = Instant::now();
        // 300 lines of about 100 bytes to ten listeners are 300 kB: the first second's worth is free.
        let text = "r".repeat(80);
        for number in 0..300 {
            author.send(format!("{number} {text}\n"));
        }
        let last = format!("[{name}] 299 {text}");
        for listener in &mut listeners {
            let heard = listener.lines_until(|line| *line == last);
            assert_eq!(heard.iter().filter(|line| line.starts_with(&format!("[{name}]"))).count(), 300);
        }
        let elapsed = started.elapsed();
        assert!(elapsed > Duration::from_millis(1500), "{backend}: 300 kB at 100 kB/s took {elapsed:?}");
    }
}

#[test]
fn an_address_is_held_to_its_limits() {
    for backend in BACKENDS {
        let server = Server::start(&["--backend", backend, "--limit-loopback", "--connections-per-address", "3"]);
        let mut members: Vec<Person> = (0..3).map(|_| server.join()).collect();
        let mut fourth = Person::connect(server.address);
        fourth.expect("! too many connections from your address");
        fourth.expect_end();
        members.pop().unwrap().leave();
        wait_for(&server, "a place is free", |statistics| statistics["members"] == 2);
        server.join();

        let server = Server::start(&["--backend", backend, "--limit-loopback", "--join-rate", "1"]);
        let _members: Vec<Person> = (0..5).map(|_| server.join()).collect();
        let mut sixth = Person::connect(server.address);
        sixth.expect("! too many joins from your address: try again later");
        sixth.expect_end();
        assert_eq!(statistics(&server)["turned_away"], 1);
    }
}

#[test]
fn a_line_that_is_never_finished_is_cut_and_silence_is_not() {
    for backend in BACKENDS {
        let server = Server::start(&["--backend", backend, "--line-timeout", "500ms"]);
        let mut silent = server.join();
        let mut unfinished = server.join();
        silent.expect_start("> New user ");
        unfinished.send("neither finished");
        thread::sleep(Duration::from_millis(300));
        unfinished.send(" nor abandoned\nbut now ");
        silent.expect(format!("[{}] neither finished nor abandoned", unfinished.name()));
        unfinished.expect("! your line was not finished in time");
        unfinished.expect_end();
        silent.expect_start("< The user ");
        assert_eq!(statistics(&server)["closed_line_timeout"], 1);
        silent.send("still here\n");
        server.join();
        silent.expect_start("> New user ");
    }
}

#[test]
fn other_protocols_get_one_line_and_are_never_published() {
    for backend in BACKENDS {
        let server = Server::start(&["--backend", backend]);
        let mut member = server.join();
        for (greeting, answer) in [
            (
                &b"GET / HTTP/1.1\r\nHost: chat\r\n\r\n"[..],
                "! this is a chat server, not a web server: use nc, telnet or uproar chat",
            ),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "! this is a plain chat server: it does not speak TLS"),
        ] {
            let mut stranger = server.join();
            stranger.send(greeting);
            stranger.expect(answer);
            stranger.expect_end();
            member.expect_start("> New user ");
            member.expect_start("< The user ");
        }
        assert_eq!(statistics(&server)["closed_foreign"], 2);
        // A member that has spoken may say what it likes.
        let mut person = server.join();
        person.send("a request line looks like this:\nGET / HTTP/1.1\n");
        member.expect_start("> New user ");
        member.expect(format!("[{}] a request line looks like this:", person.name()));
        member.expect(format!("[{}] GET / HTTP/1.1", person.name()));
    }
}

#[test]
fn the_counters_agree_with_what_the_members_saw() {
    for backend in BACKENDS {
        let server = Server::start(&["--backend", backend, "--flood-rate", "0"]);
        let mut members: Vec<Person> = (0..20).map(|_| server.join()).collect();
        let mut said = 0;
        for round in 0..50 {
            for (number, member) in members.iter_mut().enumerate() {
                member.send(format!("{round} {number}\n"));
                said += 1;
            }
        }
        let mut seen = 0;
        let mut bytes = 0;
        for (number, member) in members.iter_mut().enumerate() {
            // Everybody hears the joins after its own and everything said by the others.
            let lines = said / 20 * 19;
            for _ in 0..(19 - number) + lines {
                bytes += member.line().expect("a line").len() + 1;
            }
            seen += lines as u64;
        }
        let statistics = wait_for(&server, "all is counted", |statistics| statistics["deliveries"] == seen);
        assert_eq!(statistics["messages"], said as u64, "joins are no messages");
        assert_eq!((statistics["members"], statistics["accepted"], statistics["waiting"]), (20, 20, 0));
        assert_eq!((statistics["skipped_messages"], statistics["lag_bytes_max"]), (0, 0));
        let welcomes: usize = (1..=20)
            .map(|online: usize| {
                format!("> Connected to the chat server ({online} user{} online)\n", if online == 1 { "" } else { "s" })
                    .len()
            })
            .sum();
        assert_eq!(statistics["sent_bytes"], (bytes + welcomes) as u64);
    }
}

#[test]
fn running_out_of_descriptors_pauses_accepting_and_nothing_else() {
    // Members in tables take no descriptors.
    for backend in BACKENDS.into_iter().filter(|backend| *backend != TABLES) {
        // The server does not know of these descriptors: by its count there is one for a newcomer, for the kernel there
        // is not.
        let inherited: String = (3..40).map(|number| format!("exec {number}</dev/null; ")).collect();
        let serve = format!(
            "ulimit -n 64; {inherited} exec {} serve 127.0.0.1:0 --transcript off --backend {backend}",
            env!("CARGO_BIN_EXE_uproar")
        );
        let mut command = std::process::Command::new("bash");
        command.args(["-c", &serve]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let server = Server::spawn(command);
        let mut members = Vec::new();
        let mut waiting = loop {
            assert!(members.len() < 64, "{backend}: the limit is 64");
            let mut newcomer = Person::connect(server.address);
            match newcomer.line_within(Duration::from_millis(300)) {
                Some(line) if line.starts_with("> Connected") => members.push(newcomer),
                other => {
                    assert_eq!(other, None, "{backend}: a newcomer waits in the backlog");
                    break newcomer;
                }
            }
        };
        while !server.log_line().contains("accepting paused: Too many open files") {}
        let before = server.cpu();
        thread::sleep(Duration::from_secs(1));
        assert!(server.cpu() - before < Duration::from_millis(50), "{backend}: the loop does not spin");
        let (first, rest) = members.split_first_mut().unwrap();
        first.send("still served\n");
        let said = format!("[{}] still served", first.name());
        rest[0].lines_until(|line| *line == said);
        let freed = Instant::now();
        members.pop().unwrap().leave();
        waiting.expect_start("> Connected to the chat server (");
        assert!(freed.elapsed() < Duration::from_secs(1), "{backend}: accepting goes on when a place is free");
    }
}

#[test]
fn many_connections_that_break_at_once_while_full_do_no_harm() {
    for backend in BACKENDS {
        let options = ["--backend", backend, "--line-bytes", "1000", "--log-bytes", "16KiB"];
        // All are of one address.
        let limits = ["--flood-rate", "1", "--flood-burst", "200", "--address-rate", "0"];
        let server = Server::start(&[&options[..], &limits].concat());
        let silent_readers: Vec<Person> = (0..60)
            .map(|_| {
                let mut person = Person::connect_small(server.address);
                // It is held by its rate, so no receive is in flight, and only a send finds that its connection is
                // broken.
                person.send("\n".repeat(1000));
                person
            })
            .collect();
        let deadline = Instant::now() + PATIENCE;
        while statistics(&server)["waiting"] < 60 {
            assert!(Instant::now() < deadline, "{backend}: sockets that nobody reads are full in the end");
            let mut author = server.join();
            author.send(("x".repeat(900) + "\n").repeat(100));
            author.leave();
        }
        server.signal("STOP");
        for person in silent_readers {
            person.vanish();
        }
        server.signal("CONT");
        wait_for(&server, "the dead are gone", |statistics| statistics["members"] == 0);
        server.join();
    }
}

#[test]
fn urgent_data_in_the_middle_holds_up_nothing() {
    for backend in BACKENDS {
        let server = Server::start(&["--backend", backend]);
        let (mut listener, mut author) = (server.join(), server.join());
        listener.expect_start("> New user ");
        server.signal("STOP");
        author.send("before\n");
        rustix::net::send(author.stream(), b"!", rustix::net::SendFlags::OOB).unwrap();
        author.send("after\n");
        server.signal("CONT");
        listener.expect(format!("[{}] before", author.name()));
        listener.expect(format!("[{}] after", author.name()));
    }
}

#[test]
fn a_ration_is_shared_by_the_members_that_wait_for_it() {
    for backend in BACKENDS {
        let options = ["--backend", backend, "--flood-rate", "0", "--room-rate", "2KB"];
        let server = Server::start(&options);
        let (mut listener, mut first, mut second) = (server.join(), server.join(), server.join());
        let (first_name, second_name) = (first.name(), second.name());
        second.send(("second ".to_owned() + &"s".repeat(40) + "\n").repeat(500));
        thread::sleep(Duration::from_millis(50));
        first.send(("first ".to_owned() + &"f".repeat(40) + "\n").repeat(500));
        let mut said = BTreeMap::new();
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            let line = listener.line_within(Duration::from_millis(100)).unwrap_or_default();
            if let Some(author) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
                *said.entry(author.to_owned()).or_insert(0u32) += 1;
            }
        }
        // The second had the first second's burst, some 15 lines; after that they take turns.
        let [first, second] = [first_name, second_name].map(|name| said.get(&name.to_string()).copied().unwrap_or(0));
        assert!(first >= 5 && second >= 5 && second < 6 * first, "{backend}: {first} and {second}");
    }
}

#[test]
fn twenty_thousand_visits_leave_nothing_behind() {
    for backend in BACKENDS {
        // Lines that wait for the rate of their address would keep visitors here.
        let server = Server::start(&["--backend", backend, "--announce-max", "0", "--flood-rate", "0"]);
        let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
        let visit = |count: usize| {
            for number in 0..count {
                let mut visitor = server.join();
                visitor.send(format!("visit {number}\n"));
                if number % 2 == 0 { visitor.vanish() } else { visitor.close() }
            }
            wait_for(&server, "all are gone", |statistics| statistics["members"] == 0);
        };
        visit(1000);
        let before = (descriptors(), server.memory_kib("RssAnon"));
        visit(20_000);
        let after = (descriptors(), server.memory_kib("RssAnon"));
        assert_eq!(before.0, after.0, "{backend}: descriptors");
        // The log fills up to its cap meanwhile: presence summaries and what the visitors said.
        let log_kib = 20_000 * 40 / 1024;
        assert!(after.1 <= before.1 + log_kib + 256, "{backend}: {} KiB before, {} after", before.1, after.1);
        let statistics = statistics(&server);
        let closed = statistics["closed_left"] + statistics["closed_broken"];
        assert_eq!(closed, statistics["accepted"]);
        assert!(statistics["accepted"] >= 20_000, "{statistics:?}");
    }
}

#[test]
fn connections_that_are_reset_half_closed_or_half_open_are_all_freed() {
    support::raise_descriptor_limit();
    for backend in BACKENDS_WITHOUT_CEILING {
        let limits = ["--dead-after", "6s"];
        let server = Server::start(&[&["--backend", backend, "--announce-max", "0"][..], &limits].concat());
        let mut witness = server.join();
        let mut people: Vec<Person> = (0..1500).map(|_| server.join()).collect();
        for person in &mut people {
            person.send("in the middle of a li");
        }
        wait_for(&server, "all have joined", |statistics| statistics["members"] == 1501);
        for person in people.split_off(1000) {
            person.vanish();
        }
        let half_closed = people.split_off(500);
        for person in &half_closed {
            person.half_close();
        }
        wait_for(&server, "resets and half-closes are leaves", |statistics| statistics["members"] == 501);
        let mut expected = 1;
        for person in people {
            if let Err(person) = person.become_half_open() {
                eprintln!("SKIPPED half-open peers: TCP_REPAIR needs CAP_NET_ADMIN");
                std::mem::forget(person);
                expected += 1;
            }
        }
        wait_for(&server, "the half-open are found dead", |statistics| statistics["members"] == expected);
        witness.send("I am still here\n");
        let mut last = server.join();
        last.send("so am I\n");
        let name = last.name();
        witness.lines_until(|line| *line == format!("[{name}] so am I"));
    }
}
