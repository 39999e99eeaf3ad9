//! The plan carried out: what is due is sent, and sockets are read the rest of the time.
//!
//! The clock is read once a socket and the plan is looked at each time, so that reading never makes a send later than one read.

use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::members::{Engine, Publisher};
use crate::error::{Context, Result};
use crate::recorder::latency::histogram;
use crate::sys;
use crate::usage::Sample;

/// The plan starts this long after everything is ready.
const LEAD_IN_NS: u64 = 20_000_000;
/// The clock is watched for at most this long before a send is due. A virtual processor that slept for a quarter of a second
/// was seen to take 600 us to wake up.
const WATCH_NS_MAX: u64 = 2_000_000;

/// What carrying out the plan measured.
pub(super) struct Measured {
    pub(super) start_ns: u64,
    pub(super) started: SystemTime,
    pub(super) ended_ns: u64,
    pub(super) window: (Sample, Sample),
    pub(super) deliveries: u64,
    pub(super) measured_deliveries: u64,
    pub(super) measured_ns: u64,
    pub(super) wire_line_bytes: usize,
    pub(super) round: Histogram<u64>,
}

impl Engine<'_> {
    /// The plan: sends what is due, reads the rest of the time, until all is delivered or the drain time is over.
    pub(super) fn carry_out(&mut self) -> Result<Measured> {
        let authors = self.authors()?;
        let wire_line_bytes = authors.iter().map(Vec::len).max().unwrap_or(0) + self.wire.delivery_bytes();
        let start_ns = sys::monotonic_ns() + LEAD_IN_NS;
        let started = SystemTime::now() + Duration::from_nanos(LEAD_IN_NS);
        let deadline_ns = start_ns + self.plan.window_end_ns() + self.settings.drain.as_nanos() as u64;
        self.recorder.start(start_ns, authors);
        self.real_time_offset_ns = sys::real_time_offset_ns();
        self.forget_bytes();
        self.nuisances.start(start_ns, self.plan.window_start_ns());
        let bar = self.run_bar();
        let mut bar_ns = 0;
        let sample_ns = start_ns + self.window_sample_ns();
        let mut sample = None;
        let mut round = histogram();
        let mut deliveries_before = 0;
        loop {
            let mut now_ns = sys::monotonic_ns();
            if sample.is_none() && now_ns >= sample_ns {
                sample = Some(self.sampler.sample());
                deliveries_before = self.deliveries(wire_line_bytes);
                now_ns = sys::monotonic_ns();
            }
            self.publish_due(now_ns)?;
            if self.is_done() || now_ns >= deadline_ns {
                break;
            }
            if now_ns >= bar_ns {
                self.show_progress(&bar, now_ns.saturating_sub(start_ns));
                bar_ns = now_ns + 1_000_000_000;
            }
            let wake_ns = if sample.is_none() { sample_ns } else { deadline_ns };
            if now_ns >= self.nuisances.due_ns() {
                self.nuisances.tick(now_ns);
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
        let ended_ns = sys::monotonic_ns();
        let after = self.sampler.sample();
        // A plan that was never reached, because every publisher was closed, has an empty window.
        let before = sample.unwrap_or_else(|| after.clone());
        let deliveries = self.deliveries(wire_line_bytes) - deliveries_before;
        let window_ns = (start_ns + self.plan.window_start_ns(), start_ns + self.plan.window_end_ns());
        Ok(Measured {
            start_ns,
            started,
            ended_ns,
            window: (before, after),
            deliveries,
            measured_deliveries: self.measured_deliveries(wire_line_bytes),
            measured_ns: self.heard_ns.max(window_ns.1) - window_ns.0,
            wire_line_bytes,
            round,
        })
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

    /// When, from the start of the plan, the costs before the window are sampled: between warm-up and window.
    fn window_sample_ns(&self) -> u64 {
        let window_ns = self.plan.window_start_ns();
        let gap_ns = match self.plan.warmup_messages() {
            0 => 2_000_000,
            count => window_ns - self.plan.due_ns(count - 1),
        };
        window_ns.saturating_sub((gap_ns / 2).min(2_000_000))
    }

    /// True exactly when everything is sent and everybody has it.
    fn is_done(&self) -> bool {
        let sent = self.next == self.plan.len() && self.publishers.iter().all(Publisher::is_idle);
        sent && self.recorder.is_complete() && self.counting_is_complete()
    }

    fn run_bar(&self) -> ProgressBar {
        if !self.settings.progress {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{elapsed} {bar:30} {msg}").expect("the template is well-formed");
        ProgressBar::new(self.plan.len() as u64).with_style(style)
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
