//! One measured run from the start of the server to its summary, and the `run` command around it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::cli::{self, Format, LoadArgs, RunArgs};
use crate::engine;
use crate::engine::nuisances::Shape;
use crate::engine::outcome::Outcome;
use crate::engine::settings::Settings;
use crate::environment;
use crate::error::{Context, Error, Result, exit};
use crate::expect::Expectation;
use crate::files::write_json;
use crate::floor;
use crate::message;
use crate::pinning;
use crate::plan::{Length, Load, Plan};
use crate::protocol::Protocol;
use crate::quantities::{count, rate};
use crate::report::{block, run_files};
use crate::results::summary::Summary;
use crate::search::{PRECISION, Search};
use crate::server_process::{ServerProcess, free_address};
use crate::summarise::{Setting, summarise};
use crate::sys;
use crate::tcp_counters;
use crate::usage::Sampler;

/// Descriptors that are not members' sockets.
pub const OWN_DESCRIPTORS: u64 = 32;
/// Members that connect from one loopback address.
pub const MEMBERS_PER_SOURCE: usize = 10_000;
/// Loopback addresses that members connect from, at most.
pub const SOURCES_MAX: usize = 254;

/// Sends a second of the floor, at most: about half of a core, so that the receiver keeps up.
const FLOOR_SENDS_PER_S_MAX: f64 = 100_000.0;
/// Passes of the floor, of both ways together, if they fit into its time.
const FLOOR_PASSES: f64 = 24.0;

/// Who is measured.
#[derive(Debug, Clone, Default)]
pub struct Target {
    pub name: String,
    pub protocol: Protocol,
    /// Starts the server for each run.
    pub command: Option<String>,
    /// Process of a server that runs already.
    pub pid: Option<u32>,
    pub address: Option<SocketAddr>,
}

/// A room and what is said in it.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub members: usize,
    pub rate_per_s: f64,
    pub length: Length,
}

/// A finished run.
#[derive(Debug)]
pub struct Run {
    pub plan: Plan,
    pub summary: Summary,
    pub outcome: Outcome,
}

/// Measures `room` on `target` once.
pub fn measure(target: &Target, room: Room, load: &LoadArgs) -> Result<Run> {
    let plan = plan(room, load)?;
    let mut settings = settings(room, load, &plan)?;
    if let Some(pin) = load.pin {
        pinning::pin_this_thread(Some(pin.client))?;
    }
    sys::sharpen_timers();
    let floor_before = load.floor.then(|| floor::measure(floor_shape(room, load))).transpose()?;
    let counters = tcp_counters::read();
    let address = match (target.address, &target.command) {
        (Some(address), _) => address,
        (None, Some(_)) => free_address()?,
        (None, None) => SocketAddr::from((Ipv4Addr::LOCALHOST, 8888)),
    };
    settings.address = address;
    settings.protocol = target.protocol;
    if target.protocol != Protocol::Uproar && settings.nuisances != Shape::default() {
        return Err(Error::new("--silent, --slow, --churn and --flood speak uproar alone"));
    }
    settings.sources = sources(address, room.members, load.spread)?;
    let server = match &target.command {
        None => None,
        Some(command) => Some(ServerProcess::start(command, address, load.pin)?),
    };
    let ceiling = server.as_ref().and_then(ServerProcess::ready_line).and_then(|line| members_max(&line));
    if let Some(most) = ceiling.filter(|most| (*most as usize) < room.members) {
        return Err(Error::new(format!("at most {} members", count(most))));
    }
    let pid = server.as_ref().map(ServerProcess::pid).or(target.pid);
    if let (Some(pid), Some(pin)) = (target.pid, load.pin) {
        pinning::pin_process(pid, pin.server)?;
    }
    let sampler = Sampler::new(pid);
    let sampler = if load.count_calls { sampler.counting_calls()? } else { sampler };
    let outcome = engine::run(&settings, &plan, &sampler)?;
    let setting = Setting {
        server_name: target.name.clone(),
        server_command: target.command.clone(),
        server_ready_line: server.as_ref().and_then(ServerProcess::ready_line),
        arrival: load.arrival,
        seed: load.seed,
        rate_per_s: room.rate_per_s,
        pinned: load.pin.is_some_and(|pin| pin.server.is_some()),
        lag_limit_ns: load.lag_limit.map(|limit| limit.as_nanos() as u64),
        kernel_counter_rises: tcp_counters::rises(&counters, &tcp_counters::read()),
    };
    drop(server);
    let mut summary = summarise(setting, &settings, &plan, &outcome);
    if let Some(before) = floor_before {
        let after = floor::measure(floor_shape(room, load))?;
        let (send, uring) = floor::join(&[before, after]);
        summary.set_floor(send, uring);
    }
    Ok(Run { plan, summary, outcome })
}

