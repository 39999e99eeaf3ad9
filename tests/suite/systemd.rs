//! A service manager around the server: what it is told (sd_notify(3)), and sockets that it passes (sd_listen_fds(3)).
//!
//! The manager is the test: it has a datagram socket for messages, and a small program that opens listeners and becomes
//! the server.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{BACKENDS, PATIENCE, Server, expect_stop, expect_talk, options, uproar};

/// How long the manager waits for a sign of the loop.
const WATCHDOG: Duration = Duration::from_millis(400);

/// Opens sockets (`NAME:KIND`, with commas between), passes them to the program that it becomes, and leaves a process that
/// has them too until the standard input ends, as a manager has them.
const PASS: &str = r#"
import os, socket, sys
sockets = []
for kind in (item.split(":")[1] for item in sys.argv[1].split(",")):
    if kind == "unix":
        one = socket.socket(socket.AF_UNIX)
        one.bind("\0uproar-test-%d" % os.getpid())
        one.listen()
    elif kind == "udp":
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("127.0.0.1", 0))
    else:
        one = socket.socket()
        one.bind(("127.0.0.1", 0))
        if kind == "tcp":
            one.listen(1)
    sockets.append(one)
if os.fork() == 0:
    os.close(2)
    os.read(0, 1)
    os._exit(0)
for number, one in enumerate(sockets):
    os.dup2(one.fileno(), 100 + number)
for number in range(len(sockets)):
    os.dup2(100 + number, 3 + number)
names = [item.split(":")[0] for item in sys.argv[1].split(",")]
os.environ["LISTEN_PID"] = os.environ.get("LISTEN_PID", str(os.getpid()))
os.environ["LISTEN_FDS"] = str(len(sockets))
os.environ["LISTEN_FDNAMES"] = ":".join(names)
os.execv(sys.argv[2], sys.argv[2:])
"#;

