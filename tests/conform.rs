//! The black-box suite of `uproar-conform` against this server, on every back end.

mod support;

use std::thread;

use support::{BACKENDS, PATIENCE, Server};
use uproar_conform::cases::{self, Case};
use uproar_conform::play;

#[test]
fn every_case_passes_on_every_back_end() {
    check(&[], cases::all);
}

#[test]
fn every_case_for_chunks_passes_on_every_back_end() {
    check(&["--framing", "chunk"], cases::chunk);
}

fn check(options: &'static [&'static str], cases: fn() -> Vec<Case>) {
    let backends = BACKENDS.map(|backend| thread::spawn(move || failures(backend, options, cases())));
    let failures: Vec<String> = backends.into_iter().flat_map(|played| played.join().unwrap()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn failures(backend: &str, options: &[&str], cases: Vec<Case>) -> Vec<String> {
    let server = Server::start(&[&["--backend", backend], options].concat());
    let outcomes = cases.into_iter().map(|case| play(&case, server.address, PATIENCE));
    outcomes.filter_map(|outcome| Some(format!("{backend}: {}: {}", outcome.name, outcome.failure?))).collect()
}
