//! What a client knows of its talk, over all the connections that it takes. Pure: no I/O; the time is handed in.
//!
//! A server is asked for JSON at once (`/format json`). One that says that it does not know that, or shows other lines
//! than the welcome of the text format while neither a name nor a room was asked for, or does not answer for
//! [`ASKING_WAIT`], is spoken to plainly: lines as they are, and no coming back. A welcome object that comes later still
//! counts.
//!
//! # Coming back
//!
//! After each welcome the client asks for a token, and on the next connection resumes with it from the last number up
//! to which it has heard everything. Then the server sends what was missed, this client's own lines among it, known by
//! the `id` of the connections that said them.
//!
//! A line is under way from when it is handed to the kernel until the server answers it (`under_way`). When everything
//! up to the number of the welcome has come, each line under way was heard among it, and was said; or was not, and is
//! sent again, before those that were typed meanwhile. That is certain, so none is said twice and none is lost. Where it
//! is not certain nothing is sent again, and the user is told: when some of what was missed is gone from the server's log,
//! when the room was made anew, and when the server refused to resume. A command is not sent again either, because
//! nobody hears whether it was carried out.
//!
//! When a server refuses to resume, the client takes its name and room again. If it cannot have that room, lines that
//! were typed for it are not said in another.

mod hear;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::completion::Names;
use super::count_lines;
use super::notices::Heard;
use super::object::{Shown, harmless};
use super::under_way::{Kind, UnderWay};
use crate::limits::CHAT_QUEUE_BYTES_MAX;

/// How long a server is given to show that it speaks JSON before lines are sent to it plainly.
const ASKING_WAIT: Duration = Duration::from_secs(2);

/// How long a server is given to bring a client back to where it was, or to the room that it asked for.
const SETTLING_WAIT: Duration = Duration::from_secs(10);

/// Connections of this client that are remembered by their `id`. What was said by an earlier one was heard long ago.
const IDS_MAX: usize = 64;

/// Numbers of own messages that are remembered until all before them was heard.
const SAID_MAX: usize = 10_000;

/// Lines of which the user is told one by one that it is not known whether they were said.
const TOLD_MAX: usize = 5;

/// What a user has chosen.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// False to speak to the server plainly and to take its lines for nothing but text.
    pub speaks_json: bool,
    pub comes_back: bool,
    pub nick: Option<String>,
    pub room: Option<String>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is none.
    Offline,
    /// The server was asked for JSON and has not answered.
    Asking,
    /// The server was asked to resume. What it says of its lobby until it answers is not of this client's room.
    Resuming,
    /// What was missed is arriving; the last of it has this number or a higher one.
    CatchingUp { until: u64 },
    /// The server has refused to resume, and was asked for the room. As for resuming.
    Rejoining,
    /// Lines are sent and answered.
    Live,
    /// Lines are sent, and the server says nothing that this client understands.
    Plain,
}

/// Where the user is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    room: String,
    /// Tells a room from one of the same name that was made after it was freed.
    epoch: String,
    online: u64,
    /// Everything in the room up to this number was heard.
    n: u64,
}

/// A command of this program's own that is to be answered before lines are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nick,
    Join,
}

#[derive(Debug)]
pub struct Session {
    settings: Settings,
    phase: Phase,
    /// When that phase began.
    since: Instant,
    /// None until the server has welcomed this client with an object.
    place: Option<Place>,
    /// The room that the latest connection began in.
    lobby: Place,
    /// The name to ask for when the server has not kept it.
    nick: Option<String>,
    /// This client's connections, the latest last.
    ids: VecDeque<String>,
    /// Numbers of own messages, as far as they are above what was heard.
    said: BTreeSet<u64>,
    /// What to resume with.
    token: Option<String>,
    /// The `/token`s without an answer: true for one that the user typed.
    asked_for_tokens: VecDeque<bool>,
    steps: VecDeque<Step>,
    under_way: UnderWay,
    /// This program's own lines, which go first.
    own_lines: VecDeque<String>,
    waiting: VecDeque<String>,
    waiting_bytes: usize,
    /// True from when the user was told that the connection broke until it was told that it stands again.
    is_away: bool,
    /// True when something that was missed will not come.
    has_gap: bool,
    /// True when the user asked for the text format.
    text_asked: bool,
    /// True when the server has said why it closes: coming back would be no use, or not welcome.
    is_over: bool,
    /// Why a step was refused.
    pub step_failed: Option<String>,
    pub heard: Heard,
    pub names: Names,
}

