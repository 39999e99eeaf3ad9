//! The `doctor` command: what a room of N members needs of this machine, what it has, and the command that changes it.
//!
//! One line a finding, ok, warn or fail; exit code 0, or 1 with a failure. It changes nothing, unless it is told to set what
//! sysctl can. Facts are read first and judged by functions that read nothing, so that every judgement has a test.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use clap::Args;

use crate::error::{Context, Result, exit};
use crate::machine::{Machine, examine};
use crate::measure::{DESCRIPTORS_SPARE, OWN_DESCRIPTORS, processes_for};
use crate::processes::PROCESSES_MAX;
use crate::quantities::{count, parse_count};
use crate::sources::{MEMBERS_PER_SOURCE, SOURCES_MAX};

/// Pages of TCP memory of a member's two sockets on one machine, with an unread line.
const TCP_PAGES_PER_MEMBER: u64 = 2;
/// Kernel and server memory of a member's two sockets, measured as 7.9 KB idle and 1.1 KB more with an unread line.
const MEMORY_PER_MEMBER_BYTES: u64 = 9 * 1024;
/// Connects under way at a time wait in the accept queue.
const SOMAXCONN_WANTED: u64 = 4096;
/// Runnable processes beside the run, as load average.
const LOAD_MAX: f64 = 0.5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// What was found, with what mends it in its text.
#[derive(Debug)]
pub struct Finding {
    level: Level,
    text: String,
    /// The setting of the kernel that mends it, if one does.
    setting: Option<Setting>,
}

/// A setting of the kernel and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    name: &'static str,
    value: String,
}

/// What mends a finding.
enum Fix {
    Words(String),
    Set(Setting),
    /// And what is to be done besides.
    SetAnd(Setting, &'static str),
}

impl Fix {
    fn set(name: &'static str, value: impl ToString) -> Self {
        Self::Set(Setting { name, value: value.to_string() })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = if self.value.contains(char::is_whitespace) { "'" } else { "" };
        write!(f, "{}={quote}{}{quote}", self.name, self.value)
    }
}

impl Finding {
    fn new(level: Level, text: impl Into<String>) -> Self {
        Self { level, text: text.into(), setting: None }
    }

