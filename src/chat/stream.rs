//! A connection of the client: a socket, or TLS over one. One thread reads and another writes, both may block.
//!
//! The state of TLS belongs to both directions, so it has a lock, which nobody holds while it waits for the socket: a
//! reader waits until there is something to read, and a writer takes the records that it has made out of the state
//! before it sends them. So a server that reads nothing stops nothing but the sending, with TLS too.
//!
//! The end of what a peer sends is `close_notify`. A connection that ends without it has been cut, by whom is not
//! known, and counts as broken.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, recv};
use rustls::ClientConnection;

/// Bytes that are sealed and sent at once.
const PIECE_BYTES: usize = 16 * 1024;

#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    tls: Option<Tls>,
}

#[derive(Debug)]
struct Tls {
    state: Mutex<ClientConnection>,
    /// Held from when records are made until the socket has taken them: they go out in the order of their numbers.
    sending: Mutex<()>,
}

/// Why two sides have not come to speak TLS.
#[derive(Debug)]
pub enum HandshakeError {
    Tls(rustls::Error),
    /// The peer has closed.
    Closed,
    /// The peer took too long.
    NoAnswer,
    Io(io::Error),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream {
    pub fn plain(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }

    /// Speaks TLS over `socket`, which its peer has to answer before the deadline.
    pub fn tls(socket: TcpStream, mut state: ClientConnection, deadline: Instant) -> Result<Self, HandshakeError> {
        let done = shake_hands(&socket, &mut state, deadline);
        if done.is_err() {
            // The peer is told why, if it takes that at once.
            let _ = socket.set_nonblocking(true).and_then(|()| state.write_tls(&mut &socket));
        }
        done?;
        socket.set_read_timeout(None).and_then(|()| socket.set_write_timeout(None)).map_err(HandshakeError::Io)?;
        Ok(Self { socket, tls: Some(Tls { state: Mutex::new(state), sending: Mutex::new(()) }) })
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Waits for bytes: none at the end of what the peer sends.
    pub fn read(&self, chunk: &mut [u8]) -> io::Result<usize> {
        let Some(Tls { state, .. }) = &self.tls else { return (&self.socket).read(chunk) };
        loop {
            match lock(state).reader().read(chunk) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], None)?;
            let mut state = lock(state);
            match state.read_tls(&mut Present(&self.socket)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                // The reader says whether the end was announced.
                done => done?,
            };
            state.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
    }

    /// Waits until the socket has taken all of them.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &self.tls else { return (&self.socket).write_all(bytes) };
        let _in_order = lock(&tls.sending);
        bytes.chunks(PIECE_BYTES).try_for_each(|piece| tls.send(&self.socket, |state| state.writer().write_all(piece)))
    }

    /// Tells the peer that nothing more will be sent. It may go on sending.
    pub fn finish(&self) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            let _in_order = lock(&tls.sending);
            tls.send(&self.socket, |state| {
                state.send_close_notify();
                Ok(())
            })?;
        }
        self.socket.shutdown(Shutdown::Write)
    }
}

impl Tls {
    /// Sends the records that `make` makes.
    fn send(
        &self,
        mut socket: &TcpStream,
        make: impl FnOnce(&mut ClientConnection) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut records = Vec::new();
        let mut state = lock(&self.state);
        make(&mut state)?;
        while state.wants_write() {
            state.write_tls(&mut records)?;
        }
        drop(state);
        socket.write_all(&records)
    }
}

/// What has arrived on a socket that blocks.
struct Present<'a>(&'a TcpStream);

impl Read for Present<'_> {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.0, chunk, RecvFlags::DONTWAIT)?.0)
    }
}

fn shake_hands(mut socket: &TcpStream, state: &mut ClientConnection, deadline: Instant) -> Result<(), HandshakeError> {
    loop {
        // A time of zero would mean to wait for ever.
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(HandshakeError::NoAnswer);
        }
        socket.set_read_timeout(Some(left)).and_then(|()| socket.set_write_timeout(Some(left)))?;
        while state.wants_write() {
            state.write_tls(&mut socket)?;
        }
        if !state.is_handshaking() {
            return Ok(());
        }
        if state.read_tls(&mut socket)? == 0 {
            return Err(HandshakeError::Closed);
        }
        state.process_new_packets().map_err(HandshakeError::Tls)?;
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::NoAnswer,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }
}
