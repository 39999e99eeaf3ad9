//! IRC: bytes to what a client asks for, and messages and notices to lines of at most 512 bytes. Pure.
//!
//! `parse` reads a line, `registration` is how a client becomes a member, `message` writes what a room says, `notice` what one member is told, `reply` the numbered
//! answers of the server, and `who` an answer with the fields that a client chooses. A member is `NICK!~u@uproar`: user and host are the same for all, so they tell nothing. One
//! that has chosen no name is called by its address with `|` for `:`, which no chosen name can hold. Every text was
//! sanitised, so no line ending and no `\x01` of CTCP can come from a member. docs/PROTOCOL.md has every line.

pub mod message;
pub mod nick;
pub mod notice;
pub mod parse;
pub mod registration;
pub mod reply;
pub mod who;

pub use self::message::{line_bytes_expected, message, message_bytes_max, record};
pub use self::nick::Nick;
pub use self::notice::notice;
pub use self::parse::{Request, Wrong};

/// What the server is called in front of its lines. No member can have this name.
pub const SERVER: &str = "uproar";

/// What stands behind a member's name in front of its lines: its user and its host.
pub const USER_AND_HOST: &str = "!~u@uproar";

/// How a line ends.
const END: &[u8] = b"\r\n";
