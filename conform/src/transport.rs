//! How a case reaches a server: a trait for connections, and real ones. A simulated kernel may give others.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long after the last step to wait for a line that should not come. A server needs less time than this to send
/// one.
const SURPLUS_WAIT: Duration = Duration::from_millis(20);

/// Connections to one server.
pub trait Transport {
    type Connection;

    fn connect(&mut self) -> Result<Self::Connection, String>;

    /// The address that the server sees, which is the name of the member.
    fn address(&self, connection: &Self::Connection) -> SocketAddr;

    fn send(&mut self, connection: &mut Self::Connection, bytes: &[u8]) -> Result<(), String>;

    /// When a wait that begins now is over.
    fn deadline(&self) -> Instant;

    /// The next line without its line feed; `None` at the end of the stream. An error when nothing has come by
    /// `deadline`.
    fn line(&mut self, connection: &mut Self::Connection, deadline: Instant) -> Result<Option<String>, String>;

    /// A line that is there, or comes at once.
    fn surplus(&mut self, connection: &mut Self::Connection) -> Option<String>;

    /// Says that nothing more is sent; lines may still be read.
    fn half_close(&mut self, connection: &mut Self::Connection) -> Result<(), String>;

    fn reset(&mut self, connection: Self::Connection) -> Result<(), String>;
}

/// TCP to a server at an address.
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    pub address: SocketAddr,
    /// How long to wait for a line.
    pub patience: Duration,
}

/// A connection, and what was read from it.
#[derive(Debug)]
pub struct TcpConnection {
    stream: TcpStream,
    address: SocketAddr,
    /// Bytes read that are no whole line yet, and lines behind them.
    unread: Vec<u8>,
}

impl Transport for Tcp {
    type Connection = TcpConnection;

    fn connect(&mut self) -> Result<TcpConnection, String> {
        let stream = TcpStream::connect(self.address).map_err(|error| format!("cannot connect: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let address = stream.local_addr().map_err(|error| error.to_string())?;
        Ok(TcpConnection { stream, address, unread: Vec::new() })
    }

    fn address(&self, connection: &TcpConnection) -> SocketAddr {
        connection.address
    }

    fn send(&mut self, connection: &mut TcpConnection, bytes: &[u8]) -> Result<(), String> {
        connection.stream.write_all(bytes).map_err(|error| format!("{} cannot send: {error}", connection.address))
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    fn line(&mut self, connection: &mut TcpConnection, deadline: Instant) -> Result<Option<String>, String> {
        connection.line(deadline)
    }

    fn surplus(&mut self, connection: &mut TcpConnection) -> Option<String> {
        connection.line(Instant::now() + SURPLUS_WAIT).ok().flatten()
    }

    fn half_close(&mut self, connection: &mut TcpConnection) -> Result<(), String> {
        connection.stream.shutdown(Shutdown::Write).map_err(|error| error.to_string())
    }

    fn reset(&mut self, connection: TcpConnection) -> Result<(), String> {
        let linger = Some(Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(&connection.stream, linger).map_err(|error| error.to_string())
    }
}

impl TcpConnection {
    fn line(&mut self, deadline: Instant) -> Result<Option<String>, String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).take(end).collect();
                return String::from_utf8(line).map(Some).map_err(|error| format!("not UTF-8: {error}"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("{} waited in vain", self.address));
            }
            self.stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
            let mut bytes = [0; 65536];
            match self.stream.read(&mut bytes) {
                Ok(0) if self.unread.is_empty() => return Ok(None),
                Ok(0) => return Err(format!("the stream ended in the middle of a line: {:?}", self.unread)),
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                }
                // A server that closes while bytes of ours are unread resets the connection.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(format!("reading failed: {error}")),
            }
        }
    }
}
