//! The finding on memory: what there is, and what the members take of it, in its parts.

use bytesize::ByteSize;

use super::{Finding, Level};
use crate::config::BackEnd;
use crate::limits::{EPOLL_ENTRY_BYTES, KERNEL_CONNECTION_BYTES, POLL_BYTES, UNREAD_LINE_BYTES};
use crate::memory::MemoryBound;

/// Compares the memory that is available with the most that the members take, and with what is the least: members that
/// only listen, and the kernel's memory of idle connections.
pub fn finding(bound: &MemoryBound, back_end: BackEnd, available: Option<u64>) -> Finding {
    let of_each = |bytes: usize| bound.members.saturating_mul(bytes) as u64;
    let waiting = match back_end {
        BackEnd::Uring => of_each(POLL_BYTES),
        BackEnd::Epoll => of_each(EPOLL_ENTRY_BYTES),
        BackEnd::Select => 0,
    };
    let kernel = of_each(KERNEL_CONNECTION_BYTES);
    let sockets = of_each(KERNEL_CONNECTION_BYTES - POLL_BYTES);
    let unread = of_each(UNREAD_LINE_BYTES);
    let most = (bound.total() as u64).saturating_add(sockets + waiting);
    let least = of_each(bound.member_idle).saturating_add(sockets + waiting);
    let text = format!(
        "memory: {bound}; about {} in the kernel, {} an idle connection: {} of sockets, {} to wait for input; {} more with \
         one unread line each, and as much again for clients on this machine",
        ByteSize(kernel),
        ByteSize(KERNEL_CONNECTION_BYTES as u64),
        ByteSize(sockets),
        ByteSize(waiting),
        ByteSize(unread),
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

/// Memory that is available, in bytes, by the kernel's own estimate.
pub fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_that_of_the_members_asked_for_and_of_the_kernel() {
        let bound = MemoryBound {
            fixed: 0,
            logs: 8 << 20,
            rooms: 0,
            addresses: 0,
            members: 1_000_000,
            member_idle: 400,
            member: 8_000,
            member_worst: 20_000,
            buffers: 256 << 20,
            kernel_per_table: 0,
        };
        let finding = |available| finding(&bound, BackEnd::Uring, available);
        let gib = |count: u64| Some(count << 30);
        assert_eq!(finding(gib(32)).level, Level::Ok);
        assert!(finding(gib(32)).text.contains("1000000 members of at most"), "{}", finding(gib(32)));
        let parts =
            "about 3.8 GiB in the kernel, 4.0 KiB an idle connection: 3.6 GiB of sockets, 244.1 MiB to wait for input";
        assert!(finding(gib(32)).text.contains(parts), "{}", finding(gib(32)));
        assert!(finding(gib(32)).text.contains("; 1.0 GiB more with one unread line each"), "{}", finding(gib(32)));
        assert_eq!(finding(gib(8)).level, Level::Warn);
        assert!(finding(gib(8)).text.ends_with("8.0 GiB are available: choose smaller sizes or fewer members"));
        assert_eq!(finding(gib(4)).level, Level::Fail);
        assert_eq!(finding(None).level, Level::Warn);
    }
}
