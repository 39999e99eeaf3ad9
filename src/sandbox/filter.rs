//! The filter of system calls (seccomp(2)): which ones serving takes, and with which arguments.
//!
//! A call that is not in the list answers `EPERM`: a library may try it, and goes on another way. Three kinds have other
//! answers. `clone3` has its flags in memory, where a filter cannot see them, so it answers `ENOSYS`, and the C library
//! takes `clone`. Calls that are newer than this list answer `ENOSYS` too, as on a kernel without them. And what nobody
//! tries who serves a chat ends the process with `SIGSYS`.
//!
//! **A filter holds over `execve`**, so the list has what a program needs that takes this one's place in an upgrade: it
//! starts, maps its libraries, takes over the listeners, connections and rings that it is given (a ring outlives `execve`),
//! and restricts itself again. It makes no listener and no ring of its own. Memory that can be written never becomes
//! code, as nothing here makes code and no library that is mapped from a file needs it.
//!
//! **What it costs**: the kernel works out once which calls a filter allows whatever their arguments are (Linux 5.11), and
//! asks it no more for those. All calls on the way of a delivery are among them, but in a cluster `sendto`, by which epoll and
//! select send: a look at its arguments took some 350 ns of a delivery of 3.5 us, in a room with 20 lines a second.

use std::collections::BTreeMap;

use libc::c_long;
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use super::Permissions;

/// What a table of calls has: a name, for those who read a failing test, and a number.
pub type Call = (&'static str, c_long);

macro_rules! calls {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name)),*] };
}

/// On the way of most turns. None of them has conditions.
const BUSY: &[Call] = calls! {
    SYS_io_uring_enter SYS_epoll_pwait SYS_epoll_pwait2 SYS_pselect6 SYS_ppoll SYS_recvfrom SYS_recvmsg
    SYS_read SYS_write SYS_readv SYS_writev SYS_futex SYS_accept4 SYS_close SYS_epoll_ctl SYS_clock_gettime
};

/// The rest that has no conditions.
const ALWAYS: &[Call] = calls! {
    // Sockets that there are.
    SYS_shutdown SYS_getsockname SYS_getpeername SYS_getsockopt SYS_recvmmsg
    // Files, of which landlock decides which.
    SYS_openat SYS_newfstatat SYS_fstat SYS_statx SYS_statfs SYS_fstatfs SYS_lseek SYS_pread64 SYS_pwrite64 SYS_preadv2 SYS_pwritev2
    SYS_fsync SYS_fdatasync SYS_unlinkat SYS_renameat2 SYS_readlinkat SYS_getdents64 SYS_faccessat SYS_faccessat2
    SYS_getcwd SYS_umask SYS_dup SYS_dup3 SYS_pipe2 SYS_close_range
    // Memory.
    SYS_brk SYS_munmap SYS_mremap SYS_madvise
    // Threads and what they wait for.
    SYS_set_robust_list SYS_set_tid_address SYS_rseq SYS_gettid SYS_getpid SYS_getppid SYS_sched_yield SYS_sched_getaffinity
    SYS_nanosleep SYS_clock_nanosleep SYS_clock_getres SYS_gettimeofday SYS_restart_syscall SYS_eventfd2 SYS_epoll_create1
    SYS_signalfd4 SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_sigaltstack SYS_rt_sigtimedwait SYS_exit SYS_exit_group
    // Signals to itself and to what it has started: landlock knows those (Linux 6.12).
    SYS_kill SYS_tgkill
    // The program that takes its place, which is one that landlock lets it run.
    SYS_execve SYS_wait4 SYS_waitid
    // What a start asks, and with what it restricts itself.
    SYS_getrandom SYS_uname SYS_sysinfo SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getrusage
    SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self SYS_seccomp
};

