//! The one error of the tool: a line for the user, with the fix in it where there is one.
//!
//! Nothing in the tool reacts to the kind of a failure but the exit code, so a failure is its text and that.

use std::fmt;

/// Exit codes of the program.
pub mod exit {
    pub const GOOD: u8 = 0;
    /// Wrong usage, or a failure of the machine.
    pub const FAILED: u8 = 1;
    /// Deliveries were lost, repeated, reordered, echoed, damaged or foreign.
    pub const UNCLEAN: u8 = 2;
    /// The figures are not to be quoted: plan not kept, client-bound, not all members joined.
    pub const INVALID: u8 = 3;
    /// An expectation did not hold.
    pub const UNEXPECTED: u8 = 4;
}

/// A failure that ends the run; shown as one line.
#[derive(Debug)]
pub struct Error {
    text: String,
    exit: u8,
}

/// What may fail with a line for the user.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure of usage or of the machine that reads as `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: exit::FAILED }
    }

    /// A run whose figures would not be to be quoted.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: exit::INVALID }
    }

    /// The exit code this failure ends the program with.
    pub fn exit(&self) -> u8 {
        self.exit
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

/// Says what was being done when something failed.
pub trait Context<T> {
    /// Puts `what` before the cause: `what: cause`.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error::new(format!("{}: {cause}", what())))
    }
}
