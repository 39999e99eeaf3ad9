//! Where a link comes from: NATS in a build with the feature `cluster`, and nowhere in others.

use super::engine::{Engine, Seen};
use super::link::AnyLink;
#[cfg(feature = "cluster")]
use super::nats::{NatsLink, preflight};

/// Whether this program can be a node of a cluster.
pub const IS_BUILT_IN: bool = cfg!(feature = "cluster");

/// How to get one that can.
pub const NOT_BUILT_IN: &str =
    "--cluster is not in this program, which was built without it: cargo build --release --features cluster";

/// A link to the engine, which connects from now on. Signals that the server takes from a descriptor must be blocked
/// already.
#[cfg(feature = "cluster")]
pub fn link(engine: Engine) -> Result<AnyLink, String> {
    Ok(Box::new(NatsLink::start(engine)?))
}

#[cfg(not(feature = "cluster"))]
pub fn link(_: Engine) -> Result<AnyLink, String> {
    Err(NOT_BUILT_IN.to_owned())
}

/// What stands in the way of a node, seen from here, and what does not. It makes nothing that stays.
#[cfg(feature = "cluster")]
pub fn look(engine: &Engine) -> Vec<Seen> {
    preflight::look(engine)
}

#[cfg(not(feature = "cluster"))]
pub fn look(_: &Engine) -> Vec<Seen> {
    vec![Seen::Wrong(NOT_BUILT_IN.to_owned())]
}
