//! Findings on limits of the whole machine, as its kernel gives them in `/proc/sys`.

use super::{Finding, Level};

/// Pages of TCP memory that a member takes with one unread line, receiver and sender on one machine.
const TCP_PAGES_PER_MEMBER: u64 = 2;

/// Up to this many members, connections that may wait to be accepted, or to be established, before a storm of joins
/// meets refusals and one-second retries; and how many for more members.
const SMALL_MEMBERS: u64 = 20_000;
const SOMAXCONN_SMALL: u64 = 4096;
const SYN_BACKLOG_SMALL: u64 = 2048;
const BACKLOG_LARGE: u64 = 65_535;

/// Connections for each bucket of the kernel's table of established ones, up to which looking one up stays cheap.
const CONNECTIONS_PER_BUCKET: u64 = 2;

/// Most buckets that a network namespace may have (`tcp_child_ehash_entries`, Linux 6.1).
const BUCKETS_MAX: u64 = 1 << 24;

/// The numbers in a file of `/proc/sys`; none when it cannot be read.
pub fn numbers(name: &str) -> Vec<i64> {
    let text = std::fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
    text.split_whitespace().map_while(|word| word.parse().ok()).collect()
}

/// The first number in a file of `/proc/sys`, without its sign.
pub fn number(name: &str) -> Option<u64> {
    numbers(name).first().map(|number| number.unsigned_abs())
}

/// A number that is to be at least `wanted`, where too little makes things slow.
fn at_least(name: &str, value: Option<u64>, wanted: u64, good: &str, low: &str) -> Finding {
    match value {
        None => Finding::new(Level::Warn, format!("{name} cannot be read")),
        Some(value) if value >= wanted => Finding::new(Level::Ok, format!("{name} {value}: {good}")),
        Some(value) => Finding::new(Level::Warn, format!("{name} {value} {low}; raise it: sysctl -w {name}={wanted}")),
    }
}

pub fn somaxconn(members: u64, value: Option<u64>) -> Finding {
    let wanted = if members <= SMALL_MEMBERS { SOMAXCONN_SMALL } else { BACKLOG_LARGE };
    let (good, low) = ("a storm of joins finds place to wait", "is low for a storm of joins");
    at_least("net.core.somaxconn", value, wanted, good, low)
}

pub fn syn_backlog(members: u64, value: Option<u64>) -> Finding {
    let wanted = if members <= SMALL_MEMBERS { SYN_BACKLOG_SMALL } else { BACKLOG_LARGE };
    let (good, low) =
        ("a storm of joins is taken in", "is low for a storm of joins, of which some try again after a second");
    at_least("net.ipv4.tcp_max_syn_backlog", value, wanted, good, low)
}

/// `tcp_mem` is three numbers of pages: no pressure below the first, pressure from the second, refusal from the third
/// (tcp(7)).
pub fn tcp_memory(members: u64, tcp_mem: &[i64]) -> Finding {
    let needed = members.saturating_mul(TCP_PAGES_PER_MEMBER);
    let [_, pressure, most] = *tcp_mem else {
        return Finding::new(Level::Warn, "net.ipv4.tcp_mem cannot be read");
    };
    let (pressure, most) = (pressure.unsigned_abs(), most.unsigned_abs());
    if needed <= pressure {
        let text = format!("net.ipv4.tcp_mem: {members} members with an unread line take {needed} of {pressure} pages");
        return Finding::new(Level::Ok, text);
    }
    let level = if needed <= most { Level::Warn } else { Level::Fail };
    let has = format!("there is pressure from {pressure} pages and refusal from {most}");
    let [low, pressure, most] = [needed, needed.saturating_mul(3) / 2, needed.saturating_mul(2)];
    let text = format!(
        "net.ipv4.tcp_mem is too small for {members} members with an unread line, {needed} pages: {has}; raise it: sysctl \
         -w net.ipv4.tcp_mem='{low} {pressure} {most}'"
    );
    Finding::new(level, text)
}

/// Every socket is a file, also one with a direct descriptor. `open` are those that the machine has open now.
pub fn file_max(members: u64, value: Option<u64>, open: Option<u64>) -> Finding {
    let Some(value) = value else { return Finding::new(Level::Warn, "fs.file-max cannot be read") };
    let open = open.unwrap_or(0);
    let (server, both) = (open.saturating_add(members), open.saturating_add(members.saturating_mul(2)));
    if both <= value {
        let text =
            format!("fs.file-max {value}: {open} files are open, and {members} members, with clients here, fit in");
        return Finding::new(Level::Ok, text);
    }
    let (level, whose) =
        if server <= value { (Level::Warn, "and their clients on this machine") } else { (Level::Fail, "") };
    let text = format!(
        "fs.file-max {value} is too low for {members} members {whose} beside {open} open files; raise it: sysctl -w \
         fs.file-max={both}"
    );
    Finding::new(level, text)
}

