//! Proxies that say whom they bring, on real sockets: the PROXY protocol byte by byte, and Debian's haproxy in front of
//! each door with the configuration in `contrib/`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::chat::{Piped, Program};
use crate::support::front::{Authority, free_port, haproxy, is_installed};
use crate::support::{BACKENDS, PATIENCE, Person, Server, options, statistics};

/// Where proxies come from in these tests. People who come without one have other addresses.
const PROXY: [u8; 4] = [127, 0, 0, 9];

/// Long enough for bytes to arrive as a piece of their own.
const PIECE_PAUSE: Duration = Duration::from_millis(2);

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn start(back_end: &str, more: &[&str]) -> Server {
    let begin = ["--backend", back_end, "--proxy-from", "127.0.0.9", "--join-rate", "0", "--announce-rate", "0"];
    Server::start(&options(&[&begin, more].concat()))
}

fn v1(address: SocketAddr) -> Vec<u8> {
    let family = if address.is_ipv4() { "TCP4" } else { "TCP6" };
    let to = if address.is_ipv4() { "198.51.100.1" } else { "2001:db8::1" };
    format!("PROXY {family} {} {to} {} 8888\r\n", address.ip(), address.port()).into_bytes()
}

/// As the specification has it (chapter 2.2), with further fields of so many bytes.
fn v2(address: SocketAddr, more: usize) -> Vec<u8> {
    let mut body = Vec::new();
    match address {
        SocketAddr::V4(address) => {
            body.extend(address.ip().octets());
            body.extend([198, 51, 100, 1]);
        }
        SocketAddr::V6(address) => {
            body.extend(address.ip().octets());
            body.extend(address.ip().octets());
        }
    }
    body.extend(address.port().to_be_bytes());
    body.extend(8888u16.to_be_bytes());
    if more > 0 {
        // A field that means nothing (PP2_TYPE_NOOP).
        body.push(4);
        body.extend(u16::try_from(more - 3).unwrap().to_be_bytes());
        body.extend(vec![0; more - 3]);
    }
    let family = if address.is_ipv4() { 0x11 } else { 0x21 };
    [SIGNATURE, &[0x21, family], &u16::try_from(body.len()).unwrap().to_be_bytes(), &body].concat()
}

/// A health check.
fn v2_local() -> Vec<u8> {
    [SIGNATURE, &[0x20, 0, 0, 0]].concat()
}

fn brought(number: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], number))
}

/// A connection of a proxy.
fn connect(server: &Server) -> Person {
    Person::connect_from(PROXY, server.address)
}

/// The next line that somebody says.
fn said(person: &mut Person) -> String {
    loop {
        let line = person.line().expect("a line before the end");
        if line.starts_with('[') {
            return line;
        }
    }
}

#[test]
fn a_header_is_read_wherever_it_is_cut() {
    for back_end in BACKENDS {
        let server = start(back_end, &[]);
        let mut other = server.join();
        let mut number = 0;
        let v6 = "[2001:db8::7]:5".parse().unwrap();
        for whole in [v1(brought(1)), v2(brought(1), 0), v2(v6, 30)] {
            for cut in 0..=whole.len() {
                number += 1;
                let mut person = connect(&server);
                person.send(&whole[..cut]);
                thread::sleep(PIECE_PAUSE);
                person.send([&whole[cut..], format!("hello {number}\n").as_bytes()].concat());
                assert!(person.line().unwrap().starts_with("> Connected"), "cut at {cut} on {back_end}");
                let line = said(&mut other);
                let name = if whole == v2(v6, 30) { "[2001:db8::7]:5".to_owned() } else { brought(1).to_string() };
                assert_eq!(line, format!("[{name}] hello {number}"), "cut at {cut} on {back_end}");
                person.leave();
                other.lines_until(|line| line.starts_with("< The user "));
            }
        }
    }
}

