//! One record of what several processes recorded, each of its own members of one room.
//!
//! Every arrival of a message is there, so figures of the room are exact: when half of it has a line is no mean of when half of
//! each share has it. Counts are added. The order of the room is that of most members; a share whose members saw another one has
//! none of its hashes equal to the room's.
//!
//! A message that came to members of one process was sent by another, or by nobody. Only here both are known.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::recorder::figures::{Figures, Interval, Stamped, StampedCells, interval_ns};
use crate::recorder::latency::{LATENCY_NS_MAX, histogram};
use crate::recorder::proven::{EXAMPLES_MAX, Proven};
use crate::recorder::record::{QUOTES_MAX, Record, Words};
use crate::recorder::times::Message;

/// What a process knows of its share when the plan is over, but for the arrivals.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Stopped {
    /// When the messages of each publisher that it has were sent, by sequence; 0 for those that were not.
    pub sent_ns: Vec<(u32, Vec<u64>)>,
    /// Its publishers that the server told to slow down.
    pub slowed: Vec<u32>,
    /// Bytes that the server puts before the lines of each publisher of the room, as these members saw it.
    pub author_bytes: Vec<u64>,
    /// Bytes of presence lines that a member has read since the start.
    pub presence_bytes: u64,
    /// Messages in the order in which these members saw them.
    pub order: Vec<u32>,
    /// Verified members, and when those that did not stay left.
    pub verified: u64,
    pub left_ns: Vec<u64>,
    /// Deliveries to verified members.
    pub deliveries: u64,
}

/// What all processes together say was sent, which each needs to prove its share.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct RoomSent {
    /// Of each message of the plan, 0 if it was not sent.
    pub sent_ns: Vec<u64>,
    /// Messages that the server held back until the end.
    pub held_back: Vec<u32>,
}

/// What a process proved of its share.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SharePart {
    pub proven: Proven,
    pub words: Words,
    pub stamped: StampedCells,
}

/// The room while its arrivals come in.
#[derive(Debug)]
pub struct Join<'p> {
    plan: &'p Plan,
    ended_ns: u64,
    messages: Vec<Message>,
    slowed: Vec<bool>,
    verified: u64,
    /// One where every member verifies, publishers too, so that a message has one fewer to come to.
    own: u64,
    /// When members left, the first first.
    left_ns: Vec<u64>,
    uncorrected: Histogram<u64>,
    saturated: u64,
    interval_ns: u64,
    intervals: Vec<Interval>,
    /// Deliveries of messages that nobody sent, or had not sent yet.
    foreign: u64,
}

impl<'p> Join<'p> {
    /// The room of `shares`, whose plan began at `start_ns` and ended at `ended_ns`; `publishers_verify` if all members do.
    pub fn new(plan: &'p Plan, (start_ns, ended_ns): (u64, u64), shares: &[Stopped], publishers_verify: bool) -> Self {
        let message = |index| Message::due_at(start_ns + plan.due_ns(index));
        let mut messages: Vec<Message> = (0..plan.len()).map(message).collect();
        let mut slowed = vec![false; plan.publishers() as usize];
        for share in shares {
            for (publisher, sent_ns) in &share.sent_ns {
                let of_publisher = messages.iter_mut().skip(*publisher as usize).step_by(plan.publishers() as usize);
                of_publisher.zip(sent_ns).for_each(|(message, &sent_ns)| message.sent_ns = sent_ns);
            }
            share.slowed.iter().for_each(|&publisher| slowed[publisher as usize] = true);
        }
        let mut left_ns: Vec<u64> = shares.iter().flat_map(|share| share.left_ns.iter().copied()).collect();
        left_ns.sort_unstable();
        Self {
            plan,
            ended_ns,
            messages,
            slowed,
            verified: shares.iter().map(|share| share.verified).sum(),
            own: u64::from(publishers_verify),
            left_ns,
            uncorrected: histogram(),
            saturated: 0,
            interval_ns: interval_ns(plan),
            intervals: Vec::new(),
            foreign: 0,
        }
    }

    /// When message `index` was due.
    pub fn due_ns(&self, index: usize) -> u64 {
        self.messages[index].due_ns
    }

