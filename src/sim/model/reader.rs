//! One connection: what it asked for, beside what it was sent. Answers come in the order of what was asked, and tell the
//! name, the room and the format that the member has; what is said in its room comes between them, each line once.

use std::collections::{HashSet, VecDeque};
use std::mem;

use super::asked::{Asked, Item};
use super::heard::{self, Heard, Object};
use super::outcome::{Outcome, Resumed, Sent, Spoken};
use super::places::{Gap, Place, Reading};
use super::rooms::Rooms;
use crate::io::sim::pair::Pair;

/// Options of the server that the model knows.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub history: u64,
    pub history_max: u64,
    /// Whether everything had settled before the server stopped.
    pub settled: bool,
}

#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) reading: Reading<'a>,
    pub(super) options: Options,
    items: VecDeque<Item>,
    pub(super) places: Vec<Place>,
    pub(super) room: String,
    /// Texts that it has said so far.
    pub(super) own: HashSet<String>,
    /// A list that is being answered: lines of it so far.
    listed: Option<Vec<String>>,
    /// The turn in which the last answer was sent.
    turn: usize,
    pub(super) outcome: Outcome,
}

/// Reads everything that a connection was sent. `name` is what it was called first.
pub fn read<'a>(
    rooms: &'a Rooms,
    pair: &'a Pair,
    (id, name): (u64, String),
    items: Vec<Item>,
    options: Options,
) -> Result<Outcome, String> {
    let record = super::record(pair);
    let accepted = pair.accepted_in.expect("it was accepted");
    let outcome = Outcome::new(name);
    let mut reader = Reader {
        reading: Reading { rooms, id, json: false },
        options,
        items: items.into(),
        places: Vec::new(),
        room: "lobby".to_owned(),
        own: HashSet::new(),
        listed: None,
        turn: accepted,
        outcome,
    };
    let mut start = 0;
    let (lines, rest) = super::lines(&record.sent);
    for (index, line) in lines.iter().enumerate() {
        start += line.len();
        let sends = record.sent_ends.partition_point(|(end, _)| *end < start);
        let turn = record.sent_ends[sends].1;
        let text = line.strip_suffix(b"\n").expect("a line ends");
        let shown = String::from_utf8_lossy(text);
        let wrong = |what: String| format!("line {index} {shown:?} of turn {turn}: {what}");
        let heard = reader.format_of(text).and_then(|json| heard::read(text, json)).map_err(wrong)?;
        reader.on_line(heard, turn, accepted).map_err(wrong)?;
    }
    reader.end();
    // A token may have come whole with a line that has not.
    let rest = String::from_utf8_lossy(rest);
    let token = rest.split_once(r#""token":""#).and_then(|(_, token)| token.split_once('"'));
    reader.outcome.tokens.extend(token.map(|(token, _)| token.to_owned()));
    Ok(reader.outcome)
}

impl Reader<'_> {
    /// The format of a line: it changes with the answer to `/format` alone.
    fn format_of(&self, line: &[u8]) -> Result<bool, String> {
        let json = line.starts_with(b"{");
        // A list of the commands that has begun is still in front.
        let mut asked = self.items.iter().skip(usize::from(self.listed.is_some())).map(|item| &item.asked);
        let next = asked.find(|asked| !matches!(asked, Asked::Say { .. }));
        let changes = matches!(next, Some(Asked::Format { json: wanted }) if *wanted == json);
        if json == self.reading.json || changes { Ok(json) } else { Err("is in the other format".to_owned()) }
    }

    fn on_line(&mut self, heard: Heard, turn: usize, accepted: usize) -> Result<(), String> {
        if self.outcome.replaced {
            return Err("comes after the last line".to_owned());
        }
        match heard {
            Heard::Said { line, object } => self.on_said(&line, object.as_ref()),
            Heard::Missed { count, range } => {
                self.outcome.missed += count;
                self.change_places("tells of a gap that there is not", |reading, place| {
                    if count == 0 { Vec::new() } else { reading.on_gap(place, Gap { count, range }) }
                })
            }
            Heard::Private { from, text } => {
                self.outcome.private.push((from, text, self.outcome.name.clone()));
                Ok(())
            }
            Heard::Connected { online } => {
                if !self.places.is_empty() {
                    return Err("it was welcomed before".to_owned());
                }
                self.arrive("lobby", None, online, (accepted, accepted))?;
                self.repeat_history()
            }
            Heard::Replaced => {
                self.outcome.replaced = true;
                Ok(())
            }
            Heard::Notice(text) if self.is_unasked(&text) => Ok(()),
            Heard::Notice(text) if self.listed.is_some() => self.on_listed(text, turn),
            heard => {
                self.end_help()?;
                self.on_answer(heard, turn)
            }
        }
    }

    fn on_said(&mut self, line: &str, object: Option<&Object>) -> Result<(), String> {
        self.outcome.lines += 1;
        self.outcome.json_lines += u64::from(self.reading.json);
        self.outcome.past_lines += u64::from(self.places.iter().any(|place| place.past.is_some()));
        self.change_places("is not what comes next", |reading, place| reading.on_line(place, line, object))
    }

    pub(super) fn change_places(
        &mut self,
        wrong: &str,
        mut change: impl FnMut(Reading, Place) -> Vec<Place>,
    ) -> Result<(), String> {
        let before = mem::take(&mut self.places);
        for place in before.iter().flat_map(|place| change(self.reading, *place)) {
            if !self.places.contains(&place) {
                self.places.push(place);
            }
        }
        if self.places.is_empty() {
            return Err(format!("{wrong}: {}", self.describe(&before)));
        }
        Ok(())
    }

    fn describe(&self, places: &[Place]) -> String {
        let describe = |place: &Place| {
            let Some(epoch) = self.reading.epoch(*place) else { return format!("{place:?}") };
            let next = epoch.said.get(place.at).map(|said| String::from_utf8_lossy(&said.line).into_owned());
            let past = place.past.and_then(|(next, _)| epoch.with_number(next));
            let past = past.map(|at| String::from_utf8_lossy(&epoch.said[at].line).into_owned());
            format!(
                "{} at {}, next {next:?}, past {:?} {past:?}, forgotten {:?}",
                epoch.name, place.at, place.past, epoch.forgotten
            )
        };
        places.iter().take(3).map(describe).collect::<Vec<_>>().join("; ")
    }

    /// True for notices that are no answers.
    fn is_unasked(&mut self, text: &str) -> bool {
        self.outcome.too_long += u64::from(text.starts_with("line too long"));
        ["line too long", "slow down", "your line was not finished"].iter().any(|start| text.starts_with(start))
    }

    /// Lines that need no answer were taken before whatever is answered now.
    fn pass_said(&mut self) -> Result<(), String> {
        while let Some(Item { asked: Asked::Say { .. }, .. }) = self.items.front() {
            if self.reading.json {
                return Err("its own line was not answered".to_owned());
            }
            self.take_said(None);
        }
        Ok(())
    }

    fn take_said(&mut self, number: Option<u64>) {
        let Some(Item { asked: Asked::Say { action, text }, .. }) = self.items.pop_front() else {
            unreachable!("it was looked at");
        };
        self.own.insert(text.clone());
        let epochs: Vec<_> = self.places.iter().map(|place| place.epoch).collect();
        let told = (self.outcome.certain && !epochs.is_empty()).then(|| (self.outcome.name.clone(), epochs));
        self.outcome.spoken.push(Spoken { text, action, told, number });
    }

    fn on_answer(&mut self, heard: Heard, turn: usize) -> Result<(), String> {
        if let Heard::Own { number } = heard {
            if !matches!(self.items.front(), Some(Item { asked: Asked::Say { .. }, .. })) {
                return Err(format!("answers {:?}", self.items.front()));
            }
            self.take_said(Some(number));
            return Ok(());
        }
        if matches!(heard, Heard::Anew) {
            return self.on_anew();
        }
        if let Heard::Notice(text) = &heard
            && let Some(count) = history_count(text)
            && !matches!(self.next_asked(), Some(Asked::History(_)))
        {
            // The one who has just joined is told how much of the past follows.
            return self.change_places("counts what does not follow", |_, place| {
                let follows = place.past.is_some_and(|(next, last)| last + 1 - next == count);
                if follows || place.epoch.is_none() { vec![place] } else { Vec::new() }
            });
        }
        self.pass_said()?;
        let Some(Item { asked, turn: from }) = self.items.pop_front() else {
            return Err("answers nothing".to_owned());
        };
        self.turn = self.turn.max(from);
        let result = self.on_answer_to(&asked, heard, (self.turn, turn));
        result.map_err(|wrong| format!("{wrong} (asked {asked:?})"))
    }

    fn next_asked(&self) -> Option<&Asked> {
        self.items.iter().map(|item| &item.asked).find(|asked| !matches!(asked, Asked::Say { .. }))
    }

    /// `turns` are the first and the last in which it may have been carried out.
    fn on_answer_to(&mut self, asked: &Asked, heard: Heard, turns: (usize, usize)) -> Result<(), String> {
        let text = match (&heard, asked) {
            (Heard::Welcome { room, online, object }, Asked::Join(wanted)) => {
                if !room.eq_ignore_ascii_case(wanted) {
                    return Err("is another room".to_owned());
                }
                self.move_to(room, object.as_ref(), *online, turns)?;
                return self.repeat_history();
            }
            (Heard::Welcome { room, online, object }, Asked::Format { json }) => {
                if *room != self.room || object.is_some() != *json {
                    return Err("is another room or format".to_owned());
                }
                return self.move_to(room, object.as_ref(), *online, turns);
            }
            (Heard::Welcome { room, online, object: Some(welcome) }, Asked::Resume { token, number }) => {
                self.outcome.chosen |= welcome.name != self.outcome.name;
                self.rename(&welcome.name);
                self.move_to(room, Some(welcome), *online, turns)?;
                let (token, last) = (token.clone(), welcome.number);
                self.outcome.resumed.push(Resumed { token, welcome: Some(welcome.clone()), anew: false });
                let past = (*number < last).then_some((number + 1, last));
                self.places.iter_mut().for_each(|place| place.past = past);
                return Ok(());
            }
            (Heard::Token(token), Asked::Token) => {
                self.outcome.tokens.push(token.clone());
                return Ok(());
            }
            (Heard::Notice(text), _) => text,
            _ => return Err("is no answer".to_owned()),
        };
        let right = match asked {
            Asked::Nick(name) if *text == format!("you are {name}") => {
                self.outcome.chosen = true;
                self.rename(name);
                true
            }
            Asked::Nick(name) => *text == format!("the name {name} is taken"),
            Asked::Join(_) => text == "no more rooms",
            Asked::History(most) => {
                let (most, own) = ((*most).min(self.options.history_max), self.own.clone());
                let Some(count) = history_count(text).filter(|count| *count <= most) else {
                    return Err("is no answer".to_owned());
                };
                return self.change_places("is not how many there are", |reading, place| {
                    let level = reading.when_level(place, &own);
                    level.iter().flat_map(|place| reading.repeats(*place, most, Some(count))).collect()
                });
            }
            Asked::Who | Asked::Rooms | Asked::Help => {
                self.items.push_front(Item { asked: asked.clone(), turn: turns.0 });
                self.listed = Some(Vec::new());
                return self.on_listed(text.clone(), turns.1);
            }
            Asked::Msg { name, text: private } => {
                let nobody = *text == format!("nobody is called {name}");
                let told = ["sent to ", ""].into_iter().find_map(|start| {
                    let rest = text.strip_prefix(start)?;
                    let called = if start.is_empty() { rest.strip_suffix(" is not reading")? } else { rest };
                    Some(called.eq_ignore_ascii_case(name))
                });
                let sent = Sent {
                    text: private.clone(),
                    name: name.clone(),
                    from: Some(self.outcome.name.clone()),
                    answer: Some(text.clone()),
                };
                self.outcome.sent.push(sent);
                nobody || told == Some(true)
            }
            Asked::Token => text.starts_with("this command is for programs") && !self.reading.json,
            Asked::Resume { .. } if !self.reading.json => text.starts_with("this command is for programs"),
            Asked::Resume { token, .. } => {
                let refused = text.starts_with("this token is not good");
                if refused {
                    self.outcome.resumed.push(Resumed { token: token.clone(), welcome: None, anew: false });
                }
                refused || text == "no more rooms"
            }
            Asked::Quit => text == "goodbye",
            Asked::Answered(starts) => starts.iter().any(|start| text.starts_with(start)),
            Asked::Format { .. } | Asked::Say { .. } => false,
        };
        if right { Ok(()) } else { Err("is no answer".to_owned()) }
    }

    fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.outcome.name);
        self.outcome.names.insert(name.to_owned());
    }

    /// The list of commands ends with the first line of something else.
    fn end_help(&mut self) -> Result<(), String> {
        let Some(listed) = self.listed.take() else { return Ok(()) };
        let asked = self.items.pop_front().map(|item| item.asked);
        let whole = asked == Some(Asked::Help) && listed.len() >= 8;
        if whole { Ok(()) } else { Err(format!("the list for {asked:?} ends")) }
    }

    /// A list ends with a page, and that of the commands before the first line of something else.
    fn on_listed(&mut self, text: String, turn: usize) -> Result<(), String> {
        if text.starts_with("/help: ") && self.listed.as_ref().is_some_and(|listed| !listed.is_empty()) {
            self.end_help()?;
            return self.on_answer(Heard::Notice(text), turn);
        }
        let asked = self.items.front().map(|item| item.asked.clone());
        let mut listed = self.listed.take().expect("a list is being answered");
        if asked == Some(Asked::Help) {
            if text.starts_with('/') && text.contains(": ") {
                listed.push(text);
                self.listed = Some(listed);
                return Ok(());
            }
            self.listed = Some(listed);
            self.end_help()?;
            return self.on_answer(Heard::Notice(text), turn);
        }
        let Some(page) = text.strip_prefix("page ") else {
            listed.push(text);
            self.listed = Some(listed);
            return Ok(());
        };
        self.items.pop_front();
        let different: HashSet<&String> = listed.iter().collect();
        if listed.len() > 20 || different.len() != listed.len() {
            return Err(format!("lists {listed:?}"));
        }
        if page == "1 of 1" {
            let mine = if asked == Some(Asked::Who) { self.outcome.name.clone() } else { format!("{} ", self.room) };
            let is_mine = |line: &&String| if mine.ends_with(' ') { line.starts_with(&mine) } else { **line == mine };
            if listed.iter().filter(is_mine).count() != 1 {
                return Err(format!("{mine:?} is not once in {listed:?}"));
            }
        }
        if asked == Some(Asked::Rooms) {
            let online =
                listed.iter().map(|line| line.rsplit_once(' ').and_then(|(_, count)| count.parse::<u64>().ok()));
            let online: Option<Vec<u64>> = online.collect();
            if !online.is_some_and(|online| online.is_sorted_by(|one, next| one >= next)) {
                return Err(format!("the largest is not first in {listed:?}"));
            }
            if listed.iter().any(|line| line.ends_with(" 0") && line != "lobby 0") {
                return Err(format!("nobody is in one of {listed:?}"));
            }
        }
        Ok(())
    }

    fn on_anew(&mut self) -> Result<(), String> {
        let Some(resumed) =
            self.outcome.resumed.last_mut().filter(|resumed| resumed.welcome.is_some() && !resumed.anew)
        else {
            return Err("it has not come back".to_owned());
        };
        resumed.anew = true;
        self.places.iter_mut().for_each(|place| place.past = None);
        Ok(())
    }

    /// What is left was not answered.
    fn end(&mut self) {
        if self.listed.take().is_some() {
            self.items.pop_front();
        }
        while let Some(item) = self.items.front() {
            if matches!(item.asked, Asked::Say { .. }) {
                self.take_said(None);
                continue;
            }
            let item = self.items.pop_front().expect("it was looked at");
            self.outcome.unanswered += 1;
            match item.asked {
                Asked::Nick(name) => {
                    self.outcome.names.insert(name);
                    self.outcome.certain = false;
                }
                Asked::Resume { token, .. } => {
                    self.outcome.lost_tokens.push(token);
                    self.outcome.certain = false;
                }
                Asked::Token => self.outcome.token_lost = true,
                Asked::Join(_) | Asked::Quit => self.outcome.certain = false,
                Asked::Msg { name, text } => {
                    let from = self.outcome.certain.then(|| self.outcome.name.clone());
                    self.outcome.sent.push(Sent { text, name, from, answer: None });
                }
                _ => {}
            }
        }
        self.outcome.json = self.reading.json;
        self.outcome.places = mem::take(&mut self.places);
    }
}

fn history_count(text: &str) -> Option<u64> {
    text.strip_prefix("the last ")?.strip_suffix(" messages:")?.parse().ok()
}
