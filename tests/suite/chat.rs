//! The terminal client through pipes: against the real server and against servers that misbehave. On a terminal it is
//! `terminal.rs`.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::chat::{
    CLOSED, Piped, Program, Server, accept, lines_of, piped_to_test, read_all, read_line, rest_of, uproar,
};

#[test]
fn two_clients_talk_through_pipes() {
    let server = Server::start(&[]);
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
    let wrong = "uproar: cannot connect to 8888: a port alone is no address; \
                 write :8888 for this machine, or HOST:8888";
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
    client.check_end(1, &[], &[CLOSED, "uproar: 1 line was read from the input, it may not have been said"]);
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
    client.check_end(1, &[], &["uproar: the server has not closed within 2s"]);
    drop(stream);
}

/// A client that is given two lines, and nothing more.
fn say_two_lines(address: &str) -> Piped {
    let mut client = Piped::start(address);
    client.write("hello\nit is me\n");
    client.input = None;
    client
}

const TWO_LINES_LOST: &str = "uproar: 2 lines were read from the input, the last of them may not have been said";

#[test]
fn lines_that_a_full_server_refuses_are_a_failure_and_counted() {
    // Descriptors for one member beside those that the server keeps for itself.
    let serve = format!("ulimit -n 33; exec {} serve 127.0.0.1:0 --transcript off", env!("CARGO_BIN_EXE_uproar"));
    let mut command = Command::new("sh");
    command.args(["-c", &serve]);
    let server = Server::spawn(command);
    let ann = Piped::start(&server.address);
    assert_eq!(ann.next(), "> Connected to the chat server (1 user online)");
    let bob = say_two_lines(&server.address);
    check_refused(bob, "the house is full");
    let mut nobody = Piped::start(&server.address);
    nobody.input = None;
    assert_eq!(nobody.program.exit().code(), Some(1), "a client with no input is refused too");
}

/// The server says why it refuses, and the client's last error says it too. Whether it reports more depends on timing.
fn check_refused(mut client: Piped, why: &str) {
    assert_eq!(client.program.exit().code(), Some(1));
    assert_eq!(rest_of(&client.output).last(), Some(&format!("! {why}")));
    assert_eq!(rest_of(&client.errors).last(), Some(&format!("uproar: 2 lines were not said: {why}")));
}

#[test]
fn lines_that_a_limit_of_an_address_refuses_are_a_failure_and_counted() {
    let server = Server::start(&["--connections-per-address", "1", "--limit-loopback"]);
    let ann = Piped::start(&server.address);
    assert_eq!(ann.next(), "> Connected to the chat server (1 user online)");
    check_refused(say_two_lines(&server.address), "too many connections from your address");
    assert!(ann.output.try_recv().is_err(), "nobody hears of it");
}

#[test]
fn an_input_that_looks_like_http_is_refused_and_counted() {
    let server = Server::start(&[]);
    let mut client = Piped::start(&server.address);
    client.next();
    client.write("GET / HTTP/1.1\nHost: here\n");
    client.input = None;
    check_refused(client, "this is a chat server, not a web server: use nc, telnet or uproar chat");
}

#[test]
fn lines_that_are_too_long_are_a_failure_and_all_of_them_counted() {
    let server = Server::start(&["--line-bytes", "16", "--flood-rate", "0"]);
    let mut client = Piped::start(&server.address);
    client.next();
    // Many more than the server has notices for.
    for number in 0..200 {
        client.write(&format!("line {number}\nthis line is too long {number}\n"));
    }
    client.input = None;
    assert_eq!(client.program.exit().code(), Some(1));
    let errors = rest_of(&client.errors);
    assert_eq!(errors, ["uproar: 200 of 400 lines were not said: longer than 16 bytes"]);
}

#[test]
fn a_server_that_is_killed_with_lines_unread_is_a_failure() {
    let mut server = Server::start(&[]);
    let mut client = Piped::start(&server.address);
    client.next();
    server.program.signal(Signal::STOP);
    client.write("hello\nit is me\n");
    client.input = None;
    // The server's kernel has the lines long before this.
    thread::sleep(Duration::from_millis(300));
    server.program.0.kill().unwrap();
    client.check_end(1, &[], &[CLOSED, TWO_LINES_LOST]);
}

#[test]
fn a_server_that_is_stopped_is_a_failure() {
    let server = Server::start(&[]);
    server.program.signal(Signal::STOP);
    let client = say_two_lines(&server.address);
    client.check_end(1, &[], &["uproar: the server has not closed within 2s", TWO_LINES_LOST]);
}

#[test]
fn a_server_that_stops_while_it_holds_lines_back_is_a_failure() {
    let server = Server::start(&["--flood-rate", "1", "--flood-burst", "1"]);
    let mut client = say_two_lines(&server.address);
    client.next();
    assert_eq!(client.next(), "! slow down: your lines are delayed, not lost");
    server.program.signal(Signal::TERM);
    assert_eq!(client.program.exit().code(), Some(1));
    assert_eq!(rest_of(&client.output).last().unwrap(), "! the server is stopping");
    let told = format!("{TWO_LINES_LOST}: the server was stopping");
    assert!(rest_of(&client.errors).iter().any(|line| *line == told || *line == TWO_LINES_LOST));
}

#[test]
fn lines_that_the_server_holds_back_are_waited_for() {
    let server = Server::start(&["--flood-rate", "4", "--flood-burst", "1"]);
    let ann = Piped::start(&server.address);
    ann.next();
    let bob = say_two_lines(&server.address);
    bob.check_end(
        0,
        &["> Connected to the chat server (2 users online)", "! slow down: your lines are delayed, not lost"],
        &[],
    );
    ann.next();
    assert!(ann.next().ends_with("] hello") && ann.next().ends_with("] it is me"));
}

#[test]
fn a_closed_output_ends_the_client_quietly() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = uproar();
    command.args(["chat", "--plain", &listener.local_addr().unwrap().to_string()]);
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
fn lines_of_a_hostile_server_are_made_harmless() {
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
fn lines_of_a_server_that_does_not_read_are_shown() {
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
    // Thirty megabytes are more than two sockets and a pipe hold, so at some point the client has to wait.
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
