//! What only some members have: a name that they chose, and more rights than others.

use crate::names::MemberName;
use crate::sessions::Key;

#[derive(Debug, Default)]
pub struct Profile {
    /// The name that it has chosen.
    pub name: Option<MemberName>,
    /// By which it may come back.
    pub key: Option<Key>,
    /// True once it has shown the operators' key.
    pub operator: bool,
}
