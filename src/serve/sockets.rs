//! The listeners of all doors: opened here, at the addresses that options name, or passed by a service manager
//! (sd_listen_fds(3)), which listens already while the server starts and when it has stopped.
//!
//! A passed socket has the name of its door. It takes the place of an address, and opens a door that no option asks for.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::Failure;
use crate::cli::{ADDRESS_DEFAULT, Serve};
use crate::door::{Door, Doors};
use crate::io::socket;
use crate::journal::{Journal, LogEvent, LogField, Value};
use crate::net;
use crate::outlet::Outlet;
use crate::token::ListenerId;

/// The doors that a socket can be passed for.
const DOORS: [Door; Doors::MAX] = [Door::Text, Door::Web, Door::Irc, Door::Admin];

/// Sockets that were passed, each for another door.
#[derive(Debug, Default)]
pub struct Passed(Vec<(Door, OwnedFd)>);

impl Passed {
    /// Finds the door of each socket by its name. `Err` says which has none, or another's.
    pub fn of(sockets: Vec<(String, OwnedFd)>) -> Result<Self, String> {
        let mut passed = Self::default();
        for (name, socket) in sockets {
            let Some(door) = DOORS.into_iter().find(|door| door.name() == name) else {
                let doors = DOORS.map(Door::name).join(", ");
                return Err(format!(
                    "a socket was passed with the name {name:?} (LISTEN_FDNAMES), which is no door; doors are {doors} \
                     (FileDescriptorName= of a socket unit)"
                ));
            };
            if passed.has(door) {
                return Err(format!("two sockets were passed with the name {name:?} (LISTEN_FDNAMES); a door has one"));
            }
            passed.0.push((door, socket));
        }
        Ok(passed)
    }

    pub fn has(&self, door: Door) -> bool {
        self.0.iter().any(|(other, _)| *other == door)
    }

    fn take(&mut self, door: Door) -> Option<OwnedFd> {
        let place = self.0.iter().position(|(other, _)| *other == door)?;
        Some(self.0.swap_remove(place).1)
    }
}

/// The listeners of a server.
#[derive(Debug)]
pub struct Listening {
    /// The doors, in the order of their listeners.
    pub doors: Doors,
    pub listeners: Vec<TcpListener>,
    /// Where each listens.
    pub addresses: Vec<(Door, SocketAddr)>,
    /// Those that the service manager has too.
    pub shared: Vec<ListenerId>,
}

/// Opens the doors that options ask for, and those that a socket was passed for. The kernel ends a connection whose peer
/// answers nothing for `dead_after` while there is nothing to send.
pub fn open<W: Outlet>(
    serve: &Serve,
    mut passed: Passed,
    dead_after: Duration,
    journal: &mut Journal<W>,
) -> Result<Listening, Failure> {
    let further = serve.further_doors();
    let mut listening =
        Listening { doors: Doors::only(Door::Text), listeners: Vec::new(), addresses: Vec::new(), shared: Vec::new() };
    for (place, door) in DOORS.into_iter().enumerate() {
        let asked_for = further.iter().find(|(other, _)| *other == door).map(|(_, address)| address.as_str());
        let asked_for = if door == Door::Text { Some(serve.addr.as_str()) } else { asked_for };
        let listener = match (passed.take(door), asked_for) {
            (Some(socket), asked_for) => {
                let listener = adopt(door, socket, dead_after)?;
                let address = listener.local_addr()?;
                if let Some(instead_of) = asked_for.filter(|address| *address != ADDRESS_DEFAULT) {
                    let name = door.name();
                    let text = format_args!("the passed socket for {name}, {address}, takes the place of {instead_of}");
                    let fields = [(LogField::Door, Value::Text(&name)), (LogField::Address, Value::Text(&address))];
                    journal.report_with(LogEvent::PassedSocket, Instant::now(), text, &fields);
                }
                let id = ListenerId::first(listening.listeners.len() + 1).last();
                listening.shared.extend(id);
                listener
            }
            (None, Some(address)) => net::listen(address, dead_after)?,
            (None, None) => continue,
        };
        if place > 0 {
            listening.doors = listening.doors.and(door);
        }
        listening.addresses.push((door, listener.local_addr()?));
        listening.listeners.push(listener);
    }
    Ok(listening)
}

