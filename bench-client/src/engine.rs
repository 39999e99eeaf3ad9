//! The members of a run: one thread, one level-triggered epoll set, one socket a member.
//!
//! A run is connect, settle (presence lines still arrive after the last join), idle if asked, then the plan: whenever a
//! message is due it is sent, and between sends sockets are read. The clock is read once a socket and the plan is looked
//! at each time, so that reading never makes a send later than one read.
//!
//! Verified members have every line handed to the recorder. The others only count bytes, which the kernel drops without
//! copying; at the end their counts must equal what the verified ones saw.
//!
//! It does not decide what is due (`plan`), keep figures (`recorder`) or judge a run (`report/summary.rs`).

mod connect;
pub mod crowd;
mod publish;
mod read;
mod roles;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cost::{CostSample, Sampler};
use crate::engine::crowd::Crowd;
use crate::engine::publish::Publisher;
use crate::engine::read::{READ_BYTES_MAX, TAIL_BYTES_MAX};
use crate::engine::roles::roles;
use crate::error::{Context, Error, Result};
use crate::message::{Format, author_of};
use crate::plan::Plan;
use crate::protocol::{Protocol, Wire};
use crate::recorder::{Record, Recorder, histogram};
use crate::sys::{self, Epoll};

const EVENTS_MAX: usize = 1024;
/// The plan starts this long after everything is ready.
const LEAD_IN_NS: u64 = 20_000_000;
/// The clock is watched for at most this long before a send is due. A virtual processor that slept for a quarter of a second
/// was seen to take 600 us to wake up.
const WATCH_NS_MAX: u64 = 2_000_000;
/// How long members stay after the last delivery: a repeat of it would come now.
const AFTERMATH: Duration = Duration::from_millis(50);
/// What members that only count bytes lack when others were told that they missed something, and no byte came for this long,
/// is not waited for.
const TOLD_QUIET_NS: u64 = 500_000_000;
/// Presence lines that never stop arriving do not hold up a run for longer than this.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// What the engine is to do beside the plan.
#[derive(Debug, Clone)]
pub struct Settings {
    pub address: SocketAddr,
    pub protocol: Protocol,
    /// Where members connect from, in turn; none leaves it to the kernel.
    pub sources: Vec<Ipv4Addr>,
    /// Verified members whose deliveries the kernel stamps, at most.
    pub probes: usize,
    /// Members that are measured; the crowd comes on top.
    pub members: usize,
    pub crowd: crowd::Shape,
    /// Members that verify every line; all others count bytes. Publishers are verified only when all are.
    pub verified: usize,
    pub line_bytes: usize,
    /// Connects a second.
    pub connect_rate: f64,
    /// Members that have connected and not been welcomed yet.
    pub connect_window: usize,
    /// The room is quiet when no byte came for this long.
    pub settle: Duration,
    pub idle: Option<Duration>,
    pub drain: Duration,
    pub progress: bool,
}

/// What the connect phase took.
#[derive(Debug, Clone)]
pub struct Connected {
    pub elapsed_ns: u64,
    /// From the start of a member's connect to its welcome.
    pub latency: Histogram<u64>,
}

/// What counting members proved.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    pub members: u64,
    /// Members whose bytes differ from what they should have.
    pub wrong: u64,
    pub lost: u64,
    pub duplicate: u64,
    /// Deliveries that the server still held back when the run ended.
    pub held_back: u64,
}

/// All that a run left behind.
#[derive(Debug)]
pub struct Outcome {
    pub connected: Connected,
    pub record: Record,
    pub counted: Counted,
    /// Members whose connection ended before the run did.
    pub disconnected: u64,
    /// Why the first of them was closed.
    pub first_farewell: Option<String>,
    /// Costs before the connects and after the room was quiet.
    pub before_connect: CostSample,
    pub settled: CostSample,
    /// The same around the idle time.
    pub idle: Option<(CostSample, CostSample)>,
    /// Costs just before the first measured message and when the last delivery was in, or given up.
    pub window: (CostSample, CostSample),
    /// Deliveries to all members between the two samples of the window.
    pub window_deliveries: u64,
    /// Deliveries of measured messages to all members, and the time that they are counted over: from when the first was due to
    /// the end of the plan, or to the last delivery if that came later.
    pub measured_deliveries: u64,
    pub measured_ns: u64,
    /// Absolute start of the plan.
    pub start_ns: u64,
    /// The same on the wall clock.
    pub started: SystemTime,
    /// Bytes of one message as the members receive it, at most.
    pub wire_line_bytes: usize,
    /// How long the thread was away from its epoll set at a time.
    pub round: Histogram<u64>,
    pub warnings: Vec<String>,
    /// None without one.
    pub crowd: Option<crowd::Outcome>,
}

