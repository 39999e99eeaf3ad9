//! The run itself: the members, in one thread, one level-triggered epoll set, one socket a member.
//!
//! First all members connect. Then the room settles, because presence lines still arrive after the last join. Then, if asked,
//! nobody speaks for a while. Then comes the plan: whenever a message is due it is sent, and between sends sockets are read. The clock is read once a socket and the plan is looked
//! at each time, so that reading never makes a send later than one read.
//!
//! Verified members have every line handed to the recorder. The others only count bytes, which the kernel drops without
//! copying; at the end their counts must equal what the verified ones saw.
//!
//! It does not decide what is due (`plan`), keep figures (`recorder`) or judge a run (`summarise.rs`).

pub mod carry_out;
mod connect;
mod count;
mod doors;
mod listener;
mod members;
pub mod nuisances;
pub mod outcome;
mod pieces;
pub mod progress;
mod read;
mod roles;
mod sample;
mod send;
pub mod settings;
pub mod shape;
pub mod share;
pub mod step;
pub mod stepwise;
pub mod visits;

use std::time::{Duration, SystemTime};

use crate::engine::carry_out::{Conductor, Start};
use crate::engine::members::Engine;
use crate::engine::outcome::{Connected, Outcome};
use crate::engine::progress::connect_bar;
use crate::engine::settings::Settings;
use crate::engine::shape::Shape;
use crate::engine::share::Share;
use crate::engine::step::Step;
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::protocol::Wire;
use crate::sys;
use crate::usage::{Sample, Sampler};

/// How long members stay after the last delivery: a repeat of it would come now.
pub const LAST_LOOK: Duration = Duration::from_millis(50);
/// Presence lines that never stop arriving do not hold up a run for longer than this.
pub const SETTLE_MAX: Duration = Duration::from_secs(30);
/// The plan starts this long after everything is ready.
const LEAD_IN_NS: u64 = 20_000_000;

/// The plan of a room that this process has alone: it ends when all is delivered or the drain time is over.
struct Alone<'a> {
    sampler: &'a Sampler,
    before: Option<Sample>,
}

impl Conductor for Alone<'_> {
    fn before_window(&mut self) {
        self.before = Some(self.sampler.sample());
    }

    fn on_complete(&mut self) -> Result<bool> {
        Ok(true)
    }

    fn is_over(&self, is_past_deadline: bool, _has_orders: bool) -> bool {
        is_past_deadline
    }
}

/// Carries out `plan`, in step with another run if there is one; the members leave before it returns.
pub fn run(settings: &Settings, plan: &Plan, sampler: &Sampler, step: &Step) -> Result<Outcome> {
    let members = (settings.members, plan.rooms());
    let shares = Share::of_rooms(members, plan.publishers() as usize, settings.verified, settings.probes, 1);
    let mut engine = Engine::new(settings, plan, &shares[0])?;
    step.before_connect()?;
    let before_connect = sampler.sample();
    let kernel_before = sampler.kernel();
    engine.nuisances.connect()?;
    let bar = connect_bar(settings.members, settings.progress);
    let (began_ns, joined_ns) = engine.connect_all(|joined| {
        bar.set_position(joined as u64);
        Ok(())
    })?;
    bar.finish_and_clear();
    engine.settle()?;
    let settled = sampler.sample();
    let standing = sampler.standing(kernel_before);
    let idle = match settings.idle {
        None => None,
        Some(idle) => {
            engine.read_for(idle)?;
            Some((settled.clone(), sampler.sample()))
        }
    };
    let authors = engine.authors()?.into_iter().map(|(_, author)| author).collect();
    let start = Start { start_ns: step.before_start(|| sys::monotonic_ns() + LEAD_IN_NS)?, authors };
    let started = SystemTime::now() + Duration::from_nanos(start.start_ns.saturating_sub(sys::monotonic_ns()));
    let mut alone = Alone { sampler, before: None };
    let measured = engine.carry_out(&start, &mut alone)?;
    let after = sampler.sample();
    engine.read_for(LAST_LOOK)?;
    step.before_leave();
    engine.leave();
    step.on_left();
    let left_ns = sys::monotonic_ns();
    let wire_line_bytes = engine.wire_line_bytes(&start);
    let counted = engine.count_up(wire_line_bytes as u64, &engine.expected(measured.ended_ns));
    let nuisances = (settings.nuisances != Shape::default()).then(|| engine.finish_nuisances());
    let aftermath = settings.aftermath.and_then(|time| sampler.after_leaving(time, left_ns, &before_connect, &after));
    let record = engine.recorder.finish(measured.ended_ns);
    let window_ns = (start.start_ns + plan.window_start_ns(), start.start_ns + plan.window_end_ns());
    Ok(Outcome {
        processes: 1,
        connected: Connected {
            elapsed_ns: joined_ns - began_ns,
            tenths_ns: engine.tenths_ns.iter().map(|(_, at_ns)| at_ns - began_ns).collect(),
            latency: engine.connect_latency,
        },
        record,
        counted,
        disconnected: engine.disconnected,
        first_close_reason: engine.first_close_reason,
        before_connect,
        settled,
        standing,
        idle,
        window: (alone.before.unwrap_or_else(|| after.clone()), after),
        window_deliveries: measured.window_deliveries,
        measured_deliveries: measured.measured_deliveries,
        measured_ns: measured.heard_ns.max(window_ns.1) - window_ns.0,
        start_ns: start.start_ns,
        started,
        wire_line_bytes,
        round: measured.round,
        warnings: engine.warnings,
        nuisances,
        aftermath,
    })
}

impl Engine<'_> {
    /// Waits until the room has fallen silent.
    fn settle(&mut self) -> Result<()> {
        let started_ns = sys::monotonic_ns();
        self.heard_ns = started_ns;
        loop {
            let now_ns = sys::monotonic_ns();
            let quiet_ns = now_ns - self.heard_ns;
            if quiet_ns >= self.settle_ns() {
                return self.all_still_here();
            }
            if now_ns - started_ns > SETTLE_MAX.as_nanos() as u64 {
                self.warnings.push(not_quiet());
                return self.all_still_here();
            }
            self.read_round(Duration::from_nanos(self.settle_ns() - quiet_ns))?;
        }
    }

    fn settle_ns(&self) -> u64 {
        self.settings.settle.max(self.wires.iter().map(Wire::settle_min).max().unwrap_or_default()).as_nanos() as u64
    }

    fn all_still_here(&self) -> Result<()> {
        match &self.first_close_reason {
            None => Ok(()),
            Some(reason) => Err(Error::invalid(format!(
                "{} of {} members were closed before the run began: {reason}",
                self.disconnected,
                self.members.len()
            ))),
        }
    }
}

/// Said of a room that never fell silent.
pub fn not_quiet() -> String {
    format!("the room was not quiet {SETTLE_MAX:?} after the last join")
}
