//! A room: members that hear each other. A room is a log; a member is a cursor into it.
//!
//! A room admits a line, or answers why the line has to wait. It appends each message to all of its feeds, of which it
//! has one for every encoding that its members read. A message has the same number in every feed, and all feeds have
//! the messages in the same order; only the bytes differ. The room also announces joins and leaves. It does no I/O and
//! reads no clock, so a test can drive all of it.

pub mod budget;
pub mod feed;
mod list;
pub mod log;
#[cfg(test)]
mod many;
pub mod member;
pub mod members;
mod order;
pub mod presence;
pub mod roster;
mod slow;
mod table;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::cluster::numbering::Numbering;
use crate::config::{RoomSettings, SlowPolicy};
use crate::limits::{HEARTBEAT_AFTER, rendered_bytes_max};
use crate::message::{Body, Event, Kind, Message};
use crate::moderation::{Modes, Topic};
use crate::names::{Name, RoomName};
use crate::token::{ConnectionId, PublicId, RoomId, TableId};
use crate::wire::{Encoding, text};
pub use feed::Batch;
use feed::Feed;
use log::Log;
pub use member::Gap;
pub use members::MemberId;
use members::Members;
use order::Order;
use presence::Presence;

/// Why a line has to wait. Its author keeps it, and asks again once the reason has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// The log is at its cap, or all logs together are, and the sweep has not yet sent the oldest messages to every member
    /// that takes bytes, or more members would have to be skipped than may be in one turn. The line fits once the sweep
    /// has, and once enough of them were skipped.
    LogFull,
    /// Its author has [`OWN_RANGES_MAX`](crate::limits::OWN_RANGES_MAX) ranges of own lines ahead of its cursor. It may
    /// speak again once it has been sent the messages between them.
    AuthorBehind,
    /// Its author, or the address of its author, is over its rate. The line may be said from this moment on.
    OverRate(Instant),
    /// The room is over its rate of fan-out. Lines wait for it in a queue, whose first may be said from this moment on.
    Rationed(Instant),
    /// The cluster has not answered what comes before it, or takes no more for now. Looked at again with each news of the
    /// cluster.
    Cluster,
}

/// A message as far as its largest size in the logs is known.
#[derive(Clone, Copy, Debug)]
pub enum Longest<'a> {
    Of(&'a Body<'a>),
    /// The longest that may be said.
    OfAll,
}

/// A member that says something.
#[derive(Clone, Copy, Debug)]
pub struct Author {
    pub member: MemberId,
    pub who: Who,
    /// True when private bytes wait to be sent to it.
    pub has_private: bool,
    /// True when it is sent its own lines as others are.
    pub hears_itself: bool,
}

/// What was counted in feeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Numbered messages said.
    pub messages: u64,
    /// Those handed whole to members' sockets.
    pub deliveries: u64,
    /// Those that members were told they missed.
    pub skipped: u64,
}

impl Counts {
    pub fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.deliveries += other.deliveries;
        self.skipped += other.skipped;
    }
}

/// A member that joins a room.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer {
    pub connection: ConnectionId,
    /// The table that its socket is in.
    pub table: TableId,
    pub encoding: Encoding,
    pub who: Who,
}

/// A member, as others know it.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    pub name: Name,
    pub id: PublicId,
}

#[derive(Debug)]
pub struct Room {
    id: RoomId,
    name: RoomName,
    /// Tells it from other rooms that had its name before.
    epoch: PublicId,
    topic: Option<Box<Topic>>,
    modes: Modes,
    /// Its members in the order in which they joined.
    order: Order,
    /// One for each encoding that is read here. The first has text, and is always there: the transcript reads it too, and
    /// it is what the room remembers.
    feeds: Vec<Feed>,
    /// What was counted in feeds that have gone.
    gone: Counts,
    /// The feed from which the next batch is taken.
    next_feed: usize,
    presence: Presence,
    settings: RoomSettings,
    /// False for the hall, in which nobody hears of anybody.
    speaks: bool,
    /// Members to be closed because they fell off the log.
    fallen: VecDeque<ConnectionId>,
    /// Members in this room on other nodes of the cluster.
    elsewhere: u64,
    /// The numbers that its messages have in a cluster; `None` where they are those of the log.
    numbering: Option<Box<Numbering>>,
}

