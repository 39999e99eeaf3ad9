//! What a finished run leaves of its messages, whether one process recorded it or several.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::recorder::figures::Figures;
use crate::recorder::proven::Proven;
use crate::recorder::times::Message;

/// Notices, and foreign and corrupt lines, that a summary quotes.
pub(super) const QUOTES_MAX: usize = 5;

/// Lines of the server that are no messages.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Words {
    pub presence_lines: u64,
    pub notice_lines: u64,
    /// The first few notices.
    pub notices: Vec<String>,
    /// The first few foreign and corrupt lines.
    pub other_lines: Vec<String>,
    /// Publishers that the server told to slow down.
    pub publishers_slowed: u64,
}

/// What a finished run left.
#[derive(Debug)]
pub struct Record {
    /// All messages of the plan, warm-up first.
    pub messages: Vec<Message>,
    pub warmup_messages: usize,
    pub figures: Figures,
    pub proven: Proven,
    pub words: Words,
    /// From due time to each delivery, of the members of each door, if they came in by several.
    pub of_doors: Vec<Histogram<u64>>,
}
