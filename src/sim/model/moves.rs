//! A member joins a room, leaves it, or reads it in another format: where that may have been in the lines of the rooms.
//!
//! A line about it tells the place. Where there was none, because joins and leaves were summed up, it is known in which turns
//! it was.

use super::heard::Welcome;
use super::places::{Place, Reading};
use super::reader::Reader;
use super::rooms::online_in;
use crate::message::Kind;

impl Reader<'_> {
    /// It is sent what `--history` says.
    pub(super) fn repeat_history(&mut self) -> Result<(), String> {
        let most = self.options.history;
        self.change_places("cannot be", |reading, place| reading.repeats(place, most, None))
    }

    /// It was sent everything, and goes on in a room, which may be the same.
    pub(super) fn move_to(
        &mut self,
        room: &str,
        welcome: Option<&Welcome>,
        online: u64,
        turns: (usize, usize),
    ) -> Result<(), String> {
        self.reading.json = welcome.is_some();
        if room == self.room && self.stays(welcome) {
            let own = self.own.clone();
            return self.change_places("it was not sent everything", |reading, place| {
                let gone = Place { epoch: None, at: 0, past: None };
                if let (Some(epoch), Some(welcome)) = (reading.epoch(place), welcome)
                    && !epoch.may_have(welcome.number)
                {
                    return vec![gone];
                }
                let level = reading.when_level(place, &own);
                let fits = |place: &Place| {
                    welcome.is_none_or(|welcome| {
                        reading.epoch(*place).is_none_or(|epoch| epoch.numbered_before(place.at) == welcome.number)
                    })
                };
                level.into_iter().filter(fits).collect()
            });
        }
        self.leave(turns)?;
        self.arrive(room, welcome, online, turns)
    }

    /// Whether a welcome is to the room that it is in.
    fn stays(&self, welcome: Option<&Welcome>) -> bool {
        welcome.is_none_or(|welcome| {
            let epoch = self.reading.rooms.with_id(welcome.epoch);
            self.places.iter().any(|place| place.epoch == epoch)
        })
    }

    /// Everything that was said before it left has been sent to it.
    fn leave(&mut self, (first, last): (usize, usize)) -> Result<(), String> {
        let id = self.reading.id;
        self.change_places("it was not sent everything before it left", |reading, place| {
            let Some(epoch) = reading.epoch(place) else { return vec![place] };
            let (least, most) = (epoch.length_after(first - 1), epoch.length_after(last));
            let is_it = |at: &usize| epoch.said[*at].kind == Kind::Left && epoch.said[*at].author == Some(id);
            let left = (place.at.max(least)..most).find(is_it);
            // Where it was not announced, a summary comes before any later presence.
            let may_be_later = |left: usize| epoch.said[place.at..left].iter().any(|said| said.kind == Kind::Summary);
            let whole = left.is_some_and(|at| reading.has_reached(place, at))
                || (left.is_none_or(may_be_later) && place.past.is_none() && reading.furthest(place) >= least);
            if whole { vec![place] } else { Vec::new() }
        })
    }

    /// It has joined a room in one of the turns.
    pub(super) fn arrive(
        &mut self,
        room: &str,
        welcome: Option<&Welcome>,
        online: u64,
        (first, last): (usize, usize),
    ) -> Result<(), String> {
        let Reading { rooms, id, .. } = self.reading;
        if welcome.is_some_and(|welcome| welcome.id != id || welcome.name != self.outcome.name) {
            return Err(format!("calls {} {:x} something else", self.outcome.name, id));
        }
        room.clone_into(&mut self.room);
        self.places.clear();
        for (index, epoch) in rooms.epochs.iter().enumerate() {
            let is_it = welcome
                .map_or(epoch.name == room, |welcome| welcome.epoch == epoch.id && epoch.may_have(welcome.number));
            if !is_it || epoch.first > last || epoch.last + 1 < first {
                continue;
            }
            if epoch.name != room {
                return Err(format!("the room is called {}", epoch.name));
            }
            let range = epoch.length_after(first - 1)..=epoch.length_after(last);
            let entered: Vec<usize> = range
                .clone()
                .filter(|at| {
                    let said = epoch.said.get(*at);
                    said.is_some_and(|said| said.kind == Kind::Entered && said.author == Some(id))
                })
                .collect();
            let told = |at: &usize| {
                let line = String::from_utf8_lossy(&epoch.said[*at].line);
                online_in(&line) == Some(online)
            };
            let fits = |at: &usize| welcome.is_none_or(|welcome| epoch.numbered_before(*at) == welcome.number);
            let mut ats: Vec<usize> =
                entered.iter().filter(|at| told(at)).map(|at| at + 1).filter(|at| fits(at)).collect();
            // Where it was not announced a summary comes later, unless the server was told to stop before.
            let later = epoch.said[*range.start()..].iter();
            let may_be_unannounced = !self.options.settled
                || !epoch.is_open
                || epoch.torn
                || entered.is_empty()
                || later.clone().any(|said| said.kind == Kind::Summary);
            if may_be_unannounced {
                ats.extend(range);
            }
            let places = ats.into_iter().filter(|at| epoch.torn || fits(at));
            self.places.extend(places.map(|at| Place { epoch: Some(index), at, past: None }));
        }
        // It may have been made and freed in one turn.
        let known = welcome.is_some_and(|welcome| {
            let epoch = rooms.with_id(welcome.epoch).map(|index| &rooms.epochs[index]);
            epoch.is_some_and(|epoch| epoch.may_have(welcome.number))
        });
        if !known && room != "lobby" {
            self.places.push(Place { epoch: None, at: 0, past: None });
        }
        if self.places.is_empty() { Err("there is no such place".to_owned()) } else { Ok(()) }
    }
}
