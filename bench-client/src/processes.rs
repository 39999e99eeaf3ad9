//! A run whose members are spread over several processes, each of which is this program again.
//!
//! A process has at most as many sockets as it may have descriptors, so a larger room needs several. The clock is the same for all
//! of them, so they are given one plan and one start. Everything happens in step: they connect one after another, at the rate and
//! with the window of the whole room; the room is quiet when none of them has heard anything; the plan is over when all have
//! everything. What each recorded is joined by `recorder/join.rs`.

pub mod child;
mod orders;
mod room;
mod worker;

use crate::engine::outcome::Outcome;
use crate::engine::settings::Settings;
use crate::engine::shape::Shape;
use crate::engine::share::Share;
use crate::error::{Error, Result};
use crate::plan::{Pace, Plan};
use crate::processes::room::Room;
use crate::recorder::arrivals::ARRIVALS_MAX;
use crate::recorder::latency::histogram;
use crate::sys;
use crate::usage::Sampler;

/// Processes of a run, at most.
pub const PROCESSES_MAX: usize = 100;

/// Carries out the plan of `pace` with the members in `processes` processes; all have ended before it returns.
pub fn run(settings: &Settings, pace: &Pace, sampler: &mut Sampler, processes: usize) -> Result<Outcome> {
    let plan = &Plan::new(pace).map_err(Error::new)?;
    let shares = shares(settings, plan, processes)?;
    let mut room = Room::start(settings, pace, plan, &shares)?;
    sampler.add_processes(room.pids());
    let before_connect = sampler.sample();
    let kernel_before = sampler.kernel();
    let connected = room.connect()?;
    room.settle()?;
    let settled = sampler.sample();
    let standing = sampler.standing(kernel_before);
    let idle = match settings.idle {
        None => None,
        Some(idle) => {
            room.wait_for(idle)?;
            Some((settled.clone(), sampler.sample()))
        }
    };
    let (start, started) = room.begin()?;
    let (before, after) = room.carry_out(&start, sampler)?;
    let ended_ns = sys::monotonic_ns();
    let ended = room.stop()?;
    let (left_ns, nuisances) = room.leave()?;
    let aftermath = settings.aftermath.and_then(|time| sampler.after_leaving(time, left_ns, &before_connect, &after));
    let (record, counted) = room.prove((start.start_ns, ended_ns), &ended)?;
    let window_ns = (start.start_ns + plan.window_start_ns(), start.start_ns + plan.window_end_ns());
    let heard_ns = ended.iter().map(|ended| ended.connections.heard_ns).max().unwrap_or(0);
    let mut round = histogram();
    ended.iter().for_each(|ended| ended.round.add_to(&mut round));
    let mut warnings = std::mem::take(&mut room.warnings);
    warnings.extend(ended.iter().flat_map(|ended| ended.warnings.iter().cloned()));
    Ok(Outcome {
        processes: processes as u64,
        connected,
        record,
        counted,
        disconnected: ended.iter().map(|ended| ended.connections.disconnected).sum(),
        first_close_reason: ended.iter().find_map(|ended| ended.connections.first_close_reason.clone()),
        before_connect,
        settled,
        standing,
        idle,
        window: (before, after),
        window_deliveries: ended.iter().map(|ended| ended.window_deliveries).sum(),
        measured_deliveries: ended.iter().map(|ended| ended.measured_deliveries).sum(),
        measured_ns: heard_ns.max(window_ns.1) - window_ns.0,
        start_ns: start.start_ns,
        started,
        wire_line_bytes: start.wire_line_bytes(room.wire.delivery_bytes()),
        round,
        warnings,
        nuisances: (settings.nuisances != Shape::default()).then_some(nuisances),
        aftermath,
    })
}

/// The members of each process, if the room can be spread like that.
fn shares(settings: &Settings, plan: &Plan, processes: usize) -> Result<Vec<Share>> {
    let arrivals = plan.len() as u64 * settings.verified as u64;
    if arrivals > ARRIVALS_MAX {
        return Err(Error::new(format!(
            "{} messages to {} members that verify are more deliveries than the {ARRIVALS_MAX} whose times several processes \
             keep; use one process (--processes 1), lower -r, shorten -d, or let fewer verify (--verify)",
            plan.len(),
            settings.verified
        )));
    }
    let publishers = plan.publishers() as usize;
    if processes > settings.members {
        return Err(Error::new(format!("{processes} processes are more than the {} members", settings.members)));
    }
    let shares =
        Share::of_rooms((settings.members, plan.rooms()), publishers, settings.verified, settings.probes, processes);
    match shares.iter().position(|share| share.verified_listeners() == 0) {
        None => Ok(shares),
        Some(number) => Err(Error::new(format!(
            "process {} of {processes} would have no member that verifies and only listens; let more verify \
             (--verify {}), or use fewer --processes",
            number + 1,
            2 * processes
        ))),
    }
}
