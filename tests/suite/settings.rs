//! `uproar serve --print-config`: what it prints is given back by a shell and makes the same settings, and what is wrong
//! is refused as when serving.

use std::process::{Command, Output, Stdio};

use crate::support::chat::uproar;

fn printed(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = uproar();
    command.args(["serve", "--print-config"]).args(arguments).envs(variables.iter().copied());
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What is printed but for where the values come from.
fn values(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with("# Source: ")).collect()
}

#[test]
fn what_is_printed_can_be_given_back_by_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings");
    for given in [
        &[][..],
        &["[::1]:7777", "--web", ":8080", "--web-origin", "https://a.example,https://b.example:8443", "--no-sandbox"],
        &["--transcript", "/tmp/it's \"here\" $HOME `id` \\", "--motd", "~/two\nlines", "--limit-loopback"],
        &[
            "--members=1.5k",
            "--log-bytes=1000001",
            "--flood-rate=0",
            "--proxy-from=192.0.2.7,10.0.0.0/8",
            "--irc",
            ":1",
        ],
    ] {
        let first = printed(given, &[]);
        assert!(first.status.success() && first.stderr.is_empty(), "{first:?}");
        let first = text(&first.stdout);
        std::fs::write(&file, &first).unwrap();
        for shell in ["sh", "bash"] {
            let mut again = Command::new(shell);
            again.args(["-c", "set -a; . \"$0\"; exec \"$1\" serve --print-config"]).arg(&file);
            again.arg(uproar().get_program()).stdin(Stdio::null());
            let again = again.output().unwrap();
            assert!(again.status.success() && again.stderr.is_empty(), "{shell}: {again:?}");
            let again = text(&again.stdout);
            assert_eq!(values(&first), values(&again), "{shell}, {given:?}");
            assert!(!again.contains("# Source: flag"), "{again}");
        }
    }
}

#[test]
fn each_value_says_where_it_comes_from_and_the_command_line_comes_first() {
    let output = printed(
        &["--history", "7"],
        &[("UPROAR_HISTORY", "8"), ("UPROAR_BACKEND", "epoll"), ("UPROAR_HIDE_ADDRESSES", "yes"), ("UPROAR_WEB", "")],
    );
    let text = text(&output.stdout);
    for expected in [
        "# Source: flag --history.\nUPROAR_HISTORY=7\n",
        "# Source: environment.\nUPROAR_BACKEND=epoll\n",
        "# Source: environment.\nUPROAR_HIDE_ADDRESSES=true\n",
        "# Source: default.\nUPROAR_ADDR=127.0.0.1:8888\n",
        "# Source: not set.\n#UPROAR_WEB=\n",
    ] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
}

#[test]
fn what_is_wrong_is_refused_as_when_serving_and_nothing_is_printed() {
    for (arguments, variables, status, expected) in [
        (&["--backend", "kqueue"][..], &[][..], 2, "--backend"),
        (&["--line-bytes", "1"], &[], 2, "--line-bytes 1 is not from"),
        (&[], &[("UPROAR_LINE_BYTES", "1")], 2, "--line-bytes is from UPROAR_LINE_BYTES"),
        (&["--cluster-name", "x"], &[], 2, "there is no --cluster"),
        (&["--web", ""], &[], 1, "--web is empty, and an empty variable counts as not set"),
    ] {
        let output = printed(arguments, variables);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        let errors = text(&output.stderr);
        assert!(output.stdout.is_empty() && errors.contains(expected), "{errors}");
    }
}
