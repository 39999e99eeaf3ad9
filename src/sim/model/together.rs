//! What all connections of a run say together: each line of a room is what its author typed, under the name that it had, in
//! the room that it was in; private lines reach whom they name; a token is good once.

use std::collections::{HashMap, HashSet};

use super::outcome::{Outcome, Spoken};
use super::places::{Reading, text_of};
use super::rooms::{Rooms, Said};
use crate::message::Kind;

/// What is known of a connection.
#[derive(Debug)]
pub struct Known {
    pub id: u64,
    /// Whether it was a member when everything had settled, and so has everything.
    pub here: bool,
    pub outcome: Outcome,
}

/// Compares. `resumes_for_ever` is true where no token can have become too old.
pub fn compare(rooms: &Rooms, known: &HashMap<usize, Known>, resumes_for_ever: bool) -> Result<(), String> {
    let online = rooms.add_up()?;
    let mut names = HashSet::new();
    for outcome in known.values().filter(|known| known.here).map(|known| &known.outcome) {
        if !names.insert(outcome.name.to_ascii_lowercase()) {
            return Err(format!("two are called {}", outcome.name));
        }
    }
    compare_lines(rooms, known)?;
    for (peer, known) in known.iter().filter(|(_, known)| known.here) {
        let Known { id, outcome, .. } = known;
        let reading = Reading { rooms, id: *id, json: outcome.json };
        let whole = outcome.places.iter().any(|place| {
            place.epoch.is_some_and(|index| rooms.epochs[index].is_open)
                && reading.has_reached(*place, place.epoch.map_or(0, |index| rooms.epochs[index].said.len()))
        });
        if !whole || outcome.unanswered > 0 {
            return Err(format!(
                "{peer} is here, has {} questions open, and is at {:?}",
                outcome.unanswered, outcome.places
            ));
        }
    }
    for (index, epoch) in rooms.epochs.iter().enumerate().filter(|(_, epoch)| epoch.is_open && !epoch.torn) {
        let is_in = |known: &&Known| known.outcome.places.iter().any(|place| place.epoch == Some(index));
        let members = known.values().filter(|known| known.here).filter(is_in).count() as u64;
        let all_here = known.values().any(|known| known.here);
        if all_here && online[index] != members {
            return Err(format!("{members} are in {}, and {} are told", epoch.name, online[index]));
        }
    }
    compare_private(known)?;
    compare_tokens(rooms, known, resumes_for_ever)
}

fn compare_lines(rooms: &Rooms, known: &HashMap<usize, Known>) -> Result<(), String> {
    let authors: HashMap<u64, usize> = known.iter().map(|(peer, known)| (known.id, *peer)).collect();
    let spoken: HashMap<&str, (usize, usize)> = known
        .iter()
        .flat_map(|(peer, known)| {
            let spoken = known.outcome.spoken.iter().enumerate();
            spoken.map(|(index, spoken)| (spoken.text.as_str(), (*peer, index)))
        })
        .collect();
    let mut found = HashSet::new();
    for (index, epoch) in rooms.epochs.iter().enumerate() {
        let mut last: HashMap<usize, usize> = HashMap::new();
        for said in &epoch.said {
            let line = String::from_utf8_lossy(&said.line).into_owned();
            let wrong = |what: &str| Err(format!("in {} {line:?}: {what}", epoch.name));
            if !said.is_numbered() {
                if !names_right(said, known, &authors) {
                    return wrong("the name was never its own");
                }
                continue;
            }
            let Some((peer, place)) = spoken.get(text_of(said)).copied() else {
                return wrong("nobody typed it");
            };
            if said.author.and_then(|author| authors.get(&author)) != Some(&peer) {
                return wrong("somebody else typed it");
            }
            if !found.insert((peer, place)) || last.insert(peer, place).is_some_and(|before| before > place) {
                return wrong("it was said before");
            }
            let typed = &known[&peer].outcome.spoken[place];
            agrees(said, typed, index, &line).or_else(|what| wrong(&what))?;
        }
    }
    let can_be_lost =
        |epoch: &Option<usize>| epoch.is_none_or(|index| !rooms.epochs[index].is_open || rooms.epochs[index].torn);
    for (peer, Known { here, outcome, .. }) in known {
        for (place, typed) in outcome.spoken.iter().enumerate() {
            let lost = typed.told.as_ref().is_none_or(|(_, epochs)| epochs.iter().any(can_be_lost));
            if *here && !lost && !found.contains(&(*peer, place)) {
                return Err(format!("{peer} typed {:?}, and it was not said", typed.text));
            }
        }
    }
    Ok(())
}

