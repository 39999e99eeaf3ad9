//! Everything that waits: which connection for what, and which moment comes next.
//!
//! A held connection stands in one queue, that of what it waits for, and is not looked at before that has passed. Time-outs
//! and retries have queues of their own; single moments, such as the next statistics line, have a place each. The schedule
//! does no I/O and reads no clock. It knows connections by their ids alone: one that is gone may still be handed out, and its
//! entries are dropped when they outnumber the others.
//!
//! 1. A held connection has one entry in the queues of held connections, and none while it waits for its own reading.
//! 2. Of each queue in [`Queue`] a connection has at most one entry, exactly while its [`Queued`] says so.
//! 3. The first in the room's ration stays first until its line is said.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use crate::limits::{MEMORY_RETRY, OPENING_HOLD, TIMEOUT_SLACK};
use crate::room::NotNow;
use crate::timeouts::Timeouts;
use crate::token::ConnectionId;

/// A queue that a connection may have an entry in, whatever else it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// An operation is tried again that the kernel had no memory for.
    Retry = 1,
    /// Its socket is or was full.
    Stall = 2,
    /// It has or had begun a line.
    Line = 4,
    /// It has or had begun what could be another protocol.
    Opening = 8,
}

/// Which queues have an entry of a connection. It stands with the connection, and the schedule keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued(u8);

impl Queued {
    pub fn contains(self, queue: Queue) -> bool {
        self.0 & queue as u8 != 0
    }

    /// An entry was handed out and is in its queue no more.
    pub fn remove(&mut self, queue: Queue) {
        self.0 &= !(queue as u8);
    }

    /// True when it was not there.
    fn insert(&mut self, queue: Queue) -> bool {
        let is_new = !self.contains(queue);
        self.0 |= queue as u8;
        is_new
    }
}

/// What a moment is for, of which there is one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Accepting has ended on an error: it is armed again.
    Accept,
    /// The statistics line.
    Statistics,
    /// Some of the peers that owe an answer are looked at.
    Silence,
    /// A stop that has begun ends.
    Stop,
    /// The room wants to be called.
    Room,
    /// The transcript is tried again.
    Transcript,
    /// The server's own log is tried again.
    Journal,
}

impl Moment {
    const COUNT: usize = Self::Journal as usize + 1;
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Accept,
    Statistics,
    Silence,
    /// What the kernel had no memory for is tried again.
    Retry(ConnectionId),
    /// Its socket was full a time-out ago.
    Stall(ConnectionId),
    /// It had begun a line a time-out ago.
    Line(ConnectionId),
}

/// Whose lines may be taken now, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// All that it has waiting.
    All(ConnectionId),
    /// One line: it has waited for the room's ration longest.
    One(ConnectionId),
}

#[derive(Debug)]
pub struct Schedule {
    /// Held connections that may go on now, or after the next sweep.
    resumable: VecDeque<ConnectionId>,
    /// True exactly from when the room had no place for a line in this turn until the sweep: nobody goes on meanwhile.
    sweep_first: bool,
    /// Held connections that may go on from a moment on, soonest first.
    delayed: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
    /// Held connections in the order in which they wait for the room's ration, and from when on there is more of it.
    rationed: VecDeque<ConnectionId>,
    rationed_until: Instant,
    /// [`Queue::Opening`], soonest first.
    openings: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
    /// [`Queue::Retry`], soonest first.
    retries: VecDeque<(Instant, ConnectionId)>,
    /// [`Queue::Stall`].
    stalls: Timeouts,
    /// [`Queue::Line`].
    lines: Timeouts,
    /// By [`Moment`].
    moments: [Option<Instant>; Moment::COUNT],
}

impl Schedule {
    pub fn new(stall_timeout: Duration, line_timeout: Duration, now: Instant) -> Self {
        Self {
            resumable: VecDeque::new(),
            sweep_first: false,
            delayed: BinaryHeap::new(),
            rationed: VecDeque::new(),
            rationed_until: now,
            openings: BinaryHeap::new(),
            retries: VecDeque::new(),
            stalls: Timeouts::new(stall_timeout),
            lines: Timeouts::new(line_timeout),
            moments: [None; Moment::COUNT],
        }
    }

