//! What an operator says of the cluster's engine: where it is, what the stream is called, and what it is made with. All
//! builds know these options, also those that cannot use them.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;

use crate::limits::{
    CLUSTER_HISTORY_BYTES_MIN, CLUSTER_HISTORY_DEFAULT, CLUSTER_HISTORY_TIME_MIN, CLUSTER_NAME_BYTES_MAX,
    OPTION_TIME_MAX,
};

/// NATS's port, where a URL names none.
const PORT_DEFAULT: u16 = 4222;

/// How to reach the engine, and what is made there where it is not.
#[derive(Clone, Debug)]
pub struct Engine {
    pub servers: Vec<Url>,
    pub name: ClusterName,
    /// File with a NATS user's token and key.
    pub credentials: Option<PathBuf>,
    /// File with the certificates that may have signed the server's.
    pub authority: Option<PathBuf>,
    pub replicas: usize,
    pub history: History,
}

/// What was seen of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Right(String),
    /// It works, and not well.
    Doubtful(String),
    /// No node can be.
    Wrong(String),
}

/// The name of a cluster, a part of the names that it has in NATS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterName(String);

impl ClusterName {
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=CLUSTER_NAME_BYTES_MAX).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(format!("it is 1 to {CLUSTER_NAME_BYTES_MAX} letters, digits, - and _"));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the stream, and of the store.
    pub fn stream(&self) -> String {
        format!("uproar-{}", self.0)
    }

    /// The stream in which NATS keeps the store.
    pub fn store(&self) -> String {
        format!("KV_uproar-{}", self.0)
    }

    /// What the subject of each room begins with.
    pub fn room_prefix(&self) -> String {
        format!("uproar.{}.room.", self.0)
    }

    /// The subject of what nodes tell each other.
    pub fn words(&self) -> String {
        format!("uproar.{}.nodes", self.0)
    }

    /// What the subject of each entry of the store begins with.
    pub fn key_prefix(&self) -> String {
        format!("$KV.uproar-{}.", self.0)
    }
}

/// Where a NATS server is. What it has of a user and a password is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// Takes `nats://` and `tls://`, which asks for TLS.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("nats://").or_else(|| text.strip_prefix("tls://"));
        let Some(rest) = rest else { return Err("it is nats://HOST:PORT, or tls://HOST:PORT".to_owned()) };
        let (user, address) = rest.rsplit_once('@').unwrap_or(("", rest));
        if user.contains(['%', '/', '?', '#', ' ']) {
            return Err("a user and a password with such characters stand in a credentials file".to_owned());
        }
        let is_plain = !address.is_empty()
            && address.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-_[]%".contains(&byte));
        if !is_plain {
            return Err("behind nats:// or tls:// stands HOST:PORT and nothing else".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// All of it, for the client.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// The port that the client connects to.
    pub fn port(&self) -> u16 {
        let (_, port) = self.host_and_port();
        port.and_then(|port| port.parse().ok()).unwrap_or(PORT_DEFAULT)
    }

    /// True when the host is a name, whose address is to be looked up.
    pub fn is_by_name(&self) -> bool {
        self.host_and_port().0.parse::<IpAddr>().is_err()
    }

    fn host_and_port(&self) -> (&str, Option<&str>) {
        let (_, rest) = self.0.split_once("://").expect("it was parsed");
        let address = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
        match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => address.rsplit_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").expect("it was parsed");
        write!(f, "{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, address)| address))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// What the stream keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    Bytes(u64),
    Time(Duration),
}

impl Default for History {
    fn default() -> Self {
        Self::Bytes(CLUSTER_HISTORY_DEFAULT)
    }
}

impl History {
    /// Takes a size such as `1GiB`, or a time such as `7d`. `m` stands for minutes, `M` for megabytes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let time = text.parse::<humantime::Duration>().ok().filter(|_| !text.ends_with('M'));
        match (time, text.parse::<ByteSize>()) {
            (Some(time), _) if *time < CLUSTER_HISTORY_TIME_MIN || *time > OPTION_TIME_MAX => Err(format!(
                "as a time it is {} to {}",
                humantime::format_duration(CLUSTER_HISTORY_TIME_MIN),
                humantime::format_duration(OPTION_TIME_MAX)
            )),
            (Some(time), _) => Ok(Self::Time(*time)),
            (None, Ok(size)) if size.as_u64() < CLUSTER_HISTORY_BYTES_MIN || i64::try_from(size.as_u64()).is_err() => {
                Err(format!("as a size it is at least {}", ByteSize(CLUSTER_HISTORY_BYTES_MIN)))
            }
            (None, Ok(size)) => Ok(Self::Bytes(size.as_u64())),
            (None, Err(_)) => Err(format!("{text:?} is neither a size such as 1GiB nor a time such as 7d")),
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{}", ByteSize(*bytes)),
            Self::Time(time) => write!(f, "{}", humantime::format_duration(*time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_a_size_or_a_time() {
        for (text, expected) in [
            ("1GiB", Some(History::Bytes(1 << 30))),
            ("1MiB", Some(History::Bytes(1 << 20))),
            ("1h", Some(History::Time(Duration::from_secs(3600)))),
            ("7d", Some(History::Time(Duration::from_secs(7 * 86_400)))),
            ("10m", Some(History::Time(Duration::from_secs(600)))),
            ("10M", Some(History::Bytes(10_000_000))),
            ("2000000", Some(History::Bytes(2_000_000))),
            ("9m", None),
            ("1023KiB", None),
            ("9000PiB", None),
            ("1000y", None),
            ("much", None),
            ("", None),
        ] {
            assert_eq!(History::parse(text).ok(), expected, "{text}");
        }
        assert_eq!(History::default().to_string(), "256.0 MiB");
        assert_eq!(History::Time(Duration::from_secs(86_400)).to_string(), "1day");
    }

    #[test]
    fn a_name_is_a_part_of_names_in_nats() {
        let name = ClusterName::parse("a-B_3").unwrap();
        let names = [name.stream(), name.store(), name.room_prefix(), name.words(), name.key_prefix()];
        let expected = ["uproar-a-B_3", "KV_uproar-a-B_3", "uproar.a-B_3.room.", "uproar.a-B_3.nodes"];
        assert_eq!(names[..4], expected);
        assert_eq!(names[4], "$KV.uproar-a-B_3.");
        for wrong in ["", "a.b", "a b", "a*", "ä", "../x", &"a".repeat(33)] {
            assert!(ClusterName::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_url_does_not_show_its_password() {
        let url = Url::parse("nats://bob:secret@nats.example:4222").unwrap();
        assert_eq!(
            (url.to_string(), url.secret()),
            ("nats://nats.example:4222".into(), "nats://bob:secret@nats.example:4222")
        );
        assert!(!format!("{url:?}").contains("secret"));
        assert_eq!(Url::parse("tls://[::1]:4222").unwrap().to_string(), "tls://[::1]:4222");
        for wrong in [
            "",
            "nats",
            "localhost:4222",
            "http://x:1",
            "nats://",
            "nats://a/b",
            "nats://a b",
            "nats://u@",
            "nats://a%20:b@x",
            "ws://x",
        ] {
            assert!(Url::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
