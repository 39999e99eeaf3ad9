//! The server under test as a process: started, awaited, stopped.
//!
//! It is ready when it says so on stderr (`listening on ...`) or, if it says nothing, when the kernel shows a listening
//! socket on the port: nobody connects to find out, so the first member is the first connection. It stops on SIGTERM, or
//! by force after a bounded wait, by its own process id and nothing else.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::pinning::{self, Pin};
use crate::ready_line;
use crate::sys;
use crate::usage::AskMembers;

const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for the ready line of a server that listens already.
const READY_LINE_GRACE: Duration = Duration::from_millis(300);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that does not answer within this is asked again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);
/// Lines of its stderr that an error quotes.
const LOG_LINES_MAX: usize = 5;

/// What the server has said on stderr.
#[derive(Debug, Default)]
struct Said {
    ready_line: Option<String>,
    /// Lines with statistics so far, and the members that the last of them told.
    statistics: (u64, u64),
    last: VecDeque<String>,
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    said: Arc<Mutex<Said>>,
}

impl ServerProcess {
    /// Starts `command` with `{addr}` replaced by `address` and `{port}` by its port, and waits until it listens there.
    pub fn start(command: &str, address: SocketAddr, pin: Option<Pin>) -> Result<Self> {
        Self::start_in(&[], command, address, pin)
    }

