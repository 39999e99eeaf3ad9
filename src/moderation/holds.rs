//! A table of holds, which finds the one that a member is under by its name, address or connection.
//!
//! Each kind of key has an ordered index whose entries for one key have the hold that ends last in front. So a look-up
//! sees one entry a key, however many holds share it, and is never misled by one that is over. An address is looked up
//! once for each length of prefix in use. Adding and removing cost the same, and nothing is moved as the table grows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use crate::limits::{HOLD_BYTES, HOLDS_DROPPED_AT_ONCE, HOLDS_MAX, PREFIX_BYTES_MAX};
use crate::moderation::hold::Hold;
use crate::moderation::network::Network;
use crate::names::MemberName;

/// Entries in the order of their keys, for each key in that of their ends, the last first.
type Index<K> = BTreeSet<(K, Reverse<u64>, u64)>;

/// Bans, or mutes. Times are milliseconds of Unix time.
#[derive(Debug, Default)]
pub struct Holds {
    /// By number, in the order in which they were set. Numbers are never used again.
    holds: BTreeMap<u64, Hold>,
    next: u64,
    names: Index<MemberName>,
    networks: Index<Network>,
    connections: Index<u64>,
    /// Of those that end.
    ends: BTreeSet<(u64, u64)>,
    /// How many networks of IPv4 and of IPv6 have a prefix of which length.
    lengths: [BTreeMap<u8, usize>; 2],
}

/// The table has [`HOLDS_MAX`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldsFull;

impl Holds {
    /// Most memory of a table, in bytes.
    pub const FOOTPRINT_MAX: usize = HOLDS_MAX * HOLD_BYTES;

    /// What an earlier server kept. Beyond [`HOLDS_MAX`] none is taken.
    pub fn of(kept: impl IntoIterator<Item = Hold>) -> Self {
        let mut holds = Self::default();
        for hold in kept.into_iter().take(HOLDS_MAX) {
            holds.add(hold);
        }
        holds
    }

    /// The holds that mean something after a restart, in the order in which they were set.
    pub fn to_keep(&self, now_ms: u64) -> Vec<Hold> {
        let lasting = self.holds.values().filter(|hold| hold.outlives_restart() && !hold.is_over(now_ms));
        lasting.map(Hold::kept).collect()
    }

    /// The hold that a member is under, and of several the one that ends last. A newcomer has no name and may have no
    /// serial number yet.
    pub fn find(
        &self,
        address: IpAddr,
        name: Option<MemberName>,
        connection: Option<u64>,
        now_ms: u64,
    ) -> Option<&Hold> {
        if self.holds.is_empty() {
            return None;
        }
        let address = address.to_canonical();
        let name = name.and_then(|name| last(&self.names, name));
        let connection = connection.and_then(|serial| last(&self.connections, serial));
        let lengths = self.lengths[usize::from(address.is_ipv6())].keys();
        let networks = lengths.filter_map(|length| last(&self.networks, Network::around(address, *length)));
        let (end, number) = name.into_iter().chain(connection).chain(networks).max()?;
        (end > now_ms).then(|| &self.holds[&number])
    }

    /// Adds a hold. The last word on a name counts for all that is held of it: holds of the same name, or without a
    /// name of the same network or connection, get the end and the author of this one. It has no entry of its own where
    /// one of those holds as much, and takes the place of one that holds less.
    pub fn insert(&mut self, hold: Hold, now_ms: u64) -> Result<(), HoldsFull> {
        self.drop_expired(now_ms);
        let related: Vec<u64> = match &hold {
            Hold { name: Some(name), .. } => numbers(&self.names, *name).collect(),
            Hold { network: Some(network), .. } => numbers(&self.networks, *network).collect(),
            Hold { connection: Some(serial), .. } => numbers(&self.connections, *serial).collect(),
            _ => Vec::new(),
        };
        // Whether an entry holds all that this one does.
        let mut is_known = false;
        for number in related {
            if self.holds[&number].name.is_some() != hold.name.is_some() {
                continue;
            }
            let mut old = self.take(number);
            if hold.holds_all_of(&old) {
                // Of several of these one place is enough.
                if std::mem::replace(&mut is_known, true) {
                    continue;
                }
                old = hold.clone();
            }
            is_known |= old.holds_all_of(&hold);
            (old.until, old.by) = (hold.until, hold.by.clone());
            self.put(number, old);
        }
        if is_known {
            return Ok(());
        }
        if self.holds.len() >= HOLDS_MAX {
            return Err(HoldsFull);
        }
        self.add(hold);
        Ok(())
    }

    /// Lets go of all that is held of a name, and says what it was.
    pub fn remove_name(&mut self, name: &str) -> Vec<Hold> {
        let Some(name) = MemberName::parse(name) else { return Vec::new() };
        let numbers: Vec<u64> = numbers(&self.names, name).collect();
        numbers.into_iter().map(|number| self.take(number)).collect()
    }

