//! The connect phase. At most a window of members wait for their welcome at a time; when one is welcomed, the next connects.
//!
//! A member counts as joined when the server's first line to it has come, or the confirmation that it is in its room, so a full accept queue shows here and not
//! later. The phase has a time, a rate and a histogram of its own.

use std::os::fd::AsFd;
use std::time::Duration;

use crate::engine::members::{Engine, Entering};
use crate::error::{Context, Error, Result};
use crate::sys::{self, Interest};

/// No member joined for this long: the server has stopped answering.
const STALLED_NS: u64 = 10_000_000_000;
/// How long a round of the phase sleeps at most, so that the connect rate is kept evenly.
const ROUND: Duration = Duration::from_millis(5);
/// How often those that show progress are told of it.
const SHOW_NS: u64 = 100_000_000;

impl Engine<'_> {
    /// Connects every member and returns when that began and when it was over. Now and then `show` is told how many have joined.
    pub(super) fn connect_all(&mut self, mut show: impl FnMut(usize) -> Result<()>) -> Result<(u64, u64)> {
        let started_ns = sys::monotonic_ns();
        let mut shown_ns = started_ns;
        let mut begun = 0;
        let mut joined_before = 0;
        let mut progress_ns = started_ns;
        while self.joined < self.members.len() {
            let now_ns = sys::monotonic_ns();
            let allowed = ((now_ns - started_ns) as f64 * 1e-9 * self.settings.connect_rate) as usize + 1;
            let window_end = self.joined + self.settings.connect_window;
            let end = allowed.min(window_end).min(self.members.len());
            while begun < end {
                self.connect(begun)?;
                begun += 1;
            }
            self.read_round(ROUND)?;
            if self.disconnected > 0 {
                return Err(self.not_all_joined());
            }
            if self.joined > joined_before {
                joined_before = self.joined;
                progress_ns = now_ns;
                if now_ns - shown_ns > SHOW_NS {
                    shown_ns = now_ns;
                    show(self.joined)?;
                }
            } else if now_ns - progress_ns > STALLED_NS {
                let reason = self.why_stalled();
                self.first_close_reason.get_or_insert(reason);
                return Err(self.not_all_joined());
            }
        }
        Ok((started_ns, sys::monotonic_ns()))
    }

    fn connect(&mut self, index: usize) -> Result<()> {
        let (_, address) = self.settings.door(self.door_of(index));
        let in_room = self.share.first + index;
        let source = self.settings.sources.get(in_room % self.settings.sources.len().max(1)).copied();
        let now_ns = sys::monotonic_ns();
        let socket = match sys::connect(address, source, None) {
            Ok(socket) => socket,
            Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => {
                return Err(Error::new(format!(
                    "no local port is left for {address} after {in_room} members; use --spread on a loopback address"
                )));
            }
            Err(error) => return Err(Error::new(format!("cannot connect to {address}: {error}"))),
        };
        let publishes = self.members[index].publisher().is_some();
        if publishes {
            sys::no_delay(socket.as_fd()).context(|| "cannot set TCP_NODELAY".to_string())?;
        }
        if self.members[index].probe {
            sys::stamp_receives(socket.as_fd()).context(|| "cannot have receives stamped".to_string())?;
        }
        let hello = self.wire(index).hello(in_room, publishes);
        let interest = if hello.is_empty() { Interest::Read } else { Interest::ReadAndWrite };
        self.epoll
            .add(socket.as_fd(), index as u64, interest)
            .context(|| "cannot watch a member's socket".to_string())?;
        self.entering.insert(index, Entering { connect_ns: now_ns, hello, has_asked: false });
        self.members[index].socket = Some(socket);
        Ok(())
    }

    /// What is known of why nobody joins any more.
    fn why_stalled(&self) -> String {
        let asked = self.entering.iter().filter(|(_, entering)| entering.has_asked).map(|(index, _)| *index).min();
        let Some(index) = asked else { return "nobody was welcomed for 10 s".to_string() };
        let said = self.members[index].tail.trim_ascii().escape_ascii();
        format!("nobody came into the room that it had asked for, for 10 s; the server said last: {said}")
    }

    fn not_all_joined(&self) -> Error {
        let reason = self.first_close_reason.as_deref().unwrap_or("no reason given");
        let members = self.members.len();
        if self.joined == 0 && reason.contains("refused") {
            let address = self.settings.address;
            return Error::new(format!("nobody listens on {address}; start the server, or let --server-cmd start it"));
        }
        Error::invalid(format!("only {} of {members} members joined: {reason}", self.joined))
    }
}
