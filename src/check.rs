//! The preflight: whether this machine is ready to serve N members, and if not, which command makes it ready. It
//! changes nothing, except that it raises the descriptor limit of its own process as `serve` does.

use std::fmt;
use std::io::{self, ErrorKind, Write};

use bytesize::ByteSize;

use crate::cli::{BackendChoice, Check, Variables};
use crate::io::uring::{Ring, Sandbox};
use crate::limits::{DESCRIPTOR_RESERVE, FD_SETSIZE, KERNEL_CONNECTION_BYTES};
use crate::memory::MemoryBound;
use crate::net;

/// Pages of TCP memory that a member takes with one unread line, receiver and sender on one machine.
const TCP_PAGES_PER_MEMBER: u64 = 2;

/// Connections that may wait to be accepted before a storm of joins meets refusals and one-second retries.
const SOMAXCONN_WANTED: u64 = 4096;

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
    let descriptors = net::raise_descriptor_limit();
    let members = check.members() as u64;
    let bound = MemoryBound::of(&check.serve.config(check.members()));
    let findings = [
        io_uring(check.serve.backend),
        descriptor_limit(check.members(), descriptors, check.serve.backend),
        somaxconn(sysctl("net/core/somaxconn").first().copied()),
        tcp_memory(members, &sysctl("net/ipv4/tcp_mem")),
        address(check, variables),
        memory(&bound, available_memory()),
    ];
    for finding in &findings {
        match writeln!(out, "{finding}") {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    Ok(findings.iter().all(|finding| finding.level != Level::Fail))
}

fn io_uring(backend: BackendChoice) -> Finding {
    match Ring::open(Sandbox::On) {
        Ok(_) => Finding::new(Level::Ok, "io_uring works here and behaves as it should"),
        Err(refused) if backend == BackendChoice::Uring => {
            Finding::new(Level::Fail, format!("io_uring cannot be used: {refused}"))
        }
        Err(refused) => Finding::new(Level::Warn, format!("io_uring cannot be used, epoll is used instead: {refused}")),
    }
}

fn descriptor_limit(members: usize, limit: usize, backend: BackendChoice) -> Finding {
    let ceiling = FD_SETSIZE as usize - DESCRIPTOR_RESERVE;
    if backend == BackendChoice::Select && members > ceiling {
        return Finding::new(Level::Fail, format!("select ends at {ceiling} members; choose another --backend"));
    }
    let needed = members.saturating_add(DESCRIPTOR_RESERVE);
    if limit >= needed {
        let places = limit - DESCRIPTOR_RESERVE;
        return Finding::new(Level::Ok, format!("descriptor limit {limit}: place for {places} members"));
    }
    let text = format!(
        "descriptor limit {limit} is too low for {members} members; raise it: ulimit -Hn {needed} as root, or \
         LimitNOFILE={needed} in the service's unit"
    );
    Finding::new(Level::Fail, text)
}

fn somaxconn(value: Option<u64>) -> Finding {
    match value {
        Some(value) if value >= SOMAXCONN_WANTED => {
            Finding::new(Level::Ok, format!("net.core.somaxconn {value}: a storm of joins finds place to wait"))
        }
        Some(value) => Finding::new(
            Level::Warn,
            format!(
                "net.core.somaxconn {value} is low for a storm of joins; raise it: sysctl -w \
                 net.core.somaxconn={SOMAXCONN_WANTED}"
            ),
        ),
        None => Finding::new(Level::Warn, "net.core.somaxconn cannot be read"),
    }
}

/// `tcp_mem` is three numbers of pages: no pressure below the first, pressure from the second, refusal from the third
/// (tcp(7)).
fn tcp_memory(members: u64, tcp_mem: &[u64]) -> Finding {
    let needed = members.saturating_mul(TCP_PAGES_PER_MEMBER);
    let [_, pressure, most] = *tcp_mem else {
        return Finding::new(Level::Warn, "net.ipv4.tcp_mem cannot be read");
    };
    if needed <= pressure {
        let text = format!("net.ipv4.tcp_mem: {members} members with an unread line take {needed} of {pressure} pages");
        return Finding::new(Level::Ok, text);
    }
    let level = if needed <= most { Level::Warn } else { Level::Fail };
    let [low, pressure, most] = [needed, needed.saturating_mul(3) / 2, needed.saturating_mul(2)];
    let text = format!(
        "net.ipv4.tcp_mem is too small for {members} members with an unread line; raise it: sysctl -w \
         net.ipv4.tcp_mem='{low} {pressure} {most}'"
    );
    Finding::new(level, text)
}

fn address(check: &Check, variables: &Variables) -> Finding {
    match net::listen(&check.serve.addr, check.serve.dead_after_for(check.members())) {
        Ok(_) => Finding::new(Level::Ok, format!("{} can be listened on", check.serve.addr)),
        Err(error) => Finding::new(Level::Fail, format!("{error}{}", variables.note_on_address())),
    }
}

/// Compares the memory that is available with the most that the members take, and with kernel memory of idle
/// connections.
fn memory(bound: &MemoryBound, available: Option<u64>) -> Finding {
    let kernel = bound.members.saturating_mul(KERNEL_CONNECTION_BYTES) as u64;
    let most = (bound.total() as u64).saturating_add(kernel);
    let least = (bound.members.saturating_mul(bound.member_idle) as u64).saturating_add(kernel);
    let text = format!(
        "memory: {bound}; about {} in the kernel, {} an idle connection",
        ByteSize(kernel),
        ByteSize(KERNEL_CONNECTION_BYTES as u64)
    );
    let Some(available) = available else {
        return Finding::new(Level::Warn, format!("{text}; what is available cannot be read"));
    };
    let text = format!("{text}; {} are available", ByteSize(available));
    if least > available {
        Finding::new(Level::Fail, format!("{text}: too little for {} members even if they only listen", bound.members))
    } else if most > available {
        Finding::new(Level::Warn, format!("{text}: choose smaller sizes or fewer members"))
    } else {
        Finding::new(Level::Ok, text)
    }
}

/// The numbers in a file of `/proc/sys`; none when it cannot be read.
fn sysctl(name: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
    text.split_whitespace().map_while(|word| word.parse().ok()).collect()
}

/// Bytes, by the kernel's own estimate.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Command};

    #[test]
    fn each_finding_names_its_remedy() {
        let limit = descriptor_limit(19_000, 1024, BackendChoice::Auto);
        assert_eq!(limit.level, Level::Fail);
        assert!(limit.text.contains("ulimit -Hn 19032"), "{limit}");
        assert_eq!(descriptor_limit(19_000, 20_000, BackendChoice::Auto).level, Level::Ok);
        assert_eq!(descriptor_limit(5000, 20_000, BackendChoice::Select).level, Level::Fail);

        assert_eq!(somaxconn(Some(4096)).level, Level::Ok);
        assert_eq!(somaxconn(Some(128)).level, Level::Warn);
        assert_eq!(somaxconn(None).level, Level::Warn);

        assert_eq!(tcp_memory(19_000, &[1, 38_000, 50_000]).level, Level::Ok);
        assert_eq!(tcp_memory(19_000, &[1, 37_999, 50_000]).level, Level::Warn);
        let small = tcp_memory(1_000_000, &[1, 2, 3]);
        assert_eq!(small.level, Level::Fail);
        assert!(small.text.contains("sysctl -w net.ipv4.tcp_mem='2000000 3000000 4000000'"), "{small}");
        assert_eq!(tcp_memory(1, &[]).level, Level::Warn);
    }

    #[test]
    fn memory_is_that_of_the_members_asked_for_and_of_the_kernel() {
        let bound = MemoryBound {
            fixed: 0,
            log: 8 << 20,
            addresses: 0,
            members: 1_000_000,
            member_idle: 400,
            member_worst: 20_000,
        };
        let finding = |available| memory(&bound, available);
        let gib = |count: u64| Some(count << 30);
        assert_eq!(finding(gib(32)).level, Level::Ok);
        assert!(finding(gib(32)).text.contains("1000000 members of at most"), "{}", finding(gib(32)));
        assert!(finding(gib(32)).text.contains("about 3.8 GiB in the kernel"), "{}", finding(gib(32)));
        assert_eq!(finding(gib(8)).level, Level::Warn);
        assert!(finding(gib(8)).text.ends_with("8.0 GiB are available: choose smaller sizes or fewer members"));
        assert_eq!(finding(gib(4)).level, Level::Fail);
        assert_eq!(finding(None).level, Level::Warn);
    }

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