impl Room {
    pub fn new(id: RoomId, (name, epoch): (RoomName, PublicId), settings: RoomSettings) -> Self {
        let text = Feed::new(Encoding::Text, settings.log_bytes, rendered_bytes_max(settings.line_bytes), 0);
        Self {
            id,
            name,
            epoch,
            topic: None,
            modes: Modes::default(),
            order: Order::default(),
            feeds: vec![text],
            gone: Counts::default(),
            next_feed: 0,
            presence: Presence::new(settings.announce_max, settings.announce_rate),
            settings,
            speaks: true,
            fallen: VecDeque::new(),
            elsewhere: 0,
            numbering: None,
        }
    }

    /// The hall: where connections stand that have joined no room. Nobody hears of anybody there.
    pub fn hall(id: RoomId, named: (RoomName, PublicId), settings: RoomSettings) -> Self {
        Self { speaks: false, ..Self::new(id, named, settings) }
    }

    /// Members in this room, those of other nodes not counted.
    pub fn online(&self) -> usize {
        self.feeds.iter().map(Feed::len).sum()
    }

    /// Members in this room, as they are told it: those of all nodes.
    pub fn online_everywhere(&self) -> u64 {
        self.online() as u64 + self.elsewhere
    }

    /// Members in this room on other nodes.
    pub fn elsewhere(&self) -> u64 {
        self.elsewhere
    }

    /// So many are in it on other nodes, of whom nobody here is told.
    pub fn set_elsewhere(&mut self, online: u64) {
        self.elsewhere = online;
    }

    /// On other nodes members have entered and left, and so many are there now. Those that are here are told in the next
    /// summary; where nobody is, it is only noted.
    pub fn change_elsewhere(&mut self, (entered, left): (u64, u64), online: u64, now: Instant) {
        self.elsewhere = online;
        if (self.online() > 0 || self.presence.is_untold()) && (entered > 0 || left > 0) {
            self.presence.count_elsewhere(entered, left, now);
        }
    }

    /// How many numbered messages were said here, so far as the log has counted them.
    pub fn messages(&self) -> u64 {
        self.text().messages()
    }

    /// The number of the last numbered message, as members are told it.
    pub fn last_number(&self) -> u64 {
        self.numbering.as_deref().map_or(self.messages(), Numbering::last)
    }

    /// The number of a numbered message, as members are told it. `None` when it was forgotten for long.
    pub fn number(&self, local: u64) -> Option<u64> {
        self.numbering.as_deref().map_or(Some(local), |numbering| numbering.number(local))
    }

    /// The first numbered message that is above a number which a member was told, as the log counts.
    pub fn local_after(&self, number: u64) -> u64 {
        self.numbering.as_deref().map_or(number.saturating_add(1), |numbering| numbering.local_after(number))
    }

    /// In a cluster: the numbers of messages.
    pub fn numbering(&self) -> Option<&Numbering> {
        self.numbering.as_deref()
    }

    /// In a cluster: the numbers of messages.
    pub fn numbering_mut(&mut self) -> Option<&mut Numbering> {
        self.numbering.as_deref_mut()
    }

    /// From now on its messages have the numbers of a cluster.
    pub fn join_cluster(&mut self) {
        self.numbering = Some(Box::default());
    }

    /// From now on it is told from others by this.
    pub fn set_epoch(&mut self, epoch: PublicId) {
        self.epoch = epoch;
    }

    /// The log of what is said as text.
    pub fn text(&self) -> &Log {
        self.feeds[0].log()
    }

    /// One for each encoding that is read here.
    pub fn feeds(&self) -> &[Feed] {
        &self.feeds
    }

    /// The next member to be closed because it fell off the log.
    pub fn next_fallen(&mut self) -> Option<ConnectionId> {
        self.fallen.pop_front()
    }

