//! `uproar`: parse, choose the back end, run, exit code.

use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, error, io};

use uproar::cli::{BackendChoice, Check, Command, Serve, Variables};
use uproar::io::epoll::Epoll;
use uproar::io::readiness::{Poller, Readiness};
use uproar::io::select::Select;
use uproar::io::signals::Signals;
use uproar::io::uring::{Ring, Sandbox, Uring};
use uproar::io::{Io, allocator};
use uproar::journal::Journal;
use uproar::limits::{DESCRIPTOR_RESERVE, FD_SETSIZE, JOURNAL_BYTES_MAX};
use uproar::memory::MemoryBound;
use uproar::outlet::Descriptor;
use uproar::server::{Flow, Server};
use uproar::{chat, check, cli, net};

type Failure = Box<dyn error::Error>;

fn main() -> ExitCode {
    let (cli, variables) = cli::parse(env::args_os()).unwrap_or_else(|wrong| wrong.exit());
    let result = match &cli.command {
        Command::Serve(serve) => {
            exit_if_wrong(serve, &variables);
            run_server(serve)
        }
        Command::Chat(chat) => chat::run(&chat.addr, *chat.wait),
        Command::Check(check) => {
            exit_if_wrong(&check.serve, &variables);
            run_check(check, &variables)
        }
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            let is_about_address = error.is::<chat::ConnectError>() || error.is::<net::ListenError>();
            let mut note = variables.note_on(&error.to_string());
            if is_about_address {
                note += &variables.note_on_address();
            }
            // No member is served here, so this write may wait, for example for a terminal that is stopped.
            let _ = writeln!(io::stderr(), "uproar: {error}{note}");
            ExitCode::FAILURE
        }
    }
}

/// Ends the process on wrong usage that the parser cannot find, as on wrong usage that it finds.
fn exit_if_wrong(serve: &Serve, variables: &Variables) {
    if let Err(mut wrong) = serve.validate() {
        wrong += &variables.note_on(&wrong);
        cli::exit_wrong_usage(&wrong);
    }
}

fn run_check(check: &Check, variables: &Variables) -> Result<ExitCode, Failure> {
    let ready = check::run(check, variables, &mut io::stdout())?;
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_server(serve: &Serve) -> Result<ExitCode, Failure> {
    allocator::set_up();
    let mut journal = Journal::new(Descriptor::standard_error()?, JOURNAL_BYTES_MAX);
    let listener = net::listen(&serve.addr, *serve.dead_after)?;
    let address = listener.local_addr()?;
    let signals = Signals::new()?;
    if !serve.no_sandbox {
        rustix::thread::set_no_new_privs(true)?;
    }
    let sandbox = if serve.no_sandbox { Sandbox::Off } else { Sandbox::On };
    let ring = match serve.backend {
        BackendChoice::Epoll | BackendChoice::Select => None,
        BackendChoice::Uring => {
            Some(Ring::open(sandbox).map_err(|refused| format!("io_uring cannot be used here: {refused}"))?)
        }
        BackendChoice::Auto => Ring::open(sandbox)
            .inspect_err(|refused| {
                let event = format_args!("using epoll, io_uring cannot be used here: {refused}");
                journal.report(Instant::now(), event);
            })
            .ok(),
    };
    let start = Start { serve, address, journal };
    match (ring, serve.backend) {
        (Some(ring), _) => start.serve_on(Uring::new(ring, vec![listener], signals), "uring", usize::MAX),
        (None, BackendChoice::Select) => start.serve_when_ready(Select::new(), listener, signals, FD_SETSIZE as usize),
        (None, _) => start.serve_when_ready(Epoll::new()?, listener, signals, usize::MAX),
    }
}

/// All that a server starts with, whatever its back end.
struct Start<'a> {
    serve: &'a Serve,
    address: SocketAddr,
    journal: Journal<Descriptor>,
}

impl Start<'_> {
    fn serve_when_ready<P: Poller>(
        self,
        poller: P,
        listener: TcpListener,
        signals: Signals,
        descriptors_max: usize,
    ) -> Result<ExitCode, Failure> {
        self.serve_on(Readiness::new(poller, vec![listener], signals)?, P::NAME, descriptors_max)
    }

    /// Serves until told to stop, on a back end that takes at most `descriptors_max` descriptors.
    fn serve_on<I: Io>(self, io: I, backend: &str, descriptors_max: usize) -> Result<ExitCode, Failure> {
        let Self { serve, address, journal } = self;
        let members_max = net::raise_descriptor_limit().min(descriptors_max).saturating_sub(DESCRIPTOR_RESERVE);
        if members_max == 0 {
            return Err("the descriptor limit leaves no place for members; raise it: ulimit -n 20000".into());
        }
        let config = serve.config(members_max);
        let mut server = Server::new(io, config, journal);
        if let Some(path) = serve.transcript_path() {
            match Descriptor::open(path) {
                Ok(outlet) => {
                    server.keep_transcript(outlet, &format!("Chat Server started on port {}.", address.port()));
                }
                Err(error) if serve.transcript.is_some() => return Err(format!("--transcript {path}: {error}").into()),
                // The transcript was not asked for by an option, so the server serves without it.
                Err(error) => server.report(format_args!("no transcript: {error}")),
            }
        }
        server.report(format_args!("listening on {address} ({backend}, up to {members_max} members)"));
        server.report(format_args!("memory {}", MemoryBound::of(&config)));
        if io::stdin().is_terminal() && io::stderr().is_terminal() {
            let place =
                if address.ip().is_unspecified() { format!(":{}", address.port()) } else { address.to_string() };
            server.report(format_args!("nothing that is typed here is read; to talk, elsewhere: uproar chat {place}"));
        }
        // The error is in the journal already.
        let flow = server.run().unwrap_or(Flow::StopAtOnce);
        Ok(if flow == Flow::StopAtOnce { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
