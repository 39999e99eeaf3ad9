//! Every fixed bound of the server, with its reason. Sizes are bytes unless the name says otherwise.
//!
//! What an operator may choose is a field of [`Config`](crate::cli::Config); its default and the range it is held to
//! stand here too. Relations between bounds are asserted at compile time, beside the bounds.

use std::time::Duration;

/// Most bytes one receive takes from a connection. One chunk a turn per connection is what keeps a fast sender from
/// crowding out the others, so it is small.
pub const RECEIVE_CHUNK_BYTES: usize = 4096;

/// Most receives in one turn. Between them they share scratch memory of the turn, which stays in the second-level cache.
pub const RECEIVES_PER_TURN_MAX: usize = 64;

/// Most sends handed to the kernel at once. Larger batches are not cheaper (their requests fall out of the first-level
/// cache) and would hold up everything else for longer: 64 sends take about 300 us.
pub const SEND_BATCH_MEMBERS: usize = 64;

/// How many of a batch may be members that have just drained after being slow. The rest is for those who keep up.
pub const SEND_BATCH_DRAINED: usize = SEND_BATCH_MEMBERS / 4;

/// Largest segment of a room's log. A member at the end of one segment needs a second send for the next, so segments
/// are much longer than what accumulates between two sweeps.
pub const LOG_SEGMENT_BYTES_MAX: usize = 256 * 1024;

/// A log has at least this many segments at its cap, so that retiring one takes a small part of the history.
pub const LOG_SEGMENTS_MIN: usize = 4;

/// Default and range of `--log-bytes`.
pub const LOG_BYTES_DEFAULT: usize = 8 * 1024 * 1024;
pub const LOG_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Default and range of `--line-bytes`, the text of a line without its line ending.
pub const LINE_BYTES_DEFAULT: usize = 4096;
pub const LINE_BYTES_MIN: usize = 16;
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Sanitising replaces each invalid byte by at most one U+FFFD, three bytes of UTF-8.
pub const SANITISED_GROWTH_MAX: usize = 3;

/// Longest author's prefix, `[IP:PORT] `: an IPv6 address with a scope is 58 bytes, a little is added.
pub const PREFIX_BYTES_MAX: usize = 80;

/// Ranges of its own lines that a member which has not caught up may have waiting in the log. At the bound it is not
/// read from until its cursor has moved: whoever does not listen may not talk for ever.
pub const OWN_RANGES_MAX: usize = 256;

/// Buffers kept for partial lines after their line was completed, so that the steady state allocates nothing.
pub const SPARE_BUFFERS_MAX: usize = 64;

/// Most members up to which each join and each leave is announced by a line of its own.
pub const ANNOUNCE_MAX_DEFAULT: usize = 200;

/// Pause between two presence summaries in a room above that bound.
pub const PRESENCE_SUMMARY_INTERVAL: Duration = Duration::from_secs(1);

/// Descriptors kept back from members: standard streams, listener, ring, signals, transcript, and newcomers that are
/// told that the house is full.
pub const DESCRIPTOR_RESERVE: usize = 32;

/// Pause after a failed accept, when no slot is freed sooner. Accepting again at once would spin.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(500);

/// Backlog asked of the kernel, which holds it to `net.core.somaxconn`.
pub const LISTEN_BACKLOG: i32 = 65_535;

/// Unsent bytes that a member's socket may hold. What does not fit waits in the room's log, which is shared, instead of
/// in kernel memory, which is not.
pub const SOCKET_UNSENT_BYTES: u32 = 256 * 1024;

/// After a stop signal, how long members that lag are given to take what is left.
pub const STOP_FLUSH: Duration = Duration::from_secs(2);

/// Most bytes handed to the transcript in one turn.
pub const TRANSCRIPT_WRITE_BYTES: usize = 64 * 1024;

/// Pause after the transcript's terminal, pipe or file took no more.
pub const TRANSCRIPT_RETRY: Duration = Duration::from_millis(10);

/// Submission queue of the ring: several send batches and the re-armed receives of a turn. More would be submitted in
/// two calls, which is the back end's own affair.
pub const RING_SUBMISSIONS: u32 = 1024;

/// Completion queue of the ring: a whole accept backlog may complete at once.
pub const RING_COMPLETIONS: u32 = 16_384;

/// Longest line in the log, for a limit on typed lines of `line_bytes`: author, sanitised text, line feed.
pub const fn rendered_bytes_max(line_bytes: usize) -> usize {
    PREFIX_BYTES_MAX + line_bytes * SANITISED_GROWTH_MAX + 1
}

/// Smallest `--log-bytes` for a limit on typed lines: each segment holds any line.
pub const fn log_bytes_min(line_bytes: usize) -> usize {
    LOG_SEGMENTS_MIN * rendered_bytes_max(line_bytes)
}

const _: () = assert!(log_bytes_min(LINE_BYTES_DEFAULT) <= LOG_BYTES_DEFAULT);
const _: () = assert!(rendered_bytes_max(LINE_BYTES_MAX) <= LOG_SEGMENT_BYTES_MAX);
const _: () = assert!(log_bytes_min(LINE_BYTES_MAX) <= LOG_BYTES_MAX);
const _: () = assert!(SEND_BATCH_DRAINED < SEND_BATCH_MEMBERS);
const _: () = assert!(SEND_BATCH_MEMBERS <= RING_SUBMISSIONS as usize);
const _: () = assert!(RECEIVES_PER_TURN_MAX <= RING_SUBMISSIONS as usize);
const _: () = assert!(RING_COMPLETIONS >= 2 * RING_SUBMISSIONS);
