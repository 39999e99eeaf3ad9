//! One measured run, from the start of the server to its summary; or two at the same time on one server.

pub mod again;
pub mod beside;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::addresses::Addresses;
use crate::descriptors::Descriptors;
use crate::engine;
use crate::engine::outcome::Outcome;
use crate::engine::settings::{Door, Settings};
use crate::engine::shape::Shape;
use crate::engine::step::Step;
use crate::error::{Context, Error, Result};
use crate::floor;
use crate::load::{Load, Room};
use crate::message;
use crate::pinning;
use crate::plan::{Pace, Plan};
use crate::processes::{self, PROCESSES_MAX};
use crate::protocol::{Protocol, irc};
use crate::quantities::count;
use crate::ready_line;
use crate::results::summary::{Summary, WatchdogPart};
use crate::server_process::{ServerProcess, node_addresses};
use crate::sources::sources;
use crate::stream_server::StreamServer;
use crate::summarise::{Setting, summarise};
use crate::sys;
use crate::target::{Also, Nodes, Target, command_for};
use crate::tcp_counters;
use crate::usage::Sampler;
use crate::watchdog::Watchdog;

/// Descriptors that are not members' sockets.
pub const OWN_DESCRIPTORS: u64 = 32;
/// Descriptors of each of several processes that visitors and an uneven share may take.
pub const DESCRIPTORS_SPARE: usize = 200;

/// A finished run.
#[derive(Debug)]
pub struct Run {
    pub plan: Plan,
    pub summary: Summary,
    pub outcome: Outcome,
}

/// Measures `room` on `target` once.
pub fn once(target: &Target, room: Room, load: &Load) -> Result<Run> {
    let prepared = Prepared::new(target, room, load)?;
    let mut started = Started::new(target, room, load)?;
    let settings = prepared.settings_at(&started.addresses, room, load)?;
    let floor = || floor::measure(floor::shape(room, load, started.descriptors));
    // The server has said by now what its sockets will be in, and has none yet.
    let floor_before = load.floor.then(floor).transpose()?;
    let mut sampler = started.sampler(load)?;
    let counters = tcp_counters::read();
    let outcome = match prepared.processes {
        1 => engine::run(&settings, &prepared.plan, &sampler, &Step::Alone)?,
        _ => processes::run(&settings, &prepared.pace, &mut sampler, prepared.processes)?,
    };
    let rises = tcp_counters::rises(&counters, &tcp_counters::read());
    let watchdog = started.stop();
    let setting = Setting { watchdog, ..started.setting(target, room, load, rises) };
    let mut summary = summarise(setting, &settings, &prepared.plan, &outcome);
    if let Some(before) = floor_before {
        let (send, uring) = floor::join(&[before, floor::measure(floor::shape(room, load, started.descriptors))?]);
        summary.set_floor(send, uring);
    }
    Ok(Run { plan: prepared.plan, summary, outcome })
}

/// What is known of a run before there is a server.
struct Prepared {
    pace: Pace,
    plan: Plan,
    settings: Settings,
    also: Vec<Also>,
    processes: usize,
}

impl Prepared {
    fn new(target: &Target, room: Room, load: &Load) -> Result<Self> {
        let pace = pace(room, load);
        let plan = plan(room, load, &pace)?;
        let (mut settings, processes) = settings(room, load, &plan)?;
        settings.protocol = target.protocol;
        if target.protocol == Protocol::Irc && load.line_bytes > irc::LINE_BYTES_MAX {
            return Err(Error::new(format!(
                "-s {} is too long: servers cut lines of IRC; use at most -s {}",
                load.line_bytes,
                irc::LINE_BYTES_MAX
            )));
        }
        if processes > 1 && settings.verified < settings.members && !target.protocol.has_one_length() {
            return Err(Error::new(
                "members of this protocol that only count bytes work in one process: leave out --verify",
            ));
        }
        check_nuisances(target, &settings.nuisances, processes)?;
        check_doors(target, room, load, processes)?;
        check_nodes(target, &settings)?;
        Ok(Self { pace, plan, settings, also: target.also.clone(), processes })
    }

