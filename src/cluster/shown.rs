//! Names and numbers as they stand in JSON between nodes: as they are shown to people, and read back exactly.
//!
//! What another node sends is not believed to be right: what cannot be read is an error of the whole word or record.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::IpAddr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::cluster::link::NodeId;
use crate::limits::{PREFIX_BYTES_MAX, sanitised_bytes_max};
use crate::moderation::Network;
use crate::names::{MemberName, Name, RoomName};
use crate::sessions::Key;
use crate::token::PublicId;
use crate::wire::sanitise;

/// What is written as it is shown.
pub trait Shown: Display + Sized {
    /// `None` for what is not shown like this.
    fn read(text: &str) -> Option<Self>;
}

impl Shown for Name {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Shown for MemberName {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Shown for RoomName {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Shown for Network {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Shown for IpAddr {
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Shown for Key {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Shown for NodeId {
    fn read(text: &str) -> Option<Self> {
        hexadecimal(text).filter(|_| text.len() == 16).map(Self)
    }
}

impl Shown for PublicId {
    fn read(text: &str) -> Option<Self> {
        hexadecimal(text).map(Self)
    }
}

/// Digits alone: a number in Rust's syntax may have a sign too.
fn hexadecimal(text: &str) -> Option<u64> {
    let digits = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

pub fn serialize<T: Shown, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub fn deserialize<'de, T: Shown, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    T::read(&text).ok_or_else(|| D::Error::custom("it is not shown like this"))
}

/// The same for what may be missing.
pub mod option {
    use super::{Cow, Deserialize, Deserializer, Error, Serializer, Shown};

    pub fn serialize<T: Shown, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, T: Shown, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        let Some(text) = Option::<Cow<str>>::deserialize(deserializer)? else { return Ok(None) };
        T::read(&text).map(Some).ok_or_else(|| D::Error::custom("it is not shown like this"))
    }
}

/// A text that members are shown: in one line, as sanitising leaves it, and no longer than one may be.
pub mod text {
    use super::{Cow, Deserialize, Deserializer, Error, is_plain, sanitised_bytes_max};
    use crate::limits::LINE_BYTES_MAX;

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let right = is_plain(&text, sanitised_bytes_max(LINE_BYTES_MAX));
        right.then(|| text.into()).ok_or_else(|| D::Error::custom("it is not plain text"))
    }
}

/// The same for the name of whoever has set something, as it is shown.
pub mod author {
    use super::{Cow, Deserialize, Deserializer, Error, PREFIX_BYTES_MAX, is_plain};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        is_plain(&text, PREFIX_BYTES_MAX).then(|| text.into()).ok_or_else(|| D::Error::custom("it is no name"))
    }
}

/// Whether sanitising leaves a text as it is, which then has at most `bytes_max`.
pub fn is_plain(text: &str, bytes_max: usize) -> bool {
    let mut seen = Vec::new();
    text.len() <= bytes_max && {
        sanitise(text.as_bytes(), &mut seen).expect("writing to a Vec does not fail");
        seen == text.as_bytes()
    }
}
