//! Members that verify nothing count the bytes that they receive. Here those counts are compared with what was sent.

use crate::engine::carry_out::Start;
use crate::engine::members::{Engine, Member, Publisher};
use crate::engine::outcome::{Counted, Expected};
use crate::sys;

/// What members that only count bytes lack when others were told that they missed something, and no byte came for this long,
/// is not waited for.
const TOLD_QUIET_NS: u64 = 500_000_000;

impl Engine<'_> {
    /// Bytes of one message as the members receive it, at most.
    pub(super) fn wire_line_bytes(&self, start: &Start) -> usize {
        let known = self.wires.iter().map(|wire| start.wire_line_bytes(wire.delivery_bytes())).max();
        self.sample.longest().or(known).expect("there is a door")
    }

    /// Deliveries to all members since the plan started; counting members in whole lines.
    pub(super) fn deliveries(&self, wire_line_bytes: usize) -> u64 {
        self.recorder.deliveries() + self.in_deliveries(self.counted_bytes, wire_line_bytes)
    }

    /// How many deliveries `bytes` are: whole ones, of the longest if lengths are known beforehand and differ, else of the mean of
    /// what the sample was sent.
    fn in_deliveries(&self, bytes: u64, wire_line_bytes: usize) -> u64 {
        match self.sample.deliveries_of(bytes) {
            Some(deliveries) => deliveries,
            None => bytes / wire_line_bytes as u64,
        }
    }

    pub(super) fn counting_is_complete(&self) -> bool {
        let counting = self.counting.len() as u64;
        if counting == 0 {
            return true;
        }
        // The sum is cheap, and mostly the answer is no. When it suffices each member is looked at: what one has too much could hide
        // what another lacks.
        let sent = self.sent_bytes();
        let expected = self.expected_of_counting(&sent) + self.recorder.presence_bytes() * counting;
        if self.counted_bytes < expected && self.recorder.told() == 0 {
            return false;
        }
        let presence = self.recorder.presence_bytes();
        let lacks = |member: &Member| {
            self.bytes_of(member).is_some_and(|bytes| bytes < self.heard_of(member, &sent) + presence)
        };
        let lacking = self.members.iter().any(|member| member.socket.is_some() && lacks(member));
        // When members that verify were told that they missed something, members that count may have been told so too, and cannot
        // know it. What they lack when the room is quiet will not come.
        !lacking || (self.recorder.told() > 0 && sys::monotonic_ns() - self.heard_ns > TOLD_QUIET_NS)
    }

    /// Bytes that `member` received since the plan started, if it is one that only counts.
    fn bytes_of(&self, member: &Member) -> Option<u64> {
        Some(self.counting[member.counting()?])
    }

    /// Bytes of `messages` of each publisher as the others receive them.
    fn wire_bytes(&self, messages: impl Iterator<Item = u64>) -> Vec<u64> {
        let delivery = self.wires[0].delivery_bytes() as u64;
        let bytes = |(publisher, count): (usize, u64)| match self.sample.member {
            None => count * (self.recorder.author_bytes(publisher) + delivery),
            Some(_) => self.sample.bytes(publisher, count),
        };
        messages.enumerate().map(bytes).collect()
    }

    /// The same of what each has sent since the plan started.
    fn sent_bytes(&self) -> Vec<u64> {
        self.wire_bytes(self.publishers.iter().map(|publisher| publisher.messages_sent))
    }

    /// Of `bytes` of each publisher, what a member receives: not its own, unless the server sends it that too.
    fn heard_of(&self, member: &Member, bytes: &[u64]) -> u64 {
        let publisher = member.publisher().filter(|_| !self.wires[0].echoes());
        bytes.iter().sum::<u64>() - publisher.map_or(0, |publisher| bytes[publisher as usize])
    }

    /// Of `bytes` of each publisher, or of so many messages, what all counting members together receive.
    fn expected_of_counting(&self, bytes: &[u64]) -> u64 {
        let counting = self.counting.len() as u64;
        let counts = |place: usize| self.members[place].counting().is_some() && !self.wires[0].echoes();
        let own = |publisher: &Publisher| publisher.member.is_some_and(counts);
        let owners = self.publishers.iter().zip(bytes).filter(|(publisher, _)| own(publisher));
        bytes.iter().sum::<u64>() * counting - owners.map(|(_, bytes)| bytes).sum::<u64>()
    }

    /// Deliveries of measured messages to all members. What counting members have beyond the bytes of the warm-up and of
    /// presence are whole messages, the longest if their lengths differ: never more than there were.
    pub(super) fn measured_deliveries(&self, wire_line_bytes: usize) -> u64 {
        let counting = self.counting.len() as u64;
        let mut warmup = vec![0; self.publishers.len()];
        (0..self.plan.warmup_messages()).for_each(|index| warmup[self.plan.publisher_of(index) as usize] += 1);
        let presence = self.recorder.presence_bytes() * counting;
        let counted = match self.sample.member {
            Some(_) => {
                let all = self.in_deliveries(self.counted_bytes.saturating_sub(presence), wire_line_bytes);
                all.saturating_sub(self.expected_of_counting(&warmup))
            }
            None => {
                let beside = self.expected_of_counting(&self.wire_bytes(warmup.into_iter())) + presence;
                self.counted_bytes.saturating_sub(beside) / wire_line_bytes as u64
            }
        };
        self.recorder.measured_deliveries() + counted
    }

    /// What counting members lack or have too much, in lines.
    pub(super) fn count_up(&self, wire_line_bytes: u64, expected: &Expected) -> Counted {
        let mut counted = Counted::default();
        for member in &self.members {
            let Some(bytes) = self.bytes_of(member) else { continue };
            // What the server held back may have come or not, so the count is right with it and without it.
            let least = self.heard_of(member, &expected.bytes) + expected.presence_bytes;
            let most = least + self.heard_of(member, &expected.held_back_bytes);
            counted.members += 1;
            counted.wrong += u64::from(!(least..=most).contains(&bytes));
            counted.lost += least.saturating_sub(bytes).div_ceil(wire_line_bytes);
            counted.duplicate += bytes.saturating_sub(most).div_ceil(wire_line_bytes);
            counted.held_back += most.saturating_sub(bytes.max(least)) / wire_line_bytes;
        }
        counted
    }

    /// What members that only count should have, as these members know it.
    pub(super) fn expected(&self, ended_ns: u64) -> Expected {
        let held = self.recorder.held_back(ended_ns);
        let sent = self.publishers.iter().zip(&held);
        Expected {
            bytes: self.wire_bytes(sent.map(|(publisher, held)| publisher.messages_sent - held)),
            held_back_bytes: self.wire_bytes(held.into_iter()),
            presence_bytes: self.recorder.presence_bytes(),
        }
    }
}
