//! How many bytes a delivery has where it has not always as many: where the server numbers its messages, or calls a member by a name
//! that only it knows.
//!
//! One member that listens and verifies is the sample: what it was sent, all others were sent.

/// Bytes that the sample was sent, by publisher.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// The member that is the sample; None where every delivery has as many bytes as is known beforehand.
    pub(super) member: Option<usize>,
    of_publishers: Vec<Sent>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Sent {
    messages: u64,
    bytes: u64,
    longest: u64,
}

impl Sample {
    pub(super) fn new(member: Option<usize>, publishers: usize) -> Self {
        Self { member, of_publishers: vec![Sent::default(); publishers] }
    }

    /// The sample was sent a message of `publisher`, which took `bytes`.
    pub(super) fn on_delivery(&mut self, publisher: u32, bytes: usize) {
        let sent = &mut self.of_publishers[publisher as usize];
        sent.messages += 1;
        sent.bytes += bytes as u64;
        sent.longest = sent.longest.max(bytes as u64);
    }

    /// Forgets what came before the plan.
    pub(super) fn forget(&mut self) {
        self.of_publishers.fill(Sent::default());
    }

    /// Bytes of the first `messages` of `publisher`; of a part of what came, at most.
    pub(super) fn bytes(&self, publisher: usize, messages: u64) -> u64 {
        let sent = self.of_publishers[publisher];
        match messages.checked_sub(sent.messages) {
            Some(more) => sent.bytes + more * sent.longest,
            None => messages * sent.longest,
        }
    }

    /// How many deliveries `bytes` are, of the mean of what came, rounded down; None until there was one.
    pub(super) fn deliveries_of(&self, bytes: u64) -> Option<u64> {
        let (messages, all) = self
            .of_publishers
            .iter()
            .fold((0, 0), |(messages, all), sent| (messages + u128::from(sent.messages), all + u128::from(sent.bytes)));
        (all > 0).then(|| (u128::from(bytes) * messages / all) as u64)
    }

    /// The longest delivery; None until there was one.
    pub(super) fn longest(&self) -> Option<usize> {
        self.of_publishers.iter().map(|sent| sent.longest as usize).max().filter(|longest| *longest > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_counts_as_it_was_and_what_did_not_as_the_longest() {
        let mut sample = Sample::new(Some(0), 2);
        assert_eq!((sample.bytes(0, 3), sample.longest(), sample.deliveries_of(9)), (0, None, None));
        [99, 100].into_iter().for_each(|bytes| sample.on_delivery(0, bytes));
        sample.on_delivery(1, 90);
        assert_eq!(
            [sample.bytes(0, 2), sample.bytes(0, 3), sample.bytes(0, 1), sample.bytes(1, 1)],
            [199, 299, 100, 90]
        );
        assert_eq!(sample.longest(), Some(100));
        assert_eq!((sample.deliveries_of(2 * 289), sample.deliveries_of(96)), (Some(6), Some(0)));
        sample.forget();
        assert_eq!(sample.bytes(0, 2), 0);
    }
}
