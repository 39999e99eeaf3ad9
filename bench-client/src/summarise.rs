//! The summary of a run, from what the run left: `parts` works out the figures, `verdict` judges them.

mod parts;
pub mod verdict;

use std::collections::BTreeMap;

use crate::engine::outcome::Outcome;
use crate::engine::settings::Settings;
use crate::plan::{Arrival, Plan};
use crate::results::summary::{PlanPart, RoomPart, SCHEMA, Summary, WatchdogPart};
use crate::summarise::parts::{
    aftermath_part, client_part, connect_part, doors_part, kernel_part, latency_part, nuisances_part, proof_part,
    sent_part, server_part,
};

/// What a summary says beyond the outcome.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    pub server_name: String,
    pub server_command: Option<String>,
    pub server_ready_line: Option<String>,
    pub arrival: Arrival,
    pub seed: u64,
    pub rate_per_s: f64,
    /// Schedule lag allowed at p99, if the caller sets it.
    pub lag_limit_ns: Option<u64>,
    pub pinned: bool,
    pub kernel_counter_rises: BTreeMap<String, u64>,
    pub watchdog: Option<WatchdogPart>,
}

/// Figures and judgement of one run.
pub fn summarise(setting: Setting, settings: &Settings, plan: &Plan, outcome: &Outcome) -> Summary {
    let window_ns = plan.window_end_ns() - plan.window_start_ns();
    let window_s = window_ns as f64 * 1e-9;
    let proof = proof_part(outcome);
    let latency = latency_part(outcome);
    let sent = sent_part(plan, outcome, settings, window_s);
    let client = client_part((setting.pinned, setting.lag_limit_ns), outcome, &latency);
    let mut summary = Summary {
        schema: SCHEMA,
        tool: format!("bench-client {}", env!("CARGO_PKG_VERSION")),
        server_name: setting.server_name,
        protocol: settings.protocol,
        server_command: setting.server_command,
        server_ready_line: setting.server_ready_line,
        valid: true,
        reasons: Vec::new(),
        clean: proof.is_clean(settings.protocol.keeps_one_order(), outcome.record.proven.members)
            && outcome.nuisances.as_ref().is_none_or(|nuisances| nuisances.inexact == 0),
        warnings: outcome.warnings.clone(),
        room: RoomPart {
            members: settings.members as u64,
            rooms: plan.rooms() as u64,
            publishers: u64::from(plan.publishers()),
            verified_members: settings.verified as u64,
            line_bytes: settings.line_bytes as u64,
            wire_line_bytes: outcome.wire_line_bytes as u64,
        },
        plan: PlanPart {
            arrival: setting.arrival,
            seed: setting.seed,
            rate_per_s: setting.rate_per_s,
            warmup_s: plan.window_start_ns() as f64 * 1e-9,
            window_s,
            drain_s: settings.drain.as_secs_f64(),
            warmup_messages: plan.warmup_messages() as u64,
            messages: plan.measured_messages() as u64,
        },
        sent,
        proof,
        latency,
        connect: connect_part(settings, outcome),
        server: server_part(settings, outcome),
        client,
        nuisances: outcome.nuisances.as_ref().map(nuisances_part),
        kernel: kernel_part(settings, outcome),
        aftermath: outcome.aftermath.as_ref().map(aftermath_part),
        watchdog: setting.watchdog,
        doors: doors_part(settings, outcome),
        kernel_counter_rises: setting.kernel_counter_rises,
        floor: None,
    };
    summary.reasons = verdict::reasons(&summary);
    summary.valid = summary.reasons.is_empty();
    let warnings = verdict::warnings(&summary);
    summary.warnings.extend(warnings);
    summary
}
