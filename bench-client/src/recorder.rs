//! What a run remembers: every message's times, every delivery's latency, every verified member's proof.
//!
//! A delivery costs a parse, one place in the room's order, one counter of its message and two histogram cells; nothing
//! is allocated for it. A message keeps when the first, half, 90, 99 and 100 % of the members expected at its send time
//! had it, so room latency costs no list of members.
//!
//! Pure: times come in with every call. What a run that is over amounts to is in `recorder/figures.rs`, the order of the
//! room and each member's place in it in `recorder/proof.rs`.

pub mod arrivals;
pub mod figures;
pub mod join;
pub mod latency;
pub mod proof;
pub mod proven;
pub mod record;
mod share;
pub mod times;
mod words;

use std::collections::HashSet;

use hdrhistogram::Histogram;

use crate::message::{Format, Header, Likeness, Line, likeness, told_missed, with_number};
use crate::plan::Plan;
use crate::recorder::arrivals::Arrivals;
use crate::recorder::figures::{Figures, Interval, Stamped, interval_ns};
use crate::recorder::latency::{LATENCY_NS_MAX, histogram};
use crate::recorder::proof::{Arrived, Proof};
use crate::recorder::proven::{Problems, Proven};
use crate::recorder::record::{Record, Words};
use crate::recorder::times::Message;

/// Everything recorded so far.
#[derive(Debug)]
pub struct Recorder<'p> {
    plan: &'p Plan,
    format: Format,
    messages: Vec<Message>,
    /// One a room. All members verify where there are several, so that verified member `m` is in room `m mod n`.
    proofs: Vec<Proof>,
    /// Lines that are no message of the plan, or of another room.
    strange: Problems,
    /// What the server puts before each publisher's lines; empty until [`Self::start`].
    authors: Vec<Vec<u8>>,
    /// The same, to recognise corrupt lines of our publishers.
    authors_known: HashSet<Vec<u8>>,
    /// Length of one interval of the log.
    interval_ns: u64,
    /// Absolute start of the measured window; `u64::MAX` until [`Self::start`].
    window_start_ns: u64,
    /// Absolute end of the last interval.
    interval_end_ns: u64,
    intervals: Vec<Interval>,
    /// Measured deliveries from their send time.
    uncorrected: Histogram<u64>,
    /// Measured deliveries above [`LATENCY_NS_MAX`].
    saturated: u64,
    /// When the kernel had the last byte of what is being read, if it says so.
    stamp_ns: Option<u64>,
    /// When the last measured message of what is being read was due.
    last_due_ns: Option<u64>,
    /// Measured deliveries to probes: until the kernel had them, and from there until they were read.
    stamped: Stamped,
    /// Deliveries to verified members, warm-up included, repeats left out.
    deliveries: u64,
    /// Deliveries to verified members that the messages sent so far call for.
    deliveries_expected: u64,
    /// Messages sent so far by each publisher.
    sent: Vec<u64>,
    /// Publishers that the server told to slow down.
    slowed: Vec<bool>,
    /// Messages that verified members were told they missed, as the server counts them.
    told: u64,
    /// None when this process has the whole room.
    share: Option<Share>,
    /// None where all members came in by one door.
    doors: Option<Doors>,
    pub words: Words,
}

/// What is kept besides when members came in by several doors.
#[derive(Debug)]
struct Doors {
    /// Of each verified member.
    of_members: Vec<u8>,
    /// Measured deliveries from their due time.
    delivery: Vec<Histogram<u64>>,
}

/// What is kept besides, and instead of histograms, when other processes have other members of the room.
#[derive(Debug)]
struct Share {
    /// True for each publisher that another process has: when it sent is not known here.
    elsewhere: Vec<bool>,
    arrivals: Arrivals,
    /// Deliveries of measured messages.
    measured: u64,
}