    /// Holds a connection until a reason has passed. One that has yet to read is brought back by [`Schedule::resume`].
    pub fn hold(&mut self, id: ConnectionId, reason: NotNow) {
        match reason {
            NotNow::Pressed => {
                self.sweep_first = true;
                self.resumable.push_back(id);
            }
            NotNow::Unread => {}
            NotNow::Until(from) => self.delayed.push(Reverse((from, id))),
            NotNow::Rationed(from) => {
                self.rationed_until = self.rationed_until.max(from);
                self.rationed.push_back(id);
            }
        }
    }

    /// Puts back the connection that [`Resume::One`] was for and whose line was not said: whatever the reason, it stays first.
    pub fn hold_first(&mut self, id: ConnectionId, reason: NotNow) {
        match reason {
            NotNow::Rationed(from) => self.rationed_until = from,
            NotNow::Pressed => self.sweep_first = true,
            NotNow::Unread | NotNow::Until(_) => {}
        }
        self.rationed.push_front(id);
    }

    /// From when on there is more of the room's ration, while others wait for it.
    pub fn ration(&self) -> Option<Instant> {
        (!self.rationed.is_empty()).then_some(self.rationed_until)
    }

    /// A held connection may go on.
    pub fn resume(&mut self, id: ConnectionId) {
        self.resumable.push_back(id);
    }

    /// True while held connections may go on now, or after a sweep. Nobody is received from before.
    pub fn has_resumable(&self) -> bool {
        !self.resumable.is_empty()
    }

    /// The next held connection that may go on: first those whose reasons have passed, then the first in the room's ration.
    pub fn next_resume(&mut self, now: Instant) -> Option<Resume> {
        if self.sweep_first {
            return None;
        }
        if let Some(id) = self.resumable.pop_front() {
            return Some(Resume::All(id));
        }
        if self.delayed.peek().is_some_and(|Reverse((from, _))| *from <= now) {
            return self.delayed.pop().map(|Reverse((_, id))| Resume::All(id));
        }
        if self.rationed_until <= now { self.rationed.pop_front().map(Resume::One) } else { None }
    }

    /// A batch was sent: the room may have a place for a line again.
    pub fn on_swept(&mut self) {
        self.sweep_first = false;
    }

    /// Nobody who is held goes on any more.
    pub fn forget_held(&mut self) {
        self.resumable.clear();
        self.delayed.clear();
        self.rationed.clear();
    }

    /// Has an operation tried again that the kernel had no memory for.
    pub fn retry(&mut self, id: ConnectionId, queued: &mut Queued, now: Instant) {
        if queued.insert(Queue::Retry) {
            self.retries.push_back((now + MEMORY_RETRY, id));
        }
    }

    /// Times a connection whose socket is full since a moment.
    pub fn time_stall(&mut self, id: ConnectionId, queued: &mut Queued, since: Instant) {
        if queued.insert(Queue::Stall) {
            self.stalls.watch(id, since);
        }
    }

    /// Times a connection that has begun a line and sent the last byte of it at a moment.
    pub fn time_line(&mut self, id: ConnectionId, queued: &mut Queued, since: Instant) {
        if queued.insert(Queue::Line) {
            self.lines.watch(id, since);
        }
    }

    /// Keeps what a chunk has ended with for its time, which began with its line.
    pub fn time_opening(&mut self, id: ConnectionId, queued: &mut Queued, since: Instant) {
        if queued.insert(Queue::Opening) {
            self.openings.push(Reverse((since + OPENING_HOLD, id)));
        }
    }

