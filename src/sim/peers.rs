//! The peers of a simulated run: when each connects, what it types, and how it reads and leaves.
//!
//! Each peer follows a script that is drawn while it is played. It sends lines, pieces of lines, lines that are too
//! long or not text, or several lines at once; pauses; stops reading for a while; leaves in good order, with a reset,
//! or by closing its socket. A new peer may replace one that left. Some begin as a browser, a proxy or a TLS client
//! does, in pieces. The first peer is the witness: it says nothing, reads everything, and has no faults, so it hears
//! exactly the room's messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::script::{self, ARRIVAL, Steps, WITNESS};
use super::workload::Workload;
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::{Kernel, Script};

#[derive(Clone, Debug, Default)]
struct Peer {
    steps_left: usize,
    lines: usize,
    /// The rest of an opening in another protocol. It is sent before anything else.
    opening: Vec<u8>,
    /// True when it opens in another protocol: nothing that it sends may be said.
    foreign: bool,
}

#[derive(Debug)]
pub struct Peers {
    workload: Workload,
    /// By connection.
    peers: Vec<Peer>,
    /// Peers that may still replace ones that leave.
    spare: usize,
    /// True once the scripts are over.
    over: bool,
}

impl Peers {
    /// The witness, which is let in before the others come.
    pub fn new(kernel: &mut Kernel, workload: Workload) -> Self {
        script::let_witness_in(kernel, address(WITNESS, false));
        Self { workload, peers: vec![Peer::default()], spare: workload.returns, over: false }
    }

    /// The other peers connect, at once or one after the other.
    pub fn begin(&mut self, kernel: &mut Kernel) {
        for _ in 0..self.workload.peers {
            if kernel.draw.chance(128) {
                self.pause(kernel, ARRIVAL);
            } else {
                self.arrive(kernel);
            }
        }
    }

