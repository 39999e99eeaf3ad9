//! The smallest server that speaks the wire format. Measured against it, the load generator shows what it costs itself.
//!
//! What it speaks is in `reflector/dialect.rs`.
//!
//! One thread, one epoll set, one `send` a delivery, nothing cleaned, nobody announced, and the one command that brings a member into
//! another room. It is the null test of the tool,
//! not a server to compare with. The faults are for tests: each spoils one delivery, which the tool must find.

pub mod dialect;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::error::{Context, Result};
use crate::reflector::dialect::{Dialect, Said};
use crate::sys::{self, Epoll, Interest};

const LISTENER: u64 = u64::MAX;
const READ_BYTES_MAX: usize = 64 * 1024;
const BACKLOG: i16 = 4096;

/// What to do to one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Leave it out.
    Drop,
    /// Send it twice.
    Duplicate,
    /// Send it after the next message.
    Swap,
    /// Send it to its author too.
    Echo,
    /// Change its last byte.
    Corrupt,
    /// Send it to a member of another room too.
    Stray,
    /// Leave it out, and tell the member that it missed it.
    Tell,
    /// Tell the author to slow down, and hold back what it says from here on.
    Slow,
}

/// The one delivery to spoil.
#[derive(Debug, Clone, Copy)]
pub struct Spoil {
    pub fault: Fault,
    /// Messages before the one that is spoilt.
    pub at: u64,
    /// The member whose delivery it is: its number among those that hear the message, from 0.
    pub member: usize,
}

struct Client {
    socket: OwnedFd,
    /// Name of its room; empty for the first.
    room: Vec<u8>,
    author: Vec<u8>,
    /// Input that is not whole yet.
    input: Vec<u8>,
    /// Output that the socket did not take.
    output: Vec<u8>,
    /// A delivery that [`Fault::Swap`] holds back.
    held: Vec<u8>,
}

struct Reflector {
    dialect: Dialect,
    epoll: Epoll,
    listener: TcpListener,
    clients: BTreeMap<u64, Client>,
    next: u64,
    /// Messages so far.
    messages: u64,
    /// What is still to be spoilt.
    spoil: Option<Spoil>,
    /// The author that [`Fault::Slow`] holds back.
    slowed: Option<u64>,
}

/// Serves `address` in `dialect` until the process is stopped.
pub fn serve(address: SocketAddr, dialect: Dialect, spoil: Option<Spoil>) -> Result<()> {
    sys::raise_descriptor_limit().context(|| "cannot raise the descriptor limit".to_string())?;
    let listener = TcpListener::bind(address).context(|| format!("cannot listen on {address}"))?;
    sys::listen(listener.as_fd(), BACKLOG).context(|| format!("cannot listen on {address}"))?;
    listener.set_nonblocking(true).context(|| "cannot set up the listener".to_string())?;
    let epoll = Epoll::new(256).context(|| "cannot make an epoll set".to_string())?;
    epoll.add(listener.as_fd(), LISTENER, Interest::Read).context(|| "cannot watch the listener".to_string())?;
    let bound = listener.local_addr().context(|| "cannot tell the address".to_string())?;
    eprintln!("reflect: listening on {bound}");
    let mut reflector =
        Reflector { dialect, epoll, listener, clients: BTreeMap::new(), next: 0, messages: 0, spoil, slowed: None };
    loop {
        let count = reflector.epoll.wait(Duration::from_secs(3600)).context(|| "cannot wait".to_string())?;
        for index in 0..count {
            let event = reflector.epoll.event(index);
            if event.token == LISTENER {
                reflector.on_accept()?;
                continue;
            }
            if event.writable {
                reflector.send(event.token, b"");
            }
            if event.readable {
                reflector.on_readable(event.token);
            }
        }
    }
}

impl Reflector {
    fn on_accept(&mut self) -> Result<()> {
        while let Ok((socket, peer)) = self.listener.accept() {
            let socket = OwnedFd::from(socket);
            sys::no_delay(socket.as_fd()).context(|| "cannot set TCP_NODELAY".to_string())?;
            self.epoll.add(socket.as_fd(), self.next, Interest::Read).context(|| "cannot watch".to_string())?;
            let author = self.dialect.author(peer);
            let client =
                Client { socket, room: Vec::new(), author, input: Vec::new(), output: Vec::new(), held: Vec::new() };
            self.clients.insert(self.next, client);
            self.send(self.next, &self.dialect.greeting(self.clients.len()));
            self.next += 1;
        }
        Ok(())
    }

