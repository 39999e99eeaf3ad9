//! Faults that the simulated kernel does not have: a process that is killed, stopped or short of memory, on every back
//! end.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::support::{self, BACKENDS, Person, Server, uproar};

fn start_at(address: &str, backend: &str) -> Server {
    let arguments = ["serve", address, "--transcript", "off", "--backend", backend, "--flood-rate", "0"];
    Server::spawn(uproar(&arguments))
}

#[test]
fn a_server_killed_in_mid_line_starts_again_on_the_same_port_at_once() {
    for backend in BACKENDS {
        let mut server = start_at("127.0.0.1:0", backend);
        let address = server.address.to_string();
        let (mut a, mut b) = (server.join(), server.join());
        a.expect_start("> New user ");
        a.send("before\nhal");
        b.expect(format!("[{}] before", a.name()));
        server.signal("KILL");
        assert!(!server.wait().success());
        a.expect_end();
        b.expect_end();

        let server = start_at(&address, backend);
        let (mut a, mut b) = (server.join(), server.join());
        a.expect_start("> New user ");
        b.send("after\n");
        a.expect(format!("[{}] after", b.name()));
    }
}

#[test]
fn a_server_stopped_for_five_seconds_loses_no_line_and_no_member() {
    const LINES: usize = 50;
    let servers = BACKENDS.map(|backend| start_at("127.0.0.1:0", backend));
    let mut people = Vec::new();
    for server in &servers {
        let (mut a, b) = (server.join(), server.join());
        a.expect_start("> New user ");
        server.signal("STOP");
        for number in 0..LINES {
            a.send(format!("line {number}\n"));
        }
        // The kernel takes it; the server will learn of it.
        people.push((a, b, Person::connect(server.address)));
    }
    thread::sleep(Duration::from_secs(5));
    for (server, (mut a, mut b, mut c)) in servers.iter().zip(people) {
        server.signal("CONT");
        c.expect_start("> Connected to the chat server (3 users online)");
        let lines = b.lines_until(|line| line.ends_with(&format!("] line {}", LINES - 1)));
        let said: Vec<&String> = lines.iter().filter(|line| line.starts_with('[')).collect();
        let expected: Vec<String> = (0..LINES).map(|number| format!("[{}] line {number}", a.name())).collect();
        assert_eq!(said, expected.iter().collect::<Vec<_>>());
        c.send("still here\n");
        a.lines_until(|line| line == format!("[{}] still here", c.name()));
    }
}

/// A control group with a limit on memory, removed when dropped.
struct Group(PathBuf);

impl Group {
    const LIMIT_BYTES: usize = 16 << 20;

    /// `Err` with the reason where this process may not make one.
    fn new(name: &str) -> Result<Self, String> {
        // The second version of control groups counts the memory of sockets with the rest, the first apart from it.
        let (root, limits) = if Path::new("/sys/fs/cgroup/memory").is_dir() {
            ("/sys/fs/cgroup/memory", &["memory.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes"][..])
        } else {
            ("/sys/fs/cgroup", &["memory.max"][..])
        };
        let group = Self(Path::new(root).join(format!("uproar-test-{}-{name}", std::process::id())));
        fs::create_dir(&group.0).map_err(|error| format!("no control group can be made in {root}: {error}"))?;
        for limit in limits {
            let set = fs::write(group.0.join(limit), Self::LIMIT_BYTES.to_string());
            set.map_err(|error| format!("{limit} cannot be set: {error}"))?;
        }
        Ok(group)
    }

    /// Whether its sockets, or with the second version all of its memory, have reached the limit.
    fn has_been_full(&self) -> bool {
        ["memory.kmem.tcp.max_usage_in_bytes", "memory.peak"].iter().any(|name| {
            let most = fs::read_to_string(self.0.join(name)).ok().and_then(|bytes| bytes.trim().parse::<usize>().ok());
            most.is_some_and(|bytes| bytes >= Self::LIMIT_BYTES / 100 * 99)
        })
    }

    fn take(&self, pid: u32) -> Result<(), String> {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).map_err(|error| format!("cannot be entered: {error}"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_server_short_of_memory_serves_members_that_read() {
    for backend in BACKENDS {
        let group = match Group::new(backend) {
            Ok(group) => group,
            Err(reason) => return eprintln!("not tried: {reason}"),
        };
        let mut server = start_at("127.0.0.1:0", backend);
        if let Err(reason) = group.take(server.pid()) {
            return eprintln!("not tried: {reason}");
        }
        let silent: Vec<Person> = (0..180).map(|_| server.join()).collect();
        let (mut author, mut listener) = (server.join(), server.join());
        // Kernel memory for members that do not read grows with the lines said; by how much depends on the kernel.
        for _ in 0..8 {
            support::talk(&mut author, &mut listener, 4_000);
            if group.has_been_full() {
                break;
            }
        }
        if !group.has_been_full() {
            eprintln!("{backend}: the limit was never reached");
        }
        assert!(server.child().try_wait().unwrap().is_none(), "{backend}: it is still there");
        drop(silent);
        drop(server);
    }
}
