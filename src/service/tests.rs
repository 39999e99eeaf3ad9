//! What a manager in memory is told, by a clock that the test sets.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Memory {
    taken: Vec<String>,
    is_full: bool,
    is_gone: bool,
    clock: i128,
}

impl Manager for Rc<RefCell<Memory>> {
    fn take(&mut self, message: &str) -> Result<(), Untaken> {
        let mut memory = self.borrow_mut();
        if memory.is_gone {
            return Err(Untaken::Gone(io::ErrorKind::ConnectionRefused.into()));
        }
        if memory.is_full {
            return Err(Untaken::Full);
        }
        memory.taken.push(message.to_owned());
        Ok(())
    }

    fn clock(&self) -> i128 {
        self.borrow().clock
    }
}

const NOBODY: Status = Status { is_stopping: false, members: 0, rooms: 0 };

const IDLE: State = State { accepts: true, status: NOBODY };

/// A server that accepts, and has these members in a room.
fn with(members: usize) -> State {
    State { status: Status { members, rooms: 1, ..NOBODY }, ..IDLE }
}

struct Test {
    memory: Rc<RefCell<Memory>>,
    service: Service,
    start: Instant,
}

impl Test {
    fn new(patience: Option<Duration>) -> Self {
        let (memory, start) = (Rc::<RefCell<Memory>>::default(), Instant::now());
        let service = Service::new(Box::new(Rc::clone(&memory)), patience, start);
        Self { memory, service, start }
    }

    /// What is told in a turn so long after the start.
    fn turn(&mut self, after: Duration, state: State) -> Vec<String> {
        self.service.tell(self.start + after, state).unwrap();
        self.memory.borrow_mut().taken.drain(..).map(|message| message.trim_end().replace('\n', " ")).collect()
    }

    /// How long the loop may wait so long after the start.
    fn wait(&self, after: Duration, state: State) -> Option<Duration> {
        let now = self.start + after;
        self.service.deadline(now, state).map(|deadline| deadline.saturating_duration_since(now))
    }
}

#[test]
fn it_is_ready_once_it_accepts_and_not_before() {
    let mut test = Test::new(None);
    let starting = State { accepts: false, ..IDLE };
    assert_eq!(test.turn(Duration::ZERO, starting), ["STATUS=0 members in 0 rooms"]);
    assert_eq!(test.wait(Duration::ZERO, starting), None, "there is nothing to be told");
    assert_eq!(test.wait(Duration::ZERO, IDLE), Some(Duration::ZERO));
    assert_eq!(test.turn(Duration::ZERO, IDLE), ["READY=1"]);
    assert_eq!(test.turn(SECOND, starting), Vec::<String>::new(), "accepting may pause");
    assert_eq!(test.turn(2 * SECOND, IDLE), Vec::<String>::new(), "it is ready once");
}

#[test]
fn the_status_is_told_when_it_has_changed_and_at_most_once_a_second() {
    let mut test = Test::new(None);
    assert_eq!(test.turn(Duration::ZERO, IDLE), ["READY=1", "STATUS=0 members in 0 rooms"]);
    let one = with(1);
    assert_eq!(test.turn(SECOND / 4, one), Vec::<String>::new());
    assert_eq!(test.wait(SECOND / 4, one), Some(SECOND * 3 / 4));
    let two = with(2);
    assert_eq!(test.turn(SECOND, two), ["STATUS=2 members in 1 room"]);
    assert_eq!((test.turn(9 * SECOND, two), test.wait(9 * SECOND, two)), (Vec::new(), None));
    assert_eq!(test.turn(9 * SECOND, one), ["STATUS=1 member in 1 room"]);
}

#[test]
fn the_loop_is_told_to_turn_twice_in_what_the_manager_waits_for() {
    let mut test = Test::new(Some(20 * SECOND));
    assert_eq!(test.turn(Duration::ZERO, IDLE), ["READY=1", "WATCHDOG=1", "STATUS=0 members in 0 rooms"]);
    assert_eq!(test.wait(SECOND, IDLE), Some(9 * SECOND));
    assert_eq!(test.turn(SECOND * 99 / 10, IDLE), Vec::<String>::new());
    assert_eq!(test.turn(SECOND * 101 / 10, IDLE), ["WATCHDOG=1"]);
    assert_eq!(test.wait(11 * SECOND, IDLE), Some(SECOND * 91 / 10));
    // A turn that comes late is a turn. It does not make up for signs that were missed.
    assert_eq!(test.turn(100 * SECOND, IDLE), ["WATCHDOG=1"]);
    assert_eq!(test.wait(100 * SECOND, IDLE), Some(10 * SECOND));
}

