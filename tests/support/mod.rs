//! Shared by the tests that run the real server: the server as a process, and people that talk to it.
//!
//! Nothing here waits for a fixed time: a test says what it waits for, and fails when that has not come after a
//! generous deadline.

#![allow(dead_code, reason = "each test program uses some of it")]

pub mod chat;
pub mod front;
pub mod screen;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{OpenptyResult, Winsize, openpty};

/// Long enough for any machine; a test that fails takes this long to do so.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The back ends that every scenario is played on.
pub const BACKENDS: [&str; 4] = ["uring", TABLES, "epoll", "select"];

/// io_uring with direct descriptors, in tables so small that a crowd needs several.
pub const TABLES: &str = "uring-with-tables";

/// Those without the ceiling of select, for rooms beyond it.
pub const BACKENDS_WITHOUT_CEILING: [&str; 3] = ["uring", TABLES, "epoll"];

/// A running `uproar serve`, killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// The line that said it is ready.
    pub ready: String,
    /// What it said before that.
    pub before_ready: Vec<String>,
    stderr: Receiver<String>,
}

/// Raises this process's soft limit on descriptors to the hard one.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("a limit may be raised to its maximum");
}

/// The options as the program knows them: [`TABLES`] is a name of the tests.
pub fn options<'a>(options: &[&'a str]) -> Vec<&'a str> {
    let typed = |option: &&'a str| match *option {
        TABLES => vec!["uring", "--descriptors", "direct", "--table-slots", "300"],
        other => vec![other],
    };
    options.iter().flat_map(typed).collect()
}

/// `uproar` with arguments, its standard streams closed or piped.
pub fn uproar(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uproar"));
    command.args(options(arguments));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// A pseudo-terminal whose ends programs do not inherit by accident: it goes away when the test lets go of it.
pub fn terminal(size: Option<&Winsize>) -> OpenptyResult {
    let terminal = openpty(size, None).unwrap();
    for end in [&terminal.master, &terminal.slave] {
        rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC).unwrap();
    }
    terminal
}

/// An address that nobody listens on, for a server that cannot say which it has.
pub fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// The longest time that a line takes from one member to another.
pub fn latency(author: &mut Person, listener: &mut Person, lines: usize) -> Duration {
    let name = author.name();
    let times = (0..lines).map(|number| {
        let text = format!("[{name}] latency {number}");
        let said = Instant::now();
        author.send(format!("latency {number}\n"));
        listener.lines_until(|line| line == text);
        said.elapsed()
    });
    times.max().expect("there are lines")
}

/// Two members hear each other.
#[track_caller]
pub fn expect_talk(server: &Server) {
    let (mut a, mut b) = (server.join(), server.join());
    let asked = format!("[{}] is anybody there?", a.name());
    a.send("is anybody there?\n");
    b.lines_until(|line| line == asked);
    let answered = format!("[{}] yes", b.name());
    b.send("yes\n");
    a.lines_until(|line| line == answered);
}

/// A stop takes no longer than it does with a member that does not read, and succeeds.
#[track_caller]
pub fn expect_stop(server: &mut Server) {
    let told = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let time = told.elapsed();
    assert!(time < Duration::from_secs(8), "the stop took {time:?}");
}

impl Server {
    /// Starts a server on a port of the kernel's choice.
    pub fn start(options: &[&str]) -> Self {
        Self::spawn(uproar(&[&["serve", "127.0.0.1:0", "--transcript", "off"], options].concat()))
    }

