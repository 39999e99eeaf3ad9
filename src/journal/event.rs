//! The events of the server's own log: a key for programs, how serious it is, and a sentence on it.
//!
//! Keys and levels are a contract with scripts and with whoever is woken by them.

use crate::table::table;

/// How serious an event is, by the names and numbers of syslog (syslog(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something that was asked for is not done.
    Error = 3,
    /// The server goes on, and somebody should look.
    Warning = 4,
    /// What operators do, and what the service is told.
    Notice = 5,
    Info = 6,
}

impl Level {
    /// The level's name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
        }
    }

    /// The level's number in syslog.
    pub const fn priority(self) -> u8 {
        self as u8
    }
}

/// The key of an event, its level, and what it means.
#[derive(Clone, Copy, Debug)]
pub struct LogEventRow {
    pub key: &'static str,
    pub level: Level,
    pub help: &'static str,
}

table! {
    /// What a line of the log is about.
    LogEvent: LogEventRow {
        Listening { key: "listening", level: Level::Info, help: "A door accepts, at the address in the text." },
        MemoryBound {
            key: "memory_bound",
            level: Level::Info,
            help: "The most memory that the server can come to use, by part."
        },
        Hint { key: "hint", level: Level::Info, help: "What somebody at this terminal may want to know." },
        NoUring {
            key: "no_uring",
            level: Level::Warning,
            help: "The kernel refuses io_uring, so that the server uses epoll, which costs more."
        },
        FewerMembers {
            key: "fewer_members",
            level: Level::Warning,
            help: "Fewer members can be served than were asked for."
        },
        OperatorKeyWeak {
            key: "operator_key_weak",
            level: Level::Warning,
            help: "Others may read the operator's key, or guess it."
        },
        Statistics {
            key: "statistics",
            level: Level::Info,
            help: "All statistics, each as key=value: on SIGUSR1, and every --stats-interval."
        },
        Stopped { key: "stopped", level: Level::Notice, help: "The server has stopped; with all statistics." },
        KernelFailed {
            key: "kernel_failed",
            level: Level::Error,
            help: "The kernel can no longer be waited for, and the server ends."
        },
        AcceptingPaused {
            key: "accepting_paused",
            level: Level::Warning,
            help: "The kernel gives no more connections; tried again ten times a second."
        },
        BufferSpent {
            key: "buffer_spent",
            level: Level::Warning,
            help: "Unfinished lines and notices take all of --buffer-bytes, so that no member is read for now."
        },
        Closed {
            key: "closed",
            level: Level::Info,
            help: "The server has closed a connection; at most some are logged a second, and all are counted."
        },
        Moderation { key: "moderation", level: Level::Notice, help: "An operator has done something." },
        ServiceGone {
            key: "service_gone",
            level: Level::Warning,
            help: "The service manager that NOTIFY_SOCKET names cannot be told how the server is, so that it may take it for \
                   stuck."
        },
        PassedSocket {
            key: "passed_socket",
            level: Level::Notice,
            help: "A socket that the service manager has passed takes the place of an address that an option names."
        },
        StateNotKept {
            key: "state_not_kept",
            level: Level::Error,
            help: "The file of --state cannot be written; tried again every second."
        },
        StateKept { key: "state_kept", level: Level::Notice, help: "The file of --state is written again." },
        NoTranscript {
            key: "no_transcript",
            level: Level::Warning,
            help: "The transcript on the standard output, which no option asked for, cannot be written."
        },
        TranscriptPaused {
            key: "transcript_paused",
            level: Level::Error,
            help: "The transcript's disk takes nothing; tried again every second."
        },
        TranscriptResumed {
            key: "transcript_resumed",
            level: Level::Notice,
            help: "The transcript is written again, with nothing lost."
        },
        TranscriptEnded {
            key: "transcript_ended",
            level: Level::Error,
            help: "The transcript can never be written again."
        },
        Reloaded { key: "reloaded", level: Level::Notice, help: "SIGHUP: what was read or opened anew." },
        NotReloaded {
            key: "not_reloaded",
            level: Level::Error,
            help: "SIGHUP: what could not be read or opened anew, and stays as it is."
        },
        ClusterUp { key: "cluster_up", level: Level::Notice, help: "The cluster's stream is there." },
        ClusterDown {
            key: "cluster_down",
            level: Level::Error,
            help: "This node is cut off from its cluster; it comes back by itself."
        },
        ClusterUnfit {
            key: "cluster_unfit",
            level: Level::Error,
            help: "The server cannot be a node of this cluster, and ends."
        },
        ClusterForgot {
            key: "cluster_forgot",
            level: Level::Error,
            help: "The stream has forgotten messages that this node was not given; its rooms were told."
        },
        NameLost {
            key: "name_lost",
            level: Level::Notice,
            help: "A member has another name, because another node's member has that one."
        },
        Dropped {
            key: "dropped",
            level: Level::Warning,
            help: "So many lines of the log are missing here, because it was not taken fast enough."
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_has_a_key_of_its_own_and_a_sentence() {
        let mut keys: Vec<&str> = LogEvent::ALL.iter().map(|event| event.row().key).collect();
        keys.sort_unstable();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "{keys:?}");
        for LogEventRow { key, help, .. } in LogEvent::ALL.iter().map(|event| event.row()) {
            assert!(key.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()), "{key}");
            assert!(help.ends_with('.') && help.starts_with(|first: char| first.is_uppercase()), "{key}: {help:?}");
        }
    }
}
