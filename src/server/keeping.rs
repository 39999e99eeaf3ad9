//! Keeping order: operators, whom they hold off, and what of it survives a restart.
//!
//! What is held is data in [`crate::moderation`]. A ban is looked up when a newcomer is accepted; those that are here
//! already are looked at a bounded number a turn, because there may be a million. A mute is looked up for each line,
//! which costs nothing while nobody is muted. Each action of an operator is one line of the server's log, without what
//! anybody has said.

use std::time::Duration;

use super::Server;
use super::speaker::{Done, Speaker};
use crate::cluster::holds::{At, Held, Kind, Whom};
use crate::cluster::record::Content;
use crate::cluster::told::{Question, Reply};
use crate::counters::{CloseReason, Counter};
use crate::flood::Rate;
use crate::io::Io;
use crate::journal::{LogEvent, LogField, Value};
use crate::limits::{
    BAN_LOOKS_PER_TURN, GOODBYES_PER_TURN, LIST_PAGE_ENTRIES, SLOW_MAX, STATE_ROOMS_MAX, TOPIC_BYTES_MAX,
    WRONG_KEY_BURST, WRONG_KEY_LINES,
};
use crate::message::{Body, Event, Notice};
use crate::moderation::{
    Hold, Holds, HoldsFull, Keeper, Kept, Modes, Network, OperatorKey, Report, RoomState, State, Topic, Upkeep, time,
};
use crate::motd::Motd;
use crate::names::{MemberName, Name};
use crate::outlet::Outlet;
use crate::pieces::fifo::Fifo;
use crate::room::Blocked;
use crate::token::{ConnectionId, RoomId};

/// What a server knows of order.
#[derive(Debug, Default)]
pub struct Keeping {
    /// `None`: nobody can become an operator.
    key: Option<OperatorKey>,
    /// How often the key has become another.
    key_changes: u32,
    pub motd: Option<Motd>,
    bans: Holds,
    mutes: Holds,
    /// The next slot to be looked at for somebody who is banned; `None` when all were.
    ban_look: Option<usize>,
    /// Rooms with a topic or a mode, which are kept.
    rooms: std::collections::BTreeSet<RoomId>,
    /// An announcement, and the rooms that it was not said in yet.
    announcement: Option<(Box<str>, Fifo<RoomId>)>,
    upkeep: Upkeep,
    keeper: Option<Box<dyn Keeper>>,
}

impl Keeping {
    /// Memory in use for holds, in bytes.
    pub fn footprint(&self) -> usize {
        self.bans.footprint() + self.mutes.footprint()
    }

    /// Takes the key that its file has now. True when it is another, so that nobody is an operator: a key is changed
    /// because somebody has it who should not.
    pub fn change_key(&mut self, key: OperatorKey) -> bool {
        let is_another = self.key.as_ref() != Some(&key);
        self.key = Some(key);
        self.key_changes = self.key_changes.wrapping_add(u32::from(is_another));
        is_another
    }

    /// Whether whoever has shown this key is an operator.
    pub fn is_key(&self, shown: Option<u32>) -> bool {
        shown == Some(self.key_changes)
    }

    /// True while members are to be looked at, or an announcement is under way.
    pub fn has_work(&self) -> bool {
        self.ban_look.is_some() || self.announcement.is_some()
    }

    /// When [`Server::keep_order`] has something to do although nothing has happened.
    pub fn deadline(&self) -> Option<std::time::Instant> {
        self.upkeep.deadline()
    }
}

/// What an operator types to take the topic away.
const NO_TOPIC: &str = "-";

impl<I: Io, W: Outlet> Server<I, W> {
    /// Takes what an operator has prepared, and what an earlier server has kept. To be called before the first turn.
    pub fn keep_order_with(&mut self, kept: Kept, keeper: Option<Box<dyn Keeper>>) {
        let State { bans, mutes, rooms } = kept.state;
        for RoomState { name, topic, modes } in rooms {
            let Some(room) = self.rooms.find_or_open(name) else { continue };
            self.rooms.room_mut(room).set_topic(topic);
            self.rooms.room_mut(room).set_modes(modes);
            self.keeping.rooms.insert(room);
        }
        self.keeping.key = kept.operator_key;
        self.keeping.motd = kept.motd;
        (self.keeping.bans, self.keeping.mutes) = (Holds::of(bans), Holds::of(mutes));
        self.keeping.keeper = keeper;
    }

