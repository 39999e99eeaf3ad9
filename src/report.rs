//! The server's own log: one event a line on the standard error.

use std::fmt;
use std::io::Write;

#[cfg(any(test, feature = "sim"))]
thread_local! {
    static HUSHED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Nothing that this thread reports is written from now on: simulated servers have nobody to tell.
#[cfg(any(test, feature = "sim"))]
pub fn hush() {
    HUSHED.set(true);
}

/// Writes one event. A standard error that is closed is no reason to stop serving.
pub fn report(event: fmt::Arguments<'_>) {
    #[cfg(any(test, feature = "sim"))]
    if HUSHED.get() {
        return;
    }
    let _ = writeln!(std::io::stderr(), "uproar: {event}");
}
