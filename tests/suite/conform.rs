//! The cases of `uproar-conform` against this server, on every back end: many cases with one server, and each case that
//! names every line with a server of its own, with its bytes cut in several ways.

use std::io::Write;
use std::thread;

use tempfile::NamedTempFile;
use uproar_conform::cases::{self, Case, Cut};
use uproar_conform::irc::{self, Doors};
use uproar_conform::{Room, Tcp, play, play_alone};

use crate::support::{BACKENDS, PATIENCE, Server};

#[test]
fn every_case_passes_on_every_back_end() {
    on_every_back_end(|backend| failures_together(backend, Case::is_for_defaults));
}

#[test]
fn every_case_for_chunks_passes_on_every_back_end() {
    on_every_back_end(|backend| failures_together(backend, Case::is_for_chunks));
}

#[test]
fn every_case_that_says_everything_passes_alone_on_every_back_end() {
    on_every_back_end(failures_alone);
}

fn on_every_back_end(failures: fn(&str) -> Vec<String>) {
    let backends = BACKENDS.map(|backend| thread::spawn(move || failures(backend)));
    let failures: Vec<String> = backends.into_iter().flat_map(|played| played.join().unwrap()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Plays the cases that are chosen by what they need, with one server.
fn failures_together(backend: &str, is_chosen: fn(&Case) -> bool) -> Vec<String> {
    let mut cases = cases::all();
    cases.retain(is_chosen);
    // All cases come from one address. With its rate of lines, most of the time would be spent waiting.
    let options = [cases.first().expect("there are such cases").options, &["--address-rate", "0"]].concat();
    let server = start(backend, &options);
    let outcomes = cases.iter().map(|case| play(case, server.address, PATIENCE));
    outcomes.filter_map(|outcome| Some(format!("{backend}: {}: {}", outcome.name, outcome.failure?))).collect()
}

fn failures_alone(backend: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for case in
        cases::all().iter().filter(|case| case.says_everything || !(case.is_for_defaults() || case.is_for_chunks()))
    {
        for cut in case.cuts() {
            let server = start(backend, case.options);
            let played = play_alone(case, *cut, Tcp { address: server.address, patience: PATIENCE });
            failures.extend(played.err().map(|failure| format!("{backend}: {}, in {cut}: {failure}", case.name)));
        }
    }
    failures
}

#[test]
fn every_case_of_irc_passes_on_every_back_end() {
    on_every_back_end(irc_failures);
}

/// Plays the cases of IRC: those for the defaults with one server, and with a server of their own the others. What is
/// sent is also cut into pieces.
fn irc_failures(backend: &str) -> Vec<String> {
    let cases = cases::irc::cases();
    let irc = ["--irc", "127.0.0.1:0"];
    let doors = |server: &Server| Doors {
        irc: Tcp { address: server.door("irc"), patience: PATIENCE },
        text: Tcp { address: server.address, patience: PATIENCE },
    };
    let shared = start(backend, &[&irc[..], &["--address-rate", "0"]].concat());
    let mut failures = Vec::new();
    for case in &cases {
        let options = [&irc[..], case.case.options, &["--address-rate", "0"]].concat();
        let own = (!case.case.is_for_defaults()).then(|| start(backend, &options));
        let (doors, room) = own.as_ref().map_or((doors(&shared), Room::Shared), |own| (doors(own), Room::Own));
        // Names are taken for as long as the server has not seen that their holders have left.
        let cuts = if own.is_some() { &[Cut::Whole][..] } else { Cut::ALL };
        for cut in cuts {
            let played = irc::play_in(case, doors, room, *cut);
            failures.extend(played.err().map(|failure| format!("{backend}: {}, in {cut}: {failure}", case.case.name)));
        }
    }
    failures
}

fn start(backend: &str, options: &[&str]) -> Server {
    let mut key = NamedTempFile::new().unwrap();
    writeln!(key, "{}", cases::KEY).unwrap();
    let path = key.path().to_str().unwrap();
    let options: Vec<&str> =
        options.iter().map(|option| if *option == cases::KEY_FILE { path } else { *option }).collect();
    // It is read before the server is ready.
    Server::start(&[&["--backend", backend], &options[..]].concat())
}
