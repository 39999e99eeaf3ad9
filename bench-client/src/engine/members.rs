//! The members of a run, their sockets, and all that the engine knows of them.
//!
//! Everything else in this folder works on this: it connects the members, reads, sends and counts.
//!
//! A machine measures a million members, so what only some of them have, or only for a while, stands beside them.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};

use hdrhistogram::Histogram;

use crate::engine::doors::doors_of_members;
use crate::engine::nuisances::{Nuisances, NuisancesOutcome};
use crate::engine::roles::roles;
use crate::engine::sample::Sample;
use crate::engine::settings::Settings;
use crate::engine::share::Share;
use crate::error::{Context, Result};
use crate::message::{Format, author_of};
use crate::plan::Plan;
use crate::protocol::websocket::Frames;
use crate::protocol::{Protocol, Wire};
use crate::recorder::Recorder;
use crate::recorder::latency::histogram;
use crate::sys::{self, Epoll};

const EVENTS_MAX: usize = 1024;
/// Bytes of one read by a verified member: some hundred lines of backlog, and it stays in the second-level cache.
pub(super) const READ_BYTES_MAX: usize = 128 * 1024;
/// Bytes without a newline after which a member's input is no line any more.
pub(super) const TAIL_BYTES_MAX: usize = 64 * 1024;

/// Parts of the room whose times of joining are noted.
pub(super) const TENTHS: usize = 10;
/// What [`Member::publisher`] has of one that only listens.
const LISTENER: u32 = u32::MAX;

/// The token of what the parent process writes, which is no member.
pub(super) const ORDERS: u64 = u64::MAX;

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    /// None once the connection is over.
    pub(super) socket: Option<OwnedFd>,
    /// Its number among those that verify, or among those that count bytes.
    number: u32,
    /// Its number among the publishers, or [`LISTENER`].
    publisher: u32,
    verifies: bool,
    /// True exactly when the server's first line to it, or its confirmation, has come.
    pub(super) joined: bool,
    /// True when the kernel stamps what it receives.
    pub(super) probe: bool,
    /// The beginning of a line whose end has not come; nothing is allocated for an empty one.
    pub(super) tail: Box<[u8]>,
}

impl Member {
    /// Its number among the verified, unless it only counts.
    pub(super) fn verified(&self) -> Option<u32> {
        self.verifies.then_some(self.number)
    }

    /// Its number among those that only count bytes, unless it verifies.
    pub(super) fn counting(&self) -> Option<usize> {
        (!self.verifies).then_some(self.number as usize)
    }

    /// Its number among the publishers, if it is one.
    pub(super) fn publisher(&self) -> Option<u32> {
        (self.publisher != LISTENER).then_some(self.publisher)
    }
}

/// A member that has begun to connect and is not in the room yet.
#[derive(Debug)]
pub(super) struct Entering {
    /// When its connect began.
    pub(super) connect_ns: u64,
    /// What it still has to send to enter the room; empty once the socket has taken it.
    pub(super) hello: Vec<u8>,
    /// True once it was welcomed and has asked for its room.
    pub(super) has_asked: bool,
}

/// What is known of one room.
#[derive(Debug, Default, Clone)]
pub(super) struct Room {
    /// Members that verify, have joined and are still there.
    pub(super) verified_open: u32,
}

/// Sockets, and what is known of them.
pub(super) struct Engine<'a> {
    pub(super) settings: &'a Settings,
    pub(super) plan: &'a Plan,
    pub(super) share: &'a Share,
    pub(super) epoll: Epoll,
    pub(super) members: Vec<Member>,
    /// Members by number that are on their way into the room.
    pub(super) entering: HashMap<usize, Entering>,
    /// Bytes received since the plan started, of each counting member.
    pub(super) counting: Vec<u64>,
    /// One a publisher of the room, also where another process has it.
    pub(super) publishers: Vec<Publisher>,
    pub(super) nuisances: Nuisances,
    pub(super) recorder: Recorder<'a>,
    pub(super) format: Format,
    /// What the members speak: one a room, or of one room one a door.
    pub(super) wires: Vec<Wire>,
    pub(super) rooms: Vec<Room>,
    /// The door of each member; nothing where there is one.
    doors: Vec<u8>,
    /// One a member where what it speaks is a stream in frames, else none.
    pub(super) frames: Vec<Frames>,
    pub(super) sample: Sample,
    /// How far the kernel's stamps are ahead of our clock.
    pub(super) real_time_offset_ns: u64,
    pub(super) buffer: Vec<u8>,
    /// First message of a publisher of this share that was not handed to it yet.
    pub(super) next: usize,
    pub(super) joined: usize,
    pub(super) disconnected: u64,
    /// Bytes of all counting members since the plan started.
    pub(super) counted_bytes: u64,
    /// When bytes last came.
    pub(super) heard_ns: u64,
    pub(super) connect_latency: Histogram<u64>,
    /// When the room was full to a tenth, two tenths and so on, of those tenths that were reached with a member of this share.
    pub(super) tenths_ns: Vec<(u32, u64)>,
    /// True exactly when the parent process has written something that was not read yet, or is gone.
    pub(super) has_orders: bool,
    /// Why the first of the disconnected members was closed.
    pub(super) first_close_reason: Option<String>,
    pub(super) warnings: Vec<String>,
}

