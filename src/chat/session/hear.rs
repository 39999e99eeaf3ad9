//! What each line of the server means for the talk, and what of it is shown.

use std::time::Instant;

use super::{IDS_MAX, Phase, Place, SAID_MAX, Session, Step};
use crate::chat::object::{Object, Shown};

/// The beginning of the text format's first line.
const TEXT_WELCOME: &str = "> Connected to the chat server (";

impl Session {
    /// Takes in a line of the server, without its line feed and sanitised, and adds what is to be shown.
    pub fn hear(&mut self, line: &str, now: Instant, out: &mut Vec<Shown>) {
        let known = out.len();
        let object = if self.settings.speaks_json { Object::parse(line) } else { None };
        match object.map(|object| (object.line(), object)) {
            Some((Ok(shown), object)) => self.hear_object(&object, shown, now, out),
            Some((Err(_), _)) | None => self.hear_text(line, now, out),
        }
        for shown in &out[known..] {
            shown.names.iter().for_each(|name| self.names.hear(&shown.text[name.clone()]));
        }
    }

    /// True while nothing is lost by taking the server for a plain one: there is no place, and none was asked for.
    fn has_no_wish(&self) -> bool {
        self.place.is_none() && self.settings.nick.is_none() && self.settings.room.is_none()
    }

    fn hear_text(&mut self, line: &str, now: Instant, out: &mut Vec<Shown>) {
        self.heard.add(line);
        let is_notice = line.starts_with("! ");
        self.is_over |= line.starts_with("! banned ") && self.phase == Phase::Asking;
        match self.phase {
            // It does not know what it was asked for, which is no news to the user.
            Phase::Asking if is_notice && line.contains("/format") => return self.speak_plainly(now, out),
            // The server is still of the opinion that this client is new.
            Phase::Asking | Phase::Resuming | Phase::Rejoining if self.place.is_some() && !is_notice => return,
            // Somebody may speak or come between the welcome and the answer, so it is no proof: a name and a room are refused
            // only when no answer comes.
            Phase::Asking if self.has_no_wish() && !line.starts_with(TEXT_WELCOME) && !is_notice => {
                self.speak_plainly(now, out);
            }
            Phase::Live if self.text_asked => {
                self.under_way.take();
                self.enter(Phase::Plain, now);
            }
            _ => {}
        }
        out.push(Shown::plain(line));
    }

    fn hear_object(&mut self, object: &Object, shown: Option<Shown>, now: Instant, out: &mut Vec<Shown>) {
        self.heard.last_words = None;
        let shown = match object.kind() {
            "welcome" => self.hear_welcome(object, now, out).then_some(shown).flatten(),
            "said" => {
                self.under_way.said();
                self.said.extend(object.number("n"));
                self.advance(0);
                None
            }
            "token" => {
                let is_asked_for = self.asked_for_tokens.pop_front().unwrap_or(true);
                self.token = object.raw("token").filter(|token| is_one_word(token)).map(str::to_owned);
                self.under_way.answered();
                shown.filter(|_| is_asked_for)
            }
            "notice" => self.hear_notice(object, shown, now),
            "error" => self.hear_error(object, shown, now, out),
            "missed" => {
                self.hear_missed(object);
                shown
            }
            "replaced" => {
                self.is_over = true;
                shown
            }
            "stopping" => {
                self.heard.goodbye = true;
                shown
            }
            _ if object.number("n").is_some() => self.hear_numbered(object, shown),
            _ if object.number("after").is_some() => self.hear_presence(object, shown),
            _ => shown,
        };
        out.extend(shown);
        // What was missed is complete with its last message, which is shown first.
        self.settle_if_complete(object, now, out);
    }

