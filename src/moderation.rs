//! Keeping order: who is held off, as data. The server decides when.
//!
//! A *hold* is a ban or a mute: [`Holds`] is one table of them, and the server has one of each kind. What is held of a
//! member is decided here ([`Hold::of_member`]), and how addresses and times are typed and shown ([`Network`],
//! [`time`]). Only the caller reads a clock.

pub mod hold;
pub mod holds;
pub mod network;
pub mod time;

pub use hold::{HeldName, Hold};
pub use holds::{Holds, HoldsFull};
pub use network::{Network, NetworkError};
