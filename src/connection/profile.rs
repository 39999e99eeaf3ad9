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
    /// True once it has shown the operators' key.
    pub operator: bool,
    /// What an IRC client has asked for.
    pub capabilities: Capabilities,
    /// What an IRC client has told of itself so far; `None` once it is a member.
    pub registration: Option<Box<Registration>>,
}
