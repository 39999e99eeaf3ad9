//! Files written and read whole, with the folders that they need.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Context, Result};

/// Writes `value` as indented JSON with a newline at its end.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).context(|| format!("cannot write {}", path.display()))?;
    text.push('\n');
    write_file(path, text.as_bytes())
}

/// Writes a file and the folders it needs.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).context(|| format!("cannot make {}", directory.display()))?;
    }
    fs::write(path, bytes).context(|| format!("cannot write {}", path.display()))
}

/// Reads a file of JSON.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).context(|| format!("{} is not what it should be", path.display()))
}