#[test]
fn a_proxy_without_a_header_and_a_header_without_a_proxy_are_closed_and_never_said() {
    for back_end in BACKENDS {
        let server = start(back_end, &[]);
        let mut other = server.join();
        let too_long = v2(brought(1), 600);
        for bytes in
            [&b"hello\n"[..], b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP5 x\r\n", b"PROXY TCP4 hello\r\n", &too_long]
        {
            let mut person = connect(&server);
            person.send(bytes);
            person.read_to_end();
        }
        for header in [v1(brought(1)), v2(brought(1), 0), v2_local()] {
            let mut person = Person::connect_from([127, 0, 0, 8], server.address);
            person.send([&header, &b"hello\n"[..]].concat());
            person.lines_until(|line| line == "! this is a plain chat server: it does not speak the PROXY protocol");
            person.expect_end();
        }
        let mut last = server.join();
        last.send("the end\n");
        let lines = other.lines_until(|line| line.ends_with("] the end"));
        assert!(lines.iter().all(|line| !line.contains("hello") && !line.contains("192.0.2.7")), "{lines:?}");
        let counted = statistics(&server);
        assert_eq!((counted["closed_no_proxy_header"], counted["closed_foreign"]), (5, 3), "{back_end}");
    }
}

#[test]
fn those_who_look_whether_the_server_is_there_are_no_members() {
    for back_end in BACKENDS {
        let server = start(back_end, &[]);
        let mut other = server.join();
        for bytes in [&b""[..], &v2_local(), b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"] {
            let mut person = connect(&server);
            person.send(bytes);
            if bytes.is_empty() {
                person.half_close();
            }
            person.expect_end();
        }
        other.send("alone\n");
        let mut last = server.join();
        last.send("the end\n");
        let lines = other.lines_until(|line| line.ends_with("] the end"));
        assert_eq!(lines.len(), 2, "{lines:?} on {back_end}");
    }
}

#[test]
fn a_header_of_536_bytes_is_the_longest() {
    let server = start("epoll", &[]);
    let spare = 536 - v2(brought(1), 0).len();
    let longest = v2(brought(1), spare);
    assert_eq!(longest.len(), 536);
    let mut person = connect(&server);
    person.send(&longest);
    assert!(person.line().unwrap().starts_with("> Connected"));
    let mut person = connect(&server);
    person.send(v2(brought(2), spare + 1));
    person.read_to_end();
    assert_eq!(statistics(&server)["closed_no_proxy_header"], 1);
}

#[test]
fn limits_and_bans_are_those_of_whom_a_proxy_brings() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "a key of some length\n").unwrap();
    let more = ["--connections-per-address", "2", "--operator-key", key.to_str().unwrap()];
    let server = start("epoll", &more);
    let bring = |address: &str| {
        let mut person = connect(&server);
        person.send(v2(address.parse().unwrap(), 0));
        person
    };
    let mut people: Vec<Person> =
        ["192.0.2.7:1", "192.0.2.7:2", "192.0.2.8:1", "[2001:db8::1]:1", "[2001:db8::2]:1"].map(bring).into();
    for person in &mut people {
        assert!(person.line().unwrap().starts_with("> Connected"));
    }
    // An IPv6 network is one address.
    for address in ["192.0.2.7:3", "[2001:db8::3]:1"] {
        let mut third = bring(address);
        third.expect("! too many connections from your address");
        third.expect_end();
    }
    let operator = &mut people[2];
    operator.send("/op a key of some length\n/ban 192.0.2.7\n");
    operator.lines_until(|line| line.contains("192.0.2.7") && line.starts_with("! "));
    assert!(bring("192.0.2.7:4").line().unwrap().starts_with("! banned "));
    people[0].lines_until(|line| line.starts_with("! banned "));
    let mut other = bring("192.0.2.9:1");
    assert!(other.line().unwrap().starts_with("> Connected"), "the proxy itself is not banned");
}

type Secure = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// In which haproxy looks at each door more than once.
const LOOKS_TIME: Duration = Duration::from_secs(5);

/// A connection over TLS to a port of this machine.
fn secure(authority: &Authority, port: u16) -> Secure {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let state = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(StreamOwned::new(state, socket))
}

fn line(stream: &mut Secure) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// haproxy with the configuration of `contrib/`, in front of a server.
struct Haproxy {
    ports: [u16; 3],
    authority: Authority,
    _program: Program,
    _folder: tempfile::TempDir,
}

