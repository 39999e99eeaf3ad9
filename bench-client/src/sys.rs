//! The system calls the tool needs and the standard library lacks, each as a safe function.
//!
//! Every call takes what it borrows for its own duration only, so no promise outlives a function here. The io_uring
//! side of the floor is apart, in `floor/rings.rs`; nowhere else is `unsafe` allowed.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use libc::{c_int, c_long, c_void};

/// Nanoseconds of `CLOCK_MONOTONIC`, the one clock of plans, sends and reads: it is the same for every process of the
/// machine.
pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// What to take off the real time to get [`monotonic_ns`], now.
pub fn real_time_offset_ns() -> u64 {
    clock_ns(libc::CLOCK_REALTIME) - monotonic_ns()
}

/// Nanoseconds of processor time the calling thread has used.
pub fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec, into ours.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(result, 0, "clock {clock} is always readable");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleeps until `due_ns` of [`monotonic_ns`]; returns at once when that is past.
pub fn sleep_until(due_ns: u64) {
    let time = timespec(due_ns);
    // SAFETY: the kernel reads one timespec, ours; no remainder is asked for.
    while unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &time, std::ptr::null_mut()) }
        == libc::EINTR
    {}
}

fn timespec(ns: u64) -> libc::timespec {
    libc::timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as c_long }
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn check_size(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// What an epoll set reported about one socket.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// The number the socket was added under.
    pub token: u64,
    /// Bytes, an end of stream or an error wait to be read.
    pub readable: bool,
    /// A send may succeed again.
    pub writable: bool,
}

/// An epoll set, level-triggered: what is not read is reported again.
#[derive(Debug)]
pub struct Epoll {
    set: OwnedFd,
    ready: Vec<libc::epoll_event>,
}

/// What to be told about a socket.
#[derive(Debug, Clone, Copy)]
pub enum Interest {
    Read,
    ReadAndWrite,
}

impl Interest {
    fn bits(self) -> u32 {
        let bits = match self {
            Interest::Read => libc::EPOLLIN | libc::EPOLLRDHUP,
            Interest::ReadAndWrite => libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLOUT,
        };
        bits as u32
    }
}

impl Epoll {
    /// An empty set that reports up to `events_max` sockets a wait.
    pub fn new(events_max: usize) -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor was just made and nobody else has it.
        let set = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { set, ready: vec![libc::epoll_event { events: 0, u64: 0 }; events_max] })
    }

    /// Watches `fd` under `token`.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest)
    }

    /// Changes what is told about `fd`.
    pub fn modify(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest)
    }

    /// Watches `fd` no longer.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, Interest::Read)
    }

    fn control(&self, verb: c_int, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest.bits(), u64: token };
        // SAFETY: the kernel reads one event, ours; both descriptors are borrowed for the call.
        check(unsafe { libc::epoll_ctl(self.set.as_raw_fd(), verb, fd.as_raw_fd(), &mut event) }).map(|_| ())
    }

    /// Waits up to `timeout` and returns how many events [`Self::event`] holds: none when time or a signal came first.
    ///
    /// `epoll_pwait2` (kernel 5.11) takes nanoseconds; the milliseconds of `epoll_wait` would make every send late.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<usize> {
        let time = libc::timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: c_long::from(timeout.subsec_nanos()) };
        // SAFETY: the kernel writes at most `ready.len()` events into `ready` and reads one timespec; no signal mask.
        let result = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.set.as_raw_fd(),
                self.ready.as_mut_ptr(),
                self.ready.len() as c_int,
                &raw const time,
                std::ptr::null::<c_void>(),
                0usize,
            )
        };
        match check(result as c_int) {
            Ok(count) => Ok(count as usize),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The `index`th event of the last wait.
    pub fn event(&self, index: usize) -> Event {
        let event = self.ready[index];
        let failed = (libc::EPOLLERR | libc::EPOLLHUP | libc::EPOLLRDHUP) as u32;
        Event {
            token: event.u64,
            readable: event.events & (libc::EPOLLIN as u32 | failed) != 0,
            writable: event.events & (libc::EPOLLOUT as u32 | failed) != 0,
        }
    }
}

/// A non-blocking TCP socket on its way to `address`, from `source` if one is given, with a receive buffer of
/// `receive_bytes` if it is not to be the kernel's choice. A connection that needs time is not an error here; one that
/// fails later makes the first read fail.
pub fn connect(address: SocketAddr, source: Option<Ipv4Addr>, receive_bytes: Option<c_int>) -> io::Result<OwnedFd> {
    connect_with(address, source, receive_bytes, false)
}

