//! Members that all lose their connections at once, while somebody talks, and come back: each has read every message once.
//!
//! A connection that breaks loses what its peer has not read. So a member resumes from the last message that it has read,
//! and not from the last that was sent to it. Faults are all those of other runs but the breaking of connections, because
//! a peer that breaks before it has read its new token has nothing to come back by.

use super::peers::address;
use super::simulation::Simulation;
use crate::cli::Serve;
use crate::io::sim::draw::Draw;
use crate::io::sim::faults::Faults;
use crate::io::sim::kernel::Kernel;
use crate::io::sim::kernel::tables::Tables;

/// Lines of a round, and after how many of them the members lose their connections.
const LINES: usize = 60;
const LINES_BEFORE: usize = 25;

/// Most turns of a round.
const TURNS_MAX: usize = 200_000;

/// The author is the first connection.
const AUTHOR: u32 = 0;

/// A member, over all of its connections.
#[derive(Debug)]
struct Member {
    /// Its connection.
    peer: u32,
    /// Bytes of what that was sent that have been looked at.
    looked_at: usize,
    token: String,
    /// Welcomes that are to come before what it reads: to the lobby as JSON, and back.
    welcomes: u8,
    /// The number of the last message that it has read, and of the first that it is to read.
    read: u64,
}

/// Plays rounds with `members` members and the faults of a seed. Panics when one has lost a message, or has read one twice.
pub fn play(seed: u64, members: u32, rounds: usize) {
    let options = ["--flood-rate", "0", "--join-rate", "0", "--announce-max", "0"];
    let serve = Serve::with(&options).expect("the options are known");
    let mut draw = Draw::seeded(seed);
    let drawn = Faults::draw(&mut draw);
    let faults = Faults { send_breaks: 0, receive_breaks: 0, accept_gone: 0, unwatchable: 0, descriptors: 0, ..drawn };
    // A late completion is as good a fault when it comes before all lines were said.
    let faults = Faults { latency: faults.latency.min(1_000_000_000), clock_jump: 0, ..faults };
    let mut kernel = Kernel::new(draw, false);
    kernel.tables = Tables::new(100, usize::MAX, Draw::seeded(seed));
    let mut simulation = Simulation::new(kernel, serve.config(2 * members as usize + 10));
    simulation.invariants_every = 500;
    let author = simulation.kernel.borrow_mut().connect(address(AUTHOR, false), usize::MAX, true);
    simulation.kernel.borrow_mut().pair_mut(author).calm = true;
    let mut all: Vec<Member> = Vec::new();
    let mut connections = 1;
    for _ in 0..members {
        let peer = connect(&simulation, &mut connections, "/format json\n/token\n");
        all.push(Member { peer, looked_at: 0, token: String::new(), welcomes: 1, read: 0 });
    }
    simulation.settle();
    for _ in 0..rounds {
        simulation.kernel.borrow_mut().faults = faults;
        let first = all.iter().map(|member| member.read).max().expect("there are members");
        for line in 0..LINES {
            if line == LINES_BEFORE {
                for member in &mut all {
                    member.look(&simulation, false);
                    assert!(!member.token.is_empty(), "it has been given a token");
                    simulation.kernel.borrow_mut().peer_resets(member.peer);
                    let back = format!("/format json\n/resume {} {}\n/token\n", member.token, member.read);
                    member.peer = connect(&simulation, &mut connections, &back);
                    (member.looked_at, member.token, member.welcomes) = (0, String::new(), 2);
                }
            }
            let text = format!("line {}\n", first + line as u64 + 1);
            simulation.kernel.borrow_mut().peer_writes(author, text.as_bytes());
            simulation.turn();
        }
        simulation.kernel.borrow_mut().faults = Faults::default();
        simulation.kernel.borrow_mut().poke_all();
        simulation.settle();
        assert!(simulation.said.len() < TURNS_MAX, "it takes too long");
        for member in &mut all {
            member.look(&simulation, true);
            assert_eq!(member.read, first + LINES as u64, "it has read everything");
        }
    }
}

fn connect(simulation: &Simulation, connections: &mut u32, typed: &str) -> u32 {
    let mut kernel = simulation.kernel.borrow_mut();
    let peer = kernel.connect(address(*connections, false), 4096, true);
    *connections += 1;
    kernel.peer_writes(peer, typed.as_bytes());
    peer
}

impl Member {
    /// Looks at the lines that have come since the last look, as far as they were read; all of them in the end.
    fn look(&mut self, simulation: &Simulation, in_the_end: bool) {
        let kernel = simulation.kernel.borrow();
        let pair = &kernel.pairs()[self.peer as usize];
        let sent = &pair.record.as_deref().expect("it is recorded").sent;
        let read = if in_the_end { sent.len() } else { sent.len() - pair.unread };
        let text = String::from_utf8_lossy(&sent[self.looked_at..read]).into_owned();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.looked_at += whole;
        for line in text[..whole].lines() {
            assert!(!line.contains(r#""missed""#) && !line.contains(r#""error""#), "it was told {line}");
            if let Some((_, token)) = line.split_once(r#""token":""#) {
                self.token = token.split('"').next().expect("a token ends").to_owned();
            } else if line.contains(r#""kind":"welcome""#) {
                self.welcomes -= 1;
            } else if line.contains(r#""kind":"message""#) && self.welcomes == 0 {
                let number = line.strip_prefix(r#"{"n":"#).and_then(|rest| rest.split(',').next()?.parse::<u64>().ok());
                assert_eq!(number, Some(self.read + 1), "each message comes once: {line}");
                self.read += 1;
                assert!(line.ends_with(&format!(r#""text":"line {}"}}"#, self.read)), "{line}");
            }
        }
    }
}