    /// Lets go of every hold of exactly this network, with the name that it holds too, and says what it was. Larger and
    /// smaller networks stay held: [`Holds::find`] tells which one an address is in.
    pub fn remove_network(&mut self, network: Network) -> Vec<Hold> {
        let numbers: Vec<u64> = numbers(&self.networks, network).collect();
        numbers.into_iter().map(|number| self.take(number)).collect()
    }

    /// Lets go of every hold of a connection, and says what it was.
    pub fn remove_connection(&mut self, serial: u64) -> Vec<Hold> {
        let numbers: Vec<u64> = numbers(&self.connections, serial).collect();
        numbers.into_iter().map(|number| self.take(number)).collect()
    }

    /// A connection has ended: a hold of nothing else goes with it.
    pub fn forget_connection(&mut self, serial: u64) {
        // Looked up in vain for almost every connection that ends.
        if self.connections.is_empty() {
            return;
        }
        let numbers: Vec<u64> = numbers(&self.connections, serial).collect();
        for number in numbers {
            let hold = self.take(number);
            if hold.outlives_restart() {
                self.put(number, hold.kept());
            }
        }
    }

    /// Drops holds that are over, a bounded number at a time.
    pub fn drop_expired(&mut self, now_ms: u64) {
        for _ in 0..HOLDS_DROPPED_AT_ONCE {
            let Some((_, number)) = self.ends.first().copied().filter(|(end, _)| *end <= now_ms) else { return };
            self.take(number);
        }
    }

    /// When [`Holds::drop_expired`] has something to do next.
    pub fn next_end(&self) -> Option<u64> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// The holds of a page, of `rows` each, counted from 1, in the order in which they were set.
    pub fn page(&self, page: usize, rows: usize) -> impl Iterator<Item = &Hold> {
        self.holds.values().skip(page.saturating_sub(1).saturating_mul(rows)).take(rows)
    }

    /// How many pages there are; one that is empty when there is nothing.
    pub fn pages(&self, rows: usize) -> usize {
        self.holds.len().div_ceil(rows).max(1)
    }

    pub fn len(&self) -> usize {
        self.holds.len()
    }

    pub fn is_empty(&self) -> bool {
        self.holds.is_empty()
    }

    /// Memory in use, in bytes, at most.
    pub fn footprint(&self) -> usize {
        self.holds.len() * HOLD_BYTES
    }

    fn add(&mut self, hold: Hold) {
        self.next += 1;
        self.put(self.next, hold);
    }

    fn put(&mut self, number: u64, hold: Hold) {
        let end = Reverse(hold.end());
        if let Some(name) = hold.name {
            self.names.insert((name, end, number));
        }
        if let Some(network) = hold.network {
            self.networks.insert((network, end, number));
            *self.lengths_of(network).entry(network.length()).or_default() += 1;
        }
        if let Some(serial) = hold.connection {
            self.connections.insert((serial, end, number));
        }
        if let Some(until) = hold.until {
            self.ends.insert((until, number));
        }
        self.holds.insert(number, hold);
    }

    fn take(&mut self, number: u64) -> Hold {
        let hold = self.holds.remove(&number).expect("an index has the numbers of holds");
        let end = Reverse(hold.end());
        if let Some(name) = hold.name {
            self.names.remove(&(name, end, number));
        }
        if let Some(network) = hold.network {
            self.networks.remove(&(network, end, number));
            let lengths = self.lengths_of(network);
            let count = lengths.get_mut(&network.length()).expect("the length of each network is counted");
            *count -= 1;
            if *count == 0 {
                lengths.remove(&network.length());
            }
        }
        if let Some(serial) = hold.connection {
            self.connections.remove(&(serial, end, number));
        }
        if let Some(until) = hold.until {
            self.ends.remove(&(until, number));
        }
        hold
    }

    fn lengths_of(&mut self, network: Network) -> &mut BTreeMap<u8, usize> {
        &mut self.lengths[usize::from(!network.is_ipv4())]
    }
}

/// The end and the number of the hold of this key that ends last.
fn last<K: Ord + Copy>(index: &Index<K>, key: K) -> Option<(u64, u64)> {
    let (found, Reverse(end), number) = index.range((key, Reverse(u64::MAX), 0)..).next()?;
    (*found == key).then_some((*end, *number))
}

/// The numbers of all holds of this key.
fn numbers<K: Ord + Copy>(index: &Index<K>, key: K) -> impl Iterator<Item = u64> {
    index.range((key, Reverse(u64::MAX), 0)..=(key, Reverse(0), u64::MAX)).map(|(_, _, number)| *number)
}

// What the entries of one hold take in nodes that are as empty as they may be (five of eleven places in use, and at most
// a link and a half for each place), and the name of its author.
const _: () = assert!(
    HOLD_BYTES
        >= (size_of::<(u64, Hold)>()
            + size_of::<(MemberName, Reverse<u64>, u64)>()
            + size_of::<(Network, Reverse<u64>, u64)>()
            + size_of::<(u64, u64)>())
            * 11
            / 5
            + 4 * 32
            + PREFIX_BYTES_MAX
);

impl fmt::Display for HoldsFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are {HOLDS_MAX} already, which is the most: let go of one")
    }
}

impl std::error::Error for HoldsFull {}

#[cfg(test)]
mod tests;
