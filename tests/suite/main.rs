//! The tests of the built program, in one binary so that they are linked once and run at the same time.
//!
//! Those that cannot share a process are beside this folder: one counts allocations, one needs almost all descriptors
//! that a process may have, and those of documents need nothing built.

mod admin;
mod attacks;
mod chat;
mod chat_json;
mod chat_tls;
mod coming_back;
mod conform;
mod corpora;
mod fallback;
mod faults;
mod irc_clients;
mod limits;
mod log;
mod memory;
mod misbehaviour;
mod objects;
mod options;
mod order;
mod proxies;
mod reload;
mod resume;
mod sandbox;
mod server;
mod settings;
#[path = "../support/mod.rs"]
mod support;
mod systemd;
mod tables;
mod terminal;
mod transcript;
mod web;