    /// The next of those that have begun what could be another protocol and whose time was over when it was queued.
    pub fn next_opening(&mut self, now: Instant) -> Option<ConnectionId> {
        self.openings.peek().filter(|Reverse((due, _))| *due <= now)?;
        self.openings.pop().map(|Reverse((_, id))| id)
    }

    /// Sets or forgets a moment.
    pub fn set(&mut self, moment: Moment, at: Option<Instant>) {
        self.moments[moment as usize] = at;
    }

    /// When a moment is, if it is set.
    pub fn moment(&self, moment: Moment) -> Option<Instant> {
        self.moments[moment as usize]
    }

    /// The next thing to be done whose moment has come. It is handed out once.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        if self.take_moment(Moment::Accept, now) {
            return Some(Due::Accept);
        }
        if self.take_moment(Moment::Statistics, now) {
            return Some(Due::Statistics);
        }
        if self.retries.front().is_some_and(|(at, _)| *at <= now) {
            return self.retries.pop_front().map(|(_, id)| Due::Retry(id));
        }
        if let Some(id) = self.stalls.due(now) {
            return Some(Due::Stall(id));
        }
        if let Some(id) = self.lines.due(now) {
            return Some(Due::Line(id));
        }
        self.take_moment(Moment::Silence, now).then_some(Due::Silence)
    }

    /// True when a moment has come, which is then forgotten.
    fn take_moment(&mut self, moment: Moment, now: Instant) -> bool {
        self.moments[moment as usize].take_if(|at| *at <= now).is_some()
    }

    /// The next moment at which there is something to do.
    pub fn next(&self) -> Option<Instant> {
        let queues = [
            self.delayed.peek().map(|Reverse((from, _))| *from),
            self.ration(),
            self.openings.peek().map(|Reverse((due, _))| *due),
            self.retries.front().map(|(at, _)| *at),
            self.stalls.deadline(),
            self.lines.deadline(),
        ];
        queues.into_iter().chain(self.moments).flatten().min()
    }

    /// Drops what the queues hold of connections that are gone, where that is most of it: `connections` are here.
    pub fn forget_gone(&mut self, connections: usize, mut is_here: impl FnMut(ConnectionId) -> bool) {
        let entries_max = 2 * connections + TIMEOUT_SLACK;
        for timeouts in [&mut self.stalls, &mut self.lines] {
            if timeouts.len() > entries_max {
                timeouts.retain(&mut is_here);
            }
        }
        for heap in [&mut self.openings, &mut self.delayed] {
            if heap.len() > entries_max {
                heap.retain(|Reverse((_, id))| is_here(*id));
            }
        }
        for queue in [&mut self.rationed, &mut self.resumable] {
            if queue.len() > entries_max {
                queue.retain(|id| is_here(*id));
            }
        }
        if self.retries.len() > entries_max {
            self.retries.retain(|(_, id)| is_here(*id));
        }
    }
}