/// The table in which the kernel looks up the connection of each packet. It is made at boot, or with a network
/// namespace.
pub fn hash_table(members: u64, buckets: Option<u64>, child_buckets: Option<u64>) -> Finding {
    let name = "net.ipv4.tcp_ehash_entries";
    let Some(buckets) = buckets else { return Finding::new(Level::Warn, format!("{name} cannot be read")) };
    if members <= buckets.saturating_mul(CONNECTIONS_PER_BUCKET) {
        return Finding::new(Level::Ok, format!("{name} {buckets}: each packet finds its connection soon"));
    }
    let wanted = members.saturating_mul(2).checked_next_power_of_two().unwrap_or(BUCKETS_MAX).min(BUCKETS_MAX);
    let set = match child_buckets {
        Some(set) if set >= wanted => format!("a new network namespace has {set}"),
        _ => format!("sysctl -w net.ipv4.tcp_child_ehash_entries={wanted}"),
    };
    let text = format!(
        "{name} {buckets} is low for {members} members, and each packet is looked up in it; have a larger one: {set}, then \
         run in a new namespace (unshare -n sh -c 'ip link set lo up; ...'), or boot with thash_entries={wanted}"
    );
    Finding::new(Level::Warn, text)
}

/// A client on this machine needs a port of its own for each connection to the same address of the server.
pub fn ports(members: u64, range: &[i64]) -> Finding {
    let [low, high] = *range else {
        return Finding::new(Level::Warn, "net.ipv4.ip_local_port_range cannot be read");
    };
    let ports = u64::try_from(high - low + 1).unwrap_or(0).max(1);
    let name = format!("net.ipv4.ip_local_port_range {low} {high}");
    if members <= ports {
        return Finding::new(Level::Ok, format!("{name}: {ports} ports for clients on this machine"));
    }
    let addresses = members.div_ceil(ports);
    let wide = members.div_ceil(65_535 - 1024 + 1);
    let text = format!(
        "{name}: clients on this machine have {ports} ports to each address of the server, so {members} members need \
         {addresses} addresses (listen on 0.0.0.0 and connect to 127.0.0.1, 127.0.0.2 and so on); {wide} are enough with \
         more ports: sysctl -w net.ipv4.ip_local_port_range='1024 65535'"
    );
    Finding::new(Level::Warn, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_names_its_remedy() {
        assert_eq!(somaxconn(19_000, Some(4096)).level, Level::Ok);
        assert_eq!(somaxconn(19_000, Some(128)).level, Level::Warn);
        assert_eq!(somaxconn(19_000, None).level, Level::Warn);
        assert!(somaxconn(1_000_000, Some(4096)).text.ends_with("sysctl -w net.core.somaxconn=65535"));
        assert_eq!(syn_backlog(19_000, Some(2048)).level, Level::Ok);
        assert!(syn_backlog(1_000_000, Some(2048)).text.ends_with("sysctl -w net.ipv4.tcp_max_syn_backlog=65535"));

        assert_eq!(tcp_memory(19_000, &[1, 38_000, 50_000]).level, Level::Ok);
        assert_eq!(tcp_memory(19_000, &[1, 37_999, 50_000]).level, Level::Warn);
        let small = tcp_memory(1_000_000, &[1, 2, 3]);
        assert_eq!(small.level, Level::Fail);
        assert!(small.text.contains("sysctl -w net.ipv4.tcp_mem='2000000 3000000 4000000'"), "{small}");
        assert_eq!(tcp_memory(1, &[]).level, Level::Warn);
    }

    #[test]
    fn files_of_both_ends_count_where_both_are_here() {
        let million = |value| file_max(1_000_000, Some(value), Some(500));
        assert_eq!(million(2_000_500).level, Level::Ok);
        assert_eq!(million(2_000_499).level, Level::Warn);
        assert_eq!(million(1_000_499).level, Level::Fail);
        assert!(million(1000).text.ends_with("sysctl -w fs.file-max=2000500"), "{}", million(1000));
        assert_eq!(file_max(1, None, None).level, Level::Warn);
    }

    #[test]
    fn a_hash_table_is_large_enough_or_made_larger_with_a_namespace() {
        assert_eq!(hash_table(19_000, Some(262_144), Some(0)).level, Level::Ok);
        let small = hash_table(1_000_000, Some(262_144), Some(0));
        assert_eq!(small.level, Level::Warn);
        assert!(small.text.contains("sysctl -w net.ipv4.tcp_child_ehash_entries=2097152"), "{small}");
        let set = hash_table(1_000_000, Some(262_144), Some(4_194_304));
        assert!(set.text.contains("a new network namespace has 4194304"), "{set}");
        assert_eq!(hash_table(1, None, None).level, Level::Warn);
    }

    #[test]
    fn ports_are_counted_for_each_address() {
        assert_eq!(ports(19_000, &[32_768, 60_999]).level, Level::Ok);
        let few = ports(1_000_000, &[32_768, 60_999]);
        assert_eq!(few.level, Level::Warn);
        assert!(few.text.contains("have 28232 ports") && few.text.contains("need 36 addresses"), "{few}");
        assert!(few.text.contains("16 are enough with more ports: sysctl -w net.ipv4.ip_local_port_range="), "{few}");
        assert_eq!(ports(1, &[]).level, Level::Warn);
    }
}