    /// Adds a newcomer. The other members are told, and it will be sent every message from now on.
    pub fn join(&mut self, members: &mut Members, newcomer: Newcomer, now: Instant) -> MemberId {
        let Newcomer { connection, table, encoding, who } = newcomer;
        if self.speaks {
            let online = self.online_everywhere() + 1;
            let entered = Event::Entered { name: who.name, online };
            if self.announces(members, online, who.id, entered, now) {
                self.presence.announced(now);
            } else {
                self.presence.count_entered(now);
            }
        }
        let feed = self.feed_or_new(encoding);
        let member = self.feeds[feed].join(members, connection, table, self.id);
        self.order.push(members, member);
        member
    }

    /// Removes a member, and tells the others.
    pub fn leave(&mut self, members: &mut Members, id: MemberId, who: Who, now: Instant) {
        let before = self.online_everywhere();
        self.order.remove(members, id);
        self.leave_feed(members, id);
        if self.speaks {
            let left = Event::Left { name: who.name, online: before - 1 };
            if self.announces(members, before, who.id, left, now) {
                self.presence.announced(now);
            } else {
                self.presence.count_left(now);
            }
        }
    }

    /// Announces that somebody joins or leaves, where a room of `online` members announces that now.
    fn announces(&mut self, members: &mut Members, online: u64, id: PublicId, event: Event, now: Instant) -> bool {
        self.presence.announces(online, now) && self.announce(members, Some(id), event).is_ok()
    }

    /// A member reads another encoding from now on. It must have been sent everything. Nobody is told.
    pub fn change_encoding(&mut self, members: &mut Members, id: MemberId, encoding: Encoding) -> MemberId {
        assert!(self.is_level(members, id), "a member changes its encoding between two messages");
        let (connection, table) = (members[id].connection, members.table(id));
        let neighbours = members.entry(id).joined;
        self.leave_feed(members, id);
        let feed = self.feed_or_new(encoding);
        let member = self.feeds[feed].join(members, connection, table, self.id);
        self.order.replace(members, neighbours, member);
        member
    }

    /// True when a member was sent every message.
    pub fn is_level(&self, members: &Members, id: MemberId) -> bool {
        !members[id].is_skipped() && members[id].is_level(self.feed(members, id).log())
    }

    /// Tells everybody but the member itself that it has chosen a name, if the room is small enough and the log has
    /// space.
    pub fn rename(&mut self, members: &mut Members, author: Author, name: Name, now: Instant) {
        let online = self.online_everywhere();
        if self.speaks && self.presence.announces(online, now) {
            let body = Body::Event(Event::Renamed { before: author.who.name, name, online });
            if self.fits(members, &body).is_ok() {
                self.append(members, Some(author), Some(author.who.id), body);
                self.presence.announced(now);
            }
        }
    }

    pub fn name(&self) -> RoomName {
        self.name
    }

    pub fn epoch(&self) -> PublicId {
        self.epoch
    }

    pub fn topic(&self) -> Option<&Topic> {
        self.topic.as_deref()
    }

    pub fn set_topic(&mut self, topic: Option<Topic>) {
        self.topic = topic.map(Box::new);
    }

    pub fn modes(&self) -> Modes {
        self.modes
    }

    pub fn set_modes(&mut self, modes: Modes) {
        self.modes = modes;
    }

    /// True when nobody is in it, and nothing is kept of it.
    pub fn is_unused(&self) -> bool {
        self.online() == 0 && self.topic.is_none() && self.modes == Modes::default()
    }

