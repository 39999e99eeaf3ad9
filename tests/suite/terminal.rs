//! The terminal client on a pseudo-terminal, whose screen the tests read. Its tests through pipes are in `chat.rs`.

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::support::chat::{CLOSED, PATIENCE, Program, accept, lines_of, read_all, read_line, uproar};
use crate::support::screen::Screen;

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
fn a_line_longer_than_the_screen_is_wide_goes_on_in_indented_rows() {
    let mut screen = Screen::start();
    let text = "long-".repeat(40);
    screen.press(&text);
    let draft = |screen: &Screen, from: usize| screen.rows()[from..].concat() == format!("[You] {text}");
    screen.wait_until(|screen| draft(screen, 0), "what is typed");
    let forged = format!("[127.0.0.1:2] {}[10.0.0.9:4242] I resign", " ".repeat(46));
    screen.hear(&format!("{forged}\n[127.0.0.1:3] {}\n", "x".repeat(100)));
    screen.wait_until(|screen| screen.rows().len() > 4 && draft(screen, 4), "the arrivals above what is typed");
    let (first, last) = ("x".repeat(46), "x".repeat(54));
    let rows = [
        "[127.0.0.1:2]".to_owned(),
        "    [10.0.0.9:4242] I resign".to_owned(),
        format!("[127.0.0.1:3] {first}"),
        format!("    {last}"),
    ];
    assert_eq!(screen.rows()[..4], rows);
    screen.press("\r");
    assert_eq!(read_line(&mut screen.stream), text);
}

#[test]
fn rows_are_as_long_as_the_window_is_wide_when_a_line_arrives() {
    let mut screen = Screen::start();
    let line = format!("[127.0.0.1:2] {}", "x".repeat(66));
    screen.resize(40);
    screen.hear(&format!("{line}\n"));
    let (first, second) = ("x".repeat(26), "x".repeat(36));
    let row = format!("[127.0.0.1:2] {first}");
    screen.wait_for(&[&row, &format!("    {second}"), "    xxxx", "[You]"]);
    screen.resize(80);
    screen.hear(&format!("{line}\n"));
    screen.wait_for(&[&row, &format!("    {second}"), "    xxxx", &line, "[You]"]);
}

