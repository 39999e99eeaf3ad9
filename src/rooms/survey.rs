//! What all rooms together show, looked at a piece of them at a time.
//!
//! Counts never go back from one survey to the next: what a room has counted is taken in once, when the room is looked
//! at, or when it is freed before that. What is freed after it was looked at is among those that are gone only for the
//! next survey.

use super::Rooms;
use crate::room::Counts;
use crate::room::feed::Feed;
use crate::token::RoomId;

/// A survey that is not done.
#[derive(Debug)]
pub(super) struct Survey {
    /// The room that is looked at next.
    next: u32,
    found: Found,
}

/// What a survey has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub counts: Counts,
    /// Members that no sweep looks at.
    pub parked: usize,
    /// Bytes that the member furthest behind has to be sent.
    pub lag_bytes_max: u64,
}

impl Survey {
    /// A room was freed that had counted so much.
    pub(super) fn on_freed(&mut self, id: RoomId, counts: Counts) {
        if id.0 >= self.next {
            self.found.counts.add(counts);
        }
    }
}

impl Rooms {
    /// Begins a survey, or goes on with it: looks at `rooms_max` rooms, or places where there were some. Returns what was
    /// found once all were looked at.
    pub fn survey(&mut self, rooms_max: u32) -> Option<Found> {
        let found = Found { counts: self.gone, ..Found::default() };
        let mut survey = self.survey.take().unwrap_or(Survey { next: 0, found });
        let end = survey.next.saturating_add(rooms_max).min(self.rooms.bound());
        for index in survey.next..end {
            let Some(entry) = self.rooms.find(index) else { continue };
            let found = &mut survey.found;
            found.counts.add(entry.room.counts());
            found.parked += entry.room.feeds().iter().map(Feed::parked).sum::<usize>();
            let lags = entry.room.feeds().iter().map(|feed| feed.lag_bytes_max(&self.members));
            found.lag_bytes_max = lags.fold(found.lag_bytes_max, u64::max);
        }
        survey.next = end;
        if end >= self.rooms.bound() {
            return Some(survey.found);
        }
        self.survey = Some(survey);
        None
    }

    /// How many rooms have at least so many members; the hall is none.
    pub fn of_at_least(&self, members: usize) -> usize {
        self.ranking.of_at_least(members)
    }
}
