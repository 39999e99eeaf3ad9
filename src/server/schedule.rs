//! Everything that waits: connections, each with what it waits for, and the next moment at which there is something to
//! do.
//!
//! Held connections stand in [`Held`]. Time-outs and retries have queues of their own; single moments, such as the next
//! statistics line, have a place each. The schedule does no I/O and reads no clock. It knows only the ids of
//! connections. So it may hand out one that was freed; entries of such connections are dropped once a queue has many, a
//! piece of it a turn.
//!
//! In each queue of [`Queue`] a connection has at most one entry, and has it exactly while its [`Queued`] says so.

use std::time::{Duration, Instant};

use super::held::Held;
use crate::connection::{Queue, Queued};
use crate::limits::{HANDSHAKE_TIME_MAX, MEMORY_RETRY, OPENING_HOLD, TIMEOUT_SLACK};
use crate::pieces::fifo::Fifo;
use crate::pieces::heap::Heap;
use crate::timeouts::Timeouts;
use crate::token::ConnectionId;

/// Something that is done at one moment, of which at most one is set at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Accepting, which has ended on an error, is armed again.
    Accept,
    /// The statistics line is written.
    Statistics,
    /// Some of the connections whose peers have not acknowledged everything are looked at.
    Silence,
    /// The time to send the rest after a stop signal is over.
    Stop,
    /// A room has a presence summary to say.
    Room,
    /// A token is good no more.
    Session,
    /// The state is handed to its keeper.
    State,
    /// Files that were read anew are looked for.
    Reload,
    /// The transcript is tried again.
    Transcript,
    /// The server's own log is tried again.
    Journal,
    /// The service manager is to be told something.
    Service,
    /// The cluster has something to do.
    Cluster,
}

impl Moment {
    const COUNT: usize = Self::Cluster as usize + 1;
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Accept,
    Statistics,
    Silence,
    /// An operation that the kernel had no memory for is tried again.
    Retry(ConnectionId),
    /// A connection whose socket was full one time-out ago is looked at.
    Stall(ConnectionId),
    /// A connection that had begun a line one time-out ago is looked at.
    Line(ConnectionId),
    /// A connection that began to greet one time-out ago is looked at.
    Handshake(ConnectionId),
}

#[derive(Debug)]
pub struct Schedule {
    pub held: Held,
    /// [`Queue::Opening`], soonest first.
    openings: Heap<(Instant, ConnectionId)>,
    /// True while time-outs come sooner because connections are not received from. The time of openings does not end
    /// then.
    hurries: bool,
    /// [`Queue::Retry`], soonest first.
    retries: Fifo<(Instant, ConnectionId)>,
    /// [`Queue::Stall`].
    stalls: Timeouts,
    /// [`Queue::Line`].
    lines: Timeouts,
    /// [`Queue::Handshake`].
    handshakes: Timeouts,
    /// By [`Moment`].
    moments: [Option<Instant>; Moment::COUNT],
    /// True while a queue has more entries than it may.
    is_forgetting: bool,
}

impl Schedule {
    pub fn new(stall_timeout: Duration, line_timeout: Duration) -> Self {
        Self {
            held: Held::default(),
            hurries: false,
            openings: Heap::new(),
            retries: Fifo::new(),
            stalls: Timeouts::new(stall_timeout),
            lines: Timeouts::new(line_timeout),
            handshakes: Timeouts::new(line_timeout.min(HANDSHAKE_TIME_MAX)),
            moments: [None; Moment::COUNT],
            is_forgetting: false,
        }
    }

    /// Connections are not received from for now: time-outs come after `hurry` already. With `None` they are again.
    pub fn hurry(&mut self, hurry: Option<Duration>) {
        self.hurries = hurry.is_some();
        self.stalls.hurry(hurry);
        self.lines.hurry(hurry);
    }

    /// Has an operation that the kernel had no memory for tried again after a pause.
    pub fn retry(&mut self, id: ConnectionId, queued: &mut Queued, now: Instant) {
        if queued.insert(Queue::Retry) {
            self.retries.push_back((now + MEMORY_RETRY, id));
        }
    }

