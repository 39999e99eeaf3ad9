//! The terminal client, `uproar chat`: standard input and the socket at once.
//!
//! On a terminal it edits a line while others' lines arrive (`terminal`); through pipes it is plain lines in and plain
//! lines out (`plain`). Both block in threads, one for each direction, so that a server which does not read stops
//! neither the printing nor the typing. What a server sends is shown with control characters made harmless, whatever
//! server that is. It deliberately knows no commands and keeps no files.
//!
//! # Exit codes
//!
//! 0 after leaving (an empty line, Ctrl-D, Ctrl-C), after a server on a terminal has closed, when the reader of the
//! standard output has gone away, and when everything on the standard input was sent and the server then closed. 1 when
//! there is no connection, and, through pipes, when the connection ended before all of the input was sent.

mod arrivals;
mod plain;
mod terminal;

use std::error::Error;
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;
use std::{fmt, str};

use crate::limits::{LINE_BYTES_MAX, rendered_bytes_max};
use crate::net;

use arrivals::Arrivals;

/// How long each address of a server is tried.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Most bytes taken from the server, or from a piped input, at once.
const READ_BYTES: usize = 16 * 1024;

/// Longest line that is shown whole: the longest that an uproar server sends. Longer ones are cut up.
const SHOWN_LINE_BYTES_MAX: usize = rendered_bytes_max(LINE_BYTES_MAX);

/// Lines typed on a terminal that wait for a server which is not reading. At the bound the next one is refused, and the
/// terminal goes on listening to its user.
const TYPED_LINES_MAX: usize = 64;

/// Lines typed on a terminal that the arrow keys bring back.
const HISTORY_LINES_MAX: usize = 1000;

/// Pause after which an escape byte from the keyboard is a key of its own. Nothing is printed meanwhile.
const ESCAPE_WAIT_MS: u16 = 100;

/// Default of `--wait`: at the end of a piped input, how long the server is given to take it and to close. A server that
/// allows ten lines a second needs a while for a long text.
pub const INPUT_END_WAIT_DEFAULT: Duration = Duration::from_secs(60);

/// When the server closes first, how long a piped input is given to end too, so that the end of both is no failure.
const INPUT_LAST_WAIT: Duration = Duration::from_millis(200);

/// On leaving, how long the server is given to take the lines typed last.
const LEAVE_WAIT: Duration = Duration::from_secs(1);

/// When the server closes, how long the line editor is given to print the last lines and stop. It takes a moment unless
/// its user is in the middle of a key sequence or of a search in the history: nothing is printed during those.
const EDITOR_STOP_WAIT: Duration = Duration::from_secs(3);

/// What is said when the server has closed, in the original's words.
const CLOSED: &str = "Server closed the connection.";

/// Talks in the room at `address` until the user leaves, the input ends or the server closes. `input_end_wait` bounds how
/// long a server may take over the end of a piped input. Errors are failures to connect and of the standard streams.
pub fn run(address: &str, input_end_wait: Duration) -> Result<ExitCode, Box<dyn Error>> {
    let stream = connect(address)?;
    match terminal::open() {
        Some(terminal) => terminal.run(stream),
        None => plain::run(stream, input_end_wait),
    }
}

/// Why there is no connection, and what would change that.
#[derive(Debug)]
struct ConnectError {
    address: String,
    source: io::Error,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, source } = self;
        write!(f, "cannot connect to {address}: ")?;
        match source.kind() {
            ErrorKind::ConnectionRefused => {
                write!(f, "connection refused; is the server running? start it with: uproar serve {address}")
            }
            ErrorKind::TimedOut => write!(f, "no answer"),
            _ => write!(f, "{source}"),
        }
    }
}

impl Error for ConnectError {}

/// Connects to the first of the addresses named by `text` that answers.
fn connect(text: &str) -> Result<TcpStream, ConnectError> {
    let failed = |source| ConnectError { address: text.to_owned(), source };
    let mut last = None;
    for address in net::resolve(text).map_err(failed)? {
        match TcpStream::connect_timeout(&reachable(address), CONNECT_WAIT) {
            Ok(stream) => {
                // A typed line is sent when it is typed. Without the option it only arrives later.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(failed(last.expect("a name resolves to at least one address")))
}

/// Every interface, for a server, is this machine for a client.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// How receiving ended.
#[derive(Debug)]
enum ReceiveEnd {
    /// The server closed its side in order.
    Closed,
    /// The connection broke.
    Broken,
    /// What arrived could not be shown.
    Show(io::Error),
}

/// Hands what arrives to `show` until it ends: whole lines, each with its line feed, safe for any terminal.
fn receive(mut stream: &TcpStream, mut show: impl FnMut(&str) -> io::Result<()>) -> ReceiveEnd {
    let mut arrivals = Arrivals::default();
    let mut chunk = vec![0; READ_BYTES];
    loop {
        let end = match stream.read(&mut chunk) {
            Ok(0) => Some(ReceiveEnd::Closed),
            Ok(length) => {
                arrivals.add(&chunk[..length]);
                None
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => Some(ReceiveEnd::Broken),
        };
        if end.is_some() {
            arrivals.finish();
        }
        let text = arrivals.take();
        if !text.is_empty()
            && let Err(error) = show(str::from_utf8(&text).expect("sanitised lines are UTF-8"))
        {
            return ReceiveEnd::Show(error);
        }
        if let Some(end) = end {
            return end;
        }
    }
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
    fn a_failure_to_connect_says_what_to_do() {
        let refused = ConnectError { address: ":8888".into(), source: ErrorKind::ConnectionRefused.into() };
        assert_eq!(
            refused.to_string(),
            "cannot connect to :8888: connection refused; is the server running? start it with: uproar serve :8888"
        );
        let wrong = connect("8888").unwrap_err().to_string();
        assert!(wrong.starts_with("cannot connect to 8888: an address is IP:PORT"), "{wrong}");
    }
}
