//! Keeping order: who is held off, who may keep order, and what of it survives a restart. Data and files; the server
//! decides when.
//!
//! A *hold* is a ban or a mute: [`Holds`] is one table of them, and the server has one of each kind. What is held of a
//! member is decided here ([`Hold::of_member`]), and how addresses and times are typed and shown ([`Network`],
//! [`time`]). Only [`operator_key`], [`operator_files`] and [`state_file`] do I/O, and only the caller reads a clock.

pub mod hold;
pub mod holds;
#[cfg(any(test, feature = "sim"))]
pub mod memory_files;
#[cfg(any(test, feature = "sim"))]
pub mod memory_keeper;
pub mod network;
pub mod operator_files;
pub mod operator_key;
pub mod state;
pub mod state_file;
pub mod time;
pub mod upkeep;

pub use hold::Hold;
pub use holds::{Holds, HoldsFull};
pub use network::{Network, NetworkError};
pub use operator_files::OperatorFiles;
pub use operator_key::OperatorKey;
pub use state::{Modes, RoomState, State, StateError, Topic};
pub use state_file::{Keeper, StateFile};
pub use upkeep::{Report, Upkeep};

use crate::motd::Motd;

/// What a server reads from its operator's files before it listens.
#[derive(Debug, Default)]
pub struct Kept {
    /// `None`: nobody can become an operator.
    pub operator_key: Option<OperatorKey>,
    /// What an earlier server kept. It is empty without a file.
    pub state: State,
    /// `None`: nothing survives a restart.
    pub state_file: Option<state_file::Opened>,
    pub motd: Option<Motd>,
}
