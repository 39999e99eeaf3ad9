//! What a server does as a node of a cluster: it takes news of its link, hands over what members say, and says what the
//! stream gives back.
//!
//! A line is accepted here, sanitised and published; it is said to the room when it comes back, also here. So a member
//! that says something has lines *under way*, a bounded number. Its commands wait until it has none, so answers come in
//! the order in which it typed.

mod comeback;
mod deliver;
mod elsewhere;
mod holding;
mod peers;
mod people;

use std::borrow::Cow;
use std::str;

use super::schedule::Moment;
use super::speaker::{Done, Speaker};
use super::{Flow, Server};
use crate::cluster::beat::Word;
use crate::cluster::link::{AnyLink, News};
use crate::cluster::people::People;
use crate::cluster::record::{Author, Batch, Content, Record};
use crate::cluster::{Cluster, Delivery, Settings, Turn};
use crate::io::{Io, Signal};
use crate::journal::{LogEvent, LogField, Value};
use crate::limits::{
    CLUSTER_LINES_UNDER_WAY_MAX, CLUSTER_NEWS_BYTES_PER_TURN, CLUSTER_NEWS_PER_TURN, GOODBYES_PER_TURN, OWN_RANGES_MAX,
};
use crate::message::{Body, Event, Notice};
use crate::names::RoomName;
use crate::outlet::Outlet;
use crate::room::Blocked;
use crate::token::ConnectionId;
use crate::wire::sanitise::sanitise;

pub(super) use people::Chosen;

impl<I: Io, W: Outlet> Server<I, W> {
    /// Makes the server a node of a cluster.
    #[allow(unreachable_code)]
    pub(super) fn join_cluster(&mut self, link: AnyLink, settings: Settings) {
        self.rooms.join_cluster();
        self.sessions.tell_freed();
        let people = People::new(settings.node, self.config.members_max, self.config.resume_for, self.now);
        let cluster = self.cluster.insert(Cluster::new(link, settings, people, self.now));
        if let Some(descriptor) = cluster.descriptor() {
            self.io.watch_link(descriptor);
        }
        self.introduce_node();
    }

    /// The link may have news.
    pub(super) fn on_link(&mut self) {
        if let Some(cluster) = &mut self.cluster {
            cluster.has_news = true;
        }
    }

    /// True when newcomers may be let in.
    pub(super) fn is_open(&self) -> bool {
        self.cluster.as_ref().is_none_or(|cluster| cluster.is_open(self.now))
    }

    /// Once a turn, when lines were taken: takes news, says what has come back, and publishes what was accepted.
    pub(super) fn run_cluster(&mut self) {
        let Some(cluster) = &mut self.cluster else { return };
        let had_news = cluster.has_news;
        let turn = cluster.on_time(self.now);
        self.on_turn(turn);
        self.take_news();
        self.run_nodes();
        let goes_on = self.run_people();
        if had_news || goes_on || turn != Turn::Nothing {
            self.resume_waiting();
        }
        self.order_due();
    }

    fn take_news(&mut self) {
        let mut bytes = 0;
        for _ in 0..CLUSTER_NEWS_PER_TURN {
            // What has happened is told before what is said after it.
            if !self.deliver() || !self.tell_rooms() || bytes >= CLUSTER_NEWS_BYTES_PER_TURN {
                return;
            }
            let Some(news) = self.cluster.as_mut().and_then(Cluster::next_news) else { return };
            if let News::Record { bytes: record, .. } = &news {
                bytes += record.len();
            }
            self.on_news(news);
        }
    }