    /// Its members, in the order in which they joined.
    pub fn members<'a>(&self, members: &'a Members) -> impl Iterator<Item = MemberId> + use<'a> {
        self.order.iter(members)
    }

    /// Bytes that something to be said will cause, each counted once for each member that will be sent it.
    pub fn fan_out_bytes(&self, members: &Members, author: Author, body: &Body<'_>) -> usize {
        let own = members.encoding(author.member);
        let of_feed = |feed: &Feed| {
            let hear = feed.len() - usize::from(feed.encoding() == own);
            feed.encoding().line_bytes_expected(author.who.name, body.text()) * hear
        };
        self.feeds.iter().map(of_feed).sum()
    }

    /// Says something that was admitted to everybody, and to its author only if that hears itself. Returns the bytes of its fan-out. `None` when
    /// nothing of it is visible: then it is no message.
    pub fn publish(&mut self, members: &mut Members, author: Author, body: Body<'_>) -> Option<u64> {
        let comes_back = author.hears_itself && matches!(body, Body::Line { .. } | Body::Action { .. });
        self.append(members, (!comes_back).then_some(author), Some(author.who.id), body)
    }

    /// Says to everybody but its author, if that is a member here, what the cluster has said, which fits. Returns the
    /// bytes of its fan-out. `None` when nothing of it is visible: then it is no message.
    pub fn deliver(
        &mut self,
        members: &mut Members,
        author: Option<Author>,
        id: PublicId,
        body: Body<'_>,
    ) -> Option<u64> {
        match author {
            Some(author) => self.publish(members, author, body),
            None => self.append(members, None, Some(id), body),
        }
    }

    /// Says to everybody what happened, perhaps to the member `id`.
    pub fn announce(&mut self, members: &mut Members, id: Option<PublicId>, event: Event) -> Result<(), Blocked> {
        self.say(members, id, Body::Event(event))
    }

    /// Says something to everybody.
    pub fn say(&mut self, members: &mut Members, id: Option<PublicId>, body: Body<'_>) -> Result<(), Blocked> {
        self.fits(members, &body)?;
        self.append(members, None, id, body);
        Ok(())
    }

    /// Sends those who read frames a frame that means nothing, where they were sent nothing for
    /// [`HEARTBEAT_AFTER`]. Returns how long from now it is to be looked again; `None`
    /// when nobody here reads frames.
    pub fn beat(&mut self, members: &mut Members) -> Option<Duration> {
        let feed = self.feeds.iter_mut().find(|feed| feed.encoding() == Encoding::WebSocket)?;
        let silence = feed.silence(members.time()).unwrap_or(HEARTBEAT_AFTER);
        if silence >= HEARTBEAT_AFTER {
            feed.beat(members);
        }
        Some(HEARTBEAT_AFTER.checked_sub(silence).filter(|left| !left.is_zero()).unwrap_or(HEARTBEAT_AFTER))
    }

    /// When [`Room::on_deadline`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.presence.deadline()
    }

    /// Says the presence summary when it is due.
    pub fn on_deadline(&mut self, members: &mut Members, now: Instant) {
        // It costs a send for each member that is here.
        let Some((entered, left)) = self.presence.summary(now, self.online() as u64) else { return };
        let online = self.online_everywhere();
        match self.announce(members, None, Event::Summary { entered, left, online }) {
            Ok(()) => self.presence.said(),
            Err(_) => self.presence.postpone(now),
        }
    }

    /// True when a sweep has something to send.
    pub fn has_due(&self) -> bool {
        self.feeds.iter().any(Feed::has_due)
    }

    /// True when everybody has been sent everything.
    pub fn is_quiet(&self) -> bool {
        self.feeds.iter().all(|feed| !feed.has_due() && feed.parked() == 0)
    }

    /// Takes the members of the next batch, all of one feed and one table. Feeds take turns. Before the next message
    /// each of these members goes back by [`Feed::try_level`] or [`Feed::park`], or leaves. `on_resumed` is called as
    /// by [`Feed::take_batch`].
    pub fn take_batch(
        &mut self,
        members: &mut Members,
        mut on_resumed: impl FnMut(MemberId, ConnectionId, Gap),
    ) -> Batch {
        let numbering = self.numbering.as_deref();
        // Where a number was forgotten for long only the count is told.
        let number = |local| numbering.map_or(local, |numbering| numbering.number(local).unwrap_or(0));
        let mut on_resumed = |member, connection, gap: Gap| {
            on_resumed(member, connection, Gap { first: number(gap.first), last: number(gap.last), ..gap });
        };
        for _ in 0..self.feeds.len() {
            let feed = self.next_feed;
            self.next_feed = (feed + 1) % self.feeds.len();
            if self.feeds[feed].has_due() {
                return self.feeds[feed].take_batch(members, &mut on_resumed);
            }
        }
        Batch::new()
    }

    /// The feed that a member reads.
    pub fn feed(&self, members: &Members, id: MemberId) -> &Feed {
        let encoding = members.encoding(id);
        self.feeds.iter().find(|feed| feed.encoding() == encoding).expect("a member reads a feed of its room")
    }

    /// The feed that a member reads.
    pub fn feed_mut(&mut self, members: &Members, id: MemberId) -> &mut Feed {
        let encoding = members.encoding(id);
        self.feeds.iter_mut().find(|feed| feed.encoding() == encoding).expect("a member reads a feed of its room")
    }

    /// The index of the feed of an encoding. The feed is made when no member reads this encoding yet.
    fn feed_or_new(&mut self, encoding: Encoding) -> usize {
        if let Some(place) = self.feeds.iter().position(|feed| feed.encoding() == encoding) {
            return place;
        }
        let message_bytes_max = encoding.bytes_max(self.settings.line_bytes);
        self.feeds.reserve_exact(1);
        self.feeds.push(Feed::new(encoding, self.settings.log_bytes, message_bytes_max, self.messages()));
        self.feeds.len() - 1
    }

    /// A member reads its feed no more. The feed goes with its last reader, if it is not that of text.
    fn leave_feed(&mut self, members: &mut Members, id: MemberId) {
        self.feed_mut(members, id).leave(members, id);
        if let Some(unread) = self.feeds.iter().skip(1).position(Feed::is_empty) {
            let feed = self.feeds.remove(1 + unread);
            self.gone.add(feed.counts());
            feed.close(members);
            self.next_feed %= self.feeds.len();
        }
    }

    /// Gives back all memory of its logs: nobody is in it, and it is not used any more. Returns what was counted in it.
    pub fn close(self, members: &mut Members) -> Counts {
        let counts = self.counts();
        self.feeds.into_iter().for_each(|feed| feed.close(members));
        counts
    }

    /// What was counted in it so far.
    pub fn counts(&self) -> Counts {
        let mut counts = self.gone;
        self.feeds.iter().for_each(|feed| counts.add(feed.counts()));
        Counts { messages: self.messages(), ..counts }
    }

    /// Memory of its logs.
    pub fn log_bytes(&self) -> usize {
        self.feeds.iter().map(|feed| feed.log().bytes()).sum()
    }

    /// Memory that its logs would take for a message, less what they would give back; `None` while one of them has to
    /// wait for its readers first.
    pub fn memory_needed(&self, members: &Members, message: Longest<'_>) -> Option<isize> {
        let needed = |feed: &Feed| match message {
            Longest::Of(body) => feed.memory_needed(members, body),
            Longest::OfAll => feed.memory_needed_max(members),
        };
        self.feeds.iter().map(needed).sum()
    }

    /// Forgets the oldest segment of one of its logs, as [`Feed::forget_oldest`] does: of the one with text last.
    pub fn forget_oldest(&mut self, members: &mut Members) -> bool {
        let mut on_skipped = fall(&mut self.fallen, self.settings.slow);
        self.feeds.iter_mut().rev().any(|feed| feed.forget_oldest(members, &mut on_skipped))
    }

    /// True when [`Room::skip_ahead`] is to be called.
    pub fn must_skip_ahead(&self, members: &Members) -> bool {
        self.feeds.iter().any(|feed| feed.must_skip_ahead(members))
    }

    /// Skips some of the many members whose place the logs are going to forget next.
    pub fn skip_ahead(&mut self, members: &mut Members) {
        let mut on_skipped = fall(&mut self.fallen, self.settings.slow);
        self.feeds.iter_mut().for_each(|feed| feed.skip_ahead(members, &mut on_skipped));
    }

    /// True when a message can be appended now.
    pub fn has_memory(&self, members: &Members, message: Longest<'_>) -> bool {
        let free = members.log_budget.free().cast_signed();
        self.memory_needed(members, message).is_some_and(|needed| needed <= free)
    }

    /// `Ok` when there is memory for a message.
    pub fn fits(&self, members: &Members, body: &Body<'_>) -> Result<(), Blocked> {
        if self.has_memory(members, Longest::Of(body)) { Ok(()) } else { Err(Blocked::LogFull) }
    }

    /// Appends a message, which fits, to all feeds. It is not sent to `author`; programs are told that `id` has said it.
    /// Returns the bytes of its fan-out. `None`, and nothing appended, when nothing of it is visible.
    fn append(
        &mut self,
        members: &mut Members,
        author: Option<Author>,
        id: Option<PublicId>,
        body: Body<'_>,
    ) -> Option<u64> {
        let number = self.next_number(body.kind());
        let message = Message { number, time: members.time(), room: self.name, author: id, body };
        let mut on_skipped = fall(&mut self.fallen, self.settings.slow);
        let (text, others) = self.feeds.split_first_mut().expect("a room has text");
        let mut fan_out_bytes = append_to(text, members, author, (&message, &body), &mut on_skipped)?;
        // The others are made of what the first one shows.
        let (entry, line) = text.log().last_message().expect("it was appended");
        let message = Message { body: body.with_text(text::shown(&entry, line)), ..message };
        for feed in others {
            fan_out_bytes +=
                append_to(feed, members, author, (&message, &body), &mut on_skipped).expect("something is visible");
        }
        Some(fan_out_bytes)
    }

    /// The number of a message that is being appended; of one that is not numbered that of the last one that is.
    fn next_number(&mut self, kind: Kind) -> u64 {
        let local = self.messages() + u64::from(kind.is_numbered());
        let oldest = self.text().first_number();
        let Some(numbering) = &mut self.numbering else { return local };
        if !kind.is_numbered() {
            return numbering.last();
        }
        numbering.forget_before(oldest);
        numbering.append(local)
    }

    /// Memory in use, in bytes, without that of its members.
    pub fn footprint(&self) -> usize {
        let fallen = self.fallen.capacity() * size_of::<ConnectionId>();
        let feeds = self.feeds.capacity() * size_of::<Feed>();
        let numbering = self.numbering.as_deref().map_or(0, Numbering::footprint);
        self.feeds.iter().map(Feed::footprint).sum::<usize>() + feeds + fallen + numbering
    }

    /// Panics when the room is not as it must be between two batches. `has_private` tells whether private bytes wait
    /// for a member.
    pub fn invariants(&self, members: &Members, has_private: impl Fn(ConnectionId) -> bool) {
        assert!(self.feeds.iter().skip(1).all(|feed| !feed.is_empty()), "a feed other than that of text has readers");
        for feed in &self.feeds {
            feed.invariants(members, &has_private);
            assert_eq!(feed.log().messages(), self.messages(), "the feeds of a room have the same messages");
        }
        self.presence.invariants();
        if let Some(numbering) = &self.numbering {
            numbering.invariants();
        }
    }
}

/// What becomes of a member that is skipped: it is to be closed where the operator wants that, and where there was no
/// memory for the rest of its message.
fn fall(fallen: &mut VecDeque<ConnectionId>, slow: SlowPolicy) -> impl FnMut(ConnectionId, bool) {
    move |skipped, whole| {
        if slow == SlowPolicy::Close || !whole {
            fallen.push_back(skipped);
        }
    }
}

/// Appends a message to one feed. How long it is at most follows from what was `typed`. Returns the bytes of its fan-out. `None` when nothing of it is visible.
fn append_to(
    feed: &mut Feed,
    members: &mut Members,
    author: Option<Author>,
    (message, typed): (&Message<'_>, &Body<'_>),
    on_skipped: impl FnMut(ConnectionId, bool),
) -> Option<u64> {
    let start = feed.log().head();
    if !feed.append(members, message, feed.encoding().message_bytes_max(typed), on_skipped) {
        return None;
    }
    let author = author.filter(|author| members.encoding(author.member) == feed.encoding());
    if let Some(author) = author {
        feed.on_own_message(members, author.member, start, author.has_private);
    }
    Some((feed.log().head() - start) * (feed.len() - usize::from(author.is_some())) as u64)
}
