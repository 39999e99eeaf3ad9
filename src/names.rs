//! The names of members: what they chose, and before that their addresses, made unique among the members online.
//!
//! Two members can have the same address and port: a client's port may be connected to two addresses of the server, and
//! a peer may connect again from a port before the server knows that the earlier connection has ended. The later one is
//! `IP:PORT|2`, with the lowest number that is free. Where addresses are hidden a member is called `guest-` and eight
//! characters instead. The table here holds slots; the names themselves stand in the connections.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use crate::limits::{MEMBER_NAME_BYTES_MAX, NAMESAKES_MAX, PREFIX_BYTES_MAX, ROOM_NAME_BYTES_MAX};
use crate::pieces::hashed::{self, Hashed};
use crate::random::Permutation;
use crate::token::{Serial, Slot};

/// What a member is called in front of its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// Where it has connected from.
    Address(Address),
    /// The same, hidden.
    Guest(Guest),
    /// What it has chosen.
    Chosen(MemberName),
}

/// Where a member has connected from, made unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    ip: IpAddr,
    port: u16,
    /// The number among members with this address and port, from 1.
    ordinal: u8,
}

/// The number of a member whose address is hidden: 40 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Guest([u8; 5]);

/// A name that a member has chosen.
pub type MemberName = Label<MEMBER_NAME_BYTES_MAX>;

/// The name of a room.
pub type RoomName = Label<ROOM_NAME_BYTES_MAX>;

/// A chosen name of at most `N` bytes: ASCII letters, digits, `_` and `-`. Letters compare without regard to case, and
/// are shown as they were typed.
#[derive(Clone, Copy)]
pub struct Label<const N: usize> {
    length: u8,
    bytes: [u8; N],
}

/// Names that nobody may choose, because lines would read as if somebody else had spoken.
const RESERVED: [&str; 4] = ["server", "uproar", "you", "everyone"];
const GUEST: &str = "guest-";

/// The letters of a guest's number: those that are not mistaken for digits, and some digits (RFC 4648, in lower case).
const BASE_32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

impl<const N: usize> Label<N> {
    /// `None` for what cannot be a name.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let valid = (1..=N).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.bytes().all(|byte| byte.is_ascii_digit());
        if !valid {
            return None;
        }
        let mut bytes = [0; N];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Some(Self { length: u8::try_from(text.len()).expect("names are short"), bytes })
    }

    /// In lower case, with zeros behind its end.
    fn folded(&self) -> [u8; N] {
        let mut bytes = self.bytes;
        bytes.make_ascii_lowercase();
        bytes
    }

    pub fn in_lower_case(&self) -> Self {
        Self { length: self.length, bytes: self.folded() }
    }

    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.length.into()]).expect("a name is ASCII")
    }
}

impl MemberName {
    /// `None` for what nobody may choose.
    pub fn choose(text: &str) -> Option<Self> {
        let reserved = RESERVED.iter().any(|name| name.eq_ignore_ascii_case(text));
        let guest = text.get(..GUEST.len()).is_some_and(|start| start.eq_ignore_ascii_case(GUEST));
        if reserved || guest { None } else { Self::parse(text) }
    }
}

impl<const N: usize> PartialEq for Label<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str().eq_ignore_ascii_case(other.as_str())
    }
}

impl<const N: usize> Eq for Label<N> {}

impl<const N: usize> Ord for Label<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(&other.folded())
    }
}

impl<const N: usize> PartialOrd for Label<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Hash for Label<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

impl<const N: usize> fmt::Debug for Label<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl<const N: usize> fmt::Display for Label<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Address {
    /// The name of the first member with this address.
    pub fn first(address: SocketAddr) -> Self {
        Self { ip: address.ip(), port: address.port(), ordinal: 1 }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = SocketAddr::new(self.ip, self.port);
        match self.ordinal {
            1 => write!(f, "{address}"),
            ordinal => write!(f, "{address}|{ordinal}"),
        }
    }
}

