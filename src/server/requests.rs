//! Commands: what a member asks for, carried out and answered.
//!
//! A command waits like a line does: for its rate, for space, and for its member's own reading. All reasons to wait are
//! looked at before anything is changed, because a command that waits is read again. A command is not taken before the
//! answers to earlier ones have mostly been sent, so answers are never dropped and never pile up; one that moves its
//! member to another log waits until the member was sent all of the one that it is in.

use super::Server;
use super::cluster::Chosen;
use super::speaker::{Done, Speaker};
use crate::cluster::told::{Question, Reply};
use crate::connection::State;
use crate::counters::Counter;
use crate::door::Door;
use crate::io::Io;
use crate::limits::{LIST_MEMBERS_MAX, LIST_PAGE_ENTRIES};
use crate::message::{Arrival, Body, Notice};
use crate::names::{MemberName, Name, RoomName};
use crate::outlet::Outlet;
use crate::room::members::Place;
use crate::room::{Blocked, MemberId, Room, Who};
use crate::rooms::Rooms;
use crate::token::{ConnectionId, PublicId, RoomId};
use crate::wire::Encoding;
use crate::wire::command::{self, Request, Typed, Wrong};

/// How many entries of a list are on the pages before this one, of which the first is 1.
pub(super) fn start_of_page(page: u64) -> usize {
    usize::try_from(page - 1).unwrap_or(usize::MAX).saturating_mul(LIST_PAGE_ENTRIES)
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// The number under which members know a connection.
    pub(super) fn public_id(&self, id: ConnectionId) -> PublicId {
        PublicId(self.numbers.apply(self.connections.serial(id).0, PublicId::HALF_BITS))
    }

    /// Takes a line that a member has typed: says it, or does what it asks for.
    pub(super) fn take_line(&mut self, speaker: &mut Speaker, line: &[u8]) -> Result<Done, Blocked> {
        let door = self.connections.at(speaker.id).inbound.door;
        if door == Door::Irc {
            return self.take_irc_line(speaker, line);
        }
        if !self.config.has_commands(door) {
            return self.say(speaker, Body::Line { name: speaker.name, text: line });
        }
        match command::look(line) {
            Typed::Line(text) => self.say(speaker, Body::Line { name: speaker.name, text: &text }),
            Typed::BlankBeforeCommand => {
                self.admit_command(speaker)?;
                self.tell(speaker.id, Notice::BlankBeforeCommand);
                Ok(Done::Passed)
            }
            Typed::Command(command) => match command::parse(&command) {
                // They are said, and admitted as lines are.
                Ok(Request::Me { text }) => {
                    self.say(speaker, Body::Action { name: speaker.name, text: text.as_bytes() })
                }
                parsed => {
                    self.admit_command(speaker)?;
                    let done = match parsed {
                        Ok(request) => self.carry_out(speaker, request)?,
                        Err(wrong) => self.tell_wrong(speaker.id, wrong),
                    };
                    self.counters.add(Counter::Commands, 1);
                    Ok(done)
                }
            },
        }
    }

    fn tell_wrong(&mut self, id: ConnectionId, wrong: Wrong<'_>) -> Done {
        self.tell(
            id,
            match wrong {
                Wrong::Unknown { name } => Notice::UnknownCommand { name },
                Wrong::Usage { usage } => Notice::Usage { usage },
            },
        );
        Done::Passed
    }

    fn carry_out(&mut self, speaker: &mut Speaker, request: Request<'_>) -> Result<Done, Blocked> {
        let id = speaker.id;
        if request.is_about_a_room()
            && let Some(notice) = self.outside(speaker)
        {
            self.tell(id, notice);
            return Ok(Done::Passed);
        }
        match request {
            Request::Help => {
                self.await_empty(id)?;
                let operator = self.is_operator(id);
                for line in command::help(operator) {
                    self.tell_always(id, Notice::Help { line: &line });
                }
            }
            Request::Nick { name } => self.nick(speaker, name)?,
            Request::Join { room } => self.go_to_room(speaker, room)?,
            Request::Rooms { page } => self.list_rooms(id, page)?,
            Request::Who { page } => self.list_members(speaker, page)?,
            Request::Msg { name, text } => self.say_to(speaker, name, text)?,
            Request::History { count } => self.repeat_history(speaker, count)?,
            Request::Topic { text: None } => self.tell_topic(id, speaker.member, true),
            Request::Op { key } => self.become_operator(speaker, key)?,
            Request::Quit => return Ok(Done::Leaves),
            Request::Format { json } => self.change_format(speaker, json)?,
            Request::Token => self.give_token(id),
            Request::Resume { token, number } => self.resume_session(speaker, token, number)?,
            Request::Me { .. } => unreachable!("it was said"),
            _ if !self.is_operator(id) => {
                self.tell(id, Notice::NotOperator);
                return Ok(Done::Passed);
            }
            Request::Topic { text: Some(text) } => return self.set_topic(speaker, text),
            Request::Kick { name, why } => return self.kick(speaker, name, why),
            Request::Mute { name, time } => self.mute(speaker, name, time)?,
            Request::Unmute { name } => self.unmute(speaker, name)?,
            Request::Ban { whom, time } => self.ban(speaker, whom, time)?,
            Request::Unban { whom } => self.unban(speaker, whom)?,
            Request::Bans { page } => self.list_bans(id, page)?,
            Request::Slow { seconds } => self.set_slow(speaker, seconds)?,
            Request::Only { operators } => self.set_only(speaker, operators)?,
            Request::Nodes { page } => self.list_nodes(speaker, page)?,
            Request::Announce { text } => self.announce_to_all(speaker, text)?,
        }
        Ok(Done::Taken)
    }

    pub(super) fn is_operator(&self, id: ConnectionId) -> bool {
        self.connections.at(id).profile.as_deref().is_some_and(|profile| self.keeping.is_key(profile.operator))
    }

    /// `Ok` when no private bytes wait to be sent, so that an answer of several lines may be given.
    pub(super) fn await_empty(&self, id: ConnectionId) -> Result<(), Blocked> {
        if self.connections.at(id).outbound.private.is_empty() { Ok(()) } else { Err(Blocked::AuthorBehind) }
    }

    /// `Ok` when the member was sent every message, and no answer waits: it may leave its log.
    pub(super) fn await_level(&self, speaker: &Speaker) -> Result<(), Blocked> {
        let waits = self.connections.at(speaker.id).outbound.private.has_past();
        if self.rooms.is_level(speaker.member) && !waits { Ok(()) } else { Err(Blocked::AuthorBehind) }
    }

    /// A member chooses a name.
    fn nick(&mut self, speaker: &mut Speaker, typed: &str) -> Result<(), Blocked> {
        let Some(name) = MemberName::choose(typed) else {
            self.tell(speaker.id, Notice::NameRefused);
            return Ok(());
        };
        let chosen =
            if self.may_be_called(speaker.id, name) { self.choose_name(speaker.id, name)? } else { Chosen::Taken };
        match chosen {
            Chosen::Yours => {
                self.rename(speaker, name);
                self.tell(speaker.id, Notice::Named { name });
            }
            Chosen::Taken => {
                self.tell(speaker.id, Notice::NameTaken { name: typed });
            }
            Chosen::CutOff => {
                self.tell(speaker.id, Notice::NamesCutOff);
            }
        }
        Ok(())
    }

    /// True when nobody else has a name, and nobody is kept from having it.
    pub(super) fn may_be_called(&self, id: ConnectionId, name: MemberName) -> bool {
        let holder = self.names.find(Name::Chosen(name), |slot| self.connections.name_in(slot));
        let taken = holder.is_some_and(|slot| slot != id.slot) || self.sessions.is_reserved(name);
        !taken && !self.is_name_banned(name)
    }

    /// A member has another name from now on, which it may have.
    pub(super) fn rename(&mut self, speaker: &mut Speaker, name: MemberName) {
        let shown_before = speaker.name.to_string();
        let author = self.author(speaker);
        self.set_name(speaker.id, name);
        speaker.name = Name::Chosen(name);
        if shown_before != name.as_str() {
            self.rooms.rename(author, Name::Chosen(name), self.now);
        }
    }

    /// A connection has another name from now on, which nobody else has.
    pub(super) fn set_name(&mut self, id: ConnectionId, name: MemberName) {
        let before = self.connections.at(id).name();
        self.names.remove(before, id.slot, |slot| self.connections.name_in(slot));
        self.connections.at_mut(id).profile_mut().name = Some(name);
        self.names.insert(Name::Chosen(name), id.slot, |slot| self.connections.name_in(slot));
        if let Some(before) = before.chosen().filter(|before| *before != name) {
            self.free_name(before);
        }
    }

    /// A member leaves its room and joins another.
    fn go_to_room(&mut self, speaker: &mut Speaker, typed: &str) -> Result<(), Blocked> {
        let Some(name) = RoomName::parse(typed) else {
            self.tell(speaker.id, Notice::RoomNameRefused);
            return Ok(());
        };
        self.await_level(speaker)?;
        let Some(room) = self.find_or_open(name) else {
            self.tell(speaker.id, Notice::NoMoreRooms);
            return Ok(());
        };
        if room != self.rooms.room_of(speaker.member) {
            self.move_to(speaker, speaker.who(), room);
        }
        self.welcome(speaker);
        let count = self.repeat_last(speaker.id, speaker.member, self.config.history);
        self.charge(speaker, count);
        Ok(())
    }

    /// Moves a member, which was sent every message, to a room. Those whom it leaves know it as `before`.
    pub(super) fn move_to(&mut self, speaker: &mut Speaker, before: Who, room: RoomId) {
        let parked = self.rooms.place(speaker.member) == Place::Parked;
        let left = self.rooms.leave(speaker.member, before, self.now);
        let newcomer = self.newcomer(speaker.id, speaker.who());
        speaker.member = self.rooms.join(room, newcomer, self.now);
        self.become_member(speaker.id, speaker.member, parked);
        self.free_room_if_unused(left);
    }

    /// A connection is a member from now on, or another one than before. A member is parked whose socket is full and
    /// not reported writable yet, or which was `parked` before: a socket that lacked memory may wait for the sweep,
    /// since its retry is over and nothing else would unpark it.
    pub(super) fn become_member(&mut self, id: ConnectionId, member: MemberId, parked: bool) {
        let connection = self.connections.at_mut(id);
        connection.state = State::Joined(member);
        if parked {
            self.rooms.park(member);
        } else if !connection.outbound.private.is_empty() {
            self.rooms.wake(member);
        }
    }

    /// The room with this name, which is opened if there is none. `None` when there are as many as there may be.
    pub(super) fn find_or_open(&mut self, name: RoomName) -> Option<RoomId> {
        if let Some(room) = self.rooms.find_or_open(name) {
            return Some(room);
        }
        let idle = self.rooms.idle()?;
        self.free_room(idle, Rooms::close_idle);
        self.rooms.open(name)
    }

    pub(super) fn free_room_if_unused(&mut self, room: RoomId) {
        self.free_room(room, Rooms::close_unused);
    }

    fn free_room(&mut self, room: RoomId, close: impl FnOnce(&mut Rooms, RoomId, &mut dyn FnMut(&Room)) -> bool) {
        let transcript = &mut self.transcript;
        let freed = close(&mut self.rooms, room, &mut |freed| {
            if let Some(transcript) = transcript {
                transcript.on_freed(room, freed.name(), freed.text());
            }
        });
        if freed {
            self.forget_kept_room(room);
            self.schedule.held.forget_room(room);
        }
    }

    /// Tells a member about the room that it is in now, if it is in one.
    pub(super) fn welcome(&mut self, speaker: &Speaker) {
        if !self.is_outside(speaker.member) {
            self.tell_arrival(speaker.id, speaker.member);
            self.tell_topic(speaker.id, speaker.member, false);
            self.tell_cut_off(speaker.id);
        }
    }

    pub(super) fn tell_arrival(&mut self, id: ConnectionId, member: MemberId) {
        let room = self.rooms.room_with(member);
        let arrival = Arrival {
            room: room.name(),
            epoch: room.epoch(),
            online: room.online_everywhere(),
            id: self.public_id(id),
            name: self.connections.at(id).name(),
            number: room.last_number(),
            time: self.rooms.time(),
        };
        self.tell_always(id, Notice::Joined(arrival));
    }

    /// True when a member has joined no room: it stands in the hall.
    pub(super) fn is_outside(&self, member: MemberId) -> bool {
        self.rooms.room_of(member) == self.rooms.hall()
    }

    /// What a member is told that wants to do something in a room, and is in none.
    pub(super) fn outside(&self, speaker: &Speaker) -> Option<Notice<'static>> {
        self.is_outside(speaker.member).then_some(Notice::NoRoom)
    }

    /// Tells a member the topic of its room; when `asked`, also that there is none.
    pub(super) fn tell_topic(&mut self, id: ConnectionId, member: MemberId, asked: bool) {
        let topic = self.rooms.room_with(member).topic().map(|topic| topic.text.clone());
        match topic {
            Some(text) => self.tell_always(id, Notice::Topic { text: &text }),
            None if asked => self.tell_always(id, Notice::NoTopic),
            None => {}
        }
    }

    fn list_rooms(&mut self, id: ConnectionId, page: u64) -> Result<(), Blocked> {
        self.await_empty(id)?;
        let (rooms, count) = self.rooms.page(page, LIST_PAGE_ENTRIES);
        let listed: Vec<Notice<'_>> =
            rooms.map(|room| Notice::RoomListed { room: room.name(), online: room.online_everywhere() }).collect();
        self.tell_page(id, &listed, page, count);
        Ok(())
    }

    fn list_members(&mut self, speaker: &Speaker, page: u64) -> Result<(), Blocked> {
        self.await_empty(speaker.id)?;
        let room = self.rooms.room_of(speaker.member);
        let online = self.rooms.room(room).online();
        // To find a page the members before it are walked over, which only a small room allows.
        let shown =
            if online > self.config.room.announce_max.min(LIST_MEMBERS_MAX) { LIST_PAGE_ENTRIES } else { online };
        let start = start_of_page(page);
        let entries = if start < shown { LIST_PAGE_ENTRIES } else { 0 };
        let members = self.rooms.members_of(room).skip(start.min(shown)).take(entries);
        let members = members.map(|id| Notice::MemberListed { name: self.connections.at(id).name() });
        let listed: Vec<Notice<'_>> = members.chain(self.listed_elsewhere(room)).collect();
        self.tell_page(speaker.id, &listed, page, online);
        Ok(())
    }

    pub(super) fn tell_page(&mut self, id: ConnectionId, listed: &[Notice<'_>], page: u64, count: usize) {
        listed.iter().for_each(|notice| self.tell_always(id, *notice));
        let pages = count.div_ceil(LIST_PAGE_ENTRIES).max(1) as u64;
        self.tell_always(id, Notice::Page { page, pages });
    }

    /// A member says something to another alone.
    pub(super) fn say_to(&mut self, speaker: &Speaker, name: &str, text: &str) -> Result<(), Blocked> {
        if self.is_muted(speaker) {
            self.tell(speaker.id, Notice::Muted);
            return Ok(());
        }
        let Some(to) = self.find_member(name) else {
            let answer = self.say_elsewhere(speaker, name, text)?;
            self.tell_always(speaker.id, answer.unwrap_or(Notice::Nobody { name }));
            return Ok(());
        };
        let private = Notice::Private { from: speaker.name, id: speaker.who().id, time: self.rooms.time(), text };
        let told = self.tell(to, private);
        let name = self.connections.at(to).name();
        // It may have said it to itself, and so have filled the place that the answer was admitted for.
        self.tell_always(speaker.id, if told { Notice::Sent { name } } else { Notice::NotReading { name } });
        Ok(())
    }

    /// The same where that one is at another node. `None` when nobody is called so.
    fn say_elsewhere(&mut self, speaker: &Speaker, name: &str, text: &str) -> Result<Option<Notice<'static>>, Blocked> {
        let Some(to) = Name::parse(name).filter(|_| self.cluster.is_some()) else { return Ok(None) };
        let question = Question::Msg { to, from: speaker.name, id: speaker.who().id, text: text.into() };
        let answer = self.ask(speaker.id, &question)?;
        Ok(answer.and_then(|answer| match answer.reply {
            Reply::Sent { name } => Some(Notice::Sent { name }),
            Reply::Full { name } => Some(Notice::NotReading { name }),
            _ => None,
        }))
    }

    /// The member that somebody means that typed `name`.
    pub(super) fn find_member(&mut self, name: &str) -> Option<ConnectionId> {
        self.member_called(Name::parse(name)?)
    }

    pub(super) fn member_called(&mut self, name: Name) -> Option<ConnectionId> {
        let slot = self.names.find(name, |slot| self.connections.name_in(slot))?;
        let (id, connection) = self.connections.in_slot(slot.index())?;
        connection.member().map(|_| id)
    }

    /// A member is sent messages of the past again.
    fn repeat_history(&mut self, speaker: &mut Speaker, count: u64) -> Result<(), Blocked> {
        self.await_empty(speaker.id)?;
        self.await_level(speaker)?;
        let room = self.rooms.room_with(speaker.member);
        let kept = room.messages() + 1 - room.text().first_number();
        let count = count.min(self.config.history_max).min(kept);
        self.tell_always(speaker.id, Notice::History { count });
        self.repeat_last(speaker.id, speaker.member, count);
        self.charge(speaker, count);
        Ok(())
    }

    /// Takes lines that a member has not typed, but has been sent because it asked, from its rate and that of its
    /// address.
    pub(super) fn charge(&mut self, speaker: &mut Speaker, lines: u64) {
        if let Some(rate) = self.config.flood {
            speaker.received.flood.take(rate, lines as f64, self.now);
        }
        self.addresses.charge_lines(speaker.ip, lines, self.now);
    }

    /// Lines to a member have another format from now on.
    fn change_format(&mut self, speaker: &mut Speaker, json: bool) -> Result<(), Blocked> {
        if self.connections.at(speaker.id).inbound.encoding == Encoding::WebSocket {
            self.tell(speaker.id, Notice::FormatFixed);
            return Ok(());
        }
        self.set_encoding(speaker, if json { Encoding::Json } else { Encoding::Text })?;
        self.welcome(speaker);
        Ok(())
    }

    /// Everything is sent to a member in another format from now on.
    pub(super) fn set_encoding(&mut self, speaker: &mut Speaker, encoding: Encoding) -> Result<(), Blocked> {
        self.await_level(speaker)?;
        let inbound = &mut self.connections.at_mut(speaker.id).inbound;
        if inbound.encoding != encoding {
            inbound.encoding = encoding;
            let parked = self.rooms.place(speaker.member) == Place::Parked;
            speaker.member = self.rooms.change_encoding(speaker.member, encoding);
            self.become_member(speaker.id, speaker.member, parked);
        }
        Ok(())
    }
}
