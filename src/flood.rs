//! Token buckets, and what each address is allowed: floods are slowed, not punished. Reads no clock.
//!
//! A bucket is one moment: when it would be full again if nothing more were taken. That is the generic cell rate
//! algorithm, and makes a bucket per member affordable.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits::{ADDRESSES_CLEANING, ADDRESSES_REMEMBERED_MAX};

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

    /// True when one was taken at each of `times`, which are in order, and never more than `slack` beyond a full bucket.
    pub fn held(self, times: &[Duration], slack: usize) -> bool {
        // What was taken and has not come back. A time may be that of the end of the turn.
        let (mut taken, mut before) = (0.0, Duration::ZERO);
        times.iter().all(|time| {
            taken = f64::max(0.0, taken - self.per_second * (*time - before).as_secs_f64()) + 1.0;
            before = *time;
            taken <= self.burst + slack as f64 + self.per_second * 1e-3 + 1e-3
        })
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
    /// `Ok` when `amount` can be taken now, otherwise when it can. An amount over the burst can be taken from a full
    /// bucket, which then fills for longer.
    pub fn allows(&self, rate: Rate, amount: f64, now: Instant) -> Result<(), Instant> {
        let full_at = self.full_at.unwrap_or(now);
        let needed = rate.time_for(rate.burst - amount.min(rate.burst));
        if full_at <= now + needed { Ok(()) } else { Err(full_at - needed) }
    }

    /// Takes `amount`, which [`Bucket::allows`] allowed, or which is used only when it does.
    pub fn take(&mut self, rate: Rate, amount: f64, now: Instant) {
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        self.full_at = Some(full_at + rate.time_for(amount));
    }

    /// Takes `amount` and returns when it may be used: now, or when the bucket would have allowed it. What is taken ahead
    /// of time is used in the order in which it was taken.
    pub fn reserve(&mut self, rate: Rate, amount: f64, now: Instant) -> Instant {
        let from = self.allows(rate, amount, now).err().unwrap_or(now);
        self.take(rate, amount, now);
        from
    }

    /// Puts back `amount`, which was reserved and is not used.
    pub fn give_back(&mut self, rate: Rate, amount: f64) {
        self.full_at = self.full_at.and_then(|full_at| full_at.checked_sub(rate.time_for(amount)));
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

/// What one address may do: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddressLimits {
    /// Lines said over all its connections; `None` for no limit. Loopback addresses are held to it like any other.
    pub line_rate: Option<Rate>,
    /// Joins; `None` for no limit.
    pub join_rate: Option<Rate>,
    /// Connections at a time; 0 for no limit.
    pub connections_max: usize,
    /// Whether loopback addresses, which are this machine's own, are held to the limits on joins and connections too.
    pub loopback: bool,
}

impl AddressLimits {
    pub const NONE: Self = Self { line_rate: None, join_rate: None, connections_max: 0, loopback: false };

    /// True when there is anything that an address could exceed.
    fn exist(&self) -> bool {
        self.line_rate.is_some() || self.join_rate.is_some() || self.connections_max > 0
    }

    /// Most addresses that a server of `members_max` members remembers.
    fn addresses_max(&self, members_max: usize) -> usize {
        if self.exist() { members_max + ADDRESSES_REMEMBERED_MAX } else { 0 }
    }

    /// Most memory that they take, in bytes. A table has a power of two of places, uses seven of eight, and doubles when it would
    /// otherwise have to be put in order more than half full; the one before is there meanwhile (hashbrown).
    pub fn footprint_max(&self, members_max: usize) -> usize {
        let places = (2 * self.addresses_max(members_max) * 8 / 7).next_power_of_two();
        places * (size_of::<(Network, Usage)>() + 1) * 3 / 2
    }
}

/// Why a newcomer is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    TooManyConnections,
    TooManyJoins,
}

/// One subscriber's share of the address space: an IPv4 address, or the 64 bits of an IPv6 network, since a subscriber has at
/// least that. An IPv4 address stands for itself below 2^32, where no IPv6 network but loopback's is in use (RFC 4291,
/// section 2.4).
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
    /// True when forgetting it gives the address nothing that it would not have.
    fn is_forgettable(&self, now: Instant) -> bool {
        self.connections == 0 && self.joins.is_full(now) && self.lines.is_full(now)
    }
}

