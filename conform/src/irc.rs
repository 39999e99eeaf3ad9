//! Plays a case of the IRC door: its members come by that door or by the one for text, and every line that an IRC client
//! is sent is compared. Rooms and names are the case's own, so strangers are not heard of.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::cases::irc::{IrcCase, is_at_terminal};
use crate::cases::{Cut, Step};
use crate::lines::without_count;
use crate::words::Words;
use crate::{Outcome, Room, Tcp, TcpConnection, Transport};

/// The two doors of one server.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    pub irc: Tcp,
    pub text: Tcp,
}

/// Plays a case against a server that others may use.
pub fn play(case: &IrcCase, doors: Doors) -> Outcome {
    let started = Instant::now();
    let failure = play_in(case, doors, Room::Shared, Cut::Whole).err();
    Outcome { name: case.case.name.clone(), section: case.case.section, took: started.elapsed(), failure }
}

/// Plays a case against a server that was started for it.
pub fn play_in(case: &IrcCase, doors: Doors, room: Room, cut: Cut) -> Result<(), String> {
    let words = if room == Room::Own { Words::plain() } else { Words::unique() };
    let mut played = Played { doors, words, members: BTreeMap::new() };
    for step in &case.case.steps {
        match step {
            Step::Sends(_, bytes) => played.words.learn(&String::from_utf8_lossy(bytes)),
            Step::Reads(_, lines) => lines.iter().for_each(|line| played.words.learn(line)),
            Step::ReadsUntil(_, line) => played.words.learn(line),
            _ => {}
        }
    }
    for (number, step) in (1..).zip(&case.case.steps) {
        played.take(step, cut).map_err(|failure| format!("step {number}, {step:?}: {failure}"))?;
    }
    Ok(())
}

struct Played {
    doors: Doors,
    words: Words,
    members: BTreeMap<&'static str, TcpConnection>,
}

impl Played {
    fn door(&mut self, who: &str) -> &mut Tcp {
        if is_at_terminal(who) { &mut self.doors.text } else { &mut self.doors.irc }
    }

    fn member(&mut self, who: &str) -> Result<&mut TcpConnection, String> {
        self.members.get_mut(who).ok_or_else(|| format!("{who} is not here"))
    }

    fn take(&mut self, step: &Step, cut: Cut) -> Result<(), String> {
        match step {
            Step::Joins(who) | Step::Connects(who) => {
                let connection = self.door(who).connect()?;
                self.members.insert(who, connection);
                if matches!(step, Step::Joins(_)) {
                    self.read_until(who, "> Connected to the chat server (# online)")?;
                }
                Ok(())
            }
            Step::Sends(who, bytes) => {
                let bytes = self.words.fill_bytes(bytes);
                cut.chunks(&bytes).try_for_each(|chunk| self.send(who, chunk))
            }
            Step::SendsSlowly(who, bytes) => Cut::Bytes.chunks(bytes).try_for_each(|byte| self.send(who, byte)),
            Step::Reads(who, lines) => lines.iter().try_for_each(|expected| {
                let line = self.line(who)?;
                self.compare(who, expected, line)
            }),
            Step::ReadsUntil(who, line) => self.read_until(who, line),
            Step::Ends(who) => match self.line(who)? {
                None => Ok(()),
                Some(line) => Err(format!("the server should have closed {who} and said {line:?}")),
            },
            Step::Leaves(who) => {
                let mut door = *self.door(who);
                let mut connection = self.members.remove(who).ok_or_else(|| format!("{who} is not here"))?;
                door.half_close(&mut connection)?;
                let deadline = door.deadline();
                while door.line(&mut connection, deadline)?.is_some() {}
                Ok(())
            }
            other => Err(format!("{other:?} is no step of IRC")),
        }
    }

    fn send(&mut self, who: &str, bytes: &[u8]) -> Result<(), String> {
        let mut door = *self.door(who);
        door.send(self.member(who)?, bytes)
    }

    /// The next line to a member. At a terminal joins and leaves are passed over.
    fn line(&mut self, who: &str) -> Result<Option<String>, String> {
        let mut door = *self.door(who);
        let deadline = door.deadline();
        loop {
            let line = door.line(self.member(who)?, deadline)?;
            let Some(line) = line else { return Ok(None) };
            // What was sent in many pieces is more than a person sends.
            if line.contains(" :slow down: ") {
                continue;
            }
            if !is_at_terminal(who) {
                return Ok(Some(
                    line.strip_suffix('\r').ok_or("a line of IRC ends with a carriage return")?.to_owned(),
                ));
            }
            if !crate::lines::is_presence(&line) {
                return Ok(Some(without_count(&line)));
            }
        }
    }

    fn compare(&mut self, who: &str, expected: &str, line: Option<String>) -> Result<(), String> {
        let expected = self.words.fill(expected);
        match line {
            None => Err(format!("{who} should have read {expected:?} and the server closed")),
            Some(line) if self.words.matches(&expected, &line) => Ok(()),
            Some(line) => Err(format!("{who} should have read {expected:?} and read {line:?}")),
        }
    }

    fn read_until(&mut self, who: &str, expected: &str) -> Result<(), String> {
        let mut last = None;
        loop {
            let waited = |error: String| last.as_ref().map_or(error.clone(), |last| format!("{error}, after {last:?}"));
            let line = self.line(who).map_err(waited)?;
            let is_end = line.is_none();
            match self.compare(who, expected, line.clone()) {
                Err(failure) if is_end => return Err(failure),
                Err(_) => last = line,
                Ok(()) => return Ok(()),
            }
        }
    }
}
