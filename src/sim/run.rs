//! One seed, played: faults on, then off until everything has settled, then the end.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::commands;
use super::memory_file::{MemoryFile, Take};
use super::peers::Peers;
use super::server_log::{self, LogOutcome};
use super::service::{Told, Watcher};
use super::simulation::{Holds, Simulation};
use super::verdict::Verdict;
use super::workload::Workload;
use crate::config::{Config, Proxies, RoomSettings, SlowPolicy};
use crate::counters::Statistics;
use crate::door::{Door, Doors};
use crate::flood::{AddressLimits, Rate};
use crate::io::Signal;
use crate::io::sim::draw::Draw;
use crate::io::sim::faults::Faults;
use crate::io::sim::kernel::{self, Kernel};
use crate::io::sim::trace::Event;
use crate::journal::{Format, Style};
use crate::limits::{
    BUFFER_BYTES_DEFAULT, DEAD_AFTER_DEFAULT, HISTORY_MAX_DEFAULT, JOURNAL_BYTES_MAX, LOG_SEGMENTS_MIN,
    LOGS_BYTES_DEFAULT, RESUME_FOR_DEFAULT, ROOMS_MAX_DEFAULT, SKIPS_PER_TURN_MAX, STALL_TIMEOUT_DEFAULT, STOP_FLUSH,
    log_bytes_min,
};
use crate::outlet::Place;
use crate::server::Flow;
use crate::wire::Framing;
use crate::wire::http::Origins;

/// Most turns with faults.
const FAULTY_TURNS_MAX: usize = 1500;

/// Virtual time that a stop may take beyond [`STOP_FLUSH`], because turns take time too.
const STOP_SLACK: Duration = Duration::from_millis(500);

/// Which tables the sockets of a run are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// Those that the seed draws.
    Drawn,
    /// One, and as many members are skipped in a turn as by default: the runs of seeds that were kept before there were
    /// tables.
    One,
}

/// The outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A hash of everything that happened.
    pub hash: u64,
    pub events: u64,
    pub turns: usize,
    /// What the server counted.
    pub statistics: Statistics,
    /// How often a line had to wait, by reason.
    pub holds: Holds,
    /// Tables that sockets were in, and moves into a table that failed.
    pub tables: usize,
    pub moves_failed: u64,
    /// Turns at whose ends members had to be skipped ahead of need.
    pub skipping: u64,
    /// The outcome of the server's own log.
    pub log: LogOutcome,
    /// The outcome of a second run, in which peers type commands. One in four seeds has one.
    pub typed: Option<commands::Outcome>,
    /// What a service manager was told in another run, which is the same but for that. One in eight seeds has one.
    pub watched: Option<Told>,
}

fn config(draw: &mut Draw) -> Config {
    let line_bytes = draw.pick(&[64, 16, 33, 300]);
    let log_bytes_min = log_bytes_min(line_bytes);
    let log_bytes = log_bytes_min * draw.pick(&[64, 1, 1, 2, 5]) + draw.below(50) as usize;
    let members_max = draw.pick(&[200, 200, 200, 30, 6, 2]);
    let timeout = |draw: &mut Draw| Duration::from_millis(draw.pick(&[30_000, 60_000, 1000, 50]));
    let mut rate = |most: u64| {
        let limited = draw.chance(100);
        let (rate, burst) = (1 + draw.below(most), draw.below(20));
        if limited { Rate::new(rate, burst) } else { None }
    };
    let (flood, ration, join_rate, line_rate) = (rate(30), rate(20_000), rate(10), rate(30));
    let announce_rate = rate(20);
    Config {
        doors: Doors::only(Door::Text),
        proxies: Proxies::default(),
        web_origins: Origins::SameHost,
        members_max,
        line_bytes,
        framing: if draw.chance(40) { Framing::Chunk } else { Framing::Line },
        commands: false,
        history: 0,
        history_max: HISTORY_MAX_DEFAULT,
        rooms_max: ROOMS_MAX_DEFAULT,
        resume_for: RESUME_FOR_DEFAULT,
        hide_addresses: false,
        flood,
        addresses: AddressLimits {
            line_rate,
            join_rate,
            connections_max: draw.pick(&[0, 0, 3]),
            loopback: draw.chance(60),
        },
        buffer_bytes: BUFFER_BYTES_DEFAULT,
        stall_timeout: timeout(draw),
        line_timeout: timeout(draw),
        dead_after: DEAD_AFTER_DEFAULT,
        stats_interval: None,
        room: RoomSettings {
            members_max,
            log_bytes,
            logs_bytes: LOGS_BYTES_DEFAULT,
            line_bytes,
            announce_max: draw.pick(&[200, 5, 1, 0]),
            announce_rate,
            slow: if draw.chance(64) { SlowPolicy::Close } else { SlowPolicy::Skip },
            rate: ration,
        },
    }
}

