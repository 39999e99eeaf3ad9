//! The operator's files that are read again while the server runs: the message of the day and the operators' key. A
//! thread of its own reads them, so that the loop's thread never waits for a disk: that one asks, and looks later for what
//! was found.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::{fmt, io, thread};

use rustix::fs::{Mode, OFlags};

use crate::moderation::operator_key::{KeyError, OperatorKey};
use crate::motd::{Motd, MotdError};

/// Reads the operator's files, from a disk or elsewhere.
pub trait Files: fmt::Debug {
    /// Asks for all of them to be read, without waiting. False, and nothing is read, until what was found after the last
    /// asking was taken.
    fn ask(&mut self) -> bool;

    /// Takes what was found, once everything was read.
    fn found(&mut self) -> Option<Found>;
}

/// What files had when they were read; `None` for a file that no option names.
#[derive(Debug, Default)]
pub struct Found {
    pub motd: Option<Result<Motd, MotdError>>,
    /// The key, and a warning where others may read or change its file.
    pub key: Option<Result<(OperatorKey, Option<String>), KeyError>>,
}

/// Where the files are.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    pub motd: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Longest line that a member may type, which the key has to fit.
    pub line_bytes: usize,
}

/// The thread that reads them.
#[derive(Debug)]
pub struct OperatorFiles {
    asks: SyncSender<()>,
    answers: Receiver<Found>,
    is_asked: bool,
}

impl OperatorFiles {
    /// Starts the thread. Signals that the server takes from a descriptor must be blocked already: the thread blocks those
    /// that its creator blocks.
    pub fn start(paths: Paths) -> io::Result<Self> {
        let (asks, asked) = sync_channel(1);
        // One answer at most waits, so the thread never waits for somebody to take it.
        let (found, answers) = sync_channel(1);
        thread::Builder::new().name("uproar-files".to_owned()).spawn(move || {
            for () in asked {
                if found.send(paths.read()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { asks, answers, is_asked: false })
    }
}

impl Files for OperatorFiles {
    fn ask(&mut self) -> bool {
        let is_new = !self.is_asked && self.asks.try_send(()).is_ok();
        self.is_asked |= is_new;
        is_new
    }

    fn found(&mut self) -> Option<Found> {
        let found = self.answers.try_recv().ok()?;
        self.is_asked = false;
        Some(found)
    }
}

impl Paths {
    pub fn is_empty(&self) -> bool {
        self.motd.is_none() && self.key.is_none()
    }

    fn read(&self) -> Found {
        let motd = |path: &PathBuf| Motd::read(open(path)?);
        let key = |path: &PathBuf| OperatorKey::read(open(path)?, path, self.line_bytes);
        Found { motd: self.motd.as_ref().map(motd), key: self.key.as_ref().map(key) }
    }
}

/// Opens a regular file. A pipe, which a shell may have given at the start, has been read to its end; opening one that
/// has a name does not wait for a writer.
fn open(path: &Path) -> io::Result<File> {
    let file = File::from(rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("this is no regular file")) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;

    fn found(files: &mut OperatorFiles) -> Found {
        let start = Instant::now();
        loop {
            if let Some(found) = files.found() {
                return found;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "nothing was found");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn files_are_read_each_time_that_is_asked_for_and_what_is_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let (motd, key) = (folder.path().join("motd"), folder.path().join("key"));
        let paths = Paths { motd: Some(motd.clone()), key: Some(key.clone()), line_bytes: 100 };
        let mut files = OperatorFiles::start(paths).unwrap();
        assert!(files.found().is_none());
        for text in ["one", "two"] {
            fs::write(&motd, text).unwrap();
            fs::write(&key, format!("open sesame {text}")).unwrap();
            assert!(files.ask() && !files.ask(), "one reading at a time");
            let Found { motd, key } = found(&mut files);
            assert_eq!(motd.unwrap().unwrap(), Motd::of(text.as_bytes()));
            assert!(key.unwrap().unwrap().0.matches(format!("open sesame {text}").as_bytes()));
        }
        fs::remove_file(&motd).unwrap();
        fs::remove_file(&key).unwrap();
        assert!(Command::new("mkfifo").arg(&key).status().unwrap().success());
        assert!(files.ask());
        let Found { motd, key } = found(&mut files);
        assert!(motd.unwrap().unwrap_err().to_string().contains("No such file"));
        assert_eq!(key.unwrap().unwrap_err().to_string(), "this is no regular file");
    }

    #[test]
    fn a_file_that_no_option_names_is_not_read() {
        let paths = Paths { motd: Some("/nowhere/motd".into()), ..Paths::default() };
        assert!(!paths.is_empty() && Paths::default().is_empty());
        let mut files = OperatorFiles::start(paths).unwrap();
        assert!(files.ask());
        assert!(found(&mut files).key.is_none());
    }
}