    /// True when the line for it is to be shown.
    fn hear_welcome(&mut self, object: &Object, now: Instant, out: &mut Vec<Shown>) -> bool {
        let text = |member| object.raw(member).unwrap_or_default().to_owned();
        let number = |member| object.number(member).unwrap_or_default();
        let here = Place { room: text("room"), epoch: text("epoch"), online: number("online"), n: number("n") };
        self.ids.push_back(text("id"));
        if self.ids.len() > IDS_MAX {
            self.ids.pop_front();
        }
        match (self.phase, self.place.clone()) {
            (Phase::Asking | Phase::Plain, None) => {
                self.place = Some(here);
                self.enter(Phase::Live, now);
                self.ask_for(self.settings.room.clone(), now);
                self.ask_for_token();
                false
            }
            (Phase::Asking, Some(left)) => {
                match self.token.take() {
                    Some(token) => {
                        self.own_lines.push_back(format!("/resume {token} {}", left.n));
                        self.lobby = here;
                        self.enter(Phase::Resuming, now);
                    }
                    None => self.rejoin(here, "there was no token to resume with", now, out),
                }
                false
            }
            (Phase::Resuming, left) => {
                let left = left.unwrap_or_default();
                self.tell_back("! connected again", out);
                self.ask_for_token();
                if left.epoch == here.epoch {
                    self.enter(Phase::CatchingUp { until: here.n }, now);
                    self.place = Some(Place { n: left.n, ..here });
                } else {
                    // The server says by itself that messages were missed.
                    self.said.clear();
                    self.place = Some(here);
                    self.has_gap = true;
                    self.settle(now, out);
                }
                false
            }
            (_, _) => {
                self.said.clear();
                self.place = Some(here);
                if !self.take_step(Step::Join, now) {
                    self.under_way.answered();
                }
                if self.phase != Phase::Live {
                    self.enter(Phase::Live, now);
                }
                // One that was asked for when the last step was done is as good.
                if !self.own_lines.iter().any(|line| line == "/token") {
                    self.ask_for_token();
                }
                true
            }
        }
    }

    fn hear_notice(&mut self, object: &Object, shown: Option<Shown>, now: Instant) -> Option<Shown> {
        match object.code() {
            // Of their own accord.
            "slow_down" | "slow_mode" | "muted" | "unmuted" | "motd" => {}
            "topic" if !self.under_way.any(|line| line.trim_end() == "/topic") => {}
            "goodbye" => self.is_over = true,
            "nick" => {
                let text = object.raw("text").and_then(|text| text.strip_prefix("you are "));
                self.nick = object.raw("name").or(text).filter(|nick| is_one_word(nick)).map(str::to_owned);
                if !self.take_step(Step::Nick, now) {
                    self.under_way.answered();
                }
            }
            _ => self.under_way.answered(),
        }
        if let Some(name) = object.text("name") {
            self.names.hear(&name);
        }
        shown
    }

    fn hear_error(
        &mut self,
        object: &Object,
        shown: Option<Shown>,
        now: Instant,
        out: &mut Vec<Shown>,
    ) -> Option<Shown> {
        let text = object.text("text").unwrap_or_default();
        match object.code() {
            // Nothing else was asked for.
            "resume_refused" | "no_more_rooms" | "usage" | "unknown_command" if self.phase == Phase::Resuming => {
                let lobby = self.lobby.clone();
                self.rejoin(lobby, &text, now, out);
                return None;
            }
            "token_refused" => {
                self.under_way.answered();
                let is_asked_for = self.asked_for_tokens.pop_front().unwrap_or(true);
                return shown.filter(|_| is_asked_for);
            }
            // Why it closes.
            code @ ("kicked"
            | "banned"
            | "line_timeout"
            | "foreign"
            | "server_full"
            | "too_many_connections"
            | "too_many_joins") => {
                self.is_over |= matches!(code, "kicked" | "banned");
                self.heard.add(&format!("! {text}"));
            }
            "line_too_long" => {
                self.under_way.said();
                self.heard.add(&format!("! {text}"));
            }
            "is_muted" | "operators_only" => {
                self.under_way.said();
                self.heard.refuse_line(&text);
            }
            _ => self.refuse_command(&text, now, out),
        }
        shown
    }

