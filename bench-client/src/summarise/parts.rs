//! The parts of a summary, each from what a run left behind. Arithmetic alone; judging is in `verdict.rs`.

use hdrhistogram::Histogram;

use crate::engine::nuisances::NuisancesOutcome;
use crate::engine::outcome::Outcome;
use crate::engine::settings::Settings;
use crate::plan::Plan;
use crate::recorder::latency::Latency;
use crate::recorder::proven::DoorProven;
use crate::results::doors::DoorPart;
use crate::results::summary::{
    AftermathPart, ClientPart, ConnectPart, KernelPart, LatencyPart, NuisancesPart, ProofPart, SentPart, ServerPart,
};
use crate::sys;
use crate::usage::Sample;
use crate::usage::aftermath::Aftermath;

/// A message sent this long after the end of the plan is still on plan.
const PLAN_END_GRACE_NS: u64 = 10_000_000;
/// The schedule lag at p99, and the wait of half of the deliveries to be read, that are allowed in any case.
const LAG_NS_MIN: u64 = 200_000;
/// Half of the deliveries may wait longer to be read than that, if this part of the median delivery is longer.
const UNTIL_READ_DIVISOR: u64 = 2;
/// The schedule lag may be longer than that, if this part of the room's median is longer.
const LAG_ROOM_DIVISOR: u64 = 100;

pub(super) fn proof_part(outcome: &Outcome) -> ProofPart {
    let proven = &outcome.record.proven;
    let words = &outcome.record.words;
    ProofPart {
        lost: proven.problems.lost + outcome.counted.lost,
        told_missed: proven.told,
        members_excused: proven.members_excused,
        held_back: proven.held_back + outcome.counted.held_back,
        publishers_slowed: words.publishers_slowed,
        duplicate: proven.problems.duplicate + outcome.counted.duplicate,
        out_of_order: proven.problems.out_of_order,
        echoed: proven.problems.echoed,
        corrupt: proven.problems.corrupt,
        foreign: proven.problems.foreign,
        order_hashes_equal: proven.hashes_equal,
        order_hash: format!("{:016x}", proven.hash),
        counting_members: outcome.counted.members,
        counting_members_wrong: outcome.counted.wrong,
        disconnected: outcome.disconnected,
        first_close_reason: outcome.first_close_reason.clone(),
        examples: proven.examples.clone(),
        strange_lines: words.other_lines.clone(),
        presence_lines: words.presence_lines,
        notice_lines: words.notice_lines,
        notices: words.notices.clone(),
    }
}

pub(super) fn doors_part(settings: &Settings, outcome: &Outcome) -> Vec<DoorPart> {
    let proven = outcome.record.proven.doors.iter().zip(&outcome.record.of_doors).enumerate();
    let part = |(number, (door, delivery)): (usize, (&DoorProven, &Histogram<u64>))| {
        let delivery = Latency { histogram: delivery.clone(), ..Latency::default() };
        let (protocol, address) = settings.door(number);
        DoorPart {
            protocol,
            address: Some(address.to_string()),
            members: door.members,
            problems: door.problems,
            order_hashes_equal: door.hashes_equal,
            told_missed: door.told,
            delivery_p50_ns: delivery.quantile_ns(0.5),
            delivery_p99_ns: delivery.quantile_ns(0.99),
            delivery_max_ns: delivery.max_ns(),
        }
    };
    proven.map(part).collect()
}

pub(super) fn latency_part(outcome: &Outcome) -> LatencyPart {
    let figures = &outcome.record.figures;
    let [first, half, ninety, ninety_nine] = &figures.marks;
    LatencyPart {
        room: (&figures.room).into(),
        room_first: first.into(),
        room_50: half.into(),
        room_90: ninety.into(),
        room_99: ninety_nine.into(),
        spread: (&figures.spread).into(),
        delivery: (&figures.delivery).into(),
        delivery_uncorrected: (&figures.uncorrected).into(),
        kernel_has_it: (&figures.stamped.kernel_has_it).into(),
        until_read: (&figures.stamped.until_read).into(),
        schedule_lag: (&figures.lag).into(),
        client_round: (&Latency { histogram: outcome.round.clone(), ..Latency::default() }).into(),
    }
}

pub(super) fn sent_part(plan: &Plan, outcome: &Outcome, settings: &Settings, window_s: f64) -> SentPart {
    let end_ns = outcome.start_ns + plan.window_end_ns() + PLAN_END_GRACE_NS;
    let measured = &outcome.record.messages[outcome.record.warmup_messages..];
    let messages = measured.iter().filter(|message| message.sent_ns != 0).count() as u64;
    let on_plan = measured.iter().filter(|message| message.sent_ns != 0 && message.sent_ns <= end_ns).count() as u64;
    SentPart {
        messages,
        messages_on_plan: on_plan,
        rate_per_s: on_plan as f64 / window_s,
        deliveries_planned_per_s: measured.len() as f64 / window_s
            * (settings.members as f64 / plan.rooms() as f64 - 1.0),
        deliveries: outcome.measured_deliveries,
        deliveries_over_s: outcome.measured_ns as f64 * 1e-9,
        deliveries_per_s: outcome.measured_deliveries as f64 / (outcome.measured_ns as f64 * 1e-9),
    }
}

