//! The most memory that a server will use, as a number known at its start.
//!
//! User memory alone: kernel memory for sockets is bounded by the socket options of `io::socket` and by `tcp_mem`.

use std::fmt;

use bytesize::ByteSize;

use crate::capacity::TableSizes;
use crate::cluster::peers::Peers;
use crate::cluster::people::People;
use crate::config::Config;
use crate::connection::{Connection, Frames, Private, Profile, Received};
use crate::door::Door;
use crate::io::uring::Socket;
use crate::limits::{
    ADMIN_ANSWER_BYTES_MAX, ADMIN_CONNECTIONS_MAX, ALLOCATION_BYTES, CLUSTER_LINK_BYTES_MAX, COMPLETION_BYTES,
    DESCRIPTOR_BYTES, HTTP_HEAD_BYTES_MAX, IRC_ANSWER_BYTES_MAX, JOURNAL_BYTES_MAX, KERNEL_CONNECTION_BYTES,
    KERNEL_SLOT_BYTES, OWN_RANGES_KEPT, OWN_RANGES_MAX, PAST_PIECE_BYTES, PRIVATE_BYTES_KEPT, PRIVATE_BYTES_MAX,
    RECEIVE_CHUNK_BYTES, RECEIVES_PER_TURN_MAX, RING_COMPLETIONS, RING_SUBMISSIONS, ROOM_BYTES, SEND_BATCH_MEMBERS,
    SLAB_ENTRY_BYTES, SOCKET_RECEIVE_BYTES, SOCKET_SEND_BYTES, SPARE_BUFFERS_MAX, STAMP_BYTES, SUBMISSION_BYTES,
    TABLE_COMPLETIONS, TABLE_SUBMISSIONS, TIMEOUT_ENTRY_BYTES, TOLD_EMPTY_MAX, TOLD_ROOM_BYTES, TRANSCRIPT_GONE_BYTES,
    TRANSCRIPT_WRITE_BYTES, rendered_bytes_max,
};
use crate::moderation::Holds;
use crate::motd::Motd;
use crate::names::Names;
use crate::pieces::slots;
use crate::room::member::Member;
use crate::sessions::Sessions;
use crate::wire::Encoding;
use crate::wire::irc::registration::Registration;

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBound {
    /// Independent of the members: the ring's queues, scratch memory, the journal, the transcript, the program's own
    /// data.
    pub fixed: usize,
    /// The logs of all rooms.
    pub logs: usize,
    /// The rooms beside their logs.
    pub rooms: usize,
    /// The table of addresses.
    pub addresses: usize,
    pub members: usize,
    /// A member that only listens.
    pub member_idle: usize,
    /// A member that has spoken, is timed in every way, and has a notice waiting: all that does not count against the
    /// buffer bytes.
    pub member: usize,
    /// The same with all buffer bytes that one member can have: it has begun a long line, has as many notices waiting
    /// as it can have, and does not read.
    pub member_worst: usize,
    /// The buffer bytes of all members.
    pub buffers: usize,
    /// What the ring of a table keeps in the kernel until it is closed: its table, and a request for each slot. 0
    /// without tables.
    pub kernel_per_table: usize,
}