    /// Times a connection whose socket has been full since `since`.
    pub fn time_stall(&mut self, id: ConnectionId, queued: &mut Queued, since: Instant) {
        if queued.insert(Queue::Stall) {
            self.stalls.watch(id, since);
        }
    }

    /// Times a connection with bytes that are not used, of which the last arrived at `since`.
    pub fn time_line(&mut self, id: ConnectionId, queued: &mut Queued, since: Instant) {
        if queued.insert(Queue::Line) {
            self.lines.watch(id, since);
        }
    }

    /// Times a connection that is greeting. False when it is timed already.
    pub fn time_handshake(&mut self, id: ConnectionId, queued: &mut Queued, now: Instant) -> bool {
        let is_new = queued.insert(Queue::Handshake);
        if is_new {
            self.handshakes.watch(id, now);
        }
        is_new
    }

    /// Takes out the connection of [`Queue::Handshake`] that came first. It may be greeting no more.
    pub fn oldest_handshake(&mut self) -> Option<ConnectionId> {
        self.handshakes.pop()
    }

    /// Times a connection whose chunk ended with bytes that could become another protocol. Their line began at `since`.
    pub fn time_opening(&mut self, id: ConnectionId, queued: &mut Queued, since: Instant) {
        if queued.insert(Queue::Opening) {
            self.openings.push((since + OPENING_HOLD, id));
        }
    }

    /// Takes out the next connection of [`Queue::Opening`] whose time, as it was when it was queued, is over.
    pub fn next_opening(&mut self, now: Instant) -> Option<ConnectionId> {
        self.openings.peek().filter(|(due, _)| *due <= now)?;
        self.openings.pop().map(|(_, id)| id)
    }

    /// Sets a moment, or with `None` forgets it.
    pub fn set(&mut self, moment: Moment, at: Option<Instant>) {
        self.moments[moment as usize] = at;
    }

    /// The time of a moment that is set.
    pub fn moment(&self, moment: Moment) -> Option<Instant> {
        self.moments[moment as usize]
    }

    /// Takes out the next thing that is to be done by now.
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
        if let Some(id) = self.handshakes.due(now) {
            return Some(Due::Handshake(id));
        }
        self.take_moment(Moment::Silence, now).then_some(Due::Silence)
    }

    /// Forgets a moment that has come. True when it has.
    fn take_moment(&mut self, moment: Moment, now: Instant) -> bool {
        self.moments[moment as usize].take_if(|at| *at <= now).is_some()
    }

    /// The next moment at which there is something to do.
    pub fn next(&self) -> Option<Instant> {
        self.queues().into_iter().chain(self.moments).flatten().min()
    }

    /// When each queue has something to do next.
    fn queues(&self) -> [Option<Instant>; 6] {
        [
            self.held.deadline(),
            self.openings.peek().map(|(due, _)| *due).filter(|_| !self.hurries),
            self.retries.front().map(|(at, _)| *at),
            self.stalls.deadline(),
            self.lines.deadline(),
            self.handshakes.deadline(),
        ]
    }

    /// True when there is nothing to do at any moment but this one.
    #[cfg(any(test, feature = "sim"))]
    pub fn has_only(&self, moment: Moment) -> bool {
        let mut others = self.moments;
        others[moment as usize] = None;
        others.into_iter().chain(self.queues()).flatten().next().is_none()
    }

    /// Drops entries of freed connections from queues that have far more entries than the `connections` that are open.
    /// To be called once a turn: it looks at a piece of each such queue.
    pub fn forget_gone(&mut self, connections: usize, mut is_here: impl FnMut(ConnectionId) -> bool) {
        let entries_max = 2 * connections + TIMEOUT_SLACK;
        self.is_forgetting = false;
        for timeouts in [&mut self.stalls, &mut self.lines, &mut self.handshakes] {
            if timeouts.len() > entries_max {
                timeouts.retain_in_a_piece(&mut is_here);
                self.is_forgetting |= timeouts.len() > entries_max;
            }
        }
        if self.openings.len() > entries_max {
            self.openings.retain_some(|(_, id)| is_here(*id));
            self.is_forgetting |= self.openings.len() > entries_max;
        }
        if self.retries.len() > entries_max {
            self.retries.retain_in_a_piece(|(_, id)| is_here(*id));
            self.is_forgetting |= self.retries.len() > entries_max;
        }
        self.is_forgetting |= self.held.forget_gone(entries_max, is_here);
    }

    /// True while entries of freed connections are still to be dropped. It ends: when a queue has more than twice as
    /// many entries as there are connections, half of them are dropped once all of it was looked at.
    pub fn is_forgetting(&self) -> bool {
        self.is_forgetting
    }
}

