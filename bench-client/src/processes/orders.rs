//! What the process of a run and those that have its members tell each other: a line of JSON each, answered by one. The bytes of
//! the arrivals alone are none, and stand between two lines.

use serde::{Deserialize, Serialize};

use crate::engine::carry_out::Start;
use crate::engine::nuisances::NuisancesOutcome;
use crate::engine::outcome::{Counted, Expected};
use crate::engine::settings::Settings;
use crate::engine::share::Share;
use crate::engine::stepwise::Connections;
use crate::plan::Pace;
use crate::recorder::join::{RoomSent, SharePart, Stopped};
use crate::recorder::latency::Cells;

/// What a process is told first.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    pub settings: Settings,
    pub pace: Pace,
    pub share: Share,
}

/// A step. Members go on reading until the next.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    ConnectNuisances,
    /// Answered by [`Report::Joining`] now and then, and by [`Report::Joined`].
    Connect,
    Connections,
    Authors,
    /// Carry out the plan. Answered by [`Report::Complete`] once all that is to come has come.
    Start(Start),
    /// The plan is over. From here on nothing is read.
    Stop,
    Leave,
    /// Answered by the bytes of [`crate::recorder::arrivals`].
    Arrivals,
    Prove {
        sent: RoomSent,
        expected: Expected,
    },
}

/// The answer to an order.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// The task is understood, or the order carried out.
    Ready,
    /// Members of the share that have joined.
    Joining(usize),
    Joined {
        began_ns: u64,
        ended_ns: u64,
        tenths_ns: Vec<(u32, u64)>,
        latency: Cells,
    },
    Connections(Connections),
    Authors(Vec<(u32, Vec<u8>)>),
    Complete,
    Stopped(Box<Ended>),
    Left(Option<NuisancesOutcome>),
    Proven {
        part: Box<SharePart>,
        counted: Counted,
    },
    /// It cannot go on, and ends.
    Failed {
        text: String,
        is_invalid: bool,
    },
}

/// What a process measured until the plan was over.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ended {
    pub stopped: Stopped,
    pub connections: Connections,
    pub window_deliveries: u64,
    pub measured_deliveries: u64,
    pub round: Cells,
    pub warnings: Vec<String>,
}
