//! The processes that have a room's members between them, and the steps of a run that all of them take together.

use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::time::{Duration, SystemTime};

use crate::engine::carry_out::{Start, window_sample_ns};
use crate::engine::nuisances::NuisancesOutcome;
use crate::engine::outcome::{Connected, Counted, Expected};
use crate::engine::progress::{connect_bar, run_bar};
use crate::engine::settings::Settings;
use crate::engine::share::Share;
use crate::engine::{SETTLE_MAX, not_quiet};
use crate::error::{Context, Error, Result};
use crate::plan::{Pace, Plan};
use crate::processes::orders::{Ended, Order, Report, Task};
use crate::processes::worker::Worker;
use crate::protocol::Wire;
use crate::recorder::arrivals::read_message;
use crate::recorder::join::{Join, RoomSent, SharePart, Stopped};
use crate::recorder::latency::histogram;
use crate::recorder::record::Record;
use crate::sys;
use crate::usage::{Sample, Sampler};

/// How long a process may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same where it has much to do: nuisances to connect, which takes seconds, or many members to prove.
const LONG_PATIENCE: Duration = Duration::from_secs(120);
/// The plan starts this long after everything is ready, and longer for each process that has to be told.
const LEAD_IN_NS: u64 = 50_000_000;
const LEAD_IN_NS_PER_PROCESS: u64 = 2_000_000;
/// The bar is drawn this often.
const DRAW_NS: u64 = 1_000_000_000;

/// The processes, and what they have in common.
pub(super) struct Room<'a> {
    settings: &'a Settings,
    plan: &'a Plan,
    pub(super) wire: Wire,
    workers: Vec<Worker>,
    /// What a reader of the run should know.
    pub(super) warnings: Vec<String>,
}

impl<'a> Room<'a> {
    pub(super) fn start(settings: &'a Settings, pace: &Pace, plan: &'a Plan, shares: &[Share]) -> Result<Self> {
        let count = shares.len();
        let mut workers = Vec::with_capacity(count);
        for (number, share) in shares.iter().enumerate() {
            let mut worker = Worker::start(number + 1, count)?;
            let nuisances = settings.nuisances.part(number, count);
            let settings = Settings { nuisances, progress: false, ..settings.clone() };
            worker.write(&Task { settings, pace: *pace, share: share.clone() }, PATIENCE)?;
            workers.push(worker);
        }
        for worker in &mut workers {
            expect_ready(worker, PATIENCE)?;
        }
        let wire = Wire::new(settings.protocol, settings.line_bytes, settings.rooms.name(0));
        Ok(Self { settings, plan, wire, workers, warnings: Vec::new() })
    }

