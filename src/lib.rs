//! Uproar: a chat server for very large rooms on Linux.
//!
//! **A room is a log; a member is a cursor into it.** Data flows one way: [`io`] hands in bytes, [`wire`] cuts
//! them into lines and makes them harmless, [`room`] appends them to its log and knows what each member has still to be
//! sent, [`server`] turns that into batches of sends, which [`io`] carries out. `ARCHITECTURE.md` is the map.

pub mod capacity;
pub mod chat;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod connection;
pub mod connections;
pub mod counters;
pub mod door;
pub mod flood;
#[allow(unsafe_code, reason = "the kernel's queues, signals and sockets; outside io unsafe code is denied")]
pub mod io;
pub mod journal;
pub mod limits;
pub mod memory;
pub mod message;
pub mod metrics;
pub mod moderation;
pub mod motd;
pub mod names;
pub mod net;
pub mod outlet;
pub mod pieces;
pub mod random;
pub mod room;
pub mod rooms;
pub mod sandbox;
pub mod serve;
pub mod server;
pub mod service;
pub mod sessions;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod table;
pub mod time;
pub mod timeouts;
pub mod token;
pub mod transcript;
pub mod web;
pub mod wire;
