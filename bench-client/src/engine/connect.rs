//! The connect phase. At most a window of members wait for their welcome at a time; when one is welcomed, the next connects.
//!
//! A member counts as joined when the server's first line to it has come, so a full accept queue shows here and not
//! later. The phase has a time, a rate and a histogram of its own.

use std::os::fd::AsFd;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::members::Engine;
use crate::error::{Context, Error, Result};
use crate::sys::{self, Interest};

/// No member joined for this long: the server has stopped answering.
const STALLED_NS: u64 = 10_000_000_000;
/// How long a round of the phase sleeps at most, so that the connect rate is kept evenly.
const ROUND: Duration = Duration::from_millis(5);
const DRAWS_PER_SECOND: u8 = 5;

impl Engine<'_> {
    /// Connects every member and returns how long that took.
    pub(super) fn connect_all(&mut self) -> Result<u64> {
        let bar = self.connect_bar();
        let started_ns = sys::monotonic_ns();
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
                bar.set_position(self.joined as u64);
            } else if now_ns - progress_ns > STALLED_NS {
                self.first_close_reason.get_or_insert_with(|| "nobody was welcomed for 10 s".to_string());
                return Err(self.not_all_joined());
            }
        }
        bar.finish_and_clear();
        Ok(sys::monotonic_ns() - started_ns)
    }

    fn connect(&mut self, index: usize) -> Result<()> {
        let address = self.settings.address;
        let source = self.settings.sources.get(index % self.settings.sources.len().max(1)).copied();
        let now_ns = sys::monotonic_ns();
        let socket = match sys::connect(address, source, None) {
            Ok(socket) => socket,
            Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => {
                return Err(Error::new(format!(
                    "no local port is left for {address} after {index} members; use --spread on a loopback address"
                )));
            }
            Err(error) => return Err(Error::new(format!("cannot connect to {address}: {error}"))),
        };
        if self.members[index].publisher.is_some() {
            sys::no_delay(socket.as_fd()).context(|| "cannot set TCP_NODELAY".to_string())?;
        }
        if self.members[index].probe {
            sys::stamp_receives(socket.as_fd()).context(|| "cannot have receives stamped".to_string())?;
        }
        let hello = self.wire.hello(index, self.members[index].publisher.is_some());
        let interest = if hello.is_empty() { Interest::Read } else { Interest::ReadAndWrite };
        self.epoll
            .add(socket.as_fd(), index as u64, interest)
            .context(|| "cannot watch a member's socket".to_string())?;
        let member = &mut self.members[index];
        member.connect_ns = now_ns;
        member.hello = hello;
        member.socket = Some(socket);
        Ok(())
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

    fn connect_bar(&self) -> ProgressBar {
        if !self.settings.progress {
            return ProgressBar::hidden();
        }
        let template = "connected {human_pos}/{human_len}  {per_sec}  eta {eta}";
        let style = ProgressStyle::with_template(template).expect("the template is well-formed");
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
        ProgressBar::with_draw_target(Some(self.members.len() as u64), target).with_style(style)
    }
}
