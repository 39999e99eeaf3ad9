//! The command line: the program and its commands. What each command takes stands with the command, in `commands/`.

use clap::{Parser, Subcommand};

use crate::commands::check::CheckArgs;
use crate::commands::cluster_cost::ClusterCostArgs;
use crate::commands::costs::CostsArgs;
use crate::commands::doctor::DoctorArgs;
use crate::commands::floor::{FloorArgs, FloorReaderArgs, FloorSenderArgs};
use crate::commands::headline::HeadlineArgs;
use crate::commands::many_rooms::ManyRoomsArgs;
use crate::commands::peers::PeersArgs;
use crate::commands::reflect::ReflectArgs;
use crate::commands::report::ReportArgs;
use crate::commands::run::RunArgs;
use crate::commands::sweep::SweepArgs;
use crate::commands::two_rooms::TwoRoomsArgs;

/// Measures how long a chat room takes to hear a line.
///
/// Messages are due at times fixed beforehand, and latency counts from there, however the server fares. Every delivery is
/// recorded and proven: nothing lost, repeated, reordered, echoed or changed.
///
/// Exit codes: 0 good, 1 usage or a failure of the machine, 2 deliveries not as they should be, 3 run invalid (plan not
/// kept, client-bound, not all members joined), 4 an expectation did not hold.
#[derive(Debug, Parser)]
#[command(name = "bench-client", version, max_term_width = 120, args_override_self = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure one room, or many at once
    ///
    /// `uproar serve` slows members that say much, by default above 10 lines a second after a burst of 50, all members of one
    /// address together above four times that. The plan of this command's defaults stays below it. To offer more, start the server
    /// with --flood-rate 0; a run whose publishers are slowed says so in its first line and is INVALID.
    Run(Box<RunArgs>),
    /// Measure rooms of growing size at the same deliveries a second, one server or several in turn
    Sweep(Box<SweepArgs>),
    /// Measure the same rooms on uproar and on message brokers, in turn, and search for what each keeps up with
    Peers(Box<PeersArgs>),
    /// Measure many small rooms on several servers, in turn: what a delivered line costs each
    ManyRooms(Box<ManyRoomsArgs>),
    /// Measure a few members in a room of their own, alone and beside a large busy room, in turn
    TwoRooms(Box<TwoRoomsArgs>),
    /// Measure one room on a server alone and as a node of a cluster, in turn: what the way through the stream costs
    ClusterCost(Box<ClusterCostArgs>),
    /// Search for the highest rate that one server keeps up with, measure it several times, and leave a folder with the figures
    Headline(Box<HeadlineArgs>),
    /// Measure what a delivery, a line and a newcomer cost each server, in turn
    Costs(Box<CostsArgs>),
    /// Draw the tables, rows and pictures of a results folder anew, from its runs
    Report(ReportArgs),
    /// Compare two sweeps in ratios
    Check(CheckArgs),
    /// Say what on this machine stands in the way of a room of N members, and the command that mends it
    Doctor(DoctorArgs),
    /// Measure what a bare loop of sends to N sockets costs on this machine
    Floor(FloorArgs),
    #[command(hide = true)]
    FloorSender(FloorSenderArgs),
    /// Have some members of a room, as the process that conducts the run says on stdin
    #[command(hide = true)]
    Members,
    #[command(hide = true)]
    FloorReader(FloorReaderArgs),
    /// Serve as the smallest chat server there is: what the tool measures when the server costs next to nothing
    Reflect(ReflectArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        Cli::command().debug_assert();
    }
}
