//! The admin door on the simulated kernel: what it answers, that it takes nobody's place, and peers that are slow.

use super::peers::address;
use super::simulation::Simulation;
use crate::cli::Serve;
use crate::config::Config;
use crate::counters::CloseReason;
use crate::door::{Door, Doors};
use crate::io::Signal;
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::Kernel;
use crate::limits::ADMIN_CONNECTIONS_MAX;
use crate::token::ListenerId;

const ADMIN: ListenerId = ListenerId(1);

fn simulation(members_max: usize, options: &[&str]) -> Simulation {
    let serve = Serve::with(options).expect("the options are known");
    let doors = Doors::only(Door::Text).and(Door::Admin);
    let mut kernel = Kernel::new(Draw::seeded(1), false);
    assert_eq!(kernel.add_listener(), ADMIN);
    Simulation::new(kernel, Config { doors, ..serve.config(members_max) })
}

/// A peer of the admin door whose socket takes `space` bytes.
fn connect(simulation: &mut Simulation, number: u32, space: usize) -> u32 {
    simulation.connect(ADMIN, address(number, false), space)
}

fn join(simulation: &mut Simulation, number: u32) -> u32 {
    simulation.connect(ListenerId::FIRST, address(number, false), 1 << 16)
}

fn ask(simulation: &mut Simulation, number: u32, request: &str) -> String {
    let peer = connect(simulation, number, 1 << 16);
    simulation.say(peer, request.as_bytes());
    assert!(simulation.is_closed(peer), "it is closed after its answer");
    simulation.heard_text(peer)
}

