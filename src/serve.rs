//! What `uproar serve` does: opens all that the options name, in an order that matters, and serves.
//!
//! 1. The log, and signals, which every thread that is started later must block too.
//! 2. What the operator's files have.
//! 3. Rings and tables, which say how many members can be served, and the listeners.
//! 4. The server, with the threads beside it, and what it writes.

mod kept;

use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;

use crate::capacity::{Capacity, Demand, TableSizes};
use crate::cli::{BackendChoice, Serve};
use crate::cluster::start;
use crate::config::BackEnd;
use crate::door::Door;
use crate::io::epoll::Epoll;
use crate::io::readiness::{Poller, Readiness};
use crate::io::select::Select;
use crate::io::signals::Signals;
use crate::io::uring::{Ring, Sandbox, Tables, Uring};
use crate::io::{Io, allocator};
use crate::journal::{Journal, LogEvent};
use crate::limits::JOURNAL_BYTES_MAX;
use crate::memory::MemoryBound;
use crate::metrics::Build;
use crate::moderation::{Keeper, Kept};
use crate::net;
use crate::outlet::Descriptor;
use crate::random::Random;
use crate::server::{Flow, Server};
use crate::time::UnixTime;

type Failure = Box<dyn Error>;

/// Serves until told to stop. An error is one of the start; what fails later is in the log.
pub fn run(serve: &Serve) -> Result<ExitCode, Failure> {
    allocator::set_up();
    let mut journal = Journal::new(Descriptor::standard_error()?, JOURNAL_BYTES_MAX);
    let signals = Signals::new()?;
    if !serve.no_sandbox {
        rustix::thread::set_no_new_privs(true)?;
    }
    let sandbox = if serve.no_sandbox { Sandbox::Off } else { Sandbox::On };
    // Behind the signals, which the thread that writes the state must block too.
    let kept = kept::load(serve, &mut journal)?;
    let ring = match serve.backend {
        BackendChoice::Epoll | BackendChoice::Select => None,
        BackendChoice::Uring => {
            Some(Ring::open(sandbox).map_err(|refused| format!("io_uring cannot be used here: {refused}"))?)
        }
        BackendChoice::Auto => Ring::open(sandbox)
            .inspect_err(|refused| {
                let text = format_args!("using epoll, io_uring cannot be used here: {refused}");
                journal.report(LogEvent::NoUring, Instant::now(), text);
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
        journal.report(LogEvent::FewerMembers, Instant::now(), format_args!("{shortfall}"));
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
                Err(error) => server.report(LogEvent::NoTranscript, format_args!("no transcript: {error}")),
            }
        }
        for (door, address) in further {
            server.report(LogEvent::Listening, format_args!("listening on {address} ({})", door.name()));
        }
        match tables {
            None => server.report(
                LogEvent::Listening,
                format_args!("listening on {address} ({name}, up to {members_max} members)"),
            ),
            Some(TableSizes { count, .. }) => {
                let noun = if count == 1 { "table" } else { "tables" };
                server.report(
                    LogEvent::Listening,
                    format_args!("listening on {address} ({name}, {count} {noun}, up to {members_max} members)"),
                );
            }
        }
        let bound = MemoryBound::of(&config).with_tables(tables).with_cluster(
            serve.cluster.is_wanted(),
            config.rooms_max,
            config.members_max,
        );
        server.describe(Build { back_end: name, started: UnixTime::now(), bound, ..Build::of(&config) });
        server.report(LogEvent::MemoryBound, format_args!("memory {bound}"));
        if io::stdin().is_terminal() && io::stderr().is_terminal() {
            let place =
                if address.ip().is_unspecified() { format!(":{}", address.port()) } else { address.to_string() };
            server.report(
                LogEvent::Hint,
                format_args!("nothing that is typed here is read; to talk, elsewhere: uproar chat {place}"),
            );
        }
        // The error is in the journal already.
        let flow = server.run().unwrap_or(Flow::StopAtOnce);
        if let Err(error) = server.finish_state() {
            server.report(LogEvent::StateNotKept, format_args!("--state: what changed last is not kept: {error}"));
        }
        Ok(if flow == Flow::StopAtOnce { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