    /// What the engine is told, now that the server listens on `addresses`.
    fn settings_at(&self, addresses: &Addresses, room: Room, load: &Load) -> Result<Settings> {
        let address = reachable(addresses.of(self.settings.protocol));
        let also = self.also.iter().map(|also| Door {
            protocol: also.protocol,
            address: reachable(also.address.unwrap_or_else(|| addresses.of(also.protocol))),
            members: also.members as usize,
        });
        let nodes = addresses.nodes.iter().enumerate().map(|(number, address)| Door {
            protocol: self.settings.protocol,
            address: reachable(*address),
            members: part(self.settings.members, number + 1, addresses.nodes.len() + 1),
        });
        let sources = sources(address, room.members, load.spread)?;
        Ok(Settings { address, doors: also.chain(nodes).collect(), sources, ..self.settings.clone() })
    }
}

/// Whether nuisances can speak what `target` does.
fn check_nuisances(target: &Target, nuisances: &Shape, processes: usize) -> Result<()> {
    if *nuisances == Shape::default() {
        return Ok(());
    }
    if !target.protocol.names_authors() {
        return Err(Error::new("--silent, --slow, --churn and --flood are for uproar alone"));
    }
    if target.protocol != Protocol::Uproar && (nuisances.churn_per_s > 0.0 || nuisances.flooders > 0) {
        return Err(Error::new("--churn and --flood speak lines alone: leave out --protocol"));
    }
    if target.protocol == Protocol::Irc && processes > 1 {
        return Err(Error::new("--silent and --slow choose names of IRC in one process alone: leave out --processes"));
    }
    Ok(())
}

/// Whether the members of `room` can come in by the doors of `target`.
fn check_doors(target: &Target, room: Room, load: &Load, processes: usize) -> Result<()> {
    if target.also.is_empty() {
        return Ok(());
    }
    let others: u64 = target.also.iter().map(|also| also.members).sum();
    if others as usize > room.members {
        return Err(Error::new(format!(
            "{others} members of other doors are more than the {} of the room",
            room.members
        )));
    }
    let measured = room.members.saturating_sub(load.nuisances.silent + load.nuisances.slow);
    if others as usize > measured {
        return Err(Error::new("--silent and --slow are members of -c, and there are fewer of these; raise -c"));
    }
    if load.verify.is_some() || load.rooms.count() > 1 || processes > 1 {
        return Err(Error::new(
            "members of several doors are in one room and one process, and all verify: leave out --verify, --rooms and --processes",
        ));
    }
    let places = [("{web}", Protocol::Websocket), ("{irc}", Protocol::Irc)];
    for also in target.also.iter().filter(|also| also.address.is_none()) {
        let is_named = |command: &String| {
            places.iter().any(|(place, protocol)| *protocol == also.protocol && command.contains(place))
        };
        if also.protocol != Protocol::Uproar && !target.command.as_ref().is_some_and(is_named) {
            return Err(Error::new(
                "it is not known where another door is: give its address (--also irc=127.0.0.1:6667:900), or name it in the server's \
                 command by {web} or {irc}",
            ));
        }
    }
    Ok(())
}

/// Members of node `number` of `nodes`, of which none has more than one more than another.
fn part(members: usize, number: usize, nodes: usize) -> usize {
    members * (number + 1) / nodes - members * number / nodes
}

/// Whether the members can be spread over the nodes of `target`.
fn check_nodes(target: &Target, settings: &Settings) -> Result<()> {
    let nodes = target.nodes.count();
    if nodes > 1 && (!target.also.is_empty() || settings.rooms.count() > 1) {
        return Err(Error::new(
            "members of several nodes are in one room: leave out --rooms, and give --also the address of another node instead",
        ));
    }
    if nodes > settings.members {
        return Err(Error::new(format!("{} members are fewer than {nodes} nodes; raise -c", settings.members)));
    }
    Ok(())
}

/// The server of a run, which listens.
struct Started {
    addresses: Addresses,
    /// Of which the first is the one whose ready line is quoted; none when they run already.
    servers: Vec<ServerProcess>,
    /// Stopped after the servers.
    stream: Option<StreamServer>,
    /// The manager of the server, if it is watched.
    watchdog: Option<Watchdog>,
    ready_line: Option<String>,
    descriptors: Descriptors,
    pids: Vec<u32>,
}

