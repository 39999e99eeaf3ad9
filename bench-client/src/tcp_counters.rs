//! Counters of the kernel's TCP: which of them rose during a run.

use std::collections::BTreeMap;
use std::fs;

/// Counters of the kernel's TCP whose rise says that a run was not what it seemed.
const KERNEL_COUNTERS: [&str; 8] = [
    "ListenOverflows",
    "ListenDrops",
    "TCPMemoryPressures",
    "TCPAbortOnMemory",
    "TCPRcvQDrop",
    "PruneCalled",
    "TCPTimeouts",
    "RetransSegs",
];

/// The counters above, of this machine, now.
pub fn read() -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    for path in ["/proc/net/netstat", "/proc/net/snmp"] {
        read_counters(&fs::read_to_string(path).unwrap_or_default(), &mut counters);
    }
    counters
}

/// Pairs of lines: names, then values, each behind the same `Group:`.
fn read_counters(text: &str, counters: &mut BTreeMap<String, u64>) {
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.chunks_exact(2) {
        for (name, value) in pair[0].split_whitespace().zip(pair[1].split_whitespace()) {
            if KERNEL_COUNTERS.contains(&name)
                && let Ok(value) = value.parse()
            {
                counters.insert(name.to_string(), value);
            }
        }
    }
}

/// Counters that rose from `before` to `after`, and by how much.
pub fn rises(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let rise = |(name, value): (&String, &u64)| {
        let by = value.saturating_sub(before.get(name).copied().unwrap_or(*value));
        (by > 0).then(|| (name.clone(), by))
    };
    after.iter().filter_map(rise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rises_of_known_counters_are_told() {
        let mut before = BTreeMap::new();
        let mut after = BTreeMap::new();
        read_counters("TcpExt: ListenDrops Other PruneCalled\nTcpExt: 4 9 1\n", &mut before);
        read_counters("TcpExt: ListenDrops Other PruneCalled\nTcpExt: 6 99 1\n", &mut after);
        assert_eq!(rises(&before, &after), BTreeMap::from([("ListenDrops".to_string(), 2)]));
        assert!(!read().is_empty());
    }
}
