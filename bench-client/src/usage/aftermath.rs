//! What a server does with what it had for a crowd, once the crowd has left.

use std::time::Duration;

use crate::sys;
use crate::usage::{ProcessUsage, Sample, Sampler, machine_ticks};

/// How often the server is looked at.
const TICK_NS: u64 = 200_000_000;
/// The share of what the crowd made a server's memory grow by that may remain when it counts as given back.
const KEPT_SHARE_MAX: f64 = 0.1;

/// The server after all members left.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Aftermath {
    /// How long it was watched, from when the members left.
    pub watched_ns: u64,
    /// When it first said that it has no members; None if it does not say.
    pub empty_after_ns: Option<u64>,
    /// The longest that it took to say how many members it has.
    pub answer_ns_max: Option<u64>,
    /// When at most a tenth of what its memory had grown by since before the first connect was left.
    pub memory_back_after_ns: Option<u64>,
    pub memory_before_bytes: u64,
    pub memory_full_bytes: u64,
    pub memory_end_bytes: u64,
    pub descriptors_full: u64,
    pub descriptors_end: u64,
    /// Processor time of the server, and ticks of all processors that went to anything.
    pub cpu_ns: u64,
    pub busy_ticks: u64,
}

impl Sampler {
    /// Watches the server until `time` after `left_ns`, when the members left; None if no server process is known. It was
    /// `before` the first connect, and is compared with how it was when the plan was over, `full`.
    pub fn after_leaving(&self, time: Duration, left_ns: u64, before: &Sample, full: &Sample) -> Option<Aftermath> {
        let (before, full_server): (ProcessUsage, ProcessUsage) = (before.server?, full.server?);
        let mut aftermath = Aftermath {
            memory_before_bytes: before.memory_bytes,
            memory_full_bytes: full_server.memory_bytes,
            descriptors_full: self.server_descriptors()?,
            ..Aftermath::default()
        };
        let end_ns = left_ns + time.as_nanos() as u64;
        let mut usage = full_server;
        loop {
            self.ask(&mut aftermath, left_ns);
            let now_ns = sys::monotonic_ns();
            usage = self.sample().server.unwrap_or(usage);
            let grown = full_server.memory_bytes.saturating_sub(before.memory_bytes) as f64;
            let kept = usage.memory_bytes.saturating_sub(before.memory_bytes) as f64;
            if kept <= grown * KEPT_SHARE_MAX {
                aftermath.memory_back_after_ns.get_or_insert(now_ns.saturating_sub(left_ns));
            }
            if now_ns >= end_ns {
                break;
            }
            sys::sleep_until((now_ns + TICK_NS).min(end_ns));
        }
        aftermath.watched_ns = sys::monotonic_ns() - left_ns;
        aftermath.memory_end_bytes = usage.memory_bytes;
        aftermath.descriptors_end = self.server_descriptors().unwrap_or(0);
        aftermath.cpu_ns = usage.cpu_ns.saturating_sub(full_server.cpu_ns);
        let (busy_ticks, _) = machine_ticks(&std::fs::read_to_string("/proc/stat").unwrap_or_default());
        aftermath.busy_ticks = busy_ticks.saturating_sub(full.busy_ticks);
        Some(aftermath)
    }

    /// Asks the server for its members, until it has none.
    fn ask(&self, aftermath: &mut Aftermath, left_ns: u64) {
        let Some(ask) = self.ask_members.as_ref().filter(|_| aftermath.empty_after_ns.is_none()) else { return };
        let asked_ns = sys::monotonic_ns();
        let members = ask();
        let now_ns = sys::monotonic_ns();
        aftermath.answer_ns_max = aftermath.answer_ns_max.max(Some(now_ns - asked_ns));
        if members == Some(0) {
            aftermath.empty_after_ns = Some(now_ns.saturating_sub(left_ns));
        }
    }
}
