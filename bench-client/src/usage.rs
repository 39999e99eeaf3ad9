//! What a run uses, read from `/proc`: processor time of the server and of this tool, memory, switches, stolen time.
//!
//! Processor time is the scheduler's own count in nanoseconds (`schedstat`), not the hundredths of a second of `stat`,
//! which only split it into user and system time. A sample is taken between sends, never while a room is served.

pub mod aftermath;

use std::cell::RefCell;
use std::fmt;
use std::fs;

use perf_event::events::Tracepoint;
use perf_event::{Builder, Counter};

use crate::error::{Context, Result};
use crate::sys;

/// What a process has used so far, all its threads together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessUsage {
    pub cpu_ns: u64,
    pub user_ticks: u64,
    pub system_ticks: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    /// Memory of its own (`RssAnon`), now.
    pub memory_bytes: u64,
}

impl ProcessUsage {
    /// Both together.
    fn with(self, other: &Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns + other.cpu_ns,
            user_ticks: self.user_ticks + other.user_ticks,
            system_ticks: self.system_ticks + other.system_ticks,
            voluntary_switches: self.voluntary_switches + other.voluntary_switches,
            involuntary_switches: self.involuntary_switches + other.involuntary_switches,
            memory_bytes: self.memory_bytes + other.memory_bytes,
        }
    }
}

/// What has been used up to one moment.
#[derive(Debug, Clone)]
pub struct Sample {
    pub at_ns: u64,
    /// None if no server process is known.
    pub server: Option<ProcessUsage>,
    /// System calls of the server's process; None unless they are counted.
    pub server_calls: Option<u64>,
    /// Of the measuring thread, and of the processes that have members if others have them.
    pub client_cpu_ns: u64,
    pub client_involuntary_switches: u64,
    /// Memory of its own (`RssAnon`) of this process and those.
    pub client_memory_bytes: u64,
    /// Clock ticks of all processors that went to anything at all.
    pub busy_ticks: u64,
    /// Clock ticks that the hypervisor gave to others, of all processors.
    pub steal_ticks: u64,
}

/// Memory of the kernel, of the whole machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelUsage {
    /// All that is not of processes and files: sockets, their inodes, what polls them.
    pub slab_bytes: u64,
    /// Unread and unacknowledged bytes of TCP, as it accounts for them.
    pub tcp_bytes: u64,
}

/// What a quiet room of all members takes beside memory of processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    pub kernel_before: KernelUsage,
    pub kernel_settled: KernelUsage,
    /// Open descriptors of the server.
    pub server_descriptors: Option<u64>,
}

/// Asks the server how many members it has; none if it does not answer within a second.
pub type AskMembers = Box<dyn Fn() -> Option<u64>>;

/// Takes samples of this tool, of the machine and of the server process if one is known.
pub struct Sampler {
    /// One a node, where the server is a cluster.
    server_pids: Vec<u32>,
    calls: Option<RefCell<Counter>>,
    /// Processes that have members instead of this one.
    processes: Vec<u32>,
    ask_members: Option<AskMembers>,
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").field("server_pids", &self.server_pids).finish_non_exhaustive()
    }
}

impl Sampler {
    pub fn new(server_pids: Vec<u32>) -> Self {
        Self { server_pids, calls: None, processes: Vec::new(), ask_members: None }
    }

    /// Counts the server's system calls too, which costs it some time at each.
    pub fn counting_calls(self) -> Result<Self> {
        // Calls of several nodes are not told apart, so they are counted where there is one.
        let [pid] = self.server_pids[..] else { return Ok(self) };
        Ok(Self { calls: Some(RefCell::new(call_counter(pid)?)), ..self })
    }

    /// Knows how to ask the server for its members, if `ask` is given.
    pub fn asking(self, ask_members: Option<AskMembers>) -> Self {
        Self { ask_members, ..self }
    }

    /// What `processes` use is this tool's too.
    pub fn add_processes(&mut self, processes: Vec<u32>) {
        self.processes = processes;
    }

    fn knows_server(&self) -> bool {
        !self.server_pids.is_empty()
    }

    /// Descriptors that the server, or all nodes together, have open.
    fn server_descriptors(&self) -> Option<u64> {
        self.server_pids.iter().map(|pid| descriptors(*pid)).sum::<Option<u64>>().filter(|_| self.knows_server())
    }

    /// What the server, or all nodes together, used; nothing if one of them is gone.
    fn server_usage(&self) -> Option<ProcessUsage> {
        let add = |sum: ProcessUsage, pid: &u32| Some(sum.with(&process_usage(*pid)?));
        self.server_pids.iter().try_fold(ProcessUsage::default(), add).filter(|_| self.knows_server())
    }

    /// Memory of the kernel by now.
    pub fn kernel(&self) -> KernelUsage {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let sockets = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
        KernelUsage {
            slab_bytes: field(&meminfo, "Slab:").unwrap_or(0) * 1024,
            tcp_bytes: tcp_pages(&sockets).unwrap_or(0) * sys::page_bytes(),
        }
    }

