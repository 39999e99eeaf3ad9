//! Saying to rooms what the stream gives back, record by record. A record whose room has no space waits, and with it
//! all that comes behind it: the sweep makes space, so that is never for long.

use super::holding::Cause;
use crate::cluster::link::BatchId;
use crate::cluster::record::{Author as Origin, Batch, Content, Record, number};
use crate::cluster::{Cluster, Delivery};
use crate::io::Io;
use crate::limits::GOODBYES_PER_TURN;
use crate::message::{Body, Event, Notice};
use crate::moderation::Topic;
use crate::outlet::Outlet;
use crate::pieces::fifo::Fifo;
use crate::room::{Author, Blocked};
use crate::server::Server;
use crate::time::UnixTime;
use crate::token::{ConnectionId, RoomId};

impl<I: Io, W: Outlet> Server<I, W> {
    /// Says what is left of the batch that is being said. False when some of it has to wait.
    pub(super) fn deliver(&mut self) -> bool {
        let Some(mut delivery) = self.cluster.as_mut().and_then(|cluster| cluster.delivery.take()) else { return true };
        let now = self.rooms.time();
        self.rooms.set_time(delivery.time);
        let is_done = self.deliver_batch(&mut delivery).is_ok();
        self.rooms.set_time(now);
        if let Some(cluster) = &mut self.cluster {
            if is_done {
                cluster.outgoing.on_read(delivery.sequence, self.now);
            } else {
                cluster.delivery = Some(delivery);
            }
        }
        is_done
    }

    fn deliver_batch(&mut self, delivery: &mut Delivery) -> Result<(), Blocked> {
        // The bytes are borrowed while the rest of it changes.
        let bytes = std::mem::take(&mut delivery.bytes);
        let mut batch = Batch::read(&bytes);
        let id = batch.id;
        let done = match self.room_of_batch(delivery, &batch) {
            None => Ok(()),
            Some(room) => {
                batch.go_on_at(delivery.offset, delivery.place);
                self.deliver_records(delivery, room, id, batch)
            }
        };
        delivery.bytes = bytes;
        done
    }

    /// The room that a batch is said in; `None` when it was said already, or cannot be said here.
    fn room_of_batch(&mut self, delivery: &mut Delivery, batch: &Batch<'_>) -> Option<RoomId> {
        let id = batch.id;
        let is_own = |cluster: &Cluster| id.is_some_and(|id| id.node == cluster.settings.node);
        let now = self.now;
        let cluster = self.cluster.as_mut()?;
        let (is_own, has_begun) = (is_own(cluster), cluster.has_begun());
        if let Some(id) = id.filter(|_| is_own) {
            cluster.outgoing.on_given_back(id, now);
        }
        let Some(room) = self.find_or_open(delivery.room) else {
            if is_own && !delivery.is_begun {
                self.on_own_unsaid(batch.clone());
            }
            return None;
        };
        if delivery.is_begun {
            return Some(room);
        }
        let is_empty = self.rooms.room(room).online() == 0;
        let numbering = self.rooms.room_mut(room).numbering_mut()?;
        if id.is_some_and(|id| !numbering.is_new(id)) {
            return None;
        }
        if !has_begun && !is_empty {
            // Those who are here came while the stream was away. What was said before is not said to them, and what it
            // has changed has changed.
            numbering.note_unknown(number(delivery.sequence + 1, 0) - 1);
            for (place, record) in batch.clone() {
                let cause = Cause { number: number(delivery.sequence, place), is_own: false, speaker: None };
                if let Some(record) = record {
                    self.change_room(room, cause, &record, delivery.time);
                }
            }
            return None;
        }
        delivery.is_begun = true;
        Some(room)
    }

    fn deliver_records(
        &mut self,
        delivery: &mut Delivery,
        room: RoomId,
        id: Option<BatchId>,
        mut batch: Batch<'_>,
    ) -> Result<(), Blocked> {
        let own = self.cluster.as_ref().map(|cluster| cluster.settings.node);
        let is_own = id.is_some_and(|id| Some(id.node) == own);
        while let Some((place, record)) = batch.next() {
            if let Some(record) = record {
                let number = number(delivery.sequence, place);
                self.deliver_record(delivery, room, number, is_own, &record)?;
            }
            (delivery.offset, delivery.place) = batch.position();
        }
        Ok(())
    }

    fn deliver_record(
        &mut self,
        delivery: &mut Delivery,
        room: RoomId,
        number: u64,
        is_own: bool,
        record: &Record<'_>,
    ) -> Result<(), Blocked> {
        let Origin { name, id, .. } = record.author;
        let speaker = if is_own { self.speaker_of(&record.author) } else { None };
        let author = speaker.and_then(|speaker| self.author_in(speaker, room, record));
        let cause = Cause { number, is_own, speaker };
        let body = match &record.content {
            Content::Line(text) => Body::Line { name, text: text.as_bytes() },
            Content::Action(text) => Body::Action { name, text: text.as_bytes() },
            Content::Topic(text) => Body::Topic { name, text: text.as_bytes() },
            Content::Announcement(text) => {
                self.announce_everywhere(delivery, number, text)?;
                self.on_said(speaker, None);
                return Ok(());
            }
            Content::Slow(seconds) => {
                let event = Event::Slow { name, seconds: *seconds };
                return self.deliver_event(delivery, room, event, cause, record);
            }
            Content::Only(operators) => {
                let event = Event::Only { name, operators: *operators };
                return self.deliver_event(delivery, room, event, cause, record);
            }
            Content::Hold(_) | Content::Lift(..) => {
                self.on_said(speaker, None);
                self.change_room(room, cause, record, delivery.time);
                return Ok(());
            }
        };
        self.rooms.deliver(room, (number, author, id), body, self.now)?;
        self.change_room(room, cause, record, delivery.time);
        self.on_said(speaker, Some(number));
        if let (Some(speaker), Content::Topic(text)) = (speaker, &record.content) {
            self.tell_topic_set(speaker, text);
        }
        Ok(())
    }

