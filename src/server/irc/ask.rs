//! What an IRC client asks about members and about the server.

use super::registration::VERSION;
use super::{Nick, Server, Shown};
use crate::io::Io;
use crate::moderation::time;
use crate::outlet::Outlet;
use crate::server::speaker::Speaker;
use crate::token::ConnectionId;
use crate::wire::irc::message::Channel;
use crate::wire::irc::reply::features;
use crate::wire::irc::{SERVER, USER_AND_HOST};

impl<I: Io, W: Outlet> Server<I, W> {
    /// The member that a client means.
    pub(super) fn irc_member(&mut self, nick: &[u8]) -> Option<ConnectionId> {
        let name = Nick::parse(str::from_utf8(nick).ok()?)?;
        self.member_called(name)
    }

    pub(super) fn irc_whois(&mut self, speaker: &Speaker, nick: &[u8]) {
        let id = speaker.id;
        let shown = Shown(nick);
        let Some(other) = self.irc_member(nick) else {
            return self.answer(id, |to| {
                to.numeric(401, format_args!("{shown} :No such nick/channel"));
                to.numeric(318, format_args!("{shown} :End of /WHOIS list."));
            });
        };
        let nick = Nick(self.connections.at(other).name());
        let is_operator = self.is_operator(other);
        // In which room a member is, those in that room know.
        let member = self.connections.at(other).member().expect("a member was found");
        let room = self.rooms.room_of(member);
        let is_shared = !self.is_outside(member) && room == self.rooms.room_of(speaker.member);
        let channel = is_shared.then(|| Channel(self.rooms.room(room).name()));
        self.answer(id, |to| {
            to.numeric(311, format_args!("{nick} ~u {SERVER} * :{nick}"));
            if let Some(channel) = channel {
                to.numeric(319, format_args!("{nick} :{}{channel}", if is_operator { "@" } else { "" }));
            }
            to.numeric(312, format_args!("{nick} {SERVER} :{VERSION}"));
            if is_operator {
                to.numeric(313, format_args!("{nick} :is an IRC operator"));
            }
            to.numeric(318, format_args!("{nick} :End of /WHOIS list."));
        });
    }

    pub(super) fn irc_ison(&mut self, id: ConnectionId, nicks: &[&[u8]]) {
        // The last parameter may hold several.
        let nicks = nicks.iter().flat_map(|nicks| nicks.split(|byte| *byte == b' '));
        let here: Vec<ConnectionId> = nicks.filter_map(|nick| self.irc_member(nick)).collect();
        let here: Vec<String> = here.iter().map(|id| Nick(self.connections.at(*id).name()).to_string()).collect();
        self.answer(id, |to| to.numeric(303, format_args!(":{}", here.join(" "))));
    }

    pub(super) fn irc_userhost(&mut self, id: ConnectionId, nicks: &[&[u8]]) {
        let here: Vec<ConnectionId> = nicks.iter().take(5).filter_map(|nick| self.irc_member(nick)).collect();
        let user_and_host = USER_AND_HOST.trim_start_matches('!');
        let shown = |id: &ConnectionId| {
            let operator = if self.is_operator(*id) { "*" } else { "" };
            format!("{}{operator}=+{user_and_host}", Nick(self.connections.at(*id).name()))
        };
        let here: Vec<String> = here.iter().map(shown).collect();
        self.answer(id, |to| to.numeric(302, format_args!(":{}", here.join(" "))));
    }

    pub(super) fn irc_lusers(&mut self, id: ConnectionId) {
        let members = self.rooms.online() + self.rooms.outside();
        let (all, servers) = self.in_all_nodes();
        let rooms = self.rooms.count();
        self.answer(id, |to| {
            to.numeric(251, format_args!(":There are {all} users and 0 invisible on {servers} servers"));
            to.numeric(254, format_args!("{rooms} :channels formed"));
            to.numeric(255, format_args!(":I have {members} clients and {} servers", servers - 1));
        });
    }

    pub(super) fn irc_version(&mut self, id: ConnectionId) {
        self.answer(id, |to| {
            to.numeric(351, format_args!("{VERSION} {SERVER} :"));
            to.numeric(5, format_args!("{} :are supported by this server", features()));
        });
    }

    pub(super) fn irc_time(&mut self, id: ConnectionId) {
        let now = time::moment(self.rooms.time().0).to_string();
        self.answer(id, |to| to.numeric(391, format_args!("{SERVER} :{now}")));
    }
}
