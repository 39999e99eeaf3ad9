//! A process that has a share of the members: orders come on stdin, reports go to stdout.
//!
//! It ends when stdin does, so none is left behind.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsFd;

use crate::engine::LAST_LOOK;
use crate::engine::carry_out::{Measured, Start};
use crate::engine::stepwise::Stepwise;
use crate::error::{Context, Error, Result, exit};
use crate::plan::Plan;
use crate::processes::orders::{Ended, Order, Report, Task};
use crate::sys;

const READ_BYTES: usize = 64 * 1024;

/// Does what it is told until stdin ends. Failures are reported there, too.
pub fn serve() -> Result<()> {
    let served = follow();
    if let Err(error) = &served {
        let is_invalid = error.exit() == exit::INVALID;
        // If nobody reads it, nobody needs it.
        let _ = report(&Report::Failed { text: error.to_string(), is_invalid });
    }
    Ok(())
}

fn follow() -> Result<()> {
    sys::raise_descriptor_limit().context(|| "cannot raise the descriptor limit".to_string())?;
    sys::sharpen_timers();
    let mut orders = Orders::new()?;
    let Some(task) = orders.line()? else { return Ok(()) };
    let task: Task = parse(&task)?;
    let plan = Plan::new(&task.pace).map_err(Error::new)?;
    let source = orders.file.try_clone().context(|| "cannot watch stdin".to_string())?;
    let mut members = Stepwise::new(&task.settings, &plan, &task.share, source.as_fd())?;
    report(&Report::Ready)?;
    let mut started: Option<(Start, Measured)> = None;
    loop {
        // Once the plan is over nothing is read any more.
        if started.is_none() {
            members.read_until_orders(orders.has_line())?;
        }
        let Some(order) = orders.line()? else { return Ok(()) };
        match parse(&order)? {
            Order::ConnectNuisances => {
                members.connect_nuisances()?;
                report(&Report::Ready)?;
            }
            Order::Connect => connect(&mut members)?,
            Order::Connections => report(&Report::Connections(members.connections()))?,
            Order::Authors => report(&Report::Authors(members.authors()?))?,
            Order::Start(start) => {
                let measured = members.carry_out(&start, orders.has_line(), || report(&Report::Complete))?;
                started = Some((start, measured));
            }
            Order::Stop => {
                members.read_for(LAST_LOOK)?;
                let (_, measured) = started.as_ref().ok_or_else(|| Error::new("the plan has not started"))?;
                report(&Report::Stopped(Box::new(ended(&mut members, measured))))?;
            }
            Order::Leave => {
                members.leave();
                report(&Report::Left(members.finish_nuisances()))?;
            }
            Order::Arrivals => {
                let mut out = BufWriter::with_capacity(READ_BYTES, io::stdout().lock());
                let written = members.recorder().write_arrivals(&mut out).and_then(|()| out.flush());
                written.context(|| "cannot write the arrivals".to_string())?;
            }
            Order::Prove { sent, expected } => {
                let (start, _) = started.as_ref().ok_or_else(|| Error::new("the plan has not started"))?;
                let counted = members.count_up(start, &expected);
                let part = Box::new(members.recorder().prove_share(&sent));
                report(&Report::Proven { part, counted })?;
            }
        }
    }
}

fn connect(members: &mut Stepwise<'_>) -> Result<()> {
    let (began_ns, ended_ns) = members.connect(|joined| report(&Report::Joining(joined)))?;
    let tenths_ns = members.tenths_ns().to_vec();
    report(&Report::Joined { began_ns, ended_ns, tenths_ns, latency: members.connect_latency() })
}

fn ended(members: &mut Stepwise<'_>, measured: &Measured) -> Ended {
    let mut connections = members.connections();
    connections.heard_ns = measured.heard_ns;
    Ended {
        stopped: members.recorder().stopped(),
        connections,
        window_deliveries: measured.window_deliveries,
        measured_deliveries: measured.measured_deliveries,
        round: (&measured.round).into(),
        warnings: members.warnings().to_vec(),
    }
}

fn parse<T: serde::de::DeserializeOwned>(line: &[u8]) -> Result<T> {
    serde_json::from_slice(line).context(|| "an order is not what it should be".to_string())
}

/// Writes a report as one line.
fn report(report: &Report) -> Result<()> {
    let mut line = serde_json::to_vec(report).context(|| "cannot write a report".to_string())?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).context(|| "cannot write a report".to_string())
}

/// Lines from stdin. What was read of the next is kept here and not in a buffer of the library, so that it is known whether an order
/// waits.
struct Orders {
    file: File,
    read: Vec<u8>,
}

impl Orders {
    fn new() -> Result<Self> {
        let stdin = io::stdin().as_fd().try_clone_to_owned().context(|| "cannot read stdin".to_string())?;
        Ok(Self { file: File::from(stdin), read: Vec::new() })
    }

    fn has_line(&self) -> bool {
        self.read.contains(&b'\n')
    }

    /// The next line without its newline, when it is there; none once stdin has ended.
    fn line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read[searched..]) {
                let rest = self.read.split_off(searched + end + 1);
                let mut line = std::mem::replace(&mut self.read, rest);
                line.pop();
                return Ok(Some(line));
            }
            searched = self.read.len();
            self.read.resize(searched + READ_BYTES, 0);
            let bytes = self.file.read(&mut self.read[searched..]).context(|| "cannot read stdin".to_string())?;
            self.read.truncate(searched + bytes);
            if bytes == 0 {
                return Ok(None);
            }
        }
    }
}
