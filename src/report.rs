//! The server's own log: one event a line on the standard error.

use std::fmt;
use std::io::Write;

/// Writes one event. A standard error that is closed is no reason to stop serving.
pub fn report(event: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "uproar: {event}");
}
