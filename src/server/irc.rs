//! The IRC door: from the lines of a client to a member, and what that member asks for afterwards.
//!
//! A client that has given a name and a user is a member of the hall: it is in no room, and counted in none, until it
//! joins one, and in one room at a time. What it asks for is admitted as commands of people are, so its answers never
//! pile up, and no answer is longer than [`IRC_ANSWER_BYTES_MAX`]. `registration` is what comes first, `talk` what is
//! said, `channel` what is about a room, `ask` what is about members and the server, `modes` what operators change.

mod ask;
mod channel;
mod modes;
mod registration;
mod talk;

use super::Server;
use super::cluster::Chosen;
use super::speaker::{Done, Speaker};
use crate::counters::Counter;
use crate::io::Io;
use crate::limits::{IRC_LINE_BYTES_MAX, IRC_TAGS_BYTES_MAX};
use crate::message::Notice;
use crate::names::{MemberName, Name, RoomName};
use crate::outlet::Outlet;
use crate::room::Blocked;
use crate::token::ConnectionId;
use crate::wire::irc::message::Plain;
use crate::wire::irc::reply::{Replies, Shown};
use crate::wire::irc::{self, Nick, Request, Wrong, parse};

/// Why a client does not get the name that it asks for.
enum Unnamed {
    Refused,
    Taken,
    /// Nobody can choose one now.
    CutOff,
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// Takes a line of an IRC client that is a member.
    pub(super) fn take_irc_line(&mut self, speaker: &mut Speaker, line: &[u8]) -> Result<Done, Blocked> {
        if is_too_long(line) {
            self.admit_command(speaker)?;
            return Ok(self.tell_irc_too_long(speaker.id));
        }
        let parsed = parse::parse(line);
        match parsed {
            Ok(Request::Privmsg { target, text }) => self.irc_privmsg(speaker, target, text),
            Ok(Request::Notice { target, text }) => self.irc_notice(speaker, target, text),
            parsed => {
                self.admit_command(speaker)?;
                let done = match parsed {
                    Ok(request) => self.answer_irc(speaker, request)?,
                    Err(wrong) => {
                        self.answer(speaker.id, |to| tell_wrong(wrong, to));
                        Done::Passed
                    }
                };
                self.counters.add(Counter::Commands, 1);
                Ok(done)
            }
        }
    }

    fn answer_irc(&mut self, speaker: &mut Speaker, request: Request<'_>) -> Result<Done, Blocked> {
        let id = speaker.id;
        match request {
            Request::Nothing | Request::Pong => {}
            Request::Privmsg { .. } | Request::Notice { .. } => unreachable!("it was said"),
            Request::Pass | Request::User => {
                self.answer(id, |to| to.numeric(462, format_args!(":You may not reregister")));
            }
            Request::Cap { verb, rest } => self.irc_cap_of_member(speaker, verb, rest)?,
            Request::Nick { name } => self.irc_nick(speaker, name)?,
            Request::Ping { token } => self.irc_pong(id, token),
            Request::Join { channels } => self.irc_join(speaker, channels)?,
            Request::JoinNone => self.irc_part(speaker, None)?,
            Request::Part { channels } => self.irc_part(speaker, Some(channels))?,
            Request::Topic { channel, text } => return self.irc_topic(speaker, channel, text),
            Request::Names { channel } => self.irc_names(speaker, channel)?,
            Request::Who { mask, options } => self.irc_who(speaker, mask, options)?,
            Request::List { channels } => self.irc_list(speaker, channels)?,
            Request::Mode { target, change, argument } => self.irc_mode(speaker, target, change, argument)?,
            Request::Kick { channel, nick, why } => return self.irc_kick(speaker, channel, nick, why),
            Request::Oper { key } => self.irc_oper(speaker, key)?,
            Request::Whois { nick } => self.irc_whois(speaker, nick),
            Request::Ison { nicks } => self.irc_ison(id, &nicks),
            Request::Userhost { nicks } => self.irc_userhost(id, &nicks),
            Request::Away { text } => self.answer(id, |to| match text {
                None => to.numeric(305, format_args!(":You are no longer marked as being away")),
                Some(_) => to.numeric(306, format_args!(":You have been marked as being away")),
            }),
            Request::Lusers => self.irc_lusers(id),
            Request::Motd => {
                self.await_empty(id)?;
                self.show_irc_motd(id);
            }
            Request::Version => self.irc_version(id),
            Request::Time => self.irc_time(id),
            Request::Quit => return Ok(Done::Leaves),
        }
        Ok(Done::Taken)
    }