#[derive(Debug)]
struct Member {
    /// None once the connection is over.
    socket: Option<OwnedFd>,
    /// Its number among the verified, unless it only counts.
    verified: Option<u32>,
    /// Its number among the publishers, if it is one.
    publisher: Option<u32>,
    /// Bytes received since the plan started, of a counting member.
    bytes: u64,
    /// The beginning of a line whose end has not come.
    tail: Vec<u8>,
    /// When its connect began.
    connect_ns: u64,
    /// What it still has to send to enter the room; empty once the socket has taken it.
    hello: Vec<u8>,
    /// True exactly when the server's first line to it, or its confirmation, has come.
    joined: bool,
    /// The kernel stamps what it receives.
    probe: bool,
}

/// Sockets, and what is known of them.
struct Engine<'a> {
    settings: &'a Settings,
    plan: &'a Plan,
    sampler: &'a Sampler,
    epoll: Epoll,
    members: Vec<Member>,
    publishers: Vec<Publisher>,
    crowd: Crowd,
    recorder: Recorder<'a>,
    format: Format,
    wire: Wire,
    /// What the kernel's stamps are ahead of our clock.
    real_time_offset_ns: u64,
    buffer: Vec<u8>,
    /// First message not handed to its publisher yet.
    next: usize,
    joined: usize,
    verified_open: u32,
    disconnected: u64,
    /// Bytes of all counting members since the plan started.
    counted_bytes: u64,
    /// When bytes last came.
    heard_ns: u64,
    connect_latency: Histogram<u64>,
    /// Why the server let go of a member, the first time.
    first_farewell: Option<String>,
    warnings: Vec<String>,
}

/// Carries out `plan`; the members leave before it returns.
pub fn run(settings: &Settings, plan: &Plan, sampler: &Sampler) -> Result<Outcome> {
    let mut engine = Engine::new(settings, plan, sampler)?;
    let before_connect = sampler.sample();
    engine.crowd.connect()?;
    let elapsed_ns = engine.connect_all()?;
    engine.settle()?;
    let settled = sampler.sample();
    let idle = match settings.idle {
        None => None,
        Some(idle) => {
            engine.read_for(idle)?;
            Some((settled.clone(), sampler.sample()))
        }
    };
    let measured = engine.carry_out()?;
    engine.read_for(AFTERMATH)?;
    engine.leave();
    let counted = engine.count_up(measured.wire_line_bytes as u64, measured.ended_ns);
    let crowd = (settings.crowd != crowd::Shape::default()).then(|| engine.crowd.finish());
    let record = engine.recorder.finish(measured.ended_ns);
    Ok(Outcome {
        connected: Connected { elapsed_ns, latency: engine.connect_latency },
        record,
        counted,
        disconnected: engine.disconnected,
        first_farewell: engine.first_farewell,
        before_connect,
        settled,
        idle,
        window: measured.window,
        window_deliveries: measured.deliveries,
        measured_deliveries: measured.measured_deliveries,
        measured_ns: measured.measured_ns,
        start_ns: measured.start_ns,
        started: measured.started,
        wire_line_bytes: measured.wire_line_bytes,
        round: measured.round,
        warnings: engine.warnings,
        crowd,
    })
}

/// Whether the `index`th of the verified members is one of the probes, which are spread evenly over them.
fn is_probe(index: usize, settings: &Settings) -> bool {
    let probes_before = |index: usize| index * settings.probes.min(settings.verified) / settings.verified;
    probes_before(index + 1) > probes_before(index)
}

/// What carrying out the plan measured.
struct Measured {
    start_ns: u64,
    started: SystemTime,
    ended_ns: u64,
    window: (CostSample, CostSample),
    deliveries: u64,
    measured_deliveries: u64,
    measured_ns: u64,
    wire_line_bytes: usize,
    round: Histogram<u64>,
}

