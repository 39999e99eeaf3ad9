//! A folder for what a run needs in files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::sys;

/// A new empty folder, which is removed with all that is in it.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes it among the machine's temporary files.
    pub fn new() -> Result<Self> {
        let name = format!("bench-client-{}-{}", std::process::id(), sys::monotonic_ns());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}
