//! The plan carried out: what is due is sent, and sockets are read the rest of the time.
//!
//! The clock is read once a socket and the plan is looked at each time, so that reading never makes a send later than one read.

use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::engine::members::{Engine, Publisher};
use crate::engine::progress::run_bar;
use crate::error::{Context, Result};
use crate::plan::Plan;
use crate::recorder::latency::histogram;
use crate::sys;

/// Nothing is due, and the thread sleeps this long at a time.
const WAIT_NS: u64 = 1_000_000_000;
/// The clock is watched for at most this long before a send is due. A virtual processor that slept for a quarter of a second
/// was seen to take 600 us to wake up.
const WATCH_NS_MAX: u64 = 2_000_000;

/// When the plan starts, and what the room calls its publishers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    pub start_ns: u64,
    pub authors: Vec<Vec<u8>>,
}

/// What carrying out the plan measured, of the members of this process.
#[derive(Debug)]
pub struct Measured {
    pub ended_ns: u64,
    /// Deliveries between the sample before the window and the end.
    pub window_deliveries: u64,
    pub measured_deliveries: u64,
    /// When bytes last came.
    pub heard_ns: u64,
    pub round: Histogram<u64>,
}

impl Start {
    /// Bytes of one message as the members receive it, at most; `delivery_bytes` without its author.
    pub fn wire_line_bytes(&self, delivery_bytes: usize) -> usize {
        self.authors.iter().map(Vec::len).max().unwrap_or(0) + delivery_bytes
    }
}

/// When, from the start of the plan, the costs before the window are sampled: between warm-up and window.
pub fn window_sample_ns(plan: &Plan) -> u64 {
    let window_ns = plan.window_start_ns();
    let gap_ns = match plan.warmup_messages() {
        0 => 2_000_000,
        count => window_ns - plan.due_ns(count - 1),
    };
    window_ns.saturating_sub((gap_ns / 2).min(2_000_000))
}

/// Who ends the plan, and what else happens meanwhile.
pub(super) trait Conductor {
    /// The window is about to begin.
    fn before_window(&mut self);
    /// All that these members are to get has come; true if the plan is over for them.
    fn on_complete(&mut self) -> Result<bool>;
    /// `deadline_ns` is past, or there are orders; true if the plan is over for these members.
    fn is_over(&self, is_past_deadline: bool, has_orders: bool) -> bool;
}

impl Engine<'_> {
    /// The plan: sends what is due, reads the rest of the time, until all is delivered or the drain time is over.
    pub(super) fn carry_out(&mut self, start: &Start, conductor: &mut impl Conductor) -> Result<Measured> {
        let start_ns = start.start_ns;
        let deadline_ns = start_ns + self.plan.window_end_ns() + self.settings.drain.as_nanos() as u64;
        self.recorder.start(start_ns, start.authors.clone());
        self.real_time_offset_ns = sys::real_time_offset_ns();
        self.forget_bytes();
        self.expect_of_elsewhere();
        self.nuisances.start(start_ns, self.plan.window_start_ns());
        let bar = run_bar(self.plan.len(), self.settings.progress);
        let mut bar_ns = 0;
        let sample_ns = start_ns + window_sample_ns(self.plan);
        let mut deliveries_before = None;
        let mut is_complete = false;
        let mut round = histogram();
        loop {
            let mut now_ns = sys::monotonic_ns();
            if deliveries_before.is_none() && now_ns >= sample_ns {
                conductor.before_window();
                deliveries_before = Some(self.deliveries(self.wire_line_bytes(start)));
                now_ns = sys::monotonic_ns();
            }
            self.publish_due(now_ns)?;
            if !is_complete && self.is_done() {
                is_complete = true;
                if conductor.on_complete()? {
                    break;
                }
            }
            if conductor.is_over(now_ns >= deadline_ns, self.has_orders) {
                break;
            }
            if now_ns >= bar_ns {
                self.show_progress(&bar, now_ns.saturating_sub(start_ns));
                bar_ns = now_ns + 1_000_000_000;
            }
            let wake_ns = match now_ns {
                _ if deliveries_before.is_none() => sample_ns,
                _ if now_ns < deadline_ns => deadline_ns,
                _ => now_ns + WAIT_NS,
            };
            if now_ns >= self.nuisances.due_ns() {
                self.nuisances.tick(now_ns, &self.epoll);
            }
            let wake_ns = wake_ns.min(self.next_due_ns()).min(self.nuisances.due_ns());
            let wake_ns = if bar.is_hidden() { wake_ns } else { wake_ns.min(bar_ns) };
            let sleep_ns = wake_ns.saturating_sub(now_ns).saturating_sub(self.watch_ns());
            let count =
                self.epoll.wait(Duration::from_nanos(sleep_ns)).context(|| "cannot wait for sockets".to_string())?;
            let woken_ns = sys::monotonic_ns();
            let ended_ns = self.on_events(count, woken_ns)?;
            if count > 0 {
                round.saturating_record(ended_ns - woken_ns);
            }
        }
        bar.finish_and_clear();
        let wire_line_bytes = self.wire_line_bytes(start);
        let deliveries = self.deliveries(wire_line_bytes);
        Ok(Measured {
            ended_ns: sys::monotonic_ns(),
            // A plan that was never reached, because every publisher was closed, has an empty window.
            window_deliveries: deliveries - deliveries_before.unwrap_or(deliveries),
            measured_deliveries: self.measured_deliveries(wire_line_bytes),
            heard_ns: self.heard_ns,
            round,
        })
    }

    /// What publishers of other processes send is not seen being sent: members are to get all of it.
    fn expect_of_elsewhere(&mut self) {
        for index in 0..self.plan.len() {
            let publisher = &mut self.publishers[self.plan.publisher_of(index) as usize];
            publisher.messages_sent += u64::from(publisher.member.is_none());
        }
    }

    /// How long before a send is due the thread stops sleeping and watches the clock. A processor that has gone idle takes some
    /// hundred microseconds to wake up, which would be counted as the server's.
    fn watch_ns(&self) -> u64 {
        let interval_ns = self.plan.window_end_ns() / self.plan.len().max(1) as u64;
        (interval_ns / 10).min(WATCH_NS_MAX)
    }

    /// Handles `count` events and returns the time after the last; sends what fell due between reads.
    fn on_events(&mut self, count: usize, woken_ns: u64) -> Result<u64> {
        let mut now_ns = woken_ns;
        for index in 0..count {
            let event = self.epoll.event(index);
            if self.is_of_no_member(event) {
                continue;
            }
            if event.writable {
                self.on_writable(event.token as usize)?;
            }
            if event.readable {
                now_ns = self.on_readable(event.token as usize);
            }
            if now_ns >= self.next_due_ns() {
                self.publish_due(now_ns)?;
            }
        }
        Ok(now_ns)
    }

    /// True exactly when everything is sent and everybody has it.
    fn is_done(&self) -> bool {
        let sent = self.next == self.plan.len() && self.publishers.iter().all(Publisher::is_idle);
        sent && self.recorder.is_complete() && self.counting_is_complete()
    }

    /// Drawn once a second: the thread that draws is the one that measures.
    fn show_progress(&self, bar: &ProgressBar, elapsed_ns: u64) {
        if bar.is_hidden() {
            return;
        }
        bar.set_position(self.next as u64);
        let phase = if elapsed_ns < self.plan.window_start_ns() { "warming up, " } else { "" };
        bar.set_message(format!(
            "{phase}{} of {} messages sent, {} deliveries",
            self.next,
            self.plan.len(),
            self.recorder.deliveries()
        ));
    }
}
