//! Token buckets, and the limits of each address. A flood is delayed, and nothing of it is dropped. Reads no clock.
//!
//! A bucket is stored as one moment: when it would be full again if nothing more were taken (the generic cell rate
//! algorithm). So every member can have a bucket.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits::{ADDRESSES_CLEANED_PARTS, ADDRESSES_CLEANING, ADDRESSES_REMEMBERED_MAX};
use crate::pieces::hashed::{self, Hashed};

/// How fast a bucket fills and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    per_second: f64,
    burst: f64,
}

impl Rate {
    /// `None`, for no limit, when `per_second` is 0. The bucket holds at least one.
    pub fn new(per_second: u64, burst: u64) -> Option<Self> {
        (per_second > 0).then(|| Self { per_second: per_second as f64, burst: burst.max(1) as f64 })
    }

    /// True when this rate allows one token to be taken at each of `times`, which are in order, with at most `slack`
    /// tokens more than a full bucket has.
    pub fn held(self, times: &[Duration], slack: usize) -> bool {
        // Tokens that were taken and have not come back. A time may be that of the end of a turn, hence the small
        // tolerance.
        let (mut taken, mut before) = (0.0, Duration::ZERO);
        times.iter().all(|time| {
            taken = f64::max(0.0, taken - self.per_second * (*time - before).as_secs_f64()) + 1.0;
            before = *time;
            taken <= self.burst + slack as f64 + self.per_second * 1e-3 + 1e-3
        })
    }

    /// How many tokens a full bucket has.
    pub fn burst(self) -> u64 {
        self.burst as u64
    }

    fn time_for(self, amount: f64) -> Duration {
        Duration::from_secs_f64(amount / self.per_second)
    }
}

/// One bucket. A new one is full.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// When it is full again; in the past, or never set, for a full one.
    full_at: Option<Instant>,
}

impl Bucket {
    /// `Ok` when `amount` can be taken now, otherwise the moment from which it can. A full bucket allows an amount over
    /// the burst, and then takes longer to fill.
    pub fn allows(&self, rate: Rate, amount: f64, now: Instant) -> Result<(), Instant> {
        let full_at = self.full_at.unwrap_or(now);
        let needed = rate.time_for(rate.burst - amount.min(rate.burst));
        if full_at <= now + needed { Ok(()) } else { Err(full_at - needed) }
    }

    /// Takes `amount`. The caller has asked [`Bucket::allows`], or uses the amount only when the bucket would allow it.
    pub fn take(&mut self, rate: Rate, amount: f64, now: Instant) {
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        self.full_at = Some(full_at + rate.time_for(amount));
    }

    /// Takes `amount` at once and returns the moment from which it may be used, which is when the bucket allows it. So
    /// reservations are used in the order in which they were made.
    pub fn reserve(&mut self, rate: Rate, amount: f64, now: Instant) -> Instant {
        let from = self.allows(rate, amount, now).err().unwrap_or(now);
        self.take(rate, amount, now);
        from
    }

    /// Puts back an `amount` that was reserved and is not used.
    pub fn give_back(&mut self, rate: Rate, amount: f64) {
        self.full_at = self.full_at.and_then(|full_at| full_at.checked_sub(rate.time_for(amount)));
    }

    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

/// The limits of one address: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddressLimits {
    /// Rate of lines over all its connections; `None` for no limit. It holds for loopback addresses too.
    pub line_rate: Option<Rate>,
    /// Rate of joins; `None` for no limit.
    pub join_rate: Option<Rate>,
    /// Connections at a time; 0 for no limit.
    pub connections_max: usize,
    /// Whether the limits on joins and connections hold for loopback addresses, which are this machine's own, too.
    pub loopback: bool,
}

impl AddressLimits {
    pub const NONE: Self = Self { line_rate: None, join_rate: None, connections_max: 0, loopback: false };

    /// True when there is any limit.
    fn exist(&self) -> bool {
        self.line_rate.is_some() || self.join_rate.is_some() || self.connections_max > 0
    }

    /// Most addresses that a server of `members_max` members remembers.
    fn addresses_max(&self, members_max: usize) -> usize {
        if self.exist() { members_max + ADDRESSES_REMEMBERED_MAX } else { 0 }
    }

