//! What the tests of the chat client share: programs that end with the test, the lines of a stream, the real server,
//! a client between pipes, and a connection to a server that is the test itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Far longer than anything takes, even on a machine that is busy with something else.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const CLOSED: &str = "Server closed the connection.";

pub fn uproar() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uproar"));
    for variable in ["UPROAR_ADDR", "UPROAR_TRANSCRIPT", "NO_COLOR", "COLORTERM"] {
        command.env_remove(variable);
    }
    command
}

/// A program that is killed when the test ends, also when the test fails.
pub struct Program(pub Child);

impl Program {
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    pub fn exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the program goes on");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines of a stream, as they come.
pub fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

/// All lines until the stream ends.
pub fn rest_of(lines: &Receiver<String>) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => all.push(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => return all,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("the stream goes on after {all:?}"),
        }
    }
}

/// The real server.
pub struct Server {
    pub program: Program,
    pub address: String,
}

impl Server {
    pub fn start(options: &[&str]) -> Self {
        let mut command = uproar();
        command.args(["serve", "127.0.0.1:0", "--transcript", "off"]).args(options);
        Self::spawn(command)
    }

    /// Starts a prepared server and waits until it is ready.
    pub fn spawn(mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = lines_of(child.stderr.take().unwrap());
        let program = Program(child);
        let ready = log.recv_timeout(PATIENCE).expect("the server says that it is ready");
        // All further lines of its log are read, so that it never waits for its reader.
        thread::spawn(move || while log.recv().is_ok() {});
        let address = ready.strip_prefix("uproar: listening on ").and_then(|rest| rest.split(' ').next());
        Self { program, address: address.unwrap_or_else(|| panic!("{ready}")).to_owned() }
    }
}

pub fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub fn read_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

pub fn read_all(stream: &mut TcpStream) -> String {
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    all
}

/// A client between pipes.
pub struct Piped {
    pub program: Program,
    pub input: Option<ChildStdin>,
    pub output: Receiver<String>,
    pub errors: Receiver<String>,
}

impl Piped {
    /// One that speaks plainly.
    pub fn start(address: &str) -> Self {
        Self::start_with(address, &["--plain"])
    }

    pub fn start_with(address: &str, options: &[&str]) -> Self {
        let mut command = uproar();
        command
            .args(["chat", "--wait", "2s", address])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            input: child.stdin.take(),
            output: lines_of(child.stdout.take().unwrap()),
            errors: lines_of(child.stderr.take().unwrap()),
            program: Program(child),
        }
    }

    pub fn write(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// The next line of its output.
    pub fn next(&self) -> String {
        self.output.recv_timeout(PATIENCE).expect("another line")
    }

    pub fn check_end(mut self, code: i32, output: &[&str], errors: &[&str]) {
        let end = self.program.exit();
        assert_eq!(rest_of(&self.output), output);
        assert_eq!(rest_of(&self.errors), errors);
        assert_eq!(end.code(), Some(code));
    }
}

/// A client between pipes, and its connection to a server that is this test.
pub fn piped_to_test() -> (Piped, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Piped::start(&listener.local_addr().unwrap().to_string());
    (client, accept(&listener))
}
