//! Holds, topics and modes in a cluster: a record of the stream sets them on every node, and the node of which it is
//! stores them for nodes that start later.

use serde::{Deserialize, Serialize};

use crate::cluster::holds::{self, Held, Kind, Whom};
use crate::cluster::record::{Author as Origin, Content};
use crate::cluster::shown;
use crate::cluster::snapshots::Head;
use crate::io::Io;
use crate::journal;
use crate::limits::{PREFIX_BYTES_MAX, SLOW_MAX, TOPIC_BYTES_MAX};
use crate::message::Notice;
use crate::moderation::{Hold, Modes, Topic, time};
use crate::names::{Name, RoomName};
use crate::outlet::Outlet;
use crate::room::Blocked;
use crate::server::Server;
use crate::server::speaker::Speaker;
use crate::time::UnixTime;
use crate::token::{ConnectionId, RoomId, Serial, Slot};

/// What stands before a room's name in the keys of its topic and its modes.
const TOPIC_KEY: &str = "topic.";
const MODES_KEY: &str = "modes.";

/// The topic of a room in the store. Without a text there is none.
#[derive(Serialize, Deserialize)]
struct TopicEntry {
    #[serde(flatten)]
    head: Head,
    #[serde(deserialize_with = "shown::text::deserialize")]
    text: Box<str>,
    #[serde(deserialize_with = "shown::author::deserialize")]
    by: Box<str>,
    at: u64,
}

/// The modes of a room in the store.
#[derive(Serialize, Deserialize)]
struct ModesEntry {
    #[serde(flatten)]
    head: Head,
    slow: u64,
    only: bool,
}

/// A record of this number, and the connection of this node that has caused it.
#[derive(Clone, Copy)]
pub(super) struct Cause {
    pub number: u64,
    pub is_own: bool,
    pub speaker: Option<ConnectionId>,
}

