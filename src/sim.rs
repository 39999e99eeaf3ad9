//! The whole server, driven on the simulated kernel: peers that a seed chooses, and a model of what each must be sent.
//!
//! [`run`] plays one seed: peers come, talk and go while faults happen; the faults end and everything has to settle; the
//! server stops. What each member was sent is compared byte for byte with what the model says that it must have read, and
//! every structure's invariants are checked after every turn. Any run can be played again from its seed. The kernel and
//! its faults are [`crate::io::sim`].
//!
//! Compiled for tests and with the feature `sim` only.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod greeting;
pub mod large_room;
pub mod memory_file;
pub mod model;
pub mod peers;
pub mod run;
pub mod simulation;
#[cfg(test)]
mod tests;
mod verdict;
pub mod workload;

pub use run::{fuzz, run};