/// The same, and from the first byte on the kernel notes when bytes reach the socket, for [`receive_stamped`].
pub fn connect_stamped(address: SocketAddr, source: Option<Ipv4Addr>, receive_bytes: c_int) -> io::Result<OwnedFd> {
    connect_with(address, source, Some(receive_bytes), true)
}

fn connect_with(
    address: SocketAddr,
    source: Option<Ipv4Addr>,
    receive_bytes: Option<c_int>,
    stamped: bool,
) -> io::Result<OwnedFd> {
    let domain = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: no pointers.
    let fd = check(unsafe { libc::socket(domain, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor was just made and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    if let Some(bytes) = receive_bytes {
        set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, bytes)?;
    }
    if stamped {
        stamp_receives(socket.as_fd())?;
    }
    if let Some(source) = source {
        bind_source(socket.as_fd(), source)?;
    }
    let result = match address {
        SocketAddr::V4(address) => {
            let raw = sockaddr(address);
            // SAFETY: the kernel reads one sockaddr_in of the stated size.
            unsafe { libc::connect(fd, (&raw const raw).cast(), size_of_val(&raw) as u32) }
        }
        SocketAddr::V6(address) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            };
            // SAFETY: the kernel reads one sockaddr_in6 of the stated size.
            unsafe { libc::connect(fd, (&raw const raw).cast(), size_of_val(&raw) as u32) }
        }
    };
    match check(result) {
        Ok(_) => Ok(socket),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

fn sockaddr(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
        sin_zero: [0; 8],
    }
}

/// Makes `fd` connect from `source`. The port is left to the connect (Linux 4.2), so that each pair of addresses has all
/// local ports to itself.
fn bind_source(fd: BorrowedFd<'_>, source: Ipv4Addr) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
    let raw = sockaddr(SocketAddrV4::new(source, 0));
    // SAFETY: the kernel reads one sockaddr_in of the stated size.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const raw).cast(), size_of_val(&raw) as u32) }).map(|_| ())
}

/// Sets an option whose value is a number.
pub fn set_option(fd: BorrowedFd<'_>, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the kernel reads one int of the stated size.
    let result = unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), size_of_val(&value) as u32)
    };
    check(result).map(|_| ())
}

/// Receives into `buffer`; 0 is the end of the stream.
pub fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`.
    check_size(unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) })
}

/// From now on the kernel notes when bytes reach this socket, for [`receive_stamped`]. While any socket has this the kernel
/// looks at the clock for every packet of the machine.
pub fn stamp_receives(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// Like [`receive`], with the real time in nanoseconds at which the kernel had the last of the bytes.
pub fn receive_stamped(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<u64>)> {
    // Eight bytes a word, so that it is aligned as a header must be.
    let mut control = [0u64; 8];
    let mut slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all of a msghdr may be zero.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut slice;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer` and `msg_controllen` into `control`, both ours.
    let bytes = check_size(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) })?;
    // SAFETY: the message describes `control`, which the kernel has filled up to `msg_controllen`.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() };
    let stamp =
        header.filter(|header| header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_TIMESTAMPNS);
    let stamp = stamp.map(|header| {
        // SAFETY: such a header is followed by a timespec, within `control`.
        let time = unsafe { libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned() };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    });
    Ok((bytes, stamp))
}

/// Takes up to `bytes_max` bytes off the socket without copying them anywhere and says how many there were; 0 is the
/// end of the stream. `MSG_TRUNC` does this on TCP since Linux 2.4.
pub fn discard(fd: BorrowedFd<'_>, bytes_max: usize) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: with MSG_TRUNC a TCP socket writes nothing to the pointer, which is null.
    check_size(unsafe { libc::recv(fd.as_raw_fd(), std::ptr::null_mut(), bytes_max, flags) })
}

/// Sends what fits at once; a peer that is gone is an error, not a signal.
pub fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel reads at most `bytes.len()` bytes of `bytes`.
    check_size(unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) })
}

/// Makes closing `fd` reset the connection, which leaves no TIME_WAIT behind.
pub fn reset_on_close(fd: BorrowedFd<'_>) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the kernel reads one linger of the stated size.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of_val(&linger) as u32,
        )
    };
    check(result).map(|_| ())
}

