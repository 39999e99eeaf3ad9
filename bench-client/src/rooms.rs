//! The rooms of a run: how many there are, what they are called, and how many members each has. Pure.
//!
//! Members are in the rooms in turn: member `i` is in room `i mod n`. Names are all of one length, so that a delivery has as many
//! bytes in one room as in another.

use serde::{Deserialize, Serialize};

/// Rooms that a run may have: each has a name of at most seven bytes.
pub const ROOMS_MAX: u32 = 1_000_000;

/// The rooms that the members of a run are in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rooms {
    /// The one that everybody comes into who asks for none.
    #[default]
    First,
    /// One that members ask for by its name.
    Named(String),
    /// Two or more, `b0`, `b1` and so on, which members ask for.
    Many(u32),
}

impl Rooms {
    /// `count` rooms; one is that of everybody.
    pub fn new(count: u32) -> Self {
        if count <= 1 { Self::First } else { Self::Many(count) }
    }

    pub fn count(&self) -> u32 {
        match self {
            Self::First | Self::Named(_) => 1,
            Self::Many(count) => *count,
        }
    }

    /// What members ask for to get into `room`; None where they need not.
    pub fn name(&self, room: usize) -> Option<String> {
        match self {
            Self::First => None,
            Self::Named(name) => Some(name.clone()),
            Self::Many(count) => {
                let digits = (count - 1).to_string().len();
                Some(format!("b{room:0digits$}"))
            }
        }
    }

    /// Members of `room`, of `members` in all rooms.
    pub fn members_of(&self, room: usize, members: usize) -> usize {
        members.saturating_sub(room).div_ceil(self.count() as usize)
    }

    /// Members of the smallest room.
    pub fn members_min(&self, members: usize) -> usize {
        self.members_of(self.count() as usize - 1, members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_length() {
        let names = |count: u32| [0, count as usize - 1].map(|room| Rooms::new(count).name(room).unwrap());
        assert_eq!(names(2), ["b0", "b1"]);
        assert_eq!(names(10), ["b0", "b9"]);
        assert_eq!(names(3800), ["b0000", "b3799"]);
        assert_eq!((Rooms::new(1).name(0), Rooms::new(1).count()), (None, 1));
        assert_eq!(Rooms::Named("few".to_string()).name(0).unwrap(), "few");
    }

    #[test]
    fn members_are_in_the_rooms_in_turn() {
        let rooms = Rooms::new(3);
        assert_eq!([0, 1, 2].map(|room| rooms.members_of(room, 11)), [4, 4, 3]);
        assert_eq!((rooms.members_min(11), rooms.members_min(2)), (3, 0));
        assert_eq!(Rooms::First.members_of(0, 7), 7);
    }
}
