//! The faults of a run, and how often each happens. A seed switches each fault on or off and draws its frequency, so
//! that some runs have one fault alone.

use super::draw::Draw;

/// Frequencies are out of 256. All zero is a kernel without faults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A send takes some of its bytes although there is space for all.
    pub short_send: u8,
    /// A send finds its socket full although it is not.
    pub full_send: u8,
    /// A send finds no memory.
    pub send_memory: u8,
    /// A connection breaks in the middle of a send.
    pub send_breaks: u8,
    /// A receive finds no memory.
    pub receive_memory: u8,
    /// A connection breaks in the middle of a receive.
    pub receive_breaks: u8,
    /// A chunk holds fewer bytes than there are.
    pub small_chunk: u8,
    /// Accepting ends on an error.
    pub accept: u8,
    /// A peer in the backlog has already left when it is accepted.
    pub accept_gone: u8,
    /// A newcomer's socket cannot be watched.
    pub unwatchable: u8,
    /// A newcomer's socket cannot be moved into a table. Drawn apart.
    pub move_fails: u8,
    /// A stale completion: of a connection that was freed.
    pub stale: u8,
    /// A full socket is reported writable, and takes nothing.
    pub false_writable: u8,
    /// The clock jumps: the machine was suspended, or the process stopped.
    pub clock_jump: u8,
    /// Completions of one turn come in any order, and events of one moment too.
    pub reorder: bool,
    /// Longest delay of a completion, in nanoseconds.
    pub latency: u64,
    /// How late a deadline is noticed at most, in nanoseconds.
    pub lateness: u64,
    /// Peers read a part of what there is.
    pub slow_reads: bool,
    /// Descriptors that the process may have open; 0 for no limit.
    pub descriptors: usize,
}

impl Faults {
    pub fn draw(draw: &mut Draw) -> Self {
        // Half of the faults are off in a run, and those that are on may be rare or frequent.
        let mut rate = || if draw.chance(128) { draw.pick(&[1, 4, 16, 64, 160]) } else { 0 };
        let mut faults = Self {
            short_send: rate(),
            full_send: rate(),
            send_memory: rate(),
            send_breaks: rate() / 16,
            receive_memory: rate(),
            receive_breaks: rate() / 16,
            small_chunk: rate(),
            accept: rate(),
            accept_gone: rate() / 4,
            unwatchable: rate() / 4,
            stale: rate(),
            false_writable: rate(),
            clock_jump: rate() / 16,
            ..Self::default()
        };
        faults.reorder = draw.chance(128);
        faults.latency = draw.pick(&[0, 0, 10_000, 1_000_000, 50_000_000, 2_000_000_000, 600_000_000_000]);
        faults.lateness = draw.pick(&[0, 0, 1_000_000, 300_000_000]);
        faults.slow_reads = draw.chance(100);
        faults.descriptors = if draw.chance(50) { draw.between(3, 12) } else { 0 };
        faults
    }
}
