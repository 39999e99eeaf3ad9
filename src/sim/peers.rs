//! The people of a simulated run: who comes when, what each types, and how each behaves as a peer.
//!
//! Everybody follows a script that is drawn as it is played: lines, pieces of lines, lines that are too long or not text,
//! several at once; pauses; reading nothing for a while; leaving in good order, without a word, or broken; somebody new
//! in place of who left. Some are no people: they open as a browser, a proxy or a TLS client does, in pieces. The first who comes is the witness: it says nothing, reads everything, and no fault touches it, so
//! that what it hears is what was said in the room.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::{Kernel, Script};

/// The witness is the first connection of a run.
pub const WITNESS: u32 = 0;

/// The step of a script that is nobody's: somebody new comes.
const ARRIVAL: u32 = u32::MAX;

/// What the people of one run are like.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// People who come, the witness not counted.
    pub people: usize,
    /// Most steps of one script.
    pub steps: usize,
    /// Most bytes of a typed line that the server takes.
    pub line_bytes: usize,
    /// Longest pause between two steps, in nanoseconds.
    pub pause: u64,
    /// What a socket takes ahead of being read, at most.
    pub room: usize,
    /// Out of 256: how often a step is one of these.
    pub deaf: u8,
    pub strange: u8,
    pub goes: u8,
    pub breaks: u8,
    pub finishes: u8,
    /// Out of 256: how many who come speak another protocol.
    pub foreign: u8,
    /// How many come in place of those who left.
    pub returns: usize,
    /// Whether people come from few addresses.
    pub neighbours: bool,
    /// Whether people come from one address and port in pairs, and stay.
    pub namesakes: bool,
    /// Whether the first who comes reads nothing before all is over.
    pub deaf_first: bool,
}

impl Plan {
    pub fn draw(draw: &mut Draw, line_bytes: usize) -> Self {
        let mut rate = || if draw.chance(150) { draw.pick(&[2, 8, 24, 64]) } else { 0 };
        let (deaf, strange, goes, breaks, finishes) = (rate(), rate(), rate(), rate(), rate());
        let foreign = rate();
        let people = draw.pick(&[1, 2, 3, 5, 9, 20, 80]);
        Self {
            people,
            steps: draw.pick(&[4, 12, 30, 80]),
            line_bytes,
            pause: draw.pick(&[0, 100_000, 10_000_000, 1_000_000_000, 30_000_000_000]),
            room: draw.pick(&[1 << 16, 4096, 600, 100, 7]),
            deaf,
            strange,
            goes,
            breaks,
            finishes,
            foreign,
            returns: if draw.chance(128) { people } else { 0 },
            neighbours: draw.chance(128),
            namesakes: false,
            deaf_first: false,
        }
        .with_namesakes(draw.chance(40))
    }

    fn with_namesakes(self, namesakes: bool) -> Self {
        if !namesakes {
            return self;
        }
        // Nobody speaks another protocol either.
        Self { namesakes, foreign: 0, strange: 0, goes: 0, breaks: 0, finishes: 0, ..self }
    }

    /// One who comes again and again from a few addresses, says something and goes.
    pub fn visits(line_bytes: usize) -> Self {
        Self {
            people: 1,
            steps: 1000,
            line_bytes,
            pause: 1_000_000,
            room: 1 << 16,
            deaf: 0,
            strange: 0,
            goes: 0,
            breaks: 0,
            finishes: 90,
            foreign: 0,
            returns: 60,
            neighbours: true,
            namesakes: false,
            deaf_first: false,
        }
    }

