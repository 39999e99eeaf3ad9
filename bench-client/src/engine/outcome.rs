//! What a run leaves: the record of its messages, what counting members proved, and what it cost.

use std::time::SystemTime;

use hdrhistogram::Histogram;

use crate::engine::nuisances::NuisancesOutcome;
use crate::recorder::record::Record;
use crate::usage::Sample;

/// What the connect phase took.
#[derive(Debug, Clone)]
pub struct Connected {
    pub elapsed_ns: u64,
    /// From the start of a member's connect to its welcome.
    pub latency: Histogram<u64>,
}

/// What counting members proved.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    pub members: u64,
    /// Members whose bytes differ from what they should have.
    pub wrong: u64,
    pub lost: u64,
    pub duplicate: u64,
    /// Deliveries that the server still held back when the run ended.
    pub held_back: u64,
}

/// All that a run left behind.
#[derive(Debug)]
pub struct Outcome {
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
}
