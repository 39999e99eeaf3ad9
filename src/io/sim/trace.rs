//! What happened in a simulated run: always as a hash, so that two runs can be compared, and as text when it is asked
//! for.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use rustix::io::Errno;

use crate::io::Signal;

/// One thing that happened. Connections are numbered in the order in which they were begun.
#[derive(Clone, Copy, Debug, Hash)]
pub enum Event {
    Begins { peers: usize, line_bytes: usize, log_bytes: usize },
    Connects { peer: u32 },
    Writes { peer: u32, bytes: usize },
    Reads { peer: u32, bytes: usize },
    StopsReading { peer: u32 },
    Finishes { peer: u32 },
    Resets { peer: u32 },
    Goes { peer: u32 },
    Accepted { peer: u32 },
    AcceptFailed { errno: i32 },
    Received { peer: u32, bytes: usize },
    ReceiveFailed { peer: u32, errno: i32 },
    Writable { peer: u32 },
    Sent { peer: u32, bytes: usize, of: usize },
    SendFailed { peer: u32, errno: i32 },
    ShutDown { peer: u32 },
    Closed { peer: u32 },
    Stale,
    ClockJumps { nanoseconds: u64 },
    Signalled { signal: u8 },
    Turn { messages: u64 },
    FaultsEnd,
    Settled,
    Stopped,
}

impl Event {
    pub fn errno(errno: Errno) -> i32 {
        errno.raw_os_error()
    }

    pub fn signalled(signal: Signal) -> Self {
        Self::Signalled { signal: signal as u8 }
    }
}

#[derive(Debug, Default)]
pub struct Trace {
    hasher: DefaultHasher,
    events: u64,
    /// The lines so far, when they are wanted.
    lines: Option<Vec<String>>,
}

impl Trace {
    pub fn new(readable: bool) -> Self {
        Self { lines: readable.then(Vec::new), ..Self::default() }
    }

    pub fn note(&mut self, now: u64, event: Event) {
        (now, event).hash(&mut self.hasher);
        self.events += 1;
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>14.6} {event:?}", Duration::from_nanos(now).as_secs_f64()));
        }
    }

    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    pub fn events(&self) -> u64 {
        self.events
    }

    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
