//! The terminal client, `uproar chat`: standard input and the socket at once.
//!
//! On a terminal it edits a line while others' lines arrive (`terminal`); through pipes it is plain lines in and plain
//! lines out, or objects (`plain`). Both block in threads, one for each direction, so that a server which does not read
//! stops neither the printing nor the typing. What a line of the server means, and coming back after a break, are pure
//! (`session`); only on a terminal does it come back, because only there somebody waits for it. Control characters from
//! a server are dropped, because it trusts no server. It deliberately keeps no files, and carries out no command but
//! `/quit` on a terminal.
//!
//! # Exit codes
//!
//! 1 when there is no connection. On a terminal 0 after leaving (an empty line, `/quit`, Ctrl-D, Ctrl-C on an empty
//! line) and after a server that said goodbye (`! the server is stopping`); 1 when the server went away in another way
//! for good, and when lines that were typed were not sent or may not have been read. Through pipes 0 when the server has
//! read to the end of the input (`account` says how that is known) and when the reader of the standard output has gone
//! away; 1 when a line was refused or may not have been said, when the server closed before the end of the input, and
//! when the name or the room of the options was refused, where nothing of the input is said.

mod account;
mod arrivals;
mod backoff;
mod completion;
mod connect;
mod gate;
mod link;
mod notices;
mod object;
mod plain;
mod prompt;
mod rows;
mod session;
mod stream;
mod style;
mod target;
mod terminal;
mod trust;
mod under_way;

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fmt, str, thread};

use jiff::tz::TimeZone;

use arrivals::Arrivals;
pub use connect::ConnectError;
use connect::Server;
use rows::Page;
use session::Settings;
use stream::Stream;

/// Most bytes taken from the server, or from a piped input, at once.
const READ_BYTES: usize = 16 * 1024;

/// Lines typed on a terminal that the arrow keys bring back.
const HISTORY_LINES_MAX: usize = 1000;

/// Pause after which an escape byte from the keyboard is a key of its own. Nothing is printed during it.
const ESCAPE_WAIT_MS: u16 = 100;

/// When the server closes first, how long a piped input is given to end too, so that the end of both is no failure.
const INPUT_LAST_WAIT: Duration = Duration::from_millis(300);

/// When both sides have closed, how long the kernels are given to agree on it.
const LAST_ACK_WAIT: Duration = Duration::from_secs(1);

/// On leaving, how long the server is given to take the lines typed last before the user is told what is waited for.
const LEAVE_WAIT: Duration = Duration::from_secs(1);

/// When the server closes, how long the line editor is given to print the last lines and stop. It takes a moment unless
/// its user is in the middle of a key sequence or of a search in the history: nothing is printed during those.
const EDITOR_STOP_WAIT: Duration = Duration::from_secs(3);

/// Printed when the server has closed, in the original's words.
const CLOSED: &str = "Server closed the connection.";

/// What a user may choose.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the server is, as it was typed.
    pub address: String,
    /// How long a server may take over the end of what is said.
    pub wait: Duration,
    pub plain: bool,
    pub json: bool,
    pub times: bool,
    pub no_reconnect: bool,
    pub nick: Option<String>,
    pub room: Option<String>,
    /// Whether TLS is spoken, and the file of the authorities that are trusted; this machine's where there is none.
    pub tls: bool,
    pub tls_ca: Option<PathBuf>,
}

impl Options {
    fn session(&self, comes_back: bool) -> Settings {
        let Self { plain, nick, room, .. } = self.clone();
        Settings { speaks_json: !plain, comes_back, nick, room }
    }

    /// The zone that times are told in: that of this machine, or of `TZ`.
    fn time_zone(&self) -> Option<TimeZone> {
        self.times.then(TimeZone::system)
    }
}

/// Talks until the user leaves, the input ends or the server closes. Errors are failures to connect and of the standard
/// streams.
pub fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let server = Server::of(options)?;
    let stream = server.connect()?;
    match terminal::open().filter(|_| !options.json) {
        Some(terminal) => terminal.run(server, stream, options),
        None => plain::run(stream, options),
    }
}

/// How receiving ended.
#[derive(Debug)]
enum ReceiveEnd {
    /// The server closed its side in order.
    Closed,
    /// The connection broke.
    Broken,
    /// Lines could not be shown.
    Show(io::Error),
}

/// Whether both sides have closed in order, which takes the kernels a moment when they do so at the same time: true
/// when the server's has acknowledged all that was sent, and the end of it, and has not reset the connection.
fn closed_in_order(stream: &TcpStream) -> bool {
    let deadline = Instant::now() + LAST_ACK_WAIT;
    // A connection has no peer any more once both of its ends are over.
    while stream.peer_addr().is_ok() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    matches!(stream.take_error(), Ok(None))
}

/// The size of the terminal that the standard output is, as it is now. `None` when it is no terminal.
fn page() -> Option<Page> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(Page::new(size.ws_col.into(), ambiguous_is_wide()))
}

/// Whether characters of ambiguous width take two columns, as terminals of East Asia may show them.
fn ambiguous_is_wide() -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| env::var(name).ok().filter(|l| !l.is_empty()));
    locale.is_some_and(|locale| ["zh", "ja", "ko"].iter().any(|language| locale.starts_with(language)))
}

/// Writes a line on the standard error, and ignores a failure.
fn complain(what: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "uproar: {what}");
}

/// A count of lines as people say it.
fn count_lines(count: u64) -> String {
    format!("{count} line{}", if count == 1 { "" } else { "s" })
}

/// Hands arriving lines to `show` until the stream ends: whole lines, each with its line feed, safe for any terminal.
fn receive(stream: &Stream, mut show: impl FnMut(&str) -> io::Result<()>) -> ReceiveEnd {
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
