//! Names of members in a cluster: asked for, had, and lost; and what is done now and then for people of all nodes.

use crate::cluster::link::Stored;
use crate::cluster::names::{self, Change, Claim};
use crate::cluster::people::People;
use crate::cluster::token::Mark;
use crate::cluster::told::{self, Word};
use crate::cluster::used;
use crate::connection::State;
use crate::counters::CloseReason;
use crate::door::Door;
use crate::io::Io;
use crate::journal::{LogEvent, LogField, Value};
use crate::message::Notice;
use crate::names::{MemberName, Name};
use crate::outlet::Outlet;
use crate::room::{Author, Blocked, Who};
use crate::server::Server;
use crate::token::{ConnectionId, Serial, Slot};

/// What became of choosing a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Chosen {
    Yours,
    Taken,
    /// Names cannot be chosen now.
    CutOff,
}

impl<I: Io, W: Outlet> Server<I, W> {
    pub(in crate::server) fn people(&mut self) -> Option<&mut People> {
        self.cluster.as_mut().map(|cluster| &mut cluster.people)
    }

    /// Asks the cluster for a name, which nobody else here has and which is not kept from anybody.
    pub(in crate::server) fn choose_name(&mut self, id: ConnectionId, name: MemberName) -> Result<Chosen, Blocked> {
        let now = self.now;
        let Some(people) = self.people() else { return Ok(Chosen::Yours) };
        let may_take = people.names.holder(name).is_some_and(|holder| people.is_gone(holder, now));
        match people.names.claim(name, id, None, |_| may_take) {
            Claim::Yours => Ok(Chosen::Yours),
            Claim::Taken => Ok(Chosen::Taken),
            Claim::CutOff => Ok(Chosen::CutOff),
            Claim::Waits | Claim::Full => Err(Blocked::Cluster),
        }
    }

    /// A name may not be had by anybody here any more.
    pub(in crate::server) fn free_name(&mut self, name: MemberName) {
        if self.cluster.is_none() || self.sessions.is_reserved(name) {
            return;
        }
        let is_had = self.names.find(Name::Chosen(name), |slot| self.connections.name_in(slot)).is_some();
        if let Some(people) = self.people().filter(|people| !is_had && !people.is_handed_over(name)) {
            people.names.release(name);
        }
    }

    /// A connection has ended, with this name.
    pub(in crate::server) fn forget_person(&mut self, id: ConnectionId, name: Name) {
        if let Some(people) = self.people() {
            people.forget(id);
        }
        if let Some(name) = name.chosen() {
            self.free_name(name);
        }
    }

    /// Once a turn, after the news. True when those that wait for the cluster may go on.
    pub(super) fn run_people(&mut self) -> bool {
        let (now, now_ms) = (self.now, self.rooms.time().0);
        while let Some(name) = self.sessions.next_freed() {
            self.free_name(name);
        }
        let Some(people) = self.people() else { return false };
        let mut goes_on = false;
        while people.questions.next_late(now).is_some() {
            goes_on = true;
        }
        for name in people.on_time(now, now_ms) {
            self.free_name(name);
        }
        goes_on
    }

    /// An entry of the store as it is now.
    pub(super) fn on_entry(&mut self, key: &str, bytes: Option<&[u8]>, revision: u64) {
        let Some(people) = self.people() else { return };
        if let Some(name) = names::name_of(key) {
            let change = people.names.on_entry(name, bytes, revision);
            self.on_name_change(change);
        } else if let Some(mark) = used::mark_of(key) {
            if let Some((slot, serial)) = people.used.on_entry(mark, bytes, revision) {
                self.on_used_elsewhere(mark, slot, serial);
            }
        } else {
            self.on_snapshot(key, bytes, revision);
        }
    }

    /// The outcome of an order to store something.
    pub(super) fn on_stored(&mut self, key: &str, outcome: Stored) {
        let Some(people) = self.people() else { return };
        if let Some(name) = names::name_of(key) {
            let change = people.names.on_stored(name, outcome);
            self.on_name_change(change);
        } else if let Some(mark) = used::mark_of(key) {
            people.used.on_stored(mark, outcome);
        } else {
            people.snapshots.on_stored(key, outcome);
        }
    }

