//! What `uproar serve` does: opens all that the options name, in an order that matters, and serves.
//!
//! 1. What a service manager has passed, the log, and what the operator's files have.
//! 2. Signals, which every thread that is started later must block too.
//! 3. Rings and tables, which say how many members can be served, and the listeners.
//! 4. What is written to.
//! 5. The sandbox, before the first thread: what a thread may do is settled when it starts.
//! 6. The server, with the threads beside it.

mod announce;
mod kept;
mod sockets;

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;

use crate::capacity::{Capacity, Demand, TableSizes};
use crate::cli::{BackendChoice, Serve};
use crate::cluster::start;
use crate::config::{BackEnd, Config};
use crate::door::{Door, Doors};
use crate::io::epoll::Epoll;
use crate::io::inherited::Inherited;
use crate::io::readiness::{Poller, Readiness};
use crate::io::select::Select;
use crate::io::signals::Signals;
use crate::io::uring::{Ring, Sandbox, Tables, Uring};
use crate::io::{Io, allocator};
use crate::journal::{Journal, LogEvent, LogField, Value};
use crate::limits::{ADMIN_CONNECTIONS_MAX, JOURNAL_BYTES_MAX};
use crate::memory::MemoryBound;
use crate::metrics::Build;
use crate::moderation::{Keeper, Kept, OperatorFiles};
use crate::net;
use crate::outlet::Descriptor;
use crate::random::Random;
use crate::sandbox::{Entered, Permissions};
use crate::server::{Flow, Server};
use crate::service::Service;
use crate::service::socket::ManagerSocket;
use crate::time::UnixTime;
use sockets::{Listening, Passed};

type Failure = Box<dyn Error>;

/// Serves until told to stop. An error is one of the start; what fails later is in the log.
pub fn run(serve: &Serve) -> Result<ExitCode, Failure> {
    // Before anything is opened: what was passed is known by its number.
    let inherited = Inherited::take().map_err(|error| format!("what LISTEN_FDS says was passed: {error}"))?;
    let passed = Passed::of(inherited.sockets)?;
    allocator::set_up();
    let log = Descriptor::open_log(&serve.log).map_err(|error| format!("--log {}: {error}", serve.log))?;
    let mut journal = Journal::new(log, serve.log_style(), JOURNAL_BYTES_MAX);
    let manager = inherited.manager.and_then(|name| {
        let connected = ManagerSocket::of(name).inspect_err(|error| {
            let text = format_args!("the service manager is told nothing: {error}");
            journal.report_error(LogEvent::ServiceGone, Instant::now(), text, error);
        });
        connected.ok()
    });
    let manager = manager.map(|socket| Service::new(Box::new(socket), inherited.patience, Instant::now()));
    // Before the signals: a pipe that an option names may wait for its writer, and can be interrupted.
    let kept = kept::load(serve, &mut journal)?;
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
                let text = format_args!("using epoll, io_uring cannot be used here: {refused}");
                journal.report_error(LogEvent::NoUring, Instant::now(), text, refused);
            })
            .ok(),
    };
    let (back_end, name) = match (&ring, serve.backend) {
        (Some(_), _) => (BackEnd::Uring, "uring"),
        (None, BackendChoice::Select) => (BackEnd::Select, Select::NAME),
        (None, _) => (BackEnd::Epoll, Epoll::NAME),
    };
    let demand = serve.demand(back_end, net::raise_descriptor_limit());
    let beside = if passed.has(Door::Admin) { ADMIN_CONNECTIONS_MAX } else { demand.beside };
    let (tables, capacity) = open_tables(&Demand { beside, ..demand }, sandbox)?;
    if let Some(shortfall) = &capacity.shortfall {
        let fields = [(LogField::MembersMax, Value::Number(capacity.members_max as u64))];
        journal.report_with(LogEvent::FewerMembers, Instant::now(), format_args!("{shortfall}"), &fields);
    }
    let members_max = capacity.members_max;
    let listening = sockets::open(serve, passed, serve.dead_after_for(members_max), &mut journal)?;
    let Listening { doors, listeners, addresses, shared } = listening;
    let start = Start { serve, doors, addresses, journal, name, capacity, kept, manager };
    match (ring, tables) {
        (Some(ring), tables) => {
            let mut uring = match tables {
                Some(tables) => Uring::with_tables(ring, tables, members_max, listeners, signals)?,
                None => Uring::new(ring, listeners, signals),
            };
            shared.into_iter().try_for_each(|listener| uring.share_listener(listener))?;
            start.serve_on(uring)
        }
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

/// Opens the transcript, if there is to be one.
fn open_transcript(serve: &Serve, journal: &mut Journal<Descriptor>) -> Result<Option<Descriptor>, Failure> {
    let Some(path) = serve.transcript_path() else { return Ok(None) };
    match Descriptor::open(path) {
        Ok(outlet) => Ok(Some(outlet)),
        Err(error) if serve.transcript.is_some() => Err(format!("--transcript {path}: {error}").into()),
        // The transcript was not asked for by an option, so the server serves without it.
        Err(error) => {
            let text = format_args!("no transcript: {error}");
            journal.report_error(LogEvent::NoTranscript, Instant::now(), text, &error);
            Ok(None)
        }
    }
}

/// Leaves the process what serving takes, which nothing gives back. There must be no other thread yet. `None` without a
/// sandbox.
fn enter_sandbox(serve: &Serve, tables: Option<TableSizes>) -> Option<Entered> {
    if serve.no_sandbox {
        return None;
    }
    assert_eq!(threads(), 1, "threads are started in the sandbox, which would not hold for one that is there before");
    // The first table is never closed.
    let makes_rings = tables.is_some_and(|tables| tables.count > 1);
    Some(Permissions { changes_tables: tables.is_some(), makes_rings, ..serve.permissions() }.enter())
}

/// Threads of this process, without those that the kernel may have for a ring (`iou-...`, Linux 5.12).
fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks.map(name).filter(|name| !name.starts_with("iou-")).count().max(1)
}

