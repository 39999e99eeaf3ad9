//! The client over TLS, which a front of this test or haproxy ends: trust, talk, breaks, and servers that do not read.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::chat::{CLOSED, PATIENCE, Piped, Program, Server, accept, read_all, read_line, rest_of, uproar};
use crate::support::front::{Authority, Front, Identity};
use crate::support::screen::Screen;

const TEXT_WELCOME: &str = "> Connected to the chat server (3 users online)";
const TOKEN: &str = r#"{"kind":"token","token":"T1","seconds":60}"#;

fn welcome(id: &str, n: u64) -> String {
    format!(r#"{{"kind":"welcome","room":"lobby","epoch":"e1","online":3,"id":"{id}","name":"x","n":{n},"t":1}}"#)
}

/// What a client says that must not come to talk.
fn refusal(address: &str, options: &[&str]) -> String {
    let mut client = Piped::start_with(address, &[&["--tls", "--plain"], options].concat());
    assert_eq!(client.program.exit().code(), Some(1));
    assert!(rest_of(&client.output).is_empty());
    rest_of(&client.errors).join("\n")
}

/// Both kinds of front, as far as they are there.
fn fronts(authority: &Authority, to: &str) -> Vec<Front> {
    let identity = authority.sign(&["localhost"]);
    [Some(Front::own(&identity, to)), Front::haproxy(&identity, to)].into_iter().flatten().collect()
}

#[test]
fn two_people_talk_over_tls_and_all_of_an_input_counts_as_said() {
    let authority = Authority::new();
    let server = Server::start(&[]);
    for front in fronts(&authority, &server.address) {
        let mut plain = Piped::start(&server.address);
        assert!(plain.next().starts_with("> Connected"));
        let ca = authority.file();
        let mut bob = Piped::start_with(&front.address, &["--tls", "--tls-ca", &ca, "--nick", "bob"]);
        bob.write("hello\n");
        let heard = loop {
            let line = plain.next();
            if line.starts_with("[bob] ") {
                break line;
            }
        };
        assert_eq!(heard, "[bob] hello");
        plain.write("hi bob\n");
        while !bob.next().ends_with("] hi bob") {}
        let long: String = "x".repeat(4000) + "\n";
        bob.write(&long.repeat(5));
        bob.input = None;
        assert_eq!(bob.program.exit().code(), Some(0), "{:?}", rest_of(&bob.errors));
        let said = (0..).map(|_| plain.next()).take_while(|line| !line.starts_with("< ")).filter(|l| l.len() > 4000);
        assert_eq!(said.count(), 5);
        plain.input = None;
        assert_eq!(plain.program.exit().code(), Some(0));
    }
}

#[test]
fn a_server_that_does_not_prove_who_it_is_is_not_spoken_to_and_the_error_says_what_would_mend_it() {
    let authority = Authority::new();
    let ca = ["--tls-ca", &authority.file()];
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = nobody.local_addr().unwrap().to_string();
    let check = |identity: &Identity, options: &[&str], expected: &str| {
        let front = Front::own(identity, &to);
        let said = refusal(&front.address, options);
        assert_eq!(said, format!("uproar: cannot connect to {}: {expected}", front.address));
    };
    check(
        &authority.sign(&["localhost"]),
        &[],
        "the server's certificate is signed by nobody that this machine trusts; if you know who signed it, give that \
         certificate: --tls-ca FILE",
    );
    let other = Authority::new();
    check(
        &other.sign(&["localhost"]),
        &ca,
        &format!("the server's certificate is signed by none of those in {}", authority.file()),
    );
    check(
        &authority.sign(&["chat.example.org", "127.0.0.1"]),
        &ca,
        "the server's certificate is for chat.example.org, 127.0.0.1, not for localhost; if it is the same server, use \
         that name in its address",
    );
    check(
        &authority.sign_expired("localhost"),
        &ca,
        "the server's certificate has expired on 2021-02-03; its operator must renew it, unless the clock of this \
         machine is wrong",
    );
    check(
        &authority.sign_early("localhost"),
        &ca,
        "the server's certificate is not valid before 2120-01-01; is the clock of this machine right?",
    );
    let own = Identity::of_itself("localhost", true);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.pem").to_str().unwrap().to_owned();
    fs::write(&file, own.certificate_pem()).unwrap();
    check(
        &own,
        &["--tls-ca", &file],
        "the server shows the certificate of an authority as its own; its operator must make one for the server, with \
         openssl: -addext basicConstraints=critical,CA:FALSE",
    );
}

#[test]
fn a_certificate_that_has_signed_itself_is_trusted_when_it_is_given() {
    let server = Server::start(&[]);
    let own = Identity::of_itself("127.0.0.1", false);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.pem").to_str().unwrap().to_owned();
    fs::write(&file, own.certificate_pem()).unwrap();
    let front = Front::own(&own, &server.address);
    let address = format!("127.0.0.1:{}", front.port());
    let mut client = Piped::start_with(&address, &["--tls", "--tls-ca", &file]);
    client.input = None;
    assert_eq!(client.program.exit().code(), Some(0));
}

#[test]
fn a_peer_without_tls_is_told_of_and_does_not_hold_the_client() {
    let server = Server::start(&[]);
    let ask = "is its port one for TLS? a server without TLS is spoken to without --tls";
    let said = refusal(&server.address, &[]);
    let expected = format!("cannot connect to {}: what answers there does not speak TLS; {ask}", server.address);
    assert_eq!(said, format!("uproar: {expected}"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut hello = [0; 100];
        accept(&listener).read_exact(&mut hello).unwrap();
        // It says nothing for longer than it is waited for.
        let mut silent = accept(&listener);
        let _ = silent.read_to_end(&mut Vec::new());
    });
    let closed = refusal(&address, &[]);
    assert_eq!(
        closed,
        format!("uproar: cannot connect to {address}: the server closed instead of answering in TLS; {ask}")
    );
    assert_eq!(refusal(&address, &[]), format!("uproar: cannot connect to {address}: no answer in TLS; {ask}"));
}

#[test]
fn the_option_may_come_from_the_environment_and_the_file_needs_it() {
    let authority = Authority::new();
    let server = Server::start(&[]);
    let front = Front::own(&authority.sign(&["localhost"]), &server.address);
    let run = |variables: &[(&str, &str)], options: &[&str]| {
        let mut command = uproar();
        command.args(["chat", "--wait", "2s", &front.address]).args(options).envs(variables.iter().copied());
        command.stdin(Stdio::null()).output().unwrap()
    };
    let ca = authority.file();
    assert_eq!(run(&[("UPROAR_TLS", "true"), ("UPROAR_TLS_CA", &ca)], &[]).status.code(), Some(0));
    let alone = run(&[], &["--tls-ca", &ca]);
    assert_eq!(alone.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&alone.stderr).contains("--tls"));
    let missing = run(&[("UPROAR_TLS_CA", "/nowhere/ca.pem")], &["--tls"]);
    let error =
        "uproar: --tls-ca /nowhere/ca.pem: No such file or directory (os error 2); --tls-ca is from UPROAR_TLS_CA";
    assert_eq!(String::from_utf8_lossy(&missing.stderr).trim_end(), error);
    // The file that other programs know takes the place of this machine's.
    assert_eq!(run(&[("SSL_CERT_FILE", &ca)], &["--tls"]).status.code(), Some(0));
}

