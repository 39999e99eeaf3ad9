//! The people of one case: their connections, what they have read, and what of it concerns the case.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::cases::Step;

/// What a line says instead of the number of users, which strangers change.
const COUNT: &str = "(# online)";

struct Person {
    stream: TcpStream,
    name: SocketAddr,
    /// Bytes read that are no whole line yet, and lines behind them.
    unread: Vec<u8>,
    /// Lines that were read while a summary of presence was waited for; they are read before `unread`.
    aside: VecDeque<String>,
    /// People who entered and who left by the summaries read so far, less those expected since.
    summed: Summary,
}

/// Joins and leaves that a server says together where there are many: `> 3 users entered, 1 left. (9 users online)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Summary {
    entered: u64,
    left: u64,
}

/// A case being played.
pub struct Stage {
    address: SocketAddr,
    patience: Duration,
    people: BTreeMap<&'static str, Person>,
    /// The addresses of all who ever joined in this case.
    names: BTreeMap<&'static str, SocketAddr>,
}

impl Stage {
    pub fn new(address: SocketAddr, patience: Duration) -> Self {
        Self { address, patience, people: BTreeMap::new(), names: BTreeMap::new() }
    }

    /// Plays the steps; an error says which failed and how.
    pub fn play(mut self, steps: &[Step]) -> Result<(), String> {
        for (number, step) in (1..).zip(steps) {
            self.take(step).map_err(|failure| format!("step {number}, {step:?}: {failure}"))?;
        }
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Joins(who) => {
                self.connect(who)?;
                self.read(who, &format!("> Connected to the chat server {COUNT}"))
            }
            Step::Connects(who) => self.connect(who),
            Step::Sends(who, bytes) => self.person(who)?.send(bytes),
            Step::SendsSlowly(who, bytes) => {
                bytes.chunks(1).try_for_each(|byte| self.person(who).and_then(|person| person.send(byte)))
            }
            Step::SendsUntilClosed(who, bytes) => self.send_until_closed(who, bytes),
            Step::Reads(who, lines) => lines.iter().try_for_each(|line| self.read(who, line)),
            Step::Agree(people, count) => self.agree(people, *count),
            Step::Ends(who) => self.ends(who),
            Step::HalfCloses(who) => {
                let stream = &self.person(who)?.stream;
                stream.shutdown(Shutdown::Write).map_err(|error| error.to_string())
            }
            Step::Leaves(who) => self.leave(who),
            Step::Vanishes(who) => {
                let person = self.people.remove(who).ok_or("nobody is called so")?;
                let linger = Some(Duration::ZERO);
                rustix::net::sockopt::set_socket_linger(&person.stream, linger).map_err(|error| error.to_string())
            }
        }
    }

    fn person(&mut self, who: &str) -> Result<&mut Person, String> {
        self.people.get_mut(who).ok_or_else(|| format!("{who} is not here"))
    }

    fn connect(&mut self, who: &'static str) -> Result<(), String> {
        let stream = TcpStream::connect(self.address).map_err(|error| format!("cannot connect: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let name = stream.local_addr().map_err(|error| error.to_string())?;
        self.names.insert(who, name);
        self.people.insert(
            who,
            Person { stream, name, unread: Vec::new(), aside: VecDeque::new(), summed: Summary::default() },
        );
        Ok(())
    }

    /// `who` reads `expected` next, of what concerns this case.
    fn read(&mut self, who: &str, expected: &str) -> Result<(), String> {
        let mut expected = expected.to_string();
        for (person, name) in &self.names {
            expected = expected.replace(&format!("{{{person}}}"), &name.to_string());
        }
        if is_presence(&expected) {
            return self.read_presence(who, &expected);
        }
        match self.next_line(who)? {
            Some(line) if line == expected => Ok(()),
            Some(line) => Err(format!("{who} should have read {expected:?} and read {line:?}")),
            None => Err(format!("{who} should have read {expected:?} and the server closed")),
        }
    }

    /// `who` reads next that somebody came or went: in a line of its own, or, where there are many of them, in a sum that is said
    /// later and may stand behind other lines.
    fn read_presence(&mut self, who: &str, expected: &str) -> Result<(), String> {
        let deadline = Instant::now() + self.patience;
        let names: Vec<String> = self.names.values().map(ToString::to_string).collect();
        let enters = expected.starts_with("> New user ");
        let person = self.person(who)?;
        let mut passed: Option<String> = None;
        loop {
            let counted = if enters { &mut person.summed.entered } else { &mut person.summed.left };
            if let Some(left) = counted.checked_sub(1) {
                *counted = left;
                return Ok(());
            }
            let waited = |error: String| passed.as_ref().map_or(error, |line| out_of_place(who, expected, line));
            let Some(line) = person.line(deadline).map_err(waited)? else {
                return Err(format!("{who} should have read {expected:?} and the server closed"));
            };
            if let Some(sum) = Summary::of(&line) {
                person.summed.entered += sum.entered;
                person.summed.left += sum.left;
            } else if concerns(&line, &names) {
                let line = without_count(&line);
                if line == expected && passed.is_none() {
                    return Ok(());
                }
                if is_presence(&line) {
                    return Err(out_of_place(who, expected, &line));
                }
                passed.get_or_insert_with(|| line.clone());
                person.aside.push_back(line);
            }
        }
    }

    /// Each of `people` reads `count` messages, the same in the same order.
    fn agree(&mut self, people: &[&'static str], count: usize) -> Result<(), String> {
        let mut first: Option<Vec<String>> = None;
        for who in people {
            let mut lines = Vec::new();
            while lines.len() < count {
                lines.push(self.next_line(who)?.ok_or_else(|| format!("the server closed {who}"))?);
            }
            match &first {
                Some(first) if *first != lines => return Err(format!("{who} read {lines:?} and the first {first:?}")),
                Some(_) => {}
                None => first = Some(lines),
            }
        }
        Ok(())
    }

    /// The server closes the connection of `who`, who reads nothing before that but presence.
    fn ends(&mut self, who: &str) -> Result<(), String> {
        match self.next_line(who)? {
            None => Ok(()),
            Some(line) => Err(format!("the server should have closed {who} and said {line:?}")),
        }
    }

    /// `who` sends as much as the server takes, and is told that it speaks another protocol.
    fn send_until_closed(&mut self, who: &str, bytes: &[u8]) -> Result<(), String> {
        let person = self.person(who)?;
        // Closed with bytes unread, a connection is reset, and what was said last may be lost with it.
        let whole = bytes.chunks(1000).all(|piece| person.stream.write_all(piece).is_ok());
        let deadline = Instant::now() + self.patience;
        let person = self.person(who)?;
        let mut last = None;
        while let Some(line) = person.line(deadline)? {
            last = Some(line);
        }
        match last {
            Some(line) if whole && !line.starts_with("! ") => Err(format!("the last that {who} read is {line:?}")),
            _ => Ok(()),
        }
    }

    /// `who` says that it is done and reads what is left: closed with bytes unread, a connection is reset.
    fn leave(&mut self, who: &str) -> Result<(), String> {
        let mut person = self.people.remove(who).ok_or("nobody is called so")?;
        person.stream.shutdown(Shutdown::Write).map_err(|error| error.to_string())?;
        let deadline = Instant::now() + self.patience;
        while person.line(deadline)?.is_some() {}
        Ok(())
    }

    /// The next line to `who` that concerns this case, presence aside; `None` at the end of the stream.
    fn next_line(&mut self, who: &str) -> Result<Option<String>, String> {
        let deadline = Instant::now() + self.patience;
        let names: Vec<String> = self.names.values().map(ToString::to_string).collect();
        let person = self.person(who)?;
        if let Some(line) = person.aside.pop_front() {
            return Ok(Some(line));
        }
        loop {
            let Some(line) = person.line(deadline)? else { return Ok(None) };
            if let Some(sum) = Summary::of(&line) {
                person.summed.entered += sum.entered;
                person.summed.left += sum.left;
            } else if concerns(&line, &names) && !is_presence(&line) {
                return Ok(Some(without_count(&line)));
            }
        }
    }
}

fn out_of_place(who: &str, expected: &str, line: &str) -> String {
    format!("{who} should have read {expected:?} and read {line:?}")
}

/// Whether a line is about one of `names`, or for one person alone. A server may slow an address from which many cases were
/// played: what it says of that concerns none of them.
fn concerns(line: &str, names: &[String]) -> bool {
    let is_slowed = line.starts_with("! slow down: ");
    names.iter().any(|name| is_about(line, name)) || (is_to_oneself(line) && !is_slowed)
}

impl Summary {
    fn of(line: &str) -> Option<Self> {
        let (entered, rest) = line.strip_prefix("> ")?.split_once(" entered, ")?;
        let entered = entered.strip_suffix(" users").or(entered.strip_suffix(" user"))?.parse().ok()?;
        let (left, rest) = rest.split_once(" left. (")?;
        rest.ends_with(" online)").then_some(Self { entered, left: left.parse().ok()? })
    }
}

/// Joins and leaves of others.
fn is_presence(line: &str) -> bool {
    line.starts_with("> New user ") || line.starts_with("< The user ")
}

/// Whether a line is a message of `name`, or says that it came or went.
fn is_about(line: &str, name: &str) -> bool {
    let rest = ["[", "> New user ", "< The user "].iter().find_map(|start| line.strip_prefix(start));
    rest.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with([']', ' ']))
}

/// The welcome and notices are for one person.
fn is_to_oneself(line: &str) -> bool {
    line.starts_with("> Connected ") || line.starts_with("! ")
}

/// `line` with `(3 users online)` made [`COUNT`].
fn without_count(line: &str) -> String {
    let Some((before, count)) = line.rsplit_once('(') else { return line.to_string() };
    let is_count = count
        .strip_suffix(" online)")
        .and_then(|users| users.strip_suffix(" users").or(users.strip_suffix(" user")))
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let is_of_server = is_presence(line) || is_to_oneself(line);
    if is_count && is_of_server { format!("{before}{COUNT}") } else { line.to_string() }
}

impl Person {
    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).map_err(|error| format!("{} cannot send: {error}", self.name))
    }

    /// The next line without its line feed; `None` at the end of the stream.
    fn line(&mut self, deadline: Instant) -> Result<Option<String>, String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).take(end).collect();
                return String::from_utf8(line).map(Some).map_err(|error| format!("not UTF-8: {error}"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("{} waited in vain", self.name));
            }
            self.stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
            let mut bytes = [0; 65536];
            match self.stream.read(&mut bytes) {
                Ok(0) if self.unread.is_empty() => return Ok(None),
                Ok(0) => return Err(format!("the stream ended in the middle of a line: {:?}", self.unread)),
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                }
                // A server that closes while bytes of ours are unread resets the connection.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(format!("reading failed: {error}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_a_case_is_told_from_what_does_not() {
        let name = "127.0.0.1:50";
        assert!(is_about("[127.0.0.1:50] hi", name));
        assert!(is_about("> New user 127.0.0.1:50 entered. (2 users online)", name));
        assert!(is_about("< The user 127.0.0.1:50 left (2 users online)", name));
        assert!(!is_about("[127.0.0.1:501] hi", name), "another port begins alike");
        assert!(!is_about("[127.0.0.1:7] [127.0.0.1:50] hi", name), "a stranger quotes");
        assert!(is_to_oneself("! the house is full") && !is_to_oneself("[x] ! the house is full"));
    }

    #[test]
    fn a_sum_of_presence_is_recognised() {
        let sum = |line| Summary::of(line).map(|sum| (sum.entered, sum.left));
        assert_eq!(sum("> 3 users entered, 1 left. (9 users online)"), Some((3, 1)));
        assert_eq!(sum("> 1 user entered, 0 left. (1 user online)"), Some((1, 0)));
        assert_eq!(sum("> New user 127.0.0.1:5 entered. (2 users online)"), None);
        assert_eq!(sum("[127.0.0.1:5] > 3 users entered, 1 left. (9 users online)"), None);
    }

    #[test]
    fn only_the_server_counts_users() {
        assert_eq!(
            without_count("> Connected to the chat server (1 user online)"),
            "> Connected to the chat server (# online)"
        );
        assert_eq!(
            without_count("< The user 1.2.3.4:5 left (12 users online)"),
            "< The user 1.2.3.4:5 left (# online)"
        );
        for other in ["[1.2.3.4:5] hi (3 users online)", "! no (users online)", "> Connected ( users online)"] {
            assert_eq!(without_count(other), other);
        }
    }
}
