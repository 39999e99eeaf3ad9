//! What is written from the command lines' own definitions and kept in the repository: manual pages, and completions for
//! shells.
//!
//! What a page says beyond its options is written in `pages/`, as Markdown. The files carry the version and no date, so
//! that they change only when what they are made of does.

mod completions;
mod lists;
mod markdown;
mod options;
mod pages;
mod troff;

use std::path::{Path, PathBuf};

/// A file of the repository that is written by this package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// From the root of the repository.
    pub path: PathBuf,
    pub text: String,
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package stands in a folder of the repository")
}

/// All of them.
pub fn files() -> Vec<Written> {
    pages::all().into_iter().chain(completions::all()).collect()
}
