//! One seed, played: faults on, then off until everything has settled, then the end.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::crowd::{Crowd, Plan};
use super::draw::Draw;
use super::faults::Faults;
use super::kernel::Kernel;
use super::sink::{STAMP, Sink, Take};
use super::trace::Event;
use super::verdict::Verdict;
use super::{Sim, Socket};
use crate::connection::Hold;
use crate::counters::{CloseReason, Statistics};
use crate::flood::{AddressLimits, Rate};
use crate::io::{Completions, Signal};
use crate::journal::Journal;
use crate::limits::{DEAD_AFTER_DEFAULT, JOURNAL_BYTES_MAX, STALL_TIMEOUT_DEFAULT, STOP_FLUSH, log_bytes_min};
use crate::room::{Settings, SlowPolicy};
use crate::server::{Config, Flow, Server};
use crate::token::ConnectionId;
use crate::wire::Framing;

/// Turns in which things go wrong, at most.
const FAULTY_TURNS_MAX: usize = 1500;

/// Turns in which a room has to settle once nothing goes wrong any more.
const SETTLE_TURNS_MAX: usize = 200_000;

/// Turns in which a server that was told to stop has to stop.
const STOP_TURNS_MAX: usize = 200_000;

/// Virtual time that a stop may take beyond the time for what is left to send: turns take time too.
const STOP_SLACK: Duration = Duration::from_millis(500);

/// Turns after which structures are looked at less often: long runs are the same thing many times.
const LONG_TURNS: usize = 3000;

/// What a run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Of everything that happened.
    pub hash: u64,
    pub events: u64,
    pub turns: usize,
    /// What the server counted.
    pub statistics: Statistics,
    /// How often a line had to wait, by reason.
    pub holds: Holds,
    /// What became of the server's own log.
    pub log: LogOutcome,
}

/// What the server's own log says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOutcome {
    pub lines: u64,
    /// Times that lines were not logged.
    pub gaps: u64,
    pub transcript_paused: u64,
    pub transcript_resumed: u64,
}

impl LogOutcome {
    fn of(log: &Sink) -> Self {
        let text = String::from_utf8(log.written()).expect("the log is text");
        let mut outcome = Self::default();
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let stamped = line.strip_prefix(STAMP);
            assert_eq!(stamped.is_some(), log.is_stamped(), "a line in a file has its time, and no other");
            let line = stamped.unwrap_or(line);
            assert!(line.starts_with("uproar: "), "the log says {line:?}");
            outcome.lines += 1;
            outcome.gaps += u64::from(line.ends_with(" not logged\n"));
            outcome.transcript_paused += u64::from(line.starts_with("uproar: transcript paused"));
            outcome.transcript_resumed += u64::from(line.starts_with("uproar: transcript resumed"));
        }
        outcome
    }
}

/// Connections that were held between two turns, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    pub pressed: u64,
    pub unread: u64,
    pub until: u64,
    pub rationed: u64,
}

/// A server on a simulated kernel.
#[derive(Debug)]
pub struct Stage {
    pub server: Server<Sim, Sink>,
    pub kernel: Rc<RefCell<Kernel>>,
    /// Where the server's own log goes.
    pub log: Sink,
    completions: Completions<Socket>,
    /// Messages in the log after each turn.
    pub said: Vec<u64>,
    /// When each turn was over.
    pub times: Vec<Duration>,
    /// Whether bytes were received from anybody in each turn, if there were any.
    pub receiving: Vec<bool>,
    pub holds: Holds,
    stall_timeout: Duration,
    /// Most lines at a time that may have been said late: those of one turn, and those whose time has come.
    late_max: usize,
    /// Who has waited longest for the room's ration, with the bytes that it has waiting.
    rationed_first: Option<(ConnectionId, usize)>,
    /// The invariants of structures are looked at after every so many turns.
    pub invariants_every: usize,
}

impl Stage {
    pub fn new(kernel: Kernel, config: Config) -> Self {
        Self::with_log(kernel, config, Sink::default(), JOURNAL_BYTES_MAX)
    }