/// The floor at the pace of the room, as long as it needs for some passes of each way.
pub fn floor_shape(room: Room, load: &LoadArgs) -> floor::Shape {
    let passes_per_s = room.rate_per_s.min(FLOOR_SENDS_PER_S_MAX / room.members as f64);
    let seconds = (FLOOR_PASSES / passes_per_s).clamp(2.0, 8.0);
    floor::Shape {
        sockets: room.members,
        line_bytes: load.size,
        passes_per_s,
        duration: Duration::from_secs_f64(seconds),
        pin: load.pin,
    }
}

fn plan(room: Room, load: &LoadArgs) -> Result<Plan> {
    if load.publishers == 0 || load.publishers as usize >= room.members {
        return Err(Error::new(format!(
            "a room of {} cannot have {} publishers: at least one member must send and one only listen",
            room.members, load.publishers
        )));
    }
    let plan = Plan::new(&Load {
        rate_per_s: room.rate_per_s,
        publishers: load.publishers,
        warmup: load.warmup,
        length: room.length,
        arrival: load.arrival,
        seed: load.seed,
    })
    .map_err(Error::new)?;
    let line_bytes_min = message::Format::line_bytes_min(load.publishers, plan.len());
    if load.size < line_bytes_min {
        return Err(Error::new(format!(
            "-s {} is too short for the numbers of this plan; use -s {line_bytes_min} or more",
            load.size
        )));
    }
    if load.size > message::LINE_BYTES_MAX {
        return Err(Error::new(format!("-s {} is too long; use at most -s {}", load.size, message::LINE_BYTES_MAX)));
    }
    Ok(plan)
}

fn settings(room: Room, load: &LoadArgs, plan: &Plan) -> Result<Settings> {
    let limit = sys::raise_descriptor_limit().context(|| "cannot raise the descriptor limit".to_string())?;
    let crowd = Shape {
        silent: load.silent.unwrap_or(0) as usize,
        slow: load.slow.map_or(0, |slow| slow.members as usize),
        slow_bytes_per_s: load.slow.map_or(0, |slow| slow.bytes_per_s),
        churn_per_s: load.churn.unwrap_or(0.0),
        flooders: load.flood.unwrap_or(0) as usize,
    };
    let measured = room.members.saturating_sub(crowd.silent + crowd.slow);
    if measured <= plan.publishers() as usize {
        return Err(Error::new(format!(
            "of {} members {} are silent or slow, which leaves {measured}: at least one must publish and one only listen",
            room.members,
            crowd.silent + crowd.slow
        )));
    }
    if room.members as u64 + OWN_DESCRIPTORS > limit {
        return Err(Error::new(format!(
            "{} members need {} descriptors and the hard limit is {limit}; raise it with `ulimit -Hn` as root, or use \
             at most {} members",
            room.members,
            room.members as u64 + OWN_DESCRIPTORS,
            limit - OWN_DESCRIPTORS
        )));
    }
    let listeners = measured - plan.publishers() as usize;
    let verified = match load.verify {
        Some(sample) if (sample as usize) < measured => (sample as usize).min(listeners),
        _ => measured,
    };
    Ok(Settings {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        protocol: Protocol::Uproar,
        sources: Vec::new(),
        probes: if load.no_kernel_stamps { 0 } else { load.probes as usize },
        members: measured,
        nuisances: crowd,
        verified,
        line_bytes: load.size,
        connect_rate: load.connect_rate,
        connect_window: load.connect_window as usize,
        settle: load.settle,
        idle: load.idle,
        drain: load.drain,
        progress: !load.no_progress,
    })
}