#[test]
fn an_end_without_a_word_counts_as_a_break_and_one_with_it_does_not() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let front = Front::own(&authority.sign(&["localhost"]), &listener.local_addr().unwrap().to_string());
    let options = ["--tls", "--tls-ca", &authority.file(), "--plain"];
    let mut client = Piped::start_with(&front.address, &options);
    let mut stream = accept(&listener);
    client.write("one\n");
    client.input = None;
    assert_eq!(read_all(&mut stream), "one\n");
    stream.write_all(b"> bye\n").unwrap();
    drop(stream);
    client.check_end(0, &["> bye"], &[]);
    let mut client = Piped::start_with(&front.address, &options);
    let mut stream = accept(&listener);
    client.write("one\n");
    client.input = None;
    assert_eq!(read_all(&mut stream), "one\n");
    front.cut();
    client.check_end(1, &[], &[CLOSED, "uproar: 1 line was read from the input, it may not have been said"]);
}

/// A client on a terminal, through a front, in the lobby with a token.
fn start(authority: &Authority) -> (Screen, Front) {
    let mut front = None;
    let options = ["--tls", "--tls-ca", &authority.file()];
    let mut screen = Screen::open_through(80, &options, &[], |to| {
        let made = front.insert(Front::own(&authority.sign(&["localhost"]), to));
        made.address.clone()
    });
    assert_eq!(read_line(&mut screen.stream), "/format json");
    hear(&mut screen, &[TEXT_WELCOME, &welcome("a1", 10)]);
    assert_eq!(read_line(&mut screen.stream), "/token");
    hear(&mut screen, &[TOKEN]);
    screen.wait_for(&[TEXT_WELCOME, "lobby  3 [You]"]);
    (screen, front.unwrap())
}

fn hear(screen: &mut Screen, lines: &[&str]) {
    lines.iter().for_each(|line| screen.hear(&format!("{line}\n")));
}

