//! The black-box suite of `uproar-conform` against this server, on every back end.

mod support;

use std::thread;

use support::{BACKENDS, PATIENCE, Server};
use uproar_conform::{cases, play};

#[test]
fn every_case_passes_on_every_back_end() {
    let backends = BACKENDS.map(|backend| thread::spawn(move || failures(backend)));
    let failures: Vec<String> = backends.into_iter().flat_map(|played| played.join().unwrap()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn failures(backend: &str) -> Vec<String> {
    let server = Server::start(&["--backend", backend]);
    let outcomes = cases::all().into_iter().map(|case| play(&case, server.address, PATIENCE));
    outcomes.filter_map(|outcome| Some(format!("{backend}: {}: {}", outcome.name, outcome.failure?))).collect()
}
