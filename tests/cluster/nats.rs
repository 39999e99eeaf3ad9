//! NATS servers of a test: one, or three as a cluster, on loopback addresses of their own, with a folder that goes with them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::chat::Program;

/// Far longer than three servers take to agree, on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

const CLIENT_PORT: u16 = 4222;
const ROUTE_PORT: u16 = 6222;
const MONITOR_PORT: u16 = 8222;

/// Rounds of a fault; `UPROAR_ROUNDS` asks for others.
const ROUNDS: usize = 2;

/// A version of the server that is installed here.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    program: PathBuf,
    /// As it says it: `nats-server: v2.9.10`.
    name: String,
}

impl Version {
    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn is_debians(&self) -> bool {
        self.name.contains(" v2.9.")
    }
}

/// The versions that are here: those of `UPROAR_NATS_SERVER`, which are paths with `:` between them, else those that
/// `.ci/run` and Debian install.
fn versions() -> Vec<Version> {
    let installed = || {
        let of_ci = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ci-tools/bin/nats-server");
        vec![of_ci, PathBuf::from("nats-server")]
    };
    let given = std::env::var_os("UPROAR_NATS_SERVER");
    let programs = given.map_or_else(installed, |paths| std::env::split_paths(&paths).collect());
    let mut found: Vec<Version> = Vec::new();
    for program in programs {
        let Ok(output) = Command::new(&program).arg("--version").output() else { continue };
        let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !found.iter().any(|version| version.name == name) {
            found.push(Version { program, name });
        }
    }
    found
}

/// Says on the terminal that a test did not run, whatever the test harness captures.
fn not_run() {
    let test = thread::current().name().unwrap_or_default().to_owned();
    let why = "nats-server is not installed here (apt-get install nats-server)";
    let _ = std::io::stderr().write_all(format!("NOT RUN, {why}: {test}\n").as_bytes());
}

/// Plays `case` with each version that is here.
pub fn with_each_version(case: impl Fn(&Version)) {
    let versions = versions();
    if versions.is_empty() {
        not_run();
    }
    for version in versions {
        eprintln!("-- {}", version.name);
        case(&version);
    }
}

/// Plays `case` in rounds, with the versions in turn, two rounds at a time: much of each is waiting. It is told the number of
/// the round.
pub fn in_rounds(case: impl Fn(&Version, usize) + Sync) {
    let versions = versions();
    if versions.is_empty() {
        return not_run();
    }
    let rounds = std::env::var("UPROAR_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("it is a number"));
    let rounds: Vec<(usize, &Version)> = (0..rounds).zip(versions.iter().cycle()).collect();
    for pair in rounds.chunks(2) {
        thread::scope(|scope| {
            for (round, version) in pair {
                let (round, case) = (*round, &case);
                let play = move || {
                    eprintln!("-- round {round}, {}", version.name);
                    case(version, round);
                };
                scope.spawn(play);
            }
        });
    }
}

/// Servers that are stopped, and whose folder is removed, when this is dropped.
pub struct Nats {
    version: Version,
    servers: Vec<Server>,
    folder: TempDir,
}

struct Server {
    address: IpAddr,
    /// None while it is not running.
    program: Option<Program>,
}

/// An address of this machine that no other server of any test has.
fn address() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    let process = std::process::id();
    // Three bits for servers that a process starts beyond 250.
    let third = (process >> 8 & 0x1f) | (number / 250) << 5;
    IpAddr::from([127, 64 + (process >> 13 & 0x3f) as u8, third as u8, process as u8 ^ (number % 250 + 1) as u8])
}

impl Nats {
    /// One server.
    pub fn one(version: &Version) -> Self {
        let mut nats = Self::prepare(version, 1);
        nats.start(0);
        nats.wait_until_ready();
        nats
    }

    /// Three that are a cluster, which has agreed on a leader.
    pub fn three(version: &Version) -> Self {
        let mut nats = Self::prepare(version, 3);
        (0..3).for_each(|number| nats.start(number));
        nats.wait_until_ready();
        nats
    }

    /// One server that does not run yet.
    pub fn prepare_one(version: &Version) -> Self {
        Self::prepare(version, 1)
    }

    fn prepare(version: &Version, count: usize) -> Self {
        let servers: Vec<Server> = (0..count).map(|_| Server { address: address(), program: None }).collect();
        let folder = tempfile::tempdir().unwrap();
        for (number, server) in servers.iter().enumerate() {
            fs::write(config_path(folder.path(), number), config(folder.path(), &servers, number, server.address))
                .unwrap();
        }
        Self { version: version.clone(), servers, folder }
    }

    /// What nodes are told: `nats://ADDRESS:PORT,...`.
    pub fn url(&self) -> String {
        let urls: Vec<String> =
            (0..self.servers.len()).map(|number| format!("nats://{}", self.address(number))).collect();
        urls.join(",")
    }

    /// Where server `number` listens for clients.
    pub fn address(&self, number: usize) -> SocketAddr {
        (self.servers[number].address, CLIENT_PORT).into()
    }