    /// Starts a prepared server and waits until it is ready.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the server's binary was built with the tests");
        let stderr = lines_of(child.stderr.take().expect("stderr is piped"));
        let mut before_ready = Vec::new();
        let ready = loop {
            let line = stderr.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("the server is not ready; it said {before_ready:?}"));
            // Further doors come before the one for text, of which alone the number of members is said.
            if line.starts_with("uproar: listening on ") && line.contains(" members)") {
                break line;
            }
            before_ready.push(line);
        };
        let address = ready.split(' ').nth(3).expect("the ready line names the address");
        let address = address.parse().expect("the ready line names the address");
        Self { child, address, ready, before_ready, stderr }
    }

    /// Starts a prepared server whose standard error is the test's affair, and waits until it answers. `arguments` of
    /// the command include `address`.
    pub fn spawn_silent(mut command: Command, address: SocketAddr) -> Self {
        let child = command.spawn().expect("the server's binary was built with the tests");
        let (_, stderr) = channel();
        let server = Self { child, address, ready: String::new(), before_ready: Vec::new(), stderr };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// The address of a further door, by its name in the log.
    pub fn door(&self, name: &str) -> SocketAddr {
        let mut lines = self.before_ready.iter().filter(|line| line.ends_with(&format!(" ({name})")));
        let line = lines.next().unwrap_or_else(|| panic!("no door {name} in {:?}", self.before_ready));
        line.split(' ').nth(3).and_then(|address| address.parse().ok()).expect("a door's line names its address")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// A newcomer that has been welcomed, so that what is said afterwards reaches it.
    pub fn join(&self) -> Person {
        let mut person = Person::connect(self.address);
        person.expect_start("> Connected to the chat server (");
        person
    }

    /// Sends a signal by name, as `kill -NAME`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.expect("kill is on every machine").success());
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return status;
            }
            assert!(Instant::now() < deadline, "the server did not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The next line on the server's standard error.
    pub fn log_line(&self) -> String {
        self.stderr.recv_timeout(PATIENCE).expect("the server logs a line")
    }

    /// What it has logged and nobody has looked at.
    pub fn log_so_far(&self) -> Vec<String> {
        self.stderr.try_iter().collect()
    }

    /// A field of `/proc/PID/status` in KiB, such as `VmRSS`.
    pub fn memory_kib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// CPU time used so far, by the scheduler's count.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/schedstat", self.pid())).unwrap();
        Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `author` says `count` lines of 4 kB, no faster than `listener` reads and checks them. Others may leave meanwhile.
pub fn talk(author: &mut Person, listener: &mut Person, count: usize) {
    let name = author.name();
    let line = |number: usize| format!("{number} {}", "x".repeat(4000));
    for start in (0..count).step_by(50) {
        for number in start..start + 50 {
            author.send(line(number) + "\n");
        }
        for number in start..start + 50 {
            let heard = listener.lines_until(|line| !line.starts_with("< "));
            assert_eq!(heard.last(), Some(&format!("[{name}] {}", line(number))));
        }
    }
}

/// The statistics line as a map.
pub fn statistics(server: &Server) -> BTreeMap<String, u64> {
    server.signal("USR1");
    loop {
        let line = server.log_line();
        if let Some(fields) = line.strip_prefix("uproar: members=") {
            let fields = format!("members={fields}");
            return fields
                .split(' ')
                .map(|field| field.split_once('=').expect("fields are name=number"))
                .map(|(name, number)| (name.to_owned(), number.parse().expect("fields are name=number")))
                .collect();
        }
    }
}

/// Asks for statistics until they are as expected.
pub fn wait_for(
    server: &Server,
    what: &str,
    expected: impl Fn(&BTreeMap<String, u64>) -> bool,
) -> BTreeMap<String, u64> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let statistics = statistics(server);
        if expected(&statistics) {
            return statistics;
        }
        assert!(Instant::now() < deadline, "{what}: {statistics:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn lines_of(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A person that talks to the server over a socket.
pub struct Person {
    stream: TcpStream,
    /// Read and not yet expected.
    unread: Vec<u8>,
}

impl From<TcpStream> for Person {
    fn from(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }
}

impl Person {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// Connects from another address of this machine: each has its own ports, of which one has 28,000.
    pub fn connect_from(source: [u8; 4], address: SocketAddr) -> Self {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        // The port is chosen when the other end is known (Linux 4.2).
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true).unwrap();
        bind(&socket, &SocketAddr::from((source, 0))).unwrap();
        connect(&socket, &address).expect("the server accepts");
        sockopt::set_tcp_nodelay(&socket, true).unwrap();
        Self { stream: TcpStream::from(socket), unread: Vec::new() }
    }

    /// Connects with a small receive buffer, which is soon full when it is not read.
    pub fn connect_small(address: SocketAddr) -> Self {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        sockopt::set_socket_recv_buffer_size(&socket, 2048).unwrap();
        connect(&socket, &address).expect("the server accepts");
        Self { stream: TcpStream::from(socket), unread: Vec::new() }
    }

    /// The name that the server gives this person.
    pub fn name(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server takes what is sent");
    }

    /// The next line without its line feed, or `None` at the end of the stream.
    pub fn line(&mut self) -> Option<String> {
        self.line_before(Instant::now() + PATIENCE).expect("a line arrives")
    }

    /// `Err` when nothing has come by `deadline`.
    fn line_before(&mut self, deadline: Instant) -> Result<Option<String>, ()> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(Some(String::from_utf8(line[..end].to_vec()).expect("the server sends UTF-8")));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(());
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut bytes = [0; 65536];
            match self.stream.read(&mut bytes) {
                Ok(0) => {
                    assert!(self.unread.is_empty(), "the stream ended in the middle of a line: {:?}", self.unread);
                    return Ok(None);
                }
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A server that closes while bytes of ours are unread resets the connection.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => panic!("reading failed: {error}"),
            }
        }
    }

    #[track_caller]
    pub fn expect(&mut self, line: impl AsRef<str>) {
        assert_eq!(self.line().as_deref(), Some(line.as_ref()));
    }

    #[track_caller]
    pub fn expect_start(&mut self, start: &str) -> String {
        let line = self.line().expect("a line before the end");
        assert!(line.starts_with(start), "{line:?} does not start with {start:?}");
        line
    }

    /// The next line, or `None` when it has not come after `time`.
    pub fn line_within(&mut self, time: Duration) -> Option<String> {
        self.line_before(Instant::now() + time).ok().flatten()
    }

    /// Everything up to and with a line that `last` recognises.
    pub fn lines_until(&mut self, last: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().expect("a line before the end");
            let found = last(&line);
            lines.push(line);
            if found {
                return lines;
            }
        }
    }

    #[track_caller]
    pub fn expect_end(&mut self) {
        assert_eq!(self.line(), None);
    }

    /// Waits until something has arrived and leaves it unread.
    pub fn wait_for_byte(&mut self) {
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_ne!(self.stream.peek(&mut [0]).expect("something arrives"), 0, "the stream has ended");
    }

    /// Lines that no test has expected yet, with those that arrive within `time`.
    pub fn rest_after(&mut self, time: Duration) -> Vec<String> {
        let deadline = Instant::now() + time;
        std::iter::from_fn(|| self.line_before(deadline).ok().flatten()).collect()
    }

    /// Leaves in good order: says that nothing more comes and reads what is left.
    pub fn leave(mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
        while self.line().is_some() {}
    }

    /// Reads until the server closes, or breaks, the connection.
    pub fn read_to_end(&mut self) {
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut bytes = [0; 65536];
        while self.stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
    }

    /// Closes the socket without reading the rest.
    pub fn close(self) {}

    /// Says that nothing more comes, and stays.
    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Vanishes: neither an end nor a reset is sent. `Err` where the kernel does not allow that.
    pub fn become_half_open(self) -> Result<(), Self> {
        // A socket in repair mode is closed silently (tcp_repair, Linux 3.5).
        match nix::sys::socket::setsockopt(&self.stream, nix::sys::socket::sockopt::TcpRepair, &1) {
            Ok(()) => Ok(()),
            Err(_) => Err(self),
        }
    }

    /// Ends the connection with a reset.
    pub fn vanish(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }
}