impl<'p> Recorder<'p> {
    /// A recorder for `plan`; `publishers_of_members` has one entry a verified member: its number if it publishes.
    pub fn new(plan: &'p Plan, format: Format, publishers_of_members: &[Option<u32>]) -> Self {
        let rooms = plan.rooms();
        let proof = |room: usize| {
            let of_room = publishers_of_members.iter().skip(room).step_by(rooms);
            let publishers: Vec<Option<u32>> =
                of_room.map(|publisher| publisher.map(|number| number / rooms as u32)).collect();
            Proof::new(plan.turns_of_room(room), &publishers)
        };
        Self {
            plan,
            format,
            messages: vec![Message::default(); plan.len()],
            proofs: (0..rooms).map(proof).collect(),
            strange: Problems::default(),
            authors: Vec::new(),
            authors_known: HashSet::new(),
            interval_ns: interval_ns(plan),
            window_start_ns: u64::MAX,
            interval_end_ns: 0,
            intervals: Vec::new(),
            uncorrected: histogram(),
            saturated: 0,
            stamp_ns: None,
            last_due_ns: None,
            stamped: Stamped::default(),
            deliveries: 0,
            deliveries_expected: 0,
            sent: vec![0; plan.publishers() as usize],
            slowed: vec![false; plan.publishers() as usize],
            told: 0,
            share: None,
            doors: None,
            words: Words::default(),
        }
    }

    /// The same where members came in by several doors: the one of each verified member.
    pub fn by_doors(mut self, of_members: Vec<u8>) -> Self {
        let doors = of_members.iter().max().map_or(0, |last| *last as usize + 1);
        self.proofs[0].by_doors(of_members.clone());
        self.doors = Some(Doors { of_members, delivery: vec![histogram(); doors] });
        self
    }

    /// The plan starts at `start_ns`, and the publishers are known to the room as `authors`.
    pub fn start(&mut self, start_ns: u64, authors: Vec<Vec<u8>>) {
        assert_eq!(authors.len(), self.plan.publishers() as usize, "every publisher has an author");
        for (index, message) in self.messages.iter_mut().enumerate() {
            message.due_ns = start_ns + self.plan.due_ns(index);
        }
        self.window_start_ns = start_ns + self.plan.window_start_ns();
        self.interval_end_ns = self.window_start_ns;
        self.authors_known = authors.iter().cloned().collect();
        self.authors = authors;
        self.told = 0;
        self.proofs.iter_mut().for_each(Proof::forget_words);
        // What others send is not seen being sent, so all of it is expected from the start.
        let elsewhere = self.share.as_ref().map_or(Vec::new(), |share| share.elsewhere.clone());
        for index in 0..self.plan.len() {
            let publisher = self.plan.publisher_of(index) as usize;
            if elsewhere.get(publisher).copied().unwrap_or(false) {
                self.sent[publisher] += 1;
                self.deliveries_expected += self.proofs[0].members();
            }
        }
    }

    /// Absolute due time of message `index`.
    pub fn due_ns(&self, index: usize) -> u64 {
        self.messages[index].due_ns
    }

    /// Bytes that the server puts before the lines of `publisher`.
    pub fn author_bytes(&self, publisher: usize) -> u64 {
        self.authors[publisher].len() as u64
    }

    /// Message `index` was handed to the kernel at `now_ns`, with `expected` verified members to receive it.
    pub fn on_sent(&mut self, index: usize, now_ns: u64, expected: u32) {
        self.messages[index].expect(now_ns, expected);
        self.sent[self.plan.publisher_of(index) as usize] += 1;
        self.deliveries_expected += u64::from(expected);
    }

    /// Verified member `member` left the room at `now_ns`.
    pub fn on_left(&mut self, member: usize, now_ns: u64) {
        let (room, number) = self.place_of(member);
        self.proofs[room].on_left(number, now_ns);
    }

    /// What is handed over from here to [`Self::end_read`] came in one read, and the kernel had its last byte at `stamp_ns`.
    pub fn begin_read(&mut self, stamp_ns: Option<u64>) {
        self.stamp_ns = stamp_ns;
        self.last_due_ns = None;
    }

    /// The end of what one read gave, which was over at `now_ns`. A stamp is of the last byte, so it says something of the
    /// last message alone.
    pub fn end_read(&mut self, now_ns: u64) {
        if let (Some(stamp_ns), Some(due_ns)) = (self.stamp_ns.take(), self.last_due_ns.take()) {
            self.stamped.record(stamp_ns.saturating_sub(due_ns), now_ns.saturating_sub(stamp_ns));
        }
    }

