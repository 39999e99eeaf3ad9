//! The engine of one process among several that have a room together: each step when the process that conducts them says so.
//!
//! Between steps its members go on reading.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::engine::carry_out::{Conductor, Measured, Start};
use crate::engine::members::{Engine, ORDERS};
use crate::engine::nuisances::NuisancesOutcome;
use crate::engine::outcome::{Counted, Expected};
use crate::engine::settings::Settings;
use crate::engine::shape::Shape;
use crate::engine::share::Share;
use crate::error::{Context, Result};
use crate::plan::Plan;
use crate::recorder::Recorder;
use crate::recorder::latency::Cells;
use crate::sys::Interest;

/// How long a process waits for orders at a time.
const WAIT: Duration = Duration::from_secs(3600);

/// The members of one share of a room.
pub struct Stepwise<'a>(Engine<'a>);

/// What one process says of its members' connections.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Connections {
    /// When bytes last came.
    pub heard_ns: u64,
    /// Members whose connection has ended, and why the first of them was closed.
    pub disconnected: u64,
    pub first_close_reason: Option<String>,
}

/// The plan goes on until the parent process ends it.
struct Conducted<F: FnMut() -> Result<()>>(F);

impl<F: FnMut() -> Result<()>> Conductor for Conducted<F> {
    fn before_window(&mut self) {}

    fn on_complete(&mut self) -> Result<bool> {
        (self.0)()?;
        Ok(false)
    }

    fn is_over(&self, _is_past_deadline: bool, has_orders: bool) -> bool {
        has_orders
    }
}

impl<'a> Stepwise<'a> {
    /// The members of `share`, none connected. Orders come from `orders`.
    pub fn new(settings: &'a Settings, plan: &'a Plan, share: &'a Share, orders: BorrowedFd<'_>) -> Result<Self> {
        let engine = Engine::new(settings, plan, share)?;
        engine.epoll.add(orders, ORDERS, Interest::Read).context(|| "cannot watch for orders".to_string())?;
        Ok(Self(engine))
    }

    /// Reads until there are orders; `has_orders` already, if they came together with others.
    pub fn read_until_orders(&mut self, has_orders: bool) -> Result<()> {
        self.0.has_orders = has_orders;
        while !self.0.has_orders {
            self.0.read_round(WAIT)?;
        }
        Ok(())
    }

    pub fn connect_nuisances(&mut self) -> Result<()> {
        self.0.nuisances.connect()
    }

    /// Connects all members, and tells `show` now and then how many have joined. Returns when that began and ended.
    pub fn connect(&mut self, show: impl FnMut(usize) -> Result<()>) -> Result<(u64, u64)> {
        self.0.connect_all(show)
    }

    /// Which tenths of the room were full when, of those that these members made full.
    pub fn tenths_ns(&self) -> &[(u32, u64)] {
        &self.0.tenths_ns
    }

    /// From the start of a member's connect to its welcome.
    pub fn connect_latency(&self) -> Cells {
        (&self.0.connect_latency).into()
    }

    pub fn connections(&self) -> Connections {
        Connections {
            heard_ns: self.0.heard_ns,
            disconnected: self.0.disconnected,
            first_close_reason: self.0.first_close_reason.clone(),
        }
    }

    /// What the room calls each publisher of this share.
    pub fn authors(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        self.0.authors()
    }

    /// Carries out the plan until there are orders; `on_complete` is called once these members have everything.
    pub fn carry_out(
        &mut self,
        start: &Start,
        has_orders: bool,
        on_complete: impl FnMut() -> Result<()>,
    ) -> Result<Measured> {
        self.0.has_orders = has_orders;
        self.0.carry_out(start, &mut Conducted(on_complete))
    }

    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    pub fn read_for(&mut self, time: Duration) -> Result<()> {
        self.0.read_for(time)
    }

    pub fn leave(&mut self) {
        self.0.leave();
    }

    pub fn recorder(&mut self) -> &mut Recorder<'a> {
        &mut self.0.recorder
    }

    /// What members that only count bytes have too much or too little of what was `expected`.
    pub fn count_up(&self, start: &Start, expected: &Expected) -> Counted {
        self.0.count_up(self.0.wire_line_bytes(start) as u64, expected)
    }

    /// The end of the nuisances of this process, if it has any; called once.
    pub fn finish_nuisances(&mut self) -> Option<NuisancesOutcome> {
        (self.0.settings.nuisances != Shape::default()).then(|| self.0.finish_nuisances())
    }
}
