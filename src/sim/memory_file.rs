//! The outlets of a simulated server's journal and transcript: files in memory that take all bytes, some, or none.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::io::sim::draw::Draw;
use crate::outlet::{Outlet, Place, Unwritten};

/// The stamp of every line: the time of day does not change.
pub const STAMP: &str = "2001-09-09T01:46:40.000Z ";

/// How one write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// At most this many bytes are taken.
    Bytes(usize),
    Full,
    Disk,
    /// Nothing is taken any more.
    Broken,
    HungUp,
}

impl Take {
    pub const EVERYTHING: Self = Self::Bytes(usize::MAX);
}

/// A file, pipe or terminal, and the files that have replaced it.
#[derive(Clone, Debug, Default)]
pub struct MemoryFile {
    state: Rc<RefCell<State>>,
    /// The one of the files that is written to.
    file: usize,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Vec<u8>>,
    /// How the next writes go, in turn; everything is taken when it is empty.
    takes: Vec<Take>,
    writes: usize,
    place: Place,
    /// True where there is no path to open anew.
    is_pipe: bool,
    /// How often it was to be opened anew; every third time fails.
    reopened: usize,
    broken: bool,
}

impl MemoryFile {
    pub fn new(stamped: bool) -> Self {
        Self::at(if stamped { Place::File } else { Place::Other })
    }

    pub fn at(place: Place) -> Self {
        let file = Self::default();
        file.state.borrow_mut().place = place;
        file
    }

    pub fn set_place(&self, place: Place) {
        self.state.borrow_mut().place = place;
    }

    /// It has no path to be opened anew by.
    pub fn set_is_pipe(&self) {
        self.state.borrow_mut().is_pipe = true;
    }

    pub fn set_takes(&self, takes: Vec<Take>) {
        self.state.borrow_mut().takes = takes;
    }

    /// True once nothing is taken any more.
    pub fn is_broken(&self) -> bool {
        self.state.borrow().broken
    }

    pub fn is_stamped(&self) -> bool {
        self.place() == Place::File
    }

    /// The bytes of all files, without the part of a line that one file ends with when the next file has that line
    /// whole.
    pub fn written(&self) -> Vec<u8> {
        let state = self.state.borrow();
        let mut written = Vec::new();
        for (index, file) in state.files.iter().enumerate() {
            let last = index + 1 == state.files.len();
            let end = file.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            written.extend_from_slice(if last { file } else { &file[..end] });
        }
        written
    }

    /// How the writes of a run go. In half of the runs all of them succeed.
    pub fn takes(draw: &mut Draw) -> Vec<Take> {
        if draw.chance(128) {
            return Vec::new();
        }
        let takes = [Take::EVERYTHING, Take::Full, Take::Bytes(1), Take::Bytes(9), Take::Bytes(200), Take::Disk];
        let mut drawn: Vec<Take> = (0..draw.between(1, 4)).map(|_| draw.pick(&takes)).collect();
        if draw.chance(40) {
            // It takes everything for a while, then nothing for as long, and so on.
            drawn = vec![Take::EVERYTHING; draw.between(1, 40)];
            let nothing = draw.pick(&[Take::Full, Take::Disk]);
            drawn.extend(vec![nothing; draw.between(1, 40)]);
        }
        if draw.chance(24) {
            drawn.extend(vec![Take::EVERYTHING; draw.between(0, 20)]);
            drawn.push(draw.pick(&[Take::Broken, Take::HungUp]));
        }
        drawn
    }
}

impl Outlet for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Unwritten> {
        assert!(!bytes.is_empty(), "there is something to write");
        let mut state = self.state.borrow_mut();
        assert!(!state.broken, "a broken outlet is not written to");
        state.writes += 1;
        let take =
            if state.takes.is_empty() { Take::EVERYTHING } else { state.takes[state.writes % state.takes.len()] };
        let count = match take {
            Take::Bytes(most) => bytes.len().min(most),
            Take::Full => return Err(Unwritten::Full),
            Take::Disk => return Err(Unwritten::Disk(io::ErrorKind::StorageFull.into())),
            Take::Broken | Take::HungUp => {
                state.broken = true;
                let broken = Unwritten::Broken(io::ErrorKind::BrokenPipe.into());
                return Err(if take == Take::Broken { broken } else { Unwritten::HungUp });
            }
        };
        let files = self.file + 1;
        if state.files.len() < files {
            state.files.resize(files, Vec::new());
        }
        state.files[self.file].extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn place(&self) -> Place {
        self.state.borrow().place
    }

    fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
    }

    fn is_at_its_path(&self) -> bool {
        false
    }

    fn reopen(&self) -> Option<io::Result<Self>> {
        let mut state = self.state.borrow_mut();
        if state.is_pipe {
            return None;
        }
        state.reopened += 1;
        if state.reopened.is_multiple_of(3) {
            return Some(Err(io::ErrorKind::PermissionDenied.into()));
        }
        state.broken = false;
        let files = (self.file + 2).max(state.files.len());
        state.files.resize(files, Vec::new());
        Some(Ok(Self { state: Rc::clone(&self.state), file: self.file + 1 }))
    }
}