/// The two queues of a ring.
fn queues_bytes(submissions: u32, completions: u32) -> usize {
    submissions as usize * SUBMISSION_BYTES + completions as usize * COMPLETION_BYTES
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
        let [has_web, has_admin] = [Door::Web, Door::Admin].map(|door| config.doors.all().contains(&door));
        let member = member_idle
            + size_of::<Received>()
            + Member::ASIDE_BYTES
            + OWN_RANGES_KEPT * Member::OWN_RANGE_BYTES
            + Private::UNSENT_BYTES
            + PRIVATE_BYTES_KEPT
            + size_of::<Profile>()
            + size_of::<Registration>()
            + if has_web { Frames::FOOTPRINT_MAX } else { 0 }
            + ALLOCATION_BYTES
            + Sessions::footprint_max(config.members_max).div_ceil(config.members_max.max(1))
            + 2 * 6 * TIMEOUT_ENTRY_BYTES;
        // A buffer that grows by doubling is at most twice as large as its content.
        let head = if has_web || has_admin { HTTP_HEAD_BYTES_MAX } else { 0 };
        let input = 2 * ((config.line_bytes_max() + 2).max(head) + RECEIVE_CHUNK_BYTES);
        // Notices, and behind them the last answer, or a private line, or a piece of the past.
        let answer = if config.doors.all().contains(&Door::Irc) { IRC_ANSWER_BYTES_MAX } else { 0 };
        let private = 2 * (PRIVATE_BYTES_MAX + answer.max(PAST_PIECE_BYTES + Encoding::Json.bytes_max(line)));
        let own_ranges = 2 * OWN_RANGES_MAX * Member::OWN_RANGE_BYTES;
        // The rest of a message that the log has forgotten.
        let unfinished = rendered_bytes_max(line);
        let buffer_worst = input + private + own_ranges + unfinished;
        // The turn in which they are spent receives and sends on to its end.
        let overshoot = (RECEIVES_PER_TURN_MAX + SEND_BATCH_MEMBERS) * buffer_worst;
        let members = config.members_max;
        Self {
            fixed: queues_bytes(RING_SUBMISSIONS, RING_COMPLETIONS)
                + RECEIVES_PER_TURN_MAX * RECEIVE_CHUNK_BYTES
                + SPARE_BUFFERS_MAX * input
                + 2 * (JOURNAL_BYTES_MAX + TRANSCRIPT_WRITE_BYTES + rendered_bytes_max(line) + STAMP_BYTES)
                + places_left * member_idle
                + 2 * Holds::FOOTPRINT_MAX
                // One that is read anew stands beside the one that counts, and beside its file.
                + 3 * Motd::FOOTPRINT_MAX
                + TRANSCRIPT_GONE_BYTES
                + if has_admin { ADMIN_CONNECTIONS_MAX * (member + input + 2 * ADMIN_ANSWER_BYTES_MAX) } else { 0 }
                + (2 << 20),
            logs: config.room.logs_bytes,
            rooms: slots::places_max(config.rooms_max).saturating_mul(ROOM_BYTES),
            addresses: config.addresses.footprint_max(members),
            members,
            member_idle,
            member,
            member_worst: member + buffer_worst,
            buffers: members.saturating_mul(buffer_worst).min(config.buffer_bytes.saturating_add(overshoot)),
            kernel_per_table: 0,
        }
    }

    /// The bound of the same server with tables of direct descriptors, if it has any.
    pub fn with_tables(self, tables: Option<TableSizes>) -> Self {
        let Some(TableSizes { count, slots }) = tables else { return self };
        let vacant = usize::from(slots) * size_of::<u16>();
        Self {
            fixed: self.fixed + count * (queues_bytes(TABLE_SUBMISSIONS, TABLE_COMPLETIONS) + vacant),
            kernel_per_table: usize::from(slots) * KERNEL_SLOT_BYTES,
            ..self
        }
    }

    /// The bound of the same server as a node of a cluster, if it is one. `rooms_max` is that of its configuration.
    pub fn with_cluster(self, is_node: bool, rooms_max: usize, members_max: usize) -> Self {
        if !is_node {
            return self;
        }
        let told = (rooms_max + TOLD_EMPTY_MAX).saturating_mul(TOLD_ROOM_BYTES);
        let nodes = CLUSTER_LINK_BYTES_MAX + Peers::FOOTPRINT_MAX;
        let fixed = self.fixed.saturating_add(nodes).saturating_add(People::footprint_max(members_max));
        Self { fixed, rooms: self.rooms.saturating_add(told), ..self }
    }

    /// Its parts, by name.
    pub fn parts(&self) -> [(&'static str, usize); 6] {
        [
            ("fixed", self.fixed),
            ("logs", self.logs),
            ("rooms", self.rooms),
            ("addresses", self.addresses),
            ("members", self.members.saturating_mul(self.member)),
            ("buffers", self.buffers),
        ]
    }

    /// The bound itself.
    pub fn total(&self) -> usize {
        self.parts().into_iter().map(|(_, bytes)| bytes).fold(0, usize::saturating_add)
    }
}

impl fmt::Display for MemoryBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |bytes: usize| ByteSize(bytes as u64);
        write!(f, "at most {}: {} fixed, ", size(self.total()), size(self.fixed))?;
        write!(
            f,
            "{} of logs, {} of rooms, {} of addresses, ",
            size(self.logs),
            size(self.rooms),
            size(self.addresses)
        )?;
        write!(f, "{} members of at most {} ", self.members, size(self.member))?;
        write!(f, "({} for one that only listens), ", size(self.member_idle))?;
        write!(f, "{} for unfinished lines, own lines and notices of all of them; ", size(self.buffers))?;
        // The kernel doubles the buffers that it is asked for.
        let buffers = 2 * (SOCKET_SEND_BYTES + SOCKET_RECEIVE_BYTES);
        write!(f, "not in it: the kernel's {} a connection, ", size(KERNEL_CONNECTION_BYTES))?;
        write!(f, "and up to {} of buffers for one that does not read", size(buffers))?;
        if self.kernel_per_table > 0 {
            write!(f, "; {} that a table keeps there until it is closed", size(self.kernel_per_table))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Serve;

    fn bound(options: &[&str], members_max: usize) -> MemoryBound {
        MemoryBound::of(&Serve::with(options).expect("the options are known").config(members_max))
    }

    #[test]
    fn a_million_members_take_at_most_two_gibibytes() {
        let million = bound(&[], 1_000_000);
        assert!(million.total() <= 2 << 30, "{million}");
        assert!(million.buffers < 300 << 20, "{million}");
        println!("{million}");
    }

    #[test]
    fn tables_are_in_the_bound_and_what_they_keep_in_the_kernel_beside_it() {
        let without = bound(&[], 1_000_000);
        let with = without.with_tables(Some(TableSizes { count: 50, slots: 20_000 }));
        assert!(with.total() > without.total() + 50 * 40_000 && with.total() <= 2 << 30, "{with}");
        assert!(with.to_string().ends_with("; 5.6 MiB that a table keeps there until it is closed"), "{with}");
    }

    #[test]
    fn few_members_do_not_need_all_that_members_may_share() {
        let few = bound(&[], 100);
        assert_eq!(few.buffers, 100 * (few.member_worst - few.member));
        let (small, large) = (bound(&["--buffer-bytes", "1MiB"], 20_000), bound(&["--buffer-bytes", "9MiB"], 20_000));
        assert_eq!(large.total() - small.total(), 8 << 20);
    }
}
