//! `env.json`: the machine, the kernel and the commands a set of runs was made with.
//!
//! Figures of another machine are other figures; this says which machine. What cannot be read is null, never guessed.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::tcp_counters;

/// Everything about this machine that decides what a run comes to, and the command line.
/// `kind` is what the folder holds, which is also the end of its name.
pub fn describe(kind: &str) -> Value {
    json!({
        "schema": 1,
        "kind": kind,
        "started": humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        "tool": format!("bench-client {}", env!("CARGO_PKG_VERSION")),
        "command_line": std::env::args().collect::<Vec<_>>(),
        "git_commit": output("git", &["rev-parse", "HEAD"]),
        // Results and documents decide nothing of what is measured, and change while sets are made one after the other.
        "git_dirty": output("git", &["status", "--porcelain", "--", ":!results", ":!*.md"]).map(|changes| !changes.is_empty()),
        "rustc": output("rustc", &["--version"]),
        "kernel": line("/proc/sys/kernel/osrelease"),
        "kernel_version": line("/proc/sys/kernel/version"),
        "cpu": cpu(),
        "memory_kib": meminfo("MemTotal:"),
        "load_average": line("/proc/loadavg"),
        "clocksource": line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "governor": line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "mitigations": mitigations(),
        "descriptor_limit": descriptor_limit(),
        "sysctl": sysctls(),
        "io_uring_disabled": line("/proc/sys/kernel/io_uring_disabled"),
        "kernel_counters": tcp_counters::read(),
    })
}

/// Machine, kernel and commit of an `env.json` in a few words: `AMD EPYC, 2 virtual processors, Linux 6.18.44, commit fc705dd`.
pub fn in_short(environment: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_string);
    let mut words = Vec::new();
    words.extend(text(&environment["cpu"]["model"]));
    if let Some(processors) = environment["cpu"]["processors"].as_u64() {
        let kind = if environment["cpu"]["virtual"] == true { " virtual" } else { "" };
        words.push(format!("{processors}{kind} processor{}", if processors == 1 { "" } else { "s" }));
    }
    let kernel = text(&environment["kernel"]);
    words.extend(kernel.map(|release| format!("Linux {}", release.split('-').next().unwrap_or_default())));
    let changed = if environment["git_dirty"] == true { " and changes" } else { "" };
    let commit = text(&environment["git_commit"]);
    words.extend(commit.map(|commit| format!("commit {}{changed}", &commit[..commit.len().min(7)])));
    words.join(", ")
}

fn line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_string())
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn cpu() -> Value {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_string())
    };
    let flags = value("flags").unwrap_or_default();
    json!({
        "model": value("model name"),
        "processors": info.lines().filter(|line| line.starts_with("processor")).count(),
        "virtual": flags.split(' ').any(|flag| flag == "hypervisor"),
    })
}

fn meminfo(name: &str) -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    info.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn mitigations() -> Map<String, Value> {
    let mut found = Map::new();
    for entry in fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().flatten() {
        let state = fs::read_to_string(entry.path()).unwrap_or_default().trim().to_string();
        if state.starts_with("Mitigation") || state.starts_with("Vulnerable") {
            found.insert(entry.file_name().to_string_lossy().into_owned(), Value::String(state));
        }
    }
    found
}

/// Soft and hard, as this process has them.
fn descriptor_limit() -> Option<Value> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let mut fields = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace();
    Some(json!({ "soft": fields.next()?, "hard": fields.next()? }))
}

fn sysctls() -> Map<String, Value> {
    let names = [
        "net/ipv4/tcp_mem",
        "net/ipv4/tcp_rmem",
        "net/ipv4/tcp_wmem",
        "net/ipv4/ip_local_port_range",
        "net/ipv4/tcp_max_syn_backlog",
        "net/ipv4/tcp_ehash_entries",
        "net/ipv4/tcp_child_ehash_entries",
        "net/core/somaxconn",
        "net/core/netdev_max_backlog",
        "net/netfilter/nf_conntrack_count",
        "net/netfilter/nf_conntrack_max",
        "fs/file-max",
        "fs/nr_open",
    ];
    let read =
        |name: &str| (name.replace('/', "."), line(&format!("/proc/sys/{name}")).map_or(Value::Null, Value::String));
    names.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let environment = describe("rooms");
        assert_eq!(environment["schema"], 1);
        assert!(environment["cpu"]["processors"].as_u64().unwrap() > 0);
        assert!(environment["kernel"].is_string());
        assert!(environment["sysctl"]["net.core.somaxconn"].is_string());
        let short = in_short(&environment);
        assert!(short.contains(" processor") && short.contains("Linux "), "{short}");
    }

    #[test]
    fn a_machine_is_told_in_a_few_words() {
        let environment = json!({
            "cpu": { "model": "AMD EPYC", "processors": 2, "virtual": true },
            "kernel": "6.18.44-fc-v669", "git_commit": "fc705dd28d34cf", "git_dirty": false,
        });
        assert_eq!(in_short(&environment), "AMD EPYC, 2 virtual processors, Linux 6.18.44, commit fc705dd");
        assert_eq!(in_short(&json!({})), "");
    }
}
