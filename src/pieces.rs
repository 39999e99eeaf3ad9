//! Structures that grow and shrink in pieces of bounded size, so that no call copies, scans or frees more than a piece
//! of them, and what is not used any more goes back to the allocator.
//!
//! A `Vec`, a `VecDeque` or a hash table that doubles moves all that it holds in one call, and keeps its largest size
//! for ever. Here a connection among a million costs what it costs among thousands.

pub mod fifo;
pub mod hashed;
pub mod heap;
pub mod slots;
