//! When each message came to each verified member of one process, packed, for the process that joins what several recorded.
//!
//! When the whole room has a message is not known from quantiles of its parts, so each arrival is kept: two or three bytes, its
//! distance from the one before it. Nothing is rounded.

use std::io::{self, Write};

/// Deliveries to verified members that a run over several processes may plan: three bytes each, shared by its processes.
pub const ARRIVALS_MAX: u64 = 150_000_000;

/// Arrivals of all messages of a plan.
#[derive(Debug)]
pub struct Arrivals {
    messages: Vec<Packed>,
}

/// Arrivals of one message, in their order.
#[derive(Debug, Clone, Default)]
struct Packed {
    count: u32,
    last_ns: u64,
    bytes: Vec<u8>,
}

impl Arrivals {
    /// None yet of any of `messages`.
    pub fn new(messages: usize) -> Self {
        Self { messages: vec![Packed::default(); messages] }
    }

    /// Message `index`, which was due at `due_ns`, came to one more member at `now_ns`, which is no earlier than it came to the others.
    pub fn push(&mut self, index: usize, due_ns: u64, now_ns: u64) {
        let message = &mut self.messages[index];
        let before_ns = if message.count == 0 { due_ns } else { message.last_ns };
        push_varint(&mut message.bytes, now_ns.saturating_sub(before_ns));
        message.last_ns = now_ns;
        message.count += 1;
    }

    /// Writes the arrivals of each message in turn, for [`read_message`].
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut head = Vec::new();
        for message in &self.messages {
            head.clear();
            push_varint(&mut head, u64::from(message.count));
            to.write_all(&head)?;
            to.write_all(&message.bytes)?;
        }
        Ok(())
    }
}

/// Appends to `arrivals_ns` when the next message came, which was due at `due_ns`; `next_byte` gives the bytes that
/// [`Arrivals::write`] wrote.
pub fn read_message<E>(
    mut next_byte: impl FnMut() -> Result<u8, E>,
    due_ns: u64,
    arrivals_ns: &mut Vec<u64>,
) -> Result<(), E> {
    let count = read_varint(&mut next_byte)?;
    let mut at_ns = due_ns;
    for _ in 0..count {
        at_ns = at_ns.saturating_add(read_varint(&mut next_byte)?);
        arrivals_ns.push(at_ns);
    }
    Ok(())
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read_varint<E>(next_byte: &mut impl FnMut() -> Result<u8, E>) -> Result<u64, E> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = next_byte()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_back(arrivals: &Arrivals, due_ns: &[u64]) -> Vec<Vec<u64>> {
        let mut bytes = Vec::new();
        arrivals.write(&mut bytes).unwrap();
        let mut bytes = bytes.into_iter();
        let messages = due_ns.iter().map(|&due_ns| {
            let mut message = Vec::new();
            read_message(|| bytes.next().ok_or(()), due_ns, &mut message).unwrap();
            message
        });
        let messages = messages.collect();
        assert_eq!(bytes.next(), None, "nothing is left over");
        messages
    }

    proptest! {
        #[test]
        fn arrivals_are_read_back_exactly(gaps in proptest::collection::vec((0usize..3, 0u64..1 << 50), 0..200)) {
            let due_ns = [5, 1_000_000, 1 << 60];
            let mut arrivals = Arrivals::new(3);
            let mut expected = vec![Vec::new(); 3];
            for (index, gap_ns) in gaps {
                let at_ns = expected[index].last().copied().unwrap_or(due_ns[index]) + gap_ns;
                arrivals.push(index, due_ns[index], at_ns);
                expected[index].push(at_ns);
            }
            prop_assert_eq!(read_back(&arrivals, &due_ns), expected);
        }
    }

    #[test]
    fn an_arrival_ten_microseconds_after_another_takes_two_bytes() {
        let mut arrivals = Arrivals::new(1);
        (1..=1000).for_each(|at| arrivals.push(0, 0, at * 10_000));
        let mut bytes = Vec::new();
        arrivals.write(&mut bytes).unwrap();
        assert_eq!(bytes.len(), 2 + 2 * 1000);
    }
}
