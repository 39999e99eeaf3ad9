//! Named cases for any running uproar server: what a client may do, and what it must see. The rules stand in
//! `docs/PROTOCOL.md`, and each case names its section there.
//!
//! A case is data: members that join, send bytes, read lines and leave. One runner plays it in two ways. With a server
//! that was started for the case, every line is compared. With any server at an address, others may be in the room, so
//! lines about strangers are skipped and counts of users are not compared. Real sockets are one [`Transport`]; a
//! simulated kernel may be another. A case names the options of the server if it needs any; the others hold for the
//! defaults.

pub mod cases;
pub mod irc;
mod lines;
pub mod objects;
mod runner;
mod transport;
mod words;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cases::{Case, Cut};
pub use runner::Room;
use runner::Runner;
pub use transport::{Tcp, TcpConnection, Transport};

/// The outcome of a case.
#[derive(Debug)]
pub struct Outcome {
    pub name: String,
    /// See [`Case::section`].
    pub section: &'static str,
    pub took: Duration,
    /// What was seen that should not have been, or the other way round.
    pub failure: Option<String>,
}

/// Plays `case` against the server at `address`, in each of its cuts, and fails when a line has not come after
/// `patience`. Then two new members talk to each other, which shows that the server still serves.
pub fn play(case: &Case, address: SocketAddr, patience: Duration) -> Outcome {
    let started = Instant::now();
    let server = Tcp { address, patience };
    let played = case.cuts().iter().try_for_each(|cut| {
        let played = Runner::new(server, Room::Shared).play(case, *cut);
        played.map_err(|failure| if *cut == Cut::Whole { failure } else { format!("sent in {cut}: {failure}") })
    });
    let alive = played.and_then(|()| {
        let canary = Runner::new(server, Room::Shared).play(&cases::canary(), Cut::Whole);
        canary.map_err(|failure| format!("after it the server does not serve any more: {failure}"))
    });
    Outcome { name: case.name.clone(), section: case.section, took: started.elapsed(), failure: alive.err() }
}

/// Plays `case` against a server that has been started for it, with [`Case::options`], and whose room is empty.
pub fn play_alone(case: &Case, cut: Cut, server: impl Transport) -> Result<(), String> {
    Runner::new(server, Room::Own).play(case, cut)
}