impl Guest {
    /// That of a connection. No two connections have the same before 2^40 of them have come.
    pub fn of(serial: Serial, permutation: &Permutation) -> Self {
        let mixed = permutation.apply(serial.0 & ((1 << 40) - 1), 20).to_le_bytes();
        Self(mixed[..5].try_into().expect("it has this length"))
    }

    fn number(self) -> u64 {
        let mut bytes = [0; 8];
        bytes[..5].copy_from_slice(&self.0);
        u64::from_le_bytes(bytes)
    }

    fn parse(text: &str) -> Option<Self> {
        let code =
            text.get(..GUEST.len()).filter(|start| start.eq_ignore_ascii_case(GUEST)).map(|_| &text[GUEST.len()..])?;
        if code.len() != 8 {
            return None;
        }
        let digit = |byte: u8| BASE_32.iter().position(|letter| *letter == byte.to_ascii_lowercase());
        let number = code.bytes().try_fold(0, |number: u64, byte| Some(number << 5 | digit(byte)? as u64))?;
        Some(Self(number.to_le_bytes()[..5].try_into().expect("it has this length")))
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number();
        f.write_str(GUEST)?;
        (0..8).rev().try_for_each(|digit| {
            let letter = BASE_32[(number >> (5 * digit) & 31) as usize];
            write!(f, "{}", char::from(letter))
        })
    }
}

impl Name {
    /// The name of the first member with this address.
    pub fn first(address: SocketAddr) -> Self {
        Self::Address(Address::first(address))
    }

    /// Whom somebody means that typed this; `None` for what names nobody.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(guest) = Guest::parse(text) {
            return Some(Self::Guest(guest));
        }
        if let Some(name) = MemberName::parse(text) {
            return Some(Self::Chosen(name));
        }
        let (address, ordinal) = match text.split_once('|') {
            Some((address, ordinal)) => (address, ordinal.parse().ok().filter(|ordinal| *ordinal >= 2)?),
            None => (text, 1),
        };
        let address: SocketAddr = address.parse().ok()?;
        Some(Self::Address(Address { ip: address.ip(), port: address.port(), ordinal }))
    }

    /// What the member has chosen, if it has.
    pub fn chosen(self) -> Option<MemberName> {
        match self {
            Self::Chosen(name) => Some(name),
            Self::Address(_) | Self::Guest(_) => None,
        }
    }

    /// Writes the name as it is displayed, several times as fast where it is chosen, or an IPv4 address.
    pub fn write(self, out: &mut impl Write) -> io::Result<()> {
        let (ip, port) = match self {
            Self::Chosen(name) => return out.write_all(name.as_str().as_bytes()),
            Self::Address(Address { ip: IpAddr::V4(ip), port, ordinal: 1 }) => (ip, port),
            Self::Address(_) | Self::Guest(_) => return write!(out, "{self}"),
        };
        let mut number = itoa::Buffer::new();
        for (octet, end) in ip.octets().into_iter().zip([b".", b".", b".", b":"]) {
            out.write_all(number.format(octet).as_bytes())?;
            out.write_all(end)?;
        }
        out.write_all(number.format(port).as_bytes())
    }

    /// How many bytes it has as it is displayed.
    pub fn length(self) -> u8 {
        let mut space = [0; PREFIX_BYTES_MAX];
        let mut rest = &mut space[..];
        self.write(&mut rest).expect("a name is shorter than what stands before a text");
        u8::try_from(PREFIX_BYTES_MAX - rest.len()).expect("a name is short")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Guest(guest) => write!(f, "{guest}"),
            Self::Chosen(name) => write!(f, "{name}"),
        }
    }
}

/// Where a connection comes from, and how its address is shown. It is small, because every connection has one.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub ip: IpAddr,
    mark: Mark,
}