    /// All arrivals of message `index`, those of one share after those of another.
    pub fn add(&mut self, index: usize, arrivals_ns: &mut [u64]) {
        let message = &mut self.messages[index];
        if message.sent_ns == 0 {
            self.foreign += arrivals_ns.len() as u64;
            return;
        }
        let left = self.left_ns.partition_point(|&left_ns| left_ns <= message.sent_ns) as u64;
        let expected = self.verified.saturating_sub(self.own + left);
        message.expect(message.sent_ns, expected as u32);
        // Each share is in order, which this sort makes use of.
        arrivals_ns.sort();
        self.foreign += arrivals_ns.partition_point(|&at_ns| at_ns < message.sent_ns) as u64;
        let is_measured = index >= self.plan.warmup_messages();
        let window_start_ns = message.due_ns - self.plan.due_ns(index) + self.plan.window_start_ns();
        for &at_ns in arrivals_ns.iter() {
            message.deliver(at_ns);
            if !is_measured {
                continue;
            }
            let latency_ns = at_ns.saturating_sub(message.due_ns);
            self.saturated += u64::from(latency_ns > LATENCY_NS_MAX);
            self.uncorrected.saturating_record(at_ns.saturating_sub(message.sent_ns));
            let number = ((at_ns - window_start_ns) / self.interval_ns) as usize;
            while self.intervals.len() <= number {
                let start_ns = self.intervals.len() as u64 * self.interval_ns;
                self.intervals.push(Interval { start_ns, delivery: histogram() });
            }
            self.intervals[number].delivery.saturating_record(latency_ns);
        }
    }

    /// What was sent and what was held back, when all arrivals are in.
    pub fn sent(&self) -> RoomSent {
        let held_back = self.messages.iter().enumerate().filter(|(index, message)| {
            let slowed = self.slowed[self.plan.publisher_of(*index) as usize];
            slowed && message.sent_ns != 0 && message.is_hardly_heard(self.ended_ns)
        });
        RoomSent {
            held_back: held_back.map(|(index, _)| index as u32).collect(),
            sent_ns: self.messages.iter().map(|message| message.sent_ns).collect(),
        }
    }

    /// The record of the room, from what each share proved and the order that it saw.
    pub fn finish(self, parts: &[(SharePart, Vec<u32>)]) -> Record {
        let warmup = self.plan.warmup_messages();
        let mut figures = Figures::new(
            &self.messages[warmup..],
            self.intervals,
            self.uncorrected,
            self.saturated,
            self.interval_ns,
            self.ended_ns,
        );
        figures.stamped = Stamped::default();
        let mut words = Words::default();
        for (part, _) in parts {
            part.stamped.add_to(&mut figures.stamped);
            words.presence_lines += part.words.presence_lines;
            words.notice_lines += part.words.notice_lines;
            words.publishers_slowed += part.words.publishers_slowed;
            words.notices.extend(part.words.notices.iter().cloned());
            words.other_lines.extend(part.words.other_lines.iter().cloned());
        }
        words.notices.truncate(QUOTES_MAX);
        words.other_lines.truncate(QUOTES_MAX);
        let mut proven = join_proven(parts);
        proven.problems.foreign += self.foreign;
        if self.foreign > 0 {
            let text = format!("{} deliveries of messages that were not sent, or not yet", self.foreign);
            proven.examples.insert(0, text);
        }
        proven.examples.truncate(EXAMPLES_MAX);
        Record { messages: self.messages, warmup_messages: warmup, figures, proven, words, of_doors: Vec::new() }
    }
}

/// Counts added, and the hashes of each share held against the order of the room.
fn join_proven(parts: &[(SharePart, Vec<u32>)]) -> Proven {
    let saw_it = |order: &[u32]| -> u64 {
        parts.iter().filter(|(_, other)| other == order).map(|(part, _)| part.proven.hashes_equal).sum()
    };
    let room = parts.iter().max_by_key(|(_, order)| (saw_it(order), order.len()));
    let mut proven = Proven { hash: room.map_or(0, |(part, _)| part.proven.hash), ..Proven::default() };
    let room: &[u32] = room.map_or(&[], |(_, order)| order);
    for (part, order) in parts {
        let of_share = &part.proven;
        proven.problems.add(&of_share.problems);
        proven.members += of_share.members;
        proven.told += of_share.told;
        proven.held_back += of_share.held_back;
        proven.members_excused += of_share.members_excused;
        proven.examples.extend(of_share.examples.iter().cloned());
        let displaced = displaced(room, order);
        if order == room {
            proven.hashes_equal += of_share.hashes_equal;
        } else if displaced == 0 && of_share.told + of_share.held_back > 0 {
            proven.members_excused += of_share.hashes_equal;
        } else {
            proven.problems.out_of_order += displaced * of_share.hashes_equal;
            proven.examples.push(format!("{} members of one process saw another order", of_share.hashes_equal));
        }
    }
    proven
}

/// Messages of `order` that stand behind one that `room` has later.
fn displaced(room: &[u32], order: &[u32]) -> u64 {
    if room == order {
        return 0;
    }
    let places: std::collections::HashMap<u32, usize> =
        room.iter().enumerate().map(|(place, &index)| (index, place)).collect();
    let mut last = 0;
    let mut displaced = 0;
    for place in order.iter().filter_map(|index| places.get(index)) {
        displaced += u64::from(*place < last);
        last = last.max(*place);
    }
    displaced
}
