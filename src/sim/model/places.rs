//! Where a member may be in the lines of its room. What it is sent leaves of all places those from which it goes on.
//!
//! Mostly there is one. There are several where equal presence lines were forgotten, and after a text member has joined
//! unannounced.

use std::collections::HashSet;

use super::heard::Object;
use super::rooms::{Epoch, Rooms, Said};
use crate::message::Kind;

/// A place. Where the epoch is not known the room was made and freed in one turn, or its lines cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub epoch: Option<usize>,
    /// The line that comes next.
    pub at: usize,
    /// The numbers of the first and the last line of the past that come before it.
    pub past: Option<(u64, u64)>,
}

/// The reader whose places these are.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    pub rooms: &'a Rooms,
    /// The number that members know it by.
    pub id: u64,
    /// Whether it reads JSON. The past is made of text for all.
    pub json: bool,
}

/// A gap that a member was told of.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    pub count: u64,
    pub range: Option<(u64, u64)>,
}

impl<'a> Reading<'a> {
    pub fn epoch(self, place: Place) -> Option<&'a Epoch> {
        place.epoch.map(|index| &self.rooms.epochs[index]).filter(|epoch| !epoch.torn)
    }

    /// How many lines the log that it reads has forgotten by now.
    fn forgotten(self, epoch: &Epoch) -> usize {
        epoch.forgotten[usize::from(self.json)]
    }

    fn is_own(self, said: &Said) -> bool {
        said.author == Some(self.id)
    }

    /// A line is not sent to its author, and presence may be forgotten without a word. Before and behind its own presence it
    /// is in another room.
    fn may_pass(self, epoch: &Epoch, at: usize) -> bool {
        epoch.said.get(at).is_some_and(|said| match said.kind {
            Kind::Entered | Kind::Left if self.is_own(said) => false,
            _ => self.is_own(said) || (at < self.forgotten(epoch) && !said.is_numbered()),
        })
    }

    /// The lines from `at` on of which one is next.
    fn next(self, epoch: &Epoch, at: usize) -> std::ops::RangeInclusive<usize> {
        at..=at + (at..).take_while(|at| self.may_pass(epoch, *at)).count()
    }

    /// The places behind a line that was heard at `place`.
    pub fn on_line(self, place: Place, line: &str, object: Option<&Object>) -> Vec<Place> {
        let Some(epoch) = self.epoch(place) else {
            // Nothing is sent of a room that is gone at the end of a turn, but what was asked for.
            let torn = place.epoch.is_some();
            return if torn || place.past.is_some() { vec![place] } else { Vec::new() };
        };
        let fits = |at: usize| {
            let said = &epoch.said[at];
            said.line == line.as_bytes()
                && object.is_none_or(|object| {
                    (object.number, object.time, object.id) == (said.number, said.time, said.author)
                })
        };
        if let Some((next, last)) = place.past {
            let found = epoch.with_number(next).is_some_and(fits);
            let past = (next < last).then_some((next + 1, last));
            return if found { vec![Place { past, ..place }] } else { Vec::new() };
        }
        let found = self.next(epoch, place.at).filter(|at| *at < epoch.said.len() && fits(*at));
        let mut places: Vec<Place> = found.map(|at| Place { at: at + 1, ..place }).collect();
        // What was said and sent in the turn in which the room was freed is not known.
        let end = epoch.said.len();
        if places.is_empty() && !epoch.is_open && self.has_reached(place, end) {
            places.push(Place { at: end, ..place });
        }
        places
    }

    /// The places behind a gap.
    pub fn on_gap(self, place: Place, gap: Gap) -> Vec<Place> {
        let Some(epoch) = self.epoch(place) else { return vec![place] };
        let mut places = Vec::new();
        if let Some((next, last)) = place.past {
            let end = next + gap.count - 1;
            let forgotten = epoch.with_number(end).is_some_and(|at| at < epoch.forgotten[0]);
            if forgotten && end <= last && gap.range.is_none_or(|range| range == (next, end)) {
                places.push(Place { past: (end < last).then_some((end + 1, last)), ..place });
            }
        }
        for start in self.next(epoch, place.at) {
            let (mut at, mut left) = (start, gap.count);
            while left > 0 && at < self.forgotten(epoch) {
                left -= u64::from(!self.is_own(&epoch.said[at]) && epoch.said[at].is_numbered());
                at += 1;
            }
            let range = |end: usize| (epoch.numbered_before(start) + 1, epoch.numbered_before(end));
            let ends = self.next(epoch, at).filter(|end| gap.range.is_none_or(|told| told == range(*end)));
            if left == 0 {
                places.extend(ends.map(|end| Place { at: end, ..place }));
            }
        }
        // What was said and forgotten in the turn in which the room was freed is not known either.
        let (end, numbered) = (epoch.said.len(), epoch.numbered_before(epoch.said.len()));
        let is_beyond = gap.range.is_none_or(|(_, last)| last > numbered);
        if places.is_empty() && !epoch.is_open && place.past.is_none() && is_beyond {
            places.push(Place { at: end, ..place });
        }
        places
    }

    /// Where a member stands that was sent everything, and has said exactly the lines in `own`.
    pub fn when_level(self, place: Place, own: &HashSet<String>) -> Vec<Place> {
        let Some(epoch) = self.epoch(place) else { return vec![place] };
        if place.past.is_some() {
            return Vec::new();
        }
        let is_said = |at: usize| own.contains(text_of(&epoch.said[at]));
        let own_line = |at: usize| epoch.said.get(at).is_some_and(|said| self.is_own(said) && said.is_numbered());
        let places = self.next(epoch, place.at).filter(|end| {
            (place.at..*end).all(|at| !own_line(at) || is_said(at)) && !(own_line(*end) && is_said(*end))
        });
        places.map(|at| Place { at, ..place }).collect()
    }

    /// True when it may have been sent everything up to line `end`.
    pub fn has_reached(self, place: Place, end: usize) -> bool {
        self.epoch(place).is_none_or(|epoch| place.past.is_none() && self.next(epoch, place.at).contains(&end))
    }

    /// The furthest line that may be next.
    pub fn furthest(self, place: Place) -> usize {
        self.epoch(place).map_or(usize::MAX, |epoch| *self.next(epoch, place.at).end())
    }

    /// A member that is sent the last `count` lines again: fewer only where the log has forgotten more.
    pub fn repeats(self, place: Place, most: u64, exact: Option<u64>) -> Vec<Place> {
        let Some(epoch) = self.epoch(place) else {
            return vec![Place { past: (most > 0).then_some((1, u64::MAX)), ..place }];
        };
        let last = epoch.numbered_before(place.at);
        let whole = most.min(last);
        let counts = (0..=whole).rev().take_while(|count| {
            let left_out = epoch.with_number(last - count);
            *count == whole || left_out.is_some_and(|at| at < epoch.forgotten[0])
        });
        let counts = counts.filter(|count| exact.is_none_or(|exact| exact == *count));
        counts.map(|count| Place { past: (count > 0).then_some((last + 1 - count, last)), ..place }).collect()
    }
}

/// What a member typed of a numbered line.
pub fn text_of(said: &Said) -> &str {
    let line = str::from_utf8(&said.line).expect("a line is text");
    let line = line.strip_suffix('\n').unwrap_or(line);
    let text = match line.strip_prefix("* ") {
        Some(action) => action.split_once(' '),
        None => line.split_once("] "),
    };
    text.map_or("", |(_, text)| text)
}
