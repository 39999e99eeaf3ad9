//! `bench-client`: measures how long a chat room takes to hear a line.
//!
//! Parses, dispatches, and turns the result into an exit code; the work is in `commands`, a file a command. A library, so
//! that its manual page is made from the same definition of its options; nothing else of it is for others.

#[macro_use]
mod out;

mod addresses;
mod ceiling;
mod cli;
mod commands;
mod descriptors;
mod engine;
mod environment;
mod error;
mod expect;
mod figures;
mod files;
mod floor;
mod load;
mod machine;
mod measure;
mod message;
mod pinning;
mod plan;
mod processes;
mod protocol;
mod quantities;
mod ready_line;
mod recorder;
mod reflector;
mod report;
mod results;
mod rooms;
mod rounds;
mod scratch;
mod search;
mod server_process;
mod sources;
mod stream_server;
mod summarise;
mod sys;
mod target;
mod tcp_counters;
mod usage;
mod watchdog;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};
use crate::error::{Result, exit};

/// The definition of the command line.
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// Does what the command line asks for.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed terminal is no reason to fail differently.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::FAILED } else { exit::GOOD });
        }
    };
    match dispatch(&cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let verdict = if error.exit() == exit::INVALID { "INVALID: " } else { "" };
            eprintln!("bench-client: {verdict}{error}");
            ExitCode::from(error.exit())
        }
    }
}

fn dispatch(command: &Command) -> Result<u8> {
    match command {
        Command::Run(arguments) => commands::run::command(arguments),
        Command::Sweep(arguments) => commands::sweep::command(arguments),
        Command::Peers(arguments) => commands::peers::command(arguments),
        Command::ManyRooms(arguments) => commands::many_rooms::command(arguments),
        Command::TwoRooms(arguments) => commands::two_rooms::command(arguments),
        Command::ClusterCost(arguments) => commands::cluster_cost::command(arguments),
        Command::Headline(arguments) => commands::headline::command(arguments),
        Command::Costs(arguments) => commands::costs::command(arguments),
        Command::Report(arguments) => commands::report::command(arguments),
        Command::Check(arguments) => commands::check::command(arguments),
        Command::Doctor(arguments) => commands::doctor::command(arguments),
        Command::Floor(arguments) => commands::floor::command(arguments),
        Command::FloorSender(arguments) => commands::floor::sender_command(arguments),
        Command::Members => commands::run::members_command(),
        Command::FloorReader(arguments) => commands::floor::reader_command(arguments),
        Command::Reflect(arguments) => commands::reflect::command(arguments),
    }
}
