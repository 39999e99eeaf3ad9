//! Whether the server can be restricted to what serving takes, and how much that is.

use std::path::Path;

use super::{Finding, Level};
use crate::cli::Serve;
use crate::sandbox::{self, paths};

pub fn finding(serve: &Serve) -> Finding {
    if serve.no_sandbox {
        return Finding::new(Level::Warn, "sandbox: none, as --no-sandbox asks for");
    }
    let there_is = sandbox::look();
    let shared = paths::shared(&serve.permissions());
    let level = if there_is.is_whole() && shared.is_empty() { Level::Ok } else { Level::Warn };
    let folders: Vec<String> = shared.iter().map(|folder| of(folder)).collect();
    Finding::new(level, format!("{there_is}{}", folders.concat()))
}

/// What a folder gives the server that is not its own.
fn of(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "; the server may write to all of {folder}, because a file there is to be made anew: give it a folder of its own"
    )
}