    /// A record has changed a room, of which its members are told.
    fn deliver_event(
        &mut self,
        delivery: &Delivery,
        room: RoomId,
        event: Event,
        cause: Cause,
        record: &Record<'_>,
    ) -> Result<(), Blocked> {
        self.rooms.announce(room, Some(record.author.id), event)?;
        self.change_room(room, cause, record, delivery.time);
        self.on_said(cause.speaker, None);
        Ok(())
    }

    /// What a record changes beside what it says, unless something later has changed it already.
    fn change_room(&mut self, room: RoomId, cause: Cause, record: &Record<'_>, time: UnixTime) {
        let Record { author, content } = record;
        match content {
            Content::Topic(text) => {
                if self.may_set_topic(cause, room) {
                    let topic = Topic { text: (&**text).into(), by: author.name.to_string().into(), time };
                    self.change_topic(room, Some(topic).filter(|_| !text.is_empty()));
                    self.store_topic(cause, room, author);
                }
            }
            Content::Slow(_) | Content::Only(_) => {
                if self.may_set_modes(cause, room) {
                    self.change_modes(room, |modes| match content {
                        Content::Slow(seconds) => modes.slow_seconds = *seconds,
                        Content::Only(operators) => modes.only_operators = *operators,
                        _ => {}
                    });
                    self.store_modes(cause, room);
                }
            }
            Content::Hold(held) => self.apply_hold(cause, held, author.name),
            Content::Lift(whom, typed) => self.apply_lift(cause, whom, typed, author.name),
            Content::Line(_) | Content::Action(_) | Content::Announcement(_) => {}
        }
    }

    /// The connection of this node that is meant, if it is still there.
    pub(super) fn speaker_of(&mut self, author: &Origin) -> Option<ConnectionId> {
        let (id, _) = self.connections.in_slot(author.slot.index())?;
        (self.connections.serial(id) == author.serial).then_some(id)
    }

    /// The author of a record that is a member of this room here.
    fn author_in(&self, id: ConnectionId, room: RoomId, record: &Record<'_>) -> Option<Author> {
        let connection = self.connections.at(id);
        let member = connection.member().filter(|member| self.rooms.room_of(*member) == room)?;
        let who = crate::room::Who { name: record.author.name, id: record.author.id };
        let has_private = !connection.outbound.private.is_empty();
        let hears_itself = connection.capabilities().echo_message;
        Some(Author { member, who, has_private, hears_itself })
    }

    /// A record of a connection of this node was said, perhaps as a message with a number.
    pub(super) fn on_said(&mut self, speaker: Option<ConnectionId>, number: Option<u64>) {
        let Some(id) = speaker else { return };
        let connection = self.connections.at_mut(id);
        let Some(received) = &mut connection.inbound.received else { return };
        received.under_way = received.under_way.saturating_sub(1);
        let is_for_programs = connection.inbound.encoding.is_for_programs() && connection.member().is_some();
        if let Some(number) = number.filter(|_| is_for_programs) {
            self.tell_always(id, Notice::Said { number, time: self.rooms.time() });
        }
    }

    /// An announcement is said in every room before anything that comes behind it.
    fn announce_everywhere(&mut self, delivery: &mut Delivery, number: u64, text: &str) -> Result<(), Blocked> {
        let rooms = delivery.announcing.get_or_insert_with(|| {
            let mut rooms = Fifo::new();
            self.rooms.ids().for_each(|room| rooms.push_back(room));
            rooms
        });
        let has_begun = self.cluster.as_ref().is_some_and(Cluster::has_begun);
        for _ in 0..rooms.len().min(GOODBYES_PER_TURN) {
            let room = rooms.pop_front().expect("they were counted");
            if !self.rooms.exists(room) {
                continue;
            }
            if !has_begun && self.rooms.room(room).online() > 0 {
                // As in `room_of_batch`: it was said before they came.
                if let Some(numbering) = self.rooms.room_mut(room).numbering_mut() {
                    numbering.note_unknown(number);
                }
                continue;
            }
            let body = Body::Announcement { text: text.as_bytes() };
            if let Err(reason) = self.rooms.deliver_to_all(room, number, body) {
                rooms.push_front(room);
                return Err(reason);
            }
        }
        if !rooms.is_empty() {
            return Err(Blocked::LogFull);
        }
        delivery.announcing = None;
        Ok(())
    }
}
