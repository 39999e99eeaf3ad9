//! A keeper in memory, for tests and the simulation: it keeps what it has taken when it is told to.

use std::collections::VecDeque;
use std::io;

use crate::limits::STATE_WRITES_MAX;
use crate::moderation::state::State;
use crate::moderation::state_file::Keeper;

#[derive(Debug, Default)]
pub struct MemoryKeeper {
    /// The last state that was kept, which a server that starts again reads.
    pub kept: State,
    /// How many states were taken.
    pub taken: usize,
    /// While it is true, states that come to be kept are not.
    pub is_failing: bool,
    waiting: VecDeque<State>,
    outcomes: VecDeque<io::Result<()>>,
}

impl MemoryKeeper {
    /// Keeps the oldest state that waits. Returns false when none does.
    pub fn work(&mut self) -> bool {
        let Some(state) = self.waiting.pop_front() else { return false };
        let outcome = if self.is_failing { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) };
        if outcome.is_ok() {
            self.kept = state;
        }
        self.outcomes.push_back(outcome);
        true
    }
}

impl Keeper for MemoryKeeper {
    fn has_room(&self) -> bool {
        self.waiting.len() + self.outcomes.len() < STATE_WRITES_MAX
    }

    fn offer(&mut self, state: State) -> bool {
        let has_room = self.has_room();
        if has_room {
            self.waiting.push_back(state);
            self.taken += 1;
        }
        has_room
    }

    fn outcome(&mut self) -> Option<io::Result<()>> {
        self.outcomes.pop_front()
    }
}