#[test]
fn a_break_is_resumed_over_a_new_connection_and_another_certificate_is_told_of_once() {
    let authority = Authority::new();
    let (mut screen, front) = start(&authority);
    screen.press("one\r");
    assert_eq!(read_line(&mut screen.stream), "one");
    front.become_another(&authority.sign(&["another.example"]));
    front.cut();
    let broke = "! the connection broke; coming back";
    let distrusted = [
        "! not connected: the server's certificate is for another.example, not for",
        "localhost; if it is the same server, use that name in its address",
    ];
    let seen = |screen: &Screen| screen.rows().iter().filter(|row| row.starts_with(distrusted[0])).count();
    screen.wait_until(|screen| seen(screen) == 1, distrusted[0]);
    // The attempts that come to the front come to this test too, which hears nothing from them.
    assert_eq!(read_all(&mut accept(&screen.listener)), "");
    assert_eq!(read_all(&mut accept(&screen.listener)), "");
    front.become_another(&authority.sign(&["localhost"]));
    let mut stream = accept(&screen.listener);
    let mut first = read_line(&mut stream);
    while first.is_empty() {
        stream = accept(&screen.listener);
        first = read_line(&mut stream);
    }
    screen.stream = stream;
    assert_eq!(first, "/format json");
    hear(&mut screen, &[TEXT_WELCOME, &welcome("b0", 99)]);
    assert_eq!(read_line(&mut screen.stream), "/resume T1 10");
    hear(&mut screen, &[&welcome("b1", 10)]);
    assert_eq!(read_line(&mut screen.stream), "/token");
    assert_eq!(read_line(&mut screen.stream), "one");
    screen.wait_until(|screen| screen.rows().last().is_some_and(|row| row == "lobby  3 [You]"), "the prompt");
    assert_eq!(seen(&screen), 1);
    assert_eq!(screen.rows()[2], broke);
}

#[test]
fn a_server_that_reads_nothing_stops_neither_the_typing_nor_the_printing() {
    let authority = Authority::new();
    let (mut screen, _front) = start(&authority);
    let line = "y".repeat(1000) + "\r";
    // More than the buffers of both sockets and of the front take.
    for _ in 0..30 {
        screen.press(&line.repeat(10));
        thread::sleep(Duration::from_millis(5));
    }
    hear(&mut screen, &[r#"{"n":11,"t":1,"kind":"message","from":"ann","id":"z","text":"still here"}"#]);
    screen.wait_until(|screen| screen.rows().iter().any(|row| row == "[ann] still here"), "a message");
    screen.press("\x03");
}

#[test]
fn leaving_sends_all_that_was_typed_and_the_end_of_it() {
    let authority = Authority::new();
    let (mut screen, _front) = start(&authority);
    screen.press("bye\r\x04");
    assert_eq!(read_all(&mut screen.stream), "bye\n/quit\n");
    screen.stream.shutdown(Shutdown::Both).unwrap();
    screen.check_end(0, &[TEXT_WELCOME, "[You] bye", "lobby  3 [You]", "You have been disconnected."]);
}

#[test]
fn a_real_server_behind_tls_brings_a_client_back_without_a_gap() {
    let authority = Authority::new();
    let server = Server::start(&[]);
    let front = Front::own(&authority.sign(&["localhost"]), &server.address);
    let mut plain = Piped::start(&server.address);
    assert!(plain.next().starts_with("> Connected"));
    // The screen's own listener is not used: the client goes to the real server.
    let terminal = Terminal::open(&front.address, &["--tls", "--tls-ca", &authority.file(), "--nick", "bob"]);
    // It has its token by then.
    terminal.wait_for("lobby  2");
    terminal.say("hello");
    while plain.next() != "[bob] hello" {}
    front.cut();
    plain.write("while you were away\n");
    terminal.wait_for("] while you were away");
    terminal.wait_for("! connected again");
}

/// A client on a pseudo-terminal whose screen is only searched.
struct Terminal {
    screen: Arc<Mutex<String>>,
    keyboard: fs::File,
    _program: Program,
    _pair: nix::pty::OpenptyResult,
}

impl Terminal {
    fn open(address: &str, options: &[&str]) -> Self {
        let size = nix::pty::Winsize { ws_row: 100, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = crate::support::terminal(Some(&size));
        let mut command = uproar();
        command.args(["chat", address]).args(options).env("TERM", "xterm-256color");
        command.stdin(pair.slave.try_clone().unwrap()).stdout(pair.slave.try_clone().unwrap());
        let program = Program(command.spawn().unwrap());
        let screen = Arc::new(Mutex::new(String::new()));
        let mut output = fs::File::from(pair.master.try_clone().unwrap());
        thread::spawn({
            let screen = Arc::clone(&screen);
            move || {
                let mut chunk = [0; 4096];
                while let Ok(length @ 1..) = output.read(&mut chunk) {
                    screen.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..length]));
                }
            }
        });
        Self { screen, keyboard: pair.master.try_clone().unwrap().into(), _program: program, _pair: pair }
    }

    fn say(&self, line: &str) {
        (&self.keyboard).write_all(format!("{line}\r").as_bytes()).unwrap();
    }

    fn wait_for(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.screen.lock().unwrap().contains(text) {
            assert!(Instant::now() < deadline, "{text} is not on {:?}", self.screen.lock().unwrap());
            thread::sleep(Duration::from_millis(5));
        }
    }
}