/// Lets `connections` wait on a listening socket to be accepted; the standard library's own bound is small.
pub fn listen(fd: BorrowedFd<'_>, connections: i16) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::listen(fd.as_raw_fd(), c_int::from(connections)) }).map(|_| ())
}

/// Sends small writes at once instead of waiting for acknowledgements.
pub fn no_delay(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)
}

/// Raises the soft limit of open descriptors to the hard one and returns it.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one rlimit, ours.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads one rlimit, ours.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    Ok(limit.rlim_cur)
}

/// Pins thread `thread` (0: the calling one) to one processor, or to none: the kernel then leaves out those that are not
/// there.
pub fn pin(thread: u32, processor: Option<usize>) -> io::Result<()> {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    let processors_max = 8 * size_of_val(&set);
    if processor.is_some_and(|processor| processor >= processors_max) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for processor in processor.map_or(0..processors_max, |processor| processor..processor + 1) {
        // SAFETY: `processor` is below the number of bits of the set.
        unsafe { libc::CPU_SET(processor, &mut set) };
    }
    // SAFETY: the kernel reads one cpu_set_t of the stated size.
    check(unsafe { libc::sched_setaffinity(thread as c_int, size_of_val(&set), &set) }).map(|_| ())
}

/// Lets timers of the calling thread fire on time instead of up to 50 us late, the default slack.
pub fn sharpen_timers() {
    // SAFETY: no pointers; a kernel that refuses leaves the default, which the schedule lag shows.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
}

/// The calling thread goes before all ordinary ones of its processor; what it starts does not. It needs root, or CAP_SYS_NICE.
pub fn go_first() -> io::Result<()> {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameters are a local value, which the kernel only reads; thread 0 is the calling one.
    check(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &priority) }).map(|_| ())
}

/// Voluntary and involuntary context switches of the calling thread.
pub fn thread_context_switches() -> (u64, u64) {
    // SAFETY: an all-zero rusage is valid, and the kernel writes one, ours.
    let usage = unsafe {
        let mut usage: libc::rusage = mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage
    };
    (usage.ru_nvcsw as u64, usage.ru_nivcsw as u64)
}

/// Asks process `pid` to stop (SIGTERM).
pub fn terminate(pid: u32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::kill(pid as c_int, libc::SIGTERM) }).map(|_| ())
}

/// Asks process `pid` for its statistics (SIGUSR1). One that does not know this signal ends.
pub fn ask_statistics(pid: u32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::kill(pid as c_int, libc::SIGUSR1) }).map(|_| ())
}

/// Makes a write to `fd` fail with `WouldBlock` rather than wait.
pub fn do_not_block(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) }).map(|_| ())
}

/// Waits up to `timeout` until one of `fds` has bytes or its end to read; says of each whether it has.
pub fn wait_readable(fds: &[BorrowedFd<'_>], timeout: Duration) -> io::Result<Vec<bool>> {
    wait(fds, libc::POLLIN, timeout)
}

/// Waits up to `timeout` until `fd` takes bytes.
pub fn wait_writable(fd: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    Ok(wait(&[fd], libc::POLLOUT, timeout)?[0])
}

fn wait(fds: &[BorrowedFd<'_>], events: i16, timeout: Duration) -> io::Result<Vec<bool>> {
    let mut waits: Vec<libc::pollfd> =
        fds.iter().map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 }).collect();
    let milliseconds = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the kernel reads and writes `waits.len()` entries of `waits`; the descriptors are borrowed for the call.
    let result = unsafe { libc::poll(waits.as_mut_ptr(), waits.len() as libc::nfds_t, milliseconds) };
    match check(result) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(waits.iter().map(|wait| wait.revents != 0).collect()),
    }
}

/// Bytes of a page.
pub fn page_bytes() -> u64 {
    // SAFETY: no pointers.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as u64 }
}

/// Clock ticks a second, the unit of `/proc/PID/stat`.
pub fn clock_ticks_per_second() -> u64 {
    // SAFETY: no pointers.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) as u64 }
}

/// Processors of the machine, whatever this thread is pinned to.
pub fn processors() -> u64 {
    // SAFETY: no pointers.
    (unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).max(1) as u64
}

/// Makes the command's process receive SIGTERM when the thread that starts it ends, however it ends: no server
/// outlives its benchmark.
pub fn stop_with_parent(command: &mut Command) {
    // SAFETY: prctl is a plain system call, allowed between fork and exec.
    unsafe {
        command.pre_exec(|| check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM)).map(|_| ()));
    }
}
