//! `uproar`: parse, choose the back end, run, exit code.

use std::process::ExitCode;
use std::{error, io};

use clap::{CommandFactory, Parser};
use uproar::cli::{BackendChoice, Check, Cli, Command, Serve};
use uproar::io::signals::Signals;
use uproar::io::uring::Uring;
use uproar::limits::DESCRIPTOR_RESERVE;
use uproar::memory::MemoryBound;
use uproar::report::report;
use uproar::server::{Flow, Server};
use uproar::{chat, net, transcript};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Serve(serve) => run_server(serve),
        Command::Chat(chat) => chat::run(&chat.addr),
        Command::Check(check) => run_check(check),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            report(format_args!("{error}"));
            ExitCode::FAILURE
        }
    }
}

/// Wrong usage that the parser cannot see ends the process as wrong usage that it can.
fn exit_if_wrong(serve: &Serve) {
    if let Err(wrong) = serve.check() {
        Cli::command().error(clap::error::ErrorKind::ValueValidation, wrong).exit();
    }
}

fn run_check(check: &Check) -> Result<ExitCode, Box<dyn error::Error>> {
    exit_if_wrong(&check.serve);
    let ready = uproar::check::run(check, &mut io::stdout())?;
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_server(serve: &Serve) -> Result<ExitCode, Box<dyn error::Error>> {
    exit_if_wrong(serve);
    let members_max = net::raise_descriptor_limit().saturating_sub(DESCRIPTOR_RESERVE);
    if members_max == 0 {
        return Err("the descriptor limit leaves no place for members; raise it: ulimit -n 20000".into());
    }
    let sink = match serve.transcript_path() {
        Some(path) => Some(transcript::open(path).map_err(|error| format!("transcript {path}: {error}"))?),
        None => None,
    };
    let listener = net::listen(&serve.addr, (*serve.dead_after).max(*serve.stall_timeout))?;
    let address = listener.local_addr()?;
    let signals = Signals::new()?;
    let io = match serve.backend {
        BackendChoice::Auto | BackendChoice::Uring => {
            Uring::new(listener, signals).map_err(|refused| format!("io_uring cannot be used here: {refused}"))?
        }
    };
    let config = serve.config(members_max);
    let mut server = Server::new(io, config);
    if let Some(sink) = sink {
        server.keep_transcript(sink, &format!("Chat Server started on port {}.", address.port()));
    }
    report(format_args!("listening on {address} (uring, up to {members_max} members)"));
    report(format_args!("memory {}", MemoryBound::of(&config)));
    let flow = server.run().map_err(|error: io::Error| format!("the kernel failed: {error}"))?;
    let statistics = server.statistics();
    match flow {
        Flow::StopAtOnce => {
            report(format_args!("stopped at once, members cut off: {statistics}"));
            Ok(ExitCode::FAILURE)
        }
        Flow::On | Flow::Stop => {
            report(format_args!("stopped: {statistics}"));
            Ok(ExitCode::SUCCESS)
        }
    }
}
