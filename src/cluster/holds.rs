//! Bans and mutes as nodes tell each other of them: in records of the stream, and in the store.
//!
//! A hold of one connection holds at its own node alone; what else it holds it holds everywhere. Times are moments, so a
//! hold ends on all nodes at the same time.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use super::link::NodeId;
use super::shown;
use super::snapshots::Head;
use crate::limits::{PREFIX_BYTES_MAX, UNTIL_MAX_MS};
use crate::moderation::{Hold, Network};
use crate::names::MemberName;

/// What stands before all else in the key of a hold's entry.
pub const KEY: &str = "hold.";

/// What a hold does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Ban,
    Mute,
}

/// Whom a hold holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whom {
    pub what: Kind,
    #[serde(default, with = "shown::option", skip_serializing_if = "Option::is_none")]
    pub name: Option<MemberName>,
    #[serde(default, with = "shown::option", skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The connection that it was set for, and the node that this is at. It is held where no network is, which is the
    /// case at a loopback address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    #[serde(with = "shown")]
    pub node: NodeId,
    pub slot: u32,
    pub serial: u64,
}

/// A hold that is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    #[serde(flatten)]
    pub whom: Whom,
    /// Milliseconds of Unix time; `None` without end.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "moment")]
    pub until: Option<u64>,
    /// For how long it was set, in seconds, as whom it holds is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// What is stored of a hold. Where `by` is missing it was lifted.
#[derive(Debug, Serialize, Deserialize)]
struct Entry<'a> {
    #[serde(flatten)]
    head: Head,
    #[serde(flatten)]
    held: Held,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Cow<'a, str>>,
}

fn moment<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let until = Option::<u64>::deserialize(deserializer)?;
    Ok(until.map(|until| until.min(UNTIL_MAX_MS)))
}

impl Kind {
    pub fn shown(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Mute => "mute",
        }
    }
}

impl Whom {
    /// The key of its entry; `None` for what holds one connection alone, which is not stored.
    pub fn key(&self) -> Option<String> {
        let Self { what, name, network, .. } = self;
        if name.is_none() && network.is_none() {
            return None;
        }
        let name = name.map(|name| name.as_str().to_ascii_lowercase());
        Some(format!("{KEY}{}.{}.{}", what.shown(), name.as_deref().unwrap_or(NONE), network_part(*network)))
    }

    /// Whom the entry of a key is about.
    pub fn of_key(key: &str) -> Option<Self> {
        let (what, rest) = key.strip_prefix(KEY)?.split_once('.')?;
        let what = [Kind::Ban, Kind::Mute].into_iter().find(|kind| kind.shown() == what)?;
        let (name, network) = rest.split_once('.')?;
        let name = if name == NONE { None } else { Some(MemberName::parse(name)?) };
        let network = match network {
            NONE => None,
            network => Some(Network::parse(&network.replace('=', ":").replace('_', "/")).ok()?),
        };
        (name.is_some() || network.is_some()).then_some(Self { what, name, network, at: None })
    }

    /// Whether the entry of a key is of a hold of this name, or of this network: what is lifted with it.
    pub fn is_lifted_with(&self, key: &str) -> bool {
        let Some(rest) = key.strip_prefix(KEY).and_then(|rest| rest.strip_prefix(self.what.shown())?.strip_prefix('.'))
        else {
            return false;
        };
        let Some((name, network)) = rest.split_once('.') else { return false };
        let same_name = self.name.is_some_and(|own| own.as_str().eq_ignore_ascii_case(name));
        same_name || (self.network.is_some() && network == network_part(self.network))
    }
}

/// What stands for a name or a network that there is not: no name is this.
const NONE: &str = "=";

/// A network in the letters that a key may have.
fn network_part(network: Option<Network>) -> String {
    network.map_or_else(|| NONE.to_owned(), |network| network.to_string().replace(':', "=").replace('/', "_"))
}

impl Held {
    /// What it holds at a node; `None` where that is nothing.
    pub fn at(&self, node: NodeId, by: &str) -> Option<Hold> {
        let Whom { name, network, at, .. } = self.whom;
        let connection = at.filter(|at| at.node == node && network.is_none()).map(|at| at.serial);
        let by = by[..by.floor_char_boundary(PREFIX_BYTES_MAX)].into();
        let hold = Hold { name, network, connection, until: self.until, by };
        (connection.is_some() || hold.outlives_restart()).then_some(hold)
    }

    /// The value of its entry.
    pub fn entry(&self, n: u64, by: &str) -> Vec<u8> {
        let held = Self { whom: Whom { at: None, ..self.whom }, until: self.until, seconds: None };
        json(&Entry { head: Head { n, over: self.until }, held, by: Some(by.into()) })
    }
}

/// The value of an entry of what was lifted at a moment.
pub fn lifted_entry(whom: &Whom, n: u64, now_ms: u64) -> Vec<u8> {
    let held = Held { whom: Whom { at: None, ..*whom }, until: None, seconds: None };
    json(&Entry { head: Head { n, over: Some(now_ms) }, held, by: None })
}

