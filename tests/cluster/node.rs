//! Nodes of a cluster: the built program, on loopback addresses.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::member::{Door, Member};
use crate::nats::Nats;
use crate::support::{Person, Server, uproar};

/// What all nodes of a test are told.
#[derive(Clone)]
pub struct Cluster {
    pub url: String,
    pub options: Vec<String>,
}

/// A running node, killed when dropped.
pub struct Node {
    pub server: Server,
}

impl Cluster {
    pub fn new(nats: &Nats, options: &[&str]) -> Self {
        Self::at(&nats.url(), options)
    }

    /// Of an engine that is at another address than it says, or is not there yet.
    pub fn at(url: &str, options: &[&str]) -> Self {
        Self { url: url.to_owned(), options: options.iter().map(|option| (*option).to_owned()).collect() }
    }

    /// The arguments of node `number`, from 0, each of which has an address of its own.
    fn arguments(&self, number: usize, options: &[&str]) -> Vec<String> {
        let address = format!("127.0.0.{}", number + 2);
        let doors = ["--web", "--irc"].map(|door| [door.to_owned(), format!("{address}:0")]).concat();
        let own = ["--transcript", "off", "--flood-rate", "0", "--cluster", &self.url];
        let own = own.iter().chain(options).map(|option| (*option).to_owned());
        let address = vec!["serve".to_owned(), format!("{address}:0")];
        address.into_iter().chain(doors).chain(own).chain(self.options.clone()).collect()
    }

    /// Starts node `number`, and waits until it listens.
    pub fn start_with(&self, number: usize, options: &[&str]) -> Node {
        let arguments = self.arguments(number, options);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Node { server: Server::spawn(uproar(&arguments)) }
    }

    /// Starts node `number`, and waits until what is said there comes back from the stream.
    pub fn start(&self, number: usize) -> Node {
        let node = self.start_with(number, &[]);
        node.wait_until_live();
        node
    }

    /// Starts so many nodes.
    pub fn start_all(&self, count: usize) -> Vec<Node> {
        (0..count).map(|number| self.start(number)).collect()
    }

    /// What a node that cannot start says, and how it ends.
    pub fn fail_to_start(&self, number: usize, options: &[&str]) -> (ExitStatus, String) {
        let arguments = self.arguments(number, options);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut child = uproar(&arguments).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                let _ = child.kill();
                panic!("a node that does not fit goes on");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let output = child.wait_with_output().unwrap();
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// What it has logged is told where a test fails.
impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.server.log_so_far();
            eprintln!("the node at {} has logged {:#?}", self.server.address, &log[log.len().saturating_sub(20)..]);
        }
    }
}

impl Node {
    pub fn join(&self, door: Door) -> Member {
        Member::join(&self.server, door)
    }

    /// How many members the lobby has, as a newcomer is told: on all nodes, itself left out.
    pub fn members(&self) -> usize {
        let welcome = Person::connect(self.server.address).expect_start("> Connected to the chat server (");
        let count = welcome.rsplit_once('(').and_then(|(_, rest)| rest.split(' ').next()?.parse::<usize>().ok());
        count.unwrap_or_else(|| panic!("{welcome}")) - 1
    }

    /// Waits until the lobby has so many members.
    #[track_caller]
    pub fn wait_for_members(&self, count: usize, time: Duration) {
        let deadline = Instant::now() + time;
        loop {
            let found = self.members();
            if found == count {
                return;
            }
            assert!(Instant::now() < deadline, "{found} members instead of {count} after {time:?}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Waits until what is said in a room of this test's own comes back from the stream.
    fn wait_until_live(&self) {
        let room = format!("/join probe-{}\n", self.server.pid());
        let (mut author, mut listener) = (self.server.join(), self.server.join());
        for person in [&mut author, &mut listener] {
            person.send(&room);
            person.lines_until(|line| line.starts_with("> Joined "));
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            author.send("is it live?\n");
            let until = Instant::now() + Duration::from_millis(500);
            while let Some(line) = listener.line_within(until.saturating_duration_since(Instant::now())) {
                if line.ends_with("] is it live?") {
                    return;
                }
            }
            assert!(Instant::now() < deadline, "what is said does not come back from the stream");
        }
    }
}