fn get(simulation: &mut Simulation, number: u32, path: &str) -> String {
    ask(simulation, number, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

#[test]
fn figures_and_health_are_answered_and_everything_else_is_refused() {
    let mut simulation = simulation(100, &[]);
    let member = join(&mut simulation, 0);
    simulation.say(member, b"hello\n/join den\n/me waves\n");
    let metrics = get(&mut simulation, 1, "/metrics");
    let (head, body) = metrics.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nContent-Type: text/plain; version=0.0.4;"));
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    for line in [
        "uproar_running 1",
        "uproar_members{door=\"text\"} 1",
        "uproar_rooms{members=\"0\"} 1",
        "uproar_rooms{members=\"1\"} 1",
        "uproar_rooms{members=\"2-9\"} 0",
        "uproar_messages_total 2",
        "uproar_commands_total 1",
        "uproar_accepted_total 2",
        "uproar_handshakes 0",
        "uproar_members_limit 100",
    ] {
        assert!(body.lines().any(|other| other == line), "{line} is not in {body}");
    }
    assert!(!body.contains("door=\"admin\""), "nobody is a member there");
    let health = get(&mut simulation, 2, "/healthz");
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n") && health.ends_with("\r\n\r\nok\n"), "{health}");
    for (request, expected) in [
        ("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 405 "),
        ("hello\r\n\r\n", "HTTP/1.1 400 "),
    ] {
        let answer = ask(&mut simulation, 3, request);
        assert!(answer.starts_with(expected), "{request:?} was answered {answer:?}");
    }
    let head = ask(&mut simulation, 4, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(simulation.server.closes(CloseReason::Answered), 6);
    assert_eq!(simulation.heard_text(member).matches("entered").count(), 0, "nobody is told of them");
    simulation.server.invariants();
}

#[test]
fn a_request_is_answered_wherever_it_is_cut() {
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for cut in 1..request.len() {
        let mut simulation = simulation(100, &[]);
        let peer = connect(&mut simulation, 0, 1 << 16);
        simulation.say(peer, &request[..cut]);
        assert_eq!(simulation.heard_text(peer), "", "cut at {cut}");
        simulation.say(peer, &request[cut..]);
        assert!(simulation.heard_text(peer).ends_with("\r\n\r\nok\n"), "cut at {cut}");
        simulation.server.invariants();
    }
}

#[test]
fn it_takes_no_place_of_a_member_and_one_too_many_closes_the_first() {
    let mut simulation = simulation(3, &[]);
    let members = [join(&mut simulation, 0), join(&mut simulation, 1)];
    let peers: Vec<u32> =
        (0..ADMIN_CONNECTIONS_MAX as u32).map(|n| connect(&mut simulation, 10 + n, 1 << 16)).collect();
    assert!(peers.iter().all(|peer| !simulation.is_closed(*peer)));
    simulation.server.invariants();
    let late = connect(&mut simulation, 90, 1 << 16);
    simulation.server.invariants();
    // The first is closed for the one that is let in, or the one that came is told to come again.
    let answer = get(&mut simulation, 91, "/healthz");
    assert!(answer.ends_with("ok\n"), "{answer}");
    assert!(simulation.is_closed(peers[0]));
    assert!(members.iter().all(|peer| !simulation.is_closed(*peer)), "members stay");
    let _ = late;
    let [third, fourth] = [join(&mut simulation, 2), join(&mut simulation, 3)];
    assert!(!simulation.is_closed(third) && simulation.is_closed(fourth), "the house has three places for members");
}

#[test]
fn a_peer_that_reads_nothing_holds_its_place_for_a_bounded_time_and_nobody_else() {
    let mut simulation = simulation(100, &["--line-timeout", "5s"]);
    let slow = connect(&mut simulation, 0, 10);
    simulation.kernel.borrow_mut().peer_listens(slow, false);
    simulation.say(slow, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let silent = connect(&mut simulation, 1, 1 << 16);
    let member = join(&mut simulation, 2);
    let other = join(&mut simulation, 3);
    simulation.say(member, b"hello\n");
    assert!(simulation.heard_text(other).ends_with("] hello\n"));
    assert!(get(&mut simulation, 4, "/metrics").contains("uproar_members{door=\"text\"} 2"));
    simulation.server.invariants();
    assert!(!simulation.is_closed(slow) && !simulation.is_closed(silent));
    simulation.settle();
    assert!(simulation.is_closed(slow) && simulation.is_closed(silent));
    assert!(!simulation.is_closed(member));
    assert_eq!(simulation.server.buffer_bytes(), 0);
    simulation.server.invariants();
}

#[test]
fn handshakes_of_members_do_not_push_it_out() {
    let mut simulation = simulation(20, &["--proxy-from", "10.0.0.0/8"]);
    let waiting = connect(&mut simulation, 0, 1 << 16);
    for port in 1..20 {
        let proxy = std::net::SocketAddr::from(([10, 0, 0, 1], port));
        simulation.kernel.borrow_mut().connect(proxy, 1 << 16, true);
        simulation.rest();
        simulation.server.invariants();
    }
    assert!(simulation.server.closes(CloseReason::HandshakesFull) > 10);
    simulation.say(waiting, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(simulation.heard_text(waiting).ends_with("ok\n"));
    // A proxy's address says nothing here.
    let proxy = std::net::SocketAddr::from(([10, 0, 0, 1], 99));
    let peer = simulation.kernel.borrow_mut().connect_to(ADMIN, proxy, 1 << 16, true);
    simulation.rest();
    simulation.say(peer, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(simulation.heard_text(peer).ends_with("ok\n"));
}

#[test]
fn while_the_server_stops_it_says_so_and_lets_no_member_in() {
    let mut simulation = simulation(100, &["--log-bytes", "1MiB"]);
    // A member that reads nothing keeps the server from stopping at once.
    let slow = simulation.kernel.borrow_mut().connect(address(0, false), 10, true);
    simulation.kernel.borrow_mut().peer_listens(slow, false);
    simulation.rest();
    let before = connect(&mut simulation, 1, 1 << 16);
    simulation.kernel.borrow_mut().signal_after(0, Signal::Terminate);
    simulation.rest();
    simulation.say(before, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(simulation.heard_text(before).starts_with("HTTP/1.1 503 "));
    let metrics = get(&mut simulation, 2, "/metrics");
    assert!(metrics.contains("\nuproar_running 0\n"), "{metrics}");
    let newcomer = simulation.kernel.borrow_mut().connect(address(3, false), 1 << 16, true);
    simulation.rest();
    assert!(simulation.kernel.borrow().pairs()[newcomer as usize].refused);
}

#[test]
fn counts_do_not_go_back_while_rooms_come_and_go() {
    let mut simulation = simulation(100, &[]);
    let members: Vec<u32> = (0..6).map(|number| join(&mut simulation, number)).collect();
    let mut last = 0;
    for round in 0..30u32 {
        let peer = members[(round % 6) as usize];
        simulation.say(peer, format!("/join room{}\nhello\n/me waves\n", round * 7 % 11).as_bytes());
        let text = get(&mut simulation, 100 + round, "/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix("uproar_messages_total "));
        let messages: u64 = line.expect("it is there").parse().expect("it is a number");
        assert!(messages >= last, "{messages} after {last}");
        assert_eq!(messages, simulation.server.statistics().messages);
        last = messages;
    }
}