/// What other machines have newer names for.
#[cfg(target_arch = "x86_64")]
const ALWAYS_HERE: &[Call] = calls! {
    SYS_epoll_wait SYS_poll SYS_select SYS_open SYS_stat SYS_lstat SYS_unlink SYS_rename SYS_renameat SYS_readlink SYS_access SYS_dup2 SYS_getdents
    SYS_time SYS_fork SYS_vfork SYS_arch_prctl SYS_getrlimit SYS_accept SYS_pipe SYS_eventfd
};
/// The libc crate has no `renameat` for all of them.
#[cfg(not(target_arch = "x86_64"))]
const ALWAYS_HERE: &[Call] = &[("SYS_accept", libc::SYS_accept), ("SYS_renameat", 38)];

/// What ends the process: ways to look into others, to change the machine, to look for bugs of the kernel.
const DEADLY: &[Call] = calls! {
    SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_pidfd_getfd SYS_kcmp
    SYS_bpf SYS_perf_event_open SYS_userfaultfd SYS_add_key SYS_request_key SYS_keyctl
    SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_move_mount SYS_open_tree SYS_fsopen SYS_fsconfig SYS_fsmount SYS_fspick
    SYS_mount_setattr SYS_unshare SYS_setns SYS_open_by_handle_at SYS_name_to_handle_at
    SYS_init_module SYS_finit_module SYS_delete_module SYS_kexec_load SYS_reboot SYS_swapon SYS_swapoff SYS_acct SYS_quotactl
    SYS_settimeofday SYS_clock_settime SYS_adjtimex SYS_clock_adjtime SYS_syslog SYS_vhangup SYS_sethostname SYS_setdomainname
};
#[cfg(target_arch = "x86_64")]
const DEADLY_HERE: &[Call] = calls! { SYS_iopl SYS_ioperm SYS_modify_ldt SYS_kexec_file_load };
#[cfg(not(target_arch = "x86_64"))]
const DEADLY_HERE: &[Call] = &[];

/// The first number that no call had when this list was written (Linux 6.17), and how many from there on are taken for
/// calls to come. All machines number new calls alike since Linux 5.1.
const UNKNOWN_FIRST: c_long = 470;
const UNKNOWN_COUNT: c_long = 100;

/// Flags of `clone` that make namespaces (clone(2), unshare(2)).
const NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// `PR_SET_VMA` (Linux 5.17), by which allocators name their memory.
const PR_SET_VMA: libc::c_int = 0x5356_4d41;

/// Registrations with a ring (io_uring_register(2)): what changes the files of a table, and what makes one, which are its
/// files, an eventfd, restrictions, and to enable the ring.
const TABLE_CHANGE: libc::c_int = 6;
const TABLE_MAKE: [libc::c_int; 4] = [4, 11, 12, 13];

/// Whether a descriptor is a terminal, whether it waits, and what it has not yet sent; never what types into a terminal.
const IOCTLS: [libc::Ioctl; 7] =
    [libc::TCGETS, libc::TCGETS2, libc::TIOCGWINSZ, libc::FIONBIO, libc::FIONREAD, libc::FIOCLEX, libc::TIOCOUTQ];