impl<'a> Engine<'a> {
    fn new(settings: &'a Settings, plan: &'a Plan, sampler: &'a Sampler) -> Result<Self> {
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
                probe: role.verified.is_some_and(|verified| is_probe(verified as usize, settings)),
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
            crowd: Crowd::new(
                settings.crowd,
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
            first_farewell: None,
            warnings: Vec::new(),
        })
    }

    /// Waits until the room has fallen silent.
    fn settle(&mut self) -> Result<()> {
        let started_ns = sys::monotonic_ns();
        self.heard_ns = started_ns;
        loop {
            let now_ns = sys::monotonic_ns();
            let quiet_ns = now_ns - self.heard_ns;
            if quiet_ns >= self.settle_ns() {
                return self.all_still_here();
            }
            if now_ns - started_ns > SETTLE_MAX.as_nanos() as u64 {
                self.warnings.push(format!("the room was not quiet {SETTLE_MAX:?} after the last join"));
                return self.all_still_here();
            }
            self.read_round(Duration::from_nanos(self.settle_ns() - quiet_ns))?;
        }
    }

    fn settle_ns(&self) -> u64 {
        self.settings.settle.max(self.wire.settle_min()).as_nanos() as u64
    }

    fn all_still_here(&self) -> Result<()> {
        match &self.first_farewell {
            None => Ok(()),
            Some(farewell) => Err(Error::invalid(format!(
                "{} of {} members were closed before the run began: {farewell}",
                self.disconnected,
                self.members.len()
            ))),
        }
    }

    fn read_for(&mut self, time: Duration) -> Result<()> {
        let until_ns = sys::monotonic_ns() + time.as_nanos() as u64;
        loop {
            let now_ns = sys::monotonic_ns();
            if now_ns >= until_ns {
                return Ok(());
            }
            self.read_round(Duration::from_nanos(until_ns - now_ns))?;
        }
    }

    /// Waits for bytes up to `timeout` and reads each socket that has some once.
    fn read_round(&mut self, timeout: Duration) -> Result<()> {
        let count = self.epoll.wait(timeout).context(|| "cannot wait for sockets".to_string())?;
        for index in 0..count {
            let event = self.epoll.event(index);
            if event.writable {
                self.greet(event.token as usize)?;
            }
            if event.readable {
                self.on_readable(event.token as usize);
            }
        }
        Ok(())
    }

    /// The plan: sends what is due, reads the rest of the time, until all is delivered or the drain time is over.
    fn carry_out(&mut self) -> Result<Measured> {
        let authors = self.authors()?;
        let wire_line_bytes = authors.iter().map(Vec::len).max().unwrap_or(0) + self.wire.delivery_bytes();
        let start_ns = sys::monotonic_ns() + LEAD_IN_NS;
        let started = SystemTime::now() + Duration::from_nanos(LEAD_IN_NS);
        let deadline_ns = start_ns + self.plan.window_end_ns() + self.settings.drain.as_nanos() as u64;
        self.recorder.start(start_ns, authors);
        self.real_time_offset_ns = sys::real_time_offset_ns();
        self.forget_bytes();
        self.crowd.start(start_ns, self.plan.window_start_ns());
        let bar = self.run_bar();
        let mut bar_ns = 0;
        let sample_ns = start_ns + self.window_sample_ns();
        let mut sample = None;
        let mut round = histogram();
        let mut deliveries_before = 0;
        loop {
            let mut now_ns = sys::monotonic_ns();
            if sample.is_none() && now_ns >= sample_ns {
                sample = Some(self.sampler.sample());
                deliveries_before = self.deliveries(wire_line_bytes);
                now_ns = sys::monotonic_ns();
            }
            self.publish_due(now_ns)?;
            if self.is_done() || now_ns >= deadline_ns {
                break;
            }
            if now_ns >= bar_ns {
                self.show_progress(&bar, now_ns.saturating_sub(start_ns));
                bar_ns = now_ns + 1_000_000_000;
            }
            let wake_ns = if sample.is_none() { sample_ns } else { deadline_ns };
            if now_ns >= self.crowd.due_ns() {
                self.crowd.tick(now_ns);
            }
            let wake_ns = wake_ns.min(self.next_due_ns()).min(self.crowd.due_ns());
            let wake_ns = if bar.is_hidden() { wake_ns } else { wake_ns.min(bar_ns) };
            let sleep_ns = wake_ns.saturating_sub(now_ns).saturating_sub(self.watch_ns());
            let count =
                self.epoll.wait(Duration::from_nanos(sleep_ns)).context(|| "cannot wait for sockets".to_string())?;
            let woken_ns = sys::monotonic_ns();
            let ended_ns = self.on_events(count, woken_ns)?;
            if count > 0 {
                round.saturating_record(ended_ns - woken_ns);
            }
        }
        bar.finish_and_clear();
        let ended_ns = sys::monotonic_ns();
        let after = self.sampler.sample();
        // A plan that was never reached, because every publisher was closed, has an empty window.
        let before = sample.unwrap_or_else(|| after.clone());
        let deliveries = self.deliveries(wire_line_bytes) - deliveries_before;
        let window_ns = (start_ns + self.plan.window_start_ns(), start_ns + self.plan.window_end_ns());
        Ok(Measured {
            start_ns,
            started,
            ended_ns,
            window: (before, after),
            deliveries,
            measured_deliveries: self.measured_deliveries(wire_line_bytes),
            measured_ns: self.heard_ns.max(window_ns.1) - window_ns.0,
            wire_line_bytes,
            round,
        })
    }

    /// How long before a send is due the thread stops sleeping and watches the clock: waking up takes a processor that
    /// has gone idle some hundred microseconds, and would be counted as the server's.
    fn watch_ns(&self) -> u64 {
        let interval_ns = self.plan.window_end_ns() / self.plan.len().max(1) as u64;
        (interval_ns / 10).min(WATCH_NS_MAX)
    }

    /// Handles `count` events and returns the time after the last; sends what fell due between reads.
    fn on_events(&mut self, count: usize, woken_ns: u64) -> Result<u64> {
        let mut now_ns = woken_ns;
        for index in 0..count {
            let event = self.epoll.event(index);
            if event.writable {
                self.on_writable(event.token as usize)?;
            }
            if event.readable {
                now_ns = self.on_readable(event.token as usize);
            }
            if now_ns >= self.next_due_ns() {
                self.publish_due(now_ns)?;
            }
        }
        Ok(now_ns)
    }

    /// When, from the start of the plan, the costs before the window are sampled: between warm-up and window.
    fn window_sample_ns(&self) -> u64 {
        let window_ns = self.plan.window_start_ns();
        let gap_ns = match self.plan.warmup_messages() {
            0 => 2_000_000,
            count => window_ns - self.plan.due_ns(count - 1),
        };
        window_ns.saturating_sub((gap_ns / 2).min(2_000_000))
    }

    /// What the room calls each publisher: with uproar the address its socket has on this side, elsewhere nothing.
    fn authors(&self) -> Result<Vec<Vec<u8>>> {
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

    fn forget_bytes(&mut self) {
        self.counted_bytes = 0;
        for member in &mut self.members {
            member.bytes = 0;
        }
    }

    /// Deliveries to all members since the plan started; counting members in whole lines.
    fn deliveries(&self, wire_line_bytes: usize) -> u64 {
        self.recorder.deliveries() + self.counted_bytes / wire_line_bytes as u64
    }

    /// True exactly when everything is sent and everybody has it.
    fn is_done(&self) -> bool {
        let sent = self.next == self.plan.len() && self.publishers.iter().all(Publisher::is_idle);
        sent && self.recorder.is_complete() && self.counting_is_complete()
    }

    fn counting_is_complete(&self) -> bool {
        let counting = (self.members.len() - self.settings.verified) as u64;
        if counting == 0 {
            return true;
        }
        // The sum is cheap and says no most of the time; a surplus of one member must not hide another's want.
        let sent = self.sent_bytes();
        let expected = self.expected_of_counting(&sent) + self.recorder.presence_bytes() * counting;
        if self.counted_bytes < expected && self.recorder.told() == 0 {
            return false;
        }
        let lacks = |member: &Member| member.bytes < self.expected_bytes(member, &sent);
        let lacking = self.members.iter().any(|member| member.socket.is_some() && lacks(member));
        // When members that verify were told that they missed something, those that count may have been told as much, and
        // cannot know it: what has not come when the room is quiet will not come.
        !lacking || (self.recorder.told() > 0 && sys::monotonic_ns() - self.heard_ns > TOLD_QUIET_NS)
    }

    /// Bytes of `messages` of each publisher as the others receive them.
    fn wire_bytes(&self, messages: impl Iterator<Item = u64>) -> Vec<u64> {
        let delivery = self.wire.delivery_bytes() as u64;
        messages
            .enumerate()
            .map(|(publisher, count)| count * (self.recorder.author_bytes(publisher) + delivery))
            .collect()
    }

    /// The same of what each has sent since the plan started.
    fn sent_bytes(&self) -> Vec<u64> {
        self.wire_bytes(self.publishers.iter().map(|publisher| publisher.messages_sent))
    }

    /// Of `bytes` of each publisher, what a member receives: not its own, unless the server sends it that too.
    fn heard_of(&self, member: &Member, bytes: &[u64]) -> u64 {
        let publisher = member.publisher.filter(|_| !self.wire.echoes());
        bytes.iter().sum::<u64>() - publisher.map_or(0, |publisher| bytes[publisher as usize])
    }

    /// Of `bytes` of each publisher, what all counting members together receive.
    fn expected_of_counting(&self, bytes: &[u64]) -> u64 {
        let counting = (self.members.len() - self.settings.verified) as u64;
        let own = |publisher: &Publisher| self.members[publisher.member].verified.is_none() && !self.wire.echoes();
        let owners = self.publishers.iter().zip(bytes).filter(|(publisher, _)| own(publisher));
        bytes.iter().sum::<u64>() * counting - owners.map(|(_, bytes)| bytes).sum::<u64>()
    }

    /// Bytes a counting member should have since the plan started, when each publisher has sent `sent`; 0 for a verified
    /// one.
    fn expected_bytes(&self, member: &Member, sent: &[u64]) -> u64 {
        match member.verified {
            Some(_) => 0,
            None => self.heard_of(member, sent) + self.recorder.presence_bytes(),
        }
    }

    /// Deliveries of measured messages to all members. What counting members have beyond the bytes of the warm-up and of
    /// presence are whole messages, the longest if their lengths differ: never more than there were.
    fn measured_deliveries(&self, wire_line_bytes: usize) -> u64 {
        let counting = (self.members.len() - self.settings.verified) as u64;
        let publishers = self.publishers.len();
        let mut warmup = vec![0; publishers];
        (0..self.plan.warmup_messages()).for_each(|index| warmup[self.plan.publisher_of(index) as usize] += 1);
        let warmup = self.wire_bytes(warmup.into_iter());
        let beside = self.expected_of_counting(&warmup) + self.recorder.presence_bytes() * counting;
        self.recorder.measured_deliveries() + self.counted_bytes.saturating_sub(beside) / wire_line_bytes as u64
    }

    /// What counting members lack or have too much, in lines.
    fn count_up(&self, wire_line_bytes: u64, ended_ns: u64) -> Counted {
        let mut counted = Counted::default();
        let held = self.recorder.held_back(ended_ns);
        let sent = self.publishers.iter().zip(&held);
        let sent = self.wire_bytes(sent.map(|(publisher, held)| publisher.messages_sent - held));
        let held = self.wire_bytes(held.into_iter());
        for member in self.members.iter().filter(|member| member.verified.is_none()) {
            // What the server held back may have come or not: with it, and without, are both right.
            let least = self.expected_bytes(member, &sent);
            let most = least + self.heard_of(member, &held);
            counted.members += 1;
            counted.wrong += u64::from(!(least..=most).contains(&member.bytes));
            counted.lost += least.saturating_sub(member.bytes).div_ceil(wire_line_bytes);
            counted.duplicate += member.bytes.saturating_sub(most).div_ceil(wire_line_bytes);
            counted.held_back += most.saturating_sub(member.bytes.max(least)) / wire_line_bytes;
        }
        counted
    }

    /// Resets every connection, so that none is left in TIME_WAIT.
    fn leave(&mut self) {
        for member in &mut self.members {
            if let Some(socket) = member.socket.take() {
                // A socket that cannot be set to reset is closed the ordinary way, which only costs a port for a minute.
                let _ = sys::reset_on_close(socket.as_fd());
            }
        }
    }

    fn run_bar(&self) -> ProgressBar {
        if !self.settings.progress {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{elapsed} {bar:30} {msg}").expect("the template is well-formed");
        ProgressBar::new(self.plan.len() as u64).with_style(style)
    }

    /// Drawn once a second: the thread that draws is the one that measures.
    fn show_progress(&self, bar: &ProgressBar, elapsed_ns: u64) {
        if bar.is_hidden() {
            return;
        }
        bar.set_position(self.next as u64);
        let phase = if elapsed_ns < self.plan.window_start_ns() { "warming up, " } else { "" };
        bar.set_message(format!(
            "{phase}{} of {} messages sent, {} deliveries",
            self.next,
            self.plan.len(),
            self.recorder.deliveries()
        ));
    }
}