impl Started {
    /// Starts the server of `target` for `room`, if it does not run already.
    fn new(target: &Target, room: Room, load: &Load) -> Result<Self> {
        if let Some(pin) = load.pin {
            pinning::pin_this_thread(Some(pin.client))?;
        }
        sys::sharpen_timers();
        let mut addresses = match &target.command {
            Some(command) => Addresses::for_command(command, target.address)?,
            None => Addresses::only(target.address.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8888)))),
        };
        addresses.nodes = match &target.nodes {
            Nodes::One => Vec::new(),
            Nodes::Others(others) => others.clone(),
            Nodes::Started(count) => node_addresses(*count as usize - 1)?,
        };
        let stream =
            target.stream_command.as_ref().map(|command| StreamServer::start(command, load.pin)).transpose()?;
        let watchdog = load.watchdog.map(Watchdog::new).transpose()?;
        let environment = watchdog.as_ref().map(Watchdog::environment).unwrap_or_default();
        let mut servers = Vec::new();
        if let Some(command) = &target.command {
            let members = room.members.div_ceil(target.nodes.count());
            let command = addresses.fill(&command_for(command, members));
            let command = stream.as_ref().map_or(command.clone(), |stream| stream.fill(&command));
            for address in [&[addresses.first], &addresses.nodes[..]].concat() {
                servers.push(ServerProcess::start_in(&environment, &command, address, load.pin)?);
            }
        }
        let ready_line = servers.first().and_then(ServerProcess::ready_line);
        let ceiling = ready_line.as_deref().and_then(ready_line::members_max);
        if let Some(most) = ceiling.filter(|most| (*most as usize) < room.members.div_ceil(target.nodes.count())) {
            return Err(Error::new(format!("at most {} members", count(most))));
        }
        let descriptors = match &ready_line {
            Some(line) => ready_line::descriptors(line),
            None => floor::fitting(room.members)?,
        };
        let pids = servers.iter().map(ServerProcess::pid).chain(target.pid).collect();
        if let (Some(pid), Some(pin)) = (target.pid, load.pin) {
            pinning::pin_process(pid, pin.server)?;
        }
        Ok(Self { addresses, ready_line, descriptors, pids, servers, stream, watchdog })
    }

    fn sampler(&self, load: &Load) -> Result<Sampler> {
        // What one node of several says of its members is not what the run has.
        let ask_members = match &self.servers[..] {
            [server] => server.members_asker(),
            _ => None,
        };
        let sampler = Sampler::new(self.pids.clone()).asking(ask_members);
        if load.count_calls { sampler.counting_calls() } else { Ok(sampler) }
    }

    /// Stops all that was started for the run, the server of the stream last. Returns what a watchdog has heard.
    fn stop(&mut self) -> Option<WatchdogPart> {
        self.servers.clear();
        self.stream = None;
        self.watchdog.take().map(Watchdog::finish)
    }

    /// What a summary says beyond the outcome of the run.
    fn setting(&self, target: &Target, room: Room, load: &Load, rises: BTreeMap<String, u64>) -> Setting {
        Setting {
            server_name: target.name.clone(),
            server_command: target.command.clone(),
            server_ready_line: self.ready_line.clone(),
            arrival: load.arrival,
            seed: load.seed,
            rate_per_s: room.rate_per_s,
            pinned: load.pin.is_some_and(|pin| pin.server.is_some()),
            lag_limit_ns: load.lag_limit.map(|limit| limit.as_nanos() as u64),
            kernel_counter_rises: rises,
            // Known once the server has ended.
            watchdog: None,
        }
    }
}

fn pace(room: Room, load: &Load) -> Pace {
    Pace {
        rate_per_s: room.rate_per_s,
        publishers: load.publishers,
        rooms: load.rooms.count(),
        warmup: load.warmup,
        length: room.length,
        arrival: load.arrival,
        seed: load.seed,
    }
}

fn plan(room: Room, load: &Load, pace: &Pace) -> Result<Plan> {
    let members = load.rooms.members_min(room.members);
    if load.publishers == 0 || load.publishers as usize >= members {
        return Err(Error::new(format!(
            "a room of {members} cannot have {} publishers: at least one member must send and one only listen",
            load.publishers
        )));
    }
    let plan = Plan::new(pace).map_err(Error::new)?;
    let line_bytes_min = message::Format::line_bytes_min(plan.publishers(), plan.len());
    if load.line_bytes < line_bytes_min {
        return Err(Error::new(format!(
            "-s {} is too short for the numbers of this plan; use -s {line_bytes_min} or more",
            load.line_bytes
        )));
    }
    if load.line_bytes > message::LINE_BYTES_MAX {
        return Err(Error::new(format!(
            "-s {} is too long; use at most -s {}",
            load.line_bytes,
            message::LINE_BYTES_MAX
        )));
    }
    Ok(plan)
}