pub(super) fn connect_part(settings: &Settings, outcome: &Outcome) -> ConnectPart {
    let elapsed_s = outcome.connected.elapsed_ns as f64 * 1e-9;
    let latency = Latency { histogram: outcome.connected.latency.clone(), ..Latency::default() };
    ConnectPart {
        elapsed_s,
        rate_per_s: settings.members as f64 / elapsed_s,
        tenths_per_s: tenths_per_s(settings.members, &outcome.connected.tenths_ns),
        latency: (&latency).into(),
    }
}

/// Joins a second while each tenth of a room of `members` joined, when the tenths were full at `tenths_ns` from the start. None of a room
/// that has no ten members.
fn tenths_per_s(members: usize, tenths_ns: &[u64]) -> Vec<f64> {
    let tenths = tenths_ns.len();
    let mut rates = Vec::new();
    let (mut joined_before, mut before_ns) = (0, 0);
    for (tenth, &at_ns) in tenths_ns.iter().enumerate().filter(|_| members >= tenths) {
        let joined = ((tenth + 1) * members).div_ceil(tenths);
        rates.push((joined - joined_before) as f64 / (at_ns.saturating_sub(before_ns).max(1) as f64 * 1e-9));
        (joined_before, before_ns) = (joined, at_ns);
    }
    rates
}

fn elapsed_s((before, after): &(Sample, Sample)) -> f64 {
    // A window that was never reached has no length; a nanosecond keeps its rates finite.
    (after.at_ns - before.at_ns).max(1) as f64 * 1e-9
}

fn cpu_share(pair: &(Sample, Sample)) -> Option<f64> {
    let cpu_ns = pair.1.server?.cpu_ns.saturating_sub(pair.0.server?.cpu_ns);
    Some(cpu_ns as f64 * 1e-9 / elapsed_s(pair))
}

pub(super) fn server_part(settings: &Settings, outcome: &Outcome) -> Option<ServerPart> {
    let (before, after) = (outcome.window.0.server?, outcome.window.1.server?);
    let cpu_ns = after.cpu_ns.saturating_sub(before.cpu_ns) as f64;
    let user = after.user_ticks.saturating_sub(before.user_ticks) as f64;
    let system = after.system_ticks.saturating_sub(before.system_ticks) as f64;
    let deliveries = outcome.window_deliveries as f64;
    let memory_before = outcome.before_connect.server?.memory_bytes;
    let memory_settled = outcome.settled.server?.memory_bytes;
    let connected = settings.members + settings.nuisances.silent + settings.nuisances.slow;
    Some(ServerPart {
        deliveries: outcome.window_deliveries,
        cpu_s: cpu_ns * 1e-9,
        cpu_share: cpu_share(&outcome.window)?,
        user_share: (user + system > 0.0).then(|| user / (user + system)),
        deliveries_per_cpu_s: (cpu_ns > 0.0).then(|| deliveries / (cpu_ns * 1e-9)),
        cpu_per_delivery_ns: (deliveries > 0.0).then(|| cpu_ns / deliveries),
        calls_per_delivery: outcome
            .window
            .0
            .server_calls
            .zip(outcome.window.1.server_calls)
            .and_then(|(before, after)| (deliveries > 0.0).then(|| after.saturating_sub(before) as f64 / deliveries)),
        voluntary_switches: after.voluntary_switches.saturating_sub(before.voluntary_switches),
        involuntary_switches: after.involuntary_switches.saturating_sub(before.involuntary_switches),
        memory_before_bytes: memory_before,
        memory_settled_bytes: memory_settled,
        memory_per_member_bytes: memory_settled.saturating_sub(memory_before) as f64 / connected as f64,
        memory_window_start_bytes: before.memory_bytes,
        memory_window_end_bytes: after.memory_bytes,
        idle_cpu_share: outcome.idle.as_ref().and_then(cpu_share),
        idle_machine_cpu_share: outcome.idle.as_ref().map(machine_cpu_share),
        descriptors: outcome.standing.server_descriptors,
    })
}

/// What all processors did for anything and anybody, as a share of one.
fn machine_cpu_share(pair: &(Sample, Sample)) -> f64 {
    let busy = pair.1.busy_ticks.saturating_sub(pair.0.busy_ticks) as f64;
    busy / sys::clock_ticks_per_second() as f64 / elapsed_s(pair)
}

