//! `uproar`: parse, choose the back end, run, exit code.

use std::process::ExitCode;
use std::{error, io};

use clap::{CommandFactory, Parser};
use uproar::cli::{BackendChoice, Cli, Command, Serve};
use uproar::io::signals::Signals;
use uproar::io::uring::Uring;
use uproar::limits::DESCRIPTOR_RESERVE;
use uproar::report::report;
use uproar::server::{Config, Flow, Server};
use uproar::{net, room, transcript};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Serve(serve) => run_server(serve),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            report(format_args!("{error}"));
            ExitCode::FAILURE
        }
    }
}

fn run_server(serve: &Serve) -> Result<ExitCode, Box<dyn error::Error>> {
    if let Err(wrong) = serve.check() {
        Cli::command().error(clap::error::ErrorKind::ValueValidation, wrong).exit();
    }
    let members_max = net::raise_descriptor_limit().saturating_sub(DESCRIPTOR_RESERVE);
    if members_max == 0 {
        return Err("the descriptor limit leaves no place for members; raise it: ulimit -n 20000".into());
    }
    let config = Config {
        members_max,
        line_bytes: serve.line_bytes(),
        framing: serve.framing,
        room: room::Settings {
            log_bytes: serve.log_bytes(),
            line_bytes: serve.line_bytes(),
            announce_max: serve.announce_max,
        },
    };
    let sink = match serve.transcript_path() {
        Some(path) => Some(transcript::open(path).map_err(|error| format!("transcript {path}: {error}"))?),
        None => None,
    };
    let listener = net::listen(&serve.addr)?;
    let address = listener.local_addr()?;
    let signals = Signals::new()?;
    let io = match serve.backend {
        BackendChoice::Auto | BackendChoice::Uring => {
            Uring::new(listener, signals).map_err(|refused| format!("io_uring cannot be used here: {refused}"))?
        }
    };
    let mut server = Server::new(io, config);
    if let Some(sink) = sink {
        server.keep_transcript(sink, &format!("Chat Server started on port {}.", address.port()));
    }
    report(format_args!("listening on {address} (uring, up to {members_max} members)"));
    let flow = server.run().map_err(|error: io::Error| format!("the kernel failed: {error}"))?;
    let counters = server.counters();
    match flow {
        Flow::StopAtOnce => {
            report(format_args!("stopped at once, {} members cut off: {counters}", server.members()));
            Ok(ExitCode::FAILURE)
        }
        Flow::On | Flow::Stop => {
            report(format_args!("stopped: {counters}"));
            Ok(ExitCode::SUCCESS)
        }
    }
}