#[derive(Clone, Copy, Debug)]
enum Mark {
    Shown { port: u16, ordinal: u8 },
    Hidden(Guest),
}

impl Origin {
    pub fn shown(address: Address) -> Self {
        Self { ip: address.ip, mark: Mark::Shown { port: address.port, ordinal: address.ordinal } }
    }

    pub fn hidden(ip: IpAddr, guest: Guest) -> Self {
        Self { ip, mark: Mark::Hidden(guest) }
    }

    /// The address and the port, where they are not hidden.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.mark {
            Mark::Shown { port, .. } => Some(SocketAddr::new(self.ip, port)),
            Mark::Hidden(_) => None,
        }
    }

    /// What a member that has chosen no name is called.
    pub fn name(&self) -> Name {
        match self.mark {
            Mark::Shown { port, ordinal } => Name::Address(Address { ip: self.ip, port, ordinal }),
            Mark::Hidden(guest) => Name::Guest(guest),
        }
    }
}

/// The names in use, as a table of the slots of their connections.
#[derive(Debug)]
pub struct Names {
    slots: Hashed<Slot>,
    hasher: RandomState,
}

impl Names {
    /// Memory is used only as names come: they are spread over the whole table, so a few would make all of it used.
    pub fn new(members_max: usize) -> Self {
        Self { slots: Hashed::new(members_max), hasher: RandomState::new() }
    }

    /// Most memory of the table, in bytes.
    pub fn footprint_max(members_max: usize) -> usize {
        hashed::footprint_max::<Slot>(members_max)
    }

    /// The name for a newcomer: the lowest number of its address that is free. `None` when all numbers are taken.
    pub fn find_free(&self, address: SocketAddr, name_of: impl Fn(Slot) -> Name) -> Option<Address> {
        (1..=NAMESAKES_MAX)
            .map(|ordinal| Address { ordinal, ..Address::first(address) })
            .find(|address| self.find(Name::Address(*address), &name_of).is_none())
    }

    /// The slot of the connection that has this name.
    pub fn find(&self, name: Name, name_of: impl Fn(Slot) -> Name) -> Option<Slot> {
        self.slots.find(self.hasher.hash_one(name), |slot| name_of(*slot) == name).copied()
    }

    /// The connection in `slot` has this name from now on.
    pub fn insert(&mut self, name: Name, slot: Slot, name_of: impl Fn(Slot) -> Name) {
        let hasher = &self.hasher;
        self.slots.insert(hasher.hash_one(name), slot, |slot| hasher.hash_one(name_of(*slot)));
    }

    /// The connection in `slot` gives up its name.
    pub fn remove(&mut self, name: Name, slot: Slot, name_of: impl Fn(Slot) -> Name) {
        let hasher = &self.hasher;
        let hash_of = |slot: &Slot| hasher.hash_one(name_of(*slot));
        self.slots.remove(hasher.hash_one(name), |other| *other == slot, hash_of).expect("its name is known");
    }
}

impl Names {
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.slots.footprint()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_written_as_it_is_displayed() {
        for address in ["127.0.0.1:63155", "0.0.0.0:0", "255.255.255.255:65535", "[2001:db8::1]:80"] {
            let address: SocketAddr = address.parse().unwrap();
            for ordinal in [1, 2, NAMESAKES_MAX] {
                let name = Name::Address(Address { ordinal, ..Address::first(address) });
                assert_eq!(Name::parse(&name.to_string()), Some(name));
                let mut written = Vec::new();
                name.write(&mut written).unwrap();
                assert_eq!(usize::from(name.length()), written.len());
                assert_eq!(String::from_utf8(written).unwrap(), name.to_string());
            }
        }
    }

