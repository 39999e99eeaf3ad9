//! How a client comes to a connection: the addresses that a name has, one after the other, and TLS where it is asked
//! for.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::stream::{HandshakeError, Stream};
use super::trust::Trust;
use super::{Options, target};
use crate::net;

/// How long each address of a server is tried, and how long a server may take to come to speak TLS.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Where the server is, and whether it has to prove who it is.
#[derive(Clone, Debug)]
pub struct Server {
    /// With its port.
    address: String,
    trust: Option<Trust>,
}

/// Why there is no connection, and what would change that.
#[derive(Debug)]
pub struct ConnectError {
    address: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Io(io::Error),
    /// TLS was not come to, as a text. True when a further attempt will end in the same way.
    Tls(String, bool),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, why } = self;
        write!(f, "cannot connect to {address}: ")?;
        match why {
            Why::Tls(why, _) => f.write_str(why),
            Why::Io(source) => match source.kind() {
                ErrorKind::ConnectionRefused => {
                    write!(f, "connection refused; is the server running? start it with: uproar serve {address}")
                }
                ErrorKind::TimedOut => write!(f, "no answer"),
                _ => write!(f, "{source}"),
            },
        }
    }
}

impl Error for ConnectError {}

impl ConnectError {
    /// What a user who waits for a connection should know: the server does not prove who it is.
    pub fn distrust(&self) -> Option<&str> {
        match &self.why {
            Why::Tls(why, true) => Some(why),
            _ => None,
        }
    }
}

impl Server {
    /// Errors are a wrong address, and certificates that cannot be read.
    pub fn of(options: &Options) -> Result<Self, Box<dyn Error>> {
        let wrong = |wrong| ConnectError {
            address: options.address.clone(),
            why: Why::Io(io::Error::new(ErrorKind::InvalidInput, wrong)),
        };
        let address = target::complete(&options.address).map_err(wrong)?;
        let trust = options.tls.then(|| Trust::new(&address, options.tls_ca.as_deref())).transpose()?;
        Ok(Self { address, trust })
    }

    /// Connects to the first address that answers.
    pub fn connect(&self) -> Result<Stream, ConnectError> {
        let failed = |why| ConnectError { address: self.address.clone(), why };
        let socket = self.socket().map_err(|error| failed(Why::Io(error)))?;
        let Some(trust) = &self.trust else { return Ok(Stream::plain(socket)) };
        let deadline = Instant::now() + CONNECT_WAIT;
        trust.begin().and_then(|state| Stream::tls(socket, state, deadline)).map_err(|error| {
            let is_distrust = matches!(error, HandshakeError::Tls(rustls::Error::InvalidCertificate(_)));
            failed(Why::Tls(trust.explain(&error), is_distrust))
        })
    }

    fn socket(&self) -> io::Result<TcpStream> {
        let mut last = None;
        for address in net::resolve(&self.address)? {
            match TcpStream::connect_timeout(&reachable(address), CONNECT_WAIT) {
                Ok(socket) => {
                    // A typed line is to be sent at once. If the option cannot be set, lines arrive later and nothing
                    // else is wrong.
                    let _ = socket.set_nodelay(true);
                    return Ok(socket);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("a name resolves to at least one address"))
    }
}

/// A server listens on the unspecified address; a client then connects to this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_of_a_server_is_this_machine_for_a_client() {
        for (listening, reached) in [
            ("[::]:8888", "[::1]:8888"),
            ("0.0.0.0:8888", "127.0.0.1:8888"),
            ("192.0.2.7:1", "192.0.2.7:1"),
            ("[2001:db8::7]:1", "[2001:db8::7]:1"),
        ] {
            assert_eq!(reachable(listening.parse().unwrap()), reached.parse().unwrap());
        }
    }

    #[test]
    fn a_failure_to_connect_says_how_to_mend_it() {
        let why = Why::Io(ErrorKind::ConnectionRefused.into());
        let refused = ConnectError { address: ":8888".into(), why };
        assert_eq!(
            refused.to_string(),
            "cannot connect to :8888: connection refused; is the server running? start it with: uproar serve :8888"
        );
        let wrong = Server::of(&Options { address: "8888".into(), ..Options::default() }).unwrap_err().to_string();
        let expected = "cannot connect to 8888: a port alone is no address; write :8888 for this machine, or HOST:8888";
        assert_eq!(wrong, expected);
    }
}
