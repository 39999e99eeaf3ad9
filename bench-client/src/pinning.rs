//! Which processors the server and this tool keep to.

use std::fs;

use crate::error::{Context, Error, Result};
use crate::sys;

/// Which processors the two sides of a run keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// None: the server may use all.
    pub server: Option<usize>,
    pub client: usize,
}

/// Pins all threads of process `pid` to one processor, or lets them use all.
pub fn pin_process(pid: u32, processor: Option<usize>) -> Result<()> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).context(|| format!("no process {pid}"))?;
    for task in tasks.flatten() {
        let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        sys::pin(thread, processor).context(|| format!("cannot pin process {pid}"))?;
    }
    Ok(())
}

/// Pins the calling thread to one processor, or lets it use all.
pub fn pin_this_thread(processor: Option<usize>) -> Result<()> {
    sys::pin(0, processor).map_err(|error| {
        let which = processor.map_or("all processors".to_string(), |processor| format!("processor {processor}"));
        Error::new(format!("cannot pin to {which}: {error}; --pin takes processors of /proc/cpuinfo"))
    })
}
