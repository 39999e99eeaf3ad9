//! The rooms of a server, and the order in which they send. Members of all rooms stand in one slab.
//!
//! Rooms with something to send stand in a queue and send one batch each, so a room of five never waits for a room of a
//! million. A room is found by its name, and is freed once nobody is in it and nothing is kept of it.

mod mark;
mod quiet;
mod ranking;
#[cfg(test)]
mod shared;
mod survey;
mod whole;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

pub use mark::Mark;
use quiet::Quiet;
use ranking::Ranking;
pub use survey::Found;
use survey::Survey;
use whole::Whole;

use crate::config::RoomSettings;
use crate::flood::Bucket;
use crate::limits::{HEARTBEAT_AFTER, HEARTBEATS_PER_TURN, LOBBY, QUIET_LOOKS_MAX};
use crate::message::{Body, Event};
use crate::names::{Name, RoomName};
use crate::pieces::fifo::Fifo;
use crate::pieces::hashed::Hashed;
use crate::pieces::slots::Slots;
use crate::random::Permutation;
use crate::room::budget::LogBudget;
use crate::room::feed::Feed;
use crate::room::log::Log;
use crate::room::members::{Members, Place};
use crate::room::{Author, Batch, Blocked, Counts, Gap, Longest, MemberId, Newcomer, Room, Who};
use crate::time::UnixTime;
use crate::token::{ConnectionId, PublicId, RoomId, TableId};
use crate::wire::Encoding;

#[derive(Debug)]
struct Entry {
    room: Room,
    /// True exactly when the room is in `turns`.
    queued: bool,
    /// True exactly when the room is in `deadlines`.
    timed: bool,
    /// True exactly when the room is in `skipping`.
    skipping: bool,
    /// True exactly when the room is in `spoken`.
    spoken: bool,
    /// When it is looked at for silence among those who read frames: its place in `beats`.
    beats_at: Option<Instant>,
}

/// What tells a room of a cluster from rooms of other streams with its name. All nodes reckon it alike (FNV-1a).
fn epoch_in(stream: u64, name: RoomName) -> PublicId {
    let name = name.as_str().bytes().map(|byte| byte.to_ascii_lowercase());
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    PublicId(stream.to_le_bytes().into_iter().chain(name).fold(0xcbf2_9ce4_8422_2325, mix))
}

#[derive(Debug)]
pub struct Rooms {
    rooms: Slots<Entry>,
    members: Members,
    settings: RoomSettings,
    /// Most rooms at a time.
    rooms_max: usize,
    by_name: Hashed<RoomId>,
    hasher: RandomState,
    ranking: Ranking,
    /// How many rooms were opened.
    opened: u64,
    /// What makes numbers that members see of these.
    numbers: Permutation,
    /// Rooms with something to send, in the order of their turns. A room leaves the queue when its turn comes and it
    /// has nothing to send.
    turns: VecDeque<RoomId>,
    deadlines: BinaryHeap<Reverse<(Instant, RoomId)>>,
    /// Rooms in which somebody reads frames.
    beats: BTreeSet<(Instant, RoomId)>,
    /// Rooms with more members to be skipped than may be skipped in a turn.
    skipping: VecDeque<RoomId>,
    /// What is left of the settings' `rate`, which all rooms share.
    fan_out: Bucket,
    /// Rooms with members.
    occupied: usize,
    /// Members to be closed because they fell off the log of their room.
    fallen: Fifo<ConnectionId>,
    /// Rooms whose logs have memory, those first in which nobody spoke for the longest.
    quiet: Quiet,
    /// The room that every connection joins first.
    lobby: RoomId,
    /// Where connections stand that have joined no room. It is in no list and has no name that is found.
    hall: RoomId,
    /// Rooms beside the lobby in which something was said, while that is noted.
    spoken: VecDeque<RoomId>,
    notes_spoken: bool,
    /// A room that is not freed for now.
    kept: Option<RoomId>,
    /// What was counted in rooms that were freed.
    gone: Counts,
    survey: Option<Survey>,
    /// See [`Rooms::appended`].
    appended: u64,
    /// Present in a cluster: when its stream was made, 0 while that is not known.
    stream: Option<u64>,
    /// Present in a cluster, from when other nodes are told of rooms.
    whole: Option<Box<Whole>>,
}

