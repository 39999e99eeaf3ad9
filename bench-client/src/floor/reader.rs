//! A reading process of the floor: connects its share of the sockets, and reads them as the members of a run do, so that
//! waking it costs the sender the same.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::error::{Context, Error, Result};
use crate::sys::{self, Epoll, Interest};

/// Sockets connected to one loopback address: a third of the ports that a pair of addresses has. A connect searches them one
/// by one, and looks at thousands when most are taken.
const SOCKETS_PER_DESTINATION: usize = 10_000;
const READ_BYTES_MAX: usize = 128 * 1024;
const EVENTS_MAX: usize = 1024;

/// The sockets that one process reads.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// The sender listens there on every loopback address.
    pub port: u16,
    /// The number of the first among all sockets.
    pub first: usize,
    pub sockets: usize,
    /// No byte for this long: the sender hangs.
    pub silence: Duration,
}

/// Connects, prints a line, and reads until the sender has closed every socket.
pub fn run(share: Share) -> Result<()> {
    sys::raise_descriptor_limit().context(|| "cannot raise the descriptor limit".to_string())?;
    let mut epoll = Epoll::new(EVENTS_MAX).context(|| "cannot make an epoll set".to_string())?;
    let mut members: Vec<Option<OwnedFd>> = Vec::with_capacity(share.sockets);
    for index in 0..share.sockets {
        let number = share.first + index;
        // The sender accepts as fast as this connects; its queue holds thousands.
        let socket = sys::connect(SocketAddr::from((destination(number), share.port)), None, None)
            .context(|| format!("cannot connect socket {number} of the floor"))?;
        sys::reset_on_close(socket.as_fd()).context(|| "cannot set SO_LINGER".to_string())?;
        epoll.add(socket.as_fd(), index as u64, Interest::Read).context(|| "cannot watch a socket".to_string())?;
        members.push(Some(socket));
    }
    println!("connected");
    read(&mut epoll, members, share.silence)
}

/// The loopback address that socket `number` is connected to.
fn destination(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + (number / SOCKETS_PER_DESTINATION) as u32)
}

fn read(epoll: &mut Epoll, mut members: Vec<Option<OwnedFd>>, silence: Duration) -> Result<()> {
    let mut buffer = vec![0; READ_BYTES_MAX];
    let mut open = members.len();
    let mut lines = 0u64;
    while open > 0 {
        let count = epoll.wait(silence).context(|| "cannot wait for sockets".to_string())?;
        if count == 0 {
            return Err(Error::new("the floor's sender fell silent"));
        }
        for index in 0..count {
            let member = &mut members[epoll.event(index).token as usize];
            let socket = member.as_ref().expect("a closed socket has no events");
            match sys::receive(socket.as_fd(), &mut buffer) {
                // A member of a run looks at the bytes and at the clock; so does this.
                Ok(bytes) if bytes > 0 => {
                    lines += memchr::memchr_iter(b'\n', &buffer[..bytes]).count() as u64;
                    std::hint::black_box((lines, sys::monotonic_ns()));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                // The sender resets everything when it is done.
                _ => {
                    *member = None;
                    open -= 1;
                }
            }
        }
    }
    Ok(())
}

/// Ports that Linux gives to connects by default.
const PORTS: usize = 60_999 - 32_768 + 1;
const _: () = assert!(2 * SOCKETS_PER_DESTINATION <= PORTS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_spread_over_destinations_so_that_ports_do_not_run_short() {
        assert_eq!(destination(0), Ipv4Addr::new(127, 0, 0, 1));
        assert_eq!(destination(9_999), Ipv4Addr::new(127, 0, 0, 1));
        assert_eq!(destination(10_000), Ipv4Addr::new(127, 0, 0, 2));
        assert_eq!(destination(999_999), Ipv4Addr::new(127, 0, 0, 100));
        assert_eq!(destination(3_000_000), Ipv4Addr::new(127, 0, 1, 45));
    }
}
