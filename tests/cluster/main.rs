//! Several nodes of the built program on the real engine: NATS servers, nodes, a network that can be cut, and members on
//! all nodes that prove one order, with nothing lost and nothing twice.
//!
//! Each test has servers of its own. Faults are played in rounds: two, or `UPROAR_ROUNDS`; each round takes the next of
//! the versions of NATS that are here. Where there is none, a test says loudly that it did not run.

mod basics;
mod contrib;
mod cuts;
mod faults;
mod keeping;
mod member;
mod nats;
mod node;
mod past;
mod people;
mod relay;
mod start;
#[path = "../support/mod.rs"]
mod support;
mod talk;
