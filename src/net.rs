//! Set-up of a process: the address to listen on, from its text, and the limit on descriptors.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::io::socket;

/// Why an address cannot be listened on, and what would change that.
#[derive(Debug)]
pub struct ListenError {
    address: String,
    source: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.source)?;
        match self.source.kind() {
            io::ErrorKind::AddrInUse => f.write_str("; stop the other server or choose another port"),
            io::ErrorKind::PermissionDenied => {
                f.write_str("; choose a port from 1024 on, or grant the right: setcap cap_net_bind_service+ep")
            }
            io::ErrorKind::AddrNotAvailable => f.write_str("; the address belongs to no interface of this machine"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ListenError {}

/// The addresses that `text` names: `IP:PORT`, `[IPv6]:PORT`, `NAME:PORT`, or `:PORT` for every interface.
pub fn resolve(text: &str) -> io::Result<Vec<SocketAddr>> {
    if let Some(port) = text.strip_prefix(':') {
        let port = port.parse().map_err(|_| invalid(&format!("{port:?} is not a port")))?;
        return Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]);
    }
    match text.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => {}
        _ => return Err(invalid("an address is IP:PORT, [IPv6]:PORT, NAME:PORT or :PORT")),
    }
    let addresses: Vec<SocketAddr> = text.to_socket_addrs()?.collect();
    if addresses.is_empty() { Err(invalid("the name has no address")) } else { Ok(addresses) }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// Listens on the first of the addresses named by `text` that this machine has. If that one is in use this is an error:
/// peers would still connect there. The kernel ends a connection whose peer answers nothing for `dead_after` while
/// there is nothing to send.
pub fn listen(text: &str, dead_after: Duration) -> Result<TcpListener, ListenError> {
    let failed = |source| ListenError { address: text.to_owned(), source };
    let mut last = invalid("the name has no address");
    for address in resolve(text).map_err(failed)? {
        match socket::listen(address, dead_after) {
            Ok(listener) => return Ok(listener),
            Err(error) if is_absent(&error) => last = error,
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(last))
}

/// True when the machine does not have the address, or no address of its family.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// Raises the soft limit on descriptors to the hard one and returns it.
pub fn raise_descriptor_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        // An unlimited hard limit is above fs.nr_open, which the kernel does not allow: then the soft one stays.
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    limit.current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_port_that_is_taken_is_an_error_and_not_ipv4_alone() {
        let Ok(taken) = TcpListener::bind("[::1]:0") else {
            println!("NOT TESTED: this machine has no IPv6");
            return;
        };
        let port = taken.local_addr().unwrap().port();
        let error = listen(&format!(":{port}"), Duration::from_secs(60)).expect_err("the port is taken");
        assert!(error.to_string().contains("in use"), "{error}");
    }

    #[test]
    fn addresses_come_in_four_shapes() {
        assert_eq!(resolve("127.0.0.1:8888").unwrap(), ["127.0.0.1:8888".parse().unwrap()]);
        assert_eq!(resolve("[::1]:8888").unwrap(), ["[::1]:8888".parse().unwrap()]);
        assert_eq!(resolve(":8888").unwrap(), ["[::]:8888".parse().unwrap(), "0.0.0.0:8888".parse().unwrap()]);
        assert!(resolve("localhost:8888").unwrap().iter().all(|address| address.ip().is_loopback()));
        for wrong in ["", "8888", "127.0.0.1", ":", ":99999", "127.0.0.1:http", "::1"] {
            assert!(resolve(wrong).is_err(), "{wrong:?}");
        }
    }
}