/// Listens on a socket that was passed for a door.
fn adopt(door: Door, socket: OwnedFd, dead_after: Duration) -> Result<TcpListener, String> {
    let name = door.name();
    socket::adopt(socket, dead_after).map_err(|wrong| {
        format!("what was passed for {name} (LISTEN_FDS) {wrong}; it has to be a TCP socket that listens (Accept=no)")
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpStream, UdpSocket};
    use std::os::unix::net::UnixListener;

    use rustix::net::{AddressFamily, SocketType, sockopt};

    use super::*;
    use crate::journal::Style;
    use crate::limits::SOCKET_SEND_BYTES;
    use crate::sim::memory_file::MemoryFile;

    const DEAD_AFTER: Duration = Duration::from_secs(60);

    fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").unwrap()
    }

    /// Opens the doors of a server, and says what it logs.
    fn open(options: &[&str], passed: Vec<(&str, OwnedFd)>) -> Result<(Listening, String), String> {
        let passed = Passed::of(passed.into_iter().map(|(name, socket)| (name.to_owned(), socket)).collect())?;
        let log = MemoryFile::default();
        let mut journal = Journal::new(log.clone(), Style::default(), 1000);
        let listening = super::open(&Serve::with(options)?, passed, DEAD_AFTER, &mut journal);
        let listening = listening.map_err(|error| error.to_string())?;
        Ok((listening, String::from_utf8(log.written()).unwrap()))
    }

    #[test]
    fn a_passed_socket_takes_the_place_of_an_address_or_opens_a_door() {
        let [text, admin] = [listener(), listener()];
        let [text_at, admin_at] = [&text, &admin].map(|listener| listener.local_addr().unwrap());
        let options = ["127.0.0.1:1", "--web", "127.0.0.1:0"];
        let (listening, log) = open(&options, vec![("admin", admin.into()), ("text", text.into())]).unwrap();
        assert_eq!(listening.doors.all(), [Door::Text, Door::Web, Door::Admin]);
        assert_eq!(listening.shared, ListenerId::first(3).filter(|id| id.index() != 1).collect::<Vec<_>>());
        let doors: Vec<Door> = listening.addresses.iter().map(|(door, _)| *door).collect();
        assert_eq!(doors, listening.doors.all());
        assert_eq!((listening.addresses[0].1, listening.addresses[2].1), (text_at, admin_at));
        assert_eq!(
            log,
            format!("uproar: the passed socket for text, {text_at}, takes the place of 127.0.0.1:1\n"),
            "nothing is said of a door that no option asks for"
        );
    }

    #[test]
    fn a_passed_socket_has_the_options_of_one_that_is_opened() {
        let (listening, log) = open(&[], vec![("text", listener().into())]).unwrap();
        assert_eq!(log, "", "the default is no choice");
        let own = net::listen("127.0.0.1:0", DEAD_AFTER).unwrap();
        let newcomers = [&listening.listeners[0], &own].map(|listener| {
            let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let newcomer = listener.accept().unwrap().0;
            (
                sockopt::tcp_nodelay(&newcomer).unwrap(),
                sockopt::socket_keepalive(&newcomer).unwrap(),
                sockopt::tcp_keepidle(&newcomer).unwrap(),
                sockopt::socket_recv_buffer_size(&newcomer).unwrap(),
                sockopt::socket_send_buffer_size(&newcomer).unwrap(),
            )
        });
        assert_eq!(newcomers[0], newcomers[1]);
        assert!(newcomers[0].0 && newcomers[0].4 >= SOCKET_SEND_BYTES, "{newcomers:?}");
    }

    #[test]
    fn as_many_newcomers_may_wait_on_a_passed_socket() {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        rustix::net::listen(&socket, 1).unwrap();
        let (listening, _) = open(&[], vec![("text", socket)]).unwrap();
        let address = listening.addresses[0].1;
        let waiting: Vec<_> =
            (0..10).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(500))).collect();
        assert!(waiting.iter().all(Result::is_ok), "{waiting:?}");
    }

    #[track_caller]
    fn refused(passed: Vec<(&str, OwnedFd)>, expected: &str) {
        let error = open(&[], passed).expect_err("it cannot be listened on");
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn what_cannot_be_listened_on_is_an_error_that_says_what_it_is() {
        refused(vec![("uproar.socket", listener().into())], "\"uproar.socket\" (LISTEN_FDNAMES), which is no door");
        refused(vec![("irc", listener().into()), ("irc", listener().into())], "two sockets were passed");
        let stream = TcpStream::connect(listener().local_addr().unwrap()).unwrap();
        refused(vec![("web", stream.into())], "passed for web (LISTEN_FDS) does not listen");
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        refused(vec![("text", datagrams.into())], "is a socket of another kind than TCP");
        let folder = tempfile::tempdir().unwrap();
        let local = UnixListener::bind(folder.path().join("socket")).unwrap();
        refused(vec![("text", local.into())], "is a socket of another kind than TCP");
        let file = std::fs::File::open("/dev/null").unwrap();
        refused(vec![("admin", file.into())], "is no socket");
    }
}
