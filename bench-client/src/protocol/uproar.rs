//! Uproar's own lines: a message is a line, and what comes back is lines.
//!
//! Connecting is joining; the server's first line is the welcome. A member of another room than the first asks for it then, and is in
//! when that is confirmed. A publisher is not sent its own lines. What a line is,
//! is in `message.rs`; lines are found in the engine, a buffer at a time, because at tens of millions a second finding
//! them one by one shows.

/// Whether the first bytes of a stream say that the member is in the room: a whole line that is no notice, as a notice in
/// its place is a refusal.
pub fn is_welcome(bytes: &[u8]) -> bool {
    bytes.first() != Some(&b'!') && bytes.contains(&b'\n')
}

/// The line that asks for `room`.
pub(super) fn join(room: &str) -> Vec<u8> {
    format!("/join {room}\n").into_bytes()
}

/// Where in `bytes`, which begin at a line, the line stands that confirms that the member is in `room`; none until it is there whole.
pub(super) fn confirmation_of(room: &str, bytes: &[u8]) -> Option<usize> {
    let confirmation = format!("> Joined {room} (");
    lines(bytes).find(|line| bytes[*line..].starts_with(confirmation.as_bytes()))
}

/// Where the last whole line of `bytes` begins, which is the last that the server has said; at their beginning if none is whole.
pub fn last_line(bytes: &[u8]) -> usize {
    lines(bytes).last().unwrap_or(0)
}

/// Where the whole lines of `bytes` begin.
fn lines(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut next = 0;
    memchr::memchr_iter(b'\n', bytes).map(move |end| std::mem::replace(&mut next, end + 1))
}
