//! `uproar`: parse, choose the back end, run, exit code.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;
use std::{env, error, fs, io};

use uproar::capacity::{Capacity, Demand, TableSizes};
use uproar::cli::{BackendChoice, Check, Command, Serve, Variables};
use uproar::cluster::start;
use uproar::config::BackEnd;
use uproar::door::Door;
use uproar::io::epoll::Epoll;
use uproar::io::readiness::{Poller, Readiness};
use uproar::io::select::Select;
use uproar::io::signals::Signals;
use uproar::io::uring::{Ring, Sandbox, Tables, Uring};
use uproar::io::{Io, allocator};
use uproar::journal::Journal;
use uproar::limits::JOURNAL_BYTES_MAX;
use uproar::memory::MemoryBound;
use uproar::metrics::Build;
use uproar::moderation::{Keeper, Kept, OperatorKey, StateFile};
use uproar::motd::Motd;
use uproar::outlet::Descriptor;
use uproar::random::Random;
use uproar::server::{Flow, Server};
use uproar::time::UnixTime;
use uproar::{chat, check, cli, net};

type Failure = Box<dyn error::Error>;

fn main() -> ExitCode {
    let (cli, variables) = cli::parse(env::args_os()).unwrap_or_else(|wrong| wrong.exit());
    let result = match &cli.command {
        Command::Serve(serve) => {
            exit_if_wrong(serve, &variables);
            run_server(serve)
        }
        Command::Chat(chat) => chat::run(&chat.options()),
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
    let signals = Signals::new()?;
    if !serve.no_sandbox {
        rustix::thread::set_no_new_privs(true)?;
    }
    let sandbox = if serve.no_sandbox { Sandbox::Off } else { Sandbox::On };
    // Behind the signals, which the thread that writes the state must block too.
    let kept = load_kept(serve, &mut journal)?;
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
    let (back_end, name) = match (&ring, serve.backend) {
        (Some(_), _) => (BackEnd::Uring, "uring"),
        (None, BackendChoice::Select) => (BackEnd::Select, Select::NAME),
        (None, _) => (BackEnd::Epoll, Epoll::NAME),
    };
    let (tables, capacity) = open_tables(&serve.demand(back_end, net::raise_descriptor_limit()), sandbox)?;
    if let Some(shortfall) = &capacity.shortfall {
        journal.report(Instant::now(), format_args!("{shortfall}"));
    }
    let members_max = capacity.members_max;
    let listener = net::listen(&serve.addr, serve.dead_after_for(members_max))?;
    let address = listener.local_addr()?;
    let (mut listeners, mut further) = (vec![listener], Vec::new());
    for (door, address) in serve.further_doors() {
        let listener = net::listen(&address, serve.dead_after_for(members_max))?;
        further.push((door, listener.local_addr()?));
        listeners.push(listener);
    }
    let start = Start { serve, address, further, journal, name, capacity, kept };
    match (ring, tables) {
        (Some(ring), Some(tables)) => {
            start.serve_on(Uring::with_tables(ring, tables, members_max, listeners, signals)?)
        }
        (Some(ring), None) => start.serve_on(Uring::new(ring, listeners, signals)),
        (None, _) if back_end == BackEnd::Select => start.serve_on(Readiness::new(Select::new(), listeners, signals)?),
        (None, _) => start.serve_on(Readiness::new(Epoll::new()?, listeners, signals)?),
    }
}

/// Reads the operator's files.
fn load_kept(serve: &Serve, journal: &mut Journal<Descriptor>) -> Result<Kept, Failure> {
    let mut kept = Kept::default();
    if let Some(path) = &serve.operator_key {
        let wrong = |error| format!("--operator-key {}: {error}", path.display());
        let (key, warning) = OperatorKey::load(path, serve.line_bytes()).map_err(wrong)?;
        if let Some(warning) = warning {
            journal.report(Instant::now(), format_args!("--operator-key: {warning}"));
        }
        kept.operator_key = Some(key);
    }
    if let Some(path) = &serve.motd {
        kept.motd = Some(Motd::load(path).map_err(|error| format!("--motd {}: {error}", path.display()))?);
    }
    if let Some(path) = &serve.state {
        let wrong = |error| format!("--state {}: {error}", path.display());
        let (file, state) = StateFile::open(path).map_err(wrong)?;
        (kept.state_file, kept.state) = (Some(file), state);
    }
    Ok(kept)
}

/// Opens the tables of direct descriptors that are asked for, if any. The capacity is that of those that there are.
fn open_tables(demand: &Demand, sandbox: Sandbox) -> Result<(Option<Tables>, Capacity), Failure> {
    let capacity = demand.capacity()?;
    let Some(sizes) = capacity.tables else { return Ok((None, capacity)) };
    Ok(match Tables::open(sizes.count, sizes.slots, sandbox) {
        Ok((tables, None)) => (Some(tables), capacity),
        Ok((tables, Some(refused))) => {
            let reason = || refused.to_string();
            let fewer = sizes.holding_at_most(tables.count(), capacity.members_max, demand.descriptors, reason)?;
            (Some(tables), fewer)
        }
        Err(refused) => (None, demand.without_tables(&refused.to_string())?),
    })
}

/// All that a server starts with, whatever its back end.
struct Start<'a> {
    serve: &'a Serve,
    address: SocketAddr,
    /// The doors beside that for text.
    further: Vec<(Door, SocketAddr)>,
    journal: Journal<Descriptor>,
    /// The name of the back end.
    name: &'static str,
    capacity: Capacity,
    kept: Kept,
}

