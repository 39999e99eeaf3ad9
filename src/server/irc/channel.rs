//! Channels, which are rooms: going into one and out of it, its topic, who is in it, and the list of all.

use super::{Server, Shown, channel_name, clean};
use crate::io::Io;
use crate::limits::{IRC_ANSWER_BYTES_MAX, IRC_ROOMS_LISTED_MAX, LIST_MEMBERS_MAX, LIST_PAGE_ENTRIES};
use crate::outlet::Outlet;
use crate::room::Blocked;
use crate::server::speaker::{Done, Speaker};
use crate::token::{ConnectionId, RoomId};
use crate::wire::irc::message::Channel;
use crate::wire::irc::who::{Fields, Found};
use crate::wire::irc::{Nick, USER_AND_HOST};

impl<I: Io, W: Outlet> Server<I, W> {
    /// A member goes from the hall to a room, or is told that it may be in one only.
    pub(super) fn irc_join(&mut self, speaker: &mut Speaker, channels: &[u8]) -> Result<(), Blocked> {
        let mut channels = channels.split(|byte| *byte == b',').filter(|channel| !channel.is_empty());
        let id = speaker.id;
        if let Some(first) = channels.next() {
            self.irc_join_one(speaker, first)?;
        }
        if let Some(second) = channels.next() {
            let second = Shown(second);
            self.answer(id, |to| to.numeric(405, format_args!("{second} :You have joined too many channels")));
        }
        Ok(())
    }

    fn irc_join_one(&mut self, speaker: &mut Speaker, channel: &[u8]) -> Result<(), Blocked> {
        let (id, shown) = (speaker.id, Shown(channel));
        if self.irc_room(speaker, channel).is_some() {
            return Ok(());
        }
        let Some(name) = channel_name(channel) else {
            self.answer(id, |to| to.numeric(403, format_args!("{shown} :No such channel")));
            return Ok(());
        };
        if !self.is_outside(speaker.member) {
            self.answer(id, |to| to.numeric(405, format_args!("{shown} :You have joined too many channels")));
            return Ok(());
        }
        self.await_empty(id)?;
        self.await_level(speaker)?;
        let Some(room) = self.find_or_open(name) else {
            self.answer(id, |to| to.numeric(437, format_args!("{shown} :There are as many channels as there may be")));
            return Ok(());
        };
        self.move_to(speaker, speaker.who(), room);
        self.tell_arrival(id, speaker.member);
        self.tell_topic(id, speaker.member, false);
        self.tell_who_set_topic(id, room);
        if !self.connections.at(id).capabilities().no_implicit_names {
            self.list_names(speaker, room);
        }
        let count = self.repeat_last(id, speaker.member, self.config.history);
        self.charge(speaker, count);
        Ok(())
    }

    fn tell_who_set_topic(&mut self, id: ConnectionId, room: RoomId) {
        let room = self.rooms.room(room);
        let channel = Channel(room.name());
        let Some((by, time)) = room.topic().map(|topic| (topic.by.replace(':', "|"), topic.time.0 / 1000)) else {
            return;
        };
        self.answer(id, |to| to.numeric(333, format_args!("{channel} {by}{USER_AND_HOST} {time}")));
    }

    /// A member goes back to the hall, from the room that it is in, or from `channels` if that is it.
    pub(super) fn irc_part(&mut self, speaker: &mut Speaker, channels: Option<&[u8]>) -> Result<(), Blocked> {
        let room = self.rooms.room_with(speaker.member).name();
        let id = speaker.id;
        if let Some(channels) = channels {
            let mut each = channels.split(|byte| *byte == b',').filter(|channel| !channel.is_empty());
            if !each.any(|channel| self.irc_room(speaker, channel).is_some()) {
                self.irc_room_or_tell(speaker, channels);
                return Ok(());
            }
        } else if self.is_outside(speaker.member) {
            return Ok(());
        }
        self.await_level(speaker)?;
        self.move_to(speaker, speaker.who(), self.rooms.hall());
        let name = speaker.name;
        self.answer(id, |to| to.of_member(name, format_args!("PART {}", Channel(room))));
        Ok(())
    }

    pub(super) fn irc_topic(
        &mut self,
        speaker: &mut Speaker,
        channel: &[u8],
        text: Option<&[u8]>,
    ) -> Result<Done, Blocked> {
        let id = speaker.id;
        let Some(room) = self.irc_room_or_tell(speaker, channel) else { return Ok(Done::Passed) };
        let Some(text) = text else {
            self.tell_topic(id, speaker.member, true);
            self.tell_who_set_topic(id, self.rooms.room_of(speaker.member));
            return Ok(Done::Taken);
        };
        if !self.is_operator(id) {
            self.tell_not_operator(id, &Channel(room).to_string());
            return Ok(Done::Passed);
        }
        self.set_topic(speaker, &clean(text))
    }