    /// Most memory of the table of addresses, in bytes, with that of a part that is made anew.
    pub fn footprint_max(&self, members_max: usize) -> usize {
        let addresses_max = self.addresses_max(members_max);
        hashed::footprint_max::<Entry>(addresses_max) + hashed::rebuilding_bytes_max::<Entry>(addresses_max)
    }
}

/// Why a newcomer is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    TooManyConnections,
    TooManyJoins,
}

/// The part of the address space that one subscriber has: an IPv4 address, or an IPv6 network of 64 bits. An IPv4
/// address is a number below 2^32, where no IPv6 network but that of loopback is in use (RFC 4291, section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Network(u64);

impl Network {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(four) => Self(four.to_bits().into()),
            IpAddr::V6(six) => Self((six.to_bits() >> 64) as u64),
        }
    }
}

#[derive(Debug, Default)]
struct Usage {
    connections: u32,
    joins: Bucket,
    lines: Bucket,
}

impl Usage {
    /// True when the address may do no more after it was forgotten than before.
    fn is_forgettable(&self, now: Instant) -> bool {
        self.connections == 0 && self.joins.is_full(now) && self.lines.is_full(now)
    }
}

/// An address in the table.
type Entry = (Network, Usage);

/// The connections, joins and lines of every address. The buckets of an address outlive its connections, so connecting
/// again does not fill them.
#[derive(Debug)]
pub struct Addresses {
    limits: AddressLimits,
    /// Most members of the server.
    members_max: usize,
    /// Holds every address with a connection, as long as there are limits.
    usage: Hashed<Entry>,
    hasher: RandomState,
    /// When some of the parts were last searched for addresses with full buckets to forget.
    cleaned: Option<Instant>,
}

impl Addresses {
    pub fn new(limits: AddressLimits, members_max: usize) -> Self {
        let usage = Hashed::new(limits.addresses_max(members_max));
        Self { limits, members_max, usage, hasher: RandomState::new(), cleaned: None }
    }

    fn find(&mut self, network: Network) -> Option<&mut Usage> {
        let hash = self.hasher.hash_one(network);
        self.usage.find_mut(hash, |(other, _)| *other == network).map(|(_, usage)| usage)
    }

    /// Counts a newcomer from `address`, or refuses it. For each that is counted there is one [`Addresses::leave`].
    pub fn join(&mut self, address: IpAddr, now: Instant) -> Result<(), Refusal> {
        if !self.limits.exist() {
            return Ok(());
        }
        let network = Network::of(address);
        if self.find(network).is_none() {
            if !self.has_room(now) {
                return Err(Refusal::TooManyJoins);
            }
            let hasher = &self.hasher;
            let entry = (network, Usage::default());
            self.usage.insert(hasher.hash_one(network), entry, |(network, _)| hasher.hash_one(network));
        }
        let exempt = address.is_loopback() && !self.limits.loopback;
        let AddressLimits { connections_max, join_rate, .. } = self.limits;
        let usage = self.find(network).expect("it was found or inserted");
        if !exempt {
            if connections_max > 0 && usage.connections as usize >= connections_max {
                return Err(Refusal::TooManyConnections);
            }
            if let Some(rate) = join_rate {
                usage.joins.allows(rate, 1.0, now).map_err(|_| Refusal::TooManyJoins)?;
                usage.joins.take(rate, 1.0, now);
            }
        }
        usage.connections += 1;
        Ok(())
    }

    /// True when one more address can be remembered. If there are too many, some of the table's parts are searched for
    /// addresses to forget, so that each part is searched at most once in [`ADDRESSES_CLEANING`].
    fn has_room(&mut self, now: Instant) -> bool {
        let addresses_max = self.limits.addresses_max(self.members_max);
        let parts = self.usage.parts().min(ADDRESSES_CLEANED_PARTS);
        let pause = ADDRESSES_CLEANING * parts as u32 / self.usage.parts() as u32;
        if self.usage.len() >= addresses_max && self.cleaned.is_none_or(|cleaned| cleaned + pause <= now) {
            self.cleaned = Some(now);
            let hasher = &self.hasher;
            for _ in 0..parts {
                let keep = |(_, usage): &Entry| !usage.is_forgettable(now);
                self.usage.retain_in_a_part(keep, |(network, _)| hasher.hash_one(network));
            }
        }
        self.usage.len() < addresses_max
    }