    fn on_readable(&mut self, token: u64) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        let kept = client.input.len();
        client.input.resize(kept + READ_BYTES_MAX, 0);
        let bytes = match sys::receive(client.socket.as_fd(), &mut client.input[kept..]) {
            Ok(bytes) if bytes > 0 => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
            _ => {
                self.clients.remove(&token);
                return;
            }
        };
        client.input.truncate(kept + bytes);
        let mut input = std::mem::take(&mut client.input);
        let mut start = 0;
        while let Some((said, length)) = self.dialect.next(&input[start..]) {
            start += length;
            self.on_said(token, said);
        }
        input.drain(..start);
        if let Some(client) = self.clients.get_mut(&token) {
            client.input = input;
        }
    }

    fn on_said(&mut self, token: u64, said: Said<'_>) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        match said {
            Said::Text(text) => {
                self.messages += 1;
                let message = self.dialect.message(self.messages, &client.author, &text);
                self.publish(token, &message);
            }
            Said::Join(room) => {
                let author = client.author.clone();
                self.join(token, &author, room);
            }
            Said::Name(name) => client.author = name.to_vec(),
            Said::Hello => {
                let welcome = self.dialect.welcome(&client.author);
                self.send(token, &welcome);
            }
            Said::Nothing => {}
        }
    }

    fn join(&mut self, token: u64, author: &[u8], room: &[u8]) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        client.room = room.to_vec();
        let online = self.clients.values().filter(|client| client.room == room).count();
        self.send(token, &self.dialect.joined(author, room, online));
    }

    fn publish(&mut self, author: u64, message: &[u8]) {
        let spoil = self.spoil.take_if(|spoil| spoil.at == 0);
        if let Some(later) = &mut self.spoil {
            later.at -= 1;
        }
        if spoil.is_some_and(|spoil| spoil.fault == Fault::Slow) {
            self.slowed = Some(author);
            self.send(author, &self.dialect.slow_down());
        }
        if self.slowed == Some(author) {
            return;
        }
        let Some(room) = self.clients.get(&author).map(|client| &client.room) else { return };
        let others = self.clients.iter().filter(|(token, _)| **token != author);
        let (here, elsewhere): (Vec<_>, Vec<_>) = others.partition(|(_, client)| client.room == *room);
        let tokens: Vec<u64> = here.into_iter().map(|(token, _)| *token).collect();
        let stranger = elsewhere.first().map(|(token, _)| **token);
        if let Some(stranger) = stranger.filter(|_| spoil.is_some_and(|spoil| spoil.fault == Fault::Stray)) {
            self.deliver(stranger, message);
        }
        for (member, token) in tokens.into_iter().enumerate() {
            match spoil {
                Some(spoil) if spoil.member == member => self.deliver_spoilt(spoil.fault, author, token, message),
                _ => self.deliver(token, message),
            }
        }
    }

    fn deliver(&mut self, token: u64, message: &[u8]) {
        self.send(token, message);
        let held = self.clients.get_mut(&token).map(|client| std::mem::take(&mut client.held));
        if let Some(held) = held.filter(|held| !held.is_empty()) {
            self.send(token, &held);
        }
    }

    fn deliver_spoilt(&mut self, fault: Fault, author: u64, token: u64, message: &[u8]) {
        match fault {
            Fault::Drop | Fault::Slow => {}
            Fault::Stray => self.deliver(token, message),
            Fault::Tell => self.deliver(token, &self.dialect.missed_one()),
            Fault::Duplicate => [message, message].into_iter().for_each(|message| self.deliver(token, message)),
            Fault::Swap => self.clients.get_mut(&token).into_iter().for_each(|client| client.held = message.to_vec()),
            Fault::Echo => [author, token].into_iter().for_each(|token| self.deliver(token, message)),
            Fault::Corrupt => {
                let mut message = message.to_vec();
                let last = self.dialect.last_byte(&message);
                message[last] ^= 1;
                self.deliver(token, &message);
            }
        }
    }

    /// Sends `bytes` behind what already waits; keeps what the socket does not take.
    fn send(&mut self, token: u64, bytes: &[u8]) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        let waited = !client.output.is_empty();
        let sent = if waited {
            client.output.extend_from_slice(bytes);
            sys::send(client.socket.as_fd(), &client.output).unwrap_or(0)
        } else {
            let sent = sys::send(client.socket.as_fd(), bytes).unwrap_or(0);
            client.output.extend_from_slice(&bytes[sent..]);
            0
        };
        client.output.drain(..sent);
        let waits = !client.output.is_empty();
        if waits != waited {
            let interest = if waits { Interest::ReadAndWrite } else { Interest::Read };
            // A socket that cannot be watched any more is closed, and its next read says so.
            let _ = self.epoll.modify(client.socket.as_fd(), token, interest);
        }
    }
}