impl Schedule {
    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        let held = self.resumable.capacity() + self.rationed.capacity();
        let timed = self.delayed.capacity() + self.retries.capacity() + self.openings.capacity();
        held * size_of::<ConnectionId>()
            + timed * size_of::<(Instant, ConnectionId)>()
            + self.stalls.footprint()
            + self.lines.footprint()
    }

    /// Who waits for the room's ration, first come first, connections that are gone among them.
    pub fn rationed(&self) -> impl Iterator<Item = ConnectionId> {
        self.rationed.iter().copied()
    }

    /// How many entries of a connection the queues of held connections have.
    pub fn holds(&self, id: ConnectionId) -> usize {
        let queued = self.resumable.iter().chain(&self.rationed).filter(|held| **held == id).count();
        queued + self.delayed.iter().filter(|entry| entry.0.1 == id).count()
    }

    /// True when a connection stands in the queue of those that may go on.
    pub fn is_resumable(&self, id: ConnectionId) -> bool {
        self.resumable.contains(&id)
    }

    /// Panics when the queues do not hold of a connection what it says.
    pub fn agrees(&self, id: ConnectionId, queued: Queued) {
        let retries = self.retries.iter().filter(|(_, other)| *other == id).count();
        assert_eq!(usize::from(queued.contains(Queue::Retry)), retries, "it is tried again once, or not");
        let openings = self.openings.iter().filter(|entry| entry.0.1 == id).count();
        assert_eq!(usize::from(queued.contains(Queue::Opening)), openings, "its beginning is timed once, or not");
    }

    /// Panics when a connection is timed twice, or somebody waits for a sweep that was made.
    pub fn invariants(&self) {
        self.stalls.invariants();
        self.lines.invariants();
        assert!(!self.sweep_first, "each turn sweeps");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Generation, Slot};

    fn id(slot: u32) -> ConnectionId {
        ConnectionId { slot: Slot(slot), generation: Generation::FIRST }
    }

    /// A schedule, and a clock that it began with.
    fn schedule() -> (Schedule, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        let timeout = Duration::from_secs(10);
        (Schedule::new(timeout, timeout, start), move |seconds| start + Duration::from_secs(seconds))
    }

    #[test]
    fn the_first_in_the_ration_stays_first_until_its_line_is_said() {
        let (mut schedule, at) = schedule();
        for slot in 0..3 {
            schedule.hold(id(slot), NotNow::Rationed(at(5)));
        }
        assert_eq!((schedule.next_resume(at(4)), schedule.next()), (None, Some(at(5))));
        assert_eq!(schedule.next_resume(at(5)), Some(Resume::One(id(0))));
        // Its line costs more than there is by now.
        schedule.hold_first(id(0), NotNow::Rationed(at(7)));
        assert_eq!((schedule.next_resume(at(6)), schedule.next()), (None, Some(at(7))));
        assert_eq!(schedule.next_resume(at(7)), Some(Resume::One(id(0))));
        // There is no place for it in the log: the others do not overtake it meanwhile.
        schedule.hold_first(id(0), NotNow::Pressed);
        assert_eq!(schedule.next_resume(at(8)), None);
        schedule.on_swept();
        assert_eq!(schedule.next_resume(at(8)), Some(Resume::One(id(0))));
        // It was said. The next line of the same connection comes after those of the others.
        schedule.hold(id(0), NotNow::Rationed(at(7)));
        let resumed: Vec<Option<Resume>> = (0..4).map(|_| schedule.next_resume(at(8))).collect();
        assert_eq!(resumed, [Some(Resume::One(id(1))), Some(Resume::One(id(2))), Some(Resume::One(id(0))), None]);
        assert_eq!((schedule.ration(), schedule.next()), (None, None));
    }

    #[test]
    fn a_connection_is_held_again_for_another_reason() {
        let (mut schedule, at) = schedule();
        schedule.hold(id(0), NotNow::Until(at(2)));
        schedule.hold(id(1), NotNow::Until(at(1)));
        assert_eq!((schedule.next_resume(at(0)), schedule.next()), (None, Some(at(1))));
        assert_eq!(schedule.next_resume(at(1)), Some(Resume::All(id(1))));
        schedule.hold(id(1), NotNow::Unread);
        assert_eq!((schedule.next_resume(at(1)), schedule.next()), (None, Some(at(2))));
        schedule.resume(id(1));
        assert!(schedule.has_resumable());
        assert_eq!(schedule.next_resume(at(2)), Some(Resume::All(id(1))));
        schedule.hold(id(1), NotNow::Rationed(at(2)));
        assert_eq!(schedule.next_resume(at(2)), Some(Resume::All(id(0))), "its own rate is over, and comes first");
        assert_eq!(schedule.next_resume(at(2)), Some(Resume::One(id(1))));
        assert_eq!((schedule.holds(id(0)), schedule.holds(id(1))), (0, 0));
    }

    #[test]
    fn while_the_log_has_no_place_nobody_is_tried_before_the_sweep() {
        let (mut schedule, at) = schedule();
        schedule.resume(id(0));
        schedule.resume(id(1));
        schedule.hold(id(2), NotNow::Until(at(0)));
        assert_eq!(schedule.next_resume(at(0)), Some(Resume::All(id(0))));
        schedule.hold(id(0), NotNow::Pressed);
        assert_eq!(schedule.next_resume(at(0)), None);
        assert!(schedule.has_resumable());
        schedule.on_swept();
        let resumed: Vec<Option<Resume>> = (0..4).map(|_| schedule.next_resume(at(0))).collect();
        assert_eq!(resumed, [Some(Resume::All(id(1))), Some(Resume::All(id(0))), Some(Resume::All(id(2))), None]);
    }

    #[test]
    fn what_is_timed_is_handed_out_once_at_its_moment() {
        let (mut schedule, at) = schedule();
        let mut queued = Queued::default();
        for _ in 0..2 {
            schedule.retry(id(0), &mut queued, at(0));
            schedule.time_stall(id(0), &mut queued, at(1));
            schedule.time_line(id(0), &mut queued, at(2));
            schedule.time_opening(id(0), &mut queued, at(3));
        }
        schedule.set(Moment::Statistics, Some(at(12)));
        schedule.set(Moment::Stop, Some(at(20)));
        schedule.agrees(id(0), queued);
        assert_eq!((schedule.due(at(0)), schedule.next()), (None, Some(at(0) + MEMORY_RETRY)));
        let mut next = || schedule.due(at(12));
        let due = [next(), next(), next(), next(), next()];
        let expected = [Due::Statistics, Due::Retry(id(0)), Due::Stall(id(0)), Due::Line(id(0))];
        assert_eq!(due.into_iter().flatten().collect::<Vec<_>>(), expected);
        assert_eq!((schedule.next_opening(at(3)), schedule.next()), (None, Some(at(3) + OPENING_HOLD)));
        assert_eq!(schedule.next_opening(at(4)), Some(id(0)));
        assert_eq!(schedule.next(), Some(at(20)));
        assert_eq!(schedule.due(at(30)), None, "a stop is the server's affair");
        queued.remove(Queue::Stall);
        schedule.time_stall(id(0), &mut queued, at(30));
        assert_eq!(schedule.due(at(40)), Some(Due::Stall(id(0))));
    }

    #[test]
    fn entries_of_connections_that_are_gone_are_forgotten_within_a_bound() {
        let (mut schedule, at) = schedule();
        let entries = 4 * TIMEOUT_SLACK as u32;
        for slot in 0..entries {
            let mut queued = Queued::default();
            schedule.retry(id(slot), &mut queued, at(0));
            schedule.time_stall(id(slot), &mut queued, at(0));
            schedule.time_line(id(slot), &mut queued, at(0));
            schedule.time_opening(id(slot), &mut queued, at(0));
            schedule.hold(id(slot), NotNow::Rationed(at(1)));
            schedule.hold(id(slot), NotNow::Until(at(1)));
            schedule.hold(id(slot), NotNow::Pressed);
        }
        schedule.on_swept();
        let is_here = |id: ConnectionId| id.slot.0 >= entries - 2;
        schedule.forget_gone(entries as usize, is_here);
        assert_eq!(schedule.next_resume(at(1)), Some(Resume::All(id(0))), "they are few for so many connections");
        schedule.forget_gone(2, is_here);
        let mut resumed = Vec::new();
        while let Some(next) = schedule.next_resume(at(1)) {
            resumed.push(next);
        }
        let [first, second] = [entries - 2, entries - 1].map(id);
        let twice = [first, second, first, second].map(Resume::All);
        assert_eq!(resumed, [&twice[..], &[Resume::One(first), Resume::One(second)]].concat());
        let mut due = 0;
        while schedule.due(at(20)).is_some() {
            due += 1;
        }
        assert_eq!(due, 6);
        assert_eq!([schedule.next_opening(at(20)), schedule.next_opening(at(20))], [Some(first), Some(second)]);
        assert_eq!(schedule.next(), None);
    }
}
