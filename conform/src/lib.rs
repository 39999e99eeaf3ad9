//! What a client of an uproar server may do and must see: named cases, played against any running server. What they ask for
//! is written down in `docs/PROTOCOL.md`, and each names its section there.
//!
//! A case is data: people who join, send bytes, read lines and go. The server is a black box with an address; others may be
//! in the room, so lines about strangers are passed over and counts of users are not compared. After each case two fresh people
//! talk to each other, which shows that the server still serves. What a server was told at its start (limits, framing) is
//! not known here: cases hold for the defaults, and some of their own for `--framing chunk`.

pub mod cases;
mod stage;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cases::Case;
use stage::Stage;

/// How a case went.
#[derive(Debug)]
pub struct Outcome {
    pub name: String,
    /// See [`Case::section`].
    pub section: &'static str,
    pub took: Duration,
    /// What was seen that should not have been, or the other way round.
    pub failure: Option<String>,
}

/// Plays `case` against the server at `address`; whoever waits longer than `patience` for a line has waited in vain.
pub fn play(case: &Case, address: SocketAddr, patience: Duration) -> Outcome {
    let started = Instant::now();
    let played = Stage::new(address, patience).play(&case.steps);
    let alive = played.and_then(|()| {
        let canary = Stage::new(address, patience).play(&cases::canary());
        canary.map_err(|failure| format!("after it the server does not serve any more: {failure}"))
    });
    Outcome { name: case.name.clone(), section: case.section, took: started.elapsed(), failure: alive.err() }
}
