//! The machine as it is: what of its limits and settings decides how large a room can be measured on it.

use std::fs;

use crate::error::{Context, Result};
use crate::sys;

/// What the machine has; `None` where it does not say.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    pub descriptors_hard: u64,
    pub file_max: Option<u64>,
    pub somaxconn: Option<u64>,
    pub ports: Option<(u64, u64)>,
    /// In pages: below the first the kernel does nothing, above the last sockets fail.
    pub tcp_mem: Option<(u64, u64, u64)>,
    /// Places in the table that the kernel finds established connections by.
    pub established_places: Option<u64>,
    pub memory_available_bytes: Option<u64>,
    pub conntrack: Option<(u64, u64)>,
    pub processors: u64,
    pub governor: Option<String>,
    pub load: Option<f64>,
    pub io_uring_disabled: Option<u64>,
}

/// Reads all of it.
pub fn examine() -> Result<Machine> {
    let first = |name: &str| numbers(&format!("/proc/sys/{name}")).first().copied();
    Ok(Machine {
        descriptors_hard: sys::raise_descriptor_limit().context(|| "cannot read the descriptor limit".to_string())?,
        file_max: first("fs/file-max"),
        somaxconn: first("net/core/somaxconn"),
        ports: pair(&numbers("/proc/sys/net/ipv4/ip_local_port_range")),
        tcp_mem: match numbers("/proc/sys/net/ipv4/tcp_mem")[..] {
            [low, pressure, high] => Some((low, pressure, high)),
            _ => None,
        },
        // Negative in a namespace that shares the table of the whole machine.
        established_places: established_places(),
        memory_available_bytes: available_bytes(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
        conntrack: first("net/netfilter/nf_conntrack_count").zip(first("net/netfilter/nf_conntrack_max")),
        processors: sys::processors(),
        governor: fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
            .ok()
            .map(|governor| governor.trim().to_string()),
        load: fs::read_to_string("/proc/loadavg").ok().and_then(|load| load.split(' ').next()?.parse().ok()),
        io_uring_disabled: first("kernel/io_uring_disabled"),
    })
}

fn established_places() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/tcp_ehash_entries").ok()?;
    text.trim().parse::<i64>().ok().map(i64::unsigned_abs)
}

fn numbers(path: &str) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map_while(|number| number.parse().ok()).collect()
}

fn pair(numbers: &[u64]) -> Option<(u64, u64)> {
    match numbers {
        [first, second] => Some((*first, *second)),
        _ => None,
    }
}

fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read() {
        assert_eq!(available_bytes("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(available_bytes(""), None);
    }
}