    /// Writes answers to a client. They are not dropped, because what they answer was admitted.
    fn answer(&mut self, id: ConnectionId, write: impl FnOnce(&mut Replies<'_>)) {
        // Until a client has chosen a name it is told so by a `*`.
        let profile = self.connections.at(id).profile.as_deref();
        let name = profile.and_then(|profile| profile.name).map(Name::Chosen);
        self.write_always(id, |out| write(&mut Replies::new(out, name)));
    }

    fn tell_irc_too_long(&mut self, id: ConnectionId) -> Done {
        self.tell_always(id, Notice::LineTooLong { line_bytes_max: IRC_LINE_BYTES_MAX });
        Done::Passed
    }

    fn irc_pong(&mut self, id: ConnectionId, token: &[u8]) {
        let token = clean(token);
        self.answer(id, |to| to.server(format_args!("PONG {} :{token}", irc::SERVER)));
    }

    /// The name that a client asks for, if it may have it.
    fn irc_name(&self, id: ConnectionId, typed: &[u8]) -> Result<MemberName, Unnamed> {
        let name = str::from_utf8(typed).ok().and_then(MemberName::choose).ok_or(Unnamed::Refused)?;
        if self.may_be_called(id, name) { Ok(name) } else { Err(Unnamed::Taken) }
    }

    fn tell_unnamed(&mut self, id: ConnectionId, typed: &[u8], why: &Unnamed) {
        let typed = Shown(typed);
        self.answer(id, |to| match why {
            Unnamed::Refused => to.numeric(432, format_args!("{typed} :Erroneous nickname")),
            Unnamed::Taken => to.numeric(433, format_args!("{typed} :Nickname is already in use")),
            Unnamed::CutOff => to.numeric(437, format_args!("{typed} :{}", Plain(&Notice::NamesCutOff.to_string()))),
        });
    }

    /// A member chooses another name.
    fn irc_nick(&mut self, speaker: &mut Speaker, typed: &[u8]) -> Result<(), Blocked> {
        let name = match self.irc_name(speaker.id, typed) {
            Ok(name) => self.choose_irc_name(speaker.id, name)?,
            Err(why) => Err(why),
        };
        match name {
            Err(why) => self.tell_unnamed(speaker.id, typed, &why),
            Ok(name) => {
                let before = speaker.name;
                self.rename(speaker, name);
                if Nick(before).to_string() != name.as_str() {
                    self.answer(speaker.id, |to| to.of_member(before, format_args!("NICK :{name}")));
                }
            }
        }
        Ok(())
    }

    /// Asks the cluster for a name that a client may have here.
    fn choose_irc_name(&mut self, id: ConnectionId, name: MemberName) -> Result<Result<MemberName, Unnamed>, Blocked> {
        Ok(match self.choose_name(id, name)? {
            Chosen::Yours => Ok(name),
            Chosen::Taken => Err(Unnamed::Taken),
            Chosen::CutOff => Err(Unnamed::CutOff),
        })
    }

    /// Tells a member that it is called differently, where its client has to know.
    pub(super) fn tell_unnamed_member(&mut self, id: ConnectionId, before: Name, after: Name) {
        if self.connections.at(id).inbound.encoding.is_irc() {
            self.answer(id, |to| to.of_member(before, format_args!("NICK :{}", Nick(after))));
        }
    }

    /// The room that a member is in, if that is the channel that it means.
    fn irc_room(&self, speaker: &Speaker, channel: &[u8]) -> Option<RoomName> {
        let room = self.rooms.room_with(speaker.member).name();
        (!self.is_outside(speaker.member) && channel_name(channel) == Some(room)).then_some(room)
    }

    fn channel_exists(&self, channel: &[u8]) -> bool {
        channel_name(channel).is_some_and(|name| self.rooms.find(name).is_some())
    }

    /// The same as [`Server::irc_room`]. Tells a member why it is not in that channel.
    fn irc_room_or_tell(&mut self, speaker: &Speaker, channel: &[u8]) -> Option<RoomName> {
        let room = self.irc_room(speaker, channel);
        if room.is_none() {
            let exists = self.channel_exists(channel);
            self.answer(speaker.id, |to| tell_not_there(channel, exists, to));
        }
        room
    }
}

/// True when a line, its tags, or what stands behind them has more bytes than a client may send.
fn is_too_long(line: &[u8]) -> bool {
    let rest = parse::without_tags(line);
    rest.len() > IRC_LINE_BYTES_MAX - 2 || line.len() - rest.len() > IRC_TAGS_BYTES_MAX
}

/// The room that a client means by `#NAME`.
fn channel_name(typed: &[u8]) -> Option<RoomName> {
    RoomName::parse(str::from_utf8(typed.strip_prefix(b"#")?).ok()?)
}

/// What a client typed, as others may see it.
fn clean(text: &[u8]) -> String {
    let mut clean = Vec::new();
    crate::wire::sanitise(text, &mut clean).expect("writing to a Vec does not fail");
    String::from_utf8(clean).expect("what is sanitised is UTF-8")
}

fn tell_not_there(channel: &[u8], exists: bool, to: &mut Replies<'_>) {
    let channel = Shown(channel);
    if exists {
        to.numeric(442, format_args!("{channel} :You're not on that channel"));
    } else {
        to.numeric(403, format_args!("{channel} :No such channel"));
    }
}

/// Why a line is no request.
fn tell_wrong(wrong: Wrong<'_>, to: &mut Replies<'_>) {
    match wrong {
        Wrong::Unknown { command } => to.numeric(421, format_args!("{} :Unknown command", Shown(command))),
        Wrong::NeedMoreParams { command } => to.numeric(461, format_args!("{command} :Not enough parameters")),
        Wrong::NoNickname => to.numeric(431, format_args!(":No nickname given")),
        Wrong::NoOrigin => to.numeric(409, format_args!(":No origin specified")),
        Wrong::NoRecipient { command } => to.numeric(411, format_args!(":No recipient given ({command})")),
        Wrong::NoText => to.numeric(412, format_args!(":No text to send")),
    }
}
