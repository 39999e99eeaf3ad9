//! The operator's files in memory, for tests and the simulation: they are read when that is told, as a disk may take any
//! time.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use crate::moderation::operator_files::{Files, Found};
use crate::moderation::operator_key::OperatorKey;
use crate::motd::Motd;

/// The files, for the one who writes them and the server that has them read.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    contents: Contents,
    is_asked: bool,
    found: Option<Found>,
}

/// What the files have. A text that is `None` cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub motd: Option<String>,
    pub key: Option<String>,
}

impl MemoryFiles {
    pub fn write(&self, contents: Contents) {
        self.0.borrow_mut().contents = contents;
    }

    /// Reads the files, if that was asked for and not done yet, and returns what they had.
    pub fn work(&self) -> Option<Contents> {
        let mut state = self.0.borrow_mut();
        if !state.is_asked || state.found.is_some() {
            return None;
        }
        let contents = state.contents.clone();
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let motd = contents.motd.as_ref().map(|text| Motd::of(text.as_bytes())).ok_or_else(|| missing().into());
        let key = contents.key.as_ref().ok_or_else(|| missing().into());
        let key = key.and_then(|key| Ok((OperatorKey::of(key.as_bytes(), usize::MAX)?, None)));
        state.found = Some(Found { motd: Some(motd), key: Some(key) });
        Some(contents)
    }
}

impl Files for MemoryFiles {
    fn ask(&mut self) -> bool {
        let mut state = self.0.borrow_mut();
        !std::mem::replace(&mut state.is_asked, true)
    }

    fn found(&mut self) -> Option<Found> {
        let mut state = self.0.borrow_mut();
        let found = state.found.take()?;
        state.is_asked = false;
        Some(found)
    }
}
