//! Findings on descriptors: ordinary ones up to the limit of the process, direct ones in tables of io_uring beyond it.

use bytesize::ByteSize;
use rustix::process::{Resource, getrlimit};

use super::{Finding, Level};
use crate::capacity::{Demand, TableSizes};
use crate::config::{BackEnd, Descriptors};
use crate::io::uring::{Sandbox, Tables};
use crate::limits::{
    COMPLETION_BYTES, DESCRIPTOR_RESERVE, RING_COMPLETIONS, RING_SUBMISSIONS, SUBMISSION_BYTES, TABLE_COMPLETIONS,
    TABLE_SUBMISSIONS,
};

/// CAP_IPC_LOCK, as a bit of the capabilities (capabilities(7)).
const CAP_IPC_LOCK: u32 = 14;

/// Whether there is a descriptor for each member. Tables are opened, because only that shows that the kernel gives
/// them.
pub fn finding(demand: &Demand) -> Finding {
    let (members, limit) = (demand.members.unwrap_or(0), demand.descriptor_limit);
    match demand.capacity() {
        Err(refused) if demand.back_end == BackEnd::Select => {
            Finding::new(Level::Fail, format!("{refused}; choose another --backend"))
        }
        Err(refused) => Finding::new(Level::Fail, format!("{refused}; {}", raise(members))),
        Ok(capacity) => match (capacity.tables, capacity.shortfall) {
            (_, Some(shortfall)) => Finding::new(Level::Fail, format!("{shortfall}; {}", raise(members))),
            (None, None) => {
                let places = demand.ordinary_max();
                Finding::new(Level::Ok, format!("descriptor limit {limit}: place for {places} members"))
            }
            (Some(tables), None) => in_tables(demand, tables),
        },
    }
}

fn in_tables(demand: &Demand, TableSizes { count, slots }: TableSizes) -> Finding {
    let (members, limit) = (demand.members.unwrap_or(0), demand.descriptor_limit);
    let refused = match Tables::open(count, slots, Sandbox::On) {
        Ok((_, None)) => {
            let text = format!(
                "descriptor limit {limit}: {members} members have {count} tables of {slots} direct descriptors instead"
            );
            return Finding::new(Level::Ok, text);
        }
        Ok((tables, Some(refused))) => format!("only {} of {count} tables are there: {refused}", tables.count()),
        Err(refused) => format!("direct descriptors cannot be used here: {refused}"),
    };
    let otherwise =
        if demand.descriptors == Descriptors::Direct { String::new() } else { format!("; or {}", raise(members)) };
    Finding::new(Level::Fail, format!("{refused}{otherwise}"))
}

/// How ordinary descriptors for all members are had.
fn raise(members: usize) -> String {
    let needed = members.saturating_add(DESCRIPTOR_RESERVE);
    format!("raise the descriptor limit: ulimit -Hn {needed} as root, or LimitNOFILE={needed} in the service's unit")
}

/// `nr_open` is the highest descriptor limit that a process may have (proc_sys_fs(5)).
pub fn nr_open(demand: &Demand, tables: Option<TableSizes>, value: Option<u64>) -> Finding {
    let needed = demand.members.unwrap_or(0).saturating_add(DESCRIPTOR_RESERVE) as u64;
    match value {
        None => Finding::new(Level::Warn, "fs.nr_open cannot be read"),
        Some(value) if tables.is_some() || demand.back_end == BackEnd::Select => {
            Finding::new(Level::Ok, format!("fs.nr_open {value}: not in the way"))
        }
        Some(value) if value >= needed => {
            Finding::new(Level::Ok, format!("fs.nr_open {value}: the descriptor limit may be {needed}"))
        }
        Some(value) => Finding::new(
            Level::Fail,
            format!(
                "fs.nr_open {value} forbids a descriptor limit of {needed}; raise it: sysctl -w fs.nr_open={needed}"
            ),
        ),
    }
}