    /// One of the connections from `address` has ended.
    pub fn leave(&mut self, address: IpAddr, now: Instant) {
        if !self.limits.exist() {
            return;
        }
        let network = Network::of(address);
        let usage = self.find(network).expect("a connection that ends was counted");
        usage.connections -= 1;
        if usage.is_forgettable(now) {
            let hasher = &self.hasher;
            let hash_of = |(network, _): &Entry| hasher.hash_one(network);
            self.usage.remove(hasher.hash_one(network), |(other, _)| *other == network, hash_of);
        }
    }

    /// Reserves one line of the rate of `address`, for an open connection. Returns the moment from which that line may
    /// be said: the lines of an address are said in the order of their reservations.
    pub fn reserve_line(&mut self, address: IpAddr, now: Instant) -> Instant {
        let Some(rate) = self.limits.line_rate else { return now };
        let usage = self.find(Network::of(address)).expect("a connection that speaks was counted");
        usage.lines.reserve(rate, 1.0, now)
    }

    /// Takes lines of the rate of `address` that were not reserved, for an open connection.
    pub fn charge_lines(&mut self, address: IpAddr, lines: u64, now: Instant) {
        let Some(rate) = self.limits.line_rate else { return };
        let usage = self.find(Network::of(address)).expect("a connection that asks was counted");
        usage.lines.take(rate, lines as f64, now);
    }

    /// Puts back a line that was reserved and will not be said.
    pub fn give_back_line(&mut self, address: IpAddr) {
        let Some(rate) = self.limits.line_rate else { return };
        let usage = self.find(Network::of(address)).expect("a connection that has a reservation was counted");
        usage.lines.give_back(rate, 1.0);
    }
}

impl Addresses {
    /// Panics when an address has more connections than it may, or the table is larger than it may be.
    pub fn invariants(&self) {
        assert!(
            self.usage.len() <= self.limits.addresses_max(self.members_max),
            "the addresses remembered are bounded"
        );
        assert!(self.footprint() <= self.limits.footprint_max(self.members_max), "their table is bounded");
        if self.limits.connections_max > 0 && self.limits.loopback {
            let most = self.limits.connections_max;
            let within = self.usage.iter().all(|(_, usage)| usage.connections as usize <= most);
            assert!(within, "an address has no more connections than it may");
        }
    }

    /// Connections of all addresses, as far as they are counted.
    pub fn connections(&self) -> Option<usize> {
        self.limits.exist().then(|| self.usage.iter().map(|(_, usage)| usage.connections as usize).sum())
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        self.usage.footprint()
    }

    /// A number that is the same for addresses with common limits.
    pub fn share(address: IpAddr) -> u64 {
        Network::of(address).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate::new(10, 5).unwrap();
        let start = Instant::now();
        let mut bucket = Bucket::default();
        for _ in 0..5 {
            assert_eq!(bucket.allows(rate, 1.0, start), Ok(()));
            bucket.take(rate, 1.0, start);
        }
        assert_eq!(bucket.allows(rate, 1.0, start), Err(start + Duration::from_millis(100)));
        let later = start + Duration::from_millis(100);
        assert_eq!(bucket.allows(rate, 1.0, later), Ok(()));
        bucket.take(rate, 1.0, later);
        assert_eq!(bucket.allows(rate, 1.0, later), Err(later + Duration::from_millis(100)));
        let idle = later + Duration::from_secs(100);
        assert!(bucket.is_full(idle));
        assert_eq!(bucket.allows(rate, 9.0, idle), Ok(()), "more than the burst is taken from a full bucket");
        bucket.take(rate, 9.0, idle);
        assert_eq!(bucket.allows(rate, 1.0, idle), Err(idle + Duration::from_millis(500)));
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert_eq!(Rate::new(0, 50), None);
    }

