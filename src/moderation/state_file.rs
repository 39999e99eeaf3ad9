//! The file of the state. A thread of its own writes it, so that the loop's thread never waits for the disk: that one
//! hands over a whole state, and asks later what became of it.
//!
//! The whole state is written to `FILE.new`, which then takes the place of `FILE`. Each is on the disk before the next
//! step, so after a kill or a power failure `FILE` is whole, as it was before or as it is meant to be. What is left of
//! `FILE.new` is never read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;
use std::{error, fmt};

use crate::limits::{STATE_BYTES_MAX, STATE_FINISH_MAX, STATE_WRITES_MAX};
use crate::moderation::state::{State, StateError};

/// Keeps states, in a file or elsewhere. The outcome of each state that was taken must be asked for, in their order:
/// until then it counts as one that is being kept.
pub trait Keeper: fmt::Debug {
    /// Whether another state would be taken now.
    fn has_room(&self) -> bool;

    /// Takes a state to be kept instead of all earlier ones, without waiting. False when it was not taken, because
    /// earlier ones are still being kept.
    fn offer(&mut self, state: State) -> bool;

    /// What became of the oldest state whose outcome was not asked for, if that is known.
    fn outcome(&mut self) -> Option<io::Result<()>>;

    /// Keeps `last`, if there is one, waits for all that is still to be kept, and says what became of the last state:
    /// `Ok` when there was none. To be called when the loop has ended.
    fn finish(self: Box<Self>, last: Option<State>) -> io::Result<()>;
}

impl<K: Keeper + ?Sized> Keeper for Box<K> {
    fn has_room(&self) -> bool {
        (**self).has_room()
    }

    fn offer(&mut self, state: State) -> bool {
        (**self).offer(state)
    }

    fn outcome(&mut self) -> Option<io::Result<()>> {
        (**self).outcome()
    }

    fn finish(self: Box<Self>, last: Option<State>) -> io::Result<()> {
        K::finish(*self, last)
    }
}

/// The steps of replacing a file, which the disk may fail at.
pub trait Disk: Send + 'static {
    /// Writes a new file beside the old one, and waits until it is on the disk.
    fn write_new(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Puts the new file in the place of the old one, and waits until that is on the disk.
    fn replace(&mut self) -> io::Result<()>;
}

/// The file, and the thread that writes it.
#[derive(Debug)]
pub struct StateFile {
    states: SyncSender<State>,
    outcomes: Receiver<io::Result<()>>,
    /// States that were taken and whose outcome was not asked for.
    taken: usize,
}

/// A file that was read and can be written, without the thread that writes it: what a thread may do is settled when it
/// starts.
#[derive(Debug)]
pub struct Opened(Folder);

impl Opened {
    /// Starts the thread. Signals that the server takes from a descriptor must be blocked already, and the sandbox must be
    /// entered: the thread blocks the signals that its creator blocks, and may do what that may do.
    pub fn start(self) -> io::Result<StateFile> {
        StateFile::start(self.0)
    }
}

/// Why a file cannot be used.
#[derive(Debug)]
pub enum FileError {
    Damaged(StateError),
    Large,
    /// It is a folder or a device.
    NoFile,
    Unreadable(io::Error),
    Unwritable(io::Error),
}

impl StateFile {
    /// Reads the state that an earlier server kept, which is empty where there is no file, and writes it back, to see
    /// at once whether it can be written. A file that cannot be read or understood stays as it is. What it returns starts
    /// the thread.
    pub fn open(path: &Path) -> Result<(Opened, State), FileError> {
        // A link stays one, and what it leads to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let state = read(&path)?;
        let mut disk = Folder::of(path);
        write(&mut disk, &state).map_err(FileError::Unwritable)?;
        Ok((Opened(disk), state))
    }

    /// Starts the thread.
    pub fn start(mut disk: impl Disk) -> io::Result<Self> {
        let (states, to_write) = sync_channel::<State>(STATE_WRITES_MAX);
        // No more outcomes can wait than states were taken, so the thread never waits for somebody to ask.
        let (written, outcomes) = sync_channel(STATE_WRITES_MAX + 1);
        thread::Builder::new().name("uproar-state".to_owned()).spawn(move || {
            for state in to_write {
                if written.send(write(&mut disk, &state)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { states, outcomes, taken: 0 })
    }

    fn finish_within(mut self, mut last: Option<State>, wait: Duration) -> io::Result<()> {
        let mut result = Ok(());
        loop {
            if self.has_room()
                && let Some(last) = last.take()
            {
                self.offer(last);
            }
            if self.taken == 0 {
                return result;
            }
            result = match self.outcomes.recv_timeout(wait) {
                Ok(outcome) => outcome,
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("its thread has ended")),
            };
            self.taken -= 1;
        }
    }
}

impl Keeper for StateFile {
    fn has_room(&self) -> bool {
        self.taken < STATE_WRITES_MAX
    }

    fn offer(&mut self, state: State) -> bool {
        let is_taken = self.has_room() && self.states.try_send(state).is_ok();
        self.taken += usize::from(is_taken);
        is_taken
    }

    fn outcome(&mut self) -> Option<io::Result<()>> {
        let outcome = self.outcomes.try_recv().ok()?;
        self.taken -= 1;
        Some(outcome)
    }

    /// A disk that takes nothing is waited for no longer than [`STATE_FINISH_MAX`].
    fn finish(self: Box<Self>, last: Option<State>) -> io::Result<()> {
        self.finish_within(last, STATE_FINISH_MAX)
    }
}

fn write(disk: &mut impl Disk, state: &State) -> io::Result<()> {
    disk.write_new(&state.encode())?;
    disk.replace()
}

/// Reads a file that may be missing.
fn read(path: &Path) -> Result<State, FileError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
        Err(error) => return Err(FileError::Unreadable(error)),
        // Looked at before it is opened: opening a pipe would wait.
        Ok(metadata) if !metadata.is_file() => return Err(FileError::NoFile),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(FileError::Unreadable)?;
    file.take(STATE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(FileError::Unreadable)?;
    if bytes.len() > STATE_BYTES_MAX {
        return Err(FileError::Large);
    }
    State::decode(&bytes).map_err(FileError::Damaged)
}

/// A file in its folder.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    new: PathBuf,
    folder: PathBuf,
}

impl Folder {
    fn of(path: PathBuf) -> Self {
        let mut new = path.clone().into_os_string();
        new.push(".new");
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { folder: folder.to_owned(), new: new.into(), path }
    }
}

impl Disk for Folder {
    fn write_new(&mut self, bytes: &[u8]) -> io::Result<()> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.new.display()));
        // What an earlier server left is made anew, not written into: it might be a link, or another's.
        match fs::remove_file(&self.new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(error)),
            _ => {}
        }
        // It has addresses of people, and so is for this user alone.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.new).map_err(named)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(named)
    }

    fn replace(&mut self) -> io::Result<()> {
        fs::rename(&self.new, &self.path)?;
        File::open(&self.folder)?.sync_all()
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(error) => write!(f, "{error}; the file is left as it is"),
            Self::Large => write!(f, "the file has more than {STATE_BYTES_MAX} bytes, so it is no state"),
            Self::NoFile => write!(f, "this is no regular file"),
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::Unwritable(error) => write!(f, "cannot be written: {error}"),
        }
    }
}

impl error::Error for FileError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Damaged(error) => Some(error),
            Self::Unreadable(error) | Self::Unwritable(error) => Some(error),
            Self::Large | Self::NoFile => None,
        }
    }
}

#[cfg(test)]
mod tests;
