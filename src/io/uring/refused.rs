//! Why io_uring, or its direct descriptors, cannot be used here, and what would change that.

use std::fmt;

use rustix::io::Errno;

/// The oldest Linux on which one ring with ordinary descriptors does what the server relies on.
pub(super) const LINUX_FOR_RING: &str = "6.1";
/// The same for direct descriptors: before it a removed file stays open beside a request in flight.
pub(super) const LINUX_FOR_TABLES: &str = "6.13";

#[derive(Debug)]
pub struct Refused {
    what: String,
    errno: Option<Errno>,
    /// The oldest Linux that is known to do it.
    linux: &'static str,
}

impl Refused {
    pub(super) fn call(what: &str, error: &std::io::Error, linux: &'static str) -> Self {
        Self { what: what.to_owned(), errno: error.raw_os_error().map(Errno::from_raw_os_error), linux }
    }

    pub(super) fn behaviour(what: impl Into<String>, linux: &'static str) -> Self {
        Self { what: what.into(), errno: None, linux }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, errno, linux } = self;
        let Some(errno) = *errno else {
            return write!(f, "{what}; this kernel's io_uring cannot be trusted, Linux {linux} or later is needed");
        };
        write!(f, "{what}: {}; ", std::io::Error::from(errno))?;
        let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
        f.write_str(match (errno, disabled.trim()) {
            (Errno::PERM | Errno::ACCESS, "1" | "2") => "allow it with: sysctl -w kernel.io_uring_disabled=0",
            (Errno::PERM | Errno::ACCESS, _) => {
                "a seccomp filter forbids it (containers do): allow io_uring_setup, io_uring_enter, io_uring_register"
            }
            (Errno::NOSYS, _) => {
                return write!(
                    f,
                    "this kernel was built without io_uring, or a seccomp filter hides it: Linux {linux} or later is \
                     needed"
                );
            }
            (Errno::NOMEM, _) => "raise the limit on locked memory: ulimit -l 16384",
            (Errno::MFILE | Errno::NFILE, _) => "raise the descriptor limit: ulimit -n 20000",
            _ => return write!(f, "Linux {linux} or later is needed"),
        })
    }
}

impl std::error::Error for Refused {}