    /// The server has stopped: waits until the state is kept.
    pub fn finish_state(&mut self) -> std::io::Result<()> {
        let last = self.keeping.upkeep.has_changes().then(|| self.state());
        self.keeping.keeper.take().map_or(Ok(()), |keeper| keeper.finish(last))
    }

    /// Once a turn: looks at some members for those that are banned, goes on with an announcement, and hands the state
    /// to its keeper if it has changed.
    pub(super) fn keep_order(&mut self) {
        self.close_banned();
        self.go_on_announcing();
        if self.keeping.upkeep.deadline().is_some_and(|due| due <= self.now)
            && let Some(mut keeper) = self.keeping.keeper.take()
        {
            let mut upkeep = std::mem::take(&mut self.keeping.upkeep);
            let report = upkeep.turn(self.now, &mut keeper, || self.state());
            self.keeping.upkeep = upkeep;
            self.keeping.keeper = Some(keeper);
            match report {
                None => {}
                Some(Report::Failed(error)) => {
                    let text = format_args!("--state: not kept, tried again every second: {error}");
                    self.report_error(LogEvent::StateNotKept, text, &error);
                }
                Some(Report::Mended) => self.report(LogEvent::StateKept, format_args!("--state: kept again")),
            }
        }
    }

    /// What is to survive a restart.
    fn state(&self) -> State {
        let now = self.rooms.time().0;
        let rooms = self.keeping.rooms.iter().map(|id| {
            let room = self.rooms.room(*id);
            RoomState { name: room.name(), topic: room.topic().cloned(), modes: room.modes() }
        });
        let rooms = rooms.collect();
        State { bans: self.keeping.bans.to_keep(now), mutes: self.keeping.mutes.to_keep(now), rooms }
    }

    fn on_state_changed(&mut self) {
        if self.keeping.keeper.is_some() {
            self.keeping.upkeep.on_change(self.now);
        }
    }

    /// The ban that a newcomer from `ip` is under.
    pub(super) fn ban_of_newcomer(&self, ip: std::net::IpAddr) -> Option<&Hold> {
        self.keeping.bans.find(ip, None, None, self.rooms.time().0)
    }

    /// True when nobody may have a name.
    pub(super) fn is_name_banned(&self, name: MemberName) -> bool {
        // An address that nobody holds, so that the name alone decides.
        let nowhere = std::net::Ipv4Addr::UNSPECIFIED.into();
        self.keeping.bans.find(nowhere, Some(name), None, self.rooms.time().0).is_some()
    }

