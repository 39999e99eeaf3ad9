//! What only some members have: a name that they chose, and more rights than others.

use crate::names::MemberName;

#[derive(Debug, Default)]
pub struct Profile {
    /// The name that it has chosen.
    pub name: Option<MemberName>,
    /// True once it has shown the operators' key.
    pub operator: bool,
}
