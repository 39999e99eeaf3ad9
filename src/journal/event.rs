//! The events of the server's own log: a key for programs, how serious it is, and a sentence on it.
//!
//! Keys and levels are a contract with scripts and with the people whom they alarm.

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
        Sandbox {
            key: "sandbox",
            level: Level::Info,
            help: "What the server and all that it may start are restricted to from now on."
        },
        SandboxPartial {
            key: "sandbox_partial",
            level: Level::Warning,
            help: "The kernel or a container does not have all of the sandbox, or --no-sandbox turned it off; with what is missing."
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
        StoppedAtOnce {
            key: "stopped_at_once",
            level: Level::Warning,
            help: "The server was told twice to stop, and has cut members off; with all statistics."
        },
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
        WrongKey {
            key: "wrong_key",
            level: Level::Notice,
            help: "A member has typed a wrong key of operators; at most some are logged a second, and all are counted."
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
            help: "Lines of the log are missing here, because it was not taken fast enough."
        },
    }
}

/// The name of a field in a JSON object, and what it says.
#[derive(Clone, Copy, Debug)]
pub struct LogFieldRow {
    pub key: &'static str,
    pub help: &'static str,
}

table! {
    /// What of an event is data. The keys are no other keys of an object.
    LogField: LogFieldRow {
        Door { key: "door", help: "The name of a door: `text`, `web`, `irc` or `admin`." },
        Address {
            key: "address",
            help: "An address: with a port where the server listens, without one where a peer comes from."
        },
        BackEnd { key: "back_end", help: "How the server waits for the kernel: `uring`, `epoll` or `select`." },
        MembersMax { key: "members_max", help: "How many members there may be at a time." },
        Bytes { key: "bytes", help: "A size in bytes." },
        Statistics { key: "statistics", help: "An object with every key of the statistics line, and numbers." },
        Name { key: "name", help: "What a member is called, as members read it." },
        Id {
            key: "id",
            help: "The number under which members know a connection; no other connection ever has it."
        },
        Reason {
            key: "reason",
            help: "Why a connection was closed: the key of a statistic without `closed_`."
        },
        By { key: "by", help: "The operator's name." },
        Action {
            key: "action",
            help: "What an operator did: `operator`, `kick`, `ban`, `unban`, `mute`, `unmute`, `topic`, `modes`, `announcement`."
        },
        Held { key: "held", help: "What is held: a name, an address or a network, or one connection." },
        Until { key: "until", help: "When that ends (RFC 3339); it is missing without end." },
        Room { key: "room", help: "The name of a room." },
        What {
            key: "what",
            help: "What was read or opened anew: `log`, `transcript`, `motd`, `operator_key` or `nothing`."
        },
        Error { key: "error", help: "What went wrong, in words." },
        First { key: "first", help: "The first message that a stream has." },
        Last { key: "last", help: "The last message that a stream has." },
        Before { key: "before", help: "What a member was called before." },
        Lines { key: "lines", help: "A number of lines." },
    }
}

impl LogEvent {
    /// The fields that an event may have.
    pub const fn fields(self) -> &'static [LogField] {
        use LogField as Field;
        match self {
            Self::Listening => &[Field::Door, Field::Address, Field::BackEnd, Field::MembersMax],
            Self::MemoryBound => &[Field::Bytes],
            Self::FewerMembers => &[Field::MembersMax],
            Self::Statistics | Self::Stopped | Self::StoppedAtOnce => &[Field::Statistics],
            Self::Closed => &[Field::Name, Field::Id, Field::Address, Field::Reason],
            Self::WrongKey => &[Field::Name, Field::Id, Field::Address],
            Self::Moderation => {
                &[Field::By, Field::Action, Field::Name, Field::Id, Field::Held, Field::Until, Field::Room]
            }
            Self::Reloaded => &[Field::What, Field::Bytes],
            Self::NotReloaded => &[Field::What, Field::Error],
            Self::NoUring
            | Self::KernelFailed
            | Self::AcceptingPaused
            | Self::StateNotKept
            | Self::NoTranscript
            | Self::ServiceGone
            | Self::TranscriptPaused
            | Self::TranscriptEnded
            | Self::ClusterDown
            | Self::ClusterUnfit => &[Field::Error],
            Self::PassedSocket => &[Field::Door, Field::Address],
            Self::ClusterUp => &[Field::First, Field::Last],
            Self::NameLost => &[Field::Name, Field::Id, Field::Before],
            Self::Dropped => &[Field::Lines],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_a_key_of_its_own_a_sentence_and_an_event() {
        let mut keys: Vec<&str> = LogField::ALL.iter().map(|field| field.row().key).collect();
        keys.extend(["time", "level", "event"]);
        keys.push("text");
        keys.sort_unstable();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "{keys:?}");
        for field in LogField::ALL {
            let LogFieldRow { key, help } = field.row();
            assert!(key.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()), "{key}");
            assert!(help.ends_with('.') && help.starts_with(|first: char| first.is_uppercase()), "{key}: {help:?}");
            assert!(LogEvent::ALL.iter().any(|event| event.fields().contains(field)), "{key}");
        }
    }

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
