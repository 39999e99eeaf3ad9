//! The slow members of a feed, by where in the log their cursors lie, so that nobody looks at all of them.
//!
//! A slow member is parked or returning. Nothing is sent to it, so its cursor does not move, but over its own message
//! at the head of the log. So parked members stand in a list for each segment, and the members that the log is about to
//! forget are one list. Members of all tables stand there together, because no batch takes a parked member. Returning
//! members stand in the lists of their tables, and are only counted here.

use std::collections::VecDeque;

use super::list::List;
use super::log::{Log, Position};
use super::members::{MemberId, Members, Place};
use crate::limits::LAG_LOOKS_MAX;

/// The slow members whose cursors lie in one part of the log.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub parked: List,
    /// How many are returning.
    pub returning: u32,
}

impl Group {
    pub fn is_empty(&self) -> bool {
        self.parked.len() == 0 && self.returning == 0
    }
}

#[derive(Debug, Default)]
pub(super) struct Slow {
    /// Members that are skipped.
    skipped: Group,
    /// By segment of the log, oldest first: members whose cursors lie in it, and not at the head of the log.
    segments: VecDeque<Group>,
    /// Members that the log has nothing for, and whose sockets are full all the same.
    at_head: Group,
}

impl Slow {
    /// The group of a cursor, which is `None` for a member that is skipped.
    pub fn group(&mut self, cursor: Option<Position>, log: &Log) -> &mut Group {
        match cursor {
            None => &mut self.skipped,
            Some(cursor) if cursor == log.head() => &mut self.at_head,
            Some(cursor) => &mut self.segments[log.segment_of(cursor)],
        }
    }

    pub fn skipped(&mut self) -> &mut Group {
        &mut self.skipped
    }

    /// The groups of the segments, in the order in which the log forgets them.
    pub fn segments(&self) -> impl Iterator<Item = &Group> {
        self.segments.iter()
    }

    /// The group of the segment that the log forgets next.
    pub fn oldest(&self) -> &Group {
        &self.segments[0]
    }

    pub fn oldest_mut(&mut self) -> &mut Group {
        &mut self.segments[0]
    }

    /// The log may have begun a segment.
    pub fn on_segment(&mut self, log: &Log) {
        while self.segments.len() < log.segments() {
            self.segments.push_back(Group::default());
        }
    }

    /// A message was appended. The members that were at the head lie in the segment that it is in.
    pub fn on_append(&mut self, members: &mut Members) {
        if !self.at_head.is_empty() {
            let last = self.segments.back_mut().expect("the message is in a segment");
            last.parked.append(members, &mut self.at_head.parked);
            last.returning += std::mem::take(&mut self.at_head.returning);
        }
    }

    /// The log forgets its oldest segment.
    pub fn on_retire(&mut self) {
        let oldest = self.segments.pop_front().expect("there was a segment");
        assert!(oldest.is_empty(), "no cursor lies in what the log forgets");
    }

    /// The lowest cursor of a slow member; where those of one segment are too many to look at, the start of that
    /// segment. That of a skipped member is the tail. `returning` are all members that are returning, `returning_len`
    /// of them.
    pub fn lowest_cursor(
        &self,
        members: &Members,
        log: &Log,
        returning: impl Iterator<Item = MemberId>,
        returning_len: usize,
    ) -> Option<Position> {
        if !self.skipped.is_empty() {
            return Some(log.tail());
        }
        let Some(oldest) = self.segments.iter().position(|group| !group.is_empty()) else {
            return (!self.at_head.is_empty()).then(|| log.head());
        };
        let group = &self.segments[oldest];
        let looks = if group.returning == 0 { 0 } else { returning_len };
        if group.parked.len() + looks > LAG_LOOKS_MAX {
            return Some(log.segment_base(oldest));
        }
        group.parked.iter(members).chain(returning.take(looks)).filter_map(|id| members[id].cursor()).min()
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.segments.capacity() * size_of::<Group>()
    }

    /// Panics when a slow member is not in the group of its cursor. Returns how many are parked.
    pub fn invariants(&self, members: &Members, log: &Log, returning: impl Iterator<Item = MemberId>) -> usize {
        assert_eq!(self.segments.len(), log.segments(), "each segment has a group");
        let number_of = |id| match members[id].cursor() {
            None => 0,
            Some(cursor) if cursor == log.head() => 1,
            Some(cursor) => 2 + log.segment_of(cursor),
        };
        let mut counts = vec![0; 2 + self.segments.len()];
        returning.for_each(|id| counts[number_of(id)] += 1);
        let mut parked = 0;
        for (number, group) in [&self.skipped, &self.at_head].into_iter().chain(&self.segments).enumerate() {
            assert_eq!(group.returning, counts[number], "returning members are counted by segment");
            for (id, later) in group.parked.invariants(members) {
                assert!(!later && members.place(id) == Place::Parked, "a parked member is in a list of parked ones");
                assert_eq!(number_of(id), number, "a parked member is in the list of its segment");
                parked += 1;
            }
        }
        parked
    }
}