    /// Verified member `member` read `line`, without its newline, at `now_ns`.
    pub fn on_line(&mut self, member: usize, line: &[u8], now_ns: u64) {
        match self.format.parse(line) {
            Line::Message { author, header } => self.on_message(member, line, author, header, now_ns),
            Line::Presence => self.on_presence(member, line.len() + 1),
            Line::Notice => {
                if let Some(messages) = told_missed(line) {
                    self.on_missed(member, messages);
                }
                self.on_word(member, line);
            }
            Line::Other => self.on_other_line(line),
        }
    }

    /// Verified member `member` was delivered `payload` of `author` at `now_ns`, who is nobody if the server names none; `own` is the
    /// publisher that the member is, if that server sends members their own messages too. Returns whose message it is.
    pub fn on_payload(
        &mut self,
        member: usize,
        (author, payload): (&[u8], &[u8]),
        own: Option<u32>,
        now_ns: u64,
    ) -> Option<u32> {
        let Some(header) = self.format.parse_payload(payload) else {
            self.on_other_payload(author, payload);
            return None;
        };
        if own != Some(header.publisher) {
            self.on_message(member, payload, author, header, now_ns);
        }
        Some(header.publisher)
    }

    /// The room that verified member `member` is in, and its number among those of the room.
    fn place_of(&self, member: usize) -> (usize, usize) {
        match self.proofs.len() {
            // The common case, and a division is dear where millions of lines a second are looked at.
            1 => (0, member),
            rooms => (member % rooms, member / rooms),
        }
    }

    fn on_message(&mut self, member: usize, line: &[u8], author: &[u8], header: Header, now_ns: u64) {
        let Some(index) = self.plan.index_of(header.publisher, header.sequence) else {
            return self.on_other_line(line);
        };
        let (room, number) = self.place_of(member);
        if self.proofs.len() > 1 && self.plan.room_of(header.publisher) != room {
            return self.on_foreign(line);
        }
        let message = &mut self.messages[index];
        let known = self.authors.get_mut(header.publisher as usize);
        let like = known.as_ref().map_or(Likeness::Other, |known| likeness(author, known));
        // Whether a publisher of another process sent it is checked when the results are joined.
        let is_elsewhere = |share: &Share| share.elsewhere[header.publisher as usize];
        let came_after_send = match self.share.as_ref().is_some_and(is_elsewhere) {
            true => now_ns >= message.due_ns,
            false => message.sent_ns != 0,
        };
        let genuine = message.due_ns == header.due_ns && came_after_send;
        let Some(known) = known.filter(|_| genuine && like != Likeness::Other) else {
            return self.on_other_payload(author, line);
        };
        // Another member had the same name, so the server put a number behind this one's. From here on that is its name.
        if like == Likeness::Second {
            *known = with_number(author, known);
            self.authors_known.insert(known.clone());
        }
        let of_room = if self.proofs.len() > 1 { index / self.proofs.len() } else { index };
        if self.proofs[room].on_message(number, of_room as u32) == Arrived::Again {
            return;
        }
        self.deliveries += 1;
        let is_measured = index >= self.plan.warmup_messages();
        if let Some(share) = &mut self.share {
            share.arrivals.push(index, message.due_ns, now_ns);
            share.measured += u64::from(is_measured);
            if is_measured {
                self.last_due_ns = Some(message.due_ns);
            }
            return;
        }
        message.deliver(now_ns);
        if is_measured {
            let (due_ns, sent_ns) = (message.due_ns, message.sent_ns);
            self.last_due_ns = Some(due_ns);
            self.record(due_ns, sent_ns, now_ns);
            if let Some(doors) = &mut self.doors {
                let door = doors.of_members[member] as usize;
                doors.delivery[door].saturating_record(now_ns.saturating_sub(due_ns));
            }
        }
    }

