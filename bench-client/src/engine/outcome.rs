//! What a run leaves: the record of its messages, what counting members proved, and what it cost.

use std::time::SystemTime;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::engine::nuisances::NuisancesOutcome;
use crate::recorder::record::Record;
use crate::usage::aftermath::Aftermath;
use crate::usage::{Sample, Standing};

/// What the connect phase took.
#[derive(Debug, Clone)]
pub struct Connected {
    pub elapsed_ns: u64,
    /// How long it took until the room was full to a tenth, two tenths and so on.
    pub tenths_ns: Vec<u64>,
    /// From the start of a member's connect to its welcome.
    pub latency: Histogram<u64>,
}

/// What members that only count bytes should have received since the plan started.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Expected {
    /// Of each publisher: bytes of the messages that it sent and that the server did not hold back.
    pub bytes: Vec<u64>,
    /// Of each publisher: bytes of those that the server held back, which may have come.
    pub held_back_bytes: Vec<u64>,
    pub presence_bytes: u64,
}

/// What counting members proved.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Counted {
    pub members: u64,
    /// Members whose bytes differ from what they should have.
    pub wrong: u64,
    pub lost: u64,
    pub duplicate: u64,
    /// Deliveries that the server still held back when the run ended.
    pub held_back: u64,
}

impl Counted {
    /// Adds what `other` proved of other members.
    pub fn add(&mut self, other: &Self) {
        self.members += other.members;
        self.wrong += other.wrong;
        self.lost += other.lost;
        self.duplicate += other.duplicate;
        self.held_back += other.held_back;
    }
}

/// All that a run left behind.
#[derive(Debug)]
pub struct Outcome {
    /// Processes that had the members between them.
    pub processes: u64,
    pub connected: Connected,
    pub record: Record,
    pub counted: Counted,
    /// Members whose connection ended before the run did.
    pub disconnected: u64,
    /// Why the first of them was closed.
    pub first_close_reason: Option<String>,
    /// Costs before the connects and after the room was quiet.
    pub before_connect: Sample,
    pub settled: Sample,
    /// What a quiet room of all members takes beside memory of processes.
    pub standing: Standing,
    /// The same around the idle time.
    pub idle: Option<(Sample, Sample)>,
    /// Costs just before the first measured message and when the last delivery was in, or waited for no longer.
    pub window: (Sample, Sample),
    /// Deliveries to all members between the two samples of the window.
    pub window_deliveries: u64,
    /// Deliveries of measured messages to all members, and the time that they are counted over: from when the first was due to
    /// the end of the plan, or to the last delivery if that came later.
    pub measured_deliveries: u64,
    pub measured_ns: u64,
    /// Absolute start of the plan.
    pub start_ns: u64,
    /// The same on the wall clock.
    pub started: SystemTime,
    /// Bytes of one message as the members receive it, at most.
    pub wire_line_bytes: usize,
    /// How long the thread was away from its epoll set at a time.
    pub round: Histogram<u64>,
    pub warnings: Vec<String>,
    /// None when there are none.
    pub nuisances: Option<NuisancesOutcome>,
    /// None unless the server was watched after the members had left.
    pub aftermath: Option<Aftermath>,
}