fn key(prefix: &str, room: RoomName) -> String {
    format!("{prefix}{}", room.as_str().to_ascii_lowercase())
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// Publishes a hold, or that one is lifted. It is done, and answered, when it comes back.
    pub(in crate::server) fn publish_hold(
        &mut self,
        speaker: &mut Speaker,
        content: Content<'_>,
    ) -> Result<(), Blocked> {
        if let Some(notice) = self.cut_off() {
            self.tell(speaker.id, notice);
            return Ok(());
        }
        let lobby = self.rooms.room(self.rooms.lobby()).name();
        self.publish_content(speaker, lobby, content).map(|_| ())
    }

    /// A record says that something is held, on every node.
    pub(super) fn apply_hold(&mut self, cause: Cause, held: &Held, by: Name) {
        let now = self.rooms.time().0;
        let Some(cluster) = &mut self.cluster else { return };
        let key = held.whom.key();
        if key.as_deref().is_some_and(|key| !cluster.people.snapshots.apply(key, cause.number)) {
            return;
        }
        let by_text = by.to_string();
        let hold = held.at(cluster.settings.node, &by_text);
        if hold.is_some_and(|hold| self.insert_hold(held.whom.what, hold, now).is_err()) {
            if let Some(id) = cause.speaker {
                self.tell_always(id, Notice::HoldsFull);
            }
            return;
        }
        if let Some((key, cluster)) = key.filter(|_| cause.is_own).zip(self.cluster.as_mut()) {
            cluster.people.snapshots.store(&key, cause.number, held.entry(cause.number, &by_text));
        }
        let shown = held.whom.to_string();
        let end = Hold { name: None, network: None, connection: None, until: held.until, by: "".into() };
        let end = end.end_shown().to_string();
        let member = self.connection_of(&held.whom).filter(|id| Some(*id) != cause.speaker);
        match held.whom.what {
            Kind::Ban => {
                if let Some(id) = cause.speaker {
                    self.tell_always(id, Notice::BannedOther { held: &shown, end: &end });
                }
            }
            Kind::Mute => {
                let time = held.seconds.map(|seconds| time::spell(std::time::Duration::from_secs(seconds)).to_string());
                if let Some(id) = member {
                    self.tell(id, Notice::MutedFor { time: time.as_deref() });
                }
                if let Some(id) = cause.speaker {
                    self.tell_always(id, Notice::MutedOther { held: &shown, end: &end });
                }
            }
        }
        let Whom { name, network, at, .. } = held.whom;
        let connection = at.is_some() && network.is_none();
        let logged = journal::Held { name, network, connection, addresses: self.journal.has_addresses() };
        self.report_hold(self.whom(by, None), held.whom.what, logged, held.until);
    }

    /// A record says that something is held no longer, on every node.
    pub(super) fn apply_lift(&mut self, cause: Cause, whom: &Whom, typed: &str, by: Name) {
        let now = self.rooms.time().0;
        let Some(cluster) = &mut self.cluster else { return };
        let node = cluster.settings.node;
        let snapshots = &mut cluster.people.snapshots;
        let keys: Vec<String> =
            snapshots.keys(holds::KEY).filter(|key| whom.is_lifted_with(key)).map(str::to_owned).collect();
        let mut is_late = false;
        for key in keys {
            is_late |= !snapshots.apply(&key, cause.number);
            if let Some(of_key) = Whom::of_key(&key).filter(|_| cause.is_own) {
                snapshots.store(&key, cause.number, holds::lifted_entry(&of_key, cause.number, now));
            }
        }
        if is_late {
            return;
        }
        let serial = whom.at.filter(|at| at.node == node).map(|at| at.serial);
        let lifted = self.remove_holds(whom, serial);
        let member = self.connection_of(whom).filter(|id| Some(*id) != cause.speaker && !lifted.is_empty());
        if let Some(id) = member.filter(|_| whom.what == Kind::Mute) {
            self.tell(id, Notice::Unmuted);
        }
        let verb = if whom.what == Kind::Ban { "unbanned" } else { "unmuted" };
        for hold in &lifted {
            let held = hold.to_string();
            if let Some(id) = cause.speaker {
                self.tell_always(id, Notice::Lifted { verb, held: &held });
            }
            self.report_lift(self.whom(by, None), whom.what, self.held(hold));
        }
        if let Some(id) = cause.speaker.filter(|_| lifted.is_empty()) {
            self.tell_always(id, Notice::NothingHeld { name: typed });
        }
    }

    /// The connection of this node that a hold is about.
    fn connection_of(&mut self, whom: &Whom) -> Option<ConnectionId> {
        let node = self.cluster.as_ref()?.settings.node;
        let at = whom.at.filter(|at| at.node == node)?;
        let (id, connection) = self.connections.in_slot(Slot(at.slot).index())?;
        let is_member = connection.member().is_some();
        (is_member && self.connections.serial(id) == Serial(at.serial)).then_some(id)
    }

    /// A record has set the topic of a room. False when something later has.
    pub(super) fn may_set_topic(&mut self, cause: Cause, room: RoomId) -> bool {
        let key = key(TOPIC_KEY, self.rooms.room(room).name());
        self.people().is_none_or(|people| people.snapshots.apply(&key, cause.number))
    }

    pub(super) fn may_set_modes(&mut self, cause: Cause, room: RoomId) -> bool {
        let key = key(MODES_KEY, self.rooms.room(room).name());
        self.people().is_none_or(|people| people.snapshots.apply(&key, cause.number))
    }

    /// Stores the topic that a record of this node has set.
    pub(super) fn store_topic(&mut self, cause: Cause, room: RoomId, by: &Origin) {
        let (now, room) = (self.rooms.time(), self.rooms.room(room));
        let (text, by) = match room.topic() {
            Some(topic) => (topic.text.clone(), topic.by.clone()),
            None => ("".into(), by.name.to_string().into()),
        };
        let over = text.is_empty().then_some(now.0);
        let entry = TopicEntry { head: Head { n: cause.number, over }, text, by, at: now.0 };
        self.store_entry(cause, &key(TOPIC_KEY, room.name()), &entry);
    }

    /// Stores the modes that a record of this node has set.
    pub(super) fn store_modes(&mut self, cause: Cause, room: RoomId) {
        let (now, room) = (self.rooms.time(), self.rooms.room(room));
        let modes = room.modes();
        let over = (modes == Modes::default()).then_some(now.0);
        let head = Head { n: cause.number, over };
        let entry = ModesEntry { head, slow: modes.slow_seconds, only: modes.only_operators };
        self.store_entry(cause, &key(MODES_KEY, room.name()), &entry);
    }

    fn store_entry(&mut self, cause: Cause, key: &str, entry: &impl Serialize) {
        if let Some(people) = self.people().filter(|_| cause.is_own) {
            let bytes = serde_json::to_vec(entry).expect("texts and numbers are JSON");
            people.snapshots.store(key, cause.number, bytes);
        }
    }

    /// An entry of the store about a hold or a room. It counts where this node has heard of nothing later.
    pub(super) fn on_snapshot(&mut self, key: &str, bytes: Option<&[u8]>, revision: u64) {
        let is_ours = [holds::KEY, TOPIC_KEY, MODES_KEY].iter().any(|prefix| key.starts_with(prefix));
        let Some(people) = self.people().filter(|_| is_ours) else { return };
        let is_later = people.snapshots.on_entry(key, bytes, revision);
        let Some(bytes) = bytes.filter(|_| is_later) else { return };
        if let Some(room) = key.strip_prefix(TOPIC_KEY).and_then(RoomName::parse) {
            self.take_topic(room, bytes);
        } else if let Some(room) = key.strip_prefix(MODES_KEY).and_then(RoomName::parse) {
            self.take_modes(room, bytes);
        } else if let Some((held, by)) = holds::read_entry(bytes) {
            let now = self.rooms.time().0;
            match (by, held.at(crate::cluster::link::NodeId(0), "")) {
                (Some(by), Some(hold)) => {
                    let _ = self.insert_hold(held.whom.what, Hold { by, ..hold }, now);
                }
                _ => {
                    self.remove_holds(&held.whom, None);
                }
            }
        }
    }

    fn take_topic(&mut self, name: RoomName, bytes: &[u8]) {
        let Ok(entry) = serde_json::from_slice::<TopicEntry>(bytes) else { return };
        let is_right = entry.text.len() <= TOPIC_BYTES_MAX && entry.by.len() <= PREFIX_BYTES_MAX;
        let Some(room) = self.find_or_open(name).filter(|room| is_right && self.may_keep(*room)) else { return };
        let topic = Topic { text: entry.text, by: entry.by, time: UnixTime(entry.at) };
        self.change_topic(room, Some(topic).filter(|topic| !topic.text.is_empty()));
        self.free_room_if_unused(room);
    }

    fn take_modes(&mut self, name: RoomName, bytes: &[u8]) {
        let Ok(entry) = serde_json::from_slice::<ModesEntry>(bytes) else { return };
        let Some(room) = self.find_or_open(name).filter(|room| self.may_keep(*room)) else { return };
        let slow_seconds = entry.slow.min(SLOW_MAX.as_secs());
        self.change_modes(room, |modes| *modes = Modes { slow_seconds, only_operators: entry.only });
        self.free_room_if_unused(room);
    }
}
