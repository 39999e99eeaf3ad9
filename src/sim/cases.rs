//! The cases of `uproar-conform` on the simulated kernel. The real server plays the same cases over real sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use uproar_conform::cases::{self, Case, Cut, Step};
use uproar_conform::{Transport, play_alone};

use super::peers::address;
use super::simulation::Simulation;
use crate::cli::Serve;
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::Kernel;
use crate::moderation::{Kept, OperatorKey};

/// Virtual time within which an expected line has to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// Most pieces of one step's bytes: each piece takes several turns.
const PIECES_MAX: usize = 1000;

#[test]
fn cases_are_the_same_on_the_simulated_kernel() {
    let cases = cases::all();
    let plays = cases.iter().flat_map(|case| cuts(case).map(move |cut| (case, cut)));
    let failures: Vec<String> =
        plays.filter_map(|(case, cut)| Some(format!("{}, in {cut}: {}", case.name, play(case, cut).err()?))).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The cuts to play a case in: more than over sockets, because virtual time costs nothing.
fn cuts(case: &Case) -> impl Iterator<Item = Cut> {
    let pieces = |cut: &Cut| {
        let sent = case.steps.iter().map(|step| if let Step::Sends(_, bytes) = step { bytes.as_slice() } else { b"" });
        sent.map(|bytes| cut.chunks(bytes).len()).max().unwrap_or(0)
    };
    let cuts = if case.is_for_chunks() { case.cuts() } else { Cut::ALL };
    cuts.iter().copied().filter(move |cut| pieces(cut) <= PIECES_MAX)
}

fn play(case: &Case, cut: Cut) -> Result<(), String> {
    let serve = Serve::with(case.options).expect("the options are known");
    let mut simulation = Simulation::new(Kernel::new(Draw::seeded(1), false), serve.config(100));
    if serve.operator_key.is_some() {
        let key = OperatorKey::of(cases::KEY.as_bytes(), serve.line_bytes()).expect("it is a key");
        simulation.server.keep_order_with(Kept { operator_key: Some(key), ..Kept::default() }, None);
    }
    play_alone(case, cut, SimulatedServer { simulation, connections: 0 })
}

/// A server whose kernel is simulated. After each thing that a client does, it turns until nothing moves.
struct SimulatedServer {
    simulation: Simulation,
    connections: u32,
}

impl Transport for SimulatedServer {
    type Connection = u32;

    fn connect(&mut self) -> Result<u32, String> {
        let peer = self.simulation.kernel.borrow_mut().connect(address(self.connections, false), 1 << 16, true);
        self.connections += 1;
        self.simulation.rest();
        Ok(peer)
    }

    fn address(&self, peer: &u32) -> SocketAddr {
        self.simulation.kernel.borrow().pairs()[*peer as usize].address
    }

    fn send(&mut self, peer: &mut u32, bytes: &[u8]) -> Result<(), String> {
        self.simulation.kernel.borrow_mut().peer_writes(*peer, bytes);
        self.simulation.rest();
        Ok(())
    }

    fn deadline(&self) -> Instant {
        self.simulation.kernel.borrow().now() + PATIENCE
    }

    fn line(&mut self, peer: &mut u32, deadline: Instant) -> Result<Option<String>, String> {
        self.simulation.kernel.borrow_mut().idle = false;
        loop {
            let mut kernel = self.simulation.kernel.borrow_mut();
            let pair = kernel.pair_mut(*peer);
            if let Some(line) = pair.look_at_line() {
                return String::from_utf8(line).map(Some).map_err(|error| format!("not UTF-8: {error}"));
            }
            if pair.shut || pair.closed {
                let rest = pair.look();
                return if rest.is_empty() {
                    Ok(None)
                } else {
                    Err(format!("it ends in the middle of a line: {rest:?}"))
                };
            }
            if kernel.now() >= deadline || kernel.idle {
                return Err(format!("connection {peer} waited in vain"));
            }
            drop(kernel);
            self.simulation.turn();
        }
    }

    fn surplus(&mut self, peer: &mut u32) -> Option<String> {
        let rest = self.simulation.kernel.borrow_mut().pair_mut(*peer).look();
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }

    fn half_close(&mut self, peer: &mut u32) -> Result<(), String> {
        self.simulation.kernel.borrow_mut().peer_finishes(*peer);
        self.simulation.rest();
        Ok(())
    }

    fn reset(&mut self, peer: u32) -> Result<(), String> {
        self.simulation.kernel.borrow_mut().peer_resets(peer);
        self.simulation.rest();
        Ok(())
    }
}