    fn mended(level: Level, text: &str, fix: Fix) -> Self {
        let (setting, then) = match fix {
            Fix::Words(words) => return Self::new(level, format!("{text}: {words}")),
            Fix::Set(setting) => (setting, ""),
            Fix::SetAnd(setting, then) => (setting, then),
        };
        Self { level, text: format!("{text}: sysctl -w {setting}{then}"), setting: Some(setting) }
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

#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Members of the room
    #[arg(short, long, default_value = "1k", value_name = "N", value_parser = parse_count)]
    pub connections: u64,

    /// Set what sysctl can set of what is missing, until the machine is started anew; say what it was and how to put it back. Needs root
    #[arg(long)]
    pub set: bool,
}

/// Prints the findings; returns the exit code.
pub fn command(arguments: &DoctorArgs) -> Result<u8> {
    let members = arguments.connections;
    if arguments.set {
        set(&judge(&examine()?, members))?;
    }
    let findings = judge(&examine()?, members);
    for finding in &findings {
        println!("{finding}");
    }
    let failed = findings.iter().any(|finding| finding.level == Level::Fail);
    Ok(if failed { exit::FAILED } else { exit::GOOD })
}

/// What this machine lacks for a room of `members`.
pub fn lacks(members: u64) -> Result<Vec<Finding>> {
    Ok(judge(&examine()?, members).into_iter().filter(|finding| finding.level != Level::Ok).collect())
}

/// Sets what `findings` name, one setting after the other.
fn set(findings: &[Finding]) -> Result<()> {
    let mut before = Vec::new();
    for setting in findings.iter().filter_map(|finding| finding.setting.as_ref()) {
        let path = PathBuf::from("/proc/sys").join(setting.name.replace('.', "/"));
        let was = fs::read_to_string(&path).context(|| format!("cannot read {}", setting.name))?;
        let was = Setting { name: setting.name, value: was.split_whitespace().collect::<Vec<_>>().join(" ") };
        fs::write(&path, &setting.value).context(|| format!("cannot set {}; it takes root", setting.name))?;
        println!("set   {setting}, it was {}", was.value);
        before.push(was.to_string());
    }
    match before.is_empty() {
        true => println!("nothing to set"),
        false => println!("to put it back: sysctl -w {}", before.join(" ")),
    }
    Ok(())
}

fn judge(machine: &Machine, members: u64) -> Vec<Finding> {
    let mut findings = vec![descriptors(machine, members), ports(machine, members), processors(machine)];
    let has = |name: &'static str, value: Option<u64>, wanted: u64, level: Level, set: u64| {
        value.map(|value| at_least(name, value, wanted, level, Fix::set(name, set)))
    };
    let files = 2 * members + 10_000;
    findings.extend(has("fs.file-max", machine.file_max, files, Level::Fail, files));
    let backlog = SOMAXCONN_WANTED.min(members);
    findings.extend(has("net.core.somaxconn", machine.somaxconn, backlog, Level::Warn, SOMAXCONN_WANTED));
    findings.extend(machine.tcp_mem.map(|tcp_mem| tcp_memory(tcp_mem, members)));
    findings.extend(machine.established_places.map(|places| established(places, members)));
    findings.extend(machine.memory_available_bytes.map(|bytes| memory(bytes, members)));
    findings.extend(machine.conntrack.and_then(|conntrack| tracked(conntrack, members)));
    findings.extend(machine.governor.as_deref().map(governor));
    findings.extend(machine.load.map(load));
    findings.extend(machine.io_uring_disabled.map(io_uring));
    findings
}

fn at_least(name: &str, value: u64, wanted: u64, level: Level, fix: Fix) -> Finding {
    if value >= wanted {
        return Finding::new(Level::Ok, format!("{name} is {}", count(value)));
    }
    Finding::mended(level, &format!("{name} is {} and should be at least {}", count(value), count(wanted)), fix)
}

/// Members are spread over processes where one has too few descriptors for them.
fn descriptors(machine: &Machine, members: u64) -> Finding {
    let limit = machine.descriptors_hard;
    let text = format!("the descriptor limit of a process is {}", count(limit));
    if let Ok(processes) = processes_for(members as usize, limit, None) {
        let spread =
            if processes == 1 { String::new() } else { format!(": members are spread over {processes} processes") };
        return Finding::new(Level::Ok, text + &spread);
    }
    let wanted = members.div_ceil(PROCESSES_MAX as u64) + OWN_DESCRIPTORS + DESCRIPTORS_SPARE as u64;
    let fix = format!(
        "ulimit -Hn {wanted} as root, in the shell that starts the run; LimitNOFILE={wanted} in a systemd unit"
    );
    Finding::mended(Level::Fail, &format!("{text}, too few even for {PROCESSES_MAX} processes"), Fix::Words(fix))
}

fn ports(machine: &Machine, members: u64) -> Finding {
    let (low, high) = machine.ports.unwrap_or((32_768, 60_999));
    let addresses = members.div_ceil(MEMBERS_PER_SOURCE as u64).min(SOURCES_MAX as u64);
    let ports = (high + 1).saturating_sub(low) * addresses;
    let fix = Fix::set("net.ipv4.ip_local_port_range", "1024 65535");
    let name = format!("ports to connect from, on {addresses} loopback addresses,");
    at_least(&name, ports, members, Level::Fail, fix)
}

fn processors(machine: &Machine) -> Finding {
    match machine.processors {
        1 => Finding::new(
            Level::Fail,
            "one processor: server and client would share it, and every latency would be of both",
        ),
        several => Finding::new(Level::Ok, format!("{several} processors, pin with --pin 0,1")),
    }
}

fn tcp_memory((_, pressure, high): (u64, u64, u64), members: u64) -> Finding {
    let wanted = members * TCP_PAGES_PER_MEMBER;
    let fix = Fix::set("net.ipv4.tcp_mem", format!("{} {} {}", wanted, wanted * 3 / 2, wanted * 2));
    let level = if high < wanted { Level::Fail } else { Level::Warn };
    at_least("net.ipv4.tcp_mem's second value, pages before the kernel saves memory,", pressure, wanted, level, fix)
}

/// A member on one machine has two sockets in that table, and each packet looks one of them up.
fn established(places: u64, members: u64) -> Finding {
    let setting =
        Setting { name: "net.ipv4.tcp_child_ehash_entries", value: (2 * members).next_power_of_two().to_string() };
    let then = ", and run in a network namespace of its own: unshare -n sh -c 'ip link set lo up && ...'";
    at_least("places for established connections", places, members, Level::Warn, Fix::SetAnd(setting, then))
}

fn memory(available_bytes: u64, members: u64) -> Finding {
    let wanted = members * MEMORY_PER_MEMBER_BYTES / (1 << 20) + 256;
    let fix = Fix::Words("end something else, or measure fewer members".to_string());
    at_least("memory available, in MiB,", available_bytes >> 20, wanted, Level::Fail, fix)
}

/// None where no connection is tracked.
fn tracked((tracked, most): (u64, u64), members: u64) -> Option<Finding> {
    let setting = Setting { name: "net.netfilter.nf_conntrack_max", value: (4 * members).to_string() };
    let fix = Fix::SetAnd(setting, ", or do not track loopback");
    (tracked > 0).then(|| at_least("net.netfilter.nf_conntrack_max", most, 2 * members, Level::Fail, fix))
}

fn governor(governor: &str) -> Finding {
    match governor {
        "performance" => Finding::new(Level::Ok, "the processor's governor is performance"),
        other => Finding::mended(
            Level::Warn,
            &format!("the processor's governor is {other}, so its speed changes"),
            Fix::Words("cpupower frequency-set -g performance".to_string()),
        ),
    }
}

fn load(load: f64) -> Finding {
    match load > LOAD_MAX {
        true => {
            Finding::new(Level::Warn, format!("the load average is {load:.2}: something else runs; wait, or see `top`"))
        }
        false => Finding::new(Level::Ok, format!("the load average is {load:.2}")),
    }
}

fn io_uring(disabled: u64) -> Finding {
    match disabled {
        0 => Finding::new(Level::Ok, "io_uring is allowed"),
        _ => Finding::mended(
            Level::Warn,
            &format!(
                "kernel.io_uring_disabled is {disabled}, so there is no floor through a ring, and the server may refuse"
            ),
            Fix::set("kernel.io_uring_disabled", 0),
        ),
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
            established_places: Some(262_144),
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
        assert_eq!(findings.len(), 11);
    }

    #[test]
    fn each_lack_has_its_command() {
        type Spoil = fn(&mut Machine);
        let cases: [(Spoil, Level, &str); 13] = [
            (|here| here.descriptors_hard = 128, Level::Fail, "ulimit -Hn 422"),
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
            (|here| here.established_places = Some(4096), Level::Warn, "tcp_child_ehash_entries=65536, and run in"),
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
    fn a_million_needs_what_sysctl_can_set() {
        let mut machine = good();
        machine.file_max = Some(2_466_177);
        machine.memory_available_bytes = Some(22 << 30);
        machine.tcp_mem = Some((287_901, 383_869, 575_802));
        let findings = judge(&machine, 1_000_000);
        assert_eq!(
            findings[0].text,
            "the descriptor limit of a process is 20,000: members are spread over 51 processes"
        );
        let settings: Vec<String> =
            findings.iter().filter_map(|finding| finding.setting.as_ref().map(ToString::to_string)).collect();
        let wanted = ["net.ipv4.tcp_mem='2000000 3000000 4000000'", "net.ipv4.tcp_child_ehash_entries=2097152"]
            .map(String::from);
        assert_eq!(settings, wanted);
        let lacking = findings.iter().filter(|finding| finding.level != Level::Ok).count();
        assert_eq!(lacking, 2, "{findings:?}");
    }
}