/// What an entry says: whom it is about, and who has set it, unless it was lifted.
pub fn read_entry(bytes: &[u8]) -> Option<(Held, Option<Box<str>>)> {
    let entry: Entry<'_> = serde_json::from_slice(bytes).ok()?;
    let by = match entry.by {
        Some(by) if !shown::is_plain(&by, PREFIX_BYTES_MAX) => return None,
        by => by.map(|by| by.into()),
    };
    (entry.held.whom.key().is_some()).then_some((entry.held, by))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers are JSON")
}

/// Whom it holds, as an operator reads it.
impl Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, network, at, .. } = *self;
        let connection = at.filter(|_| network.is_none()).map(|at| at.serial);
        Hold { name, network, connection, until: None, by: "".into() }.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HERE: NodeId = NodeId(1);

    fn whom(what: Kind, name: Option<&str>, network: Option<&str>) -> Whom {
        let network = network.map(|network| Network::parse(network).unwrap());
        Whom { what, name: name.map(|name| MemberName::parse(name).unwrap()), network, at: None }
    }

    #[test]
    fn a_hold_is_told_and_holds_its_connection_at_its_own_node_alone() {
        let hold = Hold::of_member(MemberName::parse("bob"), "127.0.0.1".parse().unwrap(), 7, Some(5000), "alice");
        let at = Some(At { node: HERE, slot: 3, serial: 7 });
        let held =
            Held { whom: Whom { at, ..whom(Kind::Mute, Some("bob"), None) }, until: Some(5000), seconds: Some(5) };
        let told = serde_json::to_string(&held).unwrap();
        let at = r#"{"node":"0000000000000001","slot":3,"serial":7}"#;
        assert_eq!(told, format!(r#"{{"what":"mute","name":"bob","at":{at},"until":5000,"seconds":5}}"#));
        let read: Held = serde_json::from_str(&told).unwrap();
        assert_eq!((read.at(HERE, "alice"), &read), (Some(hold.clone()), &held));
        assert_eq!(read.at(NodeId(2), "alice"), Some(Hold { connection: None, ..hold.clone() }));
        let nameless = Held { whom: Whom { name: None, ..held.whom }, ..held };
        assert_eq!((nameless.at(NodeId(2), "alice"), nameless.whom.key()), (None, None));
    }

    #[test]
    fn each_hold_has_a_key_of_letters_that_a_key_may_have() {
        for (name, network, key) in [
            (Some("Bob"), None, "hold.ban.bob.="),
            (None, Some("192.0.2.0/24"), "hold.ban.=.192.0.2.0_24"),
            (Some("b_-b"), Some("2001:db8::/64"), "hold.ban.b_-b.2001=db8==_64"),
        ] {
            let whom = whom(Kind::Ban, name, network);
            assert_eq!((whom.key().as_deref(), Whom::of_key(key)), (Some(key), Some(whom)));
            assert!(whom.is_lifted_with(key) && !Whom { what: Kind::Mute, ..whom }.is_lifted_with(key));
        }
        let bob = whom(Kind::Mute, Some("bob"), None);
        assert!(bob.is_lifted_with("hold.mute.bob.192.0.2.7") && !bob.is_lifted_with("hold.mute.bobby.="));
        let network = whom(Kind::Mute, None, Some("192.0.2.7"));
        assert!(network.is_lifted_with("hold.mute.bob.192.0.2.7") && !network.is_lifted_with("hold.mute.=.92.0.2.7"));
        assert!(!network.is_lifted_with("hold.mute.=.=") && !network.is_lifted_with("hold."));
    }

    #[test]
    fn an_entry_is_read_back_and_says_what_was_lifted() {
        let whom = whom(Kind::Ban, Some("bob"), Some("192.0.2.7"));
        let held = Held { whom, until: Some(5000), seconds: None };
        let entry = held.entry(77, "alice");
        assert_eq!(read_entry(&entry), Some((held.clone(), Some("alice".into()))));
        let head: Head = serde_json::from_slice(&entry).unwrap();
        assert_eq!((head.n, head.over), (77, Some(5000)));
        let lifted = lifted_entry(&held.whom, 78, 6000);
        assert_eq!(read_entry(&lifted), Some((Held { until: None, ..held }, None)));
        for wrong in [
            &b"{}"[..],
            b"",
            br#"{"n":1,"what":"ban","by":"a"}"#,
            br#"{"n":1,"what":"ban","name":"bob","by":"\u001b"}"#,
        ] {
            assert_eq!(read_entry(wrong), None);
        }
    }

    proptest! {
        #[test]
        fn no_entry_is_a_panic(bytes: Vec<u8>, key in "(hold\\.)?[a-z.=]{0,30}") {
            let _ = (read_entry(&bytes), whom(Kind::Ban, Some("bob"), None).is_lifted_with(&key));
        }
    }
}
