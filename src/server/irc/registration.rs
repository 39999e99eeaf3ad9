//! What an IRC client does before it is a member: capabilities, a name, a user.

use std::mem;

use super::{Server, Shown, is_too_long, tell_wrong};
use crate::connection::{Hold, State};
use crate::counters::CloseReason;
use crate::io::Io;
use crate::limits::{IRC_INPUT_BYTES_MAX, IRC_REGISTRATION_LINES_MAX};
use crate::message::Notice;
use crate::names::MemberName;
use crate::outlet::Outlet;
use crate::room::Blocked;
use crate::server::speaker::Speaker;
use crate::token::ConnectionId;
use crate::wire::irc::registration::Wanted;
use crate::wire::irc::reply::{CAPABILITIES, features};
use crate::wire::irc::{Request, SERVER, USER_AND_HOST, Wrong, parse};
use crate::wire::{Encoding, Foreign, Item, Verdict};

/// What stands first in the bytes of a client that registers.
enum Next {
    Line(Vec<u8>),
    TooLong,
    Foreign(Foreign),
}

/// What answers name as the version.
pub(super) const VERSION: &str = concat!("uproar-", env!("CARGO_PKG_VERSION"));

impl<I: Io, W: Outlet> Server<I, W> {
    /// A client that is no member yet has sent some bytes.
    pub(in crate::server) fn greet_irc(&mut self, id: ConnectionId) {
        if let Some(name) = self
            .connections
            .at_mut(id)
            .profile
            .as_deref_mut()
            .and_then(|profile| profile.registration.as_deref_mut()?.asks_for.take())
        {
            self.take_irc_name(id, name);
            if self.is_registered(id) {
                return self.take_greeted(id);
            }
        }
        while !self.asks_for_name(id)
            && let Some(next) = self.next_of_registration(id)
        {
            match next {
                Next::Foreign(foreign) => return self.close_with(id, Notice::Foreign(foreign), CloseReason::Foreign),
                Next::TooLong => {
                    self.tell_irc_too_long(id);
                }
                Next::Line(line) if is_too_long(&line) => {
                    self.tell_irc_too_long(id);
                }
                Next::Line(line) => self.register(id, &line),
            }
            match self.connections.find(id).map(|connection| connection.state) {
                Some(State::Greeting(_)) => {}
                Some(State::Joined(_)) => return self.take_greeted(id),
                Some(State::Closing(_)) | None => return,
            }
            let registration = self.connections.at_mut(id).profile_mut().registration.get_or_insert_default();
            registration.lines += 1;
            if registration.lines >= IRC_REGISTRATION_LINES_MAX {
                return self.close_with(id, Notice::TooManyLines, CloseReason::HandshakeTimeout);
            }
        }
        if self.asks_for_name(id) {
            self.connections.at_mut(id).inbound.held = Some(Hold::Cluster);
            return self.await_cluster(id);
        }
        self.ask_for_chunk(id);
    }

    /// True while the cluster has not answered whether a client may have a name.
    fn asks_for_name(&self, id: ConnectionId) -> bool {
        let profile = self.connections.at(id).profile.as_deref();
        profile.and_then(|profile| profile.registration.as_deref()).is_some_and(|known| known.asks_for.is_some())
    }

    /// A client that registers gets a name, or is told why not, or waits for the cluster.
    fn take_irc_name(&mut self, id: ConnectionId, name: MemberName) {
        let chosen = match self.irc_name(id, name.as_str().as_bytes()) {
            Ok(name) => self.choose_irc_name(id, name),
            Err(why) => Ok(Err(why)),
        };
        match chosen {
            Ok(Ok(name)) => {
                self.set_name(id, name);
                self.finish_registration(id);
            }
            Ok(Err(why)) => self.tell_unnamed(id, name.as_str().as_bytes(), &why),
            Err(_) => {
                let registration = self.connections.at_mut(id).profile_mut().registration.get_or_insert_default();
                registration.asks_for = Some(name);
            }
        }
    }

    fn is_registered(&mut self, id: ConnectionId) -> bool {
        matches!(self.connections.find(id).map(|connection| connection.state), Some(State::Joined(_)))
    }

    fn next_of_registration(&mut self, id: ConnectionId) -> Option<Next> {
        let received = self.connections.at_mut(id).inbound.received.as_deref_mut()?;
        let mut input = mem::take(&mut received.input);
        let mut rest = input.as_slice();
        let next = match received.look(rest) {
            Verdict::Foreign(foreign) => Some(Next::Foreign(foreign)),
            Verdict::Plain | Verdict::Undecided => {
                received.splitter.next(&mut rest, IRC_INPUT_BYTES_MAX).map(|item| match item {
                    Item::Line(line) => Next::Line(line.to_vec()),
                    Item::TooLong => Next::TooLong,
                })
            }
        };
        let used = input.len() - rest.len();
        input.drain(..used);
        received.input = input;
        if matches!(next, Some(Next::Line(_))) {
            received.line_taken(true);
        }
        next
    }

