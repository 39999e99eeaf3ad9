//! The lines that a server sends members of a plan, for tests of the recorder.

use super::{Format, Header};
use crate::plan::Plan;

/// When the plans of the tests start.
pub const START_NS: u64 = 1_000_000_000_000;

/// How the lines of each publisher begin.
pub fn authors(plan: &Plan) -> Vec<Vec<u8>> {
    (0..plan.publishers()).map(author).collect()
}

fn author(publisher: u32) -> Vec<u8> {
    format!("[10.0.0.1:{publisher}] ").into_bytes()
}

/// Message `index` as a member reads it, without its line feed.
pub fn line(plan: &Plan, index: usize) -> Vec<u8> {
    let publisher = plan.publisher_of(index);
    let mut line = author(publisher);
    let header = Header { publisher, sequence: plan.sequence_of(index), due_ns: START_NS + plan.due_ns(index) };
    Format::new(64).encode(header, &mut line);
    line.pop();
    line
}
