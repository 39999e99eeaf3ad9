//! The stream and the store as uproar makes them, and whether those that are there already will do. Pure.
//!
//! What keeps a promise of the cluster must be as here: which subjects there are, that messages are on the disk and stay
//! there. How much is kept, and by how many servers, is the operator's, and used as found.

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use crate::cluster::engine::{Engine, History};
use crate::limits::{CLUSTER_DUPLICATE_WINDOW, CLUSTER_MESSAGE_BYTES_MAX};

/// The stream, for a cluster that has none.
pub fn stream(engine: &Engine) -> Config {
    let (max_bytes, max_age) = match engine.history {
        History::Bytes(bytes) => (i64::try_from(bytes).expect("it was parsed as one"), Default::default()),
        History::Time(time) => (-1, time),
    };
    Config {
        name: engine.name.stream(),
        description: Some("rooms of uproar, a subject each".to_owned()),
        subjects: vec![format!("{}*", engine.name.room_prefix())],
        max_bytes,
        max_age,
        discard: DiscardPolicy::Old,
        max_message_size: i32::try_from(CLUSTER_MESSAGE_BYTES_MAX).expect("it is small"),
        duplicate_window: CLUSTER_DUPLICATE_WINDOW,
        ..common(engine)
    }
}

/// The store, as NATS's key-value buckets are: the last message of each subject is an entry (ADR-8).
pub fn store(engine: &Engine) -> Config {
    Config {
        name: engine.name.store(),
        description: Some("names, topics and modes of uproar".to_owned()),
        subjects: vec![format!("{}>", engine.name.key_prefix())],
        max_bytes: -1,
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        duplicate_window: CLUSTER_DUPLICATE_WINDOW,
        ..common(engine)
    }
}

fn common(engine: &Engine) -> Config {
    Config {
        max_messages: -1,
        max_consumers: -1,
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: engine.replicas,
        allow_direct: true,
        ..Config::default()
    }
}

/// Why a stream that is there does not do, and how to mend it; `None` when it does.
pub fn misfit(found: &Config, wanted: &Config) -> Option<String> {
    let bytes = i32::try_from(CLUSTER_MESSAGE_BYTES_MAX).expect("it is small");
    let is_small = found.max_message_size > 0 && found.max_message_size < bytes;
    let is_store = wanted.max_messages_per_subject > 0;
    let what = if found.subjects != wanted.subjects {
        format!("has the subjects {:?}, and not {:?}", found.subjects, wanted.subjects)
    } else if found.retention != wanted.retention {
        format!("keeps messages by {:?}, and not until its limits", found.retention)
    } else if found.storage != wanted.storage {
        "keeps its messages in memory, and not in files".to_owned()
    } else if found.discard != wanted.discard && !is_store {
        "refuses new messages when it is full, and does not discard old ones".to_owned()
    } else if found.no_ack {
        "does not acknowledge messages".to_owned()
    } else if found.sealed {
        "is sealed".to_owned()
    } else if found.mirror.is_some() || found.sources.as_ref().is_some_and(|sources| !sources.is_empty()) {
        "copies another stream".to_owned()
    } else if is_small {
        format!("takes messages of at most {} bytes, and needs {bytes}", found.max_message_size)
    } else if is_store && !found.max_age.is_zero() {
        "forgets entries after a time".to_owned()
    } else {
        return None;
    };
    Some(format!(
        "the stream {} {what}; take another --cluster-name, or remove it with all it has: nats stream rm {}",
        found.name, found.name
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::engine::ClusterName;

    fn engine() -> Engine {
        Engine {
            servers: Vec::new(),
            name: ClusterName::parse("test").unwrap(),
            credentials: None,
            authority: None,
            replicas: 1,
            history: History::default(),
        }
    }

    #[test]
    fn what_uproar_makes_fits() {
        for wanted in [stream(&engine()), store(&engine())] {
            assert_eq!(misfit(&wanted, &wanted), None);
        }
        let by_time = stream(&Engine { history: History::Time(Duration::from_secs(600)), ..engine() });
        assert_eq!((by_time.max_bytes, by_time.max_age), (-1, Duration::from_secs(600)));
        assert_eq!(misfit(&by_time, &stream(&engine())), None);
    }

    #[test]
    fn limits_and_replicas_are_used_as_found() {
        let wanted = stream(&engine());
        let found = Config {
            num_replicas: 3,
            max_bytes: -1,
            max_messages: 1000,
            max_age: Duration::from_secs(3600),
            max_message_size: -1,
            duplicate_window: Duration::from_secs(30),
            allow_direct: false,
            ..wanted.clone()
        };
        assert_eq!(misfit(&found, &wanted), None);
    }

    #[test]
    fn what_would_break_a_promise_is_named_with_what_mends_it() {
        let wanted = stream(&engine());
        let all = || wanted.clone();
        for (found, part) in [
            (Config { subjects: vec!["uproar.test.>".to_owned()], ..all() }, "has the subjects [\"uproar.test.>\"]"),
            (Config { retention: RetentionPolicy::WorkQueue, ..all() }, "by WorkQueue"),
            (Config { storage: StorageType::Memory, ..all() }, "in memory"),
            (Config { discard: DiscardPolicy::New, ..all() }, "refuses new messages"),
            (Config { no_ack: true, ..all() }, "does not acknowledge"),
            (Config { sealed: true, ..all() }, "sealed"),
            (Config { mirror: Some(Default::default()), ..all() }, "copies another"),
            (Config { max_message_size: 1000, ..all() }, "at most 1000 bytes"),
        ] {
            let why = misfit(&found, &wanted).unwrap_or_else(|| panic!("{part}"));
            assert!(why.contains(part) && why.contains("nats stream rm uproar-test"), "{why}");
        }
        let forgetting = Config { max_age: Duration::from_secs(1), ..store(&engine()) };
        assert!(misfit(&forgetting, &store(&engine())).is_some_and(|why| why.contains("forgets entries")));
    }
}