    fn register(&mut self, id: ConnectionId, line: &[u8]) {
        let parsed = parse::parse(line);
        let registration = self.connections.at_mut(id).profile_mut().registration.get_or_insert_default();
        match parsed {
            Ok(Request::Nothing | Request::Pass | Request::Pong) => {}
            Ok(Request::Cap { verb, rest }) => {
                if verb.eq_ignore_ascii_case(b"END") {
                    registration.negotiates = false;
                } else {
                    registration.negotiates |= verb.eq_ignore_ascii_case(b"LS") || verb.eq_ignore_ascii_case(b"REQ");
                    let wanted = self.irc_cap(id, verb, rest);
                    self.want(id, wanted);
                }
            }
            Ok(Request::Nick { name }) => match self.irc_name(id, name) {
                Ok(name) => self.take_irc_name(id, name),
                Err(why) => self.tell_unnamed(id, name, &why),
            },
            Ok(Request::User) => registration.has_user = true,
            Ok(Request::Ping { token }) => self.irc_pong(id, token),
            Ok(Request::Quit) => return self.close_with(id, Notice::Goodbye, CloseReason::Left),
            Err(wrong @ (Wrong::NoNickname | Wrong::NoOrigin | Wrong::NeedMoreParams { command: "CAP" | "USER" })) => {
                self.answer(id, |to| tell_wrong(wrong, to));
            }
            Ok(_) | Err(_) => self.answer(id, |to| to.numeric(451, format_args!(":You have not registered"))),
        }
        self.finish_registration(id);
    }

    /// A client becomes a member once it has told all that is needed.
    fn finish_registration(&mut self, id: ConnectionId) {
        let profile = self.connections.at_mut(id).profile_mut();
        let is_ready = profile.registration.as_deref().is_some_and(|known| known.has_user && !known.negotiates);
        if is_ready && profile.name.is_some() {
            profile.registration = None;
            self.welcome_irc(id);
        }
    }

    /// A client is a member from now on, in no room.
    fn welcome_irc(&mut self, id: ConnectionId) {
        let name = self.connections.at(id).name();
        self.answer(id, |to| {
            to.numeric(1, format_args!(":Welcome to {SERVER}, {name}{USER_AND_HOST}"));
            to.numeric(2, format_args!(":Your host is {SERVER}, running version {VERSION}"));
            to.numeric(3, format_args!(":Rooms are channels, and you are in one at a time: /join #lobby"));
            to.numeric(4, format_args!("{SERVER} {VERSION} o bmnot bo"));
            to.numeric(5, format_args!("{} :are supported by this server", features()));
        });
        self.irc_lusers(id);
        self.join(id, self.rooms.hall());
    }

    /// What a client has asked for so far.
    fn wanted(&self, id: ConnectionId) -> Wanted {
        let connection = self.connections.at(id);
        let server_time = connection.inbound.encoding == Encoding::IrcTime;
        Wanted { capabilities: connection.capabilities(), server_time }
    }

    /// A client that reads no log gets what it wants.
    fn want(&mut self, id: ConnectionId, wanted: Wanted) {
        let connection = self.connections.at_mut(id);
        connection.profile_mut().capabilities = wanted.capabilities;
        connection.inbound.encoding = encoding(wanted);
    }

    /// Answers CAP. Returns what the client has wanted since.
    fn irc_cap(&mut self, id: ConnectionId, verb: &[u8], rest: Option<&[u8]>) -> Wanted {
        let wanted = self.wanted(id);
        let words = rest.unwrap_or_default();
        match &verb.to_ascii_uppercase()[..] {
            b"LS" => self.answer(id, |to| to.cap("LS", CAPABILITIES)),
            b"LIST" => self.answer(id, |to| to.cap("LIST", &wanted.names())),
            b"END" => {}
            b"REQ" => {
                let after = wanted.after(words);
                let words = super::clean(words);
                self.answer(id, |to| to.cap(if after.is_some() { "ACK" } else { "NAK" }, &words));
                return after.unwrap_or(wanted);
            }
            _ => self.answer(id, |to| to.numeric(410, format_args!("{} :Invalid CAP command", Shown(verb)))),
        }
        wanted
    }

    /// The same for a member, which may have to be sent all of the log that it reads first.
    pub(super) fn irc_cap_of_member(
        &mut self,
        speaker: &mut Speaker,
        verb: &[u8],
        rest: Option<&[u8]>,
    ) -> Result<(), Blocked> {
        if verb.eq_ignore_ascii_case(b"REQ") {
            let after = self.wanted(speaker.id).after(rest.unwrap_or_default());
            if let Some(after) = after {
                self.set_encoding(speaker, encoding(after))?;
            }
        }
        let wanted = self.irc_cap(speaker.id, verb, rest);
        self.want(speaker.id, wanted);
        Ok(())
    }

    /// Shows a client the operator's greeting.
    pub(in crate::server) fn show_irc_motd(&mut self, id: ConnectionId) {
        let Some(motd) = self.keeping.motd.take() else {
            return self.answer(id, |to| to.numeric(422, format_args!(":MOTD File is missing")));
        };
        self.answer(id, |to| {
            to.numeric(375, format_args!(":- {SERVER} Message of the day - "));
            motd.lines().for_each(|line| to.numeric(372, format_args!(":- {line}")));
            to.numeric(376, format_args!(":End of /MOTD command."));
        });
        self.keeping.motd = Some(motd);
    }
}

fn encoding(wanted: Wanted) -> Encoding {
    if wanted.server_time { Encoding::IrcTime } else { Encoding::Irc }
}
