//! What only some members have: a name that they chose, and more rights than others.

use crate::flood::Bucket;
use crate::names::MemberName;
use crate::sessions::Key;
use crate::wire::irc::registration::{Capabilities, Registration};

#[derive(Debug, Default)]
pub struct Profile {
    /// The name that it has chosen.
    pub name: Option<MemberName>,
    /// By which it may come back.
    pub key: Option<Key>,
    /// How many wrong keys of operators it may type.
    pub keys: Bucket,
    /// Which of the operators' keys it has shown, by how many there were before; the last one makes an operator.
    pub operator: Option<u32>,
    /// What an IRC client has asked for.
    pub capabilities: Capabilities,
    /// What an IRC client has told of itself so far; `None` once it is a member.
    pub registration: Option<Box<Registration>>,
}
