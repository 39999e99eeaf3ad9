//! What the record of a run amounts to: histograms of room latency, deliveries, spread and schedule lag.
//!
//! A message that not all members got is never left out: it counts as having taken until the end of the run, which is at
//! least the drain timeout, and every figure it touches says "at least". The same holds for each delivery that never came.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::recorder::latency::{Cells, Latency, histogram};
use crate::recorder::times::{MARKS, Message, WHOLE};

/// Length of one interval of the log: a second, or what makes a few hundred in all; an interval is 200 KiB.
pub fn interval_ns(plan: &Plan) -> u64 {
    ((plan.window_end_ns() - plan.window_start_ns()) / 300).max(1_000_000_000)
}

/// Latencies of one interval of the run, for the interval log.
#[derive(Debug)]
pub struct Interval {
    /// From the start of the measured window.
    pub start_ns: u64,
    pub delivery: Histogram<u64>,
}

/// Deliveries to probes, in the two parts into which the kernel's stamp splits them.
#[derive(Debug, Clone, Default)]
pub struct Stamped {
    /// From due time until the kernel had it for the member: the server's part.
    pub kernel_has_it: Latency,
    /// From there until it was read: the client's part.
    pub until_read: Latency,
}

impl Stamped {
    pub fn record(&mut self, kernel_has_it_ns: u64, until_read_ns: u64) {
        self.kernel_has_it.record(kernel_has_it_ns);
        self.until_read.record(until_read_ns);
    }
}

/// [`Stamped`] on its way from one process to another.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StampedCells {
    kernel_has_it: Cells,
    until_read: Cells,
    saturated: (u64, u64),
}

impl From<&Stamped> for StampedCells {
    fn from(stamped: &Stamped) -> Self {
        Self {
            kernel_has_it: (&stamped.kernel_has_it.histogram).into(),
            until_read: (&stamped.until_read.histogram).into(),
            saturated: (stamped.kernel_has_it.saturated, stamped.until_read.saturated),
        }
    }
}

impl StampedCells {
    pub fn add_to(&self, stamped: &mut Stamped) {
        self.kernel_has_it.add_to(&mut stamped.kernel_has_it.histogram);
        self.until_read.add_to(&mut stamped.until_read.histogram);
        stamped.kernel_has_it.saturated += self.saturated.0;
        stamped.until_read.saturated += self.saturated.1;
    }
}

/// One interval of the log: the same tags as the whole.
#[derive(Debug)]
pub struct IntervalFigures {
    pub start_ns: u64,
    pub delivery: Histogram<u64>,
    /// Messages due in the interval.
    pub room: Histogram<u64>,
    pub lag: Histogram<u64>,
}

/// The figures of a run, of its measured messages alone.
#[derive(Debug)]
pub struct Figures {
    /// From due time until the whole room has it, one value a message.
    pub room: Latency,
    /// The same until the first member, and until 50, 90 and 99 % of the room have it.
    pub marks: [Latency; MARKS - 1],
    /// From the first delivery of a message to its last.
    pub spread: Latency,
    /// From due time to each delivery.
    pub delivery: Latency,
    /// From send time to each delivery, what a closed loop would have seen.
    pub uncorrected: Latency,
    /// From due time to send time.
    pub lag: Latency,
    /// Some of the deliveries, split in two.
    pub stamped: Stamped,
    pub intervals: Vec<IntervalFigures>,
    pub interval_ns: u64,
}

impl Figures {
    /// From the measured messages, and the latencies recorded as they came, at the end of the run.
    pub fn new(
        messages: &[Message],
        intervals: Vec<Interval>,
        uncorrected: Histogram<u64>,
        saturated: u64,
        interval_ns: u64,
        ended_ns: u64,
    ) -> Self {
        let mut figures = Self {
            room: Latency::default(),
            marks: Default::default(),
            spread: Latency::default(),
            delivery: Latency { saturated, ..Latency::default() },
            uncorrected: Latency { histogram: uncorrected, ..Latency::default() },
            lag: Latency::default(),
            stamped: Stamped::default(),
            intervals: Vec::new(),
            interval_ns,
        };
        for interval in intervals {
            figures.delivery.histogram.add(&interval.delivery).expect("all histograms have the same bounds");
            figures.intervals.push(IntervalFigures {
                start_ns: interval.start_ns,
                delivery: interval.delivery,
                room: histogram(),
                lag: histogram(),
            });
        }
        let window_start_ns = messages.first().map_or(0, |message| message.due_ns);
        for message in messages {
            figures.add(message, window_start_ns, ended_ns);
        }
        figures
    }

    fn add(&mut self, message: &Message, window_start_ns: u64, ended_ns: u64) {
        let until_end_ns = ended_ns.saturating_sub(message.due_ns);
        let interval = ((message.due_ns - window_start_ns) / self.interval_ns) as usize;
        let sent = message.sent_ns != 0;
        if sent && message.expected == 0 {
            return;
        }
        let add = |latency: &mut Latency, at_ns: u64| match at_ns {
            0 => latency.record_censored(until_end_ns, 1),
            at_ns => latency.record(at_ns.saturating_sub(message.due_ns)),
        };
        add(&mut self.lag, message.sent_ns);
        add(&mut self.room, message.marks_ns[WHOLE]);
        for (latency, at_ns) in self.marks.iter_mut().zip(message.marks_ns) {
            add(latency, at_ns);
        }
        match message.marks_ns {
            [first_ns, .., last_ns] if last_ns != 0 => self.spread.record(last_ns - first_ns),
            [first_ns, ..] => self.spread.record_censored(ended_ns.saturating_sub(first_ns.max(message.due_ns)), 1),
        }
        let missing = u64::from(message.expected - message.received.min(message.expected));
        if missing > 0 {
            self.delivery.record_censored(until_end_ns, missing);
            self.uncorrected.record_censored(ended_ns.saturating_sub(message.sent_ns), missing);
        }
        if let Some(interval) = self.intervals.get_mut(interval) {
            let until = |at_ns: u64| if at_ns == 0 { ended_ns } else { at_ns }.saturating_sub(message.due_ns);
            interval.room.saturating_record(until(message.marks_ns[WHOLE]));
            interval.lag.saturating_record(until(message.sent_ns));
        }
    }
}