impl Rooms {
    /// Begins with one room, the lobby, and has `rooms_max` at most. `numbers` makes numbers that members see.
    pub fn new(settings: RoomSettings, rooms_max: usize, numbers: Permutation) -> Self {
        let mut rooms = Self {
            rooms: Slots::new(rooms_max.max(1) + 1),
            members: Members::new(settings.members_max),
            settings,
            rooms_max: rooms_max.max(1),
            by_name: Hashed::new(rooms_max),
            hasher: RandomState::new(),
            ranking: Ranking::default(),
            opened: 0,
            numbers,
            turns: VecDeque::new(),
            deadlines: BinaryHeap::new(),
            beats: BTreeSet::new(),
            skipping: VecDeque::new(),
            fan_out: Bucket::default(),
            occupied: 0,
            fallen: Fifo::new(),
            quiet: Quiet::default(),
            lobby: RoomId(0),
            hall: RoomId(0),
            spoken: VecDeque::new(),
            notes_spoken: false,
            kept: None,
            gone: Counts::default(),
            survey: None,
            appended: 0,
            stream: None,
            whole: None,
        };
        rooms.members.log_budget = LogBudget::new(settings.logs_bytes);
        let lobby = RoomName::parse(LOBBY).expect("it is a name");
        rooms.lobby = rooms.open(lobby).expect("there may be one room");
        rooms.hall = rooms.make(|id, settings| Room::hall(id, (lobby, PublicId(0)), settings));
        rooms
    }

    /// A room that nobody finds yet.
    fn make(&mut self, make: impl FnOnce(RoomId, RoomSettings) -> Room) -> RoomId {
        let settings = self.settings;
        RoomId(self.rooms.insert_with(|index| Entry {
            room: make(RoomId(index), settings),
            queued: false,
            timed: false,
            skipping: false,
            spoken: false,
            beats_at: None,
        }))
    }

    /// The room with this name.
    pub fn find(&self, name: RoomName) -> Option<RoomId> {
        self.by_name.find(self.hasher.hash_one(name), |id| self.room(*id).name() == name).copied()
    }

    /// The room with this name, which is opened if there is none. `None` when there are as many as there may be. In a
    /// cluster its name is in lower case, as it is on the other nodes.
    pub fn find_or_open(&mut self, name: RoomName) -> Option<RoomId> {
        self.find(name).or_else(|| self.open(name))
    }

    /// Opens a room, which no other may have the name of. `None` when there are as many as there may be.
    pub fn open(&mut self, name: RoomName) -> Option<RoomId> {
        // The hall is not counted.
        if self.ranking.len() >= self.rooms_max {
            return None;
        }
        let name = if self.stream.is_some() { name.in_lower_case() } else { name };
        self.opened += 1;
        let epoch = match self.stream {
            Some(stream) if stream > 0 => epoch_in(stream, name),
            _ => PublicId(self.numbers.apply(self.opened | 1 << 63, PublicId::HALF_BITS)),
        };
        let id = self.make(|id, settings| Room::new(id, (name, epoch), settings));
        if self.stream.is_some() {
            self.rooms[id.0].room.join_cluster();
        }
        let (hasher, rooms) = (&self.hasher, &self.rooms);
        self.by_name.insert(hasher.hash_one(name), id, |id| hasher.hash_one(rooms[id.0].room.name()));
        self.ranking.insert(id);
        self.look_elsewhere(id);
        Some(id)
    }

    /// A room stays while it is kept, also when nobody is in it.
    pub fn keep(&mut self, id: RoomId, kept: bool) {
        self.kept = kept.then_some(id);
    }

    /// True when there is a room of this id.
    pub fn exists(&self, id: RoomId) -> bool {
        self.rooms.find(id.0).is_some()
    }

    /// From now on these are the rooms of a cluster: their messages have its numbers, and a room stays as long as it has
    /// a log.
    pub fn join_cluster(&mut self) {
        self.stream = Some(0);
        for id in self.ids().collect::<Vec<_>>() {
            self.rooms[id.0].room.join_cluster();
        }
    }

    /// The cluster's stream was made at this time, by which its rooms are told from others.
    pub fn set_stream(&mut self, created: u64) {
        self.stream = Some(created);
        for id in self.ids().collect::<Vec<_>>() {
            let room = &mut self.rooms[id.0].room;
            room.set_epoch(epoch_in(created, room.name()));
        }
    }

