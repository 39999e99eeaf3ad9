//! One room on several nodes: what members say is published to a stream, and is said to the room once the stream gives
//! it back. So the stream's order is the room's order on every node, and the log of a room is a copy of what the stream
//! has of it.
//!
//! The loop talks to the stream by a [`Link`](link::Link): it hands over orders and is given news, and waits for
//! neither. All decisions are made here and in `server::cluster`, which a simulated stream plays without a network.

pub mod link;
pub mod ask;
pub mod names;
pub mod shown;
pub mod told;
