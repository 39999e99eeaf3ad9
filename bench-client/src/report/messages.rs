//! `messages.csv`: one row a measured message, times in nanoseconds from the start of the plan.
//!
//! An empty cell: the message was not sent, or too few members got it.

use std::io;

use serde::Serialize;

use crate::plan::Plan;
use crate::recorder::record::Record;

#[derive(Serialize)]
struct Row {
    publisher: u32,
    sequence: u64,
    due_ns: u64,
    sent_ns: Option<u64>,
    first_ns: Option<u64>,
    p50_ns: Option<u64>,
    p90_ns: Option<u64>,
    p99_ns: Option<u64>,
    last_ns: Option<u64>,
    /// Verified members in the room when it was sent, its author left out.
    expected: u32,
    received: u32,
}

/// Writes the measured messages of `record`, whose plan began at `start_ns`.
pub fn write(to: impl io::Write, plan: &Plan, record: &Record, start_ns: u64) -> csv::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    let since_start = |at_ns: u64| (at_ns != 0).then(|| at_ns - start_ns);
    for (index, message) in record.messages.iter().enumerate().skip(record.warmup_messages) {
        let [first_ns, p50_ns, p90_ns, p99_ns, last_ns] = message.marks_ns.map(since_start);
        writer.serialize(Row {
            publisher: plan.publisher_of(index),
            sequence: plan.sequence_of(index),
            due_ns: message.due_ns - start_ns,
            sent_ns: since_start(message.sent_ns),
            first_ns,
            p50_ns,
            p90_ns,
            p99_ns,
            last_ns,
            expected: message.expected,
            received: message.received,
        })?;
    }
    writer.flush()?;
    Ok(())
}
