//! What one address and one member may do to the others, over real sockets: limits that coming again does not lift.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use support::{Person, Server};

/// Long enough that an attack would show.
const ATTACK: Duration = Duration::from_secs(3);

/// Lines to `listener` in the time of an attack, and a little after, that start with `start`.
fn heard(listener: &mut Person, starts: &[&str]) -> usize {
    let lines = listener.rest_after(ATTACK + Duration::from_millis(500));
    lines.iter().filter(|line| starts.iter().any(|start| line.starts_with(start))).count()
}

/// What a bucket of `burst` that fills with `rate` lets through in that time, with some for a machine that is late.
fn most(rate: usize, burst: usize) -> usize {
    burst + rate * (ATTACK.as_secs() as usize + 2)
}

#[test]
fn an_address_says_no_more_by_coming_again() {
    let server = Server::start(&[]);
    let mut listener = server.join();
    let address = server.address;
    let attacker = thread::spawn(move || {
        let end = Instant::now() + ATTACK;
        let mut visits = Vec::new();
        while Instant::now() < end {
            let mut visit = TcpStream::connect(address).expect("the server accepts");
            visit.write_all(&b"spam\n".repeat(50)).expect("the server takes what is sent");
            visit.shutdown(std::net::Shutdown::Write).expect("it is connected");
            visits.push(visit);
            thread::sleep(Duration::from_millis(5));
        }
        visits.len()
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
fn who_comes_and_goes_costs_the_others_few_lines() {
    let server = Server::start(&[]);
    let mut listener = server.join();
    let address = server.address;
    let attacker = thread::spawn(move || {
        let end = Instant::now() + ATTACK;
        let mut visits = 0;
        while Instant::now() < end {
            let mut visit = TcpStream::connect(address).expect("the server accepts");
            visit.read_exact(&mut [0]).expect("it is welcomed");
            visits += 1;
        }
        visits
    });
    let heard = heard(&mut listener, &["> ", "< "]);
    let visits = attacker.join().expect("the attacker ends");
    assert!(visits > 500, "it came {visits} times");
    // Between two sums there may be a second's worth of single lines.
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

/// A long line comes to its turn although others say short ones all the time, for which the ration would always do.
#[test]
fn a_long_line_is_not_overtaken_for_ever() {
    let server = Server::start(&["--room-rate", "2000B", "--flood-rate", "0"]);
    let mut listener = server.join();
    let mut talkers: Vec<Person> = (0..4).map(|_| server.join()).collect();
    let mut author = server.join();
    for talker in &mut talkers {
        talker.send("short\n".repeat(2000));
    }
    // The ration is at work before the long line comes.
    listener.lines_until(|line| line.ends_with("] short"));
    author.send("L".repeat(300) + "\n");
    let start = Instant::now();
    listener.lines_until(|line| line.ends_with("] short"));
    listener.lines_until(|line| line.ends_with('L'));
    assert!(start.elapsed() < Duration::from_secs(10), "it was said after {:?}", start.elapsed());
}