    fn on_news(&mut self, news: News) {
        let now = self.now;
        let Some(cluster) = &mut self.cluster else { return };
        match news {
            News::Up(stream) => {
                let is_first = cluster.stream.is_none();
                if !cluster.on_up(&stream, now) {
                    return self.fail_in_cluster("the stream was made anew while this server ran");
                }
                cluster.people.on_up();
                if is_first {
                    self.rooms.set_stream(stream.created);
                }
                self.greet_nodes();
                let (first, last) = (stream.first, stream.last);
                let fields = [(LogField::First, Value::Number(first)), (LogField::Last, Value::Number(last))];
                let text = format_args!("the cluster is there: its stream has messages {first} to {last}");
                self.report_with(LogEvent::ClusterUp, text, &fields);
            }
            News::Down { why } => {
                cluster.on_down(now);
                cluster.people.on_down();
                self.report_error(LogEvent::ClusterDown, format_args!("cut off from the cluster: {why}"), &why);
            }
            News::Unfit { why } => self.fail_in_cluster(&why),
            News::CaughtUp => {
                let turn = cluster.on_caught_up();
                cluster.people.on_caught_up(now);
                self.on_turn(turn);
            }
            News::Record { sequence, time, room, bytes } => {
                cluster.delivery = Some(Delivery {
                    sequence,
                    time,
                    room,
                    bytes,
                    is_begun: false,
                    offset: 0,
                    place: 0,
                    announcing: None,
                });
            }
            News::Lost { first, last } => self.on_lost(first, last),
            News::Published { id, outcome } => {
                let lost = cluster.outgoing.on_published(id, &outcome, now);
                lost.iter().for_each(|batch| self.on_own_unsaid(Batch::read(batch)));
            }
            News::Entry { key, bytes, revision } => self.on_entry(&key, bytes.as_deref(), revision),
            News::Stored { key, outcome } => self.on_stored(&key, outcome),
            News::Told { bytes } => self.on_told(&bytes),
            News::Lag { batches } => cluster.nodes.set_lag(batches),
        }
    }

    /// Another node tells all.
    fn on_told(&mut self, bytes: &[u8]) {
        if self.on_told_of_people(bytes) {
            return;
        }
        if let Some(word) = Word::read(bytes) {
            self.on_node(word);
        }
    }

    /// The server cannot be a node of this cluster: it ends.
    fn fail_in_cluster(&mut self, why: &str) {
        if let Some(cluster) = &mut self.cluster {
            cluster.fail();
        }
        self.report_error(LogEvent::ClusterUnfit, format_args!("the cluster cannot be used: {why}"), &why);
        if !self.phase.is_stopping() {
            self.on_stop_signal(Signal::Terminate);
        }
    }

    /// How a server ends that was not told to stop at once.
    pub(super) fn flow_of_stop(&self) -> Flow {
        let has_failed = self.cluster.as_ref().is_some_and(Cluster::has_failed);
        if has_failed { Flow::StopAtOnce } else { Flow::Stop }
    }

    fn on_turn(&mut self, turn: Turn) {
        let event = match turn {
            Turn::Nothing => return,
            Turn::CutOff => Event::CutOff,
            Turn::Back => Event::Back,
        };
        self.tell_all_rooms(event);
    }

    /// Batches that this node was not given are lost: every room is told, because it may be one of them.
    fn on_lost(&mut self, first: u64, last: u64) {
        use crate::cluster::record::{last_number, number};
        let lost_to = last;
        let (first, last) = (number(first, 0), last_number(last));
        for room in self.rooms.ids().collect::<Vec<_>>() {
            if let Some(numbering) = self.rooms.room_mut(room).numbering_mut() {
                numbering.note_unknown(last);
            }
        }
        self.report(LogEvent::ClusterForgot, format_args!("the stream has forgotten what this server was not given"));
        self.tell_all_rooms(Event::Lost { first, last });
        let now = self.now;
        let lost = self.cluster.as_mut().map(|cluster| cluster.outgoing.on_lost(lost_to, now)).unwrap_or_default();
        lost.iter().for_each(|batch| self.on_own_unsaid(Batch::read(batch)));
    }

    /// A batch of this node is in the stream and will not be said here: it was not given back, or there is no place for
    /// its room. Its lines are under way no more.
    fn on_own_unsaid(&mut self, batch: Batch<'_>) {
        for record in batch.filter_map(|(_, record)| record) {
            let speaker = self.speaker_of(&record.author);
            self.on_said(speaker, None);
        }
    }

    /// Rooms with members are told, a number of them a turn.
    fn tell_all_rooms(&mut self, event: Event) {
        let Some(cluster) = &mut self.cluster else { return };
        for room in self.rooms.ids().filter(|room| self.rooms.room(*room).online() > 0) {
            cluster.to_tell.push_back((room, event));
        }
    }

    /// True once all of them were.
    fn tell_rooms(&mut self) -> bool {
        let Some(cluster) = &mut self.cluster else { return true };
        for _ in 0..cluster.to_tell.len().min(GOODBYES_PER_TURN) {
            let (room, event) = cluster.to_tell.pop_front().expect("they were counted");
            if self.rooms.exists(room) && self.rooms.announce(room, None, event).is_err() {
                cluster.to_tell.push_front((room, event));
                break;
            }
        }
        cluster.to_tell.is_empty()
    }

