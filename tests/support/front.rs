//! What ends TLS in front of a server without it: made from rustls in this process, or Debian's haproxy. And the
//! certificates for it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustix::event::{PollFd, PollFlags, poll};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ServerConfig, ServerConnection};
use tempfile::TempDir;

use super::chat::{PATIENCE, Program};

/// Signs certificates of servers.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
    pem: String,
}

/// The certificate of a server, and its key.
pub struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("an authority of {:?}", Instant::now()));
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), &pem).unwrap();
        Self { issuer: Issuer::new(params, key), folder, pem }
    }

    /// The file of its certificate.
    pub fn file(&self) -> String {
        self.folder.path().join("ca.pem").to_str().unwrap().to_owned()
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub fn sign(&self, names: &[&str]) -> Identity {
        self.sign_with(names, |_| {})
    }

    pub fn sign_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Identity { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    pub fn sign_expired(&self, name: &str) -> Identity {
        self.sign_with(&[name], |params| {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 2, 3));
        })
    }

    pub fn sign_early(&self, name: &str) -> Identity {
        self.sign_with(&[name], |params| {
            (params.not_before, params.not_after) = (date_time_ymd(2120, 1, 1), date_time_ymd(2121, 1, 1));
        })
    }
}

impl Identity {
    /// One that has signed itself, as an authority where `is_authority`.
    pub fn of_itself(name: &str, is_authority: bool) -> Self {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    /// The certificate and its key, as haproxy reads them.
    pub fn pem(&self) -> String {
        self.certificate.pem() + &self.key.serialize_pem()
    }

    pub fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    pub fn config(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from_pem_slice(self.key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let chain = vec![self.certificate.der().clone()];
        Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
    }
}

/// Ends TLS, and passes on what is said to a server without it.
pub struct Front {
    pub address: String,
    port: u16,
    kind: Kind,
}

enum Kind {
    Own(Arc<Shared>),
    Haproxy(#[allow(dead_code, reason = "it is ended when this is dropped")] Program, TempDir),
}

struct Shared {
    to: String,
    config: Mutex<Arc<ServerConfig>>,
    /// Both ends of each connection.
    sockets: Mutex<Vec<(TcpStream, TcpStream)>>,
}

impl Front {
    /// Named `localhost` in its address, as in the certificate that most tests use.
    pub fn own(identity: &Identity, to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared =
            Arc::new(Shared { to: to.to_owned(), config: Mutex::new(identity.config()), sockets: Mutex::default() });
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for client in listener.incoming() {
                    let (Ok(client), Ok(server)) = (client, TcpStream::connect(&shared.to)) else { continue };
                    let both = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    shared.sockets.lock().unwrap().push(both);
                    let config = Arc::clone(&shared.config.lock().unwrap());
                    thread::spawn(move || pass_on(&client, &server, ServerConnection::new(config).unwrap()));
                }
            }
        });
        Self { address: format!("localhost:{port}"), port, kind: Kind::Own(shared) }
    }

