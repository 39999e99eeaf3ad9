//! The preflight: whether this machine is ready to serve N members, and if not, which command makes it ready. It
//! changes nothing, except that it raises the descriptor limit of its own process as `serve` does. With `--health` it asks
//! a server that runs instead.

mod cluster;
mod descriptors;
mod health;
mod kernel;
mod memory;
mod sandbox;

use std::fmt;
use std::io::{self, ErrorKind, Write};

use crate::capacity::Demand;
use crate::cli::{BackendChoice, Check, Variables};
use crate::config::BackEnd;
use crate::io::uring::{Refused, Ring, Sandbox};
use crate::memory::MemoryBound;
use crate::net;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Ok,
    Warn,
    Fail,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    level: Level,
    text: String,
}

impl Finding {
    fn new(level: Level, text: impl Into<String>) -> Self {
        Self { level, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        write!(f, "{level}  {}", self.text)
    }
}

/// Writes one line a finding to `out`. True when no finding prevents serving. That `out` takes no more does not change
/// it.
pub fn run(check: &Check, variables: &Variables, out: &mut impl Write) -> io::Result<bool> {
    let health = check.health().map_err(|wrong| io::Error::new(ErrorKind::InvalidInput, wrong))?;
    let findings = match health {
        Some(address) => vec![health::finding(&address)],
        None => of_machine(check, variables),
    };
    for finding in &findings {
        match writeln!(out, "{finding}") {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    Ok(findings.iter().all(|finding| finding.level != Level::Fail))
}

/// Whether this machine is ready to serve.
fn of_machine(check: &Check, variables: &Variables) -> Vec<Finding> {
    let members = check.members();
    let ring = Ring::open(Sandbox::On);
    let back_end = match check.serve.backend {
        BackendChoice::Select => BackEnd::Select,
        BackendChoice::Auto | BackendChoice::Uring if ring.is_ok() => BackEnd::Uring,
        _ => BackEnd::Epoll,
    };
    let demand = check.serve.demand(back_end, net::raise_descriptor_limit());
    let demand = Demand { members: Some(members), ..demand };
    let tables = demand.capacity().ok().and_then(|capacity| capacity.tables);
    let is_node = check.serve.cluster.is_wanted();
    let config = check.serve.config(members);
    let bound =
        MemoryBound::of(&config).with_tables(tables).with_cluster(is_node, config.rooms_max, config.members_max);
    let members = members as u64;
    let of_machine = [
        io_uring(check.serve.backend, ring),
        descriptors::finding(&demand),
        descriptors::nr_open(&demand, tables, kernel::number("fs/nr_open")),
        descriptors::locked_memory(tables, descriptors::locked_memory_limit(), descriptors::may_lock_memory()),
        kernel::file_max(members, kernel::number("fs/file-max"), kernel::number("fs/file-nr")),
        kernel::somaxconn(members, kernel::number("net/core/somaxconn")),
        kernel::syn_backlog(members, kernel::number("net/ipv4/tcp_max_syn_backlog")),
        kernel::tcp_memory(members, &kernel::numbers("net/ipv4/tcp_mem")),
        kernel::hash_table(
            members,
            kernel::number("net/ipv4/tcp_ehash_entries"),
            kernel::number("net/ipv4/tcp_child_ehash_entries"),
        ),
        kernel::ports(members, &kernel::numbers("net/ipv4/ip_local_port_range")),
        address(check, variables),
        memory::finding(&bound, back_end, memory::available()),
        sandbox::finding(&check.serve),
    ];
    of_machine.into_iter().chain(cluster::findings(&check.serve)).collect()
}

fn io_uring(backend: BackendChoice, ring: Result<Ring, Refused>) -> Finding {
    match ring {
        Ok(_) => Finding::new(Level::Ok, "io_uring works here and behaves as it should"),
        Err(refused) if backend == BackendChoice::Uring => {
            Finding::new(Level::Fail, format!("io_uring cannot be used: {refused}"))
        }
        Err(refused) => Finding::new(Level::Warn, format!("io_uring cannot be used, epoll is used instead: {refused}")),
    }
}

fn address(check: &Check, variables: &Variables) -> Finding {
    match net::listen(&check.serve.addr, check.serve.dead_after_for(check.members())) {
        Ok(_) => Finding::new(Level::Ok, format!("{} can be listened on", check.serve.addr)),
        Err(error) => Finding::new(Level::Fail, format!("{error}{}", variables.note_on_address())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Command};

    #[test]
    fn an_output_that_takes_no_more_does_not_change_the_verdict() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let arguments = ["uproar", "check", "--members", "1", "127.0.0.1:0"];
        let (cli, _) = cli::parse(arguments.map(Into::into)).unwrap();
        let Command::Check(check) = cli.command else { panic!("the command is check") };
        let ready = run(&check, &Variables::default(), &mut Vec::new()).unwrap();
        assert_eq!(run(&check, &Variables::default(), &mut Gone).unwrap(), ready);
    }
}
