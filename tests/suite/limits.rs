//! Limits of one address and one member, over real sockets: connecting again does not lift them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::{self, BACKENDS, Person, Server};

/// Long enough that an attack would show.
const ATTACK: Duration = Duration::from_secs(3);

/// Lines to `listener` in the time of an attack, and a little after, that start with `start`.
fn heard(listener: &mut Person, starts: &[&str]) -> usize {
    let lines = listener.rest_after(ATTACK + Duration::from_millis(500));
    lines.iter().filter(|line| starts.iter().any(|start| line.starts_with(start))).count()
}

/// Connects again and again for the time of an attack, and calls `visit` each time. Returns how often it connected.
fn visits(address: SocketAddr, mut visit: impl FnMut(TcpStream) + Send + 'static) -> JoinHandle<usize> {
    thread::spawn(move || {
        let end = Instant::now() + ATTACK;
        let come = || (Instant::now() < end).then(|| TcpStream::connect(address).expect("the server accepts"));
        std::iter::from_fn(come).map(&mut visit).count()
    })
}

/// What a bucket of `burst` that fills with `rate` lets through in that time, with some for a machine that is late.
fn most(rate: usize, burst: usize) -> usize {
    burst + rate * (ATTACK.as_secs() as usize + 2)
}

#[test]
fn an_address_says_no_more_by_connecting_again() {
    let server = Server::start(&[]);
    let mut listener = server.join();
    let address = server.address;
    let mut here = Vec::new();
    let attacker = visits(address, move |mut visit| {
        visit.write_all(&b"spam\n".repeat(50)).expect("the server takes what is sent");
        visit.shutdown(std::net::Shutdown::Write).expect("it is connected");
        here.push(visit);
        thread::sleep(Duration::from_millis(5));
    });
    let heard = heard(&mut listener, &["["]);
    let visits = attacker.join().expect("the attacker ends");
    assert!(visits > 100, "it came {visits} times");
    assert!((200..=most(40, 200)).contains(&heard), "{heard} lines of {} were said", 50 * visits);
    // The others still speak.
    let mut author = Person::connect_from([127, 0, 0, 9], address);
    author.send("still here\n");
    listener.lines_until(|line| line.ends_with("] still here"));
}

#[test]
fn a_peer_that_joins_and_leaves_all_the_time_costs_the_others_few_lines() {
    let server = Server::start(&[]);
    let mut listener = server.join();
    let address = server.address;
    let attacker = visits(address, |mut visit| visit.read_exact(&mut [0]).expect("it is welcomed"));
    let heard = heard(&mut listener, &["> ", "< "]);
    let visits = attacker.join().expect("the attacker ends");
    assert!(visits > 500, "it came {visits} times");
    // Between two summaries there may be as many single lines as one second allows.
    assert!(heard <= most(20 + 1, 100), "{heard} presence lines of {visits} visits");
}

#[test]
fn joins_of_an_address_have_a_rate_by_default() {
    let server = Server::start(&["--limit-loopback"]);
    let mut people: Vec<Person> = (0..400).map(|_| Person::connect(server.address)).collect();
    let let_in = people.iter_mut().filter_map(|person| person.line()).filter(|line| line.starts_with("> ")).count();
    assert!((250..400).contains(&let_in), "{let_in} of 400 were let in at once");
    let mut elsewhere = Person::connect_from([127, 0, 0, 9], server.address);
    elsewhere.expect_start("> Connected to the chat server (");
}

/// A long line is said although others say short lines all the time, for which less of the ration is enough.
#[test]
fn a_long_line_is_not_overtaken_for_ever() {
    let server = Server::start(&["--room-rate", "2000B", "--flood-rate", "0"]);
    let mut listener = server.join();
    let mut talkers: Vec<Person> = (0..4).map(|_| server.join()).collect();
    let mut author = server.join();
    for talker in &mut talkers {
        talker.send("short\n".repeat(2000));
    }
    // Lines wait for the ration before the long line is sent.
    listener.lines_until(|line| line.ends_with("] short"));
    author.send("L".repeat(300) + "\n");
    let start = Instant::now();
    listener.lines_until(|line| line.ends_with("] short"));
    listener.lines_until(|line| line.ends_with('L'));
    assert!(start.elapsed() < Duration::from_secs(10), "it was said after {:?}", start.elapsed());
}