#[test]
fn a_reload_begins_and_is_over() {
    let mut test = Test::new(None);
    test.service.begin_reload();
    test.service.end_reload();
    assert_eq!(test.turn(Duration::ZERO, IDLE), ["READY=1", "STATUS=0 members in 0 rooms"], "it had not started yet");
    test.memory.borrow_mut().clock = 1_234_567;
    test.service.begin_reload();
    assert_eq!(test.turn(SECOND, IDLE), ["RELOADING=1 MONOTONIC_USEC=1234567"]);
    assert_eq!(test.wait(SECOND, IDLE), None, "nothing is known to be over");
    test.service.end_reload();
    assert_eq!(test.wait(SECOND, IDLE), Some(Duration::ZERO));
    assert_eq!(test.turn(SECOND, IDLE), ["READY=1"]);
    test.service.end_reload();
    assert_eq!(test.turn(SECOND, IDLE), Vec::<String>::new(), "one that did not begin is not over");
    // In one turn, and of two that nobody could be told of, the last alone.
    test.memory.borrow_mut().is_full = true;
    test.service.begin_reload();
    test.service.end_reload();
    assert_eq!(test.turn(2 * SECOND, IDLE), Vec::<String>::new());
    test.memory.borrow_mut().is_full = false;
    test.memory.borrow_mut().clock = 3_000_000;
    test.service.begin_reload();
    test.service.end_reload();
    assert_eq!(test.turn(3 * SECOND, IDLE), ["RELOADING=1 MONOTONIC_USEC=3000000", "READY=1"]);
}

#[test]
fn it_stops_once_and_is_not_ready_then() {
    let mut test = Test::new(Some(SECOND));
    let status = Status { is_stopping: true, ..with(3).status };
    let stopping = State { status, ..IDLE };
    let told = test.turn(Duration::ZERO, stopping);
    assert_eq!(told, ["STOPPING=1", "WATCHDOG=1", "STATUS=stopping: 3 members in 1 room"]);
    test.service.begin_reload();
    test.service.end_reload();
    assert_eq!(test.turn(SECOND, stopping), ["WATCHDOG=1"], "it goes on to tell that it turns");
}

#[test]
fn what_is_not_taken_is_tried_again_after_a_pause() {
    let mut test = Test::new(Some(10 * SECOND));
    test.memory.borrow_mut().is_full = true;
    assert_eq!(test.turn(Duration::ZERO, IDLE), Vec::<String>::new());
    assert_eq!(test.wait(Duration::ZERO, IDLE), Some(SERVICE_RETRY));
    test.memory.borrow_mut().is_full = false;
    assert_eq!(test.turn(SERVICE_RETRY / 2, IDLE), Vec::<String>::new(), "it is not tried again at once");
    assert_eq!(test.turn(SERVICE_RETRY, IDLE), ["READY=1", "WATCHDOG=1", "STATUS=0 members in 0 rooms"]);
    // Less than a quarter of the time in which a sign is due.
    let mut test = Test::new(Some(SECOND / 5));
    test.memory.borrow_mut().is_full = true;
    assert_eq!(test.turn(Duration::ZERO, IDLE), Vec::<String>::new());
    assert_eq!(test.wait(Duration::ZERO, IDLE), Some(SECOND / 40));
}

#[test]
fn a_manager_that_is_gone_is_an_error() {
    let test = &mut Test::new(None);
    test.memory.borrow_mut().is_gone = true;
    let error = test.service.tell(test.start, IDLE).expect_err("nobody takes it");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_manager_that_watches_without_patience_does_not_watch() {
    for patience in [None, Some(Duration::ZERO)] {
        let mut test = Test::new(patience);
        assert_eq!(test.turn(Duration::ZERO, IDLE), ["READY=1", "STATUS=0 members in 0 rooms"]);
        assert_eq!(test.wait(Duration::ZERO, IDLE), None);
    }
}