/// What the engine is told, and over how many processes the members are spread.
fn settings(room: Room, load: &Load, plan: &Plan) -> Result<(Settings, usize)> {
    let limit = sys::raise_descriptor_limit().context(|| "cannot raise the descriptor limit".to_string())?;
    let measured = room.members.saturating_sub(load.nuisances.silent + load.nuisances.slow);
    if measured <= plan.publishers() as usize {
        return Err(Error::new(format!(
            "of {} members {} are silent or slow, which leaves {measured}: at least one must publish and one only listen",
            room.members,
            load.nuisances.silent + load.nuisances.slow
        )));
    }
    let several = load.rooms.count() > 1;
    if several && (load.verify.is_some() || load.nuisances != Shape::default()) {
        return Err(Error::new(
            "with --rooms every member verifies, and none is a nuisance: leave out --verify, --silent, --slow, --churn and --flood",
        ));
    }
    let processes = processes_for(room.members + load.nuisances.flooders, limit, load.processes)?;
    if several && processes > 1 {
        return Err(Error::new(format!(
            "--rooms works in one process, and {} members need {processes}; use fewer members, and no --processes",
            room.members
        )));
    }
    let listeners = measured - plan.publishers() as usize;
    let verified = match load.verify {
        Some(sample) if (sample as usize) < measured => (sample as usize).min(listeners),
        _ => measured,
    };
    let settings = Settings {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        protocol: Protocol::Uproar,
        doors: Vec::new(),
        path: load.path.clone(),
        // Another number a microsecond later.
        salt: (sys::monotonic_ns() / 1000) as u16,
        sources: Vec::new(),
        probes: load.probes,
        rooms: load.rooms.clone(),
        members: measured,
        nuisances: load.nuisances,
        nuisances_in_room: load.nuisances.in_room(),
        verified,
        line_bytes: load.line_bytes,
        connect_rate: load.connect_rate,
        connect_window: load.connect_window,
        settle: load.settle,
        idle: load.idle,
        drain: load.drain,
        aftermath: load.aftermath,
        progress: load.progress,
    };
    Ok((settings, processes))
}

/// Over how many processes `members` are spread, if each may have `limit` descriptors; `wanted` if that is given.
pub fn processes_for(members: usize, limit: u64, wanted: Option<usize>) -> Result<usize> {
    let each = limit.saturating_sub(OWN_DESCRIPTORS).max(1) as usize;
    let of_several = each.saturating_sub(DESCRIPTORS_SPARE).max(1);
    let needed = if members <= each { 1 } else { members.div_ceil(of_several) };
    if needed > PROCESSES_MAX {
        return Err(Error::new(format!(
            "{members} members need {needed} processes, because the hard limit is {limit} descriptors, and this tool starts at most \
             {PROCESSES_MAX}; raise the limit with `ulimit -Hn` as root, or use at most {} members",
            of_several * PROCESSES_MAX
        )));
    }
    match wanted {
        None => Ok(needed),
        Some(wanted) if wanted < needed => Err(Error::new(format!(
            "--processes {wanted} is too few: {members} members need {needed}, because the hard limit is {limit} descriptors; raise \
             it with `ulimit -Hn` as root, or leave --processes out"
        ))),
        Some(wanted) if wanted > PROCESSES_MAX => {
            Err(Error::new(format!("--processes {wanted} is too many; at most {PROCESSES_MAX}")))
        }
        Some(wanted) => Ok(wanted),
    }
}

/// Where members connect to a server that listens on `address`, which may stand for all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_spread_when_descriptors_ask_for_it() {
        let processes = |members, wanted| processes_for(members, 20_000, wanted);
        assert_eq!(processes(19_968, None).unwrap(), 1);
        assert_eq!(processes(19_969, None).unwrap(), 2);
        assert_eq!(processes(1_000_000, None).unwrap(), 51);
        assert_eq!(processes(100, Some(3)).unwrap(), 3);
        assert!(processes_for(19_000, 128, None).is_err(), "which leaves a process no descriptor to spare");
        for (members, wanted, said) in
            [(40_000, Some(2), "need 3"), (10, Some(101), "at most 100"), (3_000_000, None, "hard limit")]
        {
            let error = processes(members, wanted).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_server_on_all_addresses_is_reached_on_loopback() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(reachable(address("0.0.0.0:7")), address("127.0.0.1:7"));
        assert_eq!(reachable(address("[::]:7")), address("[::1]:7"));
        assert_eq!(reachable(address("10.0.0.1:7")), address("10.0.0.1:7"));
    }
}
