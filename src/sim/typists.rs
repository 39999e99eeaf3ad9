//! Peers that type commands beside lines: they choose names, go from room to room, read as text or JSON, ask for what was
//! said before, talk in private, and come back by another connection.
//!
//! Every line that is to be said has its author's number and a count, so no two are the same. The first peer hears the
//! lobby as the witness of other runs does.

use super::peers::address;
use super::script::{self, ARRIVAL, Steps, WITNESS};
use crate::io::sim::draw::Draw;
use crate::io::sim::kernel::{Kernel, Script};

const NAMES: [&str; 8] = ["bob", "BOB", "al", "ann", "Ann", "x-1", "007", "guest-1"];
const ROOMS: [&str; 6] = ["den", "Den", "attic", "lobby", "cellar", "a b"];
const WORDS: [&str; 7] =
    ["", " hello", " \"quoted\\\"", " caf\u{e9}\t\u{1f600}", " \x1b[2J", " [bob] hi", " \u{200b}/nick"];
const WRONG: [&str; 9] =
    ["/nosuch", "/nick", "/join", "/history x", "/me", "/msg bob", " /op key", "/topic", "/resume x 1"];

/// The peers of one run. The witness is not counted.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub peers: usize,
    pub steps: usize,
    /// Longest pause between two steps, in nanoseconds.
    pub pause: u64,
    /// Most bytes that a socket takes before its peer reads.
    pub capacity: usize,
    /// Out of 256: how often a step is one of these.
    pub commands: u8,
    pub joins: u8,
    pub stops_reading: u8,
    pub leaves: u8,
    pub line_bytes: usize,
    /// How many may connect after others.
    pub returns: usize,
}