impl Session {
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            nick: settings.nick.clone(),
            settings,
            phase: Phase::Offline,
            since: now,
            place: None,
            lobby: Place::default(),
            ids: VecDeque::new(),
            said: BTreeSet::new(),
            token: None,
            asked_for_tokens: VecDeque::new(),
            steps: VecDeque::new(),
            under_way: UnderWay::default(),
            own_lines: VecDeque::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            is_away: false,
            has_gap: false,
            text_asked: false,
            is_over: false,
            step_failed: None,
            heard: Heard::default(),
            names: Names::default(),
        }
    }

    /// A connection stands.
    pub fn connected(&mut self, now: Instant) {
        self.heard = Heard::default();
        (self.has_gap, self.text_asked) = (false, false);
        if self.settings.speaks_json {
            self.enter(Phase::Asking, now);
            self.own_lines.push_back("/format json".to_owned());
        } else {
            self.enter(Phase::Plain, now);
            let nick = self.settings.nick.iter().map(|nick| format!("/nick {nick}"));
            let room = self.settings.room.iter().map(|room| format!("/join {room}"));
            self.own_lines.extend(nick.chain(room));
        }
    }

    /// The connection has ended. True when this client is to come back.
    pub fn disconnected(&mut self, now: Instant, out: &mut Vec<Shown>) -> bool {
        self.enter(Phase::Offline, now);
        self.own_lines.clear();
        self.steps.clear();
        self.asked_for_tokens.clear();
        let comes_back = self.comes_back();
        if !comes_back {
            self.tell_unknown(out);
        } else if !self.is_away {
            self.is_away = true;
            out.push(Shown::dim("! the connection broke; coming back"));
        }
        comes_back
    }

    fn comes_back(&self) -> bool {
        self.settings.comes_back && self.place.is_some() && !self.is_over && !self.heard.goodbye
    }

    /// When [`Self::time_out`] is to be called, unless the phase is another by then.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Asking if self.place.is_none() => Some(self.since + ASKING_WAIT),
            Phase::Asking | Phase::Resuming | Phase::CatchingUp { .. } | Phase::Rejoining => {
                Some(self.since + SETTLING_WAIT)
            }
            Phase::Live if !self.steps.is_empty() => Some(self.since + SETTLING_WAIT),
            Phase::Live | Phase::Plain | Phase::Offline => None,
        }
    }

    /// The server has taken too long.
    pub fn time_out(&mut self, now: Instant, out: &mut Vec<Shown>) {
        match self.phase {
            Phase::Asking => self.speak_plainly(now, out),
            Phase::Resuming => {
                let lobby = self.lobby.clone();
                return self.rejoin(lobby, "the server did not answer", now, out);
            }
            Phase::CatchingUp { .. } => {
                self.has_gap = true;
                self.settle(now, out);
            }
            Phase::Rejoining => {
                self.refuse_waiting("the server did not say whether your room was joined", out);
                self.enter(Phase::Live, now);
            }
            Phase::Live | Phase::Plain | Phase::Offline => {}
        }
        self.steps.clear();
    }

    /// Takes in a line that was typed. False when too many bytes wait already.
    pub fn type_line(&mut self, line: &str) -> bool {
        let bytes = line.len() + 1;
        if self.waiting_bytes + bytes > CHAT_QUEUE_BYTES_MAX {
            return false;
        }
        self.waiting_bytes += bytes;
        self.waiting.push_back(line.to_owned());
        true
    }

    /// The next line to send, which counts as under way from now on.
    pub fn next_line(&mut self) -> Option<String> {
        if self.phase == Phase::Offline {
            return None;
        }
        if let Some(line) = self.own_lines.pop_front() {
            return Some(line);
        }
        if !self.may_say() {
            return None;
        }
        let line = self.waiting.pop_front()?;
        self.waiting_bytes -= line.len() + 1;
        if self.phase == Phase::Live {
            self.under_way.add(&line);
            match line.trim_end() {
                "/token" => self.asked_for_tokens.push_back(true),
                "/format text" => self.text_asked = true,
                _ => {}
            }
        }
        Some(line)
    }

    /// The kernel has not taken a line whole. Where the server answers lines it counts as under way: it may be sent
    /// again.
    pub fn not_sent(&mut self, line: String) {
        if self.phase == Phase::Plain {
            self.waiting_bytes += line.len() + 1;
            self.waiting.push_front(line);
        }
    }

    /// True when what the user says may be sent.
    pub fn may_say(&self) -> bool {
        matches!(self.phase, Phase::Live | Phase::Plain) && self.steps.is_empty()
    }

    /// True when there is a connection, and nothing waits for it.
    pub fn is_drained(&self) -> bool {
        self.phase != Phase::Offline && self.own_lines.is_empty() && self.waiting.is_empty()
    }

    pub fn is_offline(&self) -> bool {
        self.phase == Phase::Offline
    }

    pub fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// True once it is known how this server is spoken to, and in which room.
    pub fn is_settled(&self) -> bool {
        let joins = |line: &str| line.starts_with("/join ");
        self.phase == Phase::Offline
            || self.phase != Phase::Asking
                && self.steps.is_empty()
                && !self.waiting.iter().any(|line| joins(line))
                && !self.under_way.any(joins)
    }

    /// Lines that were typed and not sent.
    pub fn waiting_lines(&self) -> usize {
        self.waiting.len()
    }

    /// The room, and how many are in it; no number while there is no connection.
    pub fn status(&self) -> Option<(String, Option<u64>)> {
        let place = self.place.as_ref().filter(|_| self.phase != Phase::Plain)?;
        Some((harmless(&place.room), (!self.is_away).then_some(place.online)))
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        (self.phase, self.since) = (phase, now);
    }

    /// The server does not speak JSON, or does not any more.
    fn speak_plainly(&mut self, now: Instant, out: &mut Vec<Shown>) {
        if self.place.is_some() {
            self.tell_back("! connected again, but this server cannot bring you back", out);
            self.tell_unknown(out);
            self.refuse_waiting("the room is another", out);
        } else if self.settings.nick.is_some() || self.settings.room.is_some() {
            let why = "this server does not speak JSON; with --plain they are sent unasked";
            self.step_failed.get_or_insert_with(|| why.to_owned());
            out.push(Shown::dim(format!("! --nick and --room were not sent: {why}")));
        }
        self.enter(Phase::Plain, now);
    }

    /// What was missed has come, as far as it will: what was not said is sent again.
    fn settle(&mut self, now: Instant, out: &mut Vec<Shown>) {
        self.is_away = false;
        self.enter(Phase::Live, now);
        if self.has_gap {
            self.tell_unknown(out);
            return;
        }
        let (again, commands): (Vec<_>, Vec<_>) =
            self.under_way.take().into_iter().partition(|sent| matches!(sent.kind, Kind::Said(_)));
        self.tell_unknown_of(commands.into_iter().map(|sent| sent.line), out);
        if !again.is_empty() {
            let count = count_lines(again.len() as u64);
            let verb = if again.len() == 1 { "is" } else { "are" };
            out.push(Shown::dim(format!("! {count} that had not been said {verb} sent again")));
        }
        for sent in again.into_iter().rev() {
            self.waiting_bytes += sent.line.len() + 1;
            self.waiting.push_front(sent.line);
        }
    }

    /// The server did not bring this client back: takes the name and the room again.
    fn rejoin(&mut self, lobby: Place, why: &str, now: Instant, out: &mut Vec<Shown>) {
        self.tell_back(&format!("! connected again, but not where you were: {why}"), out);
        self.tell_unknown(out);
        self.said.clear();
        let room = self.place.replace(lobby).map(|place| place.room).unwrap_or_default();
        self.ask_for(Some(room), now);
        self.enter(if self.steps.is_empty() { Phase::Live } else { Phase::Rejoining }, now);
        if self.phase == Phase::Live {
            self.ask_for_token();
        }
    }

    /// Asks for the name, and for the room where that is not the one that this client is in.
    fn ask_for(&mut self, room: Option<String>, now: Instant) {
        self.since = now;
        if let Some(nick) = &self.nick {
            self.own_lines.push_back(format!("/nick {nick}"));
            self.steps.push_back(Step::Nick);
        }
        let is_here = |room: &String| self.place.as_ref().is_some_and(|place| place.room.eq_ignore_ascii_case(room));
        if let Some(room) = room.filter(|room| !is_here(room)) {
            self.own_lines.push_back(format!("/join {room}"));
            self.steps.push_back(Step::Join);
        }
    }

    fn ask_for_token(&mut self) {
        if self.settings.comes_back {
            self.own_lines.push_back("/token".to_owned());
            self.asked_for_tokens.push_back(false);
        }
    }

    fn tell_back(&mut self, text: &str, out: &mut Vec<Shown>) {
        self.is_away = false;
        out.push(Shown::dim(text));
    }

    /// Lines under way may have been said, and that will not be known.
    fn tell_unknown(&mut self, out: &mut Vec<Shown>) {
        let lines = self.under_way.take().into_iter().map(|sent| sent.line);
        self.tell_unknown_of(lines, out);
    }

    fn tell_unknown_of(&self, lines: impl ExactSizeIterator<Item = String>, out: &mut Vec<Shown>) {
        let more = lines.len().saturating_sub(TOLD_MAX);
        for line in lines.take(TOLD_MAX) {
            out.push(match Kind::of(&line) {
                // What follows the command may be a key.
                Kind::Command => {
                    let command = line.split_whitespace().next().unwrap_or_default();
                    Shown::dim(format!("! not known whether it was carried out: {}", harmless(command)))
                }
                _ => Shown::dim(format!("! not known whether it was said: {}", harmless(&line))),
            });
        }
        if more > 0 {
            out.push(Shown::dim(format!("! and of {} more", count_lines(more as u64))));
        }
    }

    /// Lines that were typed for a room are not said in another.
    fn refuse_waiting(&mut self, why: &str, out: &mut Vec<Shown>) {
        let lines = self.waiting.len() as u64;
        if lines > 0 {
            out.push(Shown::dim(format!("! not sent: {}, because {why}", count_lines(lines))));
        }
        self.waiting.clear();
        self.waiting_bytes = 0;
    }
}
