//! Uproar's own lines: nothing is sent to join, a message is a line, and what comes back is lines.
//!
//! Connecting is joining; the server's first line is the welcome. A publisher is not sent its own lines. What a line is,
//! is in `message.rs`; lines are found in the engine, a buffer at a time, because at tens of millions a second finding
//! them one by one shows.

/// Whether the first bytes of a stream say that the member is in the room: a whole line that is no notice, as a notice in
/// its place is a refusal.
pub fn is_welcome(bytes: &[u8]) -> bool {
    bytes.first() != Some(&b'!') && bytes.contains(&b'\n')
}
