//! Counts that are the same on every machine: allocations per line, sends per line, memory per member.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use uproar::cli::Serve;
use uproar::counters::Counter;
use uproar::io::Completions;
use uproar::io::signals::Signals;
use uproar::io::uring::{Ring, Sandbox, Socket, Uring};
use uproar::journal::{Journal, Style};
use uproar::outlet::Descriptor;
use uproar::random::Random;
use uproar::server::Server;
use uproar::{limits, net, room};

/// A server in this thread, which a test has turn.
struct World {
    server: Server<Uring, Descriptor>,
    completions: Completions<Socket>,
    members: Vec<TcpStream>,
    address: SocketAddr,
}

impl World {
    fn new() -> Self {
        let listener: TcpListener = net::listen("127.0.0.1:0", limits::DEAD_AFTER_DEFAULT).unwrap();
        let address = listener.local_addr().unwrap();
        let config = Serve::with(&["--log-bytes", "64KiB", "--flood-rate", "0"]).unwrap().config(1000);
        let ring = Ring::open(Sandbox::On).expect("io_uring is needed for this test");
        let io = Uring::new(ring, vec![listener], Signals::new().unwrap());
        let journal = Journal::new(Descriptor::standard_error().unwrap(), Style::default(), limits::JOURNAL_BYTES_MAX);
        let random = Random::from_kernel().unwrap();
        Self {
            server: Server::new(io, config, journal, random),
            completions: Completions::new(),
            members: Vec::new(),
            address,
        }
    }

    fn turn(&mut self) {
        self.server.turn(&mut self.completions).unwrap();
    }

    fn join(&mut self) {
        let member = TcpStream::connect(self.address).unwrap();
        member.set_nonblocking(true).unwrap();
        member.set_nodelay(true).unwrap();
        self.members.push(member);
        while self.server.statistics().members < self.members.len() as u64 {
            self.turn();
        }
        self.read_everything();
    }

    /// Turns until there is nothing to send, and reads everything. Returns the number of bytes read.
    fn read_everything(&mut self) -> usize {
        let mut total = 0;
        while self.server.has_due() {
            self.turn();
        }
        let mut bytes = [0; 4096];
        for member in &mut self.members {
            loop {
                match member.read(&mut bytes) {
                    Ok(count) => total += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        total
    }

    /// One member says a line, and all others hear it.
    fn say(&mut self, author: usize, line: &[u8]) -> usize {
        self.members[author].write_all(line).unwrap();
        let messages = self.server.statistics().messages;
        while self.server.statistics().messages == messages {
            self.turn();
        }
        self.read_everything()
    }
}

#[test]
fn a_line_in_the_steady_state_allocates_nothing_and_costs_one_send_a_member() {
    let mut world = World::new();
    for _ in 0..100 {
        world.join();
    }
    let line = [b"x".repeat(63), b"\n".to_vec()].concat();
    // Each member has spoken once, and the log has been through every segment.
    for number in 0..2000 {
        world.say(number % 100, &line);
    }
    let before = world.server.statistics().counters;
    let mut heard = 0;
    let allocations = allocation_counter::measure(|| {
        for number in 0..1000 {
            if number == 500 {
                // The next turn looks at some members, as one does each second.
                thread::sleep(limits::SILENCE_LOOK);
            }
            heard += world.say(number % 100, &line);
        }
    });
    assert_eq!(allocations.count_total, 0, "allocations in 1,000 lines to 99 members each");
    let after = world.server.statistics().counters;
    assert_eq!(heard as u64, after[Counter::SentBytes] - before[Counter::SentBytes]);
    let sends = after[Counter::Sends] - before[Counter::Sends];
    assert_eq!(sends, 99_000, "sends for 1,000 lines to 99 members each");
}

#[test]
fn lines_that_arrive_together_cost_a_member_the_send_of_one() {
    let mut world = World::new();
    for _ in 0..20 {
        world.join();
    }
    let before = world.server.statistics().counters[Counter::Sends];
    let ten = b"a line\n".repeat(10);
    world.say(0, &ten);
    assert_eq!(world.server.statistics().counters[Counter::Sends] - before, 19);
}

#[test]
fn a_member_is_small() {
    let connection = size_of::<uproar::connection::Connection<Socket>>();
    let member = size_of::<room::member::Member>();
    // With its links in the roster, its place in the slab and its descriptor in the back end.
    assert!(connection + member + 40 <= 200, "connection {connection} B, member {member} B");
}
