//! How long to wait before the next attempt to connect. Pure: the random number is handed in.
//!
//! The bound of a wait doubles with each attempt that failed, up to [`WAIT_MAX`], and the wait is anything from nothing
//! to that bound ("full jitter"): the clients of a server that went away do not all come back in the same moment.

use std::time::Duration;

/// Longest wait before the first attempt.
const WAIT_FIRST: Duration = Duration::from_secs(1);

/// Longest wait before any attempt: a server that is away for minutes is found again in half a minute.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A connection that has lasted so long is a success, after which waits begin at the first again. A server that closes
/// every connection at once is not asked again and again without growing waits.
pub const SUCCESS_AFTER: Duration = WAIT_MAX;

/// The attempts since the last success.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The wait before the next attempt, for any `random` number.
    pub fn next(&mut self, random: u64) -> Duration {
        let bound = self.bound();
        self.attempts = self.attempts.saturating_add(1);
        // The upper half of the product is evenly spread over the bound.
        let nanos = u64::try_from(bound.as_nanos()).expect("the bound is short");
        Duration::from_nanos(((u128::from(nanos) * u128::from(random)) >> 64) as u64)
    }

    fn bound(&self) -> Duration {
        1u32.checked_shl(self.attempts)
            .and_then(|factor| WAIT_FIRST.checked_mul(factor))
            .unwrap_or(WAIT_MAX)
            .min(WAIT_MAX)
    }

    /// A connection has ended that lasted `time`.
    pub fn lasted(&mut self, time: Duration) {
        if time >= SUCCESS_AFTER {
            self.attempts = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_are_spread_below_it() {
        let mut longest = Backoff::default();
        let bounds: Vec<u128> = (0..40).map(|_| longest.next(u64::MAX).as_millis()).collect();
        assert_eq!(bounds[..6], [999, 1999, 3999, 7999, 15_999, 29_999]);
        assert!(bounds[6..].iter().all(|bound| *bound == 29_999));
        let mut any = Backoff::default();
        assert_eq!((any.next(0), any.next(u64::MAX / 2).as_millis()), (Duration::ZERO, 999));
    }

    #[test]
    fn only_a_connection_that_lasted_is_a_success() {
        let mut backoff = Backoff::default();
        backoff.next(0);
        backoff.lasted(Duration::from_secs(1));
        assert_eq!(backoff.next(u64::MAX).as_millis(), 1999);
        backoff.lasted(SUCCESS_AFTER);
        assert_eq!(backoff.next(u64::MAX).as_millis(), 999);
    }
}