#[test]
fn a_window_of_any_width_shows_lines_and_takes_them() {
    for columns in 1..=20 {
        let mut screen = Screen::start_with(columns, &[]);
        for line in
            ["[127.0.0.1:2] plain text", "[127.0.0.1:2] 漢字\tand e\u{301} 👩\u{200d}👧 🇩🇪", "[127.0.0.1:2] done"]
        {
            screen.hear(&format!("{line}\n"));
        }
        let done = |screen: &Screen| screen.rows().concat().replace(' ', "").contains("done[You]");
        screen.wait_until(done, "the last line above a prompt");
        let authors = screen.rows().iter().filter(|row| row.starts_with("[1")).count();
        assert!(authors == 3 || columns == 1, "{:#?}", screen.rows());
        screen.press("hello\r");
        assert_eq!(read_line(&mut screen.stream), "hello");
    }
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
fn an_empty_line_a_command_and_the_control_keys_leave() {
    for (keys, rows) in [
        ("bye\r\r", &["[You] bye", "[You]", "You have been disconnected."][..]),
        ("bye\r/quit\r", &["[You] bye", "[You] /quit", "You have been disconnected."]),
        ("bye\r\x04", &["[You] bye", "[You]", "You have been disconnected."]),
        ("bye\r\x03", &["[You] bye", "[You]", "KeyboardInterrupt"]),
        ("bye\rhalf\x03\x03", &["[You] bye", "[You]", "KeyboardInterrupt"]),
    ] {
        let mut screen = Screen::start();
        screen.press(keys);
        assert_eq!(read_all(&mut screen.stream), "bye\n", "what was typed is sent, then the connection is closed");
        screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
        screen.check_end(0, rows);
    }
}

#[test]
fn ctrl_c_clears_what_is_being_typed_and_the_talk_goes_on() {
    let mut screen = Screen::start();
    screen.press("half a line\x1b[D");
    screen.wait_for(&["[You] half a line"]);
    screen.press("\x03");
    screen.wait_for(&["[You]"]);
    screen.press("another\r/quit is a word\r");
    assert_eq!(read_line(&mut screen.stream), "another");
    assert_eq!(read_line(&mut screen.stream), "/quit is a word");
    screen.wait_for(&["[You] another", "[You] /quit is a word", "[You]"]);
}

#[test]
fn a_paste_of_hundreds_of_lines_is_said_whole_to_a_server_that_takes_them_slowly() {
    // What terminals send that mark a paste, and what others do.
    for (begin, end, line_end) in [("\x1b[200~", "\x1b[201~\r", "\n"), ("", "", "\r")] {
        let mut screen = Screen::start();
        let lines: Vec<String> = (0..400).map(|number| format!("line {number} {}", "x".repeat(500))).collect();
        let paste: String = lines.iter().map(|line| format!("{line}{line_end}")).collect();
        screen.press(&format!("{begin}{paste}{end}done"));
        screen.wait_until(|screen| screen.rows().last().is_some_and(|row| row == "[You] done"), "the end of the paste");
        for line in &lines {
            assert_eq!(read_line(&mut screen.stream), *line);
        }
        assert!(screen.rows().iter().all(|row| !row.starts_with('!')), "nothing is refused");
    }
}

#[test]
fn lines_pasted_beyond_the_bound_are_refused_and_the_rest_counted_when_the_server_goes() {
    let mut screen = Screen::start_with(120, &[]);
    // More than the bound and two sockets hold, so the end of it is refused.
    let paste = format!("{}\n", "x".repeat(10_000)).repeat(200);
    let mut keyboard = screen.keyboard.try_clone().unwrap();
    let typist = thread::spawn(move || {
        keyboard.write_all(format!("\x1b[200~{paste}\x1b[201~\r").as_bytes()).unwrap();
        keyboard.write_all(b"done").unwrap();
    });
    screen.wait_until(|screen| screen.rows().last().is_some_and(|row| row == "[You] done"), "the end of the paste");
    typist.join().unwrap();
    let is_refusal = |row: &String| {
        row.starts_with("! not sent: ") && row.ends_with(" lines; at most 1.0 MiB may wait for the server")
    };
    assert!(screen.rows().iter().any(is_refusal), "the end of the paste is refused");
    screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(screen.program.exit().code(), Some(1));
    let is_told = |screen: &Screen| {
        let rows = screen.rows();
        let rows = &rows[rows.len() - 4..];
        let unsent = rows[2].starts_with("! ") && rows[2].ends_with(" lines that you typed were not sent");
        rows[0] == "[You] done" && rows[1] == "! the line above was not sent" && unsent && rows[3] == CLOSED
    };
    screen.wait_until(is_told, "an account of what was not sent");
}

#[test]
fn a_user_that_leaves_is_told_when_the_server_has_not_taken_all_lines() {
    let mut screen = Screen::start_with(120, &["--wait", "1s"]);
    screen.press("bye\r\r");
    let waits = "! the server has not taken all of your lines yet; waiting up to 1s, Ctrl-C leaves at once";
    let lost = "! your last lines may not have been said";
    screen.check_end(1, &["[You] bye", "[You]", "You have been disconnected.", waits, lost]);
    let mut screen = Screen::start_with(120, &["--wait", "60s"]);
    screen.press("bye\r\r");
    screen.wait_until(|screen| screen.rows().len() > 3, "what is waited for");
    screen.program.signal(Signal::INT);
    assert_eq!(screen.program.exit().code(), Some(1), "it does not wait any longer");
}

#[test]
fn a_server_that_closes_leaves_the_draft_on_the_screen_and_an_exit_status() {
    for round in 0..20 {
        let mut screen = Screen::start();
        let (code, last) = if round % 4 < 2 { (0, "! the server is stopping") } else { (1, "! the house is full") };
        let mut rows = vec!["> hello", last];
        if round % 2 == 1 {
            screen.press("half a line");
            screen.wait_for(&["[You] half a line"]);
            rows.extend(["[You] half a line", "! the line above was not sent"]);
        }
        screen.hear("> hello\n");
        screen.hear(last);
        screen.stream.shutdown(std::net::Shutdown::Both).unwrap();
        rows.push(CLOSED);
        screen.check_end(code, &rows);
    }
}

#[test]
fn a_signal_ends_the_client_and_restores_the_terminal() {
    for (signal, words) in [
        (Signal::TERM, "You have been disconnected."),
        (Signal::HUP, "You have been disconnected."),
        (Signal::INT, "KeyboardInterrupt"),
    ] {
        let mut screen = Screen::start();
        screen.press("half");
        screen.wait_for(&["[You] half"]);
        screen.program.signal(signal);
        screen.check_end(0, &["[You] half", words]);
    }
}

#[test]
fn sigquit_kills_the_client_once_the_terminal_is_restored() {
    let mut screen = Screen::start();
    screen.press("half");
    screen.wait_for(&["[You] half"]);
    screen.program.signal(Signal::QUIT);
    assert_eq!(screen.program.exit().signal(), Some(Signal::QUIT.as_raw()));
    assert!(screen.is_restored(), "the terminal is what it was");
}

#[test]
fn sigtstp_stops_the_client_once_the_terminal_is_restored() {
    let mut screen = Screen::start();
    screen.press("half");
    screen.wait_for(&["[You] half"]);
    screen.program.signal(Signal::TSTP);
    screen.wait_until(Screen::is_stopped, "of a program that was stopped");
    assert!(screen.is_restored(), "the terminal is what it was");
    screen.program.signal(Signal::CONT);
    screen.wait_until(|screen| !screen.is_restored(), "of an editor");
    screen.press(" a line\r");
    assert_eq!(read_line(&mut screen.stream), "half a line");
}

#[test]
fn a_client_that_was_stopped_takes_the_terminal_again() {
    let mut screen = Screen::start();
    screen.hear("> hello\n");
    screen.press("half");
    screen.wait_for(&["> hello", "[You] half"]);
    // What a shell does while its job is stopped.
    let mut shell = tcgetattr(&screen.terminal).unwrap();
    shell.local_modes.insert(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    tcsetattr(&screen.terminal, OptionalActions::Now, &shell).unwrap();
    screen.program.signal(Signal::CONT);
    screen.wait_until(|screen| !screen.is_restored(), "of an editor");
    screen.press(" a line\r");
    assert_eq!(read_line(&mut screen.stream), "half a line");
    screen.wait_for(&["> hello", "[You] half a line", "[You]"]);
}

#[test]
fn a_terminal_that_cannot_edit_lines_gets_plain_ones() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let pair = crate::support::terminal(None);
    let mut command = uproar();
    command.args(["chat", "--plain", &listener.local_addr().unwrap().to_string()]).env("TERM", "dumb");
    command.stdin(pair.slave.try_clone().unwrap()).stdout(pair.slave).stderr(Stdio::piped());
    let mut client = Program(command.spawn().unwrap());
    drop(command);
    let mut stream = accept(&listener);
    stream.write_all(b"> hello\n").unwrap();
    let mut terminal = File::from(pair.master);
    let output = lines_of(terminal.try_clone().unwrap());
    assert_eq!(output.recv_timeout(PATIENCE).unwrap(), "> hello");
    // A terminal that does not tell its size has 80 columns.
    stream.write_all(format!("> {}\n", "x".repeat(80)).as_bytes()).unwrap();
    assert_eq!(output.recv_timeout(PATIENCE).unwrap(), format!("> {}", "x".repeat(78)));
    assert_eq!(output.recv_timeout(PATIENCE).unwrap(), "    xx");
    terminal.write_all(b"typed\n\x04").unwrap();
    assert_eq!(read_all(&mut stream), "typed\n");
    drop(stream);
    assert_eq!(client.exit().code(), Some(0));
}