    /// Connections that wait for the cluster look whether they still have to.
    fn resume_waiting(&mut self) {
        let Some(cluster) = &mut self.cluster else { return };
        for id in std::mem::take(&mut cluster.waiting) {
            self.resume_greeting(id);
            self.resume(id, None);
        }
    }

    /// Hands over what is due.
    fn order_due(&mut self) {
        let now_ms = self.rooms.time().0;
        if let Some(cluster) = &mut self.cluster {
            cluster.order_due(self.now, now_ms);
        }
    }

    /// A connection's next line or command waits for the cluster.
    pub(super) fn await_cluster(&mut self, id: ConnectionId) {
        if let Some(cluster) = &mut self.cluster {
            cluster.waiting.insert(id);
        }
    }

    /// What a member is told that wants to say something while the server is cut off.
    pub(super) fn cut_off(&self) -> Option<Notice<'static>> {
        self.cluster.as_ref().filter(|cluster| cluster.is_read_only()).map(|_| Notice::CutOff)
    }

    /// Tells a newcomer of a room that nothing can be said there.
    pub(super) fn tell_cut_off(&mut self, id: ConnectionId) {
        if let Some(notice) = self.cut_off() {
            self.tell_always(id, notice);
        }
    }

    /// `Ok` when no line of a member is under way, so that a command of it may be carried out.
    pub(super) fn await_lines(&self, speaker: &Speaker) -> Result<(), Blocked> {
        let waits = speaker.received.under_way > 0 && self.cut_off().is_none();
        if waits { Err(Blocked::Cluster) } else { Ok(()) }
    }

    /// True when a peer that sends no more has lines under way, and is not closed before they were said.
    pub(super) fn has_lines_under_way(&self, id: ConnectionId) -> bool {
        let received = self.connections.at(id).inbound.received.as_ref();
        received.is_some_and(|received| received.under_way > 0) && self.cut_off().is_none()
    }

    /// Publishes what was admitted, or says that it has to wait.
    pub(super) fn publish(&mut self, speaker: &mut Speaker, body: &Body<'_>) -> Result<Done, Blocked> {
        let mut text = Vec::new();
        let is_visible = sanitise(body.text(), &mut text).expect("memory takes everything");
        let text = Cow::Borrowed(str::from_utf8(&text).expect("it is sanitised"));
        let content = match body {
            Body::Topic { .. } => Content::Topic(text),
            Body::Event(Event::Slow { seconds, .. }) => Content::Slow(*seconds),
            Body::Event(Event::Only { operators, .. }) => Content::Only(*operators),
            _ if !is_visible => return Ok(Done::Passed),
            Body::Line { .. } => Content::Line(text),
            Body::Action { .. } => Content::Action(text),
            Body::Announcement { .. } => Content::Announcement(text),
            Body::Event(_) => return Ok(Done::Passed),
        };
        let room = self.rooms.room_with(speaker.member).name();
        self.publish_content(speaker, room, content)
    }

    /// Publishes something under the name of a room, or says that it has to wait.
    pub(super) fn publish_content(
        &mut self,
        speaker: &mut Speaker,
        room: RoomName,
        content: Content<'_>,
    ) -> Result<Done, Blocked> {
        let under_way = usize::from(speaker.received.under_way);
        let ranges = self.rooms.own_ranges(speaker.member);
        let Some(cluster) = &mut self.cluster else { return Ok(Done::Passed) };
        if under_way >= CLUSTER_LINES_UNDER_WAY_MAX
            || under_way + ranges > OWN_RANGES_MAX
            || !cluster.outgoing.has_room(room)
        {
            return Err(Blocked::Cluster);
        }
        let author = Author {
            name: speaker.name,
            id: speaker.received.public_id,
            slot: speaker.id.slot,
            serial: self.connections.serial(speaker.id),
        };
        cluster.outgoing.push(room, &Record { author, content });
        speaker.received.under_way += 1;
        Ok(Done::Taken)
    }

    /// When the cluster has something to do.
    pub(super) fn set_cluster_moment(&mut self) {
        if let Some(cluster) = &self.cluster {
            let moments = cluster.deadline(self.now).into_iter().chain(self.goodbye_waits_until());
            let others = self.rooms.own_deadline().into_iter().chain([cluster.people.deadline()]);
            self.schedule.set(Moment::Cluster, moments.chain(others).min());
        }
    }
}