    /// A room of a cluster that nobody here is in, and that can be made anew: one of those in which nothing was said for
    /// the longest.
    pub fn idle(&self) -> Option<RoomId> {
        self.stream?;
        let mut next = self.quiet.first();
        for _ in 0..QUIET_LOOKS_MAX {
            let id = next?;
            if id != self.lobby && id != self.hall && self.room(id).is_unused() {
                return Some(id);
            }
            next = self.quiet.next(id);
        }
        None
    }

    /// True when a room is freed as soon as nobody is in it.
    fn is_transient(&self, id: RoomId) -> bool {
        self.stream.is_none() || self.room(id).log_bytes() == 0
    }

    /// Frees a room if it is unused, after a last look at it. The lobby stays. True when it was freed.
    pub fn close_unused(&mut self, id: RoomId, last_look: &mut dyn FnMut(&Room)) -> bool {
        self.is_transient(id) && self.close_idle(id, last_look)
    }

    /// The same, also when it has a log of the cluster.
    pub fn close_idle(&mut self, id: RoomId, last_look: &mut dyn FnMut(&Room)) -> bool {
        if id == self.lobby || id == self.hall || self.kept == Some(id) || !self.room(id).is_unused() {
            return false;
        }
        let name = self.room(id).name();
        let (hasher, rooms) = (&self.hasher, &self.rooms);
        let hash_of = |id: &RoomId| hasher.hash_one(rooms[id.0].room.name());
        self.by_name.remove(hasher.hash_one(name), |other| *other == id, hash_of).expect("a room has a name");
        self.ranking.set(id, 0);
        self.ranking.remove(id);
        let entry = self.rooms.remove(id.0);
        if entry.queued {
            self.turns.retain(|other| *other != id);
        }
        if entry.timed {
            self.deadlines.retain(|Reverse((_, other))| *other != id);
        }
        if let Some(due) = entry.beats_at {
            self.beats.remove(&(due, id));
        }
        if entry.skipping {
            self.skipping.retain(|other| *other != id);
        }
        if entry.spoken {
            self.spoken.retain(|other| *other != id);
        }
        self.quiet.remove(id);
        last_look(&entry.room);
        let counts = entry.room.close(&mut self.members);
        self.gone.add(counts);
        if let Some(survey) = &mut self.survey {
            survey.on_freed(id, counts);
        }
        true
    }

    /// From now on [`Rooms::next_spoken`] tells in which rooms something was said.
    pub fn note_spoken(&mut self) {
        self.notes_spoken = true;
    }

    /// A room that is not the lobby, in which something was said since it was last returned.
    pub fn next_spoken(&mut self) -> Option<RoomId> {
        let id = self.spoken.pop_front()?;
        self.rooms[id.0].spoken = false;
        Some(id)
    }

    /// Rooms, and the number of them: those of a page of the list, largest first. Pages are counted from 1.
    pub fn page(&self, page: u64, page_entries: usize) -> (impl Iterator<Item = &Room>, usize) {
        let start = usize::try_from(page - 1).unwrap_or(usize::MAX).saturating_mul(page_entries);
        (self.ranking.from(start).take(page_entries).map(|id| self.room(id)), self.ranking.len())
    }

    /// All rooms, the largest first.
    pub fn largest(&self) -> impl Iterator<Item = RoomId> {
        self.ranking.from(0)
    }

    /// How many rooms there are.
    pub fn count(&self) -> usize {
        self.ranking.len()
    }

    /// The connections of members of a room, in the order in which they joined it.
    pub fn members_of(&self, id: RoomId) -> impl Iterator<Item = ConnectionId> {
        self.room(id).members(&self.members).map(|member| self.members[member].connection)
    }

    /// The room that every connection joins first.
    pub fn lobby(&self) -> RoomId {
        self.lobby
    }

    /// Where connections stand that have joined no room.
    pub fn hall(&self) -> RoomId {
        self.hall
    }

    pub fn room(&self, id: RoomId) -> &Room {
        &self.rooms[id.0].room
    }

    /// The id of the room that a member is in.
    pub fn room_of(&self, id: MemberId) -> RoomId {
        self.members.room(id)
    }

    /// The room that a member is in.
    pub fn room_with(&self, id: MemberId) -> &Room {
        self.room(self.room_of(id))
    }

