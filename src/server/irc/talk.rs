//! What an IRC client says: to the room that it is in, and to others alone.

use std::io;

use super::{Nick, Replies, Server, Shown, clean};
use crate::io::Io;
use crate::message::{Body, Notice};
use crate::outlet::Outlet;
use crate::room::Blocked;
use crate::server::speaker::{Done, Speaker};
use crate::wire::command::{self, Typed};
use crate::wire::irc::parse;
use crate::wire::sanitise;

/// What a text is.
#[derive(Clone, Copy)]
enum Said<'a> {
    Line(&'a [u8]),
    Action(&'a [u8]),
    /// A request by CTCP, which is not passed on.
    Ctcp,
    /// What follows `/op` may be the operators' key.
    Key,
}

impl<'a> Said<'a> {
    fn of(text: &'a [u8]) -> Self {
        match parse::ctcp(text).map(parse::action) {
            Some(Some(text)) => Self::Action(text),
            Some(None) => Self::Ctcp,
            None => {
                let is_key = match command::look(text) {
                    Typed::BlankBeforeCommand => true,
                    Typed::Command(command) => {
                        command.split(' ').next().is_some_and(|name| name.eq_ignore_ascii_case("op"))
                    }
                    Typed::Line(_) => false,
                };
                if is_key { Self::Key } else { Self::Line(text) }
            }
        }
    }

    fn text(self) -> &'a [u8] {
        match self {
            Self::Line(text) | Self::Action(text) => text,
            Self::Ctcp | Self::Key => &[],
        }
    }
}

impl<I: Io, W: Outlet> Server<I, W> {
    pub(super) fn irc_privmsg(&mut self, speaker: &mut Speaker, target: &[u8], text: &[u8]) -> Result<Done, Blocked> {
        let id = speaker.id;
        let shown = Shown(target);
        let said = Said::of(text);
        if target.contains(&b',') {
            return self.refuse_irc(speaker, |to| to.numeric(407, format_args!("{shown} :Too many targets")));
        }
        if said.text().len() > self.config.line_bytes {
            self.admit_command(speaker)?;
            return Ok(self.tell_irc_too_long(id));
        }
        match said {
            Said::Ctcp => self.refuse_irc(speaker, |to| {
                to.notice(format_args!("CTCP is not passed on, but for ACTION"));
            }),
            Said::Key => self.refuse_irc(speaker, |to| {
                to.notice(format_args!("this looks like the operators' key and was not said: /oper NAME KEY"));
            }),
            Said::Line(_) | Said::Action(_) if target.first() == Some(&b'#') => {
                if self.irc_room(speaker, target).is_none() {
                    let exists = self.channel_exists(target);
                    return self.refuse_irc(speaker, |to| {
                        if exists {
                            to.numeric(404, format_args!("{shown} :Cannot send to channel"));
                        } else {
                            to.numeric(403, format_args!("{shown} :No such channel"));
                        }
                    });
                }
                self.say_irc(speaker, said)
            }
            Said::Line(_) | Said::Action(_) => {
                self.admit_command(speaker)?;
                let to = str::from_utf8(target).ok().and_then(Nick::parse);
                match to {
                    Some(name) => {
                        if let Some(text) = private_text(said) {
                            self.say_to(speaker, &name.to_string(), &text)?;
                        }
                    }
                    None => self.answer(id, |to| to.numeric(401, format_args!("{shown} :No such nick/channel"))),
                }
                Ok(Done::Taken)
            }
        }
    }

    /// Nothing is ever answered to it, so that two programs do not talk to each other without end.
    pub(super) fn irc_notice(&mut self, speaker: &mut Speaker, target: &[u8], text: &[u8]) -> Result<Done, Blocked> {
        let said = Said::of(text);
        let is_text = matches!(said, Said::Line(_) | Said::Action(_)) && said.text().len() <= self.config.line_bytes;
        if is_text && self.irc_room(speaker, target).is_some() && self.silenced(speaker).is_none() {
            return self.say_irc(speaker, said);
        }
        self.admit_command(speaker)?;
        let to = self.irc_member(target).filter(|_| is_text && !self.is_muted(speaker));
        if let (Some(to), Some(text)) = (to, private_text(said)) {
            let (from, id, time) = (speaker.name, speaker.who().id, self.rooms.time());
            let private = Notice::Private { from, id, time, text: &text };
            self.tell(to, private);
        }
        Ok(Done::Passed)
    }

    fn say_irc(&mut self, speaker: &mut Speaker, said: Said<'_>) -> Result<Done, Blocked> {
        let name = speaker.name;
        match said {
            Said::Action(text) => self.say(speaker, Body::Action { name, text }),
            _ => self.say(speaker, Body::Line { name, text: said.text() }),
        }
    }

    /// Answers something that is not said.
    fn refuse_irc(&mut self, speaker: &mut Speaker, write: impl FnOnce(&mut Replies<'_>)) -> Result<Done, Blocked> {
        self.admit_command(speaker)?;
        self.answer(speaker.id, write);
        Ok(Done::Passed)
    }
}

/// What a member is told that is spoken to alone; `None` when nothing of it is visible.
fn private_text(said: Said<'_>) -> Option<String> {
    if !sanitise(said.text(), &mut io::sink()).expect("a sink takes everything") {
        return None;
    }
    let text = clean(said.text());
    Some(if matches!(said, Said::Action(_)) { format!("* {text}") } else { text })
}
