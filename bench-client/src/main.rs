//! `bench-client`: measures how long a chat room takes to hear a line.
//!
//! Parses, dispatches, and turns the result into an exit code; the work is in the modules named after the commands.

#[macro_use]
mod out;

mod ceiling;
mod check;
mod cli;
mod costs;
mod doctor;
mod engine;
mod environment;
mod error;
mod expect;
mod figures;
mod files;
mod floor;
mod headline;
mod message;
mod peers;
mod pinning;
mod plan;
mod protocol;
mod quantities;
mod recorder;
mod redraw;
mod reflect;
mod report;
mod results;
mod run;
mod search;
mod server_process;
mod summarise;
mod sweep;
mod sys;
mod tcp_counters;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::error::{Result, exit};

fn main() -> ExitCode {
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
        Command::Run(arguments) => run::command(arguments),
        Command::Sweep(arguments) => sweep::command(arguments),
        Command::Peers(arguments) => peers::command(arguments),
        Command::Headline(arguments) => headline::command(arguments),
        Command::Costs(arguments) => costs::command(arguments),
        Command::Report(arguments) => redraw::command(arguments),
        Command::Check(arguments) => check::command(arguments),
        Command::Doctor(arguments) => doctor::command(arguments),
        Command::Floor(arguments) => floor::command(arguments),
        Command::FloorSender(arguments) => floor::sender_command(arguments),
        Command::Reflect(arguments) => {
            reflect::reflect(arguments)?;
            Ok(exit::GOOD)
        }
    }
}