    /// As [`ServerProcess::start`], with more variables in its environment.
    pub fn start_in(
        environment: &[(&'static str, OsString)],
        command: &str,
        address: SocketAddr,
        pin: Option<Pin>,
    ) -> Result<Self> {
        let words = split_words(command).map_err(Error::new)?;
        let fill =
            |word: &String| word.replace("{addr}", &address.to_string()).replace("{port}", &address.port().to_string());
        let words: Vec<String> = words.iter().map(fill).collect();
        let [program, arguments @ ..] = words.as_slice() else {
            return Err(Error::new("the server command is empty"));
        };
        let mut process = Command::new(program);
        process
            .args(arguments)
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        sys::stop_with_parent(&mut process);
        // The child inherits the pinning of the thread that starts it, from its first instruction on.
        if let Some(pin) = pin {
            pinning::pin_this_thread(pin.server)?;
        }
        let spawned = process.spawn();
        if let Some(pin) = pin {
            pinning::pin_this_thread(Some(pin.client))?;
        }
        let mut child = spawned.context(|| format!("cannot start the server, {program}"))?;
        let said = Arc::new(Mutex::new(Said::default()));
        let stderr = child.stderr.take().expect("stderr was asked to be a pipe");
        listen_to(stderr, Arc::clone(&said));
        let mut server = Self { child, said };
        server.wait_until_ready(address)?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, address: SocketAddr) -> Result<()> {
        let started = Instant::now();
        let mut listening_since = None;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                // What it said last may still be in the pipe.
                std::thread::sleep(POLL);
                return Err(Error::new(format!("the server ended before it listened ({status}){}", self.last_lines())));
            }
            if self.ready_line().is_some() {
                return Ok(());
            }
            if listening_since.is_none() && is_listening(address.port()) {
                listening_since = Some(Instant::now());
            }
            if listening_since.is_some_and(|since| since.elapsed() > READY_LINE_GRACE) {
                return Ok(());
            }
            if started.elapsed() > READY_TIMEOUT {
                return Err(Error::new(format!(
                    "the server does not listen on {address} after {READY_TIMEOUT:?}; does its command use {{addr}}?{}",
                    self.last_lines()
                )));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How to ask it for its members, if it is a server that answers; others would end by that signal.
    pub fn members_asker(&self) -> Option<AskMembers> {
        self.ready_line().filter(|line| line.contains("uproar: listening on "))?;
        let (pid, said) = (self.pid(), Arc::clone(&self.said));
        let lines = move || said.lock().expect("nobody panics while holding what was said").statistics;
        Some(Box::new(move || {
            let (before, _) = lines();
            sys::ask_statistics(pid).ok()?;
            let asked = Instant::now();
            while asked.elapsed() < ANSWER_TIMEOUT {
                let (count, members) = lines();
                if count > before {
                    return Some(members);
                }
                std::thread::sleep(POLL);
            }
            None
        }))
    }

    /// The line it said it listens with, if it did.
    pub fn ready_line(&self) -> Option<String> {
        self.said.lock().expect("the reader of stderr does not panic").ready_line.clone()
    }

    fn last_lines(&self) -> String {
        let said = self.said.lock().expect("the reader of stderr does not panic");
        said.last.iter().map(|line| format!("\n  it said: {line}")).collect()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = sys::terminate(self.pid());
        let asked = Instant::now();
        while asked.elapsed() < STOP_TIMEOUT {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what the server says until it ends, so that it never waits for a full pipe.
fn listen_to(stderr: ChildStderr, said: Arc<Mutex<Said>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(std::result::Result::ok) {
            let mut said = said.lock().expect("nobody panics while holding what was said");
            if said.ready_line.is_none() && ready_line::is_ready(&line) {
                said.ready_line = Some(line.clone());
            }
            if let Some(members) = members_of_statistics(&line) {
                said.statistics = (said.statistics.0 + 1, members);
            }
            said.last.push_back(line);
            if said.last.len() > LOG_LINES_MAX {
                said.last.pop_front();
            }
        }
    });
}

/// N of a line of statistics: `... members=N messages=...`.
fn members_of_statistics(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("uproar: members=")?;
    rest.split(' ').next()?.parse().ok()
}

/// True when some socket of this machine listens on `port`.
fn is_listening(port: u16) -> bool {
    const LISTEN: &str = "0A";
    let port = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().any(|path| {
        let table = fs::read_to_string(path).unwrap_or_default();
        table.lines().any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next().is_some_and(|local| local.ends_with(&port));
            local && fields.nth(1) == Some(LISTEN)
        })
    })
}

/// Addresses of `127.0.0.1` with ports that nobody listens on, below the range that connects take theirs from.
pub fn free_addresses(count: usize) -> Result<Vec<SocketAddr>> {
    let first = 20_000 + (sys::monotonic_ns() / 1000 % 10_000) as u16;
    let free: Vec<SocketAddr> = (first..first + 2000)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .filter(|address| std::net::TcpListener::bind(address).is_ok())
        .take(count)
        .collect();
    if free.len() < count { Err(Error::new("no free port on 127.0.0.1; give ADDR")) } else { Ok(free) }
}

/// An address for each of `count` nodes, on which nobody listens: each node has an address of this machine for itself.
pub fn node_addresses(count: usize) -> Result<Vec<SocketAddr>> {
    let ports = free_addresses(count + 1)?;
    Ok(ports[1..]
        .iter()
        .enumerate()
        .map(|(number, free)| SocketAddr::from(([127, 0, 1, number as u8 + 1], free.port())))
        .collect())
}

/// Words as a shell would split them: by spaces, unless quoted by ' or ".
pub fn split_words(text: &str) -> std::result::Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err(format!("a quote is not closed in: {text}"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let split = |text| split_words(text).unwrap();
        assert_eq!(split("a  b\tc"), ["a", "b", "c"]);
        assert_eq!(split("a 'b c' \"d 'e\""), ["a", "b c", "d 'e"]);
        assert_eq!(split("--x='' ''"), ["--x=", ""]);
        assert!(split("  ").is_empty());
        assert!(split_words("a 'b").unwrap_err().contains("not closed"));
    }

    #[test]
    fn statistics_say_how_many_members_there_are() {
        assert_eq!(members_of_statistics("2026-11-28T05:41:38.721Z uproar: members=12 messages=0"), Some(12));
        assert_eq!(members_of_statistics("2026-11-28T05:41:38.721Z uproar: stopped: members=0 messages=1"), None);
    }

    #[test]
    fn a_listener_is_seen_without_connecting() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_listening(port));
        drop(listener);
        assert!(!is_listening(port));
    }

    #[test]
    fn a_server_that_fails_is_quoted() {
        let address = free_addresses(1).unwrap()[0];
        let error = ServerProcess::start("sh -c 'echo no such luck >&2; exit 3'", address, None).unwrap_err();
        assert!(error.to_string().contains("no such luck"), "{error}");
        let error = ServerProcess::start("/no/such/program {addr}", address, None).unwrap_err();
        assert!(error.to_string().contains("/no/such/program"), "{error}");
    }
}
