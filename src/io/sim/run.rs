//! One seed, played: faults on, then off until everything has settled, then the end.

use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::crowd::{Crowd, Plan};
use super::draw::Draw;
use super::faults::Faults;
use super::kernel::Kernel;
use super::trace::Event;
use super::verdict::Verdict;
use super::{Sim, Socket};
use crate::flood::{AddressLimits, Rate};
use crate::io::{Completions, Signal};
use crate::limits::{STALL_TIMEOUT_DEFAULT, log_bytes_min};
use crate::line::Framing;
use crate::report;
use crate::room::{NotNow, Settings, SlowPolicy};
use crate::server::counters::Statistics;
use crate::server::{Config, Flow, Server};

/// Turns in which things go wrong, at most.
const FAULTY_TURNS_MAX: usize = 1500;

/// Turns in which a room has to settle once nothing goes wrong any more.
const SETTLE_TURNS_MAX: usize = 200_000;

/// Turns in which a server that was told to stop has to stop.
const STOP_TURNS_MAX: usize = 200_000;

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
}

/// Connections that were held between two turns, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    pub pressed: u64,
    pub unread: u64,
    pub until: u64,
    pub rationed: u64,
}

/// A transcript's sink: takes everything, a little, or nothing for now.
#[derive(Clone, Debug, Default)]
pub struct Sink(Rc<RefCell<SinkState>>);

#[derive(Debug, Default)]
struct SinkState {
    written: Vec<u8>,
    /// How much it takes of the next writes, in turn; everything when empty.
    takes: Vec<usize>,
    writes: usize,
}