/// What is told to the manager.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        Self { socket, folder }
    }

    /// A server of this manager, which is not started yet.
    fn server(&self, arguments: &[&str]) -> Command {
        let mut command = uproar(&[&["serve", "127.0.0.1:0", "--transcript", "off"], arguments].concat());
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        command
    }

    /// The next message, or none within a time.
    fn next_within(&self, time: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut message = [0; 200];
        match self.socket.recv(&mut message) {
            Ok(length) => Some(String::from_utf8(message[..length].to_vec()).unwrap().trim_end().to_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    fn next(&self) -> String {
        self.next_within(PATIENCE).expect("the server tells something")
    }

    /// The messages up to one that begins like this, which is the last.
    #[track_caller]
    fn until(&self, start: &str) -> Vec<String> {
        let mut told = Vec::new();
        while told.last().is_none_or(|last: &String| !last.starts_with(start)) {
            told.push(self.next());
        }
        told
    }
}

/// The server with sockets that are passed to it.
fn with_passed(sockets: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", PASS, sockets, env!("CARGO_BIN_EXE_uproar")]).args(options(arguments));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// A request over HTTP is answered with a status.
#[track_caller]
fn expect_http(address: SocketAddr, path: &str, status: &str) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut head = [0; 12];
    connection.read_exact(&mut head).unwrap();
    assert_eq!(String::from_utf8_lossy(&head), format!("HTTP/1.1 {status}"));
}

#[test]
fn it_says_that_it_is_ready_when_every_door_accepts_and_how_many_are_there() {
    let doors = ["--web", "127.0.0.1:0", "--irc", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    for backend in BACKENDS {
        let manager = Manager::new();
        let server = Server::spawn(manager.server(&[&["--backend", backend], &doors[..]].concat()));
        assert_eq!(manager.next(), "READY=1", "on {backend}");
        for address in [server.address, server.door("web"), server.door("irc"), server.door("admin")] {
            TcpStream::connect(address).unwrap();
        }
        expect_http(server.door("admin"), "/healthz", "200");
        let (_a, _b) = (server.join(), server.join());
        manager.until("STATUS=2 members in 1 room");
    }
}

#[test]
fn it_says_that_it_reads_its_files_anew_and_that_it_stops() {
    let manager = Manager::new();
    let mut server = Server::spawn(manager.server(&[]));
    manager.until("READY=1");
    let mut began_last = 0;
    for _ in 0..2 {
        server.signal("HUP");
        let told = manager.until("READY=1");
        let told: Vec<&String> = told.iter().filter(|message| !message.starts_with("STATUS=")).collect();
        let began = told[0].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|began| began.parse::<u64>().ok());
        assert!(began > Some(began_last) && told.len() == 2, "{told:?}");
        began_last = began.unwrap();
    }
    expect_stop(&mut server);
    let mut told = Vec::new();
    while let Some(message) = manager.next_within(Duration::from_millis(1)) {
        told.push(message);
    }
    assert_eq!(told.iter().filter(|message| *message == "STOPPING=1").count(), 1, "{told:?}");
    assert!(!told.contains(&"READY=1".to_owned()), "{told:?}");
}

/// The signs come from the loop: a process that is stopped gives none, and one that goes on does.
#[test]
fn a_loop_that_is_stopped_gives_no_sign_and_one_that_goes_on_does() {
    let manager = Manager::new();
    let mut command = manager.server(&[]);
    command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    let server = Server::spawn(command);
    manager.until("WATCHDOG=1");
    let start = Instant::now();
    for _ in 0..6 {
        manager.until("WATCHDOG=1");
    }
    // A server that nobody talks to wakes twice in the time that the manager waits, and not more often.
    assert!(start.elapsed() > WATCHDOG * 2, "six signs in {:?}", start.elapsed());
    server.signal("STOP");
    while manager.next_within(WATCHDOG / 8).is_some() {}
    assert_eq!(manager.next_within(WATCHDOG * 5), None, "it is stopped");
    server.signal("CONT");
    assert_eq!(manager.next(), "WATCHDOG=1");
    expect_talk(&server);
}

#[test]
fn a_manager_that_watches_another_process_is_given_no_sign() {
    let manager = Manager::new();
    let mut command = manager.server(&[]);
    command.env("WATCHDOG_USEC", "20000").env("WATCHDOG_PID", "1");
    let _server = Server::spawn(command);
    manager.until("STATUS=");
    assert_eq!(manager.next_within(Duration::from_millis(300)), None);
}

#[test]
fn a_manager_that_reads_nothing_is_not_waited_for() {
    let manager = Manager::new();
    let mut command = manager.server(&[]);
    command.env("WATCHDOG_USEC", "2000");
    let mut server = Server::spawn(command);
    expect_talk(&server);
    std::thread::sleep(Duration::from_millis(500));
    expect_talk(&server);
    expect_stop(&mut server);
}

#[test]
fn a_manager_that_is_not_there_or_goes_away_is_told_nothing_more() {
    let mut command = uproar(&["serve", "127.0.0.1:0", "--transcript", "off"]);
    command.env("NOTIFY_SOCKET", "/nowhere/notify");
    let server = Server::spawn(command);
    let said = "uproar: the service manager is told nothing: NOTIFY_SOCKET /nowhere/notify: No such file";
    assert!(server.before_ready[0].starts_with(said), "{:?}", server.before_ready);
    expect_talk(&server);

    let manager = Manager::new();
    let mut command = manager.server(&[]);
    command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    let server = Server::spawn(command);
    manager.until("READY=1");
    drop(manager);
    expect_talk(&server);
    while !server.log_line().starts_with("uproar: the service manager is told nothing any more: ") {}
    expect_talk(&server);
}

#[test]
fn without_a_manager_nothing_is_opened() {
    let descriptors = |server: &Server| std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    let manager = Manager::new();
    let with = Server::spawn(manager.server(&[]));
    let without = Server::start(&[]);
    manager.until("READY=1");
    expect_talk(&without);
    let start = Instant::now();
    // The two who talked have to be gone.
    while descriptors(&without) + 1 != descriptors(&with) {
        assert!(start.elapsed() < PATIENCE, "{} without, {} with", descriptors(&without), descriptors(&with));
    }
}

#[test]
fn sockets_are_passed_for_every_door_and_go_on_listening_when_the_server_has_stopped() {
    for backend in BACKENDS {
        let passed = "admin:tcp,irc:tcp,text:tcp,web:tcp";
        let mut server = Server::spawn(with_passed(passed, &["serve", "--transcript", "off", "--backend", backend]));
        expect_talk(&server);
        expect_http(server.door("web"), "/", "200");
        expect_http(server.door("admin"), "/healthz", "200");
        let mut irc = TcpStream::connect(server.door("irc")).unwrap();
        irc.set_read_timeout(Some(PATIENCE)).unwrap();
        irc.write_all(b"NICK somebody\r\nUSER somebody 0 * :Somebody\r\n").unwrap();
        let mut welcome = [0; 1];
        irc.read_exact(&mut welcome).unwrap();
        let addresses = [server.address, server.door("web"), server.door("irc"), server.door("admin")];
        expect_stop(&mut server);
        // Newcomers wait for the server that is started next.
        for address in addresses {
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{address} on {backend}: {error}"));
        }
    }
}

#[test]
fn a_passed_socket_takes_the_place_of_an_address() {
    let arguments = ["serve", "127.0.0.1:1", "--web", "127.0.0.1:0", "--transcript", "off"];
    let server = Server::spawn(with_passed("text:tcp", &arguments));
    let said = format!("uproar: the passed socket for text, {}, takes the place of 127.0.0.1:1", server.address);
    assert!(server.before_ready.contains(&said), "{:?}", server.before_ready);
    expect_talk(&server);
    expect_http(server.door("web"), "/", "200");
}

#[test]
fn sockets_for_another_process_are_not_taken() {
    let mut command = with_passed("text:tcp", &["serve", "127.0.0.1:0", "--transcript", "off"]);
    command.env("LISTEN_PID", "1");
    let server = Server::spawn(command);
    assert!(server.before_ready.iter().all(|line| !line.contains("passed")), "{:?}", server.before_ready);
    expect_talk(&server);
}

#[test]
fn what_is_no_socket_of_a_door_is_an_error_at_the_start() {
    for (passed, expected) in [
        ("uproar.socket:tcp", "\"uproar.socket\" (LISTEN_FDNAMES), which is no door; doors are text, web, irc, admin"),
        ("text:tcp,text:tcp", "two sockets were passed with the name \"text\""),
        ("text:bound", "passed for text (LISTEN_FDS) does not listen"),
        ("web:udp", "passed for web (LISTEN_FDS) is a socket of another kind than TCP"),
        ("irc:unix", "passed for irc (LISTEN_FDS) is a socket of another kind than TCP"),
    ] {
        let mut command = with_passed(passed, &["serve", "127.0.0.1:0"]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{passed}: {stderr}");
        assert!(stderr.starts_with("uproar: ") && stderr.contains(expected), "{passed}: {stderr}");
    }
}
