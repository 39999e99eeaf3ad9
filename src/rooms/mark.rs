//! How far a sweep has to come before all that was said in a room has reached its members.
//!
//! A busy house always has something to send, so a sweep is measured by a mark: the end of a log, as it is now. It is
//! over when nobody whose socket takes bytes has to be sent anything before the mark. That takes one look at the member
//! that has been behind for the longest.

use super::Rooms;
use crate::room::feed::Feed;
use crate::room::log::Position;
use crate::token::RoomId;
use crate::wire::Encoding;

/// A place in the log of a feed.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    room: RoomId,
    encoding: Encoding,
    head: Position,
}

impl Rooms {
    /// The head of a feed with members that are behind, of the room whose turn is next. `None` where nobody is behind.
    pub fn mark(&self) -> Option<Mark> {
        let room = *self.turns.front()?;
        let feed = self.room(room).feeds().iter().find(|feed| feed.behind_from().is_some())?;
        Some(Mark { room, encoding: feed.encoding(), head: feed.log().head() })
    }

    /// True when all members of the feed whose sockets take bytes were sent everything before the mark, or it is gone.
    pub fn is_past(&self, mark: &Mark) -> bool {
        let room = self.rooms.find(mark.room.0).map(|entry| &entry.room);
        let feed = room.and_then(|room| room.feeds().iter().find(|feed| feed.encoding() == mark.encoding));
        // A feed that was made anew begins anew.
        let feed = feed.filter(|feed| feed.log().head() >= mark.head);
        feed.and_then(Feed::behind_from).is_none_or(|from| from >= mark.head)
    }

    /// How often something was put into a log. It is only ever compared.
    pub fn appended(&self) -> u64 {
        self.appended
    }
}
