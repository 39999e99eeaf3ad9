//! A run in which peers type commands: what each was sent is compared with what was said in its room, what it asked for, and
//! what the others were sent.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use super::model::reader::Options;
use super::model::rooms::Rooms;
use super::model::together::{self, Known};
use super::model::{self, asked, reader};
use super::simulation::Simulation;
use super::typists::{Habits, Typists};
use crate::config::{Config, Proxies, RoomSettings, SlowPolicy};
use crate::counters::Counter;
use crate::door::{Door, Doors};
use crate::flood::{AddressLimits, Rate};
use crate::io::Signal;
use crate::io::sim::draw::Draw;
use crate::io::sim::faults::Faults;
use crate::io::sim::kernel::{Kernel, tables::Tables};
use crate::limits::{BUFFER_BYTES_DEFAULT, DEAD_AFTER_DEFAULT, log_bytes_min};
use crate::server::Flow;
use crate::wire::Framing;
use crate::wire::http::Origins;

/// Most turns with faults.
const FAULTY_TURNS_MAX: usize = 1000;

/// A time that no run takes.
const FOR_EVER: Duration = Duration::from_secs(300_000_000);

/// The outcome of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A hash of everything that happened.
    pub hash: u64,
    pub events: u64,
    pub messages: u64,
    /// Rooms that were made, and those whose lines cannot be told apart.
    pub rooms: u64,
    pub torn: u64,
    /// Lines of rooms that members were sent, those that were JSON, and those that were of the past.
    pub lines: u64,
    pub json_lines: u64,
    pub past_lines: u64,
    pub missed: u64,
    pub renamed: u64,
    pub private: u64,
    pub resumed: u64,
    pub refused: u64,
    pub anew: u64,
    pub replaced: u64,
}

fn config(draw: &mut Draw) -> Config {
    let line_bytes = draw.pick(&[64, 300]);
    let log_bytes_min = log_bytes_min(line_bytes);
    let log_bytes = log_bytes_min * draw.pick(&[64, 1, 2, 5]) + draw.below(50) as usize;
    let members_max = draw.pick(&[200, 200, 200, 30, 6]);
    let timeout = |draw: &mut Draw| Duration::from_millis(draw.pick(&[30_000, 60_000, 60_000, 1000]));
    let mut rate = |most: u64| {
        let limited = draw.chance(60);
        let (rate, burst) = (1 + draw.below(most), draw.below(20));
        if limited { Rate::new(rate, burst) } else { None }
    };
    let (flood, ration, line_rate, announce_rate) = (rate(30), rate(20_000), rate(30), rate(20));
    Config {
        doors: Doors::only(Door::Text),
        proxies: Proxies::default(),
        web_origins: Origins::SameHost,
        members_max,
        line_bytes,
        framing: Framing::Line,
        commands: true,
        history: draw.pick(&[0, 0, 1, 5]),
        history_max: draw.pick(&[500, 500, 4]),
        rooms_max: draw.pick(&[1000, 1000, 3, 2]),
        resume_for: draw.pick(&[FOR_EVER, Duration::from_secs(60), Duration::from_secs(1)]),
        hide_addresses: draw.chance(64),
        flood,
        addresses: AddressLimits { line_rate, ..AddressLimits::NONE },
        buffer_bytes: draw.pick(&[BUFFER_BYTES_DEFAULT, BUFFER_BYTES_DEFAULT, 20_000, 3000]),
        stall_timeout: timeout(draw),
        line_timeout: timeout(draw),
        dead_after: DEAD_AFTER_DEFAULT,
        stats_interval: None,
        room: RoomSettings {
            members_max,
            log_bytes,
            logs_bytes: log_bytes * draw.pick(&[1000, 1000, 1, 2]),
            line_bytes,
            announce_max: draw.pick(&[200, 200, 5, 0]),
            announce_rate,
            slow: if draw.chance(40) { SlowPolicy::Close } else { SlowPolicy::Skip },
            rate: ration,
        },
    }
}