impl Schedule {
    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.retries.footprint()
            + self.openings.footprint()
            + self.held.footprint()
            + self.stalls.footprint()
            + self.lines.footprint()
            + self.handshakes.footprint()
    }

    /// Panics when the queues do not have the entries of a connection that `queued` says.
    pub fn agrees(&self, id: ConnectionId, queued: Queued) {
        let retries = self.retries.iter().filter(|(_, other)| *other == id).count();
        assert_eq!(usize::from(queued.contains(Queue::Retry)), retries, "a connection has at most one retry");
        let openings = self.openings.iter().filter(|entry| entry.1 == id).count();
        let timed = usize::from(queued.contains(Queue::Opening));
        assert_eq!(timed, openings, "a connection's beginning is timed at most once");
        let (stalls, lines) = (self.stalls.entries(id), self.lines.entries(id));
        assert_eq!(usize::from(queued.contains(Queue::Stall)), stalls, "a full socket is timed once");
        assert_eq!(usize::from(queued.contains(Queue::Line)), lines, "a begun line is timed once");
        let handshakes = self.handshakes.entries(id);
        assert_eq!(usize::from(queued.contains(Queue::Handshake)), handshakes, "a handshake is timed once");
    }

    /// Panics when a connection is timed twice.
    pub fn invariants(&self) {
        self.stalls.invariants();
        self.lines.invariants();
        self.handshakes.invariants();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PIECE_ENTRIES;
    use crate::token::{Generation, Slot};

    fn id(slot: u32) -> ConnectionId {
        ConnectionId { slot: Slot(slot), generation: Generation::FIRST }
    }

    /// A schedule, and a clock that it began with.
    fn schedule() -> (Schedule, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        let timeout = Duration::from_secs(10);
        (Schedule::new(timeout, timeout), move |seconds| start + Duration::from_secs(seconds))
    }

    #[test]
    fn an_entry_is_handed_out_once_at_its_moment() {
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
        assert_eq!(schedule.due(at(30)), None, "the server looks at the moment of a stop itself");
        queued.remove(Queue::Stall);
        schedule.time_stall(id(0), &mut queued, at(30));
        assert_eq!(schedule.due(at(40)), Some(Due::Stall(id(0))));
    }

    #[test]
    fn entries_of_freed_connections_are_dropped_beyond_a_bound() {
        let (mut schedule, at) = schedule();
        let entries = 4 * TIMEOUT_SLACK as u32;
        for slot in 0..entries {
            let mut queued = Queued::default();
            schedule.retry(id(slot), &mut queued, at(0));
            schedule.time_stall(id(slot), &mut queued, at(0));
            schedule.time_line(id(slot), &mut queued, at(0));
            schedule.time_opening(id(slot), &mut queued, at(0));
        }
        let is_here = |id: ConnectionId| id.slot.0 >= entries - 2;
        let turns = (1..).find(|_| {
            schedule.forget_gone(2, is_here);
            !schedule.is_forgetting()
        });
        let [left_max, pieces] = [2 * 2 + TIMEOUT_SLACK, entries as usize / PIECE_ENTRIES];
        assert_eq!(turns, Some(pieces - left_max / PIECE_ENTRIES), "a piece of each queue is looked at in a turn");
        let due: Vec<Due> = std::iter::from_fn(|| schedule.due(at(20))).collect();
        let openings: Vec<ConnectionId> = std::iter::from_fn(|| schedule.next_opening(at(20))).collect();
        assert!(due.len() <= 3 * left_max && openings.len() <= left_max, "{} and {}", due.len(), openings.len());
        for id in [entries - 2, entries - 1].map(id) {
            let its = [Due::Retry(id), Due::Stall(id), Due::Line(id)];
            assert!(its.iter().all(|it| due.contains(it)) && openings.contains(&id), "those that are here stay");
        }
        assert_eq!(schedule.next(), None);
    }
}
