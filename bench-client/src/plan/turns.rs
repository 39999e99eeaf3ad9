//! Whose turn it is: messages go round the publishers.
//!
//! Message `i` is publisher `i mod p`, sequence `i div p`; both can be told from each other without a table. What is true of the
//! messages of a whole plan is true of those of one of its rooms, counted by themselves.

/// So many messages, which go round so many publishers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    publishers: u32,
    messages: usize,
}

impl Turns {
    /// `messages` that go round `publishers`.
    pub fn new(publishers: u32, messages: usize) -> Self {
        Self { publishers, messages }
    }

    pub fn publishers(&self) -> u32 {
        self.publishers
    }

    pub fn messages(&self) -> usize {
        self.messages
    }

    /// The publisher that sends message `index`.
    pub fn publisher_of(&self, index: usize) -> u32 {
        (index % self.publishers as usize) as u32
    }

    /// The number of message `index` among those of its publisher, from 0.
    pub fn sequence_of(&self, index: usize) -> u64 {
        (index / self.publishers as usize) as u64
    }

    /// The message that is `sequence` of `publisher`, if there is one.
    pub fn index_of(&self, publisher: u32, sequence: u64) -> Option<usize> {
        if publisher >= self.publishers {
            return None;
        }
        let index = sequence.checked_mul(u64::from(self.publishers))?.checked_add(u64::from(publisher))?;
        (index < self.messages as u64).then_some(index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn publisher_and_sequence_name_each_message_once(publishers in 1u32..50, messages in 1usize..2000) {
            let turns = Turns::new(publishers, messages);
            for index in 0..messages {
                prop_assert_eq!(turns.index_of(turns.publisher_of(index), turns.sequence_of(index)), Some(index));
            }
            prop_assert_eq!(turns.index_of(publishers, 0), None);
            prop_assert_eq!(turns.index_of(0, u64::MAX), None);
        }
    }
}
