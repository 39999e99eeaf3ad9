//! The terminal client on a terminal, where the server speaks JSON: the server is the test, and breaks the connection,
//! or the test stands between the client and the real one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::Signal;

use crate::support::chat::{CLOSED, Piped, Server, read_all, read_line};
use crate::support::screen::Screen;

const TEXT_WELCOME: &str = "> Connected to the chat server (3 users online)";
const BROKE: &str = "! the connection broke; coming back";
const TOKEN: &str = r#"{"kind":"token","token":"T1","seconds":60}"#;

fn welcome(room: &str, id: &str, n: u64) -> String {
    format!(r#"{{"kind":"welcome","room":"{room}","epoch":"e1","online":3,"id":"{id}","name":"x","n":{n},"t":1}}"#)
}

fn message(n: u64, from: &str, id: &str, text: &str) -> String {
    format!(r#"{{"n":{n},"t":1,"kind":"message","from":"{from}","id":"{id}","text":"{text}"}}"#)
}

/// A client in the lobby, with a token and a prompt.
fn start(options: &[&str], variables: &[(&str, &str)]) -> Screen {
    let mut screen = Screen::open(80, options, variables);
    assert_eq!(read_line(&mut screen.stream), "/format json");
    hear(&mut screen, &[TEXT_WELCOME, &welcome("lobby", "a1", 10)]);
    if !options.contains(&"--no-reconnect") {
        assert_eq!(read_line(&mut screen.stream), "/token");
        hear(&mut screen, &[TOKEN]);
    }
    screen.wait_for(&[TEXT_WELCOME, "lobby  3 [You]"]);
    screen
}

fn hear(screen: &mut Screen, lines: &[&str]) {
    lines.iter().for_each(|line| screen.hear(&format!("{line}\n")));
}

/// The connection breaks, the client comes back and asks to resume from `n`; nothing of the lobby is shown meanwhile.
fn break_and_come_back(screen: &mut Screen, n: u64) {
    screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
    screen.accept_again();
    assert_eq!(read_line(&mut screen.stream), "/format json");
    hear(screen, &[TEXT_WELCOME, &welcome("lobby", "b0", 99), &message(100, "eve", "z", "in the lobby")]);
    assert_eq!(read_line(&mut screen.stream), format!("/resume T1 {n}"));
}

#[test]
fn a_line_that_was_typed_stands_without_the_room_and_the_count_follows_the_room() {
    let mut screen = start(&[], &[]);
    screen.press("hello\r");
    assert_eq!(read_line(&mut screen.stream), "hello");
    screen.wait_for(&[TEXT_WELCOME, "[You] hello", "lobby  3 [You]"]);
    hear(&mut screen, &[r#"{"kind":"said","n":11,"t":1}"#, &message(12, "bob", "z", "hi")]);
    hear(&mut screen, &[r#"{"after":12,"t":1,"kind":"entered","from":"ann","id":"c","online":44}"#]);
    let mut rows =
        vec![TEXT_WELCOME, "[You] hello", "[bob] hi", "> New user ann entered. (44 users online)", "lobby 44 [You]"];
    screen.wait_for(&rows);
    screen.wait_until(|screen| screen.cursor() == (4, 15), "the cursor behind the prompt");
    let long = "x".repeat(100);
    screen.press(&format!("/join den\r{long}"));
    assert_eq!(read_line(&mut screen.stream), "/join den");
    hear(&mut screen, &[&welcome("den", "a1", 1).replace("online\":3", "online\":1")]);
    rows.splice(4.., ["[You] /join den", "> Joined den (1 user online)"]);
    let rest = format!("den  1 [You] {long}");
    let (first, second) = rest.split_at(80);
    rows.extend([first, second]);
    screen.wait_for(&rows);
    screen.press("\r");
    assert_eq!(read_line(&mut screen.stream), "/token");
    assert_eq!(read_line(&mut screen.stream), long);
    rows.push("den  1 [You]");
    screen.wait_for(&rows);
}

#[test]
fn a_break_keeps_the_draft_and_a_resume_brings_what_was_missed_and_sends_again_what_was_not_said() {
    let mut screen = start(&[], &[]);
    screen.press("one\rtwo\rhalf");
    assert_eq!(read_line(&mut screen.stream), "one");
    assert_eq!(read_line(&mut screen.stream), "two");
    screen.wait_for(&[TEXT_WELCOME, "[You] one", "[You] two", "lobby  3 [You] half"]);
    screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
    screen.wait_for(&[TEXT_WELCOME, "[You] one", "[You] two", BROKE, "lobby .. [You] half"]);
    screen.press(" a line\rdra");
    screen.accept_again();
    assert_eq!(read_line(&mut screen.stream), "/format json");
    hear(&mut screen, &[TEXT_WELCOME, &welcome("lobby", "b0", 99), &message(100, "eve", "z", "in the lobby")]);
    assert_eq!(read_line(&mut screen.stream), "/resume T1 10");
    hear(&mut screen, &[&welcome("lobby", "b1", 13), &message(11, "ann", "z", "hi"), &message(12, "x", "a1", "one")]);
    hear(&mut screen, &[&message(13, "ann", "z", "\\u001b[2Jbye")]);
    for line in ["/token", "two", "half a line"] {
        assert_eq!(read_line(&mut screen.stream), line);
    }
    let rows = [
        TEXT_WELCOME,
        "[You] one",
        "[You] two",
        BROKE,
        "[You] half a line",
        "! connected again",
        "[ann] hi",
        "[ann] [2Jbye",
        "! 1 line that had not been said is sent again",
        "lobby  3 [You] dra",
    ];
    screen.wait_for(&rows);
    screen.press("ft\r");
    assert_eq!(read_line(&mut screen.stream), "draft");
}

#[test]
fn messages_that_are_gone_are_counted() {
    let mut screen = start(&[], &[]);
    break_and_come_back(&mut screen, 10);
    hear(&mut screen, &[&welcome("lobby", "b1", 97), r#"{"kind":"missed","from":11,"to":97,"count":87}"#]);
    let rows = [TEXT_WELCOME, BROKE, "! connected again", "! you missed 87 messages", "lobby  3 [You]"];
    screen.wait_for(&rows);
}

#[test]
fn a_client_that_was_replaced_says_so_and_does_not_come_back() {
    let mut screen = start(&[], &[]);
    hear(&mut screen, &[r#"{"kind":"replaced","text":"another connection has resumed this one"}"#]);
    screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
    screen.check_end(1, &[TEXT_WELCOME, "! another connection has resumed this one", CLOSED]);
}

#[test]
fn a_client_that_is_not_to_come_back_ends() {
    let screen = start(&["--no-reconnect"], &[]);
    screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
    screen.check_end(1, &[TEXT_WELCOME, CLOSED]);
}

#[test]
fn a_user_may_leave_while_there_is_no_connection() {
    for (keys, code, rows) in [
        ("\x04", 0, &["lobby .. [You]", "You have been disconnected."][..]),
        (
            "bye\r\x04",
            1,
            &["[You] bye", "lobby .. [You]", "You have been disconnected.", "! 1 line that you typed was not sent"],
        ),
    ] {
        let mut screen = start(&[], &[]);
        // Nobody listens any more.
        screen.listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
        screen.wait_for(&[TEXT_WELCOME, BROKE, "lobby .. [You]"]);
        screen.press(keys);
        screen.check_end(code, &[&[TEXT_WELCOME, BROKE], rows].concat());
    }
    let mut screen = start(&[], &[]);
    screen.listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
    screen.wait_for(&[TEXT_WELCOME, BROKE, "lobby .. [You]"]);
    screen.program.signal(Signal::TERM);
    assert_eq!(screen.program.exit().code(), Some(0));
}

#[test]
fn leaving_tells_the_server_that_nobody_comes_back() {
    let mut screen = start(&[], &[]);
    screen.press("bye\r\r");
    assert_eq!(read_all(&mut screen.stream), "bye\n/quit\n");
    hear(&mut screen, &[r#"{"kind":"said","n":11,"t":1}"#, r#"{"kind":"notice","code":"goodbye","text":"goodbye"}"#]);
    screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
    screen.check_end(0, &[TEXT_WELCOME, "[You] bye", "[You]", "You have been disconnected."]);
}

#[test]
fn tab_completes_commands_and_names_and_what_arrives_meanwhile_is_shown() {
    let mut screen = start(&[], &[]);
    hear(&mut screen, &[&message(11, "bob", "z", "hi"), &message(12, "bert", "y", "hello")]);
    screen.wait_for(&[TEXT_WELCOME, "[bob] hi", "[bert] hello", "lobby  3 [You]"]);
    screen.press("/ms\tB\t");
    screen.wait_for(&[TEXT_WELCOME, "[bob] hi", "[bert] hello", "lobby  3 [You] /msg bert"]);
    hear(&mut screen, &[&message(13, "ann", "w", "all the while")]);
    let mut rows = vec![TEXT_WELCOME, "[bob] hi", "[bert] hello", "[ann] all the while", "lobby  3 [You] /msg bert"];
    screen.wait_for(&rows);
    screen.press("\t");
    rows[4] = "lobby  3 [You] /msg bob";
    screen.wait_for(&rows);
    screen.press(" psst\r");
    assert_eq!(read_line(&mut screen.stream), "/msg bob psst");
}

/// The colour of the character in a row and a column.
fn colour(screen: &Screen, row: u16, column: u16) -> vt100::Color {
    screen.display.lock().unwrap().screen().cell(row, column).expect("it is on the screen").fgcolor()
}

#[test]
fn names_have_colours_and_no_color_takes_them_away() {
    for (variables, is_coloured) in [(&[][..], true), (&[("NO_COLOR", "1")], false), (&[("NO_COLOR", "")], true)] {
        let mut screen = start(&[], variables);
        hear(
            &mut screen,
            &[&message(11, "bob", "z", "hi"), &message(12, "ann", "y", "hi"), &message(13, "bob", "z", "!")],
        );
        screen.wait_for(&[TEXT_WELCOME, "[bob] hi", "[ann] hi", "[bob] !", "lobby  3 [You]"]);
        assert_eq!(colour(&screen, 1, 1), colour(&screen, 3, 3), "a name keeps its colour");
        assert_eq!(colour(&screen, 1, 1) != vt100::Color::Default, is_coloured);
        assert_eq!(colour(&screen, 1, 1) != colour(&screen, 2, 1), is_coloured);
        assert_eq!(colour(&screen, 1, 0), vt100::Color::Default);
        assert_eq!(colour(&screen, 1, 6), vt100::Color::Default, "what is said is not coloured");
        let is_dim = screen.display.lock().unwrap().screen().cell(4, 0).unwrap().dim();
        assert_eq!(is_dim, is_coloured);
    }
}

#[test]
fn a_server_that_does_not_speak_json_has_the_bare_prompt() {
    let mut screen = Screen::open(80, &["--room", "den"], &[]);
    assert_eq!(read_line(&mut screen.stream), "/format json");
    hear(&mut screen, &[TEXT_WELCOME, "! unknown command: /format"]);
    let why = "! --nick and --room were not sent: this server does not speak JSON; with";
    screen.wait_for(&[TEXT_WELCOME, why, "    --plain they are sent unasked", "[You]"]);
    screen.press("hello\r");
    assert_eq!(read_line(&mut screen.stream), "hello");
    screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
    let rows = [TEXT_WELCOME, why, "    --plain they are sent unasked", "[You] hello", CLOSED];
    screen.check_end(1, &rows);
}

/// Connects the client with the real server. What the client sends is swallowed while `is_deaf`.
fn relay(screen: &Screen, server: &Server, is_deaf: &Arc<AtomicBool>) {
    let up = TcpStream::connect(&server.address).unwrap();
    let pump = |mut from: TcpStream, mut to: TcpStream, is_deaf: Arc<AtomicBool>| {
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut chunk) {
                if !is_deaf.load(Ordering::SeqCst) && to.write_all(&chunk[..length]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    };
    pump(screen.stream.try_clone().unwrap(), up.try_clone().unwrap(), Arc::clone(is_deaf));
    pump(up, screen.stream.try_clone().unwrap(), Arc::default());
}

#[test]
fn the_real_server_brings_a_client_back_and_nothing_is_said_twice_or_lost() {
    let server = Server::start(&[]);
    let mut ann = Piped::start(&server.address);
    assert_eq!(ann.next(), "> Connected to the chat server (1 user online)");
    let eve = Piped::start(&server.address);
    assert_eq!(eve.next(), "> Connected to the chat server (2 users online)");
    ann.next();
    let is_deaf = Arc::<AtomicBool>::default();
    let mut screen = Screen::open(80, &["--nick", "bob", "--room", "LOBBY"], &[]);
    relay(&screen, &server, &is_deaf);
    let mut rows = vec!["> Connected to the chat server (3 users online)", "! you are bob", "lobby  3 [You]"];
    screen.wait_for(&rows);
    assert!(ann.next().ends_with(" entered. (3 users online)") && ann.next().ends_with(" is now known as bob"));
    screen.press("one\r");
    assert_eq!(ann.next(), "[bob] one");
    // The first of two lines reaches the server, and the client does not hear of it.
    server.program.signal(Signal::STOP);
    screen.press("two\r");
    rows.splice(2.., ["[You] one", "[You] two", "lobby  3 [You]"]);
    screen.wait_for(&rows);
    is_deaf.store(true, Ordering::SeqCst);
    screen.press("three\r");
    rows.splice(4.., ["[You] three", "lobby  3 [You]"]);
    screen.wait_for(&rows);
    screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
    rows.splice(5.., [BROKE, "lobby .. [You]"]);
    screen.wait_for(&rows);
    server.program.signal(Signal::CONT);
    assert_eq!(ann.next(), "[bob] two");
    assert_eq!(ann.next(), "< The user bob left (2 users online)");
    ann.write("are you there?\n");
    assert!((0..20).any(|_| eve.next().ends_with("] are you there?")), "it is said before the client is back");
    screen.press("four\r");
    screen.accept_again();
    is_deaf.store(false, Ordering::SeqCst);
    relay(&screen, &server, &is_deaf);
    assert!(ann.next().ends_with(" entered. (3 users online)") && ann.next().ends_with(" is now known as bob"));
    assert_eq!(ann.next(), "[bob] three");
    assert_eq!(ann.next(), "[bob] four");
    let is_question = |row: &String| row.ends_with("] are you there?");
    screen.wait_until(|screen| screen.rows().iter().any(is_question), "what was missed");
    let question = screen.rows().into_iter().find(is_question).expect("it is there");
    let again = "! 1 line that had not been said is sent again";
    rows.splice(6.., ["[You] four", "! connected again", &question, again, "lobby  3 [You]"]);
    screen.wait_for(&rows);
}
