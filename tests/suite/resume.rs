//! A thousand programs lose their connections in the middle of a thousand lines a second, come back, and have every message
//! once.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{self, BACKENDS, PATIENCE, Person, Server};

/// Rounds on each back end; `UPROAR_ROUNDS` asks for others.
const ROUNDS: usize = 2;

/// Lines of a round, one each millisecond, and after how many of them the connections are lost.
const LINES: u64 = 400;
const LINES_BEFORE: u64 = 150;

/// A member that reads JSON, over all of its connections.
struct Program {
    address: SocketAddr,
    stream: TcpStream,
    unread: Vec<u8>,
    token: String,
    /// Welcomes that are to come before what it reads: to the lobby as JSON, and back.
    welcomes: u8,
    /// The number of the last message that it has read.
    read: u64,
}

impl Program {
    fn connect(address: SocketAddr) -> Self {
        let stream = connect(address, "/format json\n/token\n");
        Self { address, stream, unread: Vec::new(), token: String::new(), welcomes: 1, read: 0 }
    }

    /// Reads what has come.
    fn look(&mut self) {
        let mut bytes = [0; 65536];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => panic!("it is cut off: {:?}", String::from_utf8_lossy(&self.unread)),
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("reading failed: {error}"),
            }
        }
        let whole = self.unread.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.unread.drain(..whole).collect();
        for line in str::from_utf8(&lines).expect("the server sends UTF-8").lines() {
            self.on_line(line);
        }
    }

    fn on_line(&mut self, line: &str) {
        assert!(!line.contains(r#""kind":"missed""#) && !line.contains(r#""kind":"error""#), "{line}");
        if let Some((_, token)) = line.split_once(r#""token":""#) {
            self.token = token.split('"').next().unwrap().to_owned();
        } else if line.contains(r#""kind":"welcome""#) {
            self.welcomes -= 1;
        } else if line.contains(r#""kind":"message""#) && self.welcomes == 0 {
            let number: u64 = line.strip_prefix(r#"{"n":"#).unwrap().split(',').next().unwrap().parse().unwrap();
            assert_eq!(number, self.read + 1, "each message comes once");
            assert!(line.ends_with(&format!(r#""text":"line {number}"}}"#)), "{line}");
            self.read = number;
        }
    }

    /// Its connection is reset, so what it has not read is lost. It comes back by another.
    fn come_back(&mut self) {
        self.look();
        let token = std::mem::take(&mut self.token);
        assert!(!token.is_empty(), "it has a token");
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
        self.unread.clear();
        self.welcomes = 2;
        self.stream = connect(self.address, &format!("/format json\n/resume {token} {}\n/token\n", self.read));
    }
}

fn connect(address: SocketAddr, typed: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    stream.write_all(typed.as_bytes()).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

/// Reads until everybody is `done`.
fn read_until(programs: &mut [Program], what: &str, done: impl Fn(&Program) -> bool) {
    let deadline = Instant::now() + 3 * PATIENCE;
    loop {
        programs.iter_mut().filter(|program| !done(program)).for_each(Program::look);
        let left = programs.iter().filter(|program| !done(program)).count();
        if left == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{left} have not {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_thousand_members_that_are_reset_in_the_middle_of_talk_come_back_without_a_gap() {
    support::raise_descriptor_limit();
    let rounds = std::env::var("UPROAR_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("it is a number"));
    for backend in BACKENDS {
        // `select` has descriptors for fewer, and a newcomer may be accepted before an old connection has ended.
        let members = if backend == "select" { 450 } else { 1000 };
        let server = Server::start(&["--backend", backend, "--flood-rate", "0", "--announce-max", "0"]);
        let mut programs: Vec<Program> = (0..members).map(|_| Program::connect(server.address)).collect();
        read_until(&mut programs, "got a token", |program| !program.token.is_empty());
        let mut author = server.join();
        for round in 0..rounds as u64 {
            let (first, last) = (round * LINES + 1, (round + 1) * LINES);
            thread::scope(|scope| {
                scope.spawn(|| talk(&mut author, first..=last));
                read_until(&mut programs, "heard the first lines", |program| program.read >= first + LINES_BEFORE);
                programs.iter_mut().for_each(Program::come_back);
                read_until(&mut programs, "heard all lines", |program| program.read >= last);
            });
            read_until(&mut programs, "got a token", |program| !program.token.is_empty());
            assert!(programs.iter().all(|program| program.read == last), "{backend}: nothing is lost or repeated");
        }
    }
}

/// Says a line each millisecond.
fn talk(author: &mut Person, numbers: std::ops::RangeInclusive<u64>) {
    let start = Instant::now();
    for (due, number) in (0..).map(Duration::from_millis).zip(numbers) {
        thread::sleep(due.saturating_sub(start.elapsed()));
        author.send(format!("line {number}\n"));
    }
}
