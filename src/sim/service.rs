//! A service manager in memory, which asserts after each turn that it was told what it must know: that the loop turns in
//! time, that the server accepts, reads its files anew, and stops.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::io::Io;
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::Kernel;
use crate::limits::{SERVICE_RETRY, SERVICE_STATUS_PAUSE};
use crate::outlet::Outlet;
use crate::server::Server;
use crate::service::{Manager, Service, Untaken};

/// How a message is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    Taken,
    Full,
    /// Nothing is taken any more.
    Gone,
}

/// What was told, and how it was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Signs that the loop turns.
    pub beats: u64,
    pub statuses: u64,
    pub reloads: u64,
    pub stops: u64,
    /// Messages that were not taken.
    pub refused: u64,
}

/// A service manager, which the test and the server share.
#[derive(Clone, Debug)]
pub struct Watcher {
    kernel: Rc<RefCell<Kernel>>,
    patience: Duration,
    state: Rc<RefCell<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// How the next messages are taken, in turn; all of them when it is empty.
    takes: Vec<Take>,
    told: Told,
    messages: usize,
    is_gone: bool,
    is_ready: bool,
    /// True from when it is told of the start until that was looked at.
    is_news: bool,
    is_reloading: bool,
    last_beat: Option<Duration>,
    last_status: Option<Duration>,
    last_refused: Option<Duration>,
}

impl Watcher {
    /// A manager that waits for a sign for `patience`.
    pub fn new(kernel: &Rc<RefCell<Kernel>>, patience: Duration) -> Self {
        Self { kernel: Rc::clone(kernel), patience, state: Rc::default() }
    }

    /// What the server has of it.
    pub fn service(&self) -> Service {
        let now = self.kernel.borrow().now();
        Service::new(Box::new(self.clone()), Some(self.patience), now)
    }

    pub fn set_takes(&self, takes: Vec<Take>) {
        self.state.borrow_mut().takes = takes;
    }

    /// How the messages of a run are taken. In half of the runs all of them are.
    pub fn takes(draw: &mut Draw) -> Vec<Take> {
        if draw.chance(128) {
            return Vec::new();
        }
        let mut takes: Vec<Take> = (0..draw.between(1, 6)).map(|_| draw.pick(&[Take::Taken, Take::Full])).collect();
        if draw.chance(24) {
            takes.push(Take::Gone);
        }
        takes
    }

    pub fn told(&self) -> Told {
        self.state.borrow().told
    }

    pub fn is_gone(&self) -> bool {
        self.state.borrow().is_gone
    }

    /// Panics unless the manager knows after a turn what it must.
    pub fn check<I: Io, W: Outlet>(&self, server: &Server<I, W>) {
        let kernel = self.kernel.borrow();
        let mut state = self.state.borrow_mut();
        if state.is_gone {
            return;
        }
        if std::mem::take(&mut state.is_news) {
            assert!(server.is_accepting() && kernel.accepts(), "it is ready once every door accepts");
        }
        let age = |at: Option<Duration>| at.map(|at| kernel.time() - at);
        let half = self.patience / 2;
        let waits_to_retry = age(state.last_refused).is_some_and(|age| age < SERVICE_RETRY.min(half / 4));
        let is_fresh = age(state.last_beat).is_some_and(|age| age < half);
        assert!(is_fresh || waits_to_retry, "a turn tells that the loop turns, once that is due");
        if !waits_to_retry {
            assert!(server.is_stopping() == (state.told.stops == 1), "it is told once that the server stops");
            assert!(state.is_ready || server.is_stopping() || !server.is_accepting(), "it is told that it accepts");
            assert!(!state.is_reloading, "it is told that the reload is over");
        }
    }
}

