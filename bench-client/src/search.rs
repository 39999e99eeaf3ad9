//! The highest rate that a condition holds at, found by trial: doubled or halved until the condition turns, then halved
//! in between.
//!
//! Pure: it says which rate to try next and is told how it went. A condition that holds at one rate and not at a lower one
//! is noise; the search then ends at the higher of the two it closed in on, and every trial is there to be read.

/// A search is over when the rate that fails is at most this much above the one that holds.
pub const PRECISION: f64 = 1.05;
/// Trials at most: a factor of a thousand either way, and the closing in.
const TRIALS_MAX: u32 = 16;

/// A search under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    rate: f64,
    precision: f64,
    trials: u32,
    /// Highest rate that held.
    held: Option<f64>,
    /// Lowest rate that did not.
    failed: Option<f64>,
}

impl Search {
    /// Begins at `rate` and ends when what fails is at most `precision` times what holds.
    pub fn new(rate: f64, precision: f64) -> Self {
        Self { rate, precision, trials: 0, held: None, failed: None }
    }

    /// The rate to try; the same until [`Self::tried`].
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The highest rate that held so far.
    pub fn held(&self) -> Option<f64> {
        self.held
    }

    /// Tells whether the condition held at [`Self::rate`]; returns whether there is another rate to try.
    pub fn tried(&mut self, held: bool) -> bool {
        self.trials += 1;
        if held {
            self.held = Some(self.held.map_or(self.rate, |best| best.max(self.rate)));
        } else {
            self.failed = Some(self.failed.map_or(self.rate, |worst| worst.min(self.rate)));
        }
        self.rate = match (self.held, self.failed) {
            (Some(held), None) => held * 2.0,
            (None, Some(failed)) => failed / 2.0,
            (Some(held), Some(failed)) if failed / held > self.precision => (held * failed).sqrt(),
            _ => return false,
        };
        self.trials < TRIALS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rates tried when everything up to `limit` holds.
    fn tries(start: f64, limit: f64) -> (Vec<f64>, Option<f64>) {
        let mut search = Search::new(start, PRECISION);
        let mut rates = Vec::new();
        loop {
            rates.push(search.rate());
            let held = search.rate() <= limit;
            if !search.tried(held) {
                return (rates, search.held());
            }
        }
    }

    #[test]
    fn a_rate_is_doubled_until_it_fails_and_then_closed_in_on() {
        let (rates, held) = tries(100.0, 700.0);
        assert_eq!(rates[..4], [100.0, 200.0, 400.0, 800.0]);
        assert!(held.is_some_and(|held| held <= 700.0 && held * PRECISION >= 700.0), "{rates:?}");
        assert!(rates.len() <= 9, "{rates:?}");
    }

    #[test]
    fn a_rate_that_fails_at_once_is_halved() {
        let (rates, held) = tries(1000.0, 100.0);
        assert_eq!(rates[..5], [1000.0, 500.0, 250.0, 125.0, 62.5]);
        assert!(held.is_some_and(|held| held <= 100.0 && held * PRECISION >= 100.0), "{rates:?}");
    }

    #[test]
    fn a_condition_that_never_holds_ends_the_search() {
        let (rates, held) = tries(1000.0, 0.0);
        assert_eq!((rates.len(), held), (TRIALS_MAX as usize, None));
    }

    proptest! {
        #[test]
        fn a_search_ends_and_never_claims_too_much(start in 1f64..1e5, limit in 1f64..1e5) {
            let (rates, held) = tries(start, limit);
            prop_assert!(rates.len() <= TRIALS_MAX as usize);
            prop_assert!(held.is_none_or(|held| held <= limit));
        }
    }
}
