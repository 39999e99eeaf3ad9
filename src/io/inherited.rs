//! What a service manager, such as systemd, hands to a process that it starts: listening sockets, each with a name
//! (sd_listen_fds(3)), the name of a socket of its own (sd_notify(3)), and how long it waits for a sign that the process
//! is not stuck (sd_watchdog_enabled(3)).
//!
//! All of it is in environment variables, which `sd-notify` reads. They are removed, so that no program that this one
//! starts takes itself for the one that was meant.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

/// What was handed to this process.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Sockets with their names, in the order in which they were passed.
    pub sockets: Vec<(String, OwnedFd)>,
    /// The name of the manager's own socket.
    pub manager: Option<OsString>,
    /// How long the manager waits for a sign; `None` when it does not watch this process.
    pub patience: Option<Duration>,
}

impl Inherited {
    /// Takes what was handed over, and removes the variables that name it. To be called before this process starts a
    /// thread or opens a descriptor. An error when the variables contradict each other, or what is there.
    pub fn take() -> io::Result<Self> {
        // Sockets for another process have names here too, which contradict nothing.
        let has_none = sd_notify::listen_fds().is_ok_and(|descriptors| descriptors.len() == 0);
        // SAFETY: no other thread is there that could read the environment meanwhile: this is called before any is
        // started.
        let (sockets, patience) =
            unsafe { (sd_notify::listen_fds_with_names_and_unset_env(), sd_notify::watchdog_enabled_and_unset_env()) };
        let manager = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        // SAFETY: as above.
        unsafe { env::remove_var("NOTIFY_SOCKET") };
        // SAFETY: each descriptor is open, because it was just set to be closed on exec. It was open when this process
        // began, which owns none of those yet, and the variables that name it are gone: nobody takes it a second time.
        let own = |(descriptor, name)| (name, unsafe { OwnedFd::from_raw_fd(descriptor) });
        let sockets = if has_none { Vec::new() } else { sockets?.map(own).collect() };
        Ok(Self { sockets, manager, patience })
    }
}