    /// Members in all rooms, without those in the hall.
    pub fn online(&self) -> usize {
        self.members.len() - self.outside()
    }

    /// Members that have joined no room.
    pub fn outside(&self) -> usize {
        self.room(self.hall).online()
    }

    /// The lobby's log of text.
    pub fn log(&self) -> &Log {
        self.room(self.lobby).text()
    }

    /// Messages ever said, in all rooms.
    pub fn messages(&self) -> u64 {
        self.counts().messages
    }

    /// Members that no sweep looks at.
    pub fn parked(&self) -> usize {
        self.feeds().map(Feed::parked).sum()
    }

    /// Messages that members were told they missed.
    pub fn skipped_messages(&self) -> u64 {
        self.counts().skipped
    }

    /// Messages handed whole to members' sockets. Those sent to a member that is behind are added when it is level,
    /// skipped or leaves.
    pub fn deliveries(&self) -> u64 {
        self.counts().deliveries
    }

    fn counts(&self) -> Counts {
        let mut counts = self.gone;
        self.all().for_each(|room| counts.add(room.counts()));
        counts
    }

    /// Memory of the logs of all rooms.
    pub fn log_bytes(&self) -> usize {
        self.members.log_budget.taken()
    }

    /// Has rooms forget their oldest lines, the quietest first, until the logs of all rooms leave memory for a message in
    /// this one. False when it has to wait: for its own readers, or until others can forget.
    fn find_memory(&mut self, id: RoomId, message: Longest<'_>) -> bool {
        let mut next = self.quiet.first();
        let mut looks_left = QUIET_LOOKS_MAX;
        loop {
            let Some(needed) = self.room(id).memory_needed(&self.members, message) else { return false };
            if needed <= self.members.log_budget.free().cast_signed() {
                return true;
            }
            let Some(room) = next.filter(|_| looks_left > 0) else {
                // No other that was looked at can forget anything now.
                if !self.change(id, Room::forget_oldest) {
                    return false;
                }
                continue;
            };
            let after = self.quiet.next(room);
            if room == id || !self.change(room, Room::forget_oldest) {
                looks_left -= 1;
                next = after;
            } else if !self.quiet.contains(room) {
                next = after;
            }
        }
    }

    /// Finds memory for a message in a room. Where there is none the message does not fit.
    fn prepare(&mut self, id: RoomId, body: &Body<'_>) {
        if !self.room(id).has_memory(&self.members, Longest::Of(body)) {
            self.find_memory(id, Longest::Of(body));
        }
    }

    /// The same for an event.
    fn prepare_event(&mut self, id: RoomId) {
        // The longest of an event takes as much whatever has happened.
        self.prepare(id, &Body::Event(Event::Stopping));
    }

    /// Bytes that the member furthest behind has to be sent, as exactly as [`Feed::lag_bytes_max`] tells it.
    pub fn lag_bytes_max(&self) -> u64 {
        self.feeds().map(|feed| feed.lag_bytes_max(&self.members)).max().unwrap_or(0)
    }

    fn all(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter().map(|(_, entry)| &entry.room)
    }

    fn feeds(&self) -> impl Iterator<Item = &Feed> {
        self.all().flat_map(Room::feeds)
    }

    /// The next member to be closed because it fell off the log of its room.
    pub fn next_fallen(&mut self) -> Option<ConnectionId> {
        self.fallen.pop_front()
    }

    pub fn connection(&self, id: MemberId) -> ConnectionId {
        self.members[id].connection
    }

    /// Adds a newcomer to a room, with the table that its socket is in. The others are told, and it will be sent every
    /// message from now on.
    pub fn join(&mut self, room: RoomId, newcomer: Newcomer, now: Instant) -> MemberId {
        self.prepare_event(room);
        self.occupied += usize::from(self.room(room).online() == 0);
        if room != self.hall {
            self.ranking.grow(room);
        }
        self.count_own(room, true);
        if newcomer.encoding == Encoding::WebSocket && self.rooms[room.0].beats_at.is_none() {
            self.beat_at(room, Some(now + HEARTBEAT_AFTER));
        }
        self.change(room, |room, members| room.join(members, newcomer, now))
    }

