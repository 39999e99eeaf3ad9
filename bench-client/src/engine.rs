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

mod carry_out;
mod connect;
mod count;
mod members;
pub mod nuisances;
pub mod outcome;
mod read;
mod roles;
mod send;
pub mod settings;

use std::time::Duration;

use crate::engine::members::Engine;
use crate::engine::nuisances::Shape;
use crate::engine::outcome::{Connected, Outcome};
use crate::engine::settings::Settings;
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::sys;
use crate::usage::Sampler;

/// How long members stay after the last delivery: a repeat of it would come now.
const AFTERMATH: Duration = Duration::from_millis(50);
/// Presence lines that never stop arriving do not hold up a run for longer than this.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// Carries out `plan`; the members leave before it returns.
pub fn run(settings: &Settings, plan: &Plan, sampler: &Sampler) -> Result<Outcome> {
    let mut engine = Engine::new(settings, plan, sampler)?;
    let before_connect = sampler.sample();
    engine.nuisances.connect()?;
    let elapsed_ns = engine.connect_all()?;
    engine.settle()?;
    let settled = sampler.sample();
    let idle = match settings.idle {
        None => None,
        Some(idle) => {
            engine.read_for(idle)?;
            Some((settled.clone(), sampler.sample()))
        }
    };
    let measured = engine.carry_out()?;
    engine.read_for(AFTERMATH)?;
    engine.leave();
    let counted = engine.count_up(measured.wire_line_bytes as u64, measured.ended_ns);
    let nuisances = (settings.nuisances != Shape::default()).then(|| engine.nuisances.finish());
    let record = engine.recorder.finish(measured.ended_ns);
    Ok(Outcome {
        connected: Connected { elapsed_ns, latency: engine.connect_latency },
        record,
        counted,
        disconnected: engine.disconnected,
        first_close_reason: engine.first_close_reason,
        before_connect,
        settled,
        idle,
        window: measured.window,
        window_deliveries: measured.deliveries,
        measured_deliveries: measured.measured_deliveries,
        measured_ns: measured.measured_ns,
        start_ns: measured.start_ns,
        started: measured.started,
        wire_line_bytes: measured.wire_line_bytes,
        round: measured.round,
        warnings: engine.warnings,
        nuisances,
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
                self.warnings.push(format!("the room was not quiet {SETTLE_MAX:?} after the last join"));
                return self.all_still_here();
            }
            self.read_round(Duration::from_nanos(self.settle_ns() - quiet_ns))?;
        }
    }

    fn settle_ns(&self) -> u64 {
        self.settings.settle.max(self.wire.settle_min()).as_nanos() as u64
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
