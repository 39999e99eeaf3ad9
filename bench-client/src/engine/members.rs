//! The members of a run, their sockets, and all that the engine knows of them.
//!
//! Everything else in this folder works on this: it connects the members, reads, sends and counts.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use hdrhistogram::Histogram;

use crate::engine::nuisances::Nuisances;
use crate::engine::roles::{is_probe, roles};
use crate::engine::settings::Settings;
use crate::error::{Context, Result};
use crate::message::{Format, author_of};
use crate::plan::Plan;
use crate::protocol::{Protocol, Wire};
use crate::recorder::Recorder;
use crate::recorder::latency::histogram;
use crate::sys::{self, Epoll};
use crate::usage::Sampler;

const EVENTS_MAX: usize = 1024;
/// Bytes of one read by a verified member: some hundred lines of backlog, and it stays in the second-level cache.
pub(super) const READ_BYTES_MAX: usize = 128 * 1024;
/// Bytes without a newline after which a member's input is no line any more.
pub(super) const TAIL_BYTES_MAX: usize = 64 * 1024;

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    /// None once the connection is over.
    pub(super) socket: Option<OwnedFd>,
    /// Its number among the verified, unless it only counts.
    pub(super) verified: Option<u32>,
    /// Its number among the publishers, if it is one.
    pub(super) publisher: Option<u32>,
    /// Bytes received since the plan started, of a counting member.
    pub(super) bytes: u64,
    /// The beginning of a line whose end has not come.
    pub(super) tail: Vec<u8>,
    /// When its connect began.
    pub(super) connect_ns: u64,
    /// What it still has to send to enter the room; empty once the socket has taken it.
    pub(super) hello: Vec<u8>,
    /// True exactly when the server's first line to it, or its confirmation, has come.
    pub(super) joined: bool,
    /// True when the kernel stamps what it receives.
    pub(super) probe: bool,
}

/// Sockets, and what is known of them.
pub(super) struct Engine<'a> {
    pub(super) settings: &'a Settings,
    pub(super) plan: &'a Plan,
    pub(super) sampler: &'a Sampler,
    pub(super) epoll: Epoll,
    pub(super) members: Vec<Member>,
    pub(super) publishers: Vec<Publisher>,
    pub(super) nuisances: Nuisances,
    pub(super) recorder: Recorder<'a>,
    pub(super) format: Format,
    pub(super) wire: Wire,
    /// How far the kernel's stamps are ahead of our clock.
    pub(super) real_time_offset_ns: u64,
    pub(super) buffer: Vec<u8>,
    /// First message not handed to its publisher yet.
    pub(super) next: usize,
    pub(super) joined: usize,
    pub(super) verified_open: u32,
    pub(super) disconnected: u64,
    /// Bytes of all counting members since the plan started.
    pub(super) counted_bytes: u64,
    /// When bytes last came.
    pub(super) heard_ns: u64,
    pub(super) connect_latency: Histogram<u64>,
    /// Why the first of the disconnected members was closed.
    pub(super) first_close_reason: Option<String>,
    pub(super) warnings: Vec<String>,
}

/// One member that also sends.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) member: usize,
    /// Bytes due and not taken by the socket yet, from `out_start`.
    pub(super) out: Vec<u8>,
    pub(super) out_start: usize,
    /// Messages in `out`, each with the end of its bytes there.
    pub(super) queued: VecDeque<(usize, u32)>,
    /// True exactly when the socket was full and its writability is watched.
    pub(super) blocked: bool,
    /// Its messages that the socket took.
    pub(super) messages_sent: u64,
}

impl Publisher {
    pub(super) fn new(member: usize) -> Self {
        Self { member, out: Vec::new(), out_start: 0, queued: VecDeque::new(), blocked: false, messages_sent: 0 }
    }

    /// True exactly when nothing due is waiting for the socket.
    pub(super) fn is_idle(&self) -> bool {
        self.queued.is_empty()
    }
}