    /// Removes a member, and tells the others in its room. Returns the room, which may be unused now.
    pub fn leave(&mut self, id: MemberId, who: Who, now: Instant) -> RoomId {
        let room = self.room_of(id);
        self.prepare_event(room);
        self.change(room, |room, members| room.leave(members, id, who, now));
        if room != self.hall {
            self.ranking.shrink(room);
        }
        self.count_own(room, false);
        self.occupied -= usize::from(self.room(room).online() == 0);
        room
    }

    /// A member reads another encoding from now on. It must have been sent everything.
    pub fn change_encoding(&mut self, id: MemberId, encoding: Encoding) -> MemberId {
        self.change(self.room_of(id), |room, members| room.change_encoding(members, id, encoding))
    }

    /// True when a member was sent every message.
    pub fn is_level(&self, id: MemberId) -> bool {
        self.room_with(id).is_level(&self.members, id)
    }

    /// Tells the others in its room that a member has chosen a name.
    pub fn rename(&mut self, author: Author, name: Name, now: Instant) {
        self.prepare_event(self.room_of(author.member));
        self.change(self.room_of(author.member), |room, members| room.rename(members, author, name, now));
    }

    /// Changes what is kept of a room beside its messages.
    pub fn room_mut(&mut self, id: RoomId) -> &mut Room {
        &mut self.rooms[id.0].room
    }

    /// `Ok` when `body` may be said now, otherwise why it has to wait. Renders nothing.
    pub fn admit(&mut self, author: Author, body: &Body<'_>, now: Instant) -> Result<(), Blocked> {
        if !self.may_speak(author.member) {
            return Err(Blocked::AuthorBehind);
        }
        let id = self.room_of(author.member);
        if let Some(rate) = self.settings.rate {
            let bytes = self.room(id).fan_out_bytes(&self.members, author, body);
            self.fan_out.allows(rate, bytes as f64, now).map_err(Blocked::Rationed)?;
        }
        let fits = self.room(id).fits(&self.members, body);
        if fits.is_err() && self.find_memory(id, Longest::Of(body)) {
            return self.room(id).fits(&self.members, body);
        }
        fits
    }

    /// `Ok` when `body` may be published in a cluster: whether the log has space is seen when it comes back.
    pub fn admit_to_cluster(&self, author: Author, body: &Body<'_>, now: Instant) -> Result<(), Blocked> {
        let Some(rate) = self.settings.rate else { return Ok(()) };
        let bytes = self.room(self.room_of(author.member)).fan_out_bytes(&self.members, author, body);
        self.fan_out.allows(rate, bytes as f64, now).map_err(Blocked::Rationed)
    }

    /// Says something that was admitted to everybody but its author. False when nothing of it is visible: then it is no
    /// message.
    pub fn publish(&mut self, author: Author, body: Body<'_>, now: Instant) -> bool {
        let said = self.change(self.room_of(author.member), |room, members| room.publish(members, author, body));
        if let (Some(bytes), Some(rate)) = (said, self.settings.rate) {
            self.fan_out.take(rate, bytes as f64, now);
        }
        said.is_some()
    }

    /// False while a member has to read before it may say another line.
    pub fn may_speak(&self, id: MemberId) -> bool {
        self.members[id].may_speak()
    }

    /// False when a member that says a line now would need memory that all members share.
    pub fn speaks_in_place(&self, id: MemberId) -> bool {
        self.members[id].speaks_in_place()
    }

    /// Memory of members that counts against the buffer bytes of all members.
    pub fn buffer_bytes(&self) -> usize {
        self.members.buffer_bytes()
    }

    /// The same of one member.
    pub fn buffer_bytes_of(&self, id: MemberId) -> usize {
        self.members[id].buffer_bytes()
    }

    /// From now on members are closed rather than skipped when the rest of their messages would take more than `bytes`
    /// together with what members have already.
    pub fn set_buffer_bytes_max(&mut self, bytes: usize) {
        self.members.set_buffer_bytes_max(bytes);
    }

