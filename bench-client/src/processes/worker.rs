//! One process that has a share of the members, as the process that conducts the run sees it.
//!
//! Nothing here waits without end: a process that has died or says nothing makes the run invalid, and the error has its number.
//! Dropping it ends it, by its own process id and nothing else.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::processes::orders::{Order, Report};
use crate::sys;

const READ_BYTES: usize = 64 * 1024;

/// A running process with a share of the members.
#[derive(Debug)]
pub struct Worker {
    /// Its number, from 1, and how many there are.
    number: usize,
    count: usize,
    child: Child,
    orders: ChildStdin,
    reports: ChildStdout,
    /// What was read of its reports, from `start` on not looked at yet.
    read: Vec<u8>,
    start: usize,
}

impl Worker {
    /// Starts number `number` of `count`.
    pub fn start(number: usize, count: usize) -> Result<Self> {
        let program = std::env::current_exe().context(|| "cannot find this program".to_string())?;
        let mut command = Command::new(program);
        command.arg("members").stdin(Stdio::piped()).stdout(Stdio::piped());
        sys::stop_with_parent(&mut command);
        let mut child = command.spawn().context(|| format!("cannot start process {number} of {count}"))?;
        let orders = child.stdin.take().expect("stdin was asked to be a pipe");
        let reports = child.stdout.take().expect("stdout was asked to be a pipe");
        sys::do_not_block(orders.as_fd()).context(|| "cannot set up a pipe".to_string())?;
        Ok(Self { number, count, child, orders, reports, read: Vec::new(), start: 0 })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What is readable when it has said something, or has ended.
    pub fn reports_fd(&self) -> BorrowedFd<'_> {
        self.reports.as_fd()
    }

    /// True exactly when a whole report was read and not looked at yet.
    pub fn has_report(&self) -> bool {
        self.read[self.start..].contains(&b'\n')
    }

    pub fn order(&mut self, order: &Order, patience: Duration) -> Result<()> {
        self.write(order, patience)
    }

    /// Sends `value` as one line.
    pub fn write(&mut self, value: &impl serde::Serialize, patience: Duration) -> Result<()> {
        let mut line = serde_json::to_vec(value).context(|| "cannot write an order".to_string())?;
        line.push(b'\n');
        let mut rest = &line[..];
        while !rest.is_empty() {
            match self.orders.write(rest) {
                Ok(bytes) => rest = &rest[bytes..],
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    let is_ready = sys::wait_writable(self.orders.as_fd(), patience);
                    if !is_ready.context(|| "cannot wait for a process".to_string())? {
                        return Err(self.is_stalled(patience));
                    }
                }
                // Why it ended, it may have said.
                Err(_) => return Err(self.has_ended()),
            }
        }
        Ok(())
    }

    /// Its next report, which it has to make within `patience`.
    pub fn report(&mut self, patience: Duration) -> Result<Report> {
        let until = Instant::now() + patience;
        let mut searched = 0;
        let end = loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read[self.start + searched..]) {
                break self.start + searched + end;
            }
            searched = self.read.len() - self.start;
            if !self.fill(until.saturating_duration_since(Instant::now()))? {
                return Err(self.is_stalled(patience));
            }
        };
        let report = serde_json::from_slice(&self.read[self.start..end]);
        self.start = end + 1;
        match report.context(|| format!("a report of {} is not what it should be", self.name()))? {
            Report::Failed { text, is_invalid: true } => Err(Error::invalid(format!("{}: {text}", self.name()))),
            Report::Failed { text, is_invalid: false } => Err(Error::new(format!("{}: {text}", self.name()))),
            report => Ok(report),
        }
    }

    /// The next byte of what it writes.
    pub fn byte(&mut self, patience: Duration) -> Result<u8> {
        while self.start == self.read.len() {
            if !self.fill(patience)? {
                return Err(self.is_stalled(patience));
            }
        }
        self.start += 1;
        Ok(self.read[self.start - 1])
    }

    /// Reads what has come, waiting up to `patience` for it; false if nothing came.
    pub fn fill(&mut self, patience: Duration) -> Result<bool> {
        let is_ready = sys::wait_readable(&[self.reports.as_fd()], patience);
        if !is_ready.context(|| "cannot wait for a process".to_string())?[0] {
            return Ok(false);
        }
        self.read.drain(..self.start);
        self.start = 0;
        let kept = self.read.len();
        self.read.resize(kept + READ_BYTES, 0);
        let result = self.reports.read(&mut self.read[kept..]);
        self.read.truncate(kept + result.as_ref().copied().unwrap_or(0));
        match result {
            Ok(0) => Err(self.has_ended()),
            Ok(_) => Ok(true),
            Err(error) => Err(Error::new(format!("cannot read what {} says: {error}", self.name()))),
        }
    }

    fn name(&self) -> String {
        format!("process {} of {}", self.number, self.count)
    }

    fn is_stalled(&self, patience: Duration) -> Error {
        Error::invalid(format!("{}, which has a share of the members, said nothing for {patience:?}", self.name()))
    }

    fn has_ended(&mut self) -> Error {
        // It closed its pipes, so it is ending.
        let status = self.child.wait().map_or("unknown".to_string(), |status| status.to_string());
        Error::invalid(format!("{}, which had a share of the members, ended early ({status})", self.name()))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
