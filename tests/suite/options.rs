//! Options of the program that come from environment variables, and an output that is closed early.

use std::io;
use std::process::{Output, Stdio};

use crate::support::chat::{Server, read_line, uproar};

/// Runs `uproar` with variables until it ends.
fn run(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = uproar();
    command.args(arguments).envs(variables.iter().copied()).stdin(Stdio::null());
    command.output().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn flags_can_be_set_by_variables_in_any_usual_word() {
    for word in ["1", "0", "true", "false", "yes", "no", "on", "off", ""] {
        let mut command = uproar();
        command.args(["serve", "127.0.0.1:0", "--transcript", "off"]);
        command.env("UPROAR_NO_SANDBOX", word).env("UPROAR_LIMIT_LOOPBACK", word);
        // It says that it is ready.
        Server::spawn(command);
    }
    let wrong = run(&[("UPROAR_NO_SANDBOX", "perhaps")], &["serve", "127.0.0.1:0"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(errors(&wrong).contains("UPROAR_NO_SANDBOX"), "{}", errors(&wrong));
}

#[test]
fn a_flag_that_a_variable_sets_is_set() {
    let mut command = uproar();
    command.args(["serve", "127.0.0.1:0", "--transcript", "off", "--connections-per-address", "1"]);
    command.env("UPROAR_LIMIT_LOOPBACK", "yes");
    let server = Server::spawn(command);
    let _ann = std::net::TcpStream::connect(&server.address).unwrap();
    let mut bob = std::net::TcpStream::connect(&server.address).unwrap();
    assert_eq!(read_line(&mut bob), "! too many connections from your address");
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let help = run(&[], &["serve", "--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    let names: Vec<&str> = help.split("[env: ").skip(1).filter_map(|rest| rest.split('=').next()).collect();
    assert!(names.contains(&"UPROAR_BACKEND") && names.contains(&"UPROAR_DEAD_AFTER"), "{names:?}");
    let mut command = uproar();
    command.args(["serve", "127.0.0.1:0"]).envs(names.iter().map(|name| (name, "")));
    Server::spawn(command);
    let empty = [("UPROAR_MEMBERS", ""), ("UPROAR_ADDR", "")];
    let check = run(&empty, &["check"]);
    assert!(errors(&check).is_empty(), "{}", errors(&check));
    assert!(String::from_utf8(check.stdout).unwrap().contains("127.0.0.1:8888"), "the default address");
}

#[test]
fn an_error_of_a_value_from_a_variable_names_the_variable() {
    for (variable, value, arguments, option) in [
        ("UPROAR_BACKEND", "kqueue", &["serve"][..], "--backend"),
        ("UPROAR_LOG_BYTES", "lots", &["serve"], "--log-bytes"),
        ("UPROAR_LINE_BYTES", "1", &["serve"], "--line-bytes"),
        ("UPROAR_DEAD_AFTER", "1s", &["serve"], "--dead-after"),
        ("UPROAR_MEMBERS", "many", &["check"], "--members"),
        ("UPROAR_WAIT", "long", &["chat"], "--wait"),
    ] {
        let wrong = run(&[(variable, value)], arguments);
        assert_eq!(wrong.status.code(), Some(2), "{variable}");
        let text = errors(&wrong);
        assert!(text.contains(variable) && text.contains(option), "{text}");
        // The same value on the command line is not the variable's.
        let typed = format!("{option}={value}");
        let wrong = run(&[(variable, value)], &[arguments, &[typed.as_str()]].concat());
        assert_eq!(wrong.status.code(), Some(2), "{typed}");
        assert!(!errors(&wrong).contains(variable), "{}", errors(&wrong));
    }
    for (arguments, status) in [(&["serve"][..], 1), (&["chat"], 1)] {
        let wrong = run(&[("UPROAR_ADDR", "no..such..name:1")], arguments);
        assert_eq!(wrong.status.code(), Some(status));
        assert!(errors(&wrong).ends_with("; the address is from UPROAR_ADDR\n"), "{}", errors(&wrong));
    }
    let wrong = run(&[("UPROAR_TRANSCRIPT", "/nowhere/at/all")], &["serve", "127.0.0.1:0"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(errors(&wrong).contains("--transcript is from UPROAR_TRANSCRIPT"), "{}", errors(&wrong));
}

#[test]
fn time_outs_of_0_cut_nobody() {
    let server = Server::start(&["--line-timeout", "0s", "--stall-timeout", "0s"]);
    let mut ann = std::net::TcpStream::connect(&server.address).unwrap();
    read_line(&mut ann);
    io::Write::write_all(&mut ann, b"begun").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut bob = std::net::TcpStream::connect(&server.address).unwrap();
    read_line(&mut bob);
    io::Write::write_all(&mut ann, b" and ended\n").unwrap();
    assert!(read_line(&mut bob).ends_with("] begun and ended"));
}

#[test]
fn the_preflight_takes_counts_with_suffixes_and_survives_a_reader_that_goes() {
    let check = run(&[], &["check", "--members", "2k", "127.0.0.1:0"]);
    let text = String::from_utf8(check.stdout).unwrap();
    assert!(text.contains("2000 members of at most") && text.contains("are available"), "{text}");
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut command = uproar();
    command.args(["check", "--members", "2k", "127.0.0.1:0"]).stdout(writer).stderr(Stdio::piped());
    let unread = command.output().unwrap();
    assert_eq!((unread.status.code(), errors(&unread)), (check.status.code(), String::new()));
}