/// Where members of a loopback room connect from: no address given, or as many as their number requires.
///
/// A pair of addresses has some 28,000 ports, and a connect searches them one by one: when most of the even ones are
/// taken it looks at thousands before it finds one, and joins become slow long before they fail.
pub fn sources(address: SocketAddr, members: usize, spread: Option<u32>) -> Result<Vec<Ipv4Addr>> {
    let needed = match spread {
        Some(spread) => spread.max(1) as usize,
        None => members.div_ceil(MEMBERS_PER_SOURCE),
    };
    match address.ip() {
        _ if needed == 1 => Ok(Vec::new()),
        IpAddr::V4(ip) if ip.is_loopback() && needed <= SOURCES_MAX => {
            Ok((1..=needed).map(|last| Ipv4Addr::new(127, 0, 0, last as u8)).collect())
        }
        // The kernel may still find ports for them all.
        _ if spread.is_none() => Ok(Vec::new()),
        _ => Err(Error::new(format!("--spread works for IPv4 loopback addresses and up to {SOURCES_MAX} of them"))),
    }
}

/// The last part of the path of a command's program.
fn program_name(command: &str) -> String {
    let program = command.split_whitespace().next().unwrap_or_default();
    program.rsplit('/').next().unwrap_or(program).to_string()
}

/// N of a ready line that says `up to N members`.
fn members_max(ready_line: &str) -> Option<u64> {
    let (_, rest) = ready_line.split_once("up to ")?;
    rest.split(' ').next()?.replace(',', "").parse().ok()
}

/// The `run` command; returns its exit code.
pub fn command(arguments: &RunArgs) -> Result<u8> {
    let members = arguments.connections as usize;
    let room = Room {
        members,
        rate_per_s: arguments.deliveries.map_or(arguments.rate, |deliveries| deliveries / members as f64),
        length: arguments.messages.map_or(Length::Time(arguments.load.duration), Length::Messages),
    };
    let target = Target {
        protocol: arguments.protocol,
        name: arguments.server_cmd.as_deref().map_or("server".to_string(), program_name),
        command: arguments.server_cmd.clone(),
        pid: arguments.server_pid,
        address: arguments.address,
    };
    if let Some(directory) = &arguments.out {
        write_json(&directory.join("env.json"), &environment::describe("run"))?;
    }
    if let Some(condition) = &arguments.search {
        return search(&target, room, &condition.0, arguments);
    }
    let mut summaries = Vec::new();
    for number in 1..=arguments.repeat.max(1) {
        summaries.push(measure_and_write(&target, room, number, arguments)?);
    }
    print(&summaries, arguments)?;
    Ok(judge(&summaries, arguments))
}

fn measure_and_write(target: &Target, room: Room, number: u32, arguments: &RunArgs) -> Result<Summary> {
    let run = measure(target, room, &arguments.load)?;
    if let Some(directory) = &arguments.out {
        let directory = directory.join(format!("run{number}"));
        run_files::write_summary(&directory, &run.summary)?;
        run_files::write_rows(&directory, &run.plan, &run.outcome)?;
    }
    Ok(run.summary)
}