impl Manager for Watcher {
    fn take(&mut self, message: &str) -> Result<(), Untaken> {
        let now = self.kernel.borrow().time();
        let mut state = self.state.borrow_mut();
        assert!(!state.is_gone, "one that is gone is told nothing");
        state.messages += 1;
        let take = match state.takes.len() {
            0 => Take::Taken,
            count => state.takes[state.messages % count],
        };
        if take != Take::Taken {
            state.told.refused += 1;
            state.last_refused = Some(now);
            state.is_gone = take == Take::Gone;
            return Err(if take == Take::Full {
                Untaken::Full
            } else {
                Untaken::Gone(io::ErrorKind::ConnectionRefused.into())
            });
        }
        match message.trim_end() {
            "READY=1" if state.is_ready => {
                assert!(state.is_reloading, "it is ready again after a reload alone");
                state.is_reloading = false;
            }
            "READY=1" => (state.is_ready, state.is_news) = (true, true),
            "STOPPING=1" => state.told.stops += 1,
            "WATCHDOG=1" => {
                state.told.beats += 1;
                state.last_beat = Some(now);
            }
            message if message.starts_with("RELOADING=1\nMONOTONIC_USEC=") => {
                assert!(state.is_ready && state.told.stops == 0, "it reloads while it runs");
                state.told.reloads += 1;
                state.is_reloading = true;
            }
            message if message.starts_with("STATUS=") => {
                let age = state.last_status.map(|last| now - last);
                assert!(age.is_none_or(|age| age >= SERVICE_STATUS_PAUSE), "a status is told once a second at most");
                state.told.statuses += 1;
                state.last_status = Some(now);
            }
            other => panic!("it is told {other:?}"),
        }
        Ok(())
    }

    fn clock(&self) -> i128 {
        self.kernel.borrow().time().as_micros().cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Serve;
    use crate::io::Signal;
    use crate::server::Flow;
    use crate::sim::simulation::Simulation;
    use crate::token::ListenerId;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn watched() -> Simulation {
        let config = Serve::with(&[]).unwrap().config(10);
        let mut simulation = Simulation::new(Kernel::new(Draw::seeded(1), false), config);
        simulation.watch(PATIENCE);
        simulation
    }

    #[test]
    fn a_server_that_nobody_talks_to_wakes_to_tell_that_its_loop_turns() {
        let mut simulation = watched();
        let start = simulation.kernel.borrow().time();
        for _ in 0..100 {
            assert_eq!(simulation.turn(), Flow::On);
        }
        let told = simulation.watcher.as_ref().unwrap().told();
        assert!(told.beats > 90, "{told:?}");
        let time = simulation.kernel.borrow().time() - start;
        let beat = time / u32::try_from(told.beats).unwrap();
        assert!(beat >= PATIENCE * 45 / 100 && beat <= PATIENCE / 2, "it wakes for nothing else: {beat:?}");
    }

    #[test]
    fn it_is_not_ready_while_a_door_does_not_accept() {
        let mut simulation = watched();
        simulation.kernel.borrow_mut().break_listener(ListenerId::FIRST);
        simulation.turn();
        let watcher = simulation.watcher.as_ref().unwrap();
        assert!(!watcher.state.borrow().is_ready && watcher.told().beats == 1, "{watcher:?}");
    }

    #[test]
    fn the_manager_follows_a_reload_and_a_stop() {
        let mut simulation = watched();
        simulation.settle();
        simulation.kernel.borrow_mut().signal_after(0, Signal::Hangup);
        simulation.settle();
        simulation.kernel.borrow_mut().signal_after(0, Signal::Terminate);
        assert_eq!(simulation.stop(), Flow::Stop);
        let told = simulation.watcher.as_ref().unwrap().told();
        assert_eq!((told.reloads, told.stops, told.refused), (1, 1, 0));
    }

    #[test]
    fn a_server_whose_manager_is_gone_goes_on_and_wakes_for_it_no_more() {
        let mut simulation = watched();
        simulation.watcher.as_ref().unwrap().set_takes(vec![Take::Taken, Take::Gone]);
        simulation.settle();
        assert!(simulation.kernel.borrow().idle, "there is no moment to come");
        let log = String::from_utf8(simulation.log.written()).unwrap();
        assert!(log.contains("the service manager is told nothing any more: "), "{log}");
    }
}
