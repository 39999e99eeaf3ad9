//! The `doctor` command: what a room of N members needs of this machine, what it has, and the command that changes it.
//!
//! One line a finding, ok, warn or fail; exit code 0, or 1 with a failure. It changes nothing. Facts are read first and
//! judged by functions that read nothing, so that every judgement has a test.

use std::fmt;
use std::fs;

use clap::Args;

use crate::error::{Context, Result, exit};
use crate::measure::{self, OWN_DESCRIPTORS};
use crate::quantities::{count, parse_count};
use crate::sources::{MEMBERS_PER_SOURCE, SOURCES_MAX};
use crate::sys;

/// Pages of TCP memory of a member's two sockets on one machine, with an unread line.
const TCP_PAGES_PER_MEMBER: u64 = 2;
/// Kernel and server memory of a member's two sockets, measured as 7.9 KB idle and 1.1 KB more with an unread line.
const MEMORY_PER_MEMBER_BYTES: u64 = 9 * 1024;
/// Connects under way at a time wait in the accept queue.
const SOMAXCONN_WANTED: u64 = 4096;
/// Runnable processes beside the run, as load average.
const LOAD_MAX: f64 = 0.5;

/// What the machine has; `None` where it does not say.
#[derive(Debug, Clone, Default)]
struct Machine {
    descriptors_hard: u64,
    file_max: Option<u64>,
    somaxconn: Option<u64>,
    ports: Option<(u64, u64)>,
    /// In pages: below the first the kernel does nothing, above the last sockets fail.
    tcp_mem: Option<(u64, u64, u64)>,
    memory_available_bytes: Option<u64>,
    conntrack: Option<(u64, u64)>,
    processors: u64,
    governor: Option<String>,
    load: Option<f64>,
    io_uring_disabled: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug)]
struct Finding {
    level: Level,
    text: String,
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

#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Members of the room
    #[arg(short, long, default_value = "1k", value_name = "N", value_parser = parse_count)]
    pub connections: u64,
}

/// Prints the findings; returns the exit code.
pub fn command(arguments: &DoctorArgs) -> Result<u8> {
    let findings = judge(&examine()?, arguments.connections);
    for finding in &findings {
        println!("{finding}");
    }
    let failed = findings.iter().any(|finding| finding.level == Level::Fail);
    Ok(if failed { exit::FAILED } else { exit::GOOD })
}