/// Who is here from where, who has joined, and what was said from there. What an address has used up outlives its
/// connections: coming again does not fill a bucket.
#[derive(Debug)]
pub struct Addresses {
    limits: AddressLimits,
    /// Most members of the server.
    members_max: usize,
    /// Holds every address with a connection, as long as there are limits.
    usage: HashMap<Network, Usage>,
    /// When those with nothing to remember were last forgotten.
    cleaned: Option<Instant>,
}

impl Addresses {
    pub fn new(limits: AddressLimits, members_max: usize) -> Self {
        Self { limits, members_max, usage: HashMap::new(), cleaned: None }
    }

    /// A newcomer from `address`. Each one that is let in is answered by a [`Addresses::leave`].
    pub fn join(&mut self, address: IpAddr, now: Instant) -> Result<(), Refusal> {
        if !self.limits.exist() {
            return Ok(());
        }
        let network = Network::of(address);
        let addresses_max = self.limits.addresses_max(self.members_max);
        if self.usage.len() >= addresses_max && !self.usage.contains_key(&network) {
            if self.cleaned.is_none_or(|cleaned| cleaned + ADDRESSES_CLEANING <= now) {
                self.cleaned = Some(now);
                self.usage.retain(|_, usage| !usage.is_forgettable(now));
            }
            if self.usage.len() >= addresses_max {
                return Err(Refusal::TooManyJoins);
            }
        }
        let exempt = address.is_loopback() && !self.limits.loopback;
        let usage = self.usage.entry(network).or_default();
        if !exempt {
            let connections_max = self.limits.connections_max;
            if connections_max > 0 && usage.connections as usize >= connections_max {
                return Err(Refusal::TooManyConnections);
            }
            if let Some(rate) = self.limits.join_rate {
                usage.joins.allows(rate, 1.0, now).map_err(|_| Refusal::TooManyJoins)?;
                usage.joins.take(rate, 1.0, now);
            }
        }
        usage.connections += 1;
        Ok(())
    }

    /// One of the connections from `address` is gone.
    pub fn leave(&mut self, address: IpAddr, now: Instant) {
        if !self.limits.exist() {
            return;
        }
        let network = Network::of(address);
        let usage = self.usage.get_mut(&network).expect("who leaves has joined");
        usage.connections -= 1;
        if usage.is_forgettable(now) {
            self.usage.remove(&network);
        }
    }

    /// Takes one line of what may be said from `address`, for a connection that is here. Returns when the line may be said:
    /// the lines of an address wait their turn, in the order in which they asked.
    pub fn reserve_line(&mut self, address: IpAddr, now: Instant) -> Instant {
        let Some(rate) = self.limits.line_rate else { return now };
        let usage = self.usage.get_mut(&Network::of(address)).expect("who speaks has joined");
        usage.lines.reserve(rate, 1.0, now)
    }

    /// Puts back a line that was taken and will not be said.
    pub fn give_back_line(&mut self, address: IpAddr) {
        let Some(rate) = self.limits.line_rate else { return };
        let usage = self.usage.get_mut(&Network::of(address)).expect("who spoke has joined");
        usage.lines.give_back(rate, 1.0);
    }
}

impl Addresses {
    /// Panics when an address has more than its share.
    pub fn invariants(&self) {
        assert!(
            self.usage.len() <= self.limits.addresses_max(self.members_max),
            "the addresses remembered are bounded"
        );
        assert!(self.footprint() <= self.limits.footprint_max(self.members_max), "their table is bounded");
        if self.limits.connections_max > 0 && self.limits.loopback {
            let most = self.limits.connections_max;
            let within = self.usage.values().all(|usage| usage.connections as usize <= most);
            assert!(within, "an address has at most its share");
        }
    }

    /// Connections of all addresses, as far as they are counted.
    pub fn connections(&self) -> Option<usize> {
        self.limits.exist().then(|| self.usage.values().map(|usage| usage.connections as usize).sum())
    }

    /// Memory in use, in bytes.
    pub fn footprint(&self) -> usize {
        // The capacity is seven eighths of the places.
        (self.usage.capacity() * 8 / 7) * (size_of::<(Network, Usage)>() + 1)
    }

    /// Which addresses share one allowance.
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
    fn what_an_address_has_said_outlives_its_connections() {
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
        assert!(addresses.usage.is_empty(), "with full buckets there is nothing to remember");
    }

    #[test]
    fn the_table_of_addresses_is_bounded_and_forgets_who_has_nothing_to_remember() {
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
}