    /// As [`Stage::new`], and of the server's own log `log_bytes_max` are kept at most that `log` does not take.
    pub fn with_log(kernel: Kernel, config: Config, log: Sink, log_bytes_max: usize) -> Self {
        let sim = Sim::new(kernel);
        let kernel = Rc::clone(&sim.kernel);
        let server = Server::new(sim, config, Journal::new(log.clone(), log_bytes_max));
        Self {
            server,
            kernel,
            log,
            completions: Completions::new(),
            said: vec![0],
            times: vec![Duration::ZERO],
            receiving: vec![false],
            holds: Holds::default(),
            stall_timeout: config.stall_timeout,
            late_max: 0,
            rationed_first: None,
            invariants_every: 1,
        }
    }

    pub fn turn(&mut self) -> Flow {
        let stalled_before = self.server.closes(CloseReason::Stalled);
        self.receiving.push(self.server.is_receiving());
        let flow = self.server.turn(&mut self.completions).expect("a simulated kernel does not fail");
        let stalled = self.server.closes(CloseReason::Stalled) - stalled_before;
        let identified = std::mem::take(&mut self.kernel.borrow_mut().identified);
        for peer in identified {
            let id = self.kernel.borrow().pairs()[peer as usize].id.expect("it is identified");
            if let Some(name) = self.server.name(id) {
                self.kernel.borrow_mut().pair_mut(peer).name = name;
            }
        }
        let idle = std::mem::take(&mut self.kernel.borrow_mut().idle_when_shut);
        let idle = idle.iter().filter(|idle| **idle >= self.stall_timeout).count();
        assert!(stalled <= idle as u64, "who is closed as stalled has taken no byte for the whole time");
        let messages = self.server.said();
        self.said.push(messages);
        self.times.push(self.kernel.borrow().time());
        let long = self.said.len() > LONG_TURNS;
        if self.said.len().is_multiple_of(if long { self.invariants_every * 16 } else { self.invariants_every }) {
            self.server.invariants();
            self.server.journal().invariants(&self.log.written());
            for held in self.server.holds() {
                *match held {
                    Hold::Sweep => &mut self.holds.pressed,
                    Hold::Reading => &mut self.holds.unread,
                    Hold::Rate => &mut self.holds.until,
                    Hold::Ration => &mut self.holds.rationed,
                } += 1;
            }
        }
        let said = (messages - self.said[self.said.len() - 2]) as usize;
        self.late_max = self.late_max.max(self.server.late_reservations() + said);
        let mut rationed = self.server.rationed();
        let first = rationed.next();
        let overtaken = rationed.any(|waits| Some(waits) == self.rationed_first);
        assert!(!overtaken, "who has waited longest for the room's ration is first until its line is said");
        drop(rationed);
        self.rationed_first = first;
        let mut kernel = self.kernel.borrow_mut();
        kernel.note(Event::Turn { messages });
        if let Some(breach) = kernel.breach {
            panic!("{breach}");
        }
        flow
    }

    /// Turns until nothing moves, while time-outs are still to come.
    pub fn rest(&mut self) {
        self.kernel.borrow_mut().time_stands = true;
        while self.kernel.borrow().has_events() || self.server.has_due() {
            self.turn();
        }
        self.kernel.borrow_mut().time_stands = false;
    }

    /// Turns until nothing will happen any more.
    pub fn settle(&mut self) {
        let start = self.said.len();
        self.kernel.borrow_mut().idle = false;
        while !self.kernel.borrow().idle {
            assert_eq!(self.turn(), Flow::On, "nobody has told it to stop");
            assert!(self.said.len() - start < SETTLE_TURNS_MAX, "it does not settle");
        }
    }

    /// Turns until the server has stopped.
    fn stop(&mut self) -> Flow {
        for _ in 0..STOP_TURNS_MAX {
            match self.turn() {
                Flow::On => {}
                flow => return flow,
            }
        }
        panic!("it does not stop");
    }
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
        members_max,
        line_bytes,
        framing: if draw.chance(40) { Framing::Chunk } else { Framing::Line },
        flood,
        addresses: AddressLimits {
            line_rate,
            join_rate,
            connections_max: draw.pick(&[0, 0, 3]),
            loopback: draw.chance(60),
        },
        stall_timeout: timeout(draw),
        line_timeout: timeout(draw),
        dead_after: DEAD_AFTER_DEFAULT,
        stats_interval: None,
        room: Settings {
            members_max,
            log_bytes,
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
    play(Draw::seeded(seed), false, &mut None)
}

/// Plays the run that a fuzzer's bytes choose. Panics when anything is not as it must be.
pub fn fuzz(bytes: &[u8]) {
    play(Draw::from_bytes(bytes), false, &mut None);
}

/// Plays the run of a seed. `Err` says what was wrong.
pub fn check(seed: u64) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| run(seed))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
    })
}

