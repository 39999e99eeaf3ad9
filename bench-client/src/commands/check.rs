//! The `check` command: compares two folders of rooms.

use std::path::PathBuf;

use clap::Args;

use crate::error::{Error, Result, exit};
use crate::report::changes;
use crate::results::folder;

#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Folder of the sweep to compare with
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,

    /// Folder of the sweep in question
    #[arg(value_name = "AFTER")]
    pub after: PathBuf,

    /// A figure that is this much worse, and worse than every run before, fails
    #[arg(long, default_value_t = 1.1, value_name = "RATIO")]
    pub worse: f64,
}

/// Compares the two; returns the exit code.
pub fn command(arguments: &CheckArgs) -> Result<u8> {
    let (before, after) = (folder::load(&arguments.before)?, folder::load(&arguments.after)?);
    let changes = changes::compare(&before, &after, arguments.worse);
    if changes.compared == 0 {
        return Err(Error::new("the two have no room in common that both measured"));
    }
    println!("{}", changes.text);
    println!(
        "\nafter / before, of medians; nothing said: within the spread of the runs, or less than {} apart",
        arguments.worse
    );
    Ok(if changes.worse > 0 { exit::UNEXPECTED } else { exit::GOOD })
}
