//! The admin door of the real server on each back end: figures that promtool accepts, health, a busy room, and stopping.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::front::is_installed;
use crate::support::{BACKENDS, PATIENCE, Person, Server, free_address, options, uproar};

/// The status line, and the body.
fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no whole head: {answer:?}"));
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

fn figures(address: SocketAddr) -> BTreeMap<String, f64> {
    let (status, body) = get(address, "/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(key, value)| (key.into(), value.parse().unwrap())).collect()
}

fn start(back_end: &str, more: &[&str]) -> Server {
    Server::start(&options(&[&["--backend", back_end, "--admin", "127.0.0.1:0"], more].concat()))
}

#[test]
fn figures_and_health_are_told_on_every_back_end() {
    for back_end in BACKENDS {
        let server = start(back_end, &[]);
        let admin = server.door("admin");
        let (mut one, mut two) = (server.join(), server.join());
        one.send("hello\n");
        while two.line().is_some_and(|line| !line.ends_with("] hello")) {}
        let figures = figures(admin);
        for (key, expected) in [
            ("uproar_members{door=\"text\"}", 2.0),
            ("uproar_rooms{members=\"2-9\"}", 1.0),
            ("uproar_messages_total", 1.0),
            ("uproar_running", 1.0),
            ("uproar_roomless_members", 0.0),
        ] {
            assert_eq!(figures.get(key), Some(&expected), "{key} on {back_end}");
        }
        assert!(figures["uproar_turn_seconds_count"] > 3.0 && figures["uproar_sweep_seconds_count"] >= 1.0);
        assert!(figures["uproar_memory_bytes{part=\"logs\"}"] <= figures["uproar_memory_limit_bytes{part=\"logs\"}"]);
        assert!(figures["uproar_memory_bytes{part=\"members\"}"] > 0.0);
        assert_eq!(get(admin, "/healthz"), ("HTTP/1.1 200 OK".to_owned(), "ok\n".to_owned()));
        assert_eq!(get(admin, "/").0, "HTTP/1.1 404 Not Found");
    }
}

#[test]
fn promtool_accepts_the_figures_of_a_real_server() {
    if !is_installed("promtool") {
        return;
    }
    let server = start("epoll", &[]);
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().unwrap();
    let (_, body) = get(server.door("admin"), "/metrics");
    promtool.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn a_port_alone_is_on_this_machine_only() {
    let server = Server::start(&["--admin", ":0"]);
    assert!(server.door("admin").ip().is_loopback(), "{}", server.door("admin"));
}

/// What `uproar check` with arguments says, and its exit code. Variables are those of the server, for example in a
/// container.
fn check(arguments: &[&str], admin: &str) -> (String, Option<i32>) {
    let mut command = uproar(&[&["check"], arguments].concat());
    let output = command.env("UPROAR_ADMIN", admin).stdout(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (said, output.status.code())
}

#[test]
fn health_is_asked_for_without_joining_and_of_a_full_house_too() {
    let mut server = start("epoll", &["--members", "1"]);
    let admin = server.door("admin").to_string();
    let _member = server.join();
    let well = (format!("ok    the server at {admin} is well\n"), Some(0));
    assert_eq!(check(&["--health", &admin], ""), well, "the address of the option");
    assert_eq!(check(&["--health", "--admin", &admin], ""), well, "the address of the server's option");
    assert_eq!(check(&["--health"], &admin), well, "the address of the server's variable");
    let figures = figures(server.door("admin"));
    assert_eq!(figures["uproar_members{door=\"text\"}"], 1.0);
    assert_eq!(figures["uproar_full_house_total"], 0.0, "nobody tried to come in");
    let (said, code) = check(&["--health", &server.address.to_string()], "");
    // A full house says so and closes, and the kernel may throw away what it said with the question that nobody read.
    let is_told = ["what answers does not speak HTTP", "the connection ended without an answer"]
        .map(|what| said.starts_with(&format!("fail  {}: {what}", server.address)));
    assert!(is_told.contains(&true), "{said}");
    assert_eq!((said.lines().count(), code), (1, Some(1)));
    server.signal("TERM");
    server.wait();
    let (said, code) = check(&["--health", &admin], "");
    assert!(said.starts_with(&format!("fail  {admin}: connection refused; is the server running")), "{said}");
    assert_eq!((said.lines().count(), code), (1, Some(1)));
}

#[test]
fn health_without_an_address_of_figures_says_where_to_write_it() {
    let (said, code) = check(&["--health"], "");
    assert!(
        said.starts_with("uproar: --health asks a server at the address of its --admin, and there is none"),
        "{said}"
    );
    assert_eq!((said.lines().count(), code), (1, Some(1)));
    // A port alone is of this machine, as it is for the server.
    let port = free_address().port();
    let (said, _) = check(&["--health"], &format!(":{port}"));
    assert!(said.starts_with(&format!("fail  127.0.0.1:{port}: connection refused")), "{said}");
}

#[test]
fn a_full_house_and_a_busy_room_are_looked_into_at_once() {
    for back_end in BACKENDS {
        let server = start(back_end, &["--members", "200", "--flood-rate", "0", "--announce-max", "1"]);
        let admin = server.door("admin");
        let members: Vec<Person> = (0..200).map(|_| server.join()).collect();
        let stop = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            // All read, and one says as much as is taken.
            for (number, person) in members.iter().enumerate() {
                let (mut stream, stop) = (person.stream(), &stop);
                let mut talker = person.stream();
                scope.spawn(move || {
                    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                    let mut chunk = vec![0; 1 << 16];
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        let _ = stream.read(&mut chunk);
                    }
                });
                if number == 0 {
                    scope.spawn(move || {
                        talker.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
                        let line = "x".repeat(200) + "\n";
                        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                            let _ = talker.write(line.repeat(20).as_bytes());
                        }
                    });
                }
            }
            let mut slowest = Duration::ZERO;
            for _ in 0..20 {
                let begun = Instant::now();
                let figures = figures(admin);
                slowest = slowest.max(begun.elapsed());
                assert_eq!(figures["uproar_members{door=\"text\"}"], 200.0);
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            // On a machine that does nothing else it is a few milliseconds.
            assert!(slowest < Duration::from_secs(5), "a scrape took {slowest:?} on {back_end}");
        });
    }
}

#[test]
fn while_it_stops_the_server_says_that_it_is_not_well() {
    for back_end in BACKENDS {
        let mut server = start(back_end, &["--flood-rate", "0"]);
        let admin = server.door("admin");
        // It reads nothing, so there is something to wait for when the server stops.
        let _slow = Person::connect_small(server.address);
        let mut talker = server.join();
        let line = "x".repeat(4000) + "\n";
        for _ in 0..300 {
            talker.send(&line);
        }
        let deadline = Instant::now() + PATIENCE;
        while figures(admin)["uproar_waiting_members"] == 0.0 {
            assert!(Instant::now() < deadline, "nobody waits");
        }
        server.signal("TERM");
        while get(admin, "/healthz").0 == "HTTP/1.1 200 OK" {}
        assert_eq!(get(admin, "/healthz").0, "HTTP/1.1 503 Service Unavailable", "{back_end}");
        assert_eq!(figures(admin)["uproar_running"], 0.0);
        assert!(TcpStream::connect(server.address).is_err(), "no member comes any more");
        server.wait();
    }
}
