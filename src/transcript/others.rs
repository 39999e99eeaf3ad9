//! The rooms beside the lobby, as the transcript reads them: each with a cursor of its own, one behind the other.
//!
//! Their lines are copied, because the name of the room stands in front of each. A room is looked at only after
//! something was said in it.

use std::collections::HashMap;

use super::reader::Reader;
use crate::limits::{TRANSCRIPT_GONE_BYTES, TRANSCRIPT_ROOM_BYTES};
use crate::message::Notice;
use crate::names::RoomName;
use crate::pieces::fifo::Fifo;
use crate::room::log::Log;
use crate::token::RoomId;
use crate::wire::{Addressee, Encoding};

#[derive(Debug, Default)]
pub(super) struct Others {
    places: HashMap<RoomId, Place>,
    /// Rooms of which not everything was read, in the order of their turns.
    behind: Fifo<RoomId>,
    /// Messages of rooms that are gone which were not written.
    lost: u64,
}

/// How far a room was read.
#[derive(Debug, Default)]
struct Place {
    reader: Reader,
    /// True exactly when the room is in `behind`.
    is_behind: bool,
}

impl Place {
    /// Copies lines, `most` bytes of them or a little more, and tells of those that are forgotten.
    fn copy(&mut self, stamp: &str, name: RoomName, log: &Log, most: usize, out: &mut Vec<u8>) {
        let start = format!("{stamp}{name} ");
        let end = out.len() + most;
        self.reader.skip_forgotten(log, &start, out);
        self.reader.copy(log, &start, end, out);
    }
}

impl Others {
    pub fn is_quiet(&self) -> bool {
        self.behind.is_empty() && self.lost == 0
    }

    /// Something was said in a room.
    pub fn on_spoken(&mut self, room: RoomId) {
        let place = self.places.entry(room).or_default();
        if !std::mem::replace(&mut place.is_behind, true) {
            self.behind.push_back(room);
        }
    }

    /// A room is freed: what was not read of it is read now, unless very much waits to be written.
    pub fn on_freed(&mut self, stamp: &str, room: RoomId, name: RoomName, log: &Log, out: &mut Vec<u8>) {
        let mut place = self.places.remove(&room).unwrap_or_default();
        if place.reader.is_done(log) {
            return;
        }
        if out.len() < TRANSCRIPT_GONE_BYTES {
            place.copy(stamp, name, log, TRANSCRIPT_GONE_BYTES - out.len(), out);
        }
        self.lost += log.messages() - place.reader.messages;
    }

    /// Copies lines of the next room that has some. `find` has its name and its log, if it still exists.
    pub fn copy_next<'a>(
        &mut self,
        stamp: &str,
        find: impl Fn(RoomId) -> Option<(RoomName, &'a Log)>,
        out: &mut Vec<u8>,
    ) {
        if self.lost > 0 {
            out.extend_from_slice(stamp.as_bytes());
            let messages = std::mem::take(&mut self.lost);
            Addressee::unknown(Encoding::Text).notice(Notice::Missed { messages, range: None }, out);
        }
        while let Some(room) = self.behind.pop_front() {
            let Some(place) = self.places.get_mut(&room) else { continue };
            let Some((name, log)) = find(room) else { continue };
            place.copy(stamp, name, log, TRANSCRIPT_ROOM_BYTES, out);
            place.is_behind = !place.reader.is_done(log);
            if place.is_behind {
                self.behind.push_back(room);
            }
            if !out.is_empty() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{LOG_ENTRY_BYTES, LOG_SEGMENTS_MIN};

    fn say(log: &mut Log, line: &str) {
        log.make_space(line.len());
        log.append_bytes(line.as_bytes());
    }

    fn log() -> Log {
        Log::new(LOG_SEGMENTS_MIN * (10 + LOG_ENTRY_BYTES), 10, 0)
    }

    #[test]
    fn each_line_has_the_name_of_its_room_and_gaps_are_told() {
        let (mut den, mut attic) = (log(), log());
        let (den_name, attic_name) = (RoomName::parse("den").unwrap(), RoomName::parse("Attic").unwrap());
        let mut others = Others::default();
        let mut out = Vec::new();
        (1..8).for_each(|number| say(&mut den, &format!("{number} aaaa\n")));
        say(&mut attic, "1 bbbb\n");
        [1, 2, 1].into_iter().for_each(|room| others.on_spoken(RoomId(room)));
        while !others.is_quiet() {
            let find = |room: RoomId| Some(if room == RoomId(1) { (den_name, &den) } else { (attic_name, &attic) });
            others.copy_next("", find, &mut out);
        }
        let expected = "den ! you missed 3 messages\nden 4 aaaa\nden 5 aaaa\nden 6 aaaa\nden 7 aaaa\nAttic 1 bbbb\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_room_that_is_freed_is_read_to_its_end_and_another_begins_anew() {
        let name = RoomName::parse("den").unwrap();
        let mut others = Others::default();
        let mut out = Vec::new();
        for _ in 0..2 {
            let mut den = log();
            say(&mut den, "1 aaaa\n");
            // What was said in the turn in which it is freed was not noted yet.
            others.on_freed("T ", RoomId(1), name, &den, &mut out);
        }
        others.copy_next("T ", |_| None, &mut out);
        assert!(others.is_quiet());
        assert_eq!(String::from_utf8(out).unwrap(), "T den 1 aaaa\nT den 1 aaaa\n");
    }

    #[test]
    fn what_does_not_fit_of_a_room_that_is_freed_is_counted() {
        let mut others = Others::default();
        let mut den = log();
        say(&mut den, "1 aaaa\n");
        say(&mut den, "2 aaaa\n");
        others.on_spoken(RoomId(1));
        let mut out = vec![b' '; TRANSCRIPT_GONE_BYTES];
        others.on_freed("", RoomId(1), RoomName::parse("den").unwrap(), &den, &mut out);
        assert_eq!(out.len(), TRANSCRIPT_GONE_BYTES);
        out.clear();
        others.copy_next("", |_| None, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "! you missed 2 messages\n");
    }
}
