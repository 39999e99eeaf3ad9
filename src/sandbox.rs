//! What is left to the process once it serves: the files that its options name, the ports of its cluster, and the system
//! calls that serving takes.
//!
//! A bug that lets a peer run code in the server then gives it little. Landlock decides which files and ports there are
//! ([`landlock`]), a filter which system calls ([`filter`]), and rings have a gate of their own
//! ([`Sandbox`](crate::io::uring::Sandbox)). [`Permissions`] says what is meant, as data made of the options; this file puts it
//! in force, once and for good: neither this process nor a program that it starts can have more again. Where the kernel,
//! or a container, does not allow a part of it, the server serves without that part, and [`Entered`] says so.

pub mod filter;
pub mod landlock;
pub mod paths;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use self::landlock::Landlock;

/// What the process may do once it serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    pub files: Vec<(PathBuf, Use)>,
    /// TCP ports that may be connected to. They are those of any address: landlock knows no others.
    pub ports: Vec<u16>,
    /// True where the server connects to others while it serves.
    pub connects: bool,
    /// True where the files of a ring's table change: connections have direct descriptors.
    pub changes_tables: bool,
    /// True where rings are made while the server serves: tables of direct descriptors are closed when they are empty, and
    /// opened again.
    pub makes_rings: bool,
}

/// What a file is used for. Files are replaced by others of the same name all the time, by editors, by package managers
/// and by this server, and a rule of landlock is of the one that was there. So most rules are of a file's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// It is read again, and may be another file then: files of its folder may be read.
    ReadAgain,
    /// It is appended to, and made anew where it has been moved away: so may files of its folder. A device or a pipe alone.
    Append,
    /// A new one is written beside it and takes its place: files of its folder may be read, made, renamed and removed.
    Replace,
    /// All that is in this folder may be read.
    ReadFolder,
    /// Programs and libraries in this folder may be read and run.
    RunFolder,
    /// This file alone may be read and run.
    Run,
    /// This device may be read and written.
    Device,
}

/// How much of it is in force.
#[derive(Clone, Debug)]
pub struct Entered {
    landlock: Landlock,
    /// System calls that are allowed, or why there is no filter.
    filter: Result<usize, String>,
}

impl Permissions {
    pub fn file(&mut self, path: impl Into<PathBuf>, used: Use) {
        self.files.push((path.into(), used));
    }

    /// Leaves the process these permissions and no others.
    ///
    /// Landlock holds for the calling thread and those that it starts later, so that must be the only one. The filter
    /// holds for all. Signals, listeners, rings, and what the log and the transcript are written to, must be there already.
    pub fn enter(&self) -> Entered {
        let landlock = landlock::enter(self);
        Entered { landlock, filter: filter::enter(self) }
    }
}

impl Entered {
    /// True when all of it is in force that this program knows.
    pub fn is_whole(&self) -> bool {
        self.landlock.is_whole() && self.filter.is_ok()
    }
}

impl fmt::Display for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sandbox: {}, ", self.landlock)?;
        match &self.filter {
            Ok(calls) => write!(f, "{calls} system calls"),
            Err(why) => write!(f, "no filter of system calls: {why}"),
        }
    }
}

/// What is available here, without entering: for the preflight.
pub fn look() -> Entered {
    Entered { landlock: Landlock::look(), filter: filter::look() }
}