    #[test]
    fn what_cannot_be_chosen_is_no_name() {
        for name in ["bob", "B_o-b", "2fast", "_", "a23456789012345678901234"] {
            let chosen = MemberName::choose(name).unwrap_or_else(|| panic!("{name:?} may be chosen"));
            assert_eq!((chosen.as_str(), Name::parse(name)), (name, Some(Name::Chosen(chosen))));
        }
        let long = "a".repeat(25);
        for name in
            ["", "42", "b b", "b\u{e9}", "Server", "UPROAR", "you", "everyone", "Guest-x", "guest-", "[a]", &long]
        {
            assert!(MemberName::choose(name).is_none(), "{name:?}");
        }
        assert!(RoomName::parse(&"a".repeat(32)).is_some() && RoomName::parse(&"a".repeat(33)).is_none());
        assert_eq!(MemberName::choose("Bob"), MemberName::choose("bOB"));
    }

    #[test]
    fn guests_have_names_of_their_own_that_are_found_again() {
        let permutation = Permutation::new(7);
        let guests: Vec<Guest> = (1..1000).map(|serial| Guest::of(Serial(serial), &permutation)).collect();
        let names: std::collections::HashSet<String> = guests.iter().map(Guest::to_string).collect();
        assert_eq!(names.len(), guests.len());
        for guest in guests {
            let shown = guest.to_string();
            assert!(shown.len() == 14 && shown.starts_with("guest-"), "{shown}");
            assert_eq!(Name::parse(&shown.to_uppercase()), Some(Name::Guest(guest)));
        }
        let other = Permutation::new(8);
        assert_ne!(Guest::of(Serial(1), &permutation), Guest::of(Serial(1), &other));
    }

    #[test]
    fn names_are_small() {
        assert!(size_of::<Name>() <= 28 && size_of::<Origin>() <= 24, "{} {}", size_of::<Name>(), size_of::<Origin>());
    }

    #[test]
    fn a_name_is_an_address_and_the_later_ones_are_numbered() {
        let address = SocketAddr::from(([127, 0, 0, 1], 63155));
        assert_eq!(Name::first(address).to_string(), "127.0.0.1:63155");
        let second = Address { ordinal: 2, ..Address::first(address) };
        assert_eq!(Name::Address(second).to_string(), "127.0.0.1:63155|2");
    }

    proptest! {
        /// Compared with a plain map: no two connections share a name, and each got the lowest number that was free.
        #[test]
        fn names_are_unique_and_numbered_from_the_lowest(steps in prop::collection::vec((0..3u16, 0..20u32), 0..200)) {
            let mut names = Names::new(20);
            let mut here: HashMap<Slot, Name> = HashMap::new();
            for (port, slot) in steps {
                let slot = Slot(slot);
                if let Some(name) = here.remove(&slot) {
                    names.remove(name, slot, |slot| here.get(&slot).copied().unwrap_or(name));
                    continue;
                }
                let address = SocketAddr::from(([10, 0, 0, 1], port));
                let free = names.find_free(address, |slot| here[&slot]).expect("few have it");
                let has = |name: Address| here.values().any(|it| *it == Name::Address(name));
                let lower = (1..free.ordinal).all(|ordinal| has(Address { ordinal, ..free }));
                let name = Name::Address(free);
                prop_assert!(lower && !here.values().any(|it| *it == name));
                here.insert(slot, name);
                names.insert(name, slot, |slot| here[&slot]);
                prop_assert_eq!(names.len(), here.len());
            }
        }
    }

    #[test]
    fn members_with_the_same_address_and_port_are_bounded() {
        let address = SocketAddr::from(([10, 0, 0, 1], 5));
        let mut names = Names::new(NAMESAKES_MAX.into());
        let mut here = Vec::new();
        while let Some(name) = names.find_free(address, |slot| here[slot.0 as usize]) {
            let slot = Slot(u32::try_from(here.len()).unwrap());
            here.push(Name::Address(name));
            names.insert(Name::Address(name), slot, |slot| here[slot.0 as usize]);
        }
        assert_eq!(here.len(), usize::from(NAMESAKES_MAX));
    }
}
