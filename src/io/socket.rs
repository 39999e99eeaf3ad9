//! Sockets: the listening one with the options that connections inherit from it, and a connected one.
//!
//! Options set on the listener are inherited by the connections it accepts, so a connection costs no further call.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, sockopt};

use crate::limits::{
    ACCEPTS_PER_TURN_MAX, KEEPALIVE_PAUSE_MAX, KEEPALIVE_PROBES, LISTEN_BACKLOG, SOCKET_RECEIVE_BYTES,
    SOCKET_SEND_BYTES, SOCKET_UNSENT_BYTES,
};

/// Listens on `address`. The kernel ends a connection whose peer answers nothing for `dead_after` while there is
/// nothing to send.
pub fn listen(address: SocketAddr, dead_after: Duration) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // Every interface means every interface: IPv4 peers arrive as mapped addresses.
        sockopt::set_ipv6_v6only(&socket, !address.ip().is_unspecified())?;
    }
    set_inherited(&socket, dead_after)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, LISTEN_BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// Listens on a socket that another process, which keeps it, has bound and listens on already. `Err` says what else the
/// descriptor is.
pub fn adopt(socket: OwnedFd, dead_after: Duration) -> Result<TcpListener, NotAdopted> {
    let is_stream = match sockopt::socket_type(&socket) {
        Err(Errno::NOTSOCK) => return Err(NotAdopted::Other("is no socket")),
        socket_type => socket_type? == SocketType::STREAM,
    };
    let is_internet = matches!(sockopt::socket_domain(&socket)?, AddressFamily::INET | AddressFamily::INET6);
    if !is_stream || !is_internet {
        return Err(NotAdopted::Other("is a socket of another kind than TCP"));
    }
    if !sockopt::socket_acceptconn(&socket)? {
        return Err(NotAdopted::Other("does not listen"));
    }
    set_inherited(&socket, dead_after)?;
    // Of a socket that listens already this changes how many may wait (listen(2)).
    rustix::net::listen(&socket, LISTEN_BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// Why a descriptor is not listened on.
#[derive(Debug)]
pub enum NotAdopted {
    /// What it is instead of a listening TCP socket.
    Other(&'static str),
    Failed(io::Error),
}

impl From<Errno> for NotAdopted {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno.into())
    }
}

impl From<io::Error> for NotAdopted {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for NotAdopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(what) => f.write_str(what),
            Self::Failed(error) => write!(f, "cannot be used: {error}"),
        }
    }
}

/// Sets the options that connections inherit from their listener.
fn set_inherited(socket: &OwnedFd, dead_after: Duration) -> io::Result<()> {
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_recv_buffer_size(socket, SOCKET_RECEIVE_BYTES)?;
    sockopt::set_socket_send_buffer_size(socket, SOCKET_SEND_BYTES)?;
    set_unsent_bytes_max(socket, SOCKET_UNSENT_BYTES)?;
    ask_the_silent(socket, dead_after)
}

/// Has the kernel probe peers that were sent nothing for a while, and end the connections of peers that do not answer
/// (keepalive, RFC 9293 section 3.8.4). It does not probe while bytes are unacknowledged: see `server::silence`.
fn ask_the_silent(socket: &OwnedFd, dead_after: Duration) -> io::Result<()> {
    sockopt::set_socket_keepalive(socket, true)?;
    // Half of the time passes in silence, the other half with probes.
    let half = dead_after / 2;
    let pause = |time: Duration| time.clamp(Duration::from_secs(1), KEEPALIVE_PAUSE_MAX);
    sockopt::set_tcp_keepidle(socket, pause(half))?;
    sockopt::set_tcp_keepintvl(socket, pause(half / KEEPALIVE_PROBES))?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_PROBES)?;
    Ok(())
}

/// Bounds the bytes that a socket holds and has not sent yet (TCP_NOTSENT_LOWAT, Linux 3.12). Bytes for a peer that
/// reads are sent at once, so its socket does not reach the bound.
fn set_unsent_bytes_max(socket: &OwnedFd, bytes: u32) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(&bytes)).expect("four bytes");
    // SAFETY: the value lives until the call returns, and `length` is its size.
    let result = unsafe {
        let value = (&raw const bytes).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, value, length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Accepts newcomers that wait and hands each to `take`, up to a bound so that members are not kept waiting. An error
/// says that accepting has failed.
pub(super) fn accept_some(listener: &TcpListener, mut take: impl FnMut(OwnedFd)) -> Result<(), Errno> {
    for _ in 0..ACCEPTS_PER_TURN_MAX {
        match rustix::net::accept_with(listener, SocketFlags::CLOEXEC) {
            Ok(newcomer) => take(newcomer),
            Err(Errno::CONNABORTED | Errno::INTR | Errno::PROTO) => {}
            Err(Errno::AGAIN) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// A connected socket, as the server has it. Only the back ends see its descriptor.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    pub(super) fn new(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// A newcomer and its peer's address. An IPv4 address is one also where the listener takes IPv6 and IPv4. `None`
    /// for a connection that is already reset: it has no address any more.
    pub(super) fn accepted(descriptor: OwnedFd) -> Option<(Self, SocketAddr)> {
        let address = SocketAddr::try_from(rustix::net::getpeername(&descriptor).ok()??).ok()?;
        Some((Self(descriptor), SocketAddr::new(address.ip().to_canonical(), address.port())))
    }

    pub(super) fn into_descriptor(self) -> OwnedFd {
        self.0
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Bytes that it took and its peer has not acknowledged (SIOCOUTQ, tcp(7)).
    pub(super) fn outstanding(&self) -> u32 {
        let mut outstanding: libc::c_int = 0;
        // SAFETY: the value lives until the call returns. For a broken connection the call fails and leaves 0: nothing
        // is outstanding.
        unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCOUTQ, &raw mut outstanding) };
        outstanding.unsigned_abs()
    }

    /// For how long the peer has answered nothing although it was asked more than once (TCP_INFO, Linux 2.4); `None`
    /// while it owes no answer. A peer whose window is closed is asked again and again, and answers.
    pub(super) fn silent_for(&self) -> Option<Duration> {
        let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
        let mut length = libc::socklen_t::try_from(size_of_val(&info)).expect("some hundred bytes");
        // SAFETY: the value lives until the call returns, `length` is its size, and any bytes, as far as the kernel has
        // written them, are a `tcp_info`.
        let (asked, info) = unsafe {
            let value = info.as_mut_ptr().cast();
            let asked = libc::getsockopt(self.0.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, value, &raw mut length);
            (asked, info.assume_init())
        };
        // Sent again and not acknowledged, or asked twice for a window and not answered.
        let owes_answer = info.tcpi_retransmits > 0 || info.tcpi_probes > 1;
        (asked == 0 && owes_answer).then(|| Duration::from_millis(info.tcpi_last_ack_recv.into()))
    }

    /// Ends both directions of a connection. What was sent is still delivered.
    pub(super) fn shut_down(&self) {
        // It only fails on a connection that is already broken.
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }
}
