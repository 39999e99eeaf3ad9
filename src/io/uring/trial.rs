//! What the server relies on, tried out on a pair of sockets when a ring is made.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

use super::refused::{LINUX_FOR_RING, LINUX_FOR_TABLES, Refused};
use super::ring::{Ring, Sandbox, Target};
use crate::io::{Send, Sent};
use crate::token::{Op, Token};

fn pair(linux: &'static str) -> Result<(OwnedFd, OwnedFd), Refused> {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|errno| Refused::call("socketpair", &errno.into(), linux))
}

impl Ring {
    /// A ring for ordinary descriptors that was tried out and may do only what this back end does.
    pub fn open(sandbox: Sandbox) -> Result<Self, Refused> {
        let mut ring = Self::for_descriptors(sandbox)?;
        sends_behave(&mut ring)?;
        Ok(ring)
    }
}

/// A send that fits posts nothing, a short one posts the bytes taken, one to a full socket `EAGAIN`, one to a dead
/// socket `EPIPE`.
fn sends_behave(ring: &mut Ring) -> Result<(), Refused> {
    let (socket, peer) = pair(LINUX_FOR_RING)?;
    try_sends(ring, Target::Descriptor(socket.as_raw_fd()), peer, LINUX_FOR_RING)
}

/// As for ordinary descriptors, with a file of the ring's table. And a file that is removed from the table is closed,
/// so that its peer reads the end, while another file has a request in flight. `slots` 0 and 1 must be vacant, and are
/// again.
pub(super) fn files_behave(ring: &mut Ring) -> Result<(), Refused> {
    let linux = LINUX_FOR_TABLES;
    let update = |error| Refused::call("changing a table of files", &error, linux);
    let (socket, peer) = pair(linux)?;
    ring.set_file(0, Some(socket.as_raw_fd())).map_err(update)?;
    try_sends(ring, Target::File(0), peer, linux)?;
    drop(socket);
    ring.set_file(0, None).map_err(update)?;

    let (waiting, waiting_peer) = pair(linux)?;
    let (removed, removed_peer) = pair(linux)?;
    ring.set_file(0, Some(waiting.as_raw_fd())).map_err(update)?;
    ring.set_file(1, Some(removed.as_raw_fd())).map_err(update)?;
    drop((waiting, removed));
    ring.push_poll(Target::File(0), libc::POLLIN, Token::indexed(Op::Readable, 0));
    ring.submit();
    // A receive from the other file, so that the table has served a request on it.
    let mut others = Vec::new();
    let installed = ring.install(1, &mut others);
    drop(installed.map_err(|errno| Refused::call("FIXED_FD_INSTALL", &errno.into(), linux))?);
    ring.set_file(1, None).map_err(update)?;
    reads_the_end(&removed_peer)?;
    // The poll completes, and the table is empty again.
    drop(waiting_peer);
    for _ in 0..1000 {
        ring.harvest(1).map_err(|error| Refused::call("io_uring_enter", &error, linux))?;
        if let Some(entry) = ring.next_completion() {
            let ready = entry.result() > 0;
            ring.set_file(0, None).map_err(update)?;
            return ready.then_some(()).ok_or_else(|| {
                Refused::behaviour(format!("a poll of a table's file answered {}", entry.result()), linux)
            });
        }
        std::thread::yield_now();
    }
    Err(Refused::behaviour("a poll of a table's file does not see its peer go", linux))
}

/// The other end of a connection is closed.
fn reads_the_end(peer: &OwnedFd) -> Result<(), Refused> {
    match rustix::net::recv(peer, &mut [0; 1], RecvFlags::DONTWAIT) {
        Ok((0, _)) => Ok(()),
        Ok(_) | Err(_) => {
            let what = "a file that was removed from its table stays open beside a request in flight";
            Err(Refused::behaviour(what, LINUX_FOR_TABLES))
        }
    }
}

fn try_sends(ring: &mut Ring, target: Target, peer: OwnedFd, linux: &'static str) -> Result<(), Refused> {
    let much = vec![b'x'; 1 << 20];
    // A kernel that forbids io_uring_enter shows it here: the batch's own submission would take it for a fault.
    ring.try_enter().map_err(|error| Refused::call("io_uring_enter", &error, linux))?;
    let mut try_send = |bytes: &[u8], expected: fn(Sent) -> bool, what: &str| {
        let mut sends = [Send::new(&target, bytes)];
        let mut others = Vec::new();
        ring.send_batch(&mut sends, |target| *target, &mut others);
        match sends[0].sent {
            sent if expected(sent) && others.is_empty() => Ok(()),
            sent => Err(Refused::behaviour(format!("io_uring answered {what} with {sent:?}"), linux)),
        }
    };
    try_send(b"x", |sent| sent == Sent::Whole, "a send that fits")?;
    try_send(&much, |sent| matches!(sent, Sent::Part(bytes) if bytes > 0 && bytes < 1 << 20), "a short send")?;
    try_send(&much, |sent| sent == Sent::Full, "a send to a full socket")?;
    drop(peer);
    try_send(b"x", |sent| matches!(sent, Sent::Dead(Errno::PIPE)), "a send to a dead socket")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_stays_open_is_found() {
        let (socket, peer) = pair(LINUX_FOR_TABLES).expect("a pair of sockets");
        let refused = reads_the_end(&peer).expect_err("it is open").to_string();
        assert!(refused.contains("stays open beside a request in flight"), "{refused}");
        assert!(refused.ends_with("Linux 6.13 or later is needed"), "{refused}");
        drop(socket);
        assert!(reads_the_end(&peer).is_ok());
    }
}