/// Plays the run of a seed. Panics when anything is not as it must be.
pub fn run(seed: u64) -> Outcome {
    play_all(Draw::seeded(seed), Tables::Drawn, false, &mut None)
}

/// Plays the run that a fuzzer's bytes choose. Panics when anything is not as it must be.
pub fn fuzz(bytes: &[u8]) {
    play_all(Draw::from_bytes(bytes), Tables::Drawn, false, &mut None);
}

/// Plays the run of a seed. `Err` says what was wrong.
pub fn check(seed: u64) -> Result<Outcome, String> {
    check_in(seed, Tables::Drawn)
}

/// As [`check`], in other tables.
pub fn check_in(seed: u64, tables: Tables) -> Result<Outcome, String> {
    caught(|| play_all(Draw::seeded(seed), tables, false, &mut None))
}

/// Plays the run with commands that a seed has, or would have.
pub fn check_commands(seed: u64) -> Result<commands::Outcome, String> {
    caught(|| commands::play(of_commands(&Draw::seeded(seed)).0, false, &mut None))
}

pub(super) fn caught<T>(play: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(play)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
    })
}

/// Plays the run of a seed and tells what happened, also when it ends in a panic, which goes on.
pub fn replay(seed: u64, tell: impl FnMut(&str)) -> Outcome {
    replayed(tell, |kernel| play_all(Draw::seeded(seed), Tables::Drawn, true, kernel))
}

/// As [`replay`], of [`check_commands`].
pub fn replay_commands(seed: u64, tell: impl FnMut(&str)) -> commands::Outcome {
    replayed(tell, |kernel| commands::play(of_commands(&Draw::seeded(seed)).0, true, kernel))
}

