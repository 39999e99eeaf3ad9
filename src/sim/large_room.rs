//! A room with very many members that listen and a few that speak: every member hears every message in the same order,
//! and memory stays within its bound. Then all begin a line, and all leave at once: their memory goes back.

use std::mem;
use std::time::Duration;

use super::peers::address;
use super::simulation::Simulation;
use crate::config::{Config, Proxies, RoomSettings, SlowPolicy, dead_after};
use crate::door::{Door, Doors};
use crate::flood::AddressLimits;
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::Kernel;
use crate::io::sim::kernel::tables::Tables;
use crate::io::sim::pair::mix;
use crate::limits::{
    ANNOUNCE_MAX_DEFAULT, BUFFER_BYTES_DEFAULT, LINE_BYTES_DEFAULT, LOG_BYTES_DEFAULT, LOGS_BYTES_DEFAULT,
};
use crate::limits::{
    DEAD_AFTER_DEFAULT, HISTORY_MAX_DEFAULT, LINE_TIMEOUT_DEFAULT, RESUME_FOR_DEFAULT, ROOMS_MAX_DEFAULT,
    STALL_TIMEOUT_DEFAULT,
};
use crate::limits::{PIECE_ENTRIES, SLOTS_CHUNK, SPARE_BUFFERS_MAX};
use crate::memory::MemoryBound;
use crate::wire::Framing;
use crate::wire::http::Origins;

/// Members that come at once.
const ARRIVALS: u32 = 1000;

/// Turns between two looks at every structure.
const INVARIANTS_EVERY: usize = 20_000;

/// Most memory that is left after a crowd: a piece of each slab, which is kept for the next, a piece of each queue, and
/// the buffers kept for lines.
const LEFT_BYTES_MAX: usize = SLOTS_CHUNK * 200 + 10 * PIECE_ENTRIES * 24 + SPARE_BUFFERS_MAX * LINE_BYTES_DEFAULT;

/// How long a service manager waits for a sign that the loop turns: so short that many are due while one line is sent to
/// all.
const PATIENCE: Duration = Duration::from_millis(4);

/// The cost of a large room.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub members: u64,
    pub messages: u64,
    pub deliveries: u64,
    pub turns: usize,
    /// Bytes of memory in use, as counted from the structures.
    pub footprint: usize,
    /// The part that grows with the members, for each of them.
    pub footprint_per_member: usize,
    pub bound: MemoryBound,
    /// Bytes of memory in use once all have left, the log left out.
    pub footprint_left: usize,
    /// Signs that the service manager was given, none of them late.
    pub beats: u64,
    /// The longest turn while members came, while messages were said, and while all left, by the real clock and without
    /// the wait.
    pub turn_max: [Duration; 3],
}

fn config(members_max: usize) -> Config {
    Config {
        doors: Doors::only(Door::Text),
        proxies: Proxies::default(),
        web_origins: Origins::SameHost,
        members_max,
        line_bytes: LINE_BYTES_DEFAULT,
        commands: false,
        history: 0,
        history_max: HISTORY_MAX_DEFAULT,
        rooms_max: ROOMS_MAX_DEFAULT,
        resume_for: RESUME_FOR_DEFAULT,
        hide_addresses: false,
        framing: Framing::Line,
        flood: None,
        addresses: AddressLimits::NONE,
        buffer_bytes: BUFFER_BYTES_DEFAULT,
        stall_timeout: STALL_TIMEOUT_DEFAULT,
        line_timeout: LINE_TIMEOUT_DEFAULT,
        dead_after: dead_after(DEAD_AFTER_DEFAULT, members_max),
        stats_interval: None,
        room: RoomSettings {
            members_max,
            log_bytes: LOG_BYTES_DEFAULT,
            logs_bytes: LOGS_BYTES_DEFAULT,
            line_bytes: LINE_BYTES_DEFAULT,
            announce_max: ANNOUNCE_MAX_DEFAULT,
            announce_rate: None,
            slow: SlowPolicy::Skip,
            rate: None,
        },
    }
}