fn examine() -> Result<Machine> {
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

fn judge(machine: &Machine, members: u64) -> Vec<Finding> {
    let mut findings = vec![descriptors(machine, members), ports(machine, members), processors(machine)];
    let has = |name: &str, value: Option<u64>, wanted: u64, level: Level, fix: String| {
        value.map(|value| at_least(name, value, wanted, level, &fix))
    };
    let files = 2 * members + 10_000;
    findings.extend(has("fs.file-max", machine.file_max, files, Level::Fail, format!("sysctl -w fs.file-max={files}")));
    let backlog = SOMAXCONN_WANTED.min(members);
    let fix = format!("sysctl -w net.core.somaxconn={SOMAXCONN_WANTED}");
    findings.extend(has("net.core.somaxconn", machine.somaxconn, backlog, Level::Warn, fix));
    findings.extend(machine.tcp_mem.map(|tcp_mem| tcp_memory(tcp_mem, members)));
    findings.extend(machine.memory_available_bytes.map(|bytes| memory(bytes, members)));
    findings.extend(machine.conntrack.and_then(|conntrack| tracked(conntrack, members)));
    findings.extend(machine.governor.as_deref().map(governor));
    findings.extend(machine.load.map(load));
    findings.extend(machine.io_uring_disabled.map(io_uring));
    findings
}

fn at_least(name: &str, value: u64, wanted: u64, level: Level, fix: &str) -> Finding {
    if value >= wanted {
        return Finding { level: Level::Ok, text: format!("{name} is {}", count(value)) };
    }
    Finding { level, text: format!("{name} is {} and should be at least {}: {fix}", count(value), count(wanted)) }
}

fn descriptors(machine: &Machine, members: u64) -> Finding {
    let wanted = members + OWN_DESCRIPTORS;
    let fix = format!(
        "ulimit -Hn {wanted} as root, in the shell that starts the run; LimitNOFILE={wanted} in a systemd unit"
    );
    let name = "the descriptor limit of a process";
    match measure::processes_for(members as usize, machine.descriptors_hard, None) {
        Ok(processes) if processes > 1 => Finding {
            level: Level::Warn,
            text: format!(
                "{name} is {}: this tool spreads the members over {processes} processes; a server with a descriptor a member needs {fix}",
                count(machine.descriptors_hard)
            ),
        },
        _ => at_least(name, machine.descriptors_hard, wanted, Level::Fail, &fix),
    }
}

fn ports(machine: &Machine, members: u64) -> Finding {
    let (low, high) = machine.ports.unwrap_or((32_768, 60_999));
    let sources = members.div_ceil(MEMBERS_PER_SOURCE as u64).min(SOURCES_MAX as u64);
    let ports = (high + 1).saturating_sub(low) * sources;
    let fix = "sysctl -w net.ipv4.ip_local_port_range='1024 65535'";
    at_least(&format!("ports to connect from, on {sources} loopback addresses,"), ports, members, Level::Fail, fix)
}

fn processors(machine: &Machine) -> Finding {
    match machine.processors {
        1 => Finding {
            level: Level::Fail,
            text: "one processor: server and client would share it, and every latency would be of both".to_string(),
        },
        several => Finding { level: Level::Ok, text: format!("{several} processors, pin with --pin 0,1") },
    }
}

fn tcp_memory((_, pressure, high): (u64, u64, u64), members: u64) -> Finding {
    let wanted = members * TCP_PAGES_PER_MEMBER;
    let fix = format!("sysctl -w net.ipv4.tcp_mem='{} {} {}'", wanted, wanted * 3 / 2, wanted * 2);
    let level = if high < wanted { Level::Fail } else { Level::Warn };
    at_least("net.ipv4.tcp_mem's second value, pages before the kernel saves memory,", pressure, wanted, level, &fix)
}

fn memory(available_bytes: u64, members: u64) -> Finding {
    let wanted = members * MEMORY_PER_MEMBER_BYTES / (1 << 20) + 256;
    at_least(
        "memory available, in MiB,",
        available_bytes >> 20,
        wanted,
        Level::Fail,
        "end something else, or measure fewer members",
    )
}

/// None where no connection is tracked.
fn tracked((tracked, most): (u64, u64), members: u64) -> Option<Finding> {
    let fix = format!("sysctl -w net.netfilter.nf_conntrack_max={}, or do not track loopback", 4 * members);
    (tracked > 0).then(|| at_least("net.netfilter.nf_conntrack_max", most, 2 * members, Level::Fail, &fix))
}

fn governor(governor: &str) -> Finding {
    match governor {
        "performance" => Finding { level: Level::Ok, text: "the processor's governor is performance".to_string() },
        other => Finding {
            level: Level::Warn,
            text: format!(
                "the processor's governor is {other}, so its speed changes: cpupower frequency-set -g performance"
            ),
        },
    }
}

fn load(load: f64) -> Finding {
    let (level, text) = if load > LOAD_MAX {
        (Level::Warn, format!("the load average is {load:.2}: something else runs; wait, or see `top`"))
    } else {
        (Level::Ok, format!("the load average is {load:.2}"))
    };
    Finding { level, text }
}

fn io_uring(disabled: u64) -> Finding {
    match disabled {
        0 => Finding { level: Level::Ok, text: "io_uring is allowed".to_string() },
        _ => Finding {
            level: Level::Warn,
            text: format!(
                "kernel.io_uring_disabled is {disabled}, so there is no floor through a ring, and the server may refuse: \
                 sysctl -w kernel.io_uring_disabled=0"
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Machine {
        Machine {
            descriptors_hard: 20_000,
            file_max: Some(1_000_000),
            somaxconn: Some(4096),
            ports: Some((32_768, 60_999)),
            tcp_mem: Some((280_000, 370_000, 560_000)),
            memory_available_bytes: Some(8 << 30),
            conntrack: Some((0, 1000)),
            processors: 2,
            governor: Some("performance".to_string()),
            load: Some(0.1),
            io_uring_disabled: Some(0),
        }
    }

    #[test]
    fn a_good_machine_has_nothing_to_mend() {
        let findings = judge(&good(), 19_000);
        assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:?}");
        assert_eq!(findings.len(), 10);
    }

    #[test]
    fn each_lack_has_its_command() {
        type Spoil = fn(&mut Machine);
        let cases: [(Spoil, Level, &str); 13] = [
            (|here| here.descriptors_hard = 1024, Level::Warn, "ulimit -Hn 19032"),
            (|here| here.descriptors_hard = 300, Level::Fail, "ulimit -Hn 19032"),
            (|here| here.file_max = Some(20_000), Level::Fail, "sysctl -w fs.file-max=48000"),
            (|here| here.somaxconn = Some(128), Level::Warn, "sysctl -w net.core.somaxconn=4096"),
            (|here| here.ports = Some((60_000, 60_999)), Level::Fail, "sysctl -w net.ipv4.ip_local_port_range="),
            (
                |here| here.tcp_mem = Some((1, 20_000, 80_000)),
                Level::Warn,
                "sysctl -w net.ipv4.tcp_mem='38000 57000 76000'",
            ),
            (|here| here.tcp_mem = Some((1, 2, 3)), Level::Fail, "sysctl -w net.ipv4.tcp_mem="),
            (|here| here.memory_available_bytes = Some(1 << 27), Level::Fail, "fewer members"),
            (|here| here.conntrack = Some((7, 1000)), Level::Fail, "nf_conntrack_max=76000"),
            (|here| here.processors = 1, Level::Fail, "one processor"),
            (
                |here| here.governor = Some("powersave".to_string()),
                Level::Warn,
                "cpupower frequency-set -g performance",
            ),
            (|here| here.load = Some(2.0), Level::Warn, "load average is 2.00"),
            (|here| here.io_uring_disabled = Some(2), Level::Warn, "sysctl -w kernel.io_uring_disabled=0"),
        ];
        for (spoil, level, fix) in cases {
            let mut machine = good();
            spoil(&mut machine);
            let findings = judge(&machine, 19_000);
            let wrong: Vec<&Finding> = findings.iter().filter(|finding| finding.level != Level::Ok).collect();
            assert!(matches!(wrong[..], [one] if one.level == level && one.text.contains(fix)), "{fix}: {wrong:?}");
        }
    }

    #[test]
    fn available_memory_is_read() {
        assert_eq!(available_bytes("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(available_bytes(""), None);
    }
}