/// One member that also sends.
#[derive(Debug)]
pub(super) struct Publisher {
    /// None where another process has it.
    pub(super) member: Option<usize>,
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
    pub(super) fn new(member: Option<usize>) -> Self {
        Self { member, out: Vec::new(), out_start: 0, queued: VecDeque::new(), blocked: false, messages_sent: 0 }
    }

    /// True exactly when nothing due is waiting for the socket.
    pub(super) fn is_idle(&self) -> bool {
        self.queued.is_empty()
    }
}

impl<'a> Engine<'a> {
    /// The members of `share` as they are before any of them connects.
    pub(super) fn new(settings: &'a Settings, plan: &'a Plan, share: &'a Share) -> Result<Self> {
        let mut members: Vec<Member> = Vec::with_capacity(share.members);
        let mut verified = share.verified.as_ref().map(|places| places.iter().copied().peekable());
        let mut counting = 0;
        for place in 0..share.members {
            let verifies =
                verified.as_mut().is_none_or(|places| places.next_if(|&verified| verified == place).is_some());
            let number = if verifies { place - counting } else { counting };
            counting += usize::from(!verifies);
            members.push(Member {
                socket: None,
                number: number as u32,
                publisher: LISTENER,
                verifies,
                joined: false,
                probe: false,
                tail: Box::default(),
            });
        }
        share.probes.iter().for_each(|&place| members[place].probe = true);
        let mut publishers: Vec<Publisher> = (0..plan.publishers()).map(|_| Publisher::new(None)).collect();
        for &(place, publisher) in &share.publishers {
            members[place].publisher = publisher;
            publishers[publisher as usize].member = Some(place);
        }
        let verified = members.iter().filter(|member| member.verifies);
        let publishers_of_verified: Vec<Option<u32>> = verified.map(Member::publisher).collect();
        let elsewhere: Vec<bool> = publishers.iter().map(|publisher| publisher.member.is_none()).collect();
        let format = Format::new(settings.line_bytes);
        let wire = |protocol: Protocol, room: usize| {
            Wire::new(protocol, settings.line_bytes, settings.rooms.name(room))
                .with(settings.path.clone(), settings.salt)
        };
        let mut wires: Vec<Wire> = (0..plan.rooms()).map(|room| wire(settings.protocol, room)).collect();
        wires.extend(settings.doors.iter().map(|door| wire(door.protocol, 0)));
        let mut recorder = Recorder::new(plan, format.clone(), &publishers_of_verified);
        let mut doors = Vec::new();
        if !settings.doors.is_empty() {
            assert!(plan.rooms() == 1, "the command line checked it");
            let publishers = roles(share.room, publishers.len(), settings.verified).into_iter().enumerate();
            let publishers: Vec<(usize, u32)> =
                publishers.filter_map(|(place, role)| Some((place, role.publisher?))).collect();
            doors = doors_of_members(&settings.members_of_doors(), &publishers);
            doors = doors[share.first..share.first + share.members].to_vec();
            // What several processes recorded is joined without telling doors apart.
            if share.members == share.room {
                let verified = members.iter().zip(&doors).filter(|(member, _)| member.verifies);
                recorder = recorder.by_doors(verified.map(|(_, door)| *door).collect());
            }
        }
        let is_sample = |member: &Member| member.verifies && member.publisher == LISTENER;
        let needs_sample = counting > 0 && !settings.protocol.has_one_length();
        let sample = members.iter().position(is_sample).filter(|_| needs_sample);
        let has_frames = wires.iter().any(|wire| wire.protocol.streams_in_frames());
        let mut engine = Self {
            settings,
            plan,
            share,
            epoll: Epoll::new(EVENTS_MAX).context(|| "cannot make an epoll set".to_string())?,
            members,
            entering: HashMap::new(),
            counting: vec![0; counting],
            publishers,
            nuisances: Nuisances::new(settings, format.clone(), plan),
            recorder: match share.members < share.room {
                true => recorder.of_share(share.verified_before, elsewhere),
                false => recorder,
            },
            format,
            frames: if has_frames { vec![Frames::default(); share.members] } else { Vec::new() },
            sample: Sample::new(sample, plan.publishers() as usize),
            wires,
            rooms: vec![Room::default(); plan.rooms()],
            doors,
            real_time_offset_ns: 0,
            buffer: vec![0; TAIL_BYTES_MAX + READ_BYTES_MAX],
            next: 0,
            joined: 0,
            disconnected: 0,
            counted_bytes: 0,
            heard_ns: 0,
            connect_latency: histogram(),
            tenths_ns: Vec::new(),
            has_orders: false,
            first_close_reason: None,
            warnings: Vec::new(),
        };
        engine.skip_elsewhere();
        Ok(engine)
    }