    /// Tells a member that it has set a topic as others are told.
    pub(in crate::server) fn tell_own_topic(&mut self, id: ConnectionId, text: &str) {
        let connection = self.connections.at(id);
        let Some(member) = connection.member() else { return };
        let (name, channel) = (connection.name(), Channel(self.rooms.room_with(member).name()));
        self.answer(id, |to| to.of_member(name, format_args!("TOPIC {channel} :{text}")));
    }

    pub(super) fn tell_not_operator(&mut self, id: ConnectionId, channel: &str) {
        self.answer(id, |to| to.numeric(482, format_args!("{channel} :You're not channel operator")));
    }

    pub(super) fn irc_names(&mut self, speaker: &mut Speaker, channel: Option<&[u8]>) -> Result<(), Blocked> {
        let id = speaker.id;
        self.await_empty(id)?;
        match channel {
            Some(channel) if self.irc_room(speaker, channel).is_some() => {
                self.list_names(speaker, self.rooms.room_of(speaker.member));
            }
            channel => {
                let shown = Shown(channel.unwrap_or_default());
                self.answer(id, |to| to.numeric(366, format_args!("{shown} :End of /NAMES list.")));
            }
        }
        Ok(())
    }

    /// Members of a room that are listed to one of them: all, or in a room where joins are not announced, itself alone.
    fn listed(&self, asks: ConnectionId, room: RoomId) -> Vec<(Nick, bool)> {
        let entry = |id| (Nick(self.connections.at(id).name()), self.is_operator(id));
        if self.rooms.room(room).online_everywhere() > self.config.room.announce_max.min(LIST_MEMBERS_MAX) as u64 {
            return vec![entry(asks)];
        }
        self.rooms.members_of(room).map(entry).collect()
    }

    fn list_names(&mut self, speaker: &mut Speaker, room: RoomId) {
        let listed = self.listed(speaker.id, room);
        let channel = Channel(self.rooms.room(room).name());
        self.answer(speaker.id, |to| {
            let mut bytes = 0;
            let names = listed.iter().map(|(nick, operator)| format!("{}{nick}", if *operator { "@" } else { "" }));
            let names = names.take_while(|name| {
                bytes += name.len() + 1;
                bytes <= IRC_ANSWER_BYTES_MAX / 2
            });
            to.list(353, format_args!("= {channel} :"), names);
            to.numeric(366, format_args!("{channel} :End of /NAMES list."));
        });
        self.charge(speaker, (listed.len() / LIST_PAGE_ENTRIES) as u64);
    }

    pub(super) fn irc_who(
        &mut self,
        speaker: &mut Speaker,
        mask: Option<&[u8]>,
        options: Option<&[u8]>,
    ) -> Result<(), Blocked> {
        let id = speaker.id;
        self.await_empty(id)?;
        let fields = Fields::parse(options);
        let mask = mask.unwrap_or(b"*");
        let room = self.irc_room(speaker, mask);
        let listed = if room.is_some() {
            self.listed(id, self.rooms.room_of(speaker.member))
        } else {
            let found = self.irc_member(mask);
            found.map(|id| (Nick(self.connections.at(id).name()), self.is_operator(id))).into_iter().collect()
        };
        let channel = room.map_or_else(|| "*".to_owned(), |room| Channel(room).to_string());
        self.answer(id, |to| {
            for (Nick(name), is_operator) in &listed {
                fields.write(&Found { channel: &channel, name: *name, is_operator: *is_operator }, to);
                if to.is_long() {
                    break;
                }
            }
            to.numeric(315, format_args!("{} :End of /WHO list.", Shown(mask)));
        });
        self.charge(speaker, (listed.len() / LIST_PAGE_ENTRIES) as u64);
        Ok(())
    }

    /// The largest rooms, or those that a client names.
    pub(super) fn irc_list(&mut self, speaker: &mut Speaker, channels: Option<&[u8]>) -> Result<(), Blocked> {
        let id = speaker.id;
        self.await_empty(id)?;
        // Conditions such as `>10` are for the client to look at: it is sent the largest.
        let named = channels.filter(|channels| channels.first() == Some(&b'#'));
        let rooms: Vec<RoomId> = match named {
            Some(named) => {
                let names = named.split(|byte| *byte == b',').filter_map(channel_name);
                names.filter_map(|name| self.rooms.find(name)).take(IRC_ROOMS_LISTED_MAX).collect()
            }
            None => self.rooms.largest().take(IRC_ROOMS_LISTED_MAX).collect(),
        };
        let lines: Vec<String> = rooms
            .iter()
            .map(|id| {
                let room = self.rooms.room(*id);
                let topic = room.topic().map_or("", |topic| &topic.text);
                format!("{} {} :{topic}", Channel(room.name()), room.online_everywhere())
            })
            .collect();
        self.answer(id, |to| {
            to.numeric(321, format_args!("Channel :Users  Name"));
            for line in &lines {
                to.numeric(322, format_args!("{line}"));
                if to.is_long() {
                    break;
                }
            }
            to.numeric(323, format_args!(":End of /LIST"));
        });
        self.charge(speaker, (lines.len() / LIST_PAGE_ENTRIES) as u64);
        Ok(())
    }
}