/// All that a server starts with, whatever its back end.
struct Start<'a> {
    serve: &'a Serve,
    doors: Doors,
    /// Where each door listens; the one for text comes first.
    addresses: Vec<(Door, SocketAddr)>,
    journal: Journal<Descriptor>,
    /// The name of the back end.
    name: &'static str,
    capacity: Capacity,
    kept: Kept,
    /// The service manager, if there is one.
    manager: Option<Service>,
}

impl Start<'_> {
    /// Serves until told to stop.
    fn serve_on<I: Io>(self, io: I) -> Result<ExitCode, Failure> {
        let Self { serve, doors, addresses, mut journal, name, capacity, mut kept, manager } = self;
        let Capacity { members_max, tables, .. } = capacity;
        let address = addresses[0].1;
        let config = Config { doors, ..serve.config(members_max) };
        let transcript = open_transcript(serve, &mut journal)?;
        let mut random = Random::from_kernel().map_err(|error| format!("the kernel gave no random bytes: {error}"))?;
        let cluster = match serve.cluster.engine() {
            None => None,
            Some(engine) => Some((engine, serve.cluster_settings(&mut random)?)),
        };
        let entered = enter_sandbox(serve, tables);
        let mut server = match cluster {
            None => Server::new(io, config, journal, random),
            // Behind the signals, which the thread of the link must block too.
            Some((engine, settings)) => Server::in_cluster(io, config, journal, random, start::link(engine)?, settings),
        };
        let machine = rustix::system::uname();
        // Without a name people know the machine by its address alone.
        let machine = machine.nodename().to_str().map_or_else(|_| address.ip().to_string(), str::to_owned);
        server.name_node(&format!("{machine}:{}", address.port()));
        let keeper = match kept.state_file.take() {
            None => None,
            // Behind the signals too.
            Some(file) => Some(Box::new(file.start().map_err(|error| format!("--state: {error}"))?) as Box<dyn Keeper>),
        };
        server.keep_order_with(kept, keeper);
        let files = serve.operator_files();
        if !files.is_empty() {
            // Behind the signals too.
            server.reread(Box::new(OperatorFiles::start(files)?));
        }
        if let Some(outlet) = transcript {
            server.keep_transcript(outlet, &format!("Chat Server started on port {}.", address.port()));
        }
        let bound = MemoryBound::of(&config).with_tables(tables).with_cluster(
            serve.cluster.is_wanted(),
            config.rooms_max,
            config.members_max,
        );
        announce::start(&mut server, &addresses, name, &capacity, &bound, entered.as_ref());
        server.describe(Build { back_end: name, started: UnixTime::now(), bound, ..Build::of(&config) });
        if let Some(manager) = manager {
            server.serve_under(manager);
        }
        // The error is in the journal already.
        let flow = server.run().unwrap_or(Flow::StopAtOnce);
        if let Err(error) = server.finish_state() {
            let text = format_args!("--state: what changed last is not kept: {error}");
            server.report_error(LogEvent::StateNotKept, text, &error);
        }
        Ok(if flow == Flow::StopAtOnce { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