/// `members` join, in so many tables, then `messages` are said, each by another member, and then all leave. Panics when
/// a member has not heard exactly the messages of the others, or memory does not go back.
pub fn play(members: u32, messages: u32, tables: u16) -> Figures {
    let config = config(members as usize);
    let mut kernel = Kernel::new(Draw::seeded(1), false);
    let slots = members.div_ceil(u32::from(tables));
    kernel.tables = Tables::new(slots as usize, tables.into(), Draw::seeded(1));
    let mut simulation = Simulation::new(kernel, config);
    simulation.invariants_every = INVARIANTS_EVERY;
    let empty = simulation.server.footprint() - simulation.server.log_footprint();
    for first in (0..members).step_by(ARRIVALS as usize) {
        for number in first..members.min(first + ARRIVALS) {
            let peer = simulation.kernel.borrow_mut().connect(address(number, false), usize::MAX, false);
            // When each peer reads does not matter here, so reading is not simulated.
            simulation.kernel.borrow_mut().pair_mut(peer).calm = true;
            simulation.kernel.borrow_mut().peer_listens(peer, false);
        }
        simulation.rest();
    }
    simulation.settle();
    let joining = mem::take(&mut simulation.turn_max);
    let before = simulation.server.statistics();
    assert_eq!(before.members, u64::from(members), "everybody is here");
    for peer in 0..members {
        simulation.kernel.borrow_mut().pair_mut(peer).forget();
    }
    let watcher = simulation.watch(PATIENCE).clone();
    let mut said: Vec<(u32, Vec<u8>)> = Vec::new();
    for number in 0..messages {
        let author = (u64::from(number) * u64::from(members - 1) / u64::from(messages.max(2) - 1)) as u32;
        let text = format!("message {number} of {messages}\n");
        simulation.kernel.borrow_mut().peer_writes(author, text.as_bytes());
        simulation.rest();
        said.push((author, format!("[{}] {text}", address(author, false)).into_bytes()));
    }
    simulation.unwatch();
    simulation.settle();
    let speaking = mem::take(&mut simulation.turn_max);
    simulation.server.invariants();
    let heard_by = |peer: u32| {
        let lines = said.iter().filter(|(author, _)| *author != peer);
        lines.flat_map(|(_, line)| line).fold(0, |hash, byte| mix(hash, *byte))
    };
    let everything = heard_by(u32::MAX);
    let kernel = simulation.kernel.borrow();
    for (peer, pair) in (0..members).zip(kernel.pairs()) {
        let spoke = said.iter().any(|(author, _)| *author == peer);
        let expected = if spoke { heard_by(peer) } else { everything };
        assert_eq!(pair.sent_hash, expected, "{peer} heard what the others said, in their order");
    }
    let statistics = simulation.server.statistics();
    let deliveries = statistics.deliveries - before.deliveries;
    assert_eq!(deliveries, u64::from(messages) * u64::from(members - 1), "everybody but the author hears a message");
    let footprint = simulation.server.footprint();
    let bound = MemoryBound::of(&config);
    let log = simulation.server.log_footprint();
    let footprint_per_member = (footprint - log - empty) / members as usize;
    assert!(footprint <= bound.total(), "{footprint} bytes are more than {bound}");
    assert!(footprint_per_member <= bound.member_idle, "{footprint_per_member} bytes a member, reckoned {bound}");
    assert!(log <= bound.logs, "{log} bytes of log, reckoned {bound}");
    let turns = kernel.turn;
    drop(kernel);
    let footprint_left = leave(&mut simulation, members);
    assert!(footprint_left <= empty + LEFT_BYTES_MAX, "{footprint_left} bytes are left, {empty} before");
    Figures {
        members: statistics.members,
        messages: statistics.messages - before.messages,
        deliveries,
        turns,
        footprint,
        footprint_per_member,
        bound,
        footprint_left,
        beats: watcher.told().beats,
        turn_max: [joining, speaking, simulation.turn_max],
    }
}

/// All members begin a line, so that each has an entry in a queue, and then all go at once. Returns the memory in use
/// afterwards, the log left out.
fn leave(simulation: &mut Simulation, members: u32) -> usize {
    for peer in 0..members {
        simulation.kernel.borrow_mut().peer_writes(peer, b"a line");
    }
    simulation.rest();
    for peer in 0..members {
        simulation.kernel.borrow_mut().peer_goes(peer);
    }
    simulation.rest();
    // Entries of the queues that were not dropped yet.
    for _ in 0..members as usize / PIECE_ENTRIES + 1 {
        simulation.turn();
    }
    simulation.server.invariants();
    assert_eq!(simulation.server.statistics().members, 0, "all have left");
    simulation.server.footprint() - simulation.server.log_footprint()
}