    /// Says what the cluster has said in a room to everybody there but its author, if that is a member of it. Whoever it
    /// is, the ration pays for it. False when nothing of it is visible: then it is no message.
    pub fn deliver(
        &mut self,
        room: RoomId,
        (number, author, id): (u64, Option<Author>, PublicId),
        body: Body<'_>,
        now: Instant,
    ) -> Result<bool, Blocked> {
        self.prepare(room, &body);
        self.room(room).fits(&self.members, &body)?;
        if let Some(numbering) = self.rooms[room.0].room.numbering_mut().filter(|_| body.kind().is_numbered()) {
            numbering.set_next(number);
        }
        let said = self.change(room, |room, members| room.deliver(members, author, id, body));
        if let (Some(bytes), Some(rate)) = (said, self.settings.rate) {
            self.fan_out.take(rate, bytes as f64, now);
        }
        Ok(said.is_some())
    }

    /// Says something to everybody in a room under a number of the cluster.
    pub fn deliver_to_all(&mut self, room: RoomId, number: u64, body: Body<'_>) -> Result<(), Blocked> {
        self.prepare(room, &body);
        self.room(room).fits(&self.members, &body)?;
        if let Some(numbering) = self.rooms[room.0].room.numbering_mut() {
            numbering.set_next(number);
        }
        self.say(room, body)
    }

    /// Ranges of own messages that a member has still to be sent what lies between.
    pub fn own_ranges(&self, id: MemberId) -> usize {
        self.members[id].own_ranges()
    }

    /// Says to everybody in a room what happened, perhaps to the member `id`.
    pub fn announce(&mut self, room: RoomId, id: Option<PublicId>, event: Event) -> Result<(), Blocked> {
        self.prepare(room, &Body::Event(event));
        self.change(room, |room, members| room.announce(members, id, event))
    }

    /// Says something to everybody in a room.
    pub fn say(&mut self, room: RoomId, body: Body<'_>) -> Result<(), Blocked> {
        self.prepare(room, &body);
        self.change(room, |room, members| room.say(members, None, body))
    }

    /// All rooms, in no order.
    pub fn ids(&self) -> impl Iterator<Item = RoomId> {
        self.ranking.from(0)
    }

    /// True when the longest line fits the logs of a room, so that no line has to wait for them. Others may have to
    /// forget something for that, which they do.
    pub fn has_space(&mut self, id: RoomId) -> bool {
        self.room(id).has_memory(&self.members, Longest::OfAll) || self.find_memory(id, Longest::OfAll)
    }

    /// The number of rooms with members.
    pub fn occupied(&self) -> usize {
        self.occupied
    }

    /// Private bytes wait for a member: the sweep is to visit it, also when it has been sent every message.
    pub fn wake(&mut self, id: MemberId) {
        self.change(self.room_of(id), |room, members| room.feed_mut(members, id).wake(members, id));
    }