    /// Why a member may say nothing now, if it may not.
    pub(super) fn silenced(&self, speaker: &Speaker) -> Option<Notice<'static>> {
        if self.is_muted(speaker) {
            return Some(Notice::Muted);
        }
        let modes = self.rooms.room_with(speaker.member).modes();
        (modes.only_operators && !self.is_operator(speaker.id)).then_some(Notice::OperatorsOnly)
    }

    pub(super) fn is_muted(&self, speaker: &Speaker) -> bool {
        if self.keeping.mutes.is_empty() {
            return false;
        }
        let serial = self.connections.serial(speaker.id).0;
        self.keeping.mutes.find(speaker.ip, speaker.name.chosen(), Some(serial), self.rooms.time().0).is_some()
    }

    /// A connection has ended: what holds nothing else goes with it.
    pub(super) fn forget_holds_of(&mut self, serial: u64) {
        self.keeping.bans.forget_connection(serial);
        self.keeping.mutes.forget_connection(serial);
    }

    /// A room is freed.
    pub(super) fn forget_kept_room(&mut self, room: RoomId) {
        self.keeping.rooms.remove(&room);
    }

    /// Closes those of some members that are banned.
    fn close_banned(&mut self) {
        let Some(first) = self.keeping.ban_look else { return };
        let end = (first + BAN_LOOKS_PER_TURN).min(self.connections.slots());
        let now = self.rooms.time().0;
        for slot in first..end {
            let Some((id, connection)) = self.connections.in_slot(slot) else { continue };
            if connection.is_closing() {
                continue;
            }
            let (ip, name) = (connection.origin.ip, connection.name());
            let serial = self.connections.serial(id).0;
            if let Some(hold) = self.keeping.bans.find(ip, name.chosen(), Some(serial), now) {
                let end = hold.end_shown().to_string();
                self.close_with(id, Notice::Banned { end: &end }, CloseReason::Banned);
            }
        }
        self.keeping.ban_look = (end < self.connections.slots()).then_some(end);
    }

    /// Says an announcement in some of the rooms that have not heard it.
    fn go_on_announcing(&mut self) {
        let Some((text, mut rooms)) = self.keeping.announcement.take() else { return };
        for _ in 0..rooms.len().min(GOODBYES_PER_TURN) {
            let room = rooms.pop_front().expect("they were counted");
            let body = Body::Announcement { text: text.as_bytes() };
            if self.rooms.exists(room) && self.rooms.say(room, body).is_err() {
                rooms.push_back(room);
            }
        }
        if !rooms.is_empty() && !self.phase.is_stopping() {
            self.keeping.announcement = Some((text, rooms));
        }
    }

    /// A member types the operators' key, or what it takes for it.
    pub(super) fn become_operator(&mut self, speaker: &mut Speaker, typed: &str) -> Result<(), Blocked> {
        let Some(key) = &self.keeping.key else {
            self.tell(speaker.id, Notice::NoOperators);
            return Ok(());
        };
        let is_right = key.matches(typed.as_bytes());
        let rate = Rate::new(1, WRONG_KEY_BURST).expect("it is not 0");
        let profile = self.connections.at_mut(speaker.id).profile_mut();
        // Also the right key has to wait, so that nothing is learnt from who has to.
        profile.keys.allows(rate, 1.0, self.now).map_err(Blocked::OverRate)?;
        if is_right {
            profile.operator = Some(self.keeping.key_changes);
            self.tell(speaker.id, Notice::Operator);
            self.report_action_of(speaker, "operator", format_args!("is an operator"), &[]);
        } else {
            profile.keys.take(rate, 1.0, self.now);
            self.counters.add(Counter::WrongKeys, 1);
            self.report_wrong_key(speaker);
            self.charge(speaker, WRONG_KEY_LINES);
            self.tell(speaker.id, Notice::WrongKey);
        }
        Ok(())
    }

    /// An operator has set something of a room.
    fn report_setting(&mut self, speaker: &Speaker, what: &str, room: RoomId) {
        let name = self.rooms.room(room).name();
        let fields = [(LogField::Room, Value::Text(&name))];
        self.report_action_of(speaker, what, format_args!("set the {what} of {name}"), &fields);
    }

    pub(super) fn kick(&mut self, speaker: &Speaker, name: &str, why: &str) -> Result<Done, Blocked> {
        let Some(other) = self.find_member(name) else {
            let kicked = self.kick_elsewhere(speaker, name, why)?;
            match kicked {
                Some(shown) => {
                    self.tell(speaker.id, Notice::KickedOther { name: shown });
                    let (by, whom) =
                        (self.whom(speaker.name, Some(speaker.received.public_id)), self.whom(shown, None));
                    self.report_kick(by, whom, ", at another node");
                }
                None => {
                    self.tell(speaker.id, Notice::Nobody { name });
                }
            }
            return Ok(Done::Taken);
        };
        if other == speaker.id {
            return Ok(Done::Leaves);
        }
        let shown = self.connections.at(other).name();
        self.close_with(other, Notice::Kicked { by: speaker.name, why }, CloseReason::Kicked);
        self.tell(speaker.id, Notice::KickedOther { name: shown });
        let id = self.public_id(other);
        let (by, whom) = (self.whom(speaker.name, Some(speaker.received.public_id)), self.whom(shown, Some(id)));
        self.report_kick(by, whom, "");
        Ok(Done::Taken)
    }

    fn kick_elsewhere(&mut self, speaker: &Speaker, name: &str, why: &str) -> Result<Option<Name>, Blocked> {
        let Some(name) = Name::parse(name).filter(|_| self.cluster.is_some()) else { return Ok(None) };
        let answer = self.ask(speaker.id, &Question::Kick { name, by: speaker.name, why: why.into() })?;
        Ok(answer.and_then(|answer| if let Reply::Kicked { name } = answer.reply { Some(name) } else { None }))
    }

    pub(super) fn mute(&mut self, speaker: &mut Speaker, name: &str, time: Option<Duration>) -> Result<(), Blocked> {
        self.hold(speaker, Kind::Mute, name, time)
    }

    pub(super) fn ban(&mut self, speaker: &mut Speaker, whom: &str, time: Option<Duration>) -> Result<(), Blocked> {
        self.hold(speaker, Kind::Ban, whom, time)
    }

    /// Holds a member that is here, or a name that nobody has, or, as a ban, a network.
    fn hold(&mut self, speaker: &mut Speaker, kind: Kind, whom: &str, time: Option<Duration>) -> Result<(), Blocked> {
        let now = self.rooms.time().0;
        let (until, by) = (time::end(now, time), speaker.name.to_string());
        let member = self.find_member(whom);
        let elsewhere = match member {
            None if self.cluster.is_some() => self.ask_where(speaker.id, Name::parse(whom))?,
            _ => None,
        };
        let hold = if let Some((_, here)) = &elsewhere {
            Hold::of_member(here.name, here.ip, here.serial, until, &by)
        } else if let Some(id) = member {
            let connection = self.connections.at(id);
            let name = connection.name().chosen();
            Hold::of_member(name, connection.origin.ip, self.connections.serial(id).0, until, &by)
        } else if let Some(name) = MemberName::parse(whom) {
            Hold::of_name(name, until, &by)
        } else if kind == Kind::Mute {
            self.tell(speaker.id, Notice::Nobody { name: whom });
            return Ok(());
        } else {
            match Network::parse(whom) {
                Ok(network) => Hold::of_network(network, until, &by),
                Err(error) => {
                    self.tell(speaker.id, Notice::NoNetwork { why: &error.to_string() });
                    return Ok(());
                }
            }
        };
        if let Some(cluster) = &self.cluster {
            let at = match (elsewhere, member) {
                (Some((answer, here)), _) => Some(At { node: answer.by, slot: here.slot, serial: here.serial }),
                (None, Some(id)) => {
                    let (node, serial) = (cluster.settings.node, self.connections.serial(id).0);
                    Some(At { node, slot: id.slot.0, serial })
                }
                (None, None) => None,
            };
            let whom = Whom { what: kind, name: hold.name, network: hold.network, at };
            let held = Held { whom, until, seconds: time.map(|time| time.as_secs()) };
            return self.publish_hold(speaker, Content::Hold(held));
        }
        let (held, end) = (hold.to_string(), hold.end_shown().to_string());
        let by = self.whom(speaker.name, Some(speaker.received.public_id));
        let logged = self.held(&hold);
        if self.insert_hold(kind, hold, now).is_err() {
            self.tell(speaker.id, Notice::HoldsFull);
            return Ok(());
        }
        if kind == Kind::Ban {
            self.tell(speaker.id, Notice::BannedOther { held: &held, end: &end });
        } else {
            if let Some(id) = member.filter(|id| *id != speaker.id) {
                let time = time.map(|time| time::spell(time).to_string());
                self.tell(id, Notice::MutedFor { time: time.as_deref() });
            }
            self.tell(speaker.id, Notice::MutedOther { held: &held, end: &end });
        }
        self.report_hold(by, kind, logged, until);
        Ok(())
    }

    /// Something is held from now on.
    pub(super) fn insert_hold(&mut self, kind: Kind, hold: Hold, now_ms: u64) -> Result<(), HoldsFull> {
        let holds = match kind {
            Kind::Ban => &mut self.keeping.bans,
            Kind::Mute => &mut self.keeping.mutes,
        };
        holds.insert(hold, now_ms)?;
        if kind == Kind::Ban {
            self.keeping.ban_look = Some(0);
        }
        self.on_state_changed();
        Ok(())
    }

    /// Lets go of all that is held of a name, a network and a connection here, and says what it was.
    pub(super) fn remove_holds(&mut self, whom: &Whom, serial: Option<u64>) -> Vec<Hold> {
        let holds = match whom.what {
            Kind::Ban => &mut self.keeping.bans,
            Kind::Mute => &mut self.keeping.mutes,
        };
        let mut lifted = whom.name.map_or_else(Vec::new, |name| holds.remove_name(name.as_str()));
        lifted.extend(serial.map_or_else(Vec::new, |serial| holds.remove_connection(serial)));
        lifted.extend(whom.network.map_or_else(Vec::new, |network| holds.remove_network(network)));
        if !lifted.is_empty() {
            self.on_state_changed();
        }
        lifted
    }

    /// Lets go, on all nodes, of what is held of a member, or of a name or a network.
    fn lift(&mut self, speaker: &mut Speaker, what: Kind, typed: &str) -> Result<(), Blocked> {
        let member = self.find_member(typed).filter(|_| what == Kind::Mute);
        let elsewhere = match member {
            None if what == Kind::Mute => self.ask_where(speaker.id, Name::parse(typed))?,
            _ => None,
        };
        let node = self.cluster.as_ref().map(|cluster| cluster.settings.node);
        let (ip, at) = match (elsewhere, member) {
            (Some((answer, here)), _) => {
                (Some(here.ip), Some(At { node: answer.by, slot: here.slot, serial: here.serial }))
            }
            (None, Some(id)) => {
                let (ip, serial) = (self.connections.at(id).origin.ip, self.connections.serial(id).0);
                (Some(ip), node.map(|node| At { node, slot: id.slot.0, serial }))
            }
            (None, None) => (None, None),
        };
        let network = match what {
            Kind::Mute => ip.and_then(Network::of_subscriber),
            Kind::Ban => Network::parse(typed).ok(),
        };
        let whom = Whom { what, name: MemberName::parse(typed), network, at };
        self.publish_hold(speaker, Content::Lift(whom, typed.into()))
    }

    pub(super) fn unmute(&mut self, speaker: &mut Speaker, name: &str) -> Result<(), Blocked> {
        if self.cluster.is_some() {
            return self.lift(speaker, Kind::Mute, name);
        }
        let member = self.find_member(name);
        let mut lifted = self.keeping.mutes.remove_name(name);
        if let Some(id) = member {
            let (ip, serial) = (self.connections.at(id).origin.ip, self.connections.serial(id).0);
            lifted.extend(self.keeping.mutes.remove_connection(serial));
            if let Some(network) = Network::of_subscriber(ip) {
                lifted.extend(self.keeping.mutes.remove_network(network));
            }
        }
        if let Some(id) = member.filter(|id| *id != speaker.id && !lifted.is_empty()) {
            self.tell(id, Notice::Unmuted);
        }
        self.on_lifted(speaker, Kind::Mute, name, &lifted);
        Ok(())
    }

    pub(super) fn unban(&mut self, speaker: &mut Speaker, whom: &str) -> Result<(), Blocked> {
        if self.cluster.is_some() {
            return self.lift(speaker, Kind::Ban, whom);
        }
        let mut lifted = self.keeping.bans.remove_name(whom);
        if let Ok(network) = Network::parse(whom) {
            lifted.extend(self.keeping.bans.remove_network(network));
        }
        self.on_lifted(speaker, Kind::Ban, whom, &lifted);
        Ok(())
    }

    fn on_lifted(&mut self, speaker: &Speaker, kind: Kind, name: &str, lifted: &[Hold]) {
        if lifted.is_empty() {
            self.tell(speaker.id, Notice::NothingHeld { name });
            return;
        }
        self.on_state_changed();
        for hold in lifted {
            let held = hold.to_string();
            let verb = if kind == Kind::Ban { "unbanned" } else { "unmuted" };
            self.tell(speaker.id, Notice::Lifted { verb, held: &held });
            let by = self.whom(speaker.name, Some(speaker.received.public_id));
            self.report_lift(by, kind, self.held(hold));
        }
    }

    pub(super) fn list_bans(&mut self, id: ConnectionId, page: u64) -> Result<(), Blocked> {
        self.await_empty(id)?;
        let at = usize::try_from(page).unwrap_or(usize::MAX);
        let lines: Vec<String> =
            self.keeping.bans.page(at, LIST_PAGE_ENTRIES).map(|hold| hold.listed().to_string()).collect();
        let listed: Vec<Notice<'_>> = lines.iter().map(|line| Notice::BanListed { line }).collect();
        self.tell_page(id, &listed, page, self.keeping.bans.len());
        Ok(())
    }

    /// An operator sets or takes away the topic.
    pub(super) fn set_topic(&mut self, speaker: &mut Speaker, text: &str) -> Result<Done, Blocked> {
        if text.len() > TOPIC_BYTES_MAX {
            self.tell(speaker.id, Notice::TopicTooLong { bytes_max: TOPIC_BYTES_MAX });
            return Ok(Done::Passed);
        }
        let room = self.rooms.room_of(speaker.member);
        if !self.may_keep(room) {
            self.tell(speaker.id, Notice::NoMoreKept);
            return Ok(Done::Passed);
        }
        let text = if text == NO_TOPIC { "" } else { text };
        let done = self.say(speaker, Body::Topic { name: speaker.name, text: text.as_bytes() })?;
        if self.cluster.is_none() {
            let by = speaker.name.to_string().into_boxed_str();
            let topic = Topic { text: text.into(), by, time: self.rooms.time() };
            self.change_topic(room, Some(topic).filter(|_| !text.is_empty()));
            self.tell_topic_set(speaker.id, text);
        }
        self.report_setting(speaker, "topic", room);
        Ok(done)
    }

    pub(super) fn set_slow(&mut self, speaker: &mut Speaker, seconds: u64) -> Result<(), Blocked> {
        let seconds = seconds.min(SLOW_MAX.as_secs());
        let event = Event::Slow { name: speaker.name, seconds };
        self.set_modes(speaker, event, |modes| modes.slow_seconds = seconds)
    }

    pub(super) fn set_only(&mut self, speaker: &mut Speaker, operators: bool) -> Result<(), Blocked> {
        let event = Event::Only { name: speaker.name, operators };
        self.set_modes(speaker, event, |modes| modes.only_operators = operators)
    }

    fn set_modes(
        &mut self,
        speaker: &mut Speaker,
        event: Event,
        change: impl FnOnce(&mut Modes),
    ) -> Result<(), Blocked> {
        let room = self.rooms.room_of(speaker.member);
        if !self.may_keep(room) {
            self.tell(speaker.id, Notice::NoMoreKept);
            return Ok(());
        }
        if let Some(notice) = self.cut_off() {
            self.tell(speaker.id, notice);
            return Ok(());
        }
        if self.cluster.is_some() {
            self.publish(speaker, &Body::Event(event))?;
        } else {
            self.rooms.announce(room, Some(speaker.who().id), event)?;
            self.change_modes(room, change);
        }
        self.report_setting(speaker, "modes", room);
        Ok(())
    }

    /// A room has another topic from now on, or none.
    pub(super) fn change_topic(&mut self, room: RoomId, topic: Option<Topic>) {
        self.rooms.room_mut(room).set_topic(topic);
        self.on_room_changed(room);
    }

    /// Tells whoever set a topic of it.
    pub(super) fn tell_topic_set(&mut self, id: ConnectionId, text: &str) {
        let connection = self.connections.at(id);
        let Some(member) = connection.member() else { return };
        if connection.inbound.encoding.is_irc() {
            self.tell_own_topic(id, text);
        } else {
            self.tell_topic(id, member, true);
        }
    }

    /// A room has other modes from now on.
    pub(super) fn change_modes(&mut self, room: RoomId, change: impl FnOnce(&mut Modes)) {
        let mut modes = self.rooms.room(room).modes();
        change(&mut modes);
        self.rooms.room_mut(room).set_modes(modes);
        self.on_room_changed(room);
    }

    /// True when one more room may have a topic or a mode, or this one has one already.
    pub(super) fn may_keep(&self, room: RoomId) -> bool {
        self.keeping.rooms.contains(&room) || self.keeping.rooms.len() < STATE_ROOMS_MAX
    }

    /// The topic or the modes of a room have changed.
    fn on_room_changed(&mut self, id: RoomId) {
        let room = self.rooms.room(id);
        if room.topic().is_some() || room.modes() != Modes::default() {
            self.keeping.rooms.insert(id);
        } else {
            self.keeping.rooms.remove(&id);
        }
        self.on_state_changed();
    }

    /// An operator says something in every room.
    pub(super) fn announce_to_all(&mut self, speaker: &mut Speaker, text: &str) -> Result<(), Blocked> {
        if self.keeping.announcement.is_some() {
            self.tell(speaker.id, Notice::AnnouncementUnderWay);
            return Ok(());
        }
        if let Some(notice) = self.cut_off() {
            self.tell(speaker.id, notice);
            return Ok(());
        }
        if self.cluster.is_some() {
            self.publish(speaker, &Body::Announcement { text: text.as_bytes() })?;
            self.tell(speaker.id, Notice::Announced { rooms: self.rooms.count() as u64 });
        } else {
            let mut rooms = Fifo::new();
            self.rooms.ids().for_each(|room| rooms.push_back(room));
            self.tell(speaker.id, Notice::Announced { rooms: rooms.len() as u64 });
            self.keeping.announcement = Some((text.into(), rooms));
        }
        self.report_action_of(speaker, "announcement", format_args!("made an announcement"), &[]);
        Ok(())
    }
}