/// The socket of a member that reads slowly is writable only once in minutes. That member is not closed; one that reads
/// nothing is.
#[test]
fn reading_slowly_is_reading() {
    let server = Server::start(&["--stall-timeout", "4s", "--flood-rate", "0", "--log-bytes", "64KiB"]);
    let mut slow = Person::connect_small(server.address);
    slow.expect_start("> Connected to the chat server (");
    let stalled = Person::connect_small(server.address);
    let mut author = server.join();
    let stream = slow.stream().try_clone().expect("a descriptor is free");
    let start = Instant::now();
    let reader = thread::spawn(move || {
        while start.elapsed() < Duration::from_secs(14) {
            let read = (&stream).read(&mut [0; 100]).expect("it is not closed");
            assert_ne!(read, 0, "it is not closed after {:?}", start.elapsed());
            thread::sleep(Duration::from_millis(100));
        }
    });
    let stalled_left = format!("< The user {} left ", stalled.name());
    let mut closed = None;
    while start.elapsed() < Duration::from_secs(14) {
        author.send("x".repeat(1000) + "\n");
        if author.line_within(Duration::from_millis(20)).is_some_and(|line| line.starts_with(&stalled_left)) {
            closed = Some(start.elapsed());
        }
    }
    reader.join().expect("a member that reads is not closed");
    let closed = closed.expect("a member that reads nothing is closed");
    assert!(closed >= Duration::from_secs(4), "it was closed after {closed:?}");
}

/// A peer whose machine is lost acknowledges nothing. It is found whether or not bytes were on their way to it.
#[test]
fn a_peer_that_vanished_is_found_out() {
    // What arrives for this socket is dropped before TCP sees it (SO_ATTACH_FILTER, socket(7)).
    const VANISH: &str = "
import ctypes, socket, struct, sys, time
peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
peer.recv(100)
drop = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))
peer.setsockopt(socket.SOL_SOCKET, 26, struct.pack('HP', 1, ctypes.addressof(drop)))
print(peer.getsockname()[1], flush=True)
time.sleep(60)
";
    for backend in BACKENDS {
        let server = Server::start(&["--backend", backend, "--dead-after", "5s"]);
        let mut author = server.join();
        let mut python = Command::new("python3")
            .args(["-c", VANISH, &server.address.port().to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is on this machine");
        let mut port = String::new();
        BufReader::new(python.stdout.as_mut().expect("it is piped")).read_line(&mut port).expect("it has joined");
        let start = Instant::now();
        author.send("are you there?\n");
        let left = format!("< The user 127.0.0.1:{} left ", port.trim());
        author.lines_until(|line| line.starts_with(&left));
        let time = start.elapsed();
        assert!(time > Duration::from_secs(4), "{backend}: given up after {time:?}");
        python.kill().expect("it is ours");
        python.wait().expect("it is ours");
    }
}

/// A client's port may be connected to two addresses of the server: these are two members with different names.
#[test]
fn two_members_never_have_one_name() {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
    let mut command = support::uproar(&["serve", ":0", "--transcript", "off"]);
    command.args(["--flood-rate", "0"]);
    let server = Server::spawn(command);
    let from = |source: SocketAddr, host: [u8; 4]| {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        sockopt::set_socket_reuseaddr(&socket, true).unwrap();
        bind(&socket, &source).unwrap();
        connect(&socket, &SocketAddr::from((host, server.address.port()))).expect("the server accepts");
        Person::from(TcpStream::from(socket))
    };
    let mut listener = from(SocketAddr::from(([127, 0, 0, 1], 0)), [127, 0, 0, 1]);
    listener.expect_start("> Connected");
    let mut first = from(SocketAddr::from(([127, 0, 0, 1], 0)), [127, 0, 0, 2]);
    let name = first.name();
    listener.expect(format!("> New user {name} entered. (2 users online)"));
    let mut second = from(name, [127, 0, 0, 3]);
    listener.expect(format!("> New user {name}|2 entered. (3 users online)"));
    second.send("two\n");
    listener.expect(format!("[{name}|2] two"));
    first.send("one\n");
    listener.expect(format!("[{name}] one"));
    first.leave();
    listener.expect(format!("< The user {name} left (2 users online)"));
    let _third = from(name, [127, 0, 0, 4]);
    listener.expect(format!("> New user {name} entered. (3 users online)"));
    second.leave();
    listener.expect(format!("< The user {name}|2 left (2 users online)"));
}