    /// What the quiet room takes now; the kernel took `kernel_before` before the first connect.
    pub fn standing(&self, kernel_before: KernelUsage) -> Standing {
        Standing { kernel_before, kernel_settled: self.kernel(), server_descriptors: self.server_descriptors() }
    }

    /// What has been used by now. A server that is gone has used nothing.
    pub fn sample(&self) -> Sample {
        let (busy_ticks, steal_ticks) = machine_ticks(&fs::read_to_string("/proc/stat").unwrap_or_default());
        let processes: Vec<ProcessUsage> = self.processes.iter().filter_map(|pid| process_usage(*pid)).collect();
        Sample {
            at_ns: sys::monotonic_ns(),
            server: self.server_usage(),
            server_calls: self.calls.as_ref().and_then(|calls| calls.borrow_mut().read().ok()),
            client_cpu_ns: sys::thread_cpu_ns() + processes.iter().map(|process| process.cpu_ns).sum::<u64>(),
            client_involuntary_switches: sys::thread_context_switches().1
                + processes.iter().map(|process| process.involuntary_switches).sum::<u64>(),
            client_memory_bytes: memory_bytes(std::process::id()).unwrap_or(0)
                + processes.iter().map(|process| process.memory_bytes).sum::<u64>(),
            busy_ticks,
            steal_ticks,
        }
    }
}

/// Where the kernel says which number the tracepoint has that every system call passes.
const CALLS_TRACEPOINT: &str = "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id";

/// Counts system calls of `pid` and of the threads that it starts, from now on.
fn call_counter(pid: u32) -> Result<Counter> {
    let fix = || "cannot count system calls; it needs root, and mount -t tracefs none /sys/kernel/tracing".to_string();
    let id = fs::read_to_string(CALLS_TRACEPOINT).context(fix)?;
    let id = id.trim().parse().context(fix)?;
    let pid = i32::try_from(pid).context(fix)?;
    let mut builder = Builder::new(Tracepoint::with_id(id));
    builder.observe_pid(pid).any_cpu().inherit(true).include_kernel().enabled(true);
    builder.build().context(fix)
}

fn process_usage(pid: u32) -> Option<ProcessUsage> {
    let mut usage = ProcessUsage::default();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let schedstat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        usage.cpu_ns += schedstat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        usage.voluntary_switches += field(&status, "voluntary_ctxt_switches:").unwrap_or(0);
        usage.involuntary_switches += field(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0);
    }
    // Of the process, not of a task: a thread that is just ending has no memory.
    usage.memory_bytes = memory_bytes(pid)?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    (usage.user_ticks, usage.system_ticks) = user_and_system_ticks(&stat)?;
    Some(usage)
}

fn memory_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(field(&status, "RssAnon:")? * 1024)
}

/// Open descriptors of a process.
fn descriptors(pid: u32) -> Option<u64> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64)
}

/// Pages of `mem` in the line of TCP: `TCP: inuse 5 orphan 0 tw 0 alloc 7 mem 1`.
fn tcp_pages(sockets: &str) -> Option<u64> {
    let line = sockets.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    line.split_whitespace().skip_while(|word| *word != "mem").nth(1)?.parse().ok()
}

/// The number behind `name` in a file of `Name:  number unit` lines.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15 of `/proc/PID/stat`, counted behind the command's name, which may hold anything.
fn user_and_system_ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Busy and stolen ticks from the first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
fn machine_ticks(stat: &str) -> (u64, u64) {
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).map(|ticks| ticks.parse().unwrap_or(0)).collect();
    let at = |index: usize| ticks.get(index).copied().unwrap_or(0);
    ([0, 1, 2, 5, 6].into_iter().map(at).sum(), at(7))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 17 29 0 0 20 0 1 0 5 1 1";
        assert_eq!(user_and_system_ticks(stat), Some((17, 29)));
        assert_eq!(user_and_system_ticks("nonsense"), None);
    }

    #[test]
    fn idle_and_waiting_ticks_are_not_busy() {
        assert_eq!(machine_ticks("cpu  1 2 4 1000 1000 8 16 32 0 0\ncpu0 9"), (31, 32));
        assert_eq!(machine_ticks(""), (0, 0));
    }

    #[test]
    fn the_pages_of_tcp_are_found() {
        let text = "sockets: used 9\nTCP: inuse 5 orphan 0 tw 0 alloc 7 mem 12\nUDP: inuse 2 mem 1\n";
        assert_eq!(tcp_pages(text), Some(12));
        assert!(Sampler::new(Vec::new()).kernel().slab_bytes > 0);
    }

    #[test]
    fn this_process_uses_something() {
        let sample = Sampler::new(vec![std::process::id()]).sample();
        let server = sample.server.expect("this process is there");
        assert!(server.cpu_ns > 0 && server.memory_bytes > 0, "{server:?}");
    }

    #[test]
    fn a_process_that_is_gone_uses_nothing() {
        assert_eq!(Sampler::new(vec![u32::MAX]).sample().server, None);
    }
}