/// Plays a run. Panics when anything is not as it must be. `shared` is set to its kernel as soon as there is one.
pub fn play(mut draw: Draw, readable: bool, shared: &mut Option<Rc<RefCell<Kernel>>>) -> Outcome {
    let config = config(&mut draw);
    let habits = Habits::draw(&mut draw, config.line_bytes);
    let mut faults = Faults::draw(&mut draw);
    let faulty_turns = draw.pick(&[300, 100, FAULTY_TURNS_MAX]);
    let cut_short = draw.chance(24);
    let (several_tables, slots_max) = (draw.chance(128), draw.between(1, 8));
    let move_fails = draw.pick(&[0, 0, 8]);
    let mut kernel = Kernel::new(draw, readable);
    if several_tables {
        faults.move_fails = move_fails;
        kernel.tables = Tables::new(slots_max, usize::MAX, kernel.draw.apart());
    }
    let typists = Typists::new(&mut kernel, habits);
    let mut played = Played { simulation: Simulation::new(kernel, config), rooms: Rooms::default() };
    *shared = Some(Rc::clone(&played.simulation.kernel));
    let typists = Rc::new(RefCell::new(typists));
    let kernel = Rc::clone(&played.simulation.kernel);
    kernel.borrow_mut().script = Some(Rc::<RefCell<Typists>>::clone(&typists));
    let act = |faults: Faults, act: &dyn Fn(&mut Typists, &mut Kernel)| {
        let mut kernel = kernel.borrow_mut();
        kernel.faults = faults;
        act(&mut typists.borrow_mut(), &mut kernel);
        kernel.poke_all();
        kernel.idle = false;
    };
    played.settle();
    act(faults, &Typists::begin);
    for _ in 0..faulty_turns {
        played.turn();
        let kernel = kernel.borrow();
        if kernel.idle || kernel.draw.is_exhausted() {
            break;
        }
    }
    let mut here = Vec::new();
    if !cut_short {
        act(Faults::default(), &Typists::settle);
        played.settle();
        here = kernel.borrow().pairs().iter().map(|pair| pair.id.is_some() && !pair.shut && !pair.closed).collect();
    }
    kernel.borrow_mut().signal_after(0, Signal::Terminate);
    while played.turn() == Flow::On {}
    played.compare(&config, &here, readable)
}

#[derive(Debug)]
struct Played {
    simulation: Simulation,
    rooms: Rooms,
}

impl Played {
    fn turn(&mut self) -> Flow {
        let flow = self.simulation.turn();
        let turn = self.simulation.kernel.borrow().turn;
        self.rooms.read(&self.simulation.server, turn);
        flow
    }

    /// Turns until nothing will happen any more.
    fn settle(&mut self) {
        self.simulation.kernel.borrow_mut().idle = false;
        for turn in 0.. {
            if self.simulation.kernel.borrow().idle {
                return;
            }
            assert_eq!(self.turn(), Flow::On, "it was not told to stop");
            assert!(turn < 200_000, "it does not settle");
        }
    }

    fn compare(self, config: &Config, here: &[bool], readable: bool) -> Outcome {
        let Self { simulation, mut rooms } = self;
        rooms.end();
        let Simulation { server, kernel, names, ids, .. } = simulation;
        let statistics = server.statistics();
        kernel.borrow_mut().strict = false;
        drop(server);
        let kernel = kernel.borrow();
        assert_eq!(kernel.open_sockets(), 0, "every socket is closed");
        let options = Options { history: config.history, history_max: config.history_max, settled: !here.is_empty() };
        let mut outcome = Outcome {
            hash: kernel.trace.hash(),
            events: kernel.trace.events(),
            messages: statistics.messages,
            ..Outcome::default()
        };
        let mut known = HashMap::new();
        for (peer, pair) in kernel.pairs().iter().enumerate() {
            let number = u32::try_from(peer).expect("there are few peers");
            let stream = &model::record(pair).sent;
            let (Some(id), Some(name)) = (ids.get(&number), names.get(&number)) else {
                // One that came and went in the same turn was never seen between two.
                let was_let_in = stream.starts_with(b"> Connected ");
                assert!(was_let_in || stream.is_empty() || model::is_refusal(stream), "{peer} was not let in");
                continue;
            };
            let record = model::record(pair);
            let (items, too_long) = asked::items(&record.heard, &record.chunk_ends, config.line_bytes);
            let read = reader::read(&rooms, pair, (*id, name.to_string()), items, options).unwrap_or_else(|wrong| {
                let [typed, sent] = [&record.heard, &record.sent].map(|bytes| String::from_utf8_lossy(bytes));
                let both = if readable { format!("\nit typed:\n{typed}\nit was sent:\n{sent}") } else { String::new() };
                panic!("{peer}: {wrong}{both}")
            });
            assert!(read.too_long <= too_long, "{peer} was told of more lines that are too long than there were");
            outcome.lines += read.lines;
            outcome.json_lines += read.json_lines;
            outcome.past_lines += read.past_lines;
            outcome.missed += read.missed;
            outcome.renamed += u64::from(read.chosen);
            outcome.private += read.private.len() as u64;
            outcome.resumed += read.resumed.iter().filter(|resumed| resumed.welcome.is_some()).count() as u64;
            outcome.refused += read.resumed.iter().filter(|resumed| resumed.welcome.is_none()).count() as u64;
            outcome.anew += read.resumed.iter().filter(|resumed| resumed.anew).count() as u64;
            outcome.replaced += u64::from(read.replaced);
            let here = here.get(peer).copied().unwrap_or(false);
            known.insert(peer, Known { id: *id, here, outcome: read });
        }
        together::compare(&rooms, &known, config.resume_for == FOR_EVER).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(statistics.counters[Counter::Stale], kernel.counts.stale, "stale completions were counted");
        outcome.rooms = rooms.epochs.len() as u64;
        outcome.torn = rooms.epochs.iter().filter(|epoch| epoch.torn).count() as u64;
        outcome
    }
}
