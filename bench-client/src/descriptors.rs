//! What a process has its sockets in: a descriptor each, or tables of io_uring, which the descriptor limit does not count together.

use serde::{Deserialize, Serialize};

/// What the sockets of a server, or of the floor, are in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Descriptors {
    /// Ordinary descriptors of the process.
    #[default]
    Normal,
    /// Slots in the tables of several rings: direct descriptors.
    Direct,
}

impl Descriptors {
    /// What a table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Direct => "direct",
        }
    }
}
