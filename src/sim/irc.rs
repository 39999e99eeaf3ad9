//! Clients of IRC that send anything, in pieces, and read now and then, beside members at terminals. After every turn
//! what must hold is looked at; in the end every client has read whole lines, and messages in the room's order.

use super::peers::address;
use super::simulation::Simulation;
use crate::cli::Serve;
use crate::config::Config;
use crate::door::{Door, Doors};
use crate::io::sim::draw::Draw;
use crate::io::sim::faults::Faults;
use crate::io::sim::kernel::Kernel;
use crate::limits::IRC_LINE_BYTES_MAX;
use crate::token::ListenerId;

/// What clients send, `{}` being a number that no other line has.
const LINES: &[&str] = &[
    "PRIVMSG #lobby :said {}",
    "PRIVMSG #lobby :said {}",
    "PRIVMSG #lobby :said {}",
    "PRIVMSG #lobby :\x01ACTION said {}\x01",
    "NOTICE #lobby :said {}",
    "PRIVMSG #lobby :said {} \u{1f3f4}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
    "JOIN #lobby",
    "JOIN #lobby",
    "JOIN #den",
    "JOIN #den,#lobby",
    "JOIN 0",
    "PART #lobby",
    "NICK n{}",
    "NICK one",
    "PRIVMSG one :to one {}",
    "PRIVMSG t0 :to one at a terminal {}",
    "NAMES #lobby",
    "WHO #lobby",
    "WHO #lobby %tcuihsnfdlaor,1",
    "LIST",
    "MODE #lobby",
    "MODE #lobby +b",
    "TOPIC #lobby",
    "WHOIS one",
    "CAP REQ :server-time",
    "CAP REQ :-server-time",
    "CAP REQ :echo-message",
    "CAP REQ :-echo-message",
    "CAP LS 302",
    "MOTD",
    "VERSION",
    "PING {}",
    "FOO",
    "",
    "@tags :prefix PRIVMSG #lobby :said {}",
    "OPER x wrong",
    "QUIT",
];

const CLIENTS: u32 = 8;
const STEPS: usize = 400;

fn simulation(draw: &mut Draw, options: &[&str]) -> (Simulation, ListenerId) {
    let announce_max = ["0", "3", "200"][draw.below(3) as usize];
    let line_bytes = ["16", "300", "4096"][draw.below(3) as usize];
    let options = [&["--announce-max", announce_max, "--line-bytes", line_bytes], options].concat();
    let serve = Serve::with(&options).expect("the options are known");
    let config = Config { doors: Doors::only(Door::Text).and(Door::Irc), ..serve.config(100) };
    let mut kernel = Kernel::new(draw.apart(), false);
    let irc = kernel.add_listener();
    (Simulation::new(kernel, config), irc)
}

/// What a peer has read, as lines without their ends. A peer that was closed while its socket was full may lack the end
/// of the last one.
fn lines(simulation: &Simulation, peer: u32) -> Vec<String> {
    let mut bytes = simulation.kernel.borrow_mut().pair_mut(peer).look();
    if simulation.kernel.borrow().pairs()[peer as usize].closed {
        bytes.truncate(memchr::memrchr(b'\n', &bytes).map_or(0, |end| end + 1));
    }
    let text = String::from_utf8(bytes).expect("it is text");
    text.split_terminator('\n').map(|line| line.strip_suffix('\r').unwrap_or(line).to_owned()).collect()
}

/// The number of a line that was said to the lobby, where a client's or a terminal's line is one.
fn said(line: &str) -> Option<u64> {
    let is_said = line.contains(" PRIVMSG #lobby :") || line.starts_with('[') || line.starts_with("* ");
    let rest = line.split_once("said ").filter(|_| is_said && !line.contains(" to you] "))?.1;
    rest.split([' ', '\x01']).next()?.parse().ok()
}

/// Returns how many lines were said.
fn play(seed: u64) -> usize {
    let mut draw = Draw::seeded(seed);
    let (mut simulation, irc) = simulation(&mut draw, &[]);
    let witness = simulation.kernel.borrow_mut().connect(address(0, false), 1 << 20, true);
    simulation.rest();
    let peers: Vec<u32> = (1..=CLIENTS)
        .map(|number| {
            let capacity = [20, 700, 1 << 16][draw.below(3) as usize];
            let mut kernel = simulation.kernel.borrow_mut();
            let peer = kernel.connect_to(irc, address(number, false), capacity, true);
            let begins = ["NICK b{}\r\nUSER b 0 * :b\r\n", "CAP LS\r\nUSER b 0 * :b\r\nNICK b{}\r\nCAP END\r\n"];
            let begins = begins[draw.below(2) as usize].replace("{}", &number.to_string());
            kernel.peer_writes(peer, begins.as_bytes());
            peer
        })
        .collect();
    {
        let faults = &mut simulation.kernel.borrow_mut().faults;
        (faults.short_send, faults.full_send, faults.send_memory, faults.false_writable) = (40, 20, 4, 10);
        (faults.small_chunk, faults.receive_memory, faults.reorder) = (60, 4, true);
    }
    for step in 0..STEPS {
        let peer = peers[draw.below(peers.len() as u64) as usize];
        let is_open = !simulation.kernel.borrow().pairs()[peer as usize].closed;
        if is_open {
            let line = LINES[draw.below(LINES.len() as u64) as usize].replace("{}", &step.to_string());
            // Quitting is for the few.
            let line = if line == "QUIT" && !draw.chance(30) { String::new() } else { line };
            let mut kernel = simulation.kernel.borrow_mut();
            let cut = draw.between(0, line.len());
            let cut = (0..=cut).rev().find(|cut| line.is_char_boundary(*cut)).unwrap_or(0);
            kernel.peer_writes(peer, &line.as_bytes()[..cut]);
            if draw.chance(60) {
                drop(kernel);
                simulation.turn();
                kernel = simulation.kernel.borrow_mut();
            }
            kernel.peer_writes(peer, format!("{}\r\n", &line[cut..]).as_bytes());
            kernel.peer_listens(peer, !draw.chance(90));
        }
        if draw.chance(128) {
            simulation.turn();
        }
        if draw.chance(8) {
            simulation.server.invariants();
        }
    }
    for peer in &peers {
        if !simulation.kernel.borrow().pairs()[*peer as usize].closed {
            simulation.kernel.borrow_mut().peer_listens(*peer, true);
        }
    }
    simulation.kernel.borrow_mut().faults = Faults::default();
    simulation.settle();
    simulation.server.invariants();
    let heard: Vec<u64> = lines(&simulation, witness).iter().filter_map(|line| said(line)).collect();
    for peer in peers {
        let mut order = heard.iter();
        for line in lines(&simulation, peer) {
            let bare = line.strip_prefix("@time=").and_then(|line| line.split_once(' ')).map_or(&line[..], |it| it.1);
            assert!(bare.len() <= IRC_LINE_BYTES_MAX - 2, "seed {seed}: {bare:?}");
            assert!(bare.starts_with(':') || bare.starts_with("ERROR :"), "seed {seed}: {bare:?}");
            if let Some(number) = said(bare) {
                assert!(order.any(|other| *other == number), "seed {seed}: {number} is out of order or stands twice");
            }
        }
    }
    simulation.kernel.borrow_mut().signal_after(0, crate::io::Signal::Terminate);
    simulation.stop();
    heard.len()
}

#[test]
fn clients_of_irc_read_whole_lines_in_the_order_of_their_room() {
    let said: usize = (0..80).map(play).sum();
    assert!(said >= 80 * 10, "{said} lines");
}