    /// Passes messages that publishers of other processes send.
    pub(super) fn skip_elsewhere(&mut self) {
        let is_here = |index: usize| self.publishers[self.plan.publisher_of(index) as usize].member.is_some();
        while self.next < self.plan.len() && !is_here(self.next) {
            self.next += 1;
        }
    }

    /// The room that member `index` is in.
    pub(super) fn room_of(&self, index: usize) -> usize {
        match self.rooms.len() {
            1 => 0,
            rooms => (self.share.first + index) % rooms,
        }
    }

    /// The door that member `index` comes in by.
    pub(super) fn door_of(&self, index: usize) -> usize {
        self.doors.get(index).map_or(0, |door| *door as usize)
    }

    /// Which of the wires member `index` speaks.
    pub(super) fn wire_of(&self, index: usize) -> usize {
        if self.doors.is_empty() { self.room_of(index) } else { self.door_of(index) }
    }

    pub(super) fn wire(&self, index: usize) -> &Wire {
        &self.wires[self.wire_of(index)]
    }

    /// The server has taken member `index` into its room.
    pub(super) fn on_joined(&mut self, index: usize, now_ns: u64) {
        let room = self.room_of(index);
        let member = &mut self.members[index];
        member.joined = true;
        self.rooms[room].verified_open += u32::from(member.verifies);
        let entering = self.entering.remove(&index).expect("a member connects before it joins");
        self.connect_latency.saturating_record(now_ns - entering.connect_ns);
        let tenths = |joined: usize| (self.share.first + joined) * TENTHS / self.share.room;
        for tenth in tenths(self.joined) + 1..=tenths(self.joined + 1) {
            self.tenths_ns.push((tenth as u32, now_ns));
        }
        self.joined += 1;
    }

    pub(super) fn on_closed(&mut self, index: usize, reason: String, now_ns: u64) {
        let room = self.room_of(index);
        let member = &mut self.members[index];
        let Some(socket) = member.socket.take() else { return };
        // Closing takes the socket out of the set; nothing else holds its description.
        drop(socket);
        self.disconnected += 1;
        if member.joined
            && let Some(verified) = member.verified()
        {
            self.rooms[room].verified_open -= 1;
            self.recorder.on_left(verified as usize, now_ns);
        }
        let said = member.tail.trim_ascii().escape_ascii().to_string();
        let reason = if said.is_empty() { reason } else { format!("{reason} after {said:?}") };
        self.first_close_reason.get_or_insert(reason);
    }

    /// What the room calls each publisher of this share, by its number: with uproar the address its socket has on this side, on IRC the
    /// name it has chosen, elsewhere nothing.
    pub(super) fn authors(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        let author = |&(place, publisher): &(usize, u32)| {
            let wire = self.wire(place);
            if wire.protocol == Protocol::Irc {
                return Ok((publisher, author_of(wire.nick(self.share.first + place))));
            }
            if !wire.protocol.names_authors() {
                return Ok((publisher, Vec::new()));
            }
            let socket = self.members[place].socket.as_ref().expect("all members are still here");
            let socket = socket.try_clone().context(|| "cannot look at a publisher's socket".to_string())?;
            let address = std::net::TcpStream::from(socket).local_addr();
            Ok((publisher, author_of(address.context(|| "cannot tell a publisher's address".to_string())?)))
        };
        self.share.publishers.iter().map(author).collect()
    }

    pub(super) fn forget_bytes(&mut self) {
        self.counted_bytes = 0;
        self.counting.fill(0);
        self.sample.forget();
    }

    /// The nuisances read what is left and leave.
    pub(super) fn finish_nuisances(&mut self) -> NuisancesOutcome {
        let none = Nuisances::new(self.settings, self.format.clone(), self.plan);
        std::mem::replace(&mut self.nuisances, none).finish()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::proof;

    #[test]
    fn a_member_that_verifies_takes_at_most_64_bytes() {
        let bytes = size_of::<Member>() + proof::MEMBER_BYTES;
        assert!(bytes <= 64, "{} and {} of the proof", size_of::<Member>(), proof::MEMBER_BYTES);
    }
}