    /// Another node tells something. True when that was about people.
    pub(super) fn on_told_of_people(&mut self, bytes: &[u8]) -> bool {
        let now = self.now;
        let Some(cluster) = &mut self.cluster else { return true };
        let own = cluster.settings.node;
        if let Some(node) = told::teller(bytes).filter(|node| *node != own) {
            cluster.people.on_heard(node, now);
        }
        match Word::parse(bytes) {
            Some(Word::Ask(ask)) if ask.number.node != own => self.on_question(&ask),
            Some(Word::Ask(_)) => {}
            Some(Word::Answer(answer)) => {
                cluster.people.questions.on_answer(answer);
            }
            None => return false,
        }
        true
    }

    /// What waits for the store's answer goes on by itself: all that wait look after news.
    fn on_name_change(&mut self, change: Option<Change>) {
        if let Some(Change::Lost(name)) = change {
            self.lose_name(name);
        }
    }

    /// Another node has the name of a member: it is called by its address again.
    fn lose_name(&mut self, name: MemberName) {
        let slot = self.names.find(Name::Chosen(name), |slot| self.connections.name_in(slot));
        let Some((id, _)) = slot.and_then(|slot| self.connections.in_slot(slot.index())) else { return };
        let before = self.connections.at(id).name();
        self.names.remove(before, id.slot, |slot| self.connections.name_in(slot));
        let connection = self.connections.at_mut(id);
        connection.profile_mut().name = None;
        let after = connection.origin.name();
        let is_free = self.names.find(after, |slot| self.connections.name_in(slot)).is_none();
        // Somebody may have come from the same address meanwhile.
        let after = if is_free { Some(after) } else { self.number_anew(id) };
        let known = after.unwrap_or(before);
        self.names.insert(known, id.slot, |slot| self.connections.name_in(slot));
        let Some(after) = after else {
            self.connections.at_mut(id).profile_mut().name = Some(name);
            return self.close(id, CloseReason::Replaced);
        };
        let who = Who { name: before, id: self.public_id(id) };
        if let State::Joined(member) = self.connections.at(id).state {
            let has_private = !self.connections.at(id).outbound.private.is_empty();
            let author = Author { member, who, has_private, hears_itself: false };
            self.rooms.rename(author, after, self.now);
        }
        self.tell_unnamed_member(id, before, after);
        self.tell_always(id, Notice::NameLost { name, now: after });
        let public_id = self.public_id(id);
        let [before, after] = [before, after].map(|name| self.whom(name, Some(public_id)));
        let fields = [
            (LogField::Name, Value::Text(&after)),
            (LogField::Id, Value::Text(&public_id)),
            (LogField::Before, Value::Text(&before)),
        ];
        let text = format_args!("{before} is {after}: the name is another node's");
        self.report_with(LogEvent::NameLost, text, &fields);
    }

    /// Gives a connection another number among those from its address.
    fn number_anew(&mut self, id: ConnectionId) -> Option<Name> {
        let address = self.connections.at(id).origin.address()?;
        let free = self.names.find_free(address, |slot| self.connections.name_in(slot))?;
        self.connections.at_mut(id).origin = crate::names::Origin::shown(free);
        Some(Name::Address(free))
    }

    /// Another node has used the token of a connection here.
    fn on_used_elsewhere(&mut self, mark: Mark, slot: Slot, serial: Serial) {
        let Some((id, connection)) = self.connections.in_slot(slot.index()) else { return };
        let key = connection.profile.as_deref().and_then(|profile| profile.key);
        if key.is_none_or(|key| Mark::of(key) != mark) {
            return;
        }
        let is_member = connection.member().is_some();
        if self.connections.serial(id) == serial && is_member {
            // What it had is kept for the question of that node, which may come later than the entry.
            self.close_with(id, Notice::Replaced, CloseReason::Replaced);
        }
    }

    /// A client that registers waits for the cluster's answer to its name.
    pub(super) fn resume_greeting(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.find(id) else { return };
        let waits = connection.inbound.door == Door::Irc
            && matches!(connection.state, State::Greeting(_))
            && connection.inbound.held.is_some();
        if waits {
            self.connections.at_mut(id).inbound.held = None;
            self.greet_irc(id);
        }
    }
}