impl Start<'_> {
    /// Serves until told to stop.
    fn serve_on<I: Io>(self, io: I) -> Result<ExitCode, Failure> {
        let Self { serve, address, further, journal, name, capacity: Capacity { members_max, tables, .. }, mut kept } =
            self;
        let config = serve.config(members_max);
        let mut random = Random::from_kernel().map_err(|error| format!("the kernel gave no random bytes: {error}"))?;
        let mut server = match serve.cluster.engine() {
            None => Server::new(io, config, journal, random),
            Some(engine) => {
                let settings = serve.cluster_settings(&mut random)?;
                // Behind the signals, which the thread of the link must block too.
                Server::in_cluster(io, config, journal, random, start::link(engine)?, settings)
            }
        };
        // Without a name people know the machine by its address alone.
        let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| address.ip().to_string());
        server.name_node(&format!("{}:{}", machine.trim(), address.port()));
        let Kept { state_file, .. } = &mut kept;
        let keeper = state_file.take().map(|file| Box::new(file) as Box<dyn Keeper>);
        server.keep_order_with(kept, keeper);
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
        for (door, address) in further {
            server.report(format_args!("listening on {address} ({})", door.name()));
        }
        match tables {
            None => server.report(format_args!("listening on {address} ({name}, up to {members_max} members)")),
            Some(TableSizes { count, .. }) => {
                let noun = if count == 1 { "table" } else { "tables" };
                server.report(format_args!(
                    "listening on {address} ({name}, {count} {noun}, up to {members_max} members)"
                ));
            }
        }
        let bound = MemoryBound::of(&config).with_tables(tables).with_cluster(
            serve.cluster.is_wanted(),
            config.rooms_max,
            config.members_max,
        );
        server.describe(Build { back_end: name, started: UnixTime::now(), bound, ..Build::of(&config) });
        server.report(format_args!("memory {bound}"));
        if io::stdin().is_terminal() && io::stderr().is_terminal() {
            let place =
                if address.ip().is_unspecified() { format!(":{}", address.port()) } else { address.to_string() };
            server.report(format_args!("nothing that is typed here is read; to talk, elsewhere: uproar chat {place}"));
        }
        // The error is in the journal already.
        let flow = server.run().unwrap_or(Flow::StopAtOnce);
        if let Err(error) = server.finish_state() {
            server.report(format_args!("--state: what changed last is not kept: {error}"));
        }
        Ok(if flow == Flow::StopAtOnce { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
