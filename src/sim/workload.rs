//! The peers of a run: how many there are, how each behaves and how often, drawn from the seed.

use crate::io::sim::draw::Draw;

/// The peers of one run. The witness is not counted.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// How many connect.
    pub peers: usize,
    /// Most steps of one script.
    pub steps: usize,
    /// Most bytes of a typed line that the server takes.
    pub line_bytes: usize,
    /// Longest pause between two steps, in nanoseconds.
    pub pause: u64,
    /// Most bytes that a socket takes before its peer reads.
    pub capacity: usize,
    /// Out of 256: how often a step is one of these.
    pub stops_reading: u8,
    pub strange: u8,
    pub goes: u8,
    pub breaks: u8,
    pub finishes: u8,
    /// Out of 256: how many of them speak another protocol.
    pub foreign: u8,
    /// How many may replace ones that left.
    pub returns: usize,
    /// Whether they come from few addresses.
    pub neighbours: bool,
    /// Whether they come from one address and port in pairs, and stay.
    pub namesakes: bool,
    /// Whether the first of them reads nothing before the scripts are over.
    pub first_never_reads: bool,
}

impl Workload {
    pub fn draw(draw: &mut Draw, line_bytes: usize) -> Self {
        let mut rate = || if draw.chance(150) { draw.pick(&[2, 8, 24, 64]) } else { 0 };
        let (stops_reading, strange, goes, breaks, finishes) = (rate(), rate(), rate(), rate(), rate());
        let foreign = rate();
        let peers = draw.pick(&[1, 2, 3, 5, 9, 20, 80]);
        Self {
            peers,
            steps: draw.pick(&[4, 12, 30, 80]),
            line_bytes,
            pause: draw.pick(&[0, 100_000, 10_000_000, 1_000_000_000, 30_000_000_000]),
            capacity: draw.pick(&[1 << 16, 4096, 600, 100, 7]),
            stops_reading,
            strange,
            goes,
            breaks,
            finishes,
            foreign,
            returns: if draw.chance(128) { peers } else { 0 },
            neighbours: draw.chance(128),
            namesakes: false,
            first_never_reads: false,
        }
        .with_namesakes(draw.chance(40))
    }

    fn with_namesakes(self, namesakes: bool) -> Self {
        if !namesakes {
            return self;
        }
        // None of them speaks another protocol either.
        Self { namesakes, foreign: 0, strange: 0, goes: 0, breaks: 0, finishes: 0, ..self }
    }

    /// One peer that connects again and again from a few addresses, says a line and leaves.
    pub fn visits(line_bytes: usize) -> Self {
        Self {
            peers: 1,
            steps: 1000,
            line_bytes,
            pause: 1_000_000,
            capacity: 1 << 16,
            stops_reading: 0,
            strange: 0,
            goes: 0,
            breaks: 0,
            finishes: 90,
            foreign: 0,
            returns: 60,
            neighbours: true,
            namesakes: false,
            first_never_reads: false,
        }
    }

    /// Three that talk for long, of which the first never reads.
    pub fn monologue(line_bytes: usize) -> Self {
        Self {
            peers: 3,
            steps: 600,
            line_bytes,
            pause: 100_000,
            capacity: 100,
            stops_reading: 0,
            strange: 4,
            goes: 0,
            breaks: 0,
            finishes: 0,
            foreign: 0,
            returns: 0,
            neighbours: false,
            namesakes: false,
            first_never_reads: true,
        }
    }
}