fn print(summaries: &[Summary], arguments: &RunArgs) -> Result<()> {
    match arguments.format {
        Format::Table => print!("{}", block::block(summaries)),
        Format::Quiet => {}
        Format::Json => {
            for summary in summaries {
                println!("{}", serde_json::to_string(summary).context(|| "cannot write the summary".to_string())?);
            }
        }
    }
    Ok(())
}

/// Finds the highest rate at which a run is good and `condition` holds, and prints the run at that rate.
fn search(target: &Target, mut room: Room, condition: &[Expectation], arguments: &RunArgs) -> Result<u8> {
    let mut search = Search::new(room.rate_per_s, PRECISION);
    let mut best = None;
    for number in 1.. {
        room.rate_per_s = search.rate();
        let summary = measure_and_write(target, room, number, arguments)?;
        let unknown = condition.iter().find(|expectation| summary.valid && !expectation.is_known(&summary));
        if let Some(expectation) = unknown {
            let failure = expectation.check(&summary).err().unwrap_or_default();
            return Err(Error::new(format!("cannot search by {failure}")));
        }
        let failures: Vec<String> =
            condition.iter().filter_map(|expectation| expectation.check(&summary).err()).collect();
        let held = summary.clean && summary.valid && failures.is_empty();
        eprintln!("{}: {}", block::run_line(&summary, number as usize), if held { "holds" } else { "does not hold" });
        eprint!("{}", block::problem_lines(&summary));
        failures.iter().for_each(|failure| eprintln!("  {failure}"));
        if held {
            best = Some(summary);
        }
        if !search.tried(held) {
            break;
        }
    }
    let (Some(rate_per_s), Some(summary)) = (search.held(), best) else {
        eprintln!("it holds at no rate that was tried");
        return Ok(exit::UNEXPECTED);
    };
    print(&[summary], arguments)?;
    eprintln!("highest rate: {} messages/s", rate(rate_per_s));
    Ok(exit::GOOD)
}

/// The exit code for `summaries`; failed expectations, and problems if nothing else is printed, go to stderr.
fn judge(summaries: &[Summary], arguments: &RunArgs) -> u8 {
    let mut failures = Vec::new();
    for summary in summaries {
        let expectations = cli::expectations(&arguments.expect).iter();
        failures.extend(expectations.filter_map(|expectation| expectation.check(summary).err()));
    }
    if arguments.format != Format::Table {
        for summary in summaries {
            eprint!("{}", block::problem_lines(summary));
        }
    }
    for failure in &failures {
        eprintln!("expected {failure}");
    }
    if summaries.iter().any(|summary| !summary.clean) {
        exit::UNCLEAN
    } else if summaries.iter().any(|summary| !summary.valid) {
        exit::INVALID
    } else if !failures.is_empty() {
        exit::UNEXPECTED
    } else {
        exit::GOOD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 7))
    }

    #[test]
    fn a_large_room_connects_from_several_addresses() {
        assert!(sources(address(), 10_000, None).unwrap().is_empty());
        let spread = sources(address(), 19_000, None).unwrap();
        assert_eq!(spread, [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)]);
        assert_eq!(sources(address(), 10, Some(3)).unwrap().len(), 3);
        let elsewhere = "10.0.0.1:7".parse().unwrap();
        assert!(sources(elsewhere, 10, Some(2)).is_err());
        assert!(sources(elsewhere, 100_000, None).unwrap().is_empty());
    }

    #[test]
    fn a_ready_line_names_the_ceiling() {
        let line = "uproar: listening on 127.0.0.1:8888 (select, up to 1015 members)";
        assert_eq!(members_max(line), Some(1015));
        assert_eq!(members_max("listening on 127.0.0.1:8888 (poll, up to 19,000 members)"), Some(19_000));
        assert_eq!(members_max("listening on 127.0.0.1:8888"), None);
    }

    #[test]
    fn a_server_is_called_by_its_program() {
        assert_eq!(program_name("target/release/uproar serve {addr}"), "uproar");
    }
}
