//! What the tests of the program share: the program, a reflector to measure, and a listener in its room.

// Each file of tests compiles this by itself and uses a part of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// The program under test.
pub fn bench_client() -> Command {
    Command::new(env!("CARGO_BIN_EXE_bench-client"))
}

/// The command that starts a reflector, with more options.
pub fn reflect_command(options: &str) -> String {
    format!("'{}' reflect {{addr}} {options}", env!("CARGO_BIN_EXE_bench-client"))
}

/// Options of a short run whose schedule lag says nothing, because the machine of a test is busy with other tests.
pub const SHORT: [&str; 8] = ["--warmup", "0s", "--settle", "100ms", "--lag-limit", "30s", "--drain", "10s"];

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Output {
    bench_client().args(arguments).output().expect("the program starts")
}

/// Exit code, and stderr for the message of a failed assertion.
pub fn outcome(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

pub fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A process that ends with the test.
pub struct Process(pub Child);

impl Process {
    /// Sends a signal by name, to this process alone.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status();
        assert!(status.expect("kill is there").success(), "{name} to {}", self.0.id());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A reflector on a port of its own choice of `host`.
pub fn reflector(host: &str) -> (Process, SocketAddr) {
    let mut child = bench_client()
        .args(["reflect", &format!("{host}:0")])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the reflector starts");
    let mut said = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
    let mut line = String::new();
    said.read_line(&mut line).expect("the reflector says where it listens");
    let address = line.trim().rsplit_once(' ').expect("the last word is the address").1;
    let address = address.parse().unwrap_or_else(|error| panic!("{line:?}: {error}"));
    (Process(child), address)
}

/// A member that waits for the first message of a run.
pub struct Listener(TcpStream);

impl Listener {
    pub fn join(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the reflector accepts");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out can be set");
        Self(socket)
    }

    /// Returns once a message has come: the plan is being carried out.
    pub fn wait_for_a_message(&mut self) {
        let mut seen = Vec::new();
        let mut bytes = [0; 4096];
        while !seen.windows(4).any(|window| window == b"] B ") {
            let count = self.0.read(&mut bytes).expect("a message comes");
            assert!(count > 0, "the reflector closed: {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&bytes[..count]);
        }
    }
}