pub(super) fn kernel_part(settings: &Settings, outcome: &Outcome) -> KernelPart {
    let (before, settled) = (outcome.standing.kernel_before, outcome.standing.kernel_settled);
    let members = (settings.members + settings.nuisances_in_room) as f64;
    KernelPart {
        slab_before_bytes: before.slab_bytes,
        slab_settled_bytes: settled.slab_bytes,
        slab_per_member_bytes: settled.slab_bytes.saturating_sub(before.slab_bytes) as f64 / members,
        tcp_before_bytes: before.tcp_bytes,
        tcp_settled_bytes: settled.tcp_bytes,
    }
}

pub(super) fn aftermath_part(aftermath: &Aftermath) -> AftermathPart {
    let seconds = |ns: u64| ns as f64 * 1e-9;
    let watched_s = seconds(aftermath.watched_ns.max(1));
    let busy_s = aftermath.busy_ticks as f64 / sys::clock_ticks_per_second() as f64;
    AftermathPart {
        watched_s,
        empty_after_s: aftermath.empty_after_ns.map(seconds),
        answer_s_max: aftermath.answer_ns_max.map(seconds),
        memory_back_after_s: aftermath.memory_back_after_ns.map(seconds),
        memory_before_bytes: aftermath.memory_before_bytes,
        memory_full_bytes: aftermath.memory_full_bytes,
        memory_end_bytes: aftermath.memory_end_bytes,
        descriptors_full: aftermath.descriptors_full,
        descriptors_end: aftermath.descriptors_end,
        cpu_share: seconds(aftermath.cpu_ns) / watched_s,
        machine_cpu_share: busy_s / watched_s,
    }
}

pub(super) fn nuisances_part(nuisances: &NuisancesOutcome) -> NuisancesPart {
    NuisancesPart {
        silent_members: nuisances.shape.silent as u64,
        slow_members: nuisances.shape.slow as u64,
        slow_bytes_per_s: nuisances.shape.slow_bytes_per_s,
        churn_per_s: nuisances.shape.churn_per_s,
        members_exact: nuisances.exact,
        members_inexact: nuisances.inexact,
        members_closed: nuisances.closed,
        messages_received: nuisances.received,
        messages_told_missed: nuisances.missed,
        visits: nuisances.visits.visits,
        visits_turned_away: nuisances.visits.turned_away,
        visits_told_wrong: nuisances.visits.told_wrong,
        visits_welcome: (&Latency { histogram: nuisances.visits.welcomes(), ..Latency::default() }).into(),
        flooders: nuisances.shape.flooders as u64,
        flood_bytes: nuisances.flood_bytes,
    }
}

pub(super) fn client_part(
    (pinned, lag_limit_ns): (bool, Option<u64>),
    outcome: &Outcome,
    latency: &LatencyPart,
) -> ClientPart {
    let (before, after) = &outcome.window;
    let elapsed_s = elapsed_s(&outcome.window);
    let processors = sys::processors() as f64;
    let ticks_per_s = sys::clock_ticks_per_second() as f64;
    let client_s = (after.client_cpu_ns - before.client_cpu_ns) as f64 * 1e-9;
    let busy_s = after.busy_ticks.saturating_sub(before.busy_ticks) as f64 / ticks_per_s;
    let server_s = cpu_share(&outcome.window).map(|share| share * elapsed_s);
    let others_s = server_s.map(|server_s| (busy_s - server_s - client_s).max(0.0));
    let steal_s = after.steal_ticks.saturating_sub(before.steal_ticks) as f64 / ticks_per_s;
    let room_ns = latency.room.p50_ns.or(latency.room.min_ns).unwrap_or(0);
    ClientPart {
        pinned,
        processes: outcome.processes,
        memory_settled_bytes: outcome.settled.client_memory_bytes,
        memory_window_end_bytes: after.client_memory_bytes,
        cpu_share: client_s / elapsed_s,
        involuntary_switches: after.client_involuntary_switches - before.client_involuntary_switches,
        others_cpu_share: others_s.map(|others_s| others_s / elapsed_s / processors),
        steal_share: steal_s / elapsed_s / processors,
        lag_p99_ns: outcome.record.figures.lag.histogram.value_at_quantile(0.99),
        until_read_limit_ns: lag_limit_ns
            .unwrap_or(LAG_NS_MIN.max(latency.delivery.p50_ns.unwrap_or(0) / UNTIL_READ_DIVISOR)),
        lag_limit_ns: lag_limit_ns.unwrap_or(LAG_NS_MIN.max(room_ns / LAG_ROOM_DIVISOR)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenth_of_the_room_has_its_own_rate() {
        let second = 1_000_000_000;
        let tenths_ns: Vec<u64> = (1..=10).map(|tenth| tenth * second + if tenth == 10 { second } else { 0 }).collect();
        let rates = tenths_per_s(1_000, &tenths_ns);
        assert_eq!(rates[..9], [100.0; 9]);
        assert!((rates[9] - 50.0).abs() < 1e-6, "{rates:?}");
        assert!(tenths_per_s(9, &tenths_ns).is_empty());
    }
}
