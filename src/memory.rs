//! The most memory that a server will use, as a number known at its start.
//!
//! User memory alone: kernel memory for sockets is bounded by the socket options of `io::socket` and by `tcp_mem`.

use std::fmt;

use bytesize::ByteSize;

use crate::config::Config;
use crate::connection::{Connection, Private, Received};
use crate::io::socket::Socket;
use crate::limits::{
    DESCRIPTOR_BYTES, JOURNAL_BYTES_MAX, KERNEL_CONNECTION_BYTES, OWN_RANGES_MAX, PRIVATE_BYTES_MAX,
    RECEIVE_CHUNK_BYTES, RECEIVES_PER_TURN_MAX, RING_COMPLETIONS, RING_SUBMISSIONS, SLAB_ENTRY_BYTES,
    SOCKET_RECEIVE_BYTES, SOCKET_SEND_BYTES, SPARE_BUFFERS_MAX, STAMP_BYTES, TIMEOUT_ENTRY_BYTES,
    TRANSCRIPT_WRITE_BYTES, rendered_bytes_max,
};
use crate::names::Names;
use crate::pieces::slots;
use crate::room::member::Member;

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBound {
    /// Independent of the members: the ring's queues, scratch memory, the journal, the transcript, the program's own
    /// data.
    pub fixed: usize,
    /// Cap of the room's log.
    pub log: usize,
    /// The table of addresses.
    pub addresses: usize,
    pub members: usize,
    /// A member that only listens.
    pub member_idle: usize,
    /// A member that has begun a long line, has as many notices waiting as it can have, and does not read.
    pub member_worst: usize,
}

impl MemoryBound {
    pub fn of(config: &Config) -> Self {
        let line = config.line_bytes;
        // The entries that every member has: in the slabs, in the back end's table, and in the table of names.
        let member_idle = size_of::<Connection<Socket>>()
            + size_of::<Member>()
            + SLAB_ENTRY_BYTES
            + 2 * DESCRIPTOR_BYTES
            + Names::footprint_max(config.members_max).div_ceil(config.members_max.max(1));
        // Places of members that went, in the last piece of the slabs.
        let places_left = slots::places_max(config.members_max) - config.members_max;
        // A buffer that grows by doubling is at most twice as large as its content.
        let input = 2 * (line + 2 + RECEIVE_CHUNK_BYTES);
        // Notices, and the rest of a message that the log has forgotten.
        let private = Private::UNSENT_BYTES + 2 * (2 * PRIVATE_BYTES_MAX) + rendered_bytes_max(line);
        let own_ranges = 2 * OWN_RANGES_MAX * Member::OWN_RANGE_BYTES;
        let member_worst = member_idle
            + size_of::<Received>()
            + Member::ASIDE_BYTES
            + input
            + private
            + own_ranges
            + 2 * 5 * TIMEOUT_ENTRY_BYTES;
        Self {
            fixed: RING_SUBMISSIONS as usize * 64
                + RING_COMPLETIONS as usize * 16
                + RECEIVES_PER_TURN_MAX * RECEIVE_CHUNK_BYTES
                + SPARE_BUFFERS_MAX * input
                + 2 * (JOURNAL_BYTES_MAX + TRANSCRIPT_WRITE_BYTES + rendered_bytes_max(line) + STAMP_BYTES)
                + places_left * member_idle
                + (2 << 20),
            log: config.room.log_bytes,
            addresses: config.addresses.footprint_max(config.members_max),
            members: config.members_max,
            member_idle,
            member_worst,
        }
    }

    /// The bound itself.
    pub fn total(&self) -> usize {
        self.fixed + self.log + self.addresses + self.members.saturating_mul(self.member_worst)
    }
}

impl fmt::Display for MemoryBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |bytes: usize| ByteSize(bytes as u64);
        write!(f, "at most {}: {} fixed, ", size(self.total()), size(self.fixed))?;
        write!(f, "{} of log, {} of addresses, ", size(self.log), size(self.addresses))?;
        write!(f, "{} members of at most {} ", self.members, size(self.member_worst))?;
        write!(f, "({} for one that only listens); ", size(self.member_idle))?;
        // The kernel doubles the buffers that it is asked for.
        let buffers = 2 * (SOCKET_SEND_BYTES + SOCKET_RECEIVE_BYTES);
        write!(f, "not in it: the kernel's {} a connection, ", size(KERNEL_CONNECTION_BYTES))?;
        write!(f, "and up to {} of buffers for one that does not read", size(buffers))
    }
}