    /// When [`Rooms::on_deadline`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let presence = self.deadlines.peek().map(|Reverse((due, _))| *due);
        presence.into_iter().chain(self.beats.first().map(|(due, _)| *due)).min()
    }

    /// When a room is looked at for silence.
    fn beat_at(&mut self, id: RoomId, due: Option<Instant>) {
        if let Some(before) = std::mem::replace(&mut self.rooms[id.0].beats_at, due) {
            self.beats.remove(&(before, id));
        }
        self.beats.extend(due.map(|due| (due, id)));
    }

    /// Says the presence summaries that are due, and sends something where nothing was sent for a while.
    pub fn on_deadline(&mut self, now: Instant) {
        for _ in 0..HEARTBEATS_PER_TURN {
            let Some((_, id)) = self.beats.first().copied().filter(|(due, _)| *due <= now) else { break };
            let again = self.change(id, Room::beat);
            self.beat_at(id, again.map(|after| now + after));
        }
        while let Some(Reverse((due, id))) = self.deadlines.peek().copied()
            && due <= now
        {
            self.deadlines.pop();
            self.rooms[id.0].timed = false;
            self.prepare_event(id);
            self.change(id, |room, members| room.on_deadline(members, now));
        }
    }

    /// True when a sweep has something to send.
    pub fn has_due(&self) -> bool {
        self.turns.iter().any(|id| self.room(*id).has_due())
    }

    /// True when everybody has been sent everything.
    pub fn is_quiet(&self) -> bool {
        self.all().all(Room::is_quiet)
    }

    /// A turn begins, in which a number of members may be skipped again. Where a room has more to be skipped than that,
    /// some are skipped now.
    pub fn begin_turn(&mut self) {
        self.members.renew_skips();
        for _ in 0..self.skipping.len() {
            if self.members.skips_left() == 0 {
                break;
            }
            let id = self.skipping.pop_front().expect("they were counted");
            self.rooms[id.0].skipping = false;
            self.change(id, Room::skip_ahead);
        }
    }

    /// The time of day in this turn.
    pub fn time(&self) -> UnixTime {
        self.members.time()
    }

    /// The time of day from now on.
    pub fn set_time(&mut self, time: UnixTime) {
        self.members.set_time(time);
    }

    /// True when a room has members to be skipped in the next turn.
    pub fn is_skipping(&self) -> bool {
        !self.skipping.is_empty()
    }

    /// True when members were skipped in this turn, so that fewer may be skipped in the rest of it.
    pub fn has_skipped(&self) -> bool {
        self.members.skips_left() < self.members.skips_max()
    }

    /// Has at most `skips_max` members skipped in a turn.
    #[cfg(any(test, feature = "sim"))]
    pub fn limit_skips(&mut self, skips_max: usize) {
        self.members.limit_skips(skips_max);
    }

    /// Takes the members of the next batch, all of one room and one table. Before that room's next message each of them
    /// goes back by [`Rooms::try_level`] or [`Rooms::park`], or leaves. `on_resumed` is called for each member that was
    /// skipped and goes on, with the number of messages that it missed. Where that is 0 there may be nothing to send to
    /// it.
    pub fn take_batch(&mut self, mut on_resumed: impl FnMut(MemberId, ConnectionId, Gap)) -> Batch {
        while let Some(id) = self.turns.pop_front() {
            let entry = &mut self.rooms[id.0];
            let batch = entry.room.take_batch(&mut self.members, &mut on_resumed);
            if !batch.is_empty() {
                // Whether it has more to send is seen at its next turn.
                self.turns.push_back(id);
                return batch;
            }
            entry.queued = false;
        }
        Batch::new()
    }

    /// The bytes of the log that are next for a member of the batch; empty when it has been sent every message.
    pub fn due(&self, id: MemberId) -> &[u8] {
        self.feed(id).due(&self.members, id)
    }

    /// True when a member has been sent no part of its next message, so that private bytes may be sent before it.
    pub fn is_between_messages(&self, id: MemberId) -> bool {
        self.members[id].is_between_messages(self.feed(id).log())
    }

    /// The rest of the message that a member is in the middle of; `None` while it is skipped.
    pub fn rest_of_message(&self, id: MemberId) -> Option<&[u8]> {
        self.members[id].rest_of_message(self.feed(id).log())
    }

    /// A member of the batch was sent the first `bytes` of those due.
    pub fn advance(&mut self, id: MemberId, bytes: usize) {
        let (feed, members) = self.feed_mut(id);
        feed.advance(members, id, bytes);
    }

    /// When a member of the batch has been sent everything, makes it level, takes it out of the batch and returns true.
    pub fn try_level(&mut self, id: MemberId) -> bool {
        let (feed, members) = self.feed_mut(id);
        feed.try_level(members, id)
    }

    /// A member of the batch has more to be sent, with a later batch.
    pub fn put_back(&mut self, id: MemberId) {
        self.change(self.room_of(id), |room, members| room.feed_mut(members, id).put_back(members, id));
    }

    /// Has nothing sent to a member until it is unparked.
    pub fn park(&mut self, id: MemberId) {
        self.change(self.room_of(id), |room, members| room.feed_mut(members, id).park(members, id));
    }

    /// A parked member can be sent to again.
    pub fn unpark(&mut self, id: MemberId) {
        self.change(self.room_of(id), |room, members| room.feed_mut(members, id).unpark(members, id));
    }

    fn feed(&self, id: MemberId) -> &Feed {
        self.room_with(id).feed(&self.members, id)
    }

    fn feed_mut(&mut self, id: MemberId) -> (&mut Feed, &mut Members) {
        let room = &mut self.rooms[self.members.room(id).0].room;
        (room.feed_mut(&self.members, id), &mut self.members)
    }

    /// Changes a room, and then queues its turn if it has something to send, its deadline if it has one, and its
    /// members to be skipped.
    fn change<T>(&mut self, id: RoomId, change: impl FnOnce(&mut Room, &mut Members) -> T) -> T {
        let Entry { room, queued, timed, skipping, spoken, .. } = &mut self.rooms[id.0];
        let (messages, head) = (room.messages(), room.text().head());
        let result = change(room, &mut self.members);
        self.appended += u64::from(room.text().head() > head);
        if self.notes_spoken && !*spoken && id != self.lobby && id != self.hall && room.text().head() > head {
            *spoken = true;
            self.spoken.push_back(id);
        }
        if room.log_bytes() == 0 {
            self.quiet.remove(id);
        } else if room.messages() > messages || !self.quiet.contains(id) {
            self.quiet.push_last(id);
        }
        while let Some(id) = room.next_fallen() {
            self.fallen.push_back(id);
        }
        if !*queued && room.has_due() {
            *queued = true;
            self.turns.push_back(id);
        }
        if !*timed && let Some(due) = room.deadline() {
            *timed = true;
            self.deadlines.push(Reverse((due, id)));
        }
        if !*skipping && room.must_skip_ahead(&self.members) {
            *skipping = true;
            self.skipping.push_back(id);
        }
        result
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        let rooms = self.rooms.places() * size_of::<Entry>() + self.turns.capacity() * size_of::<RoomId>();
        let skipping = self.skipping.capacity() * size_of::<RoomId>();
        let deadlines = self.deadlines.capacity() * size_of::<Reverse<(Instant, RoomId)>>();
        rooms
            + deadlines
            + skipping
            + self.fallen.footprint()
            + self.quiet.footprint()
            + self.ranking.footprint()
            + self.by_name.footprint()
            + self.members.footprint()
            + self.all().map(Room::footprint).sum::<usize>()
    }

    /// Memory of the rooms beside their logs, without what each has for its feeds.
    pub fn rooms_bytes(&self) -> usize {
        self.rooms.places() * size_of::<Entry>() + self.ranking.footprint() + self.by_name.footprint()
    }

    /// Memory of members, without what only some have.
    pub fn members_bytes(&self) -> usize {
        self.members.places_bytes()
    }

    /// Memory that a member has beyond what every member has, in bytes.
    pub fn aside_bytes(&self, id: MemberId) -> usize {
        self.members[id].aside_bytes()
    }

    /// Where a member stands in its feed.
    pub fn place(&self, id: MemberId) -> Place {
        self.members.place(id)
    }

    /// The table that a member's socket is in.
    pub fn table(&self, id: MemberId) -> TableId {
        self.members.table(id)
    }

    /// Panics when a room is not as it must be between two batches. `has_private` tells whether private bytes wait for
    /// a member.
    pub fn invariants(&self, has_private: impl Fn(ConnectionId) -> bool) {
        for (index, entry) in self.rooms.iter() {
            let id = RoomId(index);
            assert_eq!(entry.room.log_bytes() > 0, self.quiet.contains(id), "a room with memory is listed");
            entry.room.invariants(&self.members, &has_private);
            let turns = self.turns.iter().filter(|other| **other == id).count();
            assert_eq!(usize::from(entry.queued), turns, "a room is queued at most once");
            assert!(entry.queued || !entry.room.has_due(), "a room with something to send is queued");
            let deadlines = self.deadlines.iter().filter(|entry| entry.0.1 == id).count();
            assert_eq!(usize::from(entry.timed), deadlines, "a room has one deadline, or none");
            assert!(entry.timed == entry.room.deadline().is_some(), "a room's deadline is queued");
            let skipping = self.skipping.iter().filter(|other| **other == id).count();
            assert_eq!(usize::from(entry.skipping), skipping, "a room that skips is queued at most once");
            assert!(entry.skipping || !entry.room.must_skip_ahead(&self.members), "a room that has to skip is queued");
        }
        self.members.invariants();
        self.quiet.invariants();
        let with_memory = self.all().filter(|room| room.log_bytes() > 0).count();
        assert_eq!(self.quiet.iter().count(), with_memory, "rooms with memory stand in their order");
        let taken: usize = self.all().map(Room::log_bytes).sum();
        assert_eq!(self.log_bytes(), taken, "the memory of all logs is counted");
        self.ranking.invariants(|id| whole::rank(self.room(id)) as usize);
        self.whole_invariants();
        let online: usize = self.all().map(Room::online).sum();
        assert_eq!(online, self.members.len(), "every member is in one room");
        assert_eq!(self.occupied, self.all().filter(|room| room.online() > 0).count(), "occupied rooms are counted");
    }
}