/// The queues of a ring are locked memory since Linux 6.14, for a process without CAP_IPC_LOCK. All processes of a user
/// share the limit.
pub fn locked_memory(tables: Option<TableSizes>, limit: Option<u64>, may_lock: bool) -> Finding {
    let count = tables.map_or(0, |tables| tables.count);
    let needed = locked_bytes(RING_SUBMISSIONS, RING_COMPLETIONS)
        + count as u64 * locked_bytes(TABLE_SUBMISSIONS, TABLE_COMPLETIONS);
    let rings = format!("{} of locked memory for {} io_uring queues", ByteSize(needed), count + 1);
    match limit {
        _ if may_lock => Finding::new(Level::Ok, format!("CAP_IPC_LOCK: {rings} count against no limit")),
        None => Finding::new(Level::Ok, format!("locked memory is not limited: {rings}")),
        Some(limit) if limit >= needed => {
            Finding::new(Level::Ok, format!("limit on locked memory {}: {rings}", ByteSize(limit)))
        }
        Some(limit) => {
            let kib = needed.div_ceil(1024);
            let level = if count > 0 { Level::Fail } else { Level::Warn };
            let text = format!(
                "limit on locked memory {}, too little: {rings}; raise it: ulimit -l {kib} as root, LimitMEMLOCK={kib}K in \
                 the service's unit, or grant CAP_IPC_LOCK",
                ByteSize(limit)
            );
            Finding::new(level, text)
        }
    }
}

/// What the kernel takes for the two queues of a ring, in whole pages: the submissions, and the completions beside the
/// heads of both.
fn locked_bytes(submissions: u32, completions: u32) -> u64 {
    let page = rustix::param::page_size() as u64;
    let queue = |entries: u32, bytes: usize| u64::from(entries) * bytes as u64;
    let pages = |bytes: u64| bytes.div_ceil(page) * page;
    pages(queue(submissions, SUBMISSION_BYTES)) + pages(queue(completions, COMPLETION_BYTES) + 512)
}

/// The limit on locked memory of this process, in bytes; `None` for no limit.
pub fn locked_memory_limit() -> Option<u64> {
    getrlimit(Resource::Memlock).current
}

/// True when this process may lock as much memory as it likes.
pub fn may_lock_memory() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = capabilities.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    capabilities >> CAP_IPC_LOCK & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(members: usize, descriptor_limit: usize, back_end: BackEnd) -> Demand {
        Demand {
            beside: 0,
            members: Some(members),
            descriptors: Descriptors::Auto,
            table_slots: None,
            back_end,
            is_back_end_asked_for: false,
            descriptor_limit,
        }
    }

    #[test]
    fn too_few_descriptors_are_named_with_the_command_that_raises_them() {
        let limit = finding(&demand(19_000, 1024, BackEnd::Epoll));
        assert_eq!(limit.level, Level::Fail);
        assert!(limit.text.contains("ulimit -Hn 19032"), "{limit}");
        assert!(limit.text.contains("LimitNOFILE=19032") && limit.text.contains("1024"), "{limit}");
        assert_eq!(finding(&demand(19_000, 20_000, BackEnd::Epoll)).level, Level::Ok);
        let select = finding(&demand(5000, 20_000, BackEnd::Select));
        assert_eq!(select.level, Level::Fail);
    }

    #[test]
    fn beyond_the_limit_there_are_tables_or_it_is_said_why_not() {
        let tables = finding(&Demand { table_slots: Some(2), ..demand(5, 36, BackEnd::Uring) });
        println!("{tables}");
        let is_told = tables.text.contains("3 tables of 2 direct descriptors") || tables.text.contains("ulimit -Hn 37");
        assert!(is_told, "{tables}");
    }

    #[test]
    fn nr_open_is_in_the_way_of_ordinary_descriptors_alone() {
        let million = demand(1_000_000, 20_000, BackEnd::Epoll);
        assert_eq!(nr_open(&million, None, Some(1_048_576)).level, Level::Ok);
        let low = nr_open(&million, None, Some(1_000_000));
        assert_eq!(low.level, Level::Fail);
        assert!(low.text.ends_with("sysctl -w fs.nr_open=1000032"), "{low}");
        let tables = Some(TableSizes { count: 50, slots: 20_000 });
        assert_eq!(nr_open(&million, tables, Some(20_000)).level, Level::Ok);
        assert_eq!(nr_open(&million, None, None).level, Level::Warn);
    }

    #[test]
    fn locked_memory_is_reckoned_for_the_rings_in_use() {
        let tables = Some(TableSizes { count: 50, slots: 20_000 });
        assert_eq!(locked_memory(tables, Some(8 << 20), false).level, Level::Ok);
        let low = locked_memory(tables, Some(1 << 20), false);
        assert_eq!(low.level, Level::Fail);
        assert!(low.text.contains("ulimit -l ") && low.text.contains("for 51 io_uring queues"), "{low}");
        assert_eq!(locked_memory(tables, Some(1 << 20), true).level, Level::Ok);
        assert_eq!(locked_memory(tables, None, false).level, Level::Ok);
        assert_eq!(locked_memory(None, Some(64 << 10), false).level, Level::Warn, "epoll is there instead");
    }
}