    /// The opening of a peer that speaks another protocol. A server that took it for lines would say some of it.
    fn opening(&self, draw: &mut Draw) -> Vec<u8> {
        let line_bytes = self.workload.line_bytes;
        let mut out = Vec::new();
        match draw.below(6) {
            0 => out.extend_from_slice(b"\r\n"),
            1 => out.extend_from_slice(b"\n \n\x1b\r\n"),
            2 => out.extend(std::iter::repeat_n(b'x', line_bytes + 1).chain([b'\n'])),
            _ => {}
        }
        let long = || std::iter::repeat_n(b'A', line_bytes + 20);
        match draw.below(10) {
            0 => out.extend_from_slice(b"GET / HTTP/1.1\r\n"),
            1 => out.extend(b"POST /".iter().copied().chain(long()).chain(*b" HTTP/1.1\r\n")),
            2 => out.extend(long().chain(*b" / HTTP/1.1\r\n")),
            3 => out.extend_from_slice(b"M-SEARCH * HTTP/1.1\r\n"),
            4 => out.extend_from_slice(b"CONNECT a.b:443 HTTP/1.1\r\n"),
            5 => out.extend_from_slice(b"GET http://a/\n"),
            6 => out.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            7 => out.extend_from_slice(b"\x16\x03\x01\x00\n"),
            8 => out.extend_from_slice(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
            _ => out.extend_from_slice(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"),
        }
        out.extend_from_slice(b"Cookie: id=1\r\n\r\nI resign\n");
        out
    }

    /// Composes the bytes that a peer sends next.
    fn compose(&mut self, kernel: &mut Kernel, peer: u32, out: &mut Vec<u8>) {
        let draw = &mut kernel.draw;
        let opening = &mut self.peers[peer as usize].opening;
        if !opening.is_empty() {
            let piece = if draw.chance(128) { opening.len() } else { draw.between(1, opening.len().min(20)) };
            out.extend(opening.drain(..piece));
            return;
        }
        if draw.chance(self.workload.strange) {
            let line_bytes = self.workload.line_bytes;
            match draw.below(9) {
                0 => out.extend_from_slice(b"\n"),
                1 => out.extend(std::iter::repeat_n(b'x', line_bytes + draw.between(0, 2 * line_bytes))),
                2 => out.extend_from_slice(b"\x1b[2Jgone\x07\r\n"),
                3 if draw.chance(128) => out.extend(format!("z{}\u{200d}\n", "\u{301}".repeat(11)).into_bytes()),
                3 => out.extend_from_slice(b"\xff\xfe caf\xe9 \xc2\x9b1m\xe2\x80\xa8\xe2\x80\xae\n"),
                4 => out.extend_from_slice(b"> New user 127.0.0.1:1 entered. (9 users online)\n"),
                // The rest of these comes later, or never.
                5 => out.extend(draw.pick(&["grü", "OK", "GET", "GET it", "CONNECT me", "\0\r"]).bytes()),
                6 => out.extend_from_slice(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"),
                7 => out.extend_from_slice(b"\x16\x03\x01\x00\xa5\x01\n"),
                _ => out.extend((0..draw.between(1, 30)).map(|_| draw.below(256) as u8)),
            }
            return;
        }
        let lines = if draw.chance(32) { draw.between(2, 24) } else { 1 };
        for _ in 0..lines {
            let number = self.peers[peer as usize].lines;
            self.peers[peer as usize].lines += 1;
            let start = out.len();
            out.extend_from_slice(format!("{peer}.{number} ").as_bytes());
            let used = out.len() - start;
            let fill = draw.between(0, self.workload.line_bytes.saturating_sub(used));
            out.extend(std::iter::repeat_n(b'a' + (number % 26) as u8, fill));
            match draw.below(8) {
                // The rest of the line comes later, or never.
                7 => {}
                6 => out.extend_from_slice(b"\r\n"),
                _ => out.push(b'\n'),
            }
        }
    }

    /// The scripts are over: each peer reads from now on, and says one more line.
    pub fn settle(&mut self, kernel: &mut Kernel) {
        self.over = true;
        for peer in 1..u32::try_from(self.peers.len()).expect("there are few peers") {
            if kernel.pairs()[peer as usize].is_alive() {
                let opening = std::mem::take(&mut self.peers[peer as usize].opening);
                kernel.peer_writes(peer, &[&opening[..], b"\nstill here\n"].concat());
            }
            kernel.pair_mut(peer).widen(1 << 12);
            kernel.peer_listens(peer, true);
        }
    }

    /// By connection: whether it opened in another protocol.
    pub fn foreign(&self) -> Vec<bool> {
        self.peers.iter().map(|peer| peer.foreign).collect()
    }

    /// A new peer connects when nothing happens any more, says a line, and stays.
    pub fn latecomer(&mut self, kernel: &mut Kernel) {
        let number = u32::try_from(self.peers.len()).expect("there are few peers");
        kernel.connect(address(number, false), 1 << 16, true);
        self.peers.push(Peer::default());
        kernel.peer_writes(number, b"anybody?\n");
    }
}

impl Script for Peers {
    fn act(&mut self, kernel: &mut Kernel, peer: u32) {
        self.take_step(kernel, peer);
    }
}

impl Steps for Peers {
    fn is_over(&self) -> bool {
        self.over
    }

    fn arrive(&mut self, kernel: &mut Kernel) {
        let number = u32::try_from(self.peers.len()).expect("there are few peers");
        let never_reads = self.workload.first_never_reads && number == 1;
        let roomy = kernel.draw.chance(128) && !never_reads;
        let capacity = if roomy { 1 << 16 } else { 1 + kernel.draw.below(self.workload.capacity as u64) as usize };
        // The witness is the first number.
        let apart = if self.workload.namesakes && number > 1 { number - number % 2 } else { number };
        let peer = kernel.connect(address(apart, self.workload.neighbours), capacity, true);
        assert_eq!(peer, number);
        if never_reads {
            kernel.peer_listens(peer, false);
        }
        let steps_left = if never_reads { self.workload.steps } else { kernel.draw.between(0, self.workload.steps) };
        let opening =
            if kernel.draw.chance(self.workload.foreign) { self.opening(&mut kernel.draw) } else { Vec::new() };
        self.peers.push(Peer { steps_left, lines: 0, foreign: !opening.is_empty(), opening });
        self.pause(kernel, peer);
    }

    fn replace(&mut self, kernel: &mut Kernel) {
        if self.spare > 0 {
            self.spare -= 1;
            self.arrive(kernel);
        }
    }

    fn steps_left(&mut self, peer: u32) -> &mut usize {
        &mut self.peers[peer as usize].steps_left
    }

    fn pause_max(&self) -> u64 {
        self.workload.pause
    }

    fn step(&mut self, kernel: &mut Kernel, peer: u32) {
        let workload = self.workload;
        if kernel.draw.chance(workload.goes) {
            kernel.peer_goes(peer);
        } else if kernel.draw.chance(workload.breaks) {
            kernel.peer_resets(peer);
        } else if kernel.draw.chance(workload.finishes) {
            kernel.peer_finishes(peer);
        } else if kernel.draw.chance(workload.stops_reading) {
            self.start_or_stop_reading(kernel, peer);
        } else {
            let mut bytes = Vec::new();
            self.compose(kernel, peer, &mut bytes);
            kernel.peer_writes(peer, &bytes);
        }
    }
}

/// Where the peer of a number comes from: always a different address and port.
pub fn address(number: u32, neighbours: bool) -> SocketAddr {
    let port = 10_000 + (number % 50_000) as u16;
    let host = number / 50_000 + 1;
    let ip = match number % 4 {
        _ if neighbours => IpAddr::V4(Ipv4Addr::from(0x0a00_0001 + (number % 3) + (host << 8))),
        0 => IpAddr::V4(Ipv4Addr::from(0x7f00_0000 + host)),
        3 => IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number) << 64 | u128::from(host))),
        _ => IpAddr::V4(Ipv4Addr::from(0xc000_0200 + host)),
    };
    SocketAddr::new(ip, port)
}