fn replayed<T>(mut tell: impl FnMut(&str), play: impl FnOnce(&mut Option<Rc<RefCell<Kernel>>>) -> T) -> T {
    let mut kernel = None;
    let played = catch_unwind(AssertUnwindSafe(|| play(&mut kernel)));
    if let Some(kernel) = kernel {
        kernel.borrow().trace.lines().iter().for_each(|line| tell(line));
    }
    played.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Plays the run of a seed, and before it another with commands where a second sequence says so.
fn play_all(draw: Draw, tables: Tables, readable: bool, shared: &mut Option<Rc<RefCell<Kernel>>>) -> Outcome {
    let (apart, has_commands) = of_commands(&draw);
    let mut manager = apart.clone();
    let typed = has_commands.then(|| commands::play(apart, readable, shared));
    let watched = manager.chance(32).then(|| play(draw.clone(), tables, readable, shared, Some(manager)).watched);
    Outcome { typed, watched: watched.flatten(), ..play(draw, tables, readable, shared, None) }
}

/// The longest time-out of a run that a service manager watches.
const WATCHED_TIME_MAX: Duration = Duration::from_secs(600);

/// The choices of the run with commands, and whether there is one.
fn of_commands(draw: &Draw) -> (Draw, bool) {
    let mut apart = draw.apart();
    let has_commands = apart.chance(64);
    (apart, has_commands)
}

/// `shared` is set to the kernel of the run as soon as there is one. `manager` makes the choices of a service manager.
fn play(
    mut draw: Draw,
    tables: Tables,
    readable: bool,
    shared: &mut Option<Rc<RefCell<Kernel>>>,
    manager: Option<Draw>,
) -> Outcome {
    let mut config = config(&mut draw);
    let mut workload = Workload::draw(&mut draw, config.line_bytes);
    if draw.chance(32) {
        // One peer talks for long, in turn with others, and does not read, so that it has to be held.
        workload = Workload::monologue(config.line_bytes);
        config.flood = None;
        config.room.rate = None;
        config.room.log_bytes = log_bytes_min(config.line_bytes) * 64;
        config.stall_timeout = STALL_TIMEOUT_DEFAULT;
        config.line_timeout = STALL_TIMEOUT_DEFAULT;
        (config.members_max, config.room.members_max) = (5, 5);
        config.addresses = AddressLimits::NONE;
    }
    let visits = draw.chance(20);
    if visits {
        // One peer connects again and again: the buckets of its address must not be forgotten meanwhile.
        workload = Workload::visits(config.line_bytes);
        config.flood = None;
        config.room.rate = None;
        config.addresses = AddressLimits::NONE;
        config.addresses.line_rate = Rate::new(1, 4 + draw.below(8));
    }
    let mut faults = Faults::draw(&mut draw);
    if visits {
        faults = Faults::default();
    }
    if workload.namesakes {
        // No peer leaves before the end: its name would be given to another, and the log would not tell the two apart.
        (faults.send_breaks, faults.receive_breaks, faults.accept_gone) = (0, 0, 0);
        (config.stall_timeout, config.line_timeout) = (Duration::from_secs(1 << 30), Duration::from_secs(1 << 30));
        config.room.slow = SlowPolicy::Skip;
    }
    if workload.first_never_reads {
        faults.latency = faults.latency.min(1_000_000);
        faults.clock_jump = 0;
    }
    let faulty_turns =
        if workload.first_never_reads { FAULTY_TURNS_MAX } else { draw.pick(&[300, 40, FAULTY_TURNS_MAX]) };
    let cut_short = draw.chance(24);
    let takes = [usize::MAX, 0, 1, 9, 200];
    let takes: Vec<usize> = (0..draw.below(4)).map(|_| draw.pick(&takes)).collect();
    let take = |most| if most == 0 { Take::Full } else { Take::Bytes(most) };
    let mut takes: Vec<Take> = takes.into_iter().map(take).collect();
    // Drawn from a second sequence, so that kept seeds stay as they are.
    let mut apart = draw.apart();
    let transcribed = !takes.is_empty();
    // A long talk needs all of its turns, so there are no other faults.
    let calm = workload.first_never_reads;
    if apart.chance(64) && !calm {
        takes = MemoryFile::takes(&mut apart);
    }
    let transcript = MemoryFile::new(apart.chance(64));
    let log = MemoryFile::new(apart.chance(64));
    let log_takes = if calm { Vec::new() } else { MemoryFile::takes(&mut apart) };
    let log_bytes_max = apart.pick(&[JOURNAL_BYTES_MAX, 900, 500]);
    // Signals ask for statistics lines, and for files to be opened anew.
    let statistics_every = if calm { 97 } else { apart.pick(&[97, 97, 7, 2]) };
    let hangup_every = if calm { usize::MAX } else { apart.pick(&[usize::MAX, usize::MAX, 60, 11]) };
    let log_full_at_the_end = apart.chance(32);
    let skips_max = apart.pick(&[SKIPS_PER_TURN_MAX, SKIPS_PER_TURN_MAX, 3, 1]);
    let several_tables = apart.chance(128);
    let slots_max = apart.between(1, 8);
    let tables_max = apart.pick(&[usize::MAX, usize::MAX, 2, 6]);
    let move_fails = apart.pick(&[0, 0, 8, 64]);
    // Memory is so little that it is spent again and again.
    if apart.chance(80) && !calm && !visits && !workload.namesakes {
        config.buffer_bytes = apart.pick(&[20_000, 3000, 1000, 300]);
    }
    let mut kernel = Kernel::new(draw, readable);
    let drawn = tables == Tables::Drawn;
    if drawn && several_tables {
        let everybody_stays = calm || visits || workload.namesakes;
        let tables_max = if everybody_stays { usize::MAX } else { tables_max };
        faults.move_fails = if everybody_stays { 0 } else { move_fails };
        kernel.tables = kernel::tables::Tables::new(slots_max, tables_max, apart.apart());
    }
    // All logs together have less than one may take: as much as those of three formats need at least.
    if drawn && apart.chance(128) {
        config.room.logs_bytes = config.room.log_bytes / LOG_SEGMENTS_MIN * 3;
    }
    // The log has each form in each place, with addresses and without.
    let style =
        Style { format: if apart.chance(96) { Format::Json } else { Format::Text }, addresses: apart.chance(128) };
    if apart.chance(40) {
        log.set_place(Place::Journald);
    }
    kernel.note(Event::Begins {
        peers: workload.peers,
        line_bytes: config.line_bytes,
        log_bytes: config.room.log_bytes,
    });
    let peers = Peers::new(&mut kernel, workload);
    let mut simulation = Simulation::with_log(kernel, config, log, style, log_bytes_max);
    *shared = Some(Rc::clone(&simulation.kernel));
    if drawn {
        simulation.server.limit_skips(skips_max);
    }
    if transcribed {
        simulation.server.keep_transcript(transcript.clone(), "the transcript");
    }
    let peers = Rc::new(RefCell::new(peers));
    simulation.kernel.borrow_mut().script = Some(Rc::<RefCell<Peers>>::clone(&peers));
    // A connection that may be silent for long would be watched for as long, a turn every few seconds.
    let is_short = config.stall_timeout <= WATCHED_TIME_MAX && config.line_timeout <= WATCHED_TIME_MAX;
    let mut manager = manager.filter(|_| is_short);
    if let Some(manager) = &mut manager {
        simulation.watch(Duration::from_millis(manager.pick(&[40_000, 20_000, 10_000])));
    }
    simulation.settle();
    if let (Some(watcher), Some(manager)) = (&simulation.watcher, &mut manager) {
        watcher.set_takes(Watcher::takes(manager));
    }
    transcript.set_takes(takes);
    simulation.log.set_takes(log_takes);
    with_peers(&simulation, &peers, faults, Peers::begin);
    simulation.kernel.borrow_mut().idle = false;

    for turn in 0..faulty_turns {
        if (turn + 1).is_multiple_of(statistics_every) {
            simulation.kernel.borrow_mut().signal_after(0, Signal::Statistics);
        }
        if (turn + 1).is_multiple_of(hangup_every) {
            simulation.kernel.borrow_mut().signal_after(0, Signal::Hangup);
        }
        assert_eq!(simulation.turn(), Flow::On, "it was not told to stop");
        if simulation.is_idle() || simulation.kernel.borrow().draw.is_exhausted() {
            break;
        }
    }
    let mut verdict = Verdict::new(config);
    let mut impatient = false;
    if cut_short {
        simulation.kernel.borrow_mut().signal_after(0, Signal::Terminate);
        impatient = simulation.kernel.borrow_mut().draw.chance(64);
        if impatient {
            simulation.kernel.borrow_mut().signal_after(1_000_000, Signal::Interrupt);
        }
        simulation.stop();
    } else {
        verdict.settled = true;
        transcript.set_takes(Vec::new());
        simulation.log.set_takes(Vec::new());
        if let Some(watcher) = &simulation.watcher {
            watcher.set_takes(Vec::new());
        }
        with_peers(&simulation, &peers, Faults::default(), Peers::settle);
        simulation.kernel.borrow_mut().note(Event::FaultsEnd);
        simulation.settle();
        with_peers(&simulation, &peers, Faults::default(), Peers::latecomer);
        simulation.settle();
        verdict.note_members(&simulation);
        simulation.kernel.borrow_mut().note(Event::Settled);
        if log_full_at_the_end {
            simulation.log.set_takes(vec![Take::Full]);
        }
        simulation.kernel.borrow_mut().signal_after(0, Signal::Terminate);
        let told = simulation.kernel.borrow().time();
        assert_eq!(simulation.stop(), Flow::Stop, "there was time to send what was left");
        let time = simulation.kernel.borrow().time() - told;
        assert!(time < STOP_FLUSH + STOP_SLACK, "it took {time:?} to stop");
        if !log_full_at_the_end && !simulation.log.is_broken() {
            assert!(simulation.server.journal().is_quiet(), "the last line is written");
        }
    }
    simulation.server.journal().invariants(&simulation.log.written());
    // A note of the interrupt may stand anywhere in it.
    if transcribed && !impatient {
        verdict.transcript = Some(transcript);
    }
    verdict.names = std::mem::take(&mut simulation.names);
    verdict.foreign = peers.borrow().foreign();
    verdict.times = std::mem::take(&mut simulation.times);
    verdict.late_max = simulation.late_max;
    verdict.receiving = std::mem::take(&mut simulation.receiving);
    verdict.statistics = Some(simulation.server.statistics());
    verdict.forgotten_bytes = simulation.server.said_and_forgotten().1;
    verdict.unheard = simulation.server.lines_from(verdict.heard_by_witness(&simulation.kernel.borrow()));
    let Simulation { server, kernel, said, holds, log, skipping, watcher, .. } = simulation;
    kernel.borrow_mut().strict = false;
    drop(server);
    let mut kernel = kernel.borrow_mut();
    kernel.note(Event::Stopped);
    assert_eq!(kernel.open_sockets(), 0, "every socket is closed");
    let statistics = verdict.compare(&kernel, &said);
    let (hash, events, turns) = (kernel.trace.hash(), kernel.trace.events(), kernel.turn);
    let (tables, moves_failed) = (kernel.tables.used(), kernel.tables.failed);
    let log = server_log::read(&log, style, &kernel);
    let watched = watcher.as_ref().map(Watcher::told);
    Outcome { hash, events, turns, statistics, holds, tables, moves_failed, skipping, log, typed: None, watched }
}

/// The peers do something, and other faults happen from now on.
fn with_peers(
    simulation: &Simulation,
    peers: &RefCell<Peers>,
    faults: Faults,
    act: impl FnOnce(&mut Peers, &mut Kernel),
) {
    let mut kernel = simulation.kernel.borrow_mut();
    kernel.faults = faults;
    act(&mut peers.borrow_mut(), &mut kernel);
    kernel.poke_all();
}