fn agrees(said: &Said, typed: &Spoken, epoch: usize, line: &str) -> Result<(), String> {
    if (said.kind == Kind::Action) != typed.action || typed.number.is_some_and(|number| number != said.number) {
        return Err(format!("it is {} and was told as {:?}", said.number, typed.number));
    }
    let Some((name, epochs)) = &typed.told else { return Ok(()) };
    let expected =
        if typed.action { format!("* {name} {}\n", typed.text) } else { format!("[{name}] {}\n", typed.text) };
    let was_there = epochs.iter().any(|known| known.is_none_or(|known| known == epoch));
    if line != expected || !was_there {
        return Err(format!("its author was called {name}, in {epochs:?}"));
    }
    Ok(())
}

/// A presence line names its member as it was called once.
fn names_right(said: &Said, known: &HashMap<usize, Known>, authors: &HashMap<u64, usize>) -> bool {
    let Some(peer) = said.author.and_then(|author| authors.get(&author)) else {
        // A connection that was sent nothing, or the server.
        return true;
    };
    let Outcome { names, certain, .. } = &known[peer].outcome;
    if !certain {
        return true;
    }
    let line = String::from_utf8_lossy(&said.line);
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    match said.kind {
        Kind::Entered | Kind::Left => names.contains(words[3]),
        Kind::Renamed => words[1] != words[6] && names.contains(words[1]) && names.contains(words[6]),
        _ => true,
    }
}

fn compare_private(known: &HashMap<usize, Known>) -> Result<(), String> {
    let mut heard: HashMap<&str, (&str, &str)> = HashMap::new();
    for Known { outcome, .. } in known.values() {
        for (from, text, name) in &outcome.private {
            if heard.insert(text, (from, name)).is_some() {
                return Err(format!("{text:?} was heard twice"));
            }
        }
    }
    for sent in known.values().flat_map(|known| &known.outcome.sent) {
        let came = heard.remove(sent.text.as_str());
        let wrong = |what: &str| Err(format!("{sent:?}: {what}, {came:?}"));
        if let Some((from, name)) = came {
            if sent.from.as_ref().is_some_and(|sent| sent != from) || !name.eq_ignore_ascii_case(&sent.name) {
                return wrong("came to another, or from another");
            }
            if sent.answer.as_ref().is_some_and(|answer| *answer != format!("sent to {name}")) {
                return wrong("its author was told something else");
            }
        } else if sent.answer.as_ref().is_some_and(|answer| answer.starts_with("sent to ")) {
            let is_it = |known: &Known| known.outcome.names.iter().any(|name| name.eq_ignore_ascii_case(&sent.name));
            if !known.values().any(|known| !known.here && is_it(known)) {
                return wrong("did not come");
            }
        }
    }
    if heard.is_empty() { Ok(()) } else { Err(format!("nobody sent {heard:?}")) }
}

fn compare_tokens(rooms: &Rooms, known: &HashMap<usize, Known>, resumes_for_ever: bool) -> Result<(), String> {
    let mut owners: HashMap<&str, usize> = HashMap::new();
    for (peer, Known { outcome, .. }) in known {
        for token in &outcome.tokens {
            if owners.insert(token, *peer).is_some() || token.len() < 22 {
                return Err(format!("{peer} was given a token that there is"));
            }
        }
    }
    let mut used = HashSet::new();
    let all =
        || known.iter().flat_map(|(peer, known)| known.outcome.resumed.iter().map(move |resumed| (*peer, resumed)));
    for (peer, resumed) in all() {
        let Some(welcome) = &resumed.welcome else { continue };
        let Some(owner) = owners.get(resumed.token.as_str()) else {
            return Err(format!("{peer} came back by a token that nobody was given"));
        };
        let Known { here, outcome, .. } = &known[owner];
        if !used.insert(&resumed.token) || owner == &peer || *here || outcome.tokens.last() != Some(&resumed.token) {
            return Err(format!("{peer} came back as {owner} by a token that was not good"));
        }
        if outcome.certain && outcome.chosen && welcome.name != outcome.name {
            return Err(format!("{peer} came back as {owner} and is not called {}", outcome.name));
        }
        let is_room = |index: usize| rooms.epochs[index].id == welcome.epoch;
        let was_there = outcome.places.iter().any(|place| place.epoch.is_some_and(is_room));
        let known_room = outcome.places.iter().all(|place| place.epoch.is_some());
        if outcome.certain && known_room && was_there == resumed.anew {
            return Err(format!("{peer} came back as {owner}, and the room was made anew: {}", resumed.anew));
        }
    }
    used.extend(known.values().flat_map(|known| &known.outcome.lost_tokens));
    for (peer, resumed) in all().filter(|(_, resumed)| resumed.welcome.is_none() && resumes_for_ever) {
        let good = owners.get(resumed.token.as_str()).is_some_and(|owner| {
            let last = known[owner].outcome.tokens.last() == Some(&resumed.token);
            *owner != peer && last && !known[owner].outcome.token_lost && !used.contains(&resumed.token)
        });
        if good {
            return Err(format!("{peer} could not come back by a good token"));
        }
    }
    Ok(())
}