    #[test]
    fn an_address_is_held_to_its_limits_and_loopback_is_not() {
        let limits = AddressLimits { join_rate: Rate::new(1, 3), connections_max: 2, ..AddressLimits::NONE };
        let mut addresses = Addresses::new(limits, 300);
        let now = Instant::now();
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(addresses.join(peer, now), Ok(()));
        assert_eq!(addresses.join(peer, now), Ok(()));
        assert_eq!(addresses.join(peer, now), Err(Refusal::TooManyConnections));
        addresses.leave(peer, now);
        assert_eq!(addresses.join(peer, now), Ok(()));
        addresses.leave(peer, now);
        assert_eq!(addresses.join(peer, now), Err(Refusal::TooManyJoins));
        assert_eq!(addresses.join(peer, now + Duration::from_secs(1)), Ok(()));
        for _ in 0..100 {
            assert_eq!(addresses.join("127.0.0.1".parse().unwrap(), now), Ok(()));
        }
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let limits = AddressLimits { connections_max: 1, loopback: true, ..AddressLimits::NONE };
        let mut addresses = Addresses::new(limits, 300);
        let now = Instant::now();
        let [first, neighbour, other] =
            ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"].map(|it| it.parse().unwrap());
        assert_eq!(addresses.join(first, now), Ok(()));
        assert_eq!(addresses.join(neighbour, now), Err(Refusal::TooManyConnections));
        assert_eq!(addresses.join(other, now), Ok(()));
        addresses.leave(first, now);
        assert_eq!(addresses.join(neighbour, now), Ok(()));
        assert_eq!(addresses.usage.len(), 2);
    }

    #[test]
    fn the_lines_of_an_address_outlive_its_connections() {
        let limits = AddressLimits { line_rate: Rate::new(10, 2), ..AddressLimits::NONE };
        let mut addresses = Addresses::new(limits, 300);
        let start = Instant::now();
        let peer: IpAddr = "127.0.0.1".parse().unwrap();
        let mut from = Vec::new();
        for _ in 0..4 {
            assert_eq!(addresses.join(peer, start), Ok(()));
            from.push(addresses.reserve_line(peer, start) - start);
            addresses.leave(peer, start);
        }
        assert_eq!(from, [0, 0, 100, 200].map(Duration::from_millis));
        assert_eq!(addresses.join(peer, start), Ok(()));
        addresses.give_back_line(peer);
        assert_eq!(addresses.reserve_line(peer, start), start + Duration::from_millis(200));
        let later = start + Duration::from_secs(1);
        addresses.leave(peer, later);
        assert!(addresses.usage.is_empty(), "an address with full buckets is forgotten");
    }

    #[test]
    fn the_table_of_addresses_is_bounded_and_forgets_those_with_full_buckets() {
        let limits = AddressLimits { line_rate: Rate::new(10, 2), ..AddressLimits::NONE };
        let mut addresses = Addresses::new(limits, 300);
        let start = Instant::now();
        let peer = |number: u32| IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        let most = u32::try_from(limits.addresses_max(300)).unwrap();
        for round in 0..4 {
            let now = start + round * Duration::from_secs(10);
            for number in 0..most {
                assert_eq!(addresses.join(peer(round * most + number), now), Ok(()));
                addresses.reserve_line(peer(round * most + number), now);
                addresses.leave(peer(round * most + number), now);
            }
            assert_eq!(addresses.join("192.0.2.1".parse().unwrap(), now), Err(Refusal::TooManyJoins));
            addresses.invariants();
        }
    }

    #[test]
    fn a_large_table_of_addresses_is_cleaned_some_parts_at_a_time() {
        let limits = AddressLimits { line_rate: Rate::new(10, 2), ..AddressLimits::NONE };
        let mut addresses = Addresses::new(limits, 200_000);
        let start = Instant::now();
        let peer = |number: u32| IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        let most = u32::try_from(limits.addresses_max(200_000)).unwrap();
        for number in 0..most {
            assert_eq!(addresses.join(peer(number), start), Ok(()));
            addresses.reserve_line(peer(number), start);
            addresses.leave(peer(number), start);
        }
        let parts = addresses.usage.parts();
        assert!(parts > ADDRESSES_CLEANED_PARTS);
        let later = start + Duration::from_secs(10);
        assert_eq!(addresses.join(peer(most), later), Ok(()));
        let left = addresses.usage.len();
        // The first parts are the larger ones.
        let expected = most as usize - most as usize * ADDRESSES_CLEANED_PARTS / parts;
        assert!((expected * 3 / 4..expected).contains(&left), "{left} addresses are left");
        // Others come meanwhile. Each part is looked at once a second.
        for number in 0..most - u32::try_from(left).unwrap() {
            assert_eq!(addresses.join(peer(most + 1 + number), later), Ok(()));
        }
        let other = peer(2 * most);
        assert_eq!(addresses.join(other, later), Err(Refusal::TooManyJoins));
        let pause = ADDRESSES_CLEANING * ADDRESSES_CLEANED_PARTS as u32 / parts as u32;
        assert_eq!(addresses.join(other, later + pause), Ok(()));
        addresses.invariants();
    }
}
