//! Two runs on one server at the same time, each with an engine in a thread of its own: how they keep step.
//!
//! The first connects its members and waits. Then the second connects its members, and says when both plans start. The second leaves
//! only when the first has: thousands that leave at once are no part of what is measured.

use std::sync::mpsc::{Receiver, Sender, channel};

use crate::error::{Error, Result};

/// One of two runs, or one by itself.
#[derive(Debug)]
pub enum Step {
    /// There is no other.
    Alone,
    First {
        is_settled: Sender<()>,
        start_ns: Receiver<u64>,
        has_left: Sender<()>,
    },
    Second {
        is_settled: Receiver<()>,
        start_ns: Sender<u64>,
        has_left: Receiver<()>,
    },
}

/// What is said when the other run has ended early; why, it says itself.
pub const OTHER_ENDED: &str = "the run beside it has ended early";

impl Step {
    /// Two runs that keep step, the first first.
    pub fn pair() -> (Self, Self) {
        let (settled, is_settled) = channel();
        let (starts, start_ns) = channel();
        let (left, has_left) = channel();
        (
            Self::First { is_settled: settled, start_ns, has_left: left },
            Self::Second { is_settled, start_ns: starts, has_left },
        )
    }

    /// Returns when this run may connect its members.
    pub(super) fn before_connect(&self) -> Result<()> {
        match self {
            Self::Alone | Self::First { .. } => Ok(()),
            Self::Second { is_settled, .. } => is_settled.recv().map_err(|_| Error::new(OTHER_ENDED)),
        }
    }

    /// All members of this run are there. Returns when its plan starts; `soon_ns` says when that may be.
    pub(super) fn before_start(&self, soon_ns: impl FnOnce() -> u64) -> Result<u64> {
        let ended = |_| Error::new(OTHER_ENDED);
        match self {
            Self::Alone => Ok(soon_ns()),
            Self::First { is_settled, start_ns, .. } => {
                is_settled.send(()).map_err(|_| Error::new(OTHER_ENDED))?;
                start_ns.recv().map_err(ended)
            }
            Self::Second { start_ns, .. } => {
                let at_ns = soon_ns();
                start_ns.send(at_ns).map_err(|_| Error::new(OTHER_ENDED))?;
                Ok(at_ns)
            }
        }
    }

    /// Returns when the members of this run may leave.
    pub(super) fn before_leave(&self) {
        if let Self::Second { has_left, .. } = self {
            // One that has ended early has left, too.
            let _ = has_left.recv();
        }
    }

    /// The members of this run have left.
    pub(super) fn on_left(&self) {
        if let Self::First { has_left, .. } = self {
            // If the other has ended, nobody waits.
            let _ = has_left.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_start_at_once_and_the_second_leaves_last() {
        let (first, second) = Step::pair();
        std::thread::scope(|scope| {
            let first = scope.spawn(move || {
                first.before_connect().unwrap();
                let at_ns = first.before_start(|| panic!("the second says when")).unwrap();
                first.before_leave();
                first.on_left();
                at_ns
            });
            second.before_connect().unwrap();
            let at_ns = second.before_start(|| 42).unwrap();
            second.before_leave();
            assert_eq!((first.join().unwrap(), at_ns), (42, 42));
        });
    }

    #[test]
    fn a_run_whose_other_has_failed_does_not_wait_for_it() {
        let (first, second) = Step::pair();
        drop(first);
        assert_eq!(second.before_connect().unwrap_err().to_string(), OTHER_ENDED);
        second.before_leave();
        let (first, second) = Step::pair();
        drop(second);
        assert_eq!(first.before_start(|| 1).unwrap_err().to_string(), OTHER_ENDED);
        first.on_left();
        assert_eq!(Step::Alone.before_start(|| 7).unwrap(), 7);
    }
}
