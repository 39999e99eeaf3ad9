//! The socket of a service manager: a datagram is a message.
//!
//! It is opened and connected once, at the start, so that nothing is looked up or opened later, when the sandbox may
//! forbid it. `sd-notify` makes the text and reads the clock; its `notify` would open a socket for each message and
//! wait while the manager's is full.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use sd_notify::NotifyState;

use super::{Manager, Untaken};

/// A connected socket of a service manager.
#[derive(Debug)]
pub struct ManagerSocket(OwnedFd);

impl ManagerSocket {
    /// Connects to the socket that `NOTIFY_SOCKET` names: a path, or `@` and an abstract name. (unix(7))
    pub fn connect(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
            path @ [b'/', ..] => SocketAddrUnix::new(path)?,
            _ => return Err(io::Error::other("this is neither a path from / on nor @ and a name")),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        rustix::net::connect(&socket, &address)?;
        Ok(Self(socket))
    }

    /// As [`ManagerSocket::connect`]. The error names the socket.
    pub fn of(name: OsString) -> Result<Self, String> {
        Self::connect(&name).map_err(|error| format!("NOTIFY_SOCKET {}: {error}", name.display()))
    }
}

impl Manager for ManagerSocket {
    fn take(&mut self, message: &str) -> Result<(), Untaken> {
        loop {
            return match rustix::net::send(&self.0, message.as_bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(_) => Ok(()),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => Err(Untaken::Full),
                Err(errno) => Err(Untaken::Gone(errno.into())),
            };
        }
    }

    fn clock(&self) -> i128 {
        match NotifyState::monotonic_usec_now() {
            Ok(NotifyState::MonotonicUsec(now)) => now,
            _ => unreachable!("the kernel has a monotonic clock"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    fn read(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 100];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_message_goes_to_a_path_or_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let at_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("uproar-test-{}", std::process::id());
        let abstractly = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, name) in [(at_path, path.into_os_string()), (abstractly, format!("@{name}").into())] {
            let mut manager = ManagerSocket::connect(&name).unwrap();
            manager.take("READY=1\n").unwrap();
            assert_eq!(read(&socket), "READY=1\n");
        }
    }

    #[test]
    fn a_full_socket_is_full_and_one_that_was_closed_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut manager = ManagerSocket::connect(path.as_os_str()).unwrap();
        let untaken = (0..1_000_000).find_map(|_| manager.take("WATCHDOG=1\n").err());
        assert!(matches!(untaken, Some(Untaken::Full)), "{untaken:?}");
        read(&socket);
        manager.take("WATCHDOG=1\n").unwrap();
        drop(socket);
        assert!(matches!(manager.take("WATCHDOG=1\n"), Err(Untaken::Gone(_))));
    }

    #[test]
    fn what_cannot_be_connected_to_is_an_error_that_names_it() {
        for (name, reason) in [
            ("vsock:2:1234", "neither a path"),
            ("", "neither a path"),
            ("/nowhere/at/all", "No such file"),
            ("@uproar-nobody", "refused"),
        ] {
            let error = ManagerSocket::of(name.into()).expect_err("nobody listens there");
            assert!(error.starts_with("NOTIFY_SOCKET ") && error.contains(reason), "{name}: {error}");
        }
    }
}