    fn record(&mut self, due_ns: u64, sent_ns: u64, now_ns: u64) {
        while now_ns >= self.interval_end_ns {
            self.intervals
                .push(Interval { start_ns: self.interval_end_ns - self.window_start_ns, delivery: histogram() });
            self.interval_end_ns += self.interval_ns;
        }
        let latency_ns = now_ns.saturating_sub(due_ns);
        if latency_ns > LATENCY_NS_MAX {
            self.saturated += 1;
        }
        let interval = self.intervals.last_mut().expect("the loop above opened the interval of now");
        interval.delivery.saturating_record(latency_ns);
        self.uncorrected.saturating_record(now_ns.saturating_sub(sent_ns));
    }

    /// Deliveries to verified members so far, warm-up included.
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// The same without those of the warm-up.
    pub fn measured_deliveries(&self) -> u64 {
        self.share.as_ref().map_or(self.uncorrected.len(), |share| share.measured)
    }

    /// Messages that verified members were told they missed, as the server counts them: joins and leaves among them.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// True exactly when every verified member has every message sent so far, or was told that it missed it.
    pub fn is_complete(&self) -> bool {
        if self.told == 0 {
            return self.deliveries == self.deliveries_expected;
        }
        // The sum is cheap, and mostly the answer is no.
        self.deliveries.saturating_add(self.told) >= self.deliveries_expected && self.is_accounted_for()
    }

    fn is_accounted_for(&self) -> bool {
        let rooms = self.proofs.len();
        self.proofs.iter().enumerate().all(|(room, proof)| {
            let sent: Vec<u64> = self.sent.iter().skip(room).step_by(rooms).copied().collect();
            proof.is_accounted_for(&sent)
        })
    }

    /// Whether the server held message `index`, which was sent, back until `ended_ns`: its publisher was slowed, and nobody had
    /// it or the first had it only just.
    fn is_held_back(&self, index: usize, ended_ns: u64) -> bool {
        self.slowed[self.plan.publisher_of(index) as usize] && self.messages[index].is_hardly_heard(ended_ns)
    }

    /// Messages of each publisher that the server held back until `ended_ns`.
    pub fn held_back(&self, ended_ns: u64) -> Vec<u64> {
        let mut held = vec![0; self.slowed.len()];
        for index in (0..self.messages.len()).filter(|&index| self.messages[index].sent_ns != 0) {
            held[self.plan.publisher_of(index) as usize] += u64::from(self.is_held_back(index, ended_ns));
        }
        held
    }

    /// Bytes of presence lines that a member of the room has read since the start: the most that any verified one has.
    pub fn presence_bytes(&self) -> u64 {
        self.proofs.iter().map(Proof::presence_bytes).max().unwrap_or(0)
    }

    /// What the proofs of all rooms come to; called once. `is_held_back` says of a message that was sent whether the server held it
    /// back until the end.
    fn prove(&mut self, is_held_back: impl Fn(&Self, usize) -> bool) -> Proven {
        let proofs = std::mem::take(&mut self.proofs);
        let rooms = proofs.len();
        let of_room = |(room, proof): (usize, Proof)| {
            let messages = self.messages.iter().skip(room).step_by(rooms);
            proof.finish(messages, |index| is_held_back(self, index * rooms + room))
        };
        let mut proven = Proven::of_rooms(proofs.into_iter().enumerate().map(of_room).collect());
        proven.problems.add(&self.strange);
        proven
    }

    /// Ends the record at `ended_ns`: what has not arrived by now counts as having taken at least until now.
    pub fn finish(mut self, ended_ns: u64) -> Record {
        let proven = self.prove(|recorder, index| recorder.is_held_back(index, ended_ns));
        let warmup = self.plan.warmup_messages();
        let mut figures = Figures::new(
            &self.messages[warmup..],
            std::mem::take(&mut self.intervals),
            self.uncorrected,
            self.saturated,
            self.interval_ns,
            ended_ns,
        );
        figures.stamped = self.stamped;
        let of_doors = self.doors.map_or(Vec::new(), |doors| doors.delivery);
        Record { messages: self.messages, warmup_messages: warmup, figures, proven, words: self.words, of_doors }
    }
}

#[cfg(test)]
mod rooms_tests;
#[cfg(test)]
mod share_tests;
#[cfg(test)]
mod test_lines;
#[cfg(test)]
mod tests;