impl Sink {
    pub fn written(&self) -> Vec<u8> {
        self.0.borrow().written.clone()
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        state.writes += 1;
        let takes = if state.takes.is_empty() { usize::MAX } else { state.takes[state.writes % state.takes.len()] };
        if takes == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(takes);
        state.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A server on a simulated kernel.
#[derive(Debug)]
pub struct Stage {
    pub server: Server<Sim, Sink>,
    pub kernel: Rc<RefCell<Kernel>>,
    completions: Completions<Socket>,
    /// Messages in the log after each turn.
    pub said: Vec<u64>,
    /// When each turn was over.
    pub times: Vec<Duration>,
    /// Whether bytes were received from anybody in each turn, if there were any.
    pub receiving: Vec<bool>,
    pub holds: Holds,
    /// The invariants of structures are looked at after every so many turns.
    pub invariants_every: usize,
}

impl Stage {
    pub fn new(kernel: Kernel, config: Config) -> Self {
        let sim = Sim::new(kernel);
        let kernel = Rc::clone(&sim.kernel);
        let server = Server::new(sim, config);
        Self {
            server,
            kernel,
            completions: Completions::new(),
            said: vec![0],
            times: vec![Duration::ZERO],
            receiving: vec![false],
            holds: Holds::default(),
            invariants_every: 1,
        }
    }

    pub fn turn(&mut self) -> Flow {
        self.receiving.push(self.server.is_receiving());
        let flow = self.server.turn(&mut self.completions).expect("a simulated kernel does not fail");
        let messages = self.server.said();
        self.said.push(messages);
        self.times.push(self.kernel.borrow().time());
        let long = self.said.len() > LONG_TURNS;
        if self.said.len().is_multiple_of(if long { self.invariants_every * 16 } else { self.invariants_every }) {
            self.server.invariants();
            for held in self.server.reasons_held() {
                *match held {
                    NotNow::Pressed => &mut self.holds.pressed,
                    NotNow::Unread => &mut self.holds.unread,
                    NotNow::Until(_) => &mut self.holds.until,
                    NotNow::Rationed(_) => &mut self.holds.rationed,
                } += 1;
            }
        }
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
    let (flood, ration, join_rate) = (rate(30), rate(20_000), rate(10));
    Config {
        members_max,
        line_bytes,
        framing: if draw.chance(40) { Framing::Chunk } else { Framing::Line },
        flood,
        addresses: AddressLimits { join_rate, connections_max: draw.pick(&[0, 0, 3]), loopback: draw.chance(60) },
        stall_timeout: timeout(draw),
        line_timeout: timeout(draw),
        stats_interval: None,
        room: Settings {
            members_max,
            log_bytes,
            line_bytes,
            announce_max: draw.pick(&[200, 5, 1, 0]),
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
    report::hush();
    let mut config = config(&mut draw);
    let mut plan = Plan::draw(&mut draw, config.line_bytes);
    if draw.chance(12) {
        // Somebody talks for long, in turn with others, and does not read: it has to be held back.
        plan = Plan::monologue(config.line_bytes);
        config.flood = None;
        config.room.rate = None;
        config.room.log_bytes = log_bytes_min(config.line_bytes) * 64;
        config.stall_timeout = STALL_TIMEOUT_DEFAULT;
        config.line_timeout = STALL_TIMEOUT_DEFAULT;
        config.addresses = AddressLimits { join_rate: None, connections_max: 0, loopback: false };
        (config.members_max, config.room.members_max) = (5, 5);
    }
    let mut faults = Faults::draw(&mut draw);
    if plan.deaf_first {
        faults.latency = faults.latency.min(1_000_000);
        faults.clock_jump = 0;
    }
    let faulty_turns = if plan.deaf_first { FAULTY_TURNS_MAX } else { draw.pick(&[300, 40, FAULTY_TURNS_MAX]) };
    let cut_short = draw.chance(24);
    let takes: Vec<usize> = (0..draw.below(4)).map(|_| draw.pick(&[usize::MAX, 0, 1, 9, 200])).collect();
    let mut kernel = Kernel::new(draw, readable);
    kernel.note(Event::Begins { people: plan.people, line_bytes: config.line_bytes, log_bytes: config.room.log_bytes });
    let crowd = Crowd::new(&mut kernel, plan);
    let mut stage = Stage::new(kernel, config);
    *shared = Some(Rc::clone(&stage.kernel));
    let sink = Sink::default();
    let transcribed = !takes.is_empty();
    if transcribed {
        stage.server.keep_transcript(sink.clone(), "the transcript");
    }
    stage.kernel.borrow_mut().crowd = Some(Box::new(crowd));
    stage.settle();
    sink.0.borrow_mut().takes = takes;
    with_crowd(&stage, faults, Crowd::begin);
    stage.kernel.borrow_mut().idle = false;

    for turn in 0..faulty_turns {
        if turn % 97 == 96 {
            stage.kernel.borrow_mut().signal_after(0, Signal::Statistics);
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
        sink.0.borrow_mut().takes.clear();
        with_crowd(&stage, Faults::default(), Crowd::settle);
        stage.kernel.borrow_mut().note(Event::FaultsEnd);
        stage.settle();
        with_crowd(&stage, Faults::default(), Crowd::latecomer);
        stage.settle();
        verdict.note_who_is_here(&stage);
        stage.kernel.borrow_mut().note(Event::Settled);
        stage.kernel.borrow_mut().signal_after(0, Signal::Terminate);
        assert_eq!(stage.stop(), Flow::Stop, "there was time for the goodbye");
    }
    // A note of the interrupt may stand anywhere in it.
    if transcribed && !impatient {
        verdict.transcript = Some(sink.written());
    }
    verdict.times = std::mem::take(&mut stage.times);
    verdict.receiving = std::mem::take(&mut stage.receiving);
    verdict.statistics = Some(stage.server.statistics());
    verdict.unheard = stage.server.lines_from(verdict.heard_by_witness(&stage.kernel.borrow()));
    let Stage { server, kernel, said, holds, .. } = stage;
    kernel.borrow_mut().strict = false;
    drop(server);
    let mut kernel = kernel.borrow_mut();
    kernel.note(Event::Stopped);
    assert_eq!(kernel.open_sockets(), 0, "every socket is closed");
    let statistics = verdict.pronounce(&kernel, &said);
    Outcome { hash: kernel.trace.hash(), events: kernel.trace.events(), turns: kernel.turn, statistics, holds }
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