    /// `None`, after a loud word, where it is not installed.
    pub fn haproxy(identity: &Identity, to: &str) -> Option<Self> {
        if !is_installed("haproxy") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("server.pem"), identity.pem()).unwrap();
        let port = free_port();
        let text = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\nlisten chat\n bind \
             127.0.0.1:{port} ssl crt {}\n server uproar {to}\n",
            path("server.pem"),
        );
        fs::write(path("haproxy.cfg"), text).unwrap();
        let program = haproxy(&path("haproxy.cfg"), &[port]);
        Some(Self { address: format!("localhost:{port}"), port, kind: Kind::Haproxy(program, folder) })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connections come to their end without a word that says so.
    pub fn cut(&self) {
        let Kind::Own(shared) = &self.kind else { panic!("haproxy cuts nothing") };
        for (client, server) in shared.sockets.lock().unwrap().drain(..) {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// Further connections get another certificate.
    pub fn become_another(&self, identity: &Identity) {
        let Kind::Own(shared) = &self.kind else { panic!("haproxy keeps its certificate") };
        *shared.config.lock().unwrap() = identity.config();
    }
}

/// Starts haproxy and waits until it answers on all ports.
pub fn haproxy(config: &str, ports: &[u16]) -> Program {
    let mut command = Command::new("haproxy");
    command.args(["-db", "-q", "-f", config]).stdout(Stdio::null()).stderr(Stdio::inherit());
    let mut program = Program(command.spawn().unwrap());
    let deadline = Instant::now() + PATIENCE;
    for port in ports {
        while TcpStream::connect(("127.0.0.1", *port)).is_err() {
            assert!(program.0.try_wait().unwrap().is_none(), "haproxy has ended");
            assert!(Instant::now() < deadline, "haproxy does not answer on {port}");
            thread::sleep(Duration::from_millis(5));
        }
    }
    program
}

/// Whether a program of Debian is there; says loudly what is skipped where it is not.
pub fn is_installed(program: &str) -> bool {
    let is_there = Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !is_there {
        let test = thread::current().name().unwrap_or_default().to_owned();
        eprintln!("SKIPPED, {program} is not installed here: {test}");
    }
    is_there
}

/// A port that nothing listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One connection, until both directions have ended.
fn pass_on(client: &TcpStream, server: &TcpStream, mut tls: ServerConnection) {
    for socket in [client, server] {
        socket.set_nonblocking(true).unwrap();
        socket.set_nodelay(true).unwrap();
    }
    let passed = try_pass_on(client, server, &mut tls);
    if passed.is_err() {
        // An alert says why a handshake has failed.
        let _ = tls.write_tls(&mut &*client);
        for socket in [client, server] {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

fn try_pass_on(client: &TcpStream, server: &TcpStream, tls: &mut ServerConnection) -> std::io::Result<()> {
    let mut to_server: Vec<u8> = Vec::new();
    let (mut is_client_done, mut is_server_done) = (false, false);
    let (mut is_server_told, mut is_client_told) = (false, false);
    let mut chunk = vec![0; 4096];
    while !(is_server_told && is_client_told) {
        let want = |reads: bool, writes: bool| {
            let read = if reads { PollFlags::IN } else { PollFlags::empty() };
            read | if writes { PollFlags::OUT } else { PollFlags::empty() }
        };
        // While one side takes nothing, the other is not read.
        let of_client = want(!is_client_done && to_server.is_empty(), tls.wants_write());
        let of_server = want(!is_server_done && !tls.wants_write() && !tls.is_handshaking(), !to_server.is_empty());
        poll(&mut [PollFd::new(client, of_client), PollFd::new(server, of_server)], None)?;
        if !is_client_done && to_server.is_empty() {
            let is_cut = present(tls.read_tls(&mut &*client))? == Some(0);
            let state = tls.process_new_packets().map_err(std::io::Error::other)?;
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            tls.reader().read_exact(&mut plain)?;
            to_server.extend(plain);
            is_client_done = state.peer_has_closed();
            if is_cut && !is_client_done {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        if !is_server_done && !tls.wants_write() && !tls.is_handshaking() {
            match present((&*server).read(&mut chunk))? {
                Some(0) => {
                    is_server_done = true;
                    tls.send_close_notify();
                }
                Some(length) => tls.writer().write_all(&chunk[..length])?,
                None => {}
            }
        }
        while tls.wants_write() && present(tls.write_tls(&mut &*client))?.is_some() {}
        if !to_server.is_empty()
            && let Some(length) = present((&*server).write(&to_server))?
        {
            to_server.drain(..length);
        }
        if is_server_done && !tls.wants_write() && !is_client_told {
            client.shutdown(Shutdown::Write)?;
            is_client_told = true;
        }
        if is_client_done && to_server.is_empty() && !is_server_told {
            server.shutdown(Shutdown::Write)?;
            is_server_told = true;
        }
    }
    Ok(())
}

/// `None` when a socket is not ready.
fn present(done: std::io::Result<usize>) -> std::io::Result<Option<usize>> {
    match done {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
