//! What is checked in is what is written now, formatters take the pages without a word, and shells complete by the
//! completions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use uproar::counters::{CloseReason, Counter};
use uproar::journal::LogEvent;
use uproar_manual::{files, root};

fn folder(name: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(root().join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// True when a program is there; otherwise says loudly what is not tested.
fn is_there(program: &str, package: &str, what: &str) -> bool {
    let found = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    // Some images have a program in place of `man` that says how to get it.
    let is_there = found.is_ok_and(|output| output.status.success() || program == "mandoc");
    if !is_there {
        println!("SKIPPED: {what}: {program} is not installed: apt-get install {package}");
    }
    is_there
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80");
    command.output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_is_checked_in_is_what_just_manual_writes() {
    let files = files();
    for file in &files {
        let path = root().join(&file.path);
        let there = fs::read_to_string(&path).unwrap_or_default();
        assert!(there == file.text, "{} is not what is written now: run `just manual`", file.path.display());
    }
    for folder_name in ["contrib/man", "contrib/completions"] {
        for path in folder(folder_name) {
            let is_written = files.iter().any(|file| root().join(&file.path) == path);
            assert!(is_written, "{} is written by nothing: remove it", path.display());
        }
    }
}

#[test]
fn the_manual_of_the_server_has_every_event_and_every_figure() {
    let page = fs::read_to_string(root().join("contrib/man/uproar-serve.8")).unwrap();
    let has = |key: &str| page.contains(&format!("\\fB{key}\\fR"));
    for key in LogEvent::ALL.iter().map(|event| event.row().key) {
        assert!(has(key), "event {key}");
    }
    for key in Counter::ALL.iter().map(|counter| counter.row().key) {
        assert!(has(key), "statistics: {key}");
    }
    for key in CloseReason::ALL.iter().map(|reason| reason.row().key) {
        assert!(has(key), "statistics: {key}");
    }
    for name in
        ["uproar_members", "uproar_sends_total", "uproar_turn_seconds", "uproar_cluster_up", "uproar_build_info"]
    {
        assert!(has(name), "metrics: {name}");
    }
}

#[test]
fn no_page_says_when_it_was_written() {
    for path in folder("contrib/man") {
        let page = fs::read_to_string(&path).unwrap();
        let title = page.lines().find(|line| line.starts_with(".TH ")).unwrap();
        let version = format!(" \"\" \"uproar {}\" ", env!("CARGO_PKG_VERSION"));
        assert!(title.contains(&version), "{title}");
    }
}

#[test]
fn man_shows_the_pages_without_a_warning_in_80_columns() {
    if !is_there("man", "man-db", "whether the manual pages are well-formed") {
        return;
    }
    for path in folder("contrib/man") {
        let page = path.to_str().unwrap();
        let checked = run("man", &["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page]);
        assert!(checked.status.success() && checked.stderr.is_empty(), "{page}: {}", text(&checked.stderr));
        let shown = run("man", &["-E", "UTF-8", "-l", page]);
        for line in text(&shown.stdout).lines() {
            // Bold and underlined characters are typed over.
            let columns = line.chars().count() - 2 * line.matches('\u{8}').count();
            assert!(columns <= 80, "{page}: {columns} columns: {line}");
        }
    }
}

#[test]
fn mandoc_takes_the_pages_too() {
    if !is_there("mandoc", "mandoc", "whether mandoc takes the manual pages") {
        return;
    }
    for path in folder("contrib/man") {
        let linted = run("mandoc", &["-T", "lint", "-W", "warning", path.to_str().unwrap()]);
        let found = text(&linted.stdout);
        let found: Vec<&str> = found.lines().filter(|line| !line.contains("missing date")).collect();
        assert!(found.is_empty(), "{found:#?}");
    }
}

fn completions(file: &str) -> String {
    root().join("contrib/completions").join(file).to_str().unwrap().to_owned()
}

/// Words typed, of which the last is to be completed, and what it becomes among others.
const COMPLETED: [(&str, &[&str], &str); 5] = [
    ("uproar", &["se"], "serve"),
    ("uproar", &["serve", "--print-"], "--print-config"),
    ("uproar", &["serve", "--backend", "ur"], "uring"),
    ("uproar", &["chat", "--nick", "bob", "--no-"], "--no-reconnect"),
    ("bench-client", &["run", "--proto"], "--protocol"),
];

#[test]
fn bash_completes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let (typed, whole) = (file.with_file_name("Cargo.to"), file.to_str().unwrap());
    let files: (&str, &[&str], &str) = ("uproar", &["serve", "--motd", typed.to_str().unwrap()], whole);
    for (program, words, expected) in COMPLETED.into_iter().chain([files]) {
        // The shell calls the function with the program, the word and the one before it. What is said of the place of
        // the call is not about the completions.
        let script = "source \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
            function=$(complete -p \"$1\"); function=${function#*-F }; \
            \"${function%% *}\" \"$1\" \"${COMP_WORDS[-1]}\" \"${COMP_WORDS[-2]}\" 2> /dev/null; \
            printf '%s\\n' \"${COMPREPLY[@]}\"";
        let file = completions(&format!("{program}.bash"));
        let arguments = [&["--norc", "--noprofile", "-c", script, &file, program], words].concat();
        let output = run("bash", &arguments);
        assert!(text(&output.stdout).lines().any(|line| line == expected), "{program} {words:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    }
}

#[test]
fn fish_completes() {
    if !is_there("fish", "fish", "completions of fish") {
        return;
    }
    for (program, words, expected) in COMPLETED {
        let script = "source $argv[1]; complete -C $argv[2]";
        let line = format!("{program} {}", words.join(" "));
        let output = run("fish", &["--no-config", "-c", script, &completions(&format!("{program}.fish")), &line]);
        let found = text(&output.stdout);
        let mut found = found.lines().filter_map(|line| line.split('\t').next());
        assert!(found.any(|found| found == expected), "{line}: {output:?}");
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    }
}

#[test]
fn zsh_completes() {
    if !is_there("zsh", "zsh", "completions of zsh") {
        return;
    }
    // A shell on a terminal of its own types the line and the key that completes it, and shows what stands there then.
    let script = r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell "PS1= PS2=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D"
        zpty -w shell "show() { print -r -- \"<\$BUFFER>\" }; zle -N show; bindkey '^I' complete-word; bindkey '^X' show"
        zpty -w shell "print ready"
        zpty -r -m shell line '*ready*ready*'
        zpty -w -n shell "$2"$'\t'$'\x18'
        zpty -r -m shell line '*<*>*'
        print -r -- "$line"
        zpty -d shell
    "#;
    for (program, words, expected) in COMPLETED {
        let file = completions(&format!("_{program}"));
        assert!(run("zsh", &["-n", &file]).stderr.is_empty(), "{file}");
        let folder = Path::new(&file).parent().unwrap().to_str().unwrap();
        let typed = format!("{program} {}", words.join(" "));
        let output =
            Command::new("timeout").args(["20", "zsh", "-f", "-c", script, "zsh", folder, &typed]).output().unwrap();
        let completed = [&[program], &words[..words.len() - 1], &[expected]].concat().join(" ");
        // Behind an option that takes a value stands what joins them.
        let is_completed = [" ", "="].iter().any(|end| text(&output.stdout).contains(&format!("<{completed}{end}>")));
        assert!(is_completed, "{typed}: {output:?}");
    }
}