    /// The process ids.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.workers.iter().map(Worker::pid).collect()
    }

    /// All members join, those of one process after those of another.
    pub(super) fn connect(&mut self) -> Result<Connected> {
        if self.settings.nuisances.in_room() > 0 {
            for worker in &mut self.workers {
                worker.order(&Order::ConnectNuisances, PATIENCE)?;
                expect_ready(worker, LONG_PATIENCE)?;
            }
        }
        let bar = connect_bar(self.settings.members, self.settings.progress);
        let mut all = (u64::MAX, 0);
        let mut latency = histogram();
        let mut tenths_at_ns = Vec::new();
        for worker in &mut self.workers {
            worker.order(&Order::Connect, PATIENCE)?;
            let joined_before = bar.position();
            loop {
                match worker.report(PATIENCE)? {
                    Report::Joining(joined) => bar.set_position(joined_before + joined as u64),
                    Report::Joined { began_ns, ended_ns, tenths_ns, latency: cells } => {
                        all = (all.0.min(began_ns), all.1.max(ended_ns));
                        cells.add_to(&mut latency);
                        bar.set_position(joined_before + cells.samples());
                        tenths_at_ns.extend(tenths_ns);
                        break;
                    }
                    other => return Err(unexpected(&other)),
                }
            }
        }
        bar.finish_and_clear();
        let tenths_ns = tenths_at_ns.into_iter().map(|(_, at_ns)| at_ns - all.0).collect();
        Ok(Connected { elapsed_ns: all.1 - all.0, tenths_ns, latency })
    }

    /// Waits until no process has heard anything for a while.
    pub(super) fn settle(&mut self) -> Result<()> {
        let settle_ns = self.settings.settle.max(self.wire.settle_min()).as_nanos() as u64;
        let started_ns = sys::monotonic_ns();
        loop {
            let mut heard_ns = started_ns;
            let (mut disconnected, mut reason) = (0, None);
            for connections in self.ask_all(&Order::Connections, |report| match report {
                Report::Connections(connections) => Ok(connections),
                other => Err(unexpected(&other)),
            })? {
                heard_ns = heard_ns.max(connections.heard_ns);
                disconnected += connections.disconnected;
                reason = reason.or(connections.first_close_reason);
            }
            let now_ns = sys::monotonic_ns();
            let quiet_ns = now_ns.saturating_sub(heard_ns);
            let is_late = now_ns - started_ns > SETTLE_MAX.as_nanos() as u64;
            if quiet_ns >= settle_ns || is_late {
                if quiet_ns < settle_ns {
                    self.warnings.push(not_quiet());
                }
                return match reason {
                    None => Ok(()),
                    Some(reason) => Err(Error::invalid(format!(
                        "{disconnected} of {} members were closed before the run began: {reason}",
                        self.settings.members
                    ))),
                };
            }
            self.wait_for(Duration::from_nanos(settle_ns - quiet_ns))?;
        }
    }

    /// Starts the plan in all processes, at one time that is still to come.
    pub(super) fn begin(&mut self) -> Result<(Start, SystemTime)> {
        let mut authors = vec![Vec::new(); self.plan.publishers() as usize];
        for of_share in self.ask_all(&Order::Authors, |report| match report {
            Report::Authors(authors) => Ok(authors),
            other => Err(unexpected(&other)),
        })? {
            of_share.into_iter().for_each(|(publisher, author)| authors[publisher as usize] = author);
        }
        let lead_in_ns = LEAD_IN_NS + LEAD_IN_NS_PER_PROCESS * self.workers.len() as u64;
        let start = Start { start_ns: sys::monotonic_ns() + lead_in_ns, authors };
        let started = SystemTime::now() + Duration::from_nanos(lead_in_ns);
        for worker in &mut self.workers {
            worker.order(&Order::Start(start.clone()), PATIENCE)?;
        }
        if sys::monotonic_ns() >= start.start_ns {
            self.warnings.push("some processes were told of the plan after it had started".to_string());
        }
        Ok((start, started))
    }

    /// Waits until all processes have everything, or the drain time is over. Returns what was used before the window and after it.
    pub(super) fn carry_out(&mut self, start: &Start, sampler: &Sampler) -> Result<(Sample, Sample)> {
        let end_ns = start.start_ns + self.plan.window_end_ns();
        let deadline_ns = end_ns + self.settings.drain.as_nanos() as u64;
        let sample_ns = start.start_ns + window_sample_ns(self.plan);
        let bar = run_bar(self.plan.len(), self.settings.progress);
        let mut complete = vec![false; self.workers.len()];
        let mut before = None;
        let mut is_past = 0;
        loop {
            let now_ns = sys::monotonic_ns();
            if before.is_none() && now_ns >= sample_ns {
                before = Some(sampler.sample());
            }
            if complete.iter().all(|complete| *complete) || now_ns >= deadline_ns {
                break;
            }
            while is_past < self.plan.len() && start.start_ns + self.plan.due_ns(is_past) <= now_ns {
                is_past += 1;
            }
            bar.set_position(is_past as u64);
            bar.set_message(format!("{is_past} of {} messages due", self.plan.len()));
            let wake_ns = if before.is_none() { sample_ns } else { deadline_ns };
            let wake_ns = if bar.is_hidden() { wake_ns } else { wake_ns.min(now_ns + DRAW_NS) };
            self.wait(Duration::from_nanos(wake_ns.saturating_sub(now_ns)))?;
            for (worker, complete) in self.workers.iter_mut().zip(&mut complete) {
                while worker.has_report() {
                    match worker.report(PATIENCE)? {
                        Report::Complete => *complete = true,
                        other => return Err(unexpected(&other)),
                    }
                }
            }
        }
        bar.finish_and_clear();
        let after = sampler.sample();
        Ok((before.unwrap_or_else(|| after.clone()), after))
    }

    /// The plan is over; what each process measured.
    pub(super) fn stop(&mut self) -> Result<Vec<Ended>> {
        for worker in &mut self.workers {
            worker.order(&Order::Stop, PATIENCE)?;
        }
        let mut ended = Vec::new();
        for worker in &mut self.workers {
            loop {
                match worker.report(PATIENCE)? {
                    // It was said just when time was over.
                    Report::Complete => {}
                    Report::Stopped(of_share) => {
                        ended.push(*of_share);
                        break;
                    }
                    other => return Err(unexpected(&other)),
                }
            }
        }
        Ok(ended)
    }

    /// All members leave at once. Returns when they began to, and what became of the nuisances.
    pub(super) fn leave(&mut self) -> Result<(u64, NuisancesOutcome)> {
        let left_ns = sys::monotonic_ns();
        let mut all = NuisancesOutcome { shape: self.settings.nuisances, ..NuisancesOutcome::default() };
        for of_share in self.ask_all(&Order::Leave, |report| match report {
            Report::Left(nuisances) => Ok(nuisances),
            other => Err(unexpected(&other)),
        })? {
            all.add(&of_share.unwrap_or_default());
        }
        Ok((left_ns, all))
    }

    /// Joins what was recorded from the start of the plan to its end.
    pub(super) fn prove(&mut self, time_ns: (u64, u64), ended: &[Ended]) -> Result<(Record, Counted)> {
        let stopped: Vec<Stopped> = ended.iter().map(|ended| ended.stopped.clone()).collect();
        let all_verify = self.settings.verified == self.settings.members;
        let mut join = Join::new(self.plan, time_ns, &stopped, all_verify);
        for worker in &mut self.workers {
            worker.order(&Order::Arrivals, PATIENCE)?;
        }
        // All write their arrivals in the order of the plan, and wait when nobody reads on.
        let mut arrivals_ns = Vec::new();
        for index in 0..self.plan.len() {
            arrivals_ns.clear();
            for worker in &mut self.workers {
                read_message(|| worker.byte(PATIENCE), join.due_ns(index), &mut arrivals_ns)?;
            }
            join.add(index, &mut arrivals_ns);
        }
        let sent = join.sent();
        let expected = self.expected(&stopped, &sent);
        for worker in &mut self.workers {
            worker.order(&Order::Prove { sent: sent.clone(), expected: expected.clone() }, LONG_PATIENCE)?;
        }
        let mut parts: Vec<(SharePart, Vec<u32>)> = Vec::new();
        let mut all = Counted::default();
        for (worker, stopped) in self.workers.iter_mut().zip(stopped) {
            let Report::Proven { part, counted } = worker.report(LONG_PATIENCE)? else {
                return Err(Error::new("a process did not prove its share"));
            };
            parts.push((*part, stopped.order));
            all.add(&counted);
        }
        Ok((join.finish(&parts), all))
    }

    /// What members that only count bytes should have.
    fn expected(&self, stopped: &[Stopped], sent: &RoomSent) -> Expected {
        let delivery_bytes = self.wire.delivery_bytes() as u64;
        let mut expected = Expected {
            bytes: vec![0; self.plan.publishers() as usize],
            held_back_bytes: vec![0; self.plan.publishers() as usize],
            presence_bytes: stopped.iter().map(|share| share.presence_bytes).max().unwrap_or(0),
        };
        let held: HashSet<u32> = sent.held_back.iter().copied().collect();
        for (index, sent_ns) in sent.sent_ns.iter().enumerate() {
            let publisher = self.plan.publisher_of(index) as usize;
            let author_bytes = stopped.iter().filter_map(|share| share.author_bytes.get(publisher)).max();
            let bytes = author_bytes.copied().unwrap_or(0) + delivery_bytes;
            match *sent_ns {
                0 => {}
                _ if held.contains(&(index as u32)) => expected.held_back_bytes[publisher] += bytes,
                _ => expected.bytes[publisher] += bytes,
            }
        }
        expected
    }

    /// The answer of each process to `order`, which all are given at once.
    fn ask_all<T>(&mut self, order: &Order, answer: impl Fn(Report) -> Result<T>) -> Result<Vec<T>> {
        for worker in &mut self.workers {
            worker.order(order, PATIENCE)?;
        }
        self.workers.iter_mut().map(|worker| answer(worker.report(LONG_PATIENCE)?)).collect()
    }

    /// Waits for `time`, while no process has anything to say.
    pub(super) fn wait_for(&mut self, time: Duration) -> Result<()> {
        let until_ns = sys::monotonic_ns() + time.as_nanos() as u64;
        loop {
            let now_ns = sys::monotonic_ns();
            if now_ns >= until_ns {
                return Ok(());
            }
            self.wait(Duration::from_nanos(until_ns - now_ns))?;
        }
    }

    /// Waits up to `time` for any process to say something, and reads it. One that has ended is an error.
    fn wait(&mut self, time: Duration) -> Result<()> {
        // The wait is in whole milliseconds, and must not end before its time again and again.
        let time = time.max(Duration::from_millis(1));
        let fds: Vec<BorrowedFd<'_>> = self.workers.iter().map(Worker::reports_fd).collect();
        let ready = sys::wait_readable(&fds, time).context(|| "cannot wait for processes".to_string())?;
        for (worker, _) in self.workers.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            worker.fill(Duration::ZERO)?;
        }
        Ok(())
    }
}

fn expect_ready(worker: &mut Worker, patience: Duration) -> Result<()> {
    match worker.report(patience)? {
        Report::Ready => Ok(()),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(report: &Report) -> Error {
    Error::new(format!("a process that has a share of the members said {report:?}"))
}
