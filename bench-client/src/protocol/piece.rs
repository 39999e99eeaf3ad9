//! What comes first in a received stream, in whichever protocol it is, and what the protocols' parsers have in common.

/// The channel, subject or topic that is the room, where members ask for none.
pub(super) const ROOM: &str = "room";
/// The same where the server may be uproar, which calls the room of everybody so.
pub(super) const LOBBY: &str = "lobby";
/// No length in a stream of a run is above this: lines have at most 60,000 bytes.
const LENGTH_MAX: usize = 1 << 20;

/// What comes first in a received stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A delivery of a message of the room: what its publisher sent, and what the server calls the publisher; nothing where it names
    /// no author.
    Message { author: &'a [u8], payload: &'a [u8] },
    /// The server has let the member in, which sends `Wire::join` now. Where there is none it is in the room.
    Welcomed,
    /// The member is in the room from here on.
    Joined,
    /// The server wants `Wire::pong` back, with this in it.
    Ping(&'a [u8]),
    /// The member was told that it missed so many messages.
    Missed(u64),
    /// Said to all of the room, and no message: a join, a leave, a summary of them, a sign of life.
    Presence,
    /// A word of the server to this member that refuses nothing.
    Word(&'a [u8]),
    /// A word of the server to this member: an error or a refusal.
    Notice(&'a [u8]),
    /// The server ends the connection, with a code if it gives one.
    Closed { code: Option<u16>, reason: &'a [u8] },
    /// Part of the protocol that calls for nothing.
    Nothing,
    /// Not of this protocol, or of another room.
    Strange(&'a [u8]),
}

impl<'a> Piece<'a> {
    /// A message of a server that names no author.
    pub(super) fn unsigned(payload: &'a [u8]) -> Self {
        Self::Message { author: b"", payload }
    }
}

/// The line that `bytes` begin with, without its CR LF, and its length with it.
pub(super) fn take_line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// The number that is all of `digits`, if it can be a length of anything in a run.
pub(super) fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|number| *number <= LENGTH_MAX)
}
