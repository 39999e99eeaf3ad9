//! Token buckets, and what each address is allowed: floods are slowed, not punished. Reads no clock.
//!
//! A bucket is one moment: when it would be full again if nothing more were taken. That is the generic cell rate
//! algorithm, and makes a bucket per member affordable.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits::{ADDRESSES_CLEANING, ADDRESSES_MAX};
use crate::planted::Planted;

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

    /// Most that can be taken in `time` from a bucket that was full.
    #[cfg(any(test, feature = "sim"))]
    pub fn most(self, time: Duration) -> f64 {
        self.burst + self.per_second * time.as_secs_f64()
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
    pub fn check(&self, rate: Rate, amount: f64, now: Instant) -> Result<(), Instant> {
        let full_at = self.full_at.unwrap_or(now);
        let needed = rate.time_for(rate.burst - amount.min(rate.burst));
        if full_at <= now + needed { Ok(()) } else { Err(full_at - needed) }
    }

    /// Takes `amount`, which [`Bucket::check`] allowed.
    pub fn take(&mut self, rate: Rate, amount: f64, now: Instant) {
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        let amount = if Planted::FloodNotSlowed.is_on() { amount / 2.0 } else { amount };
        self.full_at = Some(full_at + rate.time_for(amount));
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

/// What one address may do. Loopback addresses may do anything: they are this machine's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddressLimits {
    /// Joins; `None` for no limit.
    pub join_rate: Option<Rate>,
    /// Connections at a time; 0 for no limit.
    pub connections_max: usize,
    /// Whether loopback addresses are held to it too.
    pub loopback: bool,
}

/// Why a newcomer is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    TooManyConnections,
    TooManyJoins,
}

#[derive(Debug, Default)]
struct Usage {
    connections: usize,
    joins: Bucket,
}

/// Who has joined from where, by IPv4 address or IPv6 network of 64 bits.
#[derive(Debug)]
pub struct Addresses {
    limits: AddressLimits,
    usage: HashMap<IpAddr, Usage>,
    /// When those with nothing to remember were last forgotten.
    cleaned: Option<Instant>,
}

impl Addresses {
    pub fn new(limits: AddressLimits) -> Self {
        Self { limits, usage: HashMap::new(), cleaned: None }
    }

    /// A newcomer from `address`. Each one that is let in is answered by a [`Addresses::leave`].
    pub fn join(&mut self, address: IpAddr, now: Instant) -> Result<(), Refusal> {
        if !self.counts(address) {
            return Ok(());
        }
        if self.usage.len() >= ADDRESSES_MAX && !self.usage.contains_key(&network(address)) {
            if self.cleaned.is_none_or(|cleaned| cleaned + ADDRESSES_CLEANING <= now) {
                self.cleaned = Some(now);
                self.usage.retain(|_, usage| usage.connections > 0 || !usage.joins.is_full(now));
            }
            if self.usage.len() >= ADDRESSES_MAX {
                return Err(Refusal::TooManyJoins);
            }
        }
        let usage = self.usage.entry(network(address)).or_default();
        if self.limits.connections_max > 0 && usage.connections >= self.limits.connections_max {
            return Err(Refusal::TooManyConnections);
        }
        if let Some(rate) = self.limits.join_rate {
            usage.joins.check(rate, 1.0, now).map_err(|_| Refusal::TooManyJoins)?;
            usage.joins.take(rate, 1.0, now);
        }
        usage.connections += 1;
        Ok(())
    }

    pub fn leave(&mut self, address: IpAddr, now: Instant) {
        if !self.counts(address) {
            return;
        }
        let network = network(address);
        let usage = self.usage.get_mut(&network).expect("who leaves has joined");
        usage.connections -= 1;
        if usage.connections == 0 && usage.joins.is_full(now) {
            self.usage.remove(&network);
        }
    }

    fn counts(&self, address: IpAddr) -> bool {
        let limited = self.limits.connections_max > 0 || self.limits.join_rate.is_some();
        limited && (self.limits.loopback || !address.is_loopback())
    }
}

#[cfg(any(test, feature = "sim"))]
impl Addresses {
    /// Panics when an address has more than its share.
    pub fn invariants(&self) {
        assert!(self.usage.len() <= ADDRESSES_MAX, "the addresses remembered are bounded");
        let most = if self.limits.connections_max > 0 { self.limits.connections_max } else { usize::MAX };
        assert!(self.usage.values().all(|usage| usage.connections <= most), "an address has at most its share");
    }
}

/// One subscriber's share of the address space: an IPv6 subscriber has at least 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => IpAddr::from((six.to_bits() >> 64 << 64).to_be_bytes()),
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
            assert_eq!(bucket.check(rate, 1.0, start), Ok(()));
            bucket.take(rate, 1.0, start);
        }
        assert_eq!(bucket.check(rate, 1.0, start), Err(start + Duration::from_millis(100)));
        let later = start + Duration::from_millis(100);
        assert_eq!(bucket.check(rate, 1.0, later), Ok(()));
        bucket.take(rate, 1.0, later);
        assert_eq!(bucket.check(rate, 1.0, later), Err(later + Duration::from_millis(100)));
        let idle = later + Duration::from_secs(100);
        assert!(bucket.is_full(idle));
        assert_eq!(bucket.check(rate, 9.0, idle), Ok(()), "more than the burst is taken from a full bucket");
        bucket.take(rate, 9.0, idle);
        assert_eq!(bucket.check(rate, 1.0, idle), Err(idle + Duration::from_millis(500)));
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert_eq!(Rate::new(0, 50), None);
    }

    #[test]
    fn an_address_is_held_to_its_limits_and_loopback_is_not() {
        let limits = AddressLimits { join_rate: Rate::new(1, 3), connections_max: 2, loopback: false };
        let mut addresses = Addresses::new(limits);
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
        let limits = AddressLimits { join_rate: None, connections_max: 1, loopback: true };
        let mut addresses = Addresses::new(limits);
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
}
