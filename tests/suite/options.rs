//! Options of the program that come from environment variables, and an output that is closed early.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use rustix::process::Signal;

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
fn files_of_the_operator_are_read_before_the_server_listens() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    let (key, state, motd) = (path("key"), path("state"), path("motd"));
    fs::write(&key, "open sesame\n").unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::write(&motd, "be kind\n").unwrap();
    let mut command = uproar();
    command.args(["serve", "127.0.0.1:0", "--transcript", "off"]);
    command.args(["--operator-key", &key, "--motd", &motd, "--state", &state]);
    // It says that it is ready.
    let mut server = Server::spawn(command);
    let text = "{\"kind\":\"state\",\"version\":1}\n{\"kind\":\"end\"}\n";
    assert_eq!(fs::read_to_string(&state).unwrap(), text);
    server.program.signal(Signal::TERM);
    assert_eq!(server.program.exit().code(), Some(0));

    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let warned = run(&[("UPROAR_OPERATOR_KEY", &key), ("UPROAR_MOTD", &path("no"))], &["serve", "127.0.0.1:0"]);
    let warning = format!("uproar: --operator-key: others may read or change {key}: chmod o= {key}");
    assert_eq!(errors(&warned).lines().next(), Some(warning.as_str()));

    let torn = &text[..text.len() - 4];
    fs::write(&state, torn).unwrap();
    let large = path("large");
    fs::write(&large, [b'x'; 9000]).unwrap();
    for (variable, value, expected) in [
        ("UPROAR_STATE", &state, format!("uproar: --state {state}: line 2: ")),
        ("UPROAR_STATE", &path("no/state"), format!("uproar: --state {}: cannot be written: ", path("no/state"))),
        ("UPROAR_OPERATOR_KEY", &path("no"), format!("uproar: --operator-key {}: No such file", path("no"))),
        ("UPROAR_OPERATOR_KEY", &motd, format!("uproar: --operator-key {motd}: the key in the first line has fewer")),
        ("UPROAR_MOTD", &large, format!("uproar: --motd {large}: the file has more than 8192 bytes")),
    ] {
        let refused = run(&[(variable, value)], &["serve", "127.0.0.1:0"]);
        let text = errors(&refused);
        assert_eq!((refused.status.code(), text.lines().count()), (Some(1), 1), "{text}");
        assert!(text.starts_with(&expected) && text.ends_with(&format!(" is from {variable}\n")), "{text}");
    }
    assert_eq!(fs::read_to_string(&state).unwrap(), torn, "a damaged file is left as it is");
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
