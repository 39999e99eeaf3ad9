//! The terminal client as a program: through pipes against the real server and against servers that misbehave, and on a
//! pseudo-terminal whose screen is looked at.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::Pid;

/// Far longer than anything takes, even on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

const CLOSED: &str = "Server closed the connection.";

fn uproar() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uproar"));
    for variable in ["UPROAR_ADDR", "UPROAR_TRANSCRIPT"] {
        command.env_remove(variable);
    }
    command
}

/// A program that ends with the test, whatever becomes of the test.
struct Program(Child);

impl Program {
    fn exit(&mut self) -> ExitStatus {
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
fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
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
fn rest_of(lines: &Receiver<String>) -> Vec<String> {
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
struct Server {
    _program: Program,
    address: String,
}

impl Server {
    fn start() -> Self {
        let mut command = uproar();
        command.args(["serve", "127.0.0.1:0", "--transcript", "off"]).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = lines_of(child.stderr.take().unwrap());
        let program = Program(child);
        let ready = log.recv_timeout(PATIENCE).expect("the server says that it is ready");
        let address = ready.strip_prefix("uproar: listening on ").and_then(|rest| rest.split(' ').next());
        Self { _program: program, address: address.unwrap_or_else(|| panic!("{ready}")).to_owned() }
    }
}

/// A client between pipes.
struct Piped {
    program: Program,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    errors: Receiver<String>,
}

impl Piped {
    fn start(address: &str) -> Self {
        let mut command = uproar();
        command
            .args(["chat", "--wait", "2s", address])
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

    fn write(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn next(&self) -> String {
        self.output.recv_timeout(PATIENCE).expect("another line")
    }

    fn check_end(mut self, code: i32, output: &[&str], errors: &[&str]) {
        let end = self.program.exit();
        assert_eq!(rest_of(&self.output), output);
        assert_eq!(rest_of(&self.errors), errors);
        assert_eq!(end.code(), Some(code));
    }
}

/// A client between pipes, and its connection to a server that is this test.
fn piped_to_test() -> (Piped, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Piped::start(&listener.local_addr().unwrap().to_string());
    (client, accept(&listener))
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

fn read_all(stream: &mut TcpStream) -> String {
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    all
}

#[test]
fn two_clients_talk_through_pipes() {
    let server = Server::start();
    let mut ann = Piped::start(&server.address);
    assert_eq!(ann.next(), "> Connected to the chat server (1 user online)");
    let mut bob = Piped::start(&server.address);
    assert_eq!(bob.next(), "> Connected to the chat server (2 users online)");
    let entered = ann.next();
    let name = entered.strip_prefix("> New user ").and_then(|rest| rest.split(' ').next()).unwrap();
    let name: SocketAddr = name.parse().unwrap();
    bob.write("hello — from Bob\n\nand again\n");
    assert_eq!(ann.next(), format!("[{name}] hello — from Bob"));
    assert_eq!(ann.next(), format!("[{name}] and again"));
    ann.write("hi\n");
    assert!(bob.next().ends_with("] hi"));
    // The last line needs no line feed, and the end of the input ends the client.
    bob.write("no line feed");
    bob.input = None;
    bob.check_end(0, &[], &[]);
    assert_eq!(ann.next(), format!("[{name}] no line feed"));
    assert_eq!(ann.next(), format!("< The user {name} left (1 user online)"));
    ann.input = None;
    ann.check_end(0, &[], &[]);
}

#[test]
fn a_failure_to_connect_is_one_line() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = format!(
        "uproar: cannot connect to {free}: connection refused; \
         is the server running? start it with: uproar serve {free}"
    );
    Piped::start(&free.to_string()).check_end(1, &[], &[&refused]);
    let wrong = "uproar: cannot connect to 8888: an address is IP:PORT, [IPv6]:PORT, NAME:PORT or :PORT";
    Piped::start("8888").check_end(1, &[], &[wrong]);
    let unknown = Piped::start("no..such..name:8888");
    let errors = rest_of(&unknown.errors);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("uproar: cannot connect to no..such..name:8888: "), "{errors:?}");
    unknown.check_end(1, &[], &[]);
}

#[test]
fn an_address_without_host_is_this_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Piped::start(&format!(":{}", listener.local_addr().unwrap().port()));
    let mut stream = accept(&listener);
    client.write("here\n");
    assert_eq!(read_line(&mut stream), "here");
}

#[test]
fn a_server_that_closes_before_the_end_of_the_input_is_a_failure() {
    let (client, mut stream) = piped_to_test();
    stream.write_all(b"> hello\nand a tail").unwrap();
    drop(stream);
    client.check_end(1, &["> hello", "and a tail"], &[CLOSED]);
}

#[test]
fn a_server_that_closes_without_reading_to_the_end_is_a_failure() {
    let (mut client, stream) = piped_to_test();
    client.write("never read\n");
    client.input = None;
    // With unread bytes, closing resets the connection.
    while stream.peek(&mut [0; 16]).unwrap() < 11 {}
    drop(stream);
    client.check_end(1, &[], &[CLOSED]);
}

#[test]
fn a_server_that_closes_after_the_end_of_the_input_is_a_success() {
    let (mut client, mut stream) = piped_to_test();
    client.write("as it is\r\n\n  \tlast");
    client.input = None;
    assert_eq!(read_all(&mut stream), "as it is\r\n\n  \tlast\n");
    stream.write_all("all said\nwithout line feed: é".as_bytes()).unwrap();
    drop(stream);
    client.check_end(0, &["all said", "without line feed: é"], &[]);
}

#[test]
fn a_server_that_never_closes_is_not_waited_for_for_ever() {
    let (mut client, stream) = piped_to_test();
    client.input = None;
    let words = "uproar: the server has not closed within 2s; it may not have taken the last lines";
    client.check_end(1, &[], &[words]);
    drop(stream);
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_client_quietly() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = uproar();
    command.args(["chat", &listener.local_addr().unwrap().to_string()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let errors = lines_of(child.stderr.take().unwrap());
    let mut client = Program(child);
    let mut stream = accept(&listener);
    stream.write_all(b"one\ntwo\n").unwrap();
    assert_eq!(client.exit().code(), Some(0));
    assert_eq!(rest_of(&errors), [""; 0]);
}

#[test]
fn what_a_hostile_server_sends_is_made_harmless() {
    let (client, mut stream) = piped_to_test();
    for piece in [
        &b"\x1b]0;title\x07\x1b[2Jplain\rtext\x08\x7f\n"[..],
        b"\xc2\x9b31m C1, \xff\xfe invalid\n",
        b"a character in two pieces: \xc3",
        b"\xa9\ttab\r\n",
    ] {
        stream.write_all(piece).unwrap();
        // A read of its own, most likely; it must not matter.
        thread::yield_now();
    }
    drop(stream);
    let expected = ["]0;title[2Jplaintext", "31m C1, \u{fffd} invalid", "a character in two pieces: é\ttab"];
    client.check_end(1, &expected, &[CLOSED]);
}

#[test]
fn a_line_without_end_is_shown_in_pieces() {
    let (client, mut stream) = piped_to_test();
    let text = "é".repeat(1 << 20);
    stream.write_all(text.as_bytes()).unwrap();
    // It is shown before it ends, so it is not gathered in memory.
    let first = client.next();
    assert!(!first.is_empty() && first.len() < 1 << 20);
    drop(stream);
    let mut shown = vec![first];
    shown.append(&mut rest_of(&client.output));
    assert_eq!(shown.concat(), text);
    client.check_end(1, &[], &[CLOSED]);
}

#[test]
fn a_server_that_does_not_read_is_heard_all_the_same() {
    let (mut client, mut stream) = piped_to_test();
    let line = "x".repeat(999) + "\n";
    let count = 30_000;
    let mut input = client.input.take().unwrap();
    let expected = line.len() * count;
    let writer = thread::spawn(move || {
        for _ in 0..count {
            input.write_all(line.as_bytes()).unwrap();
        }
    });
    // Thirty megabytes are more than two sockets and a pipe hold, so the client is held up from some point on.
    for number in 0..100 {
        stream.write_all(format!("{number}\n").as_bytes()).unwrap();
        assert_eq!(client.next(), number.to_string());
    }
    assert!(!writer.is_finished(), "the client is held up");
    assert_eq!(read_all(&mut stream).len(), expected);
    writer.join().unwrap();
    drop(stream);
    client.check_end(0, &[], &[]);
}

/// A client on a pseudo-terminal, and its connection to a server that is this test.
struct Screen {
    program: Program,
    keyboard: File,
    terminal: OwnedFd,
    display: Arc<Mutex<vt100::Parser>>,
    stream: TcpStream,
}

const COLUMNS: NonZero<u16> = NonZero::new(60).unwrap();
/// So many that nothing ever scrolls away.
const ROWS: NonZero<u16> = NonZero::new(2000).unwrap();

impl Screen {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let size = Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).unwrap();
        let mut command = uproar();
        command.args(["chat", &listener.local_addr().unwrap().to_string()]).env("TERM", "xterm-256color");
        command.stdin(pair.slave.try_clone().unwrap()).stdout(pair.slave.try_clone().unwrap());
        let program = Program(command.stderr(Stdio::piped()).spawn().unwrap());
        let display = Arc::new(Mutex::new(vt100::Parser::new(ROWS, COLUMNS, 0)));
        let mut output = File::from(pair.master.try_clone().unwrap());
        thread::spawn({
            let display = Arc::clone(&display);
            move || {
                let mut chunk = [0; 4096];
                while let Ok(length @ 1..) = output.read(&mut chunk) {
                    display.lock().unwrap().process(&chunk[..length]);
                }
            }
        });
        let keyboard = File::from(pair.master);
        let screen = Self { program, keyboard, terminal: pair.slave, display, stream: accept(&listener) };
        screen.wait_for(&["[You]"]);
        screen
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// The server says something.
    fn hear(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// The rows that have something on them, without trailing spaces.
    fn rows(&self) -> Vec<String> {
        let contents = self.display.lock().unwrap().screen().contents();
        contents.trim_end().lines().map(|row| row.trim_end().to_owned()).collect()
    }

    fn wait_for(&self, rows: &[&str]) {
        self.wait_until(|screen| screen.rows() == rows, &format!("{rows:#?}"));
    }

    fn wait_until(&self, is_so: impl Fn(&Self) -> bool, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "the screen is {:#?}, not {what}", self.rows());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The row and the column of the cursor.
    fn cursor(&self) -> (u16, u16) {
        self.display.lock().unwrap().screen().cursor_position()
    }

    /// Whether the terminal echoes and edits lines itself, as it did at first.
    fn is_restored(&self) -> bool {
        let flags = tcgetattr(&self.terminal).unwrap().local_flags;
        flags.contains(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG)
    }

    fn check_end(mut self, rows: &[&str]) {
        assert_eq!(self.program.exit().code(), Some(0));
        assert!(self.is_restored(), "the terminal is what it was");
        self.wait_for(rows);
        let (row, column) = self.cursor();
        assert_eq!((usize::from(row), column), (rows.len(), 0), "the shell's prompt stands below");
    }
}

#[test]
fn a_line_that_arrives_leaves_the_line_being_typed_alone() {
    let mut screen = Screen::start();
    assert!(!screen.is_restored(), "the editor is at work");
    screen.hear("> Connected to the chat server (2 users online)\n");
    screen.wait_for(&["> Connected to the chat server (2 users online)", "[You]"]);
    screen.press("half a lie\x1b[D");
    screen.wait_for(&["> Connected to the chat server (2 users online)", "[You] half a lie"]);
    screen.hear("[127.0.0.1:2] one\n[127.0.0.1:2] two\n[127.0.0.1:2] not whole");
    screen.hear(" yet\n");
    let mut rows = vec![
        "> Connected to the chat server (2 users online)",
        "[127.0.0.1:2] one",
        "[127.0.0.1:2] two",
        "[127.0.0.1:2] not whole yet",
        "[You] half a lie",
    ];
    screen.wait_for(&rows);
    screen.wait_until(|screen| screen.cursor() == (4, 15), "the cursor before the last character");
    screen.press("n\r");
    assert_eq!(read_line(&mut screen.stream), "half a line");
    rows[4] = "[You] half a line";
    rows.push("[You]");
    screen.wait_for(&rows);
    screen.wait_until(|screen| screen.cursor() == (5, 6), "the cursor behind the prompt");
}

#[test]
fn a_line_longer_than_the_screen_is_wide_is_left_alone_too() {
    let mut screen = Screen::start();
    // The editor and the terminal break rows in ways of their own, so only what stands on them is compared.
    let wait_for = |screen: &Screen, text: String| screen.wait_until(|screen| screen.rows().concat() == text, &text);
    let text = "long-".repeat(40);
    screen.press(&text);
    wait_for(&screen, format!("[You] {text}"));
    let arrival = format!("[127.0.0.1:2] {}", "x".repeat(150));
    screen.hear(&format!("{arrival}\n{arrival}\n"));
    wait_for(&screen, format!("{arrival}{arrival}[You] {text}"));
    screen.press("\r");
    assert_eq!(read_line(&mut screen.stream), text);
    wait_for(&screen, format!("{arrival}{arrival}[You] {text}[You]"));
}

#[test]
fn keys_typed_ahead_are_lines_and_the_arrow_keys_bring_them_back() {
    let mut screen = Screen::start();
    screen.press("one\rtwo\rthree\rfo");
    for line in ["one", "two", "three"] {
        assert_eq!(read_line(&mut screen.stream), line);
    }
    screen.wait_for(&["[You] one", "[You] two", "[You] three", "[You] fo"]);
    screen.press("ur\r\x1b[A\x1b[A\x1b[A\x1b[B");
    screen.wait_for(&["[You] one", "[You] two", "[You] three", "[You] four", "[You] three"]);
    screen.press("\x1b[200~ and\npasted\r\x1b[201~\r");
    for line in ["four", "three and", "pasted"] {
        assert_eq!(read_line(&mut screen.stream), line);
    }
}

#[test]
fn nothing_is_lost_or_written_twice_while_both_sides_talk() {
    let mut screen = Screen::start();
    let heard: Vec<String> = (0..1000).map(|number| format!("[127.0.0.1:2] {number}")).collect();
    let typed: Vec<String> = (0..200).map(|number| format!("line {number}")).collect();
    let mut stream = screen.stream.try_clone().unwrap();
    let server = thread::spawn({
        let heard = heard.clone();
        move || {
            for line in heard {
                writeln!(stream, "{line}").unwrap();
                thread::sleep(Duration::from_micros(300));
            }
        }
    });
    for line in &typed {
        screen.press(&format!("{line}\r"));
        assert_eq!(read_line(&mut screen.stream), *line);
    }
    server.join().unwrap();
    screen.hear("> done\n");
    let is_done = |screen: &Screen| screen.rows().ends_with(&["> done".to_owned(), "[You]".to_owned()]);
    screen.wait_until(is_done, "a prompt below the last line");
    let (own, others): (Vec<String>, Vec<String>) = screen.rows().into_iter().partition(|row| row.starts_with("[You]"));
    check_rows(&others, heard.iter().cloned().chain(["> done".to_owned()]));
    check_rows(&own, typed.iter().map(|line| format!("[You] {line}")).chain(["[You]".to_owned()]));
}

fn check_rows(rows: &[String], expected: impl Iterator<Item = String>) {
    let expected: Vec<String> = expected.collect();
    let wrong = rows.iter().zip(&expected).position(|(row, expected)| row != expected);
    if let Some(wrong) = wrong {
        panic!("{:#?} instead of {:#?}", &rows[wrong..rows.len().min(wrong + 5)], expected[wrong]);
    }
    assert_eq!(rows.len(), expected.len());
}

#[test]
fn an_empty_line_and_the_control_keys_leave() {
    for (keys, rows) in [
        ("bye\r\r", &["[You] bye", "[You]", "You have been disconnected."][..]),
        ("bye\r\x04", &["[You] bye", "[You]", "You have been disconnected."]),
        ("bye\r\x03", &["[You] bye", "[You]", "KeyboardInterrupt"]),
        ("bye\rhalf\x03", &["[You] bye", "[You] half", "KeyboardInterrupt"]),
    ] {
        let mut screen = Screen::start();
        screen.press(keys);
        assert_eq!(read_all(&mut screen.stream), "bye\n", "what was typed is sent, then the connection is closed");
        screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
        screen.check_end(rows);
    }
}

#[test]
fn a_server_that_closes_ends_the_client_and_restores_the_terminal() {
    for round in 0..20 {
        let mut screen = Screen::start();
        let last = "! the server is stopping";
        if round % 2 == 1 {
            screen.press("half a line");
            screen.wait_for(&["[You] half a line"]);
        }
        screen.hear("> hello\n");
        screen.hear(last);
        screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
        screen.check_end(&["> hello", last, CLOSED]);
    }
}

#[test]
fn a_signal_ends_the_client_and_restores_the_terminal() {
    for (signal, words) in [(Signal::SIGTERM, "You have been disconnected."), (Signal::SIGINT, "KeyboardInterrupt")] {
        let mut screen = Screen::start();
        screen.press("half");
        screen.wait_for(&["[You] half"]);
        kill(Pid::from_raw(screen.program.0.id().try_into().unwrap()), signal).unwrap();
        screen.check_end(&["[You] half", words]);
    }
}

#[test]
fn a_client_that_was_stopped_takes_the_terminal_again() {
    let mut screen = Screen::start();
    screen.hear("> hello\n");
    screen.press("half");
    screen.wait_for(&["> hello", "[You] half"]);
    // What a shell does while its job is stopped.
    let mut shell = tcgetattr(&screen.terminal).unwrap();
    shell.local_flags.insert(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
    tcsetattr(&screen.terminal, SetArg::TCSANOW, &shell).unwrap();
    kill(Pid::from_raw(screen.program.0.id().try_into().unwrap()), Signal::SIGCONT).unwrap();
    screen.wait_until(|screen| !screen.is_restored(), "of an editor");
    screen.press(" a line\r");
    assert_eq!(read_line(&mut screen.stream), "half a line");
    screen.wait_for(&["> hello", "[You] half a line", "[You]"]);
}

#[test]
fn a_terminal_that_cannot_edit_lines_gets_plain_ones() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let pair = openpty(None, None).unwrap();
    let mut command = uproar();
    command.args(["chat", &listener.local_addr().unwrap().to_string()]).env("TERM", "dumb");
    command.stdin(pair.slave.try_clone().unwrap()).stdout(pair.slave).stderr(Stdio::piped());
    let mut client = Program(command.spawn().unwrap());
    drop(command);
    let mut stream = accept(&listener);
    stream.write_all(b"> hello\n").unwrap();
    let mut terminal = File::from(pair.master);
    let output = lines_of(terminal.try_clone().unwrap());
    assert_eq!(output.recv_timeout(PATIENCE).unwrap(), "> hello");
    terminal.write_all(b"typed\n\x04").unwrap();
    assert_eq!(read_all(&mut stream), "typed\n");
    drop(stream);
    assert_eq!(client.exit().code(), Some(0));
}