impl Haproxy {
    fn start(server: &Server) -> Self {
        let authority = Authority::new();
        let folder = tempfile::tempdir().unwrap();
        let pem = folder.path().join("uproar.pem");
        fs::write(&pem, authority.sign(&["localhost"]).pem()).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut text = fs::read_to_string(root.join("contrib/haproxy.cfg")).unwrap();
        let ports = [free_port(), free_port(), free_port()];
        let doors = [server.address, server.door("web"), server.door("irc")];
        for (documented, here) in [
            ("bind :::8889 v4v6 ", format!("bind 127.0.0.1:{} ", ports[0])),
            ("bind :::443 v4v6 ", format!("bind 127.0.0.1:{} ", ports[1])),
            ("bind :::6697 v4v6 ", format!("bind 127.0.0.1:{} ", ports[2])),
            ("uproar 127.0.0.1:8888 ", format!("uproar {} ", doors[0])),
            ("uproar 127.0.0.1:8080 ", format!("uproar {} ", doors[1])),
            ("uproar 127.0.0.1:6667 ", format!("uproar {} ", doors[2])),
            ("/etc/haproxy/uproar.pem", pem.to_str().unwrap().to_owned()),
        ] {
            assert!(text.contains(documented), "contrib/haproxy.cfg has {documented:?}");
            text = text.replace(documented, &here);
        }
        if !rustix::process::geteuid().is_root() {
            // Only root may become another user, and have another root directory.
            let is_kept =
                |line: &&str| !["chroot ", "user ", "group "].iter().any(|word| line.trim().starts_with(word));
            text = text.lines().filter(is_kept).fold(String::new(), |text, line| text + line + "\n");
        }
        let config = folder.path().join("haproxy.cfg");
        fs::write(&config, text).unwrap();
        let program = haproxy(config.to_str().unwrap(), &ports);
        Self { ports, authority, _program: program, _folder: folder }
    }
}

#[test]
fn haproxy_with_the_documented_configuration_is_in_front_of_each_door() {
    if !is_installed("haproxy") {
        return;
    }
    for back_end in BACKENDS {
        let options = options(&["--backend", back_end, "--proxy-from", "127.0.0.1", "--web", ":0", "--irc", ":0"]);
        let server = Server::start(&options);
        let mut other = Person::connect_from([127, 0, 0, 2], server.address);
        assert!(other.line().unwrap().starts_with("> Connected to the chat server (1 "));
        let haproxy = Haproxy::start(&server);
        let [text, web, irc] = haproxy.ports;

        let ca = haproxy.authority.file();
        let mut bob = Piped::start_with(&format!("localhost:{text}"), &["--tls", "--tls-ca", &ca, "--nick", "bob"]);
        bob.write("hello over TLS\n");
        let lines = other.lines_until(|line| line == "[bob] hello over TLS");
        let named = lines.iter().find(|line| line.contains("is now known as bob")).expect("bob had an address");
        assert!(named.starts_with("> 127.0.0.1:"), "{named}: the port is that of the client, not of haproxy");

        let mut page = secure(&haproxy.authority, web);
        write!(page.get_mut(), "GET / HTTP/1.1\r\nHost: localhost:{web}\r\n\r\n").unwrap();
        assert!(line(&mut page).starts_with("HTTP/1.1 "), "an answer over HTTP on {back_end}");

        let mut carol = secure(&haproxy.authority, irc);
        write!(carol.get_mut(), "NICK carol\r\nUSER carol 0 * :carol\r\nJOIN #lobby\r\n").unwrap();
        while !line(&mut carol).contains(" JOIN ") {}
        write!(carol.get_mut(), "PRIVMSG #lobby :hello over IRC\r\n").unwrap();
        other.lines_until(|line| line == "[carol] hello over IRC");
        other.send("hello to all\n");
        while !line(&mut carol).ends_with(" PRIVMSG #lobby :hello to all") {}
        while !bob.next().ends_with("] hello to all") {}

        // haproxy looks every two seconds whether each door is there, and nobody hears of it. It resets these connections
        // at once, and the kernel hands over none that was reset before: so a time without one proves nothing.
        let looks = |server: &Server| statistics(server)["accepted"];
        let (before, deadline) = (looks(&server), Instant::now() + LOOKS_TIME);
        while looks(&server) == before && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(statistics(&server)["members"], 3);
        other.send("the end\n");
        while !bob.next().ends_with("] the end") {}
        bob.input = None;
        assert_eq!(bob.program.exit().code(), Some(0), "all was said");
        other.lines_until(|line| line.starts_with("< The user bob left"));
        let mut rest = Vec::new();
        drop(carol.into_inner().sock);
        other.lines_until(|line| line.starts_with("< The user carol left"));
        let _ = page.read_to_end(&mut rest);
    }
}