    /// Three who talk for long, the first of them deaf.
    pub fn monologue(line_bytes: usize) -> Self {
        Self {
            people: 3,
            steps: 600,
            line_bytes,
            pause: 100_000,
            room: 100,
            deaf: 0,
            strange: 4,
            goes: 0,
            breaks: 0,
            finishes: 0,
            foreign: 0,
            returns: 0,
            neighbours: false,
            namesakes: false,
            deaf_first: true,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Person {
    steps_left: usize,
    lines: usize,
    /// What it has still to send before it does as people do.
    opening: Vec<u8>,
}

#[derive(Debug)]
pub struct Crowd {
    plan: Plan,
    /// By connection.
    people: Vec<Person>,
    /// People still to come in place of who left.
    spare: usize,
    /// True once the scripts are over.
    over: bool,
}

impl Crowd {
    /// The witness, who is let in before anybody else comes.
    pub fn new(kernel: &mut Kernel, plan: Plan) -> Self {
        let witness = kernel.connect(address(WITNESS, false), usize::MAX, true);
        assert_eq!(witness, WITNESS);
        kernel.pair_mut(witness).calm = true;
        kernel.pair_mut(witness).reading = false;
        Self { plan, people: vec![Person::default()], spare: plan.returns, over: false }
    }

    /// Everybody else comes, at once or one after the other.
    pub fn begin(&mut self, kernel: &mut Kernel) {
        for _ in 0..self.plan.people {
            if kernel.draw.chance(128) {
                self.pause(kernel, ARRIVAL);
            } else {
                self.arrive(kernel);
            }
        }
    }

    fn arrive(&mut self, kernel: &mut Kernel) {
        let number = u32::try_from(self.people.len()).expect("a crowd is small");
        let deaf = self.plan.deaf_first && number == 1;
        let roomy = kernel.draw.chance(128) && !deaf;
        let room = if roomy { 1 << 16 } else { 1 + kernel.draw.below(self.plan.room as u64) as usize };
        // The witness is the first number.
        let apart = if self.plan.namesakes && number > 1 { number - number % 2 } else { number };
        let peer = kernel.connect(address(apart, self.plan.neighbours), room, true);
        assert_eq!(peer, number);
        if deaf {
            kernel.peer_listens(peer, false);
        }
        let steps_left = if deaf { self.plan.steps } else { kernel.draw.between(0, self.plan.steps) };
        let opening = if kernel.draw.chance(self.plan.foreign) { self.opening(&mut kernel.draw) } else { Vec::new() };
        if !opening.is_empty() {
            kernel.pair_mut(peer).record.as_deref_mut().expect("a crowd is recorded").foreign = true;
        }
        self.people.push(Person { steps_left, lines: 0, opening });
        self.pause(kernel, peer);
    }

    fn pause(&self, kernel: &mut Kernel, peer: u32) {
        let pause = kernel.draw.below(self.plan.pause + 1);
        kernel.act_after(pause, peer);
    }

    fn replace(&mut self, kernel: &mut Kernel) {
        if self.spare > 0 {
            self.spare -= 1;
            self.arrive(kernel);
        }
    }

    /// How one opens that speaks another protocol. A server that took it for lines would say some of it.
    fn opening(&self, draw: &mut Draw) -> Vec<u8> {
        let line_bytes = self.plan.line_bytes;
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

    /// What somebody types next.
    fn compose(&mut self, kernel: &mut Kernel, peer: u32, out: &mut Vec<u8>) {
        let draw = &mut kernel.draw;
        let opening = &mut self.people[peer as usize].opening;
        if !opening.is_empty() {
            let piece = if draw.chance(128) { opening.len() } else { draw.between(1, opening.len().min(20)) };
            out.extend(opening.drain(..piece));
            return;
        }
        if draw.chance(self.plan.strange) {
            let line_bytes = self.plan.line_bytes;
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
            let number = self.people[peer as usize].lines;
            self.people[peer as usize].lines += 1;
            let start = out.len();
            out.extend_from_slice(format!("{peer}.{number} ").as_bytes());
            let used = out.len() - start;
            let fill = draw.between(0, self.plan.line_bytes.saturating_sub(used));
            out.extend(std::iter::repeat_n(b'a' + (number % 26) as u8, fill));
            match draw.below(8) {
                // The rest of the line comes later, or never.
                7 => {}
                6 => out.extend_from_slice(b"\r\n"),
                _ => out.push(b'\n'),
            }
        }
    }

    /// The scripts are over: everybody reads from now on, and says one more line.
    pub fn settle(&mut self, kernel: &mut Kernel) {
        self.over = true;
        for peer in 1..u32::try_from(self.people.len()).expect("a crowd is small") {
            if kernel.pairs()[peer as usize].is_alive() {
                let opening = std::mem::take(&mut self.people[peer as usize].opening);
                kernel.peer_writes(peer, &[&opening[..], b"\nstill here\n"].concat());
            }
            kernel.pair_mut(peer).widen(1 << 12);
            kernel.peer_listens(peer, true);
        }
    }

    /// Somebody new comes when all has gone quiet, says a line, and stays.
    pub fn latecomer(&mut self, kernel: &mut Kernel) {
        let number = u32::try_from(self.people.len()).expect("a crowd is small");
        kernel.connect(address(number, false), 1 << 16, true);
        self.people.push(Person::default());
        kernel.peer_writes(number, b"anybody?\n");
    }
}

impl Script for Crowd {
    /// The next step of somebody's script.
    fn act(&mut self, kernel: &mut Kernel, peer: u32) {
        if self.over {
            return;
        }
        if peer == ARRIVAL {
            self.arrive(kernel);
            return;
        }
        let person = &mut self.people[peer as usize];
        if person.steps_left == 0 {
            return;
        }
        person.steps_left -= 1;
        if !kernel.pairs()[peer as usize].is_alive() {
            self.replace(kernel);
            return;
        }
        let plan = self.plan;
        if kernel.draw.chance(plan.goes) {
            kernel.peer_goes(peer);
        } else if kernel.draw.chance(plan.breaks) {
            kernel.peer_resets(peer);
        } else if kernel.draw.chance(plan.finishes) {
            kernel.peer_finishes(peer);
        } else if kernel.draw.chance(plan.deaf) {
            let listens = kernel.pairs()[peer as usize].reading;
            kernel.peer_listens(peer, !listens);
        } else {
            let mut bytes = Vec::new();
            self.compose(kernel, peer, &mut bytes);
            kernel.peer_writes(peer, &bytes);
        }
        if kernel.pairs()[peer as usize].is_alive() {
            self.pause(kernel, peer);
        } else {
            self.replace(kernel);
        }
    }
}

/// Where the person of a number comes from: always a different address and port.
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
