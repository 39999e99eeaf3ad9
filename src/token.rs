//! Tokens, which identify operations in flight by operation, generation and slot. A descriptor is never an identity.
//!
//! The kernel hands back 64 bits with each completion. They have the kind of the operation, the slot in the slab, and
//! the generation of the connection, so that a completion for an earlier connection in the slot is recognised.

use std::fmt;

/// Index of a connection in the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

impl Slot {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Tells connections apart that have the same slot one after the other. 24 bits, so the same generation comes again
/// only 16 million connections later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u32);

impl Generation {
    const BITS: u32 = 24;
    const MASK: u32 = (1 << Self::BITS) - 1;

    pub const FIRST: Self = Self(0);
}

/// The number of a connection, counted from 1 over all connections of the server. It never comes again, so it tells
/// apart whom a name cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(pub u64);

impl Serial {
    pub const FIRST: Self = Self(1);

    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The generation that stands for it in tokens.
    pub fn generation(self) -> Generation {
        Generation((self.0 & u64::from(Generation::MASK)) as u32)
    }
}

/// A number under which members know a connection or a room. It never comes again, and tells nothing of the number
/// that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicId(pub u64);

impl PublicId {
    /// Half of its bits, for what makes it.
    pub const HALF_BITS: u32 = u64::BITS / 2;
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// Index of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u32);

/// Identifies one connection, and no other that has the same slot later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    pub slot: Slot,
    pub generation: Generation,
}

/// One of the listeners that a back end was made with, counted in the order in which it was given them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u8);

impl ListenerId {
    pub const FIRST: Self = Self(0);

    /// The first `count` of them.
    pub fn first(count: usize) -> impl Iterator<Item = Self> {
        (0..u8::try_from(count).expect("there are few listeners")).map(Self)
    }

    pub fn index(self) -> usize {
        self.0.into()
    }
}

/// One of the tables that a back end has its sockets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u16);

impl TableId {
    /// The only one, where a back end has one.
    pub const FIRST: Self = Self(0);

    pub fn index(self) -> usize {
        self.0.into()
    }
}

/// Kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// Accepting connections; the slot is the listener.
    Accept = 1,
    /// Waiting until a connection has bytes to receive.
    Readable,
    /// Waiting until a full socket is writable.
    Writable,
    /// Receiving a chunk into the scratch memory of the turn; the slot is an index there.
    Receive,
    /// Sending; the slot is an index in the batch.
    Send,
    /// Waiting for a signal.
    Signal,
    /// Waiting until a table has something to collect.
    Wake,
    /// Making an ordinary descriptor of a table's file.
    Install,
    /// Waiting until the cluster's link has news.
    Link,
}

impl Op {
    const ALL: [Self; 9] = [
        Self::Accept,
        Self::Readable,
        Self::Writable,
        Self::Receive,
        Self::Send,
        Self::Signal,
        Self::Wake,
        Self::Install,
        Self::Link,
    ];
}

/// Operation, generation and slot as the 64 bits that a kernel hands back: `op:8 | generation:24 | slot:32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub op: Op,
    pub id: ConnectionId,
}

impl Token {
    pub fn new(op: Op, id: ConnectionId) -> Self {
        Self { op, id }
    }

    /// A token for an operation that belongs to no connection, or that is identified by its index in a batch.
    pub fn indexed(op: Op, index: usize) -> Self {
        let slot = Slot(u32::try_from(index).expect("a batch has far fewer than 2^32 entries"));
        Self { op, id: ConnectionId { slot, generation: Generation::FIRST } }
    }

    /// A token for accepting on a listener.
    pub fn accept(listener: ListenerId) -> Self {
        Self::indexed(Op::Accept, listener.index())
    }

    pub fn index(self) -> usize {
        self.id.slot.index()
    }

    /// The listener of a token made by [`Token::accept`].
    pub fn listener(self) -> ListenerId {
        ListenerId(u8::try_from(self.index()).expect("it was made from a listener"))
    }

    pub fn to_bits(self) -> u64 {
        (self.op as u64) << 56 | u64::from(self.id.generation.0) << 32 | u64::from(self.id.slot.0)
    }

    /// `None` for bits that no token has.
    pub fn from_bits(bits: u64) -> Option<Self> {
        let op = Op::ALL.into_iter().find(|op| *op as u64 == bits >> 56)?;
        let generation = Generation((bits >> 32) as u32 & Generation::MASK);
        Some(Self { op, id: ConnectionId { slot: Slot(bits as u32), generation } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_generation_of_a_serial_number_wraps_to_the_first() {
        let last = Serial(Generation::MASK.into());
        assert_eq!((last.generation(), last.next().generation()), (Generation(Generation::MASK), Generation::FIRST));
        assert_ne!(Serial::FIRST.generation(), Serial::FIRST.next().generation());
    }

    #[test]
    fn a_listener_survives_its_token() {
        for listener in [ListenerId::FIRST, ListenerId(1), ListenerId(u8::MAX)] {
            assert_eq!(Token::accept(listener).listener(), listener);
        }
    }

    #[test]
    fn bits_of_no_operation_are_no_token() {
        assert_eq!(Token::from_bits(0), None);
        assert_eq!(Token::from_bits(u64::MAX), None);
    }

    proptest! {
        #[test]
        fn every_token_survives_the_kernel(op in 0..Op::ALL.len(), generation in 0..=Generation::MASK, slot: u32) {
            let id = ConnectionId { slot: Slot(slot), generation: Generation(generation) };
            let token = Token::new(Op::ALL[op], id);
            prop_assert_eq!(Token::from_bits(token.to_bits()), Some(token));
        }
    }
}