    /// A command was refused: the next step that waits for an answer, or else what the user typed.
    fn refuse_command(&mut self, why: &str, now: Instant, out: &mut Vec<Shown>) {
        let Some(step) = self.steps.pop_front() else {
            self.under_way.refused();
            self.heard.refuse_line(why);
            return;
        };
        self.step_failed.get_or_insert_with(|| why.to_owned());
        if step == Step::Nick {
            self.nick = None;
        }
        if step == Step::Join && self.phase == Phase::Rejoining {
            self.refuse_waiting(&format!("your room cannot be joined: {why}"), out);
        }
        self.end_rejoining(now);
    }

    fn hear_missed(&mut self, object: &Object) {
        let Phase::CatchingUp { until } = self.phase else {
            return self.advance(object.number("to").unwrap_or_default());
        };
        self.has_gap = true;
        self.advance(object.number("to").unwrap_or(until));
    }

    fn hear_numbered(&mut self, object: &Object, shown: Option<Shown>) -> Option<Shown> {
        if matches!(self.phase, Phase::Asking | Phase::Resuming | Phase::Rejoining) {
            return None;
        }
        let (Some(n), Some(place)) = (object.number("n"), &self.place) else { return shown };
        let is_own = self.is_own(object);
        let is_heard = n <= place.n;
        let is_answered = self.said.remove(&n);
        self.advance(n);
        // One's own line stands where it was typed, unless it is repeated as history, which nobody asks for while what
        // was missed is arriving.
        if !is_own || is_heard && !matches!(self.phase, Phase::CatchingUp { .. }) {
            return shown;
        }
        if !is_heard && !is_answered {
            self.under_way.found(&object.text("text").unwrap_or_default());
        }
        None
    }

    fn hear_presence(&mut self, object: &Object, shown: Option<Shown>) -> Option<Shown> {
        if matches!(self.phase, Phase::Asking | Phase::Resuming | Phase::Rejoining) {
            return None;
        }
        if let (Some(online), Some(place)) = (object.number("online"), &mut self.place) {
            place.online = online;
        }
        let is_own = self.is_own(object);
        shown.filter(|_| !is_own)
    }

    fn settle_if_complete(&mut self, object: &Object, now: Instant, out: &mut Vec<Shown>) {
        let (Phase::CatchingUp { until }, Some(place)) = (self.phase, &self.place) else { return };
        if place.n >= until || object.number("after").is_some_and(|after| after >= until) {
            self.settle(now, out);
        }
    }

    /// Everything up to `n` was heard, and own messages that come right behind it.
    fn advance(&mut self, n: u64) {
        let Some(place) = &mut self.place else { return };
        place.n = place.n.max(n);
        while let Some(first) = self.said.first().copied() {
            let is_next = first == place.n.saturating_add(1);
            if first > place.n && !is_next && self.said.len() <= SAID_MAX {
                break;
            }
            if is_next {
                place.n = first;
            }
            self.said.pop_first();
        }
    }

    /// True when it was the next step, which is done now.
    fn take_step(&mut self, step: Step, now: Instant) -> bool {
        let is_next = self.steps.front() == Some(&step);
        if is_next {
            self.steps.pop_front();
            self.end_rejoining(now);
        }
        is_next
    }

    /// With the last step this client is where it can be.
    fn end_rejoining(&mut self, now: Instant) {
        if self.steps.is_empty() && self.phase == Phase::Rejoining {
            self.enter(Phase::Live, now);
            self.ask_for_token();
        }
    }

    fn is_own(&self, object: &Object) -> bool {
        object.raw("id").is_some_and(|id| self.ids.iter().any(|own| own == id))
    }
}

/// True for a text that can be sent back as one word of a line.
fn is_one_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|character: char| character.is_control() || character.is_whitespace())
}