impl Habits {
    pub fn draw(draw: &mut Draw, line_bytes: usize) -> Self {
        let peers = draw.pick(&[3, 2, 5, 9, 20, 40]);
        Self {
            peers,
            steps: draw.pick(&[30, 12, 80]),
            pause: draw.pick(&[100_000, 0, 10_000_000, 1_000_000_000]),
            capacity: draw.pick(&[1 << 16, 4096, 600, 100]),
            commands: draw.pick(&[100, 60, 180]),
            joins: draw.pick(&[30, 0, 100]),
            stops_reading: draw.pick(&[0, 0, 8, 40]),
            leaves: draw.pick(&[0, 4, 16]),
            line_bytes,
            returns: 2 * peers,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Typist {
    steps_left: usize,
    lines: usize,
    /// What it types first.
    opening: Vec<u8>,
    /// The rest of a line that it has begun.
    begun: Vec<u8>,
}

#[derive(Debug)]
pub struct Typists {
    habits: Habits,
    /// By connection.
    typists: Vec<Typist>,
    spare: usize,
    over: bool,
}

impl Typists {
    pub fn new(kernel: &mut Kernel, habits: Habits) -> Self {
        script::let_witness_in(kernel, address(WITNESS, false));
        Self { habits, typists: vec![Typist::default()], spare: habits.returns, over: false }
    }

    pub fn begin(&mut self, kernel: &mut Kernel) {
        for _ in 0..self.habits.peers {
            self.arrive(kernel);
        }
    }

    fn number(&self) -> u32 {
        u32::try_from(self.typists.len()).expect("there are few peers")
    }

    fn text(&mut self, draw: &mut Draw, peer: u32) -> String {
        let typist = &mut self.typists[peer as usize];
        typist.lines += 1;
        format!("{peer}.{}{}", typist.lines, draw.pick(&WORDS))
    }

    /// A line that a peer types, with its line feed.
    fn line(&mut self, kernel: &mut Kernel, peer: u32) -> Vec<u8> {
        if kernel.draw.chance(self.habits.joins) {
            return format!("/join {}\n", kernel.draw.pick(&ROOMS)).into_bytes();
        }
        if !kernel.draw.chance(self.habits.commands) {
            let text = self.text(&mut kernel.draw, peer);
            let draw = &mut kernel.draw;
            return match draw.below(24) {
                0 => format!("//{text}\n").into_bytes(),
                1 => b"\n".to_vec(),
                2 => [&vec![b'x'; self.habits.line_bytes + 1][..], b"\n"].concat(),
                3 => [text.as_bytes(), b" \xff\xfe.\r\n"].concat(),
                4..8 => format!("/me {text}\n").into_bytes(),
                _ => format!("{text}\n").into_bytes(),
            };
        }
        let text = self.text(&mut kernel.draw, peer);
        let draw = &mut kernel.draw;
        let command = match draw.below(24) {
            0..4 => format!("/nick {}", draw.pick(&NAMES)),
            4..7 => format!("/history {}", draw.between(1, 9)),
            7..11 => {
                let other = draw.below(u64::from(self.number())) as u32;
                let name =
                    if draw.chance(128) { draw.pick(&NAMES).to_owned() } else { address(other, false).to_string() };
                format!("/msg {name} {text}")
            }
            11 | 12 => format!("/format {}", draw.pick(&["json", "text"])),
            13..16 => "/token".to_owned(),
            16 => "/who".to_owned(),
            17 => "/rooms".to_owned(),
            18 => "/help".to_owned(),
            19 if draw.chance(60) => "/quit bye".to_owned(),
            20 => return comeback(kernel, peer).unwrap_or_default().into_bytes(),
            _ => draw.pick(&WRONG).to_owned(),
        };
        format!("{command}\n").into_bytes()
    }

    /// What a peer sends next: lines, of which the last may be cut.
    fn compose(&mut self, kernel: &mut Kernel, peer: u32) -> Vec<u8> {
        let typist = &mut self.typists[peer as usize];
        let mut out = std::mem::take(&mut typist.begun);
        out.append(&mut typist.opening);
        let lines = if kernel.draw.chance(40) { kernel.draw.between(2, 12) } else { 1 };
        for _ in 0..lines {
            out.extend(self.line(kernel, peer));
        }
        if kernel.draw.chance(30) && out.len() > 1 {
            let cut = kernel.draw.between(1, out.len() - 1);
            self.typists[peer as usize].begun = out.split_off(cut);
        }
        out
    }

    /// The scripts are over: each peer ends its line, reads from now on, and says one more.
    pub fn settle(&mut self, kernel: &mut Kernel) {
        self.over = true;
        for peer in 1..self.number() {
            if kernel.pairs()[peer as usize].is_alive() {
                let typist = &mut self.typists[peer as usize];
                let mut out = std::mem::take(&mut typist.begun);
                out.append(&mut typist.opening);
                out.extend(format!("{}{peer}.last\n", if out.ends_with(b"\n") { "" } else { "\n" }).into_bytes());
                kernel.peer_writes(peer, &out);
            }
            kernel.pair_mut(peer).widen(1 << 12);
            kernel.peer_listens(peer, true);
        }
    }
}

/// A `/resume` with the last token that some other peer was sent, or an earlier one, and a number of its room.
fn comeback(kernel: &mut Kernel, peer: u32) -> Option<String> {
    let others: Vec<(String, u64)> = (0..)
        .zip(kernel.pairs())
        .filter(|(other, _)| *other != peer)
        .filter_map(|(_, pair)| {
            let sent = &pair.record.as_deref()?.sent;
            let sent = String::from_utf8_lossy(sent);
            let token = sent.rsplit_once(r#""token":""#)?.1.split('"').next()?.to_owned();
            let number = sent.rsplit_once(r#"{"n":"#).and_then(|(_, rest)| rest.split(',').next()?.parse().ok());
            Some((token, number.unwrap_or(0)))
        })
        .filter(|(token, _)| token.len() == 32)
        .collect();
    let draw = &mut kernel.draw;
    let (token, number) = others.get(draw.below(others.len() as u64) as usize)?;
    let number = match draw.below(8) {
        0 => 0,
        1 => number + 5,
        2 => number / 2,
        _ => *number,
    };
    Some(format!("/resume {token} {number}\n"))
}

impl Script for Typists {
    fn act(&mut self, kernel: &mut Kernel, peer: u32) {
        self.take_step(kernel, peer);
    }
}

impl Steps for Typists {
    fn is_over(&self) -> bool {
        self.over
    }

    fn arrive(&mut self, kernel: &mut Kernel) {
        let number = self.number();
        let capacity = self.capacity(kernel, self.habits.capacity);
        let peer = kernel.connect(address(number, false), capacity, true);
        assert_eq!(peer, number);
        let steps_left = kernel.draw.between(1, self.habits.steps);
        let mut opening = Vec::new();
        if kernel.draw.chance(160) {
            opening.extend_from_slice(b"/format json\n");
            match comeback(kernel, number) {
                Some(comeback) if kernel.draw.chance(160) => opening.extend(comeback.into_bytes()),
                _ => {}
            }
            if kernel.draw.chance(200) {
                opening.extend_from_slice(b"/token\n");
            }
        }
        self.typists.push(Typist { steps_left, opening, ..Typist::default() });
        self.pause(kernel, peer);
    }

    fn replace(&mut self, kernel: &mut Kernel) {
        if self.spare > 0 {
            self.spare -= 1;
            self.pause(kernel, ARRIVAL);
        }
    }

    fn steps_left(&mut self, peer: u32) -> &mut usize {
        &mut self.typists[peer as usize].steps_left
    }

    fn pause_max(&self) -> u64 {
        self.habits.pause
    }

    fn step(&mut self, kernel: &mut Kernel, peer: u32) {
        if kernel.draw.chance(self.habits.leaves) {
            self.leave(kernel, peer);
        } else if kernel.draw.chance(self.habits.stops_reading) {
            self.start_or_stop_reading(kernel, peer);
        } else {
            let bytes = self.compose(kernel, peer);
            if !bytes.is_empty() {
                kernel.peer_writes(peer, &bytes);
            }
        }
    }
}