/// Options of sockets, by their level: those of connections of this server and of the cluster's link, and what a look-up of
/// a name sets.
const SOCKET_OPTIONS: [(libc::c_int, libc::c_int); 13] = [
    (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
    (libc::SOL_SOCKET, libc::SO_LINGER),
    (libc::SOL_SOCKET, libc::SO_SNDBUF),
    (libc::SOL_SOCKET, libc::SO_RCVBUF),
    (libc::SOL_SOCKET, libc::SO_REUSEADDR),
    (libc::IPPROTO_TCP, libc::TCP_NODELAY),
    (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
    (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
    (libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
    (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT),
    (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
    (libc::IPPROTO_IP, libc::IP_RECVERR),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
];

/// Socket types are in the low bits; the others are `SOCK_CLOEXEC` and `SOCK_NONBLOCK` (socket(2)).
const SOCKET_TYPE_MASK: libc::c_int = 0xf;

/// One argument that is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Equal(u8, libc::c_int),
    /// No address.
    Null(u8),
    /// Of these bits, those that are set.
    Bits(u8, libc::c_int, libc::c_int),
}

/// Calls that are allowed when all of one row holds. A call may have several rows.
fn conditional(permissions: &Permissions) -> Vec<(Call, Vec<Is>)> {
    use Is::{Bits, Equal, Null};
    let mut rows: Vec<(Call, Vec<Is>)> = Vec::new();
    let mut allow = |call: &'static [Call], conditions: &[Is]| rows.push((call[0], conditions.to_vec()));

    // Memory that can be written is no code, and becomes none, also by way of a file that is mapped twice. 2 is the argument
    // with the protection.
    let written_code = libc::PROT_WRITE | libc::PROT_EXEC;
    let kind = libc::MAP_TYPE | libc::MAP_ANONYMOUS;
    allow(calls!(SYS_mmap), &[Bits(2, libc::PROT_EXEC, 0)]);
    allow(calls!(SYS_mmap), &[Bits(2, written_code, libc::PROT_EXEC), Bits(3, kind, libc::MAP_PRIVATE)]);
    allow(calls!(SYS_mprotect), &[Bits(2, libc::PROT_EXEC, 0)]);
    allow(calls!(SYS_clone), &[Bits(0, NAMESPACES, 0)]);
    // Its own limits.
    allow(calls!(SYS_prlimit64), &[Equal(0, 0)]);
    for option in
        [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_NO_NEW_PRIVS, libc::PR_GET_NO_NEW_PRIVS, PR_SET_VMA]
    {
        allow(calls!(SYS_prctl), &[Equal(0, option)]);
    }
    for command in [libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL, libc::F_DUPFD] {
        allow(calls!(SYS_fcntl), &[Equal(1, command)]);
    }
    for request in IOCTLS {
        allow(calls!(SYS_ioctl), &[Equal(1, request as libc::c_int)]);
    }
    for (level, option) in SOCKET_OPTIONS {
        allow(calls!(SYS_setsockopt), &[Equal(1, level), Equal(2, option)]);
    }
    // Two ends of one connection, on which a ring is tried out. A datagram socket could send to any service with a path.
    allow(calls!(SYS_socketpair), &[Equal(0, libc::AF_UNIX), Bits(1, SOCKET_TYPE_MASK, libc::SOCK_STREAM)]);
    if !permissions.connects {
        // It makes no socket to send from.
        allow(calls!(SYS_sendto), &[]);
    } else {
        // To the other end alone, and not with the first bytes of a connection, which landlock does not see. 3 is the argument
        // with the flags, 4 that with the address.
        allow(calls!(SYS_sendto), &[Bits(3, libc::MSG_FASTOPEN, 0), Null(4)]);
        // No Unix sockets: services of this machine listen there, and landlock does not refuse those with a path.
        for family in [libc::AF_INET, libc::AF_INET6] {
            for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
                // No other protocol than TCP and UDP: landlock does not see where MPTCP connects.
                allow(calls!(SYS_socket), &[Equal(0, family), Bits(1, SOCKET_TYPE_MASK, kind), Equal(2, 0)]);
            }
        }
        allow(calls!(SYS_connect), &[]);
        // glibc asks for both families of addresses at once, musl by datagrams to an address.
        allow(calls!(SYS_sendmmsg), &[Bits(3, libc::MSG_FASTOPEN, 0)]);
        if cfg!(target_env = "musl") {
            allow(calls!(SYS_sendto), &[Bits(3, libc::MSG_FASTOPEN, 0)]);
        }
    }
    if permissions.changes_tables {
        allow(calls!(SYS_io_uring_register), &[Equal(1, TABLE_CHANGE)]);
    }
    if permissions.makes_rings {
        allow(calls!(SYS_io_uring_setup), &[]);
        for registration in TABLE_MAKE {
            allow(calls!(SYS_io_uring_register), &[Equal(1, registration)]);
        }
    }
    rows
}

/// Restricts all threads of this process. Returns how many system calls there still are.
pub fn enter(permissions: &Permissions) -> Result<usize, String> {
    let Programs { programs, allowed } = Programs::for_this_machine(permissions).map_err(|error| error.to_string())?;
    for program in &programs {
        seccompiler::apply_filter_all_threads(program).map_err(|error| why(&error))?;
    }
    Ok(allowed)
}

/// How many system calls there would be, or that the kernel cannot filter them. Nothing is restricted.
pub fn look() -> Result<usize, String> {
    let programs = Programs::for_this_machine(&Permissions::default()).map_err(|error| error.to_string())?;
    // The line is in the status of each process where the kernel has seccomp (proc_pid_status(5)).
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match status.lines().any(|line| line.starts_with("Seccomp:")) {
        true => Ok(programs.allowed),
        false => Err("this kernel has none".to_owned()),
    }
}

fn why(error: &seccompiler::Error) -> String {
    match error {
        seccompiler::Error::Seccomp(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            "this kernel has none".to_owned()
        }
        error => error.to_string(),
    }
}

/// What ends the process.
#[cfg(test)]
pub fn deadly() -> impl Iterator<Item = Call> {
    [DEADLY, DEADLY_HERE].into_iter().flatten().copied()
}

/// What is allowed whatever its arguments are.
#[cfg(test)]
pub fn always() -> impl Iterator<Item = Call> {
    [BUSY, ALWAYS, ALWAYS_HERE].into_iter().flatten().copied()
}

/// What the kernel is given, in this order: the last one that was given is asked first, and of two answers the stricter
/// counts, of two errors that of the one that was asked first.
#[derive(Debug)]
struct Programs {
    programs: [BpfProgram; 3],
    /// How many calls are allowed, with any arguments or with some.
    allowed: usize,
}

impl Programs {
    fn for_this_machine(permissions: &Permissions) -> Result<Self, seccompiler::BackendError> {
        let machine: TargetArch = std::env::consts::ARCH.try_into()?;
        let mut allowed: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
        for (call, conditions) in conditional(permissions) {
            let rules = allowed.entry(call.1).or_default();
            if !conditions.is_empty() {
                let conditions: Result<Vec<_>, _> = conditions.into_iter().map(Is::condition).collect();
                rules.push(SeccompRule::new(conditions?)?);
            }
        }
        let always = [BUSY, ALWAYS, ALWAYS_HERE].into_iter().flatten();
        allowed.extend(always.map(|(_, number)| (*number, Vec::new())));
        let count = allowed.len();
        let whole = |numbers: &mut dyn Iterator<Item = c_long>| numbers.map(|number| (number, Vec::new())).collect();
        let unknown = whole(&mut (UNKNOWN_FIRST..UNKNOWN_FIRST + UNKNOWN_COUNT).chain([libc::SYS_clone3]));
        let deadly = whole(&mut [DEADLY, DEADLY_HERE].into_iter().flatten().map(|(_, number)| *number));
        let errno = |errno: Errno| SeccompAction::Errno(errno.raw_os_error().unsigned_abs());
        let allow = || SeccompAction::Allow;
        let filter = |rules, otherwise, then| -> Result<BpfProgram, _> {
            SeccompFilter::new(rules, otherwise, then, machine)?.try_into()
        };
        Ok(Self {
            programs: [
                filter(allowed, errno(Errno::PERM), allow())?,
                filter(unknown, allow(), errno(Errno::NOSYS))?,
                filter(deadly, allow(), SeccompAction::KillProcess)?,
            ],
            allowed: count,
        })
    }
}

impl Is {
    /// All arguments with conditions but addresses are of 32 bits: the kernel looks at no others of them.
    fn condition(self) -> Result<SeccompCondition, seccompiler::BackendError> {
        let (argument, operator, value) = match self {
            Self::Null(argument) => {
                return SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0);
            }
            Self::Equal(argument, value) => (argument, SeccompCmpOp::Eq, value),
            Self::Bits(argument, mask, value) => (argument, SeccompCmpOp::MaskedEq(mask as u32 as u64), value),
        };
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value as u32 as u64)
    }
}