    /// Starts server `number`, which goes on with what is in its folder.
    pub fn start(&mut self, number: usize) {
        let log = fs::File::options().append(true).create(true).open(self.log_path(number)).unwrap();
        let mut command = Command::new(&self.version.program);
        command.arg("-c").arg(config_path(self.folder.path(), number));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.servers[number].program = Some(Program(command.spawn().unwrap()));
    }

    /// Ends server `number` as the kernel does when memory is short.
    pub fn kill(&mut self, number: usize) {
        self.servers[number].program = None;
    }

    /// Stops it in what it does, or lets it go on: `STOP`, `CONT`.
    pub fn signal(&self, number: usize, signal: rustix::process::Signal) {
        self.servers[number].program.as_ref().expect("it runs").signal(signal);
    }

    /// Waits until all servers answer, and several have agreed on a leader.
    pub fn wait_until_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready() {
            assert!(Instant::now() < deadline, "NATS is not ready: {}", self.log(0));
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn is_ready(&self) -> bool {
        (0..self.servers.len()).all(|number| {
            let is_healthy = self.look(number, "/healthz").is_some_and(|health| health["status"] == "ok");
            is_healthy
                && self.look(number, "/jsz").is_some_and(|found| {
                    let meta = &found["meta_cluster"];
                    self.servers.len() == 1
                        || meta["leader"].is_string() && meta["cluster_size"] == self.servers.len() as u64
                })
        })
    }

    /// The number of the server that leads the stream called `name`.
    pub fn leader_of(&self, name: &str) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = (0..self.servers.len()).find_map(|number| {
                let found = self.look(number, "/jsz?accounts=true&streams=true")?;
                let accounts = found["account_details"].as_array()?;
                let streams = accounts.iter().filter_map(|account| account["stream_detail"].as_array()).flatten();
                let stream = streams.into_iter().find(|stream| stream["name"] == name)?;
                let leader = stream["cluster"]["leader"].as_str()?.strip_prefix("server-")?;
                leader.parse::<usize>().ok()
            });
            if let Some(leader) = found {
                return leader;
            }
            assert!(Instant::now() < deadline, "no server leads {name}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks JetStream for something, as a client does.
    pub fn ask(&self, subject: &str, question: &str) -> Value {
        let mut stream = TcpStream::connect(self.address(0)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let asked = format!(
            "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB $JS.API.{subject} answer {}\r\n{question}\r\n",
            question.len()
        );
        stream.write_all(asked.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        while !line.starts_with("MSG answer") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "NATS answers");
            assert!(!line.starts_with("-ERR"), "{line}");
        }
        let bytes: usize = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
        let mut answer = vec![0; bytes];
        lines.read_exact(&mut answer).unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    /// What a server's monitor says, if it says something.
    fn look(&self, number: usize, path: &str) -> Option<Value> {
        let address = SocketAddr::from((self.servers[number].address, MONITOR_PORT));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: test\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// The last lines of what server `number` has written.
    fn log(&self, number: usize) -> String {
        let text = fs::read_to_string(self.log_path(number)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn log_path(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("server-{number}.log"))
    }
}

fn config_path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("server-{number}.conf"))
}

fn config(folder: &Path, servers: &[Server], number: usize, address: IpAddr) -> String {
    let store = folder.join(format!("server-{number}"));
    let mut text = format!(
        "server_name: server-{number}\nlisten: \"{address}:{CLIENT_PORT}\"\nhttp: \"{address}:{MONITOR_PORT}\"\n\
         jetstream {{ store_dir: \"{}\", max_mem: 64M, max_file: 1G }}\n",
        store.display()
    );
    if servers.len() > 1 {
        let others = servers.iter().filter(|server| server.address != address);
        let routes: Vec<String> =
            others.map(|server| format!("\"nats-route://{}:{ROUTE_PORT}\"", server.address)).collect();
        // A node that learned of the other servers would find a way around the relay of a test.
        text += &format!(
            "cluster {{ name: test, listen: \"{address}:{ROUTE_PORT}\", no_advertise: true, routes: [{}] }}\n",
            routes.join(", ")
        );
    }
    text
}

#[test]
fn three_servers_agree_on_a_leader_of_a_stream_and_on_another_when_that_is_killed() {
    with_each_version(|version| {
        let mut nats = Nats::three(version);
        let config = r#"{"name":"trial","subjects":["trial.>"],"num_replicas":3,"storage":"file"}"#;
        let made = nats.ask("STREAM.CREATE.trial", config);
        assert_eq!(made["config"]["num_replicas"], 3, "{made}");
        let leader = nats.leader_of("trial");
        nats.kill(leader);
        let deadline = Instant::now() + PATIENCE;
        while nats.leader_of("trial") == leader {
            assert!(Instant::now() < deadline, "nobody else leads it");
            thread::sleep(Duration::from_millis(50));
        }
        nats.start(leader);
        nats.wait_until_ready();
    });
}
