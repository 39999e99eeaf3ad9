//! A room of one size on one server, measured several times.

use crate::results::summary::Summary;

/// A room of one size on one server: its runs, or why there are none.
#[derive(Debug)]
pub struct Rung {
    pub server: String,
    pub members: u64,
    pub runs: Vec<Summary>,
    /// Runs that the client spoiled, each measured again.
    pub set_aside: Vec<Summary>,
    pub not_run: Option<String>,
}

impl Rung {
    /// A room that is about to be measured.
    pub fn new(server: &str, members: u64) -> Self {
        Self { server: server.to_string(), members, runs: Vec::new(), set_aside: Vec::new(), not_run: None }
    }

    /// A room that was never tried, and why.
    pub fn not_run(server: &str, members: u64, reason: String) -> Self {
        Self { not_run: Some(reason), ..Self::new(server, members) }
    }
}
