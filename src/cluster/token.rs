//! Tokens that are good on every node: what a member had when it got one, signed with a key that nodes share.
//!
//! The node that gave a token knows more: it is asked first. What the token says counts when that node has gone. The key
//! of the session is in it, so a token is a secret like those of a server alone; what it says otherwise is not hidden.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

use super::link::NodeId;
use super::signature::{SIGNATURE_BYTES, digest, is_signed, sign};
use crate::limits::{CLOCKS_APART_MAX, CLUSTER_TOKEN_BYTES_MAX, TOKEN_LIFE};
use crate::names::{MemberName, RoomName};
use crate::sessions::Key;
use crate::time::UnixTime;
use crate::token::{PublicId, Serial, Slot};

/// The first byte of a token.
const VERSION: u8 = 1;

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The node that gave it.
    pub node: NodeId,
    pub key: Key,
    /// The connection that it was given to.
    pub slot: Slot,
    pub serial: Serial,
    /// When.
    pub issued: UnixTime,
    /// What the member had then.
    pub name: Option<MemberName>,
    pub room: RoomName,
    pub epoch: PublicId,
}

/// What a used token is recorded by, which says nothing of the token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark([u8; 16]);

impl Mark {
    pub fn of(key: Key) -> Self {
        Self(digest(&key.secret())[..16].try_into().expect("it is longer"))
    }

    /// `None` for what is no mark.
    pub fn parse(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mark({self})")
    }
}

impl Token {
    /// The token as it is given.
    pub fn seal(&self, secret: &[u8; 32]) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.node.0.to_be_bytes());
        bytes.extend(self.key.secret());
        bytes.extend(self.slot.0.to_be_bytes());
        bytes.extend(self.serial.0.to_be_bytes());
        bytes.extend(self.issued.0.to_be_bytes());
        bytes.extend(self.epoch.0.to_be_bytes());
        for text in [self.name.as_ref().map_or("", MemberName::as_str), self.room.as_str()] {
            bytes.push(u8::try_from(text.len()).expect("names are short"));
            bytes.extend(text.as_bytes());
        }
        bytes.extend(sign(secret, &bytes));
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// Reads a token. `None` for what no node of the cluster has signed.
    pub fn open(text: &str, secret: &[u8; 32]) -> Option<Self> {
        if text.len() > CLUSTER_TOKEN_BYTES_MAX {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (said, signature) = bytes.split_last_chunk::<SIGNATURE_BYTES>()?;
        if !is_signed(secret, said, signature) {
            return None;
        }
        let mut rest = said;
        if take::<1>(&mut rest)? != [VERSION] {
            return None;
        }
        let node = NodeId(u64::from_be_bytes(take(&mut rest)?));
        let key = Key::new(take(&mut rest)?);
        let slot = Slot(u32::from_be_bytes(take(&mut rest)?));
        let serial = Serial(u64::from_be_bytes(take(&mut rest)?));
        let issued = UnixTime(u64::from_be_bytes(take(&mut rest)?));
        let epoch = PublicId(u64::from_be_bytes(take(&mut rest)?));
        let name = match take_text(&mut rest)? {
            "" => None,
            name => Some(MemberName::parse(name)?),
        };
        let room = RoomName::parse(take_text(&mut rest)?)?;
        rest.is_empty().then_some(Self { node, key, slot, serial, issued, name, room, epoch })
    }

    /// Until when what it says counts, in milliseconds of Unix time.
    pub fn good_until(&self) -> u64 {
        self.issued.0.saturating_add(milliseconds(TOKEN_LIFE))
    }

    /// Until when it is to be known that it was used: no clock of a node says then that it is good.
    pub fn recorded_until(&self) -> u64 {
        self.good_until().saturating_add(milliseconds(CLOCKS_APART_MAX))
    }
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("it is a bound")
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*first)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let [length] = take(rest)?;
    let (text, behind) = rest.split_at_checked(length.into())?;
    *rest = behind;
    str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: [u8; 32] = [3; 32];

    fn token(name: Option<&str>, room: &str) -> Token {
        Token {
            node: NodeId(0xabc),
            key: Key::new([7; 16]),
            slot: Slot(5),
            serial: Serial(812),
            issued: UnixTime(1_800_000_000_123),
            name: name.map(|name| MemberName::parse(name).unwrap()),
            room: RoomName::parse(room).unwrap(),
            epoch: PublicId(u64::MAX),
        }
    }

    #[test]
    fn a_token_is_opened_by_who_has_the_key() {
        for token in [token(None, "lobby"), token(Some("Bob"), "den"), token(Some(&"a".repeat(24)), &"b".repeat(32))] {
            let sealed = token.seal(&SECRET);
            assert!(sealed.len() <= CLUSTER_TOKEN_BYTES_MAX && !sealed.contains(' '), "{sealed}");
            assert_eq!(Token::open(&sealed, &SECRET), Some(token));
            assert_eq!(Token::open(&sealed, &[4; 32]), None);
            assert_eq!(Token::open(&sealed[1..], &SECRET), None);
            assert_eq!(Token::open(&format!("{sealed}A"), &SECRET), None);
        }
        assert_eq!(Token::open("", &SECRET), None);
        assert_eq!(Token::open(&"A".repeat(10_000), &SECRET), None);
        assert_eq!(token(Some(&"a".repeat(24)), &"b".repeat(32)).seal(&SECRET).len(), CLUSTER_TOKEN_BYTES_MAX);
    }

    #[test]
    fn what_is_signed_and_says_nothing_is_no_token() {
        let whole = BASE64URL_NOPAD.decode(token(Some("bob"), "den").seal(&SECRET).as_bytes()).unwrap();
        let said = &whole[..whole.len() - SIGNATURE_BYTES];
        let sealed = |bytes: &[u8]| BASE64URL_NOPAD.encode(&[bytes, &sign(&SECRET, bytes)[..]].concat());
        assert!(Token::open(&sealed(said), &SECRET).is_some());
        (0..said.len()).for_each(|end| assert_eq!(Token::open(&sealed(&said[..end]), &SECRET), None, "{end}"));
        assert_eq!(Token::open(&sealed(&[said, b"x"].concat()), &SECRET), None);
        assert_eq!(Token::open(&sealed(&[&[2], &said[1..]].concat()), &SECRET), None, "another version");
    }

    #[test]
    fn a_mark_says_nothing_of_its_token() {
        let mark = Mark::of(Key::new([7; 16]));
        assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        assert_ne!(mark, Mark::of(Key::new([8; 16])));
        assert!(mark.to_string().len() == 32 && Mark::parse("07").is_none() && Mark::parse("").is_none());
    }

    proptest! {
        /// Whatever is changed of a token: it is not good.
        #[test]
        fn no_change_of_a_token_is_good(at: prop::sample::Index, byte in 0x20..0x7f_u8) {
            let sealed = token(Some("bob"), "den").seal(&SECRET);
            let mut changed = sealed.clone().into_bytes();
            let at = at.index(changed.len());
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            prop_assert!(changed == sealed || Token::open(&changed, &SECRET).is_none());
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,200}") {
            prop_assert!(Token::open(&text, &SECRET).is_none());
        }
    }
}