impl<'a> Engine<'a> {
    /// The members as they are before any of them connects.
    pub(super) fn new(settings: &'a Settings, plan: &'a Plan, sampler: &'a Sampler) -> Result<Self> {
        let roles = roles(settings.members, plan.publishers() as usize, settings.verified);
        let publishers_of_verified: Vec<Option<u32>> =
            roles.iter().filter(|role| role.verified.is_some()).map(|role| role.publisher).collect();
        let mut publishers: Vec<Publisher> = Vec::new();
        let mut members = Vec::with_capacity(settings.members);
        for (index, role) in roles.iter().enumerate() {
            if role.publisher.is_some() {
                publishers.push(Publisher::new(index));
            }
            members.push(Member {
                socket: None,
                verified: role.verified,
                publisher: role.publisher,
                bytes: 0,
                tail: Vec::new(),
                connect_ns: 0,
                hello: Vec::new(),
                joined: false,
                probe: role
                    .verified
                    .is_some_and(|verified| is_probe(verified as usize, settings.probes, settings.verified)),
            });
        }
        let format = Format::new(settings.line_bytes);
        let wire = Wire::new(settings.protocol, settings.line_bytes);
        Ok(Self {
            settings,
            plan,
            sampler,
            epoll: Epoll::new(EVENTS_MAX).context(|| "cannot make an epoll set".to_string())?,
            members,
            publishers,
            nuisances: Nuisances::new(
                settings.nuisances,
                settings.address,
                &settings.sources,
                format.clone(),
                (plan.len(), plan.publishers()),
            ),
            recorder: Recorder::new(plan, format.clone(), &publishers_of_verified),
            format,
            wire,
            real_time_offset_ns: 0,
            buffer: vec![0; TAIL_BYTES_MAX + READ_BYTES_MAX],
            next: 0,
            joined: 0,
            verified_open: 0,
            disconnected: 0,
            counted_bytes: 0,
            heard_ns: 0,
            connect_latency: histogram(),
            first_close_reason: None,
            warnings: Vec::new(),
        })
    }

    /// The server has taken member `index` into the room.
    pub(super) fn on_joined(&mut self, index: usize, now_ns: u64) {
        let member = &mut self.members[index];
        member.joined = true;
        self.joined += 1;
        self.verified_open += u32::from(member.verified.is_some());
        self.connect_latency.saturating_record(now_ns - member.connect_ns);
    }

    pub(super) fn on_closed(&mut self, index: usize, reason: String, now_ns: u64) {
        let member = &mut self.members[index];
        let Some(socket) = member.socket.take() else { return };
        // Closing takes the socket out of the set; nothing else holds its description.
        drop(socket);
        self.disconnected += 1;
        if member.joined
            && let Some(verified) = member.verified
        {
            self.verified_open -= 1;
            self.recorder.on_left(verified as usize, now_ns);
        }
        let said = member.tail.trim_ascii().escape_ascii().to_string();
        let reason = if said.is_empty() { reason } else { format!("{reason} after {said:?}") };
        self.first_close_reason.get_or_insert(reason);
    }

    /// What the room calls each publisher: with uproar the address its socket has on this side, elsewhere nothing.
    pub(super) fn authors(&self) -> Result<Vec<Vec<u8>>> {
        if self.wire.protocol != Protocol::Uproar {
            return Ok(vec![Vec::new(); self.publishers.len()]);
        }
        let author = |publisher: &Publisher| {
            let socket = self.members[publisher.member].socket.as_ref().expect("all members are still here");
            let socket = socket.try_clone().context(|| "cannot look at a publisher's socket".to_string())?;
            let address = std::net::TcpStream::from(socket).local_addr();
            Ok(author_of(address.context(|| "cannot tell a publisher's address".to_string())?))
        };
        self.publishers.iter().map(author).collect()
    }

    pub(super) fn forget_bytes(&mut self) {
        self.counted_bytes = 0;
        for member in &mut self.members {
            member.bytes = 0;
        }
    }

    /// Resets every connection, so that none is left in TIME_WAIT.
    pub(super) fn leave(&mut self) {
        for member in &mut self.members {
            if let Some(socket) = member.socket.take() {
                // A socket that cannot be set to reset is closed the ordinary way, which only costs a port for a minute.
                let _ = sys::reset_on_close(socket.as_fd());
            }
        }
    }
}