/// Plays the run of a seed and tells what happened, also when it ends in a panic, which goes on.
pub fn replay(seed: u64, mut tell: impl FnMut(&str)) -> Outcome {
    let mut kernel = None;
    let played = catch_unwind(AssertUnwindSafe(|| play(Draw::seeded(seed), true, &mut kernel)));
    if let Some(kernel) = kernel {
        kernel.borrow().trace.lines().iter().for_each(|line| tell(line));
    }
    played.unwrap_or_else(|panic| resume_unwind(panic))
}

/// `shared` is set to the kernel of the run as soon as there is one.
fn play(mut draw: Draw, readable: bool, shared: &mut Option<Rc<RefCell<Kernel>>>) -> Outcome {
    let mut config = config(&mut draw);
    let mut plan = Plan::draw(&mut draw, config.line_bytes);
    if draw.chance(32) {
        // Somebody talks for long, in turn with others, and does not read: it has to be held back.
        plan = Plan::monologue(config.line_bytes);
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
        // Somebody comes again and again: what was said from there is not forgotten meanwhile.
        plan = Plan::visits(config.line_bytes);
        config.flood = None;
        config.room.rate = None;
        config.addresses = AddressLimits::NONE;
        config.addresses.line_rate = Rate::new(1, 4 + draw.below(8));
    }
    let mut faults = Faults::draw(&mut draw);
    if visits {
        faults = Faults::default();
    }
    if plan.namesakes {
        // Nobody goes before all is over: a name that is free again would be given to another, and not be known apart.
        (faults.send_breaks, faults.receive_breaks, faults.accept_gone) = (0, 0, 0);
        (config.stall_timeout, config.line_timeout) = (Duration::from_secs(1 << 30), Duration::from_secs(1 << 30));
        config.room.slow = SlowPolicy::Skip;
    }
    if plan.deaf_first {
        faults.latency = faults.latency.min(1_000_000);
        faults.clock_jump = 0;
    }
    let faulty_turns = if plan.deaf_first { FAULTY_TURNS_MAX } else { draw.pick(&[300, 40, FAULTY_TURNS_MAX]) };
    let cut_short = draw.chance(24);
    let takes = [usize::MAX, 0, 1, 9, 200];
    let takes: Vec<usize> = (0..draw.below(4)).map(|_| draw.pick(&takes)).collect();
    let take = |most| if most == 0 { Take::Full } else { Take::Bytes(most) };
    let mut takes: Vec<Take> = takes.into_iter().map(take).collect();
    // Drawn apart, so that kept seeds stay what they are.
    let mut apart = draw.apart();
    let transcribed = !takes.is_empty();
    // A long talk needs all of its turns, so nothing else takes any.
    let calm = plan.deaf_first;
    if apart.chance(64) && !calm {
        takes = Sink::takes(&mut apart);
    }
    let sink = Sink::new(apart.chance(64));
    let log = Sink::new(apart.chance(64));
    let log_takes = if calm { Vec::new() } else { Sink::takes(&mut apart) };
    let log_bytes_max = apart.pick(&[JOURNAL_BYTES_MAX, 900, 500]);
    // The log says more than anybody would ask for, and files are opened anew.
    let statistics_every = if calm { 97 } else { apart.pick(&[97, 97, 7, 2]) };
    let hangup_every = if calm { usize::MAX } else { apart.pick(&[usize::MAX, usize::MAX, 60, 11]) };
    let log_full_at_the_end = apart.chance(32);
    let mut kernel = Kernel::new(draw, readable);
    kernel.note(Event::Begins { people: plan.people, line_bytes: config.line_bytes, log_bytes: config.room.log_bytes });
    let crowd = Crowd::new(&mut kernel, plan);
    let mut stage = Stage::with_log(kernel, config, log, log_bytes_max);
    *shared = Some(Rc::clone(&stage.kernel));
    if transcribed {
        stage.server.keep_transcript(sink.clone(), "the transcript");
    }
    stage.kernel.borrow_mut().crowd = Some(Box::new(crowd));
    stage.settle();
    sink.set_takes(takes);
    stage.log.set_takes(log_takes);
    with_crowd(&stage, faults, Crowd::begin);
    stage.kernel.borrow_mut().idle = false;

    for turn in 0..faulty_turns {
        if (turn + 1).is_multiple_of(statistics_every) {
            stage.kernel.borrow_mut().signal_after(0, Signal::Statistics);
        }
        if (turn + 1).is_multiple_of(hangup_every) {
            stage.kernel.borrow_mut().signal_after(0, Signal::Hangup);
        }
        assert_eq!(stage.turn(), Flow::On, "nobody has told it to stop");
        let kernel = stage.kernel.borrow();
        if kernel.idle || kernel.draw.is_exhausted() {
            break;
        }
    }
    let mut verdict = Verdict::new(config);
    let mut impatient = false;
    if cut_short {
        stage.kernel.borrow_mut().signal_after(0, Signal::Terminate);
        impatient = stage.kernel.borrow_mut().draw.chance(64);
        if impatient {
            stage.kernel.borrow_mut().signal_after(1_000_000, Signal::Interrupt);
        }
        stage.stop();
    } else {
        verdict.settled = true;
        sink.set_takes(Vec::new());
        stage.log.set_takes(Vec::new());
        with_crowd(&stage, Faults::default(), Crowd::settle);
        stage.kernel.borrow_mut().note(Event::FaultsEnd);
        stage.settle();
        with_crowd(&stage, Faults::default(), Crowd::latecomer);
        stage.settle();
        verdict.note_who_is_here(&stage);
        stage.kernel.borrow_mut().note(Event::Settled);
        if log_full_at_the_end {
            stage.log.set_takes(vec![Take::Full]);
        }
        stage.kernel.borrow_mut().signal_after(0, Signal::Terminate);
        let told = stage.kernel.borrow().time();
        assert_eq!(stage.stop(), Flow::Stop, "there was time for the goodbye");
        let time = stage.kernel.borrow().time() - told;
        assert!(time < STOP_FLUSH + STOP_SLACK, "it took {time:?} to stop");
        if !log_full_at_the_end && !stage.log.is_broken() {
            assert!(stage.server.journal().is_quiet(), "the last line is written");
        }
    }
    stage.server.journal().invariants(&stage.log.written());
    // A note of the interrupt may stand anywhere in it.
    if transcribed && !impatient {
        verdict.transcript = Some(sink);
    }
    verdict.times = std::mem::take(&mut stage.times);
    verdict.late_max = stage.late_max;
    verdict.receiving = std::mem::take(&mut stage.receiving);
    verdict.statistics = Some(stage.server.statistics());
    verdict.unheard = stage.server.lines_from(verdict.heard_by_witness(&stage.kernel.borrow()));
    let Stage { server, kernel, said, holds, log, .. } = stage;
    kernel.borrow_mut().strict = false;
    drop(server);
    let mut kernel = kernel.borrow_mut();
    kernel.note(Event::Stopped);
    assert_eq!(kernel.open_sockets(), 0, "every socket is closed");
    let statistics = verdict.pronounce(&kernel, &said);
    let (hash, events, turns) = (kernel.trace.hash(), kernel.trace.events(), kernel.turn);
    Outcome { hash, events, turns, statistics, holds, log: LogOutcome::of(&log) }
}

/// The crowd does something, and other faults happen from now on.
fn with_crowd(stage: &Stage, faults: Faults, act: impl FnOnce(&mut Crowd, &mut Kernel)) {
    let mut kernel = stage.kernel.borrow_mut();
    kernel.faults = faults;
    let mut crowd = kernel.crowd.take().expect("it was lent");
    act(&mut crowd, &mut kernel);
    kernel.crowd = Some(crowd);
    kernel.poke_all();
}
