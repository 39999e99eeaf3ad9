//! The whole server on the simulated kernel: peers that a seed chooses, and a model of the bytes that each must be
//! sent.
//!
//! [`run`] plays one seed. Peers connect, talk and leave while faults happen; then the faults end and everything has to
//! settle; then the server stops. The bytes sent to each member are compared with the model, and every structure's
//! invariants are asserted after every turn. Any run can be played again from its seed. The kernel and its faults are
//! [`crate::io::sim`].
//!
//! Compiled for tests and with the feature `sim` only.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod cases;
pub mod cluster;
pub mod comeback;
pub mod commands;
#[cfg(test)]
mod greeting;
#[cfg(test)]
mod irc;
pub mod large_room;
pub mod memory_file;
pub mod model;
pub mod peers;
#[cfg(test)]
mod reload;
pub mod run;
mod script;
mod server_log;
pub mod service;
pub mod simulation;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod typists;
mod verdict;
#[cfg(test)]
mod web;
pub mod workload;

pub use run::{fuzz, run};
