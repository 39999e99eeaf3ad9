//! Coming back: a member that asked for a token may take up its name, its room and its place in the log on another
//! connection.

use super::Server;
use super::speaker::Speaker;
use crate::cluster::token::Token;
use crate::counters::CloseReason;
use crate::io::Io;
use crate::message::Notice;
use crate::names::Name;
use crate::outlet::Outlet;
use crate::room::{Blocked, MemberId};
use crate::sessions::{Holder, Key, Session};
use crate::token::ConnectionId;

impl<I: Io, W: Outlet> Server<I, W> {
    /// Gives a member a token, instead of the one that it has.
    pub(super) fn give_token(&mut self, id: ConnectionId) {
        if !self.connections.at(id).inbound.encoding.is_for_programs() {
            self.tell(id, Notice::JsonOnly);
            return;
        }
        let key = Key::new(self.random.secret());
        let before = self.connections.at_mut(id).profile_mut().key.take();
        if !self.sessions.give(key, id, before) {
            self.tell(id, Notice::NoMoreTokens);
            return;
        }
        self.connections.at_mut(id).profile_mut().key = Some(key);
        let seconds = self.sessions.resume_for().as_secs();
        let token = self.seal_token(id, key).unwrap_or_else(|| key.to_string());
        self.tell_always(id, Notice::Token { token: &token, seconds });
    }

    /// A member takes up what another connection had, and is sent what was said after message `number`.
    pub(super) fn resume_session(&mut self, speaker: &mut Speaker, typed: &str, number: u64) -> Result<(), Blocked> {
        if !self.connections.at(speaker.id).inbound.encoding.is_for_programs() {
            self.tell(speaker.id, Notice::JsonOnly);
            return Ok(());
        }
        self.await_level(speaker)?;
        let token = self.open_token(typed);
        let session = match self.node_of(&token) {
            Some(_) => self.take_up_elsewhere(speaker, &token.expect("it has a node"))?,
            None => {
                let key = token.as_ref().map_or_else(|| Key::parse(typed), |token| Some(token.key));
                self.take_up_here(speaker, key, token.as_ref())
            }
        };
        let Some(session) = session else { return Ok(()) };
        self.take_up(speaker, &session, number);
        Ok(())
    }

    /// What a member has that had a token of this server; `None` when it is refused, of which the member is told.
    fn take_up_here(&mut self, speaker: &Speaker, key: Option<Key>, token: Option<&Token>) -> Option<Session> {
        let taken_up = match key.and_then(|key| self.sessions.find(key)) {
            Some(Holder::Ended(session)) => Some((**session, None)),
            Some(Holder::Open(other)) if *other != speaker.id => {
                let member = self.connections.at(*other).member().expect("only a member has a token");
                Some((self.session_of(*other, member), Some(*other)))
            }
            Some(Holder::Open(_)) | None => None,
        };
        let is_allowed = |session: &Session| !session.name.is_some_and(|name| self.is_name_banned(name));
        let (Some(key), Some((mut session, other))) = (key, taken_up.filter(|(session, _)| is_allowed(session))) else {
            self.tell(speaker.id, Notice::ResumeRefused);
            return None;
        };
        if self.is_used_elsewhere(token) {
            self.sessions.take(key);
            self.tell(speaker.id, Notice::ResumeRefused);
            return None;
        }
        let Some(room) = self.find_or_open(session.room) else {
            self.tell(speaker.id, Notice::NoMoreRooms);
            return None;
        };
        self.sessions.take(key);
        if let Some(other) = other {
            // The room must not be freed between the end of one connection and the joining of the other.
            self.rooms.keep(room, true);
            self.close_with(other, Notice::Replaced, CloseReason::Replaced);
            self.rooms.keep(room, false);
        }
        self.keep_name(speaker.id, &mut session);
        self.record_used(token);
        Some(session)
    }

    /// A member is in the place of another connection, which has ended, from now on.
    fn take_up(&mut self, speaker: &mut Speaker, session: &Session, number: u64) {
        let Some(room) = self.find_or_open(session.room) else {
            self.tell(speaker.id, Notice::NoMoreRooms);
            return;
        };
        let (before, author) = (speaker.who(), self.author(speaker));
        if let Some(name) = session.name {
            self.set_name(speaker.id, name);
            speaker.name = Name::Chosen(name);
        }
        if room != self.rooms.room_of(speaker.member) {
            self.move_to(speaker, before, room);
        } else if let Some(name) = session.name {
            self.rooms.rename(author, Name::Chosen(name), self.now);
        }
        self.welcome(speaker);
        let room = self.rooms.room(room);
        let (first, last) = (room.local_after(number), room.messages());
        if room.epoch() == session.epoch {
            self.repeat(speaker.id, speaker.member, first, last);
            let burst = self.config.flood.map_or(0, |rate| rate.burst());
            self.charge(speaker, (last + 1).saturating_sub(first).min(burst));
        } else {
            self.tell_always(speaker.id, Notice::RoomAnew);
        }
    }

    /// The connection of a member ends. If it has a token, what it has may be taken up for a while.
    pub(super) fn end_session(&mut self, id: ConnectionId, member: MemberId) {
        if let Some(key) = self.connections.at(id).profile.as_deref().and_then(|profile| profile.key) {
            let session = self.session_of(id, member);
            self.sessions.on_end(key, session, self.now);
        }
    }

    /// What a member has that another connection may take up.
    pub(super) fn session_of(&self, id: ConnectionId, member: MemberId) -> Session {
        let name = self.connections.at(id).name().chosen();
        let room = self.rooms.room_with(member);
        Session { name, room: room.name(), epoch: room.epoch() }
    }
}
