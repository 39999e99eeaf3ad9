//! A NATS server for a test: its own port, its own folder, ended by its handle.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::PATIENCE;

#[derive(Debug)]
pub struct Server {
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Server {
    /// `None`, said loudly, where no NATS server is installed.
    pub fn start() -> Option<Self> {
        Self::with(&[], true)
    }

    /// One with these lines in its configuration.
    pub fn with(lines: &[&str], jetstream: bool) -> Option<Self> {
        if Command::new("nats-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("NOT RUN: nats-server is not installed (apt-get install nats-server)");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let mut configuration = format!("listen: \"127.0.0.1:{port}\"\n");
        if jetstream {
            let store = folder.path().join("store");
            configuration += &format!("jetstream {{ store_dir: {:?}, max_file: 1GB, max_mem: 64MB }}\n", store);
        }
        configuration += &lines.join("\n");
        std::fs::write(folder.path().join("nats.conf"), configuration).expect("a file can be written");
        let mut server = Self { port, folder, process: None };
        server.start_again();
        Some(server)
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Starts it on what it has stored.
    pub fn start_again(&mut self) {
        let process = Command::new("nats-server")
            .arg("-c")
            .arg(self.folder.path().join("nats.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(process.expect("nats-server starts"));
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(Instant::now() < end, "nats-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it is ours");
            process.wait().expect("it was killed");
        }
    }

    /// Removes what it has stored.
    pub fn forget(&self) {
        assert!(self.process.is_none(), "it does not run");
        std::fs::remove_dir_all(self.folder.path().join("store")).expect("it can be removed");
    }

    /// Keeps a copy of what it has stored.
    pub fn keep_copy(&self) {
        self.copy("store", "copy");
    }

    /// Stores what it had when the copy was made, and nothing else.
    pub fn restore_copy(&self) {
        self.forget();
        self.copy("copy", "store");
    }

    fn copy(&self, from: &str, to: &str) {
        assert!(self.process.is_none(), "it does not run");
        let paths = [from, to].map(|name| self.folder.path().join(name));
        let copied = Command::new("cp").arg("-a").args(&paths).status().expect("cp is there");
        assert!(copied.success());
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("it runs");
        kill(Pid::from_raw(i32::try_from(process.id()).expect("a number of a process")), signal).expect("it is ours");
    }

    /// Stops it until [`Server::go_on`].
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Runs something as a client of another program would.
    fn as_client<T>(&self, what: impl AsyncFnOnce(async_nats::Client) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = async_nats::ConnectOptions::new().skip_subject_validation(true).connect(self.url()).await;
            what(client.expect("it listens")).await
        })
    }

    /// Publishes by hand, so that what no client would send is sent.
    pub fn publish(&self, subject: &str, bytes: &[u8]) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens");
        let head = format!("CONNECT {{\"verbose\":false}}\r\nPUB {subject} {}\r\n", bytes.len());
        stream.write_all(&[head.as_bytes(), bytes, b"\r\nPING\r\n"].concat()).expect("the connection stands");
        let mut answer = String::new();
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("it is not zero");
        let mut buffer = [0; 4096];
        while !answer.contains("PONG") && !answer.contains("-ERR") {
            match std::io::Read::read(&mut stream, &mut buffer) {
                Ok(length) if length > 0 => answer.push_str(&String::from_utf8_lossy(&buffer[..length])),
                _ => break,
            }
        }
    }

    pub fn make_stream(&self, configuration: &str) {
        self.as_client(async |client| {
            let name = "$JS.API.STREAM.CREATE.uproar-test";
            let answer = client.request(name, configuration.to_owned().into()).await.expect("it answers");
            let text = String::from_utf8_lossy(&answer.payload);
            assert!(!text.contains("\"error\""), "{text}");
        });
    }

    /// Removes the messages below a sequence.
    pub fn purge(&self, stream: &str, sequence: u64) {
        self.as_client(async |client| {
            let context = async_nats::jetstream::new(client);
            let stream = context.get_stream(stream).await.expect("it is there");
            stream.purge().sequence(sequence).await.expect("it can be purged");
        });
    }

    /// Removes all consumers of these streams, as when the server that had them in memory is gone.
    pub fn remove_consumers(&self, streams: &[&str]) {
        use futures_util::StreamExt;
        self.as_client(async |client| {
            let context = async_nats::jetstream::new(client);
            for stream in streams {
                let stream = context.get_stream(stream).await.expect("it is there");
                let names: Vec<String> = stream.consumer_names().filter_map(|name| async { name.ok() }).collect().await;
                assert!(!names.is_empty(), "somebody reads it");
                for name in names {
                    stream.delete_consumer(&name).await.expect("it is there");
                }
            }
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
